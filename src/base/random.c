/* SPDX-License-Identifier: Apache-2.0
 *
 * getrandom(2) and SplitMix64 (Steele, Lea, Flood 2014).
 */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/hash.h"

void random_bytes(void *dst, size_t n)
{
    unsigned char *p = dst;

    while (n != 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno != EINTR) {
            abort();
        }
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

uint64_t random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    return hash_u64(*state);
}
