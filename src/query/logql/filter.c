/* SPDX-License-Identifier: Apache-2.0
 *
 * A log query as a filter, for those who count or delete records instead of reading them.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "query/logql/plan.h"

struct logql_filter {
    struct plan plan;
};

int logql_filter_new(const struct logql_query *q, const struct logql_ask *ask,
                     struct logql_filter **ret, struct err *reterr)
{
    struct logql_filter *f = mem_try_calloc(1, sizeof(*f));
    int rc;

    if (f == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    rc = lq_plan_make(&f->plan, q->root->pipe, ask, ask->start_ns, ask->end_ns, reterr);
    if (rc < 0) {
        logql_filter_free(f);
        return rc;
    }
    *ret = f;
    return 0;
}

void logql_filter_free(struct logql_filter *f)
{
    if (f != NULL) {
        lq_plan_done(&f->plan);
        mem_free(f);
    }
}

const struct filter *logql_filter_root(const struct logql_filter *f)
{
    return f->plan.filter;
}

bool logql_filter_is_exact(const struct logql_filter *f)
{
    return f->plan.exact;
}

bool logql_filter_is_empty(const struct logql_filter *f)
{
    return f->plan.nothing;
}
