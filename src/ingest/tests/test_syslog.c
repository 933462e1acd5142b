/* SPDX-License-Identifier: Apache-2.0
 *
 * Syslog messages of the RFCs' examples and of real devices, framing on streams, time zones, and what becomes of them
 * in the store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "fake_store.h"
#include "ingest/patterns/patterns.h"
#include "ingest/process/process.h"
#include "ingest/syslog.h"
#include "ingest/syslog_parse.h"
#include "ingest/time_zone.h"

static const int64_t S = 1000000000;
/* 2025-01-01T00:05:00Z */
static const int64_t NOW = 1735689900ll * 1000000000;

/* "pri host app proc msgid sequence [structured] |msg|", "-" for what is empty, with the time in UTC before it. */
static void show(const struct syslog_message *m, char *dst, size_t n)
{
    const struct str f[] = {m->host, m->app, m->proc, m->msgid, m->sequence, m->structured};
    char time[CLOCK_RFC3339_SIZE] = "-";
    size_t at;

    if (m->has_time) {
        clock_format_rfc3339(m->time_ns / 1000000, time);
    }
    at = (size_t)snprintf(dst, n, "%d%s%s %s", m->pri, m->rfc5424 ? "v1" : "",
                          m->broken ? "broken" : "", time);
    for (size_t i = 0; i < ARRAY_LEN(f); i++) {
        at += (size_t)snprintf(dst + at, n - at, " %.*s", f[i].n != 0 ? (int)f[i].n : 1,
                               f[i].n != 0 ? f[i].p : "-");
    }
    snprintf(dst + at, n - at, " |%.*s|", STR_ARG(m->msg));
}

static const struct {
    const char *text;
    const char *want;
} MESSAGES[] = {
    /* RFC 5424 section 6.5 */
    {"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su root' failed",
     "34v1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - - |'su root' failed|"},
    {"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time",
     "165v1 2003-08-24T12:14:15.000Z 192.0.2.1 myproc 8710 - - - |%% It's time|"},
    {"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
     "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] \xEF\xBB\xBF"
     "An event",
     "165v1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 - "
     "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] |An event|"},
    {"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
     "[a@1 x=\"3\"][b@1 class=\"high\"]",
     "165v1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 - "
     "[a@1 x=\"3\"][b@1 class=\"high\"] ||"},
    {"<14>1 - - - - - - text", "14v1 - - - - - - - |text|"},
    {"<14>1 - - - - - -  as rsyslog", "14v1 - - - - - - - |as rsyslog|"},
    {"<14>1 - - - - - -", "14v1 - - - - - - - ||"},
    {"<14>1 - h a p m [x y=\"a\\\"b\\]c\\\\\"] t", "14v1 - h a p m - [x y=\"a\\\"b\\]c\\\\\"] |t|"},
    {"<14>1 2024-06-01T10:00:00 h a - - - no zone",
     "14v1 2024-06-01T10:00:00.000Z h a - - - - |no zone|"},
    /* not quite RFC 5424 */
    {"<14>1 2024-06-01T10:00:00Z h a p m [x y=\"unfinished] t",
     "14v1broken 2024-06-01T10:00:00.000Z h a p m - - |[x y=\"unfinished] t|"},
    {"<14>1 2024-06-01T10:00:00Z h a p m no structured data",
     "14v1broken 2024-06-01T10:00:00.000Z h a p m - - |no structured data|"},
    {"<14>1 2024-06-01T10:00:00Z h", "14v1 2024-06-01T10:00:00.000Z h - - - - - ||"},
    /* RFC 3164 section 5.4 */
    {"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
     "34 2024-10-11T22:14:15.000Z mymachine su - - - - |'su root' failed for lonvick on /dev/pts/8|"},
    {"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
     "13 2024-02-05T17:32:18.000Z 10.0.0.99 - - - - - |Use the BFG!|"},
    {"<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time",
     "165 1987-08-24T11:34:00.000Z mymachine myproc 10 - - - |%% It's time|"},
    {"<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!",
     "0 - - - - - - - |1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's "
     "All Folks!|"},
    /* years: the last such date not more than a day ahead of 2025-01-01T00:05 */
    {"<13>Dec 31 23:59:58 h k: x", "13 2024-12-31T23:59:58.000Z h k - - - - |x|"},
    {"<13>Jan  1 00:04:00 h k: x", "13 2025-01-01T00:04:00.000Z h k - - - - |x|"},
    {"<13>Jan  1 20:00:00 h k: x", "13 2025-01-01T20:00:00.000Z h k - - - - |x|"},
    {"<13>Jan  3 00:00:00 h k: x", "13 2024-01-03T00:00:00.000Z h k - - - - |x|"},
    {"<13>Feb 29 00:00:00 h k: x", "13 2024-02-29T00:00:00.000Z h k - - - - |x|"},
    {"<13>Feb 30 00:00:00 h k: x", "13 - h k - - - - |x|"},
    /* other times */
    {"<13>2024-10-11T22:14:15.003+09:00 web1 nginx[12]: GET /",
     "13 2024-10-11T13:14:15.003Z web1 nginx 12 - - - |GET /|"},
    {"<13>2024-10-11 22:14:15,5 web1 nginx[12]: GET /",
     "13 2024-10-11T22:14:15.500Z web1 nginx 12 - - - |GET /|"},
    {"<13>2024-10-11T22:14:15+0900 web1 nginx: GET /",
     "13 2024-10-11T13:14:15.000Z web1 nginx - - - - |GET /|"},
    {"<13>Oct 11 2023 22:14:15 h a: x", "13 2023-10-11T22:14:15.000Z h a - - - - |x|"},
    {"<13>Oct 11 22:14:15.25 KST h a: x", "13 2024-10-11T13:14:15.250Z h a - - - - |x|"},
    {"<13>Fri Oct 11 22:14:15 2024 h a: x", "13 2024-10-11T22:14:15.000Z h a - - - - |x|"},
    {"<134>1 1563249630.774247467 remote_appliance security_event ids",
     "134 2019-07-16T04:00:30.774Z remote_appliance - - - - - |security_event ids|"},
    {"<134>1 9999999999 h x", "134 - - - - - - - |1 9999999999 h x|"},
    /* Cisco */
    {"<189>45: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console",
     "189 2024-03-01T18:46:11.123Z - - - SYS-5-CONFIG_I 45 - |%SYS-5-CONFIG_I: Configured from "
     "console|"},
    {"<189>34: router1: .Mar  1 18:46:11 UTC: %LINK-3-UPDOWN: Interface up",
     "189 2024-03-01T18:46:11.000Z router1 - - LINK-3-UPDOWN 34 - |%LINK-3-UPDOWN: Interface up|"},
    {"<190>22: 5d12h: %SYS-5-RESTART: System restarted",
     "190 - - - - SYS-5-RESTART 22 - |%SYS-5-RESTART: System restarted|"},
    {"<166>Oct 11 2024 22:14:15 asa1 : %ASA-6-302013: Built",
     "166 2024-10-11T22:14:15.000Z asa1 - - ASA-6-302013 - - |%ASA-6-302013: Built|"},
    {"<166>:Oct 11 22:14:15 UTC: %ASA-6-302013: Built",
     "166 2024-10-11T22:14:15.000Z - - - ASA-6-302013 - - |%ASA-6-302013: Built|"},
    /* parts missing */
    {"<13>Oct 11 22:14:15 su: no host", "13 2024-10-11T22:14:15.000Z - su - - - - |no host|"},
    {"<13>Oct 11 22:14:15 su[7]: no host", "13 2024-10-11T22:14:15.000Z - su 7 - - - |no host|"},
    {"<13>Oct 11 22:14:15 host app:glued", "13 2024-10-11T22:14:15.000Z host app - - - - |glued|"},
    {"<13>Oct 11 22:14:15 2001:db8::1 app: v6",
     "13 2024-10-11T22:14:15.000Z 2001:db8::1 app - - - - |v6|"},
    {"<13>Oct 11 22:14:15 h http://x/ is down",
     "13 2024-10-11T22:14:15.000Z h - - - - - |http://x/ is down|"},
    {"<13>Oct 11 22:14:15 h sshd(pam_unix)[12]: x",
     "13 2024-10-11T22:14:15.000Z h sshd(pam_unix) 12 - - - |x|"},
    {"<13>app: hello", "13 - - app - - - - |hello|"},
    {"<13>{\"a\": 1}", "13 - - - - - - - |{\"a\": 1}|"},
    {"<13>plain message", "13 - - - - - - - |plain message|"},
    {"<13>", "13 - - - - - - - ||"},
    {"Oct 11 22:14:15 host cron[1]: no priority",
     "-1 2024-10-11T22:14:15.000Z host cron 1 - - - |no priority|"},
    {"no priority: nothing", "-1 - - - - - - - |no priority: nothing|"},
    {"<192>x", "-1 - - - - - - - |<192>x|"},
    {"<1x>y", "-1 - - - - - - - |<1x>y|"},
    {"", "-1 - - - - - - - ||"},
};

static void test_messages(void **state)
{
    const struct syslog_clock clock = {.now_ns = NOW};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(MESSAGES); i++) {
        struct syslog_message m;
        char text[512];

        syslog_parse(str_cstr(MESSAGES[i].text), &clock, &m);
        show(&m, text, sizeof(text));
        if (strcmp(text, MESSAGES[i].want) != 0) {
            print_message("%s\n", MESSAGES[i].text);
        }
        assert_string_equal(text, MESSAGES[i].want);
    }
}

static void test_params(void **state)
{
    struct str at = STR("[a@1 x=\"1\" y=\"\"][b][c z=\"q\\\"r\"]");
    struct syslog_param p = {0};
    char text[256];
    size_t n = 0;

    (void)state;
    while (syslog_next_param(&at, &p)) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s/%.*s=%.*s;", STR_ARG(p.id),
                              STR_ARG(p.name), STR_ARG(p.value));
    }
    assert_string_equal(text, "a@1/x=1;a@1/y=;b/=;c/z=q\\\"r;");
}

/* ---- streams ---- */

static const struct {
    const char *name;
    const char *data; /* '^' is where one write ends and the next begins */
    const char *want; /* messages, each ended by '|', '~' before it when it was cut */
} STREAMS[] = {
    {"counted", "5 <1>ab6 <2>cde", "<1>ab|<2>cde|"},
    {"counted in pieces", "1^0 ^<1>23456^78", "<1>2345678|"},
    {"lines", "<1>a\n<2>b\r\n<3>c", "<1>a|<2>b\r|<3>c|"},
    {"mixed", "5 <1>ab<2>line\n6 <3>cde\n<4>z\n", "<1>ab|<2>line|<3>cde|<4>z|"},
    {"a number that is text", "12 monkeys\n<1>a\n", "12 monkeys|<1>a|"},
    {"a line in pieces", "<1>a^b^c\n^<2>d\n", "<1>abc|<2>d|"},
    {"separators", "\n\r\n\n<1>a\n\n", "<1>a|"},
    {"a long line", "<1>3456789012345678901234567890\n<2>b\n", "~<1>34567890123456789|<2>b|"},
    {"a long line in pieces", "<1>34567890123456^78901234567890^345\n<2>b\n",
     "~<1>34567890123456789|<2>b|"},
    {"a long counted one", "25 <1>3456789012345678901234<2>b\n", "~<1>34567890123456789|<2>b|"},
    {"the same in pieces", "25 <1>34567890123456789^01^234^<2>b\n", "~<1>34567890123456789|<2>b|"},
    {"cut by the end", "15 <1>34", "~<1>34|"},
    {"zero is no count", "0 <1>a\n", "0 <1>a|"},
};

/* As a connection does it: what is not used is kept. */
static void run_stream(const char *data, char *dst, size_t n)
{
    struct syslog_framing f = {0};
    char kept[256];
    size_t kept_n = 0;
    size_t at = 0;

    dst[0] = '\0';
    for (const char *p = data;; p++) {
        bool end = *p == '\0';

        if (*p != '^' && !end) {
            kept[kept_n++] = *p;
            continue;
        }
        for (size_t used = 1; used != 0 && kept_n != 0;) {
            struct syslog_frame frame;

            used = syslog_next_frame(&f, str_of(kept, kept_n), end, 20, &frame);
            if (used != 0 && frame.text.n != 0) {
                at += (size_t)snprintf(dst + at, n - at, "%s%.*s|", frame.cut ? "~" : "",
                                       STR_ARG(frame.text));
            }
            memmove(kept, kept + used, kept_n - used);
            kept_n -= used;
        }
        if (end) {
            assert_int_equal(kept_n, 0);
            return;
        }
    }
}

static void test_streams(void **state)
{
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(STREAMS); i++) {
        run_stream(STREAMS[i].data, text, sizeof(text));
        if (strcmp(text, STREAMS[i].want) != 0) {
            print_message("%s\n", STREAMS[i].name);
        }
        assert_string_equal(text, STREAMS[i].want);
    }
}

/* ---- time zones ---- */

static int64_t local_s(const char *rfc3339)
{
    int64_t ns = 0;

    assert_int_equal(clock_parse_rfc3339(rfc3339, strlen(rfc3339), &ns), 0);
    return ns / S;
}

static void test_zones(void **state)
{
    static const struct {
        const char *zone;
        const char *local; /* by the wall, written with Z */
        int64_t offset_s;
    } CASES[] = {
        {"UTC", "2024-07-01T12:00:00Z", 0},
        {"+09:00", "2024-07-01T12:00:00Z", 32400},
        {"-03:30", "2024-07-01T12:00:00Z", -12600},
        {"Asia/Seoul", "2024-07-01T12:00:00Z", 32400},
        {"Asia/Seoul", "1988-07-01T12:00:00Z", 36000}, /* summer time of the Olympics */
        {"Europe/Berlin", "2024-07-01T12:00:00Z", 7200},
        {"Europe/Berlin", "2024-12-01T12:00:00Z", 3600},
        {"Europe/Berlin", "2024-03-31T01:59:59Z", 3600},
        {"Europe/Berlin", "2024-03-31T03:00:00Z", 7200},
        {"Europe/Berlin", "2024-10-27T02:30:00Z", 7200}, /* comes twice: the first */
        {"Europe/Berlin", "2090-07-01T12:00:00Z", 7200}, /* by the rule */
        {"Europe/Berlin", "2090-12-01T12:00:00Z", 3600},
        {"Australia/Sydney", "2090-01-01T12:00:00Z", 39600},
        {"Australia/Sydney", "2090-07-01T12:00:00Z", 36000},
        {"America/New_York", "2024-07-01T12:00:00Z", -14400},
    };

    static const char *const WRONG[] = {"", "Mars/Olympus", "../etc/passwd", "+25:00:00:00", "+9x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct str name = str_cstr(CASES[i].zone);
        struct time_zone *z = NULL;
        struct err e = {0};
        int64_t local = local_s(CASES[i].local);

        assert_int_equal(time_zone_open(name, &z, &e), 0);
        assert_int_equal(local - time_zone_to_utc_s(z, local), CASES[i].offset_s);
        time_zone_free(z);
    }
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        struct time_zone *z = NULL;
        struct err e = {0};

        assert_int_equal(time_zone_open(str_cstr(WRONG[i]), &z, &e), -ERR_INVALID);
        assert_true(e.msg[0] != '\0');
    }
}

static void test_zone_files(void **state)
{
    static const struct str WRONG[] = {
        {"", 0}, {"TZif", 4}, {"not a zone file, but long enough to have a header there", 55}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        struct time_zone *z = NULL;

        assert_int_equal(time_zone_parse(WRONG[i], &z, NULL), -ERR_INVALID);
    }
}

/* ---- into the store ---- */

struct rig {
    struct fake_store store;
    struct stats *stats;
    struct sink sink;
    struct syslog_door *door;
};

static void rig_start(struct rig *r, size_t max_message)
{
    struct syslog_opts o = {.door = "syslog_tcp", .max_message = max_message};

    fake_store_init(&r->store);
    r->stats = stats_new();
    r->sink = (struct sink){.logs = fake_columns(&r->store), .stats = ingest_stats_new(r->stats)};
    ingest_limits_default(&r->sink.limits);
    o.sink = &r->sink;
    o.stats = r->stats;
    r->door = syslog_door_new(&o);
}

static void rig_stop(struct rig *r)
{
    syslog_door_free(r->door);
    ingest_stats_free(r->sink.stats);
    stats_free(r->stats);
    fake_store_done(&r->store);
}

static void has(struct rig *r, const char *text)
{
    if (str_find(buf_str(&r->store.rows), str_cstr(text)) < 0) {
        print_message("no %s in %.*s\n", text, STR_ARG(buf_str(&r->store.rows)));
        fail();
    }
}

static void test_record(void **state)
{
    static const char TEXT[] =
        "<165>1 2003-10-11T22:14:15.003Z web1 shop 8710 ID47 "
        "[origin ip=\"192.0.2.1\" ip=\"192.0.2.2\" software=\"a\\\"b\"][x@1] \xff!";
    const struct syslog_packet p = {STR("<11>hello"), STR("10.0.0.7")};
    struct syslog_stream *s;
    struct rig r;

    (void)state;
    rig_start(&r, 0);
    s = syslog_stream_new(r.door);
    assert_int_equal(syslog_take_stream(s, str_cstr(TEXT), STR("10.0.0.7"), true),
                     sizeof(TEXT) - 1);
    has(&r, "host.name");
    has(&r, "web1");
    has(&r, "shop");
    has(&r, "syslog.facility.code");
    has(&r, "process.pid");
    has(&r, "syslog.msg.id");
    has(&r, "syslog.structured_data.origin.ip");
    has(&r, "192.0.2.2");
    has(&r, "a\\\"b");
    has(&r, "syslog.structured_data.x@1");
    has(&r, "\xEF\xBF\xBD!");
    has(&r, "notice");
    has(&r, "network.peer.address");
    fake_store_clear(&r.store);
    syslog_take_packets(r.door, &p, 1);
    has(&r, "hello");
    has(&r, "10.0.0.7"); /* nobody else says who it is */
    has(&r, "\"err\"");
    syslog_stream_free(s);
    rig_stop(&r);
}

static uint64_t counted(struct rig *r, const char *name, const char *labels)
{
    return counter_get(stats_counter(r->stats, name, labels, ""));
}

/* A store that is full makes streams wait and loses datagrams, which is counted. */
static void test_full(void **state)
{
    const struct syslog_packet p = {STR("<11>lost"), STR("10.0.0.7")};
    struct syslog_stream *s;
    struct rig r;

    (void)state;
    rig_start(&r, 0);
    s = syslog_stream_new(r.door);
    r.store.fail_commit = ERR_OVERLOAD;
    assert_int_equal(syslog_take_stream(s, STR("<11>a\n<11>b\n<11"), STR("::1"), false),
                     -ERR_OVERLOAD);
    syslog_take_packets(r.door, &p, 1);
    assert_int_equal(counted(&r, "bongsu_log_input_rejected_total",
                             "door=\"syslog_tcp\",reason=\"store_unavailable\""),
                     1);
    assert_int_equal(r.store.rows_n, 0);
    r.store.fail_commit = 0;
    assert_int_equal(syslog_take_stream(s, STR("<11>a\n<11>b\n<11"), STR("::1"), false), 12);
    assert_int_equal(r.store.rows_n, 2);
    assert_int_equal(syslog_take_stream(s, STR("<11"), STR("::1"), false), 0);
    assert_int_equal(counted(&r, "bongsu_ingest_log_records_total", "door=\"syslog_tcp\""), 2);
    syslog_stream_free(s);
    rig_stop(&r);
}

/* A batch that waits is decoded again with every try; whatever is counted of it counts once, when it is stored. */
static void test_refused_counts_once(void **state)
{
    static const char RULES[] = "redaction: [{detector: email, name: mail}]\n"
                                "drop: [{name: dull, when: {body: dull}}]\n";
    static const char TEXT[] =
        "<11>from kim@example.com\n"
        "<11>from lee@example.com\xff\n"
        "<11>1 2024-06-01T10:00:00Z h a p m no structured data\n"
        "<11>dull\n"
        "<11>0123456789012345678901234567890123456789012345678901234567890123"
        "456789\n";

    static const struct {
        const char *name, *labels;
        uint64_t want;
    } COUNTS[] = {
        {"bongsu_processing_matches_total", "section=\"redaction\",rule=\"mail\"", 2},
        {"bongsu_processing_rows_total", "section=\"redaction\",rule=\"mail\"", 2},
        {"bongsu_processing_matches_total", "section=\"drop\",rule=\"dull\"", 1},
        {"bongsu_log_input_messages_total", "door=\"syslog_tcp\"", 5},
        {"bongsu_log_input_altered_total", "door=\"syslog_tcp\",reason=\"malformed\"", 1},
        {"bongsu_log_input_altered_total", "door=\"syslog_tcp\",reason=\"message_cut\"", 1},
        {"bongsu_ingest_log_records_total", "door=\"syslog_tcp\"", 4},
        {"bongsu_ingest_rejected_total", "signal=\"logs\",reason=\"store_unavailable\"", 0},
    };

    static const char *const RESULTS[] = {"known", "matched", "created", "full", "no_text"};
    struct patterns_opts qo = {0};
    struct syslog_stream *s;
    struct process_opts with = {0};
    uint64_t lines = 0;
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_start(&r, 60);
    with.stats = qo.stats = r.stats;
    r.sink.process = process_new(&with);
    assert_int_equal(process_load(r.sink.process, PROCESS_FILE, "f", STR(RULES), &e), 0);
    assert_int_equal(patterns_new(&qo, &r.sink.patterns), 0);
    s = syslog_stream_new(r.door);
    r.store.fail_commit = ERR_OVERLOAD;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(syslog_take_stream(s, STR(TEXT), STR("::1"), false), -ERR_OVERLOAD);
    }
    for (size_t i = 0; i < ARRAY_LEN(COUNTS); i++) {
        assert_int_equal(counted(&r, COUNTS[i].name, COUNTS[i].labels), 0);
    }
    r.store.fail_commit = 0;
    assert_int_equal(syslog_take_stream(s, STR(TEXT), STR("::1"), false), sizeof(TEXT) - 1);
    for (size_t i = 0; i < ARRAY_LEN(COUNTS); i++) {
        if (counted(&r, COUNTS[i].name, COUNTS[i].labels) != COUNTS[i].want) {
            print_message("%s{%s}\n", COUNTS[i].name, COUNTS[i].labels);
        }
        assert_int_equal(counted(&r, COUNTS[i].name, COUNTS[i].labels), COUNTS[i].want);
    }
    for (size_t i = 0; i < ARRAY_LEN(RESULTS); i++) {
        char labels[40];

        snprintf(labels, sizeof(labels), "result=\"%s\"", RESULTS[i]);
        lines += counted(&r, "bongsu_patterns_lines_total", labels);
    }
    assert_int_equal(lines, 4);
    assert_int_equal(r.store.rows_n, 4);
    syslog_stream_free(s);
    patterns_free(r.sink.patterns);
    process_free(r.sink.process);
    rig_stop(&r);
}

static void test_cut(void **state)
{
    struct syslog_stream *s;
    struct rig r;

    (void)state;
    rig_start(&r, 500);
    s = syslog_stream_new(r.door);
    char line[700];

    memset(line, 'x', sizeof(line));
    memcpy(line, "<11>", 4);
    line[sizeof(line) - 1] = '\n';
    assert_int_equal(syslog_take_stream(s, str_of(line, sizeof(line)), STR("::1"), false),
                     sizeof(line));
    has(&r, "log.truncated");
    assert_int_equal(
        counted(&r, "bongsu_log_input_altered_total", "door=\"syslog_tcp\",reason=\"message_cut\""),
        1);
    syslog_stream_free(s);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_zone_files),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refused_counts_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
