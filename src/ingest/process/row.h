/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules at work on the rows of one batch. Rows are changed in place, what is new lies in the batch's arena; what
 * a row shares with others (resource, scope, arrays of attributes) is never written to but replaced.
 */
#ifndef INGEST_PROCESS_ROW_H
#define INGEST_PROCESS_ROW_H

#include "ingest/process/redact.h"

/** What conditions look at. */
struct row {
    unsigned signal; /* SIGNAL_LOGS or SIGNAL_TRACES */
    struct attrs attrs;
    const struct resource *resource;
    const struct scope *scope;
    struct str span_name;     /* traces */
    const struct value *body; /* logs, else NULL */
    uint8_t severity;
};

/** Told of what the rules do, for dry runs. */
struct run_watch {
    void *arg;
    /** A rule had an effect, `n` times. */
    void (*matched)(void *arg, const struct process_rule *rule, size_t n);
    /** The text of the body (or status message) after redaction with what was replaced. */
    void (*redacted)(void *arg, struct str text, const struct redact_note *notes, size_t n);
};

/** The last resource (or scope) that was changed: rows of one come together. */
struct run_memo {
    const void *in;
    const void *out;
    uint64_t passing; /* rules whose conditions passed */
};

struct run {
    const struct program *p;
    struct arena *arena;
    struct redactor red;
    const struct run_watch *watch; /* may be NULL */
    unsigned signal;
    uint64_t *matches; /* by rule */
    uint64_t *rows;
    uint32_t *last_row; /* by rule: the row it was counted for */
    uint32_t row;       /* at hand, from 1 */
    struct run_memo resource;
    struct run_memo scope;
    struct budget *budget; /* what the rules make is taken from it; NULL: not */
    size_t arena_before;   /* bytes of the arena when the run began */
    int64_t charged;       /* for what the arena grew by; the caller's to give back */
};

/** @param budget  may be NULL. @return 0, -ERR_NOMEM */
NODISCARD int run_init(struct run *r, const struct program *p, unsigned signal, struct arena *arena,
                       const uint8_t *hash_key, struct budget *budget);
/** What was counted stays in the arena, and `charged` taken. */
void run_done(struct run *r);

/** @return 1: the row stays; 0: a rule drops it; -ERR_NOMEM, -ERR_OVERLOAD (the budget is full) */
NODISCARD int run_log(struct run *r, struct log_record *row);
NODISCARD int run_span(struct run *r, struct span *row);

/* ---- parts, for the files of this folder ---- */

bool when_passes(const struct when *w, const struct row *row);
/** A scalar as text, for comparing; may be put into `space`. Empty for arrays and maps. */
struct str value_as_text(const struct value *v, char space[32]);
/** A rule had an effect on the row at hand. */
void run_count(struct run *r, uint32_t rule, size_t n);
NODISCARD int run_derive(struct run *r, struct log_record *row);
/** The rules on attributes of the row, its resource and its scope. */
NODISCARD int run_attrs(struct run *r, struct row *row);
NODISCARD int run_redact_log(struct run *r, struct log_record *row);
NODISCARD int run_redact_span(struct run *r, struct span *row);
/** All values of a list. @return 0, -ERR_NOMEM */
NODISCARD int run_redact_attrs(struct run *r, enum redact_field field, struct attrs *as);
/** A list with room for `more`. @return NULL without memory */
struct attr *attrs_copy(struct arena *a, struct attrs as, size_t more);

struct process;
/** The key of hashes; lives as long as `p`. */
const uint8_t *process_hash_key(const struct process *p);

#endif
