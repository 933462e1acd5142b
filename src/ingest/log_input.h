/* SPDX-License-Identifier: Apache-2.0
 *
 * What the doors that gather log records share (syslog, Fluent, Elasticsearch, JSON lines): a batch under construction
 * with its arena, streams (resources) found again instead of made twice, limits on texts, and the way into the store
 * with everything counted. Internal to src/ingest; one thread per batch.
 */
#ifndef INGEST_LOG_INPUT_H
#define INGEST_LOG_INPUT_H

#include "base/vec.h"
#include "ingest/log_sink.h"

enum { LOG_INPUT_RESOURCES = 64, LOG_INPUT_RESOURCE_ATTRS = 48 };

struct log_input {
    struct sink *sink;
    struct arena *arena; /* borrowed; everything of the batch is in it */
    const char *door;    /* one of sink.c's */
    bool keeps_trying;   /* the door stores again what is refused: that is no rejection */
    int64_t arrival_ns;
    VEC(struct log_record) records;
    struct log_tally tally;

    /* distinct resources of the batch, found by the hash of what they hold; a collision only makes one twice */
    struct {
        uint64_t hash;
        const struct resource *resource;
    } seen[LOG_INPUT_RESOURCES];
};

/** Begin; log_input_done() frees. */
void log_input_init(struct log_input *in, struct sink *sink, struct arena *arena, const char *door,
                    int64_t arrival_ns);
/** Forget the batch, keep the memory of the list; the arena is the caller's to reset. */
void log_input_reset(struct log_input *in, int64_t arrival_ns);
void log_input_done(struct log_input *in);

/** Valid UTF-8 of at most `max` bytes, counted when it was changed. @return 0, -ERR_NOMEM */
NODISCARD int log_input_text(struct log_input *in, struct str raw, size_t max,
                             enum ingest_alter cut, struct str *ret);
/** A resource with these attributes (copied, their strings borrowed). NULL: no memory. */
const struct resource *log_input_resource(struct log_input *in, const struct attr *v, size_t n);
/** Add a record; time, severity and ids are settled here: no time is the arrival's. Bad times are left out and
 * counted. @return 0; 1 left out; -ERR_NOMEM */
NODISCARD int log_input_add(struct log_input *in, const struct log_record *r);
/** Store what was added and count it. Nothing added is fine.
 * @return 0; -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM, -ERR_OVERLOAD: nothing was stored */
NODISCARD int log_input_store(struct log_input *in, struct columns_commit *ret, struct err *reterr);

extern const struct scope LOG_INPUT_SCOPE; /* the empty one */

#endif
