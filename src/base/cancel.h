/* SPDX-License-Identifier: Apache-2.0
 *
 * Deadline and cancel flag of one query or job, checked inside every loop over data.
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/err.h"

struct cancel {
    atomic_bool canceled; /* set by any thread, relaxed: only a hint to stop soon */
    struct mono deadline; /* ns == 0: none */
};

/** timeout_ms 0 means no deadline. */
static inline void cancel_init(struct cancel *c, int64_t timeout_ms)
{
    atomic_init(&c->canceled, 0);
    c->deadline = timeout_ms != 0 ? mono_add_ms(clock_mono(), timeout_ms) : (struct mono){0};
}

static inline void cancel_set(struct cancel *c)
{
    atomic_store_explicit(&c->canceled, 1, memory_order_relaxed);
}

/** Cheap enough for every few hundred rows. NULL never cancels. @return 0, -ERR_CANCELED, -ERR_TIMEOUT. */
NODISCARD static inline int cancel_check(struct cancel *c)
{
    if (c == NULL) {
        return 0;
    }
    if (atomic_load_explicit(&c->canceled, memory_order_relaxed)) {
        return -ERR_CANCELED;
    }
    return c->deadline.ns != 0 && clock_mono().ns > c->deadline.ns ? -ERR_TIMEOUT : 0;
}

#endif
