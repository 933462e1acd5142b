/* SPDX-License-Identifier: Apache-2.0
 *
 * A label matcher of a selector. Regular expressions are anchored at both ends, in RE2's syntax as far as
 * PCRE2 shares it, with match limits so that no pattern can hang a query. Literals, prefixes and plain
 * alternations are recognised at build time and never reach the regex engine. Immutable, so thread-safe.
 */
#ifndef MODEL_MATCHER_H
#define MODEL_MATCHER_H

#include "base/str.h"

struct err;

enum match_op { MATCH_EQ, MATCH_NEQ, MATCH_RE, MATCH_NRE };

struct matcher;

/**
 * @param name,value  copied
 * @return 0; -ERR_INVALID with the regex error and its position. Free with matcher_free().
 */
NODISCARD int matcher_new(enum match_op op, struct str name, struct str value, struct matcher **ret,
                          struct err *reterr);
void matcher_free(struct matcher *m); /* NULL is fine */

enum match_op matcher_op(const struct matcher *m);
struct str matcher_name(const struct matcher *m);
struct str matcher_value(const struct matcher *m);

/** Does a label value (empty for an absent label) satisfy the matcher? */
bool matcher_matches(const struct matcher *m, struct str value);
/** Does it need the regex engine? */
bool matcher_is_costly(const struct matcher *m);
/** Does it accept a series without the label? */
bool matcher_matches_empty(const struct matcher *m);
/** For EQ and for RE that is a plain alternation of literals: the values, count in *ret_n (valid as long as
 * the matcher). NULL when the set is not finite. */
const struct str *matcher_literals(const struct matcher *m, size_t *ret_n);
/** Literal prefix every matching value has (may be empty); RE only. */
struct str matcher_prefix(const struct matcher *m);

#endif
