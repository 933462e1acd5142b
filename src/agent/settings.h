/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's settings: one table for flags, environment (BONGSU_AGENT_...), YAML and documentation.
 */
#ifndef AGENT_SETTINGS_H
#define AGENT_SETTINGS_H

#include "conf/conf.h"

struct err;

enum settings_compression { SETTINGS_GZIP, SETTINGS_ZSTD, SETTINGS_PLAIN };

struct agent_settings {
    char *server; /* http://HOST:PORT, https://... */
    char *otlp_path;
    char *token;
    char *config;
    char *state_dir; /* "": /var/lib/bongsu-agent for root, else below the home directory */
    char *root;
    char *tls_ca;
    bool tls_insecure;
    int64_t interval_ms;
    int64_t timeout_ms;
    int compression; /* enum settings_compression */
    uint64_t spool_max_bytes;
    uint64_t queue_max_bytes;
    int64_t processes_top;
    bool cpu_per_cpu;
    struct conf_list network_exclude;
    struct conf_list disk_exclude;
    struct conf_list filesystem_types;
    int64_t connections_max;
    struct conf_list logs_files; /* see log_source.h */
    bool logs_journal;
    char *logs_journal_directory;
    struct conf_list logs_journal_match;
    int logs_journal_start; /* enum log_start */
    int64_t logs_poll_ms;
    int64_t logs_max_lines_per_s; /* 0: unlimited */
    int log_level;                /* enum log_level */
    int log_format;               /* enum log_format */
};

/** For conf_load(). */
const struct conf_spec *agent_conf_spec(void);
/** What the table cannot say: URL forms, log file entries. @return 0, -ERR_INVALID */
NODISCARD int agent_settings_check(const struct agent_settings *s, struct err *reterr);

#endif
