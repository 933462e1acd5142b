/* SPDX-License-Identifier: Apache-2.0
 *
 * Making, checking, restoring and thinning out backups. A backup exists when its list does, which is written
 * last, after every object it names is on disk.
 */
#include "store/backup/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "io/tree.h"
#include "store/backup/repo.h"

static const size_t ARENA_MAX = 2u << 30;

struct creation {
    struct repo repo;
    struct arena arena;
    struct list before; /* the newest backup, or empty */
    struct map by_path; /* path -> struct list_file of `before` */
    VEC(struct list_file) files;
    struct backup_watch watch;
    struct backup_progress progress;
    uint64_t bytes_new;
};

static void watch_step(const struct backup_watch *w, struct backup_progress *p, uint64_t bytes)
{
    p->files++;
    p->bytes += bytes;
    if (w->fn != NULL) {
        w->fn(w->arg, p);
    }
}

/** Locks, temporary files and snapshots are not data; sockets and links are passed over by the walk. */
static bool not_data(const char *name)
{
    return strcmp(name, "lock") == 0 || strcmp(name, "snapshots") == 0 ||
           str_ends(str_cstr(name), STR(".tmp")) || str_ends(str_cstr(name), STR(".gone"));
}

static int count_file(void *arg, const struct tree_file *f, struct err *reterr)
{
    struct backup_progress *p = arg;

    (void)reterr;
    p->files_n++;
    p->bytes_n += (uint64_t)f->st.st_size;
    return 0;
}

static int store_object(struct creation *c, struct hash128 hash, const struct mapping *m,
                        struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = repo_object(&c->repo, hash);
    struct stat st;
    int rc;

    if (lstat(path, &st) == 0 && (uint64_t)st.st_size == m->n) {
        return 0;
    }
    rc = tree_make_parents(path, reterr);
    rc = rc < 0 ? rc : vfs_write_atomic(vfs_real(), path, str_of((const char *)m->p, m->n), reterr);
    if (rc == 0) {
        c->bytes_new += m->n;
    }
    return rc;
}

/** Hash and keep the content of a file. */
static int take_content(struct creation *c, const struct tree_file *f, struct list_file *ret,
                        struct err *reterr)
{
    struct mapping m = {0};
    int rc = vfs_map(f->path, &m, reterr);

    if (rc < 0) {
        return rc;
    }
    ret->hash = hash128(m.p, m.n);
    ret->size = m.n;
    rc = store_object(c, ret->hash, &m, reterr);
    vfs_unmap(&m);
    return rc;
}

static bool object_there(const struct creation *c, const struct list_file *f)
{
    char *path CLEANUP(mem_free_ptr) = repo_object(&c->repo, f->hash);
    struct stat st;

    return lstat(path, &st) == 0 && (uint64_t)st.st_size == f->size;
}

static int take_file(void *arg, const struct tree_file *f, struct err *reterr)
{
    struct creation *c = arg;
    struct list_file file = {.path = arena_str_dup(&c->arena, str_cstr(f->relative)),
                             .size = (uint64_t)f->st.st_size,
                             .mtime_ns =
                                 f->st.st_mtim.tv_sec * 1000000000LL + f->st.st_mtim.tv_nsec};
    const struct list_file *old = map_get(&c->by_path, str_cstr(f->relative));
    int rc = 0;

    if (file.path.p == NULL || !vec_reserve(&c->files, 1)) {
        return err_set(reterr, ERR_NOMEM, "no memory for the list of a backup");
    }
    if (!list_path_ok(file.path)) {
        return err_set(reterr, ERR_INVALID, "%s: a name that cannot be backed up", f->path);
    }
    if (old != NULL && old->size == file.size && old->mtime_ns == file.mtime_ns &&
        object_there(c, old)) {
        file.hash = old->hash;
    } else {
        rc = take_content(c, f, &file, reterr);
    }
    if (rc == 0) {
        c->files.v[c->files.n++] = file;
        watch_step(&c->watch, &c->progress, file.size);
    }
    return rc;
}

/** What the newest backup knows; a damaged or missing list only costs time. */
static void load_before(struct creation *c)
{
    char name[BACKUP_NAME_MAX];

    if (repo_list(&c->repo, "", &c->arena, &c->before, name, NULL) < 0) {
        c->before.n = 0;
    }
    for (size_t i = 0; i < c->before.n; i++) {
        ignore_result(map_put(&c->by_path, c->before.files[i].path, &c->before.files[i]),
                      "what is not known is read again");
    }
}

/** A name by time that no backup has yet. */
static char *free_name(const struct repo *r, int64_t now_ms, char dst[BACKUP_NAME_MAX])
{
    char text[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(now_ms, text); /* 2026-11-21T14:05:30.123Z */
    for (int k = 1;; k++) {
        char relative[BACKUP_NAME_MAX + 16];
        char *path;
        char suffix[12] = "";

        if (k > 1) {
            snprintf(suffix, sizeof(suffix), "-%d", k);
        }
        snprintf(dst, BACKUP_NAME_MAX, "%.4s%.2s%.2sT%.2s%.2s%.2sZ%s", text, text + 5, text + 8,
                 text + 11, text + 14, text + 17, suffix);
        snprintf(relative, sizeof(relative), "backups/%s", dst);
        path = repo_path(r, relative);
        if (access(path, F_OK) != 0) {
            return path;
        }
        mem_free(path);
    }
}

static int write_list(struct creation *c, int64_t now_ms, struct backup_info *ret,
                      struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = free_name(&c->repo, now_ms, ret->name);
    const struct list l = {.time_ms = now_ms, .files = c->files.v, .n = c->files.n};
    struct buf text CLEANUP(buf_done);

    buf_init(&text, LIST_MAX);
    list_write(&l, &text);
    if (buf_status(&text) < 0) {
        return err_set(reterr, ERR_TOO_LARGE, "too many files for a backup");
    }
    return vfs_write_atomic(vfs_real(), path, buf_str(&text), reterr);
}

static int create_in(struct creation *c, const char *source, int64_t now_ms,
                     struct backup_info *ret, struct err *reterr)
{
    int rc;

    load_before(c);
    rc = tree_walk(source, not_data, count_file, &c->progress, reterr);
    rc = rc < 0 ? rc : tree_walk(source, not_data, take_file, c, reterr);
    rc = rc < 0 ? rc : write_list(c, now_ms, ret, reterr);
    if (rc == 0) {
        ret->time_ms = now_ms;
        ret->files_n = c->progress.files;
        ret->bytes = c->progress.bytes;
        ret->bytes_new = c->bytes_new;
    }
    return rc;
}

int backup_create(const char *repo, const char *source, int64_t now_ms, struct backup_watch watch,
                  struct backup_info *ret, struct err *reterr)
{
    struct creation c = {.watch = watch};
    int rc = repo_open(repo, true, &c.repo, reterr);

    if (rc < 0) {
        return rc;
    }
    arena_init(&c.arena, ARENA_MAX);
    rc = create_in(&c, source, now_ms, ret, reterr);
    vec_done(&c.files);
    map_done(&c.by_path);
    arena_done(&c.arena);
    repo_close(&c.repo);
    return rc;
}

static struct backup_info info_of(const struct list *l, const char *name)
{
    struct backup_info i = {.time_ms = l->time_ms, .files_n = l->n};

    snprintf(i.name, sizeof(i.name), "%s", name);
    for (size_t k = 0; k < l->n; k++) {
        i.bytes += l->files[k].size;
    }
    return i;
}

int backup_list(const char *repo, struct arena *a, struct backup_info **ret, size_t *ret_n,
                struct err *reterr)
{
    struct repo r;
    struct backup_info *v;
    char **names = NULL;
    size_t n = 0;
    int rc = repo_open(repo, false, &r, reterr);

    if (rc < 0) {
        return rc;
    }
    rc = repo_names(&r, &names, &n, reterr);
    v = rc == 0 ? arena_array(a, struct backup_info, n + 1) : NULL;
    for (size_t i = 0; rc == 0 && v != NULL && i < n; i++) {
        struct arena lists;
        struct list l;
        char name[BACKUP_NAME_MAX];

        arena_init(&lists, ARENA_MAX);
        rc = repo_list(&r, names[i], &lists, &l, name, reterr);
        if (rc == 0) {
            v[i] = info_of(&l, name);
        }
        arena_done(&lists);
    }
    if (rc == 0 && v == NULL) {
        rc = err_set(reterr, ERR_NOMEM, "no memory for the list of backups");
    }
    vfs_list_free(names, n);
    repo_close(&r);
    if (rc == 0) {
        *ret = v;
        *ret_n = n;
    }
    return rc;
}

/** Run fn over the checked content of every file of a backup. */
static int each_file(const char *repo, const char *name, struct backup_watch watch,
                     int (*fn)(void *arg, const struct list_file *f, struct str content,
                               struct err *reterr),
                     void *arg, struct backup_info *ret, struct err *reterr)
{
    struct repo r;
    struct arena a;
    struct list l = {0};
    struct backup_progress p = {0};
    char picked[BACKUP_NAME_MAX];
    int rc = repo_open(repo, false, &r, reterr);

    if (rc < 0) {
        return rc;
    }
    arena_init(&a, ARENA_MAX);
    rc = repo_list(&r, name, &a, &l, picked, reterr);
    if (rc == 0) {
        *ret = info_of(&l, picked);
        p.files_n = l.n;
        p.bytes_n = ret->bytes;
    }
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        struct mapping m = {0};

        rc = repo_map(&r, &l.files[i], &m, reterr);
        if (rc == 0 && fn != NULL) {
            rc = fn(arg, &l.files[i], str_of((const char *)m.p, m.n), reterr);
        }
        vfs_unmap(&m);
        watch_step(&watch, &p, l.files[i].size);
    }
    arena_done(&a);
    repo_close(&r);
    return rc;
}

int backup_verify(const char *repo, const char *name, struct backup_watch watch,
                  struct backup_info *ret, struct err *reterr)
{
    return each_file(repo, name, watch, NULL, NULL, ret, reterr);
}

/** The time matters: the next backup of the restored directory skips what it knows. */
static int restore_file(void *arg, const struct list_file *f, struct str content,
                        struct err *reterr)
{
    const char *target = arg;
    size_t n = strlen(target) + f->path.n + 2;
    char *path CLEANUP(mem_free_ptr) = mem_xcalloc(1, n);
    struct timespec times[2] = {{0, UTIME_OMIT},
                                {f->mtime_ns / 1000000000, f->mtime_ns % 1000000000}};
    int rc;

    snprintf(path, n, "%s/%.*s", target, STR_ARG(f->path));
    rc = tree_make_parents(path, reterr);
    rc = rc < 0 ? rc : vfs_write_atomic(vfs_real(), path, content, reterr);
    if (rc == 0 && times[1].tv_nsec >= 0 && utimensat(AT_FDCWD, path, times, 0) < 0) {
        rc = err_set_errno(reterr, errno, "setting the time of %s", path);
    }
    return rc;
}

static int check_target(const char *target, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_mkdirs(vfs_real(), target, reterr);

    rc = rc < 0 ? rc : vfs_list(target, &names, &n, reterr);
    vfs_list_free(names, n);
    if (rc == 0 && n != 0) {
        return err_set(reterr, ERR_EXISTS, "%s is not empty: a restore needs a new directory",
                       target);
    }
    return rc;
}

int backup_restore(const char *repo, const char *name, const char *target,
                   struct backup_watch watch, struct backup_info *ret, struct err *reterr)
{
    int rc = check_target(target, reterr);

    if (rc < 0) {
        return rc;
    }
    rc = each_file(repo, name, watch, restore_file, (void *)(uintptr_t)target, ret, reterr);
    if (rc < 0) {
        ignore_result(vfs_remove_tree(vfs_real(), target, NULL), "the first error counts");
    }
    return rc;
}

struct pruning {
    struct map wanted; /* hex of an object -> anything */
    struct backup_pruned done;
};

static int prune_object(void *arg, const struct tree_file *f, struct err *reterr)
{
    struct pruning *p = arg;
    const char *slash = strrchr(f->path, '/');

    if (map_get(&p->wanted, str_cstr(slash + 1)) != NULL) {
        return 0;
    }
    if (unlink(f->path) < 0) {
        return err_set_errno(reterr, errno, "removing %s", f->path);
    }
    p->done.objects++;
    p->done.bytes += (uint64_t)f->st.st_size;
    return 0;
}

/** Note the objects of a backup that stays. */
static int want_objects(struct pruning *p, const struct repo *r, const char *name, struct arena *a,
                        struct err *reterr)
{
    struct list l;
    char picked[BACKUP_NAME_MAX];
    int rc = repo_list(r, name, a, &l, picked, reterr);

    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        char hex[33];
        struct str key;

        list_hash_hex(l.files[i].hash, hex);
        key = arena_str_dup(a, str_of(hex, 32));
        if (key.p == NULL || map_put(&p->wanted, key, p) < 0) {
            rc = err_set(reterr, ERR_NOMEM, "no memory for the objects of a backup");
        }
    }
    return rc;
}

static int prune_in(struct pruning *p, const struct repo *r, size_t keep, struct arena *a,
                    struct err *reterr)
{
    char *objects CLEANUP(mem_free_ptr) = repo_path(r, "objects");
    char **names = NULL;
    size_t n = 0;
    size_t first; /* that stays */
    int rc = repo_names(r, &names, &n, reterr);

    first = n > keep ? n - keep : 0;
    for (size_t i = first; rc == 0 && i < n; i++) {
        rc = want_objects(p, r, names[i], a, reterr);
    }
    for (size_t i = 0; rc == 0 && i < first; i++) { /* lists first: an object may be missing then */
        char relative[BACKUP_NAME_MAX + 16];
        char *path CLEANUP(mem_free_ptr) = NULL;

        snprintf(relative, sizeof(relative), "backups/%s", names[i]);
        path = repo_path(r, relative);
        if (unlink(path) < 0) {
            rc = err_set_errno(reterr, errno, "removing %s", path);
        } else {
            p->done.backups++;
        }
    }
    rc = rc < 0 ? rc : tree_walk(objects, NULL, prune_object, p, reterr);
    vfs_list_free(names, n);
    return rc;
}

int backup_prune(const char *repo, size_t keep, struct backup_pruned *ret, struct err *reterr)
{
    struct pruning p = {0};
    struct arena a;
    struct repo r;
    int rc;

    if (keep == 0) {
        return err_set(reterr, ERR_INVALID, "at least one backup must be kept");
    }
    rc = repo_open(repo, false, &r, reterr);
    if (rc < 0) {
        return rc;
    }
    arena_init(&a, ARENA_MAX);
    rc = prune_in(&p, &r, keep, &a, reterr);
    map_done(&p.wanted);
    arena_done(&a);
    repo_close(&r);
    if (rc == 0) {
        *ret = p.done;
    }
    return rc;
}
