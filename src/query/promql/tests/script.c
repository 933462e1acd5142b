/* SPDX-License-Identifier: Apache-2.0
 *
 * See script.h. A script is read line by line; an eval command owns the indented lines after it.
 */
#include "query/promql/tests/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "query/promql/promql.h"
#include "query/promql/tests/hist_literal.h"
#include "query/promql/tests/mem_source.h"

enum { LABELS_MAX = 64, EXPECT_MAX = 256, VALUES_MAX = 4096 };

/** One expected line: a series with its values, absent ones marked. */
struct expected {
    struct labels labels;
    struct label label_storage[LABELS_MAX];
    double *v;
    const struct native_histogram **h; /* NULL where it is a float */
    bool *has;
    size_t n;
};

struct script {
    const char *path;
    unsigned line; /* of the command being run */
    unsigned next_line;
    struct str rest;
    struct mem_source *source;
    struct promql_engine *engine;
    struct arena arena; /* of the current command */
    int failures;
    int evals;
};

struct command {
    bool range;
    bool fail;
    bool ordered;
    int64_t start_ms;
    int64_t end_ms;
    int64_t step_ms;
    struct str expr;
    struct str fail_text; /* exact message, when given */
    struct str fail_part; /* a part of it */
    int warnings;         /* expected: 0 do not care, 1 some, -1 none */
    int infos;
    struct str warning; /* a whole one that must be there, when given */
    struct str info;
    struct str string; /* expected string result */
    bool want_string;
    bool want_scalar;
    double scalar;
    struct expected *v;
    size_t n;
};

PRINTF_LIKE(2, 3) static void complain(struct script *s, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%u: ", s->path, s->line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    s->failures++;
}

/** Next line; comments and blank lines come as empty. */
static bool next_line(struct script *s, struct str *ret)
{
    if (!str_split(&s->rest, '\n', ret)) {
        return false;
    }
    s->next_line++;
    if (str_trim(*ret).n != 0 && str_trim(*ret).p[0] == '#') {
        *ret = STR("");
    }
    return true;
}

/** The next line when it is indented and not empty. */
static bool next_indented(struct script *s, struct str *ret)
{
    struct str rest = s->rest;

    while (str_split(&rest, '\n', ret) && ret->n != 0 && (ret->p[0] == ' ' || ret->p[0] == '\t') &&
           str_trim(*ret).n != 0) {
        s->rest = rest;
        s->next_line++;
        *ret = str_trim(*ret);
        if (ret->p[0] != '#') {
            return true;
        }
    }
    return false;
}

static bool take_word(struct str *text, struct str *ret)
{
    size_t n = 0;

    *text = str_trim(*text);
    while (n < text->n && text->p[n] != ' ' && text->p[n] != '\t') {
        n++;
    }
    *ret = str_take(*text, n);
    *text = str_trim(str_drop(*text, n));
    return n != 0;
}

static bool take_time(struct str *text, int64_t *ret_ms)
{
    struct str word;
    bool negative;

    if (!take_word(text, &word)) {
        return false;
    }
    negative = word.p[0] == '-';
    word = str_drop(word, negative);
    if (!str_to_duration_ms(word, ret_ms)) {
        double seconds;

        if (!str_to_f64(word, &seconds)) {
            return false;
        }
        *ret_ms = (int64_t)llround(seconds * 1000);
    }
    *ret_ms = negative ? -*ret_ms : *ret_ms;
    return true;
}

/** The next item of a sequence: a word, in which {{...}} may have blanks. */
static bool take_item(struct str *text, struct str *ret)
{
    size_t n = 0;
    size_t depth = 0;

    *text = str_trim(*text);
    while (n < text->n && (depth != 0 || (text->p[n] != ' ' && text->p[n] != '\t'))) {
        depth += text->p[n] == '{';
        depth -= text->p[n] == '}' && depth != 0;
        n++;
    }
    *ret = str_take(*text, n);
    *text = str_drop(*text, n);
    return n != 0;
}

/* --- Sequences of values: 1 2 _ stale 1+2x3 4x5 _x6 {{count:1}}x2 {{count:1}}+{{count:1}}x2 --- */

struct values {
    double v[VALUES_MAX];
    const struct native_histogram *h[VALUES_MAX];
    bool has[VALUES_MAX];
    size_t n;
};

static bool value_add(struct values *dst, bool has, double v)
{
    if (dst->n == VALUES_MAX) {
        return false;
    }
    dst->has[dst->n] = has;
    dst->h[dst->n] = NULL;
    dst->v[dst->n++] = v;
    return true;
}

/** {{...}}, {{...}}xN, {{...}}+{{...}}xN */
static bool histogram_item(struct str item, struct arena *a, struct values *dst)
{
    struct native_histogram sum CLEANUP(native_done) = {0};
    const struct native_histogram *step = NULL;
    int64_t end = str_find(item, STR("}}"));
    const struct native_histogram *h =
        end < 0 ? NULL : hist_literal(str_take(item, (size_t)end + 2), a);
    uint64_t times = 0;
    bool minus;

    if (h == NULL || native_copy(&sum, h) != 0) {
        return false;
    }
    item = str_drop(item, (size_t)end + 2);
    minus = str_starts(item, STR("-"));
    if (minus || str_starts(item, STR("+"))) {
        end = str_find(item, STR("}}"));
        step = end < 0 ? NULL : hist_literal(str_take(str_drop(item, 1), (size_t)end + 1), a);
        if (step == NULL) {
            return false;
        }
        item = str_drop(item, (size_t)end + 2);
    }
    if (item.n != 0 && (item.p[0] != 'x' || !str_to_u64(str_drop(item, 1), &times))) {
        return false;
    }
    for (uint64_t i = 0; i <= times; i++) {
        if (!value_add(dst, true, 0)) {
            return false;
        }
        dst->h[dst->n - 1] = native_dup(&sum, a);
        if (step != NULL &&
            (minus ? native_sub(&sum, step, NULL) : native_add(&sum, step, NULL)) != 0) {
            return false;
        }
    }
    return true;
}

static bool value_parse(struct str s, double *ret)
{
    if (str_eq(s, STR("stale"))) {
        *ret = sample_stale();
        return true;
    }
    return str_to_f64(s, ret);
}

static bool values_item(struct str item, struct values *dst)
{
    int64_t x = str_find_byte(item, 'x');
    struct str head = x >= 0 ? str_take(item, (size_t)x) : item;
    uint64_t times = 0;
    double v = 0;
    double step = 0;
    size_t sign = 1;
    bool ok = true;

    if (x >= 0 && !str_to_u64(str_drop(item, (size_t)x + 1), &times)) {
        return false;
    }
    if (str_eq(head, STR("_"))) {
        for (uint64_t i = 0; ok && i < (x >= 0 ? times : 1); i++) {
            ok = value_add(dst, false, 0);
        }
        return ok;
    }
    while (x >= 0 && sign < head.n &&
           !((head.p[sign] == '+' || head.p[sign] == '-') && head.p[sign - 1] != 'e')) {
        sign++;
    }
    if (x >= 0 && sign < head.n) {
        if (!str_to_f64(str_drop(head, sign), &step)) {
            return false;
        }
        head = str_take(head, sign);
    }
    if (!value_parse(head, &v)) {
        return false;
    }
    for (uint64_t i = 0; ok && i <= times; i++) {
        ok = value_add(dst, true, v);
        v += step;
    }
    return ok;
}

static bool values_parse(struct str text, struct arena *a, struct values *dst)
{
    struct str item;

    dst->n = 0;
    while (take_item(&text, &item)) {
        if (!(str_starts(item, STR("{{")) ? histogram_item(item, a, dst)
                                          : values_item(item, dst))) {
            return false;
        }
    }
    return true;
}

/* --- Commands --- */

static void run_load(struct script *s, struct str args)
{
    static struct values values;
    int64_t step;
    struct str line;

    if (!take_time(&args, &step)) {
        complain(s, "bad step");
        return;
    }
    while (next_indented(s, &line)) {
        struct label v[LABELS_MAX];
        struct labels ls;

        if (!mem_source_parse_labels(&line, &s->arena, v, LABELS_MAX, &ls) ||
            !values_parse(line, &s->arena, &values)) {
            complain(s, "bad series before line %u", s->next_line);
            return;
        }
        for (size_t i = 0; i < values.n; i++) {
            if (values.h[i] != NULL) {
                mem_source_add_histogram(s->source, ls, (int64_t)i * step, values.h[i]);
            } else if (values.has[i]) {
                mem_source_add(s->source, ls, (int64_t)i * step, values.v[i]);
            }
        }
    }
}

static bool parse_expected(struct script *s, struct str line, struct command *c)
{
    static struct values values;
    struct expected *e = &c->v[c->n];
    double scalar;

    if (line.p[0] == '"') {
        c->want_string = true;
        c->string = str_of(line.p + 1, line.n - 2);
        return true;
    }
    if (str_to_f64(line, &scalar)) {
        c->want_scalar = true;
        c->scalar = scalar;
        return true;
    }
    if (c->n == EXPECT_MAX ||
        !mem_source_parse_labels(&line, &s->arena, e->label_storage, LABELS_MAX, &e->labels) ||
        !values_parse(line, &s->arena, &values)) {
        return false;
    }
    e->n = values.n;
    e->h = arena_calloc(&s->arena, values.n + 1, sizeof(*e->h));
    memcpy(e->h, values.h, values.n * sizeof(*e->h));
    e->v = arena_calloc(&s->arena, values.n + 1, sizeof(*e->v));
    e->has = arena_calloc(&s->arena, values.n + 1, sizeof(*e->has));
    memcpy(e->v, values.v, values.n * sizeof(*e->v));
    memcpy(e->has, values.has, values.n * sizeof(*e->has));
    c->n++;
    return true;
}

/** The rest of an `expect` line. */
static bool parse_expect(struct str what, struct command *c)
{
    struct str word;
    struct str msg = STR("");

    if (!take_word(&what, &word)) {
        return false;
    }
    if (str_starts(what, STR("msg:"))) {
        msg = str_trim(str_drop(what, 4));
    }
    if (str_eq(word, STR("fail"))) {
        c->fail = true;
        c->fail_part = msg;
    } else if (str_eq(word, STR("ordered"))) {
        c->ordered = true;
    } else if (str_eq(word, STR("warn"))) {
        c->warnings = 1;
        c->warning = msg;
    } else if (str_eq(word, STR("no_warn"))) {
        c->warnings = -1;
    } else if (str_eq(word, STR("info"))) {
        c->infos = 1;
        c->info = msg;
    } else if (str_eq(word, STR("no_info"))) {
        c->infos = -1;
    } else {
        return false;
    }
    return true;
}

static bool parse_eval(struct script *s, struct str name, struct str args, struct command *c)
{
    struct str word;
    struct str line;

    c->fail = str_eq(name, STR("eval_fail"));
    c->ordered = str_eq(name, STR("eval_ordered"));
    c->step_ms = 1;
    if (!take_word(&args, &word)) {
        return false;
    }
    c->range = str_eq(word, STR("range"));
    if (!take_word(&args, &word) || !take_time(&args, &c->start_ms)) {
        return false;
    }
    if (c->range && (!take_word(&args, &word) || !take_time(&args, &c->end_ms) ||
                     !take_word(&args, &word) || !take_time(&args, &c->step_ms))) {
        return false;
    }
    c->expr = args;
    c->v = arena_calloc(&s->arena, EXPECT_MAX, sizeof(*c->v));
    while (next_indented(s, &line)) {
        if (str_starts(line, STR("expect "))) {
            if (!parse_expect(str_trim(str_drop(line, 7)), c)) {
                return false;
            }
        } else if (str_starts(line, STR("expected_fail_message "))) {
            c->fail_text = str_trim(str_drop(line, sizeof("expected_fail_message")));
        } else if (!parse_expected(s, line, c)) {
            return false;
        }
    }
    return true;
}

static bool same(double want, double got)
{
    if (isnan(want) || isnan(got)) {
        return isnan(want) && isnan(got);
    }
    return want == got ||
           fabs(want - got) <= 1e-9 * fmax(fabs(want), fabs(got)); /* also false for Inf - Inf */
}

static void describe(struct labels ls, struct buf *dst)
{
    labels_format(ls, dst);
    buf_add_byte(dst, '\0');
}

static void compare_series(struct script *s, const struct command *c, const struct expected *want,
                           const struct promql_series *got)
{
    struct buf name CLEANUP(buf_done) = {0};
    size_t k = 0;

    buf_init(&name, 1 << 16);
    describe(want->labels, &name);
    for (size_t i = 0; i < want->n; i++) {
        int64_t t = c->start_ms + (int64_t)i * c->step_ms;
        bool has = k < got->n && got->t_ms[k] == t;

        if (has != want->has[i]) {
            complain(s, "%s at step %zu: %s", name.data, i, has ? "unexpected point" : "no point");
            return;
        }
        if (has && (want->h[i] != NULL || (got->h != NULL && got->h[k] != NULL))) {
            const struct native_histogram *h = got->h != NULL ? got->h[k] : NULL;

            if (h == NULL || want->h[i] == NULL || !hist_same(want->h[i], h)) {
                complain(s, "%s at step %zu: want %s, got %s", name.data, i,
                         want->h[i] != NULL ? "that histogram" : "a float",
                         h == NULL ? "a float" : "another histogram");
                return;
            }
        } else if (has && !same(want->v[i], got->v[k])) {
            complain(s, "%s at step %zu: want %.17g, got %.17g", name.data, i, want->v[i],
                     got->v[k]);
            return;
        }
        k += has;
    }
    if (k != got->n) {
        complain(s, "%s: %zu more points than expected", name.data, got->n - k);
    }
}

static void compare(struct script *s, const struct command *c, const struct promql_result *r)
{
    if (c->want_string) {
        if (r->type != PROMQL_STRING || !str_eq(r->string, c->string)) {
            complain(s, "want the string \"%.*s\"", STR_ARG(c->string));
        }
        return;
    }
    if (c->want_scalar) {
        if (r->type != PROMQL_SCALAR || !same(c->scalar, r->series[0].v[0])) {
            complain(s, "want the scalar %.17g, got type %d value %.17g", c->scalar, (int)r->type,
                     r->series_n != 0 ? r->series[0].v[0] : NAN);
        }
        return;
    }
    for (size_t i = 0; i < r->series_n; i++) {
        size_t j = 0;

        while (j < c->n && !labels_eq(c->v[j].labels, r->series[i].labels)) {
            j++;
        }
        if (j == c->n || (c->ordered && j != i)) {
            struct buf name CLEANUP(buf_done) = {0};

            buf_init(&name, 1 << 16);
            describe(r->series[i].labels, &name);
            complain(s, "unexpected %s %s, first value %.17g",
                     j == c->n ? "series" : "order of series", name.data, r->series[i].v[0]);
            continue;
        }
        compare_series(s, c, &c->v[j], &r->series[i]);
    }
    if (r->series_n < c->n) {
        complain(s, "want %zu series, got %zu", c->n, r->series_n);
    }
}

static void compare_notes(struct script *s, const char *what, int want, struct str text,
                          const struct str *v, size_t n)
{
    bool found = text.n == 0;

    for (size_t i = 0; i < n; i++) {
        found |= str_eq(v[i], text);
    }
    if (!found) {
        complain(s, "want among %s: %.*s\n  got: %.*s", what, STR_ARG(text),
                 STR_ARG(n != 0 ? v[0] : STR("none")));
    }
    if (want < 0 && n != 0) {
        complain(s, "want no %s, got: %.*s", what, STR_ARG(v[0]));
    } else if (want > 0 && n == 0) {
        complain(s, "want %s", what);
    }
}

static void run_eval(struct script *s, struct str name, struct str args)
{
    struct command c = {0};
    struct promql_result *r = NULL;
    struct err e = {0};
    int rc;

    if (!parse_eval(s, name, args, &c)) {
        complain(s, "bad command");
        return;
    }
    s->evals++;
    rc = c.range ? promql_range(s->engine, mem_source_view(s->source), c.expr, c.start_ms, c.end_ms,
                                c.step_ms, NULL, &r, &e)
                 : promql_instant(s->engine, mem_source_view(s->source), c.expr, c.start_ms, NULL,
                                  &r, &e);
    if (c.fail) {
        if (rc == 0) {
            complain(s, "want a failure");
        } else if (c.fail_part.n != 0 && str_find(str_cstr(e.msg), c.fail_part) < 0) {
            complain(s, "want in the failure: %.*s\n  got: %s", STR_ARG(c.fail_part), e.msg);
        } else if (c.fail_text.n != 0 && !str_eq(c.fail_text, str_cstr(e.msg))) {
            complain(s, "want failure: %.*s\n  got: %s", STR_ARG(c.fail_text), e.msg);
        }
    } else if (rc != 0) {
        complain(s, "failed: %s", e.msg);
    } else {
        compare(s, &c, r);
        compare_notes(s, "warnings", c.warnings, c.warning, r->warnings, r->warnings_n);
        compare_notes(s, "infos", c.infos, c.info, r->infos, r->infos_n);
    }
    promql_result_free(r);
}

static bool read_file(const char *path, struct buf *dst)
{
    FILE *f = fopen(path, "r");
    char chunk[4096];
    size_t n;

    if (f == NULL) {
        return false;
    }
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_add(dst, chunk, n);
    }
    fclose(f);
    return !dst->failed;
}

int script_run(const char *path, int *ret_evals)
{
    struct promql_opts opts = {.syntax.features = PROMQL_ALL_FEATURES};
    struct script s = {.path = path};
    struct buf text CLEANUP(buf_done) = {0};
    struct str line;

    buf_init(&text, 16 << 20);
    if (!read_file(path, &text)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    s.rest = buf_str(&text);
    s.source = mem_source_new();
    s.engine = promql_engine_new(&opts);
    arena_init(&s.arena, 64 << 20);
    while (next_line(&s, &line)) {
        struct str name;

        s.line = s.next_line;
        if (!take_word(&line, &name)) {
            continue;
        }
        if (str_eq(name, STR("load"))) {
            run_load(&s, line);
        } else if (str_eq(name, STR("clear"))) {
            mem_source_clear(s.source);
        } else if (str_eq(name, STR("compat"))) {
            bool old = str_eq(str_trim(line), STR("2"));

            opts.syntax.compat = old ? PROMQL_COMPAT_2 : PROMQL_COMPAT_3_5;
            promql_engine_free(s.engine);
            s.engine = promql_engine_new(&opts);
        } else if (str_eq(name, STR("names_go_last")) || str_eq(name, STR("type_unit_labels"))) {
            opts.syntax.features |=
                name.p[0] == 'n' ? PROMQL_DELAYED_NAMES : PROMQL_TYPE_UNIT_LABELS;
            promql_engine_free(s.engine);
            s.engine = promql_engine_new(&opts);
        } else if (str_starts(name, STR("eval"))) {
            run_eval(&s, name, line);
        } else {
            complain(&s, "unknown command");
        }
        arena_reset(&s.arena);
    }
    *ret_evals += s.evals;
    arena_done(&s.arena);
    promql_engine_free(s.engine);
    mem_source_free(s.source);
    return s.failures;
}
