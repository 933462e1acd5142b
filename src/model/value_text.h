/* SPDX-License-Identifier: Apache-2.0
 *
 * Attribute values as text: what filters compare, labels carry and people read. One form for all of them.
 */
#ifndef MODEL_VALUE_TEXT_H
#define MODEL_VALUE_TEXT_H

#include "base/buf.h"
#include "model/otel.h"

/** Deepest nesting written; deeper marks the buffer as failed. */
enum { VALUE_DEPTH_MAX = 128 };

/** Append one JSON value (RFC 8259): bytes as base64, NaN and infinities as strings, which JSON lacks. */
void value_json(struct buf *dst, const struct value *v);
/** A string as it is, true/false, numbers in decimal, bytes as base64, arrays and maps as JSON, nothing as
 * "". @param scratch  cleared and used for what is not a string; the result may point into it */
struct str value_text(const struct value *v, struct buf *scratch);

#endif
