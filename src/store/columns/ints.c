/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer columns. Deltas and offsets share one packed form; every encoding ends with INTS_PAD zero bytes,
 * so that unpacking may load 8 bytes at any position.
 */
#include "store/columns/ints.h"

#include "base/alloc.h"
#include "base/hash.h"

enum ints_encoding { INTS_CONST, INTS_OFFSET, INTS_DELTA, INTS_DICT, INTS_SCALED };

unsigned bits_width(uint64_t v)
{
    unsigned w = v != 0 ? 64u - (unsigned)__builtin_clzll(v) : 0;

    return w > 57 ? 64 : w; /* a value and its bit offset must fit in one 8-byte load */
}

void bits_pack(const uint64_t *v, size_t n, unsigned width, struct buf *dst)
{
    uint64_t acc = 0;
    unsigned have = 0;
    size_t bytes = bits_bytes(n, width);
    uint8_t *p = (uint8_t *)buf_reserve(dst, bytes + 8);
    uint8_t *at = p;

    if (p == NULL || width == 0) {
        return;
    }
    if (width == 64) {
        memcpy(p, v, n * 8);
        dst->n += n * 8;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        acc |= v[i] << have;
        have += width;
        while (have >= 8) {
            *at++ = (uint8_t)acc;
            acc >>= 8;
            have -= 8;
        }
    }
    if (have != 0) {
        *at++ = (uint8_t)acc;
    }
    dst->n += bytes;
}

void bits_unpack(const uint8_t *src, size_t n, unsigned width, uint64_t *dst)
{
    uint64_t mask;

    if (width == 0) {
        memset(dst, 0, n * sizeof(*dst));
        return;
    }
    if (width == 64) {
        memcpy(dst, src, n * 8);
        return;
    }
    mask = ((uint64_t)1 << width) - 1;
    for (size_t i = 0; i < n; i++) {
        size_t bit = i * width;
        uint64_t word;

        memcpy(&word, src + (bit >> 3), 8);
        dst[i] = word >> (bit & 7) & mask;
    }
}

/* Groups of values as offsets from the group's minimum. */
static void put_groups(const int64_t *v, size_t n, struct buf *dst)
{
    uint64_t off[INTS_GROUP];

    for (size_t i = 0; i < n; i += INTS_GROUP) {
        size_t m = n - i < INTS_GROUP ? n - i : INTS_GROUP;
        int64_t min = v[i];
        uint64_t max = 0;
        unsigned width;

        for (size_t k = 1; k < m; k++) {
            min = v[i + k] < min ? v[i + k] : min;
        }
        for (size_t k = 0; k < m; k++) {
            off[k] = (uint64_t)v[i + k] - (uint64_t)min;
            max |= off[k];
        }
        width = bits_width(max);
        wr_zigzag(dst, min);
        buf_add_byte(dst, (char)width);
        bits_pack(off, m, width, dst);
    }
}

static bool get_groups(struct rd *r, size_t n, int64_t *dst)
{
    for (size_t i = 0; i < n; i += INTS_GROUP) {
        size_t m = n - i < INTS_GROUP ? n - i : INTS_GROUP;
        uint64_t min = (uint64_t)rd_zigzag(r);
        unsigned width = rd_u8(r);
        size_t bytes = bits_bytes(m, width);

        if (r->bad || width > 64 || (width > 57 && width < 64) || rd_left(r) < bytes + INTS_PAD) {
            return false;
        }
        bits_unpack(r->p, m, width, (uint64_t *)dst + i);
        r->p += bytes;
        for (size_t k = 0; k < m; k++) {
            dst[i + k] = (int64_t)((uint64_t)dst[i + k] + min);
        }
    }
    return true;
}

/* Bits that put_groups() would take, about. */
static size_t groups_cost(const int64_t *v, size_t n)
{
    size_t bits = 0;

    for (size_t i = 0; i < n; i += INTS_GROUP) {
        size_t m = n - i < INTS_GROUP ? n - i : INTS_GROUP;
        int64_t min = v[i];
        int64_t max = v[i];

        for (size_t k = 1; k < m; k++) {
            min = v[i + k] < min ? v[i + k] : min;
            max = v[i + k] > max ? v[i + k] : max;
        }
        bits += 32 + m * bits_width((uint64_t)max - (uint64_t)min);
    }
    return bits;
}

/* A small dictionary of distinct values. @return its size, 0 when there are too many. */
static size_t make_dict(const int64_t *v, size_t n, int64_t dict[INTS_DICT_MAX], int64_t *codes)
{
    uint16_t slots[INTS_DICT_MAX * 4] = {0};
    const size_t mask = ARRAY_LEN(slots) - 1;
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = hash_u64((uint64_t)v[i]) & mask;

        if (i != 0 && v[i] == v[i - 1]) {
            codes[i] = codes[i - 1];
            continue;
        }
        while (slots[at] != 0 && dict[slots[at] - 1] != v[i]) {
            at = (at + 1) & mask;
        }
        if (slots[at] == 0) {
            if (k == INTS_DICT_MAX) {
                return 0;
            }
            dict[k++] = v[i];
            slots[at] = (uint16_t)k;
        }
        codes[i] = slots[at] - 1;
    }
    return k;
}

/* The largest of 10^9, 10^6, 10^3 that divides all values: times of milliseconds and the like. 1: none */
static int64_t common_scale(const int64_t *v, size_t n)
{
    int64_t scale = 1000000000;

    for (size_t i = 0; i < n; i++) {
        while (v[i] % scale != 0) {
            scale /= 1000;
            if (scale == 1) {
                return 1;
            }
        }
    }
    return scale;
}

static bool put_plain(const int64_t *v, size_t n, int64_t *scratch, struct buf *dst);

/* @return is there packed data, which wants padding after it? */
static bool put_ints(const int64_t *v, size_t n, int64_t *scratch, struct buf *dst)
{
    int64_t scale = n > 1 ? common_scale(v, n) : 1;
    int64_t *scaled = scale != 1 ? mem_try_calloc(n, sizeof(*scaled)) : NULL;
    bool packed;

    if (scaled == NULL) {
        return put_plain(v, n, scratch, dst);
    }
    for (size_t i = 0; i < n; i++) {
        scaled[i] = v[i] / scale;
    }
    buf_add_byte(dst, INTS_SCALED);
    wr_varint(dst, (uint64_t)scale);
    packed = put_plain(scaled, n, scratch, dst);
    mem_free(scaled);
    return packed;
}

/* As put_ints(), the values as they are. */
static bool put_plain(const int64_t *v, size_t n, int64_t *scratch, struct buf *dst)
{
    int64_t dict[INTS_DICT_MAX];
    bool same = true;
    size_t offset_bits;
    size_t delta_bits;
    size_t dict_n = 0;

    for (size_t i = 1; i < n && same; i++) {
        same = v[i] == v[0];
    }
    if (same) {
        buf_add_byte(dst, INTS_CONST);
        wr_zigzag(dst, n != 0 ? v[0] : 0);
        return false;
    }
    offset_bits = groups_cost(v, n);
    scratch[0] = v[0];
    for (size_t i = 1; i < n; i++) {
        scratch[i] = (int64_t)((uint64_t)v[i] - (uint64_t)v[i - 1]);
    }
    delta_bits = groups_cost(scratch + 1, n - 1) + 64;
    if (offset_bits > 10 * n && delta_bits > 10 * n) {
        dict_n = make_dict(v, n, dict, scratch);
    }
    if (dict_n != 0 && dict_n * 72 + n * 8 < offset_bits && dict_n * 72 + n * 8 < delta_bits) {
        buf_add_byte(dst, INTS_DICT);
        wr_varint(dst, dict_n);
        for (size_t i = 0; i < dict_n; i++) {
            wr_zigzag(dst, dict[i]);
        }
        put_groups(scratch, n, dst);
    } else if (delta_bits < offset_bits) {
        for (size_t i = 1; i < n; i++) {
            scratch[i] = (int64_t)((uint64_t)v[i] - (uint64_t)v[i - 1]);
        }
        buf_add_byte(dst, INTS_DELTA);
        wr_zigzag(dst, v[0]);
        put_groups(scratch + 1, n - 1, dst);
    } else {
        buf_add_byte(dst, INTS_OFFSET);
        put_groups(v, n, dst);
    }
    return true;
}

void ints_put(const int64_t *v, size_t n, int64_t *scratch, struct buf *dst)
{
    ignore_result(put_ints(v, n, scratch, dst), "padding comes after the last column");
}

void ints_encode(const int64_t *v, size_t n, int64_t *scratch, struct buf *dst)
{
    static const char ZEROS[INTS_PAD] = {0};

    if (put_ints(v, n, scratch, dst)) {
        buf_add(dst, ZEROS, sizeof(ZEROS));
    }
}

static bool get_dict(struct rd *r, size_t n, int64_t *dst)
{
    int64_t dict[INTS_DICT_MAX];
    size_t k = rd_count(r, 1);

    if (r->bad || k == 0 || k > INTS_DICT_MAX) {
        return false;
    }
    for (size_t i = 0; i < k; i++) {
        dict[i] = rd_zigzag(r);
    }
    if (!get_groups(r, n, dst)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((uint64_t)dst[i] >= k) {
            return false;
        }
        dst[i] = dict[dst[i]];
    }
    return true;
}

/* @param ret_packed  was there packed data? */
static bool get_plain(struct rd *src, size_t n, int64_t *dst, bool *ret_packed)
{
    int64_t first;
    bool ok = true;

    *ret_packed = true;
    switch (rd_u8(src)) {
    case INTS_CONST:
        first = rd_zigzag(src);
        for (size_t i = 0; i < n; i++) {
            dst[i] = first;
        }
        *ret_packed = false;
        return !src->bad;
    case INTS_OFFSET:
        ok = get_groups(src, n, dst);
        break;
    case INTS_DELTA:
        if (n == 0) {
            return false;
        }
        dst[0] = rd_zigzag(src);
        ok = get_groups(src, n - 1, dst + 1);
        for (size_t i = 1; ok && i < n; i++) {
            dst[i] = (int64_t)((uint64_t)dst[i] + (uint64_t)dst[i - 1]);
        }
        break;
    case INTS_DICT:
        ok = get_dict(src, n, dst);
        break;
    default:
        return false;
    }
    return ok && !src->bad;
}

static bool get_ints(struct rd *src, size_t n, int64_t *dst, bool *ret_packed)
{
    uint64_t scale;

    if (rd_left(src) == 0 || *src->p != INTS_SCALED) {
        return get_plain(src, n, dst, ret_packed);
    }
    rd_u8(src);
    scale = rd_varint(src);
    if (!get_plain(src, n, dst, ret_packed)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        dst[i] = (int64_t)((uint64_t)dst[i] * scale);
    }
    return true;
}

bool ints_get(struct rd *src, size_t n, int64_t *dst)
{
    bool packed;

    return get_ints(src, n, dst, &packed);
}

bool ints_decode(struct rd *src, size_t n, int64_t *dst)
{
    bool packed;

    return get_ints(src, n, dst, &packed) && (!packed || rd_bytes(src, INTS_PAD) != NULL);
}

/* ---- single values ---- */

/* A group at the reader's place, which is left behind it. */
struct int_group {
    uint64_t min;
    unsigned width;
    const uint8_t *bits;
};

static bool next_group(struct rd *r, size_t m, struct int_group *ret)
{
    size_t bytes;

    ret->min = (uint64_t)rd_zigzag(r);
    ret->width = rd_u8(r);
    bytes = bits_bytes(m, ret->width);
    if (r->bad || ret->width > 64 || (ret->width > 57 && ret->width < 64) ||
        rd_left(r) < bytes + INTS_PAD) {
        return false;
    }
    ret->bits = r->p;
    r->p += bytes;
    return true;
}

static uint64_t group_at(const struct int_group *g, size_t i)
{
    size_t bit = i * g->width;
    uint64_t word = 0;

    if (g->width != 0) {
        memcpy(&word, g->bits + (bit >> 3), 8);
        word = g->width == 64 ? word : word >> (bit & 7) & (((uint64_t)1 << g->width) - 1);
    }
    return word + g->min;
}

/* Values of groups: but for them only headers are read. */
static bool pick_groups(struct rd *r, size_t n, const uint32_t *at, size_t at_n, int64_t *dst)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i += INTS_GROUP) {
        size_t m = n - i < INTS_GROUP ? n - i : INTS_GROUP;
        struct int_group g;

        if (!next_group(r, m, &g)) {
            return false;
        }
        for (; k < at_n && at[k] < i + m; k++) {
            dst[k] = (int64_t)group_at(&g, at[k] - i);
        }
    }
    return k == at_n;
}

/* Sums of deltas: all in front of the last wanted value are added up. */
static bool pick_deltas(struct rd *r, size_t n, const uint32_t *at, size_t at_n, int64_t *dst)
{
    uint64_t sum = (uint64_t)rd_zigzag(r);
    uint64_t off[INTS_GROUP];
    size_t k = 0;

    for (; k < at_n && at[k] == 0; k++) {
        dst[k] = (int64_t)sum;
    }
    for (size_t i = 1; i < n; i += INTS_GROUP) {
        size_t m = n - i < INTS_GROUP ? n - i : INTS_GROUP;
        struct int_group g;

        if (!next_group(r, m, &g)) {
            return false;
        }
        if (k == at_n) {
            continue;
        }
        bits_unpack(g.bits, m, g.width, off);
        for (size_t j = 0; j < m; j++) {
            sum += off[j] + g.min;
            for (; k < at_n && at[k] == i + j; k++) {
                dst[k] = (int64_t)sum;
            }
        }
    }
    return k == at_n;
}

static bool pick_dict(struct rd *r, size_t n, const uint32_t *at, size_t at_n, int64_t *dst)
{
    int64_t dict[INTS_DICT_MAX];
    size_t k = rd_count(r, 1);

    if (r->bad || k == 0 || k > INTS_DICT_MAX) {
        return false;
    }
    for (size_t i = 0; i < k; i++) {
        dict[i] = rd_zigzag(r);
    }
    if (!pick_groups(r, n, at, at_n, dst)) {
        return false;
    }
    for (size_t i = 0; i < at_n; i++) {
        if ((uint64_t)dst[i] >= k) {
            return false;
        }
        dst[i] = dict[dst[i]];
    }
    return true;
}

/* @param ret_packed  was there packed data? */
static bool pick_ints(struct rd *src, size_t n, const uint32_t *at, size_t at_n, int64_t *dst,
                      bool *ret_packed)
{
    uint64_t scale = 1;
    int64_t first;
    bool ok = true;

    *ret_packed = true;
    if (rd_left(src) != 0 && *src->p == INTS_SCALED) {
        rd_u8(src);
        scale = rd_varint(src);
    }
    switch (rd_u8(src)) {
    case INTS_CONST:
        first = rd_zigzag(src);
        for (size_t i = 0; i < at_n; i++) {
            dst[i] = first;
        }
        *ret_packed = false;
        break;
    case INTS_OFFSET:
        ok = pick_groups(src, n, at, at_n, dst);
        break;
    case INTS_DELTA:
        ok = n != 0 && pick_deltas(src, n, at, at_n, dst);
        break;
    case INTS_DICT:
        ok = pick_dict(src, n, at, at_n, dst);
        break;
    default:
        return false;
    }
    for (size_t i = 0; i < at_n && scale != 1; i++) {
        dst[i] = (int64_t)((uint64_t)dst[i] * scale);
    }
    return ok && !src->bad;
}

bool ints_get_some(struct rd *src, size_t n, const uint32_t *at, size_t at_n, int64_t *dst)
{
    bool packed;

    return pick_ints(src, n, at, at_n, dst, &packed);
}

bool ints_pick(struct rd *src, size_t n, const uint32_t *at, size_t at_n, int64_t *dst)
{
    bool packed;

    return pick_ints(src, n, at, at_n, dst, &packed) &&
           (!packed || rd_bytes(src, INTS_PAD) != NULL);
}

bool ints_same(struct rd *src, int64_t *ret)
{
    if (rd_left(src) == 0 || *src->p != INTS_CONST) {
        return false;
    }
    rd_u8(src);
    *ret = rd_zigzag(src);
    return !src->bad;
}
