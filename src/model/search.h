/* SPDX-License-Identifier: Apache-2.0
 *
 * A regular expression looked for anywhere in a text (not anchored, as LogQL's |~), in RE2's syntax as far as
 * PCRE2 shares it, with match limits. Literals that every match needs are taken out of the pattern at build
 * time, so that most texts never reach the regex engine. '.' does not match a line feed, ^ and $ are the
 * text's ends, unless flags in the pattern say otherwise. Immutable, so thread-safe.
 */
#ifndef MODEL_SEARCH_H
#define MODEL_SEARCH_H

#include "base/str.h"

struct err;
struct search;

/** @param pattern  copied. @return 0; -ERR_INVALID with the regex error and its position, -ERR_NOMEM. Free with
 * search_free(). */
NODISCARD int search_new(struct str pattern, struct search **ret, struct err *reterr);
void search_free(struct search *s); /* NULL is fine */

struct str search_pattern(const struct search *s);
/** Is it in the text? A run that reaches the match limit says no. */
bool search_found(const struct search *s, struct str text);
/** The same with nothing but the regex engine, for tests. */
bool search_found_slowly(const struct search *s, struct str text);
/** Literals of which every matching text contains at least one, in either case when *ret_nocase. NULL when
 * nothing is known. */
const struct str *search_literals(const struct search *s, size_t *ret_n, bool *ret_nocase);

#endif
