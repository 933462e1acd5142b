/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes seed inputs for the fuzz targets of this folder: make_seeds DIR. Not part of any build target's
 * output; run it again when a format changes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "io/vfs.h"
#include "store/columns/block_build.h"
#include "store/columns/part_write.h"
#include "store/columns/rowcodec.h"
#include "store/columns/strs.h"
#include "store/columns/tests/gen.h"

static void save(const char *dir, const char *target, int n, struct str content)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, target);
    if (vfs_mkdirs(vfs_real(), path, NULL) < 0) {
        abort();
    }
    snprintf(path, sizeof(path), "%s/%s/seed-%d", dir, target, n);
    if (vfs_write_atomic(vfs_real(), path, content, NULL) < 0) {
        abort();
    }
}

/* A file of a part with the byte that names it in front. */
static void save_file(const char *dir, const char *part, const char *name, int which, int n_seed)
{
    char path[4096];
    char *text;
    size_t n;
    struct buf b;

    snprintf(path, sizeof(path), "%s/%s", part, name);
    buf_init(&b, 1 << 20);
    buf_add_byte(&b, (char)which);
    if (vfs_read_file(vfs_real(), path, 1 << 20, &text, &n, NULL) < 0) {
        abort();
    }
    buf_add(&b, text, n);
    save(dir, "fuzz_columns_part", n_seed, buf_str(&b));
    mem_free(text);
    buf_done(&b);
}

static void put_row(struct part_writer *w, struct gen *g, enum columns_kind kind, uint64_t i)
{
    struct span span;
    struct log_record log;
    int rc;

    if (kind == COLUMNS_SPANS) {
        gen_span(g, &span);
        rc = part_writer_span(w, &span, i, 1, 0, 0, NULL);
    } else {
        gen_log(g, &log);
        rc = part_writer_log(w, &log, i, 1, 0, 0, NULL);
    }
    if (rc < 0) {
        abort();
    }
}

/* Files of a whole part, as the writer of today makes them. */
static void part_seeds(const char *dir, enum columns_kind kind)
{
    char *tmp = gen_tmpdir();
    struct part_writer *w;
    char part[512];
    uint32_t index;
    uint64_t bytes;
    struct gen g;

    gen_init(&g, 9, 1000, 1000);
    snprintf(part, sizeof(part), "%s/part", tmp);
    if (part_writer_open(vfs_real(), part, kind, (struct part_writer_opts){.level = 1}, &w, NULL) <
            0 ||
        part_writer_resource(w, STR("\0\0\0"), &index, NULL) < 0 ||
        part_writer_scope(w, STR("\0\0\0\0\0"), &index, NULL) < 0) {
        abort();
    }
    for (uint64_t i = 0; i < 300; i++) {
        put_row(w, &g, kind, i);
    }
    if (columns_part_writer_finish(w, &bytes, NULL) < 0) {
        abort();
    }
    if (kind == COLUMNS_SPANS) {
        save_file(dir, part, "index", 0, 0);
        save_file(dir, part, "traces", 1, 1);
    } else {
        save_file(dir, part, "index", 0, 2);
    }
    gen_done(&g);
    gen_rmdir(tmp);
}

/* A column of texts that become templates, and one of few distinct ones. */
static void strs_seed(const char *dir, int n)
{
    enum { ROWS = 128 };

    static char text[ROWS][64];
    struct str v[ROWS];
    struct strs_encoder e = {0};
    struct strs_text how = {.templates = true};
    struct buf b;

    for (int i = 0; i < ROWS; i++) {
        int len;

        if (n != 0) {
            len = snprintf(text[i], sizeof(text[i]), "c%d", i % 5);
        } else if (i % 3 == 0) {
            len = snprintf(text[i], sizeof(text[i]), "id %08x%08x of x%dz",
                           (unsigned)i * 2654435761u, (unsigned)i * 40503u, i * 7919);
        } else {
            len = snprintf(text[i], sizeof(text[i]), "GET /a/%d by user%d in 0.%03d", i * 7, i % 6,
                           i * 31 % 1000);
        }
        v[i] = str_of(text[i], (size_t)len);
    }
    buf_init(&b, 1 << 20);
    buf_add_byte(&b, ROWS / 4);
    if (strs_encode(&e, v, ROWS, &how, &b) < 0) {
        abort();
    }
    save(dir, "fuzz_strs", n, buf_str(&b));
    buf_done(&b);
    strs_encoder_done(&e);
}

int main(int argc, char **argv)
{
    const struct row_limits all = {INT64_MIN, INT64_MAX};

    for (int i = 0; argc == 2 && i < 6; i++) {
        size_t n = (size_t)1 << (2 * (i / 2));
        struct block_builder *bb = block_builder_new(1, false);
        struct columns_commit commit;
        struct gen g;
        struct buf b;
        char head[7] = {0};
        int64_t dir_bytes;
        uint32_t dir32;

        gen_init(&g, (uint64_t)i + 1, 1000, 1000);
        g.rare_every = 4;
        buf_init(&b, 1 << 20);
        for (size_t k = 0; k < n; k++) {
            struct span s;
            struct log_record l;

            gen_span(&g, &s);
            gen_log(&g, &l);
            if ((i % 2 == 0 ? rowcodec_encode_spans(&s, 1, all, &b, &commit, NULL)
                            : rowcodec_encode_logs(&l, 1, all, &b, &commit, NULL)) < 0 ||
                (i % 2 == 0 ? block_add_span(bb, &s, k, 0, 0) : block_add_log(bb, &l, k, 0, 0)) <
                    0) {
                abort();
            }
            if (k == 0) {
                save(argv[1], "fuzz_rowcodec", i, buf_str(&b));
            }
        }
        buf_clear(&b);
        buf_add(&b, head, sizeof(head));
        dir_bytes = block_finish(bb, &b);
        dir32 = (uint32_t)dir_bytes;
        b.data[0] = (char)(i % 2);
        b.data[1] = (char)(n - 1);
        memcpy(b.data + 3, &dir32, 4);
        save(argv[1], "fuzz_block", i, buf_str(&b));
        buf_done(&b);
        block_builder_free(bb);
        gen_done(&g);
    }
    if (argc == 2) {
        part_seeds(argv[1], COLUMNS_SPANS);
        part_seeds(argv[1], COLUMNS_LOGS);
        strs_seed(argv[1], 0);
        strs_seed(argv[1], 1);
    }
    return argc == 2 ? 0 : 2;
}
