/* SPDX-License-Identifier: Apache-2.0
 *
 * Power goes while segments come and go: what the sync setting promises is there, in order, and where a segment lost
 * its end while later ones survived, the gap is noticed. See io/tests/powercut.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/random.h"
#include "io/tests/powercut.h"
#include "store/wal/wal_internal.h"

enum { ROUNDS = 12, RECORDS_MAX = 1500, SEGMENT_BYTES = 600, SYNC_MS = 5 };

struct fixture {
    char dir[64], disk[128], image[128];
    struct powercut pc;
    bool seen[RECORDS_MAX];
    int64_t last;
    size_t runs;
    size_t holes; /* places where numbers are missing between records */
};

static int see(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    struct fixture *f = arg;
    uint32_t number;

    (void)pos;
    if (type == WAL_RUN) {
        f->runs++;
        return 0;
    }
    assert_int_equal(type, 1);
    assert_true(payload.n >= 4);
    number = wal_get_u32(payload.p);
    assert_true(number < RECORDS_MAX);
    assert_true((int64_t)number > f->last); /* never twice, never out of order */
    f->holes += (int64_t)number != f->last + 1 ? 1 : 0;
    f->last = number;
    f->seen[number] = true;
    return 0;
}

static void append(struct wal *w, uint32_t number, size_t n)
{
    uint8_t text[64] = {0};
    const struct str part = {(const char *)text, 4 + n};

    wal_put_u32(text, number);
    assert_int_equal(wal_append(w, 1, &part, 1, NULL, NULL), 0);
}

/** Append some, have them settle, append more, and lose power. @return how many were promised */
static uint32_t write_and_cut(struct fixture *f, enum wal_sync sync, uint64_t *seed,
                              uint32_t *ret_appended)
{
    const struct wal_opts opts = {.dir = f->disk,
                                  .name = "metrics",
                                  .sync = sync,
                                  .sync_interval_ms = SYNC_MS,
                                  .segment_bytes = SEGMENT_BYTES,
                                  .vfs = &f->pc.vfs};
    uint32_t settled = (uint32_t)(random_next(seed) % 400);
    uint32_t all = settled + (uint32_t)(random_next(seed) % 400);
    struct wal *w = NULL;
    uint64_t s;

    assert_int_equal(wal_open(&opts, NULL, NULL, &w, NULL), 0);
    for (uint32_t i = 0; i < all; i++) {
        if (i == settled && sync == WAL_SYNC_INTERVAL) {
            powercut_settle(&f->pc, f->disk);
        }
        append(w, i, random_next(seed) % 60);
        if (random_next(seed) % 64 == 0) {
            assert_int_equal(wal_rotate(w, &s, NULL), 0);
        }
    }
    if (settled == all && sync == WAL_SYNC_INTERVAL) {
        powercut_settle(&f->pc, f->disk);
    }
    powercut_image(&f->pc, f->disk, f->image);
    wal_close(w);
    *ret_appended = all;
    return sync == WAL_SYNC_ALWAYS ? all : settled;
}

/** @return holes found */
static size_t one_round(enum wal_sync sync, uint64_t seed)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));
    struct stats *stats = stats_new();
    const struct wal_opts opts = {.dir = f->image, .name = "metrics", .stats = stats};
    struct wal *w = NULL;
    uint32_t appended = 0;
    uint32_t promised;
    uint64_t gaps;
    size_t holes;

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_wal_cut.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->disk, sizeof(f->disk), "%s/disk", f->dir);
    snprintf(f->image, sizeof(f->image), "%s/image", f->dir);
    f->last = -1;
    powercut_init(&f->pc, f->dir, seed);
    promised = write_and_cut(f, sync, &seed, &appended);
    assert_int_equal(wal_open(&opts, see, f, &w, NULL), 0);
    for (uint32_t i = 0; i < promised; i++) {
        assert_true(f->seen[i]);
    }
    assert_true(f->last < (int64_t)appended);
    assert_true(f->runs <= 1);
    gaps = counter_get(stats_counter(stats, "bongsu_wal_replay_gaps_total", "wal=\"metrics\"", ""));
    holes = f->holes;
    assert_true(holes <= gaps); /* a gap may be in front of segments that lost everything */
    wal_close(w);
    stats_free(stats);
    powercut_done(&f->pc);
    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    mem_free(f);
    return holes;
}

static void test_interval(void **state)
{
    size_t holes = 0;
    (void)state;

    /* A busy machine may sync in between always: then try more often. */
    for (uint64_t seed = 1; seed <= ROUNDS || (holes == 0 && seed <= 1000); seed++) {
        holes += one_round(WAL_SYNC_INTERVAL, seed);
    }
    assert_true(holes > 0); /* else the case this test is for did not happen */
}

static void test_always(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS / 3; seed++) {
        assert_int_equal(one_round(WAL_SYNC_ALWAYS, seed), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_interval),
                                       cmocka_unit_test(test_always)};

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
