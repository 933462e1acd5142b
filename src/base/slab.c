/* SPDX-License-Identifier: Apache-2.0
 *
 * Regions of 1 MiB are cut into pages; an object finds its page by its address. With the address sanitizer
 * what is not handed out is poisoned.
 */
#include "base/slab.h"

#include <string.h>

#include "base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#    define SLAB_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define SLAB_ASAN 1
#    endif
#endif

#ifdef SLAB_ASAN
#    include <sanitizer/asan_interface.h>
#    define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#    define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#    define POISON(p, n)   ((void)(p), (void)(n))
#    define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
    PAGE = 16 << 10,
    PAGES = 64, /* of a region: bits of a word */
    REGION = PAGE * PAGES,
    WARM_MAX = 32, /* free pages that keep their memory */
};

/** At the start of each page in use. */
struct slab_page {
    struct slab *slab;
    struct slab_region *region;
    struct slab_page *next, *prev; /* of its size with room */
    void *free;                    /* objects given back, linked */
    uint32_t fresh;                /* offset of the first object never handed out */
    uint16_t used;
    uint8_t class;
    bool listed;
};

_Static_assert(sizeof(struct slab_page) % 16 == 0, "objects behind it are aligned");

struct slab_region {
    struct slab_region *next, *prev;
    char *base;
    uint64_t free; /* pages, as bits */
    uint64_t warm; /* of these, pages with memory */
};

static unsigned class_of(size_t size)
{
    if (size <= 256) {
        return size == 0 ? 0 : (unsigned)((size - 1) / 16);
    }
    if (size <= 512) {
        return 16 + (unsigned)((size - 257) / 32);
    }
    if (size <= 1024) {
        return 24 + (unsigned)((size - 513) / 64);
    }
    return 32 + (unsigned)((size - 1025) / 128);
}

static size_t class_size(unsigned class)
{
    if (class < 16) {
        return (class + 1) * (size_t)16;
    }
    if (class < 24) {
        return 256 + (class - 15) * (size_t)32;
    }
    return class < 32 ? 512 + (class - 23) * (size_t)64 : 1024 + (class - 31) * (size_t)128;
}

size_t slab_size(size_t size)
{
    return size > SLAB_MAX ? size : class_size(class_of(size));
}

void slab_init(struct slab *s)
{
    memset(s, 0, sizeof(*s));
    mutex_init(&s->lock, LOCK_RANK_LEAF);
}

static void drop_region(struct slab *s, struct slab_region *r)
{
    if (r->prev != NULL) {
        r->prev->next = r->next;
    } else {
        s->regions = r->next;
    }
    if (r->next != NULL) {
        r->next->prev = r->prev;
    }
    s->regions_n--;
    UNPOISON(r->base, REGION);
    mem_free_pages(r->base, REGION);
    mem_free(r);
}

void slab_done(struct slab *s)
{
    while (s->regions != NULL) {
        drop_region(s, s->regions);
    }
    mutex_done(&s->lock);
}

/* ---- pages ---- */

static struct slab_region *add_region(struct slab *s)
{
    struct slab_region *r = mem_try_alloc(sizeof(*r));
    char *base = r == NULL ? NULL : mem_try_pages(REGION, REGION);

    if (base == NULL) {
        mem_free(r);
        return NULL;
    }
    *r = (struct slab_region){.next = s->regions, .base = base, .free = UINT64_MAX};
    if (s->regions != NULL) {
        s->regions->prev = r;
    }
    s->regions = r;
    s->regions_n++;
    POISON(base, REGION);
    return r;
}

/** To the front: regions with free pages are found there. */
static void to_front(struct slab *s, struct slab_region *r)
{
    if (s->regions == r) {
        return;
    }
    r->prev->next = r->next;
    if (r->next != NULL) {
        r->next->prev = r->prev;
    }
    r->prev = NULL;
    r->next = s->regions;
    s->regions->prev = r;
    s->regions = r;
}

/** Behind those with free pages, of which it is no longer one. */
static void to_back(struct slab *s, struct slab_region *r)
{
    struct slab_region *at = r->next;

    if (at == NULL || at->free == 0) {
        return; /* all behind it are full, too */
    }
    while (at->next != NULL && at->next->free != 0) {
        at = at->next;
    }
    s->regions = r->next;
    s->regions->prev = NULL;
    r->prev = at;
    r->next = at->next;
    if (at->next != NULL) {
        at->next->prev = r;
    }
    at->next = r;
}

/** A page of a size, with room for all its objects. */
static struct slab_page *take_page(struct slab *s, unsigned class)
{
    struct slab_region *r = s->regions;
    struct slab_page *p;
    uint64_t from;
    int i;

    if (r == NULL || r->free == 0) {
        r = add_region(s);
        if (r == NULL) {
            return NULL;
        }
    }
    from = r->warm != 0 ? r->warm : r->free;
    i = __builtin_ctzll(from);
    s->warm_n -= (r->warm >> i) & 1;
    r->free &= ~(UINT64_C(1) << i);
    r->warm &= ~(UINT64_C(1) << i);
    p = (struct slab_page *)(void *)(r->base + (size_t)i * PAGE);
    UNPOISON(p, sizeof(*p));
    *p = (struct slab_page){
        .slab = s, .region = r, .fresh = (uint32_t)sizeof(*p), .class = (uint8_t) class};
    s->pages_n++;
    if (r->free == 0) {
        to_back(s, r);
    }
    return p;
}

static void give_page(struct slab *s, struct slab_page *p)
{
    struct slab_region *r = p->region;
    uint64_t bit = UINT64_C(1) << (((char *)p - r->base) / PAGE);

    s->pages_n--;
    if (s->warm_n >= WARM_MAX) {
        UNPOISON(p, PAGE);
        mem_discard_pages(p, PAGE);
    } else {
        r->warm |= bit;
        s->warm_n++;
    }
    POISON(p, PAGE);
    if (r->free == 0) {
        to_front(s, r);
    }
    r->free |= bit;
    if (r->free == UINT64_MAX && s->regions_n > 1) {
        s->warm_n -= (size_t)__builtin_popcountll(r->warm);
        drop_region(s, r);
    }
}

/* ---- objects ---- */

static void list_page(struct slab *s, struct slab_page *p)
{
    p->prev = NULL;
    p->next = s->partial[p->class];
    if (p->next != NULL) {
        p->next->prev = p;
    }
    s->partial[p->class] = p;
    p->listed = true;
}

static void unlist_page(struct slab *s, struct slab_page *p)
{
    if (p->prev != NULL) {
        p->prev->next = p->next;
    } else {
        s->partial[p->class] = p->next;
    }
    if (p->next != NULL) {
        p->next->prev = p->prev;
    }
    p->listed = false;
}

static void *alloc_locked(struct slab *s, unsigned class)
{
    size_t size = class_size(class);
    struct slab_page *p = s->partial[class];
    void *got;

    if (p == NULL) {
        p = take_page(s, class);
        if (p == NULL) {
            return NULL;
        }
        list_page(s, p);
    }
    got = p->free;
    if (got != NULL) {
        UNPOISON(got, size);
        memcpy(&p->free, got, sizeof(p->free));
    } else {
        got = (char *)p + p->fresh;
        p->fresh += (uint32_t)size;
        UNPOISON(got, size);
    }
    p->used++;
    if (p->free == NULL && p->fresh + size > PAGE) {
        unlist_page(s, p);
    }
    return got;
}

void *slab_alloc(struct slab *s, size_t size)
{
    void *p;

    if (size > SLAB_MAX) {
        return mem_try_alloc(size);
    }
    mutex_lock(&s->lock);
    p = alloc_locked(s, class_of(size));
    mutex_unlock(&s->lock);
    return p;
}

void slab_free(void *obj, size_t size)
{
    struct slab_page *p;
    struct slab *s;

    if (size > SLAB_MAX || obj == NULL) {
        mem_free(obj);
        return;
    }
    p = (struct slab_page *)(void *)((char *)obj - ((uintptr_t)obj & (PAGE - 1)));
    s = p->slab;
    mutex_lock(&s->lock);
    memcpy(obj, &p->free, sizeof(p->free));
    p->free = obj;
    POISON(obj, class_size(p->class));
    if (--p->used == 0) {
        if (p->listed) {
            unlist_page(s, p);
        }
        give_page(s, p);
    } else if (!p->listed) {
        list_page(s, p);
    }
    mutex_unlock(&s->lock);
}

uint64_t slab_bytes(struct slab *s)
{
    uint64_t n;

    mutex_lock(&s->lock);
    n = (uint64_t)s->pages_n * PAGE;
    mutex_unlock(&s->lock);
    return n;
}
