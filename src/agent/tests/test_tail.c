/* SPDX-License-Identifier: Apache-2.0
 *
 * Following files through appends, rotations, truncation, restarts and refused batches; every line exactly
 * once.
 */
#include "agent/tail.h"
#include "agent_test.h"
#include "base/clock.h"
#include "base/log.h"

struct sink {
    char taken[8192]; /* records of batches that were taken, joined by '|' */
    size_t taken_n;
    char open[4096]; /* records of the batch being collected */
    size_t open_n;
    log_marks marks; /* of taken batches, not yet acknowledged */
    size_t batch_max;
    size_t in_batch;
    bool refuse;
    bool full;
};

static bool on_record(void *ctx, const struct tail_record *r)
{
    struct sink *s = ctx;

    s->open_n += (size_t)snprintf(s->open + s->open_n, sizeof(s->open) - s->open_n, "%.*s%s|",
                                  STR_ARG(str_take(r->text, 60)), r->cut ? "~" : "");
    return ++s->in_batch >= s->batch_max;
}

static bool on_flush(void *ctx, log_marks *marks)
{
    struct sink *s = ctx;
    bool taken = !s->refuse;

    if (taken) {
        memcpy(s->taken + s->taken_n, s->open, s->open_n + 1);
        s->taken_n += s->open_n;
        for (size_t i = 0; i < marks->n; i++) {
            assert_true(vec_push(&s->marks, marks->v[i]));
        }
    }
    s->open_n = 0;
    s->in_batch = 0;
    return taken;
}

static bool on_full(void *ctx)
{
    return ((struct sink *)ctx)->full;
}

struct fixture {
    struct sink sink;
    char *dir;
    struct tail *t;
    char entry[256];
};

static void start(struct fixture *f)
{
    const char *entry = f->entry;

    f->sink.batch_max = f->sink.batch_max != 0 ? f->sink.batch_max : 1000;
    assert_int_equal(tail_new(&(struct tail_opts){.vfs = vfs_real(),
                                                  .positions_path = test_path(f->dir, "positions"),
                                                  .root = "",
                                                  .sink = {&f->sink, on_record, on_flush, on_full},
                                                  .max_record = 4096,
                                                  .rotated_ms = 30,
                                                  .record_wait_ms = 30},
                              &f->t, NULL),
                     0);
    tail_configure(f->t, &entry, 1, 0);
}

static void setup(struct fixture *f, const char *pattern)
{
    *f = (struct fixture){.dir = test_mkdir()};
    log_set_level(LOG_ERROR);
    snprintf(f->entry, sizeof(f->entry), "%s/%s%s", f->dir, pattern,
             strstr(pattern, "multiline=") == NULL ? " multiline=none" : "");
}

static void ack(struct fixture *f)
{
    tail_ack(f->t, &f->sink.marks);
    vec_clear(&f->sink.marks);
    assert_int_equal(tail_save(f->t, NULL), 0);
}

static void poll_expect(struct fixture *f, const char *want)
{
    tail_poll(f->t, true);
    if (strcmp(f->sink.taken, want) != 0) {
        fail_msg("got '%s', want '%s'", f->sink.taken, want);
    }
    f->sink.taken_n = 0;
    f->sink.taken[0] = '\0';
}

static void teardown(struct fixture *f)
{
    tail_free(f->t);
    vec_done(&f->sink.marks);
    test_rmdir(f->dir);
}

static void test_append(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "*.log");
    test_write(test_path(f.dir, "a.log"), "w", "old\n");
    start(&f);
    poll_expect(&f, ""); /* first start: from the end */
    test_write(test_path(f.dir, "a.log"), "a", "one\ntw");
    poll_expect(&f, "one|");
    test_write(test_path(f.dir, "a.log"), "a", "o\n");
    poll_expect(&f, "two|");
    test_write(test_path(f.dir, "new.log"), "w", "n1\n");
    test_write(test_path(f.dir, "x.log.gz"), "w", "packed\n");
    poll_expect(&f, "n1|"); /* a file that appears: from its beginning */
    assert_int_equal(tail_stats_of(f.t).files, 2);
    assert_int_equal(tail_stats_of(f.t).records, 3);
    teardown(&f);
}

static void test_restart(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "*.log start=beginning");
    test_write(test_path(f.dir, "a.log"), "w", "one\n");
    start(&f);
    poll_expect(&f, "one|");
    ack(&f);
    test_write(test_path(f.dir, "a.log"), "a", "two\n");
    poll_expect(&f, "two|");
    vec_clear(&f.sink.marks); /* never delivered: a crash */
    tail_free(f.t);
    test_write(test_path(f.dir, "a.log"), "a", "three\n");
    test_write(test_path(f.dir, "b.log"), "w", "b1\n");
    start(&f);
    poll_expect(&f, "two|three|b1|");
    ack(&f);
    tail_free(f.t);
    start(&f);
    poll_expect(&f, "");
    teardown(&f);
}

static void test_rename(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "a.log start=beginning");
    test_write(test_path(f.dir, "a.log"), "w", "one\n");
    start(&f);
    poll_expect(&f, "one|");
    test_write(test_path(f.dir, "a.log"), "a", "two\n");
    assert_int_equal(rename(test_path(f.dir, "a.log"), test_path(f.dir, "a.log.1")), 0);
    test_write(test_path(f.dir, "a.log.1"), "a", "late\nunfinished");
    test_write(test_path(f.dir, "a.log"), "w", "three\n");
    poll_expect(&f, "two|late|three|");
    clock_sleep_ms(50);
    poll_expect(&f, "unfinished|"); /* nothing will come any more */
    ack(&f);
    poll_expect(&f, "");
    assert_int_equal(tail_stats_of(f.t).files, 1);
    /* and once more while the agent is down */
    tail_free(f.t);
    test_write(test_path(f.dir, "a.log"), "a", "four\n");
    assert_int_equal(rename(test_path(f.dir, "a.log"), test_path(f.dir, "a.log.2")), 0);
    test_write(test_path(f.dir, "a.log"), "w", "five\n");
    start(&f);
    tail_poll(f.t, true);
    assert_true(strcmp(f.sink.taken, "five|four|") == 0 || strcmp(f.sink.taken, "four|five|") == 0);
    teardown(&f);
}

static void test_copytruncate(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "a.log* start=beginning");
    test_write(test_path(f.dir, "a.log"), "w", "first line\nsecond line\n");
    start(&f);
    poll_expect(&f, "first line|second line|");
    /* two lines not read yet, then copy and truncate, then as many bytes as before */
    test_write(test_path(f.dir, "a.log"), "a", "third\n");
    test_write(test_path(f.dir, "a.log.1"), "w", "first line\nsecond line\nthird\n");
    clock_sleep_ms(20);
    test_write(test_path(f.dir, "a.log"), "w", "FIRST LINE\nSECOND LINE\nTHIRD\n");
    tail_poll(f.t, true);
    tail_poll(f.t, true);
    if (strcmp(f.sink.taken, "FIRST LINE|SECOND LINE|THIRD|third|") != 0) {
        fail_msg("%s", f.sink.taken);
    }
    ack(&f);
    f.sink.taken_n = 0;
    /* while the agent is down */
    tail_free(f.t);
    test_write(test_path(f.dir, "a.log"), "a", "4\n");
    test_write(test_path(f.dir, "a.log.2"), "w", "FIRST LINE\nSECOND LINE\nTHIRD\n4\n");
    test_write(test_path(f.dir, "a.log"), "w", "fresh\n");
    start(&f);
    poll_expect(&f, "fresh|4|");
    /* a copy of a file that is not truncated has nothing new */
    test_write(test_path(f.dir, "a.log"), "a", "enough bytes to be sure\n");
    poll_expect(&f, "enough bytes to be sure|");
    test_write(test_path(f.dir, "a.log.bak"), "w", "fresh\nenough bytes to be sure\n");
    poll_expect(&f, "");
    teardown(&f);
}

static void test_refused(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "*.log start=beginning");
    f.sink.batch_max = 2;
    test_write(test_path(f.dir, "a.log"), "w", "1\n2\n3\n\n4\n5\n\n");
    start(&f);
    f.sink.refuse = true;
    poll_expect(&f, "");
    f.sink.refuse = false;
    f.sink.full = true;
    poll_expect(&f, "");
    f.sink.full = false;
    poll_expect(&f, "1|2|3|4|5|");
    ack(&f);
    poll_expect(&f, ""); /* the blank line at the end is safe, too */
    assert_int_equal(tail_save(f.t, NULL), 0);
    tail_free(f.t);
    start(&f);
    poll_expect(&f, "");
    teardown(&f);
}

static void test_long_line(void **state)
{
    struct fixture f;
    char *line = mem_xcalloc(1, 300001);
    char want[128];

    (void)state;
    memset(line, 'x', 300000);
    setup(&f, "*.log start=beginning");
    test_write(test_path(f.dir, "a.log"), "w", line);
    start(&f);
    snprintf(want, sizeof(want), "%.60s~|", line);
    poll_expect(&f, want);
    ack(&f);
    tail_free(f.t); /* in the middle of it */
    test_write(test_path(f.dir, "a.log"), "a", "the end\nnext\n");
    start(&f);
    poll_expect(&f, "next|");
    assert_int_equal(tail_stats_of(f.t).cut, 0);
    mem_free(line);
    teardown(&f);
}

static void test_multiline(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "*.log start=beginning multiline=^E");
    test_write(test_path(f.dir, "a.log"), "w", "E1\n at x\nE2\n at y\n");
    start(&f);
    poll_expect(&f, "E1\n at x|");
    test_write(test_path(f.dir, "a.log"), "a", " at z\n");
    poll_expect(&f, "");
    clock_sleep_ms(50);
    poll_expect(&f, "E2\n at y\n at z|");
    teardown(&f);
}

static void test_rate(void **state)
{
    struct fixture f;
    const char *entry;

    (void)state;
    setup(&f, "*.log start=beginning");
    entry = f.entry;
    test_write(test_path(f.dir, "a.log"), "w", "1\n2\n3\n4\n5\n6\n");
    start(&f);
    tail_configure(f.t, &entry, 1, 2);
    tail_poll(f.t, true);
    assert_string_equal(f.sink.taken, "1|2|");
    tail_poll(f.t, true);
    assert_string_equal(f.sink.taken, "1|2|");
    assert_int_equal(tail_stats_of(f.t).throttled, 1);
    clock_sleep_ms(1050);
    tail_poll(f.t, true);
    assert_string_equal(f.sink.taken, "1|2|3|4|");
    teardown(&f);
}

static void test_damaged_positions(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "*.log start=beginning");
    test_write(test_path(f.dir, "positions"), "w", "bongsu-positions 1\n1 2 3\n");
    test_write(test_path(f.dir, "a.log"), "w", "1\n");
    log_set_level((enum log_level)(LOG_ERROR + 1));
    start(&f);
    poll_expect(&f, "1|");
    assert_int_equal(tail_stats_of(f.t).errors, 1);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_copytruncate),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_multiline),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_damaged_positions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
