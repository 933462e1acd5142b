/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms in the metrics engine. A histogram series is kept as ordinary float series, its components: the
 * labels plus LABEL_COMPONENT with a code of what it is. Log, chunks, merges, late samples, duplicates and roll-ups
 * know nothing of histograms. A component without a sample at the time of "c" is 0, so nothing has to be remembered
 * between samples.
 *
 * A start timestamp is a component too, of float and histogram series alike. It is no part of a histogram: only
 * selections of start timestamps show it (series_query.starts), all others leave it out.
 *
 * Codes, which sort as they are needed:
 *   A                  Unix ms the counter began at, from its sample's time on
 *   b<index>           custom bound (schema -53)
 *   c                  count; its stale marker ends the histogram series; its times are those of the histograms
 *   m                  (schema + 64) * 4 + enum native_hint, without NATIVE_NOT_RESET, which the reader works out
 *   n<schema><index>   negative bucket, absolute count
 *   p<schema><index>   positive bucket
 *   s                  sum
 *   t                  zero threshold
 *   z                  zero count
 * <schema>: 'a' is -4 to 'm' 8, 'z' is -53; <index>: 8 hex digits of the index + 2^31. Values that are 0 are left out,
 * but for c, m and s. Two histograms of one time: the later one's components win one by one, so a bucket that only the
 * earlier one had stays.
 */
#ifndef STORE_TSDB_NATIVE_H
#define STORE_TSDB_NATIVE_H

#include "model/histogram.h"
#include "store/tsdb/tsdb.h"

/** A series as a door knows it. */
struct native_series {
    const struct hash128 *
        door_key; /* of its encoded labels, as for tsdb_lookup(); NULL: labels are always asked for */
    bool fresh;   /* do not trust the key: the store forgot a component */
    /** Labels, normalised and valid; asked for when a component is new, once a call at most.
     * @return 0, or what native_append() shall return */
    int (*labels)(void *arg, struct labels *ret, struct err *reterr);
    void *arg;
};

/** Add one histogram to a batch as its components; compact or not, already validated.
 * @return 0; what `labels` returned; -ERR_LIMIT (series, or samples of the batch), -ERR_NOMEM */
NODISCARD int native_append(struct tsdb *db, struct tsdb_batch *b, const struct native_series *s,
                            int64_t t_ms, const struct native_histogram *h, struct err *reterr);

/** Add a start timestamp: from t_ms on the series' counter is one that began at start_ms. @return as native_append() */
NODISCARD int native_append_start(struct tsdb *db, struct tsdb_batch *b,
                                  const struct native_series *s, int64_t t_ms, int64_t start_ms,
                                  struct err *reterr);

/* ---- for select.c ---- */

#define NATIVE_CODE_START "A"

/** One visible series of a selection. */
struct native_group {
    struct labels labels; /* without LABEL_COMPONENT */
    uint32_t floats;      /* entry of the float series + 1; 0: none */
    uint32_t first, n;    /* entries that are components, in order of their codes */
};

/** Put components under their series. `labels` are the entries' in order. `starts`: the start timestamps stand for the
 * float series, and nothing else is there.
 * @return groups in order of labels, heap-allocated; NULL without memory */
struct native_group *native_groups(const struct labels *labels, size_t n, bool starts,
                                   size_t *ret_n);

/** A component that was read. */
struct native_component {
    struct str code;
    struct samples samples; /* owned by the caller */
};

/** Components in order of their codes to histograms. @return 0, -ERR_NOMEM, -ERR_CORRUPT (a code is none) */
NODISCARD int native_assemble(const struct native_component *v, size_t n,
                              struct native_samples *dst);

/** Make columns: first the component "c", then the others in order of their codes, then the end. There is room for
 * `components` of them. @return 1; 0: they are not of one plain kind; -ERR_NOMEM, -ERR_CORRUPT (a code is none) */
NODISCARD int native_columns_start(struct native_columns *dst, const struct samples *count,
                                   size_t components);
NODISCARD int native_columns_add(struct native_columns *dst, struct str code,
                                 const struct samples *s);
NODISCARD int native_columns_end(struct native_columns *dst);

#endif
