/* SPDX-License-Identifier: Apache-2.0
 *
 * Components back to native histograms: grouping the entries of a selection, and joining the components' samples by
 * time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "store/tsdb/native.h"

static bool is_component(struct labels ls)
{
    return ls.n != 0 && label_name_is_hidden(ls.v[ls.n - 1].name);
}

static bool is_start(struct labels ls)
{
    return is_component(ls) && str_eq(ls.v[ls.n - 1].value, STR(NATIVE_CODE_START));
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct native_group *)a)->labels,
                      ((const struct native_group *)b)->labels);
}

struct native_group *native_groups(const struct labels *labels, size_t n, bool starts,
                                   size_t *ret_n)
{
    struct native_group *v = mem_try_calloc(n + 1, sizeof(*v));
    size_t groups = 0;
    size_t out = 0;

    if (v == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n;
         i++) { /* components of a series lie side by side: only their last label differs */
        struct labels base = {labels[i].v, labels[i].n - (is_component(labels[i]) ? 1 : 0)};

        if (starts != is_start(labels[i])) {
            continue;
        }
        if (starts || base.n == labels[i].n) {
            v[groups++] = (struct native_group){.labels = base, .floats = (uint32_t)i + 1};
        } else if (groups != 0 && v[groups - 1].n != 0 && labels_eq(v[groups - 1].labels, base)) {
            v[groups - 1].n++;
        } else {
            v[groups++] = (struct native_group){.labels = base, .first = (uint32_t)i, .n = 1};
        }
    }
    if (groups > 1) {
        qsort(v, groups, sizeof(*v), by_labels);
    }
    for (size_t i = 1; i < groups; i++) { /* floats and histograms of one series meet here */
        if (labels_eq(v[out].labels, v[i].labels)) {
            v[out].floats = v[out].floats != 0 ? v[out].floats : v[i].floats;
            v[out].first = v[out].n != 0 ? v[out].first : v[i].first;
            v[out].n = v[out].n != 0 ? v[out].n : v[i].n;
        } else {
            v[++out] = v[i];
        }
    }
    *ret_n = groups == 0 ? 0 : out + 1;
    return v;
}

/** A code taken apart. */
struct part {
    char kind;
    int32_t schema;
    int32_t index;
};

static bool parse_index(struct str s, int32_t *ret)
{
    uint32_t v = 0;

    if (s.n != 8) {
        return false;
    }
    for (size_t i = 0; i < 8; i++) {
        const char *digits = "0123456789abcdef";
        const char *at = s.p[i] != 0 ? strchr(digits, s.p[i]) : NULL;

        if (at == NULL) {
            return false;
        }
        v = v << 4 | (uint32_t)(at - digits);
    }
    *ret = (int32_t)(v ^ 0x80000000u);
    return true;
}

static bool parse_code(struct str code, struct part *ret)
{
    if (code.n == 0) {
        return false;
    }
    *ret = (struct part){.kind = code.p[0]};
    switch (code.p[0]) {
    case 'c':
    case 'm':
    case 's':
    case 't':
    case 'z':
        return code.n == 1;
    case 'b':
        return parse_index(str_drop(code, 1), &ret->index);
    case 'n':
    case 'p':
        if (code.n < 2 || ((code.p[1] < 'a' || code.p[1] > 'm') && code.p[1] != 'z')) {
            return false;
        }
        ret->schema = code.p[1] == 'z' ? NATIVE_SCHEMA_CUSTOM : code.p[1] - 'a' + NATIVE_SCHEMA_MIN;
        return parse_index(str_drop(code, 2), &ret->index);
    default:
        return false;
    }
}

static void set_meta(struct native_histogram *h, double v)
{
    int packed = v >= 0 && v < 1024 ? (int)v : 64 * 4;

    h->schema = packed / 4 - 64;
    h->hint = (uint8_t)(packed % 4);
}

/** Where among n times those of `s` begin when they are the last of them, as of a bucket that was hit once and stays;
 * n otherwise. */
static size_t tail_of(const int64_t *t_ms, size_t n, const struct samples *s)
{
    bool tail =
        s->n <= n && s->n != 0 && memcmp(t_ms + (n - s->n), s->t_ms, s->n * sizeof(*t_ms)) == 0;

    return tail ? n - s->n : n;
}

static size_t start_of(const struct native_samples *dst, const struct samples *s)
{
    size_t first = tail_of(dst->t_ms, dst->n, s);

    return first < dst->n ? first : 0;
}

/** Run `body` for the samples of `c` whose time is one of dst's, which is number k. */
#define EACH_COMMON(c, dst, ...)                                                    \
    for (size_t i = 0, k = start_of(dst, &(c)->samples); i < (c)->samples.n; i++) { \
        while (k < (dst)->n && (dst)->t_ms[k] < (c)->samples.t_ms[i]) {             \
            k++;                                                                    \
        }                                                                           \
        if (k < (dst)->n && (dst)->t_ms[k] == (c)->samples.t_ms[i]) {               \
            double v = (c)->samples.v[i];                                           \
            struct native_histogram *h = &(dst)->v[k];                              \
            if (!sample_is_stale(h->sum)) {                                         \
                __VA_ARGS__;                                                        \
            }                                                                       \
        }                                                                           \
    }

static int start(const struct native_component *c, struct native_samples *dst)
{
    size_t n = c->samples.n;

    dst->t_ms = mem_try_alloc(n * sizeof(*dst->t_ms));
    dst->v = mem_try_calloc(n, sizeof(*dst->v));
    if (dst->t_ms == NULL || dst->v == NULL) {
        return -ERR_NOMEM;
    }
    memcpy(dst->t_ms, c->samples.t_ms, n * sizeof(*dst->t_ms));
    for (size_t i = 0; i < n; i++) {
        dst->v[i].count = c->samples.v[i];
        if (sample_is_stale(c->samples.v[i])) {
            dst->v[i].sum = c->samples.v[i];
        }
    }
    dst->n = dst->cap = n;
    dst->bytes = n * (sizeof(*dst->t_ms) + sizeof(*dst->v));
    return 0;
}

/** Scalars first: the buckets need the schema. */
static void fill_scalar(const struct native_component *c, struct native_samples *dst)
{
    switch (c->code.p[0]) {
    case 'm':
        EACH_COMMON(c, dst, { set_meta(h, v); })
        break;
    case 's':
        EACH_COMMON(c, dst, { h->sum = v; })
        break;
    case 't':
        EACH_COMMON(c, dst, { h->zero_threshold = v; })
        break;
    case 'z':
        EACH_COMMON(c, dst, { h->zero_count = v; })
        break;
    default:
        break;
    }
}

/** Count what fill_list() will append. */
static void count_list(const struct native_component *c, const struct part *p,
                       struct native_samples *dst)
{
    if (p->kind == 'b') {
        EACH_COMMON(c, dst, {
            (void)v;
            h->bounds_n += native_is_custom(h) ? 1 : 0;
        })
    } else if (p->kind == 'p') {
        EACH_COMMON(c, dst, { h->positive.n += h->schema == p->schema && v != 0 ? 1 : 0; })
    } else if (p->kind == 'n') {
        EACH_COMMON(c, dst, { h->negative.n += h->schema == p->schema && v != 0 ? 1 : 0; })
    }
}

static void fill_list(const struct native_component *c, const struct part *p,
                      struct native_samples *dst)
{
    if (p->kind == 'b') {
        EACH_COMMON(c, dst, {
            if (native_is_custom(h)) {
                h->bounds[h->bounds_n++] = v;
            }
        })
    } else if (p->kind == 'p') {
        EACH_COMMON(c, dst, {
            if (h->schema == p->schema && v != 0) {
                h->positive.v[h->positive.n++] = (struct native_bucket){p->index, v};
            }
        })
    } else if (p->kind == 'n') {
        EACH_COMMON(c, dst, {
            if (h->schema == p->schema && v != 0) {
                h->negative.v[h->negative.n++] = (struct native_bucket){p->index, v};
            }
        })
    }
}

/** Give every histogram its place in the shared blocks. */
static int place_lists(struct native_samples *dst)
{
    size_t buckets = 0;
    size_t bounds = 0;

    for (size_t i = 0; i < dst->n; i++) {
        buckets += dst->v[i].positive.n + dst->v[i].negative.n;
        bounds += dst->v[i].bounds_n;
    }
    dst->buckets = mem_try_calloc(buckets, sizeof(*dst->buckets));
    dst->bounds = mem_try_calloc(bounds, sizeof(*dst->bounds));
    if (dst->buckets == NULL || dst->bounds == NULL) {
        return -ERR_NOMEM;
    }
    dst->bytes += buckets * sizeof(*dst->buckets) + bounds * sizeof(*dst->bounds);
    buckets = bounds = 0;
    for (size_t i = 0; i < dst->n; i++) {
        struct native_histogram *h = &dst->v[i];

        h->negative.v = dst->buckets + buckets;
        buckets += h->negative.n;
        h->positive.v = dst->buckets + buckets;
        buckets += h->positive.n;
        h->bounds = dst->bounds + bounds;
        bounds += h->bounds_n;
        h->positive.n = h->negative.n = h->bounds_n = 0;
    }
    return 0;
}

int native_assemble(const struct native_component *v, size_t n, struct native_samples *dst)
{
    struct part *parts = mem_try_calloc(n + 1, sizeof(*parts));
    int rc = parts == NULL ? -ERR_NOMEM : 0;

    native_samples_done(dst);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!parse_code(v[i].code, &parts[i])) {
            rc = -ERR_CORRUPT;
        } else if (parts[i].kind == 'c') {
            rc = start(&v[i], dst);
        }
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        fill_scalar(&v[i], dst);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        count_list(&v[i], &parts[i], dst);
    }
    rc = rc == 0 ? place_lists(dst) : rc;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        fill_list(&v[i], &parts[i], dst);
    }
    mem_free(parts);
    if (rc != 0) {
        native_samples_done(dst);
    }
    return rc;
}

/* ---- by columns ---- */

static int columns_room(struct native_columns *d, size_t n, size_t components)
{
    size_t cells = (components + 3) * n + 1;

    if (n > d->n_cap) {
        mem_free(d->t_ms);
        mem_free(d->reset);
        d->t_ms = mem_try_alloc(n * sizeof(*d->t_ms));
        d->reset = mem_try_alloc(n * sizeof(*d->reset));
        d->n_cap = d->t_ms != NULL && d->reset != NULL ? n : 0;
    }
    if (components > d->columns_cap) {
        mem_free(d->v);
        mem_free(d->bounds);
        d->v = mem_try_alloc(components * sizeof(*d->v));
        d->bounds = mem_try_alloc(components * sizeof(*d->bounds));
        d->columns_cap = d->v != NULL && d->bounds != NULL ? components : 0;
    }
    if (cells > d->block_cap) {
        mem_free(d->block);
        d->block = mem_try_alloc(cells * sizeof(*d->block));
        d->block_cap = d->block != NULL ? cells : 0;
    }
    return n <= d->n_cap && components <= d->columns_cap && cells <= d->block_cap ? 0 : -ERR_NOMEM;
}

int native_columns_start(struct native_columns *dst, const struct samples *count, size_t components)
{
    double *v;
    size_t n = 0;

    if (columns_room(dst, count->n, components) < 0) {
        return -ERR_NOMEM;
    }
    v = dst->block;
    for (size_t i = 0; i < count->n; i++) {
        if (!sample_is_stale(count->v[i])) {
            dst->t_ms[n] = count->t_ms[i];
            v[n++] = count->v[i];
        }
    }
    dst->n = n;
    dst->columns_n = dst->bounds_n = 0;
    dst->schema = INT32_MIN;
    dst->zero_threshold = 0;
    dst->count = v;
    dst->sum = v + n;
    dst->zero = v + 2 * n;
    memset(v + n, 0, 2 * n * sizeof(*v));
    memset(dst->reset, 0, n * sizeof(*dst->reset));
    return 1;
}

/** Samples at the histograms' times, 0 where there is none. @return whether all have one */
static bool spread(const struct native_columns *d, const struct samples *s, double *to)
{
    size_t n = d->n;
    size_t first = tail_of(d->t_ms, n, s);
    size_t found = 0;

    if (first < n) {
        memset(to, 0, first * sizeof(*to));
        memcpy(to + first, s->v, s->n * sizeof(*to));
        return first == 0;
    }
    memset(to, 0, n * sizeof(*to));
    for (size_t i = 0, k = 0; i < s->n && k < n; i++) {
        while (k < n && d->t_ms[k] < s->t_ms[i]) {
            k++;
        }
        if (k < n && d->t_ms[k] == s->t_ms[i]) {
            to[k] = s->v[i];
            found++;
        }
    }
    return found == n;
}

static bool constant(const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (v[i] != v[0]) {
            return false;
        }
    }
    return true;
}

/** One schema, and no gauge; a reset that the sender told of counts. */
static bool take_meta(struct native_columns *d, const double *v)
{
    for (size_t i = 0; i < d->n; i++) {
        struct native_histogram h = {0};

        set_meta(&h, v[i]);
        if (h.hint == NATIVE_GAUGE || (i != 0 && h.schema != d->schema)) {
            return false;
        }
        d->schema = h.schema;
        d->reset[i] = h.hint == NATIVE_RESET;
    }
    return true;
}

int native_columns_add(struct native_columns *dst, struct str code, const struct samples *s)
{
    double *to = dst->block + (3 + dst->columns_n) * dst->n; /* the first that is free */
    struct part p;
    bool full;

    if (!parse_code(code, &p)) {
        return -ERR_CORRUPT;
    }
    if (dst->n == 0 || s->n == 0) {
        return dst->n == 0 || p.kind != 'm';
    }
    to = p.kind == 's' ? dst->block + dst->n : p.kind == 'z' ? dst->block + 2 * dst->n : to;
    full = spread(dst, s, to);
    switch (p.kind) {
    case 'b':
        dst->bounds[dst->bounds_n++] = to[0];
        return full && constant(to, dst->n);
    case 'm':
        return full && take_meta(dst, to);
    case 't':
        dst->zero_threshold = to[0];
        return constant(to, dst->n);
    case 'n':
    case 'p':
        if (p.schema == dst->schema) {
            dst->v[dst->columns_n++] =
                (struct native_column){.index = p.index, .negative = p.kind == 'n', .v = to};
        }
        return 1;
    default:
        return 1;
    }
}

static void note_drops(bool *reset, const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        reset[i] |= v[i] < v[i - 1];
    }
}

int native_columns_end(struct native_columns *dst)
{
    for (size_t i = 0; i < dst->columns_n; i++) {
        if (dst->schema != NATIVE_SCHEMA_CUSTOM &&
            native_bound(dst->v[i].index, dst->schema) <= dst->zero_threshold) {
            return 0; /* a bucket inside the zero bucket, which arithmetic treats as part of it */
        }
    }
    note_drops(dst->reset, dst->count, dst->n);
    note_drops(dst->reset, dst->zero, dst->n);
    for (size_t i = 0; i < dst->columns_n; i++) {
        note_drops(dst->reset, dst->v[i].v, dst->n);
    }
    return 1;
}
