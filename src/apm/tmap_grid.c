/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts of an answer; a cell that would pass 2^32 stays at the largest number.
 */
#include "apm/tmap_grid.h"

#include "base/alloc.h"
#include "base/err.h"

static int64_t aligned_down(int64_t ns, int64_t step_ns)
{
    return ns / step_ns * step_ns - (ns % step_ns < 0 ? step_ns : 0);
}

void tmap_grid_range(struct tmap_grid *g, int64_t min_ns, int64_t max_ns, size_t columns,
                     int64_t unit_ns)
{
    int64_t least = (max_ns - min_ns + (int64_t)columns - 1) / (int64_t)columns;

    g->step_ns = least <= unit_ns ? unit_ns : (least + unit_ns - 1) / unit_ns * unit_ns;
    g->min_ns = aligned_down(min_ns, g->step_ns);
    g->columns = (size_t)((max_ns - g->min_ns + g->step_ns - 1) / g->step_ns);
}

bool tmap_grid_alloc(struct tmap_grid *g, unsigned shift)
{
    g->shift = shift;
    g->buckets = TMAP_BUCKETS >> shift;
    g->n = mem_try_calloc(g->columns * g->buckets * TMAP_CLASSES, sizeof(*g->n));
    return g->n != NULL;
}

void tmap_grid_done(struct tmap_grid *g)
{
    mem_free(g->n);
    g->n = NULL;
}

void tmap_grid_add(struct tmap_grid *g, int64_t time_ns, unsigned bucket, enum tmap_class class,
                   uint64_t n)
{
    size_t column;
    uint32_t *at;

    if (time_ns < g->min_ns) {
        return;
    }
    column = (size_t)((time_ns - g->min_ns) / g->step_ns);
    if (column >= g->columns) {
        return;
    }
    at = &g->n[(column * g->buckets + (bucket >> g->shift)) * TMAP_CLASSES + class];
    *at = *at + n > UINT32_MAX ? UINT32_MAX : (uint32_t)(*at + n);
    g->total[class] += n;
}

int tmap_grid_cells(const struct tmap_grid *g, struct arena *a, struct tmap_cells *ret)
{
    size_t places = g->columns * g->buckets;
    struct tmap_cells out = {.min_ns = g->min_ns, .step_ns = g->step_ns, .columns = g->columns};
    size_t n = 0;

    for (size_t i = 0; i < places; i++) {
        const uint32_t *at = &g->n[i * TMAP_CLASSES];

        n += (at[0] | at[1] | at[2]) != 0;
    }
    out.v = arena_array(a, struct tmap_cell, n != 0 ? n : 1);
    if (out.v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < places; i++) {
        const uint32_t *at = &g->n[i * TMAP_CLASSES];

        if ((at[0] | at[1] | at[2]) != 0) {
            out.v[out.n++] = (struct tmap_cell){
                (uint32_t)(i / g->buckets), (uint16_t)(i % g->buckets), {at[0], at[1], at[2]}};
        }
    }
    memcpy(out.total, g->total, sizeof(out.total));
    *ret = out;
    return 0;
}
