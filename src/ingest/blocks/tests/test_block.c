/* SPDX-License-Identifier: Apache-2.0
 *
 * A block written by Prometheus 2.42 (promtool tsdb create-blocks-from openmetrics), read back value by value; every
 * byte of it flipped in turn; tombstones.
 */
#include "ingest/blocks/block.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"

static const int64_t START = 1700000000000;

struct seen {
    size_t series;
    size_t samples;
    size_t deleted; /* expected of `v` */
};

/** What the block was made of: see README.md. */
static void check_up(const struct samples *s)
{
    assert_int_equal(s->n, 300);
    for (size_t i = 0; i < s->n; i++) {
        assert_int_equal(s->t_ms[i], START + (int64_t)i * 15000 + (int64_t)(i % 3) * 100 + 25);
        assert_true(s->v[i] == (i % 7 != 0 ? 1 : 0));
    }
}

static void check_v(const struct samples *s, size_t deleted)
{
    assert_int_equal(s->n, 173 - deleted);
    for (size_t i = 0; i < s->n; i++) {
        size_t k = i + deleted;
        const double want[] = {0.1 * (double)k, -0.0,  (double)INFINITY, -(double)INFINITY,
                               (double)NAN,     1e300, 5e-324,           12345678.9};

        assert_int_equal(s->t_ms[i], START + (int64_t)k * 37000);
        assert_true(isnan(want[k % 8]) ? isnan(s->v[i]) : s->v[i] == want[k % 8]);
        assert_int_equal(signbit(s->v[i]), signbit(want[k % 8]));
    }
}

static int see(void *arg, struct labels labels, const struct samples *s, struct err *reterr)
{
    struct seen *seen = arg;
    struct str name = labels_get(labels, STR("__name__"));

    (void)reterr;
    if (str_eq(name, STR("up"))) {
        struct str job = labels_get(labels, STR("job"));

        assert_true(str_eq(job, STR("a")) || str_eq(job, STR("b \"quoted\" \xce\x94")));
        check_up(s);
    } else {
        assert_true(str_eq(name, STR("v")));
        check_v(s, seen->deleted);
    }
    seen->series++;
    seen->samples += s->n;
    return 0;
}

static int no_histogram(void *arg, struct labels labels, int64_t t_ms,
                        const struct native_histogram *h, struct err *reterr)
{
    (void)arg;
    (void)labels;
    (void)t_ms;
    (void)h;
    return err_set(reterr, ERR_INTERNAL, "there are none");
}

static void test_real_block(void **state)
{
    struct prom_block *b = NULL;
    struct prom_block_counts counts;
    struct seen seen = {0};
    const struct prom_block_visitor v = {&seen, see, no_histogram};
    struct err e = {0};

    (void)state;
    if (prom_block_open(TEST_DATA "/block", &b, &e) != 0) {
        fail_msg("%s", e.msg);
    }
    assert_int_equal(prom_block_each(b, &v, &counts, &e), 0);
    assert_int_equal(seen.series, 3);
    assert_int_equal(seen.samples, 773);
    assert_int_equal(counts.series, 3);
    assert_int_equal(counts.samples, 773);
    assert_int_equal(counts.histograms + counts.unknown_chunks, 0);
    prom_block_close(b);
}

static struct str load(const char *name)
{
    char path[400];
    char *p = NULL;
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/block/%s", TEST_DATA, name);
    assert_int_equal(vfs_read_file(vfs_real(), path, 1 << 20, &p, &n, NULL), 0);
    return str_of(p, n);
}

static void unload(struct str s)
{
    mem_free((void *)(uintptr_t)s.p);
}

static int pass(void *arg, struct labels labels, const struct samples *s, struct err *reterr)
{
    (void)arg;
    (void)labels;
    (void)s;
    (void)reterr;
    return 0;
}

/** Open and walk. @return the first error */
static int walk(struct str index, struct str chunks, struct str tombstones, struct err *e)
{
    struct prom_block *b = NULL;
    struct prom_block_counts counts;
    const struct prom_block_visitor v = {NULL, pass, no_histogram};
    int rc = prom_block_parse(index, &chunks, 1, tombstones, false, &b, e);

    rc = rc < 0 ? rc : prom_block_each(b, &v, &counts, e);
    if (b != NULL) {
        prom_block_close(b);
    }
    return rc;
}

static void flip_all(struct str victim, struct str index, struct str chunks, size_t *ret_unnoticed)
{
    struct str none = {0};
    char *p = (char *)(uintptr_t)victim.p;

    *ret_unnoticed = 0;
    for (size_t i = 0; i < victim.n; i++) {
        struct err e = {0};
        int rc;

        p[i] ^= 0x10;
        rc = walk(index, chunks, none, &e);
        p[i] ^= 0x10;
        assert_true(rc == 0 || rc == -ERR_CORRUPT || rc == -ERR_UNSUPPORTED);
        assert_true(rc == 0 || e.msg[0] != '\0');
        *ret_unnoticed += rc == 0;
    }
}

static void test_flipped_bytes(void **state)
{
    struct str index = load("index");
    struct str chunks = load("chunks/000001");
    size_t unnoticed;

    (void)state;
    flip_all(index, index, chunks, &unnoticed);
    /* Postings and offset tables are not read; symbols, series and the table of contents are. */
    assert_true(unnoticed < index.n * 3 / 4);
    flip_all(chunks, index, chunks, &unnoticed);
    assert_int_equal(unnoticed, 3); /* padding of the header */
    for (size_t n = 0; n < index.n; n += 7) {
        struct err e = {0};

        assert_int_equal(walk(str_take(index, n), chunks, (struct str){0}, &e), -ERR_CORRUPT);
    }
    unload(index);
    unload(chunks);
}

static size_t put_varint(char *dst, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7) {
        dst[n++] = (char)(v | 0x80);
    }
    dst[n++] = (char)v;
    return n;
}

static void put_u32(char *dst, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        dst[i] = (char)(v >> (24 - 8 * i));
    }
}

/** Reference of the last series, which is `v`. */
static int last_series(void *arg, struct labels labels, const struct samples *s, struct err *reterr)
{
    (void)labels;
    (void)s;
    (void)reterr;
    ++*(int *)arg;
    return 0;
}

static void test_tombstones(void **state)
{
    struct str index = load("index");
    struct str chunks = load("chunks/000001");
    struct prom_block *b = NULL;
    struct prom_block_counts counts;
    struct err e = {0};
    int n_series = 0;
    bool found = false;

    (void)state;
    /* The reference of `v` is its offset / 16: try them all, one deletes the first ten samples of `v`. */
    for (uint64_t ref = 1; ref < index.n / 16 && !found; ref++) {
        char file[64];
        size_t n = 5;
        struct seen seen = {.deleted = 10};
        const struct prom_block_visitor count = {&n_series, last_series, no_histogram};
        const struct prom_block_visitor look = {&seen, see, no_histogram};
        struct str text;

        put_u32(file, 0x0130BA30);
        file[4] = 1;
        n += put_varint(file + n, ref);
        n += put_varint(file + n, (uint64_t)(START - 1) << 1);
        n += put_varint(file + n, (uint64_t)(START + 9 * 37000) << 1);
        put_u32(file + n, crc32c(0, file + 5, n - 5));
        text = str_of(file, n + 4);
        assert_int_equal(prom_block_parse(index, &chunks, 1, text, false, &b, &e), 0);
        assert_int_equal(prom_block_each(b, &count, &counts, &e), 0);
        if (counts.samples == 773 - 10) {
            found = true;
            assert_int_equal(prom_block_each(b, &look, &counts, &e), 0);
        }
        prom_block_close(b);
        file[6] ^= 1;
        assert_int_equal(prom_block_parse(index, &chunks, 1, text, false, &b, &e), -ERR_CORRUPT);
        assert_non_null(strstr(e.msg, "tombstones"));
    }
    assert_true(found);
    unload(index);
    unload(chunks);
}

static void test_not_a_block(void **state)
{
    struct prom_block *b = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(prom_block_open(TEST_DATA, &b, &e), -ERR_NOT_FOUND);
    assert_int_equal(
        walk(STR("what is this, it is long enough to have a table of contents at its end"), STR(""),
             STR(""), &e),
        -ERR_CORRUPT);
    assert_non_null(strstr(e.msg, "not the index of a Prometheus block"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_block),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_tombstones),
        cmocka_unit_test(test_not_a_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
