/* SPDX-License-Identifier: Apache-2.0
 *
 * The match[] parameters.
 */
#include "api/selectors.h"

#include "base/err.h"
#include "query/promql/promql.h"

void selectors_done(struct selectors *s)
{
    for (size_t i = 0; i < s->n; i++) {
        promql_matchers_free(s->m[i], s->m_n[i]);
    }
}

int selectors_parse(struct http_exchange *x, struct selectors *ret, struct err *e)
{
    struct str text;

    for (size_t i = 0; http_param_at(x, "match[]", i, &text); i++) {
        int rc;

        if (ret->n == SELECTORS_MAX) {
            return err_set(e, ERR_INVALID, "more than %d match[] parameters", SELECTORS_MAX);
        }
        rc = promql_parse_selector(text, &ret->m[ret->n], &ret->m_n[ret->n], e);
        if (rc < 0) {
            err_prefix(e, "invalid parameter \"match[]\"");
            return rc;
        }
        ret->n++;
    }
    return 0;
}
