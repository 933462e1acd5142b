/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests become rows with what they say and what the spans below them add up to, whatever order they come in; what
 * does not fit is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/transactions.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "io/tree.h"
#include "io/vfs.h"

static const int64_t MS = 1000000;

struct rig {
    char dir[64];
    struct columns *rows;
    struct transactions *t;
    struct stats *stats;
    int64_t now_ms;
};

static struct transactions *make(struct rig *r, struct transactions_opts o)
{
    struct transactions *t = NULL;

    o.rows = r->rows;
    o.manual = true;
    o.stats = r->stats;
    assert_int_equal(transactions_new(&o, &t, NULL), 0);
    return t;
}

static int setup(void **state)
{
    struct rig *r = mem_xcalloc(1, sizeof(*r));
    struct columns_opts o = {.kind = COLUMNS_SPANS, .dir = r->dir};

    snprintf(r->dir, sizeof(r->dir), "/tmp/txnXXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->stats = stats_new();
    r->now_ms = clock_wall_ms();
    assert_int_equal(columns_open(&o, &r->rows, NULL), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    transactions_free(r->t);
    columns_close(r->rows);
    stats_free(r->stats);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
    mem_free(r);
    return 0;
}

static uint64_t stat_of(struct rig *r, const char *name)
{
    return counter_get(stats_counter(r->stats, name, "", ""));
}

#define TEXT(k, t)                   \
    {                                \
        STR(k),                      \
        {                            \
            VALUE_STR, .u.s = STR(t) \
        }                            \
    }
#define INT(k, n)                 \
    {                             \
        STR(k),                   \
        {                         \
            VALUE_I64, .u.i = (n) \
        }                         \
    }

/* clang-format off */
static const struct attr POD_A[] = {TEXT("service.name", "cart"), TEXT("service.namespace", "shop"),
                                    TEXT("service.version", "1.2"), TEXT("k8s.pod.name", "cart-a")};
static const struct attr POD_B[] = {TEXT("service.name", "cart"), TEXT("k8s.pod.name", "cart-b")};
static const struct attr GET[] = {TEXT("http.request.method", "GET"), TEXT("http.route", "/cart/{id}"),
                                  TEXT("url.path", "/cart/7"), INT("http.response.status_code", 503),
                                  TEXT("client.address", "10.1.2.3"), TEXT("enduser.id", "kim"),
                                  INT("thread.cpu_time_ns", 4000)};
static const struct attr SQL[] = {TEXT("db.system", "postgresql")};
static const struct attr CALL[] = {TEXT("http.request.method", "GET")};
/* clang-format on */
static const struct resource A = {.attrs = {POD_A, ARRAY_LEN(POD_A)}};
static const struct resource B = {.attrs = {POD_B, ARRAY_LEN(POD_B)}};
static const struct scope SCOPE;

static struct span span_of(const struct rig *r, uint8_t trace, uint8_t kind, int64_t at_ms,
                           int64_t ms, const struct attr *attrs, size_t n)
{
    return (struct span){.trace_id = {.b = {trace}},
                         .span_id = {.b = {trace, kind, (uint8_t)at_ms}},
                         .name = STR("span"),
                         .kind = kind,
                         .start_ns = (r->now_ms + at_ms) * MS,
                         .end_ns = (r->now_ms + at_ms + ms) * MS,
                         .attrs = {attrs, n},
                         .resource = &A,
                         .scope = &SCOPE};
}

struct got {
    int n;

    struct {
        uint64_t sql_n, sql_ns, call_n, call_ns, status, cpu_ns;
        char text[8][64];
        int64_t arrival_ns, start_ns, end_ns;
    } rows[8];
};

static void copy(char dst[64], struct str s)
{
    snprintf(dst, 64, "%.*s", STR_ARG(s));
}

static uint64_t int_of(const struct span *row, const char *key)
{
    const struct value *v = attrs_get(row->attrs, str_cstr(key));

    return v != NULL ? (uint64_t)v->u.i : UINT64_MAX;
}

static int on_row(void *arg, const struct span *row, uint64_t id)
{
    struct got *g = arg;

    (void)id;
    assert_true(g->n < 8);
    g->rows[g->n].sql_n = int_of(row, TXN_SQL_N);
    g->rows[g->n].sql_ns = int_of(row, TXN_SQL_NS);
    g->rows[g->n].call_n = int_of(row, TXN_CALL_N);
    g->rows[g->n].call_ns = int_of(row, TXN_CALL_NS);
    g->rows[g->n].status = int_of(row, TXN_STATUS);
    g->rows[g->n].cpu_ns = int_of(row, TXN_CPU_NS);
    copy(g->rows[g->n].text[0], row->name);
    copy(g->rows[g->n].text[1], attrs_get_str(row->resource->attrs, STR(TXN_GROUP)));
    copy(g->rows[g->n].text[2], attrs_get_str(row->resource->attrs, STR(TXN_INSTANCE)));
    copy(g->rows[g->n].text[3], attrs_get_str(row->attrs, STR(TXN_CLASS)));
    copy(g->rows[g->n].text[4], attrs_get_str(row->attrs, STR(TXN_PATH)));
    copy(g->rows[g->n].text[5], attrs_get_str(row->attrs, STR(TXN_USER)));
    copy(g->rows[g->n].text[6], attrs_get_str(row->attrs, STR(TXN_CLIENT)));
    copy(g->rows[g->n].text[7], attrs_get_str(row->attrs, STR(TXN_EXCEPTION)));
    g->rows[g->n].arrival_ns = row->arrival_ns;
    g->rows[g->n].start_ns = row->start_ns;
    g->rows[g->n].end_ns = row->end_ns;
    g->n++;
    return 0;
}

static struct got read_all(const struct rig *r)
{
    const struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX, .oldest_first = true};
    struct got g = {0};

    assert_int_equal(columns_scan_spans(r->rows, &q, INT64_MIN, 0, on_row, &g, NULL, NULL), 0);
    return g;
}

/* Children before, with and after the request; those of other traces, instances and times do not count. */
static void test_rows(void **state)
{
    struct rig *r = *state;
    const struct attr thrown = TEXT("exception.type", "java.lang.OutOfMemoryError");
    const struct span_event event = {.name = STR("exception"), .attrs = {&thrown, 1}};
    struct span early = span_of(r, 1, SPAN_CLIENT, 10, 5, SQL, 1);
    struct span batch[] = {
        span_of(r, 1, SPAN_SERVER, 0, 100, GET, ARRAY_LEN(GET)),
        span_of(r, 1, SPAN_CLIENT, 20, 30, CALL, 1), span_of(r, 2, SPAN_CLIENT, 20, 30, SQL, 1),
        span_of(r, 1, SPAN_INTERNAL, 20, 30, SQL, 1), span_of(r, 1, SPAN_CLIENT, 500, 30, SQL, 1)};
    struct span late[] = {span_of(r, 1, SPAN_CLIENT, 40, 7, SQL, 1),
                          span_of(r, 1, SPAN_CLIENT, 50, 7, SQL, 1)};
    struct got g;

    r->t = make(r, (struct transactions_opts){.users = TRANSACTIONS_USERS_PLAIN});
    batch[0].events = &event;
    batch[0].events_n = 1;
    late[1].resource = &B;
    transactions_seen(r->t, &early, 1, r->now_ms);
    transactions_seen(r->t, batch, ARRAY_LEN(batch), r->now_ms);
    assert_int_equal(transactions_write(r->t, false, NULL), 0);
    assert_int_equal(read_all(r).n, 0); /* it waits */
    transactions_seen(r->t, late, ARRAY_LEN(late), r->now_ms);
    assert_int_equal(transactions_write(r->t, true, NULL), 0);
    g = read_all(r);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.rows[0].sql_n, 2);
    assert_int_equal(g.rows[0].sql_ns, 12 * MS);
    assert_int_equal(g.rows[0].call_n, 1);
    assert_int_equal(g.rows[0].call_ns, 30 * MS);
    assert_int_equal(g.rows[0].status, 503);
    assert_int_equal(g.rows[0].cpu_ns, 4000);
    assert_string_equal(g.rows[0].text[0], "GET /cart/{id}");
    assert_string_equal(g.rows[0].text[1], "shop/cart");
    assert_string_equal(g.rows[0].text[2], "cart-a");
    assert_string_equal(g.rows[0].text[3], "5xx");
    assert_string_equal(g.rows[0].text[4], "/cart/7");
    assert_string_equal(g.rows[0].text[5], "kim");
    assert_string_equal(g.rows[0].text[6], "10.1.2.3");
    assert_string_equal(g.rows[0].text[7], "java.lang.OutOfMemoryError");
    assert_int_equal(g.rows[0].end_ns - g.rows[0].start_ns, 100 * MS);
}

static void test_users(void **state)
{
    struct rig *r = *state;
    struct span s = span_of(r, 1, SPAN_SERVER, 0, 100, GET, ARRAY_LEN(GET));
    struct got g;

    r->t = make(r, (struct transactions_opts){0});
    transactions_seen(r->t, &s, 1, r->now_ms);
    transactions_free(r->t); /* writes what waits */
    r->t = make(r, (struct transactions_opts){.users = TRANSACTIONS_USERS_OFF});
    s.start_ns += MS;
    transactions_seen(r->t, &s, 1, r->now_ms);
    assert_int_equal(transactions_write(r->t, true, NULL), 0);
    g = read_all(r);
    assert_int_equal(g.n, 2);
    assert_int_equal(strlen(g.rows[0].text[5]), 16);
    assert_string_not_equal(g.rows[0].text[5], "kim");
    assert_string_equal(g.rows[1].text[5], "");
    assert_int_equal(g.rows[0].sql_n, UINT64_MAX); /* none: no attribute */
}

/* Stamps rise by themselves; what is too old is refused, what does not fit is dropped, and both are counted. */
static void test_limits(void **state)
{
    struct rig *r = *state;
    struct span many[4];
    struct got g;

    r->t = make(r, (struct transactions_opts){.max_bytes = 1, .retention_ms = 3600000});
    for (int i = 0; i < 4; i++) {
        many[i] = span_of(r, (uint8_t)i, SPAN_SERVER, i, 1, GET, ARRAY_LEN(GET));
    }
    many[3].start_ns -= 7200 * 1000 * MS;
    transactions_seen(r->t, many, 4, r->now_ms);
    assert_int_equal(stat_of(r, "bongsu_transactions_refused_total"), 1);
    assert_int_equal(stat_of(r, "bongsu_transactions_dropped_total"), 2);
    assert_int_equal(transactions_write(r->t, false, NULL), 0); /* full: it does not wait */
    assert_int_equal(stat_of(r, "bongsu_transactions_early_total"), 1);
    transactions_free(r->t);
    r->t = make(r, (struct transactions_opts){0});
    transactions_seen(r->t, many + 1, 2, r->now_ms);
    assert_int_equal(transactions_write(r->t, true, NULL), 0);
    g = read_all(r);
    assert_int_equal(g.n, 3);
    assert_true(g.rows[2].arrival_ns > g.rows[1].arrival_ns);
}

static void test_classes(void **state)
{
    (void)state;
    for (int i = 0; i < TMAP_CLASSES; i++) {
        assert_int_equal(txn_class_of(txn_class_name((enum tmap_class)i)), i);
    }
    assert_int_equal(txn_class_of(STR("3xx")), TMAP_CLASSES);
    assert_int_equal(txn_class_name(TMAP_CLASSES).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_users, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test(test_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
