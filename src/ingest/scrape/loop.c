/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap of targets by due time and libcurl's events on one thread. Invariant: a target is in the heap
 * (waiting, ending), in the due queue, or in flight, never in two of them.
 *
 * A target that went away is kept for a little over two intervals. When it comes back meanwhile (same job,
 * labels and address) the new one takes over its series; otherwise they get staleness markers stamped with
 * the time of the scrape that did not happen, as upstream does.
 */
#include "ingest/scrape/loop.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"

static const int64_t NS_PER_MS = 1000000;

enum {
    IDLE_MS = 1000,
    ALIGN_TOLERANCE_NS = 2000000, /* a scrape this late is stamped with its planned time */
    DEFAULT_BODY_MAX = 256 << 20,
};

struct command {
    struct target *t; /* a reference */
    bool add;
};

struct loop {
    struct loop_opts o;
    struct thread thread;
    struct http_multi *multi;
    struct appender *appender;
    atomic_bool closing;
    _Atomic size_t in_flight;   /* relaxed: a gauge */
    _Atomic size_t connections; /* relaxed: a gauge */
    char user_agent[64];

    struct mutex lock;
    VEC(struct command) inbox; /* guarded by: lock */

    VEC(struct target *) heap; /* each with the loop's reference */
    struct target *due_first, **due_last;
    struct target *flights; /* in flight */
    struct map ending;      /* key -> target in state TARGET_ENDING */
    size_t flying;
};

/* ---- heap by due_ns ---- */

static void heap_set(struct loop *l, size_t i, struct target *t)
{
    l->heap.v[i] = t;
    t->heap_at = i;
}

static void heap_up(struct loop *l, size_t i)
{
    struct target *t = l->heap.v[i];

    while (i > 0 && l->heap.v[(i - 1) / 2]->due_ns > t->due_ns) {
        heap_set(l, i, l->heap.v[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
    struct target *t = l->heap.v[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= l->heap.n) {
            break;
        }
        if (child + 1 < l->heap.n && l->heap.v[child + 1]->due_ns < l->heap.v[child]->due_ns) {
            child++;
        }
        if (l->heap.v[child]->due_ns >= t->due_ns) {
            break;
        }
        heap_set(l, i, l->heap.v[child]);
        i = child;
    }
    heap_set(l, i, t);
}

static bool heap_push(struct loop *l, struct target *t)
{
    if (!vec_push(&l->heap, t)) {
        return false;
    }
    heap_up(l, l->heap.n - 1);
    return true;
}

static void heap_remove(struct loop *l, struct target *t)
{
    size_t i = t->heap_at;
    struct target *last = l->heap.v[--l->heap.n];

    if (last != t) {
        heap_set(l, i, last);
        heap_up(l, i);
        heap_down(l, last->heap_at);
    }
}

/* ---- schedule ---- */

/* The next time after `now` at which this target is scraped: its own offset within the interval. */
static int64_t next_due(const struct target *t, int64_t now_ns)
{
    int64_t interval = t->interval_ms * NS_PER_MS;
    int64_t offset = (int64_t)(hash_u64(t->key) % (uint64_t)interval);
    int64_t due = now_ns - now_ns % interval + offset;

    return due <= now_ns ? due + interval : due;
}

/* A scrape whose time came while the one before ran or waited is made at once; only when its own successor's time has come
 * too is it left out. A clock that was set starts the series anew. */
static void wait_for_next(struct loop *l, struct target *t, int64_t now_ns)
{
    int64_t interval = t->interval_ms * NS_PER_MS;
    int64_t planned = t->due_ns + interval;

    t->due_ns =
        planned > now_ns - interval && planned <= now_ns + interval ? planned : next_due(t, now_ns);
    if (t->due_ns > planned) {
        counter_add(l->o.stats->late, (uint64_t)((t->due_ns - planned) / interval));
    }
    t->state = TARGET_WAITING;
    if (!heap_push(l, t)) {
        log_error("scrape", "no memory to schedule a target", L_STR("url", t->url));
        target_unref(t);
    }
}

/* ---- one scrape ---- */

static void flight_began(struct loop *l, struct target *t)
{
    t->state = TARGET_IN_FLIGHT;
    t->prev = NULL;
    t->next = l->flights;
    if (l->flights != NULL) {
        l->flights->prev = t;
    }
    l->flights = t;
    l->flying++;
}

static void flight_ended(struct loop *l, struct target *t)
{
    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        l->flights = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    t->next = t->prev = NULL;
    t->transfer = NULL;
    headers_done(&t->headers);
    l->flying--;
}

static void set_status(struct target *t, bool up, const struct err *e, int64_t duration_ns)
{
    char *text = up ? NULL : mem_xstrdup(e->msg);

    mutex_lock(&t->lock);
    mem_free(t->last_error);
    t->last_error = text;
    t->health = up ? SCRAPE_UP : SCRAPE_DOWN;
    t->last_scrape_ns = t->started_ns;
    t->last_duration_ns = duration_ns;
    mutex_unlock(&t->lock);
}

static void store(struct loop *l, struct target *t, struct scraped *s)
{
    struct append_result r;

    s->t_ms = t->stamp_ms;
    appender_store(l->appender, t, s, &r);
    t->reported = true;
    set_status(t, r.up, &r.err, s->duration_ns);
    counter_add(r.up ? l->o.stats->scrapes_up : l->o.stats->scrapes_failed, 1);
    counter_add(l->o.stats->samples, r.stored);
    timing_observe_ns(l->o.stats->duration, s->duration_ns);
}

static int format_of_page(const struct target *t, struct str type, enum expo_format *ret,
                          struct err *reterr)
{
    static const enum expo_format FALLBACK[PROTO_COUNT] = {[PROTO_PROTOBUF] = EXPO_PROTOBUF,
                                                           [PROTO_OPENMETRICS_1] = EXPO_OPENMETRICS,
                                                           [PROTO_OPENMETRICS_0] = EXPO_OPENMETRICS,
                                                           [PROTO_TEXT_1] = EXPO_TEXT,
                                                           [PROTO_TEXT_0] = EXPO_TEXT};

    if (expo_format_of(type, ret)) {
        return 0;
    }
    if (t->job->fallback >= 0) {
        *ret = FALLBACK[t->job->fallback];
        return 0;
    }
    if (type.n == 0) {
        return err_set(reterr, ERR_UNSUPPORTED,
                       "non-compliant scrape target sending blank Content-Type and no "
                       "fallback_scrape_protocol specified for target");
    }
    return err_set(reterr, ERR_UNSUPPORTED,
                   "received unsupported Content-Type \"%.*s\" and no fallback_scrape_protocol "
                   "specified for target",
                   STR_ARG(type));
}

static void read_result(const struct target *t, const struct http_multi_result *r,
                        struct scraped *s)
{
    s->failed = true;
    if (r->rc == -ERR_TOO_LARGE) {
        s->body_bytes = -1;
        s->err = *r->err;
    } else if (r->rc < 0) {
        s->err = *r->err;
        err_prefix(&s->err, "Get \"%.120s\"", t->url.p);
    } else if (r->status != 200) {
        err_set(&s->err, ERR_UNAVAILABLE, "server returned HTTP status %d%s%.*s", r->status,
                r->reason.n != 0 ? " " : "", STR_ARG(r->reason));
    } else if (format_of_page(t, r->content_type, &s->format, &s->err) == 0) {
        s->failed = false;
        s->body = buf_str(r->body);
        s->body_bytes = (int64_t)r->body->n;
    }
}

/* Fetches that failed; what is wrong with a page is shown with its target only, as upstream. */
static void log_failure(struct loop *l, const struct target *t, const struct err *e)
{
    const struct scrape_failure f = {
        .message = str_cstr(e->msg), .job = t->job->name, .url = t->url};

    failure_logs_write(l->o.failures, t->job->failure_log, &f);
}

static void on_done(void *arg, const struct http_multi_result *r)
{
    struct target *t = arg;
    struct loop *l = t->loop;
    struct scraped s = {.duration_ns = mono_since_ns(t->began)};

    flight_ended(l, t);
    read_result(t, r, &s);
    if (t->job->failure_log.n != 0 && (r->rc < 0 || r->status != 200)) {
        log_failure(l, t, &s.err);
    }
    counter_add(l->o.stats->body_bytes, (uint64_t)(r->wire_bytes > 0 ? r->wire_bytes : 0));
    counter_add(l->o.stats->connects, r->reused ? 0 : 1);
    store(l, t, &s);
    wait_for_next(l, t, clock_wall_ns());
}

/* A scrape that ended before a byte was sent. */
static void fail_early(struct loop *l, struct target *t, const struct err *e)
{
    struct scraped s = {.failed = true, .err = *e, .duration_ns = mono_since_ns(t->began)};

    headers_done(&t->headers);
    store(l, t, &s);
    wait_for_next(l, t, clock_wall_ns());
}

static int make_headers(struct loop *l, struct target *t, struct err *reterr)
{
    struct header_list *h = &t->headers;

    headers_done(h);
    if (!headers_add(h, "%s", t->job->accept) ||
        !headers_add(h, "X-Prometheus-Scrape-Timeout-Seconds: %g", (double)t->timeout_ms / 1000)) {
        return err_set(reterr, ERR_NOMEM, "no memory for a request");
    }
    if (headers_auth(h, &t->job->http, l->o.tokens, reterr) < 0) {
        return -(int)ERR_UNAVAILABLE;
    }
    return headers_end(h) ? 0 : err_set(reterr, ERR_NOMEM, "no memory for a request");
}

static void begin_scrape(struct loop *l, struct target *t)
{
    const uint64_t over = atomic_load_explicit(&t->over_limit, memory_order_relaxed);
    struct http_multi_request r = {
        .profile = &t->profile,
        .url = t->url.p,
        .timeout_ms = t->timeout_ms,
        .max_response = t->job->body_size_limit != 0 ? t->job->body_size_limit : DEFAULT_BODY_MAX,
        .done = on_done,
        .arg = t};
    struct err e = {0};
    int rc;

    t->began = clock_mono();
    t->started_ns = clock_wall_ns();
    t->stamp_ms = t->started_ns / NS_PER_MS;
    if (t->started_ns - t->due_ns >= 0 && t->started_ns - t->due_ns <= ALIGN_TOLERANCE_NS) {
        t->stamp_ms = t->due_ns / NS_PER_MS;
    }
    if (over != 0) {
        err_set(&e, ERR_LIMIT, "target_limit exceeded (number of targets: %llu, limit: %llu)",
                (unsigned long long)over, (unsigned long long)t->job->target_limit);
        fail_early(l, t, &e);
        return;
    }
    t->profile = t->job->http.profile;
    t->profile.user_agent = l->user_agent;
    t->profile.encodings = t->job->compression ? "gzip, zstd" : NULL;
    rc = make_headers(l, t, &e);
    r.headers = (const char *const *)t->headers.lines.v;
    rc = rc < 0 ? rc : http_multi_start(l->multi, &r, &t->transfer, &e);
    if (rc < 0) {
        fail_early(l, t, &e);
        return;
    }
    flight_began(l, t);
}

/* ---- due ---- */

static void end_target(struct loop *l, struct target *t)
{
    ignore_result(map_del(&l->ending, str_of((const char *)&t->key, sizeof(t->key))),
                  "the table holds no reference");
    appender_end(l->appender, t, t->stale_ms);
    target_unref(t);
}

static void take_due(struct loop *l, int64_t now_ns)
{
    while (l->heap.n != 0 && l->heap.v[0]->due_ns <= now_ns) {
        struct target *t = l->heap.v[0];

        heap_remove(l, t);
        if (t->state == TARGET_ENDING) {
            end_target(l, t);
            continue;
        }
        t->state = TARGET_DUE;
        t->next = NULL;
        *l->due_last = t;
        l->due_last = &t->next;
    }
}

static void start_due(struct loop *l)
{
    while (l->due_first != NULL && l->flying < l->o.max_connections) {
        struct target *t = l->due_first;

        l->due_first = t->next;
        if (l->due_first == NULL) {
            l->due_last = &l->due_first;
        }
        begin_scrape(l, t);
    }
}

/* ---- coming and going ---- */

static void due_remove(struct loop *l, struct target *t)
{
    struct target **at = &l->due_first;

    while (*at != NULL && *at != t) {
        at = &(*at)->next;
    }
    if (*at == t) {
        *at = t->next;
        if (t->next == NULL) {
            l->due_last = at;
        }
    }
}

static void add_target(struct loop *l, struct target *t)
{
    struct target *old = map_del(&l->ending, str_of((const char *)&t->key, sizeof(t->key)));

    t->loop = l;
    if (old != NULL) { /* it came back: its series go on */
        heap_remove(l, old);
        t->cache = old->cache;
        old->cache = (struct series_cache){0};
        if (old->job != t->job) {
            series_cache_orphan(&t->cache);
        }
        memcpy(t->reports, old->reports, sizeof(t->reports));
        t->reported = old->reported;
        target_unref(old);
    }
    t->due_ns = next_due(t, clock_wall_ns());
    t->state = TARGET_WAITING;
    if (!heap_push(l, t)) {
        log_error("scrape", "no memory to schedule a target", L_STR("url", t->url));
        target_unref(t);
    }
}

/* Drops the reference of the command; the loop's own lives on while the target is ending. */
static void remove_target(struct loop *l, struct target *t)
{
    int64_t interval = t->interval_ms * NS_PER_MS;

    switch (t->state) {
    case TARGET_WAITING:
        heap_remove(l, t);
        break;
    case TARGET_DUE:
        due_remove(l, t);
        break;
    case TARGET_IN_FLIGHT:
        http_multi_cancel(l->multi, t->transfer);
        flight_ended(l, t);
        break;
    default:
        return; /* never added or gone already */
    }
    if (!t->reported) {
        t->state = TARGET_NEW;
        target_unref(t);
        return;
    }
    t->stale_ms = next_due(t, clock_wall_ns()) / NS_PER_MS;
    t->due_ns = t->stale_ms * NS_PER_MS + interval + interval / 10;
    t->state = TARGET_ENDING;
    if (map_put(&l->ending, str_of((const char *)&t->key, sizeof(t->key)), t) < 0 ||
        !heap_push(l, t)) {
        end_target(l, t);
    }
}

static void run_commands(struct loop *l)
{
    struct command *v;
    size_t n;

    mutex_lock(&l->lock);
    v = l->inbox.v;
    n = l->inbox.n;
    l->inbox.v = NULL;
    l->inbox.n = l->inbox.cap = 0;
    mutex_unlock(&l->lock);
    for (size_t i = 0; i < n; i++) {
        if (v[i].add) {
            add_target(l, v[i].t);
        } else {
            remove_target(l, v[i].t);
            target_unref(v[i].t);
        }
    }
    mem_free(v);
}

static int64_t wait_ms(const struct loop *l)
{
    int64_t ns = l->heap.n != 0 ? l->heap.v[0]->due_ns - clock_wall_ns() : IDLE_MS * NS_PER_MS;
    int64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;

    return ms < 0 ? 0 : ms > IDLE_MS ? IDLE_MS : ms; /* a clock that was set back is seen soon */
}

static void run(void *arg)
{
    struct loop *l = arg;

    while (!atomic_load_explicit(&l->closing, memory_order_relaxed)) {
        http_multi_run(l->multi, wait_ms(l));
        run_commands(l);
        take_due(l, clock_wall_ns());
        start_due(l);
        atomic_store_explicit(&l->in_flight, l->flying, memory_order_relaxed);
        atomic_store_explicit(&l->connections, http_multi_connections(l->multi),
                              memory_order_relaxed);
    }
}

static int send(struct loop *l, struct target *t, bool add)
{
    bool ok;

    mutex_lock(&l->lock);
    ok = vec_push(&l->inbox, (struct command){target_ref(t), add});
    mutex_unlock(&l->lock);
    if (!ok) {
        target_unref(t);
        return -ERR_NOMEM;
    }
    http_multi_wake(l->multi);
    return 0;
}

int loop_add(struct loop *l, struct target *t)
{
    return send(l, t, true);
}

int loop_remove(struct loop *l, struct target *t)
{
    return send(l, t, false);
}

size_t loop_in_flight(const struct loop *l)
{
    return atomic_load_explicit(&l->in_flight, memory_order_relaxed);
}

size_t loop_connections(const struct loop *l)
{
    return atomic_load_explicit(&l->connections, memory_order_relaxed);
}

/* ---- life ---- */

struct loop *loop_new(const struct loop_opts *o)
{
    const struct http_multi_opts multi = {.max_connections = o->max_connections};
    struct loop *l = mem_xcalloc(1, sizeof(*l));
    char name[16];

    l->o = *o;
    l->due_last = &l->due_first;
    mutex_init(&l->lock, LOCK_RANK_LEAF);
    snprintf(l->user_agent, sizeof(l->user_agent), "bongsu/%s",
             o->version != NULL ? o->version : "");
    snprintf(name, sizeof(name), "scrape-%u", o->number);
    l->multi = http_multi_new(&multi);
    l->appender = l->multi != NULL ? appender_new(o->sink, o->families, o->with_created) : NULL;
    if (l->appender == NULL || thread_start(&l->thread, name, run, l) < 0) {
        loop_free(l);
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL) {
        return;
    }
    atomic_store_explicit(&l->closing, true, memory_order_relaxed);
    if (l->multi != NULL) {
        http_multi_wake(l->multi);
    }
    thread_join(&l->thread);
    while (l->flights != NULL) {
        struct target *t = l->flights;

        flight_ended(l, t);
        target_unref(t);
    }
    http_multi_free(l->multi);
    for (size_t i = 0; i < l->inbox.n; i++) {
        target_unref(l->inbox.v[i].t);
    }
    for (size_t i = 0; i < l->heap.n; i++) {
        target_unref(l->heap.v[i]);
    }
    while (l->due_first != NULL) {
        struct target *t = l->due_first;

        l->due_first = t->next;
        target_unref(t);
    }
    vec_done(&l->inbox);
    vec_done(&l->heap);
    map_done(&l->ending);
    appender_free(l->appender);
    mutex_done(&l->lock);
    mem_free(l);
}
