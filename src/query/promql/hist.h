/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms as values. A cell is a double; a histogram is a NaN with a tag and a number in its payload, which
 * the query's table resolves. So matrices, sorting, matching and copying know nothing of histograms, and a query that
 * met none pays one test. A NaN of that form that a client stored resolves at worst to a histogram of the same query.
 */
#ifndef QUERY_PROMQL_HIST_H
#define QUERY_PROMQL_HIST_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/budget.h"
#include "base/buf.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/samples.h"

struct eval;
struct call;
struct binary;
struct function;
struct grid;
struct mat;
struct node;
struct window;

enum {
    HIST_FIRST = 64, /* histograms of the table's first segment; each next one is twice as long */
    HIST_SEGMENTS = 24,
};

/** Histograms of a query by number. Written under `lock`, read without: segments never move. */
struct hist_table {
    pthread_mutex_t lock;
    atomic_bool any;                 /* relaxed: the query has met a histogram */
    _Atomic size_t n;                /* release after the entry was written */
    _Atomic int64_t billed;          /* relaxed; bytes taken from the query's budget */
    struct arena arena;              /* computed ones; guarded by: lock */
    VEC(struct native_samples) kept; /* read ones; guarded by: lock */
    const struct native_histogram **segments[HIST_SEGMENTS];
};

void hist_table_init(struct hist_table *t, size_t max_bytes);
void hist_table_done(struct hist_table *t, struct budget *mem);

#define HIST_TAG      0xfffcull
#define HIST_TAG_BITS 48

static inline bool cell_is_hist(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits >> HIST_TAG_BITS == HIST_TAG;
}

/** The histogram of a cell, NULL for a float. */
const struct native_histogram *hist_get(const struct eval *ev, double v);
/** A copy of `h` as a cell. Thread-safe. @return 0, -ERR_LIMIT, -ERR_NOMEM, without a text */
NODISCARD int hist_put(struct eval *ev, const struct native_histogram *h, double *ret);
/** Take over `ns` and merge its samples into `s` as cells. Thread-safe. @return 0, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int hist_adopt(struct eval *ev, struct native_samples *ns, struct samples *s);
/** Take over `ns`; cells[i] is its histogram i. Thread-safe. @return 0, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int hist_keep(struct eval *ev, struct native_samples *ns, double *cells);
/** The text of such an error. @return -ERR_x */
int hist_no_room(const struct eval *ev, int rc, struct err *e);
/** May a cell of this query be a histogram? */
bool hist_any(const struct eval *ev);
/** Remove cells with histograms: functions of floats do not see them. @return whether there were any */
bool hist_drop(const struct eval *ev, struct mat *m);
bool hist_has(const struct samples *s);
/** Has any point of a row a float? */
bool hist_row_has_floats(const struct eval *ev, const struct mat *m, size_t row);
/** Has any point of the matrix a histogram? */
bool hist_in(const struct eval *ev, const struct mat *m);

/* --- hist_window.c --- */

/** What the slow path of range functions needs for one chunk of rows. */
struct hist_scratch {
    struct samples floats;
    VEC(const struct native_histogram *) hists;
    VEC(int64_t) times;   /* of hists */
    VEC(uint32_t) places; /* of hists, in the series */
    /* Of each sample of the series against the one before: 0 not looked at, 1 no reset, 2 a reset. Windows overlap. */
    VEC(uint8_t) known;
    VEC(int64_t) resets;
    struct native_histogram sum, left, right;
};

/** Begin a series of n samples. @return 0, -ERR_NOMEM */
NODISCARD int hist_scratch_begin(struct hist_scratch *s, size_t n);
void hist_scratch_done(struct hist_scratch *s);

/** A range function over one series. `at` is its range argument. */
struct hist_call {
    struct eval *ev;
    const struct function *fn;
    const struct node *at;
    struct str metric;
};

/** The function over a window that may hold histograms.
 * @return 1: a value; 0: none; errors with their text in `e` */
NODISCARD int hist_window(const struct hist_call *c, const struct window *w,
                          struct hist_scratch *scratch, double *ret, struct err *e);

/* --- hist_columns.c --- */

struct hist_sizes {
    uint32_t negative, positive;
};

/** Rates of one series after the other. */
struct hist_columns {
    struct native_columns in;
    const struct function *fn;
    bool newest;
    VEC(struct native_histogram) out; /* without their buckets */
    VEC(struct hist_sizes) sizes;     /* of their buckets */
    VEC(struct native_bucket) buckets;
};

/** Does a function work on columns? */
bool hist_by_columns(const struct function *fn);
void hist_columns_begin(struct hist_columns *c, const struct function *fn, bool newest);
/** The function over samples [lo, hi) of `in`, whose window is `w`. @return 1: a value; 0: none; -ERR_NOMEM */
NODISCARD int hist_columns_step(struct hist_columns *c, const struct window *w, size_t lo,
                                size_t hi);
/** The values of all steps that had one as cells. @return 0, -ERR_NOMEM, -ERR_LIMIT, without a text */
NODISCARD int hist_columns_end(struct eval *ev, struct hist_columns *c, double *cells);
void hist_columns_done(struct hist_columns *c);

/* --- hist_binary.c --- */

/** An arithmetic or comparison of cells of which at least one is a histogram. `keep` is false where no sample comes
 * out. @return 0; 1 the operation is not defined for them: no sample either; or an error */
NODISCARD int hist_binary(struct eval *ev, const struct node *n, double l, double r, double *ret,
                          bool *keep);
/** -v of a histogram. */
NODISCARD int hist_negate(struct eval *ev, double *v);

/* --- hist_aggregate.c --- */

/** An incremental mean; left and right are scratch, `reconciled` as in native_add(). */
struct hist_mean {
    struct native_histogram *mean, *left, *right;
    bool *reconciled;
};

/** One step of it: `h` is number `count`. @return enum native_result, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int hist_mean_add(const struct hist_mean *m, const struct native_histogram *h,
                            double count);
/** Histograms whose custom bounds differ were brought together in an `addition`, `subtraction` or `aggregation`. */
void hist_note_reconciled(struct eval *ev, const struct node *at, const char *what);
/** Drop histograms from the input of an aggregation that takes floats only, with a note. */
bool hist_note_ignored(struct eval *ev, const struct node *n, struct mat *in);

/** Sum or average of groups where a row has histograms: sets cells and presence of `out`, one row a group. */
NODISCARD int hist_sum_avg(struct eval *ev, const struct node *n, const struct mat *in,
                           const uint32_t *group, size_t groups, struct mat *out);

/* --- hist_json.c --- */

/** The HTTP API's object: {"count":"1","sum":"2","buckets":[[0,"1","2","1"]]}. */
void hist_add_json(const struct native_histogram *h, struct buf *dst);
/** Upstream's text of a histogram: {count:1, sum:2, (1,2]:1}. */
void hist_add_text(const struct native_histogram *h, struct buf *dst);

#endif
