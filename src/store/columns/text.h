/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokens and substrings that full-text search knows.
 */
#ifndef STORE_COLUMNS_TEXT_H
#define STORE_COLUMNS_TEXT_H

#include "base/buf.h"
#include "model/value_text.h"

/** [A-Za-z0-9_] and all bytes >= 0x80. */
extern const uint8_t TOKEN_CHAR[256];
/** ASCII lower case. */
extern const uint8_t LOWER_CHAR[256];

/** Cut the next token off the front of *rest. @return false when none is left. */
bool text_next_token(struct str *rest, struct str *ret_token);
/** Every token and its hash, in order. */
void text_each_token(struct str text, void (*fn)(void *arg, struct str token, uint64_t hash),
                     void *arg);
/** Only the hashes. @param dst  room for text.n / 2 + 1 @return how many */
size_t text_token_hashes(struct str text, uint64_t *dst);
/** Hash of a token, the same for every letter case. */
uint64_t text_token_hash(struct str token);
/** Hash of three bytes of a token, the same for every letter case; never that of a token but by chance. */
uint64_t text_trigram_hash(const char *p);
/** The tokens that are likely to differ from text to text: those with a digit, and those of four and more letters
 * that are all hexadecimal digits. @param dst  room for text.n / 2 + 1 @return how many */
size_t text_variables(struct str text, struct str *dst);
/** A token of up to four digits: almost every block has it, so bloom filters do not know such. */
bool text_is_short_number(struct str token);
/** Substring, ASCII case-insensitive; an empty needle is in everything. */
bool text_contains(struct str text, struct str needle);
/** Substring whose ends are ends of tokens, ASCII case-insensitive; an empty needle is nowhere. */
bool text_has_word(struct str text, struct str word);

#endif
