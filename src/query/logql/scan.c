/* SPDX-License-Identifier: Apache-2.0
 *
 * Log queries record by record, for those who want the records as they are stored and not streams of lines: search
 * pages with cursors, and live tail. Invariant: a hit's strings live until its callback returns or the next call.
 */
#include "base/alloc.h"
#include "query/logql/eval.h"

struct scan {
    struct plan plan;
    struct row *row;
    logql_hit_fn fn;
    void *arg;
    struct err *reterr;
};

static int no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_LIMIT, "a record needs more memory than a query may take");
}

static void hit_of(struct row *r, uint64_t id, struct str line, struct logql_hit *ret)
{
    *ret = (struct logql_hit){.record = r->record,
                              .id = id,
                              .line = r->line,
                              .rewritten = r->line.p != line.p || r->line.n != line.n,
                              .parsed = lq_row_labels(r, ROW_PARSED)};
}

static int take_row(void *arg, const struct log_record *record, uint64_t id)
{
    struct scan *s = arg;
    const struct stream *stream = lq_plan_stream(&s->plan, record->resource);
    struct logql_hit hit;
    struct str line;

    if (stream == NULL) {
        return no_memory(s->reterr);
    }
    if (!lq_plan_selects(&s->plan, stream, record)) {
        return 0;
    }
    lq_row_begin(s->row, record, stream);
    line = s->row->line;
    if (!s->plan.exact && !lq_pipeline_run(s->plan.pipe, s->row)) {
        return 0;
    }
    hit_of(s->row, id, line, &hit);
    return s->row->no_memory ? no_memory(s->reterr) : s->fn(s->arg, &hit);
}

int logql_scan(struct logql_query *q, const struct logql_ask *ask, int64_t before_ns,
               uint64_t before_id, logql_hit_fn fn, void *arg, struct scan_stats *ret_stats,
               struct err *reterr)
{
    const struct plan_needs needs = {.all = true, .line = true};
    struct scan s = {.fn = fn, .arg = arg, .reterr = reterr};
    struct columns_query query;
    int rc = lq_plan_make(&s.plan, q->root->pipe, ask, ask->start_ns, ask->end_ns, reterr);

    if (rc == 0 && !s.plan.nothing) {
        rc = lq_plan_query(&s.plan, &needs, ask, ask->start_ns, ask->end_ns, &query, reterr);
        query.oldest_first = ask->forward;
        s.row = lq_row_new(ask->limits.max_row_bytes);
        rc = rc < 0 ? rc
                    : columns_scan_logs(ask->logs, &query, before_ns, before_id, take_row, &s,
                                        ret_stats, reterr);
        lq_row_free(s.row);
    }
    lq_plan_done(&s.plan);
    return rc;
}

/* ---- live tail ---- */

/* The record's stream in the table that the query keeps between calls; NULL: it does not fit. */
static const struct stream *stream_of(struct row *r, const struct plan *p,
                                      const struct resource *resource)
{
    bool fresh;
    const struct stream *s = lq_streams_find(r->table, resource, &fresh);

    if (s == NULL) { /* too many streams for the table: begin anew */
        lq_streams_done(r->table);
        lq_streams_init(r->table, 64 << 20);
        s = lq_streams_find(r->table, resource, &fresh);
    }
    if (s != NULL && fresh) {
        struct stream *mine = (struct stream *)(uintptr_t)s;

        mine->selected = lq_plan_accepts(p, s->labels);
    }
    return s;
}

bool logql_match(struct logql_query *q, const struct log_record *record, struct logql_hit *ret)
{
    const struct plan p = {.pipe = q->root->pipe};
    struct row *r = q->tail_row;
    const struct stream *s;
    struct str line;

    if (r == NULL) {
        r = q->tail_row = lq_row_new(16 << 20);
        r->table = mem_xcalloc(1, sizeof(*r->table));
        lq_streams_init(r->table, 64 << 20);
    }
    s = stream_of(r, &p, record->resource);
    if (s == NULL || !lq_plan_selects(&p, s, record)) {
        return false;
    }
    lq_row_begin(r, record, s);
    line = r->line;
    if (!lq_pipeline_run(p.pipe, r)) {
        return false;
    }
    hit_of(r, 0, line, ret);
    return !r->no_memory;
}

bool logql_tail(struct logql_query *q, const struct log_record *record,
                struct logql_tail_entry *ret)
{
    struct logql_hit hit;

    if (!logql_match(q, record, &hit)) {
        return false;
    }
    *ret =
        (struct logql_tail_entry){lq_row_labels(q->tail_row, ROW_ALL), hit.line, record->time_ns};
    return !q->tail_row->no_memory;
}
