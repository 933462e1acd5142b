/* SPDX-License-Identifier: Apache-2.0
 *
 * What a log line says about itself: severity, time, trace. Understood: JSON objects, logfmt, syslog
 * (RFC 3164 and 5424, "<PRI>"), klog/glog (I0102 ...), and level words near the start of the line. Pure,
 * linear in the first LOG_LINE_LOOK bytes, allocates nothing.
 */
#ifndef AGENT_LOG_LINE_H
#define AGENT_LOG_LINE_H

#include "model/otel.h"

enum { LOG_LINE_LOOK = 8192, LOG_LEVEL_LOOK = 160 };

struct log_meta {
    int64_t time_ns;          /* 0: the line carries none that is understood */
    uint8_t severity;         /* SeverityNumber, 0: unknown */
    struct str severity_text; /* as written; borrows from the line */
    struct trace_id trace_id; /* zeros: none */
    struct span_id span_id;
};

struct log_line_opts {
    bool with_time;       /* false: time_ns stays 0 */
    int64_t utc_offset_s; /* of times that carry no offset: the host's time zone */
};

/** Fill *ret from the line's content. */
void log_line_inspect(struct str line, const struct log_line_opts *opts, struct log_meta *ret);
/** A level word of any case ("WARNING", "err", "E", "30" of bunyan/pino) to SeverityNumber; 0 unknown. */
uint8_t log_level_number(struct str word);
/**
 * A time at the very start of `s`: RFC 3339 or ISO 8601 date and time (blank or T between, '.' or ',' before
 * the fraction, offset Z, +hh:mm, +hhmm, +hh or none = utc_offset_s), also in [].
 * @return bytes used, 0 when there is none
 */
size_t log_time_prefix(struct str s, int64_t utc_offset_s, int64_t *ret_ns);

#endif
