/* SPDX-License-Identifier: Apache-2.0
 *
 * Views from the series: increases of counters between the last samples before the range's start and its end. Nothing
 * is extrapolated, so what was counted is what is shown.
 */
#include <math.h>

#include "apm/topology_internal.h"
#include "base/cancel.h"
#include "base/err.h"
#include "model/matcher.h"

enum { LOOKBACK_MS = 60000, UP_MS = 60000, MAX_SERIES = 500000 };

enum part {
    REQUESTS,
    FAILED,
    MAX_TIME,
    CLIENT_BUCKET,
    CLIENT_SUM,
    SERVER_BUCKET,
    SERVER_SUM,
    INSTANCE_REQUESTS,
    INSTANCE_FAILED,
    INSTANCE_SUM,
    PARTS,
};

static const char *const PART_NAMES[PARTS] = {
    [REQUESTS] = TOPOLOGY_SERIES "request_total",
    [FAILED] = TOPOLOGY_SERIES "request_failed_total",
    [MAX_TIME] = TOPOLOGY_SERIES "request_max_seconds",
    [CLIENT_BUCKET] = TOPOLOGY_SERIES "request_client_seconds_bucket",
    [CLIENT_SUM] = TOPOLOGY_SERIES "request_client_seconds_sum",
    [SERVER_BUCKET] = TOPOLOGY_SERIES "request_server_seconds_bucket",
    [SERVER_SUM] = TOPOLOGY_SERIES "request_server_seconds_sum",
    [INSTANCE_REQUESTS] = TOPOLOGY_SERIES "instance_request_total",
    [INSTANCE_FAILED] = TOPOLOGY_SERIES "instance_request_failed_total",
    [INSTANCE_SUM] = TOPOLOGY_SERIES "instance_request_seconds_sum",
};

/** What an edge's series say, before it is known whose times count. */
struct sides {
    double client_sum, server_sum;
    double *client, *server; /* BOUNDS + 1, cumulative; NULL: none */
};

struct reader {
    const struct topology_ask *ask;
    struct view_maker m;
    VEC(struct sides) sides; /* by edge */
    struct samples samples;
};

static enum topology_link link_of(struct str s)
{
    for (int i = 0; i < TOPOLOGY_LINKS; i++) {
        if (str_eq(s, str_cstr(topology_link_name((enum topology_link)i)))) {
            return (enum topology_link)i;
        }
    }
    return TOPOLOGY_DIRECT;
}

static enum topology_kind kind_of(struct str s)
{
    for (int i = 0; i < TOPOLOGY_KINDS; i++) {
        if (str_eq(s, str_cstr(topology_kind_name((enum topology_kind)i)))) {
            return (enum topology_kind)i;
        }
    }
    return TOPOLOGY_EXTERNAL;
}

static double increase(const struct samples *s, int64_t from_ms, int64_t to_ms)
{
    double sum = 0;
    double before = NAN;

    for (size_t i = 0; i < s->n && s->t_ms[i] <= to_ms; i++) {
        double v = s->v[i];

        if (isnan(v)) {
            continue;
        }
        if (s->t_ms[i] > from_ms && !isnan(before)) {
            sum += v < before ? v : v - before;
        }
        before = v;
    }
    return sum;
}

static double highest(const struct samples *s, int64_t from_ms, int64_t to_ms)
{
    double max = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (s->t_ms[i] > from_ms && s->t_ms[i] <= to_ms && s->v[i] > max) {
            max = s->v[i];
        }
    }
    return max;
}

/** What the series themselves tell of a node; the rest comes from those of nodes. */
static uint32_t end_of(struct reader *r, struct labels ls, bool client)
{
    struct view_name n = {
        .name = labels_get(ls, client ? STR("client") : STR("server")),
        .name_space = labels_get(ls, client ? STR("client_service_namespace")
                                            : STR("server_service_namespace")),
        .instance = r->ask->level == TOPOLOGY_INSTANCES
                        ? labels_get(ls, client ? STR("client_instance") : STR("server_instance"))
                        : STR(""),
        .kind = TOPOLOGY_SERVICE,
        .monitored = true};

    return view_node(&r->m, &n);
}

static bool bucket_of(struct str le, size_t *ret)
{
    double bound;

    if (!str_to_f64(le, &bound)) {
        return false;
    }
    *ret = BOUNDS;
    for (size_t i = 0; i < BOUNDS; i++) {
        if (fabs(bound - TOPOLOGY_BOUNDS_S[i]) < 1e-9) {
            *ret = i;
            return true;
        }
    }
    return isinf(bound);
}

static void add_bucket(struct reader *r, double **at, struct str le, double v)
{
    size_t i;

    if (*at == NULL) {
        *at = arena_calloc(r->m.a, BOUNDS + 1, sizeof(**at));
        r->m.failed |= *at == NULL;
    }
    if (*at != NULL && bucket_of(le, &i)) {
        (*at)[i] += v;
    }
}

static void add_part(struct reader *r, enum part part, struct labels ls)
{
    const struct topology_ask *a = r->ask;
    double v = part == MAX_TIME ? highest(&r->samples, a->from_ms, a->to_ms)
                                : increase(&r->samples, a->from_ms, a->to_ms);
    struct made_edge *e;
    struct sides *s;

    if (!(v > 0)) {
        return;
    }
    e = view_edge(&r->m, end_of(r, ls, true), end_of(r, ls, false),
                  link_of(labels_get(ls, STR("connection_type"))));
    while (e != NULL && r->sides.n < r->m.edges.n) {
        if (!vec_push(&r->sides, (struct sides){0})) {
            r->m.failed = true;
            return;
        }
    }
    if (e == NULL) {
        return;
    }
    s = &r->sides.v[e - r->m.edges.v];
    switch (part) {
    case REQUESTS:
    case INSTANCE_REQUESTS:
        e->e.f.requests += v;
        break;
    case FAILED:
    case INSTANCE_FAILED:
        e->e.f.failed += v;
        break;
    case INSTANCE_SUM:
        e->e.f.sum_s += v;
        break;
    case MAX_TIME:
        e->e.f.max_s = v > e->e.f.max_s ? v : e->e.f.max_s;
        break;
    case CLIENT_SUM:
        s->client_sum += v;
        break;
    case SERVER_SUM:
        s->server_sum += v;
        break;
    case CLIENT_BUCKET:
        add_bucket(r, &s->client, labels_get(ls, STR("le")), v);
        break;
    case SERVER_BUCKET:
        add_bucket(r, &s->server, labels_get(ls, STR("le")), v);
        break;
    case PARTS:
        break;
    }
}

static int each_series(struct reader *r, const struct series_query *q,
                       void (*fn)(struct reader *r, struct labels ls), struct err *e)
{
    const struct series_source_ops *ops = r->ask->src.ops;
    struct series_selection *s = NULL;
    int rc = ops->select(r->ask->src.impl, q, &s, e);

    for (size_t i = 0; rc == 0 && i < ops->count(s); i++) {
        rc = cancel_check(r->ask->cancel);
        rc = rc < 0 ? err_set(e, (enum err_code) - rc, "%s", err_text(rc))
                    : ops->read(s, i, &r->samples, e);
        if (rc == 0) {
            fn(r, ops->labels(s, i));
        }
    }
    if (s != NULL) {
        ops->free(s);
    }
    return rc < 0 ? rc : 0;
}

static int read_series(struct reader *r, enum match_op op, struct str names, struct series_query q,
                       void (*fn)(struct reader *r, struct labels ls), struct err *e)
{
    struct matcher *by_name = NULL;
    int rc = matcher_new(op, STR("__name__"), names, &by_name, e);
    const struct matcher *const matchers[] = {by_name};

    q.matchers = matchers;
    q.matchers_n = 1;
    q.max_series = MAX_SERIES;
    q.cancel = r->ask->cancel;
    q.budget = r->ask->budget;
    rc = rc < 0 ? rc : each_series(r, &q, fn, e);
    matcher_free(by_name);
    return rc;
}

static void take_counter(struct reader *r, struct labels ls)
{
    struct str name = labels_get(ls, STR("__name__"));

    for (int p = 0; p < PARTS; p++) {
        if (str_eq(name, str_cstr(PART_NAMES[p]))) {
            add_part(r, (enum part)p, ls);
            return;
        }
    }
}

static int read_counters(struct reader *r, struct err *e)
{
    const struct topology_ask *a = r->ask;
    bool groups = a->level == TOPOLOGY_GROUPS;
    struct series_query q = {
        .min_ms = a->from_ms - LOOKBACK_MS,
        .max_ms = a->to_ms,
        .hint = {.need = SERIES_NEED_COUNTER, .range_ms = a->to_ms - a->from_ms}};
    struct buf names;
    int rc;

    buf_init(&names, 2048);
    for (int p = groups ? REQUESTS : INSTANCE_REQUESTS; p <= (groups ? SERVER_SUM : INSTANCE_SUM);
         p++) {
        if (p != MAX_TIME) {
            buf_printf(&names, "%s%s", names.n != 0 ? "|" : "", PART_NAMES[p]);
        }
    }
    rc = buf_status(&names) < 0 ? err_set(e, ERR_NOMEM, "out of memory")
                                : read_series(r, MATCH_RE, buf_str(&names), q, take_counter, e);
    buf_done(&names);
    if (rc < 0 || !groups) {
        return rc;
    }
    q.min_ms = a->from_ms;
    q.hint.need = SERIES_NEED_MAX;
    return read_series(r, MATCH_EQ, str_cstr(PART_NAMES[MAX_TIME]), q, take_counter, e);
}

/** Whose times an edge shows: the caller's, but of messages the worker's. */
static void choose_sides(struct reader *r)
{
    for (size_t i = 0; i < r->sides.n; i++) {
        struct made_edge *e = &r->m.edges.v[i];
        const struct sides *s = &r->sides.v[i];
        bool server = s->server != NULL && (s->client == NULL || e->e.link == TOPOLOGY_MESSAGING);

        if (r->ask->level == TOPOLOGY_INSTANCES) {
            continue;
        }
        e->e.f.sum_s = server ? s->server_sum : s->client_sum;
        e->buckets = server ? s->server : s->client;
        for (size_t b = BOUNDS; e->buckets != NULL && b > 0; b--) {
            e->buckets[b] =
                e->buckets[b] > e->buckets[b - 1] ? e->buckets[b] - e->buckets[b - 1] : 0;
        }
    }
}

/** Edges whose only sign is a maximum have no request in the range. */
static void drop_empty(struct reader *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->m.edges.n; i++) {
        if (r->m.edges.v[i].e.f.requests > 0) {
            r->m.edges.v[n++] = r->m.edges.v[i];
        }
    }
    r->m.edges.n = n;
}

static void take_node(struct reader *r, struct labels ls)
{
    struct str name = labels_get(ls, STR("node"));
    struct str name_space = labels_get(ls, STR("service_namespace"));
    enum topology_kind kind = kind_of(labels_get(ls, STR("kind")));
    struct str system = arena_str_dup(r->m.a, labels_get(ls, STR("system")));
    bool monitored = kind == TOPOLOGY_WEB || kind == TOPOLOGY_SERVICE;
    double v = NAN;

    for (size_t i = r->samples.n; i > 0 && isnan(v); i--) {
        v = r->samples.t_ms[i - 1] <= r->ask->to_ms ? r->samples.v[i - 1] : NAN;
    }
    if (isnan(v)) {
        return;
    }
    for (size_t i = 0; i < r->m.nodes.n; i++) {
        struct topology_node *n = &r->m.nodes.v[i].n;

        if (!str_eq(n->name, name) || !str_eq(n->name_space, name_space)) {
            continue;
        }
        if (n->system.n == 0 || monitored) {
            n->kind = kind;
            n->monitored = monitored;
            n->system = system;
        }
        if (monitored && n->instance.n == 0) {
            n->instances = (uint32_t)v;
        }
    }
}

static int read_nodes(struct reader *r, struct err *e)
{
    const struct topology_ask *a = r->ask;
    /* a server that stopped since knows what the nodes were */
    const struct series_query q = {.min_ms = a->from_ms - UP_MS, .max_ms = a->to_ms};

    return read_series(r, MATCH_EQ, STR(TOPOLOGY_SERIES "node_instances"), q, take_node, e);
}

int topology_history(const struct topology_ask *ask, struct arena *a, struct topology_view *ret,
                     struct err *reterr)
{
    struct reader r = {.ask = ask, .m = {.a = a}};
    int rc = read_counters(&r, reterr);

    if (rc == 0) {
        choose_sides(&r);
        drop_empty(&r);
        rc = read_nodes(&r, reterr);
    }
    if (rc == 0) {
        rc = view_finish(&r.m, ret, reterr);
        ret->from_ms = ask->from_ms;
        ret->to_ms = ask->to_ms;
    }
    vec_done(&r.sides);
    samples_done(&r.samples);
    view_maker_done(&r.m);
    return rc;
}
