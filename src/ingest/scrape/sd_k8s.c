/* SPDX-License-Identifier: Apache-2.0
 *
 * kubernetes_sd_configs: every resource a role needs is listed in pages and then watched from the list's
 * resourceVersion with bookmarks; a watch that ends is resumed, one that is too old (410) lists again. All
 * of a provider's streams run on its one thread. Invariant: nothing is posted before every resource was
 * listed once, so no role is shown half.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "codec/json_read.h"
#include "ingest/scrape/k8s.h"

enum {
    PAGE = 500,
    LIST_TIMEOUT_MS = 60000,
    LIST_BYTES = 256 << 20,
    LINE_BYTES = 64 << 20,   /* one event of a watch */
    WATCH_S = 300,           /* how long the server is asked to keep a watch */
    WATCH_STALL_MS = 420000, /* and when it is given up */
    RETRY_MS = 1000,
    RETRY_MAX_MS = 30000,
    TICK_MS = 200,
    POST_PAUSE_MS = 1000, /* between two sets */
    WATCHERS_MAX = 256,
    QUERY_BYTES = 16384,
};

enum watch_state { WATCH_IDLE, WATCH_LISTING, WATCH_WATCHING };

struct k8s;

/** One resource in one namespace (or all). */
struct watcher {
    struct k8s *k;
    enum k8s_kind kind;
    struct str ns; /* empty: all */
    enum watch_state state;
    bool listed; /* at least once */
    bool relist; /* the next request is a list */
    struct mono not_before;
    int64_t retry_ms;
    char version[128]; /* resourceVersion to watch from */
    char *next_page;   /* owned; the continue token, NULL: none */
    uint64_t round;    /* of the list being read: objects not in it go */
    struct buf line;   /* a part of an event */
    struct header_list headers;
    char *url; /* owned; of the request in flight */
    int status;
    struct http_transfer *transfer;
    struct map seen; /* keys of the list being read; key -> object of the world */
};

struct k8s {
    struct sd *sd;
    struct arena a;
    struct k8s_access access;
    struct http_profile profile;
    struct http_multi *multi;
    struct k8s_world world;
    struct watcher *watchers; /* owned */
    size_t watchers_n;
    bool dirty;
    struct mono last_post;
};

static const struct resource {
    const char *group; /* path of the API group */
    const char *name;
    bool namespaced;
} RESOURCES[KIND_COUNT] = {
    [KIND_NODE] = {"/api/v1", "nodes", false},
    [KIND_POD] = {"/api/v1", "pods", true},
    [KIND_SERVICE] = {"/api/v1", "services", true},
    [KIND_ENDPOINTS] = {"/api/v1", "endpoints", true},
    [KIND_ENDPOINTSLICE] = {"/apis/discovery.k8s.io/v1", "endpointslices", true},
    [KIND_INGRESS] = {"/apis/networking.k8s.io/v1", "ingresses", true},
    [KIND_NAMESPACE] = {"/api/v1", "namespaces", false},
};

/* ---- the world ---- */

static bool in_namespace(const struct watcher *w, struct str key)
{
    return w->ns.n == 0 || (str_starts(key, w->ns) && key.n > w->ns.n && key.p[w->ns.n] == '/');
}

static void world_del(struct k8s *k, enum k8s_kind kind, struct str key)
{
    k8s_object_free(map_del(&k->world.objects[kind], key));
    k->dirty = true;
}

static int world_put(struct k8s *k, enum k8s_kind kind, struct k8s_object *o, struct err *reterr)
{
    k8s_object_free(map_del(&k->world.objects[kind], o->key));
    k->dirty = true;
    if (map_put(&k->world.objects[kind], o->key, o) < 0) {
        k8s_object_free(o);
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    return 0;
}

/* ---- lists ---- */

static struct str raw_of(struct json_reader *r, const char *from)
{
    return str_of(from, (size_t)(r->p - from));
}

static int list_item(struct watcher *w, struct str json, struct err *reterr)
{
    struct k8s_object *o = NULL;
    int rc = k8s_object_parse(json, &o, reterr);

    if (rc == 0) {
        map_del(&w->seen, o->key); /* its key would go with the object of the same name */
        rc = world_put(w->k, w->kind, o, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    return map_put(&w->seen, o->key, o) < 0 ? err_set(reterr, ERR_NOMEM, "out of memory") : 0;
}

/* resourceVersion and continue. */
static void list_meta(struct watcher *w, struct str json)
{
    struct arena a CLEANUP(arena_done);
    const struct yaml_node *n = NULL;
    struct str more;

    arena_init(&a, 1 << 20);
    if (json_tree(json, false, &a, &n, NULL) < 0) {
        return;
    }
    snprintf(w->version, sizeof(w->version), "%.*s", STR_ARG(k8s_text(n, "resourceVersion", NULL)));
    more = k8s_text(n, "continue", NULL);
    w->next_page = more.n != 0 ? str_dup(more) : NULL;
}

/* Items are handed on one by one, so that a page is never a tree as a whole. */
static int read_list(struct watcher *w, struct str body, struct err *reterr)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader r;
    struct str key;
    int rc;

    buf_init(&scratch, 1 << 20);
    json_read_init(&r, body, YAML_TREE_DEPTH, &scratch);
    rc = json_peek(&r, reterr);
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(reterr, ERR_INVALID, "a list must be an object");
    }
    rc = rc < 0 ? rc : json_enter(&r, reterr);
    while (rc == 0 && (rc = json_next_member(&r, &key, reterr)) > 0) {
        bool items = str_eq(key, STR("items"));
        bool meta = str_eq(key, STR("metadata"));
        int type = json_peek(&r, reterr);
        const char *from = r.p;

        if (items && type == JSON_ARRAY) {
            rc = json_enter(&r, reterr);
            while (rc == 0 && (rc = json_next_element(&r, reterr)) > 0) {
                rc = json_peek(&r, reterr);
                from = r.p;
                rc = rc < 0 ? rc : json_skip(&r, reterr);
                rc = rc < 0 ? rc : list_item(w, raw_of(&r, from), reterr);
            }
            continue;
        }
        rc = type < 0 ? type : json_skip(&r, reterr);
        if (rc == 0 && meta) {
            list_meta(w, raw_of(&r, from));
        }
    }
    return rc < 0 ? rc : json_read_end(&r, reterr);
}

/* What is known but was not in the list has gone. */
static void drop_unseen(struct watcher *w)
{
    struct map *objects = &w->k->world.objects[w->kind];
    struct str key;
    void *value;
    size_t pos = 0;

    while (map_next(objects, &pos, &key, &value)) {
        if (in_namespace(w, key) && map_get(&w->seen, key) == NULL) {
            world_del(w->k, w->kind, key);
        }
    }
    map_done(&w->seen);
    w->seen = (struct map){0};
}

/* ---- watches ---- */

static int watch_object(struct watcher *w, struct str type, struct str json, struct err *reterr)
{
    struct k8s_object *o = NULL;
    struct str version;
    int rc;

    if (str_eq(type, STR("ERROR"))) {
        w->relist = true; /* mostly 410: the version is too old */
        return err_set(reterr, ERR_OUT_OF_RANGE, "the watch is too old");
    }
    rc = k8s_object_parse(json, &o, reterr);
    if (rc < 0) {
        return rc;
    }
    version = k8s_text(o->root, "metadata", "resourceVersion", NULL);
    if (version.n != 0) {
        snprintf(w->version, sizeof(w->version), "%.*s", STR_ARG(version));
    }
    if (str_eq(type, STR("ADDED")) || str_eq(type, STR("MODIFIED"))) {
        return world_put(w->k, w->kind, o, reterr);
    }
    if (str_eq(type, STR("DELETED"))) {
        world_del(w->k, w->kind, o->key);
    }
    k8s_object_free(o); /* BOOKMARK: only its version counts */
    return 0;
}

/* {"type": ..., "object": ...} */
static int watch_line(struct watcher *w, struct str line, struct err *reterr)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader r;
    struct str object = {0};
    struct str key;
    char type[32] = "";
    int rc;

    buf_init(&scratch, 1 << 20);
    json_read_init(&r, line, YAML_TREE_DEPTH, &scratch);
    rc = json_peek(&r, reterr);
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(reterr, ERR_INVALID, "an event must be an object");
    }
    rc = rc < 0 ? rc : json_enter(&r, reterr);
    while (rc == 0 && (rc = json_next_member(&r, &key, reterr)) > 0) {
        bool is_type = str_eq(key, STR("type"));
        bool is_object = str_eq(key, STR("object"));
        int what = json_peek(&r, reterr);
        const char *from = r.p;

        if (is_type && what == JSON_STRING) {
            struct str s;

            rc = json_read_str(&r, &s, reterr);
            snprintf(type, sizeof(type), "%.*s", rc == 0 ? (int)s.n : 0, rc == 0 ? s.p : "");
        } else {
            rc = what < 0 ? what : json_skip(&r, reterr);
            object = rc == 0 && is_object ? raw_of(&r, from) : object;
        }
    }
    return rc < 0 ? rc : watch_object(w, str_cstr(type), object, reterr);
}

static bool on_watch_data(void *arg, int status, struct str piece)
{
    struct watcher *w = arg;
    struct err e = {0};
    int64_t end;

    w->status = status;
    if (status != 200) {
        return true; /* read at the end */
    }
    while ((end = str_find_byte(piece, '\n')) >= 0) {
        buf_add_str(&w->line, str_take(piece, (size_t)end));
        if (buf_status(&w->line) < 0 ||
            (str_trim(buf_str(&w->line)).n != 0 && watch_line(w, buf_str(&w->line), &e) < 0)) {
            return false;
        }
        buf_clear(&w->line);
        piece = str_drop(piece, (size_t)end + 1);
    }
    buf_add_str(&w->line, piece);
    return buf_status(&w->line) == 0;
}

/* ---- requests ---- */

static void retry_later(struct watcher *w)
{
    w->retry_ms = w->retry_ms == 0 ? RETRY_MS : w->retry_ms * 2;
    w->retry_ms = w->retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS : w->retry_ms;
    w->not_before = mono_add_ms(clock_mono(), w->retry_ms);
}

static void failed(struct watcher *w, const struct err *e)
{
    struct err full = *e;

    err_prefix(&full, "%s", RESOURCES[w->kind].name);
    sd_failed(w->k->sd, &full);
    mem_free(w->next_page);
    w->next_page = NULL;
    map_done(&w->seen);
    w->seen = (struct map){0};
    retry_later(w);
}

static void request_ended(struct watcher *w)
{
    headers_done(&w->headers);
    mem_free(w->url);
    w->url = NULL;
    w->transfer = NULL;
    w->state = WATCH_IDLE;
}

/* A plugin's credential that is refused is asked for anew. */
static void check_refused(struct watcher *w, const struct http_multi_result *r)
{
    if (r->rc == 0 && r->status == 401 && w->k->access.exec != NULL) {
        k8s_exec_rejected(w->k->access.exec);
    }
}

static void on_list_done(void *arg, const struct http_multi_result *r)
{
    struct watcher *w = arg;
    struct err e = {0};
    int rc = r->rc;

    request_ended(w);
    check_refused(w, r);
    if (rc < 0) {
        e = *r->err;
    } else if (r->status != 200) {
        rc = err_set(&e, ERR_UNAVAILABLE, "the API server answered HTTP status %d", r->status);
    }
    mem_free(w->next_page);
    w->next_page = NULL;
    rc = rc < 0 ? rc : read_list(w, buf_str(r->body), &e);
    if (rc < 0) {
        failed(w, &e);
        w->relist = true;
        return;
    }
    w->retry_ms = 0;
    if (w->next_page == NULL) {
        drop_unseen(w);
        w->k->dirty |= !w->listed;
        w->listed = true;
        w->relist = false;
    }
}

static void on_watch_done(void *arg, const struct http_multi_result *r)
{
    struct watcher *w = arg;
    struct err e = {0};

    request_ended(w);
    check_refused(w, r);
    buf_clear(&w->line);
    if (r->rc == 0 && r->status == 200) {
        w->retry_ms = 0;
        w->not_before = mono_add_ms(clock_mono(), TICK_MS);
        return; /* the server's time was up: go on from the last version */
    }
    if (r->status == 410 || w->relist) {
        w->relist = true;
        w->not_before = mono_add_ms(clock_mono(), TICK_MS);
        return;
    }
    if (r->rc < 0) {
        e = *r->err;
    } else {
        err_set(&e, ERR_UNAVAILABLE, "the API server answered HTTP status %d to a watch",
                r->status);
    }
    failed(w, &e);
}

static void add_query(struct buf *b, const char *name, struct str value)
{
    if (value.n != 0) {
        buf_printf(b, "&%s=", name);
        buf_add_percent(b, value, URL_UNRESERVED);
    }
}

static char *make_url(struct watcher *w, bool watch)
{
    const struct resource *res = &RESOURCES[w->kind];
    const struct sd_conf *c = w->k->sd->conf;
    struct buf b;

    buf_init(&b, QUERY_BYTES + (watch || w->next_page == NULL ? 0 : strlen(w->next_page) * 3));
    buf_add_str(&b, w->k->access.url);
    buf_add_cstr(&b, res->group);
    if (res->namespaced && w->ns.n != 0) {
        buf_printf(&b, "/namespaces/%.*s", STR_ARG(w->ns));
    }
    buf_printf(&b, "/%s?", res->name);
    if (watch) {
        buf_printf(&b, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%d", WATCH_S);
        add_query(&b, "resourceVersion", str_cstr(w->version));
    } else {
        buf_printf(&b, "limit=%d", PAGE);
        add_query(&b, "continue", str_cstr(w->next_page));
    }
    for (size_t i = 0; i < c->selectors_n; i++) {
        if ((int)c->selectors[i].role == (int)w->kind) {
            add_query(&b, "labelSelector", c->selectors[i].label);
            add_query(&b, "fieldSelector", c->selectors[i].field);
        }
    }
    return buf_take(&b);
}

static void start(struct watcher *w)
{
    bool watch = w->listed && !w->relist && w->next_page == NULL;
    struct http_multi_request r = {.profile = &w->k->profile,
                                   .timeout_ms = watch ? 0 : LIST_TIMEOUT_MS,
                                   .stall_ms = watch ? WATCH_STALL_MS : 0,
                                   .max_response = LIST_BYTES,
                                   .data = watch ? on_watch_data : NULL,
                                   .done = watch ? on_watch_done : on_list_done,
                                   .arg = w};
    struct err e = {0};
    int rc;

    w->url = make_url(w, watch);
    rc = w->url != NULL ? k8s_access_refresh(&w->k->access, &w->k->sd->stop, &e)
                        : err_set(&e, ERR_NOMEM, "out of memory");
    w->k->profile.cert_file = w->k->access.http.profile.cert_file;
    w->k->profile.key_file = w->k->access.http.profile.key_file;
    rc = rc < 0 ? rc : headers_auth(&w->headers, &w->k->access.http, w->k->sd->env.tokens, &e);
    if (rc == 0 &&
        (!headers_add(&w->headers, "Accept: application/json") || !headers_end(&w->headers))) {
        rc = err_set(&e, ERR_NOMEM, "out of memory");
    }
    r.url = w->url;
    r.headers = (const char *const *)w->headers.lines.v;
    w->state = watch ? WATCH_WATCHING : WATCH_LISTING;
    rc = rc < 0 ? rc : http_multi_start(w->k->multi, &r, &w->transfer, &e);
    if (rc < 0) {
        request_ended(w);
        failed(w, &e);
    }
}

/* ---- the provider ---- */

static bool needs(const struct sd_conf *c, enum k8s_kind kind)
{
    bool endpoints = c->role == K8S_ENDPOINTS || c->role == K8S_ENDPOINTSLICE;

    switch (kind) {
    case KIND_POD:
        return c->role == K8S_POD || endpoints;
    case KIND_SERVICE:
        return c->role == K8S_SERVICE || endpoints;
    case KIND_NODE:
        return c->role == K8S_NODE || (c->attach_node && (c->role == K8S_POD || endpoints));
    case KIND_NAMESPACE:
        return c->attach_namespace && c->role != K8S_NODE;
    default:
        return (int)kind == (int)c->role;
    }
}

static void add_watcher(struct k8s *k, enum k8s_kind kind, struct str ns)
{
    struct watcher *w;

    if (k->watchers_n == WATCHERS_MAX) {
        log_error("scrape", "too many namespaces in one kubernetes_sd_config",
                  L_INT("watches", WATCHERS_MAX));
        return;
    }
    w = &k->watchers[k->watchers_n++];
    *w = (struct watcher){.k = k, .kind = kind, .ns = ns};
    buf_init(&w->line, LINE_BYTES);
}

static void make_watchers(struct k8s *k)
{
    const struct sd_conf *c = k->sd->conf;

    k->watchers = mem_xcalloc(WATCHERS_MAX, sizeof(*k->watchers));
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        bool all = !RESOURCES[kind].namespaced || (c->names_n == 0 && !c->own_namespace);

        if (!needs(c, (enum k8s_kind)kind)) {
            continue;
        }
        if (all) {
            add_watcher(k, (enum k8s_kind)kind, str_of("", 0));
            continue;
        }
        for (size_t i = 0; i < c->names_n; i++) {
            add_watcher(k, (enum k8s_kind)kind, c->names[i]);
        }
        if (c->own_namespace && k->access.own_namespace.n != 0) {
            add_watcher(k, (enum k8s_kind)kind, k->access.own_namespace);
        }
    }
}

static void post_if_due(struct k8s *k)
{
    struct sd_set *set;

    if (!k->dirty ||
        (k->last_post.ns != 0 && mono_since_ns(k->last_post) < (int64_t)POST_PAUSE_MS * 1000000)) {
        return;
    }
    for (size_t i = 0; i < k->watchers_n; i++) {
        if (!k->watchers[i].listed) {
            return;
        }
    }
    set = k8s_groups(k->sd->conf, &k->world);
    if (set != NULL) {
        k->dirty = false;
        k->last_post = clock_mono();
        sd_post(k->sd, set);
    }
}

static void loop(struct k8s *k)
{
    while (!sd_stopping(k->sd)) {
        for (size_t i = 0; i < k->watchers_n; i++) {
            struct watcher *w = &k->watchers[i];

            if (w->state == WATCH_IDLE && clock_mono().ns >= w->not_before.ns) {
                start(w);
            }
        }
        http_multi_run(k->multi, TICK_MS);
        post_if_due(k);
    }
}

static void k8s_done(struct k8s *k)
{
    for (size_t i = 0; i < k->watchers_n; i++) {
        struct watcher *w = &k->watchers[i];

        if (w->transfer != NULL) {
            http_multi_cancel(k->multi, w->transfer);
        }
        request_ended(w);
        mem_free(w->next_page);
        map_done(&w->seen);
        buf_done(&w->line);
    }
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct str key;
        void *value;
        size_t pos = 0;

        while (map_next(&k->world.objects[i], &pos, &key, &value)) {
            k8s_object_free(value);
        }
        map_done(&k->world.objects[i]);
    }
    mem_free(k->watchers);
    http_multi_free(k->multi);
    k8s_access_done(&k->access);
    arena_done(&k->a);
}

void sd_k8s_run(void *arg)
{
    const struct http_multi_opts o = {.max_connections = WATCHERS_MAX};
    struct k8s k = {.sd = arg};
    struct err e = {0};
    int rc;

    do { /* a service account may appear later */
        arena_done(&k.a);
        arena_init(&k.a, 16 << 20);
        rc = k8s_access(k.sd->conf, &k.a, &k.access, &e);
        if (rc < 0) {
            sd_failed(k.sd, &e);
            k8s_access_done(&k.access);
        }
    } while (rc < 0 && sd_sleep(k.sd, RETRY_MAX_MS));
    k.multi = rc == 0 ? http_multi_new(&o) : NULL;
    if (k.multi != NULL) {
        k.profile = k.access.http.profile;
        k.profile.http2 = false; /* a stream a connection keeps watches apart */
        make_watchers(&k);
        loop(&k);
    }
    k8s_done(&k);
}
