/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots: hard links to the files of the parts as of one moment. Parts are pinned, so merges and retention go on;
 * what they replace stays on disk until the links are made, and in the snapshot for ever.
 */
#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "io/tree.h"
#include "store/tsdb/rollup_internal.h"

/** Small files beside the parts (metadata and the like): each is replaced by renaming, so any is whole. */
static bool not_a_small_file(const char *name)
{
    return strcmp(name, "wal") == 0 || str_ends(str_cstr(name), STR(".tmp"));
}

static int link_small(void *arg, const struct tree_file *f, struct err *reterr)
{
    char *to CLEANUP(mem_free_ptr) = NULL;

    if (strchr(f->relative, '/') != NULL) {
        return 0;
    }
    to = vfs_join(arg, f->relative);
    return link(f->path, to) < 0 && errno != ENOENT
               ? err_set_errno(reterr, errno, "linking %s to %s", f->path, to)
               : 0;
}

static int link_part(struct tsdb *db, const struct part *p, const char *dst, struct err *reterr)
{
    char *to CLEANUP(mem_free_ptr) = vfs_join(dst, part_dir(p) + strlen(db->dir) + 1);

    return tree_link(part_dir(p), to, NULL, reterr);
}

/** References to the parts of all tiers; free with parts_release(). */
static int pin_all(struct tsdb *db, struct part ***ret, size_t *ret_n)
{
    struct part **v;
    size_t n = 0;
    size_t max;

    rwlock_read(&db->parts_lock);
    max = db->parts.n;
    for (size_t k = TSDB_RAW + 1; k < TSDB_TIERS; k++) {
        max += db->rollups->tiers[k].parts.n;
    }
    v = mem_try_calloc(max + 1, sizeof(struct part *));
    for (size_t i = 0; v != NULL && i < db->parts.n; i++) {
        v[n++] = part_ref(db->parts.v[i]);
    }
    for (size_t k = TSDB_RAW + 1; v != NULL && k < TSDB_TIERS; k++) {
        for (size_t i = 0; i < db->rollups->tiers[k].parts.n; i++) {
            v[n++] = part_ref(db->rollups->tiers[k].parts.v[i]);
        }
    }
    rwlock_unlock(&db->parts_lock);
    *ret = v;
    *ret_n = n;
    return v != NULL ? 0 : -ERR_NOMEM;
}

int tsdb_snapshot(struct tsdb *db, const char *dst, struct err *reterr)
{
    struct part **parts = NULL;
    size_t n = 0;
    int rc = flush_head(db, reterr);

    rc = rc < 0 ? rc : vfs_mkdirs(vfs_real(), dst, reterr);
    if (rc < 0) {
        return rc;
    }
    rc = pin_all(db, &parts, &n);
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for a snapshot");
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = link_part(db, parts[i], dst, reterr);
    }
    parts_release(parts, n);
    return rc < 0
               ? rc
               : tree_walk(db->dir, not_a_small_file, link_small, (void *)(uintptr_t)dst, reterr);
}
