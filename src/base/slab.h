/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for very many small objects of a few sizes that come and go. Pages of 16 KiB hold objects of one size;
 * a page with nothing left serves any size again or goes back to the system, so that what was needed of one
 * size is not lost to the others. No header per object.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdint.h>

#include "base/lock.h"

enum {
    SLAB_MAX = 2048, /* larger objects come from the C library */
    SLAB_CLASSES = 40,
};

struct slab_page;
struct slab_region;

struct slab {
    struct mutex lock;
    struct slab_page *partial[SLAB_CLASSES]; /* pages with room; guarded by: lock */
    struct slab_region *regions;             /* owned; guarded by: lock */
    size_t regions_n;                        /* guarded by: lock */
    size_t warm_n;  /* free pages that still have memory; guarded by: lock */
    size_t pages_n; /* in use; guarded by: lock */
};

void slab_init(struct slab *s);
/** All pages go, with whatever still lies in them. */
void slab_done(struct slab *s);
/** 16-byte aligned, not zeroed; NULL without memory. Thread-safe. */
NODISCARD void *slab_alloc(struct slab *s, size_t size);
/** With the size it was taken with, from any thread. NULL is fine. */
void slab_free(void *p, size_t size);
/** What an object of this size takes. */
size_t slab_size(size_t size);
/** Bytes of pages in use. */
uint64_t slab_bytes(struct slab *s);

#endif
