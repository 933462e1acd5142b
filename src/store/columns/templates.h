/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts as templates: what most texts of a column share is stored once, and what differs (words with digits,
 * hexadecimal words) in a column per template and place, as numbers where they are numbers. A row's text is put
 * together when it is asked for. The invariant that queries use: what fills a place is always one whole token
 * of the text (text.h), so whatever of a search text lies in a place is a token of the search text.
 */
#ifndef STORE_COLUMNS_TEMPLATES_H
#define STORE_COLUMNS_TEMPLATES_H

#include "base/arena.h"
#include "store/columns/bloom.h"

struct strs_encoder;
struct templates_encoder;
struct templates;

struct strs_text;

/** Append the encoding if it pays; text->bloom (NULL: none) gets the tokens of all texts, and the trigrams of those
 * that are not numbers or hexadecimal when they are not too many. @return 1; 0: it does not pay, nothing was
 * written; -ERR_NOMEM */
NODISCARD int templates_encode(struct strs_encoder *e, const struct str *v, size_t n,
                               struct strs_text *text, struct buf *dst);
void templates_encoder_free(struct templates_encoder *t); /* NULL is fine */

/** `src` follows the form byte. Everything lives in `a` and in the payload. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int templates_decode(struct rd *src, size_t n, struct arena *a, struct templates **ret);
/** Only the texts of the rows at the rising places `at`, each below n. As templates_decode() */
NODISCARD int templates_pick(struct rd *src, size_t n, const uint32_t *at, size_t at_n,
                             struct arena *a, struct str *dst);
/** Text of a row, made when first asked for; empty once templates_status() is not 0. */
struct str templates_at(struct templates *t, size_t row);
/** 0; -ERR_CORRUPT or -ERR_NOMEM: a text could not be made. */
int templates_status(const struct templates *t);

size_t templates_count(const struct templates *t);
/** Template of each row. */
const uint32_t *templates_codes(const struct templates *t);

enum templates_hit { TEMPLATES_NONE, TEMPLATES_ALL, TEMPLATES_SOME };

/** How texts are searched. */
enum templates_search { TEMPLATES_NOCASE, TEMPLATES_CASE, TEMPLATES_WORD };

/** Which rows of a template hold the text: none, all, or their texts have to be looked at. */
enum templates_hit templates_find(const struct templates *t, size_t template, struct str needle,
                                  enum templates_search how);
/** Have all rows of a template the same text? */
bool templates_is_constant(const struct templates *t, size_t template);

#endif
