/* SPDX-License-Identifier: Apache-2.0
 *
 * Live tail of logs as Server-Sent Events (WHATWG HTML, section 9.2). Rows are filtered on the appending
 * thread and queued; a reader that is too slow loses rows and is told how many.
 */
#include "api/api_internal.h"

#include "api/log_query.h"
#include "api/otel_json.h"
#include "api/params.h"
#include "base/alloc.h"

enum { TAILS_MAX = 256, QUEUE_BYTES = 4 << 20, EVENT_MAX = 1 << 20 };

/* The live row has no place in the store yet; a client needs only a key that is not taken. */
static const uint64_t LIVE_ID = 1ull << 62;
static const int64_t TICK_MS = 500;
static const int64_t HEARTBEAT_NS = 15 * 1000000000LL;

struct tail {
    struct tails *owner;
    struct http_stream *stream;
    struct columns_subscription *sub;
    struct row_filter filter; /* its tree lives in `a` */
    struct mutex lock;
    struct logql_query *query; /* guarded by: lock; in place of the filter, or NULL */
    struct arena a;
    _Atomic uint64_t dropped; /* rows since the last event */
    _Atomic uint64_t seq;     /* rows sent: ids of live rows, apart from those of stored ones */
    atomic_bool gone;         /* the client has left */
    int64_t beat_ns;          /* reaper thread only: last heartbeat, monotonic */
};

struct tails {
    struct mutex lock;
    struct cond wake;
    struct thread reaper;
    struct tail *list[TAILS_MAX]; /* guarded by: lock */
    size_t n;                     /* guarded by: lock */
    bool closing;                 /* guarded by: lock */
    bool end_all;                 /* guarded by: lock */
    struct gauge *active;
    struct counter *dropped_total;
};

static void drop_rows(struct tail *t, uint64_t n)
{
    atomic_fetch_add_explicit(&t->dropped, n, memory_order_relaxed);
    counter_add(t->owner->dropped_total, n);
}

static void send_event(struct tail *t, struct buf *b, uint64_t rows)
{
    int rc = b->failed ? -ERR_OVERLOAD : http_stream_write(t->stream, buf_str(b));

    if (rc == -ERR_CANCELED) {
        atomic_store_explicit(&t->gone, true, memory_order_relaxed);
    } else if (rc < 0) {
        drop_rows(t, rows);
    }
}

/* A query keeps state from row to row; a filter does not. */
static bool takes(struct tail *t, const struct log_record *row, struct logql_hit *ret)
{
    if (t->query != NULL) {
        return logql_match(t->query, row, ret);
    }
    *ret = (struct logql_hit){.record = row};
    return t->filter.root == NULL || filter_matches_log(t->filter.root, row);
}

/* The appending thread: no locks but the tail's and the stream's own. */
static void on_rows(void *arg, const struct log_record *rows, size_t n)
{
    struct tail *t = arg;
    struct json_writer w;
    struct buf b CLEANUP(buf_done);
    uint64_t taken = 0;

    buf_init(&b, EVENT_MAX);
    if (atomic_load_explicit(&t->gone, memory_order_relaxed)) {
        return;
    }
    mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        struct logql_hit hit;

        if (!takes(t, &rows[i], &hit)) {
            continue;
        }
        if (taken == 0) {
            buf_add_cstr(&b, "event: logs\ndata: ");
            json_init(&w, &b);
            json_object_begin(&w);
            json_key(&w, "logs");
            json_array_begin(&w);
        }
        taken++;
        hit.id = LIVE_ID | atomic_fetch_add_explicit(&t->seq, 1, memory_order_relaxed);
        json_log_hit(&w, &hit);
    }
    mutex_unlock(&t->lock);
    if (taken != 0) {
        json_array_end(&w);
        json_object_end(&w);
        buf_add_cstr(&b, "\n\n");
        send_event(t, &b, taken);
    }
}

static void tail_free(struct tail *t)
{
    columns_unsubscribe(t->sub);
    http_stream_end(t->stream);
    row_filter_done(&t->filter);
    logql_free(t->query);
    mutex_done(&t->lock);
    arena_done(&t->a);
    mem_free(t);
}

/* Heartbeat, notice of lost rows; finds out whether the client is still there. */
static void tend(struct tail *t)
{
    struct buf b CLEANUP(buf_done);
    uint64_t lost = atomic_exchange_explicit(&t->dropped, 0, memory_order_relaxed);
    int64_t now = clock_mono().ns;

    buf_init(&b, 256);
    if (lost != 0) {
        buf_printf(&b, "event: dropped\ndata: {\"count\":%llu}\n\n", (unsigned long long)lost);
    } else if (now - t->beat_ns >= HEARTBEAT_NS) {
        buf_add_cstr(&b, ": still here\n\n");
    }
    if (b.n != 0) {
        t->beat_ns = now;
        send_event(t, &b, 0);
    }
}

/* Take the tails that are over out of the list. @return how many are in `dead` */
static size_t take_dead(struct tails *ts, struct tail *dead[TAILS_MAX])
{
    size_t kept = 0;
    size_t n = 0;

    for (size_t i = 0; i < ts->n; i++) {
        struct tail *t = ts->list[i];

        if (ts->closing || ts->end_all || atomic_load_explicit(&t->gone, memory_order_relaxed)) {
            dead[n++] = t;
        } else {
            ts->list[kept++] = t;
        }
    }
    ts->n = kept;
    ts->end_all = false;
    gauge_set(ts->active, (int64_t)kept);
    return n;
}

static void reap(void *arg)
{
    struct tails *ts = arg;
    bool closing = false;

    while (!closing) {
        struct tail *dead[TAILS_MAX];
        struct tail *alive[TAILS_MAX];
        size_t dead_n;
        size_t alive_n;

        mutex_lock(&ts->lock);
        if (!ts->closing && !ts->end_all) {
            cond_wait_ms(&ts->wake, &ts->lock, TICK_MS);
        }
        closing = ts->closing;
        dead_n = take_dead(ts, dead);
        alive_n = ts->n;
        memcpy(alive, ts->list, alive_n * sizeof(alive[0]));
        mutex_unlock(&ts->lock);
        /* Only this thread frees tails, so the copies stay valid. */
        for (size_t i = 0; i < dead_n; i++) {
            tail_free(dead[i]);
        }
        for (size_t i = 0; i < alive_n; i++) {
            tend(alive[i]);
        }
        mutex_lock(&ts->lock);
        cond_broadcast(&ts->wake); /* tails_end_all() waits for the list to empty */
        mutex_unlock(&ts->lock);
    }
}

struct tails *tails_new(struct stats *stats)
{
    struct tails *ts = mem_xcalloc(1, sizeof(*ts));

    mutex_init(&ts->lock, LOCK_RANK_API);
    cond_init(&ts->wake);
    ts->active = stats_gauge(stats, "bongsu_live_tails", "", "Open live tails");
    ts->dropped_total = stats_counter(stats, "bongsu_live_tail_dropped_rows_total", "",
                                      "Rows not sent to live tails whose reader was too slow");
    ignore_result(thread_start(&ts->reaper, "tails", reap, ts), "without it tails are refused");
    return ts;
}

void tails_free(struct tails *ts)
{
    if (ts == NULL) {
        return;
    }
    mutex_lock(&ts->lock);
    ts->closing = true;
    cond_broadcast(&ts->wake);
    mutex_unlock(&ts->lock);
    thread_join(&ts->reaper);
    cond_done(&ts->wake);
    mutex_done(&ts->lock);
    mem_free(ts);
}

void tails_end_all(struct tails *ts)
{
    mutex_lock(&ts->lock);
    ts->end_all = true;
    cond_broadcast(&ts->wake);
    while (ts->reaper.running && ts->n != 0) {
        cond_wait_ms(&ts->wake, &ts->lock, TICK_MS);
    }
    mutex_unlock(&ts->lock);
}

static bool tails_add(struct tails *ts, struct tail *t)
{
    bool ok;

    mutex_lock(&ts->lock);
    ok = ts->n < TAILS_MAX && !ts->closing && ts->reaper.running;
    if (ok) {
        ts->list[ts->n++] = t;
        gauge_set(ts->active, (int64_t)ts->n);
    }
    mutex_unlock(&ts->lock);
    return ok;
}

static void start_tail(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct logql_query *query = NULL;
    struct row_filter f = {0};
    struct err e = {0};
    struct tail *t;
    int rc = param_log_query(x, &query, &e);

    rc = rc < 0 || query != NULL ? rc : param_log_filter(x, &f, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    t = mem_xcalloc(1, sizeof(*t));
    t->owner = a->tails;
    t->query = query;
    mutex_init(&t->lock, LOCK_RANK_LEAF);
    arena_init(&t->a, 1 << 20);
    rc = filter_dup(f.root, &t->a, &t->filter.root);
    if (rc < 0) {
        row_filter_done(&f);
        logql_free(query);
        mutex_done(&t->lock);
        arena_done(&t->a);
        mem_free(t);
        err_set(&e, ERR_NOMEM, "out of memory");
        respond_err(x, rc, &e);
        return;
    }
    memcpy(t->filter.regexes, f.regexes, sizeof(f.regexes)); /* the tail owns them now */
    t->filter.regexes_n = f.regexes_n;
    t->beat_ns = clock_mono().ns;
    http_set_header(x, "Cache-Control", "no-store");
    http_set_header(x, "X-Accel-Buffering", "no");
    t->stream = http_respond_stream(x, "text/event-stream", QUEUE_BYTES);
    ignore_result(http_stream_write(t->stream, STR(": tail\n\n")),
                  "the reaper sees a client that left");
    t->sub = columns_subscribe_logs(store_logs(api_backend(a)->store), on_rows, t);
    if (!tails_add(a->tails, t)) {
        tail_free(t);
    }
}

void tail_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/api/v1/logs/tail", start_tail, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
