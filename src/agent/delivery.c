/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread is the only user of the spool while it runs. All shared fields are guarded by one lock that is
 * never held over a request; spool writes happen under it only at the forced end.
 */
#include "agent/delivery.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"

enum {
    RETRY_AFTER_MAX_MS = 10 * 60 * 1000,
    LAST_SEND_MS = 2000, /* share of the stop time spent on sending instead of spooling */
    QUEUE_SLOTS = 1024,
};

struct delivery {
    struct delivery_opts opts;
    struct thread thread;
    struct mutex lock;
    struct cond changed;
    int event_fd;
    uint64_t rng;
    /* guarded by: lock */
    struct batch queue[QUEUE_SLOTS]; /* ring */
    size_t head;
    size_t n;
    size_t queue_bytes;
    struct batch *in_flight; /* of the thread; NULL when it is a spooled one or none */
    log_marks done;
    bool stopping;
    bool ended;     /* the thread will touch nothing any more */
    bool spooling;  /* the thread is inside the spool without the lock */
    bool abandoned; /* the owner took over; the thread must touch nothing */
    struct mono stop_deadline;
    struct delivery_stats stats;
    /* of the thread */
    bool outage;
    int64_t backoff_ms;
    struct mono next_try;
};

const char *drop_reason_name(enum drop_reason r)
{
    static const char *const NAMES[DROP_COUNT] = {"rejected", "spool_full", "spool_error",
                                                  "corrupt", "queue_full"};

    return NAMES[r];
}

static void signal_marks(struct delivery *d)
{
    uint64_t one = 1;

    ignore_result(write(d->event_fd, &one, sizeof(one)), "the counter is at its limit: readable");
}

/* The batch is safe: its marks may be persisted. */
static void release_locked(struct delivery *d, struct batch *b)
{
    size_t n = b->marks.n;

    if (n != 0 && vec_reserve(&d->done, n)) {
        memcpy(d->done.v + d->done.n, b->marks.v, n * sizeof(*b->marks.v));
        d->done.n += n;
        signal_marks(d);
    }
    batch_done(b);
}

static struct batch pop_locked(struct delivery *d)
{
    struct batch b = d->queue[d->head];

    d->queue[d->head] = (struct batch){0};
    d->head = (d->head + 1) % QUEUE_SLOTS;
    d->n--;
    d->queue_bytes -= b.n;
    return b;
}

static void unpop_locked(struct delivery *d, struct batch b)
{
    d->head = (d->head + QUEUE_SLOTS - 1) % QUEUE_SLOTS;
    d->queue[d->head] = b;
    d->n++;
    d->queue_bytes += b.n;
}

static void note_spool_locked(struct delivery *d)
{
    struct spool_stats s = spool_stats_of(d->opts.spool);

    d->stats.spool_bytes = s.bytes;
    d->stats.dropped[DROP_SPOOL_FULL] = s.dropped;
    d->stats.dropped[DROP_CORRUPT] = s.corrupt;
}

static void log_spool_error(const struct err *e)
{
    static struct log_limit limit;
    int64_t suppressed;

    if (log_limit_pass(&limit, &suppressed)) {
        log_error("delivery", "cannot write to the disk buffer", L_CSTR("error", e->msg),
                  L_INT("suppressed", suppressed));
    }
}

/* One batch to the spool. @return 0; 1 when it can never fit and is lost; -ERR_x: it must stay in memory. */
static int spool_one(struct delivery *d, const struct batch *b)
{
    struct err e = {0};
    int rc = spool_put(d->opts.spool, b, &e);

    if (rc == -ERR_TOO_LARGE) {
        log_error("delivery", "batch dropped", L_CSTR("error", e.msg));
        return 1;
    }
    if (rc < 0) {
        log_spool_error(&e);
    }
    return rc;
}

/* The queue to the spool, oldest first; the lock is released around every write. */
static bool spool_queue(struct delivery *d)
{
    int rc = 0;

    mutex_lock(&d->lock);
    while (rc >= 0 && d->n != 0) {
        struct batch b = pop_locked(d);

        d->spooling = true;
        mutex_unlock(&d->lock);
        rc = spool_one(d, &b);
        mutex_lock(&d->lock);
        d->spooling = false;
        if (rc < 0 && d->n < QUEUE_SLOTS) {
            unpop_locked(d, b);
        } else {
            d->stats.dropped[DROP_SPOOL_ERROR] += rc != 0 ? 1 : 0;
            release_locked(d, &b);
        }
        note_spool_locked(d);
    }
    mutex_unlock(&d->lock);
    return rc >= 0;
}

static void failed(struct delivery *d, const struct send_result *r)
{
    int64_t pause;

    d->backoff_ms = d->backoff_ms == 0 ? d->opts.backoff_min_ms : d->backoff_ms * 2;
    d->backoff_ms = d->backoff_ms < d->opts.backoff_max_ms ? d->backoff_ms : d->opts.backoff_max_ms;
    pause = d->backoff_ms / 2 + (int64_t)(random_next(&d->rng) % (uint64_t)(d->backoff_ms / 2 + 1));
    if (r->retry_after_ms > pause) {
        pause = r->retry_after_ms < RETRY_AFTER_MAX_MS ? r->retry_after_ms : RETRY_AFTER_MAX_MS;
    }
    d->next_try = mono_add_ms(clock_mono(), pause);
    if (!d->outage) {
        log_warn("delivery", "the server does not take data; buffering on disk",
                 L_CSTR("error", r->msg), L_INT("retry_in_ms", pause));
    } else {
        log_debug("delivery", "still no delivery", L_CSTR("error", r->msg),
                  L_INT("retry_in_ms", pause));
    }
    d->outage = true;
}

static void succeeded(struct delivery *d)
{
    if (d->outage) {
        log_info("delivery", "the server takes data again",
                 L_INT("buffered_batches", spool_stats_of(d->opts.spool).batches));
    }
    d->outage = false;
    d->backoff_ms = 0;
    d->next_try = (struct mono){0};
}

static void count_locked(struct delivery *d, const struct batch *b, const struct send_result *r)
{
    if (r->verdict == SEND_OK) {
        d->stats.delivered[b->signal]++;
    } else {
        d->stats.failures++;
        d->stats.dropped[DROP_REJECTED] += r->verdict == SEND_REJECT ? 1 : 0;
    }
}

static void send_one(struct delivery *d, const struct batch *b, int64_t timeout_ms,
                     struct send_result *r)
{
    *r = (struct send_result){.verdict = SEND_RETRY};
    d->opts.send(d->opts.send_ctx, b, timeout_ms, r);
    if (r->verdict == SEND_REJECT) {
        log_error("delivery", "the server refused a batch; dropped", L_CSTR("error", r->msg),
                  L_INT("records", b->records), L_INT("bytes", b->n));
    }
    if (r->verdict == SEND_RETRY) {
        failed(d, r);
    } else {
        succeeded(d);
    }
}

/* @return false when the owner took over meanwhile. */
static bool send_spooled(struct delivery *d)
{
    struct batch b = {0};
    struct send_result r;
    struct err e = {0};
    bool go_on;
    int rc;

    mutex_lock(&d->lock);
    d->spooling = true;
    mutex_unlock(&d->lock);
    rc = spool_peek(d->opts.spool, &b, &e);
    mutex_lock(&d->lock);
    d->spooling = false;
    mutex_unlock(&d->lock);
    if (rc < 0) {
        if (rc != -ERR_NOT_FOUND) {
            log_spool_error(&e);
            d->next_try = mono_add_ms(clock_mono(), d->opts.backoff_max_ms);
        }
    } else {
        send_one(d, &b, d->opts.timeout_ms, &r);
    }
    mutex_lock(&d->lock);
    go_on = !d->abandoned;
    if (go_on) {
        if (rc == 0) {
            count_locked(d, &b, &r);
            if (r.verdict != SEND_RETRY) {
                spool_pop(d->opts.spool);
            }
        }
        note_spool_locked(d);
    }
    mutex_unlock(&d->lock);
    batch_done(&b);
    return go_on;
}

static bool send_queued(struct delivery *d, int64_t timeout_ms)
{
    struct send_result r;
    struct batch b;
    bool go_on;

    mutex_lock(&d->lock);
    if (d->n == 0) {
        mutex_unlock(&d->lock);
        return true;
    }
    b = pop_locked(d);
    d->in_flight = &b;
    mutex_unlock(&d->lock);
    send_one(d, &b, timeout_ms, &r);
    mutex_lock(&d->lock);
    d->in_flight = NULL;
    go_on = !d->abandoned;
    if (go_on) {
        count_locked(d, &b, &r);
        if (r.verdict == SEND_RETRY) {
            /* back to where it was: it goes to the spool before the rest of the queue */
            if (d->n < QUEUE_SLOTS) {
                unpop_locked(d, b);
            } else {
                d->stats.dropped[DROP_SPOOL_ERROR]++;
                release_locked(d, &b);
            }
        } else {
            release_locked(d, &b);
        }
    }
    mutex_unlock(&d->lock);
    if (!go_on) {
        batch_done(&b); /* the owner has spooled a copy */
    }
    return go_on;
}

/* Nothing to do now: wait for a batch, the next try or the end. @return false at the end. */
static bool wait_for_work(struct delivery *d)
{
    bool stopping;

    mutex_lock(&d->lock);
    for (;;) {
        int64_t wait_ms = (d->next_try.ns - clock_mono().ns + 999999) / 1000000;
        bool backlog = spool_stats_of(d->opts.spool).batches != 0;

        if (d->stopping || (d->n != 0 && !d->outage) || (backlog && wait_ms <= 0) ||
            (d->outage && d->n != 0)) {
            break;
        }
        if (backlog) {
            ignore_result(cond_wait_ms(&d->changed, &d->lock, wait_ms), "looked at again above");
        } else {
            cond_wait(&d->changed, &d->lock);
        }
    }
    stopping = d->stopping;
    mutex_unlock(&d->lock);
    return !stopping;
}

static void finish(struct delivery *d)
{
    bool go_on = true;

    while (go_on && !d->outage && spool_stats_of(d->opts.spool).batches == 0) {
        int64_t left_ms = (d->stop_deadline.ns - clock_mono().ns) / 1000000;
        bool more;

        mutex_lock(&d->lock);
        more = d->n != 0;
        mutex_unlock(&d->lock);
        if (!more || left_ms <= 0) {
            break;
        }
        go_on = send_queued(d, left_ms < d->opts.timeout_ms ? left_ms : d->opts.timeout_ms);
    }
    if (go_on) {
        ignore_result(spool_queue(d), "counted and logged there; nothing else can be done");
    }
}

static void run(void *arg)
{
    struct delivery *d = arg;
    bool go_on = true;

    while (go_on && wait_for_work(d)) {
        bool backlog = spool_stats_of(d->opts.spool).batches != 0;

        if (d->outage || backlog) {
            if (!spool_queue(d)) {
                clock_sleep_ms(d->opts.backoff_min_ms); /* disk trouble: do not spin */
            }
            backlog = spool_stats_of(d->opts.spool).batches != 0;
        }
        if (backlog) {
            if (d->next_try.ns <= clock_mono().ns) {
                go_on = send_spooled(d);
            }
        } else if (d->next_try.ns <= clock_mono().ns) {
            go_on = send_queued(d, d->opts.timeout_ms);
        }
    }
    if (go_on) {
        finish(d);
    }
    mutex_lock(&d->lock);
    d->ended = true;
    cond_broadcast(&d->changed);
    mutex_unlock(&d->lock);
}

int delivery_new(const struct delivery_opts *opts, struct delivery **ret)
{
    struct delivery *d = mem_xcalloc(1, sizeof(*d));

    d->opts = *opts;
    d->rng = opts->seed;
    mutex_init(&d->lock, LOCK_RANK_NET);
    cond_init(&d->changed);
    note_spool_locked(d);
    d->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (d->event_fd < 0 || thread_start(&d->thread, "export", run, d) < 0) {
        delivery_free(d);
        return -ERR_UNAVAILABLE;
    }
    *ret = d;
    return 0;
}

/* A request hangs: the owner spools what the thread has in hand and all that waits. The thread's batch may
 * arrive twice, which is better than not at all. */
static void take_over_locked(struct delivery *d)
{
    int rc = 0;

    if (d->spooling) {
        return; /* the disk hangs, too */
    }
    d->abandoned = true;
    if (d->in_flight != NULL) {
        rc = spool_one(d, d->in_flight);
        if (rc >= 0 && d->in_flight->marks.n != 0 && vec_reserve(&d->done, d->in_flight->marks.n)) {
            memcpy(d->done.v + d->done.n, d->in_flight->marks.v,
                   d->in_flight->marks.n * sizeof(*d->done.v));
            d->done.n += d->in_flight->marks.n;
        }
    }
    while (rc >= 0 && d->n != 0) {
        struct batch b = pop_locked(d);

        rc = spool_one(d, &b);
        if (rc >= 0) {
            release_locked(d, &b);
        } else {
            unpop_locked(d, b);
        }
    }
}

bool delivery_stop(struct delivery *d, int64_t timeout_ms)
{
    struct mono deadline = mono_add_ms(clock_mono(), timeout_ms);
    int64_t send_ms = timeout_ms / 2 < LAST_SEND_MS ? timeout_ms / 2 : LAST_SEND_MS;
    bool ended;

    mutex_lock(&d->lock);
    d->stopping = true;
    d->stop_deadline = mono_add_ms(clock_mono(), send_ms);
    cond_broadcast(&d->changed);
    while (!d->ended) {
        int64_t left_ms = (deadline.ns - clock_mono().ns) / 1000000;

        if (left_ms <= 0) {
            break;
        }
        ignore_result(cond_wait_ms(&d->changed, &d->lock, left_ms), "looked at again above");
    }
    ended = d->ended;
    if (!ended) {
        d->abandoned = true;
        take_over_locked(d);
    }
    mutex_unlock(&d->lock);
    if (ended) {
        thread_join(&d->thread);
    }
    return ended;
}

void delivery_free(struct delivery *d)
{
    if (d == NULL) {
        return;
    }
    while (d->n != 0) {
        struct batch b = pop_locked(d);

        batch_done(&b);
    }
    vec_done(&d->done);
    if (d->event_fd >= 0) {
        close(d->event_fd);
    }
    cond_done(&d->changed);
    mutex_done(&d->lock);
    mem_free(d);
}

static bool full_locked(const struct delivery *d, size_t more)
{
    return d->n == QUEUE_SLOTS || (d->n != 0 && d->queue_bytes + more > d->opts.queue_max_bytes);
}

bool delivery_full(struct delivery *d)
{
    bool full;

    mutex_lock(&d->lock);
    full = full_locked(d, 0) || d->queue_bytes >= d->opts.queue_max_bytes;
    mutex_unlock(&d->lock);
    return full;
}

bool delivery_put(struct delivery *d, struct batch *b)
{
    struct batch x = *b;
    bool taken = true;

    *b = (struct batch){0};
    mutex_lock(&d->lock);
    if (full_locked(d, x.n)) {
        d->stats.dropped[DROP_QUEUE_FULL] += x.signal == BATCH_METRICS ? 1 : 0;
        batch_done(&x);
        taken = false;
    } else {
        d->queue[(d->head + d->n) % QUEUE_SLOTS] = x;
        d->n++;
        d->queue_bytes += x.n;
        cond_broadcast(&d->changed);
    }
    mutex_unlock(&d->lock);
    return taken;
}

size_t delivery_take_marks(struct delivery *d, log_marks *dst)
{
    uint64_t count;
    size_t n;

    ignore_result(read(d->event_fd, &count, sizeof(count)), "only resets the counter");
    mutex_lock(&d->lock);
    n = d->done.n;
    if (n != 0 && vec_reserve(dst, n)) {
        memcpy(dst->v + dst->n, d->done.v, n * sizeof(*d->done.v));
        dst->n += n;
        vec_clear(&d->done);
    } else {
        n = 0;
    }
    mutex_unlock(&d->lock);
    return n;
}

int delivery_event_fd(const struct delivery *d)
{
    return d->event_fd;
}

struct delivery_stats delivery_stats_of(struct delivery *d)
{
    struct delivery_stats s;

    mutex_lock(&d->lock);
    s = d->stats;
    s.queue_bytes = d->queue_bytes;
    mutex_unlock(&d->lock);
    return s;
}
