/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a processing configuration: typed members of a YAML mapping with errors that name file, line and key.
 */
#ifndef INGEST_PROCESS_CONFIG_INTERNAL_H
#define INGEST_PROCESS_CONFIG_INTERNAL_H

#include "base/err.h"
#include "conf/yaml_tree.h"
#include "ingest/process/program.h"

struct cfg {
    const char *file;
    struct program *p;
    struct stats *stats;
    struct err *e;
    const char *section; /* for messages */
    struct str rule;     /* name of the rule being read, may be empty */
};

/** -ERR_INVALID with "file:line: section "rule": key: message". */
int cfg_fail(struct cfg *c, uint32_t line, const char *key, const char *fmt, ...) PRINTF_LIKE(4, 5);
int cfg_nomem(struct cfg *c);

/** `node` is a mapping and has no other keys than these (NULL-terminated). */
NODISCARD int cfg_map(struct cfg *c, const struct yaml_node *node, const char *what,
                      const char *const *keys);
/* Members; 0 and nothing written when absent. */
NODISCARD int cfg_str(struct cfg *c, const struct yaml_node *map, const char *key, struct str *ret);
NODISCARD int cfg_bool(struct cfg *c, const struct yaml_node *map, const char *key, bool *ret);
NODISCARD int cfg_duration(struct cfg *c, const struct yaml_node *map, const char *key,
                           int64_t least_ms, int64_t most_ms, int64_t *ret_ms);
NODISCARD int cfg_bytes(struct cfg *c, const struct yaml_node *map, const char *key, uint64_t least,
                        uint64_t most, uint64_t *ret);
NODISCARD int cfg_count(struct cfg *c, const struct yaml_node *map, const char *key, uint64_t least,
                        uint64_t most, uint64_t *ret);
NODISCARD int cfg_number(struct cfg *c, const struct yaml_node *map, const char *key, double least,
                         double most, double *ret);
/** A text or a list of texts. */
NODISCARD int cfg_globs(struct cfg *c, const struct yaml_node *map, const char *key,
                        struct globs *ret);
NODISCARD int cfg_pattern(struct cfg *c, const struct yaml_node *node, const char *key,
                          struct pattern **ret);
NODISCARD int cfg_signals(struct cfg *c, const struct yaml_node *map, unsigned *ret);
NODISCARD int cfg_when(struct cfg *c, const struct yaml_node *map, struct when *ret);

/** Zeroed array in the program's arena for the elements of a list member; *ret_list NULL when absent. */
NODISCARD int cfg_list(struct cfg *c, const struct yaml_node *root, const char *key, size_t size,
                       const struct yaml_node **ret_list, void **ret);
/** Give the rule being read a name (the member "name", or `fallback`) and an id. */
NODISCARD int cfg_rule(struct cfg *c, const struct yaml_node *map, enum process_section section,
                       struct str fallback, uint32_t *ret_id);
void cfg_what(struct cfg *c, uint32_t id, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The sections. */
NODISCARD int cfg_redaction(struct cfg *c, const struct yaml_node *root);
NODISCARD int cfg_attributes(struct cfg *c, const struct yaml_node *root);
NODISCARD int cfg_drop(struct cfg *c, const struct yaml_node *root);
NODISCARD int cfg_derive(struct cfg *c, const struct yaml_node *root);
NODISCARD int cfg_sampling(struct cfg *c, const struct yaml_node *root);
NODISCARD int cfg_span_metrics(struct cfg *c, const struct yaml_node *root);

#endif
