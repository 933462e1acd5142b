/* SPDX-License-Identifier: Apache-2.0
 *
 * Power goes at any moment, while rows are appended, flushed and merged: the store opens on what the disk kept, every
 * row acknowledged with fsync "always" is there once, and no row that was not sent. See io/tests/powercut.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "base/thread.h"
#include "io/tests/powercut.h"
#include "store/columns/tests/gen.h"

static const struct resource NO_RESOURCE;
static const struct scope NO_SCOPE;

enum { ROUNDS = 8, BATCH = 10, BATCHES_MAX = 150 };

struct run {
    char dir[64], disk[128], image[128];
    struct powercut pc;
    struct columns *c;
    atomic_bool stop;
    struct thread flusher;
};

static void keep_flushing(void *arg)
{
    struct run *r = arg;

    for (int i = 0; !atomic_load(&r->stop); i++) {
        struct err e = {0};

        if ((i % 3 == 2 ? columns_compact(r->c, &e) : columns_flush(r->c, &e)) < 0) {
            fail_msg("flush: %s", e.msg);
        }
        clock_sleep_ms(1);
    }
}

static void begin(struct run *r, enum wal_sync sync, uint64_t seed)
{
    struct columns_opts o = {.kind = COLUMNS_LOGS, .wal_sync = sync};
    struct err e = {0};

    *r = (struct run){0};
    snprintf(r->dir, sizeof(r->dir), "/tmp/test_powercut.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->disk, sizeof(r->disk), "%s/disk", r->dir);
    snprintf(r->image, sizeof(r->image), "%s/image", r->dir);
    powercut_init(&r->pc, r->dir, seed);
    o.dir = r->disk;
    o.vfs = &r->pc.vfs;
    if (columns_open(&o, &r->c, &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
    assert_int_equal(thread_start(&r->flusher, "flusher", keep_flushing, r), 0);
}

/* Logs whose bodies say their numbers, over three days. */
static void append(struct columns *c, unsigned first)
{
    struct log_record logs[BATCH];
    char text[BATCH][32];
    struct columns_commit commit;
    struct err e = {0};

    for (unsigned i = 0; i < BATCH; i++) {
        int n = snprintf(text[i], sizeof(text[i]), "row %u", first + i);

        logs[i] = (struct log_record){
            .time_ns = clock_wall_ns() - (int64_t)(first / BATCH % 3) * 86400000000000LL,
            .body = {.type = VALUE_STR, .u.s = str_of(text[i], (size_t)n)},
            .resource = &NO_RESOURCE,
            .scope = &NO_SCOPE};
    }
    assert_int_equal(columns_append_logs(c, logs, BATCH, &commit, &e), 0);
}

static void end(struct run *r)
{
    atomic_store(&r->stop, true);
    thread_join(&r->flusher);
    columns_close(r->c);
    powercut_done(&r->pc);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
}

struct seen {
    uint8_t rows[BATCH * BATCHES_MAX];
    unsigned sent;
};

static int see(void *arg, const struct log_record *row, uint64_t id)
{
    struct seen *s = arg;
    uint64_t number;

    (void)id;
    assert_true(row->body.type == VALUE_STR && str_starts(row->body.u.s, STR("row ")));
    assert_true(str_to_u64(str_drop(row->body.u.s, 4), &number));
    assert_true(number < s->sent);
    assert_int_equal(s->rows[number]++, 0);
    return 0;
}

static void check(const struct run *r, unsigned sent, unsigned promised)
{
    const struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = r->image};
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};
    struct seen s = {.sent = sent};
    struct columns *c = NULL;
    struct err e = {0};

    if (columns_open(&o, &c, &e) != 0) {
        fail_msg("open after the power cut: %s", e.msg);
    }
    assert_int_equal(columns_scan_logs(c, &q, INT64_MAX, 0, see, &s, NULL, &e), 0);
    for (unsigned i = 0; i < promised; i++) {
        if (s.rows[i] == 0) {
            fail_msg("row %u of %u promised ones is gone", i, promised);
        }
    }
    columns_close(c);
}

static void rounds(enum wal_sync sync)
{
    uint64_t seed = sync == WAL_SYNC_ALWAYS ? 21 : 22;

    for (int i = 0; i < ROUNDS; i++) {
        static struct run r;
        unsigned batches = 1 + (unsigned)(random_next(&seed) % BATCHES_MAX);

        begin(&r, sync, random_next(&seed));
        for (unsigned k = 0; k < batches; k++) {
            append(r.c, k * BATCH);
        }
        powercut_image(&r.pc, r.disk, r.image);
        check(&r, batches * BATCH, sync == WAL_SYNC_ALWAYS ? batches * BATCH : 0);
        end(&r);
    }
}

static void test_sync_always(void **state)
{
    (void)state;
    rounds(WAL_SYNC_ALWAYS);
}

static void test_sync_interval(void **state)
{
    (void)state;
    rounds(WAL_SYNC_INTERVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync_always),
        cmocka_unit_test(test_sync_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
