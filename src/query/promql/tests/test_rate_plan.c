/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan gives to the last bit what the range functions give window by window, for any times, steps and counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "model/samples.h"
#include "query/promql/rate_plan.h"

enum { SAMPLES = 300, STEPS = 130, ROUNDS = 300, SERIES = 6 };

static uint64_t below(uint64_t n)
{
    static uint64_t seed = 7;

    return random_next(&seed) % n;
}

/** The window function at one step. */
static bool slow(const struct rate_grid *g, const int64_t *t, const double *v, size_t n,
                 size_t step, double *ret)
{
    struct stretch s = {0};
    int64_t end = g->end_ms + (int64_t)step * g->step_ms;
    struct window w = {.start_ms = end - g->range_ms,
                       .end_ms = end,
                       .range_s = (double)g->range_ms / 1000,
                       .compat_2x = !g->left_open,
                       .stretch = &s};
    size_t lo = 0;
    size_t hi = 0;

    while (hi < n && t[hi] <= end) {
        hi++;
    }
    while (lo < hi && t[lo] < w.start_ms + (g->left_open ? 1 : 0)) {
        lo++;
    }
    if (lo == hi) {
        return false;
    }
    w.t_ms = t + lo;
    w.v = v + lo;
    w.n = hi - lo;
    return !g->counter     ? window_delta(&w, ret)
           : g->per_second ? window_rate(&w, ret)
                           : window_increase(&w, ret);
}

static void make_series(int64_t *t, double *v, size_t n, bool again, bool counter)
{
    int64_t gap = (int64_t)below(30000) + 1;
    int64_t now = (int64_t)below(100000);

    v[0] = below(2) ? 0 : (double)below(1000);
    for (size_t i = 0; i < n; i++) {
        if (!again) {
            t[i] = now;
            now += below(10) == 0 ? (int64_t)below(200000) + 1 : gap;
        }
        if (i > 0) {
            v[i] = counter ? v[i - 1] + (double)below(50) / 8 : (double)below(1000) - 500;
        }
    }
}

static struct rate_grid make_grid(void)
{
    bool counter = below(3) != 0;

    return (struct rate_grid){.steps = STEPS - below(3) * 60,
                              .end_ms = (int64_t)below(300000),
                              .step_ms = (int64_t)below(3) * 15000,
                              .range_ms = (int64_t)below(600000) + 1,
                              .left_open = below(2) != 0,
                              .counter = counter,
                              .per_second = counter && below(2) != 0};
}

static void same_as_windows(void **arg)
{
    int64_t t[SAMPLES];
    double v[SAMPLES];
    double dst[STEPS];
    unsigned planned = 0;

    (void)arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct rate_grid g = make_grid();
        struct rate_plan p = {0};
        size_t n = below(SAMPLES) + 1;

        for (unsigned k = 0; k < SERIES; k++) {
            make_series(t, v, n, k % 4 != 0, g.counter);
            if (!rate_plan_fits(&p, &g, t, n)) {
                continue;
            }
            planned++;
            rate_plan_walk(&p, &g, v, dst);
            for (size_t i = 0; i < g.steps; i++) {
                double want = 0;
                bool has = slow(&g, t, v, n, i, &want);

                assert_int_equal(has, (p.has[i / 64] >> (i % 64)) & 1);
                assert_true(!has || want == dst[i]);
            }
        }
        rate_plan_done(&p);
    }
    assert_true(planned > ROUNDS);
}

static void made_at_once_after_a_good_one(void **arg)
{
    const struct rate_grid g = {
        .steps = 10, .end_ms = 60000, .step_ms = 15000, .range_ms = 60000, .left_open = true};
    const int64_t a[] = {0, 15000, 30000, 45000};
    const int64_t b[] = {5000, 20000, 35000, 50000};
    struct rate_plan p = {0};

    (void)arg;
    assert_false(rate_plan_fits(&p, &g, a, 4));
    assert_true(rate_plan_fits(&p, &g, a, 4));
    assert_false(rate_plan_fits(&p, &g, b, 4)); /* used once */
    assert_true(rate_plan_fits(&p, &g, b, 4));
    assert_true(rate_plan_fits(&p, &g, b, 4));
    assert_true(rate_plan_fits(&p, &g, a, 4)); /* used twice */
    assert_false(rate_plan_fits(&p, &g, b, 4));
    assert_false(rate_plan_fits(&p, &g, a, 1));
    rate_plan_done(&p);
}

static void finds_marks_and_resets(void **arg)
{
    double v[40];

    (void)arg;
    for (size_t at = 0; at < 40; at++) {
        for (size_t i = 0; i < 40; i++) {
            v[i] = (double)i;
        }
        assert_false(values_any_stale(v, 40));
        assert_false(values_any_reset(v, 40));
        v[at] = sample_stale();
        assert_true(values_any_stale(v, 40));
        assert_false(values_any_reset(v, 40));
        v[at] = at == 0 ? 2 : (double)at - 1.5;
        assert_false(values_any_stale(v, 40));
        assert_true(values_any_reset(v, 40));
        assert_false(values_any_reset(v, at));
    }
    assert_false(values_any_reset(v, 0));
    assert_false(values_any_reset(v, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_windows),
        cmocka_unit_test(made_at_once_after_a_good_one),
        cmocka_unit_test(finds_marks_and_resets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
