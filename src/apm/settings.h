/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators decide about application monitoring, as one JSON document: APDEX thresholds by group and operation,
 * rules that put requests into groups of their own, rules for names of URLs. Immutable once parsed; what cannot be
 * meant is refused with the place it stands at.
 */
#ifndef APM_SETTINGS_H
#define APM_SETTINGS_H

#include "base/arena.h"
#include "base/buf.h"

struct err;
struct json_writer;

enum {
    APM_T_MS_MAX = 3600000,
    APM_RULES_MAX = 1000, /* of each kind */
    APM_DOC_MAX = 1 << 20,
};

/** Operations with a threshold of their own; the first pattern that matches decides. */
struct apm_operation_t {
    struct str pattern; /* '*' any run, '?' one byte, against "GET /orders/{id}" */
    int64_t t_ms;
};

struct apm_group_settings {
    struct str group;   /* a pattern as above */
    int64_t t_ms;       /* 0: the default */
    int frustrated_4xx; /* 0, 1; -1: the default */
    struct apm_operation_t *operations;
    size_t operations_n;
};

/** Requests whose attributes match all conditions go to the group `name`. */
struct apm_condition {
    struct str attribute; /* of the resource or the span */
    struct str pattern;
};

struct apm_group_rule {
    struct str name; /* "${attribute}" in it stands for the attribute's value */
    struct apm_condition *when;
    size_t when_n;
};

/** Paths named by people instead of by placeholders: segments are literal, "*" one of any kind, a last "**" the rest.
 * "*" in the template keeps the segment as it came. */
struct apm_url_rule {
    struct str group; /* a pattern; empty: all groups */
    struct str pattern;
    struct str template;
};

struct apm_settings {
    struct arena a; /* everything below lives here */
    int64_t revision;
    int64_t t_ms;
    bool frustrated_4xx; /* do answers 4xx count as frustrated? */
    struct apm_group_settings *groups;
    size_t groups_n;
    struct apm_group_rule *group_rules;
    size_t group_rules_n;
    struct apm_url_rule *url_rules;
    size_t url_rules_n;
};

/** T 1 s, nothing else. @return NULL without memory */
struct apm_settings *apm_settings_default(void);
/** @return 0; -ERR_INVALID ("groups[2].t_ms: ..."), -ERR_LIMIT, -ERR_TOO_LARGE, -ERR_NOMEM */
NODISCARD int apm_settings_parse(struct str json, struct apm_settings **ret, struct err *reterr);
void apm_settings_free(struct apm_settings *s); /* NULL is fine */
/** One JSON object, which parses to the same. */
void apm_settings_write(const struct apm_settings *s, struct json_writer *w);

/** A deep copy. @return 0, -ERR_NOMEM */
NODISCARD int apm_settings_copy(const struct apm_settings *s, struct apm_settings **ret,
                                struct err *reterr);

/** What holds for one group and operation. */
struct apm_threshold {
    int64_t t_ms;
    bool frustrated_4xx;
};

struct apm_threshold apm_settings_threshold(const struct apm_settings *s, struct str group,
                                            struct str operation);

#endif
