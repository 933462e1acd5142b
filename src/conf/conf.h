/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings from one table per module: the table drives the command line, the environment, the YAML file,
 * --help, the documentation and /api/v1/status/config. Precedence: flag, environment, file, default.
 * YAML errors name file, line, column and key.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/buf.h"

struct err;

enum conf_type {
    CONF_STRING,      /* char * (owned by the settings struct, conf_done() frees) */
    CONF_BOOL,        /* bool; as a flag needs no value */
    CONF_INT,         /* int64_t with min/max */
    CONF_DURATION_MS, /* int64_t; "30s", "15d", or plain seconds */
    CONF_BYTES,       /* uint64_t; "20GB", "512MiB" */
    CONF_ENUM,        /* int: index into `choices` */
    CONF_STRING_LIST, /* struct conf_list; YAML sequence, repeated flag, comma-separated environment */
};

struct conf_list {
    char **v; /* owned */
    size_t n;
};

struct conf_key {
    const char *key;  /* dotted YAML path, "otlp.grpc" */
    const char *flag; /* "otlp-grpc" without dashes; NULL: no flag */
    enum conf_type type;
    bool reloadable;            /* SIGHUP applies a change */
    bool secret;                /* masked everywhere */
    size_t offset;              /* of the field in the settings struct */
    const char *default_value;  /* in text form */
    const char *placeholder;    /* in --help: ADDR:PORT */
    const char *const *choices; /* ENUM, NULL-terminated */
    int64_t min;                /* numbers; min == max == 0: unbounded */
    int64_t max;
    const char *help; /* one sentence */
};

/* Environment name of a key: PREFIX + key in capitals, '.' and '-' as '_': BONGSU_OTLP_GRPC. */

struct conf_table {
    const char *module; /* heading in --help and the docs */
    const struct conf_key *keys;
    size_t n;
};

enum conf_origin { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_ENV, CONF_FROM_FLAG };

struct conf_spec {
    const char *program; /* "bongsu server" */
    const char *summary;
    const char *env_prefix; /* "BONGSU_" */
    const struct conf_table *tables;
    size_t tables_n;
};

struct conf; /* remembers texts and origins for the dump */

/**
 * Fill `settings` (zeroed by the caller) from defaults, file, environment and flags.
 * @param argv,argc  without program and verb; "--flag value" and "--flag=value"
 * @param file_key   the key that names the YAML file ("config"), or NULL
 * @return 0; 1 when --help was asked for (caller prints conf_help()); -ERR_INVALID with what and where
 */
NODISCARD int conf_load(const struct conf_spec *spec, int argc, char *const *argv,
                        const char *file_key, void *settings, struct conf **ret,
                        struct err *reterr);
/** Load again (SIGHUP) into a second settings struct; then conf_apply_reloadable() copies what may change
 * and reports in *ret_ignored how many changed keys need a restart. */
NODISCARD int conf_reload(const struct conf *c, void *settings, struct conf **ret,
                          struct err *reterr);
void conf_apply_reloadable(struct conf *live, void *live_settings, const struct conf *fresh,
                           const void *fresh_settings, size_t *ret_ignored);
/** Free strings inside settings and the conf. */
void conf_free(struct conf *c, void *settings);

void conf_help(const struct conf_spec *spec, struct buf *dst); /* --help text, sorted by table */
void conf_markdown(const struct conf_spec *spec, struct buf *dst); /* docs/configuration.md */
void conf_yaml(const struct conf *c, struct buf *dst); /* effective settings, secrets masked */
/** Between these two, texts stay as they are: conf_apply_reloadable() frees those that changed. Needed by
 * readers on other threads than the one that reloads; take no other lock in between. */
void conf_read_begin(const struct conf *c);
void conf_read_end(const struct conf *c);
/** Walk effective keys for the API: i in [0, conf_count()). */
size_t conf_count(const struct conf *c);

struct conf_entry {
    const struct conf_key *key;
    const char *value; /* text; "***" when secret; valid until conf_read_end() */
    enum conf_origin origin;
    const char *env; /* environment name */
};
struct conf_entry conf_at(const struct conf *c, size_t i);

#endif
