/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of native histograms: which schema is left, and that what fits is not touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ingest/scrape/native_limit.h"

static const struct {
    int32_t schema, schema_max;
    uint64_t limit;
    size_t buckets; /* of each sign, indexes 1, 2, ... */
    int want;       /* 0: it fits or was made to */
    int32_t want_schema;
    size_t want_buckets; /* of both signs */
} ROWS[] = {
    {3, 8, 0, 10, 0, 3, 20}, {3, 8, 20, 10, 0, 3, 20},   {3, 8, 19, 10, 0, 2, 10},
    {3, 8, 4, 10, 0, 0, 4},  {3, 1, 0, 10, 0, 1, 6},     {3, 1, 5, 10, 0, 0, 4},
    {3, 8, 1, 10, 1, 0, 0},  {-4, 8, 1, 1, 1, 0, 0},     {-4, 8, 2, 1, 0, -4, 2},
    {-53, 8, 3, 4, 1, 0, 0}, {-53, -4, 8, 4, 0, -53, 8}, {-53, 8, 0, 4, 0, -53, 8},
    {0, -4, 0, 3, 0, -4, 2},
};

static void test_rows(void **state)
{
    struct native_histogram scratch = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct native_histogram h = {.schema = ROWS[i].schema};
        const struct native_histogram *got = &h;

        for (size_t k = 1; k <= ROWS[i].buckets; k++) {
            assert_int_equal(native_push(&h.positive, (int32_t)k, 1), 0);
            assert_int_equal(native_push(&h.negative, (int32_t)k, 2), 0);
        }
        h.count = 3 * (double)ROWS[i].buckets;
        assert_int_equal(native_limit(&got, ROWS[i].limit, ROWS[i].schema_max, &scratch),
                         ROWS[i].want);
        if (ROWS[i].want == 0) {
            double sum = 0;

            assert_int_equal(got->schema, ROWS[i].want_schema);
            assert_int_equal(got->positive.n + got->negative.n, ROWS[i].want_buckets);
            for (size_t k = 0; k < got->positive.n; k++) {
                sum += got->positive.v[k].count + got->negative.v[k].count;
            }
            assert_true(sum == got->count);
            assert_int_equal(got == &h, ROWS[i].schema == ROWS[i].want_schema);
        }
        assert_int_equal(h.positive.n, ROWS[i].buckets); /* as it was */
        native_done(&h);
    }
    native_done(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
