/* SPDX-License-Identifier: Apache-2.0
 *
 * One rename: what is moved is whole in one place or the other after a crash.
 */
#include "io/quarantine.h"

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

/** A name below `dir` that nothing has yet, heap-allocated. */
static char *free_name(const char *dir, const char *relative)
{
    size_t n = strlen(dir) + strlen(relative) + 16;
    char *p = mem_xcalloc(1, n);

    for (int k = 1;; k++) {
        size_t at = strlen(dir) + 1;

        if (k == 1) {
            snprintf(p, n, "%s/%s", dir, relative);
        } else {
            snprintf(p, n, "%s/%s-%d", dir, relative, k);
        }
        for (; p[at] != '\0'; at++) {
            p[at] = p[at] == '/' ? '-' : p[at];
        }
        if (access(p, F_OK) != 0) {
            return p;
        }
    }
}

int quarantine_move(const struct vfs *v, const char *root, const char *path, struct err *reterr)
{
    char *dir CLEANUP(mem_free_ptr) = vfs_join(root, QUARANTINE_DIR);
    char *to CLEANUP(mem_free_ptr) = free_name(dir, path + strlen(root) + 1);
    int rc = vfs_mkdirs(v, dir, reterr);

    if (rc < 0) {
        return rc;
    }
    rc = v->rename(v->ctx, path, to);
    rc = rc == 0 ? v->sync_dir(v->ctx, dir) : rc;
    return rc < 0 ? err_set_errno(reterr, -rc, "moving %s to %s", path, to) : 0;
}

size_t quarantine_count(const char *root)
{
    char *dir CLEANUP(mem_free_ptr) = vfs_join(root, QUARANTINE_DIR);
    char **names = NULL;
    size_t n = 0;

    if (vfs_list(dir, &names, &n, NULL) < 0) {
        return 0;
    }
    vfs_list_free(names, n);
    return n;
}
