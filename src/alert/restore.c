/* SPDX-License-Identifier: Apache-2.0
 *
 * Since when alerts are pending, over a restart: read back from ALERTS_FOR_STATE after the second evaluation of a rule,
 * when its inputs have had time to come. Time the server was away does not count as pending. Source: Prometheus
 * documentation, storage.remote and rules flags rules.alert.for-outage-tolerance, rules.alert.for-grace-period.
 */
#include "alert/rules_internal.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "model/matcher.h"
#include "model/samples.h"

enum { LABELS_MAX = 512, SERIES_MAX = 1000000 };

/** What a series of ALERTS_FOR_STATE last said. */
struct told {
    struct hash128 id; /* of the alert's labels */
    int64_t down_ms;
    int64_t active_ms;
};

typedef VEC(struct told) told_list;

struct matchers {
    struct matcher *v[LABELS_MAX];
    size_t n;
};

static void matchers_done(struct matchers *m)
{
    for (size_t i = 0; i < m->n; i++) {
        matcher_free(m->v[i]);
    }
    m->n = 0;
}

static int add_equal(struct matchers *m, struct str name, struct str value, struct err *e)
{
    int rc = m->n < ARRAY_LEN(m->v) ? matcher_new(MATCH_EQ, name, value, &m->v[m->n], e) : 0;

    m->n += rc == 0 && m->n < ARRAY_LEN(m->v);
    return rc;
}

/** Labels without the metric's name. */
static int id_of(struct labels ls, struct hash128 *ret)
{
    struct label v[LABELS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < ls.n && n < ARRAY_LEN(v); i++) {
        if (!str_eq(ls.v[i].name, STR(LABEL_NAME))) {
            v[n++] = ls.v[i];
        }
    }
    return labels_id((struct labels){v, n}, ret);
}

static int read_told(const struct series_source *src, struct series_selection *sel, told_list *dst,
                     struct err *e)
{
    struct samples s CLEANUP(samples_done) = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < src->ops->count(sel); i++) {
        struct told t = {0};

        rc = src->ops->read(sel, i, &s, e);
        if (rc != 0 || s.n == 0 || sample_is_stale(s.v[s.n - 1]) || !isfinite(s.v[s.n - 1])) {
            continue;
        }
        t.down_ms = s.t_ms[s.n - 1];
        t.active_ms = (int64_t)s.v[s.n - 1] * 1000;
        rc = id_of(src->ops->labels(sel, i), &t.id);
        if (rc == 0 && !vec_push(dst, t)) {
            rc = -ERR_NOMEM;
        }
    }
    return rc;
}

static int look_up(struct rules *r, const struct rule *def, int64_t t_ms, told_list *dst,
                   struct err *e)
{
    const struct series_source src = tsdb_source(r->opts.db);
    struct matchers m CLEANUP(matchers_done) = {.n = 0};
    struct series_query q = {.min_ms = t_ms - r->opts.outage_tolerance_ms,
                             .max_ms = t_ms,
                             .max_series = SERIES_MAX,
                             .want = SERIES_ALL,
                             .cancel = &r->cancel};
    struct series_selection *sel = NULL;
    int rc = add_equal(&m, STR(LABEL_NAME), STR("ALERTS_FOR_STATE"), e);

    rc = rc != 0 ? rc : add_equal(&m, STR("alertname"), def->name, e);
    for (size_t i = 0; rc == 0 && i < def->labels.n; i++) {
        if (!str_eq(def->labels.v[i].name, STR("alertname"))) {
            rc = add_equal(&m, def->labels.v[i].name, def->labels.v[i].value, e);
        }
    }
    q.matchers = (const struct matcher *const *)m.v;
    q.matchers_n = m.n;
    rc = rc != 0 ? rc : src.ops->select(src.impl, &q, &sel, e);
    rc = rc != 0 ? rc : read_told(&src, sel, dst, e);
    src.ops->free(sel);
    return rc;
}

/** Since when an alert counts as pending now. */
static int64_t pending_since(const struct rules *r, const struct rule *def, const struct told *t,
                             int64_t t_ms)
{
    int64_t left = def->for_ms - (t->down_ms - t->active_ms);

    if (left <= 0) {
        return t->active_ms; /* it was firing */
    }
    if (left < r->opts.for_grace_ms) {
        return t_ms + r->opts.for_grace_ms - def->for_ms;
    }
    return t->active_ms + (t_ms - t->down_ms);
}

void rule_restore(struct rules *r, struct rule_run *run, int64_t t_ms)
{
    told_list told = {0};
    struct err e = {0};
    size_t n = 0;
    int rc = look_up(r, run->def, t_ms, &told, &e);

    if (rc != 0 && rc != -ERR_CANCELED) {
        log_warn("rules", "how long alerts were pending before the restart could not be read",
                 L_STR("rule", run->def->name), L_CSTR("error", e.msg));
    }
    mutex_lock(&r->lock);
    for (size_t i = 0; rc == 0 && i < run->alerts.n; i++) {
        struct alert *a = run->alerts.v[i];

        for (size_t k = 0; k < told.n && a->state != ALERT_INACTIVE; k++) {
            if (memcmp(&told.v[k].id, &a->id, sizeof(a->id)) == 0) {
                a->active_ms = pending_since(r, run->def, &told.v[k], t_ms);
                n++;
                break;
            }
        }
    }
    run->restored = true;
    mutex_unlock(&r->lock);
    vec_done(&told);
    if (n != 0) {
        log_info("rules", "alerts go on from before the restart", L_STR("rule", run->def->name),
                 L_INT("alerts", n));
    }
}
