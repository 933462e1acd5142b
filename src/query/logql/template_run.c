/* SPDX-License-Identifier: Apache-2.0
 *
 * Execution of templates, and what is true of every value: its text, its truth, its number.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "model/value_text.h"
#include "query/logql/template_internal.h"

enum { STEPS_MAX = 100000 };

int tfail(struct texec *x, const char *fmt, ...)
{
    char msg[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    return err_set(x->reterr, ERR_EXEC, "template: line:1: executing \"line\": %s", msg);
}

/* ---- values ---- */

bool tval_truth(const struct tval *v)
{
    switch (v->type) {
    case TV_NIL:
        return false;
    case TV_STR:
        return v->u.s.n != 0;
    case TV_INT:
        return v->u.i != 0;
    case TV_FLOAT:
        return v->u.f != 0;
    case TV_BOOL:
        return v->u.b;
    case TV_LIST:
    case TV_MAP:
        return v->u.list.n != 0;
    default:
        return true;
    }
}

/* As Go's base 0: 0x1f, 0b11, 0o17, 017. */
static bool based_int(struct str s, int64_t *ret)
{
    bool minus = str_starts(s, STR("-"));
    uint64_t v = 0;
    unsigned base = 8;
    size_t i = minus;

    if (s.n < i + 2 || s.n > i + 17 || s.p[i] != '0') {
        return false;
    }
    i++;
    switch (s.p[i] | 0x20) {
    case 'x':
        base = 16;
        break;
    case 'b':
        base = 2;
        break;
    case 'o':
        break;
    default:
        i--;
        break;
    }
    for (i++; i < s.n; i++) {
        unsigned c = (unsigned char)s.p[i] | 0x20u;
        unsigned digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;

        if (digit >= base) {
            return false;
        }
        v = v * base + digit;
    }
    *ret = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

int64_t tval_int(const struct tval *v)
{
    int64_t i = 0;
    double f = 0;

    switch (v->type) {
    case TV_INT:
        return v->u.i;
    case TV_FLOAT:
        f = v->u.f;
        break;
    case TV_BOOL:
        return v->u.b;
    case TV_STR:
        if (based_int(v->u.s, &i) || str_to_i64(v->u.s, &i)) {
            return i;
        }
        if (!str_to_f64(v->u.s, &f)) {
            return 0;
        }
        break;
    default:
        return 0;
    }
    return f >= -9.2e18 && f <= 9.2e18 ? (int64_t)f : 0;
}

double tval_float(const struct tval *v)
{
    double f = 0;

    switch (v->type) {
    case TV_INT:
        return (double)v->u.i;
    case TV_FLOAT:
        return v->u.f;
    case TV_BOOL:
        return v->u.b;
    case TV_STR:
        return str_to_f64(v->u.s, &f) ? f : 0;
    default:
        return 0;
    }
}

static void print_list(struct buf *dst, const struct tval *v)
{
    bool map = v->type == TV_MAP;

    buf_add_cstr(dst, map ? "map[" : "[");
    for (size_t i = 0; i < v->u.list.n; i++) {
        buf_add_cstr(dst, i != 0 ? " " : "");
        if (map) {
            buf_add_str(dst, v->u.list.keys[i]);
            buf_add_byte(dst, ':');
        }
        tval_print(dst, &v->u.list.v[i]);
    }
    buf_add_byte(dst, ']');
}

void tval_print(struct buf *dst, const struct tval *v)
{
    switch (v->type) {
    case TV_NIL:
        buf_add_cstr(dst, "<nil>");
        break;
    case TV_STR:
        buf_add_str(dst, v->u.s);
        break;
    case TV_INT:
        buf_add_i64(dst, v->u.i);
        break;
    case TV_FLOAT:
        buf_add_f64_form(dst, v->u.f, -4, 6);
        break;
    case TV_BOOL:
        buf_add_cstr(dst, v->u.b ? "true" : "false");
        break;
    case TV_TIME:
        go_time_format(dst, STR("2006-01-02 15:04:05.999999999 -0700 MST"), v->u.t.ns,
                       v->u.t.offset_s);
        break;
    case TV_LIST:
    case TV_MAP:
        print_list(dst, v);
        break;
    case TV_LABELS:
        buf_add_cstr(dst, "map[]");
        break;
    }
}

struct str tval_text(struct texec *x, const struct tval *v)
{
    struct buf b CLEANUP(buf_done) = {0};

    if (v->type == TV_STR) {
        return v->u.s;
    }
    buf_init(&b, 1 << 20);
    tval_print(&b, v);
    return lq_row_dup(x->row, buf_str(&b));
}

int tval_of_buf(struct texec *x, struct buf *b, struct tval *ret)
{
    int rc = buf_status(b);

    *ret = tval_str(lq_row_dup(x->row, buf_str(b)));
    return rc < 0 || x->row->no_memory ? tfail(x, "the result is too large") : 0;
}

/* ---- operands ---- */

static int field_of(struct texec *x, const struct tval *v, struct str name, struct tval *ret)
{
    enum label_category c;
    struct str s;

    if (v->type == TV_LABELS) {
        lq_row_get(x->row, name, &s, &c);
        *ret = tval_str(s);
        return 0;
    }
    if (v->type == TV_MAP) {
        for (size_t i = 0; i < v->u.list.n; i++) {
            if (str_eq(v->u.list.keys[i], name)) {
                *ret = v->u.list.v[i];
                return 0;
            }
        }
    }
    if (v->type == TV_NIL || v->type == TV_MAP) {
        *ret = (struct tval){.type = TV_NIL};
        return 0;
    }
    return tfail(x, "can't evaluate field %.*s", STR_ARG(str_take(name, 60)));
}

static int run_pipe(struct texec *x, const struct tpipe *p, const struct tval *dot,
                    struct tval *ret);

static int run_call(struct texec *x, const struct tcommand *c, const struct tval *dot,
                    const struct tval *piped, struct tval *ret);

static int eval(struct texec *x, const struct targ *a, const struct tval *dot, struct tval *ret)
{
    int rc = 0;

    switch (a->type) {
    case TARG_CONST:
        *ret = a->value;
        break;
    case TARG_DOT:
    case TARG_FIELD:
        *ret = *dot;
        break;
    case TARG_VAR:
        if (a->name.n == 0) {
            *ret = (struct tval){.type = TV_LABELS};
            break;
        }
        rc = tfail(x, "undefined variable: $%.*s", STR_ARG(str_take(a->name, 60)));
        for (size_t i = x->vars_n; i > 0; i--) {
            if (str_eq(x->vars[i - 1].name, a->name)) {
                *ret = x->vars[i - 1].v;
                rc = 0;
                break;
            }
        }
        break;
    case TARG_PAREN:
        rc = run_pipe(x, a->pipe, dot, ret);
        break;
    case TARG_FUNC: {
        struct tcommand call = {.args = (struct targ *)(uintptr_t)a, .n = 1};

        rc = run_call(x, &call, dot, NULL, ret);
        break;
    }
    }
    for (size_t i = 0; rc == 0 && i < a->fields_n; i++) {
        struct tval inner = *ret;

        rc = field_of(x, &inner, a->fields[i], ret);
    }
    return rc;
}

/* "and" and "or" look at no more operands than they need. */
static int run_logic(struct texec *x, const struct tcommand *c, const struct tval *dot,
                     const struct tval *piped, bool want, struct tval *ret)
{
    size_t n = c->n - 1 + (piped != NULL);

    for (size_t i = 0; i < n; i++) {
        int rc = 0;

        if (i + 1 < c->n) {
            rc = eval(x, &c->args[i + 1], dot, ret);
        } else {
            *ret = *piped;
        }
        if (rc < 0 || tval_truth(ret) == want) {
            return rc;
        }
    }
    return 0;
}

static int run_call(struct texec *x, const struct tcommand *c, const struct tval *dot,
                    const struct tval *piped, struct tval *ret)
{
    const struct tfunction *fn = c->args[0].fn;
    size_t n = c->n - 1 + (piped != NULL);
    struct tval args[66];

    if (n > ARRAY_LEN(args) || (int)n < fn->min_args ||
        (fn->max_args >= 0 && (int)n > fn->max_args)) {
        return tfail(x, "wrong number of args for %s: want %s%d got %zu", fn->name,
                     fn->max_args == fn->min_args ? "" : "at least ", fn->min_args, n);
    }
    if (strcmp(fn->name, "and") == 0 || strcmp(fn->name, "or") == 0) {
        return run_logic(x, c, dot, piped, fn->name[0] == 'o', ret);
    }
    for (size_t i = 1; i < c->n; i++) {
        int rc = eval(x, &c->args[i], dot, &args[i - 1]);

        if (rc < 0) {
            return rc;
        }
    }
    if (piped != NULL) {
        args[n - 1] = *piped;
    }
    x->re = c->re;
    return fn->fn(x, args, n, ret);
}

static int run_pipe(struct texec *x, const struct tpipe *p, const struct tval *dot,
                    struct tval *ret)
{
    struct tval v = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        struct tval piped = v;

        if (p->v[i].args[0].type == TARG_FUNC) {
            rc = run_call(x, &p->v[i], dot, i != 0 ? &piped : NULL, &v);
        } else {
            rc = eval(x, &p->v[i].args[0], dot, &v);
        }
    }
    *ret = v;
    return rc;
}

static int set_var(struct texec *x, struct str name, bool declares, const struct tval *v)
{
    for (size_t i = x->vars_n; !declares && i > 0; i--) {
        if (str_eq(x->vars[i - 1].name, name)) {
            x->vars[i - 1].v = *v;
            return 0;
        }
    }
    if (!declares || x->vars_n == ARRAY_LEN(x->vars)) {
        return tfail(x, "undefined variable or too many: $%.*s", STR_ARG(str_take(name, 60)));
    }
    x->vars[x->vars_n].name = name;
    x->vars[x->vars_n++].v = *v;
    return 0;
}

/* ---- nodes ---- */

static int run_list(struct texec *x, const struct tnode *n, const struct tval *dot);

static int run_range(struct texec *x, const struct tnode *n, const struct tval *v,
                     const struct tval *dot)
{
    size_t vars = x->vars_n;
    int rc = 0;

    if (v->type == TV_NIL || ((v->type == TV_LIST || v->type == TV_MAP) && v->u.list.n == 0) ||
        (v->type == TV_STR && v->u.s.n == 0)) {
        return run_list(x, n->other, dot);
    }
    if (v->type != TV_LIST && v->type != TV_MAP) {
        return tfail(x, "range can't iterate over %.*s", STR_ARG(str_take(tval_text(x, v), 60)));
    }
    for (size_t i = 0; rc == 0 && i < v->u.list.n; i++) {
        const struct tpipe *p = n->pipe;
        const struct tval *e = &v->u.list.v[i];
        struct tval key = v->type == TV_MAP ? tval_str(v->u.list.keys[i])
                                            : (struct tval){.type = TV_INT, .u.i = (int64_t)i};

        if (++x->steps > STEPS_MAX) {
            return tfail(x, "too many iterations");
        }
        if (p->var2.n != 0) {
            rc = set_var(x, p->var, true, &key);
            rc = rc < 0 ? rc : set_var(x, p->var2, true, e);
        } else if (p->var.n != 0) {
            rc = set_var(x, p->var, true, e);
        }
        rc = rc < 0 ? rc : run_list(x, n->body, e);
        x->vars_n = vars;
    }
    return rc;
}

static int run_node(struct texec *x, const struct tnode *n, const struct tval *dot)
{
    size_t vars = x->vars_n;
    struct tval v;
    int rc;

    if (n->type == TNODE_TEXT) {
        buf_add_str(x->dst, n->text);
        return 0;
    }
    rc = run_pipe(x, n->pipe, dot, &v);
    if (rc < 0) {
        return rc;
    }
    if (n->type == TNODE_RANGE) {
        return run_range(x, n, &v, dot);
    }
    if (n->pipe->var.n != 0) {
        rc = set_var(x, n->pipe->var, n->pipe->declares, &v);
        if (rc < 0 || n->type == TNODE_ACTION) {
            return rc;
        }
    }
    if (n->type == TNODE_ACTION) {
        if (v.type == TV_NIL) {
            buf_add_cstr(x->dst, "<no value>");
        } else {
            tval_print(x->dst, &v);
        }
        return 0;
    }
    rc = tval_truth(&v) ? run_list(x, n->body, n->type == TNODE_WITH ? &v : dot)
                        : run_list(x, n->other, dot);
    x->vars_n = vars;
    return rc;
}

static int run_list(struct texec *x, const struct tnode *n, const struct tval *dot)
{
    int rc = 0;

    for (; rc == 0 && n != NULL; n = n->next) {
        rc = run_node(x, n, dot);
        if (rc == 0 && (buf_status(x->dst) < 0 || x->row->no_memory)) {
            rc = tfail(x, "the result is too large");
        }
    }
    return rc;
}

int template_run(const struct template *t, struct row *r, struct buf *dst, struct err *reterr)
{
    const struct tval dot = {.type = TV_LABELS};
    struct texec x = {.row = r, .a = &r->arena, .dst = dst, .reterr = reterr};

    return run_list(&x, t->root, &dot);
}
