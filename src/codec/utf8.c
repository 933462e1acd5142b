/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequence check, repair and cut of UTF-8; see utf8.h.
 */
#include "codec/utf8.h"

#include "base/err.h"

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* The ranges of RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t utf8_sequence(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;

    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        return n >= 2 && is_tail(p[1]) ? 2 : 0;
    }
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        unsigned char lo = p[0] == 0xE0 ? 0xA0 : 0x80;
        unsigned char hi = p[0] == 0xED ? 0x9F : 0xBF;

        return n >= 3 && p[1] >= lo && p[1] <= hi && is_tail(p[2]) ? 3 : 0;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        unsigned char lo = p[0] == 0xF0 ? 0x90 : 0x80;
        unsigned char hi = p[0] == 0xF4 ? 0x8F : 0xBF;

        return n >= 4 && p[1] >= lo && p[1] <= hi && is_tail(p[2]) && is_tail(p[3]) ? 4 : 0;
    }
    return 0;
}

static size_t count_bad(struct str s)
{
    size_t bad = 0;

    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_sequence(s.p + i, s.n - i);

        bad += len == 0;
        i += len != 0 ? len : 1;
    }
    return bad;
}

int utf8_clean(struct str s, struct arena *a, struct str *ret, size_t *ret_bad)
{
    size_t bad = str_is_utf8(s) ? 0 : count_bad(s);
    char *dst;
    size_t n = 0;

    if (ret_bad != NULL) {
        *ret_bad = bad;
    }
    if (bad == 0) {
        *ret = s;
        return 0;
    }
    dst = arena_alloc(a, s.n + 2 * bad, 1);
    if (dst == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_sequence(s.p + i, s.n - i);

        if (len == 0) {
            memcpy(dst + n, "\xEF\xBF\xBD", 3);
            n += 3;
            i++;
        } else {
            memcpy(dst + n, s.p + i, len);
            n += len;
            i += len;
        }
    }
    *ret = str_of(dst, n);
    return 0;
}

struct str utf8_cut(struct str s, size_t max)
{
    if (s.n <= max) {
        return s;
    }
    while (max > 0 && is_tail((unsigned char)s.p[max])) {
        max--;
    }
    return str_take(s, max);
}

size_t utf8_encode(uint32_t c, char *dst)
{
    if (c < 0x80) {
        dst[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        dst[0] = (char)(0xC0 | c >> 6);
        dst[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        c = 0xFFFD;
    }
    if (c < 0x10000) {
        dst[0] = (char)(0xE0 | c >> 12);
        dst[1] = (char)(0x80 | (c >> 6 & 0x3F));
        dst[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    dst[0] = (char)(0xF0 | c >> 18);
    dst[1] = (char)(0x80 | (c >> 12 & 0x3F));
    dst[2] = (char)(0x80 | (c >> 6 & 0x3F));
    dst[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}
