/* SPDX-License-Identifier: Apache-2.0
 *
 * Tail sampling: spans wait by trace until it can be judged. Invariant: a span that was taken is in the sampler's own
 * write-ahead log until its trace is decided and, if kept, in the store; so kill -9 loses nothing acknowledged. A
 * crash between storing and noting the decision stores a trace twice, which queries show once.
 */
#ifndef INGEST_PROCESS_SAMPLER_H
#define INGEST_PROCESS_SAMPLER_H

#include "ingest/process/program.h"
#include "store/wal/wal.h"

struct sampler;

struct sampler_opts {
    const char *dir; /* of its log; made when the first span is taken */
    enum wal_sync wal_sync;
    const struct vfs *vfs; /* NULL: the real one */
    struct stats *stats;   /* may be NULL */
    /** Store spans that are kept. @return 0 or an error: tried again later */
    int (*store)(void *arg, const struct span *spans, size_t n, struct err *reterr);
    void *store_arg;
};

/** Replays the log, if there is one: what was undecided waits again from `now_ns` on.
 * @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM, -ERR_CORRUPT */
NODISCARD int sampler_open(const struct sampler_opts *opts, int64_t now_ns, struct sampler **ret,
                           struct err *reterr);
/** Decides everything with these policies (NULL: keeps all). What cannot be stored stays in the log. NULL is fine. */
void sampler_close(struct sampler *s, const struct program *p, int64_t now_ns);

/**
 * Take spans: those of decided traces follow the decision, the others wait. Thread-safe.
 * @param now_ns  monotonic
 * @return 0; -ERR_OVERLOAD when there is no room and nothing can be decided, -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM
 */
NODISCARD int sampler_add(struct sampler *s, const struct program *p, const struct span *spans,
                          size_t n, int64_t now_ns, struct err *reterr);
/** Decide what has waited long enough (all, with sampling off). To be called a few times a second. */
void sampler_tick(struct sampler *s, const struct program *p, int64_t now_ns);

struct sampler_status {
    uint64_t traces; /* waiting */
    uint64_t bytes;
    uint64_t kept_traces, dropped_traces;
    uint64_t kept_spans, dropped_spans;
    uint64_t late_spans;
    uint64_t early; /* traces decided before their time for want of memory */
};

void sampler_status(struct sampler *s, struct sampler_status *ret);

#endif
