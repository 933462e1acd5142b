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
        while (at < db->parts.n && part_within(part_info(db->parts.v[at]), roll)) {
            struct part *p = part_list_take(&db->parts, at);

            log_info("tsdb", "removing what an interrupted drop left", L_CSTR("dir", part_dir(p)));
            part_drop(db, p);
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
    rc = rc == 0 ? parts_load(db, t->dir, &t->parts, reterr) : rc;
    if (rc == 0) {
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

int tier_publish(struct tsdb *db, struct tier *t, const char *tmp, const struct part_info *info,
                 struct err *reterr)
{
    part_list old = {0};
    struct part *p = NULL;
    int rc = parts_publish(db, t->dir, tmp, info, &p, reterr);
    bool ok;

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
        if (part_within(part_info(t->parts.v[i]), info)) {
            old.v[old.n++] = part_list_take(&t->parts, i);
        } else {
            i++;
        }
    }
    ok = ok && part_list_insert(&t->parts, p); /* reserved: does not fail */
    rollup_bounds_locked(db);
    rwlock_unlock(&db->parts_lock);
    mutex_unlock(&db->merge_lock);
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
