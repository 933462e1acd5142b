/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings in force: kept in the metadata, handed to naming and live counting whenever they change. Checked, kept,
 * then in force, so what is in force survives a restart. Each change raises the revision; a change of an older
 * revision is refused, so that two operators do not undo one another.
 */
#ifndef APM_SETTINGS_STORE_H
#define APM_SETTINGS_STORE_H

#include "apm/live.h"
#include "apm/naming.h"
#include "store/meta/meta.h"

struct settings_store;

/** All borrowed. What is kept is read and put in force. @return 0, -ERR_IO, -ERR_INVALID (what is kept), -ERR_NOMEM */
NODISCARD int settings_store_open(struct meta *meta, struct naming *naming, struct live *live,
                                  struct settings_store **ret, struct err *reterr);
void settings_store_close(struct settings_store *s); /* NULL is fine */

/** A copy of those in force: apm_settings_free(). Thread-safe, as all below. @return 0, -ERR_NOMEM */
NODISCARD int settings_store_get(struct settings_store *s, struct apm_settings **ret,
                                 struct err *reterr);
/** Replace all. The document's revision must be the one in force.
 * @return 0; as apm_settings_parse(), meta_doc_put(); -ERR_EXISTS: changed meanwhile */
NODISCARD int settings_store_put(struct settings_store *s, struct str json, int64_t now_ms,
                                 struct err *reterr);
/** Put or replace what is said of the one group `g->group`. @return as settings_store_put() */
NODISCARD int settings_store_put_group(struct settings_store *s, const struct apm_group_settings *g,
                                       int64_t now_ms, struct err *reterr);
/** @return -ERR_NOT_FOUND: nothing is said of it */
NODISCARD int settings_store_delete_group(struct settings_store *s, struct str group,
                                          int64_t now_ms, struct err *reterr);

#endif
