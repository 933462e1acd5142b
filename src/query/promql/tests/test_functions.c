/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything the documentation of Prometheus 3.15 names (querying/functions, querying/operators, feature flags) is
 * known, with the right arguments, and what is experimental there only with its feature.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "query/promql/promql.h"

static int parses(const char *query, unsigned features)
{
    struct buf out CLEANUP(buf_done) = {0};
    struct err e = {0};

    buf_init(&out, 1 << 16);
    return promql_format(str_cstr(query), (struct promql_syntax){.features = features}, &out, &e);
}

static void test_stable(void **state)
{
    static const char *const CALLS[] = {
        "abs(v)", "absent(v)", "absent_over_time(v[1m])", "ceil(v)", "changes(v[1m])",
        "clamp(v, 0, 1)", "clamp_max(v, 1)", "clamp_min(v, 1)", "day_of_month()", "day_of_month(v)",
        "day_of_week()", "day_of_week(v)", "day_of_year()", "day_of_year(v)", "days_in_month()",
        "days_in_month(v)", "delta(v[1m])", "deriv(v[1m])", "exp(v)", "floor(v)",
        "histogram_avg(v)", "histogram_count(v)", "histogram_sum(v)", "histogram_fraction(0, 1, v)",
        "histogram_quantile(0.9, v)", "histogram_stddev(v)", "histogram_stdvar(v)", "hour()",
        "hour(v)", "idelta(v[1m])", "increase(v[1m])", "irate(v[1m])",
        "label_join(v, \"a\", \",\", \"b\", \"c\")", "label_join(v, \"a\", \",\")",
        "label_replace(v, \"a\", \"$1\", \"b\", \"(.*)\")", "ln(v)", "log2(v)", "log10(v)",
        "minute()", "minute(v)", "month()", "month(v)", "predict_linear(v[1m], 60)", "rate(v[1m])",
        "resets(v[1m])", "round(v)", "round(v, 5)", "scalar(v)", "sgn(v)", "sort(v)",
        "sort_desc(v)", "sqrt(v)", "time()", "timestamp(v)", "vector(1)", "year()", "year(v)",
        "avg_over_time(v[1m])", "min_over_time(v[1m])", "max_over_time(v[1m])",
        "sum_over_time(v[1m])", "count_over_time(v[1m])", "quantile_over_time(0.5, v[1m])",
        "stddev_over_time(v[1m])", "stdvar_over_time(v[1m])", "last_over_time(v[1m])",
        "first_over_time(v[1m])", "present_over_time(v[1m])", "acos(v)", "acosh(v)", "asin(v)",
        "asinh(v)", "atan(v)", "atanh(v)", "cos(v)", "cosh(v)", "sin(v)", "sinh(v)", "tan(v)",
        "tanh(v)", "deg(v)", "pi()", "rad(v)",
        /* aggregations */
        "sum(v)", "avg(v)", "min(v)", "max(v)", "bottomk(1, v)", "topk(1, v)", "group(v)",
        "count(v)", "count_values(\"x\", v)", "stddev(v)", "stdvar(v)", "quantile(0.5, v)",
        "sum by (a) (v)", "sum(v) without (a,)",
        /* operators and modifiers */
        "-v", "+v", "v + v", "v - v", "v * v", "v / v", "v % v", "v ^ v", "v atan2 v", "v </ 1",
        "v >/ 1", "v </ v", "v == v", "v != bool v", "v > v", "v < v", "v >= v", "v <= v",
        "v and v", "v or v", "v unless v", "v + on (a) v", "v + ignoring (a) v",
        "v + on (a) group_left (b) v", "v + ignoring (a) group_right () v", "v @ 1", "v @ start()",
        "v @ end()", "v offset 5m", "v offset -5m", "v[5m:1m]", "v[5m:]",
        "{\"a.b\", \"c d\"=\"x\"}", "rate(v[5m * 2])", "rate(v[(5+2) * 1m])", "v offset (1h / 2)",
        "v offset ((2 ^ 3) * 1m)", "rate(v[step() + 1])", "rate(v[max_of(step(), 5s)])",
        "rate(v[min_of(2 * step() + 5s, 5m)])", "max_over_time(v[range()] @ end())"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CALLS); i++) {
        if (parses(CALLS[i], 0) != 0) {
            fail_msg("%s is not known", CALLS[i]);
        }
    }
}

static void test_experimental(void **state)
{
    static const struct {
        const char *call;
        unsigned feature;
    } CALLS[] = {{"double_exponential_smoothing(v[1m], 0.5, 0.5)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"end()", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"histogram_quantiles(v, \"q\", 0.5)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"histogram_quantiles(v, \"q\", 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)",
                  PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"info(v)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"info(v, {a=~\".+\"})", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"mad_over_time(v[1m])", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"max_of(1, 2)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"min_of(1, 2)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"range()", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"sort_by_label(v, \"a\", \"b\")", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"sort_by_label_desc(v, \"a\")", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"start()", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"start_timestamp(v)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"step()", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"ts_of_first_over_time(v[1m])", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"ts_of_last_over_time(v[1m])", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"ts_of_max_over_time(v[1m])", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"ts_of_min_over_time(v[1m])", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"limitk(1, v)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"limit_ratio(0.5, v)", PROMQL_EXPERIMENTAL_FUNCTIONS},
                 {"v + fill (0) v", PROMQL_FILL_MODIFIERS},
                 {"v + fill_left (0) v", PROMQL_FILL_MODIFIERS},
                 {"v + fill_left (0) fill_right (1) v", PROMQL_FILL_MODIFIERS}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CALLS); i++) {
        if (parses(CALLS[i].call, CALLS[i].feature) != 0) {
            fail_msg("%s is not known", CALLS[i].call);
        }
        if (parses(CALLS[i].call, PROMQL_ALL_FEATURES & ~CALLS[i].feature) != -ERR_INVALID) {
            fail_msg("%s needs no feature", CALLS[i].call);
        }
    }
    assert_int_equal(parses("rate(v[1m] anchored)", PROMQL_ALL_FEATURES), 0);
    assert_int_equal(parses("rate(v[1m] smoothed)", PROMQL_ALL_FEATURES), 0);
    assert_int_equal(parses("v smoothed", PROMQL_ALL_FEATURES), 0);
}

static void test_refused(void **state)
{
    static const char *const CALLS[] = {
        "holt_winters(v[1m], 0.5, 0.5)", /* 2.x */
        "histogram_quantiles(v, \"q\")",
        "histogram_quantiles(v, 1, 0.5)",
        "1 </ 2",
        "v </ bool 1",
        "v fill (0)",
        "v and fill (0) v",
        "nonsense(v)",
        "abs(v, v)",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CALLS); i++) {
        if (parses(CALLS[i], PROMQL_ALL_FEATURES) != -ERR_INVALID) {
            fail_msg("%s is not refused", CALLS[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stable),
        cmocka_unit_test(test_experimental),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("functions", tests, NULL, NULL);
}
