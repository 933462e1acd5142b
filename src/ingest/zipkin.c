/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the spans, each encoded as it is read and put with those of its service and library. Tags that
 * OpenTelemetry's exporters made of other fields become those fields again.
 */
#include "ingest/zipkin.h"

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/json_read.h"
#include "codec/pb.h"
#include "model/otel.h"

enum { DEPTH_MAX = 16 };

/* Spans of one service and library. */
struct group {
    struct str key; /* service, scope name and version with NULs between */
    struct str service;
    struct str scope;
    struct str version;
    struct buf spans;
};

/* A span being read. */
struct zspan {
    struct buf fields; /* attributes and events, encoded */
    uint8_t trace_id[TRACE_ID_SIZE];
    uint8_t id[SPAN_ID_SIZE];
    uint8_t parent[SPAN_ID_SIZE];
    bool has_trace, has_id, has_parent;
    struct str name, service, scope, version, trace_state, status_message, error;
    uint8_t kind; /* of OTLP */
    uint8_t status;
    bool has_error;
    int64_t timestamp_us;
    int64_t duration_us;
};

struct zipkin {
    struct arena a;
    struct zspan s;
    struct map by_key;
    VEC(struct group *) groups;
    int64_t arrival_ns;
    size_t index; /* of the span, for messages */
    size_t max;
    size_t bytes; /* of all groups' spans */
};

static int bad(const struct zipkin *z, struct err *reterr, const char *what)
{
    return err_set(reterr, ERR_INVALID, "span %zu: %s", z->index, what);
}

static int no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "no memory for the spans");
}

/* ---- what both encodings give ---- */

static void put_attr(struct zipkin *z, struct str key, struct str value)
{
    size_t at = pb_begin(&z->s.fields, 9);
    size_t v;

    pb_put_str(&z->s.fields, 1, key);
    v = pb_begin(&z->s.fields, 2);
    pb_put_str(&z->s.fields, 1, value);
    pb_end(&z->s.fields, v);
    pb_end(&z->s.fields, at);
}

static void put_number(struct zipkin *z, struct str key, int64_t value)
{
    size_t at = pb_begin(&z->s.fields, 9);
    size_t v;

    pb_put_str(&z->s.fields, 1, key);
    v = pb_begin(&z->s.fields, 2);
    pb_put_varint(&z->s.fields, 3, (uint64_t)value);
    pb_end(&z->s.fields, v);
    pb_end(&z->s.fields, at);
}

/* A copy that lives until the request is done. */
static struct str keep(struct zipkin *z, struct str s)
{
    return arena_str_dup(&z->a, s);
}

static int64_t us_to_ns(int64_t us)
{
    return us > INT64_MAX / 1000 ? INT64_MAX : us < 0 ? 0 : us * 1000;
}

static void add_tag(struct zipkin *z, struct str key, struct str value)
{
    struct zspan *s = &z->s;

    if (str_eq(key, STR("otel.status_code"))) {
        s->status = str_eq_nocase(value, STR("OK"))      ? SPAN_STATUS_OK
                    : str_eq_nocase(value, STR("ERROR")) ? SPAN_STATUS_ERROR
                                                         : SPAN_STATUS_UNSET;
    } else if (str_eq(key, STR("otel.status_description"))) {
        s->status_message = keep(z, value);
    } else if (str_eq(key, STR("error"))) {
        s->has_error = !str_eq_nocase(value, STR("false"));
        s->error = keep(z, value);
    } else if (str_eq(key, STR("otel.scope.name")) || str_eq(key, STR("otel.library.name"))) {
        s->scope = keep(z, value);
    } else if (str_eq(key, STR("otel.scope.version")) || str_eq(key, STR("otel.library.version"))) {
        s->version = keep(z, value);
    } else if (str_eq(key, STR("w3c.tracestate"))) {
        s->trace_state = keep(z, value);
    } else {
        put_attr(z, key, value);
    }
}

static void add_event(struct zipkin *z, int64_t us, struct str value)
{
    size_t at = pb_begin(&z->s.fields, 11);

    pb_put_fixed64(&z->s.fields, 1, (uint64_t)us_to_ns(us));
    pb_put_str(&z->s.fields, 2, value);
    pb_end(&z->s.fields, at);
}

struct endpoint {
    struct str service;
    struct str address;
    int64_t port;
};

static void add_endpoint(struct zipkin *z, const struct endpoint *e, bool local)
{
    if (local) {
        z->s.service = e->service;
    } else if (e->service.n != 0) {
        put_attr(z, STR("peer.service"), e->service);
    }
    if (e->address.n != 0) {
        put_attr(z, local ? STR("network.local.address") : STR("network.peer.address"), e->address);
    }
    if (e->port > 0 && e->port < 65536) {
        put_number(z, local ? STR("network.local.port") : STR("network.peer.port"), e->port);
    }
}

static struct group *group_of(struct zipkin *z)
{
    const struct zspan *s = &z->s;
    struct str service = s->service.n != 0 ? s->service : STR("unknown_service");
    struct str key = arena_printf(&z->a, "%.*s%c%.*s%c%.*s", STR_ARG(service), 0, STR_ARG(s->scope),
                                  0, STR_ARG(s->version));
    struct group *g = key.p != NULL ? map_get(&z->by_key, key) : NULL;

    if (g != NULL || key.p == NULL) {
        return g;
    }
    g = arena_calloc(&z->a, 1, sizeof(*g));
    if (g == NULL) {
        return NULL;
    }
    *g = (struct group){.key = key, .service = service, .scope = s->scope, .version = s->version};
    buf_init(&g->spans, z->max);
    if (!vec_push(&z->groups, g)) {
        return NULL;
    }
    return map_put(&z->by_key, key, g) < 0 ? NULL : g;
}

static void begin_span(struct zipkin *z)
{
    struct buf fields = z->s.fields;

    buf_clear(&fields);
    z->s = (struct zspan){.fields = fields, .kind = SPAN_INTERNAL};
}

static struct str bytes_of(const uint8_t *p, size_t n)
{
    return str_of((const char *)p, n);
}

static int end_span(struct zipkin *z, struct err *reterr)
{
    struct zspan *s = &z->s;
    struct group *g;
    int64_t start_ns = us_to_ns(s->timestamp_us);
    size_t before;
    size_t status;
    size_t at;

    if (!s->has_trace || !s->has_id) {
        return bad(z, reterr, s->has_trace ? "no id" : "no traceId");
    }
    g = group_of(z);
    if (g == NULL || s->fields.failed) {
        return no_memory(reterr);
    }
    if (start_ns == 0) { /* a span that was never started: it arrived as it ended */
        start_ns = z->arrival_ns - us_to_ns(s->duration_us);
        start_ns = start_ns <= 0 ? z->arrival_ns : start_ns;
    }
    if (s->has_error && s->status != SPAN_STATUS_OK) {
        s->status = SPAN_STATUS_ERROR;
        if (s->status_message.n == 0 && !str_eq_nocase(s->error, STR("true"))) {
            s->status_message = s->error;
        }
    }
    before = g->spans.n;
    at = pb_begin(&g->spans, 2);
    pb_put_str(&g->spans, 1, bytes_of(s->trace_id, TRACE_ID_SIZE));
    pb_put_str(&g->spans, 2, bytes_of(s->id, SPAN_ID_SIZE));
    pb_put_str(&g->spans, 3, s->trace_state);
    if (s->has_parent) {
        pb_put_str(&g->spans, 4, bytes_of(s->parent, SPAN_ID_SIZE));
    }
    pb_put_str(&g->spans, 5, s->name);
    pb_put_varint(&g->spans, 6, s->kind);
    pb_put_fixed64(&g->spans, 7, (uint64_t)start_ns);
    pb_put_fixed64(&g->spans, 8, (uint64_t)start_ns + (uint64_t)us_to_ns(s->duration_us));
    buf_add_str(&g->spans, buf_str(&s->fields));
    status = pb_begin(&g->spans, 15);
    pb_put_str(&g->spans, 2, s->status_message);
    pb_put_varint(&g->spans, 3, s->status);
    pb_end(&g->spans, status);
    pb_end(&g->spans, at);
    z->index++;
    z->bytes += g->spans.n - before;
    return g->spans.failed || z->bytes > z->max
               ? err_set(reterr, ERR_TOO_LARGE, "the spans are too large together")
               : 0;
}

/* ---- JSON ---- */

struct json {
    struct json_reader r;
    struct buf scratch;
    struct zipkin *z;
};

/* A string, or "" for null. */
static int read_text(struct json *j, struct str *ret, struct err *reterr)
{
    int type = json_peek(&j->r, reterr);

    *ret = str_of(NULL, 0);
    if (type == JSON_NULL) {
        return json_skip(&j->r, reterr);
    }
    if (type != JSON_STRING) {
        return type < 0 ? type : bad(j->z, reterr, "a string is expected");
    }
    return json_read_str(&j->r, ret, reterr);
}

/* A whole number, also in quotes; null is 0. */
static int read_whole(struct json *j, int64_t *ret, struct err *reterr)
{
    int type = json_peek(&j->r, reterr);
    struct str text;
    double f;
    int rc;

    *ret = 0;
    if (type == JSON_NULL) {
        return json_skip(&j->r, reterr);
    }
    if (type != JSON_NUMBER && type != JSON_STRING) {
        return type < 0 ? type : bad(j->z, reterr, "a number is expected");
    }
    rc = type == JSON_STRING ? json_read_str(&j->r, &text, reterr)
                             : json_read_number(&j->r, &text, reterr);
    if (rc < 0 || str_to_i64(text, ret)) {
        return rc;
    }
    if (!str_to_f64(text, &f) || !(f > -0x1p62 && f < 0x1p62)) {
        return bad(j->z, reterr, "a number is expected");
    }
    *ret = (int64_t)f;
    return 0;
}

/* Hex digits, zeros before them left out. */
static bool read_hex(struct str s, uint8_t *dst, size_t n)
{
    char padded[2 * TRACE_ID_SIZE];

    if (s.n == 0 || s.n > 2 * n) {
        return false;
    }
    memset(padded, '0', sizeof(padded));
    memcpy(padded + 2 * n - s.n, s.p, s.n);
    return hex_decode(str_of(padded, 2 * n), dst, n);
}

static int json_id(struct json *j, uint8_t *dst, size_t n, bool *ret_has, const char *wrong,
                   struct err *reterr)
{
    struct str s;
    int rc = read_text(j, &s, reterr);

    if (rc < 0 || s.n == 0) {
        return rc;
    }
    *ret_has = read_hex(s, dst, n);
    return *ret_has ? 0 : bad(j->z, reterr, wrong);
}

/* Step into an object or array, null being none. @return 1 when inside */
static int enter(struct json *j, int want, const char *wrong, struct err *reterr)
{
    int type = json_peek(&j->r, reterr);
    int rc;

    if (type == JSON_NULL) {
        rc = json_skip(&j->r, reterr);
        return rc < 0 ? rc : 0;
    }
    if (type != want) {
        return type < 0 ? type : bad(j->z, reterr, wrong);
    }
    rc = json_enter(&j->r, reterr);
    return rc < 0 ? rc : 1;
}

static int json_endpoint(struct json *j, bool local, struct err *reterr)
{
    struct endpoint e = {0};
    struct str key;
    struct str s;
    int rc = enter(j, JSON_OBJECT, "an endpoint is an object", reterr);

    while (rc > 0 && (rc = json_next_member(&j->r, &key, reterr)) > 0) {
        if (str_eq(key, STR("port"))) {
            rc = read_whole(j, &e.port, reterr);
        } else if (str_eq(key, STR("serviceName")) || str_eq(key, STR("ipv4")) ||
                   str_eq(key, STR("ipv6"))) {
            bool name = key.n == 11;

            rc = read_text(j, &s, reterr);
            if (rc == 0 && name) {
                e.service = keep(j->z, s);
            } else if (rc == 0 && s.n != 0) {
                e.address = keep(j->z, s);
            }
        } else {
            rc = json_skip(&j->r, reterr);
        }
        rc = rc < 0 ? rc : 1;
    }
    if (rc == 0) {
        add_endpoint(j->z, &e, local);
    }
    return rc;
}

static int json_annotations(struct json *j, struct err *reterr)
{
    int rc = enter(j, JSON_ARRAY, "annotations are an array", reterr);

    while (rc > 0 && (rc = json_next_element(&j->r, reterr)) > 0) {
        struct str value = {0};
        struct str key;
        int64_t us = 0;

        rc = enter(j, JSON_OBJECT, "an annotation is an object", reterr);
        while (rc > 0 && (rc = json_next_member(&j->r, &key, reterr)) > 0) {
            if (str_eq(key, STR("timestamp"))) {
                rc = read_whole(j, &us, reterr);
            } else if (str_eq(key, STR("value"))) {
                rc = read_text(j, &value, reterr);
                value = rc < 0 ? value : keep(j->z, value);
            } else {
                rc = json_skip(&j->r, reterr);
            }
            rc = rc < 0 ? rc : 1;
        }
        if (rc == 0) {
            add_event(j->z, us, value);
            rc = 1;
        }
    }
    return rc;
}

static int json_tags(struct json *j, struct err *reterr)
{
    int rc = enter(j, JSON_OBJECT, "tags are an object", reterr);
    struct str key;

    while (rc > 0 && (rc = json_next_member(&j->r, &key, reterr)) > 0) {
        struct str value;

        key = keep(j->z, key);
        rc = read_text(j, &value, reterr);
        if (rc == 0) {
            add_tag(j->z, key, value);
            rc = 1;
        }
    }
    return rc;
}

static uint8_t kind_of(struct str s)
{
    uint8_t kind;
    char lower[16];

    if (s.n == 0 || s.n >= sizeof(lower)) {
        return SPAN_INTERNAL;
    }
    for (size_t i = 0; i < s.n; i++) {
        lower[i] = (char)(s.p[i] | 0x20);
    }
    return span_kind_parse(str_of(lower, s.n), &kind) ? kind : SPAN_INTERNAL;
}

static int json_member(struct json *j, struct str key, struct err *reterr)
{
    struct zspan *s = &j->z->s;
    struct str text;
    int rc;

    if (str_eq(key, STR("traceId"))) {
        return json_id(j, s->trace_id, TRACE_ID_SIZE, &s->has_trace,
                       "traceId must be 16 or 32 hex digits", reterr);
    }
    if (str_eq(key, STR("id"))) {
        return json_id(j, s->id, SPAN_ID_SIZE, &s->has_id, "id must be 16 hex digits", reterr);
    }
    if (str_eq(key, STR("parentId"))) {
        return json_id(j, s->parent, SPAN_ID_SIZE, &s->has_parent, "parentId must be 16 hex digits",
                       reterr);
    }
    if (str_eq(key, STR("name")) || str_eq(key, STR("kind"))) {
        bool name = key.p[0] == 'n';

        rc = read_text(j, &text, reterr);
        if (rc == 0 && name) {
            s->name = keep(j->z, text);
        } else if (rc == 0) {
            s->kind = kind_of(text);
        }
        return rc;
    }
    if (str_eq(key, STR("timestamp"))) {
        return read_whole(j, &s->timestamp_us, reterr);
    }
    if (str_eq(key, STR("duration"))) {
        return read_whole(j, &s->duration_us, reterr);
    }
    if (str_eq(key, STR("localEndpoint")) || str_eq(key, STR("remoteEndpoint"))) {
        return json_endpoint(j, key.p[0] == 'l', reterr);
    }
    if (str_eq(key, STR("annotations"))) {
        return json_annotations(j, reterr);
    }
    return str_eq(key, STR("tags")) ? json_tags(j, reterr) : json_skip(&j->r, reterr);
}

static int read_json(struct zipkin *z, struct str body, struct err *reterr)
{
    struct json j = {.z = z};
    int rc;

    buf_init(&j.scratch, z->max);
    json_read_init(&j.r, body, DEPTH_MAX, &j.scratch);
    rc = json_peek(&j.r, reterr);
    rc = rc < 0             ? rc
         : rc != JSON_ARRAY ? err_set(reterr, ERR_INVALID, "a list of spans is expected")
                            : json_enter(&j.r, reterr);
    while (rc >= 0 && (rc = json_next_element(&j.r, reterr)) > 0) {
        struct str key;

        begin_span(z);
        rc = enter(&j, JSON_OBJECT, "a span is an object", reterr);
        if (rc == 0) {
            rc = bad(z, reterr, "a span is an object");
        }
        while (rc > 0 && (rc = json_next_member(&j.r, &key, reterr)) > 0) {
            rc = json_member(&j, key, reterr);
            rc = rc < 0 ? rc : 1;
        }
        rc = rc < 0 ? rc : end_span(z, reterr);
    }
    rc = rc < 0 ? rc : json_read_end(&j.r, reterr);
    buf_done(&j.scratch);
    return rc;
}

/* ---- protobuf ---- */

static struct str ip_text(struct zipkin *z, struct str raw)
{
    const uint8_t *b = (const uint8_t *)raw.p;
    struct buf text CLEANUP(buf_done) = {0};

    buf_init(&text, 64);
    if (raw.n == 4) {
        buf_printf(&text, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    } else {
        for (size_t i = 0; i < 16; i += 2) {
            buf_printf(&text, "%s%x", i != 0 ? ":" : "", (unsigned)b[i] << 8 | b[i + 1]);
        }
    }
    return keep(z, buf_str(&text));
}

static int pb_endpoint(struct zipkin *z, struct pb msg, bool local, struct err *reterr)
{
    struct endpoint e = {0};
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            e.service = f.s;
        } else if ((f.tag == PB_TAG(2, PB_LEN) && f.s.n == 4) ||
                   (f.tag == PB_TAG(3, PB_LEN) && f.s.n == 16)) {
            e.address = ip_text(z, f.s);
        } else if (f.tag == PB_TAG(4, PB_VARINT)) {
            e.port = (int64_t)f.u;
        }
    }
    if (rc == 0) {
        add_endpoint(z, &e, local);
    }
    return rc;
}

static int pb_annotation(struct zipkin *z, struct pb msg, struct err *reterr)
{
    struct str value = {0};
    struct pb_field f;
    uint64_t us = 0;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_FIXED64)) {
            us = f.u;
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            value = f.s;
        }
    }
    if (rc == 0) {
        add_event(z, us > INT64_MAX ? INT64_MAX : (int64_t)us, value);
    }
    return rc;
}

static int pb_tag(struct zipkin *z, struct pb msg, struct err *reterr)
{
    struct str key = {0};
    struct str value = {0};
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            key = f.s;
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            value = f.s;
        }
    }
    if (rc == 0) {
        add_tag(z, key, value);
    }
    return rc;
}

static int pb_id(struct zipkin *z, struct str raw, uint8_t *dst, size_t n, bool *ret_has,
                 const char *wrong, struct err *reterr)
{
    if (raw.n == 0) {
        return 0;
    }
    if (raw.n != n && !(n == TRACE_ID_SIZE && raw.n == 8)) {
        return bad(z, reterr, wrong);
    }
    memset(dst, 0, n);
    memcpy(dst + n - raw.n, raw.p, raw.n);
    *ret_has = true;
    return 0;
}

static int64_t clamp_us(uint64_t us)
{
    return us > INT64_MAX ? INT64_MAX : (int64_t)us;
}

static int pb_member(struct zipkin *z, const struct pb *msg, const struct pb_field *f,
                     struct err *reterr)
{
    static const uint8_t KINDS[] = {SPAN_INTERNAL, SPAN_CLIENT, SPAN_SERVER, SPAN_PRODUCER,
                                    SPAN_CONSUMER};
    struct zspan *s = &z->s;

    switch (f->tag) {
    case PB_TAG(1, PB_LEN):
        return pb_id(z, f->s, s->trace_id, TRACE_ID_SIZE, &s->has_trace,
                     "trace_id must be 8 or 16 bytes", reterr);
    case PB_TAG(2, PB_LEN):
        return pb_id(z, f->s, s->parent, SPAN_ID_SIZE, &s->has_parent, "parent_id must be 8 bytes",
                     reterr);
    case PB_TAG(3, PB_LEN):
        return pb_id(z, f->s, s->id, SPAN_ID_SIZE, &s->has_id, "id must be 8 bytes", reterr);
    case PB_TAG(4, PB_VARINT):
        s->kind = f->u < ARRAY_LEN(KINDS) ? KINDS[f->u] : SPAN_INTERNAL;
        return 0;
    case PB_TAG(5, PB_LEN):
        s->name = f->s;
        return 0;
    case PB_TAG(6, PB_FIXED64):
        s->timestamp_us = clamp_us(f->u);
        return 0;
    case PB_TAG(7, PB_VARINT):
        s->duration_us = clamp_us(f->u);
        return 0;
    case PB_TAG(8, PB_LEN):
    case PB_TAG(9, PB_LEN):
        return pb_endpoint(z, pb_sub(msg, f->s), f->tag == PB_TAG(8, PB_LEN), reterr);
    case PB_TAG(10, PB_LEN):
        return pb_annotation(z, pb_sub(msg, f->s), reterr);
    case PB_TAG(11, PB_LEN):
        return pb_tag(z, pb_sub(msg, f->s), reterr);
    default:
        return 0;
    }
}

static int read_pb(struct zipkin *z, struct str body, struct err *reterr)
{
    struct pb list = pb_init(body);
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&list, &f, reterr)) > 0) {
        struct pb_field member;
        struct pb msg;

        if (f.tag != PB_TAG(1, PB_LEN)) {
            continue;
        }
        msg = pb_sub(&list, f.s);
        begin_span(z);
        while ((rc = pb_next(&msg, &member, reterr)) > 0) {
            rc = pb_member(z, &msg, &member, reterr);
            if (rc < 0) {
                return rc;
            }
        }
        rc = rc < 0 ? rc : end_span(z, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

/* ---- the request ---- */

static void write_groups(const struct zipkin *z, struct buf *dst)
{
    for (size_t i = 0; i < z->groups.n; i++) {
        const struct group *g = z->groups.v[i];
        size_t all = pb_begin(dst, 1);
        size_t resource = pb_begin(dst, 1);
        size_t attr = pb_begin(dst, 1);
        size_t value;
        size_t spans;
        size_t scope;

        pb_put_str(dst, 1, STR("service.name"));
        value = pb_begin(dst, 2);
        pb_put_str(dst, 1, g->service);
        pb_end(dst, value);
        pb_end(dst, attr);
        pb_end(dst, resource);
        spans = pb_begin(dst, 2);
        scope = pb_begin(dst, 1);
        pb_put_str(dst, 1, g->scope);
        pb_put_str(dst, 2, g->version);
        pb_end(dst, scope);
        buf_add_str(dst, buf_str(&g->spans));
        pb_end(dst, spans);
        pb_end(dst, all);
    }
}

int zipkin_to_otlp(enum zipkin_encoding enc, struct str body, int64_t arrival_ns, struct buf *dst,
                   struct err *reterr)
{
    struct zipkin z = {.arrival_ns = arrival_ns, .max = dst->max};
    int rc;

    arena_init(&z.a, dst->max);
    buf_init(&z.s.fields, dst->max);
    rc = enc == ZIPKIN_JSON ? read_json(&z, body, reterr) : read_pb(&z, body, reterr);
    if (rc == 0) {
        write_groups(&z, dst);
        rc = dst->failed ? err_set(reterr, ERR_TOO_LARGE, "the spans are too large together") : 0;
    }
    for (size_t i = 0; i < z.groups.n; i++) {
        buf_done(&z.groups.v[i]->spans);
    }
    vec_done(&z.groups);
    map_done(&z.by_key);
    buf_done(&z.s.fields);
    arena_done(&z.a);
    return rc;
}

int zipkin_receive(struct otlp *o, enum zipkin_encoding enc, struct str body, int64_t arrival_ns,
                   struct arena *arena, struct err *reterr)
{
    enum { OTLP_MAX = 64 << 20 };
    struct buf request CLEANUP(buf_done) = {0};
    struct buf answer CLEANUP(buf_done) = {0};
    struct otlp_request r = {.signal = OTLP_TRACES,
                             .encoding = OTLP_PROTOBUF,
                             .door = "zipkin",
                             .arrival_ns = arrival_ns};
    int rc;

    buf_init(&request, OTLP_MAX);
    buf_init(&answer, 1 << 20);
    rc = zipkin_to_otlp(enc, body, arrival_ns, &request, reterr);
    if (rc < 0) {
        return rc;
    }
    r.body = buf_str(&request);
    return otlp_export(o, &r, arena, &answer, reterr);
}
