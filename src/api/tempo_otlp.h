/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored spans back to OTLP: a trace as resource spans, in protobuf or as JSON in the form of Tempo's trace
 * endpoints (protobuf's JSON mapping, ids in base64). Source: opentelemetry-proto 1.x, trace/v1.
 */
#ifndef API_TEMPO_OTLP_H
#define API_TEMPO_OTLP_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/json_write.h"
#include "model/otel.h"

enum otlp_form { OTLP_FORM_PB, OTLP_FORM_JSON };

struct scope_group {
    struct str head;  /* encoded scope and schema, in the arena */
    struct buf spans; /* encoded */
    struct json_writer w;
};

struct resource_group {
    struct str head;
    VEC(struct scope_group *) scopes;
};

/** Spans gathered by resource and scope. */
struct otlp_trace {
    enum otlp_form form;
    struct arena *a; /* borrowed */
    VEC(struct resource_group *) groups;
    struct map by_resource; /* encoded resource to group */
    struct buf scratch;
    size_t spans;
    size_t max_bytes;
    size_t bytes;
};

void otlp_trace_init(struct otlp_trace *t, enum otlp_form form, struct arena *a, size_t max_bytes);
void otlp_trace_done(struct otlp_trace *t);
/** Encoded at once: the span need not outlive the call. @return 0, -ERR_LIMIT, -ERR_NOMEM */
NODISCARD int otlp_trace_add(struct otlp_trace *t, const struct span *s);
/** Protobuf: repeated ResourceSpans as field 1, the message tempopb.Trace and TracesData alike. */
void otlp_trace_write_pb(const struct otlp_trace *t, struct buf *dst);
/** JSON: the array of resource spans. */
void otlp_trace_write_json(const struct otlp_trace *t, struct json_writer *w);

/** {"stringValue":"x"}, {"intValue":"5"}, ... */
void json_any_value(struct json_writer *w, const struct value *v);
/** [{"key":"k","value":{...}}, ...] */
void json_key_values(struct json_writer *w, struct attrs as);

#endif
