/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/net/dev, tcp, tcp6, sockstat. Counting sockets allocates nothing, however many there are.
 */
#include "agent/proc.h"
#include "agent/text.h"
#include "base/err.h"

int proc_net_dev_parse(struct str text, nic_stats *ret)
{
    struct str line;

    while (text_line(&text, &line)) {
        struct nic_stat nic = {0};
        uint64_t v[16] = {0};
        size_t n = 0;
        int64_t colon = -1;

        /* an alias name ("eth0:1") has a colon of its own: the last one ends the name */
        for (size_t i = 0; i < line.n; i++) {
            colon = line.p[i] == ':' ? (int64_t)i : colon;
        }
        if (colon < 0) {
            continue; /* headings */
        }
        nic.name = str_trim(str_take(line, (size_t)colon));
        line = str_drop(line, (size_t)colon + 1);
        while (n < ARRAY_LEN(v) && text_u64(&line, &v[n])) {
            n++;
        }
        if (n < 12 || nic.name.n == 0) {
            continue;
        }
        for (size_t w = 0; w < 2; w++) {
            nic.bytes[w] = v[w * 8];
            nic.packets[w] = v[w * 8 + 1];
            nic.errors[w] = v[w * 8 + 2];
            nic.dropped[w] = v[w * 8 + 3];
        }
        if (ret->n == PROC_NICS_MAX) {
            return -ERR_LIMIT;
        }
        if (!vec_push(ret, nic)) {
            return -ERR_NOMEM;
        }
    }
    return 0;
}

const char *tcp_state_name(size_t state)
{
    static const char *const NAMES[TCP_STATE_COUNT] = {
        NULL,         "established", "syn_sent",     "syn_received", "fin_wait_1",
        "fin_wait_2", "time_wait",   "closed",       "close_wait",   "last_ack",
        "listen",     "closing",     "syn_received",
    };

    return state < TCP_STATE_COUNT ? NAMES[state] : NULL;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

void proc_net_tcp_count(struct str lines, uint64_t counts[TCP_STATE_COUNT])
{
    struct str line;

    while (text_line(&lines, &line)) {
        struct str f;
        int state;

        if (!text_field(&line, &f) || f.p[f.n - 1] != ':' || !text_field(&line, &f) ||
            !text_field(&line, &f) || !text_field(&line, &f) || f.n != 2 || hex_digit(f.p[0]) < 0 ||
            hex_digit(f.p[1]) < 0) {
            continue;
        }
        state = hex_digit(f.p[0]) * 16 + hex_digit(f.p[1]);
        if (state > 0 && state < TCP_STATE_COUNT) {
            counts[state]++;
        }
    }
}

void proc_sockstat_add(struct str text, struct proc_sockstat *ret)
{
    struct str line;

    while (text_line(&text, &line)) {
        struct str protocol;
        struct str key;
        uint64_t v;
        bool tcp;
        bool udp;

        if (!text_field(&line, &protocol)) {
            continue;
        }
        tcp = str_eq(protocol, STR("TCP:")) || str_eq(protocol, STR("TCP6:"));
        udp = str_eq(protocol, STR("UDP:")) || str_eq(protocol, STR("UDP6:"));
        while (text_field(&line, &key) && text_u64(&line, &v)) {
            if (str_eq(key, STR("inuse"))) {
                ret->tcp_in_use += tcp ? v : 0;
                ret->udp_in_use += udp ? v : 0;
            } else if (str_eq(key, STR("tw"))) {
                ret->tcp_time_wait += tcp ? v : 0;
            }
        }
    }
}
