/* SPDX-License-Identifier: Apache-2.0
 *
 * Long-lived response bodies: a bounded queue between writers on any thread and the event thread, which
 * suspends the connection when the queue is empty. Invariant: `mhd` is only touched with the lock held
 * and only until stream_detach(); `suspended` is true exactly while microhttpd has it suspended for us.
 */
#include "base/alloc.h"
#include "net/http_internal.h"

struct http_stream {
    struct mutex lock;
    struct MHD_Connection *mhd; /* guarded by: lock; NULL before the headers and after completion */
    struct buf queue;           /* guarded by: lock */
    size_t sent;                /* guarded by: lock; bytes at the front that were handed over */
    size_t queue_max;
    unsigned refs;  /* guarded by: lock; caller, exchange, response */
    bool suspended; /* guarded by: lock */
    bool ended;     /* guarded by: lock; the caller is done, the rest is sent */
    bool closed;    /* guarded by: lock; nobody reads any more */
};

struct http_stream *http_respond_stream(struct http_exchange *x, const char *content_type,
                                        size_t queue_max)
{
    struct http_stream *st = mem_xcalloc(1, sizeof(*st));

    mutex_init(&st->lock, LOCK_RANK_LEAF);
    buf_init(&st->queue, 2 * queue_max);
    st->queue_max = queue_max;
    st->refs = 1;
    if (x->responded) {
        st->closed = true; /* a mistake of the caller: writes fail, the end frees it */
        return st;
    }
    st->refs = 2;
    x->responded = true;
    x->status = 200;
    x->content_type = arena_printf(&x->arena, "%s", content_type).p;
    x->stream = st;
    return st;
}

static void unref_locked(struct http_stream *st)
{
    bool last = --st->refs == 0;

    mutex_unlock(&st->lock);
    if (last) {
        buf_done(&st->queue);
        mutex_done(&st->lock);
        mem_free(st);
    }
}

void stream_unref(struct http_stream *st)
{
    mutex_lock(&st->lock);
    unref_locked(st);
}

static void resume_locked(struct http_stream *st)
{
    if (st->suspended && st->mhd != NULL) {
        st->suspended = false;
        MHD_resume_connection(st->mhd);
    }
}

int http_stream_write(struct http_stream *st, struct str data)
{
    int rc = 0;

    mutex_lock(&st->lock);
    if (st->closed) {
        rc = -ERR_CANCELED;
    } else if (data.n > st->queue_max || st->queue.n - st->sent > st->queue_max - data.n) {
        rc = -ERR_OVERLOAD;
    } else {
        if (st->sent != 0 && (st->sent > st->queue_max / 2 || st->sent == st->queue.n)) {
            memmove(st->queue.data, st->queue.data + st->sent, st->queue.n - st->sent);
            st->queue.n -= st->sent;
            st->sent = 0;
        }
        buf_add_str(&st->queue, data);
        if (buf_status(&st->queue) < 0) {
            st->queue.failed = false;
            rc = -ERR_OVERLOAD;
        }
        resume_locked(st);
    }
    mutex_unlock(&st->lock);
    return rc;
}

void http_stream_end(struct http_stream *st)
{
    mutex_lock(&st->lock);
    st->ended = true;
    resume_locked(st);
    unref_locked(st);
}

static ssize_t read_stream(void *arg, uint64_t pos, char *dst, size_t max)
{
    struct http_stream *st = arg;
    size_t n;
    ssize_t rc;

    (void)pos;
    mutex_lock(&st->lock);
    n = st->queue.n - st->sent;
    if (n != 0 && !st->closed) {
        n = n < max ? n : max;
        memcpy(dst, st->queue.data + st->sent, n);
        st->sent += n;
        rc = (ssize_t)n;
    } else if (st->ended || st->closed) {
        rc = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        st->suspended = true;
        MHD_suspend_connection(st->mhd);
        rc = 0;
    }
    mutex_unlock(&st->lock);
    return rc;
}

static void release_stream(void *arg)
{
    stream_unref(arg);
}

struct MHD_Response *stream_response(struct http_stream *st)
{
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, st, release_stream);

    if (r != NULL) {
        mutex_lock(&st->lock);
        st->refs++;
        mutex_unlock(&st->lock);
    }
    return r;
}

void stream_attach(struct http_stream *st, struct MHD_Connection *mhd)
{
    mutex_lock(&st->lock);
    st->mhd = mhd;
    mutex_unlock(&st->lock);
}

void stream_close(struct http_stream *st)
{
    mutex_lock(&st->lock);
    st->closed = true;
    resume_locked(st);
    mutex_unlock(&st->lock);
}

void stream_detach(struct http_stream *st)
{
    mutex_lock(&st->lock);
    st->closed = true;
    st->mhd = NULL;
    unref_locked(st);
}
