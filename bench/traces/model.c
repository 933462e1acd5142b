/* SPDX-License-Identifier: Apache-2.0
 *
 * A trace is drawn as a tree first; then durations are added up from the leaves, then starts are given from the root, so
 * that children lie within their parents. Only consumers of queues begin after their producers.
 */
#include "model.h"

#include <stdlib.h>

#include "base/hash.h"
#include "lib/otlp.h"

enum { ATTRS_MAX = 10, MEAN_SPANS = 28, SPANS_LEAST = 5 };

/* What a span is while its trace is drawn. */
struct node {
    const struct service *service;
    const struct operation *op;
    int replica;
    int parent; /* -1: the root */
    int64_t self_ns;
    int64_t total_ns; /* with its children */
    int64_t next_ns;  /* where its next child starts */
    bool async;       /* not waited for */
};

struct tree {
    const struct services *services;
    struct dice dice;
    struct arena *arena;
    struct span *spans;
    struct node nodes[TRACE_SPANS_MAX];
    int open[TRACE_SPANS_MAX]; /* servers and consumers: they get children */
    size_t open_n;
    size_t n;
    size_t want;
};

struct trace_id trace_id_of(uint64_t seed, uint64_t n)
{
    uint64_t v[2] = {hash_u64(seed ^ n * 0x9e3779b97f4a7c15u), hash_u64(~seed + n)};
    struct trace_id id;

    memcpy(id.b, v, sizeof id.b);
    return id;
}

/* ---- attributes ---- */

static void put(struct span *s, const char *key, struct str value)
{
    if (s->attrs.n < ATTRS_MAX)
        ((struct attr *)s->attrs.v)[s->attrs.n++] =
            (struct attr){str_cstr(key), {.type = VALUE_STR, .u.s = value}};
}

static void put_int(struct span *s, const char *key, int64_t value)
{
    if (s->attrs.n < ATTRS_MAX)
        ((struct attr *)s->attrs.v)[s->attrs.n++] =
            (struct attr){str_cstr(key), {.type = VALUE_I64, .u.i = value}};
}

static struct str path_of(struct tree *t, const struct operation *o)
{
    int64_t at = str_find(str_cstr(o->route), STR("{id}"));

    if (at < 0)
        return str_cstr(o->route);
    return arena_printf(t->arena, "%.*s%u%s", (int)at, o->route,
                        1000 + (unsigned)dice_zipf(&t->dice, 500000), o->route + at + 4);
}

static void describe_server(struct tree *t, struct span *s, const struct node *k)
{
    static const char *const agents[] = {
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
        "ShopApp/5.14.2 (iOS 17.6; Scale/3.00)", "ShopApp/5.13.0 (Android 13; SM-A546S)",
        "okhttp/4.12.0"};
    bool failed = s->status == SPAN_STATUS_ERROR;

    put(s, "http.request.method", str_cstr(k->op->method));
    put(s, "http.route", str_cstr(k->op->route));
    put(s, "url.path", path_of(t, k->op));
    put(s, "url.scheme", STR("http"));
    put_int(s, "http.response.status_code", failed ? 500 : dice_once_in(&t->dice, 40) ? 404 : 200);
    put(s, "server.address", str_cstr(k->service->address));
    put_int(s, "server.port", 8080);
    put(s, "network.protocol.version", STR("1.1"));
    if (k->parent < 0) {
        unsigned client = (unsigned)dice_below(&t->dice, 64 << 8);

        put(s, "client.address", arena_printf(t->arena, "100.64.%u.%u", client >> 8, client & 255));
        put(s, "user_agent.original", str_cstr(agents[dice_zipf(&t->dice, ARRAY_LEN(agents))]));
    }
}

static void describe_client(struct tree *t, struct span *s, const struct service *to,
                            const struct operation *op)
{
    struct str path = path_of(t, op);

    put(s, "http.request.method", str_cstr(op->method));
    put(s, "url.full", arena_printf(t->arena, "http://%s:8080%.*s", to->address, STR_ARG(path)));
    put(s, "server.address", str_cstr(to->address));
    put_int(s, "server.port", 8080);
    put_int(s, "http.response.status_code", s->status == SPAN_STATUS_ERROR ? 500 : 200);
}

static void describe_store(struct tree *t, struct span *s, const struct node *k)
{
    unsigned id = 1000 + (unsigned)dice_zipf(&t->dice, 500000);

    if (k->service->store == STORE_REDIS) {
        s->name = STR("GET");
        put(s, "db.system.name", STR("redis"));
        put(s, "db.operation.name", STR("GET"));
        put(s, "db.query.text", arena_printf(t->arena, "GET %s:%u", k->service->table, id));
        put(s, "server.address", STR("redis-0.shop.svc.cluster.local"));
        put_int(s, "server.port", 6379);
        return;
    }
    bool mongo = k->service->store == STORE_MONGO;
    s->name = arena_printf(t->arena, "%s %s", k->op->query[0] == 'I' ? "INSERT" : "SELECT",
                           k->service->table);
    put(s, "db.system.name", mongo ? STR("mongodb") : STR("postgresql"));
    put(s, "db.namespace", STR("shop"));
    put(s, "db.collection.name", str_cstr(k->service->table));
    put(s, "db.operation.name", k->op->query[0] == 'I' ? STR("INSERT") : STR("SELECT"));
    put(s, "db.query.text", str_cstr(k->op->query));
    put(s, "server.address",
        mongo ? STR("mongo-0.shop.svc.cluster.local") : STR("postgres-0.shop.svc.cluster.local"));
    put_int(s, "server.port", mongo ? 27017 : 5432);
    put_int(s, "db.response.returned_rows", (int64_t)dice_zipf(&t->dice, 100));
}

static void describe_message(struct tree *t, struct span *s, const struct service *of,
                             bool consumer)
{
    put(s, "messaging.system", STR("kafka"));
    put(s, "messaging.destination.name", str_cstr(of->table));
    put(s, "messaging.operation.type", consumer ? STR("process") : STR("send"));
    put_int(s, "messaging.destination.partition.id", (int64_t)dice_below(&t->dice, 24));
    put_int(s, "messaging.kafka.offset", (int64_t)dice_below(&t->dice, 100000000));
}

/* ---- spans ---- */

/* In one of 50 spans, and in every failed one. */
static void add_exception(struct tree *t, struct span *s)
{
    static const struct {
        struct str type, message;
    } thrown[] = {
        {STR("java.net.SocketTimeoutException"), STR("Read timed out")},
        {STR("org.springframework.dao.DeadlockLoserDataAccessException"), STR("deadlock detected")},
        {STR("com.example.shop.NotFoundException"), STR("no such item")},
        {STR("TypeError"), STR("Cannot read properties of undefined (reading 'id')")}};

    size_t which = dice_zipf(&t->dice, ARRAY_LEN(thrown));
    struct span_event *e = arena_calloc(t->arena, 1, sizeof *e);
    struct attr *a = arena_array(t->arena, struct attr, 3);

    a[0] = (struct attr){STR("exception.type"), {.type = VALUE_STR, .u.s = thrown[which].type}};
    a[1] =
        (struct attr){STR("exception.message"), {.type = VALUE_STR, .u.s = thrown[which].message}};
    a[2] = (struct attr){STR("exception.stacktrace"), {.type = VALUE_STR}};
    a[2].value.u.s = arena_printf(
        t->arena,
        "%.*s: %.*s\n\tat com.example.shop.Service.call(Service.java:%u)\n\tat com.example.shop.web.Controller.handle(Controller.java:88)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)",
        STR_ARG(thrown[which].type), STR_ARG(thrown[which].message),
        40 + (unsigned)dice_below(&t->dice, 20));
    *e = (struct span_event){.name = STR("exception"), .attrs = {a, 3}};
    s->events = e;
    s->events_n = 1;
    if (s->status == SPAN_STATUS_ERROR)
        s->status_message = thrown[which].message;
}

static int add_span(struct tree *t, struct node k, uint8_t kind, const struct scope *scope)
{
    int i = (int)t->n++;
    struct span *s = &t->spans[i];
    uint64_t id = random_next(&t->dice.state) | 1;

    *s = (struct span){
        .trace_id = t->spans[0].trace_id, .kind = kind, .scope = scope, .flags = 0x101};
    memcpy(s->span_id.b, &id, SPAN_ID_SIZE);
    if (k.parent >= 0)
        s->parent_id = t->spans[k.parent].span_id;
    s->name = str_cstr(k.op->name);
    s->resource = &k.service->replicas[k.replica].resource;
    s->attrs.v = arena_array(t->arena, struct attr, ATTRS_MAX);
    if (dice_once_in(&t->dice, 100))
        s->status = SPAN_STATUS_ERROR;
    if (s->status == SPAN_STATUS_ERROR || dice_once_in(&t->dice, 100))
        add_exception(t, s);
    t->nodes[i] = k;
    return i;
}

static struct node node_in(struct tree *t, const struct service *s, int parent, uint64_t median_ns)
{
    struct node k = {.service = s, .parent = parent};

    k.op = &s->operations[dice_zipf(&t->dice, (uint64_t)s->operations_n)];
    k.replica = (int)dice_below(&t->dice, (uint64_t)s->replicas_n);
    k.self_ns = (int64_t)dice_lognormal(&t->dice, median_ns, 16);
    return k;
}

static void add_server(struct tree *t, struct node k)
{
    int i;

    k.self_ns = (int64_t)dice_lognormal(&t->dice, k.op->median_ns / 3, 16);
    i = add_span(t, k, SPAN_SERVER, &t->services->http);
    describe_server(t, &t->spans[i], &t->nodes[i]);
    t->open[t->open_n++] = i;
}

static void add_call(struct tree *t, int parent)
{
    const struct node *p = &t->nodes[parent];
    const struct service *to =
        &t->services->v[p->service->callees[dice_zipf(&t->dice, (uint64_t)p->service->callees_n)]];
    struct node server = node_in(t, to, 0, 1000);
    struct node client = *p;

    client.parent = parent;
    client.async = false;
    client.self_ns = (int64_t)dice_lognormal(&t->dice, 600000, 12);
    client.op = server.op;
    server.parent = add_span(t, client, SPAN_CLIENT, &t->services->client);
    describe_client(t, &t->spans[server.parent], to, server.op);
    t->spans[server.parent].name = str_cstr(server.op->method);
    add_server(t, server);
}

static void add_message(struct tree *t, int parent)
{
    const struct node *p = &t->nodes[parent];
    const struct service *to = &t->services->v[20 + dice_below(&t->dice, 8)];
    struct node producer = *p;
    struct node consumer = node_in(t, to, 0, 8000000);

    producer.parent = parent;
    producer.async = false;
    producer.self_ns = (int64_t)dice_lognormal(&t->dice, 900000, 12);
    consumer.parent = add_span(t, producer, SPAN_PRODUCER, &t->services->messaging);
    t->spans[consumer.parent].name = arena_printf(t->arena, "send %s", to->table);
    describe_message(t, &t->spans[consumer.parent], to, false);
    consumer.async = true;
    int i = add_span(t, consumer, SPAN_CONSUMER, &t->services->messaging);
    t->spans[i].name = arena_printf(t->arena, "process %s", to->table);
    describe_message(t, &t->spans[i], to, true);
    t->open[t->open_n++] = i;
}

static void add_local(struct tree *t, int parent)
{
    struct node k = t->nodes[parent];
    bool store = k.service->store != STORE_NONE && !dice_once_in(&t->dice, 6);
    int i;

    k.parent = parent;
    k.async = false;
    k.self_ns = (int64_t)dice_lognormal(&t->dice,
                                        !store                            ? 300000
                                        : k.service->store == STORE_REDIS ? 400000
                                                                          : 2500000,
                                        18);
    i = add_span(t, k, store ? SPAN_CLIENT : SPAN_INTERNAL,
                 store ? &t->services->db : &t->services->http);
    if (store) {
        describe_store(t, &t->spans[i], &t->nodes[i]);
        return;
    }
    t->spans[i].name = arena_printf(t->arena, "%sService.handle", k.service->table);
    put(&t->spans[i], "code.function.name",
        arena_printf(t->arena, "com.example.shop.%s.%sService.handle", k.service->name,
                     k.service->table));
    put(&t->spans[i], "thread.name",
        arena_printf(t->arena, "http-nio-8080-exec-%u", 1 + (unsigned)dice_below(&t->dice, 200)));
}

static void grow(struct tree *t)
{
    while (t->n < t->want) {
        int parent = t->open[dice_below(&t->dice, t->open_n)];
        uint64_t what = dice_below(&t->dice, 100);

        if (what < 34 && t->nodes[parent].service->callees_n != 0 && t->n + 2 <= t->want)
            add_call(t, parent);
        else if (what < 38 && t->n + 2 <= t->want)
            add_message(t, parent);
        else
            add_local(t, parent);
    }
}

/* ---- time ---- */

static void set_times(struct tree *t, int64_t start_ns)
{
    for (size_t i = t->n; i-- > 0;) {
        struct node *k = &t->nodes[i];

        k->total_ns += k->self_ns;
        if (k->parent >= 0 && !k->async)
            t->nodes[k->parent].total_ns += k->total_ns;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct node *k = &t->nodes[i];
        struct node *p = k->parent >= 0 ? &t->nodes[k->parent] : NULL;
        struct span *s = &t->spans[i];

        if (p && k->async)
            s->start_ns =
                t->spans[k->parent].end_ns + (int64_t)dice_lognormal(&t->dice, 3000000, 20);
        else
            s->start_ns = p ? p->next_ns : start_ns;
        s->end_ns = s->start_ns + k->total_ns;
        k->next_ns = s->start_ns + k->self_ns / 2;
        if (p && !k->async)
            p->next_ns = s->end_ns;
        if (s->events_n != 0)
            ((struct span_event *)s->events)->time_ns = s->end_ns - k->self_ns / 4;
    }
}

size_t trace_make(const struct services *s, uint64_t seed, uint64_t n, int64_t start_ns,
                  struct arena *a, struct span *ret)
{
    struct tree t;

    t.services = s;
    t.dice = (struct dice){hash_u64(seed * 7919 + n)};
    t.arena = a;
    t.spans = ret;
    t.n = t.open_n = 0;
    t.want = dice_lognormal(&t.dice, 24, 13);
    t.want = t.want < SPANS_LEAST       ? SPANS_LEAST
             : t.want > TRACE_SPANS_MAX ? TRACE_SPANS_MAX
                                        : t.want;
    struct node root = node_in(&t, &s->v[dice_zipf(&t.dice, 4)], -1, 1000);
    ret[0].trace_id = trace_id_of(seed, n);
    add_server(&t, root);
    grow(&t);
    set_times(&t, start_ns);
    return t.n;
}

/* ---- requests ---- */

static int by_resource(const void *a, const void *b)
{
    const struct span *x = *(const struct span *const *)a;
    const struct span *y = *(const struct span *const *)b;

    if (x->resource != y->resource)
        return x->resource < y->resource ? -1 : 1;
    if (x->scope != y->scope)
        return x->scope < y->scope ? -1 : 1;
    return x->start_ns != y->start_ns ? (x->start_ns > y->start_ns) * 2 - 1 : (x > y) - (x < y);
}

uint64_t traces_per_request(uint64_t batch)
{
    return batch / MEAN_SPANS != 0 ? batch / MEAN_SPANS : 1;
}

void traces_make(const void *state, const struct load_opts *o, uint64_t r, struct arena *a,
                 struct buf *dst, struct load_made *ret)
{
    uint64_t traces = traces_per_request(o->batch);
    double step = o->range * 1e9 / (double)(traces * o->requests);
    struct span *spans = arena_array(a, struct span, traces * TRACE_SPANS_MAX);
    const struct span **order = arena_array(a, const struct span *, traces *TRACE_SPANS_MAX);
    size_t n = 0;

    for (uint64_t i = 0; i < traces; i++) {
        uint64_t trace = r * traces + i;

        n += trace_make(state, o->seed, trace, o->start_ns + (int64_t)((double)trace * step), a,
                        spans + n);
    }
    for (size_t i = 0; i < n; i++)
        order[i] = &spans[i];
    qsort(order, n, sizeof *order, by_resource);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;

        while (end < n && order[end]->resource == order[i]->resource)
            end++;
        otlp_put_spans(dst, order + i, end - i);
        i = end;
    }
    ret->items += n;
    ret->text_bytes = 0;
}
