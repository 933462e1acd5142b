/* SPDX-License-Identifier: Apache-2.0
 *
 * An entry of the systemd journal as a log record. Pure. Fields: systemd.journal-fields(7). Names of attributes:
 * OpenTelemetry semantic conventions where they have one (process.*, code.*, container.*, syslog.facility.code).
 */
#ifndef AGENT_JOURNAL_MAP_H
#define AGENT_JOURNAL_MAP_H

#include "base/arena.h"
#include "model/otel.h"

enum { JOURNAL_FIELDS_MAX = 256 };

struct journal_field {
    struct str name; /* "PRIORITY" */
    struct str value;
};

struct journal_entry {
    int64_t realtime_us; /* when the journal received it */
    const struct journal_field *fields;
    size_t n; /* at most JOURNAL_FIELDS_MAX */
};

struct journal_row {
    struct log_record record;
    struct str
        service; /* of the unit ("nginx" of nginx.service), else SYSLOG_IDENTIFIER, else _COMM */
    struct attr attrs[JOURNAL_FIELDS_MAX];
};

/**
 * - body: MESSAGE. Time: _SOURCE_REALTIME_TIMESTAMP, else when it was received. Severity: PRIORITY; what a service
 *   wrote to its standard output (always PRIORITY 6) is asked for a level of its own, as a line of a file is.
 * - Known fields become named attributes, command lines masked; fields a program added (no leading '_') become
 *   "journald.<name in small letters>"; other trusted fields are left out.
 * What *ret points to lives in `a` and in the entry. When `a` is full attributes are missing.
 */
void journal_map(const struct journal_entry *e, int64_t now_ns, struct arena *a,
                 struct journal_row *ret);

#endif
