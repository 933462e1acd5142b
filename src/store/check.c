/* SPDX-License-Identifier: Apache-2.0
 *
 * One directory after the other; a finding in one does not keep the others from being looked at.
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/vfs.h"
#include "store/columns/check.h"
#include "store/log_templates/log_templates.h"
#include "store/meta/meta.h"
#include "store/store.h"
#include "store/tsdb/check.h"
#include "store/wal/wal_check.h"

static int take_lock(const char *dir, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, "lock");
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        return err_set_errno(reterr, errno, "%s is not a data directory", dir);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return err_set(reterr, ERR_EXISTS, "a server uses %s: stop it first", dir);
    }
    return fd;
}

static int check_meta(const char *dir, const struct check_report *report, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, "meta.sqlite");
    struct stat st;
    struct err e = {0};
    int rc;

    if (stat(path, &st) < 0) {
        return 0;
    }
    rc = meta_check(path, &e);
    if (rc < 0 && rc != -ERR_CORRUPT) {
        if (reterr != NULL) {
            *reterr = e;
        }
        return rc;
    }
    check_say(report, rc == 0 ? CHECK_WHOLE : CHECK_DAMAGED, path, e.msg, (uint64_t)st.st_size, 0);
    return 0;
}

static int check_redaction_key(const char *dir, const struct check_report *report,
                               struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, STORE_REDACTION_KEY);
    char detail[160] = "";
    struct stat st;

    if (lstat(path, &st) < 0) { /* made with the next start */
        return errno == ENOENT ? 0 : err_set_errno(reterr, errno, "examining %s", path);
    }
    if (!S_ISREG(st.st_mode) || st.st_size != STORE_REDACTION_KEY_SIZE) {
        snprintf(detail, sizeof(detail),
                 "%lld bytes instead of %d; restore it from a backup: with a new key hashes of the "
                 "same number differ",
                 (long long)st.st_size, STORE_REDACTION_KEY_SIZE);
    }
    check_say(report, detail[0] == '\0' ? CHECK_WHOLE : CHECK_DAMAGED, path, detail,
              (uint64_t)st.st_size, 0);
    return 0;
}

/* Data of before there were transactions has no such folder. */
static int check_rows(const char *dir, const char *name, enum columns_kind kind,
                      const struct check_report *report, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);
    struct stat st;

    return stat(path, &st) < 0 ? 0 : columns_check(path, kind, report, reterr);
}

int store_check(const char *dir, const struct check_report *report, struct err *reterr)
{
    char *metrics CLEANUP(mem_free_ptr) = vfs_join(dir, "metrics");
    char *spans CLEANUP(mem_free_ptr) = vfs_join(dir, "spans");
    char *logs CLEANUP(mem_free_ptr) = vfs_join(dir, "logs");
    char *templates CLEANUP(mem_free_ptr) = vfs_join(dir, STORE_TEMPLATES_FILE);
    char *sampling CLEANUP(mem_free_ptr) = vfs_join(dir, STORE_SAMPLING_DIR);
    int lock = take_lock(dir, reterr);
    int rc;

    if (lock < 0) {
        return lock;
    }
    rc = check_meta(dir, report, reterr);
    rc = rc < 0 ? rc : tsdb_check(metrics, report, reterr);
    rc = rc < 0 ? rc : columns_check(spans, COLUMNS_SPANS, report, reterr);
    rc = rc < 0 ? rc : columns_check(logs, COLUMNS_LOGS, report, reterr);
    rc = rc < 0 ? rc : check_rows(dir, "transactions", COLUMNS_SPANS, report, reterr);
    rc = rc < 0 ? rc : check_rows(dir, "tmap", COLUMNS_LOGS, report, reterr);
    rc = rc < 0 ? rc : log_templates_check(templates, report, reterr);
    rc = rc < 0 ? rc : check_redaction_key(dir, report, reterr);
    rc = rc < 0 ? rc : wal_check(sampling, report, reterr);
    close(lock);
    return rc;
}
