/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of exemplars; those of one series hang on a list, oldest first. What the ring overwrites is always
 * the oldest of its series, so unlinking is one step. Invariant: a series exists while it has an exemplar.
 */
#include "store/tsdb/exemplars.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "codec/bits.h"
#include "store/tsdb/tsdb_internal.h"

enum {
    MAX_FILE = 1 << 30,
    MAX_LABEL_BYTES = 1 << 20,
};

#define FILE_MAGIC "BNGSEXM\x01"

struct entry {
    struct entry *newer; /* of the same series */
    struct family *series;
    int64_t t_ms;
    double value;
    uint32_t labels_n;
    char labels[]; /* canonical bytes */
};

struct family {
    struct entry *oldest;
    struct entry *newest;
    struct str key; /* canonical bytes, behind the struct */
    char bytes[];
};

struct exemplar_store {
    size_t max;
    struct mutex lock;
    struct map by_series;     /* guarded by: lock */
    VEC(struct entry *) ring; /* guarded by: lock; full once ring.n == max */
    size_t next;              /* guarded by: lock; slot written next */
    bool dirty;               /* guarded by: lock */
    struct counter *stored, *late;
    struct gauge *kept;
};

/* ---- the ring ---- */

static void unlink_locked(struct exemplar_store *x, struct entry *e)
{
    struct family *f = e->series;

    f->oldest = e->newer;
    if (f->oldest == NULL) {
        map_del(&x->by_series, f->key);
        mem_free(f);
    }
    mem_free(e);
}

static struct family *family_locked(struct exemplar_store *x, struct str key)
{
    struct family *f = map_get(&x->by_series, key);

    if (f != NULL) {
        return f;
    }
    f = mem_try_calloc(1, sizeof(*f) + key.n);
    if (f == NULL) {
        return NULL;
    }
    memcpy(f->bytes, key.p, key.n);
    f->key = str_of(f->bytes, key.n);
    if (map_put(&x->by_series, f->key, f) < 0) {
        mem_free(f);
        return NULL;
    }
    return f;
}

/* Order of upstream's storage: time, then value, then labels. */
static int entry_cmp(const struct entry *a, const struct entry *b)
{
    if (a->t_ms != b->t_ms) {
        return a->t_ms < b->t_ms ? -1 : 1;
    }
    if (a->value != b->value) { /* NaN: falls to the labels */
        return a->value < b->value ? -1 : a->value > b->value;
    }
    return str_cmp(str_of(a->labels, a->labels_n), str_of(b->labels, b->labels_n));
}

/* Takes `e` over when it returns true. */
static int insert_locked(struct exemplar_store *x, struct str key, struct entry *e)
{
    struct family *f = map_get(&x->by_series, key);
    int order = f != NULL ? entry_cmp(e, f->newest) : 1;

    if (order <= 0) {
        return order;
    }
    if (x->ring.n < x->max) {
        if (!vec_push(&x->ring, NULL)) {
            return -ERR_NOMEM;
        }
        x->next = x->ring.n - 1;
    } else if (x->ring.v[x->next] != NULL) {
        unlink_locked(x, steal(x->ring.v[x->next])); /* may end the very series */
    }
    f = family_locked(x, key);
    if (f == NULL) {
        return -ERR_NOMEM; /* the slot stays empty until its next turn */
    }
    e->series = f;
    if (f->newest != NULL && f->oldest != NULL) {
        f->newest->newer = e;
    } else {
        f->oldest = e;
    }
    f->newest = e;
    x->ring.v[x->next] = e;
    x->next = (x->next + 1) % x->max;
    x->dirty = true;
    return 1;
}

/* One exemplar off a reader. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
static int take_locked(struct exemplar_store *x, struct bits_reader *r, struct exemplar_commit *c)
{
    struct str series = bits_read_str(r);
    struct str labels = bits_read_str(r);
    int64_t t_ms = bits_unzigzag(bits_read_varint(r));
    uint64_t bits = bits_read_u64(r);
    struct entry *e;
    int rc;

    if (r->bad || series.n == 0 || labels.n > MAX_LABEL_BYTES) {
        return -ERR_CORRUPT;
    }
    e = mem_try_calloc(1, sizeof(*e) + labels.n);
    if (e == NULL) {
        return -ERR_NOMEM;
    }
    e->t_ms = t_ms;
    memcpy(&e->value, &bits, sizeof(bits));
    e->labels_n = (uint32_t)labels.n;
    if (labels.n != 0) {
        memcpy(e->labels, labels.p, labels.n);
    }
    rc = insert_locked(x, series, e);
    if (rc == 1) {
        c->stored++;
        return 0;
    }
    mem_free(e);
    c->duplicates += rc == 0;
    c->out_of_order += rc == -1;
    return rc == -ERR_NOMEM ? rc : 0;
}

static int take_all(struct exemplar_store *x, struct str payload, struct exemplar_commit *c)
{
    struct bits_reader r = bits_reader_of(payload.p, payload.n);
    int rc = 0;

    mutex_lock(&x->lock);
    while (rc == 0 && r.p < r.end) {
        rc = take_locked(x, &r, c);
    }
    gauge_set(x->kept, (int64_t)x->ring.n);
    mutex_unlock(&x->lock);
    return rc;
}

int exemplars_replay(struct tsdb *db, struct str payload)
{
    struct exemplar_commit c = {0, 0, 0};

    return db->exemplars->max == 0 ? 0 : take_all(db->exemplars, payload, &c);
}

int tsdb_exemplars_commit(struct tsdb *db, struct exemplar_batch *b, struct exemplar_commit *ret,
                          struct err *reterr)
{
    struct exemplar_store *x = db->exemplars;
    struct exemplar_commit c = {0, 0, 0};
    struct str part = buf_str(&b->record);
    int rc = 0;

    if (b->n != 0 && x->max != 0) {
        epoch_enter(db);
        rc = wal_append(db->wal, RECORD_EXEMPLARS, &part, 1, NULL, reterr);
        if (rc == 0 && take_all(x, part, &c) == -ERR_NOMEM) {
            rc = err_set(reterr, ERR_NOMEM, "no memory for exemplars");
        }
        rwlock_unlock(&db->epoch_lock);
        if (rc < 0) {
            return rc;
        }
        counter_add(x->stored, c.stored);
        counter_add(x->late, c.out_of_order);
    }
    exemplar_batch_clear(b);
    *ret = c;
    return 0;
}

/* ---- the file ---- */

static char *path_of(const struct tsdb *db)
{
    return vfs_join(db->dir, "exemplars");
}

int exemplars_open(struct tsdb *db, size_t max, struct stats *stats, struct err *reterr)
{
    struct exemplar_store *x = mem_xcalloc(1, sizeof(*x));
    char *path = path_of(db);
    char *p = NULL;
    size_t n = 0;
    int rc;

    db->exemplars = x;
    x->max = max;
    mutex_init(&x->lock, LOCK_RANK_LEAF);
    x->stored = stats_counter(stats, "bongsu_tsdb_exemplars_stored_total", "", "Exemplars stored.");
    x->late = stats_counter(stats, "bongsu_tsdb_exemplars_out_of_order_total", "",
                            "Exemplars left out for being before the newest of their series.");
    x->kept = stats_gauge(stats, "bongsu_tsdb_exemplars", "", "Exemplars kept.");
    rc = vfs_read_file(db->vfs, path, MAX_FILE, &p, &n, reterr);
    if (rc == -ERR_NOT_FOUND) {
        rc = 0;
    } else if (rc == 0 && (n < 12 || memcmp(p, FILE_MAGIC, 8) != 0 ||
                           crc32c(0, p, n - 4) != bits_get_u32((const uint8_t *)p + n - 4))) {
        /* Losing links to traces must not keep the samples away. */
        log_error("tsdb", "exemplars file is damaged, starting without", L_CSTR("path", path));
    } else if (rc == 0) {
        rc = exemplars_replay(db, str_of(p + 8, n - 12));
        rc = rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "reading %s", path) : 0;
        x->dirty = false;
    }
    mem_free(p);
    mem_free(path);
    return rc;
}

void exemplars_close(struct tsdb *db)
{
    struct exemplar_store *x = db->exemplars;
    size_t pos = 0;
    struct str key;
    void *value;

    if (x == NULL) {
        return;
    }
    while (map_next(&x->by_series, &pos, &key, &value)) {
        mem_free(value);
    }
    for (size_t i = 0; i < x->ring.n; i++) {
        mem_free(x->ring.v[i]);
    }
    vec_done(&x->ring);
    map_done(&x->by_series);
    mutex_done(&x->lock);
    mem_free(x);
    db->exemplars = NULL;
}

/* Oldest first, so that reading them back makes the same ring. */
static void save_locked(struct exemplar_store *x, struct buf *b)
{
    size_t start = x->ring.n < x->max ? 0 : x->next;

    for (size_t i = 0; i < x->ring.n; i++) {
        const struct entry *e = x->ring.v[(start + i) % x->ring.n];

        if (e != NULL) {
            exemplar_encode(b, e->series->key, str_of(e->labels, e->labels_n), e->t_ms, e->value);
        }
    }
}

int exemplars_save(struct tsdb *db, struct err *reterr)
{
    struct exemplar_store *x = db->exemplars;
    struct buf b CLEANUP(buf_done);
    char *path;
    bool dirty;
    int rc;

    buf_init(&b, MAX_FILE);
    buf_add(&b, FILE_MAGIC, 8);
    mutex_lock(&x->lock);
    dirty = x->dirty;
    if (dirty) {
        save_locked(x, &b);
    }
    x->dirty = false;
    mutex_unlock(&x->lock);
    if (!dirty) {
        return 0;
    }
    bits_add_u32(&b, b.failed ? 0 : crc32c(0, b.data, b.n));
    path = path_of(db);
    rc = b.failed ? err_set(reterr, ERR_NOMEM, "saving exemplars")
                  : vfs_write_atomic(db->vfs, path, buf_str(&b), reterr);
    mem_free(path);
    if (rc < 0) {
        mutex_lock(&x->lock);
        x->dirty = true;
        mutex_unlock(&x->lock);
    }
    return rc;
}

/* ---- reading ---- */

static bool set_matches(const struct exemplar_selector *s, struct labels ls)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!matcher_matches(s->v[i], labels_get(ls, matcher_name(s->v[i])))) {
            return false;
        }
    }
    return true;
}

static bool wanted(const struct exemplar_query *q, struct labels ls)
{
    for (size_t i = 0; i < q->sets_n; i++) {
        if (set_matches(&q->sets[i], ls)) {
            return true;
        }
    }
    return false;
}

static bool in_range(const struct exemplar_query *q, const struct entry *e)
{
    return e->t_ms >= q->min_ms && e->t_ms <= q->max_ms;
}

/* `scratch` is used up. @return 1 when the family has exemplars for the answer, 0, -ERR_NOMEM */
static int copy_family(const struct family *f, const struct exemplar_query *q,
                       struct arena *scratch, struct arena *a, struct exemplar_series *dst)
{
    struct labels ls;
    size_t n = 0;
    int rc;

    for (const struct entry *e = f->oldest; e != NULL; e = e->newer) {
        n += in_range(q, e);
    }
    if (n == 0) {
        return 0;
    }
    rc = labels_decode(f->key, scratch, &ls); /* points into the family */
    if (rc < 0 || !wanted(q, ls)) {
        return rc == -ERR_NOMEM ? rc : 0;
    }
    dst->v = arena_array(a, struct exemplar, n);
    dst->n = 0;
    if (dst->v == NULL || labels_dup(ls, a, &dst->labels) < 0) {
        return -ERR_NOMEM;
    }
    for (const struct entry *e = f->oldest; e != NULL; e = e->newer) {
        struct str bytes = str_of(e->labels, e->labels_n);

        if (!in_range(q, e)) {
            continue;
        }
        bytes = arena_str_dup(a, bytes);
        if (labels_decode(bytes, a, &ls) < 0) {
            return -ERR_NOMEM;
        }
        dst->v[dst->n++] = (struct exemplar){ls, e->value, e->t_ms, true};
    }
    return 1;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct exemplar_series *)a)->labels,
                      ((const struct exemplar_series *)b)->labels);
}

int tsdb_exemplars(struct tsdb *db, const struct exemplar_query *q, struct arena *a,
                   struct exemplar_series **ret, size_t *ret_n, struct err *reterr)
{
    struct exemplar_store *x = db->exemplars;
    struct arena scratch CLEANUP(arena_done);
    struct exemplar_series *v;
    size_t pos = 0;
    size_t n = 0;
    struct str key;
    void *value;
    int rc = 0;

    arena_init(&scratch, 4 * MAX_LABEL_BYTES);
    mutex_lock(&x->lock);
    v = arena_array(a, struct exemplar_series, x->by_series.n + 1);
    rc = v == NULL ? -ERR_NOMEM : 0;
    while (rc >= 0 && map_next(&x->by_series, &pos, &key, &value)) {
        arena_reset(&scratch);
        rc = copy_family(value, q, &scratch, a, &v[n]);
        n += rc == 1;
    }
    mutex_unlock(&x->lock);
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for the exemplars");
    }
    if (n > 1) {
        qsort(v, n, sizeof(*v), by_labels);
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

void tsdb_exemplar_status(struct tsdb *db, struct exemplar_status *ret)
{
    struct exemplar_store *x = db->exemplars;

    mutex_lock(&x->lock);
    *ret = (struct exemplar_status){x->ring.n, x->by_series.n, x->max};
    mutex_unlock(&x->lock);
}
