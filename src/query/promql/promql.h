/* SPDX-License-Identifier: Apache-2.0
 *
 * PromQL: parse, check and evaluate an expression over a series source, answer for answer as Prometheus
 * does. Source: Prometheus 3.x documentation, querying/{basics,operators,functions}, feature_flags.
 */
#ifndef QUERY_PROMQL_PROMQL_H
#define QUERY_PROMQL_PROMQL_H

#include "base/thread.h"
#include "store/series_source.h"

/** Whose rules: 3.x leaves the left end out of ranges and lookback and knows UTF-8 names; 2.x is 2.42. 3.5 is the
 * long-term release, which does not yet reconcile custom buckets nor keep rates of histograms above zero. */
enum promql_compat { PROMQL_COMPAT_3, PROMQL_COMPAT_2, PROMQL_COMPAT_3_5 };

/** What upstream keeps behind feature flags. */
enum promql_feature {
    PROMQL_EXPERIMENTAL_FUNCTIONS = 1u << 0, /* and the aggregations limitk, limit_ratio */
    PROMQL_FILL_MODIFIERS = 1u << 1,         /* fill(), fill_left(), fill_right() */
    PROMQL_ALL_FEATURES = (1u << 2) - 1,
    /* Other answers rather than more; not among all: */
    PROMQL_DELAYED_NAMES = 1u << 2,    /* metrics' names are dropped when the query ends */
    PROMQL_TYPE_UNIT_LABELS = 1u << 3, /* __type__ and __unit__ are dropped where names are */
};

/** What is accepted as a query. */
struct promql_syntax {
    enum promql_compat compat;
    unsigned features; /* of promql_feature */
};

/** Engine-wide settings; one per process, immutable after promql_engine_new(). */
struct promql_opts {
    int64_t lookback_ms;         /* default 5 min */
    int64_t default_interval_ms; /* subquery step when none is given; default 1 min */
    uint64_t max_samples;     /* held by one query at one moment; default 50 M; more: -ERR_LIMIT */
    size_t max_series;        /* selected by one query; default 1 M */
    int64_t max_memory_bytes; /* of one query; default 512 MiB */
    int64_t max_points;       /* steps of a range query; 11000 as Prometheus */
    struct promql_syntax syntax;
    struct pool *pool;     /* for parallel evaluation; may be NULL; borrowed */
    struct stats *stats;   /* may be NULL */
    struct budget *budget; /* all queries together; may be NULL */
    const char *
        active_file; /* what runs is noted there for after a crash; may be NULL; borrowed for the call */
};

struct promql_engine;
struct promql_engine *promql_engine_new(const struct promql_opts *opts);
void promql_engine_free(struct promql_engine *e);

enum promql_type { PROMQL_SCALAR, PROMQL_VECTOR, PROMQL_MATRIX, PROMQL_STRING };

struct promql_series {
    struct labels labels;
    int64_t *t_ms; /* points in time order */
    double *v;
    const struct native_histogram **h; /* of each point, NULL: it is a float; NULL: all are */
    size_t n;
};

/** A result; owned by the caller, promql_result_free(). A scalar is one series without labels. */
struct promql_result {
    enum promql_type type;
    struct promql_series
        *series; /* VECTOR: one point each, in the order the query gives (sort(), topk) */
    size_t series_n;
    struct str string; /* STRING */
    int64_t string_t_ms;
    struct str *warnings; /* annotations, at most 10 and how many more of each kind */
    size_t warnings_n;
    struct str *infos;
    size_t infos_n;

    struct promql_query_stats {
        uint64_t samples_read;
        uint64_t series_read;
        int64_t parse_ns, select_ns, eval_ns;
        int64_t peak_bytes;
        int64_t resolution_ms; /* of the coarsest roll-up that was read; 0: samples only */
        uint64_t samples_seen; /* a window's samples count at every step */
        uint64_t samples_peak; /* held at one moment */
        uint64_t *per_step;    /* samples seen at each step; NULL: not asked for */
        size_t per_step_n;
        int64_t first_step_ms;
        int64_t step_ms;
    } stats;
    struct promql_result_impl *impl; /* the memory behind all of it */
};

/** A query with everything that may be said about it. */
struct promql_ask {
    struct series_source src;
    struct str query;
    int64_t start_ms;
    int64_t end_ms;
    int64_t step_ms;       /* 0: an instant query at start_ms */
    int64_t lookback_ms;   /* 0: the engine's */
    bool per_step;         /* statistics by step */
    struct str user;       /* for the list of running queries */
    struct cancel *cancel; /* may be NULL */
};

/** @return as promql_instant() and promql_range() */
NODISCARD int promql_run(struct promql_engine *e, const struct promql_ask *ask,
                         struct promql_result **ret, struct err *reterr);

/** A query that is being evaluated. */
struct promql_running {
    uint64_t id;
    struct str query;
    struct str user;
    int64_t since_ms;
    uint64_t samples; /* read so far */
};

/** Call `fn` for every running query; strings are good during the call, which must be short. */
void promql_each_running(struct promql_engine *e,
                         void (*fn)(void *arg, const struct promql_running *q), void *arg);
/** @return false when there is none of this number */
bool promql_cancel(struct promql_engine *e, uint64_t id);

/** @param cancel may be NULL
 * @return 0; -ERR_INVALID (parse error; span and "line:col: parse error: ..." text as Prometheus writes
 *         it), -ERR_EXEC (execution), -ERR_LIMIT, -ERR_TIMEOUT, -ERR_CANCELED, or the source's error */
NODISCARD int promql_instant(struct promql_engine *e, struct series_source src, struct str query,
                             int64_t t_ms, struct cancel *cancel, struct promql_result **ret,
                             struct err *reterr);
/** start <= end, step > 0, at most max_points steps; the expression must be scalar or vector. */
NODISCARD int promql_range(struct promql_engine *e, struct series_source src, struct str query,
                           int64_t start_ms, int64_t end_ms, int64_t step_ms, struct cancel *cancel,
                           struct promql_result **ret, struct err *reterr);
void promql_result_free(struct promql_result *r); /* NULL is fine */

/** The value of the "data" member of the HTTP API's answer, {"resultType":...,"result":[...]}, exactly in
 * Prometheus' form (point times in seconds with up to 3 decimals, values as shortest strings), in pieces of whole
 * series. Start with everything but `result` and `with_stats` zero. */
struct promql_json {
    const struct promql_result *result; /* borrowed */
    bool with_stats;
    bool begun;
    size_t next; /* series */
};

enum { PROMQL_JSON_PIECE = 64 << 10 };

/** Append about PROMQL_JSON_PIECE bytes, more when one series is longer. @return true while there is more */
bool promql_json_next(struct promql_json *j, struct buf *dst);

/** All of it at once. */
static inline void promql_result_json(const struct promql_result *r, bool with_stats,
                                      struct buf *dst)
{
    struct promql_json j = {.result = r, .with_stats = with_stats};

    while (promql_json_next(&j, dst)) {
    }
}

/** Parse a series selector such as those of match[] (`{job="x"}`, `up`); matchers freed by
 * promql_matchers_free(). @return 0, -ERR_INVALID */
NODISCARD int promql_parse_selector(struct str text, struct matcher ***ret, size_t *ret_n,
                                    struct err *reterr);
void promql_matchers_free(struct matcher **m, size_t n);

/** The matchers of every selector of an expression, in the order they stand there. */
struct promql_selectors;
NODISCARD int promql_selectors(struct str query, struct promql_syntax syntax,
                               struct promql_selectors **ret, struct err *reterr);
size_t promql_selectors_count(const struct promql_selectors *s);
/** Those of selector i; valid until promql_selectors_free(). */
struct matcher *const *promql_selectors_at(const struct promql_selectors *s, size_t i,
                                           size_t *ret_n);
void promql_selectors_free(struct promql_selectors *s); /* NULL is fine */

/** Check an expression, and print it in canonical form (as promtool and /format_query do). */
NODISCARD int promql_format(struct str query, struct promql_syntax syntax, struct buf *dst,
                            struct err *reterr);
/** The same on one line, as rules and parsed expressions show it. */
NODISCARD int promql_canonical(struct str query, struct promql_syntax syntax, struct buf *dst,
                               struct err *reterr);
/** The parsed expression as JSON, as /api/v1/parse_query shows it. */
NODISCARD int promql_tree_json(struct str query, struct promql_syntax syntax, struct buf *dst,
                               struct err *reterr);
struct promql_syntax promql_engine_syntax(const struct promql_engine *e);

#endif
