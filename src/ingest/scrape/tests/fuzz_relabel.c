/* SPDX-License-Identifier: Apache-2.0
 *
 * Any rule over any labels: the result has unique, valid, non-empty labels. The input is lines: action,
 * sources, regex, target, replacement, separator, then name=value pairs.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "ingest/scrape/relabel.h"

enum { LABELS_MAX = 32, SOURCES_MAX = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str line(struct str *rest)
{
    struct str s = {0};

    return str_split(rest, '\n', &s) ? s : str_of("", 0);
}

static void check(struct labels ls)
{
    for (size_t i = 0; i < ls.n; i++) {
        if (ls.v[i].value.n == 0 || (i > 0 && str_cmp(ls.v[i - 1].name, ls.v[i].name) >= 0)) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_of((const char *)data, size);
    struct relabel_rule r = relabel_rule_default();
    const struct relabel rules = {&r, 1};
    struct str sources[SOURCES_MAX];
    struct str action = line(&rest);
    struct str names = line(&rest);
    struct labelset set = {0};
    struct str pair;
    struct arena a;

    arena_init(&a, 1 << 20);
    r.action =
        (enum relabel_action)((action.n != 0 ? (unsigned char)action.p[0] : 0) % RELABEL_COUNT);
    r.modulus = action.n > 1 ? (unsigned char)action.p[1] : 0;
    r.source = sources;
    while (r.source_n < SOURCES_MAX && str_split(&names, ',', &sources[r.source_n])) {
        r.source_n++;
    }
    r.pattern = line(&rest);
    r.target = line(&rest);
    r.replacement = line(&rest);
    r.separator = line(&rest);
    if (relabel_check(&r, NULL) == 0) {
        set.a = &a;
        while (set.n < LABELS_MAX && str_split(&rest, '\n', &pair)) {
            int64_t eq = str_find_byte(pair, '=');

            if (eq > 0) {
                labelset_set(&set, str_take(pair, (size_t)eq), str_drop(pair, (size_t)eq + 1));
            }
        }
        if (relabel_apply(&rules, &set, NULL)) {
            check(labelset_sort(&set));
        }
    }
    relabel_rule_done(&r);
    arena_done(&a);
    return 0;
}
