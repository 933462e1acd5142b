/* SPDX-License-Identifier: Apache-2.0
 *
 * From the head to parts. A new epoch begins, everything the head holds is written to one part per day,
 * the parts are published, and only then the chunks and the old segments of the log go. A crash in
 * between replays samples a part already has: they join to the same answer.
 */
#include <malloc.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "codec/chunk.h"
#include "store/tsdb/head_internal.h"
#include "store/tsdb/tsdb_internal.h"

enum { TRIM_SERIES = 100000 };

struct day {
    int64_t day;
    char *tmp;
    struct part_writer *writer;
};

struct flush {
    struct tsdb *db;
    struct head_order order;
    VEC(struct day) days;
    VEC(struct chunk *) chunks; /* of the series at hand, pinned */
    struct samples samples;
    struct label labels[PART_MAX_LABELS]; /* of the series at hand; pairs stay under maint */
    uint32_t labels_n;
    struct err *reterr;
    uint64_t written;
};

static int begin_epoch(struct tsdb *db, uint64_t *ret_segment, struct err *reterr)
{
    int rc;

    mutex_lock(&db->epoch_gate);
    atomic_store_explicit(&db->epoch_wanted, true, memory_order_relaxed);
    rwlock_write(&db->epoch_lock);
    rc = wal_rotate(db->wal, ret_segment, reterr);
    if (rc == 0) {
        uint32_t e = 1 + atomic_fetch_add_explicit(&db->epoch, 1, memory_order_relaxed);

        db->epoch_started[e % EPOCHS_KEPT] = clock_mono();
    }
    rwlock_unlock(&db->epoch_lock);
    atomic_store_explicit(&db->epoch_wanted, false, memory_order_relaxed);
    mutex_unlock(&db->epoch_gate);
    return rc;
}

/** Everything the series holds now, sealed and pinned. */
static int pin(struct flush *f, struct series *se)
{
    struct shard *s = &f->db->head.shards[se->shard];
    int rc;

    vec_clear(&f->chunks);
    rwlock_write(&s->lock);
    f->labels_n = (uint32_t)head_labels_locked(s, se, f->labels).n;
    rc = head_seal_locked(&f->db->head, s, se);
    if (rc == 0 && !vec_reserve(&f->chunks, se->chunks_n)) {
        rc = -ERR_NOMEM;
    }
    if (rc == 0) {
        for (struct chunk *c = se->first; c != NULL; c = c->next) {
            chunk_ref(c);
            f->chunks.v[f->chunks.n++] = c;
        }
        se->flush_n = se->chunks_n;
    }
    rwlock_unlock(&s->lock);
    return rc;
}

static int decode(struct flush *f)
{
    int rc = 0;

    f->samples.n = 0;
    for (size_t i = 0; i < f->chunks.n; i++) {
        const struct chunk *c = f->chunks.v[i];
        size_t split = f->samples.n;

        rc = rc == 0 ? samples_room(&f->samples, c->n) : rc;
        if (rc == 0) {
            int n = chunk_decode(str_of(c->data, c->bytes), f->samples.t_ms + split,
                                 f->samples.v + split, c->n);

            rc = n < 0 ? n : 0;
            f->samples.n += n < 0 ? 0 : (size_t)n;
            rc = rc == 0 ? samples_join(&f->samples, split) : rc;
        }
        chunk_unref(f->chunks.v[i]);
    }
    vec_clear(&f->chunks);
    return rc;
}

static int writer_of(struct flush *f, int64_t day, struct part_writer **ret)
{
    struct tsdb *db = f->db;
    const struct part_info info = {.day = day, .seq_lo = db->next_seq, .seq_hi = db->next_seq};
    struct day d = {.day = day};
    int rc;

    for (size_t i = f->days.n; i > 0; i--) {
        if (f->days.v[i - 1].day == day) {
            *ret = f->days.v[i - 1].writer;
            return 0;
        }
    }
    if (!vec_reserve(&f->days, 1)) {
        return err_set(f->reterr, ERR_NOMEM, "flush");
    }
    d.tmp = parts_path(db->blocks_dir, &info, ".tmp");
    rc = vfs_remove_tree(db->vfs, d.tmp, f->reterr);
    rc = rc == 0 ? part_writer_new(db->vfs, d.tmp, &info, &d.writer, f->reterr) : rc;
    if (rc < 0) {
        mem_free(d.tmp);
        return rc;
    }
    f->days.v[f->days.n++] = d;
    *ret = d.writer;
    return 0;
}

static int write_series(struct flush *f)
{
    const struct samples *s = &f->samples;
    size_t from = 0;

    while (from < s->n) {
        int64_t day = day_of(s->t_ms[from]);
        size_t to = from + 1;
        struct part_writer *w = NULL;
        int rc = writer_of(f, day, &w);

        while (to < s->n && day_of(s->t_ms[to]) == day) {
            to++;
        }
        rc = rc == 0 ? part_writer_add(w, (struct labels){f->labels, f->labels_n}, s->t_ms + from,
                                       s->v + from, to - from, f->reterr)
                     : rc;
        if (rc < 0) {
            return rc;
        }
        from = to;
    }
    return 0;
}

static int write_all(struct flush *f)
{
    for (size_t i = 0; i < f->order.series.n; i++) {
        int rc = pin(f, f->order.series.v[i].se);

        rc = rc == 0 ? decode(f) : rc;
        if (rc < 0) {
            return err_set(f->reterr, (enum err_code) - rc, "flush: %s", err_text(rc));
        }
        rc = write_series(f);
        if (rc < 0) {
            return rc;
        }
        atomic_store_explicit(&f->db->flush_permille, (uint32_t)(i * 1000 / f->order.series.n),
                              memory_order_relaxed);
    }
    return 0;
}

static int publish(struct flush *f)
{
    for (size_t i = 0; i < f->days.n; i++) {
        struct day *d = &f->days.v[i];
        struct part_info info;
        struct part *p = NULL;
        int rc = part_writer_finish(d->writer, &info, f->reterr);

        rc = rc == 0 ? parts_publish(f->db, f->db->blocks_dir, d->tmp, &info, &p, f->reterr) : rc;
        if (rc == 0 && parts_replace(f->db, NULL, 0, p) < 0) {
            part_unref(p);
            rc = err_set(f->reterr, ERR_NOMEM, "list of parts");
        }
        if (rc < 0) {
            return rc;
        }
        f->written += info.bytes;
    }
    return 0;
}

static void drop_from_head(struct flush *f)
{
    for (size_t i = 0; i < f->order.series.n; i++) {
        struct series *se = f->order.series.v[i].se;
        struct shard *s = &f->db->head.shards[se->shard];

        rwlock_write(&s->lock);
        head_drop_flushed_locked(&f->db->head, se);
        rwlock_unlock(&s->lock);
    }
}

static void flush_done(struct flush *f)
{
    for (size_t i = 0; i < f->days.n; i++) {
        part_writer_free(f->days.v[i].writer);
        mem_free(f->days.v[i].tmp);
    }
    for (size_t i = 0; i < f->chunks.n; i++) {
        chunk_unref(f->chunks.v[i]);
    }
    vec_done(&f->days);
    vec_done(&f->chunks);
    vec_done(&f->order.series);
    samples_done(&f->samples);
}

/** Series without a sample for more than a flush interval leave the head. */
static void collect_idle(struct tsdb *db)
{
    uint32_t now = atomic_load_explicit(&db->epoch, memory_order_relaxed);
    size_t removed = 0;

    for (uint32_t e = now; e + EPOCHS_KEPT > now + 1 && e > 1; e--) {
        struct mono started = db->epoch_started[e % EPOCHS_KEPT];

        if (mono_since_ns(started) < db->flush_interval_ms * 1000000) {
            continue;
        }
        for (unsigned i = 0; i < HEAD_SHARDS; i++) { /* not seen since that epoch began */
            removed += head_collect(&db->head, i, e, NULL);
        }
        break;
    }
    if (removed != 0) {
        counter_add(db->stats.collected, removed);
        doors_sweep(db);
        log_debug("tsdb", "idle series left the head", L_INT("series", removed));
    }
}

static int run(struct flush *f, struct err *reterr)
{
    struct tsdb *db = f->db;
    const bool replaying =
        db->wal == NULL; /* the log stays; read again, its samples join to the same */
    uint64_t segment = 0;
    int rc = replaying ? 0 : begin_epoch(db, &segment, reterr);

    rc = rc == 0 && !replaying ? metadata_save(db, reterr) : rc;
    rc = rc == 0 && !replaying ? exemplars_save(db, reterr) : rc;
    if (rc < 0) {
        return rc;
    }
    rc = head_order(&db->head, &f->order);
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "flush: %s", err_text(rc));
    }
    rc = write_all(f);
    rc = rc == 0 ? publish(f) : rc;
    if (rc < 0) {
        db->next_seq++; /* days already published keep the number */
        return rc;
    }
    db->next_seq += f->days.n != 0 ? 1 : 0;
    drop_from_head(f);
    head_account(db);
    if (!replaying) {
        rc = wal_truncate(db->wal, segment, reterr);
        collect_idle(db);
    }
    return rc;
}

int flush_head(struct tsdb *db, struct err *reterr)
{
    struct flush *f = mem_xcalloc(1, sizeof(*f));
    struct mono start = clock_mono();
    struct err local = {0};
    bool many;
    int rc;

    f->db = db;
    f->reterr = reterr != NULL ? reterr : &local;
    mutex_lock(&db->maint);
    atomic_store_explicit(&db->flush_running, true, memory_order_relaxed);
    rc = run(f, f->reterr);
    if (rc == 0 && f->order.series.n != 0) {
        counter_add(db->stats.flushes, 1);
        counter_add(db->stats.chunk_bytes, f->written);
        timing_observe_ns(db->stats.flush_time, mono_since_ns(start));
        log_info("tsdb", "head written", L_INT("series", f->order.series.n),
                 L_INT("parts", f->days.n), L_INT("bytes", f->written),
                 L_INT("ms", mono_since_ns(start) / 1000000));
    } else if (rc < 0) {
        counter_add(db->stats.flush_errors, 1);
    }
    many = f->order.series.n > TRIM_SERIES;
    flush_done(f);
    if (many) {
        malloc_trim(0); /* what ordering and indexing so many took lies between what stays */
    }
    atomic_store_explicit(&db->flush_last_ms, clock_wall_ms(), memory_order_relaxed);
    atomic_fetch_add_explicit(&db->flush_runs, 1, memory_order_relaxed);
    atomic_store_explicit(&db->flush_running, false, memory_order_relaxed);
    mutex_unlock(&db->maint);
    mem_free(f);
    return rc;
}
