/* SPDX-License-Identifier: Apache-2.0
 *
 * PCRE2 behind finder.h.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/alloc.h"
#include "base/err.h"
#include "model/regex.h"
#include "query/logql/finder.h"

enum {
    PATTERN_MAX = 64 << 10,
    MATCH_LIMIT = 10000000,
    DEPTH_LIMIT = 10000,
    HEAP_LIMIT_KIB = 16384,
};

struct finder {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    char *literal; /* owned; the pattern is this plain text */
    size_t literal_n;
    size_t groups; /* of the last match */
    const uint8_t *names;
    uint32_t names_n, name_size;
};

static bool is_plain(struct str p)
{
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] == '\0' || strchr("\\.+*?()|[]{}^$", p.p[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static int compile(struct finder *s, struct str p, unsigned flags, struct err *reterr)
{
    uint32_t options = PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                       PCRE2_NEVER_BACKSLASH_C | PCRE2_DUPNAMES;
    int64_t foreign = regex_foreign_syntax(p);
    PCRE2_SIZE at = 0;
    int code = 0;

    options |= (flags & FINDER_DOT_NEWLINE) != 0 ? PCRE2_DOTALL : 0;
    options |= (flags & FINDER_ANCHORED) != 0 ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0;
    if (foreign >= 0) {
        return err_set(reterr, ERR_INVALID,
                       "error parsing regexp: syntax that RE2 does not have, at byte %lld",
                       (long long)foreign);
    }
    s->code = pcre2_compile((PCRE2_SPTR)(p.p != NULL ? p.p : ""), p.n, options, &code, &at, NULL);
    if (s->code == NULL) {
        PCRE2_UCHAR text[160];

        if (pcre2_get_error_message(code, text, sizeof(text)) < 0) {
            text[0] = '\0';
        }
        return err_set(reterr, ERR_INVALID, "error parsing regexp: %s, at byte %zu", (char *)text,
                       (size_t)at);
    }
    s->limits = pcre2_match_context_create(NULL);
    s->data = pcre2_match_data_create_from_pattern(s->code, NULL);
    if (s->limits == NULL || s->data == NULL) {
        return err_set(reterr, ERR_NOMEM, "regular expression");
    }
    pcre2_set_match_limit(s->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(s->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(s->limits, HEAP_LIMIT_KIB);
    pcre2_pattern_info(s->code, PCRE2_INFO_NAMECOUNT, &s->names_n);
    pcre2_pattern_info(s->code, PCRE2_INFO_NAMEENTRYSIZE, &s->name_size);
    pcre2_pattern_info(s->code, PCRE2_INFO_NAMETABLE, (void *)&s->names);
    ignore_result(pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE),
                  "without JIT the interpreter is used");
    return 0;
}

int finder_new(struct str pattern, unsigned flags, struct finder **ret, struct err *reterr)
{
    struct finder *s;
    int rc = 0;

    if (pattern.n > PATTERN_MAX) {
        return err_set(reterr, ERR_INVALID, "error parsing regexp: expression too large");
    }
    s = mem_xcalloc(1, sizeof(*s));
    if ((flags & (FINDER_ANCHORED | FINDER_GROUPS)) == 0 && is_plain(pattern)) {
        s->literal = str_dup(pattern);
        s->literal_n = pattern.n;
    } else {
        rc = compile(s, pattern, flags, reterr);
    }
    if (rc < 0) {
        finder_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void finder_free(struct finder *s)
{
    if (s != NULL) {
        pcre2_match_data_free(s->data);
        pcre2_match_context_free(s->limits);
        pcre2_code_free(s->code);
        mem_free(s->literal);
        mem_free(s);
    }
}

size_t finder_next(struct finder *s, struct str text, size_t from)
{
    PCRE2_SPTR p = (PCRE2_SPTR)(text.p != NULL ? text.p : "");
    int rc;

    s->groups = 0;
    if (s->code == NULL || from > text.n) {
        return 0;
    }
    rc = pcre2_match(s->code, p, text.n, from, 0, s->data, s->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(s->code, p, text.n, from, PCRE2_NO_JIT, s->data, s->limits);
    }
    s->groups = rc >= 0 ? pcre2_get_ovector_count(s->data) : 0;
    return s->groups;
}

bool finder_matches(struct finder *s, struct str text)
{
    if (s->literal != NULL) {
        return s->literal_n == 0 || str_find(text, str_of(s->literal, s->literal_n)) >= 0;
    }
    return finder_next(s, text, 0) != 0;
}

bool finder_group(const struct finder *s, size_t i, size_t *ret_start, size_t *ret_end)
{
    const PCRE2_SIZE *at;

    if (i >= s->groups) {
        return false;
    }
    at = pcre2_get_ovector_pointer(s->data);
    if (at[2 * i] == PCRE2_UNSET || at[2 * i + 1] < at[2 * i]) {
        return false;
    }
    *ret_start = at[2 * i];
    *ret_end = at[2 * i + 1];
    return true;
}

bool finder_name(const struct finder *s, size_t i, struct str *ret_name, size_t *ret_index)
{
    size_t last = 0;

    /* the table is sorted by name: take the i-th smallest number */
    for (size_t taken = 0;; taken++) {
        const uint8_t *best = NULL;
        size_t best_no = SIZE_MAX;

        for (uint32_t k = 0; k < s->names_n; k++) {
            const uint8_t *e = s->names + (size_t)k * s->name_size;
            size_t no = (size_t)e[0] << 8 | e[1];

            if (no > last && no < best_no) {
                best = e;
                best_no = no;
            }
        }
        if (best == NULL) {
            return false;
        }
        if (taken == i) {
            *ret_name = str_cstr((const char *)best + 2);
            *ret_index = best_no;
            return true;
        }
        last = best_no;
    }
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Name behind a dollar; *ret_n: bytes it takes, 0: there is none. */
static struct str group_name(struct str s, size_t *ret_n)
{
    size_t from = s.n != 0 && s.p[0] == '{' ? 1 : 0;
    size_t n = from;

    while (n < s.n && is_word(s.p[n])) {
        n++;
    }
    if (n == from || (from != 0 && (n >= s.n || s.p[n] != '}'))) {
        *ret_n = 0;
        return STR("");
    }
    *ret_n = n + from;
    return str_of(s.p + from, n - from);
}

static void add_group(const struct finder *s, struct str name, struct str text, struct buf *dst)
{
    size_t start;
    size_t end;
    uint64_t no;
    struct str n;
    size_t index;

    if (!str_to_u64(name, &no)) {
        no = UINT64_MAX;
        for (size_t i = 0; finder_name(s, i, &n, &index); i++) {
            if (str_eq(n, name) && finder_group(s, index, &start, &end)) {
                no = index;
                break;
            }
        }
    }
    if (no < s->groups && finder_group(s, (size_t)no, &start, &end)) {
        buf_add(dst, text.p + start, end - start);
    }
}

void finder_expand(const struct finder *s, struct str text, struct str tpl, struct buf *dst)
{
    while (tpl.n != 0) {
        int64_t dollar = str_find_byte(tpl, '$');
        struct str name;
        size_t n;

        buf_add_str(dst, dollar < 0 ? tpl : str_take(tpl, (size_t)dollar));
        if (dollar < 0) {
            return;
        }
        tpl = str_drop(tpl, (size_t)dollar + 1);
        if (tpl.n != 0 && tpl.p[0] == '$') {
            buf_add_byte(dst, '$');
            tpl = str_drop(tpl, 1);
            continue;
        }
        name = group_name(tpl, &n);
        if (n == 0) {
            buf_add_byte(dst, '$');
        }
        add_group(s, name, text, dst);
        tpl = str_drop(tpl, n);
    }
}
