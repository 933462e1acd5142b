/* SPDX-License-Identifier: Apache-2.0
 *
 * Mapped parts: what is checked at open makes every later access by index safe; what lies in blocks and
 * trace pages is checked against its checksum when it is read.
 */
#include "store/columns/part.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/budget.h"
#include "base/err.h"
#include "base/hash.h"
#include "io/vfs.h"
#include "store/columns/block_format.h"
#include "store/columns/bloom.h"
#include "store/columns/ints.h"
#include "store/columns/mask.h"
#include "store/columns/part_format.h"
#include "store/columns/trace_filter.h"

struct part {
    atomic_uint refs; /* relaxed up, acq_rel down */
    char *dir;
    uint32_t day;
    uint64_t seq;
    struct mapping data;
    struct mapping index;
    struct mapping traces;
    const struct part_header *h;
    const struct block_entry *blocks;
    struct str *tables; /* resources, then scopes */
    const struct trace_page *pages;
    const uint8_t *filter; /* of traces; NULL: none */
    uint32_t pages_n;
    uint32_t filter_bytes;
    uint64_t mask_number;
    struct mask *mask;                  /* NULL: no row is deleted */
    struct budget *budget;              /* the mask is taken from; NULL: from none */
    _Atomic(struct part_notes *) notes; /* acq_rel: complete before they can be seen */
    _Atomic uint64_t *checked;          /* per block; relaxed: they follow from what is on disk */
};

/* Of part.checked: from the top 32 bits place of the bodies' bloom filter in the block, 24 its blocks, 5 its reach. */
enum { CHECKED_DIR = 1, CHECKED_BLOOM = 2, REACH_SHIFT = 3, BLOOM_SHIFT = 8, PLACE_SHIFT = 32 };

enum { MASK_MAX = 1 << 30 };

static void part_free(struct part *p)
{
    struct part_notes *notes;

    vfs_unmap(&p->data);
    vfs_unmap(&p->index);
    vfs_unmap(&p->traces);
    budget_give(p->budget, p->mask != NULL ? (int64_t)mask_bytes(p->mask) : 0);
    mask_free(p->mask);
    notes = atomic_load_explicit(&p->notes, memory_order_acquire);
    if (notes != NULL) {
        notes->free_fn(notes);
    }
    mem_free(p->tables);
    mem_free(p->checked);
    mem_free(p->dir);
    mem_free(p);
}

void columns_part_ref(struct part *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void columns_part_unref(struct part *p)
{
    if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        part_free(p);
    }
}

static int map_file(const struct part *p, const char *name, struct mapping *ret, struct err *reterr)
{
    char path[4096];
    int rc;

    if (snprintf(path, sizeof(path), "%s/%s", p->dir, name) >= (int)sizeof(path)) {
        return err_set(reterr, ERR_INVALID, "path %.100s... is too long", p->dir);
    }
    rc = vfs_map(path, ret, reterr);
    if (rc < 0) {
        err_prefix(reterr, "%s", path);
    }
    return rc;
}

static int corrupt(const struct part *p, const char *file, const char *what, struct err *reterr)
{
    return err_set(reterr, ERR_CORRUPT, "%s/%s is damaged: %s", p->dir, file, what);
}

static int check_header(struct part *p, struct err *reterr)
{
    const struct part_header *h = (const void *)p->index.p;
    uint64_t body;

    if (p->index.n < sizeof(*h) || memcmp(h->magic, PART_MAGIC, 4) != 0) {
        return corrupt(p, "index", "not the index of a part", reterr);
    }
    if (h->version < PART_VERSION_OLD || h->version > PART_VERSION) {
        return err_set(reterr, ERR_UNSUPPORTED, "%s/index has version %u, this program knows %d",
                       p->dir, h->version, PART_VERSION);
    }
    if (h->header_crc != crc32c(0, h, offsetof(struct part_header, header_crc))) {
        return corrupt(p, "index", "checksum of the header", reterr);
    }
    body = p->index.n - sizeof(*h);
    if (h->blocks_n > body / sizeof(struct block_entry) || h->resources_bytes > body ||
        h->scopes_bytes > body ||
        h->blocks_n * sizeof(struct block_entry) + h->resources_bytes + h->scopes_bytes != body) {
        return corrupt(p, "index", "its sizes do not add up", reterr);
    }
    if (h->body_crc != crc32c(0, p->index.p + sizeof(*h), body)) {
        return corrupt(p, "index", "checksum", reterr);
    }
    if (h->data_bytes != p->data.n) {
        return corrupt(p, "data", "it has another size than when it was written", reterr);
    }
    if (h->traces_bytes != p->traces.n) {
        return corrupt(p, "traces", "it has another size than when it was written", reterr);
    }
    if (h->kind > COLUMNS_LOGS || h->min_ns > h->max_ns || h->blocks_n == 0) {
        return corrupt(p, "index", "impossible header", reterr);
    }
    p->h = h;
    return 0;
}

static int check_blocks(struct part *p, struct err *reterr)
{
    const struct part_header *h = p->h;
    uint64_t rows = 0;

    p->blocks = (const void *)(p->index.p + sizeof(*h));
    for (uint32_t i = 0; i < h->blocks_n; i++) {
        const struct block_entry *b = &p->blocks[i];

        if (b->offset > p->data.n || b->bytes > p->data.n - b->offset || b->dir_bytes > b->bytes ||
            b->rows_n == 0 || b->rows_n > BLOCK_ROWS_LIMIT || b->min_ns > b->max_ns ||
            b->min_ns < h->min_ns || b->max_ns > h->max_ns || b->resource_min > b->resource_max ||
            b->resource_max >= h->resources_n) {
            return corrupt(p, "index", "impossible block", reterr);
        }
        rows += b->rows_n;
    }
    return rows == h->rows_n ? 0 : corrupt(p, "index", "wrong number of rows", reterr);
}

static bool open_table(const uint8_t *at, uint64_t bytes, uint32_t n, struct str *dst)
{
    struct rd r = {.p = at, .end = at + bytes};

    for (uint32_t i = 0; i < n; i++) {
        size_t len = rd_fixed32(&r);
        const uint8_t *b = rd_bytes(&r, len);

        if (r.bad) {
            return false;
        }
        dst[i] = str_of((const char *)b, len);
    }
    return rd_left(&r) == 0;
}

static int check_tables(struct part *p, struct err *reterr)
{
    const struct part_header *h = p->h;
    const uint8_t *at = p->index.p + sizeof(*h) + h->blocks_n * sizeof(struct block_entry);

    if (h->resources_n > h->resources_bytes / 4 || h->scopes_n > h->scopes_bytes / 4) {
        return corrupt(p, "index", "impossible tables", reterr);
    }
    p->tables = mem_try_calloc((size_t)h->resources_n + h->scopes_n + 1, sizeof(*p->tables));
    if (p->tables == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the tables of %s", p->dir);
    }
    if (!open_table(at, h->resources_bytes, h->resources_n, p->tables) ||
        !open_table(at + h->resources_bytes, h->scopes_bytes, h->scopes_n,
                    p->tables + h->resources_n)) {
        return corrupt(p, "index", "broken tables", reterr);
    }
    return 0;
}

/* Reading all of it for the checksum also brings it into memory, where look-ups want it. */
static int check_filter(struct part *p, const struct trace_header *h, struct err *reterr)
{
    const size_t n = h->filter_bytes;
    const size_t before = sizeof(*h) + h->pages_n * sizeof(struct trace_page);
    uint32_t crc;

    if (n == 0) {
        return 0;
    }
    if (n % TRACE_FILTER_BLOCK != 0 || n + sizeof(crc) > p->traces.n - before) {
        return corrupt(p, "traces", "impossible filter", reterr);
    }
    p->filter = p->traces.p + p->traces.n - sizeof(crc) - n;
    p->filter_bytes = h->filter_bytes;
    memcpy(&crc, p->filter + n, sizeof(crc));
    return crc == crc32c(0, p->filter, n) ? 0
                                          : corrupt(p, "traces", "checksum of the filter", reterr);
}

static int check_traces(struct part *p, struct err *reterr)
{
    const struct trace_header *h = (const void *)p->traces.p;
    const struct trace_page *pages;

    if (p->traces.n < sizeof(*h) || memcmp(h->magic, TRACE_MAGIC, 4) != 0 ||
        h->header_crc != crc32c(0, h, offsetof(struct trace_header, header_crc)) ||
        h->pages_n > (p->traces.n - sizeof(*h)) / sizeof(*pages)) {
        return corrupt(p, "traces", "header", reterr);
    }
    pages = (const void *)(p->traces.p + sizeof(*h));
    if (h->pages_crc != crc32c(0, pages, h->pages_n * sizeof(*pages))) {
        return corrupt(p, "traces", "checksum of the pages' list", reterr);
    }
    for (uint32_t i = 0; i < h->pages_n; i++) {
        if (pages[i].offset > p->traces.n || pages[i].bytes > p->traces.n - pages[i].offset ||
            pages[i].entries_n > TRACE_PAGE || (i != 0 && pages[i].first < pages[i - 1].first)) {
            return corrupt(p, "traces", "impossible page", reterr);
        }
    }
    p->pages = pages;
    p->pages_n = h->pages_n;
    return check_filter(p, h, reterr);
}

static int open_mask(struct part *p, struct err *reterr)
{
    char path[4096];
    char *text;
    size_t n;
    int rc;

    if (p->mask_number == 0) {
        return 0;
    }
    snprintf(path, sizeof(path), "%.3900s/mask.%llu", p->dir, (unsigned long long)p->mask_number);
    rc = vfs_read_file(vfs_real(), path, MASK_MAX, &text, &n, reterr);
    if (rc < 0) {
        return rc == -ERR_NOT_FOUND ? corrupt(p, "mask", "it is missing", reterr) : rc;
    }
    rc = mask_parse(str_of(text, n), p->blocks, p->h->blocks_n, &p->mask, reterr);
    if (rc < 0) {
        err_prefix(reterr, "%s", path);
    }
    mem_free(text);
    return rc;
}

static int make_checked(struct part *p, struct err *reterr)
{
    p->checked = mem_try_calloc(p->h->blocks_n, sizeof(*p->checked));
    return p->checked != NULL ? 0 : err_set(reterr, ERR_NOMEM, "no memory to open %s", p->dir);
}

int columns_part_open(const char *dir, uint32_t day, uint64_t seq, uint64_t mask, struct part **ret,
                      struct err *reterr)
{
    struct part *p = mem_try_calloc(1, sizeof(*p));
    int rc;

    if (p == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to open %s", dir);
    }
    atomic_init(&p->refs, 1);
    p->dir = mem_xstrdup(dir);
    p->day = day;
    p->seq = seq;
    p->mask_number = mask;
    rc = map_file(p, "index", &p->index, reterr);
    rc = rc < 0 ? rc : map_file(p, "data", &p->data, reterr);
    rc = rc < 0 ? rc : map_file(p, "traces", &p->traces, reterr);
    rc = rc < 0 ? rc : check_header(p, reterr);
    rc = rc < 0 ? rc : check_blocks(p, reterr);
    rc = rc < 0 ? rc : check_tables(p, reterr);
    rc = rc < 0 ? rc : check_traces(p, reterr);
    rc = rc < 0 ? rc : open_mask(p, reterr);
    rc = rc < 0 ? rc : make_checked(p, reterr);
    if (rc < 0) {
        part_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

const char *columns_part_dir(const struct part *p)
{
    return p->dir;
}

uint32_t part_day(const struct part *p)
{
    return p->day;
}

uint64_t part_seq(const struct part *p)
{
    return p->seq;
}

enum columns_kind part_kind(const struct part *p)
{
    return (enum columns_kind)p->h->kind;
}

int64_t part_min_ns(const struct part *p)
{
    return p->h->min_ns;
}

int64_t part_max_ns(const struct part *p)
{
    return p->h->max_ns;
}

uint64_t part_rows(const struct part *p)
{
    return p->h->rows_n;
}

uint64_t part_mask(const struct part *p)
{
    return p->mask_number;
}

void part_charge_mask(struct part *p, struct budget *budget)
{
    if (p->mask != NULL && budget_take(budget, (int64_t)mask_bytes(p->mask))) {
        p->budget = budget;
    }
}

uint64_t part_deleted_rows(const struct part *p)
{
    return p->mask != NULL ? mask_rows(p->mask) : 0;
}

const uint64_t *part_deleted(const struct part *p, uint32_t block)
{
    return p->mask != NULL ? mask_of_block(p->mask, block) : NULL;
}

bool part_has_blooms(const struct part *p)
{
    return p->h->version >= PART_VERSION_BLOOMS;
}

bool part_is_checked(const struct part *p, uint32_t block)
{
    return (atomic_load_explicit(&p->checked[block], memory_order_relaxed) & CHECKED_DIR) != 0;
}

void part_keep_checked(const struct part *p, uint32_t block)
{
    atomic_fetch_or_explicit(&p->checked[block], CHECKED_DIR, memory_order_relaxed);
}

bool part_body_bloom(const struct part *p, uint32_t block, struct str *ret, unsigned *ret_reach)
{
    uint64_t v = atomic_load_explicit(&p->checked[block], memory_order_relaxed);

    if ((v & CHECKED_BLOOM) == 0) {
        return false;
    }
    *ret_reach = (unsigned)(v >> REACH_SHIFT) % BLOOM_BLOCK;
    *ret = str_of((const char *)p->data.p + p->blocks[block].offset + (v >> PLACE_SHIFT),
                  (size_t)(uint32_t)(v >> BLOOM_SHIFT & 0xffffff) * BLOOM_BLOCK);
    return true;
}

void part_keep_body_bloom(const struct part *p, uint32_t block, struct str bloom, unsigned reach)
{
    uint64_t place = (uint64_t)(bloom.p - ((const char *)p->data.p + p->blocks[block].offset));
    uint64_t blocks = bloom.n / BLOOM_BLOCK;

    if (blocks <= 0xffffff) {
        atomic_fetch_or_explicit(&p->checked[block],
                                 place << PLACE_SHIFT | blocks << BLOOM_SHIFT |
                                     (uint64_t)reach << REACH_SHIFT | CHECKED_BLOOM,
                                 memory_order_relaxed);
    }
}

const struct part_notes *part_notes(const struct part *p)
{
    return atomic_load_explicit(&((struct part *)(uintptr_t)p)->notes, memory_order_acquire);
}

const struct part_notes *part_keep_notes(const struct part *p, struct part_notes *notes)
{
    struct part *mine = (struct part *)(uintptr_t)p; /* notes follow from what is on disk */
    struct part_notes *there = NULL;

    if (atomic_compare_exchange_strong_explicit(&mine->notes, &there, notes, memory_order_acq_rel,
                                                memory_order_acquire)) {
        return notes;
    }
    notes->free_fn(notes);
    return there;
}

void columns_part_prefetch(const struct part *p, uint32_t block)
{
    vfs_prefetch(&p->data, p->blocks[block].offset, p->blocks[block].bytes);
}

void columns_part_unload(const struct part *p)
{
    vfs_unload(&p->data);
}

uint64_t part_bytes(const struct part *p)
{
    return p->data.n + p->index.n + p->traces.n;
}

uint32_t part_blocks(const struct part *p)
{
    return p->h->blocks_n;
}

const struct block_entry *part_block(const struct part *p, uint32_t i)
{
    return &p->blocks[i];
}

struct str part_block_bytes(const struct part *p, uint32_t i)
{
    return str_of((const char *)p->data.p + p->blocks[i].offset, p->blocks[i].bytes);
}

uint32_t part_resources(const struct part *p)
{
    return p->h->resources_n;
}

uint32_t part_scopes(const struct part *p)
{
    return p->h->scopes_n;
}

struct str part_resource_bytes(const struct part *p, uint32_t i)
{
    return p->tables[i];
}

struct str part_scope_bytes(const struct part *p, uint32_t i)
{
    return p->tables[p->h->resources_n + i];
}

/* Index of the last page whose first fingerprint is below `fp`, or 0: the first that can hold it. */
static uint32_t first_page(const struct part *p, uint64_t fp)
{
    uint32_t lo = 0;
    uint32_t hi = p->pages_n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (p->pages[mid].first < fp) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo != 0 ? lo - 1 : 0;
}

/* One page of the trace index, decoded. */
struct open_page {
    uint32_t index;
    bool open;
    int64_t fps[TRACE_PAGE];
    int64_t blocks[TRACE_PAGE];
};

static int open_page(const struct part *p, uint32_t i, struct open_page *o, struct err *reterr)
{
    const struct trace_page *page = &p->pages[i];
    struct rd r = {.p = p->traces.p + page->offset,
                   .end = p->traces.p + page->offset + page->bytes};

    if (o->open && o->index == i) {
        return 0;
    }
    o->open = false;
    if (page->crc != crc32c(0, r.p, page->bytes) || !ints_decode(&r, page->entries_n, o->fps) ||
        !ints_decode(&r, page->entries_n, o->blocks)) {
        return corrupt(p, "traces", "checksum of a page", reterr);
    }
    o->open = true;
    o->index = i;
    return 0;
}

int part_traces_blocks(const struct part *p, const uint64_t *fingerprints, size_t n,
                       block_list *ret, struct err *reterr)
{
    struct open_page o = {.open = false};

    for (size_t f = 0; f < n; f++) {
        uint64_t fp = fingerprints[f] >> (p->h->version >= PART_VERSION_SHORT ? SHORT_SHIFT : 0);

        if (p->filter != NULL &&
            !trace_filter_may_have(p->filter, p->filter_bytes,
                                   (uint32_t)(fingerprints[f] >> SHORT_SHIFT))) {
            continue;
        }
        for (uint32_t i = first_page(p, fp); i < p->pages_n && p->pages[i].first <= fp; i++) {
            int rc = open_page(p, i, &o, reterr);

            for (uint32_t k = 0; rc == 0 && k < p->pages[i].entries_n; k++) {
                if ((uint64_t)o.fps[k] != fp) {
                    continue;
                }
                if ((uint64_t)o.blocks[k] >= p->h->blocks_n) {
                    return corrupt(p, "traces", "a block that is not there", reterr);
                }
                if (!vec_push(ret, (uint32_t)o.blocks[k])) {
                    return err_set(reterr, ERR_NOMEM, "no memory for the blocks of a trace");
                }
            }
            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

int part_each_trace(const struct part *p,
                    int (*fn)(void *arg, uint64_t fingerprint, uint32_t block), void *arg,
                    struct err *reterr)
{
    const unsigned shift = p->h->version >= PART_VERSION_SHORT ? 0 : SHORT_SHIFT;
    struct open_page o = {.open = false};
    int rc = 0;

    for (uint32_t i = 0; i < p->pages_n && rc == 0; i++) {
        rc = open_page(p, i, &o, reterr);
        for (uint32_t k = 0; k < p->pages[i].entries_n && rc == 0; k++) {
            if ((uint64_t)o.blocks[k] >= p->h->blocks_n) {
                return corrupt(p, "traces", "a block that is not there", reterr);
            }
            rc = fn(arg, (uint64_t)o.fps[k] >> shift, (uint32_t)o.blocks[k]);
        }
    }
    return rc;
}

int part_trace_blocks(const struct part *p, const uint8_t id[16], block_list *ret,
                      struct err *reterr)
{
    uint64_t fp = trace_fingerprint(id);

    return part_traces_blocks(p, &fp, 1, ret, reterr);
}
