/* SPDX-License-Identifier: Apache-2.0
 *
 * See push.h. The batch is committed every BATCH_SAMPLES; exemplars go with the last commit.
 */
#include "ingest/push.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "codec/utf8.h"
#include "ingest/ingest_internal.h"
#include "ingest/seen.h"
#include "ingest/starts.h"
#include "store/tsdb/exemplars.h"
#include "store/tsdb/native.h"

enum {
    BATCH_SAMPLES = 100000,
    CREATED_SLOTS = 1 << 20,
    CREATED_MAX_AGE_MS = 3600000,
    MESSAGE_TEXT_MAX = 1 << 16,
    MESSAGE_SERIES_MAX = 120, /* bytes of a series in an error message */
};

struct push_door {
    struct sink *sink;
    struct work_pool *works;
    struct seen_set *metadata_seen;
    _Atomic uint64_t
        *created_seen; /* CREATED_SLOTS hashes of series and beginning; NULL: not wanted */
};

struct push {
    struct push_door *d;
    const struct push_opts *o;
    struct work *w;
    struct hash128 seed; /* of what changes the meaning of an identity: extra and dropped labels */
    bool fresh;          /* second run: do not trust keys */
    bool gone;           /* the store forgot a series */
    size_t pending;      /* samples in the batch */
    size_t components;   /* of native histograms among them */
    int64_t newest_ms;
    struct exemplar_batch exemplars;
    struct push_result r;
    size_t rejected[REJECT_COUNT];
};

struct push_door *push_door_new(struct sink *sink)
{
    struct push_door *d = mem_xcalloc(1, sizeof(*d));

    d->sink = sink;
    d->works = work_pool_new(sink->metrics, sink->limits.max_decompressed_bytes);
    d->metadata_seen = mem_xcalloc(1, sizeof(*d->metadata_seen));
    if (sink->limits.created_zeros) {
        d->created_seen = mem_xcalloc(CREATED_SLOTS, sizeof(*d->created_seen));
    }
    return d;
}

void push_door_free(struct push_door *d)
{
    if (d != NULL) {
        work_pool_free(d->works);
        mem_free(d->metadata_seen);
        mem_free((void *)d->created_seen);
        mem_free(d);
    }
}

struct arena *push_arena(struct push *p)
{
    return &p->w->arena;
}

void push_reset(struct push *p)
{
    arena_reset(&p->w->arena);
}

struct buf *push_body(struct push *p)
{
    return &p->w->body;
}

struct buf *push_scratch(struct push *p)
{
    return &p->w->scratch;
}

int64_t push_now_ms(const struct push *p)
{
    return p->o->now_ms;
}

const struct push_opts *push_options(const struct push *p)
{
    return p->o;
}

/* ---- what is left out ---- */

static void remember(struct push *p, const struct err *why, struct labels series)
{
    struct buf text CLEANUP(buf_done) = {0};
    struct str clean;

    if (p->r.first != 0) {
        return;
    }
    p->r.first = why->code;
    buf_init(&text, MESSAGE_TEXT_MAX);
    labels_format(series, &text);
    if (series.n == 0 || utf8_clean(buf_str(&text), &p->w->arena, &clean, NULL) < 0) {
        snprintf(p->r.why, sizeof(p->r.why), "%s", why->msg);
        return;
    }
    struct err e = {0};

    err_set(&e, (enum err_code)why->code, "series %.*s: %s",
            STR_ARG(utf8_cut(clean, MESSAGE_SERIES_MAX)), why->msg);
    snprintf(p->r.why, sizeof(p->r.why), "%s", e.msg);
}

static void refuse(struct push *p, enum ingest_reject reason, size_t items, const struct err *why,
                   struct labels series)
{
    p->rejected[reason] += items;
    p->r.rejected += items;
    remember(p, why, series);
}

void push_refuse(struct push *p, size_t items, const struct err *why, struct labels series)
{
    refuse(p, why->code == ERR_LIMIT ? REJECT_SERIES_LIMIT : REJECT_LABELS, items, why, series);
}

void push_refuse_text(struct push *p, const struct err *why)
{
    refuse(p, REJECT_POINT, 1, why, (struct labels){NULL, 0});
}

void push_count_refused(struct push *p, size_t items)
{
    p->rejected[REJECT_LABELS] += items;
    p->r.rejected += items;
}

void push_skip(struct push *p, size_t values)
{
    p->rejected[REJECT_NOT_A_NUMBER] += values;
    p->r.skipped += values;
}

/* ---- series ---- */

void push_find_hash(struct push *p, uint64_t form, struct hash128 hash, struct push_series *ret)
{
    const uint64_t all[5] = {form, p->seed.lo, p->seed.hi, hash.lo, hash.hi};

    ret->key = hash128(all, sizeof(all));
    ret->known = !p->fresh && tsdb_lookup(p->d->sink->metrics, ret->key, &ret->ref);
}

void push_find(struct push *p, uint64_t form, const void *identity, size_t n,
               struct push_series *ret)
{
    push_find_hash(p, form, hash128(identity, n), ret);
}

static bool is_replaced(const struct push_opts *o, struct str name)
{
    if (o->drop.n != 0 && str_eq(name, o->drop)) {
        return true;
    }
    for (size_t i = 0; i < o->extra.n; i++) {
        if (str_eq(name, o->extra.v[i].name)) {
            return true;
        }
    }
    return false;
}

int push_labels(struct push *p, struct labels in, struct labels *ret, struct err *reterr)
{
    const struct push_opts *o = p->o;
    struct label *v = arena_array(&p->w->arena, struct label, in.n + o->extra.n + 1);
    struct err why = {0};
    size_t n = 0;

    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    for (size_t i = 0; i < in.n; i++) {
        if (!is_replaced(o, in.v[i].name)) {
            v[n++] = in.v[i];
        }
    }
    for (size_t i = 0; i < o->extra.n; i++) {
        v[n++] = o->extra.v[i];
    }
    size_t before = n;

    if (ingest_check_labels(&p->d->sink->limits, v, &n, &why) < 0) {
        refuse(p, REJECT_LABELS, 1, &why, (struct labels){v, before});
        return 1;
    }
    *ret = (struct labels){v, n};
    return 0;
}

int push_intern(struct push *p, struct labels labels, struct push_series *s, struct err *reterr)
{
    struct err why = {0};
    int rc = tsdb_intern(p->d->sink->metrics, labels, &s->key, &s->ref, &why);

    if (rc == -ERR_LIMIT) {
        refuse(p, REJECT_SERIES_LIMIT, 1, &why, labels);
        return 1;
    }
    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "%s", why.msg);
    }
    s->known = true;
    return 0;
}

/* ---- samples ---- */

static void note_commit(struct push *p, const struct tsdb_commit *c)
{
    static const enum ingest_reject REASONS[TSDB_REJECT_COUNT] = {REJECT_TOO_OLD, REJECT_TOO_NEW,
                                                                  REJECT_SERIES_GONE};

    static const char *const TEXTS[TSDB_REJECT_COUNT] = {
        "is older than the retention", "is too far in the future", "is of a series just removed"};
    struct labels ls = {NULL, 0};
    struct err why = {0};
    size_t total = 0;

    p->r.accepted += c->accepted > p->components ? c->accepted - p->components : 0;
    p->gone |= c->rejected[TSDB_REJECT_GONE] != 0;
    for (size_t i = 0; i < TSDB_REJECT_COUNT; i++) {
        p->rejected[REASONS[i]] += c->rejected[i];
        total += c->rejected[i];
    }
    p->r.rejected += total;
    if (total == 0 || p->r.first != 0) {
        return;
    }
    arena_reset(&p->w->arena);
    if (!tsdb_series_labels(p->d->sink->metrics, c->first_rejected, &p->w->arena, &ls)) {
        ls.n = 0;
    }
    err_set(&why, ERR_OUT_OF_RANGE, "a sample at %lld ms %s", (long long)c->first_rejected_t_ms,
            TEXTS[c->first_reason]);
    remember(p, &why, ls);
}

static int commit(struct push *p, struct err *reterr)
{
    struct tsdb_commit c = {0};
    int rc = p->pending == 0 ? 0 : tsdb_batch_commit(p->w->batch, &c, reterr);

    if (rc == 0) {
        note_commit(p, &c);
        p->pending = p->components = 0;
    }
    return rc;
}

int push_sample(struct push *p, const struct push_series *s, int64_t t_ms, double v,
                struct err *reterr)
{
    int rc = tsdb_batch_add(p->w->batch, s->ref, t_ms, v);

    if (rc < 0) {
        return err_set(reterr, (enum err_code) - rc, "no memory for samples");
    }
    p->newest_ms = t_ms > p->newest_ms ? t_ms : p->newest_ms;
    return ++p->pending < BATCH_SAMPLES ? 0 : commit(p, reterr);
}

int push_created(struct push *p, const struct push_series *s, int64_t created_ms, int64_t t_ms,
                 struct err *reterr)
{
    const uint64_t id[3] = {s->key.lo, s->key.hi, (uint64_t)created_ms};
    _Atomic uint64_t *slot;
    uint64_t hash;

    if (p->d->created_seen == NULL || created_ms <= 0 || created_ms >= t_ms ||
        t_ms - created_ms > CREATED_MAX_AGE_MS) {
        return 0;
    }
    hash = hash64(id, sizeof(id));
    slot = &p->d->created_seen[hash % CREATED_SLOTS];
    if (atomic_load_explicit(slot, memory_order_relaxed) == hash && !p->fresh) {
        return 0;
    }
    atomic_store_explicit(slot, hash, memory_order_relaxed);
    return push_sample(p, s, created_ms, 0, reterr);
}

bool push_wants_starts(const struct push *p)
{
    return p->d->sink->starts != NULL;
}

int push_start(struct push *p, const struct push_series *s, int64_t start_ms, int64_t t_ms,
               int (*labels)(void *arg, struct labels *ret, struct err *reterr), void *arg,
               struct err *reterr)
{
    const struct native_series to = {
        .door_key = &s->key, .fresh = p->fresh, .labels = labels, .arg = arg};
    struct sink *sink = p->d->sink;
    struct err why = {0};
    int rc;

    if (sink->starts == NULL || !starts_wants(sink->starts, s->key, start_ms, t_ms, p->fresh)) {
        return 0;
    }
    rc = native_append_start(sink->metrics, p->w->batch, &to, t_ms, start_ms, &why);
    if (rc == -ERR_LIMIT) {
        return 0; /* a courtesy: the sample itself says so when it is too much */
    }
    if (rc != 0) {
        return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", why.msg) : rc;
    }
    p->pending++;
    p->components++;
    return 0;
}

int push_histogram(struct push *p, const struct push_series *s, int64_t t_ms,
                   const struct native_histogram *h,
                   int (*labels)(void *arg, struct labels *ret, struct err *reterr), void *arg,
                   struct err *reterr)
{
    const struct native_series to = {
        .door_key = &s->key, .fresh = p->fresh, .labels = labels, .arg = arg};
    size_t parts = h->positive.n + h->negative.n + h->bounds_n + 5;
    struct err why = {0};
    int rc;

    if (p->pending + parts > BATCH_SAMPLES) {
        rc = commit(p, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    rc = native_append(p->d->sink->metrics, p->w->batch, &to, t_ms, h, &why);
    if (rc == -ERR_LIMIT) {
        refuse(p, REJECT_SERIES_LIMIT, 1, &why, (struct labels){NULL, 0});
        return 1;
    }
    if (rc != 0) {
        return rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", why.msg) : rc;
    }
    p->newest_ms = t_ms > p->newest_ms ? t_ms : p->newest_ms;
    p->pending += parts;
    p->components += parts;
    p->r.histograms++;
    return 0;
}

static int commit_exemplars(struct push *p, struct err *reterr)
{
    struct exemplar_commit c = {0, 0, 0};
    int rc = p->exemplars.n == 0
                 ? 0
                 : tsdb_exemplars_commit(p->d->sink->metrics, &p->exemplars, &c, reterr);

    p->r.exemplars += c.stored;
    p->rejected[REJECT_EXEMPLAR_ORDER] += c.out_of_order;
    return rc;
}

int push_exemplar(struct push *p, struct labels labels, const struct exemplar *e,
                  struct err *reterr)
{
    enum exemplar_reject why = exemplar_batch_add(&p->exemplars, labels, e);

    if (why == EXEMPLAR_LIMIT && p->exemplars.n != 0) {
        int rc = commit_exemplars(p, reterr);

        if (rc < 0) {
            return rc;
        }
        why = exemplar_batch_add(&p->exemplars, labels, e);
    }
    if (why != EXEMPLAR_OK) {
        p->rejected[REJECT_EXEMPLAR]++;
    }
    return 0;
}

void push_metadata(struct push *p, struct str metric, struct str type, struct str unit,
                   struct str help)
{
    const uint64_t parts[4] = {hash64(metric.p, metric.n), hash64(type.p, type.n),
                               hash64(unit.p, unit.n), hash64(help.p, help.n)};
    uint64_t hash = hash64(parts, sizeof(parts));
    int rc;

    if (seen_has(p->d->metadata_seen, hash)) {
        return;
    }
    rc = tsdb_set_metadata(p->d->sink->metrics, metric, type, unit, help, NULL);
    if (rc < 0) {
        p->rejected[REJECT_METADATA]++;
    }
    if (rc == 0 || rc == -ERR_LIMIT || rc == -ERR_INVALID) {
        seen_put(p->d->metadata_seen, hash);
    }
}

/* ---- the request ---- */

static struct hash128 seed_of(const struct push_opts *o)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (o->extra.n == 0 && o->drop.n == 0) {
        return (struct hash128){0, 0};
    }
    buf_init(&b, MESSAGE_TEXT_MAX);
    labels_encode(o->extra, &b);
    buf_add_byte(&b, '\xff');
    buf_add_str(&b, o->drop);
    return hash128(b.data, b.n);
}

static void count(const struct push *p, int rc)
{
    struct ingest_stats *s = p->d->sink->stats;
    bool malformed = rc == -ERR_INVALID || rc == -ERR_TRUNCATED || rc == -ERR_TOO_LARGE;

    if (rc < 0) {
        ingest_count_rejected(s, INGEST_METRICS, malformed ? REJECT_MALFORMED : REJECT_STORE, 1);
    }
    ingest_count_accepted(s, INGEST_METRICS, p->o->door, p->r.accepted + p->r.histograms);
    for (size_t i = 0; i < REJECT_COUNT; i++) {
        ingest_count_rejected(s, INGEST_METRICS, (enum ingest_reject)i, p->rejected[i]);
    }
    if (p->r.accepted != 0 && p->newest_ms > INT64_MIN / 1000000 &&
        p->newest_ms < INT64_MAX / 1000000) {
        ingest_note_newest(s, INGEST_METRICS, p->newest_ms * 1000000, clock_wall_ns());
    }
}

static int once(struct push *p, int (*decode)(void *arg, struct push *p, struct err *reterr),
                void *arg, struct err *reterr)
{
    int rc = decode(arg, p, reterr);

    if (rc == -ERR_INVALID || rc == -ERR_TRUNCATED) {
        int stored = commit(p, NULL); /* what came before the broken place is good */

        rc = stored < 0 ? err_set(reterr, (enum err_code) - stored, "%s", err_text(stored)) : rc;
    } else {
        rc = rc < 0 ? rc : commit(p, reterr);
    }
    return rc < 0 ? rc : commit_exemplars(p, reterr);
}

static int run(struct push *p, int (*decode)(void *arg, struct push *p, struct err *reterr),
               void *arg, struct err *reterr)
{
    int rc = once(p, decode, arg, reterr);

    if (rc == 0 && p->gone) {
        tsdb_batch_clear(p->w->batch);
        exemplar_batch_clear(&p->exemplars);
        p->fresh = true;
        p->gone = false;
        p->pending = p->components = 0;
        p->r = (struct push_result){.accepted = 0};
        memset(p->rejected, 0, sizeof(p->rejected));
        rc = once(p, decode, arg, reterr);
    }
    return rc;
}

int push_run(struct push_door *d, const struct push_opts *o,
             int (*decode)(void *arg, struct push *p, struct err *reterr), void *arg,
             struct push_result *ret, struct err *reterr)
{
    struct push p = {.d = d, .o = o, .seed = seed_of(o), .newest_ms = INT64_MIN};
    int rc;

    if (!budget_take(d->sink->budget, o->reserve)) {
        rc = err_set(reterr, ERR_OVERLOAD, "too much data is being decoded, try again");
        count(&p, rc);
        *ret = p.r;
        return rc;
    }
    exemplar_batch_init(&p.exemplars);
    p.w = work_acquire(d->works);
    rc = p.w == NULL ? err_set(reterr, ERR_NOMEM, "no memory for the request")
                     : run(&p, decode, arg, reterr);
    count(&p, rc);
    work_release(d->works, p.w);
    exemplar_batch_done(&p.exemplars);
    budget_give(d->sink->budget, o->reserve);
    *ret = p.r;
    return rc;
}
