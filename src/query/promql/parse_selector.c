/* SPDX-License-Identifier: Apache-2.0
 *
 * Selectors with their matchers, lists of label names, and the modifiers that may follow an expression.
 * Names of metrics and labels may be quoted, and then are any UTF-8.
 */
#include <math.h>
#include <stdlib.h>

#include "model/labels.h"
#include "model/matcher.h"
#include "query/promql/gotext.h"
#include "query/promql/parse_internal.h"

/** Upstream's words before the regex engine's own. */
static void *bad_matcher(struct parser *p, uint32_t start, uint32_t end, struct str why)
{
    const struct str ours = STR("regular expression: ");
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1024);
    buf_add_cstr(&b, "error parsing regexp: ");
    buf_add_str(&b, str_starts(why, ours) ? str_drop(why, ours.n) : why);
    return parse_fail_at(p, start, end, buf_str(&b));
}

static struct matcher *add_matcher(struct parser *p, enum match_op op, struct str name,
                                   struct str value, uint32_t start, uint32_t end)
{
    struct matcher *m;
    struct err e = {0};

    if (!vec_reserve(&p->ast->matchers, 1)) {
        return parse_no_memory(p);
    }
    if (matcher_new(op, name, value, &m, &e) != 0) {
        return e.code == ERR_NOMEM ? parse_no_memory(p)
                                   : bad_matcher(p, start, end, str_cstr(e.msg));
    }
    p->ast->matchers.v[p->ast->matchers.n++] = m;
    return m;
}

static bool match_op_of(enum tok t, enum match_op *ret)
{
    *ret = t == TOK_EQL      ? MATCH_EQ
           : t == TOK_NEQ    ? MATCH_NEQ
           : t == TOK_EQL_RE ? MATCH_RE
                             : MATCH_NRE;
    return t == TOK_EQL || t == TOK_NEQ || t == TOK_EQL_RE || t == TOK_NEQ_RE;
}

/** name op "value", "quoted name" op "value", or "metric name". */
static struct matcher *parse_matcher(struct parser *p)
{
    struct token name = p->cur;
    struct str name_text = name.text;
    struct token value;
    struct str text;
    enum match_op op;

    if (name.type == TOK_STRING) {
        if (!parse_unquote(p, name, &name_text)) {
            return NULL;
        }
        parse_advance(p);
        if (p->cur.type == TOK_COMMA || p->cur.type == TOK_RBRACE) {
            return add_matcher(p, MATCH_EQ, STR(LABEL_NAME), name_text, name.start, name.end);
        }
        if (!match_op_of(p->cur.type, &op)) {
            return parse_unexpected(p, "label matching", "\",\" or \"}\"");
        }
    } else if (!parse_take(p, TOK_IDENT)) {
        return parse_unexpected(p, "label matching", "identifier or \"}\"");
    } else if (!match_op_of(p->cur.type, &op)) {
        return parse_unexpected(p, "label matching", "label matching operator");
    }
    parse_advance(p);
    value = p->cur;
    if (value.type != TOK_STRING) {
        return parse_unexpected(p, "label matching", "string");
    }
    if (!parse_unquote(p, value, &text)) {
        return NULL;
    }
    parse_advance(p);
    return add_matcher(p, op, name_text, text, name.start, value.end);
}

/** `{...}` into `n`, the brace being the current token; room is left for the name's matcher. */
static bool parse_matchers(struct parser *p, struct node *n)
{
    VEC(struct matcher *) list = {0};
    bool ok = false;

    parse_advance(p);
    while (p->cur.type != TOK_RBRACE) {
        struct matcher *m = parse_matcher(p);

        if (m == NULL) {
            goto out;
        }
        if (!vec_push(&list, m)) {
            parse_no_memory(p);
            goto out;
        }
        if (p->cur.type != TOK_RBRACE && !parse_take(p, TOK_COMMA)) {
            parse_unexpected(p, "label matching", "\",\" or \"}\"");
            goto out;
        }
    }
    n->end = p->cur.end;
    parse_advance(p);
    n->selector.v = arena_array(&p->ast->arena, struct matcher *, list.n + 1);
    if (n->selector.v == NULL) {
        parse_no_memory(p);
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

struct node *parse_selector(struct parser *p, struct token name)
{
    bool named = name.type != TOK_EOF;
    struct node *n = parse_node_new(p, NODE_VECTOR, TYPE_VECTOR, named ? name.start : p->cur.start,
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
            return parse_no_memory(p);
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

bool parse_is_metric_word(enum tok t)
{
    return t == TOK_IDENT || t == TOK_METRIC_IDENT || tok_is_aggregator(t) || t == TOK_BY ||
           t == TOK_AND || t == TOK_OR || t == TOK_UNLESS || t == TOK_OFFSET || t == TOK_WITHOUT ||
           (t >= TOK_ANCHORED && t <= TOK_MIN_OF);
}

/* --- Label lists --- */

static bool is_label_word(enum tok t)
{
    return t == TOK_IDENT || t == TOK_METRIC_IDENT || tok_is_aggregator(t) ||
           (t >= TOK_KEYWORD_FIRST && t <= TOK_MIN_OF && t != TOK_WITHOUT) || t == TOK_AND ||
           t == TOK_OR || t == TOK_UNLESS || t == TOK_ATAN2;
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
        parse_no_memory(p);
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

static bool label_in_list(struct parser *p, struct str *ret)
{
    struct token t = p->cur;

    *ret = t.text;
    if (t.type == TOK_STRING) {
        if (!parse_unquote(p, t, ret)) {
            return false;
        }
        if (ret->n == 0 || !str_is_utf8(*ret)) {
            struct buf b CLEANUP(buf_done) = {0};

            buf_init(&b, 4096);
            buf_add_cstr(&b, "invalid label name for grouping: ");
            go_quote(str_take(*ret, 200), &b);
            parse_fail_at(p, t.start, t.end, buf_str(&b));
            return false;
        }
    } else if (!is_label_word(t.type)) {
        parse_unexpected(p, "grouping opts", "label");
        return false;
    }
    parse_advance(p);
    return true;
}

bool parse_names(struct parser *p, struct names *ret)
{
    VEC(struct str) list = {0};
    bool ok = false;

    if (!parse_take(p, TOK_LPAREN)) {
        parse_unexpected(p, "grouping opts", "\"(\"");
        return false;
    }
    while (p->cur.type != TOK_RPAREN) {
        struct str name;

        if (!label_in_list(p, &name)) {
            goto out;
        }
        if (!vec_push(&list, name)) {
            parse_no_memory(p);
            goto out;
        }
        if (p->cur.type != TOK_RPAREN && !parse_take(p, TOK_COMMA)) {
            parse_unexpected(p, "grouping opts", "\",\" or \")\"");
            goto out;
        }
    }
    parse_advance(p);
    ok = names_finish(p, list.v, list.n, ret);
out:
    vec_done(&list);
    return ok;
}

/* --- Modifiers --- */

static struct when *when_of(struct node *n)
{
    return n->kind == NODE_VECTOR || n->kind == NODE_MATRIX ? &n->selector.when
           : n->kind == NODE_SUBQUERY                       ? &n->subquery.when
                                                            : NULL;
}

static int64_t to_ms(double seconds)
{
    return (int64_t)round(seconds * 1000);
}

static struct node *parse_offset(struct parser *p, struct node *n)
{
    struct when *w;
    struct node *by;

    parse_advance(p);
    by = parse_offset_duration(p);
    if (by == NULL) {
        return NULL;
    }
    w = when_of(n);
    if (w == NULL) {
        return parse_fail_at(p, n->start, n->end,
                             STR("offset modifier must be preceded by an instant vector selector "
                                 "or range vector selector or a subquery"));
    }
    if (w->offset_ms != 0 || w->offset_expr != NULL) {
        return parse_fail_at(p, n->start, n->end, STR("offset may not be set multiple times"));
    }
    if (by->kind == NODE_NUMBER) {
        w->offset_ms = to_ms(by->number);
    } else {
        w->offset_expr = by;
    }
    n->end = p->last_closing;
    return n;
}

static bool parse_at_time(struct parser *p, const struct node *n, struct when *ret)
{
    bool negative = p->cur.type == TOK_SUB;
    struct node *number;
    double v;

    if (negative || p->cur.type == TOK_ADD) {
        parse_advance(p);
    }
    if (p->cur.type != TOK_NUMBER && p->cur.type != TOK_DURATION) {
        parse_unexpected(p, "@", "timestamp");
        return false;
    }
    number = parse_number(p);
    if (number == NULL) {
        return false;
    }
    v = negative ? -number->number : number->number;
    if (!isfinite(v) || v >= 9223372036854775807.0 || v <= -9223372036854775808.0) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 512);
        buf_add_cstr(&b, "timestamp out of bounds for @ modifier: ");
        if (isfinite(v)) {
            buf_printf(&b, "%f", v);
        } else {
            go_add_f64(&b, v);
        }
        parse_fail_at(p, n->start, n->end, buf_str(&b));
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

    parse_advance(p);
    if (p->cur.type == TOK_START || p->cur.type == TOK_END) {
        got.at = p->cur.type == TOK_START ? AT_START : AT_END;
        parse_advance(p);
        if (!parse_take(p, TOK_LPAREN) || !parse_take(p, TOK_RPAREN)) {
            return parse_unexpected(p, "@", "timestamp");
        }
    } else if (!parse_at_time(p, n, &got)) {
        return NULL;
    }
    w = when_of(n);
    if (w == NULL) {
        return parse_fail_at(p, n->start, n->end,
                             STR("@ modifier must be preceded by an instant vector selector or "
                                 "range vector selector or a subquery"));
    }
    if (w->at != AT_NONE) {
        return parse_fail_at(p, n->start, n->end,
                             STR("@ <timestamp> may not be set multiple times"));
    }
    w->at = got.at;
    w->at_ms = got.at_ms;
    n->end = p->last_closing;
    return n;
}

/** A length in brackets: a positive literal into *ret_ms, or an expression. */
static bool parse_length(struct parser *p, int64_t *ret_ms, struct node **ret_expr)
{
    struct node *n = parse_duration(p, PREC_ADD);

    if (n == NULL) {
        return false;
    }
    if (n->kind != NODE_NUMBER) {
        *ret_expr = n;
        return true;
    }
    if (n->number <= 0) {
        parse_fail_at(p, n->start, n->end, STR("duration must be greater than 0"));
        return false;
    }
    *ret_ms = to_ms(n->number);
    return true;
}

static bool starts_length(enum tok t)
{
    return t == TOK_NUMBER || t == TOK_DURATION || t == TOK_LPAREN || t == TOK_ADD ||
           t == TOK_SUB || t == TOK_STEP || t == TOK_RANGE || t == TOK_MAX_OF || t == TOK_MIN_OF;
}

static struct node *range_finish(struct parser *p, struct node *n, struct token open, int64_t range,
                                 struct node *expr)
{
    const struct when *w = &n->selector.when;
    const char *why = n->kind != NODE_VECTOR ? "ranges only allowed for vector selectors"
                      : w->offset_ms != 0 || w->offset_expr != NULL
                          ? "no offset modifiers allowed before range"
                      : w->at != AT_NONE ? "no @ modifiers allowed before range"
                                         : NULL;

    if (why != NULL) {
        return parse_fail_at(p, open.start, p->cur.end, str_cstr(why));
    }
    n->kind = NODE_MATRIX;
    n->type = TYPE_MATRIX;
    n->selector.range_ms = range;
    n->selector.range_expr = expr;
    n->end = p->cur.end;
    parse_advance(p);
    return n;
}

static struct node *parse_range(struct parser *p, struct node *n)
{
    struct token open = p->cur;
    struct subquery s = {.expr = n};
    struct node *sub;

    parse_advance(p);
    if (!starts_length(p->cur.type)) {
        return parse_unexpected(p, "subquery or range selector",
                                "number, duration, step(), or range()");
    }
    if (!parse_length(p, &s.range_ms, &s.range_expr)) {
        return NULL;
    }
    if (p->cur.type == TOK_RBRACKET) {
        return range_finish(p, n, open, s.range_ms, s.range_expr);
    }
    if (!parse_take(p, TOK_COLON)) {
        return parse_unexpected(p, "subquery or range", "\":\" or \"]\"");
    }
    if (starts_length(p->cur.type)) {
        if (!parse_length(p, &s.step_ms, &s.step_expr)) {
            return NULL;
        }
        if (p->cur.type != TOK_RBRACKET) {
            return parse_unexpected(p, "subquery selector", "\"]\"");
        }
    } else if (p->cur.type != TOK_RBRACKET) {
        return parse_unexpected(p, "subquery selector",
                                "number, duration, step(), range(), or \"]\"");
    }
    sub = parse_node_new(p, NODE_SUBQUERY, TYPE_MATRIX, n->start, p->cur.end);
    if (sub == NULL) {
        return NULL;
    }
    sub->subquery = s;
    parse_advance(p);
    return parse_adopt(p, sub, n);
}

/** `anchored` or `smoothed`, which is the current token. */
static struct node *parse_extend(struct parser *p, struct node *n)
{
    enum extend got = p->cur.type == TOK_ANCHORED ? EXTEND_ANCHORED : EXTEND_SMOOTHED;
    const char *word = got == EXTEND_ANCHORED ? "anchored" : "smoothed";
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 256);
    if (n->kind == NODE_VECTOR || n->kind == NODE_MATRIX) {
        if (n->selector.extend != EXTEND_NONE && n->selector.extend != got) {
            return parse_fail_at(p, n->start, n->end,
                                 STR("anchored and smoothed modifiers cannot be used together"));
        }
        n->selector.extend = got;
        parse_advance(p);
        return n;
    }
    buf_printf(&b, "%s modifier %s", word,
               n->kind == NODE_SUBQUERY ? "is not supported for subqueries" : "not implemented");
    return parse_fail_at(p, n->start, n->end, buf_str(&b));
}

struct node *parse_postfix(struct parser *p, struct node *n)
{
    while (n != NULL) {
        if (p->cur.type == TOK_OFFSET) {
            n = parse_offset(p, n);
        } else if (p->cur.type == TOK_AT) {
            n = parse_at(p, n);
        } else if (p->cur.type == TOK_LBRACKET) {
            n = parse_range(p, n);
        } else if (p->cur.type == TOK_ANCHORED || p->cur.type == TOK_SMOOTHED) {
            n = parse_extend(p, n);
        } else {
            break;
        }
    }
    return n;
}
