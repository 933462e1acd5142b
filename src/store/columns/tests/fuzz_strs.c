/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a column of strings: decoded, every text made, searched by templates. Input: 1 byte rows / 4, then the
 * payload. What a search says of a template must hold of the texts.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/columns/strs.h"
#include "store/columns/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_finds(const struct strs *s, struct str needle)
{
    const uint32_t *codes = templates_codes(s->templates);

    for (size_t i = 0; i < s->n; i++) {
        struct str text = strs_at(s, i);
        enum templates_hit hit = templates_find(s->templates, codes[i], needle, TEMPLATES_CASE);

        if (strs_status(s) == 0 && hit == TEMPLATES_ALL && str_find(text, needle) < 0) {
            abort();
        }
    }
}

/* Every third value by itself: the same text where both ways give one. */
static size_t pick_some(struct str payload, size_t n, struct arena *a)
{
    uint32_t at[1020 / 3 + 1] = {0};
    struct strs all;
    struct strs some;
    size_t k = 0;
    size_t sum = 0;

    for (size_t i = 1; i < n; i += 3) {
        at[k++] = (uint32_t)i;
    }
    if (strs_pick(payload, n, at, k, a, &some) < 0) {
        return 0;
    }
    for (size_t i = 0; i < k; i++) {
        struct str text = strs_at(&some, i);

        for (size_t j = 0; j < text.n; j++) {
            sum += (uint8_t)text.p[j];
        }
    }
    if (strs_decode(payload, n, a, &all) < 0) {
        return sum;
    }
    for (size_t i = 0; i < k; i++) {
        struct str text = strs_at(&all, at[i]);

        if (strs_status(&all) == 0 && !str_eq(text, strs_at(&some, i))) {
            abort();
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct strs s;
    size_t sum = 0;

    if (size < 2) {
        return 0;
    }
    arena_init(&a, 4 << 20);
    if (strs_decode(str_of((const char *)data + 1, size - 1), (size_t)data[0] * 4, &a, &s) == 0) {
        for (size_t i = 0; i < s.n; i++) {
            struct str text = strs_at(&s, i);

            for (size_t k = 0; k < text.n; k++) {
                sum += (uint8_t)text.p[k];
            }
        }
        if (s.form == STRS_TEMPLATES) {
            check_finds(&s, STR("user"));
            check_finds(&s, STR("9"));
        }
    }
    sum += pick_some(str_of((const char *)data + 1, size - 1), (size_t)data[0] * 4, &a);
    arena_done(&a);
    return sum == SIZE_MAX;
}
