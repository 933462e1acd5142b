/* SPDX-License-Identifier: Apache-2.0
 *
 * How queries read metric series, whatever keeps them: select by matchers, then decode one series at a
 * time into the caller's columns. Implemented by store/tsdb; tests implement it over plain arrays.
 */
#ifndef STORE_SERIES_SOURCE_H
#define STORE_SERIES_SOURCE_H

#include "base/budget.h"
#include "base/cancel.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/samples.h"

struct series_selection;

/** What of each series will be read: a hint, so that less is gathered and decoded. */
enum series_want {
    SERIES_ALL,
    SERIES_LAST,   /* the newest sample of the range; read() may leave out older ones */
    SERIES_LABELS, /* nothing: read() is not called */
};

/** What a query makes of the samples: decides whether roll-ups can stand in for them, and which of their
 * columns. Where they do, values and times of read() are:
 *   SAMPLES, LAST   a bucket's last sample at its own time
 *   COUNTER         the same, and the samples around each reset
 *   MIN, MAX        of a bucket, at the bucket's end
 *   SUM, AVG        sum of a bucket, at its end; read_counts() gives the numbers of samples
 *   COUNT           samples of a bucket, at its end; raw samples that are read count 1 each
 * All but SAMPLES and COUNTER are exact for windows of whole buckets, (end - k * resolution, end]. */
enum series_need {
    SERIES_NEED_SAMPLES, /* anything else; roll-ups only where the samples are gone */
    SERIES_NEED_LAST,    /* instant selectors, last_over_time */
    SERIES_NEED_COUNTER, /* rate, increase, resets */
    SERIES_NEED_MIN,
    SERIES_NEED_MAX,
    SERIES_NEED_SUM,
    SERIES_NEED_COUNT,
    SERIES_NEED_AVG,
};

struct series_hint {
    enum series_need need;
    int64_t range_ms; /* of the window; 0: instant selector */
    int64_t step_ms;  /* between windows, whose last ends at max_ms; 0: one only */
};

/** From where to where read() gives buckets of one length instead of samples. */
struct series_resolution {
    int64_t until_ms;      /* inclusive; from there on the next one's, raw samples after the last */
    int64_t resolution_ms; /* 0: raw samples */
};

enum { SERIES_RESOLUTIONS = 4, SERIES_STARTS_MS = 3600000 };

/** What to read. All pointers borrowed for the call (`cancel`, `budget` until the selection is freed). */
struct series_query {
    const struct matcher *const *matchers; /* all must match; at least one */
    size_t matchers_n;
    int64_t min_ms;    /* inclusive */
    int64_t max_ms;    /* inclusive */
    size_t max_series; /* more: -ERR_LIMIT; 0: no limit */
    enum series_want want;
    struct series_hint hint;
    /** Instead of the samples: when the counters of the series began, in Unix ms, at the times that became known and
     * at least once in SERIES_STARTS_MS while samples come. Without a hint. */
    bool starts;
    struct cancel *cancel; /* may be NULL */
    struct budget *budget; /* memory of the query; may be NULL */
};

struct series_source_ops {
    /** Series with at least a chance of samples in the range, sorted by labels. Thread-safe.
     * @return 0; -ERR_LIMIT, -ERR_NOMEM, -ERR_CANCELED, -ERR_TIMEOUT, -ERR_CORRUPT, -ERR_IO */
    int (*select)(void *impl, const struct series_query *q, struct series_selection **ret,
                  struct err *reterr);
    size_t (*count)(const struct series_selection *s);
    /** Labels of series i; valid until the selection is freed. */
    struct labels (*labels)(const struct series_selection *s, size_t i);
    /** Samples of series i with min_ms <= t <= max_ms, duplicates resolved, stale markers included,
     * replacing what `dst` held. Different i may be read by different threads at once. */
    int (*read)(struct series_selection *s, size_t i, struct samples *dst, struct err *reterr);
    void (*free)(struct series_selection *s); /* NULL is fine */

    /** Resolutions the selection reads, by time. With a hint read() may then give samples from a few buckets
     * before min_ms on. @return how many, at most SERIES_RESOLUTIONS; 0 (or op NULL): raw samples only */
    size_t (*resolutions)(const struct series_selection *s,
                          struct series_resolution dst[SERIES_RESOLUTIONS]);
    /** For SERIES_NEED_AVG with resolutions: numbers of samples for each value read() gives. */
    int (*read_counts)(struct series_selection *s, size_t i, struct samples *dst,
                       struct err *reterr);

    /** May series i have native histograms in the range? NULL: the source never has. A series may have both kinds of
     * samples; read() then gives the floats only. */
    bool (*has_histograms)(const struct series_selection *s, size_t i);
    /** Histograms of series i as read() gives floats, compact, replacing what `dst` held. */
    int (*read_histograms)(struct series_selection *s, size_t i, struct native_samples *dst,
                           struct err *reterr);

    /** The same by columns, when series i has nothing but one kind of counter histograms in the range: the cheap way for
     * rates. May be NULL. @return 1; 0: it is not so, `dst` means nothing; or an error */
    int (*read_columns)(struct series_selection *s, size_t i, struct native_columns *dst,
                        struct err *reterr);

    /** Distinct label names / values of one label among series that match (matchers_n may be 0) and may
     * have samples in the range; sorted by bytes. Strings live in `a`. `limit` 0: none. */
    int (*label_names)(void *impl, const struct series_query *q, size_t limit, struct arena *a,
                       struct str **ret, size_t *ret_n, struct err *reterr);
    int (*label_values)(void *impl, struct str name, const struct series_query *q, size_t limit,
                        struct arena *a, struct str **ret, size_t *ret_n, struct err *reterr);
};

struct series_source {
    const struct series_source_ops *ops;
    void *impl;
};

#endif
