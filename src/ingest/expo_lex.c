/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces both text formats are made of: numbers, names, raw series, label sets, metadata lines.
 * Finding the end of a series looks at quotes and braces only; its labels are checked when somebody asks
 * for them, which a consumer that knows the bytes does not.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/expo_internal.h"
#include "ingest/expo_nhcb.h"
#include "model/samples.h"

enum { LABELS_FIRST = 16 }; /* room for labels at first; doubled as needed */

/* ---- numbers ---- */

static double normal_nan(void)
{
    const uint64_t bits = NORMAL_NAN_BITS;
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static bool f64_slow(struct str s, double *ret)
{
    double v;

    if (!str_to_f64(s, &v)) {
        return false;
    }
    if (isinf(v) && memchr(s.p, 'i', s.n) == NULL && memchr(s.p, 'I', s.n) == NULL) {
        return false; /* a number beyond the range */
    }
    *ret = isnan(v) ? normal_nan() : v;
    return true;
}

/* Digits into *m; stops at 19 of them, which 64 bits hold. @return digits read */
static size_t digits(const char **p, const char *end, uint64_t *m)
{
    const char *q = *p;

    while (q < end && *q >= '0' && *q <= '9' && q - *p < 19) {
        *m = *m * 10 + (uint64_t)(*q++ - '0');
    }
    size_t n = (size_t)(q - *p);

    *p = q;
    return n;
}

/* A mantissa below 2^53 times a power of ten up to 22 is exact in one operation (Clinger 1990). */
bool expo_f64(struct str s, double *ret)
{
    static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *p = s.p;
    const char *end = s.p + s.n;
    bool negative = s.n != 0 && *p == '-';
    uint64_t m = 0;
    uint64_t e = 0;
    size_t fraction = 0;
    size_t n;

    p += negative;
    n = digits(&p, end, &m);
    if (p < end && *p == '.') {
        p++;
        fraction = digits(&p, end, &m);
        n += fraction;
    }
    bool exp_negative = false;

    if (n != 0 && p < end && (*p | 0x20) == 'e') {
        p++;
        exp_negative = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        if (digits(&p, end, &e) == 0 || e > 60) {
            return f64_slow(s, ret);
        }
    }
    int64_t exp10 = (exp_negative ? -(int64_t)e : (int64_t)e) - (int64_t)fraction;

    if (p != end || n == 0 || n > 19 || m > 1ull << 53 || exp10 < -22 || exp10 > 22) {
        return f64_slow(s, ret);
    }
    double v = exp10 < 0 ? (double)m / POWERS[-exp10] : (double)m * POWERS[exp10];

    *ret = negative ? -v : v;
    return true;
}

/* Go's 'g' with the shortest digits (exponent form below 1e-4 and from 1e6), ".0" after whole numbers. */
size_t expo_format_f64(double v, char dst[32])
{
    char e[40];
    int n = 0; /* digits after the first */
    int exp10;

    if (isnan(v) || isinf(v)) {
        return (size_t)snprintf(dst, 32, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
    }
    snprintf(e, sizeof(e), "%.0e", v);
    while (strtod(e, NULL) != v && n < 16) {
        snprintf(e, sizeof(e), "%.*e", ++n, v);
    }
    exp10 = (int)strtol(strchr(e, 'e') + 1, NULL, 10);
    if (v != 0 && (exp10 < -4 || exp10 >= 6)) {
        return (size_t)snprintf(dst, 32, "%s", e);
    }
    n = n > exp10 ? n - exp10 : 0;
    return (size_t)snprintf(dst, 32, "%.*f", n == 0 ? 1 : n, v);
}

/* ---- names and series ---- */

enum char_class {
    C_NAME = 1,   /* within a metric name */
    C_FIRST = 2,  /* first of a metric name */
    C_LABEL = 4,  /* within a label name */
    C_LABEL1 = 8, /* first of a label name */
};

/* clang-format off */
#define LETTER (C_NAME | C_FIRST | C_LABEL | C_LABEL1)
#define DIGIT  (C_NAME | C_LABEL)
static const unsigned char CLASS[256] = {
    ['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER, ['_'] = LETTER,
    ['0' ... '9'] = DIGIT, [':'] = C_NAME | C_FIRST,
};

/* clang-format on */

static const char *skip_class(const char *p, const char *end, unsigned char within)
{
    while (p < end && (CLASS[(unsigned char)*p] & within) != 0) {
        p++;
    }
    return p;
}

const char *expo_name_end(const char *p, const char *end)
{
    if (p == end || (CLASS[(unsigned char)*p] & C_FIRST) == 0) {
        return p;
    }
    return skip_class(p, end, C_NAME);
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    return p;
}

const char *expo_string_end(const char *p, const char *end)
{
    for (p++; p < end && *p != '\n'; p++) {
        if (*p == '"') {
            return p + 1;
        }
        if (*p == '\\' && ++p == end) {
            break;
        }
    }
    return NULL;
}

static const char *braces_end(const char *p, const char *end, const char **ret_at)
{
    for (p++; p < end && *p != '\n'; p++) {
        if (*p == '}') {
            return p + 1;
        }
        if (*p == '"') {
            const char *after = expo_string_end(p, end);

            if (after == NULL) {
                *ret_at = p;
                return NULL;
            }
            p = after - 1;
        }
    }
    *ret_at = p;
    return NULL;
}

const char *expo_series_end(const char *p, const char *end, const char **ret_at)
{
    const char *name = expo_name_end(p, end);
    const char *open = skip_blanks(name, end);

    if (open < end && *open == '{') {
        return braces_end(open, end, ret_at);
    }
    if (name == p) {
        *ret_at = p;
        return NULL;
    }
    return name;
}

struct str expo_series_name(struct str series)
{
    const char *end = series.p + series.n;
    const char *p = expo_name_end(series.p, end);

    if (p != series.p) {
        return str_of(series.p, (size_t)(p - series.p));
    }
    p = skip_blanks(series.p + 1, end); /* behind '{' */
    if (p < end && *p == '"') {
        const char *close = expo_string_end(p, end);

        if (close != NULL && memchr(p, '\\', (size_t)(close - p)) == NULL) {
            return str_of(p + 1, (size_t)(close - p - 2));
        }
    }
    return str_of("", 0);
}

bool expo_in_family(const struct expo *x, struct str name)
{
    static const struct str SUFFIXES[] = {{"", 0},        {"_total", 6}, {"_bucket", 7},
                                          {"_count", 6},  {"_sum", 4},   {"_info", 5},
                                          {"_gcount", 7}, {"_gsum", 5},  {"_created", 8}};
    size_t n = x->family.name.n;
    struct str rest;

    if (n == 0 || name.n < n || memcmp(name.p, x->family.name.p, n) != 0) {
        return false;
    }
    rest = str_drop(name, n);
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        if (str_eq(rest, SUFFIXES[i])) {
            return true;
        }
    }
    return false;
}

/* ---- label sets ---- */

void expo_unescape(struct str s, bool quote, struct buf *dst)
{
    while (s.n != 0) {
        int64_t at = str_find_byte(s, '\\');

        if (at < 0 || (size_t)at + 1 == s.n) {
            buf_add_str(dst, s);
            return;
        }
        buf_add_str(dst, str_take(s, (size_t)at));
        char c = s.p[at + 1];

        if (c == 'n') {
            buf_add_byte(dst, '\n');
        } else if (c == '\\' || (c == '"' && quote)) {
            buf_add_byte(dst, c);
        } else {
            buf_add(dst, s.p + at, 2);
        }
        s = str_drop(s, (size_t)at + 2);
    }
}

struct set_reader {
    struct expo *x;
    const char *p;
    const char *end;
    struct label *v;
    size_t n;
    size_t cap;
    bool named;
};

/* A string without its quotes, unescaped into the arena when it has escapes. `p` stands at the quote. */
static int read_string(struct set_reader *r, struct str *ret, struct err *reterr)
{
    const char *start = r->p;
    const char *close = expo_string_end(start, r->end);
    struct str s;
    char *dst;
    size_t n = 0;

    if (close == NULL) {
        return expo_fail(r->x, start, "a quoted string does not end", reterr);
    }
    r->p = close;
    s = str_of(start + 1, (size_t)(close - start - 2));
    if (!str_is_utf8(s)) {
        return expo_fail_plain(r->x, start, reterr, "invalid UTF-8 in a quoted string");
    }
    *ret = s;
    if (memchr(s.p, '\\', s.n) == NULL) {
        return 0;
    }
    dst = arena_alloc(r->x->o->arena, s.n, 1);
    if (dst == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for labels");
    }
    for (size_t i = 0; i < s.n; i++) {
        char next = s.p[i] == '\\' && i + 1 < s.n ? s.p[i + 1] : '\0';

        if (next == 'n' || next == '\\' || next == '"') {
            dst[n++] = next == 'n' ? '\n' : next;
            i++;
        } else {
            dst[n++] = s.p[i];
        }
    }
    *ret = str_of(dst, n);
    return 0;
}

static int add_label(struct set_reader *r, struct str name, struct str value, struct err *reterr)
{
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? LABELS_FIRST : 2 * r->cap;
        struct label *v = arena_array(r->x->o->arena, struct label, cap);

        if (v == NULL) {
            return err_set(reterr, ERR_NOMEM, "no memory for labels");
        }
        if (r->n != 0) {
            memcpy(v, r->v, r->n * sizeof(*v));
        }
        r->v = v;
        r->cap = cap;
    }
    r->v[r->n++] = (struct label){name, value};
    return 0;
}

/* One `name="value"`, or the metric's name in quotes. */
static int read_item(struct set_reader *r, struct err *reterr)
{
    const char *start = r->p;
    struct str name = str_of("", 0);
    struct str value = str_of("", 0);
    int rc;

    if (r->p < r->end && *r->p == '"') {
        rc = read_string(r, &name, reterr);
        if (rc < 0) {
            return rc;
        }
        r->p = skip_blanks(r->p, r->end);
        if (r->p < r->end && (*r->p == ',' || *r->p == '}')) {
            if (r->named) {
                return expo_fail(r->x, start, "metric name already set", reterr);
            }
            r->named = true;
            return name.n == 0 ? expo_fail_plain(r->x, start, reterr, "empty metric name")
                               : add_label(r, STR(LABEL_NAME), name, reterr);
        }
    } else {
        if (r->p == r->end || (CLASS[(unsigned char)*r->p] & C_LABEL1) == 0) {
            return expo_fail(r->x, r->p, "expected label name or closing brace", reterr);
        }
        r->p = skip_class(r->p, r->end, C_LABEL);
        name = str_of(start, (size_t)(r->p - start));
        r->p = skip_blanks(r->p, r->end);
    }
    if (r->p == r->end || *r->p != '=') {
        return expo_fail(r->x, r->p, "expected equal", reterr);
    }
    r->p = skip_blanks(r->p + 1, r->end);
    if (r->p == r->end || *r->p != '"') {
        return expo_fail(r->x, r->p, "expected label value", reterr);
    }
    if (name.n == 0) {
        return expo_fail_plain(r->x, start, reterr, "empty label name");
    }
    rc = read_string(r, &value, reterr);
    return rc < 0 ? rc : add_label(r, name, value, reterr);
}

static int read_set(struct set_reader *r, struct err *reterr)
{
    for (;;) {
        r->p = skip_blanks(r->p, r->end);
        if (r->p < r->end && *r->p == '}') {
            r->p++;
            return 0;
        }
        int rc = read_item(r, reterr);

        if (rc < 0) {
            return rc;
        }
        r->p = skip_blanks(r->p, r->end);
        if (r->p < r->end && *r->p == ',') {
            r->p++;
        } else if (r->p == r->end || *r->p != '}') {
            return expo_fail(r->x, r->p, "expected comma or closing brace", reterr);
        }
    }
}

static int normalize_number(struct expo *x, struct str *value, struct err *reterr)
{
    char text[32];
    double v;

    if (expo_f64(*value, &v)) {
        size_t n = expo_format_f64(v, text);

        if (!str_eq(*value, str_of(text, n))) {
            *value = arena_str_dup(x->o->arena, str_of(text, n));
        }
    }
    return value->p == NULL ? err_set(reterr, ERR_NOMEM, "no memory for labels") : 0;
}

int expo_series_labels(struct expo *x, struct str series, struct str normalize, bool nameless,
                       struct labels *ret, struct err *reterr)
{
    struct set_reader r = {.x = x, .p = series.p, .end = series.p + series.n};
    const char *name = expo_name_end(r.p, r.end);
    int rc = 0;

    x->arena_used = true;
    if (name != r.p) {
        r.named = true;
        rc = add_label(&r, STR(LABEL_NAME), str_of(r.p, (size_t)(name - r.p)), reterr);
    }
    r.p = skip_blanks(name, r.end);
    if (rc == 0 && r.p < r.end) {
        r.p++; /* the brace expo_series_end() saw */
        rc = read_set(&r, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    if (!r.named && !nameless) {
        return expo_fail_plain(x, series.p, reterr, "a series without a metric name");
    }
    for (size_t i = 0; normalize.n != 0 && i < r.n; i++) {
        if (str_eq(r.v[i].name, normalize) &&
            (rc = normalize_number(x, &r.v[i].value, reterr)) < 0) {
            return rc;
        }
    }
    if (r.n != 0 && !labels_normalize(r.v, &r.n)) {
        return expo_fail_plain(x, series.p, reterr, "a label name occurs twice");
    }
    *ret = (struct labels){r.v, r.n};
    return 0;
}

/* ---- metadata lines ---- */

static int family_name(struct expo *x, const char *eol, struct str *ret, struct err *reterr)
{
    const char *end = expo_name_end(x->p, eol);
    struct str name = str_of(x->p, (size_t)(end - x->p));

    if (end == x->p && end < eol && *end == '"') {
        const char *close = expo_string_end(end, eol);

        if (close == NULL) {
            return expo_fail(x, end, "a quoted string does not end", reterr);
        }
        name = str_of(end + 1, (size_t)(close - end - 2));
        end = close;
    }
    if (name.n == 0 || !str_is_utf8(name)) {
        return expo_fail(x, x->p, "expected metric name", reterr);
    }
    if (end < eol && *end != ' ' && *end != '\t') {
        return expo_fail(x, end, "expected a blank after the metric name", reterr);
    }
    x->p = end;
    *ret = name;
    return 0;
}

/* Begin another family when the name is another one. */
static int enter_family(struct expo *x, struct str name, struct err *reterr)
{
    struct str plain = name;
    int rc;

    if (memchr(name.p, '\\', name.n) != NULL) {
        buf_clear(&x->scratch);
        x->created_known = false;
        expo_unescape(name, true, &x->scratch);
        plain = buf_str(&x->scratch);
    }
    if (str_eq(plain, x->family.name)) {
        x->family_pending = true;
        return 0;
    }
    rc = expo_flush_family(x, reterr);
    x->family = (struct expo_family){
        .name = plain, .help = str_of("", 0), .unit = str_of("", 0), .type = EXPO_UNKNOWN};
    if (plain.p != name.p) {
        buf_clear(&x->family_name);
        buf_add_str(&x->family_name, plain);
        x->family.name = buf_str(&x->family_name);
    }
    x->created_known = false;
    x->family_pending = true;
    return rc;
}

static int set_type(struct expo *x, struct str text, struct err *reterr)
{
    bool om = x->o->format == EXPO_OPENMETRICS;

    x->family.has_type = true;
    if (!om && str_eq(text, STR("untyped"))) {
        x->family.type = EXPO_UNKNOWN;
        return 0;
    }
    for (int t = EXPO_UNKNOWN; t <= EXPO_STATESET; t++) {
        if (str_eq(text, str_cstr(expo_type_name((enum expo_type)t)))) {
            x->family.type = (enum expo_type)t;
            return 0;
        }
    }
    return expo_fail_plain(x, x->p, reterr, "invalid metric type \"%.*s\"",
                           STR_ARG(str_take(text, 40)));
}

static int set_unit(struct expo *x, struct str unit, struct err *reterr)
{
    struct str name = x->family.name;

    if (unit.n != 0 &&
        (name.n <= unit.n || !str_ends(name, unit) || name.p[name.n - unit.n - 1] != '_')) {
        return expo_fail_plain(x, x->p, reterr, "unit \"%.*s\" is not a suffix of metric \"%.*s\"",
                               STR_ARG(str_take(unit, 40)), STR_ARG(str_take(name, 60)));
    }
    x->family.has_unit = true;
    x->family.unit = unit;
    return 0;
}

static int set_help(struct expo *x, struct str help, struct err *reterr)
{
    if (!str_is_utf8(help)) {
        return expo_fail_plain(x, x->p, reterr, "the help text is not valid UTF-8");
    }
    x->family.has_help = true;
    x->family.help = help;
    if (memchr(help.p, '\\', help.n) != NULL) {
        buf_clear(&x->family_help);
        expo_unescape(help, x->o->format == EXPO_OPENMETRICS, &x->family_help);
        x->family.help = buf_str(&x->family_help);
    }
    return 0;
}

int expo_meta_line(struct expo *x, enum expo_meta what, const char *eol, struct err *reterr)
{
    bool om = x->o->format == EXPO_OPENMETRICS;
    struct str name = str_of("", 0);
    struct str text;
    int rc = expo_nhcb_flush(x, reterr);

    rc = rc < 0 ? rc : family_name(x, eol, &name, reterr);
    rc = rc < 0 ? rc : enter_family(x, name, reterr);
    if (rc < 0) {
        return rc;
    }
    x->p = om && x->p < eol ? x->p + 1 : skip_blanks(x->p, eol);
    text = str_of(x->p, (size_t)(eol - x->p));
    if (what == EXPO_META_HELP) {
        return set_help(x, text, reterr);
    }
    text = om ? text : str_trim(text);
    return what == EXPO_META_TYPE ? set_type(x, text, reterr) : set_unit(x, text, reterr);
}
