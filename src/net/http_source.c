/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies made while they are sent: microhttpd asks for bytes when the socket takes more, the source makes the
 * next piece, gzip packs it when the client wants. Invariant: at most one piece is in memory, so a slow reader
 * of a large answer costs no more than a fast one.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "codec/gzip_stream.h"
#include "net/http_internal.h"

struct body_source {
    struct http_source source;
    struct gzip_stream *gzip; /* NULL: as it is */
    struct buf piece;         /* of the source, when it is packed */
    struct buf out;           /* to send */
    size_t sent;              /* of out */
    bool ended;
    struct http_exchange *x; /* alive as long as the response is being sent */
};

struct body_source *source_new(struct http_exchange *x, const struct http_source *source, bool gzip)
{
    struct body_source *b = mem_xcalloc(1, sizeof(*b));

    b->source = *source;
    b->x = x;
    b->gzip = gzip ? gzip_stream_new(1) : NULL;
    buf_init(&b->piece, HTTP_SOURCE_PIECE_MAX);
    buf_init(&b->out, 2 * HTTP_SOURCE_PIECE_MAX);
    if (gzip && b->gzip == NULL) {
        source_free(b);
        return NULL;
    }
    return b;
}

void source_free(struct body_source *b)
{
    if (b == NULL) {
        return;
    }
    if (b->source.free != NULL) {
        b->source.free(b->source.arg);
    }
    gzip_stream_free(b->gzip);
    buf_done(&b->piece);
    buf_done(&b->out);
    mem_free(b);
}

/** Ask the source for a piece. @return 0 or its error */
static int next_piece(struct body_source *b)
{
    struct buf *dst = b->gzip != NULL ? &b->piece : &b->out;
    int rc;

    buf_clear(&b->piece);
    rc = b->source.next(b->source.arg, dst);
    rc = rc < 0 ? rc : buf_status(dst);
    if (rc < 0) {
        return rc;
    }
    b->ended = dst->n == 0;
    return b->gzip != NULL ? gzip_stream_feed(b->gzip, buf_str(&b->piece), b->ended, &b->out) : 0;
}

/** The reader makes progress: the watcher's clock starts again. */
static void progress(struct http_exchange *x)
{
    mutex_lock(&x->s->lock);
    x->conn->since = clock_mono();
    x->conn->bytes = 0;
    mutex_unlock(&x->s->lock);
}

static ssize_t read_source(void *arg, uint64_t pos, char *dst, size_t max)
{
    struct body_source *b = arg;
    size_t n;

    (void)pos;
    progress(b->x);
    if (b->sent == b->out.n) {
        buf_clear(&b->out);
        b->sent = 0;
    }
    while (b->out.n == 0 && !b->ended) { /* gzip may swallow a piece */
        int rc = next_piece(b);

        if (rc < 0) {
            log_warn("net", "answer cut short", L_CSTR("door", b->x->s->opts.name),
                     L_STR("path", b->x->path), L_CSTR("error", err_text(rc)));
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
    }
    if (b->out.n == 0) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    n = b->out.n - b->sent < max ? b->out.n - b->sent : max;
    memcpy(dst, b->out.data + b->sent, n);
    b->sent += n;
    return (ssize_t)n;
}

static void release_source(void *arg)
{
    source_free(arg);
}

struct MHD_Response *source_response(struct body_source *b)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, read_source, b,
                                             release_source);
}
