/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation policy. Small and bounded: mem_x*() aborts when the machine has no memory. Sizes or counts
 * that input, a query or label cardinality decide: mem_try*() returns NULL and the caller answers
 * -ERR_NOMEM. Tests make the Nth fallible allocation fail with mem_fail_after().
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdint.h>

#include "base/compiler.h"

/** @return zeroed memory, never NULL; the process ends when there is none. Free with mem_free(). */
void *mem_xcalloc(size_t n, size_t size);
/** @return memory, never NULL. Growing keeps the old bytes. */
void *mem_xrealloc(void *p, size_t size);
/** @return a NUL-terminated copy, never NULL. */
char *mem_xstrdup(const char *s);

/** Fallible twins; NULL on failure or when n * size overflows. A size of 0 gives a non-NULL pointer. */
NODISCARD void *mem_try_alloc(size_t size);
NODISCARD void *mem_try_calloc(size_t n, size_t size);
NODISCARD void *mem_try_realloc(void *p, size_t size);

/** NULL is fine. */
void mem_free(void *p);
/** For CLEANUP(mem_free_ptr) on a `char *` or `void *` local. */
void mem_free_ptr(void *pp);

/** Zeroed pages straight from the system, `size` and `align` powers of two of at least a page; NULL when it has none. */
NODISCARD void *mem_try_pages(size_t size, size_t align);
/** Give whole pages of mem_try_pages() back, in the size they were taken. */
void mem_free_pages(void *p, size_t size);
/** Give the memory behind whole pages back, but keep the addresses: they read as zeros, or as before. */
void mem_discard_pages(void *p, size_t size);

/** Let the n-th (0 = next) fallible allocation of this thread fail once; -1 switches it off. Tests only. */
void mem_fail_after(int64_t n);

#endif
