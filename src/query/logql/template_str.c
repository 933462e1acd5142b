/* SPDX-License-Identifier: Apache-2.0
 *
 * Template functions on strings, of sprig and of Go's package strings: arguments in the order of each.
 */
#include "codec/utf8.h"
#include "query/logql/template_internal.h"

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
    struct str s = tval_text(x, &args[0]);
    bool begins = true;

    buf_init(&b, TEMPLATE_RESULT_MAX);
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
    return tval_of_buf(x, &b, ret);
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

    buf_init(&b, TEMPLATE_RESULT_MAX);
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
    return tval_of_buf(x, &b, ret);
}

/* replace old new src */
static int fn_replace(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace(x, tval_text(x, &args[2]), tval_text(x, &args[0]), tval_text(x, &args[1]), -1,
                   ret);
}

/* Replace src old new n: Go's strings.Replace */
static int fn_go_replace(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace(x, tval_text(x, &args[0]), tval_text(x, &args[1]), tval_text(x, &args[2]),
                   tval_int(&args[3]), ret);
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
        *ret = tval_str(trim_set(tval_text(x, &args[value]), set, left, right));               \
        return 0;                                                                              \
    }
TRIM(trim, 0, SPACE, true, true)
TRIM(trim_all, 1, tval_text(x, &args[0]), true, true)
TRIM(go_trim, 0, tval_text(x, &args[1]), true, true)
TRIM(go_trim_left, 0, tval_text(x, &args[1]), true, false)
TRIM(go_trim_right, 0, tval_text(x, &args[1]), false, true)
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
        *ret = tval_str(cut(tval_text(x, &args[value]), tval_text(x, &args[part])));           \
        return 0;                                                                              \
    }
CUT(trim_prefix, cut_prefix, 1, 0)
CUT(trim_suffix, cut_suffix, 1, 0)
CUT(go_trim_prefix, cut_prefix, 0, 1)
CUT(go_trim_suffix, cut_suffix, 0, 1)
#undef CUT

static int fn_trunc(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = tval_text(x, &args[1]);
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
    struct str s = tval_text(x, &args[2]);
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
        struct str part = tval_text(x, &args[0]);                                              \
        struct str s = tval_text(x, &args[1]);                                                 \
                                                                                               \
        (void)n;                                                                               \
        return tval_of_bool(expr, ret);                                                        \
    }
TEST(contains, str_find(s, part) >= 0)
TEST(has_prefix, str_starts(s, part))
TEST(has_suffix, str_ends(s, part))
#undef TEST

static int indent(struct texec *x, const struct tval *args, bool line, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = tval_text(x, &args[1]);
    int64_t width = tval_int(&args[0]);

    width = width < 0 ? 0 : width > 1000 ? 1000 : width;
    buf_init(&b, TEMPLATE_RESULT_MAX);
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
    return tval_of_buf(x, &b, ret);
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
    struct str s = tval_text(x, &args[1]);
    int64_t count = tval_int(&args[0]);

    (void)n;
    buf_init(&b, TEMPLATE_RESULT_MAX);
    for (int64_t i = 0; i < count && s.n != 0 && !b.failed; i++) {
        buf_add_str(&b, s);
    }
    return tval_of_buf(x, &b, ret);
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
    struct str s = tval_text(x, &args[1]);
    int64_t width = tval_int(&args[0]);
    size_t have = runes(s);

    width = width < 0 ? 0 : width > 100000 ? 100000 : width;
    buf_init(&b, TEMPLATE_RESULT_MAX);
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
    return tval_of_buf(x, &b, ret);
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

const struct tfunction LQ_TEMPLATE_STRINGS[] = {
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
    {0},
};
