/* SPDX-License-Identifier: Apache-2.0
 *
 * The power of two comes from the double's exponent, the bucket within it from a search in 64 bounds.
 */
#include "apm/latency.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { PER_OCTAVE = 1 << LATENCY_SCHEMA, SPARSE_FIRST = 8 };

/* 2^(-1 + i/64): the upper bounds of a power of two's buckets, as frexp() scales it. */
static const double BOUNDS[PER_OCTAVE + 1] = {
    0.5,
    0.5054446430258502,
    0.5109485743270583,
    0.5165124395106142,
    0.5221368912137069,
    0.5278225891802786,
    0.5335702003384118,
    0.5393803988785599,
    0.5452538663326288,
    0.5511912916539204,
    0.5571933712979462,
    0.5632608093041209,
    0.5693943173783458,
    0.5755946149764913,
    0.5818624293887887,
    0.5881984958251406,
    0.5946035575013605,
    0.6010783657263515,
    0.6076236799902345,
    0.614240268053435,
    0.620928906036742,
    0.6276903785123455,
    0.6345254785958666,
    0.6414350080393891,
    0.6484197773255048,
    0.6554806057623822,
    0.6626183215798707,
    0.6698337620266515,
    0.6771277734684463,
    0.6845012114872953,
    0.691954940981916,
    0.6994898362691556,
    0.7071067811865476,
    0.714806669195985,
    0.7225904034885233,
    0.7304588970903235,
    0.7384130729697497,
    0.7464538641456324,
    0.7545822137967114,
    0.7627990753722692,
    0.7711054127039704,
    0.7795022001189185,
    0.7879904225539432,
    0.7965710756711335,
    0.8052451659746271,
    0.8140137109286739,
    0.8228777390769825,
    0.8318382901633682,
    0.8408964152537145,
    0.8500531768592617,
    0.859309649061239,
    0.8686669176368531,
    0.8781260801866497,
    0.8876882462632606,
    0.8973545375015536,
    0.9071260877501994,
    0.9170040432046712,
    0.9269895625416927,
    0.93708381705515,
    0.9472879907934828,
    0.9576032806985737,
    0.9680308967461472,
    0.9785720620877001,
    0.9892280131939755,
    1.0,
};

/* Smallest i with x <= BOUNDS[i]; x in [0.5, 1). */
static int bound_of(double x)
{
    int low = 0;
    int high = PER_OCTAVE;

    while (low < high) {
        int mid = (low + high) / 2;

        if (x <= BOUNDS[mid]) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

uint16_t latency_bucket(int64_t ns)
{
    int exponent;
    double x;
    int at;

    if (ns <= 0) {
        return 0;
    }
    x = frexp((double)ns * 1e-9, &exponent);
    at = (exponent - 1) * PER_OCTAVE + bound_of(x) - LATENCY_INDEX_MIN;
    return (uint16_t)(at < 0 ? 0 : at >= LATENCY_BUCKETS ? LATENCY_BUCKETS - 1 : at);
}

double latency_value_ns(uint16_t bucket)
{
    /* the geometric middle of (2^((i-1)/64), 2^(i/64)] */
    return exp2(((double)bucket + LATENCY_INDEX_MIN - 0.5) / PER_OCTAVE) * 1e9;
}

/* ---- sparse ---- */

static size_t sparse_bytes(size_t cap)
{
    return cap * (sizeof(uint32_t) + sizeof(uint16_t));
}

static uint16_t *buckets_of(const struct latency_sparse *s)
{
    return s->count != NULL ? (uint16_t *)(s->count + s->cap) : NULL;
}

static bool sparse_grow(struct latency_sparse *s, int64_t *budget_bytes)
{
    size_t cap = s->cap == 0 ? SPARSE_FIRST : (size_t)s->cap * 2;
    int64_t more = (int64_t)(sparse_bytes(cap) - sparse_bytes(s->cap));
    struct latency_sparse bigger = {.n = s->n, .cap = (uint16_t)cap};

    if (more > *budget_bytes) {
        return false;
    }
    bigger.count = mem_try_alloc(sparse_bytes(cap));
    if (bigger.count == NULL) {
        return false;
    }
    if (s->n != 0) {
        memcpy(bigger.count, s->count, s->n * sizeof(uint32_t));
        memcpy(buckets_of(&bigger), buckets_of(s), s->n * sizeof(uint16_t));
    }
    mem_free(s->count);
    *s = bigger;
    *budget_bytes -= more;
    return true;
}

bool latency_sparse_add(struct latency_sparse *s, uint16_t bucket, int64_t *budget_bytes)
{
    uint16_t *v = buckets_of(s);
    size_t low = 0;
    size_t high = s->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (v[mid] < bucket) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low < s->n && v[low] == bucket) {
        s->count[low] += s->count[low] != UINT32_MAX;
        return true;
    }
    if (s->n == s->cap) {
        if (!sparse_grow(s, budget_bytes)) {
            return false;
        }
        v = buckets_of(s);
    }
    memmove(v + low + 1, v + low, (s->n - low) * sizeof(*v));
    memmove(s->count + low + 1, s->count + low, (s->n - low) * sizeof(*s->count));
    v[low] = bucket;
    s->count[low] = 1;
    s->n++;
    return true;
}

int64_t latency_sparse_done(struct latency_sparse *s)
{
    int64_t bytes = (int64_t)sparse_bytes(s->cap);

    mem_free(s->count);
    *s = (struct latency_sparse){0};
    return bytes;
}

/* ---- dense ---- */

void latency_dense_init(struct latency_dense *d)
{
    memset(d, 0, sizeof(*d));
    d->from = LATENCY_BUCKETS;
}

void latency_dense_clear(struct latency_dense *d)
{
    if (d->from < d->to) {
        memset(d->v + d->from, 0, (size_t)(d->to - d->from) * sizeof(*d->v));
    }
    d->total = 0;
    d->from = LATENCY_BUCKETS;
    d->to = 0;
}

void latency_dense_add(struct latency_dense *d, uint16_t bucket, uint64_t n)
{
    d->v[bucket] += n;
    d->total += n;
    d->from = bucket < d->from ? bucket : d->from;
    d->to = bucket >= d->to ? (uint16_t)(bucket + 1) : d->to;
}

void latency_merge(struct latency_dense *d, const struct latency_sparse *s)
{
    const uint16_t *v = buckets_of(s);

    for (size_t i = 0; i < s->n; i++) {
        latency_dense_add(d, v[i], s->count[i]);
    }
}

double latency_quantile_ns(const struct latency_dense *d, double q, double max_ns)
{
    uint64_t rank = (uint64_t)ceil(q * (double)d->total);
    uint64_t seen = 0;
    double v = 0;

    rank = rank == 0 ? 1 : rank;
    for (unsigned i = d->from; i < d->to; i++) {
        seen += d->v[i];
        if (seen >= rank) {
            v = latency_value_ns((uint16_t)i);
            break;
        }
    }
    return v < max_ns ? v : max_ns;
}
