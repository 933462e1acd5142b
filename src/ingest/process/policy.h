/* SPDX-License-Identifier: Apache-2.0
 *
 * Which traces are kept: the policies in order, the first that wants the trace keeps it.
 */
#ifndef INGEST_PROCESS_POLICY_H
#define INGEST_PROCESS_POLICY_H

#include "ingest/process/program.h"

/** Token buckets of the policies with a rate, by policy and service. Not thread-safe. */
struct rates_state;
struct rates_state *rates_state_new(void);
void rates_state_free(struct rates_state *s); /* NULL is fine */

/** @param now_ns  monotonic, for rates. @return the policy that keeps the trace; NULL: none does */
const struct policy *policy_decide(const struct sampling *s, const struct span *spans, size_t n,
                                   struct rates_state *rates, int64_t now_ns);

/** The randomness of a trace, 56 bits, the same for whoever sees a part of it: "rv" of the OpenTelemetry part of the
 * trace state of the first span that has one, else the end of the trace id. That is random when the random flag of W3C
 * Trace Context level 2 is set; where it is not, OpenTelemetry's samplers presume so, and so does this, since all must
 * do the same. */
uint64_t policy_randomness(const struct span *spans, size_t n);
/** Trace state with the threshold of a share written as "th", which says how many spans one stands for. A larger one
 * that came with the span stays (it was sampled more sharply before), unless the randomness is below it: then it cannot
 * be true and goes. The old state without memory. */
struct str policy_trace_state(struct arena *a, struct str state, uint64_t threshold,
                              uint64_t randomness);

#endif
