/* SPDX-License-Identifier: Apache-2.0
 *
 * Who calls whom, from made-up spans: in both orders, too late, twice, through queues and over the limits; and that
 * what is written as series reads back as what was counted.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/topology_internal.h"
#include "base/clock.h"
#include "base/err.h"

enum { T0 = 1700000000 };

static const int64_t NOW = (int64_t)T0 * 1000;

#define S(k, t)                      \
    {                                \
        STR(k),                      \
        {                            \
            VALUE_STR, .u.s = STR(t) \
        }                            \
    }
#define I(k, n)                   \
    {                             \
        STR(k),                   \
        {                         \
            VALUE_I64, .u.i = (n) \
        }                         \
    }

/* ---- an estate ---- */

enum who { WEB, SHOP_1, SHOP_2, STOCK, MAILER, NOBODY };

static const struct attr WEB_ATTRS[] = {S("service.name", "nginx"), S("host.name", "web-1")};
static const struct attr SHOP_1_ATTRS[] = {
    S("service.name", "shop"), S("service.namespace", "mall"), S("service.instance.id", "shop-1"),
    S("telemetry.sdk.language", "java")};
static const struct attr SHOP_2_ATTRS[] = {
    S("service.name", "shop"), S("service.namespace", "mall"), S("service.instance.id", "shop-2"),
    S("telemetry.sdk.language", "java")};
static const struct attr STOCK_ATTRS[] = {S("service.name", "stock"), S("k8s.pod.name", "stock-a")};
static const struct attr MAILER_ATTRS[] = {S("service.name", "mailer")};

static const struct resource RESOURCES[] = {
    [WEB] = {.attrs = {WEB_ATTRS, ARRAY_LEN(WEB_ATTRS)}},
    [SHOP_1] = {.attrs = {SHOP_1_ATTRS, ARRAY_LEN(SHOP_1_ATTRS)}},
    [SHOP_2] = {.attrs = {SHOP_2_ATTRS, ARRAY_LEN(SHOP_2_ATTRS)}},
    [STOCK] = {.attrs = {STOCK_ATTRS, ARRAY_LEN(STOCK_ATTRS)}},
    [MAILER] = {.attrs = {MAILER_ATTRS, ARRAY_LEN(MAILER_ATTRS)}},
    [NOBODY] = {.attrs = {NULL, 0}},
};

static const struct scope SCOPE = {0};

struct made {
    enum who who;
    uint8_t kind;
    uint8_t trace, id, parent;
    int64_t ms;
    bool error;
    const struct attr *attrs;
    size_t attrs_n;
    const struct span_link *links;
    size_t links_n;
    uint32_t flags;
};

#define MADE(w, k, t, i, p, d) \
    .who = (w), .kind = (k), .trace = (t), .id = (i), .parent = (p), .ms = (d)

static struct span span_of(const struct made *m)
{
    return (struct span){.trace_id.b[3] = m->trace,
                         .span_id.b[2] = m->id,
                         .parent_id.b[2] = m->parent,
                         .name = STR("x"),
                         .start_ns = NOW * 1000000,
                         .end_ns = (NOW + m->ms) * 1000000,
                         .kind = m->kind,
                         .status = m->error ? SPAN_STATUS_ERROR : SPAN_STATUS_UNSET,
                         .attrs = {m->attrs, m->attrs_n},
                         .links = m->links,
                         .links_n = m->links_n,
                         .flags = m->flags,
                         .resource = &RESOURCES[m->who],
                         .scope = &SCOPE};
}

static void see(struct topology *t, const struct made *m, int64_t at_ms)
{
    struct span s = span_of(m);

    topology_seen(t, &s, 1, at_ms);
}

static struct topology *make(const struct topology_opts *base)
{
    struct topology_opts o = base != NULL ? *base : (struct topology_opts){0};
    struct topology *t = NULL;
    struct err e = {0};

    o.no_thread = true;
    assert_int_equal(topology_new(&o, &t, &e), 0);
    return t;
}

/* ---- what a view shows, as text ---- */

static void describe_view(const struct topology_view *v, char *dst, size_t size)
{
    size_t n = 0;

    dst[0] = '\0';
    for (size_t i = 0; i < v->edges_n; i++) {
        const struct topology_edge *e = &v->edges[i];

        n += (size_t)snprintf(dst + n, size - n, "%s%.*s > %.*s %s%s%.0f/%.0f %.0fms",
                              i != 0 ? "\n" : "", STR_ARG(v->nodes[e->client].id),
                              STR_ARG(v->nodes[e->server].id), topology_link_name(e->link),
                              e->link != TOPOLOGY_DIRECT ? " " : "", e->f.requests, e->f.failed,
                              e->f.sum_s * 1000);
    }
}

static void expect(struct topology *t, enum topology_level level, int64_t at_ms, const char *want)
{
    struct topology_view v;
    struct arena a;
    char got[4096];

    arena_init(&a, 8 << 20);
    assert_int_equal(topology_live(t, level, at_ms, 60, &a, &v, NULL), 0);
    describe_view(&v, got, sizeof(got));
    assert_string_equal(got, want);
    arena_done(&a);
}

static const struct topology_node *node(const struct topology_view *v, const char *id)
{
    for (size_t i = 0; i < v->nodes_n; i++) {
        if (str_eq(v->nodes[i].id, str_cstr(id))) {
            return &v->nodes[i];
        }
    }
    fail_msg("no node %s", id);
    return NULL;
}

/* ---- pairs ---- */

static const struct attr TO_STOCK[] = {S("server.address", "stock.local"), I("server.port", 8080)};

static const struct made CALL = {MADE(SHOP_1, SPAN_CLIENT, 1, 10, 1, 30), .attrs = TO_STOCK,
                                 .attrs_n = 2};
static const struct made SERVED = {MADE(STOCK, SPAN_SERVER, 1, 20, 10, 20), .error = true};
static const char PAIR[] = "mall/shop > stock 1/1 30ms";

static void caller_first(void **state)
{
    struct topology *t = make(NULL);

    (void)state;
    see(t, &CALL, NOW);
    see(t, &SERVED, NOW + 3000);
    expect(t, TOPOLOGY_GROUPS, NOW + 6000, PAIR);
    expect(t, TOPOLOGY_INSTANCES, NOW + 6000, "mall/shop#shop-1 > stock#stock-a 1/1 30ms");
    topology_tick(t, NOW + 14000); /* nothing waits any more that would count again */
    expect(t, TOPOLOGY_GROUPS, NOW + 16000, PAIR);
    topology_free(t);
}

static void callee_first(void **state)
{
    struct topology *t = make(NULL);
    struct topology_counts c;

    (void)state;
    see(t, &SERVED, NOW);
    expect(t, TOPOLOGY_GROUPS, NOW + 2000, "");
    topology_tick(t, NOW + 9900);
    see(t, &CALL, NOW + 9900);
    expect(t, TOPOLOGY_GROUPS, NOW + 12000, PAIR);
    topology_tick(t, NOW + 20000);
    topology_counts(t, &c);
    assert_int_equal(c.waiting, 0);
    expect(t, TOPOLOGY_GROUPS, NOW + 22000, PAIR);
    topology_free(t);
}

static void too_late(void **state)
{
    struct topology *t = make(NULL);

    (void)state;
    see(t, &CALL, NOW);
    topology_tick(t, NOW + 10000);
    see(t, &SERVED, NOW + 10500);
    topology_tick(t, NOW + 20500);
    /* each half counts by itself: a call to an address, and a request of somebody unknown */
    expect(t, TOPOLOGY_GROUPS, NOW + 24000,
           "mall/shop > stock.local:8080 virtual_node 1/0 30ms\n"
           "user > stock virtual_node 1/1 20ms");
    topology_free(t);
}

static void delivered_twice(void **state)
{
    struct topology *t = make(NULL);
    const struct made root = {MADE(WEB, SPAN_SERVER, 1, 1, 0, 50)};

    (void)state;
    for (int i = 0; i < 3; i++) {
        see(t, &root, NOW + i);
        see(t, &CALL, NOW + i);
        see(t, &SERVED, NOW + i);
    }
    expect(t, TOPOLOGY_GROUPS, NOW + 4000,
           "mall/shop > stock 1/1 30ms\nuser > nginx virtual_node 1/0 50ms");
    topology_free(t);
}

/* nginx passes the id of its own server span on; a server span inside the same service is no request. */
static void web_server_without_clients(void **state)
{
    const struct made web = {MADE(WEB, SPAN_SERVER, 1, 1, 0, 50), .error = true};
    const struct made shop = {MADE(SHOP_2, SPAN_SERVER, 1, 2, 1, 40)};
    const struct made inner = {MADE(SHOP_2, SPAN_SERVER, 1, 3, 2, 10)};
    const char want[] = "nginx > mall/shop 1/0 40ms\nuser > nginx virtual_node 1/1 50ms";

    (void)state;
    for (int order = 0; order < 2; order++) {
        struct topology *t = make(NULL);

        see(t, order == 0 ? &web : &inner, NOW);
        see(t, &shop, NOW + 1);
        see(t, order == 0 ? &inner : &web, NOW + 2);
        topology_tick(t, NOW + 10001);
        expect(t, TOPOLOGY_GROUPS, NOW + 12000, want);
        topology_free(t);
    }
}

static void known_local_parent(void **state)
{
    struct topology *t = make(NULL);
    struct made local = {MADE(STOCK, SPAN_SERVER, 1, 2, 99, 40)};

    (void)state;
    local.flags = 0x100; /* whether the parent is remote is known: it is not */
    see(t, &local, NOW);
    local.id = 3;
    local.flags = 0x300;
    see(t, &local, NOW);
    topology_tick(t, NOW + 10001);
    expect(t, TOPOLOGY_GROUPS, NOW + 12000, "user > stock virtual_node 1/0 40ms");
    topology_free(t);
}

/* ---- messages ---- */

static const struct attr ORDERS[] = {S("messaging.system", "kafka"),
                                     S("messaging.destination.name", "orders")};
static const struct attr ORDERS_RECEIVE[] = {S("messaging.system", "kafka"),
                                             S("messaging.destination.name", "orders"),
                                             S("messaging.operation.type", "receive")};

static struct span_link link_to(uint8_t trace, uint8_t id)
{
    return (struct span_link){.trace_id.b[3] = trace, .span_id.b[2] = id};
}

static void messages_by_links(void **state)
{
    struct topology *t = make(NULL);
    const struct span_link links[] = {link_to(1, 10), link_to(2, 10), link_to(3, 10)};
    const struct made batch = {.who = MAILER,
                               .kind = SPAN_CONSUMER,
                               .trace = 9,
                               .id = 1,
                               .ms = 7,
                               .attrs = ORDERS,
                               .attrs_n = 2,
                               .links = links,
                               .links_n = 3};
    struct made send = {MADE(SHOP_1, SPAN_PRODUCER, 1, 10, 0, 1), .attrs = ORDERS, .attrs_n = 2};

    (void)state;
    see(t, &send, NOW); /* before the batch */
    see(t, &batch, NOW + 1);
    send.trace = 2; /* after it */
    see(t, &send, NOW + 2);
    topology_tick(t, NOW + 10001); /* the third's sender is not seen */
    expect(t, TOPOLOGY_GROUPS, NOW + 12000,
           "kafka orders > mailer messaging_system 1/0 7ms\n"
           "mall/shop > mailer messaging_system 2/0 14ms");
    topology_free(t);
}

static void messages_by_parents(void **state)
{
    struct topology *t = make(NULL);
    struct made send = {MADE(SHOP_1, SPAN_PRODUCER, 1, 10, 0, 1), .attrs = ORDERS, .attrs_n = 2};
    const struct made receive = {MADE(MAILER, SPAN_CONSUMER, 1, 11, 10, 3), .attrs = ORDERS_RECEIVE,
                                 .attrs_n = 3};
    const struct made process = {MADE(MAILER, SPAN_CONSUMER, 1, 12, 10, 9), .attrs = ORDERS,
                                 .attrs_n = 2};
    const struct made other = {MADE(STOCK, SPAN_CONSUMER, 1, 13, 10, 5), .attrs = ORDERS,
                               .attrs_n = 2};
    const struct made alone = {MADE(STOCK, SPAN_CONSUMER, 7, 13, 0, 4), .attrs = ORDERS,
                               .attrs_n = 2};

    (void)state;
    see(t, &send, NOW);
    see(t, &receive, NOW);
    see(t, &process, NOW); /* the same message */
    see(t, &other, NOW);   /* a second subscriber */
    see(t, &alone, NOW);   /* of a sender without spans */
    send.trace = 8;
    see(t, &send, NOW); /* nobody takes it */
    topology_tick(t, NOW + 10000);
    expect(t, TOPOLOGY_GROUPS, NOW + 12000,
           "kafka orders > stock messaging_system 1/0 4ms\n"
           "mall/shop > kafka orders messaging_system 1/0 1ms\n"
           "mall/shop > mailer messaging_system 1/0 3ms\n"
           "mall/shop > stock messaging_system 1/0 5ms");
    topology_free(t);
}

/* ---- names ---- */

static void peers(void **state)
{
    static const struct {
        struct attr v[5];
        const char *name; /* NULL: it says nothing */
        enum topology_kind kind;
        enum topology_link link;
    } CASES[] = {
        {{S("peer.service", "billing"), S("server.address", "10.0.0.1")},
         "billing",
         TOPOLOGY_EXTERNAL,
         TOPOLOGY_VIRTUAL},
        {{S("peer.service", "ledger"), S("db.system.name", "oracle")},
         "ledger",
         TOPOLOGY_DATABASE,
         TOPOLOGY_DB},
        {{S("db.system.name", "postgresql"), S("server.address", "db1"), I("server.port", 5432),
          S("db.namespace", "mall")},
         "postgresql db1/mall",
         TOPOLOGY_DATABASE,
         TOPOLOGY_DB},
        {{S("db.system", "mysql"), S("net.peer.name", "db2"), I("net.peer.port", 3307),
          S("db.name", "mall")},
         "mysql db2:3307/mall",
         TOPOLOGY_DATABASE,
         TOPOLOGY_DB},
        {{S("db.system", "cubrid"), S("db.name", "demodb")},
         "cubrid demodb",
         TOPOLOGY_DATABASE,
         TOPOLOGY_DB},
        {{S("db.system", "h2")}, "h2", TOPOLOGY_DATABASE, TOPOLOGY_DB},
        {{S("db.system.name", "redis"), S("server.address", "cache1"), I("server.port", 6379),
          S("db.namespace", "3")},
         "redis cache1",
         TOPOLOGY_CACHE,
         TOPOLOGY_DB},
        {{S("messaging.system", "kafka"), S("messaging.destination.name", "orders")},
         "kafka orders",
         TOPOLOGY_QUEUE,
         TOPOLOGY_MESSAGING},
        {{S("messaging.system", "rabbitmq"), S("messaging.destination", "q1"),
          S("messaging.destination.template", "q{n}")},
         "rabbitmq q{n}",
         TOPOLOGY_QUEUE,
         TOPOLOGY_MESSAGING},
        {{S("messaging.system", "jms"),
          S("messaging.destination.name", "tmp-812"),
          {STR("messaging.destination.temporary"), {VALUE_BOOL, .u.b = true}}},
         "jms (temporary)",
         TOPOLOGY_QUEUE,
         TOPOLOGY_MESSAGING},
        {{S("server.address", "api.pay.example"), I("server.port", 443)},
         "api.pay.example",
         TOPOLOGY_EXTERNAL,
         TOPOLOGY_VIRTUAL},
        {{S("url.full", "http://u:p@pay.example:8443/x?y")},
         "pay.example:8443",
         TOPOLOGY_EXTERNAL,
         TOPOLOGY_VIRTUAL},
        {{S("network.peer.address", "10.1.2.3"), I("network.peer.port", 9000)},
         "10.1.2.3:9000",
         TOPOLOGY_EXTERNAL,
         TOPOLOGY_VIRTUAL},
        {{S("net.peer.name", "old"), S("net.peer.port", "8081")},
         "old:8081",
         TOPOLOGY_EXTERNAL,
         TOPOLOGY_VIRTUAL},
        {{S("http.url", "no scheme")}, NULL, 0, 0},
        {{I("server.address", 7), S("other", "x")}, NULL, 0, 0},
        {{I("http.request.method", 1)}, NULL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct made m = {MADE(SHOP_1, SPAN_CLIENT, 1, 2, 0, 1), .attrs = CASES[i].v, .attrs_n = 0};
        struct topology_peer p;
        struct span s;

        while (m.attrs_n < 5 && CASES[i].v[m.attrs_n].key.n != 0) {
            m.attrs_n++;
        }
        s = span_of(&m);
        assert_int_equal(topology_peer_of(&s, &p), CASES[i].name != NULL);
        if (CASES[i].name != NULL) {
            assert_string_equal(p.text, CASES[i].name);
            assert_int_equal(p.kind, CASES[i].kind);
            assert_int_equal(p.link, CASES[i].link);
        }
    }
}

static void web_servers(void **state)
{
    static const struct {
        const char *name, *language, *scope;
        enum topology_kind kind;
        const char *system;
    } CASES[] = {
        {"nginx", "", "", TOPOLOGY_WEB, "nginx"},
        {"unknown_service:nginx", "cpp", "", TOPOLOGY_WEB, "nginx"},
        {"front", "cpp", "nginx", TOPOLOGY_WEB, "nginx"},
        {"edge-envoy-1", "", "", TOPOLOGY_WEB, "envoy"},
        {"nginx-log", "java", "", TOPOLOGY_SERVICE, "java"},
        {"enginx", "go", "", TOPOLOGY_SERVICE, "go"},
        {"shop", "", "", TOPOLOGY_SERVICE, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct attr v[] = {
            {STR("service.name"), {VALUE_STR, .u.s = str_cstr(CASES[i].name)}},
            {STR("telemetry.sdk.language"), {VALUE_STR, .u.s = str_cstr(CASES[i].language)}}};
        const struct resource r = {.attrs = {v, 2}};
        const struct scope scope = {.name = str_cstr(CASES[i].scope)};
        struct topology_self self;

        topology_self_of(&r, &scope, &self);
        assert_int_equal(self.kind, CASES[i].kind);
        assert_true(str_eq(self.system, str_cstr(CASES[i].system)));
    }
}

static void says_nothing(void **state)
{
    struct topology *t = make(NULL);
    const struct made m = {MADE(SHOP_1, SPAN_CLIENT, 1, 2, 0, 1)};
    struct topology_counts c;

    (void)state;
    see(t, &m, NOW);
    topology_tick(t, NOW + 10000);
    topology_counts(t, &c);
    assert_int_equal(c.unpaired, 1);
    expect(t, TOPOLOGY_GROUPS, NOW + 12000, "");
    topology_free(t);
}

/* ---- limits ---- */

static const char *const HOSTS[] = {"host0", "host1", "host2", "host3", "host4",
                                    "host5", "host6", "host7", "host8", "host9"};

static void too_many_edges(void **state)
{
    const struct topology_opts o = {.max_edges = {3, 2}};
    struct topology *t = make(&o);
    struct topology_counts c;
    struct topology_view v;
    struct arena a;

    (void)state;
    for (uint8_t i = 0; i < 10; i++) {
        const struct attr v1[] = {{STR("server.address"), {VALUE_STR, .u.s = str_cstr(HOSTS[i])}}};
        const struct made m = {MADE(STOCK, SPAN_CLIENT, 1, i, 0, 1), .attrs = v1, .attrs_n = 1};

        see(t, &m, NOW);
    }
    topology_tick(t, NOW + 10000);
    arena_init(&a, 8 << 20);
    assert_int_equal(topology_live(t, TOPOLOGY_GROUPS, NOW + 12000, 60, &a, &v, NULL), 0);
    assert_int_equal(v.edges_n, 4);
    assert_int_equal((int)v.overflow, 7);
    assert_int_equal((int)node(&v, "other")->f.requests, 7);
    topology_counts(t, &c);
    assert_int_equal(c.overflow, 7);
    assert_int_equal(c.edges[TOPOLOGY_GROUPS], 4);
    assert_int_equal(c.edges[TOPOLOGY_INSTANCES], 3);
    arena_done(&a);
    topology_free(t);
}

static void too_many_names(void **state)
{
    const struct topology_opts o = {.max_virtual = 4}; /* two of them "user" and "other" */
    struct topology *t = make(&o);
    struct topology_view v;
    struct arena a;

    (void)state;
    for (uint8_t i = 0; i < 10; i++) {
        const struct attr v1[] = {{STR("server.address"), {VALUE_STR, .u.s = str_cstr(HOSTS[i])}}};
        const struct made m = {MADE(STOCK, SPAN_CLIENT, 1, i, 0, 1), .attrs = v1, .attrs_n = 1};

        see(t, &m, NOW);
    }
    topology_tick(t, NOW + 10000);
    arena_init(&a, 8 << 20);
    assert_int_equal(topology_live(t, TOPOLOGY_GROUPS, NOW + 12000, 60, &a, &v, NULL), 0);
    assert_int_equal(v.edges_n, 3);
    assert_int_equal((int)v.overflow, 8);
    arena_done(&a);
    topology_free(t);
}

static void too_many_waiting(void **state)
{
    const struct topology_opts o = {.max_waiting = 16};
    struct topology *t = make(&o);
    struct topology_counts c;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct made m = {MADE(STOCK, SPAN_CLIENT, (uint8_t)i, 5, 0, 1), .attrs = TO_STOCK,
                         .attrs_n = 2};

        see(t, &m, NOW);
    }
    topology_counts(t, &c);
    assert_true(c.early >= 200 - 32);
    assert_true(c.waiting <= 32);
    topology_tick(t, NOW + 10000); /* nobody is lost */
    expect(t, TOPOLOGY_GROUPS, NOW + 12000, "stock > stock.local:8080 virtual_node 200/0 200ms");
    topology_free(t);
}

static void idle_goes(void **state)
{
    struct topology *t = make(NULL);
    struct topology_counts c;

    (void)state;
    see(t, &CALL, NOW);
    see(t, &SERVED, NOW);
    topology_tick(t, NOW);
    topology_tick(t, NOW + 14 * 60000);
    topology_counts(t, &c);
    assert_int_equal(c.edges[TOPOLOGY_GROUPS], 1);
    topology_tick(t, NOW + 20 * 60000);
    topology_counts(t, &c);
    assert_int_equal(c.edges[TOPOLOGY_GROUPS], 0);
    assert_int_equal(c.edges[TOPOLOGY_INSTANCES], 0);
    assert_int_equal(c.nodes, 2);    /* "user" and "other" stay */
    see(t, &CALL, NOW + 20 * 60000); /* the places are used again */
    see(t, &SERVED, NOW + 20 * 60000);
    expect(t, TOPOLOGY_GROUPS, NOW + 20 * 60000 + 2000, PAIR);
    topology_free(t);
}

/* ---- figures ---- */

static void percentiles(void **state)
{
    static const double P95_MS[] = {0.002, 1, 9.5, 95, 950, 60000};
    struct spread a = {0};
    struct spread b = {0};
    const struct spread *both[] = {&a, &b};
    size_t bytes = 0;

    (void)state;
    assert_true(isnan(spread_p95(both, 2)));
    for (size_t i = 0; i < ARRAY_LEN(P95_MS); i++) {
        mem_free(a.v);
        mem_free(b.v);
        a = b = (struct spread){0};
        for (int k = 1; k <= 100; k++) { /* half in each; 95 of them at or below */
            double ms = k <= 95 ? P95_MS[i] * k / 95 : P95_MS[i] * 1.5;

            assert_true(spread_add(k % 2 != 0 ? &a : &b, (int64_t)(ms * 1e6), &bytes, 1 << 20));
        }
        assert_true(fabs(spread_p95(both, 2) * 1000 / P95_MS[i] - 1) < 0.035);
    }
    assert_false(spread_add(&a, 1, &bytes, bytes));
    mem_free(a.v);
    mem_free(b.v);
}

static void live_window(void **state)
{
    struct topology *t = make(NULL);
    struct topology_view v;
    struct arena a;

    (void)state;
    for (int s = 0; s < 60; s++) {
        struct made m = {MADE(STOCK, SPAN_SERVER, (uint8_t)s, 5, 0, s < 50 ? 10 : 100)};

        see(t, &m, NOW + s * 1000);
    }
    arena_init(&a, 1 << 20);
    assert_int_equal(topology_live(t, TOPOLOGY_GROUPS, NOW + 60000, 10, &a, &v, NULL), 0);
    assert_int_equal(v.to_ms - v.from_ms, 10000);
    assert_int_equal((int)v.edges[0].f.requests, 10);
    assert_true(fabs(v.edges[0].f.sum_s - 1) < 1e-9);
    assert_true(fabs(v.edges[0].f.p95_s - 0.1) < 0.004);
    assert_int_equal(topology_live(t, TOPOLOGY_GROUPS, NOW + 60000, 60, &a, &v, NULL), 0);
    assert_int_equal((int)v.edges[0].f.requests, 60);
    assert_int_equal(node(&v, "stock")->instances, 1);
    assert_true(node(&v, "stock")->monitored);
    assert_false(node(&v, "user")->monitored);
    assert_int_equal(topology_live(t, TOPOLOGY_GROUPS, NOW + 200000, 60, &a, &v, NULL), 0);
    assert_int_equal(v.edges_n, 0);
    arena_done(&a);
    topology_free(t);
}

/* ---- series ---- */

struct db {
    char dir[64];
    struct tsdb *db;
};

static int open_db(void **state)
{
    struct db *d = mem_xcalloc(1, sizeof(*d));
    struct err e = {0};

    snprintf(d->dir, sizeof(d->dir), "/tmp/test_topology.XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    assert_int_equal(tsdb_open(&(struct tsdb_opts){.dir = d->dir}, &d->db, &e), 0);
    *state = d;
    return 0;
}

static int close_db(void **state)
{
    struct db *d = *state;
    char cmd[96];

    tsdb_close(d->db);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", d->dir);
    assert_int_equal(system(cmd), 0);
    mem_free(d);
    return 0;
}

static void expect_history(struct db *d, enum topology_level level, int64_t from_ms, int64_t to_ms,
                           const char *want)
{
    const struct topology_ask ask = {
        .src = tsdb_source(d->db), .level = level, .from_ms = from_ms, .to_ms = to_ms};
    struct topology_view v;
    struct err e = {0};
    struct arena a;
    char got[4096];

    arena_init(&a, 8 << 20);
    if (topology_history(&ask, &a, &v, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    describe_view(&v, got, sizeof(got));
    assert_string_equal(got, want);
    arena_done(&a);
}

static void history(void **state)
{
    struct db *d = *state;
    const struct topology_opts o = {.db = d->db};
    struct topology *t = make(&o);
    struct made call = CALL;
    struct made served = SERVED;
    const char one[] = "mall/shop > stock 1/1 30ms";
    const char two[] = "mall/shop > stock 2/2 60ms";

    /* written every 10 s, at NOW + 5, 15, 25 ... */
    topology_tick(t, NOW - 5000);
    see(t, &call, NOW);
    see(t, &served, NOW);
    topology_tick(t, NOW + 5000);
    for (int i = 1; i <= 2; i++) {
        call.trace = served.trace = (uint8_t)(10 + i);
        see(t, &call, NOW + 12000);
        see(t, &served, NOW + 12000);
    }
    for (int s = 15; s <= 95; s += 10) {
        topology_tick(t, NOW + s * 1000);
    }
    expect_history(d, TOPOLOGY_GROUPS, NOW - 60000, NOW + 60000, "mall/shop > stock 3/3 90ms");
    expect_history(d, TOPOLOGY_GROUPS, NOW - 60000, NOW + 10000, one);
    expect_history(d, TOPOLOGY_GROUPS, NOW + 10000, NOW + 20000, two);
    expect_history(d, TOPOLOGY_GROUPS, NOW + 20000, NOW + 90000, "");
    expect_history(d, TOPOLOGY_INSTANCES, NOW + 10000, NOW + 20000,
                   "mall/shop#shop-1 > stock#stock-a 2/2 60ms");

    /* a restart begins at zero */
    topology_free(t);
    t = make(&o);
    topology_tick(t, NOW + 100000);
    see(t, &call, NOW + 101000);
    see(t, &served, NOW + 101000);
    topology_tick(t, NOW + 110000);
    expect_history(d, TOPOLOGY_GROUPS, NOW - 60000, NOW + 120000, "mall/shop > stock 4/4 120ms");
    expect_history(d, TOPOLOGY_GROUPS, NOW + 95000, NOW + 120000, one);
    topology_free(t);
}

static void history_of_nodes(void **state)
{
    struct db *d = *state;
    const struct topology_opts o = {.db = d->db};
    const struct topology_ask ask = {
        .src = tsdb_source(d->db), .from_ms = NOW - 60000, .to_ms = NOW + 60000};
    static const struct attr REDIS[] = {S("db.system", "redis"), S("server.address", "c1")};
    struct topology *t = make(&o);
    struct topology_view v;
    struct arena a;

    topology_tick(t, NOW - 5000);
    for (uint8_t i = 0; i < 100; i++) {
        const struct made web = {MADE(WEB, SPAN_SERVER, i, 1, 0, i < 90 ? 10 : 400)};
        const struct made shop = {MADE(i % 2 != 0 ? SHOP_1 : SHOP_2, SPAN_SERVER, i, 2, 1, 8),
                                  .error = i < 5};
        const struct made redis = {MADE(SHOP_1, SPAN_CLIENT, i, 3, 2, 2), .attrs = REDIS,
                                   .attrs_n = 2};

        see(t, &web, NOW);
        see(t, &shop, NOW);
        see(t, &redis, NOW);
    }
    topology_tick(t, NOW + 10000);
    arena_init(&a, 8 << 20);
    assert_int_equal(topology_history(&ask, &a, &v, NULL), 0);
    assert_int_equal(v.nodes_n, 4);
    assert_int_equal(node(&v, "nginx")->kind, TOPOLOGY_WEB);
    assert_int_equal(node(&v, "redis c1")->kind, TOPOLOGY_CACHE);
    assert_true(str_eq(node(&v, "redis c1")->system, STR("redis")));
    assert_false(node(&v, "redis c1")->monitored);
    assert_int_equal(node(&v, "user")->kind, TOPOLOGY_USER);
    assert_int_equal((int)node(&v, "user")->f.requests, 100);
    assert_int_equal(node(&v, "mall/shop")->instances, 2);
    assert_true(str_eq(node(&v, "mall/shop")->system, STR("java")));
    assert_int_equal((int)node(&v, "mall/shop")->f.failed, 5);
    assert_true(fabs(node(&v, "nginx")->f.max_s - 0.4) < 1e-9);
    assert_true(node(&v, "nginx")->f.p95_s > 0.3 && node(&v, "nginx")->f.p95_s <= 0.5);
    arena_done(&a);
    topology_free(t);
}

static void no_memory(void **state)
{
    int refused = 0;

    (void)state;
    for (int n = 0; n < 40; n++) {
        struct topology *t = make(NULL);
        struct topology_view v;
        struct arena a;
        int rc;

        see(t, &CALL, NOW);
        mem_fail_after(n);
        see(t, &SERVED, NOW); /* whatever is refused, nothing breaks */
        arena_init(&a, 1 << 20);
        rc = topology_live(t, TOPOLOGY_GROUPS, NOW + 2000, 60, &a, &v, NULL);
        mem_fail_after(-1);
        assert_true(rc == 0 || rc == -ERR_NOMEM);
        refused += rc != 0;
        arena_done(&a);
        topology_free(t);
    }
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caller_first),
        cmocka_unit_test(callee_first),
        cmocka_unit_test(too_late),
        cmocka_unit_test(delivered_twice),
        cmocka_unit_test(web_server_without_clients),
        cmocka_unit_test(known_local_parent),
        cmocka_unit_test(messages_by_links),
        cmocka_unit_test(messages_by_parents),
        cmocka_unit_test(peers),
        cmocka_unit_test(web_servers),
        cmocka_unit_test(says_nothing),
        cmocka_unit_test(too_many_edges),
        cmocka_unit_test(too_many_names),
        cmocka_unit_test(too_many_waiting),
        cmocka_unit_test(idle_goes),
        cmocka_unit_test(percentiles),
        cmocka_unit_test(live_window),
        cmocka_unit_test_setup_teardown(history, open_db, close_db),
        cmocka_unit_test_setup_teardown(history_of_nodes, open_db, close_db),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
