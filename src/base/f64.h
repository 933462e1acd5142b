/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubles as their bits, for what must come back exactly: NaN payloads, -0 and infinities are values like others.
 */
#ifndef BASE_F64_H
#define BASE_F64_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t f64_bits(double v)
{
    uint64_t b;

    memcpy(&b, &v, sizeof(b));
    return b;
}

static inline double f64_of_bits(uint64_t b)
{
    double v;

    memcpy(&v, &b, sizeof(v));
    return v;
}

/** Bit by bit: a NaN is the same as itself, 0 is not -0. */
static inline bool f64_same(double a, double b)
{
    return f64_bits(a) == f64_bits(b);
}

#endif
