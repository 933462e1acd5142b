/* SPDX-License-Identifier: Apache-2.0
 *
 * Template functions with regular expressions. A constant pattern is compiled with the template, another each time.
 */
#include "query/logql/template_internal.h"

/* ---- regular expressions ---- */

int template_regex(struct texec *x, struct str pattern, struct finder **ret, bool *ret_mine)
{
    struct err e = {0};

    *ret_mine = x->re == NULL;
    *ret = x->re;
    if (x->re == NULL && finder_new(pattern, FINDER_GROUPS, ret, &e) < 0) {
        return tfail(x, "%s", e.msg);
    }
    return 0;
}

static int replace_all(struct texec *x, const struct tval *args, bool literal, struct tval *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s = tval_text(x, &args[1]);
    struct str with = tval_text(x, &args[2]);
    struct finder *re;
    size_t at = 0;
    size_t start;
    size_t end;
    bool mine;
    int rc = template_regex(x, tval_text(x, &args[0]), &re, &mine);

    if (rc < 0) {
        return rc;
    }
    buf_init(&b, TEMPLATE_RESULT_MAX);
    while (at <= s.n && !b.failed && finder_next(re, s, at) != 0 &&
           finder_group(re, 0, &start, &end)) {
        buf_add(&b, s.p + at, start - at);
        if (literal) {
            buf_add_str(&b, with);
        } else {
            finder_expand(re, s, with, &b);
        }
        at = end;
        if (end == start) { /* an empty match: one character on */
            if (at < s.n) {
                buf_add_byte(&b, s.p[at]);
            }
            at++;
        }
    }
    if (at < s.n) {
        buf_add(&b, s.p + at, s.n - at);
    }
    if (mine) {
        finder_free(re);
    }
    return tval_of_buf(x, &b, ret);
}

static int fn_regex_replace(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace_all(x, args, false, ret);
}

static int fn_regex_literal(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    (void)n;
    return replace_all(x, args, true, ret);
}

static int fn_count(struct texec *x, const struct tval *args, size_t n, struct tval *ret)
{
    struct str s = tval_text(x, &args[1]);
    struct finder *re;
    int64_t count = 0;
    size_t at = 0;
    size_t start;
    size_t end;
    bool mine;
    int rc = template_regex(x, tval_text(x, &args[0]), &re, &mine);

    (void)n;
    if (rc < 0) {
        return rc;
    }
    while (at <= s.n && finder_next(re, s, at) != 0 && finder_group(re, 0, &start, &end)) {
        count++;
        at = end > start ? end : end + 1;
    }
    if (mine) {
        finder_free(re);
    }
    *ret = (struct tval){.type = TV_INT, .u.i = count};
    return 0;
}

const struct tfunction LQ_TEMPLATE_REGEXES[] = {
    {"regexReplaceAll", fn_regex_replace, 3, 3},
    {"regexReplaceAllLiteral", fn_regex_literal, 3, 3},
    {"count", fn_count, 2, 2},
    {0},
};
