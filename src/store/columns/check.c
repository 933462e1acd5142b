/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks are opened and their columns decoded as queries do it, so what passes can be queried.
 */
#include "store/columns/check.h"

#include <stdio.h>

#include "io/quarantine.h"
#include "store/columns/block.h"
#include "store/columns/columns_internal.h"
#include "store/columns/part.h"
#include "store/wal/wal_check.h"

static const size_t BLOCK_ARENA_MAX = 1u << 30;

struct part_at {
    const char *root; /* of the engine */
    const char *path;
    uint32_t day;
    uint64_t seq;
};

static int check_block(const struct part *p, uint32_t i, struct block_tools *tools, struct err *e)
{
    struct arena a CLEANUP(arena_done);
    struct block b;
    const struct column *ignored;
    int rc;

    arena_init(&a, BLOCK_ARENA_MAX);
    rc = block_open(p, i, &a, tools, &b, e);
    for (uint32_t k = 0; rc == 0 && k < b.cols_n; k++) {
        struct str bloom;

        rc = block_column(&b, &b.cols[k], &ignored);
        rc = rc < 0 ? rc : block_bloom(&b, &b.cols[k], &bloom);
    }
    return rc < 0 ? rc : block_shapes(&b);
}

static int check_blocks(const struct part *p, struct err *e)
{
    struct block_tools tools;
    int rc = 0;

    block_tools_init(&tools);
    for (uint32_t i = 0; rc == 0 && i < part_blocks(p); i++) {
        rc = check_block(p, i, &tools, e);
    }
    block_tools_done(&tools);
    return rc;
}

static int put_aside(const struct part_at *at, const struct check_report *report,
                     const char *damage, uint64_t rows, struct err *reterr)
{
    char detail[900];
    int rc = quarantine_move(vfs_real(), at->root, at->path, reterr);

    if (rc == 0) {
        snprintf(detail, sizeof(detail), "%.400s; moved to %.300s/" QUARANTINE_DIR, damage,
                 at->root);
        check_say(report, CHECK_REPAIRED, at->path, detail, 0, rows);
    }
    return rc;
}

static int check_part(const struct part_at *at, bool *ret_whole, const struct check_report *report,
                      struct err *reterr)
{
    struct part *p = NULL;
    struct err e = {0};
    uint64_t rows = 0;
    uint64_t bytes = 0;
    int rc = columns_part_open(at->path, at->day, at->seq, 0, &p, &e);

    if (rc == 0) {
        rows = part_rows(p);
        bytes = part_bytes(p);
        rc = check_blocks(p, &e);
        columns_part_unref(p);
    }
    *ret_whole = rc == 0;
    if (rc == 0) {
        check_say(report, CHECK_WHOLE, at->path, "", bytes, rows);
        return 0;
    }
    if (rc != -ERR_CORRUPT && rc != -ERR_UNSUPPORTED && rc != -ERR_NOT_FOUND) {
        if (reterr != NULL) {
            *reterr = e;
        }
        return rc;
    }
    check_say(report, CHECK_DAMAGED, at->path, e.msg, bytes, rows);
    return report->repair && rc != -ERR_UNSUPPORTED ? put_aside(at, report, e.msg, rows, reterr)
                                                    : 0;
}

/* Bitmaps of deleted rows. Not mended: without the one the manifest names, deleted rows would come back. */
static int check_masks(const struct part_at *at, const struct check_report *report,
                       struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(at->path, &names, &n, reterr);

    rc = rc == -ERR_NOT_FOUND ? 0 : rc; /* put aside a moment ago */
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(at->path, names[i]);
        struct str name = str_cstr(names[i]);
        struct part *p = NULL;
        struct err e = {0};
        uint64_t number;

        if (!str_starts(name, STR("mask.")) || !str_to_u64(str_drop(name, 5), &number)) {
            continue;
        }
        rc = columns_part_open(at->path, at->day, at->seq, number, &p, &e);
        if (rc == 0) {
            check_say(report, CHECK_WHOLE, path, "", 0, 0);
            columns_part_unref(p);
        } else if (rc == -ERR_CORRUPT || rc == -ERR_UNSUPPORTED) {
            check_say(report, CHECK_DAMAGED, path, e.msg, 0, 0);
            rc = 0;
        } else if (reterr != NULL) {
            *reterr = e;
        }
    }
    vfs_list_free(names, n);
    return rc;
}

static int check_day(const char *root, const char *dir, uint64_t day,
                     const struct check_report *report, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(dir, names[i]);
        struct part_at at = {.root = root, .path = path, .day = (uint32_t)day};
        bool whole = false;

        if (str_to_u64(str_cstr(names[i]), &at.seq)) { /* others are unfinished: removed at start */
            rc = check_part(&at, &whole, report, reterr);
            rc = rc < 0 || !whole ? rc : check_masks(&at, report, reterr);
        }
    }
    vfs_list_free(names, n);
    return rc;
}

static int check_days(const char *root, const struct check_report *report, struct err *reterr)
{
    char *dir CLEANUP(mem_free_ptr) = vfs_join(root, "parts");
    char **names = NULL;
    size_t n = 0;
    struct err e = {0};
    int rc = vfs_list(dir, &names, &n, &e);

    if (rc == -ERR_NOT_FOUND) {
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(dir, names[i]);
        uint64_t day;

        if (str_to_u64(str_cstr(names[i]), &day) && day <= 99999999) {
            rc = check_day(root, path, day, report, &e);
        }
    }
    vfs_list_free(names, n);
    if (rc < 0 && reterr != NULL) {
        *reterr = e;
    }
    return rc;
}

int columns_check(const char *dir, enum columns_kind kind, const struct check_report *report,
                  struct err *reterr)
{
    char *wal CLEANUP(mem_free_ptr) = vfs_join(dir, "wal");
    int rc = manifest_check(dir, kind, report, reterr);

    rc = rc < 0 ? rc : check_days(dir, report, reterr);
    return rc < 0 ? rc : wal_check(wal, report, reterr);
}
