/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a value, as filters compare it and groups are named: strings as they are, numbers and
 * booleans as JSON writes them, bytes as base64, arrays and maps as JSON, an empty value as "". Also the
 * tokens that full-text search knows.
 */
#ifndef STORE_COLUMNS_TEXT_H
#define STORE_COLUMNS_TEXT_H

#include "base/buf.h"
#include "model/otel.h"

enum { VALUE_DEPTH_MAX = 128 };

/** @param scratch  cleared and used for what is not a string; the result may point into it */
struct str value_text(const struct value *v, struct buf *scratch);

/** [A-Za-z0-9_] and all bytes >= 0x80. */
extern const uint8_t TOKEN_CHAR[256];
/** ASCII lower case. */
extern const uint8_t LOWER_CHAR[256];

/** Cut the next token off the front of *rest. @return false when none is left. */
bool text_next_token(struct str *rest, struct str *ret_token);
/** Hash of a token, the same for every letter case. */
uint64_t text_token_hash(struct str token);
/** Substring, ASCII case-insensitive; an empty needle is in everything. */
bool text_contains(struct str text, struct str needle);
/** Substring whose ends are ends of tokens, ASCII case-insensitive; an empty needle is nowhere. */
bool text_has_word(struct str text, struct str word);

#endif
