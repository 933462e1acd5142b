/* SPDX-License-Identifier: Apache-2.0
 *
 * Gathering rows into columns. Attribute names are found by where they stood in the row before, then by
 * hash; the order of a row's attributes is kept as its shape, and most rows of a stream share one.
 */
#include "store/columns/block_build.h"

#include "base/err.h"
#include "base/hash.h"
#include "store/columns/block_build_internal.h"
#include "store/columns/rowcodec.h"

enum { HEAP_MAX = 1 << 30 };

struct block_builder *block_builder_new(int level, bool borrow)
{
    struct block_builder *b = mem_try_calloc(1, sizeof(*b));

    if (b == NULL) {
        return NULL;
    }
    b->level = level;
    b->borrow = borrow;
    b->zstd = ZSTD_createCCtx();
    arena_init(&b->heap, HEAP_MAX);
    buf_init(&b->tmp, HEAP_MAX);
    buf_init(&b->raw, HEAP_MAX);
    buf_init(&b->dir, HEAP_MAX);
    buf_init(&b->payload, HEAP_MAX);
    if (b->zstd == NULL) {
        block_builder_free(b);
        return NULL;
    }
    return b;
}

void block_builder_free(struct block_builder *b)
{
    if (b == NULL) {
        return;
    }
    ZSTD_freeCCtx(b->zstd);
    arena_done(&b->heap);
    buf_done(&b->tmp);
    buf_done(&b->raw);
    buf_done(&b->dir);
    buf_done(&b->payload);
    for (size_t i = 0; i < COL_INTS_END; i++) {
        vec_done(&b->ints[i]);
    }
    for (size_t i = 0; i < COL_STRS_END - COL_TRACE_ID; i++) {
        vec_done(&b->strs[i]);
    }
    for (size_t i = 0; i < b->dyns.cap; i++) {
        vec_done(&b->dyns.v[i].cells);
    }
    vec_done(&b->dyns);
    vec_done(&b->body);
    vec_done(&b->shape_items);
    vec_done(&b->shapes);
    mem_free(b->dyn_slots);
    mem_free(b->shape_slots);
    strs_encoder_done(&b->enc);
    bloom_builder_done(&b->bloom);
    vec_done(&b->tmp_strs);
    vec_done(&b->tmp_ints);
    vec_done(&b->tmp_scratch);
    mem_free(b);
}

size_t block_rows(const struct block_builder *b)
{
    return b->rows_n;
}

size_t block_raw_bytes(const struct block_builder *b)
{
    return b->raw_bytes;
}

void block_builder_clear(struct block_builder *b)
{
    arena_reset(&b->heap);
    for (size_t i = 0; i < COL_INTS_END; i++) {
        vec_clear(&b->ints[i]);
    }
    for (size_t i = 0; i < COL_STRS_END - COL_TRACE_ID; i++) {
        vec_clear(&b->strs[i]);
    }
    for (size_t i = 0; i < b->dyns.n; i++) {
        vec_clear(&b->dyns.v[i].cells);
    }
    vec_clear(&b->dyns);
    vec_clear(&b->body);
    vec_clear(&b->shape_items);
    vec_clear(&b->shapes);
    if (b->dyn_slots != NULL) {
        memset(b->dyn_slots, 0, b->dyn_slots_n * sizeof(*b->dyn_slots));
    }
    if (b->shape_slots != NULL) {
        memset(b->shape_slots, 0, b->shape_slots_n * sizeof(*b->shape_slots));
    }
    b->last_shape = 0;
    b->rows_n = 0;
    b->raw_bytes = 0;
    b->failed = false;
}

struct str block_builder_keep(struct block_builder *b, struct str s)
{
    struct str kept = s.n != 0 ? arena_str_dup(&b->heap, s) : str_of(NULL, 0);

    if (s.n != 0 && kept.p == NULL) {
        b->failed = true;
        return str_of(NULL, 0);
    }
    return kept;
}

/* A text of a row. */
static struct str row_text(struct block_builder *b, struct str s)
{
    b->raw_bytes += s.n;
    return b->borrow ? s : block_builder_keep(b, s);
}

static void put_int(struct block_builder *b, enum col_id id, int64_t v)
{
    if (!vec_push(&b->ints[id], v)) {
        b->failed = true;
    }
}

static void push_str(struct block_builder *b, enum col_id id, struct str s)
{
    if (!vec_push(&b->strs[id - COL_TRACE_ID], s)) {
        b->failed = true;
    }
}

static void put_str(struct block_builder *b, enum col_id id, struct str s)
{
    push_str(b, id, row_text(b, s));
}

/* Ids lie in the row itself, which goes at once. */
static void put_id(struct block_builder *b, enum col_id id, const uint8_t *p, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) {
        any |= p[i];
    }
    b->raw_bytes += n;
    push_str(b, id, any != 0 ? block_builder_keep(b, str_of((const char *)p, n)) : str_of(NULL, 0));
}

static void put_pattern(struct block_builder *b, uint64_t pattern)
{
    uint8_t be[PATTERN_ID_SIZE];

    pattern_id_bytes(pattern, be);
    put_id(b, COL_PATTERN, be, sizeof(be));
}

/* A value as a cell: scalars in place, text where it lies, structures encoded. */
static struct cell make_cell(struct block_builder *b, const struct value *v)
{
    struct cell c = {.row = (uint32_t)b->rows_n, .type = (uint8_t)v->type};
    struct str s;

    switch (v->type) {
    case VALUE_STR:
        s = row_text(b, v->u.s);
        c.len = (uint32_t)s.n;
        c.bits = (uintptr_t)s.p;
        break;
    case VALUE_BOOL:
        c.bits = v->u.b;
        b->raw_bytes += 1;
        break;
    case VALUE_I64:
        c.bits = (uint64_t)v->u.i;
        b->raw_bytes += 4;
        break;
    case VALUE_F64:
        memcpy(&c.bits, &v->u.f, sizeof(c.bits));
        b->raw_bytes += 8;
        break;
    default:
        buf_clear(&b->tmp);
        if (!value_encode(v, &b->tmp) || b->tmp.failed) {
            b->failed = true; /* nesting cannot be: the rows came from the row codec */
        }
        s = block_builder_keep(b, buf_str(&b->tmp));
        c.bits = (uintptr_t)s.p;
        c.len = (uint32_t)s.n;
        b->raw_bytes += s.n;
    }
    return c;
}

static bool dyn_slots_grow(struct block_builder *b)
{
    size_t n = b->dyn_slots_n != 0 ? b->dyn_slots_n * 2 : 256;
    uint32_t *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < b->dyns.n; i++) {
        size_t at = b->dyns.v[i].hash & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(b->dyn_slots);
    b->dyn_slots = slots;
    b->dyn_slots_n = n;
    return true;
}

static bool dyn_push(struct block_builder *b, struct str name, uint64_t hash)
{
    size_t cap = b->dyns.cap;
    struct dyn *d;

    if (!vec_reserve(&b->dyns, 1)) {
        return false;
    }
    if (b->dyns.cap >
        cap) { /* slots beyond n keep their cells' memory for reuse: zero the new ones */
        memset(b->dyns.v + cap, 0, (b->dyns.cap - cap) * sizeof(*b->dyns.v));
    }
    d = &b->dyns.v[b->dyns.n++];
    vec_clear(&d->cells);
    d->hash = hash;
    d->name = row_text(b, name);
    d->last_row = UINT32_MAX;
    return !b->failed;
}

/* The column of an attribute; UINT32_MAX when there is no memory. */
static uint32_t dyn_find(struct block_builder *b, struct str name, uint32_t hint)
{
    uint64_t hash;
    size_t at;

    if (hint < b->dyns.n && str_eq(b->dyns.v[hint].name, name)) {
        return hint;
    }
    if ((b->dyns.n + 1) * 2 > b->dyn_slots_n && !dyn_slots_grow(b)) {
        return UINT32_MAX;
    }
    hash = hash64(name.p, name.n);
    at = hash & (b->dyn_slots_n - 1);
    for (; b->dyn_slots[at] != 0; at = (at + 1) & (b->dyn_slots_n - 1)) {
        const struct dyn *d = &b->dyns.v[b->dyn_slots[at] - 1];

        if (d->hash == hash && str_eq(d->name, name)) {
            return b->dyn_slots[at] - 1;
        }
    }
    if (!dyn_push(b, name, hash)) {
        return UINT32_MAX;
    }
    b->dyn_slots[at] = (uint32_t)b->dyns.n;
    return (uint32_t)b->dyns.n - 1;
}

static bool shape_slots_grow(struct block_builder *b)
{
    size_t n = b->shape_slots_n != 0 ? b->shape_slots_n * 2 : 64;
    uint32_t *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < b->shapes.n; i++) {
        size_t at = b->shapes.v[i].hash & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(b->shape_slots);
    b->shape_slots = slots;
    b->shape_slots_n = n;
    return true;
}

static bool shape_is(const struct block_builder *b, const struct shape *s, const uint32_t *items,
                     size_t n)
{
    return s->n == n &&
           (n == 0 || memcmp(&b->shape_items.v[s->at], items, n * sizeof(*items)) == 0);
}

/* The items at the end of shape_items are this row's: find them as a known shape or keep them. */
static bool shape_take(struct block_builder *b, size_t at, uint32_t *ret)
{
    size_t n = b->shape_items.n - at;
    const uint32_t *items = n != 0 ? b->shape_items.v + at : NULL;
    struct shape s = {.at = (uint32_t)at, .n = (uint32_t)n};
    size_t slot;

    if (b->last_shape < b->shapes.n && shape_is(b, &b->shapes.v[b->last_shape], items, n)) {
        b->shape_items.n = at;
        *ret = b->last_shape;
        return true;
    }
    if ((b->shapes.n + 1) * 2 > b->shape_slots_n && !shape_slots_grow(b)) {
        return false;
    }
    s.hash = n != 0 ? hash64(items, n * sizeof(*items)) : 0;
    slot = s.hash & (b->shape_slots_n - 1);
    for (; b->shape_slots[slot] != 0; slot = (slot + 1) & (b->shape_slots_n - 1)) {
        if (shape_is(b, &b->shapes.v[b->shape_slots[slot] - 1], items, n)) {
            b->shape_items.n = at;
            *ret = b->shape_slots[slot] - 1;
            return true;
        }
    }
    if (!vec_push(&b->shapes, s)) {
        return false;
    }
    b->shape_slots[slot] = (uint32_t)b->shapes.n;
    *ret = (uint32_t)b->shapes.n - 1;
    return true;
}

static void put_attrs(struct block_builder *b, struct attrs as)
{
    size_t at = b->shape_items.n;
    struct shape last =
        b->last_shape < b->shapes.n ? b->shapes.v[b->last_shape] : (struct shape){0};
    uint32_t shape = 0;

    for (size_t i = 0; i < as.n && !b->failed; i++) {
        uint32_t hint = i < last.n ? b->shape_items.v[last.at + i] : UINT32_MAX;
        uint32_t d = dyn_find(b, as.v[i].key, hint);
        struct cell c;

        if (d == UINT32_MAX) {
            b->failed = true;
            return;
        }
        if (b->dyns.v[d].last_row == b->rows_n) {
            continue; /* keys are unique; of equal ones the first counts */
        }
        b->dyns.v[d].last_row = (uint32_t)b->rows_n;
        c = make_cell(b, &as.v[i].value);
        if (!vec_push(&b->dyns.v[d].cells, c) || !vec_push(&b->shape_items, d)) {
            b->failed = true;
        }
    }
    if (!b->failed && shape_take(b, at, &shape)) {
        b->last_shape = shape;
        put_int(b, COL_SHAPE, shape);
    } else {
        b->failed = true;
    }
}

static int row_end(struct block_builder *b)
{
    if (b->failed) {
        return -ERR_NOMEM;
    }
    b->rows_n++;
    return 0;
}

static void put_head(struct block_builder *b, int64_t time_ns, int64_t arrival_ns, uint64_t id,
                     uint32_t resource, uint32_t scope)
{
    put_int(b, COL_TIME, time_ns);
    put_int(b, COL_ID, (int64_t)id);
    put_int(b, COL_ARRIVAL, (int64_t)((uint64_t)arrival_ns - (uint64_t)time_ns));
    put_int(b, COL_RESOURCE, resource);
    put_int(b, COL_SCOPE, scope);
    b->raw_bytes += 48;
}

/* What was encoded into b->tmp. */
static void put_blob(struct block_builder *b, enum col_id id, bool encoded)
{
    b->failed = b->failed || !encoded || b->tmp.failed;
    b->raw_bytes += b->tmp.n;
    push_str(b, id, block_builder_keep(b, buf_str(&b->tmp)));
}

int block_add_span(struct block_builder *b, const struct span *s, uint64_t id, uint32_t resource,
                   uint32_t scope)
{
    put_head(b, s->start_ns, s->arrival_ns, id, resource, scope);
    put_int(b, COL_DURATION, (int64_t)((uint64_t)s->end_ns - (uint64_t)s->start_ns));
    put_int(b, COL_KIND, s->kind);
    put_int(b, COL_STATUS, s->status);
    put_int(b, COL_FLAGS, s->flags);
    put_int(b, COL_DROPPED_ATTRS, s->dropped_attrs);
    put_int(b, COL_DROPPED_EVENTS, s->dropped_events);
    put_int(b, COL_DROPPED_LINKS, s->dropped_links);
    put_id(b, COL_TRACE_ID, s->trace_id.b, TRACE_ID_SIZE);
    put_id(b, COL_SPAN_ID, s->span_id.b, SPAN_ID_SIZE);
    put_id(b, COL_PARENT_ID, s->parent_id.b, SPAN_ID_SIZE);
    put_str(b, COL_NAME, s->name);
    put_str(b, COL_STATUS_MESSAGE, s->status_message);
    put_str(b, COL_TRACE_STATE, s->trace_state);
    buf_clear(&b->tmp);
    put_blob(b, COL_EVENTS, s->events_n == 0 || events_encode(s, &b->tmp));
    buf_clear(&b->tmp);
    put_blob(b, COL_LINKS, s->links_n == 0 || links_encode(s, &b->tmp));
    put_attrs(b, s->attrs);
    return row_end(b);
}

int block_add_log(struct block_builder *b, const struct log_record *l, uint64_t id,
                  uint32_t resource, uint32_t scope)
{
    struct cell body;

    put_head(b, l->time_ns, l->arrival_ns, id, resource, scope);
    put_int(b, COL_SEVERITY, l->severity);
    put_int(b, COL_FLAGS, l->flags);
    put_int(b, COL_DROPPED_ATTRS, l->dropped_attrs);
    put_int(b, COL_OBSERVED,
            l->observed_ns != 0 ? (int64_t)((uint64_t)l->observed_ns - (uint64_t)l->time_ns)
                                : INT64_MIN);
    put_id(b, COL_TRACE_ID, l->trace_id.b, TRACE_ID_SIZE);
    put_id(b, COL_SPAN_ID, l->span_id.b, SPAN_ID_SIZE);
    put_pattern(b, l->pattern);
    put_str(b, COL_SEVERITY_TEXT, l->severity_text);
    put_str(b, COL_EVENT_NAME, l->event_name);
    body = make_cell(b, &l->body);
    if (!vec_push(&b->body, body)) {
        b->failed = true;
    }
    put_attrs(b, l->attrs);
    return row_end(b);
}
