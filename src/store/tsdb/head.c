/* SPDX-License-Identifier: Apache-2.0
 *
 * Series of the head: making, appending, sealing, dropping. Everything here runs under one shard's lock.
 */
#include "store/tsdb/head.h"

#include "base/clock.h"
#include "base/err.h"
#include "codec/chunk.h"
#include "store/tsdb/head_internal.h"
#include "store/tsdb/limiter.h"
#include "store/tsdb/part.h"

enum { FIRST_RAW = 4 };

static const int64_t MARK_EVERY_NS = 60ll * 1000000000;

void head_init(struct head *h, uint64_t raw_bytes)
{
    memset(h, 0, sizeof(*h));
    h->raw_bytes = raw_bytes;
    atomic_init(&h->raw_max, HEAD_RAW_MAX);
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        rwlock_init(&h->shards[i].lock, LOCK_RANK_SHARD);
        slab_init(&h->shards[i].slab);
        h->shards[i].verdicts = verdict_cache_new();
        buf_init(&h->shards[i].scratch, 1 << 20);
    }
}

void chunk_unref(struct chunk *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        slab_free(c, sizeof(*c) + c->bytes);
    }
}

/** What a chunk takes of memory. */
static uint64_t chunk_memory(const struct chunk *c)
{
    return slab_size(sizeof(*c) + c->bytes);
}

static void free_series(struct series *se)
{
    while (se->first != NULL) {
        struct chunk *c = se->first;

        se->first = c->next;
        chunk_unref(c);
    }
    slab_free(se->raw, se->raw_cap * sizeof(*se->raw));
    mem_free(se);
}

void head_done(struct head *h)
{
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        struct shard *s = &h->shards[i];

        for (size_t p = 0; p < s->pages.n; p++) {
            for (size_t k = 0; s->pages.v[p] != NULL && k < HEAD_PAGE; k++) {
                if (s->pages.v[p][k] != NULL) {
                    free_series(s->pages.v[p][k]);
                }
            }
            mem_free(s->pages.v[p]);
        }
        vec_done(&s->pages);
        vec_done(&s->page_used);
        vec_done(&s->marks);
        keymap_done(&s->by_id);
        head_index_done(s);
        buf_done(&s->scratch);
        slab_done(&s->slab);
        verdict_cache_free(s->verdicts);
        rwlock_done(&s->lock);
    }
}

/* ---- samples ---- */

size_t points_sort(struct point *p, size_t n)
{
    size_t kept = 0;

    for (size_t i = 1; i < n; i++) { /* stable; buffers are short and nearly sorted */
        struct point x = p[i];
        size_t k = i;

        while (k > 0 && p[k - 1].t > x.t) {
            p[k] = p[k - 1];
            k--;
        }
        p[k] = x;
    }
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && p[i + 1].t == p[i].t) {
            continue;
        }
        p[kept++] = p[i];
    }
    return kept;
}

static void add_bytes(struct head *h, uint64_t bytes)
{
    atomic_fetch_add_explicit(&h->sample_bytes, bytes, memory_order_relaxed);
}

static void sub_bytes(struct head *h, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&h->sample_bytes, bytes, memory_order_relaxed);
}

static unsigned raw_max(const struct head *h)
{
    return atomic_load_explicit(&h->raw_max, memory_order_relaxed);
}

/** Buffers of all series stay within their share: the more series, the sooner they are sealed. Small buffers cost
 * time, since a chunk is made anew each time it grows, so they shrink only then. */
static void limit_raw(struct head *h)
{
    uint64_t n = atomic_load_explicit(&h->series_n, memory_order_relaxed);
    unsigned max = HEAD_RAW_MAX;

    while (h->raw_bytes != 0 && max > HEAD_RAW_MIN &&
           n * max * sizeof(struct point) > h->raw_bytes) {
        max /= 2;
    }
    if (max != raw_max(h)) {
        atomic_store_explicit(&h->raw_max, max, memory_order_relaxed);
    }
}

static void drop_raw(struct head *h, struct series *se)
{
    sub_bytes(h, se->raw_cap * sizeof(*se->raw));
    slab_free(se->raw, se->raw_cap * sizeof(*se->raw));
    se->raw = NULL;
    se->raw_cap = 0;
}

/** The last chunk may grow by n samples from t_ms on: it is short, before them and no flush has taken it. */
static bool may_grow(const struct series *se, size_t n, int64_t t_ms)
{
    return se->last != NULL && se->chunks_n > se->flush_n && se->last->n + n <= HEAD_CHUNK_MAX &&
           se->last->max_ms < t_ms;
}

static void unlink_last(struct head *h, struct series *se)
{
    struct chunk *c = se->last;

    se->last = c->prev;
    if (se->last != NULL) {
        se->last->next = NULL;
    } else {
        se->first = NULL;
    }
    se->chunks_n--;
    sub_bytes(h, chunk_memory(c));
    chunk_unref(c);
}

static void link_last(struct head *h, struct series *se, struct chunk *c)
{
    c->prev = se->last;
    if (se->last != NULL) {
        c->until_ms = c->until_ms > se->last->until_ms ? c->until_ms : se->last->until_ms;
        se->last->next = c;
    } else {
        se->first = c;
    }
    se->last = c;
    se->chunks_n++;
    add_bytes(h, chunk_memory(c));
}

/** Sort the buffer, once. */
static void sort_raw(struct head *h, struct series *se)
{
    if (!se->raw_sorted) {
        size_t n = points_sort(se->raw, se->raw_n);

        atomic_fetch_sub_explicit(&h->samples_n, se->raw_n - n, memory_order_relaxed);
        se->raw_n = (uint8_t)n;
        se->raw_sorted = true;
    }
}

int head_seal_locked(struct head *h, struct shard *s, struct series *se)
{
    int64_t t[HEAD_CHUNK_MAX];
    double v[HEAD_CHUNK_MAX];
    size_t n = 0;
    bool grow;
    struct chunk *c;
    int rc;

    if (se->raw_n == 0) {
        return 0;
    }
    sort_raw(h, se);
    grow = may_grow(se, se->raw_n, se->raw[0].t);
    if (grow) {
        rc = chunk_decode(str_of(se->last->data, se->last->bytes), t, v, HEAD_CHUNK_MAX);
        if (rc < 0) {
            return rc;
        }
        n = (size_t)rc;
    }
    for (size_t i = 0; i < se->raw_n; i++, n++) {
        t[n] = se->raw[i].t;
        v[n] = se->raw[i].v;
    }
    buf_clear(&s->scratch);
    rc = chunk_encode(t, v, n, &s->scratch);
    if (rc < 0) {
        return rc;
    }
    c = slab_alloc(&s->slab, sizeof(*c) + s->scratch.n);
    if (c == NULL) {
        return -ERR_NOMEM;
    }
    *c = (struct chunk){.refs = 1,
                        .n = (uint32_t)n,
                        .bytes = (uint32_t)s->scratch.n,
                        .min_ms = t[0],
                        .max_ms = t[n - 1],
                        .until_ms = t[n - 1]};
    memcpy(c->data, s->scratch.data, s->scratch.n);
    if (grow) {
        unlink_last(h, se);
    }
    link_last(h, se, c);
    se->raw_n = 0;
    if (se->raw_cap > raw_max(h)) {
        drop_raw(h, se);
    }
    return 0;
}

/** A series that has been sealed before will fill a whole buffer; a new one may get a few samples only. */
static int grow_raw(struct head *h, struct shard *s, struct series *se)
{
    unsigned max = raw_max(h);
    unsigned cap = se->raw_cap != 0 ? se->raw_cap * 2u : se->last != NULL ? max : FIRST_RAW;
    struct point *p;

    cap = cap < max ? cap : max;
    p = slab_alloc(&s->slab, cap * sizeof(*p));
    if (p == NULL) {
        return -ERR_NOMEM;
    }
    if (se->raw_n != 0) {
        memcpy(p, se->raw, se->raw_n * sizeof(*p));
    }
    slab_free(se->raw, se->raw_cap * sizeof(*p));
    add_bytes(h, (cap - se->raw_cap) * sizeof(*p));
    se->raw = p;
    se->raw_cap = (uint8_t)cap;
    return 0;
}

static ALWAYS_INLINE void forget_mark(struct shard *s, size_t page)
{
    _Atomic int64_t *until = &s->marks.v[page].until_ms;

    if (UNLIKELY(atomic_load_explicit(until, memory_order_relaxed) != INT64_MAX)) {
        atomic_store_explicit(until, INT64_MAX, memory_order_relaxed);
    }
}

int head_append_locked(struct head *h, struct shard *s, struct series *se, int64_t t_ms, double v)
{
    if (UNLIKELY(se->raw_n == se->raw_cap)) {
        int rc = se->raw_cap < raw_max(h) ? 0 : head_seal_locked(h, s, se);

        if (rc == 0 && se->raw_n == se->raw_cap) {
            rc = grow_raw(h, s, se);
        }
        if (rc < 0) {
            return rc;
        }
    }
    if (se->raw_n == 0) {
        se->raw_sorted = true;
        se->raw_max_ms = t_ms;
    } else if (LIKELY(t_ms > se->raw_max_ms)) {
        se->raw_max_ms = t_ms;
    } else {
        se->raw_sorted = false;
    }
    se->raw[se->raw_n++] = (struct point){t_ms, v};
    forget_mark(s, se->number / HEAD_PAGE);
    return 0;
}

/** Newest sample of a series, INT64_MIN without any. */
static int64_t newest_of(const struct series *se)
{
    int64_t t = se->raw_n != 0 ? se->raw_max_ms : INT64_MIN;

    return se->last != NULL && se->last->until_ms > t ? se->last->until_ms : t;
}

void head_mark_page(struct shard *s, size_t page)
{
    struct page_mark *m = &s->marks.v[page];
    int64_t now = clock_mono().ns;
    int64_t until = INT64_MIN;

    if (now < atomic_load_explicit(&m->try_ns, memory_order_relaxed)) {
        return;
    }
    atomic_store_explicit(&m->try_ns, now + MARK_EVERY_NS, memory_order_relaxed);
    for (size_t k = 0; s->pages.v[page] != NULL && k < HEAD_PAGE; k++) {
        const struct series *se = s->pages.v[page][k];
        int64_t t = se != NULL ? newest_of(se) : INT64_MIN;

        until = t > until ? t : until;
    }
    atomic_store_explicit(&m->until_ms, until, memory_order_relaxed);
}

void head_drop_flushed_locked(struct head *h, struct series *se)
{
    for (; se->flush_n > 0 && se->first != NULL; se->flush_n--) {
        struct chunk *c = se->first;

        se->first = c->next;
        se->chunks_n--;
        if (se->first == NULL) {
            se->last = NULL;
        } else {
            se->first->prev = NULL;
        }
        sub_bytes(h, chunk_memory(c));
        atomic_fetch_sub_explicit(&h->samples_n, c->n, memory_order_relaxed);
        chunk_unref(c);
    }
    if (se->raw_n == 0) { /* idle series cost no buffer */
        drop_raw(h, se);
    }
}

/* ---- series ---- */

static int place(struct shard *s, struct series *se)
{
    size_t page = se->number / HEAD_PAGE;

    if (page == s->pages.n) {
        struct series **p;

        if (!vec_reserve(&s->pages, 1) || !vec_reserve(&s->page_used, 1) ||
            !vec_reserve(&s->marks, 1)) {
            return -ERR_NOMEM;
        }
        p = mem_try_calloc(HEAD_PAGE, sizeof(struct series *));
        if (p == NULL) {
            return -ERR_NOMEM;
        }
        s->pages.v[s->pages.n++] = p;
        s->page_used.v[s->page_used.n++] = 0;
        atomic_init(&s->marks.v[s->marks.n].until_ms, INT64_MAX);
        atomic_init(&s->marks.v[s->marks.n].try_ns, 0);
        s->marks.n++;
    }
    if (keymap_put(&s->by_id, se->id, se->number) < 0) {
        return -ERR_NOMEM;
    }
    s->pages.v[page][se->number % HEAD_PAGE] = se;
    s->page_used.v[page]++;
    return 0;
}

static int create_locked(struct head *h, struct shard *s, struct labels labels, struct hash128 id,
                         bool force, uint32_t epoch, struct err *reterr)
{
    size_t bytes = sizeof(struct series) + labels.n * sizeof(uint32_t);
    struct series *se;
    int rc;

    if (labels.n > PART_MAX_LABELS || s->next_number == UINT32_MAX) {
        return err_set(reterr, ERR_LIMIT, "too many labels, or series since the start");
    }
    rc = limiter_add(h->limiter, labels, atomic_load_explicit(&h->series_n, memory_order_relaxed),
                     force, reterr);
    if (rc < 0) {
        return rc;
    }
    se = mem_try_calloc(1, bytes);
    if (se == NULL) {
        limiter_remove(h->limiter, labels);
        return -ERR_NOMEM;
    }
    se->id = id;
    se->number = s->next_number;
    se->shard = (uint8_t)(s - h->shards);
    se->raw_sorted = true;
    atomic_init(&se->seen_epoch, epoch);
    rc = head_index_add(s, labels, se);
    if (rc == 0) {
        rc = place(s, se);
        if (rc < 0) {
            head_index_remove(s, se);
        }
    }
    if (rc < 0) {
        limiter_remove(h->limiter, labels);
        mem_free(se);
        return rc;
    }
    s->next_number++;
    s->series_n++;
    s->label_bytes += bytes;
    atomic_fetch_add_explicit(&h->series_n, 1, memory_order_relaxed);
    limit_raw(h);
    return 0;
}

int head_intern(struct head *h, struct labels labels, struct hash128 id, bool force, uint32_t epoch,
                struct series_ref *ret, struct err *reterr)
{
    unsigned n = (unsigned)(id.hi & (HEAD_SHARDS - 1));
    struct shard *s = &h->shards[n];
    uint64_t number = 0;
    int rc = 0;

    rwlock_read(&s->lock);
    if (keymap_get(&s->by_id, id, &number) && head_series_locked(s, (uint32_t)number) != NULL) {
        rwlock_unlock(&s->lock);
        *ret = head_ref(n, (uint32_t)number);
        return 0;
    }
    rwlock_unlock(&s->lock);
    if (!force) {
        rc = limiter_check(h->limiter, labels,
                           atomic_load_explicit(&h->series_n, memory_order_relaxed), reterr);
        if (rc < 0) {
            return rc;
        }
    }
    rwlock_write(&s->lock);
    if (!keymap_get(&s->by_id, id, &number) || head_series_locked(s, (uint32_t)number) == NULL) {
        number = s->next_number;
        rc = create_locked(h, s, labels, id, force, epoch, reterr);
    }
    rwlock_unlock(&s->lock);
    if (rc < 0) {
        return rc == -ERR_LIMIT ? rc : err_set(reterr, (enum err_code) - rc, "new series");
    }
    *ret = head_ref(n, (uint32_t)number);
    return 0;
}

static bool is_alive(void *arg, uint64_t number)
{
    return head_series_locked(arg, (uint32_t)number) != NULL;
}

size_t head_collect(struct head *h, unsigned shard, uint32_t epoch, const roaring_bitmap_t *set)
{
    struct shard *s = &h->shards[shard];
    struct label labels[PART_MAX_LABELS];
    size_t removed = 0;

    rwlock_write(&s->lock);
    for (size_t p = 0; p < s->pages.n; p++) {
        for (size_t k = 0; s->pages.v[p] != NULL && k < HEAD_PAGE; k++) {
            struct series *se = s->pages.v[p][k];

            if (se == NULL || se->raw_n != 0 || se->first != NULL ||
                atomic_load_explicit(&se->seen_epoch, memory_order_relaxed) >= epoch ||
                (set != NULL && !roaring_bitmap_contains(set, se->number))) {
                continue;
            }
            limiter_remove(h->limiter, head_labels_locked(s, se, labels));
            s->pages.v[p][k] = NULL;
            s->page_used.v[p]--;
            s->label_bytes -= sizeof(*se) + se->pairs_n * sizeof(uint32_t);
            free_series(se);
            removed++;
        }
        if (s->pages.v[p] != NULL && s->page_used.v[p] == 0 &&
            (p + 1) * HEAD_PAGE <= s->next_number) {
            mem_free(s->pages.v[p]);
            s->pages.v[p] = NULL;
        }
    }
    if (removed != 0) {
        head_index_sweep(s);
        keymap_filter(&s->by_id, is_alive, s);
        limiter_sweep(h->limiter);
        s->series_n -= removed;
        atomic_fetch_sub_explicit(&h->series_n, removed, memory_order_relaxed);
        atomic_fetch_add_explicit(&h->collected_n, removed, memory_order_relaxed);
        limit_raw(h);
    }
    rwlock_unlock(&s->lock);
    return removed;
}

struct labels head_labels_locked(const struct shard *s, const struct series *se, struct label *dst)
{
    for (size_t i = 0; i < se->pairs_n; i++) {
        const struct head_pair *p = s->pairs.v[se->pairs[i]];

        dst[i] = (struct label){p->name, p->value};
    }
    return (struct labels){dst, se->pairs_n};
}
