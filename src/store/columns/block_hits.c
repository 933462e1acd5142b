/* SPDX-License-Identifier: Apache-2.0
 *
 * One predicate on every value of a decoded column: once per dictionary entry where there is a dictionary,
 * in vectorisable loops for integers, otherwise value by value through pred_value().
 */
#include "base/err.h"
#include "store/columns/block_filter_internal.h"
#include "store/columns/rowcodec.h"

static void ints_in_range(const int64_t *v, size_t n, struct int_range r, uint8_t *hit)
{
    uint64_t width = (uint64_t)r.high - (uint64_t)r.low;

    if (r.low > r.high) {
        memset(hit, 0, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        hit[i] = (uint64_t)v[i] - (uint64_t)r.low <= width;
    }
}

/* Comparisons of doubles; NaN passes none. @return false: not one of them */
static bool compare_doubles(const double *v, size_t n, enum pred_op op, double x, uint8_t *hit)
{
    switch (op) {
    case PRED_LT:
        for (size_t i = 0; i < n; i++) {
            hit[i] = v[i] < x;
        }
        return true;
    case PRED_LE:
        for (size_t i = 0; i < n; i++) {
            hit[i] = v[i] <= x;
        }
        return true;
    case PRED_GT:
        for (size_t i = 0; i < n; i++) {
            hit[i] = v[i] > x;
        }
        return true;
    case PRED_GE:
        for (size_t i = 0; i < n; i++) {
            hit[i] = v[i] >= x;
        }
        return true;
    case PRED_EQ:
        for (size_t i = 0; i < n; i++) {
            hit[i] = v[i] >= x && v[i] <= x;
        }
        return true;
    default:
        return false;
    }
}

/* The number a double is compared with, where that is exact. */
static bool as_double(const struct value *v, double *ret)
{
    const int64_t exact = (int64_t)1 << 53;

    if (v->type == VALUE_F64) {
        *ret = v->u.f;
        return true;
    }
    *ret = (double)v->u.i;
    return v->type == VALUE_I64 && v->u.i >= -exact && v->u.i <= exact;
}

/* A string or encoded value against the predicate. `skip_empty`: empty text counts as absent. */
static int string_hit(struct block *b, const struct filter *f, enum col_type type, struct str s,
                      uint8_t *ret)
{
    struct value v = {.type = VALUE_STR, .u.s = s};

    if (type == COLTYPE_MIXED) {
        struct rd r = rd_of(s);
        int rc = value_decode(&r, b->a, &v);

        if (rc < 0) {
            return rc == -ERR_NOMEM ? block_no_memory(b) : block_corrupt(b, "a value");
        }
    }
    *ret = pred_value(f, &v, b->text);
    return 0;
}

static bool matters(const uint64_t *only, size_t row)
{
    return only == NULL || (only[row / 64] >> (row % 64) & 1) != 0;
}

/* What a template says of a predicate on text. */
static enum templates_hit template_hit(const struct filter *f, const struct templates *t,
                                       size_t template)
{
    enum templates_hit best = TEMPLATES_NONE;
    const struct str *lits;
    bool nocase;
    size_t n;

    switch (f->op) {
    case PRED_CONTAINS:
    case PRED_CONTAINS_CS:
    case PRED_WORD:
        return f->value.type != VALUE_STR ? TEMPLATES_NONE
                                          : templates_find(t, template, f->value.u.s,
                                                           f->op == PRED_CONTAINS ? TEMPLATES_NOCASE
                                                           : f->op == PRED_WORD   ? TEMPLATES_WORD
                                                                                  : TEMPLATES_CASE);
    case PRED_SEARCH_RE:
        lits = search_literals(f->search, &n, &nocase);
        best = lits == NULL ? TEMPLATES_SOME : TEMPLATES_NONE;
        for (size_t i = 0; i < n && best == TEMPLATES_NONE; i++) {
            best = templates_find(t, template, lits[i], nocase ? TEMPLATES_NOCASE : TEMPLATES_CASE);
        }
        return best == TEMPLATES_NONE ? TEMPLATES_NONE : TEMPLATES_SOME;
    default:
        return TEMPLATES_SOME;
    }
}

/* Once per template where that decides, else row by row. */
static int template_hits(struct block *b, const struct filter *f, const struct column *col,
                         const uint64_t *only, uint8_t *hit)
{
    enum { NO, YES, LOOK, CONSTANT };

    struct templates *t = col->strs.templates;
    const uint32_t *codes = templates_codes(t);
    uint8_t *of = arena_alloc(b->a, templates_count(t), 1);
    int rc = 0;

    if (of == NULL) {
        return block_no_memory(b);
    }
    for (size_t i = 0; i < templates_count(t); i++) {
        enum templates_hit h = template_hit(f, t, i);

        of[i] = h == TEMPLATES_NONE           ? NO
                : h == TEMPLATES_ALL          ? YES
                : templates_is_constant(t, i) ? CONSTANT
                                              : LOOK;
    }
    for (size_t i = 0; i < col->n && rc == 0; i++) {
        uint8_t *decided = &of[codes[i]];

        if (!matters(only, i)) {
            hit[i] = 0;
        } else if (*decided >= LOOK) {
            rc = string_hit(b, f, col->type, templates_at(t, i), &hit[i]);
            *decided = *decided == CONSTANT ? hit[i] : *decided;
        } else {
            hit[i] = *decided;
        }
    }
    return rc < 0 ? rc : block_check(b);
}

static int strings_hits(struct block *b, const struct filter *f, const struct column *col,
                        const uint64_t *only, uint8_t *hit)
{
    const struct strs *s = &col->strs;
    size_t distinct = s->form == STRS_FLAT ? s->n : s->dict_n;
    uint8_t *of = hit;
    int rc = 0;

    if (s->form == STRS_TEMPLATES) {
        return template_hits(b, f, col, only, hit);
    }
    if (s->form != STRS_FLAT) {
        of = arena_alloc(b->a, distinct, 1);
        if (of == NULL) {
            return block_no_memory(b);
        }
    }
    for (size_t i = 0; i < distinct && rc == 0; i++) {
        of[i] = 0;
        if (s->form != STRS_FLAT || matters(only, i)) {
            rc = string_hit(b, f, col->type, s->v[i], &of[i]);
        }
    }
    if (s->form == STRS_DICT) {
        for (size_t i = 0; i < s->n; i++) {
            hit[i] = of[s->codes[i]];
        }
    } else if (s->form == STRS_CONST) {
        memset(hit, of[0], s->n);
    }
    return rc;
}

int block_column_hits(struct block *b, const struct filter *f, const struct column *col,
                      const uint64_t *only, uint8_t *hit)
{
    struct int_range range;
    double x;

    if (f->op == PRED_EXISTS) {
        memset(hit, 1, col->n);
        return 0;
    }
    if (col->type == COLTYPE_STR || col->type == COLTYPE_MIXED) {
        return strings_hits(b, f, col, only, hit);
    }
    if (col->type == COLTYPE_I64 && block_int_range(f, &range)) {
        ints_in_range(col->ints, col->n, range, hit);
        return 0;
    }
    if (col->type == COLTYPE_F64 && value_is_number(&f->value) && as_double(&f->value, &x) &&
        compare_doubles(col->doubles, col->n, pred_positive(f->op), x, hit)) {
        return 0;
    }
    for (size_t i = 0; i < col->n; i++) {
        struct value v;
        int rc;

        if (i != 0 && col->type != COLTYPE_F64 && col->ints[i] == col->ints[i - 1]) {
            hit[i] = hit[i - 1];
            continue;
        }
        rc = column_value(col, i, b->a, &v);
        if (rc < 0) {
            return block_corrupt(b, "a value");
        }
        hit[i] = pred_value(f, &v, b->text);
    }
    return 0;
}
