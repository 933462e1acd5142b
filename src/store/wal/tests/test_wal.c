/* SPDX-License-Identifier: Apache-2.0
 *
 * The log against everything a disk does to it: torn tails at every byte, damage, full disks, short
 * writes, failing syncs, many threads, rotation and truncation.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/thread.h"
#include "io/vfs.h"
#include "store/wal/wal_internal.h"

struct fixture {
    char dir[96];
    char path[160];
    struct vfs vfs;  /* real_ with faults */
    int64_t space;   /* bytes writev may still write; -1: no limit */
    int write_errno; /* every writev fails with it */
    int sync_errno;  /* every fdatasync fails with it */
    bool truncate_fails;
    bool one_byte; /* every writev writes one byte */
    _Atomic int syncs;
    struct buf seen; /* "type:payload\n" of every replayed record */
    size_t seen_n;
    size_t runs;    /* announced */
    int stop_after; /* replay fails after so many; -1 never */
};

static ssize_t test_writev(void *ctx, int fd, const struct iovec *iov, int n)
{
    struct fixture *f = ctx;
    struct iovec one = iov[0];
    ssize_t rc;

    if (f->write_errno != 0) {
        return -f->write_errno;
    }
    if (f->space < 0 && !f->one_byte) {
        return vfs_real()->writev(NULL, fd, iov, n);
    }
    if (f->space == 0) {
        return -ENOSPC;
    }
    one.iov_len = f->one_byte ? 1 : one.iov_len;
    if (f->space > 0 && (int64_t)one.iov_len > f->space) {
        one.iov_len = (size_t)f->space;
    }
    rc = vfs_real()->writev(NULL, fd, &one, 1);
    if (rc > 0 && f->space > 0) {
        f->space -= rc;
    }
    return rc;
}

static int test_sync(void *ctx, int fd)
{
    struct fixture *f = ctx;

    f->syncs++;
    return f->sync_errno != 0 ? -f->sync_errno : vfs_real()->fdatasync(NULL, fd);
}

static int test_truncate(void *ctx, int fd, int64_t size)
{
    struct fixture *f = ctx;

    return f->truncate_fails ? -EIO : vfs_real()->truncate(NULL, fd, size);
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_wal.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->vfs = *vfs_real();
    f->vfs.ctx = f;
    f->vfs.writev = test_writev;
    f->vfs.fdatasync = test_sync;
    f->vfs.truncate = test_truncate;
    f->space = -1;
    f->stop_after = -1;
    buf_init(&f->seen, 64 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    buf_done(&f->seen);
    mem_free(f);
    return 0;
}

static int see(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    struct fixture *f = arg;

    assert_true(pos.segment > 0 && pos.offset >= WAL_MAGIC_SIZE);
    if (type == WAL_RUN) {
        assert_int_equal(payload.n, 0);
        f->runs++;
        return 0;
    }
    if (f->stop_after >= 0 && (size_t)f->stop_after == f->seen_n) {
        return -ERR_LIMIT;
    }
    buf_printf(&f->seen, "%u:", type);
    buf_add_str(&f->seen, payload);
    buf_add_byte(&f->seen, '\n');
    f->seen_n++;
    return 0;
}

static struct wal *open_with(struct fixture *f, enum wal_sync sync, uint64_t segment_bytes)
{
    const struct wal_opts opts = {
        .dir = f->dir,
        .name = "metrics",
        .sync = sync,
        .sync_interval_ms = 20,
        .segment_bytes = segment_bytes,
        .vfs = &f->vfs,
    };
    struct wal *w = NULL;
    struct err e = {0};

    buf_clear(&f->seen);
    f->seen_n = 0;
    f->runs = 0;
    if (wal_open(&opts, see, f, &w, &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
    return w;
}

static int put(struct wal *w, uint8_t type, const char *text)
{
    const struct str part = str_cstr(text);

    return wal_append(w, type, &part, 1, NULL, NULL);
}

static void assert_seen(struct fixture *f, const char *want)
{
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);

    wal_close(w);
    buf_add_byte(&f->seen, '\0');
    assert_string_equal(f->seen.data, want);
}

static const char *segment_path(struct fixture *f, uint64_t n)
{
    char name[WAL_NAME_SIZE];

    wal_segment_name(n, name);
    snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
    return f->path;
}

static void test_append_and_replay(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    const struct str parts[] = {STR("ab"), STR(""), STR("cd"), {NULL, 0}};
    struct wal_pos pos = {0};

    assert_int_equal(put(w, 1, "hello"), 0);
    assert_int_equal(wal_append(w, 7, parts, ARRAY_LEN(parts), &pos, NULL), 0);
    assert_int_equal(pos.segment, 1);
    assert_int_equal(pos.offset, WAL_START_SIZE + WAL_HEADER_SIZE + 5);
    assert_int_equal(wal_append(w, 9, NULL, 0, &pos, NULL), 0);
    assert_int_equal(wal_bytes(w), 33 + 3 * 9 + 5 + 4);
    wal_close(w);
    assert_true(f->syncs > 0);
    assert_seen(f, "1:hello\n7:abcd\n9:\n");
    w = open_with(f, WAL_SYNC_ALWAYS, 0);
    assert_int_equal(put(w, 2, "later"), 0);
    wal_close(w);
    assert_seen(f, "1:hello\n7:abcd\n9:\n2:later\n");
    wal_close(NULL);
}

/** The start of a log and its first record as they lie on disk, so that the format cannot change unseen. */
static void test_golden_bytes(void **state)
{
    static const uint8_t START[] = {'B', 'N', 'G', 'S', 'W', 'A', 'L', 1, 16, 0, 0, 0};
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    char *p = NULL;
    size_t n = 0;

    assert_int_equal(put(w, 5, "abc"), 0);
    wal_close(w);
    assert_int_equal(vfs_read_file(vfs_real(), segment_path(f, 1), 100, &p, &n, NULL), 0);
    assert_int_equal(n, 33 + 9 + 3);
    assert_memory_equal(p, START, sizeof(START));
    assert_int_equal(wal_get_u32(p + 12), crc32c(0, p + 16, 17));
    assert_int_equal((uint8_t)p[16], WAL_RUN);
    assert_memory_equal(p + 25, "\0\0\0\0\0\0\0\0", 8); /* nothing in front of it */
    assert_memory_equal(p + 33, "\3\0\0\0", 4);
    assert_int_equal(wal_get_u32(p + 37), crc32c(0,
                                                 "\x05"
                                                 "abc",
                                                 4));
    assert_memory_equal(p + 41,
                        "\x05"
                        "abc",
                        4);
    mem_free(p);
}

static void test_torn_tail_at_every_byte(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    char *p = NULL;
    size_t n = 0;
    size_t last = WAL_HEADER_SIZE + 12;

    assert_int_equal(put(w, 1, "first"), 0);
    assert_int_equal(put(w, 2, "twelve bytes"), 0);
    wal_close(w);
    assert_int_equal(vfs_read_file(vfs_real(), segment_path(f, 1), 1000, &p, &n, NULL), 0);
    for (size_t cut = n - last; cut <= n; cut++) {
        for (int zeros = 0; zeros < 2; zeros++) { /* as cut, and as a file system pads it */
            char *copy = mem_xcalloc(1, n + 64);

            memcpy(copy, p, cut);
            assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
            assert_int_equal(vfs_mkdirs(vfs_real(), f->dir, NULL), 0);
            assert_int_equal(vfs_write_atomic(vfs_real(), segment_path(f, 1),
                                              str_of(copy, zeros != 0 ? n + 64 : cut), NULL),
                             0);
            mem_free(copy);
            w = open_with(f, WAL_SYNC_INTERVAL, 0);
            assert_int_equal(f->seen_n, cut == n ? 2 : 1);
            assert_int_equal(put(w, 3, "after"), 0);
            wal_close(w);
            assert_seen(f, cut == n ? "1:first\n2:twelve bytes\n3:after\n" : "1:first\n3:after\n");
        }
    }
    mem_free(p);
}

static void test_damage_is_set_aside(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    uint64_t segment = 0;
    char *p = NULL;
    size_t n = 0;

    assert_int_equal(put(w, 1, "good"), 0);
    assert_int_equal(put(w, 1, "bad"), 0);
    assert_int_equal(put(w, 1, "lost"), 0);
    assert_int_equal(wal_rotate(w, &segment, NULL), 0);
    assert_int_equal(segment, 2);
    assert_int_equal(put(w, 1, "next"), 0);
    wal_close(w);
    assert_int_equal(vfs_read_file(vfs_real(), segment_path(f, 1), 1000, &p, &n, NULL), 0);
    p[WAL_START_SIZE + WAL_HEADER_SIZE + 4 + WAL_HEADER_SIZE] ^= 1;
    assert_int_equal(vfs_write_atomic(vfs_real(), segment_path(f, 1), str_of(p, n), NULL), 0);
    mem_free(p);
    assert_seen(f, "1:good\n1:next\n");
    assert_seen(f, "1:good\n1:next\n");
    snprintf(f->path, sizeof(f->path), "%s/0000000000000001.corrupt", f->dir);
    assert_int_equal(access(f->path, F_OK), 0);
    assert_int_equal(vfs_write_atomic(vfs_real(), segment_path(f, 1), STR("not a log"), NULL), 0);
    assert_seen(f, "1:next\n");
}

static void test_scan_verdicts(void **state)
{
    static const struct {
        struct str bytes;
        enum wal_tail tail;
        uint64_t end;
    } CASES[] = {
        {STR(""), WAL_TAIL_CLEAN, 0},
        {STR("BNGS"), WAL_TAIL_TORN, 0},
        {STR("\0\0\0\0\0\0\0\0\0\0"), WAL_TAIL_TORN, 0},
        {STR("SQLite format 3"), WAL_TAIL_CORRUPT, 0},
        {STR(WAL_MAGIC), WAL_TAIL_CLEAN, 8},
        {STR(WAL_MAGIC "\1\0\0\0\0\0\0\0\1"), WAL_TAIL_TORN, 8},
        {STR(WAL_MAGIC "\0\0\0\0\0\0\0\0\1"), WAL_TAIL_CORRUPT, 8},
        {STR(WAL_MAGIC "\xff\xff\xff\xff\0\0\0\0\1"), WAL_TAIL_CORRUPT, 8},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct wal_scan scan = {0};

        assert_int_equal(wal_scan_segment(CASES[i].bytes, 1, see, f, &scan), 0);
        assert_int_equal(scan.tail, CASES[i].tail);
        assert_int_equal(scan.end, CASES[i].end);
        assert_int_equal(scan.records, 0);
    }
}

static void test_replay_may_stop(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    const struct wal_opts opts = {.dir = f->dir, .name = "metrics"};
    struct err e = {0};

    assert_int_equal(put(w, 1, "a"), 0);
    assert_int_equal(put(w, 1, "b"), 0);
    wal_close(w);
    f->seen_n = 0;
    f->stop_after = 1;
    assert_int_equal(wal_open(&opts, see, f, &w, &e), -ERR_LIMIT);
    assert_int_equal(e.code, ERR_LIMIT);
    f->stop_after = -1;
    assert_seen(f, "1:a\n1:b\n");
}

static void test_full_disk_leaves_nothing_half(void **state)
{
    struct fixture *f = *state;

    for (int64_t space = 0; space < 30; space++) {
        struct wal *w;
        struct err e = {0};
        const struct str part = STR("fits nowhere");

        assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
        w = open_with(f, WAL_SYNC_INTERVAL, 0);
        assert_int_equal(put(w, 1, "before"), 0);
        f->space = space;
        assert_int_equal(wal_append(w, 2, &part, 1, NULL, &e),
                         space >= WAL_HEADER_SIZE + 12 ? 0 : -ERR_NOSPACE);
        f->space = -1;
        assert_int_equal(put(w, 3, "after"), 0);
        wal_close(w);
        assert_seen(f, space >= WAL_HEADER_SIZE + 12 ? "1:before\n2:fits nowhere\n3:after\n"
                                                     : "1:before\n3:after\n");
    }
}

static void test_unrepairable_segment_is_left(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);

    assert_int_equal(put(w, 1, "before"), 0);
    f->space = 5;
    f->truncate_fails = true;
    assert_int_equal(put(w, 2, "half"), -ERR_NOSPACE);
    assert_int_equal(put(w, 2, "still no space"), -ERR_NOSPACE);
    f->space = -1;
    assert_int_equal(put(w, 3, "after"), 0);
    f->truncate_fails = false;
    wal_close(w);
    assert_seen(f, "1:before\n3:after\n");
}

static void test_io_errors(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_ALWAYS, 0);

    f->write_errno = EIO;
    assert_int_equal(put(w, 1, "a"), -ERR_IO);
    f->write_errno = EDQUOT;
    assert_int_equal(put(w, 1, "b"), -ERR_NOSPACE);
    f->write_errno = 0;
    f->sync_errno = EIO;
    assert_int_equal(put(w, 1, "not synced"), -ERR_IO);
    f->sync_errno = 0;
    f->one_byte = true;
    assert_int_equal(put(w, 1, "byte by byte"), 0);
    f->one_byte = false;
    wal_close(w);
    assert_seen(f, "1:byte by byte\n");
}

static void test_too_large(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    char *big = mem_xcalloc(1, WAL_MAX_RECORD + 1);
    struct str part = str_of(big, WAL_MAX_RECORD + 1);

    assert_int_equal(wal_append(w, 1, &part, 1, NULL, NULL), -ERR_TOO_LARGE);
    part.n--;
    assert_int_equal(wal_append(w, 1, &part, 1, NULL, NULL), 0);
    mem_free(big);
    wal_close(w);
}

static void test_rotate_and_truncate(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    uint64_t s = 0;

    assert_int_equal(wal_rotate(w, &s, NULL), 0);
    assert_int_equal(s, 1); /* nothing in it yet */
    assert_int_equal(put(w, 1, "one"), 0);
    assert_int_equal(wal_rotate(w, &s, NULL), 0);
    assert_int_equal(s, 2);
    assert_int_equal(put(w, 1, "two"), 0);
    assert_int_equal(wal_truncate(w, s, NULL), 0);
    assert_int_equal(access(segment_path(f, 1), F_OK), -1);
    assert_int_equal(wal_bytes(w), 33 + 9 + 3);
    assert_int_equal(wal_truncate(w, 99, NULL), 0); /* never the current one */
    wal_close(w);
    assert_seen(f, "1:two\n");
}

static void test_segments_by_size(void **state)
{
    struct fixture *f = *state;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 64);

    for (int i = 0; i < 10; i++) {
        assert_int_equal(put(w, 1,
                             i == 5 ? "a record longer than a whole segment is, and kept whole"
                                    : "twenty bytes in here"),
                         0);
    }
    wal_close(w);
    assert_int_equal(access(segment_path(f, 6), F_OK), 0);
    w = open_with(f, WAL_SYNC_INTERVAL, 64);
    assert_int_equal(f->seen_n, 10);
    wal_close(w);
}

static bool same_file(struct fixture *f, const char *copy, uint64_t n)
{
    char name[WAL_NAME_SIZE];
    char path[160];
    struct stat a;
    struct stat b;

    wal_segment_name(n, name);
    snprintf(path, sizeof(path), "%s/%s", copy, name);
    assert_int_equal(lstat(segment_path(f, n), &a), 0);
    assert_int_equal(lstat(path, &b), 0);
    assert_int_equal(a.st_size, b.st_size);
    return a.st_ino == b.st_ino;
}

static void test_snapshot_of_a_log_in_use(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    char copy[80];
    char stray[160];
    struct wal *w;
    uint64_t s = 0;
    struct err e = {0};

    snprintf(copy, sizeof(copy), "%.60s.copy", f->dir);
    assert_int_equal(wal_snapshot("/nonexistent/log", copy, &e), 0);
    assert_int_equal(access(copy, F_OK), -1); /* no log, no copy */
    w = open_with(f, WAL_SYNC_INTERVAL, 0);
    snprintf(stray, sizeof(stray), "%s/0000000000000000.corrupt", f->dir);
    assert_int_equal(vfs_write_atomic(vfs_real(), stray, STR("x"), NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put(w, 1, "done with"), 0);
        assert_int_equal(wal_rotate(w, &s, NULL), 0);
    }
    assert_int_equal(put(w, 2, "newest"), 0);
    assert_int_equal(wal_snapshot(f->dir, copy, &e), 0);
    assert_true(same_file(f, copy, 1) && same_file(f, copy, 2));
    assert_false(same_file(f, copy, 3)); /* goes on being written */
    snprintf(stray, sizeof(stray), "%s/0000000000000000.corrupt", copy);
    assert_int_equal(access(stray, F_OK), -1);
    assert_int_equal(wal_snapshot(f->dir, copy, &e), -ERR_EXISTS);
    assert_int_equal(put(w, 2, "later"), 0);
    assert_int_equal(wal_truncate(w, 3, NULL), 0);
    wal_close(w);
    assert_seen(f, "2:newest\n2:later\n");
    snprintf(other.dir, sizeof(other.dir), "%s", copy);
    buf_init(&other.seen, 1 << 20);
    assert_seen(&other, "1:done with\n1:done with\n2:newest\n");
    buf_done(&other.seen);
    assert_int_equal(vfs_remove_tree(vfs_real(), copy, NULL), 0);
}

/** Half a record at the end of the newest segment, as a copy made while it is written has it. */
static void test_snapshot_amid_a_write(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    struct wal *w = open_with(f, WAL_SYNC_INTERVAL, 0);
    char copy[80];
    int fd;

    snprintf(copy, sizeof(copy), "%.60s.copy", f->dir);
    assert_int_equal(put(w, 1, "whole"), 0);
    fd = open(segment_path(f, 1), O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\x05\0\0\0half", 8), 8);
    close(fd);
    assert_int_equal(wal_snapshot(f->dir, copy, NULL), 0);
    wal_close(w);
    snprintf(other.dir, sizeof(other.dir), "%s", copy);
    buf_init(&other.seen, 1 << 20);
    assert_seen(&other, "1:whole\n");
    buf_done(&other.seen);
    assert_int_equal(vfs_remove_tree(vfs_real(), copy, NULL), 0);
}

/** Three segments of a run; the second loses bytes from `cut` on, as after a power cut. */
static void lose_end(struct fixture *f, uint64_t cut)
{
    struct wal *w;
    uint64_t s = 0;

    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    w = open_with(f, WAL_SYNC_INTERVAL, 0);
    assert_int_equal(put(w, 1, "one"), 0);
    assert_int_equal(wal_rotate(w, &s, NULL), 0);
    assert_int_equal(put(w, 1, "two"), 0);
    assert_int_equal(put(w, 1, "six"), 0);
    assert_int_equal(wal_rotate(w, &s, NULL), 0);
    assert_int_equal(put(w, 1, "ten"), 0);
    wal_close(w);
    assert_int_equal(truncate(segment_path(f, 2), (off_t)cut), 0);
}

static uint64_t gaps(struct stats *stats)
{
    return counter_get(stats_counter(stats, "bongsu_wal_replay_gaps_total", "wal=\"metrics\"", ""));
}

/** A segment that lost its end is noticed at every cut, between records, too; the rest is replayed. */
static void test_lost_end_of_a_segment(void **state)
{
    struct fixture *f = *state;
    const uint64_t full = WAL_START_SIZE + 2 * (WAL_HEADER_SIZE + 3);

    for (uint64_t cut = 0; cut <= full; cut++) {
        struct stats *stats = stats_new();
        const struct wal_opts opts = {
            .dir = f->dir, .name = "metrics", .vfs = &f->vfs, .stats = stats};
        struct wal *w = NULL;

        lose_end(f, cut);
        buf_clear(&f->seen);
        f->seen_n = f->runs = 0;
        assert_int_equal(wal_open(&opts, see, f, &w, NULL), 0);
        assert_int_equal(gaps(stats), cut < full ? 1 : 0);
        assert_int_equal(f->runs, 1);
        assert_int_equal(put(w, 1, "new"), 0);
        wal_close(w);
        stats_free(stats);
        assert_seen(f, cut == full                         ? "1:one\n1:two\n1:six\n1:ten\n1:new\n"
                       : cut >= full - WAL_HEADER_SIZE - 3 ? "1:one\n1:two\n1:ten\n1:new\n"
                                                           : "1:one\n1:ten\n1:new\n");
        assert_int_equal(f->runs, 2);
    }
}

/** Segments of before there was a start record are read as they are. */
static void test_segments_without_start(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[WAL_MAGIC_SIZE + WAL_HEADER_SIZE + 16] = WAL_MAGIC;
    uint8_t *record = bytes + WAL_MAGIC_SIZE;
    struct wal *w;

    memset(record + WAL_HEADER_SIZE, 'x', 16); /* as long as a start is */
    wal_put_u32(record, 16);
    record[8] = 3;
    wal_put_u32(record + 4, crc32c(0, record + 8, 17));
    assert_int_equal(vfs_write_atomic(vfs_real(), segment_path(f, 1),
                                      str_of((char *)bytes, sizeof(bytes)), NULL),
                     0);
    w = open_with(f, WAL_SYNC_INTERVAL, 0);
    assert_int_equal(f->runs, 0);
    assert_int_equal(put(w, 1, "new"), 0);
    assert_int_equal(wal_append(w, WAL_RUN, NULL, 0, NULL, NULL), -ERR_INVALID);
    wal_close(w);
    assert_seen(f, "3:xxxxxxxxxxxxxxxx\n1:new\n");
    assert_int_equal(f->runs, 1);
}

struct writer {
    struct wal *w;
    int id;
    int rounds;
    struct thread t;
};

static void write_many(void *arg)
{
    struct writer *wr = arg;

    for (int i = 0; i < wr->rounds; i++) {
        char text[32];
        uint64_t s;

        snprintf(text, sizeof(text), "%d/%d", wr->id, i);
        if (put(wr->w, (uint8_t)wr->id, text) != 0) {
            abort();
        }
        if (i % 100 == 50 && wal_rotate(wr->w, &s, NULL) != 0) {
            abort();
        }
    }
}

static void group_commit(struct fixture *f, enum wal_sync sync)
{
    enum { WRITERS = 4, ROUNDS = 300 };

    struct writer writers[WRITERS];
    int next[WRITERS] = {0};
    struct wal *w = open_with(f, sync, 4096);
    struct str rest;
    struct str line;
    size_t lines = 0;

    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.w = w, .id = i, .rounds = ROUNDS};
        assert_int_equal(thread_start(&writers[i].t, "writer", write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        thread_join(&writers[i].t);
    }
    wal_close(w);
    w = open_with(f, sync, 4096);
    wal_close(w);
    rest = buf_str(&f->seen);
    while (rest.n != 0 && str_split(&rest, '\n', &line)) {
        int id = line.p[0] - '0';
        char want[40];

        snprintf(want, sizeof(want), "%d:%d/%d", id, id, next[id]++);
        assert_true(str_eq(line, str_cstr(want))); /* each thread's records in its order */
        lines++;
    }
    assert_int_equal(lines, WRITERS * ROUNDS);
}

static void test_group_commit(void **state)
{
    group_commit(*state, WAL_SYNC_INTERVAL);
}

static void test_group_commit_always(void **state)
{
    group_commit(*state, WAL_SYNC_ALWAYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append_and_replay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_golden_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_tail_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage_is_set_aside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scan_verdicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replay_may_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk_leaves_nothing_half, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unrepairable_segment_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_io_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotate_and_truncate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_segments_by_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snapshot_of_a_log_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snapshot_amid_a_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_end_of_a_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_segments_without_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_commit_always, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
