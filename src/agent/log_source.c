/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing of logs.files entries. Everything is checked here, so that a mistake shows at start-up and not
 * when the first line comes.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "agent/log_source.h"

#include <fnmatch.h>
#include <pcre2.h>

#include "agent/log_join.h"
#include "agent/text.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"

enum { EXCLUDES_MAX = 16, VALUE_MAX = 4096, MATCH_LIMIT = 100000, MATCHED_PREFIX = 4096 };

struct log_source {
    char *pattern;
    char *service;
    char *excludes[EXCLUDES_MAX];
    size_t excludes_n;
    enum log_start start;
    enum log_timestamp timestamp;
    enum log_multiline lines;
    pcre2_code *multiline; /* LOG_LINES_REGEX */
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

void log_source_free(struct log_source *s)
{
    if (s == NULL) {
        return;
    }
    mem_free(s->pattern);
    mem_free(s->service);
    for (size_t i = 0; i < s->excludes_n; i++) {
        mem_free(s->excludes[i]);
    }
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->limits);
    pcre2_code_free(s->multiline);
    mem_free(s);
}

/* A value up to the next blank, or in quotes. @return false on a quote that never closes. */
static bool take_value(struct str *rest, struct buf *dst)
{
    buf_clear(dst);
    if (rest->n != 0 && rest->p[0] == '"') {
        for (size_t i = 1; i < rest->n; i++) {
            char c = rest->p[i];

            if (c == '"') {
                *rest = str_drop(*rest, i + 1);
                return rest->n == 0 || text_is_space(rest->p[0]);
            }
            if (c == '\\' && i + 1 < rest->n && (rest->p[i + 1] == '"' || rest->p[i + 1] == '\\')) {
                c = rest->p[++i];
            }
            buf_add_byte(dst, c);
        }
        return false;
    }
    while (rest->n != 0 && !text_is_space(rest->p[0])) {
        buf_add_byte(dst, rest->p[0]);
        *rest = str_drop(*rest, 1);
    }
    return true;
}

static int compile(struct log_source *s, struct str regex, struct err *reterr)
{
    int code;
    PCRE2_SIZE at;

    pcre2_code_free(s->multiline);
    s->multiline = pcre2_compile((PCRE2_SPTR)regex.p, regex.n, PCRE2_NEVER_UTF | PCRE2_NEVER_UCP,
                                 &code, &at, NULL);
    if (s->multiline == NULL) {
        PCRE2_UCHAR text[128] = {0};

        pcre2_get_error_message(code, text, sizeof(text));
        return err_set(reterr, ERR_INVALID, "multiline: at character %zu: %s", at,
                       (const char *)text);
    }
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->limits);
    s->match = pcre2_match_data_create_from_pattern(s->multiline, NULL);
    s->limits = pcre2_match_context_create(NULL);
    if (s->match == NULL || s->limits == NULL) {
        return err_set(reterr, ERR_NOMEM, "multiline: out of memory");
    }
    pcre2_set_match_limit(s->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(s->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(s->limits, 1024); /* KiB */
    return 0;
}

static int choose(const char *key, struct str value, const char *first, const char *second,
                  struct err *reterr)
{
    if (str_eq(value, str_cstr(first))) {
        return 0;
    }
    if (str_eq(value, str_cstr(second))) {
        return 1;
    }
    return err_set(reterr, ERR_INVALID, "%s: must be %s or %s", key, first, second);
}

static int set_multiline(struct log_source *s, struct str value, struct err *reterr)
{
    if (str_eq(value, STR("auto")) || str_eq(value, STR("none"))) {
        s->lines = value.p[0] == 'a' ? LOG_LINES_AUTO : LOG_LINES_NONE;
        return 0;
    }
    s->lines = LOG_LINES_REGEX;
    return compile(s, value, reterr);
}

static int set(struct log_source *s, struct str key, struct str value, struct err *reterr)
{
    int rc = 0;

    if (value.n == 0) {
        return err_set(reterr, ERR_INVALID, "%.*s: is empty", STR_ARG(key));
    }
    if (str_eq(key, STR("service"))) {
        mem_free(s->service);
        s->service = str_dup(value);
    } else if (str_eq(key, STR("exclude"))) {
        if (s->excludes_n == EXCLUDES_MAX) {
            return err_set(reterr, ERR_INVALID, "exclude: more than %d", EXCLUDES_MAX);
        }
        s->excludes[s->excludes_n++] = str_dup(value);
    } else if (str_eq(key, STR("multiline"))) {
        return set_multiline(s, value, reterr);
    } else if (str_eq(key, STR("start"))) {
        rc = choose("start", value, "end", "beginning", reterr);
        s->start = rc == 1 ? LOG_START_BEGINNING : LOG_START_END;
    } else if (str_eq(key, STR("timestamp"))) {
        rc = choose("timestamp", value, "auto", "none", reterr);
        s->timestamp = rc == 1 ? LOG_TIME_NONE : LOG_TIME_AUTO;
    } else if (str_eq(key, STR("encoding"))) {
        if (!str_eq_nocase(value, STR("utf-8")) && !str_eq_nocase(value, STR("utf8"))) {
            return err_set(reterr, ERR_INVALID, "encoding: only utf-8 is supported");
        }
    } else {
        return err_set(reterr, ERR_INVALID,
                       "unknown key '%.*s' (service, exclude, multiline, start, timestamp, "
                       "encoding)",
                       STR_ARG(str_take(key, 40)));
    }
    return rc < 0 ? rc : 0;
}

static int parse_into(struct log_source *s, struct str rest, struct err *reterr)
{
    struct buf value CLEANUP(buf_done);

    buf_init(&value, VALUE_MAX);
    rest = str_trim(rest);
    if (!take_value(&rest, &value) || buf_status(&value) < 0) {
        return err_set(reterr, ERR_INVALID, "the path pattern is too long or its quote is open");
    }
    if (value.n == 0 || value.data[0] != '/' || memchr(value.data, '\0', value.n) != NULL) {
        return err_set(reterr, ERR_INVALID, "must start with an absolute path pattern, not '%.*s'",
                       STR_ARG(str_take(buf_str(&value), 60)));
    }
    s->pattern = str_dup(buf_str(&value));
    for (;;) {
        int64_t equal;
        struct str key;
        int rc;

        rest = str_trim(rest);
        if (rest.n == 0) {
            return 0;
        }
        equal = str_find_byte(rest, '=');
        if (equal <= 0) {
            return err_set(reterr, ERR_INVALID, "'%.*s' is not key=value",
                           STR_ARG(str_take(rest, 60)));
        }
        key = str_take(rest, (size_t)equal);
        rest = str_drop(rest, (size_t)equal + 1);
        if (!take_value(&rest, &value) || buf_status(&value) < 0) {
            return err_set(reterr, ERR_INVALID, "%.*s: too long, or its quote is open",
                           STR_ARG(str_take(key, 40)));
        }
        rc = set(s, key, buf_str(&value), reterr);
        if (rc < 0) {
            return rc;
        }
    }
}

int log_source_parse(struct str entry, struct log_source **ret, struct err *reterr)
{
    struct log_source *s = mem_xcalloc(1, sizeof(*s));
    int rc = parse_into(s, entry, reterr);

    if (rc < 0) {
        log_source_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

const char *log_source_pattern(const struct log_source *s)
{
    return s->pattern;
}

const char *log_source_service(const struct log_source *s)
{
    return s->service;
}

bool log_source_excludes(const struct log_source *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    for (size_t i = 0; i < s->excludes_n; i++) {
        if (fnmatch(s->excludes[i], path, 0) == 0 || fnmatch(s->excludes[i], name, 0) == 0) {
            return true;
        }
    }
    return false;
}

enum log_start log_source_start(const struct log_source *s)
{
    return s->start;
}

enum log_timestamp log_source_timestamp(const struct log_source *s)
{
    return s->timestamp;
}

enum log_multiline log_source_multiline(const struct log_source *s)
{
    return s->lines;
}

bool log_source_starts_record(const struct log_source *s, struct str so_far, struct str line)
{
    int rc;

    if (s->lines != LOG_LINES_REGEX || s->multiline == NULL) {
        return s->lines != LOG_LINES_AUTO || so_far.n == 0 || !log_joins(so_far, line);
    }
    line = str_take(line, MATCHED_PREFIX);
    rc = pcre2_match(s->multiline, (PCRE2_SPTR)(line.p != NULL ? line.p : ""), line.n, 0, 0,
                     s->match, s->limits);
    return rc >= 0 || rc != PCRE2_ERROR_NOMATCH;
}
