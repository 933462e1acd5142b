/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices and strict number parsing; see str.h.
 */
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

int64_t str_find_byte(struct str s, char c)
{
    const char *hit = s.n != 0 ? memchr(s.p, c, s.n) : NULL;

    return hit != NULL ? hit - s.p : -1;
}

/* First match among the places [from, last], byte by byte. */
static int64_t find_from(struct str s, struct str needle, size_t from, size_t last)
{
    for (size_t i = from; i <= last; i++) {
        if (s.p[i] == needle.p[0] && memcmp(s.p + i, needle.p, needle.n) == 0) {
            return (int64_t)i;
        }
    }
    return -1;
}

enum {
    SHORT_NEEDLE = 64
}; /* longer ones are left to the C library, which is linear whatever the text is */

#ifdef __SSE2__

/* 16 places at once by the needle's first and last byte (Mula 2016, "SIMD-friendly algorithms for substring
 * searching"); most texts here are too short for the tables that memmem() makes first. */
static int64_t find_short(struct str s, struct str needle)
{
    const __m128i first = _mm_set1_epi8(needle.p[0]);
    const __m128i end = _mm_set1_epi8(needle.p[needle.n - 1]);
    size_t last = s.n - needle.n;
    size_t i = 0;

    for (; i + 15 <= last; i += 16) {
        __m128i a = _mm_loadu_si128((const void *)(s.p + i));
        __m128i b = _mm_loadu_si128((const void *)(s.p + i + needle.n - 1));
        unsigned hits = (unsigned)_mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(a, first), _mm_cmpeq_epi8(b, end)));

        for (; hits != 0; hits &= hits - 1) {
            size_t at = i + (unsigned)__builtin_ctz(hits);

            if (memcmp(s.p + at, needle.p, needle.n) == 0) {
                return (int64_t)at;
            }
        }
    }
    return find_from(s, needle, i, last);
}

#else

static int64_t find_short(struct str s, struct str needle)
{
    return find_from(s, needle, 0, s.n - needle.n);
}

#endif

int64_t str_find(struct str s, struct str needle)
{
    const char *hit;

    if (needle.n == 0) {
        return 0;
    }
    if (s.n < needle.n) {
        return -1;
    }
    if (needle.n <= SHORT_NEEDLE) {
        return find_short(s, needle);
    }
    hit = memmem(s.p, s.n, needle.p, needle.n);
    return hit != NULL ? hit - s.p : -1;
}

struct str str_drop(struct str s, size_t from)
{
    return from >= s.n ? str_of(s.p, 0) : str_of(s.p + from, s.n - from);
}

struct str str_take(struct str s, size_t n)
{
    return str_of(s.p, n < s.n ? n : s.n);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.n != 0 && is_space(s.p[0])) {
        s = str_drop(s, 1);
    }
    while (s.n != 0 && is_space(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

bool str_split(struct str *rest, char sep, struct str *ret_field)
{
    int64_t at;

    if (rest->p == NULL) {
        return false;
    }
    at = str_find_byte(*rest, sep);
    if (at < 0) {
        *ret_field = *rest;
        *rest = str_of(NULL, 0);
    } else {
        *ret_field = str_take(*rest, (size_t)at);
        *rest = str_drop(*rest, (size_t)at + 1);
    }
    return true;
}

bool str_to_u64(struct str s, uint64_t *ret)
{
    uint64_t v = 0;

    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
            return false;
        }
    }
    *ret = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    bool negative = s.n != 0 && s.p[0] == '-';
    uint64_t v;

    if (s.n != 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        s = str_drop(s, 1);
    }
    if (!str_to_u64(s, &v) || v > (uint64_t)INT64_MAX + (negative ? 1u : 0u)) {
        return false;
    }
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool str_to_f64(struct str s, double *ret)
{
    char text[128];
    char *end;
    double v;

    if (s.n == 0 || s.n >= sizeof(text) || is_space(s.p[0]) || s.p[0] == '\v' || s.p[0] == '\f') {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == 'x' || s.p[i] == 'X' || s.p[i] == '(' || s.p[i] == '\0') {
            return false;
        }
        text[i] = s.p[i];
    }
    text[s.n] = '\0';
    errno = 0;
    v = strtod(text, &end);
    if (end != text + s.n) {
        return false;
    }
    *ret = isnan(v) ? (double)NAN : v;
    return true;
}

struct unit {
    struct str name;
    uint64_t factor;
};

static const struct unit DURATIONS[] = {
    {{"ms", 2}, 1},       {{"s", 1}, 1000},      {{"m", 1}, 60000},        {{"h", 1}, 3600000},
    {{"d", 1}, 86400000}, {{"w", 1}, 604800000}, {{"y", 1}, 31536000000u},
};

static const struct unit SIZES[] = {
    {{"", 0}, 1},
    {{"B", 1}, 1},
    {{"K", 1}, 1ull << 10},
    {{"M", 1}, 1ull << 20},
    {{"G", 1}, 1ull << 30},
    {{"T", 1}, 1ull << 40},
    {{"KiB", 3}, 1ull << 10},
    {{"MiB", 3}, 1ull << 20},
    {{"GiB", 3}, 1ull << 30},
    {{"TiB", 3}, 1ull << 40},
    {{"kB", 2}, 1000ull},
    {{"KB", 2}, 1000ull},
    {{"MB", 2}, 1000000ull},
    {{"GB", 2}, 1000000000ull},
    {{"TB", 2}, 1000000000000ull},
};

static size_t digits(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9') {
        n++;
    }
    return n;
}

static const struct unit *unit_of(const struct unit *table, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(table[i].name, name)) {
            return &table[i];
        }
    }
    return NULL;
}

static size_t letters(struct str s)
{
    size_t n = 0;

    while (n < s.n && (s.p[n] < '0' || s.p[n] > '9')) {
        n++;
    }
    return n;
}

bool str_to_duration_ms(struct str s, int64_t *ret_ms)
{
    uint64_t total = 0;
    uint64_t last_factor = UINT64_MAX; /* units must fall: "1h30m", not "30m1h" or "1h1h" */
    uint64_t plain;

    if (str_to_u64(s, &plain)) {
        if (plain > (uint64_t)INT64_MAX / 1000) {
            return false;
        }
        *ret_ms = (int64_t)plain * 1000;
        return true;
    }
    if (s.n == 0) {
        return false;
    }
    while (s.n != 0) {
        size_t nd = digits(s);
        struct str number = str_take(s, nd);
        struct str rest = str_drop(s, nd);
        size_t nl = letters(rest);
        const struct unit *u = unit_of(DURATIONS, ARRAY_LEN(DURATIONS), str_take(rest, nl));
        uint64_t v;

        if (u == NULL || u->factor >= last_factor || !str_to_u64(number, &v) ||
            __builtin_mul_overflow(v, u->factor, &v) || __builtin_add_overflow(total, v, &total) ||
            total > (uint64_t)INT64_MAX) {
            return false;
        }
        last_factor = u->factor;
        s = str_drop(rest, nl);
    }
    *ret_ms = (int64_t)total;
    return true;
}

bool str_to_bytes(struct str s, uint64_t *ret_bytes)
{
    size_t nd = digits(s);
    const struct unit *u = unit_of(SIZES, ARRAY_LEN(SIZES), str_trim(str_drop(s, nd)));
    uint64_t v;

    if (u == NULL || !str_to_u64(str_take(s, nd), &v) || __builtin_mul_overflow(v, u->factor, &v)) {
        return false;
    }
    *ret_bytes = v;
    return true;
}

char *str_dup(struct str s)
{
    char *c = mem_xcalloc(1, s.n + 1);

    if (s.n != 0) {
        memcpy(c, s.p, s.n);
    }
    return c;
}

/* Length of the sequence that starts at p, 0 when it is not valid UTF-8 (RFC 3629 section 4). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        return n >= 2 && (p[1] & 0xC0) == 0x80 ? 2 : 0;
    }
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        unsigned char lo = p[0] == 0xE0 ? 0xA0 : 0x80;
        unsigned char hi = p[0] == 0xED ? 0x9F : 0xBF;

        return n >= 3 && p[1] >= lo && p[1] <= hi && (p[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        unsigned char lo = p[0] == 0xF0 ? 0x90 : 0x80;
        unsigned char hi = p[0] == 0xF4 ? 0x8F : 0xBF;

        return n >= 4 && p[1] >= lo && p[1] <= hi && (p[2] & 0xC0) == 0x80 && (p[3] & 0xC0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;

    while (i < s.n) {
        uint64_t word;
        size_t len;

        while (i + 8 <= s.n) { /* ASCII, eight bytes at a time */
            memcpy(&word, p + i, 8);
            if ((word & 0x8080808080808080ull) != 0) {
                break;
            }
            i += 8;
        }
        if (i >= s.n) {
            break;
        }
        len = utf8_len(p + i, s.n - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

void hex_encode(const uint8_t *src, size_t n, char *dst)
{
    static const char DIGITS[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = DIGITS[src[i] >> 4];
        dst[2 * i + 1] = DIGITS[src[i] & 15];
    }
    dst[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct str s, uint8_t *dst, size_t n)
{
    if (s.n != 2 * n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(s.p[2 * i]);
        int lo = hex_digit(s.p[2 * i + 1]);

        if (hi < 0 || lo < 0) {
            return false;
        }
        dst[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}
