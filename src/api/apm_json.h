/* SPDX-License-Identifier: Apache-2.0
 *
 * Live figures as JSON, the same in answers and in the stream. Milliseconds with fractions; what has no value is null.
 */
#ifndef API_APM_JSON_H
#define API_APM_JSON_H

#include "apm/live.h"
#include "codec/json_write.h"

void apm_json_member_i64(struct json_writer *w, const char *key, int64_t v);
/** Members of an open object: counts, APDEX, times; with `seconds` also requests per second. */
void apm_json_figures(struct json_writer *w, const struct live_figures *f, double seconds);
/** An object. */
void apm_json_group(struct json_writer *w, const struct live_group *g, double seconds);
/** An object, without figures. */
void apm_json_instance(struct json_writer *w, const struct live_instance *i);
void apm_json_point(struct json_writer *w, const struct live_point *p);

#endif
