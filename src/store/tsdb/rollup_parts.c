/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiers' directories, rollup/<tier>/<day>/<first flush>-<last flush>, with the rules of the raw parts: complete
 * under its name or not there, a part within the range of another of its day is a leftover.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "store/tsdb/rollup_internal.h"
#include "store/tsdb/tombstones.h"

char *tier_path(const struct tier *t, const struct part_info *info, const char *suffix)
{
    char name[80];

    snprintf(name, sizeof(name), "%lld/%08llu-%08llu%s", (long long)info->day,
             (unsigned long long)info->seq_lo, (unsigned long long)info->seq_hi, suffix);
    return vfs_join(t->dir, name);
}

/* ---- lists ---- */

static bool within(const struct part_info *a, const struct part_info *b)
{
    return a->day == b->day && a->seq_lo >= b->seq_lo && a->seq_hi <= b->seq_hi;
}

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

bool part_list_covers(const part_list *l, const struct part_info *p)
{
    for (size_t i = part_list_day(l->v, l->n, p->day);
         i < l->n && part_info(l->v[i])->day == p->day; i++) {
        if (within(p, part_info(l->v[i]))) {
            return true;
        }
    }
    return false;
}

static void remove_day_dir(struct tsdb *db, const char *root, int64_t day)
{
    char name[32];
    char *path;

    snprintf(name, sizeof(name), "%lld", (long long)day);
    path = vfs_join(root, name);
    ignore_result(db->vfs->rmdir(db->vfs->ctx, path), "other parts of the day may be there");
    mem_free(path);
}

/* ---- loading ---- */

/** Only what a part's or a day's name can be made of; anything else in the folder is left alone. */
static bool is_ours(const char *name)
{
    size_t n = strspn(name, "0123456789-");

    return n != 0 && (name[n] == '\0' || strcmp(name + n, ".tmp") == 0 ||
                      strcmp(name + n, PART_GONE_SUFFIX) == 0);
}

static int load_one(struct tsdb *db, struct tier *t, const char *dir, struct err *reterr)
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
    if (part_info(p)->seq_hi >=
        db->next_seq) { /* its raw parts may be gone: never use a number again */
        db->next_seq = part_info(p)->seq_hi + 1;
    }
    if (!part_list_insert(&t->parts, p)) {
        part_unref(p);
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    return 0;
}

static int each_ours(const char *dir, struct tsdb *db, struct tier *t,
                     int (*fn)(struct tsdb *db, struct tier *t, const char *dir,
                               struct err *reterr),
                     struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path;

        if (!is_ours(names[i])) {
            log_warn("tsdb", "not a roll-up, left alone", L_CSTR("name", names[i]));
            continue;
        }
        path = vfs_join(dir, names[i]);
        rc = fn(db, t, path, reterr);
        mem_free(path);
    }
    vfs_list_free(names, n);
    return rc;
}

static int load_day(struct tsdb *db, struct tier *t, const char *dir, struct err *reterr)
{
    return each_ours(dir, db, t, load_one, reterr);
}

static void take_out(struct tsdb *db, part_list *l, size_t i)
{
    struct part *p = l->v[i];

    l->n--;
    memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(*l->v));
    part_remove_on_free(p, db->vfs);
    part_unref(p);
}

static void drop_leftovers(struct tsdb *db, struct tier *t)
{
    for (size_t i = 0; i < t->parts.n;) {
        bool covered = false;

        for (size_t k = i > 8 ? i - 8 : 0; k < t->parts.n && k <= i + 8 && !covered; k++) {
            covered = k != i && within(part_info(t->parts.v[i]), part_info(t->parts.v[k]));
        }
        if (covered) {
            take_out(db, &t->parts, i);
        } else {
            i++;
        }
    }
}

/** A drop of a day's raw parts that a crash interrupted: the rest goes, too, as its roll-up has all of it. */
static void end_drops(struct tsdb *db, const struct tier *t)
{
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *roll = part_info(t->parts.v[i]);
        size_t at = part_list_day(db->parts.v, db->parts.n, roll->day);

        if (at == db->parts.n || part_info(db->parts.v[at])->day != roll->day ||
            part_info(db->parts.v[at])->seq_lo <= roll->seq_lo) {
            continue;
        }
        while (at < db->parts.n && within(part_info(db->parts.v[at]), roll)) {
            struct part *p = db->parts.v[at];

            log_info("tsdb", "removing what an interrupted drop left", L_CSTR("dir", part_dir(p)));
            db->parts.n--;
            memmove(&db->parts.v[at], &db->parts.v[at + 1],
                    (db->parts.n - at) * sizeof(*db->parts.v));
            part_remove_on_free(p, db->vfs);
            part_unref(p);
        }
    }
}

static int open_tier(struct tsdb *db, struct tier *t, const char *name, struct err *reterr)
{
    char *root = vfs_join(db->dir, "rollup");
    int rc;

    t->dir = vfs_join(root, name);
    mem_free(root);
    rc = vfs_mkdirs(db->vfs, t->dir, reterr);
    rc = rc == 0 ? each_ours(t->dir, db, t, load_day, reterr) : rc;
    if (rc == 0) {
        drop_leftovers(db, t);
        end_drops(db, t);
    }
    return rc;
}

int rollups_open(struct tsdb *db, const struct tsdb_opts *opts, struct err *reterr)
{
    static const struct {
        const char *name;
        int64_t resolution_ms;
    } TIERS[TSDB_TIERS] = {{"raw", 0}, {"1m", 60000}, {"5m", 300000}, {"1h", 3600000}};
    struct rollups *r = mem_xcalloc(1, sizeof(*r));
    int rc = 0;

    r->db = db;
    r->mode = opts->rollups;
    r->quiet_ms = opts->rollup_quiet_ms > 0 ? opts->rollup_quiet_ms : 10000;
    mutex_init(&r->make_lock, (enum lock_rank)(LOCK_RANK_STORE - 1));
    r->days = stats_counter(opts->stats, "bongsu_tsdb_rollups_total", "",
                            "Days (or what came late to them) rolled up.");
    r->errors =
        stats_counter(opts->stats, "bongsu_tsdb_rollup_errors_total", "", "Roll-ups that failed.");
    r->time = stats_timing(opts->stats, "bongsu_tsdb_rollup_seconds", "", "Duration of roll-ups.");
    db->rollups = r;
    r->tiers[TSDB_RAW].retention_ms = opts->retention_ms;
    for (int i = TSDB_1M; rc == 0 && i < TSDB_TIERS; i++) {
        r->tiers[i].resolution_ms = TIERS[i].resolution_ms;
        r->tiers[i].retention_ms = opts->rollup_retention_ms[i - TSDB_1M];
        rc = open_tier(db, &r->tiers[i], TIERS[i].name, reterr);
    }
    rollup_bounds_locked(db); /* alone: nothing else runs yet */
    return rc;
}

void rollups_close(struct tsdb *db)
{
    struct rollups *r = db->rollups;

    if (r == NULL) {
        return;
    }
    for (int i = TSDB_1M; i < TSDB_TIERS; i++) {
        parts_release(r->tiers[i].parts.v, r->tiers[i].parts.n);
        mem_free(r->tiers[i].dir);
    }
    vec_done(&r->pending);
    mutex_done(&r->make_lock);
    mem_free(r);
    db->rollups = NULL;
}

/* ---- changing ---- */

static int rename_into_place(struct tsdb *db, const struct tier *t, const char *tmp,
                             const char *path, struct err *reterr)
{
    char *day = mem_xstrdup(path);
    int rc =
        part_remove_dir(db->vfs, path, reterr); /* of an attempt that failed after its rename */

    *strrchr(day, '/') = '\0';
    if (rc == 0) {
        rc = db->vfs->rename(db->vfs->ctx, tmp, path);
        rc = rc < 0 ? err_set_errno(reterr, -rc, "renaming %s", tmp) : 0;
    }
    if (rc == 0) {
        int r = db->vfs->sync_dir(db->vfs->ctx, day);

        r = r == 0 ? db->vfs->sync_dir(db->vfs->ctx, t->dir) : r;
        rc = r < 0 ? err_set_errno(reterr, -r, "syncing %s", day) : 0;
    }
    mem_free(day);
    return rc;
}

int tier_publish(struct tsdb *db, struct tier *t, const char *tmp, const struct part_info *info,
                 struct err *reterr)
{
    char *path = tier_path(t, info, "");
    part_list old = {0};
    struct part *p = NULL;
    int rc = rename_into_place(db, t, tmp, path, reterr);
    bool ok;

    rc = rc == 0 ? part_open(path, &p, reterr) : rc;
    mem_free(path);
    if (rc < 0) {
        return rc;
    }
    mutex_lock(&db->merge_lock); /* a deletion either marked the samples before or finds the part */
    rc = tombstones_mark_part(db, p);
    if (rc < 0) {
        mutex_unlock(&db->merge_lock);
        part_unref(p);
        return err_set(reterr, (enum err_code) - rc, "deletions in a roll-up: %s", err_text(rc));
    }
    rwlock_write(&db->parts_lock);
    ok = vec_reserve(&t->parts, 1) && vec_reserve(&old, t->parts.n);
    for (size_t i = 0; ok && i < t->parts.n;) {
        if (!within(part_info(t->parts.v[i]), info)) {
            i++;
            continue;
        }
        old.v[old.n++] = t->parts.v[i];
        t->parts.n--;
        memmove(&t->parts.v[i], &t->parts.v[i + 1], (t->parts.n - i) * sizeof(*t->parts.v));
    }
    ok = ok && part_list_insert(&t->parts, p); /* reserved: does not fail */
    rollup_bounds_locked(db);
    rwlock_unlock(&db->parts_lock);
    mutex_unlock(&db->merge_lock);
    for (size_t i = 0; i < old.n; i++) {
        part_remove_on_free(old.v[i], db->vfs);
        part_unref(old.v[i]);
    }
    vec_done(&old);
    if (!ok) {
        part_unref(p);
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    return 0;
}

uint64_t tier_drop_day(struct tsdb *db, struct tier *t, int64_t day, const char *why)
{
    uint64_t bytes = 0;
    bool more = true;

    while (more) {
        struct part *p = NULL;
        size_t at;

        rwlock_write(&db->parts_lock);
        at = part_list_day(t->parts.v, t->parts.n, day);
        more = at < t->parts.n && part_info(t->parts.v[at])->day == day;
        if (more) {
            p = t->parts.v[at];
            t->parts.n--;
            memmove(&t->parts.v[at], &t->parts.v[at + 1], (t->parts.n - at) * sizeof(*t->parts.v));
        }
        rollup_bounds_locked(db);
        rwlock_unlock(&db->parts_lock);
        if (p != NULL) {
            bytes += part_info(p)->bytes;
            log_info("tsdb", "roll-up dropped", L_CSTR("why", why), L_CSTR("dir", part_dir(p)),
                     L_INT("bytes", part_info(p)->bytes));
            part_remove_on_free(p, db->vfs);
            part_unref(p);
        }
    }
    remove_day_dir(db, t->dir, day);
    return bytes;
}

uint64_t raw_drop_day_locked(struct tsdb *db, int64_t day, const char *why)
{
    uint64_t bytes = 0;

    for (;;) {
        struct part *p = NULL;
        size_t at;

        rwlock_read(&db->parts_lock);
        at = part_list_day(db->parts.v, db->parts.n, day);
        if (at < db->parts.n && part_info(db->parts.v[at])->day == day) {
            p = db->parts.v[at]; /* stays: only merge_lock's holder removes */
        }
        rwlock_unlock(&db->parts_lock);
        if (p == NULL) {
            break;
        }
        log_info("tsdb", "part dropped", L_CSTR("why", why), L_INT("day", day),
                 L_INT("samples", part_info(p)->samples_n), L_INT("bytes", part_info(p)->bytes));
        bytes += part_info(p)->bytes;
        if (parts_replace(db, &p, 1, NULL) < 0) {
            break;
        }
        rwlock_write(&db->parts_lock);
        rollup_bounds_locked(db);
        rwlock_unlock(&db->parts_lock);
    }
    remove_day_dir(db, db->blocks_dir, day);
    return bytes;
}
