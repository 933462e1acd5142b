/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser logfmt: key=value pairs apart by blanks, values in quotes when they need them (brandur.org/logfmt).
 */
#include "codec/json_read.h"
#include "codec/utf8.h"
#include "query/logql/ast.h"
#include "query/logql/row.h"

struct pairs {
    struct str s;
    size_t at;
    struct str key, value;
    size_t bad_at;
    bool clean; /* nothing in the text that plain() would change */
    char bad;   /* what should not be there; 0: nothing wrong with the last pair */
};

static bool is_blank(const struct pairs *p)
{
    return (unsigned char)p->s.p[p->at] <= ' ';
}

/* To the next blank. */
static bool fault(struct pairs *p, char what)
{
    p->bad = what;
    p->bad_at = p->at;
    while (p->at < p->s.n && !is_blank(p)) {
        p->at++;
    }
    return true;
}

static bool is_clean(struct str s)
{
    return str_find(s, STR("\xef\xbf\xbd")) < 0 && str_is_utf8(s);
}

/* Bytes that are no UTF-8, and U+FFFD, become blanks. */
static struct str plain(struct row *r, struct str s)
{
    struct str clean;
    char *dst;
    size_t n = 0;

    if (is_clean(s)) {
        return s;
    }
    if (utf8_clean(s, &r->arena, &clean, NULL) < 0 ||
        (dst = arena_alloc(&r->arena, clean.n, 1)) == NULL) {
        r->no_memory = true;
        return str_of("", 0);
    }
    for (size_t i = 0; i < clean.n; i++) {
        if (str_starts(str_of(clean.p + i, clean.n - i), STR("\xef\xbf\xbd"))) {
            dst[n++] = ' ';
            i += 2;
        } else {
            dst[n++] = clean.p[i];
        }
    }
    return str_of(dst, n);
}

static bool quoted(struct pairs *p, struct row *r)
{
    size_t start = p->at++;
    bool escaped = false;

    while (p->at < p->s.n && p->s.p[p->at] != '"') {
        if (p->s.p[p->at] == '\\') {
            escaped = true;
            p->at++;
        }
        p->at++;
    }
    if (p->at >= p->s.n) {
        p->at = p->s.n;
        return fault(p, '"'); /* no end */
    }
    p->at++;
    p->value = str_of(p->s.p + start + 1, p->at - start - 2);
    if (escaped) {
        struct json_reader j;
        struct str text;

        buf_clear(&r->text);
        json_read_init(&j, str_of(p->s.p + start, p->at - start), 1, &r->text);
        if (json_read_str(&j, &text, NULL) < 0) {
            p->bad = '\\';
            p->bad_at = p->at;
            return true;
        }
        p->value = plain(r, lq_row_dup(r, text));
    } else if (!p->clean) {
        p->value = plain(r, p->value);
    }
    return true; /* what follows without a blank is the next key */
}

/* @return false at the end */
static bool next_pair(struct pairs *p, struct row *r)
{
    size_t start;

    p->bad = 0;
    p->value = str_of("", 0);
    while (p->at < p->s.n && is_blank(p)) {
        p->at++;
    }
    if (p->at >= p->s.n) {
        return false;
    }
    start = p->at;
    while (p->at < p->s.n && !is_blank(p) && p->s.p[p->at] != '=' && p->s.p[p->at] != '"') {
        p->at++;
    }
    p->key = str_of(p->s.p + start, p->at - start);
    if (!p->clean && !is_clean(p->key)) {
        return fault(p, '?');
    }
    if (p->at >= p->s.n || is_blank(p)) {
        return true;
    }
    if (p->s.p[p->at] == '"' || p->key.n == 0) {
        return fault(p, p->s.p[p->at]);
    }
    p->at++;
    if (p->at < p->s.n && p->s.p[p->at] == '"') {
        return quoted(p, r);
    }
    start = p->at;
    while (p->at < p->s.n && !is_blank(p)) {
        if (p->s.p[p->at] == '=' || p->s.p[p->at] == '"') {
            return fault(p, p->s.p[p->at]);
        }
        p->at++;
    }
    p->value = str_of(p->s.p + start, p->at - start);
    p->value = p->clean ? p->value : plain(r, p->value);
    return true;
}

static void set_fault(struct row *r, const struct pairs *p)
{
    lq_row_set_error(r, "LogfmtParserErr", "logfmt syntax error at pos %zu : unexpected '%c'",
                     p->bad_at + 1, p->bad);
}

static void extract(const struct stage *s, struct row *r, struct pairs *p)
{
    struct str *found = arena_calloc(&r->arena, s->extracts_n, sizeof(*found));

    if (found == NULL) {
        r->no_memory = true;
        return;
    }
    while (next_pair(p, r)) {
        struct str key;

        if (p->bad != 0) {
            if (s->strict) {
                set_fault(r, p);
                break;
            }
            continue;
        }
        key = logql_label_name(&r->arena, p->key);
        for (size_t i = 0; i < s->extracts_n; i++) {
            if (str_eq(key, s->extracts[i].expr) || str_eq(key, s->extracts[i].label)) {
                found[i] = p->value;
            }
        }
    }
    for (size_t i = 0; i < s->extracts_n; i++) {
        if (found[i].p != NULL || !lq_row_has_own(r, s->extracts[i].label)) {
            lq_row_set_extracted(r, s->extracts[i].label,
                                 found[i].p != NULL ? found[i] : str_of("", 0));
        }
    }
}

void lq_logfmt_run(const struct stage *s, struct row *r)
{
    struct pairs p = {.s = r->line, .clean = is_clean(r->line)};

    if (lq_row_satisfied(r)) {
        return;
    }
    if (s->extracts_n != 0) {
        extract(s, r, &p);
        return;
    }
    while (next_pair(&p, r)) {
        struct str key;

        if (p.bad != 0) {
            if (s->strict) {
                set_fault(r, &p);
                return;
            }
            continue;
        }
        key = logql_label_name(&r->arena, p.key);
        if (key.n != 0 && (s->keep_empty || p.value.n != 0) && lq_row_set_parsed(r, key, p.value)) {
            return;
        }
    }
}
