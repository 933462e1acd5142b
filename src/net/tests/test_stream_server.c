/* SPDX-License-Identifier: Apache-2.0
 *
 * The stream and the datagram door with a protocol of lines: what is taken, kept, refused, and what waits.
 */
#include "net/datagram_server.h"
#include "net/stream_server.h"
#include "tls_test.h"

#include <stdatomic.h>

#include "base/lock.h"

/* Lines are gathered as "line|"; the end of a connection takes what is left. "bad" is an error. */
struct rig {
    struct stream_server *server;
    struct stats *stats;
    struct mutex lock;
    struct buf got; /* guarded by: lock */
    _Atomic int open;
    _Atomic bool full; /* the consumer cannot take more */
};

static void *conn_open(void *arg, struct buf *out)
{
    struct rig *r = arg;

    buf_add_cstr(out, "hello\n");
    atomic_fetch_add(&r->open, 1);
    return r;
}

static void conn_close(void *arg, void *conn)
{
    struct rig *r = arg;

    assert_ptr_equal(r, conn);
    atomic_fetch_sub(&r->open, 1);
}

static int64_t conn_take(void *arg, void *conn, const struct stream_input *in)
{
    struct rig *r = arg;
    int64_t end = str_find_byte(in->data, '\n');
    struct str line = end >= 0 ? str_take(in->data, (size_t)end) : in->data;

    assert_ptr_equal(r, conn);
    assert_string_equal(in->peer.p, "127.0.0.1");
    if (end < 0 && !in->end) {
        return 0;
    }
    if (atomic_load(&r->full) || str_eq(line, STR("stuck"))) {
        return -ERR_OVERLOAD;
    }
    if (str_eq(line, STR("bad"))) {
        buf_add_cstr(in->out, "error\n");
        return -ERR_INVALID;
    }
    mutex_lock(&r->lock);
    buf_add_str(&r->got, line);
    buf_add_byte(&r->got, '|');
    mutex_unlock(&r->lock);
    buf_printf(in->out, "ok %zu\n", line.n);
    return (int64_t)line.n + (end >= 0);
}

static void rig_start(struct rig *r, struct stream_server_opts o)
{
    struct err e = {0};

    *r = (struct rig){.stats = stats_new()};
    mutex_init(&r->lock, LOCK_RANK_LEAF);
    buf_init(&r->got, 8 << 20);
    o.name = "lines";
    o.address = "127.0.0.1:0";
    o.stats = r->stats;
    o.protocol = (struct stream_protocol){conn_open, conn_close, conn_take, r};
    r->server = stream_server_new(&o);
    assert_int_equal(stream_server_start(r->server, &e), 0);
}

static void rig_stop(struct rig *r)
{
    stream_server_stop(r->server, 1000);
    assert_int_equal(atomic_load(&r->open), 0);
    stream_server_free(r->server);
    buf_done(&r->got);
    mutex_done(&r->lock);
    stats_free(r->stats);
}

static bool rig_got(struct rig *r, const char *text)
{
    bool same;

    mutex_lock(&r->lock);
    same = str_eq(buf_str(&r->got), str_cstr(text));
    mutex_unlock(&r->lock);
    return same;
}

static uint64_t rejected(struct rig *r, const char *reason)
{
    char labels[64];

    snprintf(labels, sizeof(labels), "door=\"lines\",reason=\"%s\"", reason);
    return counter_get(stats_counter(r->stats, "bongsu_socket_rejected_total", labels, ""));
}

static void test_lines(void **state)
{
    struct buf answer;
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, (struct stream_server_opts){0});
    buf_init(&answer, 1 << 20);
    fd = net_dial(stream_server_address(r.server));
    assert_true(net_send(fd, STR("one\ntw")));
    assert_true(net_recv_until(fd, &answer, "ok 3\n"));
    assert_true(net_send(fd, STR("o\nthree")));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    net_recv_all(fd, &answer);
    assert_true(str_eq(buf_str(&answer), STR("hello\nok 3\nok 3\nok 5\n")));
    assert_true(rig_got(&r, "one|two|three|"));
    close(fd);
    buf_done(&answer);
    rig_stop(&r);
}

static void test_broken(void **state)
{
    struct buf answer;
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, (struct stream_server_opts){.buffer_max = 100000});
    buf_init(&answer, 1 << 20);
    fd = net_dial(stream_server_address(r.server));
    assert_true(net_send(fd, STR("a\nbad\nnever\n")));
    net_recv_all(fd, &answer);
    assert_true(str_eq(buf_str(&answer), STR("hello\nok 1\nerror\n")));
    assert_int_equal(rejected(&r, "protocol_error"), 1);
    close(fd);

    fd = net_dial(stream_server_address(r.server));
    for (int i = 0; i < 400 && net_send(fd, STR("0123456789012345678901234567890123456789"
                                                "0123456789012345678901234567890123456789"
                                                "0123456789012345678901234567890123456789"
                                                "0123456789012345678901234567890123456789"
                                                "0123456789012345678901234567890123456789"
                                                "0123456789012345678901234567890123456789"
                                                "0123456789012345678901234567890123456789"));
         i++) {
    }
    NET_EVENTUALLY(rejected(&r, "message_too_large") == 1);
    close(fd);
    assert_true(rig_got(&r, "a|"));
    buf_done(&answer);
    rig_stop(&r);
}

/* While the consumer is full the sender waits, and nothing is lost or taken twice. */
static void test_waits(void **state)
{
    enum { LINES = 20000 };

    struct buf answer;
    struct buf want;
    struct budget budget;
    struct rig r;
    int fd;

    (void)state;
    budget_init(&budget, 1 << 20, NULL);
    rig_start(&r, (struct stream_server_opts){.budget = &budget});
    buf_init(&answer, 4 << 20);
    buf_init(&want, 4 << 20);
    atomic_store(&r.full, true);
    fd = net_dial(stream_server_address(r.server));
    for (int i = 0; i < LINES; i++) {
        buf_printf(&want, "line %d\n", i);
    }
    assert_true(net_send(fd, str_take(buf_str(&want), 5000)));
    NET_EVENTUALLY(counter_get(stats_counter(r.stats, "bongsu_socket_waits_total", "door=\"lines\"",
                                             "")) >= 2);
    assert_true(rig_got(&r, ""));
    atomic_store(&r.full, false);
    assert_true(net_send(fd, str_drop(buf_str(&want), 5000)));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    net_recv_all(fd, &answer);
    for (size_t i = 0; i < want.n; i++) {
        want.data[i] = want.data[i] == '\n' ? '|' : want.data[i];
    }
    buf_add_byte(&want, '\0');
    assert_true(rig_got(&r, want.data));
    assert_int_equal(budget_used(&budget), 0);
    close(fd);
    buf_done(&answer);
    buf_done(&want);
    rig_stop(&r);
}

/* More connections wait than are asked in one round: each has its turn, also behind one that is never taken. */
static void test_all_have_their_turn(void **state)
{
    enum { CONNECTIONS = 12 };

    struct rig r;
    struct buf answer;
    int fd[CONNECTIONS];

    (void)state;
    rig_start(&r, (struct stream_server_opts){0});
    buf_init(&answer, 1 << 20);
    atomic_store(&r.full, true);
    for (int i = 0; i < CONNECTIONS; i++) {
        fd[i] = net_dial(stream_server_address(r.server));
        assert_true(net_send(fd[i], i % 2 == 0 ? STR("stuck\n") : STR("line\n")));
    }
    NET_EVENTUALLY(counter_get(stats_counter(r.stats, "bongsu_socket_waits_total", "door=\"lines\"",
                                             "")) >= 2ul * CONNECTIONS);
    atomic_store(&r.full, false);
    for (int i = 1; i < CONNECTIONS; i += 2) {
        buf_clear(&answer);
        assert_true(net_recv_until(fd[i], &answer, "ok 4\n"));
    }
    assert_true(rig_got(&r, "line|line|line|line|line|line|"));
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fd[i]);
    }
    buf_done(&answer);
    rig_stop(&r);
}

static void test_memory_waits(void **state)
{
    struct budget budget;
    struct buf answer;
    struct rig r;
    int fd;

    (void)state;
    budget_init(&budget, 1 << 20, NULL);
    assert_true(budget_take(&budget, 1 << 20));
    rig_start(&r, (struct stream_server_opts){.budget = &budget});
    buf_init(&answer, 1 << 20);
    fd = net_dial(stream_server_address(r.server));
    assert_true(net_send(fd, STR("later\n")));
    NET_EVENTUALLY(counter_get(stats_counter(r.stats, "bongsu_socket_waits_total", "door=\"lines\"",
                                             "")) >= 1);
    assert_true(rig_got(&r, ""));
    budget_give(&budget, 1 << 20);
    assert_true(net_recv_until(fd, &answer, "ok 5\n"));
    close(fd);
    buf_done(&answer);
    rig_stop(&r);
    assert_int_equal(budget_used(&budget), 0);
}

static void test_limits(void **state)
{
    struct buf answer;
    struct rig r;
    int first;
    int second;

    (void)state;
    rig_start(&r, (struct stream_server_opts){.max_connections = 1, .message_timeout_s = 1});
    buf_init(&answer, 1 << 20);
    first = net_dial(stream_server_address(r.server));
    assert_true(net_recv_until(first, &answer, "hello\n"));
    second = net_dial(stream_server_address(r.server));
    buf_clear(&answer);
    net_recv_all(second, &answer);
    assert_int_equal(answer.n, 0);
    assert_int_equal(rejected(&r, "connections"), 1);
    assert_true(net_send(first, STR("half")));
    net_recv_all(first, &answer); /* cut, and what had come is taken */
    assert_true(rig_got(&r, "half|"));
    assert_int_equal(rejected(&r, "slow"), 1);
    close(first);
    close(second);
    buf_done(&answer);
    rig_stop(&r);
}

/* ---- TLS ---- */

struct tls_client {
    gnutls_session_t session;
    gnutls_certificate_credentials_t cred;
    int fd;
};

static int tls_dial(struct tls_client *c, const char *address, const struct tls_files *own)
{
    int rc;

    c->fd = net_dial(address);
    assert_int_equal(gnutls_certificate_allocate_credentials(&c->cred), 0);
    if (own != NULL) {
        assert_int_equal(
            gnutls_certificate_set_x509_key_file(c->cred, own->cert, own->key, GNUTLS_X509_FMT_PEM),
            0);
    }
    assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT), 0);
    assert_int_equal(gnutls_set_default_priority(c->session), 0);
    assert_int_equal(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->cred), 0);
    gnutls_transport_set_int(c->session, c->fd);
    gnutls_handshake_set_timeout(c->session, 10000);
    do {
        rc = gnutls_handshake(c->session);
    } while (rc < 0 && gnutls_error_is_fatal(rc) == 0);
    return rc;
}

static ssize_t tls_read(struct tls_client *c, char *dst, size_t n)
{
    ssize_t got;

    gnutls_record_set_timeout(c->session, NET_TEST_WAIT_MS);
    do {
        got = gnutls_record_recv(c->session, dst, n);
    } while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
    return got;
}

static void tls_hang_up(struct tls_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->cred);
    close(c->fd);
}

static void test_tls(void **state)
{
    struct tls_client c;
    struct tls_files f;
    struct tls_files other;
    char text[64];
    struct rig r;

    (void)state;
    tls_files_make(&f);
    tls_files_make(&other);
    rig_start(&r, (struct stream_server_opts){.tls_cert = f.cert, .tls_key = f.key});
    assert_int_equal(tls_dial(&c, stream_server_address(r.server), NULL), 0);
    assert_int_equal(tls_read(&c, text, sizeof(text)), 6);
    assert_int_equal(gnutls_record_send(c.session, "secret\n", 7), 7);
    assert_int_equal(tls_read(&c, text, sizeof(text)), 5);
    assert_memory_equal(text, "ok 6\n", 5);
    tls_hang_up(&c);
    rig_stop(&r);

    rig_start(&r, (struct stream_server_opts){
                      .tls_cert = f.cert, .tls_key = f.key, .tls_client_ca = f.cert});
    /* TLS 1.3: the client learns with its first read that its certificate was missing or wrong */
    ignore_result(tls_dial(&c, stream_server_address(r.server), NULL), "seen below");
    assert_true(tls_read(&c, text, sizeof(text)) <= 0);
    tls_hang_up(&c);
    ignore_result(tls_dial(&c, stream_server_address(r.server), &other), "seen below");
    assert_true(tls_read(&c, text, sizeof(text)) <= 0);
    tls_hang_up(&c);
    NET_EVENTUALLY(rejected(&r, "protocol_error") == 2);
    assert_int_equal(tls_dial(&c, stream_server_address(r.server), &f), 0);
    assert_int_equal(gnutls_record_send(c.session, "known\n", 6), 6);
    assert_int_equal(tls_read(&c, text, sizeof(text)), 6);
    assert_int_equal(tls_read(&c, text, sizeof(text)), 5);
    tls_hang_up(&c);
    assert_true(rig_got(&r, "known|"));
    rig_stop(&r);
    tls_files_remove(&f);
    tls_files_remove(&other);
}

static void test_start_errors(void **state)
{
    static const struct {
        struct stream_server_opts opts;
        int rc;
    } CASES[] = {
        {{.address = "nonsense"}, -ERR_INVALID},
        {{.address = "127.0.0.1:0", .tls_cert = "/nonexistent", .tls_key = "/nonexistent"},
         -ERR_IO},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct stream_server_opts o = CASES[i].opts;
        struct stream_server *s;
        struct err e = {0};

        o.name = "x";
        s = stream_server_new(&o);
        assert_int_equal(stream_server_start(s, &e), CASES[i].rc);
        assert_true(e.msg[0] != '\0');
        stream_server_free(s);
    }
}

/* ---- datagrams ---- */

struct datagrams {
    _Atomic size_t n;
    _Atomic size_t bytes;
    _Atomic bool wrong;
};

static void take_datagrams(void *arg, const struct datagram *v, size_t n)
{
    struct datagrams *d = arg;

    for (size_t i = 0; i < n; i++) {
        if (!str_eq(v[i].peer, STR("127.0.0.1"))) {
            atomic_store(&d->wrong, true);
        }
        atomic_fetch_add(&d->bytes, v[i].data.n);
    }
    atomic_fetch_add(&d->n, n);
}

static void test_datagrams(void **state)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct stats *stats = stats_new();
    struct datagrams d = {0};
    const struct datagram_server_opts o = {
        .name = "udp", .address = "127.0.0.1:0", .stats = stats, .take = take_datagrams, .arg = &d};
    struct datagram_server *s = datagram_server_new(&o);
    static char large[60000];
    struct err e = {0};
    uint64_t port = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(datagram_server_start(s, &e), 0);
    assert_true(str_to_u64(str_cstr(strrchr(datagram_server_address(s), ':') + 1), &port));
    sa.sin_port = htons((uint16_t)port);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&sa, sizeof(sa)), 5);
    }
    assert_int_equal(sendto(fd, large, sizeof(large), 0, (struct sockaddr *)&sa, sizeof(sa)),
                     sizeof(large));
    NET_EVENTUALLY(atomic_load(&d.n) == 101);
    assert_int_equal(atomic_load(&d.bytes), 500 + sizeof(large));
    assert_false(atomic_load(&d.wrong));
    assert_int_equal(
        counter_get(stats_counter(stats, "bongsu_socket_received_bytes_total", "door=\"udp\"", "")),
        500 + sizeof(large));
    close(fd);
    datagram_server_stop(s);
    datagram_server_free(s);
    stats_free(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_waits),        cmocka_unit_test(test_all_have_their_turn),
        cmocka_unit_test(test_memory_waits), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_tls),          cmocka_unit_test(test_start_errors),
        cmocka_unit_test(test_datagrams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
