/* SPDX-License-Identifier: Apache-2.0
 *
 * The tombstones of a database: a small file that is written anew as a whole, and the marks it puts on
 * parts. Changes hold merge_lock, so that no merge reads a part unmarked and publishes what was deleted.
 */
#include "store/tsdb/tombstones.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "codec/bits.h"
#include "store/tsdb/rollup_internal.h"

#define FILE_MAGIC "BNGSTMB\x01"

enum { TOMBSTONES_MAX = 10000, MATCHERS_MAX = 64, FILE_MAX = 64 << 20 };

struct tombstone {
    uint64_t seq; /* of the last flush it reaches */
    int64_t min_ms, max_ms;
    struct matcher **m; /* owned */
    size_t m_n;
};

struct tombstones {
    VEC(struct tombstone) v; /* guarded by: merge_lock */
};

static void tombstone_done(struct tombstone *t)
{
    for (size_t i = 0; i < t->m_n; i++) {
        matcher_free(t->m[i]);
    }
    mem_free(t->m);
}

void tombstones_free(struct tombstones *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->v.n; i++) {
        tombstone_done(&t->v.v[i]);
    }
    vec_done(&t->v);
    mem_free(t);
}

/* ---- the file ---- */

static void encode(struct buf *b, const struct tombstone *t)
{
    bits_add_varint(b, t->seq);
    bits_add_varint(b, bits_zigzag(t->min_ms));
    bits_add_varint(b, bits_zigzag(t->max_ms));
    bits_add_varint(b, t->m_n);
    for (size_t i = 0; i < t->m_n; i++) {
        const struct str text[2] = {matcher_name(t->m[i]), matcher_value(t->m[i])};

        buf_add_byte(b, (char)matcher_op(t->m[i]));
        for (int k = 0; k < 2; k++) {
            bits_add_varint(b, text[k].n);
            buf_add_str(b, text[k]);
        }
    }
}

static int decode_matcher(struct bits_reader *r, struct matcher **ret)
{
    uint64_t op = bits_read_varint(r);
    struct str name = bits_read_str(r);
    struct str value = bits_read_str(r);

    if (r->bad || op > MATCH_NRE) {
        return -ERR_CORRUPT;
    }
    return matcher_new((enum match_op)op, name, value, ret, NULL) == -ERR_NOMEM ? -ERR_NOMEM
           : *ret == NULL                                                       ? -ERR_CORRUPT
                                                                                : 0;
}

static int decode(struct bits_reader *r, struct tombstone *t)
{
    uint64_t n;
    int rc = 0;

    t->seq = bits_read_varint(r);
    t->min_ms = bits_unzigzag(bits_read_varint(r));
    t->max_ms = bits_unzigzag(bits_read_varint(r));
    n = bits_read_varint(r);
    if (r->bad || n == 0 || n > MATCHERS_MAX) {
        return -ERR_CORRUPT;
    }
    t->m = mem_try_calloc(n, sizeof(struct matcher *));
    if (t->m == NULL) {
        return -ERR_NOMEM;
    }
    while (rc == 0 && t->m_n < n) {
        rc = decode_matcher(r, &t->m[t->m_n]);
        t->m_n += rc == 0 ? 1 : 0;
    }
    return rc;
}

int tombstones_parse(struct str bytes, struct tombstones **ret)
{
    struct tombstones *t;
    struct bits_reader r;
    int rc = 0;

    if (bytes.n < 12 || memcmp(bytes.p, FILE_MAGIC, 8) != 0 ||
        bits_get_u32((const uint8_t *)bytes.p + bytes.n - 4) != crc32c(0, bytes.p, bytes.n - 4)) {
        return -ERR_CORRUPT;
    }
    t = mem_try_calloc(1, sizeof(*t));
    if (t == NULL) {
        return -ERR_NOMEM;
    }
    r = bits_reader_of(bytes.p + 8, bytes.n - 12);
    while (rc == 0 && r.p < r.end) {
        struct tombstone one = {0};

        rc = t->v.n >= TOMBSTONES_MAX ? -ERR_CORRUPT : decode(&r, &one);
        if (rc < 0 || !vec_push(&t->v, one)) {
            tombstone_done(&one);
            rc = rc < 0 ? rc : -ERR_NOMEM;
        }
    }
    if (rc < 0) {
        tombstones_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

static char *path_of(const struct tsdb *db)
{
    return vfs_join(db->dir, "tombstones");
}

/** Without any the file goes. */
static int save(struct tsdb *db, struct err *reterr)
{
    const struct tombstones *t = db->tombstones;
    struct buf b CLEANUP(buf_done);
    char *path CLEANUP(mem_free_ptr) = path_of(db);

    buf_init(&b, FILE_MAX);
    if (t->v.n == 0) {
        int rc = db->vfs->unlink(db->vfs->ctx, path);

        rc = rc == 0 || rc == -ENOENT ? db->vfs->sync_dir(db->vfs->ctx, db->dir) : rc;
        return rc < 0 ? err_set_errno(reterr, -rc, "removing %s", path) : 0;
    }
    buf_add(&b, FILE_MAGIC, 8);
    for (size_t i = 0; i < t->v.n; i++) {
        encode(&b, &t->v.v[i]);
    }
    bits_add_u32(&b, b.failed ? 0 : crc32c(0, b.data, b.n));
    return b.failed ? err_set(reterr, ERR_LIMIT, "tombstones take more than %d bytes", FILE_MAX)
                    : vfs_write_atomic(db->vfs, path, buf_str(&b), reterr);
}

/* ---- marking ---- */

static bool reaches(const struct tombstone *t, const struct part_info *p)
{
    return p->seq_hi <= t->seq && p->max_ms >= t->min_ms && p->min_ms <= t->max_ms;
}

static int mark_part(struct part *p, const struct tombstone *t)
{
    roaring_bitmap_t *set = NULL;
    int rc = 0;

    if (reaches(t, part_info(p))) {
        rc = index_resolve(part_index(p), (const struct matcher *const *)t->m, t->m_n, NULL, &set);
        rc = rc == 0 ? part_hide(p, set, t->min_ms, t->max_ms) : rc;
    }
    return rc;
}

int tombstones_mark_part(struct tsdb *db, struct part *p)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < db->tombstones->v.n; i++) {
        rc = mark_part(p, &db->tombstones->v.v[i]);
    }
    return rc;
}

/** Put a tombstone's mark on what is there, roll-ups too. */
static int mark(struct tsdb *db, const struct tombstone *t)
{
    struct part **parts = NULL;
    size_t n = 0;
    int rc = parts_snapshot(db, t->min_ms, t->max_ms, &parts, &n);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = mark_part(parts[i], t);
    }
    parts_release(parts, n);
    rwlock_read(&db->parts_lock);
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        const part_list *l = &db->rollups->tiers[k].parts;

        for (size_t i = 0; rc == 0 && i < l->n; i++) {
            rc = mark_part(l->v[i], t);
        }
    }
    rwlock_unlock(&db->parts_lock);
    return rc;
}

/** Does a roll-up still need the tombstone? Unlike raw parts they are not rewritten: where the day's raw parts are
 * there it is made again, where not it stays hidden until its retention ends. */
static bool still_needed(struct tsdb *db, const struct tombstone *t)
{
    bool needed = false;

    rwlock_read(&db->parts_lock);
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        const part_list *l = &db->rollups->tiers[k].parts;

        for (size_t i = 0; !needed && i < l->n; i++) {
            needed = reaches(t, part_info(l->v[i])) && part_hides(l->v[i]);
        }
    }
    for (size_t i = 0; !needed && i < db->parts.n;
         i++) { /* raw parts that could not be rewritten */
        needed = reaches(t, part_info(db->parts.v[i])) && part_hides(db->parts.v[i]);
    }
    rwlock_unlock(&db->parts_lock);
    return needed;
}

int tombstones_open(struct tsdb *db, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = path_of(db);
    char *bytes = NULL;
    size_t n = 0;
    struct err e = {0};
    int rc = vfs_read_file(db->vfs, path, FILE_MAX, &bytes, &n, &e);

    if (rc == -ERR_NOT_FOUND) {
        db->tombstones = mem_xcalloc(1, sizeof(*db->tombstones));
        return 0;
    }
    if (rc < 0) {
        if (reterr != NULL) {
            *reterr = e;
        }
        return rc;
    }
    rc = tombstones_parse(str_of(bytes, n), &db->tombstones);
    mem_free(bytes);
    for (size_t i = 0; rc == 0 && i < db->tombstones->v.n; i++) {
        const struct tombstone *t = &db->tombstones->v.v[i];

        /* A number that a deletion reaches is never given to a flush again. */
        db->next_seq = db->next_seq <= t->seq ? t->seq + 1 : db->next_seq;
        rc = mark(db, t);
    }
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s: %s", path, err_text(rc)) : 0;
}

void tombstones_close(struct tsdb *db)
{
    tombstones_free(db->tombstones);
    db->tombstones = NULL;
}

/* ---- deleting ---- */

static int copy_matchers(const struct tsdb_matchers *from, struct tombstone *t, struct err *reterr)
{
    int rc = 0;

    t->m = mem_try_calloc(from->n, sizeof(struct matcher *));
    if (t->m == NULL) {
        return err_set(reterr, ERR_NOMEM, "tombstone");
    }
    while (rc == 0 && t->m_n < from->n) {
        const struct matcher *m = from->v[t->m_n];

        rc = matcher_new(matcher_op(m), matcher_name(m), matcher_value(m), &t->m[t->m_n], reterr);
        t->m_n += rc == 0 ? 1 : 0;
    }
    return rc;
}

/** Series of the head that match and have no samples left leave it, so that labels forget them, too. */
static int forget_in_head(struct tsdb *db, const struct tombstone *t)
{
    uint32_t epoch = atomic_load_explicit(&db->epoch, memory_order_relaxed);
    size_t removed = 0;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        struct shard *s = &db->head.shards[i];
        roaring_bitmap_t *set = NULL;

        rwlock_read(&s->lock);
        rc = index_resolve(head_index(s), (const struct matcher *const *)t->m, t->m_n, NULL, &set);
        rwlock_unlock(&s->lock);
        if (rc == 0) {
            removed += head_collect(&db->head, i, epoch, set);
            roaring_bitmap_free(set);
        }
    }
    if (removed != 0) {
        counter_add(db->stats.collected, removed);
        doors_sweep(db);
    }
    return rc;
}

/** Number of the last flush there was. */
static uint64_t last_seq(struct tsdb *db)
{
    uint64_t seq;

    mutex_lock(&db->maint);
    seq = db->next_seq - 1;
    mutex_unlock(&db->maint);
    return seq;
}

/** Add one tombstone. Under merge_lock. */
static int add_one(struct tsdb *db, const struct tsdb_matchers *m, struct tombstone *t,
                   struct err *reterr)
{
    struct tombstones *all = db->tombstones;
    int rc = copy_matchers(m, t, reterr);

    if (rc < 0) {
        return rc;
    }
    if (all->v.n >= TOMBSTONES_MAX || !vec_push(&all->v, *t)) {
        return err_set(reterr, ERR_LIMIT, "%d deletions wait to be cleaned; clean_tombstones first",
                       TOMBSTONES_MAX);
    }
    rc = save(db, reterr);
    if (rc < 0) {
        all->v.n--; /* the caller frees it */
        return rc;
    }
    rc = mark(db, t);
    rc = rc == 0 ? forget_in_head(db, t) : rc;
    *t = (struct tombstone){0};
    return rc < 0
               ? err_set(reterr, (enum err_code) - rc,
                         "deletion is written, but not in force before a restart: %s", err_text(rc))
               : 0;
}

int tsdb_delete_series(struct tsdb *db, const struct tsdb_matchers *selectors, size_t n,
                       int64_t min_ms, int64_t max_ms, struct err *reterr)
{
    uint64_t seq;
    int rc;

    for (size_t i = 0; i < n; i++) {
        if (selectors[i].n == 0 || selectors[i].n > MATCHERS_MAX) {
            return err_set(reterr, ERR_INVALID, "a selector needs 1 to %d matchers", MATCHERS_MAX);
        }
    }
    if (n == 0) {
        return err_set(reterr, ERR_INVALID, "no selector");
    }
    rc = flush_head(db, reterr);
    if (rc < 0) {
        return rc;
    }
    seq = last_seq(db);
    mutex_lock(&db->merge_lock);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct tombstone t = {.seq = seq, .min_ms = min_ms, .max_ms = max_ms};

        rc = add_one(db, &selectors[i], &t, reterr);
        tombstone_done(&t);
    }
    mutex_unlock(&db->merge_lock);
    if (rc == 0) {
        log_info("tsdb", "series deleted", L_INT("selectors", n), L_INT("from_ms", min_ms),
                 L_INT("to_ms", max_ms));
    }
    return rc;
}

/* ---- cleaning ---- */

/** Rewrite the days that have marks. Under merge_lock. */
static int clean_days(struct tsdb *db, uint64_t seq, struct err *reterr)
{
    struct part **v = NULL;
    size_t n = 0;
    int rc = 0;

    if (parts_snapshot(db, INT64_MIN, INT64_MAX, &v, &n) < 0) {
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    for (size_t i = 0; rc == 0 && i < n;) {
        bool marked = false;
        size_t old = 0; /* flushed since are new and stay */
        size_t end = i;

        for (; end < n && part_info(v[end])->day == part_info(v[i])->day; end++) {
            marked = marked || part_hides(v[end]);
            old += part_info(v[end])->seq_hi < seq ? 1 : 0;
        }
        rc = marked && !rollup_holds_raw(db, part_info(v[i])->day)
                 ? merge_rewrite(db, v + i, old, seq, reterr)
                 : 0;
        i = end;
    }
    parts_release(v, n);
    return rc;
}

int tsdb_clean_tombstones(struct tsdb *db, struct err *reterr)
{
    uint64_t seq;
    int rc = 0;

    mutex_lock(&db->maint);
    seq = db->next_seq++;
    mutex_unlock(&db->maint);
    mutex_lock(&db->merge_lock);
    if (db->tombstones->v.n != 0) {
        rc = clean_days(db, seq, reterr);
        if (rc == 0) {
            size_t kept = 0;

            for (size_t i = 0; i < db->tombstones->v.n; i++) {
                struct tombstone *t = &db->tombstones->v.v[i];

                if (still_needed(db, t)) {
                    db->tombstones->v.v[kept++] = *t;
                } else {
                    tombstone_done(t);
                }
            }
            db->tombstones->v.n = kept;
            rc = save(db, reterr);
        }
    }
    mutex_unlock(&db->merge_lock);
    return rc;
}
