/* SPDX-License-Identifier: Apache-2.0
 *
 * sum() and avg() of groups that contain native histograms. A group that holds floats and histograms at one step, or
 * histograms that do not fit together, gives nothing there.
 */
#include "query/promql/eval.h"
#include "query/promql/hist.h"

void hist_note_reconciled(struct eval *ev, const struct node *at, const char *what)
{
    eval_note(ev, NOTE_INFO, at, "mismatched custom buckets were reconciled during %s", what);
}

int hist_mean_add(const struct hist_mean *m, const struct native_histogram *h, double count)
{
    struct native_histogram *mean = m->mean;
    struct native_histogram *left = m->left;
    struct native_histogram *right = m->right;
    int rc = native_copy(left, h);

    rc = rc != 0 ? rc : native_copy(right, mean);
    if (rc != 0) {
        return rc;
    }
    native_div(left, count);
    native_div(right, count);
    rc = native_sub(left, right, m->reconciled);
    return rc != 0 ? rc : native_add(mean, left, m->reconciled);
}

/** One group at one step. */
struct group {
    struct native_histogram h;
    bool has_float, has_hist, bad;
    double count;
};

struct folding {
    struct eval *ev;
    const struct node *n;
    const struct mat *in;
    const uint32_t *group;
    struct group *v;
    struct native_histogram left, right;
    bool avg;
};

static int fold_one(struct folding *f, struct group *g, size_t row,
                    const struct native_histogram *h)
{
    bool first = !g->has_hist;
    bool reconciled = false;
    bool *may = f->ev->newest ? &reconciled : NULL;
    int rc;

    g->has_hist = true;
    g->count++;
    if (g->has_float || g->bad) {
        return 0;
    }
    if (first) {
        return native_copy(&g->h, h);
    }
    if (f->avg) {
        rc = hist_mean_add(&(struct hist_mean){&g->h, &f->left, &f->right, may}, h, g->count);
    } else {
        rc = native_add(&g->h, h, may);
    }
    if (reconciled) {
        hist_note_reconciled(f->ev, f->n->agg.expr, "aggregation");
    }
    if (rc > 0) {
        struct str name = labels_get(f->in->labels[row], STR(LABEL_NAME));

        g->bad = true;
        eval_note_name(f->ev, NOTE_WARNING, f->n->agg.expr,
                       rc == NATIVE_MIXED_SCHEMAS
                           ? "vector contains a mix of histograms with exponential and custom "
                             "buckets schemas for metric name"
                           : "vector contains histograms with incompatible custom buckets for "
                             "metric name",
                       name);
        rc = 0;
    }
    return rc;
}

static int one_step(struct folding *f, size_t groups, size_t step, struct mat *out)
{
    int rc = 0;

    for (size_t g = 0; g < groups; g++) {
        f->v[g].has_float = f->v[g].has_hist = f->v[g].bad = false;
        f->v[g].count = 0;
    }
    for (size_t r = 0; rc == 0 && r < f->in->n; r++) {
        if (bit_get(mat_bits(f->in, r), step)) {
            const struct native_histogram *h = hist_get(f->ev, mat_row(f->in, r)[step]);

            if (h == NULL) {
                f->v[f->group[r]].has_float = true;
            } else {
                rc = fold_one(f, &f->v[f->group[r]], r, h);
            }
        }
    }
    for (size_t g = 0; rc == 0 && g < groups; g++) {
        struct group *at = &f->v[g];

        if (!at->has_hist) {
            continue; /* floats alone: the value is there already */
        }
        bit_clear(mat_bits(out, g), step);
        if (at->has_float) {
            eval_note(f->ev, NOTE_WARNING, f->n->agg.expr,
                      "encountered a mix of histograms and floats for aggregation");
        } else if (!at->bad) {
            native_compact(&at->h);
            rc = hist_put(f->ev, &at->h, &mat_row(out, g)[step]);
            bit_set(mat_bits(out, g), step);
        }
    }
    return rc;
}

int hist_sum_avg(struct eval *ev, const struct node *n, const struct mat *in, const uint32_t *group,
                 size_t groups, struct mat *out)
{
    struct folding f = {.ev = ev, .n = n, .in = in, .group = group, .avg = n->agg.op == TOK_AVG};
    int rc = 0;

    f.v = mem_try_calloc(groups + 1, sizeof(*f.v));
    if (f.v == NULL) {
        return eval_no_memory(ev);
    }
    for (size_t i = 0; rc == 0 && i < in->steps; i++) {
        rc = one_step(&f, groups, i, out);
        if (rc != 0) {
            hist_no_room(ev, rc, ev->reterr);
        } else {
            rc = eval_check(ev);
        }
    }
    for (size_t g = 0; g < groups; g++) {
        native_done(&f.v[g].h);
    }
    mem_free(f.v);
    native_done(&f.left);
    native_done(&f.right);
    if (rc == 0) {
        mat_compact(out);
    }
    return rc;
}

bool hist_note_ignored(struct eval *ev, const struct node *n, struct mat *in)
{
    bool dropped = hist_drop(ev, in);

    if (dropped) {
        bool ranked = n->agg.op == TOK_TOPK || n->agg.op == TOK_BOTTOMK;

        eval_note(ev, NOTE_INFO, ranked ? n : n->agg.expr, "ignored histogram in %.*s aggregation",
                  STR_ARG(tok_text(n->agg.op)));
    }
    return dropped;
}
