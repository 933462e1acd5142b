/* SPDX-License-Identifier: Apache-2.0
 *
 * Double hashing (Kirsch and Mitzenmacher 2006) on 64-bit words.
 */
#include "store/columns/bloom.h"

#include "base/hash.h"
#include "store/columns/text.h"

static bool set_grow(struct bloom_builder *b)
{
    size_t n = b->set_n != 0 ? b->set_n * 2 : 1024;
    uint64_t *set = mem_try_calloc(n, sizeof(*set));

    if (set == NULL) {
        return false;
    }
    for (size_t i = 0; i < b->set_n; i++) {
        size_t at = b->set[i] & (n - 1);

        if (b->set[i] == 0) {
            continue;
        }
        while (set[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        set[at] = b->set[i];
    }
    mem_free(b->set);
    b->set = set;
    b->set_n = n;
    return true;
}

void bloom_add(struct bloom_builder *b, uint64_t hash)
{
    size_t at;

    hash = hash != 0 ? hash : 1;
    if (b->failed || ((b->n + 1) * 2 > b->set_n && !set_grow(b))) {
        b->failed = true;
        return;
    }
    at = hash & (b->set_n - 1);
    while (b->set[at] != 0 && b->set[at] != hash) {
        at = (at + 1) & (b->set_n - 1);
    }
    if (b->set[at] == 0) {
        b->set[at] = hash;
        b->n++;
    }
}

void bloom_add_text(struct bloom_builder *b, struct str text)
{
    struct str token;

    while (text_next_token(&text, &token)) {
        bloom_add(b, text_token_hash(token));
    }
}

static void probe(uint64_t hash, uint64_t *ret_at, uint64_t *ret_step)
{
    *ret_at = hash;
    *ret_step = (hash >> 32) | (hash << 32 | 1);
}

size_t bloom_finish(struct bloom_builder *b, struct buf *dst)
{
    size_t words = (b->n * BLOOM_BITS_PER_HASH + 63) / 64;
    size_t start = dst->n;
    bool ok = b->n != 0 && !b->failed;
    char *p = ok ? buf_reserve(dst, words * 8) : NULL;

    if (p != NULL) {
        uint64_t *bits = mem_try_calloc(words, 8);

        for (size_t i = 0; bits != NULL && i < b->set_n; i++) {
            uint64_t at;
            uint64_t step;

            if (b->set[i] == 0) {
                continue;
            }
            probe(b->set[i], &at, &step);
            for (int k = 0; k < BLOOM_PROBES; k++, at += step) {
                uint64_t bit = at % (words * 64);

                bits[bit / 64] |= (uint64_t)1 << (bit % 64);
            }
        }
        if (bits != NULL) {
            memcpy(p, bits, words * 8);
            dst->n += words * 8;
        }
        mem_free(bits);
    }
    if (b->set != NULL && b->n != 0) {
        memset(b->set, 0, b->set_n * sizeof(*b->set));
    }
    b->n = 0;
    b->failed = false;
    return dst->n - start;
}

void bloom_builder_done(struct bloom_builder *b)
{
    mem_free(b->set);
    *b = (struct bloom_builder){0};
}

bool bloom_has(struct str filter, uint64_t hash)
{
    uint64_t bits = filter.n * 8;
    uint64_t at;
    uint64_t step;

    hash = hash != 0 ? hash : 1;
    probe(hash, &at, &step);
    for (int k = 0; k < BLOOM_PROBES; k++, at += step) {
        uint64_t bit = at % bits;

        if (((uint8_t)filter.p[bit / 8] >> (bit % 8) & 1) == 0) {
            return false;
        }
    }
    return true;
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
