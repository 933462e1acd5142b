/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams are only touched by the one thread, but for the list they are added to.
 */
#include "api/live_streams.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"

enum { STREAMS_MAX = 256 };

static const int64_t BEAT_MS = 2000;
static const int64_t SILENCE_NS =
    15 * 1000000000LL; /* then a comment, to see whether the client is there */

struct live {
    struct live_source source;
    struct http_stream *stream;
    int64_t written_ns; /* monotonic */
    bool again, gone;
};

struct live_streams {
    struct mutex lock;
    struct cond wake;
    struct thread thread;
    struct live *list[STREAMS_MAX]; /* guarded by: lock */
    size_t n;                       /* guarded by: lock */
    bool added;                     /* guarded by: lock */
    bool closing;                   /* guarded by: lock */
    bool end_all;                   /* guarded by: lock */
    struct gauge *active;
};

static void tell(struct live *v, struct buf *b)
{
    int64_t now = clock_mono().ns;
    int rc;

    buf_clear(b);
    v->source.next(v->source.arg, b, v->again);
    if (b->n == 0 && !b->failed && now - v->written_ns >= SILENCE_NS) {
        buf_add_cstr(b, ": still here\n\n");
    }
    if (b->n == 0 && !b->failed) {
        return;
    }
    v->written_ns = now;
    rc = b->failed ? -ERR_OVERLOAD : http_stream_write(v->stream, buf_str(b));
    v->again = rc < 0;
    v->gone = rc == -ERR_CANCELED;
}

static void live_free(struct live *v)
{
    http_stream_end(v->stream);
    v->source.free(v->source.arg);
    mem_free(v);
}

/** Take streams that are over out of the list. @return how many are in `dead` */
static size_t take_dead(struct live_streams *l, struct live *dead[STREAMS_MAX])
{
    size_t kept = 0;
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (l->closing || l->end_all || l->list[i]->gone) {
            dead[n++] = l->list[i];
        } else {
            l->list[kept++] = l->list[i];
        }
    }
    l->n = kept;
    gauge_set(l->active, (int64_t)kept);
    return n;
}

/** @return false when it is to end */
static bool beat(struct live_streams *l, struct buf *b)
{
    struct live *dead[STREAMS_MAX];
    struct live *alive[STREAMS_MAX];
    size_t dead_n;
    size_t alive_n;
    bool closing;

    mutex_lock(&l->lock);
    closing = l->closing;
    l->added = false;
    dead_n = take_dead(l, dead);
    alive_n = l->n;
    memcpy(alive, l->list, alive_n * sizeof(alive[0]));
    mutex_unlock(&l->lock);
    for (size_t i = 0; i < dead_n; i++) {
        live_free(dead[i]);
    }
    for (size_t i = 0; i < alive_n; i++) {
        tell(alive[i], b);
    }
    mutex_lock(&l->lock);
    if (l->end_all && l->n == 0) {
        l->end_all = false;
        cond_broadcast(&l->wake);
    }
    mutex_unlock(&l->lock);
    return !closing;
}

static void run(void *arg)
{
    struct live_streams *l = arg;
    struct buf b CLEANUP(buf_done);

    buf_init(&b, LIVE_EVENT_MAX);
    while (beat(l, &b)) {
        mutex_lock(&l->lock);
        if (!l->closing && !l->end_all && !l->added) {
            cond_wait_ms(&l->wake, &l->lock, BEAT_MS);
        }
        mutex_unlock(&l->lock);
    }
}

struct live_streams *live_streams_new(struct stats *stats)
{
    struct live_streams *l = mem_xcalloc(1, sizeof(*l));

    mutex_init(&l->lock, LOCK_RANK_API);
    cond_init(&l->wake);
    l->active = stats_gauge(stats, "bongsu_live_streams", "", "Open streams of live screens");
    ignore_result(thread_start(&l->thread, "live", run, l), "without it streams are refused");
    return l;
}

void live_streams_free(struct live_streams *l)
{
    if (l == NULL) {
        return;
    }
    mutex_lock(&l->lock);
    l->closing = true;
    cond_broadcast(&l->wake);
    mutex_unlock(&l->lock);
    thread_join(&l->thread);
    cond_done(&l->wake);
    mutex_done(&l->lock);
    mem_free(l);
}

void live_streams_end_all(struct live_streams *l)
{
    mutex_lock(&l->lock);
    l->end_all = l->thread.running;
    cond_broadcast(&l->wake);
    while (l->end_all) {
        cond_wait_ms(&l->wake, &l->lock, BEAT_MS);
    }
    mutex_unlock(&l->lock);
}

void live_streams_start(struct live_streams *l, struct http_exchange *x,
                        const struct live_source *source)
{
    struct live *v = NULL;

    mutex_lock(&l->lock);
    if (l->n < STREAMS_MAX && !l->closing && !l->end_all && l->thread.running) {
        v = mem_xcalloc(1, sizeof(*v));
        http_set_header(x, "Cache-Control", "no-store");
        http_set_header(x, "X-Accel-Buffering", "no");
        v->source = *source;
        v->stream = http_respond_stream(x, "text/event-stream", LIVE_EVENT_MAX);
        l->list[l->n++] = v;
        l->added = true;
        gauge_set(l->active, (int64_t)l->n);
        cond_broadcast(&l->wake);
    }
    mutex_unlock(&l->lock);
    if (v == NULL) {
        source->free(source->arg);
        http_respond_errorf(x, ERR_OVERLOAD, "%d live streams are open", STREAMS_MAX);
    }
}
