/* SPDX-License-Identifier: Apache-2.0
 *
 * The YAML file, read with libyaml's event parser: nested mappings become dotted keys. Every error names
 * file, line, column and key. Invariant: memory is bounded by the file's size limit, because aliases are
 * refused and an unknown key ends the reading at once.
 */
#include <yaml.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "conf/conf_internal.h"

/* One open mapping. */
struct frame {
    size_t path_n;    /* length of the path of this mapping */
    VEC(char *) seen; /* keys so far, owned */
};

struct reader {
    struct conf *c;
    void *settings;
    const char *name;
    struct str text;
    yaml_parser_t parser;
    struct buf path; /* dotted path of the current key */
    struct frame frames[CONF_DEPTH_MAX];
    size_t depth;
};

/* "file:line:column: " before the message; marks count from 0. */
static int at_mark(const struct reader *r, yaml_mark_t mark, struct err *reterr)
{
    return err_prefix(reterr, "%s:%zu:%zu", r->name, mark.line + 1, mark.column + 1);
}

static int fail(const struct reader *r, yaml_mark_t mark, struct err *reterr, const char *msg)
{
    ignore_result(err_set(reterr, ERR_INVALID, "%s", msg), "the code is returned below");
    return at_mark(r, mark, reterr);
}

/* An error about the current key: "<place>: <key>: <msg>". */
static int fail_key(const struct reader *r, yaml_mark_t mark, struct err *reterr, const char *msg)
{
    struct buf shown CLEANUP(buf_done) = {0};

    buf_init(&shown, 4 * CONF_SHOWN_MAX);
    conf_show(buf_str(&r->path), &shown);
    ignore_result(err_set(reterr, ERR_INVALID, "%.*s: %s", STR_ARG(buf_str(&shown)), msg),
                  "the code is returned below");
    return at_mark(r, mark, reterr);
}

static int fail_unknown(const struct reader *r, yaml_mark_t mark, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1024);
    buf_add_cstr(&b, "unknown key '");
    conf_show(buf_str(&r->path), &b);
    buf_add_cstr(&b, "'");
    conf_suggest_key(r->c, buf_str(&r->path), &b);
    buf_add_byte(&b, '\0');
    return fail(r, mark, reterr, buf_status(&b) == 0 ? b.data : "unknown key");
}

/* True when a tab stands at the mark; marks count characters, not bytes. */
static bool tab_at(struct str text, yaml_mark_t mark)
{
    size_t i = 0;

    for (size_t line = 0; line < mark.line; line++) {
        int64_t end = str_find_byte(str_drop(text, i), '\n');

        if (end < 0) {
            return false;
        }
        i += (size_t)end + 1;
    }
    for (size_t column = 0; i < text.n && column < mark.column; column++) {
        for (i++; i < text.n && ((unsigned char)text.p[i] & 0xc0) == 0x80;) {
            i++;
        }
    }
    return i < text.n && text.p[i] == '\t';
}

static int fail_syntax(const struct reader *r, struct err *reterr)
{
    const yaml_parser_t *p = &r->parser;
    yaml_mark_t mark = p->problem_mark;

    if (p->error == YAML_MEMORY_ERROR) {
        return err_set(reterr, ERR_NOMEM, "%s: out of memory", r->name);
    }
    if (p->error == YAML_READER_ERROR) {
        return err_set(reterr, ERR_INVALID, "%s: byte %zu: %s", r->name, p->problem_offset,
                       p->problem != NULL ? p->problem : "not UTF-8 text");
    }
    if (tab_at(r->text, mark)) {
        return fail(r, mark, reterr, "a tab cannot indent YAML; use spaces");
    }
    return fail(r, mark, reterr, p->problem != NULL ? p->problem : "broken YAML");
}

/* The next event; the caller deletes it. Anchors, aliases and tags end the reading. */
static int next(struct reader *r, yaml_event_t *e, struct err *reterr)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    yaml_mark_t mark;
    const char *msg = NULL;

    if (yaml_parser_parse(&r->parser, e) == 0) {
        return fail_syntax(r, reterr);
    }
    mark = e->start_mark;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor != NULL || e->type == YAML_ALIAS_EVENT) {
        msg = "anchors and aliases are not supported";
    } else if (tag != NULL) {
        msg = "tags are not supported";
    }
    if (msg != NULL) {
        yaml_event_delete(e);
        return fail(r, mark, reterr, msg);
    }
    return 0;
}

static struct str scalar_text(const yaml_event_t *e)
{
    return str_of((const char *)e->data.scalar.value, e->data.scalar.length);
}

static bool is_null(const yaml_event_t *e)
{
    struct str s = scalar_text(e);

    return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (s.n == 0 || str_eq(s, STR("~")) || str_eq(s, STR("null")));
}

static int set(struct reader *r, size_t i, struct conf_texts texts, yaml_mark_t mark,
               struct err *reterr)
{
    struct err e = {0};
    int rc = conf_value_set(r->c->values[i].key, texts, r->settings, &e);

    if (rc < 0) {
        return fail_key(r, mark, reterr, e.msg);
    }
    r->c->values[i].origin = CONF_FROM_FILE;
    return 0;
}

/* Elements up to the end of the sequence; `ret` owns copies. */
static int read_elements(struct reader *r, struct conf_list *ret, struct err *reterr)
{
    for (;;) {
        yaml_event_t e;
        int rc = next(r, &e, reterr);
        yaml_mark_t mark;

        if (rc < 0) {
            return rc;
        }
        mark = e.start_mark;
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&e);
            return 0;
        }
        if (e.type != YAML_SCALAR_EVENT || is_null(&e)) {
            rc = fail_key(r, mark, reterr, "every element must be a text");
        } else if (ret->n == CONF_LIST_MAX) {
            rc = fail_key(r, mark, reterr, "too many elements");
        } else if (memchr(e.data.scalar.value, '\0', e.data.scalar.length) != NULL) {
            rc = fail_key(r, mark, reterr, "contains a NUL byte");
        } else {
            ret->v[ret->n++] = str_dup(scalar_text(&e));
        }
        yaml_event_delete(&e);
        if (rc < 0) {
            return rc;
        }
    }
}

static int read_list(struct reader *r, size_t i, yaml_mark_t mark, struct err *reterr)
{
    struct conf_list list = {0};
    struct str *texts;
    int rc;

    if (r->c->values[i].key->type != CONF_STRING_LIST) {
        return fail_key(r, mark, reterr, "is a single value, not a list");
    }
    list.v = mem_xcalloc(CONF_LIST_MAX, sizeof(*list.v));
    texts = mem_xcalloc(CONF_LIST_MAX, sizeof(*texts));
    rc = read_elements(r, &list, reterr);
    if (rc == 0) {
        for (size_t k = 0; k < list.n; k++) {
            texts[k] = str_cstr(list.v[k]);
        }
        rc = set(r, i, (struct conf_texts){texts, list.n}, mark, reterr);
    }
    for (size_t k = 0; k < list.n; k++) {
        mem_free(list.v[k]);
    }
    mem_free(list.v);
    mem_free(texts);
    return rc;
}

static int read_scalar(struct reader *r, const yaml_event_t *e, struct err *reterr)
{
    int64_t i = conf_find(r->c, buf_str(&r->path));
    struct str s = scalar_text(e);

    if (i < 0) {
        /* "otlp:" with everything below commented out is an empty group. */
        return is_null(e) ? 0
                          : fail_key(r, e->start_mark, reterr,
                                     "is a group of settings, not a single value");
    }
    if (r->c->values[i].key->type == CONF_STRING_LIST) {
        return fail_key(r, e->start_mark, reterr, "must be a list");
    }
    if (is_null(e)) {
        return fail_key(r, e->start_mark, reterr, "has no value (\"\" is an empty text)");
    }
    return set(r, (size_t)i, (struct conf_texts){&s, 1}, e->start_mark, reterr);
}

static int open_mapping(struct reader *r, yaml_mark_t mark, struct err *reterr)
{
    if (r->depth == CONF_DEPTH_MAX) {
        return fail(r, mark, reterr, "too deeply nested");
    }
    r->frames[r->depth] = (struct frame){.path_n = r->path.n};
    r->depth++;
    return 0;
}

static void close_mapping(struct reader *r)
{
    struct frame *f = &r->frames[--r->depth];

    for (size_t i = 0; i < f->seen.n; i++) {
        mem_free(f->seen.v[i]);
    }
    vec_done(&f->seen);
    r->path.n = f->path_n;
}

/* Append the key to the path; refuses unknown and repeated keys. */
static int enter_key(struct reader *r, const yaml_event_t *e, struct err *reterr)
{
    struct frame *f = &r->frames[r->depth - 1];
    struct str key = scalar_text(e);

    r->path.n = f->path_n;
    if (r->path.n != 0) {
        buf_add_byte(&r->path, '.');
    }
    buf_add_str(&r->path, key);
    if (buf_status(&r->path) < 0 ||
        (conf_find(r->c, buf_str(&r->path)) < 0 && !conf_is_group(r->c, buf_str(&r->path)))) {
        return fail_unknown(r, e->start_mark, reterr);
    }
    for (size_t i = 0; i < f->seen.n; i++) {
        if (str_eq(str_cstr(f->seen.v[i]), key)) {
            return fail_key(r, e->start_mark, reterr, "is given twice");
        }
    }
    if (!vec_reserve(&f->seen, 1)) {
        return err_set(reterr, ERR_NOMEM, "%s: out of memory", r->name);
    }
    f->seen.v[f->seen.n++] = str_dup(key);
    return 0;
}

static int read_value(struct reader *r, const yaml_event_t *e, struct err *reterr)
{
    int64_t i = conf_find(r->c, buf_str(&r->path));

    if (e->type == YAML_SCALAR_EVENT) {
        return read_scalar(r, e, reterr);
    }
    if (e->type == YAML_SEQUENCE_START_EVENT) {
        return i >= 0 ? read_list(r, (size_t)i, e->start_mark, reterr)
                      : fail_key(r, e->start_mark, reterr, "is a group of settings, not a list");
    }
    if (i >= 0) {
        return fail_key(r, e->start_mark, reterr,
                        r->c->values[i].key->type == CONF_STRING_LIST
                            ? "must be a list"
                            : "is a single value, not a group of settings");
    }
    return open_mapping(r, e->start_mark, reterr);
}

/* Inside a mapping: keys and values by turns. */
static int read_mappings(struct reader *r, struct err *reterr)
{
    bool want_key = true;

    while (r->depth > 0) {
        yaml_event_t e;
        int rc = next(r, &e, reterr);

        if (rc < 0) {
            return rc;
        }
        if (!want_key) {
            rc = read_value(r, &e, reterr);
            want_key = true;
        } else if (e.type == YAML_MAPPING_END_EVENT) {
            close_mapping(r);
        } else if (e.type == YAML_SCALAR_EVENT) {
            rc = enter_key(r, &e, reterr);
            want_key = false;
        } else {
            rc = fail(r, e.start_mark, reterr, "a key must be a text");
        }
        yaml_event_delete(&e);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int expect(struct reader *r, yaml_event_type_t type, const char *msg, struct err *reterr)
{
    yaml_event_t e;
    int rc = next(r, &e, reterr);

    if (rc == 0) {
        rc = e.type == type ? 0 : fail(r, e.start_mark, reterr, msg);
        yaml_event_delete(&e);
    }
    return rc;
}

static int read_document(struct reader *r, struct err *reterr)
{
    yaml_event_t e;
    int rc = expect(r, YAML_STREAM_START_EVENT, "not YAML", reterr);

    if (rc < 0 || (rc = next(r, &e, reterr)) < 0) {
        return rc;
    }
    if (e.type == YAML_STREAM_END_EVENT) {
        yaml_event_delete(&e);
        return 0; /* an empty file */
    }
    yaml_event_delete(&e);
    if ((rc = next(r, &e, reterr)) < 0) {
        return rc;
    }
    if (e.type == YAML_MAPPING_START_EVENT) {
        rc = open_mapping(r, e.start_mark, reterr);
    } else if (e.type != YAML_SCALAR_EVENT || !is_null(&e)) {
        rc = fail(r, e.start_mark, reterr, "the file must hold settings as \"key: value\"");
    }
    yaml_event_delete(&e);
    if (rc < 0 || (rc = read_mappings(r, reterr)) < 0) {
        return rc;
    }
    rc = expect(r, YAML_DOCUMENT_END_EVENT, "the document should end here", reterr);
    return rc < 0 ? rc
                  : expect(r, YAML_STREAM_END_EVENT, "a second document is not supported", reterr);
}

int conf_yaml_load(struct conf *c, const char *name, struct str text, void *settings,
                   struct err *reterr)
{
    struct reader *r;
    int rc;

    if (text.n > CONF_FILE_MAX) {
        return err_set(reterr, ERR_INVALID, "%s: larger than %d bytes", name, CONF_FILE_MAX);
    }
    r = mem_xcalloc(1, sizeof(*r));
    r->c = c;
    r->settings = settings;
    r->name = name;
    r->text = text;
    buf_init(&r->path, 4096);
    if (yaml_parser_initialize(&r->parser) == 0) {
        mem_free(r);
        return err_set(reterr, ERR_NOMEM, "%s: out of memory", name);
    }
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.n != 0 ? text.p : ""),
                                 text.n);
    rc = read_document(r, reterr);
    while (r->depth > 0) {
        close_mapping(r);
    }
    yaml_parser_delete(&r->parser);
    buf_done(&r->path);
    mem_free(r);
    return rc;
}
