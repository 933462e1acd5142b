/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of a chunk: one constant, decimals scaled to integers with a list of exceptions, their bits in
 * order, or XORed with their predecessor (Pelkonen et al., Gorilla, VLDB 2015, section 4.1).
 */
#include <math.h>

#include "base/err.h"
#include "base/f64.h"
#include "codec/chunk_internal.h"
#include "codec/chunk_ints.h"

enum value_form { FORM_CONSTANT, FORM_DECIMAL, FORM_XOR, FORM_BITS };

enum {
    FORM_MASK = 3,
    EXPONENT_SHIFT = 2, /* of a decimal's form byte */
    EXPONENT_MASK = 15,
    HAS_SHIFT = 64,
    HAS_EXCEPTIONS = 128,
    MAX_EXPONENT = 15,
    WINDOW_BITS = 12, /* what announcing a new XOR window costs over keeping the old */
};

/** Integers a double holds exactly; beyond it scaling loses bits. */
static const double MAX_INT = 9007199254740992.0; /* 2^53 */

static const double POW10[MAX_EXPONENT + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* ---- decimals ---- */

/** v as i / 10^e with exactly v's bits? */
static bool to_decimal(double v, unsigned e, int64_t *ret)
{
    double scaled = e == 0 ? v : v * POW10[e];
    int64_t i;

    if (!(fabs(scaled) < MAX_INT)) { /* also NaN */
        return false;
    }
    i = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    if (f64_bits(e == 0 ? (double)i : (double)i / POW10[e]) != f64_bits(v)) {
        return false;
    }
    *ret = i;
    return true;
}

/** The smallest exponent from e on with which v is a decimal; above MAX_EXPONENT: none. */
static unsigned exponent_from(double v, unsigned e)
{
    int64_t ignored;

    while (e <= MAX_EXPONENT && !to_decimal(v, e, &ignored)) {
        e++;
    }
    return e;
}

/** Integers of all values at one exponent; exceptions repeat the integer before. @return their number */
static size_t scale(const double *v, size_t n, unsigned e, int64_t *ints, uint16_t *exceptions)
{
    size_t found = 0;
    int64_t last = 0;

    for (size_t i = 0; i < n; i++) {
        if (!to_decimal(v[i], e, &last)) {
            exceptions[found++] = (uint16_t)i;
        }
        ints[i] = last;
    }
    /* Leading exceptions take the first good integer, so that they cost no step. */
    for (size_t i = 0; i < found && exceptions[i] == i && found < n; i++) {
        size_t good = i + 1;

        while (good < n && good < found && exceptions[good] == good) {
            good++;
        }
        ints[i] = good < n ? ints[good] : 0;
    }
    return found;
}

/** Scale by the exponent most values need. Usually the first value shows it, and one pass is all.
 * @return false when too many have none */
static bool to_decimals(const double *v, size_t n, unsigned *ret_e, size_t *ret_exceptions,
                        const struct chunk_scratch *s)
{
    size_t misses = 0;
    bool again = false; /* something before did not have the final exponent, or is an exception */
    unsigned e = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned k;

        if (LIKELY(to_decimal(v[i], e, &s->ints[i]))) {
            continue;
        }
        again = again || i > 0;
        k = exponent_from(v[i], e + 1);
        if (k <= MAX_EXPONENT) {
            e = k;
            again = !to_decimal(v[i], e, &s->ints[i]) || again;
        } else {
            again = true;
            if (isfinite(v[i]) && ++misses > n / 16 + 1) {
                return false;
            }
        }
    }
    *ret_exceptions = again ? scale(v, n, e, s->ints, s->exceptions) : 0;
    *ret_e = e;
    return true;
}

/* ---- XOR ---- */

struct bit_writer {
    struct buf *dst;
    uint64_t acc; /* most significant bit first */
    unsigned n;
};

static void put_bits(struct bit_writer *w, uint64_t v, unsigned n)
{
    while (n > 0) {
        unsigned room = 64 - w->n;
        unsigned take = n < room ? n : room;
        uint64_t part = take == 64 ? v : (v >> (n - take)) & (((uint64_t)1 << take) - 1);

        w->acc |= part << (room - take);
        w->n += take;
        n -= take;
        if (w->n == 64) {
            uint64_t be = __builtin_bswap64(w->acc);

            buf_add(w->dst, &be, sizeof(be));
            w->acc = 0;
            w->n = 0;
        }
    }
}

static void flush_bits(struct bit_writer *w)
{
    for (; w->n > 0; w->n = w->n > 8 ? w->n - 8 : 0) {
        buf_add_byte(w->dst, (char)(w->acc >> 56));
        w->acc <<= 8;
    }
}

static void xor_encode(const double *v, size_t n, struct buf *dst)
{
    struct bit_writer w = {.dst = dst};
    uint64_t last = f64_bits(v[0]);
    unsigned lead = 64; /* of the window in use; 64: none */
    unsigned len = 0;

    put_bits(&w, last, 64);
    for (size_t i = 1; i < n; i++) {
        uint64_t now = f64_bits(v[i]);
        uint64_t x = now ^ last;
        unsigned l;
        unsigned t;

        last = now;
        if (x == 0) {
            put_bits(&w, 0, 1);
            continue;
        }
        l = (unsigned)__builtin_clzll(x);
        t = (unsigned)__builtin_ctzll(x);
        if (lead != 64 && l >= lead && t >= 64 - lead - len &&
            len <= 64 - (l > 31 ? 31 : l) - t + WINDOW_BITS) {
            put_bits(&w, 2, 2);
        } else {
            lead = l > 31 ? 31 : l;
            len = 64 - lead - t;
            put_bits(&w, 3, 2);
            put_bits(&w, (uint64_t)lead << 6 | (len - 1), 11);
        }
        put_bits(&w, x >> (64 - lead - len), len);
    }
    flush_bits(&w);
}

struct bit_reader {
    const uint8_t *p;
    size_t bits; /* left */
    size_t at;
    bool bad;
};

static uint64_t get_bits(struct bit_reader *r, unsigned n)
{
    uint64_t v = 0;

    if (n > r->bits) {
        r->bad = true;
        r->bits = 0;
        return 0;
    }
    r->bits -= n;
    while (n > 0) {
        unsigned have = 8 - (r->at & 7);
        unsigned take = n < have ? n : have;
        unsigned byte = r->p[r->at / 8];

        v = v << take | ((byte >> (have - take)) & ((1u << take) - 1));
        r->at += take;
        n -= take;
    }
    return v;
}

static int xor_decode(struct bits_reader *in, double *v, size_t k)
{
    struct bit_reader r = {.p = in->p, .bits = (size_t)(in->end - in->p) * 8};
    uint64_t last = get_bits(&r, 64);
    unsigned lead = 0;
    unsigned len = 0;

    v[0] = f64_of_bits(last);
    for (size_t i = 1; i < k && !r.bad; i++) {
        if (get_bits(&r, 1) != 0) {
            if (get_bits(&r, 1) != 0) {
                lead = (unsigned)get_bits(&r, 5);
                len = (unsigned)get_bits(&r, 6) + 1;
            }
            if (len == 0 || lead + len > 64) {
                return -ERR_CORRUPT;
            }
            last ^= get_bits(&r, len) << (64 - lead - len);
        }
        v[i] = f64_of_bits(last);
    }
    in->p = in->end;
    return r.bad ? -ERR_CORRUPT : 0;
}

/* ---- writing ---- */

/** Divide by the largest power of two all have in common (pages, blocks). @return its exponent */
static unsigned drop_common_bits(int64_t *v, size_t n)
{
    uint64_t all = 0;
    unsigned shift;

    for (size_t i = 0; i < n; i++) {
        all |= (uint64_t)v[i];
    }
    shift = all == 0 ? 0 : (unsigned)__builtin_ctzll(all);
    for (size_t i = 0; shift != 0 && i < n; i++) {
        v[i] >>= shift; /* arithmetic: exact, all those bits are 0 */
    }
    return shift;
}

/** The bits of a double as an integer with the same order, so that close values have small differences. */
static int64_t ordered(double v)
{
    uint64_t b = f64_bits(v);

    return (int64_t)((b >> 63) != 0 ? b ^ INT64_MAX : b);
}

static double unordered(int64_t i)
{
    uint64_t b = (uint64_t)i;

    return f64_of_bits((b >> 63) != 0 ? b ^ INT64_MAX : b);
}

static void put_ordered(const double *v, size_t n, enum chunk_effort effort,
                        const struct chunk_scratch *s, struct buf *dst)
{
    unsigned shift;

    for (size_t i = 0; i < n; i++) {
        s->ints[i] = ordered(v[i]);
    }
    shift = drop_common_bits(s->ints, n);
    buf_add_byte(dst, FORM_BITS);
    buf_add_byte(dst, (char)shift);
    chunk_ints_encode(s->ints, n, effort, s->words, dst);
}

struct decimals {
    unsigned e;
    size_t exceptions;
};

/** v as the integers to_decimals() left in the scratch. */
static void put_decimal(const double *v, size_t n, struct decimals d, enum chunk_effort effort,
                        const struct chunk_scratch *s, struct buf *dst)
{
    const size_t exceptions = d.exceptions;
    unsigned shift = drop_common_bits(s->ints, n);
    size_t last = 0;

    buf_add_byte(dst, (char)(FORM_DECIMAL | d.e << EXPONENT_SHIFT | (shift != 0 ? HAS_SHIFT : 0u) |
                             (exceptions != 0 ? HAS_EXCEPTIONS : 0u)));
    if (shift != 0) {
        buf_add_byte(dst, (char)shift);
    }
    if (exceptions != 0) {
        bits_add_varint(dst, exceptions);
    }
    for (size_t i = 0; i < exceptions; i++) {
        bits_add_varint(dst, s->exceptions[i] - last);
        bits_add_u64(dst, f64_bits(v[s->exceptions[i]]));
        last = s->exceptions[i];
    }
    chunk_ints_encode(s->ints, n, effort, s->words, dst);
}

static bool all_equal(const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (f64_bits(v[i]) != f64_bits(v[0])) {
            return false;
        }
    }
    return true;
}

static void put_constant(const double *v, size_t n, const struct chunk_scratch *s, struct buf *dst)
{
    size_t start = dst->n;
    size_t second;
    struct decimals d = {exponent_from(v[0], 0), 0};

    if (d.e <= MAX_EXPONENT) {
        (void)to_decimal(v[0], d.e, &s->ints[0]);
        for (size_t i = 1; i < n; i++) {
            s->ints[i] = s->ints[0];
        }
        put_decimal(v, n, d, CHUNK_FAST, s, dst);
    }
    second = dst->n;
    buf_add_byte(dst, FORM_CONSTANT);
    bits_add_u64(dst, f64_bits(v[0]));
    chunk_keep_shorter(dst, start, second);
}

void chunk_put_values(const double *v, size_t n, enum chunk_effort effort,
                      const struct chunk_scratch *s, struct buf *dst)
{
    size_t start = dst->n;
    size_t second;
    struct decimals d;

    if (all_equal(v, n)) {
        put_constant(v, n, s, dst);
        return;
    }
    if (to_decimals(v, n, &d.e, &d.exceptions, s)) {
        put_decimal(v, n, d, effort, s, dst);
        if (dst->failed || dst->n - start <= n * 4) { /* the others only win over wide integers */
            return;
        }
    }
    second = dst->n;
    put_ordered(v, n, effort, s, dst);
    chunk_keep_shorter(dst, start, second);
    second = dst->n;
    buf_add_byte(dst, FORM_XOR);
    xor_encode(v, n, dst);
    chunk_keep_shorter(dst, start, second);
}

/* ---- reading ---- */

/** Integers, as they lie in v, shifted to doubles; also those wider than a double holds, which only damaged
 * bytes have. */
VECTORISED static void to_doubles(double *v, size_t n, unsigned shift)
{
    const uint64_t magic = 0x4338000000000000; /* 1.5 * 2^52: its last bit is worth 1 */
    const double base = 6755399441055744.0;
    uint64_t wide = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t x;

        memcpy(&x, &v[i], sizeof(x));
        x <<= shift;
        wide |= x + ((uint64_t)1 << 51);
        memcpy(&v[i], &x, sizeof(x));
    }
    if (LIKELY(wide >> 52 == 0)) { /* all in [-2^51, 2^51) */
        for (size_t i = 0; i < n; i++) {
            uint64_t x;

            memcpy(&x, &v[i], sizeof(x));
            v[i] = f64_of_bits(x + magic) - base;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t x;

        memcpy(&x, &v[i], sizeof(x));
        v[i] = (double)x;
    }
}

VECTORISED static void divide(double *v, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) {
        v[i] /= by;
    }
}

static int get_decimal(struct bits_reader *r, unsigned form, double *v, size_t n, size_t k)
{
    unsigned e = form >> EXPONENT_SHIFT & EXPONENT_MASK;
    unsigned shift = (form & HAS_SHIFT) != 0 ? bits_read_u8(r) : 0;
    uint64_t exceptions = (form & HAS_EXCEPTIONS) != 0 ? bits_read_varint(r) : 0;
    const uint8_t *list;
    struct bits_reader again;
    int64_t *ints = (int64_t *)(void *)v; /* decoded in place: same size, read before written */
    size_t at = 0;

    if (r->bad || shift > 63 || exceptions > n) {
        return -ERR_CORRUPT;
    }
    list = r->p;
    for (uint64_t i = 0; i < exceptions; i++) {
        (void)bits_read_varint(r);
        (void)bits_read_u64(r);
    }
    if (r->bad || chunk_ints_decode(r, ints, n, k) < 0) {
        return -ERR_CORRUPT;
    }
    to_doubles(v, k, shift);
    if (e != 0) {
        divide(v, k, POW10[e]);
    }
    again = bits_reader_of(list, (size_t)(r->end - list));
    for (uint64_t i = 0; i < exceptions; i++) {
        uint64_t gap = bits_read_varint(&again);
        double exact = f64_of_bits(bits_read_u64(&again));

        if (gap >= n - at) {
            return -ERR_CORRUPT;
        }
        at += (size_t)gap;
        if (at < k) {
            v[at] = exact;
        }
    }
    return 0;
}

static int get_ordered(struct bits_reader *r, double *v, size_t n, size_t k)
{
    unsigned shift = bits_read_u8(r);

    if (r->bad || shift > 63 || chunk_ints_decode(r, (int64_t *)(void *)v, n, k) < 0) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < k; i++) {
        int64_t x;

        memcpy(&x, &v[i], sizeof(x));
        v[i] = unordered((int64_t)((uint64_t)x << shift));
    }
    return 0;
}

int chunk_get_values(struct bits_reader *r, double *v, size_t n, size_t k)
{
    unsigned form = bits_read_u8(r);
    double one;

    if ((form & FORM_MASK) == FORM_DECIMAL) {
        return get_decimal(r, form, v, n, k);
    }
    switch (form) {
    case FORM_CONSTANT:
        one = f64_of_bits(bits_read_u64(r));
        if (r->bad) {
            return -ERR_CORRUPT;
        }
        for (size_t i = 0; i < k; i++) {
            v[i] = one;
        }
        return 0;
    case FORM_XOR:
        return xor_decode(r, v, k);
    case FORM_BITS:
        return get_ordered(r, v, n, k);
    default:
        return -ERR_CORRUPT;
    }
}
