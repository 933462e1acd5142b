/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of requests under the operators' rules: entry_of(), then the group a rule puts the request into, then the
 * template of its URL. All engines that share one `naming` call groups and operations the same.
 */
#ifndef APM_NAMING_H
#define APM_NAMING_H

#include "apm/entry.h"
#include "apm/settings.h"

struct naming;

/** Without rules it names as entry_of(). @return NULL without memory */
struct naming *naming_new(void);
void naming_free(struct naming *n); /* NULL is fine */
/** Rules from now on. Thread-safe. @return 0, -ERR_NOMEM (nothing changed) */
NODISCARD int naming_set(struct naming *n, const struct apm_settings *s, struct err *reterr);
/** As entry_of(), with the rules. `n` may be NULL. Thread-safe. */
bool naming_entry(struct naming *n, const struct span *s, struct entry *ret);

#endif
