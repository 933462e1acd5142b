/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files users*.c share. Doors only add to a group's `fresh`; everything else of a group is changed by the
 * ticking thread alone, under the group's lock because readers look at it.
 */
#ifndef APM_USERS_INTERNAL_H
#define APM_USERS_INTERNAL_H

#include "apm/hll.h"
#include "apm/users.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/vec.h"

enum {
    RING = USERS_WINDOW_S / USERS_TICK_S,
    HISTORY = USERS_HISTORY_S / USERS_TICK_S,
    FRESH_MAX = 512,   /* ticks of one group between two rounds, late ones included */
    LATE_MAX_S = 3600, /* older spans are not counted */
    GRACE_S = 10,      /* a slot is written so long after its end */
    SLOTS_MAX = 256,   /* of a group that wait to be written */
    COARSE_TICKS = 5,  /* of a big group when memory is short */
    COARSE_BYTES = 512 << 10,
};

/** Users of one tick, or of a late minute, not yet looked at. */
struct users_fresh {
    int64_t at_s;
    struct hll users;
};

/** A slot that waits to be written. */
struct users_slot {
    struct users_slot *next;
    int64_t start_s;
    int64_t due_s;
    uint8_t level;
    uint8_t identity;
    struct hll users;
};

typedef VEC(struct users_fresh) users_fresh_list;

struct users_group {
    char name[ENTRY_GROUP_MAX];
    struct mutex lock;

    /* changed by doors; guarded by: lock */
    users_fresh_list fresh;
    uint32_t requests; /* since the last tick */
    uint64_t counted, unknown, bots;

    /* changed by the ticking thread; guarded by: lock */
    enum users_identity identity;
    uint8_t grain; /* ticks that share an entry of the ring */
    struct hll ring[RING];
    int64_t ring_s[RING]; /* start of the tick an entry holds */
    struct hll window;    /* union of the ring */
    double users;
    bool in_window; /* the ring holds somebody */
    struct users_slot *slots;
    size_t slots_n;
    int64_t history_end_s;           /* time of the newest point */
    size_t history_n;                /* points there are, at most HISTORY */
    float history[HISTORY];          /* at (time / 2) % HISTORY */
    float history_requests[HISTORY]; /* requests of that tick */
    int64_t metric_s;                /* when last written as a metric */
    bool metric_zero;                /* and that it was zero */
};

struct users {
    struct users_opts opts;
    struct users_key key;
    struct users_files *files;
    struct rwlock lock;               /* of settings and groups */
    struct users_settings *settings;  /* guarded by: lock */
    VEC(struct users_group *) groups; /* guarded by: lock; the groups live to the end */
    struct map by_name;               /* guarded by: lock */
    struct mutex settings_lock;       /* one change at a time */
    int64_t trimmed_s;                /* the ticking thread's */
    _Atomic int64_t tick_s;           /* time of the last round; relaxed: a figure */
    _Atomic size_t memory_bytes;      /* relaxed: a figure */

    struct {
        struct counter *counted, *unknown, *bots, *late, *no_group, *no_memory, *write_failures;
    } stats;
    struct mutex wake_lock;
    struct cond wake;
    bool stopping; /* guarded by: wake_lock */
    struct thread thread;
};

/** Find or make. @return NULL: too many, or no memory. Takes u->lock. */
struct users_group *users_group_of(struct users *u, struct str name);
/** A copy of the list of groups, which may grow meanwhile. @return 0, -ERR_NOMEM */
NODISCARD int users_groups(struct users *u, struct users_group ***ret, size_t *ret_n);

/* users_tick.c */
/** Merge into the slot, made when missing. The ticking thread, under g->lock. */
void users_slot_add(struct users *u, struct users_group *g, enum users_level l, int64_t start_s,
                    int64_t now_s, enum users_identity identity, const struct hll *h);
/** Into the live window. The ticking thread, under g->lock. */
void users_ring_add(struct users *u, struct users_group *g, int64_t at_s, const struct hll *h);
/** Write all slots, due or not. */
void users_write_all(struct users *u, int64_t now_s);

/* users_restore.c */
/** Groups, the live window and open slots from the files. */
NODISCARD int users_restore(struct users *u, int64_t now_s, struct err *reterr);

static inline int64_t users_floor(int64_t t, int64_t step)
{
    return t - t % step;
}

#endif
