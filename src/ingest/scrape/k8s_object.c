/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON objects of the Kubernetes API as trees. Invariant: depth and size are bounded, whatever the server
 * sends.
 */
#include <stdarg.h>

#include "base/alloc.h"
#include "base/err.h"
#include "codec/json_read.h"
#include "ingest/scrape/k8s.h"

enum { OBJECT_BYTES = 64 << 20, SCRATCH_BYTES = 16 << 20 };

struct tree {
    struct json_reader r;
    struct arena *a;
    bool prune;
    size_t nodes;
    VEC(const struct yaml_node *) stack;
    VEC(struct yaml_pair) pairs;
};

/* What fills most of an object and no label comes from. */
static bool skipped(struct str key)
{
    static const char *const KEYS[] = {"managedFields", "env",           "envFrom",
                                       "volumeMounts",  "volumes",       "command",
                                       "args",          "resources",     "affinity",
                                       "tolerations",   "livenessProbe", "readinessProbe",
                                       "startupProbe",  "lifecycle",     "securityContext",
                                       "images",        "volumesInUse",  "volumesAttached",
                                       "binaryData",    "capacity",      "allocatable"};

    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        if (str_eq(key, str_cstr(KEYS[i]))) {
            return true;
        }
    }
    return false;
}

static int nomem(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "out of memory");
}

static int read_value(struct tree *t, bool prune, const struct yaml_node **ret, struct err *reterr);

static int read_scalar(struct tree *t, int type, struct yaml_node *n, struct err *reterr)
{
    bool yes = false;
    struct str s = {0};
    int rc;

    switch (type) {
    case JSON_STRING:
        rc = json_read_str(&t->r, &s, reterr);
        break;
    case JSON_NUMBER:
        rc = json_read_number(&t->r, &s, reterr);
        break;
    case JSON_BOOL:
        rc = json_read_bool(&t->r, &yes, reterr);
        s = yes ? STR("true") : STR("false");
        break;
    default:
        rc = json_skip(&t->r, reterr);
        break;
    }
    if (rc < 0) {
        return rc;
    }
    n->kind = YAML_SCALAR;
    n->plain = type != JSON_STRING;
    n->text = arena_str_dup(t->a, s);
    return s.n != 0 && n->text.p == NULL ? nomem(reterr) : 0;
}

static int read_array(struct tree *t, bool prune, struct yaml_node *n, struct err *reterr)
{
    size_t base = t->stack.n;
    int rc = json_enter(&t->r, reterr);

    while (rc == 0 && (rc = json_next_element(&t->r, reterr)) > 0) {
        const struct yaml_node *child = NULL;

        rc = read_value(t, prune, &child, reterr);
        if (rc == 0 && !vec_push(&t->stack, child)) {
            return nomem(reterr);
        }
    }
    if (rc < 0) {
        return rc;
    }
    n->kind = YAML_SEQ;
    n->n = t->stack.n - base;
    n->seq = arena_array(t->a, const struct yaml_node *, n->n + 1);
    if (n->seq == NULL) {
        return nomem(reterr);
    }
    if (n->n != 0) {
        memcpy(n->seq, t->stack.v + base, n->n * sizeof(struct yaml_node *));
    }
    t->stack.n = base;
    return 0;
}

static int read_object(struct tree *t, bool prune, struct yaml_node *n, struct err *reterr)
{
    size_t base = t->pairs.n;
    struct str key;
    int rc = json_enter(&t->r, reterr);

    while (rc == 0 && (rc = json_next_member(&t->r, &key, reterr)) > 0) {
        struct yaml_pair p = {0};
        /* labels and annotations have names of their users' choice */
        bool free_names = str_eq(key, STR("labels")) || str_eq(key, STR("annotations"));

        if (prune && skipped(key)) {
            rc = json_skip(&t->r, reterr);
            continue;
        }
        p.key = arena_str_dup(t->a, key);
        if (key.n != 0 && p.key.p == NULL) {
            return nomem(reterr);
        }
        rc = read_value(t, prune && !free_names, &p.value, reterr);
        if (rc == 0 && !vec_push(&t->pairs, p)) {
            return nomem(reterr);
        }
    }
    if (rc < 0) {
        return rc;
    }
    n->kind = YAML_MAP;
    n->n = t->pairs.n - base;
    n->map = arena_array(t->a, struct yaml_pair, n->n + 1);
    if (n->map == NULL) {
        return nomem(reterr);
    }
    if (n->n != 0) {
        memcpy(n->map, t->pairs.v + base, n->n * sizeof(struct yaml_pair));
    }
    t->pairs.n = base;
    return 0;
}

static int read_value(struct tree *t, bool prune, const struct yaml_node **ret, struct err *reterr)
{
    struct yaml_node *n = arena_calloc(t->a, 1, sizeof(*n));
    int type = json_peek(&t->r, reterr);
    int rc;

    if (type < 0) {
        return type;
    }
    if (n == NULL) {
        return nomem(reterr);
    }
    if (++t->nodes > YAML_TREE_WEIGHT) {
        return err_set(reterr, ERR_LIMIT, "too many values");
    }
    n->weight = 1;
    rc = type == JSON_OBJECT  ? read_object(t, prune, n, reterr)
         : type == JSON_ARRAY ? read_array(t, prune, n, reterr)
                              : read_scalar(t, type, n, reterr);
    *ret = n;
    return rc;
}

int json_tree(struct str json, bool prune, struct arena *a, const struct yaml_node **ret,
              struct err *reterr)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct tree t = {.a = a, .prune = prune};
    int rc;

    buf_init(&scratch, SCRATCH_BYTES);
    json_read_init(&t.r, json, YAML_TREE_DEPTH, &scratch);
    rc = read_value(&t, prune, ret, reterr);
    rc = rc < 0 ? rc : json_read_end(&t.r, reterr);
    vec_done(&t.stack);
    vec_done(&t.pairs);
    return rc;
}

struct str k8s_text(const struct yaml_node *n, ...)
{
    const char *key;
    va_list ap;

    va_start(ap, n);
    while (n != NULL && (key = va_arg(ap, const char *)) != NULL) {
        n = yaml_get(n, str_cstr(key));
    }
    va_end(ap);
    return n != NULL && n->kind == YAML_SCALAR && !yaml_is_null(n) ? n->text : str_of("", 0);
}

void k8s_object_free(struct k8s_object *o)
{
    if (o != NULL) {
        arena_done(&o->a);
        mem_free(o);
    }
}

int k8s_object_parse(struct str json, struct k8s_object **ret, struct err *reterr)
{
    struct k8s_object *o = mem_try_calloc(1, sizeof(*o));
    struct str name;
    struct str ns;
    int rc;

    if (o == NULL) {
        return nomem(reterr);
    }
    arena_init(&o->a, OBJECT_BYTES);
    rc = json_tree(json, true, &o->a, &o->root, reterr);
    if (rc < 0) {
        k8s_object_free(o);
        return rc;
    }
    name = k8s_text(o->root, "metadata", "name", NULL);
    ns = k8s_text(o->root, "metadata", "namespace", NULL);
    o->key = ns.n != 0 ? arena_printf(&o->a, "%.*s/%.*s", STR_ARG(ns), STR_ARG(name))
                       : arena_printf(&o->a, "%.*s", STR_ARG(name));
    if (o->key.p == NULL) {
        k8s_object_free(o);
        return nomem(reterr);
    }
    *ret = o;
    return 0;
}
