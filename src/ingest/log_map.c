/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of names, and what is done with each kind of field.
 */
#include "ingest/log_map.h"

#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"

enum { NO_RANK = 1000, SEVERITY_MAX = 24 };

#define NAME(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct str TIMES[] = {NAME("@timestamp"), NAME("timestamp"), NAME("time"),
                                   NAME("ts"),         NAME("_time"),     NAME("datetime")};
static const struct str MESSAGES[] = {NAME("message"), NAME("msg"),     NAME("log"),
                                      NAME("_msg"),    NAME("MESSAGE"), NAME("body")};
static const struct str LEVELS[] = {NAME("log.level"),     NAME("level"),     NAME("severity"),
                                    NAME("severity_text"), NAME("log_level"), NAME("loglevel"),
                                    NAME("levelname"),     NAME("lvl"),       NAME("PRIORITY")};
static const struct str TRACES[] = {NAME("trace.id"), NAME("trace_id"), NAME("traceId"),
                                    NAME("traceid"), NAME("TraceId")};
static const struct str SPANS[] = {NAME("span.id"), NAME("span_id"), NAME("spanId"), NAME("spanid"),
                                   NAME("SpanId")};

/* Names that OpenTelemetry has another one for. `resource`: belongs to the source. */
static const struct {
    struct str from;
    struct str to;
    bool resource;
} RENAMES[] = {
    {NAME("service"), NAME("service.name"), true},
    {NAME("service.environment"), NAME("deployment.environment.name"), true},
    {NAME("host"), NAME("host.name"), true},
    {NAME("hostname"), NAME("host.name"), true},
    {NAME("host.hostname"), NAME("host.name"), true},
    {NAME("_HOSTNAME"), NAME("host.name"), true},
    {NAME("_SYSTEMD_UNIT"), NAME("systemd.unit"), true},
    {NAME("SYSLOG_IDENTIFIER"), NAME("service.name"), true},
    {NAME("_PID"), NAME("process.pid"), false},
    {NAME("container_id"), NAME("container.id"), true},
    {NAME("container_name"), NAME("container.name"), true},
    {NAME("kubernetes.pod_name"), NAME("k8s.pod.name"), true},
    {NAME("kubernetes.pod_id"), NAME("k8s.pod.uid"), true},
    {NAME("kubernetes.namespace_name"), NAME("k8s.namespace.name"), true},
    {NAME("kubernetes.namespace"), NAME("k8s.namespace.name"), true},
    {NAME("kubernetes.container_name"), NAME("k8s.container.name"), true},
    {NAME("kubernetes.container_image"), NAME("container.image.name"), true},
    {NAME("kubernetes.docker_id"), NAME("container.id"), true},
    {NAME("kubernetes.host"), NAME("k8s.node.name"), true},
    {NAME("stream"), NAME("log.iostream"), false},
    {NAME("error.stack_trace"), NAME("exception.stacktrace"), false},
    {NAME("error.message"), NAME("exception.message"), false},
    {NAME("error.type"), NAME("exception.type"), false},
    {NAME("process.thread.name"), NAME("thread.name"), false},
    {NAME("process.thread.id"), NAME("thread.id"), false},
};

/* Everything below these belongs to the source. */
static const struct {
    struct str from;
    struct str to;
} PREFIXES[] = {
    {NAME("service."), NAME("service.")},
    {NAME("host."), NAME("host.")},
    {NAME("cloud."), NAME("cloud.")},
    {NAME("container."), NAME("container.")},
    {NAME("k8s."), NAME("k8s.")},
    {NAME("kubernetes.labels."), NAME("k8s.pod.label.")},
    {NAME("kubernetes.annotations."), NAME("k8s.pod.annotation.")},
    {NAME("kubernetes."), NAME("k8s.")},
    {NAME("agent."), NAME("agent.")},
    {NAME("deployment."), NAME("deployment.")},
    {NAME("data_stream."), NAME("data_stream.")},
};

/* Where the name of a service is found when the event does not give one, as Loki's door does it. */
static const struct str SERVICES[] = {NAME("app"),
                                      NAME("application"),
                                      NAME("app_name"),
                                      NAME("k8s.pod.label.app.kubernetes.io/name"),
                                      NAME("k8s.pod.label.app"),
                                      NAME("k8s.container.name"),
                                      NAME("container.name")};

struct log_map *log_map_new(struct log_input *in, const struct log_map_names *names)
{
    static const struct log_map_names NONE;
    struct log_map *m = mem_try_calloc(1, sizeof(*m));

    if (m != NULL) {
        m->in = in;
        m->names = names != NULL ? names : &NONE;
    }
    return m;
}

void log_map_free(struct log_map *m)
{
    mem_free(m);
}

void log_map_begin(struct log_map *m)
{
    m->r = (struct log_record){.body.type = VALUE_STR};
    m->time_rank = m->message_rank = m->level_rank = NO_RANK;
    m->wrong_time = str_of(NULL, 0);
    m->attrs = NULL;
    m->attrs_n = m->attrs_cap = m->resource_n = 0;
    m->dropped = 0;
    m->record++;
}

static size_t rank_in(const struct str *v, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].n == name.n && str_eq(v[i], name)) {
            return i;
        }
    }
    return NO_RANK;
}

/* Names of the request first; when it names some, only those. */
static size_t rank_of(const struct str *own, size_t own_n, const struct str *usual, size_t usual_n,
                      struct str name)
{
    return own_n != 0 ? rank_in(own, own_n, name) : rank_in(usual, usual_n, name);
}

/* ---- attributes ---- */

static int clean_value(struct log_map *m, struct value *v)
{
    size_t max = m->in->sink->limits.max_attr_value_bytes;

    return v->type == VALUE_STR ? log_input_text(m->in, v->u.s, max, ALTER_VALUE_CUT, &v->u.s) : 0;
}

static int grow(struct log_map *m)
{
    size_t cap = m->attrs_cap != 0 ? 2 * m->attrs_cap : 16;
    struct attr *v = arena_array(m->in->arena, struct attr, cap);

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    if (m->attrs_n != 0) {
        memcpy(v, m->attrs, m->attrs_n * sizeof(*v));
    }
    m->attrs = v;
    m->attrs_cap = cap;
    return 0;
}

/* The last of equal keys wins. */
static int put_attr(struct log_map *m, struct str key, struct value value)
{
    const struct ingest_limits *lim = &m->in->sink->limits;
    size_t slot;
    int rc = log_input_text(m->in, key, SIZE_MAX, ALTER_UTF8, &key);

    rc = rc < 0 ? rc : clean_value(m, &value);
    if (rc < 0) {
        return rc;
    }
    if (key.n == 0 || key.n > lim->max_attr_key_bytes) {
        m->dropped++;
        return 0;
    }
    for (slot = hash64(key.p, key.n) % LOG_MAP_SLOTS; m->slots[slot].record == m->record;
         slot = (slot + 1) % LOG_MAP_SLOTS) {
        struct attr *a = &m->attrs[m->slots[slot].at];

        if (str_eq(a->key, key)) {
            a->value = value;
            return 0;
        }
    }
    if (m->attrs_n >= lim->max_attrs || m->attrs_n >= LOG_MAP_SLOTS / 2) {
        m->dropped++;
        return 0;
    }
    if (m->attrs_n == m->attrs_cap && grow(m) < 0) {
        return -ERR_NOMEM;
    }
    m->slots[slot].record = m->record;
    m->slots[slot].at = (uint32_t)m->attrs_n;
    m->attrs[m->attrs_n++] = (struct attr){key, value};
    return 0;
}

static struct attr *find_resource(struct log_map *m, struct str key)
{
    for (size_t i = 0; i < m->resource_n; i++) {
        if (str_eq(m->resource[i].key, key)) {
            return &m->resource[i];
        }
    }
    return NULL;
}

/* Of two fields that mean the same the first one given stays, unless `over`. */
static int put_resource(struct log_map *m, struct str key, struct value value, bool over)
{
    struct attr *old = find_resource(m, key);
    int rc;

    if ((value.type != VALUE_STR && value.type != VALUE_I64) ||
        (old == NULL && m->resource_n == LOG_INPUT_RESOURCE_ATTRS) ||
        key.n > m->in->sink->limits.max_attr_key_bytes) {
        return put_attr(m, key, value);
    }
    rc = log_input_text(m->in, key, SIZE_MAX, ALTER_UTF8, &key);
    rc = rc < 0 ? rc : clean_value(m, &value);
    if (rc < 0 || (old != NULL && !over)) {
        return rc;
    }
    if (old == NULL) {
        old = &m->resource[m->resource_n++];
    }
    *old = (struct attr){key, value};
    return 0;
}

int log_map_resource(struct log_map *m, struct str key, struct str value)
{
    return put_resource(m, key, (struct value){.type = VALUE_STR, .u.s = value}, true);
}

/* ---- times ---- */

static bool number_time(double v, int64_t i, bool whole, int64_t *ret_ns)
{
    static const struct {
        double below; /* larger numbers are of the next unit */
        int64_t ns;
    } UNITS[] = {{1e11, 1000000000}, {1e14, 1000000}, {1e17, 1000}, {9.2e18, 1}};

    for (size_t k = 0; k < ARRAY_LEN(UNITS); k++) {
        if (v >= 0 && v < UNITS[k].below) {
            if (v * (double)UNITS[k].ns > 9.2e18) {
                return false; /* beyond the year 2261 */
            }
            /* whole numbers exactly; of seconds with a fraction a double knows about 100 ns */
            *ret_ns = whole ? i * UNITS[k].ns
                            : (int64_t)v * UNITS[k].ns +
                                  (int64_t)llround((v - floor(v)) * (double)UNITS[k].ns);
            return v > 0 && *ret_ns > 0;
        }
    }
    return false;
}

static bool text_time(struct str s, int64_t *ret_ns)
{
    char with_zone[64];
    int64_t i;
    double f;

    s = str_trim(s);
    if (clock_parse_rfc3339(s.p, s.n, ret_ns) == 0) {
        return *ret_ns > 0;
    }
    if (str_to_i64(s, &i)) {
        return number_time((double)i, i, true, ret_ns);
    }
    if (s.n >= 19 && s.n < sizeof(with_zone) - 2 && s.p[4] == '-') {
        size_t n = s.n;

        memcpy(with_zone, s.p, n);
        if (n >= 5 && (s.p[n - 5] == '+' || s.p[n - 5] == '-') && s.p[n - 3] != ':') {
            memmove(with_zone + n - 1, with_zone + n - 2, 2); /* +0900 */
            with_zone[n - 2] = ':';
            n++;
        } else {
            with_zone[n++] = 'Z';
        }
        return clock_parse_rfc3339(with_zone, n, ret_ns) == 0 && *ret_ns > 0;
    }
    return s.n != 0 && s.n < 40 && str_to_f64(s, &f) && isfinite(f) &&
           number_time(f, 0, false, ret_ns);
}

bool log_map_time(const struct value *v, int64_t *ret_ns)
{
    switch (v->type) {
    case VALUE_STR:
        return text_time(v->u.s, ret_ns);
    case VALUE_I64:
        return number_time((double)v->u.i, v->u.i, true, ret_ns);
    case VALUE_F64:
        return isfinite(v->u.f) && number_time(v->u.f, 0, false, ret_ns);
    default:
        return false;
    }
}

/* ---- fields that are more than attributes: 1 taken, 0 not, or an error ---- */

static int take_time(struct log_map *m, struct str path, const struct value *v)
{
    size_t rank = m->names->no_time
                      ? NO_RANK
                      : rank_of(m->names->time, m->names->time_n, TIMES, ARRAY_LEN(TIMES), path);
    int64_t ns;

    if (rank == NO_RANK) {
        return 0;
    }
    if (!log_map_time(v, &ns)) {
        if (m->wrong_time.p == NULL && (rank == 0 || m->names->time_n != 0)) {
            m->wrong_time = v->type == VALUE_STR && v->u.s.n != 0 ? v->u.s : STR("?");
        }
        return 0;
    }
    if (rank < m->time_rank) {
        m->time_rank = rank;
        m->r.time_ns = ns;
        return 1;
    }
    return 0;
}

static int take_message(struct log_map *m, struct str path, const struct value *v)
{
    size_t rank =
        rank_of(m->names->message, m->names->message_n, MESSAGES, ARRAY_LEN(MESSAGES), path);
    struct value old = m->r.body;
    size_t old_rank = m->message_rank;
    struct str text = v->u.s;
    int rc;

    if (rank == NO_RANK || v->type != VALUE_STR || rank > old_rank) {
        return 0;
    }
    while (text.n != 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r')) {
        text.n--; /* Docker and Fluent Bit leave the end of the line there */
    }
    rc = log_input_text(m->in, text, m->in->sink->limits.max_body_bytes, ALTER_BODY_CUT,
                        &m->r.body.u.s);
    m->message_rank = rank;
    if (rc == 0 && old_rank < ARRAY_LEN(MESSAGES) && old_rank != rank && m->names->message_n == 0) {
        rc = put_attr(m, MESSAGES[old_rank], old); /* a better name came: the other is a field */
    }
    return rc < 0 ? rc : 1;
}

/* Numbers: syslog's 0-7, or those of pino and bunyan (10 trace ... 60 fatal). */
static uint8_t number_severity(int64_t i)
{
    static const uint8_t SYSLOG[] = {21, 19, 18, 17, 13, 10, 9, 5};
    static const uint8_t PINO[] = {1, 5, 9, 13, 17, 21};

    if (i >= 0 && i < (int64_t)ARRAY_LEN(SYSLOG)) {
        return SYSLOG[i];
    }
    return i >= 10 && i <= 60 && i % 10 == 0 ? PINO[i / 10 - 1] : 0;
}

static int take_level(struct log_map *m, struct str path, const struct value *v)
{
    size_t rank = rank_of(m->names->level, m->names->level_n, LEVELS, ARRAY_LEN(LEVELS), path);
    int64_t i;
    int rc;

    if (str_eq(path, STR("severity_number")) && v->type == VALUE_I64 && v->u.i > 0 &&
        v->u.i <= SEVERITY_MAX) {
        m->r.severity = (uint8_t)v->u.i;
        m->level_rank = 0;
        return 1;
    }
    if (rank == NO_RANK || rank >= m->level_rank) {
        return 0;
    }
    if (v->type == VALUE_I64 || (v->type == VALUE_STR && str_to_i64(v->u.s, &i))) {
        i = v->type == VALUE_I64 ? v->u.i : i;
        if (number_severity(i) != 0) {
            m->r.severity = number_severity(i);
            m->level_rank = rank;
        }
        return 0; /* the number stays to be seen */
    }
    if (v->type != VALUE_STR || v->u.s.n == 0) {
        return 0;
    }
    rc = log_input_text(m->in, v->u.s, 64, ALTER_VALUE_CUT, &m->r.severity_text);
    m->r.severity = rc < 0 ? 0 : ingest_severity(m->r.severity_text);
    m->level_rank = rank;
    return rc < 0 ? rc : 1;
}

static int take_id(struct log_map *m, struct str path, const struct value *v)
{
    if (v->type != VALUE_STR) {
        return 0;
    }
    if (v->u.s.n == 32 && rank_in(TRACES, ARRAY_LEN(TRACES), path) != NO_RANK) {
        return hex_decode(v->u.s, m->r.trace_id.b, TRACE_ID_SIZE) &&
               !trace_id_is_zero(m->r.trace_id);
    }
    if (v->u.s.n == 16 && rank_in(SPANS, ARRAY_LEN(SPANS), path) != NO_RANK) {
        return hex_decode(v->u.s, m->r.span_id.b, SPAN_ID_SIZE) && !span_id_is_zero(m->r.span_id);
    }
    return 0;
}

static int put_renamed(struct log_map *m, struct str path, struct value v)
{
    for (size_t i = 0; i < ARRAY_LEN(RENAMES); i++) {
        if (path.n == RENAMES[i].from.n && str_eq(path, RENAMES[i].from)) {
            return RENAMES[i].resource ? put_resource(m, RENAMES[i].to, v, false)
                                       : put_attr(m, RENAMES[i].to, v);
        }
    }
    if (rank_in(m->names->stream, m->names->stream_n, path) != NO_RANK) {
        return put_resource(m, path, v, true);
    }
    for (size_t i = 0; i < ARRAY_LEN(PREFIXES); i++) {
        struct str key = path;

        if (!str_starts(path, PREFIXES[i].from)) {
            continue;
        }
        if (!str_eq(PREFIXES[i].from, PREFIXES[i].to)) {
            key = arena_printf(m->in->arena, "%.*s%.*s", STR_ARG(PREFIXES[i].to),
                               STR_ARG(str_drop(path, PREFIXES[i].from.n)));
        }
        return key.p == NULL ? -ERR_NOMEM : put_resource(m, key, v, true);
    }
    return put_attr(m, path, v);
}

int log_map_field(struct log_map *m, struct str path, struct value value)
{
    static int (*const TAKES[])(struct log_map *, struct str, const struct value *) = {
        take_time, take_message, take_level, take_id};

    if (value.type == VALUE_NONE) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(TAKES); i++) {
        int rc = TAKES[i](m, path, &value);

        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
    }
    return put_renamed(m, path, value);
}

/* ---- the end ---- */

static void find_service(struct log_map *m)
{
    const struct attrs own = {m->attrs, m->attrs_n};
    const struct attrs source = {m->resource, m->resource_n};

    if (find_resource(m, STR("service.name")) != NULL ||
        m->resource_n == LOG_INPUT_RESOURCE_ATTRS) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++) {
        struct str name = attrs_get_str(source, SERVICES[i]);

        name = name.n != 0 ? name : attrs_get_str(own, SERVICES[i]);
        name = str_drop(name, name.n != 0 && name.p[0] == '/'); /* Docker's names */
        if (name.n != 0) {
            m->resource[m->resource_n++] =
                (struct attr){STR("service.name"), {.type = VALUE_STR, .u.s = name}};
            return;
        }
    }
}

int log_map_end(struct log_map *m, struct str whole)
{
    if (m->message_rank == NO_RANK &&
        log_input_text(m->in, whole, m->in->sink->limits.max_body_bytes, ALTER_BODY_CUT,
                       &m->r.body.u.s) < 0) {
        return -ERR_NOMEM;
    }
    find_service(m);
    m->r.resource = log_input_resource(m->in, m->resource, m->resource_n);
    if (m->r.resource == NULL) {
        return -ERR_NOMEM;
    }
    m->r.attrs = (struct attrs){m->attrs, m->attrs_n};
    m->r.dropped_attrs = m->dropped;
    m->in->tally.altered[ALTER_ATTRS] += m->dropped;
    return log_input_add(m->in, &m->r);
}
