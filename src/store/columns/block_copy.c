/* SPDX-License-Identifier: Apache-2.0
 *
 * A block from one part to another without decoding it: payloads and directory entries are copied, checksums
 * with them, so damage stays visible. Only the columns that name the part's tables are written anew.
 */
#include "base/err.h"
#include "base/hash.h"
#include "store/columns/block.h"
#include "store/columns/block_build.h"
#include "store/columns/ints.h"

/* One integer column, uncompressed. */
static void put_ints(enum col_id id, const int64_t *v, size_t n, int64_t *scratch, struct buf *dir,
                     struct buf *payload)
{
    size_t at = payload->n;
    int64_t min = v[0];
    int64_t max = v[0];

    for (size_t i = 1; i < n; i++) {
        min = v[i] < min ? v[i] : min;
        max = v[i] > max ? v[i] : max;
    }
    if (min == 0 && max == 0) {
        return; /* columns of zeros are left out */
    }
    ints_encode(v, n, scratch, payload);
    if (payload->failed) {
        return;
    }
    wr_varint(dir, id);
    buf_add_byte(dir, COLTYPE_I64);
    wr_varint(dir, n);
    wr_varint(dir, payload->n - at);
    wr_varint(dir, payload->n - at);
    wr_fixed32(dir, crc32c(0, payload->data + at, payload->n - at));
    wr_varint(dir, 0); /* no bloom filter */
    wr_zigzag(dir, min);
    wr_zigzag(dir, max);
}

static uint64_t columns_kept(const struct block *b)
{
    uint64_t n = b->cols_n;

    n -= b->core[COL_RESOURCE] != NULL ? 1 : 0;
    return n - (b->core[COL_SCOPE] != NULL ? 1 : 0);
}

int64_t block_relocate(const struct block *b, uint32_t resource, const int64_t *scopes,
                       struct buf *dst)
{
    size_t n = b->entry->rows_n;
    size_t start = dst->n;
    int64_t *v = mem_try_calloc(n, 2 * sizeof(*v));
    struct buf dir;
    struct buf payload;
    uint64_t cols = columns_kept(b);
    int64_t dir_bytes;
    int rc;

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    buf_init(&dir, 1 << 20);
    buf_init(&payload, 64 << 20);
    for (size_t i = 0; i < n; i++) {
        v[i] = resource;
    }
    put_ints(COL_RESOURCE, v, n, v + n, &dir, &payload);
    cols += dir.n != 0 ? 1 : 0;
    {
        size_t before = dir.n;

        put_ints(COL_SCOPE, scopes, n, v + n, &dir, &payload);
        cols += dir.n != before ? 1 : 0;
    }
    wr_varint(dst, n);
    wr_varint(dst, cols);
    buf_add_str(dst, buf_str(&dir));
    for (uint32_t i = 0; i < b->cols_n; i++) {
        if (b->cols[i].id != COL_RESOURCE && b->cols[i].id != COL_SCOPE) {
            buf_add_str(dst, b->cols[i].head);
        }
    }
    dir_bytes = (int64_t)(dst->n - start);
    buf_add_str(dst, buf_str(&payload));
    for (uint32_t i = 0; i < b->cols_n; i++) {
        if (b->cols[i].id != COL_RESOURCE && b->cols[i].id != COL_SCOPE) {
            buf_add_str(dst, b->cols[i].stored);
            buf_add_str(dst, b->cols[i].bloom);
        }
    }
    rc = buf_status(&dir);
    rc = rc < 0 ? rc : buf_status(&payload);
    rc = rc < 0 ? rc : buf_status(dst);
    buf_done(&dir);
    buf_done(&payload);
    mem_free(v);
    if (rc < 0) {
        dst->n = start;
        return rc;
    }
    return dir_bytes;
}
