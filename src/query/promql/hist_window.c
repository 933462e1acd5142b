/* SPDX-License-Identifier: Apache-2.0
 *
 * Range functions over windows that hold native histograms, alone or among floats. Rules and order of operations are
 * upstream's 3.x: which functions take histograms, which ignore them with a note, which give nothing for a mix.
 */
#include "query/promql/eval.h"
#include "query/promql/hist.h"
#include "query/promql/window.h"

/** How a function treats histograms. */
enum kind {
    KIND_FLOATS,     /* ignores them */
    KIND_REGRESSION, /* ignores them, and wants two floats */
    KIND_SAMPLES,    /* looks at times and numbers of samples only */
    KIND_RATE,       /* rate, increase, delta */
    KIND_INSTANT,    /* irate, idelta */
    KIND_SUM,
    KIND_AVG,
    KIND_LAST,
    KIND_FIRST,
    KIND_CHANGES,
    KIND_RESETS,
};

static enum kind kind_of(const struct function *fn)
{
    static const struct {
        const char *name;
        enum kind kind;
    } TABLE[] = {
        {"rate", KIND_RATE},
        {"increase", KIND_RATE},
        {"delta", KIND_RATE},
        {"irate", KIND_INSTANT},
        {"idelta", KIND_INSTANT},
        {"sum_over_time", KIND_SUM},
        {"avg_over_time", KIND_AVG},
        {"count_over_time", KIND_SAMPLES},
        {"present_over_time", KIND_SAMPLES},
        {"absent_over_time", KIND_SAMPLES},
        {"ts_of_first_over_time", KIND_SAMPLES},
        {"ts_of_last_over_time", KIND_SAMPLES},
        {"last_over_time", KIND_LAST},
        {"first_over_time", KIND_FIRST},
        {"changes", KIND_CHANGES},
        {"resets", KIND_RESETS},
        {"deriv", KIND_REGRESSION},
        {"predict_linear", KIND_REGRESSION},
        {"double_exponential_smoothing", KIND_REGRESSION},
        {"holt_winters", KIND_REGRESSION},
    };

    for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
        if (str_eq(str_cstr(fn->name), str_cstr(TABLE[i].name))) {
            return TABLE[i].kind;
        }
    }
    return KIND_FLOATS;
}

/** One window being worked on. */
struct mixed {
    struct eval *ev;
    const struct function *fn;
    const struct node *at;
    struct str metric;
    const struct window *w;
    struct hist_scratch *s;
};

void hist_scratch_done(struct hist_scratch *s)
{
    samples_done(&s->floats);
    vec_done(&s->hists);
    vec_done(&s->times);
    vec_done(&s->places);
    vec_done(&s->known);
    vec_done(&s->resets);
    native_done(&s->sum);
    native_done(&s->left);
    native_done(&s->right);
}

int hist_scratch_begin(struct hist_scratch *s, size_t n)
{
    vec_clear(&s->known);
    if (!vec_reserve(&s->known, n + 1)) {
        return -ERR_NOMEM;
    }
    memset(s->known.v, 0, n);
    s->known.n = n;
    return 0;
}

/** Did the counter start anew between histograms i - 1 and i of the window? */
static bool is_reset(const struct mixed *m, size_t i)
{
    const struct hist_scratch *s = m->s;
    uint32_t at = s->places.v[i];

    if (at != s->places.v[i - 1] + 1 || at >= s->known.n) { /* floats between them */
        return native_is_reset(s->hists.v[i], s->hists.v[i - 1], m->ev->newest);
    }
    if (s->known.v[at] == 0) {
        s->known.v[at] = native_is_reset(s->hists.v[i], s->hists.v[i - 1], m->ev->newest) ? 2 : 1;
    }
    return s->known.v[at] == 2;
}

static int split(const struct mixed *m)
{
    const struct window *w = m->w;
    struct hist_scratch *s = m->s;

    s->floats.n = 0;
    vec_clear(&s->hists);
    vec_clear(&s->times);
    vec_clear(&s->places);
    if (!samples_reserve(&s->floats, w->n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < w->n; i++) {
        const struct native_histogram *h = hist_get(m->ev, w->v[i]);

        if (h == NULL) {
            s->floats.t_ms[s->floats.n] = w->t_ms[i];
            s->floats.v[s->floats.n++] = w->v[i];
        } else if (!vec_push(&s->hists, h) || !vec_push(&s->times, w->t_ms[i]) ||
                   !vec_push(&s->places, (uint32_t)(w->first + i))) {
            return -ERR_NOMEM;
        }
    }
    return 0;
}

/** The function over the floats of the window. */
static int over_floats(const struct mixed *m, double *ret)
{
    struct hist_scratch *s = m->s;
    struct window w = *m->w;

    if (s->floats.n == 0) {
        return 0;
    }
    vec_clear(&s->resets);
    for (size_t i = 1; i < s->floats.n; i++) {
        if (s->floats.v[i] < s->floats.v[i - 1] && !vec_push(&s->resets, (int64_t)i)) {
            return -ERR_NOMEM;
        }
    }
    w.t_ms = s->floats.t_ms;
    w.v = s->floats.v;
    w.n = s->floats.n;
    w.resets = s->resets.v;
    w.resets_n = s->resets.n;
    w.first = 0;
    w.blocks = NULL;
    return m->fn->window(&w, ret) ? 1 : 0;
}

static void note(const struct mixed *m, enum note_level level, const char *text)
{
    eval_note_name(m->ev, level, m->at, text, m->metric);
}

static void note_mix(const struct mixed *m)
{
    note(m, NOTE_WARNING, "encountered a mix of histograms and floats for metric name");
}

static void note_ignored(const struct mixed *m)
{
    note(m, NOTE_INFO,
         "ignored histograms in a range containing both floats and histograms for metric name");
}

/** Bounds that differ may be brought together. @return where that is noted, for native_add() */
static bool *may_reconcile(const struct mixed *m, bool *reconciled)
{
    *reconciled = false;
    return m->ev->newest ? reconciled : NULL;
}

/** One more is added, or taken off. @return as native_add() */
static int join(const struct mixed *m, const struct native_histogram *h, bool take_off)
{
    struct hist_scratch *s = m->s;
    bool reconciled;
    bool *may = may_reconcile(m, &reconciled);
    int rc = take_off ? native_sub(&s->sum, h, may) : native_add(&s->sum, h, may);

    if (reconciled) {
        hist_note_reconciled(m->ev, m->at, take_off ? "subtraction" : "addition");
    }
    return rc;
}

/** What kept two histograms apart. @return 0: no value, or the error */
static int note_result(const struct mixed *m, int rc)
{
    if (rc == NATIVE_MIXED_SCHEMAS) {
        note(m, NOTE_WARNING,
             "vector contains a mix of histograms with exponential and custom buckets schemas for "
             "metric name");
    } else if (rc == NATIVE_MIXED_BOUNDS) {
        note(m, NOTE_WARNING,
             "vector contains histograms with incompatible custom buckets for metric name");
    }
    return rc < 0 ? rc : 0;
}

static int put(const struct mixed *m, struct native_histogram *h, double *ret)
{
    int rc;

    native_compact(h);
    rc = hist_put(m->ev, h, ret);
    return rc == 0 ? 1 : rc;
}

static bool is_gauge(const struct native_histogram *h)
{
    return h->hint == NATIVE_GAUGE;
}

/** Before the difference is taken: the lowest schema, or why there is no answer. @return 1 or 0 */
static int prepare_rate(const struct mixed *m, bool counter, bool custom, int32_t *schema)
{
    struct hist_scratch *s = m->s;
    bool gauge = is_gauge(s->hists.v[0]) || is_gauge(s->hists.v[s->hists.n - 1]);
    bool mixed = native_is_custom(s->hists.v[s->hists.n - 1]) != custom;

    for (size_t i = 1; counter && !mixed && i + 1 < s->hists.n; i++) {
        const struct native_histogram *h = s->hists.v[i];

        gauge |= is_gauge(h);
        *schema = h->schema < *schema ? h->schema : *schema;
        mixed |= native_is_custom(h) != custom;
    }
    if (mixed) {
        return note_result(m, NATIVE_MIXED_SCHEMAS);
    }
    if (counter && gauge) {
        note(m, NOTE_WARNING, "this native histogram metric is not a counter:");
    }
    return 1;
}

/** Increase over the window, without extrapolation, into s->sum. @return 1, 0 or an error */
static int increase(const struct mixed *m, bool counter)
{
    struct hist_scratch *s = m->s;
    const struct native_histogram *prev = s->hists.v[0];
    const struct native_histogram *last = s->hists.v[s->hists.n - 1];
    struct native_histogram none = {0};
    int32_t schema;
    int rc;

    if (counter && is_reset(m, 1)) { /* then the first one does not matter */
        none.schema = s->hists.v[1]->schema;
        none.bounds = s->hists.v[1]->bounds;
        none.bounds_n = s->hists.v[1]->bounds_n;
        prev = &none;
    }
    schema = last->schema < prev->schema ? last->schema : prev->schema;
    rc = prepare_rate(m, counter, native_is_custom(prev), &schema);
    if (rc <= 0) {
        return rc;
    }
    rc = native_copy(&s->sum, last);
    if (rc == 0) {
        native_reduce(&s->sum, schema);
        rc = join(m, prev, true);
    }
    for (size_t i = 1; rc == 0 && counter && i < s->hists.n; i++) {
        if (is_reset(m, i)) {
            rc = join(m, prev, false);
        }
        prev = s->hists.v[i];
    }
    if (rc != 0) {
        return note_result(m, rc);
    }
    if (!counter && (!is_gauge(s->hists.v[0]) || !is_gauge(last))) {
        note(m, NOTE_WARNING, "this native histogram metric is not a gauge:");
    }
    s->sum.hint = NATIVE_GAUGE;
    return 1;
}

static bool is_named(const struct function *fn, const char *name)
{
    return str_eq(str_cstr(fn->name), str_cstr(name));
}

static int rate(const struct mixed *m, double *ret)
{
    struct hist_scratch *s = m->s;
    size_t n = s->hists.n;
    double to_start;
    double to_end;
    double sampled;
    double spacing;
    double factor;
    bool counter = !is_named(m->fn, "delta");
    int rc;

    if (n < 2) {
        return 0;
    }
    rc = increase(m, counter);
    if (rc <= 0) {
        return rc;
    }
    to_start = (double)(s->times.v[0] - m->w->start_ms) / 1000;
    to_end = (double)(m->w->end_ms - s->times.v[n - 1]) / 1000;
    sampled = (double)(s->times.v[n - 1] - s->times.v[0]) / 1000;
    spacing = sampled / (double)(n - 1);
    to_start = to_start >= spacing * 1.1 ? spacing / 2 : to_start;
    if (counter && m->ev->newest && s->sum.count > 0 && s->hists.v[0]->count >= 0) {
        /* A counter does not begin below zero. */
        to_start = fmin(to_start, sampled * (s->hists.v[0]->count / s->sum.count));
    }
    factor = sampled + to_start;
    factor += to_end >= spacing * 1.1 ? spacing / 2 : to_end;
    factor /= sampled;
    native_mul(&s->sum, is_named(m->fn, "rate") ? factor / m->w->range_s : factor);
    return put(m, &s->sum, ret);
}

static int instant(const struct mixed *m, double *ret)
{
    const struct window *w = m->w;
    const struct native_histogram *a;
    const struct native_histogram *b;
    struct hist_scratch *s = m->s;
    bool counter = is_named(m->fn, "irate");
    int rc;

    if (w->n < 2) {
        return 0;
    }
    a = hist_get(m->ev, w->v[w->n - 2]);
    b = hist_get(m->ev, w->v[w->n - 1]);
    if (a == NULL || b == NULL) {
        if (a == NULL && b == NULL) {
            return over_floats(m, ret);
        }
        note_mix(m);
        return 0;
    }
    if (counter && (is_gauge(a) || is_gauge(b))) {
        note(m, NOTE_WARNING, "this native histogram metric is not a counter:");
    }
    if (!counter && (!is_gauge(a) || !is_gauge(b))) {
        note(m, NOTE_WARNING, "this native histogram metric is not a gauge:");
    }
    rc = native_copy(&s->sum, b);
    if (rc == 0 && (!counter || !native_is_reset(b, a, m->ev->newest))) {
        rc = join(m, a, true);
    }
    if (rc != 0) {
        return note_result(m, rc);
    }
    s->sum.hint = NATIVE_GAUGE;
    if (counter) {
        native_div(&s->sum, (double)(w->t_ms[w->n - 1] - w->t_ms[w->n - 2]) / 1000);
    }
    return put(m, &s->sum, ret);
}

static int sum(const struct mixed *m, double *ret)
{
    struct hist_scratch *s = m->s;
    bool reconciled;
    bool *may = may_reconcile(m, &reconciled);
    int rc = native_copy(&s->sum, s->hists.v[0]);

    for (size_t i = 1; rc == 0 && i < s->hists.n; i++) {
        rc = native_add(&s->sum, s->hists.v[i], may);
    }
    if (reconciled) {
        hist_note_reconciled(m->ev, m->at, "aggregation");
    }
    return rc != 0 ? note_result(m, rc) : put(m, &s->sum, ret);
}

static int avg(const struct mixed *m, double *ret)
{
    struct hist_scratch *s = m->s;
    bool reconciled;
    const struct hist_mean mean = {&s->sum, &s->left, &s->right, may_reconcile(m, &reconciled)};
    int rc = native_copy(&s->sum, s->hists.v[0]);

    for (size_t i = 1; rc == 0 && i < s->hists.n; i++) {
        rc = hist_mean_add(&mean, s->hists.v[i], (double)(i + 1));
    }
    if (reconciled) {
        hist_note_reconciled(m->ev, m->at, "aggregation");
    }
    return rc != 0 ? note_result(m, rc) : put(m, &s->sum, ret);
}

static int transitions(const struct mixed *m, bool resets, double *ret)
{
    const struct window *w = m->w;
    size_t n = 0;

    for (size_t i = 1; i < w->n; i++) {
        const struct native_histogram *a = hist_get(m->ev, w->v[i - 1]);
        const struct native_histogram *b = hist_get(m->ev, w->v[i]);

        if ((a == NULL) != (b == NULL)) {
            n++;
        } else if (a != NULL) {
            n += resets ? native_is_reset(b, a, m->ev->newest) : !native_eq(b, a);
        } else if (resets) {
            n += w->v[i] < w->v[i - 1];
        } else {
            n += w->v[i] != w->v[i - 1] && !(isnan(w->v[i]) && isnan(w->v[i - 1]));
        }
    }
    *ret = (double)n;
    return 1;
}

static int floats_only(const struct mixed *m, bool regression, double *ret)
{
    size_t floats = m->s->floats.n;

    if (floats != 0 && m->s->hists.n != 0) {
        note_ignored(m);
    }
    return regression && floats < 2 ? 0 : over_floats(m, ret);
}

int hist_window(const struct hist_call *c, const struct window *w, struct hist_scratch *scratch,
                double *ret, struct err *e)
{
    const struct mixed m = {c->ev, c->fn, c->at, c->metric, w, scratch};
    enum kind kind = kind_of(c->fn);
    bool mix;
    int rc = split(&m);

    mix = scratch->floats.n != 0 && scratch->hists.n != 0;
    if (rc == 0 && mix && (kind == KIND_RATE || kind == KIND_SUM || kind == KIND_AVG)) {
        note_mix(&m);
        return 0;
    }
    if (rc == 0 && scratch->hists.n == 0) {
        rc = over_floats(&m, ret);
    } else if (rc == 0) {
        switch (kind) {
        case KIND_RATE:
            rc = rate(&m, ret);
            break;
        case KIND_INSTANT:
            rc = instant(&m, ret);
            break;
        case KIND_SUM:
            rc = sum(&m, ret);
            break;
        case KIND_AVG:
            rc = avg(&m, ret);
            break;
        case KIND_LAST:
        case KIND_FIRST:
            *ret = w->v[kind == KIND_LAST ? w->n - 1 : 0];
            rc = 1;
            break;
        case KIND_CHANGES:
        case KIND_RESETS:
            rc = transitions(&m, kind == KIND_RESETS, ret);
            break;
        case KIND_SAMPLES:
            rc = c->fn->window(w, ret) ? 1 : 0;
            break;
        case KIND_FLOATS:
        case KIND_REGRESSION:
            rc = floats_only(&m, kind == KIND_REGRESSION, ret);
            break;
        }
    }
    return rc < 0 ? hist_no_room(c->ev, rc, e) : rc;
}
