/* SPDX-License-Identifier: Apache-2.0
 *
 * From gathered columns to the bytes of a block: column directory, then payloads and bloom filters in the
 * directory's order. zstd is used where it saves at least an eighth.
 */
#include <math.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "store/columns/block_build_internal.h"
#include "store/columns/ints.h"
#include "store/columns/rowcodec.h"

enum { COMPRESS_MIN = 64 };

/* What a column's directory entry says besides sizes. */
struct col_head {
    enum col_id id;
    enum col_type type;
    const struct dyn *dyn; /* COL_ATTR: for its name */
    size_t n;
    int64_t min; /* I64, or bits of doubles */
    int64_t max;
    bool bloom;
    bool random;    /* compression is not even tried */
    unsigned reach; /* of its bloom filter: BLOOM_REACH */
    size_t split;   /* what lies before is compressed apart from what follows; 0: as one */
};

/* Bytes of a sample that are spread evenly are packed numbers or random: compression would be tried in vain. */
static bool looks_compressible(struct str raw)
{
    enum { SLICES = 16, SLICE = 128 };

    uint16_t count[256] = {0};
    size_t step = raw.n / SLICES;
    size_t n = 0;
    double bits = 0;

    if (raw.n < 2 * SLICES * SLICE) {
        return true;
    }
    for (size_t s = 0; s < SLICES; s++) {
        const uint8_t *p = (const uint8_t *)raw.p + s * step;

        for (size_t i = 0; i < SLICE; i++) {
            count[p[i]]++;
        }
        n += SLICE;
    }
    for (size_t i = 0; i < 256; i++) {
        if (count[i] != 0) {
            bits -= (double)count[i] * (double)log2f((float)count[i] / (float)n);
        }
    }
    return bits < 7.5 * (double)n;
}

/* Append bytes as a zstd frame. @return false when that cannot be */
static bool put_frame(struct block_builder *b, struct str raw, struct buf *dst)
{
    size_t bound = ZSTD_compressBound(raw.n);
    char *p = buf_reserve(dst, bound);
    size_t n = p != NULL ? ZSTD_compressCCtx(b->zstd, p, bound, raw.p, raw.n, b->level) : 0;

    if (p == NULL || ZSTD_isError(n)) {
        return false;
    }
    dst->n += n;
    return true;
}

/* Append bytes as a zstd frame of raw blocks (RFC 8878 section 3.1.1): a single segment with a size of 4 bytes. */
static void put_raw_frame(struct str raw, struct buf *dst)
{
    enum { BLOCK_MAX = 128 << 10 };

    static const uint8_t HEAD[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0};

    buf_add(dst, HEAD, sizeof(HEAD));
    wr_fixed32(dst, (uint32_t)raw.n);
    do {
        size_t n = raw.n < BLOCK_MAX ? raw.n : BLOCK_MAX;
        uint32_t head = (uint32_t)n << 3 | (n == raw.n ? 1u : 0u);

        buf_add(dst, &head, 3);
        buf_add(dst, raw.p, n);
        raw = str_drop(raw, n);
    } while (raw.n != 0);
}

/* Append b->raw compressed. @return bytes; 0 when it does not pay */
static size_t compress_raw(struct block_builder *b, const struct col_head *h, struct buf *dst)
{
    struct str raw = buf_str(&b->raw);
    size_t at = dst->n;

    if (raw.n < COMPRESS_MIN || h->random) {
        return 0;
    }
    if (h->split == 0) {
        if (!looks_compressible(raw) || !put_frame(b, raw, dst)) {
            return 0;
        }
    } else { /* a decoder takes frames in a row for one */
        struct str numbers = str_drop(raw, h->split);

        if (!put_frame(b, str_take(raw, h->split), dst)) {
            return 0;
        }
        if (!looks_compressible(numbers) || !put_frame(b, numbers, dst)) {
            put_raw_frame(numbers, dst);
        }
    }
    if (dst->n - at > raw.n - raw.n / 8) {
        dst->n = at;
    }
    return dst->n - at;
}

/* Append b->raw, compressed if that pays, then the bloom filter; note it in the directory. */
static void put_column(struct block_builder *b, const struct col_head *h, struct buf *dst)
{
    size_t raw_n = b->raw.n;
    size_t at = dst->n;
    size_t bloom_at;
    size_t stored = compress_raw(b, h, dst);

    if (stored == 0) {
        buf_add_str(dst, buf_str(&b->raw));
        stored = raw_n;
    }
    bloom_at = dst->n;
    if (h->bloom) {
        bloom_finish(&b->bloom, dst);
    }
    if (dst->failed || b->raw.failed) {
        b->failed = true;
        return;
    }
    wr_varint(&b->dir, h->id);
    if (h->id == COL_ATTR) {
        wr_str(&b->dir, h->dyn->name);
    }
    buf_add_byte(&b->dir, (char)h->type);
    wr_varint(&b->dir, h->n);
    wr_varint(&b->dir, raw_n);
    wr_varint(&b->dir, stored);
    wr_fixed32(&b->dir, crc32c(0, dst->data + at, stored));
    wr_varint(&b->dir, dst->n != bloom_at ? (dst->n - bloom_at) | h->reach : 0);
    if (dst->n != bloom_at) {
        wr_fixed32(&b->dir, crc32c(0, dst->data + bloom_at, dst->n - bloom_at));
    }
    if (h->type == COLTYPE_I64) {
        wr_zigzag(&b->dir, h->min);
        wr_zigzag(&b->dir, h->max);
    } else if (h->type == COLTYPE_F64) {
        wr_fixed64(&b->dir, (uint64_t)h->min);
        wr_fixed64(&b->dir, (uint64_t)h->max);
    }
    b->columns_n++;
}

static bool room_for(struct block_builder *b, size_t n)
{
    b->tmp_strs.n = 0;
    b->tmp_ints.n = 0;
    b->tmp_scratch.n = 0;
    if (!vec_reserve(&b->tmp_strs, n + 1) || !vec_reserve(&b->tmp_ints, n + 1) ||
        !vec_reserve(&b->tmp_scratch, n + 1)) {
        b->failed = true;
        return false;
    }
    return true;
}

static void put_ints(struct block_builder *b, struct col_head h, const int64_t *v, struct buf *dst)
{
    h.min = h.max = v[0];
    for (size_t i = 1; i < h.n; i++) {
        h.min = v[i] < h.min ? v[i] : h.min;
        h.max = v[i] > h.max ? v[i] : h.max;
    }
    buf_clear(&b->raw);
    ints_encode(v, h.n, b->tmp_scratch.v, &b->raw);
    put_column(b, &h, dst);
}

static void put_core_ints(struct block_builder *b, enum col_id id, struct buf *dst)
{
    const int64_t *v = b->ints[id].v;
    size_t n = b->ints[id].n;
    bool zero = true;

    for (size_t i = 0; i < n && zero; i++) {
        zero = v[i] == 0;
    }
    if (!zero && room_for(b, n)) {
        put_ints(b, (struct col_head){.id = id, .type = COLTYPE_I64, .n = n}, v, dst);
    }
}

/* Arrivals as they are or minus the rows' times: rows of one request arrived at once, others soon after their time. */
static void put_arrivals(struct block_builder *b, struct buf *dst)
{
    size_t n = b->ints[COL_ARRIVAL].n;
    const int64_t *since = b->ints[COL_ARRIVAL].v;
    const int64_t *time = b->ints[COL_TIME].v;
    size_t relative;

    if (n == 0 || !room_for(b, n)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        b->tmp_ints.v[i] = (int64_t)((uint64_t)since[i] + (uint64_t)time[i]);
    }
    buf_clear(&b->raw);
    ints_encode(since, n, b->tmp_scratch.v, &b->raw);
    relative = b->raw.n;
    buf_clear(&b->raw);
    ints_encode(b->tmp_ints.v, n, b->tmp_scratch.v, &b->raw);
    if (b->raw.n < relative) {
        put_ints(b, (struct col_head){.id = COL_ARRIVED, .type = COLTYPE_I64, .n = n},
                 b->tmp_ints.v, dst);
    } else {
        put_core_ints(b, COL_ARRIVAL, dst);
    }
}

/* `tokens`: texts that are searched. */
static void put_strs(struct block_builder *b, struct col_head h, const struct str *v, bool tokens,
                     struct buf *dst)
{
    struct strs_text text = {
        .templates = tokens, .ids = h.random, .bloom = tokens ? &b->bloom : NULL};

    buf_clear(&b->raw);
    if (strs_encode(&b->enc, v, h.n, &text, &b->raw) < 0) {
        b->failed = true;
        return;
    }
    h.bloom = h.bloom || text.has_bloom;
    h.split = text.split;
    h.reach = text.has_trigrams ? bloom_reach(text.widest) : 0;
    put_column(b, &h, dst);
}

/* Ids are drawn at random: nothing finds them shorter. */
static bool is_random(enum col_id id)
{
    return id == COL_TRACE_ID || id == COL_SPAN_ID || id == COL_PARENT_ID;
}

static bool has_tokens(enum col_id id)
{
    return id == COL_NAME || id == COL_STATUS_MESSAGE || id == COL_EVENT_NAME;
}

static void put_core_strs(struct block_builder *b, enum col_id id, struct buf *dst)
{
    const struct str *v = b->strs[id - COL_TRACE_ID].v;
    size_t n = b->strs[id - COL_TRACE_ID].n;
    bool empty = true;

    for (size_t i = 0; i < n && empty; i++) {
        empty = v[i].n == 0;
    }
    if (empty || !room_for(b, n)) {
        return;
    }
    put_strs(b, (struct col_head){.id = id, .type = COLTYPE_STR, .n = n, .random = is_random(id)},
             v, has_tokens(id), dst);
}

static double bits_f64(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static bool is_small_integer(uint64_t bits)
{
    double v = bits_f64(bits);

    return v > -9007199254740992.0 && v < 9007199254740992.0 && (double)(int64_t)v == v &&
           !(v == 0 && bits != 0);
}

static void put_doubles(struct block_builder *b, struct col_head h, const struct cell *cells,
                        struct buf *dst)
{
    double min = (double)INFINITY;
    double max = -(double)INFINITY;
    bool integers = true;

    for (size_t i = 0; i < h.n; i++) {
        double v = bits_f64(cells[i].bits);

        integers = integers && is_small_integer(cells[i].bits);
        min = v < min ? v : min; /* NaN never wins, and never passes a comparison */
        max = v > max ? v : max;
    }
    memcpy(&h.min, &min, sizeof(min));
    memcpy(&h.max, &max, sizeof(max));
    buf_clear(&b->raw);
    if (integers) {
        buf_add_byte(&b->raw, F64_INTS);
        for (size_t i = 0; i < h.n; i++) {
            b->tmp_ints.v[i] = (int64_t)bits_f64(cells[i].bits);
        }
        ints_encode(b->tmp_ints.v, h.n, b->tmp_scratch.v, &b->raw);
    } else {
        uint8_t *p;

        buf_add_byte(&b->raw, F64_PLANES);
        p = (uint8_t *)buf_reserve(&b->raw, h.n * 8);
        for (size_t plane = 0; p != NULL && plane < 8; plane++) {
            for (size_t i = 0; i < h.n; i++) {
                *p++ = (uint8_t)(cells[i].bits >> (8 * plane));
            }
        }
        b->raw.n += p != NULL ? h.n * 8 : 0;
    }
    put_column(b, &h, dst);
}

static struct value cell_value(const struct cell *c)
{
    struct value v = {.type = (enum value_type)c->type};

    switch (v.type) {
    case VALUE_STR:
        v.u.s = cell_bytes(c);
        break;
    case VALUE_BOOL:
        v.u.b = c->bits != 0;
        break;
    case VALUE_I64:
        v.u.i = (int64_t)c->bits;
        break;
    case VALUE_F64:
        v.u.f = bits_f64(c->bits);
        break;
    default:
        break;
    }
    return v;
}

static bool is_encoded(const struct cell *c)
{
    return c->type == VALUE_NONE || c->type == VALUE_BYTES || c->type == VALUE_ARRAY ||
           c->type == VALUE_MAP;
}

/* The cell's value_encode() form. */
static struct str encode_cell(struct block_builder *b, const struct cell *c)
{
    struct value v;

    if (is_encoded(c)) {
        return cell_bytes(c);
    }
    v = cell_value(c);
    buf_clear(&b->tmp);
    if (!value_encode(&v, &b->tmp) || b->tmp.failed) {
        b->failed = true;
    }
    return block_builder_keep(b, buf_str(&b->tmp));
}

static void put_mixed(struct block_builder *b, struct col_head h, const struct cell *cells,
                      struct buf *dst)
{
    for (size_t i = 0; i < h.n && !b->failed; i++) {
        b->tmp_strs.v[i] = encode_cell(b, &cells[i]);
    }
    if (!b->failed) {
        h.type = COLTYPE_MIXED;
        put_strs(b, h, b->tmp_strs.v, false, dst);
    }
}

/* An attribute or body: typed when all values have one type. */
static void put_cells(struct block_builder *b, struct col_head h, const struct cell *cells,
                      struct buf *dst)
{
    bool same = true;

    if (!room_for(b, h.n)) {
        return;
    }
    for (size_t i = 1; i < h.n && same; i++) {
        same = cells[i].type == cells[0].type;
    }
    if (!same || is_encoded(&cells[0])) {
        put_mixed(b, h, cells, dst);
        return;
    }
    switch (cells[0].type) {
    case VALUE_STR:
        for (size_t i = 0; i < h.n; i++) {
            b->tmp_strs.v[i] = cell_bytes(&cells[i]);
        }
        h.type = COLTYPE_STR;
        put_strs(b, h, b->tmp_strs.v, true, dst);
        break;
    case VALUE_F64:
        h.type = COLTYPE_F64;
        put_doubles(b, h, cells, dst);
        break;
    default:
        for (size_t i = 0; i < h.n; i++) {
            b->tmp_ints.v[i] = (int64_t)cells[i].bits;
        }
        h.type = cells[0].type == VALUE_BOOL ? COLTYPE_BOOL : COLTYPE_I64;
        put_ints(b, h, b->tmp_ints.v, dst);
    }
}

/* Which attributes get columns: all while they are few, then those that enough rows have. */
static bool choose_columns(struct block_builder *b)
{
    uint32_t place = 0;
    bool rest = false;

    for (size_t i = 0; i < b->dyns.n; i++) {
        struct dyn *d = &b->dyns.v[i];
        bool own = b->dyns.n <= BLOCK_COLUMNS_FREE ||
                   (d->cells.n * BLOCK_COLUMN_RATIO >= b->rows_n && place < BLOCK_COLUMNS);

        d->cursor = 0;
        d->place = own ? ++place : SHAPE_REST;
        rest = rest || !own;
    }
    return rest;
}

/* The attributes of one row that have no column: (name, value)* in the row's order. */
static struct str rest_of_row(struct block_builder *b, const struct shape *s)
{
    buf_clear(&b->tmp);
    for (uint32_t i = 0; i < s->n; i++) {
        struct dyn *d = &b->dyns.v[b->shape_items.v[s->at + i]];
        const struct cell *c;

        if (d->place != SHAPE_REST) {
            continue;
        }
        c = &d->cells.v[d->cursor++];
        wr_str(&b->tmp, d->name);
        if (is_encoded(c)) {
            buf_add_str(&b->tmp, cell_bytes(c));
        } else {
            struct value v = cell_value(c);

            b->failed = !value_encode(&v, &b->tmp) || b->failed;
        }
        bloom_add(&b->bloom, d->hash);
    }
    b->failed = b->failed || b->tmp.failed;
    return block_builder_keep(b, buf_str(&b->tmp));
}

static void put_rest(struct block_builder *b, struct buf *dst)
{
    const struct col_head h = {.id = COL_REST, .type = COLTYPE_STR, .n = b->rows_n, .bloom = true};

    if (!room_for(b, b->rows_n)) {
        return;
    }
    for (size_t row = 0; row < b->rows_n && !b->failed; row++) {
        b->tmp_strs.v[row] = rest_of_row(b, &b->shapes.v[b->ints[COL_SHAPE].v[row]]);
    }
    if (!b->failed) {
        put_strs(b, h, b->tmp_strs.v, false, dst);
    }
}

/* A shape in terms of columns, in the arena. */
static struct str shape_bytes(struct block_builder *b, const struct shape *s, struct arena *a)
{
    uint8_t *p = arena_alloc(a, ((size_t)s->n + 1) * 5, 1);
    size_t n;

    if (p == NULL) {
        b->failed = true;
        return str_of(NULL, 0);
    }
    n = varint_put(p, s->n);
    for (uint32_t k = 0; k < s->n; k++) {
        n += varint_put(p + n, b->dyns.v[b->shape_items.v[s->at + k]].place);
    }
    return str_of((const char *)p, n);
}

/* Write the distinct shapes; rows whose attributes differ only in the rest column come to share one. */
static uint32_t put_distinct_shapes(struct block_builder *b, struct buf *all, uint32_t *renumber,
                                    struct arena *a)
{
    struct map seen = {0};
    uint32_t n = 0;

    for (size_t i = 0; i < b->shapes.n && !b->failed; i++) {
        struct str one = shape_bytes(b, &b->shapes.v[i], a);
        void *known = b->failed ? NULL : map_get(&seen, one);

        if (b->failed) {
            break;
        }
        if (known != NULL) {
            renumber[i] = (uint32_t)(uintptr_t)known - 1;
            continue;
        }
        renumber[i] = n++;
        buf_add_str(all, one);
        b->failed = map_put(&seen, one, (void *)(uintptr_t)n) < 0;
    }
    map_done(&seen);
    return n;
}

static void put_shapes(struct block_builder *b, struct buf *dst)
{
    const struct col_head h = {.id = COL_SHAPES, .type = COLTYPE_STR, .n = 1};
    uint32_t *renumber = mem_try_calloc(b->shapes.n + 1, sizeof(*renumber));
    struct arena a;
    struct buf all;
    uint32_t n = 0;

    arena_init(&a, 512 << 20);
    buf_init(&all, 256 << 20);
    b->failed = b->failed || renumber == NULL;
    if (!b->failed) {
        n = put_distinct_shapes(b, &all, renumber, &a);
    }
    for (size_t row = 0; row < b->rows_n && !b->failed; row++) {
        b->ints[COL_SHAPE].v[row] = renumber[b->ints[COL_SHAPE].v[row]];
    }
    buf_clear(&b->raw);
    wr_varint(&b->raw, n);
    buf_add_str(&b->raw, buf_str(&all));
    b->failed = b->failed || all.failed;
    if (!b->failed) {
        put_column(b, &h, dst);
        put_core_ints(b, COL_SHAPE, dst);
    }
    mem_free(renumber);
    buf_done(&all);
    arena_done(&a);
}

static void put_columns(struct block_builder *b, struct buf *dst)
{
    bool rest = choose_columns(b);

    for (int id = COL_TIME; id < COL_SHAPE; id++) {
        if (id == COL_ARRIVAL) {
            put_arrivals(b, dst);
        } else if (b->ints[id].n != 0) {
            put_core_ints(b, (enum col_id)id, dst);
        }
    }
    for (int id = COL_TRACE_ID; id < COL_REST; id++) {
        if (b->strs[id - COL_TRACE_ID].n != 0) {
            put_core_strs(b, (enum col_id)id, dst);
        }
    }
    if (b->strs[COL_PATTERN - COL_TRACE_ID].n != 0) {
        put_core_strs(b, COL_PATTERN, dst);
    }
    if (b->body.n != 0) {
        put_cells(b, (struct col_head){.id = COL_BODY, .n = b->body.n}, b->body.v, dst);
    }
    if (b->dyns.n == 0) {
        return; /* no row has attributes */
    }
    for (size_t i = 0; i < b->dyns.n && !b->failed; i++) {
        const struct dyn *d = &b->dyns.v[i];

        if (d->place != SHAPE_REST) {
            put_cells(b, (struct col_head){.id = COL_ATTR, .n = d->cells.n, .dyn = d}, d->cells.v,
                      dst);
        }
    }
    if (rest) {
        put_rest(b, dst);
    }
    put_shapes(b, dst);
}

int64_t block_finish(struct block_builder *b, struct buf *dst)
{
    size_t start = dst->n;
    struct buf head;
    int64_t dir_bytes;
    int rc = 0;

    buf_clear(&b->dir);
    buf_clear(&b->payload);
    b->columns_n = 0;
    put_columns(b, &b->payload);
    buf_init(&head, 64);
    wr_varint(&head, b->rows_n);
    wr_varint(&head, b->columns_n);
    dir_bytes = (int64_t)(head.n + b->dir.n);
    buf_add_str(dst, buf_str(&head));
    buf_add_str(dst, buf_str(&b->dir));
    buf_add_str(dst, buf_str(&b->payload));
    buf_done(&head);
    rc = buf_status(&b->payload);
    rc = rc < 0 ? rc : buf_status(&b->dir);
    rc = rc < 0 ? rc : buf_status(dst);
    rc = rc == 0 && b->failed ? -ERR_NOMEM : rc;
    block_builder_clear(b);
    if (rc < 0) {
        dst->n = start;
        return rc;
    }
    return dir_bytes;
}
