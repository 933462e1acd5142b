/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens to spans and log records between the decoders and the store: derived fields, rules on attributes, rows
 * dropped, personal data redacted. Rows in, rows out: no I/O. Rules are replaced as a whole while requests run.
 */
#ifndef INGEST_PROCESS_PROCESS_H
#define INGEST_PROCESS_PROCESS_H

#include "base/arena.h"
#include "base/budget.h"
#include "base/stats.h"
#include "codec/json_write.h"
#include "model/otel.h"

struct err;
struct process;
struct program;

enum { PROCESS_KEY_SIZE = 32 };

struct process_opts {
    struct stats *stats; /* may be NULL */
    struct budget
        *budget; /* of requests being decoded: what rules make is taken from it; may be NULL */
    uint8_t hash_key
        [PROCESS_KEY_SIZE]; /* of mode hash; secret, the same as long as hashes are to be equal */
};

/** Without rules at first. Never NULL. */
struct process *process_new(const struct process_opts *opts);
/** Nobody uses it any more. NULL is fine. */
void process_free(struct process *p);

/** Where the rules in force come from. */
enum process_source { PROCESS_NONE, PROCESS_FILE, PROCESS_CONSOLE };

/**
 * Let these rules take the place of what runs.
 * @param name  of the file, for errors
 * @return 0; -ERR_INVALID with file, line and key, -ERR_TOO_LARGE, -ERR_LIMIT, -ERR_NOMEM: the old rules stay and the
 *         error is kept for process_status(). Thread-safe.
 */
NODISCARD int process_load(struct process *p, enum process_source source, const char *name,
                           struct str yaml, struct err *reterr);
/** Read a configuration as process_load() does and say what was found, one line a rule. */
NODISCARD int process_check(const char *name, struct str yaml, struct buf *dst, struct err *reterr);
/** An error of reading the file, for process_status(). */
void process_note_error(struct process *p, const struct err *e);

/** What the rules did to a batch, not counted yet: a batch that is refused comes again. Zero: nothing. */
struct process_tally {
    const struct program *program; /* held */
    const uint64_t *matches;       /* by rule; in the batch's arena, as rows */
    const uint64_t *rows;
    int64_t charged; /* of the budget, until it is settled */
};

/**
 * The rules on a batch, in place; *n falls by what is dropped. What is new lies in `arena`. Thread-safe.
 * @param ret  to be settled, before the arena goes
 * @return 0; -ERR_NOMEM, -ERR_OVERLOAD (the budget is full): the batch is not to be stored
 */
NODISCARD int process_logs(struct process *p, struct log_record *rows, size_t *n,
                           struct arena *arena, struct process_tally *ret, struct err *reterr);
NODISCARD int process_spans(struct process *p, struct span *rows, size_t *n, struct arena *arena,
                            struct process_tally *ret, struct err *reterr);
/** The batch was stored (or nothing was left of it), so it counts; or it was refused. */
void process_settle(struct process *p, const struct process_tally *t, bool stored);

enum process_source process_source(struct process *p);

/** The rules in force, held until program_give(). */
const struct program *process_take(struct process *p);
void process_give(struct process *p, const struct program *program);

/** {"source", "config", "loaded_at_ms", "error", "rules": [...]} as one JSON object. */
void process_status(struct process *p, struct json_writer *w);

/**
 * Dry run of one log record or span given as JSON ({"signal": "logs", "line": "..."}): what every rule did, as JSON.
 * @param body  the request, see api/openapi.yaml; "config" in it is tried instead of the rules in force
 * @return 0; -ERR_INVALID and others as process_load()
 */
NODISCARD int process_test(struct process *p, struct str body, struct json_writer *w,
                           struct err *reterr);

#endif
