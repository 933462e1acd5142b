/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic, comparison and text of values. Invariant: nothing here fails; what makes no sense is NIL or
 * false.
 */
#include "query/traceql/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/f64.h"
#include "base/hash.h"
#include "model/value_text.h"

static struct tql_value text_of(const struct value *v, struct arena *a)
{
    struct buf b CLEANUP(buf_done);
    struct str s;

    buf_init(&b, 1 << 20);
    s = value_text(v, &b);
    s = b.failed ? str_of(NULL, 0) : arena_str_dup(a, s);
    return s.p == NULL && s.n == 0 && b.failed ? (struct tql_value){TQL_NIL, {0}} : tql_str(s);
}

static struct tql_value scalar_of(const struct value *v, struct arena *a)
{
    switch (v->type) {
    case VALUE_STR:
        return tql_str(v->u.s);
    case VALUE_BOOL:
        return tql_bool(v->u.b);
    case VALUE_I64:
        return tql_int(v->u.i);
    case VALUE_F64:
        return tql_float(v->u.f);
    case VALUE_BYTES:
    case VALUE_MAP:
    case VALUE_ARRAY:
        return text_of(v, a);
    default:
        return (struct tql_value){TQL_NIL, {0}};
    }
}

struct tql_value tql_of_value(const struct value *v, struct arena *a)
{
    struct tql_value *list;

    if (v->type != VALUE_ARRAY) {
        return scalar_of(v, a);
    }
    list = arena_array(a, struct tql_value, v->u.array.n + 1);
    if (list == NULL) {
        return (struct tql_value){TQL_NIL, {0}};
    }
    for (size_t i = 0; i < v->u.array.n; i++) {
        list[i] = scalar_of(&v->u.array.v[i], a);
    }
    return (struct tql_value){TQL_LIST, {.list = {list, v->u.array.n}}};
}

bool tql_number(const struct tql_value *v, double *ret)
{
    switch (v->type) {
    case TQL_INT:
    case TQL_DURATION:
        *ret = (double)v->u.i;
        return true;
    case TQL_FLOAT:
        *ret = v->u.f;
        return true;
    default:
        return false;
    }
}

static int compare_int_float(int64_t i, double f)
{
    double whole;

    if (isnan(f)) {
        return 2;
    }
    if (f >= 0x1p63) {
        return -1;
    }
    if (f < -0x1p63) {
        return 1;
    }
    whole = trunc(f);
    if (i != (int64_t)whole) {
        return i < (int64_t)whole ? -1 : 1;
    }
    return f > whole ? -1 : f < whole;
}

static int compare_numbers(const struct tql_value *a, const struct tql_value *b)
{
    int c;

    if (a->type != TQL_FLOAT && b->type != TQL_FLOAT) {
        return (a->u.i > b->u.i) - (a->u.i < b->u.i);
    }
    if (a->type != TQL_FLOAT) {
        return compare_int_float(a->u.i, b->u.f);
    }
    if (b->type != TQL_FLOAT) {
        c = compare_int_float(b->u.i, a->u.f);
        return c == 2 ? 2 : -c;
    }
    return isnan(a->u.f) || isnan(b->u.f) ? 2 : (a->u.f > b->u.f) - (a->u.f < b->u.f);
}

int tql_compare(const struct tql_value *a, const struct tql_value *b)
{
    if (tql_is_number(a->type) && tql_is_number(b->type)) {
        return compare_numbers(a, b);
    }
    if (a->type != b->type) {
        return 2;
    }
    switch (a->type) {
    case TQL_STR: {
        int c = str_cmp(a->u.s, b->u.s);

        return (c > 0) - (c < 0);
    }
    case TQL_BOOL:
        return (int)a->u.b - (int)b->u.b;
    case TQL_STATUS:
    case TQL_KIND:
        return (a->u.i > b->u.i) - (a->u.i < b->u.i);
    default:
        return 2;
    }
}

bool tql_equal(const struct tql_value *a, const struct tql_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    if (a->type == TQL_NIL) {
        return true;
    }
    if (a->type == TQL_LIST) {
        if (a->u.list.n != b->u.list.n) {
            return false;
        }
        for (size_t i = 0; i < a->u.list.n; i++) {
            if (!tql_equal(&a->u.list.v[i], &b->u.list.v[i])) {
                return false;
            }
        }
        return true;
    }
    return a->type == TQL_FLOAT ? f64_same(a->u.f, b->u.f) : tql_compare(a, b) == 0;
}

uint64_t tql_hash(const struct tql_value *v)
{
    uint64_t h = hash_u64((uint64_t)v->type + 1);

    switch (v->type) {
    case TQL_STR:
        return hash64_seed(v->u.s.p, v->u.s.n, h);
    case TQL_BOOL:
        return hash_u64(h ^ (uint64_t)v->u.b);
    case TQL_FLOAT:
        return hash64_seed(&v->u.f, sizeof(v->u.f), h);
    case TQL_LIST:
        for (size_t i = 0; i < v->u.list.n; i++) {
            h = hash_u64(h ^ tql_hash(&v->u.list.v[i]));
        }
        return h;
    case TQL_NIL:
        return h;
    default:
        return hash_u64(h ^ (uint64_t)v->u.i);
    }
}

/* Integers and durations, exact unless they overflow. @return false: use doubles */
static bool whole_arithmetic(enum tql_op op, int64_t a, int64_t b, int64_t *ret)
{
    switch (op) {
    case TQL_ADD:
        return !__builtin_add_overflow(a, b, ret);
    case TQL_SUB:
        return !__builtin_sub_overflow(a, b, ret);
    case TQL_MUL:
        return !__builtin_mul_overflow(a, b, ret);
    case TQL_DIV:
        if (b == 0 || (a == INT64_MIN && b == -1)) {
            return false;
        }
        *ret = a / b;
        return true;
    case TQL_MOD:
        if (b == 0) {
            return false;
        }
        *ret = b == -1 ? 0 : a % b;
        return true;
    default:
        return false;
    }
}

static double float_arithmetic(enum tql_op op, double a, double b)
{
    switch (op) {
    case TQL_ADD:
        return a + b;
    case TQL_SUB:
        return a - b;
    case TQL_MUL:
        return a * b;
    case TQL_DIV:
        return a / b;
    case TQL_MOD:
        return fmod(a, b);
    default:
        return pow(a, b);
    }
}

/* A double as the type the operation gives. */
static struct tql_value as_type(enum tql_type type, double d)
{
    if (type == TQL_FLOAT || !(d >= -0x1p63 && d < 0x1p63)) {
        return tql_float(d);
    }
    return (struct tql_value){type, {.i = (int64_t)d}};
}

struct tql_value tql_arithmetic(enum tql_op op, const struct tql_value *a,
                                const struct tql_value *b)
{
    const struct tql_value nil = {TQL_NIL, {0}};
    enum tql_type type = TQL_INT;
    int64_t whole;
    double x;
    double y;

    if (!tql_number(a, &x) || !tql_number(b, &y)) {
        return nil;
    }
    if (a->type == TQL_DURATION && b->type == TQL_DURATION && op == TQL_DIV) {
        return y == 0 ? nil : tql_float(x / y); /* a ratio has no unit */
    }
    if (a->type == TQL_DURATION || b->type == TQL_DURATION) {
        type = TQL_DURATION;
    } else if (a->type == TQL_FLOAT || b->type == TQL_FLOAT) {
        type = TQL_FLOAT;
    }
    if (a->type != TQL_FLOAT && b->type != TQL_FLOAT) {
        if ((op == TQL_DIV || op == TQL_MOD) && b->u.i == 0) {
            return nil;
        }
        if (whole_arithmetic(op, a->u.i, b->u.i, &whole)) {
            return (struct tql_value){type, {.i = whole}};
        }
    }
    x = float_arithmetic(op, x, y);
    if (type == TQL_INT && x != trunc(x)) {
        type = TQL_FLOAT; /* 2 ^ -1 */
    }
    return as_type(type, x);
}

static bool holds_one(enum tql_op op, const struct tql_value *a, const struct tql_value *b)
{
    int c = tql_compare(a, b);

    if (c == 2) {
        return false;
    }
    switch (op) {
    case TQL_EQ:
        return c == 0;
    case TQL_NE:
        return c != 0;
    case TQL_GT:
        return c > 0;
    case TQL_GE:
        return c >= 0;
    case TQL_LT:
        return c < 0;
    case TQL_LE:
        return c <= 0;
    default:
        return false;
    }
}

bool tql_holds(enum tql_op op, const struct tql_value *a, const struct tql_value *b)
{
    const struct tql_value *list = a->type == TQL_LIST ? a : b;

    if (list->type != TQL_LIST) {
        return holds_one(op, a, b);
    }
    for (size_t i = 0; i < list->u.list.n; i++) {
        const struct tql_value *v = &list->u.list.v[i];
        const struct tql_value *x = list == a ? v : a;
        const struct tql_value *y = list == a ? b : v;

        if (holds_one(op == TQL_NE ? TQL_EQ : op, x, y)) {
            return op != TQL_NE;
        }
    }
    return op == TQL_NE;
}

bool tql_dup(struct arena *a, const struct tql_value *v, struct tql_value *ret)
{
    *ret = *v;
    if (v->type == TQL_STR) {
        ret->u.s = arena_str_dup(a, v->u.s);
        return ret->u.s.p != NULL || v->u.s.n == 0;
    }
    if (v->type == TQL_LIST) {
        struct tql_value *copy = arena_array(a, struct tql_value, v->u.list.n + 1);

        for (size_t i = 0; copy != NULL && i < v->u.list.n; i++) {
            if (!tql_dup(a, &v->u.list.v[i], &copy[i])) {
                return false;
            }
        }
        ret->u.list.v = copy;
        return copy != NULL;
    }
    return true;
}

/* Go's time.Duration.String(): "1h2m3.5s", "1.5ms", "0s". */
static void print_duration(struct buf *dst, int64_t ns)
{
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    if (ns < 0) {
        buf_add_byte(dst, '-');
    }
    if (u == 0) {
        buf_add_cstr(dst, "0s");
    } else if (u < 1000) {
        buf_printf(dst, "%" PRIu64 "ns", u);
    } else if (u < 1000000000) {
        buf_add_f64(dst, u < 1000000 ? (double)u / 1e3 : (double)u / 1e6);
        buf_add_cstr(dst, u < 1000000 ? "us" : "ms");
    } else {
        uint64_t h = u / 3600000000000ull;
        uint64_t m = u / 60000000000ull % 60;

        if (h != 0) {
            buf_printf(dst, "%" PRIu64 "h", h);
        }
        if (h != 0 || m != 0) {
            buf_printf(dst, "%" PRIu64 "m", m);
        }
        buf_printf(dst, "%" PRIu64, u / 1000000000 % 60);
        if (u % 1000000000 != 0) {
            char digits[16];
            int n = snprintf(digits, sizeof(digits), "%09" PRIu64, u % 1000000000);

            while (n > 0 && digits[n - 1] == '0') {
                n--;
            }
            buf_printf(dst, ".%.*s", n, digits);
        }
        buf_add_byte(dst, 's');
    }
}

static void print_quoted(struct buf *dst, struct str s)
{
    buf_add_byte(dst, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];

        if (c == '"' || c == '\\') {
            buf_add_byte(dst, '\\');
            buf_add_byte(dst, (char)c);
        } else if (c == '\n') {
            buf_add_cstr(dst, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(dst, "\\x%02x", c);
        } else {
            buf_add_byte(dst, (char)c);
        }
    }
    buf_add_byte(dst, '"');
}

static void print_float(struct buf *dst, double f)
{
    size_t at = dst->n;

    buf_add_f64(dst, f);
    if (!dst->failed && isfinite(f) && memchr(dst->data + at, '.', dst->n - at) == NULL &&
        memchr(dst->data + at, 'e', dst->n - at) == NULL) {
        buf_add_cstr(dst, ".0"); /* stays a float when read again */
    }
}

static void print_list(struct buf *dst, const struct tql_value *v, bool quoted)
{
    buf_add_byte(dst, '[');
    for (size_t i = 0; i < v->u.list.n; i++) {
        buf_add_cstr(dst, i != 0 ? ", " : "");
        if (quoted) {
            tql_print_value(dst, &v->u.list.v[i]);
        } else {
            tql_text(dst, &v->u.list.v[i]);
        }
    }
    buf_add_byte(dst, ']');
}

void tql_print_value(struct buf *dst, const struct tql_value *v)
{
    if (v->type == TQL_STR) {
        print_quoted(dst, v->u.s);
    } else if (v->type == TQL_FLOAT) {
        print_float(dst, v->u.f);
    } else if (v->type == TQL_LIST) {
        print_list(dst, v, true);
    } else if (v->type == TQL_INT && v->u.i == INT64_MIN) {
        buf_add_cstr(dst, "minInt"); /* its digits are no number without their sign */
    } else {
        tql_text(dst, v);
    }
}

void tql_text(struct buf *dst, const struct tql_value *v)
{
    switch (v->type) {
    case TQL_STR:
        buf_add_str(dst, v->u.s);
        break;
    case TQL_BOOL:
        buf_add_cstr(dst, v->u.b ? "true" : "false");
        break;
    case TQL_INT:
        buf_add_i64(dst, v->u.i);
        break;
    case TQL_FLOAT:
        buf_add_f64(dst, v->u.f);
        break;
    case TQL_DURATION:
        print_duration(dst, v->u.i);
        break;
    case TQL_STATUS:
        buf_add_cstr(dst, span_status_name((uint8_t)v->u.i));
        break;
    case TQL_KIND:
        buf_add_cstr(dst, span_kind_name((uint8_t)v->u.i));
        break;
    case TQL_LIST:
        print_list(dst, v, false);
        break;
    default:
        buf_add_cstr(dst, "nil");
        break;
    }
}

const char *tql_op_text(enum tql_op op)
{
    static const char *const TEXT[] = {
        [TQL_ADD] = "+",
        [TQL_SUB] = "-",
        [TQL_MUL] = "*",
        [TQL_DIV] = "/",
        [TQL_MOD] = "%",
        [TQL_POW] = "^",
        [TQL_EQ] = "=",
        [TQL_NE] = "!=",
        [TQL_GT] = ">",
        [TQL_GE] = ">=",
        [TQL_LT] = "<",
        [TQL_LE] = "<=",
        [TQL_RE] = "=~",
        [TQL_NRE] = "!~",
        [TQL_AND] = "&&",
        [TQL_OR] = "||",
        [TQL_NOT] = "!",
        [TQL_CHILD] = ">",
        [TQL_PARENT] = "<",
        [TQL_DESCENDANT] = ">>",
        [TQL_ANCESTOR] = "<<",
        [TQL_SIBLING] = "~",
        [TQL_NOT_CHILD] = "!>",
        [TQL_NOT_PARENT] = "!<",
        [TQL_NOT_DESCENDANT] = "!>>",
        [TQL_NOT_ANCESTOR] = "!<<",
        [TQL_NOT_SIBLING] = "!~",
        [TQL_UNION_CHILD] = "&>",
        [TQL_UNION_PARENT] = "&<",
        [TQL_UNION_DESCENDANT] = "&>>",
        [TQL_UNION_ANCESTOR] = "&<<",
        [TQL_UNION_SIBLING] = "&~",
    };

    return op > TQL_OP_NONE && op < ARRAY_LEN(TEXT) ? TEXT[op] : "";
}

const char *tql_type_name(enum tql_type t)
{
    static const char *const NAMES[] = {"nil",  "int",    "float", "duration", "string",
                                        "bool", "status", "kind",  "array",    "attribute"};

    return t < ARRAY_LEN(NAMES) ? NAMES[t] : "";
}
