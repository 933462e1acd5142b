/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers that mean harm: raw HTTP/2 frames that break rules or only cost time. Each case ends with a closed
 * connection or a reset, and the server still answers others.
 */
#include "grpc_client.h"

#include "base/budget.h"
#include "net/grpc_server.h"
#include "tls_test.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};

/* :method POST, :scheme http, :path /test.Echo/Call, :authority a, content-type application/grpc */
#define REQUEST                               \
    "\x83\x86\x04\x0f/test.Echo/Call\x01\x01" \
    "a\x0f\x10\x10"                           \
    "application/grpc"

static void echo(void *arg, struct grpc_call *c)
{
    (void)arg;
    grpc_reply(c, grpc_message(c));
}

struct fixture {
    struct grpc_server *s;
    struct stats *stats;
};

/* Connections ended for what they cost or broke. */
static uint64_t ended(struct fixture *f)
{
    return counter_get(stats_counter(f->stats, "bongsu_grpc_rejected_total",
                                     "door=\"hostile\",reason=\"flood\"", "")) +
           counter_get(stats_counter(f->stats, "bongsu_grpc_rejected_total",
                                     "door=\"hostile\",reason=\"protocol_error\"", ""));
}

static struct grpc_server *start(struct grpc_server_opts opts)
{
    struct grpc_server *s;
    struct err e = {0};

    opts.name = "hostile";
    opts.address = "127.0.0.1:0";
    opts.max_message = 1 << 20;
    s = grpc_server_new(&opts);
    grpc_server_unary(s, "/test.Echo/Call", echo, NULL);
    assert_int_equal(grpc_server_start(s, &e), 0);
    return s;
}

static int setup(void **state)
{
    static struct fixture f;

    f.stats = stats_new();
    f.s = start((struct grpc_server_opts){.stats = f.stats});
    *state = &f;
    return 0;
}

static void check_alive(struct grpc_server *s)
{
    struct buf frame = gc_frame(0, 5, STR("alive"));
    struct grpc_client c;
    struct grpc_result r;

    gc_open(&c, grpc_server_address(s));
    gc_call(&c, &r, "/test.Echo/Call", NULL, buf_str(&frame));
    assert_string_equal(r.status, "0");
    gc_result_done(&r);
    buf_done(&frame);
    gc_close(&c);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    check_alive(f->s);
    grpc_server_free(f->s);
    stats_free(f->stats);
    return 0;
}

static void add_frame(struct buf *b, int type, int flags, uint32_t stream, struct str payload)
{
    const uint8_t head[9] = {(uint8_t)(payload.n >> 16),
                             (uint8_t)(payload.n >> 8),
                             (uint8_t)payload.n,
                             (uint8_t)type,
                             (uint8_t)flags,
                             (uint8_t)(stream >> 24),
                             (uint8_t)(stream >> 16),
                             (uint8_t)(stream >> 8),
                             (uint8_t)stream};

    buf_add(b, head, sizeof(head));
    buf_add_str(b, payload);
}

/* Walk the frames of an answer. @return the last GOAWAY's code, -1 without one */
static int64_t goaway_code(struct str frames)
{
    int64_t code = -1;

    while (frames.n >= 9) {
        const uint8_t *p = (const uint8_t *)frames.p;
        size_t n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];

        if (p[3] == GOAWAY && frames.n >= 9 + 8) {
            code = (int64_t)p[13] << 24 | p[14] << 16 | p[15] << 8 | p[16];
        }
        frames = str_drop(frames, 9 + n);
    }
    return code;
}

static size_t count_frames(struct str frames, int type)
{
    size_t count = 0;

    while (frames.n >= 9) {
        const uint8_t *p = (const uint8_t *)frames.p;

        count += p[3] == type;
        frames = str_drop(frames, 9 + ((size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2]));
    }
    return count;
}

/* Send everything (the server may close in between) and read to the end of the connection. */
static void assault(struct grpc_server *s, struct str bytes, struct buf *answer)
{
    int fd = net_dial(grpc_server_address(s));

    ignore_result(net_send(fd, bytes), "the server may close at any time");
    net_recv_all(fd, answer);
    close(fd);
}

static void test_broken_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int64_t code; /* of the GOAWAY; -1: any end will do */
    } CASES[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, -1},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX0000000000", 34, -1},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 26, -1},
        /* no SETTINGS first */
        {PREFACE "\0\0\x08\x06\0\0\0\0\0"
                 "12345678",
         24 + 17, 1},
        {PREFACE "garbage garbage garbage garbage", 24 + 31, -1},
        /* frame larger than 16 KiB */
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\xff\xff\xff\0\0\0\0\0\1",
         24 + 18, 6},
        /* DATA on stream 0, on an idle stream */
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\1\0\0\0\0\0\0x",
         24 + 19, 1},
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\1\0\0\0\0\0\1x",
         24 + 19, 1},
        /* HEADERS on an even stream, with broken HPACK, with a dangling index */
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\1\1\5\0\0\0\2\x82",
         24 + 19, 1},
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\3\1\5\0\0\0\1\xff\xff\xff",
         24 + 21, 9},
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\1\1\5\0\0\0\1\xfe",
         24 + 19, 9},
        /* SETTINGS of a wrong length, an impossible window */
        {PREFACE "\0\0\5\4\0\0\0\0\0"
                 "12345",
         24 + 14, 6},
        {PREFACE "\0\0\6\4\0\0\0\0\0"
                 "\0\4\xff\xff\xff\xff",
         24 + 15, 3},
        /* PUSH_PROMISE from a client, RST_STREAM on an idle stream, window overflow */
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\5\5\4\0\0\0\1\0\0\0\2\x82",
         24 + 23, 1},
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\4\3\0\0\0\0\1\0\0\0\0",
         24 + 22, 1},
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\4\x08\0\0\0\0\0\x7f\xff\xff\xff",
         24 + 22, 3},
        /* CONTINUATION out of nowhere; another frame inside a header block */
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\1\x09\4\0\0\0\1\x82",
         24 + 19, 1},
        {PREFACE "\0\0\0\4\0\0\0\0\0"
                 "\0\0\1\1\0\0\0\0\1\x83"
                 "\0\0\0\4\0\0\0\0\0",
         24 + 28, 1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b;

        buf_init(&b, 1 << 20);
        assault(f->s, str_of(CASES[i].bytes, CASES[i].n), &b);
        if (CASES[i].code >= 0 && goaway_code(buf_str(&b)) != CASES[i].code) {
            fail_msg("case %zu: GOAWAY code %lld", i, (long long)goaway_code(buf_str(&b)));
        }
        buf_done(&b);
    }
}

static struct buf preface(void)
{
    struct buf b;

    buf_init(&b, 64 << 20);
    buf_add_cstr(&b, PREFACE);
    add_frame(&b, SETTINGS, 0, 0, STR(""));
    return b;
}

static void test_rapid_reset(void **state)
{
    struct fixture *f = *state;
    struct buf b = preface();
    struct buf answer;

    for (uint32_t i = 0; i < 5000; i++) {
        add_frame(&b, HEADERS, 4, 2 * i + 1, STR(REQUEST));
        add_frame(&b, RST_STREAM, 0, 2 * i + 1, STR("\0\0\0\x08"));
    }
    buf_init(&answer, 4 << 20);
    assault(f->s, buf_str(&b), &answer);
    /* The GOAWAY may be lost to the reset of the connection; when it arrives, it says why. */
    assert_true(goaway_code(buf_str(&answer)) == NGHTTP2_ENHANCE_YOUR_CALM ||
                goaway_code(buf_str(&answer)) == -1);
    assert_int_equal(ended(f), 1);
    buf_done(&answer);
    buf_done(&b);
}

/* The client makes the server reset: a call with a pseudo header too many is a stream error. */
static void test_provoked_resets(void **state)
{
    struct fixture *f = *state;
    struct buf b = preface();
    struct buf answer;

    for (uint32_t i = 0; i < 5000; i++) {
        add_frame(&b, HEADERS, 5, 2 * i + 1, STR("\x83\x83\x86\x84"));
    }
    buf_init(&answer, 4 << 20);
    assault(f->s, buf_str(&b), &answer);
    assert_true(count_frames(buf_str(&answer), RST_STREAM) < 2000);
    assert_int_equal(ended(f), 1);
    buf_done(&answer);
    buf_done(&b);
}

static void test_continuation_flood(void **state)
{
    struct fixture *f = *state;
    struct buf b = preface();
    struct buf answer;

    add_frame(&b, HEADERS, 0, 1, STR("\x83"));
    for (int i = 0; i < 100000; i++) {
        add_frame(&b, CONTINUATION, 0, 1, STR(""));
    }
    buf_init(&answer, 4 << 20);
    assault(f->s, buf_str(&b), &answer);
    buf_done(&answer);
    buf_done(&b);
}

static void test_large_header_block(void **state)
{
    struct fixture *f = *state;
    static char block[16384];
    struct buf b = preface();
    struct buf answer;
    int fd;

    /* Literals without indexing, 100 bytes each, over several CONTINUATION frames: 48 KiB. */
    memset(block, 'v', sizeof(block));
    for (size_t at = 0; at + 104 <= sizeof(block); at += 104) {
        memcpy(block + at, "\x00\x01x\x64", 4);
    }
    add_frame(&b, HEADERS, 1, 1, STR(REQUEST));
    add_frame(&b, CONTINUATION, 0, 1, str_of(block, 16328));
    add_frame(&b, CONTINUATION, 0, 1, str_of(block, 16328));
    add_frame(&b, CONTINUATION, 4, 1, str_of(block, 16328));
    buf_init(&answer, 4 << 20);
    fd = net_dial(grpc_server_address(f->s));
    ignore_result(net_send(fd, buf_str(&b)), "the server may close");
    while (count_frames(buf_str(&answer), RST_STREAM) == 0 && goaway_code(buf_str(&answer)) < 0) {
        if (net_recv(fd, &answer, NET_TEST_WAIT_MS) <= 0) {
            break;
        }
    }
    assert_int_equal(count_frames(buf_str(&answer), HEADERS), 0);
    assert_true(count_frames(buf_str(&answer), RST_STREAM) == 1 ||
                goaway_code(buf_str(&answer)) > 0);
    close(fd);
    buf_done(&answer);
    buf_done(&b);
}

/* One entry of the dynamic table, named again and again: small on the wire, large when decoded. */
static void test_hpack_bomb(void **state)
{
    struct fixture *f = *state;
    struct buf b = preface();
    struct buf block;
    struct buf answer;
    int fd;

    buf_init(&block, 1 << 20);
    buf_add_str(&block, STR(REQUEST));
    buf_add_str(&block, STR("\x40\x01x\x7f\x81\x1e")); /* literal with indexing, 4000 bytes */
    for (int i = 0; i < 4000; i++) {
        buf_add_byte(&block, 'v');
    }
    for (int i = 0; i < 10000; i++) {
        buf_add_byte(&block, (char)0xbe); /* index 62 */
    }
    assert_true(block.n < 16384);
    add_frame(&b, HEADERS, 4, 1, buf_str(&block));
    buf_init(&answer, 4 << 20);
    fd = net_dial(grpc_server_address(f->s));
    assert_true(net_send(fd, buf_str(&b)));
    while (count_frames(buf_str(&answer), RST_STREAM) == 0 && goaway_code(buf_str(&answer)) < 0) {
        assert_true(net_recv(fd, &answer, NET_TEST_WAIT_MS) > 0);
    }
    close(fd);
    buf_done(&answer);
    buf_done(&block);
    buf_done(&b);
}

static void test_control_floods(void **state)
{
    static const struct {
        int type;
        int flags;
        uint32_t stream;
        const char *payload;
        size_t n;
    } CASES[] = {
        {SETTINGS, 0, 0, "", 0},
        {PING, 0, 0, "12345678", 8},
        {PRIORITY, 0, 1, "\0\0\0\3\x10", 5},
        {DATA, 0, 1, "", 0},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b = preface();
        struct buf answer;
        int64_t code;

        if (CASES[i].stream != 0) {
            add_frame(&b, HEADERS, 4, 1, STR(REQUEST));
        }
        for (int k = 0; k < 20000; k++) {
            add_frame(&b, CASES[i].type, CASES[i].flags, CASES[i].stream,
                      str_of(CASES[i].payload, CASES[i].n));
        }
        buf_init(&answer, 4 << 20);
        assault(f->s, buf_str(&b), &answer);
        code = goaway_code(buf_str(&answer));
        if (code != -1 && code != NGHTTP2_ENHANCE_YOUR_CALM && code != NGHTTP2_INTERNAL_ERROR) {
            fail_msg("case %zu: GOAWAY code %lld", i, (long long)code);
        }
        assert_int_equal(ended(f), i + 1);
        buf_done(&answer);
        buf_done(&b);
    }
}

static void test_abandoned_connections(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 200; i++) {
        struct buf b = preface();
        int fd = net_dial(grpc_server_address(f->s));

        add_frame(&b, HEADERS, 4, 1, STR(REQUEST));
        add_frame(&b, DATA, 0, 1,
                  STR("\0\0\0\x0f\xff"
                      "some"));
        ignore_result(net_send(fd, str_take(buf_str(&b), i)), "cut anywhere");
        close(fd);
        buf_done(&b);
    }
}

static void test_idle_connection(void **state)
{
    struct grpc_server *s = start((struct grpc_server_opts){.idle_timeout_s = 1});
    struct buf frame = gc_frame(0, 1, STR("x"));
    struct grpc_client c;
    struct grpc_result r;

    (void)state;
    gc_open(&c, grpc_server_address(s));
    gc_call(&c, &r, "/test.Echo/Call", NULL, buf_str(&frame));
    assert_string_equal(r.status, "0");
    while (gc_read(&c, NET_TEST_WAIT_MS) > 0) {
    }
    assert_true(c.goaway);
    assert_int_equal(c.goaway_code, NGHTTP2_NO_ERROR);
    gc_result_done(&r);
    buf_done(&frame);
    gc_close(&c);
    grpc_server_free(s);
}

/* TLS: a client of GnuTLS, blocking. */

static int tls_dial(gnutls_session_t *ret, gnutls_certificate_credentials_t cred,
                    const char *address, const char *alpn)
{
    gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)alpn, (unsigned)strlen(alpn)};
    int fd = net_dial(address);
    int rc;

    gnutls_init(ret, GNUTLS_CLIENT);
    gnutls_set_default_priority(*ret);
    gnutls_credentials_set(*ret, GNUTLS_CRD_CERTIFICATE, cred);
    if (alpn[0] != '\0') {
        gnutls_alpn_set_protocols(*ret, &protocol, 1, 0);
    }
    gnutls_transport_set_int(*ret, fd);
    gnutls_handshake_set_timeout(*ret, NET_TEST_WAIT_MS);
    gnutls_record_set_timeout(*ret, NET_TEST_WAIT_MS);
    do {
        rc = gnutls_handshake(*ret);
    } while (rc < 0 && gnutls_error_is_fatal(rc) == 0);
    return rc;
}

static void tls_hangup(gnutls_session_t t)
{
    close(gnutls_transport_get_int(t));
    gnutls_deinit(t);
}

static void test_tls(void **state)
{
    static const char *const WRONG_ALPN[] = {"http/1.1", ""};
    struct tls_files files;
    struct grpc_server *s;
    gnutls_certificate_credentials_t cred;
    gnutls_session_t t;
    struct buf b = preface();
    struct buf answer;
    char chunk[16384];
    int fd;

    (void)state;
    tls_files_make(&files);
    s = start((struct grpc_server_opts){.tls_cert = files.cert, .tls_key = files.key});
    gnutls_certificate_allocate_credentials(&cred);
    assert_int_equal(tls_dial(&t, cred, grpc_server_address(s), "h2"), 0);
    add_frame(&b, HEADERS, 4, 1, STR(REQUEST));
    add_frame(&b, DATA, 1, 1, STR("\0\0\0\0\x05hello"));
    assert_int_equal(gnutls_record_send(t, b.data, b.n), b.n);
    buf_init(&answer, 1 << 20);
    while (count_frames(buf_str(&answer), HEADERS) < 2) { /* headers and trailers */
        ssize_t n = gnutls_record_recv(t, chunk, sizeof(chunk));

        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
            continue; /* a session ticket was read */
        }
        if (n <= 0) {
            fail_msg("%zd: %s, after %zu bytes", n, gnutls_strerror((int)n), answer.n);
        }
        buf_add(&answer, chunk, (size_t)n);
    }
    assert_true(str_find(buf_str(&answer), STR("\x05hello")) > 0);
    tls_hangup(t);
    /* Without "h2" there is no connection to use. */
    for (size_t i = 0; i < ARRAY_LEN(WRONG_ALPN); i++) {
        int rc = tls_dial(&t, cred, grpc_server_address(s), WRONG_ALPN[i]);

        if (rc == 0) {
            ignore_result(gnutls_record_send(t, b.data, b.n), "the server may have closed");
            assert_true(gnutls_record_recv(t, chunk, sizeof(chunk)) <= 0);
        }
        tls_hangup(t);
    }
    /* Plain text to the TLS port: an alert or nothing, then the end. */
    buf_clear(&answer);
    fd = net_dial(grpc_server_address(s));
    ignore_result(net_send(fd, buf_str(&b)), "the server may close");
    net_recv_all(fd, &answer);
    assert_true(answer.n < 16);
    close(fd);
    /* A handshake cut anywhere. */
    for (size_t i = 0; i < 20; i++) {
        fd = net_dial(grpc_server_address(s));
        ignore_result(net_send(fd, str_take(STR("\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03"
                                                "0123456789"),
                                            i)),
                      "cut anywhere");
        close(fd);
    }
    gnutls_certificate_free_credentials(cred);
    grpc_server_free(s);
    tls_files_remove(&files);
    buf_done(&answer);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_broken_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rapid_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_provoked_resets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_continuation_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_header_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hpack_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_control_floods, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abandoned_connections, setup, teardown),
        cmocka_unit_test(test_idle_connection),
        cmocka_unit_test(test_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
