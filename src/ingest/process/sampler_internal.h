/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the sampler share. Traces wait in shards by the hash of their id, so that doors rarely wait for
 * each other; the log is one, written without any lock of ours.
 *
 * Order of locks: decide_lock, then log_lock or a shard's lock; never two shards, never log_lock with a shard. Only
 * decide_lock is held while storing.
 */
#ifndef INGEST_PROCESS_SAMPLER_INTERNAL_H
#define INGEST_PROCESS_SAMPLER_INTERNAL_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/vec.h"
#include "ingest/process/decided.h"
#include "ingest/process/policy.h"
#include "ingest/process/sampler.h"
#include "store/columns/rowcodec.h"

enum {
    SAMPLER_SHARD_BITS = 4,
    SAMPLER_SHARDS = 1 << SAMPLER_SHARD_BITS,
    SAMPLER_ROUND = 64, /* traces decided and stored at once */
};

/* One request's spans, encoded. */
struct held_batch {
    struct batch open;
    struct arena tables;
    struct buf payload;
    size_t bytes;     /* as counted */
    uint64_t segment; /* of the log, pinned */
    _Atomic uint32_t users;
};

struct row_ref {
    struct held_batch *batch;
    struct str row;
};

/* What is known of a trace when its turn comes. */
enum verdict { VERDICT_OPEN, VERDICT_KEEP, VERDICT_DROP };

struct pending {
    struct trace_id id;
    int64_t first_ns; /* monotonic */
    uint64_t seq;     /* rises in the order traces began */
    VEC(struct row_ref) rows;
    uint32_t covered;     /* rows that decisions of the log were about; replay only */
    struct pending *next; /* began later */
    size_t bytes;
    enum verdict verdict;
};

struct pending_list {
    struct pending *first, *last;
};

struct sampler_shard {
    struct mutex lock;
    struct map traces;           /* waiting, by id; guarded by: lock */
    struct pending_list waiting; /* guarded by: lock */
    struct decided *decided;     /* guarded by: lock */
};

/* A segment of the log that batches in memory, or about to be written, are in. */
struct segment_pin {
    uint64_t segment;
    uint64_t users;
};

/* All relaxed: counters. */
struct sampler_counts {
    _Atomic uint64_t traces, bytes;
    _Atomic uint64_t kept_traces, dropped_traces;
    _Atomic uint64_t kept_spans, dropped_spans;
    _Atomic uint64_t late_spans, early;
};

struct sampler {
    struct sampler_opts opts;
    char *dir;
    struct sampler_shard shards[SAMPLER_SHARDS];
    struct sampler_counts counts;
    _Atomic uint64_t seq; /* relaxed */

    struct mutex decide_lock;    /* one decision round at a time */
    struct pending_list unsaved; /* to be kept, but the store failed; guarded by: decide_lock */
    struct rates_state *rates;   /* guarded by: decide_lock */

    struct mutex log_lock;
    struct wal *wal;              /* set once; NULL: nothing was ever taken; guarded by: log_lock */
    VEC(struct segment_pin) pins; /* guarded by: log_lock */
    uint64_t newest_segment;      /* at least, guarded by: log_lock */
    bool appended;                /* since the log was rotated; guarded by: log_lock */
    int64_t rotated_ns;           /* of the thread that ticks */
};

/* ---- lists ---- */

static inline void pending_push(struct pending_list *l, struct pending *p)
{
    p->next = NULL;
    if (l->last != NULL) {
        l->last->next = p;
    } else {
        l->first = p;
    }
    l->last = p;
}

static inline void pending_push_front(struct pending_list *l, struct pending *p)
{
    p->next = l->first;
    l->first = p;
    if (l->last == NULL) {
        l->last = p;
    }
}

static inline struct pending *pending_pop(struct pending_list *l)
{
    struct pending *p = l->first;

    if (p != NULL) {
        l->first = p->next;
        if (l->first == NULL) {
            l->last = NULL;
        }
    }
    return p;
}

static inline struct str trace_key(const struct trace_id *id)
{
    return str_of((const char *)id->b, sizeof(id->b));
}

static inline size_t shard_number(const struct trace_id *id)
{
    return hash64(id->b, sizeof(id->b)) >> (64 - SAMPLER_SHARD_BITS);
}

static inline struct sampler_shard *shard_of(struct sampler *s, const struct trace_id *id)
{
    return &s->shards[shard_number(id)];
}

static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline void count_sub(_Atomic uint64_t *c, uint64_t n)
{
    atomic_fetch_sub_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t count_get(const _Atomic uint64_t *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* ---- sampler.c: batches and what waits ---- */

struct held_batch *held_batch_new(void);
/** One that nothing was inserted of. NULL is fine. */
void held_batch_free(struct held_batch *b);
/** The rows of a batch to their traces. Owns the batch, whose segment is pinned. @return 0, -ERR_NOMEM, -ERR_CORRUPT */
NODISCARD int sampler_insert(struct sampler *s, struct held_batch *b, int64_t now_ns);
/** With its rows. No shard's lock is held. */
void pending_free(struct sampler *s, struct pending *p);

/* ---- sampler_log.c ---- */

/** Open the log when there is one. What was not decided waits from now_ns on. */
NODISCARD int sampler_log_open(struct sampler *s, int64_t now_ns, struct err *reterr);
/** Write a batch and pin its segment. @return 0; else the batch is still the caller's */
NODISCARD int sampler_log_spans(struct sampler *s, struct held_batch *b, struct err *reterr);
/** Note the verdicts on n <= SAMPLER_ROUND traces and how many rows each is about. */
NODISCARD int sampler_log_decisions(struct sampler *s, struct pending *const *v, size_t n,
                                    struct err *reterr);
void sampler_log_unpin(struct sampler *s, uint64_t segment);
/** Segments nothing is pinned in go, every so often. */
void sampler_log_shorten(struct sampler *s, int64_t now_ns, int64_t every_ns);

/* ---- sampler_decide.c ---- */

/** Tables of what was decided, of the size the program wants. Called with the shard's lock. */
void shard_ready_decided(struct sampler_shard *sh, const struct program *prog);
/** One round: the oldest that are due, unless `enough` bytes or less wait.
 * @return traces dealt with, 0: none was due; negative: the store failed */
NODISCARD int64_t sampler_round(struct sampler *s, const struct program *prog, int64_t now_ns,
                                int64_t due_ns, uint64_t enough);

#endif
