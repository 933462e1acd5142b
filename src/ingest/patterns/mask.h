/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a log line is variable is replaced by one byte, in one pass: numbers, hex, ids, addresses, times, quoted
 * values and values of key=value. Lines of one statement in a program mostly become equal by this alone.
 */
#ifndef INGEST_PATTERNS_MASK_H
#define INGEST_PATTERNS_MASK_H

#include "base/str.h"

enum {
    MASK_INPUT_MAX = 1024, /* bytes of a line that are looked at; the rest counts as one value */
    MASK_TRACE_MAX = 512,  /* and of what a stack trace adds */
    MASK_OUT_MAX = 2 * MASK_INPUT_MAX + MASK_TRACE_MAX + 64,
    MASK_VALUE = 1, /* stands for a value */
    MASK_WILD =
        2, /* stands for words that differ from line to line (drain.h); never written here */
};

/** Mask the first line of `body`, without escape sequences of terminals. Of a body of several lines that holds a stack trace, the exception's type and the
 * innermost frames follow, each after a line feed. Blanks become one space; bytes below 32 become blanks.
 * @return bytes written to `out`; 0: nothing to see */
size_t mask_body(struct str body, char out[MASK_OUT_MAX]);

/** The part of a structured line that a person wrote: the text of "msg", "message", "log" or "event" of a JSON
 * object, still escaped; else the whole. */
struct str mask_message(struct str line);

#endif
