/* SPDX-License-Identifier: Apache-2.0
 *
 * sort(), sort_desc(), sort_by_label() and sort_by_label_desc(). Order only means something for an instant
 * query; a range query gets a warning, as its answer is in the order of labels.
 */
#include <stdlib.h>

#include "query/promql/eval.h"
#include "query/promql/special.h"

struct sort_entry {
    double v;
    size_t row;
    struct labels labels;
    const struct call *by; /* names of labels from argument 1 on */
};

/** NaN last either way; equal values keep their order. */
static int order(const struct sort_entry *a, const struct sort_entry *b, bool desc)
{
    if (isnan(a->v) || isnan(b->v)) {
        if (isnan(a->v) != isnan(b->v)) {
            return isnan(a->v) ? 1 : -1;
        }
    } else if (a->v != b->v) {
        return (a->v < b->v) != desc ? -1 : 1;
    }
    return (a->row > b->row) - (a->row < b->row);
}

static int ascending(const void *a, const void *b)
{
    return order(a, b, false);
}

static int descending(const void *a, const void *b)
{
    return order(a, b, true);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** A run of digits, or of everything else, off the front. */
static struct str take_run(struct str *s)
{
    size_t n = 0;
    struct str run;

    while (n < s->n && is_digit(s->p[n]) == is_digit(s->p[0])) {
        n++;
    }
    run = str_take(*s, n);
    *s = str_drop(*s, n);
    return run;
}

/** Natural order: runs of digits compare as numbers. */
static int natural(struct str a, struct str b)
{
    for (;;) {
        struct str x = take_run(&a);
        struct str y = take_run(&b);
        int64_t i;
        int64_t k;

        if (x.n != 0 && y.n != 0 && str_to_i64(x, &i) && str_to_i64(y, &k)) {
            if (i != k) {
                return i < k ? -1 : 1;
            }
        } else if (!str_eq(x, y)) {
            return str_cmp(x, y);
        }
        if (a.n == 0 || b.n == 0) {
            return (a.n != 0) - (b.n != 0);
        }
    }
}

static int by_labels(const void *a, const void *b)
{
    const struct sort_entry *x = a;
    const struct sort_entry *y = b;

    for (size_t i = 1; i < x->by->n; i++) {
        struct str name = node_strip_parens(x->by->args[i])->string;
        struct str xv = labels_get(x->labels, name);
        struct str yv = labels_get(y->labels, name);
        int c = str_eq(xv, yv) ? 0 : natural(xv, yv);

        if (c != 0) {
            return c;
        }
    }
    return labels_cmp(x->labels, y->labels);
}

static int by_labels_desc(const void *a, const void *b)
{
    return by_labels(b, a);
}

static int sort_rows(struct eval *ev, const struct call *c, const struct grid *g,
                     int (*cmp)(const void *, const void *), struct mat *ret)
{
    struct sort_entry *entries;
    struct mat sorted;
    int rc = eval_node(ev, c->args[0], g, ret);

    if (rc == 0 && (cmp == ascending || cmp == descending)) {
        hist_drop(ev, ret); /* histograms have no order */
    }
    if (rc != 0 || g->n != 1 || ret->n < 2) {
        return rc;
    }
    mat_compact(ret);
    rc = eval_alloc(ev, &sorted, ret->n, 1);
    entries = mem_try_calloc(ret->n + 1, sizeof(*entries));
    if (rc == 0 && entries == NULL) {
        mat_done(ev, &sorted);
        rc = eval_no_memory(ev);
    }
    if (rc != 0) {
        mem_free(entries);
        mat_done(ev, ret);
        return rc;
    }
    for (size_t i = 0; i < ret->n; i++) {
        entries[i] = (struct sort_entry){ret->v[i], i, ret->labels[i], c};
    }
    if (ret->n != 0) {
        qsort(entries, ret->n, sizeof(*entries), cmp);
    }
    for (size_t i = 0; i < ret->n; i++) {
        sorted.labels[i] = entries[i].labels;
        sorted.v[i] = entries[i].v;
        sorted.has[i] = 1;
    }
    mem_free(entries);
    mat_done(ev, ret);
    *ret = sorted;
    return 0;
}

int special_sort(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return sort_rows(ev, c, g, ascending, ret);
}

int special_sort_desc(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return sort_rows(ev, c, g, descending, ret);
}

int special_sort_by_label(struct eval *ev, const struct call *c, const struct grid *g,
                          struct mat *ret)
{
    return sort_rows(ev, c, g, by_labels, ret);
}

int special_sort_by_label_desc(struct eval *ev, const struct call *c, const struct grid *g,
                               struct mat *ret)
{
    return sort_rows(ev, c, g, by_labels_desc, ret);
}
