/* SPDX-License-Identifier: Apache-2.0
 *
 * A door for datagrams: one thread takes as many at once as have come and hands them on together. Nobody can be asked
 * to wait, so what cannot be kept is lost and counted, also what the kernel dropped.
 */
#ifndef NET_DATAGRAM_SERVER_H
#define NET_DATAGRAM_SERVER_H

#include "base/stats.h"
#include "base/str.h"

struct err;
struct datagram_server;

struct datagram {
    struct str data;
    struct str peer; /* IP address text */
};

struct datagram_server_opts {
    const char *name;      /* `door` of statistics and logs */
    const char *address;   /* "127.0.0.1:5514"; port 0 takes a free one */
    size_t receive_buffer; /* asked of the kernel; default 8 MiB, it may give less */
    struct stats *stats;
    /** On the server's thread; 1 <= n <= DATAGRAM_BATCH. What `v` points to lives until it returns. */
    void (*take)(void *arg, const struct datagram *v, size_t n);
    void *arg;
};

enum { DATAGRAM_BATCH = 256 };

struct datagram_server *datagram_server_new(const struct datagram_server_opts *opts);
/** @return 0, -ERR_INVALID (address), -ERR_EXISTS (port in use), -ERR_NOMEM, -ERR_UNAVAILABLE */
NODISCARD int datagram_server_start(struct datagram_server *s, struct err *reterr);
const char *datagram_server_address(const struct datagram_server *s);
/** Take what has come, then stop. Idempotent. */
void datagram_server_stop(struct datagram_server *s);
/** NULL is fine. */
void datagram_server_free(struct datagram_server *s);

#endif
