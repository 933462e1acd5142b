/* SPDX-License-Identifier: Apache-2.0
 *
 * From the store to whole traces. The scan collects trace ids in batches that grow, each trace is then fetched
 * through the trace index and linked; a trace is looked at once, however many of its spans pass.
 */
#include "query/traceql/plan.h"

#include "base/hash.h"

enum {
    TRACE_MEMORY_MAX = 256 << 20,
    BATCH_MAX = 4096,
    SEEN_MAX = 1 << 23, /* distinct traces of one query */
};

/* Trace ids met so far: open addressing, a zero id is an empty slot. */
struct seen {
    struct trace_id *slots;
    size_t mask;
    size_t n;
};

struct walk {
    struct seen seen;
    struct trace_id *batch;
    size_t batch_n;
    size_t batch_max;
    int64_t before_ns; /* where the scan stopped */
    uint64_t before_id;
    bool more;
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

static size_t slot_of(const struct seen *s, const struct trace_id *id)
{
    size_t at = hash64(id->b, TRACE_ID_SIZE) & s->mask;

    while (!trace_id_is_zero(s->slots[at]) && memcmp(s->slots[at].b, id->b, TRACE_ID_SIZE) != 0) {
        at = (at + 1) & s->mask;
    }
    return at;
}

static int seen_grow(struct seen *s)
{
    size_t cap = s->slots != NULL ? 2 * (s->mask + 1) : 1024;
    struct seen bigger = {.mask = cap - 1, .n = s->n};

    if (cap > 2 * (size_t)SEEN_MAX) {
        return -ERR_LIMIT;
    }
    bigger.slots = mem_try_calloc(cap, sizeof(*bigger.slots));
    if (bigger.slots == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; s->slots != NULL && i <= s->mask; i++) {
        if (!trace_id_is_zero(s->slots[i])) {
            bigger.slots[slot_of(&bigger, &s->slots[i])] = s->slots[i];
        }
    }
    mem_free(s->slots);
    *s = bigger;
    return 0;
}

/* @return 1 when the id is new */
static int seen_add(struct seen *s, const struct trace_id *id)
{
    int rc = s->slots == NULL || 2 * s->n > s->mask ? seen_grow(s) : 0;
    size_t at;

    if (rc < 0 || trace_id_is_zero(*id)) {
        return rc;
    }
    at = slot_of(s, id);
    if (!trace_id_is_zero(s->slots[at])) {
        return 0;
    }
    s->slots[at] = *id;
    s->n++;
    return 1;
}

static int collect(void *arg, const struct span *row, uint64_t id)
{
    struct walk *w = arg;
    int rc = seen_add(&w->seen, &row->trace_id);

    if (rc < 0) {
        return rc;
    }
    w->before_ns = row->start_ns;
    w->before_id = id;
    if (rc == 1) {
        w->batch[w->batch_n++] = row->trace_id;
        if (w->batch_n == w->batch_max) {
            w->more = true;
            return 1;
        }
    }
    return 0;
}

static int add_span(void *arg, const struct span *row, uint64_t id)
{
    (void)id;
    return tql_trace_add(arg, row);
}

static int visit(const struct traceql_source *src, struct trace_id id, struct tql_trace *t,
                 tql_trace_fn fn, void *arg, struct traceql_stats *stats, struct err *reterr)
{
    int rc;

    tql_trace_reset(t);
    rc = columns_trace(src->spans, id, src->cancel, add_span, t, reterr);
    if (rc < 0 || t->n == 0) {
        return rc;
    }
    rc = tql_trace_link(t);
    stats->traces++;
    stats->spans += t->n;
    stats->bytes += t->arena.used;
    return rc < 0 ? rc : fn(arg, t);
}

static int walk(const struct traceql_source *src, const struct filter *filter, struct walk *w,
                struct tql_trace *t, tql_trace_fn fn, void *arg, struct traceql_stats *stats,
                struct err *reterr)
{
    const struct columns_query q = {src->min_ns, src->max_ns, filter, src->cancel, src->budget};

    for (;;) {
        struct scan_stats scan = {0};
        int rc;

        w->batch_n = 0;
        w->more = false;
        rc = columns_scan_spans(src->spans, &q, w->before_ns, w->before_id, collect, w, &scan,
                                reterr);
        stats->scan.rows_scanned += scan.rows_scanned;
        stats->scan.blocks_read += scan.blocks_read;
        stats->scan.blocks_pruned += scan.blocks_pruned;
        for (size_t i = 0; i < w->batch_n && rc == 0; i++) {
            rc = visit(src, w->batch[i], t, fn, arg, stats, reterr);
        }
        if (rc != 0 || !w->more) {
            return rc < 0 ? rc : 0;
        }
        w->batch_max = 2 * w->batch_max > BATCH_MAX ? BATCH_MAX : 2 * w->batch_max;
    }
}

int tql_each_trace(const struct traceql_source *src, const struct filter *filter,
                   size_t first_batch, tql_trace_fn fn, void *arg, struct traceql_stats *stats,
                   struct err *reterr)
{
    struct walk w = {.before_ns = INT64_MAX,
                     .batch_max = first_batch == 0          ? 1
                                  : first_batch > BATCH_MAX ? BATCH_MAX
                                                            : first_batch};
    struct tql_trace t;
    int rc = -ERR_NOMEM;

    w.batch = mem_try_calloc(BATCH_MAX, sizeof(*w.batch));
    tql_trace_init(&t, TRACE_MEMORY_MAX);
    if (w.batch != NULL) {
        rc = walk(src, filter, &w, &t, fn, arg, stats, reterr);
    }
    tql_trace_done(&t);
    mem_free(w.batch);
    mem_free(w.seen.slots);
    return tql_explain(rc, reterr);
}
