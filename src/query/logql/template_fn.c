/* SPDX-License-Identifier: Apache-2.0
 *
 * Template functions: Go's built-in ones and those of the record. Arguments that should be strings are taken by their
 * text, numbers by their value, so a wrong type never stops a query.
 */
#include <stdlib.h>

#include "base/vec.h"
#include "query/logql/template_internal.h"

/* ---- built in ---- */

static int fn_logic(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    *ret = args[n - 1]; /* run by the caller */
    return 0;
}

static int fn_not(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    (void)n;
    return tval_of_bool(!tval_truth(&args[0]), ret);
}

static int fn_len(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    *ret = (struct tval){.type = TV_INT};
    if (args[0].type == TV_STR) {
        ret->u.i = (int64_t)args[0].u.s.n;
    } else if (args[0].type == TV_LIST || args[0].type == TV_MAP) {
        ret->u.i = (int64_t)args[0].u.list.n;
    } else {
        return tfail(x, "error calling len: len of wrong type");
    }
    return 0;
}

/* Of a text; lists cannot be cut. */
static int fn_slice(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = args[0].u.s;
    int64_t from = n > 1 ? tval_int(&args[1]) : 0;
    int64_t to;

    if (args[0].type != TV_STR) {
        return tfail(x, "error calling slice: can't slice item of this type");
    }
    to = n > 2 ? tval_int(&args[2]) : (int64_t)s.n;
    if (from < 0 || to > (int64_t)s.n || from > to) {
        return tfail(x, "error calling slice: index out of range");
    }
    *ret = tval_str(str_of(s.p + from, (size_t)(to - from)));
    return 0;
}

static int fn_index(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct tval v = args[0];

    for (size_t i = 1; i < n; i++) {
        struct tval inner = {.type = TV_NIL};

        if (v.type == TV_MAP || v.type == TV_LABELS) {
            struct str key = tval_text(x, &args[i]);
            enum label_category c;
            struct str value;

            if (v.type == TV_LABELS) {
                lq_row_get(x->row, key, &value, &c);
                inner = tval_str(value);
            }
            for (size_t k = 0; v.type == TV_MAP && k < v.u.list.n; k++) {
                if (str_eq(v.u.list.keys[k], key)) {
                    inner = v.u.list.v[k];
                }
            }
        } else if (v.type == TV_LIST || v.type == TV_STR) {
            int64_t at = tval_int(&args[i]);
            size_t have = v.type == TV_LIST ? v.u.list.n : v.u.s.n;

            if (at < 0 || (size_t)at >= have) {
                return tfail(x, "error calling index: index out of range: %lld", (long long)at);
            }
            inner = v.type == TV_LIST
                        ? v.u.list.v[at]
                        : (struct tval){.type = TV_INT, .u.i = (unsigned char)v.u.s.p[at]};
        } else {
            return tfail(x, "error calling index: can't index item");
        }
        v = inner;
    }
    *ret = v;
    return 0;
}

static int fn_print(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, TEMPLATE_RESULT_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && args[i].type != TV_STR && args[i - 1].type != TV_STR) {
            buf_add_byte(&b, ' ');
        }
        tval_print(&b, &args[i]);
    }
    return tval_of_buf(x, &b, ret);
}

static int fn_println(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, TEMPLATE_RESULT_MAX);
    for (size_t i = 0; i < n; i++) {
        buf_add_cstr(&b, i != 0 ? " " : "");
        tval_print(&b, &args[i]);
    }
    buf_add_byte(&b, '\n');
    return tval_of_buf(x, &b, ret);
}

static int fn_printf(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, TEMPLATE_RESULT_MAX);
    go_printf(&b, tval_text(x, &args[0]), args + 1, n - 1);
    return tval_of_buf(x, &b, ret);
}

/* Order of two values. @return false: they cannot be compared */
static bool order(const struct tval *a, const struct tval *b, int *ret)
{
    if (a->type == TV_STR && b->type == TV_STR) {
        *ret = str_cmp(a->u.s, b->u.s);
        return true;
    }
    if (a->type == TV_INT && b->type == TV_INT) {
        *ret = (a->u.i > b->u.i) - (a->u.i < b->u.i);
        return true;
    }
    if (a->type == TV_FLOAT && b->type == TV_FLOAT) {
        *ret = (a->u.f > b->u.f) - (a->u.f < b->u.f);
        return true;
    }
    *ret = a->type == TV_BOOL && b->type == TV_BOOL ? a->u.b - b->u.b : 0;
    return (a->type == TV_BOOL && b->type == TV_BOOL) || (a->type == TV_NIL && b->type == TV_NIL);
}

static int compare(struct texec *x, const struct tval *args, bool (*want)(int), struct tval *ret)
{
    int c;

    if (!order(&args[0], &args[1], &c)) {
        return tfail(x, "incompatible types for comparison");
    }
    return tval_of_bool(want(c), ret);
}

static bool is_ne(int c)
{
    return c != 0;
}

static bool is_lt(int c)
{
    return c < 0;
}

static bool is_le(int c)
{
    return c <= 0;
}

static bool is_gt(int c)
{
    return c > 0;
}

static bool is_ge(int c)
{
    return c >= 0;
}

static int fn_eq(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    for (size_t i = 1; i < n; i++) {
        int c;

        if (!order(&args[0], &args[i], &c)) {
            return tfail(x, "incompatible types for comparison");
        }
        if (c == 0) {
            return tval_of_bool(true, ret);
        }
    }
    return tval_of_bool(false, ret);
}

#define COMPARE(name)                                                                          \
    static int fn_##name(struct texec *x, const struct tval *args, size_t n, struct tval *ret) \
    {                                                                                          \
        (void)n;                                                                               \
        return compare(x, args, is_##name, ret);                                               \
    }
COMPARE(ne)
COMPARE(lt)
COMPARE(le)
COMPARE(gt)
COMPARE(ge)
#undef COMPARE

/* ---- the record ---- */

static int fn_line(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)args;
    (void)n;
    *ret = tval_str(x->row->line);
    return 0;
}

static int fn_timestamp(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)args;
    (void)n;
    *ret = (struct tval){.type = TV_TIME, .u.t = {x->row->t_ns, 0}};
    return 0;
}

static int fn_default(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)x;
    *ret = n > 1 && tval_truth(&args[1]) ? args[1] : args[0];
    return 0;
}

const struct tfunction LQ_TEMPLATE_BUILTINS[] = {
    {"and", fn_logic, 1, -1},
    {"or", fn_logic, 1, -1},
    {"not", fn_not, 1, 1},
    {"len", fn_len, 1, 1},
    {"index", fn_index, 1, -1},
    {"slice", fn_slice, 1, 3},
    {"print", fn_print, 0, -1},
    {"println", fn_println, 0, -1},
    {"printf", fn_printf, 1, -1},
    {"eq", fn_eq, 2, -1},
    {"ne", fn_ne, 2, 2},
    {"lt", fn_lt, 2, 2},
    {"le", fn_le, 2, 2},
    {"gt", fn_gt, 2, 2},
    {"ge", fn_ge, 2, 2},
    {"__line__", fn_line, 0, 0},
    {"__timestamp__", fn_timestamp, 0, 0},
    {"default", fn_default, 1, 2},
    {0},
};
