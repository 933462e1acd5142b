/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels of a series seen for the first time: those it exposes, those of its target, relabelling, and the rules and
 * limits of the job. Invariant: what is returned may be stored as it is.
 */
#include "ingest/scrape/append_labels.h"

#include <stdlib.h>

enum { CONFLICT_MAX = 64 };

/* An exposed label that bears a target's name goes on as exported_NAME. */
static void rename_conflict(struct arena *a, const struct target *t, struct labelset *set,
                            struct labels exposed, struct label l)
{
    struct str name = l.name;

    do {
        name = arena_printf(a, "exported_%.*s", STR_ARG(name));
        if (name.p == NULL) {
            set->failed = true;
            return;
        }
    } while (labels_get(t->labels, name).n != 0 || labels_get(exposed, name).n != 0 ||
             labelset_get(set, name).n != 0);
    labelset_set(set, name, l.value);
}

static int by_name_length(const void *x, const void *y)
{
    const struct label *a = x;
    const struct label *b = y;

    return (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

static void add_target_labels(struct arena *a, const struct target *t, struct labelset *set,
                              struct labels exposed)
{
    struct label conflicts[CONFLICT_MAX];
    size_t n = 0;

    for (size_t i = 0; i < t->labels.n; i++) {
        struct label l = t->labels.v[i];
        struct str have = labels_get(exposed, l.name);

        if (have.n == 0 || !t->job->honor_labels) {
            labelset_set(set, l.name, l.value);
        }
        if (have.n != 0 && !t->job->honor_labels && n < CONFLICT_MAX) {
            conflicts[n++] = (struct label){l.name, have};
        }
    }
    if (n != 0) {
        qsort(conflicts, n, sizeof(*conflicts), by_name_length);
    }
    for (size_t i = 0; i < n; i++) {
        rename_conflict(a, t, set, exposed, conflicts[i]);
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

int scraped_labels(struct arena *a, const struct target *t, struct expo *p, struct labels *ret,
                   struct err *reterr)
{
    struct labels exposed;
    struct labelset set;
    int rc = expo_labels(p, &exposed, reterr);

    if (rc < 0) {
        return rc;
    }
    arena_reset(a);
    labelset_from(&set, a, exposed);
    add_target_labels(a, t, &set, exposed);
    if (!set.failed && !relabel_apply(&t->job->metric_relabel, &set, NULL) && !set.failed) {
        return 1;
    }
    if (set.failed) {
        return err_set(reterr, ERR_LIMIT, "the labels of a series need too much memory");
    }
    *ret = labelset_sort(&set);
    if (ret->n == 0) {
        return 1;
    }
    rc = check_names(t->job, *ret, reterr);
    return rc < 0 ? rc : check_limits(t->job, *ret, reterr);
}
