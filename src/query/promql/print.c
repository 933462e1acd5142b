/* SPDX-License-Identifier: Apache-2.0
 *
 * Expressions back to text: one canonical line, or indented over several lines when it is longer than 100
 * characters. What is printed parses to the same tree.
 */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "query/promql/ast.h"
#include "query/promql/gotext.h"
#include "query/promql/promql.h"

enum { LINE_MAX_BYTES = 100, PRINT_MAX_BYTES = 16 << 20 };

static void print_number(const struct node *n, struct buf *dst)
{
    if (!n->duration) {
        go_add_f64(dst, n->number);
        return;
    }
    if (n->number < 0) {
        buf_add_byte(dst, '-');
    }
    go_add_duration(dst, (int64_t)(fabs(n->number) * 1000 + 0.5));
}

static void print_duration(const struct node *n, struct buf *dst)
{
    const struct duration *d = &n->dur;
    bool call = d->op == TOK_MIN_OF || d->op == TOK_MAX_OF;

    if (n->kind == NODE_NUMBER) {
        print_number(n, dst);
        return;
    }
    buf_add_cstr(dst, d->wrapped ? "(" : "");
    if (d->op == TOK_STEP || d->op == TOK_RANGE) {
        buf_add_cstr(dst, d->op == TOK_STEP ? "step()" : "range()");
    } else {
        if (call) {
            buf_add_str(dst, tok_text(d->op));
            buf_add_byte(dst, '(');
        }
        if (d->lhs != NULL) {
            print_duration(d->lhs, dst);
            buf_add_cstr(dst, call ? ", " : " ");
        }
        if (!call && (d->lhs != NULL || d->op == TOK_SUB)) {
            buf_add_str(dst, tok_text(d->op));
            buf_add_cstr(dst, d->lhs != NULL ? " " : "");
        }
        print_duration(d->rhs, dst);
        buf_add_cstr(dst, call ? ")" : "");
    }
    buf_add_cstr(dst, d->wrapped ? ")" : "");
}

/** A length in brackets. */
static void print_length(const struct node *expr, int64_t ms, struct buf *dst)
{
    if (expr != NULL) {
        print_duration(expr, dst);
    } else {
        go_add_duration(dst, ms);
    }
}

static void print_at(const struct when *w, struct buf *dst)
{
    if (w->at == AT_TIME) {
        buf_printf(dst, " @ %.3f", (double)w->at_ms / 1000);
    } else if (w->at != AT_NONE) {
        buf_add_cstr(dst, w->at == AT_START ? " @ start()" : " @ end()");
    }
}

static void print_offset(const struct when *w, struct buf *dst)
{
    if (w->offset_expr != NULL) {
        buf_add_cstr(dst, " offset ");
        print_duration(w->offset_expr, dst);
    } else if (w->offset_ms != 0) {
        buf_add_cstr(dst, w->offset_ms < 0 ? " offset -" : " offset ");
        go_add_duration(dst, w->offset_ms < 0 ? -w->offset_ms : w->offset_ms);
    }
}

/** A label's name, quoted unless it is an old plain one. */
static void print_name(struct str s, struct buf *dst)
{
    if (label_name_is_valid(s)) {
        buf_add_str(dst, s);
    } else {
        go_quote(s, dst);
    }
}

/** A matcher as text, for sorting. */
struct matcher_text {
    struct buf text;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(buf_str(&((const struct matcher_text *)a)->text),
                   buf_str(&((const struct matcher_text *)b)->text));
}

/** {a="b",c!="d"} in byte order, whatever order was written. */
static void print_matchers(struct matcher *const *v, size_t n, struct buf *dst)
{
    static const char *const ops[] = {
        [MATCH_EQ] = "=", [MATCH_NEQ] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~"};
    struct matcher_text *texts = mem_try_calloc(n + 1, sizeof(*texts));

    if (texts == NULL) {
        dst->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        buf_init(&texts[i].text, PRINT_MAX_BYTES);
        print_name(matcher_name(v[i]), &texts[i].text);
        buf_add_cstr(&texts[i].text, ops[matcher_op(v[i])]);
        go_quote(matcher_value(v[i]), &texts[i].text);
    }
    if (n != 0) {
        qsort(texts, n, sizeof(*texts), by_text);
    }
    buf_add_byte(dst, '{');
    for (size_t i = 0; i < n; i++) {
        buf_add_cstr(dst, i == 0 ? "" : ",");
        buf_add_str(dst, buf_str(&texts[i].text));
        buf_done(&texts[i].text);
    }
    buf_add_byte(dst, '}');
    mem_free(texts);
}

static void print_extend(enum extend e, struct buf *dst)
{
    buf_add_cstr(dst, e == EXTEND_ANCHORED ? " anchored" : e == EXTEND_SMOOTHED ? " smoothed" : "");
}

static void print_selector(const struct node *n, struct buf *dst)
{
    const struct selector *s = &n->selector;
    size_t shown = s->n - (s->name.n != 0); /* the name's matcher is the last */

    buf_add_str(dst, s->name);
    if (shown != 0 || s->name.n == 0) {
        print_matchers(s->v, shown, dst);
    }
    if (n->kind == NODE_MATRIX) {
        buf_add_byte(dst, '[');
        print_length(s->range_expr, s->range_ms, dst);
        buf_add_byte(dst, ']');
        print_extend(s->extend, dst);
        print_at(&s->when, dst);
    } else {
        print_at(&s->when, dst);
        print_extend(s->extend, dst);
    }
    print_offset(&s->when, dst);
}

static void print_names(const struct names *names, struct buf *dst)
{
    buf_add_byte(dst, '(');
    for (size_t i = 0; i < names->n; i++) {
        buf_add_cstr(dst, i == 0 ? "" : ", ");
        print_name(names->v[i], dst);
    }
    buf_add_byte(dst, ')');
}

static void print_aggregate_head(const struct aggregate *a, struct buf *dst)
{
    buf_add_str(dst, tok_text(a->op));
    if (a->without || a->by.n != 0) {
        buf_add_cstr(dst, a->without ? " without " : " by ");
        print_names(&a->by, dst);
        buf_add_byte(dst, ' ');
    }
}

static void print_fill(const char *word, double v, struct buf *dst)
{
    buf_printf(dst, " %s (", word);
    go_add_f64_v(dst, v);
    buf_add_byte(dst, ')');
}

static void print_fills(const struct binary *b, struct buf *dst)
{
    const struct fill *l = &b->fill_left;
    const struct fill *r = &b->fill_right;

    if (l->given && r->given && l->v == r->v) {
        print_fill("fill", l->v, dst);
        return;
    }
    if (l->given) {
        print_fill("fill_left", l->v, dst);
    }
    if (r->given) {
        print_fill("fill_right", r->v, dst);
    }
}

static void print_operator(const struct binary *b, struct buf *dst)
{
    buf_add_str(dst, tok_text(b->op));
    if (b->return_bool) {
        buf_add_cstr(dst, " bool");
    }
    if (b->lhs->type == TYPE_SCALAR || b->rhs->type == TYPE_SCALAR) {
        return;
    }
    if (b->on || b->match.n != 0 || b->card != CARD_ONE_TO_ONE) {
        buf_add_cstr(dst, b->on ? " on " : " ignoring ");
        print_names(&b->match, dst);
    }
    if (b->card != CARD_ONE_TO_ONE) {
        buf_add_cstr(dst, b->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        print_names(&b->include, dst);
    }
    print_fills(b, dst);
}

static void print_subquery_tail(const struct subquery *s, struct buf *dst)
{
    buf_add_byte(dst, '[');
    print_length(s->range_expr, s->range_ms, dst);
    buf_add_byte(dst, ':');
    if (s->step_expr != NULL || s->step_ms != 0) {
        print_length(s->step_expr, s->step_ms, dst);
    }
    buf_add_byte(dst, ']');
    print_at(&s->when, dst);
    print_offset(&s->when, dst);
}

void node_print(const struct node *n, struct buf *dst)
{
    if (dst->failed) {
        return;
    }
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_DURATION:
        print_duration(n, dst);
        break;
    case NODE_STRING:
        go_quote(n->string, dst);
        break;
    case NODE_VECTOR:
    case NODE_MATRIX:
        print_selector(n, dst);
        break;
    case NODE_SUBQUERY:
        node_print(n->subquery.expr, dst);
        print_subquery_tail(&n->subquery, dst);
        break;
    case NODE_CALL:
        buf_add_cstr(dst, n->call.fn->name);
        buf_add_byte(dst, '(');
        for (size_t i = 0; i < n->call.n; i++) {
            buf_add_cstr(dst, i == 0 ? "" : ", ");
            node_print(n->call.args[i], dst);
        }
        buf_add_byte(dst, ')');
        break;
    case NODE_AGGREGATE:
        print_aggregate_head(&n->agg, dst);
        buf_add_byte(dst, '(');
        if (n->agg.param != NULL) {
            node_print(n->agg.param, dst);
            buf_add_cstr(dst, ", ");
        }
        node_print(n->agg.expr, dst);
        buf_add_byte(dst, ')');
        break;
    case NODE_BINARY:
        node_print(n->bin.lhs, dst);
        buf_add_byte(dst, ' ');
        print_operator(&n->bin, dst);
        buf_add_byte(dst, ' ');
        node_print(n->bin.rhs, dst);
        break;
    case NODE_UNARY:
        buf_add_str(dst, tok_text(n->unary.op));
        node_print(n->unary.expr, dst);
        break;
    case NODE_PAREN:
        buf_add_byte(dst, '(');
        node_print(n->paren, dst);
        buf_add_byte(dst, ')');
        break;
    }
}

static void indent(int level, struct buf *dst)
{
    for (int i = 0; i < level; i++) {
        buf_add_cstr(dst, "  ");
    }
}

static bool is_long(const struct node *n)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, LINE_MAX_BYTES + 1); /* what does not fit is not printed further */
    node_print(n, &b);
    return b.failed || b.n > LINE_MAX_BYTES;
}

static void pretty(const struct node *n, int level, struct buf *dst);

static void pretty_args(struct node *const *args, size_t n, int level, struct buf *dst)
{
    buf_add_cstr(dst, "(\n");
    for (size_t i = 0; i < n; i++) {
        pretty(args[i], level + 1, dst);
        buf_add_cstr(dst, i + 1 < n ? ",\n" : "\n");
    }
    indent(level, dst);
    buf_add_byte(dst, ')');
}

static void pretty_long(const struct node *n, int level, struct buf *dst)
{
    switch (n->kind) {
    case NODE_CALL:
        indent(level, dst);
        buf_add_cstr(dst, n->call.fn->name);
        pretty_args(n->call.args, n->call.n, level, dst);
        break;
    case NODE_AGGREGATE: {
        struct node *args[2] = {n->agg.param, n->agg.expr};
        size_t skip = n->agg.param == NULL;

        indent(level, dst);
        print_aggregate_head(&n->agg, dst);
        pretty_args(args + skip, 2 - skip, level, dst);
        break;
    }
    case NODE_BINARY:
        pretty(n->bin.lhs, level + 1, dst);
        buf_add_byte(dst, '\n');
        indent(level, dst);
        print_operator(&n->bin, dst);
        buf_add_byte(dst, '\n');
        pretty(n->bin.rhs, level + 1, dst);
        break;
    case NODE_PAREN: {
        struct node *args[1] = {n->paren};

        indent(level, dst);
        pretty_args(args, 1, level, dst);
        break;
    }
    default:
        indent(level, dst);
        node_print(n, dst);
        break;
    }
}

static void pretty(const struct node *n, int level, struct buf *dst)
{
    if (n->kind == NODE_SUBQUERY && is_long(n)) {
        pretty(n->subquery.expr, level, dst);
        print_subquery_tail(&n->subquery, dst);
    } else if (n->kind == NODE_UNARY) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, PRINT_MAX_BYTES);
        pretty(n->unary.expr, level, &b);
        indent(level, dst);
        buf_add_str(dst, tok_text(n->unary.op));
        buf_add_str(dst, str_trim(buf_str(&b)));
    } else if (is_long(n)) {
        pretty_long(n, level, dst);
    } else {
        indent(n->kind == NODE_SUBQUERY ? 0 : level, dst);
        node_print(n, dst);
    }
}

void node_pretty(const struct node *n, struct buf *dst)
{
    pretty(n, 0, dst);
}

int promql_format(struct str query, struct promql_syntax syntax, struct buf *dst,
                  struct err *reterr)
{
    struct ast ast CLEANUP(ast_done) = {0};
    int rc = promql_parse(query, syntax, &ast, reterr);

    if (rc == 0) {
        node_pretty(ast.root, dst);
        rc = buf_status(dst);
    }
    return rc;
}

int promql_canonical(struct str query, struct promql_syntax syntax, struct buf *dst,
                     struct err *reterr)
{
    struct ast ast CLEANUP(ast_done) = {0};
    int rc = promql_parse(query, syntax, &ast, reterr);

    if (rc == 0) {
        node_print(ast.root, dst);
        rc = buf_status(dst);
    }
    return rc;
}
