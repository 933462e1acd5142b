/* SPDX-License-Identifier: Apache-2.0
 *
 * Real journal files, written by systemd-journal-remote: following, matches, restarts, refused batches; every entry
 * exactly once.
 */
#include "agent/journal.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "agent_test.h"
#include "base/log.h"

static const char WRITER[] = "/lib/systemd/systemd-journal-remote";

struct fixture {
    char *dir;
    struct journal *j;
    struct identity identity;
    char taken[8192]; /* bodies of taken batches, joined by '|' */
    log_marks marks;  /* not acknowledged yet */
    bool refuse;
    enum log_start start;
    const char *matches[2];
    size_t matches_n;
    unsigned written;
};

static void run_writer(const char *text, const char *journal)
{
    char *const argv[] = {(char *)WRITER, (char *)"-o", (char *)journal, (char *)"-", NULL};
    char *const env[] = {NULL};
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status = -1;

    assert_int_equal(posix_spawn_file_actions_init(&files), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&files, 0, text, O_RDONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0), 0);
    assert_int_equal(posix_spawn(&pid, WRITER, &files, NULL, argv, env), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    posix_spawn_file_actions_destroy(&files);
}

/* Appends entries to DIR/journal/test.journal: texts joined by '|'; unit of all of them. */
static void write_entries(struct fixture *f, const char *texts, const char *unit)
{
    const char *text = test_path(f->dir, "export");
    FILE *out = fopen(text, "w");

    assert_non_null(out);
    while (*texts != '\0') {
        size_t n = strcspn(texts, "|");

        f->written++;
        fprintf(out,
                "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%u\n"
                "_BOOT_ID=0123456789abcdef0123456789abcdef\nPRIORITY=4\n_SYSTEMD_UNIT=%s\n"
                "MESSAGE=%.*s\n\n",
                1700000000000000ull + f->written, f->written, unit, (int)n, texts);
        texts += n + (texts[n] == '|' ? 1 : 0);
    }
    assert_int_equal(fclose(out), 0);
    run_writer(text, test_path(f->dir, "journal/test.journal"));
}

/* Bodies of an encoded LogsData. */
static bool put(void *ctx, struct str request, uint32_t records, log_marks *marks)
{
    struct fixture *f = ctx;
    struct pb_field resource;
    uint32_t seen = 0;

    if (f->refuse) {
        return false;
    }
    while (pb_next(&request, &resource)) {
        struct str scope = pb_get(resource.bytes, 2, 0).bytes;
        struct pb_field record;

        while (pb_next(&scope, &record)) {
            if (record.number == 2) {
                struct str body = pb_get(pb_get(record.bytes, 5, 0).bytes, 1, 0).bytes;
                size_t n = strlen(f->taken);

                snprintf(f->taken + n, sizeof(f->taken) - n, "%.*s|", STR_ARG(body));
                seen++;
            }
        }
    }
    assert_int_equal(seen, records);
    for (size_t i = 0; i < marks->n; i++) {
        assert_true(vec_push(&f->marks, marks->v[i]));
    }
    return true;
}

static bool full(void *ctx)
{
    (void)ctx;
    return false;
}

static void begin(struct fixture *f)
{
    const char *directory = test_path(f->dir, "journal");
    const struct journal_opts opts = {
        .batch = {.identity = &f->identity, .version = "1", .put = put, .full = full, .ctx = f},
        .vfs = vfs_real(),
        .cursor_path = test_path(f->dir, "cursor"),
        .directory = directory,
        .matches = f->matches,
        .matches_n = f->matches_n,
        .start = f->start,
    };

    assert_int_equal(journal_new(&opts, &f->j, NULL), 0);
}

static void setup(struct fixture *f, enum log_start start)
{
    log_set_level(LOG_ERROR);
    *f = (struct fixture){.dir = test_mkdir(), .start = start};
    f->identity = (struct identity){.host_name = mem_xstrdup("h")};
    assert_int_equal(vfs_mkdirs(vfs_real(), test_path(f->dir, "journal"), NULL), 0);
}

static void end(struct fixture *f)
{
    journal_free(f->j);
    f->j = NULL;
    vec_clear(&f->marks);
}

static void teardown(struct fixture *f)
{
    end(f);
    vec_done(&f->marks);
    identity_done(&f->identity);
    test_rmdir(f->dir);
}

static void poll_expect(struct fixture *f, const char *want)
{
    journal_poll(f->j, 0);
    assert_string_equal(f->taken, want);
    f->taken[0] = '\0';
}

static void ack(struct fixture *f)
{
    journal_ack(f->j, &f->marks);
    vec_clear(&f->marks);
    assert_true(journal_dirty(f->j));
    assert_int_equal(journal_save(f->j, NULL), 0);
    assert_false(journal_dirty(f->j));
}

static void test_follow(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, LOG_START_BEGINNING);
    begin(&f);
    poll_expect(&f, ""); /* an empty directory */
    write_entries(&f, "one|two", "a.service");
    poll_expect(&f, "one|two|");
    poll_expect(&f, "");
    write_entries(&f, "three", "a.service");
    poll_expect(&f, "three|");
    assert_int_equal(journal_stats_of(f.j).records, 3);
    teardown(&f);
}

static void test_start_end(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, LOG_START_END);
    write_entries(&f, "old|older", "a.service");
    begin(&f);
    poll_expect(&f, "");
    write_entries(&f, "new", "a.service");
    f.refuse = true;
    poll_expect(&f, "");
    f.refuse = false;
    poll_expect(&f, "new|");
    teardown(&f);
}

static void test_restart(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, LOG_START_BEGINNING);
    write_entries(&f, "one|two", "a.service");
    begin(&f);
    poll_expect(&f, "one|two|");
    ack(&f);
    write_entries(&f, "three", "a.service");
    poll_expect(&f, "three|"); /* delivered, but nobody said so before the end */
    end(&f);
    begin(&f);
    poll_expect(&f, "three|");
    ack(&f);
    end(&f);
    write_entries(&f, "four", "a.service");
    begin(&f);
    poll_expect(&f, "four|");
    teardown(&f);
}

static void test_refused(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, LOG_START_BEGINNING);
    write_entries(&f, "one|two", "a.service");
    begin(&f);
    f.refuse = true;
    poll_expect(&f, "");
    poll_expect(&f, "");
    f.refuse = false;
    poll_expect(&f, "one|two|");
    write_entries(&f, "three", "a.service");
    f.refuse = true;
    poll_expect(&f, "");
    f.refuse = false;
    poll_expect(&f, "three|");
    teardown(&f);
}

static void test_matches(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, LOG_START_BEGINNING);
    f.matches[0] = "_SYSTEMD_UNIT=a.service";
    f.matches[1] = "_SYSTEMD_UNIT=c.service";
    f.matches_n = 2;
    write_entries(&f, "a1", "a.service");
    write_entries(&f, "b1", "b.service");
    write_entries(&f, "c1", "c.service");
    begin(&f);
    poll_expect(&f, "a1|c1|");
    teardown(&f);
}

static void test_cursor_gone(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, LOG_START_BEGINNING);
    write_entries(&f, "one|two", "a.service");
    begin(&f);
    poll_expect(&f, "one|two|");
    ack(&f);
    end(&f);
    assert_int_equal(unlink(test_path(f.dir, "journal/test.journal")), 0); /* vacuumed */
    write_entries(&f, "three|four", "a.service");
    begin(&f);
    poll_expect(&f, "three|four|");
    teardown(&f);
}

static void test_bad_match(void **state)
{
    static const char *const BAD[] = {"", "x=1", "A", "A=", "=1", "1A=2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        assert_false(journal_match_ok(BAD[i]));
    }
    assert_true(journal_match_ok("_SYSTEMD_UNIT=nginx.service"));
    assert_true(journal_match_ok("A1=x=y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follow),   cmocka_unit_test(test_start_end),
        cmocka_unit_test(test_restart),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_matches),  cmocka_unit_test(test_cursor_gone),
        cmocka_unit_test(test_bad_match)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
