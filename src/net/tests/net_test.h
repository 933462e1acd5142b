/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw sockets for the door tests: every read has a deadline, so that a broken server fails the test instead
 * of hanging it.
 */
#ifndef NET_TESTS_NET_TEST_H
#define NET_TESTS_NET_TEST_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

enum { NET_TEST_WAIT_MS = 10000 };

static inline int net_dial(const char *address)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    uint64_t port = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    assert_non_null(colon);
    assert_true(str_to_u64(str_cstr(colon + 1), &port));
    sa.sin_port = htons((uint16_t)port);
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* False when the peer has closed. */
static inline bool net_send(int fd, struct str data)
{
    while (data.n != 0) {
        ssize_t n = send(fd, data.p, data.n, MSG_NOSIGNAL);

        if (n <= 0) {
            return false;
        }
        data = str_drop(data, (size_t)n);
    }
    return true;
}

/* One read; 0 at the end (also after a reset), -1 when nothing came in time. */
static inline int net_recv(int fd, struct buf *dst, int64_t wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char chunk[65536];
    ssize_t n;

    if (poll(&p, 1, (int)wait_ms) <= 0) {
        return -1;
    }
    n = recv(fd, chunk, sizeof(chunk), 0);
    if (n <= 0) {
        return 0;
    }
    buf_add(dst, chunk, (size_t)n);
    return (int)n;
}

/* Read until the peer closes. */
static inline void net_recv_all(int fd, struct buf *dst)
{
    int n;

    while ((n = net_recv(fd, dst, NET_TEST_WAIT_MS)) > 0) {
    }
    assert_int_equal(n, 0);
}

/* Read until `text` has come. False when the peer closed before. */
static inline bool net_recv_until(int fd, struct buf *dst, const char *text)
{
    while (str_find(buf_str(dst), str_cstr(text)) < 0) {
        if (net_recv(fd, dst, NET_TEST_WAIT_MS) <= 0) {
            return false;
        }
    }
    return true;
}

/* Poll a condition for at most 10 s. */
#define NET_EVENTUALLY(cond)                                    \
    do {                                                        \
        struct mono start_ = clock_mono();                      \
        while (!(cond)) {                                       \
            assert_true(mono_since_ns(start_) < 10000000000LL); \
            clock_sleep_ms(5);                                  \
        }                                                       \
    } while (0)

#endif
