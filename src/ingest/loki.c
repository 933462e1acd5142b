/* SPDX-License-Identifier: Apache-2.0
 *
 * The two encodings of a push request fill the same batch of records, which is appended at once. Nothing of a
 * request that cannot be decoded is stored.
 */
#include "ingest/loki.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "codec/json_read.h"
#include "codec/pb.h"
#include "codec/utf8.h"
#include "ingest/log_sink.h"

enum { JSON_DEPTH = 16, SHOWN_LABELS = 160 };

static const struct scope NO_SCOPE;

struct push {
    struct sink *sink;
    const struct loki_request *req;
    struct arena *a;
    struct loki_result *out;
    struct err *reterr;
    VEC(struct log_record) records;
    VEC(struct str) streams; /* labels as text, by record */
    struct log_tally tally;
    /* the stream at hand */
    const struct resource *resource;
    struct str labels;
    uint8_t severity;
    VEC(struct attr) attrs; /* scratch */
};

static int no_memory(struct push *p)
{
    return err_set(p->reterr, ERR_NOMEM, "no memory for the request");
}

static void reject(struct push *p, enum ingest_reject reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static void reject(struct push *p, enum ingest_reject reason, const char *fmt, ...)
{
    va_list args;

    p->tally.rejected[reason]++;
    p->out->rejected++;
    if (p->out->why[0] == '\0') {
        va_start(args, fmt);
        vsnprintf(p->out->why, sizeof(p->out->why), fmt, args);
        va_end(args);
    }
}

static int clean(struct push *p, struct str raw, struct str *ret)
{
    size_t bad = 0;

    if (utf8_clean(raw, p->a, ret, &bad) < 0) {
        return no_memory(p);
    }
    p->tally.altered[ALTER_UTF8] += bad != 0;
    return 0;
}

/* ---- labels as text ---- */

static void skip_space(struct str *s)
{
    while (s->n != 0 && (s->p[0] == ' ' || s->p[0] == '\t' || s->p[0] == '\n' || s->p[0] == '\r')) {
        *s = str_drop(*s, 1);
    }
}

static int bad_labels(struct str text, struct str rest, const char *what, struct err *reterr)
{
    return err_set(reterr, ERR_INVALID, "error parsing labels '%.*s': 1:%zu: parse error: %s",
                   STR_ARG(utf8_cut(text, 120)), text.n - rest.n + 1, what);
}

/* A quoted value with Go's simple escapes; \u and \x are rare and kept as they stand. */
static int take_value(struct str *rest, struct arena *a, struct str *ret)
{
    char quote = rest->n != 0 ? rest->p[0] : '\0';
    size_t at = 1;
    size_t n = 0;
    char *dst;

    if (quote != '"' && quote != '`' && quote != '\'') {
        return -ERR_INVALID;
    }
    dst = arena_alloc(a, rest->n, 1);
    if (dst == NULL) {
        return -ERR_NOMEM;
    }
    for (; at < rest->n && rest->p[at] != quote; at++) {
        static const char FROM[] = "nrt\\\"'";
        static const char TO[] = "\n\r\t\\\"'";
        const char *escape = NULL;

        if (rest->p[at] == '\\' && quote != '`' && at + 1 < rest->n) {
            escape = memchr(FROM, rest->p[at + 1], sizeof(FROM) - 1);
        }
        at += escape != NULL;
        dst[n++] = escape != NULL ? TO[escape - FROM] : rest->p[at];
    }
    if (at >= rest->n) {
        return -ERR_INVALID;
    }
    *rest = str_drop(*rest, at + 1);
    *ret = str_of(dst, n);
    return 0;
}

static struct str take_name(struct str *rest)
{
    size_t n = 0;

    while (n < rest->n &&
           ((rest->p[n] >= 'a' && rest->p[n] <= 'z') || (rest->p[n] >= 'A' && rest->p[n] <= 'Z') ||
            rest->p[n] == '_' || (n != 0 && rest->p[n] >= '0' && rest->p[n] <= '9'))) {
        n++;
    }
    struct str name = str_take(*rest, n);

    *rest = str_drop(*rest, n);
    return name;
}

int loki_labels(struct str text, struct arena *arena, struct label **ret, size_t *ret_n,
                struct err *reterr)
{
    struct str rest = text;
    struct label *v = arena_array(arena, struct label, text.n / 3 + 1); /* a="" */
    size_t n = 0;

    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    skip_space(&rest);
    if (rest.n == 0 || rest.p[0] != '{') {
        return bad_labels(text, rest, "unexpected input, expected \"{\"", reterr);
    }
    rest = str_drop(rest, 1);
    for (skip_space(&rest); rest.n != 0 && rest.p[0] != '}'; skip_space(&rest)) {
        struct label l;
        int rc;

        l.name = take_name(&rest);
        skip_space(&rest);
        if (l.name.n == 0 || rest.n == 0 || rest.p[0] != '=') {
            return bad_labels(text, rest, "expected label name and \"=\"", reterr);
        }
        rest = str_drop(rest, 1);
        skip_space(&rest);
        rc = take_value(&rest, arena, &l.value);
        if (rc < 0) {
            return bad_labels(text, rest, "expected label value in quotes", reterr);
        }
        v[n++] = l;
        skip_space(&rest);
        if (rest.n != 0 && rest.p[0] == ',') {
            rest = str_drop(rest, 1);
        } else if (rest.n == 0 || rest.p[0] != '}') {
            return bad_labels(text, rest, "expected \",\" or \"}\"", reterr);
        }
    }
    if (rest.n == 0) {
        return bad_labels(text, rest, "unexpected end of input", reterr);
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

/* ---- severity ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct str word_at(struct str s)
{
    size_t n = 0;

    while (n < s.n && is_letter(s.p[n])) {
        n++;
    }
    return str_take(s, n);
}

/* Does the word name what a severity is said with? */
static bool is_key(struct str word)
{
    return str_eq_nocase(word, STR("level")) || str_eq_nocase(word, STR("lvl")) ||
           str_eq_nocase(word, STR("severity")) || str_eq_nocase(word, STR("loglevel"));
}

uint8_t loki_line_severity(struct str line)
{
    enum { LOOKED_AT = 512 };

    uint8_t by_word = 0;
    struct str s = str_take(line, LOOKED_AT);

    while (s.n != 0) {
        struct str word = word_at(s);
        struct str rest;
        bool key;

        if (word.n == 0) {
            s = str_drop(s, 1);
            continue;
        }
        key = is_key(word);
        rest = str_drop(s, word.n);
        s = rest;
        if (key) { /* level=warn, "level": "warn" */
            bool assigned = false;

            while (rest.n != 0 && strchr("\": =", rest.p[0]) != NULL && rest.p[0] != '\0') {
                assigned = assigned || rest.p[0] == '=' || rest.p[0] == ':';
                rest = str_drop(rest, 1);
            }
            if (assigned && ingest_severity(word_at(rest)) != 0) {
                return ingest_severity(word_at(rest));
            }
        } else if (by_word == 0 && word.n >= 3) {
            by_word = ingest_severity(word);
        }
    }
    return by_word;
}

/* ---- streams ---- */

/* Loki's default list for finding the name of a service. */
static struct str service_of(const struct label *v, size_t n)
{
    static const struct str NAMES[] = {
        {"service_name", 12},
        {"service", 7},
        {"app", 3},
        {"application", 11},
        {"app_name", 8},
        {"name", 4},
        {"app_kubernetes_io_name", 22},
        {"container", 9},
        {"container_name", 14},
        {"k8s_container_name", 18},
        {"component", 9},
        {"workload", 8},
        {"job", 3},
        {"k8s_job_name", 12},
    };

    for (size_t k = 0; k < ARRAY_LEN(NAMES); k++) {
        for (size_t i = 0; i < n; i++) {
            if (str_eq(v[i].name, NAMES[k]) && v[i].value.n != 0) {
                return v[i].value;
            }
        }
    }
    return str_of("", 0);
}

/* One attribute of the resource or the record; false: refused. */
static bool fits(const struct push *p, const struct label *l)
{
    return l->name.n != 0 && l->name.n <= p->sink->limits.max_attr_key_bytes;
}

static int begin_stream(struct push *p, const struct label *v, size_t n)
{
    struct resource *r = arena_calloc(p->a, 1, sizeof(*r));
    struct attr *attrs = arena_array(p->a, struct attr, n + 1);
    struct str service = service_of(v, n);
    struct buf text;
    size_t kept = 0;

    if (r == NULL || attrs == NULL) {
        return no_memory(p);
    }
    p->severity = 0;
    buf_init(&text, 1 << 20);
    buf_add_byte(&text, '{');
    for (size_t i = 0; i < n; i++) {
        struct label l = v[i];

        buf_printf(&text, "%s%.*s=\"%.*s\"", i != 0 ? ", " : "", STR_ARG(l.name), STR_ARG(l.value));
        if (!fits(p, &l) || l.value.n == 0 || str_eq(l.name, STR("service_name")) ||
            kept >= p->sink->limits.max_attrs) {
            continue;
        }
        if (str_eq(l.name, STR("level")) || str_eq(l.name, STR("severity")) ||
            str_eq(l.name, STR("detected_level"))) {
            p->severity = ingest_severity(l.value);
        }
        attrs[kept++] = (struct attr){l.name, {.type = VALUE_STR, .u.s = l.value}};
    }
    buf_add_byte(&text, '}');
    if (service.n != 0) {
        attrs[kept++] = (struct attr){STR("service.name"), {.type = VALUE_STR, .u.s = service}};
    }
    r->attrs = (struct attrs){attrs, kept};
    p->resource = r;
    p->labels = arena_str_dup(p->a, utf8_cut(buf_str(&text), SHOWN_LABELS));
    buf_done(&text);
    return p->labels.p == NULL ? no_memory(p) : 0;
}

/* ---- entries ---- */

static bool is_low_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) {
            return false;
        }
    }
    return true;
}

/* Metadata that has a field of its own; only in the form it will be given back in. */
static bool take_field(struct log_record *r, const struct label *l)
{
    if (str_eq(l->name, STR("trace_id")) && l->value.n == 2 * (size_t)TRACE_ID_SIZE &&
        is_low_hex(l->value)) {
        return hex_decode(l->value, r->trace_id.b, TRACE_ID_SIZE);
    }
    if (str_eq(l->name, STR("span_id")) && l->value.n == 2 * (size_t)SPAN_ID_SIZE &&
        is_low_hex(l->value)) {
        return hex_decode(l->value, r->span_id.b, SPAN_ID_SIZE);
    }
    if (str_eq(l->name, STR("severity_text"))) {
        r->severity_text = l->value;
        r->severity = r->severity != 0 ? r->severity : ingest_severity(l->value);
        return true;
    }
    if (str_eq(l->name, STR("detected_level")) && ingest_severity(l->value) != 0) {
        r->severity = ingest_severity(l->value);
        return true;
    }
    if (str_eq(l->name, STR("level")) || str_eq(l->name, STR("severity"))) {
        r->severity = r->severity != 0 ? r->severity : ingest_severity(l->value);
    }
    return false;
}

static int add_metadata(struct push *p, struct log_record *r, struct label l)
{
    int rc = clean(p, l.name, &l.name);

    rc = rc < 0 ? rc : clean(p, l.value, &l.value);
    if (rc < 0 || take_field(r, &l)) {
        return rc;
    }
    if (!fits(p, &l) || p->attrs.n == p->sink->limits.max_attrs) {
        p->tally.altered[ALTER_ATTRS]++;
        r->dropped_attrs++;
        return 0;
    }
    for (size_t i = 0; i < p->attrs.n; i++) {
        if (str_eq(p->attrs.v[i].key, l.name)) {
            p->attrs.v[i].value.u.s = l.value;
            return 0;
        }
    }
    if (l.value.n > p->sink->limits.max_attr_value_bytes) {
        l.value = utf8_cut(l.value, p->sink->limits.max_attr_value_bytes);
        p->tally.altered[ALTER_VALUE_CUT]++;
    }
    return vec_push(&p->attrs, (struct attr){l.name, {.type = VALUE_STR, .u.s = l.value}})
               ? 0
               : no_memory(p);
}

static int finish_entry(struct push *p, struct log_record *r, struct str line)
{
    struct attr *attrs;
    struct str text;
    int rc = clean(p, line, &text);

    if (rc < 0) {
        return rc;
    }
    if (text.n > p->sink->limits.max_body_bytes) {
        text = utf8_cut(text, p->sink->limits.max_body_bytes);
        p->tally.altered[ALTER_BODY_CUT]++;
    }
    r->body = (struct value){.type = VALUE_STR, .u.s = text};
    r->severity = r->severity != 0   ? r->severity
                  : p->severity != 0 ? p->severity
                                     : loki_line_severity(text);
    r->resource = p->resource;
    r->scope = &NO_SCOPE;
    r->arrival_ns = p->req->arrival_ns;
    r->observed_ns = p->req->arrival_ns;
    attrs = arena_array(p->a, struct attr, p->attrs.n + 1);
    if (attrs == NULL) {
        return no_memory(p);
    }
    if (p->attrs.v != NULL && p->attrs.n != 0) {
        memcpy(attrs, p->attrs.v, p->attrs.n * sizeof(*attrs));
    }
    r->attrs = (struct attrs){attrs, p->attrs.n};
    return vec_push(&p->records, *r) && vec_push(&p->streams, p->labels) ? 0 : no_memory(p);
}

static bool has_labels(struct push *p)
{
    if (p->resource == NULL || p->resource->attrs.n == 0) {
        reject(p, REJECT_LABELS, "error at least one label pair is required per stream");
        return false;
    }
    return true;
}

/* ---- protobuf ---- */

static int pb_pair(struct pb msg, struct label *ret, struct err *reterr)
{
    struct pb_field f;
    int rc;

    *ret = (struct label){0};
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            ret->name = f.s;
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            ret->value = f.s;
        }
    }
    return rc;
}

static int pb_time(struct pb msg, int64_t *ret_ns, struct err *reterr)
{
    int64_t seconds = 0;
    int64_t nanos = 0;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            seconds = (int64_t)f.u;
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            nanos = (int32_t)f.u;
        }
    }
    if (rc == 0 && (__builtin_mul_overflow(seconds, 1000000000, ret_ns) ||
                    __builtin_add_overflow(*ret_ns, nanos, ret_ns))) {
        *ret_ns = INT64_MAX;
    }
    return rc;
}

static int pb_entry(struct push *p, struct pb msg)
{
    struct log_record r = {0};
    struct str line = {0};
    struct pb_field f;
    int rc;

    vec_clear(&p->attrs);
    while ((rc = pb_next(&msg, &f, p->reterr)) > 0) {
        struct label l;

        if (f.tag == PB_TAG(1, PB_LEN)) {
            rc = pb_time(pb_sub(&msg, f.s), &r.time_ns, p->reterr);
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            line = f.s;
        } else if (f.tag == PB_TAG(3, PB_LEN)) {
            rc = pb_pair(pb_sub(&msg, f.s), &l, p->reterr);
            rc = rc < 0 ? rc : add_metadata(p, &r, l);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc < 0 ? rc : finish_entry(p, &r, line);
}

/* Labels first wherever they stand, then the entries. */
static int pb_stream(struct push *p, struct pb msg)
{
    struct pb scan = msg;
    struct label *v = NULL;
    struct str labels = STR("{}");
    struct pb_field f;
    size_t n = 0;
    int rc;

    while ((rc = pb_next(&scan, &f, p->reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            labels = f.s;
        }
    }
    rc = rc < 0 ? rc : clean(p, labels, &labels);
    rc = rc < 0 ? rc : loki_labels(labels, p->a, &v, &n, p->reterr);
    rc = rc < 0 ? rc : begin_stream(p, v, n);
    if (rc < 0 || !has_labels(p)) {
        return rc;
    }
    while ((rc = pb_next(&msg, &f, p->reterr)) > 0) {
        if (f.tag == PB_TAG(2, PB_LEN)) {
            rc = pb_entry(p, pb_sub(&msg, f.s));
            if (rc < 0) {
                return rc;
            }
        }
    }
    return rc;
}

static int decode_pb(struct push *p)
{
    struct pb msg = pb_init(p->req->body);
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, p->reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            rc = pb_stream(p, pb_sub(&msg, f.s));
            if (rc < 0) {
                return rc;
            }
        }
    }
    return rc;
}

/* ---- JSON ---- */

static int json_str(struct push *p, struct json_reader *j, struct str *ret)
{
    struct str s = {0};
    int rc = json_read_str(j, &s, p->reterr);

    *ret = arena_str_dup(p->a, s);
    return rc < 0 ? rc : ret->p == NULL && s.n != 0 ? no_memory(p) : 0;
}

/* {"name": "value"}; numbers and booleans are taken by their text. */
static int json_pairs(struct push *p, struct json_reader *j,
                      int (*fn)(struct push *, void *, struct label), void *arg)
{
    struct str key;
    int rc = json_enter(j, p->reterr);

    while (rc >= 0 && (rc = json_next_member(j, &key, p->reterr)) > 0) {
        struct label l = {arena_str_dup(p->a, key), {0}};
        int type = json_peek(j, p->reterr);
        const char *from = j->p;

        if (type == JSON_STRING) {
            rc = json_str(p, j, &l.value);
        } else if (type == JSON_OBJECT || type == JSON_ARRAY) {
            rc = err_set(p->reterr, ERR_INVALID, "label %.*s: a string is expected",
                         STR_ARG(str_take(l.name, 100)));
        } else {
            rc = type < 0 ? type : json_skip(j, p->reterr);
            l.value = rc == 0 ? str_trim(str_of(from, (size_t)(j->p - from))) : l.value;
        }
        rc = rc < 0 ? rc : fn(p, arg, l);
    }
    return rc;
}

struct label_list {
    VEC(struct label) v;
};

static int add_label(struct push *p, void *arg, struct label l)
{
    struct label_list *list = arg;
    int rc = clean(p, l.value, &l.value);

    if (rc == 0 && !label_name_is_valid(l.name)) {
        return err_set(p->reterr, ERR_INVALID, "\"%.*s\" is not a valid label name",
                       STR_ARG(str_take(l.name, 100)));
    }
    return rc < 0 ? rc : vec_push(&list->v, l) ? 0 : no_memory(p);
}

static int json_labels(struct push *p, struct json_reader *j)
{
    struct label_list list = {0};
    struct label *v;
    int rc = json_pairs(p, j, add_label, &list);

    v = rc < 0 ? NULL : arena_array(p->a, struct label, list.v.n + 1);
    if (rc == 0 && v == NULL) {
        rc = no_memory(p);
    }
    if (rc == 0 && v != NULL) {
        if (list.v.v != NULL && list.v.n != 0) {
            memcpy(v, list.v.v, list.v.n * sizeof(*v));
        }
        rc = begin_stream(p, v, list.v.n);
    }
    vec_done(&list.v);
    return rc;
}

static int add_json_metadata(struct push *p, void *arg, struct label l)
{
    return add_metadata(p, arg, l);
}

/* ["ns", "line", {metadata}] */
static int json_entry(struct push *p, struct json_reader *j)
{
    struct log_record r = {0};
    struct str line = {0};
    int rc = json_enter(j, p->reterr);

    vec_clear(&p->attrs);
    for (size_t i = 0; rc >= 0 && (rc = json_next_element(j, p->reterr)) > 0; i++) {
        struct str text;

        if (i == 0) {
            rc = json_peek(j, p->reterr);
            if (rc >= 0 && rc != JSON_STRING) {
                return err_set(p->reterr, ERR_INVALID,
                               "the timestamp of an entry must be a string of nanoseconds");
            }
            rc = rc < 0 ? rc : json_read_str(j, &text, p->reterr);
            if (rc == 0 && !str_to_i64(text, &r.time_ns)) {
                return err_set(p->reterr, ERR_INVALID, "\"%.*s\" is not a timestamp in nanoseconds",
                               STR_ARG(str_take(text, 60)));
            }
        } else if (i == 1) {
            rc = json_str(p, j, &line);
        } else if (i == 2) {
            rc = json_peek(j, p->reterr);
            if (rc >= 0 && rc != JSON_OBJECT) {
                return err_set(p->reterr, ERR_INVALID, "structured metadata must be an object");
            }
            rc = rc < 0 ? rc : json_pairs(p, j, add_json_metadata, &r);
        } else {
            rc = json_skip(j, p->reterr);
        }
    }
    if (rc == 0 && r.time_ns == 0 && line.p == NULL) {
        return err_set(p->reterr, ERR_INVALID, "an entry needs a timestamp and a line");
    }
    return rc < 0 ? rc : finish_entry(p, &r, line);
}

static int json_values(struct push *p, struct json_reader *j)
{
    bool stored = has_labels(p);
    int rc = json_enter(j, p->reterr);

    while (rc >= 0 && (rc = json_next_element(j, p->reterr)) > 0) {
        rc = stored ? json_entry(p, j) : json_skip(j, p->reterr);
    }
    return rc;
}

/* "stream" must be known before "values": a second round when they stand the other way about. */
static int json_stream(struct push *p, struct json_reader *j)
{
    struct json_reader values = {0};
    bool have_values = false;
    bool labelled = false;
    struct str key;
    int rc = json_enter(j, p->reterr);

    while (rc >= 0 && (rc = json_next_member(j, &key, p->reterr)) > 0) {
        if (str_eq(key, STR("stream"))) {
            rc = json_labels(p, j);
            labelled = true;
        } else if (str_eq(key, STR("values"))) {
            values = *j;
            have_values = !labelled;
            rc = labelled ? json_values(p, j) : json_skip(j, p->reterr);
        } else {
            rc = json_skip(j, p->reterr);
        }
    }
    if (rc == 0 && have_values) {
        rc = labelled ? 0 : begin_stream(p, NULL, 0);
        rc = rc < 0 ? rc : json_values(p, &values);
    }
    return rc;
}

static int decode_json(struct push *p)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader j;
    struct str key;
    int rc;

    buf_init(&scratch, p->sink->limits.max_decompressed_bytes);
    json_read_init(&j, p->req->body, JSON_DEPTH, &scratch);
    rc = json_peek(&j, p->reterr);
    if (rc >= 0 && rc != JSON_OBJECT) {
        return err_set(p->reterr, ERR_INVALID, "a push request is a JSON object");
    }
    rc = rc < 0 ? rc : json_enter(&j, p->reterr);
    while (rc >= 0 && (rc = json_next_member(&j, &key, p->reterr)) > 0) {
        if (!str_eq(key, STR("streams"))) {
            rc = json_skip(&j, p->reterr);
            continue;
        }
        rc = json_enter(&j, p->reterr);
        while (rc >= 0 && (rc = json_next_element(&j, p->reterr)) > 0) {
            rc = json_stream(p, &j);
        }
    }
    return rc < 0 ? rc : json_read_end(&j, p->reterr);
}

/* ---- the whole ---- */

/* The store tells how many it refused; which stream to name follows from the time. */
static void name_refused(struct push *p, bool newest)
{
    char text[CLOCK_RFC3339_SIZE];
    size_t best = 0;

    for (size_t i = 1; i < p->records.n; i++) {
        int64_t t = p->records.v[i].time_ns;

        best =
            (newest ? t > p->records.v[best].time_ns : t < p->records.v[best].time_ns) ? i : best;
    }
    clock_format_rfc3339(p->records.v[best].time_ns / 1000000, text);
    if (p->out->why[0] == '\0') {
        snprintf(p->out->why, sizeof(p->out->why),
                 "entry for stream '%.*s' has timestamp too %s: %s", STR_ARG(p->streams.v[best]),
                 newest ? "new" : "old", text);
    }
}

static int store(struct push *p)
{
    struct log_batch b = {.v = p->records.v, .n = p->records.n, .arena = p->a, .door = "loki"};
    struct columns_commit done = {0};
    int rc;

    if (b.n == 0) {
        return 0;
    }
    rc = log_sink_append(p->sink, &b, &done, p->reterr);
    if (rc < 0) {
        return rc;
    }
    p->out->accepted = done.accepted;
    p->tally.rejected[REJECT_TOO_OLD] += done.rejected[COLUMNS_REJECT_TOO_OLD];
    p->tally.rejected[REJECT_TOO_NEW] += done.rejected[COLUMNS_REJECT_TOO_NEW];
    p->out->rejected +=
        done.rejected[COLUMNS_REJECT_TOO_OLD] + done.rejected[COLUMNS_REJECT_TOO_NEW];
    if (done.rejected[COLUMNS_REJECT_TOO_OLD] != 0) {
        name_refused(p, false);
    }
    if (done.rejected[COLUMNS_REJECT_TOO_NEW] != 0) {
        name_refused(p, true);
    }
    return 0;
}

static void count(struct push *p, int rc)
{
    p->tally.accepted = p->out->accepted;
    p->tally.arrival_ns = p->req->arrival_ns;
    p->tally.newest_ns = INT64_MIN;
    for (size_t i = 0; i < p->records.n; i++) {
        int64_t t = p->records.v[i].time_ns;

        p->tally.newest_ns = t > p->tally.newest_ns ? t : p->tally.newest_ns;
    }
    log_tally_count(p->sink->stats, "loki", &p->tally, rc);
}

int loki_push(struct sink *sink, const struct loki_request *req, struct arena *arena,
              struct loki_result *ret, struct err *reterr)
{
    struct push p = {.sink = sink, .req = req, .a = arena, .out = ret, .reterr = reterr};
    int rc;

    *ret = (struct loki_result){0};
    if (!budget_take(sink->budget, (int64_t)req->body.n)) {
        return err_set(reterr, ERR_OVERLOAD, "too much data is being decoded, try again");
    }
    rc = req->json ? decode_json(&p) : decode_pb(&p);
    rc = rc < 0 ? rc : store(&p);
    count(&p, rc);
    budget_give(sink->budget, (int64_t)req->body.n);
    vec_done(&p.records);
    vec_done(&p.streams);
    vec_done(&p.attrs);
    return rc;
}
