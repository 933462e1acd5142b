/* SPDX-License-Identifier: Apache-2.0
 *
 * Schubfach: the interval of reals that round to v is scaled by a power of ten so that it holds at least one
 * and at most ten integers; one of at most four candidates is the answer. All products are 64 x 128 bits with
 * a table of powers of ten (tools/make_pow10), rounded to odd, which keeps every comparison exact.
 */
#include "base/decimal.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "pow10_table.h"

__extension__ typedef unsigned __int128 uint128;

enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1023 + MANTISSA_BITS };

static const uint64_t HIDDEN_BIT = 1ull << MANTISSA_BITS;

/** floor(e * log2(10)), exact for |e| <= 1233. */
static inline int log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/** floor(e * log10(2)), or of 3/4 * 2^e when the interval below v is the narrow one. */
static inline int log10_pow2(int e, bool narrow)
{
    return (e * 1262611 - (narrow ? 524031 : 0)) >> 22;
}

/** The upper 64 bits of g * n, with the last bit set when anything below is not 0. */
static inline uint64_t round_to_odd(struct pow10 g, uint64_t n)
{
    uint128 low = (uint128)g.lo * n;
    uint128 high = (uint128)g.hi * n + (uint64_t)(low >> 64);

    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static struct decimal scaled(uint64_t c, int q, bool narrow)
{
    uint64_t odd = c & 1; /* an odd mantissa does not own the ends of its interval */
    int k = log10_pow2(q, narrow);
    int h = q + log2_pow10(-k) + 1;
    struct pow10 g = pow10_table[-k - POW10_MIN];
    uint64_t lower = round_to_odd(g, (4 * c - 2 + narrow) << h) + odd;
    uint64_t value = round_to_odd(g, (4 * c) << h);
    uint64_t upper = round_to_odd(g, (4 * c + 2) << h) - odd;
    uint64_t s = value / 4;
    bool up;
    bool down;

    if (s >= 10) {
        uint64_t tens = s / 10;

        down = lower <= 40 * tens;
        up = 40 * tens + 40 <= upper;
        if (up != down) {
            return (struct decimal){tens + up, k + 1};
        }
    }
    down = lower <= 4 * s;
    up = 4 * s + 4 <= upper;
    if (up != down) {
        return (struct decimal){s + up, k};
    }
    return (struct decimal){s + (value > 4 * s + 2 || (value == 4 * s + 2 && (s & 1) != 0)), k};
}

static struct decimal without_zeros(struct decimal d)
{
    while (d.digits != 0 && d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    return d;
}

struct decimal decimal_shortest(double v)
{
    uint64_t bits;
    uint64_t mantissa;
    int exponent;
    int q;

    memcpy(&bits, &v, sizeof(bits));
    mantissa = bits & (HIDDEN_BIT - 1);
    exponent = (int)(bits >> MANTISSA_BITS) & 0x7ff;
    if (exponent == 0) {
        return mantissa == 0 ? (struct decimal){0, 0}
                             : without_zeros(scaled(mantissa, 1 - EXPONENT_BIAS, false));
    }
    q = exponent - EXPONENT_BIAS;
    if (q <= 0 && q > -53 && ((HIDDEN_BIT | mantissa) & ((1ull << -q) - 1)) == 0) {
        return without_zeros((struct decimal){(HIDDEN_BIT | mantissa) >> -q, 0});
    }
    return without_zeros(scaled(HIDDEN_BIT | mantissa, q, mantissa == 0 && exponent > 1));
}

/** How many digits n has. */
static unsigned digits_of(uint64_t n)
{
    static const uint64_t POWERS[] = {0,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000,
                                      1000000000000000000,
                                      10000000000000000000u};
    unsigned bits = 64 - (unsigned)__builtin_clzll(n | 1);
    unsigned guess = bits * 1233 >> 12; /* of bits * log10(2), one too few at most */

    return guess + (n >= POWERS[guess] ? 1 : 0);
}

size_t decimal_write(uint64_t n, char *dst)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    size_t len = digits_of(n);
    char *at = dst + len;

    while (n >= 100) {
        at -= 2;
        memcpy(at, pairs + 2 * (n % 100), 2);
        n /= 100;
    }
    if (n >= 10) {
        memcpy(dst, pairs + 2 * n, 2);
    } else {
        *dst = (char)('0' + n);
    }
    return len;
}

/* Digits are copied in blocks of a fixed size, which is a few moves and no call; what is too much of it is written over
 * or is behind the end. */
enum { BLOCK = 24, DIGITS_ROOM = 2 * BLOCK };

static size_t text_fixed(const char digits[DIGITS_ROOM], int n, int point, char *dst)
{
    if (point <= 0) {
        memcpy(dst, "0.", 2);
        memset(dst + 2, '0', (size_t)-point);
        memcpy(dst + 2 - point, digits, BLOCK);
        return 2 + (size_t)-point + (size_t)n;
    }
    memcpy(dst, digits, BLOCK);
    if (point >= n) {
        memset(dst + n, '0', (size_t)(point - n));
        return (size_t)point;
    }
    dst[point] = '.';
    memcpy(dst + point + 1, digits + point, BLOCK);
    return (size_t)n + 1;
}

static size_t text_scientific(const char *digits, int n, int exponent, char *dst)
{
    uint64_t e = (uint64_t)(exponent < 0 ? -exponent : exponent);
    char *at = dst;

    *at++ = digits[0];
    if (n > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, (size_t)n - 1);
        at += n - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    if (e < 10) {
        *at++ = '0';
    }
    return (size_t)(at - dst) + decimal_write(e, at);
}

size_t decimal_text(double v, int low, int high, char *dst)
{
    char digits[DIGITS_ROOM] = {0};
    struct decimal d;
    size_t sign = 0;
    int n;
    int exponent;

    if (isnan(v)) {
        memcpy(dst, "NaN", 3);
        return 3;
    }
    if (isinf(v)) {
        memcpy(dst, v > 0 ? "+Inf" : "-Inf", 4);
        return 4;
    }
    if (signbit(v)) {
        *dst++ = '-';
        sign = 1;
        v = -v;
    }
    d = decimal_shortest(v);
    n = (int)decimal_write(d.digits, digits);
    exponent = n - 1 + d.exponent;
    if (v != 0 && (exponent < low || exponent >= high)) {
        return sign + text_scientific(digits, n, exponent, dst);
    }
    return sign + text_fixed(digits, n, exponent + 1, dst);
}
