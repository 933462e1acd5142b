/* SPDX-License-Identifier: Apache-2.0
 *
 * What was decided about traces, the most recently asked for kept: late spans follow it. Fixed memory. Not
 * thread-safe.
 */
#ifndef INGEST_PROCESS_DECIDED_H
#define INGEST_PROCESS_DECIDED_H

#include "model/otel.h"

struct decided;

/** Room for `n` traces; n 0: nothing is ever remembered. @return NULL without memory */
struct decided *decided_new(size_t n);
void decided_free(struct decided *d); /* NULL is fine */
/** The oldest is forgotten when there is no room. */
void decided_put(struct decided *d, struct trace_id id, bool keep);
/** @return whether the trace was decided; *ret_keep how */
bool decided_get(struct decided *d, struct trace_id id, bool *ret_keep);
size_t decided_room(const struct decided *d);

#endif
