/* SPDX-License-Identifier: Apache-2.0
 *
 * Layout (little-endian): header, then per block with deleted rows u32 block (rising), u32 words, words × u64.
 */
#include "store/columns/mask.h"

#include "base/err.h"
#include "base/hash.h"

#define MASK_MAGIC "BGMX"

enum { MASK_VERSION = 1 };

struct mask_header {
    char magic[4];
    uint32_t version;
    uint32_t blocks_n; /* of the part */
    uint32_t entries_n;
    uint64_t rows;
    uint32_t body_crc;
    uint32_t header_crc; /* of all before it */
};

struct mask {
    uint64_t rows;
    uint32_t blocks_n;
    uint64_t *words; /* the body's */
    size_t words_n;
    const uint64_t **of; /* per block, into words */
};

static size_t words_of(const struct block_entry *b)
{
    return ((size_t)b->rows_n + 63) / 64;
}

static uint64_t count_bits(const uint64_t *bits, size_t words)
{
    uint64_t n = 0;

    for (size_t i = 0; i < words; i++) {
        n += (uint64_t)__builtin_popcountll(bits[i]);
    }
    return n;
}

static int corrupt(const char *what, struct err *reterr)
{
    return err_set(reterr, ERR_CORRUPT, "mask of deleted rows: %s", what);
}

/* Cut the body into blocks. */
static int read_entries(struct mask *m, const struct mask_header *h, size_t words_n,
                        const struct block_entry *blocks, struct err *reterr)
{
    size_t at = 0;
    uint64_t rows = 0;
    int64_t last = -1;

    for (uint32_t i = 0; i < h->entries_n; i++) {
        uint32_t head[2];
        size_t n;

        if (at == words_n) {
            return corrupt("it ends early", reterr);
        }
        memcpy(head, &m->words[at++], sizeof(head));
        if (head[0] >= m->blocks_n || (int64_t)head[0] <= last) {
            return corrupt("a block that is not there", reterr);
        }
        n = words_of(&blocks[head[0]]);
        if (head[1] != n || n > words_n - at ||
            (blocks[head[0]].rows_n % 64 != 0 &&
             m->words[at + n - 1] >> (blocks[head[0]].rows_n % 64) != 0)) {
            return corrupt("impossible rows", reterr);
        }
        m->of[head[0]] = &m->words[at];
        rows += count_bits(&m->words[at], n);
        at += n;
        last = head[0];
    }
    return at == words_n && rows == h->rows ? 0 : corrupt("its sizes do not add up", reterr);
}

int mask_parse(struct str bytes, const struct block_entry *blocks, uint32_t blocks_n,
               struct mask **ret, struct err *reterr)
{
    struct mask_header h;
    struct str body;
    struct mask *m;
    int rc;

    if (bytes.n < sizeof(h)) {
        return corrupt("header", reterr);
    }
    memcpy(&h, bytes.p, sizeof(h));
    body = str_drop(bytes, sizeof(h));
    if (memcmp(h.magic, MASK_MAGIC, 4) != 0 || h.version != MASK_VERSION ||
        h.header_crc != crc32c(0, &h, offsetof(struct mask_header, header_crc)) ||
        h.blocks_n != blocks_n || body.n % 8 != 0 || h.body_crc != crc32c(0, body.p, body.n)) {
        return corrupt("header or checksum", reterr);
    }
    m = mem_try_calloc(1, sizeof(*m));
    if (m == NULL) {
        return err_set(reterr, ERR_NOMEM, "mask of deleted rows");
    }
    m->rows = h.rows;
    m->blocks_n = blocks_n;
    m->words_n = body.n / 8;
    m->words = mem_try_calloc(body.n / 8 + 1, 8);
    m->of = mem_try_calloc((size_t)blocks_n + 1, sizeof(const uint64_t *));
    if (m->words == NULL || m->of == NULL) {
        rc = err_set(reterr, ERR_NOMEM, "mask of deleted rows");
    } else {
        memcpy(m->words, body.p, body.n);
        rc = read_entries(m, &h, body.n / 8, blocks, reterr);
    }
    if (rc < 0) {
        mask_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

void mask_free(struct mask *m)
{
    if (m != NULL) {
        mem_free(m->words);
        mem_free((void *)m->of);
        mem_free(m);
    }
}

const uint64_t *mask_of_block(const struct mask *m, uint32_t block)
{
    return m->of[block];
}

uint64_t mask_rows(const struct mask *m)
{
    return m->rows;
}

size_t mask_bytes(const struct mask *m)
{
    return sizeof(*m) + m->words_n * sizeof(*m->words) + (m->blocks_n + 1) * sizeof(*m->of);
}

void mask_encode(const uint64_t *const *bits, const struct block_entry *blocks, uint32_t blocks_n,
                 struct buf *dst)
{
    struct mask_header h = {.magic = MASK_MAGIC, .version = MASK_VERSION, .blocks_n = blocks_n};
    size_t start = dst->n;

    buf_add(dst, &h, sizeof(h));
    for (uint32_t i = 0; i < blocks_n; i++) {
        if (bits[i] != NULL) {
            size_t n = words_of(&blocks[i]);
            const uint32_t head[2] = {i, (uint32_t)n};

            buf_add(dst, head, sizeof(head));
            buf_add(dst, bits[i], n * 8);
            h.rows += count_bits(bits[i], n);
            h.entries_n++;
        }
    }
    if (!dst->failed) {
        h.body_crc = crc32c(0, dst->data + start + sizeof(h), dst->n - start - sizeof(h));
        h.header_crc = crc32c(0, &h, offsetof(struct mask_header, header_crc));
        memcpy(dst->data + start, &h, sizeof(h));
    }
}
