/* SPDX-License-Identifier: Apache-2.0
 *
 * What a column's min/max and bloom filter say of a predicate, so that its values need not be read. May say
 * "perhaps" without need, never "none" wrongly.
 */
#include "store/columns/block_filter_internal.h"
#include "store/columns/bloom.h"

/* May a value contain the text? */
static bool may_contain(struct str bloom, const struct block_col *c, struct str text)
{
    return c->bloom_reach != 0 ? bloom_may_contain(bloom, text, bloom_widest(c->bloom_reach))
                               : bloom_may_match(bloom, text, BLOOM_INNER);
}

/* Can the bloom filter rule every value out? */
static int bloom_verdict(struct block *b, struct block_col *c, const struct filter *f,
                         enum verdict *ret)
{
    struct str bloom;
    size_t n = 0;
    const struct str *lits;
    bool nocase;
    int rc = block_bloom(b, c, &bloom);

    *ret = VERDICT_SOME;
    if (rc < 0 || bloom.n == 0) {
        return rc;
    }
    switch (f->op) {
    case PRED_EQ:
    case PRED_NE:
        *ret = bloom_may_match(bloom, value_text(&f->value, b->text), BLOOM_WHOLE) ? VERDICT_SOME
                                                                                   : VERDICT_NONE;
        break;
    case PRED_WORD:
    case PRED_CONTAINS:
    case PRED_CONTAINS_CS:
        if (f->value.type == VALUE_STR &&
            !(f->op == PRED_WORD ? bloom_may_match(bloom, f->value.u.s, BLOOM_WHOLE)
                                 : may_contain(bloom, c, f->value.u.s))) {
            *ret = VERDICT_NONE;
        }
        break;
    case PRED_RE:
    case PRED_NRE:
        lits = matcher_literals(f->regex, &n);
        if (lits == NULL) {
            *ret = bloom_may_match(bloom, matcher_prefix(f->regex), BLOOM_FRONT) ? VERDICT_SOME
                                                                                 : VERDICT_NONE;
            break;
        }
        *ret = VERDICT_NONE;
        for (size_t i = 0; i < n && *ret == VERDICT_NONE; i++) {
            *ret = bloom_may_match(bloom, lits[i], BLOOM_WHOLE) ? VERDICT_SOME : VERDICT_NONE;
        }
        break;
    case PRED_SEARCH_RE:
        lits = search_literals(f->search, &n, &nocase); /* the filter knows no case anyway */
        *ret = lits != NULL ? VERDICT_NONE : VERDICT_SOME;
        for (size_t i = 0; i < n && *ret == VERDICT_NONE; i++) {
            *ret = may_contain(bloom, c, lits[i]) ? VERDICT_SOME : VERDICT_NONE;
        }
        break;
    default:
        break;
    }
    return 0;
}

/* Can min and max rule every value out? Only numbers against numbers. */
enum verdict block_range_verdict(const struct block_col *c, const struct filter *f)
{
    struct value min = {.type = VALUE_I64, .u.i = c->min};
    struct value max = {.type = VALUE_I64, .u.i = c->max};
    int lo;
    int hi;

    if ((c->type != COLTYPE_I64 && c->type != COLTYPE_F64) || !value_is_number(&f->value)) {
        return VERDICT_SOME;
    }
    if (c->type == COLTYPE_F64) {
        min.type = max.type = VALUE_F64;
        memcpy(&min.u.f, &c->min, sizeof(double));
        memcpy(&max.u.f, &c->max, sizeof(double));
    }
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
