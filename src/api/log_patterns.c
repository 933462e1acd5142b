/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/logs/patterns: the patterns of a search with their counts over time, levels, trend and newest record; and
 * Loki's /loki/api/v1/patterns.
 */
#include "api/api_internal.h"

#include <math.h>
#include <stdlib.h>

#include "api/log_query.h"
#include "api/loki.h"
#include "api/otel_json.h"
#include "api/pattern_counts.h"
#include "api/rows.h"

enum { LOKI_BUCKETS_MAX = 11000 };

static const int64_t HOUR_NS = 3600000000000;

/* ---- what is asked ---- */

/* The records of a request, by its filters or by a log query. */
struct selection {
    struct row_filter own;
    struct logql_query *query;
    struct logql_filter *plan;
};

static void selection_done(struct selection *s)
{
    row_filter_done(&s->own);
    logql_filter_free(s->plan);
    logql_free(s->query);
}

/* `ask` has its range. What the store can decide becomes its filter; else records will be read. */
static int select_by_query(struct selection *s, struct pattern_ask *ask, bool *ret_empty,
                           struct err *reterr)
{
    int rc = logql_filter_new(s->query, &ask->range, &s->plan, reterr);

    if (rc < 0) {
        return rc;
    }
    *ret_empty = logql_filter_is_empty(s->plan);
    if (logql_filter_is_exact(s->plan)) {
        ask->filter = logql_filter_root(s->plan);
    } else {
        ask->query = s->query;
    }
    return 0;
}

static int select_records(struct http_exchange *x, struct selection *s, struct pattern_ask *ask,
                          bool *ret_empty, struct err *reterr)
{
    int rc = param_log_query(x, &s->query, reterr);

    *ret_empty = false;
    if (rc < 0) {
        return rc;
    }
    if (s->query != NULL) {
        rc = param_pattern_ids(x, ask->a, &ask->range.also, reterr);
        return rc < 0 ? rc : select_by_query(s, ask, ret_empty, reterr);
    }
    rc = param_log_filter(x, &s->own, reterr);
    ask->filter = s->own.root;
    return rc;
}

/* ---- Bongsu's own ---- */

static void write_levels(struct json_writer *w, const struct pattern_count *p)
{
    json_key(w, "levels");
    json_object_begin(w);
    for (int i = PATTERN_LEVELS - 1; i >= 0; i--) {
        if (p->levels[i] != 0) {
            json_key(w, severity_level_name((enum severity_level)i));
            json_u64(w, p->levels[i]);
        }
    }
    json_object_end(w);
}

static void write_times(struct json_writer *w, const struct pattern_count *p, int64_t start_ns)
{
    if (p->first_ns != INT64_MIN) {
        json_key(w, "first_seen_ms");
        json_i64(w, p->first_ns / 1000000);
        json_key(w, "new");
        json_bool(w, p->first_ns >= start_ns);
    }
    if (p->last_ns != INT64_MIN) {
        json_key(w, "last_seen_ms");
        json_i64(w, p->last_ns / 1000000);
        json_key(w, "sample");
        json_str(w, p->sample);
    }
}

static void write_pattern(struct json_writer *w, const struct pattern_count *p,
                          const struct pattern_ask *ask, uint64_t total)
{
    json_object_begin(w);
    json_key(w, "pattern_id");
    json_pattern_id(w, p->id);
    json_key(w, "ids");
    json_array_begin(w);
    for (size_t i = 0; i < p->ids_n; i++) {
        json_pattern_id(w, p->ids[i]);
    }
    json_array_end(w);
    json_key(w, "template");
    json_str(w, p->text);
    json_key(w, "service");
    json_str(w, p->service);
    json_key(w, "count");
    json_u64(w, p->total);
    json_key(w, "share");
    json_f64(w, total != 0 ? (double)p->total / (double)total : 0);
    json_key(w, "previous_count");
    json_u64(w, p->previous);
    if (p->previous != 0) {
        json_key(w, "trend");
        json_f64(w, (double)p->total / (double)p->previous - 1);
    }
    write_times(w, p, ask->range.start_ns);
    write_levels(w, p);
    json_key(w, "counts");
    json_array_begin(w);
    for (size_t i = 0; i < ask->buckets; i++) {
        json_u64(w, p->counts[i]);
    }
    json_array_end(w);
    json_object_end(w);
}

static void write_patterns(struct http_exchange *x, const struct pattern_ask *ask,
                           const struct counts_request *r, const struct pattern_counts *c,
                           size_t limit, struct mono since)
{
    uint64_t without = 0;
    struct json_writer w;
    struct buf b;
    size_t n = 0;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "start_ms");
    json_i64(&w, r->range.start_ms);
    json_key(&w, "step_ms");
    json_i64(&w, r->step_ms);
    json_key(&w, "patterns");
    json_array_begin(&w);
    for (size_t i = 0; i < c->n; i++) {
        without += c->v[i]->id == 0 ? c->v[i]->total : 0;
        if (c->v[i]->id != 0 && n < limit) {
            write_pattern(&w, c->v[i], ask, c->total);
            n++;
        }
    }
    json_array_end(&w);
    json_key(&w, "total_patterns");
    json_u64(&w, c->n - (without != 0));
    json_key(&w, "total");
    json_u64(&w, c->total);
    json_key(&w, "without_pattern");
    json_u64(&w, without);
    json_scan_stats(&w, &c->stats, since);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void patterns(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct pattern_ask ask = {.templates = store_log_templates(api_backend(a)->store),
                              .a = http_arena(x)};
    struct pattern_counts c = {0};
    struct mono since = clock_mono();
    struct selection s = {0};
    struct counts_request r;
    struct err e = {0};
    int64_t limit = 100;
    bool empty = false;
    int rc = param_counts(x, &r, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, 1000, 100, &limit, &e);
    if (rc == 0) {
        loki_ask(a, x, &ask.range);
        ask.range.start_ns = r.range.start_ms * 1000000;
        ask.range.end_ns = r.range.end_ms * 1000000;
        ask.step_ns = r.step_ms * 1000000;
        ask.buckets = (size_t)r.buckets;
        rc = select_records(x, &s, &ask, &empty, &e);
    }
    if (rc == 0 && !empty) {
        rc = pattern_counts(&ask, &c, &e);
        rc = rc < 0 ? rc : pattern_details(&ask, &c, &e);
        rc = rc < 0 ? rc : pattern_samples(&ask, &c, (size_t)limit + 1, false, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        write_patterns(x, &ask, &r, &c, (size_t)limit, since);
    }
    pattern_counts_done(&c);
    selection_done(&s);
}

/* ---- Loki's ---- */

static int by_text(const void *a, const void *b)
{
    const struct pattern_count *x = *(struct pattern_count *const *)a;
    const struct pattern_count *y = *(struct pattern_count *const *)b;

    return str_cmp(x->text, y->text);
}

static int by_total(const void *a, const void *b)
{
    const struct pattern_count *x = *(struct pattern_count *const *)a;
    const struct pattern_count *y = *(struct pattern_count *const *)b;

    return x->total != y->total ? (x->total < y->total) - (x->total > y->total) : by_text(a, b);
}

/* Templates of one text in several services are one pattern here. */
static size_t merge_by_text(struct pattern_counts *c, size_t buckets)
{
    size_t n = 0;

    if (c->n > 1) {
        qsort(c->v, c->n, sizeof(struct pattern_count *), by_text);
    }
    for (size_t i = 0; i < c->n; i++) {
        struct pattern_count *p = c->v[i];

        if (p->text.n == 0) {
            continue;
        }
        if (n != 0 && str_eq(c->v[n - 1]->text, p->text)) {
            for (size_t k = 0; k < buckets; k++) {
                c->v[n - 1]->counts[k] += p->counts[k];
            }
            c->v[n - 1]->total += p->total;
        } else {
            c->v[n++] = p;
        }
    }
    if (n > 1) {
        qsort(c->v, n, sizeof(struct pattern_count *), by_total);
    }
    return n;
}

static void write_loki(struct http_exchange *x, const struct pattern_ask *ask,
                       struct pattern_counts *c)
{
    size_t n = merge_by_text(c, ask->buckets);
    struct json_writer w;
    struct buf b;

    data_begin(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        json_key(&w, "pattern");
        json_str(&w, c->v[i]->text);
        json_key(&w, "samples");
        json_array_begin(&w);
        for (size_t k = 0; k < ask->buckets; k++) {
            if (c->v[i]->counts[k] != 0) {
                json_array_begin(&w);
                json_i64(&w, (ask->range.start_ns + (int64_t)k * ask->step_ns) / 1000000000);
                json_u64(&w, c->v[i]->counts[k]);
                json_array_end(&w);
            }
        }
        json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    data_end(x, &w, &b);
}

/* Steps begin with the range and are whole seconds. */
static int loki_steps(struct http_exchange *x, struct pattern_ask *ask, struct err *reterr)
{
    struct loki_range r;
    int64_t step = 0;
    int rc = loki_range(x, HOUR_NS, &r, reterr);

    rc = rc < 0 ? rc : loki_step(x, &r, &step, reterr);
    if (rc < 0) {
        return rc;
    }
    step = step < 1000000000 ? 1000000000 : step - step % 1000000000;
    ask->range.start_ns = r.start_ns;
    ask->range.end_ns = r.end_ns;
    ask->step_ns = step;
    if (r.end_ns <= r.start_ns) {
        return err_set(reterr, ERR_INVALID,
                       "end timestamp must not be before or equal to start time");
    }
    if ((r.end_ns - ask->range.start_ns) / step >= LOKI_BUCKETS_MAX) {
        return err_set(reterr, ERR_INVALID,
                       "exceeded maximum resolution of 11,000 points per time series. Try "
                       "increasing the value of the step parameter");
    }
    ask->buckets = (size_t)((r.end_ns - ask->range.start_ns + step - 1) / step);
    return 0;
}

static void loki_patterns(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct pattern_ask ask = {.templates = store_log_templates(api_backend(a)->store),
                              .a = http_arena(x)};
    struct pattern_counts c = {0};
    struct selection s = {0};
    struct err e = {0};
    bool empty = false;
    int rc;

    loki_ask(a, x, &ask.range);
    rc = loki_steps(x, &ask, &e);
    rc = rc < 0 ? rc : logql_parse_selector(http_param(x, "query"), &s.query, &e);
    rc = rc < 0 ? rc : select_by_query(&s, &ask, &empty, &e);
    if (rc == 0 && !empty) {
        rc = pattern_counts(&ask, &c, &e);
        rc = rc < 0 ? rc : pattern_samples(&ask, &c, c.n, true, &e);
    }
    if (rc < 0) {
        loki_fail(x, rc, &e);
    } else {
        write_loki(x, &ask, &c);
    }
    pattern_counts_done(&c);
    selection_done(&s);
}

void log_patterns_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/logs/patterns", patterns, a, HTTP_WORKER, 0, need},
        {"GET", "/loki/api/v1/patterns", loki_patterns, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/patterns", loki_patterns, a, HTTP_WORKER, 1 << 20, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
