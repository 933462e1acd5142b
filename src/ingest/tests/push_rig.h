/* SPDX-License-Identifier: Apache-2.0
 *
 * A push door on the recording store, for the tests of the doors behind it.
 */
#ifndef INGEST_TESTS_PUSH_RIG_H
#define INGEST_TESTS_PUSH_RIG_H

#include "base/err.h"
#include "fake_store.h"
#include "ingest/push.h"

struct push_rig {
    struct fake_store store;
    struct sink sink;
    struct push_door *door;
    struct push_opts opts;
    struct push_result result;
    struct err err;
};

static inline void push_rig_init(struct push_rig *r)
{
    *r = (struct push_rig){.opts = {.door = "other", .now_ms = 5000}};
    fake_store_init(&r->store);
    r->sink.metrics = fake_tsdb(&r->store);
    ingest_limits_default(&r->sink.limits);
    r->door = push_door_new(&r->sink);
}

static inline void push_rig_done(struct push_rig *r)
{
    push_door_free(r->door);
    fake_store_done(&r->store);
}

/** What was stored, as NUL-terminated lines. */
static inline const char *push_rig_samples(struct push_rig *r)
{
    buf_add_byte(&r->store.samples, '\0');
    r->store.samples.n--;
    return r->store.samples.data;
}

#endif
