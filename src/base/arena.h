/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocation for one request, query or batch: many small objects, one free. Every arena has a byte
 * budget, so what an input or a query allocates is bounded. Long-lived objects never point into one.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *head; /* newest chunk first, owned */
    char *at;                 /* next free byte of head */
    char *end;
    size_t used;   /* bytes obtained from the system */
    size_t budget; /* bytes allowed */
};

/** Start empty; nothing is allocated before the first use. `budget` in bytes. */
void arena_init(struct arena *a, size_t budget);
/** Free everything. NULL is fine. For CLEANUP(arena_done). */
void arena_done(struct arena *a);
/** Forget everything but keep the newest chunk for reuse: a loop's second round allocates nothing. */
void arena_reset(struct arena *a);

/** Slow path of arena_alloc(). */
void *arena_alloc_slow(struct arena *a, size_t size, size_t align);

/** @return memory aligned to `align` (a power of two), not zeroed; NULL when over budget or no memory. */
NODISCARD static inline void *arena_alloc(struct arena *a, size_t size, size_t align)
{
    uintptr_t at = ((uintptr_t)a->at + (align - 1)) & ~(uintptr_t)(align - 1);

    if (LIKELY(a->at != NULL && at <= (uintptr_t)a->end && size <= (uintptr_t)a->end - at)) {
        a->at = (char *)at + size;
        return (void *)at;
    }
    return arena_alloc_slow(a, size, align);
}

/** Zeroed array of n elements; NULL when over budget, out of memory or n * size overflows. */
NODISCARD void *arena_calloc(struct arena *a, size_t n, size_t size);
/** Copy of bytes; an empty `s` gives an empty slice. p == NULL with n != 0 never happens: check p. */
struct str arena_str_dup(struct arena *a, struct str s);
/** printf into the arena; NUL-terminated; p is NULL on failure. */
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/** One T, not zeroed. */
#define arena_new(a, T) ((T *)arena_alloc((a), sizeof(T), _Alignof(T)))

/** n elements, not zeroed; NULL also when n * size overflows. */
NODISCARD static inline void *arena_alloc_n(struct arena *a, size_t n, size_t size, size_t align)
{
    size_t total;

    return __builtin_mul_overflow(n, size, &total) ? NULL : arena_alloc(a, total, align);
}

/** n of T, not zeroed. */
#define arena_array(a, T, n) ((T *)arena_alloc_n((a), (n), sizeof(T), _Alignof(T)))

#endif
