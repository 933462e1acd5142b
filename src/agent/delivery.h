/* SPDX-License-Identifier: Apache-2.0
 *
 * The export thread: takes batches from a bounded queue and sends them one after the other; what cannot be
 * sent goes to the spool and is sent first when the server is back. Everything in the spool is older than
 * everything in the queue.
 */
#ifndef AGENT_DELIVERY_H
#define AGENT_DELIVERY_H

#include "agent/batch.h"
#include "agent/spool.h"

struct delivery;

enum send_verdict {
    SEND_OK,
    SEND_RETRY,  /* not reachable, 429, 5xx, wrong token: keep and try again */
    SEND_REJECT, /* the server will never take it (400 and its like) */
};

struct send_result {
    enum send_verdict verdict;
    int64_t retry_after_ms; /* what the server asked for; 0: nothing */
    char msg[192];          /* why, for the log */
};

/** Blocks at most about timeout_ms. Called by the export thread only. */
typedef void (*delivery_send)(void *ctx, const struct batch *b, int64_t timeout_ms,
                              struct send_result *ret);

enum drop_reason {
    DROP_REJECTED,
    DROP_SPOOL_FULL,
    DROP_SPOOL_ERROR,
    DROP_CORRUPT,
    DROP_QUEUE_FULL,
    DROP_COUNT
};

struct delivery_opts {
    delivery_send send;
    void *send_ctx;
    struct spool *spool;    /* borrowed; only used by the delivery until it stopped */
    size_t queue_max_bytes; /* in memory */
    int64_t timeout_ms;     /* of one request */
    int64_t backoff_min_ms; /* first pause after a failure [1000] */
    int64_t backoff_max_ms; /* longest pause [30000] */
    uint64_t seed;          /* of the jitter */
};

struct delivery_stats {
    uint64_t delivered[BATCH_SIGNAL_COUNT];
    uint64_t failures; /* attempts */
    uint64_t dropped[DROP_COUNT];
    uint64_t queue_bytes;
    uint64_t spool_bytes;
};

/** Starts the thread. @return 0, -ERR_UNAVAILABLE */
NODISCARD int delivery_new(const struct delivery_opts *opts, struct delivery **ret);
/**
 * Stop: send what is queued if the server answers, spool the rest, within about timeout_ms.
 * @return true when the thread ended and delivery_free() may be called; false when a request still hangs:
 *         everything was spooled and the process must exit without freeing
 */
bool delivery_stop(struct delivery *d, int64_t timeout_ms);
/** After delivery_stop() returned true. */
void delivery_free(struct delivery *d);
/**
 * Hand over a batch; *b is empty afterwards, also when it was refused. Never blocks.
 * @return false when the queue is full: metrics are lost and counted, logs are read again later
 */
bool delivery_put(struct delivery *d, struct batch *b);
/** True when the queue takes no logs at the moment. */
bool delivery_full(struct delivery *d);
/** Move the marks of batches that are safe (delivered, spooled or rejected) since the last call to dst, in
 * order. @return how many */
size_t delivery_take_marks(struct delivery *d, log_marks *dst);
/** An eventfd that becomes readable when there are marks to take. */
int delivery_event_fd(const struct delivery *d);
struct delivery_stats delivery_stats_of(struct delivery *d);
const char *drop_reason_name(enum drop_reason r);

#endif
