/* SPDX-License-Identifier: Apache-2.0
 *
 * The parsers json, unpack, regexp and pattern. A line that does not fit keeps what was found before the fault and
 * gets __error__.
 */
#include "codec/json_read.h"
#include "query/logql/ast.h"
#include "query/logql/finder.h"
#include "query/logql/pattern.h"
#include "query/logql/row.h"

enum { JSON_DEPTH = 100, FOUND_ALL = 1 };

static const char ERR_JSON[] = "JSONParserErr";

static struct str raw_value(const struct json_reader *j, const char *from)
{
    return str_trim(str_of(from, (size_t)(j->p - from)));
}

/* Text of a scalar, objects and arrays as they stand. */
static int read_text(struct json_reader *j, struct row *r, struct str *ret, struct err *e)
{
    int type = json_peek(j, e);
    const char *from = j->p;
    struct str s = {0};
    int rc;

    if (type < 0) {
        return type;
    }
    if (type == JSON_STRING) {
        rc = json_read_str(j, &s, e);
        *ret = lq_row_dup(r, s);
        return rc;
    }
    rc = json_skip(j, e);
    *ret = type == JSON_NULL || rc < 0 ? str_of("", 0) : raw_value(j, from);
    return rc;
}

/* ---- json without expressions ---- */

static struct str joined(struct row *r, struct str prefix, struct str key)
{
    struct str name;

    key = str_trim(key);
    if (key.n == 0) {
        return prefix;
    }
    name = logql_label_name(&r->arena, key);
    if (prefix.n != 0) {
        name = arena_printf(&r->arena, "%.*s_%.*s", STR_ARG(prefix), STR_ARG(key));
        name = name.p != NULL ? logql_label_name(&r->arena, name) : str_of("", 0);
    }
    return name;
}

/* Does an object end anywhere? Only braces and texts count. */
static bool has_end(struct str s)
{
    size_t depth = 0;
    bool text = false;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (text && c == '\\') {
            i++;
        } else if (c == '"') {
            text = !text;
        } else if (!text && c == '{') {
            depth++;
        } else if (!text && c == '}' && --depth == 0) {
            return true;
        }
    }
    return false;
}

static int read_object(struct json_reader *j, struct row *r, struct str prefix, struct err *e)
{
    struct str key;
    int rc = json_enter(j, e);

    while (rc >= 0 && (rc = json_next_member(j, &key, e)) > 0) {
        int type;

        key = joined(r, prefix, lq_row_dup(r, key));
        type = json_peek(j, e);
        if (type == JSON_OBJECT) {
            struct str rest = str_of(j->p, (size_t)(r->line.p + r->line.n - j->p));
            size_t before = r->labels.n;

            rc = read_object(j, r, key, e);
            if (rc == FOUND_ALL) {
                return rc;
            }
            if (rc < 0 && !has_end(rest)) {
                lq_row_unparse(r, before); /* it is as if it was not there */
            }
        } else if (type == JSON_ARRAY || type == JSON_NULL) {
            rc = json_skip(j, e);
        } else if (type < 0) {
            rc = type;
        } else {
            struct str value;

            rc = read_text(j, r, &value, e);
            if (rc == 0 && key.n != 0 && lq_row_set_parsed(r, key, value)) {
                return FOUND_ALL;
            }
        }
    }
    return rc;
}

static int read_line(struct row *r, struct err *e)
{
    struct json_reader j;
    int type;

    buf_clear(&r->text);
    json_read_init(&j, r->line, JSON_DEPTH, &r->text);
    type = json_peek(&j, e);
    if (type >= 0 && type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID,
                       "Value looks like object, but can't find closing '}' symbol");
    }
    return type < 0 ? type : read_object(&j, r, str_of("", 0), e);
}

/* ---- json with expressions ---- */

/* The member or element that `key` names; the reader stands before it. What cannot be read further does not have it.
 * @return 1 found, 0 not */
static int step_into(struct json_reader *j, struct str key, struct err *e)
{
    bool index = key.n > 2 && key.p[0] == '[';
    uint64_t want = 0;
    struct str name;
    int type = json_peek(j, e);
    int rc;

    if (type < 0 || type != (index ? JSON_ARRAY : JSON_OBJECT)) {
        return 0;
    }
    if (index && !str_to_u64(str_of(key.p + 1, key.n - 2), &want)) {
        return 0;
    }
    rc = json_enter(j, e);
    if (rc < 0) {
        return 0;
    }
    for (uint64_t i = 0;; i++) {
        rc = index ? json_next_element(j, e) : json_next_member(j, &name, e);
        if (rc <= 0 || (index ? i == want : str_eq(name, key))) {
            return rc > 0;
        }
        rc = json_skip(j, e);
        if (rc < 0) {
            return 0;
        }
    }
}

static int read_path(struct row *r, const struct extract *x, struct str *ret, struct err *e)
{
    struct json_reader j;
    int rc = 1;

    buf_clear(&r->text);
    json_read_init(&j, r->line, JSON_DEPTH, &r->text);
    for (size_t i = 0; rc > 0 && i < x->path_n; i++) {
        rc = step_into(&j, x->path[i], e);
    }
    if (rc > 0) {
        rc = read_text(&j, r, ret, e);
        return rc < 0 ? rc : 1;
    }
    return rc;
}

static void json_extract(const struct stage *s, struct row *r)
{
    char first = r->line.n != 0 ? r->line.p[0] : '\0';

    if (r->line.n == 0) {
        return;
    }
    if (first != '{' && first != '[' && first != '"') {
        lq_row_set_error(r, ERR_JSON, NULL);
        return;
    }
    for (size_t i = 0; i < s->extracts_n; i++) {
        struct err e = {0};
        struct str value = {0};
        int rc = read_path(r, &s->extracts[i], &value, &e);

        if (rc < 0) {
            lq_row_set_error(r, ERR_JSON, "%s", e.msg);
        }
        if (rc > 0) {
            lq_row_set_extracted(r, s->extracts[i].label, value);
        } else {
            enum label_category c;

            if (!lq_row_get(r, s->extracts[i].label, &value, &c)) {
                lq_row_set_extracted(r, s->extracts[i].label, str_of("", 0));
            }
        }
    }
}

void lq_json_run(const struct stage *s, struct row *r)
{
    struct err e = {0};

    if (lq_row_satisfied(r)) {
        return;
    }
    if (s->extracts_n != 0) {
        json_extract(s, r);
    } else if (read_line(r, &e) < 0) {
        lq_row_set_error(r, ERR_JSON, "%s", e.msg);
    }
}

/* ---- unpack ---- */

struct packed {
    struct str entry;
    bool has_entry;
};

static int read_packed(struct json_reader *j, struct row *r, bool keep, struct packed *p,
                       struct err *e)
{
    struct str key;
    int rc = json_enter(j, e);

    while (rc >= 0 && (rc = json_next_member(j, &key, e)) > 0) {
        struct str value;
        bool is_entry = str_eq(key, STR("_entry"));
        int type;

        key = lq_row_dup(r, key);
        type = json_peek(j, e);
        if (type != JSON_STRING) {
            rc = type < 0 ? type : json_skip(j, e);
            continue;
        }
        rc = read_text(j, r, &value, e);
        if (rc == 0 && is_entry) {
            p->entry = value;
            p->has_entry = true;
        } else if (rc == 0 && keep) {
            lq_row_set_parsed(r, logql_label_name(&r->arena, key), value);
        }
    }
    return rc;
}

/* Labels count only when the line was packed, which is known at its end: two rounds. */
void lq_unpack_run(struct row *r)
{
    struct packed p = {0};
    struct str line = r->line;
    struct json_reader j;
    struct err e = {0};
    int rc = 0;

    for (int round = 0; rc >= 0 && round < 2 && (round == 0 || p.has_entry); round++) {
        buf_clear(&r->text);
        json_read_init(&j, line, JSON_DEPTH, &r->text);
        rc = json_peek(&j, &e);
        if (rc >= 0 && rc != JSON_OBJECT) {
            rc = err_set(&e, ERR_INVALID, "expecting json object(6), but it is not");
        }
        rc = rc < 0 ? rc : read_packed(&j, r, round == 1, &p, &e);
    }
    if (rc < 0 && line.n != 0) {
        lq_row_set_error(r, ERR_JSON, "%s", e.msg);
    } else if (p.has_entry) {
        r->line = p.entry;
    }
}

/* ---- regexp, pattern ---- */

void lq_regexp_run(const struct stage *s, struct row *r)
{
    struct str name;
    size_t index;
    size_t start;
    size_t end;

    if (r->need_none || finder_next(s->re, r->line, 0) == 0) {
        return;
    }
    for (size_t i = 0; finder_name(s->re, i, &name, &index); i++) {
        struct str value = str_of("", 0);

        if (finder_group(s->re, index, &start, &end)) {
            value = str_of(r->line.p + start, end - start);
        }
        lq_row_set_parsed(r, name, value);
    }
}

static void set_capture(void *arg, struct str name, struct str value)
{
    lq_row_set_parsed(arg, name, value);
}

void lq_pattern_run(const struct stage *s, struct row *r)
{
    if (!lq_row_satisfied(r)) {
        line_pattern_each(s->pattern, r->line, set_capture, r);
    }
}
