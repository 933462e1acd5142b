/* SPDX-License-Identifier: Apache-2.0
 *
 * A series source over plain arrays, for tests, fuzzing and benchmarks of the query engine. Not thread-safe
 * while it is filled; reading is.
 */
#ifndef QUERY_PROMQL_TESTS_MEM_SOURCE_H
#define QUERY_PROMQL_TESTS_MEM_SOURCE_H

#include "store/series_source.h"

struct mem_source;

struct mem_source *mem_source_new(void);
void mem_source_free(struct mem_source *s);
void mem_source_clear(struct mem_source *s);
/** Add one sample; times of a series must rise, an equal time replaces. `ls` is copied. */
void mem_source_add(struct mem_source *s, struct labels ls, int64_t t_ms, double v);
/** The same for a native histogram, whose time must rise too; copied. */
void mem_source_add_histogram(struct mem_source *s, struct labels ls, int64_t t_ms,
                              const struct native_histogram *h);
/** From t_ms on the counter of the series is one that began at start_ms. */
void mem_source_add_start(struct mem_source *s, struct labels ls, int64_t t_ms, int64_t start_ms);
struct series_source mem_source_view(struct mem_source *s);

/** Read `name{a="b",...}` off the front of *text into `dst` [cap], sorted; strings point into `a`.
 * @return false when it is malformed */
bool mem_source_parse_labels(struct str *text, struct arena *a, struct label *dst, size_t cap,
                             struct labels *ret);
/** Lines `name{labels} value seconds`; others are ignored. @return false on a malformed line */
bool mem_source_load_text(struct mem_source *s, struct str text);

#endif
