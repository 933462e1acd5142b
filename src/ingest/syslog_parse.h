/* SPDX-License-Identifier: Apache-2.0
 *
 * One syslog message, whatever its form: RFC 5424 as it says, RFC 3164 and what devices make of it as far as it can be
 * understood. Nothing is refused: what is not understood is the text of the message. Source: RFC 5424 section 6,
 * RFC 3164 sections 4 and 5, RFC 6587 section 3.4.
 */
#ifndef INGEST_SYSLOG_PARSE_H
#define INGEST_SYSLOG_PARSE_H

#include "base/str.h"

struct time_zone;

/** What a time without year or zone is understood by. */
struct syslog_clock {
    const struct time_zone *zone; /* NULL: UTC */
    int64_t now_ns;
};

/** Slices of the text. Empty: the message does not say, or says "-". */
struct syslog_message {
    int pri; /* facility * 8 + severity; -1: none */
    bool rfc5424;
    bool broken; /* began as RFC 5424 and did not go on so */
    bool has_time;
    int64_t time_ns;
    struct str host;
    struct str app;
    struct str proc;
    struct str msgid;      /* also the mnemonic of Cisco's messages */
    struct str sequence;   /* number some devices count their messages with */
    struct str structured; /* elements as they stand, "[id a=\"b\"][id2]" */
    struct str msg;
};

void syslog_parse(struct str text, const struct syslog_clock *clock, struct syslog_message *ret);

/** Walk structured data. `at` starts with the whole. An element without parameters is told once with an empty name.
 * @return false at the end */
struct syslog_param {
    struct str id;
    struct str name;
    struct str value; /* escapes as they stand */
};

bool syslog_next_param(struct str *at, struct syslog_param *p);

/** Where a stream is between messages. Zeroed at the start. */
struct syslog_framing {
    size_t skip;    /* bytes of a counted message that were cut off and are still to come */
    bool skip_line; /* the same of a line */
};

struct syslog_frame {
    struct str text; /* empty: there was only something to skip */
    bool cut;        /* the message is longer */
};

/** The next message of a stream: counted by octets when it begins with a number and "<", else ended by LF (RFC 6587
 * 3.4.1, 3.4.2), each message by itself.
 * @param end  nothing more will come
 * @param max  longer messages are cut to this
 * @return bytes used of `data`, 0: more are needed */
size_t syslog_next_frame(struct syslog_framing *f, struct str data, bool end, size_t max,
                         struct syslog_frame *ret);

#endif
