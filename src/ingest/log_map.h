/* SPDX-License-Identifier: Apache-2.0
 *
 * From the fields of a log event that has no schema (JSON, msgpack) to a log record: which field is its time, text,
 * level, trace, what belongs to its source (the resource) and what stays an attribute. The names are those of
 * Elastic's common schema, Fluent Bit, Docker, journald and the usual loggers, turned into OpenTelemetry's. One table
 * for all doors. Internal to src/ingest; one thread.
 */
#ifndef INGEST_LOG_MAP_H
#define INGEST_LOG_MAP_H

#include "ingest/log_input.h"

enum { LOG_MAP_NAMES = 8, LOG_MAP_SLOTS = 4096, LOG_MAP_PATH = 1024 };

/** Names a request gives; they stand before the usual ones. */
struct log_map_names {
    struct str time[LOG_MAP_NAMES];
    struct str message[LOG_MAP_NAMES];
    struct str level[LOG_MAP_NAMES];
    struct str
        stream[LOG_MAP_NAMES]; /* fields that belong to the resource besides the known ones */
    size_t time_n, message_n, level_n, stream_n;
    bool no_time; /* the door has the time from elsewhere: fields of that name are attributes */
};

/** One record in the making. Large: one per request. */
struct log_map {
    struct log_input *in;
    const struct log_map_names *names; /* borrowed, never NULL */
    struct log_record r;
    size_t time_rank, message_rank, level_rank; /* of what is in `r`; lower wins */
    struct str wrong_time;                      /* text of a time that could not be read */
    struct attr *attrs;                         /* max_attrs of them, in the arena per record */
    size_t attrs_n, attrs_cap;
    struct attr resource[LOG_INPUT_RESOURCE_ATTRS];
    size_t resource_n;
    uint32_t dropped;
    uint32_t record; /* counts records, so that slots need not be cleared */

    struct {
        uint32_t record;
        uint32_t at;
    } slots[LOG_MAP_SLOTS]; /* attributes by the hash of their key */
};

/** NULL: no memory. `names` NULL: none. */
struct log_map *log_map_new(struct log_input *in, const struct log_map_names *names);
void log_map_free(struct log_map *m); /* NULL is fine */

void log_map_begin(struct log_map *m);
/** A field that is no object; `path` has dots between the keys of nested objects. Strings may hold any bytes; they and
 * the path live as long as the batch. @return 0, -ERR_NOMEM */
NODISCARD int log_map_field(struct log_map *m, struct str path, struct value value);
/** Put an attribute on the resource, over one the event gave. @return as log_map_field() */
NODISCARD int log_map_resource(struct log_map *m, struct str key, struct str value);
/** Add the record to the batch. @param whole  text of an event that has no field with one
 * @return 0; 1 refused and counted; -ERR_NOMEM */
NODISCARD int log_map_end(struct log_map *m, struct str whole);

/** A time as text or number: RFC 3339 (also without zone: UTC; a space for the T), Unix seconds, milliseconds,
 * microseconds or nanoseconds by size. @return false when it is none */
bool log_map_time(const struct value *v, int64_t *ret_ns);

#endif
