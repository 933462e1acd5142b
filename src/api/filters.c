/* SPDX-License-Identifier: Apache-2.0
 *
 * Filter parameters to a filter tree. Every parameter adds one condition; all must hold.
 */
#include "api/params.h"

#include "base/err.h"

enum { CONDITIONS_MAX = 64, PATTERN_IDS_MAX = 200 };

/* Conditions gathered so far. */
struct gather {
    struct http_exchange *x;
    struct arena *a;
    struct row_filter *out;
    const struct filter *list[CONDITIONS_MAX];
    size_t n;
    struct err *reterr;
};

static int add(struct gather *g, const struct filter *f)
{
    if (f == NULL) {
        return err_set(g->reterr, ERR_NOMEM, "filter: out of memory");
    }
    if (g->n == CONDITIONS_MAX) {
        return err_set(g->reterr, ERR_INVALID, "more than %d filter conditions", CONDITIONS_MAX);
    }
    g->list[g->n++] = f;
    return 0;
}

static struct field intrinsic(const char *name)
{
    return (struct field){FIELD_INTRINSIC, str_cstr(name)};
}

static struct value text_value(struct str s)
{
    return (struct value){.type = VALUE_STR, .u.s = s};
}

static struct value int_value(int64_t i)
{
    return (struct value){.type = VALUE_I64, .u.i = i};
}

static int add_text_eq(struct gather *g, const char *param, const char *field)
{
    struct str s = http_param(g->x, param);

    return s.n == 0 ? 0 : add(g, filter_pred(g->a, intrinsic(field), PRED_EQ, text_value(s)));
}

/* ---- attr=... ---- */

static int add_regex(struct gather *g, struct field f, bool negate, struct str pattern)
{
    struct row_filter *out = g->out;
    int rc;

    if (out->regexes_n == ARRAY_LEN(out->regexes)) {
        return err_set(g->reterr, ERR_INVALID, "more than %zu regular expressions",
                       ARRAY_LEN(out->regexes));
    }
    rc = matcher_new(MATCH_RE, f.name, pattern, &out->regexes[out->regexes_n], g->reterr);
    if (rc < 0) {
        err_prefix(g->reterr, "attr %.*s", STR_ARG(f.name));
        return rc;
    }
    return add(g, filter_regex(g->a, f, negate, out->regexes[out->regexes_n++]));
}

static int add_number(struct gather *g, struct field f, enum pred_op op, struct str text)
{
    struct value v = {.type = VALUE_I64};

    if (!str_to_i64(text, &v.u.i)) {
        v.type = VALUE_F64;
        if (!str_to_f64(text, &v.u.f)) {
            return err_set(g->reterr, ERR_INVALID, "attr %.*s: \"%.*s\" is not a number",
                           STR_ARG(f.name), STR_ARG(text));
        }
    }
    return add(g, filter_pred(g->a, f, op, v));
}

static int add_attr(struct gather *g, struct str text)
{
    struct condition c;

    if (!parse_condition(text, &c)) {
        return err_set(g->reterr, ERR_INVALID,
                       "attr: \"%.*s\" is not key=value, !=, =~, !~, >, >=, <, <= or key alone",
                       STR_ARG(text));
    }
    switch (c.op) {
    case PRED_RE:
    case PRED_NRE:
        return add_regex(g, c.field, c.op == PRED_NRE, c.value);
    case PRED_LT:
    case PRED_LE:
    case PRED_GT:
    case PRED_GE:
        return add_number(g, c.field, c.op, c.value);
    default:
        return add(g, filter_pred(g->a, c.field, c.op, text_value(c.value)));
    }
}

static int add_attrs(struct gather *g)
{
    struct str condition;
    int rc = 0;

    for (size_t i = 0; rc == 0 && http_param_at(g->x, "attr", i, &condition); i++) {
        rc = add_attr(g, condition);
    }
    return rc;
}

/* ---- spans ---- */

static int add_span_enums(struct gather *g)
{
    struct str status = http_param(g->x, "status");
    struct str kind = http_param(g->x, "kind");
    uint8_t ignored;
    int rc = 0;

    if (status.n != 0 && !span_status_parse(status, &ignored)) {
        return err_set(g->reterr, ERR_INVALID, "status: \"%.*s\" is not unset, ok or error",
                       STR_ARG(status));
    }
    if (kind.n != 0 && !span_kind_parse(kind, &ignored)) {
        return err_set(g->reterr, ERR_INVALID,
                       "kind: \"%.*s\" is not unspecified, internal, server, client, producer or "
                       "consumer",
                       STR_ARG(kind));
    }
    rc = add_text_eq(g, "status", "status");
    return rc < 0 ? rc : add_text_eq(g, "kind", "kind");
}

static int add_durations(struct gather *g)
{
    static const struct {
        const char *param;
        enum pred_op op;
    } ENDS[] = {{"min_duration", PRED_GE}, {"max_duration", PRED_LE}};

    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(ENDS); i++) {
        int64_t ns;
        bool given;

        rc = param_duration_ns(g->x, ENDS[i].param, &ns, &given, g->reterr);
        if (rc == 0 && given) {
            rc = add(g, filter_pred(g->a, intrinsic("duration_ns"), ENDS[i].op, int_value(ns)));
        }
    }
    return rc;
}

static int finish(struct gather *g, int rc)
{
    if (rc == 0 && g->n != 0) {
        g->out->root = filter_and(g->a, g->list, g->n);
        if (g->out->root == NULL) {
            rc = err_set(g->reterr, ERR_NOMEM, "filter: out of memory");
        }
    }
    if (rc < 0) {
        row_filter_done(g->out);
    }
    return rc;
}

int param_span_filter(struct http_exchange *x, struct row_filter *ret, struct err *reterr)
{
    struct gather g = {.x = x, .a = http_arena(x), .out = ret, .reterr = reterr};
    int rc;

    *ret = (struct row_filter){0};
    rc = add_text_eq(&g, "service", "service");
    rc = rc < 0 ? rc : add_text_eq(&g, "operation", "name");
    rc = rc < 0 ? rc : add_span_enums(&g);
    rc = rc < 0 ? rc : add_durations(&g);
    rc = rc < 0 ? rc : add_attrs(&g);
    return finish(&g, rc);
}

/* ---- logs ---- */

/* A word matches as part of a longer one too ("time" finds "timeout"): people expect a substring. */
static int add_text(struct gather *g)
{
    struct str rest = http_param(g->x, "text");
    struct str term;
    bool negate;
    int rc = 0;

    while (rc == 0 && parse_next_term(&rest, &term, &negate)) {
        const struct filter *f =
            filter_pred(g->a, intrinsic("body"), PRED_CONTAINS, text_value(term));
        rc = add(g, negate ? filter_not(g->a, f) : f);
    }
    return rc;
}

static int add_severities(struct gather *g)
{
    const struct filter *any[SEVERITY_LEVEL_COUNT];
    struct str name;
    size_t n = 0;

    for (size_t i = 0; http_param_at(g->x, "severity", i, &name); i++) {
        const struct filter *range[2];
        enum severity_level level;

        if (!severity_level_parse(name, &level) || n == SEVERITY_LEVEL_COUNT) {
            return err_set(
                g->reterr, ERR_INVALID,
                "severity: \"%.*s\" is not trace, debug, info, warn, error, fatal or unset",
                STR_ARG(name));
        }
        range[0] = filter_pred(g->a, intrinsic("severity_number"), PRED_GE,
                               int_value(level == SEVERITY_UNSET ? 0 : (int)level * 4 - 3));
        range[1] =
            filter_pred(g->a, intrinsic("severity_number"), PRED_LE, int_value((int)level * 4));
        any[n++] = filter_and(g->a, range, 2);
    }
    return n == 0 ? 0 : add(g, filter_or(g->a, any, n));
}

static int check_trace_id(struct gather *g)
{
    struct str id = http_param(g->x, "trace_id");
    uint8_t raw[TRACE_ID_SIZE];

    if (id.n != 0 && !hex_decode(id, raw, sizeof(raw))) {
        return err_set(g->reterr, ERR_INVALID, "trace_id: \"%.*s\" is not 32 hex digits",
                       STR_ARG(id));
    }
    return add_text_eq(g, "trace_id", "trace_id");
}

int param_pattern_ids(const struct http_exchange *x, struct arena *a, const struct filter **ret,
                      struct err *reterr)
{
    const struct filter *any[PATTERN_IDS_MAX];
    struct str id;
    size_t n = 0;

    *ret = NULL;
    for (size_t i = 0; http_param_at(x, "pattern_id", i, &id); i++) {
        uint8_t raw[PATTERN_ID_SIZE];

        if (n == PATTERN_IDS_MAX || !hex_decode(id, raw, sizeof(raw))) {
            return err_set(reterr, ERR_INVALID,
                           "pattern_id: \"%.*s\" is not 16 hex digits, or there are more than %d",
                           STR_ARG(str_take(id, 40)), PATTERN_IDS_MAX);
        }
        any[n++] = filter_pred(a, intrinsic("pattern_id"), PRED_EQ, text_value(id));
    }
    if (n != 0) {
        *ret = filter_or(a, any, n);
        return *ret == NULL ? err_set(reterr, ERR_NOMEM, "filter: out of memory") : 0;
    }
    return 0;
}

static int add_pattern_ids(struct gather *g)
{
    const struct filter *f;
    int rc = param_pattern_ids(g->x, g->a, &f, g->reterr);

    return rc < 0 || f == NULL ? rc : add(g, f);
}

int param_log_filter(struct http_exchange *x, struct row_filter *ret, struct err *reterr)
{
    struct gather g = {.x = x, .a = http_arena(x), .out = ret, .reterr = reterr};
    int rc;

    *ret = (struct row_filter){0};
    rc = add_text_eq(&g, "service", "service");
    rc = rc < 0 ? rc : check_trace_id(&g);
    rc = rc < 0 ? rc : add_severities(&g);
    rc = rc < 0 ? rc : add_pattern_ids(&g);
    rc = rc < 0 ? rc : add_text(&g);
    rc = rc < 0 ? rc : add_attrs(&g);
    return finish(&g, rc);
}

void row_filter_done(struct row_filter *f)
{
    for (size_t i = 0; i < f->regexes_n; i++) {
        matcher_free(f->regexes[i]);
    }
    f->regexes_n = 0;
}

int filter_dup(const struct filter *f, struct arena *a, const struct filter **ret)
{
    const struct filter **kids;
    struct filter *copy;

    *ret = NULL;
    if (f == NULL) {
        return 0;
    }
    copy = arena_new(a, struct filter);
    kids = arena_array(a, const struct filter *, f->kids_n != 0 ? f->kids_n : 1);
    if (copy == NULL || kids == NULL) {
        return -ERR_NOMEM;
    }
    *copy = *f;
    copy->kids = kids;
    for (size_t i = 0; i < f->kids_n; i++) {
        if (filter_dup(f->kids[i], a, &kids[i]) < 0) {
            return -ERR_NOMEM;
        }
    }
    copy->field.name = arena_str_dup(a, f->field.name);
    if (f->value.type == VALUE_STR) {
        copy->value.u.s = arena_str_dup(a, f->value.u.s);
    }
    if (copy->field.name.p == NULL || (f->value.type == VALUE_STR && copy->value.u.s.p == NULL)) {
        return -ERR_NOMEM;
    }
    *ret = copy;
    return 0;
}
