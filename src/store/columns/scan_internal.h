/* SPDX-License-Identifier: Apache-2.0
 *
 * One running query: its snapshot cut into sources (a batch in memory or a block of a part), and how a
 * source is filtered and its rows are made. Shared by scans, aggregation and trace lookup.
 */
#ifndef STORE_COLUMNS_SCAN_INTERNAL_H
#define STORE_COLUMNS_SCAN_INTERNAL_H

#include "store/columns/block.h"
#include "store/columns/columns_internal.h"
#include "store/columns/pred.h"

/** A row that passed the filter. */
struct hit {
    int64_t time_ns;
    uint64_t id;
    uint32_t row; /* place in the batch's payload, or index in the block */
};

struct source {
    int64_t min_ns;
    int64_t max_ns;
    const struct mem_chunk *chunk; /* one of the two */
    struct part *part;
    uint32_t part_at; /* of the part in the snapshot */
    uint32_t block;
    uint32_t row_bytes; /* average */
    bool all;           /* resources say that all rows pass (visit.c) */
    struct hit *hits;   /* owned, in the order of the scan; NULL until opened */
    size_t hits_n;
    size_t hits_cap;
    size_t at;
};

enum {
    QUERY_ARENA_MAX = 256 << 20, /* decoded columns of one block, rows of one page */
};

struct query {
    struct columns *c;
    const struct columns_query *q;
    enum columns_kind kind;
    struct snapshot snap;
    struct source *sources; /* newest or oldest first */
    size_t sources_n;
    uint8_t *
        *decided; /* per part of the snapshot, per resource: 1 + enum decision; NULL: none yet */
    struct arena scratch; /* of the source at hand */
    struct arena row;     /* of the row at hand */
    struct block_tools tools;
    int64_t charged_bytes; /* taken from q->budget */
    int64_t arena_bytes;   /* of these: for the arenas */
    size_t at;             /* index of the source that is visited */
    struct scan_stats stats;
    uint64_t unloaded_bytes; /* of stats.bytes_read: whose pages were given back */
};

/** Snapshot and sources in [q->min_ns, q->max_ns). @return 0, -ERR_NOMEM */
NODISCARD int query_begin(struct columns *c, const struct columns_query *q, enum columns_kind kind,
                          struct query *ret, struct err *reterr);
/** Frees everything, adds to the engine's statistics, writes `ret_stats` (may be NULL). */
void query_end(struct query *qu, struct scan_stats *ret_stats);

/** For another thread that works on the same query: sources and parts are shared, memory, budget and statistics
 * are its own until query_join() adds them to the query's. */
void query_fork(const struct query *qu, struct query *ret);
void query_join(struct query *qu, struct query *forked);

/** Between two sources: give the pages of the parts back when much was read of them. */
void query_unload(struct query *qu);

/** What can be said of the query's filter for all rows of a block that is not open. */
enum decision { DECISION_SOME, DECISION_ALL, DECISION_NONE };

/** decide.c. Uses qu->scratch. @return 0, -ERR_NOMEM, -ERR_CORRUPT */
NODISCARD int query_decide(struct query *qu, const struct source *src, enum decision *ret,
                           struct err *reterr);

/** What of the rows is to be made. */
static inline struct rows_need query_need(const struct columns_query *q)
{
    return (struct rows_need){
        .fields = q->need != 0 ? q->need : ~0u, .attrs = q->attrs, .attrs_n = q->attrs_n};
}

/** Id of the one trace that every passing row must belong to. @return false when there is no such */
bool filter_one_trace(const struct filter *f, struct trace_id *ret);
/** Take memory from the query's budget. @return false when there is none */
NODISCARD bool query_charge(struct query *qu, int64_t bytes);
/** Bring what was taken from the budget in line with what the arenas hold (and `other_bytes`). To be called
 * after each source, so that a query is over its budget by at most one source.
 * @return false when the budget has no more */
NODISCARD bool query_account(struct query *qu, size_t other_bytes);
void query_discharge(struct query *qu, int64_t bytes);
/** -ERR_NOMEM with a message that names the budget. */
int query_no_memory(struct err *reterr);

/** Who counts rows (visit.c). */
struct row_visitor {
    void *arg;
    mem_row_fn row; /* a row in memory within the query's times; the filter is still to be asked */
    /** The rows of a block that pass. @return 0 to go on, an error */
    int (*block)(void *arg, const struct source *src, struct block *b, const uint64_t *bits);
    /** May be NULL. Asked of a block all rows of which pass the filter: is it counted without opening it? Then with
     * *ret_rc. Asked before anything else is visited. */
    bool (*whole)(void *arg, const struct source *src, int *ret_rc);
    /** Another one that counts by itself in another thread, with the forked query; NULL: there is one thread only.
     * Its errors go to `reterr`. @return 0, -ERR_NOMEM */
    int (*fork)(void *arg, struct query *qu, struct row_visitor *ret, struct err *reterr);
    /** Add what a forked one counted (unless `drop`) and free it. @return 0, -ERR_NOMEM */
    int (*join)(void *arg, struct row_visitor *forked, bool drop);
    const struct arena *answer; /* grows while rows are counted */
    const char *what;           /* for the error of a stop: "aggregation" */
};

/** Every source of the query; on several threads where there are many rows, the visitor can be forked and the store
 * has a pool. Each thread visits rising sources (qu->at). @return 0, an error with its message in `reterr` */
NODISCARD int query_visit(struct query *qu, const struct row_visitor *v, struct err *reterr);

/** The row in model form (one of span, log is set), in `a`. */
struct any_row {
    struct span span;
    struct log_record log;
};

NODISCARD int mem_row_decode(const struct batch *b, struct str row, enum columns_kind kind,
                             struct arena *a, struct any_row *ret);

static inline struct row_ref any_row_ref(const struct any_row *r, enum columns_kind kind)
{
    return kind == COLUMNS_SPANS ? (struct row_ref){.span = &r->span}
                                 : (struct row_ref){.log = &r->log};
}

#endif
