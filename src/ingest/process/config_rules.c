/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions, and the sections "attributes", "drop" and "derive".
 */
#include "codec/utf8.h"
#include "ingest/process/config_internal.h"

static int read_when_attrs(struct cfg *c, const struct yaml_node *map, const char *key,
                           struct when *w, size_t *at)
{
    const struct yaml_node *v = yaml_get(map, str_cstr(key));
    const bool regex = str_eq(str_cstr(key), STR("attribute_regex"));
    int rc = 0;

    if (v == NULL || yaml_is_null(v)) {
        return 0;
    }
    if (v->kind != YAML_MAP) {
        return cfg_fail(c, v->line, key, "must be a mapping of attribute to value");
    }
    for (size_t i = 0; rc == 0 && i < v->n; i++) {
        struct when_attr *a = &w->attrs[(*at)++];

        a->key = v->map[i].key;
        if (regex) {
            rc = cfg_pattern(c, v->map[i].value, key, &a->regex);
        } else if (v->map[i].value->kind != YAML_SCALAR) {
            rc = cfg_fail(c, v->map[i].line, key, "value must be a text");
        } else {
            a->equals = v->map[i].value->text;
        }
    }
    return rc;
}

static int read_severity(struct cfg *c, const struct yaml_node *map, const char *key, int shift,
                         uint8_t *ret)
{
    struct str text = {0};
    enum severity_level level = SEVERITY_UNSET;
    int rc = cfg_str(c, map, key, &text);

    if (rc < 0 || text.n == 0) {
        return rc;
    }
    if (!severity_level_parse(text, &level) || level == SEVERITY_UNSET) {
        return cfg_fail(c, map->line, key, "must be trace, debug, info, warn, error or fatal");
    }
    *ret = (uint8_t)((int)(level - 1) * 4 + 1 + shift);
    return 0;
}

int cfg_when(struct cfg *c, const struct yaml_node *map, struct when *ret)
{
    static const char *const KEYS[] = {
        "signals", "service",           "span",           "attribute", "attribute_regex",
        "has",     "severity_at_least", "severity_below", "body",      NULL};
    const struct yaml_node *w = yaml_get(map, STR("when"));
    const struct yaml_node *body;
    struct globs has = {0};
    size_t at = 0;
    int rc;

    ret->signals = SIGNAL_BOTH;
    if (w == NULL || yaml_is_null(w)) {
        return 0;
    }
    rc = cfg_map(c, w, "when", KEYS);
    rc = rc < 0 ? rc : cfg_signals(c, w, &ret->signals);
    rc = rc < 0 ? rc : cfg_globs(c, w, "service", &ret->services);
    rc = rc < 0 ? rc : cfg_globs(c, w, "span", &ret->spans);
    rc = rc < 0 ? rc : cfg_globs(c, w, "has", &has);
    if (rc < 0) {
        return rc;
    }
    ret->attrs = arena_calloc(&c->p->arena, w->weight + 1, sizeof(*ret->attrs));
    if (ret->attrs == NULL) {
        return cfg_nomem(c);
    }
    for (size_t i = 0; i < has.n; i++) {
        ret->attrs[at++] = (struct when_attr){.key = has.v[i], .exists_only = true};
    }
    rc = read_when_attrs(c, w, "attribute", ret, &at);
    rc = rc < 0 ? rc : read_when_attrs(c, w, "attribute_regex", ret, &at);
    rc = rc < 0 ? rc : read_severity(c, w, "severity_at_least", 0, &ret->severity_min);
    rc = rc < 0 ? rc : read_severity(c, w, "severity_below", -1, &ret->severity_max);
    body = yaml_get(w, STR("body"));
    if (rc == 0 && body != NULL) {
        rc = cfg_pattern(c, body, "body", &ret->body);
    }
    ret->attrs_n = at;
    ret->set = w->n > (yaml_get(w, STR("signals")) != NULL ? 1u : 0u);
    return rc;
}

/* ---- attributes ---- */

static int read_pairs(struct cfg *c, const struct yaml_node *v, const char *key,
                      struct attr_rule *r)
{
    if (v->kind != YAML_MAP || v->n == 0) {
        return cfg_fail(c, v->line, key, "must be a mapping");
    }
    r->pairs = arena_calloc(&c->p->arena, v->n, sizeof(*r->pairs));
    if (r->pairs == NULL) {
        return cfg_nomem(c);
    }
    for (size_t i = 0; i < v->n; i++) {
        const struct yaml_node *value = v->map[i].value;
        struct attr *a = &r->pairs[i];

        if (value->kind != YAML_SCALAR || v->map[i].key.n == 0 ||
            (r->op == ATTR_RENAME && value->text.n == 0)) {
            return cfg_fail(c, v->map[i].line, key, "must map names to texts");
        }
        a->key = v->map[i].key;
        a->value = (struct value){.type = VALUE_STR, .u.s = value->text};
        if (r->op != ATTR_RENAME && value->plain) {
            if (str_to_i64(value->text, &a->value.u.i)) {
                a->value.type = VALUE_I64;
            } else if (str_eq(value->text, STR("true")) || str_eq(value->text, STR("false"))) {
                a->value.type = VALUE_BOOL;
                a->value.u.b = value->text.n == 4;
            } else {
                a->value.u.s = value->text;
            }
        }
    }
    r->pairs_n = v->n;
    return 0;
}

static int read_truncate(struct cfg *c, const struct yaml_node *v, struct attr_rule *r)
{
    static const char *const KEYS[] = {"attributes", "bytes", NULL};
    uint64_t bytes = 0;
    int rc = cfg_map(c, v, "truncate", KEYS);

    rc = rc < 0 ? rc : cfg_globs(c, v, "attributes", &r->keys);
    rc = rc < 0 ? rc : cfg_bytes(c, v, "bytes", 1, 1 << 20, &bytes);
    if (rc == 0 && (bytes == 0 || r->keys.n == 0)) {
        rc = cfg_fail(c, v->line, "truncate", "needs attributes and bytes");
    }
    r->max_bytes = (size_t)bytes;
    return rc;
}

static const char *const OPS[] = {"drop", "keep_only", "rename", "set", "add", "hash", "truncate"};

static int read_op(struct cfg *c, const struct yaml_node *map, struct attr_rule *r)
{
    const struct yaml_node *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(OPS); i++) {
        const struct yaml_node *v = yaml_get(map, str_cstr(OPS[i]));

        if (v != NULL && found != NULL) {
            return cfg_fail(c, v->line, OPS[i], "one rule does one thing; make two of it");
        }
        if (v != NULL) {
            found = v;
            r->op = (enum attr_op)i;
        }
    }
    if (found == NULL) {
        return cfg_fail(c, map->line, "rule",
                        "one of drop, keep_only, rename, set, add, hash, truncate is needed");
    }
    switch (r->op) {
    case ATTR_DROP:
    case ATTR_KEEP_ONLY:
    case ATTR_HASH:
        return yaml_is_null(found) ? cfg_fail(c, found->line, OPS[r->op], "must name attributes")
                                   : cfg_globs(c, map, OPS[r->op], &r->keys);
    case ATTR_TRUNCATE:
        return read_truncate(c, found, r);
    default:
        return read_pairs(c, found, OPS[r->op], r);
    }
}

static int read_on(struct cfg *c, const struct yaml_node *map, enum attr_scope *ret)
{
    struct str on = STR("record");
    int rc = cfg_str(c, map, "on", &on);

    if (rc < 0) {
        return rc;
    }
    if (str_eq(on, STR("record"))) {
        *ret = ON_RECORD;
    } else if (str_eq(on, STR("resource"))) {
        *ret = ON_RESOURCE;
    } else if (str_eq(on, STR("scope"))) {
        *ret = ON_SCOPE;
    } else {
        return cfg_fail(c, map->line, "on", "must be record, resource or scope");
    }
    return 0;
}

int cfg_attributes(struct cfg *c, const struct yaml_node *root)
{
    static const char *const KEYS[] = {"name", "when", "on",   "drop",     "keep_only", "rename",
                                       "set",  "add",  "hash", "truncate", NULL};
    static const char *const ON[] = {"record", "resource", "scope"};
    const struct yaml_node *list;
    void *v = NULL;
    int rc;

    c->section = "attributes";
    c->rule = STR("");
    rc = cfg_list(c, root, "attributes", sizeof(struct attr_rule), &list, &v);
    c->p->attrs = v;
    if (rc == 0 && list != NULL && list->n > ATTR_RULES_MAX) {
        return cfg_fail(c, list->line, "", "more than %d rules", ATTR_RULES_MAX);
    }
    for (size_t i = 0; rc == 0 && list != NULL && i < list->n; i++) {
        struct attr_rule *r = &c->p->attrs[i];

        c->rule = STR("");
        rc = cfg_map(c, list->seq[i], "rule", KEYS);
        rc = rc < 0 ? rc : cfg_rule(c, list->seq[i], SECTION_ATTRIBUTES, STR(""), &r->id);
        rc = rc < 0 ? rc : cfg_when(c, list->seq[i], &r->when);
        rc = rc < 0 ? rc : read_on(c, list->seq[i], &r->on);
        rc = rc < 0 ? rc : read_op(c, list->seq[i], r);
        if (rc == 0) {
            cfg_what(c, r->id, "%s on %s", OPS[r->op], ON[r->on]);
            c->p->attrs_n++;
        }
    }
    c->rule = STR("");
    return rc;
}

/* ---- drop ---- */

int cfg_drop(struct cfg *c, const struct yaml_node *root)
{
    static const char *const KEYS[] = {"name", "when", NULL};
    const struct yaml_node *list;
    void *v = NULL;
    int rc;

    c->section = "drop";
    c->rule = STR("");
    rc = cfg_list(c, root, "drop", sizeof(struct drop_rule), &list, &v);
    c->p->drops = v;
    for (size_t i = 0; rc == 0 && list != NULL && i < list->n; i++) {
        struct drop_rule *r = &c->p->drops[i];

        c->rule = STR("");
        rc = cfg_map(c, list->seq[i], "rule", KEYS);
        rc = rc < 0 ? rc : cfg_rule(c, list->seq[i], SECTION_DROP, STR(""), &r->id);
        rc = rc < 0 ? rc : cfg_when(c, list->seq[i], &r->when);
        if (rc == 0 && !r->when.set) {
            rc = cfg_fail(c, list->seq[i]->line, "when",
                          "needs a condition besides signals: everything would go");
        }
        if (rc == 0) {
            cfg_what(c, r->id, "drops rows");
            c->p->drops_n++;
        }
    }
    c->rule = STR("");
    return rc;
}

/* ---- derive ---- */

static int read_fields(struct cfg *c, const struct yaml_node *v, const char *key,
                       struct derive_rule *r)
{
    if (v->kind != YAML_MAP || v->n == 0) {
        return cfg_fail(c, v->line, key, "must map what is found to names of attributes");
    }
    r->fields = arena_calloc(&c->p->arena, v->n, sizeof(*r->fields));
    if (r->fields == NULL) {
        return cfg_nomem(c);
    }
    for (size_t i = 0; i < v->n; i++) {
        const struct yaml_node *to = v->map[i].value;

        if (to->kind != YAML_SCALAR || to->text.n == 0 || v->map[i].key.n == 0) {
            return cfg_fail(c, v->map[i].line, key, "the attribute's name must be a text");
        }
        if (r->source == DERIVE_REGEX && pattern_group_index(r->pattern, v->map[i].key) < 0) {
            return cfg_fail(c, v->map[i].line, key, "\"%.*s\" is no group of regex",
                            STR_ARG(utf8_cut(v->map[i].key, 40)));
        }
        r->fields[i] = (struct derive_field){v->map[i].key, to->text};
    }
    r->fields_n = v->n;
    return 0;
}

/* Without a mapping every named group becomes the attribute of its name. */
static int fields_of_groups(struct cfg *c, uint32_t line, struct derive_rule *r)
{
    r->fields = arena_calloc(&c->p->arena, PATTERN_GROUPS_MAX, sizeof(*r->fields));
    if (r->fields == NULL) {
        return cfg_nomem(c);
    }
    for (size_t i = 1; i < pattern_groups(r->pattern); i++) {
        struct str name = pattern_group_name(r->pattern, i);

        if (name.n != 0) {
            r->fields[r->fields_n++] = (struct derive_field){name, name};
        }
    }
    return r->fields_n != 0 ? 0 : cfg_fail(c, line, "regex", "has no named group");
}

static int read_source(struct cfg *c, const struct yaml_node *map, struct derive_rule *r)
{
    static const char *const SOURCES[] = {"regex", "json", "logfmt", "trace_id"};
    const struct yaml_node *found = NULL;
    const struct yaml_node *fields = yaml_get(map, STR("fields"));
    bool on = false;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(SOURCES); i++) {
        const struct yaml_node *v = yaml_get(map, str_cstr(SOURCES[i]));

        if (v != NULL && found != NULL) {
            return cfg_fail(c, v->line, SOURCES[i], "one rule has one source; make two of it");
        }
        if (v != NULL) {
            found = v;
            r->source = (enum derive_source)i;
        }
    }
    if (found == NULL) {
        return cfg_fail(c, map->line, "rule", "one of regex, json, logfmt, trace_id is needed");
    }
    if (fields != NULL && r->source != DERIVE_REGEX) {
        return cfg_fail(c, fields->line, "fields", "goes with regex only");
    }
    switch (r->source) {
    case DERIVE_REGEX:
        rc = cfg_pattern(c, found, "regex", &r->pattern);
        if (rc < 0) {
            return rc;
        }
        return fields != NULL ? read_fields(c, fields, "fields", r)
                              : fields_of_groups(c, found->line, r);
    case DERIVE_TRACE_ID:
        return yaml_to_bool(found, &on) && on
                   ? 0
                   : cfg_fail(c, found->line, "trace_id", "must be true");
    default:
        return read_fields(c, found, SOURCES[r->source], r);
    }
}

int cfg_derive(struct cfg *c, const struct yaml_node *root)
{
    static const char *const KEYS[] = {"name", "when",   "regex",    "fields",
                                       "json", "logfmt", "trace_id", NULL};
    static const char *const WHAT[] = {"regex", "json", "logfmt", "trace id"};
    const struct yaml_node *list;
    void *v = NULL;
    int rc;

    c->section = "derive";
    c->rule = STR("");
    rc = cfg_list(c, root, "derive", sizeof(struct derive_rule), &list, &v);
    c->p->derives = v;
    for (size_t i = 0; rc == 0 && list != NULL && i < list->n; i++) {
        struct derive_rule *r = &c->p->derives[i];

        c->rule = STR("");
        rc = cfg_map(c, list->seq[i], "rule", KEYS);
        rc = rc < 0 ? rc : cfg_rule(c, list->seq[i], SECTION_DERIVE, STR(""), &r->id);
        rc = rc < 0 ? rc : cfg_when(c, list->seq[i], &r->when);
        rc = rc < 0 ? rc : read_source(c, list->seq[i], r);
        if (rc == 0) {
            cfg_what(c, r->id, "from %s", WHAT[r->source]);
            c->p->derives_n++;
        }
    }
    c->rule = STR("");
    return rc;
}
