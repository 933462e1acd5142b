/* SPDX-License-Identifier: Apache-2.0
 *
 * A column of byte strings: constant, dictionary with bit-packed codes, or lengths and bytes. Decoding is
 * zero-copy into the (decompressed) payload.
 */
#ifndef STORE_COLUMNS_STRS_H
#define STORE_COLUMNS_STRS_H

#include "base/arena.h"
#include "store/columns/wire.h"

enum strs_form { STRS_CONST, STRS_DICT, STRS_FLAT };

/** Reused between columns; zeroed struct to start. */
struct strs_encoder {
    uint32_t *slots;
    size_t slots_n;
    struct str *dict;
    uint64_t *codes;
    int64_t *ints;
    int64_t *scratch;
    size_t cap; /* of the arrays, in values */
};

void strs_encoder_done(struct strs_encoder *e);
/** @return the form chosen (negative: -ERR_NOMEM); failures to write stay in dst */
NODISCARD int strs_encode(struct strs_encoder *e, const struct str *v, size_t n, struct buf *dst);

struct strs {
    enum strs_form form;
    size_t n;
    const struct str *v; /* CONST: 1; DICT: dict_n; FLAT: n */
    size_t dict_n;
    const uint32_t *codes; /* DICT: n, each < dict_n */
};

static inline struct str strs_at(const struct strs *s, size_t i)
{
    return s->form == STRS_FLAT ? s->v[i] : s->form == STRS_DICT ? s->v[s->codes[i]] : s->v[0];
}

/** @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int strs_decode(struct str payload, size_t n, struct arena *a, struct strs *ret);

#endif
