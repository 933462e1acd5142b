/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, durations and strings, and the arithmetic over durations that may stand in brackets and behind
 * `offset`. Number texts are Go's (ParseInt with base 0, then ParseFloat); a duration is seconds as a number.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "query/promql/gotext.h"
#include "query/promql/parse_internal.h"

/** Seconds that fit 64 bits of nanoseconds. */
#define DURATION_MAX_S 9223372036.854775807

/** Without underscores, each of which must stand between digits or behind "0x". */
static bool strip_underscores(struct str s, char *dst)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_') {
            bool after = i > 0 && s.p[i - 1] != '_' && s.p[i - 1] != '.';

            if (!after || i + 1 == s.n || s.p[i + 1] == '_' || s.p[i + 1] == '.') {
                return false;
            }
            continue;
        }
        dst[n++] = s.p[i];
    }
    dst[n] = '\0';
    return true;
}

static bool number_value(struct parser *p, struct str text, double *ret)
{
    char tmp[400];
    char *end;
    const char *why = "invalid syntax";
    bool hex = text.n > 1 && (text.p[1] == 'x' || text.p[1] == 'X');
    struct buf b CLEANUP(buf_done) = {0};

    if (text.n < sizeof(tmp) && strip_underscores(text, tmp)) {
        size_t n = strlen(tmp);

        if (strspn(tmp, "01234567") == n || (hex && strpbrk(tmp, ".pP") == NULL)) {
            unsigned long long v;

            errno = 0;
            v = strtoull(tmp, &end, 0); /* a leading 0 means octal, as in Go */
            if (errno == 0 && v <= INT64_MAX && *end == '\0' && n > (hex ? 2u : 0u)) {
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
    parse_fail_at(p, p->cur.start, p->cur.end, buf_str(&b));
    return false;
}

/** Duration text to ms; each unit at most once, from years down. */
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

static bool duration_value(struct parser *p, double *ret)
{
    const char *why;
    int64_t ms;
    struct buf b CLEANUP(buf_done) = {0};

    if (duration_ms(p->cur.text, &ms, &why)) {
        *ret = (double)ms / 1000;
        return true;
    }
    buf_init(&b, 4096);
    if (why == NULL) {
        buf_add_cstr(&b, "duration out of range");
    } else {
        buf_printf(&b, "%s: ", why);
        go_quote(str_take(p->cur.text, 200), &b);
    }
    parse_fail_at(p, p->cur.start, p->cur.end, buf_str(&b));
    return false;
}

struct node *parse_number(struct parser *p)
{
    struct node *n = parse_node_new(p, NODE_NUMBER, TYPE_SCALAR, p->cur.start, p->cur.end);

    if (n == NULL) {
        return NULL;
    }
    n->duration = p->cur.type == TOK_DURATION;
    if (!(n->duration ? duration_value(p, &n->number) : number_value(p, p->cur.text, &n->number))) {
        return NULL;
    }
    parse_advance(p);
    return n;
}

bool parse_unquote(struct parser *p, struct token t, struct str *ret)
{
    if (!go_unquote(t.text, &p->ast->arena, ret)) {
        parse_fail_at(p, t.start, t.end, STR("error unquoting string: invalid syntax"));
        return false;
    }
    return true;
}

struct node *parse_string(struct parser *p)
{
    struct node *n = parse_node_new(p, NODE_STRING, TYPE_STRING, p->cur.start, p->cur.end);

    if (n == NULL || !parse_unquote(p, p->cur, &n->string)) {
        return NULL;
    }
    parse_advance(p);
    return n;
}

/* --- Duration expressions --- */

static struct node *dur_new(struct parser *p, enum tok op, struct node *lhs, struct node *rhs,
                            uint32_t start, uint32_t end)
{
    struct node *n = parse_node_new(p, NODE_DURATION, TYPE_SCALAR, start, end);

    if (n == NULL) {
        return NULL;
    }
    n->dur = (struct duration){.op = op, .lhs = lhs, .rhs = rhs};
    if (lhs != NULL && parse_adopt(p, n, lhs) == NULL) {
        return NULL;
    }
    return rhs != NULL ? parse_adopt(p, n, rhs) : n;
}

static struct node *dur_range_checked(struct parser *p, struct node *n, uint32_t start)
{
    if (n != NULL && n->kind == NODE_NUMBER &&
        !(n->number <= DURATION_MAX_S && n->number >= -DURATION_MAX_S)) {
        return parse_fail_at(p, start, n->end, STR("duration out of range"));
    }
    return n;
}

/** step(), range(), max_of(a, b), min_of(a, b); the word is the current token. */
static struct node *dur_call(struct parser *p)
{
    struct token word = p->cur;
    bool two = word.type == TOK_MAX_OF || word.type == TOK_MIN_OF;
    struct node *a = NULL;
    struct node *b = NULL;

    parse_advance(p);
    if (!parse_take(p, TOK_LPAREN)) {
        return parse_unexpected(p, NULL, NULL);
    }
    if (two) {
        a = parse_duration(p, PREC_ADD);
        if (a == NULL) {
            return NULL;
        }
        if (!parse_take(p, TOK_COMMA)) {
            return parse_unexpected(p, NULL, NULL);
        }
        b = parse_duration(p, PREC_ADD);
        if (b == NULL) {
            return NULL;
        }
    }
    if (p->cur.type != TOK_RPAREN) {
        return parse_unexpected(p, NULL, NULL);
    }
    parse_advance(p);
    return dur_new(p, word.type, a, b, word.start, p->last_closing);
}

static struct node *dur_paren(struct parser *p)
{
    struct token open = p->cur;
    struct node *n;

    parse_advance(p);
    n = parse_duration(p, PREC_ADD);
    if (n == NULL) {
        return NULL;
    }
    if (p->cur.type != TOK_RPAREN) {
        return parse_unexpected(p, NULL, NULL);
    }
    if (n->kind == NODE_NUMBER) { /* a literal cannot remember its parentheses */
        n = dur_new(p, TOK_ADD, NULL, n, open.start, p->cur.end);
    }
    if (n != NULL) {
        n->dur.wrapped = true;
        parse_advance(p);
    }
    return n;
}

static bool starts_call(enum tok t)
{
    return t == TOK_STEP || t == TOK_RANGE || t == TOK_MAX_OF || t == TOK_MIN_OF;
}

static struct node *dur_sign(struct parser *p, struct token op, struct node *n)
{
    if (n == NULL) {
        return NULL;
    }
    if (n->kind == NODE_NUMBER) {
        n->number = op.type == TOK_SUB ? -n->number : n->number;
        n->start = op.start;
        return n;
    }
    return op.type == TOK_SUB ? dur_new(p, TOK_SUB, NULL, n, op.start, n->end) : n;
}

static struct node *dur_unary(struct parser *p)
{
    struct token t = p->cur;

    if (t.type == TOK_NUMBER || t.type == TOK_DURATION) {
        return dur_range_checked(p, parse_number(p), t.start);
    }
    if (t.type == TOK_LPAREN) {
        return dur_paren(p);
    }
    if (starts_call(t.type)) {
        return dur_call(p);
    }
    if (t.type == TOK_ADD || t.type == TOK_SUB) {
        parse_advance(p);
        return dur_sign(p, t, parse_duration(p, PREC_POW));
    }
    return parse_unexpected(p, NULL, NULL);
}

struct node *parse_duration(struct parser *p, int min_prec)
{
    struct node *n;

    if (++p->depth > NESTING_MAX) {
        return parse_fail_at(p, p->cur.start, p->cur.end, STR("expression is nested too deeply"));
    }
    n = dur_unary(p);
    while (n != NULL) {
        struct token op = p->cur;
        int prec = op.type >= TOK_ADD && op.type <= TOK_POW ? parse_precedence(op.type) : 0;
        struct node *rhs;

        if (prec == 0 || prec < min_prec) {
            break;
        }
        parse_advance(p);
        rhs = parse_duration(p, op.type == TOK_POW ? prec : prec + 1);
        if (rhs == NULL) {
            return NULL;
        }
        if ((op.type == TOK_DIV || op.type == TOK_MOD) && rhs->kind == NODE_NUMBER &&
            rhs->number == 0) {
            return parse_fail_at(p, op.start, op.end,
                                 op.type == TOK_DIV ? STR("division by zero")
                                                    : STR("modulo by zero"));
        }
        n = dur_new(p, op.type, n, rhs, n->start, rhs->end);
    }
    p->depth--;
    return n;
}

struct node *parse_offset_duration(struct parser *p)
{
    struct token t = p->cur;
    bool sign = t.type == TOK_ADD || t.type == TOK_SUB;
    struct node *n;

    if (sign) {
        parse_advance(p);
    }
    if (p->cur.type == TOK_NUMBER || p->cur.type == TOK_DURATION) {
        n = parse_number(p);
    } else if (p->cur.type == TOK_LPAREN) {
        n = dur_paren(p);
    } else if (starts_call(p->cur.type)) {
        n = dur_call(p);
    } else {
        return parse_unexpected(p, "offset", "number, duration, step(), or range()");
    }
    return dur_range_checked(p, sign ? dur_sign(p, t, n) : n, t.start);
}
