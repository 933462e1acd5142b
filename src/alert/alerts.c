/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of alerts: pending while `for` runs, then firing, held by keep_firing_for, and after that inactive
 * and remembered for a quarter of an hour. Templates are not expanded.
 */
#include <math.h>

#include "alert/rules_internal.h"
#include "base/alloc.h"
#include "base/err.h"

enum { RESOLVED_KEPT_MS = 15 * 60 * 1000, ALERT_MAX_BYTES = 1 << 20 };

void alert_free(struct alert *a)
{
    if (a != NULL) {
        arena_done(&a->arena);
        mem_free(a);
    }
}

/** The series' labels without its name, those of the rule, and alertname. */
static int alert_labels(const struct rule *def, struct labels found, struct arena *a,
                        struct labels *ret)
{
    struct label *v = arena_array(a, struct label, found.n + def->labels.n + 1);
    const struct str name = STR("alertname");
    size_t n = 0;

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    v[n++] = (struct label){name, def->name};
    for (size_t i = 0; i < def->labels.n; i++) {
        if (!str_eq(def->labels.v[i].name, name)) {
            v[n++] = def->labels.v[i];
        }
    }
    for (size_t i = 0; i < found.n; i++) {
        bool given = str_eq(found.v[i].name, STR(LABEL_NAME)) || str_eq(found.v[i].name, name);

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

static struct alert *find(const struct rule_run *run, struct hash128 id)
{
    for (size_t i = 0; i < run->alerts.n; i++) {
        if (memcmp(&run->alerts.v[i]->id, &id, sizeof(id)) == 0) {
            return run->alerts.v[i];
        }
    }
    return NULL;
}

static struct alert *alert_new(struct labels ls, struct hash128 id)
{
    struct alert *a = mem_try_calloc(1, sizeof(*a));

    if (a != NULL) {
        arena_init(&a->arena, ALERT_MAX_BYTES);
        a->id = id;
        if (labels_dup(ls, &a->arena, &a->labels) != 0) {
            alert_free(a);
            a = NULL;
        }
    }
    return a;
}

/** One series found: its alert begins, or goes on. */
static int note_found(struct rule_run *run, struct labels ls, double v, int64_t t_ms,
                      struct err *reterr)
{
    struct hash128 id;
    struct alert *a;
    int rc = labels_id(ls, &id);

    if (rc != 0) {
        return rc;
    }
    a = find(run, id);
    if (a != NULL && a->seen) {
        return err_set(
            reterr, ERR_EXEC,
            "vector contains metrics with the same labelset after applying alert labels");
    }
    if (a == NULL) {
        a = alert_new(ls, id);
        if (a == NULL || !vec_push(&run->alerts, a)) {
            alert_free(a);
            return err_set(reterr, ERR_NOMEM, "out of memory");
        }
    }
    if (a->state == ALERT_INACTIVE) {
        a->state = ALERT_PENDING;
        a->active_ms = t_ms;
        a->resolved_ms = 0;
    }
    a->seen = true;
    a->value = v;
    return 0;
}

/** Not found this time. @return true when the alert is to be forgotten */
static bool note_missing(const struct rule *def, struct alert *a, int64_t t_ms)
{
    if (a->state == ALERT_FIRING && def->keep_firing_for_ms > 0) {
        a->keep_firing_ms = a->keep_firing_ms == 0 ? t_ms : a->keep_firing_ms;
        if (t_ms - a->keep_firing_ms < def->keep_firing_for_ms) {
            return false;
        }
    }
    if (a->state == ALERT_PENDING ||
        (a->state == ALERT_INACTIVE && t_ms - a->resolved_ms > RESOLVED_KEPT_MS)) {
        return true;
    }
    if (a->state == ALERT_FIRING) {
        a->state = ALERT_INACTIVE;
        a->resolved_ms = t_ms;
        a->keep_firing_ms = 0;
    }
    return false;
}

static size_t advance(struct rule_run *run, int64_t t_ms)
{
    size_t kept = 0;
    size_t active = 0;

    for (size_t i = 0; i < run->alerts.n; i++) {
        struct alert *a = run->alerts.v[i];

        if (!a->seen && note_missing(run->def, a, t_ms)) {
            alert_free(a);
            continue;
        }
        if (a->seen) {
            a->keep_firing_ms = 0;
        }
        if (a->state == ALERT_PENDING && t_ms - a->active_ms >= run->def->for_ms) {
            a->state = ALERT_FIRING;
        }
        active += a->state != ALERT_INACTIVE;
        run->alerts.v[kept++] = a;
    }
    run->alerts.n = kept;
    return active;
}

static void forget_all(struct rule_run *run)
{
    for (size_t i = 0; i < run->alerts.n; i++) {
        alert_free(run->alerts.v[i]);
    }
    vec_clear(&run->alerts);
}

static int update(struct rule_run *run, const struct rule_group *g,
                  const struct promql_result *found, int64_t t_ms, struct arena *a,
                  struct err *reterr)
{
    size_t active;

    for (size_t i = 0; i < run->alerts.n; i++) {
        run->alerts.v[i]->seen = false;
    }
    for (size_t i = 0; i < found->series_n; i++) {
        const struct promql_series *s = &found->series[i];
        struct labels ls;
        bool native = s->h != NULL && s->n != 0 && s->h[0] != NULL;
        int rc = 0;

        if (s->n == 0 || s->v == NULL) {
            continue;
        }
        rc = alert_labels(run->def, s->labels, a, &ls);
        /* Upstream's alerts about histograms have the value 0. */
        rc = rc != 0 ? rc : note_found(run, ls, native ? 0 : s->v[0], t_ms, reterr);
        if (rc != 0) {
            return rc;
        }
    }
    active = advance(run, t_ms);
    if (g->limit > 0 && active > (size_t)g->limit) {
        forget_all(run);
        return err_set(reterr, ERR_LIMIT, "exceeded limit of %lld with %zu alerts",
                       (long long)g->limit, active);
    }
    return 0;
}

/** Labels of ALERTS (with the state) or ALERTS_FOR_STATE. */
static int state_labels(const struct alert *al, bool with_state, struct arena *a,
                        struct labels *ret)
{
    struct label *v = arena_array(a, struct label, al->labels.n + 2);
    size_t n = 0;

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    v[n++] = (struct label){STR(LABEL_NAME), with_state ? STR("ALERTS") : STR("ALERTS_FOR_STATE")};
    if (with_state) {
        v[n++] = (struct label){STR("alertstate"),
                                al->state == ALERT_FIRING ? STR("firing") : STR("pending")};
    }
    for (size_t i = 0; i < al->labels.n; i++) {
        if (!with_state || !str_eq(al->labels.v[i].name, STR("alertstate"))) {
            v[n++] = al->labels.v[i];
        }
    }
    if (!labels_normalize(v, &n)) {
        return -ERR_INVALID;
    }
    return labels_dup((struct labels){v, n}, a, ret);
}

/** A series to write, gathered under the lock. */
struct state_series {
    struct labels labels;
    double v;
};

typedef VEC(struct state_series) state_list;

static int gather(const struct rule_run *run, struct arena *a, state_list *dst)
{
    for (size_t i = 0; i < run->alerts.n; i++) {
        const struct alert *al = run->alerts.v[i];
        struct state_series s[2] = {{.v = 1}, {.v = floor((double)al->active_ms / 1000)}};
        int rc;

        if (al->state == ALERT_INACTIVE) {
            continue;
        }
        rc = state_labels(al, true, a, &s[0].labels);
        rc = rc != 0 ? rc : state_labels(al, false, a, &s[1].labels);
        if (rc != 0) {
            return rc;
        }
        if (!vec_push(dst, s[0]) || !vec_push(dst, s[1])) {
            return -ERR_NOMEM;
        }
    }
    return 0;
}

int alerts_update(struct rules *r, const struct rule_group *g, struct rule_run *run,
                  const struct promql_result *found, int64_t t_ms, const struct series_out *out,
                  struct err *reterr)
{
    state_list list = {0};
    int rc;

    mutex_lock(&r->lock);
    rc = update(run, g, found, t_ms, out->arena, reterr);
    if (run->restored) { /* what was stored before the restart must not be hidden yet */
        rc = rc != 0 ? rc : gather(run, out->arena, &list);
    }
    mutex_unlock(&r->lock);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        rc = out->add(out->arg, list.v[i].labels, list.v[i].v, reterr);
    }
    vec_done(&list);
    return rc;
}
