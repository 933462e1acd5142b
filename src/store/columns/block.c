/* SPDX-License-Identifier: Apache-2.0
 *
 * Directory, checksums, decompression, decoding. What is on disk may be anything: every size is checked
 * before it is believed.
 */
#include "store/columns/block.h"

#include <zstd.h>

#include "base/err.h"
#include "base/hash.h"
#include "store/columns/bloom.h"
#include "store/columns/ints.h"
#include "store/columns/rowcodec.h"

void block_tools_init(struct block_tools *t)
{
    buf_init(&t->text, 64 << 20);
    t->zstd = NULL;
}

void block_tools_done(struct block_tools *t)
{
    buf_done(&t->text);
    ZSTD_freeDCtx(t->zstd);
    t->zstd = NULL;
}

int block_corrupt(struct block *b, const char *what)
{
    return err_set(b->reterr, ERR_CORRUPT, "%s/data is damaged: block %u: %s",
                   columns_part_dir(b->part), b->index, what);
}

int block_no_memory(struct block *b)
{
    return err_set(b->reterr, ERR_NOMEM, "no memory for block %u of %s", b->index,
                   columns_part_dir(b->part));
}

static bool read_col(struct rd *dir, struct rd *payload, const struct block *b, struct block_col *c)
{
    uint32_t rows = b->entry->rows_n;
    uint64_t id = rd_varint(dir);
    uint32_t stored;
    uint32_t bloom;

    *c = (struct block_col){.id = (enum col_id)id};
    if (id > COL_ATTR) {
        return false;
    }
    if (id == COL_ATTR) {
        c->name = rd_str(dir);
    }
    c->type = (enum col_type)rd_u8(dir);
    c->n = rd_u32_varint(dir);
    c->raw_bytes = rd_u32_varint(dir);
    stored = rd_u32_varint(dir);
    c->crc = rd_fixed32(dir);
    bloom = rd_u32_varint(dir);
    if (part_has_blooms(b->part)) {
        c->bloom_reach = bloom % BLOOM_BLOCK;
        bloom -= c->bloom_reach;
    }
    if (bloom != 0) {
        c->bloom_crc = rd_fixed32(dir);
    }
    if (c->type == COLTYPE_I64) {
        c->min = rd_zigzag(dir);
        c->max = rd_zigzag(dir);
    } else if (c->type == COLTYPE_F64) {
        c->min = (int64_t)rd_fixed64(dir);
        c->max = (int64_t)rd_fixed64(dir);
    }
    c->stored = str_of((const char *)rd_bytes(payload, stored), stored);
    c->bloom = str_of((const char *)rd_bytes(payload, bloom), bloom);
    return !dir->bad && !payload->bad && c->type <= COLTYPE_MIXED &&
           c->raw_bytes <= BLOCK_RAW_LIMIT && c->raw_bytes >= stored && bloom % 8 == 0 &&
           (id == COL_SHAPES ? c->n == 1
            : id == COL_ATTR ? c->n <= rows && c->n != 0
                             : c->n == rows);
}

/* Core columns have one type each. */
static bool core_type_ok(const struct block_col *c)
{
    if (c->id < COL_INTS_END) {
        return c->type == COLTYPE_I64;
    }
    if (c->id >= COL_TRACE_ID && c->id < COL_STRS_END) {
        return c->type == COLTYPE_STR;
    }
    return c->id == COL_SHAPES ? c->type == COLTYPE_STR : c->id == COL_BODY || c->id == COL_ATTR;
}

static int open_bytes(struct block *b, struct str bytes)
{
    struct rd dir = rd_of(str_take(bytes, b->entry->dir_bytes));
    struct rd payload = rd_of(str_drop(bytes, b->entry->dir_bytes));
    uint64_t rows = rd_varint(&dir);
    size_t n = rd_count(&dir, 8);

    if (dir.bad || rows != b->entry->rows_n) {
        return block_corrupt(b, "directory");
    }
    b->cols = arena_calloc(b->a, n + 1, sizeof(*b->cols));
    b->attrs = arena_calloc(b->a, n + 1, sizeof(struct block_col *));
    if (b->cols == NULL || b->attrs == NULL) {
        return block_no_memory(b);
    }
    for (size_t i = 0; i < n; i++) {
        struct block_col *c = &b->cols[i];
        const uint8_t *from = dir.p;

        if (!read_col(&dir, &payload, b, c) || !core_type_ok(c)) {
            return block_corrupt(b, "directory entry");
        }
        c->head = str_of((const char *)from, (size_t)(dir.p - from));
        if (c->id == COL_ATTR) {
            b->attrs[b->attrs_n++] = c;
        } else if (b->core[c->id] != NULL) {
            return block_corrupt(b, "a column twice");
        } else {
            b->core[c->id] = c;
        }
    }
    if (rd_left(&dir) != 0 || rd_left(&payload) != 0) {
        return block_corrupt(b, "bytes after its end");
    }
    b->cols_n = (uint32_t)n;
    return 0;
}

int block_open(const struct part *p, uint32_t index, struct arena *a, struct block_tools *tools,
               struct block *ret, struct err *reterr)
{
    struct str bytes = part_block_bytes(p, index);
    int rc;

    *ret = (struct block){.part = p,
                          .entry = part_block(p, index),
                          .index = index,
                          .deleted = part_deleted(p, index),
                          .a = a,
                          .tools = tools,
                          .text = &tools->text,
                          .reterr = reterr};
    if (part_is_checked(p, index)) {
        return open_bytes(ret, bytes);
    }
    if (crc32c(0, bytes.p, ret->entry->dir_bytes) != ret->entry->dir_crc) {
        return block_corrupt(ret, "checksum of the directory");
    }
    rc = open_bytes(ret, bytes);
    if (rc == 0) {
        part_keep_checked(p, index);
    }
    return rc;
}

int block_open_unchecked(const struct part *p, const struct block_entry *entry, struct str bytes,
                         struct arena *a, struct block_tools *tools, struct block *ret,
                         struct err *reterr)
{
    *ret = (struct block){.part = p,
                          .entry = entry,
                          .a = a,
                          .tools = tools,
                          .text = &tools->text,
                          .unchecked = true,
                          .reterr = reterr};
    return open_bytes(ret, bytes);
}

static int unpack(struct block *b, const struct block_col *c, struct str *ret)
{
    char *raw;
    size_t got;

    if (!b->unchecked && crc32c(0, c->stored.p, c->stored.n) != c->crc) {
        return block_corrupt(b, "checksum of a column");
    }
    if (c->stored.n == c->raw_bytes) {
        *ret = c->stored;
        return 0;
    }
    raw = arena_alloc(b->a, (size_t)c->raw_bytes + INTS_PAD, 8);
    if (raw == NULL) {
        return block_no_memory(b);
    }
    if (b->tools->zstd == NULL) {
        b->tools->zstd = ZSTD_createDCtx();
    }
    if (b->tools->zstd == NULL) {
        return block_no_memory(b);
    }
    got = ZSTD_decompressDCtx(b->tools->zstd, raw, c->raw_bytes, c->stored.p, c->stored.n);
    if (ZSTD_isError(got) || got != c->raw_bytes) {
        return block_corrupt(b, "compressed column");
    }
    *ret = str_of(raw, got);
    return 0;
}

int block_payload(struct block *b, struct block_col *c, struct str *ret)
{
    int rc = c->raw.p == NULL ? unpack(b, c, &c->raw) : 0;

    *ret = c->raw;
    return rc;
}

static bool decode_doubles(struct str raw, size_t n, double *dst, int64_t *ints)
{
    struct rd r = rd_of(raw);
    const uint8_t *p;

    if (rd_u8(&r) == F64_INTS) {
        if (!ints_decode(&r, n, ints)) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            dst[i] = (double)ints[i];
        }
        return rd_left(&r) == 0;
    }
    p = rd_bytes(&r, n * 8);
    if (p == NULL || rd_left(&r) != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;

        for (size_t plane = 0; plane < 8; plane++) {
            bits |= (uint64_t)p[plane * n + i] << (8 * plane);
        }
        memcpy(&dst[i], &bits, sizeof(bits));
    }
    return true;
}

static int decode_numbers(struct block *b, const struct block_col *c, struct str raw,
                          struct column *col)
{
    int64_t *ints = arena_array(b->a, int64_t, (size_t)c->n + 1);
    struct rd r = rd_of(raw);

    if (ints == NULL) {
        return block_no_memory(b);
    }
    if (c->type == COLTYPE_F64) {
        double *d = arena_array(b->a, double, (size_t)c->n + 1);

        if (d == NULL) {
            return block_no_memory(b);
        }
        if (!decode_doubles(raw, c->n, d, ints)) {
            return block_corrupt(b, "column of doubles");
        }
        col->doubles = d;
        return 0;
    }
    if (!ints_decode(&r, c->n, ints) || rd_left(&r) != 0) {
        return block_corrupt(b, "column of integers");
    }
    col->ints = ints;
    return 0;
}

int block_column(struct block *b, struct block_col *c, const struct column **ret)
{
    struct column *col;
    struct str raw = {0};
    int rc;

    if (c->column != NULL) {
        *ret = c->column;
        return 0;
    }
    col = arena_calloc(b->a, 1, sizeof(*col));
    if (col == NULL) {
        return block_no_memory(b);
    }
    col->type = c->type;
    col->n = c->n;
    rc = block_payload(b, c, &raw);
    if (rc < 0) {
        return rc;
    }
    b->decoded_n++;
    b->read_bytes += c->stored.n;
    if (c->type == COLTYPE_STR || c->type == COLTYPE_MIXED) {
        rc = strs_decode(raw, c->n, b->a, &col->strs);
        rc = rc == -ERR_NOMEM ? block_no_memory(b)
             : rc < 0         ? block_corrupt(b, "column of strings")
                              : 0;
    } else {
        rc = decode_numbers(b, c, raw, col);
    }
    if (rc == 0) {
        c->column = col;
        *ret = col;
    }
    return rc;
}

int block_check(struct block *b)
{
    for (uint32_t i = 0; i < b->cols_n; i++) {
        const struct column *col = b->cols[i].column;
        bool text = col != NULL && (col->type == COLTYPE_STR || col->type == COLTYPE_MIXED);
        int rc = text ? strs_status(&col->strs) : 0;

        if (rc < 0) {
            return rc == -ERR_NOMEM ? block_no_memory(b) : block_corrupt(b, "texts of templates");
        }
    }
    return 0;
}

int block_ints(struct block *b, enum col_id id, const int64_t **ret)
{
    const struct column *col;
    int rc;

    if (b->core[id] == NULL) {
        int64_t *zeros = arena_calloc(b->a, b->entry->rows_n, sizeof(*zeros));

        *ret = zeros;
        return zeros != NULL ? 0 : block_no_memory(b);
    }
    rc = block_column(b, b->core[id], &col);
    if (rc == 0) {
        *ret = col->ints;
    }
    return rc;
}

struct block_col *block_attr(struct block *b, struct str name)
{
    for (uint32_t i = 0; i < b->attrs_n; i++) {
        if (str_eq(b->attrs[i]->name, name)) {
            return b->attrs[i];
        }
    }
    return NULL;
}

int block_bloom(struct block *b, struct block_col *c, struct str *ret)
{
    bool known = part_has_blooms(b->part) && c->bloom.n % BLOOM_BLOCK == 0;
    bool keep = c->id == COL_BODY && known && c->bloom.n != 0 && !b->unchecked;
    unsigned reach;

    *ret = known ? c->bloom : str_of(NULL, 0);
    if (c->bloom.n == 0 || b->unchecked ||
        (keep && part_body_bloom(b->part, b->index, ret, &reach))) {
        return 0;
    }
    if (crc32c(0, c->bloom.p, c->bloom.n) != c->bloom_crc) {
        return block_corrupt(b, "checksum of a bloom filter");
    }
    if (keep) {
        part_keep_body_bloom(b->part, b->index, c->bloom, c->bloom_reach);
    }
    return 0;
}

static int read_shapes(struct block *b, struct str raw)
{
    struct rd r = rd_of(raw);
    size_t n = rd_count(&r, 1);
    struct block_shape *v = arena_array(b->a, struct block_shape, n + 1);

    if (v == NULL) {
        return block_no_memory(b);
    }
    for (size_t i = 0; i < n; i++) {
        size_t items = rd_count(&r, 1);
        uint32_t *dst = arena_array(b->a, uint32_t, items + 1);

        if (dst == NULL) {
            return block_no_memory(b);
        }
        for (size_t k = 0; k < items; k++) {
            uint64_t place = rd_varint(&r);

            if (place > b->attrs_n) {
                return block_corrupt(b, "shapes");
            }
            dst[k] = (uint32_t)place;
        }
        v[i] = (struct block_shape){dst, (uint32_t)items};
    }
    if (r.bad || rd_left(&r) != 0) {
        return block_corrupt(b, "shapes");
    }
    b->shapes = v;
    b->shapes_n = (uint32_t)n;
    return 0;
}

int block_shapes(struct block *b)
{
    const struct column *col = NULL;
    struct str raw = {0};
    int rc;

    if (b->shapes_ready) {
        return 0;
    }
    if (b->core[COL_SHAPES] == NULL) { /* no row has attributes */
        struct block_shape *none = arena_calloc(b->a, 1, sizeof(*none));

        b->shapes = none;
        b->shapes_n = 1;
        b->shapes_ready = none != NULL;
        return none != NULL ? 0 : block_no_memory(b);
    }
    rc = block_payload(b, b->core[COL_SHAPES], &raw);
    if (rc < 0 || raw.p == NULL) {
        return rc < 0 ? rc : block_corrupt(b, "shapes");
    }
    rc = read_shapes(b, raw);
    if (rc < 0) {
        return rc;
    }
    if (b->core[COL_SHAPE] != NULL) {
        rc = block_column(b, b->core[COL_SHAPE], &col);
        if (rc != 0 || col == NULL) {
            return rc != 0 ? rc : block_corrupt(b, "shape of a row");
        }
        for (uint32_t i = 0; i < b->entry->rows_n; i++) {
            if ((uint64_t)col->ints[i] >= b->shapes_n) {
                return block_corrupt(b, "shape of a row");
            }
        }
        b->shape_of = col->ints;
    } else if (b->shapes_n == 0) {
        return block_corrupt(b, "no shape");
    }
    b->shapes_ready = true;
    return 0;
}

static bool shape_has(const struct block_shape *s, uint32_t place)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->items[i] == place) {
            return true;
        }
    }
    return false;
}

int block_rank(struct block *b, uint32_t number, const uint32_t **ret)
{
    const struct block_col *c = b->attrs[number];
    const size_t rows_n = b->entry->rows_n;
    size_t shapes_n;
    uint32_t *rank;
    bool *has;
    uint32_t next = 0;
    int rc;

    *ret = NULL;
    if (c->n == b->entry->rows_n) {
        return 0;
    }
    rc = block_shapes(b);
    if (rc < 0) {
        return rc;
    }
    shapes_n = b->shapes_n;
    rank = arena_array(b->a, uint32_t, rows_n);
    has = arena_array(b->a, bool, shapes_n);
    if (rank == NULL || has == NULL) {
        return block_no_memory(b);
    }
    for (uint32_t i = 0; i < b->shapes_n; i++) {
        has[i] = shape_has(&b->shapes[i], number + 1);
    }
    for (uint32_t row = 0; row < b->entry->rows_n; row++) {
        rank[row] = has[b->shape_of != NULL ? b->shape_of[row] : 0] ? next++ : UINT32_MAX;
    }
    if (next != c->n) {
        return block_corrupt(b, "shapes and columns disagree");
    }
    *ret = rank;
    return 0;
}

int column_value(const struct column *c, size_t i, struct arena *a, struct value *ret)
{
    struct rd r;

    switch (c->type) {
    case COLTYPE_I64:
        *ret = (struct value){.type = VALUE_I64, .u.i = c->ints[i]};
        return 0;
    case COLTYPE_BOOL:
        *ret = (struct value){.type = VALUE_BOOL, .u.b = c->ints[i] != 0};
        return 0;
    case COLTYPE_F64:
        *ret = (struct value){.type = VALUE_F64, .u.f = c->doubles[i]};
        return 0;
    case COLTYPE_STR:
        *ret = (struct value){.type = VALUE_STR, .u.s = strs_at(&c->strs, i)};
        return 0;
    case COLTYPE_MIXED:
        break;
    }
    r = rd_of(strs_at(&c->strs, i));
    return value_decode(&r, a, ret);
}
