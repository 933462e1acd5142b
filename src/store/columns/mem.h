/* SPDX-License-Identifier: Apache-2.0
 *
 * The in-memory part: batches in the row encoding, gathered in generations. A flush seals the active
 * generation and turns it into parts on disk while appends go on into the next one. Row ids rise with
 * generations: every id of a sealed generation is below the first id of the next.
 */
#ifndef STORE_COLUMNS_MEM_H
#define STORE_COLUMNS_MEM_H

#include <stdatomic.h>

#include "base/vec.h"
#include "store/columns/rowcodec.h"

/** Short fingerprints of the trace ids in a chunk, sorted, each once. */
struct trace_set {
    size_t n;
    uint32_t v[];
};

/** Made when the first query asks. */
struct mem_index {
    _Atomic(struct trace_set *) traces; /* acq_rel: the set is complete before it can be seen */
};

struct mem_chunk {
    struct batch_info info;
    struct str payload;      /* owned by the generation */
    struct mem_index *index; /* the same; NULL: none, the rows have to be looked at */
};

struct mem_gen {
    atomic_uint refs;             /* relaxed up, acq_rel down */
    VEC(struct mem_chunk) chunks; /* guarded by: columns.lock while active */
    uint64_t bytes;               /* guarded by: columns.lock */
    uint64_t rows;                /* guarded by: columns.lock */
    size_t inflight;              /* appends between id and chunk; guarded by: columns.lock */
    uint64_t end_id;              /* first id that is not in it; set when sealed */
    int64_t created_ns;           /* of the monotonic clock */
    int64_t touched_ns;           /* of the last batch; guarded by: columns.lock */
    struct budget *budget;
    int64_t charged_bytes; /* taken from the budget, given back at the end */
};

/** @return NULL when there is no memory */
struct mem_gen *mem_gen_new(struct budget *budget);
void mem_gen_ref(struct mem_gen *g);
void mem_gen_unref(struct mem_gen *g); /* NULL is fine */
/** Take over a payload (mem_free()d later). Room must have been reserved. `charged`: of the budget. */
void mem_gen_add(struct mem_gen *g, const struct batch_info *info, struct str payload,
                 int64_t charged);

/** The chunk's trace ids (the generation's, for as long as that is pinned); NULL when they could not be listed. */
const struct trace_set *mem_chunk_traces(const struct mem_chunk *c);
/** May a row of the chunk belong to the trace? */
bool mem_chunk_may_have(const struct mem_chunk *c, const uint8_t trace_id[16]);

/** Called with each wanted row. @return 0 to go on, 1 to stop, negative error */
typedef int (*mem_row_fn)(void *arg, const struct batch *b, struct str row, uint32_t at,
                          int64_t time_ns, uint64_t id);
/** Rows of a chunk with min_ns <= time < max_ns in the order of their ids; the batch's tables go into
 * `a`. @return 0; 1 when `fn` stopped; an error */
NODISCARD int mem_chunk_each(const struct mem_chunk *c, int64_t min_ns, int64_t max_ns,
                             struct arena *a, mem_row_fn fn, void *arg, struct err *reterr);

#endif
