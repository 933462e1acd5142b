/* SPDX-License-Identifier: Apache-2.0
 *
 * The syslog doors' way from bytes to the log store: datagrams (RFC 5426) and streams (RFC 6587, RFC 5425) of messages.
 * Names of attributes after OpenTelemetry's semantic conventions, severities after its log data model, appendix B.
 */
#ifndef INGEST_SYSLOG_H
#define INGEST_SYSLOG_H

#include "ingest/sink.h"

struct err;
struct syslog_door;
struct time_zone;

struct syslog_opts {
    const char *door; /* "syslog_udp", "syslog_tcp", "syslog_tls" */
    struct sink *sink;
    struct stats *stats;
    const struct time_zone *zone; /* of times that carry none; borrowed, NULL: UTC */
    size_t max_message;           /* bytes; longer ones are cut; default 64 KiB */
};

/** One per listening socket, used by its thread only. */
struct syslog_door *syslog_door_new(const struct syslog_opts *opts);
/** NULL is fine. */
void syslog_door_free(struct syslog_door *d);

/** A message and who sent it (IP address text). */
struct syslog_packet {
    struct str data;
    struct str peer;
};

/** Store datagrams. What the store cannot take is lost and counted: nobody can be asked to wait. */
void syslog_take_packets(struct syslog_door *d, const struct syslog_packet *v, size_t n);

/** A stream's state between calls. */
struct syslog_stream;
struct syslog_stream *syslog_stream_new(struct syslog_door *d);
void syslog_stream_free(struct syslog_stream *s);
/** Store the whole messages at the front of `data`.
 * @param end  nothing more will come: an unfinished message is taken as it is
 * @return bytes taken, 0: no message is complete; -ERR_OVERLOAD: the store cannot take them now, nothing was taken */
NODISCARD int64_t syslog_take_stream(struct syslog_stream *s, struct str data, struct str peer,
                                     bool end);

#endif
