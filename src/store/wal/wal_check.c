/* SPDX-License-Identifier: Apache-2.0
 *
 * The same scan as at start, without its repairs.
 */
#include "store/wal/wal_check.h"

#include <stdio.h>

#include "base/alloc.h"
#include "io/vfs.h"
#include "store/wal/wal_internal.h"

static int pass(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    (void)arg;
    (void)type;
    (void)payload;
    (void)pos;
    return 0;
}

static int check_segment(const char *dir, const char *name, const struct check_report *report,
                         struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);
    struct wal_scan scan = {0};
    struct mapping m = {0};
    char detail[160] = "";
    uint64_t number = 0;
    int rc;

    if (!wal_segment_parse(name, &number)) {
        return 0;
    }
    rc = vfs_map(path, &m, reterr);
    if (rc < 0) {
        return rc;
    }
    ignore_result(wal_scan_segment(str_of((const char *)m.p, m.n), number, pass, NULL, &scan),
                  "pass() never stops it");
    if (scan.tail == WAL_TAIL_CORRUPT) {
        snprintf(detail, sizeof(detail),
                 "damaged at byte %llu; about %llu records behind it are lost, the next start sets "
                 "them aside",
                 (unsigned long long)scan.end, (unsigned long long)scan.lost);
    }
    check_say(report, scan.tail == WAL_TAIL_CORRUPT ? CHECK_DAMAGED : CHECK_WHOLE, path, detail,
              m.n, scan.records);
    vfs_unmap(&m);
    return 0;
}

int wal_check(const char *dir, const struct check_report *report, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    struct err e = {0};
    int rc = vfs_list(dir, &names, &n, &e);

    if (rc == -ERR_NOT_FOUND) {
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = check_segment(dir, names[i], report, &e);
    }
    vfs_list_free(names, n);
    if (rc < 0 && reterr != NULL) {
        *reterr = e;
    }
    return rc;
}
