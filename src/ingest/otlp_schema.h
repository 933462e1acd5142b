/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of OTLP as tables: field numbers, JSON names and types, for the JSON encoding. Source:
 * opentelemetry-proto 1.x (collector, trace, logs, metrics, common, resource v1).
 */
#ifndef INGEST_OTLP_SCHEMA_H
#define INGEST_OTLP_SCHEMA_H

#include "base/str.h"
#include "ingest/otlp.h"

enum schema_type {
    SCHEMA_MESSAGE,
    SCHEMA_STRING,
    SCHEMA_BYTES,    /* base64 */
    SCHEMA_TRACE_ID, /* 32 hex digits or empty (OTLP's deviation from proto3 JSON) */
    SCHEMA_SPAN_ID,  /* 16 hex digits or empty */
    SCHEMA_BOOL,
    SCHEMA_ENUM,
    SCHEMA_VARINT_I64, /* int64 */
    SCHEMA_VARINT_U64, /* uint64, uint32 */
    SCHEMA_SINT32,
    SCHEMA_FIXED32,
    SCHEMA_FIXED64,
    SCHEMA_SFIXED64,
    SCHEMA_F64,
};

struct schema_enum {
    const char *prefix;       /* of the value names, "SPAN_KIND_" */
    const char *const *names; /* without the prefix, indexed by number, NULL-terminated */
};

struct schema_message;

struct schema_field {
    uint32_t num;
    enum schema_type type;
    bool repeated;
    struct str camel; /* proto3 JSON name */
    struct str snake; /* name in the .proto */
    const struct schema_message *message;
    const struct schema_enum *enumeration;
};

struct schema_message {
    const struct schema_field *fields;
    size_t n;
};

/** Export...ServiceRequest. */
const struct schema_message *otlp_schema(enum otlp_signal signal);
/** By either name; NULL when unknown. */
const struct schema_field *schema_find(const struct schema_message *m, struct str name);

#endif
