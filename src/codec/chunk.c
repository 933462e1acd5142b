/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of chunks: a column of times, a column of values, or both behind one header.
 */
#include "codec/chunk.h"

#include "base/alloc.h"
#include "base/err.h"
#include "codec/chunk_internal.h"
#include "codec/chunk_ints.h"

enum { STACK_SAMPLES = 128 };

struct stack_scratch {
    int64_t ints[STACK_SAMPLES];
    uint64_t words[CHUNK_INTS_SCRATCH(STACK_SAMPLES)];
    uint16_t exceptions[STACK_SAMPLES];
};

/** Scratch for n samples: `small`, or the heap. @return what to free, or NULL with *ret_ok telling why */
static char *scratch_of(size_t n, struct stack_scratch *small, struct chunk_scratch *ret,
                        bool *ret_ok)
{
    const size_t words = 1 + CHUNK_INTS_SCRATCH(1);
    char *heap;

    *ret_ok = true;
    if (n <= STACK_SAMPLES) {
        *ret = (struct chunk_scratch){small->ints, small->words, small->exceptions};
        return NULL;
    }
    heap = mem_try_alloc(n * (words * sizeof(uint64_t) + sizeof(uint16_t)));
    *ret_ok = heap != NULL;
    if (heap != NULL) {
        ret->ints = (int64_t *)(void *)heap;
        ret->words = (uint64_t *)(void *)heap + n;
        ret->exceptions = (uint16_t *)(void *)((uint64_t *)(void *)heap + words * n);
    }
    return heap;
}

/** The end of an append that began at `start`: all of it or nothing. */
static int finish(struct buf *dst, size_t start)
{
    if (dst->failed) {
        dst->n = start < dst->n ? start : dst->n;
        return buf_status(dst);
    }
    return 0;
}

/* ---- times ---- */

/** All the same distance apart, which does not overflow. */
static bool fixed_interval(const int64_t *t_ms, size_t n)
{
    uint64_t step = (uint64_t)t_ms[1] - (uint64_t)t_ms[0];
    uint64_t off = step >> 62; /* so large steps go the general way */

    for (size_t i = 1; i < n; i++) {
        off |= ((uint64_t)t_ms[i] - (uint64_t)t_ms[i - 1]) ^ step;
    }
    return off == 0;
}

/** Times behind the first one, relative to it so that small chunks have small starts. */
static void put_times(const int64_t *t_ms, size_t n, enum chunk_effort effort,
                      const struct chunk_scratch *s, struct buf *dst)
{
    if (n == 1) {
        return;
    }
    if (fixed_interval(t_ms, n)) {
        chunk_ints_put_steps(t_ms[1] - t_ms[0], dst);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        s->ints[i] = (int64_t)((uint64_t)t_ms[i] - (uint64_t)t_ms[0]);
    }
    chunk_ints_encode(s->ints, n, effort, s->words, dst);
}

/** Make relative times absolute. @return they rise */
VECTORISED static bool place_times(int64_t *t_ms, size_t n, int64_t first)
{
    uint64_t wrong = 0;

    for (size_t i = 0; i < n; i++) {
        t_ms[i] = (int64_t)((uint64_t)t_ms[i] + (uint64_t)first);
    }
    for (size_t i = 1; i < n; i++) {
        wrong |= (uint64_t)(t_ms[i] <= t_ms[i - 1]);
    }
    return wrong == 0;
}

static int get_times(struct bits_reader *r, int64_t first, int64_t *t_ms, size_t n)
{
    t_ms[0] = 0;
    if (n > 1 && chunk_ints_decode(r, t_ms, n, n) < 0) {
        return -ERR_CORRUPT;
    }
    return !place_times(t_ms, n, first) || r->bad ? -ERR_CORRUPT : 0;
}

int chunk_times_encode(const int64_t *t_ms, size_t n, enum chunk_effort effort, struct buf *dst)
{
    struct stack_scratch small;
    struct chunk_scratch s;
    size_t start = dst->n;
    bool ok;
    char *heap;

    if (n == 0 || n > CHUNK_MAX_SAMPLES) {
        return -ERR_INVALID;
    }
    heap = scratch_of(n, &small, &s, &ok);
    if (!ok) {
        return -ERR_NOMEM;
    }
    bits_add_varint(dst, n);
    bits_add_varint(dst, bits_zigzag(t_ms[0]));
    bits_add_varint(dst, (uint64_t)t_ms[n - 1] - (uint64_t)t_ms[0]);
    put_times(t_ms, n, effort, &s, dst);
    mem_free(heap);
    return finish(dst, start);
}

static int get_times_info(struct bits_reader *r, struct chunk_times_info *ret)
{
    uint64_t n = bits_read_varint(r);
    int64_t first = bits_unzigzag(bits_read_varint(r));
    int64_t last = (int64_t)((uint64_t)first + bits_read_varint(r));

    if (r->bad || n == 0 || n > CHUNK_MAX_SAMPLES || (n == 1 ? last != first : last <= first)) {
        return -ERR_CORRUPT;
    }
    *ret = (struct chunk_times_info){(size_t)n, first, last};
    return 0;
}

int chunk_times_peek(struct str src, struct chunk_times_info *ret)
{
    struct bits_reader r = bits_reader_of(src.p, src.n);

    return get_times_info(&r, ret);
}

int chunk_times_decode(struct str src, int64_t *t_ms, size_t cap)
{
    struct bits_reader r = bits_reader_of(src.p, src.n);
    struct chunk_times_info info;

    if (get_times_info(&r, &info) < 0 || info.n > cap ||
        get_times(&r, info.first_ms, t_ms, info.n) < 0 || t_ms[info.n - 1] != info.last_ms) {
        return -ERR_CORRUPT;
    }
    return (int)info.n;
}

/** Times at a fixed interval: only those wanted are made. @return as chunk_times_decode_since() */
static int steps_since(const struct chunk_times_info *info, int64_t step, int64_t min_ms,
                       int64_t *t_ms)
{
    const uint64_t span = (uint64_t)info->last_ms - (uint64_t)info->first_ms;
    size_t from = 0;

    if (step <= 0 || span / (info->n - 1) != (uint64_t)step || span % (info->n - 1) != 0) {
        return -ERR_CORRUPT;
    }
    if (min_ms > info->last_ms) {
        return 0;
    }
    if (min_ms > info->first_ms) {
        from = (size_t)(((uint64_t)min_ms - (uint64_t)info->first_ms + (uint64_t)step - 1) /
                        (uint64_t)step);
    }
    for (size_t i = from; i < info->n; i++) {
        t_ms[i - from] = (int64_t)((uint64_t)info->first_ms + i * (uint64_t)step);
    }
    return (int)(info->n - from);
}

/** First of n rising times that is not below t. */
static size_t lower_bound(const int64_t *t_ms, size_t n, int64_t t)
{
    size_t lo = 0;
    size_t hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (t_ms[mid] < t) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

int chunk_times_decode_since(struct str src, int64_t min_ms, int64_t *t_ms, size_t cap)
{
    struct bits_reader r = bits_reader_of(src.p, src.n);
    struct chunk_times_info info;
    int64_t step;
    size_t from;

    if (get_times_info(&r, &info) < 0 || info.n > cap) {
        return -ERR_CORRUPT;
    }
    if (info.n > 1 && chunk_ints_steps(&r, &step)) {
        return steps_since(&info, step, min_ms, t_ms);
    }
    if (get_times(&r, info.first_ms, t_ms, info.n) < 0 || t_ms[info.n - 1] != info.last_ms) {
        return -ERR_CORRUPT;
    }
    from = lower_bound(t_ms, info.n, min_ms);
    memmove(t_ms, t_ms + from, (info.n - from) * sizeof(*t_ms));
    return (int)(info.n - from);
}

/* ---- values ---- */

int chunk_values_encode(const double *v, size_t n, enum chunk_effort effort, struct buf *dst)
{
    struct stack_scratch small;
    struct chunk_scratch s;
    size_t start = dst->n;
    bool ok;
    char *heap;

    if (n == 0 || n > CHUNK_MAX_SAMPLES) {
        return -ERR_INVALID;
    }
    heap = scratch_of(n, &small, &s, &ok);
    if (!ok) {
        return -ERR_NOMEM;
    }
    chunk_put_values(v, n, effort, &s, dst);
    mem_free(heap);
    return finish(dst, start);
}

int chunk_values_decode(struct str src, double *v, size_t n)
{
    struct bits_reader r = bits_reader_of(src.p, src.n);

    return n > CHUNK_MAX_SAMPLES || chunk_get_values(&r, v, n, n) < 0 || r.bad || r.p != r.end
               ? -ERR_CORRUPT
               : 0;
}

int chunk_values_encode_newest(const double *v, size_t n, enum chunk_effort effort, struct buf *dst)
{
    double *back = mem_try_alloc((n + 1) * sizeof(*back));
    int rc;

    if (back == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        back[i] = v[n - 1 - i];
    }
    rc = chunk_values_encode(back, n, effort, dst);
    mem_free(back);
    return rc;
}

int chunk_values_decode_newest(struct str src, size_t n, double *v, size_t k)
{
    struct bits_reader r = bits_reader_of(src.p, src.n);

    if (n > CHUNK_MAX_SAMPLES || k == 0 || k > n || chunk_get_values(&r, v, n, k) < 0 || r.bad ||
        (k == n && r.p != r.end)) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < k / 2; i++) {
        double x = v[i];

        v[i] = v[k - 1 - i];
        v[k - 1 - i] = x;
    }
    return 0;
}

/* ---- chunks ---- */

int chunk_encode(const int64_t *t_ms, const double *v, size_t n, struct buf *dst)
{
    struct stack_scratch small;
    struct chunk_scratch s;
    size_t start = dst->n;
    bool ok;
    char *heap;

    if (n == 0 || n > CHUNK_MAX_SAMPLES) {
        return -ERR_INVALID;
    }
    heap = scratch_of(n, &small, &s, &ok);
    if (!ok) {
        return -ERR_NOMEM;
    }
    bits_add_varint(dst, n);
    bits_add_varint(dst, bits_zigzag(t_ms[0]));
    put_times(t_ms, n, CHUNK_FAST, &s, dst);
    chunk_put_values(v, n, CHUNK_FAST, &s, dst);
    mem_free(heap);
    return finish(dst, start);
}

static int peek(struct bits_reader *r, size_t *ret_n, int64_t *ret_first_ms)
{
    uint64_t n = bits_read_varint(r);
    int64_t first = bits_unzigzag(bits_read_varint(r));

    if (r->bad || n == 0 || n > CHUNK_MAX_SAMPLES) {
        return -ERR_CORRUPT;
    }
    *ret_n = (size_t)n;
    *ret_first_ms = first;
    return 0;
}

int chunk_peek(struct str src, size_t *ret_n, int64_t *ret_first_ms)
{
    struct bits_reader r = bits_reader_of(src.p, src.n);

    return peek(&r, ret_n, ret_first_ms);
}

int chunk_decode(struct str src, int64_t *t_ms, double *v, size_t cap)
{
    struct bits_reader r = bits_reader_of(src.p, src.n);
    size_t n;
    int64_t first;

    if (peek(&r, &n, &first) < 0 || n > cap || get_times(&r, first, t_ms, n) < 0 ||
        chunk_get_values(&r, v, n, n) < 0 || r.bad || r.p != r.end) {
        return -ERR_CORRUPT;
    }
    return (int)n;
}
