/* SPDX-License-Identifier: Apache-2.0
 *
 * The C library's allocator with the two policies of alloc.h and a fault injection point for tests.
 */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Thread_local int64_t fail_countdown = -1;

static int must_fail(void)
{
    if (LIKELY(fail_countdown < 0)) {
        return 0;
    }
    return fail_countdown-- == 0;
}

void mem_fail_after(int64_t n)
{
    fail_countdown = n;
}

NORETURN static void die(size_t size)
{
    fprintf(stderr, "out of memory allocating %zu bytes\n", size);
    abort();
}

void *mem_xcalloc(size_t n, size_t size)
{
    void *p = calloc(n != 0 ? n : 1, size != 0 ? size : 1);

    if (p == NULL) {
        die(n * size);
    }
    return p;
}

void *mem_xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size != 0 ? size : 1);

    if (q == NULL) {
        die(size);
    }
    return q;
}

char *mem_xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = mem_xcalloc(1, n);

    memcpy(p, s, n);
    return p;
}

void *mem_try_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size != 0 ? size : 1);
}

void *mem_try_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : calloc(n != 0 ? n : 1, size != 0 ? size : 1);
}

void *mem_try_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size != 0 ? size : 1);
}

void mem_free(void *p)
{
    free(p);
}

void mem_free_ptr(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof(p));
    free(p);
}

void *mem_try_pages(size_t size, size_t align)
{
    char *p;
    size_t before;

    if (must_fail()) {
        return NULL;
    }
    p = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    before = (size_t)(-(uintptr_t)p & (align - 1));
    if (before != 0) {
        munmap(p, before);
    }
    munmap(p + before + size, align - before);
    return p + before;
}

void mem_free_pages(void *p, size_t size)
{
    if (p != NULL) {
        munmap(p, size);
    }
}

void mem_discard_pages(void *p, size_t size)
{
    madvise(p, size, MADV_DONTNEED);
}
