/* SPDX-License-Identifier: Apache-2.0
 *
 * zlib, zstd and snappy behind one call. A decoder never asks for more output room than the limit left and
 * never allocates ahead of what the input can really become; a failed call leaves dst->n as it was.
 */
#include "codec/compress.h"

#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/err.h"

enum {
    STEP_MIN = 16 << 10,   /* output room asked for at least, bytes */
    ZSTD_WINDOW_LOG = 23,  /* 8 MiB, the most RFC 9659 allows a sender */
    SNAPPY_MAX_RATIO = 22, /* a 3-byte copy element yields at most 64 bytes */
};

bool compression_parse(struct str token, enum compression *ret)
{
    static const struct {
        struct str token;
        enum compression c;
    } TOKENS[] = {
        {{"", 0}, COMPRESS_NONE},           {{"identity", 8}, COMPRESS_NONE},
        {{"gzip", 4}, COMPRESS_GZIP},       {{"x-gzip", 6}, COMPRESS_GZIP},
        {{"deflate", 7}, COMPRESS_DEFLATE}, {{"zstd", 4}, COMPRESS_ZSTD},
        {{"snappy", 6}, COMPRESS_SNAPPY},
    };

    token = str_trim(token);
    for (size_t i = 0; i < ARRAY_LEN(TOKENS); i++) {
        if (str_eq_nocase(token, TOKENS[i].token)) {
            *ret = TOKENS[i].c;
            return true;
        }
    }
    return false;
}

static int too_large(const struct buf *dst, struct err *reterr)
{
    return err_set(reterr, ERR_TOO_LARGE, "decompressed data exceeds the limit of %zu bytes",
                   dst->max);
}

static int no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "no memory to (de)compress");
}

/* Where the next output goes: in dst, or one spare byte when dst is full, to see whether anything is left. */
struct out {
    char *p;
    size_t n;
    char spare;
};

static int out_open(struct out *o, struct buf *dst, size_t src_left, struct err *reterr)
{
    size_t room = dst->max - dst->n;
    size_t want = src_left > SIZE_MAX / 4 ? room : src_left * 4;

    if (room == 0) {
        o->p = &o->spare;
        o->n = 1;
        return 0;
    }
    want = want < STEP_MIN ? STEP_MIN : want;
    o->n = want < room ? want : room;
    o->p = buf_reserve(dst, o->n);
    return o->p != NULL ? 0 : no_memory(reterr);
}

/* `made` bytes were written to the room. */
static int out_close(struct out *o, struct buf *dst, size_t made, struct err *reterr)
{
    if (o->p == &o->spare) {
        return made != 0 ? too_large(dst, reterr) : 0;
    }
    dst->n += made;
    return 0;
}

static int zlib_error(int rc, const z_stream *z, size_t at, struct err *reterr)
{
    if (rc == Z_MEM_ERROR) {
        return no_memory(reterr);
    }
    if (rc == Z_BUF_ERROR) {
        return err_set(reterr, ERR_TRUNCATED, "compressed data ends early, at byte %zu", at);
    }
    return err_set(reterr, ERR_INVALID, "broken compressed data at byte %zu: %s", at,
                   z->msg != NULL ? z->msg : "unexpected data");
}

/* zlib counts input in 32 bits: hand it over in pieces. */
static void feed(z_stream *z, struct str *src)
{
    size_t n = src->n < (1u << 30) ? src->n : 1u << 30;

    if (z->avail_in == 0 && n != 0) {
        z->next_in = (Bytef *)(uintptr_t)src->p;
        z->avail_in = (uInt)n;
        *src = str_drop(*src, n);
    }
}

static int inflate_stream(z_stream *z, struct str src, bool members, struct buf *dst,
                          struct err *reterr)
{
    size_t total = src.n;

    for (;;) {
        struct out o;
        size_t room;
        int rc;

        feed(z, &src);
        rc = out_open(&o, dst, src.n + z->avail_in, reterr);
        if (rc < 0) {
            return rc;
        }
        room = o.n < (1u << 30) ? o.n : 1u << 30;
        z->next_out = (Bytef *)o.p;
        z->avail_out = (uInt)room;
        rc = inflate(z, Z_NO_FLUSH);
        if (out_close(&o, dst, room - z->avail_out, reterr) < 0) {
            return -ERR_TOO_LARGE;
        }
        if (rc == Z_STREAM_END) {
            if (src.n + z->avail_in == 0) {
                return 0;
            }
            if (!members) {
                return err_set(reterr, ERR_INVALID, "extra bytes after the compressed data");
            }
            rc = inflateReset(z);
        }
        if (rc != Z_OK) {
            return zlib_error(rc, z, total - src.n - z->avail_in, reterr);
        }
    }
}

static int decompress_zlib(int window_bits, struct str src, struct buf *dst, struct err *reterr)
{
    z_stream z = {0};
    int rc;

    if (inflateInit2(&z, window_bits) != Z_OK) {
        return no_memory(reterr);
    }
    rc = inflate_stream(&z, src, window_bits > 15, dst, reterr);
    inflateEnd(&z);
    return rc;
}

/* HTTP's "deflate" is the zlib format (RFC 9110 8.4.1.2), but raw deflate is seen too. */
static int deflate_window(struct str src)
{
    unsigned cmf = src.n >= 2 ? (unsigned char)src.p[0] : 0;
    unsigned flg = src.n >= 2 ? (unsigned char)src.p[1] : 1;

    return (cmf & 15) == Z_DEFLATED && (cmf << 8 | flg) % 31 == 0 ? 15 : -15;
}

static int zstd_stream(ZSTD_DCtx *z, struct str src, struct buf *dst, struct err *reterr)
{
    ZSTD_inBuffer in = {src.p, src.n, 0};

    for (;;) {
        struct out o;
        ZSTD_outBuffer out;
        size_t before = in.pos;
        size_t hint;
        int rc = out_open(&o, dst, in.size - in.pos, reterr);

        if (rc < 0) {
            return rc;
        }
        out = (ZSTD_outBuffer){o.p, o.n, 0};
        hint = ZSTD_decompressStream(z, &out, &in);
        if (ZSTD_isError(hint)) {
            return err_set(reterr, ERR_INVALID, "broken zstd data at byte %zu: %s", in.pos,
                           ZSTD_getErrorName(hint));
        }
        rc = out_close(&o, dst, out.pos, reterr);
        if (rc < 0) {
            return rc;
        }
        if (hint == 0 && in.pos == in.size) {
            return 0;
        }
        if (in.pos == in.size && in.pos == before && out.pos == 0) {
            return err_set(reterr, ERR_TRUNCATED, "compressed data ends early, at byte %zu",
                           in.pos);
        }
    }
}

static int decompress_zstd(struct str src, struct buf *dst, struct err *reterr)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    int rc;

    if (z == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG))) {
        ZSTD_freeDCtx(z);
        return no_memory(reterr);
    }
    rc = zstd_stream(z, src, dst, reterr);
    ZSTD_freeDCtx(z);
    return rc;
}

static int decompress_snappy(struct str src, struct buf *dst, struct err *reterr)
{
    size_t room = dst->max - dst->n;
    char nothing;
    size_t n;
    char *p;

    if (src.n == 0) {
        return err_set(reterr, ERR_TRUNCATED, "compressed data ends early, at byte 0");
    }
    if (snappy_uncompressed_length(src.p, src.n, &n) != SNAPPY_OK) {
        return err_set(reterr, ERR_INVALID, "broken snappy data: no valid length at its start");
    }
    if (n > room) {
        return too_large(dst, reterr);
    }
    if (n / SNAPPY_MAX_RATIO > src.n) {
        return err_set(reterr, ERR_INVALID,
                       "broken snappy data: %zu bytes cannot hold the %zu bytes they announce",
                       src.n, n);
    }
    p = n != 0 ? buf_reserve(dst, n) : &nothing;
    if (p == NULL) {
        return no_memory(reterr);
    }
    if (snappy_uncompress(src.p, src.n, p, &n) != SNAPPY_OK) {
        return err_set(reterr, ERR_INVALID, "broken snappy data");
    }
    dst->n += n;
    return 0;
}

static int decompress_any(enum compression c, struct str src, struct buf *dst, struct err *reterr)
{
    switch (c) {
    case COMPRESS_NONE:
        if (src.n > dst->max - dst->n) {
            return too_large(dst, reterr);
        }
        buf_add_str(dst, src);
        return dst->failed ? no_memory(reterr) : 0;
    case COMPRESS_GZIP:
        return decompress_zlib(15 + 16, src, dst, reterr);
    case COMPRESS_DEFLATE:
        return decompress_zlib(deflate_window(src), src, dst, reterr);
    case COMPRESS_ZSTD:
        return decompress_zstd(src, dst, reterr);
    case COMPRESS_SNAPPY:
        return decompress_snappy(src, dst, reterr);
    }
    return err_set(reterr, ERR_UNSUPPORTED, "unknown compression %d", (int)c);
}

int decompress(enum compression c, struct str src, struct buf *dst, struct err *reterr)
{
    size_t before = dst->n;
    int rc = decompress_any(c, src, dst, reterr);

    if (rc < 0) {
        dst->n = before;
    }
    return rc;
}

static int no_room(const struct buf *dst, struct err *reterr)
{
    return err_set(reterr, ERR_TOO_LARGE, "compressed data exceeds the limit of %zu bytes",
                   dst->max);
}

/* Room for the worst case, or all there is. */
static char *reserve_up_to(struct buf *dst, size_t bound, size_t *ret_n)
{
    size_t room = dst->max - dst->n;

    *ret_n = bound < room ? bound : room;
    return buf_reserve(dst, *ret_n);
}

static int compress_zlib(int window_bits, struct str src, int level, struct buf *dst,
                         struct err *reterr)
{
    z_stream z = {0};
    char *p;
    size_t n;
    int rc;

    if (src.n > 1u << 30) {
        return err_set(reterr, ERR_TOO_LARGE, "more than 1 GiB to compress");
    }
    if (deflateInit2(&z, level != 0 ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return no_memory(reterr);
    }
    p = reserve_up_to(dst, deflateBound(&z, src.n), &n);
    if (p == NULL) {
        deflateEnd(&z);
        return no_memory(reterr);
    }
    z.next_in = (Bytef *)(uintptr_t)src.p;
    z.avail_in = (uInt)src.n;
    z.next_out = (Bytef *)p;
    z.avail_out = (uInt)n;
    rc = deflate(&z, Z_FINISH);
    dst->n += rc == Z_STREAM_END ? n - z.avail_out : 0;
    deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : no_room(dst, reterr);
}

static int compress_zstd(struct str src, int level, struct buf *dst, struct err *reterr)
{
    size_t n;
    char *p = reserve_up_to(dst, ZSTD_compressBound(src.n), &n);

    if (p == NULL) {
        return no_memory(reterr);
    }
    n = ZSTD_compress(p, n, src.p, src.n, level != 0 ? level : ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(n)) {
        return no_room(dst, reterr);
    }
    dst->n += n;
    return 0;
}

static int compress_snappy(struct str src, struct buf *dst, struct err *reterr)
{
    size_t n = snappy_max_compressed_length(src.n);
    char *p = n <= dst->max - dst->n ? buf_reserve(dst, n) : NULL;
    char *tmp = NULL;
    int rc = 0;

    if (p == NULL) { /* the worst case does not fit; the real size may */
        p = tmp = mem_try_alloc(n);
    }
    if (p == NULL || snappy_compress(src.n != 0 ? src.p : "", src.n, p, &n) != SNAPPY_OK) {
        rc = no_memory(reterr);
    } else if (tmp == NULL) {
        dst->n += n;
    } else if (n > dst->max - dst->n) {
        rc = no_room(dst, reterr);
    } else {
        buf_add(dst, tmp, n);
        rc = dst->failed ? no_memory(reterr) : 0;
    }
    mem_free(tmp);
    return rc;
}

int compress_to(enum compression c, struct str src, int level, struct buf *dst, struct err *reterr)
{
    switch (c) {
    case COMPRESS_NONE:
        if (src.n > dst->max - dst->n) {
            return no_room(dst, reterr);
        }
        buf_add_str(dst, src);
        return dst->failed ? no_memory(reterr) : 0;
    case COMPRESS_GZIP:
        return compress_zlib(15 + 16, src, level, dst, reterr);
    case COMPRESS_DEFLATE:
        return compress_zlib(15, src, level, dst, reterr);
    case COMPRESS_ZSTD:
        return compress_zstd(src, level, dst, reterr);
    case COMPRESS_SNAPPY:
        return compress_snappy(src, dst, reterr);
    }
    return err_set(reterr, ERR_UNSUPPORTED, "unknown compression %d", (int)c);
}
