/* SPDX-License-Identifier: Apache-2.0
 *
 * fmt.Sprintf for the values of templates: the verbs v s d q t f F e E g G x X o b c U %, flags and widths.
 */
#include <stdio.h>

#include "codec/utf8.h"
#include "query/logql/template_internal.h"

enum { WIDTH_MAX = 10000 };

struct spec {
    bool minus, plus, zero, space, sharp;
    int width;     /* -1: none */
    int precision; /* -1: none */
    char verb;
};

static size_t runes(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    }
    return n;
}

static void pad(struct buf *dst, struct str s, const struct spec *f, bool number)
{
    size_t have = runes(s);
    size_t fill = f->width > 0 && (size_t)f->width > have ? (size_t)f->width - have : 0;
    bool zeros = f->zero && !f->minus && number;

    if (zeros && fill != 0 && s.n != 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        buf_add_byte(dst, s.p[0]);
        s = str_drop(s, 1);
    }
    for (size_t i = 0; !f->minus && i < fill; i++) {
        buf_add_byte(dst, zeros ? '0' : ' ');
    }
    buf_add_str(dst, s);
    for (size_t i = 0; f->minus && i < fill; i++) {
        buf_add_byte(dst, ' ');
    }
}

static struct str first_runes(struct str s, int n)
{
    size_t at = 0;

    while (at < s.n && n > 0) {
        for (at++; at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80; at++) {
        }
        n--;
    }
    return str_take(s, at);
}

static void add_quoted(struct buf *b, struct str s)
{
    buf_add_byte(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            buf_add_byte(b, '\\');
        }
        if (s.p[i] == '\n' || s.p[i] == '\t' || s.p[i] == '\r') {
            buf_add_cstr(b, s.p[i] == '\n' ? "\\n" : s.p[i] == '\t' ? "\\t" : "\\r");
        } else {
            buf_add_byte(b, s.p[i]);
        }
    }
    buf_add_byte(b, '"');
}

static void add_float(struct buf *b, double v, const struct spec *f)
{
    char fmt[16] = "%";
    size_t n = 1;

    if (f->verb == 'v' || (f->verb == 'g' && f->precision < 0)) {
        buf_add_cstr(b, f->plus && v >= 0 ? "+" : "");
        buf_add_f64_form(b, v, -4, 6);
        return;
    }
    if (f->plus) {
        fmt[n++] = '+';
    }
    fmt[n++] = '.';
    fmt[n++] = '*';
    fmt[n++] = f->verb;
    fmt[n] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_printf(b, fmt, f->precision < 0 ? 6 : f->precision, v);
#pragma GCC diagnostic pop
}

static void add_int(struct buf *b, int64_t v, const struct spec *f)
{
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    uint64_t base = f->verb == 'x' || f->verb == 'X' ? 16
                    : f->verb == 'o'                 ? 8
                    : f->verb == 'b'                 ? 2
                                                     : 10;
    char text[72];
    size_t at = sizeof(text);

    do {
        text[--at] = (f->verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
        u /= base;
    } while (u != 0);
    if (v < 0 || f->plus || f->space) {
        text[--at] = v < 0 ? '-' : f->plus ? '+' : ' ';
    }
    buf_add(b, text + at, sizeof(text) - at);
}

static void add_hex(struct buf *b, struct str s, bool upper)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_printf(b, upper ? "%02X" : "%02x", (unsigned)(unsigned char)s.p[i]);
    }
}

static const char *type_name(enum tval_type t)
{
    static const char *const NAMES[] = {"<nil>",
                                        "string",
                                        "int",
                                        "float64",
                                        "bool",
                                        "time.Time",
                                        "[]interface {}",
                                        "map[string]interface {}",
                                        "map[string]string"};

    return NAMES[t];
}

/* v and s */
static bool add_plain(struct buf *b, const struct tval *v, const struct spec *f)
{
    if (v->type == TV_FLOAT && f->verb == 'v') {
        add_float(b, v->u.f, f);
        return true;
    }
    if (f->verb == 's' && (v->type == TV_INT || v->type == TV_FLOAT || v->type == TV_BOOL)) {
        return false;
    }
    tval_print(b, v);
    return true;
}

/* Verbs of integers. */
static bool add_integer(struct buf *b, const struct tval *v, const struct spec *f)
{
    char rune[4];

    if (v->type == TV_INT && f->verb == 'c') {
        buf_add(b, rune, utf8_encode((uint32_t)v->u.i, rune));
    } else if (v->type == TV_INT) {
        add_int(b, v->u.i, f);
    } else if (v->type == TV_STR && (f->verb == 'x' || f->verb == 'X')) {
        add_hex(b, v->u.s, f->verb == 'X');
        return true;
    }
    return v->type == TV_INT;
}

/* @return false: the verb does not fit the type */
static bool add_value(struct buf *b, const struct tval *v, const struct spec *f)
{
    if (f->verb == 'v' || f->verb == 's') {
        return add_plain(b, v, f);
    }
    if (strchr("dobcxX", f->verb) != NULL) {
        return add_integer(b, v, f);
    }
    if (strchr("fFeEgG", f->verb) != NULL) {
        if (v->type == TV_FLOAT) {
            add_float(b, v->u.f, f);
        }
        return v->type == TV_FLOAT;
    }
    if (f->verb == 'q' && v->type == TV_STR) {
        add_quoted(b, v->u.s);
        return true;
    }
    if (f->verb == 't' && v->type == TV_BOOL) {
        tval_print(b, v);
        return true;
    }
    if (f->verb == 'T') {
        buf_add_cstr(b, type_name(v->type));
        return true;
    }
    return false;
}

static int number(struct str *s, const struct tval *args, size_t n, size_t *arg)
{
    int v = -1;

    if (s->n != 0 && s->p[0] == '*') {
        *s = str_drop(*s, 1);
        if (*arg < n) {
            int64_t i = tval_int(&args[(*arg)++]);

            v = i < 0 ? -1 : i > WIDTH_MAX ? WIDTH_MAX : (int)i;
        }
        return v;
    }
    while (s->n != 0 && s->p[0] >= '0' && s->p[0] <= '9') {
        v = (v < 0 ? 0 : v) * 10 + (s->p[0] - '0');
        v = v > WIDTH_MAX ? WIDTH_MAX : v;
        *s = str_drop(*s, 1);
    }
    return v;
}

static struct spec take_spec(struct str *s, const struct tval *args, size_t n, size_t *arg)
{
    struct spec f = {.width = -1, .precision = -1};

    for (; s->n != 0; *s = str_drop(*s, 1)) {
        char c = s->p[0];

        if (c == '-') {
            f.minus = true;
        } else if (c == '+') {
            f.plus = true;
        } else if (c == '0') {
            f.zero = true;
        } else if (c == ' ') {
            f.space = true;
        } else if (c == '#') {
            f.sharp = true;
        } else {
            break;
        }
    }
    f.width = number(s, args, n, arg);
    if (s->n != 0 && s->p[0] == '.') {
        *s = str_drop(*s, 1);
        f.precision = number(s, args, n, arg);
        f.precision = f.precision < 0 ? 0 : f.precision;
    }
    f.verb = s->n != 0 ? s->p[0] : '\0';
    *s = str_drop(*s, 1);
    return f;
}

static void one(struct buf *dst, const struct spec *f, const struct tval *v)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s;

    buf_init(&b, dst->max);
    if (!add_value(&b, v, f)) {
        buf_clear(&b);
        buf_printf(&b, "%%!%c(%s=", f->verb, type_name(v->type));
        tval_print(&b, v);
        buf_add_byte(&b, ')');
    }
    s = buf_str(&b);
    if (f->precision >= 0 && (f->verb == 's' || (f->verb == 'v' && v->type == TV_STR))) {
        s = first_runes(s, f->precision);
    }
    pad(dst, s, f, v->type == TV_INT || v->type == TV_FLOAT);
}

void go_printf(struct buf *dst, struct str format, const struct tval *args, size_t n)
{
    size_t arg = 0;

    while (format.n != 0) {
        int64_t at = str_find_byte(format, '%');
        struct spec f;

        buf_add_str(dst, at < 0 ? format : str_take(format, (size_t)at));
        if (at < 0) {
            break;
        }
        format = str_drop(format, (size_t)at + 1);
        f = take_spec(&format, args, n, &arg);
        if (f.verb == '%') {
            buf_add_byte(dst, '%');
        } else if (f.verb == '\0') {
            buf_add_cstr(dst, "%!(NOVERB)");
        } else if (arg >= n) {
            buf_printf(dst, "%%!%c(MISSING)", f.verb);
        } else {
            one(dst, &f, &args[arg++]);
        }
    }
    if (arg < n) {
        buf_add_cstr(dst, "%!(EXTRA ");
        for (size_t i = arg; i < n; i++) {
            buf_add_cstr(dst, i != arg ? ", " : "");
            buf_add_cstr(dst, type_name(args[i].type));
            buf_add_byte(dst, '=');
            tval_print(dst, &args[i]);
        }
        buf_add_byte(dst, ')');
    }
}
