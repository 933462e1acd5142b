/* SPDX-License-Identifier: Apache-2.0
 *
 * The table and the checks that go beyond one value.
 */
#include "agent/settings.h"

#include "agent/journal.h"
#include "agent/log_source.h"
#include "base/err.h"

static const char *const COMPRESSIONS[] = {"gzip", "zstd", "none", NULL};
static const char *const LEVELS[] = {"debug", "info", "warn", "error", NULL};
static const char *const FORMATS[] = {"logfmt", "json", NULL};

#define FIELD(f) offsetof(struct agent_settings, f)

static const struct conf_key SERVER_KEYS[] = {
    {.key = "server",
     .flag = "server",
     .type = CONF_STRING,
     .offset = FIELD(server),
     .placeholder = "URL",
     .help = "Bongsu server, as http://HOST:PORT or https://HOST:PORT."},
    {.key = "token",
     .flag = "token",
     .type = CONF_STRING,
     .offset = FIELD(token),
     .secret = true,
     .placeholder = "TOKEN",
     .help = "API token with the scope 'ingest'."},
    {.key = "config",
     .flag = "config",
     .type = CONF_STRING,
     .offset = FIELD(config),
     .placeholder = "FILE",
     .help = "YAML file with settings."},
    {.key = "otlp_path",
     .flag = "otlp-path",
     .type = CONF_STRING,
     .offset = FIELD(otlp_path),
     .default_value = "/otlp",
     .placeholder = "PATH",
     .help = "Path of the OTLP door below the server's URL; empty for a plain OTLP/HTTP receiver."},
    {.key = "timeout",
     .flag = "timeout",
     .type = CONF_DURATION_MS,
     .offset = FIELD(timeout_ms),
     .default_value = "10s",
     .min = 100,
     .max = 300000,
     .help = "Time limit of one request."},
    {.key = "compression",
     .flag = "compression",
     .type = CONF_ENUM,
     .offset = FIELD(compression),
     .default_value = "gzip",
     .choices = COMPRESSIONS,
     .reloadable = true,
     .help = "Compression of requests."},
    {.key = "tls.ca",
     .flag = "tls-ca",
     .type = CONF_STRING,
     .offset = FIELD(tls_ca),
     .placeholder = "FILE",
     .help = "Certificate authority to trust besides the system's."},
    {.key = "tls.insecure",
     .flag = "tls-insecure",
     .type = CONF_BOOL,
     .offset = FIELD(tls_insecure),
     .default_value = "false",
     .help = "Accept any certificate. Only for tests."},
};

static const struct conf_key BUFFER_KEYS[] = {
    {.key = "state_dir",
     .flag = "state-dir",
     .type = CONF_STRING,
     .offset = FIELD(state_dir),
     .placeholder = "DIR",
     .help = "Directory of the disk buffer and the log positions; default /var/lib/bongsu-agent "
             "for root, else ~/.local/state/bongsu-agent."},
    {.key = "buffer.max_size",
     .flag = "buffer-max-size",
     .type = CONF_BYTES,
     .offset = FIELD(spool_max_bytes),
     .default_value = "256MiB",
     .min = 1 << 20,
     .max = INT64_C(1) << 40,
     .help = "Disk space for data the server cannot take; the oldest goes first."},
    {.key = "buffer.memory",
     .flag = NULL,
     .type = CONF_BYTES,
     .offset = FIELD(queue_max_bytes),
     .default_value = "4MiB",
     .min = 64 << 10,
     .max = 1 << 30,
     .help = "Compressed data waiting in memory before log files are read no further."},
};

static const struct conf_key HOST_KEYS[] = {
    {.key = "interval",
     .flag = "interval",
     .type = CONF_DURATION_MS,
     .offset = FIELD(interval_ms),
     .default_value = "10s",
     .min = 1000,
     .max = 3600000,
     .reloadable = true,
     .help = "Time between readings of the machine."},
    {.key = "root",
     .flag = "root",
     .type = CONF_STRING,
     .offset = FIELD(root),
     .default_value = "/",
     .placeholder = "DIR",
     .help =
         "Where the observed host's file system is mounted, when the agent runs in a container."},
    {.key = "processes.top",
     .flag = "processes-top",
     .type = CONF_INT,
     .offset = FIELD(processes_top),
     .default_value = "10",
     .min = 0,
     .max = 100,
     .reloadable = true,
     .help = "How many processes to report by CPU and by memory."},
    {.key = "cpu.per_cpu",
     .flag = NULL,
     .type = CONF_BOOL,
     .offset = FIELD(cpu_per_cpu),
     .default_value = "true",
     .reloadable = true,
     .help = "CPU time of each CPU instead of the sum."},
    {.key = "network.exclude",
     .flag = NULL,
     .type = CONF_STRING_LIST,
     .offset = FIELD(network_exclude),
     .default_value = "lo,veth*,ifb*,cali*,lxc*,cni*,nerdctl*",
     .reloadable = true,
     .help = "Glob patterns of network interfaces to leave out."},
    {.key = "network.connections_max",
     .flag = NULL,
     .type = CONF_INT,
     .offset = FIELD(connections_max),
     .default_value = "20000",
     .min = 0,
     .max = 10000000,
     .reloadable = true,
     .help = "With more TCP sockets than this only established and time_wait are counted."},
    {.key = "disk.exclude",
     .flag = NULL,
     .type = CONF_STRING_LIST,
     .offset = FIELD(disk_exclude),
     .default_value = "loop*,ram*,zram*,fd*",
     .reloadable = true,
     .help = "Glob patterns of block devices to leave out."},
    {.key = "filesystem.types",
     .flag = NULL,
     .type = CONF_STRING_LIST,
     .offset = FIELD(filesystem_types),
     .default_value = "",
     .reloadable = true,
     .help = "File system types to report besides the local ones, such as nfs4 or tmpfs."},
};

static const char *const STARTS[] = {
    [LOG_START_END] = "end", [LOG_START_BEGINNING] = "beginning", NULL};

static const struct conf_key LOG_KEYS[] = {
    {.key = "logs.files",
     .flag = "log",
     .type = CONF_STRING_LIST,
     .offset = FIELD(logs_files),
     .placeholder = "'GLOB [key=value]...'",
     .reloadable = true,
     .help = "Log files to follow: a path pattern and optional service=, exclude=, multiline=, "
             "start=, timestamp= (see the agent's documentation)."},
    {.key = "logs.journal",
     .flag = "journal",
     .type = CONF_BOOL,
     .offset = FIELD(logs_journal),
     .default_value = "false",
     .help = "Follow the systemd journal, too."},
    {.key = "logs.journal_directory",
     .flag = "journal-directory",
     .type = CONF_STRING,
     .offset = FIELD(logs_journal_directory),
     .default_value = "",
     .placeholder = "DIR",
     .help =
         "Read the journal files of this directory, such as those of a mounted host; empty: this machine's."},
    {.key = "logs.journal_match",
     .flag = "journal-match",
     .type = CONF_STRING_LIST,
     .offset = FIELD(logs_journal_match),
     .placeholder = "FIELD=VALUE",
     .help =
         "Only entries with this field, such as _SYSTEMD_UNIT=nginx.service: several of one field are "
         "alternatives, of different fields all must hold."},
    {.key = "logs.journal_start",
     .flag = NULL,
     .type = CONF_ENUM,
     .offset = FIELD(logs_journal_start),
     .default_value = "end",
     .choices = STARTS,
     .help = "Where the very first start begins in the journal."},
    {.key = "logs.poll",
     .flag = NULL,
     .type = CONF_DURATION_MS,
     .offset = FIELD(logs_poll_ms),
     .default_value = "1s",
     .min = 100,
     .max = 60000,
     .reloadable = true,
     .help = "Time between looks at the log files and the journal."},
    {.key = "logs.max_lines_per_second",
     .flag = NULL,
     .type = CONF_INT,
     .offset = FIELD(logs_max_lines_per_s),
     .default_value = "20000",
     .min = 0,
     .max = 10000000,
     .reloadable = true,
     .help = "Reading pauses above this rate, nothing is dropped; 0 means no limit."},
};

static const struct conf_key SELF_KEYS[] = {
    {.key = "log.level",
     .flag = "log-level",
     .type = CONF_ENUM,
     .offset = FIELD(log_level),
     .default_value = "info",
     .choices = LEVELS,
     .reloadable = true,
     .help = "Least severity of the agent's own messages."},
    {.key = "log.format",
     .flag = "log-format",
     .type = CONF_ENUM,
     .offset = FIELD(log_format),
     .default_value = "logfmt",
     .choices = FORMATS,
     .help = "Form of the agent's own messages."},
};

const struct conf_spec *agent_conf_spec(void)
{
    static const struct conf_table TABLES[] = {
        {"Server", SERVER_KEYS, ARRAY_LEN(SERVER_KEYS)},
        {"Buffer", BUFFER_KEYS, ARRAY_LEN(BUFFER_KEYS)},
        {"Host", HOST_KEYS, ARRAY_LEN(HOST_KEYS)},
        {"Log files", LOG_KEYS, ARRAY_LEN(LOG_KEYS)},
        {"Messages", SELF_KEYS, ARRAY_LEN(SELF_KEYS)},
    };
    static const struct conf_spec SPEC = {
        .program = "bongsu-agent",
        .summary = "Sends this machine's metrics and log files to a Bongsu server. Verbs: run (the "
                   "default), check (only validate the settings), --version.",
        .env_prefix = "BONGSU_AGENT_",
        .tables = TABLES,
        .tables_n = ARRAY_LEN(TABLES),
    };

    return &SPEC;
}

static bool url_ok(struct str url)
{
    struct str host;

    if (str_starts(url, STR("http://"))) {
        host = str_drop(url, strlen("http://"));
    } else if (str_starts(url, STR("https://"))) {
        host = str_drop(url, strlen("https://"));
    } else {
        return false;
    }
    for (size_t i = 0; i < url.n; i++) {
        if ((unsigned char)url.p[i] <= ' ' || url.p[i] == '?' || url.p[i] == '#') {
            return false;
        }
    }
    return host.n != 0 && host.p[0] != '/' && host.p[0] != ':';
}

int agent_settings_check(const struct agent_settings *s, struct err *reterr)
{
    struct str path = str_cstr(s->otlp_path);

    if (s->server[0] == '\0') {
        return err_set(reterr, ERR_INVALID,
                       "no server given: pass --server http://HOST:7800 or set 'server'");
    }
    if (!url_ok(str_cstr(s->server))) {
        return err_set(reterr, ERR_INVALID, "server: '%s' is not like http://HOST:PORT", s->server);
    }
    if (path.n != 0 && path.p[0] != '/') {
        return err_set(reterr, ERR_INVALID, "otlp_path: '%s' must start with '/'", s->otlp_path);
    }
    for (const char *c = s->token; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || (unsigned char)*c > '~') {
            return err_set(reterr, ERR_INVALID,
                           "token: contains a blank or a character that is not ASCII");
        }
    }
    for (size_t i = 0; i < s->logs_files.n; i++) {
        struct log_source *source = NULL;
        int rc = log_source_parse(str_cstr(s->logs_files.v[i]), &source, reterr);

        if (rc < 0) {
            ignore_result(err_prefix(reterr, "logs.files, entry %zu", i + 1), "rc says it");
            return rc;
        }
        log_source_free(source);
    }
    for (size_t i = 0; i < s->logs_journal_match.n; i++) {
        if (!journal_match_ok(s->logs_journal_match.v[i])) {
            return err_set(reterr, ERR_INVALID, "logs.journal_match: '%s' is not FIELD=VALUE",
                           s->logs_journal_match.v[i]);
        }
    }
    return 0;
}
