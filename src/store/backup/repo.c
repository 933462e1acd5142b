/* SPDX-License-Identifier: Apache-2.0
 *
 * A repository is recognised by its first file; anything else in the directory means that it is something
 * else, which is never written to.
 */
#include "store/backup/repo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "store/backup/backup.h"

#define MARK_NAME "bongsu-backup"
static const char MARK[] = "bongsu backup repository 1\n";

char *repo_path(const struct repo *r, const char *name)
{
    return vfs_join(r->dir, name);
}

char *repo_object(const struct repo *r, struct hash128 hash)
{
    char hex[33];
    char name[64];

    list_hash_hex(hash, hex);
    snprintf(name, sizeof(name), "objects/%.2s/%s", hex, hex);
    return repo_path(r, name);
}

static int make_repo(const struct repo *r, struct err *reterr)
{
    char *mark CLEANUP(mem_free_ptr) = repo_path(r, MARK_NAME);
    char *objects CLEANUP(mem_free_ptr) = repo_path(r, "objects");
    char *backups CLEANUP(mem_free_ptr) = repo_path(r, "backups");
    int rc = vfs_mkdirs(vfs_real(), objects, reterr);

    rc = rc < 0 ? rc : vfs_mkdirs(vfs_real(), backups, reterr);
    return rc < 0 ? rc : vfs_write_atomic(vfs_real(), mark, str_cstr(MARK), reterr);
}

static int check_mark(const struct repo *r, bool create, struct err *reterr)
{
    char *mark CLEANUP(mem_free_ptr) = repo_path(r, MARK_NAME);
    char *text CLEANUP(mem_free_ptr) = NULL;
    char **names = NULL;
    size_t n = 0;
    int rc;

    if (vfs_read_file(vfs_real(), mark, 4096, &text, &n, NULL) == 0) {
        return str_eq(str_of(text, n), str_cstr(MARK))
                   ? 0
                   : err_set(reterr, ERR_CORRUPT, "%s is a repository of another version", r->dir);
    }
    rc = vfs_list(r->dir, &names, &n, reterr);
    vfs_list_free(names, n);
    if (rc < 0) {
        return rc;
    }
    if (!create || n != 0) {
        return err_set(reterr, ERR_CORRUPT, "%s is not a backup repository", r->dir);
    }
    return make_repo(r, reterr);
}

static int take_lock(struct repo *r, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = repo_path(r, "lock");

    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->lock_fd < 0) {
        return err_set_errno(reterr, errno, "cannot write to the backup repository %s", r->dir);
    }
    if (flock(r->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return err_set(reterr, ERR_EXISTS, "another process uses the backup repository %s", r->dir);
    }
    return 0;
}

int repo_open(const char *dir, bool create, struct repo *ret, struct err *reterr)
{
    struct repo r = {.dir = mem_xstrdup(dir), .lock_fd = -1};
    int rc = create ? vfs_mkdirs(vfs_real(), dir, reterr) : 0;

    rc = rc < 0 ? rc : check_mark(&r, create, reterr);
    rc = rc < 0 ? rc : take_lock(&r, reterr);
    if (rc < 0) {
        repo_close(&r);
        return rc;
    }
    *ret = r;
    return 0;
}

void repo_close(struct repo *r)
{
    if (r->lock_fd >= 0) {
        close(r->lock_fd);
    }
    mem_free(r->dir);
    *r = (struct repo){.lock_fd = -1};
}

int repo_names(const struct repo *r, char ***ret, size_t *ret_n, struct err *reterr)
{
    char *dir CLEANUP(mem_free_ptr) = repo_path(r, "backups");
    char **names = NULL;
    size_t n = 0;
    size_t kept = 0;
    int rc = vfs_list(dir, &names, &n, reterr);

    for (size_t i = 0; i < n; i++) { /* a temporary file of a crash has a dot */
        if (rc == 0 && strchr(names[i], '.') == NULL && strlen(names[i]) < BACKUP_NAME_MAX) {
            names[kept++] = names[i];
        } else {
            mem_free(names[i]);
        }
    }
    if (rc < 0) {
        mem_free(names);
        return rc;
    }
    *ret = names;
    *ret_n = kept;
    return 0;
}

static int newest(const struct repo *r, char *dst, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = repo_names(r, &names, &n, reterr);

    if (rc == 0 && n == 0) {
        rc = err_set(reterr, ERR_NOT_FOUND, "%s has no backups", r->dir);
    }
    if (rc == 0) {
        snprintf(dst, BACKUP_NAME_MAX, "%s", names[n - 1]);
    }
    vfs_list_free(names, n);
    return rc;
}

int repo_list(const struct repo *r, const char *name, struct arena *a, struct list *ret,
              char *ret_name, struct err *reterr)
{
    char picked[BACKUP_NAME_MAX];
    char relative[BACKUP_NAME_MAX + 16];
    char *path CLEANUP(mem_free_ptr) = NULL;
    char *text CLEANUP(mem_free_ptr) = NULL;
    struct str copy;
    size_t n = 0;
    int rc = 0;

    if (name[0] == '\0') {
        rc = newest(r, picked, reterr);
    } else if (strchr(name, '/') != NULL || strlen(name) >= BACKUP_NAME_MAX) {
        rc = err_set(reterr, ERR_NOT_FOUND, "there is no backup \"%s\"", name);
    } else {
        snprintf(picked, sizeof(picked), "%s", name);
    }
    if (rc < 0) {
        return rc;
    }
    snprintf(relative, sizeof(relative), "backups/%s", picked);
    path = repo_path(r, relative);
    rc = vfs_read_file(vfs_real(), path, LIST_MAX, &text, &n, reterr);
    if (rc < 0) {
        return rc == -ERR_NOT_FOUND
                   ? err_set(reterr, ERR_NOT_FOUND, "%s has no backup \"%s\"", r->dir, picked)
                   : rc;
    }
    copy = arena_str_dup(a, str_of(text, n));
    if (copy.p == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the list of a backup");
    }
    rc = list_parse(copy, a, ret, reterr);
    if (rc < 0) {
        err_prefix(reterr, "%s", path);
        return rc;
    }
    snprintf(ret_name, BACKUP_NAME_MAX, "%s", picked);
    return 0;
}

int repo_map(const struct repo *r, const struct list_file *f, struct mapping *ret,
             struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = repo_object(r, f->hash);
    struct mapping m = {0};
    struct hash128 h;

    if (vfs_map(path, &m, reterr) < 0) {
        return err_set(reterr, ERR_CORRUPT, "%.*s: its content %s is missing", STR_ARG(f->path),
                       path);
    }
    h = hash128(m.p, m.n);
    if (m.n != f->size || h.lo != f->hash.lo || h.hi != f->hash.hi) {
        vfs_unmap(&m);
        return err_set(reterr, ERR_CORRUPT, "%.*s: its content %s is damaged", STR_ARG(f->path),
                       path);
    }
    *ret = m;
    return 0;
}
