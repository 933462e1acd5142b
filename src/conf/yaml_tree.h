/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML document as a tree whose every node knows its line, for files in other programs' forms (Prometheus
 * configurations, kubeconfigs). Anchors, aliases and merge keys are resolved; what they may expand to is
 * limited. Strings and nodes live in the caller's arena. Invariant: a node's `weight` counts everything
 * below it with aliases expanded, so a walk over the tree is bounded.
 */
#ifndef CONF_YAML_TREE_H
#define CONF_YAML_TREE_H

#include "base/arena.h"

struct err;

enum yaml_kind { YAML_SCALAR, YAML_SEQ, YAML_MAP };

struct yaml_pair;

struct yaml_node {
    enum yaml_kind kind;
    uint32_t line;  /* from 1 */
    uint32_t depth; /* of what is below: 0 for a scalar */
    bool plain;     /* a scalar without quotes: null, true, 15 have their meaning */
    size_t weight;  /* nodes with aliases expanded */
    size_t n;       /* elements or pairs */
    struct str text;
    const struct yaml_node **seq;
    struct yaml_pair *map;
};

struct yaml_pair {
    struct str key;
    uint32_t line;
    const struct yaml_node *value;
};

/** Limits of a document. */
enum {
    YAML_TREE_DEPTH = 64,
    YAML_TREE_WEIGHT = 2000000,
    YAML_TREE_KEYS = 10000, /* of one mapping: unique keys are found by comparing */
    YAML_TREE_BYTES = 64 << 20,
};

/**
 * Parse one document; an empty text gives a plain null scalar. Keys must be scalars and unique.
 * @param name  for errors: "name:line:column: ..."
 * @return 0; -ERR_INVALID, -ERR_LIMIT (depth, weight), -ERR_TOO_LARGE, -ERR_NOMEM
 */
NODISCARD int yaml_tree_parse(const char *name, struct str text, struct arena *a,
                              const struct yaml_node **ret, struct err *reterr);

/** Value of a key of a mapping, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, struct str key);
/** An unquoted null, ~ or nothing. */
bool yaml_is_null(const struct yaml_node *n);
/** true/false in YAML 1.1's spellings (yes, on, ...), unquoted. @return false when it is neither */
NODISCARD bool yaml_to_bool(const struct yaml_node *n, bool *ret);

#endif
