/* SPDX-License-Identifier: Apache-2.0
 *
 * A column of byte strings: constant, dictionary with bit-packed codes, lengths and bytes, or templates
 * (templates.h). Decoding is zero-copy into the (decompressed) payload; only texts of templates are made.
 */
#ifndef STORE_COLUMNS_STRS_H
#define STORE_COLUMNS_STRS_H

#include "base/arena.h"
#include "store/columns/templates.h"

enum strs_form { STRS_CONST, STRS_DICT, STRS_FLAT, STRS_TEMPLATES };

/** Reused between columns; zeroed struct to start. */
struct strs_encoder {
    uint32_t *slots;
    size_t slots_n;
    struct str *dict;
    uint64_t *codes;
    int64_t *ints;
    int64_t *scratch;
    size_t cap; /* of the arrays, in values */
    struct templates_encoder *templates;
    struct bloom_builder trigrams;
};

void strs_encoder_done(struct strs_encoder *e);

/** What texts want beyond plain strings. */
struct strs_text {
    bool templates; /* may be taken apart */
    bool ids;       /* drawn at random: what repeats pays in a dictionary */
    struct bloom_builder
        *bloom;     /* gets the tokens, where the form has no dictionary to look at; NULL: none */
    bool has_bloom; /* out: it did */
    bool has_trigrams; /* out: it also got trigrams (bloom_may_contain()) */
    size_t widest;     /* out: the longest run of hexadecimal digits */
    size_t split;      /* out: from here on the bytes are packed numbers; 0: no such place */
};

/** `text` may be NULL. @return the form chosen (negative: -ERR_NOMEM); failures to write stay in dst */
NODISCARD int strs_encode(struct strs_encoder *e, const struct str *v, size_t n,
                          struct strs_text *text, struct buf *dst);
/** Fill e->dict and e->codes; the arrays must have been made for n. @return entries; 0: it does not pay */
size_t strs_dict(struct strs_encoder *e, const struct str *v, size_t n, bool ids);
/** Texts into the bloom filter: their tokens, and the trigrams of tokens that are not hexadecimal words. */
void strs_add_texts(struct strs_encoder *e, struct strs_text *text, const struct str *v, size_t n);
/** All texts were added: trigrams stay when they are few beside n rows. */
void strs_finish_texts(struct strs_encoder *e, struct strs_text *text, size_t n);

struct strs {
    enum strs_form form;
    size_t n;
    const struct str *v; /* CONST: 1; DICT: dict_n; FLAT: n; TEMPLATES: none */
    size_t dict_n;
    const uint32_t *codes; /* DICT: n, each < dict_n */
    struct templates *templates;
};

static inline struct str strs_at(const struct strs *s, size_t i)
{
    return s->form == STRS_FLAT        ? s->v[i]
           : s->form == STRS_DICT      ? s->v[s->codes[i]]
           : s->form == STRS_TEMPLATES ? templates_at(s->templates, i)
                                       : s->v[0];
}

/** One value per row, with none that are known to be equal? */
static inline bool strs_is_plain(const struct strs *s)
{
    return s->form == STRS_FLAT || s->form == STRS_TEMPLATES;
}

/** To be asked after values were looked at: 0; -ERR_CORRUPT or -ERR_NOMEM when some could not be made. */
static inline int strs_status(const struct strs *s)
{
    return s->form == STRS_TEMPLATES ? templates_status(s->templates) : 0;
}

/** Only the values at the rising places `at`, each below n, as a plain column of at_n values.
 * @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int strs_pick(struct str payload, size_t n, const uint32_t *at, size_t at_n,
                        struct arena *a, struct strs *ret);
/** Where the values of a plain column lie when all have `width` bytes; NULL: something else. */
const uint8_t *strs_fixed(struct str payload, size_t n, size_t width);
/** @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int strs_decode(struct str payload, size_t n, struct arena *a, struct strs *ret);

#endif
