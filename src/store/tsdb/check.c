/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything here reads files through the same functions as queries do, so what passes can be queried.
 */
#include "store/tsdb/check.h"

#include <stdio.h>

#include "io/quarantine.h"
#include "store/tsdb/rollup.h"
#include "store/tsdb/tiers.h"
#include "store/tsdb/tsdb_internal.h"
#include "store/wal/wal_check.h"

static const size_t ARENA_MAX = 64u << 20;

struct checker {
    const char *dir;
    const struct check_report *report;
    int64_t resolution_ms; /* of the tier; 0: raw */
};

/** One part while it is walked. */
struct part_check {
    const struct checker *c;
    struct part *part;
    struct part_writer *salvage; /* NULL: only looking */
    struct samples samples;
    struct rollup rollup;
    struct arena arena; /* labels of this series and of the one before */
    struct arena before_arena;
    struct labels before;
    uint64_t rows, lost_series;
    struct err first; /* damage */
};

static int decode_blob(void *arg, struct str bytes)
{
    struct part_check *k = arg;

    return rollup_decode(bytes, k->c->resolution_ms, ROLLUP_ALL, &k->rollup);
}

static int read_values(struct part_check *k, const struct part_cursor *at, struct err *e)
{
    int rc;

    if (k->c->resolution_ms != 0) {
        rc = part_read_blob(at, decode_blob, k, e);
        k->rows += rc == 0 ? k->rollup.buckets.n : 0;
        return rc;
    }
    k->samples.n = 0;
    rc = part_read(at, INT64_MIN, INT64_MAX, &k->samples, e);
    k->rows += rc == 0 ? k->samples.n : 0;
    return rc;
}

static int keep_series(struct part_check *k, struct labels labels, struct err *reterr)
{
    return k->salvage == NULL || k->samples.n == 0
               ? 0
               : part_writer_add(k->salvage, labels, k->samples.t_ms, k->samples.v, k->samples.n,
                                 reterr);
}

static int check_series(struct part_check *k, struct part_cursor *at, uint32_t number,
                        struct err *reterr)
{
    struct labels labels = {0};
    struct arena swap;
    struct err e = {0};
    int rc = part_seek(at, number);

    arena_reset(&k->arena);
    rc = rc < 0 ? err_set(&e, (enum err_code) - rc, "series %u of the index", number)
                : part_labels(at, &k->arena, &labels);
    if (rc == 0 && k->before.n != 0 && labels_cmp(k->before, labels) >= 0) {
        rc = err_set(&e, ERR_CORRUPT, "series %u is out of order", number);
    }
    rc = rc < 0 ? rc : read_values(k, at, &e);
    if (rc == -ERR_NOMEM) {
        return err_set(reterr, ERR_NOMEM, "no memory to check %s", part_dir(k->part));
    }
    if (rc < 0) {
        k->lost_series++;
        if (k->first.code == 0) {
            k->first = e;
            k->first.code = -rc;
        }
        return 0;
    }
    rc = keep_series(k, labels, reterr);
    swap = k->arena;
    k->arena = k->before_arena;
    k->before_arena = swap;
    k->before = labels;
    return rc;
}

/** Walk a part. Damage is noted in `k`; an error is one of the check itself. */
static int walk(struct part_check *k, struct err *reterr)
{
    struct part_cursor *at = mem_try_alloc(sizeof(*at));
    uint64_t n = part_info(k->part)->series_n;
    int rc = 0;

    if (at == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to check %s", part_dir(k->part));
    }
    arena_init(&k->arena, ARENA_MAX);
    arena_init(&k->before_arena, ARENA_MAX);
    part_cursor_init(at, k->part);
    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        rc = check_series(k, at, (uint32_t)i, reterr);
    }
    arena_done(&k->arena);
    arena_done(&k->before_arena);
    samples_done(&k->samples);
    rollup_done(&k->rollup);
    mem_free(at);
    return rc;
}

/** Write what can be read of a raw part beside it. @return the new directory, NULL on failure */
static char *salvage(const struct checker *c, struct part *p, struct part_check *ret,
                     struct err *reterr)
{
    char *tmp = mem_xcalloc(1, strlen(part_dir(p)) + 5);
    struct part_info info = *part_info(p);
    struct part_check k = {.c = c, .part = p};
    int rc;

    snprintf(tmp, strlen(part_dir(p)) + 5, "%s.tmp", part_dir(p));
    rc = vfs_remove_tree(vfs_real(), tmp, reterr);
    rc = rc < 0 ? rc : part_writer_new(vfs_real(), tmp, &info, &k.salvage, reterr);
    rc = rc < 0 ? rc : walk(&k, reterr);
    rc = rc < 0 ? rc : part_writer_finish(k.salvage, &info, reterr);
    part_writer_free(k.salvage);
    if (rc < 0) {
        mem_free(tmp);
        return NULL;
    }
    *ret = k;
    return tmp;
}

static int put_aside(const struct checker *c, const char *dir, const char *damage,
                     struct err *reterr)
{
    char detail[700];
    int rc = quarantine_move(vfs_real(), c->dir, dir, reterr);

    if (rc == 0) {
        snprintf(detail, sizeof(detail), "%s; moved to %s/" QUARANTINE_DIR, damage, c->dir);
        check_say(c->report, CHECK_REPAIRED, dir, detail, 0, 0);
    }
    return rc;
}

static int mend_raw(const struct checker *c, struct part *p, const char *damage, struct err *reterr)
{
    struct part_check kept = {0};
    char *dir CLEANUP(mem_free_ptr) = mem_xstrdup(part_dir(p));
    char *tmp CLEANUP(mem_free_ptr) = salvage(c, p, &kept, reterr);
    char detail[700];
    int rc = tmp == NULL ? -ERR_IO : quarantine_move(vfs_real(), c->dir, dir, reterr);

    if (rc == 0) {
        rc = vfs_real()->rename(vfs_real()->ctx, tmp, dir);
        rc = rc < 0 ? err_set_errno(reterr, -rc, "renaming %s", tmp) : 0;
    }
    if (rc == 0) {
        snprintf(detail, sizeof(detail),
                 "%s; %llu series lost, %llu samples of the others kept; the original is in "
                 "%s/" QUARANTINE_DIR,
                 damage, (unsigned long long)kept.lost_series, (unsigned long long)kept.rows,
                 c->dir);
        check_say(c->report, CHECK_REPAIRED, dir, detail, 0, kept.rows);
    }
    return rc;
}

static int check_part(const struct checker *c, const char *dir, struct err *reterr)
{
    struct part_check k = {.c = c};
    struct err e = {0};
    char damage[400];
    int rc = part_open(dir, &k.part, &e);

    if (rc == -ERR_CORRUPT || rc == -ERR_NOT_FOUND || rc == -ERR_UNSUPPORTED) {
        check_say(c->report, CHECK_DAMAGED, dir, e.msg, 0, 0);
        return c->report->repair && rc != -ERR_UNSUPPORTED ? put_aside(c, dir, e.msg, reterr) : 0;
    }
    if (rc < 0) {
        if (reterr != NULL) {
            *reterr = e;
        }
        return rc;
    }
    rc = walk(&k, reterr);
    if (rc == 0 && k.lost_series == 0) {
        check_say(c->report, CHECK_WHOLE, dir, "", part_info(k.part)->bytes, k.rows);
    } else if (rc == 0) {
        snprintf(damage, sizeof(damage), "%llu of %llu series cannot be read: %.300s",
                 (unsigned long long)k.lost_series, (unsigned long long)part_info(k.part)->series_n,
                 k.first.msg);
        check_say(c->report, CHECK_DAMAGED, dir, damage, part_info(k.part)->bytes, k.rows);
        if (c->report->repair) {
            rc = c->resolution_ms != 0 ? put_aside(c, dir, damage, reterr)
                                       : mend_raw(c, k.part, damage, reterr);
        }
    }
    part_unref(k.part);
    return rc;
}

static bool unfinished(const char *name)
{
    return str_ends(str_cstr(name), STR(".tmp")) || str_ends(str_cstr(name), STR(PART_GONE_SUFFIX));
}

/** A day's or a part's name. */
static bool is_ours(const char *name)
{
    return name[0] != '\0' && strspn(name, "0123456789-") == strlen(name);
}

static int remove_unfinished(const struct checker *c, const char *path, struct err *reterr)
{
    int rc;

    if (!c->report->repair) {
        return 0; /* the next start does it */
    }
    rc = vfs_remove_tree(vfs_real(), path, reterr);
    if (rc == 0) {
        check_say(c->report, CHECK_REPAIRED, path, "unfinished, removed", 0, 0);
    }
    return rc;
}

static int check_level(const struct checker *c, const char *dir, int depth, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(dir, names[i]);

        if (unfinished(names[i])) {
            rc = remove_unfinished(c, path, reterr);
        } else if (is_ours(names[i])) {
            rc = depth == 0 ? check_level(c, path, 1, reterr) : check_part(c, path, reterr);
        }
    }
    vfs_list_free(names, n);
    return rc;
}

static int check_tier(const char *dir, const char *name, int64_t resolution_ms,
                      const struct check_report *report, struct err *reterr)
{
    const struct checker c = {dir, report, resolution_ms};
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);
    struct err e = {0};
    int rc = check_level(&c, path, 0, &e);

    if (rc == -ERR_NOT_FOUND) {
        return 0;
    }
    if (rc < 0 && reterr != NULL) {
        *reterr = e;
    }
    return rc;
}

int tsdb_check(const char *dir, const struct check_report *report, struct err *reterr)
{
    static const struct {
        const char *name;
        int64_t resolution_ms;
    } tiers[] = {
        {"blocks", 0}, {"rollup/1m", 60000}, {"rollup/5m", 300000}, {"rollup/1h", 3600000}};

    char *wal CLEANUP(mem_free_ptr) = vfs_join(dir, "wal");
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(tiers); i++) {
        rc = check_tier(dir, tiers[i].name, tiers[i].resolution_ms, report, reterr);
    }
    return rc < 0 ? rc : wal_check(wal, report, reterr);
}
