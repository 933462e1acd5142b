/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of parts and their directories: blocks/<day>/<first flush>-<last flush>. A directory appears
 * under its name only when it is complete; a part whose flushes all lie within a wider part of the day is
 * what a merge left behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "io/quarantine.h"
#include "store/tsdb/tsdb_internal.h"

char *parts_path(const struct tsdb *db, const struct part_info *info, const char *suffix)
{
    char name[80];

    snprintf(name, sizeof(name), "%lld/%08llu-%08llu%s", (long long)info->day,
             (unsigned long long)info->seq_lo, (unsigned long long)info->seq_hi, suffix);
    return vfs_join(db->blocks_dir, name);
}

static bool before(const struct part_info *a, const struct part_info *b)
{
    if (a->day != b->day) {
        return a->day < b->day;
    }
    return a->seq_lo < b->seq_lo;
}

/** Insert in order. Under the write lock. */
static bool insert_locked(struct tsdb *db, struct part *p)
{
    size_t at = db->parts.n;

    if (!vec_reserve(&db->parts, 1)) {
        return false;
    }
    while (at > 0 && before(part_info(p), part_info(db->parts.v[at - 1]))) {
        db->parts.v[at] = db->parts.v[at - 1];
        at--;
    }
    db->parts.v[at] = p;
    db->parts.n++;
    return true;
}

static bool within(const struct part_info *a, const struct part_info *b)
{
    return a->day == b->day && a->seq_lo >= b->seq_lo && a->seq_hi <= b->seq_hi;
}

/** Remove what a crash between a merge and its cleaning left. */
static void drop_merged(struct tsdb *db)
{
    for (size_t i = 0; i < db->parts.n;) {
        bool covered = false;

        for (size_t k = 0; k < db->parts.n && !covered; k++) {
            covered = k != i && within(part_info(db->parts.v[i]), part_info(db->parts.v[k]));
        }
        if (!covered) {
            i++;
            continue;
        }
        log_info("tsdb", "removing a part that was merged",
                 L_CSTR("dir", part_dir(db->parts.v[i])));
        part_remove_on_free(db->parts.v[i], db->vfs);
        part_unref(db->parts.v[i]);
        db->parts.n--;
        memmove(&db->parts.v[i], &db->parts.v[i + 1], (db->parts.n - i) * sizeof(*db->parts.v));
    }
}

/** Only what a part's or a day's name can be made of; anything else in the folder is left alone. */
static bool is_ours(const char *name)
{
    size_t n = strspn(name, "0123456789-");

    return n != 0 && (name[n] == '\0' || strcmp(name + n, ".tmp") == 0 ||
                      strcmp(name + n, PART_GONE_SUFFIX) == 0);
}

/** Numbers of a part from its name, also when its footer cannot be read: they must not be given again. */
static void skip_numbers(struct tsdb *db, const char *dir)
{
    const char *dash = strrchr(dir, '-');
    uint64_t hi = 0;

    if (dash != NULL && str_to_u64(str_cstr(dash + 1), &hi) && hi >= db->next_seq) {
        db->next_seq = hi + 1;
    }
}

int part_open_or_quarantine(struct tsdb *db, const char *dir, struct part **ret, struct err *reterr)
{
    struct err e = {0};
    int rc = part_open(dir, ret, &e);

    if (rc == -ERR_CORRUPT || rc == -ERR_NOT_FOUND) {
        log_error("tsdb", "damaged part put aside, going on without it", L_CSTR("dir", dir),
                  L_CSTR("error", e.msg));
        skip_numbers(db, dir);
        rc = quarantine_move(db->vfs, db->dir, dir, reterr);
        return rc < 0 ? rc : 1;
    }
    if (rc < 0 && reterr != NULL) {
        *reterr = e;
    }
    return rc;
}

static int load_one(struct tsdb *db, const char *dir, struct err *reterr)
{
    struct part *p = NULL;
    int rc;

    if (str_ends(str_cstr(dir), STR(".tmp")) || str_ends(str_cstr(dir), STR(PART_GONE_SUFFIX))) {
        return vfs_remove_tree(db->vfs, dir, reterr);
    }
    rc = part_open_or_quarantine(db, dir, &p, reterr);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    if (part_info(p)->seq_hi >= db->next_seq) {
        db->next_seq = part_info(p)->seq_hi + 1;
    }
    if (!insert_locked(db, p)) {
        part_unref(p);
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    return 0;
}

static int load_day(struct tsdb *db, const char *dir, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path;

        if (!is_ours(names[i])) {
            log_warn("tsdb", "not a part, left alone", L_CSTR("name", names[i]));
            continue;
        }
        path = vfs_join(dir, names[i]);
        rc = load_one(db, path, reterr);
        mem_free(path);
    }
    vfs_list_free(names, n);
    return rc;
}

int parts_load(struct tsdb *db, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(db->blocks_dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path;

        if (!is_ours(names[i])) {
            log_warn("tsdb", "not a day of parts, left alone", L_CSTR("name", names[i]));
            continue;
        }
        path = vfs_join(db->blocks_dir, names[i]);
        rc = load_day(db, path, reterr);
        mem_free(path);
    }
    vfs_list_free(names, n);
    if (rc == 0) {
        drop_merged(db);
    }
    return rc;
}

void parts_done(struct tsdb *db)
{
    parts_release(db->parts.v, db->parts.n);
    db->parts.v = NULL;
    vec_done(&db->parts);
}

int parts_snapshot(struct tsdb *db, int64_t min_ms, int64_t max_ms, struct part ***ret,
                   size_t *ret_n)
{
    struct part **v;
    size_t n = 0;

    rwlock_read(&db->parts_lock);
    v = mem_try_alloc(db->parts.n * sizeof(struct part *));
    for (size_t i = 0; v != NULL && i < db->parts.n; i++) {
        const struct part_info *info = part_info(db->parts.v[i]);

        if (info->max_ms >= min_ms && info->min_ms <= max_ms) {
            v[n++] = part_ref(db->parts.v[i]);
        }
    }
    rwlock_unlock(&db->parts_lock);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

void parts_release(struct part **v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        part_unref(v[i]);
    }
    mem_free(v);
}

int parts_replace(struct tsdb *db, struct part *const *old, size_t old_n, struct part *add)
{
    size_t kept = 0;
    bool ok;

    rwlock_write(&db->parts_lock);
    ok = add == NULL || vec_reserve(&db->parts, 1);
    for (size_t i = 0; ok && i < db->parts.n; i++) {
        bool drop = false;

        for (size_t k = 0; k < old_n && !drop; k++) {
            drop = db->parts.v[i] == old[k];
        }
        if (!drop) {
            db->parts.v[kept++] = db->parts.v[i];
        }
    }
    if (ok) {
        db->parts.n = kept;
        ok = add == NULL || insert_locked(db, add); /* reserved: does not fail */
    }
    rwlock_unlock(&db->parts_lock);
    if (!ok) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < old_n; i++) { /* the list's own references */
        part_remove_on_free(old[i], db->vfs);
        part_unref(old[i]);
    }
    return 0;
}

int parts_publish(struct tsdb *db, const char *tmp, const struct part_info *info, struct part **ret,
                  struct err *reterr)
{
    char *path = parts_path(db, info, "");
    char *day = mem_xstrdup(path);
    int rc;

    *strrchr(day, '/') = '\0';
    rc = part_remove_dir(db->vfs, path, reterr); /* of an attempt that failed after its rename */
    if (rc == 0) {
        rc = db->vfs->rename(db->vfs->ctx, tmp, path);
        rc = rc < 0 ? err_set_errno(reterr, -rc, "renaming %s", tmp) : 0;
    }
    if (rc == 0) {
        int r = db->vfs->sync_dir(db->vfs->ctx, day);

        r = r == 0 ? db->vfs->sync_dir(db->vfs->ctx, db->blocks_dir) : r;
        rc = r < 0 ? err_set_errno(reterr, -r, "syncing %s", day) : 0;
    }
    rc = rc == 0 ? part_open(path, ret, reterr) : rc;
    mem_free(day);
    mem_free(path);
    return rc;
}
