/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation, inside the module. Every expression becomes a matrix: series in rows, steps in columns, one
 * presence bit per cell. Work goes row by row over all steps, never step by step over the tree.
 * Invariant: cells without their bit hold no meaning; bits past the last step are 0.
 */
#ifndef QUERY_PROMQL_EVAL_H
#define QUERY_PROMQL_EVAL_H

#include "base/err.h"
#include "query/promql/ast.h"
#include "query/promql/hist.h"
#include "query/promql/notes.h"
#include "query/promql/promql.h"

/** The times an expression is evaluated at: start_ms + i * step_ms, i in [0, n). */
struct grid {
    int64_t start_ms;
    int64_t step_ms; /* > 0 */
    size_t n;        /* >= 1 */
};

static inline int64_t grid_at(const struct grid *g, size_t i)
{
    return g->start_ms + (int64_t)i * g->step_ms;
}

/** A matrix. Label arrays live in the query's arena or the selections; values in two blocks. */
struct mat {
    size_t steps;
    size_t words; /* 64-bit words of one row's presence bits */
    size_t n;     /* rows */
    struct labels *labels;
    double *v;     /* [n][steps] */
    uint64_t *has; /* [n][words] */
    int64_t bytes; /* taken from the query's budget */
    uint64_t held; /* samples counted against the query's limit */
};

static inline double *mat_row(const struct mat *m, size_t i)
{
    return m->v + i * m->steps;
}

static inline uint64_t *mat_bits(const struct mat *m, size_t i)
{
    return m->has + i * m->words;
}

static inline bool bit_get(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> (i % 64)) & 1;
}

static inline void bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= 1ull << (i % 64);
}

static inline void bit_clear(uint64_t *bits, size_t i)
{
    bits[i / 64] &= ~(1ull << (i % 64));
}

/* Run `body` for every step i with a point in `bits`. A macro because it is the innermost loop of most
 * queries: full words run without looking at bits. The body may clear the bit of its own step. */
#define EACH_STEP(bits, steps, body)                             \
    for (size_t w_ = 0; w_ * 64 < (steps); w_++) {               \
        uint64_t word_ = (bits)[w_];                             \
        if (word_ == ~0ull) {                                    \
            for (size_t i = w_ * 64; i < w_ * 64 + 64; i++) {    \
                body;                                            \
            }                                                    \
            continue;                                            \
        }                                                        \
        while (word_ != 0) {                                     \
            size_t i = w_ * 64 + (size_t)__builtin_ctzll(word_); \
            body;                                                \
            word_ &= word_ - 1;                                  \
        }                                                        \
    }

/** First step with a bit at or after `from`; `steps` when there is none. */
size_t bits_next(const uint64_t *bits, size_t from, size_t steps);
size_t bits_count(const uint64_t *bits, size_t words);
bool bits_any(const uint64_t *bits, size_t words);
void bits_fill(uint64_t *bits, size_t steps);

/** Everything one query holds. */
struct eval {
    const struct promql_opts *opts;
    bool left_open; /* 3.x: windows and lookback leave their left end out; 2.x: they include it */
    bool names_go_last; /* metrics' names are dropped when the query ends */
    bool type_unit;     /* __type__ and __unit__ go where names go */
    bool newest;        /* the latest 3.x, where 3.5 differs */
    int64_t lookback_ms;
    struct str query;
    struct notes notes;
    struct hist_table hists;
    struct series_source src;
    struct cancel *cancel;
    struct err *reterr;
    struct arena arena;  /* labels and tables; only the query's own thread allocates */
    size_t arena_billed; /* bytes of it taken from `mem` */
    struct budget mem;
    _Atomic uint64_t samples; /* held at this moment */
    _Atomic uint64_t samples_peak;
    _Atomic uint64_t samples_seen; /* looked at: a window's samples count at every step */
    _Atomic uint64_t *per_step;    /* the same at each step of `top`; NULL: not asked for */
    struct grid top;
    _Atomic uint64_t samples_read; /* decoded */
    uint64_t series_read;
    int64_t peak_bytes;
    int64_t select_ns;
    int64_t resolution_ms;                     /* of the coarsest roll-up that was read; 0: none */
    VEC(struct series_selection *) selections; /* label strings live in them */
};

/* --- eval.c --- */

/** Any scalar or vector expression; a scalar is one row without labels and with every bit. */
NODISCARD int eval_node(struct eval *ev, const struct node *n, const struct grid *g,
                        struct mat *ret);
NODISCARD int eval_alloc(struct eval *ev, struct mat *m, size_t rows, size_t steps);
void mat_done(struct eval *ev, struct mat *m);
/** Take bytes from the query's budget; given back with budget_give(&ev->mem, bytes). @return 0, -ERR_LIMIT,
 * -ERR_NOMEM */
NODISCARD int eval_take(struct eval *ev, int64_t bytes);
/** Would so many samples more go over the limit? Thread-safe. @return 0, -ERR_LIMIT */
NODISCARD int eval_room(const struct eval *ev, uint64_t samples);
/** Samples are held from now on, and let go of. Thread-safe. @return 0, -ERR_LIMIT: nothing is held */
NODISCARD int eval_hold(struct eval *ev, uint64_t samples);
void eval_release(struct eval *ev, uint64_t samples);
/** Count the points a matrix has now against the limit of samples, until mat_done(). @return 0, -ERR_LIMIT */
NODISCARD int mat_hold(struct eval *ev, struct mat *m);
/** Bill what the arena has grown. @return 0, -ERR_LIMIT */
NODISCARD int eval_bill_arena(struct eval *ev);
int eval_set_no_memory(struct eval *ev);

/** The query has no room for more. @return always an error: the limit already named, or -ERR_LIMIT */
static inline int eval_no_memory(struct eval *ev)
{
    int rc = eval_set_no_memory(ev);

    return rc < 0 ? rc : -ERR_LIMIT;
}

/** Cancelled or late? Sets the text upstream uses. */
NODISCARD int eval_check(struct eval *ev);

/* --- select.c --- */

/** What the cells of an instant selector hold. */
enum cells {
    CELLS_VALUES,
    CELLS_TIMES,  /* the sample's own time in seconds */
    CELLS_STARTS, /* when its counter began, in seconds; 0: not known */
};

/** Series of `s` at the steps of `g`, with the sample's own times and not their values. */
NODISCARD int eval_sample_times(struct eval *ev, const struct selector *s, const struct grid *g,
                                struct mat *ret);
/** Instant selector. */
NODISCARD int eval_vector(struct eval *ev, const struct node *n, const struct grid *g,
                          enum cells cells, struct mat *ret);
/** A range function over a range selector or subquery, argument `arg` of the call. */
NODISCARD int eval_window_call(struct eval *ev, const struct call *c, size_t arg,
                               const struct grid *g, struct mat *ret);

/** A range selector or subquery as the query's answer: raw points into the result. */
struct point_series {
    struct labels labels;
    struct samples samples; /* owned */
};

struct point_list {
    struct point_series *v;
    size_t n;
    int64_t bytes; /* taken from the query's budget */
    uint64_t held;
};

NODISCARD int eval_points(struct eval *ev, const struct node *n, int64_t t_ms,
                          struct point_list *ret);
void point_list_done(struct eval *ev, struct point_list *l);

/* --- extend.c --- */

/** A walk over one series with an `anchored` or `smoothed` selector. */
struct extended {
    const struct eval *ev;
    const struct grid *grid;
    struct when when;
    int64_t range_ms;
    enum extend extend;
    const struct function *fn; /* NULL: instant selector, smoothed */
};

/** Not every function can work with these. @return 0, -ERR_EXEC */
NODISCARD int extended_check(struct eval *ev, enum extend extend, const struct function *fn);
/** Fill one row; `s` without stale markers. @return 0, -ERR_NOMEM */
NODISCARD int extended_walk(const struct extended *x, const struct samples *s, double *v,
                            uint64_t *bits, struct err *reterr);

/* --- matrix.c --- */

uint64_t labels_hash(struct labels ls);
/** Keep only rows with at least one point. */
void mat_compact(struct mat *m);
/** Without what describes the metric; shares the array when that is the name, and first. @return 0, -ERR_LIMIT */
NODISCARD int labels_drop_name(struct eval *ev, struct labels ls, struct labels *ret);
/** The same, or with `names_go_last` only marked: such labels go with mat_drop_marked(). */
NODISCARD int labels_drop_name_later(struct eval *ev, struct labels ls, struct labels *ret);
/** Marks of the labels of `from` count for those of `to` with the same name. */
void labels_join_marks(struct labels from, struct label *to, size_t n);
/** For all rows, then mat_merge_same() when rows of different metrics may have become alike. */
NODISCARD int mat_drop_names(struct eval *ev, struct mat *m, bool strict);
/** What was marked goes: the last step of a query. */
NODISCARD int mat_drop_marked(struct eval *ev, struct mat *m);
/** Rows with equal labels become one. Two points at one step: -ERR_EXEC "vector cannot contain ...".
 * `strict`: two such rows are an error even when they never meet. */
NODISCARD int mat_merge_same(struct eval *ev, struct mat *m, bool strict);
/** Order rows by labels. @return 0, -ERR_NOMEM */
NODISCARD int mat_sort(struct eval *ev, struct mat *m);

/** Label sets seen, numbered from 0 in order of appearance. */
struct label_table {
    struct arena *arena;
    uint32_t *slots; /* index + 1; owned */
    size_t cap;
    struct labels *v; /* owned array; labels in the arena when copied */
    uint64_t *hashes;
    size_t n;
    size_t v_cap;
};

void label_table_done(struct label_table *t);
/** Index of `ls`, added (its array copied into the arena when `copy`) when new. @return index, or
 * -ERR_NOMEM */
NODISCARD int64_t label_table_add(struct label_table *t, struct labels ls, bool copy);
/** Index, or -1. */
int64_t label_table_find(const struct label_table *t, struct labels ls);

/** Labels whose name is (keep) or is not (!keep) in the sorted `names`, into `dst` [ls.n]; without
 * `keep` what describes the metric goes too unless `unnamed` is NULL. */
struct labels labels_pick(struct labels ls, const struct str *names, size_t n, bool keep,
                          const struct eval *unnamed, struct label *dst);
/** Set (or with an empty value delete) one label; new array in the arena. */
NODISCARD int labels_set(struct eval *ev, struct labels ls, struct str name, struct str value,
                         struct labels *ret);
/** As upstream prints label sets: {__name__="x", a="b"}. */
void labels_print(struct labels ls, struct buf *dst);
/** Longest label set among rows. */
size_t mat_max_labels(const struct mat *m);

/* --- quantile.c --- */

/** Linear interpolation between the ranks of `v`, NaN the least; changes the order of `v`. NaN for no values, infinite for q
 * outside [0, 1]. */
double quantile(double q, double *v, size_t n);

/* --- binary.c, aggregate.c, functions.c --- */

NODISCARD int eval_binary(struct eval *ev, const struct node *n, const struct grid *g,
                          struct mat *ret);
NODISCARD int eval_aggregate(struct eval *ev, const struct node *n, const struct grid *g,
                             struct mat *ret);
NODISCARD int eval_info(struct eval *ev, const struct call *c, const struct grid *g,
                        struct mat *ret);
NODISCARD int eval_call(struct eval *ev, const struct node *n, const struct grid *g,
                        struct mat *ret);

#endif
