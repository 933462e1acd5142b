/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets and certificates for every door, so that all doors accept the same address forms and
 * give the same errors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "net/net_internal.h"

/* Split "host:port"; brackets around an IPv6 host are dropped. */
static int split_address(struct str a, struct str *ret_host, struct str *ret_port)
{
    int64_t colon = -1;

    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] == ':') {
            colon = (int64_t)i;
        }
    }
    if (colon < 0) {
        return -ERR_INVALID;
    }
    *ret_port = str_drop(a, (size_t)colon + 1);
    *ret_host = str_take(a, (size_t)colon);
    if (ret_host->n >= 2 && ret_host->p[0] == '[' && ret_host->p[ret_host->n - 1] == ']') {
        *ret_host = str_of(ret_host->p + 1, ret_host->n - 2);
    } else if (str_find_byte(*ret_host, ':') >= 0) {
        return -ERR_INVALID; /* IPv6 without brackets */
    }
    return 0;
}

static int resolve(const char *address, int type, struct addrinfo **ret, struct err *reterr)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = type, .ai_flags = AI_PASSIVE};
    struct str host;
    struct str port;
    uint64_t number;
    char host_text[256];
    char port_text[8];
    int rc;

    if (split_address(str_cstr(address), &host, &port) < 0 || !str_to_u64(port, &number) ||
        number > 65535 || host.n >= sizeof(host_text)) {
        return err_set(reterr, ERR_INVALID, "'%.100s' is not an address like 127.0.0.1:7800",
                       address);
    }
    snprintf(host_text, sizeof(host_text), "%.*s", STR_ARG(host));
    snprintf(port_text, sizeof(port_text), "%u", (unsigned)number);
    if (host.n == 0) {
        snprintf(host_text, sizeof(host_text), "0.0.0.0");
    }
    rc = getaddrinfo(host_text, port_text, &hints, ret);
    if (rc != 0 || *ret == NULL) {
        return err_set(reterr, ERR_INVALID, "cannot resolve '%.100s': %s", address,
                       gai_strerror(rc));
    }
    return 0;
}

static void listen_text(int fd, char dst[NET_ADDRESS_SIZE])
{
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof(sa);
    char host[INET6_ADDRSTRLEN] = "";

    dst[0] = '\0';
    if (getsockname(fd, (struct sockaddr *)&sa, &n) < 0) {
        return;
    }
    if (sa.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, &sa, sizeof(in6));

        inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        snprintf(dst, NET_ADDRESS_SIZE, "[%s]:%u", host, ntohs(in6.sin6_port));
    } else {
        struct sockaddr_in in;

        memcpy(&in, &sa, sizeof(in));
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
        snprintf(dst, NET_ADDRESS_SIZE, "%s:%u", host, ntohs(in.sin_port));
    }
}

static int open_socket(const char *address, int type, char ret_text[NET_ADDRESS_SIZE],
                       struct err *reterr)
{
    struct addrinfo *ai = NULL;
    int one = 1;
    int zero = 0;
    int fd;
    int rc = resolve(address, type, &ai, reterr);

    if (rc < 0 || ai == NULL) {
        return rc;
    }
    fd = socket(ai->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        freeaddrinfo(ai);
        return err_set(reterr, ERR_UNAVAILABLE, "cannot listen on %.100s: %m", address);
    }
    if (type == SOCK_STREAM) { /* with datagrams two programs would share the port */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (ai->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    }
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || (type == SOCK_STREAM && listen(fd, 511) < 0)) {
        rc = err_set(reterr, errno == EADDRINUSE ? ERR_EXISTS : ERR_UNAVAILABLE,
                     "cannot listen on %.100s: %m", address);
        freeaddrinfo(ai);
        close(fd);
        return rc;
    }
    freeaddrinfo(ai);
    listen_text(fd, ret_text);
    return fd;
}

int net_listen(const char *address, char ret_text[NET_ADDRESS_SIZE], struct err *reterr)
{
    return open_socket(address, SOCK_STREAM, ret_text, reterr);
}

int net_bind_datagram(const char *address, char ret_text[NET_ADDRESS_SIZE], struct err *reterr)
{
    return open_socket(address, SOCK_DGRAM, ret_text, reterr);
}

void net_peer_text(const struct sockaddr *sa, char dst[NET_ADDRESS_SIZE])
{
    dst[0] = '\0';
    if (sa != NULL && sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;

        inet_ntop(AF_INET, &in->sin_addr, dst, NET_ADDRESS_SIZE);
    } else if (sa != NULL && sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], dst, NET_ADDRESS_SIZE);
        } else {
            inet_ntop(AF_INET6, &in6->sin6_addr, dst, NET_ADDRESS_SIZE);
        }
    }
}

static int read_pem(const char *path, struct buf *dst, struct err *reterr)
{
    FILE *f = fopen(path, "rbe");
    size_t got;

    if (f == NULL) {
        return err_set(reterr, ERR_IO, "cannot read %.150s: %m", path);
    }
    do {
        char *to = buf_reserve(dst, 4096);

        got = to != NULL ? fread(to, 1, 4096, f) : 0;
        dst->n += got;
    } while (got != 0);
    fclose(f);
    buf_add_byte(dst, '\0');
    if (buf_status(dst) < 0) {
        return err_set(reterr, ERR_IO, "%.150s is larger than %d bytes", path, NET_PEM_MAX);
    }
    dst->n--;
    return 0;
}

int net_pem_load(struct net_pem *pem, const char *cert_file, const char *key_file,
                 struct err *reterr)
{
    gnutls_certificate_credentials_t cred;
    gnutls_datum_t cert;
    gnutls_datum_t key;
    int rc;

    buf_init(&pem->cert, NET_PEM_MAX);
    buf_init(&pem->key, NET_PEM_MAX);
    if (key_file == NULL) {
        return err_set(reterr, ERR_IO, "the certificate %.150s has no key file", cert_file);
    }
    if ((rc = read_pem(cert_file, &pem->cert, reterr)) < 0 ||
        (rc = read_pem(key_file, &pem->key, reterr)) < 0) {
        return rc;
    }
    if (gnutls_certificate_allocate_credentials(&cred) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for a certificate");
    }
    cert = (gnutls_datum_t){(unsigned char *)pem->cert.data, (unsigned)pem->cert.n};
    key = (gnutls_datum_t){(unsigned char *)pem->key.data, (unsigned)pem->key.n};
    rc = gnutls_certificate_set_x509_key_mem(cred, &cert, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(cred);
    if (rc < 0) {
        return err_set(reterr, ERR_IO, "certificate %.100s with key %.100s: %s", cert_file,
                       key_file, gnutls_strerror(rc));
    }
    return 0;
}

void net_pem_done(struct net_pem *pem)
{
    buf_done(&pem->cert);
    buf_done(&pem->key);
}
