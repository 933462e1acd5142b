/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to stored transactions: the requests of a box (time x duration) as a table, as points, as cells where a
 * filter asks for what cells do not have, and what is different about a box. Everything comes in the caller's arena
 * and is bounded.
 */
#ifndef APM_TXN_QUERY_H
#define APM_TXN_QUERY_H

#include "apm/transactions.h"

struct txn_filter {
    const struct str *groups; /* any of them; none: all */
    size_t groups_n;
    int64_t min_ns, max_ns;           /* of the start; half open */
    int64_t min_took_ns, max_took_ns; /* half open; 0 and INT64_MAX: any */
    unsigned classes;                 /* set of 1 << enum tmap_class; 0: all */
    struct str instance;              /* empty: all */
    struct cancel *cancel;
    struct budget *budget;
};

/** A row; slices in the arena, empty when absent; numbers -1 when absent. */
struct txn_row {
    struct trace_id trace_id;
    struct span_id span_id;
    int64_t start_ns, took_ns;
    struct str operation, group, instance, version, class, method, path, client, user, exception;
    int64_t status, sql_n, sql_ns, call_n, call_ns, cpu_ns;
};

struct txn_list {
    struct txn_row *v;
    size_t n;
    uint64_t total[TMAP_CLASSES]; /* of all that pass, exact */
};

enum { TXN_LIST_MAX = 100000, TXN_POINTS_MAX = 50000, TXN_DIFFERS_MAX = 100 };

/** The first `limit` rows, newest first or, with `slowest`, longest first.
 * @return 0; -ERR_NOMEM, -ERR_CANCELED, -ERR_TIMEOUT, -ERR_CORRUPT */
NODISCARD int txn_list(struct columns *rows, const struct txn_filter *f, bool slowest, size_t limit,
                       struct arena *a, struct txn_list *ret, struct err *reterr);

struct txn_point {
    int64_t start_ns, took_ns;
    enum tmap_class class;
};

struct txn_points {
    struct txn_point *v; /* newest first */
    size_t n;
    uint64_t total; /* that pass */
    uint64_t every; /* each so many-th is given; 1: all */
};

NODISCARD int txn_points(struct columns *rows, const struct txn_filter *f, size_t limit,
                         struct arena *a, struct txn_points *ret, struct err *reterr);

/** As tmap_cells(), counted from the rows themselves. */
NODISCARD int txn_cells(struct columns *rows, const struct txn_filter *f, size_t columns,
                        unsigned shift, struct arena *a, struct tmap_cells *ret,
                        struct err *reterr);

/** A value more frequent inside than outside. */
struct txn_difference {
    const char *field; /* "operation", "instance", ... */
    struct str value;
    uint64_t inside, outside; /* rows with it */
    double g;                 /* log-likelihood ratio G^2 of the 2x2 table */
};

struct txn_differs {
    struct txn_difference *v; /* by g, falling; only those with g >= 6.63 (p < 0.01) */
    size_t n;
    uint64_t inside, outside; /* rows looked at */
    bool sampled;             /* there are more rows than that */
};

/** What values the rows of `box` have more often than those of `around` that are not in it. Looks at 60 000 rows each at
 * most, spread over the time. Source: T. Dunning, "Accurate Methods for the Statistics of Surprise and Coincidence",
 * Computational Linguistics 19(1), 1993. */
NODISCARD int txn_differs(struct columns *rows, const struct txn_filter *box,
                          const struct txn_filter *around, size_t limit, struct arena *a,
                          struct txn_differs *ret, struct err *reterr);

/** A filter for the engine. NULL: no memory. Internal to src/apm. */
struct columns_query txn_columns_query(const struct txn_filter *f, struct arena *a, bool *ret_ok);

#endif
