/* SPDX-License-Identifier: Apache-2.0
 *
 * zlib's deflate with a gzip wrapper, driven piece by piece. Invariant: all of `src` is consumed by a call.
 */
#include "codec/gzip_stream.h"

#include <zlib.h>

#include "base/alloc.h"
#include "base/err.h"

enum { GZIP_WINDOW = 15 + 16 /* 32 KiB, with the gzip wrapper */, MEMORY_LEVEL = 8, ROOM = 16384 };

struct gzip_stream {
    z_stream z;
};

struct gzip_stream *gzip_stream_new(int level)
{
    struct gzip_stream *g = mem_try_calloc(1, sizeof(*g));

    if (g != NULL && deflateInit2(&g->z, level != 0 ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                                  GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        mem_free(g);
        return NULL;
    }
    return g;
}

int gzip_stream_feed(struct gzip_stream *g, struct str src, bool last, struct buf *dst)
{
    int done = Z_OK;

    if (src.n > UINT32_MAX) {
        return -ERR_TOO_LARGE;
    }
    g->z.next_in = (Bytef *)(uintptr_t)src.p;
    g->z.avail_in = (uInt)src.n;
    do {
        char *out = buf_reserve(dst, ROOM);

        if (out == NULL) {
            return buf_status(dst);
        }
        g->z.next_out = (Bytef *)out;
        g->z.avail_out = ROOM;
        done = deflate(&g->z, last ? Z_FINISH : Z_NO_FLUSH);
        dst->n += ROOM - g->z.avail_out;
    } while (g->z.avail_out == 0 || (last && done == Z_OK));
    return 0;
}

void gzip_stream_free(struct gzip_stream *g)
{
    if (g != NULL) {
        deflateEnd(&g->z);
        mem_free(g);
    }
}
