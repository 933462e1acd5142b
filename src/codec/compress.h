/* SPDX-License-Identifier: Apache-2.0
 *
 * Compression with an output limit on every decoder, so that no small input becomes a large one.
 */
#ifndef CODEC_COMPRESS_H
#define CODEC_COMPRESS_H

#include "base/buf.h"

struct err;

enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_DEFLATE, COMPRESS_ZSTD, COMPRESS_SNAPPY };

/** From an HTTP Content-Encoding or grpc-encoding token ("", "identity", "gzip", "x-gzip", "deflate", "zstd",
 * "snappy"). @return false when unknown. */
bool compression_parse(struct str token, enum compression *ret);

/**
 * Append the decompressed bytes to dst; dst->max is the output limit. Snappy is the block format (as remote
 * write uses it), gzip accepts several members.
 * @return 0; -ERR_TOO_LARGE when the output would pass the limit, -ERR_INVALID on broken input,
 *         -ERR_TRUNCATED when it ends early, -ERR_NOMEM
 */
NODISCARD int decompress(enum compression c, struct str src, struct buf *dst, struct err *reterr);
/** Append the compressed form. level 0: the codec's default. */
NODISCARD int compress_to(enum compression c, struct str src, int level, struct buf *dst,
                          struct err *reterr);

#endif
