/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of running rules share. A group is worked on by one thread at a time, the one that set
 * `running`; what others may look at meanwhile changes under the lock only.
 */
#ifndef ALERT_RULES_INTERNAL_H
#define ALERT_RULES_INTERNAL_H

#include "alert/rules.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/thread.h"
#include "base/vec.h"

enum rule_health { HEALTH_UNKNOWN, HEALTH_OK, HEALTH_BAD };

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING };

/** One thing an alerting rule found. */
struct alert {
    struct arena arena; /* labels */
    struct labels labels;
    struct hash128 id;
    enum alert_state state;
    double value;
    int64_t active_ms;
    int64_t resolved_ms;    /* 0: not resolved */
    int64_t keep_firing_ms; /* since when only keep_firing_for holds it; 0: it does not */
    bool seen;              /* in the evaluation under way */
};

/** A series a rule wrote, to mark it stale when it comes no more. */
struct written {
    struct hash128 id;
    struct series_ref ref; /* of floats */
    bool native;           /* the last one was a native histogram */
};

typedef VEC(struct written) written_list;

struct rule_run {
    const struct rule *def;
    written_list before; /* only the evaluating thread's */
    unsigned rounds;     /* the same; counted until `restored` */
    bool restored;       /* alerts are stored; guarded by: lock, changed by the evaluating thread */
    VEC(struct alert *) alerts; /* guarded by: lock, like all below */
    enum rule_health health;
    char error[256];
    int64_t last_ms;
    int64_t took_ns;
};

struct group_run {
    const struct rule_group *def;
    struct rule_run *rules;
    int64_t next_ms;
    int64_t last_ms;
    int64_t took_ns;
    bool running;
};

struct rules {
    struct rules_opts opts;
    struct mutex reload_lock; /* one reload at a time; taken before `lock` */
    struct mutex lock;
    struct cond wake;
    char **globs; /* guarded by: lock, like all below */
    size_t globs_n;
    VEC(struct rule_file) files;  /* what the groups point into */
    VEC(struct group_run) groups; /* by file, then as written */
    unsigned busy;                /* groups under evaluation */
    bool paused;                  /* a reload waits */
    bool closing;
    struct cancel cancel; /* of every evaluation */
    struct thread *threads;
    unsigned threads_n;
    struct counter *evaluations;
    struct counter *failures;
    struct counter *missed;
    struct counter *samples;
    struct timing *seconds;
};

/** Run the rules of a group at a time; the caller has set `running`. @return how many failed */
size_t group_evaluate(struct rules *r, struct group_run *g, int64_t t_ms);
/** Everything the rule wrote last becomes stale. */
void rule_mark_stale(struct rules *r, struct rule_run *run, int64_t t_ms);
void rule_run_done(struct rule_run *run);
void alert_free(struct alert *a);
/** Alerts that were pending before a restart go on so; from then on they are stored. */
void rule_restore(struct rules *r, struct rule_run *run, int64_t t_ms);

/** Where the series of an alerting rule go; not called under the lock. */
struct series_out {
    int (*add)(void *arg, struct labels ls, double v, struct err *reterr);
    void *arg;
    struct arena *arena; /* for labels on the way */
};

/** The result of an alerting rule into its alerts, and the series that say so. */
int alerts_update(struct rules *r, const struct rule_group *g, struct rule_run *run,
                  const struct promql_result *found, int64_t t_ms, const struct series_out *out,
                  struct err *reterr);

#endif
