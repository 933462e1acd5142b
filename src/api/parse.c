/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsers of parameter texts; see parse.h.
 */
#include "api/parse.h"

#include <math.h>

#include "base/clock.h"

bool parse_prom_time(struct str s, int64_t *ret_ms)
{
    double seconds;
    int64_t ns;

    if (str_to_f64(s, &seconds)) {
        if (!isfinite(seconds) || fabs(seconds) > 9.2e12) {
            return false;
        }
        *ret_ms = (int64_t)llround(seconds * 1000);
        return true;
    }
    if (clock_parse_rfc3339(s.p, s.n, &ns) == 0) {
        *ret_ms = ns / 1000000;
        return true;
    }
    return false;
}

bool parse_prom_duration(struct str s, int64_t *ret_ms)
{
    double seconds;

    if (!str_to_f64(s, &seconds)) {
        return str_to_duration_ms(s, ret_ms);
    }
    if (!isfinite(seconds) || fabs(seconds) > 9.2e12) {
        return false;
    }
    *ret_ms = (int64_t)llround(seconds * 1000);
    return true;
}

static const struct {
    struct str unit;
    double ns;
} UNITS[] = {
    {{"ns", 2}, 1},   {{"us", 2}, 1e3},   {{"ms", 2}, 1e6},    {{"s", 1}, 1e9},
    {{"m", 1}, 60e9}, {{"h", 1}, 3600e9}, {{"d", 1}, 86400e9},
};

bool parse_duration_ns(struct str s, int64_t *ret_ns)
{
    size_t n = 0;
    double v;

    while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '.')) {
        n++;
    }
    if (!str_to_f64(str_take(s, n), &v)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (str_eq(str_drop(s, n), UNITS[i].unit) && v * UNITS[i].ns < 9.2e18) {
            *ret_ns = (int64_t)llround(v * UNITS[i].ns);
            return true;
        }
    }
    return false;
}

bool parse_cursor(struct str s, struct cursor *ret)
{
    struct str rest = s;
    struct str time;
    struct cursor c;

    if (!str_split(&rest, '-', &time) || !str_to_i64(time, &c.before_ns) ||
        !str_to_u64(rest, &c.before_id)) {
        return false;
    }
    *ret = c;
    return true;
}

static struct field attr_field(struct str key)
{
    static const struct {
        struct str prefix;
        enum field_scope scope;
    } PREFIXES[] = {
        {{"resource.", 9}, FIELD_RESOURCE},
        {{"scope.", 6}, FIELD_SCOPE},
        {{"attr.", 5}, FIELD_ATTR},
    };

    for (size_t i = 0; i < ARRAY_LEN(PREFIXES); i++) {
        if (str_starts(key, PREFIXES[i].prefix)) {
            return (struct field){PREFIXES[i].scope, str_drop(key, PREFIXES[i].prefix.n)};
        }
    }
    return (struct field){FIELD_ANY, key};
}

static const struct {
    struct str text;
    enum pred_op op;
} OPS[] = {
    {{"!=", 2}, PRED_NE}, {{"=~", 2}, PRED_RE}, {{"!~", 2}, PRED_NRE}, {{">=", 2}, PRED_GE},
    {{"<=", 2}, PRED_LE}, {{"=", 1}, PRED_EQ},  {{">", 1}, PRED_GT},   {{"<", 1}, PRED_LT},
};

bool parse_condition(struct str s, struct condition *ret)
{
    size_t at = 0;

    while (at < s.n && memchr("=!<>", s.p[at], 4) == NULL) {
        at++;
    }
    if (at == 0) {
        return false;
    }
    ret->field = attr_field(str_take(s, at));
    if (ret->field.name.n == 0) {
        return false;
    }
    if (at == s.n) {
        ret->op = PRED_EXISTS;
        ret->value = STR("");
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(OPS); i++) {
        if (str_starts(str_drop(s, at), OPS[i].text)) {
            ret->op = OPS[i].op;
            ret->value = str_drop(s, at + OPS[i].text.n);
            return true;
        }
    }
    return false;
}

static size_t word_length(struct str s)
{
    size_t n = 0;

    while (n < s.n && memchr(" \t\r\n", s.p[n], 4) == NULL) {
        n++;
    }
    return n;
}

bool parse_next_term(struct str *rest, struct str *ret_term, bool *ret_negate)
{
    for (;;) {
        size_t skip = 0;
        int64_t end;

        *rest = str_trim(*rest);
        *ret_negate = rest->n > 1 && rest->p[0] == '-';
        *rest = *ret_negate ? str_drop(*rest, 1) : *rest;
        if (rest->n == 0) {
            return false;
        }
        if (rest->p[0] == '"') { /* an unclosed phrase goes to the end */
            *rest = str_drop(*rest, 1);
            end = str_find_byte(*rest, '"');
            *ret_term = end < 0 ? *rest : str_take(*rest, (size_t)end);
            skip = end < 0 ? rest->n : (size_t)end + 1;
        } else {
            *ret_term = str_take(*rest, word_length(*rest));
            skip = ret_term->n;
        }
        *rest = str_drop(*rest, skip);
        if (ret_term->n != 0) {
            return true;
        }
    }
}
