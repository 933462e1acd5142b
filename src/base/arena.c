/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks double from 4 KiB to 1 MiB; an object larger than that gets a chunk of its own size.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

enum { CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    _Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t budget)
{
    *a = (struct arena){.budget = budget};
}

static void free_chunks(struct arena_chunk *c)
{
    while (c != NULL) {
        struct arena_chunk *next = c->next;

        mem_free(c);
        c = next;
    }
}

void arena_done(struct arena *a)
{
    if (a != NULL) {
        free_chunks(a->head);
        *a = (struct arena){.budget = a->budget};
    }
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *keep = a->head;

    if (keep != NULL) {
        free_chunks(keep->next);
        keep->next = NULL;
        a->at = keep->data;
        a->end = keep->data + keep->size;
        a->used = keep->size + sizeof(*keep);
    }
}

void *arena_alloc_slow(struct arena *a, size_t size, size_t align)
{
    size_t want = a->head != NULL ? a->head->size * 2 : CHUNK_MIN;
    size_t room = a->budget > a->used ? a->budget - a->used : 0;
    struct arena_chunk *c;
    uintptr_t at;

    if (size > SIZE_MAX / 2 - align) {
        return NULL;
    }
    want = want > CHUNK_MAX ? CHUNK_MAX : want;
    want = want < size + align ? size + align : want;
    if (want + sizeof(*c) > room) {
        want = size + align; /* near the budget: just what is asked for */
        if (want + sizeof(*c) > room) {
            return NULL;
        }
    }
    c = mem_try_alloc(sizeof(*c) + want);
    if (c == NULL) {
        return NULL;
    }
    c->next = a->head;
    c->size = want;
    a->head = c;
    a->used += want + sizeof(*c);
    a->end = c->data + want;
    at = ((uintptr_t)c->data + (align - 1)) & ~(uintptr_t)(align - 1);
    a->at = (char *)at + size;
    return (void *)at;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
    size_t total;
    void *p;

    if (__builtin_mul_overflow(n, size, &total)) {
        return NULL;
    }
    p = arena_alloc(a, total, _Alignof(max_align_t));
    if (p != NULL) {
        memset(p, 0, total);
    }
    return p;
}

struct str arena_str_dup(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n, 1);

    if (p == NULL) {
        return str_of(NULL, 0);
    }
    if (s.n != 0) {
        memcpy(p, s.p, s.n);
    }
    return str_of(p, s.n);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
    if (p == NULL) {
        return str_of(NULL, 0);
    }
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return str_of(p, (size_t)n);
}
