/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules that run: groups from rule files, each evaluated at its interval, its rules one after the other, what
 * they give stored as series. Alerting rules are pending, then firing, and leave ALERTS and ALERTS_FOR_STATE;
 * nobody is notified yet and templates in labels and annotations stay text. Thread-safe.
 */
#ifndef ALERT_RULES_H
#define ALERT_RULES_H

#include "alert/rule_file.h"
#include "base/stats.h"
#include "store/tsdb/tsdb.h"

struct rules;

struct rules_opts {
    char *const *globs; /* patterns of rule files; copied */
    size_t globs_n;
    int64_t interval_ms;         /* of groups that say none; default 1 min */
    int64_t timeout_ms;          /* of one evaluation; default 2 min */
    int64_t outage_tolerance_ms; /* longest absence over which `for` goes on; default 1 h */
    int64_t
        for_grace_ms; /* least time pending after a restart; shorter `for`s begin anew; default 10 min */
    unsigned threads;             /* groups evaluated at once; default 4 */
    struct promql_engine *promql; /* borrowed, like db */
    struct tsdb *db;
    struct stats *stats; /* may be NULL */
};

/** Load the files and start. @return 0; -ERR_INVALID, -ERR_IO, -ERR_NOMEM: nothing runs */
NODISCARD int rules_open(const struct rules_opts *opts, struct rules **ret, struct err *reterr);
/** Load again, perhaps with other patterns (globs_n SIZE_MAX: the same). Rules that stay keep their alerts; series of those
 * that go are marked stale. @return 0, or an error: the old rules run on */
NODISCARD int rules_reload(struct rules *r, char *const *globs, size_t globs_n, struct err *reterr);
/** Ends evaluations. NULL is fine. */
void rules_free(struct rules *r);

/** What of the rules is shown; zeroed: all. Lists borrowed. */
struct rules_filter {
    enum { RULES_ALL, RULES_RECORDING, RULES_ALERTING } type;
    const struct str *names, *groups, *files;
    size_t names_n, groups_n, files_n;
    bool without_alerts;
};

/** The "data" member of /api/v1/rules and of /api/v1/alerts, as Prometheus writes them. */
void rules_json(struct rules *r, const struct rules_filter *f, struct buf *dst);
void rules_alerts_json(struct rules *r, struct buf *dst);

/** Evaluate every group once, at this time: for tests. @return rules that failed */
size_t rules_evaluate_all(struct rules *r, int64_t t_ms);

#endif
