/* SPDX-License-Identifier: Apache-2.0
 *
 * Live tail: callers are told of log rows on the thread that appended them, with no lock held. A
 * subscription counts its running calls, so that unsubscribing can wait for the last one.
 */
#include "store/columns/columns_internal.h"

struct columns_subscription {
    struct columns *c;
    void (*fn)(void *arg, const struct log_record *rows, size_t n);
    void *arg;
    size_t running; /* guarded by: tail_lock */
    bool gone;      /* guarded by: tail_lock */
};

struct columns_subscription *columns_subscribe_logs(
    struct columns *c, void (*fn)(void *arg, const struct log_record *rows, size_t n), void *arg)
{
    struct columns_subscription *s = mem_xcalloc(1, sizeof(*s));
    bool ok;

    *s = (struct columns_subscription){.c = c, .fn = fn, .arg = arg};
    mutex_lock(&c->tail_lock);
    ok = vec_push(&c->tails, s);
    mutex_unlock(&c->tail_lock);
    if (!ok) {
        mem_free(s);
        return NULL;
    }
    return s;
}

void columns_unsubscribe(struct columns_subscription *s)
{
    struct columns *c;

    if (s == NULL) {
        return;
    }
    c = s->c;
    mutex_lock(&c->tail_lock);
    s->gone = true;
    for (size_t i = 0; i < c->tails.n; i++) {
        if (c->tails.v[i] == s) {
            c->tails.v[i] = c->tails.v[--c->tails.n];
            break;
        }
    }
    while (s->running != 0) {
        cond_wait(&c->tail_idle, &c->tail_lock);
    }
    mutex_unlock(&c->tail_lock);
    mem_free(s);
}

enum { TAILS_AT_ONCE = 32 };

/* Mark up to TAILS_AT_ONCE subscriptions as running, starting at `from`. */
static size_t tails_pin(struct columns *c, size_t from, struct columns_subscription **dst)
{
    size_t n = 0;

    mutex_lock(&c->tail_lock);
    for (size_t i = from; i < c->tails.n && n < TAILS_AT_ONCE; i++) {
        c->tails.v[i]->running++;
        dst[n++] = c->tails.v[i];
    }
    mutex_unlock(&c->tail_lock);
    return n;
}

static void tail_unpin(struct columns *c, struct columns_subscription *s)
{
    mutex_lock(&c->tail_lock);
    if (--s->running == 0 && s->gone) {
        cond_broadcast(&c->tail_idle);
    }
    mutex_unlock(&c->tail_lock);
}

static void notify_run(struct columns *c, const struct log_record *rows, size_t n)
{
    struct columns_subscription *subs[TAILS_AT_ONCE];
    size_t from = 0;
    size_t got;

    do {
        got = tails_pin(c, from, subs);
        for (size_t i = 0; i < got; i++) {
            subs[i]->fn(subs[i]->arg, rows, n);
            tail_unpin(c, subs[i]);
        }
        from += got;
    } while (got == TAILS_AT_ONCE);
}

void tail_notify(struct columns *c, const struct log_record *rows, size_t n,
                 struct row_limits limits, const struct columns_commit *commit)
{
    bool any;
    size_t start = 0;

    mutex_lock(&c->tail_lock);
    any = c->tails.n != 0;
    mutex_unlock(&c->tail_lock);
    if (!any) {
        return;
    }
    if (commit->accepted == n) {
        notify_run(c, rows, n);
        return;
    }
    for (size_t i = 0; i <= n; i++) { /* runs of accepted rows */
        if (i < n && rows[i].time_ns >= limits.min_ns && rows[i].time_ns <= limits.max_ns) {
            continue;
        }
        if (i > start) {
            notify_run(c, rows + start, i - start);
        }
        start = i + 1;
    }
}
