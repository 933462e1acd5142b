/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop of a door on libuv: its thread, the listening socket, the tick, waking from other threads, and the end
 * in order: nothing new, a grace for what is there, then the handles, then the thread. Internal to src/net.
 */
#ifndef NET_NET_LOOP_H
#define NET_NET_LOOP_H

#include <uv.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"

struct err;

/** All run on the loop's thread. */
struct net_loop_calls {
    uv_connection_cb connection; /* listener->data is `owner` */
    void (*woken)(void *owner);  /* by net_loop_wake(); may be NULL */
    void (*tick)(void *owner);   /* every second, every 10 ms from the drain on */
    void (*drain)(void *owner);  /* the end begins: once, with the socket closed */
    bool (*drained)(void *owner,
                    bool over);  /* behind each tick from then on: no connection is left; over: the
                                              * grace is, so they are to be closed */
    void (*closed)(void *owner); /* close what else is on the loop; may be NULL */
    void *owner;
};

struct net_loop {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t wake;
    uv_timer_t tick;
    struct net_loop_calls calls;
    struct thread thread;
    bool draining; /* of the loop's thread */
    struct mutex lock;
    bool open;           /* guarded by: lock; the async handle exists */
    bool stopping;       /* guarded by: lock */
    struct mono stop_at; /* guarded by: lock; end of the grace */
};

void net_loop_init(struct net_loop *l, const struct net_loop_calls *calls);
void net_loop_done(struct net_loop *l);
/** Make the loop, for the handles of the caller; net_loop_start() is to follow. Closes fd when it fails.
 * @return 0, -ERR_UNAVAILABLE */
NODISCARD int net_loop_open(struct net_loop *l, int fd, struct err *reterr);
/** Listen on fd and run. @param address  for the error. @return 0; -ERR_UNAVAILABLE, and then fd and loop are closed */
NODISCARD int net_loop_start(struct net_loop *l, const char *thread_name, int fd,
                             const char *address, struct err *reterr);
/** Have `woken` called. Any thread; nothing once the loop has ended. */
void net_loop_wake(struct net_loop *l);
/** End it and wait for that. Nothing when it does not run. */
void net_loop_stop(struct net_loop *l, int64_t grace_ms);

#endif
