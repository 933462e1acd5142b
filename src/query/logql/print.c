/* SPDX-License-Identifier: Apache-2.0
 *
 * A query in its canonical form; expressions that do not fit on a line are broken up and indented, as the
 * endpoint format_query of Loki does.
 */
#include "query/logql/ast.h"
#include "query/logql/units.h"

enum { LINE_WIDTH = 100 };

static void add_quoted(struct buf *b, struct str s)
{
    buf_add_byte(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '"' || c == '\\') {
            buf_add_byte(b, '\\');
            buf_add_byte(b, c);
        } else if (c == '\n' || c == '\t' || c == '\r') {
            buf_add_cstr(b, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        } else if ((unsigned char)c < 0x20 || c == 0x7f) {
            buf_printf(b, "\\x%02x", (unsigned)c);
        } else {
            buf_add_byte(b, c);
        }
    }
    buf_add_byte(b, '"');
}

static void add_text(struct buf *b, struct str s)
{
    bool raw = s.n != 0 && memchr(s.p, '`', s.n) == NULL &&
               (memchr(s.p, '"', s.n) != NULL || memchr(s.p, '\\', s.n) != NULL);

    if (!raw) {
        add_quoted(b, s);
        return;
    }
    buf_add_byte(b, '`');
    buf_add_str(b, s);
    buf_add_byte(b, '`');
}

static void add_names(struct buf *b, const struct str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_add_cstr(b, i != 0 ? "," : "");
        buf_add_str(b, names[i]);
    }
}

static const char *match_text(enum match_op op)
{
    return op == MATCH_EQ ? "=" : op == MATCH_NEQ ? "!=" : op == MATCH_RE ? "=~" : "!~";
}

static void add_matcher(struct buf *b, const struct matcher *m)
{
    buf_add_str(b, matcher_name(m));
    buf_add_cstr(b, match_text(matcher_op(m)));
    add_quoted(b, matcher_value(m));
}

static void add_selector(struct buf *b, const struct pipeline *p)
{
    buf_add_byte(b, '{');
    for (size_t i = 0; i < p->matchers_n; i++) {
        buf_add_cstr(b, i != 0 ? ", " : "");
        add_matcher(b, p->matchers[i]);
    }
    buf_add_byte(b, '}');
}

static void add_line_filter(struct buf *b, const struct line_filter *f)
{
    static const char *const OPS[] = {"|=", "!=", "|~", "!~", "|>", "!>"};

    buf_add_cstr(b, OPS[f->op]);
    for (size_t i = 0; i < f->n; i++) {
        buf_add_cstr(b, i != 0 ? " or " : " ");
        if (f->terms[i].is_ip) {
            buf_add_cstr(b, "ip(");
            add_quoted(b, f->terms[i].text);
            buf_add_byte(b, ')');
        } else {
            add_text(b, f->terms[i].text);
        }
    }
}

static void add_label_filter(struct buf *b, const struct label_filter *f)
{
    static const char *const OPS[] = {"=", "!=", ">", ">=", "<", "<="};

    if (f->paren) {
        buf_add_byte(b, '(');
    }
    switch (f->test) {
    case TEST_AND:
    case TEST_OR:
        add_label_filter(b, f->left);
        buf_add_cstr(b, f->test == TEST_OR ? " or " : f->comma ? " , " : " and ");
        add_label_filter(b, f->right);
        break;
    case TEST_STRING:
        add_matcher(b, f->matcher);
        break;
    default:
        buf_add_str(b, f->name);
        buf_add_cstr(b, f->cmp == CMP_EQ && f->test != TEST_IP ? "==" : OPS[f->cmp]);
        if (f->test == TEST_IP) {
            buf_add_cstr(b, "ip(");
            add_quoted(b, f->text);
            buf_add_byte(b, ')');
        } else if (f->test == TEST_NUMBER) {
            buf_add_f64(b, f->number);
        } else {
            buf_add_str(b, f->text);
        }
        break;
    }
    if (f->paren) {
        buf_add_byte(b, ')');
    }
}

static void add_extracts(struct buf *b, const struct stage *s)
{
    for (size_t i = 0; i < s->extracts_n; i++) {
        const struct extract *x = &s->extracts[i];

        buf_add_cstr(b, i != 0 ? "," : " ");
        buf_add_str(b, x->label);
        if (!x->bare) {
            buf_add_byte(b, '=');
            add_quoted(b, x->expr);
        }
    }
}

static void add_formats(struct buf *b, const struct stage *s)
{
    for (size_t i = 0; i < s->formats_n; i++) {
        const struct label_format *f = &s->formats[i];

        buf_add_cstr(b, i != 0 ? "," : " ");
        buf_add_str(b, f->dst);
        buf_add_byte(b, '=');
        if (f->src.n != 0) {
            buf_add_str(b, f->src);
        } else {
            add_text(b, f->text);
        }
    }
}

static void add_picks(struct buf *b, const struct stage *s)
{
    for (size_t i = 0; i < s->picks_n; i++) {
        buf_add_cstr(b, i != 0 ? "," : " ");
        if (s->picks[i].matcher != NULL) {
            add_matcher(b, s->picks[i].matcher);
        } else {
            buf_add_str(b, s->picks[i].name);
        }
    }
}

static void add_unwrap(struct buf *b, const struct stage *s)
{
    static const char *const CONVS[] = {"", "duration", "duration_seconds", "bytes"};

    buf_add_byte(b, ' ');
    buf_add_cstr(b, CONVS[s->conv]);
    buf_add_cstr(b, s->conv != UNWRAP_NUMBER ? "(" : "");
    buf_add_str(b, s->text);
    buf_add_cstr(b, s->conv != UNWRAP_NUMBER ? ")" : "");
}

static void add_stage(struct buf *b, const struct stage *s)
{
    static const char *const NAMES[] = {
        [STAGE_LINE] = "",
        [STAGE_JSON] = "json",
        [STAGE_LOGFMT] = "logfmt",
        [STAGE_REGEXP] = "regexp ",
        [STAGE_PATTERN] = "pattern ",
        [STAGE_UNPACK] = "unpack",
        [STAGE_LABEL] = "",
        [STAGE_LINE_FORMAT] = "line_format ",
        [STAGE_LABEL_FORMAT] = "label_format",
        [STAGE_DECOLORIZE] = "decolorize",
        [STAGE_DROP] = "drop",
        [STAGE_KEEP] = "keep",
        [STAGE_UNWRAP] = "unwrap",
    };

    if (s->type == STAGE_LINE) {
        add_line_filter(b, &s->line);
        return;
    }
    buf_add_cstr(b, "| ");
    buf_add_cstr(b, NAMES[s->type]);
    switch (s->type) {
    case STAGE_LOGFMT:
        buf_add_cstr(b, s->strict ? " --strict" : "");
        buf_add_cstr(b, s->keep_empty ? " --keep-empty" : "");
        add_extracts(b, s);
        break;
    case STAGE_JSON:
        add_extracts(b, s);
        break;
    case STAGE_REGEXP:
    case STAGE_PATTERN:
    case STAGE_LINE_FORMAT:
        add_text(b, s->text);
        break;
    case STAGE_LABEL:
        add_label_filter(b, s->label);
        break;
    case STAGE_LABEL_FORMAT:
        add_formats(b, s);
        break;
    case STAGE_DROP:
    case STAGE_KEEP:
        add_picks(b, s);
        break;
    case STAGE_UNWRAP:
        add_unwrap(b, s);
        break;
    default:
        break;
    }
}

static void indent(struct buf *b, int level)
{
    for (int i = 0; i < level; i++) {
        buf_add_cstr(b, "  ");
    }
}

static void add_pipeline(struct buf *b, const struct pipeline *p, bool split, int level)
{
    add_selector(b, p);
    for (size_t i = 0; i < p->n; i++) {
        if (split) {
            buf_add_byte(b, '\n');
            indent(b, level + 1);
        } else {
            buf_add_byte(b, ' ');
        }
        add_stage(b, &p->stages[i]);
    }
}

static void add_grouping(struct buf *b, const struct grouping *g)
{
    if (g->given) {
        buf_add_cstr(b, g->without ? " without (" : " by (");
        add_names(b, g->names, g->n);
        buf_add_byte(b, ')');
    }
}

static void add_expr(struct buf *b, const struct expr *e, bool split, int level);

/* An operand on lines of its own, or in place. */
static void add_operand(struct buf *b, const struct expr *e, bool split, int level)
{
    if (split) {
        buf_add_byte(b, '\n');
        indent(b, level + 1);
    }
    add_expr(b, e, split, level + 1);
    if (split) {
        buf_add_byte(b, '\n');
        indent(b, level);
    }
}

static void add_range(struct buf *b, const struct expr *e, bool split, int level)
{
    buf_add_cstr(b, lq_range_op_name(e->range_op));
    buf_add_byte(b, '(');
    if (e->has_param) {
        buf_add_f64(b, e->param);
        buf_add_byte(b, ',');
    }
    if (split) {
        buf_add_byte(b, '\n');
        indent(b, level + 1);
    }
    add_pipeline(b, e->pipe, split && e->pipe->n != 0, level + 1);
    buf_add_cstr(b, split ? " [" : e->pipe->n != 0 ? " [" : "[");
    lq_units_print_duration(b, e->range_ns);
    buf_add_byte(b, ']');
    if (e->has_offset) {
        buf_add_cstr(b, " offset ");
        lq_units_print_duration(b, e->offset_ns);
    }
    if (split) {
        buf_add_byte(b, '\n');
        indent(b, level);
    }
    buf_add_byte(b, ')');
    add_grouping(b, &e->by);
}

static void add_binary(struct buf *b, const struct expr *e, bool split, int level)
{
    add_expr(b, e->left, split, level);
    if (split) {
        buf_add_byte(b, '\n');
        indent(b, level);
    } else {
        buf_add_byte(b, ' ');
    }
    buf_add_cstr(b, lq_binary_op_name(e->op));
    buf_add_cstr(b, e->return_bool ? " bool" : "");
    if (e->has_matching) {
        buf_add_cstr(b, e->on ? " on (" : " ignoring (");
        add_names(b, e->match_names, e->match_n);
        buf_add_byte(b, ')');
        if (e->group != GROUP_NONE) {
            buf_add_cstr(b, e->group == GROUP_LEFT ? " group_left (" : " group_right (");
            add_names(b, e->include, e->include_n);
            buf_add_byte(b, ')');
        }
    }
    if (split) {
        buf_add_byte(b, '\n');
        indent(b, level);
    } else {
        buf_add_byte(b, ' ');
    }
    add_expr(b, e->right, split, level);
}

static void add_label_replace(struct buf *b, const struct expr *e, bool split, int level)
{
    const struct str *const args[] = {&e->dst, &e->replacement, &e->src, &e->pattern};

    buf_add_cstr(b, "label_replace(");
    add_operand(b, e->left, split, level);
    for (size_t i = 0; i < ARRAY_LEN(args); i++) {
        buf_add_byte(b, ',');
        add_quoted(b, *args[i]);
    }
    buf_add_byte(b, ')');
}

static void add_bare(struct buf *b, const struct expr *e, bool split, int level)
{
    switch (e->type) {
    case EXPR_LOG:
        add_pipeline(b, e->pipe, split, level);
        break;
    case EXPR_RANGE:
        add_range(b, e, split, level);
        break;
    case EXPR_AGGREGATE:
        buf_add_cstr(b, lq_vector_op_name(e->vector_op));
        if (e->by.given) {
            add_grouping(b, &e->by);
        }
        buf_add_byte(b, '(');
        if (e->has_param) {
            buf_add_f64(b, e->param);
            buf_add_byte(b, ',');
        }
        add_operand(b, e->left, split, level);
        buf_add_byte(b, ')');
        break;
    case EXPR_BINARY:
        add_binary(b, e, split, level);
        break;
    case EXPR_NUMBER:
        buf_add_f64(b, e->param);
        break;
    case EXPR_VECTOR:
        buf_printf(b, "vector(%f)", e->param);
        break;
    case EXPR_LABEL_REPLACE:
        add_label_replace(b, e, split, level);
        break;
    }
}

/* On one line when it fits. */
static void add_expr(struct buf *b, const struct expr *e, bool split, int level)
{
    size_t from = b->n;

    if (e->paren) {
        buf_add_byte(b, '(');
    }
    add_bare(b, e, false, level);
    if (e->paren) {
        buf_add_byte(b, ')');
    }
    if (!split || b->failed || b->n - from + (size_t)level * 2 <= LINE_WIDTH) {
        return;
    }
    b->n = from;
    if (e->paren) {
        buf_add_byte(b, '(');
    }
    add_bare(b, e, true, level);
    if (e->paren) {
        buf_add_byte(b, ')');
    }
}

void logql_print(const struct logql_query *q, struct buf *dst)
{
    add_expr(dst, q->root, true, 0);
}
