/* SPDX-License-Identifier: Apache-2.0
 *
 * Range functions: one value from the samples of one window. Formulas and summation order follow upstream
 * 2.x so that results agree to the last bits (compensated sums where it uses them). Sources: Prometheus
 * documentation, querying/functions; Neumaier 1974 (sum); Welford 1962 (variance).
 */
#include "query/promql/window.h"

#include "query/promql/eval.h"

struct kahan {
    double sum;
    double c;
};

static inline void kahan_add(struct kahan *k, double x)
{
    double t = k->sum + x;

    k->c += fabs(k->sum) >= fabs(x) ? (k->sum - t) + x : (x - t) + k->sum;
    k->sum = t;
}

static double covered(const struct stretch *s, double to_start)
{
    double seconds = s->sampled;

    seconds += to_start < s->spacing * 1.1 ? to_start : s->spacing / 2;
    seconds += s->to_end < s->spacing * 1.1 ? s->to_end : s->spacing / 2;
    return seconds;
}

static void measure_stretch(const struct window *w, struct stretch *s)
{
    s->to_start = (double)s->before_ms / 1000;
    s->to_end = (double)s->after_ms / 1000;
    s->sampled = (double)s->within_ms / 1000;
    s->spacing = s->sampled / (double)(w->n - 1);
    if (!w->compat_2x && s->to_start >= s->spacing * 1.1) {
        s->to_start = s->spacing / 2;
    }
    s->near_zero = s->to_start / s->sampled * (1 + 1e-9);
    s->change = covered(s, s->to_start) / s->sampled;
    s->per_second = s->change / w->range_s;
}

const struct stretch *window_stretch(const struct window *w)
{
    struct stretch *s = w->stretch;
    int64_t before = w->t_ms[0] - w->start_ms;
    int64_t within = w->t_ms[w->n - 1] - w->t_ms[0];
    int64_t after = w->end_ms - w->t_ms[w->n - 1];

    if (s->n != w->n || s->before_ms != before || s->within_ms != within || s->after_ms != after) {
        *s = (struct stretch){
            .before_ms = before, .within_ms = within, .after_ms = after, .n = w->n};
        measure_stretch(w, s);
    }
    return s;
}

/** Change over the window, stretched to the range's ends when samples come close to them. */
static bool extrapolate(const struct window *w, bool counter, bool per_second, double *ret)
{
    const struct stretch *s;
    size_t last = w->n - 1;
    double delta;

    if (w->n < 2) {
        return false;
    }
    s = window_stretch(w);
    delta = w->v[last] - w->v[0];
    for (size_t i = 0; counter && i < w->resets_n; i++) {
        delta += w->v[(size_t)w->resets[i] - w->first - 1];
    }
    if (counter && delta > 0 && w->v[0] >= 0 && w->v[0] < delta * s->near_zero) {
        double to_zero = s->sampled * (w->v[0] / delta); /* a counter does not begin below zero */

        double change = covered(s, to_zero < s->to_start ? to_zero : s->to_start) / s->sampled;

        *ret = delta * (per_second ? change / w->range_s : change);
        return true;
    }
    *ret = delta * (per_second ? s->per_second : s->change);
    return true;
}

bool window_rate(const struct window *w, double *ret)
{
    return extrapolate(w, true, true, ret);
}

bool window_increase(const struct window *w, double *ret)
{
    return extrapolate(w, true, false, ret);
}

bool window_delta(const struct window *w, double *ret)
{
    return extrapolate(w, false, false, ret);
}

static bool last_two(const struct window *w, bool counter, double *ret)
{
    const double *v = w->v + w->n - 2;

    if (w->n < 2) {
        return false;
    }
    *ret = counter && v[1] < v[0] ? v[1] : v[1] - v[0];
    if (counter) {
        *ret /= (double)(w->t_ms[w->n - 1] - w->t_ms[w->n - 2]) / 1000;
    }
    return true;
}

bool window_irate(const struct window *w, double *ret)
{
    return last_two(w, true, ret);
}

bool window_idelta(const struct window *w, double *ret)
{
    return last_two(w, false, ret);
}

bool window_changes(const struct window *w, double *ret)
{
    size_t n = 0;

    for (size_t i = 1; i < w->n; i++) {
        n += w->v[i] != w->v[i - 1] && !(isnan(w->v[i]) && isnan(w->v[i - 1]));
    }
    *ret = (double)n;
    return true;
}

bool window_resets(const struct window *w, double *ret)
{
    *ret = (double)w->resets_n;
    return true;
}

bool window_sum(const struct window *w, double *ret)
{
    struct kahan k = {0};

    for (size_t i = 0; i < w->n; i++) {
        kahan_add(&k, w->v[i]);
    }
    *ret = isinf(k.sum) ? k.sum : k.sum + k.c;
    return true;
}

/** The mean as it goes, for sums that leave the range of a double. */
static double running_mean(const struct window *w)
{
    struct kahan mean = {0};
    double count = 0;

    for (size_t i = 0; i < w->n; i++) {
        double v = w->v[i];

        count++;
        if (isinf(mean.sum) && (isfinite(v) || (isinf(v) && (mean.sum > 0) == (v > 0)))) {
            continue; /* Inf - Inf would make it NaN */
        }
        kahan_add(&mean, v / count - mean.sum / count);
    }
    return isinf(mean.sum) ? mean.sum : mean.sum + mean.c;
}

bool window_avg(const struct window *w, double *ret)
{
    struct kahan k = {0};
    double n = (double)w->n;

    for (size_t i = 0; i < w->n; i++) {
        kahan_add(&k, w->v[i]);
    }
    *ret = isfinite(k.sum) ? k.sum / n + k.c / n : running_mean(w);
    return true;
}

enum { LANES = 8 };

/* Independent lanes, because a single chain of comparisons waits for each one. A comparison with NaN is false,
 * so NaN never enters; what stays at the start value is looked at again. */
#define EXTREME(name, better, worst)                                                   \
    static double name##_slow(const double *v, size_t n)                               \
    {                                                                                  \
        double m = v[0];                                                               \
                                                                                       \
        for (size_t i = 1; i < n; i++) {                                               \
            m = v[i] better m || isnan(m) ? v[i] : m;                                  \
        }                                                                              \
        return m;                                                                      \
    }                                                                                  \
                                                                                       \
    double name(const double *v, size_t n)                                             \
    {                                                                                  \
        double lane[LANES] = {worst, worst, worst, worst, worst, worst, worst, worst}; \
        double m = worst;                                                              \
        size_t i = 0;                                                                  \
                                                                                       \
        for (; i + LANES <= n; i += LANES) {                                           \
            for (size_t k = 0; k < LANES; k++) {                                       \
                lane[k] = v[i + k] better lane[k] ? v[i + k] : lane[k];                \
            }                                                                          \
        }                                                                              \
        for (; i < n; i++) {                                                           \
            m = v[i] better m ? v[i] : m;                                              \
        }                                                                              \
        for (size_t k = 0; k < LANES; k++) {                                           \
            m = lane[k] better m ? lane[k] : m;                                        \
        }                                                                              \
        /* All NaN, or the sign of the first zero decides. */                          \
        return m == worst || m == 0 ? name##_slow(v, n) : m;                           \
    }

EXTREME(extreme_max, >, -(double)INFINITY)
EXTREME(extreme_min, <, (double)INFINITY)

/** `reduce` over the window: its ends value by value, whole blocks by what is known of them. */
static double reduce_blocks(const struct window *w, double (*reduce)(const double *v, size_t n))
{
    const double *series = w->v - w->first;
    size_t end = w->first + w->n;
    size_t lo = (w->first + WINDOW_BLOCK - 1) / WINDOW_BLOCK;
    size_t hi = end / WINDOW_BLOCK;
    double part[3];
    size_t n = 0;

    if (w->blocks == NULL || hi <= lo) {
        return reduce(w->v, w->n);
    }
    if (lo * WINDOW_BLOCK > w->first) {
        part[n++] = reduce(w->v, lo * WINDOW_BLOCK - w->first);
    }
    part[n++] = reduce(w->blocks + lo, hi - lo);
    if (end > hi * WINDOW_BLOCK) {
        part[n++] = reduce(series + hi * WINDOW_BLOCK, end - hi * WINDOW_BLOCK);
    }
    return reduce(part, n);
}

bool window_min(const struct window *w, double *ret)
{
    *ret = reduce_blocks(w, extreme_min);
    return true;
}

bool window_max(const struct window *w, double *ret)
{
    *ret = reduce_blocks(w, extreme_max);
    return true;
}

bool window_count(const struct window *w, double *ret)
{
    *ret = (double)w->n;
    return true;
}

bool window_last(const struct window *w, double *ret)
{
    *ret = w->v[w->n - 1];
    return true;
}

bool window_first(const struct window *w, double *ret)
{
    *ret = w->v[0];
    return true;
}

bool window_ts_first(const struct window *w, double *ret)
{
    *ret = (double)w->t_ms[0] / 1000;
    return true;
}

bool window_ts_last(const struct window *w, double *ret)
{
    *ret = (double)w->t_ms[w->n - 1] / 1000;
    return true;
}

bool window_ts_max(const struct window *w, double *ret)
{
    size_t at = 0;

    for (size_t i = 1; i < w->n; i++) {
        at = w->v[i] >= w->v[at] || isnan(w->v[at]) ? i : at;
    }
    *ret = (double)w->t_ms[at] / 1000;
    return true;
}

bool window_ts_min(const struct window *w, double *ret)
{
    size_t at = 0;

    for (size_t i = 1; i < w->n; i++) {
        at = w->v[i] <= w->v[at] || isnan(w->v[at]) ? i : at;
    }
    *ret = (double)w->t_ms[at] / 1000;
    return true;
}

/** Area under the samples, NaN counting as 0: rectangles from the left (0) or right (1), or trapezoids (2). */
bool window_integral(const struct window *w, double *ret)
{
    struct kahan k = {0};
    double before = isnan(w->v[0]) ? 0 : w->v[0];

    for (size_t i = 1; i < w->n; i++) {
        double now = isnan(w->v[i]) ? 0 : w->v[i];
        double dt = (double)(w->t_ms[i] - w->t_ms[i - 1]) / 1000;

        if (w->arg[0] == 0 || w->arg[0] == 1) {
            kahan_add(&k, (w->arg[0] == 0 ? before : now) * dt);
        } else { /* one by one, so that a huge sample takes no digits from a small one */
            kahan_add(&k, before / 2 * dt);
            kahan_add(&k, now / 2 * dt);
        }
        before = now;
    }
    *ret = isinf(k.sum) ? k.sum : k.sum + k.c;
    return true;
}

bool window_present(const struct window *w, double *ret)
{
    (void)w;
    *ret = 1;
    return true;
}

bool window_stdvar(const struct window *w, double *ret)
{
    struct kahan mean = {0};
    struct kahan aux = {0};

    for (size_t i = 0; i < w->n; i++) {
        double delta = w->v[i] - (mean.sum + mean.c);

        kahan_add(&mean, delta / (double)(i + 1));
        kahan_add(&aux, delta * (w->v[i] - (mean.sum + mean.c)));
    }
    *ret = (aux.sum + aux.c) / (double)w->n;
    return true;
}

bool window_stddev(const struct window *w, double *ret)
{
    bool ok = window_stdvar(w, ret);

    *ret = sqrt(*ret);
    return ok;
}

bool window_quantile(const struct window *w, double *ret)
{
    memcpy(w->scratch, w->v, w->n * sizeof(double));
    *ret = quantile(w->arg[0], w->scratch, w->n);
    return true;
}

bool window_mad(const struct window *w, double *ret)
{
    double median;

    memcpy(w->scratch, w->v, w->n * sizeof(double));
    median = quantile(0.5, w->scratch, w->n);
    for (size_t i = 0; i < w->n; i++) {
        w->scratch[i] = fabs(w->v[i] - median);
    }
    *ret = quantile(0.5, w->scratch, w->n);
    return true;
}

/** Least squares over (seconds since `zero_ms`, value). */
static void regression(const struct window *w, int64_t zero_ms, double *ret_slope,
                       double *ret_intercept)
{
    struct kahan x = {0};
    struct kahan y = {0};
    struct kahan xy = {0};
    struct kahan x2 = {0};
    double n = (double)w->n;
    bool flat = true;
    double sx;
    double sy;

    for (size_t i = 0; i < w->n; i++) {
        double xi = (double)(w->t_ms[i] - zero_ms) / 1000;

        flat = flat && (i == 0 || w->v[i] == w->v[0]);
        kahan_add(&x, xi);
        kahan_add(&y, w->v[i]);
        kahan_add(&xy, xi * w->v[i]);
        kahan_add(&x2, xi * xi);
    }
    if (flat) {
        *ret_slope = isinf(w->v[0]) ? NAN : 0;
        *ret_intercept = isinf(w->v[0]) ? NAN : w->v[0];
        return;
    }
    sx = x.sum + x.c;
    sy = y.sum + y.c;
    *ret_slope = ((xy.sum + xy.c) - sx * sy / n) / ((x2.sum + x2.c) - sx * sx / n);
    *ret_intercept = sy / n - *ret_slope * sx / n;
}

bool window_deriv(const struct window *w, double *ret)
{
    double intercept;

    if (w->n < 2) {
        return false;
    }
    regression(w, w->t_ms[0], ret, &intercept);
    return true;
}

bool window_predict_linear(const struct window *w, double *ret)
{
    double slope;
    double intercept;

    if (w->n < 2) {
        return false;
    }
    regression(w, w->eval_ms, &slope, &intercept);
    *ret = intercept + slope * w->arg[0];
    return true;
}

/** Double exponential smoothing (Holt's linear trend); the factors were checked by the caller. */
bool window_holt_winters(const struct window *w, double *ret)
{
    double sf = w->arg[0];
    double tf = w->arg[1];
    double before = 0;
    double now = w->v[0];
    double trend;

    if (w->n < 2) {
        return false;
    }
    trend = w->v[1] - w->v[0];
    for (size_t i = 1; i < w->n; i++) {
        double x = sf * w->v[i];
        double y;

        if (i > 1) {
            trend = tf * (now - before) + (1 - tf) * trend;
        }
        y = (1 - sf) * (now + trend);
        before = now;
        now = x + y;
    }
    *ret = now;
    return true;
}
