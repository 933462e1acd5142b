/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of the daemon, its connections and exchanges: microhttpd's callbacks, the worker hand-over and the
 * watcher thread that ends slow senders and notices clients that went away. Invariant: `lock` guards the
 * list of connections; a socket in the list is open, so the watcher may poll and shut it down.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/log.h"
#include "net/http_internal.h"

struct http_server *http_server_new(const struct http_server_opts *opts)
{
    struct http_server *s = mem_xcalloc(1, sizeof(*s));
    char labels[96];

    s->opts = *opts;
    s->opts.threads = opts->threads != 0 ? opts->threads : 2;
    s->opts.max_connections = opts->max_connections != 0 ? opts->max_connections : 4096;
    s->opts.idle_timeout_s = opts->idle_timeout_s != 0 ? opts->idle_timeout_s : 60;
    s->opts.max_header_bytes = opts->max_header_bytes != 0 ? opts->max_header_bytes : 32 << 10;
    s->fd = -1;
    s->may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    mutex_init(&s->lock, LOCK_RANK_NET);
    cond_init(&s->changed);
    snprintf(labels, sizeof(labels), "door=\"%s\"", opts->name);
    s->connections =
        stats_gauge(opts->stats, "bongsu_http_connections", labels, "Open connections.");
    s->seconds = stats_timing(opts->stats, "bongsu_http_request_seconds", labels,
                              "From the request line to the answer, streams excluded.");
    return s;
}

void http_server_route(struct http_server *s, const struct http_route *routes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct route r;

        if (!route_compile(&routes[i], s->routes.n, &r) || !vec_push(&s->routes, r)) {
            log_error("net", "route dropped", L_CSTR("pattern", routes[i].pattern));
        }
    }
}

const char *http_server_address(const struct http_server *s)
{
    return s->address;
}

/* Connections. */

static void conn_open(struct http_server *s, struct MHD_Connection *mhd, void **ret)
{
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *addr =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct conn *c = mem_try_calloc(1, sizeof(*c));

    *ret = c;
    if (c == NULL) {
        return; /* exchange_new() refuses */
    }
    c->s = s;
    c->fd = fd != NULL ? fd->connect_fd : -1;
    c->since = clock_mono();
    net_peer_text(addr != NULL ? addr->client_addr : NULL, c->peer);
    gauge_add(s->connections, 1);
    mutex_lock(&s->lock);
    c->next = s->conns;
    if (c->next != NULL) {
        c->next->prev = c;
    } else {
        cond_broadcast(&s->changed); /* the watcher has something to watch */
    }
    s->conns = c;
    mutex_unlock(&s->lock);
}

static void conn_close(struct http_server *s, struct conn *c)
{
    if (c == NULL) {
        return;
    }
    mutex_lock(&s->lock);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        s->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    mutex_unlock(&s->lock);
    gauge_add(s->connections, -1);
    mem_free(c);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_open(arg, mhd, socket_context);
    } else {
        conn_close(arg, *socket_context);
        *socket_context = NULL;
    }
}

static void conn_phase(struct conn *c, enum conn_phase phase)
{
    mutex_lock(&c->s->lock);
    c->phase = phase;
    c->since = clock_mono();
    c->bytes = 0;
    mutex_unlock(&c->s->lock);
}

/* Exchanges. */

/* The request line was read; the result is what later callbacks get as context. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *s = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct conn *c = info != NULL ? info->socket_context : NULL;
    struct http_exchange *x = c != NULL ? mem_try_calloc(1, sizeof(*x)) : NULL;

    if (x == NULL) {
        return NULL;
    }
    x->s = s;
    x->conn = c;
    x->mhd = mhd;
    x->started = clock_mono();
    arena_init(&x->arena, HTTP_ARENA_BUDGET);
    cancel_init(&x->cancel, 0);
    x->uri = arena_str_dup(&x->arena, str_cstr(uri));
    if (uri[0] != '\0' && x->uri.p == NULL) {
        arena_done(&x->arena);
        mem_free(x);
        return NULL;
    }
    mutex_lock(&s->lock);
    c->quick = c->answered && x->started.ns - c->since.ns < HTTP_SPIN_NS;
    c->x = x;
    x->awaited = !s->stopping; /* others get their 503 when there is time */
    s->active += x->awaited;
    mutex_unlock(&s->lock);
    return x;
}

/* Only a stop waits for exchanges: waking threads for every request would cost more than many requests do. */
static void wake_stop_locked(struct http_server *s)
{
    if (s->stopping) {
        cond_broadcast(&s->changed);
    }
}

/* A client that asks again at once finds this thread awake: a wake-up costs both sides more than many an answer.
 * One thread at a time, and only as long as the client keeps coming. */
static void await_next(struct http_server *s, const struct conn *c)
{
    struct pollfd next = {.fd = c->fd, .events = POLLIN | POLLRDHUP};
    struct mono start = clock_mono();

    if (atomic_exchange_explicit(&s->spinning, true, memory_order_relaxed)) {
        return;
    }
    while (poll(&next, 1, 0) == 0 && mono_since_ns(start) < HTTP_SPIN_NS) {
    }
    atomic_store_explicit(&s->spinning, false, memory_order_relaxed);
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct http_server *s = arg;
    struct http_exchange *x = *context;
    struct conn *c = x != NULL ? x->conn : NULL;
    bool awaited;
    bool spin;

    (void)mhd;
    if (x == NULL) {
        return;
    }
    /* Bodies are what senders of samples have: they are not in a hurry. */
    spin = s->may_spin && c->quick && code == MHD_REQUEST_TERMINATED_COMPLETED_OK && !x->has_body &&
           !x->close && x->stream == NULL && x->upgrade == NULL;
    c->answered = true;
    *context = NULL;
    mutex_lock(&s->lock);
    s->streams -= x->conn->phase == CONN_STREAM;
    s->upgraded -= x->conn->phase == CONN_UPGRADED;
    x->conn->x = NULL;
    x->conn->phase = CONN_IDLE;
    x->conn->since = clock_mono();
    x->conn->bytes = 0;
    x->conn->gone = false;
    mutex_unlock(&s->lock);
    if (x->stream != NULL) {
        stream_detach(x->stream);
    }
    upgrade_drop(x->upgrade);
    budget_give(s->opts.body_budget, x->body_charged);
    buf_done(&x->body);
    buf_done(&x->out);
    source_free(x->source);
    arena_done(&x->arena);
    awaited = x->awaited;
    mem_free(x);
    mutex_lock(&s->lock);
    s->active -= awaited;
    wake_stop_locked(s);
    spin = spin && !s->stopping;
    mutex_unlock(&s->lock);
    if (spin) {
        await_next(s, c);
    }
}

/* Stop keeping the body; the rest is read away and the error answered at its end. */
static void refuse_body(struct http_exchange *x, int status, const char *reason,
                        const struct err *e)
{
    reject_count(x->s, reason);
    x->refused = true;
    x->close = true;
    buf_done(&x->body);
    buf_init(&x->body, 0);
    budget_give(x->s->opts.body_budget, x->body_charged);
    x->body_charged = 0;
    respond_status(x, status, e);
}

static void keep_body(struct http_exchange *x, const char *data, size_t n)
{
    struct err e = {0};
    size_t max = x->route->def.max_body;
    int64_t grown;

    if (n > max - x->body.n) {
        ignore_result(err_set(&e, ERR_TOO_LARGE, "body larger than %zu bytes", max), "answered");
        refuse_body(x, 413, "body_too_large", &e);
        return;
    }
    buf_add(&x->body, data, n);
    if (buf_status(&x->body) < 0) {
        ignore_result(err_set(&e, ERR_NOMEM, "no memory for the body"), "answered");
        refuse_body(x, 503, "no_memory", &e);
        return;
    }
    grown = (int64_t)x->body.cap - x->body_charged;
    if (grown > 0 && !budget_take(x->s->opts.body_budget, grown)) {
        ignore_result(err_set(&e, ERR_OVERLOAD, "too many request bodies in flight"), "answered");
        refuse_body(x, 429, "body_budget", &e);
        return;
    }
    x->body_charged += grown > 0 ? grown : 0;
}

static enum MHD_Result on_body(struct http_exchange *x, const char *data, size_t *n)
{
    x->received += *n;
    mutex_lock(&x->s->lock);
    x->conn->bytes = x->received;
    mutex_unlock(&x->s->lock);
    if (!x->refused) {
        keep_body(x, data, *n);
    }
    *n = 0;
    if (x->refused && x->received > (size_t)x->route->def.max_body + HTTP_DISCARD_MAX) {
        response_send_raw(x);
        return MHD_NO;
    }
    return MHD_YES;
}

static void call_handler(struct http_exchange *x)
{
    if (!request_parse_form(x)) {
        return;
    }
    x->route->def.handler(x->route->def.arg, x);
    if (!x->responded) {
        http_respond_errorf(x, ERR_INTERNAL, "the handler gave no answer");
    }
}

static void run_handler(struct http_exchange *x)
{
    if (cancel_check(&x->cancel) == 0) {
        call_handler(x);
    } else {
        http_respond_errorf(x, ERR_CANCELED, "the request was canceled before it began");
    }
}

/* After the drain nobody waits for handlers, and microhttpd may not be stopped with a connection suspended. */
static bool running_begin(struct http_exchange *x)
{
    bool ok;

    mutex_lock(&x->s->lock);
    ok = !x->s->drained;
    if (ok) {
        x->running = true;
        x->conn->phase = CONN_RUNNING;
        x->s->running++;
    }
    mutex_unlock(&x->s->lock);
    return ok;
}

static void running_end_locked(struct http_exchange *x)
{
    x->running = false;
    x->s->running--;
    wake_stop_locked(x->s);
}

static void on_worker(void *arg)
{
    struct http_exchange *x = arg;
    struct http_server *s = x->s;

    run_handler(x);
    mutex_lock(&s->lock);
    /* Still under the lock: stop must not see running == 0 while the connection is suspended. */
    MHD_resume_connection(x->mhd);
    running_end_locked(x);
    mutex_unlock(&s->lock);
}

/* May this event thread run the handler itself, which saves four changes of threads? Only when nobody waits
 * for it: it serves no other connection, and another thread is free to accept new ones. */
static bool take_event_thread(struct http_exchange *x)
{
    const union MHD_ConnectionInfo *conn =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_DAEMON);
    const union MHD_DaemonInfo *daemon =
        conn != NULL ? MHD_get_daemon_info(conn->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
                     : NULL;

    if (daemon == NULL || daemon->num_connections != 1) {
        return false;
    }
    if (atomic_fetch_add_explicit(&x->s->on_event_threads, 1, memory_order_relaxed) + 1 <
        x->s->opts.threads) {
        return true;
    }
    atomic_fetch_sub_explicit(&x->s->on_event_threads, 1, memory_order_relaxed);
    return false;
}

static enum MHD_Result run_here(struct http_exchange *x)
{
    run_handler(x);
    atomic_fetch_sub_explicit(&x->s->on_event_threads, 1, memory_order_relaxed);
    mutex_lock(&x->s->lock);
    running_end_locked(x);
    mutex_unlock(&x->s->lock);
    return response_send(x);
}

static enum MHD_Result start_worker(struct http_exchange *x)
{
    struct http_server *s = x->s;

    MHD_suspend_connection(x->mhd);
    if (pool_submit(s->opts.workers, on_worker, x) < 0) {
        reject_count(s, "workers_busy");
        http_respond_errorf(x, ERR_UNAVAILABLE, "all workers are busy");
        mutex_lock(&s->lock);
        MHD_resume_connection(x->mhd);
        running_end_locked(x);
        mutex_unlock(&s->lock);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_n, void **context)
{
    struct http_exchange *x = *context;

    (void)arg;
    (void)mhd;
    (void)url;
    (void)version;
    /* Asked again after the answer: microhttpd, which is being stopped, dropped it without a word. */
    if (x == NULL || x->sent) {
        return MHD_NO;
    }
    if (!x->begun) {
        conn_phase(x->conn, CONN_BODY);
        request_begin(x, method);
        /* An answer before the body closes the connection; without a body it waits for the next call. */
        return x->responded && x->has_body ? response_send(x) : MHD_YES;
    }
    if (*data_n != 0) {
        return on_body(x, data, data_n);
    }
    if (x->responded) {
        return response_send(x);
    }
    if (x->route->def.where != HTTP_WORKER) {
        call_handler(x);
        return response_send(x);
    }
    if (!running_begin(x)) {
        http_respond_errorf(x, ERR_UNAVAILABLE, "the server is stopping");
        return response_send(x);
    }
    return take_event_thread(x) ? run_here(x) : start_worker(x);
}

/* The watcher. */

static bool too_slow(const struct conn *c)
{
    int64_t allowed_ms = (int64_t)c->s->opts.idle_timeout_s * 1000 +
                         (int64_t)(c->bytes / HTTP_MIN_RATE_BYTES_PER_MS);

    return (c->phase == CONN_IDLE || c->phase == CONN_BODY || c->phase == CONN_SENDING) &&
           mono_since_ns(c->since) > allowed_ms * 1000000;
}

static void client_gone(struct conn *c)
{
    c->gone = true;
    cancel_set(&c->x->cancel);
    if (c->phase == CONN_STREAM && c->x->stream != NULL) {
        stream_close(c->x->stream);
    }
}

/* One round over all connections, with the lock held: nothing here blocks. */
static void watch_locked(struct http_server *s)
{
    size_t n = 0;

    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        if (too_slow(c)) {
            shutdown(c->fd, SHUT_RDWR);
            c->since = clock_mono();
        } else if ((c->phase == CONN_RUNNING || c->phase == CONN_STREAM) && c->x != NULL &&
                   !c->gone && n < s->opts.max_connections) {
            s->polled[n] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
            s->polled_conns[n++] = c;
        }
    }
    if (n == 0 || poll(s->polled, n, 0) <= 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->polled[i].revents != 0) {
            client_gone(s->polled_conns[i]);
        }
    }
}

static void watch(void *arg)
{
    struct http_server *s = arg;

    mutex_lock(&s->lock);
    while (!s->stopped) {
        bool idle = s->conns == NULL;
        int64_t wait_ms = idle ? HTTP_WATCH_IDLE_MS : HTTP_WATCH_BUSY_MS;
        struct mono start = clock_mono();
        int64_t passed_ms = 0;

        while (!s->stopped && passed_ms < wait_ms && idle == (s->conns == NULL)) {
            ignore_result(cond_wait_ms(&s->changed, &s->lock, wait_ms - passed_ms),
                          "time is checked by the loop");
            passed_ms = mono_since_ns(start) / 1000000;
        }
        if (passed_ms >= wait_ms) {
            watch_locked(s);
        }
    }
    mutex_unlock(&s->lock);
}

/* Start and stop. */

static void on_log(void *arg, const char *fmt, va_list args)
{
    const struct http_server *s = arg;
    char text[256];

    vsnprintf(text, sizeof(text), fmt, args);
    log_debug("net", "microhttpd", L_CSTR("door", s->opts.name),
              L_STR("detail", str_trim(str_cstr(text))));
}

/* The raw form is kept; this module decodes. */
static size_t no_unescape(void *arg, struct MHD_Connection *mhd, char *s)
{
    (void)arg;
    (void)mhd;
    return strlen(s);
}

static int check_routes(struct http_server *s, struct err *reterr)
{
    for (size_t i = 0; i < s->routes.n; i++) {
        if (s->routes.v[i].def.where == HTTP_WORKER && s->opts.workers == NULL) {
            return err_set(reterr, ERR_INVALID, "%s needs a worker pool",
                           s->routes.v[i].def.pattern);
        }
    }
    routes_sort(s->routes.v, s->routes.n);
    return 0;
}

static int start_daemon(struct http_server *s, struct err *reterr)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     MHD_ALLOW_UPGRADE;
    struct MHD_OptionItem items[16];
    size_t n = 0;
    sigset_t all;
    sigset_t old;

    items[n++] = (struct MHD_OptionItem){MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                         (intptr_t)s->opts.max_header_bytes + (32 << 10), NULL};
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_CONNECTION_MEMORY_INCREMENT, 8192, NULL};
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_CONNECTION_LIMIT,
                                         (intptr_t)s->opts.max_connections, NULL};
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_CONNECTION_TIMEOUT,
                                         (intptr_t)s->opts.idle_timeout_s, NULL};
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, s->fd, NULL};
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL};
    if (s->opts.threads > 1) {
        items[n++] =
            (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)s->opts.threads, NULL};
    }
    if (s->opts.tls_cert != NULL) {
        flags |= MHD_USE_TLS;
        items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, s->pem.cert.data};
        items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, s->pem.key.data};
        items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                             (void *)(uintptr_t)NET_TLS_PRIORITIES};
    }
    items[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        s, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (s->daemon == NULL) {
        return err_set(reterr, ERR_UNAVAILABLE, "cannot start the HTTP server on %s",
                       s->opts.address);
    }
    return 0;
}

int http_server_start(struct http_server *s, struct err *reterr)
{
    int rc = check_routes(s, reterr);

    if (rc < 0) {
        return rc;
    }
    if (s->opts.tls_cert != NULL &&
        (rc = net_pem_load(&s->pem, s->opts.tls_cert, s->opts.tls_key, reterr)) < 0) {
        return rc;
    }
    rc = net_listen(s->opts.address, s->address, reterr);
    if (rc < 0) {
        return rc;
    }
    s->fd = rc;
    s->polled = mem_xcalloc(s->opts.max_connections, sizeof(*s->polled));
    s->polled_conns = mem_xcalloc(s->opts.max_connections, sizeof(struct conn *));
    if (thread_start(&s->watcher, "http-watch", watch, s) < 0) {
        return err_set(reterr, ERR_UNAVAILABLE, "cannot start a thread");
    }
    return start_daemon(s, reterr);
}

static void close_streams_locked(struct http_server *s)
{
    upgrade_close_locked(s);
    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        if (c->phase == CONN_STREAM && c->x != NULL && c->x->stream != NULL) {
            stream_close(c->x->stream);
        }
    }
}

/* Wait for exchanges to complete; when the time is up, cancel handlers and wait for them alone. */
static void drain_locked(struct http_server *s, int64_t grace_ms)
{
    struct mono start = clock_mono();
    bool canceled = false;

    while (s->active != 0 && (!canceled || s->running != 0 || s->upgraded != 0)) {
        int64_t left_ms = grace_ms - mono_since_ns(start) / 1000000;

        close_streams_locked(s);
        if (left_ms <= 0 && !canceled) {
            for (struct conn *c = s->conns; c != NULL; c = c->next) {
                if (c->x != NULL) {
                    cancel_set(&c->x->cancel);
                }
            }
            canceled = true;
        } else {
            int64_t wait_ms = left_ms > 0 && left_ms < 50 ? left_ms : 50;

            ignore_result(cond_wait_ms(&s->changed, &s->lock, wait_ms), "the loop looks again");
        }
    }
    close_streams_locked(s);
    s->drained = true;
}

void http_server_stop(struct http_server *s, int64_t grace_ms)
{
    bool first;

    mutex_lock(&s->lock);
    first = !s->stopping;
    s->stopping = true;
    mutex_unlock(&s->lock);
    if (!first) {
        return;
    }
    if (s->daemon != NULL) {
        /* Not MHD_quiesce_daemon(): it takes the listening socket out of the event threads' epoll sets while they
         * may do the same, and ends the process when both did. New connections get a 503. */
        mutex_lock(&s->lock);
        drain_locked(s, grace_ms);
        mutex_unlock(&s->lock);
        MHD_stop_daemon(s->daemon); /* closes the listening socket, too */
        s->daemon = NULL;
        s->fd = -1;
    }
    mutex_lock(&s->lock);
    s->stopped = true;
    cond_broadcast(&s->changed);
    mutex_unlock(&s->lock);
    thread_join(&s->watcher);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

void http_server_free(struct http_server *s)
{
    if (s == NULL) {
        return;
    }
    http_server_stop(s, 0);
    net_pem_done(&s->pem);
    vec_done(&s->routes);
    mem_free(s->polled);
    mem_free(s->polled_conns);
    cond_done(&s->changed);
    mutex_done(&s->lock);
    mem_free(s);
}
