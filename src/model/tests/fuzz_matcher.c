/* SPDX-License-Identifier: Apache-2.0
 *
 * Any pattern against any value, split at the first newline: bounded time, and the shortcuts agree with
 * what they promise (literals match, the prefix holds).
 */
#include <stdlib.h>

#include "model/matcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_of((const char *)data, size);
    int64_t nl = str_find_byte(all, '\n');
    struct str pattern = nl < 0 ? all : str_take(all, (size_t)nl);
    struct str value = nl < 0 ? str_of(NULL, 0) : str_drop(all, (size_t)nl + 1);
    struct matcher *re = NULL;
    struct matcher *nre = NULL;
    const struct str *literals;
    size_t n = 0;
    bool hit;

    if (matcher_new(MATCH_RE, STR("a"), pattern, &re, NULL) != 0) {
        return 0;
    }
    hit = matcher_matches(re, value);
    if (matcher_new(MATCH_NRE, STR("a"), pattern, &nre, NULL) != 0 ||
        matcher_matches(nre, value) == hit || (hit && !str_starts(value, matcher_prefix(re)))) {
        abort();
    }
    literals = matcher_literals(re, &n);
    for (size_t i = 0; literals != NULL && i < n; i++) {
        if (!matcher_matches(re, literals[i])) {
            abort();
        }
    }
    matcher_free(re);
    matcher_free(nre);
    return 0;
}
