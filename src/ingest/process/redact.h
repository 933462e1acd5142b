/* SPDX-License-Identifier: Apache-2.0
 *
 * One text through the redaction rules. What lies in a replacement is not looked at again, so the text does not grow beyond
 * its limit; what is left afterwards has no hit any more, so redacting twice gives the same (built-in detectors).
 */
#ifndef INGEST_PROCESS_REDACT_H
#define INGEST_PROCESS_REDACT_H

#include "base/budget.h"
#include "ingest/process/program.h"

enum {
    REDACT_KEY_SIZE = 32,
    REDACT_OUT_MAX = 4 << 20, /* a longer result becomes a remark of that */
};

/** Told of every replacement; offsets are of the text as it was before this pass and after it. */
struct redact_note {
    uint32_t rule; /* id */
    size_t start;  /* of the result */
    size_t end;
};

/** State of one thread's work; zero-initialise, set program and key, redact_done() afterwards. */
struct redactor {
    const struct program *program;
    const uint8_t *key; /* of hashes; REDACT_KEY_SIZE */
    hits found;         /* scratch */
    VEC(struct redact_note) done;
    VEC(struct redact_note) next;
    struct buf out[2];
    bool ready;
    struct budget *budget; /* scratch is taken from it; may be NULL */
    int64_t charged;
};

void redactor_done(struct redactor *r);

enum redact_result { REDACT_SAME, REDACT_CHANGED, REDACT_GONE };

/**
 * @param plan  what to look for
 * @param ret   with REDACT_CHANGED: the new text, valid until the next call; r->done says what was replaced where
 * @return enum redact_result; with REDACT_GONE r->done has the rule; -ERR_NOMEM, -ERR_OVERLOAD (the budget is full)
 */
NODISCARD int redact_text(struct redactor *r, const struct redact_plan *plan, struct str key,
                          struct str text, struct str *ret);

/** "hash:" and 16 letters: HMAC-SHA-256 of the text, 64 bits of it. */
void redact_hash(const uint8_t key[REDACT_KEY_SIZE], struct str text, struct buf *dst);

#endif
