/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/apm/live: the figures of a group as Server-Sent Events, one every tick. One thread makes each group's event
 * once and sends it to all who watch the group; who joins gets the ten minutes before first. Ticks that were corrected
 * by late requests come again.
 */
#include "api/api_internal.h"

#include "api/apm_json.h"
#include "api/params.h"
#include "apm/apm.h"
#include "base/alloc.h"
#include "base/thread.h"
#include "base/vec.h"

enum {
    STREAMS_MAX = 256,
    QUEUE_BYTES = 8 << 20,
    EVENT_MAX = 8 << 20,
    GROUP_MAX = 256,
    WINDOW_TICKS = 5, /* rates and percentiles of instances are of 10 s */
    ARENA_MAX = 64 << 20,
};

struct stream {
    struct http_stream *http;
    struct feed *feed;
    bool joined; /* has what came before */
};

/* A group that is watched; the thread's alone once it is in the list. */
struct feed {
    char name[GROUP_MAX];
    size_t name_n;
    uint64_t changes;   /* to ask with next time */
    uint64_t instances; /* hash of the list last sent */
    size_t streams;     /* guarded by: apm_streams.lock */
};

struct apm_streams {
    struct api *api;
    struct mutex lock;
    struct cond wake;
    struct thread thread;
    VEC(struct stream *) streams; /* guarded by: lock */
    VEC(struct feed *) feeds;     /* guarded by: lock */
    bool closing, end_all;        /* guarded by: lock */
    struct gauge *active;
};

/* ---- events ---- */

static struct str feed_name(const struct feed *f)
{
    return str_of(f->name, f->name_n);
}

static void event_begin(struct buf *b, struct json_writer *w, const char *event)
{
    buf_printf(b, "event: %s\ndata: ", event);
    json_init(w, b);
    json_object_begin(w);
}

static void event_end(struct buf *b, struct json_writer *w)
{
    json_object_end(w);
    buf_add_cstr(b, "\n\n");
}

static uint64_t instances_hash(const struct live_instance *v, size_t n)
{
    uint64_t h = n;

    for (size_t i = 0; i < n; i++) {
        h = hash_u64(h ^ ((uint64_t)v[i].id << 1 | v[i].up));
    }
    return h;
}

static void write_instances(struct buf *b, const struct live_instance *v, size_t n)
{
    struct json_writer w;

    event_begin(b, &w, "instances");
    json_key(&w, "instances");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        apm_json_instance(&w, &v[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    event_end(b, &w);
}

static void write_points(struct json_writer *w, const struct live_point *v, size_t n)
{
    json_key(w, "points");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        apm_json_point(w, &v[i]);
    }
    json_array_end(w);
}

/* One instance in one tick, with the mean and p95 of the last 10 s: {id, done, sat, tol, fru, err4, err5, inflight, sum,
 * p95, done10, sum10}, times in ms. */
static void write_row(struct json_writer *w, const struct live_instance *tick,
                      const struct live_instance *window)
{
    const struct live_counts *n = &tick->f.n;

    json_object_begin(w);
    apm_json_member_i64(w, "id", tick->id);
    apm_json_member_i64(w, "done", (int64_t)n->done);
    apm_json_member_i64(w, "sat", (int64_t)n->satisfied);
    apm_json_member_i64(w, "tol", (int64_t)n->tolerating);
    apm_json_member_i64(w, "fru", (int64_t)n->frustrated);
    apm_json_member_i64(w, "err4", (int64_t)n->err4);
    apm_json_member_i64(w, "err5", (int64_t)n->err5);
    if (tick->in_flight >= 0) {
        apm_json_member_i64(w, "inflight", tick->in_flight);
    }
    json_key(w, "sum");
    json_f64(w, (double)n->sum_ns / 1e6);
    json_key(w, "p95");
    json_f64(w, (double)(int64_t)(window->f.p95_ns / 1e3) / 1e3);
    apm_json_member_i64(w, "done10", (int64_t)window->f.n.done);
    json_key(w, "sum10");
    json_f64(w, (double)window->f.n.sum_ns / 1e6);
    json_object_end(w);
}

struct tick_event {
    struct live_group group;
    struct live_instance *tick, *window;
    size_t tick_n, window_n;
    struct live_point *points;
    size_t points_n;
};

/* Both lists are in the same order; an instance may be new in the second. */
static void write_rows(struct json_writer *w, const struct tick_event *t)
{
    size_t at = 0;

    json_key(w, "instances");
    json_array_begin(w);
    for (size_t i = 0; i < t->tick_n; i++) {
        for (at = at < t->window_n ? at : 0; at < t->window_n && t->window[at].id != t->tick[i].id;
             at++) {
        }
        if (at < t->window_n && (t->window[at].f.n.done != 0 || t->tick[i].in_flight >= 0)) {
            write_row(w, &t->tick[i], &t->window[at]);
        }
    }
    json_array_end(w);
}

/* What a group says at this tick. @return 0, -ERR_NOT_FOUND, -ERR_NOMEM */
static int gather(struct live *l, struct feed *f, int64_t now_ms, struct arena *a,
                  struct tick_event *t)
{
    struct live_ask ask = {.group = feed_name(f), .now_ms = now_ms, .quiet = true};
    int64_t now = live_tick_of(now_ms);
    int rc;

    ask.w = (struct live_window){now, now};
    rc = live_group(l, &ask, a, &t->group, NULL); /* for its newest whole tick */
    if (rc < 0) {
        return rc;
    }
    ask.w = (struct live_window){t->group.tick - WINDOW_TICKS + 1, t->group.tick};
    rc = live_group(l, &ask, a, &t->group, NULL);
    rc = rc < 0 ? rc : live_instances(l, &ask, a, &t->window, &t->window_n, NULL);
    ask.w = (struct live_window){t->group.tick, t->group.tick};
    rc = rc < 0 ? rc : live_instances(l, &ask, a, &t->tick, &t->tick_n, NULL);
    ask.w = (struct live_window){now - LIVE_TICKS + 1, now};
    ask.since = f->changes;
    rc = rc < 0 ? rc : live_points(l, &ask, a, &t->points, &t->points_n, &f->changes, NULL);
    return rc;
}

static void write_tick(struct buf *b, const struct tick_event *t, int64_t now_ms)
{
    struct json_writer w;

    event_begin(b, &w, "tick");
    apm_json_member_i64(&w, "now_ms", now_ms);
    apm_json_member_i64(&w, "t_ms", t->group.tick * LIVE_TICK_MS);
    json_key(&w, "group");
    apm_json_group(&w, &t->group, WINDOW_TICKS * LIVE_TICK_MS / 1000.0);
    write_rows(&w, t);
    write_points(&w, t->points, t->points_n);
    event_end(b, &w);
}

/* The event of one feed: instances when the list changed, then the tick. */
static void write_feed(struct live *l, struct feed *f, int64_t now_ms, struct buf *b)
{
    struct tick_event t = {0};
    struct json_writer w;
    struct arena a CLEANUP(arena_done);
    int rc;

    arena_init(&a, ARENA_MAX);
    rc = gather(l, f, now_ms, &a, &t);
    if (rc < 0) { /* no request of it came yet, or memory is short */
        event_begin(b, &w, "tick");
        apm_json_member_i64(&w, "now_ms", now_ms);
        json_key(&w, "group");
        json_null(&w);
        event_end(b, &w);
        return;
    }
    if (instances_hash(t.window, t.window_n) != f->instances) {
        f->instances = instances_hash(t.window, t.window_n);
        write_instances(b, t.window, t.window_n);
    }
    write_tick(b, &t, now_ms);
}

/* What a new stream begins with. */
static void write_hello(struct live *l, const struct feed *f, int64_t now_ms, struct buf *b)
{
    int64_t now = live_tick_of(now_ms);
    struct live_ask ask = {
        .group = feed_name(f), .now_ms = now_ms, .quiet = true, .w = {now - LIVE_TICKS + 1, now}};
    struct live_instance *is = NULL;
    struct live_point *points = NULL;
    struct json_writer w;
    struct arena a CLEANUP(arena_done);
    size_t points_n = 0;
    size_t is_n = 0;
    uint64_t changes;
    int rc;

    arena_init(&a, ARENA_MAX);
    rc = live_points(l, &ask, &a, &points, &points_n, &changes, NULL);
    rc = rc < 0 ? rc : live_instances(l, &ask, &a, &is, &is_n, NULL);
    event_begin(b, &w, "history");
    apm_json_member_i64(&w, "now_ms", now_ms);
    apm_json_member_i64(&w, "tick_ms", LIVE_TICK_MS);
    write_points(&w, points, rc < 0 ? 0 : points_n);
    event_end(b, &w);
    if (rc == 0) {
        write_instances(b, is, is_n);
    }
}

/* ---- the thread ---- */

/* @return false when the client has left. A reader that is too slow misses the event: the next one has all that
 * changed since the one the group was last told of, so charts may lack a tick until it is corrected. */
static bool send(struct stream *s, const struct buf *b)
{
    return b->failed || http_stream_write(s->http, buf_str(b)) != -ERR_CANCELED;
}

static void drop_locked(struct apm_streams *all, size_t i)
{
    struct stream *s = all->streams.v[i];

    s->feed->streams--;
    http_stream_end(s->http);
    mem_free(s);
    all->streams.v[i] = all->streams.v[--all->streams.n];
    gauge_set(all->active, (int64_t)all->streams.n);
}

static void drop_feeds_locked(struct apm_streams *all)
{
    size_t kept = 0;

    for (size_t i = 0; i < all->feeds.n; i++) {
        if (all->feeds.v[i]->streams != 0) {
            all->feeds.v[kept++] = all->feeds.v[i];
        } else {
            mem_free(all->feeds.v[i]);
        }
    }
    all->feeds.n = kept;
}

/* Streams of one feed get its event. Only this thread drops streams and feeds, so the feed stays. */
static void serve(struct apm_streams *all, struct live *l, struct feed *f, int64_t now_ms)
{
    struct buf hello CLEANUP(buf_done);
    struct buf event CLEANUP(buf_done);

    buf_init(&hello, EVENT_MAX);
    buf_init(&event, EVENT_MAX);
    write_feed(l, f, now_ms, &event);
    mutex_lock(&all->lock);
    for (size_t i = 0; i < all->streams.n;) {
        struct stream *s = all->streams.v[i];
        bool alive = true;

        if (s->feed == f && !s->joined) {
            if (hello.n == 0) {
                write_hello(l, f, now_ms, &hello);
            }
            s->joined = true;
            alive = send(s, &hello);
        }
        if (alive && s->feed == f) {
            alive = send(s, &event);
        }
        if (alive) {
            i++;
        } else {
            drop_locked(all, i);
        }
    }
    mutex_unlock(&all->lock);
}

static void round_of(struct apm_streams *all)
{
    const struct api_backend *b = api_backend(all->api);
    struct live *l = b != NULL ? apm_live(b->apm) : NULL;
    int64_t now_ms = clock_wall_ms();

    for (size_t i = 0; l != NULL; i++) {
        struct feed *f;

        mutex_lock(&all->lock);
        f = i < all->feeds.n ? all->feeds.v[i] : NULL;
        mutex_unlock(&all->lock);
        if (f == NULL) {
            break;
        }
        serve(all, l, f, now_ms);
    }
    mutex_lock(&all->lock);
    drop_feeds_locked(all);
    mutex_unlock(&all->lock);
}

static void run(void *arg)
{
    struct apm_streams *all = arg;
    bool closing = false;

    while (!closing) {
        bool fresh = false;

        mutex_lock(&all->lock);
        for (size_t i = 0; i < all->streams.n; i++) {
            fresh = fresh || !all->streams.v[i]->joined;
        }
        if (!fresh && !all->closing &&
            !all->end_all) { /* a new stream need not wait for the tick */
            cond_wait_ms(&all->wake, &all->lock,
                         LIVE_TICK_MS - clock_wall_ms() % LIVE_TICK_MS + 50);
        }
        closing = all->closing;
        while ((all->end_all || closing) && all->streams.n != 0) {
            drop_locked(all, all->streams.n - 1);
        }
        drop_feeds_locked(
            all); /* none is served whose last stream was ended here: the store may go */
        all->end_all = false;
        cond_broadcast(&all->wake); /* apm_streams_end_all() waits */
        mutex_unlock(&all->lock);
        if (!closing) {
            round_of(all);
        }
    }
}

struct apm_streams *apm_streams_new(struct api *api, struct stats *stats)
{
    struct apm_streams *all = mem_xcalloc(1, sizeof(*all));

    all->api = api;
    mutex_init(&all->lock, LOCK_RANK_API);
    cond_init(&all->wake);
    all->active = stats_gauge(stats, "bongsu_apm_streams", "", "Open live streams of groups");
    ignore_result(thread_start(&all->thread, "apm-streams", run, all),
                  "without it streams are refused");
    return all;
}

void apm_streams_end_all(struct apm_streams *all)
{
    mutex_lock(&all->lock);
    all->end_all = true;
    cond_broadcast(&all->wake);
    while (all->thread.running && all->streams.n != 0) {
        cond_wait_ms(&all->wake, &all->lock, 100);
    }
    mutex_unlock(&all->lock);
}

void apm_streams_free(struct apm_streams *all)
{
    if (all == NULL) {
        return;
    }
    mutex_lock(&all->lock);
    all->closing = true;
    cond_broadcast(&all->wake);
    mutex_unlock(&all->lock);
    thread_join(&all->thread);
    drop_feeds_locked(all);
    vec_done(&all->streams);
    vec_done(&all->feeds);
    cond_done(&all->wake);
    mutex_done(&all->lock);
    mem_free(all);
}

/* ---- joining ---- */

static struct feed *feed_locked(struct apm_streams *all, struct str group)
{
    struct feed *f;

    for (size_t i = 0; i < all->feeds.n; i++) {
        if (str_eq(feed_name(all->feeds.v[i]), group)) {
            return all->feeds.v[i];
        }
    }
    f = mem_try_calloc(1, sizeof(*f));
    if (f == NULL || !vec_push(&all->feeds, f)) {
        mem_free(f);
        return NULL;
    }
    memcpy(f->name, group.p, group.n);
    f->name_n = group.n;
    return f;
}

/* @return false when there is no room; the stream is then ended */
static bool join(struct apm_streams *all, struct str group, struct stream *s)
{
    bool ok;

    mutex_lock(&all->lock);
    ok = all->streams.n < STREAMS_MAX && !all->closing && all->thread.running;
    s->feed = ok ? feed_locked(all, group) : NULL;
    ok = s->feed != NULL && vec_push(&all->streams, s);
    if (ok) {
        s->feed->streams++;
        gauge_set(all->active, (int64_t)all->streams.n);
        cond_broadcast(&all->wake);
    }
    mutex_unlock(&all->lock);
    return ok;
}

static void start_stream(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct str group = http_param(x, "group");
    struct stream *s;
    struct err e = {0};
    char name[GROUP_MAX];

    if (group.n == 0 || group.n > GROUP_MAX) {
        err_set(&e, ERR_INVALID, group.n == 0 ? "group: must be given" : "group: is too long");
        respond_err(x, -ERR_INVALID, &e);
        return;
    }
    memcpy(name, group.p, group.n); /* the request is gone once the stream begins */
    group.p = name;
    s = mem_xcalloc(1, sizeof(*s));
    http_set_header(x, "Cache-Control", "no-store");
    http_set_header(x, "X-Accel-Buffering", "no");
    s->http = http_respond_stream(x, "text/event-stream", QUEUE_BYTES);
    ignore_result(http_stream_write(s->http, STR(": apm\n\n")),
                  "the thread sees a client that left");
    if (!join(a->apm_streams, group, s)) {
        http_stream_end(s->http);
        mem_free(s);
    }
}

void apm_stream_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/api/v1/apm/live", start_stream, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
