/* SPDX-License-Identifier: Apache-2.0
 *
 * String columns. The dictionary is tried first and given up as soon as it cannot pay.
 */
#include "store/columns/strs.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "store/columns/ints.h"

void strs_encoder_done(struct strs_encoder *e)
{
    mem_free(e->slots);
    mem_free(e->dict);
    mem_free(e->codes);
    mem_free(e->ints);
    mem_free(e->scratch);
    templates_encoder_free(e->templates);
    bloom_builder_done(&e->trigrams);
    *e = (struct strs_encoder){0};
}

static bool encoder_room(struct strs_encoder *e, size_t n)
{
    struct templates_encoder *templates = e->templates;
    size_t slots_n = 64;

    if (n <= e->cap) {
        return true;
    }
    while (slots_n < n * 2) {
        slots_n *= 2;
    }
    e->templates = NULL;
    strs_encoder_done(e);
    e->templates = templates; /* it grows by itself */
    e->slots = mem_try_calloc(slots_n, sizeof(*e->slots));
    e->dict = mem_try_calloc(n, sizeof(*e->dict));
    e->codes = mem_try_calloc(n, sizeof(*e->codes));
    e->ints = mem_try_calloc(n, sizeof(*e->ints));
    e->scratch = mem_try_calloc(n, sizeof(*e->scratch));
    if (e->slots == NULL || e->dict == NULL || e->codes == NULL || e->ints == NULL ||
        e->scratch == NULL) {
        strs_encoder_done(e);
        return false;
    }
    e->slots_n = slots_n;
    e->cap = n;
    return true;
}

/* Do ids take fewer bytes in a dictionary than one after the other? */
static bool ids_pay(const struct strs_encoder *e, const struct str *v, size_t n, size_t k)
{
    size_t dict = k + n * bits_width(k - 1) / 8;
    size_t flat = n / 2;

    for (size_t i = 0; i < k; i++) {
        dict += e->dict[i].n;
    }
    for (size_t i = 0; i < n; i++) {
        flat += v[i].n;
    }
    return dict < flat;
}

size_t strs_dict(struct strs_encoder *e, const struct str *v, size_t n, bool ids)
{
    const size_t max = ids ? n : n / 3;
    size_t slots_n = 64;
    size_t k = 0;

    while (slots_n < n * 2) {
        slots_n *= 2;
    }
    memset(e->slots, 0, slots_n * sizeof(*e->slots));
    for (size_t i = 0; i < n; i++) {
        size_t at;

        if (i != 0 && str_eq(v[i], v[i - 1])) {
            e->codes[i] = e->codes[i - 1];
            continue;
        }
        at = hash64(v[i].p, v[i].n) & (slots_n - 1);
        while (e->slots[at] != 0 && !str_eq(e->dict[e->slots[at] - 1], v[i])) {
            at = (at + 1) & (slots_n - 1);
        }
        if (e->slots[at] == 0) {
            e->dict[k++] = v[i];
            e->slots[at] = (uint32_t)k;
            if (k > 64 && (k > max || (!ids && i > 512 && k * 4 > i * 3))) {
                return 0;
            }
        }
        e->codes[i] = e->slots[at] - 1;
    }
    if (ids && k > 8) { /* nothing makes them shorter afterwards: count */
        return ids_pay(e, v, n, k) ? k : 0;
    }
    return k > 8 && k > max ? 0 : k;
}

enum {
    TRIGRAMS_MAX = 32 << 10, /* with repetitions; beyond it a block has none */
    TRIGRAMS_ROWS = 1,       /* a distinct one for as many rows at most */
};

void strs_add_texts(struct strs_encoder *e, struct strs_text *text, const struct str *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (e->trigrams.list.n < TRIGRAMS_MAX) {
            bloom_add_parts(text->bloom, &e->trigrams, v[i], &text->widest);
        } else {
            bloom_add_text(text->bloom, v[i]);
        }
    }
}

void strs_finish_texts(struct strs_encoder *e, struct strs_text *text, size_t n)
{
    bool all = e->trigrams.list.n < TRIGRAMS_MAX;

    text->has_trigrams = bloom_take(text->bloom, &e->trigrams, all ? n / TRIGRAMS_ROWS : 0) && all;
}

int strs_encode(struct strs_encoder *e, const struct str *v, size_t n, struct strs_text *text,
                struct buf *dst)
{
    static const char ZEROS[INTS_PAD] = {0};
    size_t k;

    if (!encoder_room(e, n != 0 ? n : 1)) {
        return -ERR_NOMEM;
    }
    k = n != 0 ? strs_dict(e, v, n, text != NULL && text->ids) : 0;
    if (k == 1) {
        buf_add_byte(dst, STRS_CONST);
        wr_str(dst, v[0]);
        return STRS_CONST;
    }
    if (k != 0) {
        unsigned width = bits_width(k - 1);

        buf_add_byte(dst, STRS_DICT);
        wr_varint(dst, k);
        for (size_t i = 0; i < k; i++) {
            wr_str(dst, e->dict[i]);
        }
        buf_add_byte(dst, (char)width);
        bits_pack(e->codes, n, width, dst);
        buf_add(dst, ZEROS, sizeof(ZEROS));
        return STRS_DICT;
    }
    if (text != NULL && text->templates) {
        int rc = templates_encode(e, v, n, text, dst);

        if (rc != 0) {
            text->has_bloom = text->bloom != NULL;
            return rc < 0 ? rc : STRS_TEMPLATES;
        }
    }
    if (text != NULL && text->bloom != NULL) {
        strs_add_texts(e, text, v, n);
        strs_finish_texts(e, text, n);
        text->has_bloom = true;
    }
    buf_add_byte(dst, STRS_FLAT);
    for (size_t i = 0; i < n; i++) {
        e->ints[i] = (int64_t)v[i].n;
    }
    ints_encode(e->ints, n, e->scratch, dst);
    for (size_t i = 0; i < n; i++) {
        buf_add(dst, v[i].p, v[i].n);
    }
    return STRS_FLAT;
}

static int decode_dict(struct rd *r, size_t n, struct arena *a, struct strs *s)
{
    size_t k = rd_count(r, 1);
    struct str *dict = arena_array(a, struct str, k + 1);
    uint32_t *codes = arena_array(a, uint32_t, n + 1);
    uint64_t group[INTS_GROUP];
    unsigned width;

    if (dict == NULL || codes == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < k; i++) {
        dict[i] = rd_str(r);
    }
    width = rd_u8(r);
    if (r->bad || k == 0 || width > 32 || rd_left(r) != bits_bytes(n, width) + INTS_PAD) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i += INTS_GROUP) { /* a group is a whole number of bytes */
        size_t m = n - i < INTS_GROUP ? n - i : INTS_GROUP;

        bits_unpack(r->p + i / 8 * width, m, width, group);
        for (size_t j = 0; j < m; j++) {
            if (group[j] >= k) {
                return -ERR_CORRUPT;
            }
            codes[i + j] = (uint32_t)group[j];
        }
    }
    s->v = dict;
    s->dict_n = k;
    s->codes = codes;
    return 0;
}

static int decode_flat(struct rd *r, size_t n, struct arena *a, struct strs *s)
{
    struct str *v = arena_array(a, struct str, n + 1);
    int64_t *lens = arena_array(a, int64_t, n + 1);

    if (v == NULL || lens == NULL) {
        return -ERR_NOMEM;
    }
    if (!ints_decode(r, n, lens)) {
        return -ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        if (lens[i] < 0 || (uint64_t)lens[i] > rd_left(r)) {
            return -ERR_CORRUPT;
        }
        v[i] = str_of((const char *)r->p, (size_t)lens[i]);
        r->p += lens[i];
    }
    s->v = v;
    return rd_left(r) == 0 ? 0 : -ERR_CORRUPT;
}

int strs_decode(struct str payload, size_t n, struct arena *a, struct strs *ret)
{
    struct rd r = rd_of(payload);
    struct strs s = {.n = n};
    struct str *one;
    int rc = -ERR_CORRUPT;

    switch (rd_u8(&r)) {
    case STRS_CONST:
        s.form = STRS_CONST;
        one = arena_new(a, struct str);
        if (one == NULL) {
            return -ERR_NOMEM;
        }
        *one = rd_str(&r);
        s.v = one;
        s.dict_n = 1;
        rc = r.bad || rd_left(&r) != 0 ? -ERR_CORRUPT : 0;
        break;
    case STRS_DICT:
        s.form = STRS_DICT;
        rc = decode_dict(&r, n, a, &s);
        break;
    case STRS_FLAT:
        s.form = STRS_FLAT;
        rc = r.bad ? -ERR_CORRUPT : decode_flat(&r, n, a, &s);
        break;
    case STRS_TEMPLATES:
        s.form = STRS_TEMPLATES;
        rc = r.bad ? -ERR_CORRUPT : templates_decode(&r, n, a, &s.templates);
        break;
    default:
        break;
    }
    if (rc == 0) {
        *ret = s;
    }
    return rc;
}

/* ---- single values ---- */

static uint32_t code_at(const uint8_t *bits, unsigned width, size_t i)
{
    size_t bit = i * width;
    uint64_t word = 0;

    if (width != 0) {
        memcpy(&word, bits + (bit >> 3), 8);
        word = word >> (bit & 7) & (((uint64_t)1 << width) - 1);
    }
    return (uint32_t)word;
}

/* Codes lie at the end with a width that follows from the number of entries; of those none is read behind the last
 * wanted one. */
static int pick_dict(struct rd *r, size_t n, const uint32_t *at, size_t at_n, struct arena *a,
                     struct str *dst)
{
    size_t k = rd_count(r, 1);
    unsigned width = k != 0 ? bits_width(k - 1) : 0;
    size_t codes_bytes = bits_bytes(n, width) + INTS_PAD;
    uint32_t *codes = arena_array(a, uint32_t, at_n + 1);
    uint32_t last = 0;
    const uint8_t *bits;
    struct str *dict;

    if (codes == NULL) {
        return -ERR_NOMEM;
    }
    if (r->bad || k == 0 || width > 32 || rd_left(r) < codes_bytes + 1 ||
        r->end[-(ptrdiff_t)codes_bytes - 1] != width) {
        return -ERR_CORRUPT;
    }
    bits = r->end - codes_bytes;
    r->end = bits - 1;
    for (size_t i = 0; i < at_n; i++) {
        codes[i] = code_at(bits, width, at[i]);
        last = codes[i] > last ? codes[i] : last;
    }
    if (last >= k) {
        return -ERR_CORRUPT;
    }
    dict = arena_array(a, struct str, (size_t)last + 1);
    if (dict == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i <= last; i++) {
        dict[i] = rd_str(r);
    }
    for (size_t i = 0; i < at_n; i++) {
        dst[i] = dict[codes[i]];
    }
    return r->bad ? -ERR_CORRUPT : 0;
}

static int pick_flat(struct rd *r, size_t n, const uint32_t *at, size_t at_n, struct arena *a,
                     struct str *dst)
{
    int64_t same = 0;
    int64_t *lens = NULL;
    uint64_t pos = 0;
    size_t k = 0;

    if (!ints_same(r, &same)) {
        lens = arena_array(a, int64_t, n + 1);
        if (lens == NULL) {
            return -ERR_NOMEM;
        }
        if (!ints_decode(r, n, lens)) {
            return -ERR_CORRUPT;
        }
    }
    if (lens == NULL && same >= 0 && (n == 0 || (uint64_t)same <= rd_left(r) / n)) {
        for (size_t i = 0; i < at_n; i++) {
            dst[i] = str_of((const char *)r->p + at[i] * (size_t)same, (size_t)same);
        }
        return 0;
    }
    for (size_t i = 0; lens != NULL && i < n && k < at_n; i++) {
        if (lens[i] < 0 || (uint64_t)lens[i] > rd_left(r) - pos) {
            return -ERR_CORRUPT;
        }
        for (; k < at_n && at[k] == i; k++) {
            dst[k] = str_of((const char *)r->p + pos, (size_t)lens[i]);
        }
        pos += (uint64_t)lens[i];
    }
    return k == at_n ? 0 : -ERR_CORRUPT;
}

static int pick_const(struct rd *r, size_t at_n, struct str *dst)
{
    struct str one = rd_str(r);

    for (size_t i = 0; i < at_n; i++) {
        dst[i] = one;
    }
    return r->bad || rd_left(r) != 0 ? -ERR_CORRUPT : 0;
}

int strs_pick(struct str payload, size_t n, const uint32_t *at, size_t at_n, struct arena *a,
              struct strs *ret)
{
    struct rd r = rd_of(payload);
    struct str *v = arena_array(a, struct str, at_n + 1);
    int rc;

    if (v == NULL || payload.p == NULL || payload.n == 0) {
        return v == NULL ? -ERR_NOMEM : -ERR_CORRUPT;
    }
    switch (rd_u8(&r)) {
    case STRS_CONST:
        rc = pick_const(&r, at_n, v);
        break;
    case STRS_DICT:
        rc = pick_dict(&r, n, at, at_n, a, v);
        break;
    case STRS_FLAT:
        rc = pick_flat(&r, n, at, at_n, a, v);
        break;
    case STRS_TEMPLATES:
        rc = templates_pick(&r, n, at, at_n, a, v);
        break;
    default:
        rc = -ERR_CORRUPT;
    }
    if (rc == 0) {
        *ret = (struct strs){.form = STRS_FLAT, .n = at_n, .v = v};
    }
    return rc;
}

const uint8_t *strs_fixed(struct str payload, size_t n, size_t width)
{
    struct rd r = rd_of(payload);
    int64_t same;

    return rd_u8(&r) == STRS_FLAT && ints_same(&r, &same) && (uint64_t)same == width &&
                   rd_left(&r) == n * width
               ? r.p
               : NULL;
}
