/* SPDX-License-Identifier: Apache-2.0
 *
 * Mapped parts.
 */
#include "store/columns/part.h"

#include <stdatomic.h>

#include "base/alloc.h"

struct part {
    atomic_uint refs;
    int64_t min_ns;
    int64_t max_ns;
    uint64_t rows;
    uint64_t bytes;
    const struct block_entry *blocks;
    uint32_t blocks_n;
};

void part_ref(struct part *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void part_unref(struct part *p)
{
    if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(p);
    }
}

int64_t part_min_ns(const struct part *p)
{
    return p->min_ns;
}

int64_t part_max_ns(const struct part *p)
{
    return p->max_ns;
}

uint64_t part_rows(const struct part *p)
{
    return p->rows;
}

uint64_t part_bytes(const struct part *p)
{
    return p->bytes;
}

uint32_t part_blocks(const struct part *p)
{
    return p->blocks_n;
}

const struct block_entry *part_block(const struct part *p, uint32_t i)
{
    return &p->blocks[i];
}
