/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading integer sequences of chunks, all of one or its first numbers. Safe on any bytes.
 */
#include "base/err.h"
#include "codec/chunk_huff.h"
#include "codec/chunk_ints.h"
#include "codec/chunk_ints_format.h"

/* Of n numbers the first k are wanted everywhere here; where the reader stands afterwards matters for k = n only. */
struct part_of {
    size_t n, k;
};

static int get_groups(struct bits_reader *in, bool zigzag, uint64_t min, int64_t *v,
                      struct part_of of)
{
    uint64_t r[GROUP];

    for (size_t g = 0; g < of.k; g += GROUP) {
        size_t stored = of.n - g < GROUP ? of.n - g : GROUP;
        size_t k = of.k - g < GROUP ? of.k - g : GROUP;
        unsigned width = bits_read_u8(in);
        size_t avail = (size_t)(in->end - in->p);
        const uint8_t *p;

        if (width > 64) {
            return -ERR_CORRUPT;
        }
        p = bits_read_bytes(in, bits_packed_size(stored, width));
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

static int get_linear(struct bits_reader *in, bool nibbles, uint64_t min, int64_t *v,
                      struct part_of of)
{
    uint8_t sym[CHUNK_MAX_SAMPLES];
    unsigned shift = bits_read_u8(in);
    size_t avail;
    const uint8_t *p;

    if (in->bad || shift > LINEAR_RAW_MAX || huff_decode(in, nibbles, sym, of.n, of.k) < 0) {
        return -ERR_CORRUPT;
    }
    avail = (size_t)(in->end - in->p);
    p = bits_read_bytes(in, bits_packed_size(of.n, shift));
    if (p == NULL) {
        return -ERR_CORRUPT;
    }
    if (shift == 0) {
        for (size_t i = 0; i < of.k; i++) {
            v[i] = (int64_t)(sym[i] + min);
        }
        return 0;
    }
    bits_unpack_u64(p, avail, of.k, shift, (uint64_t *)v);
    join_linear(v, sym, of.k, shift, min);
    return 0;
}

static int get_hybrid(struct bits_reader *in, bool nibbles, uint64_t centre, int64_t *v,
                      struct part_of of)
{
    uint8_t sym[CHUNK_MAX_SAMPLES];
    size_t bit = 0;
    size_t avail;

    if (huff_decode(in, nibbles, sym, of.n, of.k) < 0) {
        return -ERR_CORRUPT;
    }
    avail = (size_t)(in->end - in->p);
    for (size_t i = 0; i < of.k; i++) {
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

/** How a sequence is told. */
struct told {
    unsigned order; /* 0..2; ORDER_SMOOTH is resolved to what starts it */
    enum coding coding;
    bool smoothed;
    struct smooth smooth;
};

static int get_ints(struct bits_reader *in, int64_t *v, struct part_of of, bool nested);

static int get_sparse(struct bits_reader *in, uint64_t usual, int64_t *v, struct part_of of,
                      bool nested)
{
    int64_t gaps[CHUNK_MAX_SAMPLES / 6 + 1];
    int64_t values[CHUNK_MAX_SAMPLES / 6 + 1];
    uint64_t others = bits_read_varint(in);
    struct part_of all = {(size_t)others, (size_t)others};
    size_t at = 0;

    if (nested || in->bad || others == 0 || others > of.n / 6 || others > ARRAY_LEN(gaps) ||
        get_ints(in, gaps, all, true) < 0 || get_ints(in, values, all, true) < 0) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < of.k; i++) {
        v[i] = (int64_t)usual;
    }
    for (size_t i = 0; i < others; i++, at++) {
        if (gaps[i] < 0 || (uint64_t)gaps[i] >= of.n - at) {
            return -ERR_CORRUPT;
        }
        at += (size_t)gaps[i];
        if (at < of.k) {
            v[at] = (int64_t)(usual + (uint64_t)values[i]);
        }
    }
    return 0;
}

static int get_residuals(struct bits_reader *in, enum coding coding, int64_t *v, struct part_of of,
                         bool nested)
{
    uint64_t base = coding == CODING_ZIGZAG ? 0 : (uint64_t)bits_unzigzag(bits_read_varint(in));

    switch (coding) {
    case CODING_ZIGZAG:
    case CODING_MIN:
        return get_groups(in, coding == CODING_ZIGZAG, base, v, of);
    case CODING_FLAT:
        for (size_t i = 0; i < of.k; i++) {
            v[i] = (int64_t)base;
        }
        return 0;
    case CODING_LINEAR_NIBBLES:
    case CODING_LINEAR:
        return get_linear(in, coding == CODING_LINEAR_NIBBLES, base, v, of);
    case CODING_HYBRID_NIBBLES:
    case CODING_HYBRID:
        return get_hybrid(in, coding == CODING_HYBRID_NIBBLES, base, v, of);
    case CODING_SPARSE:
        return get_sparse(in, base, v, of, nested);
    default:
        return -ERR_CORRUPT;
    }
}

/** First differences from what a moving mean expected. */
static void join_smoothed(int64_t *v, size_t k, uint64_t first, struct smooth m)
{
    v[0] = (int64_t)first;
    for (size_t i = 1; i < k; i++) {
        uint64_t e = (uint64_t)v[i] + smooth_expected(&m);

        m.mean += (uint64_t)v[i];
        v[i] = (int64_t)(first + e);
    }
}

static void join_smoothed_rate(int64_t *v, size_t k, uint64_t first, uint64_t delta,
                               struct smooth m)
{
    v[0] = (int64_t)first;
    first += delta;
    if (k > 1) {
        v[1] = (int64_t)first;
    }
    for (size_t i = 2; i < k; i++) {
        uint64_t e = (uint64_t)v[i] + smooth_expected(&m);

        m.mean += (uint64_t)v[i];
        first += delta + e;
        v[i] = (int64_t)first;
    }
}

/** Residuals, which lie in v behind the starts, to values. */
static void join(const struct told *t, int64_t *v, size_t k, uint64_t first, uint64_t delta)
{
    if (t->smoothed) {
        if (t->order == 1) {
            join_smoothed(v, k, first, t->smooth);
        } else {
            join_smoothed_rate(v, k, first, delta, t->smooth);
        }
    } else if (t->order == 2) { /* second differences to values */
        v[0] = (int64_t)first;
        for (size_t i = 2; i < k; i++) {
            first += delta;
            v[i - 1] = (int64_t)first;
            delta += (uint64_t)v[i];
        }
        if (k > 1) {
            v[k - 1] = (int64_t)(first + delta);
        }
    } else if (t->order == 1) {
        v[0] = (int64_t)first;
        for (size_t i = 1; i < k; i++) {
            first += (uint64_t)v[i];
            v[i] = (int64_t)first;
        }
    }
}

static bool get_told(struct bits_reader *in, size_t n, struct told *ret)
{
    unsigned mode = bits_read_u8(in);
    unsigned how;

    ret->order = mode & ORDER_MASK;
    ret->coding = (enum coding)(mode >> CODING_SHIFT);
    if (ret->order == ORDER_SMOOTH) {
        how = bits_read_u8(in);
        ret->smoothed = true;
        ret->smooth.shift = how & SMOOTH_MASK;
        ret->order = (how & SMOOTH_RATE) != 0 ? 2 : 1;
        if (how >> 4 != 0) {
            return false;
        }
    }
    return !in->bad && mode >> CODING_SHIFT < CODINGS && ret->order <= n;
}

static int get_ints(struct bits_reader *in, int64_t *v, struct part_of of, bool nested)
{
    struct told t = {0};
    uint64_t first;
    uint64_t delta;
    struct part_of rest;

    if (!get_told(in, of.n, &t)) {
        return -ERR_CORRUPT;
    }
    first = t.order >= 1 ? (uint64_t)bits_unzigzag(bits_read_varint(in)) : 0;
    delta = t.order == 2 ? (uint64_t)bits_unzigzag(bits_read_varint(in)) : 0;
    if (t.order == 1 && !t.smoothed &&
        t.coding == CODING_FLAT) { /* fixed intervals, constant rates */
        delta = (uint64_t)bits_unzigzag(bits_read_varint(in));
        for (size_t i = 0; i < of.k; i++) {
            v[i] = (int64_t)(first + i * delta);
        }
        return in->bad ? -ERR_CORRUPT : 0;
    }
    rest = (struct part_of){of.n - t.order, of.k > t.order ? of.k - t.order : 0};
    if (of.k == of.n || rest.k != 0) { /* else the starts say it all */
        if (get_residuals(in, t.coding, v + t.order, rest, nested) < 0) {
            return -ERR_CORRUPT;
        }
    }
    join(&t, v, of.k, first, delta);
    return in->bad ? -ERR_CORRUPT : 0;
}

int chunk_ints_decode(struct bits_reader *in, int64_t *v, size_t n, size_t k)
{
    return get_ints(in, v, (struct part_of){n, k}, false);
}

bool chunk_ints_steps(struct bits_reader *in, int64_t *ret_step)
{
    struct bits_reader r = *in;
    unsigned mode = bits_read_u8(&r);
    int64_t first = bits_unzigzag(bits_read_varint(&r));
    int64_t step = bits_unzigzag(bits_read_varint(&r));

    if (r.bad || mode != (1u | CODING_FLAT << CODING_SHIFT) || first != 0) {
        return false;
    }
    *ret_step = step;
    *in = r;
    return true;
}
