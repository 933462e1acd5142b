/* SPDX-License-Identifier: Apache-2.0
 *
 * Syslog nobody meant: as a datagram, as a stream that comes in pieces (the first byte gives their size), and as a file
 * of a time zone. What is stored is valid UTF-8; a stream never takes more than there is.
 */
#include "fuzz_rig.h"
#include "ingest/syslog.h"
#include "ingest/time_zone.h"

static void stream(struct syslog_door *d, struct str data, size_t piece)
{
    struct syslog_stream *s = syslog_stream_new(d);
    size_t from = 0;

    for (size_t to = piece; from < data.n; to = to + piece < data.n ? to + piece : data.n) {
        struct str have = str_drop(str_take(data, to), from);
        bool end = to >= data.n;
        int64_t n = syslog_take_stream(s, have, STR("::1"), end);

        if (n < 0 || (size_t)n > have.n || (end && n == 0 && have.n != 0)) {
            abort();
        }
        from += (size_t)n;
    }
    syslog_stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data + 1, size - 1);
    const struct syslog_packet packet = {text, STR("192.0.2.1")};
    struct syslog_opts o = {.door = "syslog_udp", .max_message = 512};
    static struct fake_store store;
    struct time_zone *z = NULL;
    struct syslog_door *d;
    struct sink sink;

    if (size == 0) {
        return 0;
    }
    fuzz_sink(&store, &sink);
    o.sink = &sink;
    d = syslog_door_new(&o);
    syslog_take_packets(d, &packet, 1);
    stream(d, text, (size_t)data[0] + 1);
    if (store.rows.failed || !str_is_utf8(buf_str(&store.rows))) {
        abort();
    }
    if (time_zone_parse(text, &z, NULL) == 0) {
        for (int64_t t = -2000000000; t < 7000000000; t += 400000007) {
            ignore_result(time_zone_to_utc_s(z, t), "only that it ends");
        }
        time_zone_free(z);
    }
    syslog_door_free(d);
    fake_store_done(&store);
    return 0;
}
