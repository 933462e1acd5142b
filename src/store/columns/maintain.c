/* SPDX-License-Identifier: Apache-2.0
 *
 * Background work. Until parts are written, rows stay in memory and in the WAL, which a restart replays.
 */
#include "base/err.h"
#include "store/columns/columns_internal.h"

int columns_load_parts(struct columns *c, struct err *reterr)
{
    (void)c;
    (void)reterr;
    return 0;
}

void columns_background(void *arg)
{
    struct columns *c = arg;

    mutex_lock(&c->lock);
    while (!c->stop) {
        cond_wait(&c->work, &c->lock);
    }
    mutex_unlock(&c->lock);
}

int columns_flush(struct columns *c, struct err *reterr)
{
    (void)c;
    (void)reterr;
    return 0;
}

int columns_compact(struct columns *c, struct err *reterr)
{
    (void)c;
    (void)reterr;
    return 0;
}

int64_t columns_oldest_part_ns(struct columns *c, uint64_t *ret_bytes)
{
    (void)c;
    *ret_bytes = 0;
    return INT64_MAX;
}

int columns_drop_oldest_part(struct columns *c, struct err *reterr)
{
    (void)c;
    (void)reterr;
    return 0;
}
