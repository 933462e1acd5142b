/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON lines, as VictoriaMetrics and /api/v1/export write them: one object a line,
 * {"metric":{"__name__":"up",...},"values":[1,...],"timestamps":[Unix ms,...]}. A value is a number, null (staleness
 * marker) or one of the strings "NaN", "Infinity", "-Infinity". Native histograms have lines of their own, with
 * "histograms" instead of "values": objects (or null) of schema, hint (as remote write numbers them), count, sum,
 * zero_threshold, zero_count, positive and negative ([index,count,...], absolute counts) and bounds (schema -53);
 * what is left out is 0 or empty.
 */
#ifndef INGEST_PUSH_JSON_H
#define INGEST_PUSH_JSON_H

#include "ingest/push.h"

/** Lines that cannot be read are left out; ret->why is then "line N: ...". @return as push_run() */
NODISCARD int push_json(struct push_door *d, const struct push_opts *o, struct str body,
                        struct push_result *ret, struct err *reterr);

#endif
