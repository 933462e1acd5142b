/* SPDX-License-Identifier: Apache-2.0
 *
 * State of a block being built, shared by gathering (block_build.c) and encoding (block_encode.c).
 */
#ifndef STORE_COLUMNS_BLOCK_BUILD_INTERNAL_H
#define STORE_COLUMNS_BLOCK_BUILD_INTERNAL_H

#include <zstd.h>

#include "base/arena.h"
#include "base/vec.h"
#include "store/columns/block_build.h"
#include "store/columns/block_format.h"
#include "store/columns/bloom.h"
#include "store/columns/strs.h"

/** One value of an attribute. */
struct cell {
    uint64_t bits; /* the scalar, or where the bytes lie */
    uint32_t len;  /* of the bytes */
    uint32_t row;
    uint8_t type; /* enum value_type */
};

/** An attribute seen in this block. */
struct dyn {
    uint64_t hash;
    struct str name;
    VEC(struct cell) cells; /* rows rising */
    uint32_t last_row;
    uint32_t place; /* at the end: column number + 1, SHAPE_REST when it has none */
    size_t cursor;  /* at the end: next cell to move to the rest column */
};

/** The attributes of a row, in order: indexes of dyns. */
struct shape {
    uint64_t hash;
    uint32_t at; /* in shape_items */
    uint32_t n;
};

struct block_builder {
    int level;
    bool borrow;
    ZSTD_CCtx *zstd;
    struct arena heap; /* strings of the block, where they are not borrowed */
    struct buf tmp;    /* a value being encoded */
    VEC(int64_t) ints[COL_INTS_END];
    VEC(struct str) strs[COL_STRS_END - COL_TRACE_ID];
    VEC(struct cell) body;
    VEC(struct dyn) dyns; /* entries beyond n keep their cells' memory */
    uint32_t *dyn_slots;
    size_t dyn_slots_n;
    VEC(uint32_t) shape_items;
    VEC(struct shape) shapes;
    uint32_t *shape_slots;
    size_t shape_slots_n;
    uint32_t last_shape;
    size_t rows_n;
    size_t raw_bytes;
    bool failed;
    /* while encoding */
    struct buf raw; /* one column before compression */
    struct buf dir;
    struct buf payload;
    size_t columns_n;
    struct strs_encoder enc;
    struct bloom_builder bloom;
    VEC(struct str) tmp_strs;
    VEC(int64_t) tmp_ints;
    VEC(int64_t) tmp_scratch;
};

void block_builder_clear(struct block_builder *b);
/** A copy that stays until the block is finished. */
struct str block_builder_keep(struct block_builder *b, struct str s);

static inline struct str cell_bytes(const struct cell *c)
{
    return str_of((const char *)(uintptr_t)c->bits, c->len);
}

#endif
