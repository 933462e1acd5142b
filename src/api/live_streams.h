/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events on a beat (WHATWG HTML, section 9.2): one thread asks each stream's source for its next event, every
 * 2 s. For live screens whose state is asked for, not pushed row by row (that is tail.c).
 */
#ifndef API_LIVE_STREAMS_H
#define API_LIVE_STREAMS_H

#include "base/buf.h"
#include "base/stats.h"
#include "net/http_server.h"

struct live_streams;

enum { LIVE_EVENT_MAX = 16 << 20 };

struct live_source {
    /** Append the next event ("event: ...\ndata: ...\n\n") or nothing. `again`: the last one did not reach the client,
     * so tell it everything. Calls of one source never overlap. */
    void (*next)(void *arg, struct buf *dst, bool again);
    void (*free)(void *arg);
    void *arg;
};

struct live_streams *live_streams_new(struct stats *stats);
/** NULL is fine. */
void live_streams_free(struct live_streams *l);
/** Ends every stream and waits until their sources are freed. */
void live_streams_end_all(struct live_streams *l);
/** Answer the request with a stream of the source's events, the first at once. Takes the source over. */
void live_streams_start(struct live_streams *l, struct http_exchange *x,
                        const struct live_source *source);

#endif
