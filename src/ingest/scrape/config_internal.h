/* SPDX-License-Identifier: Apache-2.0
 *
 * What the readers of the configuration share: tables of fields that drive one reader, so that each key is
 * written once and unknown keys are found by their absence.
 */
#ifndef INGEST_SCRAPE_CONFIG_INTERNAL_H
#define INGEST_SCRAPE_CONFIG_INTERNAL_H

#include "base/err.h"
#include "conf/yaml_tree.h"
#include "ingest/scrape/config.h"

struct config_reader {
    struct config *c;
    struct arena *a;
    const char *file; /* for errors */
    struct str dir;   /* relative paths start here; empty: the working directory */
    const struct job_conf *global;
};

enum field_type {
    FIELD_STR,
    FIELD_PATH, /* joined with the folder */
    FIELD_BOOL,
    FIELD_DURATION, /* int64_t ms */
    FIELD_BYTES,    /* uint64_t */
    FIELD_UINT,     /* uint64_t */
    FIELD_F64,
    FIELD_STRS,        /* struct str * and, `offset2`, size_t */
    FIELD_PATHS,       /* the same, joined */
    FIELD_CSTR,        /* const char * */
    FIELD_CPATH,       /* const char *, joined */
    FIELD_CHOICE,      /* an enum; `offset2` is an enum choice */
    FIELD_READ,        /* the function */
    FIELD_UNSUPPORTED, /* discovery this program has not: an error unless empty */
    FIELD_IGNORE,      /* known, without meaning here */
};

enum choice {
    CHOICE_FALLBACK,
    CHOICE_VALIDATION,
    CHOICE_ESCAPING,
    CHOICE_TLS,
    CHOICE_DNS,
    CHOICE_ROLE
};

struct config_field {
    const char *key;
    enum field_type type;
    size_t offset;
    size_t offset2;
    int (*read)(struct config_reader *r, const struct yaml_node *n, void *obj, struct err *reterr);
};

/** Fields of an object that may be written beside others in one mapping (upstream's inline structs). */
struct field_set {
    const struct config_field *v;
    size_t n;
    void *obj;
};

/** "FILE:LINE: " before a message. */
int config_fail(const struct config_reader *r, const struct yaml_node *n, struct err *reterr,
                const char *fmt, ...) PRINTF_LIKE(4, 5);
int config_nomem(const struct config_reader *r, struct err *reterr);
/** Read a mapping. An unknown key is an error that names its line and `type`. Null is an empty mapping. */
NODISCARD int config_fields(struct config_reader *r, const struct yaml_node *n, const char *type,
                            const struct field_set *sets, size_t sets_n, struct err *reterr);
/** A copy, NUL-terminated behind its end. */
NODISCARD int config_str(struct config_reader *r, const struct yaml_node *n, struct str *ret,
                         struct err *reterr);
NODISCARD int config_strs(struct config_reader *r, const struct yaml_node *n, bool paths,
                          struct str **ret, size_t *ret_n, struct err *reterr);
struct str config_join(const struct config_reader *r, struct str path);
/** Room for the elements of a list or a mapping, zeroed, and one more. @return NULL with an error that names `what` */
void *config_items(struct config_reader *r, const struct yaml_node *n, enum yaml_kind kind,
                   const char *what, size_t size, struct err *reterr);

/** Why config_items() gave nothing. */
static inline int config_items_failed(const struct yaml_node *n, enum yaml_kind kind)
{
    return n->kind != kind ? -(int)ERR_INVALID : -(int)ERR_NOMEM;
}

/** Index of a scalar's text in a NULL-terminated list; -1 with an error naming `what`. */
int config_enum(struct config_reader *r, const struct yaml_node *n, const char *what,
                const char *const *texts, struct err *reterr);
/** Hash of a subtree's content. */
uint64_t config_hash(const struct yaml_node *n, uint64_t seed);

/* config_job.c */
extern const char *const CONFIG_PROTOCOLS[]; /* by enum scrape_protocol */
extern const char *const CONFIG_ESCAPINGS[]; /* by enum name_escaping */
struct job_conf job_conf_default(void);
/** Keys the global section and a job share. */
extern const struct config_field SHARED_FIELDS[];
extern const size_t SHARED_FIELDS_N;
/** What follows from the keys of the global section. */
NODISCARD int config_global_finish(struct config_reader *r, const struct yaml_node *n,
                                   struct job_conf *g, struct err *reterr);
/** Read a job and add it; c->jobs has room. */
NODISCARD int config_job(struct config_reader *r, const struct yaml_node *n, struct err *reterr);

/* config_http.c */
extern const struct config_field HTTP_FIELDS[];
extern const size_t HTTP_FIELDS_N;
void http_conf_default(struct http_conf *h);
NODISCARD int http_conf_finish(struct config_reader *r, const struct yaml_node *n,
                               struct http_conf *h, struct err *reterr);

/* config_sd.c */
extern const struct config_field SD_FIELDS[];
extern const size_t SD_FIELDS_N;
/** A group in the form of static_configs. */
NODISCARD int config_group(struct config_reader *r, const struct yaml_node *n, struct sd_group *ret,
                           struct err *reterr);

#endif
