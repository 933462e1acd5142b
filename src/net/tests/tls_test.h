/* SPDX-License-Identifier: Apache-2.0
 *
 * A fresh self-signed certificate for 127.0.0.1, written as PEM files for one test.
 */
#ifndef NET_TESTS_TLS_TEST_H
#define NET_TESTS_TLS_TEST_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "net_test.h"

struct tls_files {
    char cert[64];
    char key[64];
};

static inline void tls_write_pem(char path[64], const gnutls_datum_t *pem)
{
    int fd;

    snprintf(path, 64, "%s", "/tmp/net_test_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, pem->data, pem->size), pem->size);
    close(fd);
}

static inline void tls_files_make(struct tls_files *f)
{
    static const unsigned char LOOPBACK[4] = {127, 0, 0, 1};
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    unsigned char serial = 1;

    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(
                         key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_key(crt, key), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(crt, &serial, 1), 0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(crt, clock_wall_ms() / 1000 - 60), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, clock_wall_ms() / 1000 + 3600), 0);
    assert_int_equal(
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, "bongsu test", 11), 0);
    assert_int_equal(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, LOOPBACK,
                                                          sizeof(LOOPBACK), GNUTLS_FSAN_SET),
                     0);
    assert_int_equal(gnutls_x509_crt_set_basic_constraints(crt, 1, -1), 0);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    tls_write_pem(f->cert, &pem);
    gnutls_free(pem.data);
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    tls_write_pem(f->key, &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

static inline void tls_files_remove(const struct tls_files *f)
{
    unlink(f->cert);
    unlink(f->key);
}

#endif
