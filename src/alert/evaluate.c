/* SPDX-License-Identifier: Apache-2.0
 *
 * One round of a group. Each rule's samples are committed before the next rule looks, so that rules build on
 * each other; a series that came last time and not now gets a stale marker.
 */
#include <stdio.h>
#include <stdlib.h>

#include "alert/rules_internal.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "model/samples.h"
#include "store/tsdb/native.h"

enum { ARENA_MAX_BYTES = 256 << 20, LABELS_MAX = 512 };

/** Samples of one rule at one time on their way to the store. */
struct output {
    struct rules *r;
    const struct rule *def;
    struct tsdb_batch *batch;
    int64_t t_ms;
    written_list now;
};

static int write_series(void *arg, struct labels ls, double v, struct err *reterr)
{
    struct output *o = arg;
    struct written w = {.native = false};
    int rc = labels_id(ls, &w.id);

    if (rc == 0 && !tsdb_lookup(o->r->opts.db, w.id, &w.ref)) {
        rc = tsdb_intern(o->r->opts.db, ls, &w.id, &w.ref, reterr);
    }
    rc = rc != 0 ? rc : tsdb_batch_add(o->batch, w.ref, o->t_ms, v);
    if (rc == 0 && !vec_push(&o->now, w)) {
        rc = -ERR_NOMEM;
    }
    return rc;
}

static int native_labels(void *arg, struct labels *ret, struct err *reterr)
{
    (void)reterr;
    *ret = *(const struct labels *)arg;
    return 0;
}

static int write_native(struct output *o, struct labels ls, const struct native_histogram *h,
                        struct err *reterr)
{
    struct written w = {.native = true};
    const struct native_series to = {.door_key = &w.id, .labels = native_labels, .arg = &ls};
    int rc = labels_id(ls, &w.id);

    rc = rc != 0 ? rc : native_validate(h, false, reterr); /* arithmetic may have broken it */
    rc = rc != 0 ? rc : native_append(o->r->opts.db, o->batch, &to, o->t_ms, h, reterr);
    if (rc == 0 && !vec_push(&o->now, w)) {
        rc = -ERR_NOMEM;
    }
    return rc;
}

static int no_labels(void *arg, struct labels *ret, struct err *reterr)
{
    (void)arg;
    (void)ret;
    (void)reterr;
    return 1;
}

/** A series the store has forgotten needs no marker. */
static int write_stale(struct output *o, const struct written *w)
{
    const struct native_histogram marker = {.sum = sample_stale()};
    const struct native_series to = {.door_key = &w->id, .labels = no_labels};
    int rc;

    if (!w->native) {
        return tsdb_batch_add(o->batch, w->ref, o->t_ms, sample_stale());
    }
    rc = native_append(o->r->opts.db, o->batch, &to, o->t_ms, &marker, NULL);
    return rc < 0 ? rc : 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct written *)a)->id, &((const struct written *)b)->id,
                  sizeof(struct hash128));
}

static int add_stale(struct output *o, const written_list *before)
{
    int rc = 0;

    if (o->now.n > 1) {
        qsort(o->now.v, o->now.n, sizeof(*o->now.v), by_id);
    }
    for (size_t i = 0; rc == 0 && i < before->n; i++) {
        if (o->now.n == 0 ||
            bsearch(&before->v[i], o->now.v, o->now.n, sizeof(*o->now.v), by_id) == NULL) {
            rc = write_stale(o, &before->v[i]);
        }
    }
    return rc;
}

void rule_mark_stale(struct rules *r, struct rule_run *run, int64_t t_ms)
{
    struct output o = {.r = r, .batch = tsdb_batch_new(r->opts.db), .t_ms = t_ms};
    struct tsdb_commit done;
    struct err e = {0};

    if (add_stale(&o, &run->before) != 0 || tsdb_batch_commit(o.batch, &done, &e) != 0) {
        log_warn("rules", "series of a rule that is gone could not be marked stale",
                 L_STR("rule", run->def->name), L_CSTR("error", e.msg));
    }
    tsdb_batch_free(o.batch);
    vec_clear(&run->before);
}

/** Labels of a recorded series: the rule's name and labels over those found. */
static int recorded_labels(const struct rule *def, struct labels found, struct arena *a,
                           struct labels *ret)
{
    struct label *v = arena_array(a, struct label, found.n + def->labels.n + 1);
    size_t n = 0;

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    v[n++] = (struct label){STR(LABEL_NAME), def->name};
    for (size_t i = 0; i < def->labels.n; i++) {
        v[n++] = def->labels.v[i];
    }
    for (size_t i = 0; i < found.n; i++) {
        bool given = str_eq(found.v[i].name, STR(LABEL_NAME));

        for (size_t k = 0; !given && k < def->labels.n; k++) {
            given = str_eq(found.v[i].name, def->labels.v[k].name);
        }
        if (!given) {
            v[n++] = found.v[i];
        }
    }
    if (!labels_normalize(v, &n)) {
        return -ERR_INVALID;
    }
    *ret = (struct labels){v, n};
    return 0;
}

static int check_unique(const struct output *o, struct err *reterr)
{
    for (size_t i = 1; i < o->now.n; i++) {
        if (by_id(&o->now.v[i - 1], &o->now.v[i]) == 0) {
            return err_set(
                reterr, ERR_EXEC,
                "vector contains metrics with the same labelset after applying %s labels",
                o->def->alerting ? "alert" : "rule");
        }
    }
    return 0;
}

static int record(const struct rule_group *g, const struct promql_result *found, struct output *o,
                  struct arena *a, struct err *reterr)
{
    if (g->limit > 0 && found->series_n > (size_t)g->limit) {
        return err_set(reterr, ERR_LIMIT, "exceeded limit of %lld with %zu series",
                       (long long)g->limit, found->series_n);
    }
    for (size_t i = 0; i < found->series_n; i++) {
        const struct promql_series *s = &found->series[i];
        struct labels ls;
        int rc = 0;

        if (s->n == 0 || s->v == NULL) {
            continue;
        }
        rc = recorded_labels(o->def, s->labels, a, &ls);
        if (rc == 0) {
            rc = s->h != NULL && s->h[0] != NULL ? write_native(o, ls, s->h[0], reterr)
                                                 : write_series(o, ls, s->v[0], reterr);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/** Query, then write what it found. */
static int evaluate(struct rules *r, const struct rule_group *g, struct rule_run *run, int64_t t_ms,
                    struct output *o, struct err *reterr)
{
    struct promql_result *found = NULL;
    struct tsdb_commit done = {0};
    struct arena a CLEANUP(arena_done);
    const struct series_out out = {write_series, o, &a};
    struct cancel cancel;
    int rc;

    arena_init(&a, ARENA_MAX_BYTES);
    cancel_init(&cancel, r->opts.timeout_ms);
    rc = cancel_check(&r->cancel);
    rc = rc != 0 ? rc
                 : promql_instant(r->opts.promql, tsdb_source(r->opts.db), run->def->expr, t_ms,
                                  &cancel, &found, reterr);
    if (rc == 0 && found->type != PROMQL_VECTOR && found->type != PROMQL_SCALAR) {
        rc = err_set(reterr, ERR_EXEC, "rule result is not a vector or scalar");
    }
    if (rc == 0) {
        rc = run->def->alerting ? alerts_update(r, g, run, found, t_ms + g->offset_ms, &out, reterr)
                                : record(g, found, o, &a, reterr);
    }
    rc = rc != 0 ? rc : add_stale(o, &run->before);
    rc = rc != 0 ? rc : check_unique(o, reterr);
    rc = rc != 0 ? rc : tsdb_batch_commit(o->batch, &done, reterr);
    promql_result_free(found);
    counter_add(r->samples, done.accepted);
    return rc;
}

static void rule_evaluate(struct rules *r, const struct rule_group *g, struct rule_run *run,
                          int64_t t_ms)
{
    struct mono start = clock_mono();
    int64_t wall = clock_wall_ms();
    struct output o = {
        .r = r, .def = run->def, .batch = tsdb_batch_new(r->opts.db), .t_ms = t_ms - g->offset_ms};
    struct err e = {0};
    int rc = evaluate(r, g, run, o.t_ms, &o, &e);
    const char *text;
    bool news;

    tsdb_batch_free(o.batch);
    if (rc == 0) {
        written_list old = run->before;

        run->before = o.now;
        o.now = old;
    }
    vec_done(&o.now);
    counter_add(r->evaluations, 1);
    counter_add(r->failures, rc != 0);
    timing_observe_ns(r->seconds, mono_since_ns(start));
    text = rc == 0 ? "" : e.msg[0] != '\0' ? e.msg : err_text(rc);
    mutex_lock(&r->lock);
    news = strcmp(run->error, text) != 0;
    run->last_ms = wall;
    run->took_ns = mono_since_ns(start);
    run->health = rc == 0 ? HEALTH_OK : HEALTH_BAD;
    snprintf(run->error, sizeof(run->error), "%s", text);
    mutex_unlock(&r->lock);
    if (rc != 0 && rc != -ERR_CANCELED && news) { /* not again every round */
        log_warn("rules", "a rule could not be evaluated", L_STR("group", g->name),
                 L_STR("rule", run->def->name), L_CSTR("error", run->error));
    }
}

size_t group_evaluate(struct rules *r, struct group_run *g, int64_t t_ms)
{
    struct mono start = clock_mono();
    int64_t wall = clock_wall_ms();
    size_t failed = 0;

    for (size_t i = 0; i < g->def->n && cancel_check(&r->cancel) == 0; i++) {
        rule_evaluate(r, g->def, &g->rules[i], t_ms);
        failed += g->rules[i].health == HEALTH_BAD;
        if (!g->rules[i].restored && ++g->rules[i].rounds == 2) {
            rule_restore(r, &g->rules[i], t_ms);
        }
    }
    mutex_lock(&r->lock);
    g->last_ms = wall;
    g->took_ns = mono_since_ns(start);
    mutex_unlock(&r->lock);
    return failed;
}
