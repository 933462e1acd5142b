/* SPDX-License-Identifier: Apache-2.0
 *
 * What the doors of this folder share: listening sockets, peer texts, certificates. Internal to src/net.
 */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include <sys/socket.h>

#include "base/buf.h"

struct err;

enum {
    NET_ADDRESS_SIZE = 80, /* "[<IPv6>%zone]:65535" */
    NET_PEM_MAX = 1 << 20, /* bytes of a certificate or key file */
};

/**
 * Bind and listen, non-blocking and close-on-exec.
 * @param address  "HOST:PORT", "[IPv6]:PORT", ":PORT" (all interfaces); port 0 takes a free one
 * @param ret_text the real address with the port
 * @return the socket; -ERR_INVALID (address), -ERR_EXISTS (in use), -ERR_UNAVAILABLE
 */
NODISCARD int net_listen(const char *address, char ret_text[NET_ADDRESS_SIZE], struct err *reterr);
/** The same for datagrams. */
NODISCARD int net_bind_datagram(const char *address, char ret_text[NET_ADDRESS_SIZE],
                                struct err *reterr);
/** IP address text without port; IPv4-mapped IPv6 as IPv4; "" when unknown. */
void net_peer_text(const struct sockaddr *sa, char dst[NET_ADDRESS_SIZE]);

/** Certificate chain and key as PEM text, checked to belong together. */
struct net_pem {
    struct buf cert; /* NUL-terminated beyond n */
    struct buf key;
};

/** @return 0, -ERR_IO with the file and the reason. net_pem_done() in either case. */
NODISCARD int net_pem_load(struct net_pem *pem, const char *cert_file, const char *key_file,
                           struct err *reterr);
void net_pem_done(struct net_pem *pem);

/** TLS 1.2 and 1.3 only. */
#define NET_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/** Files a door's TLS needs. */
struct net_tls_files {
    const char *cert;
    const char *key;
    const char
        *client_ca; /* PEM; clients must show a certificate signed by one of them; NULL: none */
};

/** What sessions are made from (gnutls_certificate_credentials_t). @return 0, -ERR_IO, -ERR_NOMEM */
NODISCARD int net_tls_credentials(const struct net_tls_files *f, void **ret, struct err *reterr);
void net_tls_credentials_free(void *cred); /* NULL is fine */

struct net_tls;

/** A server's side of one connection.
 * @param cred  outlives it
 * @param alpn  protocol the client must name ("h2"), a constant; NULL: not looked at
 * @return NULL without memory */
NODISCARD struct net_tls *net_tls_new(void *cred, const char *alpn, bool check_client);
void net_tls_free(struct net_tls *t);
/** Ciphertext came; handshake records to send are appended to `out`. @return 0, -ERR_INVALID: close */
NODISCARD int net_tls_feed(struct net_tls *t, struct str data, struct buf *out);
/** Plain bytes into `dst`. @return bytes, 0: need more, -ERR_INVALID: broken or closed */
NODISCARD int64_t net_tls_read(struct net_tls *t, char *dst, size_t n, struct buf *out);
/** Encrypt all of `data` to `out`. */
NODISCARD int net_tls_write(struct net_tls *t, struct str data, struct buf *out);
bool net_tls_ready(const struct net_tls *t);

#endif
