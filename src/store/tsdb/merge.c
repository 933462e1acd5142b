/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging the parts of a day. Only neighbours in flush order are merged, so that "the later arrival wins"
 * keeps holding between what is left.
 */
#include <malloc.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/tsdb/rollup_internal.h"

enum {
    OPEN_DAY_PARTS = 4,    /* merge at least so many while the day still grows */
    LATE_MS = 3600 * 1000, /* a day counts as closed this long after its end */
};

struct merge {
    struct part_writer *writer;
    uint64_t written; /* series */
};

static int add_series(void *arg, struct labels labels, const struct samples *s, struct err *reterr)
{
    struct merge *m = arg;

    if (s->n == 0) { /* all were deleted */
        return 0;
    }
    m->written++;
    return part_writer_add(m->writer, labels, s->t_ms, s->v, s->n, reterr);
}

static bool stopping(struct tsdb *db)
{
    return atomic_load_explicit(&db->stop, memory_order_relaxed);
}

static int write_merged(struct tsdb *db, struct part *const *parts, size_t n, const char *tmp,
                        struct part_info *info, uint64_t *ret_written, struct err *reterr)
{
    struct merge m = {0};
    int rc = vfs_remove_tree(db->vfs, tmp, reterr);

    rc = rc == 0 ? part_writer_new(db->vfs, tmp, info, &m.writer, reterr) : rc;
    rc = rc == 0 ? parts_walk(db, parts, n, &db->merge_permille, add_series, &m, reterr) : rc;
    if (rc == 0 && m.written != 0) {
        rc = part_writer_finish(m.writer, info, reterr);
    }
    if (rc < 0 && reterr != NULL) {
        err_prefix(reterr, "merging to %s", tmp);
    }
    part_writer_free(m.writer);
    *ret_written = m.written;
    return rc;
}

/** Merge parts[0, n) of one day, neighbours, to what counts as flushed by `seq_hi`. Under merge_lock. */
static int merge_run(struct tsdb *db, struct part *const *parts, size_t n, uint64_t seq_hi,
                     struct err *reterr)
{
    struct mono start = clock_mono();
    struct part_info info = {
        .day = part_info(parts[0])->day, .seq_lo = part_info(parts[0])->seq_lo, .seq_hi = seq_hi};
    struct part *merged = NULL;
    char *tmp = parts_path(db->blocks_dir, &info, ".tmp");
    uint64_t before = 0;
    uint64_t written = 0;
    int rc;

    for (size_t i = 0; i < n; i++) {
        before += part_info(parts[i])->bytes;
    }
    rc = write_merged(db, parts, n, tmp, &info, &written, reterr);
    if (rc == 0 && written != 0) { /* else everything was deleted */
        rc = parts_publish(db, db->blocks_dir, tmp, &info, &merged, reterr);
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
        if (from + 1 < end && !rollup_holds_raw(db, day)) {
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
