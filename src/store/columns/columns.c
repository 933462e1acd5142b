/* SPDX-License-Identifier: Apache-2.0
 *
 * Open, close, append, status. An append takes its ids and its generation in one step, so that every id of
 * a sealed generation is below every id of the next: that line is what tells a replay after a crash which
 * batches are already in parts.
 */
#include "store/columns/columns.h"

#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "io/vfs.h"
#include "store/columns/columns_internal.h"
#include "store/columns/part.h"

enum {
    WAL_BATCH = 1, /* record type: one row batch */
    DEFAULT_MEMORY = 64 << 20,
    DEFAULT_FLUSH_MS = 5 * 60 * 1000,
    DEFAULT_FUTURE_MS = 60 * 60 * 1000,
    DEFAULT_PARALLEL = 32768, /* rows */
};

static void stats_init(struct columns *c)
{
    struct stats *s = c->opts.stats;
    bool spans = c->opts.kind == COLUMNS_SPANS;
    struct columns_stats *st = &c->stats;
    char signal[64];

    snprintf(signal, sizeof(signal), "signal=\"%s\"", c->opts.name);
    st->appended = stats_counter(s, "bongsu_columns_rows_appended_total", signal,
                                 "Rows accepted and written to the WAL.");
    st->rejected[COLUMNS_REJECT_TOO_OLD] = stats_counter(
        s, "bongsu_columns_rows_rejected_total",
        spans ? "signal=\"traces\",reason=\"too_old\"" : "signal=\"logs\",reason=\"too_old\"",
        "Rows refused, by reason.");
    st->rejected[COLUMNS_REJECT_TOO_NEW] = stats_counter(
        s, "bongsu_columns_rows_rejected_total",
        spans ? "signal=\"traces\",reason=\"too_new\"" : "signal=\"logs\",reason=\"too_new\"",
        "Rows refused, by reason.");
    st->overload = stats_counter(s, "bongsu_columns_overload_total", signal,
                                 "Appends refused because memory was full.");
    st->flushes = stats_counter(s, "bongsu_columns_flushes_total", signal,
                                "Flushes of the in-memory part to disk.");
    st->flush_failures =
        stats_counter(s, "bongsu_columns_flush_failures_total", signal, "Flushes that failed.");
    st->merges = stats_counter(s, "bongsu_columns_merges_total", signal, "Merges of parts.");
    st->merged_rows =
        stats_counter(s, "bongsu_columns_merged_rows_total", signal, "Rows rewritten by merges.");
    st->written_bytes = stats_counter(s, "bongsu_columns_part_written_bytes_total", signal,
                                      "Bytes written into parts.");
    st->expired_parts = stats_counter(s, "bongsu_columns_parts_dropped_total", signal,
                                      "Parts dropped by retention or the size budget.");
    st->deleted =
        stats_counter(s, "bongsu_columns_rows_deleted_total", signal, "Rows deleted by filter.");
    st->scans = stats_counter(s, "bongsu_columns_queries_total", signal, "Queries run.");
    st->scanned_rows = stats_counter(s, "bongsu_columns_query_rows_scanned_total", signal,
                                     "Rows that queries looked at.");
    st->blocks_read = stats_counter(s, "bongsu_columns_query_blocks_read_total", signal,
                                    "Blocks that queries read.");
    st->blocks_pruned = stats_counter(s, "bongsu_columns_query_blocks_pruned_total", signal,
                                      "Blocks that queries could skip.");
    st->memory_bytes =
        stats_gauge(s, "bongsu_columns_memory_bytes", signal, "Rows in memory, not yet in a part.");
    st->disk_bytes =
        stats_gauge(s, "bongsu_columns_disk_bytes", signal, "Size of all parts on disk.");
    st->parts = stats_gauge(s, "bongsu_columns_parts", signal, "Parts on disk.");
    st->flush_time =
        stats_timing(s, "bongsu_columns_flush_duration_seconds", signal, "Time of a flush.");
    st->merge_time =
        stats_timing(s, "bongsu_columns_merge_duration_seconds", signal, "Time of a merge.");
}

/* A batch of the WAL goes back into memory unless it is in a part already. */
static int replay(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    struct columns *c = arg;
    struct batch_info info;
    struct err err = {0};
    int64_t charged;
    char *copy;
    int rc;

    if (type != WAL_BATCH) {
        return 0;
    }
    rc = rowcodec_info(payload, &info, &err);
    if (rc < 0) {
        log_error("columns", "row batch of the WAL cannot be read", L_INT("segment", pos.segment),
                  L_INT("offset", pos.offset), L_CSTR("error", err.msg));
        return rc == -ERR_CORRUPT ? 0 : rc;
    }
    if (info.kind != c->opts.kind || info.first_id < c->flushed_id) {
        return 0;
    }
    copy = mem_try_alloc(payload.n);
    if (copy == NULL || !vec_reserve(&c->active->chunks, 1)) {
        mem_free(copy);
        return -ERR_NOMEM;
    }
    memcpy(copy, payload.p, payload.n);
    /* Acknowledged rows are kept even when the budget is full; the next flush makes room. */
    charged = budget_take(c->opts.budget, (int64_t)payload.n) ? (int64_t)payload.n : 0;
    mem_gen_add(c->active, &info, str_of(copy, payload.n), charged);
    columns_memory_add(c, (int64_t)payload.n);
    if (info.first_id + info.rows_n > c->next_id) {
        c->next_id = info.first_id + info.rows_n;
    }
    return 0;
}

static int open_wal(struct columns *c, struct err *reterr)
{
    char dir[4096];
    struct wal_opts w = {.dir = dir,
                         .name = c->opts.name,
                         .sync = c->opts.wal_sync,
                         .vfs = c->opts.vfs,
                         .stats = c->opts.stats};

    if (snprintf(dir, sizeof(dir), "%s/wal", c->opts.dir) >= (int)sizeof(dir)) {
        return err_set(reterr, ERR_INVALID, "path of the data directory is too long");
    }
    return wal_open(&w, replay, c, &c->wal, reterr);
}

static struct columns *columns_new(const struct columns_opts *opts)
{
    struct columns *c = mem_xcalloc(1, sizeof(*c));

    c->opts = *opts;
    c->opts.dir = mem_xstrdup(opts->dir);
    c->opts.name = opts->name != NULL            ? opts->name
                   : opts->kind == COLUMNS_SPANS ? "traces"
                                                 : "logs";
    c->opts.vfs = opts->vfs != NULL ? opts->vfs : vfs_real();
    c->opts.memory_max_bytes =
        opts->memory_max_bytes != 0 ? opts->memory_max_bytes : DEFAULT_MEMORY;
    c->opts.parallel_rows = opts->parallel_rows != 0 ? opts->parallel_rows : DEFAULT_PARALLEL;
    c->opts.flush_interval_ms =
        opts->flush_interval_ms != 0 ? opts->flush_interval_ms : DEFAULT_FLUSH_MS;
    c->opts.future_ms = opts->future_ms != 0 ? opts->future_ms : DEFAULT_FUTURE_MS;
    c->next_id = 1;
    c->next_seq = 1;
    mutex_init(&c->maintenance, LOCK_RANK_STORE);
    mutex_init(&c->lock, LOCK_RANK_PARTS);
    mutex_init(&c->tail_lock, LOCK_RANK_LEAF);
    c->spares = trace_spares_new();
    cond_init(&c->appended);
    cond_init(&c->work);
    cond_init(&c->tail_idle);
    stats_init(c);
    return c;
}

static void columns_free(struct columns *c)
{
    wal_close(c->wal);
    for (size_t i = 0; i < c->parts.n; i++) {
        columns_part_unref(c->parts.v[i]);
    }
    for (size_t i = 0; i < c->sealed.n; i++) {
        mem_gen_unref(c->sealed.v[i]);
    }
    mem_gen_unref(c->active);
    vec_done(&c->parts);
    vec_done(&c->sealed);
    vec_done(&c->tails);
    cond_done(&c->appended);
    cond_done(&c->work);
    cond_done(&c->tail_idle);
    mutex_done(&c->maintenance);
    mutex_done(&c->lock);
    mutex_done(&c->tail_lock);
    trace_spares_free(c->spares);
    mem_free((void *)(uintptr_t)c->opts.dir);
    mem_free(c);
}

int columns_open(const struct columns_opts *opts, struct columns **ret, struct err *reterr)
{
    struct columns *c = columns_new(opts);
    int rc;

    c->active = mem_gen_new(c->opts.budget);
    if (c->active == NULL) {
        rc = err_set(reterr, ERR_NOMEM, "no memory to open %s", opts->dir);
        goto fail;
    }
    rc = vfs_mkdirs(c->opts.vfs, c->opts.dir, reterr);
    if (rc == 0) {
        rc = columns_load_parts(c, reterr);
    }
    if (rc == 0) {
        rc = open_wal(c, reterr);
    }
    if (rc < 0) {
        goto fail;
    }
    rc = thread_start(&c->background, c->opts.name, columns_background, c);
    if (rc < 0) {
        err_set(reterr, ERR_UNAVAILABLE, "no thread for the background work of %s", opts->dir);
        goto fail;
    }
    *ret = c;
    return 0;
fail:
    columns_free(c);
    return rc;
}

void columns_close(struct columns *c)
{
    struct err err = {0};

    if (c == NULL) {
        return;
    }
    mutex_lock(&c->lock);
    c->stop = true;
    cond_broadcast(&c->work);
    mutex_unlock(&c->lock);
    thread_join(&c->background);
    if (columns_flush(c, &err) < 0) { /* the WAL has it all */
        log_warn("columns", "rows stay in the WAL at shutdown", L_CSTR("dir", c->opts.dir),
                 L_CSTR("error", err.msg));
    }
    columns_free(c);
}

/* The window of row times that are taken now. */
static struct row_limits limits_now(const struct columns *c)
{
    int64_t now_ms = clock_wall_ms();
    struct row_limits l = {.min_ns = 0, .max_ns = (now_ms + c->opts.future_ms) * 1000000};

    if (c->opts.retention_ms != 0 && c->opts.retention_ms < now_ms) {
        l.min_ns = (now_ms - c->opts.retention_ms) * 1000000;
    }
    return l;
}

static int overload(struct columns *c, struct err *reterr)
{
    counter_add(c->stats.overload, 1);
    return err_set(reterr, ERR_OVERLOAD,
                   "%s in memory wait for the disk: the limit of %llu bytes is reached",
                   c->opts.kind == COLUMNS_SPANS ? "spans" : "log records",
                   (unsigned long long)c->opts.memory_max_bytes * 2);
}

/* Ids and a place in the active generation for a payload. */
static int append_begin(struct columns *c, char *payload, size_t bytes, uint32_t rows,
                        struct mem_gen **ret, struct err *reterr)
{
    struct mem_gen *g = NULL;
    bool room;
    bool reserved;

    if (!budget_take(c->opts.budget, (int64_t)bytes)) {
        return overload(c, reterr);
    }
    mutex_lock(&c->lock);
    g = c->active;
    room = c->memory_bytes + bytes <= c->opts.memory_max_bytes * 2 || c->memory_bytes == 0;
    reserved = room && vec_reserve(&g->chunks, g->inflight + 1);
    if (reserved) {
        g->inflight++;
        rowcodec_set_first_id(payload, c->next_id);
        c->next_id += rows;
        columns_memory_add(c, (int64_t)bytes);
        if (c->memory_bytes > c->opts.memory_max_bytes && !c->flush_wanted) {
            c->flush_wanted = true;
            cond_broadcast(&c->work);
        }
    }
    mutex_unlock(&c->lock);
    if (!reserved) {
        budget_give(c->opts.budget, (int64_t)bytes);
        return room ? err_set(reterr, ERR_NOMEM, "no memory for a batch") : overload(c, reterr);
    }
    *ret = g;
    return 0;
}

static void append_end(struct columns *c, struct mem_gen *g, struct str payload, bool written)
{
    struct batch_info info;

    mutex_lock(&c->lock);
    if (written && rowcodec_info(payload, &info, NULL) == 0) {
        mem_gen_add(g, &info, payload, (int64_t)payload.n);
    } else {
        columns_memory_add(c, -(int64_t)payload.n);
    }
    g->inflight--;
    cond_broadcast(&c->appended);
    mutex_unlock(&c->lock);
    if (!written) {
        budget_give(c->opts.budget, (int64_t)payload.n);
        mem_free((void *)(uintptr_t)payload.p);
    }
}

/* Write an encoded batch to the WAL, then make it visible. Consumes the buffer. */
static int append_batch(struct columns *c, struct buf *b, size_t rows, struct err *reterr)
{
    struct mem_gen *g = NULL;
    struct wal_pos pos;
    struct str payload;
    char *data;
    int rc;

    data = mem_try_realloc(b->data, b->n); /* no slack: it lives until the flush */
    if (data == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for a batch");
    }
    b->data = data;
    b->cap = b->n;
    rc = append_begin(c, b->data, b->n, (uint32_t)rows, &g, reterr);
    if (g == NULL) { /* given with 0 only */
        return rc;
    }
    payload = str_of(b->data, b->n);
    buf_init(b, 0); /* the generation owns the bytes now */
    rc = wal_append(c->wal, WAL_BATCH, &payload, 1, &pos, reterr);
    append_end(c, g, payload, rc == 0);
    return rc;
}

static void count_commit(struct columns *c, const struct columns_commit *commit)
{
    counter_add(c->stats.appended, commit->accepted);
    for (size_t i = 0; i < COLUMNS_REJECT_COUNT; i++) {
        if (commit->rejected[i] != 0) {
            counter_add(c->stats.rejected[i], commit->rejected[i]);
        }
    }
}

int columns_append_spans(struct columns *c, const struct span *spans, size_t n,
                         struct columns_commit *ret, struct err *reterr)
{
    struct columns_commit commit = {0};
    struct buf b;
    int rc;

    if (c->opts.kind != COLUMNS_SPANS) {
        return err_set(reterr, ERR_INVALID, "this store holds logs");
    }
    buf_init(&b, ROWCODEC_MAX);
    rc = rowcodec_encode_spans(spans, n, limits_now(c), &b, &commit, reterr);
    if (rc == 0 && commit.accepted != 0) {
        rc = append_batch(c, &b, commit.accepted, reterr);
    }
    buf_done(&b);
    if (rc == 0) {
        count_commit(c, &commit);
        *ret = commit;
    }
    return rc;
}

int columns_append_logs(struct columns *c, const struct log_record *logs, size_t n,
                        struct columns_commit *ret, struct err *reterr)
{
    struct columns_commit commit = {0};
    struct row_limits limits = limits_now(c);
    struct buf b;
    int rc;

    if (c->opts.kind != COLUMNS_LOGS) {
        return err_set(reterr, ERR_INVALID, "this store holds spans");
    }
    buf_init(&b, ROWCODEC_MAX);
    rc = rowcodec_encode_logs(logs, n, limits, &b, &commit, reterr);
    if (rc == 0 && commit.accepted != 0) {
        rc = append_batch(c, &b, commit.accepted, reterr);
    }
    buf_done(&b);
    if (rc == 0) {
        count_commit(c, &commit);
        tail_notify(c, logs, n, limits, &commit);
        *ret = commit;
    }
    return rc;
}

static void status_of_gen(const struct mem_gen *g, struct columns_status *s)
{
    s->memory_rows += g->rows;
    s->memory_bytes += g->bytes;
    for (size_t i = 0; i < g->chunks.n; i++) {
        const struct batch_info *b = &g->chunks.v[i].info;

        s->oldest_ns = b->min_ns < s->oldest_ns ? b->min_ns : s->oldest_ns;
        s->newest_ns = b->max_ns > s->newest_ns ? b->max_ns : s->newest_ns;
    }
}

void columns_status(struct columns *c, struct columns_status *ret)
{
    struct columns_status s = {.oldest_ns = INT64_MAX, .newest_ns = INT64_MIN};

    s.wal_bytes = wal_bytes(c->wal);
    mutex_lock(&c->lock);
    status_of_gen(c->active, &s);
    for (size_t i = 0; i < c->sealed.n; i++) {
        status_of_gen(c->sealed.v[i], &s);
    }
    s.rows = s.memory_rows;
    for (size_t i = 0; i < c->parts.n; i++) {
        const struct part *p = c->parts.v[i];

        s.rows += part_rows(p) - part_deleted_rows(p);
        s.disk_bytes += part_bytes(p);
        s.oldest_ns = part_min_ns(p) < s.oldest_ns ? part_min_ns(p) : s.oldest_ns;
        s.newest_ns = part_max_ns(p) > s.newest_ns ? part_max_ns(p) : s.newest_ns;
    }
    s.parts = c->parts.n;
    mutex_unlock(&c->lock);
    *ret = s;
}

size_t columns_days(struct columns *c, struct columns_day *dst, size_t cap)
{
    size_t n = 0;

    mutex_lock(&c->lock);
    for (size_t i = 0; cap != 0 && i < c->parts.n; i++) { /* in order of days */
        const struct part *p = c->parts.v[i];

        if (n == 0 || dst[n - 1].day != part_day(p)) {
            if (n == cap) {
                memmove(dst, dst + 1, (cap - 1) * sizeof(*dst));
                n--;
            }
            dst[n++] = (struct columns_day){.day = part_day(p)};
        }
        dst[n - 1].bytes += part_bytes(p);
        dst[n - 1].rows += part_rows(p) - part_deleted_rows(p);
    }
    mutex_unlock(&c->lock);
    return n;
}
