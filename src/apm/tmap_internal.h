/* SPDX-License-Identifier: Apache-2.0
 *
 * A T-Map engine's state, for tmap*.c only. `visible` is held for reading by a query from the look at memory to the end
 * of its scan, and for writing while cells move from memory to rows: a query sees each once. `lock` guards memory and is
 * held for moments; nothing is called under it.
 */
#ifndef APM_TMAP_INTERNAL_H
#define APM_TMAP_INTERNAL_H

#include "apm/tmap_table.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/vec.h"

enum {
    TMAP_LEVELS = 4,
    TMAP_LIVE_SLOTS = 512, /* 2 s columns with a version; more than are kept */
};

#define TMAP_SECOND_NS 1000000000LL
#define TMAP_LIVE_NS   (2 * TMAP_SECOND_NS)

struct tmap_level {
    const char *name; /* resource attribute "level" of its rows */
    int64_t step_ns;
};

/** From fine to coarse; a width is a multiple of those before. */
extern const struct tmap_level TMAP_LEVEL[TMAP_LEVELS];

struct tmap_column_version {
    int64_t column;
    uint64_t version; /* of the engine, when it changed last */
};

struct tmap_own {
    struct str name; /* owned, behind the struct */
    uint64_t requests;
    struct tmap_table pending[TMAP_LEVELS]; /* not in rows yet */
    struct tmap_table live;                 /* columns of 2 s */
    struct tmap_column_version versions[TMAP_LIVE_SLOTS];
};

struct tmap {
    struct tmap_opts opts;
    struct rwlock visible;
    struct mutex lock;
    struct map by_name;            /* of groups; guarded by: lock */
    VEC(struct tmap_own *) groups; /* never taken away; guarded by: lock */
    size_t cells;                  /* pending; guarded by: lock */
    uint64_t version;              /* counts changes; guarded by: lock */
    int64_t counted_stamp_ns;      /* guarded by: lock */
    int64_t live_from_ns;          /* older requests are not live; guarded by: lock */
    int64_t written_stamp_ns;      /* held: visible for writing */
    int64_t written_until_ns;      /* held: visible for writing */
    struct counter *counted, *dropped, *rows, *failures;
    struct thread thread;
    struct cond wake;
    bool closing; /* guarded by: lock */
};

/** Count one request into memory; `pending` false: only into the live columns. Under `lock`. */
void tmap_count_one(struct tmap *t, struct tmap_own *g, const struct tmap_point *p, bool pending);
/** Find or make. NULL: no memory. Under `lock`. */
struct tmap_own *tmap_group_of(struct tmap *t, struct str name);
/** tmap_restore.c: what memory lacks after a start. */
NODISCARD int tmap_restore(struct tmap *t, int64_t wall_ns, struct err *reterr);

/** Is a column complete, so that it is written? */
static inline int64_t tmap_open_column(int level, int64_t until_ns)
{
    const int64_t grace_ns =
        5 * TMAP_SECOND_NS; /* for spans that end and are sent a little later */

    return level == 0 ? INT64_MAX >> 16 : (until_ns - grace_ns) / TMAP_LEVEL[level].step_ns;
}

#define TMAP_ATTR_LEVEL "level"
#define TMAP_ATTR_GROUP "group"
#define TMAP_META \
    "meta" /* level of the row that says what is written: attributes "stamp", "until" */

#endif
