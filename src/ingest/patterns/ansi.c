/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether there is anything to strip is asked of every line, so it costs two scans for a byte and a look at what stands
 * before each bracket.
 */
#include "ingest/patterns/ansi.h"

enum { ESC = 0x1b, BEL = 0x07 };

/* Ways to write ESC; a bracket follows. */
static const struct str WRITTEN[] = {{"\\u001b", 6}, {"\\u001B", 6}, {"\\x1b", 4},
                                     {"\\x1B", 4},   {"\\033", 4},   {"#033", 4}};

/* @return bytes of a written ESC that ends before the bracket at p; 0: none */
static size_t written_before(const char *begin, const char *bracket)
{
    for (size_t i = 0; i < ARRAY_LEN(WRITTEN); i++) {
        size_t n = WRITTEN[i].n;

        if ((size_t)(bracket - begin) >= n && memcmp(bracket - n, WRITTEN[i].p, n) == 0) {
            return n;
        }
    }
    return 0;
}

/* @return the first sequence, or the end */
static const char *find(const char *p, const char *end)
{
    const char *esc = memchr(p, ESC, (size_t)(end - p));
    const char *begin = p;

    end = esc != NULL ? esc : end;
    while (p < end && (p = memchr(p, '[', (size_t)(end - p))) != NULL) {
        char before = p > begin ? p[-1] : 0;
        size_t n = before == 'b' || before == 'B' || before == '3' ? written_before(begin, p) : 0;

        if (n != 0) {
            return p - n;
        }
        p++;
    }
    return end;
}

static const char *skip_range(const char *p, const char *end, unsigned char low, unsigned char high)
{
    while (p < end && (unsigned char)*p >= low && (unsigned char)*p <= high) {
        p++;
    }
    return p;
}

/* Behind "[": parameters, intermediates, one final byte. Where that is missing only what was there goes. */
static const char *skip_csi(const char *p, const char *end)
{
    p = skip_range(p, end, 0x30, 0x3f);
    p = skip_range(p, end, 0x20, 0x2f);
    return p < end && *p >= 0x40 && *p <= 0x7e ? p + 1 : p;
}

/* Behind "]": a text that BEL or ESC \ ends (a title, a link). */
static const char *skip_osc(const char *p, const char *end)
{
    while (p < end && *p != BEL && *p != ESC) {
        p++;
    }
    if (p < end && *p == ESC && p + 1 < end && p[1] == '\\') {
        return p + 2;
    }
    return p < end && *p == BEL ? p + 1 : p;
}

static const char *skip_sequence(const char *p, const char *end)
{
    if (*p != ESC) { /* a written one: a bracket follows */
        return skip_csi((const char *)memchr(p, '[', (size_t)(end - p)) + 1, end);
    }
    p++;
    if (p < end && *p == '[') {
        return skip_csi(p + 1, end);
    }
    if (p < end && *p == ']') {
        return skip_osc(p + 1, end);
    }
    p = skip_range(p, end, 0x20, 0x2f);
    return p < end && *p >= 0x30 && *p <= 0x7e ? p + 1 : p;
}

struct str ansi_strip(struct str text, char *dst, size_t max)
{
    const char *p = text.p;
    const char *end = p + text.n;
    const char *at = text.n != 0 ? find(p, end) : end;
    size_t n = 0;

    if (at == end) {
        return text;
    }
    while (p < end && n < max) {
        size_t take = (size_t)(at - p) < max - n ? (size_t)(at - p) : max - n;

        memcpy(dst + n, p, take);
        n += take;
        p = at < end ? skip_sequence(at, end) : end;
        at = p < end ? find(p, end) : end;
    }
    return str_of(dst, n);
}
