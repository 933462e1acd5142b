/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP/JSON rewritten as protobuf while it is read, driven by the schema tables. Unknown members are
 * skipped, null means absent, the last of equal members wins (as for protobuf), errors carry the path of
 * the member. Source: OTLP specification, "JSON Protobuf Encoding"; proto3 JSON mapping.
 */
#include <math.h>

#include "codec/base64.h"
#include "codec/json_read.h"
#include "ingest/otlp_internal.h"
#include "ingest/otlp_schema.h"

enum { JSON_DEPTH_MAX = 100 }; /* protobuf parsers' own nesting limit */

/* Names and indexes from the root to the value being read. */
struct step {
    struct str name;
    size_t index; /* SIZE_MAX: not in an array */
};

struct transcoder {
    struct json_reader r;
    struct buf scratch; /* unescaped strings */
    struct buf *dst;
    struct step path[JSON_DEPTH_MAX + 1];
    size_t depth;
};

static void add_path(const struct transcoder *t, struct buf *dst)
{
    for (size_t i = 0; i < t->depth; i++) {
        if (i != 0) {
            buf_add_byte(dst, '.');
        }
        buf_add_str(dst, t->path[i].name);
        if (t->path[i].index != SIZE_MAX) {
            buf_printf(dst, "[%zu]", t->path[i].index);
        }
    }
}

static int fail(const struct transcoder *t, struct err *reterr, const char *expected)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 4096);
    if (t->depth == 0) {
        buf_add_cstr(&b, "request");
    }
    add_path(t, &b);
    return err_set(reterr, ERR_INVALID, "%.*s: expected %s", STR_ARG(buf_str(&b)), expected);
}

/* The text of a number, bare or in quotes. */
static int number_text(struct transcoder *t, struct str *ret, const char *expected,
                       struct err *reterr)
{
    int type = json_peek(&t->r, reterr);

    if (type == JSON_STRING) {
        return json_read_str(&t->r, ret, reterr);
    }
    if (type == JSON_NUMBER) {
        return json_read_number(&t->r, ret, reterr);
    }
    return type < 0 ? type : fail(t, reterr, expected);
}

/* "1e3" and "5.0" are integers too (proto3 JSON). @return false when it is none or out of range */
static bool to_signed(struct str text, int64_t min, int64_t max, int64_t *ret)
{
    double d;

    if (!str_to_i64(text, ret)) {
        if (!str_to_f64(text, &d) || !(d >= -0x1p63 && d < 0x1p63) || d != trunc(d)) {
            return false;
        }
        *ret = (int64_t)d;
    }
    return *ret >= min && *ret <= max;
}

static bool to_unsigned(struct str text, uint64_t max, uint64_t *ret)
{
    double d;

    if (!str_to_u64(text, ret)) {
        if (!str_to_f64(text, &d) || !(d >= 0 && d < 0x1p64) || d != trunc(d)) {
            return false;
        }
        *ret = (uint64_t)d;
    }
    return *ret <= max;
}

static int put_signed(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    bool is32 = f->type == SCHEMA_SINT32;
    const char *expected = is32 ? "a 32-bit integer" : "a 64-bit integer";
    struct str text;
    int64_t v;
    int rc = number_text(t, &text, expected, reterr);

    if (rc < 0) {
        return rc;
    }
    if (!to_signed(text, is32 ? INT32_MIN : INT64_MIN, is32 ? INT32_MAX : INT64_MAX, &v)) {
        return fail(t, reterr, expected);
    }
    if (is32) {
        pb_put_varint(t->dst, f->num, (uint32_t)zigzag_encode(v));
    } else if (f->type == SCHEMA_SFIXED64) {
        pb_put_fixed64(t->dst, f->num, (uint64_t)v);
    } else {
        pb_put_varint(t->dst, f->num, (uint64_t)v);
    }
    return 0;
}

static int put_unsigned(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    bool is32 = f->type == SCHEMA_FIXED32;
    const char *expected = is32 ? "an unsigned 32-bit integer" : "an unsigned 64-bit integer";
    struct str text;
    uint64_t v;
    int rc = number_text(t, &text, expected, reterr);

    if (rc < 0) {
        return rc;
    }
    if (!to_unsigned(text, is32 ? UINT32_MAX : UINT64_MAX, &v)) {
        return fail(t, reterr, expected);
    }
    if (is32) {
        pb_put_fixed32(t->dst, f->num, (uint32_t)v);
    } else if (f->type == SCHEMA_FIXED64) {
        pb_put_fixed64(t->dst, f->num, v);
    } else {
        pb_put_varint(t->dst, f->num, v);
    }
    return 0;
}

static int put_f64(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    struct str text;
    double v;
    int rc = number_text(t, &text, "a number", reterr);

    if (rc < 0) {
        return rc;
    }
    if (str_eq(text, STR("Infinity"))) {
        v = (double)INFINITY;
    } else if (str_eq(text, STR("-Infinity"))) {
        v = -(double)INFINITY;
    } else if (!str_to_f64(text, &v)) {
        return fail(t, reterr, "a number");
    }
    pb_put_f64(t->dst, f->num, v);
    return 0;
}

static int put_bool(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    bool v = false;
    int rc = json_peek(&t->r, reterr);

    if (rc >= 0 && rc != JSON_BOOL) {
        return fail(t, reterr, "true or false");
    }
    rc = rc < 0 ? rc : json_read_bool(&t->r, &v, reterr);
    if (rc == 0) {
        pb_put_varint(t->dst, f->num, v);
    }
    return rc;
}

static int enum_number(const struct schema_enum *e, struct str text, uint64_t *ret)
{
    struct str prefix = str_cstr(e->prefix);

    if (!str_starts(text, prefix)) {
        return -1;
    }
    text = str_drop(text, prefix.n);
    for (size_t i = 0; e->names[i] != NULL; i++) {
        if (str_eq(text, str_cstr(e->names[i]))) {
            *ret = i;
            return 0;
        }
    }
    return -1;
}

static int put_enum(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    struct str text;
    uint64_t v;
    int rc = number_text(t, &text, "a number or name of the enumeration", reterr);

    if (rc < 0) {
        return rc;
    }
    if (!to_unsigned(text, INT32_MAX, &v) && enum_number(f->enumeration, text, &v) < 0) {
        return fail(t, reterr, "a number or name of the enumeration");
    }
    pb_put_varint(t->dst, f->num, v);
    return 0;
}

static int put_id(struct transcoder *t, const struct schema_field *f, struct str text,
                  struct err *reterr)
{
    size_t n = f->type == SCHEMA_TRACE_ID ? 16 : 8;
    uint8_t bytes[16];

    if (text.n == 0) {
        return 0;
    }
    if (!hex_decode(text, bytes, n)) {
        return fail(t, reterr, n == 16 ? "32 hex digits" : "16 hex digits");
    }
    pb_put_str(t->dst, f->num, str_of((const char *)bytes, n));
    return 0;
}

static int put_base64(struct transcoder *t, const struct schema_field *f, struct str text,
                      struct err *reterr)
{
    struct buf bytes CLEANUP(buf_done) = {0};

    buf_init(&bytes, text.n);
    if (!base64_decode(text, &bytes)) {
        return fail(t, reterr, "base64");
    }
    if (bytes.failed) {
        return err_set(reterr, ERR_NOMEM, "no memory for a JSON string");
    }
    pb_put_str(t->dst, f->num, buf_str(&bytes));
    return 0;
}

static int put_text(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    struct str text;
    int rc = json_peek(&t->r, reterr);

    if (rc >= 0 && rc != JSON_STRING) {
        return fail(t, reterr, "a string");
    }
    rc = rc < 0 ? rc : json_read_str(&t->r, &text, reterr);
    if (rc < 0) {
        return rc;
    }
    switch (f->type) {
    case SCHEMA_TRACE_ID:
    case SCHEMA_SPAN_ID:
        return put_id(t, f, text, reterr);
    case SCHEMA_BYTES:
        return put_base64(t, f, text, reterr);
    default:
        pb_put_str(t->dst, f->num, text);
        return 0;
    }
}

static int put_message(struct transcoder *t, const struct schema_message *m, struct err *reterr);

static int put_value(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    size_t at;
    int rc;

    switch (f->type) {
    case SCHEMA_MESSAGE:
        at = pb_begin(t->dst, f->num);
        rc = put_message(t, f->message, reterr);
        pb_end(t->dst, at);
        return rc;
    case SCHEMA_STRING:
    case SCHEMA_BYTES:
    case SCHEMA_TRACE_ID:
    case SCHEMA_SPAN_ID:
        return put_text(t, f, reterr);
    case SCHEMA_BOOL:
        return put_bool(t, f, reterr);
    case SCHEMA_ENUM:
        return put_enum(t, f, reterr);
    case SCHEMA_VARINT_I64:
    case SCHEMA_SINT32:
    case SCHEMA_SFIXED64:
        return put_signed(t, f, reterr);
    case SCHEMA_VARINT_U64:
    case SCHEMA_FIXED32:
    case SCHEMA_FIXED64:
        return put_unsigned(t, f, reterr);
    case SCHEMA_F64:
        return put_f64(t, f, reterr);
    }
    return fail(t, reterr, "a known type");
}

static int put_array(struct transcoder *t, const struct schema_field *f, struct err *reterr)
{
    struct step *step = &t->path[t->depth - 1];
    int rc = json_peek(&t->r, reterr);

    if (rc >= 0 && rc != JSON_ARRAY) {
        return fail(t, reterr, "an array");
    }
    rc = rc < 0 ? rc : json_enter(&t->r, reterr);
    if (rc < 0) {
        return rc;
    }
    step->index = 0;
    while ((rc = json_next_element(&t->r, reterr)) > 0) {
        rc = put_value(t, f, reterr);
        if (rc < 0) {
            return rc;
        }
        step->index++;
    }
    return rc;
}

static int put_member(struct transcoder *t, const struct schema_message *m, struct str key,
                      struct err *reterr)
{
    const struct schema_field *f = schema_find(m, key);
    int rc = json_peek(&t->r, reterr);

    if (rc < 0) {
        return rc;
    }
    if (f == NULL || rc == JSON_NULL) {
        return json_skip(&t->r, reterr);
    }
    t->path[t->depth++] = (struct step){f->camel, SIZE_MAX};
    rc = f->repeated ? put_array(t, f, reterr) : put_value(t, f, reterr);
    if (rc == 0) {
        t->depth--;
    }
    return rc;
}

/* Recursion is bounded by the reader's depth limit; every level of it is one step of the path. */
static int put_message(struct transcoder *t, const struct schema_message *m, struct err *reterr)
{
    struct str key;
    int rc = json_peek(&t->r, reterr);

    if (rc >= 0 && rc != JSON_OBJECT) {
        return fail(t, reterr, "an object");
    }
    rc = rc < 0 ? rc : json_enter(&t->r, reterr);
    if (rc < 0) {
        return rc;
    }
    while ((rc = json_next_member(&t->r, &key, reterr)) > 0) {
        rc = put_member(t, m, key, reterr);
        if (rc < 0) {
            return rc;
        }
        if (t->dst->failed) {
            return err_set(reterr, ERR_NOMEM, "no memory to decode the request");
        }
    }
    return rc;
}

int otlp_json_to_pb(enum otlp_signal signal, struct str json, struct buf *dst, struct err *reterr)
{
    struct transcoder t;
    struct err e = {0};
    int rc;

    t.dst = dst;
    t.depth = 0;
    buf_init(&t.scratch, json.n + 1);
    json_read_init(&t.r, json, JSON_DEPTH_MAX, &t.scratch);
    rc = put_message(&t, otlp_schema(signal), &e);
    rc = rc < 0 ? rc : json_read_end(&t.r, &e);
    buf_done(&t.scratch);
    if (rc == -ERR_LIMIT) {
        rc = -ERR_INVALID; /* too deep: not decodable, like the rest */
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", e.msg) : 0;
}
