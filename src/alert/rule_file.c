/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML to rules with libyaml's document tree, walked along the fixed shape of a rule file: no recursion, so
 * that no alias can loop. Every unknown field is an error at its place.
 */
#include "alert/rule_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/err.h"
#include "query/promql/gotext.h"

enum {
    FILE_MAX_BYTES = 16 << 20,
    ARENA_MAX_BYTES = 64 << 20,
    LABELS_MAX = 256,
    RULES_MAX = 100000
};

struct reader {
    const char *name;
    const struct rule_defaults *defaults;
    yaml_document_t doc;
    struct rule_file *out;
    struct err *reterr;
};

static int fail(const struct reader *r, const yaml_node_t *n, const char *text)
{
    return err_set(r->reterr, ERR_INVALID, "%s:%zu:%zu: %s", r->name, n->start_mark.line + 1,
                   n->start_mark.column + 1, text);
}

PRINTF_LIKE(3, 4)

static int failf(const struct reader *r, const yaml_node_t *n, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fail(r, n, text);
}

static int no_memory(const struct reader *r)
{
    return err_set(r->reterr, ERR_NOMEM, "%s: out of memory", r->name);
}

static const yaml_node_t *node_at(struct reader *r, int index)
{
    return yaml_document_get_node(&r->doc, index);
}

static struct str scalar(const yaml_node_t *n)
{
    return str_of((const char *)n->data.scalar.value, n->data.scalar.length);
}

/** A value that must be text; a null is empty. */
static int text_of(struct reader *r, const yaml_node_t *n, struct str *ret)
{
    struct str s;

    if (n->type != YAML_SCALAR_NODE) {
        return fail(r, n, "a text is expected here");
    }
    s = scalar(n);
    if (n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        (str_eq(s, STR("~")) || str_eq(s, STR("null")))) {
        s = STR("");
    }
    *ret = arena_str_dup(&r->out->arena, s);
    return ret->p == NULL && s.n != 0 ? no_memory(r) : 0;
}

static int duration_of(struct reader *r, const yaml_node_t *n, int64_t *ret)
{
    struct str s = {0};
    int rc = text_of(r, n, &s);

    if (rc != 0) {
        return rc;
    }
    if (str_eq(s, STR("0"))) {
        *ret = 0;
        return 0;
    }
    if (s.n == 0 || !str_to_duration_ms(s, ret) || *ret < 0 ||
        (s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9')) {
        return failf(r, n, "not a valid duration string: \"%.*s\"", STR_ARG(s));
    }
    return 0;
}

/** Call `fn` for every pair of a mapping. */
static int each_pair(struct reader *r, const yaml_node_t *n, void *arg,
                     int (*fn)(struct reader *r, void *arg, const yaml_node_t *key,
                               const yaml_node_t *value))
{
    if (n->type != YAML_MAPPING_NODE) {
        return fail(r, n, "a mapping is expected here");
    }
    for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = node_at(r, p->key);
        int rc;

        if (key->type != YAML_SCALAR_NODE) {
            return fail(r, key, "a name is expected here");
        }
        for (const yaml_node_pair_t *q = n->data.mapping.pairs.start; q < p; q++) {
            if (str_eq(scalar(node_at(r, q->key)), scalar(key))) {
                return failf(r, key, "mapping key \"%.*s\" already defined", STR_ARG(scalar(key)));
            }
        }
        rc = fn(r, arg, key, node_at(r, p->value));
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* --- Labels and annotations --- */

struct pairs {
    struct label v[LABELS_MAX];
    size_t n;
    bool annotations;
};

static int add_pair(struct reader *r, void *arg, const yaml_node_t *key, const yaml_node_t *value)
{
    struct pairs *p = arg;
    struct label *l = &p->v[p->n];
    int rc = text_of(r, key, &l->name);

    rc = rc != 0 ? rc : text_of(r, value, &l->value);
    if (rc != 0) {
        return rc;
    }
    if (l->name.n == 0 || !str_is_utf8(l->name) ||
        (!p->annotations && str_eq(l->name, STR(LABEL_NAME)))) {
        return failf(r, key, "invalid %s name: %.*s", p->annotations ? "annotation" : "label",
                     STR_ARG(l->name));
    }
    if (!str_is_utf8(l->value)) {
        return failf(r, value, "invalid label value: %.*s", STR_ARG(l->value));
    }
    if (++p->n == LABELS_MAX) {
        return failf(r, key, "more than %d labels", LABELS_MAX - 1);
    }
    return 0;
}

static int pairs_of(struct reader *r, const yaml_node_t *n, bool annotations, struct labels *ret)
{
    struct pairs *p = mem_try_calloc(1, sizeof(*p));
    int rc;

    if (p == NULL) {
        return no_memory(r);
    }
    p->annotations = annotations;
    rc = each_pair(r, n, p, add_pair);
    if (rc == 0) {
        ignore_result(labels_normalize(p->v, &p->n), "keys of a mapping are unique");
        rc = labels_dup((struct labels){p->v, p->n}, &r->out->arena, ret) != 0 ? no_memory(r) : 0;
    }
    mem_free(p);
    return rc;
}

/** Labels of the group under those of the rule. */
static int join_labels(struct reader *r, struct labels group, struct labels *rule)
{
    struct label *v = arena_array(&r->out->arena, struct label, group.n + rule->n + 1);
    size_t n = 0;

    if (v == NULL) {
        return no_memory(r);
    }
    for (size_t i = 0; i < rule->n; i++) {
        v[n++] = rule->v[i];
    }
    for (size_t i = 0; i < group.n; i++) {
        if (labels_get(*rule, group.v[i].name).n == 0) {
            v[n++] = group.v[i];
        }
    }
    if (!labels_normalize(v, &n)) {
        return no_memory(r);
    }
    *rule = (struct labels){v, n};
    return 0;
}

/* --- Rules --- */

struct rule_nodes {
    const yaml_node_t *record, *alert, *expr, *for_, *keep, *labels, *annotations;
};

static int rule_field(struct reader *r, void *arg, const yaml_node_t *key, const yaml_node_t *value)
{
    struct rule_nodes *f = arg;

    const struct {
        const char *name;
        const yaml_node_t **dst;
    } fields[] = {{"record", &f->record},
                  {"alert", &f->alert},
                  {"expr", &f->expr},
                  {"for", &f->for_},
                  {"labels", &f->labels},
                  {"keep_firing_for", &f->keep},
                  {"annotations", &f->annotations}};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (str_eq(scalar(key), str_cstr(fields[i].name))) {
            *fields[i].dst = value;
            return 0;
        }
    }
    return failf(r, key, "field %.*s not found in a rule", STR_ARG(scalar(key)));
}

/** Checks *expr and puts its canonical form in its place. */
static int check_expr(struct reader *r, const yaml_node_t *at, struct str *expr)
{
    struct buf text CLEANUP(buf_done) = {0};
    struct err e = {0};

    buf_init(&text, 16 << 20);
    if (promql_canonical(*expr, r->defaults->syntax, &text, &e) != 0) {
        return failf(r, at, "could not parse expression: %s", e.msg);
    }
    *expr = arena_str_dup(&r->out->arena, buf_str(&text));
    return expr->p == NULL ? no_memory(r) : 0;
}

static bool is_empty(const yaml_node_t *n)
{
    return n == NULL || (n->type == YAML_SCALAR_NODE && scalar(n).n == 0);
}

static int rule_name(struct reader *r, const yaml_node_t *at, const struct rule_nodes *f,
                     struct rule *ret)
{
    int rc;

    if (!is_empty(f->record) && !is_empty(f->alert)) {
        return fail(r, at, "only one of 'record' and 'alert' must be set");
    }
    if (is_empty(f->record) && is_empty(f->alert)) {
        return fail(r, at, "one of 'record' or 'alert' must be set");
    }
    ret->alerting = !is_empty(f->alert);
    rc = text_of(r, ret->alerting ? f->alert : f->record, &ret->name);
    if (rc != 0 || ret->alerting) {
        return rc;
    }
    if (!str_is_utf8(ret->name)) {
        return failf(r, f->record, "invalid recording rule name: %.*s", STR_ARG(ret->name));
    }
    if (str_find_byte(ret->name, '{') >= 0 || str_find_byte(ret->name, '}') >= 0) {
        return failf(r, f->record,
                     "braces present in the recording rule name; should it be in expr?: %.*s",
                     STR_ARG(ret->name));
    }
    return f->annotations != NULL
               ? fail(r, f->annotations, "invalid field 'annotations' in recording rule")
           : f->for_ != NULL ? fail(r, f->for_, "invalid field 'for' in recording rule")
           : f->keep != NULL ? fail(r, f->keep, "invalid field 'keep_firing_for' in recording rule")
                             : 0;
}

static int read_rule(struct reader *r, const yaml_node_t *n, struct labels group, struct rule *ret)
{
    struct rule_nodes f = {0};
    int rc = each_pair(r, n, &f, rule_field);

    rc = rc != 0 ? rc : rule_name(r, n, &f, ret);
    if (rc == 0 && is_empty(f.expr)) {
        rc = fail(r, n, "field 'expr' must be set in rule");
    }
    rc = rc != 0 ? rc : text_of(r, f.expr, &ret->expr);
    rc = rc != 0 ? rc : check_expr(r, f.expr, &ret->expr);
    rc = rc != 0 || f.for_ == NULL ? rc : duration_of(r, f.for_, &ret->for_ms);
    rc = rc != 0 || f.keep == NULL ? rc : duration_of(r, f.keep, &ret->keep_firing_for_ms);
    rc = rc != 0 || f.labels == NULL ? rc : pairs_of(r, f.labels, false, &ret->labels);
    rc =
        rc != 0 || f.annotations == NULL ? rc : pairs_of(r, f.annotations, true, &ret->annotations);
    ret->line = (unsigned)n->start_mark.line + 1;
    return rc != 0 ? rc : join_labels(r, group, &ret->labels);
}

/* --- Groups --- */

struct group_nodes {
    const yaml_node_t *name, *interval, *offset, *limit, *labels, *rules;
};

static int group_field(struct reader *r, void *arg, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    struct group_nodes *f = arg;

    const struct {
        const char *name;
        const yaml_node_t **dst;
    } fields[] = {{"name", &f->name},           {"interval", &f->interval}, {"limit", &f->limit},
                  {"query_offset", &f->offset}, {"labels", &f->labels},     {"rules", &f->rules}};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (str_eq(scalar(key), str_cstr(fields[i].name))) {
            *fields[i].dst = value;
            return 0;
        }
    }
    return failf(r, key, "field %.*s not found in a group", STR_ARG(scalar(key)));
}

static int read_rules(struct reader *r, const yaml_node_t *list, struct labels labels,
                      struct rule_group *g)
{
    size_t n;
    int rc = 0;

    if (list->type == YAML_SCALAR_NODE && scalar(list).n == 0) {
        return 0;
    }
    if (list->type != YAML_SEQUENCE_NODE) {
        return fail(r, list, "a list of rules is expected here");
    }
    n = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    if (n > RULES_MAX) {
        return failf(r, list, "more than %d rules in a group", RULES_MAX);
    }
    g->rules = arena_calloc(&r->out->arena, n + 1, sizeof(*g->rules));
    if (g->rules == NULL) {
        return no_memory(r);
    }
    for (; rc == 0 && g->n < n; g->n++) {
        rc = read_rule(r, node_at(r, list->data.sequence.items.start[g->n]), labels,
                       &g->rules[g->n]);
        if (rc == -ERR_INVALID) {
            const struct rule *bad = &g->rules[g->n];

            if (bad->name.n != 0) { /* the place leads, the rule follows */
                char was[sizeof(r->reterr->msg)];

                if (r->reterr != NULL) {
                    snprintf(was, sizeof(was), "%s", r->reterr->msg);
                    return err_set(r->reterr, ERR_INVALID,
                                   "%s (group \"%.*s\", rule %zu, \"%.*s\")", was, STR_ARG(g->name),
                                   g->n + 1, STR_ARG(bad->name));
                }
            }
        }
    }
    return rc;
}

static int limit_of(struct reader *r, const yaml_node_t *n, int64_t *ret)
{
    struct str s = {0};
    int rc = text_of(r, n, &s);

    if (rc == 0 && (!str_to_i64(s, ret) || *ret < 0)) {
        rc = failf(r, n, "limit \"%.*s\" is not a number from 0 on", STR_ARG(s));
    }
    return rc;
}

static int read_group(struct reader *r, const yaml_node_t *n, struct rule_group *ret)
{
    struct group_nodes f = {0};
    struct labels labels = {0};
    int rc = each_pair(r, n, &f, group_field);

    if (rc != 0) {
        return rc;
    }
    if (is_empty(f.name)) {
        return fail(r, n, "Groupname must not be empty");
    }
    rc = text_of(r, f.name, &ret->name);
    rc = rc != 0 || f.interval == NULL ? rc : duration_of(r, f.interval, &ret->interval_ms);
    rc = rc != 0 || f.offset == NULL ? rc : duration_of(r, f.offset, &ret->offset_ms);
    rc = rc != 0 || f.limit == NULL ? rc : limit_of(r, f.limit, &ret->limit);
    rc = rc != 0 || f.labels == NULL ? rc : pairs_of(r, f.labels, false, &labels);
    if (ret->interval_ms == 0) {
        ret->interval_ms = r->defaults->interval_ms;
    }
    for (size_t i = 0; rc == 0 && i < r->out->n; i++) {
        if (str_eq(r->out->groups[i].name, ret->name)) {
            rc =
                failf(r, n, "groupname: \"%.*s\" is repeated in the same file", STR_ARG(ret->name));
        }
    }
    return rc != 0 || f.rules == NULL ? rc : read_rules(r, f.rules, labels, ret);
}

static int top_field(struct reader *r, void *arg, const yaml_node_t *key, const yaml_node_t *value)
{
    struct str file = arena_str_dup(&r->out->arena, str_cstr(r->name));
    int rc = 0;
    size_t n;

    (void)arg;
    if (!str_eq(scalar(key), STR("groups"))) {
        return failf(r, key, "field %.*s not found in a rule file", STR_ARG(scalar(key)));
    }
    if (value->type == YAML_SCALAR_NODE && scalar(value).n == 0) {
        return 0;
    }
    if (value->type != YAML_SEQUENCE_NODE) {
        return fail(r, value, "a list of groups is expected here");
    }
    n = (size_t)(value->data.sequence.items.top - value->data.sequence.items.start);
    r->out->groups = arena_calloc(&r->out->arena, n + 1, sizeof(*r->out->groups));
    if (r->out->groups == NULL || file.p == NULL) {
        return no_memory(r);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct rule_group *g = &r->out->groups[r->out->n];

        g->file = file;
        rc = read_group(r, node_at(r, value->data.sequence.items.start[i]), g);
        r->out->n += rc == 0;
    }
    return rc;
}

static int read_document(struct reader *r, struct str text)
{
    yaml_parser_t parser;
    const yaml_node_t *root;
    int rc = 0;

    if (!yaml_parser_initialize(&parser)) {
        return no_memory(r);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    if (!yaml_parser_load(&parser, &r->doc)) {
        rc = err_set(r->reterr, ERR_INVALID, "%s:%zu:%zu: %s", r->name,
                     parser.problem_mark.line + 1, parser.problem_mark.column + 1,
                     parser.problem != NULL ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return rc;
    }
    root = yaml_document_get_root_node(&r->doc);
    if (root != NULL && !(root->type == YAML_SCALAR_NODE && scalar(root).n == 0)) {
        rc = each_pair(r, root, NULL, top_field);
    }
    yaml_document_delete(&r->doc);
    yaml_parser_delete(&parser);
    return rc;
}

int rule_file_parse(struct str text, const char *name, const struct rule_defaults *defaults,
                    struct rule_file *ret, struct err *reterr)
{
    struct reader r = {.name = name, .defaults = defaults, .out = ret, .reterr = reterr};

    *ret = (struct rule_file){0};
    arena_init(&ret->arena, ARENA_MAX_BYTES);
    if (text.n > FILE_MAX_BYTES) {
        return err_set(reterr, ERR_INVALID, "%s: larger than %d bytes", name, FILE_MAX_BYTES);
    }
    return read_document(&r, text);
}

int rule_file_load(const char *path, const struct rule_defaults *defaults, struct rule_file *ret,
                   struct err *reterr)
{
    struct buf text CLEANUP(buf_done) = {0};
    FILE *f = fopen(path, "re");
    char chunk[8192];
    size_t n;

    *ret = (struct rule_file){0};
    if (f == NULL) {
        return err_set(reterr, ERR_IO, "%s: cannot be opened", path);
    }
    buf_init(&text, FILE_MAX_BYTES + 1);
    while (!text.failed && (n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_add(&text, chunk, n);
    }
    if (ferror(f) || text.failed) {
        fclose(f);
        return err_set(reterr, ERR_IO, "%s: cannot be read, or larger than %d bytes", path,
                       FILE_MAX_BYTES);
    }
    fclose(f);
    return rule_file_parse(buf_str(&text), path, defaults, ret, reterr);
}

void rule_file_done(struct rule_file *f)
{
    arena_done(&f->arena);
    *f = (struct rule_file){0};
}
