/* SPDX-License-Identifier: Apache-2.0
 *
 * The export thread against a scripted server: order over an outage, rejected batches, positions only when
 * safe, a full queue, a clean and a hanging end.
 */
#include "agent/delivery.h"
#include "agent/otlp_http.h"
#include "agent_test.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

struct server {
    struct mutex lock;
    struct cond changed;
    enum send_verdict verdict;
    bool hang;
    bool hanging;
    unsigned attempts;
    char got[256]; /* first byte of every batch that was taken */
    size_t n;
};

static void serve(void *ctx, const struct batch *b, int64_t timeout_ms, struct send_result *ret)
{
    struct server *s = ctx;

    (void)timeout_ms;
    mutex_lock(&s->lock);
    s->attempts++;
    while (s->hang) {
        s->hanging = true;
        cond_broadcast(&s->changed);
        cond_wait(&s->changed, &s->lock);
    }
    s->hanging = false;
    ret->verdict = s->verdict;
    if (s->verdict == SEND_OK && s->n < sizeof(s->got) - 1) {
        s->got[s->n++] = b->data[0];
    }
    cond_broadcast(&s->changed);
    mutex_unlock(&s->lock);
}

struct fixture {
    struct server server;
    char *dir;
    struct spool *spool;
    struct delivery *d;
};

static void start(struct fixture *f, size_t queue_max)
{
    assert_int_equal(spool_open(vfs_real(), f->dir, 1 << 20, &f->spool, NULL), 0);
    assert_int_equal(delivery_new(&(struct delivery_opts){.send = serve,
                                                          .send_ctx = &f->server,
                                                          .spool = f->spool,
                                                          .queue_max_bytes = queue_max,
                                                          .timeout_ms = 1000,
                                                          .backoff_min_ms = 10,
                                                          .backoff_max_ms = 40,
                                                          .seed = 1},
                                  &f->d),
                     0);
}

static void setup(struct fixture *f)
{
    *f = (struct fixture){.dir = test_mkdir()};
    log_set_level(LOG_ERROR);
    mutex_init(&f->server.lock, LOCK_RANK_LEAF);
    cond_init(&f->server.changed);
}

static void stop(struct fixture *f)
{
    assert_true(delivery_stop(f->d, 2000));
    delivery_free(f->d);
    spool_close(f->spool);
}

static void teardown(struct fixture *f)
{
    cond_done(&f->server.changed);
    mutex_done(&f->server.lock);
    test_rmdir(f->dir);
}

static bool put(struct fixture *f, char name, enum batch_signal signal, uint64_t offset)
{
    struct batch b = {.signal = signal, .records = 1, .n = 100};
    bool taken;

    b.data = mem_xcalloc(1, b.n);
    b.data[0] = name;
    if (signal == BATCH_LOGS) {
        assert_true(vec_push(&b.marks, (struct log_mark){.file_id = 7, .offset = offset}));
    }
    taken = delivery_put(f->d, &b);
    assert_null(b.data);
    return taken;
}

static void set(struct fixture *f, enum send_verdict v, bool hang)
{
    mutex_lock(&f->server.lock);
    f->server.verdict = v;
    f->server.hang = hang;
    cond_broadcast(&f->server.changed);
    mutex_unlock(&f->server.lock);
}

/* Wait at most 5 s. */
static void wait_for(struct fixture *f, const char *got, unsigned attempts, bool hanging)
{
    struct mono start_at = clock_mono();

    mutex_lock(&f->server.lock);
    while (strcmp(f->server.got, got) != 0 || f->server.attempts < attempts ||
           f->server.hanging != hanging) {
        if (mono_since_ns(start_at) > 5000000000) {
            mutex_unlock(&f->server.lock);
            fail_msg("got '%s', want '%s'", f->server.got, got);
        }
        ignore_result(cond_wait_ms(&f->server.changed, &f->server.lock, 100), "looked at again");
    }
    mutex_unlock(&f->server.lock);
}

static uint64_t last_mark(struct fixture *f)
{
    log_marks m = {0};
    uint64_t offset = 0;

    for (size_t i = 0; i < 200 && delivery_take_marks(f->d, &m) == 0; i++) {
        clock_sleep_ms(10);
    }
    offset = m.n != 0 ? m.v[m.n - 1].offset : 0;
    vec_done(&m);
    return offset;
}

static void wait_mark(struct fixture *f, uint64_t want)
{
    for (uint64_t mark = 0; mark != want;) {
        mark = last_mark(f);
        assert_true(mark != 0); /* none came for 2 s */
    }
}

static void test_normal(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    start(&f, 1 << 20);
    assert_true(put(&f, 'a', BATCH_METRICS, 0));
    assert_true(put(&f, 'b', BATCH_LOGS, 50));
    wait_for(&f, "ab", 2, false);
    wait_mark(&f, 50);
    assert_int_equal(spool_stats_of(f.spool).batches, 0);
    assert_int_equal(delivery_stats_of(f.d).delivered[BATCH_LOGS], 1);
    stop(&f);
    teardown(&f);
}

static void test_outage_and_restart(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    start(&f, 1 << 20);
    set(&f, SEND_RETRY, false);
    assert_true(put(&f, 'a', BATCH_METRICS, 0));
    wait_for(&f, "", 1, false);
    assert_true(put(&f, 'b', BATCH_LOGS, 10));
    assert_true(put(&f, 'c', BATCH_LOGS, 20));
    wait_mark(&f, 20); /* spooled counts as safe */
    wait_for(&f, "", 3, false);
    stop(&f);
    start(&f, 1 << 20); /* the server is still away */
    assert_int_equal(spool_stats_of(f.spool).batches, 3);
    assert_true(put(&f, 'd', BATCH_METRICS, 0));
    clock_sleep_ms(50);
    set(&f, SEND_OK, false);
    wait_for(&f, "abcd", 4, false);
    assert_true(put(&f, 'e', BATCH_METRICS, 0));
    wait_for(&f, "abcde", 5, false);
    assert_true(delivery_stats_of(f.d).failures >= 1);
    stop(&f);
    teardown(&f);
}

static void test_rejected(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    start(&f, 1 << 20);
    set(&f, SEND_REJECT, false);
    assert_true(put(&f, 'a', BATCH_LOGS, 5));
    wait_mark(&f, 5); /* it will never be taken: go on behind it */
    assert_int_equal(delivery_stats_of(f.d).dropped[DROP_REJECTED], 1);
    set(&f, SEND_OK, false);
    assert_true(put(&f, 'b', BATCH_LOGS, 6));
    wait_for(&f, "b", 2, false);
    stop(&f);
    teardown(&f);
}

static void test_full_queue(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    start(&f, 250);
    set(&f, SEND_OK, true);
    assert_true(put(&f, 'a', BATCH_LOGS, 1));
    wait_for(&f, "", 1, true);
    assert_true(put(&f, 'b', BATCH_LOGS, 2));
    assert_true(put(&f, 'c', BATCH_LOGS, 3));
    assert_false(put(&f, 'd', BATCH_LOGS, 4));
    assert_false(put(&f, 'e', BATCH_METRICS, 0));
    assert_int_equal(delivery_stats_of(f.d).dropped[DROP_QUEUE_FULL], 1);
    set(&f, SEND_OK, false);
    wait_for(&f, "abc", 3, false);
    wait_mark(&f, 3);
    stop(&f);
    teardown(&f);
}

/* The server hangs while the agent has to end: everything is on disk and its positions may be kept. */
static void test_hanging_end(void **state)
{
    struct fixture f;
    struct mono start_at;

    (void)state;
    setup(&f);
    start(&f, 1 << 20);
    set(&f, SEND_OK, true);
    assert_true(put(&f, 'a', BATCH_LOGS, 1));
    wait_for(&f, "", 1, true);
    assert_true(put(&f, 'b', BATCH_LOGS, 2));
    start_at = clock_mono();
    assert_false(delivery_stop(f.d, 300));
    assert_true(mono_since_ns(start_at) < 2000000000);
    assert_int_equal(spool_stats_of(f.spool).batches, 2);
    wait_mark(&f, 2);
    set(&f, SEND_RETRY, false);
    assert_true(delivery_stop(f.d, 2000)); /* the thread comes home and touches nothing */
    assert_int_equal(spool_stats_of(f.spool).batches, 2);
    delivery_free(f.d);
    spool_close(f.spool);
    teardown(&f);
}

static void test_verdicts(void **state)
{
    static const struct {
        int status;
        enum send_verdict verdict;
    } CASES[] = {{200, SEND_OK},     {202, SEND_OK},     {302, SEND_RETRY}, {400, SEND_REJECT},
                 {401, SEND_RETRY},  {403, SEND_RETRY},  {404, SEND_RETRY}, {413, SEND_REJECT},
                 {415, SEND_REJECT}, {422, SEND_REJECT}, {429, SEND_RETRY}, {500, SEND_RETRY},
                 {502, SEND_RETRY},  {503, SEND_RETRY},  {504, SEND_RETRY}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(otlp_http_verdict(CASES[i].status), CASES[i].verdict);
    }
}

static void test_answers(void **state)
{
    struct str msg = {0};

    (void)state;
    assert_int_equal(otlp_answer_rejected(STR("\x0a\x07\x08\x05\x12\x03"
                                              "why"),
                                          &msg),
                     5);
    assert_str(msg, "why");
    assert_int_equal(otlp_answer_rejected(STR(""), &msg), 0);
    assert_int_equal(otlp_answer_rejected(STR("{\"partialSuccess\":{}}"), &msg), 0);
    assert_str(otlp_answer_message(STR("\x08\x03\x12\x03"
                                       "bad")),
               "bad");
    assert_str(otlp_answer_message(STR("\x12\x7f"
                                       "cut")),
               "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal),      cmocka_unit_test(test_outage_and_restart),
        cmocka_unit_test(test_rejected),    cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_hanging_end), cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
