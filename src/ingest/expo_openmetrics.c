/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenMetrics 1.0: like the Prometheus text, but with one space where the grammar has one, times in seconds,
 * units, exemplars, `_created` lines and `# EOF` as the last line, without which a body was cut off.
 */
#include <math.h>

#include "ingest/expo_internal.h"

static const struct expo_family NONE = {.name = {"", 0}, .help = {"", 0}, .unit = {"", 0}};

static const char *line_end(const struct expo *x, const char *p)
{
    const char *eol = memchr(p, '\n', (size_t)(x->end - p));

    return eol != NULL ? eol : x->end;
}

static inline const char *token_end(const char *p, const char *end)
{
    while (p < end && *p != ' ' && *p != '\n') {
        p++;
    }
    return p;
}

/* A number behind one space; x->p goes behind it. */
static bool next_number(struct expo *x, double *ret)
{
    const char *start = x->p + 1;
    const char *q;

    if (x->p == x->end || *x->p != ' ') {
        return false;
    }
    q = token_end(start, x->end);
    if (!expo_f64(str_of(start, (size_t)(q - start)), ret)) {
        x->p = start;
        return false;
    }
    x->p = q;
    return true;
}

/* Seconds to ms. @return false for NaN, infinities and what does not fit */
static bool seconds_to_ms(double s, int64_t *ret)
{
    if (!(fabs(s) < 9e15)) {
        return false;
    }
    *ret = (int64_t)(s * 1000);
    return true;
}

static bool has_created(enum expo_type t)
{
    return t == EXPO_COUNTER || t == EXPO_HISTOGRAM || t == EXPO_SUMMARY;
}

/* ---- created ---- */

/* The labels of a raw series without le and quantile, as bytes that tell one group of lines from another. */
static void group_of(struct str series, struct buf *dst)
{
    int64_t open = str_find_byte(series, '{');
    struct str rest = open < 0 ? str_of("", 0) : str_drop(series, (size_t)open + 1);

    while (rest.n != 0 && rest.p[0] != '}') {
        size_t n = 0;
        bool quoted = false;

        for (; n < rest.n && (quoted || (rest.p[n] != ',' && rest.p[n] != '}')); n++) {
            if (rest.p[n] == '"') {
                quoted = !quoted;
            } else if (rest.p[n] == '\\' && n + 1 < rest.n) {
                n++;
            }
        }
        if (!str_starts(rest, STR("le=")) && !str_starts(rest, STR("quantile="))) {
            buf_add(dst, rest.p, n);
            buf_add_byte(dst, ',');
        }
        rest = str_drop(rest, n + (n < rest.n && rest.p[n] == ','));
    }
}

/* Is it the group whose labels `scratch` holds? What is behind them comes and goes. */
static bool same_group(struct str series, struct buf *scratch)
{
    size_t n = scratch->n;
    bool same;

    group_of(series, scratch);
    same = !scratch->failed && scratch->n == 2 * n &&
           (n == 0 || memcmp(scratch->data, scratch->data + n, n) == 0);
    scratch->n = n;
    return same;
}

/* Look on through the lines of this sample's group for its `_created`. */
static void find_created(struct expo *x, const char *p)
{
    while (p < x->end && *p != '#') {
        const char *at = p;
        const char *q = expo_series_end(p, x->end, &at);
        struct str series;
        struct str name;
        double v;

        if (q == NULL) {
            return;
        }
        series = str_of(p, (size_t)(q - p));
        name = expo_series_name(series);
        if (!expo_in_family(x, name) || !same_group(series, &x->scratch)) {
            return;
        }
        if (name.n == x->family.name.n + 8 && str_ends(name, STR("_created")) && q < x->end) {
            const char *value_end = token_end(q + 1, x->end);

            x->created_found = expo_f64(str_of(q + 1, (size_t)(value_end - q - 1)), &v) &&
                               seconds_to_ms(v, &x->created_ms);
            return;
        }
        p = line_end(x, q);
        p += p < x->end;
    }
}

static void note_created(struct expo *x)
{
    struct expo_sample *s = &x->sample;

    if (!x->created_known || !same_group(s->series, &x->scratch)) {
        const char *next = line_end(x, x->p);

        buf_clear(&x->scratch);
        group_of(s->series, &x->scratch);
        x->created_known = true;
        x->created_found = false;
        if (!x->scratch.failed) {
            find_created(x, next + (next < x->end));
        }
    }
    s->has_created = x->created_found;
    s->created_ms = x->created_ms;
}

/* ---- lines ---- */

static int exemplar(struct expo *x, struct err *reterr)
{
    struct exemplar *e = &x->exemplars[0];
    const char *start = x->p + 3; /* behind " # " */
    const char *at = start;
    const char *q;
    double t;
    int rc;

    if (x->end - x->p < 4 || memcmp(x->p, " # {", 4) != 0) {
        return expo_fail(x, x->p, "expected timestamp, exemplar or new line", reterr);
    }
    q = expo_series_end(start, x->end, &at);
    if (q == NULL) {
        return expo_fail(x, at, "expected closing brace of the exemplar", reterr);
    }
    rc = expo_series_labels(x, str_of(start, (size_t)(q - start)), str_of("", 0), true, &e->labels,
                            reterr);
    if (rc < 0) {
        return rc;
    }
    x->p = q;
    if (!next_number(x, &e->value)) {
        return expo_fail(x, x->p, "expected value of the exemplar", reterr);
    }
    e->has_time = x->p < x->end && *x->p == ' ';
    if (e->has_time && (!next_number(x, &t) || !seconds_to_ms(t, &e->t_ms))) {
        return expo_fail(x, x->p, "invalid exemplar timestamp", reterr);
    }
    if (x->p < x->end && *x->p != '\n') {
        return expo_fail(x, x->p, "expected new line after the exemplar", reterr);
    }
    x->sample.exemplars = x->exemplars;
    x->sample.exemplars_n = 1;
    return 0;
}

static int sample(struct expo *x, struct err *reterr)
{
    struct expo_sample *s = &x->sample;
    const char *at = x->p;
    const char *q = expo_series_end(x->p, x->end, &at);
    struct str name;
    double t;
    int rc;

    if (q == NULL) {
        return expo_fail(
            x, at, at == x->p ? "expected a valid start token" : "expected closing brace", reterr);
    }
    *s = (struct expo_sample){.series = str_of(x->p, (size_t)(q - x->p)), .family = &NONE};
    x->p = q;
    if (!next_number(x, &s->value)) {
        return expo_fail(x, x->p, "expected value after metric", reterr);
    }
    if (x->end - x->p > 1 && *x->p == ' ' && x->p[1] != '#') {
        if (!next_number(x, &t) || !seconds_to_ms(t, &s->t_ms)) {
            return expo_fail(x, x->p, "invalid timestamp", reterr);
        }
        s->has_time = true;
    }
    if (x->p < x->end && *x->p != '\n') {
        rc = exemplar(x, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    name = expo_series_name(s->series);
    if (expo_in_family(x, name)) {
        s->family = &x->family;
    }
    if (has_created(s->family->type)) {
        if (!x->o->created_as_samples && name.n == x->family.name.n + 8 &&
            str_ends(name, STR("_created"))) {
            return 0;
        }
        if (x->o->want_created) {
            note_created(x);
        }
    }
    return expo_emit(x, reterr);
}

/* "# TYPE ", "# HELP ", "# UNIT ". @return 1 at "# EOF" */
static int comment(struct expo *x, struct err *reterr)
{
    static const struct {
        struct str keyword;
        enum expo_meta what;
    } METAS[] = {{{"# HELP ", 7}, EXPO_META_HELP},
                 {{"# TYPE ", 7}, EXPO_META_TYPE},
                 {{"# UNIT ", 7}, EXPO_META_UNIT}};

    const char *eol = line_end(x, x->p);
    struct str line = str_of(x->p, (size_t)(eol - x->p));

    if (str_eq(line, STR("# EOF"))) {
        x->p = eol;
        return 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(METAS); i++) {
        if (str_starts(line, METAS[i].keyword)) {
            int rc;

            x->p += METAS[i].keyword.n;
            rc = expo_meta_line(x, METAS[i].what, eol, reterr);
            x->p = eol;
            return rc;
        }
    }
    return expo_fail(x, x->p, "expected # HELP, # TYPE, # UNIT or # EOF", reterr);
}

int expo_walk_openmetrics(struct expo *x, struct err *reterr)
{
    while (x->p < x->end) {
        int rc;

        x->line = x->p;
        rc = *x->p == '#' ? comment(x, reterr) : sample(x, reterr);
        if (rc < 0) {
            return rc;
        }
        if (x->arena_used) { /* a line left out had an exemplar */
            arena_reset(x->o->arena);
            x->arena_used = false;
        }
        x->p += x->p < x->end; /* the line feed */
        if (rc == 1) {
            return x->p == x->end ? 0
                                  : expo_fail_plain(x, x->p, reterr, "unexpected data after # EOF");
        }
    }
    return expo_fail_plain(x, x->p, reterr, "data does not end with # EOF");
}
