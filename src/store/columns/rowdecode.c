/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading batches back. The payload may be anything: every length and index is checked, and what a row can
 * allocate is bounded by its bytes and by the arena's budget.
 */
#include "base/err.h"
#include "store/columns/rowcodec_internal.h"

int rowcodec_info(struct str payload, struct batch_info *ret, struct err *reterr)
{
    struct batch_info b;
    const char *p = payload.p;

    if (payload.n < ROWCODEC_PREFIX) {
        return err_set(reterr, ERR_CORRUPT, "row batch of %zu bytes is too short", payload.n);
    }
    if (p[0] != ROWCODEC_VERSION && p[0] != ROWCODEC_VERSION_OLD) {
        return err_set(reterr, ERR_UNSUPPORTED, "row batch of version %u, this program knows %d",
                       (unsigned)(uint8_t)p[0], ROWCODEC_VERSION);
    }
    b.kind = p[1] == 0 ? COLUMNS_SPANS : COLUMNS_LOGS;
    memcpy(&b.rows_n, p + 4, 4);
    memcpy(&b.first_id, p + 8, 8);
    memcpy(&b.base_ns, p + 16, 8);
    memcpy(&b.min_ns, p + 24, 8);
    memcpy(&b.max_ns, p + 32, 8);
    memcpy(&b.tables_at, p + 40, 4);
    if ((uint8_t)p[1] > COLUMNS_LOGS || b.tables_at < ROWCODEC_PREFIX || b.tables_at > payload.n ||
        b.rows_n == 0 || b.rows_n > (b.tables_at - ROWCODEC_PREFIX) / 4 || b.min_ns > b.max_ns ||
        b.first_id > UINT64_MAX - b.rows_n) {
        return err_set(reterr, ERR_CORRUPT, "row batch with a broken prefix");
    }
    *ret = b;
    return 0;
}

static int open_resources(struct rd *r, struct arena *a, struct batch *b)
{
    size_t n = rd_count(r, 3);
    struct resource *v = arena_array(a, struct resource, n != 0 ? n : 1);
    uint64_t *streams = arena_array(a, uint64_t, n != 0 ? n : 1);
    struct str *bytes = arena_array(a, struct str, n != 0 ? n : 1);

    if (v == NULL || streams == NULL || bytes == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *start = r->p;
        int rc = resource_decode(r, a, &v[i]);

        if (rc < 0) {
            return rc;
        }
        bytes[i] = str_of((const char *)start, (size_t)(r->p - start));
        streams[i] = stream_key(&v[i], bytes[i]);
    }
    b->resource_bytes = bytes;
    b->resources = v;
    b->streams = streams;
    b->resources_n = n;
    return 0;
}

static int open_scopes(struct rd *r, struct arena *a, struct batch *b)
{
    size_t n = rd_count(r, 5);
    struct scope *v = arena_array(a, struct scope, n != 0 ? n : 1);
    struct str *bytes = arena_array(a, struct str, n != 0 ? n : 1);

    if (v == NULL || bytes == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *start = r->p;
        int rc = scope_decode(r, a, &v[i]);

        if (rc < 0) {
            return rc;
        }
        bytes[i] = str_of((const char *)start, (size_t)(r->p - start));
    }
    b->scope_bytes = bytes;
    b->scopes = v;
    b->scopes_n = n;
    return 0;
}

int rowcodec_open(struct str payload, struct arena *a, struct batch *ret, struct err *reterr)
{
    struct batch b = {.payload = payload};
    struct rd r;
    struct str *keys;
    int rc = rowcodec_info(payload, &b.info, reterr);

    if (rc < 0) {
        return rc;
    }
    r = rd_of(str_drop(payload, b.info.tables_at));
    rc = open_resources(&r, a, &b);
    if (rc == 0) {
        rc = open_scopes(&r, a, &b);
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "tables of a row batch: %s", err_text(rc));
    }
    b.keys_n = rd_count(&r, 1);
    keys = arena_array(a, struct str, b.keys_n != 0 ? b.keys_n : 1);
    if (keys == NULL) {
        return err_set(reterr, ERR_NOMEM, "keys of a row batch");
    }
    for (size_t i = 0; i < b.keys_n; i++) {
        keys[i] = rd_str(&r);
    }
    b.keys = keys;
    if (r.bad || rd_left(&r) != 0) {
        return err_set(reterr, ERR_CORRUPT, "tables of a row batch do not end where it ends");
    }
    *ret = b;
    return 0;
}

int rowcodec_next(const struct batch *b, uint32_t *pos, struct str *ret_row, int64_t *ret_time_ns)
{
    uint32_t left = b->info.tables_at - *pos;
    struct rd r;
    uint32_t n;

    if (left == 0) {
        return 0;
    }
    if (left < 4) {
        return -ERR_CORRUPT;
    }
    memcpy(&n, b->payload.p + *pos, 4);
    if (n > left - 4) {
        return -ERR_CORRUPT;
    }
    *ret_row = str_of(b->payload.p + *pos + 4, n);
    r = rd_of(*ret_row);
    *ret_time_ns = (int64_t)((uint64_t)rd_zigzag(&r) + (uint64_t)b->info.base_ns);
    if (r.bad || *ret_time_ns < b->info.min_ns || *ret_time_ns > b->info.max_ns) {
        return -ERR_CORRUPT;
    }
    *pos += 4 + n;
    return 1;
}

struct row_head {
    int64_t time_ns;
    int64_t arrival_ns;
    const struct resource *resource;
    const struct scope *scope;
};

static int get_head(const struct batch *b, struct rd *r, struct row_head *ret)
{
    uint64_t resource;
    uint64_t scope;

    ret->time_ns = (int64_t)((uint64_t)rd_zigzag(r) + (uint64_t)b->info.base_ns);
    resource = rd_varint(r);
    scope = rd_varint(r);
    ret->arrival_ns = (int64_t)((uint64_t)rd_zigzag(r) + (uint64_t)b->info.base_ns);
    if (r->bad || resource >= b->resources_n || scope >= b->scopes_n) {
        return -ERR_CORRUPT;
    }
    ret->resource = &b->resources[resource];
    ret->scope = &b->scopes[scope];
    return 0;
}

int rowcodec_row_tables(const struct batch *b, struct str row, size_t *ret_resource,
                        size_t *ret_scope)
{
    struct rd r = rd_of(row);
    struct row_head head;
    int rc = get_head(b, &r, &head);

    if (rc == 0) {
        *ret_resource = (size_t)(head.resource - b->resources);
        *ret_scope = (size_t)(head.scope - b->scopes);
    }
    return rc;
}

int rowcodec_row_trace(struct str row, enum columns_kind kind, struct trace_id *ret)
{
    struct rd r = rd_of(row);
    uint64_t has = HAS_TRACE;

    *ret = (struct trace_id){0};
    rd_varint(&r); /* time */
    rd_varint(&r); /* resource */
    rd_varint(&r); /* scope */
    rd_varint(&r); /* arrival */
    if (kind == COLUMNS_LOGS) {
        has = rd_varint(&r);
        rd_u8(&r); /* severity */
    }
    if ((has & HAS_TRACE) != 0) {
        rd_copy(&r, ret->b, TRACE_ID_SIZE);
    }
    return r.bad ? -ERR_CORRUPT : 0;
}

static uint32_t optional_u32(struct rd *r, uint64_t has, unsigned bit)
{
    return (has & bit) != 0 ? rd_u32_varint(r) : 0;
}

static struct str optional_str(struct rd *r, uint64_t has, unsigned bit)
{
    return (has & bit) != 0 ? rd_str(r) : str_of(NULL, 0);
}

static void optional_copy(struct rd *r, uint64_t has, unsigned bit, uint8_t *dst, size_t n)
{
    if ((has & bit) != 0) {
        rd_copy(r, dst, n);
    }
}

int rowcodec_span(const struct batch *b, struct str row, struct arena *a, struct span *ret)
{
    struct key_view keys = {b->keys, b->keys_n};
    struct rd r = rd_of(row);
    struct row_head head;
    uint64_t has;
    int rc = get_head(b, &r, &head);

    if (rc < 0) {
        return rc;
    }
    *ret = (struct span){.start_ns = head.time_ns,
                         .arrival_ns = head.arrival_ns,
                         .resource = head.resource,
                         .scope = head.scope};
    rd_copy(&r, ret->trace_id.b, TRACE_ID_SIZE);
    rd_copy(&r, ret->span_id.b, SPAN_ID_SIZE);
    ret->end_ns = (int64_t)((uint64_t)rd_zigzag(&r) + (uint64_t)ret->start_ns);
    has = rd_varint(&r);
    ret->kind = rd_u8(&r);
    ret->status = rd_u8(&r);
    ret->name = rd_str(&r);
    optional_copy(&r, has, HAS_PARENT, ret->parent_id.b, SPAN_ID_SIZE);
    ret->trace_state = optional_str(&r, has, HAS_TRACE_STATE);
    ret->status_message = optional_str(&r, has, HAS_STATUS_MESSAGE);
    ret->flags = optional_u32(&r, has, HAS_FLAGS);
    ret->dropped_attrs = optional_u32(&r, has, HAS_DROPPED_ATTRS);
    ret->dropped_events = optional_u32(&r, has, HAS_DROPPED_EVENTS);
    ret->dropped_links = optional_u32(&r, has, HAS_DROPPED_LINKS);
    rc = row_get_attrs(&r, a, &keys, &ret->attrs);
    if (rc == 0 && (has & HAS_EVENTS) != 0) {
        rc = row_get_events(&r, a, &keys, ret);
    }
    if (rc == 0 && (has & HAS_LINKS) != 0) {
        rc = row_get_links(&r, a, &keys, ret);
    }
    if (rc < 0) {
        return rc;
    }
    return r.bad || rd_left(&r) != 0 ? -ERR_CORRUPT : 0;
}

int rowcodec_log(const struct batch *b, struct str row, struct arena *a, struct log_record *ret)
{
    struct key_view keys = {b->keys, b->keys_n};
    struct rd r = rd_of(row);
    struct row_head head;
    uint64_t has;
    int rc = get_head(b, &r, &head);

    if (rc < 0) {
        return rc;
    }
    *ret = (struct log_record){.time_ns = head.time_ns,
                               .arrival_ns = head.arrival_ns,
                               .resource = head.resource,
                               .scope = head.scope};
    has = rd_varint(&r);
    ret->severity = rd_u8(&r);
    optional_copy(&r, has, HAS_TRACE, ret->trace_id.b, TRACE_ID_SIZE);
    optional_copy(&r, has, HAS_PARENT, ret->span_id.b, SPAN_ID_SIZE);
    if ((has & HAS_OBSERVED) != 0) {
        ret->observed_ns = (int64_t)((uint64_t)rd_zigzag(&r) + (uint64_t)ret->time_ns);
    }
    ret->severity_text = optional_str(&r, has, HAS_SEVERITY_TEXT);
    ret->event_name = optional_str(&r, has, HAS_EVENT_NAME);
    ret->flags = optional_u32(&r, has, HAS_FLAGS);
    ret->dropped_attrs = optional_u32(&r, has, HAS_DROPPED_ATTRS);
    ret->pattern = (has & HAS_PATTERN) != 0 ? rd_fixed64(&r) : 0;
    rc = row_get_value(&r, a, &keys, &ret->body);
    if (rc == 0) {
        rc = row_get_attrs(&r, a, &keys, &ret->attrs);
    }
    if (rc < 0) {
        return rc;
    }
    return r.bad || rd_left(&r) != 0 ? -ERR_CORRUPT : 0;
}
