/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS over buffers: GnuTLS pulls ciphertext from one buffer and pushes to another, so that the event loop
 * alone touches the socket. Invariant: `out` is only set while one of the functions below runs.
 */
#include <errno.h>
#include <gnutls/gnutls.h>

#include "base/alloc.h"
#include "base/err.h"
#include "net/net_internal.h"

struct net_tls {
    gnutls_session_t session;
    struct buf in;   /* ciphertext not yet read */
    size_t in_at;    /* bytes of it already consumed */
    struct buf *out; /* borrowed for the time of a call */
    bool ready;
    const char *alpn; /* constant; NULL: any */
};

/* @return 0 with everything `cred` needs, -ERR_IO */
static int use_pem(gnutls_certificate_credentials_t cred, const struct net_tls_files *f,
                   struct net_pem *pem, struct err *reterr)
{
    gnutls_datum_t cert;
    gnutls_datum_t key;
    int rc = net_pem_load(pem, f->cert, f->key, reterr);

    if (rc < 0) {
        return rc;
    }
    cert = (gnutls_datum_t){(unsigned char *)pem->cert.data, (unsigned)pem->cert.n};
    key = (gnutls_datum_t){(unsigned char *)pem->key.data, (unsigned)pem->key.n};
    if (gnutls_certificate_set_x509_key_mem(cred, &cert, &key, GNUTLS_X509_FMT_PEM) < 0) {
        return err_set(reterr, ERR_IO, "cannot use the certificate %.150s", f->cert);
    }
    if (f->client_ca != NULL) {
        rc = gnutls_certificate_set_x509_trust_file(cred, f->client_ca, GNUTLS_X509_FMT_PEM);
        if (rc <= 0) {
            return err_set(reterr, ERR_IO, "cannot use the client authorities %.150s: %s",
                           f->client_ca, rc < 0 ? gnutls_strerror(rc) : "no certificate in it");
        }
    }
    return 0;
}

int net_tls_credentials(const struct net_tls_files *f, void **ret, struct err *reterr)
{
    gnutls_certificate_credentials_t cred;
    struct net_pem pem = {0};
    int rc;

    if (gnutls_certificate_allocate_credentials(&cred) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for a certificate");
    }
    rc = use_pem(cred, f, &pem, reterr);
    net_pem_done(&pem);
    if (rc < 0) {
        gnutls_certificate_free_credentials(cred);
        return rc;
    }
    *ret = cred;
    return 0;
}

void net_tls_credentials_free(void *cred)
{
    if (cred != NULL) {
        gnutls_certificate_free_credentials(cred);
    }
}

static ssize_t pull(gnutls_transport_ptr_t arg, void *dst, size_t n)
{
    struct net_tls *t = arg;
    size_t have = t->in.n - t->in_at;

    if (have == 0) {
        gnutls_transport_set_errno(t->session, EAGAIN);
        return -1;
    }
    n = n < have ? n : have;
    memcpy(dst, t->in.data + t->in_at, n);
    t->in_at += n;
    if (t->in_at == t->in.n) {
        buf_clear(&t->in);
        t->in_at = 0;
    }
    return (ssize_t)n;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *data, size_t n)
{
    struct net_tls *t = arg;

    buf_add(t->out, data, n);
    if (buf_status(t->out) < 0) {
        gnutls_transport_set_errno(t->session, ENOMEM);
        return -1;
    }
    return (ssize_t)n;
}

static int pull_ready(gnutls_transport_ptr_t arg, unsigned ms)
{
    const struct net_tls *t = arg;

    (void)ms;
    return t->in.n > t->in_at ? 1 : 0;
}

/* The client must show a certificate that an authority of ours signed. */
static void ask_client(struct net_tls *t)
{
    gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_cert(t->session, NULL, 0);
}

struct net_tls *net_tls_new(void *cred, const char *alpn, bool check_client)
{
    const gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)alpn,
                                     alpn != NULL ? (unsigned)strlen(alpn) : 0};
    struct net_tls *t = mem_try_calloc(1, sizeof(*t));

    if (t == NULL) {
        return NULL;
    }
    buf_init(&t->in, 256 << 10);
    if (gnutls_init(&t->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
        mem_free(t);
        return NULL;
    }
    if (gnutls_priority_set_direct(t->session, NET_TLS_PRIORITIES, NULL) < 0 ||
        gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, cred) < 0 ||
        (alpn != NULL &&
         gnutls_alpn_set_protocols(t->session, &protocol, 1, GNUTLS_ALPN_MANDATORY) < 0)) {
        net_tls_free(t);
        return NULL;
    }
    t->alpn = alpn;
    if (check_client) {
        ask_client(t);
    }
    gnutls_transport_set_ptr(t->session, t);
    gnutls_transport_set_pull_function(t->session, pull);
    gnutls_transport_set_push_function(t->session, push);
    gnutls_transport_set_pull_timeout_function(t->session, pull_ready);
    gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT);
    return t;
}

void net_tls_free(struct net_tls *t)
{
    if (t == NULL) {
        return;
    }
    gnutls_deinit(t->session);
    buf_done(&t->in);
    mem_free(t);
}

static bool is_fatal(int64_t rc)
{
    return rc != GNUTLS_E_AGAIN && rc != GNUTLS_E_INTERRUPTED &&
           gnutls_error_is_fatal((int)rc) != 0;
}

/* Who must speak a protocol (gRPC: HTTP/2) and does not say so would only send garbage. */
static bool speaks_alpn(struct net_tls *t)
{
    gnutls_datum_t chosen;

    return t->alpn == NULL ||
           (gnutls_alpn_get_selected_protocol(t->session, &chosen) == 0 &&
            str_eq(str_of((const char *)chosen.data, chosen.size), str_cstr(t->alpn)));
}

static int handshake(struct net_tls *t)
{
    int rc;

    do {
        rc = gnutls_handshake(t->session);
    } while (rc == GNUTLS_E_INTERRUPTED || (rc < 0 && rc != GNUTLS_E_AGAIN && !is_fatal(rc)));
    if (rc == GNUTLS_E_AGAIN) {
        return 0;
    }
    if (rc < 0) {
        gnutls_alert_send_appropriate(t->session, rc);
        return -ERR_INVALID;
    }
    t->ready = speaks_alpn(t);
    return t->ready ? 0 : -ERR_INVALID;
}

int net_tls_feed(struct net_tls *t, struct str data, struct buf *out)
{
    int rc = 0;

    buf_add_str(&t->in, data);
    if (buf_status(&t->in) < 0) {
        return -ERR_INVALID;
    }
    if (!t->ready) {
        t->out = out;
        rc = handshake(t);
        t->out = NULL;
    }
    return rc;
}

int64_t net_tls_read(struct net_tls *t, char *dst, size_t n, struct buf *out)
{
    ssize_t got;

    if (!t->ready) {
        return 0;
    }
    t->out = out;
    got = gnutls_record_recv(t->session, dst, n);
    t->out = NULL;
    if (got > 0) {
        return got;
    }
    return got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED ? 0 : -ERR_INVALID;
}

int net_tls_write(struct net_tls *t, struct str data, struct buf *out)
{
    int rc = 0;

    t->out = out;
    while (data.n != 0 && rc == 0) {
        ssize_t n = gnutls_record_send(t->session, data.p, data.n);

        if (n <= 0) {
            rc = -ERR_INVALID; /* the buffer is full or the session broken */
        } else {
            data = str_drop(data, (size_t)n);
        }
    }
    t->out = NULL;
    return rc;
}

bool net_tls_ready(const struct net_tls *t)
{
    return t->ready;
}
