/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at a segment counts its classes of characters; the kinds are told apart by the counts, the length and a
 * few shapes. When in doubt a segment is a word: the learner sees it when there are too many of them.
 */
#include "apm/url_segments.h"

struct look {
    size_t digits, hex_letters, upper, lower, dashes, dots, others;
    size_t changes; /* between digits and letters */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct look look_at(struct str s)
{
    struct look l = {0};
    int last = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int class = 0;

        if (is_digit(c)) {
            l.digits++;
            class = 1;
        } else if (c >= 'a' && c <= 'z') {
            l.lower++;
            l.hex_letters += c <= 'f';
            class = 2;
        } else if (c >= 'A' && c <= 'Z') {
            l.upper++;
            l.hex_letters += c <= 'F';
            class = 2;
        } else if (c == '-') {
            l.dashes++;
        } else if (c == '.') {
            l.dots++;
        } else {
            l.others++;
        }
        l.changes += class != 0 && last != 0 && class != last;
        last = class != 0 ? class : last;
    }
    return l;
}

/* 'd': digit, 'h': hex digit; others themselves. */
static bool has_shape(struct str s, const char *shape)
{
    size_t n = strlen(shape);

    if (s.n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = s.p[i];
        bool hex = is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');

        if (shape[i] == 'd' ? !is_digit(c) : shape[i] == 'h' ? !hex : c != shape[i]) {
            return false;
        }
    }
    return true;
}

static bool is_date(struct str s)
{
    if (has_shape(s, "dddd-dd-dd") && s.p[5] <= '1' && s.p[8] <= '3') {
        return s.n == 10 || s.p[10] == 'T' || s.p[10] == '_' || s.p[10] == '-';
    }
    return s.n == 8 && has_shape(s, "dddddddd") && (s.p[0] == '1' || s.p[0] == '2') &&
           (s.p[1] == '9' || s.p[1] == '0') && s.p[4] <= '1' && s.p[6] <= '3';
}

static bool is_email(struct str s)
{
    int64_t at = str_find_byte(s, '@');
    struct str domain = at > 0 ? str_drop(s, (size_t)at + 1) : str_of(NULL, 0);

    if (at < 0) { /* percent-encoded */
        at = str_find(s, STR("%40"));
        domain = at > 0 ? str_drop(s, (size_t)at + 3) : domain;
    }
    return at > 0 && str_find_byte(domain, '.') > 0;
}

static bool is_number(struct str s, const struct look *l)
{
    if (l->digits == 0 || l->upper != 0 || l->lower != 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]) && s.p[i] != ',' && s.p[i] != '.' && s.p[i] != '-' && s.p[i] != '+' &&
            s.p[i] != '_' && s.p[i] != ':') {
            return false;
        }
    }
    return true;
}

/* Random text changes between digits and letters, or between cases, more often than words do. */
static bool is_token(struct str s, const struct look *l)
{
    size_t letters = l->upper + l->lower;

    if (s.n < 12 || l->digits == 0 || letters == 0 || l->dots != 0) {
        return false;
    }
    if (s.n >= 20 && l->others + l->dashes <= s.n / 8 && l->changes >= 4) {
        return true;
    }
    return l->dashes == 0 && l->others == 0 && l->changes >= 4 && l->digits * 5 >= s.n;
}

/* "v1", "2.0.0-beta", "utf8": a version or a word with a number is the application's. "order-12345" and "A100234" are
 * not: the digits are many. */
static bool is_numbered(struct str s, const struct look *l)
{
    return l->digits >= 4 && l->changes <= 2 && (l->digits >= 5 || l->digits * 2 >= s.n) &&
           l->dots == 0 && l->others == 0;
}

enum segment_kind url_segment_kind(struct str s)
{
    struct look l;

    if (s.n == 0) {
        return SEGMENT_WORD;
    }
    l = look_at(s);
    if (s.n == 36 && has_shape(s, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")) {
        return SEGMENT_UUID;
    }
    if (l.digits == 0) {
        return is_email(s) ? SEGMENT_EMAIL : SEGMENT_WORD;
    }
    if (is_date(s)) {
        return SEGMENT_DATE;
    }
    if (l.dots == 3 && l.digits + 3 == s.n && s.n >= 7 && s.n <= 15) {
        return SEGMENT_IP;
    }
    if (is_number(s, &l)) {
        return SEGMENT_NUMBER;
    }
    if (s.n >= 8 && l.digits + l.hex_letters == s.n) {
        return SEGMENT_HASH;
    }
    if (is_email(s)) {
        return SEGMENT_EMAIL;
    }
    if (is_token(s, &l)) {
        return SEGMENT_TOKEN;
    }
    return is_numbered(s, &l) ? SEGMENT_NUMBER : SEGMENT_WORD;
}

struct str url_segment_placeholder(enum segment_kind kind)
{
    static const char *const TEXT[SEGMENT_KIND_COUNT] = {"",       "{id}",    "{uuid}", "{hash}",
                                                         "{date}", "{email}", "{ip}",   "{token}"};

    return str_cstr(kind < SEGMENT_KIND_COUNT ? TEXT[kind] : "");
}

bool url_segments_next(struct str *rest, struct str *ret)
{
    struct str field;

    while (str_split(rest, '/', &field)) {
        int64_t semicolon = str_find_byte(field, ';');

        field = semicolon >= 0 ? str_take(field, (size_t)semicolon) : field;
        if (field.n != 0) {
            *ret = field;
            return true;
        }
    }
    return false;
}

static size_t put(char *dst, size_t n, size_t cap, struct str s)
{
    size_t take = s.n < cap - n ? s.n : cap - n;

    if (take != 0) {
        memcpy(dst + n, s.p, take);
    }
    return n + take;
}

size_t url_segments_template(struct str path, char *dst, size_t cap)
{
    struct str rest = path;
    struct str segment;
    size_t n = 0;
    size_t count = 0;

    while (url_segments_next(&rest, &segment)) {
        enum segment_kind kind = url_segment_kind(segment);

        n = put(dst, n, cap, STR("/"));
        if (++count > URL_SEGMENTS_MAX) {
            return put(dst, n, cap, STR("*"));
        }
        if (kind == SEGMENT_WORD) {
            n = put(dst, n, cap, segment.n <= URL_SEGMENT_BYTES_MAX ? segment : STR("{long}"));
        } else {
            n = put(dst, n, cap, url_segment_placeholder(kind));
        }
    }
    return count == 0 ? put(dst, n, cap, STR("/")) : n;
}
