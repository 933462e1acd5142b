/* SPDX-License-Identifier: Apache-2.0
 *
 * libyaml's events to a tree, recursively; depth is limited, so is what aliases expand to. Invariant: a
 * node is only reachable by alias when it is complete, so the tree has no cycles.
 */
#include "conf/yaml_tree.h"

#include <yaml.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"

struct anchor {
    struct str name;
    const struct yaml_node *node;
};

struct loader {
    const char *name;
    struct arena *a;
    yaml_parser_t parser;
    VEC(struct anchor) anchors;
    VEC(const struct yaml_node *) stack; /* elements of open sequences */
    VEC(struct yaml_pair) pairs;         /* pairs of open mappings */
};

static int fail(const struct loader *l, yaml_mark_t mark, struct err *reterr, enum err_code code,
                const char *msg)
{
    return err_set(reterr, code, "%s:%zu:%zu: %s", l->name, mark.line + 1, mark.column + 1, msg);
}

static int no_memory(const struct loader *l, struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "%s: out of memory", l->name);
}

static int next(struct loader *l, yaml_event_t *ret, struct err *reterr)
{
    const yaml_parser_t *p = &l->parser;

    if (yaml_parser_parse(&l->parser, ret) != 0) {
        return 0;
    }
    if (p->error == YAML_MEMORY_ERROR) {
        return no_memory(l, reterr);
    }
    if (p->error == YAML_READER_ERROR) {
        return err_set(reterr, ERR_INVALID, "%s: byte %zu: %s", l->name, p->problem_offset,
                       p->problem != NULL ? p->problem : "not UTF-8 text");
    }
    return fail(l, p->problem_mark, reterr, ERR_INVALID,
                p->problem != NULL ? p->problem : "broken YAML");
}

static struct yaml_node *node_new(struct loader *l, enum yaml_kind kind, yaml_mark_t mark)
{
    struct yaml_node *n = arena_calloc(l->a, 1, sizeof(*n));

    if (n != NULL) {
        n->kind = kind;
        n->line = (uint32_t)mark.line + 1;
        n->weight = 1;
    }
    return n;
}

static int remember(struct loader *l, const yaml_char_t *anchor, const struct yaml_node *n,
                    struct err *reterr)
{
    struct str name;

    if (anchor == NULL) {
        return 0;
    }
    name = arena_str_dup(l->a, str_cstr((const char *)anchor));
    if (name.p == NULL || !vec_push(&l->anchors, (struct anchor){name, n})) {
        return no_memory(l, reterr);
    }
    return 0;
}

static int find_anchor(struct loader *l, const yaml_event_t *e, const struct yaml_node **ret,
                       struct err *reterr)
{
    struct str name = str_cstr((const char *)e->data.alias.anchor);

    for (size_t i = l->anchors.n; i > 0; i--) { /* the last of a name counts */
        if (str_eq(l->anchors.v[i - 1].name, name)) {
            *ret = l->anchors.v[i - 1].node;
            return 0;
        }
    }
    return fail(l, e->start_mark, reterr, ERR_INVALID, "unknown anchor");
}

/* Count what a child adds to its parent. */
static int weigh(struct loader *l, struct yaml_node *parent, const struct yaml_node *child,
                 yaml_mark_t mark, struct err *reterr)
{
    if (child == NULL) {
        return fail(l, mark, reterr, ERR_INVALID, "a value is missing");
    }
    parent->weight += child->weight;
    parent->depth = parent->depth > child->depth + 1 ? parent->depth : child->depth + 1;
    if (parent->weight > YAML_TREE_WEIGHT) {
        return fail(l, mark, reterr, ERR_LIMIT, "too many values");
    }
    return parent->depth > YAML_TREE_DEPTH ? fail(l, mark, reterr, ERR_LIMIT, "too deeply nested")
                                           : 0;
}

static int read_node(struct loader *l, yaml_event_t *e, unsigned depth,
                     const struct yaml_node **ret, struct err *reterr);

static int read_scalar(struct loader *l, const yaml_event_t *e, const struct yaml_node **ret,
                       struct err *reterr)
{
    struct yaml_node *n = node_new(l, YAML_SCALAR, e->start_mark);

    if (n == NULL) {
        return no_memory(l, reterr);
    }
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text =
        arena_str_dup(l->a, str_of((const char *)e->data.scalar.value, e->data.scalar.length));
    if (n->text.n != 0 && n->text.p == NULL) {
        return no_memory(l, reterr);
    }
    if (memchr(e->data.scalar.value, '\0', e->data.scalar.length) != NULL) {
        return fail(l, e->start_mark, reterr, ERR_INVALID, "contains a NUL byte");
    }
    *ret = n;
    return remember(l, e->data.scalar.anchor, n, reterr);
}

static int read_seq(struct loader *l, const yaml_event_t *start, unsigned depth,
                    const struct yaml_node **ret, struct err *reterr)
{
    struct yaml_node *n = node_new(l, YAML_SEQ, start->start_mark);
    size_t base = l->stack.n;

    if (n == NULL) {
        return no_memory(l, reterr);
    }
    for (;;) {
        const struct yaml_node *child = NULL;
        yaml_event_t e;
        yaml_mark_t mark;
        int rc = next(l, &e, reterr);

        if (rc < 0) {
            return rc;
        }
        mark = e.start_mark;
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&e);
            break;
        }
        rc = read_node(l, &e, depth + 1, &child, reterr);
        rc = rc < 0 ? rc : weigh(l, n, child, mark, reterr);
        if (rc < 0) {
            return rc;
        }
        if (!vec_push(&l->stack, child)) {
            return no_memory(l, reterr);
        }
    }
    n->n = l->stack.n - base;
    n->seq = arena_array(l->a, const struct yaml_node *, n->n + 1);
    if (n->seq == NULL) {
        return no_memory(l, reterr);
    }
    if (n->n != 0) {
        memcpy(n->seq, l->stack.v + base, n->n * sizeof(struct yaml_node *));
    }
    l->stack.n = base;
    *ret = n;
    return remember(l, start->data.sequence_start.anchor, n, reterr);
}

static bool has_key(const struct loader *l, size_t base, struct str key)
{
    for (size_t i = base; i < l->pairs.n; i++) {
        if (str_eq(l->pairs.v[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* Pairs of `from` (a mapping, or a sequence of them) that are not there yet. */
static int merge(struct loader *l, size_t base, const struct yaml_node *from, yaml_mark_t mark,
                 struct err *reterr)
{
    if (from->kind == YAML_SCALAR) {
        return fail(l, mark, reterr, ERR_INVALID, "a merge key needs a mapping");
    }
    for (size_t i = 0; i < from->n; i++) {
        if (from->kind == YAML_SEQ) {
            int rc = from->seq[i]->kind == YAML_MAP
                         ? merge(l, base, from->seq[i], mark, reterr)
                         : fail(l, mark, reterr, ERR_INVALID, "a merge key needs a mapping");

            if (rc < 0) {
                return rc;
            }
        } else if (!has_key(l, base, from->map[i].key) && !vec_push(&l->pairs, from->map[i])) {
            return no_memory(l, reterr);
        }
    }
    return 0;
}

/* The key of a pair. @return 1; 0 at the mapping's end */
static int read_key(struct loader *l, size_t base, struct yaml_pair *ret, yaml_mark_t *ret_mark,
                    struct err *reterr)
{
    yaml_event_t e;
    int rc = next(l, &e, reterr);

    if (rc < 0) {
        return rc;
    }
    *ret_mark = e.start_mark;
    if (e.type == YAML_MAPPING_END_EVENT) {
        yaml_event_delete(&e);
        return 0;
    }
    rc = 1;
    if (e.type != YAML_SCALAR_EVENT) {
        rc = fail(l, e.start_mark, reterr, ERR_INVALID, "a key must be a text");
    } else {
        ret->line = (uint32_t)e.start_mark.line + 1;
        ret->key =
            arena_str_dup(l->a, str_of((const char *)e.data.scalar.value, e.data.scalar.length));
        if (ret->key.n != 0 && ret->key.p == NULL) {
            rc = no_memory(l, reterr);
        } else if (has_key(l, base, ret->key)) {
            rc = err_set(reterr, ERR_INVALID, "%s:%u: key \"%.*s\" is given twice", l->name,
                         ret->line, STR_ARG(ret->key));
        }
    }
    yaml_event_delete(&e);
    return rc;
}

static int finish_map(struct loader *l, struct yaml_node *n, size_t base,
                      const struct yaml_node *merged, yaml_mark_t mark, struct err *reterr)
{
    int rc = merged != NULL ? merge(l, base, merged, mark, reterr) : 0;

    if (rc < 0) {
        return rc;
    }
    n->n = l->pairs.n - base;
    n->map = arena_array(l->a, struct yaml_pair, n->n + 1);
    if (n->map == NULL) {
        return no_memory(l, reterr);
    }
    for (size_t i = 0; i < n->n; i++) {
        n->map[i] = l->pairs.v[base + i];
        rc = weigh(l, n, n->map[i].value, mark, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    l->pairs.n = base;
    return 0;
}

static int read_map(struct loader *l, const yaml_event_t *start, unsigned depth,
                    const struct yaml_node **ret, struct err *reterr)
{
    struct yaml_node *n = node_new(l, YAML_MAP, start->start_mark);
    const struct yaml_node *merged = NULL;
    size_t base = l->pairs.n;
    yaml_mark_t mark;
    int rc;

    if (n == NULL) {
        return no_memory(l, reterr);
    }
    for (;;) {
        struct yaml_pair pair = {0};
        yaml_event_t e;

        rc = read_key(l, base, &pair, &mark, reterr);
        if (rc <= 0) {
            break;
        }
        rc = next(l, &e, reterr);
        rc = rc < 0 ? rc : read_node(l, &e, depth + 1, &pair.value, reterr);
        if (rc < 0) {
            return rc;
        }
        if (l->pairs.n - base >= YAML_TREE_KEYS) {
            return fail(l, mark, reterr, ERR_LIMIT, "too many keys");
        }
        if (str_eq(pair.key, STR("<<"))) {
            merged = pair.value;
        } else if (!vec_push(&l->pairs, pair)) {
            return no_memory(l, reterr);
        }
    }
    rc = rc < 0 ? rc : finish_map(l, n, base, merged, mark, reterr);
    if (rc < 0) {
        return rc;
    }
    *ret = n;
    return remember(l, start->data.mapping_start.anchor, n, reterr);
}

/* Takes the event. */
static int read_node(struct loader *l, yaml_event_t *e, unsigned depth,
                     const struct yaml_node **ret, struct err *reterr)
{
    int rc;

    if (depth > YAML_TREE_DEPTH) {
        rc = fail(l, e->start_mark, reterr, ERR_LIMIT, "too deeply nested");
        yaml_event_delete(e);
        return rc;
    }
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        rc = read_scalar(l, e, ret, reterr);
        break;
    case YAML_SEQUENCE_START_EVENT:
        rc = read_seq(l, e, depth, ret, reterr);
        break;
    case YAML_MAPPING_START_EVENT:
        rc = read_map(l, e, depth, ret, reterr);
        break;
    case YAML_ALIAS_EVENT:
        rc = find_anchor(l, e, ret, reterr);
        break;
    default:
        rc = fail(l, e->start_mark, reterr, ERR_INVALID, "a value is missing");
        break;
    }
    yaml_event_delete(e);
    return rc;
}

static int read_document(struct loader *l, const struct yaml_node **ret, struct err *reterr)
{
    yaml_event_t e;
    yaml_event_type_t type;

    *ret = NULL;
    do {
        int rc = next(l, &e, reterr);

        if (rc < 0) {
            return rc;
        }
        type = e.type;
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT ||
            type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&e);
        } else if (type == YAML_DOCUMENT_START_EVENT) {
            yaml_mark_t mark = e.start_mark;

            yaml_event_delete(&e);
            rc = *ret != NULL ? fail(l, mark, reterr, ERR_INVALID, "more than one document")
                              : next(l, &e, reterr);
            rc = rc < 0 ? rc : read_node(l, &e, 0, ret, reterr);
            if (rc < 0) {
                return rc;
            }
        } else {
            rc = fail(l, e.start_mark, reterr, ERR_INVALID, "a document was expected");
            yaml_event_delete(&e);
            return rc;
        }
    } while (type != YAML_STREAM_END_EVENT);
    return 0;
}

int yaml_tree_parse(const char *name, struct str text, struct arena *a,
                    const struct yaml_node **ret, struct err *reterr)
{
    struct loader l = {.name = name, .a = a};
    const struct yaml_node *root = NULL;
    int rc;

    if (text.n > YAML_TREE_BYTES) {
        return err_set(reterr, ERR_TOO_LARGE, "%s: larger than %d bytes", name, YAML_TREE_BYTES);
    }
    if (yaml_parser_initialize(&l.parser) == 0) {
        return no_memory(&l, reterr);
    }
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)(text.n != 0 ? text.p : ""),
                                 text.n);
    rc = read_document(&l, &root, reterr);
    if (rc == 0 && root == NULL) {
        struct yaml_node *empty = node_new(&l, YAML_SCALAR, (yaml_mark_t){0});

        root = empty;
        if (empty == NULL) {
            rc = no_memory(&l, reterr);
        } else {
            empty->plain = true;
        }
    }
    yaml_parser_delete(&l.parser);
    vec_done(&l.anchors);
    vec_done(&l.stack);
    vec_done(&l.pairs);
    if (rc == 0) {
        *ret = root;
    }
    return rc;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, struct str key)
{
    for (size_t i = 0; map != NULL && map->kind == YAML_MAP && i < map->n; i++) {
        if (str_eq(map->map[i].key, key)) {
            return map->map[i].value;
        }
    }
    return NULL;
}

bool yaml_is_null(const struct yaml_node *n)
{
    return n == NULL ||
           (n->kind == YAML_SCALAR && n->plain &&
            (n->text.n == 0 || str_eq(n->text, STR("~")) || str_eq_nocase(n->text, STR("null"))));
}

bool yaml_to_bool(const struct yaml_node *n, bool *ret)
{
    static const char *const YES[] = {"true", "yes", "on", "y"};
    static const char *const NO[] = {"false", "no", "off", "n"};

    if (n->kind != YAML_SCALAR || !n->plain) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(YES); i++) {
        if (str_eq_nocase(n->text, str_cstr(YES[i]))) {
            *ret = true;
            return true;
        }
        if (str_eq_nocase(n->text, str_cstr(NO[i]))) {
            *ret = false;
            return true;
        }
    }
    return false;
}
