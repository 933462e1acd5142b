/* SPDX-License-Identifier: Apache-2.0
 *
 * One part alone: what is shared is written once, every kind of block reads back, ranges read what they
 * must, blobs and samples keep apart, and another version is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/random.h"
#include "model/samples.h"
#include "store/tsdb/part_format.h"
#include "store/tsdb/part_internal.h"

enum { N = 4000, DAY = 20000 };

static const int64_t T0 = (int64_t)DAY * PART_DAY_MS;

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_part.XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return vfs_remove_tree(vfs_real(), dir, NULL);
}

static void times_of(size_t series, int64_t *t)
{
    for (size_t i = 0; i < N; i++) { /* two targets, each with its own jitter */
        t[i] = T0 + (int64_t)i * 15000 + (int64_t)((i * (series % 2 + 3)) % 7);
    }
}

/** Series 3 k + 2 repeats series 3 k + 1; `alike`: all series repeat a few, which zstd finds. */
static double value_of(size_t series, size_t i, bool alike)
{
    uint64_t seed = (alike ? series % 2 : series - (series % 3 == 2)) * 100000 + i;

    return (double)(i * 300 + random_next(&seed) % (alike ? 3 : 200)) +
           (alike ? (double)series : 0);
}

static struct part *write_part(const char *path, size_t series, size_t n, bool alike)
{
    static int64_t t[N];
    static double v[N];
    const struct part_info info = {.day = DAY, .seq_lo = 1, .seq_hi = 1};
    struct part_info done = {0};
    struct part_writer *w = NULL;
    struct part *p = NULL;
    struct err e = {0};

    assert_int_equal(part_writer_new(vfs_real(), path, &info, &w, &e), 0);
    for (size_t s = 0; s < series; s++) {
        char name[32];
        struct label l[] = {{STR("__name__"), STR("m")}, {STR("s"), {name, 0}}};

        l[1].value.n = (size_t)snprintf(name, sizeof(name), "%05zu", s);
        times_of(s / 3, t);
        for (size_t i = 0; i < n; i++) {
            v[i] = value_of(s, i, alike);
        }
        assert_int_equal(part_writer_add(w, (struct labels){l, 2}, t, v, n, &e), 0);
    }
    assert_int_equal(part_writer_finish(w, &done, &e), 0);
    part_writer_free(w);
    assert_int_equal(part_open(path, &p, &e), 0);
    assert_int_equal(part_info(p)->samples_n, series * n);
    return p;
}

static void check_part(const struct part *p, size_t n, bool alike)
{
    static struct part_cursor c;
    static int64_t t[N];
    struct samples got = {0};
    struct err e = {0};

    part_cursor_init(&c, p);
    for (uint32_t s = 0; s < part_info(p)->series_n; s++) {
        assert_int_equal(part_seek(&c, s), 0);
        times_of(s / 3, t);
        assert_int_equal(c.min_ms, t[0]);
        assert_int_equal(c.max_ms, t[n - 1]);
        got.n = 0;
        if (part_read(&c, INT64_MIN, INT64_MAX, &got, &e) != 0) {
            fail_msg("series %u: %s", s, e.msg);
        }
        assert_int_equal(got.n, n);
        assert_memory_equal(got.t_ms, t, n * sizeof(*t));
        for (size_t i = 0; i < n; i++) {
            assert_true(got.v[i] == value_of(s, i, alike));
        }
    }
    samples_done(&got);
}

static void test_shared(void **state)
{
    char path[80];
    struct part *p;
    const struct part_info *info;

    (void)state;
    snprintf(path, sizeof(path), "%s/a", dir);
    p = write_part(path, 60, N, false);
    check_part(p, N, false);
    info = part_info(p);
    assert_int_equal(info->chunks_n, 60 * 2); /* 4000 samples in two pieces */
    /* 8 random bits a sample and series, a third of the series refer to others, times once a target. */
    assert_true((double)info->bytes / (double)info->samples_n < 0.75);
    part_unref(p);
}

static void test_repeats(void **state)
{
    char path[80];
    struct part *p;

    (void)state;
    snprintf(path, sizeof(path), "%s/b", dir);
    p = write_part(path, 2000, 300, true);
    check_part(p, 300, true);
    assert_true((double)part_info(p)->bytes / (double)part_info(p)->samples_n < 0.15);
    part_unref(p);
}

/** A range reads the chunks that overlap it and no others, each from the range's start on. */
static void test_ranges(void **state)
{
    static const struct {
        int64_t from, to; /* of 15 s steps */
        size_t want;
    } CASES[] = {{-100, -1, 0},      {N, N + 100, 0},     {0, 0, 2000},      {1999, 1999, 1},
                 {2000, 2000, 2000}, {1999, 2000, 2001},  {N - 1, N + 5, 1}, {-100, N + 100, N},
                 {1500, 3000, 2500}, {N - 20, N + 5, 20}, {2001, 2001, 1999}};
    static struct part_cursor c;
    char path[80];
    struct samples got = {0};
    struct part *p;

    (void)state;
    snprintf(path, sizeof(path), "%s/c", dir);
    p = write_part(path, 4, N, false);
    part_cursor_init(&c, p);
    assert_int_equal(part_seek(&c, 3), 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        got.n = 0;
        assert_int_equal(part_read(&c, T0 + CASES[i].from * 15000 - 3000,
                                   T0 + CASES[i].to * 15000 + 3000, &got, NULL),
                         0);
        assert_int_equal(got.n, CASES[i].want);
        for (size_t k = 0; k < got.n; k++) {
            size_t from = CASES[i].from > 0 ? (size_t)CASES[i].from : 0;

            assert_true(got.v[k] == value_of(3, from + k, false));
            assert_true(llabs(got.t_ms[k] - T0 - (int64_t)(from + k) * 15000) < 7);
        }
    }
    assert_int_equal(part_seek(&c, 4), -ERR_CORRUPT);
    samples_done(&got);
    part_unref(p);
}

/** The newest sample of a range, and of one that ends earlier what part_read() gives. */
static void test_newest(void **state)
{
    static struct part_cursor c;
    struct samples got = {0};
    struct samples all = {0};
    roaring_bitmap_t *set = roaring_bitmap_create();
    char path[80];
    struct part *p;

    (void)state;
    snprintf(path, sizeof(path), "%s/f", dir);
    p = write_part(path, 7, N, false);
    part_cursor_init(&c, p);
    for (uint32_t s = 0; s < 7; s++) {
        assert_int_equal(part_seek(&c, s), 0);
        got.n = 0;
        assert_int_equal(part_read_newest(&c, T0, INT64_MAX, &got, NULL), 0);
        assert_int_equal(got.n, 1);
        assert_int_equal(got.t_ms[0], c.max_ms);
        assert_true(got.v[0] == value_of(s, N - 1, false));
        assert_int_equal(part_read_newest(&c, c.max_ms + 1, INT64_MAX, &got, NULL), 0);
        assert_int_equal(got.n, 1); /* nothing more */
        got.n = 0;
        assert_int_equal(part_read_newest(&c, T0, c.max_ms - 1, &got, NULL), 0);
        assert_int_equal(part_read(&c, T0, c.max_ms - 1, &all, NULL), 0);
        assert_int_equal(got.n, all.n);
        all.n = 0;
    }
    assert_non_null(set); /* the newest is deleted: it takes a look at the others */
    roaring_bitmap_add(set, 6);
    assert_int_equal(part_hide(p, set, c.max_ms, c.max_ms), 0);
    got.n = 0;
    assert_int_equal(part_read_newest(&c, T0, INT64_MAX, &got, NULL), 0);
    assert_int_equal(got.n, N - 1);
    samples_done(&got);
    samples_done(&all);
    part_unref(p);
}

/** What version 2 of the format wrote, values oldest first, is read. */
static void test_version_2(void **state)
{
    struct part *p;
    struct err e = {0};
    static struct part_cursor c;
    struct samples got = {0};

    (void)state;
    if (part_open(TEST_DATA "/part_v2", &p, &e) != 0) {
        fail_msg("%s", e.msg);
    }
    assert_int_equal(part_info(p)->series_n, 6);
    check_part(p, 200, false);
    part_cursor_init(&c, p);
    assert_int_equal(part_seek(&c, 2), 0);
    assert_int_equal(part_read(&c, T0 + 199 * 15000, INT64_MAX, &got, &e), 0);
    assert_int_equal(got.n, 200); /* all of the chunk */
    samples_done(&got);
    part_unref(p);
}

static int take_blob(void *arg, struct str bytes)
{
    *(bool *)arg = str_eq(bytes, STR("a blob"));
    return 0;
}

static void test_blobs(void **state)
{
    static struct part_cursor c;
    static const int64_t T[] = {1, 2, 3};
    static const double V[] = {1, 2, 4};
    const struct part_info info = {.day = 0};
    struct part_info done = {0};
    struct part_writer *w = NULL;
    struct part *p = NULL;
    struct err e = {0};
    struct label a[] = {{STR("a"), STR("1")}};
    struct label b[] = {{STR("a"), STR("2")}};
    struct samples got = {0};
    char path[80];
    bool same = false;

    (void)state;
    snprintf(path, sizeof(path), "%s/d", dir);
    assert_int_equal(part_writer_new(vfs_real(), path, &info, &w, &e), 0);
    assert_int_equal(part_writer_add_blob(w, (struct labels){a, 1}, 5, 70, 3, STR("a blob"), &e),
                     0);
    assert_int_equal(part_writer_add(w, (struct labels){b, 1}, T, V, 3, &e), 0);
    assert_int_equal(part_writer_finish(w, &done, &e), 0);
    part_writer_free(w);
    assert_int_equal(part_open(path, &p, &e), 0);
    part_cursor_init(&c, p);
    assert_int_equal(part_seek(&c, 0), 0);
    assert_int_equal(c.min_ms, 5);
    assert_int_equal(c.max_ms, 70);
    assert_int_equal(part_series_bytes(&c), 6);
    assert_int_equal(part_read_blob(&c, take_blob, &same, &e), 0);
    assert_true(same);
    assert_int_equal(part_read(&c, INT64_MIN, INT64_MAX, &got, &e), -ERR_CORRUPT);
    assert_int_equal(part_seek(&c, 1), 0);
    assert_int_equal(part_read(&c, INT64_MIN, INT64_MAX, &got, &e), 0);
    assert_int_equal(got.n, 3);
    assert_int_equal(part_read_blob(&c, take_blob, &same, &e), -ERR_CORRUPT);
    samples_done(&got);
    part_unref(p);
}

static void test_other_version(void **state)
{
    char path[80], file[96];
    struct part *p;
    struct err e = {0};
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/e", dir);
    part_unref(write_part(path, 1, 10, false));
    snprintf(file, sizeof(file), "%s/index", path);
    f = fopen(file, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, PART_MAGIC_SIZE - 1, SEEK_SET), 0);
    assert_int_equal(fputc(1, f), 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(part_open(path, &p, &e), -ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "another version"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_ranges),        cmocka_unit_test(test_blobs),
        cmocka_unit_test(test_other_version), cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_newest),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
