/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of a sketch's registers after n distinct hashes, drawn exactly without adding them one by one: with c[k]
 * registers of value k, the next hash changes one with probability p = sum of c[k] 2^-k / m, so the number of hashes up to
 * the next change is geometric; the register that changes has value k with probability c[k] 2^-k / (m p), and its new
 * value is k + 1, k + 2, ... with probability 1/2, 1/4, ... A set of 10^8 costs about 150,000 steps.
 * Sets of up to 20,000 are added hash by hash, so that lists and their change to registers are in it.
 */
#ifndef APM_TESTS_HLL_SIM_H
#define APM_TESTS_HLL_SIM_H

#include <math.h>

#include "apm/hll.h"
#include "base/random.h"

enum { HLL_SIM_REAL = 20000 };

/* In (0, 1]. */
static inline double hll_sim_uniform(uint64_t *seed)
{
    return (double)((random_next(seed) >> 11) + 1) * 0x1p-53;
}

static inline int hll_sim_class(const uint32_t c[HLL_RANKS], double weight, uint64_t *seed)
{
    double at = hll_sim_uniform(seed) * weight;
    int last = 0;

    for (int k = 0; k < HLL_RANKS - 1; k++) {
        if (c[k] != 0) {
            last = k;
            at -= ldexp(c[k], -k);
            if (at <= 0) {
                break;
            }
        }
    }
    return last;
}

static inline void hll_sim(uint32_t c[HLL_RANKS], double n, uint64_t *seed)
{
    double weight = HLL_REGISTERS; /* sum of c[k] 2^-k: exact, as these are dyadic */

    memset(c, 0, HLL_RANKS * sizeof(*c));
    c[0] = HLL_REGISTERS;
    while (weight > 0) {
        double p = weight / HLL_REGISTERS;
        double wait = p >= 1 ? 1 : 1 + floor(log(hll_sim_uniform(seed)) / log1p(-p));
        int k;
        int to;

        if (wait > n) {
            return;
        }
        n -= wait;
        k = hll_sim_class(c, weight, seed);
        to = k + 1 + __builtin_ctzll(random_next(seed) | 1ull << 63);
        to = to < HLL_RANKS - 1 ? to : HLL_RANKS - 1;
        c[k]--;
        c[to]++;
        weight -= ldexp(1, -k);
        weight += to < HLL_RANKS - 1 ? ldexp(1, -to) : 0;
    }
}

/* The estimate of a random set of n. */
static inline double hll_sim_estimate(double n, uint64_t *seed)
{
    uint32_t c[HLL_RANKS];
    struct hll h = {0};
    double estimate;

    if (n > HLL_SIM_REAL) {
        hll_sim(c, n, seed);
        return hll_estimate_counts(c);
    }
    for (double i = 0; i < n; i++) {
        if (hll_add(&h, random_next(seed)) < 0) {
            break; /* without memory the error shows it */
        }
    }
    estimate = hll_estimate(&h);
    hll_done(&h);
    return estimate;
}

#endif
