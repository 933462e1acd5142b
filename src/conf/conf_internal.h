/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: the flat list of keys with their effective texts, and the conversion
 * between text and field. Invariant: values[i].text is the canonical text of what lies in the settings.
 */
#ifndef CONF_CONF_INTERNAL_H
#define CONF_CONF_INTERNAL_H

#include "base/err.h"
#include "base/lock.h"
#include "conf/conf.h"

enum {
    CONF_FILE_MAX = 1 << 20,  /* bytes of a YAML file */
    CONF_DEPTH_MAX = 16,      /* nested mappings */
    CONF_LIST_MAX = 1024,     /* elements of one list */
    CONF_SHOWN_MAX = 48,      /* bytes of a wrong value that an error shows */
    CONF_HELP_WIDTH = 100,    /* columns of --help */
    CONF_HELP_FLAG_WIDTH = 32 /* widest flag column of --help */
};

struct conf_value {
    const struct conf_key *key;
    char *text;            /* owned; canonical, lists joined with ','; never masked */
    struct conf_list list; /* owned; the elements of a list */
    char *shown;           /* owned; NULL, or what is shown instead of a secret */
    char *env;             /* owned */
    enum conf_origin origin;
};

struct conf {
    struct conf_spec spec;
    struct mutex *lock;        /* owned; readers of texts against conf_apply_reloadable() */
    struct conf_value *values; /* owned, [n], in order of the tables */
    size_t n;
    int argc;
    char **argv;    /* owned copies, for conf_reload() */
    char *file_key; /* owned; NULL: no file */
};

/** Texts of one setting as a source gives them: one, or the elements of a list. */
struct conf_texts {
    const struct str *v;
    size_t n;
};

/**
 * Convert and store one setting; the old value is freed. On failure nothing changes.
 * @return 0; -ERR_INVALID with a message that starts with what is wrong (no place, no key)
 */
NODISCARD int conf_value_set(const struct conf_key *key, struct conf_texts texts, void *settings,
                             struct err *reterr);
/** The canonical text of the field. */
void conf_value_text(const struct conf_key *key, const void *settings, struct buf *dst);
/** True when both structs hold the same value. */
bool conf_value_same(const struct conf_key *key, const void *a, const void *b);
/** Free what the field owns and zero it. */
void conf_value_done(const struct conf_key *key, void *settings);
/** Free a list's elements and zero it. */
void conf_list_done(struct conf_list *l);
/** Deep copy; `dst` is overwritten, not freed. */
void conf_list_copy(struct conf_list *dst, const struct conf_list *src);
/** Deep copy from one settings struct to another; the old value is freed. */
void conf_value_copy(const struct conf_key *key, void *dst_settings, const void *src_settings);

/** Take the texts from the settings, so that dumps need no settings struct. */
void conf_remember(struct conf *c, const void *settings);
/** Index of the key with this dotted path, or -1. */
int64_t conf_find(const struct conf *c, struct str path);
/** True when some key lies below `path`, as "otlp" for "otlp.grpc". */
bool conf_is_group(const struct conf *c, struct str path);
/** " (did you mean 'x'?)" for the key or group nearest to `path`, or nothing. */
void conf_suggest_key(const struct conf *c, struct str path, struct buf *dst);
/** The same for a flag, without dashes. */
void conf_suggest_flag(const struct conf *c, struct str flag, struct buf *dst);
/** `s` for an error message: printable, cut to CONF_SHOWN_MAX bytes. */
void conf_show(struct str s, struct buf *dst);

/** Set every key found in the YAML text; `name` is the file's name for errors. */
NODISCARD int conf_yaml_load(struct conf *c, const char *name, struct str text, void *settings,
                             struct err *reterr);

#endif
