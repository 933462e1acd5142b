/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans and log records as the JSON of api/openapi.yaml.
 */
#ifndef API_OTEL_JSON_H
#define API_OTEL_JSON_H

#include "codec/json_write.h"
#include "model/otel.h"

/** One attribute value. int64 beyond +-2^53 becomes {"int":"..."}, bytes {"bytes":base64}, NaN and
 * infinities {"double":"NaN"}: everything comes back exactly. */
void json_value(struct json_writer *w, const struct value *v);
void json_attrs(struct json_writer *w, struct attrs as);
/** "service.name" of the resource, or "unknown_service" as the specification's default. */
struct str service_of(const struct resource *r);

/** `resource` and `scope` are the indexes the caller keeps. */
void json_span(struct json_writer *w, const struct span *s, size_t resource, size_t scope);
void json_scope(struct json_writer *w, const struct scope *s);
/** 16 hex digits. */
void json_pattern_id(struct json_writer *w, uint64_t id);
void json_log(struct json_writer *w, const struct log_record *r, uint64_t id);
/** The same without the object around it. */
void json_log_members(struct json_writer *w, const struct log_record *r, uint64_t id);

/** key: "hex", left out when all zero. */
void json_trace_id(struct json_writer *w, const char *key, struct trace_id id);
void json_span_id(struct json_writer *w, const char *key, struct span_id id);

#endif
