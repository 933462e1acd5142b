/* SPDX-License-Identifier: Apache-2.0
 *
 * The entry of the exposition parsers: which format a Content-Type means, the walk's life, families and
 * samples on their way to the consumer, errors with line and column.
 */
#include "ingest/expo.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/utf8.h"
#include "ingest/expo_internal.h"
#include "ingest/expo_nhcb.h"

enum {
    SCRATCH_MAX = 1 << 20, /* identity of one series, name or help of one family */
    GOT_MAX = 20,          /* bytes of the input shown as what was found */
    SHOWN_MAX = 80,        /* bytes of the line shown in an error */
    QUOTED_MAX = 4 * SHOWN_MAX + 8,
};

const char *expo_type_name(enum expo_type t)
{
    static const char *const NAMES[] = {"unknown",        "counter", "gauge", "histogram",
                                        "gaugehistogram", "summary", "info",  "stateset"};

    return (size_t)t < ARRAY_LEN(NAMES) ? NAMES[t] : NAMES[0];
}

bool expo_format_of(struct str content_type, enum expo_format *ret)
{
    struct str rest = content_type;
    struct str field;

    if (!str_split(&rest, ';', &field)) {
        return false;
    }
    field = str_trim(field);
    if (str_eq_nocase(field, STR("text/plain"))) {
        *ret = EXPO_TEXT;
        return true;
    }
    if (str_eq_nocase(field, STR("application/openmetrics-text"))) {
        *ret = EXPO_OPENMETRICS;
        return true;
    }
    if (!str_eq_nocase(field, STR("application/vnd.google.protobuf"))) {
        return false;
    }
    while (str_split(&rest, ';', &field)) {
        struct str value = field;
        struct str key = {0};

        if (str_split(&value, '=', &key) && str_eq_nocase(str_trim(key), STR("proto"))) {
            *ret = EXPO_PROTOBUF;
            return str_eq(str_trim(value), STR("io.prometheus.client.MetricFamily"));
        }
    }
    return false;
}

/* Printable, valid UTF-8, in quotes; long texts are cut. */
static void quote(struct str s, size_t max, char dst[QUOTED_MAX])
{
    size_t n = 0;
    size_t i = 0;

    dst[n++] = '"';
    while (i < s.n && i < max) {
        size_t len = utf8_sequence(s.p + i, s.n - i);
        unsigned char c = (unsigned char)s.p[i];

        if (len == 0 || c < ' ') {
            n += (size_t)snprintf(dst + n, QUOTED_MAX - n,
                                  c == '\n'   ? "\\n"
                                  : c == '\t' ? "\\t"
                                              : "\\x%02x",
                                  c);
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            dst[n++] = '\\';
        }
        memcpy(dst + n, s.p + i, len);
        n += len;
        i += len;
    }
    dst[n++] = '"';
    dst[n] = '\0';
}

static void place(const struct expo *x, const char *at, size_t *ret_line, size_t *ret_column)
{
    const char *start = x->base;
    size_t line = 1;

    for (const char *nl; start < at && (nl = memchr(start, '\n', (size_t)(at - start))) != NULL;
         line++) {
        start = nl + 1;
    }
    *ret_line = line;
    *ret_column = (size_t)(at - start) + 1;
}

/* The word at `at`, or the one byte. */
static struct str found_at(const struct expo *x, const char *at)
{
    size_t n = 0;

    while (at + n < x->end && n < GOT_MAX && strchr(" \t\n{}\",=", at[n]) == NULL) {
        n++;
    }
    return str_of(at, n == 0 && at < x->end ? 1 : n);
}

int expo_fail(struct expo *x, const char *at, const char *what, struct err *reterr)
{
    const char *eol = memchr(x->line, '\n', (size_t)(x->end - x->line));
    struct str line = str_of(x->line, (size_t)((eol != NULL ? eol : x->end) - x->line));
    char got[QUOTED_MAX];
    char shown[QUOTED_MAX];
    size_t line_no;
    size_t column;

    place(x, at, &line_no, &column);
    quote(line, SHOWN_MAX, shown);
    if (at >= x->end) {
        return err_set(reterr, ERR_INVALID, "line %zu:%zu: %s, got end of input while parsing: %s",
                       line_no, column, what, shown);
    }
    quote(found_at(x, at), GOT_MAX, got);
    return err_set(reterr, ERR_INVALID, "line %zu:%zu: %s, got %s while parsing: %s", line_no,
                   column, what, got, shown);
}

int expo_fail_plain(struct expo *x, const char *at, struct err *reterr, const char *fmt, ...)
{
    char text[200];
    char quoted[QUOTED_MAX];
    size_t line_no;
    size_t column;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    place(x, at, &line_no, &column);
    if (str_is_utf8(str_cstr(text))) {
        return err_set(reterr, ERR_INVALID, "line %zu:%zu: %s", line_no, column, text);
    }
    quote(str_cstr(text), SHOWN_MAX, quoted);
    return err_set(reterr, ERR_INVALID, "line %zu:%zu: %s", line_no, column, quoted);
}

int expo_flush_family(struct expo *x, struct err *reterr)
{
    if (!x->family_pending) {
        return 0;
    }
    x->family_pending = false;
    if (x->family_name.failed || x->family_help.failed) {
        return err_set(reterr, ERR_INVALID, "a metric's metadata is larger than %d bytes",
                       SCRATCH_MAX);
    }
    return x->h->family != NULL ? x->h->family(x->h->arg, &x->family, reterr) : 0;
}

int expo_emit(struct expo *x, struct err *reterr)
{
    int rc = x->family_pending ? expo_flush_family(x, reterr) : 0;

    if (rc == 0 && x->o->nhcb && x->o->format != EXPO_PROTOBUF) {
        rc = expo_nhcb_take(x, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    rc = rc == 0 ? x->h->sample(x->h->arg, x, &x->sample, reterr) : 0;
    if (x->arena_used) {
        arena_reset(x->o->arena);
        x->arena_used = false;
    }
    return rc;
}

int expo_labels(struct expo *x, struct labels *ret, struct err *reterr)
{
    static const struct str NUMBERS[] = {[EXPO_HISTOGRAM] = {"le", 2},
                                         [EXPO_GAUGE_HISTOGRAM] = {"le", 2},
                                         [EXPO_SUMMARY] = {"quantile", 8},
                                         [EXPO_STATESET] = {"", 0}};

    x->arena_used = true;
    if (x->o->format == EXPO_PROTOBUF) {
        return expo_proto_labels(x, ret, reterr);
    }
    return expo_series_labels(x, x->sample.series, NUMBERS[x->sample.family->type], false, ret,
                              reterr);
}

int expo_parse(const struct expo_opts *o, const struct expo_handler *h, struct str body,
               struct err *reterr)
{
    const char *p = body.n != 0 ? body.p : "";
    struct expo x = {.o = o, .h = h, .base = p, .p = p, .line = p, .end = p + body.n};
    int rc;

    buf_init(&x.family_name, SCRATCH_MAX);
    buf_init(&x.family_help, SCRATCH_MAX);
    buf_init(&x.scratch, SCRATCH_MAX);
    x.family.name = x.family.help = x.family.unit = str_of("", 0);
    arena_reset(o->arena);
    rc = o->format == EXPO_TEXT          ? expo_walk_text(&x, reterr)
         : o->format == EXPO_OPENMETRICS ? expo_walk_openmetrics(&x, reterr)
                                         : expo_walk_proto(&x, reterr);
    rc = rc < 0 ? rc : expo_nhcb_flush(&x, reterr);
    rc = rc < 0 ? rc : expo_flush_family(&x, reterr);
    expo_nhcb_free(x.nhcb);
    buf_done(&x.family_name);
    buf_done(&x.family_help);
    buf_done(&x.scratch);
    return rc;
}
