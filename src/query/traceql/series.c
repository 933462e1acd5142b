/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells, sketches and exemplars; see series.h.
 */
#include "query/traceql/series.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"

enum { SKETCH_PER_OCTAVE = 16, SERIES_INDEX_MAX = 1 << 20 };

static uint64_t hash_labels(const struct tql_value *labels, size_t n)
{
    uint64_t h = 0;

    for (size_t i = 0; i < n; i++) {
        h = hash_u64(h ^ tql_hash(&labels[i]));
    }
    return h;
}

static bool same_labels(const struct tql_value *a, const struct tql_value *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!tql_equal(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

static int grow(struct tql_table *t)
{
    size_t cap = t->cap != 0 ? 2 * t->cap : 32;
    struct tql_series **v = arena_array(t->a, struct tql_series *, cap);
    uint32_t *slots = arena_calloc(t->a, 2 * cap, sizeof(*slots));

    if (v == NULL || slots == NULL || cap > SERIES_INDEX_MAX) {
        return -ERR_LIMIT;
    }
    t->mask = 2 * cap - 1;
    for (size_t i = 0; i < t->n; i++) {
        size_t at = hash_labels(t->v[i]->labels, t->labels_n) & t->mask;

        v[i] = t->v[i];
        while (slots[at] != 0) {
            at = (at + 1) & t->mask;
        }
        slots[at] = (uint32_t)i + 1;
    }
    t->v = v;
    t->slots = slots;
    t->cap = cap;
    return 0;
}

static struct tql_series *new_series(struct tql_table *t, const struct tql_value *labels)
{
    struct tql_series *s = arena_calloc(t->a, 1, sizeof(*s));
    bool quantile = t->cell == TQL_CELL_QUANTILE;

    if (s == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < t->labels_n; i++) {
        if (!tql_dup(t->a, &labels[i], &s->labels[i])) {
            return NULL;
        }
    }
    s->a = quantile ? NULL : arena_array(t->a, double, t->steps);
    s->b = t->cell == TQL_CELL_AVG ? arena_calloc(t->a, t->steps, sizeof(double)) : NULL;
    s->sketches = quantile ? arena_calloc(t->a, t->steps, sizeof(*s->sketches)) : NULL;
    if ((quantile ? s->sketches == NULL : s->a == NULL) ||
        (t->cell == TQL_CELL_AVG && s->b == NULL)) {
        return NULL;
    }
    for (size_t i = 0; i < t->steps && !quantile; i++) {
        s->a[i] = t->cell == TQL_CELL_COUNT ? 0 : NAN;
    }
    return s;
}

int tql_table_get(struct tql_table *t, const struct tql_value *labels, struct tql_series **ret,
                  struct err *reterr)
{
    size_t at;
    int rc = t->n == t->cap ? grow(t) : 0;

    if (rc < 0) {
        return rc;
    }
    for (at = hash_labels(labels, t->labels_n) & t->mask; t->slots[at] != 0;
         at = (at + 1) & t->mask) {
        if (same_labels(t->v[t->slots[at] - 1]->labels, labels, t->labels_n)) {
            *ret = t->v[t->slots[at] - 1];
            return 0;
        }
    }
    if (t->n >= t->max_series) {
        return err_set(reterr, ERR_LIMIT, "the query gives more than %zu series", t->max_series);
    }
    *ret = new_series(t, labels);
    if (*ret == NULL) {
        return -ERR_LIMIT;
    }
    t->v[t->n++] = *ret;
    t->slots[at] = (uint32_t)t->n;
    return 0;
}

/* ---- cells ---- */

static int16_t sketch_index(double v)
{
    return v > 0 ? (int16_t)ceil(log2(v) * SKETCH_PER_OCTAVE) : INT16_MIN;
}

static int sketch_add(struct arena *a, struct tql_sketch *s, double v)
{
    int16_t index = sketch_index(v);
    uint32_t lo = 0;
    uint32_t hi = s->n;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (s->v[mid].index < index) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    s->total++;
    if (lo < s->n && s->v[lo].index == index) {
        s->v[lo].count += s->v[lo].count != UINT32_MAX;
        return 0;
    }
    if (s->n == s->cap) {
        uint32_t cap = s->cap != 0 ? 2 * s->cap : 4;
        struct tql_sketch_bucket *more = arena_array(a, struct tql_sketch_bucket, cap);

        if (more == NULL) {
            return -ERR_LIMIT;
        }
        if (s->n != 0) {
            memcpy(more, s->v, s->n * sizeof(*more));
        }
        s->v = more;
        s->cap = cap;
    }
    memmove(s->v + lo + 1, s->v + lo, (s->n - lo) * sizeof(*s->v));
    s->v[lo] = (struct tql_sketch_bucket){index, 1};
    s->n++;
    return 0;
}

double tql_sketch_quantile(const struct tql_sketch *s, double q)
{
    double rank = q * (double)s->total;
    double below = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        double count = s->v[i].count;

        if (below + count >= rank || i + 1 == s->n) {
            double part = count > 0 ? (rank - below) / count : 1;

            part = part < 0 ? 0 : part > 1 ? 1 : part;
            return s->v[i].index == INT16_MIN
                       ? 0
                       : exp2((s->v[i].index - 1 + part) / SKETCH_PER_OCTAVE);
        }
        below += count;
    }
    return NAN;
}

double tql_bucket_of(double v)
{
    double p = v > 0 ? exp2(ceil(log2(v))) : 0;

    if (p != 0 && p / 2 >= v) { /* log2 was a little above the truth */
        p /= 2;
    }
    return p != 0 && p < v ? 2 * p : p;
}

int tql_table_add(struct tql_table *t, struct tql_series *s, size_t step, double v)
{
    switch (t->cell) {
    case TQL_CELL_COUNT:
        s->a[step]++;
        return 0;
    case TQL_CELL_QUANTILE:
        return isnan(v) ? 0 : sketch_add(t->a, &s->sketches[step], v);
    case TQL_CELL_MIN:
        s->a[step] = isnan(s->a[step]) || v < s->a[step] ? v : s->a[step];
        return 0;
    case TQL_CELL_MAX:
        s->a[step] = isnan(s->a[step]) || v > s->a[step] ? v : s->a[step];
        return 0;
    default:
        s->a[step] = isnan(s->a[step]) ? v : s->a[step] + v;
        if (s->b != NULL) {
            s->b[step]++;
        }
        return 0;
    }
}

int tql_table_exemplar(struct tql_table *t, struct tql_series *s, double position, int64_t time_ns,
                       uint64_t row, struct traceql_exemplar **ret)
{
    size_t slot = (size_t)(position * (double)t->max_exemplars);
    size_t at;

    *ret = NULL;
    if (t->max_exemplars == 0) {
        return 0;
    }
    slot = slot < t->max_exemplars ? slot : t->max_exemplars - 1;
    if (s->exemplars == NULL) {
        s->exemplars = arena_array(t->a, struct traceql_exemplar, t->max_exemplars);
        s->exemplar_rows = arena_array(t->a, uint64_t, t->max_exemplars);
        s->exemplar_slots = arena_calloc(t->a, t->max_exemplars, sizeof(*s->exemplar_slots));
        if (s->exemplars == NULL || s->exemplar_rows == NULL || s->exemplar_slots == NULL) {
            return -ERR_LIMIT;
        }
    }
    if (s->exemplar_slots[slot] == 0) {
        at = s->exemplars_n++;
        s->exemplar_slots[slot] = (uint32_t)s->exemplars_n;
    } else {
        at = s->exemplar_slots[slot] - 1;
        if (time_ns < s->exemplars[at].time_ns ||
            (time_ns == s->exemplars[at].time_ns && row <= s->exemplar_rows[at])) {
            return 0;
        }
    }
    s->exemplars[at] = (struct traceql_exemplar){.time_ns = time_ns};
    s->exemplar_rows[at] = row;
    *ret = &s->exemplars[at];
    return 0;
}

static int by_time(const void *pa, const void *pb)
{
    const struct traceql_exemplar *a = pa;
    const struct traceql_exemplar *b = pb;

    return (a->time_ns < b->time_ns) - (a->time_ns > b->time_ns);
}

void tql_sort_exemplars(struct tql_series *s)
{
    if (s->exemplars_n > 1) { /* different stretches of time: no two are equal */
        qsort(s->exemplars, s->exemplars_n, sizeof(*s->exemplars), by_time);
    }
}
