/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer sequences of chunks: bit packing for speed; Huffman coding of the leading bits, or positions and
 * values of what differs from the usual, where bytes matter more than the time to write them.
 */
#include "codec/chunk_ints.h"

#include "base/err.h"
#include "codec/chunk_huff.h"

enum {
    GROUP = 32, /* values that share a width: one byte of overhead per 32 */
    ORDER_MASK = 3,
    CODING_SHIFT = 2,
    LINEAR_BITS = 6,     /* at most so many leading bits are Huffman coded */
    LINEAR_RAW_MAX = 56, /* raw bits behind a symbol: one unaligned load holds them */
    HYBRID_DIRECT = 16,  /* smaller numbers are symbols themselves */
    HYBRID_LOG = 4,
    HYBRID_TOP = 2, /* bits behind the leading one that belong to the symbol */
    HUFF_MIN = 48,  /* fewer numbers do not pay for a table */
    MEDIAN_OF = 31,
};

enum coding {
    CODING_ZIGZAG, /* groups of a width each, signs mixed */
    CODING_MIN,    /* groups, relative to the minimum */
    CODING_FLAT,   /* all the same */
    CODING_LINEAR, /* leading bits above the minimum Huffman coded, the rest as they are */
    CODING_HYBRID, /* distance to a centre: small ones and magnitudes Huffman coded */
    CODING_SPARSE, /* one usual number; gaps and values of the others */
    CODINGS,
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

/** Residuals of one order, and where to write them. */
struct job {
    const int64_t *v; /* the values themselves, for the start */
    const uint64_t *r;
    size_t n; /* of r */
    unsigned order;
    uint64_t *tmp; /* room for 2 (n + order) words */
    struct buf *dst;
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
    return used(count, symbols) < 2 ? UINT64_MAX : huff_lengths(count, symbols, len) + 4 * symbols;
}

static void put_linear(const struct job *j)
{
    const uint64_t *r = j->r;
    const size_t n = j->n;
    struct buf *dst = j->dst;
    uint32_t count[1 << LINEAR_BITS] = {0};
    uint8_t len[1 << LINEAR_BITS];
    uint8_t best_len[1 << LINEAR_BITS];
    uint8_t *sym = (uint8_t *)(void *)j->tmp;
    uint64_t *raw = j->tmp + (n + 7) / 8;
    const struct range range = range_of(j->r, j->n);
    const int64_t min = range.min;
    const int64_t max = range.max;
    unsigned width;
    unsigned shift;
    unsigned best_shift = 0;
    unsigned best_symbols = 0;
    uint64_t best = UINT64_MAX;

    width = bits_width((uint64_t)max - (uint64_t)min);
    shift = width > LINEAR_BITS ? width - LINEAR_BITS : 0;
    if (shift > LINEAR_RAW_MAX - 3) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        count[(r[i] - (uint64_t)min) >> shift]++;
    }
    for (unsigned bits = width - shift; bits >= 2 && bits + 3 > width - shift; bits--) {
        unsigned symbols = (unsigned)(((uint64_t)max - (uint64_t)min) >> (width - bits)) + 1;
        uint64_t cost = table_cost(count, symbols, len);

        if (cost != UINT64_MAX) {
            cost += (uint64_t)n * (width - bits);
        }
        if (cost < best) {
            best = cost;
            best_shift = width - bits;
            best_symbols = symbols;
            memcpy(best_len, len, symbols);
        }
        for (unsigned s = 0; s < 1u << (bits - 1); s++) { /* one leading bit fewer */
            count[s] = count[2 * s] + count[2 * s + 1];
        }
    }
    if (best == UINT64_MAX) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t x = r[i] - (uint64_t)min;

        sym[i] = (uint8_t)(x >> best_shift);
        raw[i] = x & (((uint64_t)1 << best_shift) - 1);
    }
    put_head(j->v, j->order, CODING_LINEAR, dst);
    bits_add_varint(dst, bits_zigzag(min));
    buf_add_byte(dst, (char)best_shift);
    huff_encode(sym, n, best_len, best_symbols, dst);
    {
        char *p = buf_reserve(dst, bits_packed_size(n, best_shift));

        if (p != NULL) {
            bits_pack_u64(raw, n, best_shift, (uint8_t *)p);
            dst->n += bits_packed_size(n, best_shift);
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

static void put_hybrid(const struct job *j, uint64_t centre)
{
    const uint64_t *r = j->r;
    const size_t n = j->n;
    struct buf *dst = j->dst;
    uint32_t count[HUFF_SYMBOLS] = {0};
    uint8_t len[HUFF_SYMBOLS];
    uint8_t *sym = (uint8_t *)(void *)j->tmp;
    unsigned __int128 acc = 0;
    unsigned held = 0;
    unsigned symbols = 0;
    char *p;
    char *start;

    for (size_t i = 0; i < n; i++) {
        unsigned raw;
        unsigned s = hybrid_symbol(bits_zigzag((int64_t)(r[i] - centre)), &raw);

        sym[i] = (uint8_t)s;
        count[s]++;
        symbols = s >= symbols ? s + 1 : symbols;
    }
    if (used(count, symbols) < 2) {
        return;
    }
    (void)huff_lengths(count, symbols, len);
    put_head(j->v, j->order, CODING_HYBRID, dst);
    bits_add_varint(dst, bits_zigzag((int64_t)centre));
    huff_encode(sym, n, len, symbols, dst);
    p = buf_reserve(dst, n * 8 + 16);
    if (p == NULL) {
        return;
    }
    start = p;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = bits_zigzag((int64_t)(r[i] - centre));
        unsigned raw;

        (void)hybrid_symbol(x, &raw);
        acc |= (unsigned __int128)(x & (((uint64_t)1 << raw) - 1)) << held;
        held += raw;
        if (held >= 64) {
            uint64_t word = (uint64_t)acc;

            memcpy(p, &word, sizeof(word));
            p += sizeof(word);
            acc >>= 64;
            held -= 64;
        }
    }
    for (; held > 0; held = held > 8 ? held - 8 : 0) {
        *p++ = (char)(uint8_t)acc;
        acc >>= 8;
    }
    dst->n += (size_t)(p - start);
}

static void put_best(const int64_t *v, size_t n, enum chunk_effort effort, bool nested,
                     uint64_t *tmp, struct buf *dst);

/** Positions and values of what is not `usual`, when that is little. */
static void put_sparse(const struct job *j, uint64_t usual)
{
    const uint64_t *r = j->r;
    const size_t n = j->n;
    struct buf *dst = j->dst;
    size_t others = 0;
    int64_t *gaps = (int64_t *)j->tmp;
    int64_t *values;
    size_t last = 0;

    for (size_t i = 0; i < n; i++) {
        others += r[i] != usual ? 1 : 0;
    }
    if (others == 0 || others > n / 6) { /* so that 2 + 5 scratches of `others` fit */
        return;
    }
    values = gaps + others;
    for (size_t i = 0, k = 0; i < n; i++) {
        if (r[i] != usual) {
            gaps[k] = (int64_t)(i - last);
            values[k++] = (int64_t)(r[i] - usual);
            last = i + 1;
        }
    }
    put_head(j->v, j->order, CODING_SPARSE, dst);
    bits_add_varint(dst, bits_zigzag((int64_t)usual));
    bits_add_varint(dst, others);
    put_best(gaps, others, CHUNK_SMALL, true, j->tmp + 2 * others, dst);
    put_best(values, others, CHUNK_SMALL, true, j->tmp + 2 * others, dst);
}

/** Try the small codings; what is at `start` stays when it is shorter. */
static void try_small(const struct job *j, bool nested, size_t start)
{
    struct buf *dst = j->dst;
    uint64_t mid = (uint64_t)middle(j->r, j->n);
    size_t second = dst->n;

    if (!nested) {
        put_sparse(j, mid);
        chunk_keep_shorter(dst, start, second);
    }
    second = dst->n;
    put_linear(j);
    chunk_keep_shorter(dst, start, second);
    second = dst->n;
    put_hybrid(j, mid);
    chunk_keep_shorter(dst, start, second);
}

static void put_best(const int64_t *v, size_t n, enum chunk_effort effort, bool nested,
                     uint64_t *tmp, struct buf *dst)
{
    struct form best = {.bytes = SIZE_MAX};
    unsigned orders = n > 2 ? 3 : (unsigned)n; /* order k needs k values to start from */
    size_t bytes = 0;                          /* of the starting values */
    size_t start = dst->n;
    struct job j = {.v = v, .tmp = tmp + 3 * n, .dst = dst};

    for (unsigned order = 0; order < orders; order++) {
        bytes += order == 1 ? bits_varint_size(bits_zigzag(v[0]))
                 : order == 2
                     ? bits_varint_size(bits_zigzag((int64_t)((uint64_t)v[1] - (uint64_t)v[0])))
                     : 0;
        weigh(tmp + order * n, residuals(v, n, order, tmp + order * n), order, bytes, &best);
    }
    put_packed(v, &best, tmp + best.order * n, n - best.order, dst);
    if (effort == CHUNK_FAST || n < HUFF_MIN || best.coding == CODING_FLAT) {
        return;
    }
    j.order = best.order;
    j.n = n - best.order;
    j.r = tmp + best.order * n;
    try_small(&j, nested, start);
    if (best.order != 1) {
        j.order = 1;
        j.n = n - 1;
        j.r = tmp + n;
        try_small(&j, nested, start);
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

/* ---- reading ---- */

static int get_groups(struct bits_reader *in, bool zigzag, uint64_t min, int64_t *v, size_t n)
{
    uint64_t r[GROUP];

    for (size_t g = 0; g < n; g += GROUP) {
        size_t k = n - g < GROUP ? n - g : GROUP;
        unsigned width = bits_read_u8(in);
        size_t avail = (size_t)(in->end - in->p);
        const uint8_t *p;

        if (width > 64) {
            return -ERR_CORRUPT;
        }
        p = bits_read_bytes(in, bits_packed_size(k, width));
        if (p == NULL) {
            return -ERR_CORRUPT;
        }
        bits_unpack_u64(p, avail, k, width, r);
        if (zigzag) {
            for (size_t i = 0; i < k; i++) {
                v[g + i] = bits_unzigzag(r[i]);
            }
        } else {
            for (size_t i = 0; i < k; i++) {
                v[g + i] = (int64_t)(r[i] + min);
            }
        }
    }
    return 0;
}

VECTORISED static void join_linear(int64_t *v, const uint8_t *sym, size_t n, unsigned shift,
                                   uint64_t min)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = (int64_t)(((uint64_t)v[i] | (uint64_t)sym[i] << shift) + min);
    }
}

static int get_linear(struct bits_reader *in, uint64_t min, int64_t *v, size_t n)
{
    uint8_t sym[CHUNK_MAX_SAMPLES];
    unsigned shift = bits_read_u8(in);
    size_t avail;
    const uint8_t *p;

    if (in->bad || shift > LINEAR_RAW_MAX || huff_decode(in, sym, n) < 0) {
        return -ERR_CORRUPT;
    }
    avail = (size_t)(in->end - in->p);
    p = bits_read_bytes(in, bits_packed_size(n, shift));
    if (p == NULL) {
        return -ERR_CORRUPT;
    }
    if (shift == 0) {
        for (size_t i = 0; i < n; i++) {
            v[i] = (int64_t)(sym[i] + min);
        }
        return 0;
    }
    bits_unpack_u64(p, avail, n, shift, (uint64_t *)v);
    join_linear(v, sym, n, shift, min);
    return 0;
}

static int get_hybrid(struct bits_reader *in, uint64_t centre, int64_t *v, size_t n)
{
    uint8_t sym[CHUNK_MAX_SAMPLES];
    size_t bit = 0;
    size_t avail;

    if (huff_decode(in, sym, n) < 0) {
        return -ERR_CORRUPT;
    }
    avail = (size_t)(in->end - in->p);
    for (size_t i = 0; i < n; i++) {
        unsigned s = sym[i];
        uint64_t x = s;

        if (s >= HYBRID_DIRECT) {
            unsigned top = s - HYBRID_DIRECT;
            unsigned raw = (top >> HYBRID_TOP) + HYBRID_LOG - HYBRID_TOP;
            size_t from = bit / 8;
            unsigned __int128 w = 0;

            if (raw > 61 || (bit + raw + 7) / 8 > avail) {
                return -ERR_CORRUPT;
            }
            if (LIKELY(avail - from >= 8 && raw <= 57)) {
                w = bits_get_u64(in->p + from);
            } else {
                memcpy(&w, in->p + from, avail - from < 16 ? avail - from : 16);
            }
            x = ((uint64_t)1 << HYBRID_TOP | (top & ((1u << HYBRID_TOP) - 1))) << raw |
                ((uint64_t)(w >> (bit & 7)) & (((uint64_t)1 << raw) - 1));
            bit += raw;
        }
        v[i] = (int64_t)((uint64_t)bits_unzigzag(x) + centre);
    }
    (void)bits_read_bytes(in, (bit + 7) / 8);
    return 0;
}

static int get_ints(struct bits_reader *in, int64_t *v, size_t n, bool nested);

static int get_sparse(struct bits_reader *in, uint64_t usual, int64_t *v, size_t n, bool nested)
{
    int64_t gaps[CHUNK_MAX_SAMPLES / 6 + 1];
    int64_t values[CHUNK_MAX_SAMPLES / 6 + 1];
    uint64_t others = bits_read_varint(in);
    size_t at = 0;

    if (nested || in->bad || others == 0 || others > n / 6 || others > ARRAY_LEN(gaps) ||
        get_ints(in, gaps, (size_t)others, true) < 0 ||
        get_ints(in, values, (size_t)others, true) < 0) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = (int64_t)usual;
    }
    for (size_t k = 0; k < others; k++, at++) {
        if (gaps[k] < 0 || (uint64_t)gaps[k] >= n - at) {
            return -ERR_CORRUPT;
        }
        at += (size_t)gaps[k];
        v[at] = (int64_t)(usual + (uint64_t)values[k]);
    }
    return 0;
}

static int get_residuals(struct bits_reader *in, enum coding coding, int64_t *v, size_t n,
                         bool nested)
{
    uint64_t base = coding == CODING_ZIGZAG ? 0 : (uint64_t)bits_unzigzag(bits_read_varint(in));

    switch (coding) {
    case CODING_ZIGZAG:
    case CODING_MIN:
        return get_groups(in, coding == CODING_ZIGZAG, base, v, n);
    case CODING_FLAT:
        for (size_t i = 0; i < n; i++) {
            v[i] = (int64_t)base;
        }
        return 0;
    case CODING_LINEAR:
        return get_linear(in, base, v, n);
    case CODING_HYBRID:
        return get_hybrid(in, base, v, n);
    case CODING_SPARSE:
        return get_sparse(in, base, v, n, nested);
    default:
        return -ERR_CORRUPT;
    }
}

static int get_ints(struct bits_reader *in, int64_t *v, size_t n, bool nested)
{
    unsigned mode = bits_read_u8(in);
    unsigned order = mode & ORDER_MASK;
    unsigned coding = mode >> CODING_SHIFT;
    uint64_t first = order >= 1 ? (uint64_t)bits_unzigzag(bits_read_varint(in)) : 0;
    uint64_t delta = order == 2 ? (uint64_t)bits_unzigzag(bits_read_varint(in)) : 0;

    if (in->bad || coding >= CODINGS || order > 2 || order > n) {
        return -ERR_CORRUPT;
    }
    if (order == 1 && coding == CODING_FLAT) { /* fixed intervals, constant rates */
        delta = (uint64_t)bits_unzigzag(bits_read_varint(in));
        for (size_t i = 0; i < n; i++) {
            v[i] = (int64_t)(first + i * delta);
        }
        return in->bad ? -ERR_CORRUPT : 0;
    }
    if (get_residuals(in, (enum coding)coding, v + order, n - order, nested) < 0 || in->bad) {
        return -ERR_CORRUPT;
    }
    if (order == 2) { /* second differences to values */
        v[0] = (int64_t)first;
        for (size_t i = 2; i < n; i++) {
            first += delta;
            v[i - 1] = (int64_t)first;
            delta += (uint64_t)v[i];
        }
        v[n - 1] = (int64_t)(first + delta);
    } else if (order == 1) {
        v[0] = (int64_t)first;
        for (size_t i = 1; i < n; i++) {
            first += (uint64_t)v[i];
            v[i] = (int64_t)first;
        }
    }
    return 0;
}

int chunk_ints_decode(struct bits_reader *in, int64_t *v, size_t n)
{
    return get_ints(in, v, n, false);
}
