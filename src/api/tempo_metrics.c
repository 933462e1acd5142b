/* SPDX-License-Identifier: Apache-2.0
 *
 * Tempo's TraceQL metrics: a range of steps, or one value over the whole range.
 */
#include <math.h>

#include "api/tempo.h"

#include "api/parse.h"
#include "api/tempo_otlp.h"
#include "model/value_text.h"

enum { SERIES_MAX = 1000, SERIES_CEILING = 50000, EXEMPLARS_DEFAULT = 100 };

/* Seconds (at most ten digits, or with a fraction), nanoseconds, or RFC 3339. */
static bool parse_time(struct str s, int64_t *ret_ns)
{
    int64_t whole;
    double f;

    if (str_to_i64(s, &whole)) {
        *ret_ns = s.n <= 10 ? whole * 1000000000 : whole;
        return true;
    }
    if (str_to_f64(s, &f)) {
        *ret_ns = f > -9e9 && f < 9e9 ? (int64_t)(f * 1e9) : 0;
        return f > -9e9 && f < 9e9;
    }
    return clock_parse_rfc3339(s.p, s.n, ret_ns) == 0;
}

static int time_param(const struct http_exchange *x, const char *name, int64_t fallback,
                      int64_t *ret, struct err *e)
{
    struct str s = http_param(x, name);

    *ret = fallback;
    return s.n == 0 || parse_time(s, ret)
               ? 0
               : err_set(e, ERR_INVALID, "could not parse '%s' parameter: %.*s", name,
                         s.n > 64 ? 64 : (int)s.n, s.p);
}

/* Seconds with fraction, or a duration with unit. */
static int duration_param(const struct http_exchange *x, const char *name, int64_t fallback,
                          int64_t *ret, struct err *e)
{
    struct str s = http_param(x, name);
    int64_t ms;
    double f;

    *ret = fallback;
    if (s.n == 0) {
        return 0;
    }
    if (str_to_f64(s, &f) && f > 0 && f < 9e9) {
        *ret = (int64_t)(f * 1e9);
        return 0;
    }
    if (str_to_duration_ms(s, &ms) && ms > 0 && ms < INT64_MAX / 1000000) {
        *ret = ms * 1000000;
        return 0;
    }
    if (parse_duration_ns(s, ret) && *ret > 0) {
        return 0;
    }
    return err_set(e, ERR_INVALID, "could not parse '%s' parameter: %.*s", name,
                   s.n > 64 ? 64 : (int)s.n, s.p);
}

static int range_params(struct api *a, struct http_exchange *x, struct traceql_source *ret,
                        struct err *e)
{
    int64_t since;
    int rc = duration_param(x, "since", 3600ll * 1000000000, &since, e);

    *ret = tempo_source(a, x);
    rc = rc < 0 ? rc : time_param(x, "end", clock_wall_ns(), &ret->max_ns, e);
    rc = rc < 0 ? rc : time_param(x, "start", ret->max_ns - since, &ret->min_ns, e);
    if (rc == 0 && (ret->max_ns <= ret->min_ns || ret->min_ns < 0)) {
        return err_set(e, ERR_INVALID, "http parameter start must be before end");
    }
    return rc;
}

static int run(struct api *a, struct http_exchange *x, bool instant, struct arena *arena,
               struct traceql_metrics *ret, struct err *e)
{
    struct str text = http_has_param(x, "q") ? http_param(x, "q") : http_param(x, "query");
    struct traceql_metrics_opts opts = {0};
    struct traceql_source src;
    struct traceql *q = NULL;
    uint64_t exemplars;
    uint64_t series;
    int rc = range_params(a, x, &src, e);

    rc = rc < 0 ? rc : tempo_param(x, "exemplars", 0, &exemplars, e);
    rc = rc < 0 ? rc : tempo_param(x, "maxSeries", 0, &series, e);
    if (rc == 0 && !instant) {
        rc = duration_param(x, "step", traceql_default_step_ns(src.min_ns, src.max_ns),
                            &opts.step_ns, e);
    }
    if (rc < 0) {
        return rc;
    }
    opts.max_exemplars =
        exemplars == 0 || exemplars > EXEMPLARS_DEFAULT ? EXEMPLARS_DEFAULT : (size_t)exemplars;
    opts.max_series = series == 0               ? SERIES_MAX
                      : series > SERIES_CEILING ? SERIES_CEILING
                                                : (size_t)series;
    rc = traceql_parse(text, &q, e);
    if (rc < 0) {
        err_prefix(e, "invalid TraceQL query");
        return rc;
    }
    rc = traceql_metrics(q, &src, &opts, arena, ret, e);
    traceql_free(q);
    return rc;
}

/* ---- the answer ---- */

/* {a="x", b="y"}: how older clients name a series. */
static void write_prom_labels(struct json_writer *w, struct attrs labels)
{
    struct buf text CLEANUP(buf_done) = {0};
    struct buf scratch CLEANUP(buf_done) = {0};

    buf_init(&text, 1 << 20);
    buf_init(&scratch, 1 << 20);
    buf_add_byte(&text, '{');
    for (size_t i = 0; i < labels.n; i++) {
        struct str v;

        buf_clear(&scratch);
        v = value_text(&labels.v[i].value, &scratch);
        buf_add_cstr(&text, i != 0 ? ", " : "");
        for (size_t k = 0; k < labels.v[i].key.n; k++) { /* a label name as Prometheus allows it */
            char c = labels.v[i].key.p[k];
            bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

            buf_add_byte(&text, plain ? c : '_');
        }
        buf_add_cstr(&text, "=\"");
        buf_add_str(&text, v);
        buf_add_byte(&text, '"');
    }
    buf_add_byte(&text, '}');
    json_key(w, "promLabels");
    json_str(w, buf_str(&text));
}

static void write_exemplars(struct json_writer *w, const struct traceql_series *s)
{
    json_key(w, "exemplars");
    json_array_begin(w);
    for (size_t i = 0; i < s->exemplars_n; i++) {
        const struct traceql_exemplar *e = &s->exemplars[i];
        char trace[2 * TRACE_ID_SIZE + 1];
        char span[2 * SPAN_ID_SIZE + 1];
        const struct attr labels[] = {
            {STR("trace:id"), {VALUE_STR, {.s = str_of(trace, 2 * TRACE_ID_SIZE)}}},
            {STR("span:id"), {VALUE_STR, {.s = str_of(span, 2 * SPAN_ID_SIZE)}}}};

        if (isnan(e->value)) {
            continue;
        }
        hex_encode(e->trace_id.b, TRACE_ID_SIZE, trace);
        hex_encode(e->span_id.b, SPAN_ID_SIZE, span);
        json_object_begin(w);
        json_key(w, "labels");
        json_key_values(w, (struct attrs){labels, 2});
        json_key(w, "value");
        json_f64(w, e->value);
        json_key(w, "timestampMs");
        json_i64_str(w, e->time_ns / 1000000);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_samples(struct json_writer *w, const struct traceql_metrics *r,
                          const struct traceql_series *s)
{
    json_key(w, "samples");
    json_array_begin(w);
    for (size_t i = 0; i < r->steps; i++) {
        if (!isnan(s->values[i])) {
            json_object_begin(w);
            json_key(w, "timestampMs");
            json_i64_str(w, (r->start_ns + (int64_t)i * r->step_ns) / 1000000);
            json_key(w, "value");
            json_f64(w, s->values[i]);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

static void write_series(struct json_writer *w, const struct traceql_metrics *r,
                         const struct traceql_series *s, bool instant)
{
    json_object_begin(w);
    json_key(w, "labels");
    json_key_values(w, s->labels);
    write_prom_labels(w, s->labels);
    if (instant) {
        json_key(w, "value");
        json_f64(w, s->values[0]);
    } else {
        write_samples(w, r, s);
        if (s->exemplars_n != 0) {
            write_exemplars(w, s);
        }
    }
    json_object_end(w);
}

static void metrics(struct api *a, struct http_exchange *x, bool instant)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct traceql_metrics r = {0};
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc;

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    rc = run(a, x, instant, &arena, &r, &e);
    if (rc < 0) {
        tempo_fail(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "series");
    json_array_begin(&w);
    for (size_t i = 0; i < r.n; i++) {
        if (!instant || !isnan(r.v[i].values[0])) {
            write_series(&w, &r, &r.v[i], instant);
        }
    }
    json_array_end(&w);
    tempo_write_stats(&w, &r.stats);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void query_range(void *arg, struct http_exchange *x)
{
    metrics(arg, x, false);
}

static void query_instant(void *arg, struct http_exchange *x)
{
    metrics(arg, x, true);
}

void tempo_metrics_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        TEMPO_ROUTE("GET", "/api/metrics/query_range", query_range, a, HTTP_WORKER, 0, need),
        TEMPO_ROUTE("GET", "/api/metrics/query", query_instant, a, HTTP_WORKER, 0, need),
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
