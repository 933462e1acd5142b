/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of the database: opening with replay of the log, the background thread, closing.
 */
#include "store/tsdb/tsdb.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/tsdb/label_cache.h"
#include "store/tsdb/limiter.h"
#include "store/tsdb/rollup_internal.h"
#include "store/tsdb/tombstones.h"
#include "store/tsdb/tsdb_internal.h"

static const int64_t DEFAULT_FUTURE_MS = 10 * 60 * 1000;
static const uint64_t DEFAULT_HEAD_BYTES = 256ull << 20;
static const int64_t DEFAULT_FLUSH_MS = 2 * 3600 * 1000;

static const uint64_t LOG_MAX_BYTES = 2ull << 30;
static const uint64_t LOG_IDLE_BYTES = 16ull << 20;

enum {
    BACKGROUND_MS = 1000,
    RETENTION_ROUND_MS = 10 * 1000,
    PAUSE_MS = 20 * 1000,
    PAUSE_SAMPLES =
        4000, /* in that time: what a server says of itself every 15 s is far below it, and
                           * a log that grows no faster reaches LOG_IDLE_BYTES about when it is flushed anyway */
};

static void register_stats(struct tsdb *db, struct stats *stats)
{
    static const char *const REASONS[TSDB_REJECT_COUNT] = {
        [TSDB_REJECT_TOO_OLD] = "reason=\"too_old\"",
        [TSDB_REJECT_TOO_NEW] = "reason=\"too_new\"",
        [TSDB_REJECT_GONE] = "reason=\"gone\"",
    };
    struct tsdb_stats *s = &db->stats;

    s->samples = stats_counter(stats, "bongsu_tsdb_samples_appended_total", "",
                               "Samples accepted into the head.");
    for (int i = 0; i < TSDB_REJECT_COUNT; i++) {
        s->rejected[i] = stats_counter(stats, "bongsu_tsdb_samples_rejected_total", REASONS[i],
                                       "Samples refused, by reason.");
    }
    s->created =
        stats_counter(stats, "bongsu_tsdb_series_created_total", "", "Series made in the head.");
    s->collected = stats_counter(stats, "bongsu_tsdb_series_collected_total", "",
                                 "Idle series removed from the head.");
    s->flushes = stats_counter(stats, "bongsu_tsdb_flushes_total", "", "Heads written to parts.");
    s->flush_errors =
        stats_counter(stats, "bongsu_tsdb_flush_errors_total", "", "Flushes that failed.");
    s->merges = stats_counter(stats, "bongsu_tsdb_merges_total", "", "Merges of parts.");
    s->merge_errors =
        stats_counter(stats, "bongsu_tsdb_merge_errors_total", "", "Merges that failed.");
    s->chunk_bytes = stats_counter(stats, "bongsu_tsdb_part_written_bytes_total", "",
                                   "Bytes of parts written by flushes and merges.");
    s->flush_time = stats_timing(stats, "bongsu_tsdb_flush_seconds", "", "Duration of flushes.");
    s->series = stats_gauge(stats, "bongsu_tsdb_series_active", "", "Series in the head.");
    s->head_samples = stats_gauge(stats, "bongsu_tsdb_head_samples", "", "Samples in the head.");
    s->head_bytes =
        stats_gauge(stats, "bongsu_tsdb_head_sample_bytes", "", "Memory of samples in the head.");
    s->parts = stats_gauge(stats, "bongsu_tsdb_parts", "", "Parts on disk.");
    s->part_bytes = stats_gauge(stats, "bongsu_tsdb_part_bytes", "", "Bytes of parts on disk.");
    s->stored_samples =
        stats_gauge(stats, "bongsu_tsdb_part_samples", "", "Samples in parts on disk.");
    s->merge_time = stats_timing(stats, "bongsu_tsdb_merge_seconds", "", "Duration of merges.");
}

/* ---- replay ---- */

struct replay {
    struct tsdb *db;
    struct keymap refs; /* reference in the log -> reference now */
    struct arena arena;
    uint64_t unknown; /* samples whose series the log does not define */
    struct err err;
};

static struct hash128 ref_key(uint64_t ref)
{
    return (struct hash128){hash_u64(ref), ref};
}

static int replay_series(void *arg, uint64_t ref, struct str labels)
{
    struct replay *r = arg;
    struct labels ls;
    struct series_ref now;
    int rc;

    arena_reset(&r->arena);
    rc = labels_decode(labels, &r->arena, &ls);
    if (rc < 0) {
        return rc;
    }
    rc = head_intern(&r->db->head, ls, hash128(labels.p, labels.n), true, 1, &now, &r->err);
    return rc < 0 ? rc : keymap_put(&r->refs, ref_key(ref), now.v);
}

static int replay_sample(void *arg, uint64_t ref, int64_t t_ms, double v)
{
    struct replay *r = arg;
    struct head *h = &r->db->head;
    struct series_ref now;
    struct shard *s;
    struct series *se;

    if (!keymap_get(&r->refs, ref_key(ref), &now.v)) {
        r->unknown++;
        return 0;
    }
    s = &h->shards[head_ref_shard(now)];
    se = head_series_locked(s, head_ref_number(now)); /* alone: nothing else runs yet */
    if (se == NULL) {
        r->unknown++;
        return 0;
    }
    atomic_fetch_add_explicit(&h->samples_n, 1, memory_order_relaxed);
    return head_append_locked(h, s, se, t_ms, v);
}

static int replay_record(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    static const struct record_ops ops = {replay_series, replay_sample};
    struct replay *r = arg;
    int rc;

    if (type == WAL_RUN) { /* begins to number series anew: no reference from before it is meant */
        keymap_done(&r->refs);
        return 0;
    }
    if (type == RECORD_METADATA) {
        rc = metadata_replay(r->db, payload);
        return rc == -ERR_CORRUPT || rc == -ERR_LIMIT ? 0 : rc;
    }
    if (type == RECORD_EXEMPLARS) {
        rc = exemplars_replay(r->db, payload);
        return rc == -ERR_CORRUPT ? 0 : rc;
    }
    if (type != RECORD_SAMPLES) {
        log_warn("tsdb", "unknown record in the log", L_INT("type", type),
                 L_INT("segment", pos.segment), L_INT("offset", pos.offset));
        return 0;
    }
    rc = record_decode(payload, &ops, r);
    if (rc == -ERR_CORRUPT) { /* its checksum was right: written wrong, do not stop the rest */
        log_error("tsdb", "malformed record in the log", L_INT("segment", pos.segment),
                  L_INT("offset", pos.offset));
        rc = 0;
    }
    if (rc == 0 &&
        atomic_load_explicit(&r->db->head.sample_bytes, memory_order_relaxed) > head_limit(r->db)) {
        rc = flush_head(r->db, &r->err); /* a long log does not need more memory than running did */
    }
    return rc;
}

static int open_wal(struct tsdb *db, struct stats *stats, struct err *reterr)
{
    char *dir = vfs_join(db->dir, "wal");
    const struct wal_opts opts = {
        .dir = dir, .name = "metrics", .sync = db->wal_sync, .vfs = db->vfs, .stats = stats};
    struct replay r = {.db = db};
    int rc;

    arena_init(&r.arena, 4 << 20);
    rc = wal_open(&opts, replay_record, &r, &db->wal, reterr);
    if (r.unknown != 0) {
        log_warn("tsdb", "samples of series the log does not define were left out",
                 L_INT("samples", r.unknown));
    }
    keymap_done(&r.refs);
    arena_done(&r.arena);
    mem_free(dir);
    return rc;
}

/* ---- background ---- */

enum {
    SERIES_BYTES_MIN = 256
}; /* of samples, when the head is written: a small buffer and as much in chunks */

uint64_t head_limit(const struct tsdb *db)
{
    uint64_t least =
        atomic_load_explicit(&db->head.series_n, memory_order_relaxed) * SERIES_BYTES_MIN;

    return least > db->head_max_bytes ? least : db->head_max_bytes;
}

void head_account(struct tsdb *db)
{
    int64_t used = (int64_t)atomic_load_explicit(&db->head.sample_bytes, memory_order_relaxed);
    int64_t taken = atomic_exchange_explicit(&db->budget_taken, used, memory_order_relaxed);

    if (used <= taken) {
        budget_give(db->budget, taken - used);
        atomic_store_explicit(&db->over_budget, false, memory_order_relaxed);
    } else if (!budget_take(db->budget, used - taken)) {
        atomic_fetch_sub_explicit(&db->budget_taken, used - taken, memory_order_relaxed);
        atomic_store_explicit(&db->over_budget, true, memory_order_relaxed);
    } else {
        atomic_store_explicit(&db->over_budget, false, memory_order_relaxed);
    }
}

static void set_gauges(struct tsdb *db)
{
    struct tsdb_stats *s = &db->stats;
    int64_t bytes = 0;
    int64_t samples = 0;

    gauge_set(s->series, (int64_t)atomic_load_explicit(&db->head.series_n, memory_order_relaxed));
    gauge_set(s->head_samples,
              (int64_t)atomic_load_explicit(&db->head.samples_n, memory_order_relaxed));
    gauge_set(s->head_bytes,
              (int64_t)atomic_load_explicit(&db->head.sample_bytes, memory_order_relaxed));
    rwlock_read(&db->parts_lock);
    for (size_t i = 0; i < db->parts.n; i++) {
        bytes += (int64_t)part_info(db->parts.v[i])->bytes;
        samples += (int64_t)part_info(db->parts.v[i])->samples_n;
    }
    gauge_set(s->parts, (int64_t)db->parts.n);
    rwlock_unlock(&db->parts_lock);
    gauge_set(s->part_bytes, bytes);
    gauge_set(s->stored_samples, samples);
}

bool ingest_paused(struct ingest_pause *p, uint64_t appended, struct mono now)
{
    if (appended - p->appended > PAUSE_SAMPLES) {
        *p = (struct ingest_pause){.appended = appended, .since = now};
    } else if (now.ns - p->since.ns >= PAUSE_MS * INT64_C(1000000)) {
        *p = (struct ingest_pause){.appended = appended, .since = now, .paused = true};
    }
    return p->paused;
}

/** Has the log grown so that a restart would take long, or has ingest paused with much in it? Parts take a
 * tenth of the log's space. */
static bool log_is_heavy(struct tsdb *db)
{
    uint64_t bytes = wal_bytes(db->wal);
    bool paused = ingest_paused(&db->pause, counter_get(db->stats.samples), clock_mono());

    return bytes > LOG_MAX_BYTES || (paused && bytes > LOG_IDLE_BYTES);
}

static void flush_when_due(struct tsdb *db, bool asked)
{
    bool timed = clock_mono().ns > db->next_flush.ns;
    uint64_t bytes = atomic_load_explicit(&db->head.sample_bytes, memory_order_relaxed);
    struct err e = {0};

    if (db->flush_failed && !timed) {
        return; /* not again at once: every attempt writes everything */
    }
    /* Who asked may have done so while the last flush ran, which made room meanwhile. */
    asked = asked && atomic_load_explicit(&db->over_budget, memory_order_relaxed);
    if (!asked && !timed && bytes < head_limit(db) && !log_is_heavy(db)) {
        return;
    }
    if (flush_head(db, &e) < 0) {
        static struct log_limit limit;
        int64_t suppressed;

        if (log_limit_pass(&limit, &suppressed)) {
            log_error("tsdb", "flush failed, will be tried again", L_CSTR("error", e.msg),
                      L_INT("suppressed", suppressed));
        }
        db->flush_failed = true;
        db->next_flush = mono_add_ms(clock_mono(), 10000);
        return;
    }
    db->flush_failed = false;
    db->next_flush = mono_add_ms(clock_mono(), db->flush_interval_ms);
}

/** Sleep until a second has passed, something is asked for or the database closes. @return false to end */
static bool sleep_locked(struct tsdb *db, bool *ret_asked)
{
    if (!db->closing && !db->want_flush) {
        (void)cond_wait_ms(&db->bg_wake, &db->bg_lock, BACKGROUND_MS);
    }
    *ret_asked = db->want_flush;
    return !db->closing;
}

static void flush_loop(void *arg)
{
    struct tsdb *db = arg;
    bool asked = false;

    mutex_lock(&db->bg_lock);
    while (sleep_locked(db, &asked)) {
        db->want_flush = false;
        mutex_unlock(&db->bg_lock);
        flush_when_due(db, asked);
        head_account(db);
        set_gauges(db);
        mutex_lock(&db->bg_lock);
    }
    mutex_unlock(&db->bg_lock);
}

static void merge_loop(void *arg)
{
    struct tsdb *db = arg;
    struct mono next_retention = clock_mono();

    mutex_lock(&db->bg_lock);
    while (!db->closing) {
        struct err e = {0};

        (void)cond_wait_ms(&db->merge_wake, &db->bg_lock, BACKGROUND_MS);
        mutex_unlock(&db->bg_lock);
        if (merge_parts(db, false, &e) < 0) {
            static struct log_limit limit;
            int64_t suppressed;

            if (log_limit_pass(&limit, &suppressed)) {
                log_error("tsdb", "merge failed, will be tried again", L_CSTR("error", e.msg),
                          L_INT("suppressed", suppressed));
            }
        }
        if (clock_mono().ns >= next_retention.ns) {
            rollups_retention(db, clock_wall_ms());
            next_retention = mono_add_ms(clock_mono(), RETENTION_ROUND_MS);
        }
        mutex_lock(&db->bg_lock);
    }
    mutex_unlock(&db->bg_lock);
}

static void stop_threads(struct tsdb *db)
{
    atomic_store_explicit(&db->stop, true, memory_order_relaxed);
    mutex_lock(&db->bg_lock);
    db->closing = true;
    cond_broadcast(&db->bg_wake);
    cond_broadcast(&db->merge_wake);
    mutex_unlock(&db->bg_lock);
    thread_join(&db->bg);
    thread_join(&db->merger);
    rollups_join(db);
}

/* ---- open and close ---- */

static struct tsdb *make(const struct tsdb_opts *opts)
{
    struct tsdb *db = mem_xcalloc(1, sizeof(*db));

    db->dir = mem_xstrdup(opts->dir);
    db->blocks_dir = vfs_join(opts->dir, "blocks");
    db->vfs = opts->vfs != NULL ? opts->vfs : vfs_real();
    db->budget = opts->budget;
    db->wal_sync = opts->wal_sync;
    db->retention_ms = opts->retention_ms;
    db->future_ms = opts->future_ms > 0 ? opts->future_ms : DEFAULT_FUTURE_MS;
    db->head_max_bytes = opts->head_max_bytes != 0 ? opts->head_max_bytes : DEFAULT_HEAD_BYTES;
    db->flush_interval_ms =
        opts->flush_interval_ms > 0 ? opts->flush_interval_ms : DEFAULT_FLUSH_MS;
    db->next_flush = mono_add_ms(clock_mono(), db->flush_interval_ms);
    db->next_seq = 1;
    atomic_init(&db->epoch, 1);
    head_init(&db->head, db->head_max_bytes / 2);
    db->head.limiter = limiter_new(opts->limits, opts->stats);
    doors_init(db);
    db->label_answers = label_cache_new();
    mutex_init(&db->epoch_gate, (enum lock_rank)(LOCK_RANK_STORE + 1));
    rwlock_init(&db->epoch_lock, (enum lock_rank)(LOCK_RANK_STORE + 2));
    mutex_init(&db->maint, LOCK_RANK_STORE);
    rwlock_init(&db->parts_lock, LOCK_RANK_PARTS);
    mutex_init(&db->bg_lock, LOCK_RANK_LEAF);
    cond_init(&db->bg_wake);
    cond_init(&db->merge_wake);
    mutex_init(&db->merge_lock, LOCK_RANK_STORE);
    db->epoch_started[1] = clock_mono();
    return db;
}

static void destroy(struct tsdb *db)
{
    budget_give(db->budget, atomic_load_explicit(&db->budget_taken, memory_order_relaxed));
    wal_close(db->wal);
    metadata_close(db);
    tombstones_close(db);
    exemplars_close(db);
    parts_done(db);
    rollups_close(db);
    head_done(&db->head);
    limiter_free(db->head.limiter);
    doors_done(db);
    label_cache_free(db->label_answers);
    rwlock_done(&db->epoch_lock);
    mutex_done(&db->epoch_gate);
    mutex_done(&db->maint);
    rwlock_done(&db->parts_lock);
    mutex_done(&db->bg_lock);
    cond_done(&db->bg_wake);
    cond_done(&db->merge_wake);
    mutex_done(&db->merge_lock);
    mem_free(db->dir);
    mem_free(db->blocks_dir);
    mem_free(db);
}

int tsdb_open(const struct tsdb_opts *opts, struct tsdb **ret, struct err *reterr)
{
    struct tsdb *db = make(opts);
    int rc = vfs_mkdirs(db->vfs, db->blocks_dir, reterr);

    register_stats(db, opts->stats);
    rc = rc == 0 ? parts_load(db, db->blocks_dir, &db->parts, reterr) : rc;
    rc = rc == 0 ? rollups_open(db, opts, reterr) : rc;
    rc = rc == 0 ? tombstones_open(db, reterr) : rc;
    rc = rc == 0 ? metadata_open(db, reterr) : rc;
    rc = rc == 0 ? exemplars_open(db, opts->max_exemplars, opts->stats, reterr) : rc;
    rc = rc == 0 ? open_wal(db, opts->stats, reterr) : rc;
    if (rc == 0) {
        db->pause.since = clock_mono();
        rc = thread_start(&db->bg, "tsdb-flush", flush_loop, db);
        rc = rc == 0 ? thread_start(&db->merger, "tsdb-merge", merge_loop, db) : rc;
        rc = rc == 0 ? rollups_start(db) : rc;
        if (rc < 0) {
            stop_threads(db);
            rc = err_set(reterr, ERR_UNAVAILABLE, "starting the background threads");
        }
    }
    if (rc < 0) {
        destroy(db);
        return rc;
    }
    *ret = db;
    return 0;
}

void tsdb_close(struct tsdb *db)
{
    struct err e = {0};

    if (db == NULL) {
        return;
    }
    stop_threads(db);
    if (flush_head(db, &e) < 0) {
        log_warn("tsdb", "the head stays in the log", L_CSTR("error", e.msg));
    }
    destroy(db);
}

void tsdb_close_unflushed(struct tsdb *db)
{
    if (db != NULL) {
        stop_threads(db);
        destroy(db);
    }
}

/* ---- series ---- */

int tsdb_intern(struct tsdb *db, struct labels labels, const struct hash128 *door_key,
                struct series_ref *ret, struct err *reterr)
{
    uint64_t before = atomic_load_explicit(&db->head.series_n, memory_order_relaxed);
    struct hash128 id;
    struct series_ref ref;
    int rc = labels_id(labels, &id);

    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "labels of a series");
    }
    rc = head_intern(&db->head, labels, id, false,
                     atomic_load_explicit(&db->epoch, memory_order_relaxed), &ref, reterr);
    if (rc < 0) {
        return rc;
    }
    if (atomic_load_explicit(&db->head.series_n, memory_order_relaxed) > before) {
        counter_add(db->stats.created, 1);
    }
    if (door_key != NULL && doors_put(db, *door_key, ref) < 0) {
        return err_set(reterr, ERR_NOMEM, "key of a series");
    }
    *ret = ref;
    return 0;
}

bool tsdb_series_labels(struct tsdb *db, struct series_ref ref, struct arena *a, struct labels *ret)
{
    struct shard *s = &db->head.shards[head_ref_shard(ref)];
    const struct series *se;
    bool ok = false;

    rwlock_read(&s->lock);
    se = head_series_locked(s, head_ref_number(ref));
    if (se != NULL) {
        struct label *v = arena_array(a, struct label, se->pairs_n != 0 ? se->pairs_n : 1);

        ok = v != NULL && labels_dup(head_labels_locked(s, se, v), a, ret) == 0;
    }
    rwlock_unlock(&s->lock);
    return ok;
}

int tsdb_flush(struct tsdb *db, struct err *reterr)
{
    return flush_head(db, reterr);
}

int tsdb_compact(struct tsdb *db, struct err *reterr)
{
    int rc = flush_head(db, reterr);

    rc = rc < 0 ? rc : merge_parts(db, true, reterr);
    return rc < 0 ? rc : 0;
}
