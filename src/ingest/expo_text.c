/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus text formats 0.0.4 and 1.0.0 (quoted UTF-8 names): one line a sample, blanks are free, a last
 * line without its line feed counts. Comments that are not HELP or TYPE are skipped.
 */
#include "ingest/expo_internal.h"

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p)) {
        p++;
    }
    return p;
}

static inline const char *token_end(const char *p, const char *end)
{
    while (p < end && !is_blank(*p) && *p != '\n') {
        p++;
    }
    return p;
}

static int comment(struct expo *x, struct err *reterr)
{
    const char *eol = memchr(x->p, '\n', (size_t)(x->end - x->p));
    const char *word;
    struct str keyword;
    int rc = 0;

    eol = eol != NULL ? eol : x->end;
    word = skip_blanks(x->p + 1, eol);
    if (word != x->p + 1) { /* "#HELP" is a comment */
        keyword = str_of(word, (size_t)(token_end(word, eol) - word));
        x->p = skip_blanks(word + keyword.n, eol);
        if (str_eq(keyword, STR("TYPE"))) {
            rc = expo_meta_line(x, EXPO_META_TYPE, eol, reterr);
        } else if (str_eq(keyword, STR("HELP"))) {
            rc = expo_meta_line(x, EXPO_META_HELP, eol, reterr);
        }
    }
    x->p = eol;
    return rc;
}

static int sample(struct expo *x, struct err *reterr)
{
    static const struct expo_family NONE = {.name = {"", 0}, .help = {"", 0}, .unit = {"", 0}};
    struct expo_sample *s = &x->sample;
    const char *at = x->p;
    const char *q = expo_series_end(x->p, x->end, &at);

    if (q == NULL) {
        return expo_fail(
            x, at, at == x->p ? "expected a valid start token" : "expected closing brace", reterr);
    }
    s->series = str_of(x->p, (size_t)(q - x->p));
    x->p = skip_blanks(q, x->end);
    q = token_end(x->p, x->end);
    if (!expo_f64(str_of(x->p, (size_t)(q - x->p)), &s->value)) {
        return expo_fail(x, x->p, "expected value after metric", reterr);
    }
    x->p = skip_blanks(q, x->end);
    s->has_time = x->p < x->end && *x->p != '\n';
    if (s->has_time) {
        q = token_end(x->p, x->end);
        if (!str_to_i64(str_of(x->p, (size_t)(q - x->p)), &s->t_ms)) {
            return expo_fail(x, x->p, "expected timestamp or new record", reterr);
        }
        x->p = skip_blanks(q, x->end);
        if (x->p < x->end && *x->p != '\n') {
            return expo_fail(x, x->p, "expected next entry after timestamp", reterr);
        }
    }
    s->family = expo_in_family(x, expo_series_name(s->series)) ? &x->family : &NONE;
    return expo_emit(x, reterr);
}

int expo_walk_text(struct expo *x, struct err *reterr)
{
    int rc = 0;

    while (rc >= 0) {
        x->p = skip_blanks(x->p, x->end);
        if (x->p == x->end) {
            return 0;
        }
        if (*x->p == '\n') {
            x->line = ++x->p;
            continue;
        }
        rc = *x->p == '#' ? comment(x, reterr) : sample(x, reterr);
    }
    return rc;
}
