/* SPDX-License-Identifier: Apache-2.0
 *
 * Log queries: the first entries that pass, in the order of the scan, gathered by the labels they end up with; and
 * the streams there are in a range.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "query/logql/eval.h"

struct chunk {
    struct logql_entry e;
    struct chunk *next;
};

struct out_stream {
    struct labels labels;
    uint64_t key;
    struct chunk *first, *last;
    size_t n;
};

struct gather {
    const struct logql_ask *ask;
    struct logql_result *r;
    struct plan plan;
    struct row *row;
    struct out_stream *v;
    size_t n, cap;
    size_t *slots;
    size_t slots_n;
    int64_t last_ns;
    bool any;
    struct err *reterr;
};

static int no_memory(struct gather *g)
{
    return err_set(
        g->reterr, ERR_LIMIT,
        "the query needs more than %zu bytes of memory; ask for fewer lines or a shorter "
        "time range",
        g->ask->limits.memory_bytes);
}

static bool grow(struct gather *g)
{
    struct arena *a = &g->r->arena;
    size_t cap = g->cap != 0 ? 2 * g->cap : 16;
    struct out_stream *v = arena_array(a, struct out_stream, cap);
    size_t *slots = arena_calloc(a, 4 * cap, sizeof(*slots));

    if (v == NULL || slots == NULL) {
        return false;
    }
    if (g->n != 0) {
        memcpy(v, g->v, g->n * sizeof(*v));
    }
    for (size_t i = 0; i < g->n; i++) {
        size_t at = v[i].key & (4 * cap - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (4 * cap - 1);
        }
        slots[at] = i + 1;
    }
    g->v = v;
    g->cap = cap;
    g->slots = slots;
    g->slots_n = 4 * cap;
    return true;
}

static struct out_stream *stream_of(struct gather *g, struct labels ls)
{
    uint64_t key = lq_labels_key(ls);
    struct out_stream *s;
    size_t at;

    if (g->n == g->cap && !grow(g)) {
        return NULL;
    }
    at = key & (g->slots_n - 1);
    while (g->slots[at] != 0) {
        s = &g->v[g->slots[at] - 1];
        if (s->key == key && labels_eq(s->labels, ls)) {
            return s;
        }
        at = (at + 1) & (g->slots_n - 1);
    }
    s = &g->v[g->n];
    *s = (struct out_stream){.key = key};
    if (labels_dup(ls, &g->r->arena, &s->labels) < 0) {
        return NULL;
    }
    g->slots[at] = ++g->n;
    return s;
}

static int add_entry(struct gather *g)
{
    struct arena *a = &g->r->arena;
    struct row *r = g->row;
    struct chunk *c = arena_calloc(a, 1, sizeof(*c));
    struct out_stream *s =
        stream_of(g, lq_row_labels(r, g->ask->categorize ? ROW_STREAM : ROW_ALL));

    if (c == NULL || s == NULL) {
        return no_memory(g);
    }
    c->e.t_ns = r->t_ns;
    c->e.line = arena_str_dup(a, r->line);
    if (c->e.line.p == NULL && r->line.n != 0) {
        return no_memory(g);
    }
    if (g->ask->categorize && (labels_dup(lq_row_labels(r, ROW_META), a, &c->e.metadata) < 0 ||
                               labels_dup(lq_row_labels(r, ROW_PARSED), a, &c->e.parsed) < 0)) {
        return no_memory(g);
    }
    if (s->last != NULL) {
        s->last->next = c;
    } else {
        s->first = c;
    }
    s->last = c;
    s->n++;
    g->r->stats.entries++;
    return 0;
}

/* At most one entry per interval, counted from the last one given. */
static bool too_soon(const struct gather *g, int64_t t_ns)
{
    int64_t gap = t_ns > g->last_ns ? t_ns - g->last_ns : g->last_ns - t_ns;

    return g->ask->interval_ns > 0 && g->any && gap < g->ask->interval_ns;
}

static int take_row(void *arg, const struct log_record *record, uint64_t id)
{
    struct gather *g = arg;
    struct logql_stats *stats = &g->r->stats;
    const struct stream *s = lq_plan_stream(&g->plan, record->resource);
    int rc;

    (void)id;
    if (s == NULL) {
        return no_memory(g);
    }
    if (!lq_plan_selects(&g->plan, s, record)) {
        return 0;
    }
    lq_row_begin(g->row, record, s);
    stats->lines++;
    stats->bytes += g->row->line.n;
    if (!g->plan.exact && !lq_pipeline_run(g->plan.pipe, g->row)) {
        return 0;
    }
    stats->after++;
    if (too_soon(g, record->time_ns)) {
        return 0;
    }
    rc = add_entry(g);
    if (rc == 0 && g->row->no_memory) {
        rc = no_memory(g);
    }
    g->last_ns = record->time_ns;
    g->any = true;
    return rc < 0 ? rc : stats->entries >= g->ask->limit;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct logql_stream *)a)->labels,
                      ((const struct logql_stream *)b)->labels);
}

static int finish(struct gather *g)
{
    struct logql_result *r = g->r;

    r->streams = arena_array(&r->arena, struct logql_stream, g->n + 1);
    if (r->streams == NULL) {
        return no_memory(g);
    }
    for (size_t i = 0; i < g->n; i++) {
        struct logql_stream *s = &r->streams[r->streams_n++];

        *s = (struct logql_stream){.labels = g->v[i].labels};
        s->v = arena_array(&r->arena, struct logql_entry, g->v[i].n);
        if (s->v == NULL) {
            return no_memory(g);
        }
        for (const struct chunk *c = g->v[i].first; c != NULL; c = c->next) {
            s->v[s->n++] = c->e;
        }
    }
    qsort(r->streams, r->streams_n, sizeof(*r->streams), by_labels);
    return 0;
}

int lq_run_logs(const struct logql_query *q, const struct logql_ask *ask, struct logql_result *r,
                struct err *reterr)
{
    const struct plan_needs needs = {.all = true, .line = true};
    struct gather g = {.ask = ask, .r = r, .reterr = reterr};
    struct scan_stats scan = {0};
    struct columns_query query;
    int rc = lq_plan_make(&g.plan, q->root->pipe, ask, ask->start_ns, ask->end_ns, reterr);

    if (rc == 0 && !g.plan.nothing && ask->limit != 0) {
        rc = lq_plan_query(&g.plan, &needs, ask, ask->start_ns, ask->end_ns, &query, reterr);
        query.oldest_first = ask->forward;
        g.row = lq_row_new(ask->limits.max_row_bytes);
        rc = rc < 0 ? rc
                    : columns_scan_logs(ask->logs, &query, ask->forward ? INT64_MIN : INT64_MAX,
                                        ask->forward ? 0 : UINT64_MAX, take_row, &g, &scan, reterr);
        lq_row_free(g.row);
        lq_stats_add(&r->stats, &scan);
    }
    rc = rc < 0 ? rc : finish(&g);
    lq_plan_done(&g.plan);
    return rc;
}

/* ---- streams ---- */

static int info_add(struct stream_table *t, const struct columns_stream *from, const struct plan *p,
                    struct logql_streams *ret)
{
    bool fresh;
    const struct stream *s = lq_streams_find(t, from->resource, &fresh);

    if (s == NULL) {
        return -ERR_LIMIT;
    }
    if (p != NULL && !lq_plan_accepts(p, s->labels)) {
        return 0;
    }
    ret->v[ret->n++] = (struct logql_stream_info){s->labels, from->rows, from->bytes};
    return 0;
}

static int info_by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct logql_stream_info *)a)->labels,
                      ((const struct logql_stream_info *)b)->labels);
}

/* Resources that differ only in odd characters of names are one stream. */
static void merge_infos(struct logql_streams *s)
{
    size_t kept = 0;

    qsort(s->v, s->n, sizeof(*s->v), info_by_labels);
    for (size_t i = 0; i < s->n; i++) {
        if (kept != 0 && labels_eq(s->v[kept - 1].labels, s->v[i].labels)) {
            s->v[kept - 1].rows += s->v[i].rows;
            s->v[kept - 1].bytes += s->v[i].bytes;
        } else {
            s->v[kept++] = s->v[i];
        }
    }
    s->n = kept;
}

int logql_streams(struct columns *logs, const struct logql_query *q, int64_t min_ns, int64_t max_ns,
                  struct cancel *cancel, struct arena *a, struct logql_streams *ret,
                  struct err *reterr)
{
    struct logql_ask ask = {.logs = logs, .cancel = cancel};
    struct columns_query query = {.min_ns = min_ns, .max_ns = max_ns, .cancel = cancel};
    struct columns_streams found = {0};
    struct stream_table table = {0};
    struct plan plan;
    int rc = 0;

    *ret = (struct logql_streams){0};
    logql_limits_default(&ask.limits);
    if (q != NULL) {
        rc = lq_plan_make(&plan, q->root->pipe, &ask, min_ns, max_ns, reterr);
        query.filter = plan.filter;
    }
    if (rc == 0 && !(q != NULL && plan.nothing)) {
        rc = columns_streams(logs, &query, a, &found, reterr);
    }
    if (rc == 0) {
        ret->v = arena_array(a, struct logql_stream_info, found.n + 1);
        rc = ret->v == NULL ? err_set(reterr, ERR_NOMEM, "out of memory") : 0;
    }
    lq_streams_init(&table, ask.limits.memory_bytes);
    for (size_t i = 0; rc == 0 && i < found.n; i++) {
        rc = info_add(&table, &found.v[i], q != NULL ? &plan : NULL, ret);
    }
    for (size_t i = 0; rc == 0 && i < ret->n; i++) {
        if (labels_dup(ret->v[i].labels, a, &ret->v[i].labels) < 0) {
            rc = err_set(reterr, ERR_NOMEM, "out of memory");
        }
    }
    if (rc == 0 && ret->n != 0) {
        merge_infos(ret);
    }
    lq_streams_done(&table);
    if (q != NULL) {
        lq_plan_done(&plan);
    }
    return rc;
}
