/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to template tree. Blocks nest at most DEPTH_MAX deep.
 */
#include <stdio.h>

#include "base/vec.h"
#include "query/logql/lex.h"
#include "query/logql/template_internal.h"

enum { DEPTH_MAX = 50, ARGS_MAX = 64, COMMANDS_MAX = 64, FIELDS_MAX = 16 };

enum ttoken {
    TT_END,
    TT_PIPE,
    TT_OPEN,
    TT_CLOSE,
    TT_COMMA,
    TT_DECLARE,
    TT_ASSIGN,
    TT_FIELD,
    TT_VAR,
    TT_NAME,
    TT_CONST,
    TT_DOT,
    TT_BAD
};

struct tparser {
    struct arena *a;
    struct finders *owner;
    struct str text;
    size_t at;
    bool trim_left; /* the text that follows loses its leading space */
    unsigned depth;
    struct err *reterr;
    /* the action at hand */
    struct str act;
    size_t pos;
    enum ttoken tok;
    struct str word;
    struct tval value;
    bool spaced; /* white space before the token */
};

static int terror(struct tparser *p, const char *fmt, const char *what, struct str s)
{
    char msg[200];
    size_t line = 1;

    for (size_t i = 0; i < p->at && i < p->text.n; i++) {
        line += p->text.p[i] == '\n';
    }
    snprintf(msg, sizeof(msg), fmt, what, STR_ARG(str_take(s, 60)));
    return err_set(p->reterr, ERR_INVALID, "template: line:%zu: %s", line, msg);
}

static int no_memory(struct tparser *p)
{
    return err_set(p->reterr, ERR_NOMEM, "out of memory");
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_alnum(char c)
{
    return is_alpha(c) || (c >= '0' && c <= '9');
}

static struct str take_word(struct tparser *p)
{
    size_t start = p->pos;

    while (p->pos < p->act.n && is_alnum(p->act.p[p->pos])) {
        p->pos++;
    }
    return str_of(p->act.p + start, p->pos - start);
}

/* ---- tokens of an action ---- */

static int lex_quoted(struct tparser *p)
{
    char quote = p->act.p[p->pos];
    size_t start = p->pos++;
    struct str s;

    while (p->pos < p->act.n && p->act.p[p->pos] != quote) {
        p->pos += p->act.p[p->pos] == '\\' && quote != '`' ? 2 : 1;
    }
    if (p->pos >= p->act.n) {
        return terror(p, "%sunterminated quoted string%.*s", "", STR(""));
    }
    p->pos++;
    if (!lq_unquote(p->a, str_of(p->act.p + start, p->pos - start), &s) || s.p == NULL) {
        return terror(p, "%sinvalid syntax: %.*s", "", str_of(p->act.p + start, p->pos - start));
    }
    p->tok = TT_CONST;
    p->value = tval_str(s);
    if (quote == '\'') {
        p->value = (struct tval){.type = TV_INT, .u.i = s.n != 0 ? (unsigned char)s.p[0] : 0};
    }
    return 0;
}

static int lex_num(struct tparser *p)
{
    size_t start = p->pos++;
    struct str s;

    while (p->pos < p->act.n && (is_alnum(p->act.p[p->pos]) || p->act.p[p->pos] == '.' ||
                                 ((p->act.p[p->pos] == '+' || p->act.p[p->pos] == '-') &&
                                  (p->act.p[p->pos - 1] | 0x20) == 'e'))) {
        p->pos++;
    }
    s = str_of(p->act.p + start, p->pos - start);
    p->tok = TT_CONST;
    if (str_to_i64(s, &p->value.u.i)) {
        p->value.type = TV_INT;
        return 0;
    }
    p->value.type = TV_FLOAT;
    return str_to_f64(s, &p->value.u.f) ? 0 : terror(p, "%sbad number syntax: \"%.*s\"", "", s);
}

static int lex_operator(struct tparser *p, char c)
{
    p->pos++;
    if (c == ':' && p->pos < p->act.n && p->act.p[p->pos] == '=') {
        p->pos++;
        p->tok = TT_DECLARE;
        return 0;
    }
    p->tok = c == '|'   ? TT_PIPE
             : c == '(' ? TT_OPEN
             : c == ')' ? TT_CLOSE
             : c == ',' ? TT_COMMA
             : c == '=' ? TT_ASSIGN
                        : TT_BAD;
    return p->tok == TT_BAD
               ? terror(p, "%sunexpected \"%.*s\" in command", "", str_of(p->act.p + p->pos - 1, 1))
               : 0;
}

static bool is_number(const struct tparser *p, char c)
{
    bool sign = (c == '-' || c == '+') && p->pos + 1 < p->act.n;
    char d = sign ? p->act.p[p->pos + 1] : c;

    return d >= '0' && d <= '9';
}

static int next(struct tparser *p)
{
    size_t before = p->pos;
    char c;

    while (p->pos < p->act.n && strchr(" \t\r\n", p->act.p[p->pos]) != NULL &&
           p->act.p[p->pos] != '\0') {
        p->pos++;
    }
    p->spaced = p->pos != before;
    p->word = str_of("", 0);
    if (p->pos >= p->act.n) {
        p->tok = TT_END;
        return 0;
    }
    c = p->act.p[p->pos];
    if (c == '"' || c == '`' || c == '\'') {
        return lex_quoted(p);
    }
    if (is_number(p, c)) {
        return lex_num(p);
    }
    if (c == '.' || c == '$') {
        p->pos++;
        p->word = take_word(p);
        p->tok = c == '$' ? TT_VAR : p->word.n != 0 ? TT_FIELD : TT_DOT;
        return 0;
    }
    if (is_alpha(c)) {
        p->word = take_word(p);
        p->tok = TT_NAME;
        return 0;
    }
    return lex_operator(p, c);
}

/* ---- pipelines ---- */

static int parse_pipe(struct tparser *p, struct tpipe **ret);

/* .a.b directly behind an operand */
static int parse_fields(struct tparser *p, struct targ *arg)
{
    int rc = 0;

    while (rc == 0 && p->tok == TT_FIELD && !p->spaced) {
        if (arg->fields == NULL) {
            arg->fields = arena_array(p->a, struct str, FIELDS_MAX);
        }
        if (arg->fields == NULL || arg->fields_n == FIELDS_MAX) {
            return no_memory(p);
        }
        arg->fields[arg->fields_n++] = p->word;
        rc = next(p);
    }
    return rc;
}

static int parse_name(struct tparser *p, struct targ *arg)
{
    static const struct {
        struct str name;
        struct tval value;
    } CONSTS[] = {{{"true", 4}, {.type = TV_BOOL, .u.b = true}},
                  {{"false", 5}, {.type = TV_BOOL, .u.b = false}},
                  {{"nil", 3}, {.type = TV_NIL}}};

    for (size_t i = 0; i < ARRAY_LEN(CONSTS); i++) {
        if (str_eq(p->word, CONSTS[i].name)) {
            arg->type = TARG_CONST;
            arg->value = CONSTS[i].value;
            return next(p);
        }
    }
    arg->type = TARG_FUNC;
    arg->fn = tfunction_find(p->word);
    if (arg->fn == NULL) {
        return terror(p, "%sfunction \"%.*s\" not defined", "", p->word);
    }
    return next(p);
}

static int parse_arg(struct tparser *p, struct targ *arg)
{
    int rc;

    *arg = (struct targ){0};
    switch (p->tok) {
    case TT_CONST:
        arg->type = TARG_CONST;
        arg->value = p->value;
        return next(p);
    case TT_DOT:
        arg->type = TARG_DOT;
        return next(p);
    case TT_FIELD:
        arg->type = TARG_FIELD;
        p->spaced = false;
        return parse_fields(p, arg);
    case TT_VAR:
        arg->type = TARG_VAR;
        arg->name = p->word;
        rc = next(p);
        return rc < 0 ? rc : parse_fields(p, arg);
    case TT_OPEN:
        arg->type = TARG_PAREN;
        rc = next(p);
        rc = rc < 0 ? rc : parse_pipe(p, &arg->pipe);
        if (rc == 0 && p->tok != TT_CLOSE) {
            return terror(p, "%sunclosed left paren%.*s", "", STR(""));
        }
        rc = rc < 0 ? rc : next(p);
        return rc < 0 ? rc : parse_fields(p, arg);
    case TT_NAME:
        return parse_name(p, arg);
    default:
        return terror(p, "%sunexpected token in operand%.*s", "", STR(""));
    }
}

/* A constant pattern is compiled once. */
static int prepare_regex(struct tparser *p, struct tcommand *c)
{
    const char *name = c->args[0].type == TARG_FUNC ? c->args[0].fn->name : "";
    struct err e = {0};

    if (c->n < 2 || c->args[1].type != TARG_CONST || c->args[1].value.type != TV_STR ||
        (strcmp(name, "count") != 0 && strncmp(name, "regexReplaceAll", 15) != 0)) {
        return 0;
    }
    if (finder_new(c->args[1].value.u.s, FINDER_GROUPS, &c->re, &e) < 0) {
        return err_set(p->reterr, ERR_INVALID, "template: %s", e.msg);
    }
    if (!vec_push(p->owner, c->re)) {
        finder_free(c->re);
        return no_memory(p);
    }
    return 0;
}

static bool ends_command(enum ttoken t)
{
    return t == TT_END || t == TT_PIPE || t == TT_CLOSE;
}

static int parse_command(struct tparser *p, struct tcommand *c)
{
    struct targ args[ARGS_MAX];
    int rc = 0;

    c->n = 0;
    while (rc == 0 && !ends_command(p->tok)) {
        if (c->n == ARGS_MAX) {
            return terror(p, "%stoo many arguments%.*s", "", STR(""));
        }
        rc = parse_arg(p, &args[c->n]);
        c->n++;
    }
    if (rc == 0 && c->n == 0) {
        return terror(p, "%smissing value for command%.*s", "", STR(""));
    }
    if (rc == 0 && c->n > 1 && args[0].type != TARG_FUNC) {
        return terror(p, "%scan't give argument to non-function%.*s", "", STR(""));
    }
    if (rc < 0) {
        return rc;
    }
    c->args = arena_array(p->a, struct targ, c->n);
    if (c->args == NULL) {
        return no_memory(p);
    }
    memcpy(c->args, args, c->n * sizeof(*args));
    return prepare_regex(p, c);
}

/* "$a :=", "$a =", "$i, $e :=" at the front, if any. */
static int parse_declaration(struct tparser *p, struct tpipe *pipe)
{
    struct tparser before = *p;
    struct str first;
    struct str second = {0};
    int rc;

    if (p->tok != TT_VAR || p->word.n == 0) {
        return 0;
    }
    first = p->word;
    rc = next(p);
    if (rc == 0 && p->tok == TT_COMMA) {
        rc = next(p);
        second = p->word;
        if (rc == 0 && p->tok != TT_VAR) {
            return terror(p, "%sexpected variable after comma%.*s", "", STR(""));
        }
        rc = rc < 0 ? rc : next(p);
    }
    if (rc == 0 && (p->tok == TT_DECLARE || p->tok == TT_ASSIGN)) {
        pipe->declares = p->tok == TT_DECLARE;
        pipe->var = first;
        pipe->var2 = second;
        return next(p);
    }
    *p = before;
    return rc;
}

static int parse_pipe(struct tparser *p, struct tpipe **ret)
{
    struct tcommand commands[COMMANDS_MAX] = {0};
    struct tpipe *pipe = arena_calloc(p->a, 1, sizeof(*pipe));
    int rc;

    if (pipe == NULL) {
        return no_memory(p);
    }
    if (++p->depth > DEPTH_MAX) {
        return terror(p, "%snested too deeply%.*s", "", STR(""));
    }
    rc = parse_declaration(p, pipe);
    while (rc == 0) {
        if (pipe->n == COMMANDS_MAX) {
            return terror(p, "%stoo many commands%.*s", "", STR(""));
        }
        rc = parse_command(p, &commands[pipe->n]);
        if (rc == 0 && pipe->n != 0 && commands[pipe->n].args[0].type != TARG_FUNC) {
            return terror(p, "%snon executable command in pipeline stage%.*s", "", STR(""));
        }
        pipe->n++;
        if (rc < 0 || p->tok != TT_PIPE) {
            break;
        }
        rc = next(p);
    }
    p->depth--;
    if (rc < 0) {
        return rc;
    }
    pipe->v = arena_array(p->a, struct tcommand, pipe->n);
    if (pipe->v == NULL) {
        return no_memory(p);
    }
    memcpy(pipe->v, commands, pipe->n * sizeof(*commands));
    *ret = pipe;
    return 0;
}

static int parse_whole_pipe(struct tparser *p, struct tpipe **ret)
{
    int rc = parse_pipe(p, ret);

    return rc == 0 && p->tok != TT_END ? terror(p, "%sunexpected right paren%.*s", "", STR(""))
                                       : rc;
}

/* ---- blocks ---- */

static struct str trim_space(struct str s, bool left, bool right)
{
    while (left && s.n != 0 && strchr(" \t\r\n", s.p[0]) != NULL && s.p[0] != '\0') {
        s = str_drop(s, 1);
    }
    while (right && s.n != 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL && s.p[s.n - 1] != '\0') {
        s.n--;
    }
    return s;
}

/* Where the action ends, quotes minded. @return offset of "}}", -1: none */
static int64_t action_end(struct str s)
{
    char quote = '\0';

    for (size_t i = 0; i + 1 < s.n; i++) {
        char c = s.p[i];

        if (quote != '\0') {
            i += c == '\\' && quote != '`';
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '`' || c == '\'') {
            quote = c;
        } else if (c == '}' && s.p[i + 1] == '}') {
            return (int64_t)i;
        }
    }
    return -1;
}

/* The text up to the next action and the action itself. @return 1, 0: only text is left, <0 */
static int split(struct tparser *p, struct str *ret_text)
{
    struct str rest = str_drop(p->text, p->at);
    int64_t open = str_find(rest, STR("{{"));
    struct str act;
    int64_t close;
    bool left = p->trim_left;
    bool comment;

    p->trim_left = false;
    if (open < 0) {
        *ret_text = trim_space(rest, left, false);
        p->at = p->text.n;
        return 0;
    }
    *ret_text = str_take(rest, (size_t)open);
    act = str_drop(rest, (size_t)open + 2);
    if (act.n > 1 && act.p[0] == '-' && strchr(" \t\r\n", act.p[1]) != NULL) {
        *ret_text = trim_space(*ret_text, left, true);
        act = str_drop(act, 1);
    } else {
        *ret_text = trim_space(*ret_text, left, false);
    }
    comment = str_starts(trim_space(act, true, false), STR("/*"));
    close = comment ? str_find(act, STR("*/")) : action_end(act);
    if (comment && close >= 0) {
        int64_t end = str_find(str_drop(act, (size_t)close), STR("}}"));

        close = end < 0 ? -1 : close + end;
    }
    if (close < 0) {
        return terror(p, "%sunclosed action%.*s", "", STR(""));
    }
    p->at = (size_t)(act.p - p->text.p) + (size_t)close + 2;
    act = str_take(act, (size_t)close);
    if (act.n > 1 && act.p[act.n - 1] == '-' && strchr(" \t\r\n", act.p[act.n - 2]) != NULL) {
        act.n--;
        p->trim_left = true;
    }
    p->act = comment ? str_of("", 0) : act;
    p->pos = 0;
    if (comment) {
        p->tok = TT_END;
        p->word = STR("/*");
        return 1;
    }
    return next(p) < 0 ? -ERR_INVALID : 1;
}

enum stop { STOP_END_OF_TEXT, STOP_END, STOP_ELSE };

static int parse_list(struct tparser *p, struct tnode **ret, enum stop *ret_stop);

static int parse_branches(struct tparser *p, struct tnode *n)
{
    enum stop stop = STOP_END;
    int rc = parse_list(p, &n->body, &stop);

    if (rc < 0 || stop == STOP_END) {
        return rc;
    }
    if (stop == STOP_END_OF_TEXT) {
        return terror(p, "%sunexpected EOF%.*s", "", STR(""));
    }
    /* behind "else": a condition makes it "else if" or "else with", whose end is ours */
    if (p->tok == TT_NAME) {
        bool with = str_eq(p->word, STR("with"));

        if (!with && !str_eq(p->word, STR("if"))) {
            return terror(p, "%sunexpected <%.*s> in else", "", p->word);
        }
        n->other = arena_calloc(p->a, 1, sizeof(*n->other));
        if (n->other == NULL) {
            return no_memory(p);
        }
        n->other->type = with ? TNODE_WITH : TNODE_IF;
        rc = next(p);
        rc = rc < 0 ? rc : parse_whole_pipe(p, &n->other->pipe);
        return rc < 0 ? rc : parse_branches(p, n->other);
    }
    rc = parse_list(p, &n->other, &stop);
    return rc == 0 && stop != STOP_END ? terror(p, "%sunexpected EOF or {{else}}%.*s", "", STR(""))
                                       : rc;
}

static int parse_block(struct tparser *p, struct tnode *n)
{
    int rc;

    n->type = str_eq(p->word, STR("if"))      ? TNODE_IF
              : str_eq(p->word, STR("range")) ? TNODE_RANGE
                                              : TNODE_WITH;
    if (++p->depth > DEPTH_MAX) {
        return terror(p, "%snested too deeply%.*s", "", STR(""));
    }
    rc = next(p);
    rc = rc < 0 ? rc : parse_whole_pipe(p, &n->pipe);
    rc = rc < 0 ? rc : parse_branches(p, n);
    p->depth--;
    return rc;
}

static int add_node(struct tparser *p, struct tnode ***at, struct tnode **ret)
{
    struct tnode *n = arena_calloc(p->a, 1, sizeof(*n));

    if (n == NULL) {
        return no_memory(p);
    }
    **at = n;
    *at = &n->next;
    *ret = n;
    return 0;
}

/* One action. @return 1: it ends the list */
static int parse_action(struct tparser *p, struct tnode ***at, enum stop *ret_stop)
{
    struct tnode *n = NULL;
    int rc;

    if (p->tok == TT_END) {
        return p->word.n != 0 ? 0 : terror(p, "%smissing value for command%.*s", "", STR(""));
    }
    if (p->tok == TT_NAME && (str_eq(p->word, STR("end")) || str_eq(p->word, STR("else")))) {
        *ret_stop = str_eq(p->word, STR("end")) ? STOP_END : STOP_ELSE;
        rc = next(p);
        return rc < 0 ? rc : 1;
    }
    rc = add_node(p, at, &n);
    if (rc < 0 || n == NULL) {
        return rc;
    }
    if (p->tok == TT_NAME && (str_eq(p->word, STR("if")) || str_eq(p->word, STR("range")) ||
                              str_eq(p->word, STR("with")))) {
        return parse_block(p, n);
    }
    n->type = TNODE_ACTION;
    return parse_whole_pipe(p, &n->pipe);
}

static int parse_list(struct tparser *p, struct tnode **ret, enum stop *ret_stop)
{
    struct tnode **at = ret;
    int more = 1;

    *ret_stop = STOP_END_OF_TEXT;
    while (more > 0) {
        struct str text = {0};
        struct tnode *n = NULL;
        int rc;

        more = split(p, &text);
        if (more < 0) {
            return more;
        }
        if (text.n != 0) {
            rc = add_node(p, &at, &n);
            if (rc < 0 || n == NULL) {
                return rc;
            }
            n->type = TNODE_TEXT;
            n->text = text;
        }
        rc = more > 0 ? parse_action(p, &at, ret_stop) : 0;
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
    }
    return 0;
}

int template_new(struct arena *a, struct finders *owner, struct str text, struct template **ret,
                 struct err *reterr)
{
    struct tparser p = {.a = a, .owner = owner, .text = text, .reterr = reterr};
    struct template *t = arena_calloc(a, 1, sizeof(*t));
    enum stop stop;
    int rc;

    if (t == NULL) {
        return no_memory(&p);
    }
    rc = parse_list(&p, &t->root, &stop);
    if (rc == 0 && stop != STOP_END_OF_TEXT) {
        rc = terror(&p, "%sunexpected {{%.*s}}", "", stop == STOP_END ? STR("end") : STR("else"));
    }
    *ret = t;
    return rc;
}
