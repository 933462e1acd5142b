/* SPDX-License-Identifier: Apache-2.0
 *
 * A Bloom filter over hashes (tokens of a text column, names of rare attributes): 8 bits per distinct hash
 * and 4 probes give about 2.4 % false positives. No false negatives.
 */
#ifndef STORE_COLUMNS_BLOOM_H
#define STORE_COLUMNS_BLOOM_H

#include "base/vec.h"
#include "store/columns/wire.h"

enum { BLOOM_BITS_PER_HASH = 8, BLOOM_PROBES = 4 };

/** Gathers distinct hashes; reused between columns. Zeroed struct to start. */
struct bloom_builder {
    uint64_t *set; /* open addressing, 0 is empty */
    size_t set_n;  /* power of two */
    size_t n;
    bool failed; /* memory was refused: the column gets no filter */
};

void bloom_add(struct bloom_builder *b, uint64_t hash);
void bloom_add_text(struct bloom_builder *b, struct str text);
/** Append the filter and start over. @return bytes written; 0 when there is nothing or it failed */
size_t bloom_finish(struct bloom_builder *b, struct buf *dst);
void bloom_builder_done(struct bloom_builder *b);

/** May the hash be in the filter? `filter.n` is a multiple of 8, not 0. */
bool bloom_has(struct str filter, uint64_t hash);

/** Which of a text's tokens are surely whole in a value that holds it. */
enum bloom_text {
    BLOOM_WHOLE, /* all: the value equals the text, or holds it as words */
    BLOOM_INNER, /* not those at its ends: the value contains it */
    BLOOM_FRONT, /* not the one at its end: the value starts with it */
};

/** False when no value of the column can hold the text. */
bool bloom_may_match(struct str filter, struct str text, enum bloom_text kind);

#endif
