/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics functions and what may follow them.
 */
#include "query/traceql/parse_internal.h"

static const struct {
    const char *name;
    bool attr; /* takes one */
} FUNCTIONS[] = {
    [TQL_RATE] = {"rate", false},
    [TQL_COUNT_OVER_TIME] = {"count_over_time", false},
    [TQL_MIN_OVER_TIME] = {"min_over_time", true},
    [TQL_MAX_OVER_TIME] = {"max_over_time", true},
    [TQL_AVG_OVER_TIME] = {"avg_over_time", true},
    [TQL_SUM_OVER_TIME] = {"sum_over_time", true},
    [TQL_QUANTILE_OVER_TIME] = {"quantile_over_time", true},
    [TQL_HISTOGRAM_OVER_TIME] = {"histogram_over_time", true},
    [TQL_COMPARE] = {"compare", false},
};

static bool function_of(const struct tql_parser *p, enum tql_metric_fn *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(FUNCTIONS); i++) {
        if (tql_at_word(p, FUNCTIONS[i].name)) {
            *ret = (enum tql_metric_fn)i;
            return true;
        }
    }
    return false;
}

bool tql_is_metric_fn(const struct tql_parser *p)
{
    enum tql_metric_fn fn;

    return function_of(p, &fn);
}

int tql_parse_attrs(struct tql_parser *p, struct tql_attr **ret, size_t *ret_n, struct err *reterr)
{
    enum { ATTRS_MAX = 64 };
    struct tql_attr *v = arena_calloc(&p->q->arena, ATTRS_MAX, sizeof(*v));
    size_t n = 0;
    int rc = v == NULL ? tql_no_memory(reterr) : tql_expect(p, TQL_TOK_LPAREN, "(", reterr);

    while (rc == 0) {
        if (n == ATTRS_MAX) {
            return err_set(reterr, ERR_LIMIT, "at most %d attributes", ATTRS_MAX);
        }
        rc = tql_parse_field(p, &v[n], reterr);
        if (rc < 0) {
            return rc;
        }
        n++;
        if (p->tok.type != TQL_TOK_COMMA) {
            rc = tql_expect(p, TQL_TOK_RPAREN, ") or ,", reterr);
            break;
        }
        rc = tql_advance(p, reterr);
    }
    *ret = v;
    *ret_n = n;
    return rc;
}

static int parse_quantiles(struct tql_parser *p, struct tql_metric *m, struct err *reterr)
{
    int rc = 0;

    m->quantiles = arena_array(&p->q->arena, double, TQL_QUANTILES_MAX);
    if (m->quantiles == NULL) {
        return tql_no_memory(reterr);
    }
    while (rc == 0 && p->tok.type == TQL_TOK_COMMA) {
        double q;

        rc = tql_advance(p, reterr);
        if (rc < 0) {
            return rc;
        }
        if (p->tok.type != TQL_TOK_LITERAL || p->tok.value.type == TQL_DURATION ||
            !tql_number(&p->tok.value, &q)) {
            return tql_unexpected(p, "a quantile", reterr);
        }
        if (q < 0 || q > 1) {
            return tql_error_at(p->q->text, p->tok.at, reterr, "a quantile is between 0 and 1");
        }
        if (m->quantiles_n == TQL_QUANTILES_MAX) {
            return err_set(reterr, ERR_LIMIT, "at most %d quantiles", TQL_QUANTILES_MAX);
        }
        m->quantiles[m->quantiles_n++] = q;
        rc = tql_advance(p, reterr);
    }
    return rc == 0 && m->quantiles_n == 0 ? tql_unexpected(p, ", and a quantile", reterr) : rc;
}

static int parse_whole(struct tql_parser *p, int64_t *ret, struct err *reterr)
{
    if (p->tok.type != TQL_TOK_LITERAL || p->tok.value.type != TQL_INT) {
        return tql_unexpected(p, "INTEGER", reterr);
    }
    *ret = p->tok.value.u.i;
    return tql_advance(p, reterr);
}

/* {filter} [, top n [, start ns, end ns]] */
static int parse_compare(struct tql_parser *p, struct tql_metric *m, struct err *reterr)
{
    int64_t args[3] = {10, 0, 0};
    struct err_span at;
    size_t n = 0;
    int rc = tql_expect(p, TQL_TOK_LBRACE, "{", reterr);

    if (rc == 0 && p->tok.type != TQL_TOK_RBRACE) {
        rc = tql_parse_expr(p, &m->selection, reterr);
        rc = rc < 0 ? rc : tql_check_filter(m->selection, reterr);
    }
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_RBRACE, "}", reterr);
    at = p->tok.at;
    while (rc == 0 && p->tok.type == TQL_TOK_COMMA && n < 3) {
        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : parse_whole(p, &args[n++], reterr);
    }
    if (rc < 0) {
        return rc;
    }
    if (n == 2) {
        return tql_error_at(p->q->text, at, reterr,
                            "compare() takes a start and an end time, or neither");
    }
    if (args[0] <= 0) {
        return tql_error_at(p->q->text, at, reterr, "compare() top number of values must be > 0");
    }
    if (n == 3 && args[2] <= args[1]) {
        return tql_error_at(p->q->text, at, reterr, "compare() end must be after its start");
    }
    m->top_n = args[0];
    m->start_ns = args[1];
    m->end_ns = args[2];
    return 0;
}

static int check_value(struct tql_parser *p, const struct tql_metric *m, struct err_span at,
                       struct err *reterr)
{
    enum tql_type t = tql_intrinsic_type(m->attr->intrinsic);

    return t == TQL_ANY || tql_is_number(t)
               ? 0
               : tql_error_at(p->q->text, at, reterr, "%s() takes a number, duration or attribute",
                              FUNCTIONS[m->fn].name);
}

static int parse_arguments(struct tql_parser *p, struct tql_metric *m, struct err *reterr)
{
    struct tql_attr *attr;
    struct err_span at = p->tok.at;
    int rc = 0;

    if (FUNCTIONS[m->fn].attr) {
        attr = arena_calloc(&p->q->arena, 1, sizeof(*attr));
        m->attr = attr;
        if (attr == NULL) {
            return tql_no_memory(reterr);
        }
        rc = tql_parse_field(p, attr, reterr);
        rc = rc < 0 ? rc : check_value(p, m, at, reterr);
    }
    if (rc == 0 && m->fn == TQL_QUANTILE_OVER_TIME) {
        rc = parse_quantiles(p, m, reterr);
    }
    return rc == 0 && m->fn == TQL_COMPARE ? parse_compare(p, m, reterr) : rc;
}

int tql_parse_metric(struct tql_parser *p, const struct tql_pipeline *pipeline,
                     struct tql_metric **ret, struct err *reterr)
{
    struct tql_metric *m = arena_calloc(&p->q->arena, 1, sizeof(*m));
    struct err_span at;
    int rc;

    if (m == NULL) {
        return tql_no_memory(reterr);
    }
    m->pipeline = pipeline;
    ignore_result(function_of(p, &m->fn), "the caller saw that it is one");
    rc = tql_advance(p, reterr);
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_LPAREN, "(", reterr);
    rc = rc < 0 ? rc : parse_arguments(p, m, reterr);
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_RPAREN, ")", reterr);
    at = p->tok.at;
    if (rc == 0 && tql_at_word(p, "by") && m->fn != TQL_COMPARE) {
        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : tql_parse_attrs(p, &m->by, &m->by_n, reterr);
        if (rc == 0 && m->by_n > TQL_BY_MAX) {
            return tql_error_at(p->q->text, at, reterr, "by() takes at most %d attributes",
                                TQL_BY_MAX);
        }
    }
    *ret = m;
    return rc;
}

int tql_add_second(struct tql_parser *p, struct tql_metric *m, struct tql_second s,
                   struct err *reterr)
{
    struct tql_second *v = arena_array(&p->q->arena, struct tql_second, m->second_n + 1);

    if (v == NULL || m->second_n >= 64) {
        return tql_no_memory(reterr);
    }
    if (m->second_n != 0) {
        memcpy(v, m->second, m->second_n * sizeof(*v));
    }
    v[m->second_n++] = s;
    m->second = v;
    return 0;
}

int tql_parse_top(struct tql_parser *p, struct tql_metric *m, struct err *reterr)
{
    struct tql_second s = {.kind = tql_at_word(p, "topk") ? TQL_TOPK : TQL_BOTTOMK};
    struct err_span at;
    int rc;

    if (s.kind == TQL_BOTTOMK && !tql_at_word(p, "bottomk")) {
        return tql_unexpected(p, "topk or bottomk", reterr);
    }
    rc = tql_advance(p, reterr);
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_LPAREN, "(", reterr);
    at = p->tok.at;
    rc = rc < 0 ? rc : parse_whole(p, &s.k, reterr);
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_RPAREN, ")", reterr);
    if (rc == 0 && s.k <= 0) {
        return tql_error_at(p->q->text, at, reterr, "%s limit must be greater than 0",
                            s.kind == TQL_TOPK ? "topk" : "bottomk");
    }
    return rc < 0 ? rc : tql_add_second(p, m, s, reterr);
}
