/* SPDX-License-Identifier: Apache-2.0
 *
 * A precedence-climbing parser for PromQL's grammar (Prometheus 3.x). It stops at the first error; which
 * text an error gets follows the context that upstream's grammar recovers in: the innermost of selector,
 * grouping, modifier, then aggregation, then none.
 */
#include "base/err.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "query/promql/gotext.h"
#include "query/promql/parse_internal.h"

int promql_parse_error(struct str query, uint32_t start, uint32_t end, struct str text,
                       struct err *reterr)
{
    unsigned line = 1;
    uint32_t line_start = 0;

    for (uint32_t i = 0; i < start && i < query.n; i++) {
        if (query.p[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    if (reterr != NULL) {
        reterr->span = (struct err_span){start, end};
    }
    return err_set(reterr, ERR_INVALID, "%u:%u: parse error: %.*s", line, start - line_start + 1,
                   STR_ARG(text));
}

void parse_advance(struct parser *p)
{
    p->cur = lex_next(&p->lex);
    switch (p->cur.type) {
    case TOK_RBRACE:
    case TOK_RPAREN:
    case TOK_RBRACKET:
    case TOK_DURATION:
    case TOK_NUMBER:
        p->last_closing = p->cur.end;
        break;
    default:
        break;
    }
}

void *parse_fail_at(struct parser *p, uint32_t start, uint32_t end, struct str text)
{
    if (p->rc == 0) {
        p->rc = promql_parse_error(p->ast->query, start, end, text, p->reterr);
    }
    return NULL;
}

void *parse_no_memory(struct parser *p)
{
    if (p->rc == 0) {
        p->rc = err_set(p->reterr, ERR_NOMEM, "query is too large");
    }
    return NULL;
}

void *parse_unexpected(struct parser *p, const char *context, const char *expected)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (p->cur.type == TOK_ERROR) {
        return parse_fail_at(p, p->cur.start, p->cur.end, p->cur.text);
    }
    if (context == NULL) {
        context = p->agg_depth > 0 ? "aggregation" : "";
    }
    buf_init(&b, 4096);
    buf_add_cstr(&b, "unexpected ");
    token_describe(&p->cur, &b);
    if (*context != '\0') {
        buf_printf(&b, " in %s", context);
    }
    if (expected != NULL) {
        buf_printf(&b, ", expected %s", expected);
    }
    return parse_fail_at(p, p->cur.start, p->cur.end, buf_str(&b));
}

bool parse_take(struct parser *p, enum tok type)
{
    if (p->cur.type != type) {
        return false;
    }
    parse_advance(p);
    return true;
}

struct node *parse_node_new(struct parser *p, enum node_kind kind, enum value_type type,
                            uint32_t start, uint32_t end)
{
    struct node *n = arena_calloc(&p->ast->arena, 1, sizeof(*n));

    if (n == NULL) {
        return parse_no_memory(p);
    }
    n->kind = kind;
    n->type = type;
    n->start = start;
    n->end = end;
    return n;
}

struct node *parse_adopt(struct parser *p, struct node *n, const struct node *child)
{
    if (n->depth <= child->depth) {
        n->depth = child->depth + 1;
    }
    return n->depth > DEPTH_MAX
               ? parse_fail_at(p, child->start, child->end, STR("expression is nested too deeply"))
               : n;
}

static struct node *parse_expr(struct parser *p, int min_prec);

/* --- Calls and aggregations --- */

static bool starts_expr(enum tok t)
{
    return parse_is_metric_word(t) || t == TOK_NUMBER || t == TOK_DURATION || t == TOK_STRING ||
           t == TOK_LPAREN || t == TOK_LBRACE || t == TOK_ADD || t == TOK_SUB;
}

static bool parse_args(struct parser *p, struct node ***ret, size_t *ret_n, uint32_t *ret_end)
{
    node_list list = {0};
    bool ok = false;

    if (!parse_take(p, TOK_LPAREN)) {
        parse_unexpected(p, NULL, NULL);
        return false;
    }
    while (p->cur.type != TOK_RPAREN) {
        struct node *arg = parse_expr(p, 0);
        struct token comma;

        if (arg == NULL) {
            goto out;
        }
        if (!vec_push(&list, arg)) {
            parse_no_memory(p);
            goto out;
        }
        comma = p->cur;
        if (p->cur.type == TOK_RPAREN) {
            break;
        }
        if (!parse_take(p, TOK_COMMA)) {
            parse_unexpected(p, NULL, NULL);
            goto out;
        }
        if (!starts_expr(p->cur.type) && p->cur.type != TOK_ERROR) {
            parse_fail_at(p, comma.start, comma.end,
                          STR("trailing commas not allowed in function call args"));
            goto out;
        }
    }
    *ret = arena_array(&p->ast->arena, struct node *, list.n + 1);
    if (*ret == NULL) {
        parse_no_memory(p);
        goto out;
    }
    for (size_t i = 0; i < list.n; i++) {
        (*ret)[i] = list.v[i];
    }
    *ret_n = list.n;
    *ret_end = p->cur.end;
    parse_advance(p);
    ok = true;
out:
    vec_done(&list);
    return ok;
}

static struct node *parse_call(struct parser *p, struct token name)
{
    struct node *n = parse_node_new(p, NODE_CALL, TYPE_NONE, name.start, name.end);

    if (n == NULL || !parse_args(p, &n->call.args, &n->call.n, &n->end)) {
        return NULL;
    }
    n->call.fn = function_find(name.text);
    if (n->call.fn == NULL || (n->call.fn->only_2x && p->syntax.compat != PROMQL_COMPAT_2)) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 4096);
        buf_add_cstr(&b, "unknown function with name ");
        go_quote(str_take(name.text, 150), &b);
        return parse_fail_at(p, name.start, name.end, buf_str(&b));
    }
    if (n->call.fn->experimental && (p->syntax.features & PROMQL_EXPERIMENTAL_FUNCTIONS) == 0) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 4096);
        buf_printf(&b, "function \"%s\" is not enabled", n->call.fn->name);
        return parse_fail_at(p, name.start, name.end, buf_str(&b));
    }
    n->type = n->call.fn->ret;
    for (size_t i = 0; i < n->call.n; i++) {
        if (parse_adopt(p, n, n->call.args[i]) == NULL) {
            return NULL;
        }
    }
    return n;
}

static bool parse_by(struct parser *p, struct aggregate *a)
{
    a->without = p->cur.type == TOK_WITHOUT;
    parse_advance(p);
    return parse_names(p, &a->by);
}

static struct node *aggregate_finish(struct parser *p, struct node *n, struct node **args,
                                     size_t args_n)
{
    struct aggregate *a = &n->agg;
    bool limit = a->op == TOK_LIMITK || a->op == TOK_LIMIT_RATIO;
    size_t want = limit || a->op == TOK_TOPK || a->op == TOK_BOTTOMK || a->op == TOK_COUNT_VALUES ||
                          a->op == TOK_QUANTILE
                      ? 2
                      : 1;

    if (limit && args_n != 0 && (p->syntax.features & PROMQL_EXPERIMENTAL_FUNCTIONS) == 0) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 256);
        buf_printf(&b,
                   "%.*s() is experimental and must be enabled with "
                   "--enable-feature=promql-experimental-functions",
                   STR_ARG(tok_text(a->op)));
        return parse_fail_at(p, n->start, n->end, buf_str(&b));
    }
    if (args_n == 0) {
        return parse_fail_at(p, n->start, n->end,
                             STR("no arguments for aggregate expression provided"));
    }
    if (args_n != want) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 256);
        buf_printf(&b,
                   "wrong number of arguments for aggregate expression provided, expected %zu, "
                   "got %zu",
                   want, args_n);
        return parse_fail_at(p, n->start, n->end, buf_str(&b));
    }
    a->param = want == 2 ? args[0] : NULL;
    a->expr = args[want - 1];
    return parse_adopt(p, n, a->expr) != NULL ? parse_adopt(p, n, args[0]) : NULL;
}

static struct node *parse_aggregate(struct parser *p, struct token op)
{
    struct node *n = parse_node_new(p, NODE_AGGREGATE, TYPE_VECTOR, op.start, op.end);
    struct node **args = NULL;
    size_t args_n = 0;
    bool ok;

    if (n == NULL) {
        return NULL;
    }
    n->agg.op = op.type;
    p->agg_depth++;
    ok = (p->cur.type == TOK_LPAREN || parse_by(p, &n->agg)) &&
         parse_args(p, &args, &args_n, &n->end);
    p->agg_depth--;
    if (n->agg.by.v != NULL) {
        n->end = p->last_closing;
    }
    if (ok && n->agg.by.v == NULL && (p->cur.type == TOK_BY || p->cur.type == TOK_WITHOUT)) {
        ok = parse_by(p, &n->agg);
        n->end = p->last_closing;
    } else if (ok && n->agg.by.v == NULL && p->cur.type == TOK_ERROR) {
        return parse_unexpected(p, NULL,
                                NULL); /* upstream has read this far when it counts arguments */
    }
    return ok ? aggregate_finish(p, n, args, args_n) : NULL;
}

static struct node *parse_primary(struct parser *p)
{
    struct token t = p->cur;
    struct node *n;

    if (t.type == TOK_NUMBER || t.type == TOK_DURATION) {
        return parse_number(p);
    }
    if (t.type == TOK_STRING) {
        return parse_string(p);
    }
    if (t.type == TOK_LPAREN) {
        parse_advance(p);
        n = parse_node_new(p, NODE_PAREN, TYPE_NONE, t.start, t.end);
        if (n == NULL || (n->paren = parse_expr(p, 0)) == NULL) {
            return NULL;
        }
        if (p->cur.type != TOK_RPAREN) {
            return parse_unexpected(p, NULL, NULL);
        }
        n->end = p->cur.end;
        n->type = n->paren->type;
        parse_advance(p);
        return parse_adopt(p, n, n->paren);
    }
    if (t.type == TOK_LBRACE) {
        return parse_selector(p, (struct token){.type = TOK_EOF});
    }
    if (!parse_is_metric_word(t.type)) {
        return parse_unexpected(p, NULL, NULL);
    }
    parse_advance(p);
    if ((t.type == TOK_IDENT || (t.type >= TOK_START && t.type <= TOK_MIN_OF)) &&
        p->cur.type == TOK_LPAREN) {
        return parse_call(p, t);
    }
    if (tok_is_aggregator(t.type) &&
        (p->cur.type == TOK_LPAREN || p->cur.type == TOK_BY || p->cur.type == TOK_WITHOUT)) {
        return parse_aggregate(p, t);
    }
    return parse_selector(p, t);
}

/* --- Operators --- */

static struct node *parse_unary(struct parser *p)
{
    struct token op = p->cur;
    struct node *n;
    struct node *inner;

    if (op.type != TOK_ADD && op.type != TOK_SUB) {
        return parse_postfix(p, parse_primary(p));
    }
    parse_advance(p);
    inner = parse_expr(p, PREC_POW); /* binds as multiplication does */
    if (inner == NULL) {
        return NULL;
    }
    if (inner->kind == NODE_NUMBER) {
        inner->number = op.type == TOK_SUB ? -inner->number : inner->number;
        inner->start = op.start;
        return inner;
    }
    n = parse_node_new(p, NODE_UNARY, inner->type, op.start, inner->end);
    if (n == NULL) {
        return NULL;
    }
    n->unary = (struct unary){op.type, inner};
    return parse_adopt(p, n, inner);
}

int parse_precedence(enum tok t)
{
    switch (t) {
    case TOK_OR:
        return PREC_OR;
    case TOK_AND:
    case TOK_UNLESS:
        return PREC_AND;
    case TOK_ADD:
    case TOK_SUB:
        return PREC_ADD;
    case TOK_MUL:
    case TOK_DIV:
    case TOK_MOD:
    case TOK_ATAN2:
        return PREC_MUL;
    case TOK_POW:
        return PREC_POW;
    case TOK_TRIM_UPPER:
    case TOK_TRIM_LOWER:
        return PREC_COMPARE;
    default:
        return tok_is_comparison(t) ? PREC_COMPARE : 0;
    }
}

/** The value of a fill modifier, which is the current token. */
static bool parse_fill(struct parser *p, struct fill *ret)
{
    struct token sign;
    struct node *n;

    parse_advance(p);
    if (!parse_take(p, TOK_LPAREN)) {
        parse_unexpected(p, NULL, NULL);
        return false;
    }
    sign = p->cur;
    if (sign.type == TOK_ADD || sign.type == TOK_SUB) {
        parse_advance(p);
    }
    if (p->cur.type != TOK_NUMBER && p->cur.type != TOK_DURATION) {
        parse_unexpected(p, NULL, NULL);
        return false;
    }
    n = parse_number(p);
    if (n == NULL) {
        return false;
    }
    *ret = (struct fill){true, sign.type == TOK_SUB ? -n->number : n->number};
    if (!parse_take(p, TOK_RPAREN)) {
        parse_unexpected(p, NULL, NULL);
        return false;
    }
    return true;
}

static bool parse_fills(struct parser *p, struct binary *b, uint32_t start)
{
    bool any = false;

    if (p->cur.type == TOK_FILL) {
        any = true;
        if (!parse_fill(p, &b->fill_left)) {
            return false;
        }
        b->fill_right = b->fill_left;
    } else {
        for (int i = 0; i < 2; i++) {
            bool left = p->cur.type == TOK_FILL_LEFT && !b->fill_left.given;
            bool right = p->cur.type == TOK_FILL_RIGHT && !b->fill_right.given;

            if (!left && !right) {
                break;
            }
            any = true;
            if (!parse_fill(p, left ? &b->fill_left : &b->fill_right)) {
                return false;
            }
        }
    }
    if (any && (p->syntax.features & PROMQL_FILL_MODIFIERS) == 0) {
        parse_fail_at(p, start, p->last_closing,
                      STR("binop fill modifiers are experimental and not enabled"));
        return false;
    }
    return true;
}

static bool parse_matching(struct parser *p, struct binary *b)
{
    b->return_bool = parse_take(p, TOK_BOOL);
    if (p->cur.type != TOK_ON && p->cur.type != TOK_IGNORING) {
        return true;
    }
    b->on = p->cur.type == TOK_ON;
    parse_advance(p);
    if (!parse_names(p, &b->match)) {
        return false;
    }
    if (p->cur.type == TOK_GROUP_LEFT || p->cur.type == TOK_GROUP_RIGHT) {
        b->card = p->cur.type == TOK_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
        parse_advance(p);
        if (p->cur.type != TOK_LPAREN && starts_expr(p->cur.type)) {
            return true; /* the labels may be left out */
        }
        return parse_names(p, &b->include);
    }
    return true;
}

static struct node *parse_binary(struct parser *p, struct node *lhs, int prec)
{
    struct node *n = parse_node_new(p, NODE_BINARY, TYPE_VECTOR, lhs->start, lhs->end);

    if (n == NULL) {
        return NULL;
    }
    n->bin.op = p->cur.type;
    n->bin.lhs = lhs;
    parse_advance(p);
    if (!parse_matching(p, &n->bin) || !parse_fills(p, &n->bin, n->start)) {
        return NULL;
    }
    n->bin.rhs = parse_expr(p, n->bin.op == TOK_POW ? prec : prec + 1);
    if (n->bin.rhs == NULL) {
        return NULL;
    }
    n->end = n->bin.rhs->end;
    if (lhs->type == TYPE_SCALAR && n->bin.rhs->type == TYPE_SCALAR) {
        n->type = TYPE_SCALAR;
    }
    return parse_adopt(p, n, lhs) != NULL ? parse_adopt(p, n, n->bin.rhs) : NULL;
}

static struct node *parse_expr(struct parser *p, int min_prec)
{
    struct node *n;

    if (++p->depth > NESTING_MAX) {
        return parse_fail_at(p, p->cur.start, p->cur.end, STR("expression is nested too deeply"));
    }
    n = parse_unary(p);
    while (n != NULL) {
        int prec = parse_precedence(p->cur.type);

        if (prec == 0 || prec < min_prec) {
            break;
        }
        n = parse_binary(p, n, prec);
    }
    p->depth--;
    return n;
}

static int parse_text(struct parser *p, struct str query, struct promql_syntax syntax,
                      struct ast *ret, struct err *reterr)
{
    *p = (struct parser){.ast = ret, .syntax = syntax, .reterr = reterr};
    *ret = (struct ast){0};
    arena_init(&ret->arena, AST_MAX_BYTES);
    if (query.n > QUERY_MAX_BYTES) {
        return err_set(reterr, ERR_INVALID, "query is longer than %d bytes", QUERY_MAX_BYTES);
    }
    ret->query = arena_str_dup(&ret->arena, query);
    if (ret->query.p == NULL && query.n != 0) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    lex_init(&p->lex, ret->query, &ret->arena);
    parse_advance(p);
    return 0;
}

int promql_parse(struct str query, struct promql_syntax syntax, struct ast *ret, struct err *reterr)
{
    struct parser p;
    int rc = parse_text(&p, query, syntax, ret, reterr);

    if (rc != 0) {
        return rc;
    }
    if (p.cur.type == TOK_EOF) {
        return promql_parse_error(ret->query, 0, 0, STR("no expression found in input"), reterr);
    }
    ret->root = parse_expr(&p, 0);
    if (p.rc == 0 && p.cur.type != TOK_EOF) {
        parse_unexpected(&p, "", NULL);
    }
    return p.rc != 0 ? p.rc : promql_check(ret, reterr);
}

void ast_done(struct ast *a)
{
    for (size_t i = 0; i < a->matchers.n; i++) {
        matcher_free(a->matchers.v[i]);
    }
    vec_done(&a->matchers);
    arena_done(&a->arena);
}

void promql_matchers_free(struct matcher **m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        matcher_free(m[i]);
    }
    mem_free(m);
}

int promql_parse_selector(struct str text, struct matcher ***ret, size_t *ret_n, struct err *reterr)
{
    struct ast ast CLEANUP(ast_done) = {0};
    struct parser p;
    int rc = parse_text(&p, text, (struct promql_syntax){0}, &ast, reterr);

    if (rc != 0) {
        return rc;
    }
    if (p.cur.type == TOK_LBRACE) {
        ast.root = parse_selector(&p, (struct token){.type = TOK_EOF});
    } else if (parse_is_metric_word(p.cur.type)) {
        struct token name = p.cur;

        parse_advance(&p);
        ast.root = parse_selector(&p, name);
    } else {
        parse_unexpected(&p, "", NULL);
    }
    if (p.rc == 0 && p.cur.type != TOK_EOF) {
        parse_unexpected(&p, "", NULL);
    }
    rc = p.rc != 0 ? p.rc : promql_check(&ast, reterr);
    if (rc != 0) {
        return rc;
    }
    *ret_n = ast.matchers.n;
    *ret = ast.matchers.v; /* one selector: all of the tree's matchers are its own */
    ast.matchers.v = NULL;
    ast.matchers.n = 0;
    return 0;
}
