/* SPDX-License-Identifier: Apache-2.0
 *
 * A file wins over the console: who keeps rules under version control does not want them changed elsewhere.
 */
#include "processing.h"

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/random.h"
#include "io/vfs.h"
#include "store/meta/meta.h"
#include "store/store.h"

enum { FILE_MAX = 1 << 20 };

_Static_assert((int)PROCESS_KEY_SIZE == (int)STORE_REDACTION_KEY_SIZE,
               "what checks of the directory expect");

int processing_open(const char *dir, struct stats *stats, struct budget *budget,
                    struct process **ret, struct err *reterr)
{
    struct process_opts o = {.stats = stats, .budget = budget};
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, STORE_REDACTION_KEY);
    char *key CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    int rc;

    if (access(path, F_OK) != 0) {
        random_bytes(o.hash_key, sizeof(o.hash_key));
        rc = vfs_write_atomic(vfs_real(), path,
                              str_of((const char *)o.hash_key, sizeof(o.hash_key)), reterr);
        if (rc < 0) {
            return rc;
        }
    } else {
        rc = vfs_read_file(vfs_real(), path, 4096, &key, &n, reterr);
        if (rc < 0) {
            return rc;
        }
        if (n != sizeof(o.hash_key)) {
            return err_set(reterr, ERR_CORRUPT, "%s: %zu bytes instead of %zu", path, n,
                           sizeof(o.hash_key));
        }
        memcpy(o.hash_key, key, n);
    }
    *ret = process_new(&o);
    return 0;
}

int processing_load(struct process *p, const char *path, struct meta *meta, struct err *reterr)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    struct arena a CLEANUP(arena_done);
    struct str stored = {0};
    struct err e = {0};
    size_t n = 0;
    int rc;

    arena_init(&a, 4 << 20);
    if (path[0] != '\0') {
        rc = vfs_read_file(vfs_real(), path, FILE_MAX, &text, &n, &e);
        if (rc < 0) {
            process_note_error(p, &e);
            if (reterr != NULL) {
                *reterr = e;
            }
            return rc;
        }
        return process_load(p, PROCESS_FILE, path, str_of(text, n), reterr);
    }
    rc = meta_doc_get(meta, STR("processing"), &a, &stored, &e);
    if (rc == -ERR_NOT_FOUND) {
        return process_load(p, PROCESS_NONE, "console", STR(""), reterr);
    }
    if (rc < 0) {
        if (reterr != NULL) {
            *reterr = e;
        }
        return rc;
    }
    return process_load(p, PROCESS_CONSOLE, "console", stored, reterr);
}

int processing_check(const char *path, struct buf *dst, struct err *reterr)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    int rc = vfs_read_file(vfs_real(), path, FILE_MAX, &text, &n, reterr);

    return rc < 0 ? rc : process_check(path, str_of(text, n), dst, reterr);
}
