/* SPDX-License-Identifier: Apache-2.0
 *
 * One OTLP request being decoded. Both encodings end here: JSON is rewritten as protobuf first, so that
 * every rule of what is accepted exists once. Strings of decoded items point into the request's bytes.
 */
#ifndef INGEST_OTLP_INTERNAL_H
#define INGEST_OTLP_INTERNAL_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/pb.h"
#include "ingest/ingest_internal.h"
#include "ingest/otlp.h"
#include "model/otel.h"

struct columns_commit;
struct delta_native;
struct delta_table;

struct otlp {
    struct sink *sink;
    struct work_pool *works;
    struct delta_table *deltas;
    struct delta_native *native_deltas;
    struct seen_set *metadata_seen; /* descriptors whose metadata was written */
};

/* Where in the request the decoder is, for messages: items are spans, log records or metrics. */
struct otlp_path {
    size_t resource;
    size_t scope;
    size_t item;  /* SIZE_MAX: a message about the whole request */
    size_t point; /* metrics only; SIZE_MAX elsewhere */
};

struct otlp_ctx {
    struct otlp *o;
    const struct otlp_request *req;
    const struct ingest_limits *limits;
    enum ingest_signal signal;
    struct arena *arena;
    struct otlp_path path;
    int64_t newest_ns; /* newest time seen, INT64_MIN: none */
    size_t accepted;
    size_t rejected[REJECT_COUNT];
    size_t altered[ALTER_COUNT];
    char first[256]; /* message of the first rejection, empty: none */
};

/** Count n refused items of the request; the first one's message goes into partial_success with the path
 * before it. */
void otlp_reject(struct otlp_ctx *c, enum ingest_reject reason, size_t n, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/** The resource or scope message of a group, raw. */
struct otlp_group {
    struct str resource;     /* encoded Resource */
    struct str resource_url; /* schema_url */
    struct str scope;        /* encoded InstrumentationScope */
    struct str scope_url;
    struct pb items; /* the Scope... message, at its start: items are its fields 2 */
    size_t items_n;
    bool new_resource; /* first scope of a resource */
};

#define OTLP_ITEM_TAG PB_TAG(2, PB_LEN)

/**
 * Walk Resource..., Scope... of any signal (same field numbers) and call `fn` per scope.
 * @return 0, the first non-zero answer of fn, -ERR_TRUNCATED, -ERR_INVALID
 */
typedef int (*otlp_group_fn)(struct otlp_ctx *c, void *arg, const struct otlp_group *g,
                             struct err *reterr);
NODISCARD int otlp_each_group(struct otlp_ctx *c, struct str body, otlp_group_fn fn, void *arg,
                              struct err *reterr);

/** Items of all groups of a request. */
NODISCARD int otlp_count_items(struct otlp_ctx *c, struct str body, size_t *ret,
                               struct err *reterr);

/** Where an item comes from, in the arena. */
struct otlp_origin {
    const struct resource *resource;
    const struct scope *scope;
};

/** Call `fn` per item. @return as otlp_each_group() */
typedef int (*otlp_item_fn)(struct otlp_ctx *c, void *arg, struct pb item,
                            const struct otlp_origin *from, struct err *reterr);
NODISCARD int otlp_each_item(struct otlp_ctx *c, struct str body, otlp_item_fn fn, void *arg,
                             struct err *reterr);
/** Count what a store of rows took and refused. @param what  "spans" */
void otlp_rows_done(struct otlp_ctx *c, const struct columns_commit *done, const char *what);
/** -ERR_NOMEM with the text for the client. */
int otlp_no_memory(struct err *reterr);

/* Decoders of common.proto and resource.proto into the arena. All: 0, -ERR_TRUNCATED, -ERR_INVALID,
 * -ERR_NOMEM. */

/** Valid UTF-8 out of any bytes, counted when repaired. */
NODISCARD int otlp_text(struct otlp_ctx *c, struct str raw, struct str *ret, struct err *reterr);
NODISCARD int otlp_value(struct otlp_ctx *c, struct pb msg, size_t depth, struct value *ret,
                         struct err *reterr);
/** The `n` KeyValue fields with `tag` of message `msg`. Adds what the limits drop to *dropped. */
NODISCARD int otlp_attrs(struct otlp_ctx *c, struct pb msg, uint32_t tag, size_t n,
                         struct attrs *ret, uint32_t *dropped, struct err *reterr);
NODISCARD int otlp_resource(struct otlp_ctx *c, const struct otlp_group *g,
                            const struct resource **ret, struct err *reterr);
NODISCARD int otlp_scope(struct otlp_ctx *c, const struct otlp_group *g, const struct scope **ret,
                         struct err *reterr);

/** uint64 ns into int64. @return false above INT64_MAX. */
static inline bool otlp_time(uint64_t u, int64_t *ret)
{
    *ret = (int64_t)u;
    return u <= (uint64_t)INT64_MAX;
}

/* The three signals: protobuf bytes to the store. */
NODISCARD int otlp_traces(struct otlp_ctx *c, struct str body, struct err *reterr);
NODISCARD int otlp_logs(struct otlp_ctx *c, struct str body, struct err *reterr);
NODISCARD int otlp_metrics(struct otlp_ctx *c, struct str body, struct err *reterr);

/** Export...ServiceRequest in JSON to protobuf. Errors name the JSON path. */
NODISCARD int otlp_json_to_pb(enum otlp_signal signal, struct str json, struct buf *dst,
                              struct err *reterr);

#endif
