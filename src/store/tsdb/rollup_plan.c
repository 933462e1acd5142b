/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tier serves which time of a query. Raw parts serve whatever they still have, the finest tier that is left
 * serves what they have not; a long query is served by buckets although raw parts are there, but only where the
 * answer is the same (windows and steps of whole buckets) or differs by less than a tenth of a window (rates).
 * Segments meet at midnights: a day's buckets and the next day's samples at exactly midnight are one bucket.
 */
#include "base/err.h"
#include "store/tsdb/rollup_internal.h"

enum {
    LONG_RANGE_MS = 2 * PART_DAY_MS, /* shorter ones read raw parts while they are there */
    STEP_BUCKETS = 5,                /* a step has at least so many buckets */
    RATE_BUCKETS = 10,               /* and so has the window of a rate */
    REACH_BUCKETS = 3, /* windows are widened to at most so many buckets: read that far back */
};

/* Beyond it are no samples, and sums of times do not overflow before. */
static const int64_t FAR_MS = INT64_MAX / 4;

/* ---- which days a tier cannot serve ---- */

/** Can all samples of a tier part also be had from a finer list? */
static bool served_by(struct part *const *finer, size_t n, const struct part_info *p)
{
    size_t at = part_list_day(finer, n, p->day);

    return at < n && part_info(finer[at])->day == p->day &&
           part_info(finer[at])->seq_lo <= p->seq_lo;
}

static bool served_by_any(const struct tsdb *db, int finest_to, const struct part_info *p)
{
    bool served = served_by(db->parts.v, db->parts.n, p);

    for (int k = TSDB_1M; !served && k <= finest_to; k++) {
        const part_list *l = &db->rollups->tiers[k].parts;

        served = served_by(l->v, l->n, p);
    }
    return served;
}

void rollup_bounds_locked(struct tsdb *db)
{
    struct rollups *r = db->rollups;

    for (int k = TSDB_RAW; k < TSDB_TIERS; k++) {
        r->bounds[k] = INT64_MIN;
        for (int c = k + 1; c < TSDB_TIERS; c++) {
            const part_list *l = &r->tiers[c].parts;
            size_t i = l->n;

            while (i > 0 && served_by_any(db, k, part_info(l->v[i - 1]))) {
                i--;
            }
            if (i > 0 && (part_info(l->v[i - 1])->day + 1) * PART_DAY_MS > r->bounds[k]) {
                r->bounds[k] = (part_info(l->v[i - 1])->day + 1) * PART_DAY_MS;
            }
        }
    }
}

/* ---- long queries ---- */

static bool aligned(const struct series_query *q, int64_t resolution_ms)
{
    const struct series_hint *h = &q->hint;

    return q->max_ms % resolution_ms == 0 && h->step_ms % resolution_ms == 0 &&
           h->range_ms % resolution_ms == 0;
}

/** May there be counters among the series? Their smallest values and sums are about right only. */
static bool may_be_counters(const struct series_query *q)
{
    for (size_t i = 0; i < q->matchers_n; i++) {
        struct label name = {STR(LABEL_NAME), matcher_value(q->matchers[i])};

        if (matcher_op(q->matchers[i]) == MATCH_EQ && name.value.n != 0 &&
            str_eq(matcher_name(q->matchers[i]), STR(LABEL_NAME))) {
            return rollup_is_counter((struct labels){&name, 1});
        }
    }
    return true;
}

/** May a tier stand in for raw samples that are there? */
static bool good_enough(const struct series_query *q, int64_t resolution_ms)
{
    const struct series_hint *h = &q->hint;

    if (q->min_ms < -FAR_MS || q->max_ms > FAR_MS || q->max_ms - q->min_ms < LONG_RANGE_MS ||
        (h->step_ms != 0 && h->step_ms < STEP_BUCKETS * resolution_ms)) {
        return false;
    }
    switch (h->need) {
    case SERIES_NEED_COUNTER:
        return h->range_ms >= RATE_BUCKETS * resolution_ms;
    case SERIES_NEED_LAST: /* a bucket's last sample is what a step at its end sees */
        return aligned(q, resolution_ms);
    case SERIES_NEED_MIN:
    case SERIES_NEED_SUM:
    case SERIES_NEED_AVG:
        return h->range_ms != 0 && aligned(q, resolution_ms) && !may_be_counters(q);
    case SERIES_NEED_MAX:
    case SERIES_NEED_COUNT:
        return h->range_ms != 0 && aligned(q, resolution_ms);
    default:
        return false;
    }
}

/** End of the newest day a tier has. */
static int64_t newest_end(const struct tier *t)
{
    return t->parts.n != 0 ? (part_info(t->parts.v[t->parts.n - 1])->day + 1) * PART_DAY_MS
                           : INT64_MIN;
}

/** Raise the bounds of finer tiers to where a tier that is good enough can serve. */
static void prefer_coarse(const struct tsdb *db, const struct series_query *q,
                          int64_t bounds[TSDB_TIERS])
{
    const struct rollups *r = db->rollups;

    for (int k = TSDB_1H; r->mode == TSDB_ROLLUPS_AUTO && k >= TSDB_1M; k--) {
        if (!good_enough(q, r->tiers[k].resolution_ms)) {
            continue;
        }
        for (int f = TSDB_RAW; f < k; f++) {
            int64_t end = newest_end(&r->tiers[k]);

            bounds[f] = end > bounds[f] ? end : bounds[f];
        }
        return;
    }
}

/* ---- the plan ---- */

struct plan_build {
    struct tsdb *db;
    struct rollup_plan *plan;
    int64_t max_ms;
    VEC(struct part *) parts;
    VEC(struct plan_part) how;
};

static bool add_part(struct plan_build *b, struct part *p, size_t segment, enum tsdb_tier_id tier,
                     int64_t lo_ms, int64_t hi_ms)
{
    struct plan_part how = {(uint8_t)segment, tier, lo_ms, hi_ms};

    if (!vec_reserve(&b->parts, 1) || !vec_push(&b->how, how)) {
        return false;
    }
    b->parts.v[b->parts.n++] = part_ref(p);
    return true;
}

/** How a tier's segment takes a day. */
enum day_kind {
    DAY_ROLLED,  /* the tier's parts have all of it */
    DAY_PARTLY,  /* raw parts have all of it, the tier has not: the raw parts */
    DAY_AND_RAW, /* samples of the tier are gone: its parts, and raw ones that are not in them */
};

static enum day_kind kind_of_day(const struct tsdb *db, const struct tier *t, int64_t day)
{
    size_t at = part_list_day(t->parts.v, t->parts.n, day);
    const struct part_info *own = at < t->parts.n ? part_info(t->parts.v[at]) : NULL;
    size_t i = part_list_day(db->parts.v, db->parts.n, day);
    bool lost = own != NULL && own->day == day &&
                (i == db->parts.n || part_info(db->parts.v[i])->day != day ||
                 part_info(db->parts.v[i])->seq_lo > own->seq_lo);

    for (; i < db->parts.n && part_info(db->parts.v[i])->day == day; i++) {
        if (!part_list_covers(&t->parts, part_info(db->parts.v[i]))) {
            return lost ? DAY_AND_RAW : DAY_PARTLY;
        }
    }
    return DAY_ROLLED;
}

static bool in_range(const struct part_info *p, int64_t lo_ms, int64_t hi_ms)
{
    return p->max_ms > lo_ms && p->min_ms <= hi_ms;
}

/** Remembers the kind of the day asked for last. */
struct day_memo {
    int64_t day;
    bool any;
    enum day_kind kind;
};

static enum day_kind day_kind(struct day_memo *m, const struct tsdb *db, const struct tier *t,
                              int64_t day)
{
    if (!m->any || m->day != day) {
        *m = (struct day_memo){day, true, kind_of_day(db, t, day)};
    }
    return m->kind;
}

/** Parts of a tier's segment: its own, and raw ones of days it has not all of. */
static bool add_tier_segment(struct plan_build *b, size_t segment, struct plan_segment *s)
{
    const struct tier *t = &b->db->rollups->tiers[s->tier];
    const part_list *l = &t->parts;
    struct day_memo memo = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < l->n; i++) {
        const struct part_info *p = part_info(l->v[i]);

        ok = !in_range(p, s->lo_ms, s->hi_ms) || day_kind(&memo, b->db, t, p->day) == DAY_PARTLY ||
             add_part(b, l->v[i], segment, s->tier, s->lo_ms, s->hi_ms);
    }
    for (size_t i = 0; ok && i < b->db->parts.n; i++) {
        const struct part_info *p = part_info(b->db->parts.v[i]);
        enum day_kind kind;

        if (!in_range(p, s->lo_ms, s->hi_ms)) {
            continue;
        }
        kind = day_kind(&memo, b->db, t, p->day);
        if (kind == DAY_PARTLY || (kind == DAY_AND_RAW && !part_list_covers(l, p))) {
            ok = add_part(b, b->db->parts.v[i], segment, TSDB_RAW, s->lo_ms, s->hi_ms);
            s->late = true;
        }
    }
    return ok;
}

/** Samples of the next day at exactly the segment's end, where only the next, finer tier has that day. */
static bool add_midnight(struct plan_build *b, size_t segment, enum tsdb_tier_id next)
{
    const struct plan_segment *s = &b->plan->segments[segment];
    const struct rollups *r = b->db->rollups;
    const part_list *l = &r->tiers[next].parts;
    int64_t day = day_of(s->hi_ms);
    bool ok = true;

    for (size_t i = part_list_day(l->v, l->n, day);
         ok && i < l->n && part_info(l->v[i])->day == day; i++) {
        const struct part_info *p = part_info(l->v[i]);

        ok = p->min_ms > s->hi_ms || part_list_covers(&r->tiers[s->tier].parts, p) ||
             add_part(b, l->v[i], segment, next, s->hi_ms - 1, s->hi_ms);
    }
    return ok;
}

static bool add_raw_segment(struct plan_build *b, size_t segment, const struct plan_segment *s)
{
    bool ok = true;

    for (size_t i = 0; ok && i < b->db->parts.n; i++) {
        ok = !in_range(part_info(b->db->parts.v[i]), s->lo_ms, s->hi_ms) ||
             add_part(b, b->db->parts.v[i], segment, TSDB_RAW, s->lo_ms, s->hi_ms);
    }
    return ok;
}

static int64_t reach(const struct rollups *r, const int64_t bounds[TSDB_TIERS],
                     const struct series_query *q)
{
    int64_t min_ms = q->min_ms;

    if (q->hint.need == SERIES_NEED_SAMPLES && q->hint.range_ms == 0) {
        return min_ms < -FAR_MS ? -FAR_MS : min_ms; /* exactly the range */
    }
    min_ms = min_ms < -FAR_MS ? -FAR_MS : min_ms;
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        if (min_ms <= bounds[k - 1] && min_ms > bounds[k]) {
            return min_ms - REACH_BUCKETS * r->tiers[k].resolution_ms;
        }
    }
    return min_ms;
}

int64_t rollup_reach(struct tsdb *db, const struct series_query *q)
{
    int64_t bounds[TSDB_TIERS];

    rwlock_read(&db->parts_lock);
    memcpy(bounds, db->rollups->bounds, sizeof(bounds));
    prefer_coarse(db, q, bounds);
    rwlock_unlock(&db->parts_lock);
    if (bounds[TSDB_RAW] == INT64_MIN || q->min_ms > bounds[TSDB_RAW]) {
        return q->min_ms;
    }
    return reach(db->rollups, bounds, q);
}

static void make_segments(const struct rollups *r, const int64_t bounds[TSDB_TIERS],
                          const struct series_query *q, struct rollup_plan *p)
{
    int64_t lo = reach(r, bounds, q) - 1; /* exclusive */

    for (int k = TSDB_1H; k >= TSDB_RAW; k--) {
        int64_t until = k == TSDB_RAW ? INT64_MAX : bounds[k - 1];

        until = until < q->max_ms ? until : q->max_ms;
        if (until > lo) {
            p->segments[p->segments_n++] =
                (struct plan_segment){lo, until, (enum tsdb_tier_id)k, false};
            lo = until;
        }
    }
}

static bool add_parts(struct plan_build *b)
{
    struct rollup_plan *p = b->plan;
    bool ok = true;

    for (size_t i = 0; ok && i < p->segments_n; i++) {
        struct plan_segment *s = &p->segments[i];

        ok = s->tier == TSDB_RAW ? add_raw_segment(b, i, s) : add_tier_segment(b, i, s);
        if (ok && i + 1 < p->segments_n && p->segments[i + 1].tier != TSDB_RAW) {
            ok = add_midnight(b, i, p->segments[i + 1].tier);
        }
    }
    return ok;
}

int rollup_plan(struct tsdb *db, const struct series_query *q, struct rollup_plan **ret,
                struct part ***ret_parts, size_t *ret_n)
{
    struct plan_build b = {.db = db};
    int64_t bounds[TSDB_TIERS];
    bool ok = true;

    rwlock_read(&db->parts_lock);
    memcpy(bounds, db->rollups->bounds, sizeof(bounds));
    prefer_coarse(db, q, bounds);
    if (bounds[TSDB_RAW] == INT64_MIN || q->min_ms > bounds[TSDB_RAW]) {
        rwlock_unlock(&db->parts_lock);
        return parts_snapshot(db, q->min_ms, q->max_ms, ret_parts, ret_n);
    }
    b.plan = mem_try_calloc(1, sizeof(*b.plan));
    if (b.plan != NULL) {
        make_segments(db->rollups, bounds, q, b.plan);
        ok = add_parts(&b);
    }
    rwlock_unlock(&db->parts_lock);
    if (b.plan == NULL || !ok) {
        parts_release(b.parts.v, b.parts.n);
        vec_done(&b.how);
        mem_free(b.plan);
        return -ERR_NOMEM;
    }
    b.plan->parts = b.how.v;
    *ret = b.plan;
    *ret_parts = b.parts.v;
    *ret_n = b.parts.n;
    return 0;
}

size_t rollup_resolutions(const struct rollup_plan *p,
                          struct series_resolution dst[SERIES_RESOLUTIONS])
{
    static const int64_t TIER_MS[TSDB_TIERS] = {0, 60000, 300000, 3600000};
    size_t n = 0;

    for (size_t i = 0; i < p->segments_n && n < SERIES_RESOLUTIONS; i++) {
        dst[n++] = (struct series_resolution){p->segments[i].hi_ms, TIER_MS[p->segments[i].tier]};
    }
    return n;
}

void rollup_plan_free(struct rollup_plan *p)
{
    if (p != NULL) {
        mem_free(p->parts);
        mem_free(p);
    }
}
