/* SPDX-License-Identifier: Apache-2.0
 *
 * A Bloom filter over hashes (tokens of a text column, names of rare attributes): blocks of 32 bytes, 8 bits a
 * hash, each in its own 32-bit lane of one block (Putze, Sanders, Singler 2007, "Cache-, Hash- and
 * Space-Efficient Bloom Filters"), so that a look-up touches one cache line. About 8 bits per distinct hash
 * give 3 % false positives. No false negatives.
 */
#ifndef STORE_COLUMNS_BLOOM_H
#define STORE_COLUMNS_BLOOM_H

#include "base/vec.h"
#include "store/columns/wire.h"

enum { BLOOM_BITS_PER_HASH = 8, BLOOM_BLOCK = 32, BLOOM_RECENT = 4096 };

/** What a filter knows beyond tokens, kept in the low bits of its size: 0: nothing; else it has trigrams, and 1 + half
 * the longest run of hexadecimal digits (rounded up), at most BLOOM_BLOCK - 1, which means any length. */
static inline unsigned bloom_reach(size_t widest)
{
    size_t half = (widest + 1) / 2;

    return half < BLOOM_BLOCK - 2 ? (unsigned)half + 1 : BLOOM_BLOCK - 1;
}

static inline size_t bloom_widest(unsigned reach)
{
    return reach < BLOOM_BLOCK - 1 ? ((size_t)reach - 1) * 2 : SIZE_MAX;
}

/** Gathers hashes; one that came a moment ago is not taken again. Reused between columns. Zeroed struct to start. */
struct bloom_builder {
    uint64_t *recent; /* BLOOM_RECENT, by the hash's upper bits */
    VEC(uint64_t) list;
    bool failed; /* memory was refused: the column gets no filter */
};

void bloom_add(struct bloom_builder *b, uint64_t hash);
/** All tokens of a text. */
void bloom_add_text(struct bloom_builder *b, struct str text);
/** All tokens of a text, into `trigrams` their trigrams but for those of hexadecimal digits, whose longest run is noted
 * (one more where it is a part of a token). What came a moment ago is not looked at again. */
void bloom_add_parts(struct bloom_builder *b, struct bloom_builder *trigrams, struct str text,
                     size_t *widest);
/** Take over what `from` has unless those are more than `max` different hashes; it starts over. @return taken? */
bool bloom_take(struct bloom_builder *b, struct bloom_builder *from, size_t max);
/** Append the filter and start over. @return bytes written; 0 when there is nothing or it failed */
size_t bloom_finish(struct bloom_builder *b, struct buf *dst);
void bloom_builder_done(struct bloom_builder *b);

/** May the hash be in the filter? `filter.n` is a multiple of BLOOM_BLOCK, not 0. */
bool bloom_has(struct str filter, uint64_t hash);

/** Which of a text's tokens are surely whole in a value that holds it. */
enum bloom_text {
    BLOOM_WHOLE, /* all: the value equals the text, or holds it as words */
    BLOOM_INNER, /* not those at its ends: the value contains it */
    BLOOM_FRONT, /* not the one at its end: the value starts with it */
};

/** False when no value of the column can hold the text. */
bool bloom_may_match(struct str filter, struct str text, enum bloom_text kind);

/** The same for a filter that also has the trigrams of all tokens, but for those of three hexadecimal digits, in runs of
 * which there are at most `widest`: may a value contain the text? */
bool bloom_may_contain(struct str filter, struct str text, size_t widest);

#endif
