/* SPDX-License-Identifier: Apache-2.0
 *
 * From the store to whole traces: distinct trace ids newest first, fetched in batches that grow, so that a search
 * that finds soon reads little and one that looks at much reads each block once per batch.
 */
#include "query/traceql/plan.h"

enum {
    TRACE_MEMORY_MAX = 256 << 20,
    BATCH_MAX = 512,
    TRACES_MAX = 1 << 23, /* looked at by one query */
};

/* A trace is whole when its spans start within a day of the range: only those days' parts are asked. */
static const int64_t AROUND_NS = 86400ll * 1000000000;

struct walk {
    const struct traceql_source *src;
    const struct tql_need *need;
    struct trace_id batch[BATCH_MAX];
    size_t n;
    size_t max;
    size_t seen;
    bool stopped;
    struct tql_trace trace;
    tql_trace_fn fn;
    void *arg;
    struct traceql_stats *stats;
    struct err *err;
};

int tql_explain(int rc, struct err *reterr)
{
    if (rc < 0 && (reterr == NULL || reterr->code == 0)) {
        return rc == -ERR_LIMIT ? err_set(reterr, ERR_LIMIT,
                                          "the query needs more memory than one query may take")
                                : err_set(reterr, (enum err_code) - rc, "query: %s", err_text(rc));
    }
    return rc;
}

static void add_scan(struct scan_stats *to, const struct scan_stats *s)
{
    to->rows_scanned += s->rows_scanned;
    to->blocks_read += s->blocks_read;
    to->blocks_pruned += s->blocks_pruned;
    to->bytes_read += s->bytes_read;
}

struct columns_query tql_store_query(const struct traceql_source *src, const struct filter *filter,
                                     const struct tql_need *need)
{
    return (struct columns_query){
        .min_ns = src->min_ns,
        .max_ns = src->max_ns,
        .filter = filter,
        .cancel = src->cancel,
        .budget = src->budget,
        .need = need->all ? 0 : need->bits | COLUMNS_NEED_IDS,
        .attrs = need->all ? NULL : need->attrs,
        .attrs_n = need->all ? 0 : need->attrs_n,
    };
}

static int on_spans(void *arg, const struct columns_trace_spans *t)
{
    struct walk *w = arg;
    int rc = tql_trace_take(&w->trace, t->spans, t->n);

    w->stats->traces++;
    w->stats->spans += t->n;
    rc = rc < 0 ? rc : w->fn(w->arg, &w->trace);
    w->stopped = rc != 0;
    return rc;
}

/* @return 1 when fn stopped it */
static int fetch(struct walk *w)
{
    struct columns_query q = tql_store_query(w->src, NULL, w->need);
    struct scan_stats scan = {0};
    int rc;

    if (w->n == 0 || w->stopped) {
        return w->stopped;
    }
    q.min_ns = q.min_ns < INT64_MIN + AROUND_NS ? INT64_MIN : q.min_ns - AROUND_NS;
    q.max_ns = q.max_ns > INT64_MAX - AROUND_NS ? INT64_MAX : q.max_ns + AROUND_NS;
    rc = columns_traces(w->src->spans, &q, w->batch, w->n, on_spans, w, &scan, w->err);
    add_scan(&w->stats->scan, &scan);
    w->n = 0;
    w->max = 2 * w->max > BATCH_MAX ? BATCH_MAX : 2 * w->max;
    return rc < 0 ? rc : w->stopped;
}

static int on_id(void *arg, const struct trace_id *id, int64_t time_ns)
{
    struct walk *w = arg;

    (void)time_ns;
    if (w->seen++ == TRACES_MAX) {
        return err_set(w->err, ERR_LIMIT, "the query looks at more than %d traces", TRACES_MAX);
    }
    w->batch[w->n++] = *id;
    return w->n == w->max ? fetch(w) : 0;
}

int tql_each_trace(const struct traceql_source *src, const struct filter *filter,
                   const struct tql_need *need, size_t first_batch, tql_trace_fn fn, void *arg,
                   struct traceql_stats *stats, struct err *reterr)
{
    static const struct tql_need ids = {.bits = COLUMNS_NEED_IDS};
    struct columns_query q = tql_store_query(src, filter, &ids);
    struct walk *w = mem_try_calloc(1, sizeof(*w));
    struct scan_stats scan = {0};
    struct err why = {0};
    int rc;

    if (w == NULL) {
        return tql_explain(-ERR_NOMEM, reterr);
    }
    *w = (struct walk){.src = src,
                       .need = need,
                       .max = first_batch == 0          ? 1
                              : first_batch > BATCH_MAX ? BATCH_MAX
                                                        : first_batch,
                       .fn = fn,
                       .arg = arg,
                       .stats = stats,
                       .err = reterr != NULL ? reterr : &why};
    tql_trace_init(&w->trace, TRACE_MEMORY_MAX);
    rc = columns_trace_ids(src->spans, &q, on_id, w, &scan, w->err);
    rc = rc < 0 ? rc : fetch(w);
    add_scan(&stats->scan, &scan);
    tql_trace_done(&w->trace);
    mem_free(w);
    return tql_explain(rc < 0 ? rc : 0, reterr);
}
