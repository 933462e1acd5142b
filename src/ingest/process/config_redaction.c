/* SPDX-License-Identifier: Apache-2.0
 *
 * The section "redaction", and the plans made of it: which detector and which expressions are for what part of a row.
 */
#include "codec/utf8.h"
#include "ingest/process/config_internal.h"

static const char *const FIELDS[REDACT_FIELD_COUNT] = {"body", "attributes", "events", "resource",
                                                       "scope"};
static const char *const MODES[] = {"mask", "label", "hash", "drop", "replace"};

static int read_fields(struct cfg *c, const struct yaml_node *map, struct redact_rule *r)
{
    struct globs names = {0};
    const struct yaml_node *at = yaml_get(map, STR("in"));
    int rc = cfg_globs(c, map, "in", &names);

    r->fields = 1u << REDACT_BODY | 1u << REDACT_ATTRS | 1u << REDACT_EVENTS;
    if (rc < 0 || names.n == 0) {
        return rc;
    }
    r->fields = 0;
    for (size_t i = 0; i < names.n; i++) {
        size_t f = 0;

        while (f < REDACT_FIELD_COUNT && !str_eq(names.v[i], str_cstr(FIELDS[f]))) {
            f++;
        }
        if (f == REDACT_FIELD_COUNT) {
            return cfg_fail(c, at->line, "in",
                            "must be of body, attributes, events, resource, scope, not \"%.*s\"",
                            STR_ARG(utf8_cut(names.v[i], 40)));
        }
        r->fields |= 1u << f;
    }
    return 0;
}

static int read_keep(struct cfg *c, const struct yaml_node *map, struct redact_rule *r)
{
    struct globs names = {0};
    const struct yaml_node *at = yaml_get(map, STR("keep"));
    int rc = cfg_globs(c, map, "keep", &names);

    for (size_t i = 0; rc == 0 && i < names.n; i++) {
        int group = r->custom ? pattern_group_index(r->pattern, names.v[i]) : -1;

        if (group < 1) {
            return cfg_fail(c, at->line, "keep", "\"%.*s\" is no group of regex",
                            STR_ARG(utf8_cut(names.v[i], 40)));
        }
        r->keep |= 1u << (unsigned)group;
    }
    return rc;
}

static int read_mode(struct cfg *c, const struct yaml_node *map, struct redact_rule *r)
{
    const struct yaml_node *replacement = yaml_get(map, STR("replacement"));
    const struct yaml_node *label = yaml_get(map, STR("label"));
    struct str mode = {0};
    size_t m = 0;
    int rc = cfg_str(c, map, "mode", &mode);

    rc = rc < 0 ? rc : cfg_str(c, map, "replacement", &r->replacement);
    rc = rc < 0 ? rc : cfg_str(c, map, "label", &r->label);
    if (rc < 0) {
        return rc;
    }
    if (mode.n == 0) {
        mode = str_cstr(replacement != NULL ? "replace" : label != NULL ? "label" : "mask");
    }
    while (m < ARRAY_LEN(MODES) && !str_eq(mode, str_cstr(MODES[m]))) {
        m++;
    }
    if (m == ARRAY_LEN(MODES)) {
        return cfg_fail(c, map->line, "mode", "must be mask, label, hash, drop or replace");
    }
    r->mode = (enum redact_mode)m;
    if ((r->mode == REDACT_REPLACE) != (replacement != NULL)) {
        return cfg_fail(c, map->line, "replacement", "goes with mode replace and needs it");
    }
    if (replacement != NULL && !r->custom) {
        return cfg_fail(c, replacement->line, "replacement", "goes with regex only");
    }
    if (label != NULL && r->mode != REDACT_LABEL) {
        return cfg_fail(c, label->line, "label", "goes with mode label only");
    }
    if (r->label.n > REDACT_LABEL_MAX) {
        return cfg_fail(c, label->line, "label", "is longer than %d bytes", REDACT_LABEL_MAX);
    }
    return 0;
}

static int read_kind(struct cfg *c, const struct yaml_node *map, struct redact_rule *r)
{
    const struct yaml_node *detector = yaml_get(map, STR("detector"));
    const struct yaml_node *regex = yaml_get(map, STR("regex"));

    if ((detector == NULL) == (regex == NULL)) {
        return cfg_fail(c, map->line, "detector", "either detector or regex is needed");
    }
    if (regex != NULL) {
        r->custom = true;
        return 0; /* compiled when the rule has a name */
    }
    if (detector->kind != YAML_SCALAR || !detector_parse(detector->text, &r->detector)) {
        return cfg_fail(c, detector->line, "detector", "unknown detector \"%.*s\"",
                        STR_ARG(utf8_cut(detector->text, 40)));
    }
    return 0;
}

static int read_rule(struct cfg *c, const struct yaml_node *map, struct redact_rule *r)
{
    static const char *const KEYS[] = {"name",  "detector",    "regex", "mode",
                                       "label", "replacement", "keep",  "signals",
                                       "in",    "attributes",  NULL};
    const struct yaml_node *regex;
    int rc = cfg_map(c, map, "rule", KEYS);

    rc = rc < 0 ? rc : read_kind(c, map, r);
    rc = rc < 0 ? rc
                : cfg_rule(c, map, SECTION_REDACTION,
                           r->custom ? STR("") : str_cstr(detector_name(r->detector)), &r->id);
    if (rc == 0 && r->custom) {
        regex = yaml_get(map, STR("regex"));
        rc = cfg_pattern(c, regex, "regex", &r->pattern);
    }
    rc = rc < 0 ? rc : read_mode(c, map, r);
    rc = rc < 0 ? rc : read_fields(c, map, r);
    rc = rc < 0 ? rc : read_keep(c, map, r);
    rc = rc < 0 ? rc : cfg_signals(c, map, &r->signals);
    rc = rc < 0 ? rc : cfg_globs(c, map, "attributes", &r->keys);
    if (rc < 0) {
        return rc;
    }
    if (r->keys.n != 0) {
        r->fields &= ~(1u << REDACT_BODY);
    }
    if (r->label.n == 0) {
        r->label = arena_printf(&c->p->arena, "[%.*s]", STR_ARG(c->p->rules[r->id].name));
    }
    cfg_what(c, r->id, "%s%s, %s", r->custom ? "regex" : "detector ",
             r->custom ? "" : detector_name(r->detector), MODES[r->mode]);
    return 0;
}

int cfg_redaction(struct cfg *c, const struct yaml_node *root)
{
    const struct yaml_node *list;
    void *v = NULL;
    int rc;

    c->section = "redaction";
    c->rule = STR("");
    rc = cfg_list(c, root, "redaction", sizeof(struct redact_rule), &list, &v);
    if (rc < 0 || list == NULL) {
        return rc;
    }
    if (list->n > REDACT_RULES_MAX) {
        return cfg_fail(c, list->line, "", "more than %d rules", REDACT_RULES_MAX);
    }
    c->p->redact = v;
    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        c->rule = STR("");
        rc = read_rule(c, list->seq[i], &c->p->redact[i]);
        c->p->redact_n += rc == 0;
    }
    c->rule = STR("");
    return rc;
}

void redact_plan_make(const struct program *p, unsigned signal, enum redact_field field,
                      struct str key, struct redact_plan *ret)
{
    *ret = (struct redact_plan){0};
    for (size_t i = 0; i < p->redact_n; i++) {
        const struct redact_rule *r = &p->redact[i];

        if ((r->signals & signal) == 0 || (r->fields & 1u << field) == 0) {
            continue;
        }
        if (r->keys.n != 0) {
            ret->keyed = true;
            if (key.n == 0 || !globs_match(r->keys, key)) {
                continue;
            }
        }
        if (r->custom) {
            ret->custom[ret->custom_n++] = (uint8_t)i;
        } else if ((ret->wanted & DETECTOR_BIT(r->detector)) == 0) { /* the first rule counts */
            ret->wanted |= DETECTOR_BIT(r->detector);
            ret->by_detector[r->detector] = (uint8_t)i;
        }
    }
}
