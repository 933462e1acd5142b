/* SPDX-License-Identifier: Apache-2.0
 *
 * What tells one stack trace from another inside a log body of several lines: the exception's type and the
 * innermost frames, without line numbers and messages.
 */
#ifndef INGEST_PATTERNS_TRACE_H
#define INGEST_PATTERNS_TRACE_H

#include "base/str.h"

enum {
    TRACE_FRAMES = 4,        /* the type and three frames */
    TRACE_BYTES_MAX = 16384, /* of a body that are looked at */
};

/** Slices of `body` in the order of the trace; Java, .NET, JavaScript, Python and Go. @return how many; 0: no trace */
size_t trace_frames(struct str body, struct str ret[TRACE_FRAMES]);

#endif
