/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts taken apart. Rows are told apart by what is left of their text when the variable words are out; a
 * template few rows have does not pay for its columns, so those rows keep their text whole, as the one place of a
 * template that has nothing else.
 */
#include "base/err.h"
#include "base/hash.h"
#include "base/vec.h"
#include "store/columns/ints.h"
#include "store/columns/strs.h"
#include "store/columns/templates_internal.h"
#include "store/columns/text.h"

enum {
    ROWS_MIN = 64,       /* a column with fewer is left alone */
    TEMPLATE_ROWS = 8,   /* a template with fewer is given up */
    TEXT_MAX = 16 << 10, /* longer texts stay whole */
    TRIAL_ROWS = 512,    /* after as many it is decided whether to go on */
};

struct template
{
    uint64_t hash;
    uint32_t at; /* in keys */
    uint32_t len;
    uint32_t slots;
    uint32_t rows;
    uint32_t code;  /* in the payload; 0: whole texts */
    uint32_t start; /* in order */
};

struct templates_encoder {
    struct buf keys;
    VEC(struct template) list;
    uint32_t *map; /* index + 1 by hash */
    size_t map_n;
    VEC(struct str) values; /* of all rows, one after the other */
    VEC(uint32_t) first;    /* of a row in values */
    VEC(uint32_t) of;       /* template of a row */
    VEC(uint32_t) order;    /* rows by template */
    VEC(struct str) column; /* one place */
    VEC(int64_t) ints;
    VEC(int64_t) scratch;
    struct buf head;
    struct buf strings; /* of one template */
    struct buf nums;
};

void templates_encoder_free(struct templates_encoder *t)
{
    if (t == NULL) {
        return;
    }
    buf_done(&t->keys);
    buf_done(&t->head);
    buf_done(&t->strings);
    buf_done(&t->nums);
    vec_done(&t->list);
    vec_done(&t->values);
    vec_done(&t->first);
    vec_done(&t->of);
    vec_done(&t->order);
    vec_done(&t->column);
    vec_done(&t->ints);
    vec_done(&t->scratch);
    mem_free(t->map);
    mem_free(t);
}

static struct templates_encoder *encoder_new(void)
{
    enum { MAX = 1 << 30 };

    struct templates_encoder *t = mem_try_calloc(1, sizeof(*t));

    if (t != NULL) {
        buf_init(&t->keys, MAX);
        buf_init(&t->head, MAX);
        buf_init(&t->strings, MAX);
        buf_init(&t->nums, MAX);
    }
    return t;
}

static bool map_grow(struct templates_encoder *t)
{
    size_t n = t->map_n != 0 ? t->map_n * 2 : 256;
    uint32_t *map = mem_try_calloc(n, sizeof(*map));

    if (map == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->list.n; i++) {
        size_t at = t->list.v[i].hash & (n - 1);

        while (map[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        map[at] = (uint32_t)i + 1;
    }
    mem_free(t->map);
    t->map = map;
    t->map_n = n;
    return true;
}

/* The key at the end of keys, from `at`, as a template. */
static bool take_template(struct templates_encoder *t, size_t at, size_t slots, uint32_t *ret)
{
    struct template one = {
        .at = (uint32_t)at, .len = (uint32_t)(t->keys.n - at), .slots = (uint32_t)slots};
    size_t pos;

    if ((t->map == NULL || (t->list.n + 1) * 2 > t->map_n) && !map_grow(t)) {
        return false;
    }
    one.hash = hash64(t->keys.data + at, one.len);
    pos = one.hash & (t->map_n - 1);
    for (; t->map[pos] != 0; pos = (pos + 1) & (t->map_n - 1)) {
        const struct template *k = &t->list.v[t->map[pos] - 1];

        if (k->hash == one.hash && k->len == one.len &&
            memcmp(t->keys.data + k->at, t->keys.data + at, one.len) == 0) {
            t->keys.n = at;
            *ret = t->map[pos] - 1;
            return true;
        }
    }
    if (!vec_push(&t->list, one)) {
        return false;
    }
    t->map[pos] = (uint32_t)t->list.n;
    *ret = (uint32_t)t->list.n - 1;
    return true;
}

/* Take a row apart. Template 0 is that of whole texts. */
static bool take_row(struct templates_encoder *t, struct str text)
{
    size_t at = t->keys.n;
    uint32_t which = 0;
    const char *from = text.p;
    struct str *values;
    size_t n;
    char *p;

    if (!vec_push(&t->first, (uint32_t)t->values.n) || !vec_reserve(&t->values, text.n / 2 + 2)) {
        return false;
    }
    values = t->values.v + t->values.n;
    n = text.n <= TEXT_MAX ? text_variables(text, values) : SLOTS_MAX + 1;
    if (n > SLOTS_MAX || (text.n != 0 && memchr(text.p, SLOT_MARK, text.n) != NULL)) {
        t->values.v[t->values.n++] = text;
    } else {
        p = buf_reserve(&t->keys, text.n + n + 1);
        if (p == NULL) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            size_t piece = (size_t)(values[i].p - from);

            memcpy(p, from, piece);
            p[piece] = SLOT_MARK;
            p += piece + 1;
            from = values[i].p + values[i].n;
        }
        if (text.n != 0) {
            size_t piece = (size_t)(text.p + text.n - from);

            memcpy(p, from, piece);
            p += piece;
        }
        t->keys.n = (size_t)(p - t->keys.data);
        t->values.n += n;
        if (!take_template(t, at, n, &which)) {
            return false;
        }
    }
    t->list.v[which].rows++;
    return vec_push(&t->of, which);
}

static bool begin(struct templates_encoder *t)
{
    uint32_t whole = 0;

    buf_clear(&t->keys);
    buf_clear(&t->head);
    buf_clear(&t->nums);
    vec_clear(&t->list);
    vec_clear(&t->values);
    vec_clear(&t->first);
    vec_clear(&t->of);
    if (t->map != NULL) {
        memset(t->map, 0, t->map_n * sizeof(*t->map));
    }
    buf_add_byte(&t->keys, SLOT_MARK);
    return !t->keys.failed && take_template(t, 0, 1, &whole);
}

/* @return 1; 0 when texts have too little in common; negative error */
static int take_rows(struct templates_encoder *t, const struct str *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!take_row(t, v[i])) {
            return -ERR_NOMEM;
        }
        if (i == TRIAL_ROWS && (t->list.n > TRIAL_ROWS * 3 / 4 || t->list.v[0].rows > i / 2)) {
            return 0;
        }
    }
    return 1;
}

/* Number the templates that stay and put rows in their order. @return how many, 0 when it does not pay */
static size_t choose(struct templates_encoder *t, size_t n)
{
    size_t kept = 1; /* whole texts, though there may be none */
    size_t rows = 0;
    uint32_t at = 0;

    for (size_t i = 1; i < t->list.n; i++) {
        struct template *k = &t->list.v[i];

        k->code = k->rows >= TEMPLATE_ROWS ? (uint32_t)kept++ : 0;
        rows += k->code != 0 ? k->rows : 0;
        if (k->code == 0) {
            t->list.v[0].rows += k->rows;
        }
    }
    if (rows < n / 2) {
        return 0;
    }
    for (size_t i = 0; i < t->list.n; i++) {
        struct template *k = &t->list.v[i];

        k->start = at;
        at += i == 0 || k->code != 0 ? k->rows : 0;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t which = t->of.v[i];

        which = t->list.v[which].code != 0 ? which : 0;
        t->order.v[t->list.v[which].start++] = (uint32_t)i;
        t->ints.v[i] = t->list.v[which].code;
    }
    return kept;
}

/* ---- one place ---- */

struct traits {
    bool decimal; /* all, at most 18 digits */
    bool zeros;   /* some with a zero in front */
    bool hex;     /* all, lower case */
    bool same;    /* all of one length */
};

static ALWAYS_INLINE bool parse_decimal(struct str s, int64_t *ret)
{
    int64_t v = 0;

    if (s.n > SLOT_DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)(uint8_t)s.p[i] - '0';

        if (d > 9) {
            return false;
        }
        v = v * 10 + (int64_t)d;
    }
    *ret = v;
    return true;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (hex_digit(s.p[i]) < 0) {
            return false;
        }
    }
    return true;
}

/* Decimal values go to `ints` as long as all are. */
static struct traits look(const struct str *v, size_t n, int64_t *ints)
{
    struct traits t = {true, false, true, true};

    for (size_t i = 0; i < n; i++) {
        t.same = t.same && v[i].n == v[0].n;
        t.zeros = t.zeros || (v[i].n > 1 && v[i].p[0] == '0');
        t.decimal = t.decimal && parse_decimal(v[i], &ints[i]);
        if (!t.decimal) {
            t.hex = t.hex && t.same && v[i].n <= SLOT_HEX_MAX && is_hex(v[i]);
            if (!t.hex) {
                break;
            }
        }
    }
    return t;
}

static void put_hex(const struct str *v, size_t n, struct buf *dst)
{
    size_t bytes = (v[0].n + 1) / 2;
    uint8_t *p = (uint8_t *)buf_reserve(dst, bytes * n);

    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < v[i].n; k += 2) {
            unsigned hi = (unsigned)hex_digit(v[i].p[k]) & 15; /* all are digits */
            unsigned lo = k + 1 < v[i].n ? (unsigned)hex_digit(v[i].p[k + 1]) & 15 : 0;

            *p++ = (uint8_t)(hi << 4 | lo);
        }
    }
    dst->n += bytes * n;
}

/* Numbers and hexadecimal words: found whole, or by looking at the values. */
static void bloom_words(struct strs_text *text, const struct str *v, size_t n)
{
    for (size_t i = 0; text->bloom != NULL && i < n; i++) {
        text->widest = v[i].n > text->widest ? v[i].n : text->widest;
        if (!text_is_short_number(v[i])) {
            bloom_add(text->bloom, text_token_hash(v[i]));
        }
    }
}

static void bloom_texts(struct strs_encoder *e, struct strs_text *text, const struct str *v,
                        size_t n)
{
    if (text->bloom != NULL) {
        strs_add_texts(e, text, v, n);
    }
}

static void put_text(struct templates_encoder *t, const struct str *v, size_t n)
{
    buf_add_byte(&t->head, SLOT_TEXT);
    for (size_t i = 0; i < n; i++) {
        t->ints.v[i] = (int64_t)v[i].n;
        buf_add_str(&t->strings, v[i]);
    }
    ints_put(t->ints.v, n, t->scratch.v, &t->nums);
}

static void put_slot(struct templates_encoder *t, struct strs_encoder *e, const struct str *v,
                     size_t n, struct strs_text *text)
{
    struct traits is = look(v, n, t->ints.v);
    size_t dict;

    if (is.decimal && (!is.zeros || is.same)) {
        buf_add_byte(&t->head, is.zeros ? SLOT_PADDED : SLOT_NUMBER);
        if (is.zeros) {
            buf_add_byte(&t->head, (char)v[0].n);
        }
        ints_put(t->ints.v, n, t->scratch.v, &t->nums);
        bloom_words(text, v, n);
        return;
    }
    dict = strs_dict(e, v, n, false);
    if (dict != 0) {
        buf_add_byte(&t->head, SLOT_DICT);
        wr_varint(&t->strings, dict);
        for (size_t i = 0; i < dict; i++) {
            wr_str(&t->strings, e->dict[i]);
        }
        for (size_t i = 0; i < n; i++) {
            t->ints.v[i] = (int64_t)e->codes[i];
        }
        ints_put(t->ints.v, n, t->scratch.v, &t->nums);
        bloom_texts(e, text, e->dict, dict);
    } else if (is.hex && is.same && v[0].n <= SLOT_HEX_MAX && is_hex(v[0])) {
        buf_add_byte(&t->head, SLOT_HEX);
        buf_add_byte(&t->head, (char)v[0].n);
        put_hex(v, n, &t->nums);
        bloom_words(text, v, n);
    } else {
        put_text(t, v, n);
        bloom_texts(e, text, v, n);
    }
}

/* Rows order[from, from + n) of one template. */
static void put_template(struct templates_encoder *t, struct strs_encoder *e, const struct str *v,
                         const struct template *k, struct strs_text *how)
{
    struct str text = str_of(t->keys.data + k->at, k->len);
    const uint32_t *rows = t->order.v + (k->start - k->rows); /* choose() moved start to the end */
    size_t nums_at = t->nums.n;

    buf_clear(&t->strings);
    wr_str(&t->head, text);
    if (k->code == 0) {
        for (size_t i = 0; i < k->rows; i++) {
            t->column.v[i] = v[rows[i]];
        }
        bloom_texts(e, how, t->column.v, k->rows);
        put_text(t, t->column.v, k->rows);
    } else {
        bloom_texts(e, how, &text, 1);
        for (size_t s = 0; s < k->slots; s++) {
            for (size_t i = 0; i < k->rows; i++) {
                t->column.v[i] = t->values.v[t->first.v[rows[i]] + s];
            }
            put_slot(t, e, t->column.v, k->rows, how);
        }
    }
    wr_varint(&t->head, t->nums.n - nums_at);
    wr_str(&t->head, buf_str(&t->strings));
    t->head.failed = t->head.failed || t->strings.failed;
}

static bool room_for(struct templates_encoder *t, size_t n)
{
    vec_clear(&t->order);
    vec_clear(&t->column);
    vec_clear(&t->ints);
    vec_clear(&t->scratch);
    return vec_reserve(&t->order, n) && vec_reserve(&t->column, n) && vec_reserve(&t->ints, n) &&
           vec_reserve(&t->scratch, n);
}

int templates_encode(struct strs_encoder *e, const struct str *v, size_t n, struct strs_text *text,
                     struct buf *dst)
{
    static const char ZEROS[INTS_PAD] = {0};
    struct templates_encoder *t;
    uint64_t total = 0;
    size_t kept;
    int rc;

    if (n < ROWS_MIN) {
        return 0;
    }
    e->templates = e->templates != NULL ? e->templates : encoder_new();
    t = e->templates;
    if (t == NULL || !begin(t) || !room_for(t, n)) {
        return -ERR_NOMEM;
    }
    rc = take_rows(t, v, n);
    kept = rc == 1 ? choose(t, n) : 0;
    if (kept == 0) {
        return rc < 0 ? rc : 0;
    }
    for (size_t i = 0; i < n; i++) {
        total += v[i].n;
    }
    wr_varint(&t->head, kept);
    ints_put(t->ints.v, n, t->scratch.v, &t->nums);
    for (size_t i = 0; i < t->list.n; i++) {
        if (i == 0 || t->list.v[i].code != 0) {
            put_template(t, e, v, &t->list.v[i], text);
        }
    }
    buf_add(&t->nums, ZEROS, sizeof(ZEROS));
    if (text->bloom != NULL) {
        strs_finish_texts(e, text, n);
    }
    if (t->head.failed || t->nums.failed) {
        return -ERR_NOMEM;
    }
    buf_add_byte(dst, STRS_TEMPLATES);
    wr_varint(dst, total);
    wr_str(dst, buf_str(&t->head));
    text->split = dst->n;
    buf_add_str(dst, buf_str(&t->nums));
    return 1;
}
