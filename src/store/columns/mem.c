/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations of the in-memory part. Payloads never move once added, so readers that hold a reference use
 * them without a lock.
 */
#include "store/columns/mem.h"

#include "base/clock.h"

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
        mem_free((void *)(uintptr_t)g->chunks.v[i].payload.p);
    }
    budget_give(g->budget, g->charged_bytes);
    vec_done(&g->chunks);
    mem_free(g);
}

void mem_gen_add(struct mem_gen *g, const struct batch_info *info, struct str payload,
                 int64_t charged)
{
    g->chunks.v[g->chunks.n++] = (struct mem_chunk){*info, payload};
    g->bytes += payload.n;
    g->charged_bytes += charged;
    g->rows += info->rows_n;
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
