/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that leave HTTP (101 Switching Protocols, RFC 9110 section 15.2.2): each gets a thread that may block
 * on it. Invariant: a socket is in the server's list from the hand-over until its thread has given it back, and the
 * exchange behind it lives as long, so a stop that waits for exchanges waits for these threads.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/http_internal.h"

enum { SOCKETS_MAX = 256 };

struct http_socket {
    struct http_server *s;
    struct http_socket *next; /* guarded by: s->lock */
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
    struct buf early; /* what came behind the request */
    void (*run)(void *arg, struct http_socket *socket);
    void (*release)(void *arg);
    void *arg;
};

static void socket_free(struct http_socket *k)
{
    k->release(k->arg);
    buf_done(&k->early);
    mem_free(k);
}

static void unlink_locked(struct http_socket *k)
{
    struct http_socket **at = &k->s->sockets;

    while (*at != k) {
        at = &(*at)->next;
    }
    *at = k->next;
    k->s->sockets_n--;
}

static void *serve(void *arg)
{
    struct http_socket *k = arg;
    struct http_server *s = k->s;

    k->run(k->arg, k);
    mutex_lock(&s->lock);
    unlink_locked(k);
    mutex_unlock(&s->lock);
    /* From here on the exchange completes and a stop may go on: nothing of the server is touched. */
    MHD_upgrade_action(k->handle, MHD_UPGRADE_ACTION_CLOSE);
    socket_free(k);
    return NULL;
}

static bool start_thread(struct http_socket *k)
{
    pthread_attr_t attr;
    pthread_t thread;
    bool ok;

    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    ok = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0 &&
         pthread_create(&thread, &attr, serve, k) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

/* On the event thread, after the 101 was sent. */
static void on_upgrade(void *arg, struct MHD_Connection *mhd, void *req_arg, const char *extra,
                       size_t extra_n, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_exchange *x = req_arg;
    struct http_socket *k = arg;
    struct http_server *s = k->s;
    bool ok;

    (void)mhd;
    x->upgrade = NULL; /* the thread's now */
    k->fd = fd;
    k->handle = handle;
    buf_add(&k->early, extra, extra_n);
    mutex_lock(&s->lock);
    ok = !s->drained;
    k->next = s->sockets;
    s->sockets = k;
    s->sockets_n++;
    mutex_unlock(&s->lock);
    if (!ok || k->early.failed || !start_thread(k)) {
        mutex_lock(&s->lock);
        unlink_locked(k);
        mutex_unlock(&s->lock);
        MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
        socket_free(k);
    }
}

void http_respond_upgrade(struct http_exchange *x, const char *protocol,
                          void (*run)(void *arg, struct http_socket *socket),
                          void (*release)(void *arg), void *arg)
{
    struct http_socket *k;
    bool room;

    mutex_lock(&x->s->lock);
    room = x->s->sockets_n < SOCKETS_MAX && !x->s->stopping;
    mutex_unlock(&x->s->lock);
    if (!room || x->responded) {
        if (!x->responded) {
            http_respond_errorf(x, ERR_UNAVAILABLE, "too many upgraded connections");
        }
        release(arg);
        return;
    }
    k = mem_xcalloc(1, sizeof(*k));
    *k = (struct http_socket){.s = x->s, .run = run, .release = release, .arg = arg, .fd = -1};
    buf_init(&k->early, 64 << 10);
    x->responded = true;
    x->status = 101;
    x->upgrade = k;
    http_set_header(x, "Upgrade", protocol);
}

struct MHD_Response *upgrade_response(struct http_socket *k)
{
    return MHD_create_response_for_upgrade(on_upgrade, k);
}

void upgrade_drop(struct http_socket *k)
{
    if (k != NULL) {
        socket_free(k);
    }
}

void upgrade_close_locked(struct http_server *s)
{
    for (struct http_socket *k = s->sockets; k != NULL; k = k->next) {
        shutdown(k->fd, SHUT_RDWR);
    }
}

/* ---- input and output ---- */

static bool ready(int fd, short events, int64_t timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, timeout_ms > 60000 ? 60000 : (int)timeout_ms) > 0;
}

int64_t http_socket_read(struct http_socket *k, char *dst, size_t n, int64_t timeout_ms)
{
    ssize_t got;

    if (k->early.n != 0) {
        size_t take = k->early.n < n ? k->early.n : n;

        memcpy(dst, k->early.data, take);
        memmove(k->early.data, k->early.data + take, k->early.n - take);
        k->early.n -= take;
        return (int64_t)take;
    }
    if (!ready(k->fd, POLLIN, timeout_ms)) {
        return 0;
    }
    got = recv(k->fd, dst, n, MSG_DONTWAIT);
    if (got > 0) {
        return got;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -ERR_CANCELED;
}

int http_socket_write(struct http_socket *k, struct str data, int64_t timeout_ms)
{
    struct mono since = clock_mono();

    while (data.n != 0) {
        ssize_t sent = send(k->fd, data.p, data.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        int64_t left_ms = timeout_ms - mono_since_ns(since) / 1000000;

        if (sent > 0) {
            data = str_drop(data, (size_t)sent);
        } else if (left_ms <= 0 || (sent < 0 && errno != EAGAIN && errno != EINTR)) {
            return -ERR_CANCELED;
        } else {
            ready(k->fd, POLLOUT, left_ms);
        }
    }
    return 0;
}
