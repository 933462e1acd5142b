/* SPDX-License-Identifier: Apache-2.0
 *
 * A typed growable array as three plain fields: `VEC(struct x) xs = {0};`. Growth is fallible because
 * input decides the count; elements may move, so keep indexes, not pointers.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/alloc.h"

#define VEC(T)                                    \
    struct {                                      \
        T *v;       /* owned; vec_done() frees */ \
        size_t n;   /* elements used */           \
        size_t cap; /* elements allocated */      \
    }

/** Make room for `more` elements. @return true on success. */
#define vec_reserve(x, more)                \
    ((x)->cap - (x)->n >= (size_t)(more) || \
     vec_grow_((void **)&(x)->v, &(x)->cap, (x)->n, (more), sizeof(*(x)->v)))
/** Append one element. @return true on success; on false nothing changed. */
#define vec_push(x, ...) \
    (vec_reserve((x), 1) ? ((x)->v[(x)->n] = (__VA_ARGS__), (x)->n++, true) : false)
#define vec_clear(x) ((void)((x)->n = 0))
#define vec_done(x)            \
    do {                       \
        mem_free((x)->v);      \
        (x)->v = NULL;         \
        (x)->n = (x)->cap = 0; \
    } while (0)

/** Implementation of vec_reserve(). */
NODISCARD _Bool vec_grow_(void **v, size_t *cap, size_t n, size_t more, size_t size);

#endif
