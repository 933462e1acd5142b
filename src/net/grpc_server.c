/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets and threads of the gRPC door: one libuv loop thread owns all connections, a pool runs handlers.
 * Invariant: workers touch nothing here but the list of finished calls, under `lock`.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/vec.h"
#include "net/grpc_internal.h"
#include "net/net_loop.h"

enum {
    READ_SIZE = 64 << 10,
    OUT_ENOUGH = 128 << 10, /* more is asked from the session when this was written */
    OUT_MAX = 1 << 20,
    HANDSHAKE_TIMEOUT_S = 30, /* TLS and the HTTP/2 preface */
    WRITE_TIMEOUT_S = 30,     /* without progress */
};

struct link {
    uv_tcp_t tcp; /* first: handle and link are cast to each other */
    struct grpc_server *s;
    struct link *prev;
    struct link *next;
    struct grpc_session *session;
    struct net_tls *tls; /* NULL: plain */
    struct buf out;      /* next to write */
    struct buf flight;   /* being written */
    uv_write_t write;
    bool writing;
    bool closing;
    bool finishing; /* close when everything is written */
    bool spoken;    /* application bytes have come */
    struct mono started;
    struct mono last_read;
    struct mono write_start;
};

struct grpc_server {
    struct grpc_server_opts opts;
    VEC(struct grpc_method) methods; /* fixed after start */
    struct grpc_ctx ctx;
    char address[NET_ADDRESS_SIZE];
    void *cred; /* NULL: plain */
    struct pool *pool;
    struct net_loop loop;
    /* Loop thread. */
    struct link *links;
    size_t links_n;
    char read_buf[READ_SIZE];
    /* Shared. */
    struct mutex lock;
    struct grpc_call *done; /* guarded by: lock */
    struct gauge *connections;
    struct timing *seconds;
    struct counter *by_code[17];
};

static void link_flush(struct link *l);

/* Statistics and dispatch: what sessions ask of the server. */

static void on_ended(void *arg, int code, int64_t ns)
{
    struct grpc_server *s = arg;

    counter_add(s->by_code[code >= 0 && code < 17 ? code : 2], 1);
    timing_observe_ns(s->seconds, ns);
}

static void on_rejected(void *arg, const char *reason)
{
    struct grpc_server *s = arg;
    char labels[128];

    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"%s\"", s->opts.name, reason);
    counter_add(stats_counter(s->opts.stats, "bongsu_grpc_rejected_total", labels,
                              "Calls and connections refused."),
                1);
}

static void run_call(void *arg)
{
    struct grpc_call *c = arg;
    struct grpc_server *s = c->ctx->arg;

    grpc_call_run(c);
    mutex_lock(&s->lock);
    c->next_done = s->done;
    s->done = c;
    mutex_unlock(&s->lock);
    net_loop_wake(&s->loop);
}

static int on_dispatch(void *arg, struct grpc_call *c)
{
    struct grpc_server *s = arg;

    return pool_submit(s->pool, run_call, c);
}

/* Connections. */

static void link_closed(uv_handle_t *h)
{
    struct link *l = (struct link *)h;
    struct grpc_server *s = l->s;

    if (l->prev != NULL) {
        l->prev->next = l->next;
    } else {
        s->links = l->next;
    }
    if (l->next != NULL) {
        l->next->prev = l->prev;
    }
    s->links_n--;
    gauge_add(s->connections, -1);
    grpc_session_free(l->session);
    net_tls_free(l->tls);
    buf_done(&l->out);
    buf_done(&l->flight);
    mem_free(l);
}

static void link_close(struct link *l)
{
    if (!l->closing) {
        l->closing = true;
        uv_close((uv_handle_t *)&l->tcp, link_closed);
    }
}

static void on_written(uv_write_t *w, int status)
{
    struct link *l = w->data;

    l->writing = false;
    buf_clear(&l->flight);
    if (status < 0) {
        link_close(l);
    } else {
        link_flush(l);
    }
}

/* Ask the session for bytes until there is enough. */
static int fill(struct link *l)
{
    if (l->tls != NULL && !net_tls_ready(l->tls)) {
        return 0; /* only handshake records, which are in `out` already */
    }
    while (l->out.n < OUT_ENOUGH) {
        struct str data;
        int rc = grpc_session_send(l->session, &data);

        if (rc < 0) {
            return rc;
        }
        if (data.n == 0) {
            break;
        }
        if (l->tls != NULL) {
            rc = net_tls_write(l->tls, data, &l->out);
        } else {
            buf_add_str(&l->out, data);
            rc = buf_status(&l->out);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void link_flush(struct link *l)
{
    struct buf swap;
    uv_buf_t b;

    if (l->closing || l->writing) {
        return;
    }
    if (fill(l) < 0) {
        link_close(l);
        return;
    }
    if (l->out.n == 0) {
        if (l->finishing || grpc_session_finished(l->session)) {
            link_close(l);
        }
        return;
    }
    swap = l->flight;
    l->flight = l->out;
    l->out = swap;
    b = uv_buf_init(l->flight.data, (unsigned)l->flight.n);
    l->write.data = l;
    l->writing = true;
    l->write_start = clock_mono();
    if (uv_write(&l->write, (uv_stream_t *)&l->tcp, &b, 1, on_written) < 0) {
        l->writing = false;
        link_close(l);
    }
}

/* Plain bytes of the peer. */
static int hear(struct link *l, struct str data)
{
    l->spoken = true;
    return grpc_session_recv(l->session, data);
}

static int hear_tls(struct link *l, struct str data)
{
    int rc = net_tls_feed(l->tls, data, &l->out);
    char plain[16 << 10];
    int64_t n;

    if (rc < 0) {
        return rc;
    }
    while ((n = net_tls_read(l->tls, plain, sizeof(plain), &l->out)) > 0) {
        rc = hear(l, str_of(plain, (size_t)n));
        if (rc < 0) {
            return rc;
        }
    }
    return (int)n;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct grpc_server *s = ((struct link *)h)->s;

    (void)suggested;
    *ret = uv_buf_init(s->read_buf, sizeof(s->read_buf));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct link *l = (struct link *)stream;
    struct str data = str_of(b->base, n > 0 ? (size_t)n : 0);

    if (n < 0) {
        link_close(l);
        return;
    }
    l->last_read = clock_mono();
    if (n == 0 || l->finishing) {
        return;
    }
    if ((l->tls != NULL ? hear_tls(l, data) : hear(l, data)) < 0) {
        on_rejected(l->s, "protocol_error");
        l->finishing = true; /* a GOAWAY or an alert may still have to go out */
    }
    link_flush(l);
}

static struct link *link_new(struct grpc_server *s)
{
    struct link *l = mem_try_calloc(1, sizeof(*l));

    if (l == NULL) {
        return NULL;
    }
    l->s = s;
    buf_init(&l->out, OUT_MAX);
    buf_init(&l->flight, OUT_MAX);
    l->started = l->last_read = clock_mono();
    l->next = s->links;
    if (l->next != NULL) {
        l->next->prev = l;
    }
    s->links = l;
    s->links_n++;
    gauge_add(s->connections, 1);
    uv_tcp_init(&s->loop.loop, &l->tcp);
    return l;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct grpc_server *s = listener->data;
    struct sockaddr_storage sa = {0};
    int sa_n = sizeof(sa);
    char peer[NET_ADDRESS_SIZE] = "";
    struct link *l = status == 0 ? link_new(s) : NULL;

    if (l == NULL) {
        return;
    }
    if (uv_accept(listener, (uv_stream_t *)&l->tcp) < 0 || s->links_n > s->opts.max_connections) {
        on_rejected(s, "connections");
        link_close(l);
        return;
    }
    uv_tcp_nodelay(&l->tcp, 1);
    if (uv_tcp_getpeername(&l->tcp, (struct sockaddr *)&sa, &sa_n) == 0) {
        net_peer_text((const struct sockaddr *)&sa, peer);
    }
    l->session = grpc_session_new(&s->ctx, peer, l);
    l->tls = s->cred != NULL ? net_tls_new(s->cred, "h2", false) : NULL;
    if (l->session == NULL || (s->cred != NULL && l->tls == NULL) ||
        uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read) < 0) {
        link_close(l);
        return;
    }
    link_flush(l);
}

/* Time. */

static bool past(struct mono since, int64_t seconds)
{
    return mono_since_ns(since) > seconds * 1000000000;
}

static void link_tick(struct link *l)
{
    if (l->closing) {
        return;
    }
    grpc_session_tick(l->session);
    if ((l->writing && past(l->write_start, WRITE_TIMEOUT_S)) ||
        (!l->spoken && past(l->started, HANDSHAKE_TIMEOUT_S))) {
        on_rejected(l->s, "slow");
        link_close(l);
        return;
    }
    if (grpc_session_calls(l->session) == 0 && past(l->last_read, l->s->opts.idle_timeout_s) &&
        !l->finishing) {
        grpc_session_shutdown(l->session);
        l->finishing = true;
    }
    link_flush(l);
}

static void answer_done(void *arg)
{
    struct grpc_server *s = arg;
    struct grpc_call *c;

    mutex_lock(&s->lock);
    c = s->done;
    s->done = NULL;
    mutex_unlock(&s->lock);
    while (c != NULL) {
        struct grpc_call *next = c->next_done;
        struct link *l = c->session != NULL ? grpc_session_owner(c->session) : NULL;

        grpc_session_answer(c);
        if (l != NULL) {
            link_flush(l);
        }
        c = next;
    }
}

static void begin_drain(void *arg)
{
    struct grpc_server *s = arg;

    for (struct link *l = s->links; l != NULL; l = l->next) {
        if (!l->closing) {
            grpc_session_shutdown(l->session);
            link_flush(l);
        }
    }
}

/* Close what is done, or everything when the grace is over. */
static bool drained(void *arg, bool over)
{
    struct grpc_server *s = arg;

    for (struct link *l = s->links; l != NULL; l = l->next) {
        if (!l->closing &&
            (over || (grpc_session_calls(l->session) == 0 && !l->writing && l->out.n == 0))) {
            link_close(l);
        }
    }
    return s->links_n == 0;
}

static void on_tick(void *arg)
{
    struct grpc_server *s = arg;

    for (struct link *l = s->links; l != NULL; l = l->next) {
        link_tick(l);
    }
}

/* Life. */

static void make_stats(struct grpc_server *s)
{
    char labels[128];

    snprintf(labels, sizeof(labels), "door=\"%s\"", s->opts.name);
    s->connections =
        stats_gauge(s->opts.stats, "bongsu_grpc_connections", labels, "Open connections.");
    s->seconds = stats_timing(s->opts.stats, "bongsu_grpc_request_seconds", labels,
                              "From the first header of a call to its answer.");
    for (int i = 0; i < 17; i++) {
        snprintf(labels, sizeof(labels), "door=\"%s\",code=\"%s\"", s->opts.name,
                 grpc_code_name(i));
        s->by_code[i] = stats_counter(s->opts.stats, "bongsu_grpc_requests_total", labels,
                                      "Answered gRPC calls.");
    }
}

struct grpc_server *grpc_server_new(const struct grpc_server_opts *opts)
{
    struct grpc_server *s = mem_xcalloc(1, sizeof(*s));

    s->opts = *opts;
    s->opts.workers = opts->workers != 0 ? opts->workers : 2;
    s->opts.queue_max = opts->queue_max != 0 ? opts->queue_max : 256;
    s->opts.max_connections = opts->max_connections != 0 ? opts->max_connections : 1024;
    s->opts.max_streams = opts->max_streams != 0 ? opts->max_streams : 128;
    s->opts.max_message = opts->max_message != 0 ? opts->max_message : 64 << 20;
    s->opts.idle_timeout_s = opts->idle_timeout_s != 0 ? opts->idle_timeout_s : 300;
    mutex_init(&s->lock, LOCK_RANK_NET);
    net_loop_init(&s->loop, &(struct net_loop_calls){.connection = on_connection,
                                                     .woken = answer_done,
                                                     .tick = on_tick,
                                                     .drain = begin_drain,
                                                     .drained = drained,
                                                     .owner = s});
    make_stats(s);
    return s;
}

void grpc_server_unary(struct grpc_server *s, const char *path, grpc_handler handler, void *arg)
{
    if (!vec_push(&s->methods, (struct grpc_method){path, handler, arg})) {
        log_error("net", "method dropped", L_CSTR("path", path));
    }
}

static int load_tls(struct grpc_server *s, struct err *reterr)
{
    const struct net_tls_files files = {.cert = s->opts.tls_cert, .key = s->opts.tls_key};

    return files.cert != NULL ? net_tls_credentials(&files, &s->cred, reterr) : 0;
}

int grpc_server_start(struct grpc_server *s, struct err *reterr)
{
    int rc = load_tls(s, reterr);
    int fd;

    if (rc < 0) {
        return rc;
    }
    s->ctx = (struct grpc_ctx){
        .methods = s->methods.v,
        .methods_n = s->methods.n,
        .max_message = s->opts.max_message,
        .max_streams = s->opts.max_streams,
        .budget = s->opts.body_budget,
        .guard = s->opts.guard,
        .guard_arg = s->opts.guard_arg,
        .dispatch = on_dispatch,
        .ended = on_ended,
        .rejected = on_rejected,
        .arg = s,
    };
    rc = net_listen(s->opts.address, s->address, reterr);
    if (rc < 0) {
        return rc;
    }
    s->pool = pool_new("grpc", s->opts.workers, s->opts.queue_max);
    if (s->pool == NULL) {
        close(rc);
        return err_set(reterr, ERR_UNAVAILABLE, "cannot start worker threads");
    }
    fd = rc;
    rc = net_loop_open(&s->loop, fd, reterr);
    return rc < 0 ? rc : net_loop_start(&s->loop, "grpc-loop", fd, s->opts.address, reterr);
}

const char *grpc_server_address(const struct grpc_server *s)
{
    return s->address;
}

void grpc_server_stop(struct grpc_server *s, int64_t grace_ms)
{
    net_loop_stop(&s->loop, grace_ms);
    pool_free(s->pool); /* canceled calls end quickly */
    s->pool = NULL;
    answer_done(s); /* frees: their sessions are gone */
}

void grpc_server_free(struct grpc_server *s)
{
    if (s == NULL) {
        return;
    }
    grpc_server_stop(s, 0);
    net_tls_credentials_free(s->cred);
    vec_done(&s->methods);
    net_loop_done(&s->loop);
    mutex_done(&s->lock);
    mem_free(s);
}
