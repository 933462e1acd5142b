/* SPDX-License-Identifier: Apache-2.0
 *
 * A regular expression with groups, anchored at both ends, in RE2's syntax as far as PCRE2 shares it (the
 * same checks as matcher.h), for what replaces: relabelling. Match limits bound every run; a run that
 * reaches one is no match. Immutable, so thread-safe.
 */
#ifndef MODEL_REGEX_H
#define MODEL_REGEX_H

#include "base/buf.h"

struct err;
struct regex;

/** @return 0; -ERR_INVALID with the error and its position, -ERR_NOMEM. Free with regex_free(). */
NODISCARD int regex_new(struct str pattern, struct regex **ret, struct err *reterr);
void regex_free(struct regex *r); /* NULL is fine */

/** Does all of `value` match? */
bool regex_matches(const struct regex *r, struct str value);
/**
 * If all of `value` matches, append `replacement` with $1, ${1}, $name, ${name} and $$ expanded as Go's
 * regexp.Expand does: the longest run of word characters is the name, unknown groups are empty.
 * @return false when it does not match (nothing appended)
 */
bool regex_expand(const struct regex *r, struct str value, struct str replacement, struct buf *dst);

/** Offset of syntax RE2 does not have, -1: none. */
int64_t regex_foreign_syntax(struct str pattern);

#endif
