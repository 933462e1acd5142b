/* SPDX-License-Identifier: Apache-2.0
 *
 * Growth for every VEC(T): doubling, overflow-checked.
 */
#include "base/vec.h"

#include <stdbool.h>

_Bool vec_grow_(void **v, size_t *cap, size_t n, size_t more, size_t size)
{
    size_t need;
    size_t want;
    size_t bytes;
    void *p;

    if (__builtin_add_overflow(n, more, &need)) {
        return false;
    }
    if (need <= *cap) {
        return true;
    }
    want = *cap < 4 ? 8 : *cap;
    while (want < need) {
        if (__builtin_mul_overflow(want, (size_t)2, &want)) {
            return false;
        }
    }
    if (__builtin_mul_overflow(want, size, &bytes)) {
        return false;
    }
    p = mem_try_realloc(*v, bytes);
    if (p == NULL) {
        return false;
    }
    *v = p;
    *cap = want;
    return true;
}
