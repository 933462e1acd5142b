/* SPDX-License-Identifier: Apache-2.0
 *
 * Templates survive restarts, crashes in the middle of a record and files that are damaged; aliases lead to what
 * stands for them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "io/vfs.h"
#include "store/log_templates/log_templates.h"

struct rig {
    char dir[64];
    char path[96];
    struct log_templates *t;
    struct arena a;
};

static void start(struct rig *r, size_t max)
{
    snprintf(r->dir, sizeof(r->dir), "/tmp/templates-test-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof(r->path), "%s/templates", r->dir);
    arena_init(&r->a, 8 << 20);
    assert_int_equal(
        log_templates_open(&(struct log_templates_opts){.path = r->path, .max = max}, &r->t, NULL),
        0);
}

static int reopen(struct rig *r)
{
    return log_templates_open(&(struct log_templates_opts){.path = r->path}, &r->t, NULL);
}

static void finish(struct rig *r)
{
    log_templates_close(r->t);
    arena_done(&r->a);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
}

static void put(struct rig *r, uint64_t id, const char *text, int64_t used_ns)
{
    log_templates_put(r->t, &(struct log_template){.id = id,
                                                   .first_ns = 100 + (int64_t)id,
                                                   .used_ns = used_ns,
                                                   .service = STR("shop"),
                                                   .text = str_cstr(text)});
}

static void expect(struct rig *r, uint64_t id, uint64_t found, const char *text)
{
    struct log_template v;

    assert_int_equal(log_templates_get(r->t, id, &r->a, &v), 0);
    assert_int_equal(v.id, found);
    assert_true(str_eq(v.text, str_cstr(text)));
    assert_true(str_eq(v.service, STR("shop")));
    assert_int_equal(v.first_ns, 100 + (int64_t)found);
}

static void test_round_trip(void **state)
{
    struct rig r;
    struct log_template v;
    char text[4];

    (void)state;
    start(&r, 0);
    put(&r, 1, "user alice", 5);
    put(&r, 2, "user \x02", 6);
    put(&r, 3, "other", 7);
    log_templates_alias(r.t, 1, 2);
    log_templates_close(r.t);
    assert_int_equal(reopen(&r), 0);
    assert_int_equal(log_templates_count(r.t), 3);
    expect(&r, 1, 2, "user \x02");
    expect(&r, 2, 2, "user \x02");
    expect(&r, 3, 3, "other");
    assert_int_equal(log_templates_get(r.t, 9, &r.a, &v), -ERR_NOT_FOUND);
    assert_false(log_templates_find(r.t, 9, text, sizeof(text), &v));
    assert_true(log_templates_find(r.t, 3, text, sizeof(text), &v)); /* cut to its room */
    assert_true(str_eq(v.text, STR("othe")));
    /* more general: the time of the first line stays, an earlier one counts */
    log_templates_put(r.t, &(struct log_template){.id = 3, .first_ns = 500, .text = STR("more")});
    log_templates_touch(r.t, 3, 50, 60);
    assert_int_equal(log_templates_get(r.t, 3, &r.a, &v), 0);
    assert_int_equal(v.first_ns, 60);
    finish(&r);
}

/* A process that is killed has written each record when the call returned. */
static void test_killed(void **state)
{
    struct rig r;
    struct mapping m = {0};
    char copy[128];

    (void)state;
    start(&r, 0);
    put(&r, 1, "one", 1);
    put(&r, 2, "two", 1);
    assert_int_equal(vfs_map(r.path, &m, NULL), 0); /* what a killed process leaves */
    snprintf(copy, sizeof(copy), "%s.copy", r.path);
    assert_int_equal(vfs_write_atomic(vfs_real(), copy, str_of((const char *)m.p, m.n), NULL), 0);
    vfs_unmap(&m);
    log_templates_close(r.t);
    assert_int_equal(rename(copy, r.path), 0);
    assert_int_equal(reopen(&r), 0);
    expect(&r, 1, 1, "one");
    expect(&r, 2, 2, "two");
    finish(&r);
}

struct seen {
    enum check_state state;
    uint64_t rows;
    int n;
};

static void see(void *arg, const struct check_finding *f)
{
    struct seen *s = arg;

    *s = (struct seen){f->state, f->rows, s->n + 1};
}

static struct seen check(struct rig *r)
{
    struct seen s = {0};

    assert_int_equal(
        log_templates_check(r->path, &(struct check_report){.fn = see, .arg = &s}, NULL), 0);
    return s;
}

static void test_torn_and_damaged(void **state)
{
    struct rig r;
    struct mapping m = {0};
    char *bytes;
    size_t n;

    (void)state;
    start(&r, 0);
    put(&r, 1, "one", 1);
    put(&r, 2, "two", 2);
    put(&r, 3, "three", 3);
    log_templates_close(r.t);
    assert_int_equal(check(&r).state, CHECK_WHOLE);
    assert_int_equal(check(&r).rows, 3);
    assert_int_equal(vfs_map(r.path, &m, NULL), 0);
    n = m.n;
    bytes = malloc(n);
    memcpy(bytes, m.p, n);
    vfs_unmap(&m);
    for (size_t cut = 8; cut < n; cut++) { /* any prefix opens, with the whole records of it */
        assert_int_equal(vfs_write_atomic(vfs_real(), r.path, str_of(bytes, cut), NULL), 0);
        assert_int_equal(reopen(&r), 0);
        assert_true(log_templates_count(r.t) <= 2);
        put(&r, 9, "nine", 4);
        log_templates_close(r.t);
        assert_int_equal(reopen(&r), 0);
        expect(&r, 9, 9, "nine");
        log_templates_close(r.t);
    }
    for (size_t at = 0; at < n; at++) { /* any damaged byte: what is before it is there */
        bytes[at] ^= 0x40;
        assert_int_equal(vfs_write_atomic(vfs_real(), r.path, str_of(bytes, n), NULL), 0);
        if (at >= 4 && at < 8) {
            assert_int_equal(reopen(&r), -ERR_UNSUPPORTED);
        } else {
            assert_int_equal(check(&r).rows < 3, true);
            assert_int_equal(reopen(&r), 0);
            log_templates_close(r.t);
        }
        bytes[at] ^= 0x40;
    }
    free(bytes);
    assert_int_equal(vfs_write_atomic(vfs_real(), r.path, STR(""), NULL), 0);
    assert_int_equal(reopen(&r), 0);
    finish(&r);
}

static void test_room(void **state)
{
    struct rig r;
    struct log_template v;

    (void)state;
    start(&r, 16);
    for (uint64_t i = 1; i <= 17; i++) {
        put(&r, i, "text", (int64_t)(100 - i));
    }
    assert_int_equal(log_templates_count(r.t), 14);
    expect(&r, 17, 17, "text");
    assert_int_equal(log_templates_get(r.t, 16, &r.a, &v), -ERR_NOT_FOUND); /* the least used */
    expect(&r, 1, 1, "text");
    finish(&r);
}

/* Records that are replaced again and again do not let the file grow without end. */
static void test_rewrite(void **state)
{
    struct rig r;
    char text[600];

    (void)state;
    start(&r, 0);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    for (int i = 0; i < 2000; i++) {
        text[0] = (char)('a' + i % 26);
        put(&r, 1, text, 1);
    }
    assert_true(vfs_tree_bytes(r.dir) < 200000);
    log_templates_close(r.t);
    assert_int_equal(reopen(&r), 0);
    expect(&r, 1, 1, text);
    finish(&r);
}

static void test_snapshot(void **state)
{
    struct rig r;
    char path[128];
    struct log_templates *t = NULL;

    (void)state;
    start(&r, 0);
    put(&r, 5, "five", 1);
    snprintf(path, sizeof(path), "%s/snap", r.dir);
    assert_int_equal(log_templates_snapshot(r.t, path, NULL), 0);
    put(&r, 6, "six", 1);
    assert_int_equal(log_templates_open(&(struct log_templates_opts){.path = path}, &t, NULL), 0);
    assert_int_equal(log_templates_count(t), 1);
    log_templates_close(t);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_killed),
        cmocka_unit_test(test_torn_and_damaged), cmocka_unit_test(test_room),
        cmocka_unit_test(test_rewrite),          cmocka_unit_test(test_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
