/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameter texts: any bytes may arrive percent-encoded. Checks that what a parser cuts lies inside its input.
 */
#include <stdlib.h>

#include "api/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_lie_inside(struct str part, struct str whole)
{
    if (part.n != 0 && (part.p < whole.p || part.p + part.n > whole.p + whole.n)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = str_of((const char *)data, size);
    struct str rest = s;
    struct str term;
    struct condition condition;
    struct cursor cursor;
    int64_t number = 0;
    bool negate;

    if (parse_prom_time(s, &number) || parse_prom_duration(s, &number)) {
        (void)number;
    }
    if (parse_duration_ns(s, &number) && number < 0) {
        abort();
    }
    if (parse_cursor(s, &cursor)) {
        (void)cursor;
    }
    if (parse_condition(s, &condition)) {
        must_lie_inside(condition.field.name, s);
        if (condition.field.name.n == 0) {
            abort();
        }
    }
    while (parse_next_term(&rest, &term, &negate)) {
        must_lie_inside(term, s);
    }
    return 0;
}
