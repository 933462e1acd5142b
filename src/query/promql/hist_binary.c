/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators between histograms and floats, as upstream's 3.x defines them.
 */
#include "query/promql/eval.h"
#include "query/promql/hist.h"

static void note_types(struct eval *ev, const struct node *n, bool l, bool r)
{
    struct str op = tok_text(n->bin.op);

    eval_note(ev, NOTE_INFO, n,
              "incompatible sample types encountered for binary operator \"%.*s\": %s %.*s %s",
              STR_ARG(op), l ? "histogram" : "float", STR_ARG(op), r ? "histogram" : "float");
}

static int put(struct eval *ev, int rc, struct native_histogram *h, double *ret)
{
    if (rc == 0) {
        native_compact(h);
        rc = hist_put(ev, h, ret);
    }
    native_done(h);
    return rc == 0 ? 0 : hist_no_room(ev, rc, ev->reterr);
}

static int scaled(struct eval *ev, const struct native_histogram *h, double by, bool divide,
                  double *ret)
{
    struct native_histogram out = {0};
    int rc = native_copy(&out, h);

    if (rc == 0 && divide) {
        native_div(&out, by);
    } else if (rc == 0) {
        native_mul(&out, by);
    }
    return put(ev, rc, &out, ret);
}

static int trimmed(struct eval *ev, const struct native_histogram *h, double at, bool below,
                   double *ret)
{
    struct native_histogram out = {0};
    int rc = native_copy(&out, h);

    if (rc == 0) {
        native_trim(&out, at, below);
    }
    return put(ev, rc, &out, ret);
}

static int combined(struct eval *ev, const struct node *n, const struct native_histogram *l,
                    const struct native_histogram *r, double *ret)
{
    struct native_histogram out = {0};
    bool add = n->bin.op == TOK_ADD;
    bool reconciled = false;
    bool *may = ev->newest ? &reconciled : NULL;
    int rc = native_copy(&out, l);

    rc = rc != 0 ? rc : add ? native_add(&out, r, may) : native_sub(&out, r, may);
    if (reconciled) {
        hist_note_reconciled(ev, n, add ? "addition" : "subtraction");
    }
    if (rc > 0) {
        eval_note(ev, NOTE_WARNING, n,
                  "incompatible bucket layout encountered for binary operator %.*s",
                  STR_ARG(tok_text(n->bin.op)));
        native_done(&out);
        return 1;
    }
    if (rc == 0 && !add) {
        out.hint = NATIVE_GAUGE;
    }
    return put(ev, rc, &out, ret);
}

int hist_binary(struct eval *ev, const struct node *n, double l, double r, double *ret, bool *keep)
{
    const struct native_histogram *hl = hist_get(ev, l);
    const struct native_histogram *hr = hist_get(ev, r);
    enum tok op = n->bin.op;

    *keep = true;
    if (op == TOK_MUL && (hl == NULL || hr == NULL)) {
        return scaled(ev, hl != NULL ? hl : hr, hl != NULL ? r : l, false, ret);
    }
    if (op == TOK_DIV && hr == NULL) {
        return scaled(ev, hl, r, true, ret);
    }
    if (tok_is_trim(op) && hl != NULL && hr == NULL) {
        return trimmed(ev, hl, r, op == TOK_TRIM_UPPER, ret);
    }
    if (hl != NULL && hr != NULL) {
        switch (op) {
        case TOK_ADD:
        case TOK_SUB:
            return combined(ev, n, hl, hr, ret);
        case TOK_EQLC:
        case TOK_NEQ:
            *ret = l;
            *keep = native_eq(hl, hr) == (op == TOK_EQLC);
            return 0;
        default:
            break;
        }
    }
    note_types(ev, n, hl != NULL, hr != NULL);
    return 1;
}

int hist_negate(struct eval *ev, double *v)
{
    return scaled(ev, hist_get(ev, *v), -1, false, v);
}
