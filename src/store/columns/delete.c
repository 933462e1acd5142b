/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleting rows by filter: what is in memory is flushed first, then each part gets a mask of the rows that
 * pass. All masks take effect with one manifest, so a crash leaves all of it done or nothing. The rows' bytes
 * go when the background thread rewrites the parts that have masks.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "io/vfs.h"
#include "store/columns/block.h"
#include "store/columns/columns_internal.h"
#include "store/columns/mask.h"
#include "store/columns/scan_internal.h"

struct deletion {
    struct columns *c;
    const struct columns_query *q;
    struct arena scratch; /* of the block at hand */
    struct arena masks;   /* of the part at hand */
    struct block_tools tools;
    VEC(struct part *) old;
    VEC(struct part *) fresh;
    uint64_t rows;
    uint64_t blocks_done;
    uint64_t blocks_n;
    struct err *reterr;
};

static int no_memory(struct deletion *d)
{
    return err_set(d->reterr, ERR_NOMEM, "no memory to delete rows of %s", d->c->opts.dir);
}

/* Rows of a block that go now, on top of those that are gone. @return 1 when there are any, 0 */
static int mask_block(struct deletion *d, const struct part *p, uint32_t i, const uint64_t **ret)
{
    const uint64_t *gone = part_deleted(p, i);
    struct block b;
    uint64_t *bits;
    uint64_t n;
    int rc = cancel_check(d->q->cancel);

    if (rc < 0) {
        return err_set(d->reterr, (enum err_code) - rc, "deletion stopped");
    }
    arena_reset(&d->scratch);
    rc = block_open(p, i, &d->scratch, &d->tools, &b, d->reterr);
    if (rc < 0) {
        return rc;
    }
    bits = arena_array(&d->masks, uint64_t, block_words(&b));
    rc = bits != NULL ? block_filter(&b, d->q->filter, bits) : no_memory(d);
    if (rc <= 0) {
        return rc;
    }
    rc = block_filter_time(&b, d->q->min_ns, d->q->max_ns, bits);
    n = block_count(&b, bits);
    if (rc < 0 || n == 0) {
        return rc;
    }
    for (size_t w = 0; w < block_words(&b) && gone != NULL; w++) {
        bits[w] |= gone[w];
    }
    d->rows += n;
    *ret = bits;
    return 1;
}

static int write_mask(struct deletion *d, struct part *p, const uint64_t *const *bits)
{
    uint64_t number = d->c->next_seq++;
    struct part *fresh = NULL;
    char path[4096];
    struct buf b;
    int rc;

    buf_init(&b, (size_t)1 << 30);
    mask_encode(bits, part_block(p, 0), part_blocks(p), &b);
    rc = buf_status(&b) < 0 ? no_memory(d) : 0;
    if (rc == 0) {
        snprintf(path, sizeof(path), "%.3900s/mask.%llu", columns_part_dir(p),
                 (unsigned long long)number);
        rc = vfs_write_atomic(d->c->opts.vfs, path, buf_str(&b), d->reterr);
    }
    buf_done(&b);
    if (rc == 0 && (!vec_reserve(&d->old, 1) || !vec_reserve(&d->fresh, 1))) {
        rc = no_memory(d);
    }
    if (rc == 0) {
        rc = columns_part_open(columns_part_dir(p), part_day(p), part_seq(p), number, &fresh,
                               d->reterr);
    }
    if (rc == 0) {
        part_charge_mask(fresh, d->c->opts.budget);
        d->old.v[d->old.n++] = p;
        d->fresh.v[d->fresh.n++] = fresh;
    }
    return rc;
}

static int mask_part(struct deletion *d, struct part *p)
{
    const uint64_t **bits;
    bool any = false;
    int rc = 0;

    arena_reset(&d->masks);
    bits = arena_calloc(&d->masks, part_blocks(p), sizeof(const uint64_t *));
    if (bits == NULL) {
        return no_memory(d);
    }
    for (uint32_t i = 0; i < part_blocks(p) && rc >= 0; i++) {
        const struct block_entry *e = part_block(p, i);

        bits[i] = part_deleted(p, i);
        if (e->max_ns >= d->q->min_ns && e->min_ns < d->q->max_ns) {
            rc = mask_block(d, p, i, &bits[i]);
            any = any || rc > 0;
        }
        if (++d->blocks_done % 64 == 0) {
            job_progress(d->c, JOB_DELETE, (double)d->blocks_done / (double)d->blocks_n);
        }
    }
    return rc < 0 || !any ? (rc < 0 ? rc : 0) : write_mask(d, p, bits);
}

/* Masks for all parts, then one manifest. With maintenance held: the list of parts does not change. */
static int mask_parts(struct deletion *d)
{
    struct columns *c = d->c;
    struct change ch = {.keep_files = true};
    int rc = 0;

    for (size_t i = 0; i < c->parts.n; i++) {
        d->blocks_n += part_blocks(c->parts.v[i]);
    }
    for (size_t i = 0; i < c->parts.n && rc == 0; i++) {
        struct part *p = c->parts.v[i];

        if (part_max_ns(p) >= d->q->min_ns && part_min_ns(p) < d->q->max_ns) {
            rc = mask_part(d, p);
        }
    }
    if (rc < 0 || d->fresh.n == 0) {
        return rc;
    }
    ch.add = d->fresh.v;
    ch.add_n = d->fresh.n;
    ch.remove = d->old.v;
    ch.remove_n = d->old.n;
    rc = columns_publish(c, &ch, d->reterr);
    if (rc == 0) {
        d->fresh.n = 0; /* the engine's now */
    }
    return rc;
}

static void deletion_done(struct deletion *d)
{
    for (size_t i = 0; i < d->fresh.n; i++) {
        columns_part_unref(d->fresh.v[i]); /* its mask file is nobody's: gone with the part */
    }
    vec_done(&d->old);
    vec_done(&d->fresh);
    arena_done(&d->scratch);
    arena_done(&d->masks);
    block_tools_done(&d->tools);
}

int columns_delete(struct columns *c, const struct columns_query *q, uint64_t *ret_rows,
                   struct err *reterr)
{
    struct deletion d = {.c = c, .q = q, .reterr = reterr};
    struct mono start = clock_mono();
    int rc;

    arena_init(&d.scratch, QUERY_ARENA_MAX);
    arena_init(&d.masks, QUERY_ARENA_MAX);
    block_tools_init(&d.tools);
    mutex_lock(&c->maintenance);
    rc = columns_flush_locked(c, reterr);
    job_begin(c, JOB_DELETE);
    rc = rc < 0 ? rc : mask_parts(&d);
    job_end(c, JOB_DELETE, rc == 0, mono_since_ns(start));
    mutex_unlock(&c->maintenance);
    if (rc == 0) {
        counter_add(c->stats.deleted, d.rows);
        log_info("columns", "rows deleted", L_CSTR("dir", c->opts.dir), L_INT("rows", d.rows));
        *ret_rows = d.rows;
        mutex_lock(&c->lock);
        c->rewrite_wanted = c->rewrite_wanted || d.rows != 0;
        cond_broadcast(&c->work);
        mutex_unlock(&c->lock);
    }
    deletion_done(&d);
    return rc;
}
