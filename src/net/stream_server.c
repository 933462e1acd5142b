/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of a stream door. Invariant: bytes in `in` are covered by `charged` bytes of the budget; nothing is read
 * from a socket before the budget has room for what may come.
 */
#include "net/stream_server.h"

#include <stdio.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/net_internal.h"
#include "net/net_loop.h"

enum {
    READ_SIZE = 64 << 10,
    RESERVE =
        96 << 10, /* what one read may add to `in`: with a TLS record begun before, and rounding */
    KEEP_CAP = 64 << 10, /* a larger empty buffer is given back */
    OUT_MAX = 1 << 20,
    OUT_ENOUGH = 64 << 10, /* more unsent bytes: the peer does not listen, so neither do we */
    HANDSHAKE_TIMEOUT_S = 30,
    WRITE_TIMEOUT_S = 30, /* without progress */
    SLOW_BYTES_PER_S = 16 << 10,
    KEEPALIVE_S = 60,
    RETRY_MS = 100,    /* after the consumer or the budget was full */
    RETRY_REFUSED = 4, /* refusals of one round: what is full for these is full for the others */
};

struct link {
    uv_tcp_t tcp; /* first: handle and link are cast to each other */
    struct stream_server *s;
    struct link *prev;
    struct link *next;
    struct net_tls *tls; /* NULL: plain */
    void *conn;          /* the protocol's; NULL until it began */
    struct buf in;       /* not taken yet */
    int64_t charged;     /* of the budget, for `in` */
    struct buf out;      /* next to write */
    struct buf flight;   /* being written */
    uv_write_t write;
    bool writing;
    bool closing;
    bool finishing; /* close when everything is written */
    bool reading;
    bool ended;          /* the peer has said all */
    bool waiting;        /* the consumer or the budget was full: try again */
    struct mono started; /* of the connection */
    struct mono last_read;
    struct mono part_since; /* of the message in `in` */
    struct mono write_start;
    char peer[NET_ADDRESS_SIZE];
};

struct stream_server {
    struct stream_server_opts opts;
    char address[NET_ADDRESS_SIZE];
    void *cred;
    struct net_loop loop;
    uv_timer_t retry;
    /* Loop thread. */
    struct link *links; /* in the order they are asked again */
    struct link *links_last;
    size_t links_n;
    char read_buf[READ_SIZE];
    struct gauge *connections;
    struct counter *accepted;
    struct counter *bytes;
    struct counter *waits;
};

static void link_flush(struct link *l);
static void link_read(struct link *l);
static void on_retry(uv_timer_t *h);

static void on_rejected(struct stream_server *s, const char *reason)
{
    char labels[128];

    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"%s\"", s->opts.name, reason);
    counter_add(stats_counter(s->opts.stats, "bongsu_socket_rejected_total", labels,
                              "Connections refused or cut, and datagrams dropped."),
                1);
}

/* ---- budget ---- */

/* `in` needs what it holds; what a read reserved besides goes back. */
static void settle(struct link *l, int64_t reserved)
{
    int64_t need = (int64_t)((l->in.n + 4095) / 4096 * 4096);
    int64_t have = l->charged + reserved;

    if (l->s->opts.budget != NULL && have > need) {
        budget_give(l->s->opts.budget, have - need);
    }
    l->charged = need;
}

/* ---- end of a connection ---- */

static void list_remove(struct stream_server *s, struct link *l)
{
    if (l->prev != NULL) {
        l->prev->next = l->next;
    } else {
        s->links = l->next;
    }
    if (l->next != NULL) {
        l->next->prev = l->prev;
    } else {
        s->links_last = l->prev;
    }
    l->prev = l->next = NULL;
}

static void list_add_last(struct stream_server *s, struct link *l)
{
    l->prev = s->links_last;
    if (l->prev != NULL) {
        l->prev->next = l;
    } else {
        s->links = l;
    }
    s->links_last = l;
}

static void link_closed(uv_handle_t *h)
{
    struct link *l = (struct link *)h;
    struct stream_server *s = l->s;

    list_remove(s, l);
    s->links_n--;
    gauge_add(s->connections, -1);
    if (l->conn != NULL) {
        s->opts.protocol.close(s->opts.protocol.arg, l->conn);
    }
    buf_clear(&l->in);
    settle(l, 0);
    net_tls_free(l->tls);
    buf_done(&l->in);
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

/* ---- to the consumer ---- */

static void link_wait(struct link *l)
{
    struct stream_server *s = l->s;

    l->waiting = true;
    counter_add(s->waits, 1);
    if (l->reading) {
        uv_read_stop((uv_stream_t *)&l->tcp);
        l->reading = false;
    }
    if (!uv_is_active((uv_handle_t *)&s->retry) && !s->loop.draining) {
        uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
    }
}

static int send_out(struct link *l, const struct buf *plain)
{
    if (plain->n == 0) {
        return buf_status(plain);
    }
    if (l->tls != NULL) {
        return net_tls_write(l->tls, buf_str(plain), &l->out);
    }
    buf_add_str(&l->out, buf_str(plain));
    return buf_status(&l->out);
}

/* Hand on what is there. @return bytes taken; the error that ends the connection */
static int64_t deliver(struct link *l, struct str data, bool end)
{
    const struct stream_protocol *p = &l->s->opts.protocol;
    struct buf out CLEANUP(buf_done) = {0};
    size_t at = 0;
    int64_t n = 1;

    buf_init(&out, OUT_MAX);
    while (n > 0 && at < data.n) {
        const struct stream_input in = {
            .data = str_drop(data, at), .peer = str_cstr(l->peer), .end = end, .out = &out};

        n = p->take(p->arg, l->conn, &in);
        at += n > 0 ? (size_t)n : 0;
    }
    if (n == -ERR_OVERLOAD) {
        link_wait(l);
        n = 0;
    }
    if (send_out(l, &out) < 0 && n >= 0) {
        n = -ERR_LIMIT;
    }
    return n < 0 ? n : (int64_t)at;
}

/* What stays in `in` after `taken` bytes of it went. */
static void keep_rest(struct link *l, size_t taken)
{
    if (taken != 0) {
        if (taken < l->in.n) {
            memmove(l->in.data, l->in.data + taken, l->in.n - taken);
        }
        l->in.n -= taken;
        l->part_since = clock_mono();
    }
    if (l->in.n == 0 && l->in.cap > KEEP_CAP) {
        size_t max = l->in.max;

        buf_done(&l->in);
        buf_init(&l->in, max);
    }
}

/* Plain bytes of the peer: straight from the read buffer when nothing was left before. @return 0, an error */
static int hear(struct link *l, struct str data)
{
    int64_t taken;

    if (l->in.n == 0 && !l->waiting) {
        taken = deliver(l, data, false);
        if (taken < 0) {
            return (int)taken;
        }
        data = str_drop(data, (size_t)taken);
        if (data.n == 0) {
            return 0;
        }
        l->part_since = clock_mono();
        buf_add_str(&l->in, data);
    } else {
        buf_add_str(&l->in, data);
        taken = l->waiting ? 0 : deliver(l, buf_str(&l->in), false);
        if (taken < 0) {
            return (int)taken;
        }
        keep_rest(l, (size_t)taken);
    }
    if (l->in.failed) {
        return buf_status(&l->in);
    }
    return l->in.n > l->s->opts.buffer_max && !l->waiting ? -ERR_TOO_LARGE : 0;
}

static int open_conn(struct link *l)
{
    const struct stream_protocol *p = &l->s->opts.protocol;
    struct buf out CLEANUP(buf_done) = {0};

    if (l->conn != NULL || (l->tls != NULL && !net_tls_ready(l->tls))) {
        return 0;
    }
    buf_init(&out, OUT_MAX);
    l->conn = p->open(p->arg, &out);
    return l->conn == NULL ? -ERR_NOMEM : send_out(l, &out);
}

static int hear_tls(struct link *l, struct str data)
{
    int rc = net_tls_feed(l->tls, data, &l->out);
    char plain[16 << 10];
    int64_t n;

    rc = rc < 0 ? rc : open_conn(l);
    if (rc < 0) {
        return rc;
    }
    while ((n = net_tls_read(l->tls, plain, sizeof(plain), &l->out)) > 0) {
        counter_add(l->s->bytes, (uint64_t)n);
        rc = hear(l, str_of(plain, (size_t)n));
        if (rc < 0) {
            return rc;
        }
    }
    return (int)n;
}

/* ---- socket ---- */

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

static void link_flush(struct link *l)
{
    struct buf swap;
    uv_buf_t b;

    if (l->closing || l->writing) {
        return;
    }
    if (l->out.n == 0) {
        if (l->finishing) {
            link_close(l);
        } else {
            link_read(l);
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

static void link_fail(struct link *l, int rc)
{
    on_rejected(l->s, rc == -ERR_TOO_LARGE ? "message_too_large"
                      : rc == -ERR_NOMEM || rc == -ERR_LIMIT
                          ? "memory"
                          : (rc == -ERR_UNAUTHENTICATED ? "unauthenticated" : "protocol_error"));
    l->finishing = true; /* an answer or an alert may still have to go out */
    buf_clear(&l->in);
    link_flush(l);
}

/* The peer has said all: the last message may lack its end. */
static void link_end(struct link *l)
{
    if (l->in.n != 0 && l->conn != NULL && !l->waiting) {
        int64_t taken = deliver(l, buf_str(&l->in), true);

        if (l->waiting) {
            return; /* asked again by the timer */
        }
        keep_rest(l, taken > 0 ? (size_t)taken : 0);
        if (l->in.n != 0) {
            on_rejected(l->s, "unfinished");
        }
    }
    l->finishing = true;
    link_flush(l);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct stream_server *s = ((struct link *)h)->s;

    (void)suggested;
    *ret = budget_take(s->opts.budget, RESERVE) ? uv_buf_init(s->read_buf, READ_SIZE)
                                                : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct link *l = (struct link *)stream;
    struct str data = str_of(b->base, n > 0 ? (size_t)n : 0);
    int rc;

    if (n == UV_ENOBUFS) {
        link_wait(l);
        return;
    }
    if (n <= 0) {
        settle(l, RESERVE);
        if (n < 0) {
            l->reading = false;
            l->ended = true;
            uv_read_stop(stream);
            link_end(l);
        }
        return;
    }
    l->last_read = clock_mono();
    if (l->finishing) {
        settle(l, RESERVE);
        return;
    }
    if (l->tls == NULL) {
        counter_add(l->s->bytes, data.n);
        rc = hear(l, data);
    } else {
        rc = hear_tls(l, data);
    }
    settle(l, RESERVE);
    if (rc < 0) {
        link_fail(l, rc);
        return;
    }
    if (l->out.n > OUT_ENOUGH && l->reading) {
        l->reading = false;
        uv_read_stop(stream);
    }
    link_flush(l);
}

static void link_read(struct link *l)
{
    if (!l->reading && !l->waiting && !l->finishing && !l->closing && !l->s->loop.draining) {
        l->reading = uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read) == 0;
        if (!l->reading) {
            link_close(l);
        }
    }
}

static struct link *link_new(struct stream_server *s)
{
    struct link *l = mem_try_calloc(1, sizeof(*l));

    if (l == NULL) {
        return NULL;
    }
    l->s = s;
    buf_init(&l->in, s->opts.buffer_max + RESERVE);
    buf_init(&l->out, OUT_MAX + (64 << 10));
    buf_init(&l->flight, OUT_MAX + (64 << 10));
    l->started = l->last_read = l->part_since = clock_mono();
    list_add_last(s, l);
    s->links_n++;
    gauge_add(s->connections, 1);
    uv_tcp_init(&s->loop.loop, &l->tcp);
    return l;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct stream_server *s = listener->data;
    struct sockaddr_storage sa = {0};
    int sa_n = sizeof(sa);
    struct link *l = status == 0 ? link_new(s) : NULL;

    if (l == NULL) {
        return;
    }
    if (uv_accept(listener, (uv_stream_t *)&l->tcp) < 0 || s->links_n > s->opts.max_connections) {
        on_rejected(s, "connections");
        link_close(l);
        return;
    }
    counter_add(s->accepted, 1);
    uv_tcp_nodelay(&l->tcp, 1);
    uv_tcp_keepalive(&l->tcp, 1, KEEPALIVE_S);
    if (uv_tcp_getpeername(&l->tcp, (struct sockaddr *)&sa, &sa_n) == 0) {
        net_peer_text((const struct sockaddr *)&sa, l->peer);
    }
    l->tls = s->cred != NULL ? net_tls_new(s->cred, NULL, s->opts.tls_client_ca != NULL) : NULL;
    if ((s->cred != NULL && l->tls == NULL) || open_conn(l) < 0) {
        on_rejected(s, "memory");
        link_close(l);
        return;
    }
    link_flush(l);
    link_read(l);
}

/* ---- time ---- */

static bool past(struct mono since, int64_t seconds)
{
    return mono_since_ns(since) > seconds * 1000000000;
}

static bool is_slow(const struct link *l)
{
    const struct stream_server_opts *o = &l->s->opts;

    return (l->writing && past(l->write_start, WRITE_TIMEOUT_S)) ||
           (l->tls != NULL && !net_tls_ready(l->tls) && past(l->started, HANDSHAKE_TIMEOUT_S)) ||
           (l->in.n != 0 && !l->waiting &&
            past(l->part_since, o->message_timeout_s + (int64_t)(l->in.n / SLOW_BYTES_PER_S)));
}

static void link_tick(struct link *l)
{
    if (l->closing) {
        return;
    }
    if (is_slow(l)) {
        on_rejected(l->s, "slow");
        link_end(l);
        if (!l->waiting) {
            link_close(l);
        }
        return;
    }
    if (!l->waiting && past(l->last_read, l->s->opts.idle_timeout_s)) {
        on_rejected(l->s, "idle");
        link_close(l);
    }
}

/* A connection that had to wait: what it holds once more, then read on. */
static void link_retry(struct link *l)
{
    int64_t taken = 0;

    l->waiting = false;
    if (l->ended) {
        link_end(l);
        settle(l, 0);
        return;
    }
    if (l->in.n != 0 && l->conn != NULL) {
        taken = deliver(l, buf_str(&l->in), false);
    }
    if (taken < 0) {
        link_fail(l, (int)taken);
        settle(l, 0);
        return;
    }
    keep_rest(l, (size_t)taken);
    settle(l, 0);
    l->part_since = clock_mono();
    link_flush(l);
    link_read(l);
}

/* What is refused was decoded for nothing, so a round ends after a few refusals (each of which starts the timer again);
 * those go to the end, so that every connection has its turn. */
static void on_retry(uv_timer_t *h)
{
    struct stream_server *s = h->data;
    struct link *refused[RETRY_REFUSED];
    size_t n = 0;

    for (struct link *l = s->links; l != NULL && n < RETRY_REFUSED; l = l->next) {
        if (l->waiting && !l->closing) {
            link_retry(l);
            if (l->waiting) {
                refused[n++] = l;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        list_remove(s, refused[i]);
        list_add_last(s, refused[i]);
    }
}

static void begin_drain(void *arg)
{
    struct stream_server *s = arg;

    uv_timer_stop(&s->retry);
    for (struct link *l = s->links; l != NULL; l = l->next) {
        if (l->reading) {
            l->reading = false;
            uv_read_stop((uv_stream_t *)&l->tcp);
        }
    }
}

static bool drained(void *arg, bool over)
{
    struct stream_server *s = arg;

    for (struct link *l = s->links; l != NULL; l = l->next) {
        if (!l->closing && (over || (!l->writing && l->out.n == 0))) {
            link_close(l);
        }
    }
    return s->links_n == 0;
}

static void close_retry(void *arg)
{
    struct stream_server *s = arg;

    uv_close((uv_handle_t *)&s->retry, NULL);
}

static void on_tick(void *arg)
{
    struct stream_server *s = arg;

    for (struct link *l = s->links; !s->loop.draining && l != NULL; l = l->next) {
        link_tick(l);
    }
}

/* ---- life ---- */

static void make_stats(struct stream_server *s)
{
    char labels[128];

    snprintf(labels, sizeof(labels), "door=\"%s\"", s->opts.name);
    s->connections =
        stats_gauge(s->opts.stats, "bongsu_socket_connections", labels, "Open connections.");
    s->accepted = stats_counter(s->opts.stats, "bongsu_socket_accepted_total", labels,
                                "Connections accepted.");
    s->bytes = stats_counter(s->opts.stats, "bongsu_socket_received_bytes_total", labels,
                             "Bytes read from sockets, after decryption.");
    s->waits = stats_counter(s->opts.stats, "bongsu_socket_waits_total", labels,
                             "Times reading stopped because the store or the memory was full.");
}

struct stream_server *stream_server_new(const struct stream_server_opts *opts)
{
    struct stream_server *s = mem_xcalloc(1, sizeof(*s));

    s->opts = *opts;
    s->opts.max_connections = opts->max_connections != 0 ? opts->max_connections : 1024;
    s->opts.idle_timeout_s = opts->idle_timeout_s != 0 ? opts->idle_timeout_s : 3600;
    s->opts.message_timeout_s = opts->message_timeout_s != 0 ? opts->message_timeout_s : 60;
    s->opts.buffer_max = opts->buffer_max != 0 ? opts->buffer_max : 64 << 20;
    net_loop_init(&s->loop, &(struct net_loop_calls){.connection = on_connection,
                                                     .tick = on_tick,
                                                     .drain = begin_drain,
                                                     .drained = drained,
                                                     .closed = close_retry,
                                                     .owner = s});
    make_stats(s);
    return s;
}

static int start_loop(struct stream_server *s, int fd, struct err *reterr)
{
    int rc = net_loop_open(&s->loop, fd, reterr);

    if (rc < 0) {
        return rc;
    }
    uv_timer_init(&s->loop.loop, &s->retry);
    s->retry.data = s;
    return net_loop_start(&s->loop, s->opts.name, fd, s->opts.address, reterr);
}

int stream_server_start(struct stream_server *s, struct err *reterr)
{
    const struct net_tls_files files = {
        .cert = s->opts.tls_cert, .key = s->opts.tls_key, .client_ca = s->opts.tls_client_ca};
    int rc = files.cert != NULL ? net_tls_credentials(&files, &s->cred, reterr) : 0;

    rc = rc < 0 ? rc : net_listen(s->opts.address, s->address, reterr);
    return rc < 0 ? rc : start_loop(s, rc, reterr);
}

const char *stream_server_address(const struct stream_server *s)
{
    return s->address;
}

void stream_server_stop(struct stream_server *s, int64_t grace_ms)
{
    net_loop_stop(&s->loop, grace_ms);
}

void stream_server_free(struct stream_server *s)
{
    if (s == NULL) {
        return;
    }
    stream_server_stop(s, 0);
    net_tls_credentials_free(s->cred);
    net_loop_done(&s->loop);
    mem_free(s);
}
