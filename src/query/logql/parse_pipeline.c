/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream selectors and the stages behind them.
 */
#include "query/logql/finder.h"
#include "query/logql/parse.h"
#include "query/logql/pattern.h"
#include "query/logql/template.h"

static int parse_match(struct parser *p, struct pipeline *pipe)
{
    static const struct {
        enum token_type t;
        enum match_op op;
    } OPS[] = {{T_EQ, MATCH_EQ}, {T_NEQ, MATCH_NEQ}, {T_RE, MATCH_RE}, {T_NRE, MATCH_NRE}};
    struct matcher **m;
    struct str name;
    struct str value;
    enum match_op op = MATCH_EQ;
    bool known = false;
    int rc = lq_parse_text(p, T_IDENTIFIER, &name);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(OPS); i++) {
        if (OPS[i].t == p->tok.type) {
            op = OPS[i].op;
            known = true;
        }
    }
    if (!known) {
        return lq_parse_unexpected(p, "!= or !~ or = or =~");
    }
    rc = lq_parse_step(p);
    rc = rc < 0 ? rc : lq_parse_text(p, T_STRING, &value);
    if (rc < 0) {
        return rc;
    }
    m = lq_parse_push(p, (void **)&pipe->matchers, &pipe->matchers_n, sizeof(*m));
    return m == NULL ? -ERR_INVALID : lq_parse_matcher(p, op, name, value, m);
}

static int check_matchers(struct parser *p, const struct pipeline *pipe)
{
    for (size_t i = 0; i < pipe->matchers_n; i++) {
        if (!matcher_matches_empty(pipe->matchers[i])) {
            return 0;
        }
    }
    return p->empty_ok
               ? 0
               : lq_parse_fail(p,
                               "queries require at least one regexp or equality matcher that does "
                               "not have an empty-compatible value. For instance, app=~\".*\" does "
                               "not meet this requirement, but app=~\".+\" will");
}

int lq_parse_selector(struct parser *p, struct pipeline *ret)
{
    int rc = lq_parse_expect(p, T_OPEN_BRACE);

    if (rc == 0 && p->tok.type != T_CLOSE_BRACE) {
        rc = parse_match(p, ret);
        while (rc == 0 && p->tok.type == T_COMMA) {
            rc = lq_parse_step(p);
            if (rc == 0 && p->tok.type == T_CLOSE_BRACE) {
                break; /* a comma at the end */
            }
            rc = rc < 0 ? rc : parse_match(p, ret);
        }
    }
    if (rc == 0 && p->tok.type != T_CLOSE_BRACE) {
        return lq_parse_unexpected(p, "} or ,");
    }
    rc = rc < 0 ? rc : lq_parse_step(p);
    return rc < 0 ? rc : check_matchers(p, ret);
}

/* ---- parsers ---- */

static int check_label(struct parser *p, struct str name)
{
    return label_name_is_valid(name)
               ? 0
               : lq_parse_fail(p, "invalid extracted label name '%.*s'",
                               (int)(name.n < 100 ? name.n : 100), name.n != 0 ? name.p : "");
}

/* label="expression", label, ... */
static int parse_extracts(struct parser *p, struct stage *s)
{
    int rc = 0;

    while (rc == 0) {
        struct extract *x = lq_parse_push(p, (void **)&s->extracts, &s->extracts_n, sizeof(*x));

        if (x == NULL) {
            return -ERR_INVALID;
        }
        rc = lq_parse_text(p, T_IDENTIFIER, &x->label);
        x->expr = x->label;
        x->bare = true;
        if (rc == 0 && p->tok.type == T_EQ) {
            x->bare = false;
            rc = lq_parse_step(p);
            rc = rc < 0 ? rc : lq_parse_text(p, T_STRING, &x->expr);
        }
        rc = rc < 0 ? rc : check_label(p, x->label);
        if (rc == 0 && s->type == STAGE_JSON) {
            rc = lq_parse_json_path(p, x);
        }
        if (rc < 0 || p->tok.type != T_COMMA) {
            return rc;
        }
        rc = lq_parse_step(p);
    }
    return rc;
}

static int parse_logfmt(struct parser *p, struct stage *s)
{
    int rc = 0;

    while (rc == 0 && p->tok.type == T_PARSER_FLAG) {
        if (str_eq(p->tok.text, STR("--strict"))) {
            s->strict = true;
        } else {
            s->keep_empty = true;
        }
        rc = lq_parse_step(p);
    }
    return rc == 0 && p->tok.type == T_IDENTIFIER ? parse_extracts(p, s) : rc;
}

static int parse_regexp(struct parser *p, struct stage *s)
{
    struct str name;
    struct str other;
    size_t index;
    int rc = lq_parse_text(p, T_STRING, &s->text);

    rc = rc < 0 ? rc : lq_parse_finder(p, s->text, FINDER_GROUPS, &s->re);
    if (rc < 0) {
        return rc;
    }
    if (!finder_name(s->re, 0, &name, &index)) {
        return lq_parse_fail(p, "at least one named capture must be supplied");
    }
    for (size_t i = 0; finder_name(s->re, i, &name, &index); i++) {
        for (size_t k = 0; k < i && finder_name(s->re, k, &other, &index); k++) {
            if (str_eq(name, other)) {
                return lq_parse_fail(p, "duplicate extracted label name '%.*s'", STR_ARG(name));
            }
        }
    }
    return 0;
}

static int parse_pattern_stage(struct parser *p, struct stage *s)
{
    struct err e = {0};
    int rc = lq_parse_text(p, T_STRING, &s->text);

    if (rc == 0 && line_pattern_new(p->a, s->text, true, &s->pattern, &e) < 0) {
        return lq_parse_fail(p, "%s", e.msg);
    }
    return rc;
}

/* ---- formats ---- */

static int parse_template(struct parser *p, struct str text, struct template **ret)
{
    struct err e = {0};

    return template_new(p->a, &p->q->finders, text, ret, &e) < 0
               ? lq_parse_fail(p, "invalid line template: %s", e.msg)
               : 0;
}

static int parse_label_format(struct parser *p, struct stage *s)
{
    struct label_format *f = lq_parse_push(p, (void **)&s->formats, &s->formats_n, sizeof(*f));
    int rc;

    if (f == NULL) {
        return -ERR_INVALID;
    }
    rc = lq_parse_text(p, T_IDENTIFIER, &f->dst);
    rc = rc < 0 ? rc : lq_parse_expect(p, T_EQ);
    if (rc == 0 && p->tok.type == T_IDENTIFIER) {
        rc = lq_parse_text(p, T_IDENTIFIER, &f->src);
    } else if (rc == 0 && p->tok.type == T_STRING) {
        rc = lq_parse_text(p, T_STRING, &f->text);
        if (rc == 0) {
            struct err e = {0};

            if (template_new(p->a, &p->q->finders, f->text, &f->tpl, &e) < 0) {
                return lq_parse_fail(p, "invalid template for label '%.*s': %s",
                                     (int)(f->dst.n < 60 ? f->dst.n : 60), f->dst.p, e.msg);
            }
        }
    } else if (rc == 0) {
        return lq_parse_unexpected(p, "IDENTIFIER or STRING");
    }
    if (rc == 0 && str_eq(f->dst, STR("__error__"))) {
        return lq_parse_fail(p, "__error__ cannot be formatted");
    }
    for (size_t i = 0; rc == 0 && i + 1 < s->formats_n; i++) {
        if (str_eq(s->formats[i].dst, f->dst)) {
            return lq_parse_fail(
                p, "multiple label name '%.*s' not allowed in a single format operation",
                (int)(f->dst.n < 100 ? f->dst.n : 100), f->dst.p);
        }
    }
    return rc;
}

static int parse_pick(struct parser *p, struct stage *s)
{
    static const struct {
        enum token_type t;
        enum match_op op;
    } OPS[] = {{T_EQ, MATCH_EQ}, {T_NEQ, MATCH_NEQ}, {T_RE, MATCH_RE}, {T_NRE, MATCH_NRE}};
    struct label_pick *k = lq_parse_push(p, (void **)&s->picks, &s->picks_n, sizeof(*k));
    int rc;

    if (k == NULL) {
        return -ERR_INVALID;
    }
    rc = lq_parse_text(p, T_IDENTIFIER, &k->name);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(OPS); i++) {
        if (OPS[i].t == p->tok.type) {
            struct str value;

            rc = lq_parse_step(p);
            rc = rc < 0 ? rc : lq_parse_text(p, T_STRING, &value);
            return rc < 0 ? rc : lq_parse_matcher(p, OPS[i].op, k->name, value, &k->matcher);
        }
    }
    return rc;
}

static int parse_list(struct parser *p, struct stage *s,
                      int (*one)(struct parser *, struct stage *))
{
    int rc = one(p, s);

    while (rc == 0 && p->tok.type == T_COMMA) {
        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : one(p, s);
    }
    return rc;
}

static int parse_unwrap(struct parser *p, struct stage *s)
{
    static const struct {
        enum token_type t;
        enum unwrap_conv conv;
    } CONVS[] = {{T_BYTES_CONV, UNWRAP_BYTES},
                 {T_DURATION_CONV, UNWRAP_DURATION},
                 {T_DURATION_SECONDS_CONV, UNWRAP_DURATION_SECONDS}};

    int rc;

    for (size_t i = 0; i < ARRAY_LEN(CONVS); i++) {
        if (CONVS[i].t == p->tok.type) {
            s->conv = CONVS[i].conv;
            rc = lq_parse_step(p);
            rc = rc < 0 ? rc : lq_parse_expect(p, T_OPEN);
            rc = rc < 0 ? rc : lq_parse_text(p, T_IDENTIFIER, &s->text);
            return rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
        }
    }
    return lq_parse_text(p, T_IDENTIFIER, &s->text);
}

/* ---- stages ---- */

/* Behind the pipe, at the word that says which stage it is. */
static int parse_named(struct parser *p, struct pipeline *pipe, struct stage *s, bool unwrap)
{
    static const struct {
        enum token_type t;
        enum stage_type type;
    } STAGES[] = {
        {T_JSON, STAGE_JSON},
        {T_LOGFMT, STAGE_LOGFMT},
        {T_REGEXP, STAGE_REGEXP},
        {T_PATTERN, STAGE_PATTERN},
        {T_UNPACK, STAGE_UNPACK},
        {T_LINE_FORMAT, STAGE_LINE_FORMAT},
        {T_LABEL_FORMAT, STAGE_LABEL_FORMAT},
        {T_DECOLORIZE, STAGE_DECOLORIZE},
        {T_DROP, STAGE_DROP},
        {T_KEEP, STAGE_KEEP},
        {T_UNWRAP, STAGE_UNWRAP},
    };

    int rc = -1;

    if ((p->tok.type == T_IDENTIFIER || p->tok.type == T_OPEN)) {
        s->type = STAGE_LABEL;
        return lq_parse_label_filter(p, &s->label);
    }
    for (size_t i = 0; i < ARRAY_LEN(STAGES); i++) {
        if (STAGES[i].t == p->tok.type) {
            s->type = STAGES[i].type;
            rc = 0;
        }
    }
    /* behind unwrap only label filters are left */
    if (rc < 0 || pipe->unwraps || (s->type == STAGE_UNWRAP && !unwrap)) {
        return lq_parse_unexpected(p, NULL);
    }
    rc = lq_parse_step(p);
    if (rc < 0) {
        return rc;
    }
    switch (s->type) {
    case STAGE_JSON:
        return p->tok.type == T_IDENTIFIER ? parse_extracts(p, s) : 0;
    case STAGE_LOGFMT:
        return parse_logfmt(p, s);
    case STAGE_REGEXP:
        return parse_regexp(p, s);
    case STAGE_PATTERN:
        return parse_pattern_stage(p, s);
    case STAGE_LINE_FORMAT:
        rc = lq_parse_text(p, T_STRING, &s->text);
        return rc < 0 ? rc : parse_template(p, s->text, &s->tpl);
    case STAGE_LABEL_FORMAT:
        return parse_list(p, s, parse_label_format);
    case STAGE_DROP:
    case STAGE_KEEP:
        return parse_list(p, s, parse_pick);
    case STAGE_UNWRAP:
        pipe->unwraps = true;
        return parse_unwrap(p, s);
    default:
        return 0;
    }
}

static bool begins_line_filter(enum token_type t)
{
    return t == T_PIPE_EXACT || t == T_PIPE_MATCH || t == T_PIPE_PATTERN || t == T_NEQ ||
           t == T_NRE || t == T_NPA;
}

int lq_parse_stages(struct parser *p, struct pipeline *pipe, bool unwrap)
{
    int rc = 0;

    while (rc == 0) {
        struct stage *s;

        if (p->tok.type != T_PIPE && (pipe->unwraps || !begins_line_filter(p->tok.type))) {
            break;
        }
        s = lq_parse_push(p, (void **)&pipe->stages, &pipe->n, sizeof(*s));
        if (s == NULL) {
            return -ERR_INVALID;
        }
        if (p->tok.type == T_PIPE) {
            rc = lq_parse_step(p);
            rc = rc < 0 ? rc : parse_named(p, pipe, s, unwrap);
        } else {
            s->type = STAGE_LINE;
            rc = lq_parse_line_filter(p, &s->line);
        }
    }
    return rc;
}
