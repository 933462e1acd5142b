/* SPDX-License-Identifier: Apache-2.0
 *
 * Ten snapshots of the registry in a ring, one a second. The registry has a few hundred samples, so a
 * snapshot is a few kilobytes and a look-up a walk.
 */
#include "api/rates.h"

#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/thread.h"
#include "base/vec.h"

enum { SNAPSHOTS = 11, LABELS_MAX = 96 };

struct reading {
    const char *name; /* of the registry */
    char labels[LABELS_MAX];
    double value;
};

struct snapshot {
    int64_t at_ns;
    double cpu_s;
    VEC(struct reading) v;
};

struct rates {
    struct stats *stats;
    struct thread thread;
    struct mutex lock;
    struct cond wake;
    bool closing;                    /* guarded by: lock */
    struct snapshot ring[SNAPSHOTS]; /* guarded by: lock */
    size_t n;                        /* guarded by: lock; snapshots taken in all */
};

static void take(void *arg, const struct stats_sample *s)
{
    struct snapshot *snap = arg;
    struct reading r = {.name = s->name, .value = s->value};

    if (s->suffix[0] != '\0' && strcmp(s->suffix, "_count") != 0) {
        return; /* of histograms only the count */
    }
    snprintf(r.labels, sizeof(r.labels), "%s", s->labels);
    ignore_result(vec_push(&snap->v, r), "a missing reading shows as zero");
}

static double process_cpu_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void sample(void *arg)
{
    struct rates *r = arg;

    mutex_lock(&r->lock);
    while (!r->closing) {
        struct snapshot *s = &r->ring[r->n % SNAPSHOTS];

        vec_clear(&s->v);
        s->at_ns = clock_mono().ns;
        s->cpu_s = process_cpu_s();
        stats_each(r->stats, take, s);
        r->n++;
        cond_wait_ms(&r->wake, &r->lock, 1000);
    }
    mutex_unlock(&r->lock);
}

struct rates *rates_new(struct stats *stats)
{
    struct rates *r = mem_xcalloc(1, sizeof(*r));

    r->stats = stats;
    mutex_init(&r->lock, LOCK_RANK_API);
    cond_init(&r->wake);
    ignore_result(thread_start(&r->thread, "rates", sample, r), "the status page then shows zeros");
    return r;
}

void rates_free(struct rates *r)
{
    if (r == NULL) {
        return;
    }
    mutex_lock(&r->lock);
    r->closing = true;
    cond_broadcast(&r->wake);
    mutex_unlock(&r->lock);
    thread_join(&r->thread);
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        vec_done(&r->ring[i].v);
    }
    cond_done(&r->wake);
    mutex_done(&r->lock);
    mem_free(r);
}

/* Newest and oldest snapshot; false while there is none. Lock held. */
static bool ends_locked(struct rates *r, const struct snapshot **newest,
                        const struct snapshot **oldest)
{
    if (r->n == 0) {
        return false;
    }
    *newest = &r->ring[(r->n - 1) % SNAPSHOTS];
    *oldest = &r->ring[r->n < SNAPSHOTS ? 0 : r->n % SNAPSHOTS];
    return true;
}

static double sum(const struct snapshot *s, const char *name, const char *labels, bool exact)
{
    double total = 0;

    for (size_t i = 0; i < s->v.n; i++) {
        const struct reading *r = &s->v.v[i];

        if (strcmp(r->name, name) == 0 &&
            (exact ? strcmp(r->labels, labels) == 0 : strstr(r->labels, labels) != NULL)) {
            total += r->value;
        }
    }
    return total;
}

static double per_second(double delta, const struct snapshot *newest, const struct snapshot *oldest)
{
    double s = (double)(newest->at_ns - oldest->at_ns) / 1e9;

    return s > 0 ? delta / s : 0;
}

double rates_total(struct rates *r, const char *name, const char *labels, double *ret_per_s)
{
    const struct snapshot *newest;
    const struct snapshot *oldest;
    double total = 0;
    double rate = 0;

    mutex_lock(&r->lock);
    if (ends_locked(r, &newest, &oldest)) {
        total = sum(newest, name, labels, false);
        rate = per_second(total - sum(oldest, name, labels, false), newest, oldest);
    }
    mutex_unlock(&r->lock);
    if (ret_per_s != NULL) {
        *ret_per_s = rate;
    }
    return total;
}

void rates_each(struct rates *r, const char *name,
                void (*fn)(void *arg, const char *labels, double total, double per_s), void *arg)
{
    VEC(struct reading) found = {0};
    VEC(double) rate = {0};
    const struct snapshot *newest;
    const struct snapshot *oldest;

    mutex_lock(&r->lock);
    if (ends_locked(r, &newest, &oldest)) {
        for (size_t i = 0; i < newest->v.n; i++) {
            const struct reading *x = &newest->v.v[i];

            if (strcmp(x->name, name) == 0 && vec_push(&found, *x)) {
                double before = sum(oldest, name, x->labels, true);

                ignore_result(vec_push(&rate, per_second(x->value - before, newest, oldest)),
                              "checked by comparing the counts below");
            }
        }
    }
    mutex_unlock(&r->lock);
    for (size_t i = 0; i < found.n && i < rate.n; i++) {
        fn(arg, found.v[i].labels, found.v[i].value, rate.v[i]);
    }
    vec_done(&found);
    vec_done(&rate);
}

double rates_cpu(struct rates *r)
{
    const struct snapshot *newest;
    const struct snapshot *oldest;
    double cores = 0;

    mutex_lock(&r->lock);
    if (ends_locked(r, &newest, &oldest)) {
        cores = per_second(newest->cpu_s - oldest->cpu_s, newest, oldest);
    }
    mutex_unlock(&r->lock);
    return cores;
}
