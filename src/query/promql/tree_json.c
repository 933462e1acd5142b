/* SPDX-License-Identifier: Apache-2.0
 *
 * A parsed expression as the JSON that /api/v1/parse_query answers with, node by node as Prometheus writes it.
 * Duration expressions, fills, extended ranges and where in the query a node stands ("span": bytes from and to), which
 * its form does not have, are members more.
 */
#include "codec/json_write.h"
#include "model/matcher.h"
#include "query/promql/ast.h"
#include "query/promql/gotext.h"

enum { TEXT_MAX_BYTES = 1 << 20 };

static void tree(struct json_writer *w, const struct node *n);

static void add_str(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    json_str(w, s);
}

static void add_int(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

static void add_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}

static void add_child(struct json_writer *w, const char *key, const struct node *n)
{
    json_key(w, key);
    if (n == NULL) {
        json_null(w);
    } else {
        tree(w, n);
    }
}

static void add_names(struct json_writer *w, const char *key, const struct names *names)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < names->n; i++) {
        json_str(w, names->v[i]);
    }
    json_array_end(w);
}

/** A duration expression as text, under its own name. */
static void add_expr(struct json_writer *w, const char *key, const struct node *n)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (n != NULL) {
        buf_init(&b, TEXT_MAX_BYTES);
        node_print(n, &b);
        add_str(w, key, buf_str(&b));
    }
}

static void add_when(struct json_writer *w, const struct when *when)
{
    add_int(w, "offset", when->offset_ms);
    add_expr(w, "offsetExpr", when->offset_expr);
    json_key(w, "timestamp");
    if (when->at == AT_TIME) {
        json_i64(w, when->at_ms);
    } else {
        json_null(w);
    }
    json_key(w, "startOrEnd");
    if (when->at == AT_START || when->at == AT_END) {
        json_cstr(w, when->at == AT_START ? "start" : "end");
    } else {
        json_null(w);
    }
}

static void add_selector(struct json_writer *w, const struct node *n)
{
    static const char *const ops[] = {
        [MATCH_EQ] = "=", [MATCH_NEQ] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~"};
    const struct selector *s = &n->selector;

    add_str(w, "type", n->kind == NODE_MATRIX ? STR("matrixSelector") : STR("vectorSelector"));
    add_str(w, "name", s->name);
    if (n->kind == NODE_MATRIX) {
        add_int(w, "range", s->range_ms);
        add_expr(w, "rangeExpr", s->range_expr);
    }
    add_when(w, &s->when);
    if (s->extend != EXTEND_NONE) {
        add_str(w, "extend", s->extend == EXTEND_ANCHORED ? STR("anchored") : STR("smoothed"));
    }
    json_key(w, "matchers");
    json_array_begin(w);
    for (size_t i = 0; i < s->n; i++) {
        json_object_begin(w);
        add_str(w, "name", matcher_name(s->v[i]));
        add_str(w, "value", matcher_value(s->v[i]));
        add_str(w, "type", str_cstr(ops[matcher_op(s->v[i])]));
        json_object_end(w);
    }
    json_array_end(w);
}

static void add_subquery(struct json_writer *w, const struct subquery *s)
{
    add_str(w, "type", STR("subquery"));
    add_child(w, "expr", s->expr);
    add_int(w, "range", s->range_ms);
    add_expr(w, "rangeExpr", s->range_expr);
    add_int(w, "step", s->step_ms);
    add_expr(w, "stepExpr", s->step_expr);
    add_when(w, &s->when);
}

static void add_call(struct json_writer *w, const struct call *c)
{
    static const char *const types[] = {"none", "scalar", "vector", "matrix", "string"};
    const struct function *f = c->fn;

    add_str(w, "type", STR("call"));
    json_key(w, "func");
    json_object_begin(w);
    add_str(w, "name", str_cstr(f->name));
    json_key(w, "argTypes");
    json_array_begin(w);
    for (int i = 0; i < f->args_n; i++) {
        json_cstr(w, types[f->args[i]]);
    }
    json_array_end(w);
    add_int(w, "variadic", f->variadic);
    add_str(w, "returnType", str_cstr(types[f->ret]));
    json_object_end(w);
    json_key(w, "args");
    json_array_begin(w);
    for (size_t i = 0; i < c->n; i++) {
        tree(w, c->args[i]);
    }
    json_array_end(w);
}

static void add_fill(struct json_writer *w, const char *key, const struct fill *f)
{
    if (f->given) {
        json_key(w, key);
        json_f64(w, f->v);
    }
}

static void add_binary(struct json_writer *w, const struct binary *b)
{
    static const char *const cards[] = {[CARD_ONE_TO_ONE] = "one-to-one",
                                        [CARD_MANY_TO_ONE] = "many-to-one",
                                        [CARD_ONE_TO_MANY] = "one-to-many"};
    bool vectors = b->lhs->type == TYPE_VECTOR && b->rhs->type == TYPE_VECTOR;

    add_str(w, "type", STR("binaryExpr"));
    add_str(w, "op", tok_text(b->op));
    add_child(w, "lhs", b->lhs);
    add_child(w, "rhs", b->rhs);
    json_key(w, "matching");
    if (vectors) {
        json_object_begin(w);
        add_str(w, "card", str_cstr(tok_is_set_operator(b->op) ? "many-to-many" : cards[b->card]));
        add_names(w, "labels", &b->match);
        add_bool(w, "on", b->on);
        add_names(w, "include", &b->include);
        add_fill(w, "fillLeft", &b->fill_left);
        add_fill(w, "fillRight", &b->fill_right);
        json_object_end(w);
    } else {
        json_null(w);
    }
    add_bool(w, "bool", b->return_bool);
}

static void add_number(struct json_writer *w, double v)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1024);
    go_add_f64(&b, v);
    add_str(w, "type", STR("numberLiteral"));
    add_str(w, "val", buf_str(&b));
}

static void tree(struct json_writer *w, const struct node *n)
{
    json_object_begin(w);
    switch (n->kind) {
    case NODE_NUMBER:
        add_number(w, n->number);
        break;
    case NODE_STRING:
        add_str(w, "type", STR("stringLiteral"));
        add_str(w, "val", n->string);
        break;
    case NODE_VECTOR:
    case NODE_MATRIX:
        add_selector(w, n);
        break;
    case NODE_SUBQUERY:
        add_subquery(w, &n->subquery);
        break;
    case NODE_CALL:
        add_call(w, &n->call);
        break;
    case NODE_AGGREGATE:
        add_str(w, "type", STR("aggregation"));
        add_str(w, "op", tok_text(n->agg.op));
        add_child(w, "expr", n->agg.expr);
        add_child(w, "param", n->agg.param);
        add_names(w, "grouping", &n->agg.by);
        add_bool(w, "without", n->agg.without);
        break;
    case NODE_BINARY:
        add_binary(w, &n->bin);
        break;
    case NODE_UNARY:
        add_str(w, "type", STR("unaryExpr"));
        add_str(w, "op", tok_text(n->unary.op));
        add_child(w, "expr", n->unary.expr);
        break;
    case NODE_PAREN:
        add_str(w, "type", STR("parenExpr"));
        add_child(w, "expr", n->paren);
        break;
    case NODE_DURATION:
        break; /* only ever shown as text */
    }
    json_key(w, "span");
    json_array_begin(w);
    json_u64(w, n->start);
    json_u64(w, n->end);
    json_array_end(w);
    json_object_end(w);
}

int promql_tree_json(struct str query, struct promql_syntax syntax, struct buf *dst,
                     struct err *reterr)
{
    struct ast ast CLEANUP(ast_done) = {0};
    struct json_writer w;
    int rc = promql_parse(query, syntax, &ast, reterr);

    if (rc == 0) {
        json_init(&w, dst);
        tree(&w, ast.root);
        rc = buf_status(dst);
    }
    return rc;
}
