/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV whose columns a format describes, as VictoriaMetrics' import does:
 * "2:metric:ask,3:metric:bid,1:label:ticker,4:time:unix_s".
 */
#ifndef INGEST_PUSH_CSV_H
#define INGEST_PUSH_CSV_H

#include "ingest/push.h"

enum { CSV_COLUMNS_MAX = 256 };

enum csv_kind { CSV_SKIP, CSV_METRIC, CSV_LABEL, CSV_TIME };

enum csv_time { CSV_UNIX_S, CSV_UNIX_MS, CSV_UNIX_NS, CSV_RFC3339 };

struct csv_column {
    enum csv_kind kind;
    enum csv_time time;
    struct str name; /* of the metric or label */
};

struct csv_format {
    struct csv_column v[CSV_COLUMNS_MAX];
    size_t n;
    size_t metrics;
    bool header; /* the first line is left out */
};

/** Names point into `text`. @return 0, -ERR_INVALID */
NODISCARD int csv_format_parse(struct str text, struct csv_format *ret, struct err *reterr);

/** Lines that cannot be read are left out; ret->why is then "line N: ...". @return as push_run() */
NODISCARD int push_csv(struct push_door *d, const struct push_opts *o, const struct csv_format *f,
                       struct str body, struct push_result *ret, struct err *reterr);

#endif
