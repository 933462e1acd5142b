/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates of native histograms by columns: one array per bucket over all samples of a series, so a window costs the
 * difference of its ends, and no histogram but the answers is ever put together. Order of operations is that of
 * hist_window.c, to the last bit.
 */
#include "query/promql/eval.h"
#include "query/promql/hist.h"
#include "query/promql/window.h"

enum kind { KIND_NONE, KIND_RATE, KIND_INCREASE, KIND_IRATE };

static enum kind kind_of(const struct function *fn)
{
    static const char *const NAMES[] = {
        [KIND_RATE] = "rate", [KIND_INCREASE] = "increase", [KIND_IRATE] = "irate"};

    for (size_t i = KIND_RATE; i < ARRAY_LEN(NAMES); i++) {
        if (str_eq(str_cstr(fn->name), str_cstr(NAMES[i]))) {
            return (enum kind)i;
        }
    }
    return KIND_NONE;
}

bool hist_by_columns(const struct function *fn)
{
    return fn != NULL && kind_of(fn) != KIND_NONE;
}

void hist_columns_done(struct hist_columns *c)
{
    native_columns_done(&c->in);
    vec_done(&c->out);
    vec_done(&c->buckets);
    vec_done(&c->sizes);
}

void hist_columns_begin(struct hist_columns *c, const struct function *fn, bool newest)
{
    vec_clear(&c->out);
    vec_clear(&c->buckets);
    vec_clear(&c->sizes);
    c->fn = fn;
    c->newest = newest;
}

/** What one value rose by inside a window. */
struct rise {
    const struct native_columns *in;
    size_t lo, last;
    bool skip_first; /* the counter started anew right after it */
    bool resets;     /* and later */
};

static double rise_of(const struct rise *r, const double *v)
{
    double sum = v[r->last];

    if (!r->skip_first) {
        sum -= v[r->lo];
    }
    for (size_t i = r->lo + 1; r->resets && i <= r->last; i++) {
        if (r->in->reset[i] && !(r->skip_first && i == r->lo + 1)) {
            sum += v[i - 1];
        }
    }
    return sum;
}

static struct rise rise_in(const struct native_columns *in, size_t lo, size_t last)
{
    struct rise r = {.in = in, .lo = lo, .last = last, .skip_first = in->reset[lo + 1]};

    for (size_t i = lo + (r.skip_first ? 2 : 1); i <= last; i++) {
        r.resets |= in->reset[i];
    }
    return r;
}

/** What rate() and increase() multiply the rise with. */
static double factor_of(const struct hist_columns *c, const struct window *w, const struct rise *r,
                        double count)
{
    const int64_t *t = c->in.t_ms;
    double sampled = (double)(t[r->last] - t[r->lo]) / 1000;
    double spacing = sampled / (double)(r->last - r->lo);
    double to_start = (double)(t[r->lo] - w->start_ms) / 1000;
    double to_end = (double)(w->end_ms - t[r->last]) / 1000;
    double factor;

    to_start = to_start >= spacing * 1.1 ? spacing / 2 : to_start;
    if (c->newest && count > 0 && c->in.count[r->lo] >= 0) {
        to_start = fmin(to_start, sampled * (c->in.count[r->lo] / count));
    }
    factor = sampled + to_start;
    factor += to_end >= spacing * 1.1 ? spacing / 2 : to_end;
    factor /= sampled;
    return kind_of(c->fn) == KIND_RATE ? factor / w->range_s : factor;
}

/** Buckets of one sign. `by` divides for irate(), else multiplies. */
static uint32_t push_side(struct hist_columns *c, const struct rise *r, bool negative, bool divide,
                          double by)
{
    uint32_t n = 0;

    for (size_t i = 0; i < c->in.columns_n; i++) {
        const struct native_column *at = &c->in.v[i];
        double v = at->negative == negative ? rise_of(r, at->v) : 0;

        if (v != 0) {
            v = divide ? v / by : v * by;
        }
        if (v != 0) {
            c->buckets.v[c->buckets.n++] = (struct native_bucket){at->index, v};
            n++;
        }
    }
    return n;
}

int hist_columns_step(struct hist_columns *c, const struct window *w, size_t lo, size_t hi)
{
    bool divide = kind_of(c->fn) == KIND_IRATE;
    struct native_histogram h = {.schema = c->in.schema,
                                 .hint = NATIVE_GAUGE,
                                 .zero_threshold = c->in.zero_threshold,
                                 .bounds_n = c->in.bounds_n};
    struct hist_sizes sizes;
    struct rise r;
    double by;

    if (hi - lo < 2) {
        return 0;
    }
    r = rise_in(&c->in, divide ? hi - 2 : lo, hi - 1);
    if (!vec_reserve(&c->buckets, c->in.columns_n)) {
        return -ERR_NOMEM;
    }
    h.count = rise_of(&r, c->in.count);
    h.sum = rise_of(&r, c->in.sum);
    h.zero_count = rise_of(&r, c->in.zero);
    by = divide ? (double)(c->in.t_ms[r.last] - c->in.t_ms[r.lo]) / 1000
                : factor_of(c, w, &r, h.count);
    h.count = divide ? h.count / by : h.count * by;
    h.sum = divide ? h.sum / by : h.sum * by;
    h.zero_count = divide ? h.zero_count / by : h.zero_count * by;
    sizes.negative = push_side(c, &r, true, divide, by);
    sizes.positive = push_side(c, &r, false, divide, by);
    return vec_push(&c->out, h) && vec_push(&c->sizes, sizes) ? 1 : -ERR_NOMEM;
}

int hist_columns_end(struct eval *ev, struct hist_columns *c, double *cells)
{
    struct native_samples ns = {.n = c->out.n, .cap = c->out.n};
    size_t bounds = c->in.bounds_n;
    size_t at = 0;
    int rc = -ERR_NOMEM;

    if (c->out.n == 0) {
        return 0;
    }
    ns.v = mem_try_calloc(ns.n, sizeof(*ns.v));
    ns.buckets = mem_try_calloc(c->buckets.n + 1, sizeof(*ns.buckets));
    ns.bounds = mem_try_calloc(bounds + 1, sizeof(*ns.bounds));
    ns.bytes = ns.n * sizeof(*ns.v) + c->buckets.n * sizeof(*ns.buckets);
    if (ns.v != NULL && ns.buckets != NULL && ns.bounds != NULL) {
        memcpy(ns.v, c->out.v, ns.n * sizeof(*ns.v));
        if (c->buckets.n != 0) {
            memcpy(ns.buckets, c->buckets.v, c->buckets.n * sizeof(*ns.buckets));
        }
        for (size_t i = 0; i < bounds; i++) {
            ns.bounds[i] = c->in.bounds[i];
        }
        for (size_t i = 0; i < ns.n; i++) {
            ns.v[i].bounds = bounds != 0 ? ns.bounds : NULL;
            ns.v[i].negative = (struct native_buckets){ns.buckets + at, c->sizes.v[i].negative, 0};
            at += c->sizes.v[i].negative;
            ns.v[i].positive = (struct native_buckets){ns.buckets + at, c->sizes.v[i].positive, 0};
            at += c->sizes.v[i].positive;
        }
        rc = hist_keep(ev, &ns, cells);
    }
    native_samples_done(&ns);
    return rc;
}
