/* SPDX-License-Identifier: Apache-2.0
 *
 * What the disk is used for, by signal, tier and day, how it grows, and when and with what the disk budget will
 * act. Read from the engines' memory; nothing here changes anything.
 */
#ifndef STORE_STORAGE_H
#define STORE_STORAGE_H

#include "store/store.h"
#include "store/tsdb/tiers.h"

enum { STORAGE_DAYS = 60, STORAGE_MEASURED_DAYS = 7, STORAGE_TEXT = 200 };

/** Bytes on disk of data of one UTC day. */
struct storage_day {
    int64_t day; /* since 1970-01-01 */
    uint64_t tiers[TSDB_TIERS];
    uint64_t spans;
    uint64_t logs;
    uint64_t transactions; /* and the cells of their T-Maps */
};

/** Bytes a day at today's rate. */
struct storage_growth {
    uint64_t tiers[TSDB_TIERS];
    uint64_t spans;
    uint64_t logs;
    uint64_t transactions;
    uint64_t total;
    unsigned days; /* complete days averaged; 0: from a part of a day, rough */
};

/** What the disk budget would take first. */
struct storage_victim {
    const char
        *signal; /* "metrics", "traces", "logs", "transactions"; NULL: there is nothing to take */
    const char *tier; /* of metrics: "raw", "1m", ...; else "" */
    int64_t day;      /* its data */
    uint64_t bytes;
    char reason[STORAGE_TEXT];
};

/** When a tier of metrics loses its oldest day, and how far back it goes at last. */
struct storage_outlook {
    double days_left; /* INFINITY: not in ten years */
    bool by_budget;   /* what takes it: the limit, or the tier's retention */
    double
        reach_days; /* of samples, once sizes have settled; INFINITY: they do not in ten years; 0: not known */
};

struct storage_report {
    struct store_usage usage;
    uint64_t limit_bytes; /* what the data may grow to: the budget or the file system, the less */
    bool limited_by_disk; /* the file system is the less */
    uint64_t min_free_bytes; /* of the file system */
    struct tsdb_tier tiers[TSDB_TIERS];
    struct columns_status spans;
    struct columns_status logs;
    struct columns_status transactions;
    struct storage_day days[STORAGE_DAYS]; /* rising; days without data are left out */
    size_t days_n;
    struct storage_growth growth;
    double days_left;   /* until the limit is reached; INFINITY: retention keeps it below */
    uint64_t levels_at; /* with days_left INFINITY: where retention holds it, about */
    struct storage_victim next;
    struct storage_outlook outlook[TSDB_TIERS];
};

/** What a service costs of traces or logs. */
struct storage_service {
    struct str name; /* empty: without the attribute service.name */
    uint64_t rows;
    uint64_t bytes; /* of the parts on disk, shared out by what rows take before encoding */
};

struct storage_services {
    struct storage_service *v; /* by bytes, falling */
    size_t n;
    uint64_t distinct, bytes; /* of all services */
};

/** @return 0, -ERR_NOMEM */
NODISCARD int storage_report(struct store *s, struct arena *a, struct storage_report *ret,
                             struct err *reterr);

/** Bytes by service of all spans, or all logs. Reads the directories of blocks, not their rows. In `a`.
 * @return 0; -ERR_NOMEM, -ERR_CORRUPT, -ERR_CANCELED, -ERR_TIMEOUT */
NODISCARD int storage_services(struct store *s, bool spans, size_t limit, struct cancel *cancel,
                               struct arena *a, struct storage_services *ret, struct err *reterr);

#endif
