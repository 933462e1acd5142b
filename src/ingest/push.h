/* SPDX-License-Identifier: Apache-2.0
 *
 * What the doors for samples other than OTLP share (text exposition, Influx, CSV, JSON lines, remote write 2.0): one
 * request's way into the metrics engine. A decoder hands samples over one by one; series it knows are found by a hash
 * of their encoded identity, batches are committed while it goes on, so that a request of any length needs little
 * memory. Items that break a rule are left out and counted, the first one is named in the answer.
 */
#ifndef INGEST_PUSH_H
#define INGEST_PUSH_H

#include "ingest/sink.h"
#include "model/exemplar.h"

struct err;
struct native_histogram;
struct push_door;
struct push; /* one request; one thread */

/** One for all doors of a server. `door` names of requests must be among sink.c's. */
struct push_door *push_door_new(struct sink *sink);
void push_door_free(struct push_door *d);

struct push_opts {
    const char *door;    /* of the counters */
    struct labels extra; /* put on every series, over its own of these names; borrowed */
    struct str drop;     /* label left out of every series; empty: none */
    int64_t now_ms;      /* time of samples that carry none */
    int64_t reserve;     /* bytes to take from the decode budget while it runs */
};

struct push_result {
    size_t accepted;   /* float samples stored (a histogram's components do not count) */
    size_t histograms; /* native histograms stored */
    size_t exemplars;
    size_t skipped;  /* values that are no numbers (Influx strings) */
    size_t rejected; /* samples left out */
    int first;       /* error code of `why`; 0: nothing was left out */
    char why[256];   /* the first thing left out */
};

/**
 * Run `decode` over a request. It is run a second time when the store forgot a series in between; what was stored
 * is stored again with the same values.
 * @param ret  also filled on failure, with what was stored before it
 * @return 0, also when items were left out (ret->first); what decode returned; -ERR_OVERLOAD, -ERR_NOMEM,
 *         -ERR_NOSPACE, -ERR_IO
 */
NODISCARD int push_run(struct push_door *d, const struct push_opts *o,
                       int (*decode)(void *arg, struct push *p, struct err *reterr), void *arg,
                       struct push_result *ret, struct err *reterr);

/* ---- for decoders ---- */

/** A series as far as a sample needs it. */
struct push_series {
    struct hash128 key;
    struct series_ref ref;
    bool known; /* ref is good */
};

/** The key of an encoded identity; `known` when the store has it. `form` tells identities of different kinds
 * of bytes apart. */
void push_find(struct push *p, uint64_t form, const void *identity, size_t n,
               struct push_series *ret);
/** The same from a hash made by the decoder. */
void push_find_hash(struct push *p, uint64_t form, struct hash128 hash, struct push_series *ret);

/** Extra labels put on, the dropped one taken off, checked and sorted; in the request's arena until push_reset().
 * @return 0; 1 refused, counted as one item and remembered; -ERR_NOMEM */
NODISCARD int push_labels(struct push *p, struct labels in, struct labels *ret, struct err *reterr);
/** Make the series known. `labels` from push_labels(). @return 0; 1 refused (limit of series); -ERR_NOMEM ... */
NODISCARD int push_intern(struct push *p, struct labels labels, struct push_series *s,
                          struct err *reterr);
/** @return 0, -ERR_NOMEM, the store's errors (a full batch is committed) */
NODISCARD int push_sample(struct push *p, const struct push_series *s, int64_t t_ms, double v,
                          struct err *reterr);
/** The series began at created_ms: where limits.created_zeros is set, a 0 is put there, once, when it is
 * before t_ms and not more than an hour old. @return as push_sample() */
NODISCARD int push_created(struct push *p, const struct push_series *s, int64_t created_ms,
                           int64_t t_ms, struct err *reterr);
/** Does push_start() do anything? */
bool push_wants_starts(const struct push *p);
/** The counter or histogram whose sample at t_ms comes next began at start_ms; stored where the sink wants it.
 * `labels` as for push_histogram(). @return 0; 1 refused; errors */
NODISCARD int push_start(struct push *p, const struct push_series *s, int64_t start_ms,
                         int64_t t_ms,
                         int (*labels)(void *arg, struct labels *ret, struct err *reterr),
                         void *arg, struct err *reterr);
/** A native histogram of the series (which needs no ref). `labels` gives checked labels when asked, as
 * native_series.labels does. @return 0; 1 refused; errors */
NODISCARD int push_histogram(struct push *p, const struct push_series *s, int64_t t_ms,
                             const struct native_histogram *h,
                             int (*labels)(void *arg, struct labels *ret, struct err *reterr),
                             void *arg, struct err *reterr);
/** Too long ones are left out and counted. `labels` from push_labels(). @return 0, the store's errors */
NODISCARD int push_exemplar(struct push *p, struct labels labels, const struct exemplar *e,
                            struct err *reterr);
/** Type, unit, help of a family, when not done recently. Failures are counted only. */
void push_metadata(struct push *p, struct str metric, struct str type, struct str unit,
                   struct str help);
/** Leave an item out: counted, and remembered when it is the first. `what` may be NULL. */
void push_refuse(struct push *p, size_t items, const struct err *why, struct labels series);
void push_skip(struct push *p, size_t values);
/** More items of what was refused just now. */
void push_count_refused(struct push *p, size_t items);
/** A whole line or item that cannot be read. */
void push_refuse_text(struct push *p, const struct err *why);

struct arena *push_arena(struct push *p);
/** Forget what is in the arena; between items. */
void push_reset(struct push *p);
/** Buffers of the request, kept for the next one. */
struct buf *push_body(struct push *p);
struct buf *push_scratch(struct push *p);
int64_t push_now_ms(const struct push *p);
const struct push_opts *push_options(const struct push *p);

#endif
