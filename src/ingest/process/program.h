/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration compiled: immutable after program_parse() but for its counters, shared by all requests, replaced as
 * a whole. Strings live in its arena.
 */
#ifndef INGEST_PROCESS_PROGRAM_H
#define INGEST_PROCESS_PROGRAM_H

#include "base/arena.h"
#include "base/stats.h"
#include "ingest/process/detect.h"
#include "ingest/process/glob.h"
#include "ingest/process/pattern.h"
#include "model/otel.h"

struct err;

/** Limits of a configuration. */
enum {
    PROGRAM_RULES_MAX = 200, /* of all sections together */
    PROGRAM_BYTES_MAX = 1 << 20,
    REDACT_RULES_MAX = 64,
    ATTR_RULES_MAX = 64,
    REDACT_LABEL_MAX = 64,
    POLICIES_MAX = 32,
    BOUNDS_MAX = 64, /* of the span metrics' histogram */
};

enum process_section {
    SECTION_DERIVE,
    SECTION_ATTRIBUTES,
    SECTION_DROP,
    SECTION_REDACTION,
    SECTION_SAMPLING,
    SECTION_COUNT,
};

const char *process_section_name(enum process_section s);

/** Signals a rule is for. */
enum { SIGNAL_LOGS = 1, SIGNAL_TRACES = 2, SIGNAL_BOTH = 3 };

/** What every rule of any section has; its place in program.rules is its id. */
struct process_rule {
    enum process_section section;
    struct str name; /* unique in its section */
    struct str what; /* for people: "detector email, mask" */
    uint32_t line;
    struct counter *matches; /* belong to the registry of statistics */
    struct counter *rows;
};

/* ---- conditions ---- */

struct when_attr {
    struct str key;
    bool exists_only;
    struct str equals;     /* glob */
    struct pattern *regex; /* or this; owned */
};

struct when {
    unsigned signals;
    struct globs services; /* none: any */
    struct globs spans;    /* span names; none: any */
    struct when_attr *attrs;
    size_t attrs_n;
    uint8_t severity_min; /* SeverityNumber, 0: any */
    uint8_t severity_max; /* 0: any */
    struct pattern *body; /* NULL: any; owned */
    bool set;             /* anything but signals is asked */
};

/* ---- redaction ---- */

enum redact_mode { REDACT_MASK, REDACT_LABEL, REDACT_HASH, REDACT_DROP, REDACT_REPLACE };

/** Parts of a row. */
enum redact_field {
    REDACT_BODY, /* of a log record; the status message of a span */
    REDACT_ATTRS,
    REDACT_EVENTS, /* attributes of a span's events: messages and stacks of exceptions */
    REDACT_RESOURCE,
    REDACT_SCOPE,
    REDACT_FIELD_COUNT,
};

struct redact_rule {
    uint32_t id;
    bool custom;
    enum detector detector;  /* when not custom */
    struct pattern *pattern; /* when custom; owned */
    struct str replacement;  /* with REDACT_REPLACE */
    uint32_t keep;           /* groups of the pattern that stay, by number */
    enum redact_mode mode;
    struct str label;
    unsigned signals;
    unsigned fields; /* 1 << enum redact_field */
    struct globs keys;
};

/** The rules for one signal and field. */
struct redact_plan {
    uint32_t wanted;
    uint8_t by_detector[DETECTOR_COUNT]; /* index of the rule */
    uint8_t custom[REDACT_RULES_MAX];
    size_t custom_n;
    bool keyed; /* some rules are for some keys only: the plan of a key is smaller */
};

/* ---- attributes, derived fields ---- */

enum attr_op {
    ATTR_DROP,
    ATTR_KEEP_ONLY,
    ATTR_RENAME,
    ATTR_SET,
    ATTR_ADD,
    ATTR_HASH,
    ATTR_TRUNCATE
};

enum attr_scope { ON_RECORD, ON_RESOURCE, ON_SCOPE, ON_COUNT };

struct attr_rule {
    uint32_t id;
    struct when when;
    enum attr_scope on;
    enum attr_op op;
    struct globs keys;  /* DROP, KEEP_ONLY, HASH, TRUNCATE */
    struct attr *pairs; /* SET, ADD: key and value; RENAME: old and new name */
    size_t pairs_n;
    size_t max_bytes; /* TRUNCATE */
};

struct drop_rule {
    uint32_t id;
    struct when when;
};

enum derive_source { DERIVE_REGEX, DERIVE_JSON, DERIVE_LOGFMT, DERIVE_TRACE_ID };

struct derive_field {
    struct str from; /* group, path "a.b.c", key */
    struct str to;   /* attribute; "trace_id", "span_id" and "severity" go to the record's own */
};

struct derive_rule {
    uint32_t id;
    struct when when;
    enum derive_source source;
    struct pattern *pattern; /* owned */
    struct derive_field *fields;
    size_t fields_n;
};

/* ---- sampling, span metrics ---- */

enum policy_kind { POLICY_ERRORS, POLICY_LATENCY, POLICY_MATCH, POLICY_SHARE, POLICY_RATE };

struct policy {
    uint32_t id;
    enum policy_kind kind;
    struct when when; /* MATCH: a span that passes; others: at least one must pass */
    int64_t latency_ns;
    struct attr *services; /* LATENCY: glob of a service and its own limit in ns (i64) */
    size_t services_n;
    uint64_t
        threshold; /* SHARE: keep when the randomness, 56 bits, is at least this (W3C level 2) */
    double per_second; /* RATE: traces of one service */
};

struct sampling {
    bool on;
    int64_t wait_ms;
    uint64_t memory_bytes;
    uint64_t remember; /* decided traces */
    struct policy *policies;
    size_t policies_n;
};

struct span_metrics_opts {
    bool on;
    int64_t interval_ms;
    uint64_t max_series; /* distinct label sets */
    double bounds_ms[BOUNDS_MAX];
    size_t bounds_n;
};

struct program {
    struct arena arena;
    struct str text; /* the configuration, for people */
    struct process_rule *rules;
    size_t rules_n;
    struct redact_rule *redact;
    size_t redact_n;
    struct redact_plan plans[2][REDACT_FIELD_COUNT]; /* logs, traces */
    struct attr_rule *attrs;
    size_t attrs_n;
    struct drop_rule *drops;
    size_t drops_n;
    struct derive_rule *derives;
    size_t derives_n;
    struct sampling sampling;
    struct span_metrics_opts span_metrics;
    VEC(struct pattern *) patterns; /* all of them, owned */
    bool touches[2]; /* anything to do for logs, traces (sampling and metrics aside) */
};

/**
 * Compile a configuration; an empty text gives a program that does nothing.
 * @param name   for errors: "name:line: key: what is wrong"
 * @param stats  counters of the rules; may be NULL
 * @return 0; -ERR_INVALID, -ERR_LIMIT, -ERR_TOO_LARGE, -ERR_NOMEM
 */
NODISCARD int program_parse(const char *name, struct str yaml, struct stats *stats,
                            struct program **ret, struct err *reterr);
void program_free(struct program *p); /* NULL is fine */

/** The rules that are for this key (empty: whatever the key). */
void redact_plan_make(const struct program *p, unsigned signal, enum redact_field field,
                      struct str key, struct redact_plan *ret);

#endif
