/* SPDX-License-Identifier: Apache-2.0
 *
 * A borrowed slice of bytes, passed by value; never assumed NUL-terminated, never owned. What it points
 * at must outlive it. Numbers are parsed strictly: the whole slice or an error.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

struct str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;      /* bytes */
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/** For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).n, (s).n != 0 ? (s).p : ""

static inline struct str str_of(const char *p, size_t n)
{
    return (struct str){p, n};
}

static inline struct str str_cstr(const char *c)
{
    return (struct str){c, c != NULL ? strlen(c) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/** Byte order, as Go and Prometheus compare strings. @return <0, 0, >0 */
static inline int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n != 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/** Index of the first byte `c`, or -1. */
int64_t str_find_byte(struct str s, char c);
/** Index of the first occurrence of `needle`, or -1; an empty needle is found at 0. */
int64_t str_find(struct str s, struct str needle);
/** s[from, s.n); from beyond the end gives an empty slice. */
struct str str_drop(struct str s, size_t from);
struct str str_take(struct str s, size_t n);
/** Without leading and trailing space, tab, CR, LF. */
struct str str_trim(struct str s);
/**
 * Cut the next field ended by `sep` off the front of *rest.
 * @return false when nothing is left (an empty *rest with p == NULL); "a," gives "a" and "".
 */
bool str_split(struct str *rest, char sep, struct str *ret_field);

/** Decimal integer with optional sign. @return false when not all of it is a number in range. */
NODISCARD bool str_to_i64(struct str s, int64_t *ret);
NODISCARD bool str_to_u64(struct str s, uint64_t *ret);
/** Any form strtod accepts in the C locale except hexadecimal; also "Inf", "+Inf", "-Inf", "NaN". */
NODISCARD bool str_to_f64(struct str s, double *ret);
/** "30s", "5m", "1h30m", "15d", "500ms", "2w", "1y" (Prometheus durations: units falling,
 * each once) or plain seconds. Result ms >= 0. */
NODISCARD bool str_to_duration_ms(struct str s, int64_t *ret_ms);
/** "512", "64KiB", "20GB", "20G" (G = 10^9 with B, 2^30 with iB; a bare letter means the binary unit). */
NODISCARD bool str_to_bytes(struct str s, uint64_t *ret_bytes);

/** NUL-terminated heap copy, never NULL; free with mem_free(). For small, bounded strings. */
char *str_dup(struct str s);
/** True when all of it is valid UTF-8 (no surrogates, no overlong forms; RFC 3629). */
bool str_is_utf8(struct str s);

/** Lower-case hex of n bytes into dst[2n + 1], NUL-terminated. */
void hex_encode(const uint8_t *src, size_t n, char *dst);
/** @return false unless s is exactly 2n hex digits. */
NODISCARD bool hex_decode(struct str s, uint8_t *dst, size_t n);

#endif
