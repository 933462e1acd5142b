/* SPDX-License-Identifier: Apache-2.0
 *
 * Folding samples into buckets, buckets into coarser ones, and joining buckets. One walk serves both folds:
 * the samples of a fold are the raw ones, or the finer roll-up's last samples and points; resets between
 * neighbours are found the same way in either.
 */
#include "store/tsdb/rollup.h"

#include <stdlib.h>

#include "base/err.h"

/* A series that falls at most once in so many samples (or this often at all) may be a counter with resets:
 * keeping their points costs little and loses nothing if it is a gauge. */
enum {
    RARE_FALLS = 4,
    RARE_SHARE = 64,
    NAMED_SHARE = 16 /* named like a counter; what falls more often is none, whatever its name */
};

void rollup_done(struct rollup *r)
{
    vec_done(&r->buckets);
    vec_done(&r->points);
}

void rollup_clear(struct rollup *r)
{
    vec_clear(&r->buckets);
    vec_clear(&r->points);
    r->counter = false;
    r->known_counter = false;
}

bool rollup_is_counter(struct labels labels)
{
    static const struct str SUFFIXES[] = {
        {"_total", 6}, {"_count", 6}, {"_sum", 4}, {"_bucket", 7}};

    for (size_t i = 0; i < labels.n; i++) {
        if (label_name_is_hidden(labels.v[i].name)) {
            return true;
        }
        if (str_eq(labels.v[i].name, STR(LABEL_NAME))) {
            for (size_t k = 0; k < ARRAY_LEN(SUFFIXES); k++) {
                if (str_ends(labels.v[i].value, SUFFIXES[k])) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* ---- points ---- */

/** Sees the values of a fold in order of time and keeps those that must survive beside the buckets. */
struct point_walk {
    struct rollup *dst;
    struct rollup_point last; /* value seen last */
    bool any;                 /* `last` is one */
    bool last_kept;           /* it is in dst->points already */
};

/** In its place: stale markers may have come between a value and the fall that shows it is needed. */
static int keep(struct point_walk *w, int64_t t_ms, double v)
{
    struct rollup *r = w->dst;
    size_t at = r->points.n;

    if (!vec_reserve(&r->points, 1)) {
        return -ERR_NOMEM;
    }
    for (; at > 0 && r->points.v[at - 1].t_ms > t_ms; at--) {
        r->points.v[at] = r->points.v[at - 1];
    }
    r->points.v[at] = (struct rollup_point){t_ms, v};
    r->points.n++;
    return 0;
}

static int walk_value(struct point_walk *w, int64_t t_ms, double v)
{
    bool fell = w->any && v < w->last.v;
    int rc = 0;

    if (w->dst->counter && (fell || (!w->any && w->dst->known_counter))) {
        if (fell && !w->last_kept) {
            rc = keep(w, w->last.t_ms, w->last.v);
        }
        rc = rc == 0 ? keep(w, t_ms, v) : rc;
        w->last_kept = true;
    } else {
        w->last_kept = false;
    }
    w->last = (struct rollup_point){t_ms, v};
    w->any = true;
    return rc;
}

/** Points that a bucket's last sample is anyway go, and stale markers something follows in their bucket. */
static void drop_needless(struct rollup *r, int64_t resolution_ms)
{
    size_t kept = 0;
    size_t b = 0;

    for (size_t i = 0; i < r->points.n; i++) {
        struct rollup_point p = r->points.v[i];
        bool stale = sample_is_stale(p.v);

        while (b < r->buckets.n && r->buckets.v[b].end_ms < rollup_end(p.t_ms, resolution_ms)) {
            b++;
        }
        if (b < r->buckets.n && r->buckets.v[b].end_ms == rollup_end(p.t_ms, resolution_ms) &&
            (stale ? r->buckets.v[b].t_ms >= p.t_ms : r->buckets.v[b].t_ms == p.t_ms)) {
            continue;
        }
        if (stale && i + 1 < r->points.n && sample_is_stale(r->points.v[i + 1].v)) {
            continue; /* one marker after another says nothing new */
        }
        r->points.v[kept++] = p;
    }
    r->points.n = kept;
}

/** Too many resets for points to be kept: it is no counter worth the room. */
static void give_up_counter(struct rollup *r)
{
    size_t kept = 0;

    if (r->points.n <= ROLLUP_MAX_POINTS) {
        return;
    }
    for (size_t i = 0; i < r->points.n; i++) {
        if (sample_is_stale(r->points.v[i].v)) {
            r->points.v[kept++] = r->points.v[i];
        }
    }
    r->points.n = kept < ROLLUP_MAX_POINTS ? kept : ROLLUP_MAX_POINTS;
    r->counter = r->known_counter = false;
}

/* ---- folding ---- */

static bool less(double v, double than)
{
    return v < than || isnan(than);
}

static void widen(struct rollup_bucket *b, double min, double max)
{
    if (less(min, b->min)) {
        b->min = min;
    }
    if (max > b->max || isnan(b->max)) {
        b->max = max;
    }
}

/** The bucket with this end, which is the last one or comes after it. NULL: no memory */
static struct rollup_bucket *bucket_at(struct rollup *r, int64_t end_ms)
{
    if (r->buckets.n == 0 || r->buckets.v[r->buckets.n - 1].end_ms != end_ms) {
        if (!vec_push(&r->buckets, (struct rollup_bucket){.end_ms = end_ms,
                                                          .t_ms = INT64_MIN,
                                                          .min = (double)NAN,
                                                          .max = (double)NAN})) {
            return NULL;
        }
    }
    return &r->buckets.v[r->buckets.n - 1];
}

static bool falls_rarely(const struct samples *s, size_t share)
{
    size_t falls = 0;
    double last = -INFINITY;

    for (size_t i = 0; i < s->n; i++) {
        if (!isnan(s->v[i])) {
            falls += s->v[i] < last ? 1 : 0;
            last = s->v[i];
        }
    }
    return falls <= RARE_FALLS || falls <= s->n / share;
}

int rollup_fold(const struct samples *s, int64_t resolution_ms, bool known_counter,
                struct rollup *dst)
{
    struct point_walk w = {.dst = dst};
    double low = 0; /* of the sum (Neumaier) */
    int rc = 0;

    rollup_clear(dst);
    dst->counter = falls_rarely(s, known_counter ? NAMED_SHARE : RARE_SHARE);
    dst->known_counter = known_counter && dst->counter;
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        double v = s->v[i];
        struct rollup_bucket *b;
        double sum;

        if (sample_is_stale(v)) {
            rc = keep(&w, s->t_ms[i], v);
            continue;
        }
        b = bucket_at(dst, rollup_end(s->t_ms[i], resolution_ms));
        if (b == NULL) {
            return -ERR_NOMEM;
        }
        low = b->count == 0 ? 0 : low;
        b->t_ms = s->t_ms[i];
        b->last = v;
        widen(b, v, v);
        b->count += 1;
        b->sum -= low;
        sum = b->sum + v;
        low += fabs(b->sum) >= fabs(v) ? (b->sum - sum) + v : (v - sum) + b->sum;
        low = isfinite(low) ? low : 0;
        b->sum = sum + low;
        rc = walk_value(&w, s->t_ms[i], v);
    }
    if (rc == 0) {
        drop_needless(dst, resolution_ms);
        give_up_counter(dst);
    }
    return rc;
}

int rollup_coarsen(const struct rollup *src, int64_t resolution_ms, struct rollup *dst)
{
    struct point_walk w = {.dst = dst};
    size_t p = 0;
    int rc = 0;

    rollup_clear(dst);
    dst->counter = src->counter;
    dst->known_counter = src->known_counter;
    for (size_t i = 0; rc == 0 && i <= src->buckets.n; i++) {
        const struct rollup_bucket *in = i < src->buckets.n ? &src->buckets.v[i] : NULL;
        struct rollup_bucket *b;

        for (; rc == 0 && p < src->points.n && (in == NULL || src->points.v[p].t_ms < in->t_ms);
             p++) {
            rc = sample_is_stale(src->points.v[p].v)
                     ? keep(&w, src->points.v[p].t_ms, src->points.v[p].v)
                     : walk_value(&w, src->points.v[p].t_ms, src->points.v[p].v);
        }
        if (rc < 0 || in == NULL) {
            break;
        }
        b = bucket_at(dst, rollup_end(in->end_ms, resolution_ms));
        if (b == NULL) {
            return -ERR_NOMEM;
        }
        b->t_ms = in->t_ms;
        b->last = in->last;
        widen(b, in->min, in->max);
        b->sum += in->sum;
        b->count += in->count;
        rc = walk_value(&w, in->t_ms, in->last);
    }
    if (rc == 0) {
        drop_needless(dst, resolution_ms);
        give_up_counter(dst);
    }
    return rc;
}

/* ---- joining ---- */

/** A value that two roll-ups know of: a point, or the last sample of a bucket. */
struct known {
    int64_t t_ms;
    double v;
    bool later; /* of the second, which wins */
};

typedef VEC(struct known) known_list;

static int by_time(const void *a, const void *b)
{
    const struct known *x = a;
    const struct known *y = b;

    return x->t_ms != y->t_ms ? (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms) : x->later - y->later;
}

/** Points from number `p` and buckets from number `b` on. */
static bool add_known(known_list *l, const struct rollup *r, size_t p, size_t b, bool later)
{
    if (!vec_reserve(l, r->points.n - p + r->buckets.n - b)) {
        return false;
    }
    for (; p < r->points.n; p++) {
        l->v[l->n++] = (struct known){r->points.v[p].t_ms, r->points.v[p].v, later};
    }
    for (; b < r->buckets.n; b++) {
        l->v[l->n++] = (struct known){r->buckets.v[b].t_ms, r->buckets.v[b].last, later};
    }
    return true;
}

/** First bucket of dst that something of src may belong to or come before. */
static size_t first_touched(const struct rollup *dst, const struct rollup *src)
{
    int64_t t = INT64_MAX;
    int64_t end = INT64_MAX;
    size_t i = dst->buckets.n;

    if (src->points.n != 0) {
        t = src->points.v[0].t_ms;
    }
    if (src->buckets.n != 0) {
        t = src->buckets.v[0].t_ms < t ? src->buckets.v[0].t_ms : t;
        end = src->buckets.v[0].end_ms;
    }
    while (i > 0 && (dst->buckets.v[i - 1].end_ms >= end || dst->buckets.v[i - 1].t_ms >= t)) {
        i--;
    }
    return i;
}

/** Points anew from all values known behind bucket `from`, so that resets between the two are kept, too. */
static int walk_known(struct rollup *dst, const known_list *l, size_t points_kept, size_t from)
{
    struct point_walk w = {.dst = dst};
    int rc = 0;

    if (from > 0) {
        w.last =
            (struct rollup_point){dst->buckets.v[from - 1].t_ms, dst->buckets.v[from - 1].last};
        w.any = w.last_kept = true;
    }
    dst->points.n = points_kept;
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        const struct known *k = &l->v[i];

        if (i + 1 < l->n && l->v[i + 1].t_ms == k->t_ms) {
            continue; /* the later one wins */
        }
        rc = sample_is_stale(k->v) ? keep(&w, k->t_ms, k->v) : walk_value(&w, k->t_ms, k->v);
    }
    return rc;
}

/** Points that are buckets' last samples now. */
static void drop_doubled(struct rollup *r, size_t points_from, size_t from)
{
    size_t kept = points_from;

    for (size_t i = points_from; i < r->points.n; i++) {
        while (from < r->buckets.n && r->buckets.v[from].t_ms < r->points.v[i].t_ms) {
            from++;
        }
        if (from == r->buckets.n || r->buckets.v[from].t_ms != r->points.v[i].t_ms) {
            r->points.v[kept++] = r->points.v[i];
        }
    }
    r->points.n = kept;
}

static void join_bucket(struct rollup_bucket *a, const struct rollup_bucket *b)
{
    widen(a, b->min, b->max);
    a->sum += b->sum;
    a->count += b->count;
    if (b->t_ms >= a->t_ms) { /* of equal times the later arrival */
        a->t_ms = b->t_ms;
        a->last = b->last;
    }
}

/** The latest value known; not of stale markers. NULL: none */
static const double *last_value(const struct rollup *r)
{
    const struct rollup_bucket *b = r->buckets.n != 0 ? &r->buckets.v[r->buckets.n - 1] : NULL;

    for (size_t i = r->points.n; i-- > 0 && (b == NULL || r->points.v[i].t_ms > b->t_ms);) {
        if (!sample_is_stale(r->points.v[i].v)) {
            return &r->points.v[i].v;
        }
    }
    return b != NULL ? &b->last : NULL;
}

/** A fold keeps a counter's first value, for nobody knows what came before. Is it needless behind `before`? */
static bool first_is_needless(const double *before, const struct rollup *src)
{
    const struct rollup_point *p = src->points.v;
    double next;

    if (before == NULL || !src->known_counter || src->points.n == 0 || src->buckets.n == 0 ||
        sample_is_stale(p[0].v) || p[0].t_ms >= src->buckets.v[0].t_ms) {
        return false;
    }
    next =
        src->points.n > 1 && p[1].t_ms < src->buckets.v[0].t_ms ? p[1].v : src->buckets.v[0].last;
    return *before <= p[0].v && p[0].v <= next;
}

/** Where `src` comes after all of `dst`. */
static int append(struct rollup *dst, const struct rollup *src)
{
    size_t skip = first_is_needless(last_value(dst), src) ? 1 : 0;

    if (!vec_reserve(&dst->buckets, src->buckets.n) || !vec_reserve(&dst->points, src->points.n)) {
        return -ERR_NOMEM;
    }
    if (src->buckets.n != 0) {
        memcpy(dst->buckets.v + dst->buckets.n, src->buckets.v,
               src->buckets.n * sizeof(*src->buckets.v));
        dst->buckets.n += src->buckets.n;
    }
    if (src->points.n != 0) {
        memcpy(dst->points.v + dst->points.n, src->points.v + skip,
               (src->points.n - skip) * sizeof(*src->points.v));
        dst->points.n += src->points.n - skip;
    }
    return 0;
}

/** Does everything of `b` come after everything of `a`? */
static bool follows(const struct rollup *a, const struct rollup *b)
{
    int64_t last = INT64_MIN;

    if (a->buckets.n != 0 && b->buckets.n != 0 &&
        b->buckets.v[0].end_ms <= a->buckets.v[a->buckets.n - 1].end_ms) {
        return false;
    }
    if (a->points.n != 0) {
        last = a->points.v[a->points.n - 1].t_ms;
    }
    if (a->buckets.n != 0 && a->buckets.v[a->buckets.n - 1].t_ms > last) {
        last = a->buckets.v[a->buckets.n - 1].t_ms;
    }
    return (b->points.n == 0 || b->points.v[0].t_ms > last) &&
           (b->buckets.n == 0 || b->buckets.v[0].t_ms > last);
}

/** The buckets of both by end, from the back so that `dst` needs no copy. */
static int merge_buckets(struct rollup *dst, const struct rollup *src, size_t from)
{
    size_t both = 0;
    size_t i = from;
    size_t a = dst->buckets.n;
    size_t b = src->buckets.n;
    size_t out;

    if (!vec_reserve(&dst->buckets, src->buckets.n)) {
        return -ERR_NOMEM;
    }
    for (size_t k = 0; k < src->buckets.n; k++) {
        while (i < dst->buckets.n && dst->buckets.v[i].end_ms < src->buckets.v[k].end_ms) {
            i++;
        }
        both += i < dst->buckets.n && dst->buckets.v[i].end_ms == src->buckets.v[k].end_ms ? 1 : 0;
    }
    out = a + b - both;
    dst->buckets.n = out;
    while (b > 0) {
        const struct rollup_bucket *y = &src->buckets.v[b - 1];

        if (a > 0 && dst->buckets.v[a - 1].end_ms > y->end_ms) {
            dst->buckets.v[--out] = dst->buckets.v[--a];
        } else if (a > 0 && dst->buckets.v[a - 1].end_ms == y->end_ms) {
            struct rollup_bucket x = dst->buckets.v[--a];

            join_bucket(&x, y);
            dst->buckets.v[--out] = x;
            b--;
        } else {
            dst->buckets.v[--out] = *y;
            b--;
        }
    }
    return 0;
}

int rollup_combine(struct rollup *dst, const struct rollup *src)
{
    known_list known = {0};
    size_t from;
    size_t points = dst->points.n;
    int rc = 0;

    dst->counter = dst->counter || src->counter;
    dst->known_counter = dst->known_counter || src->known_counter;
    if (follows(dst, src)) {
        return append(dst, src);
    }
    from = first_touched(dst, src);
    while (points > 0 &&
           (from == 0 || dst->points.v[points - 1].t_ms > dst->buckets.v[from - 1].t_ms)) {
        points--;
    }
    if (!add_known(&known, dst, points, from, false) || !add_known(&known, src, 0, 0, true)) {
        rc = -ERR_NOMEM;
    }
    rc = rc == 0 ? merge_buckets(dst, src, from) : rc;
    if (rc == 0) {
        qsort(known.v, known.n, sizeof(*known.v), by_time);
        rc = walk_known(dst, &known, points, from);
    }
    if (rc == 0) {
        drop_doubled(dst, points, from);
    }
    vec_done(&known);
    return rc;
}

/* ---- more points ---- */

static bool is_point(const struct rollup *r, int64_t t_ms)
{
    size_t lo = 0;
    size_t n = r->points.n;

    while (lo < n) {
        size_t mid = lo + (n - lo) / 2;

        if (r->points.v[mid].t_ms < t_ms) {
            lo = mid + 1;
        } else {
            n = mid;
        }
    }
    return lo < r->points.n && r->points.v[lo].t_ms == t_ms;
}

int rollup_known(const struct rollup *r, struct samples *dst)
{
    size_t p = 0;

    dst->n = 0;
    if (!samples_reserve(dst, r->points.n + r->buckets.n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i <= r->buckets.n; i++) {
        int64_t until = i < r->buckets.n ? r->buckets.v[i].t_ms : INT64_MAX;

        for (; p < r->points.n && r->points.v[p].t_ms <= until; p++) {
            if (r->points.v[p].t_ms != until) {
                dst->t_ms[dst->n] = r->points.v[p].t_ms;
                dst->v[dst->n++] = r->points.v[p].v;
            }
        }
        if (i < r->buckets.n) {
            dst->t_ms[dst->n] = until;
            dst->v[dst->n++] = r->buckets.v[i].last;
        }
    }
    return 0;
}

int rollup_keep_at(struct rollup *r, const struct samples *from, const int64_t *t_ms, size_t n)
{
    struct point_walk w = {.dst = r};
    size_t s = 0;
    size_t b = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        while (s < from->n && from->t_ms[s] < t_ms[i]) {
            s++;
        }
        while (b < r->buckets.n && r->buckets.v[b].t_ms < t_ms[i]) {
            b++;
        }
        if (s < from->n && from->t_ms[s] == t_ms[i] &&
            (b == r->buckets.n || r->buckets.v[b].t_ms != t_ms[i]) && !is_point(r, t_ms[i])) {
            rc = keep(&w, t_ms[i], from->v[s]);
        }
    }
    return rc;
}

/* ---- samples that come when those before them are gone ---- */

/** The last sample of a bucket came again, maybe with another value. */
static void replace_last(struct rollup_bucket *b, double v)
{
    if (v == b->last || sample_is_stale(v)) {
        return;
    }
    if (b->count == 1) {
        b->min = b->max = b->sum = v;
    } else {
        widen(b, v, v);
        b->sum += v - b->last;
    }
    b->last = v;
}

/** May a sample be added to its bucket? What is not known to be new is taken to be there already. */
static bool is_new(const struct rollup *r, struct rollup_bucket *b, int64_t t_ms, double v,
                   uint64_t *closed)
{
    if (t_ms > b->t_ms || (b->count == 1 && t_ms < b->t_ms && !sample_is_stale(v))) {
        return true;
    }
    if (t_ms == b->t_ms) {
        replace_last(b, v);
    } else if (!sample_is_stale(v) && !is_point(r, t_ms)) {
        (*closed)++;
    }
    return false;
}

int rollup_add_late(struct rollup *dst, const struct samples *late, int64_t resolution_ms,
                    bool known_counter, uint64_t *closed)
{
    struct samples fresh = {0};
    struct rollup one = {0};
    size_t b = 0;
    int rc = samples_reserve(&fresh, late->n) ? 0 : -ERR_NOMEM;

    for (size_t i = 0; rc == 0 && i < late->n; i++) {
        int64_t end = rollup_end(late->t_ms[i], resolution_ms);

        while (b < dst->buckets.n && dst->buckets.v[b].end_ms < end) {
            b++;
        }
        if (b == dst->buckets.n || dst->buckets.v[b].end_ms != end ||
            is_new(dst, &dst->buckets.v[b], late->t_ms[i], late->v[i], closed)) {
            fresh.t_ms[fresh.n] = late->t_ms[i];
            fresh.v[fresh.n++] = late->v[i];
        }
    }
    if (rc == 0 && fresh.n != 0) {
        rc = rollup_fold(&fresh, resolution_ms, known_counter, &one);
        rc = rc == 0 ? rollup_combine(dst, &one) : rc;
    }
    rollup_done(&one);
    samples_done(&fresh);
    return rc;
}
