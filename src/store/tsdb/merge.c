/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging the parts of a day. Only neighbours in flush order are merged, so that "the later arrival wins"
 * keeps holding between what is left.
 */
#include <malloc.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/tsdb/tsdb_internal.h"

enum {
    OPEN_DAY_PARTS = 4, /* merge at least so many while the day still grows */
    CHECK_EVERY = 256,
    LATE_MS = 3600 * 1000, /* a day counts as closed this long after its end */
};

struct input {
    struct part_cursor at;
    struct arena arena; /* labels of the series at hand */
    struct labels labels;
    uint32_t n;
    bool done;
};

struct merge {
    struct tsdb *db;
    struct part *const *parts;
    size_t n;
    struct input *in;
    struct samples samples;
    struct part_writer *writer;
    uint64_t series_done, series_all;
    uint64_t written; /* series */
};

static int load(struct input *in, uint32_t number)
{
    int rc;

    if (number >= in->n) {
        in->done = true;
        return 0;
    }
    arena_reset(&in->arena);
    rc = part_seek(&in->at, number);
    return rc == 0 ? part_labels(&in->at, &in->arena, &in->labels) : rc;
}

/** Merge the series with the smallest labels and step on. @return 1, 0 at the end, error */
static int merge_one(struct merge *m, struct err *reterr)
{
    const struct input *min = NULL;
    struct labels labels;
    int rc = 0;

    for (size_t i = 0; i < m->n; i++) {
        if (!m->in[i].done && (min == NULL || labels_cmp(m->in[i].labels, min->labels) < 0)) {
            min = &m->in[i];
        }
    }
    if (min == NULL) {
        return 0;
    }
    labels = min->labels;
    m->samples.n = 0;
    for (size_t i = 0; rc == 0 && i < m->n; i++) {
        size_t split = m->samples.n;

        if (m->in[i].done || !labels_eq(m->in[i].labels, labels)) {
            continue;
        }
        rc = part_read(&m->in[i].at, INT64_MIN, INT64_MAX, &m->samples, reterr);
        if (rc < 0) {
            return rc;
        }
        rc = samples_join(&m->samples, split);
    }
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "merge");
    }
    if (m->samples.n != 0) { /* else all were deleted */
        rc =
            part_writer_add(m->writer, labels, m->samples.t_ms, m->samples.v, m->samples.n, reterr);
        m->written++;
    }
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < m->n; i++) { /* `min` last: its labels are being compared */
        if (&m->in[i] != min && !m->in[i].done && labels_eq(m->in[i].labels, labels)) {
            rc = load(&m->in[i], m->in[i].at.number + 1);
            m->series_done++;
        }
    }
    if (rc == 0) {
        struct input *last = &m->in[min - m->in];

        rc = load(last, last->at.number + 1);
        m->series_done++;
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "merging %s", part_dir(m->parts[0])) : 1;
}

static bool stopping(struct tsdb *db)
{
    return atomic_load_explicit(&db->stop, memory_order_relaxed);
}

static int merge_all(struct merge *m, struct err *reterr)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < m->n; i++) {
        part_cursor_init(&m->in[i].at, m->parts[i]);
        arena_init(&m->in[i].arena, 64 << 20);
        m->in[i].n = (uint32_t)part_info(m->parts[i])->series_n;
        m->series_all += m->in[i].n;
        rc = load(&m->in[i], 0);
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "merging %s", part_dir(m->parts[0]));
    }
    for (unsigned i = 0; (rc = merge_one(m, reterr)) > 0; i++) {
        if (i % CHECK_EVERY == 0) {
            atomic_store_explicit(&m->db->merge_permille,
                                  (uint32_t)(m->series_done * 1000 / (m->series_all + 1)),
                                  memory_order_relaxed);
            if (stopping(m->db)) {
                return err_set(reterr, ERR_CANCELED, "closing");
            }
        }
    }
    return rc;
}

static int write_merged(struct merge *m, const char *tmp, struct part_info *info,
                        struct err *reterr)
{
    int rc = vfs_remove_tree(m->db->vfs, tmp, reterr);

    rc = rc == 0 ? part_writer_new(m->db->vfs, tmp, info, &m->writer, reterr) : rc;
    rc = rc == 0 ? merge_all(m, reterr) : rc;
    if (rc == 0 && m->written != 0) {
        rc = part_writer_finish(m->writer, info, reterr);
    }
    part_writer_free(m->writer);
    return rc;
}

/** Merge parts[0, n) of one day, neighbours, to what counts as flushed by `seq_hi`. Under merge_lock. */
static int merge_run(struct tsdb *db, struct part *const *parts, size_t n, uint64_t seq_hi,
                     struct err *reterr)
{
    struct merge m = {.db = db, .parts = parts, .n = n};
    struct mono start = clock_mono();
    struct part_info info = {
        .day = part_info(parts[0])->day, .seq_lo = part_info(parts[0])->seq_lo, .seq_hi = seq_hi};
    struct part *merged = NULL;
    char *tmp = parts_path(db, &info, ".tmp");
    uint64_t before = 0;
    int rc;

    for (size_t i = 0; i < n; i++) {
        before += part_info(parts[i])->bytes;
    }
    m.in = mem_xcalloc(n, sizeof(*m.in));
    rc = write_merged(&m, tmp, &info, reterr);
    for (size_t i = 0; i < n; i++) {
        arena_done(&m.in[i].arena);
    }
    mem_free(m.in);
    samples_done(&m.samples);
    if (rc == 0 && m.written != 0) { /* else everything was deleted */
        rc = parts_publish(db, tmp, &info, &merged, reterr);
    }
    if (rc == 0 && parts_replace(db, parts, n, merged) < 0) {
        part_unref(merged);
        rc = err_set(reterr, ERR_NOMEM, "list of parts");
    }
    mem_free(tmp);
    if (rc == 0) {
        counter_add(db->stats.merges, 1);
        counter_add(db->stats.chunk_bytes, info.bytes);
        timing_observe_ns(db->stats.merge_time, mono_since_ns(start));
        log_info("tsdb", "parts merged", L_INT("day", info.day), L_INT("parts", n),
                 L_INT("bytes_before", before), L_INT("bytes", info.bytes),
                 L_INT("samples", info.samples_n), L_INT("ms", mono_since_ns(start) / 1000000));
    }
    return rc;
}

int merge_rewrite(struct tsdb *db, struct part *const *parts, size_t n, uint64_t seq,
                  struct err *reterr)
{
    return n == 0 ? 0 : merge_run(db, parts, n, seq, reterr);
}

/** Which tail of a day's parts (in flush order) to merge now: first index, n for none. Merging the tail whose
 * first part is no larger than the rest keeps the number of parts logarithmic. */
static size_t pick(struct part *const *v, size_t n, bool closed, bool all)
{
    uint64_t rest = 0;
    size_t from = n;

    if (all) {
        return n > 1 ? 0 : n;
    }
    for (size_t i = n; i > 0; i--) {
        uint64_t bytes = part_info(v[i - 1])->bytes;
        size_t count = n - i + 1;

        if (count >= (closed ? 2u : OPEN_DAY_PARTS) && bytes <= rest * (closed ? 8 : 1)) {
            from = i - 1;
        }
        rest += bytes;
    }
    return from;
}

/** One merge where it pays most. @return 1 merged, 0 nothing to do, error */
static int merge_next(struct tsdb *db, bool all, struct err *reterr)
{
    struct part **v = NULL;
    size_t n = 0;
    int rc = 0;
    bool found = false;

    if (parts_snapshot(db, INT64_MIN, INT64_MAX, &v, &n) < 0) {
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    for (size_t i = 0; i < n && !found;) {
        int64_t day = part_info(v[i])->day;
        size_t end = i;
        size_t from;

        while (end < n && part_info(v[end])->day == day) {
            end++;
        }
        from = i + pick(v + i, end - i,
                        clock_wall_ms() > (day + 1) * PART_DAY_MS + (int64_t)LATE_MS, all);
        if (from + 1 < end) {
            found = true;
            rc = merge_run(db, v + from, end - from, part_info(v[end - 1])->seq_hi, reterr);
        }
        i = end;
    }
    parts_release(v, n);
    return rc < 0 ? rc : found;
}

int merge_parts(struct tsdb *db, bool all, struct err *reterr)
{
    int merged = 0;
    int rc = 1;

    mutex_lock(&db->merge_lock);
    atomic_store_explicit(&db->merge_running, true, memory_order_relaxed);
    while (rc > 0 && !stopping(db)) {
        rc = merge_next(db, all, reterr);
        merged += rc > 0 ? 1 : 0;
    }
    if (rc == -ERR_CANCELED) {
        rc = 0;
    }
    if (rc < 0) {
        counter_add(db->stats.merge_errors, 1);
    }
    atomic_store_explicit(&db->merge_running, false, memory_order_relaxed);
    if (merged != 0) {
        malloc_trim(0); /* what a merge of a large day took stays with the arenas otherwise */
        atomic_store_explicit(&db->merge_last_ms, clock_wall_ms(), memory_order_relaxed);
        atomic_fetch_add_explicit(&db->merge_runs, (uint64_t)merged, memory_order_relaxed);
    }
    mutex_unlock(&db->merge_lock);
    return rc < 0 ? rc : merged;
}
