/* SPDX-License-Identifier: Apache-2.0
 *
 * Influx line protocol, as Telegraf sends it. Every numeric or boolean field becomes a sample of the metric
 * MEASUREMENT_FIELD with the tags as labels (VictoriaMetrics' naming); string fields are skipped and counted.
 * Source: InfluxDB "Line protocol reference".
 */
#ifndef INGEST_INFLUX_H
#define INGEST_INFLUX_H

#include "ingest/push.h"

struct influx_opts {
    int64_t unit_ns; /* of timestamps; influx_precision() */
    struct str
        db; /* database or bucket, put on every series without a tag of that name; empty: none */
    struct str db_label;
};

/** "ns", "n", "us", "u", "ms", "s", "m", "h" and "" (ns). @return false: none of them */
bool influx_precision(struct str s, int64_t *ret_unit_ns);

/** Lines that cannot be read are left out; ret->why is then "line N: unable to parse '...': reason", and they count
 * among ret->rejected. @return as push_run() */
NODISCARD int influx_write(struct push_door *d, const struct push_opts *o,
                           const struct influx_opts *io, struct str body, struct push_result *ret,
                           struct err *reterr);

#endif
