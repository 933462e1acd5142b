/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms as test scripts write them: {{schema:1 count:3 sum:5 z_bucket:1 buckets:[1 1] offset:-1}}.
 * Source: Prometheus' documentation of unit tests for rules.
 */
#ifndef QUERY_PROMQL_TESTS_HIST_LITERAL_H
#define QUERY_PROMQL_TESTS_HIST_LITERAL_H

#include "base/arena.h"
#include "base/str.h"
#include "model/histogram.h"

/** @return NULL when it is malformed */
const struct native_histogram *hist_literal(struct str text, struct arena *a);
/** The same but for rounding. */
bool hist_same(const struct native_histogram *want, const struct native_histogram *got);

#endif
