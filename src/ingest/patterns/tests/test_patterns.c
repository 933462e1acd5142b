/* SPDX-License-Identifier: Apache-2.0
 *
 * Templates of real kinds of log lines, what the tree does with words that differ, its limits, and that an id means
 * the same after a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/random.h"
#include "ingest/patterns/ansi.h"
#include "ingest/patterns/mask.h"
#include "ingest/patterns/patterns.h"
#include "ingest/patterns/tests/corpus.h"
#include "store/log_templates/log_templates.h"

struct rig {
    struct log_templates *templates;
    struct patterns *patterns;
    struct arena a;
    struct attr name;
    struct resource resource;
};

static void rig_open(struct rig *r, const char *path, struct patterns_opts o)
{
    *r = (struct rig){.name = {STR("service.name"), {.type = VALUE_STR, .u.s = {"shop", 4}}}};
    r->resource.attrs = (struct attrs){&r->name, 1};
    arena_init(&r->a, 64 << 20);
    assert_int_equal(
        log_templates_open(&(struct log_templates_opts){.path = path}, &r->templates, NULL), 0);
    o.templates = r->templates;
    assert_int_equal(patterns_new(&o, &r->patterns), 0);
}

static void rig_close(struct rig *r)
{
    patterns_free(r->patterns);
    log_templates_close(r->templates);
    arena_done(&r->a);
}

static uint64_t mine_at(struct rig *r, struct str line, int64_t now_ns)
{
    struct log_record l = {.time_ns = now_ns, .resource = &r->resource};
    struct patterns_tally tally;

    l.body = (struct value){.type = VALUE_STR, .u.s = line};
    patterns_mine(r->patterns, &l, 1, now_ns, &tally);
    patterns_count(r->patterns, &tally);
    return l.pattern;
}

static uint64_t mine(struct rig *r, const char *line)
{
    return mine_at(r, str_cstr(line), 1);
}

static struct str text_of_id(struct rig *r, uint64_t id)
{
    struct log_template t;
    struct buf b;
    struct str s;

    buf_init(&b, 1 << 16);
    assert_int_equal(log_templates_get(r->templates, id, &r->a, &t), 0);
    patterns_text(t.text, &b);
    s = arena_str_dup(&r->a, buf_str(&b));
    buf_done(&b);
    return s;
}

static void assert_text(struct str got, const char *want)
{
    if (!str_eq(got, str_cstr(want))) {
        fail_msg("got  %.*s\nwant %s", STR_ARG(got), want);
    }
}

/* Each line by itself: what is masked. */
static void test_corpus(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CORPUS); i++) {
        struct buf b;

        buf_init(&b, 1 << 16);
        patterns_of_line(str_cstr(CORPUS[i].line), &b);
        assert_text(buf_str(&b), CORPUS[i].want);
        buf_done(&b);
    }
}

/* Lines of one statement come to one id, whatever came first; others do not. */
static void test_same_and_different(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, NULL, (struct patterns_opts){0});
    for (size_t i = 0; i < ARRAY_LEN(SAME); i++) {
        uint64_t a = mine(&r, SAME[i][0]);

        assert_int_not_equal(a, 0);
        if (mine(&r, SAME[i][1]) != a) {
            fail_msg("two ids: %s\n         %s", SAME[i][0], SAME[i][1]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(DIFFERENT); i++) {
        if (mine(&r, DIFFERENT[i][0]) == mine(&r, DIFFERENT[i][1])) {
            fail_msg("one id: %s\n        %s", DIFFERENT[i][0], DIFFERENT[i][1]);
        }
    }
    rig_close(&r);
}

/* Colours and what else terminals are told, however it is written. */
static void test_ansi(void **state)
{
    static const struct {
        const char *line, *want;
    } CASES[] = {
        {"\x1b[32mINFO\x1b[0m user \x1b[1;31m42\x1b[m left", "INFO user <_> left"},
        {"\x1b[38;5;208mWARN\x1b(B\x1b[m slow", "WARN slow"},
        {"\\u001b[32mINFO\\u001B[39m up", "INFO up"},
        {"#033[33mwarn#033[0m disk", "warn disk"},
        {"\\x1b[31merr\\033[0m: gone", "err: gone"},
        {"{\"level\":\"info\",\"msg\":\"\\u001b[36mstarted\\u001b[0m on port 80\"}",
         "started on port <_>"},
        {"\x1b]0;title\x07ready", "ready"},
        {"\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\ here", "link here"},
        {"\x1b[2K\r\x1b[1Gdone", "done"},
        {"a\x1b", "a"},
        {"a\x1b[", "a"},
        {"a\x1b[12", "a"},
        {"a\x1b]title", "a"},
        {"\x1b[31m\x1b[0m", ""},
        {"job #033 [done]", "job #<_> [done]"}, /* a number, not an escape */
        {"rgb[3] x1b[2]", "rgb[<_>] x1b[<_>]"},
    };
    struct rig r;
    char out[8];
    struct str plain;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b;

        buf_init(&b, 1 << 16);
        patterns_of_line(str_cstr(CASES[i].line), &b);
        assert_text(buf_str(&b), CASES[i].want);
        buf_done(&b);
    }
    plain = STR("plain [text]");
    assert_ptr_equal(ansi_strip(plain, out, sizeof(out)).p, plain.p); /* no copy */
    assert_true(str_eq(ansi_strip(STR("12345\x1b[1m6789"), out, sizeof(out)), STR("12345678")));
    rig_open(&r, NULL, (struct patterns_opts){0});
    assert_int_equal(mine(&r, "\x1b[32mINFO\x1b[0m user 42 left"), mine(&r, "INFO user 43 left"));
    rig_close(&r);
}

static void test_generalise(void **state)
{
    struct rig r;
    uint64_t first;
    uint64_t again;

    (void)state;
    rig_open(&r, NULL, (struct patterns_opts){0});
    first = mine(&r, "user alice logged in from 10.0.0.1");
    assert_text(text_of_id(&r, first), "user alice logged in from <_>");
    again = mine(&r, "user bob logged in from 10.0.0.2");
    assert_int_equal(again, first);
    assert_text(text_of_id(&r, first), "user <_> logged in from <_>");
    assert_int_equal(mine(&r, "user carol logged in from 10.0.0.3"), first);
    /* an id is the template when it was made, of its service */
    r.name.value.u.s = STR("other");
    assert_int_not_equal(mine(&r, "user alice logged in from 10.0.0.1"), first);
    rig_close(&r);
}

/* Words drawn at random come together once there are many of them, and the templates they made before become other
 * names of the one that covers them. */
static void test_aliases(void **state)
{
    struct rig r;
    uint64_t first = 0;
    uint64_t id = 0;
    char line[64];

    (void)state;
    rig_open(&r, NULL, (struct patterns_opts){0});
    for (int i = 0; i < 400; i++) {
        snprintf(line, sizeof(line), "login %c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                 'a' + i / 7 % 26);
        id = mine(&r, line);
        first = first == 0 ? id : first;
        assert_int_not_equal(id, 0);
    }
    assert_text(text_of_id(&r, id), "login <_>");
    assert_text(text_of_id(&r, first), "login <_>"); /* through its alias */
    rig_close(&r);
}

static void test_limits(void **state)
{
    struct rig r;
    char line[64];
    uint64_t ids[5];

    (void)state;
    rig_open(&r, NULL,
             (struct patterns_opts){.service_clusters = 3, .services = 2, .idle_ns = 1000});
    for (int i = 0; i < 5; i++) {
        snprintf(line, sizeof(line), "%c statement number %d", 'a' + i, i);
        ids[i] = mine_at(&r, str_cstr(line), 10 + i);
    }
    assert_int_not_equal(ids[2], 0);
    assert_int_equal(ids[3], 0); /* no room, and nobody is idle */
    assert_int_equal(ids[4], 0);
    assert_int_not_equal(mine_at(&r, STR("z statement"), 5000), 0);
    assert_int_equal(mine_at(&r, STR("a statement number 9"), 5001),
                     ids[0]); /* made again, same id */
    r.name.value.u.s = STR("two");
    assert_int_not_equal(mine_at(&r, STR("hello"), 5002), 0);
    r.name.value.u.s = STR("three");
    assert_int_equal(mine_at(&r, STR("hello"), 5003), 0);
    assert_int_not_equal(mine_at(&r, STR("hello"), 9000), 0);
    rig_close(&r);
}

static void test_bodies(void **state)
{
    struct rig r;
    struct attr message = {STR("message"), {.type = VALUE_STR, .u.s = {"job 5 done", 10}}};
    struct log_record l = {.resource = &r.resource};
    struct patterns_tally tally;
    uint64_t id;

    (void)state;
    rig_open(&r, NULL, (struct patterns_opts){0});
    id = mine(&r, "job 7 done");
    l.body = (struct value){.type = VALUE_MAP, .u.map = {&message, 1}};
    patterns_mine(r.patterns, &l, 1, 1, &tally);
    assert_int_equal(l.pattern, id);
    l.body = (struct value){.type = VALUE_I64, .u.i = 5};
    patterns_mine(r.patterns, &l, 1, 1, &tally);
    assert_int_equal(l.pattern, 0);
    l.body = (struct value){0};
    patterns_mine(r.patterns, &l, 1, 1, &tally);
    assert_int_equal(l.pattern, 0);
    assert_int_equal(mine(&r, ""), 0);
    assert_int_equal(mine(&r, "  \t\n  "), 0);
    assert_int_equal(mine(&r, "{\"level\":\"info\",\"msg\":\"job 9 done\"}"), id);
    rig_close(&r);
}

enum { RESTART_LINES = 3000 };

struct restart {
    char lines[RESTART_LINES][160];
    uint64_t ids[RESTART_LINES];
};

static void make_lines(struct restart *t)
{
    static const char *const W[] = {"open", "close", "user", "order", "paid",  "failed",
                                    "to",   "from",  "the",  "queue", "retry", "done"};
    uint64_t seed = 42;

    for (int i = 0; i < RESTART_LINES; i++) {
        size_t n = 0;
        size_t words = 3 + random_next(&seed) % 4;

        for (size_t k = 0; k < words; k++) {
            n += (size_t)snprintf(t->lines[i] + n, sizeof(t->lines[i]) - n, "%s ",
                                  W[random_next(&seed) % ARRAY_LEN(W)]);
        }
        snprintf(t->lines[i] + n, sizeof(t->lines[i]) - n, "%u", (unsigned)random_next(&seed));
    }
}

static uint64_t resolved(struct rig *r, uint64_t id)
{
    struct log_template t = {0};

    assert_int_equal(log_templates_get(r->templates, id, &r->a, &t), 0);
    return t.id;
}

/* Random lines of few words: ids given before a restart mean something after it, and the id of a line is a function
 * of the templates alone, whatever the order. */
static void test_restart(void **state)
{
    struct restart *t = calloc(1, sizeof(*t));
    char path[] = "/tmp/patterns-test-XXXXXX";
    struct rig r;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0 && t != NULL);
    close(fd);
    unlink(path);
    make_lines(t);
    rig_open(&r, path, (struct patterns_opts){0});
    for (int i = 0; i < RESTART_LINES; i++) {
        t->ids[i] = mine_at(&r, str_cstr(t->lines[i]), i);
    }
    rig_close(&r);
    rig_open(&r, path, (struct patterns_opts){0});
    for (int i = 0; i < RESTART_LINES; i++) {
        resolved(&r, t->ids[i]);
        t->ids[i] = mine_at(&r, str_cstr(t->lines[i]), RESTART_LINES);
        assert_int_equal(resolved(&r, t->ids[i]), t->ids[i]);
    }
    rig_close(&r);
    rig_open(&r, path, (struct patterns_opts){0});
    for (int i = RESTART_LINES; i-- > 0;) {
        assert_int_equal(mine_at(&r, str_cstr(t->lines[i]), RESTART_LINES + 1), t->ids[i]);
    }
    rig_close(&r);
    unlink(path);
    free(t);
}

/* Masking is a function of the line alone, and writes no more than it may. */
static void test_mask_bounds(void **state)
{
    static const char *const PIECES[] = {"\"\"", "''",   "a=b",   "=",        "-",  "1",
                                         "a1b2", "@x.y", "Jan 1", "\x01\x02", "봉", "\n\tat a.B(C)",
                                         " ",    "x"};
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        char line[5000];
        char out[MASK_OUT_MAX];
        size_t n = 0;
        size_t want = random_next(&seed) % 4800;
        size_t got;

        while (n < want) {
            const char *p = PIECES[random_next(&seed) % ARRAY_LEN(PIECES)];
            size_t times = 1 + random_next(&seed) % 40;

            for (size_t i = 0; i < times && n + strlen(p) < sizeof(line); i++) {
                memcpy(line + n, p, strlen(p));
                n += strlen(p);
            }
            if (n + 40 > sizeof(line)) {
                break;
            }
        }
        got = mask_body(str_of(line, n), out);
        assert_true(got <= sizeof(out));
        for (size_t i = 0; i < got; i++) {
            assert_true(out[i] != MASK_WILD);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),      cmocka_unit_test(test_same_and_different),
        cmocka_unit_test(test_ansi),        cmocka_unit_test(test_generalise),
        cmocka_unit_test(test_aliases),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bodies),      cmocka_unit_test(test_restart),
        cmocka_unit_test(test_mask_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
