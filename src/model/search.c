/* SPDX-License-Identifier: Apache-2.0
 *
 * Unanchored regular expressions. A small walk over the pattern collects, per alternative of its top level, the
 * longest run of plain characters; whatever the walk does not understand gives up on literals, never on
 * correctness. Texts without any of the literals are refused by memmem().
 */
#include "model/search.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"
#include "model/pcre.h"
#include "model/regex.h"

enum {
    MAX_PATTERN = 64 << 10,
    MAX_LITERALS = 1000,
    ARENA_BYTES = 1 << 20,
};

/* Steps for one value: about 10 ms. */
static const struct pcre_limits LIMITS = {1000000, 10000, 8192};

struct search {
    struct str pattern; /* all strings in `arena` */
    struct str *literals;
    size_t literals_n; /* 0: nothing known */
    bool nocase;       /* literals stand for either case */
    bool plain;        /* the pattern is nothing but its literals */
    struct pcre re;
    struct arena arena;
};

/* ---- literals ---- */

/* The walk over a pattern. */
struct walk {
    struct str p;
    size_t i;
    bool nocase;
    bool plain;  /* nothing but plain characters in this alternative so far */
    bool lost;   /* something not understood: no literals at all */
    size_t last; /* bytes of the last character of `run`; 0: none that a quantifier could bind to */
    struct buf run;  /* plain characters in a row */
    struct buf best; /* longest run of the alternative */
};

static void end_run(struct walk *w)
{
    if (w->run.n > w->best.n) {
        buf_clear(&w->best);
        buf_add_str(&w->best, buf_str(&w->run));
    }
    buf_clear(&w->run);
    w->last = 0;
}

static void special(struct walk *w)
{
    end_run(w);
    w->plain = false;
}

/* Letters that have another case outside ASCII (K, Kelvin; s, long s) do not count when case is ignored. */
static bool folds_away(char c)
{
    return c == 'k' || c == 'K' || c == 's' || c == 'S' || (uint8_t)c >= 0x80;
}

static void plain_char(struct walk *w, size_t n)
{
    if (w->nocase && folds_away(w->p.p[w->i])) {
        special(w);
    } else {
        buf_add(&w->run, w->p.p + w->i, n);
        w->last = n;
    }
    w->i += n;
}

/* One code point that stands for itself. */
static void take_char(struct walk *w)
{
    size_t n = 1;

    while (w->i + n < w->p.n && ((uint8_t)w->p.p[w->i] & 0xc0) == 0xc0 &&
           ((uint8_t)w->p.p[w->i + n] & 0xc0) == 0x80) {
        n++;
    }
    plain_char(w, n);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind "\x", "\p": a class or a character in braces or of a fixed length. */
static void skip_argument(struct walk *w, size_t fixed, bool (*fits)(char c))
{
    int64_t end =
        w->i < w->p.n && w->p.p[w->i] == '{' ? str_find_byte(str_drop(w->p, w->i), '}') : -1;

    for (size_t k = 0; k < fixed && end < 0; k++) { /* fewer mean something else */
        char c = w->i + k < w->p.n ? w->p.p[w->i + k] : '\0';

        w->lost = w->lost || !fits(c);
    }
    w->i += end >= 0 ? (size_t)end + 1 : fixed;
    w->lost = w->lost || w->i > w->p.n;
}

static void take_escape(struct walk *w)
{
    char c = w->i + 1 < w->p.n ? w->p.p[w->i + 1] : '\0';

    if ((uint8_t)c < 0x80 && c > ' ' && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
        !(c >= 'a' && c <= 'z')) {
        w->i++;
        plain_char(w, 1);
        return;
    }
    special(w);
    w->i += 2;
    if (c == 'x') {
        skip_argument(w, 2, is_hex);
    } else if (c == 'p' || c == 'P') {
        skip_argument(w, 1, is_letter);
    } else if (c == '\0' || strchr("dDwWsSbBAzantrfv", c) == NULL) {
        w->lost = true; /* \Q..\E, octal numbers and what else there may be */
    }
}

/* Index behind a class that starts at i. */
static size_t class_end(struct str p, size_t i)
{
    i++;
    i += i < p.n && p.p[i] == '^' ? 1 : 0;
    i += i < p.n && p.p[i] == ']' ? 1 : 0;
    while (i < p.n && p.p[i] != ']') {
        if (p.p[i] == '\\') {
            i += 2;
        } else if (str_starts(str_drop(p, i), STR("[:"))) {
            int64_t end = str_find(str_drop(p, i), STR(":]"));

            i += end >= 0 ? (size_t)end + 2 : 1;
        } else {
            i++;
        }
    }
    return i + 1;
}

/* Index behind a group that starts at i. */
static size_t group_end(struct str p, size_t i)
{
    size_t depth = 0;

    while (i < p.n) {
        char c = p.p[i];

        if (c == '\\') {
            i += 2;
            continue;
        }
        if (c == '[') {
            i = class_end(p, i);
            continue;
        }
        depth += c == '(' ? 1u : 0u;
        i++;
        if (c == ')' && --depth == 0) {
            return i;
        }
    }
    return p.n + 1;
}

/* "(?i)" and the like: flags for what follows. @return true when it was one */
static bool take_flags(struct walk *w)
{
    size_t i = w->i + 2;

    if (!str_starts(str_drop(w->p, w->i), STR("(?"))) {
        return false;
    }
    while (i < w->p.n && strchr("imsU-", w->p.p[i]) != NULL && w->p.p[i] != '\0') {
        i++;
    }
    if (i >= w->p.n || w->p.p[i] != ')') {
        return false;
    }
    if (w->i != 0 || str_find_byte(str_of(w->p.p, i), '-') >= 0) {
        w->lost = true; /* what came before, or what was switched off: not worth following */
    }
    w->nocase = str_find_byte(str_of(w->p.p, i), 'i') >= 0;
    w->plain = false;
    w->i = i + 1;
    return true;
}

static void take_quantifier(struct walk *w)
{
    size_t n = 1;

    if (w->p.p[w->i] != '+' && w->last != 0) {
        w->run.n -= w->last; /* it may be missing */
    }
    special(w);
    if (w->p.p[w->i] == '{') { /* with anything but numbers inside it stands for itself */
        while (w->i + n < w->p.n && strchr("0123456789,", w->p.p[w->i + n]) != NULL &&
               w->p.p[w->i + n] != '\0') {
            n++;
        }
        n = w->i + n < w->p.n && w->p.p[w->i + n] == '}' ? n + 1 : 1;
    }
    w->i += n;
}

static void take_piece(struct walk *w)
{
    switch (w->p.p[w->i]) {
    case '\\':
        take_escape(w);
        break;
    case '[':
        special(w);
        w->i = class_end(w->p, w->i);
        break;
    case '(':
        if (!take_flags(w)) {
            special(w);
            w->i = group_end(w->p, w->i);
        }
        break;
    case '.':
    case '^':
    case '$':
        special(w);
        w->i++;
        break;
    case '*':
    case '+':
    case '?':
    case '{':
        take_quantifier(w);
        break;
    case ')':
        w->lost = true;
        w->i++;
        break;
    default:
        take_char(w);
    }
    w->lost = w->lost || w->i > w->p.n;
}

/* One literal per alternative of the top level, or none at all. */
static void find_literals(struct search *s)
{
    struct walk w = {.p = s->pattern, .plain = true};
    VEC(struct str) found = {0};
    bool plain = true;

    buf_init(&w.run, MAX_PATTERN);
    buf_init(&w.best, MAX_PATTERN);
    while (!w.lost) {
        struct str one;

        while (w.i < w.p.n && w.p.p[w.i] != '|' && !w.lost) {
            take_piece(&w);
        }
        end_run(&w);
        plain = plain && w.plain;
        one = arena_str_dup(&s->arena, buf_str(&w.best));
        w.lost = w.lost || w.best.n == 0 || one.n != w.best.n || w.run.failed || w.best.failed ||
                 found.n == MAX_LITERALS || !vec_push(&found, one);
        if (w.i >= w.p.n) {
            break;
        }
        w.i++; /* the bar */
        w.plain = true;
        buf_clear(&w.best);
    }
    if (!w.lost) {
        s->literals = arena_array(&s->arena, struct str, found.n);
        s->literals_n = s->literals != NULL ? found.n : 0;
        s->nocase = w.nocase;
        s->plain = plain && !w.nocase && s->literals != NULL;
    }
    if (s->literals_n != 0 && found.v != NULL) {
        memcpy(s->literals, found.v, found.n * sizeof(*found.v));
    }
    vec_done(&found);
    buf_done(&w.run);
    buf_done(&w.best);
}

/* ---- PCRE2 ---- */

static int compile(struct search *s, struct err *reterr)
{
    const uint32_t options = PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                             PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
    int64_t foreign = regex_foreign_syntax(s->pattern);

    if (foreign >= 0) {
        return pcre_refuse(reterr, (size_t)foreign, "syntax that RE2 does not have");
    }
    s->re.no_groups = true;
    return pcre_compile(&s->re, s->pattern, options, &LIMITS, reterr);
}

/* ---- life and use ---- */

static int build(struct search *s, struct str pattern, struct err *reterr)
{
    int rc;

    if (pattern.n > MAX_PATTERN) {
        return err_set(reterr, ERR_INVALID, "regular expression longer than %d bytes", MAX_PATTERN);
    }
    if (!str_is_utf8(pattern)) {
        return err_set(reterr, ERR_INVALID, "regular expression is not UTF-8");
    }
    s->pattern = arena_str_dup(&s->arena, pattern);
    if (s->pattern.n != pattern.n) {
        return err_set(reterr, ERR_NOMEM, "regular expression");
    }
    rc = compile(s, reterr);
    if (rc == 0) {
        find_literals(s);
    }
    return rc;
}

int search_new(struct str pattern, struct search **ret, struct err *reterr)
{
    struct search *s = mem_try_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return err_set(reterr, ERR_NOMEM, "regular expression");
    }
    arena_init(&s->arena, ARENA_BYTES);
    rc = build(s, pattern, reterr);
    if (rc < 0) {
        search_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void search_free(struct search *s)
{
    if (s == NULL) {
        return;
    }
    pcre_done(&s->re);
    arena_done(&s->arena);
    mem_free(s);
}

struct str search_pattern(const struct search *s)
{
    return s->pattern;
}

bool search_found(const struct search *s, struct str text)
{
    bool may = s->literals_n == 0 || s->nocase;

    for (size_t i = 0; i < s->literals_n && !may; i++) {
        may = str_find(text, s->literals[i]) >= 0;
    }
    return may && (s->plain || pcre_matches(&s->re, text));
}

bool search_found_slowly(const struct search *s, struct str text)
{
    return pcre_matches(&s->re, text);
}

const struct str *search_literals(const struct search *s, size_t *ret_n, bool *ret_nocase)
{
    *ret_n = s->literals_n;
    *ret_nocase = s->nocase;
    return s->literals_n != 0 ? s->literals : NULL;
}
