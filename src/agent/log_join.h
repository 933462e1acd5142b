/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lines of a log belong together without a rule of the user's: stack traces and whatever is indented. Known:
 * Java and other JVM languages, .NET, Node.js, Python, Go. Pure.
 */
#ifndef AGENT_LOG_JOIN_H
#define AGENT_LOG_JOIN_H

#include "base/str.h"

/**
 * True when `line` continues the record `so_far` (its lines up to here, with newlines; not empty). A line joins when it
 * - is indented,
 * - begins as the parts of a stack trace do that are not indented: "Caused by: ", "Suppressed: ", "... 12 more", the
 *   qualified name of a Java exception ("java.io.IOException: ..."), "Traceback (most recent call last):", and after one
 *   its "KeyError: ..." and what joins two of them; "goroutine 1 [running]:" and its frames after a Go panic,
 * - closes what was indented: "}", "]", ")".
 * Looks at the first bytes of the line and at the ends of the record only.
 */
bool log_joins(struct str so_far, struct str line);

#endif
