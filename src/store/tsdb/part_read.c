/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading parts. The index is checked once at open and then read in place; every access still stays inside
 * its section, so that a part written wrong is an error and never a crash. Data blocks are checked when
 * they are first read.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "codec/bits.h"
#include "codec/chunk.h"
#include "codec/compress.h"
#include "store/tsdb/part_format.h"
#include "store/tsdb/part_internal.h"
#include "store/tsdb/tsdb_internal.h"

/** An unpacked block shared by readers. */
struct hot_block {
    _Atomic uint32_t refs; /* acq_rel on the last release */
    uint32_t number;
    struct buf bytes;
};

/** Samples that were deleted. */
struct hidden {
    roaring_bitmap_t *set; /* owned; series */
    int64_t min_ms, max_ms;
    struct hidden *next;
};

struct name_range {
    struct str name;
    uint32_t first, n;
};

struct part {
    _Atomic uint32_t refs; /* acq_rel on the last release */
    char *dir;
    const struct vfs *remove; /* not NULL: remove the directory with the last reference */
    struct mapping data, index;
    bool mapped; /* of files, by part_open() */
    struct part_info info;
    struct part_footer f;
    const uint8_t *section[SECTION_COUNT];
    struct name_range *names;        /* owned, f.names_n */
    _Atomic uint8_t *verified;       /* owned; per block 1: its checksum was right; relaxed */
    _Atomic(struct hidden *) hidden; /* newest first; a node stays as long as the part */
    struct mutex lock;
    struct hot_block *hot; /* last one unpacked; guarded by: lock */
};

static int bad(const struct part *p, const char *what, struct err *reterr)
{
    (void)err_set(reterr, ERR_CORRUPT, "%s: %s", p->dir, what);
    return -ERR_CORRUPT;
}

/* ---- opening ---- */

/** The version of a file with a magic. @return 0: it is none of ours */
static unsigned version_of(struct mapping m, const char *magic)
{
    return m.n >= PART_MAGIC_SIZE && memcmp(m.p, magic, PART_MAGIC_SIZE - 1) == 0
               ? m.p[PART_MAGIC_SIZE - 1]
               : 0;
}

/** The form of another program version. */
static bool other_version(const struct part *p)
{
    unsigned version = version_of(p->index, PART_INDEX_MAGIC);

    return version != 0 && (version < PART_VERSION_OLDEST || version > PART_VERSION);
}

static bool take_footer(struct part *p)
{
    uint64_t body;

    if (p->index.n < PART_MAGIC_SIZE + sizeof(p->f) ||
        version_of(p->index, PART_INDEX_MAGIC) == 0) {
        return false;
    }
    body = p->index.n - sizeof(p->f);
    memcpy(&p->f, p->index.p + body, sizeof(p->f));
    for (int i = 0; i < SECTION_COUNT; i++) {
        if (p->f.at[i] > body || p->f.size[i] > body - p->f.at[i] || p->f.at[i] % 8 != 0) {
            return false;
        }
        p->section[i] = p->index.p + p->f.at[i];
    }
    return p->f.version == p->index.p[PART_MAGIC_SIZE - 1] &&
           p->f.size[SECTION_PAIR_GROUPS] ==
               ((uint64_t)p->f.pairs_n + PART_GROUP - 1) / PART_GROUP * 4 &&
           p->f.size[SECTION_SERIES_GROUPS] == ((uint64_t)p->f.series_n + PART_GROUP - 1) /
                                                   PART_GROUP * sizeof(struct part_group) &&
           p->f.size[SECTION_BLOCKS] == ((uint64_t)p->f.blocks_n + 1) * 8 &&
           p->f.size[SECTION_TIMES_AT] == ((uint64_t)p->f.times_n + 1) * 4;
}

static bool take_names(struct part *p)
{
    struct bits_reader r = bits_reader_of(p->section[SECTION_NAMES], p->f.size[SECTION_NAMES]);
    uint64_t next = 0;

    if (p->f.names_n > p->f.size[SECTION_NAMES]) {
        return false;
    }
    p->names = mem_try_calloc(p->f.names_n, sizeof(*p->names));
    if (p->names == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < p->f.names_n; i++) {
        struct name_range *n = &p->names[i];
        uint64_t first;
        uint64_t count;

        n->name = bits_read_str(&r);
        first = bits_read_varint(&r);
        count = bits_read_varint(&r);
        if (r.bad || n->name.p == NULL || first != next || count == 0 ||
            count > p->f.pairs_n - first ||
            (i > 0 && str_cmp(p->names[i - 1].name, n->name) >= 0)) {
            return false;
        }
        n->first = (uint32_t)first;
        n->n = (uint32_t)count;
        next = first + count;
    }
    return next == p->f.pairs_n;
}

static bool take_data(const struct part *p)
{
    return p->data.n == p->f.data_bytes && p->data.n >= PART_MAGIC_SIZE &&
           version_of(p->data, PART_DATA_MAGIC) == p->f.version;
}

int part_parse(struct mapping index, struct mapping data, bool check_crc, struct part **ret,
               struct err *reterr)
{
    struct part *p = mem_xcalloc(1, sizeof(*p));
    const char *wrong = NULL;
    enum err_code code = ERR_CORRUPT;

    atomic_init(&p->refs, 1);
    p->dir = mem_xstrdup("part");
    p->index = index;
    p->data = data;
    mutex_init(&p->lock, LOCK_RANK_LEAF);
    if (other_version(p)) {
        wrong = "written in another version of the format, which this program does not read";
        code = ERR_UNSUPPORTED;
    } else if (!take_footer(p)) {
        wrong = "index is not one, or cut off";
    } else if (check_crc && crc32c(0, p->index.p, p->index.n - 8) != p->f.crc) {
        wrong = "checksum of the index is wrong";
    } else if (!take_names(p)) {
        wrong = "label names of the index are malformed";
    } else if (!take_data(p)) {
        wrong = "data file does not fit the index";
    } else {
        p->verified = mem_try_calloc(p->f.blocks_n, 1);
        wrong = p->verified == NULL ? "no memory to open it" : NULL;
        code = ERR_NOMEM;
    }
    if (wrong != NULL) {
        int rc = err_set(reterr, code, "%s: %s", p->dir, wrong);

        p->index = p->data = (struct mapping){0}; /* stay the caller's */
        part_unref(p);
        return rc;
    }
    p->info = (struct part_info){
        .day = p->f.day,
        .seq_lo = p->f.seq_lo,
        .seq_hi = p->f.seq_hi,
        .min_ms = p->f.min_ms,
        .max_ms = p->f.max_ms,
        .series_n = p->f.series_n,
        .samples_n = p->f.samples_n,
        .chunks_n = p->f.chunks_n,
        .bytes = p->index.n + p->data.n,
    };
    *ret = p;
    return 0;
}

static int map_file(const char *dir, const char *name, struct mapping *ret, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);

    return vfs_map(path, ret, reterr);
}

int part_open(const char *dir, struct part **ret, struct err *reterr)
{
    struct mapping index = {0};
    struct mapping data = {0};
    struct part *p = NULL;
    int rc = map_file(dir, "index", &index, reterr);

    rc = rc == 0 ? map_file(dir, "data", &data, reterr) : rc;
    if (rc == 0) {
        rc = part_parse(index, data, true, &p, reterr);
        if (rc < 0 && reterr != NULL) {
            rc = err_prefix(reterr, "%s", dir);
        }
    }
    if (p == NULL) { /* given with 0 only */
        vfs_unmap(&index);
        vfs_unmap(&data);
        return rc;
    }
    mem_free(p->dir);
    p->dir = mem_xstrdup(dir);
    p->mapped = true;
    part_unload(p); /* all of the index was read to check it */
    *ret = p;
    return 0;
}

void part_unload(const struct part *p)
{
    if (p->mapped) {
        vfs_unload(&p->index);
        vfs_unload(&p->data);
    }
}

void part_forget_mappings(struct part *p)
{
    p->index = p->data = (struct mapping){0};
}

struct part *part_ref(struct part *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

static void hot_unref(struct hot_block *h)
{
    if (h != NULL && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1) {
        buf_done(&h->bytes);
        mem_free(h);
    }
}

int part_remove_dir(const struct vfs *vfs, const char *dir, struct err *reterr)
{
    size_t n = strlen(dir) + sizeof(PART_GONE_SUFFIX);
    char *gone = mem_xcalloc(1, n);
    int rc;

    snprintf(gone, n, "%s" PART_GONE_SUFFIX, dir);
    rc = vfs_remove_tree(vfs, gone, reterr);
    if (rc == 0) {
        int r = vfs->rename(vfs->ctx, dir, gone);

        rc = r == 0         ? vfs_remove_tree(vfs, gone, reterr)
             : r == -ENOENT ? 0
                            : err_set_errno(reterr, -r, "renaming %s", dir);
    }
    mem_free(gone);
    return rc;
}

static void free_hidden(struct hidden *h)
{
    while (h != NULL) {
        struct hidden *next = h->next;

        roaring_bitmap_free(h->set);
        mem_free(h);
        h = next;
    }
}

void part_unref(struct part *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    vfs_unmap(&p->index);
    vfs_unmap(&p->data);
    if (p->remove != NULL) {
        struct err e = {0};

        if (part_remove_dir(p->remove, p->dir, &e) < 0) {
            log_warn("tsdb", "cannot remove a part", L_CSTR("error", e.msg));
        }
    }
    hot_unref(p->hot);
    free_hidden(atomic_load_explicit(&p->hidden, memory_order_acquire));
    mutex_done(&p->lock);
    mem_free(p->names);
    mem_free((void *)p->verified);
    mem_free(p->dir);
    mem_free(p);
}

void part_remove_on_free(struct part *p, const struct vfs *vfs)
{
    p->remove = vfs;
}

const struct part_info *part_info(const struct part *p)
{
    return &p->info;
}

const char *part_dir(const struct part *p)
{
    return p->dir;
}

/* ---- pairs ---- */

/** A reader at a pair. Only group starts have an offset. */
static struct bits_reader pairs_from(const struct part *p, uint64_t pair)
{
    const uint8_t *base = p->section[SECTION_PAIRS];
    uint64_t size = p->f.size[SECTION_PAIRS];
    uint32_t at = 0;
    struct bits_reader r = bits_reader_of(base, 0);

    if (pair < p->f.pairs_n) {
        at = bits_get_u32(p->section[SECTION_PAIR_GROUPS] + pair / PART_GROUP * 4);
    }
    if (pair >= p->f.pairs_n || at > size) {
        r.bad = true;
        return r;
    }
    r = bits_reader_of(base + at, (size_t)(size - at));
    for (uint64_t i = pair % PART_GROUP; i > 0; i--) {
        (void)bits_read_str(&r);
        (void)bits_read_str(&r);
    }
    return r;
}

/** Value and postings of a pair. */
static bool get_pair(const struct part *p, uint64_t pair, struct str *ret_value,
                     struct str *ret_postings)
{
    struct bits_reader r = pairs_from(p, pair);

    if (r.bad) {
        return false;
    }
    *ret_value = bits_read_str(&r);
    *ret_postings = bits_read_str(&r);
    return !r.bad;
}

static const struct name_range *find_name(const struct part *p, struct str name)
{
    size_t lo = 0;
    size_t hi = p->f.names_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(p->names[mid].name, name);

        if (c == 0) {
            return &p->names[mid];
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/** First pair of a name whose value is not below `value`. */
static uint64_t lower_pair(const struct part *p, const struct name_range *n, struct str value)
{
    uint64_t lo = n->first;
    uint64_t hi = (uint64_t)n->first + n->n;

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        struct str v;
        struct str ignored;

        if (!get_pair(p, mid, &v, &ignored)) {
            return UINT64_MAX;
        }
        if (str_cmp(v, value) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static bool ix_find(const void *impl, struct str name, struct str value, uint64_t *ret_pair)
{
    const struct part *p = impl;
    const struct name_range *n = find_name(p, name);
    uint64_t at = n != NULL ? lower_pair(p, n, value) : UINT64_MAX;
    struct str v;
    struct str ignored;

    if (n == NULL || at >= (uint64_t)n->first + n->n || !get_pair(p, at, &v, &ignored) ||
        !str_eq(v, value)) {
        return false;
    }
    *ret_pair = at;
    return true;
}

static int ix_each(const void *impl, struct str name, struct str prefix,
                   int (*fn)(void *arg, struct str value, uint64_t pair), void *arg)
{
    const struct part *p = impl;
    const struct name_range *n = find_name(p, name);
    struct bits_reader r;
    uint64_t at;
    int rc = 0;

    if (n == NULL) {
        return 0;
    }
    at = prefix.n != 0 ? lower_pair(p, n, prefix) : n->first;
    if (at == UINT64_MAX) {
        return -ERR_CORRUPT;
    }
    if (at >= (uint64_t)n->first + n->n) {
        return 0;
    }
    r = pairs_from(p, at);
    for (; rc == 0 && at < (uint64_t)n->first + n->n; at++) {
        struct str v = bits_read_str(&r);

        (void)bits_read_str(&r);
        if (r.bad) {
            return -ERR_CORRUPT;
        }
        if (!str_starts(v, prefix)) {
            break;
        }
        rc = fn(arg, v, at);
    }
    return rc;
}

/** A pair's series as runs. */
struct runs {
    struct bits_reader r;
    uint64_t next, end; /* series there are */
};

static bool runs_of(const struct part *p, uint64_t pair, struct runs *ret)
{
    struct str v;
    struct str postings;

    if (!get_pair(p, pair, &v, &postings)) {
        return false;
    }
    *ret = (struct runs){bits_reader_of(postings.p, postings.n), 0, p->f.series_n};
    return true;
}

/** The next run [*ret_from, *ret_to). @return 1, 0 at the end, -ERR_CORRUPT */
static int next_run(struct runs *r, uint64_t *ret_from, uint64_t *ret_to)
{
    uint64_t gap;
    uint64_t len;

    if (r->r.p >= r->r.end) {
        return 0;
    }
    gap = bits_read_varint(&r->r);
    len = (gap & 1) != 0 ? bits_read_varint(&r->r) + 2 : 1;
    if (r->r.bad || (gap >> 1) >= r->end - r->next || len > r->end - r->next - (gap >> 1)) {
        return -ERR_CORRUPT;
    }
    *ret_from = r->next + (gap >> 1);
    *ret_to = r->next = *ret_from + len;
    return 1;
}

static int add_runs(struct runs *r, roaring_bitmap_t *dst)
{
    uint64_t from;
    uint64_t to;
    int rc;

    while ((rc = next_run(r, &from, &to)) > 0) {
        if (to - from == 1) {
            roaring_bitmap_add(dst, (uint32_t)from);
        } else {
            roaring_bitmap_add_range(dst, from, to);
        }
    }
    return rc;
}

enum { FEW_BYTES = 16 }; /* of postings that are as well inserted one by one */

static int ix_add(const void *impl, uint64_t pair, roaring_bitmap_t *dst)
{
    roaring_bitmap_t *more;
    struct runs r;
    int rc;

    if (!runs_of(impl, pair, &r)) {
        return -ERR_CORRUPT;
    }
    if (roaring_bitmap_is_empty(dst) || r.r.end - r.r.p < FEW_BYTES) {
        return add_runs(&r, dst);
    }
    more = roaring_bitmap_create(); /* joining is cheaper than inserting */
    if (more == NULL) {
        return -ERR_NOMEM;
    }
    rc = add_runs(&r, more);
    roaring_bitmap_or_inplace(dst, more);
    roaring_bitmap_free(more);
    return rc;
}

static uint64_t ix_size(const void *impl, uint64_t pair)
{
    struct str v;
    struct str postings;

    return get_pair(impl, pair, &v, &postings) ? postings.n : 0;
}

static int ix_keep(const void *impl, uint64_t pair, roaring_bitmap_t *set)
{
    roaring_uint32_iterator_t it;
    roaring_bitmap_t *kept = roaring_bitmap_create();
    struct runs r;
    uint64_t from = 0;
    uint64_t to = 0;
    int rc = 1;

    if (kept == NULL || !runs_of(impl, pair, &r)) {
        roaring_bitmap_free(kept);
        return kept == NULL ? -ERR_NOMEM : -ERR_CORRUPT;
    }
    roaring_init_iterator(set, &it);
    while (it.has_value && rc > 0) { /* both rise */
        if (it.current_value >= to) {
            rc = next_run(&r, &from, &to);
        } else if (it.current_value < from) {
            roaring_move_uint32_iterator_equalorlarger(&it, (uint32_t)from);
        } else {
            roaring_bitmap_add(kept, it.current_value);
            roaring_advance_uint32_iterator(&it);
        }
    }
    roaring_bitmap_overwrite(set, kept);
    roaring_bitmap_free(kept);
    return rc < 0 ? rc : 0;
}

static int ix_meets(const void *impl, uint64_t pair, const roaring_bitmap_t *set)
{
    struct runs r;
    uint64_t from;
    uint64_t to;
    int rc;

    if (!runs_of(impl, pair, &r)) {
        return -ERR_CORRUPT;
    }
    while ((rc = next_run(&r, &from, &to)) > 0) {
        if (to - from == 1 ? roaring_bitmap_contains(set, (uint32_t)from)
                           : roaring_bitmap_range_cardinality(set, from, to) != 0) {
            return 1;
        }
    }
    return rc;
}

static void ix_all(const void *impl, roaring_bitmap_t *dst)
{
    const struct part *p = impl;

    if (p->f.series_n != 0) {
        roaring_bitmap_add_range(dst, 0, p->f.series_n);
    }
}

struct index_view part_index(const struct part *p)
{
    static const struct index_ops ops = {ix_find, ix_each, ix_add,  ix_all,
                                         ix_size, ix_keep, ix_meets};

    return (struct index_view){&ops, p};
}

int part_each_name(const struct part *p, int (*fn)(void *arg, struct str name), void *arg)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < p->f.names_n; i++) {
        rc = fn(arg, p->names[i].name);
    }
    return rc;
}

uint32_t part_values_n(const struct part *p, struct str name)
{
    const struct name_range *n = find_name(p, name);

    return n != NULL ? n->n : 0;
}

uint32_t part_pairs_n(const struct part *p)
{
    return p->f.pairs_n;
}

/* ---- series ---- */

void part_cursor_init(struct part_cursor *c, const struct part *p)
{
    c->part = p;
    c->number = UINT32_MAX;
}

/** The bytes of a column of times. */
static bool get_column(const struct part *p, uint64_t column, struct str *ret)
{
    uint32_t from;
    uint32_t to;

    if (column >= p->f.times_n) {
        return false;
    }
    from = bits_get_u32(p->section[SECTION_TIMES_AT] + column * 4);
    to = bits_get_u32(p->section[SECTION_TIMES_AT] + column * 4 + 4);
    if (from > to || to > p->f.size[SECTION_TIMES]) {
        return false;
    }
    *ret = str_of((const char *)p->section[SECTION_TIMES] + from, to - from);
    return true;
}

/** A walk over the chunks of series in order. */
struct chunk_walk {
    struct bits_reader r;
    uint32_t block, offset; /* behind the last stored one */
    uint32_t times;         /* column behind the last used one */
};

struct chunk_at {
    uint32_t times, block, offset, size;
};

/** Read where the next chunk is. */
static bool next_chunk(struct chunk_walk *w, bool blob, struct chunk_at *ret)
{
    uint64_t size;

    ret->times = 0;
    if (!blob) {
        ret->times = w->times + (uint32_t)bits_unzigzag(bits_read_varint(&w->r));
        w->times = ret->times + 1;
    }
    size = bits_read_varint(&w->r);
    if (w->r.bad || size >> 2 > PART_BLOCK_MAX || w->offset > PART_BLOCK_MAX) {
        return false;
    }
    ret->size = (uint32_t)(size >> 2);
    if ((size & PART_CHUNK_SAME) != 0) {
        uint64_t back = bits_read_varint(&w->r);
        uint64_t offset = bits_read_varint(&w->r);

        ret->block = w->block - (uint32_t)back;
        ret->offset = (uint32_t)offset;
        return !w->r.bad && back <= w->block && offset <= PART_BLOCK_MAX;
    }
    if ((size & PART_CHUNK_STARTS) != 0) {
        w->block++;
        w->offset = 0;
    }
    ret->block = w->block;
    ret->offset = w->offset;
    w->offset += ret->size;
    return true;
}

static struct chunk_walk walk_of(const struct part_cursor *c)
{
    return (struct chunk_walk){bits_reader_of(c->chunks, (size_t)(c->next - c->chunks)), c->block,
                               c->offset, c->times};
}

/** The range of a series of samples is the one of its first and last column. */
static bool range_of(struct part_cursor *c, uint32_t first, uint32_t last)
{
    struct chunk_times_info info;
    struct str column;

    if (!get_column(c->part, first, &column) || chunk_times_peek(column, &info) < 0) {
        return false;
    }
    c->min_ms = info.first_ms;
    if (last != first &&
        (!get_column(c->part, last, &column) || chunk_times_peek(column, &info) < 0)) {
        return false;
    }
    c->max_ms = info.last_ms;
    return true;
}

/** Read the chunks at c->next: where they end and, for samples, their range. */
static int decode_chunks(struct part_cursor *c, struct bits_reader r)
{
    struct chunk_walk w = {r, c->end_block, c->end_offset, c->end_times};
    struct chunk_at at = {0};
    uint32_t first = 0;

    c->chunks = r.p;
    c->block = w.block;
    c->offset = w.offset;
    c->times = w.times;
    for (uint32_t i = 0; i < c->chunks_n; i++) {
        if (!next_chunk(&w, c->blob, &at)) {
            return -ERR_CORRUPT;
        }
        first = i == 0 ? at.times : first;
    }
    c->end_block = w.block;
    c->end_offset = w.offset;
    c->end_times = w.times;
    c->next = w.r.p;
    return c->blob || range_of(c, first, at.times) ? 0 : -ERR_CORRUPT;
}

/** Pairs from `from` on, each told as a distance from the one the series before has there. */
static bool get_masked_pairs(struct part_cursor *c, struct bits_reader *r, uint32_t from,
                             uint32_t before_n)
{
    const uint32_t pairs_n = c->part->f.pairs_n;

    for (uint32_t at = from; at < c->pairs_n; at += PART_MASK_PAIRS) {
        uint32_t end = c->pairs_n - at < PART_MASK_PAIRS ? c->pairs_n : at + PART_MASK_PAIRS;
        unsigned mask = bits_read_u8(r);

        for (uint32_t i = at; i < end; i++, mask >>= 1) {
            uint64_t pair = i < before_n ? c->pairs[i] : 0;

            pair += (mask & 1) != 0 ? (uint64_t)bits_unzigzag(bits_read_varint(r)) : 0;
            if (pair >= pairs_n) {
                return false;
            }
            c->pairs[i] = (uint32_t)pair;
        }
    }
    return !r->bad;
}

/** As version 2 had them. */
static bool get_plain_pairs(struct part_cursor *c, struct bits_reader *r, uint32_t from)
{
    for (uint32_t i = from; i < c->pairs_n; i++) {
        uint64_t pair = bits_read_varint(r);

        if (pair >= c->part->f.pairs_n) {
            return false;
        }
        c->pairs[i] = (uint32_t)pair;
    }
    return !r->bad;
}

/** Decode the entry at c->next as the one of c->number. */
static int decode_entry(struct part_cursor *c, bool group_start)
{
    const struct part *p = c->part;
    const uint8_t *end = p->section[SECTION_SERIES] + p->f.size[SECTION_SERIES];
    struct bits_reader r = bits_reader_of(c->next, (size_t)(end - c->next));
    uint64_t shared = bits_read_varint(&r);
    uint64_t fresh = bits_read_varint(&r);
    const uint32_t before_n = group_start ? 0 : c->pairs_n;
    uint64_t chunks;

    if (r.bad || shared > before_n || fresh > PART_MAX_LABELS - shared) {
        return -ERR_CORRUPT;
    }
    c->pairs_n = (uint32_t)(shared + fresh);
    if (!(p->f.version >= PART_VERSION_PAIR_MASKS
              ? get_masked_pairs(c, &r, (uint32_t)shared, before_n)
              : get_plain_pairs(c, &r, (uint32_t)shared))) {
        return -ERR_CORRUPT;
    }
    chunks = bits_read_varint(&r);
    c->blob = (chunks & PART_SERIES_BLOB) != 0;
    chunks >>= 1;
    if (c->blob) {
        c->min_ms = (int64_t)((uint64_t)p->f.min_ms + bits_read_varint(&r));
        c->max_ms = (int64_t)((uint64_t)p->f.max_ms - bits_read_varint(&r));
    }
    if (r.bad || chunks == 0 || chunks > (uint64_t)(r.end - r.p)) {
        return -ERR_CORRUPT;
    }
    c->chunks_n = (uint32_t)chunks;
    return decode_chunks(c, r);
}

int part_seek(struct part_cursor *c, uint32_t number)
{
    const struct part *p = c->part;
    uint32_t at = c->number;

    if (number >= p->f.series_n) {
        return -ERR_CORRUPT;
    }
    if (at == number) {
        return 0;
    }
    c->number = UINT32_MAX; /* until it worked */
    if (at == UINT32_MAX || at > number || at / PART_GROUP != number / PART_GROUP) {
        struct part_group g;
        int rc;

        at = number / PART_GROUP * PART_GROUP;
        memcpy(&g, p->section[SECTION_SERIES_GROUPS] + at / PART_GROUP * sizeof(g), sizeof(g));
        if (g.entry > p->f.size[SECTION_SERIES]) {
            return -ERR_CORRUPT;
        }
        c->next = p->section[SECTION_SERIES] + g.entry;
        c->end_block = g.block;
        c->end_offset = g.offset;
        c->end_times = 0;
        rc = decode_entry(c, true);
        if (rc < 0) {
            return rc;
        }
    }
    for (; at < number; at++) {
        int rc = decode_entry(c, false);

        if (rc < 0) {
            return rc;
        }
    }
    c->number = number;
    return 0;
}

static struct str name_of(const struct part *p, uint32_t pair)
{
    size_t lo = 0;
    size_t hi = p->f.names_n;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (p->names[mid].first <= pair) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return p->names[lo].name;
}

int part_pair(const struct part *p, uint32_t pair, struct label *ret)
{
    struct label l;
    struct str postings;

    if (p->f.names_n == 0 || !get_pair(p, pair, &l.value, &postings)) {
        return -ERR_CORRUPT;
    }
    l.name = name_of(p, pair);
    *ret = l;
    return 0;
}

int part_labels(const struct part_cursor *c, struct arena *a, struct labels *ret)
{
    struct label *v = arena_array(a, struct label, c->pairs_n != 0 ? c->pairs_n : 1);

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (uint32_t i = 0; i < c->pairs_n; i++) {
        struct str postings;

        v[i].name = name_of(c->part, c->pairs[i]);
        if (!get_pair(c->part, c->pairs[i], &v[i].value, &postings)) {
            return -ERR_CORRUPT;
        }
    }
    *ret = (struct labels){v, c->pairs_n};
    return 0;
}

/* ---- data ---- */

/** A block's bytes; *ret_hot must be released when not NULL. */
static int get_block(struct part *p, uint32_t number, struct str *ret, struct hot_block **ret_hot,
                     struct err *reterr)
{
    struct part_block_header h;
    uint64_t at;
    struct str payload;
    struct hot_block *hot;
    int rc;

    if (number >= p->f.blocks_n) {
        return bad(p, "chunk in a block that is not there", reterr);
    }
    at = bits_get_u64(p->section[SECTION_BLOCKS] + (size_t)number * 8);
    if (at > p->data.n || p->data.n - at < sizeof(h)) {
        return bad(p, "block outside the data file", reterr);
    }
    memcpy(&h, p->data.p + at, sizeof(h));
    if (h.stored > p->data.n - at - sizeof(h) || h.raw > PART_BLOCK_MAX) {
        return bad(p, "block outside the data file", reterr);
    }
    if (h.codec == 1) {
        mutex_lock(&p->lock);
        hot = p->hot;
        if (hot != NULL && hot->number == number) {
            atomic_fetch_add_explicit(&hot->refs, 1, memory_order_relaxed);
            mutex_unlock(&p->lock);
            *ret = buf_str(&hot->bytes);
            *ret_hot = hot;
            return 0;
        }
        mutex_unlock(&p->lock);
    }
    payload = str_of((const char *)p->data.p + at + sizeof(h), h.stored);
    if (atomic_load_explicit(&p->verified[number], memory_order_relaxed) == 0 &&
        crc32c(crc32c(0, p->data.p + at + 4, sizeof(h) - 4), payload.p, payload.n) != h.crc) {
        return bad(p, "checksum of a data block is wrong", reterr);
    }
    atomic_store_explicit(&p->verified[number], 1, memory_order_relaxed);
    if (h.codec == 0) {
        *ret = payload;
        *ret_hot = NULL;
        return 0;
    }
    hot = mem_try_calloc(1, sizeof(*hot));
    if (hot == NULL) {
        return err_set(reterr, ERR_NOMEM, "unpacking a data block");
    }
    atomic_init(&hot->refs, 2); /* ours and the part's */
    hot->number = number;
    buf_init(&hot->bytes, h.raw);
    rc = decompress(COMPRESS_ZSTD, payload, &hot->bytes, NULL);
    if (rc < 0 || hot->bytes.n != h.raw) {
        atomic_store_explicit(&hot->refs, 1, memory_order_relaxed);
        hot_unref(hot);
        return rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "unpacking a data block")
                                : bad(p, "data block does not unpack", reterr);
    }
    *ret = buf_str(&hot->bytes);
    *ret_hot = hot;
    mutex_lock(&p->lock);
    {
        struct hot_block *old = p->hot;

        p->hot = hot;
        mutex_unlock(&p->lock);
        hot_unref(old);
    }
    return 0;
}

/** Append a chunk's samples from min_ms on, or all: the times of its column, the values in `bytes`. `base`: where
 * the series starts in dst. */
static int append_chunk(const struct part *p, struct str column,
                        const struct chunk_times_info *info, struct str bytes, int64_t min_ms,
                        size_t base, struct samples *dst, struct err *reterr)
{
    int64_t *t;
    int k = 0;
    int rc;

    if (samples_room(dst, info->n) < 0) {
        return err_set(reterr, ERR_NOMEM, "reading samples");
    }
    t = dst->t_ms + dst->n;
    if (p->f.version >= PART_VERSION_NEWEST_FIRST) {
        k = chunk_times_decode_since(column, min_ms, t, info->n);
        rc = k <= 0 ? -ERR_CORRUPT
                    : chunk_values_decode_newest(bytes, info->n, dst->v + dst->n, (size_t)k);
    } else {
        k = chunk_times_decode(column, t, info->n);
        rc = k < 0 ? k : chunk_values_decode(bytes, dst->v + dst->n, info->n);
    }
    if (rc < 0 || (dst->n > base && t[0] <= t[-1])) {
        return bad(p, "malformed chunk", reterr);
    }
    dst->n += (size_t)k;
    return 0;
}

/** The block at hand of a reader. */
struct open_block {
    uint32_t number; /* UINT32_MAX: none */
    struct str bytes;
    struct hot_block *hot;
};

/** Bytes of a chunk; `b` is kept open for the next. */
static int chunk_bytes(struct part *p, const struct chunk_at *at, struct open_block *b,
                       struct str *ret, struct err *reterr)
{
    if (at->block != b->number) {
        int rc;

        hot_unref(b->hot);
        *b = (struct open_block){.number = UINT32_MAX};
        rc = get_block(p, at->block, &b->bytes, &b->hot, reterr);
        if (rc != 0) {
            return rc;
        }
        b->number = at->block;
    }
    if (at->size == 0 || at->offset > b->bytes.n || at->size > b->bytes.n - at->offset) {
        return bad(p, "chunk outside its block", reterr);
    }
    *ret = str_of(b->bytes.p + at->offset, at->size);
    return 0;
}

uint64_t part_series_bytes(const struct part_cursor *c)
{
    struct chunk_walk w = walk_of(c);
    struct chunk_at at;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < c->chunks_n && next_chunk(&w, c->blob, &at); i++) {
        bytes += at.size;
    }
    return bytes;
}

/* ---- deletions ---- */

int part_hide(struct part *p, roaring_bitmap_t *set, int64_t min_ms, int64_t max_ms)
{
    struct hidden *h;

    if (roaring_bitmap_is_empty(set)) {
        roaring_bitmap_free(set);
        return 0;
    }
    h = mem_try_calloc(1, sizeof(*h));
    if (h == NULL) {
        roaring_bitmap_free(set);
        return -ERR_NOMEM;
    }
    *h = (struct hidden){.set = set, .min_ms = min_ms, .max_ms = max_ms};
    h->next = atomic_load_explicit(&p->hidden, memory_order_acquire);
    while (!atomic_compare_exchange_weak_explicit(&p->hidden, &h->next, h, memory_order_acq_rel,
                                                  memory_order_acquire)) {
    }
    return 0;
}

bool part_hides(const struct part *p)
{
    return atomic_load_explicit(&p->hidden, memory_order_acquire) != NULL;
}

bool part_hides_series(const struct part_cursor *c)
{
    const struct hidden *h = atomic_load_explicit(&c->part->hidden, memory_order_acquire);

    for (; h != NULL; h = h->next) {
        if (h->min_ms <= c->min_ms && h->max_ms >= c->max_ms &&
            roaring_bitmap_contains(h->set, c->number)) {
            return true;
        }
    }
    return false;
}

bool part_hides_time(const struct part_cursor *c, int64_t t_ms)
{
    const struct hidden *h = atomic_load_explicit(&c->part->hidden, memory_order_acquire);

    for (; h != NULL; h = h->next) {
        if (h->min_ms <= t_ms && h->max_ms >= t_ms && roaring_bitmap_contains(h->set, c->number)) {
            return true;
        }
    }
    return false;
}

/** Take hidden samples out of dst[from, n). */
static void drop_hidden(const struct part_cursor *c, struct samples *dst, size_t from)
{
    const struct hidden *h = atomic_load_explicit(&c->part->hidden, memory_order_acquire);

    for (; h != NULL; h = h->next) {
        size_t kept = from;

        if (!roaring_bitmap_contains(h->set, c->number)) {
            continue;
        }
        for (size_t i = from; i < dst->n; i++) {
            if (dst->t_ms[i] < h->min_ms || dst->t_ms[i] > h->max_ms) {
                dst->t_ms[kept] = dst->t_ms[i];
                dst->v[kept++] = dst->v[i];
            }
        }
        dst->n = kept;
    }
}

static int read_chunks(const struct part_cursor *c, int64_t min_ms, int64_t max_ms,
                       struct samples *dst, struct err *reterr)
{
    struct part *p = (struct part *)(uintptr_t)c->part; /* only the hot block changes */
    struct chunk_walk w = walk_of(c);
    struct open_block open = {.number = UINT32_MAX};
    const size_t base = dst->n; /* what other parts gave lies before */
    int rc = 0;

    if (c->max_ms < min_ms || c->min_ms > max_ms) {
        return 0;
    }
    if (c->blob) {
        return bad(p, "not a series of samples", reterr);
    }
    for (uint32_t i = 0; rc == 0 && i < c->chunks_n; i++) {
        struct chunk_times_info info = {0};
        struct chunk_at at;
        struct str column;
        struct str bytes;

        if (!next_chunk(&w, false, &at) || !get_column(p, at.times, &column) ||
            chunk_times_peek(column, &info) < 0) {
            rc = bad(p, "malformed list of chunks", reterr);
            continue;
        }
        if (info.last_ms < min_ms || info.first_ms > max_ms) {
            continue;
        }
        rc = chunk_bytes(p, &at, &open, &bytes, reterr);
        rc = rc == 0 ? append_chunk(p, column, &info, bytes, min_ms, base, dst, reterr) : rc;
    }
    hot_unref(open.hot);
    return rc;
}

int part_read(const struct part_cursor *c, int64_t min_ms, int64_t max_ms, struct samples *dst,
              struct err *reterr)
{
    size_t from = dst->n;
    int rc = read_chunks(c, min_ms, max_ms, dst, reterr);

    if (rc == 0 && part_hides(c->part)) {
        drop_hidden(c, dst, from);
    }
    return rc;
}

int part_read_blob(const struct part_cursor *c, int (*fn)(void *arg, struct str bytes), void *arg,
                   struct err *reterr)
{
    struct part *p = (struct part *)(uintptr_t)c->part; /* only the hot block changes */
    struct chunk_walk w = walk_of(c);
    struct open_block open = {.number = UINT32_MAX};
    struct chunk_at at;
    struct str bytes;
    int rc;

    if (!c->blob || c->chunks_n != 1 || !next_chunk(&w, true, &at)) {
        return bad(p, "not a series of one chunk", reterr);
    }
    rc = chunk_bytes(p, &at, &open, &bytes, reterr);
    if (rc == 0) {
        rc = fn(arg, bytes);
        rc = rc == -ERR_CORRUPT ? bad(p, "malformed roll-up", reterr) : rc;
    }
    hot_unref(open.hot);
    return rc;
}
