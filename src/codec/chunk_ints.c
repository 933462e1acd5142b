/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing integer sequences of chunks: bit packing for speed; Huffman coding of the leading bits, or positions
 * and values of what differs from the usual, where bytes matter more than the time to write them. What a
 * coding takes is known before it is written, and only the best one is.
 */
#include "codec/chunk_ints.h"

#include "base/err.h"
#include "codec/chunk_huff.h"
#include "codec/chunk_ints_format.h"

enum {
    LINEAR_BITS = 6, /* at most so many leading bits are Huffman coded */
    HUFF_MIN = 48,   /* fewer numbers do not pay for a table */
    MEDIAN_OF = 31,
    SMOOTHS = 2, /* shifts 1 and 2 are tried */
};

/** Residuals of an order in r; at least one value remains as a start. @return their number */
VECTORISED static size_t residuals(const int64_t *v, size_t n, unsigned order, uint64_t *r)
{
    if (order == 0) {
        for (size_t i = 0; i < n; i++) {
            r[i] = (uint64_t)v[i];
        }
        return n;
    }
    if (order == 1) {
        for (size_t i = 1; i < n; i++) {
            r[i - 1] = (uint64_t)v[i] - (uint64_t)v[i - 1];
        }
        return n - 1;
    }
    for (size_t i = 2; i < n; i++) {
        r[i - 2] = (uint64_t)v[i] - 2 * (uint64_t)v[i - 1] + (uint64_t)v[i - 2];
    }
    return n - 2;
}

struct form {
    unsigned order;
    enum coding coding;
    uint64_t min;
    size_t bytes;
};

struct range {
    int64_t min, max;
};

VECTORISED static struct range range_of(const uint64_t *r, size_t n)
{
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;

    for (size_t i = 0; i < n; i++) {
        min = (int64_t)r[i] < min ? (int64_t)r[i] : min;
        max = (int64_t)r[i] > max ? (int64_t)r[i] : max;
    }
    return (struct range){min, max};
}

/** Bytes that groups take, zigzag and relative to the minimum. */
VECTORISED static void weigh_groups(const uint64_t *r, size_t n, uint64_t min, size_t *ret_zig,
                                    size_t *ret_min)
{
    size_t zig_bytes = 0;
    size_t min_bytes = 0;

    for (size_t g = 0; g < n; g += GROUP) {
        size_t k = n - g < GROUP ? n - g : GROUP;
        uint64_t zig_or = 0;
        uint64_t min_or = 0;

        for (size_t i = 0; i < k; i++) {
            zig_or |= r[g + i] << 1 ^ ((int64_t)r[g + i] < 0 ? UINT64_MAX : 0);
            min_or |= r[g + i] - min;
        }
        zig_bytes += 1 + bits_packed_size(k, bits_width(zig_or));
        min_bytes += 1 + bits_packed_size(k, bits_width(min_or));
    }
    *ret_zig = zig_bytes;
    *ret_min = min_bytes;
}

/** Bytes of the packed codings of one order; keeps the best in *best. */
static void weigh(const uint64_t *r, size_t n, unsigned order, size_t start_bytes,
                  struct form *best)
{
    struct range range = n == 0 ? (struct range){0, 0} : range_of(r, n);
    size_t base_bytes = start_bytes + bits_varint_size(bits_zigzag(range.min));
    size_t zig_bytes;
    size_t min_bytes;

    if (range.min == range.max) {
        if (base_bytes < best->bytes) {
            *best = (struct form){order, CODING_FLAT, (uint64_t)range.min, base_bytes};
        }
        return;
    }
    weigh_groups(r, n, (uint64_t)range.min, &zig_bytes, &min_bytes);
    if (base_bytes + min_bytes < best->bytes) {
        *best = (struct form){order, CODING_MIN, (uint64_t)range.min, base_bytes + min_bytes};
    }
    if (start_bytes + zig_bytes < best->bytes) {
        *best = (struct form){order, CODING_ZIGZAG, 0, start_bytes + zig_bytes};
    }
}

static void put_groups(const uint64_t *r, size_t n, bool zigzag, uint64_t min, struct buf *dst)
{
    uint64_t x[GROUP];

    for (size_t g = 0; g < n; g += GROUP) {
        size_t k = n - g < GROUP ? n - g : GROUP;
        uint64_t all = 0;
        unsigned width;
        size_t bytes;
        char *p;

        for (size_t i = 0; i < k; i++) {
            x[i] = zigzag ? bits_zigzag((int64_t)r[g + i]) : r[g + i] - min;
            all |= x[i];
        }
        width = bits_width(all);
        bytes = bits_packed_size(k, width);
        p = buf_reserve(dst, 1 + bytes);
        if (p == NULL) {
            return;
        }
        p[0] = (char)width;
        bits_pack_u64(x, k, width, (uint8_t *)p + 1);
        dst->n += 1 + bytes;
    }
}

static void put_head(const int64_t *v, unsigned order, enum coding coding, struct buf *dst)
{
    buf_add_byte(dst, (char)(order | (unsigned)coding << CODING_SHIFT));
    if (order >= 1) {
        bits_add_varint(dst, bits_zigzag(v[0]));
    }
    if (order == 2) {
        bits_add_varint(dst, bits_zigzag((int64_t)((uint64_t)v[1] - (uint64_t)v[0])));
    }
}

static void put_packed(const int64_t *v, const struct form *f, const uint64_t *r, size_t r_n,
                       struct buf *dst)
{
    put_head(v, f->order, f->coding, dst);
    if (f->coding != CODING_ZIGZAG) {
        bits_add_varint(dst, bits_zigzag((int64_t)f->min));
    }
    if (f->coding != CODING_FLAT) {
        put_groups(r, r_n, f->coding == CODING_ZIGZAG, f->min, dst);
    }
}

void chunk_keep_shorter(struct buf *dst, size_t start, size_t second)
{
    size_t n = dst->n - second;

    if (dst->failed || second == start || n == 0) {
        return;
    }
    if (n < second - start) {
        memmove(dst->data + start, dst->data + second, n);
        dst->n = start + n;
    } else {
        dst->n = second;
    }
}

/* ---- small codings ---- */

/** A way to write the sequence, and what it takes. */
struct plan {
    unsigned order; /* as in the first byte */
    uint8_t smooth; /* of ORDER_SMOOTH */
    enum coding coding;
    const uint64_t *r; /* residuals */
    size_t n;
    uint64_t base; /* minimum or centre */
    unsigned shift, symbols;
    uint8_t len[HUFF_SYMBOLS];
    uint64_t bits; /* about */
};

/** About the middle of the residuals: the median of some. */
static int64_t middle(const uint64_t *r, size_t n)
{
    int64_t some[MEDIAN_OF] = {0};
    size_t step = n / MEDIAN_OF + 1;
    size_t m = 0;

    for (size_t i = 0; i < n; i += step) {
        int64_t x = (int64_t)r[i];
        size_t k = m++;

        while (k > 0 && some[k - 1] > x) {
            some[k] = some[k - 1];
            k--;
        }
        some[k] = x;
    }
    return some[m / 2];
}

static unsigned used(const uint32_t *count, unsigned symbols)
{
    unsigned n = 0;

    for (unsigned i = 0; i < symbols; i++) {
        n += count[i] != 0 ? 1 : 0;
    }
    return n;
}

/** Bits a Huffman table with its codes takes; UINT64_MAX when there are no two symbols. */
static uint64_t table_cost(const uint32_t *count, unsigned symbols, uint8_t *len)
{
    return used(count, symbols) < 2
               ? UINT64_MAX
               : huff_lengths(count, symbols, len) + huff_table_bits(len, symbols);
}

/** Bits of what comes before the residuals: first byte, starts, base, lengths of streams. */
static uint64_t start_bits(const int64_t *v, const struct plan *p)
{
    bool rate = p->order == 2 || (p->order == ORDER_SMOOTH && (p->smooth & SMOOTH_RATE) != 0);
    uint64_t bytes = 5 + bits_varint_size(bits_zigzag((int64_t)p->base));

    bytes += p->order >= 1 ? bits_varint_size(bits_zigzag(v[0])) : 0;
    bytes += rate ? bits_varint_size(bits_zigzag((int64_t)((uint64_t)v[1] - (uint64_t)v[0]))) : 0;
    return 8 * (bytes + (p->order == ORDER_SMOOTH ? 1 : 0));
}

static void take_better(const int64_t *v, const struct plan *p, const uint8_t *len,
                        struct plan *best)
{
    uint64_t bits = p->bits + start_bits(v, p);

    if (bits < best->bits) {
        *best = *p;
        best->bits = bits;
        memcpy(best->len, len, p->symbols);
    }
}

static void plan_linear(const int64_t *v, struct plan p, struct plan *best)
{
    uint32_t count[1 << LINEAR_BITS] = {0};
    uint8_t len[1 << LINEAR_BITS];
    const struct range range = range_of(p.r, p.n);
    const uint64_t span = (uint64_t)range.max - (uint64_t)range.min;
    unsigned width = bits_width(span);
    unsigned shift = width > LINEAR_BITS ? width - LINEAR_BITS : 0;

    if (shift > LINEAR_RAW_MAX - 3) {
        return;
    }
    p.coding = CODING_LINEAR;
    p.base = (uint64_t)range.min;
    for (size_t i = 0; i < p.n; i++) {
        count[(p.r[i] - p.base) >> shift]++;
    }
    for (unsigned bits = width - shift; bits >= 2 && bits + 3 > width - shift; bits--) {
        p.shift = width - bits;
        p.symbols = (unsigned)(span >> p.shift) + 1;
        p.bits = table_cost(count, p.symbols, len);
        if (p.bits != UINT64_MAX) {
            p.bits += (uint64_t)p.n * p.shift;
            take_better(v, &p, len, best);
        }
        for (unsigned s = 0; s < 1u << (bits - 1); s++) { /* one leading bit fewer */
            count[s] = count[2 * s] + count[2 * s + 1];
        }
    }
}

/** Symbol of a number and how many raw bits go with it. */
static inline unsigned hybrid_symbol(uint64_t x, unsigned *ret_raw)
{
    unsigned log;

    if (x < HYBRID_DIRECT) {
        *ret_raw = 0;
        return (unsigned)x;
    }
    log = 63u - (unsigned)__builtin_clzll(x);
    *ret_raw = log - HYBRID_TOP;
    return HYBRID_DIRECT + ((log - HYBRID_LOG) << HYBRID_TOP) +
           (unsigned)(x >> (log - HYBRID_TOP) & ((1u << HYBRID_TOP) - 1));
}

static void plan_hybrid(const int64_t *v, struct plan p, uint64_t centre, struct plan *best)
{
    uint32_t count[HUFF_SYMBOLS] = {0};
    uint8_t len[HUFF_SYMBOLS];
    uint64_t raw_bits = 0;
    unsigned symbols = 0;

    p.coding = CODING_HYBRID;
    p.base = centre;
    for (size_t i = 0; i < p.n; i++) {
        unsigned raw;
        unsigned s = hybrid_symbol(bits_zigzag((int64_t)(p.r[i] - centre)), &raw);

        count[s]++;
        raw_bits += raw;
        symbols = s >= symbols ? s + 1 : symbols;
    }
    p.symbols = symbols;
    p.bits = table_cost(count, symbols, len);
    if (p.bits != UINT64_MAX) {
        p.bits += raw_bits;
        take_better(v, &p, len, best);
    }
}

static void put_linear(const struct plan *p, uint64_t *tmp, struct buf *dst)
{
    uint8_t *sym = (uint8_t *)(void *)tmp;
    uint64_t *raw = tmp + (p->n + 7) / 8;
    char *at;

    for (size_t i = 0; i < p->n; i++) {
        uint64_t x = p->r[i] - p->base;

        sym[i] = (uint8_t)(x >> p->shift);
        raw[i] = x & (((uint64_t)1 << p->shift) - 1);
    }
    buf_add_byte(dst, (char)p->shift);
    huff_encode(sym, p->n, p->len, p->symbols, dst);
    at = buf_reserve(dst, bits_packed_size(p->n, p->shift));
    if (at != NULL) {
        bits_pack_u64(raw, p->n, p->shift, (uint8_t *)at);
        dst->n += bits_packed_size(p->n, p->shift);
    }
}

static void put_hybrid(const struct plan *p, uint64_t *tmp, struct buf *dst)
{
    uint8_t *sym = (uint8_t *)(void *)tmp;
    unsigned __int128 acc = 0;
    unsigned held = 0;
    unsigned raw;
    char *at;
    char *start;

    for (size_t i = 0; i < p->n; i++) {
        sym[i] = (uint8_t)hybrid_symbol(bits_zigzag((int64_t)(p->r[i] - p->base)), &raw);
    }
    huff_encode(sym, p->n, p->len, p->symbols, dst);
    at = buf_reserve(dst, p->n * 8 + 16);
    if (at == NULL) {
        return;
    }
    start = at;
    for (size_t i = 0; i < p->n; i++) {
        uint64_t x = bits_zigzag((int64_t)(p->r[i] - p->base));

        (void)hybrid_symbol(x, &raw);
        acc |= (unsigned __int128)(x & (((uint64_t)1 << raw) - 1)) << held;
        held += raw;
        if (held >= 64) {
            uint64_t word = (uint64_t)acc;

            memcpy(at, &word, sizeof(word));
            at += sizeof(word);
            acc >>= 64;
            held -= 64;
        }
    }
    for (; held > 0; held = held > 8 ? held - 8 : 0) {
        *at++ = (char)(uint8_t)acc;
        acc >>= 8;
    }
    dst->n += (size_t)(at - start);
}

static void put_plan(const int64_t *v, const struct plan *p, uint64_t *tmp, struct buf *dst)
{
    if (p->order == ORDER_SMOOTH) {
        buf_add_byte(dst, (char)(ORDER_SMOOTH | (unsigned)p->coding << CODING_SHIFT));
        buf_add_byte(dst, (char)p->smooth);
        bits_add_varint(dst, bits_zigzag(v[0]));
        if ((p->smooth & SMOOTH_RATE) != 0) {
            bits_add_varint(dst, bits_zigzag((int64_t)((uint64_t)v[1] - (uint64_t)v[0])));
        }
    } else {
        put_head(v, p->order, p->coding, dst);
    }
    bits_add_varint(dst, bits_zigzag((int64_t)p->base));
    if (p->coding == CODING_LINEAR) {
        put_linear(p, tmp, dst);
    } else {
        put_hybrid(p, tmp, dst);
    }
}

static void put_best(const int64_t *v, size_t n, enum chunk_effort effort, bool nested,
                     uint64_t *tmp, struct buf *dst);

/** Positions and values of what is not `usual`, when that is little. */
static void put_sparse(const int64_t *v, const struct plan *p, uint64_t usual, uint64_t *tmp,
                       struct buf *dst)
{
    size_t others = 0;
    int64_t *gaps = (int64_t *)tmp;
    int64_t *values;
    size_t last = 0;

    for (size_t i = 0; i < p->n; i++) {
        others += p->r[i] != usual ? 1 : 0;
    }
    if (others == 0 || others > p->n / 6) { /* so that 2 + 6 scratches of `others` fit */
        return;
    }
    values = gaps + others;
    for (size_t i = 0, k = 0; i < p->n; i++) {
        if (p->r[i] != usual) {
            gaps[k] = (int64_t)(i - last);
            values[k++] = (int64_t)(p->r[i] - usual);
            last = i + 1;
        }
    }
    put_head(v, p->order, CODING_SPARSE, dst);
    bits_add_varint(dst, bits_zigzag((int64_t)usual));
    bits_add_varint(dst, others);
    put_best(gaps, others, CHUNK_SMALL, true, tmp + 2 * others, dst);
    put_best(values, others, CHUNK_SMALL, true, tmp + 2 * others, dst);
}

/* ---- differences from a moving mean ---- */

/** How far the numbers are from `from`, summed up. (What wraps only misjudges.) */
VECTORISED static uint64_t spread(const uint64_t *r, size_t n, uint64_t from)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t d = (int64_t)(r[i] - from);

        sum += (uint64_t)(d < 0 ? 0 - (uint64_t)d : (uint64_t)d);
    }
    return sum;
}

/** One step of a mean. @return by how much it missed x */
static inline uint64_t smooth_step(struct smooth *m, uint64_t x)
{
    uint64_t r = x - smooth_expected(m);

    m->mean += r;
    return r;
}

/** What is left by every shift, of values and of first differences; all at once, as each alone only waits. */
static void weigh_smooth(const int64_t *v, size_t n, uint64_t sum[2][SMOOTHS])
{
    struct smooth m[2][SMOOTHS];
    const uint64_t first = (uint64_t)v[0];
    const uint64_t delta = (uint64_t)v[1] - first;

    for (unsigned k = 0; k < 2 * SMOOTHS; k++) {
        m[k / SMOOTHS][k % SMOOTHS] = (struct smooth){0, 1 + k % SMOOTHS};
        sum[k / SMOOTHS][k % SMOOTHS] = 0;
    }
    for (size_t i = 1; i < n; i++) {
        uint64_t x[2] = {(uint64_t)v[i] - first, (uint64_t)v[i] - (uint64_t)v[i - 1] - delta};

        for (unsigned k = 0; k < 2 * SMOOTHS; k++) {
            int64_t r = (int64_t)smooth_step(&m[k / SMOOTHS][k % SMOOTHS], x[k / SMOOTHS]);

            sum[k / SMOOTHS][k % SMOOTHS] += r < 0 ? 0 - (uint64_t)r : (uint64_t)r;
        }
    }
}

/** Residuals of the best moving mean in r, when it leaves clearly less than `limit`. */
static bool smooth_out(const int64_t *v, size_t n, uint64_t limit, uint64_t *r, struct plan *ret)
{
    uint64_t sum[2][SMOOTHS];
    unsigned best = 0;
    bool rate;
    struct smooth m;
    size_t k = 0;

    weigh_smooth(v, n, sum);
    for (unsigned i = 1; i < 2 * SMOOTHS; i++) {
        if (sum[i / SMOOTHS][i % SMOOTHS] < sum[best / SMOOTHS][best % SMOOTHS]) {
            best = i;
        }
    }
    if (sum[best / SMOOTHS][best % SMOOTHS] >= limit) {
        return false;
    }
    rate = best / SMOOTHS == 1;
    m = (struct smooth){0, 1 + best % SMOOTHS};
    for (size_t i = rate ? 2 : 1; i < n; i++) {
        uint64_t x = rate ? (uint64_t)v[i] - (uint64_t)v[i - 1] - ((uint64_t)v[1] - (uint64_t)v[0])
                          : (uint64_t)v[i] - (uint64_t)v[0];

        r[k++] = smooth_step(&m, x);
    }
    *ret = (struct plan){.order = ORDER_SMOOTH,
                         .smooth = (uint8_t)(m.shift | (rate ? SMOOTH_RATE : 0u)),
                         .r = r,
                         .n = k};
    return true;
}

/* ---- choosing ---- */

/** A moving mean must leave less than this part of what differences leave: it is slower to read. */
static uint64_t smooth_limit(uint64_t spread)
{
    return spread - spread / 32;
}

/** Try what Huffman codes can do; what is at `start`, of the order `packed`, stays when it is shorter. */
static void try_small(const int64_t *v, size_t n, unsigned packed, bool nested, uint64_t *tmp,
                      size_t start, struct buf *dst)
{
    struct plan best = {.bits = 8 * (uint64_t)(dst->n - start)};
    const uint64_t enough = best.bits;
    uint64_t least = UINT64_MAX;
    size_t second;

    for (unsigned k = 0; k < (packed == 1 ? 1u : 2u); k++) {
        unsigned order = k == 0 ? packed : 1;
        struct plan p = {.order = order, .r = tmp + order * n, .n = n - order};
        uint64_t mid = (uint64_t)middle(p.r, p.n);
        uint64_t left = spread(p.r, p.n, mid);

        least = left < least ? left : least;
        plan_linear(v, p, &best);
        plan_hybrid(v, p, mid, &best);
    }
    if (!nested && least / n >= 1) {
        struct plan p;

        if (smooth_out(v, n, smooth_limit(least), tmp + 3 * n, &p)) {
            plan_linear(v, p, &best);
            plan_hybrid(v, p, (uint64_t)middle(p.r, p.n), &best);
        }
    }
    second = dst->n;
    if (best.bits < enough) {
        put_plan(v, &best, tmp + 4 * n, dst);
        chunk_keep_shorter(dst, start, second);
    }
    for (unsigned k = 0; !nested && k < (packed == 1 ? 1u : 2u); k++) {
        unsigned order = k == 0 ? packed : 1;
        struct plan p = {.order = order, .r = tmp + order * n, .n = n - order};

        second = dst->n;
        put_sparse(v, &p, (uint64_t)middle(p.r, p.n), tmp + 3 * n, dst);
        chunk_keep_shorter(dst, start, second);
    }
}

static void put_best(const int64_t *v, size_t n, enum chunk_effort effort, bool nested,
                     uint64_t *tmp, struct buf *dst)
{
    struct form best = {.bytes = SIZE_MAX};
    unsigned orders = n > 2 ? 3 : (unsigned)n; /* order k needs k values to start from */
    size_t bytes = 0;                          /* of the starting values */
    size_t start = dst->n;

    for (unsigned order = 0; order < orders; order++) {
        bytes += order == 1 ? bits_varint_size(bits_zigzag(v[0]))
                 : order == 2
                     ? bits_varint_size(bits_zigzag((int64_t)((uint64_t)v[1] - (uint64_t)v[0])))
                     : 0;
        weigh(tmp + order * n, residuals(v, n, order, tmp + order * n), order, bytes, &best);
    }
    put_packed(v, &best, tmp + best.order * n, n - best.order, dst);
    if (effort == CHUNK_SMALL && n >= HUFF_MIN && best.coding != CODING_FLAT) {
        try_small(v, n, best.order, nested, tmp, start, dst);
    }
}

void chunk_ints_encode(const int64_t *v, size_t n, enum chunk_effort effort, uint64_t *tmp,
                       struct buf *dst)
{
    put_best(v, n, effort, false, tmp, dst);
}

void chunk_ints_put_steps(int64_t step, struct buf *dst)
{
    static const int64_t ZERO = 0;

    put_head(&ZERO, 1, CODING_FLAT, dst);
    bits_add_varint(dst, bits_zigzag(step));
}
