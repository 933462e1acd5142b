/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and closing the engines of one directory, and the maintenance thread that keeps the whole inside
 * its disk budget: the signal most above its share gives its oldest data, metrics their finest first.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "io/vfs.h"
#include "store/log_templates/log_templates.h"
#include "store/snapshots.h"
#include "store/storage.h"

static const int64_t ROUND_MS = 5000;
static const int64_t TRIM_BYTES = 16 << 20;
static const uint64_t DEFAULT_MIN_FREE = 512ull << 20;
static const int64_t DEFAULT_MEMORY = 512ll << 20;

enum {
    USAGE_KINDS = 7,
    COLUMNS_EACH = 2, /* engines of rows a signal has at most */
    STUCK_ROUNDS = 3, /* then raw metrics go although they could not be rolled up */
};

/* The gauges of bongsu_store_disk_bytes and where their value is. */
static const struct {
    const char *labels;
    size_t offset;
} USAGE[USAGE_KINDS] = {
    {"part=\"metrics\"", offsetof(struct store_usage, metrics_bytes)},
    {"part=\"traces\"", offsetof(struct store_usage, spans_bytes)},
    {"part=\"logs\"", offsetof(struct store_usage, logs_bytes)},
    {"part=\"transactions\"", offsetof(struct store_usage, transactions_bytes)},
    {"part=\"meta\"", offsetof(struct store_usage, meta_bytes)},
    {"part=\"wal\"", offsetof(struct store_usage, wal_bytes)},
    {"part=\"free\"", offsetof(struct store_usage, free_bytes)},
};

struct store {
    char *dir;
    int lock_fd; /* flock()ed file in dir; -1: none */
    struct budget memory;
    struct tsdb *metrics;
    struct columns *spans;
    struct columns *logs;
    struct columns *transactions;
    struct columns *tmap;
    struct meta *meta;
    struct log_templates *templates;
    uint64_t min_free_bytes;
    struct store_signal_limits signals[STORE_SIGNALS]; /* immutable after open */
    struct counter *dropped_bytes;
    struct gauge *disk_bytes[USAGE_KINDS]; /* order of USAGE */
    unsigned stuck; /* rounds that had to make room and could not; the maintenance thread's own */
    struct thread maintenance;
    struct mutex snapshot; /* held while one is made */
    struct mutex lock;
    struct cond wake;
    bool closing;             /* guarded by: lock */
    struct store_usage usage; /* guarded by: lock */
};

static int take_directory(struct store *s, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(s->dir, "lock");
    int rc = vfs_mkdirs(vfs_real(), s->dir, reterr);

    if (rc < 0) {
        return rc;
    }
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        return err_set_errno(reterr, errno, "cannot write to the data directory %s", s->dir);
    }
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return err_set(reterr, ERR_EXISTS, "another process uses the data directory %s", s->dir);
    }
    return 0;
}

static int open_metrics(struct store *s, const struct store_opts *o, struct err *reterr)
{
    char *dir CLEANUP(mem_free_ptr) = vfs_join(s->dir, "metrics");
    struct tsdb_opts t = {.dir = dir,
                          .wal_sync = o->wal_sync,
                          .retention_ms = s->signals[STORE_METRICS].retention_ms,
                          .rollups = o->rollups,
                          .rollup_quiet_ms = o->rollup_quiet_ms,
                          .max_exemplars = o->max_exemplars,
                          .stats = o->stats,
                          .budget = &s->memory};

    memcpy(t.limits, o->limits, sizeof(t.limits));
    memcpy(t.rollup_retention_ms, o->rollup_retention_ms, sizeof(t.rollup_retention_ms));
    return tsdb_open(&t, &s->metrics, reterr);
}

/* The engines of rows. */
static const struct {
    const char *dir;
    const char *name;
    enum columns_kind kind;
    enum store_signal signal;
    size_t at; /* in struct store */
} ROWS[] = {
    {"spans", "traces", COLUMNS_SPANS, STORE_TRACES, offsetof(struct store, spans)},
    {"logs", "logs", COLUMNS_LOGS, STORE_LOGS, offsetof(struct store, logs)},
    {"transactions", "transactions", COLUMNS_SPANS, STORE_TRANSACTIONS,
     offsetof(struct store, transactions)},
    {"tmap", "tmap", COLUMNS_LOGS, STORE_TRANSACTIONS, offsetof(struct store, tmap)},
};

static int open_rows(struct store *s, const struct store_opts *o, struct err *reterr)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        char *dir CLEANUP(mem_free_ptr) = vfs_join(s->dir, ROWS[i].dir);
        struct columns_opts c = {.kind = ROWS[i].kind,
                                 .dir = dir,
                                 .name = ROWS[i].name,
                                 .wal_sync = o->wal_sync,
                                 .retention_ms = s->signals[ROWS[i].signal].retention_ms,
                                 .stats = o->stats,
                                 .budget = &s->memory,
                                 .pool = o->pool};
        struct columns *opened;
        int rc = columns_open(&c, &opened, reterr);

        if (rc < 0) {
            return rc;
        }
        memcpy((char *)s + ROWS[i].at, &opened, sizeof(opened));
    }
    return 0;
}

/* Those of one signal. @return how many */
static size_t rows_of(const struct store *s, int signal, struct columns *dst[COLUMNS_EACH])
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        if ((int)ROWS[i].signal == signal) {
            memcpy(&dst[n++], (const char *)s + ROWS[i].at, sizeof(dst[0]));
        }
    }
    return n;
}

/* The engine of a signal whose oldest part is oldest. @return NULL: it has none */
static struct columns *oldest_of(const struct store *s, int signal, int64_t *ret_ns,
                                 uint64_t *ret_bytes)
{
    struct columns *each[COLUMNS_EACH];
    struct columns *oldest = NULL;
    size_t n = rows_of(s, signal, each);

    *ret_ns = INT64_MAX;
    *ret_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes;
        int64_t newest_ns = columns_oldest_part_ns(each[i], &bytes);

        if (newest_ns < *ret_ns) {
            oldest = each[i];
            *ret_ns = newest_ns;
            *ret_bytes = bytes;
        }
    }
    return oldest;
}

static int open_engines(struct store *s, const struct store_opts *o, struct err *reterr)
{
    char *meta CLEANUP(mem_free_ptr) = vfs_join(s->dir, "meta.sqlite");
    char *templates CLEANUP(mem_free_ptr) = vfs_join(s->dir, STORE_TEMPLATES_FILE);
    int rc = meta_open(meta, &s->meta, reterr);

    rc = rc < 0 ? rc
                : log_templates_open(&(struct log_templates_opts){.path = templates}, &s->templates,
                                     reterr);
    rc = rc < 0 ? rc : open_metrics(s, o, reterr);
    return rc < 0 ? rc : open_rows(s, o, reterr);
}

static uint64_t file_bytes(const char *dir, const char *name)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void measure(struct store *s, struct store_usage *u)
{
    uint64_t *const bytes_of[STORE_SIGNALS] = {&u->metrics_bytes, &u->spans_bytes, &u->logs_bytes,
                                               &u->transactions_bytes};

    tsdb_disk_usage(s->metrics, &u->metrics_bytes, &u->wal_bytes);
    for (int i = STORE_TRACES; i < STORE_SIGNALS; i++) {
        struct columns *each[COLUMNS_EACH];
        size_t n = rows_of(s, i, each);

        *bytes_of[i] = 0;
        for (size_t j = 0; j < n; j++) {
            struct columns_status st;

            columns_status(each[j], &st);
            *bytes_of[i] += st.disk_bytes;
            u->wal_bytes += st.wal_bytes;
        }
    }
    u->meta_bytes = file_bytes(s->dir, "meta.sqlite") + file_bytes(s->dir, "meta.sqlite-wal") +
                    file_bytes(s->dir, STORE_TEMPLATES_FILE);
    u->total_bytes = u->metrics_bytes + u->spans_bytes + u->logs_bytes + u->transactions_bytes +
                     u->meta_bytes + u->wal_bytes;
    u->free_bytes = vfs_free_bytes(s->dir);
    for (size_t i = 0; i < USAGE_KINDS; i++) {
        uint64_t bytes;

        memcpy(&bytes, (const char *)u + USAGE[i].offset, sizeof(bytes));
        gauge_set(s->disk_bytes[i], (int64_t)bytes);
    }
}

static double memory_used(void *arg)
{
    return (double)budget_used(arg);
}

static void make_stats(struct store *s, struct stats *stats)
{
    s->dropped_bytes = stats_counter(stats, "bongsu_store_dropped_bytes_total", "",
                                     "Bytes of oldest data dropped to stay inside the disk budget");
    for (size_t i = 0; i < USAGE_KINDS; i++) {
        s->disk_bytes[i] =
            stats_gauge(stats, "bongsu_store_disk_bytes", USAGE[i].labels,
                        "Bytes on disk by what they hold; free: left on the file system");
    }
}

/* Shares of the disk budget in percent. They only matter when the budget is reached: the signal that is most
 * above its share gives; what one does not use the others may. */
static const struct {
    const char *name;
    unsigned share;
} SIGNALS[STORE_SIGNALS] = {{"metrics", 50}, {"traces", 30}, {"logs", 20}, {"transactions", 10}};

uint64_t store_min_free(const struct store *s)
{
    return s->min_free_bytes;
}

/* What each signal would give next. */
struct offers {
    struct tsdb_shrink metrics;
    int64_t day[STORE_SIGNALS];
    uint64_t gives[STORE_SIGNALS]; /* bytes; 0: nothing */
    uint64_t has[STORE_SIGNALS];   /* bytes on disk */
};

static void ask_engines(struct store *s, struct offers *o)
{
    struct tsdb_tier tiers[TSDB_TIERS];

    *o = (struct offers){0};
    tsdb_tiers(s->metrics, tiers);
    for (int i = 0; i < TSDB_TIERS; i++) {
        o->has[STORE_METRICS] += tiers[i].bytes;
    }
    if (tsdb_shrink_next(s->metrics, &o->metrics)) {
        o->gives[STORE_METRICS] = o->metrics.bytes;
        o->day[STORE_METRICS] = o->metrics.day;
    }
    for (int i = STORE_TRACES; i < STORE_SIGNALS; i++) {
        struct columns *each[COLUMNS_EACH];
        size_t n = rows_of(s, i, each);
        int64_t newest_ns;

        for (size_t j = 0; j < n; j++) {
            struct columns_status st;

            columns_status(each[j], &st);
            o->has[i] += st.disk_bytes;
        }
        ignore_result(oldest_of(s, i, &newest_ns, &o->gives[i]), "the time and bytes say it");
        o->day[i] = newest_ns / 1000000 / 86400000;
    }
}

static uint64_t all_bytes(const struct offers *o)
{
    uint64_t sum = 0;

    for (int i = 0; i < STORE_SIGNALS; i++) {
        sum += o->has[i];
    }
    return sum;
}

/* The signal that is most above its share. Metrics of a day that still grows go only when metrics are above theirs,
 * or nothing else is left. @return -1: nothing is left */
static int choose_signal(const struct offers *o, const struct store_signal_limits *limits)
{
    uint64_t total = all_bytes(o);
    double most = 0;
    int chosen = -1;

    for (int i = 0; i < STORE_SIGNALS; i++) {
        double ratio = 100.0 * (double)o->has[i] / limits[i].share / (double)(total + 1);
        bool last_resort = i == STORE_METRICS && o->metrics.open_day && ratio <= 1;

        if (o->gives[i] != 0 && !last_resort && ratio > most) {
            most = ratio;
            chosen = i;
        }
    }
    return chosen < 0 && o->gives[STORE_METRICS] != 0 ? STORE_METRICS : chosen;
}

int store_signal_to_give(const uint64_t bytes[STORE_SIGNALS],
                         const struct store_signal_limits limits[STORE_SIGNALS])
{
    struct offers o = {0};

    memcpy(o.has, bytes, sizeof(o.has));
    memcpy(o.gives, bytes, sizeof(o.gives));
    return choose_signal(&o, limits);
}

void store_next_victim(struct store *s, struct storage_victim *ret)
{
    struct storage_victim v = {.tier = ""};
    struct tsdb_tier tiers[TSDB_TIERS];
    struct offers o;
    int which;

    ask_engines(s, &o);
    which = choose_signal(&o, s->signals);
    if (which >= 0) {
        uint64_t total = all_bytes(&o);

        tsdb_tiers(s->metrics, tiers);
        v.signal = SIGNALS[which].name;
        v.tier = which == STORE_METRICS ? tiers[o.metrics.tier].name : "";
        v.day = o.day[which];
        v.bytes = o.gives[which];
        snprintf(
            v.reason, sizeof(v.reason), "%s take %.0f %% of the data, their share is %u %%%s%s",
            v.signal, 100.0 * (double)o.has[which] / (double)(total + 1), s->signals[which].share,
            which == STORE_METRICS ? "; " : "", which == STORE_METRICS ? o.metrics.reason : "");
    }
    *ret = v;
}

/* Logs that are a large share are written out first; while that goes on, what a day that still grows would give is
 * next to nothing beside them. */
static bool logs_are_large(const struct store_usage *u)
{
    return u->wal_bytes > u->total_bytes / 4;
}

static bool closing(struct store *s)
{
    bool yes;

    mutex_lock(&s->lock);
    yes = s->closing;
    mutex_unlock(&s->lock);
    return yes;
}

static uint64_t signal_bytes(const struct store_usage *u, int signal)
{
    return signal == STORE_METRICS  ? u->metrics_bytes
           : signal == STORE_TRACES ? u->spans_bytes
           : signal == STORE_LOGS   ? u->logs_bytes
                                    : u->transactions_bytes;
}

/* @return bytes freed of the signal, 0 when it has nothing to give or it failed */
static uint64_t drop_of(struct store *s, const struct offers *o, int which, const char *why)
{
    struct err e = {0};
    struct tsdb_shrink shrunk = {0};
    uint64_t bytes = 0;
    int rc = 0;

    if (o->gives[which] == 0) {
        return 0;
    }
    if (which == STORE_METRICS) {
        bytes = tsdb_shrink(s->metrics, s->stuck >= STUCK_ROUNDS, &shrunk, &e);
        rc = bytes == 0 && e.code != 0 ? -1 : 0;
    } else {
        int64_t newest_ns;
        struct columns *oldest = oldest_of(s, which, &newest_ns, &bytes);

        rc = oldest != NULL ? columns_drop_oldest_part(oldest, &e) : 0;
        bytes = rc < 0 ? 0 : bytes;
    }
    if (rc < 0) {
        log_error("store", "making room failed, will be tried again", L_CSTR("error", e.msg));
        return 0;
    }
    log_info("store", why, L_CSTR("signal", SIGNALS[which].name), L_INT("bytes", bytes),
             L_INT("day", o->day[which]));
    counter_add(s->dropped_bytes, bytes);
    return bytes;
}

/* Most above its share gives first. @return bytes freed, 0 when nothing is left or it failed */
static uint64_t drop_something(struct store *s, const struct store_usage *u)
{
    struct offers o;
    int which;

    ask_engines(s, &o);
    which = choose_signal(&o, s->signals);
    if (which < 0) {
        return 0;
    }
    if (which == STORE_METRICS && o.metrics.open_day && logs_are_large(u) &&
        s->stuck < STUCK_ROUNDS) {
        return 0;
    }
    return drop_of(s, &o, which, "data dropped to stay inside the disk budget");
}

/* Signals above a limit of their own give, whatever the others have. */
static void enforce_signals(struct store *s, struct store_usage *u)
{
    for (int i = 0; i < STORE_SIGNALS; i++) {
        while (s->signals[i].max_bytes != 0 && signal_bytes(u, i) > s->signals[i].max_bytes &&
               !closing(s)) {
            struct offers o;

            ask_engines(s, &o);
            if (drop_of(s, &o, i, "data dropped to stay inside the limit of its signal") == 0) {
                break;
            }
            measure(s, u);
        }
    }
}

static bool over_budget(const struct store *s, const struct store_usage *u)
{
    return (u->budget_bytes != 0 && u->total_bytes > u->budget_bytes) ||
           u->free_bytes <
               s->min_free_bytes /* 0 when it is full, or unknown: the disk is in trouble */;
}

static void flush_engines(struct store *s)
{
    struct err e = {0};
    int rc = tsdb_flush(s->metrics, &e);

    for (int i = STORE_TRACES; rc == 0 && i < STORE_SIGNALS; i++) {
        struct columns *each[COLUMNS_EACH];
        size_t n = rows_of(s, i, each);

        for (size_t j = 0; rc == 0 && j < n; j++) {
            rc = columns_flush(each[j], &e);
        }
    }
    if (rc < 0) {
        log_error("store", "writing out the logs to stay inside the disk budget failed",
                  L_CSTR("error", e.msg));
    }
}

/* Logs cannot be dropped. Where they are a large share, their rows become parts first: smaller, and in line
 * by age with the parts there, which would all go for them otherwise. Looked at each time: making room may take long
 * (days are rolled up), and the logs grow meanwhile. */
static void enforce_budget(struct store *s, struct store_usage *u)
{
    while (over_budget(s, u) && !closing(s)) {
        if (logs_are_large(u)) {
            flush_engines(s);
            measure(s, u);
            if (!over_budget(s, u)) {
                return;
            }
        }
        /* Dropping what a snapshot holds would free nothing: all data would go for it. */
        if (u->free_bytes < s->min_free_bytes && snapshots_drop_oldest(s)) {
            measure(s, u);
            continue;
        }
        if (drop_something(s, u) == 0) {
            s->stuck++;
            return;
        }
        s->stuck = 0;
        measure(s, u);
    }
}

/* What flushes free stays with glibc's arenas, scattered, and the process keeps its peak size. Given back
 * when `*peak` bytes fell by TRIM_BYTES; a pass over the free lists, well below 10 ms. */
static void trim_memory(const struct store *s, int64_t *peak)
{
    int64_t used = budget_used(&s->memory);

    if (used > *peak) {
        *peak = used;
    } else if (*peak - used >= TRIM_BYTES) {
        malloc_trim(0);
        *peak = used;
    }
}

static void maintain(void *arg)
{
    struct store *s = arg;
    int64_t peak = 0;

    mutex_lock(&s->lock);
    while (!s->closing) {
        struct store_usage u = s->usage;

        mutex_unlock(&s->lock);
        measure(s, &u);
        enforce_signals(s, &u);
        enforce_budget(s, &u);
        trim_memory(s, &peak);
        mutex_lock(&s->lock);
        u.budget_bytes = s->usage.budget_bytes;
        s->usage = u;
        if (!s->closing) {
            cond_wait_ms(&s->wake, &s->lock, ROUND_MS);
        }
    }
    mutex_unlock(&s->lock);
}

static void set_signals(struct store *s, const struct store_opts *o)
{
    for (int i = 0; i < STORE_SIGNALS; i++) {
        struct store_signal_limits *l = &s->signals[i];

        *l = o->signals[i];
        l->retention_ms = l->retention_ms != 0 ? l->retention_ms : o->retention_ms;
        l->share = l->share != 0 ? l->share : SIGNALS[i].share;
        s->usage.signals[i] = *l;
    }
}

int store_open(const struct store_opts *opts, struct store **ret, struct err *reterr)
{
    struct store *s = mem_xcalloc(1, sizeof(*s));
    int rc;

    s->dir = mem_xstrdup(opts->dir);
    s->lock_fd = -1;
    s->min_free_bytes = opts->min_free_bytes != 0 ? opts->min_free_bytes : DEFAULT_MIN_FREE;
    s->usage.budget_bytes = opts->max_disk_bytes;
    s->usage.retention_ms = opts->retention_ms;
    set_signals(s, opts);
    budget_init(&s->memory, opts->max_memory_bytes != 0 ? opts->max_memory_bytes : DEFAULT_MEMORY,
                NULL);
    make_stats(s, opts->stats);
    mutex_init(&s->snapshot, LOCK_RANK_API);
    mutex_init(&s->lock, LOCK_RANK_STORE);
    cond_init(&s->wake);
    rc = take_directory(s, reterr);
    rc = rc < 0 ? rc : open_engines(s, opts, reterr);
    rc = rc < 0 ? rc : thread_start(&s->maintenance, "store", maintain, s);
    if (rc < 0) {
        store_close(s);
        return rc;
    }
    /* Only now: whoever reads the statistics must not meet a store that could not be opened. */
    stats_gauge_fn(opts->stats, "bongsu_memory_bytes", "subsystem=\"store\"",
                   "Memory taken from a budget, by subsystem", memory_used, &s->memory);
    *ret = s;
    return 0;
}

void store_close(struct store *s)
{
    if (s == NULL) {
        return;
    }
    mutex_lock(&s->lock);
    s->closing = true;
    cond_broadcast(&s->wake);
    mutex_unlock(&s->lock);
    if (s->metrics != NULL) { /* a roll-up the budget waits for */
        tsdb_cancel_background(s->metrics);
    }
    thread_join(&s->maintenance);
    tsdb_close(s->metrics);
    columns_close(s->spans);
    columns_close(s->logs);
    columns_close(s->transactions);
    columns_close(s->tmap);
    log_templates_close(s->templates);
    meta_close(s->meta);
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    cond_done(&s->wake);
    mutex_done(&s->lock);
    mutex_done(&s->snapshot);
    mem_free(s->dir);
    mem_free(s);
}

void store_snapshot_begin(struct store *s)
{
    mutex_lock(&s->snapshot);
}

void store_snapshot_end(struct store *s)
{
    mutex_unlock(&s->snapshot);
}

struct tsdb *store_metrics(struct store *s)
{
    return s->metrics;
}

struct columns *store_spans(struct store *s)
{
    return s->spans;
}

struct columns *store_logs(struct store *s)
{
    return s->logs;
}

struct columns *store_transactions(struct store *s)
{
    return s->transactions;
}

struct columns *store_tmap(struct store *s)
{
    return s->tmap;
}

struct meta *store_meta(struct store *s)
{
    return s->meta;
}

struct log_templates *store_log_templates(struct store *s)
{
    return s->templates;
}

const char *store_dir(const struct store *s)
{
    return s->dir;
}

const struct budget *store_memory(const struct store *s)
{
    return &s->memory;
}

void store_usage(struct store *s, struct store_usage *ret)
{
    mutex_lock(&s->lock);
    *ret = s->usage;
    mutex_unlock(&s->lock);
}

void store_set_limits(struct store *s, uint64_t max_disk_bytes)
{
    mutex_lock(&s->lock);
    s->usage.budget_bytes = max_disk_bytes;
    cond_broadcast(&s->wake);
    mutex_unlock(&s->lock);
}
