/* SPDX-License-Identifier: Apache-2.0
 *
 * Natural merge sort for rows, radix sort for numbers.
 */
#include "store/columns/order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool row_before(const struct order_row *a, const struct order_row *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->id < b->id;
}

static void merge_runs(const struct order_row *a, size_t an, const struct order_row *b, size_t bn,
                       struct order_row *dst)
{
    while (an != 0 && bn != 0) {
        bool second = row_before(b, a);

        *dst++ = second ? *b : *a;
        b += second;
        bn -= second;
        a += !second;
        an -= !second;
    }
    if (an != 0) {
        memcpy(dst, a, an * sizeof(*a));
    }
    if (bn != 0) {
        memcpy(dst + an, b, bn * sizeof(*b));
    }
}

/* Length of the run in order at the start. */
static size_t run_at(const struct order_row *v, size_t n)
{
    size_t k = 1;

    while (k < n && !row_before(&v[k], &v[k - 1])) {
        k++;
    }
    return k < n ? k : n;
}

/* One round of merging neighbouring runs of src into dst. @return how many runs there were */
static size_t merge_round(const struct order_row *src, size_t n, struct order_row *dst)
{
    size_t runs = 0;

    for (size_t at = 0; at < n;) {
        size_t a = run_at(src + at, n - at);
        size_t b = at + a < n ? run_at(src + at + a, n - at - a) : 0;

        merge_runs(src + at, a, src + at + a, b, dst + at);
        runs += b != 0 ? 2 : 1;
        at += a + b;
    }
    return runs;
}

/* Short runs first: by insertion, in pieces. */
static void sort_pieces(struct order_row *v, size_t n)
{
    enum { PIECE = 16 };

    for (size_t from = 0; from < n; from += PIECE) {
        size_t end = from + PIECE < n ? from + PIECE : n;

        for (size_t i = from + 1; i < end; i++) {
            struct order_row row = v[i];
            size_t k = i;

            while (k > from && row_before(&row, &v[k - 1])) {
                v[k] = v[k - 1];
                k--;
            }
            v[k] = row;
        }
    }
}

static void sort_group(struct order_row *v, struct order_row *scratch, size_t n)
{
    struct order_row *src = v;
    struct order_row *dst = scratch;

    if (run_at(v, n) == n) {
        return;
    }
    sort_pieces(v, n);
    for (size_t runs = n; runs > 2;) {
        struct order_row *t = src;

        runs = merge_round(src, n, dst);
        src = dst;
        dst = t;
    }
    if (src != v) {
        memcpy(v, src, n * sizeof(*v));
    }
}

struct order_row *order_rows(struct order_row *v, struct order_row *scratch, size_t n,
                             uint32_t *starts, size_t groups)
{
    uint32_t sum = 0;

    memset(starts, 0, (groups + 1) * sizeof(*starts));
    for (size_t i = 0; i < n; i++) {
        starts[v[i].group]++;
    }
    for (size_t g = 0; g <= groups; g++) {
        uint32_t count = starts[g];

        starts[g] = sum;
        sum += g < groups ? count : 0;
    }
    for (size_t i = 0; i < n; i++) {
        scratch[starts[v[i].group]++] = v[i];
    }
    for (size_t g = groups; g > 0; g--) {
        starts[g] = starts[g - 1];
    }
    starts[0] = 0;
    for (size_t g = 0; g < groups; g++) {
        if (starts[g + 1] - starts[g] > 1) {
            sort_group(scratch + starts[g], v + starts[g], starts[g + 1] - starts[g]);
        }
    }
    return scratch;
}

static int by_value(const void *pa, const void *pb)
{
    const struct order_pair *a = pa;
    const struct order_pair *b = pb;

    return (a->value > b->value) - (a->value < b->value);
}

/* Equal keys by value. */
static void sort_values(struct order_pair *v, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        bool sorted = true;

        for (; end < n && v[end].key == v[i].key; end++) {
            sorted = sorted && v[end - 1].value <= v[end].value;
        }
        if (!sorted) {
            qsort(v + i, end - i, sizeof(*v), by_value);
        }
        i = end;
    }
}

struct order_pair *order_pairs(struct order_pair *v, struct order_pair *scratch, size_t n)
{
    enum { BITS = 12, BUCKETS = 1 << BITS, ROUNDS = 4 };

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t at[BUCKETS] = {0};
        uint32_t sum = 0;
        struct order_pair *t = v;

        for (size_t i = 0; i < n; i++) {
            at[v[i].key >> (round * BITS) & (BUCKETS - 1)]++;
        }
        for (size_t b = 0; b < BUCKETS; b++) {
            uint32_t count = at[b];

            at[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) {
            scratch[at[v[i].key >> (round * BITS) & (BUCKETS - 1)]++] = v[i];
        }
        v = scratch;
        scratch = t;
    }
    sort_values(v, n);
    return v;
}
