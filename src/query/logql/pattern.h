/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns of literals and captures, "<ip> - - <_> \"<method> <_>\"": for the parser of that name, which takes
 * fields out, and for the line filters |> and !>, where only <_> may stand and the whole line must fit.
 */
#ifndef QUERY_LOGQL_PATTERN_H
#define QUERY_LOGQL_PATTERN_H

#include "base/arena.h"

struct err;
struct line_pattern;

/** @param captures  named captures: at least one for the parser, none for a filter
 * @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int line_pattern_new(struct arena *a, struct str text, bool captures,
                               struct line_pattern **ret, struct err *reterr);
/** Does the whole line fit? */
bool line_pattern_test(const struct line_pattern *p, struct str line);
/** Call `fn` for each named capture as far as the line fits. */
void line_pattern_each(const struct line_pattern *p, struct str line,
                       void (*fn)(void *arg, struct str name, struct str value), void *arg);

#endif
