/* SPDX-License-Identifier: Apache-2.0
 *
 * The upper half of a hash chooses the block, the lower half one bit per lane by multiplication with odd
 * constants.
 */
#include "store/columns/bloom.h"

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

void bloom_add(struct bloom_builder *b, uint64_t hash)
{
    size_t at;

    hash = hash != 0 ? hash : 1; /* zero marks an empty place */
    at = (size_t)(hash >> 52);
    if (UNLIKELY(b->recent == NULL)) {
        b->recent = mem_try_calloc(BLOOM_RECENT, sizeof(*b->recent));
        if (b->recent == NULL) {
            b->failed = true;
            return;
        }
    }
    if (b->recent[at] == hash) {
        return;
    }
    b->recent[at] = hash;
    if (!vec_push(&b->list, hash)) {
        b->failed = true;
    }
}

static void add_token(void *arg, struct str token, uint64_t hash)
{
    (void)token;
    bloom_add(arg, hash);
}

void bloom_add_text(struct bloom_builder *b, struct str text)
{
    text_each_token(text, add_token, b);
}

size_t bloom_finish(struct bloom_builder *b, struct buf *dst)
{
    size_t blocks = (b->list.n * BLOOM_BITS_PER_HASH + BLOOM_BLOCK * 8 - 1) / (BLOOM_BLOCK * 8);
    size_t bytes = blocks * BLOOM_BLOCK;
    bool ok = b->list.n != 0 && !b->failed;
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
    if (b->recent != NULL && b->list.n != 0) {
        memset(b->recent, 0, BLOOM_RECENT * sizeof(*b->recent));
    }
    vec_clear(&b->list);
    b->failed = false;
    return p != NULL ? bytes : 0;
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

        if ((kind == BLOOM_INNER && (at_start || at_end)) || (kind == BLOOM_FRONT && at_end)) {
            continue;
        }
        if (!bloom_has(filter, text_token_hash(token))) {
            return false;
        }
    }
    return true;
}
