/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the two halves of the row codec: the key table of a batch being written or read.
 */
#ifndef STORE_COLUMNS_ROWCODEC_INTERNAL_H
#define STORE_COLUMNS_ROWCODEC_INTERNAL_H

#include "base/vec.h"
#include "store/columns/rowcodec.h"

/* Bits that say which optional fields follow. */
enum {
    HAS_PARENT = 1 << 0, /* logs: span id */
    HAS_TRACE_STATE = 1 << 1,
    HAS_STATUS_MESSAGE = 1 << 2,
    HAS_FLAGS = 1 << 3,
    HAS_DROPPED_ATTRS = 1 << 4,
    HAS_DROPPED_EVENTS = 1 << 5,
    HAS_DROPPED_LINKS = 1 << 6,
    HAS_EVENTS = 1 << 7,
    HAS_LINKS = 1 << 8,
    HAS_TRACE = 1 << 9, /* logs only; spans always write it */
    HAS_OBSERVED = 1 << 10,
    HAS_SEVERITY_TEXT = 1 << 11,
    HAS_EVENT_NAME = 1 << 12,
    HAS_PATTERN = 1 << 13, /* since version 2 */
};

#define KEY_NO_HINT SIZE_MAX

enum { KEY_HINTS = 64 };

/** Attribute keys of a batch being encoded; a key at the same place as in the row before costs one
 * comparison. */
struct key_table {
    VEC(struct str) keys;
    uint32_t *slots; /* index + 1, by hash; power of two */
    size_t slots_n;
    uint32_t hint[KEY_HINTS]; /* index + 1 of the key last seen at a row's i-th attribute */
};

/** Writes the key's index. @return false when memory is refused. */
NODISCARD bool key_table_put(struct key_table *t, struct buf *dst, struct str key, size_t place);

/** Keys of a batch being decoded. */
struct key_view {
    const struct str *v;
    size_t n;
};

NODISCARD bool row_put_value(struct buf *dst, const struct value *v, struct key_table *keys);
NODISCARD bool row_put_attrs(struct buf *dst, struct attrs as, struct key_table *keys);
NODISCARD bool row_put_events(struct buf *dst, const struct span *s, struct key_table *keys);
NODISCARD bool row_put_links(struct buf *dst, const struct span *s, struct key_table *keys);
NODISCARD int row_get_value(struct rd *r, struct arena *a, const struct key_view *keys,
                            struct value *ret);
NODISCARD int row_get_attrs(struct rd *r, struct arena *a, const struct key_view *keys,
                            struct attrs *ret);
NODISCARD int row_get_events(struct rd *r, struct arena *a, const struct key_view *keys,
                             struct span *s);
NODISCARD int row_get_links(struct rd *r, struct arena *a, const struct key_view *keys,
                            struct span *s);

#endif
