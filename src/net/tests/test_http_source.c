/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies made while they are sent: whole, packed, cut by an error, left by their reader; the source is freed
 * exactly once in every case.
 */
#include "net_test.h"

#include "codec/compress.h"
#include "net/http_client.h"
#include "net/http_server.h"

enum { LINE = 1000, LINES_A_PIECE = 64 };

struct lines {
    struct fixture *f;
    unsigned left;
    unsigned fail_at; /* lines left; 0: never */
    unsigned at;
};

struct fixture {
    struct http_server *s;
    struct stats *stats;
    struct pool *pool;
    atomic_int freed;
    atomic_int asked;
};

static int next_lines(void *arg, struct buf *dst)
{
    struct lines *l = arg;
    char text[LINE];

    atomic_fetch_add(&l->f->asked, 1);
    for (unsigned i = 0; i < LINES_A_PIECE && l->left != 0; i++) {
        if (l->left == l->fail_at) {
            return -ERR_CORRUPT;
        }
        memset(text, 'a' + (char)(l->at++ % 26), sizeof(text));
        text[LINE - 1] = '\n';
        buf_add(dst, text, LINE);
        l->left--;
    }
    return 0;
}

static void free_lines(void *arg)
{
    struct lines *l = arg;

    atomic_fetch_add(&l->f->freed, 1);
    mem_free(l);
}

static void lines(void *arg, struct http_exchange *x)
{
    struct lines *l = mem_xcalloc(1, sizeof(*l));
    uint64_t n = 0;
    uint64_t fail = 0;

    l->f = arg;
    ignore_result(str_to_u64(http_param(x, "n"), &n), "0 otherwise");
    ignore_result(str_to_u64(http_param(x, "fail"), &fail), "0 otherwise");
    l->left = (unsigned)n;
    l->fail_at = (unsigned)fail;
    http_respond_source(x, 200, "text/plain", &(struct http_source){next_lines, free_lines, l});
}

static int setup(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));
    const struct http_route routes[] = {{"GET", "/lines", lines, f, HTTP_WORKER, 0, 0}};
    struct err e = {0};

    f->stats = stats_new();
    f->pool = pool_new("test", 2, 8);
    f->s = http_server_new(&(struct http_server_opts){
        .name = "t", .address = "127.0.0.1:0", .workers = f->pool, .stats = f->stats});
    http_server_route(f->s, routes, ARRAY_LEN(routes));
    assert_int_equal(http_server_start(f->s, &e), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_server_free(f->s);
    pool_free(f->pool);
    stats_free(f->stats);
    mem_free(f);
    return 0;
}

static void fetch(struct fixture *f, const char *query, const char *encoding, int want_rc,
                  struct buf *ret)
{
    struct http_client *c = http_client_new(NULL);
    const char *headers[] = {encoding, NULL};
    struct http_answer a = {0};
    struct err e = {0};
    char url[128];

    snprintf(url, sizeof(url), "http://%s/lines?%s", http_server_address(f->s), query);
    assert_int_equal(http_client_call(c,
                                      &(struct http_call){.method = "GET",
                                                          .url = url,
                                                          .headers = headers,
                                                          .timeout_ms = NET_TEST_WAIT_MS,
                                                          .max_response = 64 << 20},
                                      &a, &e),
                     want_rc);
    if (want_rc == 0) {
        assert_int_equal(a.status, 200);
    }
    *ret = a.body;
    http_client_free(c);
}

static void check_lines(struct str text, size_t n)
{
    assert_int_equal(text.n, n * LINE);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(text.p[i * LINE], 'a' + (int)(i % 26));
        assert_int_equal(text.p[(i + 1) * LINE - 1], '\n');
    }
}

static void test_whole(void **state)
{
    static const struct {
        const char *query;
        size_t lines;
    } cases[] = {{"n=0", 0}, {"n=1", 1}, {"n=64", 64}, {"n=65", 65}, {"n=20000", 20000}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf plain = {0};
        struct buf packed = {0};
        struct buf back;

        fetch(f, cases[i].query, "Accept-Encoding: identity", 0, &plain);
        check_lines(buf_str(&plain), cases[i].lines);
        fetch(f, cases[i].query, "Accept-Encoding: gzip", 0, &packed);
        buf_init(&back, 64 << 20);
        assert_int_equal(decompress(COMPRESS_GZIP, buf_str(&packed), &back, NULL), 0);
        check_lines(buf_str(&back), cases[i].lines);
        NET_EVENTUALLY(atomic_load(&f->freed) == 2 * (int)i + 2);
        buf_done(&plain);
        buf_done(&packed);
        buf_done(&back);
    }
}

static void test_error_cuts(void **state)
{
    struct fixture *f = *state;
    struct buf body = {0};

    fetch(f, "n=1000&fail=500", "Accept-Encoding: identity", -ERR_UNAVAILABLE, &body);
    buf_done(&body);
    NET_EVENTUALLY(atomic_load(&f->freed) == 1);
}

/* A reader that does not read stops the source; one that leaves frees it. */
static void test_reader_leaves(void **state)
{
    struct fixture *f = *state;
    int fd = net_dial(http_server_address(f->s));
    int asked;

    assert_true(net_send(fd, STR("GET /lines?n=4000000 HTTP/1.1\r\nHost: a\r\n\r\n")));
    NET_EVENTUALLY(atomic_load(&f->asked) > 0);
    do {
        asked = atomic_load(&f->asked);
        clock_sleep_ms(300);
    } while (atomic_load(&f->asked) != asked);
    assert_true(asked < 1000); /* of 62500 pieces */
    assert_int_equal(atomic_load(&f->freed), 0);
    close(fd);
    NET_EVENTUALLY(atomic_load(&f->freed) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reader_leaves, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
