/* SPDX-License-Identifier: Apache-2.0
 *
 * recvmmsg(2) into one block of buffers; SO_RXQ_OVFL tells what the kernel dropped. The thread ends by a byte in a
 * pipe.
 */
#include "net/datagram_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/net_internal.h"

enum {
    DATAGRAM_MAX = 64 << 10, /* bytes; UDP has no more */
    CONTROL_SIZE = 64,       /* one 32-bit counter */
    RECEIVE_BUFFER = 8 << 20,
};

/* The buffers of one batch. Pages that no datagram was long enough to touch are not there. */
struct slots {
    struct mmsghdr v[DATAGRAM_BATCH];
    struct iovec iov[DATAGRAM_BATCH];
    struct sockaddr_storage from[DATAGRAM_BATCH];
    char control[DATAGRAM_BATCH][CONTROL_SIZE];
    char peer[DATAGRAM_BATCH][NET_ADDRESS_SIZE];
    struct datagram out[DATAGRAM_BATCH];
    char *data; /* DATAGRAM_BATCH * DATAGRAM_MAX, owned */
};

struct datagram_server {
    struct datagram_server_opts opts;
    char address[NET_ADDRESS_SIZE];
    int fd;
    int wake[2];
    struct thread thread;
    struct slots *slots;
    uint32_t kernel_dropped; /* as the kernel counted last */
    struct counter *bytes;
    struct counter *dropped;
};

struct datagram_server *datagram_server_new(const struct datagram_server_opts *opts)
{
    struct datagram_server *s = mem_xcalloc(1, sizeof(*s));
    char labels[128];

    s->opts = *opts;
    s->opts.receive_buffer = opts->receive_buffer != 0 ? opts->receive_buffer : RECEIVE_BUFFER;
    s->fd = s->wake[0] = s->wake[1] = -1;
    snprintf(labels, sizeof(labels), "door=\"%s\"", opts->name);
    s->bytes = stats_counter(opts->stats, "bongsu_socket_received_bytes_total", labels,
                             "Bytes read from sockets, after decryption.");
    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"kernel_buffer_full\"", opts->name);
    s->dropped = stats_counter(opts->stats, "bongsu_socket_rejected_total", labels,
                               "Connections refused or cut, and datagrams dropped.");
    return s;
}

static void note_dropped(struct datagram_server *s, struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t total;

            memcpy(&total, CMSG_DATA(c), sizeof(total));
            counter_add(s->dropped, total - s->kernel_dropped); /* both wrap alike */
            s->kernel_dropped = total;
        }
    }
}

static void prepare(struct slots *b)
{
    for (size_t i = 0; i < DATAGRAM_BATCH; i++) {
        b->iov[i] = (struct iovec){.iov_base = b->data + i * DATAGRAM_MAX, .iov_len = DATAGRAM_MAX};
        b->v[i].msg_hdr = (struct msghdr){.msg_name = &b->from[i],
                                          .msg_namelen = sizeof(b->from[i]),
                                          .msg_iov = &b->iov[i],
                                          .msg_iovlen = 1,
                                          .msg_control = b->control[i],
                                          .msg_controllen = CONTROL_SIZE};
    }
}

/* @return datagrams taken, 0: none are there */
static size_t receive(struct datagram_server *s)
{
    struct slots *b = s->slots;
    uint64_t bytes = 0;
    int n;

    prepare(b);
    n = recvmmsg(s->fd, b->v, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) {
        return 0;
    }
    for (size_t i = 0; i < (size_t)n; i++) {
        b->out[i].data = str_of(b->iov[i].iov_base, b->v[i].msg_len);
        net_peer_text((const struct sockaddr *)&b->from[i], b->peer[i]);
        b->out[i].peer = str_cstr(b->peer[i]);
        bytes += b->v[i].msg_len;
    }
    note_dropped(s, &b->v[n - 1].msg_hdr);
    counter_add(s->bytes, bytes);
    s->opts.take(s->opts.arg, b->out, (size_t)n);
    return (size_t)n;
}

static void run(void *arg)
{
    struct datagram_server *s = arg;
    struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->wake[0], .events = POLLIN}};
    bool go_on = true;

    while (go_on) {
        if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR) {
            log_error("net", "a datagram door ends", L_CSTR("door", s->opts.name),
                      L_CSTR("address", s->address), L_INT("errno", errno));
            return;
        }
        go_on = p[1].revents == 0;
        /* when it ends, once more for what has come; a flood does not keep it */
        for (int i = 0; receive(s) == DATAGRAM_BATCH && i < 64; i++) {
        }
    }
}

int datagram_server_start(struct datagram_server *s, struct err *reterr)
{
    int size = (int)s->opts.receive_buffer;
    int one = 1;
    int rc = net_bind_datagram(s->opts.address, s->address, reterr);

    if (rc < 0) {
        return rc;
    }
    s->fd = rc;
    ignore_result(setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)),
                  "the kernel's own size works too");
    ignore_result(setsockopt(s->fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one)),
                  "without it only the kernel knows what it dropped");
    s->slots = mem_try_calloc(1, sizeof(*s->slots));
    if (s->slots != NULL) {
        s->slots->data = mem_try_alloc((size_t)DATAGRAM_BATCH * DATAGRAM_MAX);
    }
    if (s->slots == NULL || s->slots->data == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for datagrams");
    }
    if (pipe2(s->wake, O_CLOEXEC) < 0 || thread_start(&s->thread, s->opts.name, run, s) < 0) {
        return err_set(reterr, ERR_UNAVAILABLE, "cannot start a thread for %.100s",
                       s->opts.address);
    }
    return 0;
}

const char *datagram_server_address(const struct datagram_server *s)
{
    return s->address;
}

void datagram_server_stop(struct datagram_server *s)
{
    if (s->thread.running) {
        ignore_result(write(s->wake[1], "", 1), "a pipe of our own with room for it");
        thread_join(&s->thread);
    }
}

void datagram_server_free(struct datagram_server *s)
{
    if (s == NULL) {
        return;
    }
    datagram_server_stop(s);
    for (size_t i = 0; i < ARRAY_LEN(s->wake); i++) {
        if (s->wake[i] >= 0) {
            close(s->wake[i]);
        }
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->slots != NULL) {
        mem_free(s->slots->data);
    }
    mem_free(s->slots);
    mem_free(s);
}
