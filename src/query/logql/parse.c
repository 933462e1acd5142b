/* SPDX-License-Identifier: Apache-2.0
 *
 * Entry of the parser and what its files share. Recursion is bounded by PARSE_DEPTH_MAX, everything else by the
 * query's arena.
 */
#include "query/logql/parse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "query/logql/finder.h"
#include "query/logql/row.h"

enum { QUERY_MAX = 128 << 10, QUERY_ARENA = 32 << 20 };

int lq_parse_step(struct parser *p)
{
    p->tok = lq_lex_next(&p->lex);
    return p->tok.type == T_BAD ? -ERR_INVALID : 0;
}

int lq_parse_unexpected(struct parser *p, const char *expecting)
{
    if (expecting == NULL) {
        return lq_lex_error(&p->lex, &p->tok, "syntax error: unexpected %s",
                            lq_token_name(p->tok.type));
    }
    return lq_lex_error(&p->lex, &p->tok, "syntax error: unexpected %s, expecting %s",
                        lq_token_name(p->tok.type), expecting);
}

int lq_parse_fail(struct parser *p, const char *fmt, ...)
{
    char msg[220];
    va_list args;

    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    return err_set(p->reterr, ERR_INVALID, "parse error : %s", msg);
}

int lq_parse_no_memory(struct parser *p)
{
    return err_set(p->reterr, ERR_INVALID, "parse error : the query is too large");
}

int lq_parse_expect(struct parser *p, enum token_type t)
{
    return p->tok.type == t ? lq_parse_step(p) : lq_parse_unexpected(p, lq_token_name(t));
}

int lq_parse_text(struct parser *p, enum token_type t, struct str *ret)
{
    *ret = p->tok.text;
    return lq_parse_expect(p, t);
}

int lq_parse_enter(struct parser *p)
{
    if (p->depth == PARSE_DEPTH_MAX) {
        return lq_lex_error(&p->lex, &p->tok, "the query is nested too deeply");
    }
    p->depth++;
    return 0;
}

void lq_parse_leave(struct parser *p)
{
    p->depth--;
}

int lq_parse_finder(struct parser *p, struct str pattern, unsigned flags, struct finder **ret)
{
    struct err e = {0};
    struct finder *s;
    int rc = finder_new(pattern, flags, &s, &e);

    if (rc < 0) {
        return lq_parse_fail(p, "%s", e.msg);
    }
    if (!vec_push(&p->q->finders, s)) {
        finder_free(s);
        return lq_parse_no_memory(p);
    }
    *ret = s;
    return 0;
}

int lq_parse_matcher(struct parser *p, enum match_op op, struct str name, struct str value,
                     struct matcher **ret)
{
    struct err e = {0};
    struct matcher *m;
    int rc = matcher_new(op, name, value, &m, &e);

    if (rc < 0) {
        return lq_parse_fail(p, "%s", e.msg);
    }
    if (!vec_push(&p->q->matchers, m)) {
        matcher_free(m);
        return lq_parse_no_memory(p);
    }
    *ret = m;
    return 0;
}

void *lq_parse_push(struct parser *p, void **v, size_t *n, size_t size)
{
    size_t cap = *n < 4 ? 4 : *n;
    char *grown;

    if (*n == PARSE_LIST_MAX) {
        lq_parse_fail(p, "more than %d elements in a list", PARSE_LIST_MAX);
        return NULL;
    }
    if (*n == 0 || (*n >= 4 && (*n & (*n - 1)) == 0)) { /* full at powers of two */
        grown = arena_calloc(p->a, *n == 0 ? 4 : cap * 2, size);
        if (grown == NULL) {
            lq_parse_no_memory(p);
            return NULL;
        }
        if (*n != 0) {
            memcpy(grown, *v, *n * size);
        }
        *v = grown;
    }
    return (char *)*v + (*n)++ * size;
}

/* ---- entry ---- */

static struct logql_query *query_new(void)
{
    struct logql_query *q = mem_xcalloc(1, sizeof(*q));

    arena_init(&q->arena, QUERY_ARENA);
    return q;
}

void logql_free(struct logql_query *q)
{
    if (q == NULL) {
        return;
    }
    for (size_t i = 0; i < q->matchers.n; i++) {
        matcher_free(q->matchers.v[i]);
    }
    for (size_t i = 0; i < q->finders.n; i++) {
        finder_free(q->finders.v[i]);
    }
    vec_done(&q->matchers);
    vec_done(&q->finders);
    lq_row_free(q->tail_row);
    arena_done(&q->arena);
    mem_free(q);
}

static int note_names(struct parser *p, const struct pipeline *pipe)
{
    struct logql_query *q = p->q;

    for (size_t i = 0; pipe != NULL && i < pipe->matchers_n; i++) {
        enum match_op op = matcher_op(pipe->matchers[i]);

        if (op == MATCH_EQ || op == MATCH_RE) {
            struct str *name = lq_parse_push(p, (void **)&q->names, &q->names_n, sizeof(*name));

            if (name == NULL) {
                return -ERR_INVALID;
            }
            *name = matcher_name(pipe->matchers[i]);
        }
    }
    return 0;
}

static int parse_query(struct parser *p, bool selector)
{
    struct expr *e = NULL;
    int rc = lq_parse_step(p);

    if (rc == 0 && selector) {
        e = arena_calloc(p->a, 1, sizeof(*e));
        if (e == NULL) {
            return lq_parse_no_memory(p);
        }
        e->type = EXPR_LOG;
        e->pipe = arena_calloc(p->a, 1, sizeof(*e->pipe));
        rc = e->pipe == NULL ? lq_parse_no_memory(p) : lq_parse_selector(p, e->pipe);
        rc = rc < 0 ? rc : note_names(p, e->pipe);
    } else if (rc == 0) {
        rc = lq_parse_expr(p, &e);
        rc = rc == 0 && e->type == EXPR_LOG ? note_names(p, e->pipe) : rc;
    }
    if (rc == 0 && p->tok.type != T_END) {
        rc = lq_parse_unexpected(p, NULL);
    }
    p->q->root = e;
    return rc;
}

static int parse_text_of(struct str text, bool selector, struct logql_query **ret,
                         struct err *reterr)
{
    struct err local = {0};
    struct parser p = {.reterr = reterr != NULL ? reterr : &local, .empty_ok = selector};
    int rc;

    if (text.n > QUERY_MAX) {
        return err_set(reterr, ERR_INVALID, "parse error : input size too long (%zu > %d)", text.n,
                       QUERY_MAX);
    }
    p.q = query_new();
    p.a = &p.q->arena;
    text = arena_str_dup(p.a, text); /* tokens point into it */
    lq_lex_init(&p.lex, text, p.a, p.reterr);
    rc = parse_query(&p, selector);
    if (rc < 0) {
        logql_free(p.q);
        return rc;
    }
    *ret = p.q;
    return 0;
}

int logql_parse(struct str text, struct logql_query **ret, struct err *reterr)
{
    return parse_text_of(text, false, ret, reterr);
}

int logql_parse_selector(struct str text, struct logql_query **ret, struct err *reterr)
{
    return parse_text_of(text, true, ret, reterr);
}

enum logql_kind logql_kind(const struct logql_query *q)
{
    return q->root->type == EXPR_LOG ? LOGQL_LOGS : LOGQL_METRIC;
}

size_t logql_selector_names(const struct logql_query *q, const struct str **ret)
{
    *ret = q->names;
    return q->names_n;
}
