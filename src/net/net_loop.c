/* SPDX-License-Identifier: Apache-2.0
 *
 * Other threads touch the loop only through the async handle, and only while `open` says that it exists.
 */
#include "net/net_loop.h"

#include <unistd.h>

#include "base/err.h"

enum { TICK_MS = 1000, DRAIN_TICK_MS = 10, BACKLOG = 511 };

static void close_handles(struct net_loop *l)
{
    mutex_lock(&l->lock);
    l->open = false;
    mutex_unlock(&l->lock);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->tick, NULL);
    if (l->calls.closed != NULL) {
        l->calls.closed(l->calls.owner);
    }
}

static void begin_drain(struct net_loop *l)
{
    l->draining = true;
    uv_close((uv_handle_t *)&l->listener, NULL);
    l->calls.drain(l->calls.owner);
    uv_timer_set_repeat(&l->tick, DRAIN_TICK_MS);
    uv_timer_again(&l->tick);
}

static void on_wake(uv_async_t *h)
{
    struct net_loop *l = h->data;
    bool stopping;

    if (l->calls.woken != NULL) {
        l->calls.woken(l->calls.owner);
    }
    mutex_lock(&l->lock);
    stopping = l->stopping;
    mutex_unlock(&l->lock);
    if (stopping && !l->draining) {
        begin_drain(l);
    }
}

static void on_tick(uv_timer_t *h)
{
    struct net_loop *l = h->data;
    bool over;

    l->calls.tick(l->calls.owner);
    if (!l->draining) {
        return;
    }
    mutex_lock(&l->lock);
    over = clock_mono().ns >= l->stop_at.ns;
    mutex_unlock(&l->lock);
    if (l->calls.drained(l->calls.owner, over)) {
        close_handles(l);
    }
}

static void run(void *arg)
{
    struct net_loop *l = arg;

    uv_run(&l->loop, UV_RUN_DEFAULT);
}

void net_loop_init(struct net_loop *l, const struct net_loop_calls *calls)
{
    l->calls = *calls;
    mutex_init(&l->lock, LOCK_RANK_NET);
}

void net_loop_done(struct net_loop *l)
{
    mutex_done(&l->lock);
}

int net_loop_open(struct net_loop *l, int fd, struct err *reterr)
{
    int rc = uv_loop_init(&l->loop);

    if (rc < 0) {
        close(fd);
        return err_set(reterr, ERR_UNAVAILABLE, "cannot start an event loop: %s", uv_strerror(rc));
    }
    uv_async_init(&l->loop, &l->wake, on_wake);
    uv_timer_init(&l->loop, &l->tick);
    uv_tcp_init(&l->loop, &l->listener);
    l->wake.data = l->tick.data = l;
    l->listener.data = l->calls.owner;
    return 0;
}

int net_loop_start(struct net_loop *l, const char *thread_name, int fd, const char *address,
                   struct err *reterr)
{
    int rc = uv_tcp_open(&l->listener, fd);

    if (rc < 0) {
        close(fd);
    } else {
        rc = uv_listen((uv_stream_t *)&l->listener, BACKLOG, l->calls.connection);
    }
    uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
    l->open = true; /* nobody else knows of it yet */
    if (rc == 0 && thread_start(&l->thread, thread_name, run, l) < 0) {
        rc = UV_EAGAIN;
    }
    if (rc < 0) {
        l->draining = true;
        uv_close((uv_handle_t *)&l->listener, NULL);
        close_handles(l);
        run(l);
        uv_loop_close(&l->loop);
        return err_set(reterr, ERR_UNAVAILABLE, "cannot listen on %.100s: %s", address,
                       uv_strerror(rc));
    }
    return 0;
}

void net_loop_wake(struct net_loop *l)
{
    mutex_lock(&l->lock);
    if (l->open) {
        uv_async_send(&l->wake);
    }
    mutex_unlock(&l->lock);
}

void net_loop_stop(struct net_loop *l, int64_t grace_ms)
{
    if (l->thread.running) {
        mutex_lock(&l->lock);
        l->stopping = true;
        l->stop_at = mono_add_ms(clock_mono(), grace_ms);
        mutex_unlock(&l->lock);
        net_loop_wake(l);
        thread_join(&l->thread);
        uv_loop_close(&l->loop);
    }
}
