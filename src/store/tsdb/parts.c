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

char *parts_path(const char *root, const struct part_info *info, const char *suffix)
{
    char name[80];

    snprintf(name, sizeof(name), "%lld/%08llu-%08llu%s", (long long)info->day,
             (unsigned long long)info->seq_lo, (unsigned long long)info->seq_hi, suffix);
    return vfs_join(root, name);
}

/* ---- lists ---- */

size_t part_list_day(struct part *const *v, size_t n, int64_t day)
{
    size_t lo = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (part_info(v[lo + half])->day < day) {
            lo += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return lo;
}

bool part_list_insert(part_list *l, struct part *p)
{
    const struct part_info *info = part_info(p);
    size_t at = l->n;

    if (!vec_reserve(l, 1)) {
        return false;
    }
    while (at > 0 && (part_info(l->v[at - 1])->day > info->day ||
                      (part_info(l->v[at - 1])->day == info->day &&
                       part_info(l->v[at - 1])->seq_lo > info->seq_lo))) {
        l->v[at] = l->v[at - 1];
        at--;
    }
    l->v[at] = p;
    l->n++;
    return true;
}

struct part *part_list_take(part_list *l, size_t i)
{
    struct part *p = l->v[i];

    l->n--;
    memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(struct part *));
    return p;
}

bool part_list_covers(const part_list *l, const struct part_info *p)
{
    for (size_t i = part_list_day(l->v, l->n, p->day);
         i < l->n && part_info(l->v[i])->day == p->day; i++) {
        if (part_within(p, part_info(l->v[i]))) {
            return true;
        }
    }
    return false;
}

void part_drop(struct tsdb *db, struct part *p)
{
    part_remove_on_free(p, db->vfs);
    part_unref(p);
}

/* ---- loading ---- */

/** Is [i] within another? In order of seq_lo that is the one before it, or one that starts with the same flush. */
static bool is_merged(const part_list *l, size_t i)
{
    const struct part_info *p = part_info(l->v[i]);
    bool merged = i > 0 && part_within(p, part_info(l->v[i - 1]));

    for (size_t k = i + 1; !merged && k < l->n && part_info(l->v[k])->day == p->day &&
                           part_info(l->v[k])->seq_lo == p->seq_lo;
         k++) {
        merged = part_within(p, part_info(l->v[k]));
    }
    return merged;
}

/** Remove what a crash between a merge and its cleaning left. */
static void drop_merged(struct tsdb *db, part_list *l)
{
    for (size_t i = 0; i < l->n;) {
        if (is_merged(l, i)) {
            struct part *p = part_list_take(l, i);

            log_info("tsdb", "removing a part that was merged", L_CSTR("dir", part_dir(p)));
            part_drop(db, p);
        } else {
            i++;
        }
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

static int load_one(struct tsdb *db, part_list *l, const char *dir, struct err *reterr)
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
    if (part_info(p)->seq_hi >= db->next_seq) { /* of a roll-up, too: its raw parts may be gone */
        db->next_seq = part_info(p)->seq_hi + 1;
    }
    if (!part_list_insert(l, p)) {
        part_unref(p);
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    return 0;
}

/** Call fn for whatever in `dir` can be ours. */
static int each_ours(struct tsdb *db, part_list *l, const char *dir,
                     int (*fn)(struct tsdb *db, part_list *l, const char *dir, struct err *reterr),
                     struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(dir, names[i]);

        if (is_ours(names[i])) {
            rc = fn(db, l, path, reterr);
        } else {
            log_warn("tsdb", "not a part or a day of parts, left alone", L_CSTR("path", path));
        }
    }
    vfs_list_free(names, n);
    return rc;
}

static int load_day(struct tsdb *db, part_list *l, const char *dir, struct err *reterr)
{
    return each_ours(db, l, dir, load_one, reterr);
}

int parts_load(struct tsdb *db, const char *root, part_list *l, struct err *reterr)
{
    int rc = each_ours(db, l, root, load_day, reterr);

    if (rc == 0) {
        drop_merged(db, l);
    }
    return rc;
}

/* ---- changing ---- */

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
        ok = add == NULL || part_list_insert(&db->parts, add); /* reserved: does not fail */
    }
    rwlock_unlock(&db->parts_lock);
    if (!ok) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < old_n; i++) { /* the list's own references */
        part_drop(db, old[i]);
    }
    return 0;
}

int parts_publish(struct tsdb *db, const char *root, const char *tmp, const struct part_info *info,
                  struct part **ret, struct err *reterr)
{
    char *path = parts_path(root, info, "");
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

        r = r == 0 ? db->vfs->sync_dir(db->vfs->ctx, root) : r;
        rc = r < 0 ? err_set_errno(reterr, -r, "syncing %s", day) : 0;
    }
    rc = rc == 0 ? part_open(path, ret, reterr) : rc;
    mem_free(day);
    mem_free(path);
    return rc;
}
