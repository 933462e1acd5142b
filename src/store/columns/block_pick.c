/* SPDX-License-Identifier: Apache-2.0
 *
 * Single values of a column: where a few rows of a block are wanted (one trace, one page of a search), most of a
 * column's values need not be looked at. Gives what block_column() gives at these places.
 */
#include "base/err.h"
#include "store/columns/block.h"
#include "store/columns/ints.h"

/* From a column that is decoded anyway. */
static int pick_decoded(struct block *b, const struct column *from, const uint32_t *at, size_t n,
                        struct column *to)
{
    int64_t *ints = from->ints != NULL ? arena_array(b->a, int64_t, n + 1) : NULL;
    double *doubles = from->doubles != NULL ? arena_array(b->a, double, n + 1) : NULL;
    struct str *v =
        from->ints == NULL && from->doubles == NULL ? arena_array(b->a, struct str, n + 1) : NULL;

    if (ints == NULL && doubles == NULL && v == NULL) {
        return block_no_memory(b);
    }
    for (size_t i = 0; i < n; i++) {
        if (ints != NULL) {
            ints[i] = from->ints[at[i]];
        } else if (doubles != NULL) {
            doubles[i] = from->doubles[at[i]];
        } else {
            v[i] = strs_at(&from->strs, at[i]);
        }
    }
    to->ints = ints;
    to->doubles = doubles;
    if (v != NULL) {
        to->strs = (struct strs){.form = STRS_FLAT, .n = n, .v = v};
        return block_check(b);
    }
    return 0;
}

static int pick_ints(struct block *b, const struct block_col *c, struct str raw, const uint32_t *at,
                     size_t n, struct column *to)
{
    int64_t *ints = arena_array(b->a, int64_t, n + 1);
    struct rd r = rd_of(raw);

    if (ints == NULL) {
        return block_no_memory(b);
    }
    to->ints = ints;
    return ints_pick(&r, c->n, at, n, ints) ? 0 : block_corrupt(b, "column of integers");
}

static int pick_doubles(struct block *b, const struct block_col *c, struct str raw,
                        const uint32_t *at, size_t n, struct column *to)
{
    int64_t *ints = arena_array(b->a, int64_t, n + 1);
    double *d = arena_array(b->a, double, n + 1);
    struct rd r = rd_of(raw);
    const uint8_t *p;

    if (ints == NULL || d == NULL) {
        return block_no_memory(b);
    }
    to->doubles = d;
    if (rd_u8(&r) == F64_INTS) {
        bool ok = ints_pick(&r, c->n, at, n, ints);

        for (size_t i = 0; i < n && ok; i++) {
            d[i] = (double)ints[i];
        }
        return ok ? 0 : block_corrupt(b, "column of doubles");
    }
    p = rd_bytes(&r, (size_t)c->n * 8);
    if (p == NULL) {
        return block_corrupt(b, "column of doubles");
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;

        for (size_t plane = 0; plane < 8; plane++) {
            bits |= (uint64_t)p[plane * c->n + at[i]] << (8 * plane);
        }
        memcpy(&d[i], &bits, sizeof(bits));
    }
    return 0;
}

int block_pick(struct block *b, struct block_col *c, const uint32_t *at, size_t n,
               const struct column **ret)
{
    struct column *col = arena_calloc(b->a, 1, sizeof(*col));
    struct str raw = {0};
    int rc;

    if (col == NULL) {
        return block_no_memory(b);
    }
    col->type = c->type;
    col->n = n;
    *ret = col;
    if (n != 0 && at[n - 1] >= c->n) {
        return block_corrupt(b, "shapes and columns disagree");
    }
    if (c->column != NULL) {
        return pick_decoded(b, c->column, at, n, col);
    }
    rc = block_payload(b, c, &raw);
    if (rc < 0) {
        return rc;
    }
    b->decoded_n++;
    b->read_bytes += c->stored.n;
    if (c->type == COLTYPE_STR || c->type == COLTYPE_MIXED) {
        rc = strs_pick(raw, c->n, at, n, b->a, &col->strs);
        return rc == -ERR_NOMEM ? block_no_memory(b)
               : rc < 0         ? block_corrupt(b, "column of strings")
                                : 0;
    }
    return c->type == COLTYPE_F64 ? pick_doubles(b, c, raw, at, n, col)
                                  : pick_ints(b, c, raw, at, n, col);
}

int block_pick_ints(struct block *b, enum col_id id, const uint32_t *at, size_t n,
                    const int64_t **ret)
{
    const struct column *col = NULL;
    int rc;

    if (b->core[id] == NULL) {
        int64_t *zeros = arena_calloc(b->a, n + 1, sizeof(*zeros));

        *ret = zeros;
        return zeros != NULL ? 0 : block_no_memory(b);
    }
    rc = block_pick(b, b->core[id], at, n, &col);
    if (rc < 0 || col == NULL) {
        return rc < 0 ? rc : block_corrupt(b, "column of integers");
    }
    *ret = col->ints;
    return 0;
}
