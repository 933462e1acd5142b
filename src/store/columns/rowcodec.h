/* SPDX-License-Identifier: Apache-2.0
 *
 * The row encoding of one append batch: what a WAL record holds and what the in-memory part keeps. Each
 * batch stands alone: its resources, scopes and attribute keys are stored once in tables behind the rows.
 * Decoding is zero-copy: strings point into the payload. See README.md for the layout.
 */
#ifndef STORE_COLUMNS_ROWCODEC_H
#define STORE_COLUMNS_ROWCODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "store/columns/columns.h"
#include "store/columns/wire.h"

enum {
    ROWCODEC_VERSION = 2,
    ROWCODEC_VERSION_OLD = 1,
    ROWCODEC_PREFIX = 48,
    ROWCODEC_MAX = 64 << 20
};

/** Which rows to take: min_ns <= time <= max_ns. */
struct row_limits {
    int64_t min_ns;
    int64_t max_ns;
};

/**
 * Append one payload to `dst` (dst->max bounds it). The id of the first row is zero until
 * rowcodec_set_first_id(). Accepted rows may be none: then nothing is written.
 * @return 0; -ERR_TOO_LARGE, -ERR_NOMEM, -ERR_INVALID (values nested deeper than VALUE_DEPTH_MAX)
 */
NODISCARD int rowcodec_encode_spans(const struct span *spans, size_t n, struct row_limits limits,
                                    struct buf *dst, struct columns_commit *ret,
                                    struct err *reterr);
NODISCARD int rowcodec_encode_logs(const struct log_record *logs, size_t n,
                                   struct row_limits limits, struct buf *dst,
                                   struct columns_commit *ret, struct err *reterr);
void rowcodec_set_first_id(char *payload, uint64_t first_id);

/** The fixed prefix; ids of the rows are first_id, first_id + 1, ... in order. */
struct batch_info {
    enum columns_kind kind;
    uint32_t rows_n;
    uint64_t first_id;
    int64_t base_ns;
    int64_t min_ns;
    int64_t max_ns;
    uint32_t tables_at; /* end of the rows */
};

/** @return 0, -ERR_CORRUPT, -ERR_UNSUPPORTED (written by a newer version) */
NODISCARD int rowcodec_info(struct str payload, struct batch_info *ret, struct err *reterr);

/** A batch open for reading. All in the arena given at open, or in the payload. */
struct batch {
    struct batch_info info;
    struct str payload;
    const struct resource *resources;
    const uint64_t *streams;          /* sort key per resource, see stream_key() */
    const struct str *resource_bytes; /* resource_encode() of each, in the payload */
    const struct str *scope_bytes;
    size_t resources_n;
    const struct scope *scopes;
    size_t scopes_n;
    const struct str *keys;
    size_t keys_n;
};

NODISCARD int rowcodec_open(struct str payload, struct arena *a, struct batch *ret,
                            struct err *reterr);

/** Position before the first row. */
static inline uint32_t rowcodec_first(void)
{
    return ROWCODEC_PREFIX;
}

/** Body of the row at *pos and its time; advances *pos. @return 1; 0 at the end; -ERR_CORRUPT */
NODISCARD int rowcodec_next(const struct batch *b, uint32_t *pos, struct str *ret_row,
                            int64_t *ret_time_ns);
/** Indexes of the row's resource and scope without decoding the rest. */
NODISCARD int rowcodec_row_tables(const struct batch *b, struct str row, size_t *ret_resource,
                                  size_t *ret_scope);
/** The whole row. @return 0, -ERR_CORRUPT, -ERR_NOMEM (arena) */
NODISCARD int rowcodec_span(const struct batch *b, struct str row, struct arena *a,
                            struct span *ret);
NODISCARD int rowcodec_log(const struct batch *b, struct str row, struct arena *a,
                           struct log_record *ret);
/** Trace id of a row (all zero: none) without decoding the rest; the batch's tables are not needed. */
NODISCARD int rowcodec_row_trace(struct str row, enum columns_kind kind, struct trace_id *ret);

/** Rows of a part lie in the order of this key: rows of one service beside each other, then by resource. */
uint64_t stream_key(const struct resource *r, struct str encoded);

/* Pieces shared with the parts' formats: attribute keys are written inline there. */

/** @return false when nested too deep (nothing more is written). Allocation failures are in dst->failed. */
NODISCARD bool value_encode(const struct value *v, struct buf *dst);
NODISCARD int value_decode(struct rd *r, struct arena *a, struct value *ret);
NODISCARD bool attrs_encode(struct attrs as, struct buf *dst);
NODISCARD int attrs_decode(struct rd *r, struct arena *a, struct attrs *ret);
NODISCARD bool resource_encode(const struct resource *r, struct buf *dst);
NODISCARD int resource_decode(struct rd *r, struct arena *a, struct resource *ret);
NODISCARD bool scope_encode(const struct scope *s, struct buf *dst);
NODISCARD int scope_decode(struct rd *r, struct arena *a, struct scope *ret);
/** Event times are relative to the span's start. */
NODISCARD bool events_encode(const struct span *s, struct buf *dst);
NODISCARD int events_decode(struct rd *r, struct arena *a, struct span *s);
NODISCARD bool links_encode(const struct span *s, struct buf *dst);
NODISCARD int links_decode(struct rd *r, struct arena *a, struct span *s);

#endif
