/* SPDX-License-Identifier: Apache-2.0
 *
 * Callees have higher numbers than their callers, so that calls end. The first four services are where requests
 * come in.
 */
#include "services.h"

#include <stdio.h>

static const struct {
    const char *name;
    const char *noun;
    enum store store;
    const char *language;
} shop[SERVICES] = {
    {"web-frontend", "page", STORE_NONE, "nodejs"},
    {"mobile-bff", "view", STORE_REDIS, "nodejs"},
    {"api-gateway", "route", STORE_REDIS, "go"},
    {"admin-console", "report", STORE_POSTGRES, "java"},
    {"order", "order", STORE_POSTGRES, "java"},
    {"cart", "cart", STORE_REDIS, "java"},
    {"checkout", "checkout", STORE_POSTGRES, "java"},
    {"catalog", "product", STORE_POSTGRES, "java"},
    {"search", "query", STORE_MONGO, "go"},
    {"recommend", "model", STORE_REDIS, "python"},
    {"payment", "payment", STORE_POSTGRES, "java"},
    {"user", "user", STORE_POSTGRES, "java"},
    {"session", "session", STORE_REDIS, "go"},
    {"pricing", "price", STORE_REDIS, "go"},
    {"promotion", "coupon", STORE_MONGO, "nodejs"},
    {"stock", "stock", STORE_POSTGRES, "java"},
    {"shipping", "parcel", STORE_POSTGRES, "java"},
    {"address", "address", STORE_MONGO, "nodejs"},
    {"review", "review", STORE_MONGO, "nodejs"},
    {"media", "image", STORE_NONE, "go"},
    {"notification", "message", STORE_POSTGRES, "nodejs"},
    {"mail", "letter", STORE_NONE, "python"},
    {"fraud", "score", STORE_MONGO, "python"},
    {"tax", "rate", STORE_REDIS, "go"},
    {"currency", "rate", STORE_REDIS, "go"},
    {"loyalty", "point", STORE_POSTGRES, "java"},
    {"ledger", "entry", STORE_POSTGRES, "java"},
    {"audit", "event", STORE_MONGO, "go"},
    {"flags", "flag", STORE_REDIS, "go"},
    {"geo", "place", STORE_MONGO, "python"},
};

static void add_operation(struct service *s, int i, const char *noun)
{
    static const struct {
        const char *method;
        const char *tail;
        unsigned ms;
    } forms[OPERATIONS_MAX] = {{"GET", "/{id}", 4},        {"GET", "", 12},
                               {"POST", "", 18},           {"PUT", "/{id}", 14},
                               {"GET", "/{id}/detail", 7}, {"POST", "/{id}/confirm", 30},
                               {"DELETE", "/{id}", 9},     {"GET", "/stats", 60}};
    struct operation *o = &s->operations[s->operations_n++];

    (void)snprintf(o->method, sizeof o->method, "%s", forms[i].method);
    (void)snprintf(o->route, sizeof o->route, "/api/%ss%s", noun, forms[i].tail);
    (void)snprintf(o->name, sizeof o->name, "%s /api/%ss%s", forms[i].method, noun, forms[i].tail);
    (void)snprintf(o->query, sizeof o->query,
                   i % 3 == 2 ? "INSERT INTO %s_%d (id, state, body) VALUES ($1, $2, $3)"
                              : "SELECT id, state, body FROM %s_%d WHERE id = $1 AND state <> $2",
                   noun, i);
    o->median_ns = (uint64_t)forms[i].ms * 1000000;
}

static void add(struct replica *r, size_t *n, const char *key, const char *value)
{
    r->attrs[(*n)++] = (struct attr){str_cstr(key), {.type = VALUE_STR, .u.s = str_cstr(value)}};
}

static void add_replica(struct service *s, int number, const char *language)
{
    struct replica *r = &s->replicas[s->replicas_n++];
    unsigned hash = (unsigned)(number * REPLICAS_MAX + s->replicas_n) * 2654435761u;
    size_t n = 0;

    (void)snprintf(r->text[0], sizeof r->text[0], "%s-%08x-%05x", s->name,
                   (unsigned)number * 40503u, hash >> 12);
    (void)snprintf(r->text[1], sizeof r->text[1], "node-%02u", hash % 12);
    (void)snprintf(r->text[2], sizeof r->text[2], "%08x-0f1e-4d2c-8b3a-%08x%04x", hash, hash * 7,
                   hash >> 16);
    add(r, &n, "service.name", s->name);
    add(r, &n, "service.namespace", "shop");
    add(r, &n, "service.version", number % 3 ? "2.14.1" : "1.9.0");
    add(r, &n, "service.instance.id", r->text[2]);
    add(r, &n, "deployment.environment.name", "production");
    add(r, &n, "host.name", r->text[1]);
    add(r, &n, "k8s.namespace.name", "shop");
    add(r, &n, "k8s.pod.name", r->text[0]);
    add(r, &n, "telemetry.sdk.language", language);
    add(r, &n, "telemetry.sdk.name", "opentelemetry");
    add(r, &n, "telemetry.sdk.version", "1.42.1");
    r->resource.attrs = (struct attrs){r->attrs, n};
}

static void set_up(struct service *s, int number)
{
    *s = (struct service){
        .name = shop[number].name, .table = shop[number].noun, .store = shop[number].store};
    (void)snprintf(s->address, sizeof s->address, "%s.shop.svc.cluster.local", s->name);
    for (int i = 0; i < 6 + number % 3; i++)
        add_operation(s, i, shop[number].noun);
    for (int i = 0; i < 2 + number % 3; i++)
        add_replica(s, number, shop[number].language);
    for (int i = 0; i < CALLEES_MAX; i++) {
        int step = number % 3 + 1;
        int callee = number < 4 ? 4 + i * step : number + (i + 1) * step;

        if (callee < SERVICES)
            s->callees[s->callees_n++] = callee;
    }
}

void services_init(struct services *s)
{
    *s = (struct services){0};
    for (int i = 0; i < SERVICES; i++)
        set_up(&s->v[i], i);
    s->http = (struct scope){.name = STR("io.opentelemetry.http-server"), .version = STR("2.8.0")};
    s->client =
        (struct scope){.name = STR("io.opentelemetry.http-client"), .version = STR("2.8.0")};
    s->db = (struct scope){.name = STR("io.opentelemetry.database"), .version = STR("2.8.0")};
    s->messaging =
        (struct scope){.name = STR("io.opentelemetry.kafka-clients"), .version = STR("2.8.0")};
}
