/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots of the engine's directory as hard links. Under the maintenance lock, so the manifest and the parts it
 * names belong together; the log is left out, for everything in it was flushed just before.
 */
#include "base/err.h"
#include "io/tree.h"
#include "store/columns/columns_internal.h"

static bool not_in_snapshot(const char *name)
{
    return strcmp(name, "wal") == 0 || str_ends(str_cstr(name), STR(".tmp"));
}

int columns_snapshot(struct columns *c, const char *dst, struct err *reterr)
{
    int rc;

    mutex_lock(&c->maintenance);
    rc = columns_flush_locked(c, reterr);
    rc = rc < 0 ? rc : tree_link(c->opts.dir, dst, not_in_snapshot, reterr);
    mutex_unlock(&c->maintenance);
    return rc;
}
