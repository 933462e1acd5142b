/* SPDX-License-Identifier: Apache-2.0
 *
 * The upper half of a hash chooses the block, the lower half one bit per lane by multiplication with odd
 * constants.
 */
#include "store/columns/bloom.h"

#include <math.h>

#include "store/columns/text.h"

enum { LANES = 8 };

static const uint32_t SALTS[LANES] = {0x9e3779b1u, 0x85ebca6bu, 0xc2b2ae35u, 0x27d4eb2fu,
                                      0x165667b1u, 0xd3a2646du, 0xfd7046c5u, 0xb55a4f09u};

static size_t block_of(uint64_t hash, size_t blocks)
{
    return (size_t)((hash >> 32) * blocks >> 32);
}

static void lanes_of(uint64_t hash, uint32_t lanes[LANES])
{
    for (int i = 0; i < LANES; i++) {
        lanes[i] = (uint32_t)1 << ((uint32_t)hash * SALTS[i] >> 27);
    }
}

static bool recent_ready(struct bloom_builder *b)
{
    if (UNLIKELY(b->recent == NULL)) {
        b->recent = mem_try_calloc(BLOOM_RECENT, sizeof(*b->recent));
    }
    b->failed = b->failed || b->recent == NULL;
    return !b->failed;
}

/* Append to the list, which has room, unless it came a moment ago. */
static ALWAYS_INLINE void take(struct bloom_builder *b, uint64_t hash)
{
    size_t at;

    hash = hash != 0 ? hash : 1; /* zero marks an empty place */
    at = (size_t)(hash >> 52);
    if (b->recent[at] != hash) {
        b->recent[at] = hash;
        b->list.v[b->list.n++] = hash;
    }
}

void bloom_add(struct bloom_builder *b, uint64_t hash)
{
    if (!recent_ready(b) || !vec_reserve(&b->list, 1)) {
        b->failed = true;
        return;
    }
    take(b, hash);
}

void bloom_add_text(struct bloom_builder *b, struct str text)
{
    uint64_t *hashes;
    size_t n;

    if (!recent_ready(b) || !vec_reserve(&b->list, text.n / 2 + 1)) {
        b->failed = true;
        return;
    }
    hashes = b->list.v + b->list.n; /* what is taken moves down over them */
    n = text_token_hashes(text, hashes);
    for (size_t i = 0; i < n; i++) {
        take(b, hashes[i]);
    }
}

static ALWAYS_INLINE bool is_hex(char c)
{
    uint8_t lower = LOWER_CHAR[(uint8_t)c];

    return (lower >= '0' && lower <= '9') || (lower >= 'a' && lower <= 'f');
}

/* Bytes of the longest run of hexadecimal digits. */
static size_t hex_run(struct str token)
{
    size_t longest = 0;
    size_t run = 0;

    for (size_t i = 0; i < token.n; i++) {
        run = is_hex(token.p[i]) ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* Trigrams of hexadecimal digits are too many to keep; the length of their runs is known instead. */
static bool is_kept(const char *trigram)
{
    return !(is_hex(trigram[0]) && is_hex(trigram[1]) && is_hex(trigram[2]));
}

struct parts {
    struct bloom_builder *words;
    struct bloom_builder *trigrams;
    size_t widest;
};

static void add_part(void *arg, struct str token, uint64_t hash)
{
    struct parts *p = arg;
    size_t before = p->words->list.n;
    size_t run;

    take(p->words, hash);
    if (p->words->list.n == before) {
        return;
    }
    run = hex_run(token);
    run += run != token.n; /* a word of as many digits as a part of this one need not be whole */
    p->widest = run > p->widest ? run : p->widest;
    for (size_t i = 0; i + 3 <= token.n; i++) {
        if (is_kept(token.p + i)) {
            take(p->trigrams, text_trigram_hash(token.p + i));
        }
    }
}

void bloom_add_parts(struct bloom_builder *b, struct bloom_builder *trigrams, struct str text,
                     size_t *widest)
{
    struct parts p = {b, trigrams, *widest};

    if (!recent_ready(b) || !recent_ready(trigrams) || !vec_reserve(&b->list, text.n / 2 + 1) ||
        !vec_reserve(&trigrams->list, text.n)) {
        b->failed = true;
        return;
    }
    text_each_token(text, add_part, &p);
    *widest = p.widest;
}

/* Distinct hashes of the list, about: linear counting (Whang et al. 1990). */
static size_t count_distinct(const struct bloom_builder *b)
{
    enum { BITS = 1 << 16 };

    uint64_t seen[BITS / 64] = {0};
    size_t zeros = BITS;
    double estimate;

    for (size_t i = 0; i < b->list.n; i++) {
        seen[b->list.v[i] >> 54] |= (uint64_t)1 << (b->list.v[i] >> 48 & 63);
    }
    for (size_t i = 0; i < BITS / 64; i++) {
        zeros -= (size_t)__builtin_popcountll(seen[i]);
    }
    estimate = zeros != 0 ? (double)BITS * log((double)BITS / (double)zeros) : (double)b->list.n;
    return estimate < (double)b->list.n ? (size_t)estimate + 1 : b->list.n;
}

static void start_over(struct bloom_builder *b)
{
    if (b->recent != NULL && b->list.n != 0) {
        memset(b->recent, 0, BLOOM_RECENT * sizeof(*b->recent));
    }
    vec_clear(&b->list);
    b->failed = false;
}

size_t bloom_finish(struct bloom_builder *b, struct buf *dst)
{
    bool ok = b->list.n != 0 && !b->failed;
    size_t hashes = ok ? count_distinct(b) : 0;
    size_t blocks = (hashes * BLOOM_BITS_PER_HASH + BLOOM_BLOCK * 8 - 1) / (BLOOM_BLOCK * 8);
    size_t bytes = blocks * BLOOM_BLOCK;
    char *p = ok ? buf_reserve(dst, bytes) : NULL;

    if (p != NULL) {
        memset(p, 0, bytes);
        for (size_t i = 0; i < b->list.n; i++) {
            char *block = p + block_of(b->list.v[i], blocks) * BLOOM_BLOCK;
            uint32_t lanes[LANES];
            uint32_t old[LANES];

            lanes_of(b->list.v[i], lanes);
            memcpy(old, block, sizeof(old));
            for (int k = 0; k < LANES; k++) {
                old[k] |= lanes[k];
            }
            memcpy(block, old, sizeof(old));
        }
        dst->n += bytes;
    }
    start_over(b);
    return p != NULL ? bytes : 0;
}

bool bloom_take(struct bloom_builder *b, struct bloom_builder *from, size_t max)
{
    bool ok = !from->failed && !b->failed && count_distinct(from) <= max &&
              vec_reserve(&b->list, from->list.n);

    if (ok && from->list.n != 0) {
        memcpy(b->list.v + b->list.n, from->list.v, from->list.n * sizeof(*from->list.v));
        b->list.n += from->list.n;
    }
    start_over(from);
    return ok;
}

void bloom_builder_done(struct bloom_builder *b)
{
    mem_free(b->recent);
    vec_done(&b->list);
    *b = (struct bloom_builder){0};
}

bool bloom_has(struct str filter, uint64_t hash)
{
    const char *block;
    uint32_t lanes[LANES];
    uint32_t have[LANES];
    uint32_t missing = 0;

    hash = hash != 0 ? hash : 1;
    block = filter.p + block_of(hash, filter.n / BLOOM_BLOCK) * BLOOM_BLOCK;
    lanes_of(hash, lanes);
    memcpy(have, block, sizeof(have));
    for (int k = 0; k < LANES; k++) {
        missing |= lanes[k] & ~have[k];
    }
    return missing == 0;
}

bool bloom_may_match(struct str filter, struct str text, enum bloom_text kind)
{
    struct str rest = text;
    struct str token;

    while (text_next_token(&rest, &token)) {
        bool at_start = token.p == text.p;
        bool at_end = token.p + token.n == text.p + text.n;

        if ((kind == BLOOM_INNER && (at_start || at_end)) || (kind == BLOOM_FRONT && at_end) ||
            text_is_short_number(token)) {
            continue;
        }
        if (!bloom_has(filter, text_token_hash(token))) {
            return false;
        }
    }
    return true;
}

static bool has_trigrams(struct str filter, struct str token)
{
    for (size_t i = 0; i + 3 <= token.n; i++) {
        if (is_kept(token.p + i) && !bloom_has(filter, text_trigram_hash(token.p + i))) {
            return false;
        }
    }
    return true;
}

bool bloom_may_contain(struct str filter, struct str text, size_t widest)
{
    struct str rest = text;
    struct str token;

    if (!bloom_may_match(filter, text, BLOOM_INNER)) {
        return false;
    }
    while (text_next_token(&rest, &token)) {
        if (!has_trigrams(filter, token)) {
            return false;
        }
        /* digits: as many as the longest are a word of their own */
        if (hex_run(token) == token.n &&
            (token.n > widest || (token.n == widest && !text_is_short_number(token) &&
                                  !bloom_has(filter, text_token_hash(token))))) {
            return false;
        }
    }
    return true;
}
