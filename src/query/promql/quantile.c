/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantiles of sets of values, by interpolation between the two nearest ranks. Only those ranks are put in their
 * places: a window of some hundred values costs a pass or two instead of a sort. Source: Hoare, "Algorithm 65: Find",
 * CACM 4 (7), 1961, with the median of three as pivot.
 */
#include <math.h>
#include <stdlib.h>

#include "query/promql/eval.h"

enum { FEW = 16 };

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void swap(double *a, double *b)
{
    double x = *a;

    *a = *b;
    *b = x;
}

/** NaN counts as least. @return how many there are, now in front */
static size_t nan_first(double *v, size_t n)
{
    size_t nans = 0;

    for (size_t i = 0; i < n; i++) {
        if (isnan(v[i])) {
            swap(&v[i], &v[nans++]);
        }
    }
    return nans;
}

static void sort_few(double *v, ptrdiff_t lo, ptrdiff_t hi)
{
    for (ptrdiff_t i = lo + 1; i <= hi; i++) {
        double x = v[i];
        ptrdiff_t at = i;

        for (; at > lo && v[at - 1] > x; at--) {
            v[at] = v[at - 1];
        }
        v[at] = x;
    }
}

static double median_of_three(double a, double b, double c)
{
    double low = a < b ? a : b;
    double high = a < b ? b : a;

    return c < low ? low : c > high ? high : c;
}

/** v[k] as if sorted, nothing larger before it and nothing smaller behind; no NaN. */
static void put_rank(double *v, size_t n, ptrdiff_t k)
{
    ptrdiff_t lo = 0;
    ptrdiff_t hi = (ptrdiff_t)n - 1;

    for (int rounds = 64; hi - lo >= FEW; rounds--) {
        double pivot = median_of_three(v[lo], v[lo + (hi - lo) / 2], v[hi]);
        ptrdiff_t i = lo;
        ptrdiff_t j = hi;

        if (rounds == 0) { /* values made to be hard */
            qsort(v + lo, (size_t)(hi - lo) + 1, sizeof(*v), rising);
            return;
        }
        while (i <= j) {
            while (v[i] < pivot) {
                i++;
            }
            while (v[j] > pivot) {
                j--;
            }
            if (i <= j) {
                swap(&v[i++], &v[j--]);
            }
        }
        if (k > j && k < i) { /* between them all equal the pivot */
            return;
        }
        lo = k >= i ? i : lo;
        hi = k <= j ? j : hi;
    }
    sort_few(v, lo, hi);
}

double quantile(double q, double *v, size_t n)
{
    double rank = q * ((double)n - 1);
    double weight = rank - floor(rank);
    size_t nans;
    size_t lower;
    double above;

    if (n == 0 || isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    nans = nan_first(v, n);
    lower = (size_t)rank;
    if (lower < nans) {
        return NAN;
    }
    put_rank(v + nans, n - nans, (ptrdiff_t)(lower - nans));
    above = lower + 1 < n ? v[lower + 1] : v[lower];
    for (size_t i = lower + 2; i < n; i++) {
        above = v[i] < above ? v[i] : above;
    }
    return v[lower] * (1 - weight) + above * weight;
}
