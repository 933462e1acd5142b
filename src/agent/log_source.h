/* SPDX-License-Identifier: Apache-2.0
 *
 * One entry of logs.files: which files to follow and how to cut and name their lines. Written as
 *   PATTERN [key=value]...        values with blanks in double quotes, \" and \\ inside them
 */
#ifndef AGENT_LOG_SOURCE_H
#define AGENT_LOG_SOURCE_H

#include "base/str.h"

struct err;
struct log_source;

enum log_start { LOG_START_END, LOG_START_BEGINNING };

enum log_multiline { LOG_LINES_AUTO, LOG_LINES_NONE, LOG_LINES_REGEX };

enum log_timestamp { LOG_TIME_AUTO, LOG_TIME_NONE };

/**
 * Keys: service=NAME (default: file name up to the first dot), exclude=GLOB (repeated),
 * multiline=auto|none|REGEX (auto, the default: stack traces and indented lines, log_join.h; REGEX: a line that matches
 * starts a record; PCRE2), start=end|beginning (files that exist at the very first
 * start), timestamp=auto|none (none: the time of reading), encoding=utf-8 (the only one).
 * @return 0, -ERR_INVALID with what is wrong
 */
NODISCARD int log_source_parse(struct str entry, struct log_source **ret, struct err *reterr);
void log_source_free(struct log_source *s);

const char *log_source_pattern(const struct log_source *s);
/** NULL: take it from the file name. */
const char *log_source_service(const struct log_source *s);
bool log_source_excludes(const struct log_source *s, const char *path);
enum log_start log_source_start(const struct log_source *s);
enum log_timestamp log_source_timestamp(const struct log_source *s);
enum log_multiline log_source_multiline(const struct log_source *s);
/** True when the line starts a record behind the lines `so_far` (always without multiline). Bounded work: a line that
 * exceeds the match limit counts as a start. */
bool log_source_starts_record(const struct log_source *s, struct str so_far, struct str line);

#endif
