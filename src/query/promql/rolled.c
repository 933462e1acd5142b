/* SPDX-License-Identifier: Apache-2.0
 *
 * Which column of a roll-up a function takes, and what it makes of it.
 */
#include "query/promql/rolled.h"

#include <stdio.h>

#include "base/clock.h"
#include "query/promql/notes.h"
#include "query/promql/window.h"

enum series_need rolled_need(const struct function *fn)
{
    static const struct {
        bool (*window)(const struct window *w, double *ret);
        enum series_need need;
    } NEEDS[] = {
        {window_rate, SERIES_NEED_COUNTER}, {window_increase, SERIES_NEED_COUNTER},
        {window_min, SERIES_NEED_MIN},      {window_max, SERIES_NEED_MAX},
        {window_sum, SERIES_NEED_SUM},      {window_count, SERIES_NEED_COUNT},
        {window_avg, SERIES_NEED_AVG},      {window_last, SERIES_NEED_LAST},
        {window_present, SERIES_NEED_LAST},
    };

    for (size_t i = 0; i < ARRAY_LEN(NEEDS); i++) {
        if (fn->window == NEEDS[i].window) {
            return NEEDS[i].need;
        }
    }
    return SERIES_NEED_SAMPLES;
}

void rolled_init(struct rolled *r, const struct series_source_ops *ops,
                 const struct series_selection *s, const struct function *fn)
{
    *r = (struct rolled){0};
    if (ops->resolutions == NULL) {
        return;
    }
    r->n = ops->resolutions(s, r->v);
    if (r->n == 0 || fn == NULL) {
        return;
    }
    r->need = rolled_need(fn);
    r->two = r->need == SERIES_NEED_COUNTER || r->need == SERIES_NEED_SAMPLES;
    r->scale = fn->window == window_increase || fn->window == window_delta ||
               r->need == SERIES_NEED_SUM || r->need == SERIES_NEED_COUNT;
}

/** "1m", "5m", "1h". */
static void format_resolution(int64_t ms, char *dst, size_t n)
{
    bool hours = ms % 3600000 == 0;

    snprintf(dst, n, "%lld%c", (long long)(ms / (hours ? 3600000 : 60000)), hours ? 'h' : 'm');
}

static int64_t clamp_time(int64_t t_ms) /* to what has a text: years 1970 to 9999 */
{
    const int64_t last = INT64_C(253402300799999);

    return t_ms < 0 ? 0 : t_ms > last ? last : t_ms;
}

void rolled_note(struct eval *ev, const struct series_selection *s, const struct node *at,
                 int64_t min_ms, int64_t max_ms)
{
    struct series_resolution v[SERIES_RESOLUTIONS];
    size_t n = ev->src.ops->resolutions != NULL ? ev->src.ops->resolutions(s, v) : 0;
    int64_t from = min_ms;

    for (size_t i = 0; i < n; i++) {
        int64_t until = v[i].until_ms < max_ms ? v[i].until_ms : max_ms;
        char from_text[CLOCK_RFC3339_SIZE];
        char until_text[CLOCK_RFC3339_SIZE];
        char resolution[24];

        ev->resolution_ms =
            v[i].resolution_ms > ev->resolution_ms ? v[i].resolution_ms : ev->resolution_ms;
        if (v[i].resolution_ms != 0 && until >= from) {
            format_resolution(v[i].resolution_ms, resolution, sizeof(resolution));
            clock_format_rfc3339(clamp_time(from), from_text);
            clock_format_rfc3339(clamp_time(until), until_text);
            eval_note(ev, NOTE_INFO, at, "answered from %s roll-ups from %s to %s", resolution,
                      from_text, until_text);
        }
        from = until > from ? until : from;
    }
}

/** How much of a window's edge the counter is taken to go on at the same rate: all of it when it is about a bucket. */
static double reach(double gap_ms, int64_t bucket_ms, int64_t step_ms)
{
    double apart = (double)(bucket_ms > step_ms ? bucket_ms : step_ms);

    return gap_ms <= 1.5 * apart ? gap_ms : apart / 2;
}

/** Increase of a counter as upstream's rate() extrapolates it, but for points that are not evenly spaced: last samples
 * of buckets, and those around resets between them. */
static bool rolled_increase(const struct rolled *r, const struct window *w, double *ret)
{
    int64_t first = w->t_ms[0];
    int64_t last = w->t_ms[w->n - 1];
    double rise = 0;
    double to_start;
    double to_end;

    if (w->n < 2) {
        return false;
    }
    for (size_t i = 1; i < w->n; i++) {
        rise += w->v[i] < w->v[i - 1] ? w->v[i] : w->v[i] - w->v[i - 1];
    }
    to_start = reach((double)(first - w->start_ms), rolled_at(r, first), w->t_ms[1] - first);
    to_end = reach((double)(w->end_ms - last), rolled_at(r, last), last - w->t_ms[w->n - 2]);
    if (rise > 0 && w->v[0] >= 0) { /* not below 0 */
        double to_zero = (double)(last - first) * (w->v[0] / rise);

        to_start = to_zero < to_start ? to_zero : to_start;
    }
    *ret = rise * (1 + (to_start + to_end) / (double)(last - first));
    return true;
}

bool rolled_window(const struct rolled *r, const struct function *fn, const struct window *w,
                   int64_t range_ms, double *ret)
{
    int64_t range = w->end_ms - w->start_ms;
    bool ok;

    if (r->need == SERIES_NEED_COUNTER && rolled_at(r, w->start_ms) != 0) {
        ok = rolled_increase(r, w, ret);
        if (ok && fn->window == window_rate) {
            *ret /= (double)range / 1000;
        }
    } else { /* buckets hold numbers of samples, and samples count 1 each: added up, not counted */
        ok = r->need == SERIES_NEED_COUNT ? window_sum(w, ret) : fn->window(w, ret);
    }
    if (ok && r->scale &&
        range != range_ms) { /* as much of it as the query's window is of this one */
        *ret *= (double)range_ms / (double)range;
    }
    return ok;
}

double rolled_average(const double *sums, const double *counts, size_t n)
{
    double sum = 0;
    double count = 0;

    for (size_t i = 0; i < n; i++) {
        sum += sums[i];
        count += counts[i];
    }
    return sum / count;
}
