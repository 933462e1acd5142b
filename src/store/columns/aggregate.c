/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts over time and distinct values: rows are never made for parts, only the columns of the filter and
 * of the field are read.
 */
#include "base/err.h"
#include "store/columns/groups.h"
#include "store/columns/part.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum { CHECK_EVERY = 256, BUCKETS_MAX = 100000 };

struct aggregate {
    struct query qu;
    struct groups groups;
    const struct field *by; /* NULL: one group */
    bool skip_absent;
    int64_t step_ns; /* 0: one bucket */
    size_t buckets;
    size_t seen;
    struct err *reterr;
};

/* Index of the time's bucket; the last one may be cut by max_ns. */
static size_t bucket_of(const struct aggregate *g, int64_t time_ns)
{
    uint64_t since = (uint64_t)time_ns - (uint64_t)g->qu.q->min_ns;

    return g->step_ns != 0 ? (size_t)(since / (uint64_t)g->step_ns) : 0;
}

static int count_row(struct aggregate *g, const struct row_ref *row, int64_t time_ns)
{
    struct str text = STR("");
    uint32_t index;
    size_t bucket = bucket_of(g, time_ns);
    char hex[PRED_HEX_SIZE];
    struct value v;
    int rc;

    if (bucket >= g->buckets) {
        return 0;
    }
    if (g->by != NULL) {
        bool there = row_field(row, g->by, &v, hex);

        if (!there && g->skip_absent) {
            return 0;
        }
        text = there ? value_text(&v, &g->qu.text) : text;
        if (g->qu.text.failed) {
            return -ERR_NOMEM;
        }
    }
    rc = groups_find(&g->groups, text, &index);
    if (rc == 0) {
        groups_add(&g->groups, index, bucket, 1);
    }
    return rc;
}

static int count_chunk_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                           int64_t time_ns, uint64_t id)
{
    struct aggregate *g = arg;
    struct any_row any = {0};
    struct row_ref ref = any_row_ref(&any, g->qu.kind);
    int rc = 0;

    (void)at;
    (void)id;
    g->qu.stats.rows_scanned++;
    if (++g->seen % CHECK_EVERY == 0) {
        rc = cancel_check(g->qu.q->cancel);
    }
    if (rc == 0 && (g->by != NULL || g->qu.q->filter != NULL)) {
        arena_reset(&g->qu.row);
        rc = mem_row_decode(b, row, g->qu.kind, &g->qu.row, &any);
        if (rc == 0 && !filter_matches_row(g->qu.q->filter, &ref, &g->qu.text)) {
            return 0;
        }
    }
    return rc == 0 ? count_row(g, &ref, time_ns) : rc;
}

static int count_source(struct aggregate *g, const struct source *src)
{
    int rc = cancel_check(g->qu.q->cancel);

    if (rc == 0) {
        arena_reset(&g->qu.scratch);
        rc = mem_chunk_each(src->chunk, g->qu.q->min_ns, g->qu.q->max_ns, &g->qu.scratch,
                            count_chunk_row, g, g->reterr);
        g->qu.stats.blocks_read++;
    }
    if (rc == -ERR_NOMEM) {
        return query_no_memory(g->reterr);
    }
    return rc == -ERR_CANCELED || rc == -ERR_TIMEOUT
               ? err_set(g->reterr, (enum err_code) - rc, "aggregation stopped")
               : rc;
}

static int aggregate_run(struct aggregate *g, struct columns *c, const struct columns_query *q,
                         struct arena *a, struct columns_group **ret, size_t *ret_n,
                         struct scan_stats *ret_stats)
{
    int rc = query_begin(c, q, c->opts.kind, &g->qu, g->reterr);

    if (rc < 0) {
        return rc;
    }
    groups_init(&g->groups, a, g->buckets);
    for (size_t i = 0; i < g->qu.sources_n && rc == 0; i++) {
        rc = count_source(g, &g->qu.sources[i]);
    }
    if (rc == 0) {
        rc = groups_take(&g->groups, ret, ret_n);
        rc = rc < 0 ? query_no_memory(g->reterr) : 0;
    }
    groups_done(&g->groups);
    query_end(&g->qu, ret_stats);
    return rc;
}

int columns_histogram(struct columns *c, const struct columns_query *q, int64_t step_ns,
                      size_t buckets, const struct field *by, struct arena *a,
                      struct columns_group **ret, size_t *ret_n, struct scan_stats *ret_stats,
                      struct err *reterr)
{
    struct aggregate g = {.by = by, .step_ns = step_ns, .buckets = buckets, .reterr = reterr};

    if (step_ns <= 0 || buckets == 0 || buckets > BUCKETS_MAX) {
        return err_set(reterr, ERR_INVALID, "a histogram needs a step above 0 and 1 to %d buckets",
                       BUCKETS_MAX);
    }
    return aggregate_run(&g, c, q, a, ret, ret_n, ret_stats);
}

static int by_total(const void *pa, const void *pb)
{
    const struct columns_group *a = pa;
    const struct columns_group *b = pb;

    if (a->total != b->total) {
        return a->total > b->total ? -1 : 1;
    }
    return str_cmp(a->value, b->value);
}

int columns_values(struct columns *c, const struct columns_query *q, struct field by, size_t limit,
                   struct arena *a, struct columns_group **ret, size_t *ret_n, struct err *reterr)
{
    struct aggregate g = {.by = &by, .skip_absent = true, .buckets = 1, .reterr = reterr};
    struct columns_group *v;
    size_t n;
    int rc = aggregate_run(&g, c, q, a, &v, &n, NULL);

    if (rc < 0) {
        return rc;
    }
    qsort(v, n, sizeof(*v), by_total);
    *ret = v;
    *ret_n = n < limit ? n : limit;
    return 0;
}
