/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations of the in-memory part. Payloads never move once added, so readers that hold a reference use
 * them without a lock.
 */
#include "store/columns/mem.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/columns/part_format.h"

struct mem_gen *mem_gen_new(struct budget *budget)
{
    struct mem_gen *g = mem_try_calloc(1, sizeof(*g));

    if (g != NULL) {
        atomic_init(&g->refs, 1);
        g->budget = budget;
        g->created_ns = clock_mono().ns;
    }
    return g;
}

void mem_gen_ref(struct mem_gen *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
}

void mem_gen_unref(struct mem_gen *g)
{
    if (g == NULL || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < g->chunks.n; i++) {
        struct mem_chunk *c = &g->chunks.v[i];

        mem_free((void *)(uintptr_t)c->payload.p);
        if (c->index != NULL) {
            mem_free(atomic_load_explicit(&c->index->traces, memory_order_acquire));
            mem_free(c->index);
        }
    }
    budget_give(g->budget, g->charged_bytes);
    vec_done(&g->chunks);
    mem_free(g);
}

void mem_gen_add(struct mem_gen *g, const struct batch_info *info, struct str payload,
                 int64_t charged)
{
    g->chunks.v[g->chunks.n++] =
        (struct mem_chunk){*info, payload, mem_try_calloc(1, sizeof(struct mem_index))};
    g->bytes += payload.n;
    g->charged_bytes += charged;
    g->rows += info->rows_n;
    g->touched_ns = clock_mono().ns;
}

static int by_value(const void *pa, const void *pb)
{
    const uint32_t a = *(const uint32_t *)pa;
    const uint32_t b = *(const uint32_t *)pb;

    return (a > b) - (a < b);
}

static struct trace_set *list_traces(const struct mem_chunk *c)
{
    struct batch b = {.info = c->info, .payload = c->payload};
    struct trace_set *set = mem_try_alloc(sizeof(*set) + c->info.rows_n * sizeof(set->v[0]));
    uint32_t pos = rowcodec_first();
    struct str row = {0};
    int64_t time_ns;
    size_t n = 0;
    size_t kept = 0;

    if (set == NULL) {
        return NULL;
    }
    while (rowcodec_next(&b, &pos, &row, &time_ns) == 1 && n < c->info.rows_n) {
        struct trace_id id;

        if (rowcodec_row_trace(row, c->info.kind, &id) < 0) {
            mem_free(set); /* whoever reads the rows will say what is wrong */
            return NULL;
        }
        if (!trace_id_is_zero(id)) {
            set->v[n++] = (uint32_t)trace_fingerprint(id.b);
        }
    }
    qsort(set->v, n, sizeof(set->v[0]), by_value);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || set->v[kept - 1] != set->v[i]) {
            set->v[kept++] = set->v[i];
        }
    }
    set->n = kept;
    return set;
}

const struct trace_set *mem_chunk_traces(const struct mem_chunk *c)
{
    struct trace_set *set = NULL;
    struct trace_set *made;

    if (c->index == NULL) {
        return NULL;
    }
    set = atomic_load_explicit(&c->index->traces, memory_order_acquire);
    if (set != NULL) {
        return set;
    }
    made = list_traces(c);
    if (made != NULL &&
        !atomic_compare_exchange_strong_explicit(&c->index->traces, &set, made,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        mem_free(made); /* another query was faster */
        return set;
    }
    return made;
}

bool mem_chunk_may_have(const struct mem_chunk *c, const uint8_t trace_id[16])
{
    const struct trace_set *set = mem_chunk_traces(c);
    const uint32_t fp = (uint32_t)trace_fingerprint(trace_id);

    return set == NULL ||
           (set->n != 0 && bsearch(&fp, set->v, set->n, sizeof(fp), by_value) != NULL);
}

int mem_chunk_each(const struct mem_chunk *c, int64_t min_ns, int64_t max_ns, struct arena *a,
                   mem_row_fn fn, void *arg, struct err *reterr)
{
    struct batch b;
    uint32_t pos = rowcodec_first();
    uint64_t id = c->info.first_id;
    int rc = rowcodec_open(c->payload, a, &b, reterr);

    if (rc < 0) {
        return rc;
    }
    for (;; id++) {
        uint32_t at = pos;
        struct str row = {0};
        int64_t time_ns;

        rc = rowcodec_next(&b, &pos, &row, &time_ns);
        if (rc < 0) {
            return err_set(reterr, ERR_CORRUPT, "row batch %llu in memory is damaged",
                           (unsigned long long)c->info.first_id);
        }
        if (rc == 0) {
            return 0;
        }
        if (time_ns < min_ns || time_ns >= max_ns) {
            continue;
        }
        rc = fn(arg, &b, row, at, time_ns, id);
        if (rc != 0) {
            return rc;
        }
    }
}
