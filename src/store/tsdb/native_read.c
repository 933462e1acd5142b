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

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct native_group *)a)->labels,
                      ((const struct native_group *)b)->labels);
}

struct native_group *native_groups(const struct labels *labels, size_t n, size_t *ret_n)
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

        if (base.n == labels[i].n) {
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

/** Run `body` for the samples of `c` whose time is one of dst's, which is number k. */
#define EACH_COMMON(c, dst, ...)                                        \
    for (size_t i = 0, k = 0; i < (c)->samples.n; i++) {                \
        while (k < (dst)->n && (dst)->t_ms[k] < (c)->samples.t_ms[i]) { \
            k++;                                                        \
        }                                                               \
        if (k < (dst)->n && (dst)->t_ms[k] == (c)->samples.t_ms[i]) {   \
            double v = (c)->samples.v[i];                               \
            struct native_histogram *h = &(dst)->v[k];                  \
            if (!sample_is_stale(h->sum)) {                             \
                __VA_ARGS__;                                            \
            }                                                           \
        }                                                               \
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
