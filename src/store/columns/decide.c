/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of a filter before a block is opened. What resources alone say, once per resource of a part: blocks of
 * resources that cannot pass are not opened, and where all rows pass a query counts from the index. And what the bloom
 * filter of the bodies says where it was looked at before.
 */
#include "base/err.h"
#include "store/columns/block_filter_internal.h"
#include "store/columns/rowcodec.h"
#include "store/columns/scan_internal.h"

enum { RESOURCES_MAX = 64 }; /* of a block; with more its rows are looked at */

static enum decision not_of(enum decision d)
{
    return d == DECISION_SOME ? d : d == DECISION_ALL ? DECISION_NONE : DECISION_ALL;
}

static bool is_service(const struct filter *f, enum columns_kind kind)
{
    return f->field.scope == FIELD_INTRINSIC &&
           intrinsic_of(kind, f->field.name) == INTRINSIC_SERVICE;
}

static enum decision decide(const struct query *qu, const struct filter *f,
                            const struct resource *res, struct buf *text)
{
    enum decision all = f->type == FILTER_OR ? DECISION_NONE : DECISION_ALL;
    bool service;
    struct value v;
    bool hit;

    switch (f->type) {
    case FILTER_TRUE:
        return DECISION_ALL;
    case FILTER_NOT:
        return not_of(decide(qu, f->kids[0], res, text));
    case FILTER_AND:
    case FILTER_OR:
        for (size_t i = 0; i < f->kids_n; i++) {
            enum decision kid = decide(qu, f->kids[i], res, text);

            if (kid == not_of(all) && kid != DECISION_SOME) {
                return kid;
            }
            all = kid == DECISION_SOME ? kid : all;
            if (all == DECISION_SOME) {
                break;
            }
        }
        break;
    case FILTER_PRED:
        service = is_service(f, qu->kind);
        if (f->field.scope != FIELD_RESOURCE && !service) {
            return DECISION_SOME;
        }
        hit = attrs_field(res->attrs, service ? STR("service.name") : f->field.name, &v) &&
              pred_value(f, &v, text);
        return hit != pred_is_negative(f->op) ? DECISION_ALL : DECISION_NONE;
    }
    return all;
}

static int decide_resource(struct query *qu, const struct part *p, uint32_t i, uint8_t *memo,
                           struct err *reterr)
{
    struct rd r = rd_of(part_resource_bytes(p, i));
    struct resource res = {0};
    int rc = resource_decode(&r, &qu->scratch, &res);

    if (rc < 0) {
        return rc == -ERR_NOMEM ? query_no_memory(reterr)
                                : err_set(reterr, ERR_CORRUPT, "%s/index is damaged: resource %u",
                                          columns_part_dir(p), i);
    }
    *memo = (uint8_t)(1 + decide(qu, qu->q->filter, &res, &qu->tools.text));
    return 0;
}

/* May a row pass, as far as the bloom filter of the bodies says? */
static bool may_pass(struct query *qu, const struct filter *f, struct str bloom, unsigned reach)
{
    bool any = f->type == FILTER_OR;

    switch (f->type) {
    case FILTER_AND:
    case FILTER_OR:
        for (size_t i = 0; i < f->kids_n; i++) {
            if (may_pass(qu, f->kids[i], bloom, reach) == any) {
                return any;
            }
        }
        return !any;
    case FILTER_PRED:
        return pred_is_negative(f->op) || f->field.scope != FIELD_INTRINSIC ||
               intrinsic_of(qu->kind, f->field.name) != INTRINSIC_BODY ||
               bloom_may_pass(bloom, reach, f, &qu->tools.text);
    default:
        return true;
    }
}

/* What resources say. */
static int decide_resources(struct query *qu, const struct source *src, enum decision *ret,
                            struct err *reterr)
{
    const struct block_entry *e = part_block(src->part, src->block);
    uint8_t **memo = &qu->decided[src->part_at];
    enum decision all = DECISION_SOME;

    *ret = qu->q->filter == NULL ? DECISION_ALL : DECISION_SOME;
    if (qu->q->filter == NULL || e->resource_max - e->resource_min >= RESOURCES_MAX) {
        return 0;
    }
    if (*memo == NULL) {
        *memo = mem_try_calloc((size_t)part_resources(src->part) + 1, 1);
        if (*memo == NULL) {
            return query_no_memory(reterr);
        }
    }
    for (uint32_t i = e->resource_min; i <= e->resource_max; i++) {
        enum decision one;
        int rc = (*memo)[i] != 0 ? 0 : decide_resource(qu, src->part, i, &(*memo)[i], reterr);

        if (rc < 0) {
            return rc;
        }
        one = (enum decision)((*memo)[i] - 1);
        if (one == DECISION_SOME || (i != e->resource_min && one != all)) {
            return 0;
        }
        all = one;
    }
    *ret = all;
    return 0;
}

int query_decide(struct query *qu, const struct source *src, enum decision *ret, struct err *reterr)
{
    struct str bloom;
    unsigned reach;
    int rc = decide_resources(qu, src, ret, reterr);

    if (rc == 0 && *ret == DECISION_SOME && qu->kind == COLUMNS_LOGS && qu->q->filter != NULL &&
        part_body_bloom(src->part, src->block, &bloom, &reach) &&
        !may_pass(qu, qu->q->filter, bloom, reach)) {
        *ret = DECISION_NONE;
    }
    return rc;
}
