/* SPDX-License-Identifier: Apache-2.0
 *
 * Type, unit and help of metric families. A change goes to the log first; the file `metadata` holds all of
 * them and is written anew before the log is cut.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "codec/bits.h"
#include "store/tsdb/tsdb_internal.h"

enum { MAX_METRICS = 200000, MAX_TEXT = 64 << 10, MAX_FILE = 1 << 30 };

#define FILE_MAGIC "BNGSMET\x01"

struct family {
    struct str metric, type, unit, help; /* behind the struct */
    char text[];
};

struct metadata_store {
    struct mutex lock;
    struct map by_metric; /* guarded by: lock */
    bool dirty;           /* guarded by: lock */
};

static struct family *make(struct str metric, struct str type, struct str unit, struct str help)
{
    struct family *f = mem_try_alloc(sizeof(*f) + metric.n + type.n + unit.n + help.n + 1);
    const struct str in[4] = {metric, type, unit, help};
    struct str out[4];
    char *p;

    if (f == NULL) {
        return NULL;
    }
    p = f->text;
    for (int i = 0; i < 4; i++) {
        if (in[i].n != 0) {
            memcpy(p, in[i].p, in[i].n);
        }
        out[i] = str_of(p, in[i].n);
        p += in[i].n;
    }
    f->metric = out[0];
    f->type = out[1];
    f->unit = out[2];
    f->help = out[3];
    return f;
}

static bool same(const struct family *f, struct str type, struct str unit, struct str help)
{
    return str_eq(f->type, type) && str_eq(f->unit, unit) && str_eq(f->help, help);
}

/** Put into the map, replacing. Takes `f` over on success. */
static int put(struct metadata_store *m, struct family *f)
{
    struct family *old;
    int rc;

    mutex_lock(&m->lock);
    old = map_del(&m->by_metric, f->metric);
    rc = old == NULL && m->by_metric.n >= MAX_METRICS ? -ERR_LIMIT
                                                      : map_put(&m->by_metric, f->metric, f);
    m->dirty = true;
    mutex_unlock(&m->lock);
    mem_free(old);
    return rc;
}

static void encode(struct buf *dst, const struct str v[4])
{
    for (int i = 0; i < 4; i++) {
        bits_add_varint(dst, v[i].n);
        buf_add_str(dst, v[i]);
    }
}

/** One family off a reader. @return 0, -ERR_CORRUPT, -ERR_NOMEM, -ERR_LIMIT */
static int decode(struct metadata_store *m, struct bits_reader *r)
{
    struct str v[4];
    struct family *f;
    int rc;

    for (int i = 0; i < 4; i++) {
        v[i] = bits_read_str(r);
    }
    if (r->bad) {
        return -ERR_CORRUPT;
    }
    f = make(v[0], v[1], v[2], v[3]);
    if (f == NULL) {
        return -ERR_NOMEM;
    }
    rc = put(m, f);
    if (rc < 0) {
        mem_free(f);
    }
    return rc;
}

int metadata_replay(struct tsdb *db, struct str payload)
{
    struct bits_reader r = bits_reader_of(payload.p, payload.n);

    return decode(db->metadata, &r);
}

static char *path_of(const struct tsdb *db)
{
    return vfs_join(db->dir, "metadata");
}

int metadata_open(struct tsdb *db, struct err *reterr)
{
    char *path = path_of(db);
    char *p = NULL;
    size_t n = 0;
    int rc;

    db->metadata = mem_xcalloc(1, sizeof(*db->metadata));
    mutex_init(&db->metadata->lock, LOCK_RANK_LEAF);
    rc = vfs_read_file(db->vfs, path, MAX_FILE, &p, &n, reterr);
    if (rc == -ERR_NOT_FOUND) {
        rc = 0;
    } else if (rc == 0) {
        struct bits_reader r = bits_reader_of(p + 8, n >= 12 ? n - 12 : 0);

        if (n < 12 || memcmp(p, FILE_MAGIC, 8) != 0 ||
            crc32c(0, p, n - 4) != bits_get_u32((const uint8_t *)p + n - 4)) {
            /* Descriptions only: losing them must not keep the samples away. */
            log_error("tsdb", "metadata file is damaged, starting without", L_CSTR("path", path));
        } else {
            while (rc == 0 && r.p < r.end) {
                rc = decode(db->metadata, &r);
            }
            rc = rc == -ERR_CORRUPT ? 0 : rc;
        }
        rc = rc < 0 ? err_set(reterr, (enum err_code) - rc, "reading %s", path) : 0;
    }
    db->metadata->dirty = false;
    mem_free(p);
    mem_free(path);
    return rc;
}

void metadata_close(struct tsdb *db)
{
    size_t pos = 0;
    struct str key;
    void *value;

    if (db->metadata == NULL) {
        return;
    }
    while (map_next(&db->metadata->by_metric, &pos, &key, &value)) {
        mem_free(value);
    }
    map_done(&db->metadata->by_metric);
    mutex_done(&db->metadata->lock);
    mem_free(db->metadata);
}

int metadata_save(struct tsdb *db, struct err *reterr)
{
    struct metadata_store *m = db->metadata;
    struct buf b CLEANUP(buf_done);
    size_t pos = 0;
    struct str key;
    void *value;
    char *path;
    bool dirty;
    int rc;

    buf_init(&b, MAX_FILE);
    buf_add(&b, FILE_MAGIC, 8);
    mutex_lock(&m->lock);
    dirty = m->dirty;
    while (dirty && map_next(&m->by_metric, &pos, &key, &value)) {
        const struct family *f = value;

        encode(&b, (const struct str[4]){f->metric, f->type, f->unit, f->help});
    }
    m->dirty = false;
    mutex_unlock(&m->lock);
    if (!dirty) {
        return 0;
    }
    bits_add_u32(&b, b.failed ? 0 : crc32c(0, b.data, b.n));
    path = path_of(db);
    rc = b.failed ? err_set(reterr, ERR_NOMEM, "saving metadata")
                  : vfs_write_atomic(db->vfs, path, buf_str(&b), reterr);
    mem_free(path);
    if (rc < 0) {
        mutex_lock(&m->lock);
        m->dirty = true;
        mutex_unlock(&m->lock);
    }
    return rc;
}

int tsdb_set_metadata(struct tsdb *db, struct str metric, struct str type, struct str unit,
                      struct str help, struct err *reterr)
{
    struct metadata_store *m = db->metadata;
    const struct family *f;
    struct family *fresh;
    struct buf b CLEANUP(buf_done);
    struct str part;
    int rc;

    buf_init(&b, 5 * MAX_TEXT);
    if (metric.n == 0 || metric.n > MAX_TEXT || type.n > MAX_TEXT || unit.n > MAX_TEXT ||
        help.n > MAX_TEXT) {
        return err_set(reterr, ERR_INVALID, "metadata without a metric, or too long");
    }
    mutex_lock(&m->lock);
    f = map_get(&m->by_metric, metric);
    rc = f != NULL && same(f, type, unit, help);
    mutex_unlock(&m->lock);
    if (rc != 0) {
        return 0;
    }
    fresh = make(metric, type, unit, help);
    encode(&b, (const struct str[4]){metric, type, unit, help});
    if (fresh == NULL || b.failed) {
        mem_free(fresh);
        return err_set(reterr, ERR_NOMEM, "metadata");
    }
    part = buf_str(&b);
    epoch_enter(db);
    rc = wal_append(db->wal, RECORD_METADATA, &part, 1, NULL, reterr);
    if (rc == 0) {
        rc = put(m, fresh);
        rc = rc < 0 ? err_set(reterr, (enum err_code) - rc, "metadata of %d metrics", MAX_METRICS)
                    : 0;
    }
    rwlock_unlock(&db->epoch_lock);
    if (rc < 0) {
        mem_free(fresh);
    }
    return rc;
}

static int by_metric(const void *a, const void *b)
{
    return str_cmp(((const struct tsdb_metadata *)a)->metric,
                   ((const struct tsdb_metadata *)b)->metric);
}

static bool copy(const struct family *f, struct arena *a, struct tsdb_metadata *dst)
{
    dst->metric = arena_str_dup(a, f->metric);
    dst->type = arena_str_dup(a, f->type);
    dst->unit = arena_str_dup(a, f->unit);
    dst->help = arena_str_dup(a, f->help);
    return dst->metric.n == f->metric.n && dst->type.n == f->type.n && dst->unit.n == f->unit.n &&
           dst->help.n == f->help.n;
}

int tsdb_metadata(struct tsdb *db, struct str metric, struct arena *a, struct tsdb_metadata **ret,
                  size_t *ret_n, struct err *reterr)
{
    struct metadata_store *m = db->metadata;
    struct tsdb_metadata *v;
    size_t n = 0;
    size_t pos = 0;
    struct str key;
    void *value;
    bool ok;

    mutex_lock(&m->lock);
    v = arena_array(a, struct tsdb_metadata, metric.n != 0 ? 1 : m->by_metric.n + 1);
    ok = v != NULL;
    if (ok && metric.n != 0) {
        const struct family *f = map_get(&m->by_metric, metric);

        ok = f == NULL || copy(f, a, &v[n++]);
    }
    while (ok && metric.n == 0 && map_next(&m->by_metric, &pos, &key, &value)) {
        ok = copy(value, a, &v[n++]);
    }
    mutex_unlock(&m->lock);
    if (!ok) {
        return err_set(reterr, ERR_NOMEM, "metadata");
    }
    if (n > 1) {
        qsort(v, n, sizeof(*v), by_metric);
    }
    *ret = v;
    *ret_n = n;
    return 0;
}
