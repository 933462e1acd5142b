/* SPDX-License-Identifier: Apache-2.0
 *
 * A native histogram as an object of JSON lines; push_json.h has its form. One reader is reused for all of a request.
 */
#ifndef INGEST_PUSH_JSON_NATIVE_H
#define INGEST_PUSH_JSON_NATIVE_H

#include "codec/json_read.h"
#include "model/histogram.h"

/** Read and validate the next value, an object or null (staleness marker), into `h`, which is emptied first.
 * @return 0; -ERR_INVALID, -ERR_TRUNCATED, -ERR_LIMIT, -ERR_NOMEM with the reason */
NODISCARD int push_json_native(struct json_reader *r, struct native_histogram *h, struct err *why);

/** A number, or as a string one that JSON has no number for; null is the stale marker. In push_json.c. */
NODISCARD int push_json_value(struct json_reader *r, double *ret, struct err *why);

#endif
