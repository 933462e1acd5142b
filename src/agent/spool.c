/* SPDX-License-Identifier: Apache-2.0
 *
 * File names are 16 hexadecimal digits of a rising number, so that the order of names is the order of
 * batches; a number is never used twice while the directory lives.
 */
#include "agent/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/hash.h"

enum {
    HEADER_SIZE = 20,
    NAME_DIGITS = 16,
    BLOCK = 4096,
    FILE_LIMIT = 32 << 20, /* no batch comes near; guards against foreign files */
    ENTRIES_MAX = 262144,
};

#define SUFFIX ".otlp"

static const char MAGIC[4] = {'B', 'G', 'S', 'P'};

struct entry {
    uint64_t seq;
    uint64_t bytes; /* on disk */
};

struct spool {
    const struct vfs *vfs;
    char *dir;
    uint64_t max_bytes;
    VEC(struct entry) entries;
    size_t head; /* entries before it are gone */
    uint64_t next_seq;
    struct spool_stats stats;
};

static void put_u32(uint8_t *p, uint32_t v)
{
    for (size_t i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void spool_encode(const struct batch *b, struct buf *dst)
{
    uint8_t h[HEADER_SIZE] = {0};

    memcpy(h, MAGIC, sizeof(MAGIC));
    h[4] = 1; /* version */
    h[5] = (uint8_t)b->signal;
    h[6] = (uint8_t)b->compression;
    put_u32(h + 8, b->records);
    put_u32(h + 12, (uint32_t)b->n);
    put_u32(h + 16, crc32c(crc32c(0, h, 16), b->data, b->n));
    buf_add(dst, h, sizeof(h));
    buf_add(dst, b->data, b->n);
}

int spool_decode(struct str file, struct batch *ret)
{
    const uint8_t *h = (const uint8_t *)file.p;
    struct batch b = {0};

    if (file.n < HEADER_SIZE || memcmp(h, MAGIC, sizeof(MAGIC)) != 0 || h[4] != 1 ||
        h[5] >= BATCH_SIGNAL_COUNT || h[6] > COMPRESS_SNAPPY ||
        get_u32(h + 12) != file.n - HEADER_SIZE ||
        get_u32(h + 16) != crc32c(crc32c(0, h, 16), h + HEADER_SIZE, file.n - HEADER_SIZE)) {
        return -ERR_CORRUPT;
    }
    b.signal = (enum batch_signal)h[5];
    b.compression = (enum compression)h[6];
    b.records = get_u32(h + 8);
    b.n = file.n - HEADER_SIZE;
    b.data = mem_try_alloc(b.n);
    if (b.data == NULL) {
        return -ERR_NOMEM;
    }
    memcpy(b.data, file.p + HEADER_SIZE, b.n);
    *ret = b;
    return 0;
}

static uint64_t blocks(uint64_t bytes)
{
    return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static void path_of(const struct spool *s, uint64_t seq, struct buf *dst)
{
    buf_clear(dst);
    buf_printf(dst, "%s/%016" PRIx64 SUFFIX, s->dir, seq);
    buf_add_byte(dst, '\0');
}

static void unlink_seq(struct spool *s, uint64_t seq)
{
    struct buf path CLEANUP(buf_done);

    buf_init(&path, 8192);
    path_of(s, seq, &path);
    if (buf_status(&path) == 0) {
        ignore_result(s->vfs->unlink(s->vfs->ctx, path.data), "found again at the next start");
    }
}

void spool_pop(struct spool *s)
{
    if (s->head == s->entries.n) {
        return;
    }
    unlink_seq(s, s->entries.v[s->head].seq);
    s->stats.bytes -= s->entries.v[s->head].bytes;
    s->stats.batches--;
    s->head++;
    if (s->head == s->entries.n || s->head > 4096) {
        memmove(s->entries.v, s->entries.v + s->head,
                (s->entries.n - s->head) * sizeof(*s->entries.v));
        s->entries.n -= s->head;
        s->head = 0;
    }
}

static int add_entry(struct spool *s, uint64_t seq, uint64_t bytes)
{
    if (!vec_push(&s->entries, (struct entry){seq, blocks(bytes)})) {
        return -ERR_NOMEM;
    }
    s->stats.bytes += blocks(bytes);
    s->stats.batches++;
    return 0;
}

static bool parse_name(const char *name, uint64_t *ret)
{
    uint8_t b[8];
    struct str s = str_cstr(name);

    if (s.n != NAME_DIGITS + strlen(SUFFIX) || !str_ends(s, STR(SUFFIX)) ||
        !hex_decode(str_take(s, NAME_DIGITS), b, sizeof(b))) {
        return false;
    }
    *ret = 0;
    for (size_t i = 0; i < sizeof(b); i++) {
        *ret = *ret << 8 | b[i];
    }
    return true;
}

static int find_one(struct spool *s, const char *name)
{
    struct buf path CLEANUP(buf_done);
    struct stat st;
    uint64_t seq;

    buf_init(&path, 8192);
    buf_printf(&path, "%s/%s", s->dir, name);
    buf_add_byte(&path, '\0');
    if (buf_status(&path) < 0) {
        return 0;
    }
    if (str_ends(str_cstr(name), STR(".tmp"))) {
        ignore_result(s->vfs->unlink(s->vfs->ctx, path.data), "a leftover; tried again next time");
        return 0;
    }
    if (!parse_name(name, &seq) || stat(path.data, &st) != 0) {
        return 0; /* not ours */
    }
    s->next_seq = seq >= s->next_seq ? seq + 1 : s->next_seq;
    return add_entry(s, seq, (uint64_t)st.st_size);
}

static int find_all(struct spool *s, struct err *reterr)
{
    char **names = NULL;
    size_t n = 0;
    int rc = vfs_list(s->dir, &names, &n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++) { /* sorted by name */
        rc = find_one(s, names[i]);
    }
    vfs_list_free(names, n);
    return rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "no memory for the spool's list") : rc;
}

int spool_open(const struct vfs *vfs, const char *dir, uint64_t max_bytes, struct spool **ret,
               struct err *reterr)
{
    struct spool *s = mem_xcalloc(1, sizeof(*s));
    int rc = vfs_mkdirs(vfs, dir, reterr);

    s->vfs = vfs;
    s->dir = mem_xstrdup(dir);
    s->max_bytes = max_bytes;
    s->next_seq = 1;
    if (rc == 0) {
        rc = find_all(s, reterr);
    }
    if (rc < 0) {
        spool_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void spool_close(struct spool *s)
{
    if (s == NULL) {
        return;
    }
    vec_done(&s->entries);
    mem_free(s->dir);
    mem_free(s);
}

static void make_room(struct spool *s, uint64_t bytes)
{
    while (s->stats.batches != 0 &&
           (s->stats.bytes + bytes > s->max_bytes || s->stats.batches >= ENTRIES_MAX)) {
        spool_pop(s);
        s->stats.dropped++;
    }
}

int spool_put(struct spool *s, const struct batch *b, struct err *reterr)
{
    struct buf path CLEANUP(buf_done);
    struct buf file CLEANUP(buf_done);
    uint64_t bytes = blocks(HEADER_SIZE + b->n);
    int rc;

    buf_init(&path, 8192);
    buf_init(&file, FILE_LIMIT);
    if (bytes > s->max_bytes || b->n > FILE_LIMIT - HEADER_SIZE) {
        return err_set(reterr, ERR_TOO_LARGE, "a batch of %zu bytes does not fit into the spool",
                       b->n);
    }
    spool_encode(b, &file);
    path_of(s, s->next_seq, &path);
    if (buf_status(&file) < 0 || buf_status(&path) < 0 || !vec_reserve(&s->entries, 1)) {
        return err_set(reterr, ERR_NOMEM, "no memory to spool a batch of %zu bytes", b->n);
    }
    make_room(s, bytes);
    rc = vfs_write_atomic(s->vfs, path.data, buf_str(&file), reterr);
    if (rc < 0) {
        return rc;
    }
    s->next_seq++;
    return add_entry(s, s->next_seq - 1, HEADER_SIZE + b->n);
}

int spool_peek(struct spool *s, struct batch *ret, struct err *reterr)
{
    struct buf path CLEANUP(buf_done);

    buf_init(&path, 8192);
    while (s->head < s->entries.n) {
        char *text = NULL;
        size_t n = 0;
        int rc;

        path_of(s, s->entries.v[s->head].seq, &path);
        rc = buf_status(&path);
        if (rc == 0) {
            rc = vfs_read_file(s->vfs, path.data, FILE_LIMIT, &text, &n, reterr);
        }
        if (rc == 0) {
            rc = spool_decode(str_of(text, n), ret);
            mem_free(text);
        }
        if (rc == 0 || rc == -ERR_NOMEM || rc == -ERR_IO) {
            return rc;
        }
        s->stats.corrupt++; /* broken, or removed by someone else */
        spool_pop(s);
    }
    return -ERR_NOT_FOUND;
}

void spool_set_max(struct spool *s, uint64_t max_bytes)
{
    s->max_bytes = max_bytes;
    make_room(s, 0);
}

struct spool_stats spool_stats_of(const struct spool *s)
{
    return s->stats;
}
