/* SPDX-License-Identifier: Apache-2.0
 *
 * label_replace() and label_join(). Regular expressions are RE2's as far as PCRE2 shares them, anchored, with
 * a match limit so that no pattern can hang a query; templates are those of Go's Regexp.Expand.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "model/regex.h"
#include "query/promql/eval.h"
#include "query/promql/special.h"

enum { MATCH_LIMIT = 200000, DEPTH_LIMIT = 10000, LABEL_MAX_BYTES = 1 << 20 };

/** Everything of one label_replace() call. */
struct replace {
    struct str dst;
    struct str template;
    struct str src;
    pcre2_code *re;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

static void replace_done(struct replace *r)
{
    pcre2_match_data_free(r->data);
    pcre2_match_context_free(r->context);
    pcre2_code_free(r->re);
}

static struct str string_arg(const struct call *c, size_t i)
{
    return node_strip_parens(c->args[i])->string;
}

/** Any UTF-8 in 3.x. */
static bool name_is_valid(const struct eval *ev, struct str s)
{
    return ev->left_open ? s.n != 0 && str_is_utf8(s) : label_name_is_valid(s);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void add_group(const struct replace *r, struct str name, struct str subject, int groups,
                      struct buf *dst)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->data);
    uint64_t n;
    char text[64];

    if (!str_to_u64(name, &n)) {
        int found;

        if (name.n >= sizeof(text)) {
            return;
        }
        memcpy(text, name.p, name.n);
        text[name.n] = '\0';
        found = pcre2_substring_number_from_name(r->re, (PCRE2_SPTR)text);
        if (found < 0) {
            return;
        }
        n = (uint64_t)found;
    }
    if (n < (uint64_t)groups && at[2 * n] != PCRE2_UNSET && at[2 * n + 1] > at[2 * n]) {
        buf_add(dst, subject.p + at[2 * n], at[2 * n + 1] - at[2 * n]);
    }
}

/** $1, $name, ${1}, ${name}, $$; a '$' that is none of these stays. */
static void expand(const struct replace *r, struct str subject, int groups, struct buf *dst)
{
    struct str t = r->template;

    while (t.n != 0) {
        int64_t dollar = str_find_byte(t, '$');
        struct str name;
        size_t n = 0;

        if (dollar < 0) {
            buf_add_str(dst, t);
            return;
        }
        buf_add_str(dst, str_take(t, (size_t)dollar));
        t = str_drop(t, (size_t)dollar + 1);
        if (t.n != 0 && t.p[0] == '$') {
            buf_add_byte(dst, '$');
            t = str_drop(t, 1);
            continue;
        }
        if (t.n != 0 && t.p[0] == '{') {
            int64_t close = str_find_byte(t, '}');

            name = close > 1 ? str_of(t.p + 1, (size_t)close - 1) : str_of(NULL, 0);
            n = name.n + 2;
            for (size_t i = 0; i < name.n; i++) {
                name.n = is_word(name.p[i]) ? name.n : 0;
            }
        } else {
            while (n < t.n && is_word(t.p[n])) {
                n++;
            }
            name = str_take(t, n);
        }
        if (name.n == 0) {
            buf_add_byte(dst, '$');
            continue;
        }
        add_group(r, name, subject, groups, dst);
        t = str_drop(t, n);
    }
}

static int replace_row(struct eval *ev, const struct replace *r, struct buf *scratch,
                       struct labels *ls)
{
    struct str subject = labels_get(*ls, r->src);
    struct str value;
    int groups = pcre2_match(r->re, (PCRE2_SPTR)(subject.n != 0 ? subject.p : ""), subject.n, 0, 0,
                             r->data, r->context);

    if (groups == PCRE2_ERROR_NOMATCH) {
        return 0;
    }
    if (groups <= 0) {
        return err_set(ev->reterr, ERR_EXEC, "regular expression in label_replace() is too costly");
    }
    buf_clear(scratch);
    expand(r, subject, groups, scratch);
    if (scratch->failed) {
        return err_set(ev->reterr, ERR_LIMIT, "label value made by label_replace() is too long");
    }
    value = arena_str_dup(&ev->arena, buf_str(scratch));
    if (value.p == NULL && scratch->n != 0) {
        return eval_no_memory(ev);
    }
    return labels_set(ev, *ls, r->dst, value, ls);
}

static int replace_compile(struct eval *ev, const struct call *c, struct replace *r)
{
    struct str regex = string_arg(c, 4);
    int code;
    PCRE2_SIZE at;

    r->dst = string_arg(c, 1);
    r->template = string_arg(c, 2);
    r->src = string_arg(c, 3);
    r->re = pcre2_compile((PCRE2_SPTR)(regex.n != 0 ? regex.p : ""), regex.n,
                          PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_MATCH_INVALID_UTF |
                              PCRE2_DOLLAR_ENDONLY | (ev->left_open ? PCRE2_DOTALL : 0) |
                              PCRE2_NEVER_BACKSLASH_C,
                          &code, &at, NULL);
    if (r->re == NULL || regex_foreign_syntax(regex) >= 0) {
        return err_set(ev->reterr, ERR_EXEC, "invalid regular expression in label_replace(): %.*s",
                       STR_ARG(regex));
    }
    if (!name_is_valid(ev, r->dst)) {
        return err_set(ev->reterr, ERR_EXEC,
                       "invalid destination label name in label_replace(): %.*s", STR_ARG(r->dst));
    }
    r->data = pcre2_match_data_create_from_pattern(r->re, NULL);
    r->context = pcre2_match_context_create(NULL);
    if (r->data == NULL || r->context == NULL) {
        return eval_no_memory(ev);
    }
    pcre2_set_match_limit(r->context, MATCH_LIMIT);
    pcre2_set_depth_limit(r->context, DEPTH_LIMIT);
    return 0;
}

int special_label_replace(struct eval *ev, const struct call *c, const struct grid *g,
                          struct mat *ret)
{
    struct replace r CLEANUP(replace_done) = {0};
    struct buf scratch CLEANUP(buf_done) = {0};
    int rc = replace_compile(ev, c, &r);

    buf_init(&scratch, LABEL_MAX_BYTES);
    if (rc != 0) {
        return rc;
    }
    rc = eval_node(ev, c->args[0], g, ret);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < ret->n; i++) {
        rc = replace_row(ev, &r, &scratch, &ret->labels[i]);
        rc = rc != 0 || i % 256 != 0 ? rc : eval_check(ev);
    }
    rc = rc != 0 ? rc : eval_bill_arena(ev);
    rc = rc != 0 ? rc : mat_merge_same(ev, ret, false);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

static int join_row(struct eval *ev, const struct call *c, struct buf *scratch, struct labels *ls)
{
    struct str value;

    buf_clear(scratch);
    for (size_t k = 3; k < c->n; k++) {
        if (k > 3) {
            buf_add_str(scratch, string_arg(c, 2));
        }
        buf_add_str(scratch, labels_get(*ls, string_arg(c, k)));
    }
    if (scratch->failed) {
        return err_set(ev->reterr, ERR_LIMIT, "label value made by label_join() is too long");
    }
    value = arena_str_dup(&ev->arena, buf_str(scratch));
    if (value.p == NULL && scratch->n != 0) {
        return eval_no_memory(ev);
    }
    return labels_set(ev, *ls, string_arg(c, 1), value, ls);
}

int special_label_join(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    int rc = 0;

    buf_init(&scratch, LABEL_MAX_BYTES);
    for (size_t k = 3; rc == 0 && k < c->n; k++) {
        if (!name_is_valid(ev, string_arg(c, k))) {
            rc = err_set(ev->reterr, ERR_EXEC, "invalid source label name in label_join(): %.*s",
                         STR_ARG(string_arg(c, k)));
        }
    }
    if (rc == 0 && !name_is_valid(ev, string_arg(c, 1))) {
        rc = err_set(ev->reterr, ERR_EXEC, "invalid destination label name in label_join(): %.*s",
                     STR_ARG(string_arg(c, 1)));
    }
    rc = rc != 0 ? rc : eval_node(ev, c->args[0], g, ret);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < ret->n; i++) {
        rc = join_row(ev, c, &scratch, &ret->labels[i]);
    }
    rc = rc != 0 ? rc : eval_bill_arena(ev);
    rc = rc != 0 ? rc : mat_merge_same(ev, ret, false);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}
