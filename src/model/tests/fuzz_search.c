/* SPDX-License-Identifier: Apache-2.0
 *
 * Any pattern looked for in any text, split at the first newline: bounded time, and no text is found without
 * one of the literals that were promised.
 */
#include <stdlib.h>

#include "model/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool holds(struct str text, struct str literal, bool nocase)
{
    for (size_t i = 0; i + literal.n <= text.n; i++) {
        size_t k = 0;

        while (k < literal.n && (text.p[i + k] == literal.p[k] ||
                                 (nocase && lower(text.p[i + k]) == lower(literal.p[k])))) {
            k++;
        }
        if (k == literal.n) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_of((const char *)data, size);
    int64_t nl = str_find_byte(all, '\n');
    struct str text = nl < 0 ? str_of(NULL, 0) : str_drop(all, (size_t)nl + 1);
    struct search *s = NULL;
    const struct str *literals;
    bool nocase;
    bool any = false;
    size_t n = 0;

    if (search_new(nl < 0 ? all : str_take(all, (size_t)nl), &s, NULL) != 0) {
        return 0;
    }
    literals = search_literals(s, &n, &nocase);
    for (size_t i = 0; literals != NULL && i < n; i++) {
        any = any || holds(text, literals[i], nocase);
    }
    if (literals != NULL && !any && search_found_slowly(s, text)) {
        abort();
    }
    if (search_found(s, text) != search_found_slowly(s, text)) {
        abort();
    }
    search_free(s);
    return 0;
}
