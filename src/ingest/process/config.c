/* SPDX-License-Identifier: Apache-2.0
 *
 * The reading helpers and the frame: sections in order, then what can be known only when all rules are.
 */
#include <stdarg.h>
#include <stdio.h>

#include "codec/utf8.h"
#include "ingest/process/config_internal.h"

static const char *const SECTIONS[SECTION_COUNT] = {"derive", "attributes", "drop", "redaction",
                                                    "sampling"};

const char *process_section_name(enum process_section s)
{
    return s < SECTION_COUNT ? SECTIONS[s] : "";
}

int cfg_fail(struct cfg *c, uint32_t line, const char *key, const char *fmt, ...)
{
    char text[200];
    struct str cut;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cut = utf8_cut(str_cstr(text),
                   sizeof(text) - 4); /* what was cut off may end inside a character */
    if (c->rule.n != 0) {
        return err_set(c->e, ERR_INVALID, "%s:%u: %s \"%.*s\": %s: %.*s", c->file, line, c->section,
                       STR_ARG(c->rule), key, STR_ARG(cut));
    }
    if (c->section[0] == '\0' && key[0] == '\0') {
        return err_set(c->e, ERR_INVALID, "%s:%u: %.*s", c->file, line, STR_ARG(cut));
    }
    return err_set(c->e, ERR_INVALID, "%s:%u: %s%s%s: %.*s", c->file, line, c->section,
                   c->section[0] != '\0' && key[0] != '\0' ? "." : "", key, STR_ARG(cut));
}

int cfg_nomem(struct cfg *c)
{
    return err_set(c->e, ERR_NOMEM, "%s: the rules are too large", c->file);
}

int cfg_map(struct cfg *c, const struct yaml_node *node, const char *what, const char *const *keys)
{
    if (node->kind != YAML_MAP) {
        return cfg_fail(c, node->line, what, "must be a mapping");
    }
    for (size_t i = 0; i < node->n; i++) {
        bool known = false;

        for (size_t k = 0; keys[k] != NULL && !known; k++) {
            known = str_eq(node->map[i].key, str_cstr(keys[k]));
        }
        if (!known) {
            return cfg_fail(c, node->map[i].line, what, "unknown key \"%.*s\"",
                            STR_ARG(utf8_cut(node->map[i].key, 60)));
        }
    }
    return 0;
}

static const struct yaml_node *member(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *v = yaml_get(map, str_cstr(key));

    return v == NULL || yaml_is_null(v) ? NULL : v;
}

int cfg_str(struct cfg *c, const struct yaml_node *map, const char *key, struct str *ret)
{
    const struct yaml_node *v = member(map, key);

    if (v == NULL) {
        return 0;
    }
    if (v->kind != YAML_SCALAR) {
        return cfg_fail(c, v->line, key, "must be a text");
    }
    *ret = v->text;
    return 0;
}

int cfg_bool(struct cfg *c, const struct yaml_node *map, const char *key, bool *ret)
{
    const struct yaml_node *v = member(map, key);

    if (v != NULL && !yaml_to_bool(v, ret)) {
        return cfg_fail(c, v->line, key, "must be true or false");
    }
    return 0;
}

int cfg_duration(struct cfg *c, const struct yaml_node *map, const char *key, int64_t least_ms,
                 int64_t most_ms, int64_t *ret_ms)
{
    const struct yaml_node *v = member(map, key);
    int64_t ms = 0;

    if (v == NULL) {
        return 0;
    }
    if (v->kind != YAML_SCALAR || !str_to_duration_ms(v->text, &ms)) {
        return cfg_fail(c, v->line, key, "must be a duration like 500ms, 10s or 1m");
    }
    if (ms < least_ms || ms > most_ms) {
        return cfg_fail(c, v->line, key, "must be from %lld to %lld ms", (long long)least_ms,
                        (long long)most_ms);
    }
    *ret_ms = ms;
    return 0;
}

int cfg_bytes(struct cfg *c, const struct yaml_node *map, const char *key, uint64_t least,
              uint64_t most, uint64_t *ret)
{
    const struct yaml_node *v = member(map, key);
    uint64_t n = 0;

    if (v == NULL) {
        return 0;
    }
    if (v->kind != YAML_SCALAR || !str_to_bytes(v->text, &n)) {
        return cfg_fail(c, v->line, key, "must be a size like 64KiB or 100MB");
    }
    if (n < least || n > most) {
        return cfg_fail(c, v->line, key, "must be from %llu to %llu bytes",
                        (unsigned long long)least, (unsigned long long)most);
    }
    *ret = n;
    return 0;
}

int cfg_count(struct cfg *c, const struct yaml_node *map, const char *key, uint64_t least,
              uint64_t most, uint64_t *ret)
{
    const struct yaml_node *v = member(map, key);
    uint64_t n = 0;

    if (v == NULL) {
        return 0;
    }
    if (v->kind != YAML_SCALAR || !str_to_u64(v->text, &n) || n < least || n > most) {
        return cfg_fail(c, v->line, key, "must be a whole number from %llu to %llu",
                        (unsigned long long)least, (unsigned long long)most);
    }
    *ret = n;
    return 0;
}

int cfg_number(struct cfg *c, const struct yaml_node *map, const char *key, double least,
               double most, double *ret)
{
    const struct yaml_node *v = member(map, key);
    double n = 0;

    if (v == NULL) {
        return 0;
    }
    if (v->kind != YAML_SCALAR || !str_to_f64(v->text, &n) || !(n >= least && n <= most)) {
        return cfg_fail(c, v->line, key, "must be a number from %g to %g", least, most);
    }
    *ret = n;
    return 0;
}

int cfg_globs(struct cfg *c, const struct yaml_node *map, const char *key, struct globs *ret)
{
    const struct yaml_node *v = member(map, key);
    size_t n;

    if (v == NULL) {
        return 0;
    }
    n = v->kind == YAML_SEQ ? v->n : 1;
    if (v->kind == YAML_MAP || n == 0) {
        return cfg_fail(c, v->line, key, "must be a text or a list of texts");
    }
    ret->v = arena_array(&c->p->arena, struct str, n);
    if (ret->v == NULL) {
        return cfg_nomem(c);
    }
    for (size_t i = 0; i < n; i++) {
        const struct yaml_node *item = v->kind == YAML_SEQ ? v->seq[i] : v;

        if (item->kind != YAML_SCALAR || item->text.n == 0) {
            return cfg_fail(c, item->line, key, "must be a text or a list of texts");
        }
        ret->v[i] = item->text;
    }
    ret->n = n;
    return 0;
}

int cfg_pattern(struct cfg *c, const struct yaml_node *node, const char *key, struct pattern **ret)
{
    struct pattern *p = NULL;
    struct err why = {0};
    int rc;

    if (node->kind != YAML_SCALAR || node->text.n == 0) {
        return cfg_fail(c, node->line, key, "must be a regular expression");
    }
    rc = pattern_new(node->text, &p, &why);
    if (rc < 0) {
        return cfg_fail(c, node->line, key, "%s", why.msg);
    }
    if (!vec_push(&c->p->patterns, p)) {
        pattern_free(p);
        return cfg_nomem(c);
    }
    *ret = p;
    return 0;
}

int cfg_signals(struct cfg *c, const struct yaml_node *map, unsigned *ret)
{
    const struct yaml_node *v = member(map, "signals");
    struct globs names = {0};
    int rc = cfg_globs(c, map, "signals", &names);

    *ret = names.n == 0 ? SIGNAL_BOTH : 0;
    for (size_t i = 0; rc == 0 && i < names.n; i++) {
        if (str_eq(names.v[i], STR("logs"))) {
            *ret |= SIGNAL_LOGS;
        } else if (str_eq(names.v[i], STR("traces"))) {
            *ret |= SIGNAL_TRACES;
        } else {
            rc = cfg_fail(c, v->line, "signals", "must be logs or traces, not \"%.*s\"",
                          STR_ARG(utf8_cut(names.v[i], 40)));
        }
    }
    return rc;
}

int cfg_list(struct cfg *c, const struct yaml_node *root, const char *key, size_t size,
             const struct yaml_node **ret_list, void **ret)
{
    const struct yaml_node *v = member(root, key);

    *ret_list = NULL;
    if (v == NULL) {
        return 0;
    }
    if (v->kind != YAML_SEQ) {
        return cfg_fail(c, v->line, "", "must be a list");
    }
    if (v->n > PROGRAM_RULES_MAX) {
        return cfg_fail(c, v->line, "", "more than %d rules", PROGRAM_RULES_MAX);
    }
    *ret = arena_calloc(&c->p->arena, v->n != 0 ? v->n : 1, size);
    if (*ret == NULL) {
        return cfg_nomem(c);
    }
    *ret_list = v;
    return 0;
}

static bool name_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.')) {
            return false;
        }
    }
    return s.n != 0 && s.n <= 64;
}

int cfg_rule(struct cfg *c, const struct yaml_node *map, enum process_section section,
             struct str fallback, uint32_t *ret_id)
{
    struct program *p = c->p;
    struct str name = fallback;
    char labels[160];
    int rc = cfg_str(c, map, "name", &name);

    if (rc < 0) {
        return rc;
    }
    if (name.n == 0) {
        return cfg_fail(c, map->line, "name", "is missing");
    }
    if (!name_ok(name)) {
        return cfg_fail(c, map->line, "name", "must be 1 to 64 of A-Z a-z 0-9 _ - .");
    }
    for (size_t i = 0; i < p->rules_n; i++) {
        if (p->rules[i].section == section && str_eq(p->rules[i].name, name)) {
            return cfg_fail(c, map->line, "name", "\"%.*s\" is taken by the rule in line %u",
                            STR_ARG(name), p->rules[i].line);
        }
    }
    if (p->rules_n == PROGRAM_RULES_MAX) {
        return cfg_fail(c, map->line, "", "more than %d rules in all", PROGRAM_RULES_MAX);
    }
    c->rule = name;
    snprintf(labels, sizeof(labels), "section=\"%s\",rule=\"%.*s\"", process_section_name(section),
             STR_ARG(name));
    p->rules[p->rules_n] = (struct process_rule){
        .section = section,
        .name = name,
        .line = map->line,
        .matches = stats_counter(c->stats, "bongsu_processing_matches_total", labels,
                                 "What rules of processing found and changed, by rule."),
        .rows = stats_counter(c->stats, "bongsu_processing_rows_total", labels,
                              "Log records and spans a rule of processing had an effect on.")};
    *ret_id = (uint32_t)p->rules_n++;
    return 0;
}

void cfg_what(struct cfg *c, uint32_t id, const char *fmt, ...)
{
    char text[240];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    c->p->rules[id].what = arena_str_dup(&c->p->arena, str_cstr(text));
}

static int read_all(struct cfg *c, const struct yaml_node *root)
{
    static const char *const KEYS[] = {"redaction", "attributes",   "drop", "derive",
                                       "sampling",  "span_metrics", NULL};
    int rc;

    if (yaml_is_null(root)) {
        return 0;
    }
    rc = cfg_map(c, root, "", KEYS);
    rc = rc < 0 ? rc : cfg_derive(c, root);
    rc = rc < 0 ? rc : cfg_attributes(c, root);
    rc = rc < 0 ? rc : cfg_drop(c, root);
    rc = rc < 0 ? rc : cfg_redaction(c, root);
    rc = rc < 0 ? rc : cfg_sampling(c, root);
    return rc < 0 ? rc : cfg_span_metrics(c, root);
}

static void note_touches(struct program *p)
{
    for (unsigned s = 0; s < 2; s++) {
        const unsigned bit = 1u << s;

        for (size_t f = 0; f < REDACT_FIELD_COUNT; f++) {
            redact_plan_make(p, bit, (enum redact_field)f, STR(""), &p->plans[s][f]);
            p->touches[s] |=
                p->plans[s][f].wanted != 0 || p->plans[s][f].custom_n != 0 || p->plans[s][f].keyed;
        }
        for (size_t i = 0; i < p->attrs_n; i++) {
            p->touches[s] |= (p->attrs[i].when.signals & bit) != 0;
        }
        for (size_t i = 0; i < p->drops_n; i++) {
            p->touches[s] |= (p->drops[i].when.signals & bit) != 0;
        }
    }
    p->touches[0] |= p->derives_n != 0;
}

int program_parse(const char *name, struct str yaml, struct stats *stats, struct program **ret,
                  struct err *reterr)
{
    struct program *p;
    const struct yaml_node *root;
    struct cfg c = {.file = name, .stats = stats, .e = reterr, .section = ""};
    int rc;

    if (yaml.n > PROGRAM_BYTES_MAX) {
        return err_set(reterr, ERR_TOO_LARGE, "%s: more than %d bytes", name, PROGRAM_BYTES_MAX);
    }
    p = mem_xcalloc(1, sizeof(*p));
    c.p = p;
    arena_init(&p->arena, 64 << 20);
    p->text = arena_str_dup(&p->arena, yaml);
    p->rules = arena_calloc(&p->arena, PROGRAM_RULES_MAX, sizeof(*p->rules));
    if (p->text.p == NULL || p->rules == NULL) {
        program_free(p);
        return err_set(reterr, ERR_NOMEM, "%s: the rules are too large", name);
    }
    rc = yaml_tree_parse(name, p->text, &p->arena, &root, reterr);
    rc = rc < 0 ? rc : read_all(&c, root);
    if (rc < 0) {
        program_free(p);
        return rc;
    }
    note_touches(p);
    *ret = p;
    return 0;
}

void program_free(struct program *p)
{
    if (p != NULL) {
        for (size_t i = 0; i < p->patterns.n; i++) {
            pattern_free(p->patterns.v[i]);
        }
        vec_done(&p->patterns);
        arena_done(&p->arena);
        mem_free(p);
    }
}
