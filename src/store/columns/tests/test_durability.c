/* SPDX-License-Identifier: Apache-2.0
 *
 * What must survive: acknowledged rows after SIGKILL at any moment, ids across flush, merge and restart,
 * a full disk, damaged files (found, named, never wrong rows), many threads at once, retention.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "io/quarantine.h"
#include "io/tree.h"
#include "io/vfs.h"
#include "store/columns/check.h"
#include "store/columns/tests/gen.h"

static const struct resource NO_RESOURCE;
static const struct scope NO_SCOPE;

enum { DAY_MS = 24 * 3600 * 1000 };

static struct columns *open_with(const struct columns_opts *o)
{
    struct columns *c = NULL;
    struct err err = {0};
    int rc = columns_open(o, &c, &err);

    if (rc < 0) {
        print_error("open: %s\n", err.msg);
    }
    assert_int_equal(rc, 0);
    return c;
}

/* A log whose body says its number. */
static void append_numbered(struct columns *c, uint64_t first, size_t n, int64_t time_ns)
{
    struct log_record logs[64];
    char text[64][32];
    struct columns_commit commit;
    struct err err = {0};
    int rc;

    for (size_t i = 0; i < n; i++) {
        int len = snprintf(text[i], sizeof(text[i]), "row %llu", (unsigned long long)(first + i));

        logs[i] =
            (struct log_record){.time_ns = time_ns + (int64_t)i,
                                .body = {.type = VALUE_STR, .u.s = str_of(text[i], (size_t)len)},
                                .resource = &NO_RESOURCE,
                                .scope = &NO_SCOPE};
    }
    do { /* a full memory is for the client to wait for */
        rc = columns_append_logs(c, logs, n, &commit, &err);
        if (rc == -ERR_OVERLOAD) {
            clock_sleep_ms(2);
        }
    } while (rc == -ERR_OVERLOAD);
    if (rc < 0) {
        print_error("append: %s\n", err.msg);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(commit.accepted, n);
}

struct numbers {
    uint8_t *seen; /* count per number */
    uint64_t *ids; /* may be NULL: id per number */
    size_t max;
    size_t n;
};

static int on_numbered(void *arg, const struct log_record *row, uint64_t id)
{
    struct numbers *s = arg;
    uint64_t number;

    if (row->body.type != VALUE_STR || !str_starts(row->body.u.s, STR("row ")) ||
        !str_to_u64(str_drop(row->body.u.s, 4), &number) || number >= s->max) {
        return -ERR_INTERNAL;
    }
    s->seen[number]++;
    if (s->ids != NULL) {
        s->ids[number] = id;
    }
    s->n++;
    return 0;
}

static int scan_numbers(struct columns *c, struct numbers *s, struct err *err)
{
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};

    s->n = 0;
    memset(s->seen, 0, s->max);
    return columns_scan_logs(c, &q, INT64_MAX, 0, on_numbered, s, NULL, err);
}

/* Child: append batches of 10, telling the parent after each, with flushes and merges in between. */
static void child_work(const char *dir, uint64_t first, int out)
{
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir, .memory_max_bytes = 30000};
    struct columns *c = open_with(&o);

    for (uint64_t i = first;; i += 10) {
        append_numbered(c, i, 10, clock_wall_ns() - (int64_t)(i % 3) * DAY_MS * 1000000);
        if (write(out, &i, sizeof(i)) != (ssize_t)sizeof(i)) {
            _exit(1);
        }
        if (i % 400 == 0) {
            struct err err = {0};

            if (columns_flush(c, &err) < 0 || (i % 1600 == 0 && columns_compact(c, &err) < 0)) {
                _exit(2);
            }
        }
    }
}

static void test_kill(void **state)
{
    enum { ROUNDS = 8, MAX = 200000 };

    char *dir = gen_tmpdir();
    uint64_t next = 0; /* numbers below were acknowledged, or belong to a batch cut by a kill */
    uint8_t *acked = calloc(MAX, 1);
    struct numbers s = {.seen = calloc(MAX, 1), .max = MAX};
    uint64_t seed = 42;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir};
        struct columns *c;
        int fds[2];
        pid_t pid;
        uint64_t got;
        int64_t stop_at;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            child_work(dir, next, fds[1]);
        }
        close(fds[1]);
        stop_at = clock_mono().ns + (int64_t)(20 + random_next(&seed) % 150) * 1000000;
        while (clock_mono().ns < stop_at && read(fds[0], &got, sizeof(got)) == sizeof(got)) {
            memset(acked + got, 1, 10);
            next = got + 10;
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fds[0], &got, sizeof(got)) == sizeof(got)) {
            memset(acked + got, 1, 10);
            next = got + 10;
        }
        close(fds[0]);
        assert_true(next + 10 < MAX);
        c = open_with(&o);
        assert_int_equal(scan_numbers(c, &s, NULL), 0);
        for (size_t i = 0; i < MAX; i++) {
            assert_true(s.seen[i] <= 1); /* never twice */
            assert_true(s.seen[i] == 1 || acked[i] == 0);
        }
        columns_close(c);
        next += 10; /* the batch at hand may have been written without the word getting out */
    }
    free(acked);
    free(s.seen);
    gen_rmdir(dir);
}

static void check_ids(struct columns *c, struct numbers *s, const uint64_t *ids)
{
    assert_int_equal(scan_numbers(c, s, NULL), 0);
    assert_int_equal(s->n, s->max);
    for (size_t i = 0; i < s->max; i++) {
        assert_int_equal(s->seen[i], 1);
        assert_int_equal(s->ids[i], ids[i]);
    }
}

/* Undo a quarantine of the only part. */
static void put_back(const char *dir, const char *part)
{
    char quarantine[700];
    char from[1000];
    char **names = NULL;
    size_t n = 0;

    snprintf(quarantine, sizeof(quarantine), "%s/quarantine", dir);
    assert_int_equal(vfs_list(quarantine, &names, &n, NULL), 0);
    assert_int_equal(n, 1);
    snprintf(from, sizeof(from), "%s/%s", quarantine, names[0]);
    assert_int_equal(tree_make_parents(part, NULL), 0); /* an empty day was removed */
    assert_int_equal(rename(from, part), 0);
    vfs_list_free(names, n);
}

static void test_stable_ids(void **state)
{
    enum { N = 640 };

    char *dir = gen_tmpdir();
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir};
    struct columns *c = open_with(&o);
    struct numbers s = {.seen = calloc(N, 1), .ids = calloc(N, 8), .max = N};
    uint64_t *ids = calloc(N, 8);

    (void)state;
    for (uint64_t i = 0; i < N; i += 64) { /* times fall, and are equal in part */
        append_numbered(c, i, 64, clock_wall_ns() - (int64_t)(i / 128) * 1000000000000);
        if (i == 256 || i == 448) {
            assert_int_equal(columns_flush(c, NULL), 0);
        }
    }
    assert_int_equal(scan_numbers(c, &s, NULL), 0);
    memcpy(ids, s.ids, N * 8);
    check_ids(c, &s, ids);
    assert_int_equal(columns_flush(c, NULL), 0);
    check_ids(c, &s, ids);
    columns_close(c);
    c = open_with(&o);
    check_ids(c, &s, ids);
    assert_int_equal(columns_compact(c, NULL), 0);
    check_ids(c, &s, ids);
    columns_close(c);
    free(ids);
    free(s.ids);
    free(s.seen);
    gen_rmdir(dir);
}

/* A disk with so many bytes left. */
struct small_disk {
    struct vfs v;
    _Atomic int64_t left;
};

static ssize_t small_writev(void *ctx, int fd, const struct iovec *iov, int n)
{
    struct small_disk *d = ctx;
    int64_t want = 0;

    for (int i = 0; i < n; i++) {
        want += (int64_t)iov[i].iov_len;
    }
    if (atomic_fetch_sub(&d->left, want) < want) {
        return -ENOSPC;
    }
    return vfs_real()->writev(vfs_real()->ctx, fd, iov, n);
}

static ssize_t small_pwrite(void *ctx, int fd, const void *p, size_t n, int64_t offset)
{
    struct small_disk *d = ctx;

    if (atomic_fetch_sub(&d->left, (int64_t)n) < (int64_t)n) {
        return -ENOSPC;
    }
    return vfs_real()->pwrite(vfs_real()->ctx, fd, p, n, offset);
}

static void test_full_disk(void **state)
{
    enum { N = 640 };

    char *dir = gen_tmpdir();
    struct small_disk disk = {.v = *vfs_real()};
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir, .vfs = &disk.v};
    struct numbers s = {.seen = calloc(N, 1), .max = N};
    struct columns *c;
    struct columns_status st;
    struct log_record log = {
        .time_ns = clock_wall_ns(), .resource = &NO_RESOURCE, .scope = &NO_SCOPE};
    struct columns_commit commit;
    struct err err = {0};

    (void)state;
    disk.v.ctx = &disk;
    disk.v.writev = small_writev;
    disk.v.pwrite = small_pwrite;
    atomic_init(&disk.left, 1 << 20);
    c = open_with(&o);
    for (uint64_t i = 0; i < N; i += 64) {
        append_numbered(c, i, 64, clock_wall_ns());
    }
    for (int64_t left = 0; left < 4000; left += 200) { /* fails at every stage of a flush */
        int rc;

        atomic_store(&disk.left, left);
        rc = columns_flush(c, &err);
        if (rc == 0) {
            break;
        }
        assert_int_equal(rc, -ERR_NOSPACE);
        assert_non_null(strstr(err.msg, dir));
        assert_int_equal(scan_numbers(c, &s, NULL), 0);
        assert_int_equal(s.n, N);
    }
    atomic_store(&disk.left, 0);
    assert_int_equal(columns_append_logs(c, &log, 1, &commit, &err), -ERR_NOSPACE);
    atomic_store(&disk.left, 1 << 24);
    assert_int_equal(columns_flush(c, &err), 0);
    columns_status(c, &st);
    assert_int_equal(st.rows, N);
    assert_int_equal(st.memory_rows, 0);
    assert_int_equal(scan_numbers(c, &s, NULL), 0);
    assert_int_equal(s.n, N);
    columns_close(c);
    c = open_with(&o);
    assert_int_equal(scan_numbers(c, &s, NULL), 0);
    assert_int_equal(s.n, N);
    columns_close(c);
    free(s.seen);
    gen_rmdir(dir);
}

/* The one part's directory of a store with one part. */
static void part_dir_of(const char *dir, char *dst, size_t size)
{
    char path[600];
    char **days;
    char **seqs;
    size_t n;

    snprintf(path, sizeof(path), "%s/parts", dir);
    assert_int_equal(vfs_list(path, &days, &n, NULL), 0);
    assert_int_equal(n, 1);
    snprintf(path, sizeof(path), "%s/parts/%s", dir, days[0]);
    assert_int_equal(vfs_list(path, &seqs, &n, NULL), 0);
    assert_int_equal(n, 1);
    snprintf(dst, size, "%s/%s", path, seqs[0]);
    vfs_list_free(seqs, 1);
    vfs_list_free(days, 1);
}

static void flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    uint8_t b;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 0x41;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

/* Flip bytes all over each file: opening or reading fails with its name, or every row is right. */
static void test_damage(void **state)
{
    enum { N = 640 };

    static const char *const FILES[] = {"index", "data", "traces"};
    char *dir = gen_tmpdir();
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir};
    struct columns *c = open_with(&o);
    struct numbers s = {.seen = calloc(N, 1), .max = N};
    char part[700];
    char path[1000];
    size_t found = 0;

    (void)state;
    for (uint64_t i = 0; i < N; i += 64) {
        append_numbered(c, i, 64,
                        clock_wall_ns() / 86400000000000 * 86400000000000 - 1000 - (int64_t)i);
    }
    columns_close(c);
    part_dir_of(dir, part, sizeof(part));
    for (size_t f = 0; f < ARRAY_LEN(FILES); f++) {
        struct stat st;

        snprintf(path, sizeof(path), "%s/%s", part, FILES[f]);
        assert_int_equal(stat(path, &st), 0);
        for (off_t at = 0; at < st.st_size; at += 1 + st.st_size / 80) {
            struct err err = {0};
            int rc;

            flip(path, at);
            c = NULL;
            rc = columns_open(&o, &c, &err);
            if (rc == 0 && quarantine_count(dir) != 0) {
                found++; /* noticed at start: nothing of the part is shown */
                assert_int_equal(scan_numbers(c, &s, &err), 0);
                assert_int_equal(s.n, 0);
                columns_close(c);
                put_back(dir, part);
                flip(path, at);
                continue;
            }
            rc = rc < 0 ? rc : scan_numbers(c, &s, &err);
            if (rc < 0) {
                found++;
                assert_true(rc == -ERR_CORRUPT || rc == -ERR_UNSUPPORTED);
                assert_non_null(strstr(err.msg, path));
            } else {
                assert_int_equal(s.n, N);
            }
            columns_close(c);
            flip(path, at);
        }
    }
    assert_true(found > 100);
    c = open_with(&o); /* whole again */
    assert_int_equal(scan_numbers(c, &s, NULL), 0);
    assert_int_equal(s.n, N);
    columns_close(c);
    snprintf(path, sizeof(path), "%s/manifest", dir);
    flip(path, 30);
    {
        struct err err = {0};

        assert_int_equal(columns_open(&o, &c, &err), -ERR_CORRUPT);
        assert_non_null(strstr(err.msg, "manifest"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(columns_open(&o, &c, &err), -ERR_CORRUPT);
        assert_non_null(strstr(err.msg, "manifest"));
    }
    free(s.seen);
    gen_rmdir(dir);
}

/* Of a day in several parts only the oldest goes. */
static void test_drop_within_a_day(void **state)
{
    const int64_t day_ns = (int64_t)DAY_MS * 1000000;
    const int64_t hour_ns = day_ns / 24;
    char *dir = gen_tmpdir();
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir};
    struct columns *c = open_with(&o);
    int64_t midnight_ns = (clock_wall_ns() / day_ns - 1) * day_ns;
    struct columns_status st;
    uint64_t bytes;

    (void)state;
    for (int hour = 3; hour > 0; hour--) { /* the oldest comes last */
        append_numbered(c, (uint64_t)hour * 10, 10, midnight_ns + hour * hour_ns);
        assert_int_equal(columns_flush(c, NULL), 0);
    }
    for (int hour = 1; hour <= 3; hour++) {
        int64_t newest_ns = columns_oldest_part_ns(c, &bytes);

        assert_true(newest_ns >= midnight_ns + hour * hour_ns);
        assert_true(newest_ns < midnight_ns + (hour + 1) * hour_ns);
        columns_status(c, &st);
        assert_true(bytes > 0 && bytes <= st.disk_bytes);
        assert_int_equal(columns_drop_oldest_part(c, NULL), 0);
        columns_status(c, &st);
        assert_int_equal(st.rows, 30 - 10 * hour);
    }
    assert_int_equal(columns_oldest_part_ns(c, &bytes), INT64_MAX);
    columns_close(c);
    gen_rmdir(dir);
}

/* A disk that takes bitmaps and manifests, but no new part: what is deleted cannot be rewritten. */
static int open_no_part(void *ctx, const char *path, int flags, mode_t mode)
{
    const atomic_bool *no_parts = ctx;

    if ((flags & O_CREAT) != 0 && atomic_load(no_parts) && str_ends(str_cstr(path), STR("/data"))) {
        return -ENOSPC;
    }
    return vfs_real()->open(vfs_real()->ctx, path, flags, mode);
}

struct findings {
    size_t whole, damaged;
    char path[512];
    char detail[256];
};

static void note_finding(void *arg, const struct check_finding *f)
{
    struct findings *s = arg;

    s->whole += f->state == CHECK_WHOLE;
    if (f->state == CHECK_DAMAGED) {
        s->damaged++;
        snprintf(s->path, sizeof(s->path), "%s", f->path);
        snprintf(s->detail, sizeof(s->detail), "%s", f->detail);
    }
}

static struct findings check_dir(const char *dir)
{
    struct findings s = {0};
    const struct check_report r = {.fn = note_finding, .arg = &s};

    assert_int_equal(columns_check(dir, COLUMNS_LOGS, &r, NULL), 0);
    return s;
}

static int find_mask(void *arg, const struct tree_file *f, struct err *reterr)
{
    (void)reterr;
    if (strstr(f->relative, "mask.") != NULL) {
        snprintf(arg, 512, "%s", f->path);
    }
    return 0;
}

/* Bitmaps of deleted rows hold over a restart, and a check names one that is damaged. */
static void test_masks(void **state)
{
    char *dir = gen_tmpdir();
    atomic_bool no_parts = false;
    struct budget budget;
    struct vfs v = *vfs_real();
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir, .vfs = &v};
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};
    const int64_t now_ns = clock_wall_ns() - 1000000;
    struct columns_status st;
    struct findings found;
    struct columns *c;
    struct numbers s = {.seen = calloc(64, 1), .max = 64};
    char path[512] = "";
    char *text = NULL;
    uint64_t rows = 0;
    size_t n = 0;

    (void)state;
    v.ctx = &no_parts;
    v.open = open_no_part;
    budget_init(&budget, 1 << 30, NULL);
    o.budget = &budget;
    c = open_with(&o);
    append_numbered(c, 0, 60, now_ns);
    assert_int_equal(columns_flush(c, NULL), 0);
    atomic_store(&no_parts, true);
    q.max_ns = now_ns + 10;
    assert_int_equal(columns_delete(c, &q, &rows, NULL), 0);
    assert_int_equal(rows, 10);
    assert_in_range(budget_used(&budget), 8,
                    4096); /* the bitmap alone: nothing else is in memory */
    columns_close(c);
    assert_int_equal(budget_used(&budget), 0);
    c = open_with(&o);
    assert_in_range(budget_used(&budget), 8, 4096);
    assert_int_equal(scan_numbers(c, &s, NULL), 0);
    assert_int_equal(s.n, 50);
    assert_int_equal(s.seen[9] + s.seen[10], 1);
    columns_close(c);
    assert_int_equal(check_dir(dir).damaged, 0);
    assert_int_equal(tree_walk(dir, NULL, find_mask, path, NULL), 0);
    assert_true(path[0] != '\0');
    assert_int_equal(vfs_read_file(vfs_real(), path, 1 << 20, &text, &n, NULL), 0);
    text[n / 2] ^= 1;
    assert_int_equal(vfs_write_atomic(vfs_real(), path, str_of(text, n), NULL), 0);
    found = check_dir(dir);
    assert_int_equal(found.damaged, 1);
    assert_string_equal(found.path, path);
    assert_non_null(strstr(found.detail, "mask of deleted rows"));
    text[n / 2] ^= 1;
    assert_int_equal(vfs_write_atomic(vfs_real(), path, str_of(text, n), NULL), 0);
    mem_free(text);
    atomic_store(&no_parts, false);
    c = open_with(&o); /* now it can be rewritten */
    assert_int_equal(columns_compact(c, NULL), 0);
    columns_status(c, &st);
    assert_int_equal(st.rows, 50);
    assert_int_equal(scan_numbers(c, &s, NULL), 0);
    assert_int_equal(s.n, 50);
    columns_close(c);
    free(s.seen);
    gen_rmdir(dir);
}

static void test_retention(void **state)
{
    char *dir = gen_tmpdir();
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir};
    struct columns *c = open_with(&o);
    struct columns_status st;
    int64_t now_ns = clock_wall_ns();
    const int64_t day_ns = (int64_t)DAY_MS * 1000000;
    uint64_t bytes;

    (void)state;
    for (int day = 0; day < 6; day++) {
        append_numbered(c, (uint64_t)day * 10, 10, now_ns - day * day_ns - 1000);
    }
    assert_int_equal(columns_flush(c, NULL), 0);
    columns_status(c, &st);
    assert_int_equal(st.parts, 6);
    assert_true(columns_oldest_part_ns(c, &bytes) < now_ns - 5 * day_ns);
    assert_true(bytes > 0);
    assert_int_equal(columns_drop_oldest_part(c, NULL), 0);
    columns_status(c, &st);
    assert_int_equal(st.parts, 5);
    assert_int_equal(st.rows, 50);
    columns_close(c);
    o.retention_ms = 2LL * DAY_MS;
    c = open_with(&o); /* the background thread drops what is older */
    for (int i = 0; i < 500; i++) {
        columns_status(c, &st);
        if (st.parts == 2) {
            break;
        }
        clock_sleep_ms(10);
    }
    assert_int_equal(st.parts, 2);
    assert_int_equal(st.rows, 20);
    columns_close(c);
    o.retention_ms = 0;
    c = open_with(&o);
    columns_status(c, &st);
    assert_int_equal(st.rows, 20);
    columns_close(c);
    gen_rmdir(dir);
}

struct shared {
    struct columns *c;
    _Atomic uint64_t next;
    atomic_bool stop;
    atomic_uint failures;
};

static void appender(void *arg)
{
    struct shared *sh = arg;

    while (!atomic_load(&sh->stop)) {
        uint64_t i = atomic_fetch_add(&sh->next, 20);

        append_numbered(sh->c, i, 20, clock_wall_ns() - (int64_t)(i % 7) * 3600000000000);
    }
}

static int count_row(void *arg, const struct log_record *row, uint64_t id)
{
    size_t *n = arg;

    (void)row;
    (void)id;
    return ++*n == 500 ? 1 : 0;
}

static void reader(void *arg)
{
    struct shared *sh = arg;

    while (!atomic_load(&sh->stop)) {
        uint64_t before = atomic_load(&sh->next);
        struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};
        struct columns_buckets all = {.step_ns = INT64_MAX, .n = 2};
        struct columns_groups got = {0};
        struct arena a;
        size_t rows = 0;

        arena_init(&a, 16 << 20);
        if (columns_histogram(sh->c, &q, &all, &a, &got, NULL) < 0 ||
            columns_scan_logs(sh->c, &q, INT64_MAX, 0, count_row, &rows, NULL, NULL) < 0) {
            atomic_fetch_add(&sh->failures, 1);
        } else if (got.n != 0 && got.v[0].total + 2000 < before) { /* in flight: at most 2 x 20 */
            atomic_fetch_add(&sh->failures, 1);
        }
        arena_done(&a);
    }
}

static void maintainer(void *arg)
{
    struct shared *sh = arg;

    for (int i = 0; !atomic_load(&sh->stop); i++) {
        if (columns_flush(sh->c, NULL) < 0 || (i % 4 == 3 && columns_compact(sh->c, NULL) < 0)) {
            atomic_fetch_add(&sh->failures, 1);
        }
        clock_sleep_ms(5);
    }
}

static void test_threads(void **state)
{
    char *dir = gen_tmpdir();
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir, .memory_max_bytes = 200000};
    struct shared sh = {.c = open_with(&o)};
    struct thread t[5] = {0};
    struct numbers s;

    (void)state;
    assert_int_equal(thread_start(&t[0], "append-1", appender, &sh), 0);
    assert_int_equal(thread_start(&t[1], "append-2", appender, &sh), 0);
    assert_int_equal(thread_start(&t[2], "read-1", reader, &sh), 0);
    assert_int_equal(thread_start(&t[3], "read-2", reader, &sh), 0);
    assert_int_equal(thread_start(&t[4], "maintain", maintainer, &sh), 0);
    for (int i = 0; i < 100 && atomic_load(&sh.next) < 30000; i++) {
        clock_sleep_ms(20);
    }
    atomic_store(&sh.stop, true);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        thread_join(&t[i]);
    }
    assert_int_equal(atomic_load(&sh.failures), 0);
    s = (struct numbers){.seen = calloc(sh.next, 1), .max = sh.next};
    assert_int_equal(scan_numbers(sh.c, &s, NULL), 0);
    assert_int_equal(s.n, sh.next);
    columns_close(sh.c);
    sh.c = open_with(&o);
    assert_int_equal(scan_numbers(sh.c, &s, NULL), 0);
    assert_int_equal(s.n, sh.next);
    columns_close(sh.c);
    free(s.seen);
    gen_rmdir(dir);
}

static void test_overload(void **state)
{
    char *dir = gen_tmpdir();
    struct budget budget;
    struct columns_opts o = {.kind = COLUMNS_LOGS, .dir = dir, .budget = &budget};
    struct columns *c;
    struct log_record log = {
        .time_ns = clock_wall_ns(), .resource = &NO_RESOURCE, .scope = &NO_SCOPE};
    struct columns_commit commit;
    struct err err = {0};
    int rc = 0;
    size_t ok = 0;

    (void)state;
    budget_init(&budget, 20000, NULL);
    c = open_with(&o);
    for (int i = 0; i < 1000 && rc == 0; i++) {
        rc = columns_append_logs(c, &log, 1, &commit, &err);
        ok += rc == 0;
    }
    assert_int_equal(rc, -ERR_OVERLOAD);
    assert_true(ok > 50);
    assert_int_equal(columns_flush(c, NULL), 0);
    assert_int_equal(budget_used(&budget), 0);
    assert_int_equal(columns_append_logs(c, &log, 1, &commit, &err), 0);
    columns_close(c);
    assert_int_equal(budget_used(&budget), 0);
    gen_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),      cmocka_unit_test(test_stable_ids),
        cmocka_unit_test(test_full_disk), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_retention), cmocka_unit_test(test_drop_within_a_day),
        cmocka_unit_test(test_masks),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_overload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
