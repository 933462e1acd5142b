/* SPDX-License-Identifier: Apache-2.0
 *
 * The shortest decimal that reads back as the same double: what every JSON answer writes per point.
 * Source: R. Giulietti, "The Schubfach way to render doubles", 2020/2021.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

enum { DECIMAL_TEXT_MAX = 352 }; /* the smallest double without exponent, sign and zeros included */

struct decimal {
    uint64_t digits; /* 1..17 digits, the last one not 0 unless the value is */
    int exponent;    /* value = digits * 10^exponent */
};

/** Of a finite v >= 0. Of the shortest decimals that round to v (ties to even), the closest one. */
struct decimal decimal_shortest(double v);

/** Digits of n, most significant first, without terminator. @param dst room for 20 @return how many */
size_t decimal_write(uint64_t n, char *dst);
/** Text of any double: NaN, +Inf, -Inf, an exponent ("1e+21") when the decimal exponent is < low or >= high, else
 * digits with a point. @param dst room for DECIMAL_TEXT_MAX @return length, no terminator */
size_t decimal_text(double v, int low, int high, char *dst);

#endif
