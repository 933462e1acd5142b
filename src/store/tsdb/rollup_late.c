/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples that come to a day whose raw samples are gone. They stay raw, and count in every query, until nothing has
 * come for a while; then the day's tiers are written anew with them in: the finest that has all the day's lost samples
 * is the base, coarser ones are made of it, and the raw parts go. Finest first: until all are out a coarser tier adds
 * the raw parts to what it has, so an interrupted fold answers the same and is done again.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/tsdb/rollup_internal.h"

static const struct part_info *first_of(const part_list *l, int64_t day)
{
    size_t at = part_list_day(l->v, l->n, day);
    const struct part_info *p = at < l->n ? part_info(l->v[at]) : NULL;

    return p != NULL && p->day == day ? p : NULL;
}

bool rollup_is_lost_locked(const struct tsdb *db, int64_t day)
{
    const struct part_info *raw = first_of(&db->parts, day);

    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        const struct part_info *p = first_of(&db->rollups->tiers[k].parts, day);

        if (p != NULL && (raw == NULL || p->seq_lo < raw->seq_lo)) {
            return true;
        }
    }
    return false;
}

bool rollup_holds_raw(struct tsdb *db, int64_t day)
{
    bool holds = false;

    rwlock_read(&db->parts_lock);
    if (rollup_is_lost_locked(db, day)) {
        for (size_t i = part_list_day(db->parts.v, db->parts.n, day);
             !holds && i < db->parts.n && part_info(db->parts.v[i])->day == day; i++) {
            for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
                holds = holds ||
                        part_list_covers(&db->rollups->tiers[k].parts, part_info(db->parts.v[i]));
            }
        }
    }
    rwlock_unlock(&db->parts_lock);
    return holds;
}

/* ---- what a fold is made of ---- */

struct fold {
    struct rollup_make make; /* parts: the base's, then raw ones it has not */
    int base;
    size_t base_n;
    struct part_info info; /* of what is written */
    struct samples samples, late, one;
    struct rollup coarse;
    uint64_t closed;
};

/** Does tier k have all that coarser ones have of the day? Under parts_lock. */
static bool has_all_of_coarser(const struct rollups *r, int k, int64_t day)
{
    for (int c = k + 1; c < TSDB_TIERS; c++) {
        const part_list *l = &r->tiers[c].parts;

        for (size_t i = part_list_day(l->v, l->n, day); i < l->n && part_info(l->v[i])->day == day;
             i++) {
            if (!part_list_covers(&r->tiers[k].parts, part_info(l->v[i]))) {
                return false;
            }
        }
    }
    return true;
}

/** The finest tier with the day and all that is known of it; TSDB_RAW: none has the day. */
static int choose_base_locked(const struct rollups *r, int64_t day)
{
    int coarsest = TSDB_RAW;

    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        if (first_of(&r->tiers[k].parts, day) == NULL) {
            continue;
        }
        if (has_all_of_coarser(r, k, day)) {
            return k;
        }
        coarsest = k;
    }
    return coarsest;
}

static void take(struct fold *f, struct part *p)
{
    const struct part_info *i = part_info(p);

    f->make.parts[f->make.n++] = part_ref(p);
    f->info.seq_lo = i->seq_lo < f->info.seq_lo ? i->seq_lo : f->info.seq_lo;
    f->info.seq_hi = i->seq_hi > f->info.seq_hi ? i->seq_hi : f->info.seq_hi;
}

/** @return 1, 0 nothing is there to fold, -ERR_NOMEM */
static int gather_locked(struct fold *f)
{
    struct tsdb *db = f->make.db;
    const struct rollups *r = db->rollups;
    int64_t day = f->make.day;
    const part_list *base;
    bool raw = false;

    f->base = rollup_is_lost_locked(db, day) ? choose_base_locked(r, day) : TSDB_RAW;
    if (f->base == TSDB_RAW || first_of(&db->parts, day) == NULL) {
        return 0;
    }
    base = &r->tiers[f->base].parts;
    f->make.parts = mem_try_calloc(base->n + db->parts.n + 1, sizeof(struct part *));
    if (f->make.parts == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = part_list_day(base->v, base->n, day);
         i < base->n && part_info(base->v[i])->day == day; i++) {
        take(f, base->v[i]);
    }
    f->base_n = f->make.n;
    for (size_t i = part_list_day(db->parts.v, db->parts.n, day);
         i < db->parts.n && part_info(db->parts.v[i])->day == day; i++) {
        raw = true;
        if (!part_list_covers(base, part_info(db->parts.v[i]))) {
            take(f, db->parts.v[i]);
        }
    }
    return raw;
}

/** Tiers from the base on that have not everything yet. */
static int open_writers(struct fold *f, bool *ret_any, struct err *reterr)
{
    const struct rollups *r = f->make.db->rollups;
    int64_t now = clock_wall_ms();
    int rc = 0;

    *ret_any = false;
    for (int k = f->base; rc == 0 && k < TSDB_TIERS; k++) {
        bool has;

        rwlock_read(&f->make.db->parts_lock);
        has = part_list_covers(&r->tiers[k].parts, &f->info);
        rwlock_unlock(&f->make.db->parts_lock);
        if (!has && !tier_expired(&r->tiers[k], f->make.day, now)) {
            *ret_any = true;
            rc = rollup_make_open(&f->make, k, &f->info, reterr);
        }
    }
    return rc;
}

/* ---- one series ---- */

struct take_base {
    struct fold *f;
    const struct part_cursor *at;
};

static void drop_hidden_samples(struct samples *s, const struct part_cursor *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (!part_hides_time(c, s->t_ms[i])) {
            s->t_ms[kept] = s->t_ms[i];
            s->v[kept++] = s->v[i];
        }
    }
    s->n = kept;
}

static int join(struct samples *dst, const struct samples *src)
{
    size_t split = dst->n;

    if (src->n == 0) {
        return 0;
    }
    if (samples_room(dst, src->n) < 0) {
        return -ERR_NOMEM;
    }
    memcpy(dst->t_ms + dst->n, src->t_ms, src->n * sizeof(*src->t_ms));
    memcpy(dst->v + dst->n, src->v, src->n * sizeof(*src->v));
    dst->n += src->n;
    return samples_join(dst, split);
}

/** Samples that the base still has are told apart from late ones; buckets are joined as they are. */
static int take_base(void *arg, struct str bytes)
{
    struct take_base *t = arg;
    struct fold *f = t->f;
    int rc = rollup_samples(bytes, &f->one);

    if (rc > 0) {
        drop_hidden_samples(&f->one, t->at);
        return join(&f->samples, &f->one);
    }
    if (rc == 0) {
        rc = rollup_decode(bytes, f->make.db->rollups->tiers[f->base].resolution_ms, ROLLUP_ALL,
                           &f->coarse);
    }
    if (rc == 0) {
        rollup_drop_hidden(&f->coarse, t->at);
        rc = rollup_combine(&f->make.levels[f->base], &f->coarse);
    }
    return rc;
}

/** The level of the base from what was gathered. */
static int fold_level(struct fold *f, bool counter)
{
    struct rollup *level = &f->make.levels[f->base];
    int64_t resolution = f->make.db->rollups->tiers[f->base].resolution_ms;
    int rc = 0;

    if (level->buckets.n == 0 && level->points.n == 0) { /* no sample is gone */
        rc = join(&f->samples, &f->late);
        return rc == 0 ? rollup_fold(&f->samples, resolution, counter, level) : rc;
    }
    rc = rollup_add_late(level, &f->samples, resolution, counter, &f->closed);
    rc = rc == 0 ? rollup_add_late(level, &f->late, resolution, counter, &f->closed) : rc;
    f->samples.n = 0;
    return rc;
}

static int fold_series(void *arg, const struct parts_series *s, struct err *reterr)
{
    struct fold *f = arg;
    int rc = 0;

    rollup_clear(&f->make.levels[f->base]);
    f->samples.n = f->late.n = 0;
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        struct take_base t = {f, s->at[i]};

        rc = s->at[i]->blob ? part_read_blob(s->at[i], take_base, &t, reterr)
                            : parts_join(s->at[i], &f->late, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    rc = fold_level(f, rollup_is_counter(s->labels));
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "roll-up: %s", err_text(rc));
    }
    return f->samples.n != 0
               ? rollup_make_series(&f->make, f->base, s->labels, &f->samples, true, reterr)
               : rollup_make_series(&f->make, f->base, s->labels, &f->late, false, reterr);
}

/* ---- all of it ---- */

static int write_tiers(struct fold *f, uint64_t *ret_bytes, struct err *reterr)
{
    struct tsdb *db = f->make.db;
    bool any = false;
    int rc = open_writers(f, &any, reterr);

    if (rc < 0 || !any) {
        return rc;
    }
    rc = parts_walk_series(db, f->make.parts, f->make.n, &db->rollups->permille, fold_series, f,
                           reterr);
    for (int k = f->base; rc == 0 && k < TSDB_TIERS; k++) {
        if (f->make.written[k] != 0) { /* else everything was deleted */
            rc = rollup_make_finish(&f->make, k, true, ret_bytes, reterr);
        }
    }
    return rc;
}

/** Under make_lock and merge_lock, so that the raw parts stay what they are. */
static int fold(struct fold *f, struct err *reterr)
{
    struct tsdb *db = f->make.db;
    struct mono start = clock_mono();
    int64_t day = f->make.day;
    uint64_t bytes = 0;
    uint64_t raw;
    int rc;

    rwlock_read(&db->parts_lock);
    rc = gather_locked(f);
    rwlock_unlock(&db->parts_lock);
    if (rc <= 0) {
        return rc < 0 ? err_set(reterr, ERR_NOMEM, "list of parts") : 0;
    }
    rc = write_tiers(f, &bytes, reterr);
    if (rc < 0) {
        return rc;
    }
    for (int k = TSDB_1M; k < f->base; k++) { /* it would hide what the base has and it has not */
        tier_drop_day(db, &db->rollups->tiers[k], day, "incomplete");
    }
    raw = raw_drop_day_locked(db, day, f->base, "rolled up");
    counter_add(db->rollups->days, 1);
    counter_add(db->rollups->closed, f->closed);
    log_info("tsdb", "late samples rolled up", L_INT("day", day), L_INT("raw_bytes", raw),
             L_INT("bytes", bytes), L_INT("left_out", f->closed),
             L_INT("ms", mono_since_ns(start) / 1000000));
    return 1;
}

int rollup_fold_late(struct tsdb *db, int64_t day, struct err *reterr)
{
    struct fold f = {.info = {.day = day, .seq_lo = UINT64_MAX}};
    int rc;

    rollup_make_init(&f.make, db, day, TSDB_1M);
    mutex_lock(&db->rollups->make_lock);
    rollup_begin(db->rollups);
    mutex_lock(&db->merge_lock);
    rc = fold(&f, reterr);
    mutex_unlock(&db->merge_lock);
    rollup_end_run(db->rollups, rc);
    mutex_unlock(&db->rollups->make_lock);
    rollup_make_done(&f.make);
    rollup_done(&f.coarse);
    samples_done(&f.samples);
    samples_done(&f.late);
    samples_done(&f.one);
    return rc;
}
