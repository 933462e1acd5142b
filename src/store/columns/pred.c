/* SPDX-License-Identifier: Apache-2.0
 *
 * Scalar semantics of filters: the definition every other evaluation is tested against.
 */
#include "store/columns/pred.h"

#include <math.h>

enum { TEXT_MAX = 64 << 20 };

static const struct {
    const char *name;
    enum intrinsic in;
    bool spans;
    bool logs;
} INTRINSICS[] = {
    {"name", INTRINSIC_NAME, true, false},
    {"service", INTRINSIC_SERVICE, true, true},
    {"status", INTRINSIC_STATUS, true, false},
    {"kind", INTRINSIC_KIND, true, false},
    {"duration_ns", INTRINSIC_DURATION, true, false},
    {"status_message", INTRINSIC_STATUS_MESSAGE, true, false},
    {"trace_id", INTRINSIC_TRACE_ID, true, true},
    {"span_id", INTRINSIC_SPAN_ID, true, true},
    {"parent_id", INTRINSIC_PARENT_ID, true, false},
    {"trace_state", INTRINSIC_TRACE_STATE, true, false},
    {"scope_name", INTRINSIC_SCOPE_NAME, true, true},
    {"body", INTRINSIC_BODY, false, true},
    {"severity_number", INTRINSIC_SEVERITY_NUMBER, false, true},
    {"severity_text", INTRINSIC_SEVERITY_TEXT, false, true},
    {"event_name", INTRINSIC_EVENT_NAME, false, true},
    {"pattern_id", INTRINSIC_PATTERN, false, true},
};

enum intrinsic intrinsic_of(enum columns_kind kind, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(INTRINSICS); i++) {
        if ((kind == COLUMNS_SPANS ? INTRINSICS[i].spans : INTRINSICS[i].logs) &&
            str_eq(name, str_cstr(INTRINSICS[i].name))) {
            return INTRINSICS[i].in;
        }
    }
    return INTRINSIC_NONE;
}

static int compare_i64_f64(int64_t a, double b)
{
    int64_t whole;

    if (isnan(b)) {
        return 2;
    }
    if (b >= 9223372036854775808.0) {
        return -1;
    }
    if (b < -9223372036854775808.0) {
        return 1;
    }
    whole = (int64_t)b; /* exact: truncation of a double in range */
    if (a != whole) {
        return a < whole ? -1 : 1;
    }
    b -= (double)whole;
    return b > 0 ? -1 : b < 0 ? 1 : 0;
}

int value_compare_numbers(const struct value *a, const struct value *b)
{
    if (!value_is_number(a) || !value_is_number(b)) {
        return 2;
    }
    if (a->type == VALUE_I64 && b->type == VALUE_I64) {
        return (a->u.i > b->u.i) - (a->u.i < b->u.i);
    }
    if (a->type == VALUE_I64) {
        return compare_i64_f64(a->u.i, b->u.f);
    }
    if (b->type == VALUE_I64) {
        int c = compare_i64_f64(b->u.i, a->u.f);

        return c == 2 ? 2 : -c;
    }
    if (isnan(a->u.f) || isnan(b->u.f)) {
        return 2;
    }
    return (a->u.f > b->u.f) - (a->u.f < b->u.f);
}

static bool equal_values(const struct value *v, const struct value *w, struct buf *scratch)
{
    struct str a;
    bool same;

    if (value_is_number(v) && value_is_number(w)) {
        return value_compare_numbers(v, w) == 0;
    }
    a = value_text(v, scratch);
    if (scratch->failed) {
        return false;
    }
    if (w->type == VALUE_STR) {
        return str_eq(a, w->u.s);
    }
    {
        struct buf other;

        buf_init(&other, TEXT_MAX);
        same = str_eq(a, value_text(w, &other)) && !other.failed;
        buf_done(&other);
    }
    return same;
}

bool pred_value(const struct filter *p, const struct value *v, struct buf *scratch)
{
    int c;
    struct str text;

    switch (p->op) {
    case PRED_EXISTS:
        return true;
    case PRED_EQ:
    case PRED_NE:
        return equal_values(v, &p->value, scratch);
    case PRED_LT:
    case PRED_LE:
    case PRED_GT:
    case PRED_GE:
        c = value_compare_numbers(v, &p->value);
        if (c == 2) {
            return false;
        }
        return p->op == PRED_LT   ? c < 0
               : p->op == PRED_LE ? c <= 0
               : p->op == PRED_GT ? c > 0
                                  : c >= 0;
    case PRED_RE:
    case PRED_NRE:
        text = value_text(v, scratch);
        return !scratch->failed && matcher_matches(p->regex, text);
    case PRED_SEARCH_RE:
        text = value_text(v, scratch);
        return !scratch->failed && search_found(p->search, text);
    case PRED_IS_ARRAY:
        return v->type == VALUE_ARRAY;
    case PRED_CONTAINS:
    case PRED_CONTAINS_CS:
    case PRED_WORD:
        break;
    }
    if (p->value.type != VALUE_STR) {
        return false;
    }
    text = value_text(v, scratch);
    if (scratch->failed) {
        return false;
    }
    if (p->op == PRED_CONTAINS_CS) {
        return str_find(text, p->value.u.s) >= 0;
    }
    return p->op == PRED_CONTAINS ? text_contains(text, p->value.u.s)
                                  : text_has_word(text, p->value.u.s);
}

bool attrs_field(struct attrs as, struct str name, struct value *ret)
{
    const struct value *v = attrs_get(as, name);

    if (v == NULL) {
        return false;
    }
    *ret = *v;
    return true;
}

static bool text_field(struct str s, struct value *ret)
{
    *ret = (struct value){.type = VALUE_STR, .u.s = s};
    return s.n != 0;
}

static bool id_field(const uint8_t *id, size_t n, struct value *ret, char hex[PRED_HEX_SIZE])
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) {
        any |= id[i];
    }
    if (any == 0) {
        return false;
    }
    hex_encode(id, n, hex);
    *ret = (struct value){.type = VALUE_STR, .u.s = str_of(hex, 2 * n)};
    return true;
}

/* What spans and logs have in common: everything but their own intrinsics. */
static bool common_field(const struct field *f, enum intrinsic in, struct attrs own,
                         const struct resource *resource, const struct scope *scope,
                         struct value *ret)
{
    switch (f->scope) {
    case FIELD_ATTR:
        return attrs_field(own, f->name, ret);
    case FIELD_RESOURCE:
        return attrs_field(resource->attrs, f->name, ret);
    case FIELD_SCOPE:
        return attrs_field(scope->attrs, f->name, ret);
    case FIELD_ANY:
        return attrs_field(own, f->name, ret) || attrs_field(resource->attrs, f->name, ret);
    case FIELD_INTRINSIC:
        break;
    }
    if (in == INTRINSIC_SERVICE) {
        return attrs_field(resource->attrs, STR("service.name"), ret);
    }
    return in == INTRINSIC_SCOPE_NAME && text_field(scope->name, ret);
}

bool span_field(const struct span *s, const struct field *f, enum intrinsic in, struct value *ret,
                char hex[PRED_HEX_SIZE])
{
    switch (f->scope == FIELD_INTRINSIC ? in : INTRINSIC_NONE) {
    case INTRINSIC_NAME:
        return text_field(s->name, ret);
    case INTRINSIC_STATUS:
        return text_field(str_cstr(span_status_name(s->status)), ret);
    case INTRINSIC_KIND:
        return text_field(str_cstr(span_kind_name(s->kind)), ret);
    case INTRINSIC_DURATION:
        *ret = (struct value){.type = VALUE_I64,
                              .u.i = (int64_t)((uint64_t)s->end_ns - (uint64_t)s->start_ns)};
        return true;
    case INTRINSIC_STATUS_MESSAGE:
        return text_field(s->status_message, ret);
    case INTRINSIC_TRACE_ID:
        return id_field(s->trace_id.b, TRACE_ID_SIZE, ret, hex);
    case INTRINSIC_SPAN_ID:
        return id_field(s->span_id.b, SPAN_ID_SIZE, ret, hex);
    case INTRINSIC_PARENT_ID:
        return id_field(s->parent_id.b, SPAN_ID_SIZE, ret, hex);
    case INTRINSIC_TRACE_STATE:
        return text_field(s->trace_state, ret);
    default:
        return common_field(f, in, s->attrs, s->resource, s->scope, ret);
    }
}

bool log_field_value(const struct log_record *r, const struct field *f, enum intrinsic in,
                     struct value *ret, char hex[PRED_HEX_SIZE])
{
    uint8_t pattern[PATTERN_ID_SIZE];

    switch (f->scope == FIELD_INTRINSIC ? in : INTRINSIC_NONE) {
    case INTRINSIC_PATTERN:
        pattern_id_bytes(r->pattern, pattern);
        return id_field(pattern, PATTERN_ID_SIZE, ret, hex);
    case INTRINSIC_BODY:
        *ret = r->body;
        return r->body.type != VALUE_NONE;
    case INTRINSIC_SEVERITY_NUMBER:
        *ret = (struct value){.type = VALUE_I64, .u.i = r->severity};
        return true;
    case INTRINSIC_SEVERITY_TEXT:
        return text_field(r->severity_text, ret);
    case INTRINSIC_EVENT_NAME:
        return text_field(r->event_name, ret);
    case INTRINSIC_TRACE_ID:
        return id_field(r->trace_id.b, TRACE_ID_SIZE, ret, hex);
    case INTRINSIC_SPAN_ID:
        return id_field(r->span_id.b, SPAN_ID_SIZE, ret, hex);
    default:
        return common_field(f, in, r->attrs, r->resource, r->scope, ret);
    }
}

bool row_field(const struct row_ref *row, const struct field *f, struct value *ret,
               char hex[PRED_HEX_SIZE])
{
    enum columns_kind kind = row->span != NULL ? COLUMNS_SPANS : COLUMNS_LOGS;
    enum intrinsic in = f->scope == FIELD_INTRINSIC ? intrinsic_of(kind, f->name) : INTRINSIC_NONE;

    return row->span != NULL ? span_field(row->span, f, in, ret, hex)
                             : log_field_value(row->log, f, in, ret, hex);
}

bool filter_matches_row(const struct filter *f, const struct row_ref *row, struct buf *scratch)
{
    struct value v;
    char hex[PRED_HEX_SIZE];
    bool hit;

    if (f == NULL) {
        return true;
    }
    switch (f->type) {
    case FILTER_TRUE:
        return true;
    case FILTER_AND:
        for (size_t i = 0; i < f->kids_n; i++) {
            if (!filter_matches_row(f->kids[i], row, scratch)) {
                return false;
            }
        }
        return true;
    case FILTER_OR:
        for (size_t i = 0; i < f->kids_n; i++) {
            if (filter_matches_row(f->kids[i], row, scratch)) {
                return true;
            }
        }
        return false;
    case FILTER_NOT:
        return !filter_matches_row(f->kids[0], row, scratch);
    case FILTER_PRED:
        break;
    }
    hit = row_field(row, &f->field, &v, hex) && pred_value(f, &v, scratch);
    return hit != pred_is_negative(f->op);
}

bool filter_matches_span(const struct filter *f, const struct span *row)
{
    struct buf scratch;
    bool hit;

    buf_init(&scratch, TEXT_MAX);
    hit = filter_matches_row(f, &(struct row_ref){.span = row}, &scratch);
    buf_done(&scratch);
    return hit;
}

bool filter_matches_log(const struct filter *f, const struct log_record *row)
{
    struct buf scratch;
    bool hit;

    buf_init(&scratch, TEXT_MAX);
    hit = filter_matches_row(f, &(struct row_ref){.log = row}, &scratch);
    buf_done(&scratch);
    return hit;
}
