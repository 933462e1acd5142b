/* SPDX-License-Identifier: Apache-2.0
 *
 * Escape sequences of terminals in log lines: colours say nothing of what a line means, so a line has the same pattern
 * with and without them. Source: ECMA-48 (CSI, OSC, two-byte sequences).
 */
#ifndef INGEST_PATTERNS_ANSI_H
#define INGEST_PATTERNS_ANSI_H

#include "base/str.h"

/** `text` without escape sequences, also where the escape byte is written out, as JSON (\u001b[), rsyslog (#033[) and
 * loggers (\x1b[, \033[) do. Mostly there are none and `text` itself is returned; else a copy of at most `max` bytes
 * in `dst`. */
struct str ansi_strip(struct str text, char *dst, size_t max);

#endif
