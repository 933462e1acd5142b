/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages that look at the line or at labels without taking it apart: filters, formats, unwrap, drop and keep.
 */
#include "query/logql/ast.h"
#include "query/logql/finder.h"
#include "query/logql/parse.h"
#include "query/logql/pattern.h"
#include "query/logql/row.h"
#include "query/logql/template.h"
#include "query/logql/units.h"

static const char ERR_FILTER[] = "LabelFilterErr";
static const char ERR_SAMPLE[] = "SampleExtractionErr";
static const char ERR_TEMPLATE[] = "TemplateFormatErr";

/* ---- addresses in text ---- */

static bool in_set(const struct ip_set *set, const uint8_t addr[16], bool v6)
{
    return v6 == set->v6 && memcmp(addr, set->low, 16) >= 0 && memcmp(addr, set->high, 16) <= 0;
}

static bool is_ip_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' ||
           c == ':';
}

static bool token_matches(const struct ip_set *set, struct str s)
{
    uint8_t addr[16];
    bool v6;
    int64_t dot = str_find_byte(s, '.');
    int64_t colon = str_find_byte(s, ':');

    if (!set->v6 && dot >= 0 && colon > dot) {
        s = str_take(s, (size_t)colon); /* a port behind it */
    }
    while (s.n != 0 && (s.p[s.n - 1] == '.' || (s.p[s.n - 1] == ':' && !str_ends(s, STR("::"))))) {
        s.n--; /* punctuation */
    }
    return lq_parse_ip(s, addr, &v6) && in_set(set, addr, v6);
}

/* Is there an address of the set anywhere in the text? */
static bool has_ip(const struct ip_set *set, struct str s)
{
    size_t at = 0;

    while (at < s.n) {
        size_t start = at;
        bool separated = false;

        while (at < s.n && is_ip_char(s.p[at])) {
            separated = separated || s.p[at] == '.' || s.p[at] == ':';
            at++;
        }
        if (separated && at - start >= 2 && token_matches(set, str_of(s.p + start, at - start))) {
            return true;
        }
        at += at < s.n;
    }
    return false;
}

/* ---- line filters ---- */

static bool term_fits(enum line_op op, const struct line_term *t, struct str line)
{
    if (t->is_ip) {
        return has_ip(&t->ip, line);
    }
    switch (op) {
    case LINE_MATCH:
    case LINE_NOT_MATCH:
        return finder_matches(t->re, line);
    case LINE_PATTERN:
    case LINE_NOT_PATTERN:
        return line_pattern_test(t->pattern, line);
    default:
        return t->text.n == 0 || str_find(line, t->text) >= 0;
    }
}

bool lq_line_filter_run(const struct line_filter *f, struct row *r)
{
    bool negative =
        f->op == LINE_NOT_CONTAINS || f->op == LINE_NOT_MATCH || f->op == LINE_NOT_PATTERN;

    for (size_t i = 0; i < f->n; i++) {
        if (term_fits(f->op, &f->terms[i], r->line)) {
            return !negative;
        }
    }
    return negative;
}

/* ---- label filters ---- */

static bool compare(enum compare cmp, double a, double b)
{
    switch (cmp) {
    case CMP_EQ:
        return a == b;
    case CMP_NE:
        return a != b;
    case CMP_GT:
        return a > b;
    case CMP_GE:
        return a >= b;
    case CMP_LT:
        return a < b;
    default:
        return a <= b;
    }
}

/* What cannot be compared passes; an earlier error says more. */
static bool bad_value(struct row *r, const char *fmt, struct str text)
{
    if (r->error.n == 0) {
        text = str_take(text, 100);
        lq_row_set_error(r, ERR_FILTER, "%s \"%.*s\"", fmt, STR_ARG(text));
    }
    return true;
}

static bool test_number(const struct label_filter *f, struct row *r)
{
    enum label_category c;
    struct str text;
    uint64_t bytes;
    int64_t ns;
    double v = 0;

    if (!lq_row_get(r, f->name, &text, &c)) {
        return false;
    }
    switch (f->test) {
    case TEST_NUMBER:
        if (!str_to_f64(text, &v)) {
            return bad_value(r, "not a number:", text);
        }
        return compare(f->cmp, v, f->number);
    case TEST_DURATION:
        if (!lq_units_go_duration(text, &ns)) {
            return bad_value(r, "time: invalid duration", text);
        }
        return compare(f->cmp, (double)ns, (double)f->duration_ns);
    default:
        if (!lq_units_bytes(text, &bytes)) {
            return bad_value(r, "not a size:", text);
        }
        return compare(f->cmp, (double)bytes, f->number);
    }
}

static bool test_ip(const struct label_filter *f, struct row *r)
{
    enum label_category c;
    struct str text;

    if (r->error.n != 0) {
        return true;
    }
    return lq_row_get(r, f->name, &text, &c) && has_ip(&f->ip, text) == (f->cmp == CMP_EQ);
}

bool lq_label_filter_run(const struct label_filter *f, struct row *r)
{
    enum label_category c;
    struct str text;
    bool left;
    bool right;

    switch (f->test) {
    case TEST_AND:
    case TEST_OR:
        left = lq_label_filter_run(f->left, r);
        if (f->test == TEST_OR && left) {
            return true;
        }
        right = lq_label_filter_run(f->right, r);
        return f->test == TEST_OR ? right : left && right;
    case TEST_STRING:
        lq_row_get(r, f->name, &text, &c);
        return matcher_matches(f->matcher, text);
    case TEST_IP:
        return test_ip(f, r);
    default:
        return test_number(f, r);
    }
}

/* ---- formats ---- */

static bool expand(const struct template *t, struct row *r, struct str *ret)
{
    struct err e = {0};

    buf_clear(&r->text2);
    if (template_run(t, r, &r->text2, &e) < 0) {
        lq_row_set_error(r, ERR_TEMPLATE, "%s", e.msg);
        return false;
    }
    *ret = lq_row_dup(r, buf_str(&r->text2));
    return true;
}

static void line_format_run(const struct stage *s, struct row *r)
{
    struct str line;

    if (expand(s->tpl, r, &line)) {
        r->line = line;
    }
}

/* Templates see the labels as they are before the first of them: they are expanded before any is set. */
static void label_format_run(const struct stage *s, struct row *r)
{
    struct str *values = arena_calloc(&r->arena, s->formats_n, sizeof(*values));
    bool expanded = false;

    if (values == NULL) {
        r->no_memory = true;
        return;
    }
    for (size_t i = 0; i < s->formats_n; i++) {
        const struct label_format *f = &s->formats[i];
        enum label_category c;
        struct str value;

        if (f->src.n != 0) {
            if (lq_row_get(r, f->src, &value, &c)) {
                lq_row_set(r, LABEL_PARSED, f->dst, value);
                lq_row_delete(r, f->src);
            }
            continue;
        }
        for (size_t k = i; !expanded && k < s->formats_n; k++) {
            if (s->formats[k].src.n == 0 && !expand(s->formats[k].tpl, r, &values[k])) {
                values[k].p = NULL;
            }
        }
        expanded = true;
        if (values[i].p != NULL) {
            lq_row_set(r, LABEL_PARSED, f->dst, values[i]);
        }
    }
}

/* ---- drop and keep ---- */

static void drop_run(const struct stage *s, struct row *r)
{
    for (size_t i = 0; i < s->picks_n; i++) {
        enum label_category c;
        struct str value;

        if (s->picks[i].matcher == NULL || (lq_row_get(r, s->picks[i].name, &value, &c) &&
                                            matcher_matches(s->picks[i].matcher, value))) {
            lq_row_delete(r, s->picks[i].name);
        }
    }
}

static bool is_kept(const void *arg, const struct row_label *l)
{
    const struct stage *s = arg;

    for (size_t i = 0; i < s->picks_n; i++) {
        if (str_eq(s->picks[i].name, l->name) &&
            (s->picks[i].matcher == NULL || matcher_matches(s->picks[i].matcher, l->value))) {
            return true;
        }
    }
    return false;
}

/* ---- the others ---- */

bool lq_unwrap_run(const struct stage *s, struct row *r)
{
    enum label_category c;
    struct str text;
    uint64_t bytes;
    int64_t ns;
    bool ok;

    if (!lq_row_get(r, s->text, &text, &c) || text.n == 0) {
        return false;
    }
    switch (s->conv) {
    case UNWRAP_NUMBER:
        ok = str_to_f64(text, &r->value);
        break;
    case UNWRAP_BYTES:
        ok = lq_units_bytes(text, &bytes);
        r->value = ok ? (double)bytes : 0;
        break;
    default:
        ok = lq_units_go_duration(text, &ns);
        r->value = ok ? (double)ns / 1e9 : 0;
        break;
    }
    if (!ok) {
        r->value = 0;
        lq_row_set_error(r, ERR_SAMPLE,
                         s->conv == UNWRAP_DURATION || s->conv == UNWRAP_DURATION_SECONDS
                             ? "time: invalid duration \"%.*s\""
                             : "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
                         (int)(text.n < 100 ? text.n : 100), text.p);
    }
    return true;
}

/* Without ANSI escape sequences (ECMA-48: CSI, and two-byte ones). */
void lq_decolorize_run(struct row *r)
{
    struct str s = r->line;
    size_t i = 0;

    if (s.n == 0 || memchr(s.p, 0x1b, s.n) == NULL) {
        return;
    }
    buf_clear(&r->text);
    while (i < s.n) {
        if (s.p[i] != 0x1b) {
            buf_add_byte(&r->text, s.p[i++]);
            continue;
        }
        i++;
        if (i < s.n && s.p[i] == '[') {
            for (i++; i < s.n && (unsigned char)s.p[i] < 0x40; i++) {
            }
        }
        i += i < s.n;
    }
    r->line = lq_row_dup(r, buf_str(&r->text));
}

static bool stage_run(const struct stage *s, struct row *r)
{
    switch (s->type) {
    case STAGE_LINE:
        return lq_line_filter_run(&s->line, r);
    case STAGE_JSON:
        lq_json_run(s, r);
        return true;
    case STAGE_LOGFMT:
        lq_logfmt_run(s, r);
        return true;
    case STAGE_REGEXP:
        lq_regexp_run(s, r);
        return true;
    case STAGE_PATTERN:
        lq_pattern_run(s, r);
        return true;
    case STAGE_UNPACK:
        lq_unpack_run(r);
        return true;
    case STAGE_LABEL:
        return lq_label_filter_run(s->label, r);
    case STAGE_LINE_FORMAT:
        line_format_run(s, r);
        return true;
    case STAGE_LABEL_FORMAT:
        label_format_run(s, r);
        return true;
    case STAGE_DECOLORIZE:
        lq_decolorize_run(r);
        return true;
    case STAGE_DROP:
        drop_run(s, r);
        return true;
    case STAGE_KEEP:
        lq_row_keep(r, is_kept, s);
        return true;
    case STAGE_UNWRAP:
        return lq_unwrap_run(s, r);
    }
    return true;
}

bool lq_pipeline_run(const struct pipeline *p, struct row *r)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!stage_run(&p->stages[i], r)) {
            return false;
        }
    }
    return true;
}
