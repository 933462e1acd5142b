/* SPDX-License-Identifier: Apache-2.0
 *
 * The dense grid an answer's cells are added up in. Internal to src/apm.
 */
#ifndef APM_TMAP_GRID_H
#define APM_TMAP_GRID_H

#include "apm/tmap.h"

struct tmap_grid {
    int64_t min_ns, step_ns;
    size_t columns, buckets;
    unsigned shift;
    uint32_t *n;     /* [column][bucket][class]; owned */
    int64_t time_ns; /* scratch of who reads rows */
    uint64_t total[TMAP_CLASSES];
};

/** Whole columns of a multiple of `unit_ns` that cover [min_ns, max_ns), about `columns` of them. */
void tmap_grid_range(struct tmap_grid *g, int64_t min_ns, int64_t max_ns, size_t columns,
                     int64_t unit_ns);
/** Room for the counts. @return false: no memory */
NODISCARD bool tmap_grid_alloc(struct tmap_grid *g, unsigned shift);
void tmap_grid_done(struct tmap_grid *g);
/** What lies outside is left out. `bucket` before the shift. */
void tmap_grid_add(struct tmap_grid *g, int64_t time_ns, unsigned bucket, enum tmap_class class,
                   uint64_t n);
/** Cells that are not empty. @return 0, -ERR_NOMEM */
NODISCARD int tmap_grid_cells(const struct tmap_grid *g, struct arena *a, struct tmap_cells *ret);

#endif
