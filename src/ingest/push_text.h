/* SPDX-License-Identifier: Apache-2.0
 *
 * Exposition text, OpenMetrics or protobuf pushed by a client, into the metrics engine.
 */
#ifndef INGEST_PUSH_TEXT_H
#define INGEST_PUSH_TEXT_H

#include "ingest/expo.h"
#include "ingest/push.h"

/** @return as push_run(); -ERR_INVALID names line and column, what came before is stored */
NODISCARD int push_text(struct push_door *d, const struct push_opts *o, enum expo_format format,
                        struct str body, struct push_result *ret, struct err *reterr);

#endif
