/* SPDX-License-Identifier: Apache-2.0
 *
 * Template functions that encode and decode: Base64, URLs, HTML, JSON.
 */
#include <stdlib.h>

#include "base/vec.h"
#include "codec/base64.h"
#include "codec/json_read.h"
#include "query/logql/template_internal.h"

enum { JSON_DEPTH = 32 };

static int fn_b64enc(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    (void)n;
    buf_init(&b, TEMPLATE_RESULT_MAX);
    base64_encode(tval_text(x, &args[0]), &b);
    return tval_of_buf(x, &b, ret);
}

static int fn_b64dec(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    (void)n;
    buf_init(&b, TEMPLATE_RESULT_MAX);
    if (!base64_decode(tval_text(x, &args[0]), &b)) {
        *ret = tval_str(STR("illegal base64 data"));
        return 0;
    }
    return tval_of_buf(x, &b, ret);
}

static int fn_urlencode(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    (void)n;
    buf_init(&b, TEMPLATE_RESULT_MAX);
    buf_add_percent(&b, tval_text(x, &args[0]), URL_UNRESERVED " ");
    return tval_of_buf(x, &b, ret);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int fn_urldecode(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = tval_text(x, &args[0]);

    (void)n;
    buf_init(&b, TEMPLATE_RESULT_MAX);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return tfail(x, "error calling urldecode: invalid URL escape");
            }
            buf_add_byte(&b, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_add_byte(&b, s.p[i] == '+' ? ' ' : s.p[i]);
        }
    }
    return tval_of_buf(x, &b, ret);
}

static int fn_html(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = tval_text(x, &args[0]);

    (void)n;
    buf_init(&b, TEMPLATE_RESULT_MAX);
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '"':
            buf_add_cstr(&b, "&#34;");
            break;
        case '\'':
            buf_add_cstr(&b, "&#39;");
            break;
        case '&':
            buf_add_cstr(&b, "&amp;");
            break;
        case '<':
            buf_add_cstr(&b, "&lt;");
            break;
        case '>':
            buf_add_cstr(&b, "&gt;");
            break;
        default:
            buf_add_byte(&b, s.p[i]);
            break;
        }
    }
    return tval_of_buf(x, &b, ret);
}

/* ---- JSON ---- */

struct members {
    VEC(struct tval) values;
    VEC(struct str) keys;
};

static int read_json(struct texec *x, struct json_reader *j, struct tval *ret);

static int sort_members(struct members *m)
{
    for (size_t i = 1; i < m->keys.n; i++) { /* few: by insertion */
        for (size_t k = i; k > 0 && str_cmp(m->keys.v[k - 1], m->keys.v[k]) > 0; k--) {
            struct str key = m->keys.v[k];
            struct tval v = m->values.v[k];

            m->keys.v[k] = m->keys.v[k - 1];
            m->keys.v[k - 1] = key;
            m->values.v[k] = m->values.v[k - 1];
            m->values.v[k - 1] = v;
        }
    }
    return 0;
}

static int read_members(struct texec *x, struct json_reader *j, bool map, struct members *m)
{
    struct str key = {0};
    int rc = json_enter(j, NULL);

    while (rc >= 0 &&
           (rc = map ? json_next_member(j, &key, NULL) : json_next_element(j, NULL)) > 0) {
        struct tval v = {0};

        if (m->values.n == 10000) {
            return -ERR_LIMIT;
        }
        key = map ? lq_row_dup(x->row, key) : key;
        rc = read_json(x, j, &v);
        if (rc == 0 && (!vec_push(&m->values, v) || (map && !vec_push(&m->keys, key)))) {
            return -ERR_NOMEM;
        }
    }
    return map && rc == 0 ? sort_members(m) : rc;
}

static int read_container(struct texec *x, struct json_reader *j, bool map, struct tval *ret)
{
    struct members m = {0};
    int rc = read_members(x, j, map, &m);

    if (rc == 0) {
        struct tval *v = arena_array(x->a, struct tval, m.values.n + 1);
        struct str *keys = arena_array(x->a, struct str, m.keys.n + 1);

        if (v == NULL || keys == NULL) {
            rc = -ERR_NOMEM;
        } else {
            memcpy(v, m.values.n != 0 ? m.values.v : v, m.values.n * sizeof(*v));
            memcpy(keys, m.keys.n != 0 ? m.keys.v : keys, m.keys.n * sizeof(*keys));
            *ret = (struct tval){.type = map ? TV_MAP : TV_LIST};
            ret->u.list.v = v;
            ret->u.list.keys = keys;
            ret->u.list.n = m.values.n;
        }
    }
    vec_done(&m.values);
    vec_done(&m.keys);
    return rc;
}

static int read_json(struct texec *x, struct json_reader *j, struct tval *ret)
{
    int type = json_peek(j, NULL);
    struct str s = {0};
    bool b = false;
    int rc;

    switch (type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return read_container(x, j, type == JSON_OBJECT, ret);
    case JSON_STRING:
        rc = json_read_str(j, &s, NULL);
        *ret = tval_str(lq_row_dup(x->row, s));
        return rc;
    case JSON_NUMBER:
        rc = json_read_number(j, &s, NULL);
        *ret = (struct tval){.type = TV_FLOAT};
        return rc == 0 && !str_to_f64(s, &ret->u.f) ? -ERR_INVALID : rc;
    case JSON_BOOL:
        rc = json_read_bool(j, &b, NULL);
        *ret = (struct tval){.type = TV_BOOL, .u.b = b};
        return rc;
    case JSON_NULL:
        *ret = (struct tval){.type = TV_NIL};
        return json_skip(j, NULL);
    default:
        return type;
    }
}

static int fn_from_json(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct json_reader j;

    (void)n;
    buf_init(&b, TEMPLATE_RESULT_MAX);
    json_read_init(&j, tval_text(x, &args[0]), JSON_DEPTH, &b);
    if (read_json(x, &j, ret) < 0 || json_read_end(&j, NULL) < 0) {
        *ret = (struct tval){.type = TV_NIL};
    }
    return 0;
}

const struct tfunction LQ_TEMPLATE_ENCODINGS[] = {
    {"html", fn_html, 1, 1},           {"urlquery", fn_urlencode, 1, 1},
    {"b64enc", fn_b64enc, 1, 1},       {"b64dec", fn_b64dec, 1, 1},
    {"urlencode", fn_urlencode, 1, 1}, {"urldecode", fn_urldecode, 1, 1},
    {"fromJson", fn_from_json, 1, 1},  {0},
};
