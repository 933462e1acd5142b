/* SPDX-License-Identifier: Apache-2.0
 *
 * Randomness: from the kernel for secrets, a small generator with an explicit seed for everything else.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** Fill with kernel randomness; never fails (aborts when the kernel has none). */
void random_bytes(void *dst, size_t n);

/** SplitMix64 step; `state` belongs to the caller. Not for secrets. */
uint64_t random_next(uint64_t *state);

#endif
