/* SPDX-License-Identifier: Apache-2.0
 *
 * Text in Go's forms, because PromQL's literals and messages are defined by them: quoted strings and runes
 * (the Go specification's literals, strconv.Quote) and floats (strconv.FormatFloat 'f', 'e' and fmt %v).
 */
#ifndef QUERY_PROMQL_GOTEXT_H
#define QUERY_PROMQL_GOTEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/decimal.h"

/** One UTF-8 rune at the start of s; -1 at the end, 0xFFFD with one byte consumed for invalid bytes. */
int32_t go_rune(struct str s, size_t *ret_n);
void go_add_rune(struct buf *dst, int32_t r);
/** "..." with Go's escapes. */
void go_quote(struct str s, struct buf *dst);
/** '...' with Go's escapes. */
void go_quote_rune(int32_t r, struct buf *dst);
/** The value of a literal with its quotes (", ' or `). @return false for a malformed one or no memory */
NODISCARD bool go_unquote(struct str literal, struct arena *a, struct str *ret);

/** Shortest text that reads back, never with an exponent; NaN, +Inf, -Inf. */
void go_add_f64(struct buf *dst, double v);
/** The same, but with an exponent below 1e-6 and from 1e21, as the HTTP API writes points. */
size_t go_f64_json(double v, char *dst); /* as decimal_text() */
/** As fmt's %v: exponent below 1e-4 and from 1e6. */
void go_add_f64_v(struct buf *dst, double v);

/** "1h30m", "2w", "500ms", "0s". */
void go_add_duration(struct buf *dst, int64_t ms);

#endif
