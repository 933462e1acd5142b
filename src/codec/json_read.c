/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON reader; see json_read.h. A string without escapes is a slice of the text.
 */
#include "codec/json_read.h"

#include "base/err.h"
#include "codec/utf8.h"

void json_read_init(struct json_reader *r, struct str text, unsigned max_depth, struct buf *scratch)
{
    const char *p = text.n != 0 ? text.p : "";

    *r = (struct json_reader){
        .p = p, .end = p + text.n, .base = p, .scratch = scratch, .max_depth = max_depth};
}

static int fail(const struct json_reader *r, const char *expected, struct err *reterr)
{
    if (r->p == r->end) {
        return err_set(reterr, ERR_TRUNCATED, "JSON ends at byte %td, expected %s", r->p - r->base,
                       expected);
    }
    return err_set(reterr, ERR_INVALID, "JSON byte %td: expected %s", r->p - r->base, expected);
}

static void skip_space(struct json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t')) {
        r->p++;
    }
}

static bool take(struct json_reader *r, char c)
{
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

int json_peek(struct json_reader *r, struct err *reterr)
{
    skip_space(r);
    if (r->p == r->end) {
        return fail(r, "a value", reterr);
    }
    switch (*r->p) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return *r->p == '-' || (*r->p >= '0' && *r->p <= '9') ? JSON_NUMBER
                                                              : fail(r, "a value", reterr);
    }
}

int json_enter(struct json_reader *r, struct err *reterr)
{
    skip_space(r);
    if (r->depth >= r->max_depth) {
        return err_set(reterr, ERR_LIMIT, "JSON byte %td: nested deeper than %u", r->p - r->base,
                       r->max_depth);
    }
    if (!take(r, '{') && !take(r, '[')) {
        return fail(r, "an object or array", reterr);
    }
    r->depth++;
    r->first = true;
    return 0;
}

/* The closing bracket, or the comma before what follows. @return 1 more, 0 closed, -ERR_x */
static int next_in(struct json_reader *r, char close, const char *expected, struct err *reterr)
{
    skip_space(r);
    if (take(r, close)) {
        r->depth--;
        r->first = false;
        return 0;
    }
    if (!r->first) {
        if (!take(r, ',')) {
            return fail(r, expected, reterr);
        }
        skip_space(r);
    }
    r->first = false;
    return 1;
}

int json_next_member(struct json_reader *r, struct str *ret_key, struct err *reterr)
{
    int rc = next_in(r, '}', "',' or '}'", reterr);

    if (rc <= 0) {
        return rc;
    }
    rc = json_read_str(r, ret_key, reterr);
    if (rc < 0) {
        return rc;
    }
    skip_space(r);
    return take(r, ':') ? 1 : fail(r, "':'", reterr);
}

int json_next_element(struct json_reader *r, struct err *reterr)
{
    return next_in(r, ']', "',' or ']'", reterr);
}

static int hex4(struct json_reader *r, uint32_t *ret, struct err *reterr)
{
    uint8_t b[2];

    if (r->end - r->p < 4) {
        r->p = r->end;
        return fail(r, "four hex digits", reterr);
    }
    if (!hex_decode(str_of(r->p, 4), b, 2)) {
        return fail(r, "four hex digits", reterr);
    }
    *ret = (uint32_t)b[0] << 8 | b[1];
    r->p += 4;
    return 0;
}

/* After "\u": one code point, from a surrogate pair where there is one. */
static int unicode_escape(struct json_reader *r, struct err *reterr)
{
    char bytes[4];
    uint32_t c = 0;
    int rc = hex4(r, &c, reterr);

    if (rc < 0) {
        return rc;
    }
    if (c >= 0xD800 && c <= 0xDBFF && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
        const char *back = r->p;
        uint32_t low = 0;

        r->p += 2;
        rc = hex4(r, &low, reterr);
        if (rc < 0) {
            return rc;
        }
        if (low >= 0xDC00 && low <= 0xDFFF) {
            c = 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
        } else {
            r->p = back;
        }
    }
    buf_add(r->scratch, bytes, utf8_encode(c, bytes));
    return 0;
}

static int escape(struct json_reader *r, struct err *reterr)
{
    static const char FROM[] = "\"\\/bfnrt";
    static const char TO[] = "\"\\/\b\f\n\r\t";
    const char *hit;

    if (r->p == r->end) {
        return fail(r, "an escape", reterr);
    }
    if (take(r, 'u')) {
        return unicode_escape(r, reterr);
    }
    hit = *r->p != '\0' ? strchr(FROM, *r->p) : NULL;
    if (hit == NULL) {
        return fail(r, "an escape", reterr);
    }
    buf_add_byte(r->scratch, TO[hit - FROM]);
    r->p++;
    return 0;
}

/* The run up to a quote, backslash or control character. */
static struct str plain_run(struct json_reader *r)
{
    const char *from = r->p;

    while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= 0x20) {
        r->p++;
    }
    return str_of(from, (size_t)(r->p - from));
}

int json_read_str(struct json_reader *r, struct str *ret, struct err *reterr)
{
    struct str run;

    skip_space(r);
    if (!take(r, '"')) {
        return fail(r, "a string", reterr);
    }
    run = plain_run(r);
    if (take(r, '"')) {
        *ret = run;
        return 0;
    }
    buf_clear(r->scratch);
    buf_add_str(r->scratch, run);
    while (!take(r, '"')) {
        int rc;

        if (!take(r, '\\')) {
            return fail(r, "the end of the string", reterr);
        }
        rc = escape(r, reterr);
        if (rc < 0) {
            return rc;
        }
        buf_add_str(r->scratch, plain_run(r));
    }
    if (r->scratch->failed) {
        return err_set(reterr, ERR_NOMEM, "no memory for a JSON string");
    }
    *ret = buf_str(r->scratch);
    return 0;
}

static bool digits(struct json_reader *r)
{
    const char *from = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        r->p++;
    }
    return r->p > from;
}

int json_read_number(struct json_reader *r, struct str *ret, struct err *reterr)
{
    const char *from;

    skip_space(r);
    from = r->p;
    take(r, '-');
    if (!take(r, '0') && !digits(r)) {
        return fail(r, "a digit", reterr);
    }
    if (take(r, '.') && !digits(r)) {
        return fail(r, "a digit", reterr);
    }
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+')) {
            take(r, '-');
        }
        if (!digits(r)) {
            return fail(r, "a digit", reterr);
        }
    }
    *ret = str_of(from, (size_t)(r->p - from));
    return 0;
}

static int word(struct json_reader *r, struct str text, struct err *reterr)
{
    if (!str_starts(str_of(r->p, (size_t)(r->end - r->p)), text)) {
        return fail(r, text.p, reterr);
    }
    r->p += text.n;
    return 0;
}

int json_read_bool(struct json_reader *r, bool *ret, struct err *reterr)
{
    bool v;
    int rc;

    skip_space(r);
    v = r->p < r->end && *r->p == 't';
    rc = word(r, v ? STR("true") : STR("false"), reterr);
    if (rc == 0) {
        *ret = v;
    }
    return rc;
}

/* Recursion is bounded by max_depth. */
int json_skip(struct json_reader *r, struct err *reterr)
{
    struct str text;
    bool b;
    int type = json_peek(r, reterr);
    int rc;

    switch (type) {
    case JSON_STRING:
        return json_read_str(r, &text, reterr);
    case JSON_NUMBER:
        return json_read_number(r, &text, reterr);
    case JSON_BOOL:
        return json_read_bool(r, &b, reterr);
    case JSON_NULL:
        return word(r, STR("null"), reterr);
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    default:
        return type;
    }
    rc = json_enter(r, reterr);
    while (rc >= 0) {
        rc =
            type == JSON_OBJECT ? json_next_member(r, &text, reterr) : json_next_element(r, reterr);
        if (rc <= 0) {
            return rc;
        }
        rc = json_skip(r, reterr);
    }
    return rc;
}

int json_read_end(struct json_reader *r, struct err *reterr)
{
    skip_space(r);
    return r->p == r->end ? 0 : fail(r, "the end", reterr);
}
