/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table of entries and an append-only file. The file is written anew, atomically, when most of it is records
 * that later ones replaced.
 */
#include "store/log_templates/log_templates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/vec.h"
#include "io/vfs.h"
#include "store/log_templates/log_templates_format.h"

enum { DEFAULT_MAX = 40000, FILE_MAX = 1 << 30, ALIAS_STEPS = 64, REWRITE_SLACK = 64 << 10 };

struct entry {
    uint64_t id; /* the map's key */
    uint64_t alias_of;
    int64_t first_ns;
    int64_t used_ns;
    uint16_t service_n;
    uint16_t text_n;
    char bytes[]; /* service, text */
};

struct log_templates {
    char *path; /* NULL: memory only */
    const struct vfs *vfs;
    size_t max;
    struct mutex lock;
    struct map entries;  /* guarded by: lock */
    uint64_t live_bytes; /* of the records of the entries; guarded by: lock */
    uint64_t file_bytes; /* guarded by: lock */
    int fd;              /* guarded by: lock; -1: none, write the file anew */
};

static size_t record_bytes(const struct entry *e)
{
    return 8 + LOG_TEMPLATE_FIXED + e->service_n + (size_t)e->text_n;
}

static struct log_template view(const struct entry *e)
{
    return (struct log_template){.id = e->id,
                                 .alias_of = e->alias_of,
                                 .first_ns = e->first_ns,
                                 .used_ns = e->used_ns,
                                 .service = str_of(e->bytes, e->service_n),
                                 .text = str_of(e->bytes + e->service_n, e->text_n)};
}

static struct str id_key(const uint64_t *id)
{
    return str_of((const char *)id, sizeof(*id));
}

static struct entry *get(const struct log_templates *t, uint64_t id)
{
    return map_get(&t->entries, id_key(&id));
}

static void drop(struct log_templates *t, struct entry *e)
{
    map_del(&t->entries, id_key(&e->id));
    t->live_bytes -= record_bytes(e);
    mem_free(e);
}

/* Insert or replace. @return NULL without memory */
static struct entry *set(struct log_templates *t, const struct log_template *v)
{
    struct str service = str_take(v->service, LOG_TEMPLATE_SERVICE_MAX);
    struct str text = str_take(v->text, LOG_TEMPLATE_TEXT_MAX);
    struct entry *old = get(t, v->id);
    struct entry *e = mem_try_alloc(sizeof(*e) + service.n + text.n);

    if (e == NULL) {
        return NULL;
    }
    *e = (struct entry){.id = v->id,
                        .alias_of = v->alias_of,
                        .first_ns = v->first_ns,
                        .used_ns = v->used_ns,
                        .service_n = (uint16_t)service.n,
                        .text_n = (uint16_t)text.n};
    if (service.n != 0) {
        memcpy(e->bytes, service.p, service.n);
    }
    if (text.n != 0) {
        memcpy(e->bytes + service.n, text.p, text.n);
    }
    if (old != NULL) {
        drop(t, old);
    }
    if (map_put(&t->entries, id_key(&e->id), e) < 0) {
        mem_free(e);
        return NULL;
    }
    t->live_bytes += record_bytes(e);
    return e;
}

/* ---- the file ---- */

static int by_use(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a;
    const struct entry *y = *(struct entry *const *)b;

    return x->used_ns != y->used_ns ? (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns)
                                    : (x->id > y->id) - (x->id < y->id);
}

/* @return an array the caller frees; NULL without memory */
static struct entry **sorted(const struct log_templates *t)
{
    struct entry **v = mem_try_calloc(t->entries.n + 1, sizeof(struct entry *));
    struct str key;
    void *e;
    size_t pos = 0;
    size_t n = 0;

    while (v != NULL && map_next(&t->entries, &pos, &key, &e)) {
        v[n++] = e;
    }
    if (v != NULL) {
        qsort(v, n, sizeof(struct entry *), by_use);
    }
    return v;
}

static int encode_all(const struct log_templates *t, struct buf *dst, struct err *reterr)
{
    struct entry **v = sorted(t);
    int rc;

    buf_add(dst, LOG_TEMPLATES_MAGIC, LOG_TEMPLATES_HEAD);
    for (size_t i = 0; v != NULL && i < t->entries.n; i++) {
        struct log_template one = view(v[i]);

        log_template_encode(&one, dst);
    }
    rc = v == NULL ? -ERR_NOMEM : buf_status(dst);
    mem_free(v);
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "no memory for the log templates") : 0;
}

static int write_anew(struct log_templates *t, const char *path, struct err *reterr)
{
    struct buf all;
    int rc;

    buf_init(&all, FILE_MAX);
    rc = encode_all(t, &all, reterr);
    rc = rc < 0 ? rc : vfs_write_atomic(t->vfs, path, buf_str(&all), reterr);
    if (rc == 0 && path == t->path) {
        t->file_bytes = all.n;
    }
    buf_done(&all);
    return rc;
}

static void close_file(struct log_templates *t)
{
    if (t->fd >= 0) {
        t->vfs->close(t->vfs->ctx, t->fd);
        t->fd = -1;
    }
}

/* Write the file anew and go on behind it. */
static int rewrite(struct log_templates *t, struct err *reterr)
{
    int rc;

    close_file(t);
    rc = write_anew(t, t->path, reterr);
    if (rc < 0) {
        return rc;
    }
    t->fd = t->vfs->open(t->vfs->ctx, t->path, O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (t->fd < 0) {
        int e = -t->fd;

        t->fd = -1;
        return err_set_errno(reterr, e, "opening %s", t->path);
    }
    return 0;
}

static void append(struct log_templates *t, const struct entry *e)
{
    struct log_template v = view(e);
    struct err err = {0};
    struct buf one;
    int rc = 0;

    if (t->path == NULL) {
        return;
    }
    buf_init(&one, 8 + LOG_TEMPLATE_RECORD_MAX);
    log_template_encode(&v, &one);
    if (t->fd < 0 || t->file_bytes + one.n > 2 * t->live_bytes + REWRITE_SLACK) {
        rc = rewrite(t, &err); /* holds the entry already */
    } else {
        rc = buf_status(&one);
        rc = rc < 0 ? rc : vfs_write_all(t->vfs, t->fd, one.data, one.n, &err);
        t->file_bytes += one.n;
    }
    buf_done(&one);
    if (rc < 0) {
        static struct log_limit limit;
        int64_t more = 0;

        close_file(t); /* perhaps half a record is there: the next write makes the file anew */
        if (log_limit_pass(&limit, &more)) {
            log_error("templates", "log templates cannot be written, tried again with the next",
                      L_CSTR("path", t->path), L_CSTR("error", err.msg), L_INT("suppressed", more));
        }
    }
}

/* ---- reading it ---- */

/* @return records read; *ret_at is where reading ended, *ret_bad whether that is damage */
static size_t read_records(struct str bytes, void (*fn)(void *arg, const struct log_template *v),
                           void *arg, size_t *ret_at, bool *ret_bad)
{
    size_t at = LOG_TEMPLATES_HEAD;
    size_t n = 0;

    *ret_bad = false;
    while (at < bytes.n) {
        struct log_template v;
        int64_t size = log_template_decode(str_drop(bytes, at), &v);

        if (size <= 0) {
            *ret_bad = size < 0;
            break;
        }
        if (fn != NULL) {
            fn(arg, &v);
        }
        at += (size_t)size;
        n++;
    }
    *ret_at = at;
    return n;
}

struct loading {
    struct log_templates *t;
    bool no_memory;
};

static void load_one(void *arg, const struct log_template *v)
{
    struct loading *l = arg;

    l->no_memory = set(l->t, v) == NULL || l->no_memory;
}

static bool has_head(struct str bytes)
{
    return bytes.n >= LOG_TEMPLATES_HEAD &&
           memcmp(bytes.p, LOG_TEMPLATES_MAGIC, LOG_TEMPLATES_HEAD) == 0;
}

static int put_aside(struct log_templates *t, struct err *reterr)
{
    char to[4096];
    int rc;

    snprintf(to, sizeof(to), "%s.damaged", t->path);
    rc = t->vfs->rename(t->vfs->ctx, t->path, to);
    log_error("templates", "the file of log templates is damaged, going on with what could be read",
              L_CSTR("kept", to), L_INT("templates", t->entries.n));
    return rc < 0 ? err_set_errno(reterr, -rc, "renaming %s", t->path) : 0;
}

static int load(struct log_templates *t, struct err *reterr)
{
    struct loading l = {.t = t};
    char *p = NULL;
    size_t n = 0;
    size_t at = 0;
    bool bad = true;
    int rc = vfs_read_file(t->vfs, t->path, FILE_MAX, &p, &n, reterr);

    if (rc == -ERR_NOT_FOUND) {
        return 0;
    }
    if (rc < 0) {
        return rc;
    }
    if (n >= LOG_TEMPLATES_HEAD && memcmp(p, LOG_TEMPLATES_MAGIC, 4) == 0 &&
        !has_head(str_of(p, n))) {
        mem_free(p);
        return err_set(reterr, ERR_UNSUPPORTED, "%s was written by a newer version", t->path);
    }
    if (has_head(str_of(p, n))) {
        read_records(str_of(p, n), load_one, &l, &at, &bad);
    }
    mem_free(p);
    if (l.no_memory) {
        return err_set(reterr, ERR_NOMEM, "no memory for the log templates");
    }
    t->file_bytes = n;
    return bad && n != 0 ? put_aside(t, reterr) : 0;
}

int log_templates_open(const struct log_templates_opts *o, struct log_templates **ret,
                       struct err *reterr)
{
    struct log_templates *t = mem_xcalloc(1, sizeof(*t));
    int rc = 0;

    t->fd = -1;
    t->vfs = o->vfs != NULL ? o->vfs : vfs_real();
    t->max = o->max != 0 ? o->max : DEFAULT_MAX;
    t->path = o->path != NULL ? mem_xstrdup(o->path) : NULL;
    mutex_init(&t->lock, LOCK_RANK_META);
    if (t->path != NULL) {
        rc = load(t, reterr);
    }
    if (rc < 0) {
        mem_free(t->path);
        t->path = NULL; /* nothing to write */
        log_templates_close(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void log_templates_close(struct log_templates *t)
{
    struct str key;
    void *e;
    size_t pos = 0;

    if (t == NULL) {
        return;
    }
    if (t->path != NULL && t->entries.n != 0) {
        ignore_result(log_templates_sync(t, NULL), "logged when it was written");
    }
    close_file(t);
    while (map_next(&t->entries, &pos, &key, &e)) {
        drop(t, e);
    }
    map_done(&t->entries);
    mutex_done(&t->lock);
    mem_free(t->path);
    mem_free(t);
}

/* ---- changes ---- */

/* When there are too many, an eighth of them goes: those not followed for the longest. */
static void make_room(struct log_templates *t)
{
    struct entry **v;
    size_t n = t->entries.n;

    if (n < t->max) {
        return;
    }
    v = sorted(t);
    for (size_t i = 0; v != NULL && i < n / 8 + 1; i++) {
        drop(t, v[i]);
    }
    mem_free(v);
    log_info("templates", "the least used log templates were forgotten",
             L_INT("templates", n / 8 + 1));
}

void log_templates_put(struct log_templates *t, const struct log_template *v)
{
    struct log_template one = *v;
    const struct entry *e;

    mutex_lock(&t->lock);
    e = get(t, v->id);
    if (e != NULL) {
        one.first_ns = e->first_ns < v->first_ns ? e->first_ns : v->first_ns;
    } else {
        make_room(t);
    }
    e = set(t, &one);
    if (e != NULL) {
        append(t, e);
    }
    mutex_unlock(&t->lock);
}

void log_templates_touch(struct log_templates *t, uint64_t id, int64_t used_ns, int64_t time_ns)
{
    struct entry *e;

    mutex_lock(&t->lock);
    e = get(t, id);
    if (e != NULL) {
        e->used_ns = used_ns > e->used_ns ? used_ns : e->used_ns;
        e->first_ns = time_ns < e->first_ns ? time_ns : e->first_ns;
    }
    mutex_unlock(&t->lock);
}

void log_templates_alias(struct log_templates *t, uint64_t id, uint64_t of)
{
    struct entry *e;

    mutex_lock(&t->lock);
    e = get(t, id);
    if (e != NULL && id != of) {
        e->alias_of = of;
        append(t, e);
    }
    mutex_unlock(&t->lock);
}

/* ---- look-ups ---- */

static const struct entry *resolve(const struct log_templates *t, uint64_t id)
{
    const struct entry *e = get(t, id);

    for (int i = 0; e != NULL && e->alias_of != 0 && i < ALIAS_STEPS; i++) {
        const struct entry *next = get(t, e->alias_of);

        if (next == NULL) {
            break; /* forgotten: the text of its own is better than none */
        }
        e = next;
    }
    return e;
}

bool log_templates_find(struct log_templates *t, uint64_t id, char *text, size_t size,
                        struct log_template *ret)
{
    const struct entry *e;

    mutex_lock(&t->lock);
    e = resolve(t, id);
    if (e != NULL) {
        *ret = view(e);
        ret->text = str_take(ret->text, size);
        if (ret->text.n != 0) {
            memcpy(text, ret->text.p, ret->text.n);
        }
        ret->text.p = text;
        ret->service = STR("");
    }
    mutex_unlock(&t->lock);
    return e != NULL;
}

int log_templates_get(struct log_templates *t, uint64_t id, struct arena *a,
                      struct log_template *ret)
{
    const struct entry *e;
    int rc = -ERR_NOT_FOUND;

    mutex_lock(&t->lock);
    e = resolve(t, id);
    if (e != NULL) {
        struct log_template v = view(e);
        struct str service = arena_str_dup(a, v.service);
        struct str text = arena_str_dup(a, v.text);

        rc = (service.p == NULL && v.service.n != 0) || (text.p == NULL && v.text.n != 0)
                 ? -ERR_NOMEM
                 : 0;
        if (rc == 0) {
            *ret = v;
            ret->service = service;
            ret->text = text;
        }
    }
    mutex_unlock(&t->lock);
    return rc;
}

int log_templates_each(struct log_templates *t, int (*fn)(void *arg, const struct log_template *v),
                       void *arg)
{
    struct entry **v;
    int rc = 0;

    mutex_lock(&t->lock);
    v = sorted(t);
    for (size_t i = 0; v != NULL && i < t->entries.n && rc == 0; i++) {
        struct log_template one = view(v[i]);

        rc = fn(arg, &one);
    }
    mutex_unlock(&t->lock);
    mem_free(v);
    return v == NULL ? -ERR_NOMEM : rc;
}

size_t log_templates_count(struct log_templates *t)
{
    size_t n;

    mutex_lock(&t->lock);
    n = t->entries.n;
    mutex_unlock(&t->lock);
    return n;
}

int log_templates_sync(struct log_templates *t, struct err *reterr)
{
    int rc = 0;

    mutex_lock(&t->lock);
    if (t->path != NULL) {
        rc = rewrite(t, reterr);
    }
    mutex_unlock(&t->lock);
    return rc;
}

int log_templates_snapshot(struct log_templates *t, const char *path, struct err *reterr)
{
    int rc;

    mutex_lock(&t->lock);
    rc = write_anew(t, path, reterr);
    mutex_unlock(&t->lock);
    return rc;
}

int log_templates_check(const char *path, const struct check_report *report, struct err *reterr)
{
    char *p = NULL;
    size_t n = 0;
    size_t at = 0;
    size_t records = 0;
    bool bad = true;
    int rc = vfs_read_file(vfs_real(), path, FILE_MAX, &p, &n, reterr);

    if (rc == -ERR_NOT_FOUND) {
        return 0;
    }
    if (rc < 0) {
        return rc;
    }
    if (has_head(str_of(p, n))) {
        records = read_records(str_of(p, n), NULL, NULL, &at, &bad);
    }
    mem_free(p);
    check_say(report, bad ? CHECK_DAMAGED : CHECK_WHOLE, path,
              bad ? "a record is damaged: the templates behind it are lost" : "", n, records);
    return 0;
}
