/* SPDX-License-Identifier: Apache-2.0
 *
 * See mem_source.h. Series are kept sorted by labels, so selection is a scan.
 */
#include "query/promql/tests/mem_source.h"

#include <stdlib.h>

#include "base/err.h"

struct entry {
    struct arena arena;
    struct labels labels;
    struct samples samples;
    struct samples starts;
    VEC(int64_t) times;                         /* of hists */
    VEC(const struct native_histogram *) hists; /* in the arena */
};

struct mem_source {
    VEC(struct entry *) series; /* sorted by labels */
};

struct series_selection {
    VEC(struct entry *) series;
    int64_t min_ms;
    int64_t max_ms;
    bool starts;
};

struct mem_source *mem_source_new(void)
{
    return mem_xcalloc(1, sizeof(struct mem_source));
}

void mem_source_clear(struct mem_source *s)
{
    for (size_t i = 0; i < s->series.n; i++) {
        samples_done(&s->series.v[i]->samples);
        samples_done(&s->series.v[i]->starts);
        vec_done(&s->series.v[i]->times);
        vec_done(&s->series.v[i]->hists);
        arena_done(&s->series.v[i]->arena);
        mem_free(s->series.v[i]);
    }
    vec_clear(&s->series);
}

void mem_source_free(struct mem_source *s)
{
    mem_source_clear(s);
    vec_done(&s->series);
    mem_free(s);
}

static size_t lower_bound(const struct mem_source *s, struct labels ls)
{
    size_t lo = 0;
    size_t hi = s->series.n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (labels_cmp(s->series.v[mid]->labels, ls) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct entry *find_or_add(struct mem_source *s, struct labels ls)
{
    size_t at = lower_bound(s, ls);
    struct entry *e;

    if (at < s->series.n && labels_eq(s->series.v[at]->labels, ls)) {
        return s->series.v[at];
    }
    e = mem_xcalloc(1, sizeof(*e));
    arena_init(&e->arena, 1 << 20);
    if (labels_dup(ls, &e->arena, &e->labels) != 0 || !vec_push(&s->series, e)) {
        abort();
    }
    memmove(s->series.v + at + 1, s->series.v + at, (s->series.n - 1 - at) * sizeof(*s->series.v));
    s->series.v[at] = e;
    return e;
}

static void add_sample(struct samples *d, int64_t t_ms, double v)
{
    if (!samples_reserve(d, d->n + 1)) {
        abort();
    }
    if (d->n != 0 && d->t_ms[d->n - 1] == t_ms) {
        d->n--;
    }
    d->t_ms[d->n] = t_ms;
    d->v[d->n++] = v;
}

void mem_source_add(struct mem_source *s, struct labels ls, int64_t t_ms, double v)
{
    add_sample(&find_or_add(s, ls)->samples, t_ms, v);
}

void mem_source_add_start(struct mem_source *s, struct labels ls, int64_t t_ms, int64_t start_ms)
{
    add_sample(&find_or_add(s, ls)->starts, t_ms, (double)start_ms);
}

void mem_source_add_histogram(struct mem_source *s, struct labels ls, int64_t t_ms,
                              const struct native_histogram *h)
{
    struct entry *e = find_or_add(s, ls);
    const struct native_histogram *copy = native_dup(h, &e->arena);

    if (copy == NULL || !vec_push(&e->times, t_ms) || !vec_push(&e->hists, copy)) {
        abort();
    }
}

static bool matches(const struct series_query *q, struct labels ls)
{
    for (size_t i = 0; i < q->matchers_n; i++) {
        if (!matcher_matches(q->matchers[i], labels_get(ls, matcher_name(q->matchers[i])))) {
            return false;
        }
    }
    return true;
}

static void mem_free_selection(struct series_selection *s)
{
    if (s != NULL) {
        vec_done(&s->series);
        mem_free(s);
    }
}

static int mem_select(void *impl, const struct series_query *q, struct series_selection **ret,
                      struct err *reterr)
{
    struct mem_source *s = impl;
    struct series_selection *sel = mem_xcalloc(1, sizeof(*sel));

    sel->min_ms = q->min_ms;
    sel->max_ms = q->max_ms;
    sel->starts = q->starts;
    for (size_t i = 0; i < s->series.n; i++) {
        if (matches(q, s->series.v[i]->labels) && !vec_push(&sel->series, s->series.v[i])) {
            mem_free_selection(sel);
            return err_set(reterr, ERR_NOMEM, "out of memory");
        }
    }
    if (q->max_series != 0 && sel->series.n > q->max_series) {
        mem_free_selection(sel);
        return err_set(reterr, ERR_LIMIT, "query selects more than %zu series", q->max_series);
    }
    *ret = sel;
    return 0;
}

static size_t mem_count(const struct series_selection *s)
{
    return s->series.n;
}

static struct labels mem_labels(const struct series_selection *s, size_t i)
{
    return s->series.v[i]->labels;
}

static int mem_read(struct series_selection *s, size_t i, struct samples *dst, struct err *reterr)
{
    const struct samples *src = s->starts ? &s->series.v[i]->starts : &s->series.v[i]->samples;
    size_t from = 0;
    size_t to = src->n;

    while (from < to && src->t_ms[from] < s->min_ms) {
        from++;
    }
    while (to > from && src->t_ms[to - 1] > s->max_ms) {
        to--;
    }
    dst->n = 0;
    if (!samples_reserve(dst, to - from + 1)) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    if (to != from) {
        memcpy(dst->t_ms, src->t_ms + from, (to - from) * sizeof(int64_t));
        memcpy(dst->v, src->v + from, (to - from) * sizeof(double));
    }
    dst->n = to - from;
    return 0;
}

static bool mem_has_histograms(const struct series_selection *s, size_t i)
{
    return s->series.v[i]->hists.n != 0;
}

static int mem_read_histograms(struct series_selection *s, size_t i, struct native_samples *dst,
                               struct err *reterr)
{
    const struct entry *e = s->series.v[i];

    native_samples_done(dst);
    dst->t_ms = mem_try_calloc(e->hists.n, sizeof(*dst->t_ms));
    dst->v = mem_try_calloc(e->hists.n, sizeof(*dst->v));
    if (dst->t_ms == NULL || dst->v == NULL) {
        native_samples_done(dst);
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    for (size_t k = 0; k < e->hists.n; k++) {
        if (e->times.v[k] >= s->min_ms && e->times.v[k] <= s->max_ms) {
            dst->t_ms[dst->n] = e->times.v[k];
            dst->v[dst->n++] = *e->hists.v[k]; /* its arrays belong to the arena */
        }
    }
    dst->cap = e->hists.n;
    dst->bytes = e->hists.n * (sizeof(*dst->t_ms) + sizeof(*dst->v));
    return 0;
}

struct series_source mem_source_view(struct mem_source *s)
{
    static const struct series_source_ops ops = {.select = mem_select,
                                                 .count = mem_count,
                                                 .labels = mem_labels,
                                                 .read = mem_read,
                                                 .has_histograms = mem_has_histograms,
                                                 .read_histograms = mem_read_histograms,
                                                 .free = mem_free_selection};

    return (struct series_source){&ops, s};
}

/* --- Text --- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

static struct str take_name(struct str *t)
{
    size_t n = 0;
    struct str name;

    while (n < t->n && is_name_char(t->p[n])) {
        n++;
    }
    name = str_take(*t, n);
    *t = str_drop(*t, n);
    return name;
}

static void skip_space(struct str *t)
{
    while (t->n != 0 && (t->p[0] == ' ' || t->p[0] == '\t')) {
        *t = str_drop(*t, 1);
    }
}

static bool take_char(struct str *t, char c)
{
    skip_space(t);
    if (t->n == 0 || t->p[0] != c) {
        return false;
    }
    *t = str_drop(*t, 1);
    skip_space(t);
    return true;
}

static bool take_value(struct str *t, struct arena *a, struct str *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1 << 16);
    skip_space(t);
    if (t->n == 0 || t->p[0] != '"') {
        return false;
    }
    *t = str_drop(*t, 1);
    while (t->n != 0 && t->p[0] != '"') {
        if (t->p[0] == '\\' && t->n > 1) {
            *t = str_drop(*t, 1);
            buf_add_byte(&b, t->p[0] == 'n' ? '\n' : t->p[0]);
        } else {
            buf_add_byte(&b, t->p[0]);
        }
        *t = str_drop(*t, 1);
    }
    *ret = arena_str_dup(a, buf_str(&b));
    return take_char(t, '"');
}

bool mem_source_parse_labels(struct str *text, struct arena *a, struct label *dst, size_t cap,
                             struct labels *ret)
{
    size_t n = 0;
    struct str name;

    skip_space(text);
    name = take_name(text);
    if (name.n != 0) {
        dst[n++] = (struct label){STR(LABEL_NAME), name};
    }
    if (text->n != 0 && text->p[0] == '{') {
        take_char(text, '{');
        while (!take_char(text, '}')) {
            if (n == cap) {
                return false;
            }
            if (text->n != 0 && text->p[0] == '"') { /* a quoted name, of the metric when alone */
                if (!take_value(text, a, &dst[n].name)) {
                    return false;
                }
                if (text->n != 0 && (text->p[0] == ',' || text->p[0] == '}')) {
                    dst[n] = (struct label){STR(LABEL_NAME), dst[n].name};
                    n++;
                    take_char(text, ',');
                    continue;
                }
            } else {
                dst[n].name = take_name(text);
            }
            if (!take_char(text, '=') || !take_value(text, a, &dst[n].value)) {
                return false;
            }
            n++;
            take_char(text, ',');
        }
    }
    if (!labels_normalize(dst, &n)) {
        return false;
    }
    *ret = (struct labels){dst, n};
    return true;
}

static bool load_line(struct mem_source *s, struct str line, struct arena *a)
{
    struct label v[64];
    struct labels ls;
    struct str value;
    double sample;
    double at;

    if (!mem_source_parse_labels(&line, a, v, 64, &ls)) {
        return false;
    }
    line = str_trim(line);
    if (!str_split(&line, ' ', &value) || !str_to_f64(line, &at)) {
        return false;
    }
    if (str_eq(value, STR("stale"))) {
        sample = sample_stale();
    } else if (!str_to_f64(value, &sample)) {
        return false;
    }
    mem_source_add(s, ls, (int64_t)llround(at * 1000), sample);
    return true;
}

bool mem_source_load_text(struct mem_source *s, struct str text)
{
    struct arena a CLEANUP(arena_done);
    struct str line;

    arena_init(&a, 1 << 20);
    while (str_split(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.n != 0 && line.p[0] != '#' && !load_line(s, line, &a)) {
            return false;
        }
        arena_reset(&a);
    }
    return true;
}
