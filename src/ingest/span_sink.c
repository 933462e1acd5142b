/* SPDX-License-Identifier: Apache-2.0
 *
 * From decoded spans through the rules to the store.
 */
#include "ingest/span_sink.h"

#include "base/err.h"
#include "ingest/process/stage.h"

int span_sink_append(struct sink *s, struct span_batch *b, struct columns_commit *ret,
                     struct err *reterr)
{
    return s->span_stage != NULL
               ? span_stage_append(s->span_stage, b->v, b->n, b->arena, ret, reterr)
               : columns_append_spans(s->spans, b->v, b->n, ret, reterr);
}
