/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the files of a part beside its data: index, trace index, mask of deleted rows. Checksums are made
 * right first, or nothing would ever be read. Input: 1 byte which file, then its content.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "io/vfs.h"
#include "store/columns/mask.h"
#include "store/columns/part_format.h"
#include "store/columns/part_write.h"
#include "store/columns/rowcodec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WHICH_INDEX, WHICH_TRACES, WHICH_MASK, WHICH_N };

/* The files of one real part. */
static struct {
    char dir[64];
    char *index;
    char *traces;
    size_t index_n;
    size_t traces_n;
} real;

static void save(const char *name, const void *p, size_t n)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", real.dir, name);
    f = fopen(path, "w");
    if (f == NULL || (n != 0 && fwrite(p, 1, n, f) != n) || fclose(f) != 0) {
        abort();
    }
}

static void remove_part(void)
{
    ignore_result(vfs_remove_tree(vfs_real(), real.dir, NULL), "a directory in /tmp stays");
}

static void make_part(void)
{
    struct attr attr = {STR("service.name"), {.type = VALUE_STR, .u.s = STR("a")}};
    struct resource resource = {.attrs = {&attr, 1}};
    struct scope scope = {.name = STR("lib")};
    struct part_writer *w;
    struct buf b;
    char path[128];
    uint64_t bytes;
    uint32_t index;

    snprintf(real.dir, sizeof(real.dir), "%s/fuzz-part-%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    buf_init(&b, 1 << 16);
    if (!resource_encode(&resource, &b) ||
        part_writer_open(vfs_real(), real.dir, COLUMNS_SPANS, (struct part_writer_opts){.level = 1},
                         &w, NULL) < 0 ||
        part_writer_resource(w, buf_str(&b), &index, NULL) < 0) {
        abort();
    }
    buf_clear(&b);
    if (!scope_encode(&scope, &b) || part_writer_scope(w, buf_str(&b), &index, NULL) < 0) {
        abort();
    }
    for (uint64_t i = 0; i < 600; i++) {
        struct span s = {.start_ns = (int64_t)i, .resource = &resource, .scope = &scope};

        memcpy(s.trace_id.b, &i, sizeof(i));
        s.trace_id.b[15] = 1;
        if (part_writer_span(w, &s, i, 1, 0, 0, NULL) < 0) {
            abort();
        }
    }
    buf_done(&b);
    snprintf(path, sizeof(path), "%s/index", real.dir);
    if (columns_part_writer_finish(w, &bytes, NULL) < 0 ||
        vfs_read_file(vfs_real(), path, 1 << 20, &real.index, &real.index_n, NULL) < 0) {
        abort();
    }
    snprintf(path, sizeof(path), "%s/traces", real.dir);
    if (vfs_read_file(vfs_real(), path, 1 << 20, &real.traces, &real.traces_n, NULL) < 0) {
        abort();
    }
    atexit(remove_part);
}

static void fix_index(char *p, size_t n, uint64_t traces_n)
{
    struct part_header h;
    struct part_header good;

    if (n < sizeof(h)) {
        return;
    }
    memcpy(&h, p, sizeof(h));
    memcpy(&good, real.index, sizeof(good));
    memcpy(h.magic, good.magic, 4);
    h.version = good.version;
    h.data_bytes = good.data_bytes;
    h.traces_bytes = traces_n;
    h.body_crc = crc32c(0, p + sizeof(h), n - sizeof(h));
    h.header_crc = crc32c(0, &h, offsetof(struct part_header, header_crc));
    memcpy(p, &h, sizeof(h));
}

static void fix_traces(char *p, size_t n)
{
    struct trace_header h;

    if (n < sizeof(h) + sizeof(uint32_t)) {
        return;
    }
    memcpy(&h, p, sizeof(h));
    memcpy(h.magic, TRACE_MAGIC, 4);
    for (size_t at = sizeof(h), i = 0; i < h.pages_n && at + sizeof(struct trace_page) <= n;
         i++, at += sizeof(struct trace_page)) {
        struct trace_page page;

        memcpy(&page, p + at, sizeof(page));
        if (page.offset <= n && page.bytes <= n - page.offset && page.offset >= at + sizeof(page)) {
            page.crc = crc32c(0, p + page.offset, page.bytes);
            memcpy(p + at, &page, sizeof(page));
        }
    }
    if (h.filter_bytes != 0 && h.filter_bytes <= n - sizeof(h) - sizeof(uint32_t)) {
        char *filter = p + n - sizeof(uint32_t) - h.filter_bytes;
        uint32_t crc = crc32c(0, filter, h.filter_bytes);

        memcpy(filter + h.filter_bytes, &crc, sizeof(crc));
    }
    if (h.pages_n <= (n - sizeof(h)) / sizeof(struct trace_page)) {
        h.pages_crc = crc32c(0, p + sizeof(h), h.pages_n * sizeof(struct trace_page));
    }
    h.header_crc = crc32c(0, &h, offsetof(struct trace_header, header_crc));
    memcpy(p, &h, sizeof(h));
}

static int see(void *arg, uint64_t fingerprint, uint32_t block)
{
    (void)fingerprint;
    if (block >= part_blocks(arg)) {
        abort();
    }
    return 0;
}

static void read_part(void)
{
    struct part *p = NULL;
    block_list blocks = {0};
    const uint64_t fps[] = {0, 1, 0x123456789abcu, 0xffffffffffffu};

    if (columns_part_open(real.dir, 1, 1, 0, &p, NULL) < 0) {
        return;
    }
    for (uint32_t i = 0; i < part_resources(p); i++) {
        struct str bytes = part_resource_bytes(p, i);

        if (bytes.n != 0 && bytes.p[bytes.n - 1] == 'x' && bytes.p[0] == 'y') {
            abort(); /* only that it can be read */
        }
    }
    for (uint32_t i = 0; i < part_blocks(p); i++) {
        if (part_block_bytes(p, i).n != part_block(p, i)->bytes) {
            abort();
        }
    }
    ignore_result(part_each_trace(p, see, p, NULL), "only that it is safe");
    ignore_result(part_traces_blocks(p, fps, ARRAY_LEN(fps), &blocks, NULL),
                  "only that it is safe");
    vec_done(&blocks);
    columns_part_unref(p);
}

static void read_mask(struct str bytes)
{
    static const struct block_entry BLOCKS[] = {{.rows_n = 100}, {.rows_n = 64}, {.rows_n = 4096}};
    struct mask *m = NULL;
    const uint64_t *bits[ARRAY_LEN(BLOCKS)];
    struct buf again;

    if (mask_parse(bytes, BLOCKS, ARRAY_LEN(BLOCKS), &m, NULL) < 0) {
        return;
    }
    for (uint32_t i = 0; i < ARRAY_LEN(BLOCKS); i++) {
        bits[i] = mask_of_block(m, i);
    }
    buf_init(&again, 1 << 20);
    mask_encode(bits, BLOCKS, ARRAY_LEN(BLOCKS), &again);
    if (again.n != bytes.n || memcmp(again.data, bytes.p, again.n) != 0) {
        abort();
    }
    buf_done(&again);
    mask_free(m);
}

/* Header of a mask: magic, version, blocks, entries, rows, checksums of the body and of itself. */
static void fix_mask(char *p, size_t n)
{
    uint32_t crc;

    if (n >= 32) {
        memcpy(p, "BGMX\1\0\0\0\3\0\0\0", 12);
        crc = crc32c(0, p + 32, n - 32);
        memcpy(p + 24, &crc, 4);
        crc = crc32c(0, p, 28);
        memcpy(p + 28, &crc, 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int which = size != 0 ? data[0] % WHICH_N : WHICH_INDEX;
    char *copy;

    if (size < 2) {
        return 0;
    }
    if (real.index == NULL) {
        make_part();
    }
    size--;
    copy = mem_xcalloc(size, 1);
    memcpy(copy, data + 1, size);
    if (which == WHICH_INDEX) {
        fix_index(copy, size, real.traces_n);
        save("index", copy, size);
        save("traces", real.traces, real.traces_n);
        read_part();
    } else if (which == WHICH_TRACES) {
        fix_traces(copy, size);
        fix_index(real.index, real.index_n, size);
        save("index", real.index, real.index_n);
        save("traces", copy, size);
        read_part();
    } else {
        fix_mask(copy, size);
        read_mask(str_of(copy, size));
    }
    mem_free(copy);
    return 0;
}
