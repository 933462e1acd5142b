/* SPDX-License-Identifier: Apache-2.0
 *
 * From decoded spans through the rules to the store.
 */
#include "ingest/span_sink.h"

#include "base/err.h"
#include "ingest/process/process.h"

int span_sink_append(struct sink *s, struct span_batch *b, struct columns_commit *ret,
                     struct err *reterr)
{
    int rc = s->process != NULL ? process_spans(s->process, b->v, &b->n, b->arena, reterr) : 0;

    if (rc < 0 || b->n == 0) {
        *ret = (struct columns_commit){0};
        return rc;
    }
    return columns_append_spans(s->spans, b->v, b->n, ret, reterr);
}
