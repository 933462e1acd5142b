/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings: precedence, every type from every source, every error text, dumps and reload.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/thread.h"
#include "conf/conf.h"

struct settings {
    char *config;
    char *http;
    char *token;
    bool no_auth;
    int64_t workers;
    int64_t retention_ms;
    uint64_t max_size;
    int fsync;
    char *grpc;
    int64_t grpc_wait_ms;
    struct conf_list labels;
};

static const char *const FSYNC[] = {"second", "always", "never", NULL};

static const struct conf_key SERVER_KEYS[] = {
    {.key = "config",
     .flag = "config",
     .type = CONF_STRING,
     .offset = offsetof(struct settings, config),
     .placeholder = "FILE",
     .help = "YAML file with settings."},
    {.key = "http",
     .flag = "http",
     .type = CONF_STRING,
     .offset = offsetof(struct settings, http),
     .default_value = "127.0.0.1:7800",
     .placeholder = "ADDR:PORT",
     .help = "Where the console listens."},
    {.key = "token",
     .flag = "token",
     .type = CONF_STRING,
     .offset = offsetof(struct settings, token),
     .secret = true,
     .reloadable = true,
     .help = "Secret."},
    {.key = "no-auth",
     .flag = "no-auth",
     .type = CONF_BOOL,
     .offset = offsetof(struct settings, no_auth),
     .help = "No log-in."},
    {.key = "workers",
     .flag = "workers",
     .type = CONF_INT,
     .offset = offsetof(struct settings, workers),
     .default_value = "4",
     .min = 1,
     .max = 64,
     .help = "Threads."},
};

static const struct conf_key STORE_KEYS[] = {
    {.key = "store.retention",
     .flag = "retention",
     .type = CONF_DURATION_MS,
     .offset = offsetof(struct settings, retention_ms),
     .default_value = "15d",
     .min = 3600000,
     .max = INT64_C(315360000000),
     .reloadable = true,
     .help = "How long data is kept."},
    {.key = "store.max-size",
     .flag = "max-size",
     .type = CONF_BYTES,
     .offset = offsetof(struct settings, max_size),
     .default_value = "20GB",
     .reloadable = true,
     .help = "Disk budget."},
    {.key = "store.wal.fsync",
     .type = CONF_ENUM,
     .offset = offsetof(struct settings, fsync),
     .choices = FSYNC,
     .help = "When the log is synced | flushed."},
    {.key = "otlp.grpc",
     .flag = "otlp-grpc",
     .type = CONF_STRING,
     .offset = offsetof(struct settings, grpc),
     .default_value = "127.0.0.1:4317",
     .help = "gRPC door."},
    {.key = "otlp.wait",
     .type = CONF_DURATION_MS,
     .offset = offsetof(struct settings, grpc_wait_ms),
     .default_value = "1500ms",
     .help = "Wait."},
    {.key = "labels",
     .flag = "label",
     .type = CONF_STRING_LIST,
     .offset = offsetof(struct settings, labels),
     .default_value = "host",
     .reloadable = true,
     .help = "Extra labels."},
};

static const struct conf_table TABLES[] = {
    {"Server", SERVER_KEYS, ARRAY_LEN(SERVER_KEYS)},
    {"Store", STORE_KEYS, ARRAY_LEN(STORE_KEYS)},
};

static const struct conf_spec SPEC = {"bongsu server", "Run the server.", "BONGSUTEST_", TABLES,
                                      ARRAY_LEN(TABLES)};

struct run {
    struct settings s;
    struct conf *c;
    struct err e;
    char file[64];
    int rc;
};

static void write_file(const char *path, struct str text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    fclose(f);
}

/* Load with the YAML text (NULL: no file) and NULL-terminated arguments. */
static void load(struct run *r, const char *yaml, const char *const *args)
{
    char *argv[64] = {NULL};
    int argc = 0;

    memset(r, 0, sizeof(*r));
    if (yaml != NULL) {
        int fd;

        snprintf(r->file, sizeof(r->file), "%s", "/tmp/conf_test_XXXXXX");
        fd = mkstemp(r->file);
        assert_true(fd >= 0);
        close(fd);
        write_file(r->file, str_cstr(yaml));
        argv[argc++] = mem_xstrdup("--config");
        argv[argc++] = mem_xstrdup(r->file);
    }
    for (size_t i = 0; args != NULL && args[i] != NULL; i++) {
        argv[argc++] = mem_xstrdup(args[i]);
    }
    r->rc = conf_load(&SPEC, argc, argv, "config", &r->s, &r->c, &r->e);
    while (argc > 0) {
        mem_free(argv[--argc]);
    }
}

static void unload(struct run *r)
{
    if (r->rc == 0) {
        conf_free(r->c, &r->s);
    }
    if (r->file[0] != '\0') {
        unlink(r->file);
    }
}

static void test_defaults(void **state)
{
    struct run r;

    (void)state;
    load(&r, NULL, NULL);
    assert_int_equal(r.rc, 0);
    assert_string_equal(r.s.config, "");
    assert_string_equal(r.s.http, "127.0.0.1:7800");
    assert_string_equal(r.s.token, "");
    assert_false(r.s.no_auth);
    assert_int_equal(r.s.workers, 4);
    assert_int_equal(r.s.retention_ms, INT64_C(15) * 86400000);
    assert_int_equal(r.s.max_size, UINT64_C(20000000000));
    assert_int_equal(r.s.fsync, 0);
    assert_int_equal(r.s.grpc_wait_ms, 1500);
    assert_int_equal(r.s.labels.n, 1);
    assert_string_equal(r.s.labels.v[0], "host");
    assert_int_equal(conf_count(r.c), 11);
    assert_string_equal(conf_at(r.c, 5).value, "15d");
    assert_string_equal(conf_at(r.c, 5).env, "BONGSUTEST_STORE_RETENTION");
    assert_string_equal(conf_at(r.c, 3).env, "BONGSUTEST_NO_AUTH");
    assert_string_equal(conf_at(r.c, 6).value, "20GB");
    assert_string_equal(conf_at(r.c, 9).value, "1s500ms");
    assert_int_equal(conf_at(r.c, 9).origin, CONF_FROM_DEFAULT);
    unload(&r);
}

static const char FULL[] = "# comment\n"
                           "http: \"\"\n"
                           "token: s3cret\n"
                           "no-auth: yes\n"
                           "workers: 8\n"
                           "store:\n"
                           "  retention: 90m\n"
                           "  max-size: 512MiB\n"
                           "  wal:\n"
                           "    fsync: always\n"
                           "otlp:\n"
                           "labels: [a, \"b,c\"]\n";

static void test_file_all_types(void **state)
{
    struct run r;

    (void)state;
    load(&r, FULL, NULL);
    assert_string_equal(r.e.msg, "");
    assert_int_equal(r.rc, 0);
    assert_string_equal(r.s.http, "");
    assert_string_equal(r.s.token, "s3cret");
    assert_true(r.s.no_auth);
    assert_int_equal(r.s.workers, 8);
    assert_int_equal(r.s.retention_ms, 5400000);
    assert_int_equal(r.s.max_size, 512u << 20);
    assert_int_equal(r.s.fsync, 1);
    assert_string_equal(r.s.grpc, "127.0.0.1:4317");
    assert_int_equal(r.s.labels.n, 2);
    assert_string_equal(r.s.labels.v[1], "b,c");
    assert_string_equal(conf_at(r.c, 2).value, "***");
    assert_int_equal(conf_at(r.c, 2).origin, CONF_FROM_FILE);
    assert_string_equal(conf_at(r.c, 5).value, "1h30m");
    unload(&r);
}

static void test_precedence(void **state)
{
    const char *args[] = {"--workers=9", "--label", "x", "--label=y", "--no-auth=false", NULL};
    struct run r;

    (void)state;
    setenv("BONGSUTEST_WORKERS", "7", 1);
    setenv("BONGSUTEST_HTTP", "[::1]:0", 1);
    setenv("BONGSUTEST_NO_AUTH", "true", 1);
    setenv("BONGSUTEST_LABELS", "p, q,", 1);
    setenv("BONGSUTEST_SERVICE_HOST", "10.0.0.1", 1); /* foreign names are ignored */
    load(&r, FULL, args);
    assert_string_equal(r.e.msg, "");
    assert_int_equal(r.s.workers, 9);
    assert_int_equal(conf_at(r.c, 4).origin, CONF_FROM_FLAG);
    assert_string_equal(r.s.http, "[::1]:0");
    assert_int_equal(conf_at(r.c, 1).origin, CONF_FROM_ENV);
    assert_string_equal(r.s.token, "s3cret");
    assert_false(r.s.no_auth);
    assert_string_equal(conf_at(r.c, 10).value, "x,y");
    unload(&r);
    load(&r, FULL, NULL);
    assert_int_equal(r.s.workers, 7);
    assert_string_equal(conf_at(r.c, 10).value, "p,q,");
    assert_int_equal(r.s.labels.n, 3);
    unload(&r);
    setenv("BONGSUTEST_WORKERS", "0", 1);
    load(&r, NULL, args);
    assert_int_equal(r.rc, -ERR_INVALID);
    assert_string_equal(r.e.msg, "BONGSUTEST_WORKERS: must be between 1 and 64, not '0'");
    unload(&r);
    unsetenv("BONGSUTEST_WORKERS");
    unsetenv("BONGSUTEST_HTTP");
    unsetenv("BONGSUTEST_NO_AUTH");
    unsetenv("BONGSUTEST_LABELS");
    unsetenv("BONGSUTEST_SERVICE_HOST");
}

static void test_file_from_environment(void **state)
{
    struct run r;

    (void)state;
    setenv("BONGSUTEST_CONFIG", "/nonexistent/bongsu.yaml", 1);
    load(&r, NULL, NULL);
    assert_int_equal(r.rc, -ERR_NOT_FOUND);
    assert_non_null(strstr(r.e.msg, "/nonexistent/bongsu.yaml: "));
    unload(&r);
    load(&r, "workers: 5\n", NULL); /* the flag is stronger */
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.s.workers, 5);
    unload(&r);
    unsetenv("BONGSUTEST_CONFIG");
}

static void test_yaml_errors(void **state)
{
    static const struct {
        const char *yaml;
        const char *error; /* after "FILE:" */
    } CASES[] = {
        {"htpt: x\n", "1:1: unknown key 'htpt' (did you mean 'http'?)"},
        {"store:\n  retentoin: 1d\n",
         "2:3: unknown key 'store.retentoin' (did you mean 'store.retention'?)"},
        {"stor:\n  retention: 1d\n", "1:1: unknown key 'stor' (did you mean 'store'?)"},
        {"something_else_entirely: 1\n", "1:1: unknown key 'something_else_entirely'"},
        {"retention: 1d\n", "1:1: unknown key 'retention'"},
        {"workers: 1\nhttp: a\nworkers: 2\n", "3:1: workers: is given twice"},
        {"store:\n  retention: 1d\nstore:\n  max-size: 1GB\n", "3:1: store: is given twice"},
        {"workers: many\n", "1:10: workers: must be a whole number, not 'many'"},
        {"workers: 65\n", "1:10: workers: must be between 1 and 64, not '65'"},
        {"no-auth: maybe\n", "1:10: no-auth: must be true or false, not 'maybe'"},
        {"store: {retention: 15 days}\n",
         "1:20: store.retention: must be a duration like 30s, 5m or 15d, not '15 days'"},
        {"store: {retention: 5m}\n",
         "1:20: store.retention: must be between 1h and 3650d, not '5m'"},
        {"store: {max-size: -1}\n",
         "1:19: store.max-size: must be a size like 512MiB or 20GB, not '-1'"},
        {"store:\n  wal:\n    fsync: sometimes\n",
         "3:12: store.wal.fsync: must be one of second, always, never, not 'sometimes'"},
        {"token: [a]\n", "1:8: token: is a single value, not a list"},
        {"http:\n  port: 1\n", "2:3: http: is a single value, not a group of settings"},
        {"labels: a\n", "1:9: labels: must be a list"},
        {"labels: {a: b}\n", "1:9: labels: must be a list"},
        {"labels: [a, [b]]\n", "1:13: labels: every element must be a text"},
        {"labels:\n  - a\n  -\n", "3:4: labels: every element must be a text"},
        {"store: 5\n", "1:8: store: is a group of settings, not a single value"},
        {"store: [5]\n", "1:8: store: is a group of settings, not a list"},
        {"http:\n", "1:6: http: has no value (\"\" is an empty text)"},
        {"http: ~\n", "1:7: http: has no value (\"\" is an empty text)"},
        {"http: \"a\\0b\"\n", "1:7: http: contains a NUL byte"},
        {"store:\n\tretention: 1d\n", "2:1: a tab cannot indent YAML; use spaces"},
        {"http: &a x\n", "1:7: anchors and aliases are not supported"},
        {"http: *a\n", "1:7: anchors and aliases are not supported"},
        {"a: &a [x,x]\nb: &b [*a,*a]\n", "1:1: unknown key 'a'"},
        {"http: !!binary aGk=\n", "1:7: tags are not supported"},
        {"- a\n", "1:1: the file must hold settings as \"key: value\""},
        {"just text\n", "1:1: the file must hold settings as \"key: value\""},
        {"workers: 1\n---\nworkers: 2\n", "2:1: a second document is not supported"},
        {"? [a]\n: b\n", "1:3: a key must be a text"},
        {"http: \"abc\n", "2:1: found unexpected end of stream"},
        {"workers: 5\n  x: y\n", "1:10: workers: must be a whole number, not '5 x'"},
        {"token: {a: b}\n", "1:8: token: is a single value, not a group of settings"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct run r;
        const char *rest;

        load(&r, CASES[i].yaml, NULL);
        assert_int_equal(r.rc, -ERR_INVALID);
        rest = strstr(r.e.msg, ":");
        assert_non_null(rest);
        assert_memory_equal(r.e.msg, r.file, strlen(r.file));
        assert_string_equal(rest + 1, CASES[i].error);
        assert_null(r.s.http);
        unload(&r);
    }
}

static void test_secret_is_not_in_errors(void **state)
{
    static const struct conf_key KEYS[] = {{.key = "pin",
                                            .flag = "pin",
                                            .type = CONF_INT,
                                            .offset = 0,
                                            .secret = true,
                                            .default_value = "1234",
                                            .help = "Pin."}};
    static const struct conf_table T[] = {{"T", KEYS, 1}};
    static const struct conf_spec S = {"p", "s", "BONGSUTEST_", T, 1};
    char arg[] = "--pin=hunter2";
    char *argv[] = {arg};
    int64_t pin = 0;
    struct conf *c;
    struct err e = {0};
    struct buf b;

    (void)state;
    assert_int_equal(conf_load(&S, 1, argv, NULL, &pin, &c, &e), -ERR_INVALID);
    assert_string_equal(e.msg, "--pin: must be a whole number");
    buf_init(&b, 1 << 16);
    conf_help(&S, &b);
    conf_markdown(&S, &b);
    assert_int_equal(str_find(buf_str(&b), STR("1234")), -1);
    assert_int_equal(conf_load(&S, 0, argv, NULL, &pin, &c, &e), 0);
    assert_int_equal(pin, 1234);
    buf_clear(&b);
    conf_yaml(c, &b);
    assert_true(str_eq(buf_str(&b), STR("pin: \"***\"\n")));
    buf_done(&b);
    conf_free(c, &pin);
}

static void test_flag_errors(void **state)
{
    static const struct {
        const char *args[4];
        int rc;
        const char *error;
    } CASES[] = {
        {{"--htpt", "x"}, -ERR_INVALID, "unknown flag '--htpt' (did you mean '--http'?)"},
        {{"--zzzzzzzz"}, -ERR_INVALID, "unknown flag '--zzzzzzzz'"},
        {{"serve"}, -ERR_INVALID, "unexpected argument 'serve'"},
        {{"-x"}, -ERR_INVALID, "unexpected argument '-x'"},
        {{"--"}, -ERR_INVALID, "unknown flag '--'"},
        {{"--http"}, -ERR_INVALID, "--http needs a value"},
        {{"--workers", "x"}, -ERR_INVALID, "--workers: must be a whole number, not 'x'"},
        {{"--workers="}, -ERR_INVALID, "--workers: must be a whole number, not ''"},
        {{"--http", "\xff"}, -ERR_INVALID, "--http: is not valid UTF-8"},
        {{"--no-auth=x"}, -ERR_INVALID, "--no-auth: must be true or false, not 'x'"},
        {{"--workers", "2", "--help"}, 1, ""},
        {{"-h"}, 1, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct run r;

        load(&r, NULL, CASES[i].args);
        assert_int_equal(r.rc, CASES[i].rc);
        assert_string_equal(r.e.msg, CASES[i].error);
        unload(&r);
    }
}

static void test_flags(void **state)
{
    const char *args[] = {"--http",    "",  "--no-auth",  "--workers", "2",
                          "--workers", "3", "--max-size", "1024",      NULL};
    struct run r;

    (void)state;
    load(&r, NULL, args);
    assert_int_equal(r.rc, 0);
    assert_string_equal(r.s.http, "");
    assert_true(r.s.no_auth);
    assert_int_equal(r.s.workers, 3);
    assert_string_equal(conf_at(r.c, 6).value, "1KiB");
    unload(&r);
}

static void test_large_and_deep_files(void **state)
{
    struct run r;
    size_t n = 2 << 20;
    char *big = mem_xcalloc(n + 1, 1);

    (void)state;
    memset(big, '#', n);
    load(&r, big, NULL);
    assert_int_equal(r.rc, -ERR_INVALID);
    assert_non_null(strstr(r.e.msg, "larger than 1048576 bytes"));
    unload(&r);
    memset(big, '[', n);
    memcpy(big, "labels: ", 8);
    big[100000] = '\0';
    load(&r, big, NULL);
    assert_int_equal(r.rc, -ERR_INVALID);
    unload(&r);
    mem_free(big);
}

static void test_yaml_dump_reads_back(void **state)
{
    static const char EXPECTED[] = "config: \"%s\"\n"
                                   "http: \"\"\n"
                                   "labels:\n"
                                   "  - \"a\"\n"
                                   "  - \"b,c\"\n"
                                   "no-auth: true\n"
                                   "otlp:\n"
                                   "  grpc: \"127.0.0.1:4317\"\n"
                                   "  wait: 1s500ms\n"
                                   "store:\n"
                                   "  max-size: 512MiB\n"
                                   "  retention: 1h30m\n"
                                   "  wal:\n"
                                   "    fsync: always\n"
                                   "token: \"***\"\n"
                                   "workers: 8\n";
    struct run r;
    struct run again;
    struct buf b;
    struct buf expected;
    char *text;

    (void)state;
    load(&r, FULL, NULL);
    buf_init(&b, 1 << 16);
    conf_yaml(r.c, &b);
    buf_init(&expected, 1 << 16);
    buf_add_str(&expected, str_take(STR(EXPECTED), 9));
    buf_add_cstr(&expected, r.file);
    buf_add_str(&expected, str_drop(STR(EXPECTED), 11));
    text = buf_take(&b);
    assert_string_equal(text, (buf_add_byte(&expected, '\0'), expected.data));
    load(&again, text, NULL);
    assert_string_equal(again.e.msg, "");
    assert_int_equal(again.s.retention_ms, r.s.retention_ms);
    unload(&again);
    unload(&r);
    mem_free(text);
    buf_done(&expected);
}

static void test_reload(void **state)
{
    struct run r;
    struct settings fresh_s = {0};
    struct conf *fresh = NULL;
    struct err e = {0};
    size_t ignored = 0;

    (void)state;
    load(&r, "store: {retention: 1d}\nlabels: [\"a,b\"]\n",
         (const char *[]){"--max-size", "1GB", NULL});
    assert_int_equal(r.rc, 0);
    write_file(
        r.file,
        STR("store: {retention: 2d, max-size: 5GB}\nlabels: [a, b]\ntoken: new\nworkers: 6\nhttp: x\n"));
    assert_int_equal(conf_reload(r.c, &fresh_s, &fresh, &e), 0);
    conf_apply_reloadable(r.c, &r.s, fresh, &fresh_s, &ignored);
    conf_free(fresh, &fresh_s);
    assert_int_equal(ignored, 2); /* workers, http */
    assert_int_equal(r.s.retention_ms, INT64_C(2) * 86400000);
    assert_int_equal(r.s.max_size, 1000000000); /* the flag still wins */
    assert_int_equal(r.s.workers, 4);
    assert_string_equal(r.s.token, "new");
    assert_int_equal(r.s.labels.n, 2);
    assert_string_equal(conf_at(r.c, 5).value, "2d");
    assert_int_equal(conf_at(r.c, 2).origin, CONF_FROM_FILE);
    write_file(r.file, STR("store: {retention: x}\n"));
    assert_int_equal(conf_reload(r.c, &fresh_s, &fresh, &e), -ERR_INVALID);
    assert_null(fresh_s.http);
    assert_int_equal(r.s.retention_ms, INT64_C(2) * 86400000);
    unload(&r);
}

struct dump_loop {
    struct conf *c;
    _Atomic bool stop;
    _Atomic size_t dumps;
};

static void dump_until_stopped(void *arg)
{
    struct dump_loop *d = arg;

    do {
        struct buf b;
        bool whole;

        buf_init(&b, 1 << 16);
        conf_read_begin(d->c);
        conf_yaml(d->c, &b);
        whole = str_find(buf_str(&b), STR("  retention: ")) >= 0;
        for (size_t i = 0; i < conf_count(d->c); i++) {
            buf_add_cstr(&b, conf_at(d->c, i).value);
        }
        conf_read_end(d->c);
        atomic_fetch_add(&d->dumps, whole && !b.failed ? 1 : 0);
        buf_done(&b);
    } while (!atomic_load(&d->stop));
}

/* Dumps of another thread while settings are replaced; the sanitizers watch. */
static void test_reload_under_readers(void **state)
{
    struct dump_loop d = {0};
    struct thread reader = {0};
    struct run r;

    (void)state;
    load(&r, "store: {retention: 1d}\n", (const char *[]){NULL});
    assert_int_equal(r.rc, 0);
    d.c = r.c;
    assert_int_equal(thread_start(&reader, "reader", dump_until_stopped, &d), 0);
    for (int i = 0; i < 200 || atomic_load(&d.dumps) == 0; i++) {
        struct settings fresh_s = {0};
        struct conf *fresh = NULL;
        struct err e = {0};
        size_t ignored;

        write_file(r.file, i % 2 == 0 ? STR("store: {retention: 2d}\ntoken: new\n")
                                      : STR("store: {retention: 3h}\nlabels: [x, y]\n"));
        assert_int_equal(conf_reload(r.c, &fresh_s, &fresh, &e), 0);
        conf_apply_reloadable(r.c, &r.s, fresh, &fresh_s, &ignored);
        conf_free(fresh, &fresh_s);
    }
    atomic_store(&d.stop, true);
    thread_join(&reader);
    unload(&r);
}

static void test_help_and_markdown(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 16);
    conf_help(&SPEC, &b);
    assert_true(str_starts(
        buf_str(&b),
        STR("Usage: bongsu server [flags]\n\nRun the server.\n\nServer:\n"
            "  --config FILE         YAML file with settings.\n"
            "  --http ADDR:PORT      Where the console listens. (default 127.0.0.1:7800)\n")));
    assert_true(
        str_find(buf_str(&b),
                 STR("  --label TEXT          Extra labels. (default host) (may be repeated)\n")) >
        0);
    assert_true(str_find(buf_str(&b), STR("docs/configuration.md")) > 0);
    buf_clear(&b);
    conf_markdown(&SPEC, &b);
    assert_true(
        str_find(
            buf_str(&b),
            STR("| `store.max-size` | `--max-size` | `BONGSUTEST_STORE_MAX_SIZE` | size | `20GB` | yes | Disk budget. |\n")) >
        0);
    assert_true(
        str_find(
            buf_str(&b),
            STR("| `store.wal.fsync` |  | `BONGSUTEST_STORE_WAL_FSYNC` | second \\| always \\| never |  | restart | When the log is synced \\| flushed. |\n")) >
        0);
    buf_done(&b);
}

static void test_clashing_tables(void **state)
{
    static const struct conf_key KEYS[] = {
        {.key = "a", .type = CONF_STRING, .offset = 0, .help = ""},
        {.key = "a.b", .type = CONF_STRING, .offset = 8, .help = ""},
    };
    static const struct conf_table T[] = {{"T", KEYS, 2}};
    static const struct conf_spec S = {"p", "s", "X_", T, 1};
    char *settings[2] = {NULL, NULL};
    struct conf *c;
    struct err e = {0};

    (void)state;
    assert_int_equal(conf_load(&S, 0, NULL, NULL, settings, &c, &e), -ERR_INTERNAL);
    assert_string_equal(e.msg, "settings a.b and a clash");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file_all_types),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_file_from_environment),
        cmocka_unit_test(test_yaml_errors),
        cmocka_unit_test(test_secret_is_not_in_errors),
        cmocka_unit_test(test_flag_errors),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_large_and_deep_files),
        cmocka_unit_test(test_yaml_dump_reads_back),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_reload_under_readers),
        cmocka_unit_test(test_help_and_markdown),
        cmocka_unit_test(test_clashing_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
