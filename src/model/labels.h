/* SPDX-License-Identifier: Apache-2.0
 *
 * A metric series' identity: label pairs sorted by name in byte order, names unique and non-empty, values
 * non-empty (an empty value means the label is absent). The metric's name is the label "__name__".
 */
#ifndef MODEL_LABELS_H
#define MODEL_LABELS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"

#define LABEL_NAME "__name__"
/** Name of the label that tells the components of a native histogram apart inside the store (store/tsdb/native.h).
 * Not valid UTF-8, so no client can send or ask for it; it sorts after every other name. */
#define LABEL_COMPONENT "\xff"

struct err;

struct label {
    struct str name;
    struct str value;
};

/** Borrowed view; whoever made it owns the array and the strings. */
struct labels {
    const struct label *v;
    size_t n;
};

/** Is it a name only the store itself uses? Never shown. */
static inline bool label_name_is_hidden(struct str name)
{
    return name.n == 1 && name.p[0] == LABEL_COMPONENT[0];
}

/** Value of a label, or an empty slice. O(n): series have about ten labels. */
struct str labels_get(struct labels ls, struct str name);
/** Order by pairs, as Prometheus' labels.Compare. */
int labels_cmp(struct labels a, struct labels b);
bool labels_eq(struct labels a, struct labels b);

/** Sort by name in place. @return false when a name occurs twice or is empty. Drops empty values, so
 * *n may shrink. */
NODISCARD bool labels_normalize(struct label *v, size_t *n);

/**
 * The canonical bytes of a series: for each pair varint(name length), name, varint(value length), value.
 * Equal labels give equal bytes; the series id is hash128 of them.
 */
void labels_encode(struct labels ls, struct buf *dst);
/** Decode labels_encode() output; strings point into `src`, the array into `a`.
 * @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int labels_decode(struct str src, struct arena *a, struct labels *ret);
/** hash128 of the canonical bytes. @return 0, -ERR_NOMEM (over 1 MiB of labels: -ERR_TOO_LARGE). */
NODISCARD int labels_id(struct labels ls, struct hash128 *ret);

/** Deep copy into an arena. @return 0, -ERR_NOMEM */
NODISCARD int labels_dup(struct labels ls, struct arena *a, struct labels *ret);
/** {a="b", c="d"} with name first as name{...}, values escaped as in the exposition format;
 * names beyond the old rules in quotes: {"a.b", "x y"="z"}. */
void labels_format(struct labels ls, struct buf *dst);

/** Prometheus 2.x rules: [a-zA-Z_:][a-zA-Z0-9_:]* and [a-zA-Z_][a-zA-Z0-9_]*. */
bool metric_name_is_valid(struct str s);
bool label_name_is_valid(struct str s);

#endif
