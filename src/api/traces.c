/* SPDX-License-Identifier: Apache-2.0
 *
 * Trace search, one trace, counts over time, span names. A trace is listed at its newest matching span, so
 * that pages neither repeat nor lose one.
 */
#include "api/api_internal.h"

#include "api/otel_json.h"
#include "api/rows.h"

enum { TRACE_SPANS_MAX = 100000, SERVICES_MAX = 64, NAMES_MAX = 1000 };

/* ---- the summary of one trace ---- */

struct service_count {
    struct str name;
    uint64_t spans;
    uint64_t errors;
};

struct summary {
    struct arena *a;
    const struct filter *filter;
    int64_t min_ns; /* range of the search: only spans in it count as matched */
    int64_t max_ns;
    int64_t start_ns;
    int64_t end_ns;
    uint64_t spans;
    uint64_t errors;
    uint64_t matched;
    struct cursor newest_match; /* position of the newest matching span */
    bool has_root;
    int64_t first_ns; /* start of the span the names are from */
    struct str root_service;
    struct str root_name;
    struct service_count services[SERVICES_MAX];
    size_t services_n;
};

static int count_service(struct summary *s, const struct span *row)
{
    struct str name = service_of(row->resource);
    size_t i = 0;

    while (i < s->services_n && !str_eq(s->services[i].name, name)) {
        i++;
    }
    if (i == SERVICES_MAX) {
        return 0;
    }
    if (i == s->services_n) {
        name = arena_str_dup(s->a, name);
        if (name.p == NULL) {
            return -ERR_NOMEM;
        }
        s->services[s->services_n++] = (struct service_count){.name = name};
    }
    s->services[i].spans++;
    s->services[i].errors += row->status == SPAN_STATUS_ERROR ? 1 : 0;
    return 0;
}

static int name_after(struct summary *s, const struct span *row, bool is_root)
{
    s->root_service = arena_str_dup(s->a, service_of(row->resource));
    s->root_name = arena_str_dup(s->a, row->name);
    s->first_ns = row->start_ns;
    s->has_root = is_root;
    return s->root_name.p != NULL && s->root_service.p != NULL ? 0 : -ERR_NOMEM;
}

static int summarize(void *arg, const struct span *row, uint64_t id)
{
    struct summary *s = arg;
    bool is_root = span_id_is_zero(row->parent_id);
    int rc = count_service(s, row);

    s->start_ns = row->start_ns < s->start_ns ? row->start_ns : s->start_ns;
    s->end_ns = row->end_ns > s->end_ns ? row->end_ns : s->end_ns;
    s->spans++;
    s->errors += row->status == SPAN_STATUS_ERROR ? 1 : 0;
    if (row->start_ns >= s->min_ns && row->start_ns < s->max_ns &&
        (s->filter == NULL || filter_matches_span(s->filter, row))) {
        s->matched++;
        if (s->matched == 1 || row->start_ns > s->newest_match.before_ns ||
            (row->start_ns == s->newest_match.before_ns && id > s->newest_match.before_id)) {
            s->newest_match = (struct cursor){row->start_ns, id};
        }
    }
    if (rc == 0 && ((is_root && !s->has_root) || s->spans == 1 ||
                    (!s->has_root && row->start_ns < s->first_ns))) {
        rc = name_after(s, row, is_root);
    }
    return rc < 0 ? rc : (s->spans >= TRACE_SPANS_MAX ? 1 : 0);
}

static void write_summary(struct json_writer *w, struct trace_id id, const struct summary *s)
{
    json_object_begin(w);
    json_trace_id(w, "trace_id", id);
    json_key(w, "start_ns");
    json_i64_str(w, s->start_ns);
    json_key(w, "duration_ns");
    json_i64_str(w, s->end_ns > s->start_ns ? s->end_ns - s->start_ns : 0);
    json_key(w, "root_service");
    json_str(w, s->root_service);
    json_key(w, "root_name");
    json_str(w, s->root_name);
    if (!s->has_root) {
        json_key(w, "root_missing");
        json_bool(w, true);
    }
    json_key(w, "span_count");
    json_u64(w, s->spans);
    json_key(w, "error_count");
    json_u64(w, s->errors);
    json_key(w, "matched");
    json_u64(w, s->matched);
    json_key(w, "services");
    json_array_begin(w);
    for (size_t i = 0; i < s->services_n; i++) {
        json_object_begin(w);
        json_key(w, "name");
        json_str(w, s->services[i].name);
        json_key(w, "spans");
        json_u64(w, s->services[i].spans);
        json_key(w, "errors");
        json_u64(w, s->services[i].errors);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

/* ---- search ---- */

/* Trace ids in order of their newest matching span. */
struct hits {
    struct trace_id *ids; /* limit of them */
    size_t n;
    size_t limit;
    struct cursor last; /* row where the scan stopped */
    bool more;
};

static int collect(void *arg, const struct span *row, uint64_t id)
{
    struct hits *h = arg;

    for (size_t i = h->n; i-- > 0;) {
        if (memcmp(h->ids[i].b, row->trace_id.b, TRACE_ID_SIZE) == 0) {
            h->last = (struct cursor){row->start_ns, id};
            return 0;
        }
    }
    if (h->n == h->limit) {
        h->more = true;
        return 1;
    }
    h->ids[h->n++] = row->trace_id;
    h->last = (struct cursor){row->start_ns, id};
    return 0;
}

/* Was the trace on an earlier page? Then it has a matching span before the cursor. */
static bool listed_before(const struct summary *s, struct cursor c)
{
    return s->matched != 0 &&
           (s->newest_match.before_ns > c.before_ns ||
            (s->newest_match.before_ns == c.before_ns && s->newest_match.before_id >= c.before_id));
}

static int write_traces(struct json_writer *w, struct columns *spans, const struct hits *h,
                        const struct columns_query *q, struct cursor from, struct arena *a,
                        struct err *e)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < h->n; i++) {
        struct summary *s = arena_calloc(a, 1, sizeof(*s));

        if (s == NULL) {
            return err_set(e, ERR_NOMEM, "out of memory");
        }
        s->a = a;
        s->filter = q->filter;
        s->min_ns = q->min_ns;
        s->max_ns = q->max_ns;
        s->start_ns = INT64_MAX;
        s->end_ns = INT64_MIN;
        rc = columns_trace(spans, h->ids[i], q->cancel, summarize, s, e);
        if (rc == 0 && s->spans != 0 && !listed_before(s, from)) {
            write_summary(w, h->ids[i], s);
        }
    }
    return rc;
}

static void search(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns *spans = store_spans(api_backend(a)->store);
    struct row_filter f = {0};
    struct time_range range;
    struct scan_stats stats = {0};
    struct columns_query q;
    struct hits h = {0};
    struct cursor from;
    struct err e = {0};
    struct mono since = clock_mono();
    int64_t limit = 50;
    struct json_writer w;
    struct buf b;
    int rc = param_range(x, &range, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, 1000, 50, &limit, &e);
    rc = rc < 0 ? rc : param_cursor(x, &from, &e);
    rc = rc < 0 ? rc : param_span_filter(x, &f, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    q = rows_query(x, range, &f, a->opts.query_timeout_ms);
    h.limit = (size_t)limit;
    h.ids = arena_array(http_arena(x), struct trace_id, h.limit);
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "traces");
    json_array_begin(&w);
    rc = h.ids == NULL ? err_set(&e, ERR_NOMEM, "out of memory")
                       : columns_scan_spans(spans, &q, from.before_ns, from.before_id, collect, &h,
                                            &stats, &e);
    rc = rc < 0 ? rc : write_traces(&w, spans, &h, &q, from, http_arena(x), &e);
    row_filter_done(&f);
    if (rc < 0) {
        buf_done(&b);
        respond_err(x, rc, &e);
        return;
    }
    json_array_end(&w);
    if (h.more) {
        json_cursor(&w, h.last);
    }
    json_scan_stats(&w, &stats, since);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/* ---- histogram ---- */

/* "ok" holds unset and ok. */
static bool is_error_group(struct str status, int wanted)
{
    return str_eq(status, STR("error")) == (wanted != 0);
}

static void histogram(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns *spans = store_spans(api_backend(a)->store);
    const struct field by = {FIELD_INTRINSIC, STR("status")};
    struct columns_groups groups = {0};
    struct row_filter f = {0};
    struct counts_request r;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc = param_counts(x, &r, &e);

    rc = rc < 0 ? rc : param_span_filter(x, &f, &e);
    if (rc == 0) {
        struct columns_query q = rows_query(x, r.range, &f, a->opts.query_timeout_ms);
        struct columns_buckets over = {
            .step_ns = r.step_ms * 1000000, .n = (size_t)r.buckets, .by = &by};

        rc = columns_histogram(spans, &q, &over, http_arena(x), &groups, &e);
        row_filter_done(&f);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_counts_begin(&w, &r);
    json_counts_series(&w, "ok", &r, &groups, is_error_group, 0);
    json_counts_series(&w, "error", &r, &groups, is_error_group, 1);
    json_counts_end(&w);
    respond_json(x, 200, &b);
}

/* ---- one trace ---- */

/* Distinct JSON values: spans of different blocks carry equal copies of their resource and scope. The text
 * of a value starts with a comma or not, so the hash is of what follows it. */
struct distinct {
    struct buf json;
    struct json_writer w;
    VEC(uint64_t) hashes;
};

struct trace_writer {
    struct json_writer w;
    struct buf spans;
    struct distinct resources;
    struct distinct scopes;
    uint64_t n;
    bool truncated;
};

static void distinct_init(struct distinct *d)
{
    *d = (struct distinct){0};
    buf_init(&d->json, RESPONSE_MAX);
    json_init(&d->w, &d->json);
}

static void trace_writer_init(struct trace_writer *t)
{
    *t = (struct trace_writer){0};
    buf_init(&t->spans, RESPONSE_MAX);
    json_init(&t->w, &t->spans);
    distinct_init(&t->resources);
    distinct_init(&t->scopes);
}

static void trace_writer_done(struct trace_writer *t)
{
    buf_done(&t->spans);
    buf_done(&t->resources.json);
    buf_done(&t->scopes.json);
    vec_done(&t->resources.hashes);
    vec_done(&t->scopes.hashes);
}

/* The JSON value just written at [from, end): its index among the distinct ones, taken back from the text
 * when it was there already. */
static int dedup(struct distinct *d, size_t from, bool comma_before, size_t *ret_index)
{
    uint64_t hash;
    size_t i = 0;

    if (d->json.failed) {
        return -ERR_LIMIT;
    }
    hash = hash64(d->json.data + from + comma_before, d->json.n - from - comma_before);
    while (i < d->hashes.n && d->hashes.v[i] != hash) {
        i++;
    }
    if (i < d->hashes.n) {
        d->json.n = from;
        d->w.comma = comma_before;
    } else if (!vec_push(&d->hashes, hash)) {
        return -ERR_NOMEM;
    }
    *ret_index = i;
    return 0;
}

static int write_span(void *arg, const struct span *row, uint64_t id)
{
    struct trace_writer *t = arg;
    size_t from = t->resources.json.n;
    bool comma = t->resources.w.comma;
    size_t resource;
    size_t scope;
    int rc;

    (void)id;
    if (t->n == TRACE_SPANS_MAX) {
        t->truncated = true;
        return 1;
    }
    t->n++;
    json_attrs(&t->resources.w, row->resource->attrs);
    rc = dedup(&t->resources, from, comma, &resource);
    if (rc < 0) {
        return rc;
    }
    from = t->scopes.json.n;
    comma = t->scopes.w.comma;
    json_scope(&t->scopes.w, row->scope);
    rc = dedup(&t->scopes, from, comma, &scope);
    if (rc < 0) {
        return rc;
    }
    json_span(&t->w, row, resource, scope);
    return t->spans.failed ? -ERR_LIMIT : 0;
}

static void respond_trace(struct http_exchange *x, struct trace_id id, const struct trace_writer *t)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_trace_id(&w, "trace_id", id);
    json_key(&w, "spans");
    json_array_begin(&w);
    buf_add_str(&b, buf_str(&t->spans));
    json_array_end(&w);
    json_key(&w, "resources");
    json_array_begin(&w);
    buf_add_str(&b, buf_str(&t->resources.json));
    json_array_end(&w);
    json_key(&w, "scopes");
    json_array_begin(&w);
    buf_add_str(&b, buf_str(&t->scopes.json));
    json_array_end(&w);
    if (t->truncated) {
        json_key(&w, "truncated");
        json_bool(&w, true);
    }
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void get_trace(void *arg, struct http_exchange *x)
{
    struct columns *spans = store_spans(api_backend(arg)->store);
    struct str text = http_path_param(x, "trace_id");
    struct trace_writer t;
    struct trace_id id;
    struct err e = {0};
    int rc;

    if (!hex_decode(text, id.b, sizeof(id.b)) || trace_id_is_zero(id)) {
        http_respond_errorf(x, ERR_INVALID, "trace_id: \"%.*s\" is not 32 hex digits",
                            STR_ARG(text));
        return;
    }
    trace_writer_init(&t);
    rc = columns_trace(spans, id, http_cancel(x), write_span, &t, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else if (t.n == 0) {
        http_respond_errorf(x, ERR_NOT_FOUND, "no span of trace %.*s is stored", STR_ARG(text));
    } else {
        respond_trace(x, id, &t);
    }
    trace_writer_done(&t);
}

/* ---- span names ---- */

static void span_names(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns *spans = store_spans(api_backend(a)->store);
    struct columns_groups groups = {0};
    struct row_filter f = {0};
    struct time_range range;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc = param_range(x, &range, &e);

    rc = rc < 0 ? rc : param_span_filter(x, &f, &e);
    if (rc == 0) {
        struct columns_query q = rows_query(x, range, &f, a->opts.query_timeout_ms);

        rc = columns_values(spans, &q, (struct field){FIELD_INTRINSIC, STR("name")}, NAMES_MAX,
                            http_arena(x), &groups, &e);
        row_filter_done(&f);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "names");
    json_array_begin(&w);
    for (size_t i = 0; i < groups.n; i++) {
        json_str(&w, groups.v[i].value);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

void traces_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/traces", search, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/traces/histogram", histogram, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/traces/{trace_id}", get_trace, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/spans/names", span_names, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
