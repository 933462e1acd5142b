/* SPDX-License-Identifier: Apache-2.0
 *
 * Where damaged data goes: out of the way, so that a server starts and works without it, but kept, so that what can
 * be saved may be saved.
 */
#ifndef IO_QUARANTINE_H
#define IO_QUARANTINE_H

#include "io/vfs.h"

/** Directory below an engine's own. Snapshots and backups take it along. */
#define QUARANTINE_DIR "quarantine"

/** Move `path`, which lies below `root`, to <root>/quarantine/<path below root with '-' for '/'>, with "-2" and so on
 * behind it when that is taken. @return 0, -ERR_IO, -ERR_NOSPACE */
NODISCARD int quarantine_move(const struct vfs *v, const char *root, const char *path,
                              struct err *reterr);
/** How many things are there. */
size_t quarantine_count(const char *root);

#endif
