/* SPDX-License-Identifier: Apache-2.0
 *
 * The doors in front of the real engines: four threads send the official-library corpus and remote write;
 * everything accepted is in the engines, once, and a second round creates no series.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"
#include "codec/compress.h"
#include "codec/pb.h"
#include "ingest/otlp.h"
#include "ingest/prom_remote.h"
#include "io/vfs.h"

enum { THREADS = 4, SERIES = 50 };

struct rig {
    char dir[64];
    char sub[3][80];
    struct stats *registry;
    struct sink sink;
    struct otlp *otlp;
    struct prom_remote *prom;
    int64_t now_ms;
};

struct sender {
    struct rig *rig;
    unsigned index;
    unsigned round;
    struct thread thread;
    int failures;
};

static struct str load(const char *name)
{
    char path[512];
    char *data = mem_xcalloc(1, 1 << 20);
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "%s/data/corpus/%s.pb", TEST_DATA, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(data, 1, 1 << 20, f);
    fclose(f);
    return str_of(data, n);
}

static int export(struct sender *s, enum otlp_signal signal, struct str body)
{
    struct otlp_request req = {signal, OTLP_PROTOBUF, body, "otlp_grpc", clock_wall_ns()};
    struct buf response CLEANUP(buf_done) = {0};
    struct arena arena CLEANUP(arena_done);
    struct err e = {0};
    int rc;

    arena_init(&arena, 64 << 20);
    buf_init(&response, 1 << 16);
    rc = otlp_export(s->rig->otlp, &req, &arena, &response, &e);
    /* repeated delta points of the corpus are refused: that is a partial success */
    if (rc != 0 || (response.n != 0 && signal != OTLP_METRICS)) {
        fprintf(stderr, "export: %s %.*s\n", e.msg, STR_ARG(buf_str(&response)));
        return 1;
    }
    return 0;
}

static void put_label(struct buf *b, const char *name, const char *value)
{
    size_t at = pb_begin(b, 1);

    pb_put_str(b, 1, str_cstr(name));
    pb_put_str(b, 2, str_cstr(value));
    pb_end(b, at);
}

static int write_samples(struct sender *s)
{
    struct buf raw CLEANUP(buf_done) = {0};
    struct buf packed CLEANUP(buf_done) = {0};
    struct err e = {0};

    buf_init(&raw, 1 << 20);
    buf_init(&packed, 1 << 20);
    for (unsigned i = 0; i < SERIES; i++) {
        size_t at = pb_begin(&raw, 1);
        size_t sample;
        char text[32];

        put_label(&raw, "__name__", "up");
        snprintf(text, sizeof(text), "%u-%u", s->index, i);
        put_label(&raw, "instance", text);
        sample = pb_begin(&raw, 2);
        pb_put_f64(&raw, 1, 1);
        pb_put_varint(&raw, 2, (uint64_t)(s->rig->now_ms + s->round));
        pb_end(&raw, sample);
        pb_end(&raw, at);
    }
    if (compress_to(COMPRESS_SNAPPY, buf_str(&raw), 0, &packed, &e) < 0 ||
        prom_remote_write(s->rig->prom, buf_str(&packed), &e) < 0) {
        fprintf(stderr, "remote write: %s\n", e.msg);
        return 1;
    }
    return 0;
}

static void run_sender(void *arg)
{
    static const char *const NAMES[] = {"traces-5", "logs-5", "metrics-5"};

    static const enum otlp_signal SIGNALS[] = {OTLP_TRACES, OTLP_LOGS, OTLP_METRICS};
    struct sender *s = arg;

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct str body = load(NAMES[i]);

        s->failures += export(s, SIGNALS[i], body);
        mem_free((void *)(uintptr_t)body.p);
    }
    s->failures += write_samples(s);
}

static void rig_open(struct rig *r)
{
    static const char *const SUBS[] = {"metrics", "spans", "logs"};
    struct err e = {0};

    snprintf(r->dir, sizeof(r->dir), "/tmp/test_real_store.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    for (size_t i = 0; i < ARRAY_LEN(SUBS); i++) {
        snprintf(r->sub[i], sizeof(r->sub[i]), "%s/%s", r->dir, SUBS[i]);
    }
    r->registry = stats_new();
    r->now_ms = clock_wall_ms();
    {
        struct tsdb_opts metrics = {.dir = r->sub[0], .stats = r->registry};
        struct columns_opts spans = {.kind = COLUMNS_SPANS, .dir = r->sub[1], .stats = r->registry};
        struct columns_opts logs = {.kind = COLUMNS_LOGS, .dir = r->sub[2], .stats = r->registry};

        assert_int_equal(tsdb_open(&metrics, &r->sink.metrics, &e), 0);
        assert_int_equal(columns_open(&spans, &r->sink.spans, &e), 0);
        assert_int_equal(columns_open(&logs, &r->sink.logs, &e), 0);
    }
    ingest_limits_default(&r->sink.limits);
    r->sink.stats = ingest_stats_new(r->registry);
    r->otlp = otlp_new(&r->sink);
    r->prom = prom_remote_new(&r->sink);
}

static void rig_close(struct rig *r)
{
    otlp_free(r->otlp);
    prom_remote_free(r->prom);
    tsdb_close(r->sink.metrics);
    columns_close(r->sink.spans);
    columns_close(r->sink.logs);
    stats_free(r->registry);
    ingest_stats_free(r->sink.stats);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
}

static void send_round(struct rig *r, unsigned round)
{
    struct sender s[THREADS] = {0};

    for (unsigned i = 0; i < THREADS; i++) {
        s[i] = (struct sender){.rig = r, .index = i, .round = round};
        assert_int_equal(thread_start(&s[i].thread, "sender", run_sender, &s[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&s[i].thread);
        assert_int_equal(s[i].failures, 0);
    }
}

static struct tsdb_status status_of(struct rig *r, struct arena *a)
{
    struct tsdb_status st = {0};
    struct err e = {0};

    assert_int_equal(tsdb_status(r->sink.metrics, 10, a, &st, &e), 0);
    return st;
}

static void test_everything_arrives(void **state)
{
    struct arena a CLEANUP(arena_done);
    struct columns_status rows;
    struct tsdb_status first;
    struct tsdb_status second;
    struct rig r = {0};

    (void)state;
    arena_init(&a, 16 << 20);
    rig_open(&r);
    send_round(&r, 0);
    columns_status(r.sink.spans, &rows);
    assert_int_equal(rows.rows, THREADS * 10); /* rows of index.json */
    columns_status(r.sink.logs, &rows);
    assert_int_equal(rows.rows, THREADS * 5);
    first = status_of(&r, &a);
    assert_true(first.active_series > THREADS * SERIES);
    /* the corpus' samples are the same from every thread, those of remote write are each one's own */
    assert_true(first.stored_samples >= THREADS * SERIES + 1);
    send_round(&r, 1);
    second = status_of(&r, &a);
    assert_int_equal(second.active_series, first.active_series);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_arrives),
    };

    log_set_level(LOG_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
