/* SPDX-License-Identifier: Apache-2.0
 *
 * gzip of a text that comes in pieces and is never whole in memory (RFC 1952). compress.h does whole texts.
 */
#ifndef CODEC_GZIP_STREAM_H
#define CODEC_GZIP_STREAM_H

#include "base/buf.h"

struct gzip_stream;

/** @param level 1..9; 0: the library's default @return NULL without memory */
struct gzip_stream *gzip_stream_new(int level);
/** Append to dst what is ready of `src`; with `last` everything and the trailer. May append nothing.
 * @return 0, -ERR_NOMEM, -ERR_TOO_LARGE (dst's maximum) */
NODISCARD int gzip_stream_feed(struct gzip_stream *g, struct str src, bool last, struct buf *dst);
void gzip_stream_free(struct gzip_stream *g); /* NULL is fine */

#endif
