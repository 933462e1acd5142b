/* SPDX-License-Identifier: Apache-2.0
 *
 * A line is looked at, never changed: its text stays the record's body. A wrong guess is worse than none, so
 * bare words count as levels only where programs put levels.
 */
#include "agent/log_line.h"

#include <math.h>

#include "base/clock.h"
#include "base/err.h"

/* SeverityNumber, OpenTelemetry logs data model, "Mapping of SeverityNumber" and Appendix B (syslog). */
enum {
    SEV_TRACE = 1,
    SEV_DEBUG = 5,
    SEV_INFO = 9,
    SEV_NOTICE = 10,
    SEV_WARN = 13,
    SEV_ERROR = 17,
    SEV_CRITICAL = 18,
    SEV_ALERT = 19,
    SEV_FATAL = 21,
};

static const uint8_t SYSLOG[] = {SEV_FATAL, SEV_ALERT,  SEV_CRITICAL, SEV_ERROR,
                                 SEV_WARN,  SEV_NOTICE, SEV_INFO,     SEV_DEBUG};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_upper(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 'A' || s.p[i] > 'Z') {
            return false;
        }
    }
    return s.n != 0;
}

uint8_t log_level_number(struct str w)
{
    static const struct {
        const char *word;
        uint8_t number;
    } WORDS[] = {
        {"trace", SEV_TRACE},
        {"finest", SEV_TRACE},
        {"finer", SEV_TRACE},
        {"debug", SEV_DEBUG},
        {"dbg", SEV_DEBUG},
        {"debu", SEV_DEBUG},
        {"fine", SEV_DEBUG},
        {"verbose", SEV_DEBUG},
        {"info", SEV_INFO},
        {"information", SEV_INFO},
        {"inf", SEV_INFO},
        {"config", SEV_INFO},
        {"notice", SEV_NOTICE},
        {"warn", SEV_WARN},
        {"warning", SEV_WARN},
        {"wrn", SEV_WARN},
        {"error", SEV_ERROR},
        {"err", SEV_ERROR},
        {"eror", SEV_ERROR},
        {"severe", SEV_ERROR},
        {"critical", SEV_CRITICAL},
        {"crit", SEV_CRITICAL},
        {"alert", SEV_ALERT},
        {"fatal", SEV_FATAL},
        {"panic", SEV_FATAL},
        {"emerg", SEV_FATAL},
        {"emergency", SEV_FATAL},
        {"informational", SEV_INFO},
        {"t", SEV_TRACE},
        {"d", SEV_DEBUG},
        {"i", SEV_INFO},
        {"w", SEV_WARN},
        {"e", SEV_ERROR},
        {"f", SEV_FATAL},
    };

    uint64_t number;

    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (str_eq_nocase(w, str_cstr(WORDS[i].word))) {
            return WORDS[i].number;
        }
    }
    if (!str_to_u64(w, &number)) {
        return 0;
    }
    if (number < ARRAY_LEN(SYSLOG)) {
        return SYSLOG[number]; /* GELF, journald */
    }
    /* bunyan and pino: 10 trace ... 60 fatal */
    return number >= 10 && number < 70 ? (uint8_t)(number / 10 * 4 - 3) : 0;
}

static bool digits(struct str s, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (at + i >= s.n || !is_digit(s.p[at + i])) {
            return false;
        }
    }
    return true;
}

/* "Z", "+hh:mm", "+hhmm", "+hh" at s[i]; a blank may stand before. @return bytes used */
static size_t offset_at(struct str s, size_t i, int64_t *ret_s)
{
    size_t start = i;
    int64_t sign;
    int64_t h;
    int64_t m = 0;

    if (i < s.n && s.p[i] == ' ' && i + 1 < s.n && (s.p[i + 1] == '+' || s.p[i + 1] == '-')) {
        i++;
    }
    if (i < s.n && (s.p[i] == 'Z' || s.p[i] == 'z')) {
        *ret_s = 0;
        return i + 1 - start;
    }
    if (i >= s.n || (s.p[i] != '+' && s.p[i] != '-') || !digits(s, i + 1, 2)) {
        return 0;
    }
    sign = s.p[i] == '-' ? -1 : 1;
    h = (s.p[i + 1] - '0') * 10 + (s.p[i + 2] - '0');
    i += 3;
    if (i < s.n && s.p[i] == ':' && digits(s, i + 1, 2)) {
        i++;
    }
    if (digits(s, i, 2)) {
        m = (s.p[i] - '0') * 10 + (s.p[i + 1] - '0');
        i += 2;
    }
    if (h > 23 || m > 59) {
        return 0;
    }
    *ret_s = sign * (h * 3600 + m * 60);
    return i - start;
}

size_t log_time_prefix(struct str s, int64_t utc_offset_s, int64_t *ret_ns)
{
    enum { DATE_TIME = 19, FRACTION_MAX = 10 };

    bool bracket = s.n != 0 && s.p[0] == '[';
    struct str t = str_drop(s, bracket ? 1 : 0);
    char text[DATE_TIME + FRACTION_MAX + 1];
    size_t n = DATE_TIME;
    size_t i = DATE_TIME;
    int64_t offset = utc_offset_s;
    int64_t ns;

    if (!digits(t, 0, 4) || t.n < DATE_TIME || (t.p[4] != '-' && t.p[4] != '/')) {
        return 0;
    }
    memcpy(text, t.p, DATE_TIME);
    text[4] = text[4] == '/' ? '-' : text[4]; /* 2026/01/02 of nginx and Go */
    text[7] = text[7] == '/' ? '-' : text[7];
    if (i < t.n && (t.p[i] == '.' || t.p[i] == ',') && digits(t, i + 1, 1)) {
        text[n++] = '.';
        for (i++; i < t.n && is_digit(t.p[i]); i++) {
            if (n < DATE_TIME + FRACTION_MAX) {
                text[n++] = t.p[i];
            }
        }
    }
    text[n++] = 'Z';
    if (clock_parse_rfc3339(text, n, &ns) < 0) {
        return 0;
    }
    i += offset_at(t, i, &offset);
    if (__builtin_sub_overflow(ns, offset * 1000000000, &ns)) {
        return 0;
    }
    *ret_ns = ns;
    if (bracket) {
        i += i < t.n && t.p[i] == ']' ? 1 : 0;
    }
    return i + (bracket ? 1 : 0);
}

/* Seconds, milli-, micro- or nanoseconds since the epoch, told by size: years 2001 to 2286. */
static int64_t epoch_number(struct str s)
{
    int64_t i;
    double v;

    if (str_to_i64(s, &i)) {
        if (i < INT64_C(1000000000)) {
            return 0;
        }
        return i < INT64_C(9223372036)         ? i * 1000000000
               : i < INT64_C(9223372036854)    ? i * 1000000
               : i < INT64_C(9223372036854775) ? i * 1000
                                               : i;
    }
    if (!str_to_f64(s, &v) || !isfinite(v) || v < 1e9 || v > 9e9) {
        return 0;
    }
    return (int64_t)v * 1000000000 + (int64_t)((v - (double)(int64_t)v) * 1e9);
}

struct inspector {
    const struct log_line_opts *opts;
    struct log_meta *meta;
};

static bool one_of(struct str s, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq_nocase(s, str_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

/* A field of JSON or logfmt. The first of each kind counts. */
static void take_pair(struct inspector *in, struct str key, struct str value)
{
    static const char *const LEVELS[] = {"level",     "severity",      "lvl",      "loglevel",
                                         "log.level", "severity_text", "levelname"};
    static const char *const TIMES[] = {"time", "timestamp", "@timestamp", "ts", "t", "datetime"};
    static const char *const TRACES[] = {"trace_id", "traceid", "trace.id", "otel.trace_id"};
    static const char *const SPANS[] = {"span_id", "spanid", "span.id", "otel.span_id"};

    struct log_meta *m = in->meta;

    if (value.n == 0) {
        return;
    }
    if (m->severity == 0 && one_of(key, LEVELS, ARRAY_LEN(LEVELS))) {
        m->severity = log_level_number(value);
        m->severity_text = m->severity != 0 && !is_digit(value.p[0]) ? value : (struct str){0};
    } else if (in->opts->with_time && m->time_ns == 0 && one_of(key, TIMES, ARRAY_LEN(TIMES))) {
        int64_t ns = epoch_number(value);

        if (ns != 0 || log_time_prefix(value, in->opts->utc_offset_s, &ns) != 0) {
            m->time_ns = ns;
        }
    } else if (trace_id_is_zero(m->trace_id) && one_of(key, TRACES, ARRAY_LEN(TRACES))) {
        struct trace_id id;

        if (hex_decode(value, id.b, sizeof(id.b))) {
            m->trace_id = id;
        }
    } else if (span_id_is_zero(m->span_id) && one_of(key, SPANS, ARRAY_LEN(SPANS))) {
        struct span_id id;

        if (hex_decode(value, id.b, sizeof(id.b))) {
            m->span_id = id;
        }
    }
}

static void skip_blanks(struct str *s)
{
    while (s->n != 0 && (s->p[0] == ' ' || s->p[0] == '\t')) {
        *s = str_drop(*s, 1);
    }
}

/* The string whose opening quote is s->p[0], escapes untouched. @return false when it does not end. */
static bool take_quoted(struct str *s, struct str *ret)
{
    for (size_t i = 1; i < s->n; i++) {
        if (s->p[i] == '\\') {
            i++;
        } else if (s->p[i] == '"') {
            *ret = str_of(s->p + 1, i - 1);
            *s = str_drop(*s, i + 1);
            return true;
        }
    }
    return false;
}

/* Any JSON value; objects and arrays are stepped over. */
static bool take_json_value(struct str *s, struct str *ret)
{
    size_t depth = 0;
    size_t i = 0;

    *ret = (struct str){0};
    if (s->n != 0 && s->p[0] == '"') {
        return take_quoted(s, ret);
    }
    while (i < s->n) {
        char c = s->p[i];

        if (c == '"') {
            struct str rest = str_drop(*s, i);
            struct str text;

            if (!take_quoted(&rest, &text)) {
                return false;
            }
            i = s->n - rest.n;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) {
            break;
        }
        depth += c == '{' || c == '[' ? 1 : 0;
        depth -= depth != 0 && (c == '}' || c == ']') ? 1 : 0;
        i++;
    }
    if (i != 0 && s->p[0] != '{' && s->p[0] != '[') {
        *ret = str_trim(str_take(*s, i));
    }
    *s = str_drop(*s, i);
    return true;
}

static void inspect_json(struct inspector *in, struct str s)
{
    s = str_drop(s, 1);
    for (;;) {
        struct str key;
        struct str value;

        skip_blanks(&s);
        if (s.n == 0 || s.p[0] != '"' || !take_quoted(&s, &key)) {
            return;
        }
        skip_blanks(&s);
        if (s.n == 0 || s.p[0] != ':') {
            return;
        }
        s = str_drop(s, 1);
        skip_blanks(&s);
        if (!take_json_value(&s, &value)) {
            return;
        }
        take_pair(in, key, value);
        skip_blanks(&s);
        if (s.n == 0 || s.p[0] != ',') {
            return;
        }
        s = str_drop(s, 1);
    }
}

static bool key_byte(char c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '@' || c == '-';
}

static void inspect_logfmt(struct inspector *in, struct str s)
{
    size_t i = 0;

    while (i < s.n) {
        size_t start = i;
        struct str key;
        struct str value;

        while (i < s.n && key_byte(s.p[i])) {
            i++;
        }
        if (i == start || i >= s.n || s.p[i] != '=' || (start != 0 && key_byte(s.p[start - 1]))) {
            i = i == start ? i + 1 : i;
            continue;
        }
        key = str_of(s.p + start, i - start);
        value = str_drop(s, i + 1);
        if (value.n != 0 && value.p[0] == '"') {
            struct str rest = value;

            if (!take_quoted(&rest, &value)) {
                return;
            }
            i = s.n - rest.n;
        } else {
            size_t n = 0;

            while (n < value.n && value.p[n] != ' ' && value.p[n] != '\t' && value.p[n] != ']' &&
                   value.p[n] != ',') {
                n++;
            }
            value = str_take(value, n);
            i += 1 + n;
        }
        if (value.n != 0) {
            take_pair(in, key, value);
        }
    }
}

/* "<34>1 2026-01-02T03:04:05Z host ..." or "<34>Jan  2 ...". @return what follows the priority */
static struct str inspect_syslog(struct inspector *in, struct str s)
{
    int64_t close = str_find_byte(str_take(s, 5), '>');
    uint64_t pri;

    if (close < 2 || !str_to_u64(str_of(s.p + 1, (size_t)close - 1), &pri) || pri > 191) {
        return s;
    }
    in->meta->severity = SYSLOG[pri & 7];
    s = str_drop(s, (size_t)close + 1);
    if (str_starts(s, STR("1 "))) {
        s = str_drop(s, 2);
    }
    return s;
}

/* "I0102 15:04:05.678901 ..." of klog and glog. */
static void inspect_klog(struct inspector *in, struct str s)
{
    if (s.n > 8 && strchr("IWEF", s.p[0]) != NULL && s.p[0] != '\0' && digits(s, 1, 4) &&
        s.p[5] == ' ' && digits(s, 6, 2) && s.p[8] == ':') {
        in->meta->severity = log_level_number(str_take(s, 1));
        in->meta->severity_text = str_take(s, 1);
    }
}

/* A letter, digit or joint on either side makes the word a part of a name or a path. */
static bool stands_alone(struct str word, char before, char after)
{
    bool monolog = is_upper(word) && before == '.' && after == ':'; /* "local.ERROR: x" */

    if (is_digit(before) || is_digit(after) || after == '\0' || before == '\0') {
        return false;
    }
    return strchr("_/", before) == NULL && strchr("_/.", after) == NULL &&
           (before != '.' || monolog);
}

/* SeverityNumber of a word in capitals, in brackets or before a colon; 0 for prose. */
static uint8_t level_of(struct str word, char before, char after)
{
    bool boxed = (before == '[' && after == ']') || (before == '<' && after == '>');

    if (!stands_alone(word, before, after) || (word.n == 1 && !boxed)) {
        return 0;
    }
    return boxed || is_upper(word) || after == ':' ? log_level_number(word) : 0;
}

/* A level word near the start of the line. */
static void inspect_words(struct inspector *in, struct str s)
{
    s = str_take(s, LOG_LEVEL_LOOK);
    for (size_t i = 0; i < s.n && in->meta->severity == 0;) {
        size_t start = i;
        struct str word;

        while (i < s.n && is_alpha(s.p[i])) {
            i++;
        }
        if (i == start) {
            i++;
            continue;
        }
        word = str_of(s.p + start, i - start);
        in->meta->severity =
            level_of(word, start != 0 ? s.p[start - 1] : ' ', i < s.n ? s.p[i] : ' ');
        in->meta->severity_text = in->meta->severity != 0 ? word : (struct str){0};
    }
}

void log_line_inspect(struct str line, const struct log_line_opts *opts, struct log_meta *ret)
{
    struct inspector in = {opts, ret};
    struct str s = str_take(line, LOG_LINE_LOOK);
    size_t used;
    int64_t ns;

    *ret = (struct log_meta){0};
    skip_blanks(&s);
    if (s.n == 0) {
        return;
    }
    if (s.p[0] == '{') {
        inspect_json(&in, s);
        return;
    }
    if (s.p[0] == '<') {
        s = inspect_syslog(&in, s);
    }
    used = log_time_prefix(s, opts->utc_offset_s, &ns);
    if (used != 0 && opts->with_time) {
        ret->time_ns = ns;
    }
    s = str_drop(s, used);
    skip_blanks(&s);
    if (used != 0 && s.n != 0 && s.p[0] == '{') {
        inspect_json(&in, s); /* docker and others put a time before a JSON line */
        return;
    }
    if (str_find_byte(s, '=') >= 0) {
        inspect_logfmt(&in, s);
    }
    if (ret->severity == 0) {
        inspect_klog(&in, s);
    }
    if (ret->severity == 0) {
        inspect_words(&in, s);
    }
}
