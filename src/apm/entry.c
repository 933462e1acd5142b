/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes are found in one pass by a table of names, each with a rank: of two names for one thing (an old and a
 * new convention) the better rank wins, whatever the order they come in.
 */
#include "apm/entry.h"

#include "apm/url_segments.h"

enum field {
    F_METHOD,
    F_STATUS,
    F_ROUTE,
    F_PATH,   /* url.path */
    F_TARGET, /* path?query */
    F_URL,    /* scheme://host/path?query */
    F_CLIENT,
    F_USER_AGENT,
    F_RPC_SERVICE,
    F_RPC_METHOD,
    F_RPC_STATUS,
    F_MSG_OPERATION,
    F_MSG_DESTINATION,
    F_MSG_TEMPLATE,
    F_MSG_TEMPORARY,
    /* of the resource */
    F_SERVICE,
    F_NAMESPACE,
    F_VERSION,
    F_INSTANCE,
    F_POD,
    F_HOST,
    F_COUNT,
};

struct name {
    struct str key;
    uint8_t field;
    uint8_t rank; /* lower wins */
};

#define NAME(key, field, rank) \
    {                          \
        STR(key), field, rank  \
    }

static const struct name SPAN_NAMES[] = {
    NAME("http.request.method", F_METHOD, 0),
    NAME("http.method", F_METHOD, 1),
    NAME("http.response.status_code", F_STATUS, 0),
    NAME("http.status_code", F_STATUS, 1),
    NAME("http.route", F_ROUTE, 0),
    NAME("url.path", F_PATH, 0),
    NAME("http.target", F_TARGET, 0),
    NAME("url.full", F_URL, 0),
    NAME("http.url", F_URL, 1),
    NAME("client.address", F_CLIENT, 0),
    NAME("http.client_ip", F_CLIENT, 1),
    NAME("network.peer.address", F_CLIENT, 2),
    NAME("net.sock.peer.addr", F_CLIENT, 3),
    NAME("net.peer.ip", F_CLIENT, 4),
    NAME("user_agent.original", F_USER_AGENT, 0),
    NAME("http.user_agent", F_USER_AGENT, 1),
    NAME("rpc.service", F_RPC_SERVICE, 0),
    NAME("rpc.method", F_RPC_METHOD, 0),
    NAME("rpc.grpc.status_code", F_RPC_STATUS, 0),
    NAME("rpc.response.status_code", F_RPC_STATUS, 1),
    NAME("messaging.operation.name", F_MSG_OPERATION, 0),
    NAME("messaging.operation.type", F_MSG_OPERATION, 1),
    NAME("messaging.operation", F_MSG_OPERATION, 2),
    NAME("messaging.destination.name", F_MSG_DESTINATION, 0),
    NAME("messaging.destination", F_MSG_DESTINATION, 1),
    NAME("messaging.destination.template", F_MSG_TEMPLATE, 0),
    NAME("messaging.destination.temporary", F_MSG_TEMPORARY, 0),
    NAME("messaging.destination.anonymous", F_MSG_TEMPORARY, 1),
    NAME("messaging.temp_destination", F_MSG_TEMPORARY, 2),
};

static const struct name RESOURCE_NAMES[] = {
    NAME("service.name", F_SERVICE, 0),    NAME("service.namespace", F_NAMESPACE, 0),
    NAME("service.version", F_VERSION, 0), NAME("service.instance.id", F_INSTANCE, 0),
    NAME("k8s.pod.name", F_POD, 0),        NAME("host.name", F_HOST, 0),
    NAME("k8s.node.name", F_HOST, 1),
};

struct found {
    const struct value *v[F_COUNT];
    uint8_t rank[F_COUNT];
};

static void find(struct attrs as, const struct name *names, size_t n, struct found *f)
{
    for (size_t i = 0; i < as.n; i++) {
        struct str key = as.v[i].key;

        for (size_t k = 0; k < n; k++) {
            const struct name *c = &names[k];

            if (c->key.n != key.n || memcmp(c->key.p, key.p, key.n) != 0) {
                continue;
            }
            if (f->v[c->field] == NULL || c->rank < f->rank[c->field]) {
                f->v[c->field] = &as.v[i].value;
                f->rank[c->field] = c->rank;
            }
            break;
        }
    }
}

static struct str text(const struct found *f, enum field field)
{
    const struct value *v = f->v[field];

    return v != NULL && v->type == VALUE_STR ? v->u.s : STR("");
}

/* A number, also where an exporter wrote it as text. @return false when there is none */
static bool number(const struct found *f, enum field field, int64_t *ret)
{
    const struct value *v = f->v[field];

    if (v == NULL) {
        return false;
    }
    switch (v->type) {
    case VALUE_I64:
        *ret = v->u.i;
        return true;
    case VALUE_F64:
        if (!(v->u.f >= 0 && v->u.f <= 1e6)) {
            return false;
        }
        *ret = (int64_t)v->u.f;
        return true;
    case VALUE_STR:
        return str_to_i64(v->u.s, ret);
    default:
        return false;
    }
}

/* ---- pieces of text ---- */

struct writer {
    char *p;
    size_t n, cap;
};

static void put(struct writer *w, struct str s)
{
    size_t n = s.n < w->cap - w->n ? s.n : w->cap - w->n;

    if (n != 0) {
        memcpy(w->p + w->n, s.p, n);
    }
    w->n += n;
}

/* What was cut may end inside a character. */
static struct str written(const struct writer *w)
{
    size_t n = w->n;

    if (n == w->cap) {
        while (n != 0 && ((unsigned char)w->p[n - 1] & 0xc0) == 0x80) {
            n--;
        }
        n -= n != 0 && (unsigned char)w->p[n - 1] >= 0xc0;
    }
    return str_of(w->p, n);
}

static struct str until_query(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '?' || s.p[i] == '#') {
            return str_take(s, i);
        }
    }
    return s;
}

/* "https://host:1/a?b" -> "/a"; a URL without a path has "/". */
static struct str path_of_url(struct str url)
{
    int64_t at = str_find(url, STR("://"));
    struct str rest = at >= 0 ? str_drop(url, (size_t)at + 3) : url;
    struct str path = {0};

    for (size_t i = 0; i < rest.n && path.n == 0; i++) {
        if (rest.p[i] == '?' || rest.p[i] == '#') {
            break;
        }
        if (rest.p[i] == '/') {
            path = str_drop(rest, i);
        }
    }
    return path.n == 0 && rest.n != 0 ? STR("/") : until_query(path);
}

static struct str method_of(struct str m)
{
    static const char *const KNOWN[] = {"GET",     "POST",  "PUT",   "DELETE", "HEAD",
                                        "OPTIONS", "PATCH", "TRACE", "CONNECT"};

    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
        if (str_eq_nocase(m, str_cstr(KNOWN[i]))) {
            return str_cstr(KNOWN[i]);
        }
    }
    return m.n != 0 ? STR("HTTP")
                    : m; /* bounded, as the conventions name spans of unknown methods */
}

/* ---- parts of an entry ---- */

static void read_resource(const struct resource *r, struct entry *e)
{
    struct found f = {0};
    struct str pod;
    struct writer w = {e->group_text, 0, sizeof(e->group_text)};

    find(r->attrs, RESOURCE_NAMES, ARRAY_LEN(RESOURCE_NAMES), &f);
    e->service = text(&f, F_SERVICE);
    e->service = e->service.n != 0 ? e->service : STR("unknown_service");
    e->ns = text(&f, F_NAMESPACE);
    e->version = text(&f, F_VERSION);
    e->host = text(&f, F_HOST);
    pod = text(&f, F_POD);
    e->instance = text(&f, F_INSTANCE);
    e->instance = e->instance.n != 0 ? e->instance : pod.n != 0 ? pod : e->host;
    e->instance_name = e->instance;
    if (url_segment_kind(e->instance) == SEGMENT_UUID && (pod.n != 0 || e->host.n != 0)) {
        e->instance_name = pod.n != 0 ? pod : e->host;
    }
    if (e->ns.n != 0) {
        put(&w, e->ns);
        put(&w, STR("/"));
    }
    put(&w, e->service);
    e->group = written(&w);
}

/* gRPC's codes by whose fault they are, as the conventions have it for servers. */
static enum entry_outcome grpc_outcome(int64_t code)
{
    switch (code) {
    case 0:
        return ENTRY_OK;
    case 2:  /* UNKNOWN */
    case 4:  /* DEADLINE_EXCEEDED */
    case 12: /* UNIMPLEMENTED */
    case 13: /* INTERNAL */
    case 14: /* UNAVAILABLE */
    case 15: /* DATA_LOSS */
        return ENTRY_5XX;
    default:
        return ENTRY_4XX;
    }
}

static void read_outcome(const struct found *f, const struct span *s, struct entry *e)
{
    int64_t code = 0;

    e->outcome = ENTRY_OK;
    if (number(f, F_STATUS, &code) && code > 0 && code < 1000) {
        e->status = (int)code;
        e->outcome = code >= 500 ? ENTRY_5XX : code >= 400 ? ENTRY_4XX : ENTRY_OK;
    } else if (number(f, F_RPC_STATUS, &code)) {
        e->outcome = grpc_outcome(code);
    }
    e->error = e->outcome == ENTRY_5XX || s->status == SPAN_STATUS_ERROR;
    if (e->error && e->outcome == ENTRY_OK) {
        e->outcome = ENTRY_5XX;
    }
}

/* A route that only says "everything below here" names no operation when the path is known. */
static bool catch_all(struct str route)
{
    return str_ends(route, STR("*")) || str_eq(route, STR("/"));
}

static void name_rpc(const struct found *f, struct entry *e)
{
    struct writer w = {e->operation_text, 0, sizeof(e->operation_text)};
    struct str service = text(f, F_RPC_SERVICE);
    struct str method = text(f, F_RPC_METHOD);

    e->named = ENTRY_BY_RPC;
    if (service.n != 0 && str_find_byte(method, '/') < 0) { /* newer conventions put both there */
        put(&w, service);
        put(&w, STR("/"));
    }
    put(&w, method.n != 0 ? method : STR("*"));
    e->operation = written(&w);
}

static void name_messaging(const struct found *f, struct entry *e)
{
    const struct value *temporary = f->v[F_MSG_TEMPORARY];
    struct writer w = {e->operation_text, 0, sizeof(e->operation_text)};
    struct str operation = text(f, F_MSG_OPERATION);
    struct str destination = text(f, F_MSG_TEMPLATE);

    e->named = ENTRY_BY_MESSAGING;
    if (destination.n == 0) {
        destination = temporary != NULL && temporary->type == VALUE_BOOL && temporary->u.b
                          ? STR("(temporary)")
                          : text(f, F_MSG_DESTINATION);
    }
    put(&w, operation.n != 0 ? operation : STR("process"));
    put(&w, STR(" "));
    put(&w, destination);
    e->operation = written(&w);
}

static void put_method(struct writer *w, const struct entry *e)
{
    if (e->method.n != 0) {
        put(w, e->method);
        put(w, STR(" "));
    }
}

void entry_set_path_operation(struct entry *e, struct str path_template)
{
    struct writer w = {e->operation_text, 0, sizeof(e->operation_text)};

    put_method(&w, e);
    put(&w, path_template);
    e->operation = written(&w);
}

static void name_operation(const struct found *f, const struct span *s, struct entry *e)
{
    struct str route = text(f, F_ROUTE);

    if (route.n != 0 && (!catch_all(route) || e->path.n == 0)) {
        e->named = ENTRY_BY_ROUTE;
        entry_set_path_operation(e, route);
    } else if (text(f, F_RPC_METHOD).n != 0 || text(f, F_RPC_SERVICE).n != 0) {
        name_rpc(f, e);
    } else if (f->v[F_MSG_DESTINATION] != NULL || f->v[F_MSG_TEMPLATE] != NULL) {
        name_messaging(f, e);
    } else if (e->path.n != 0) {
        struct writer w = {e->operation_text, 0, sizeof(e->operation_text)};

        e->named = ENTRY_BY_PATH;
        put_method(&w, e);
        w.n += url_segments_template(e->path, w.p + w.n, w.cap - w.n);
        e->operation = written(&w);
    } else {
        struct writer w = {e->operation_text, 0, sizeof(e->operation_text)};

        e->named = ENTRY_BY_SPAN_NAME;
        put(&w, s->name);
        e->operation = written(&w);
    }
}

bool entry_of(const struct span *s, struct entry *ret)
{
    struct found f = {0};

    if (s->kind != SPAN_SERVER && s->kind != SPAN_CONSUMER) {
        return false;
    }
    ret->span = s;
    ret->start_ns = s->start_ns;
    ret->end_ns = s->end_ns > s->start_ns ? s->end_ns : s->start_ns;
    ret->duration_ns = ret->end_ns - ret->start_ns;
    ret->status = 0;
    read_resource(s->resource, ret);
    find(s->attrs, SPAN_NAMES, ARRAY_LEN(SPAN_NAMES), &f);
    ret->method = method_of(text(&f, F_METHOD));
    ret->path = until_query(text(&f, F_PATH));
    if (ret->path.n == 0) {
        ret->path =
            f.v[F_TARGET] != NULL ? until_query(text(&f, F_TARGET)) : path_of_url(text(&f, F_URL));
    }
    ret->client = text(&f, F_CLIENT);
    ret->user_agent = text(&f, F_USER_AGENT);
    read_outcome(&f, s, ret);
    name_operation(&f, s, ret);
    return true;
}
