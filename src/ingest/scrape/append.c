/* SPDX-License-Identifier: Apache-2.0
 *
 * On the hit path a sample costs a hash of its text, a look-up and an append; labels are parsed and
 * relabelled only for texts never seen. Invariant: an entry is SERIES_LIVE exactly when the last committed
 * scrape stored it, so vanished series are found by counting and only then by looking.
 */
#include "ingest/scrape/append.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "ingest/scrape/append_labels.h"
#include "ingest/scrape/native_limit.h"
#include "ingest/seen.h"
#include "ingest/starts.h"
#include "store/tsdb/exemplars.h"
#include "store/tsdb/native.h"

enum {
    PARSE_ARENA = 1 << 20,
    SERIES_ARENA = 16 << 20,
    NATIVE_KEY = 0x6e617469,          /* keeps door keys of histograms apart from others */
    CREATED_MAX_AGE_MS = 3600 * 1000, /* as upstream: what is older is not written into the past */
    TRIM_ROUNDS = 64,
    UNTIMED_MAX = 1 << 16, /* series of a target whose exemplars without a time are remembered */
};

struct appender {
    struct sink *sink;
    struct families *families;
    struct tsdb_batch *batch;
    struct arena parse;  /* the parser's */
    struct arena series; /* labels of one new series */
    struct exemplar_batch exemplars;
    VEC(uint64_t) fresh;             /* entries that become live with the commit */
    VEC(uint64_t) gone;              /* entries that cease to be live with it */
    struct native_histogram reduced; /* of native_limit() */
    bool with_created;
    struct seen_set created; /* starts a zero was written for */

    /* of the page being stored */
    struct target *t;
    const struct scraped *s;
    uint64_t samples, stored, added, seen_live, limited;
    int64_t newest_ms;
    uint64_t too_old, too_new;
    bool gone_again, buckets_over;
    size_t family_at;
};

struct appender *appender_new(struct sink *sink, struct families *families, bool with_created)
{
    struct appender *a = mem_xcalloc(1, sizeof(*a));

    a->sink = sink;
    a->families = families;
    a->with_created = with_created;
    a->batch = tsdb_batch_new(sink->metrics);
    arena_init(&a->parse, PARSE_ARENA);
    arena_init(&a->series, SERIES_ARENA);
    exemplar_batch_init(&a->exemplars);
    if (a->batch == NULL) {
        appender_free(a);
        return NULL;
    }
    return a;
}

void appender_free(struct appender *a)
{
    if (a != NULL) {
        tsdb_batch_free(a->batch);
        arena_done(&a->parse);
        arena_done(&a->series);
        exemplar_batch_done(&a->exemplars);
        vec_done(&a->fresh);
        vec_done(&a->gone);
        native_done(&a->reduced);
        mem_free(a);
    }
}

/* ---- samples ---- */

static int labels_of(struct appender *a, struct expo *p, struct labels *ret, struct err *reterr)
{
    return scraped_labels(&a->series, a->t, p, ret, reterr);
}

/* native_append() asks for labels when a component is new. */
struct native_ask {
    struct appender *a;
    struct expo *p;
};

static int native_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct native_ask *n = arg;
    int rc = n->p != NULL ? labels_of(n->a, n->p, ret, reterr)
                          : err_set(reterr, ERR_NOT_FOUND, "the series is not known any more");

    return rc > 0 ? err_set(reterr, ERR_INTERNAL, "a dropped series was asked for") : rc;
}

static int add_native(struct appender *a, struct expo *p, const struct series_entry *e,
                      int64_t t_ms, const struct native_histogram *h, struct err *reterr)
{
    const struct hash128 key = {e->hash, a->t->key ^ NATIVE_KEY};
    struct native_ask ask = {a, p};
    const struct native_series to = {.door_key = &key,
                                     .fresh = (e->flags & SERIES_LOST) != 0 && p != NULL,
                                     .labels = native_labels,
                                     .arg = &ask};

    return native_append(a->sink->metrics, a->batch, &to, t_ms, h, reterr);
}

static int stale_native(struct appender *a, const struct series_entry *e, int64_t t_ms)
{
    const struct native_histogram h = {.sum = sample_stale()};

    return add_native(a, NULL, e, t_ms, &h, NULL);
}

/* A text seen for the first time, or whose series the store forgot.
 * @return 0; -ERR_x ends the scrape */
static int learn(struct appender *a, struct expo *p, const struct expo_sample *s, uint64_t hash,
                 struct series_entry **ret, struct err *reterr)
{
    struct series_ref ref = {0};
    struct series_entry *e;
    struct labels ls = {NULL, 0};
    uint32_t flags = 0;
    int rc = labels_of(a, p, &ls, reterr);

    if (rc == 0 && s->histogram == NULL) {
        rc = tsdb_intern(a->sink->metrics, ls, NULL, &ref, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    flags |= rc == 1 ? SERIES_DROPPED : 0;
    flags |= s->histogram != NULL ? SERIES_NATIVE : 0;
    flags |= s->has_time && a->t->job->honor_timestamps && !a->t->job->track_timestamps_staleness
                 ? SERIES_UNTRACKED
                 : 0;
    e = series_cache_add(&a->t->cache, hash);
    if (e == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the series of a target");
    }
    e->flags = (e->flags & SERIES_LIVE) | flags;
    e->ref = ref;
    *ret = e;
    return 0;
}

/* Count an entry as seen; once a scrape. */
static int note_seen(struct appender *a, struct series_entry *e, struct err *reterr)
{
    if (e->round == a->t->cache.round) {
        return 0;
    }
    if ((e->flags & SERIES_LIVE) != 0) {
        a->seen_live++;
    } else {
        a->added += e->round == 0 || (e->flags & SERIES_UNTRACKED) == 0;
        if ((e->flags & SERIES_UNTRACKED) == 0 && !vec_push(&a->fresh, e->hash)) {
            return err_set(reterr, ERR_NOMEM, "no memory for the series of a target");
        }
    }
    e->round = a->t->cache.round;
    return 0;
}

static uint64_t series_hash(const struct appender *a, struct str series, bool native)
{
    uint64_t h = hash64_seed(series.p, series.n, a->t->key + (native ? 1 : 0));

    return h != 0 ? h : 1;
}

static uint64_t exemplar_hash(const struct exemplar *e)
{
    uint64_t h = hash64(&e->value, sizeof(e->value));

    for (size_t i = 0; i < e->labels.n; i++) {
        h = hash64_seed(e->labels.v[i].name.p, e->labels.v[i].name.n, h);
        h = hash64_seed(e->labels.v[i].value.p, e->labels.v[i].value.n, h);
    }
    return h;
}

/* One without a time of its own counts at the time of its sample, unless it is the one the scrape before saw. */
static bool is_repeated(struct appender *a, uint64_t series, const struct exemplar *e)
{
    struct series_cache *c = &a->t->untimed;
    struct series_entry *seen = series_cache_find(c, series);
    const uint64_t hash = exemplar_hash(e);

    if (seen == NULL && c->n < UNTIMED_MAX) {
        seen = series_cache_add(c, series);
    }
    if (seen == NULL) {
        return false; /* no memory: it may be stored more than once */
    }
    seen->round = c->round;
    if (seen->ref.v == hash) {
        return true;
    }
    seen->ref.v = hash;
    return false;
}

/* Exemplars are few, so their series' labels are made each time. Those of native histograms need a time. */
static int add_exemplars(struct appender *a, struct expo *p, const struct expo_sample *s,
                         const struct series_entry *entry, int64_t t_ms, struct err *reterr)
{
    const uint64_t series = entry->hash;
    struct labels ls = {NULL, 0};
    int rc = labels_of(a, p, &ls, reterr);

    for (size_t i = 0; rc == 0 && i < s->exemplars_n; i++) {
        struct exemplar e = s->exemplars[i];

        if (!e.has_time && (s->histogram != NULL || is_repeated(a, series, &e))) {
            continue;
        }
        e.t_ms = e.has_time ? e.t_ms : t_ms;
        e.has_time = true;
        ignore_result(exemplar_batch_add(&a->exemplars, ls, &e),
                      "one too long or too many: the sample counts");
    }
    return rc < 0 ? rc : 0;
}

/* A zero where a counter began, so that its first increase is one. */
static int add_created(struct appender *a, struct expo *p, const struct series_entry *e,
                       const struct expo_sample *s, int64_t t_ms, struct err *reterr)
{
    const uint64_t id[2] = {e->hash, (uint64_t)s->created_ms};
    const uint64_t hash = hash64(id, sizeof(id));
    struct native_histogram zero = {0};

    if (s->created_ms <= 0 || s->created_ms >= t_ms || t_ms - s->created_ms > CREATED_MAX_AGE_MS ||
        seen_has(&a->created, hash)) {
        return 0;
    }
    seen_put(&a->created, hash);
    if (s->histogram == NULL) {
        ignore_result(tsdb_batch_add(a->batch, e->ref, s->created_ms, 0),
                      "too many samples: the next one says so");
        return 0;
    }
    zero.schema = s->histogram->schema;
    zero.zero_threshold = s->histogram->zero_threshold;
    zero.bounds = s->histogram->bounds; /* borrowed */
    zero.bounds_n = s->histogram->bounds_n;
    return add_native(a, p, e, s->created_ms, &zero, reterr);
}

/* When the counter began, as a start timestamp of the series. */
static int add_start(struct appender *a, struct expo *p, const struct series_entry *e,
                     const struct expo_sample *s, int64_t t_ms, bool fresh, struct err *reterr)
{
    const struct hash128 key = {e->hash, a->t->key ^ NATIVE_KEY};
    struct native_ask ask = {a, p};
    const struct native_series to = {
        .door_key = &key, .fresh = fresh, .labels = native_labels, .arg = &ask};

    return starts_wants(a->sink->starts, key, s->created_ms, t_ms, fresh)
               ? native_append_start(a->sink->metrics, a->batch, &to, t_ms, s->created_ms, reterr)
               : 0;
}

/* @return 0; 1: over the limit, the scrape fails when the page is read */
static int store_native(struct appender *a, struct expo *p, const struct series_entry *e,
                        int64_t t_ms, const struct native_histogram *h, struct err *reterr)
{
    const struct job_conf *job = a->t->job;
    int rc = native_limit(&h, job->bucket_limit, job->schema_max, &a->reduced);

    if (rc == 1) {
        a->buckets_over = true;
        return 1;
    }
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "no memory for a histogram")
                  : add_native(a, p, e, t_ms, h, reterr);
}

static int on_sample(void *arg, struct expo *p, const struct expo_sample *s, struct err *reterr)
{
    struct appender *a = arg;
    uint64_t hash = series_hash(a, s->series, s->histogram != NULL);
    struct series_entry *e = series_cache_find(&a->t->cache, hash);
    int64_t t_ms = s->has_time && a->t->job->honor_timestamps ? s->t_ms : a->s->t_ms;
    bool fresh = e == NULL || (e->flags & SERIES_LOST) != 0;
    int rc = 0;

    a->samples++;
    if (fresh) {
        rc = learn(a, p, s, hash, &e, reterr);
    }
    if (rc < 0 || e == NULL) {
        return rc;
    }
    if ((e->flags & SERIES_DROPPED) != 0) {
        e->round = a->t->cache.round;
        return 0;
    }
    if (a->t->job->sample_limit != 0 && !sample_is_stale(s->value) &&
        ++a->limited > a->t->job->sample_limit) {
        return 0; /* go on, so that the number of samples is right */
    }
    rc = a->with_created && s->has_created ? add_created(a, p, e, s, t_ms, reterr) : 0;
    if (rc == 0 && s->has_created && a->sink->starts != NULL) {
        rc = add_start(a, p, e, s, t_ms, fresh, reterr);
    }
    if (rc == 0 && s->histogram != NULL) {
        rc = store_native(a, p, e, t_ms, s->histogram, reterr);
    } else if (rc == 0 && tsdb_batch_add(a->batch, e->ref, t_ms, s->value) < 0) {
        rc = err_set(reterr, ERR_LIMIT, "too many samples in one page");
    }
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    a->newest_ms = t_ms > a->newest_ms ? t_ms : a->newest_ms;
    a->stored++;
    rc = note_seen(a, e, reterr);
    return rc < 0 || s->exemplars_n == 0 ? rc : add_exemplars(a, p, s, e, t_ms, reterr);
}

/* ---- metadata ---- */

static int on_family(void *arg, const struct expo_family *f, struct err *reterr)
{
    struct appender *a = arg;
    struct target *t = a->t;
    uint64_t hash = family_hash(f);
    struct target_family found = {.hash = hash};
    bool is_new;

    (void)reterr;
    if (a->family_at < t->families.n && t->families.v[a->family_at].hash == hash) {
        a->family_at++;
        return 0;
    }
    found.id = families_intern(a->families, f, hash, &is_new);
    if (is_new) {
        ignore_result(tsdb_set_metadata(a->sink->metrics, f->name,
                                        str_cstr(expo_type_name(f->type)), f->unit, f->help, NULL),
                      "metadata is a courtesy; the samples count");
    }
    mutex_lock(&t->lock);
    if (a->family_at < t->families.n) {
        t->families.v[a->family_at] = found;
    } else if (!vec_push(&t->families, found)) {
        a->family_at--; /* not remembered */
    }
    mutex_unlock(&t->lock);
    a->family_at++;
    return 0;
}

/* ---- the series about the scrape ---- */

enum report {
    REPORT_UP,
    REPORT_DURATION,
    REPORT_SAMPLES,
    REPORT_POST,
    REPORT_ADDED,
    REPORT_TIMEOUT,
    REPORT_LIMIT,
    REPORT_BODY,
    REPORT_COUNT
};

static const char *const REPORT_NAMES[REPORT_COUNT] = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
};

static size_t report_count(const struct target *t)
{
    return t->job->extra_metrics ? REPORT_COUNT : REPORT_TIMEOUT;
}

static int report_ref(struct appender *a, size_t i, struct err *reterr)
{
    struct labelset set;

    if (a->t->reports[i].v != 0) {
        return 0;
    }
    arena_reset(&a->series);
    labelset_from(&set, &a->series, a->t->labels);
    labelset_set(&set, STR(LABEL_NAME), str_cstr(REPORT_NAMES[i]));
    return tsdb_intern(a->sink->metrics, labelset_sort(&set), NULL, &a->t->reports[i], reterr);
}

static int add_reports(struct appender *a, bool up, int64_t t_ms, bool stale, struct err *reterr)
{
    const double values[REPORT_COUNT] = {
        [REPORT_UP] = up ? 1 : 0,
        [REPORT_DURATION] = a->s != NULL ? (double)a->s->duration_ns / 1e9 : 0,
        [REPORT_SAMPLES] = (double)a->samples,
        [REPORT_POST] = (double)a->stored,
        [REPORT_ADDED] = (double)a->added,
        [REPORT_TIMEOUT] = (double)a->t->timeout_ms / 1e3,
        [REPORT_LIMIT] = (double)a->t->job->sample_limit,
        [REPORT_BODY] = a->s != NULL ? (double)a->s->body_bytes : 0,
    };

    for (size_t i = 0; i < report_count(a->t); i++) {
        int rc = report_ref(a, i, reterr);

        rc = rc < 0 ? rc
                    : tsdb_batch_add(a->batch, a->t->reports[i], t_ms,
                                     stale ? sample_stale() : values[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- markers ---- */

static void add_stale(struct appender *a, const struct series_entry *e, int64_t t_ms)
{
    int rc = 0;

    if ((e->flags & SERIES_NATIVE) != 0) {
        rc = stale_native(a, e, t_ms);
    } else if ((e->flags & SERIES_LOST) == 0) {
        rc = tsdb_batch_add(a->batch, e->ref, t_ms, sample_stale());
    }
    ignore_result(rc, "a marker that does not fit: the series ends by the lookback");
}

static int by_ref(const void *x, const void *y)
{
    const struct series_entry *a = x;
    const struct series_entry *b = y;

    return (a->ref.v > b->ref.v) - (a->ref.v < b->ref.v);
}

/* Series of the earlier configuration that this scrape has not stored under any text. */
static void mark_orphans(struct appender *a, int64_t t_ms)
{
    struct series_cache *c = &a->t->cache;

    if (c->orphans_n > 1) {
        qsort(c->orphans, c->orphans_n, sizeof(*c->orphans), by_ref);
    }
    for (size_t i = 0; i < c->cap; i++) {
        if (c->v[i].hash != 0 && c->v[i].round == c->round &&
            (c->v[i].flags & (SERIES_DROPPED | SERIES_NATIVE)) == 0) {
            const struct series_entry key = {.ref = c->v[i].ref};
            struct series_entry *o =
                bsearch(&key, c->orphans, c->orphans_n, sizeof(*c->orphans), by_ref);

            if (o != NULL) {
                o->round = UINT32_MAX; /* goes on */
            }
        }
    }
    for (size_t i = 0; i < c->orphans_n; i++) {
        const struct series_entry *same = (c->orphans[i].flags & SERIES_NATIVE) != 0
                                              ? series_cache_find(c, c->orphans[i].hash)
                                              : NULL;

        if (c->orphans[i].round != UINT32_MAX && (same == NULL || same->round != c->round)) {
            add_stale(a, &c->orphans[i], t_ms);
        }
    }
}

/* Markers for live series this round has not seen. */
static void mark_vanished(struct appender *a, int64_t t_ms)
{
    struct series_cache *c = &a->t->cache;

    vec_clear(&a->gone);
    if (a->seen_live != c->live) {
        for (size_t i = 0; i < c->cap; i++) {
            const struct series_entry *e = &c->v[i];

            if (e->hash != 0 && (e->flags & SERIES_LIVE) != 0 && e->round != c->round) {
                add_stale(a, e, t_ms);
                ignore_result(vec_push(&a->gone, e->hash), "it is marked once more next time");
            }
        }
    }
    if (c->orphans_n != 0) {
        mark_orphans(a, t_ms);
    }
}

/* ---- one page ---- */

static void begin(struct appender *a)
{
    tsdb_batch_clear(a->batch);
    exemplar_batch_clear(&a->exemplars);
    vec_clear(&a->fresh);
    vec_clear(&a->gone);
    a->samples = a->stored = a->added = a->seen_live = a->limited = 0;
    a->family_at = 0;
    a->buckets_over = false;
    a->newest_ms = INT64_MIN;
    a->t->cache.round++;
    a->t->untimed.round++;
}

static int parse(struct appender *a, struct err *reterr)
{
    const struct job_conf *job = a->t->job;
    const struct expo_opts o = {.format = a->s->format,
                                .created_as_samples = !a->with_created,
                                .want_created = a->with_created || a->sink->starts != NULL,
                                .ignore_native = !job->native_histograms,
                                .nhcb = job->convert_classic,
                                .always_classic = job->always_classic,
                                .arena = &a->parse};
    const struct expo_handler h = {a, on_family, on_sample};
    int rc = expo_parse(&o, &h, a->s->body, reterr);

    if (rc == 0 && job->sample_limit != 0 && a->limited > job->sample_limit) {
        return err_set(reterr, ERR_LIMIT, "sample limit exceeded");
    }
    if (rc == 0 && a->buckets_over) {
        return err_set(reterr, ERR_LIMIT, "histogram bucket limit exceeded");
    }
    return rc;
}

/* What the commit made true. */
static void settle(struct appender *a)
{
    struct series_cache *c = &a->t->cache;

    for (size_t i = 0; i < a->fresh.n; i++) {
        struct series_entry *e = series_cache_find(c, a->fresh.v[i]);

        if (e != NULL && (e->flags & SERIES_LIVE) == 0) {
            e->flags |= SERIES_LIVE;
            c->live++;
        }
    }
    for (size_t i = 0; i < a->gone.n; i++) {
        struct series_entry *e = series_cache_find(c, a->gone.v[i]);

        if (e != NULL && (e->flags & SERIES_LIVE) != 0) {
            e->flags &= ~(uint32_t)SERIES_LIVE;
            c->live--;
        }
    }
    if (c->orphans_n != 0) {
        mem_free(c->orphans);
        c->orphans = NULL;
        c->orphans_n = 0;
    }
    series_cache_trim(c);
    if (a->t->untimed.round % TRIM_ROUNDS == 0) {
        series_cache_trim(&a->t->untimed);
    }
}

/* The store dropped series this cache refers to: ask for all again. */
static void lose_refs(struct target *t)
{
    for (size_t i = 0; i < t->cache.cap; i++) {
        t->cache.v[i].flags |= t->cache.v[i].hash != 0 ? SERIES_LOST : 0;
    }
    memset(t->reports, 0, sizeof(t->reports));
}

/* Parse, add markers and reports, commit. @return true when it has to be done again */
static bool attempt(struct appender *a, struct append_result *ret)
{
    struct tsdb_commit done = {0};
    struct err e = {0};
    uint64_t samples;
    bool up = !a->s->failed;
    int rc;

    ret->err = a->s->err;
    begin(a);
    if (up && parse(a, &e) < 0) {
        ret->err = e;
        up = false;
        samples = a->samples;
        begin(a); /* nothing of it is stored; all that was live has vanished */
        a->samples = samples;
    }
    mark_vanished(a, a->s->t_ms);
    rc = add_reports(a, up, a->s->t_ms, false, &e);
    ret->samples = a->samples;
    ret->stored = a->stored;
    ret->up = up;
    rc = rc < 0 ? rc : tsdb_batch_commit(a->batch, &done, &e);
    if (rc < 0) {
        tsdb_batch_clear(a->batch);
        ret->up = false;
        ret->err = e;
        ingest_count_scrape(a->sink->stats, &(struct ingest_scrape_count){.lost = a->stored});
        return false;
    }
    settle(a);
    if (a->exemplars.n != 0) {
        struct exemplar_commit kept;

        ignore_result(tsdb_exemplars_commit(a->sink->metrics, &a->exemplars, &kept, NULL),
                      "the samples are stored; their exemplars come again");
    }
    a->too_old = done.rejected[TSDB_REJECT_TOO_OLD];
    a->too_new = done.rejected[TSDB_REJECT_TOO_NEW];
    return done.rejected[TSDB_REJECT_GONE] != 0;
}

void appender_store(struct appender *a, struct target *t, const struct scraped *s,
                    struct append_result *ret)
{
    *ret = (struct append_result){0};
    a->t = t;
    a->s = s;
    a->too_old = a->too_new = 0;
    a->gone_again = false;
    if (attempt(a, ret)) {
        lose_refs(t);
        a->gone_again = attempt(a, ret);
    }
    if (ret->up && a->family_at < t->families.n) {
        mutex_lock(&t->lock);
        t->families.n = a->family_at;
        mutex_unlock(&t->lock);
    }
    ingest_count_scrape(a->sink->stats, &(struct ingest_scrape_count){.stored = a->stored,
                                                                      .too_old = a->too_old,
                                                                      .too_new = a->too_new,
                                                                      .gone = a->gone_again ? 1 : 0,
                                                                      .newest_ms = a->newest_ms});
    a->t = NULL;
    a->s = NULL;
}

void appender_end(struct appender *a, struct target *t, int64_t t_ms)
{
    struct tsdb_commit done;
    int rc;

    a->t = t;
    a->s = NULL;
    begin(a);
    mark_vanished(a, t_ms);
    rc = add_reports(a, false, t_ms, true, NULL);
    rc = rc < 0 ? rc : tsdb_batch_commit(a->batch, &done, NULL);
    if (rc < 0) {
        tsdb_batch_clear(a->batch);
    }
    a->t = NULL;
}
