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
#include "model/histogram.h"
#include "store/tsdb/exemplars.h"
#include "store/tsdb/native.h"

enum {
    PARSE_ARENA = 1 << 20,
    SERIES_ARENA = 16 << 20,
    NATIVE_KEY = 0x6e617469, /* keeps door keys of histograms apart from others */
    CONFLICT_MAX = 64,
};

struct appender {
    struct sink *sink;
    struct families *families;
    struct tsdb_batch *batch;
    struct arena parse;  /* the parser's */
    struct arena series; /* labels of one new series */
    struct exemplar_batch exemplars;
    VEC(uint64_t) fresh; /* entries that become live with the commit */
    VEC(uint64_t) gone;  /* entries that cease to be live with it */

    /* of the page being stored */
    struct target *t;
    const struct scraped *s;
    uint64_t samples, stored, added, seen_live, limited;
    int64_t newest_ms;
    uint64_t too_old, too_new;
    bool gone_again;
    size_t family_at;
};

struct appender *appender_new(struct sink *sink, struct families *families)
{
    struct appender *a = mem_xcalloc(1, sizeof(*a));

    a->sink = sink;
    a->families = families;
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
        mem_free(a);
    }
}

/* ---- labels of a new series ---- */

/* An exposed label that bears a target's name goes on as exported_NAME. */
static void rename_conflict(struct appender *a, struct labelset *set, struct labels exposed,
                            struct label l)
{
    struct str name = l.name;

    do {
        name = arena_printf(&a->series, "exported_%.*s", STR_ARG(name));
        if (name.p == NULL) {
            set->failed = true;
            return;
        }
    } while (labels_get(a->t->labels, name).n != 0 || labels_get(exposed, name).n != 0 ||
             labelset_get(set, name).n != 0);
    labelset_set(set, name, l.value);
}

static int by_name_length(const void *x, const void *y)
{
    const struct label *a = x;
    const struct label *b = y;

    return (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

static void add_target_labels(struct appender *a, struct labelset *set, struct labels exposed)
{
    struct label conflicts[CONFLICT_MAX];
    size_t n = 0;

    for (size_t i = 0; i < a->t->labels.n; i++) {
        struct label l = a->t->labels.v[i];
        struct str have = labels_get(exposed, l.name);

        if (have.n == 0 || !a->t->job->honor_labels) {
            labelset_set(set, l.name, l.value);
        }
        if (have.n != 0 && !a->t->job->honor_labels && n < CONFLICT_MAX) {
            conflicts[n++] = (struct label){l.name, have};
        }
    }
    if (n != 0) {
        qsort(conflicts, n, sizeof(*conflicts), by_name_length);
    }
    for (size_t i = 0; i < n; i++) {
        rename_conflict(a, set, exposed, conflicts[i]);
    }
}

/* @return 0; 1 with the over-limit error set: the whole scrape fails, as upstream */
static int check_limits(const struct job_conf *job, struct labels ls, struct err *reterr)
{
    struct str metric = str_take(labels_get(ls, STR(LABEL_NAME)), 50);

    if (job->label_limit != 0 && ls.n > job->label_limit) {
        return err_set(reterr, ERR_LIMIT,
                       "label_limit exceeded (metric: %.*s, number of labels: %zu, limit: %llu)",
                       STR_ARG(metric), ls.n, (unsigned long long)job->label_limit);
    }
    for (size_t i = 0; i < ls.n; i++) {
        struct str name = ls.v[i].name;
        struct str value = ls.v[i].value;

        if (job->label_name_length_limit != 0 && name.n > job->label_name_length_limit) {
            return err_set(reterr, ERR_LIMIT,
                           "label_name_length_limit exceeded (metric: %.*s, label name: %.*s, "
                           "length: %zu, limit: %llu)",
                           STR_ARG(metric), STR_ARG(str_take(name, 50)), name.n,
                           (unsigned long long)job->label_name_length_limit);
        }
        if (job->label_value_length_limit != 0 && value.n > job->label_value_length_limit) {
            return err_set(reterr, ERR_LIMIT,
                           "label_value_length_limit exceeded (metric: %.*s, label name: %.*s, "
                           "value: \"%.*s\", length: %zu, limit: %llu)",
                           STR_ARG(metric), STR_ARG(str_take(name, 50)),
                           STR_ARG(str_take(value, 50)), value.n,
                           (unsigned long long)job->label_value_length_limit);
        }
    }
    return 0;
}

static int check_names(const struct job_conf *job, struct labels ls, struct err *reterr)
{
    struct str metric = labels_get(ls, STR(LABEL_NAME));

    if (metric.n == 0) {
        return err_set(reterr, ERR_INVALID, "missing metric name (__name__ label)");
    }
    if (!scheme_metric_ok(job->scheme_names, metric)) {
        return err_set(reterr, ERR_INVALID, "invalid metric name or label names: %.*s",
                       STR_ARG(str_take(metric, 100)));
    }
    for (size_t i = 0; i < ls.n; i++) {
        if (!scheme_label_ok(job->scheme_names, ls.v[i].name)) {
            return err_set(reterr, ERR_INVALID, "invalid metric name or label names: %.*s{%.*s}",
                           STR_ARG(str_take(metric, 100)), STR_ARG(str_take(ls.v[i].name, 50)));
        }
    }
    return 0;
}

/* Exposed labels to stored ones. @return 0 with *ret; 1 when relabelling drops the series; -ERR_x */
static int series_labels(struct appender *a, struct expo *p, struct labels *ret, struct err *reterr)
{
    struct labels exposed;
    struct labelset set;
    int rc = expo_labels(p, &exposed, reterr);

    if (rc < 0) {
        return rc;
    }
    arena_reset(&a->series);
    labelset_from(&set, &a->series, exposed);
    add_target_labels(a, &set, exposed);
    if (!set.failed && !relabel_apply(&a->t->job->metric_relabel, &set) && !set.failed) {
        return 1;
    }
    if (set.failed) {
        return err_set(reterr, ERR_LIMIT, "the labels of a series need too much memory");
    }
    *ret = labelset_sort(&set);
    if (ret->n == 0) {
        return 1;
    }
    rc = check_names(a->t->job, *ret, reterr);
    return rc < 0 ? rc : check_limits(a->t->job, *ret, reterr);
}

/* ---- samples ---- */

/* native_append() asks for labels when a component is new. */
struct native_ask {
    struct appender *a;
    struct expo *p;
};

static int native_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct native_ask *n = arg;
    int rc = n->p != NULL ? series_labels(n->a, n->p, ret, reterr)
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
    int rc = series_labels(a, p, &ls, reterr);

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

/* Exemplars are few, so their series' labels are made each time. One without a time cannot be told from the same one
 * seen by the scrape before, so it is left out. */
static int add_exemplars(struct appender *a, struct expo *p, const struct expo_sample *s,
                         struct err *reterr)
{
    struct labels ls = {NULL, 0};
    int rc = series_labels(a, p, &ls, reterr);

    for (size_t i = 0; rc == 0 && i < s->exemplars_n; i++) {
        if (s->exemplars[i].has_time) {
            ignore_result(exemplar_batch_add(&a->exemplars, ls, &s->exemplars[i]),
                          "one too long or too many: the sample counts");
        }
    }
    return rc < 0 ? rc : 0;
}

static int on_sample(void *arg, struct expo *p, const struct expo_sample *s, struct err *reterr)
{
    struct appender *a = arg;
    uint64_t hash = series_hash(a, s->series, s->histogram != NULL);
    struct series_entry *e = series_cache_find(&a->t->cache, hash);
    int64_t t_ms = s->has_time && a->t->job->honor_timestamps ? s->t_ms : a->s->t_ms;
    int rc = 0;

    a->samples++;
    if (e == NULL || (e->flags & SERIES_LOST) != 0) {
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
    rc = s->histogram != NULL ? add_native(a, p, e, t_ms, s->histogram, reterr)
                              : tsdb_batch_add(a->batch, e->ref, t_ms, s->value);
    if (rc < 0) {
        return s->histogram != NULL
                   ? rc
                   : err_set(reterr, (enum err_code)(-rc), "too many samples in one page");
    }
    a->newest_ms = t_ms > a->newest_ms ? t_ms : a->newest_ms;
    a->stored++;
    rc = note_seen(a, e, reterr);
    return rc < 0 || s->exemplars_n == 0 ? rc : add_exemplars(a, p, s, reterr);
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
    return t->conf->extra_metrics ? REPORT_COUNT : REPORT_TIMEOUT;
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
    a->newest_ms = INT64_MIN;
    a->t->cache.round++;
}

static int parse(struct appender *a, struct err *reterr)
{
    const struct job_conf *job = a->t->job;
    const struct expo_opts o = {.format = a->s->format,
                                .created_as_samples = true,
                                .always_classic = job->always_classic,
                                .arena = &a->parse};
    const struct expo_handler h = {a, on_family, on_sample};
    int rc = expo_parse(&o, &h, a->s->body, reterr);

    if (rc == 0 && job->sample_limit != 0 && a->limited > job->sample_limit) {
        return err_set(reterr, ERR_LIMIT, "sample limit exceeded");
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
