/* SPDX-License-Identifier: Apache-2.0
 *
 * Exemplars: order and duplicates per series, the ring's bound, matching, and that they are there again after
 * a clean stop, a crash, and a crash behind a flush.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/tsdb/exemplars.h"
#include "store/tsdb/tsdb_internal.h"

struct rig {
    char dir[64];
    struct tsdb *db;
    size_t max;
};

static void rig_open(struct rig *r)
{
    const struct tsdb_opts o = {.dir = r->dir, .max_exemplars = r->max};
    struct err e = {0};

    assert_int_equal(tsdb_open(&o, &r->db, &e), 0);
}

static void rig_init(struct rig *r, size_t max)
{
    snprintf(r->dir, sizeof(r->dir), "/tmp/test_exemplars_XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->max = max;
    rig_open(r);
}

static void rig_done(struct rig *r)
{
    char cmd[128];

    tsdb_close(r->db);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", r->dir);
    assert_int_equal(system(cmd), 0);
}

static struct exemplar_commit add(struct rig *r, const char *series, const char *trace,
                                  int64_t t_ms, double v)
{
    struct label sl[2] = {{STR(LABEL_NAME), STR("m")}, {STR("s"), str_cstr(series)}};
    struct label el[1] = {{STR("trace_id"), str_cstr(trace)}};
    const struct exemplar e = {{el, trace[0] != '\0'}, v, t_ms, true};
    struct exemplar_batch b;
    struct exemplar_commit c;

    exemplar_batch_init(&b);
    assert_int_equal(exemplar_batch_add(&b, (struct labels){sl, 2}, &e), EXEMPLAR_OK);
    assert_int_equal(tsdb_exemplars_commit(r->db, &b, &c, NULL), 0);
    exemplar_batch_done(&b);
    return c;
}

/* Every exemplar of the range as "series trace@t=v ". */
static void check(struct rig *r, enum match_op op, const char *value, int64_t min, int64_t max,
                  const char *want)
{
    struct matcher *m = NULL;
    struct exemplar_selector set = {&m, 1};
    const struct exemplar_query q = {&set, 1, min, max};
    struct exemplar_series *v;
    struct arena a;
    struct buf b;
    size_t n;

    arena_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    assert_int_equal(matcher_new(op, STR("s"), str_cstr(value), &m, NULL), 0);
    assert_int_equal(tsdb_exemplars(r->db, &q, &a, &v, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < v[i].n; k++) {
            struct exemplar *e = &v[i].v[k];

            buf_printf(&b, "%.*s %.*s@%lld=%g ", STR_ARG(labels_get(v[i].labels, STR("s"))),
                       STR_ARG(labels_get(e->labels, STR("trace_id"))), (long long)e->t_ms,
                       e->value);
        }
    }
    buf_add_byte(&b, '\0');
    assert_string_equal(b.data, want);
    matcher_free(m);
    buf_done(&b);
    arena_done(&a);
}

static void test_order(void **state)
{
    struct exemplar_commit c;
    struct rig r;

    (void)state;
    rig_init(&r, 100);
    assert_int_equal(add(&r, "b", "t1", 1000, 1).stored, 1);
    assert_int_equal(add(&r, "a", "t2", 2000, 1).stored, 1);
    assert_int_equal(add(&r, "b", "t3", 3000, 2).stored, 1);
    c = add(&r, "b", "t3", 3000, 2);
    assert_int_equal(c.duplicates, 1);
    assert_int_equal(c.stored, 0);
    assert_int_equal(add(&r, "b", "t0", 2999, 9).out_of_order, 1);
    assert_int_equal(add(&r, "b", "t0", 3000, 1).out_of_order, 1); /* same time, smaller value */
    assert_int_equal(add(&r, "b", "", 3000, 3).stored, 1);
    check(&r, MATCH_RE, ".*", 0, 5000, "a t2@2000=1 b t1@1000=1 b t3@3000=2 b @3000=3 ");
    check(&r, MATCH_EQ, "b", 1001, 3000, "b t3@3000=2 b @3000=3 ");
    check(&r, MATCH_EQ, "b", 3001, 9000, "");
    check(&r, MATCH_EQ, "c", 0, 9000, "");
    rig_done(&r);
}

static void test_ring(void **state)
{
    struct exemplar_status st;
    struct rig r;

    (void)state;
    rig_init(&r, 3);
    add(&r, "a", "t1", 1, 1);
    add(&r, "b", "t2", 2, 1);
    add(&r, "b", "t3", 3, 1);
    add(&r, "b", "t4", 4, 1); /* series a goes */
    check(&r, MATCH_RE, ".*", 0, 9, "b t2@2=1 b t3@3=1 b t4@4=1 ");
    add(&r, "b", "t5", 5, 1);
    add(&r, "a", "t6", 1, 1);
    tsdb_exemplar_status(r.db, &st);
    assert_int_equal(st.exemplars, 3);
    assert_int_equal(st.series, 2);
    check(&r, MATCH_RE, ".*", 0, 9, "a t6@1=1 b t4@4=1 b t5@5=1 ");
    tsdb_close(r.db);
    rig_open(&r); /* the order of the ring comes back with the file */
    add(&r, "c", "t7", 7, 1);
    check(&r, MATCH_RE, ".*", 0, 9, "a t6@1=1 b t5@5=1 c t7@7=1 ");
    rig_done(&r);
}

static void test_durable(void **state)
{
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_init(&r, 100);
    add(&r, "a", "t1", 1, 1);
    tsdb_close_unflushed(r.db);
    rig_open(&r);
    check(&r, MATCH_RE, ".*", 0, 9, "a t1@1=1 ");
    add(&r, "a", "t2", 2, 1);
    assert_int_equal(tsdb_flush(r.db, &e), 0);
    add(&r, "a", "t3", 3, 1);
    tsdb_close_unflushed(r.db);
    rig_open(&r);
    check(&r, MATCH_RE, ".*", 0, 9, "a t1@1=1 a t2@2=1 a t3@3=1 ");
    tsdb_close(r.db);
    rig_open(&r);
    check(&r, MATCH_RE, ".*", 0, 9, "a t1@1=1 a t2@2=1 a t3@3=1 ");
    tsdb_close(r.db);
    r.max = 0; /* turned off: nothing is kept, nothing breaks */
    rig_open(&r);
    check(&r, MATCH_RE, ".*", 0, 9, "");
    assert_int_equal(add(&r, "a", "t4", 4, 1).stored, 0);
    rig_done(&r);
}

static void test_damaged_file(void **state)
{
    char path[96];
    struct rig r;
    FILE *f;

    (void)state;
    rig_init(&r, 100);
    add(&r, "a", "t1", 1, 1);
    tsdb_close(r.db);
    snprintf(path, sizeof(path), "%s/exemplars", r.dir);
    f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 12, SEEK_SET), 0);
    fputc('x', f);
    fclose(f);
    rig_open(&r);
    check(&r, MATCH_RE, ".*", 0, 9, "");
    add(&r, "a", "t2", 2, 1);
    check(&r, MATCH_RE, ".*", 0, 9, "a t2@2=1 ");
    rig_done(&r);
}

static void test_too_long(void **state)
{
    char text[200];
    struct label l[1] = {{STR("t"), {text, 127}}};
    struct label sl[1] = {{STR(LABEL_NAME), STR("m")}};
    struct exemplar e = {{l, 1}, 1, 1, true};
    struct exemplar_batch b;

    (void)state;
    memset(text, 'x', sizeof(text));
    exemplar_batch_init(&b);
    assert_int_equal(exemplar_batch_add(&b, (struct labels){sl, 1}, &e), EXEMPLAR_OK);
    l[0].value.n = 128;
    assert_int_equal(exemplar_batch_add(&b, (struct labels){sl, 1}, &e), EXEMPLAR_TOO_LONG);
    l[0].value = STR("\xea\xb0\x80\xea\xb0\x80"); /* characters, not bytes */
    assert_int_equal(exemplar_batch_add(&b, (struct labels){sl, 1}, &e), EXEMPLAR_OK);
    assert_int_equal(b.n, 2);
    exemplar_batch_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),    cmocka_unit_test(test_ring),
        cmocka_unit_test(test_durable),  cmocka_unit_test(test_damaged_file),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
