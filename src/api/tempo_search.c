/* SPDX-License-Identifier: Apache-2.0
 *
 * Tempo's /api/search: TraceQL, and the older search by tags, which becomes TraceQL here.
 */
#include "api/tempo.h"

#include "api/parse.h"
#include "api/tempo_otlp.h"

enum { LIMIT_DEFAULT = 20, SPSS_DEFAULT = 3, TAGS_MAX = 16 << 10 };

/* ---- tags=key=value key2="value 2" ---- */

/* Cut the next word off, up to `end` or a space; quotes hold it together. */
static bool next_word(struct str *rest, char end, struct buf *dst)
{
    bool quoted = rest->n != 0 && rest->p[0] == '"';
    size_t i = quoted ? 1 : 0;

    buf_clear(dst);
    for (; i < rest->n; i++) {
        char c = rest->p[i];

        if (quoted ? c == '"' : c == ' ' || c == end) {
            break;
        }
        if (quoted && c == '\\' && i + 1 < rest->n) {
            c = rest->p[++i];
        }
        buf_add_byte(dst, c);
    }
    if (quoted && i == rest->n) {
        return false;
    }
    *rest = str_drop(*rest, i + (quoted ? 1 : 0));
    return true;
}

static void add_quoted(struct buf *q, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            buf_add_byte(q, '\\');
        }
        buf_add_byte(q, s.p[i]);
    }
}

/* The value somewhere in the field's, whatever the case. */
static void add_contains(struct buf *q, const char *field, struct str value)
{
    struct buf regex CLEANUP(buf_done) = {0};

    buf_init(&regex, 2 * TAGS_MAX);
    for (size_t i = 0; i < value.n; i++) {
        if (memchr("\\.+*?()|[]{}^$", value.p[i], 14) != NULL) {
            buf_add_byte(&regex, '\\');
        }
        buf_add_byte(&regex, value.p[i]);
    }
    buf_printf(q, "%s =~ \"(?is).*", field);
    add_quoted(q, buf_str(&regex));
    buf_add_cstr(q, ".*\"");
}

static void add_condition(struct buf *q, struct str key, struct str value)
{
    static const struct {
        const char *key;
        const char *field;
    } FIELDS[] = {{"name", "name"},
                  {"root.name", "rootName"},
                  {"root.service.name", "rootServiceName"},
                  {"service.name", "resource.service.name"}};
    struct buf field CLEANUP(buf_done) = {0};
    uint8_t status;

    if ((str_eq(key, STR("status.code")) || str_eq(key, STR("status"))) &&
        span_status_parse(value, &status)) {
        buf_printf(q, "status = %s", span_status_name(status));
        return;
    }
    if (str_eq(key, STR("error")) && str_eq(value, STR("true"))) {
        buf_add_cstr(q, "status = error");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        if (str_eq(key, str_cstr(FIELDS[i].key))) {
            add_contains(q, FIELDS[i].field, value);
            return;
        }
    }
    buf_init(&field, 2 * TAGS_MAX);
    buf_add_cstr(&field, ".\"");
    add_quoted(&field, key);
    buf_add_cstr(&field, "\"");
    buf_add_byte(&field, '\0');
    if (field.failed) {
        return;
    }
    buf_add_cstr(q, "(");
    add_contains(q, field.data, value);
    field.n--; /* numbers and booleans are no text for a regular expression */
    for (int i = 0; i < 2; i++) {
        int64_t whole;
        double number;

        if (i == 0 && (str_to_i64(value, &whole) || str_to_f64(value, &number)) &&
            memchr("nNiI", value.p[0] == '-' || value.p[0] == '+' ? value.p[1] : value.p[0], 4) ==
                NULL &&
            value.p[0] != '+') {
            buf_printf(q, " || %.*s = %.*s", STR_ARG(buf_str(&field)), STR_ARG(value));
        }
        if (i == 1 && (str_eq(value, STR("true")) || str_eq(value, STR("false")))) {
            buf_printf(q, " || %.*s = %.*s", STR_ARG(buf_str(&field)), STR_ARG(value));
        }
    }
    buf_add_cstr(q, ")");
}

static int tags_to_query(struct str tags, struct buf *q, struct err *e)
{
    struct buf key CLEANUP(buf_done) = {0};
    struct buf value CLEANUP(buf_done) = {0};
    struct str rest = str_trim(tags);
    bool first = true;

    if (tags.n > TAGS_MAX) {
        return err_set(e, ERR_LIMIT, "tags are longer than %d bytes", TAGS_MAX);
    }
    buf_init(&key, TAGS_MAX);
    buf_init(&value, TAGS_MAX);
    buf_add_cstr(q, "{ ");
    while (rest.n != 0) {
        if (!next_word(&rest, '=', &key) || rest.n == 0 || rest.p[0] != '=' || key.n == 0) {
            return err_set(e, ERR_INVALID, "invalid tags: key=value is expected before \"%.*s\"",
                           rest.n > 64 ? 64 : (int)rest.n, rest.n != 0 ? rest.p : "");
        }
        rest = str_drop(rest, 1);
        if (!next_word(&rest, ' ', &value)) {
            return err_set(e, ERR_INVALID, "invalid tags: unterminated quoted value");
        }
        buf_add_cstr(q, first ? "" : " && ");
        add_condition(q, buf_str(&key), buf_str(&value));
        first = false;
        rest = str_trim(rest);
    }
    buf_add_cstr(q, " }");
    return q->failed ? err_set(e, ERR_LIMIT, "tags are too long") : 0;
}

/* ---- parameters ---- */

static int duration_param(const struct http_exchange *x, const char *name, int64_t *ret,
                          struct err *e)
{
    struct str s = http_param(x, name);

    *ret = 0;
    return s.n == 0 || parse_duration_ns(s, ret)
               ? 0
               : err_set(e, ERR_INVALID, "invalid %s: \"%.*s\" is not a duration", name,
                         s.n > 64 ? 64 : (int)s.n, s.p);
}

static int parse_query(struct http_exchange *x, struct traceql **ret, struct err *e)
{
    struct str q = http_param(x, "q");
    struct str tags = http_param(x, "tags");
    struct buf b CLEANUP(buf_done) = {0};
    int rc;

    *ret = NULL;
    if (q.n != 0 && tags.n != 0) {
        return err_set(e, ERR_INVALID,
                       "invalid request: can't specify tags and q in the same query");
    }
    buf_init(&b, 16 * TAGS_MAX);
    if (tags.n != 0) {
        rc = tags_to_query(tags, &b, e);
        if (rc < 0) {
            return rc;
        }
        q = buf_str(&b);
    }
    if (q.n == 0) {
        return 0;
    }
    rc = traceql_parse(q, ret, e);
    if (rc < 0) {
        err_prefix(e, "invalid TraceQL query");
    } else if (traceql_is_metrics(*ret)) {
        traceql_free(*ret);
        *ret = NULL;
        return err_set(e, ERR_INVALID,
                       "invalid TraceQL query: metrics queries go to /api/metrics/query_range");
    }
    return rc;
}

static int search_opts(struct http_exchange *x, struct traceql_search_opts *ret, struct err *e)
{
    uint64_t limit;
    uint64_t spss;
    int rc = tempo_param(x, "limit", LIMIT_DEFAULT, &limit, e);

    rc = rc < 0 ? rc : tempo_param(x, "spss", SPSS_DEFAULT, &spss, e);
    rc = rc < 0 ? rc : duration_param(x, "minDuration", &ret->min_duration_ns, e);
    rc = rc < 0 ? rc : duration_param(x, "maxDuration", &ret->max_duration_ns, e);
    if (rc < 0) {
        return rc;
    }
    if (limit == 0 || limit > TEMPO_LIMIT_MAX) {
        return err_set(e, ERR_INVALID, "invalid limit: must be from 1 to %d", TEMPO_LIMIT_MAX);
    }
    if (ret->max_duration_ns != 0 && ret->max_duration_ns < ret->min_duration_ns) {
        return err_set(e, ERR_INVALID, "invalid maxDuration: must be greater than minDuration");
    }
    ret->limit = (size_t)limit;
    ret->spans_per_spanset = (size_t)spss;
    return 0;
}

/* ---- the answer ---- */

static void write_span(struct json_writer *w, const struct traceql_span *s)
{
    char hex[2 * SPAN_ID_SIZE + 1];

    hex_encode(s->id.b, SPAN_ID_SIZE, hex);
    json_object_begin(w);
    json_key(w, "spanID");
    json_cstr(w, hex);
    if (s->name.n != 0) {
        json_key(w, "name");
        json_str(w, s->name);
    }
    json_key(w, "startTimeUnixNano");
    json_i64_str(w, s->start_ns);
    json_key(w, "durationNanos");
    json_i64_str(w, s->duration_ns);
    if (s->attrs.n != 0) {
        json_key(w, "attributes");
        json_key_values(w, s->attrs);
    }
    json_object_end(w);
}

static void write_spanset(struct json_writer *w, const struct traceql_spanset *s)
{
    json_object_begin(w);
    json_key(w, "spans");
    json_array_begin(w);
    for (size_t i = 0; i < s->n; i++) {
        write_span(w, &s->v[i]);
    }
    json_array_end(w);
    json_key(w, "matched");
    json_u64(w, s->matched);
    if (s->attrs.n != 0) {
        json_key(w, "attributes");
        json_key_values(w, s->attrs);
    }
    json_object_end(w);
}

static void write_services(struct json_writer *w, const struct traceql_trace *t)
{
    json_key(w, "serviceStats");
    json_object_begin(w);
    for (size_t i = 0; i < t->services_n; i++) {
        json_key_str(w, t->services[i].name);
        json_object_begin(w);
        json_key(w, "spanCount");
        json_u64(w, t->services[i].spans);
        if (t->services[i].errors != 0) {
            json_key(w, "errorCount");
            json_u64(w, t->services[i].errors);
        }
        json_object_end(w);
    }
    json_object_end(w);
}

static void write_trace(struct json_writer *w, const struct traceql_trace *t)
{
    char hex[2 * TRACE_ID_SIZE + 1];

    hex_encode(t->id.b, TRACE_ID_SIZE, hex);
    json_object_begin(w);
    json_key(w, "traceID");
    json_cstr(w, hex);
    json_key(w, "rootServiceName");
    json_str(w, t->has_root ? t->root_service : STR("<root span not yet received>"));
    json_key(w, "rootTraceName");
    json_str(w, t->root_name);
    json_key(w, "startTimeUnixNano");
    json_i64_str(w, t->start_ns);
    json_key(w, "durationMs");
    json_i64(w, t->duration_ns / 1000000);
    if (t->spansets_n != 0) {
        json_key(w, "spanSet"); /* for clients that know only one */
        write_spanset(w, &t->spansets[0]);
        json_key(w, "spanSets");
        json_array_begin(w);
        for (size_t i = 0; i < t->spansets_n; i++) {
            write_spanset(w, &t->spansets[i]);
        }
        json_array_end(w);
    }
    write_services(w, t);
    json_object_end(w);
}

static void respond(struct http_exchange *x, const struct traceql_traces *r)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "traces");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n; i++) {
        write_trace(&w, &r->v[i]);
    }
    json_array_end(&w);
    tempo_write_stats(&w, &r->stats);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void search(void *arg, struct http_exchange *x)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct traceql_search_opts opts = {0};
    struct traceql_traces r = {0};
    struct traceql_source src;
    struct traceql *q = NULL;
    struct err e = {0};
    int rc = tempo_range(arg, x, &src, &e);

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    rc = rc < 0 ? rc : search_opts(x, &opts, &e);
    rc = rc < 0 ? rc : parse_query(x, &q, &e);
    rc = rc < 0 ? rc : traceql_search(q, &src, &opts, &arena, &r, &e);
    if (rc < 0) {
        tempo_fail(x, rc, &e);
    } else {
        respond(x, &r);
    }
    traceql_free(q);
}

void tempo_search_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        TEMPO_ROUTE("GET", "/api/search", search, a, HTTP_WORKER, 0, need),
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
