/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 at the edge of the program (RFC 3629): whatever came in as bytes leaves as valid text. Every byte
 * that is not part of a valid sequence counts as one error and becomes one U+FFFD.
 */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include "base/arena.h"

/** Length 1-4 of the valid sequence at p (n > 0 bytes left), 0 when there is none. */
size_t utf8_sequence(const char *p, size_t n);
/**
 * The same text with invalid bytes replaced. A valid `s` is returned as it is, nothing is allocated.
 * @param ret_bad  invalid bytes replaced, 0 when none; may be NULL
 * @return 0, -ERR_NOMEM
 */
NODISCARD int utf8_clean(struct str s, struct arena *a, struct str *ret, size_t *ret_bad);
/** Longest prefix of at most `max` bytes that ends on a sequence boundary of a valid text. */
struct str utf8_cut(struct str s, size_t max);
/** Encode one code point into dst[4]. @return bytes written; surrogates and values above U+10FFFF give
 * U+FFFD. */
size_t utf8_encode(uint32_t code_point, char *dst);

#endif
