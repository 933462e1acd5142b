/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiers' directories, rollup/<tier>/<day>/<first flush>-<last flush>, with the rules of the raw parts: complete
 * under its name or not there, a part within the range of another of its day is a leftover.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/tsdb/rollup_internal.h"
#include "store/tsdb/tombstones.h"

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

/** Is a raw part in every tier that has its day? */
static bool in_tiers_there(const struct tsdb *db, const struct part_info *p)
{
    bool all = true;

    for (int k = TSDB_1M; all && k < TSDB_TIERS; k++) {
        const struct tier *t = &db->rollups->tiers[k];
        size_t at = part_list_day(t->parts.v, t->parts.n, p->day);
        bool there = at < t->parts.n && part_info(t->parts.v[at])->day == p->day;

        all = !there || part_list_covers(&t->parts, p);
    }
    return all;
}

/** Is a raw part in every tier from `finest` on, but for those that keep the day no longer? */
static bool in_tiers_from(const struct tsdb *db, const struct part_info *p, int finest)
{
    int64_t now = clock_wall_ms();
    bool all = true;

    for (int k = finest; all && k < TSDB_TIERS; k++) {
        const struct tier *t = &db->rollups->tiers[k];

        all = tier_expired(t, p->day, now) || part_list_covers(&t->parts, p);
    }
    return all;
}

/** Drops of a day's raw parts that a crash interrupted: the rest goes, too, as the day's roll-ups have all of it. */
static void end_drops(struct tsdb *db)
{
    for (size_t i = 0; i < db->parts.n;) {
        const struct part_info *p = part_info(db->parts.v[i]);

        if (rollup_is_lost_locked(db, p->day) && in_tiers_there(db, p)) {
            struct part *gone = part_list_take(&db->parts, i);

            log_info("tsdb", "removing what an interrupted drop left",
                     L_CSTR("dir", part_dir(gone)));
            part_drop(db, gone);
        } else {
            i++;
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
    return rc == 0 ? parts_load(db, t->dir, &t->parts, reterr) : rc;
}

/** How old a sample may be: as the longest retention; 0: any age. */
static int64_t longest_retention(const struct rollups *r)
{
    int64_t longest = r->tiers[TSDB_RAW].retention_ms;

    for (int k = TSDB_1M; longest > 0 && k < TSDB_TIERS; k++) {
        int64_t ms = r->tiers[k].retention_ms;

        longest = ms <= 0 ? 0 : ms > longest ? ms : longest;
    }
    return longest;
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
    r->closed =
        stats_counter(opts->stats, "bongsu_tsdb_late_samples_closed_total", "",
                      "Late samples left out of roll-ups: their bucket may have had them already.");
    r->time = stats_timing(opts->stats, "bongsu_tsdb_rollup_seconds", "", "Duration of roll-ups.");
    db->rollups = r;
    r->tiers[TSDB_RAW].retention_ms = opts->retention_ms;
    for (int i = TSDB_1M; rc == 0 && i < TSDB_TIERS; i++) {
        r->tiers[i].resolution_ms = TIERS[i].resolution_ms;
        r->tiers[i].retention_ms = opts->rollup_retention_ms[i - TSDB_1M];
        rc = open_tier(db, &r->tiers[i], TIERS[i].name, reterr);
    }
    db->admit_ms = longest_retention(r);
    if (rc == 0) { /* alone: nothing else runs yet */
        end_drops(db);
        rollup_bounds_locked(db);
    }
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

int tier_publish_locked(struct tsdb *db, struct tier *t, const char *tmp,
                        const struct part_info *info, struct err *reterr)
{
    part_list old = {0};
    struct part *p = NULL;
    int rc = parts_publish(db, t->dir, tmp, info, &p, reterr);
    bool ok;

    if (rc < 0) {
        return rc;
    }
    rc = tombstones_mark_part(db, p);
    if (rc < 0) {
        part_unref(p);
        return err_set(reterr, (enum err_code) - rc, "deletions in a roll-up: %s", err_text(rc));
    }
    rwlock_write(&db->parts_lock);
    ok = vec_reserve(&t->parts, 1) && vec_reserve(&old, t->parts.n);
    for (size_t i = 0; ok && i < t->parts.n;) {
        if (part_within(part_info(t->parts.v[i]), info)) {
            old.v[old.n++] = part_list_take(&t->parts, i);
        } else {
            i++;
        }
    }
    ok = ok && part_list_insert(&t->parts, p); /* reserved: does not fail */
    rollup_bounds_locked(db);
    rwlock_unlock(&db->parts_lock);
    for (size_t i = 0; i < old.n; i++) {
        part_drop(db, old.v[i]);
    }
    vec_done(&old);
    if (!ok) {
        part_unref(p);
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    return 0;
}

int tier_publish(struct tsdb *db, struct tier *t, const char *tmp, const struct part_info *info,
                 struct err *reterr)
{
    int rc;

    mutex_lock(&db->merge_lock); /* a deletion either marked the samples before or finds the part */
    rc = tier_publish_locked(db, t, tmp, info, reterr);
    mutex_unlock(&db->merge_lock);
    return rc;
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
            p = part_list_take(&t->parts, at);
        }
        rollup_bounds_locked(db);
        rwlock_unlock(&db->parts_lock);
        if (p != NULL) {
            bytes += part_info(p)->bytes;
            log_info("tsdb", "roll-up dropped", L_CSTR("why", why), L_CSTR("dir", part_dir(p)),
                     L_INT("bytes", part_info(p)->bytes));
            part_drop(db, p);
        }
    }
    remove_day_dir(db, t->dir, day);
    return bytes;
}

uint64_t raw_drop_day_locked(struct tsdb *db, int64_t day, int finest, const char *why)
{
    uint64_t bytes = 0;
    bool more = true;

    while (more) {
        struct part *p = NULL;
        size_t at;

        rwlock_write(&db->parts_lock); /* the part and what it means for queries in one step */
        at = part_list_day(db->parts.v, db->parts.n, day);
        more = at < db->parts.n && part_info(db->parts.v[at])->day == day &&
               (finest == TSDB_RAW || in_tiers_from(db, part_info(db->parts.v[at]), finest));
        if (more) {
            p = part_list_take(&db->parts, at);
            rollup_bounds_locked(db);
        }
        rwlock_unlock(&db->parts_lock);
        if (p != NULL) {
            log_info("tsdb", "part dropped", L_CSTR("why", why), L_INT("day", day),
                     L_INT("samples", part_info(p)->samples_n),
                     L_INT("bytes", part_info(p)->bytes));
            bytes += part_info(p)->bytes;
            part_drop(db, p);
        }
    }
    remove_day_dir(db, db->blocks_dir, day);
    return bytes;
}
