/* SPDX-License-Identifier: Apache-2.0
 *
 * Go's text/template as far as line_format and label_format use it: actions, pipelines, variables, if, with,
 * range, and the functions of Loki's documentation. No definition of templates, no methods.
 */
#ifndef QUERY_LOGQL_TEMPLATE_H
#define QUERY_LOGQL_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"

struct err;
struct row;
struct finders;
struct template;

/** @param owner  takes the regular expressions of constant patterns
 * @return 0, -ERR_INVALID ("template: line:1: ..."), -ERR_NOMEM */
NODISCARD int template_new(struct arena *a, struct finders *owner, struct str text,
                           struct template **ret, struct err *reterr);
/** Append what the template makes of the row. @return 0, -ERR_EXEC with what failed */
NODISCARD int template_run(const struct template *t, struct row *r, struct buf *dst,
                           struct err *reterr);

#endif
