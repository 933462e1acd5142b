/* SPDX-License-Identifier: Apache-2.0
 *
 * Name translation; see metric_name.h. Tokens of a name hold no underscore, so the joined form can be
 * searched for a token without keeping a list.
 */
#include "ingest/metric_name.h"

struct unit {
    struct str ucum;
    struct str word;
};

static const struct unit UNITS[] = {
    {{"d", 1}, {"days", 4}},
    {{"h", 1}, {"hours", 5}},
    {{"min", 3}, {"minutes", 7}},
    {{"s", 1}, {"seconds", 7}},
    {{"ms", 2}, {"milliseconds", 12}},
    {{"us", 2}, {"microseconds", 12}},
    {{"ns", 2}, {"nanoseconds", 11}},
    {{"By", 2}, {"bytes", 5}},
    {{"KiBy", 4}, {"kibibytes", 9}},
    {{"MiBy", 4}, {"mebibytes", 9}},
    {{"GiBy", 4}, {"gibibytes", 9}},
    {{"TiBy", 4}, {"tebibytes", 9}},
    {{"KBy", 3}, {"kilobytes", 9}},
    {{"MBy", 3}, {"megabytes", 9}},
    {{"GBy", 3}, {"gigabytes", 9}},
    {{"TBy", 3}, {"terabytes", 9}},
    {{"m", 1}, {"meters", 6}},
    {{"V", 1}, {"volts", 5}},
    {{"A", 1}, {"amperes", 7}},
    {{"J", 1}, {"joules", 6}},
    {{"W", 1}, {"watts", 5}},
    {{"g", 1}, {"grams", 5}},
    {{"Cel", 3}, {"celsius", 7}},
    {{"Hz", 2}, {"hertz", 5}},
    {{"1", 1}, {"", 0}},
    {{"%", 1}, {"percent", 7}},
};

static const struct unit PER_UNITS[] = {
    {{"s", 1}, {"second", 6}}, {{"m", 1}, {"minute", 6}}, {{"min", 3}, {"minute", 6}},
    {{"h", 1}, {"hour", 4}},   {{"d", 1}, {"day", 3}},    {{"w", 1}, {"week", 4}},
    {{"mo", 2}, {"month", 5}}, {{"y", 1}, {"year", 4}},
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':';
}

/* Append the runs of name characters joined by one underscore each. `start` is where the text begins. */
static void add_tokens(struct str s, size_t start, struct buf *dst)
{
    for (size_t i = 0; i < s.n;) {
        size_t from = i;

        while (i < s.n && is_name_char(s.p[i])) {
            i++;
        }
        if (i > from) {
            if (dst->n > start) {
                buf_add_byte(dst, '_');
            }
            buf_add(dst, s.p + from, i - from);
        } else {
            i++;
        }
    }
}

static struct str word_of(const struct unit *table, size_t n, struct str ucum)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(table[i].ucum, ucum)) {
            return table[i].word;
        }
    }
    return ucum;
}

/* "By/s" -> "bytes", "second"; parts with an annotation in braces give nothing. */
static void split_unit(struct str unit, struct str *ret_main, struct str *ret_per)
{
    int64_t slash = str_find_byte(unit, '/');
    struct str main = str_trim(slash < 0 ? unit : str_take(unit, (size_t)slash));
    struct str per = str_trim(slash < 0 ? str_of("", 0) : str_drop(unit, (size_t)slash + 1));

    if (str_find_byte(main, '{') >= 0 || str_find_byte(main, '}') >= 0) {
        main = str_of("", 0);
    }
    if (str_find_byte(per, '{') >= 0 || str_find_byte(per, '}') >= 0) {
        per = str_of("", 0);
    }
    *ret_main = word_of(UNITS, ARRAY_LEN(UNITS), main);
    *ret_per = word_of(PER_UNITS, ARRAY_LEN(PER_UNITS), per);
}

static bool has_token(struct str joined, struct str token)
{
    struct str field;

    while (str_split(&joined, '_', &field)) {
        if (str_eq(field, token)) {
            return true;
        }
    }
    return false;
}

/* Remove every token equal to `token` from what follows `start`. */
static void remove_token(struct buf *b, size_t start, struct str token)
{
    struct str rest = str_of(b->data + start, b->n - start);
    size_t to = start;
    struct str field;

    if (rest.n == 0 || !has_token(rest, token)) {
        return;
    }
    while (str_split(&rest, '_', &field)) {
        if (str_eq(field, token)) {
            continue;
        }
        if (to > start) {
            b->data[to++] = '_';
        }
        memmove(b->data + to, field.p, field.n);
        to += field.n;
    }
    b->n = to;
}

static void move_to_end(struct buf *b, size_t start, struct str token)
{
    remove_token(b, start, token);
    if (b->n > start) {
        buf_add_byte(b, '_');
    }
    buf_add_str(b, token);
}

/* Append a unit word unless the name has it already. */
static void add_unit(struct buf *b, size_t start, struct str prefix, struct str word)
{
    size_t before = b->n;
    size_t word_at;

    if (word.n == 0 || has_token(str_of(b->data + start, b->n - start), word)) {
        return;
    }
    if (b->n > start) {
        buf_add_byte(b, '_');
    }
    buf_add_str(b, prefix);
    word_at = b->n;
    add_tokens(word, word_at, b);
    if (b->n == word_at) { /* no usable character */
        b->n = before;
    }
}

void metric_name_build(struct str name, struct str unit, enum metric_kind kind, struct buf *dst)
{
    size_t start = dst->n;
    struct str main;
    struct str per;

    if (name.n == 0) {
        return;
    }
    for (size_t i = 0; i < name.n; i++) { /* a name may not begin with a digit */
        if (is_name_char(name.p[i])) {
            if (name.p[i] >= '0' && name.p[i] <= '9') {
                buf_add_byte(dst, '_');
                start = dst->n;
            }
            break;
        }
    }
    add_tokens(name, start, dst);
    if (dst->failed || dst->n == start) {
        return;
    }
    split_unit(unit, &main, &per);
    add_unit(dst, start, str_of("", 0), main);
    add_unit(dst, start, STR("per_"), per);
    if (kind == METRIC_COUNTER) {
        move_to_end(dst, start, STR("total"));
    }
    if (kind == METRIC_GAUGE && str_eq(str_trim(unit), STR("1"))) {
        move_to_end(dst, start, STR("ratio"));
    }
}

void metric_unit_build(struct str unit, struct buf *dst)
{
    size_t start = dst->n;
    struct str main;
    struct str per;

    split_unit(unit, &main, &per);
    add_tokens(main, start, dst);
    if (per.n != 0) {
        buf_add_cstr(dst, dst->n > start ? "_per_" : "per_");
        add_tokens(per, dst->n, dst);
    }
}

void label_name_build(struct str key, struct buf *dst)
{
    if (key.n == 0) {
        return;
    }
    if (key.p[0] >= '0' && key.p[0] <= '9') {
        buf_add_cstr(dst, "key_");
    } else if (str_starts(key, STR("__"))) { /* reserved for the system: __name__ */
        buf_add_cstr(dst, "key");
    }
    for (size_t i = 0; i < key.n; i++) {
        buf_add_byte(dst, is_name_char(key.p[i]) && key.p[i] != ':' ? key.p[i] : '_');
    }
}
