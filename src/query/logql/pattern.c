/* SPDX-License-Identifier: Apache-2.0
 *
 * A pattern is a list of nodes: a literal, or a capture that runs up to the next literal. Both matchers look for
 * literals from left to right and never back.
 */
#include "query/logql/pattern.h"

#include "base/err.h"
#include "model/labels.h"

struct node {
    bool capture;
    struct str text; /* literal, or name; "_": unnamed */
};

struct line_pattern {
    struct node *v;
    size_t n;
};

/* Length of "<name>" at the front; 0: it is no capture. */
static size_t capture_length(struct str s)
{
    size_t n = 1;

    if (s.n < 3 || s.p[0] != '<') {
        return 0;
    }
    while (n < s.n && ((s.p[n] >= 'a' && s.p[n] <= 'z') || (s.p[n] >= 'A' && s.p[n] <= 'Z') ||
                       s.p[n] == '_' || (n > 1 && s.p[n] >= '0' && s.p[n] <= '9'))) {
        n++;
    }
    return n > 1 && n < s.n && s.p[n] == '>' ? n + 1 : 0;
}

static int check(const struct line_pattern *p, bool captures, struct err *reterr)
{
    size_t named = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (!p->v[i].capture) {
            continue;
        }
        if (i > 0 && p->v[i - 1].capture) {
            return err_set(reterr, ERR_INVALID,
                           "found consecutive capture: '<%.*s><%.*s>': invalid expression",
                           STR_ARG(p->v[i - 1].text), STR_ARG(p->v[i].text));
        }
        if (str_eq(p->v[i].text, STR("_"))) {
            continue;
        }
        named++;
        for (size_t k = 0; k < i; k++) {
            if (p->v[k].capture && str_eq(p->v[k].text, p->v[i].text)) {
                return err_set(reterr, ERR_INVALID,
                               "duplicate capture name (%.*s): invalid expression",
                               STR_ARG(p->v[i].text));
            }
        }
    }
    if (captures && named == 0) {
        return err_set(reterr, ERR_INVALID, "at least one capture is required: invalid expression");
    }
    if (!captures && named != 0) {
        return err_set(reterr, ERR_INVALID, "named captures are not allowed in a pattern filter");
    }
    return 0;
}

int line_pattern_new(struct arena *a, struct str text, bool captures, struct line_pattern **ret,
                     struct err *reterr)
{
    struct line_pattern *p = arena_calloc(a, 1, sizeof(*p));
    size_t literal = 0; /* bytes of the open literal before `at` */
    size_t at = 0;

    if (p == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    p->v = arena_array(a, struct node, text.n + 1);
    if (p->v == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    while (at <= text.n) {
        size_t n = at < text.n ? capture_length(str_drop(text, at)) : 0;

        if (n == 0 && at < text.n) {
            literal++;
            at++;
            continue;
        }
        if (literal != 0) {
            p->v[p->n++] = (struct node){false, str_of(text.p + at - literal, literal)};
            literal = 0;
        }
        if (n == 0) {
            break;
        }
        p->v[p->n++] = (struct node){true, str_of(text.p + at + 1, n - 2)};
        at += n;
    }
    *ret = p;
    return check(p, captures, reterr);
}

bool line_pattern_test(const struct line_pattern *p, struct str line)
{
    if (p->n == 0) {
        return line.n == 0;
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct node *node = &p->v[i];
        int64_t found;

        if (node->capture) {
            if (line.n == 0) {
                return false; /* a capture takes at least one byte */
            }
            if (i + 1 == p->n) {
                return true;
            }
            continue;
        }
        if (i == 0) {
            if (!str_starts(line, node->text)) {
                return false;
            }
            line = str_drop(line, node->text.n);
            continue;
        }
        if (i + 1 == p->n) {
            return line.n > node->text.n && str_ends(line, node->text);
        }
        found = str_find(str_drop(line, 1), node->text);
        if (found < 0) {
            return false;
        }
        line = str_drop(line, (size_t)found + 1 + node->text.n);
    }
    return line.n == 0;
}

void line_pattern_each(const struct line_pattern *p, struct str line,
                       void (*fn)(void *arg, struct str name, struct str value), void *arg)
{
    size_t i = 0;

    if (line.n == 0) {
        return;
    }
    if (p->n != 0 && !p->v[0].capture) {
        if (!str_starts(line, p->v[0].text)) {
            return;
        }
        line = str_drop(line, p->v[0].text.n);
        i = 1;
    }
    for (; i < p->n; i += 2) { /* a capture, then a literal or the end */
        struct str value = line;

        if (i + 1 < p->n) {
            int64_t found = str_find(line, p->v[i + 1].text);

            if (found < 0) {
                /* the last capture that has a beginning takes the rest of the line */
                if (!str_eq(p->v[i].text, STR("_"))) {
                    fn(arg, p->v[i].text, line);
                }
                return;
            }
            value = str_take(line, (size_t)found);
            line = str_drop(line, (size_t)found + p->v[i + 1].text.n);
        }
        if (!str_eq(p->v[i].text, STR("_"))) {
            fn(arg, p->v[i].text, value);
        }
    }
}
