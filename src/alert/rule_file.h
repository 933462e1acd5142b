/* SPDX-License-Identifier: Apache-2.0
 *
 * Rule files in Prometheus' syntax: groups of recording and alerting rules. What Prometheus refuses is refused,
 * with file, line and column. Source: Prometheus 3.x documentation, configuration/{recording,alerting}_rules.
 */
#ifndef ALERT_RULE_FILE_H
#define ALERT_RULE_FILE_H

#include "base/arena.h"
#include "model/labels.h"
#include "query/promql/promql.h"

struct err;

struct rule {
    bool alerting;
    struct str name;           /* of the series recorded, or of the alert */
    struct str expr;           /* as written */
    struct labels labels;      /* with those of the group; templates stay text */
    struct labels annotations; /* alerting */
    int64_t for_ms;
    int64_t keep_firing_for_ms;
    unsigned line;
};

struct rule_group {
    struct str name;
    struct str file;
    int64_t interval_ms; /* > 0: the default is filled in */
    int64_t offset_ms;   /* query_offset: how far back the rules look */
    int64_t limit;       /* series or alerts a rule may give; 0: any number */
    struct rule *rules;
    size_t n;
};

/** Everything read from one file, in `arena`. */
struct rule_file {
    struct arena arena;
    struct rule_group *groups;
    size_t n;
};

struct rule_defaults {
    int64_t interval_ms;
    struct promql_syntax syntax;
};

/**
 * @param name  for messages
 * @return 0; -ERR_INVALID ("file:line:column: text"), -ERR_NOMEM. `ret` is fine to rule_file_done() after any
 *         outcome, when it came zeroed
 */
NODISCARD int rule_file_parse(struct str text, const char *name,
                              const struct rule_defaults *defaults, struct rule_file *ret,
                              struct err *reterr);
/** The same from the file system; at most 16 MiB. @return also -ERR_IO */
NODISCARD int rule_file_load(const char *path, const struct rule_defaults *defaults,
                             struct rule_file *ret, struct err *reterr);
void rule_file_done(struct rule_file *f);

#endif
