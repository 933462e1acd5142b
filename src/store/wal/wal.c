/* SPDX-License-Identifier: Apache-2.0
 *
 * The log's writer. Invariant: a file never holds a half record in front of a good one, because a failed
 * write is cut off again, and when even that fails the segment is left for good.
 */
#include "store/wal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/vec.h"
#include "io/vfs.h"
#include "store/wal/wal_internal.h"

enum {
    MAX_IOV = 256,
    DEFAULT_SYNC_MS = 1000,
    PROGRESS_MS = 3000,
    RETIRED_MAX = 4, /* closed segments that wait for their sync; one more and writers wait */
};

static const uint64_t DEFAULT_SEGMENT_BYTES = 64ull << 20;
static const uint64_t MAX_GROUP_BYTES = 16ull << 20; /* one leader's share before it hands over */

struct segment {
    uint64_t number;
    uint64_t bytes;
    bool empty; /* found so at open */
};

/** One waiting append; lives on its thread's stack. */
struct request {
    struct request *next;
    const struct str *parts;
    size_t n;
    uint64_t bytes; /* with header */
    uint8_t header[WAL_HEADER_SIZE];
    struct wal_pos pos;
    int rc;
    bool done;
    struct err err;
};

struct wal {
    char *dir;
    const struct vfs *vfs;
    enum wal_sync sync;
    int64_t sync_interval_ms;
    uint64_t segment_bytes;
    uint64_t run; /* random */
    char *name;

    struct mutex lock;
    struct cond changed;         /* a group or a sync finished */
    struct cond closing_changed; /* wakes the sync thread before its time */
    struct request *first, **last;
    bool busy;    /* one thread writes or rotates without the lock; guarded by: lock */
    bool syncing; /* sync_all_locked() uses fd and those it took from retired; guarded by: lock */
    bool closing; /* guarded by: lock */
    bool dirty;   /* written since the last sync; guarded by: lock or busy */
    bool new_dir; /* a segment was made since the directory was synced; guarded by: lock */
    int retired[RETIRED_MAX]; /* left segments, to sync and close; guarded by: lock */
    size_t retired_n;         /* guarded by: lock */

    /* Owned by whoever is `busy`; read by others under lock. */
    int fd;
    bool broken; /* the segment's tail could not be repaired: leave it */
    uint64_t segment;
    uint64_t offset;            /* after the last good record */
    VEC(struct segment) closed; /* older ones still on disk; guarded by: lock */
    struct thread thread;

    struct counter *bytes_total, *records_total, *groups_total, *errors_total, *gaps_total;
    struct timing *sync_time;
};

static char *path_of(const struct wal *w, const char *name)
{
    return vfs_join(w->dir, name);
}

static char *segment_path(const struct wal *w, uint64_t segment)
{
    char name[WAL_NAME_SIZE];

    wal_segment_name(segment, name);
    return path_of(w, name);
}

/** fdatasync with time and errors counted. */
static int sync_fd(struct wal *w, int fd, struct err *reterr)
{
    struct mono start = clock_mono();
    int rc = w->vfs->fdatasync(w->vfs->ctx, fd);

    timing_observe_ns(w->sync_time, mono_since_ns(start));
    if (rc < 0) {
        static struct log_limit limit;
        int64_t suppressed;

        counter_add(w->errors_total, 1);
        if (log_limit_pass(&limit, &suppressed)) {
            log_error("wal", "sync failed", L_CSTR("dir", w->dir), L_INT("errno", -rc),
                      L_INT("suppressed", suppressed));
        }
        return err_set_errno(reterr, -rc, "syncing the write-ahead log in %s", w->dir);
    }
    return 0;
}

static void put_u64(uint8_t *b, uint64_t v)
{
    wal_put_u32(b, (uint32_t)v);
    wal_put_u32(b + 4, (uint32_t)(v >> 32));
}

/** Magic and the record that tells whose segment it is and what must lie in front of it. */
static void make_start(const struct wal *w, uint64_t before_end, uint8_t dst[WAL_START_SIZE])
{
    uint8_t *record = dst + WAL_MAGIC_SIZE;

    memcpy(dst, WAL_MAGIC, WAL_MAGIC_SIZE);
    wal_put_u32(record, WAL_BEGIN_SIZE);
    record[8] = WAL_RUN;
    put_u64(record + WAL_HEADER_SIZE, w->run);
    put_u64(record + WAL_HEADER_SIZE + 8, before_end);
    wal_put_u32(record + 4, crc32c(0, record + 8, 1 + WAL_BEGIN_SIZE));
}

/** Create segment number `number` with its start; its name is durable when every append must be, else the
 * sync thread sees to it before it syncs the data.
 * @param before_end  where the segment before ends; 0: there is none
 * @return fd or error */
static int create_segment(struct wal *w, uint64_t number, uint64_t before_end, struct err *reterr)
{
    uint8_t start[WAL_START_SIZE];
    char *path = segment_path(w, number);
    int fd = w->vfs->open(w->vfs->ctx, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0640);
    int rc;

    if (fd < 0) {
        rc = err_set_errno(reterr, -fd, "creating %s", path);
        mem_free(path);
        return rc;
    }
    make_start(w, before_end, start);
    rc = vfs_write_all(w->vfs, fd, start, sizeof(start), reterr);
    if (rc == 0 && w->sync == WAL_SYNC_ALWAYS) {
        rc = w->vfs->sync_dir(w->vfs->ctx, w->dir);
        rc = rc < 0 ? err_set_errno(reterr, -rc, "syncing %s", w->dir) : 0;
    }
    if (rc < 0) {
        ignore_result(w->vfs->close(w->vfs->ctx, fd), "the first error is the one to report");
        ignore_result(w->vfs->unlink(w->vfs->ctx, path), "replay takes an empty segment");
    }
    mem_free(path);
    return rc < 0 ? rc : fd;
}

/** Wait until nobody writes or syncs, then be the one who may. Called with the lock. */
static void become_busy_locked(struct wal *w)
{
    while (w->busy) {
        cond_wait(&w->changed, &w->lock);
    }
    w->busy = true;
}

/** Sync what was left behind and the current segment, oldest first. Called with the lock by whoever set
 * `syncing`; gives it up while syncing. */
static void sync_all_locked(struct wal *w)
{
    int fds[RETIRED_MAX + 1];
    size_t old = w->retired_n;
    size_t n = old;
    bool dir = w->new_dir;
    bool failed = false;

    memcpy(fds, w->retired, old * sizeof(*fds));
    if (w->dirty) {
        fds[n++] = w->fd;
    }
    w->retired_n = 0;
    w->dirty = false;
    w->new_dir = false;
    mutex_unlock(&w->lock);
    if (dir && n != 0) {
        int rc = w->vfs->sync_dir(w->vfs->ctx, w->dir);

        failed = rc < 0;
        dir = failed;
        if (failed) {
            counter_add(w->errors_total, 1);
            log_warn("wal", "cannot sync the directory", L_CSTR("dir", w->dir),
                     L_INT("errno", -rc));
        }
    }
    for (size_t i = 0; i < n; i++) {
        failed = sync_fd(w, fds[i], NULL) < 0 || failed;
        if (i < old) {
            ignore_result(w->vfs->close(w->vfs->ctx, fds[i]), "synced, or counted as failed");
        }
    }
    mutex_lock(&w->lock);
    w->dirty = w->dirty || failed;
    w->new_dir = w->new_dir || dir;
}

/** Sync all, one thread at a time. Called with the lock, gives it up while syncing. */
static void sync_once_locked(struct wal *w)
{
    w->syncing = true;
    sync_all_locked(w);
    w->syncing = false;
    cond_broadcast(&w->changed);
}

/** Leave the current file to the sync thread, which syncs and closes it, so that nobody waits for the disk here
 * unless too many wait already. Called with the lock by the busy thread, gives it up while waiting. */
static void retire_locked(struct wal *w)
{
    while (w->retired_n == RETIRED_MAX) {
        if (w->syncing) {
            cond_wait(&w->changed, &w->lock);
        } else {
            sync_once_locked(w);
        }
    }
    w->retired[w->retired_n++] = w->fd;
}

/** Go to the next segment. Called by the busy thread without the lock. */
static int next_segment(struct wal *w, struct err *reterr)
{
    struct segment old = {w->segment, w->offset, false};
    int fd = create_segment(w, w->segment + 1, w->offset, reterr);

    if (fd < 0) {
        counter_add(w->errors_total, 1);
        return fd;
    }
    mutex_lock(&w->lock);
    if (!vec_push(&w->closed, old)) {
        mutex_unlock(&w->lock);
        ignore_result(w->vfs->close(w->vfs->ctx, fd), "an empty segment");
        return err_set(reterr, ERR_NOMEM, "new segment of the write-ahead log");
    }
    if (w->sync == WAL_SYNC_INTERVAL) {
        retire_locked(w);
    } else {
        ignore_result(w->vfs->close(w->vfs->ctx, w->fd), "synced with every record");
    }
    w->fd = fd;
    w->dirty = w->sync == WAL_SYNC_INTERVAL; /* its beginning: an empty one is kept, too */
    w->new_dir = w->sync == WAL_SYNC_INTERVAL;
    w->broken = false;
    w->segment++;
    w->offset = WAL_START_SIZE;
    mutex_unlock(&w->lock);
    return 0;
}

static int write_iov(struct wal *w, struct iovec *iov, int n, struct err *reterr)
{
    while (n > 0) {
        ssize_t rc = w->vfs->writev(w->vfs->ctx, w->fd, iov, n);

        if (rc == -EINTR) {
            continue;
        }
        if (rc <= 0) {
            return err_set_errno(reterr, rc == 0 ? EIO : (int)-rc,
                                 "writing the write-ahead log in %s", w->dir);
        }
        while (n > 0 && (size_t)rc >= iov->iov_len) {
            rc -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + rc;
            iov->iov_len -= (size_t)rc;
        }
    }
    return 0;
}

static int write_group(struct wal *w, struct request *group, uint64_t *ret_bytes,
                       struct err *reterr)
{
    struct iovec iov[MAX_IOV];
    int n = 0;
    uint64_t bytes = 0;

    for (struct request *r = group; r != NULL; r = r->next) {
        r->pos = (struct wal_pos){w->segment, w->offset + bytes};
        for (size_t i = 0; i <= r->n; i++) {
            const void *p = i == 0 ? (const void *)r->header : r->parts[i - 1].p;
            size_t len = i == 0 ? sizeof(r->header) : r->parts[i - 1].n;

            if (len == 0) {
                continue;
            }
            if (n == MAX_IOV) {
                int rc = write_iov(w, iov, n, reterr);

                if (rc < 0) {
                    return rc;
                }
                n = 0;
            }
            iov[n++] = (struct iovec){(void *)(uintptr_t)p, len};
        }
        bytes += r->bytes;
    }
    *ret_bytes = bytes;
    return write_iov(w, iov, n, reterr);
}

/** Take back what a failed group left in the file. */
static void repair(struct wal *w)
{
    int rc = w->vfs->truncate(w->vfs->ctx, w->fd, (int64_t)w->offset);

    counter_add(w->errors_total, 1);
    if (rc < 0) {
        w->broken = true;
        log_error("wal", "cannot cut a failed write, leaving the segment", L_CSTR("dir", w->dir),
                  L_INT("segment", w->segment), L_INT("errno", -rc));
    }
}

/** Write one group as the busy thread, without the lock. All of it is good or none. */
static int commit_group(struct wal *w, struct request *group, uint64_t group_bytes,
                        struct err *reterr)
{
    uint64_t written = 0;
    int rc = 0;

    if (w->broken || (w->offset > WAL_START_SIZE && w->offset + group_bytes > w->segment_bytes)) {
        rc = next_segment(w, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    rc = write_group(w, group, &written, reterr);
    if (rc == 0 && w->sync == WAL_SYNC_ALWAYS) {
        rc = sync_fd(w, w->fd, reterr);
    }
    if (rc < 0) {
        repair(w);
        return rc;
    }
    counter_add(w->bytes_total, written);
    counter_add(w->groups_total, 1);
    mutex_lock(&w->lock);
    w->offset += written;
    w->dirty = w->sync != WAL_SYNC_ALWAYS;
    mutex_unlock(&w->lock);
    return 0;
}

/** Cut the first requests off the queue. Called with the lock and a non-empty queue. */
static struct request *take_group_locked(struct wal *w, uint64_t *ret_bytes)
{
    struct request *group = w->first;
    struct request *r = group;
    uint64_t bytes = r->bytes;

    while (r->next != NULL && bytes + r->next->bytes <= MAX_GROUP_BYTES) {
        r = r->next;
        bytes += r->bytes;
    }
    w->first = r->next;
    r->next = NULL;
    if (w->first == NULL) {
        w->last = &w->first;
    }
    *ret_bytes = bytes;
    return group;
}

int wal_append(struct wal *w, uint8_t type, const struct str *parts, size_t n,
               struct wal_pos *ret_pos, struct err *reterr)
{
    struct request self = {.parts = parts, .n = n};
    uint64_t len = 0;
    uint32_t crc = crc32c(0, &type, 1);

    for (size_t i = 0; i < n; i++) {
        len += parts[i].n;
    }
    if (type == WAL_RUN) {
        return err_set(reterr, ERR_INVALID, "a type of the log itself");
    }
    if (len > WAL_MAX_RECORD) {
        return err_set(reterr, ERR_TOO_LARGE, "record of %llu bytes", (unsigned long long)len);
    }
    for (size_t i = 0; i < n; i++) {
        crc = parts[i].n != 0 ? crc32c(crc, parts[i].p, parts[i].n) : crc;
    }
    wal_put_u32(self.header, (uint32_t)len);
    wal_put_u32(self.header + 4, crc);
    self.header[8] = type;
    self.bytes = len + WAL_HEADER_SIZE;

    mutex_lock(&w->lock);
    *w->last = &self;
    w->last = &self.next;
    while (!self.done) {
        struct request *group;
        uint64_t bytes;
        struct err err = {0};
        int rc;

        if (w->busy) {
            cond_wait(&w->changed, &w->lock);
            continue;
        }
        w->busy = true; /* lead: write what waits, ours included sooner or later */
        group = take_group_locked(w, &bytes);
        mutex_unlock(&w->lock);
        rc = commit_group(w, group, bytes, &err);
        mutex_lock(&w->lock);
        w->busy = false;
        while (group != NULL) { /* a request may vanish as soon as it is done and the lock free */
            struct request *next = group->next;

            group->rc = rc;
            group->err = err;
            group->done = true;
            group = next;
        }
        cond_broadcast(&w->changed);
    }
    mutex_unlock(&w->lock);
    if (self.rc < 0) {
        if (reterr != NULL) {
            *reterr = self.err;
        }
        return self.rc;
    }
    counter_add(w->records_total, 1);
    if (ret_pos != NULL) {
        *ret_pos = self.pos;
    }
    return 0;
}

int wal_rotate(struct wal *w, uint64_t *ret_segment, struct err *reterr)
{
    int rc = 0;

    mutex_lock(&w->lock);
    become_busy_locked(w);
    mutex_unlock(&w->lock);
    if (w->offset > WAL_START_SIZE || w->broken) {
        rc = next_segment(w, reterr);
    }
    mutex_lock(&w->lock);
    if (rc == 0) {
        *ret_segment = w->segment;
    }
    w->busy = false;
    cond_broadcast(&w->changed);
    mutex_unlock(&w->lock);
    return rc;
}

int wal_truncate(struct wal *w, uint64_t segment, struct err *reterr)
{
    int rc = 0;
    size_t kept = 0;

    mutex_lock(&w->lock);
    become_busy_locked(w); /* so that `closed` keeps still while files are removed */
    mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->closed.n; i++) {
        char *path;
        int r;

        if (w->closed.v[i].number >= segment || rc < 0) {
            continue;
        }
        path = segment_path(w, w->closed.v[i].number);
        r = w->vfs->unlink(w->vfs->ctx, path);
        if (r < 0 && r != -ENOENT) {
            rc = err_set_errno(reterr, -r, "removing %s", path);
        } else {
            mutex_lock(&w->lock);
            w->closed.v[i].bytes = UINT64_MAX; /* gone */
            mutex_unlock(&w->lock);
        }
        mem_free(path);
    }
    mutex_lock(&w->lock);
    for (size_t i = 0; i < w->closed.n; i++) {
        if (w->closed.v[i].bytes != UINT64_MAX) {
            w->closed.v[kept++] = w->closed.v[i];
        }
    }
    w->closed.n = kept;
    w->busy = false;
    cond_broadcast(&w->changed);
    mutex_unlock(&w->lock);
    return rc;
}

uint64_t wal_bytes(struct wal *w)
{
    uint64_t sum;

    mutex_lock(&w->lock);
    sum = w->offset;
    for (size_t i = 0; i < w->closed.n; i++) {
        sum += w->closed.v[i].bytes != UINT64_MAX ? w->closed.v[i].bytes : 0;
    }
    mutex_unlock(&w->lock);
    return sum;
}

/** Sync thread of WAL_SYNC_INTERVAL. */
static void sync_loop(void *arg)
{
    struct wal *w = arg;
    struct mono next = mono_add_ms(clock_mono(), w->sync_interval_ms);

    mutex_lock(&w->lock);
    while (!w->closing) {
        int64_t left_ms = (next.ns - clock_mono().ns) / 1000000;

        if (left_ms > 0) {
            (void)cond_wait_ms(&w->closing_changed, &w->lock, left_ms);
            continue;
        }
        if (!w->syncing && (w->dirty || w->retired_n != 0)) {
            sync_once_locked(w);
        }
        next = mono_add_ms(clock_mono(), w->sync_interval_ms);
    }
    mutex_unlock(&w->lock);
}

/* ---- opening ---- */

struct replay {
    struct wal *w;
    int (*fn)(void *arg, uint8_t type, struct str payload, struct wal_pos pos);
    void *arg;
    uint64_t records;
    uint64_t run; /* of the segment at hand; 0: not known */
    uint64_t end; /* of the segment before ... */
    bool has_end; /* ... when there is one */
    uint64_t bytes_done;
    uint64_t bytes_total;
    struct mono next_log;
};

static uint64_t get_u64(const char *p)
{
    return wal_get_u32(p) | (uint64_t)wal_get_u32(p + 4) << 32;
}

/** The start of a segment: is all there that was in front of it? */
static int replay_start(struct replay *r, struct str payload, struct wal_pos pos)
{
    uint64_t run;
    uint64_t before_end;

    if (payload.n < WAL_BEGIN_SIZE) {
        return 0;
    }
    run = get_u64(payload.p);
    before_end = get_u64(payload.p + 8);
    if (r->has_end && r->end < before_end) {
        counter_add(r->w->gaps_total, 1);
        log_warn("wal", "records are missing: the segment before lost its end",
                 L_CSTR("dir", r->w->dir), L_INT("segment", pos.segment - 1), L_INT("end", r->end),
                 L_INT("missing_bytes", before_end - r->end));
    }
    if (run == r->run) {
        return 0;
    }
    r->run = run;
    return r->fn(r->arg, WAL_RUN, str_of(NULL, 0), pos);
}

static int replay_one(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    struct replay *r = arg;

    if (type == WAL_RUN) {
        return replay_start(r, payload, pos);
    }
    r->records++;
    if ((r->records & 1023) == 0 && clock_mono().ns > r->next_log.ns) {
        r->next_log = mono_add_ms(clock_mono(), PROGRESS_MS);
        log_info("wal", "replaying", L_CSTR("wal", r->w->name), L_INT("segment", pos.segment),
                 L_INT("records", r->records), L_INT("done_bytes", r->bytes_done + pos.offset),
                 L_INT("total_bytes", r->bytes_total));
    }
    return r->fn(r->arg, type, payload, pos);
}

/** Keep damaged bytes beside the log, so that a person can look at them. */
static void set_aside(struct wal *w, uint64_t segment, struct str bytes)
{
    char name[WAL_NAME_SIZE + 16];
    char *path;

    snprintf(name, sizeof(name), "%016llx.corrupt", (unsigned long long)segment);
    path = path_of(w, name);
    if (vfs_write_atomic(w->vfs, path, bytes, NULL) < 0) {
        log_warn("wal", "could not keep damaged bytes", L_CSTR("path", path));
    }
    mem_free(path);
}

static int cut_segment(struct wal *w, const char *path, uint64_t end, struct err *reterr)
{
    int fd = w->vfs->open(w->vfs->ctx, path, O_WRONLY, 0);
    int rc;

    if (fd < 0) {
        return err_set_errno(reterr, -fd, "opening %s", path);
    }
    rc = w->vfs->truncate(w->vfs->ctx, fd, (int64_t)end);
    if (rc == 0) {
        rc = w->vfs->fdatasync(w->vfs->ctx, fd);
    }
    ignore_result(w->vfs->close(w->vfs->ctx, fd), "synced before");
    return rc < 0 ? err_set_errno(reterr, -rc, "cutting %s", path) : 0;
}

static int replay_segment(struct replay *r, struct segment *s, struct err *reterr)
{
    struct wal *w = r->w;
    char *path = segment_path(w, s->number);
    struct mapping map = {0};
    struct wal_scan scan = {0};
    int rc = vfs_map(path, &map, reterr);

    if (rc == 0) {
        struct str bytes = str_of((const char *)map.p, map.n);

        rc = wal_scan_segment(bytes, s->number, replay_one, r, &scan);
        if (rc < 0 && reterr != NULL && reterr->code == 0) {
            rc = err_set(reterr, (enum err_code) - rc, "replaying %s", path);
        }
        if (rc == 0 && scan.tail != WAL_TAIL_CLEAN) {
            log_warn("wal", scan.tail == WAL_TAIL_TORN ? "cut an unfinished record" : "damaged log",
                     L_CSTR("path", path), L_INT("offset", scan.end),
                     L_INT("cut_bytes", map.n - scan.end), L_INT("lost_records", scan.lost));
            if (scan.tail == WAL_TAIL_CORRUPT) {
                set_aside(w, s->number, str_drop(bytes, scan.end));
            }
        }
        vfs_unmap(&map);
        s->empty = scan.records == 0;
        if (rc == 0 && scan.tail != WAL_TAIL_CLEAN) {
            rc = cut_segment(w, path, scan.end, reterr);
            s->bytes = scan.end;
        }
    }
    mem_free(path);
    return rc;
}

static int list_segments(struct wal *w, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(w->dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct segment s = {0};
        char *path;

        if (!wal_segment_parse(names[i], &s.number)) {
            continue;
        }
        path = path_of(w, names[i]);
        s.bytes = vfs_tree_bytes(path);
        mem_free(path);
        if (!vec_push(&w->closed, s)) {
            rc = err_set(reterr, ERR_NOMEM, "listing %s", w->dir);
        }
    }
    vfs_list_free(names, n);
    return rc;
}

static int replay_all(struct replay *r, struct err *reterr)
{
    struct wal *w = r->w;
    struct mono start = clock_mono();
    int rc = 0;

    r->next_log = mono_add_ms(start, PROGRESS_MS);
    for (size_t i = 0; i < w->closed.n; i++) {
        r->bytes_total += w->closed.v[i].bytes;
    }
    for (size_t i = 0; rc == 0 && i < w->closed.n; i++) {
        r->has_end = i > 0;
        r->end = i > 0 ? w->closed.v[i - 1].bytes : 0;
        if (i > 0 && w->closed.v[i].number != w->closed.v[i - 1].number + 1) {
            r->has_end = false;
            counter_add(w->gaps_total, 1);
            log_warn("wal", "segments are missing", L_CSTR("dir", w->dir),
                     L_INT("after", w->closed.v[i - 1].number),
                     L_INT("before", w->closed.v[i].number));
        }
        rc = replay_segment(r, &w->closed.v[i], reterr);
        r->bytes_done += w->closed.v[i].bytes;
    }
    if (rc == 0 && r->records != 0) {
        log_info("wal", "replayed", L_CSTR("wal", w->name), L_INT("records", r->records),
                 L_INT("bytes", r->bytes_total), L_INT("ms", mono_since_ns(start) / 1000000));
    }
    return rc;
}

/** Label text must outlive the registry, so only known logs get their own. */
static const char *stats_label(const char *name)
{
    static const char *const KNOWN[][2] = {
        {"metrics", "wal=\"metrics\""}, {"spans", "wal=\"spans\""},   {"traces", "wal=\"traces\""},
        {"logs", "wal=\"logs\""},       {"events", "wal=\"events\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
        if (strcmp(name, KNOWN[i][0]) == 0) {
            return KNOWN[i][1];
        }
    }
    return "wal=\"other\"";
}

static void register_stats(struct wal *w, struct stats *stats)
{
    const char *l = stats_label(w->name);

    w->bytes_total = stats_counter(stats, "bongsu_wal_written_bytes_total", l,
                                   "Bytes written to the write-ahead log.");
    w->records_total = stats_counter(stats, "bongsu_wal_records_total", l,
                                     "Records written to the write-ahead log.");
    w->groups_total = stats_counter(stats, "bongsu_wal_groups_total", l,
                                    "Writes; each holds the records that waited together.");
    w->errors_total = stats_counter(stats, "bongsu_wal_errors_total", l,
                                    "Failed writes, syncs and segment changes.");
    w->gaps_total = stats_counter(stats, "bongsu_wal_replay_gaps_total", l,
                                  "Places found at start where records are missing in the log.");
    w->sync_time =
        stats_timing(stats, "bongsu_wal_sync_seconds", l, "Duration of fdatasync on the log.");
}

static void free_wal(struct wal *w)
{
    vec_done(&w->closed);
    cond_done(&w->changed);
    cond_done(&w->closing_changed);
    mutex_done(&w->lock);
    mem_free(w->name);
    mem_free(w->dir);
    mem_free(w);
}

/** Open the segment after the last; an empty last one is used again. */
static int open_segment(struct wal *w, struct err *reterr)
{
    uint64_t before_end = 0;
    int fd;

    w->segment = 1;
    if (w->closed.n != 0) {
        struct segment last = w->closed.v[w->closed.n - 1];

        w->segment = last.number + 1;
        if (last.empty || last.bytes <= WAL_MAGIC_SIZE) {
            w->segment = last.number;
            w->closed.n--;
        }
    }
    if (w->closed.n != 0 && w->closed.v[w->closed.n - 1].number == w->segment - 1) {
        before_end = w->closed.v[w->closed.n - 1].bytes;
    }
    fd = create_segment(w, w->segment, before_end, reterr);
    if (fd < 0) {
        return fd;
    }
    w->fd = fd;
    w->new_dir = w->sync == WAL_SYNC_INTERVAL;
    w->offset = WAL_START_SIZE;
    return 0;
}

int wal_open(const struct wal_opts *opts,
             int (*replay)(void *arg, uint8_t type, struct str payload, struct wal_pos pos),
             void *arg, struct wal **ret, struct err *reterr)
{
    struct wal *w = mem_xcalloc(1, sizeof(*w));
    struct err local = {0};
    struct replay r = {.w = w, .fn = replay, .arg = arg};
    int rc;

    w->dir = mem_xstrdup(opts->dir);
    w->vfs = opts->vfs != NULL ? opts->vfs : vfs_real();
    w->sync = opts->sync;
    w->sync_interval_ms = opts->sync_interval_ms > 0 ? opts->sync_interval_ms : DEFAULT_SYNC_MS;
    w->segment_bytes = opts->segment_bytes != 0 ? opts->segment_bytes : DEFAULT_SEGMENT_BYTES;
    w->name = mem_xstrdup(opts->name != NULL ? opts->name : "other");
    w->last = &w->first;
    w->fd = -1;
    random_bytes(&w->run, sizeof(w->run));
    mutex_init(&w->lock, LOCK_RANK_WAL);
    cond_init(&w->changed);
    cond_init(&w->closing_changed);
    register_stats(w, opts->stats);

    reterr = reterr != NULL ? reterr : &local;
    rc = vfs_mkdirs(w->vfs, w->dir, reterr);
    rc = rc == 0 ? list_segments(w, reterr) : rc;
    rc = rc == 0 && replay != NULL ? replay_all(&r, reterr) : rc;
    rc = rc == 0 ? open_segment(w, reterr) : rc;
    if (rc == 0 && w->sync == WAL_SYNC_INTERVAL) {
        rc = thread_start(&w->thread, "wal-sync", sync_loop, w);
        if (rc < 0) {
            ignore_result(w->vfs->close(w->vfs->ctx, w->fd), "nothing written");
            rc = err_set(reterr, ERR_UNAVAILABLE, "starting the sync thread");
        }
    }
    if (rc < 0) {
        free_wal(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void wal_close(struct wal *w)
{
    if (w == NULL) {
        return;
    }
    mutex_lock(&w->lock);
    w->closing = true;
    cond_broadcast(&w->closing_changed);
    mutex_unlock(&w->lock);
    thread_join(&w->thread);
    mutex_lock(&w->lock);
    w->new_dir = w->new_dir && w->dirty;
    sync_all_locked(w);
    if (w->dirty) { /* again: failed */
        log_error("wal", "last sync failed", L_CSTR("dir", w->dir));
    }
    mutex_unlock(&w->lock);
    ignore_result(w->vfs->close(w->vfs->ctx, w->fd), "synced before");
    free_wal(w);
}
