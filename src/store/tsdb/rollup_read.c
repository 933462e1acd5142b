/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a series along a plan. Segment by segment, oldest first: buckets of a tier's parts and samples it does not
 * cover yet become one run of buckets, of which one column is given; raw samples pass through.
 */
#include "base/err.h"
#include "codec/chunk.h"
#include "store/tsdb/rollup_internal.h"

static const int64_t TIER_MS[TSDB_TIERS] = {0, 60000, 300000, 3600000};

enum rollup_column rollup_column_of(enum series_need need)
{
    switch (need) {
    case SERIES_NEED_MIN:
        return COLUMN_MIN;
    case SERIES_NEED_MAX:
        return COLUMN_MAX;
    case SERIES_NEED_SUM:
    case SERIES_NEED_AVG:
        return COLUMN_SUM;
    case SERIES_NEED_COUNT:
        return COLUMN_COUNT;
    default:
        return COLUMN_LAST;
    }
}

void rollup_read_begin(struct rollup_reader *r, const struct rollup_plan *plan,
                       enum rollup_column column, struct labels labels, struct samples *dst)
{
    *r = (struct rollup_reader){
        .plan = plan, .column = column, .counter = rollup_is_counter(labels), .dst = dst};
}

static unsigned columns_of(enum rollup_column c)
{
    switch (c) {
    case COLUMN_MIN:
        return ROLLUP_MIN;
    case COLUMN_MAX:
        return ROLLUP_MAX;
    case COLUMN_SUM:
        return ROLLUP_SUM;
    case COLUMN_COUNT:
        return ROLLUP_COUNT;
    default:
        return ROLLUP_POINTS;
    }
}

static double value_of(const struct rollup_bucket *b, enum rollup_column c)
{
    switch (c) {
    case COLUMN_MIN:
        return b->min;
    case COLUMN_MAX:
        return b->max;
    case COLUMN_SUM:
        return b->sum;
    case COLUMN_COUNT:
        return b->count;
    default:
        return b->last;
    }
}

static void put(struct samples *dst, int64_t t_ms, double v)
{
    dst->t_ms[dst->n] = t_ms;
    dst->v[dst->n++] = v;
}

/** Last samples and points in order of time. */
static void give_last(const struct rollup_reader *r, struct samples *dst)
{
    const struct rollup *a = &r->acc;
    size_t p = 0;

    for (size_t i = 0; i <= a->buckets.n; i++) {
        int64_t until = i < a->buckets.n ? a->buckets.v[i].t_ms : INT64_MAX;

        for (; p < a->points.n && a->points.v[p].t_ms <= until; p++) {
            if (a->points.v[p].t_ms != until) {
                put(dst, a->points.v[p].t_ms, a->points.v[p].v);
            }
        }
        if (i < a->buckets.n) {
            put(dst, until, a->buckets.v[i].last);
        }
    }
}

/** Raw samples as the column has them: one sample is its own smallest, largest and sum, and counts 1. */
static void give_raw(struct rollup_reader *r, const struct plan_segment *s)
{
    for (size_t i = 0; i < r->raw.n; i++) {
        double v = r->raw.v[i];

        if (r->raw.t_ms[i] > s->lo_ms && r->raw.t_ms[i] <= s->hi_ms) {
            v = r->column == COLUMN_COUNT && !sample_is_stale(v) ? 1 : v;
            put(r->dst, r->raw.t_ms[i], v);
        }
    }
}

static int add_head(struct rollup_reader *r, const struct plan_segment *s)
{
    size_t split = r->raw.n;
    const struct samples *h = r->head;

    if (h == NULL || h->n == 0 || h->t_ms[0] > s->hi_ms || h->t_ms[h->n - 1] <= s->lo_ms) {
        return 0;
    }
    if (samples_room(&r->raw, h->n) < 0) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < h->n; i++) {
        if (h->t_ms[i] > s->lo_ms && h->t_ms[i] <= s->hi_ms) {
            put(&r->raw, h->t_ms[i], h->v[i]);
        }
    }
    return samples_join(&r->raw, split);
}

/** The segment is complete: to the answer with it. */
static int end_segment(struct rollup_reader *r)
{
    const struct plan_segment *s = &r->plan->segments[r->segment];
    int rc = add_head(r, s);

    if (rc == 0 && s->tier == TSDB_RAW) {
        rc = samples_room(r->dst, r->raw.n);
        if (rc == 0) {
            give_raw(r, s);
        }
    } else if (rc == 0) {
        if (r->raw.n != 0) {
            uint64_t closed = 0;

            rc = rollup_add_late(&r->acc, &r->raw, TIER_MS[s->tier], r->counter, &closed);
            if (rc == 0 && r->keep != NULL) {
                rc = rollup_keep_at(&r->acc, &r->raw, r->keep->t_ms, r->keep->n);
            }
        }
        rc = rc == 0 ? samples_room(r->dst, r->acc.buckets.n + r->acc.points.n) : rc;
        if (rc == 0 && r->column <= COLUMN_COMPONENT) {
            give_last(r, r->dst);
        } else if (rc == 0) {
            for (size_t i = 0; i < r->acc.buckets.n; i++) {
                put(r->dst, r->acc.buckets.v[i].end_ms, value_of(&r->acc.buckets.v[i], r->column));
            }
        }
    }
    r->raw.n = 0;
    rollup_clear(&r->acc);
    r->segment++;
    return rc;
}

/* ---- parts ---- */

struct blob {
    struct rollup_reader *r;
    const struct plan_part *how;
    int64_t resolution_ms; /* of the part */
    const struct part_cursor *at;
};

/** Only buckets with ends, and points with times, in (lo, hi]. */
static void clip(struct rollup *u, int64_t lo_ms, int64_t hi_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < u->buckets.n; i++) {
        if (u->buckets.v[i].end_ms > lo_ms && u->buckets.v[i].end_ms <= hi_ms) {
            u->buckets.v[kept++] = u->buckets.v[i];
        }
    }
    u->buckets.n = kept;
    kept = 0;
    for (size_t i = 0; i < u->points.n; i++) {
        if (u->points.v[i].t_ms > lo_ms && u->points.v[i].t_ms <= hi_ms) {
            u->points.v[kept++] = u->points.v[i];
        }
    }
    u->points.n = kept;
}

void rollup_drop_hidden(struct rollup *u, const struct part_cursor *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < u->buckets.n; i++) {
        if (!part_hides_time(c, u->buckets.v[i].t_ms)) {
            u->buckets.v[kept++] = u->buckets.v[i];
        }
    }
    u->buckets.n = kept;
    kept = 0;
    for (size_t i = 0; i < u->points.n; i++) {
        if (!part_hides_time(c, u->points.v[i].t_ms)) {
            u->points.v[kept++] = u->points.v[i];
        }
    }
    u->points.n = kept;
}

/** Are samples added to the segment's buckets? Then it must be known which of them are new. */
static bool is_late(const struct rollup_reader *r, const struct plan_segment *s)
{
    const struct samples *h = r->head;

    return s->late ||
           (h != NULL && h->n != 0 && h->t_ms[0] <= s->hi_ms && h->t_ms[h->n - 1] > s->lo_ms);
}

/** Samples that a blob holds instead of buckets, as if a raw part had them: late ones of their times replace them.
 * @return 1, 0 it holds buckets, error */
static int take_samples(const struct blob *b, struct str bytes)
{
    struct rollup_reader *r = b->r;
    size_t split = r->raw.n;
    int rc = rollup_samples(bytes, &r->own);

    if (rc <= 0) {
        return rc;
    }
    if (samples_room(&r->raw, r->own.n) < 0) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < r->own.n; i++) {
        int64_t end = rollup_end(r->own.t_ms[i], b->resolution_ms);

        if (end > b->how->lo_ms && end <= b->how->hi_ms &&
            !part_hides_time(b->at, r->own.t_ms[i])) {
            put(&r->raw, r->own.t_ms[i], r->own.v[i]);
        }
    }
    return samples_join(&r->raw, split) < 0 ? -ERR_NOMEM : 1;
}

/** Points of resets that the histogram's other components may lack: those of the first version. */
static void drop_out_of_step(const struct rollup_reader *r, struct str bytes, struct rollup *u)
{
    size_t kept = 0;

    if (r->column != COLUMN_COMPONENT || bytes.n == 0 || bytes.p[0] != 1) {
        return;
    }
    for (size_t i = 0; i < u->points.n; i++) {
        if (sample_is_stale(u->points.v[i].v)) {
            u->points.v[kept++] = u->points.v[i];
        }
    }
    u->points.n = kept;
}

static int take_blob(void *arg, struct str bytes)
{
    struct blob *b = arg;
    struct rollup_reader *r = b->r;
    bool late = is_late(r, &r->plan->segments[r->segment]);
    unsigned columns = columns_of(r->column) | (late ? ROLLUP_COUNT | ROLLUP_POINTS : 0u);
    /* Of samples a component keeps what its histogram's count does. */
    int rc = late || r->column == COLUMN_COMPONENT ? take_samples(b, bytes) : 0;

    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    rc = rollup_decode(bytes, b->resolution_ms, columns, &r->one);
    if (rc == 0) {
        drop_out_of_step(r, bytes, &r->one);
        clip(&r->one, b->how->lo_ms, b->how->hi_ms);
        if (part_hides(b->at->part)) {
            rollup_drop_hidden(&r->one, b->at);
        }
        rc = rollup_combine(&r->acc, &r->one);
    }
    return rc;
}

int rollup_read_part(struct rollup_reader *r, size_t index, const struct part_cursor *c,
                     struct err *reterr)
{
    const struct plan_part *how = &r->plan->parts[index];
    int rc = 0;

    while (rc == 0 && r->segment < how->segment) {
        rc = end_segment(r);
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "reading roll-ups: %s", err_text(rc));
    }
    if (how->tier != TSDB_RAW) {
        struct blob b = {r, how, TIER_MS[how->tier], c};

        return part_read_blob(c, take_blob, &b, reterr);
    }
    {
        size_t split = r->raw.n;

        rc = part_read(c, how->lo_ms + 1, how->hi_ms, &r->raw, reterr);
        if (rc == 0 && samples_join(&r->raw, split) < 0) {
            rc = err_set(reterr, ERR_NOMEM, "joining samples of parts");
        }
    }
    if (rc == 0) { /* whole chunks were read */
        size_t kept = 0;

        for (size_t i = 0; i < r->raw.n; i++) {
            if (r->raw.t_ms[i] > how->lo_ms && r->raw.t_ms[i] <= how->hi_ms) {
                r->raw.t_ms[kept] = r->raw.t_ms[i];
                r->raw.v[kept++] = r->raw.v[i];
            }
        }
        r->raw.n = kept;
    }
    return rc;
}

int rollup_read_end(struct rollup_reader *r, int rc)
{
    while (rc == 0 && r->segment < r->plan->segments_n) {
        rc = end_segment(r);
    }
    rollup_done(&r->acc);
    rollup_done(&r->one);
    samples_done(&r->raw);
    samples_done(&r->own);
    return rc;
}
