/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing tier parts: a writer for each tier that is to have one, fed series by series in order of labels; of a series
 * the finest level is given and the coarser ones are made of it.
 */
#include "base/err.h"
#include "store/tsdb/rollup_internal.h"

enum { SAMPLES_WORTH = 8 /* samples a bucket up to which they may be smaller than it */ };

void rollup_make_init(struct rollup_make *m, struct tsdb *db, int64_t day, int finest)
{
    *m = (struct rollup_make){.db = db, .day = day, .finest = finest};
    buf_init(&m->blob, ROLLUP_BLOB_MAX);
    buf_init(&m->other, ROLLUP_BLOB_MAX);
    arena_init(&m->histogram_arena, 1 << 20);
}

void rollup_make_done(struct rollup_make *m)
{
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        part_writer_free(m->writers[k]);
        mem_free(m->tmp[k]);
        rollup_done(&m->levels[k]);
        samples_done(&m->resets[k]);
    }
    samples_done(&m->known);
    arena_done(&m->histogram_arena);
    parts_release(m->parts, m->n);
    buf_done(&m->blob);
    buf_done(&m->other);
}

int rollup_make_open(struct rollup_make *m, int k, const struct part_info *info, struct err *reterr)
{
    int rc;

    m->tmp[k] = parts_path(m->db->rollups->tiers[k].dir, info, ".tmp");
    rc = vfs_remove_tree(m->db->vfs, m->tmp[k], reterr);
    return rc == 0 ? part_writer_new(m->db->vfs, m->tmp[k], info, &m->writers[k], reterr) : rc;
}

/** A minute's five columns are often more than its few samples: the smaller form is kept. */
static int prefer_samples(struct rollup_make *m, const struct samples *s, bool counter)
{
    int rc;

    if (s->n > m->levels[TSDB_1M].buckets.n * SAMPLES_WORTH) {
        return 0;
    }
    buf_clear(&m->other);
    rc = rollup_encode_samples(s, counter, &m->other);
    if (rc == 0 && m->other.n < m->blob.n) {
        buf_clear(&m->blob);
        buf_add_str(&m->blob, buf_str(&m->other));
        rc = m->blob.failed ? -ERR_NOMEM : 0;
    }
    return rc;
}

/** @param s  all samples, or NULL */
static int write_level(struct rollup_make *m, int k, struct labels labels, const struct samples *s,
                       struct err *reterr)
{
    const struct rollup *u = &m->levels[k];
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    int rc;

    if (u->buckets.n != 0) {
        min = u->buckets.v[0].t_ms;
        max = u->buckets.v[u->buckets.n - 1].end_ms;
    }
    if (u->points.n != 0) {
        int64_t first = u->points.v[0].t_ms;
        int64_t last = u->points.v[u->points.n - 1].t_ms;

        min = first < min ? first : min;
        max = last > max ? last : max;
    }
    if (min > max) {
        return 0;
    }
    buf_clear(&m->blob);
    rc = rollup_encode(u, m->db->rollups->tiers[k].resolution_ms, &m->blob);
    if (rc == 0 && k == TSDB_1M && s != NULL) {
        rc = prefer_samples(m, s, u->known_counter);
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "encoding a roll-up");
    }
    m->written[k]++;
    return part_writer_add_blob(m->writers[k], labels, min, max, u->buckets.n + u->points.n,
                                buf_str(&m->blob), reterr);
}

/* ---- native histograms ---- */

static bool is_component(struct labels ls)
{
    return ls.n != 0 && label_name_is_hidden(ls.v[ls.n - 1].name);
}

static bool is_count(struct labels ls)
{
    return is_component(ls) && str_eq(ls.v[ls.n - 1].value, STR("c"));
}

/** A count: from now on its points' times are those of its histogram. */
static int begin_histogram(struct rollup_make *m, struct labels labels)
{
    arena_reset(&m->histogram_arena);
    m->histogram = (struct labels){0};
    return labels_dup((struct labels){labels.v, labels.n - 1}, &m->histogram_arena, &m->histogram);
}

static int note_resets(struct samples *dst, const struct rollup *count)
{
    dst->n = 0;
    if (!samples_reserve(dst, count->points.n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < count->points.n; i++) {
        if (!sample_is_stale(count->points.v[i].v)) {
            dst->t_ms[dst->n++] = count->points.v[i].t_ms;
        }
    }
    return 0;
}

/** Components of a histogram stay in step: what its count keeps at a reset, all of them keep (count sorts before all but
 * bounds, which do not change).
 * @param from  what level k is made of */
static int keep_step(struct rollup_make *m, int k, struct labels labels, const struct samples *from)
{
    struct labels base = {labels.v, labels.n - 1};

    if (is_count(labels)) {
        return note_resets(&m->resets[k], &m->levels[k]);
    }
    return is_component(labels) && labels_eq(base, m->histogram)
               ? rollup_keep_at(&m->levels[k], from, m->resets[k].t_ms, m->resets[k].n)
               : 0;
}

int rollup_make_series(struct rollup_make *m, int finest, struct labels labels,
                       const struct samples *s, bool all, struct err *reterr)
{
    const struct tier *tiers = m->db->rollups->tiers;
    int rc = is_count(labels) ? begin_histogram(m, labels) : 0;

    rc = rc == 0 ? keep_step(m, finest, labels, s) : rc;
    for (int k = finest + 1; rc == 0 && k < TSDB_TIERS; k++) {
        rc = rollup_coarsen(&m->levels[k - 1], tiers[k].resolution_ms, &m->levels[k]);
        if (rc == 0 && is_component(labels)) {
            rc = rollup_known(&m->levels[k - 1], &m->known);
            rc = rc == 0 ? keep_step(m, k, labels, &m->known) : rc;
        }
    }
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "roll-up");
    }
    for (int k = finest; rc == 0 && k < TSDB_TIERS; k++) {
        rc = m->writers[k] != NULL ? write_level(m, k, labels, all ? s : NULL, reterr) : 0;
    }
    return rc;
}

int rollup_make_finish(struct rollup_make *m, int k, bool locked, uint64_t *bytes,
                       struct err *reterr)
{
    struct tier *t = &m->db->rollups->tiers[k];
    struct part_info info;
    int rc = part_writer_finish(m->writers[k], &info, reterr);

    if (rc == 0) {
        rc = locked ? tier_publish_locked(m->db, t, m->tmp[k], &info, reterr)
                    : tier_publish(m->db, t, m->tmp[k], &info, reterr);
        *bytes += info.bytes;
    }
    return rc;
}
