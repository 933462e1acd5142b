/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a block: opened, filtered, grouped, made into rows. Input: 1 byte kind, 2 bytes rows,
 * 4 bytes length of the directory, then the block. Checksums are not looked at, they would stop everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/vfs.h"
#include "store/columns/block.h"
#include "store/columns/part_write.h"
#include "store/columns/scan_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A real part of each kind lends its tables of resources and scopes. */
static struct part *part_of(enum columns_kind kind)
{
    static struct part *parts[2];
    char dir[] = "/tmp/fuzz-block-XXXXXX";
    char path[64];
    struct resource resource = {0};
    struct scope scope = {0};
    struct span span = {.resource = &resource, .scope = &scope};
    struct log_record log = {.resource = &resource, .scope = &scope};
    struct part_writer *w;
    uint32_t index;
    uint64_t bytes;

    if (parts[kind] != NULL) {
        return parts[kind];
    }
    if (mkdtemp(dir) == NULL) {
        abort();
    }
    snprintf(path, sizeof(path), "%s/p", dir);
    if (part_writer_open(vfs_real(), path, kind, (struct part_writer_opts){.level = 1}, &w, NULL) <
            0 ||
        part_writer_resource(w, STR("\0\0\0"), &index, NULL) < 0 ||
        part_writer_scope(w, STR("\0\0\0\0\0"), &index, NULL) < 0 ||
        (kind == COLUMNS_SPANS ? part_writer_span(w, &span, 1, 1, 0, 0, NULL)
                               : part_writer_log(w, &log, 1, 1, 0, 0, NULL)) < 0 ||
        columns_part_writer_finish(w, &bytes, NULL) < 0 ||
        columns_part_open(path, 1, 1, 0, &parts[kind], NULL) < 0 ||
        vfs_remove_tree(vfs_real(), dir, NULL) < 0) {
        abort();
    }
    return parts[kind];
}

/* A few rows while no column is decoded. */
static void make_few(struct block *b, struct arena *out, struct arena *kept)
{
    size_t n = block_rows_n(b) / 8;
    struct any_row *rows = arena_calloc(kept, n + 1, sizeof(*rows));
    struct any_row **dst = arena_array(kept, struct any_row *, n + 1);
    uint32_t *index = arena_array(kept, uint32_t, n + 1);

    if (rows != NULL && dst != NULL && index != NULL) {
        for (size_t i = 0; i < n; i++) {
            dst[i] = &rows[i];
            index[i] = (uint32_t)(n - i) * 7;
        }
        ignore_result(block_make_rows(b, index, n, out, ROWS_NEED_ALL, dst),
                      "only that it is safe");
    }
}

static void query(struct block *b, struct arena *a, enum columns_kind kind)
{
    static const struct {
        enum field_scope scope;
        struct str name;
        enum pred_op op;
        struct value v;
    } PREDS[] = {
        {FIELD_ANY, {"user", 4}, PRED_EQ, {.type = VALUE_STR, .u.s = {"a", 1}}},
        {FIELD_ATTR, {"k", 1}, PRED_LT, {.type = VALUE_I64, .u.i = 5}},
        {FIELD_ATTR, {"http.status", 11}, PRED_GE, {.type = VALUE_F64, .u.f = 1.5}},
        {FIELD_INTRINSIC, {"body", 4}, PRED_WORD, {.type = VALUE_STR, .u.s = {"took", 4}}},
        {FIELD_INTRINSIC, {"name", 4}, PRED_CONTAINS, {.type = VALUE_STR, .u.s = {"e", 1}}},
        {FIELD_INTRINSIC, {"trace_id", 8}, PRED_CONTAINS, {.type = VALUE_STR, .u.s = {"0", 1}}},
        {FIELD_INTRINSIC, {"duration_ns", 11}, PRED_GT, {.type = VALUE_I64, .u.i = 5}},
        {FIELD_SCOPE, {"lib", 3}, PRED_EXISTS, {.type = VALUE_NONE}},
        {FIELD_INTRINSIC, {"status", 6}, PRED_EQ, {.type = VALUE_STR, .u.s = {"error", 5}}},
    };

    uint64_t *bits = arena_array(a, uint64_t, block_words(b));
    struct arena out;
    struct arena kept;
    struct any_row **dst;
    struct any_row *rows;
    uint32_t *index;
    size_t n = block_rows_n(b);

    arena_init(&out, 32 << 20);
    arena_init(&kept, 32 << 20);
    make_few(b, &out, &kept);
    for (size_t i = 0; i < ARRAY_LEN(PREDS) && bits != NULL; i++) {
        struct field f = {PREDS[i].scope, PREDS[i].name};
        const struct filter *p = filter_pred(&kept, f, PREDS[i].op, PREDS[i].v);
        struct block_groups groups;

        ignore_result(block_filter(b, p, bits), "only that it is safe");
        ignore_result(block_filter_time(b, 0, 5, bits), "only that it is safe");
        memset(bits, 0xff, block_words(b) * sizeof(*bits));
        ignore_result(block_group(b, &f, bits, &groups), "only that it is safe");
    }
    rows = arena_calloc(&kept, n, sizeof(*rows));
    dst = arena_array(&kept, struct any_row *, n);
    index = arena_array(&kept, uint32_t, n);
    if (rows != NULL && dst != NULL && index != NULL) {
        for (size_t i = 0; i < n; i++) {
            dst[i] = &rows[i];
            index[i] = (uint32_t)i;
        }
        ignore_result(block_make_rows(b, index, n, &out, ROWS_NEED_ALL, dst),
                      "only that it is safe");
    }
    (void)kind;
    arena_done(&out);
    arena_done(&kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_entry e = {.max_ns = 10};
    struct arena a;
    struct block_tools tools;
    struct block b;
    enum columns_kind kind;

    if (size < 7) {
        return 0;
    }
    kind = data[0] % 2 == 0 ? COLUMNS_SPANS : COLUMNS_LOGS;
    e.rows_n = (uint32_t)data[1] + 256u * (data[2] % 16) + 1;
    memcpy(&e.dir_bytes, data + 3, 4);
    e.bytes = (uint32_t)(size - 7);
    if (e.dir_bytes > e.bytes) {
        return 0;
    }
    arena_init(&a, 64 << 20);
    block_tools_init(&tools);
    if (block_open_unchecked(part_of(kind), &e, str_of((const char *)data + 7, size - 7), &a,
                             &tools, &b, NULL) == 0) {
        query(&b, &a, kind);
    }
    block_tools_done(&tools);
    arena_done(&a);
    return 0;
}
