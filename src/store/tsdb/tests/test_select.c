/* SPDX-License-Identifier: Apache-2.0
 *
 * Selections and label queries beside a plain list: random series in head and parts, random matchers of
 * every kind, few and many series, before and after flushes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/random.h"
#include "store/tsdb/tsdb_internal.h"

enum { SERIES = 4000, LABELS = 4, QUERIES = 750, MATCHERS = 3 };

struct row {
    char text[LABELS][24];
    struct label v[LABELS + 1];
    size_t n;
    bool hit;
};

struct rig {
    char dir[64];
    struct tsdb *db;
    struct row *rows;
    uint64_t seed;
    int64_t newest_ms; /* of the first quarter of the series */
};

static uint32_t pick(struct rig *r, uint32_t n)
{
    r->seed += 0x9e3779b97f4a7c15ull;
    return (uint32_t)(hash_u64(r->seed) >> 33) % n;
}

static const char *const NAMES[LABELS] = {"__name__", "host", "id", "zone"};
static const uint32_t VALUES[LABELS] = {12, 60, SERIES, 3};

static void make_row(struct rig *r, struct row *row, size_t number)
{
    row->n = 0;
    for (size_t k = 0; k < LABELS; k++) {
        uint32_t value = k == 2 ? (uint32_t)number : pick(r, VALUES[k]);

        if (k != 0 && k != 2 && pick(r, 5) == 0) {
            continue; /* absent */
        }
        snprintf(row->text[k], sizeof(row->text[k]), "%s_%u", k == 0 ? "m" : NAMES[k], value);
        row->v[row->n++] = (struct label){str_cstr(NAMES[k]), str_cstr(row->text[k])};
    }
}

static void add(struct rig *r, size_t from, size_t to, int64_t t_ms)
{
    struct tsdb_batch *b = tsdb_batch_new(r->db);

    r->newest_ms = t_ms;
    for (size_t i = from; i < to; i++) {
        struct series_ref ref;

        assert_int_equal(
            tsdb_intern(r->db, (struct labels){r->rows[i].v, r->rows[i].n}, NULL, &ref, NULL), 0);
        assert_int_equal(tsdb_batch_add(b, ref, t_ms, (double)i), 0);
    }
    assert_int_equal(tsdb_batch_commit(b, NULL, NULL), 0);
    tsdb_batch_free(b);
}

static int set_up(void **state)
{
    struct rig *r = mem_xcalloc(1, sizeof(*r));
    struct tsdb_opts o = {.dir = r->dir};

    r->seed = 7;
    r->rows = mem_xcalloc(SERIES, sizeof(*r->rows));
    snprintf(r->dir, sizeof(r->dir), "/tmp/test_select_XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(tsdb_open(&o, &r->db, NULL), 0);
    for (size_t i = 0; i < SERIES; i++) {
        make_row(r, &r->rows[i], i);
    }
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    tsdb_close(r->db);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
    mem_free(r->rows);
    mem_free(r);
    return 0;
}

static struct matcher *random_matcher(struct rig *r)
{
    static const char *const FORMS[] = {"%s_%u",        "%s_%u.*", "%s_.*%u", ".*%u", "%s_[0-9]*%u",
                                        "%s_%u|x|y",    ".*",      ".+",      "",     ".*_%u.*",
                                        "(%s_%u|%s_1)", "%s_\\d%u"};
    uint32_t label = pick(r, LABELS);
    uint32_t form = pick(r, ARRAY_LEN(FORMS));
    enum match_op op = (enum match_op)pick(r, 4);
    const char *stem = label == 0 ? "m" : NAMES[label];
    uint32_t value = pick(r, VALUES[label]);
    struct matcher *m = NULL;
    char text[64];

    if (op == MATCH_EQ || op == MATCH_NEQ) {
        form = pick(r, 4) == 0 ? 8 : 0;
    }
    switch (form) {
    case 3:
    case 9:
        snprintf(text, sizeof(text), form == 3 ? ".*%u" : ".*_%u.*", value);
        break;
    case 10:
        snprintf(text, sizeof(text), "(%s_%u|%s_1)", stem, value, stem);
        break;
    case 6:
    case 7:
    case 8:
        snprintf(text, sizeof(text), "%s", FORMS[form]);
        break;
    case 0:
        snprintf(text, sizeof(text), "%s_%u", stem, value);
        break;
    case 1:
        snprintf(text, sizeof(text), "%s_%u.*", stem, value % 30);
        break;
    case 2:
        snprintf(text, sizeof(text), "%s_.*%u", stem, value % 10);
        break;
    case 4:
        snprintf(text, sizeof(text), "%s_[0-9]*%u", stem, value % 10);
        break;
    case 5:
        snprintf(text, sizeof(text), "%s_%u|x|y", stem, value);
        break;
    default:
        snprintf(text, sizeof(text), "%s_\\d%u", stem, value % 10);
        break;
    }
    assert_int_equal(matcher_new(op, str_cstr(NAMES[label]), str_cstr(text), &m, NULL), 0);
    return m;
}

static size_t mark_hits(struct rig *r, struct matcher *const *m, size_t n)
{
    size_t hits = 0;

    for (size_t i = 0; i < SERIES; i++) {
        struct labels ls = {r->rows[i].v, r->rows[i].n};

        r->rows[i].hit = true;
        for (size_t k = 0; k < n; k++) {
            r->rows[i].hit =
                r->rows[i].hit && matcher_matches(m[k], labels_get(ls, matcher_name(m[k])));
        }
        hits += r->rows[i].hit ? 1 : 0;
    }
    return hits;
}

static void check_selection(struct rig *r, const struct series_query *q, size_t hits)
{
    struct series_source src = tsdb_source(r->db);
    struct series_selection *s = NULL;
    struct samples got = {0};

    assert_int_equal(src.ops->select(src.impl, q, &s, NULL), 0);
    assert_int_equal(src.ops->count(s), hits);
    for (size_t i = 0; i < hits; i++) {
        struct labels ls = src.ops->labels(s, i);
        int64_t id = 0;

        assert_true(i == 0 || labels_cmp(src.ops->labels(s, i - 1), ls) < 0);
        assert_true(str_to_i64(str_drop(labels_get(ls, STR("id")), 3), &id) && r->rows[id].hit);
        assert_true(labels_eq(ls, (struct labels){r->rows[id].v, r->rows[id].n}));
        if (q->want == SERIES_LABELS || i % 7 != 0) {
            continue;
        }
        assert_int_equal(src.ops->read(s, i, &got, NULL), 0);
        assert_true(got.n >= 1 && got.v[got.n - 1] == (double)id);
        assert_int_equal(got.t_ms[got.n - 1], id < SERIES / 4 ? r->newest_ms : 10000);
    }
    samples_done(&got);
    src.ops->free(s);
}

/** Values of one label, or with no name the names, of the rows that were hit. */
static void check_labels(struct rig *r, const struct series_query *q, const char *label)
{
    struct series_source src = tsdb_source(r->db);
    struct arena a CLEANUP(arena_done);
    struct map want = {0};
    struct str *v = NULL;
    size_t n = 0;

    arena_init(&a, 16 << 20);
    for (size_t i = 0; i < SERIES; i++) {
        for (size_t k = 0; r->rows[i].hit && k < r->rows[i].n; k++) {
            const struct label *l = &r->rows[i].v[k];

            if (label == NULL || str_eq(l->name, str_cstr(label))) {
                assert_int_equal(map_put(&want, label == NULL ? l->name : l->value, r), 0);
            }
        }
    }
    assert_int_equal(label == NULL
                         ? src.ops->label_names(src.impl, q, 0, &a, &v, &n, NULL)
                         : src.ops->label_values(src.impl, str_cstr(label), q, 0, &a, &v, &n, NULL),
                     0);
    assert_int_equal(n, want.n);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(map_get(&want, v[i]));
        assert_true(i == 0 || str_cmp(v[i - 1], v[i]) < 0);
    }
    map_done(&want);
}

static void check_queries(struct rig *r, int queries)
{
    for (int i = 0; i < queries; i++) {
        struct matcher *m[MATCHERS];
        size_t n = 1 + pick(r, MATCHERS);
        struct series_query q = {.matchers = (const struct matcher *const *)m,
                                 .matchers_n = n,
                                 .max_ms = INT64_MAX / 2,
                                 .want = (enum series_want)pick(r, 3)};
        size_t hits;

        for (size_t k = 0; k < n; k++) {
            m[k] = random_matcher(r);
        }
        hits = mark_hits(r, m, n);
        check_selection(r, &q, hits);
        check_labels(r, &q, i % 5 == 0 ? NULL : NAMES[pick(r, LABELS)]);
        for (size_t k = 0; k < n; k++) {
            matcher_free(m[k]);
        }
    }
}

static void test_head_and_parts(void **state)
{
    struct rig *r = *state;

    add(r, 0, SERIES, 10000);
    check_queries(r, QUERIES / 3);
    add(r, 0, SERIES / 4, 20000);
    assert_int_equal(tsdb_flush(r->db, NULL), 0); /* all in a part */
    check_queries(r, QUERIES / 3);
    add(r, 0, SERIES / 4, 30000); /* some in both */
    check_queries(r, QUERIES / 3);
}

/** Labels of an old range do not tell of series that only have new samples. */
static void test_old_range(void **state)
{
    struct rig *r = *state;
    struct series_query q = {.max_ms = 15000};
    struct series_source src = tsdb_source(r->db);
    struct arena a CLEANUP(arena_done);
    struct str *v = NULL;
    size_t n = 0;

    arena_init(&a, 16 << 20);
    add(r, 0, 10, 10000);
    add(r, 10, 50, 20000);
    assert_int_equal(src.ops->label_values(src.impl, STR("id"), &q, 0, &a, &v, &n, NULL), 0);
    assert_int_equal(n, 10);
    assert_int_equal(src.ops->label_values(src.impl, STR("id"), &q, 3, &a, &v, &n, NULL), 0);
    assert_int_equal(n, 3);
    q.max_ms = INT64_MAX / 2;
    assert_int_equal(src.ops->label_values(src.impl, STR("id"), &q, 0, &a, &v, &n, NULL), 0);
    assert_int_equal(n, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_head_and_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_range, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
