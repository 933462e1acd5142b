/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting stands before sampling, so that the numbers are those of all calls.
 */
#include "ingest/process/stage.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "ingest/process/program.h"
#include "ingest/process/sampler.h"
#include "ingest/process/span_metrics.h"

static const int64_t TICK_MS = 250;

enum { STATUS_NUMBERS = 5 };

/* One number of the sampler's status, for a statistic. */
struct status_number {
    struct sampler *sampler;
    size_t at; /* in struct sampler_status */
};

struct span_stage {
    struct span_stage_opts opts;
    struct sampler *sampler;
    struct span_metrics *metrics;
    struct counter *too_old, *too_new;
    struct status_number numbers[STATUS_NUMBERS];
    int64_t written_ms; /* of the thread */
    struct thread thread;
    struct mutex lock;
    struct cond wake;
    bool closing; /* guarded by: lock */
};

static int store(void *arg, const struct span *spans, size_t n, struct err *reterr)
{
    struct span_stage *s = arg;
    struct columns_commit done = {0};
    int rc = columns_append_spans(s->opts.spans, spans, n, &done, reterr);

    if (rc == 0) {
        counter_add(s->too_old, done.rejected[COLUMNS_REJECT_TOO_OLD]);
        counter_add(s->too_new, done.rejected[COLUMNS_REJECT_TOO_NEW]);
    }
    return rc;
}

static void write_metrics(struct span_stage *s)
{
    static struct log_limit limit;
    struct err e = {0};
    int64_t suppressed;

    if (span_metrics_write(s->metrics, s->opts.metrics, clock_wall_ms(), &e) < 0 &&
        log_limit_pass(&limit, &suppressed)) {
        log_warn("span_metrics", "counts of spans could not be stored", L_CSTR("error", e.msg),
                 L_INT("suppressed", suppressed));
    }
}

static void tick(struct span_stage *s)
{
    const struct program *p = process_take(s->opts.process);
    int64_t now_ms = clock_mono().ns / 1000000;

    sampler_tick(s->sampler, p, clock_mono().ns);
    if (p->span_metrics.on && now_ms - s->written_ms >= p->span_metrics.interval_ms) {
        s->written_ms = now_ms;
        write_metrics(s);
    }
    process_give(s->opts.process, p);
}

static void run(void *arg)
{
    struct span_stage *s = arg;

    mutex_lock(&s->lock);
    while (!s->closing) {
        mutex_unlock(&s->lock);
        tick(s);
        mutex_lock(&s->lock);
        if (!s->closing) {
            cond_wait_ms(&s->wake, &s->lock, TICK_MS);
        }
    }
    mutex_unlock(&s->lock);
}

/* ---- statistics ---- */

static const struct {
    const char *name, *labels, *help;
    size_t at; /* in struct sampler_status */
    bool counter;
} NUMBERS[STATUS_NUMBERS] = {
    {"bongsu_sampling_waiting_traces", "", "Traces that wait for the decision of tail sampling.",
     offsetof(struct sampler_status, traces), false},
    {"bongsu_sampling_waiting_bytes", "",
     "Memory of spans that wait for the decision of tail sampling.",
     offsetof(struct sampler_status, bytes), false},
    {"bongsu_sampling_spans_total", "decision=\"kept\"", "Spans that tail sampling decided about.",
     offsetof(struct sampler_status, kept_spans), true},
    {"bongsu_sampling_spans_total", "decision=\"dropped\"",
     "Spans that tail sampling decided about.", offsetof(struct sampler_status, dropped_spans),
     true},
    {"bongsu_sampling_early_traces_total", "",
     "Traces decided before their time because memory was full.",
     offsetof(struct sampler_status, early), true},
};

static double read_number(void *arg)
{
    const struct status_number *n = arg;
    struct sampler_status st;
    uint64_t v;

    sampler_status(n->sampler, &st);
    memcpy(&v, (const char *)&st + n->at, sizeof(v));
    return (double)v;
}

static void make_stats(struct span_stage *s)
{
    static const char REJECTED[] = "bongsu_sampling_rejected_spans_total";
    static const char REJECTED_HELP[] = "Spans the store refused when their trace was decided.";

    s->too_old = stats_counter(s->opts.stats, REJECTED, "reason=\"too_old\"", REJECTED_HELP);
    s->too_new = stats_counter(s->opts.stats, REJECTED, "reason=\"too_new\"", REJECTED_HELP);
    for (size_t i = 0; i < STATUS_NUMBERS; i++) {
        s->numbers[i] = (struct status_number){s->sampler, NUMBERS[i].at};
        (NUMBERS[i].counter ? stats_counter_fn : stats_gauge_fn)(s->opts.stats, NUMBERS[i].name,
                                                                 NUMBERS[i].labels, NUMBERS[i].help,
                                                                 read_number, &s->numbers[i]);
    }
}

int span_stage_new(const struct span_stage_opts *opts, struct span_stage **ret, struct err *reterr)
{
    struct span_stage *s = mem_xcalloc(1, sizeof(*s));
    const struct sampler_opts so = {.dir = opts->dir,
                                    .wal_sync = opts->wal_sync,
                                    .stats = opts->stats,
                                    .store = store,
                                    .store_arg = s};
    int rc;

    s->opts = *opts;
    s->metrics = span_metrics_new(opts->stats);
    mutex_init(&s->lock, LOCK_RANK_INGEST);
    cond_init(&s->wake);
    rc = sampler_open(&so, clock_mono().ns, &s->sampler, reterr);
    if (rc == 0) {
        make_stats(s);
        rc = thread_start(&s->thread, "sampling", run, s) < 0
                 ? err_set(reterr, ERR_UNAVAILABLE, "the thread of sampling could not be started")
                 : 0;
    }
    if (rc < 0) {
        span_stage_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void span_stage_free(struct span_stage *s)
{
    const struct program *p;

    if (s == NULL) {
        return;
    }
    mutex_lock(&s->lock);
    s->closing = true;
    cond_broadcast(&s->wake);
    mutex_unlock(&s->lock);
    thread_join(&s->thread);
    p = process_take(s->opts.process);
    sampler_close(s->sampler, p, clock_mono().ns);
    if (p->span_metrics.on && s->sampler != NULL) {
        write_metrics(s);
    }
    process_give(s->opts.process, p);
    span_metrics_free(s->metrics);
    cond_done(&s->wake);
    mutex_done(&s->lock);
    mem_free(s);
}

/** What went in, whether sampling keeps it or not. A refused request comes again, so it is not told of. */
static void tell(struct span_stage *s, const struct program *p, const struct span *spans, size_t n)
{
    int64_t now_ms = clock_wall_ms();

    if (p->span_metrics.on) {
        span_metrics_count(s->metrics, &p->span_metrics, spans, n, now_ms);
    }
    for (size_t i = 0; i < s->opts.watches_n; i++) {
        s->opts.watches[i].seen(s->opts.watches[i].arg, spans, n, now_ms);
    }
}

int span_stage_append(struct span_stage *s, struct span *spans, size_t n, struct arena *arena,
                      struct columns_commit *ret, struct err *reterr)
{
    const struct program *p;
    struct process_tally tally = {0};
    int rc = process_spans(s->opts.process, spans, &n, arena, &tally, reterr);

    if (rc < 0 || n == 0) {
        *ret = (struct columns_commit){0};
        process_settle(s->opts.process, &tally, rc == 0);
        return rc;
    }
    p = process_take(s->opts.process);
    if (p->sampling.on) {
        rc = sampler_add(s->sampler, p, spans, n, clock_mono().ns, reterr);
        *ret = (struct columns_commit){.accepted = rc == 0 ? n : 0};
    } else {
        rc = columns_append_spans(s->opts.spans, spans, n, ret, reterr);
    }
    if (rc == 0) {
        tell(s, p, spans, n);
    }
    process_settle(s->opts.process, &tally, rc == 0);
    process_give(s->opts.process, p);
    return rc;
}

void span_stage_status(struct span_stage *s, struct json_writer *w)
{
    struct sampler_status st;

    sampler_status(s->sampler, &st);
    json_object_begin(w);
    json_key(w, "waiting_traces");
    json_u64(w, st.traces);
    json_key(w, "waiting_bytes");
    json_u64(w, st.bytes);
    json_key(w, "kept_traces");
    json_u64(w, st.kept_traces);
    json_key(w, "dropped_traces");
    json_u64(w, st.dropped_traces);
    json_key(w, "kept_spans");
    json_u64(w, st.kept_spans);
    json_key(w, "dropped_spans");
    json_u64(w, st.dropped_spans);
    json_key(w, "late_spans");
    json_u64(w, st.late_spans);
    json_key(w, "early_traces");
    json_u64(w, st.early);
    json_key(w, "span_metric_label_sets");
    json_u64(w, span_metrics_series(s->metrics));
    json_object_end(w);
}
