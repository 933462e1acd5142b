/* SPDX-License-Identifier: Apache-2.0
 *
 * Template functions: Go's built-in ones, strings, regular expressions, JSON. Arguments that should be strings are
 * taken by their text, numbers by their value, so a wrong type never stops a query.
 */
#include <stdlib.h>

#include "base/vec.h"
#include "codec/base64.h"
#include "codec/json_read.h"
#include "codec/utf8.h"
#include "query/logql/template_internal.h"
#include "query/logql/units.h"

enum { JSON_DEPTH = 32, RESULT_MAX = 16 << 20 };

static struct str text(struct texec *x, const struct tval *v)
{
    return tval_text(x, v);
}

static int give(struct texec *x, struct buf *b, struct tval *ret)
{
    return tval_of_buf(x, b, ret);
}

static int give_bool(bool b, struct tval *ret)
{
    *ret = (struct tval){.type = TV_BOOL, .u.b = b};
    return 0;
}

/* ---- built in ---- */

static int fn_logic(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    *ret = args[n - 1]; /* run by the caller */
    return 0;
}

static int fn_not(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    (void)n;
    return give_bool(!tval_truth(&args[0]), ret);
}

static int fn_len(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    *ret = (struct tval){.type = TV_INT};
    if (args[0].type == TV_STR) {
        ret->u.i = (int64_t)args[0].u.s.n;
    } else if (args[0].type == TV_LIST || args[0].type == TV_MAP) {
        ret->u.i = (int64_t)args[0].u.list.n;
    } else {
        return tfail(x, "error calling len: len of wrong type");
    }
    return 0;
}

/* Of a text; lists cannot be cut. */
static int fn_slice(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = args[0].u.s;
    int64_t from = n > 1 ? tval_int(&args[1]) : 0;
    int64_t to;

    if (args[0].type != TV_STR) {
        return tfail(x, "error calling slice: can't slice item of this type");
    }
    to = n > 2 ? tval_int(&args[2]) : (int64_t)s.n;
    if (from < 0 || to > (int64_t)s.n || from > to) {
        return tfail(x, "error calling slice: index out of range");
    }
    *ret = tval_str(str_of(s.p + from, (size_t)(to - from)));
    return 0;
}

static int fn_index(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct tval v = args[0];

    for (size_t i = 1; i < n; i++) {
        struct tval inner = {.type = TV_NIL};

        if (v.type == TV_MAP || v.type == TV_LABELS) {
            struct str key = text(x, &args[i]);
            enum label_category c;
            struct str value;

            if (v.type == TV_LABELS) {
                lq_row_get(x->row, key, &value, &c);
                inner = tval_str(value);
            }
            for (size_t k = 0; v.type == TV_MAP && k < v.u.list.n; k++) {
                if (str_eq(v.u.list.keys[k], key)) {
                    inner = v.u.list.v[k];
                }
            }
        } else if (v.type == TV_LIST || v.type == TV_STR) {
            int64_t at = tval_int(&args[i]);
            size_t have = v.type == TV_LIST ? v.u.list.n : v.u.s.n;

            if (at < 0 || (size_t)at >= have) {
                return tfail(x, "error calling index: index out of range: %lld", (long long)at);
            }
            inner = v.type == TV_LIST
                        ? v.u.list.v[at]
                        : (struct tval){.type = TV_INT, .u.i = (unsigned char)v.u.s.p[at]};
        } else {
            return tfail(x, "error calling index: can't index item");
        }
        v = inner;
    }
    *ret = v;
    return 0;
}

static int fn_print(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, RESULT_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && args[i].type != TV_STR && args[i - 1].type != TV_STR) {
            buf_add_byte(&b, ' ');
        }
        tval_print(&b, &args[i]);
    }
    return give(x, &b, ret);
}

static int fn_println(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, RESULT_MAX);
    for (size_t i = 0; i < n; i++) {
        buf_add_cstr(&b, i != 0 ? " " : "");
        tval_print(&b, &args[i]);
    }
    buf_add_byte(&b, '\n');
    return give(x, &b, ret);
}

static int fn_printf(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, RESULT_MAX);
    go_printf(&b, text(x, &args[0]), args + 1, n - 1);
    return give(x, &b, ret);
}

/* Order of two values. @return false: they cannot be compared */
static bool order(const struct tval *a, const struct tval *b, int *ret)
{
    if (a->type == TV_STR && b->type == TV_STR) {
        *ret = str_cmp(a->u.s, b->u.s);
        return true;
    }
    if (a->type == TV_INT && b->type == TV_INT) {
        *ret = (a->u.i > b->u.i) - (a->u.i < b->u.i);
        return true;
    }
    if (a->type == TV_FLOAT && b->type == TV_FLOAT) {
        *ret = (a->u.f > b->u.f) - (a->u.f < b->u.f);
        return true;
    }
    *ret = a->type == TV_BOOL && b->type == TV_BOOL ? a->u.b - b->u.b : 0;
    return (a->type == TV_BOOL && b->type == TV_BOOL) || (a->type == TV_NIL && b->type == TV_NIL);
}

static int compare(struct texec *x, const struct tval *args, bool (*want)(int), struct tval *ret)
{
    int c;

    if (!order(&args[0], &args[1], &c)) {
        return tfail(x, "incompatible types for comparison");
    }
    return give_bool(want(c), ret);
}

static bool is_ne(int c)
{
    return c != 0;
}

static bool is_lt(int c)
{
    return c < 0;
}

static bool is_le(int c)
{
    return c <= 0;
}

static bool is_gt(int c)
{
    return c > 0;
}

static bool is_ge(int c)
{
    return c >= 0;
}

static int fn_eq(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    for (size_t i = 1; i < n; i++) {
        int c;

        if (!order(&args[0], &args[i], &c)) {
            return tfail(x, "incompatible types for comparison");
        }
        if (c == 0) {
            return give_bool(true, ret);
        }
    }
    return give_bool(false, ret);
}

#define COMPARE(name)                                                                          \
    static int fn_##name(struct texec *x, const struct tval *args, size_t n, struct tval *ret) \
    {                                                                                          \
        (void)n;                                                                               \
        return compare(x, args, is_##name, ret);                                               \
    }
COMPARE(ne)
COMPARE(lt)
COMPARE(le)
COMPARE(gt)
COMPARE(ge)
#undef COMPARE

/* ---- the record ---- */

static int fn_line(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)args;
    (void)n;
    *ret = tval_str(x->row->line);
    return 0;
}

static int fn_timestamp(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)args;
    (void)n;
    *ret = (struct tval){.type = TV_TIME, .u.t = {x->row->t_ns, 0}};
    return 0;
}

/* ---- strings ---- */

/* ASCII and what has one simple partner in Latin-1, Greek and Cyrillic. */
static uint32_t change_case(uint32_t c, bool upper)
{
    if (c < 0x80) {
        return upper ? (c >= 'a' && c <= 'z' ? c - 32 : c) : (c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    if (upper) {
        return (c >= 0xe0 && c <= 0xfe && c != 0xf7) || (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) ||
                       (c >= 0x430 && c <= 0x44f)
                   ? c - 32
                   : c;
    }
    return (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) ||
                   (c >= 0x410 && c <= 0x42f)
               ? c + 32
               : c;
}

static uint32_t decode(struct str s, size_t *ret_n)
{
    size_t n = utf8_sequence(s.p, s.n);
    uint32_t c = (unsigned char)s.p[0];

    *ret_n = n != 0 ? n : 1;
    if (n <= 1) {
        return n == 1 ? c : 0xfffd;
    }
    c &= n == 2 ? 0x1fu : n == 3 ? 0x0fu : 0x07u;
    for (size_t i = 1; i < n; i++) {
        c = c << 6 | ((unsigned char)s.p[i] & 0x3fu);
    }
    return c;
}

enum casing { LOWER, UPPER, TITLE };

static int recase(struct texec *x, const struct tval *args, enum casing how, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = text(x, &args[0]);
    bool begins = true;

    buf_init(&b, RESULT_MAX);
    while (s.n != 0) {
        char out[4];
        size_t n;
        uint32_t c = decode(s, &n);

        if (how != TITLE || begins) {
            c = change_case(c, how != LOWER);
        }
        begins = c < 0x80 && !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                               (c >= 'A' && c <= 'Z') || c == '_' || c == '\'');
        buf_add(&b, out, utf8_encode(c, out));
        s = str_drop(s, n);
    }
    return give(x, &b, ret);
}

static int fn_lower(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return recase(x, args, LOWER, ret);
}

static int fn_upper(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return recase(x, args, UPPER, ret);
}

static int fn_title(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return recase(x, args, TITLE, ret);
}

static int replace(struct texec *x, struct str s, struct str old, struct str new, int64_t max,
                   struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, RESULT_MAX);
    while (max != 0 && (s.n != 0 || old.n == 0)) {
        int64_t at = old.n != 0 ? str_find(s, old) : 0;
        size_t n;

        if (at < 0) {
            break;
        }
        buf_add_str(&b, str_take(s, (size_t)at));
        buf_add_str(&b, new);
        s = str_drop(s, (size_t)at + old.n);
        max -= max > 0;
        if (old.n == 0) { /* before every character */
            if (s.n == 0) {
                break;
            }
            decode(s, &n);
            buf_add_str(&b, str_take(s, n));
            s = str_drop(s, n);
        }
    }
    buf_add_str(&b, s);
    return give(x, &b, ret);
}

/* replace old new src */
static int fn_replace(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace(x, text(x, &args[2]), text(x, &args[0]), text(x, &args[1]), -1, ret);
}

/* Replace src old new n: Go's strings.Replace */
static int fn_go_replace(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace(x, text(x, &args[0]), text(x, &args[1]), text(x, &args[2]), tval_int(&args[3]),
                   ret);
}

static struct str trim_set(struct str s, struct str set, bool left, bool right)
{
    while (left && s.n != 0 && set.n != 0 && memchr(set.p, s.p[0], set.n) != NULL) {
        s = str_drop(s, 1);
    }
    while (right && s.n != 0 && set.n != 0 && memchr(set.p, s.p[s.n - 1], set.n) != NULL) {
        s.n--;
    }
    return s;
}

static const struct str SPACE = {" \t\n\v\f\r", 6};

#define TRIM(name, value, set, left, right)                                                    \
    static int fn_##name(struct texec *x, const struct tval *args, size_t n, struct tval *ret) \
    {                                                                                          \
        (void)n;                                                                               \
        *ret = tval_str(trim_set(text(x, &args[value]), set, left, right));                    \
        return 0;                                                                              \
    }
TRIM(trim, 0, SPACE, true, true)
TRIM(trim_all, 1, text(x, &args[0]), true, true)
TRIM(go_trim, 0, text(x, &args[1]), true, true)
TRIM(go_trim_left, 0, text(x, &args[1]), true, false)
TRIM(go_trim_right, 0, text(x, &args[1]), false, true)
#undef TRIM

static struct str cut_prefix(struct str s, struct str prefix)
{
    return str_starts(s, prefix) ? str_drop(s, prefix.n) : s;
}

static struct str cut_suffix(struct str s, struct str suffix)
{
    return str_ends(s, suffix) ? str_take(s, s.n - suffix.n) : s;
}

#define CUT(name, cut, value, part)                                                            \
    static int fn_##name(struct texec *x, const struct tval *args, size_t n, struct tval *ret) \
    {                                                                                          \
        (void)n;                                                                               \
        *ret = tval_str(cut(text(x, &args[value]), text(x, &args[part])));                     \
        return 0;                                                                              \
    }
CUT(trim_prefix, cut_prefix, 1, 0)
CUT(trim_suffix, cut_suffix, 1, 0)
CUT(go_trim_prefix, cut_prefix, 0, 1)
CUT(go_trim_suffix, cut_suffix, 0, 1)
#undef CUT

static int fn_trunc(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = text(x, &args[1]);
    int64_t c = tval_int(&args[0]);

    (void)n;
    if (c < 0 && (uint64_t)-c < s.n) {
        s = str_drop(s, s.n - (size_t)-c);
    } else if (c >= 0 && (uint64_t)c < s.n) {
        s = str_take(s, (size_t)c);
    }
    *ret = tval_str(s);
    return 0;
}

static int fn_substr(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = text(x, &args[2]);
    int64_t start = tval_int(&args[0]);
    int64_t end = tval_int(&args[1]);

    (void)n;
    end = end < 0 || (uint64_t)end > s.n ? (int64_t)s.n : end;
    start = start < 0 ? 0 : start;
    *ret = tval_str(start >= end ? str_of("", 0) : str_of(s.p + start, (size_t)(end - start)));
    return 0;
}

#define TEST(name, expr)                                                                       \
    static int fn_##name(struct texec *x, const struct tval *args, size_t n, struct tval *ret) \
    {                                                                                          \
        struct str part = text(x, &args[0]);                                                   \
        struct str s = text(x, &args[1]);                                                      \
                                                                                               \
        (void)n;                                                                               \
        return give_bool(expr, ret);                                                           \
    }
TEST(contains, str_find(s, part) >= 0)
TEST(has_prefix, str_starts(s, part))
TEST(has_suffix, str_ends(s, part))
#undef TEST

static int indent(struct texec *x, const struct tval *args, bool line, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = text(x, &args[1]);
    int64_t width = tval_int(&args[0]);

    width = width < 0 ? 0 : width > 1000 ? 1000 : width;
    buf_init(&b, RESULT_MAX);
    if (line) {
        buf_add_byte(&b, '\n');
    }
    for (int64_t w = 0; w < width; w++) {
        buf_add_byte(&b, ' ');
    }
    for (size_t i = 0; i < s.n; i++) {
        buf_add_byte(&b, s.p[i]);
        for (int64_t w = 0; s.p[i] == '\n' && w < width; w++) {
            buf_add_byte(&b, ' ');
        }
    }
    return give(x, &b, ret);
}

static int fn_indent(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return indent(x, args, false, ret);
}

static int fn_nindent(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return indent(x, args, true, ret);
}

static int fn_repeat(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = text(x, &args[1]);
    int64_t count = tval_int(&args[0]);

    (void)n;
    buf_init(&b, RESULT_MAX);
    for (int64_t i = 0; i < count && s.n != 0 && !b.failed; i++) {
        buf_add_str(&b, s);
    }
    return give(x, &b, ret);
}

static size_t runes(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    }
    return n;
}

static int align(struct texec *x, const struct tval *args, bool right, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = text(x, &args[1]);
    int64_t width = tval_int(&args[0]);
    size_t have = runes(s);

    width = width < 0 ? 0 : width > 100000 ? 100000 : width;
    buf_init(&b, RESULT_MAX);
    while (have > (size_t)width && s.n != 0) { /* too long: the end, or the beginning, goes */
        size_t n = 1;

        if (right) {
            decode(s, &n);
            s = str_drop(s, n);
        } else {
            while (s.n > 1 && ((unsigned char)s.p[s.n - 1] & 0xc0) == 0x80) {
                s.n--;
            }
            s.n--;
        }
        have--;
    }
    if (!right) {
        buf_add_str(&b, s);
    }
    for (size_t i = have; i < (size_t)width; i++) {
        buf_add_byte(&b, ' ');
    }
    if (right) {
        buf_add_str(&b, s);
    }
    return give(x, &b, ret);
}

static int fn_align_left(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return align(x, args, false, ret);
}

static int fn_align_right(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return align(x, args, true, ret);
}

static int fn_default(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    *ret = n > 1 && tval_truth(&args[1]) ? args[1] : args[0];
    return 0;
}

static int fn_b64enc(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    (void)n;
    buf_init(&b, RESULT_MAX);
    base64_encode(text(x, &args[0]), &b);
    return give(x, &b, ret);
}

static int fn_b64dec(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    (void)n;
    buf_init(&b, RESULT_MAX);
    if (!base64_decode(text(x, &args[0]), &b)) {
        *ret = tval_str(STR("illegal base64 data"));
        return 0;
    }
    return give(x, &b, ret);
}

static int fn_urlencode(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    (void)n;
    buf_init(&b, RESULT_MAX);
    buf_add_percent(&b, text(x, &args[0]), URL_UNRESERVED " ");
    return give(x, &b, ret);
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
    struct str s = text(x, &args[0]);

    (void)n;
    buf_init(&b, RESULT_MAX);
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
    return give(x, &b, ret);
}

static int fn_html(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = text(x, &args[0]);

    (void)n;
    buf_init(&b, RESULT_MAX);
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
    return give(x, &b, ret);
}

/* ---- regular expressions ---- */

int template_regex(struct texec *x, struct str pattern, struct finder **ret, bool *ret_mine)
{
    struct err e = {0};

    *ret_mine = x->re == NULL;
    *ret = x->re;
    if (x->re == NULL && finder_new(pattern, FINDER_GROUPS, ret, &e) < 0) {
        return tfail(x, "%s", e.msg);
    }
    return 0;
}

static int replace_all(struct texec *x, const struct tval *args, bool literal, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = text(x, &args[1]);
    struct str with = text(x, &args[2]);
    struct finder *re;
    size_t at = 0;
    size_t start;
    size_t end;
    bool mine;
    int rc = template_regex(x, text(x, &args[0]), &re, &mine);

    if (rc < 0) {
        return rc;
    }
    buf_init(&b, RESULT_MAX);
    while (at <= s.n && !b.failed && finder_next(re, s, at) != 0 &&
           finder_group(re, 0, &start, &end)) {
        buf_add(&b, s.p + at, start - at);
        if (literal) {
            buf_add_str(&b, with);
        } else {
            finder_expand(re, s, with, &b);
        }
        at = end;
        if (end == start) { /* an empty match: one character on */
            if (at < s.n) {
                buf_add_byte(&b, s.p[at]);
            }
            at++;
        }
    }
    if (at < s.n) {
        buf_add(&b, s.p + at, s.n - at);
    }
    if (mine) {
        finder_free(re);
    }
    return give(x, &b, ret);
}

static int fn_regex_replace(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace_all(x, args, false, ret);
}

static int fn_regex_literal(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace_all(x, args, true, ret);
}

static int fn_count(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = text(x, &args[1]);
    struct finder *re;
    int64_t count = 0;
    size_t at = 0;
    size_t start;
    size_t end;
    bool mine;
    int rc = template_regex(x, text(x, &args[0]), &re, &mine);

    (void)n;
    if (rc < 0) {
        return rc;
    }
    while (at <= s.n && finder_next(re, s, at) != 0 && finder_group(re, 0, &start, &end)) {
        count++;
        at = end > start ? end : end + 1;
    }
    if (mine) {
        finder_free(re);
    }
    *ret = (struct tval){.type = TV_INT, .u.i = count};
    return 0;
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
    buf_init(&b, RESULT_MAX);
    json_read_init(&j, text(x, &args[0]), JSON_DEPTH, &b);
    if (read_json(x, &j, ret) < 0 || json_read_end(&j, NULL) < 0) {
        *ret = (struct tval){.type = TV_NIL};
    }
    return 0;
}

const struct tfunction LQ_TEMPLATE_STRINGS[] = {
    {"and", fn_logic, 1, -1},
    {"or", fn_logic, 1, -1},
    {"not", fn_not, 1, 1},
    {"len", fn_len, 1, 1},
    {"index", fn_index, 1, -1},
    {"slice", fn_slice, 1, 3},
    {"print", fn_print, 0, -1},
    {"println", fn_println, 0, -1},
    {"printf", fn_printf, 1, -1},
    {"eq", fn_eq, 2, -1},
    {"ne", fn_ne, 2, 2},
    {"lt", fn_lt, 2, 2},
    {"le", fn_le, 2, 2},
    {"gt", fn_gt, 2, 2},
    {"ge", fn_ge, 2, 2},
    {"html", fn_html, 1, 1},
    {"urlquery", fn_urlencode, 1, 1},
    {"__line__", fn_line, 0, 0},
    {"__timestamp__", fn_timestamp, 0, 0},
    {"lower", fn_lower, 1, 1},
    {"upper", fn_upper, 1, 1},
    {"title", fn_title, 1, 1},
    {"ToLower", fn_lower, 1, 1},
    {"ToUpper", fn_upper, 1, 1},
    {"replace", fn_replace, 3, 3},
    {"Replace", fn_go_replace, 4, 4},
    {"trim", fn_trim, 1, 1},
    {"TrimSpace", fn_trim, 1, 1},
    {"trimAll", fn_trim_all, 2, 2},
    {"trimPrefix", fn_trim_prefix, 2, 2},
    {"trimSuffix", fn_trim_suffix, 2, 2},
    {"Trim", fn_go_trim, 2, 2},
    {"TrimLeft", fn_go_trim_left, 2, 2},
    {"TrimRight", fn_go_trim_right, 2, 2},
    {"TrimPrefix", fn_go_trim_prefix, 2, 2},
    {"TrimSuffix", fn_go_trim_suffix, 2, 2},
    {"trunc", fn_trunc, 2, 2},
    {"substr", fn_substr, 3, 3},
    {"contains", fn_contains, 2, 2},
    {"hasPrefix", fn_has_prefix, 2, 2},
    {"hasSuffix", fn_has_suffix, 2, 2},
    {"indent", fn_indent, 2, 2},
    {"nindent", fn_nindent, 2, 2},
    {"repeat", fn_repeat, 2, 2},
    {"alignLeft", fn_align_left, 2, 2},
    {"alignRight", fn_align_right, 2, 2},
    {"default", fn_default, 1, 2},
    {"b64enc", fn_b64enc, 1, 1},
    {"b64dec", fn_b64dec, 1, 1},
    {"urlencode", fn_urlencode, 1, 1},
    {"urldecode", fn_urldecode, 1, 1},
    {"regexReplaceAll", fn_regex_replace, 3, 3},
    {"regexReplaceAllLiteral", fn_regex_literal, 3, 3},
    {"count", fn_count, 2, 2},
    {"fromJson", fn_from_json, 1, 1},
    {0},
};
