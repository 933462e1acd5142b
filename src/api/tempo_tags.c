/* SPDX-License-Identifier: Apache-2.0
 *
 * Tempo's names and values of tags. A filter that is still being typed must not fail: what of it can be read
 * narrows the answer, the rest is left away.
 */
#include "api/tempo.h"

enum { NAMES_MAX = 5000, VALUES_MAX = 5000 };

/* The conditions of "{ a && b && }" that parse, joined again. */
static void salvage(struct str q, struct buf *dst)
{
    size_t start = 0;
    bool quoted = false;
    struct buf one CLEANUP(buf_done) = {0};

    q = str_trim(q);
    q = str_starts(q, STR("{")) ? str_drop(q, 1) : q;
    q = str_ends(q, STR("}")) ? str_take(q, q.n - 1) : q;
    buf_init(&one, 1 << 16);
    for (size_t i = 0; i <= q.n; i++) {
        bool cut = i == q.n || (!quoted && q.p[i] == '&' && i + 1 < q.n && q.p[i + 1] == '&');
        struct traceql *part = NULL;

        if (!cut) {
            if (quoted && q.p[i] == '\\') {
                i++;
            } else if (q.p[i] == '"') {
                quoted = !quoted;
            }
            continue;
        }
        buf_clear(&one);
        buf_add_cstr(&one, "{ ");
        buf_add_str(&one, str_of(q.p + start, i - start));
        buf_add_cstr(&one, " }");
        if (str_trim(str_of(q.p + start, i - start)).n != 0 &&
            traceql_parse(buf_str(&one), &part, NULL) == 0) {
            buf_add_cstr(dst, dst->n != 0 ? " && (" : "{ (");
            buf_add_str(dst, str_of(q.p + start, i - start));
            buf_add_byte(dst, ')');
            traceql_free(part);
        }
        start = i + 2;
        i++;
    }
    buf_add_cstr(dst, dst->n != 0 ? " }" : "");
}

/* NULL: no filter, or none that can be used. */
static struct traceql *filter_param(const struct http_exchange *x)
{
    struct str text = http_param(x, "q");
    struct buf b CLEANUP(buf_done) = {0};
    struct traceql *q = NULL;

    if (text.n == 0) {
        return NULL;
    }
    if (traceql_parse(text, &q, NULL) < 0) {
        buf_init(&b, 1 << 17);
        salvage(text, &b);
        if (b.n == 0 || traceql_parse(buf_str(&b), &q, NULL) < 0) {
            return NULL;
        }
    }
    if (!traceql_is_filter(q)) {
        traceql_free(q);
        return NULL;
    }
    return q;
}

/* ---- names ---- */

static int find_names(struct api *a, struct http_exchange *x, struct arena *arena,
                      struct traceql_tag_names *ret, struct err *e)
{
    struct str scope_text = http_param(x, "scope");
    struct traceql *filter = NULL;
    enum traceql_tag_scope scope;
    struct traceql_source src;
    uint64_t limit;
    int rc = tempo_range(a, x, &src, e);

    rc = rc < 0 ? rc : tempo_param(x, "limit", NAMES_MAX, &limit, e);
    if (rc < 0) {
        return rc;
    }
    if (!traceql_tag_scope_parse(scope_text, &scope)) {
        return err_set(e, ERR_INVALID, "invalid scope: %.*s",
                       scope_text.n > 64 ? 64 : (int)scope_text.n, scope_text.p);
    }
    filter = filter_param(x);
    rc = traceql_tag_names(&src, filter, scope, (size_t)limit, arena, ret, e);
    traceql_free(filter);
    return rc;
}

static void write_names(struct json_writer *w, const struct traceql_tag_names *n, bool v2)
{
    for (int s = TRACEQL_TAGS_SPAN; s <= TRACEQL_TAGS_INTRINSIC; s++) {
        const struct traceql_tags *tags = &n->by_scope[s];

        if (tags->n == 0) {
            continue;
        }
        if (v2) {
            json_object_begin(w);
            json_key(w, "name");
            json_cstr(w, traceql_tag_scope_name((enum traceql_tag_scope)s));
            json_key(w, "tags");
            json_array_begin(w);
        }
        for (size_t i = 0; i < tags->n; i++) {
            json_str(w, tags->v[i]);
        }
        if (v2) {
            json_array_end(w);
            json_object_end(w);
        }
    }
}

static void write_bytes(struct json_writer *w, const struct traceql_stats *s)
{
    json_key(w, "metrics");
    json_object_begin(w);
    json_key(w, "inspectedBytes");
    json_i64_str(w, (int64_t)s->scan.bytes_read);
    json_object_end(w);
}

static void tags(struct api *a, struct http_exchange *x, bool v2)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct traceql_tag_names n = {0};
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc;

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    rc = find_names(a, x, &arena, &n, &e);
    if (rc < 0) {
        tempo_fail(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, v2 ? "scopes" : "tagNames");
    json_array_begin(&w);
    write_names(&w, &n, v2);
    json_array_end(&w);
    write_bytes(&w, &n.stats);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void tags_v1(void *arg, struct http_exchange *x)
{
    tags(arg, x, false);
}

static void tags_v2(void *arg, struct http_exchange *x)
{
    tags(arg, x, true);
}

/* ---- values ---- */

/* The first version takes bare names: "service.name" is ".service.name", "name" an intrinsic. */
static struct str field_name(struct http_exchange *x, bool v2)
{
    struct str tag = http_path_param(x, "name");
    struct arena *a = http_arena(x);
    static const char *const WORDS[] = {"name", "status", "kind", "statusMessage"};

    if (v2) {
        return tag;
    }
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (str_eq(tag, str_cstr(WORDS[i]))) {
            return tag;
        }
    }
    for (size_t i = 0; i < tag.n; i++) {
        if (tag.p[i] == '"' || tag.p[i] == '\\') {
            return tag;
        }
    }
    return arena_printf(a, ".\"%.*s\"", STR_ARG(tag));
}

static int find_values(struct api *a, struct http_exchange *x, bool v2, struct arena *arena,
                       struct traceql_tag_values *ret, struct err *e)
{
    struct traceql_source src;
    struct traceql *filter;
    uint64_t limit;
    int rc = tempo_range(a, x, &src, e);

    rc = rc < 0 ? rc : tempo_param(x, "limit", VALUES_MAX, &limit, e);
    if (rc < 0) {
        return rc;
    }
    filter = filter_param(x);
    rc = traceql_tag_values(&src, field_name(x, v2), filter, (size_t)limit, arena, ret, e);
    traceql_free(filter);
    return rc;
}

static void values(struct api *a, struct http_exchange *x, bool v2)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct traceql_tag_values r = {0};
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc;

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    rc = find_values(a, x, v2, &arena, &r, &e);
    if (rc < 0) {
        tempo_fail(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "tagValues");
    json_array_begin(&w);
    for (size_t i = 0; i < r.n; i++) {
        if (!v2) {
            json_str(&w, r.v[i].text);
            continue;
        }
        json_object_begin(&w);
        json_key(&w, "type");
        json_cstr(&w, r.v[i].type);
        json_key(&w, "value");
        json_str(&w, r.v[i].text);
        json_object_end(&w);
    }
    json_array_end(&w);
    write_bytes(&w, &r.stats);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void values_v1(void *arg, struct http_exchange *x)
{
    values(arg, x, false);
}

static void values_v2(void *arg, struct http_exchange *x)
{
    values(arg, x, true);
}

void tempo_tags_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        TEMPO_ROUTE("GET", "/api/search/tags", tags_v1, a, HTTP_WORKER, 0, need),
        TEMPO_ROUTE("GET", "/api/v2/search/tags", tags_v2, a, HTTP_WORKER, 0, need),
        TEMPO_ROUTE("GET", "/api/search/tag/{name}/values", values_v1, a, HTTP_WORKER, 0, need),
        TEMPO_ROUTE("GET", "/api/v2/search/tag/{name}/values", values_v2, a, HTTP_WORKER, 0, need),
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
