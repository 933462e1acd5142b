/* SPDX-License-Identifier: Apache-2.0
 *
 * Relabelling: a list of rules that rewrites a label set or drops it. Source: Prometheus documentation,
 * "Configuration", relabel_config. Rules are immutable after relabel_check(), so thread-safe.
 */
#ifndef INGEST_SCRAPE_RELABEL_H
#define INGEST_SCRAPE_RELABEL_H

#include "base/arena.h"
#include "model/labels.h"
#include "model/regex.h"

struct err;

/** A label set being built: names unique, order arbitrary until labelset_sort(). Strings are borrowed or in
 * the arena; an empty value is no label. */
struct labelset {
    struct arena *a;
    struct label *v;
    size_t n;
    size_t cap;
    bool failed; /* the arena is full; the set is unusable */
};

struct str labelset_get(const struct labelset *s, struct str name); /* empty when absent */
void labelset_set(struct labelset *s, struct str name, struct str value);
void labelset_del(struct labelset *s, struct str name);
/** Start over with a copy of the pairs (not of the strings). */
void labelset_from(struct labelset *s, struct arena *a, struct labels ls);
/** Sort by name; the view is valid until the next change. */
struct labels labelset_sort(struct labelset *s);

/* X(enum, text) */
#define RELABEL_TABLE(X)              \
    X(RELABEL_REPLACE, "replace")     \
    X(RELABEL_KEEP, "keep")           \
    X(RELABEL_DROP, "drop")           \
    X(RELABEL_KEEPEQUAL, "keepequal") \
    X(RELABEL_DROPEQUAL, "dropequal") \
    X(RELABEL_HASHMOD, "hashmod")     \
    X(RELABEL_LABELMAP, "labelmap")   \
    X(RELABEL_LABELDROP, "labeldrop") \
    X(RELABEL_LABELKEEP, "labelkeep") \
    X(RELABEL_LOWERCASE, "lowercase") \
    X(RELABEL_UPPERCASE, "uppercase")

enum relabel_action {

#define RELABEL_ENUM(name, text) name,
    RELABEL_TABLE(RELABEL_ENUM)
#undef RELABEL_ENUM
        RELABEL_COUNT
};

const char *relabel_action_text(enum relabel_action a);

/** Which names are valid: any UTF-8, or [a-zA-Z_][a-zA-Z0-9_]* (metric_name_validation_scheme). */
enum name_scheme { NAMES_UTF8, NAMES_LEGACY };

bool scheme_label_ok(enum name_scheme s, struct str name);
bool scheme_metric_ok(enum name_scheme s, struct str name);

struct relabel_rule {
    struct str *source; /* label names */
    size_t source_n;
    struct str separator; /* ";" */
    struct str target;
    struct str replacement; /* "$1" */
    struct str pattern;     /* "(.*)" */
    uint64_t modulus;
    enum relabel_action action;
    enum name_scheme scheme;
    struct regex *regex; /* made by relabel_check(); relabel_rule_done() frees */
    bool plain_target;   /* no group in the target: it is the name as it stands */
    uint32_t line;       /* of the file; 0: none */
};

struct relabel {
    struct relabel_rule *v;
    size_t n;
};

/** The defaults of a rule that says nothing. */
struct relabel_rule relabel_rule_default(void);
/** Check what upstream checks and compile the expression. @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int relabel_check(struct relabel_rule *r, struct err *reterr);
void relabel_rule_done(struct relabel_rule *r);

/** Apply all rules in order. @param ret_rule  gets the index of the rule that drops the set; may be NULL
 * @return false when a rule drops the set (or set->failed) */
bool relabel_apply(const struct relabel *rules, struct labelset *set, size_t *ret_rule);
/** A rule in one line, for people: "drop: __address__ matches gone:1 (rule 2, line 14)". */
void relabel_describe(const struct relabel *rules, size_t rule, struct buf *dst);

#endif
