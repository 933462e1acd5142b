/* SPDX-License-Identifier: Apache-2.0
 *
 * <dir>/<level>-<Unix start of the file>: "BGUS" with the version, then records: u32 bytes behind the checksum, u32
 * crc32c of those bytes, u8 level, u8 identity, u16 bytes of the group, i64 start, the group, the sketch. Little-endian.
 * What a crash left half written at the end is cut off before the first append.
 */
#include "apm/users_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "apm/hll.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "io/vfs.h"

#define MAGIC "BGUS\1\0\0\0"

enum {
    HEAD = 8,
    PREFIX = 8, /* length, checksum */
    FIXED = 12, /* before the group */
    GROUP_MAX = 256,
    RECORD_MAX = FIXED + GROUP_MAX + HLL_BYTES_MAX,
    BUFFER_MAX = 64 << 20,
    FLUSH_AT = 4 << 20,
};

static const struct {
    const char *name;
    int64_t slot_s;
    int64_t file_s;
} LEVELS[USERS_LEVELS] = {
    {"2s", 2, 60},       {"1m", 60, 86400},           {"5m", 300, 86400},
    {"1h", 3600, 86400}, {"1d", 86400, 32LL * 86400},
};

/* The file a level is written to now. */
struct writing {
    int64_t file_s; /* its start */
    int fd;         /* -1: none, look at the file before the next write */
    struct buf buffered;
};

struct users_files {
    char *dir;
    const struct vfs *vfs;
    struct users_files_opts opts;
    struct writing writing[USERS_LEVELS]; /* the writer's */
    _Atomic uint64_t bytes;               /* relaxed: a figure */
    _Atomic int64_t
        oldest_s[USERS_LEVELS]; /* of files there are; relaxed: files may go at any time */
    _Atomic int64_t newest_s[USERS_LEVELS];
};

int64_t users_level_s(enum users_level l)
{
    return LEVELS[l].slot_s;
}

const char *users_level_name(enum users_level l)
{
    return LEVELS[l].name;
}

static char *path_of(const struct users_files *f, enum users_level l, int64_t file_s)
{
    char name[48];

    snprintf(name, sizeof(name), "%s-%lld", LEVELS[l].name, (long long)file_s);
    return vfs_join(f->dir, name);
}

static int64_t file_of(enum users_level l, int64_t at_s)
{
    return at_s - at_s % LEVELS[l].file_s;
}

/* ---- records ---- */

static uint32_t get_u32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

int64_t users_record_decode(struct str bytes, struct users_record *ret)
{
    struct users_record r = {0};
    uint32_t n;
    uint16_t group_n;

    if (bytes.n < PREFIX) {
        return 0;
    }
    n = get_u32(bytes.p);
    if (n < FIXED || n > RECORD_MAX) {
        return -ERR_CORRUPT;
    }
    if (bytes.n - PREFIX < n) {
        return 0;
    }
    bytes = str_of(bytes.p + PREFIX, n);
    if (crc32c(0, bytes.p, n) != get_u32(bytes.p - 4)) {
        return -ERR_CORRUPT;
    }
    r.level = (uint8_t)bytes.p[0];
    r.identity = (uint8_t)bytes.p[1];
    memcpy(&group_n, bytes.p + 2, sizeof(group_n));
    memcpy(&r.start_s, bytes.p + 4, sizeof(r.start_s));
    if (r.level >= USERS_LEVELS || group_n > GROUP_MAX || group_n > n - FIXED || r.start_s < 0 ||
        r.start_s % LEVELS[r.level].slot_s != 0) {
        return -ERR_CORRUPT;
    }
    r.group = str_of(bytes.p + FIXED, group_n);
    r.sketch = str_drop(bytes, FIXED + (size_t)group_n);
    *ret = r;
    return PREFIX + (int64_t)n;
}

static void encode(const struct users_record *r, struct buf *dst)
{
    struct str group = str_take(r->group, GROUP_MAX);
    uint32_t n = (uint32_t)(FIXED + group.n + r->sketch.n);
    uint16_t group_n = (uint16_t)group.n;
    char *at = buf_reserve(dst, PREFIX + n);
    uint32_t crc;

    if (at == NULL) {
        return;
    }
    memcpy(at, &n, sizeof(n));
    at[8] = (char)r->level;
    at[9] = (char)r->identity;
    memcpy(at + 10, &group_n, sizeof(group_n));
    memcpy(at + 12, &r->start_s, sizeof(r->start_s));
    memcpy(at + PREFIX + FIXED, group.p, group.n);
    memcpy(at + PREFIX + FIXED + group.n, r->sketch.p, r->sketch.n);
    crc = crc32c(0, at + PREFIX, n);
    memcpy(at + 4, &crc, sizeof(crc));
    dst->n += PREFIX + n;
}

/* ---- reading ---- */

/* @return where the last whole record ends; *ret_bad: what follows is damage, not an unfinished write */
static size_t whole_bytes(struct str bytes, bool *ret_bad)
{
    size_t at = HEAD;
    struct users_record r;

    *ret_bad = bytes.n < HEAD || memcmp(bytes.p, MAGIC, HEAD) != 0;
    if (*ret_bad) {
        return 0;
    }
    while (at < bytes.n) {
        int64_t n = users_record_decode(str_drop(bytes, at), &r);

        if (n <= 0) {
            *ret_bad = n < 0;
            break;
        }
        at += (size_t)n;
    }
    return at;
}

static int scan_file(struct users_files *f, const struct users_scan *s, int64_t file_s,
                     struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = path_of(f, s->level, file_s);
    struct mapping m = {0};
    struct str bytes;
    size_t at = HEAD;
    int64_t n = 1;
    int rc = vfs_map(path, &m, reterr);

    if (rc < 0) {
        return rc == -ERR_NOT_FOUND ? 0 : rc;
    }
    bytes = str_of((const char *)m.p, m.n);
    if (bytes.n < HEAD || memcmp(bytes.p, MAGIC, HEAD) != 0) {
        n = bytes.n == 0 ? 0 : -ERR_CORRUPT;
    }
    while (n > 0 && at < bytes.n && rc == 0) {
        struct users_record r;

        n = users_record_decode(str_drop(bytes, at), &r);
        if (n > 0) {
            at += (size_t)n;
            rc = cancel_check(s->cancel);
            rc = rc < 0 ? rc : s->fn(s->arg, &r);
        }
    }
    vfs_unmap(&m);
    if (n < 0) {
        static struct log_limit limit;
        int64_t more = 0;

        if (log_limit_pass(&limit, &more)) {
            log_error("users", "a file of users is damaged; what is behind is not counted",
                      L_CSTR("path", path), L_INT("offset", at), L_INT("suppressed", more));
        }
    }
    return rc;
}

int users_files_scan(struct users_files *f, const struct users_scan *s, struct err *reterr)
{
    int64_t oldest = users_files_oldest_s(f, s->level);
    int64_t newest = users_files_newest_s(f, s->level);
    int64_t at = s->from_s > oldest ? file_of(s->level, s->from_s) : oldest;
    int rc = 0;

    for (; rc == 0 && at < s->to_s && at <= newest; at += LEVELS[s->level].file_s) {
        if (s->wanted == NULL || s->wanted(s->arg, at, at + LEVELS[s->level].file_s)) {
            rc = scan_file(f, s, at, reterr);
        }
    }
    return rc;
}

uint64_t users_files_bytes(const struct users_files *f)
{
    return atomic_load_explicit(&f->bytes, memory_order_relaxed);
}

int64_t users_files_oldest_s(const struct users_files *f, enum users_level l)
{
    return atomic_load_explicit(&f->oldest_s[l], memory_order_relaxed);
}

int64_t users_files_newest_s(const struct users_files *f, enum users_level l)
{
    return atomic_load_explicit(&f->newest_s[l], memory_order_relaxed);
}

/* ---- writing ---- */

static void stop_writing(struct users_files *f, struct writing *w)
{
    if (w->fd >= 0) {
        f->vfs->close(f->vfs->ctx, w->fd);
        w->fd = -1;
    }
}

/* Bytes of it to keep: all, or up to what a crash left half written. */
static int look_at(const char *path, bool *ret_bad, size_t *ret_keep, size_t *ret_n,
                   struct err *reterr)
{
    struct mapping m = {0};
    int rc = vfs_map(path, &m, reterr);

    *ret_keep = 0;
    *ret_n = 0;
    *ret_bad = false;
    if (rc < 0) {
        return rc == -ERR_NOT_FOUND ? 0 : rc;
    }
    *ret_n = m.n;
    *ret_keep = whole_bytes(str_of((const char *)m.p, m.n), ret_bad);
    vfs_unmap(&m);
    return 0;
}

static int open_to_append(struct users_files *f, enum users_level l, struct writing *w,
                          struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = path_of(f, l, w->file_s);
    bool bad = false;
    size_t keep = 0;
    size_t n = 0;
    int rc = look_at(path, &bad, &keep, &n, reterr);

    if (rc < 0) {
        return rc;
    }
    if (keep < n) {
        log_error("users",
                  bad ? "a file of users is damaged; it is cut there"
                      : "a file of users ends in an unfinished record; it is cut",
                  L_CSTR("path", path), L_INT("kept", keep), L_INT("bytes", n));
    }
    w->fd = f->vfs->open(f->vfs->ctx, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        int e = -w->fd;

        w->fd = -1;
        return err_set_errno(reterr, e, "opening %s", path);
    }
    rc = keep < n ? f->vfs->truncate(f->vfs->ctx, w->fd, (int64_t)keep) : 0;
    rc = rc < 0      ? err_set_errno(reterr, -rc, "cutting %s", path)
         : keep == 0 ? vfs_write_all(f->vfs, w->fd, MAGIC, HEAD, reterr)
                     : 0;
    if (rc < 0) {
        stop_writing(f, w);
        return rc;
    }
    if (n == 0) {
        ignore_result(f->vfs->sync_dir(f->vfs->ctx, f->dir),
                      "the file is made again when it is lost");
    }
    if (w->file_s < users_files_oldest_s(f, l)) {
        atomic_store_explicit(&f->oldest_s[l], w->file_s, memory_order_relaxed);
    }
    if (w->file_s > users_files_newest_s(f, l)) {
        atomic_store_explicit(&f->newest_s[l], w->file_s, memory_order_relaxed);
    }
    return 0;
}

static int flush_one(struct users_files *f, enum users_level l, bool sync, struct err *reterr)
{
    struct writing *w = &f->writing[l];
    int rc = 0;

    if (w->buffered.n == 0) {
        return 0;
    }
    rc = w->fd < 0 ? open_to_append(f, l, w, reterr) : 0;
    rc = rc < 0 ? rc : vfs_write_all(f->vfs, w->fd, w->buffered.data, w->buffered.n, reterr);
    if (rc < 0) {
        stop_writing(f, w); /* perhaps half of it is there: it is cut before the next try */
        return rc;
    }
    atomic_fetch_add_explicit(&f->bytes, w->buffered.n, memory_order_relaxed);
    buf_clear(&w->buffered);
    if (sync) {
        rc = f->vfs->fdatasync(f->vfs->ctx, w->fd);
        if (rc < 0) {
            stop_writing(f, w);
            return err_set_errno(reterr, -rc, "syncing %s of users", LEVELS[l].name);
        }
    }
    return 0;
}

int users_files_flush(struct users_files *f, bool sync, struct err *reterr)
{
    int rc = 0;

    for (int l = 0; l < USERS_LEVELS; l++) {
        int one = flush_one(f, (enum users_level)l, sync, reterr);

        rc = rc < 0 ? rc : one;
    }
    return rc;
}

int users_files_put(struct users_files *f, int64_t at_s, const struct users_record *r,
                    struct err *reterr)
{
    struct writing *w = &f->writing[r->level];
    int64_t file_s = file_of((enum users_level)r->level, at_s);
    size_t before;

    if (w->file_s != file_s || w->buffered.n > FLUSH_AT) {
        int rc = flush_one(f, (enum users_level)r->level, false, reterr);

        if (rc < 0 && (w->file_s != file_s || w->buffered.n > BUFFER_MAX - RECORD_MAX)) {
            return rc;
        }
    }
    if (w->file_s != file_s) {
        stop_writing(f, w);
        w->file_s = file_s;
    }
    before = w->buffered.n;
    encode(r, &w->buffered);
    if (buf_status(&w->buffered) < 0) {
        w->buffered.n = before;
        w->buffered.failed = w->buffered.nomem = false;
        return err_set(reterr, ERR_NOMEM, "no memory to write users");
    }
    return 0;
}

/* ---- life, and what goes ---- */

static bool parse_name(const char *name, enum users_level *ret_level, int64_t *ret_file_s)
{
    struct str rest = str_cstr(name);
    struct str level;
    int64_t at = 0;

    if (!str_split(&rest, '-', &level) || !str_to_i64(rest, &at) || at < 0) {
        return false;
    }
    for (int l = 0; l < USERS_LEVELS; l++) {
        if (str_eq(level, str_cstr(LEVELS[l].name)) && at % LEVELS[l].file_s == 0) {
            *ret_level = (enum users_level)l;
            *ret_file_s = at;
            return true;
        }
    }
    return false;
}

/* Totals; with the oldest file of the finest level that has more than the newest one. */
struct survey {
    uint64_t bytes;
    int64_t oldest_s[USERS_LEVELS];
    int64_t newest_s[USERS_LEVELS];
};

static void remove_file(struct users_files *f, enum users_level l, int64_t file_s, const char *why)
{
    char *path CLEANUP(mem_free_ptr) = path_of(f, l, file_s);
    int rc = f->vfs->unlink(f->vfs->ctx, path);

    if (l != USERS_2S && (rc == 0 || rc != -ENOENT)) {
        log_info("users", rc == 0 ? "users of a time were removed" : "users could not be removed",
                 L_CSTR("path", path), L_CSTR("why", why));
    }
}

static struct survey look_over(struct users_files *f, int64_t now_s)
{
    struct survey v = {0};
    char **names = NULL;
    size_t n = 0;

    for (int l = 0; l < USERS_LEVELS; l++) {
        v.oldest_s[l] = INT64_MAX;
        v.newest_s[l] = INT64_MIN;
    }
    if (vfs_list(f->dir, &names, &n, NULL) < 0) {
        return v;
    }
    for (size_t i = 0; i < n; i++) {
        char *path CLEANUP(mem_free_ptr) = vfs_join(f->dir, names[i]);
        enum users_level l = USERS_2S;
        int64_t file_s = 0;
        struct stat st;

        if (!parse_name(names[i], &l, &file_s)) {
            continue;
        }
        if (now_s > 0 && file_s + LEVELS[l].file_s + f->opts.retention_s[l] < now_s) {
            remove_file(f, l, file_s, "too old");
            continue;
        }
        v.bytes += stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
        v.oldest_s[l] = file_s < v.oldest_s[l] ? file_s : v.oldest_s[l];
        v.newest_s[l] = file_s > v.newest_s[l] ? file_s : v.newest_s[l];
    }
    vfs_list_free(names, n);
    return v;
}

static void publish(struct users_files *f, const struct survey *v)
{
    atomic_store_explicit(&f->bytes, v->bytes, memory_order_relaxed);
    for (int l = 0; l < USERS_LEVELS; l++) {
        atomic_store_explicit(&f->oldest_s[l], v->oldest_s[l], memory_order_relaxed);
        atomic_store_explicit(&f->newest_s[l], v->newest_s[l], memory_order_relaxed);
    }
}

void users_files_trim(struct users_files *f, int64_t now_s)
{
    struct survey v = look_over(f, now_s);

    for (int rounds = 0; rounds < 100 && f->opts.max_bytes != 0 && v.bytes > f->opts.max_bytes;
         rounds++) {
        int l = USERS_1M;

        while (l < USERS_LEVELS && v.oldest_s[l] >= v.newest_s[l]) {
            l++; /* the newest file of a level stays */
        }
        if (l == USERS_LEVELS) {
            break;
        }
        remove_file(f, (enum users_level)l, v.oldest_s[l], "the size limit");
        v = look_over(f, now_s);
    }
    publish(f, &v);
}

int users_files_open(const struct users_files_opts *o, struct users_files **ret, struct err *reterr)
{
    struct users_files *f;
    struct survey v;
    const struct vfs *vfs = o->vfs != NULL ? o->vfs : vfs_real();
    int rc = vfs_mkdirs(vfs, o->dir, reterr);

    if (rc < 0) {
        return rc;
    }
    f = mem_xcalloc(1, sizeof(*f));
    f->dir = mem_xstrdup(o->dir);
    f->vfs = vfs;
    f->opts = *o;
    for (int l = 0; l < USERS_LEVELS; l++) {
        f->writing[l].fd = -1;
        buf_init(&f->writing[l].buffered, BUFFER_MAX);
    }
    v = look_over(f, 0);
    publish(f, &v);
    *ret = f;
    return 0;
}

void users_files_close(struct users_files *f)
{
    struct err e = {0};

    if (f == NULL) {
        return;
    }
    if (users_files_flush(f, true, &e) < 0) {
        log_error("users", "users were not written", L_CSTR("error", e.msg));
    }
    for (int l = 0; l < USERS_LEVELS; l++) {
        stop_writing(f, &f->writing[l]);
        buf_done(&f->writing[l].buffered);
    }
    mem_free(f->dir);
    mem_free(f);
}
