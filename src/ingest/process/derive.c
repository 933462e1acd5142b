/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields out of the text of a log record: by expression, from JSON or logfmt, and the ids of trace and span however
 * loggers write them. An attribute that is there already is not replaced.
 */
#include "base/err.h"
#include "codec/json_read.h"
#include "ingest/process/detect_internal.h"
#include "ingest/process/row.h"

enum { JSON_DEPTH = 32, VALUE_MAX = 64 << 10 };

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool to_id(struct str s, uint8_t *dst, size_t n)
{
    char low[2 * TRACE_ID_SIZE];
    uint8_t id[TRACE_ID_SIZE];
    uint8_t any = 0;

    if (s.n != 2 * n) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        low[i] = lower_of(s.p[i]);
    }
    if (!hex_decode(str_of(low, s.n), id, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        any |= id[i];
    }
    if (any != 0) {
        memcpy(dst, id, n);
    }
    return any != 0;
}

/* @return 1 when the row changed */
static int put(struct run *r, struct log_record *row, struct str name, struct value value)
{
    enum severity_level level;
    struct attr *v;

    if (value.type == VALUE_STR && str_eq(name, STR("trace_id")) &&
        trace_id_is_zero(row->trace_id)) {
        if (to_id(value.u.s, row->trace_id.b, TRACE_ID_SIZE)) {
            return 1;
        }
    } else if (value.type == VALUE_STR && str_eq(name, STR("span_id")) &&
               span_id_is_zero(row->span_id)) {
        if (to_id(value.u.s, row->span_id.b, SPAN_ID_SIZE)) {
            return 1;
        }
    } else if (value.type == VALUE_STR && str_eq(name, STR("severity"))) {
        char low[16];
        size_t n = value.u.s.n < sizeof(low) ? value.u.s.n : sizeof(low);

        for (size_t i = 0; i < n; i++) {
            low[i] = lower_of(value.u.s.p[i]);
        }
        if (row->severity == 0 && severity_level_parse(str_of(low, n), &level) &&
            level != SEVERITY_UNSET) {
            row->severity = (uint8_t)((level - 1) * 4 + 1);
            return 1;
        }
        return 0;
    }
    if (attrs_get(row->attrs, name) != NULL) {
        return 0;
    }
    v = attrs_copy(r->arena, row->attrs, 1);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    v[row->attrs.n] = (struct attr){name, value};
    row->attrs = (struct attrs){v, row->attrs.n + 1};
    return 1;
}

static int put_str(struct run *r, struct log_record *row, struct str name, struct str s)
{
    return s.n == 0 || s.n > VALUE_MAX
               ? 0
               : put(r, row, name, (struct value){.type = VALUE_STR, .u.s = s});
}

static int by_regex(struct run *r, const struct derive_rule *d, struct str text,
                    struct log_record *row)
{
    struct pattern_span spans[PATTERN_GROUPS_MAX];
    int n = 0;

    if (pattern_find(d->pattern, text, 0, spans) <= 0) {
        return 0;
    }
    for (size_t i = 0; i < d->fields_n; i++) {
        int g = pattern_group_index(d->pattern, d->fields[i].from);
        int rc;

        if (g < 0 || spans[g].start == SIZE_MAX || spans[g].end <= spans[g].start) {
            continue;
        }
        rc = put_str(r, row, d->fields[i].to,
                     str_of(text.p + spans[g].start, spans[g].end - spans[g].start));
        if (rc < 0) {
            return rc;
        }
        n += rc;
    }
    return n;
}

/* The scalar at a path "a.b.c" below the reader's object. A key may hold dots itself: the longest beginning of the path
 * that is a key is gone into. @return 1 found, 0 not, negative: not JSON */
static int json_at(struct json_reader *j, struct str path, struct run *r, struct value *ret)
{
    struct str key;
    int rc = json_enter(j, NULL);

    while (rc >= 0 && (rc = json_next_member(j, &key, NULL)) > 0) {
        bool all = str_eq(path, key);
        bool below = path.n > key.n && str_starts(path, key) && path.p[key.n] == '.';
        struct str text;
        int type = json_peek(j, NULL);

        if (below && type == JSON_OBJECT) {
            rc = json_at(j, str_drop(path, key.n + 1), r, ret);
            if (rc != 0) {
                return rc;
            }
            continue;
        }
        if (!all || type < 0 || type == JSON_OBJECT || type == JSON_ARRAY || type == JSON_NULL) {
            rc = type < 0 ? type : json_skip(j, NULL);
            continue;
        }
        if (type == JSON_BOOL) {
            ret->type = VALUE_BOOL;
            return json_read_bool(j, &ret->u.b, NULL) < 0 ? -ERR_INVALID : 1;
        }
        rc = type == JSON_STRING ? json_read_str(j, &text, NULL) : json_read_number(j, &text, NULL);
        if (rc < 0 || text.n > VALUE_MAX) {
            return rc < 0 ? rc : 0;
        }
        if (type == JSON_NUMBER && str_to_i64(text, &ret->u.i)) {
            ret->type = VALUE_I64;
            return 1;
        }
        ret->type = VALUE_STR;
        ret->u.s = arena_str_dup(r->arena, text);
        return ret->u.s.p != NULL ? 1 : 0;
    }
    return rc < 0 ? rc : 0;
}

static int map_at(const struct value *v, struct str path, struct value *ret)
{
    for (size_t i = 0; i < v->u.map.n; i++) {
        const struct attr *a = &v->u.map.v[i];

        if (str_eq(a->key, path) && a->value.type != VALUE_MAP && a->value.type != VALUE_ARRAY &&
            a->value.type != VALUE_NONE) {
            *ret = a->value;
            return 1;
        }
        if (a->value.type == VALUE_MAP && path.n > a->key.n && str_starts(path, a->key) &&
            path.p[a->key.n] == '.') {
            int rc = map_at(&a->value, str_drop(path, a->key.n + 1), ret);

            if (rc != 0) {
                return rc;
            }
        }
    }
    return 0;
}

static int by_json(struct run *r, const struct derive_rule *d, struct log_record *row)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    int n = 0;

    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; i < d->fields_n; i++) {
        struct value v = {0};
        int rc = 0;

        if (row->body.type == VALUE_MAP) {
            rc = map_at(&row->body, d->fields[i].from, &v);
        } else {
            struct str text = str_trim(row->body.u.s);
            struct json_reader j;

            if (row->body.type != VALUE_STR || text.n < 2 || text.p[0] != '{') {
                return 0;
            }
            json_read_init(&j, text, JSON_DEPTH, &scratch);
            rc = json_at(&j, d->fields[i].from, r, &v);
            if (rc < 0) {
                return n; /* not JSON after all */
            }
        }
        rc = rc > 0 ? put(r, row, d->fields[i].to, v) : 0;
        if (rc < 0) {
            return rc;
        }
        n += rc;
    }
    return n;
}

/* The next key=value. @return false at the end */
static bool next_pair(struct str *rest, struct str *ret_key, struct str *ret_value)
{
    while (rest->n != 0) {
        size_t i = 0;
        size_t end;

        while (i < rest->n && (unsigned char)rest->p[i] <= ' ') {
            i++;
        }
        *rest = str_drop(*rest, i);
        i = 0;
        while (i < rest->n && (unsigned char)rest->p[i] > ' ' && rest->p[i] != '=' &&
               rest->p[i] != '"') {
            i++;
        }
        if (i == 0 || i >= rest->n || rest->p[i] != '=') {
            *rest = str_drop(*rest, i + 1);
            continue;
        }
        *ret_key = str_take(*rest, i++);
        if (i < rest->n && rest->p[i] == '"') {
            end = ++i;
            while (end < rest->n && rest->p[end] != '"') {
                end += rest->p[end] == '\\' ? 2 : 1;
            }
            end = end < rest->n ? end : rest->n;
        } else {
            end = i;
            while (end < rest->n && (unsigned char)rest->p[end] > ' ') {
                end++;
            }
        }
        *ret_value = str_of(rest->p + i, end > i ? end - i : 0);
        *rest = str_drop(*rest, end + 1);
        return true;
    }
    return false;
}

static int by_logfmt(struct run *r, const struct derive_rule *d, struct str text,
                     struct log_record *row)
{
    struct str key;
    struct str value;
    int n = 0;

    while (next_pair(&text, &key, &value)) {
        for (size_t i = 0; i < d->fields_n; i++) {
            if (str_eq(key, d->fields[i].from)) {
                int rc = put_str(r, row, d->fields[i].to, value);

                if (rc < 0) {
                    return rc;
                }
                n += rc;
            }
        }
    }
    return n;
}

/* ---- ids of traces ---- */

/* The id behind a name that ends at i: "_id", "Id", "-id", ".id" or nothing, signs, then 2n hex digits. */
static struct str id_after(struct str text, size_t i, size_t digits)
{
    size_t signs = 0;
    size_t n = 0;

    if (i < text.n && (text.p[i] == '_' || text.p[i] == '-' || text.p[i] == '.')) {
        i++;
    }
    if (i + 1 < text.n && lower_of(text.p[i]) == 'i' && lower_of(text.p[i + 1]) == 'd') {
        i += 2;
    }
    while (i < text.n && signs < 6 && strchr(" :=\"'\\[(", text.p[i]) != NULL &&
           text.p[i] != '\0') {
        i++;
        signs++;
    }
    while (i + n < text.n && n <= digits && is_hex(text.p[i + n])) {
        n++;
    }
    return str_of(text.p + i, signs != 0 && n == digits ? n : 0);
}

/* W3C Trace Context: 00-<trace>-<parent>-<flags> behind "traceparent". */
static bool from_traceparent(struct str rest, struct log_record *row)
{
    size_t i = 0;

    while (i < rest.n && i < 6 && strchr(" :=\"'\\", rest.p[i]) != NULL && rest.p[i] != '\0') {
        i++;
    }
    rest = str_drop(rest, i);
    if (rest.n < 55 || rest.p[2] != '-' || rest.p[35] != '-' || rest.p[52] != '-' ||
        !to_id(str_of(rest.p + 3, 32), row->trace_id.b, TRACE_ID_SIZE)) {
        return false;
    }
    if (span_id_is_zero(row->span_id)) {
        ignore_result(to_id(str_of(rest.p + 36, 16), row->span_id.b, SPAN_ID_SIZE),
                      "the trace is what counts");
    }
    return true;
}

/* Every place of a word in any case of its first letter; `rest` of it is lower case. */
static size_t find_word(struct str text, size_t from, const char *rest, char first)
{
    size_t n = strlen(rest);

    while (from < text.n) {
        const char *hit = memmem(text.p + from, text.n - from, rest, n);
        size_t at;

        if (hit == NULL) {
            return SIZE_MAX;
        }
        at = (size_t)(hit - text.p);
        if (at > 0 && lower_of(text.p[at - 1]) == first) {
            return at + n;
        }
        from = at + n;
    }
    return SIZE_MAX;
}

static int by_trace_id(struct str text, struct log_record *row)
{
    size_t at = 0;
    int n = 0;

    while (trace_id_is_zero(row->trace_id)) {
        at = find_word(text, at, "race", 't');
        if (at == SIZE_MAX) {
            return n;
        }
        if (str_starts(str_drop(text, at), STR("parent"))) {
            n += from_traceparent(str_drop(text, at + 6), row);
        } else {
            n += to_id(id_after(text, at, 2 * TRACE_ID_SIZE), row->trace_id.b, TRACE_ID_SIZE);
        }
    }
    at = 0;
    while (span_id_is_zero(row->span_id)) {
        at = find_word(text, at, "pan", 's');
        if (at == SIZE_MAX) {
            return n;
        }
        n += to_id(id_after(text, at, 2 * SPAN_ID_SIZE), row->span_id.b, SPAN_ID_SIZE);
    }
    return n;
}

static int ids_of_attrs(struct log_record *row)
{
    static const struct str TRACE[] = {
        {"trace_id", 8}, {"traceId", 7}, {"traceid", 7}, {"trace.id", 8}, {"TraceId", 7}};
    static const struct str SPAN[] = {
        {"span_id", 7}, {"spanId", 6}, {"spanid", 6}, {"span.id", 7}, {"SpanId", 6}};
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(TRACE); i++) {
        if (trace_id_is_zero(row->trace_id)) {
            n += to_id(attrs_get_str(row->attrs, TRACE[i]), row->trace_id.b, TRACE_ID_SIZE);
        }
        if (span_id_is_zero(row->span_id)) {
            n += to_id(attrs_get_str(row->attrs, SPAN[i]), row->span_id.b, SPAN_ID_SIZE);
        }
    }
    return n;
}

static int derive_one(struct run *r, const struct derive_rule *d, struct log_record *row)
{
    struct str text = row->body.type == VALUE_STR ? row->body.u.s : str_of("", 0);
    int n;

    switch (d->source) {
    case DERIVE_REGEX:
        return by_regex(r, d, text, row);
    case DERIVE_JSON:
        return by_json(r, d, row);
    case DERIVE_LOGFMT:
        return by_logfmt(r, d, text, row);
    default:
        if (!trace_id_is_zero(row->trace_id)) {
            return 0;
        }
        n = ids_of_attrs(row);
        return n + by_trace_id(text, row);
    }
}

int run_derive(struct run *r, struct log_record *l)
{
    for (size_t i = 0; i < r->p->derives_n; i++) {
        const struct derive_rule *d = &r->p->derives[i];
        const struct row row = {.signal = SIGNAL_LOGS,
                                .attrs = l->attrs,
                                .resource = l->resource,
                                .scope = l->scope,
                                .body = &l->body,
                                .severity = l->severity};
        int n = when_passes(&d->when, &row) ? derive_one(r, d, l) : 0;

        if (n < 0) {
            return n;
        }
        if (n > 0) {
            run_count(r, d->id, (size_t)n);
        }
    }
    return 0;
}
