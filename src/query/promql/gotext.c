/* SPDX-License-Identifier: Apache-2.0
 *
 * Written against the Go language specification and the documentation of strconv; see gotext.h.
 */
#include "query/promql/gotext.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <wctype.h>

enum { RUNE_ERROR = 0xfffd, RUNE_MAX = 0x10ffff };

int32_t go_rune(struct str s, size_t *ret_n)
{
    static const int32_t min_of[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n;
    int32_t r;

    *ret_n = s.n != 0;
    if (s.n == 0) {
        return -1;
    }
    if (p[0] < 0x80) {
        return p[0];
    }
    n = p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    if (n == 0 || n > s.n || p[0] >= 0xf8) {
        return RUNE_ERROR;
    }
    r = p[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return RUNE_ERROR;
        }
        r = (r << 6) | (p[i] & 0x3f);
    }
    if (r < min_of[n] || r > RUNE_MAX || (r >= 0xd800 && r < 0xe000)) {
        return RUNE_ERROR;
    }
    *ret_n = n;
    return r;
}

void go_add_rune(struct buf *dst, int32_t r)
{
    if (r < 0 || r > RUNE_MAX || (r >= 0xd800 && r < 0xe000)) {
        r = RUNE_ERROR;
    }
    if (r < 0x80) {
        buf_add_byte(dst, (char)r);
        return;
    }
    if (r < 0x800) {
        buf_add_byte(dst, (char)(0xc0 | (r >> 6)));
    } else {
        if (r < 0x10000) {
            buf_add_byte(dst, (char)(0xe0 | (r >> 12)));
        } else {
            buf_add_byte(dst, (char)(0xf0 | (r >> 18)));
            buf_add_byte(dst, (char)(0x80 | ((r >> 12) & 0x3f)));
        }
        buf_add_byte(dst, (char)(0x80 | ((r >> 6) & 0x3f)));
    }
    buf_add_byte(dst, (char)(0x80 | (r & 0x3f)));
}

/** unicode.IsPrint without its tables: controls, format characters, odd spaces and the private planes. */
static bool is_print(int32_t r)
{
    return !(r < 0x20 || (r >= 0x7f && r <= 0xa0) || r == 0xad || (r >= 0x2000 && r <= 0x200f) ||
             (r >= 0x2028 && r <= 0x202f) || (r >= 0x205f && r <= 0x206f) || r == 0x3000 ||
             (r >= 0xe000 && r <= 0xf8ff) || r == 0xfeff || r == 0x1680 || r >= 0xe0000);
}

static void add_escaped_rune(struct buf *dst, int32_t r, char quote)
{
    static const char letters[] = "abtnvfr"; /* 7..13 */

    if (r == quote || r == '\\') {
        buf_add_byte(dst, '\\');
        buf_add_byte(dst, (char)r);
    } else if (r >= 7 && r <= 13) {
        buf_add_byte(dst, '\\');
        buf_add_byte(dst, letters[r - 7]);
    } else if (is_print(r)) {
        go_add_rune(dst, r);
    } else if (r < 0x20 || r == 0x7f) {
        buf_printf(dst, "\\x%02x", (unsigned)r);
    } else {
        buf_printf(dst, r < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)r);
    }
}

void go_quote(struct str s, struct buf *dst)
{
    buf_add_byte(dst, '"');
    while (s.n != 0) {
        size_t n;
        int32_t r = go_rune(s, &n);

        if (r == RUNE_ERROR && n == 1) {
            buf_printf(dst, "\\x%02x", (unsigned)(unsigned char)s.p[0]);
        } else {
            add_escaped_rune(dst, r, '"');
        }
        s = str_drop(s, n);
    }
    buf_add_byte(dst, '"');
}

void go_quote_rune(int32_t r, struct buf *dst)
{
    buf_add_byte(dst, '\'');
    add_escaped_rune(dst, r < 0 ? RUNE_ERROR : r, '\'');
    buf_add_byte(dst, '\'');
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 99;
}

/** The escape after a backslash; *s is moved behind it. A byte escape adds a byte, \u and \U a rune. */
static bool unescape(struct str *s, char quote, struct buf *dst)
{
    static const char from[] = "abfnrtv\\";
    static const char to[] = "\a\b\f\n\r\t\v\\";
    char c = s->p[0];
    const char *hit = c != '\0' ? strchr(from, c) : NULL;
    int base = 16;
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    int64_t v = 0;

    if (c == quote || hit != NULL) {
        buf_add_byte(dst, c == quote ? c : to[hit - from]);
        *s = str_drop(*s, 1);
        return true;
    }
    if (c >= '0' && c <= '7') {
        base = 8;
        digits = 3;
    } else {
        *s = str_drop(*s, 1);
    }
    if (digits == 0 || s->n < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        int d = hex_value(s->p[i]);

        if (d >= base) {
            return false;
        }
        v = v * base + d;
    }
    *s = str_drop(*s, digits);
    if (digits <= 3) {
        buf_add_byte(dst, (char)v);
        return v <= 255;
    }
    go_add_rune(dst, (int32_t)(v > RUNE_MAX ? RUNE_ERROR : v));
    return v <= RUNE_MAX && !(v >= 0xd800 && v < 0xe000);
}

bool go_unquote(struct str literal, struct arena *a, struct str *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s;
    char quote;

    if (literal.n < 2 || literal.p[0] != literal.p[literal.n - 1]) {
        return false;
    }
    quote = literal.p[0];
    s = str_of(literal.p + 1, literal.n - 2);
    if (quote == '`' || str_find_byte(s, '\\') < 0) {
        *ret = s;
        return true;
    }
    buf_init(&b, s.n * 4 + 8);
    while (s.n != 0) {
        if (s.p[0] != '\\') {
            buf_add_byte(&b, s.p[0]);
            s = str_drop(s, 1);
            continue;
        }
        s = str_drop(s, 1);
        if (s.n == 0 || !unescape(&s, quote, &b)) {
            return false;
        }
    }
    *ret = arena_str_dup(a, buf_str(&b));
    return !b.failed && (ret->p != NULL || ret->n == 0);
}

/** 10^0 .. 10^27, all exact with the 64-bit mantissa of long double. */
static const long double powers_of_ten[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                            1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                            1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                            1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

/** Does the decimal m * 10^-k read back as v? @return 1, 0, or -1 when too close to tell */
static int reads_back(uint64_t m, int k, double v, long double half_gap)
{
    long double back =
        k >= 0 ? (long double)m / powers_of_ten[k] : (long double)m * powers_of_ten[-k];
    long double off = fabsl(back - (long double)v);

    /* back is wrong by at most 2^-64 of v, which is 2^-10 of half_gap */
    return off < half_gap * 0.995L ? 1 : off > half_gap * 1.005L ? 0 : -1;
}

/** shortest_digits() without printf and strtod, for most values of everyday size. Wherever rounding of the
 * extended arithmetic could decide, it gives up. @return digits, 0: not sure */
static size_t fast_digits(double v, char digits[32], int *ret_exp)
{
    int e = (int)floor(log10(v)); /* v = d.ddd * 10^e, or one less at a power of ten */
    long double half_gap;
    uint64_t m = 0;
    size_t n = 0;
    int k = 0;
    int unused;
    char reversed[24];

    if (e < -9 || e > 17 || LDBL_MANT_DIG < 64 || frexp(v, &unused) == 0.5) {
        return 0; /* the gap below a power of two is smaller than the one above */
    }
    half_gap = ((long double)nextafter(v, INFINITY) - (long double)v) / 2;
    for (int p = 15; p <= 17; p++) {
        long double scaled;
        long double whole;
        long double part;
        int ok;

        k = p - 1 - e;
        scaled = k >= 0 ? (long double)v * powers_of_ten[k] : (long double)v / powers_of_ten[-k];
        whole = floorl(scaled);
        part = scaled - whole;
        if (part > 0.45L && part < 0.55L) {
            return 0;
        }
        m = (uint64_t)whole + (part > 0.5L);
        ok = reads_back(m, k, v, half_gap);
        if (ok < 0 || (ok == 0 && p == 17)) {
            return 0;
        }
        if (ok > 0) {
            break;
        }
    }
    *ret_exp = -k;
    for (uint64_t rest = m; rest != 0; rest /= 10) {
        (*ret_exp)++;
    }
    while (m % 10 == 0) {
        m /= 10;
    }
    for (; m != 0; m /= 10) {
        reversed[n++] = (char)('0' + m % 10);
    }
    for (size_t i = 0; i < n; i++) {
        digits[i] = reversed[n - 1 - i];
    }
    return n;
}

/** Shortest decimal digits of a finite v > 0: d1d2...dn with value 0.d1d2...dn * 10^*ret_exp. */
static size_t shortest_digits(double v, char digits[32], int *ret_exp)
{
    char text[40] = "";
    int from = v < 2.3e-308 ? 1 : 15; /* subnormals carry fewer digits */
    size_t n = fast_digits(v, digits, ret_exp);
    const char *e;

    if (n != 0) {
        return n;
    }
    for (int p = from; p <= 17; p++) {
        snprintf(text, sizeof(text), "%.*e", p - 1, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    e = strchr(text, 'e');
    for (const char *c = text; c < e; c++) {
        if (*c != '.') {
            digits[n++] = *c;
        }
    }
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    *ret_exp = (int)strtol(e + 1, NULL, 10) + 1;
    return n;
}

static void add_zeros(struct buf *dst, int n)
{
    for (int i = 0; i < n; i++) {
        buf_add_byte(dst, '0');
    }
}

/** Written with an exponent when the decimal exponent is < low or >= high. */
static void add_f64(struct buf *dst, double v, int low, int high)
{
    char digits[32] = "";
    size_t n;
    int e;

    if (isnan(v) || isinf(v)) {
        buf_add_cstr(dst, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    if (signbit(v)) {
        buf_add_byte(dst, '-');
        v = -v;
    }
    if (v < 1e15 && v == (double)(uint64_t)v && (high > 15 || v < 1e6)) {
        buf_add_u64(dst, (uint64_t)v);
        return;
    }
    n = shortest_digits(v, digits, &e);
    if (e - 1 < low || e - 1 >= high) {
        buf_add_byte(dst, digits[0]);
        if (n > 1) {
            buf_add_byte(dst, '.');
            buf_add(dst, digits + 1, n - 1);
        }
        buf_printf(dst, "e%c%02d", e - 1 < 0 ? '-' : '+', abs(e - 1));
    } else if (e <= 0) {
        buf_add_cstr(dst, "0.");
        add_zeros(dst, -e);
        buf_add(dst, digits, n);
    } else if ((size_t)e >= n) {
        buf_add(dst, digits, n);
        add_zeros(dst, e - (int)n);
    } else {
        buf_add(dst, digits, (size_t)e);
        buf_add_byte(dst, '.');
        buf_add(dst, digits + e, n - (size_t)e);
    }
}

void go_add_f64(struct buf *dst, double v)
{
    add_f64(dst, v, -1000, 1000);
}

void go_add_f64_json(struct buf *dst, double v)
{
    add_f64(dst, v, -6, 21);
}

void go_add_f64_v(struct buf *dst, double v)
{
    add_f64(dst, v, -4, 6);
}

void go_add_duration(struct buf *dst, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
        bool exact; /* only when nothing is left over */
    } units[] = {
        {"y", 31536000000, true}, {"w", 604800000, true}, {"d", 86400000, false},
        {"h", 3600000, false},    {"m", 60000, false},    {"s", 1000, false},
        {"ms", 1, false},
    };

    if (ms == 0) {
        buf_add_cstr(dst, "0s");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if ((units[i].exact && ms % units[i].ms != 0) || ms < units[i].ms) {
            continue;
        }
        buf_add_i64(dst, ms / units[i].ms);
        buf_add_cstr(dst, units[i].unit);
        ms %= units[i].ms;
    }
}
