/* SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot is built under a name ending in .tmp and renamed when it is complete; what a crash left is removed
 * with the next one.
 */
#include "store/snapshots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "io/tree.h"
#include "store/log_templates/log_templates.h"
#include "store/wal/wal.h"

static char *root_of(const struct store *s)
{
    return vfs_join(store_dir(s), "snapshots");
}

static bool is_name(struct str name)
{
    if (name.n == 0 || name.n >= SNAPSHOT_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'T' || c == 'Z' ||
              c == '-')) {
            return false;
        }
    }
    return true;
}

/** "20261121T140530Z-6b1f0c2a9d3e4f57", the form of Prometheus' names. */
static void make_name(int64_t now_ms, char dst[SNAPSHOT_NAME_MAX])
{
    char text[CLOCK_RFC3339_SIZE];
    uint64_t chance = 0;

    random_bytes(&chance, sizeof(chance));
    clock_format_rfc3339(now_ms, text);
    snprintf(dst, SNAPSHOT_NAME_MAX, "%.4s%.2s%.2sT%.2s%.2s%.2sZ-%016llx", text, text + 5, text + 8,
             text + 11, text + 14, text + 17, (unsigned long long)chance);
}

/* Without it the same number would be hashed to something else from then on. Written once, so it can be shared. */
static int take_redaction_key(const struct store *s, const char *dst, struct err *reterr)
{
    char *from CLEANUP(mem_free_ptr) = vfs_join(store_dir(s), STORE_REDACTION_KEY);
    char *to CLEANUP(mem_free_ptr) = vfs_join(dst, STORE_REDACTION_KEY);

    if (link(from, to) < 0 && errno != ENOENT) {
        return err_set_errno(reterr, errno, "linking %s to %s", from, to);
    }
    return 0;
}

/* Spans whose trace is not decided yet are acknowledged, and only there. */
static int take_sampling(const struct store *s, const char *dst, struct err *reterr)
{
    char *from CLEANUP(mem_free_ptr) = vfs_join(store_dir(s), STORE_SAMPLING_DIR);
    char *to CLEANUP(mem_free_ptr) = vfs_join(dst, STORE_SAMPLING_DIR);

    return wal_snapshot(from, to, reterr);
}

static int fill(struct store *s, const char *dst, struct err *reterr)
{
    char *metrics CLEANUP(mem_free_ptr) = vfs_join(dst, "metrics");
    char *spans CLEANUP(mem_free_ptr) = vfs_join(dst, "spans");
    char *logs CLEANUP(mem_free_ptr) = vfs_join(dst, "logs");
    char *transactions CLEANUP(mem_free_ptr) = vfs_join(dst, "transactions");
    char *tmap CLEANUP(mem_free_ptr) = vfs_join(dst, "tmap");
    char *templates CLEANUP(mem_free_ptr) = vfs_join(dst, STORE_TEMPLATES_FILE);
    char *meta CLEANUP(mem_free_ptr) = vfs_join(dst, "meta.sqlite");
    int rc = vfs_mkdirs(vfs_real(), dst, reterr);

    rc = rc < 0 ? rc : take_redaction_key(s, dst, reterr);
    /* Before the spans: a trace that is decided meanwhile is in both, and shown once; never in none. */
    rc = rc < 0 ? rc : take_sampling(s, dst, reterr);
    rc = rc < 0 ? rc : tsdb_snapshot(store_metrics(s), metrics, reterr);
    rc = rc < 0 ? rc : columns_snapshot(store_spans(s), spans, reterr);
    rc = rc < 0 ? rc : columns_snapshot(store_logs(s), logs, reterr);
    /* cells first: what they lack of the rows is counted when they are opened */
    rc = rc < 0 ? rc : columns_snapshot(store_tmap(s), tmap, reterr);
    rc = rc < 0 ? rc : columns_snapshot(store_transactions(s), transactions, reterr);
    /* behind the logs: an id of theirs is in it */
    rc = rc < 0 ? rc : log_templates_snapshot(store_log_templates(s), templates, reterr);
    return rc < 0 ? rc : meta_snapshot(store_meta(s), meta, reterr);
}

static void remove_unfinished(const char *root)
{
    char **names = NULL;
    size_t n = 0;

    if (vfs_list(root, &names, &n, NULL) < 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (str_ends(str_cstr(names[i]), STR(".tmp"))) {
            char *path CLEANUP(mem_free_ptr) = vfs_join(root, names[i]);

            ignore_result(vfs_remove_tree(vfs_real(), path, NULL), "tried again next time");
        }
    }
    vfs_list_free(names, n);
}

static int create_at(struct store *s, const char *root, const char *name, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(root, name);
    size_t n = strlen(path) + 5;
    char *tmp CLEANUP(mem_free_ptr) = mem_xcalloc(1, n);
    const struct vfs *v = vfs_real();
    int rc;

    snprintf(tmp, n, "%s.tmp", path);
    rc = fill(s, tmp, reterr);
    if (rc == 0) {
        rc = v->rename(v->ctx, tmp, path);
        rc = rc == 0 ? v->sync_dir(v->ctx, root) : rc;
        rc = rc < 0 ? err_set_errno(reterr, -rc, "renaming %s", tmp) : 0;
    }
    if (rc < 0) {
        ignore_result(vfs_remove_tree(v, tmp, NULL), "removed with the next snapshot");
    }
    return rc;
}

int snapshots_create(struct store *s, struct snapshot_info *ret, struct err *reterr)
{
    char *root CLEANUP(mem_free_ptr) = root_of(s);
    struct snapshot_info i = {.created_ms = clock_wall_ms()};
    struct mono start = clock_mono();
    int rc = vfs_mkdirs(vfs_real(), root, reterr);

    make_name(i.created_ms, i.name);
    if (rc < 0) {
        return rc;
    }
    store_snapshot_begin(s);
    remove_unfinished(root);
    rc = create_at(s, root, i.name, reterr);
    store_snapshot_end(s);
    if (rc == 0) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(root, i.name);

        i.bytes = vfs_tree_bytes(path);
        *ret = i;
        log_info("store", "snapshot made", L_CSTR("name", i.name), L_INT("bytes", i.bytes),
                 L_INT("ms", mono_since_ns(start) / 1000000));
    }
    return rc;
}

int snapshots_list(const struct store *s, struct arena *a, struct snapshot_info **ret,
                   size_t *ret_n, struct err *reterr)
{
    char *root CLEANUP(mem_free_ptr) = root_of(s);
    struct snapshot_info *v;
    char **names = NULL;
    size_t n = 0;
    size_t kept = 0;
    int rc = vfs_list(root, &names, &n, reterr);

    if (rc < 0 && rc != -ERR_NOT_FOUND) {
        return rc;
    }
    v = arena_array(a, struct snapshot_info, n + 1);
    for (size_t i = 0; v != NULL && i < n; i++) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(root, names[i]);
        struct stat st;

        if (is_name(str_cstr(names[i])) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            v[kept] = (struct snapshot_info){.created_ms = st.st_mtim.tv_sec * 1000LL,
                                             .bytes = vfs_tree_bytes(path)};
            snprintf(v[kept].name, sizeof(v[kept].name), "%s", names[i]);
            kept++;
        }
    }
    vfs_list_free(names, n);
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the list of snapshots");
    }
    *ret = v;
    *ret_n = kept;
    return 0;
}

int snapshots_delete(const struct store *s, struct str name, struct err *reterr)
{
    char *root CLEANUP(mem_free_ptr) = root_of(s);
    char *path CLEANUP(mem_free_ptr) = NULL;
    char text[SNAPSHOT_NAME_MAX];
    struct stat st;

    if (is_name(name)) {
        snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
        path = vfs_join(root, text);
    }
    if (path == NULL || lstat(path, &st) < 0) {
        return err_set(reterr, ERR_NOT_FOUND, "there is no snapshot \"%.*s\"", STR_ARG(name));
    }
    return vfs_remove_tree(vfs_real(), path, reterr);
}

bool snapshots_drop_oldest(const struct store *s)
{
    struct snapshot_info *v = NULL;
    struct arena a CLEANUP(arena_done);
    struct err e = {0};
    size_t n = 0;

    arena_init(&a, 1 << 20);
    if (snapshots_list(s, &a, &v, &n, NULL) < 0 || n == 0) {
        return false;
    }
    if (snapshots_delete(s, str_cstr(v[0].name), &e) < 0) { /* names begin with their time */
        log_error("store", "a snapshot could not be removed", L_CSTR("name", v[0].name),
                  L_CSTR("error", e.msg));
        return false;
    }
    log_warn("store", "snapshot removed: the file system has less room than storage.min_free",
             L_CSTR("name", v[0].name));
    return true;
}

struct str snapshots_path(const struct store *s, const char *name, struct arena *a)
{
    char *real = realpath(store_dir(s), NULL);
    struct str path = arena_printf(a, "%s/snapshots/%s", real != NULL ? real : store_dir(s), name);

    free(real); /* libc's own */
    return path;
}
