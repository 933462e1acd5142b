/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of rows: prefix, rows, tables. The encoder makes no allocation per row; the tables are deduplicated
 * by pointer (resources, scopes: decoders share them) and by content (keys).
 */
#include "store/columns/rowcodec.h"

#include "base/hash.h"
#include "store/columns/rowcodec_internal.h"
#include "store/columns/text.h"

/* Pointers seen in this batch, each with the index it got. */
struct ptr_table {
    VEC(const void *) list;
    uint32_t *slots; /* index + 1 */
    size_t slots_n;
    const void *last;
    uint32_t last_index;
};

struct encoder {
    struct key_table keys;
    struct ptr_table resources;
    struct ptr_table scopes;
    struct buf *dst;
    int64_t base_ns;
    int64_t min_ns;
    int64_t max_ns;
    uint32_t rows_n;
    bool too_deep;
    bool no_memory;
};

static bool key_table_grow(struct key_table *t)
{
    size_t n = t->slots_n != 0 ? t->slots_n * 2 : 256;
    uint32_t *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->keys.n; i++) {
        size_t at = hash64(t->keys.v[i].p, t->keys.v[i].n) & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(t->slots);
    t->slots = slots;
    t->slots_n = n;
    return true;
}

static bool key_table_find(struct key_table *t, struct str key, uint32_t *ret)
{
    size_t at;

    if ((t->keys.n + 1) * 2 > t->slots_n && !key_table_grow(t)) {
        return false;
    }
    at = hash64(key.p, key.n) & (t->slots_n - 1);
    for (; t->slots[at] != 0; at = (at + 1) & (t->slots_n - 1)) {
        if (str_eq(t->keys.v[t->slots[at] - 1], key)) {
            *ret = t->slots[at] - 1;
            return true;
        }
    }
    if (!vec_push(&t->keys, key)) {
        return false;
    }
    t->slots[at] = (uint32_t)t->keys.n;
    *ret = (uint32_t)t->keys.n - 1;
    return true;
}

bool key_table_put(struct key_table *t, struct buf *dst, struct str key, size_t place)
{
    uint32_t index;

    if (place < KEY_HINTS && t->hint[place] != 0 && str_eq(t->keys.v[t->hint[place] - 1], key)) {
        wr_varint(dst, t->hint[place] - 1);
        return true;
    }
    if (!key_table_find(t, key, &index)) {
        return false;
    }
    if (place < KEY_HINTS) {
        t->hint[place] = index + 1;
    }
    wr_varint(dst, index);
    return true;
}

static bool ptr_table_grow(struct ptr_table *t)
{
    size_t n = t->slots_n != 0 ? t->slots_n * 2 : 16;
    uint32_t *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->list.n; i++) {
        size_t at = hash_u64((uintptr_t)t->list.v[i]) & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(t->slots);
    t->slots = slots;
    t->slots_n = n;
    return true;
}

static bool ptr_table_index(struct ptr_table *t, const void *p, uint32_t *ret)
{
    size_t at;

    if (LIKELY(t->list.n != 0 && t->last == p)) {
        *ret = t->last_index;
        return true;
    }
    if ((t->list.n + 1) * 2 > t->slots_n && !ptr_table_grow(t)) {
        return false;
    }
    at = hash_u64((uintptr_t)p) & (t->slots_n - 1);
    while (t->slots[at] != 0 && t->list.v[t->slots[at] - 1] != p) {
        at = (at + 1) & (t->slots_n - 1);
    }
    if (t->slots[at] == 0) {
        if (!vec_push(&t->list, p)) {
            return false;
        }
        t->slots[at] = (uint32_t)t->list.n;
    }
    t->last = p;
    t->last_index = t->slots[at] - 1;
    *ret = t->last_index;
    return true;
}

static void encoder_done(struct encoder *e)
{
    vec_done(&e->keys.keys);
    mem_free(e->keys.slots);
    vec_done(&e->resources.list);
    mem_free(e->resources.slots);
    vec_done(&e->scopes.list);
    mem_free(e->scopes.slots);
}

/* Everything of a row before its own fields. */
static void put_row_head(struct encoder *e, int64_t time_ns, int64_t arrival_ns,
                         const struct resource *resource, const struct scope *scope)
{
    uint32_t resource_index = 0;
    uint32_t scope_index = 0;

    if (e->rows_n == 0) {
        e->base_ns = e->min_ns = e->max_ns = time_ns;
    }
    e->min_ns = time_ns < e->min_ns ? time_ns : e->min_ns;
    e->max_ns = time_ns > e->max_ns ? time_ns : e->max_ns;
    if (!ptr_table_index(&e->resources, resource, &resource_index) ||
        !ptr_table_index(&e->scopes, scope, &scope_index)) {
        e->no_memory = true;
    }
    wr_zigzag(e->dst, (int64_t)((uint64_t)time_ns - (uint64_t)e->base_ns));
    wr_varint(e->dst, resource_index);
    wr_varint(e->dst, scope_index);
    wr_zigzag(e->dst, (int64_t)((uint64_t)arrival_ns - (uint64_t)e->base_ns));
}

static void put_optional_u32(struct buf *dst, uint32_t v)
{
    if (v != 0) {
        wr_varint(dst, v);
    }
}

static void put_optional_str(struct buf *dst, struct str s)
{
    if (s.n != 0) {
        wr_str(dst, s);
    }
}

static void put_span(struct encoder *e, const struct span *s)
{
    struct buf *dst = e->dst;
    bool parent = !span_id_is_zero(s->parent_id);
    unsigned has = 0;
    bool ok = true;

    has |= parent ? HAS_PARENT : 0u;
    has |= s->trace_state.n != 0 ? HAS_TRACE_STATE : 0u;
    has |= s->status_message.n != 0 ? HAS_STATUS_MESSAGE : 0u;
    has |= s->flags != 0 ? HAS_FLAGS : 0u;
    has |= s->dropped_attrs != 0 ? HAS_DROPPED_ATTRS : 0u;
    has |= s->dropped_events != 0 ? HAS_DROPPED_EVENTS : 0u;
    has |= s->dropped_links != 0 ? HAS_DROPPED_LINKS : 0u;
    has |= s->events_n != 0 ? HAS_EVENTS : 0u;
    has |= s->links_n != 0 ? HAS_LINKS : 0u;
    put_row_head(e, s->start_ns, s->arrival_ns, s->resource, s->scope);
    buf_add(dst, s->trace_id.b, TRACE_ID_SIZE);
    buf_add(dst, s->span_id.b, SPAN_ID_SIZE);
    wr_zigzag(dst, (int64_t)((uint64_t)s->end_ns - (uint64_t)s->start_ns));
    wr_varint(dst, has);
    buf_add_byte(dst, (char)s->kind);
    buf_add_byte(dst, (char)s->status);
    wr_str(dst, s->name);
    if (parent) {
        buf_add(dst, s->parent_id.b, SPAN_ID_SIZE);
    }
    put_optional_str(dst, s->trace_state);
    put_optional_str(dst, s->status_message);
    put_optional_u32(dst, s->flags);
    put_optional_u32(dst, s->dropped_attrs);
    put_optional_u32(dst, s->dropped_events);
    put_optional_u32(dst, s->dropped_links);
    ok = row_put_attrs(dst, s->attrs, &e->keys);
    if (s->events_n != 0) {
        ok = ok && row_put_events(dst, s, &e->keys);
    }
    if (s->links_n != 0) {
        ok = ok && row_put_links(dst, s, &e->keys);
    }
    e->too_deep = e->too_deep || !ok;
}

static void put_log(struct encoder *e, const struct log_record *l)
{
    struct buf *dst = e->dst;
    bool trace = !trace_id_is_zero(l->trace_id);
    bool span = !span_id_is_zero(l->span_id);
    unsigned has = 0;
    bool ok;

    has |= trace ? HAS_TRACE : 0u;
    has |= span ? HAS_PARENT : 0u;
    has |= l->observed_ns != 0 ? HAS_OBSERVED : 0u;
    has |= l->severity_text.n != 0 ? HAS_SEVERITY_TEXT : 0u;
    has |= l->event_name.n != 0 ? HAS_EVENT_NAME : 0u;
    has |= l->flags != 0 ? HAS_FLAGS : 0u;
    has |= l->dropped_attrs != 0 ? HAS_DROPPED_ATTRS : 0u;
    has |= l->pattern != 0 ? HAS_PATTERN : 0u;
    put_row_head(e, l->time_ns, l->arrival_ns, l->resource, l->scope);
    wr_varint(dst, has);
    buf_add_byte(dst, (char)l->severity);
    if (trace) {
        buf_add(dst, l->trace_id.b, TRACE_ID_SIZE);
    }
    if (span) {
        buf_add(dst, l->span_id.b, SPAN_ID_SIZE);
    }
    if (l->observed_ns != 0) {
        wr_zigzag(dst, (int64_t)((uint64_t)l->observed_ns - (uint64_t)l->time_ns));
    }
    put_optional_str(dst, l->severity_text);
    put_optional_str(dst, l->event_name);
    put_optional_u32(dst, l->flags);
    put_optional_u32(dst, l->dropped_attrs);
    if (l->pattern != 0) {
        wr_fixed64(dst, l->pattern);
    }
    ok = row_put_value(dst, &l->body, &e->keys) && row_put_attrs(dst, l->attrs, &e->keys);
    e->too_deep = e->too_deep || !ok;
}

static void put_tables(struct encoder *e)
{
    bool ok = true;

    wr_varint(e->dst, e->resources.list.n);
    for (size_t i = 0; i < e->resources.list.n; i++) {
        ok = ok && resource_encode(e->resources.list.v[i], e->dst);
    }
    wr_varint(e->dst, e->scopes.list.n);
    for (size_t i = 0; i < e->scopes.list.n; i++) {
        ok = ok && scope_encode(e->scopes.list.v[i], e->dst);
    }
    wr_varint(e->dst, e->keys.keys.n);
    for (size_t i = 0; i < e->keys.keys.n; i++) {
        wr_str(e->dst, e->keys.keys.v[i]);
    }
    e->too_deep = e->too_deep || !ok;
}

static void put_prefix(struct encoder *e, enum columns_kind kind, size_t start, size_t tables_at)
{
    char *p = e->dst->data + start;
    const uint32_t rows_n = e->rows_n;
    const uint32_t at = (uint32_t)(tables_at - start);

    memset(p, 0, ROWCODEC_PREFIX);
    p[0] = ROWCODEC_VERSION;
    p[1] = (char)kind;
    memcpy(p + 4, &rows_n, 4);
    memcpy(p + 16, &e->base_ns, 8);
    memcpy(p + 24, &e->min_ns, 8);
    memcpy(p + 32, &e->max_ns, 8);
    memcpy(p + 40, &at, 4);
}

void rowcodec_set_first_id(char *payload, uint64_t first_id)
{
    memcpy(payload + 8, &first_id, 8);
}

static int encode_end(struct encoder *e, enum columns_kind kind, size_t start, struct err *reterr)
{
    size_t tables_at = e->dst->n;

    put_tables(e);
    if (e->too_deep) {
        return err_set(reterr, ERR_INVALID, "a value is nested deeper than %d levels",
                       VALUE_DEPTH_MAX);
    }
    if (e->no_memory) {
        return err_set(reterr, ERR_NOMEM, "no memory for the tables of a batch");
    }
    if (e->dst->failed) {
        int rc = buf_status(e->dst);

        return err_set(reterr, rc < 0 ? (enum err_code) - rc : ERR_NOMEM,
                       "a batch of %u rows does not fit in %zu bytes", e->rows_n, e->dst->max);
    }
    put_prefix(e, kind, start, tables_at);
    return 0;
}

/* A row that may be taken; counts the ones that may not. */
static bool take_row(int64_t t, struct row_limits limits, struct columns_commit *ret)
{
    if (UNLIKELY(t < limits.min_ns)) {
        ret->rejected[COLUMNS_REJECT_TOO_OLD]++;
        return false;
    }
    if (UNLIKELY(t > limits.max_ns)) {
        ret->rejected[COLUMNS_REJECT_TOO_NEW]++;
        return false;
    }
    ret->accepted++;
    return true;
}

/* One of `spans` and `logs` is given. */
static int encode_rows(const struct span *spans, const struct log_record *logs, size_t n,
                       struct row_limits limits, struct buf *dst, struct columns_commit *ret,
                       struct err *reterr)
{
    enum columns_kind kind = spans != NULL ? COLUMNS_SPANS : COLUMNS_LOGS;
    struct encoder e = {.dst = dst};
    struct columns_commit commit = {0};
    size_t start = dst->n;
    int rc = 0;

    if (buf_reserve(dst, ROWCODEC_PREFIX) != NULL) {
        dst->n += ROWCODEC_PREFIX;
    }
    for (size_t i = 0; i < n && !dst->failed && !e.too_deep && !e.no_memory; i++) {
        size_t at = dst->n;
        uint32_t len;

        if (!take_row(spans != NULL ? spans[i].start_ns : logs[i].time_ns, limits, &commit)) {
            continue;
        }
        wr_fixed32(dst, 0);
        if (spans != NULL) {
            put_span(&e, &spans[i]);
        } else {
            put_log(&e, &logs[i]);
        }
        if (!dst->failed) {
            len = (uint32_t)(dst->n - at - 4);
            memcpy(dst->data + at, &len, 4);
        }
        e.rows_n++;
    }
    if (e.rows_n != 0 || dst->failed) {
        rc = encode_end(&e, kind, start, reterr);
    } else {
        dst->n = start;
    }
    encoder_done(&e);
    if (rc == 0) {
        *ret = commit;
    }
    return rc;
}

int rowcodec_encode_spans(const struct span *spans, size_t n, struct row_limits limits,
                          struct buf *dst, struct columns_commit *ret, struct err *reterr)
{
    return encode_rows(spans, NULL, n, limits, dst, ret, reterr);
}

int rowcodec_encode_logs(const struct log_record *logs, size_t n, struct row_limits limits,
                         struct buf *dst, struct columns_commit *ret, struct err *reterr)
{
    return encode_rows(NULL, logs, n, limits, dst, ret, reterr);
}
