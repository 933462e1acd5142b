/* SPDX-License-Identifier: Apache-2.0
 *
 * bongsu-agent: verbs, settings, start. What goes wrong before the agent runs is said in one line on stderr
 * with exit status 2 (usage) or 1.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int complain(const struct err *e, int status)
{
    fprintf(stderr, "bongsu-agent: %s\n", e->msg);
    return status;
}

static int print_help(void)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 1 << 20);
    conf_help(agent_conf_spec(), &b);
    fwrite(b.data, 1, b.n, stdout);
    return 0;
}

/* `bongsu-agent docs`: docs/agent-configuration.md from the tables. */
static int print_docs(void)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 1 << 20);
    conf_markdown(agent_conf_spec(), &b);
    fwrite(b.data, 1, b.n, stdout);
    return 0;
}

static int run(struct agent_settings *settings, struct conf *conf)
{
    struct agent *agent = NULL;
    struct err e = {0};
    int status;

    log_setup((enum log_level)settings->log_level, (enum log_format)settings->log_format);
    umask(077); /* what waits in the state directory is as private as the logs it came from */
    if (agent_new(settings, conf, BONGSU_VERSION, &agent, &e) < 0) {
        return complain(&e, EXIT_FAILED);
    }
    status = agent_run(agent);
    if (agent_hangs(agent)) {
        _exit(status);
    }
    agent_free(agent);
    return status;
}

int main(int argc, char **argv)
{
    struct agent_settings settings = {0};
    struct conf *conf = NULL;
    struct err e = {0};
    bool check = false;
    int status = 0;
    int rc;

    argc--;
    argv++;
    if (argc > 0 && (strcmp(argv[0], "run") == 0 || strcmp(argv[0], "check") == 0)) {
        check = strcmp(argv[0], "check") == 0;
        argc--;
        argv++;
    } else if (argc > 0 && (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0)) {
        printf("bongsu-agent %s\n", BONGSU_VERSION);
        return 0;
    } else if (argc > 0 && strcmp(argv[0], "help") == 0) {
        return print_help();
    } else if (argc > 0 && strcmp(argv[0], "docs") == 0) {
        return print_docs();
    }
    rc = conf_load(agent_conf_spec(), argc, argv, "config", &settings, &conf, &e);
    if (rc < 0) {
        return complain(&e, EXIT_USAGE);
    }
    if (rc == 1) {
        status = print_help();
    } else if (agent_settings_check(&settings, &e) < 0) {
        status = complain(&e, EXIT_USAGE);
    } else if (check) {
        printf("settings are valid\n");
    } else {
        status = run(&settings, conf);
    }
    conf_free(conf, &settings);
    return status;
}
