/* SPDX-License-Identifier: Apache-2.0
 *
 * PCRE2 expressions that are searched for in values (not anchored, unlike model/regex.h), with named groups. The
 * whole syntax of PCRE2 is allowed; match limits bound every search, and one that reaches them found nothing.
 * Immutable after pattern_new(), so thread-safe.
 */
#ifndef INGEST_PROCESS_PATTERN_H
#define INGEST_PROCESS_PATTERN_H

#include "base/buf.h"

struct err;
struct pattern;

enum { PATTERN_GROUPS_MAX = 32 }; /* with the whole match */

struct pattern_span {
    size_t start; /* SIZE_MAX: the group took no part */
    size_t end;
};

/** @return 0; -ERR_INVALID with the error and its position, -ERR_LIMIT (groups), -ERR_NOMEM */
NODISCARD int pattern_new(struct str text, struct pattern **ret, struct err *reterr);
void pattern_free(struct pattern *p); /* NULL is fine */

/** The first match at or after `from`. @return 1; 0: none; -ERR_LIMIT: given up */
NODISCARD int pattern_find(const struct pattern *p, struct str text, size_t from,
                           struct pattern_span dst[PATTERN_GROUPS_MAX]);
/** Groups, the whole match counted. */
size_t pattern_groups(const struct pattern *p);
/** Name of a group, empty when it has none. Lives as long as the pattern. */
struct str pattern_group_name(const struct pattern *p, size_t i);
/** Number of the group with this name or number ("2"); -1: there is none. */
int pattern_group_index(const struct pattern *p, struct str name);
/** Append a replacement with $1, ${1}, $name, ${name} and $$ expanded; unknown groups are empty. */
void pattern_expand(const struct pattern *p, struct str text,
                    const struct pattern_span spans[PATTERN_GROUPS_MAX], struct str replacement,
                    struct buf *dst);

#endif
