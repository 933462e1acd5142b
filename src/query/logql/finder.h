/* SPDX-License-Identifier: Apache-2.0
 *
 * A regular expression that is looked for anywhere in a text, with its groups: RE2's syntax as far as PCRE2 shares
 * it (the checks of model/regex.h) under match limits; a run that reaches a limit is no match. Plain texts never
 * reach PCRE2. Not thread-safe: one match block belongs to each.
 */
#ifndef QUERY_LOGQL_FINDER_H
#define QUERY_LOGQL_FINDER_H

#include "base/buf.h"

struct err;
struct finder;

/* GROUPS: finder_next() will be used, so PCRE2 must run even for a plain text. */
enum { FINDER_DOT_NEWLINE = 1, FINDER_ANCHORED = 2, FINDER_GROUPS = 4 };

/** What owns expressions; grown with vec_push(). */
struct finders {
    struct finder **v;
    size_t n, cap;
};

/** @return 0; -ERR_INVALID ("error parsing regexp: ..."), -ERR_NOMEM */
NODISCARD int finder_new(struct str pattern, unsigned flags, struct finder **ret,
                         struct err *reterr);
void finder_free(struct finder *s); /* NULL is fine */
bool finder_matches(struct finder *s, struct str text);
/** First match at or after `from`. @return number of groups with the whole (>= 1), 0: none. */
size_t finder_next(struct finder *s, struct str text, size_t from);
/** Of the last finder_next(): bytes of a group; false when it took no part. */
bool finder_group(const struct finder *s, size_t i, size_t *ret_start, size_t *ret_end);
/** Groups with names, in the order of their numbers; *ret_index: the number. @return false at the end */
bool finder_name(const struct finder *s, size_t i, struct str *ret_name, size_t *ret_index);
/** Append `tpl` with $1, ${1}, $name, ${name}, $$ replaced as Go's Regexp.Expand does. */
void finder_expand(const struct finder *s, struct str text, struct str tpl, struct buf *dst);

#endif
