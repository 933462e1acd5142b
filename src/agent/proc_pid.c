/* SPDX-License-Identifier: Apache-2.0
 *
 * What /proc/PID tells of one process. The name in stat may hold blanks and parentheses: its end is the
 * last closing one.
 */
#include "agent/proc.h"
#include "agent/text.h"
#include "base/err.h"

int proc_pid_stat_parse(struct str text, struct pid_stat *ret)
{
    struct pid_stat s = {0};
    int64_t open = str_find_byte(text, '(');
    int64_t close = -1;
    uint64_t v[24] = {0}; /* fields 3.. of proc(5), so v[k] is field k + 4 */
    uint64_t pid;
    struct str rest;
    struct str f;
    size_t n = 0;

    for (size_t i = text.n; i-- > 0 && close < 0;) {
        close = text.p[i] == ')' ? (int64_t)i : -1;
    }
    if (open < 0 || close < open || !str_to_u64(str_trim(str_take(text, (size_t)open)), &pid) ||
        pid == 0 || pid > INT32_MAX) {
        return -ERR_INVALID;
    }
    s.pid = (uint32_t)pid;
    s.name = str_take(str_drop(text, (size_t)open + 1), (size_t)(close - open - 1));
    rest = str_drop(text, (size_t)close + 1);
    if (!text_field(&rest, &f)) {
        return -ERR_INVALID;
    }
    s.state = f.p[0];
    while (n < 21 && text_field(&rest, &f)) {
        if (!str_to_u64(f, &v[n])) {
            v[n] = 0; /* negative ones (tty, priority) are of no interest */
        }
        n++;
    }
    if (n < 21) {
        return -ERR_INVALID;
    }
    s.cpu_ticks = v[10] + v[11];
    s.threads = v[16];
    s.start_ticks = v[18];
    s.rss_pages = v[20];
    *ret = s;
    return 0;
}

const char *process_state_name(enum process_state s)
{
    static const char *const NAMES[PS_COUNT] = {"running", "sleeping", "blocked", "stopped",
                                                "defunct"};

    return (size_t)s < PS_COUNT ? NAMES[s] : "";
}

enum process_state process_state_of(char letter)
{
    switch (letter) {
    case 'R':
        return PS_RUNNING;
    case 'D':
        return PS_BLOCKED;
    case 'T':
    case 't':
        return PS_STOPPED;
    case 'Z':
    case 'X':
    case 'x':
        return PS_DEFUNCT;
    default:
        return PS_SLEEPING; /* S, I (idle kernel thread), P, K, W */
    }
}

void proc_cmdline_join(struct str text, struct buf *dst)
{
    while (text.n != 0 && text.p[text.n - 1] == '\0') {
        text.n--;
    }
    for (size_t i = 0; i < text.n && dst->n < dst->max; i++) {
        unsigned char c = (unsigned char)text.p[i];

        buf_add_byte(dst, c == '\0' ? ' ' : c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
}

struct str passwd_name(struct str text, uint32_t uid)
{
    struct str line;

    while (text_line(&text, &line)) {
        struct str name;
        struct str f;
        uint64_t id;

        if (str_split(&line, ':', &name) && str_split(&line, ':', &f) &&
            str_split(&line, ':', &f) && str_to_u64(f, &id) && id == uid) {
            return name;
        }
    }
    return (struct str){0};
}
