/* SPDX-License-Identifier: Apache-2.0
 *
 * What a range aggregation makes of the points of one window.
 */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "query/logql/eval.h"

static double sum(const struct point *v, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++) {
        s += v[i].v;
    }
    return s;
}

/* Welford's, over the whole population. */
static double variance(const struct point *v, size_t n)
{
    double mean = 0;
    double aux = 0;

    for (size_t i = 0; i < n; i++) {
        double delta = v[i].v - mean;

        mean += delta / (double)(i + 1);
        aux += delta * (v[i].v - mean);
    }
    return aux / (double)n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(double q, const struct point *v, size_t n)
{
    double *sorted;
    double rank = q * (double)(n - 1);
    double result;
    size_t low;
    size_t high;

    if (isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    sorted = mem_try_calloc(n, sizeof(*sorted));
    if (sorted == NULL) {
        return NAN;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = v[i].v;
    }
    qsort(sorted, n, sizeof(*sorted), by_value);
    low = (size_t)floor(rank);
    high = low + 1 < n ? low + 1 : n - 1;
    result = sorted[low] * (1 - (rank - (double)low)) + sorted[high] * (rank - (double)low);
    mem_free(sorted);
    return result;
}

/* Increase with resets, extrapolated over the window as Prometheus' rate() does. */
static double counter_rate(const struct point *v, size_t n, double span_s)
{
    double increase;
    double sampled;
    double average;
    double to_start = span_s;
    double to_zero;

    if (n < 2) {
        return 0;
    }
    increase = v[n - 1].v - v[0].v;
    for (size_t i = 1; i < n; i++) {
        increase += v[i].v < v[i - 1].v ? v[i - 1].v : 0;
    }
    sampled = (double)(v[n - 1].t_ns - v[0].t_ns) / 1e9;
    if (sampled <= 0) {
        return 0;
    }
    average = sampled / (double)(n - 1);
    if (increase > 0 && v[0].v >= 0) {
        to_zero = sampled * (v[0].v / increase);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    sampled += to_start < average * 1.1 ? to_start : average / 2;
    return increase * (sampled / ((double)(v[n - 1].t_ns - v[0].t_ns) / 1e9)) / span_s;
}

static double extreme(const struct point *v, size_t n, bool max)
{
    double best = v[0].v;

    for (size_t i = 1; i < n; i++) {
        if (isnan(best) || (max ? v[i].v > best : v[i].v < best)) {
            best = v[i].v;
        }
    }
    return best;
}

double lq_window_value(const struct expr *x, const struct point *v, size_t n, double span_s)
{
    switch (x->range_op) {
    case RANGE_RATE:
    case RANGE_BYTES_RATE:
        return sum(v, n) / span_s;
    case RANGE_RATE_COUNTER:
        return counter_rate(v, n, span_s);
    case RANGE_COUNT:
    case RANGE_BYTES:
    case RANGE_SUM:
        return sum(v, n);
    case RANGE_AVG:
        return sum(v, n) / (double)n;
    case RANGE_MIN:
    case RANGE_MAX:
        return extreme(v, n, x->range_op == RANGE_MAX);
    case RANGE_STDVAR:
        return variance(v, n);
    case RANGE_STDDEV:
        return sqrt(variance(v, n));
    case RANGE_QUANTILE:
        return quantile(x->param, v, n);
    case RANGE_FIRST:
        return v[0].v;
    case RANGE_LAST:
        return v[n - 1].v;
    case RANGE_ABSENT:
        return 1;
    }
    return NAN;
}
