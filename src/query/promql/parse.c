/* SPDX-License-Identifier: Apache-2.0
 *
 * A precedence-climbing parser for PromQL's grammar (Prometheus 2.x). It stops at the first error; which
 * text an error gets follows the context that upstream's grammar recovers in: the innermost of selector,
 * grouping, modifier, then aggregation, then none.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "query/promql/ast.h"
#include "query/promql/gotext.h"
#include "query/promql/promql.h"

enum {
    NESTING_MAX = 250, /* what the parser recurses into */
    DEPTH_MAX =
        1000, /* of the tree, as evaluation recurses; a chain of operators is as deep as long */
    QUERY_MAX_BYTES = 1 << 20,
    AST_MAX_BYTES = 256 << 20,
    PREC_OR = 1,
    PREC_AND,
    PREC_COMPARE,
    PREC_ADD,
    PREC_MUL,
    PREC_POW,
};

struct parser {
    struct lexer lex;
    struct token cur;
    struct ast *ast;
    struct err *reterr;
    int rc;
    int agg_depth; /* aggregations being read: the context of unexpected() */
    int depth;
    uint32_t last_closing; /* end of the last closing token read */
};

typedef VEC(struct node *) node_list;

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

static void advance(struct parser *p)
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

static void *fail_at(struct parser *p, uint32_t start, uint32_t end, struct str text)
{
    if (p->rc == 0) {
        p->rc = promql_parse_error(p->ast->query, start, end, text, p->reterr);
    }
    return NULL;
}

static void *no_memory(struct parser *p)
{
    if (p->rc == 0) {
        p->rc = err_set(p->reterr, ERR_NOMEM, "query is too large");
    }
    return NULL;
}

/** The current token does not fit. Errors of the lexer tell more and win. */
static void *unexpected(struct parser *p, const char *context, const char *expected)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (p->cur.type == TOK_ERROR) {
        return fail_at(p, p->cur.start, p->cur.end, p->cur.text);
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
    return fail_at(p, p->cur.start, p->cur.end, buf_str(&b));
}

static bool take(struct parser *p, enum tok type)
{
    if (p->cur.type != type) {
        return false;
    }
    advance(p);
    return true;
}

static struct node *node_new(struct parser *p, enum node_kind kind, enum value_type type,
                             uint32_t start, uint32_t end)
{
    struct node *n = arena_calloc(&p->ast->arena, 1, sizeof(*n));

    if (n == NULL) {
        return no_memory(p);
    }
    n->kind = kind;
    n->type = type;
    n->start = start;
    n->end = end;
    return n;
}

static struct node *parse_expr(struct parser *p, int min_prec);

/** Note that `child` is below `n`. @return n, or NULL when the tree gets too deep */
static struct node *adopt(struct parser *p, struct node *n, const struct node *child)
{
    if (n->depth <= child->depth) {
        n->depth = child->depth + 1;
    }
    return n->depth > DEPTH_MAX
               ? fail_at(p, child->start, child->end, STR("expression is nested too deeply"))
               : n;
}

/* --- Literals --- */

static bool parse_number(struct parser *p, struct str text, double *ret)
{
    char tmp[400];
    char *end;
    const char *why = "invalid syntax";
    bool hex = text.n > 1 && (text.p[1] == 'x' || text.p[1] == 'X');
    struct buf b CLEANUP(buf_done) = {0};

    if (text.n < sizeof(tmp)) {
        memcpy(tmp, text.p, text.n);
        tmp[text.n] = '\0';
        if (strspn(tmp, "01234567") == text.n || (hex && strpbrk(tmp, ".pP") == NULL)) {
            unsigned long long v;

            errno = 0;
            v = strtoull(tmp, &end, 0); /* a leading 0 means octal, as in Go */
            if (errno == 0 && v <= INT64_MAX && *end == '\0' && text.n > (hex ? 2u : 0u)) {
                *ret = (double)v;
                return true;
            }
        }
        if (!hex) {
            *ret = strtod(tmp, &end);
            if (*end == '\0' && end != tmp && (!isinf(*ret) || str_eq_nocase(text, STR("inf")))) {
                return true;
            }
            why = *end == '\0' ? "value out of range" : why;
        }
    }
    buf_init(&b, 4096);
    buf_add_cstr(&b, "error parsing number: strconv.ParseFloat: parsing ");
    go_quote(str_take(text, 400), &b);
    buf_printf(&b, ": %s", why);
    fail_at(p, p->cur.start, p->cur.end, buf_str(&b));
    return false;
}

/** Duration text to ms; upstream's parser allows each unit once, from years down. */
static bool duration_ms(struct str s, int64_t *ret, const char **why)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
                 {"m", 60000},       {"s", 1000},      {"ms", 1}};

    size_t next = 0;
    int64_t total = 0;

    *why = "not a valid duration string";
    while (s.n != 0) {
        size_t digits = 0;
        size_t letters = 0;
        int64_t v = 0;
        int64_t part;

        while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9') {
            if (__builtin_mul_overflow(v, 10, &v) ||
                __builtin_add_overflow(v, s.p[digits] - '0', &v)) {
                *why = NULL;
                return false;
            }
            digits++;
        }
        while (digits + letters < s.n && s.p[digits + letters] >= 'a' &&
               s.p[digits + letters] <= 'z') {
            letters++;
        }
        while (next < ARRAY_LEN(units) &&
               !str_eq(str_of(s.p + digits, letters), str_cstr(units[next].unit))) {
            next++;
        }
        if (digits == 0 || next == ARRAY_LEN(units)) {
            return false;
        }
        if (__builtin_mul_overflow(v, units[next].ms, &part) ||
            __builtin_add_overflow(total, part, &total) || total > INT64_MAX / 1000000) {
            *why = NULL;
            return false;
        }
        next++;
        s = str_drop(s, digits + letters);
    }
    *ret = total;
    return true;
}

/** Take a duration token; 0 and nonsense are errors. */
static bool take_duration(struct parser *p, int64_t *ret)
{
    const char *why;
    struct token t = p->cur;
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 4096);
    if (!duration_ms(t.text, ret, &why)) {
        if (why == NULL) {
            buf_add_cstr(&b, "duration out of range");
        } else {
            buf_printf(&b, "%s: ", why);
            go_quote(str_take(t.text, 200), &b);
        }
    } else if (*ret == 0) {
        buf_add_cstr(&b, "duration must be greater than 0");
    } else {
        advance(p);
        return true;
    }
    fail_at(p, t.start, t.end, buf_str(&b));
    return false;
}

static struct node *parse_string(struct parser *p)
{
    struct node *n = node_new(p, NODE_STRING, TYPE_STRING, p->cur.start, p->cur.end);

    if (n == NULL) {
        return NULL;
    }
    if (!go_unquote(p->cur.text, &p->ast->arena, &n->string)) {
        return fail_at(p, p->cur.start, p->cur.end, STR("error unquoting string: invalid syntax"));
    }
    advance(p);
    return n;
}

/* --- Selectors --- */

/** Upstream's words before the regex engine's own. */
static void *bad_matcher(struct parser *p, uint32_t start, uint32_t end, struct str why)
{
    const struct str ours = STR("regular expression: ");
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1024);
    buf_add_cstr(&b, "error parsing regexp: ");
    buf_add_str(&b, str_starts(why, ours) ? str_drop(why, ours.n) : why);
    return fail_at(p, start, end, buf_str(&b));
}

static struct matcher *add_matcher(struct parser *p, enum match_op op, struct str name,
                                   struct str value, uint32_t start, uint32_t end)
{
    struct matcher *m;
    struct err e = {0};

    if (!vec_reserve(&p->ast->matchers, 1)) {
        return no_memory(p);
    }
    if (matcher_new(op, name, value, &m, &e) != 0) {
        return e.code == ERR_NOMEM ? no_memory(p) : bad_matcher(p, start, end, str_cstr(e.msg));
    }
    p->ast->matchers.v[p->ast->matchers.n++] = m;
    return m;
}

static struct matcher *parse_matcher(struct parser *p)
{
    struct token name = p->cur;
    struct token value;
    struct str text;
    enum match_op op;

    if (!take(p, TOK_IDENT)) {
        return unexpected(p, "label matching", "identifier or \"}\"");
    }
    switch (p->cur.type) {
    case TOK_EQL:
        op = MATCH_EQ;
        break;
    case TOK_NEQ:
        op = MATCH_NEQ;
        break;
    case TOK_EQL_RE:
        op = MATCH_RE;
        break;
    case TOK_NEQ_RE:
        op = MATCH_NRE;
        break;
    default:
        return unexpected(p, "label matching", "label matching operator");
    }
    advance(p);
    value = p->cur;
    if (value.type != TOK_STRING) {
        return unexpected(p, "label matching", "string");
    }
    if (!go_unquote(value.text, &p->ast->arena, &text)) {
        return fail_at(p, value.start, value.end, STR("error unquoting string: invalid syntax"));
    }
    advance(p);
    return add_matcher(p, op, name.text, text, name.start, value.end);
}

/** `{...}` into `n`, the brace being the current token; room is left for the name's matcher. */
static bool parse_matchers(struct parser *p, struct node *n)
{
    VEC(struct matcher *) list = {0};
    bool ok = false;

    advance(p);
    while (p->cur.type != TOK_RBRACE) {
        struct matcher *m = parse_matcher(p);

        if (m == NULL) {
            goto out;
        }
        if (!vec_push(&list, m)) {
            no_memory(p);
            goto out;
        }
        if (p->cur.type != TOK_RBRACE && !take(p, TOK_COMMA)) {
            unexpected(p, "label matching", "\",\" or \"}\"");
            goto out;
        }
    }
    n->end = p->cur.end;
    advance(p);
    n->selector.v = arena_array(&p->ast->arena, struct matcher *, list.n + 1);
    if (n->selector.v == NULL) {
        no_memory(p);
        goto out;
    }
    for (size_t i = 0; i < list.n; i++) {
        n->selector.v[i] = list.v[i];
    }
    n->selector.n = list.n;
    ok = true;
out:
    vec_done(&list);
    return ok;
}

/** `name` is the token before (type TOK_EOF: none). */
static struct node *parse_selector(struct parser *p, struct token name)
{
    bool named = name.type != TOK_EOF;
    struct node *n = node_new(p, NODE_VECTOR, TYPE_VECTOR, named ? name.start : p->cur.start,
                              named ? name.end : p->cur.end);
    struct matcher *m;

    if (n == NULL || (p->cur.type == TOK_LBRACE && !parse_matchers(p, n))) {
        return NULL;
    }
    if (!named) {
        return n;
    }
    if (n->selector.v == NULL) {
        n->selector.v = arena_array(&p->ast->arena, struct matcher *, 1);
        if (n->selector.v == NULL) {
            return no_memory(p);
        }
    }
    m = add_matcher(p, MATCH_EQ, STR(LABEL_NAME), name.text, name.start, name.end);
    if (m == NULL) {
        return NULL;
    }
    n->selector.name = name.text;
    n->selector.v[n->selector.n++] = m;
    return n;
}

/* --- Label lists --- */

static bool is_label_word(enum tok t)
{
    return t == TOK_IDENT || t == TOK_METRIC_IDENT || tok_is_aggregator(t) ||
           (t >= TOK_KEYWORD_FIRST && t <= TOK_KEYWORD_LAST && t != TOK_WITHOUT) || t == TOK_AND ||
           t == TOK_OR || t == TOK_UNLESS || t == TOK_ATAN2 || t == TOK_START || t == TOK_END;
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool names_finish(struct parser *p, const struct str *v, size_t n, struct names *ret)
{
    ret->v = arena_array(&p->ast->arena, struct str, n + 1);
    ret->sorted = arena_array(&p->ast->arena, struct str, n + 1);
    if (ret->v == NULL || ret->sorted == NULL) {
        no_memory(p);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        ret->v[i] = ret->sorted[i] = v[i];
    }
    ret->n = n;
    ret->sorted_n = 0;
    if (n != 0) {
        qsort(ret->sorted, n, sizeof(*v), by_bytes);
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_eq(ret->sorted[i], ret->sorted[i - 1])) {
            ret->sorted[ret->sorted_n++] = ret->sorted[i];
        }
    }
    return true;
}

static bool parse_names(struct parser *p, struct names *ret)
{
    VEC(struct str) list = {0};
    bool ok = false;

    if (!take(p, TOK_LPAREN)) {
        unexpected(p, "grouping opts", "\"(\"");
        return false;
    }
    while (p->cur.type != TOK_RPAREN) {
        if (!is_label_word(p->cur.type) || !label_name_is_valid(p->cur.text)) {
            unexpected(p, "grouping opts", "label");
            goto out;
        }
        if (!vec_push(&list, p->cur.text)) {
            no_memory(p);
            goto out;
        }
        advance(p);
        if (p->cur.type != TOK_RPAREN && !take(p, TOK_COMMA)) {
            unexpected(p, "grouping opts", "\",\" or \")\"");
            goto out;
        }
    }
    advance(p);
    ok = names_finish(p, list.v, list.n, ret);
out:
    vec_done(&list);
    return ok;
}

/* --- Calls and aggregations --- */

static bool is_metric_word(enum tok t)
{
    return t == TOK_IDENT || t == TOK_METRIC_IDENT || tok_is_aggregator(t) || t == TOK_BY ||
           t == TOK_AND || t == TOK_OR || t == TOK_UNLESS || t == TOK_OFFSET || t == TOK_WITHOUT ||
           t == TOK_START || t == TOK_END;
}

static bool starts_expr(enum tok t)
{
    return is_metric_word(t) || t == TOK_NUMBER || t == TOK_STRING || t == TOK_LPAREN ||
           t == TOK_LBRACE || t == TOK_ADD || t == TOK_SUB;
}

static bool parse_args(struct parser *p, struct node ***ret, size_t *ret_n)
{
    node_list list = {0};
    bool ok = false;

    if (!take(p, TOK_LPAREN)) {
        unexpected(p, NULL, NULL);
        return false;
    }
    while (p->cur.type != TOK_RPAREN) {
        struct node *arg = parse_expr(p, 0);
        struct token comma;

        if (arg == NULL) {
            goto out;
        }
        if (!vec_push(&list, arg)) {
            no_memory(p);
            goto out;
        }
        comma = p->cur;
        if (p->cur.type == TOK_RPAREN) {
            break;
        }
        if (!take(p, TOK_COMMA)) {
            unexpected(p, NULL, NULL);
            goto out;
        }
        if (!starts_expr(p->cur.type) && p->cur.type != TOK_ERROR) {
            fail_at(p, comma.start, comma.end,
                    STR("trailing commas not allowed in function call args"));
            goto out;
        }
    }
    *ret = arena_array(&p->ast->arena, struct node *, list.n + 1);
    if (*ret == NULL) {
        no_memory(p);
        goto out;
    }
    for (size_t i = 0; i < list.n; i++) {
        (*ret)[i] = list.v[i];
    }
    *ret_n = list.n;
    advance(p);
    ok = true;
out:
    vec_done(&list);
    return ok;
}

static struct node *parse_call(struct parser *p, struct token name)
{
    struct node *n = node_new(p, NODE_CALL, TYPE_NONE, name.start, name.end);

    if (n == NULL || !parse_args(p, &n->call.args, &n->call.n)) {
        return NULL;
    }
    n->end = p->last_closing;
    n->call.fn = function_find(name.text);
    if (n->call.fn == NULL) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 4096);
        buf_add_cstr(&b, "unknown function with name ");
        go_quote(str_take(name.text, 150), &b);
        return fail_at(p, name.start, name.end, buf_str(&b));
    }
    n->type = n->call.fn->ret;
    for (size_t i = 0; i < n->call.n; i++) {
        if (adopt(p, n, n->call.args[i]) == NULL) {
            return NULL;
        }
    }
    return n;
}

static bool parse_by(struct parser *p, struct aggregate *a)
{
    a->without = p->cur.type == TOK_WITHOUT;
    advance(p);
    return parse_names(p, &a->by);
}

static struct node *aggregate_finish(struct parser *p, struct node *n, struct node **args,
                                     size_t args_n)
{
    struct aggregate *a = &n->agg;
    size_t want = a->op == TOK_TOPK || a->op == TOK_BOTTOMK || a->op == TOK_COUNT_VALUES ||
                          a->op == TOK_QUANTILE
                      ? 2
                      : 1;

    n->end = p->last_closing;
    if (args_n == 0) {
        return fail_at(p, n->start, n->end, STR("no arguments for aggregate expression provided"));
    }
    if (args_n != want) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 256);
        buf_printf(&b,
                   "wrong number of arguments for aggregate expression provided, expected %zu, "
                   "got %zu",
                   want, args_n);
        return fail_at(p, n->start, n->end, buf_str(&b));
    }
    a->param = want == 2 ? args[0] : NULL;
    a->expr = args[want - 1];
    return adopt(p, n, a->expr) != NULL ? adopt(p, n, args[0]) : NULL;
}

static struct node *parse_aggregate(struct parser *p, struct token op)
{
    struct node *n = node_new(p, NODE_AGGREGATE, TYPE_VECTOR, op.start, op.end);
    struct node **args = NULL;
    size_t args_n = 0;
    bool ok;

    if (n == NULL) {
        return NULL;
    }
    n->agg.op = op.type;
    p->agg_depth++;
    ok = (p->cur.type == TOK_LPAREN || parse_by(p, &n->agg)) && parse_args(p, &args, &args_n);
    p->agg_depth--;
    if (ok && n->agg.by.v == NULL && (p->cur.type == TOK_BY || p->cur.type == TOK_WITHOUT)) {
        ok = parse_by(p, &n->agg);
    } else if (ok && n->agg.by.v == NULL && p->cur.type == TOK_ERROR) {
        return unexpected(p, NULL, NULL); /* upstream has read this far when it counts arguments */
    }
    return ok ? aggregate_finish(p, n, args, args_n) : NULL;
}

static struct node *parse_primary(struct parser *p)
{
    struct token t = p->cur;
    struct node *n;

    if (t.type == TOK_NUMBER) {
        n = node_new(p, NODE_NUMBER, TYPE_SCALAR, t.start, t.end);
        if (n == NULL || !parse_number(p, t.text, &n->number)) {
            return NULL;
        }
        advance(p);
        return n;
    }
    if (t.type == TOK_STRING) {
        return parse_string(p);
    }
    if (t.type == TOK_LPAREN) {
        advance(p);
        n = node_new(p, NODE_PAREN, TYPE_NONE, t.start, t.end);
        if (n == NULL || (n->paren = parse_expr(p, 0)) == NULL) {
            return NULL;
        }
        if (p->cur.type != TOK_RPAREN) {
            return unexpected(p, NULL, NULL);
        }
        n->end = p->cur.end;
        n->type = n->paren->type;
        advance(p);
        return adopt(p, n, n->paren);
    }
    if (t.type == TOK_LBRACE) {
        return parse_selector(p, (struct token){.type = TOK_EOF});
    }
    if (!is_metric_word(t.type)) {
        return unexpected(p, NULL, NULL);
    }
    advance(p);
    if (t.type == TOK_IDENT && p->cur.type == TOK_LPAREN) {
        return parse_call(p, t);
    }
    if (tok_is_aggregator(t.type) &&
        (p->cur.type == TOK_LPAREN || p->cur.type == TOK_BY || p->cur.type == TOK_WITHOUT)) {
        return parse_aggregate(p, t);
    }
    return parse_selector(p, t);
}

/* --- Modifiers --- */

static struct when *when_of(struct node *n)
{
    return n->kind == NODE_VECTOR || n->kind == NODE_MATRIX ? &n->selector.when
           : n->kind == NODE_SUBQUERY                       ? &n->subquery.when
                                                            : NULL;
}

static struct node *parse_offset(struct parser *p, struct node *n)
{
    struct when *w;
    bool negative;
    int64_t ms;

    advance(p);
    negative = take(p, TOK_SUB);
    if (p->cur.type != TOK_DURATION) {
        return unexpected(p, "offset", "duration");
    }
    if (!take_duration(p, &ms)) {
        return NULL;
    }
    w = when_of(n);
    if (w == NULL) {
        return fail_at(p, n->start, n->end,
                       STR("offset modifier must be preceded by an instant vector selector or "
                           "range vector selector or a subquery"));
    }
    if (w->offset_ms != 0) {
        return fail_at(p, n->start, n->end, STR("offset may not be set multiple times"));
    }
    w->offset_ms = negative ? -ms : ms;
    n->end = p->last_closing;
    return n;
}

static bool parse_at_time(struct parser *p, const struct node *n, struct when *ret)
{
    bool negative = p->cur.type == TOK_SUB;
    double v;

    if (negative || p->cur.type == TOK_ADD) {
        advance(p);
    }
    if (p->cur.type != TOK_NUMBER) {
        unexpected(p, "@", "timestamp");
        return false;
    }
    if (!parse_number(p, p->cur.text, &v)) {
        return false;
    }
    advance(p);
    v = negative ? -v : v;
    if (!isfinite(v) || v >= 9223372036854775807.0 || v <= -9223372036854775808.0) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 512);
        buf_add_cstr(&b, "timestamp out of bounds for @ modifier: ");
        if (isfinite(v)) {
            buf_printf(&b, "%f", v);
        } else {
            go_add_f64(&b, v);
        }
        fail_at(p, n->start, n->end, buf_str(&b));
        return false;
    }
    v = round(v * 1000);
    ret->at = AT_TIME;
    ret->at_ms = v >= 9e18 ? INT64_MAX / 2 : v <= -9e18 ? INT64_MIN / 2 : (int64_t)v;
    return true;
}

static struct node *parse_at(struct parser *p, struct node *n)
{
    struct when got = {0};
    struct when *w;

    advance(p);
    if (p->cur.type == TOK_START || p->cur.type == TOK_END) {
        got.at = p->cur.type == TOK_START ? AT_START : AT_END;
        advance(p);
        if (!take(p, TOK_LPAREN) || !take(p, TOK_RPAREN)) {
            return unexpected(p, "@", "timestamp");
        }
    } else if (!parse_at_time(p, n, &got)) {
        return NULL;
    }
    w = when_of(n);
    if (w == NULL) {
        return fail_at(p, n->start, n->end,
                       STR("@ modifier must be preceded by an instant vector selector or range "
                           "vector selector or a subquery"));
    }
    if (w->at != AT_NONE) {
        return fail_at(p, n->start, n->end, STR("@ <timestamp> may not be set multiple times"));
    }
    w->at = got.at;
    w->at_ms = got.at_ms;
    n->end = p->last_closing;
    return n;
}

static struct node *range_finish(struct parser *p, struct node *n, struct token open, int64_t range)
{
    const char *why = n->kind != NODE_VECTOR            ? "ranges only allowed for vector selectors"
                      : n->selector.when.offset_ms != 0 ? "no offset modifiers allowed before range"
                      : n->selector.when.at != AT_NONE  ? "no @ modifiers allowed before range"
                                                        : NULL;

    if (why != NULL) {
        return fail_at(p, open.start, p->cur.end, str_cstr(why));
    }
    n->kind = NODE_MATRIX;
    n->type = TYPE_MATRIX;
    n->selector.range_ms = range;
    n->end = p->cur.end;
    advance(p);
    return n;
}

static struct node *parse_range(struct parser *p, struct node *n)
{
    struct token open = p->cur;
    struct node *sub;
    int64_t range;
    int64_t step = 0;

    advance(p);
    if (p->cur.type != TOK_DURATION) {
        return unexpected(p, "subquery selector", "duration");
    }
    if (!take_duration(p, &range)) {
        return NULL;
    }
    if (p->cur.type == TOK_RBRACKET) {
        return range_finish(p, n, open, range);
    }
    if (!take(p, TOK_COLON)) {
        return unexpected(p, "subquery or range", "\":\" or \"]\"");
    }
    if (p->cur.type == TOK_DURATION) {
        if (!take_duration(p, &step)) {
            return NULL;
        }
        if (p->cur.type != TOK_RBRACKET) {
            return unexpected(p, "subquery selector", "\"]\"");
        }
    } else if (p->cur.type != TOK_RBRACKET) {
        return unexpected(p, "subquery selector", "duration or \"]\"");
    }
    sub = node_new(p, NODE_SUBQUERY, TYPE_MATRIX, n->start, p->cur.end);
    if (sub == NULL) {
        return NULL;
    }
    sub->subquery = (struct subquery){.expr = n, .range_ms = range, .step_ms = step};
    advance(p);
    return adopt(p, sub, n);
}

static struct node *parse_postfix(struct parser *p, struct node *n)
{
    while (n != NULL) {
        if (p->cur.type == TOK_OFFSET) {
            n = parse_offset(p, n);
        } else if (p->cur.type == TOK_AT) {
            n = parse_at(p, n);
        } else if (p->cur.type == TOK_LBRACKET) {
            n = parse_range(p, n);
        } else {
            break;
        }
    }
    return n;
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
    advance(p);
    inner = parse_expr(p, PREC_POW); /* binds as multiplication does */
    if (inner == NULL) {
        return NULL;
    }
    if (inner->kind == NODE_NUMBER) {
        inner->number = op.type == TOK_SUB ? -inner->number : inner->number;
        inner->start = op.start;
        return inner;
    }
    n = node_new(p, NODE_UNARY, inner->type, op.start, inner->end);
    if (n == NULL) {
        return NULL;
    }
    n->unary = (struct unary){op.type, inner};
    return adopt(p, n, inner);
}

static int precedence(enum tok t)
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
    default:
        return tok_is_comparison(t) ? PREC_COMPARE : 0;
    }
}

static bool parse_matching(struct parser *p, struct binary *b)
{
    b->return_bool = take(p, TOK_BOOL);
    if (p->cur.type != TOK_ON && p->cur.type != TOK_IGNORING) {
        return true;
    }
    b->on = p->cur.type == TOK_ON;
    advance(p);
    if (!parse_names(p, &b->match)) {
        return false;
    }
    if (p->cur.type == TOK_GROUP_LEFT || p->cur.type == TOK_GROUP_RIGHT) {
        b->card = p->cur.type == TOK_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
        advance(p);
        if (p->cur.type != TOK_LPAREN && starts_expr(p->cur.type)) {
            return true; /* the labels may be left out */
        }
        return parse_names(p, &b->include);
    }
    return true;
}

static struct node *parse_binary(struct parser *p, struct node *lhs, int prec)
{
    struct node *n = node_new(p, NODE_BINARY, TYPE_VECTOR, lhs->start, lhs->end);

    if (n == NULL) {
        return NULL;
    }
    n->bin.op = p->cur.type;
    n->bin.lhs = lhs;
    advance(p);
    if (!parse_matching(p, &n->bin)) {
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
    return adopt(p, n, lhs) != NULL ? adopt(p, n, n->bin.rhs) : NULL;
}

static struct node *parse_expr(struct parser *p, int min_prec)
{
    struct node *n;

    if (++p->depth > NESTING_MAX) {
        return fail_at(p, p->cur.start, p->cur.end, STR("expression is nested too deeply"));
    }
    n = parse_unary(p);
    while (n != NULL) {
        int prec = precedence(p->cur.type);

        if (prec == 0 || prec < min_prec) {
            break;
        }
        n = parse_binary(p, n, prec);
    }
    p->depth--;
    return n;
}

static int parse_text(struct parser *p, struct str query, struct ast *ret, struct err *reterr)
{
    *p = (struct parser){.ast = ret, .reterr = reterr};
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
    advance(p);
    return 0;
}

int promql_parse(struct str query, struct ast *ret, struct err *reterr)
{
    struct parser p;
    int rc = parse_text(&p, query, ret, reterr);

    if (rc != 0) {
        return rc;
    }
    if (p.cur.type == TOK_EOF) {
        return promql_parse_error(ret->query, 0, 0, STR("no expression found in input"), reterr);
    }
    ret->root = parse_expr(&p, 0);
    if (p.rc == 0 && p.cur.type != TOK_EOF) {
        unexpected(&p, "", NULL);
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
    int rc = parse_text(&p, text, &ast, reterr);

    if (rc != 0) {
        return rc;
    }
    if (p.cur.type == TOK_LBRACE) {
        ast.root = parse_selector(&p, (struct token){.type = TOK_EOF});
    } else if (is_metric_word(p.cur.type)) {
        struct token name = p.cur;

        advance(&p);
        ast.root = parse_selector(&p, name);
    } else {
        unexpected(&p, "", NULL);
    }
    if (p.rc == 0 && p.cur.type != TOK_EOF) {
        unexpected(&p, "", NULL);
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
