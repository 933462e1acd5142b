/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of the command line.
 */
#include <stdio.h>
#include <string.h>

#include "backup.h"
#include "check_data.h"
#include "client.h"
#include "processing.h"
#include "server.h"
#include "settings.h"
#include "version.h"

#include "alert/rule_file.h"
#include "base/compiler.h"
#include "base/err.h"
#include "ingest/scrape/scrape.h"

static int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("bongsu %s\n", BONGSU_VERSION);
    return 0;
}

/* `bongsu check rules FILE...`: reads rule files as the server would. */
static int check_rules(int n, char **paths)
{
    const struct rule_defaults defaults = {.interval_ms = 60000,
                                           .syntax.features = PROMQL_ALL_FEATURES};
    int bad = 0;

    for (int i = 0; i < n; i++) {
        struct rule_file f = {0};
        struct err e = {0};
        size_t rules = 0;

        if (rule_file_load(paths[i], &defaults, &f, &e) < 0) {
            fprintf(stderr, "%s\n", e.msg);
            bad = 1;
        } else {
            for (size_t k = 0; k < f.n; k++) {
                rules += f.groups[k].n;
            }
            printf("%s: ok, %zu groups, %zu rules\n", paths[i], f.n, rules);
        }
        rule_file_done(&f);
    }
    return bad;
}

/* `bongsu check config --scrape FILE`: reads a Prometheus configuration as scraping would. */
static int check_scrape(const char *path)
{
    struct buf jobs CLEANUP(buf_done);
    struct buf notices CLEANUP(buf_done);
    struct err e = {0};

    buf_init(&jobs, 64 << 20);
    buf_init(&notices, 1 << 20);
    if (scrape_check(path, &jobs, &notices, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    fwrite(notices.data, 1, notices.n, stderr);
    fwrite(jobs.data, 1, jobs.n, stdout);
    printf("%s: ok\n", path);
    return 0;
}

/* `bongsu check config --processing FILE`: reads rules of processing as the server would. */
static int check_processing(const char *path)
{
    struct buf found CLEANUP(buf_done);
    struct err e = {0};

    buf_init(&found, 1 << 20);
    if (processing_check(path, &found, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    fwrite(found.data, 1, found.n, stdout);
    printf("%s: ok\n", path);
    return 0;
}

/* `bongsu check config FILE`: reads the file as the server would. */
static int check_main(int argc, char **argv)
{
    struct settings s = {0};
    struct conf *conf = NULL;
    struct err e = {0};
    char *args[2] = {(char[]){"--config"}, NULL};
    int rc;

    if (argc >= 1 && strcmp(argv[0], "data") == 0) {
        return check_data_main(argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[0], "rules") == 0) {
        return check_rules(argc - 1, argv + 1);
    }
    if (argc == 3 && strcmp(argv[0], "config") == 0 && strcmp(argv[1], "--scrape") == 0) {
        return check_scrape(argv[2]);
    }
    if (argc == 3 && strcmp(argv[0], "config") == 0 && strcmp(argv[1], "--processing") == 0) {
        return check_processing(argv[2]);
    }
    if (argc != 2 || strcmp(argv[0], "config") != 0) {
        fprintf(stderr, "usage: bongsu check config [--scrape|--processing] FILE\n"
                        "       bongsu check rules FILE...\n"
                        "       bongsu check data DIR [--repair]\n");
        return 2;
    }
    args[1] = argv[1];
    rc = conf_load(&SETTINGS_SPEC, 2, args, "config", &s, &conf, &e);
    rc = rc < 0 ? rc : settings_check(&s, &e);
    if (rc == 0 && s.processing_config[0] != '\0') {
        struct buf found CLEANUP(buf_done);

        buf_init(&found, 1 << 20);
        rc = processing_check(s.processing_config, &found, &e);
    }
    conf_free(conf, &s);
    if (rc < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    printf("%s: ok\n", argv[1]);
    return 0;
}

/* `bongsu docs`: docs/configuration.md from the tables. */
static int docs_main(int argc, char **argv)
{
    struct buf b CLEANUP(buf_done);

    (void)argc;
    (void)argv;
    buf_init(&b, 1 << 20);
    conf_markdown(&SETTINGS_SPEC, &b);
    fwrite(b.data, 1, b.n, stdout);
    return 0;
}

static const struct verb {
    const char *name;
    const char *help;
    int (*run)(int argc, char **argv);
} VERBS[] = {
    {"server", "receive, keep, query and show (bongsu server --help)", server_main},
    {"query", "run a PromQL query against a server (bongsu query --help)", client_query_main},
    {"import", "send a file of samples: JSON lines, CSV, text, Influx (bongsu import --help)",
     client_import_main},
    {"export", "write raw samples of series (bongsu export --help)", client_export_main},
    {"backup", "make, check, restore backups (bongsu backup --help)", backup_main},
    {"check",
     "check config [--scrape|--processing] FILE, check rules FILE...: report errors with file, line and key",
     check_main},
    {"docs", "print the configuration reference as Markdown", docs_main},
    {"version", "print the version", version_main},
};

static void usage(FILE *out)
{
    fprintf(out,
            "Bongsu %s: metrics, traces and logs in one program.\n\nusage: bongsu VERB ...\n\n",
            BONGSU_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++) {
        fprintf(out, "  %-10s %s\n", VERBS[i].name, VERBS[i].help);
    }
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(verb, "--version") == 0) {
        return version_main(0, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++) {
        if (strcmp(verb, VERBS[i].name) == 0) {
            return VERBS[i].run(argc - 2, argv + 2);
        }
    }
    if (argc > 1) {
        fprintf(stderr, "bongsu: unknown verb \"%s\"\n\n", verb);
    }
    usage(stderr);
    return 2;
}
