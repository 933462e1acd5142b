/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees are walked depth first with names in byte order, so that two walks of the same tree agree.
 */
#include "io/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

struct walk {
    size_t root_n; /* bytes of the root's path and its slash */
    bool (*skip)(const char *name);
    int (*fn)(void *arg, const struct tree_file *f, struct err *reterr);
    void *arg;
};

static int walk_dir(const struct walk *w, const char *dir, int depth, struct err *reterr);

static int walk_entry(const struct walk *w, const char *path, int depth, struct err *reterr)
{
    struct tree_file f = {.path = path, .relative = path + w->root_n};

    if (lstat(path, &f.st) < 0) {
        return errno == ENOENT ? 0 : err_set_errno(reterr, errno, "examining %s", path);
    }
    if (S_ISDIR(f.st.st_mode)) {
        return walk_dir(w, path, depth + 1, reterr);
    }
    return S_ISREG(f.st.st_mode) ? w->fn(w->arg, &f, reterr) : 0;
}

static int walk_dir(const struct walk *w, const char *dir, int depth, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc;

    if (depth > TREE_DEPTH_MAX) {
        return err_set(reterr, ERR_IO, "%s is nested too deeply", dir);
    }
    rc = vfs_list(dir, &names, &n, reterr);
    if (rc == -ERR_NOT_FOUND && depth > 0) {
        return 0; /* gone meanwhile */
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (w->skip == NULL || !w->skip(names[i])) {
            char *path CLEANUP(mem_free_ptr) = vfs_join(dir, names[i]);

            rc = walk_entry(w, path, depth, reterr);
        }
    }
    vfs_list_free(names, n);
    return rc;
}

int tree_walk(const char *root, bool (*skip)(const char *name),
              int (*fn)(void *arg, const struct tree_file *f, struct err *reterr), void *arg,
              struct err *reterr)
{
    const struct walk w = {strlen(root) + 1, skip, fn, arg};

    return walk_dir(&w, root, 0, reterr);
}

int tree_make_parents(const char *path, struct err *reterr)
{
    char *dir CLEANUP(mem_free_ptr) = mem_xstrdup(path);
    char *slash = strrchr(dir, '/');

    if (slash == NULL || slash == dir) {
        return 0;
    }
    *slash = '\0';
    return vfs_mkdirs(vfs_real(), dir, reterr);
}

struct linking {
    const char *to;
    char *last_dir; /* directory of the file linked last, synced when left; NULL: none */
};

static int sync_last(struct linking *l, struct err *reterr)
{
    int rc = 0;

    if (l->last_dir != NULL) {
        rc = vfs_real()->sync_dir(vfs_real()->ctx, l->last_dir);
        rc = rc < 0 ? err_set_errno(reterr, -rc, "syncing %s", l->last_dir) : 0;
        mem_free(l->last_dir);
        l->last_dir = NULL;
    }
    return rc;
}

static int enter_dir(struct linking *l, const char *path, struct err *reterr)
{
    char *dir = mem_xstrdup(path);
    int rc;

    *strrchr(dir, '/') = '\0';
    if (l->last_dir != NULL && strcmp(l->last_dir, dir) == 0) {
        mem_free(dir);
        return 0;
    }
    rc = sync_last(l, reterr);
    rc = rc < 0 ? rc : vfs_mkdirs(vfs_real(), dir, reterr);
    l->last_dir = dir;
    return rc;
}

static int link_one(void *arg, const struct tree_file *f, struct err *reterr)
{
    struct linking *l = arg;
    char *path CLEANUP(mem_free_ptr) = vfs_join(l->to, f->relative);
    int rc = enter_dir(l, path, reterr);

    if (rc == 0 && link(f->path, path) < 0 && errno != ENOENT) {
        rc = err_set_errno(reterr, errno, "linking %s to %s", f->path, path);
    }
    return rc;
}

int tree_link(const char *from, const char *to, bool (*skip)(const char *name), struct err *reterr)
{
    struct linking l = {.to = to};
    struct stat st;
    int rc;

    if (lstat(to, &st) == 0) {
        return err_set(reterr, ERR_EXISTS, "%s exists", to);
    }
    rc = vfs_mkdirs(vfs_real(), to, reterr);
    rc = rc < 0 ? rc : tree_walk(from, skip, link_one, &l, reterr);
    if (rc < 0) {
        mem_free(l.last_dir);
        return rc;
    }
    return sync_last(&l, reterr);
}
