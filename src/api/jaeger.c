/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP API of Jaeger's query service, below /jaeger: services, operations, traces, dependencies. Answers are
 * {"data":...,"total":...,"limit":0,"offset":0,"errors":null}. Source: Jaeger documentation, "APIs", and the
 * parameters Grafana's Jaeger data source sends.
 */
#include "api/tempo.h"

#include <stdlib.h>

#include "api/jaeger_json.h"
#include "api/parse.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/json_read.h"

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1500,
    NAMES_MAX = 5000,
    CONDITIONS_MAX = 64,
    EDGES_MAX = 4 << 20,
    SERVICES_MAX = 65000,
};

static const int64_t US = 1000;
static const int64_t MS = 1000000;
static const int64_t DAY_NS = 86400ll * 1000000000;

/* ---- answers ---- */

struct answer {
    struct json_writer w;
    struct buf b;
    size_t total;
};

static void answer_begin(struct answer *a)
{
    a->total = 0;
    buf_init(&a->b, RESPONSE_MAX);
    json_init(&a->w, &a->b);
    json_object_begin(&a->w);
    json_key(&a->w, "data");
}

static void answer_end(struct answer *a, struct http_exchange *x, int status, const char *error)
{
    json_key(&a->w, "total");
    json_u64(&a->w, a->total);
    json_key(&a->w, "limit");
    json_u64(&a->w, 0);
    json_key(&a->w, "offset");
    json_u64(&a->w, 0);
    json_key(&a->w, "errors");
    if (error == NULL) {
        json_null(&a->w);
    } else {
        json_array_begin(&a->w);
        json_object_begin(&a->w);
        json_key(&a->w, "code");
        json_i64(&a->w, status);
        json_key(&a->w, "msg");
        json_cstr(&a->w, error);
        json_object_end(&a->w);
        json_array_end(&a->w);
    }
    json_object_end(&a->w);
    respond_json(x, status, &a->b);
}

static void fail(struct http_exchange *x, int rc, const struct err *e)
{
    struct answer a;

    answer_begin(&a);
    json_null(&a.w);
    answer_end(&a, x, err_http_status(rc), e->code != 0 ? e->msg : err_text(rc));
}

static struct columns *spans_of(struct api *a)
{
    return store_spans(api_backend(a)->store);
}

/* The last seven days, for lists of names. */
static struct columns_query recent(struct api *a, struct http_exchange *x, const struct filter *f)
{
    int64_t now = clock_wall_ns();

    http_cancel(x)->deadline = mono_add_ms(clock_mono(), a->opts.query_timeout_ms);
    return (struct columns_query){
        .min_ns = now - 7 * DAY_NS, .max_ns = now + DAY_NS, .filter = f, .cancel = http_cancel(x)};
}

static const struct filter *equals(struct arena *a, enum field_scope scope, const char *name,
                                   struct str value)
{
    return filter_pred(a, (struct field){scope, str_cstr(name)}, PRED_EQ,
                       (struct value){VALUE_STR, {.s = value}});
}

/* ---- services and operations ---- */

static int by_text(const void *pa, const void *pb)
{
    return str_cmp(*(const struct str *)pa, *(const struct str *)pb);
}

static void services(void *arg, struct http_exchange *x)
{
    struct columns_query q = recent(arg, x, NULL);
    struct arena arena CLEANUP(arena_done) = {0};
    struct columns_streams s = {0};
    struct err e = {0};
    struct answer a;
    struct str *names;
    size_t n = 0;
    int rc;

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    rc = columns_streams(spans_of(arg), &q, &arena, &s, &e);
    names = rc < 0 ? NULL : arena_array(&arena, struct str, s.n + 1);
    if (rc < 0 || names == NULL) {
        fail(x, rc < 0 ? rc : -ERR_NOMEM, &e);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        names[n] = attrs_get_str(s.v[i].resource->attrs, STR("service.name"));
        n += names[n].n != 0;
    }
    if (n > 1) {
        qsort(names, n, sizeof(*names), by_text);
    }
    answer_begin(&a);
    json_array_begin(&a.w);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_eq(names[i], names[i - 1])) {
            json_str(&a.w, names[i]);
            a.total++;
        }
    }
    json_array_end(&a.w);
    answer_end(&a, x, 200, NULL);
}

/* Names of spans of a service and kind (NULL: any), in the arena. */
static int operation_names(struct api *a, struct http_exchange *x, struct str service,
                           const char *kind, struct arena *arena, struct columns_groups *ret,
                           struct err *e)
{
    const struct filter *kids[2];
    struct columns_query q = recent(a, x, NULL);

    kids[0] = equals(arena, FIELD_RESOURCE, "service.name", service);
    kids[1] = kind != NULL ? equals(arena, FIELD_INTRINSIC, "kind", str_cstr(kind)) : NULL;
    q.filter = kind != NULL ? filter_and(arena, kids, 2) : kids[0];
    if (q.filter == NULL) {
        return -ERR_NOMEM;
    }
    return columns_values(spans_of(a), &q, (struct field){FIELD_INTRINSIC, STR("name")}, NAMES_MAX,
                          arena, ret, e);
}

static void service_operations(void *arg, struct http_exchange *x)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct columns_groups g = {0};
    struct err e = {0};
    struct answer a;
    int rc;

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    rc = operation_names(arg, x, http_path_param(x, "service"), NULL, &arena, &g, &e);
    if (rc < 0) {
        fail(x, rc, &e);
        return;
    }
    answer_begin(&a);
    json_array_begin(&a.w);
    for (size_t i = 0; i < g.n; i++) {
        json_str(&a.w, g.v[i].value);
    }
    a.total = g.n;
    json_array_end(&a.w);
    answer_end(&a, x, 200, NULL);
}

static void operations(void *arg, struct http_exchange *x)
{
    struct str service = http_param(x, "service");
    struct str wanted = http_param(x, "spanKind");
    struct arena arena CLEANUP(arena_done) = {0};
    struct err e = {0};
    struct answer a;
    int rc = 0;

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    if (service.n == 0) {
        rc = err_set(&e, ERR_INVALID, "parameter 'service' is required");
        fail(x, rc, &e);
        return;
    }
    answer_begin(&a);
    json_array_begin(&a.w);
    for (uint8_t k = 0; k < SPAN_KIND_COUNT && rc == 0; k++) {
        const char *kind = span_kind_name(k);
        struct columns_groups g = {0};

        if (wanted.n != 0 && !str_eq(wanted, str_cstr(kind))) {
            continue;
        }
        rc = operation_names(arg, x, service, kind, &arena, &g, &e);
        for (size_t i = 0; i < g.n; i++) {
            json_object_begin(&a.w);
            json_key(&a.w, "name");
            json_str(&a.w, g.v[i].value);
            json_key(&a.w, "spanKind");
            json_cstr(&a.w, k == SPAN_UNSPECIFIED ? "" : kind);
            json_object_end(&a.w);
            a.total++;
        }
    }
    json_array_end(&a.w);
    if (rc < 0) {
        buf_done(&a.b);
        fail(x, rc, &e);
    } else {
        answer_end(&a, x, 200, NULL);
    }
}

/* ---- traces ---- */

struct conditions {
    const struct filter *v[CONDITIONS_MAX];
    size_t n;
    struct arena *a;
};

static int add(struct conditions *c, const struct filter *f, struct err *e)
{
    if (f == NULL) {
        return err_set(e, ERR_NOMEM, "no memory for the query");
    }
    if (c->n == CONDITIONS_MAX) {
        return err_set(e, ERR_LIMIT, "at most %d conditions", CONDITIONS_MAX);
    }
    c->v[c->n++] = f;
    return 0;
}

static int add_tag(struct conditions *c, struct str key, struct str value, struct err *e)
{
    uint8_t status;

    if (str_eq(key, STR("error"))) {
        const struct filter *f = equals(c->a, FIELD_INTRINSIC, "status", STR("error"));

        return add(c, str_eq(value, STR("true")) ? f : filter_not(c->a, f), e);
    }
    if (str_eq(key, STR("span.kind"))) {
        return add(c, equals(c->a, FIELD_INTRINSIC, "kind", value), e);
    }
    if (str_eq(key, STR("otel.status_code"))) {
        status = str_eq_nocase(value, STR("ok"))      ? SPAN_STATUS_OK
                 : str_eq_nocase(value, STR("error")) ? SPAN_STATUS_ERROR
                                                      : SPAN_STATUS_UNSET;
        return add(c, equals(c->a, FIELD_INTRINSIC, "status", str_cstr(span_status_name(status))),
                   e);
    }
    return add(c,
               filter_pred(c->a, (struct field){FIELD_ANY, key}, PRED_EQ,
                           (struct value){VALUE_STR, {.s = value}}),
               e);
}

/* tags={"key":"value",...} */
static int add_json_tags(struct conditions *c, struct str text, struct err *e)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader r;
    struct str key;
    int rc;

    buf_init(&scratch, 1 << 20);
    json_read_init(&r, text, 4, &scratch);
    rc = json_peek(&r, e);
    rc = rc < 0 ? rc : rc != JSON_OBJECT ? -ERR_INVALID : json_enter(&r, e);
    while (rc == 0 && (rc = json_next_member(&r, &key, e)) > 0) {
        struct str value;
        bool b;

        key = arena_str_dup(c->a, key);
        rc = json_peek(&r, e);
        if (rc == JSON_NUMBER) {
            rc = json_read_number(&r, &value, e);
        } else if (rc == JSON_BOOL) {
            rc = json_read_bool(&r, &b, e);
            value = b ? STR("true") : STR("false");
        } else {
            rc = rc < 0 ? rc : rc == JSON_STRING ? json_read_str(&r, &value, e) : -ERR_INVALID;
        }
        rc = rc < 0 ? rc : add_tag(c, key, arena_str_dup(c->a, value), e);
    }
    if (rc == -ERR_INVALID || rc == -ERR_TRUNCATED) {
        return err_set(e, ERR_INVALID,
                       "malformed 'tags' parameter: an object of strings is expected");
    }
    return rc;
}

static int add_duration(struct conditions *c, const struct http_exchange *x, const char *name,
                        enum pred_op op, struct err *e)
{
    struct str s = http_param(x, name);
    struct value v = {.type = VALUE_I64};

    if (s.n == 0) {
        return 0;
    }
    if (!parse_duration_ns(s, &v.u.i)) {
        return err_set(e, ERR_INVALID, "could not parse %s: \"%.*s\" is not a duration", name,
                       s.n > 64 ? 64 : (int)s.n, s.p);
    }
    return add(c, filter_pred(c->a, (struct field){FIELD_INTRINSIC, STR("duration_ns")}, op, v), e);
}

static int add_params(struct conditions *c, const struct http_exchange *x, struct err *e)
{
    struct str service = http_param(x, "service");
    struct str operation = http_param(x, "operation");
    struct str text;
    int rc;

    if (service.n == 0) {
        return err_set(e, ERR_INVALID, "parameter 'service' is required");
    }
    rc = add(c, equals(c->a, FIELD_RESOURCE, "service.name", service), e);
    if (rc == 0 && operation.n != 0) {
        rc = add(c, equals(c->a, FIELD_INTRINSIC, "name", operation), e);
    }
    rc = rc < 0 ? rc : add_duration(c, x, "minDuration", PRED_GE, e);
    rc = rc < 0 ? rc : add_duration(c, x, "maxDuration", PRED_LE, e);
    for (size_t i = 0; rc == 0 && http_param_at(x, "tag", i, &text); i++) {
        int64_t colon = str_find_byte(text, ':');

        rc = colon <= 0
                 ? err_set(e, ERR_INVALID, "malformed 'tag' parameter: key:value is expected")
                 : add_tag(c, str_take(text, (size_t)colon), str_drop(text, (size_t)colon + 1), e);
    }
    for (size_t i = 0; rc == 0 && http_param_at(x, "tags", i, &text); i++) {
        rc = text.n == 0 ? 0 : add_json_tags(c, text, e);
    }
    return rc;
}

struct trace_search {
    struct trace_id ids[LIMIT_MAX];
    size_t n;
    size_t limit;
    struct answer *answer;
    struct arena a; /* of the trace being written */
};

static int on_id(void *arg, const struct trace_id *id, int64_t time_ns)
{
    struct trace_search *s = arg;

    (void)time_ns;
    s->ids[s->n++] = *id;
    return s->n == s->limit;
}

static int on_trace(void *arg, const struct columns_trace_spans *t)
{
    struct trace_search *s = arg;
    int rc;

    arena_reset(&s->a);
    rc = jaeger_write_trace(&s->answer->w, t->spans, t->n, &s->a);
    s->answer->total++;
    return rc < 0 ? rc : s->answer->b.failed ? -ERR_LIMIT : 0;
}

/* start and end in µs; without them lookback ("1h") up to now, an hour by default. */
static int time_params(const struct http_exchange *x, struct columns_query *q, struct err *e)
{
    struct str lookback = http_param(x, "lookback");
    int64_t back = 3600 * 1000 * MS;
    uint64_t start;
    uint64_t end;
    int rc = tempo_param(x, "end", (uint64_t)(clock_wall_ns() / US), &end, e);

    if (lookback.n != 0 && !str_eq(lookback, STR("custom")) &&
        !parse_duration_ns(lookback, &back)) {
        return err_set(e, ERR_INVALID, "could not parse lookback: \"%.*s\" is not a duration",
                       lookback.n > 64 ? 64 : (int)lookback.n, lookback.p);
    }
    rc = rc < 0 ? rc : tempo_param(x, "start", end - (uint64_t)(back / US), &start, e);
    if (rc < 0) {
        return rc;
    }
    if (end <= start || end > (uint64_t)(INT64_MAX / US) - 1) {
        return err_set(e, ERR_INVALID, "'start' must be before 'end'");
    }
    q->min_ns = (int64_t)start * US;
    q->max_ns = ((int64_t)end + 1) * US;
    return 0;
}

static int find_traces(struct api *a, struct http_exchange *x, struct trace_search *s,
                       struct err *e)
{
    struct conditions c = {.a = http_arena(x)};
    struct columns_query q = recent(a, x, NULL);
    uint64_t limit;
    int rc = tempo_param(x, "limit", LIMIT_DEFAULT, &limit, e);

    rc = rc < 0 ? rc : time_params(x, &q, e);
    rc = rc < 0 ? rc : add_params(&c, x, e);
    if (rc < 0) {
        return rc;
    }
    if (limit == 0 || limit > LIMIT_MAX) {
        return err_set(e, ERR_INVALID, "limit must be from 1 to %d", LIMIT_MAX);
    }
    s->limit = (size_t)limit;
    q.filter = filter_and(c.a, c.v, c.n);
    q.need = COLUMNS_NEED_IDS;
    return q.filter == NULL ? -ERR_NOMEM : columns_trace_ids(spans_of(a), &q, on_id, s, NULL, e);
}

/* traceID=..., repeated. */
static int ids_given(const struct http_exchange *x, struct trace_search *s, struct err *e)
{
    struct str text;

    for (size_t i = 0; http_param_at(x, "traceID", i, &text); i++) {
        if (i == LIMIT_MAX || !tempo_trace_id(text, &s->ids[s->n++])) {
            return err_set(e, ERR_INVALID, "malformed trace ID \"%.*s\"",
                           text.n > 64 ? 64 : (int)text.n, text.p);
        }
    }
    return 0;
}

static int write_found(struct api *a, struct http_exchange *x, struct trace_search *s,
                       struct err *e)
{
    enum { AT_ONCE = 64 };
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX, .cancel = http_cancel(x)};
    int rc = 0;

    for (size_t i = 0; i < s->n && rc == 0; i += AT_ONCE) {
        size_t n = s->n - i < AT_ONCE ? s->n - i : AT_ONCE;

        rc = columns_traces(spans_of(a), &q, s->ids + i, n, on_trace, s, NULL, e);
    }
    return rc;
}

static void respond_traces(struct api *api, struct http_exchange *x, struct trace_search *s, int rc,
                           struct err *e, bool must_exist)
{
    struct answer a;

    answer_begin(&a);
    s->answer = &a;
    arena_init(&s->a, TEMPO_ANSWER_MEMORY);
    json_array_begin(&a.w);
    rc = rc < 0 ? rc : write_found(api, x, s, e);
    json_array_end(&a.w);
    arena_done(&s->a);
    if (rc == 0 && must_exist && a.total == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "trace not found");
    }
    if (rc < 0) {
        buf_done(&a.b);
        fail(x, rc, e);
    } else {
        answer_end(&a, x, 200, NULL);
    }
}

static void traces(void *arg, struct http_exchange *x)
{
    struct trace_search *s = arena_calloc(http_arena(x), 1, sizeof(*s));
    struct err e = {0};
    int rc;

    if (s == NULL) {
        fail(x, -ERR_NOMEM, &e);
        return;
    }
    rc = http_has_param(x, "traceID") ? ids_given(x, s, &e) : find_traces(arg, x, s, &e);
    respond_traces(arg, x, s, rc, &e, false);
}

static void trace_by_id(void *arg, struct http_exchange *x)
{
    struct trace_search *s = arena_calloc(http_arena(x), 1, sizeof(*s));
    struct str text = http_path_param(x, "trace_id");
    struct err e = {0};
    int rc = 0;

    if (s == NULL) {
        fail(x, -ERR_NOMEM, &e);
        return;
    }
    if (!tempo_trace_id(text, &s->ids[0])) {
        rc = err_set(&e, ERR_INVALID, "malformed trace ID \"%.*s\"", text.n > 64 ? 64 : (int)text.n,
                     text.p);
    }
    s->n = 1;
    http_cancel(x)->deadline =
        mono_add_ms(clock_mono(), ((struct api *)arg)->opts.query_timeout_ms);
    respond_traces(arg, x, s, rc, &e, true);
}

/* ---- dependencies ---- */

/* A span by hashes of (trace, span): wide enough that two meet once in 2^19 scans of 2^22 spans. */
struct edge {
    uint64_t id;
    uint64_t parent; /* 0: a root */
    uint32_t service;
};

struct edges {
    VEC(struct edge) v;
    struct str services[SERVICES_MAX];
    size_t services_n;
    struct map by_name; /* service to its number + 1 */
    struct arena a;
};

static uint64_t span_key(const struct span *s, struct span_id id)
{
    uint8_t b[TRACE_ID_SIZE + SPAN_ID_SIZE];
    uint64_t h;

    memcpy(b, s->trace_id.b, TRACE_ID_SIZE);
    memcpy(b + TRACE_ID_SIZE, id.b, SPAN_ID_SIZE);
    h = hash64(b, sizeof(b));
    return h != 0 ? h : 1;
}

static int on_edge(void *arg, const struct span *row, uint64_t id)
{
    struct edges *g = arg;
    struct str name = attrs_get_str(row->resource->attrs, STR("service.name"));
    uintptr_t number = (uintptr_t)map_get(&g->by_name, name);
    struct edge e = {.id = span_key(row, row->span_id)};

    (void)id;
    if (number == 0) {
        if (g->services_n == SERVICES_MAX) {
            return 0;
        }
        name = arena_str_dup(&g->a, name);
        g->services[g->services_n++] = name;
        number = g->services_n;
        if (map_put(&g->by_name, name, (void *)number) < 0) {
            return -ERR_NOMEM;
        }
    }
    e.service = (uint32_t)number - 1;
    e.parent = span_id_is_zero(row->parent_id) ? 0 : span_key(row, row->parent_id);
    return !vec_push(&g->v, e) ? -ERR_NOMEM : g->v.n == EDGES_MAX;
}

static int by_id(const void *pa, const void *pb)
{
    const struct edge *a = pa;
    const struct edge *b = pb;

    return (a->id > b->id) - (a->id < b->id);
}

static int by_number(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa;
    uint64_t b = *(const uint64_t *)pb;

    return (a > b) - (a < b);
}

/* Pairs (caller << 32 | called), one per call between different services, sorted. */
static uint64_t *calls_of(struct edges *g, size_t *ret_n)
{
    uint64_t *calls = mem_try_alloc((g->v.n + 1) * sizeof(*calls));
    size_t n = 0;

    if (calls == NULL) {
        return NULL;
    }
    if (g->v.n > 1) {
        qsort(g->v.v, g->v.n, sizeof(*g->v.v), by_id);
    }
    for (size_t i = 0; i < g->v.n; i++) {
        const struct edge key = {.id = g->v.v[i].parent};
        const struct edge *parent =
            key.id != 0 ? bsearch(&key, g->v.v, g->v.n, sizeof(key), by_id) : NULL;

        if (parent != NULL && parent->service != g->v.v[i].service) {
            calls[n++] = (uint64_t)parent->service << 32 | g->v.v[i].service;
        }
    }
    if (n > 1) {
        qsort(calls, n, sizeof(*calls), by_number);
    }
    *ret_n = n;
    return calls;
}

static void write_calls(struct answer *a, const struct edges *g, const uint64_t *calls, size_t n)
{
    json_array_begin(&a->w);
    for (size_t i = 0; i < n;) {
        size_t end = i;

        while (end < n && calls[end] == calls[i]) {
            end++;
        }
        json_object_begin(&a->w);
        json_key(&a->w, "parent");
        json_str(&a->w, g->services[calls[i] >> 32]);
        json_key(&a->w, "child");
        json_str(&a->w, g->services[calls[i] & UINT32_MAX]);
        json_key(&a->w, "callCount");
        json_u64(&a->w, end - i);
        json_object_end(&a->w);
        a->total++;
        i = end;
    }
    json_array_end(&a->w);
}

static int find_calls(struct api *a, struct http_exchange *x, struct edges *g, struct err *e)
{
    struct columns_query q = recent(a, x, NULL);
    uint64_t end_ms;
    uint64_t lookback_ms;
    int rc = tempo_param(x, "endTs", (uint64_t)clock_wall_ms(), &end_ms, e);

    rc = rc < 0 ? rc : tempo_param(x, "lookback", 86400000, &lookback_ms, e);
    if (rc < 0) {
        return rc;
    }
    if (end_ms > (uint64_t)(INT64_MAX / MS) - 1 || lookback_ms > end_ms) {
        return err_set(e, ERR_INVALID, "endTs and lookback are no time range in milliseconds");
    }
    q.max_ns = ((int64_t)end_ms + 1) * MS;
    q.min_ns = (int64_t)(end_ms - lookback_ms) * MS;
    q.need = COLUMNS_NEED_IDS | COLUMNS_NEED_RESOURCE;
    return columns_scan_spans(spans_of(a), &q, INT64_MAX, 0, on_edge, g, NULL, e);
}

static void dependencies(void *arg, struct http_exchange *x)
{
    struct edges *g = mem_try_calloc(1, sizeof(*g));
    uint64_t *calls = NULL;
    struct err e = {0};
    struct answer a;
    size_t n = 0;
    int rc = g == NULL ? -ERR_NOMEM : 0;

    if (rc == 0) {
        arena_init(&g->a, 64 << 20);
        rc = find_calls(arg, x, g, &e);
    }
    if (rc == 0) {
        calls = calls_of(g, &n);
        rc = calls == NULL ? -ERR_NOMEM : 0;
    }
    if (rc < 0) {
        fail(x, rc, &e);
    } else {
        answer_begin(&a);
        write_calls(&a, g, calls, n);
        answer_end(&a, x, 200, NULL);
    }
    mem_free(calls);
    if (g != NULL) {
        vec_done(&g->v);
        map_done(&g->by_name);
        arena_done(&g->a);
        mem_free(g);
    }
}

void jaeger_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/jaeger/api/services", services, a, HTTP_WORKER, 0, need},
        {"GET", "/jaeger/api/services/{service}/operations", service_operations, a, HTTP_WORKER, 0,
         need},
        {"GET", "/jaeger/api/operations", operations, a, HTTP_WORKER, 0, need},
        {"GET", "/jaeger/api/traces", traces, a, HTTP_WORKER, 0, need},
        {"GET", "/jaeger/api/traces/{trace_id}", trace_by_id, a, HTTP_WORKER, 0, need},
        {"GET", "/jaeger/api/dependencies", dependencies, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
