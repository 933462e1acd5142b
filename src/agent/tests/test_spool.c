/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk buffer: order, bounds, restart, damage, and every file operation failing in turn.
 */
#include "agent/positions.h"
#include "agent/spool.h"
#include "agent_test.h"

#include <errno.h>

static struct batch make(const char *text)
{
    struct batch b = {.signal = BATCH_LOGS, .compression = COMPRESS_GZIP, .records = 3};

    b.n = strlen(text);
    b.data = mem_try_alloc(b.n);
    memcpy(b.data, text, b.n);
    return b;
}

static int put(struct spool *s, const char *text)
{
    struct batch b = make(text);
    int rc = spool_put(s, &b, NULL);

    batch_done(&b);
    return rc;
}

static void expect(struct spool *s, const char *text)
{
    struct batch b = {0};

    assert_int_equal(spool_peek(s, &b, NULL), 0);
    assert_str(str_of(b.data, b.n), text);
    assert_int_equal(b.signal, BATCH_LOGS);
    assert_int_equal(b.compression, COMPRESS_GZIP);
    assert_int_equal(b.records, 3);
    batch_done(&b);
    spool_pop(s);
}

static void test_order_and_restart(void **state)
{
    char *dir = test_mkdir();
    struct spool *s = NULL;
    struct batch b = {0};

    (void)state;
    assert_int_equal(spool_open(vfs_real(), test_path(dir, "a/b"), 1 << 20, &s, NULL), 0);
    assert_int_equal(put(s, "one"), 0);
    assert_int_equal(put(s, "two"), 0);
    assert_int_equal(put(s, "three"), 0);
    assert_int_equal(spool_stats_of(s).bytes, 3 * 4096);
    expect(s, "one");
    spool_close(s);
    test_write(test_path(dir, "a/b/0000000000000009.otlp.tmp"), "w", "half");
    test_write(test_path(dir, "a/b/README"), "w", "not ours");
    assert_int_equal(spool_open(vfs_real(), test_path(dir, "a/b"), 1 << 20, &s, NULL), 0);
    assert_int_equal(access(test_path(dir, "a/b/0000000000000009.otlp.tmp"), F_OK), -1);
    assert_int_equal(access(test_path(dir, "a/b/README"), F_OK), 0);
    assert_int_equal(spool_stats_of(s).batches, 2);
    assert_int_equal(put(s, "four"), 0);
    expect(s, "two");
    expect(s, "three");
    expect(s, "four");
    assert_int_equal(spool_peek(s, &b, NULL), -ERR_NOT_FOUND);
    assert_int_equal(spool_stats_of(s).bytes, 0);
    spool_pop(s); /* of nothing */
    spool_close(s);
    test_rmdir(dir);
}

static void test_bounds(void **state)
{
    char *dir = test_mkdir();
    struct spool *s = NULL;
    char *large = mem_xcalloc(1, 3 * 4096 + 1);

    (void)state;
    assert_int_equal(spool_open(vfs_real(), dir, 3 * 4096, &s, NULL), 0);
    for (size_t i = 0; i < 5; i++) {
        char text[8];

        snprintf(text, sizeof(text), "n%zu", i);
        assert_int_equal(put(s, text), 0);
    }
    assert_int_equal(spool_stats_of(s).dropped, 2);
    assert_int_equal(spool_stats_of(s).bytes, 3 * 4096);
    memset(large, 'x', 3 * 4096);
    assert_int_equal(put(s, large), -ERR_TOO_LARGE);
    assert_int_equal(spool_stats_of(s).batches, 3); /* nothing was thrown out for it */
    expect(s, "n2");
    spool_set_max(s, 4096);
    assert_int_equal(spool_stats_of(s).dropped, 3);
    expect(s, "n4");
    spool_close(s);
    mem_free(large);
    test_rmdir(dir);
}

static void test_damage(void **state)
{
    char *dir = test_mkdir();
    struct spool *s = NULL;

    (void)state;
    assert_int_equal(spool_open(vfs_real(), dir, 1 << 20, &s, NULL), 0);
    assert_int_equal(put(s, "one"), 0);
    assert_int_equal(put(s, "two"), 0);
    assert_int_equal(put(s, "three"), 0);
    test_write(test_path(dir, "0000000000000001.otlp"), "r+", "BGSPx");
    assert_int_equal(truncate(test_path(dir, "0000000000000002.otlp"), 21), 0);
    expect(s, "three");
    assert_int_equal(spool_stats_of(s).corrupt, 2);
    spool_close(s);
    test_rmdir(dir);
}

static void test_decode(void **state)
{
    struct batch b = make("payload");
    struct batch got = {0};
    struct buf file;

    (void)state;
    buf_init(&file, 1024);
    spool_encode(&b, &file);
    assert_int_equal(spool_decode(buf_str(&file), &got), 0);
    batch_done(&got);
    for (size_t i = 0; i < file.n; i++) { /* any byte changed, any length cut */
        file.data[i] ^= 0x40;
        assert_int_equal(spool_decode(buf_str(&file), &got), -ERR_CORRUPT);
        file.data[i] ^= 0x40;
        assert_int_equal(spool_decode(str_take(buf_str(&file), i), &got), -ERR_CORRUPT);
    }
    buf_done(&file);
    batch_done(&b);
}

/* A file system where the n-th operation fails. */
struct faulty {
    struct vfs vfs;
    int countdown;
};

static bool fails(void *ctx)
{
    struct faulty *f = ctx;

    return f->countdown-- == 0;
}

static int f_open(void *ctx, const char *path, int flags, mode_t mode)
{
    return fails(ctx) ? -ENOSPC : vfs_real()->open(vfs_real()->ctx, path, flags, mode);
}

static ssize_t f_writev(void *ctx, int fd, const struct iovec *iov, int n)
{
    return fails(ctx) ? -ENOSPC : vfs_real()->writev(vfs_real()->ctx, fd, iov, n);
}

static ssize_t f_pwrite(void *ctx, int fd, const void *p, size_t n, int64_t offset)
{
    return fails(ctx) ? -EIO : vfs_real()->pwrite(vfs_real()->ctx, fd, p, n, offset);
}

static int f_fdatasync(void *ctx, int fd)
{
    return fails(ctx) ? -EIO : vfs_real()->fdatasync(vfs_real()->ctx, fd);
}

static int f_rename(void *ctx, const char *from, const char *to)
{
    return fails(ctx) ? -EIO : vfs_real()->rename(vfs_real()->ctx, from, to);
}

/* Each step of a put fails once: what was there stays, the put works the next time, order holds. */
static void test_faults(void **state)
{
    bool reached_end = false;

    (void)state;
    for (int step = 0; step < 20 && !reached_end; step++) {
        char *dir = test_mkdir();
        struct faulty f = {.vfs = *vfs_real(), .countdown = -1};
        struct spool *s = NULL;

        f.vfs.ctx = &f;
        f.vfs.open = f_open;
        f.vfs.writev = f_writev;
        f.vfs.pwrite = f_pwrite;
        f.vfs.fdatasync = f_fdatasync;
        f.vfs.rename = f_rename;
        assert_int_equal(spool_open(&f.vfs, dir, 1 << 20, &s, NULL), 0);
        assert_int_equal(put(s, "one"), 0);
        f.countdown = step;
        if (put(s, "two") < 0) {
            assert_int_equal(spool_stats_of(s).batches, 1);
            f.countdown = -1;
            assert_int_equal(put(s, "two"), 0);
        } else {
            reached_end = f.countdown >= 0;
        }
        f.countdown = -1;
        spool_close(s);
        assert_int_equal(spool_open(&f.vfs, dir, 1 << 20, &s, NULL), 0);
        expect(s, "one");
        expect(s, "two");
        assert_int_equal(spool_stats_of(s).batches, 0);
        spool_close(s);
        test_rmdir(dir);
    }
    assert_true(reached_end);
}

static void test_positions(void **state)
{
    static const char *const BAD[] = {
        "", "bongsu-positions 1\n", "bongsu-positions 2\ncrc32c 00000000\n",
        "bongsu-positions 1\ncrc32c 00000000\n", "crc32c 00000000\nbongsu-positions 1\n"};

    positions p = {0};
    positions got = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 16);
    assert_true(
        vec_push(&p, (struct position){1, 2, 3, UINT64_MAX, 256, true, mem_xstrdup("/a b%\n")}));
    assert_true(
        vec_push(&p, (struct position){4, UINT64_MAX, INT64_MAX, 0, 0, false, mem_xstrdup("/x")}));
    positions_encode(&p, &b);
    assert_int_equal(positions_decode(buf_str(&b), &got), 0);
    assert_int_equal(got.n, 2);
    assert_string_equal(got.v[0].path, "/a b%\n");
    assert_int_equal(got.v[0].fingerprint, UINT64_MAX);
    assert_true(got.v[0].skipping);
    assert_int_equal(got.v[1].offset, INT64_MAX);
    positions_done(&got);
    for (size_t i = 0; i < b.n; i++) {
        b.data[i] ^= 1;
        assert_int_equal(positions_decode(buf_str(&b), &got), -ERR_CORRUPT);
        assert_int_equal(got.n, 0);
        b.data[i] ^= 1;
        assert_int_equal(positions_decode(str_take(buf_str(&b), i), &got), -ERR_CORRUPT);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        assert_int_equal(positions_decode(str_cstr(BAD[i]), &got), -ERR_CORRUPT);
    }
    positions_done(&p);
    buf_clear(&b);
    positions_encode(&p, &b);
    assert_int_equal(positions_decode(buf_str(&b), &got), 0);
    assert_int_equal(got.n, 0);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_restart),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_positions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
