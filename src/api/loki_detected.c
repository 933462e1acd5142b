/* SPDX-License-Identifier: Apache-2.0
 *
 * /loki/api/v1/detected_fields and detected_field/{name}/values: what the newest lines of a query hold in structured
 * metadata, and in JSON or logfmt, with the type their values look like.
 */
#include "api/loki.h"

#include <stdlib.h>

#include "base/map.h"
#include "query/logql/units.h"

enum { LINES_DEFAULT = 1000, FIELDS_MAX = 1000, VALUES_MAX = 1000 };

static const int64_t HOUR_NS = 3600000000000;

enum { FROM_JSON = 1, FROM_LOGFMT = 2 };

struct field_info {
    struct str name;
    struct map values;
    const char *type;
    unsigned parsers; /* 0: structured metadata */
};

struct fields {
    struct arena *a;
    struct map by_name;
    struct field_info *v;
    size_t n;
    struct str only; /* collect this one's values; empty: all fields */
};

static const char *type_of(struct str s)
{
    int64_t i;
    uint64_t bytes;
    double f;

    if (str_to_i64(s, &i)) {
        return "int";
    }
    if (str_to_f64(s, &f)) {
        return "float";
    }
    if (str_eq(s, STR("true")) || str_eq(s, STR("false"))) {
        return "boolean";
    }
    if (lq_units_go_duration(s, &i)) {
        return "duration";
    }
    return lq_units_bytes(s, &bytes) ? "bytes" : "string";
}

static int add_value(struct fields *f, const struct label *l, unsigned parser)
{
    struct field_info *i = map_get(&f->by_name, l->name);
    int rc = 0;

    if (f->only.n != 0 && !str_eq(f->only, l->name)) {
        return 0;
    }
    if (i == NULL) {
        if (f->n == FIELDS_MAX) {
            return 0;
        }
        i = &f->v[f->n];
        *i = (struct field_info){.name = arena_str_dup(f->a, l->name), .type = type_of(l->value)};
        if (i->name.p == NULL) {
            return -ERR_LIMIT;
        }
        f->n++;
        rc = map_put(&f->by_name, i->name, i);
    }
    i->parsers |= parser;
    if (rc == 0 && i->values.n < VALUES_MAX && map_get(&i->values, l->value) == NULL) {
        struct str copy = arena_str_dup(f->a, l->value);

        rc = copy.p == NULL ? -ERR_LIMIT : map_put(&i->values, copy, i);
    }
    return rc;
}

static int add_labels(struct fields *f, struct labels ls, unsigned parser)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ls.n; i++) {
        if (!str_starts(ls.v[i].name, STR("__error"))) {
            rc = add_value(f, &ls.v[i], parser);
        }
    }
    return rc;
}

/* The newest lines through one more parser; those that it cannot read are passed over. */
static int collect(const struct logql_ask *ask, struct str query, unsigned parser, struct fields *f,
                   struct err *reterr)
{
    struct logql_result *r = NULL;
    struct logql_query *q = NULL;
    struct buf b CLEANUP(buf_done) = {0};
    int rc;

    buf_init(&b, 1 << 20);
    buf_printf(&b, "%.*s%s", STR_ARG(query),
               parser == FROM_JSON     ? " | json | __error__=\"\""
               : parser == FROM_LOGFMT ? " | logfmt --strict | __error__=\"\""
                                       : "");
    rc = logql_parse(buf_str(&b), &q, reterr);
    if (rc == 0 && logql_kind(q) != LOGQL_LOGS) {
        rc = err_set(reterr, ERR_INVALID, "only log queries are supported");
    }
    rc = rc < 0 ? rc : logql_run(q, ask, &r, reterr);
    for (size_t i = 0; rc == 0 && i < r->streams_n; i++) {
        for (size_t k = 0; rc == 0 && k < r->streams[i].n; k++) {
            const struct logql_entry *e = &r->streams[i].v[k];

            rc = add_labels(f, parser == 0 ? e->metadata : e->parsed, parser);
        }
    }
    logql_result_free(r);
    logql_free(q);
    return rc;
}

static int detect(struct api *a, struct http_exchange *x, struct fields *f, struct err *reterr)
{
    static const unsigned PARSERS[] = {0, FROM_JSON, FROM_LOGFMT};
    struct loki_range range;
    struct str lines_text = http_param(x, "line_limit");
    struct str query = http_param(x, "query");
    int64_t lines = LINES_DEFAULT;
    struct logql_ask ask;
    int rc = loki_range(x, HOUR_NS, &range, reterr);

    f->a = http_arena(x);
    f->v = arena_calloc(f->a, FIELDS_MAX, sizeof(*f->v));
    if (rc == 0 && lines_text.n != 0 &&
        (!str_to_i64(lines_text, &lines) || lines <= 0 || lines > LOKI_LIMIT_MAX)) {
        return err_set(reterr, ERR_INVALID, "line_limit must be between 1 and %d", LOKI_LIMIT_MAX);
    }
    if (rc < 0 || f->v == NULL) {
        return rc < 0 ? rc : -ERR_NOMEM;
    }
    loki_ask(a, x, &ask);
    ask.start_ns = range.start_ns;
    ask.end_ns = range.end_ns;
    ask.limit = (size_t)lines;
    ask.categorize = true;
    query = query.n == 0 ? STR("{service_name=~\".+\"}") : query;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(PARSERS); i++) {
        rc = collect(&ask, query, PARSERS[i], f, reterr);
    }
    return rc;
}

static void fields_done(struct fields *f)
{
    for (size_t i = 0; i < f->n; i++) {
        map_done(&f->v[i].values);
    }
    map_done(&f->by_name);
}

static void write_field(struct json_writer *w, const struct field_info *f)
{
    json_object_begin(w);
    json_key(w, "label");
    json_str(w, f->name);
    json_key(w, "type");
    json_cstr(w, f->type);
    json_key(w, "cardinality");
    json_u64(w, f->values.n);
    json_key(w, "parsers");
    if (f->parsers == 0) {
        json_null(w);
    } else {
        json_array_begin(w);
        if ((f->parsers & FROM_JSON) != 0) {
            json_cstr(w, "json");
        }
        if ((f->parsers & FROM_LOGFMT) != 0) {
            json_cstr(w, "logfmt");
        }
        json_array_end(w);
    }
    json_object_end(w);
}

static void detected_fields(void *arg, struct http_exchange *x)
{
    struct fields f = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int64_t limit = FIELDS_MAX;
    int rc = loki_limit(x, FIELDS_MAX, &limit, &e);

    rc = rc < 0 ? rc : detect(arg, x, &f, &e);
    if (rc < 0) {
        loki_fail(x, rc, &e);
    } else {
        buf_init(&b, RESPONSE_MAX);
        json_init(&w, &b);
        json_object_begin(&w);
        json_key(&w, "fields");
        json_array_begin(&w);
        for (size_t i = 0; i < f.n && i < (size_t)limit; i++) {
            write_field(&w, &f.v[i]);
        }
        json_array_end(&w);
        json_key(&w, "limit");
        json_i64(&w, limit);
        json_object_end(&w);
        respond_json(x, 200, &b);
    }
    fields_done(&f);
}

static void field_values(void *arg, struct http_exchange *x)
{
    struct fields f = {.only = http_path_param(x, "name")};
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int64_t limit = VALUES_MAX;
    struct str value;
    void *ignored;
    size_t pos = 0;
    int rc = loki_limit(x, VALUES_MAX, &limit, &e);

    rc = rc < 0 ? rc : detect(arg, x, &f, &e);
    if (rc < 0) {
        loki_fail(x, rc, &e);
    } else {
        buf_init(&b, RESPONSE_MAX);
        json_init(&w, &b);
        json_object_begin(&w);
        json_key(&w, "values");
        json_array_begin(&w);
        for (int64_t i = 0;
             f.n != 0 && i < limit && map_next(&f.v[0].values, &pos, &value, &ignored); i++) {
            json_str(&w, value);
        }
        json_array_end(&w);
        json_key(&w, "limit");
        json_i64(&w, limit);
        json_object_end(&w);
        respond_json(x, 200, &b);
    }
    fields_done(&f);
}

void loki_detected_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const uint32_t form = 1 << 20;
    const struct http_route routes[] = {
        {"GET", "/loki/api/v1/detected_fields", detected_fields, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/detected_fields", detected_fields, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/detected_field/{name}/values", field_values, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/detected_field/{name}/values", field_values, a, HTTP_WORKER, form,
         need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
