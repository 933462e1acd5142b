/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in a directory under TMPDIR that is removed at the end.
 */
#include "query/logql/tests/logs_store.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

void logs_store_open(struct logs_store *s)
{
    struct columns_opts opts = {.kind = COLUMNS_LOGS};
    struct err e = {0};

    snprintf(s->dir, sizeof(s->dir), "/tmp/bongsu_logql_XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    opts.dir = s->dir;
    if (columns_open(&opts, &s->c, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    s->base_ns = clock_wall_ns() / 3600000000000 * 3600000000000 - 3600000000000;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

void logs_store_close(struct logs_store *s)
{
    columns_close(s->c);
    nftw(s->dir, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static struct attrs attrs_of(const char *text, struct attr *v)
{
    struct attrs as = {v, 0};
    struct str rest = str_cstr(text);
    struct str pair;

    while (rest.n != 0 && str_split(&rest, ' ', &pair)) {
        int64_t eq = str_find_byte(pair, '=');
        struct str value = str_drop(pair, (size_t)eq + 1);

        v[as.n] = (struct attr){str_take(pair, (size_t)eq), {.type = VALUE_STR, .u.s = value}};
        if (str_starts(value, STR("i:"))) {
            v[as.n].value.type = VALUE_I64;
            assert_true(str_to_i64(str_drop(value, 2), &v[as.n].value.u.i));
        }
        as.n++;
    }
    return as;
}

void logs_store_add(struct logs_store *s, double seconds, const char *labels, const char *meta,
                    uint8_t severity, const char *line)
{
    static const struct scope SCOPE;
    struct attr res[32];
    struct attr own[32];
    const struct resource resource = {.attrs = attrs_of(labels, res)};
    const struct log_record record = {
        .time_ns = s->base_ns + (int64_t)(seconds * 1e9),
        .arrival_ns = s->base_ns,
        .body = {.type = VALUE_STR, .u.s = str_cstr(line)},
        .attrs = attrs_of(meta, own),
        .resource = &resource,
        .scope = &SCOPE,
        .severity = severity,
    };
    struct columns_commit done = {0};

    assert_int_equal(columns_append_logs(s->c, &record, 1, &done, NULL), 0);
    assert_int_equal(done.accepted, 1);
}

static void print_labels(struct labels ls, struct buf *b)
{
    buf_add_byte(b, '{');
    for (size_t i = 0; i < ls.n; i++) {
        buf_printf(b, "%s%.*s=%.*s", i != 0 ? "," : "", STR_ARG(ls.v[i].name),
                   STR_ARG(ls.v[i].value));
    }
    buf_add_byte(b, '}');
}

static void print_result(const struct logs_store *s, const struct logql_result *r, struct buf *b)
{
    for (size_t i = 0; i < r->streams_n; i++) {
        for (size_t k = 0; k < r->streams[i].n; k++) {
            print_labels(r->streams[i].labels, b);
            buf_printf(b, " %.*s\n", STR_ARG(r->streams[i].v[k].line));
        }
    }
    for (size_t i = 0; i < r->series_n; i++) {
        print_labels(r->series[i].labels, b);
        for (size_t k = 0; k < r->series[i].n; k++) {
            buf_printf(b, " %g:", (double)(r->series[i].t_ns[k] - s->base_ns) / 1e9);
            buf_add_f64(b, r->series[i].v[k]);
        }
        buf_add_byte(b, '\n');
    }
}

void logs_store_ask(struct logs_store *s, const struct logs_ask *a, struct buf *b)
{
    struct logql_ask ask = {.logs = s->c,
                            .start_ns = s->base_ns + (int64_t)(a->start * 1e9),
                            .end_ns = s->base_ns + (int64_t)(a->end * 1e9),
                            .step_ns = (int64_t)(a->step * 1e9),
                            .limit = a->limit,
                            .forward = a->forward};
    struct logql_query *q = NULL;
    struct logql_result *r = NULL;
    struct err e = {0};

    logql_limits_default(&ask.limits);
    buf_clear(b);
    if (logql_parse(str_cstr(a->query), &q, &e) < 0 || logql_run(q, &ask, &r, &e) < 0) {
        buf_printf(b, "error: %s", e.msg);
    } else {
        print_result(s, r, b);
    }
    logql_result_free(r);
    logql_free(q);
}
