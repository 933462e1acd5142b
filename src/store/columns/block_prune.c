/* SPDX-License-Identifier: Apache-2.0
 *
 * What a column's min/max and bloom filter say of a predicate, so that its values need not be read. May say
 * "perhaps" without need, never "none" wrongly.
 */
#include <math.h>

#include "store/columns/block_filter_internal.h"
#include "store/columns/bloom.h"

/* May a value contain the text? */
static bool may_contain(struct str bloom, unsigned reach, struct str text)
{
    return reach != 0 ? bloom_may_contain(bloom, text, bloom_widest(reach))
                      : bloom_may_match(bloom, text, BLOOM_INNER);
}

bool bloom_may_pass(struct str bloom, unsigned reach, const struct filter *f, struct buf *text)
{
    const struct str *lits;
    bool nocase;
    bool may = false;
    size_t n = 0;

    switch (f->op) {
    case PRED_EQ:
    case PRED_NE:
        return bloom_may_match(bloom, value_text(&f->value, text), BLOOM_WHOLE);
    case PRED_WORD:
        return f->value.type != VALUE_STR || bloom_may_match(bloom, f->value.u.s, BLOOM_WHOLE);
    case PRED_CONTAINS:
    case PRED_CONTAINS_CS:
        return f->value.type != VALUE_STR || may_contain(bloom, reach, f->value.u.s);
    case PRED_RE:
    case PRED_NRE:
        lits = matcher_literals(f->regex, &n);
        for (size_t i = 0; i < n && lits != NULL && !may; i++) {
            may = bloom_may_match(bloom, lits[i], BLOOM_WHOLE);
        }
        return lits != NULL ? may : bloom_may_match(bloom, matcher_prefix(f->regex), BLOOM_FRONT);
    case PRED_SEARCH_RE:
        lits = search_literals(f->search, &n, &nocase); /* the filter knows no case anyway */
        for (size_t i = 0; i < n && lits != NULL && !may; i++) {
            may = may_contain(bloom, reach, lits[i]);
        }
        return lits == NULL || may;
    default:
        return true;
    }
}

static int bloom_verdict(struct block *b, struct block_col *c, const struct filter *f,
                         enum verdict *ret)
{
    struct str bloom;
    int rc = block_bloom(b, c, &bloom);

    *ret = rc < 0 || bloom.n == 0 || bloom_may_pass(bloom, c->bloom_reach, f, b->text)
               ? VERDICT_SOME
               : VERDICT_NONE;
    return rc;
}

/* ---- integers ---- */

/* As numbers are written: a string equals a number only of the same text. */
static bool is_written(struct str s)
{
    struct str digits = str_starts(s, STR("-")) ? str_drop(s, 1) : s;

    return digits.n != 0 && digits.p[0] >= '0' && digits.p[0] <= '9' &&
           (digits.p[0] != '0' || s.n == 1);
}

/* `x` rounded down or up, kept within int64_t. @return -1 below all integers, 1 above, 0 */
static int to_int(double x, bool up, int64_t *ret)
{
    double whole = up ? ceil(x) : floor(x);

    if (whole < -9223372036854775808.0 || whole >= 9223372036854775808.0) {
        *ret = whole < 0 ? INT64_MIN : INT64_MAX;
        return whole < 0 ? -1 : 1;
    }
    *ret = (int64_t)whole;
    return 0;
}

static bool double_range(enum pred_op op, double x, struct int_range *ret)
{
    static const struct int_range NONE = {1, 0};
    static const struct int_range ALL = {INT64_MIN, INT64_MAX};
    bool lower = op == PRED_LT || op == PRED_LE; /* what is lower passes */
    bool up = op == PRED_LT || op == PRED_GE;
    int64_t at;
    int outside;

    if (isnan(x)) {
        *ret = NONE;
        return true;
    }
    outside = to_int(x, up, &at);
    if (op == PRED_EQ) {
        *ret = outside == 0 && (double)at == x ? (struct int_range){at, at} : NONE;
    } else if (outside != 0) {
        *ret = lower == (outside > 0) ? ALL : NONE;
    } else if (lower) {
        *ret = op == PRED_LT && at == INT64_MIN
                   ? NONE
                   : (struct int_range){INT64_MIN, at - (op == PRED_LT)};
    } else {
        *ret = op == PRED_GT && at == INT64_MAX
                   ? NONE
                   : (struct int_range){at + (op == PRED_GT), INT64_MAX};
    }
    return true;
}

bool block_int_range(const struct filter *f, struct int_range *ret)
{
    static const struct int_range NONE = {1, 0};
    enum pred_op op = pred_positive(f->op);
    int64_t v = 0;

    if (op != PRED_EQ && op != PRED_LT && op != PRED_LE && op != PRED_GT && op != PRED_GE) {
        return false;
    }
    if (f->value.type == VALUE_F64) {
        return double_range(op, f->value.u.f, ret);
    }
    if (f->value.type == VALUE_STR && op == PRED_EQ) {
        *ret = is_written(f->value.u.s) && str_to_i64(f->value.u.s, &v) ? (struct int_range){v, v}
                                                                        : NONE;
        return true;
    }
    if (f->value.type != VALUE_I64) {
        return false;
    }
    v = f->value.u.i;
    switch (op) {
    case PRED_LT:
        *ret = v == INT64_MIN ? NONE : (struct int_range){INT64_MIN, v - 1};
        break;
    case PRED_LE:
        *ret = (struct int_range){INT64_MIN, v};
        break;
    case PRED_GT:
        *ret = v == INT64_MAX ? NONE : (struct int_range){v + 1, INT64_MAX};
        break;
    case PRED_GE:
        *ret = (struct int_range){v, INT64_MAX};
        break;
    default:
        *ret = (struct int_range){v, v};
    }
    return true;
}

enum verdict block_range_verdict(const struct block_col *c, const struct filter *f)
{
    struct value min = {.type = VALUE_F64};
    struct value max = {.type = VALUE_F64};
    struct int_range range;
    int lo;
    int hi;

    if (c->type == COLTYPE_I64 && block_int_range(f, &range)) {
        return range.low > range.high || range.high < c->min || range.low > c->max ? VERDICT_NONE
                                                                                   : VERDICT_SOME;
    }
    if (c->type != COLTYPE_F64 || !value_is_number(&f->value)) {
        return VERDICT_SOME;
    }
    memcpy(&min.u.f, &c->min, sizeof(double));
    memcpy(&max.u.f, &c->max, sizeof(double));
    lo = value_compare_numbers(&min, &f->value);
    hi = value_compare_numbers(&max, &f->value);
    if (lo == 2 || hi == 2) {
        return VERDICT_SOME;
    }
    switch (f->op) {
    case PRED_EQ:
    case PRED_NE:
        return lo > 0 || hi < 0 ? VERDICT_NONE : VERDICT_SOME;
    case PRED_LT:
        return lo >= 0 ? VERDICT_NONE : VERDICT_SOME;
    case PRED_LE:
        return lo > 0 ? VERDICT_NONE : VERDICT_SOME;
    case PRED_GT:
        return hi <= 0 ? VERDICT_NONE : VERDICT_SOME;
    case PRED_GE:
        return hi < 0 ? VERDICT_NONE : VERDICT_SOME;
    default:
        return VERDICT_SOME;
    }
}

int block_col_verdict(struct block *b, struct block_col *c, const struct filter *f,
                      enum verdict *ret)
{
    if (f->op == PRED_IS_ARRAY) {
        *ret = c->type == COLTYPE_MIXED ? VERDICT_SOME : VERDICT_NONE;
        return 0;
    }
    *ret = block_range_verdict(c, f);
    return *ret == VERDICT_NONE ? 0 : bloom_verdict(b, c, f, ret);
}
