/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of nodes from the attributes of OpenTelemetry's semantic conventions, the present ones and those before 1.20.
 * One pass over the attributes: this runs for every span.
 */
#include <ctype.h>
#include <stdio.h>

#include "apm/topology_internal.h"

enum known {
    DB_SYSTEM,
    DB_NAMESPACE,
    MESSAGING_SYSTEM,
    DESTINATION,
    DESTINATION_TEMPLATE,
    DESTINATION_TEMPORARY,
    OPERATION,
    PEER_SERVICE,
    SERVER_ADDRESS,
    SERVER_PORT,
    OLD_ADDRESS,
    PEER_ADDRESS,
    PEER_PORT,
    URL,
    KNOWN,
};

#define KEY(text, known)                    \
    {                                       \
        {(text), sizeof(text) - 1}, (known) \
    }

static const struct {
    struct str key;
    enum known known;
} KEYS[] = {
    KEY("db.name", DB_NAMESPACE),
    KEY("http.url", URL),
    KEY("url.full", URL),
    KEY("db.system", DB_SYSTEM),
    KEY("http.host", OLD_ADDRESS),
    KEY("net.peer.ip", PEER_ADDRESS),
    KEY("server.port", SERVER_PORT),
    KEY("db.namespace", DB_NAMESPACE),
    KEY("peer.service", PEER_SERVICE),
    KEY("net.peer.name", OLD_ADDRESS),
    KEY("net.peer.port", SERVER_PORT),
    KEY("db.system.name", DB_SYSTEM),
    KEY("server.address", SERVER_ADDRESS),
    KEY("messaging.system", MESSAGING_SYSTEM),
    KEY("network.peer.port", PEER_PORT),
    KEY("service.peer.name", PEER_SERVICE),
    KEY("messaging.operation", OPERATION),
    KEY("network.peer.address", PEER_ADDRESS),
    KEY("net.sock.peer.addr", PEER_ADDRESS),
    KEY("messaging.destination", DESTINATION),
    KEY("messaging.operation.type", OPERATION),
    KEY("messaging.destination.name", DESTINATION),
    KEY("messaging.destination.template", DESTINATION_TEMPLATE),
    KEY("messaging.destination.temporary", DESTINATION_TEMPORARY),
};

/** Values of the known attributes; NULL where there is none. Of two names of one thing the later in the span stays. */
static void collect(struct attrs as, const struct value *ret[KNOWN])
{
    memset(ret, 0, KNOWN * sizeof(struct value *));
    for (size_t i = 0; i < as.n; i++) {
        struct str key = as.v[i].key;

        if (key.n < 7 || key.n > 31 || memchr("dhmnsup", key.p[0], 7) == NULL) {
            continue;
        }
        for (size_t k = 0; k < ARRAY_LEN(KEYS); k++) {
            if (KEYS[k].key.n == key.n && KEYS[k].key.p[key.n - 1] == key.p[key.n - 1] &&
                str_eq(key, KEYS[k].key)) {
                ret[KEYS[k].known] = &as.v[i].value;
                break;
            }
        }
    }
}

static struct str text_of(const struct value *v)
{
    return v != NULL && v->type == VALUE_STR ? str_take(v->u.s, TOPOLOGY_NAME_MAX) : STR("");
}

static int64_t number_of(const struct value *v)
{
    int64_t n = 0;

    if (v != NULL && v->type == VALUE_I64) {
        return v->u.i;
    }
    return v != NULL && v->type == VALUE_STR && str_to_i64(v->u.s, &n) ? n : 0;
}

/* ---- what a resource is ---- */

static bool is_one_of(struct str s, const char *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq_nocase(s, str_cstr(v[i]))) {
            return true;
        }
    }
    return false;
}

/** Is one of the words of a name, "shop-nginx-1", that of a web server? */
static struct str web_word(struct str name)
{
    static const char *const WEB[] = {
        "nginx",     "apache",  "httpd", "haproxy", "envoy",    "traefik", "caddy", "webtob", "ohs",
        "openresty", "varnish", "iis",   "ingress", "lighttpd", "istio",   "angie", "tengine"};
    size_t at = 0;

    while (at < name.n) {
        size_t from = at;

        while (at < name.n && isalpha((unsigned char)name.p[at])) {
            at++;
        }
        if (is_one_of(str_of(name.p + from, at - from), WEB, ARRAY_LEN(WEB))) {
            return str_of(name.p + from, at - from);
        }
        at += at < name.n;
    }
    return STR("");
}

/* A program in a language of applications is one, whatever its name says. */
static bool is_application(struct str language)
{
    static const char *const LANGUAGES[] = {"java", "dotnet", "nodejs", "python", "ruby",
                                            "php",  "webjs",  "erlang", "elixir", "swift"};

    return is_one_of(language, LANGUAGES, ARRAY_LEN(LANGUAGES));
}

void topology_self_of(const struct resource *r, const struct scope *scope,
                      struct topology_self *ret)
{
    static const char *const INSTANCE[] = {"service.instance.id", "k8s.pod.name", "host.name"};
    struct str language = attrs_get_str(r->attrs, STR("telemetry.sdk.language"));
    struct str web = {0};

    ret->name = str_take(attrs_get_str(r->attrs, STR("service.name")), TOPOLOGY_NAME_MAX);
    if (ret->name.n == 0) {
        ret->name = STR("unknown_service");
    }
    ret->name_space =
        str_take(attrs_get_str(r->attrs, STR("service.namespace")), TOPOLOGY_NAME_MAX);
    ret->instance = (struct str){0};
    for (size_t i = 0; i < ARRAY_LEN(INSTANCE) && ret->instance.n == 0; i++) {
        ret->instance = str_take(attrs_get_str(r->attrs, str_cstr(INSTANCE[i])), TOPOLOGY_NAME_MAX);
    }
    if (!is_application(language)) {
        web = web_word(ret->name);
        web = web.n != 0 ? web : web_word(scope->name);
    }
    ret->kind = web.n != 0 ? TOPOLOGY_WEB : TOPOLOGY_SERVICE;
    ret->system = web.n != 0 ? web : attrs_get_str(r->attrs, STR("webengine.name"));
    ret->system = str_take(ret->system.n != 0 ? ret->system : language, 32);
}

/* ---- whom a span called ---- */

static int64_t usual_port(struct str system)
{
    static const struct {
        const char *system;
        int64_t port;
    } PORTS[] = {{"postgresql", 5432}, {"mysql", 3306},      {"mariadb", 3306}, {"redis", 6379},
                 {"mongodb", 27017},   {"oracle", 1521},     {"mssql", 1433},   {"cubrid", 33000},
                 {"tibero", 8629},     {"memcached", 11211}, {"kafka", 9092},   {"rabbitmq", 5672},
                 {"db2", 50000},       {"cassandra", 9042}};

    for (size_t i = 0; i < ARRAY_LEN(PORTS); i++) {
        if (str_eq(system, str_cstr(PORTS[i].system))) {
            return PORTS[i].port;
        }
    }
    return 0;
}

static bool is_cache(struct str system)
{
    static const char *const CACHES[] = {"redis",      "valkey",    "memcached", "hazelcast",
                                         "infinispan", "dragonfly", "keydb",     "ehcache",
                                         "ignite",     "geode"};

    return is_one_of(system, CACHES, ARRAY_LEN(CACHES));
}

/** "host:port" of a URL without its user. */
static struct str host_of_url(struct str url)
{
    int64_t at = str_find(url, STR("://"));
    size_t end = 0;

    if (at < 0) {
        return (struct str){0};
    }
    url = str_drop(url, (size_t)at + 3);
    while (end < url.n && memchr("/?#", url.p[end], 3) == NULL) {
        end++;
    }
    url = str_take(url, end);
    at = str_find_byte(url, '@');
    return at < 0 ? url : str_drop(url, (size_t)at + 1);
}

/** Address with the port when it is not the one that goes without saying. */
static void put_address(char dst[TOPOLOGY_PEER_MAX], const struct value *const v[KNOWN],
                        struct str system)
{
    struct str host = text_of(v[SERVER_ADDRESS]);
    int64_t port = number_of(v[SERVER_PORT]);

    host = host.n != 0 ? host : text_of(v[OLD_ADDRESS]);
    if (host.n == 0 && v[URL] != NULL) {
        host = host_of_url(text_of(v[URL]));
    }
    if (host.n == 0) {
        host = text_of(v[PEER_ADDRESS]);
        port = port != 0 ? port : number_of(v[PEER_PORT]);
    }
    if (host.n == 0 || port <= 0 || port > 65535 || port == 80 || port == 443 ||
        port == usual_port(system) || str_find_byte(host, ':') >= 0) {
        snprintf(dst, TOPOLOGY_PEER_MAX, "%.*s", STR_ARG(host));
    } else {
        snprintf(dst, TOPOLOGY_PEER_MAX, "%.*s:%d", STR_ARG(host), (int)port);
    }
}

static bool is_true(const struct value *v)
{
    return v != NULL && v->type == VALUE_BOOL && v->u.b;
}

static void name_queue(const struct value *const v[KNOWN], const char *address,
                       struct topology_peer *ret)
{
    struct str to = text_of(v[DESTINATION_TEMPLATE]);

    if (to.n == 0) {
        to = is_true(v[DESTINATION_TEMPORARY]) ? STR("(temporary)") : text_of(v[DESTINATION]);
    }
    if (to.n == 0) {
        to = str_cstr(address);
    }
    ret->kind = TOPOLOGY_QUEUE;
    ret->link = TOPOLOGY_MESSAGING;
    snprintf(ret->text, sizeof(ret->text), "%.*s%s%.*s", STR_ARG(ret->system), to.n != 0 ? " " : "",
             STR_ARG(to));
}

static void name_database(const struct value *const v[KNOWN], const char *address,
                          struct topology_peer *ret)
{
    bool cache = is_cache(ret->system);
    /* of a cache it is the number of a database, of no interest here */
    struct str inside = cache ? STR("") : text_of(v[DB_NAMESPACE]);

    ret->kind = cache ? TOPOLOGY_CACHE : TOPOLOGY_DATABASE;
    ret->link = TOPOLOGY_DB;
    snprintf(ret->text, sizeof(ret->text), "%.*s%s%s%s%.*s", STR_ARG(ret->system),
             address[0] != '\0' || inside.n != 0 ? " " : "", address,
             address[0] != '\0' && inside.n != 0 ? "/" : "", STR_ARG(inside));
}

bool topology_peer_of(const struct span *s, struct topology_peer *ret)
{
    const struct value *v[KNOWN];
    char address[TOPOLOGY_PEER_MAX];
    struct str service;

    collect(s->attrs, v);
    service = text_of(v[PEER_SERVICE]);
    ret->system = str_take(text_of(v[DB_SYSTEM]), 32);
    ret->kind = TOPOLOGY_EXTERNAL;
    ret->link = TOPOLOGY_VIRTUAL;
    ret->text[0] = '\0';
    if (ret->system.n != 0) {
        put_address(address, v, ret->system);
        name_database(v, address, ret);
    } else if (v[MESSAGING_SYSTEM] != NULL) {
        ret->system = str_take(text_of(v[MESSAGING_SYSTEM]), 32);
        put_address(address, v, ret->system);
        name_queue(v, address, ret);
    } else if (service.n == 0) {
        put_address(ret->text, v, ret->system);
    }
    if (service.n != 0) {
        snprintf(ret->text, sizeof(ret->text), "%.*s", STR_ARG(service));
    }
    ret->name = str_cstr(ret->text);
    return ret->name.n != 0;
}

bool topology_is_receive(const struct span *s)
{
    struct str op = attrs_get_str(s->attrs, STR("messaging.operation.type"));

    op = op.n != 0 ? op : attrs_get_str(s->attrs, STR("messaging.operation"));
    return str_eq(op, STR("receive"));
}
