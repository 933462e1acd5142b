/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels are names that lost their odd characters, so the store is first asked which attribute names there are; a
 * condition on a label becomes one on the attributes it may stand for.
 */
#include "query/logql/plan.h"

enum { PLAN_ARENA = 128 << 20, SOURCES_MAX = 16, LEVELS = 8 };

static const struct str LEVEL = {LOGQL_LEVEL, sizeof(LOGQL_LEVEL) - 1};
static const struct str SERVICE = {"service_name", 12};
static const struct str UNKNOWN_SERVICE = {"unknown_service", 15};

static struct field intrinsic(const char *name)
{
    return (struct field){FIELD_INTRINSIC, str_cstr(name)};
}

static struct value text_value(struct str s)
{
    return (struct value){.type = VALUE_STR, .u.s = s};
}

/* ---- what a label may stand for ---- */

struct sources {
    struct field v[SOURCES_MAX];
    unsigned types[SOURCES_MAX];
    size_t n;
    bool unclear; /* there may be more */
};

static bool same_label(struct plan *p, struct str raw, struct str label)
{
    if (raw.n + 1 < label.n || raw.n > 4 * label.n) {
        return false; /* a character of up to 4 bytes becomes one, a digit in front gets one */
    }
    return str_eq(logql_label_name(&p->arena, raw), label);
}

static void add_source(struct sources *s, struct field f, unsigned types)
{
    if (s->n == SOURCES_MAX) {
        s->unclear = true;
        return;
    }
    s->types[s->n] = types;
    s->v[s->n++] = f;
}

/* May a map attribute be flattened into the label? */
static bool may_contain(struct plan *p, const struct columns_name *n, struct str label)
{
    struct str name;

    if (n->types != 0 && (n->types & 1u << VALUE_MAP) == 0) {
        return false;
    }
    name = logql_label_name(&p->arena, n->name);
    return name.n + 1 < label.n && label.p[name.n] == '_' && str_starts(label, name);
}

static void find_sources(struct plan *p, struct str label, bool metadata, struct sources *ret)
{
    static const char *const INTRINSICS[] = {"trace_id",   "span_id",    "severity_text",
                                             "event_name", "scope_name", LOGQL_PATTERN};

    *ret = (struct sources){0};
    for (size_t i = 0; i < p->names.n; i++) {
        const struct columns_name *n = &p->names.v[i];

        if (n->scope != FIELD_RESOURCE && (n->scope != FIELD_ATTR || !metadata)) {
            continue;
        }
        ret->unclear = ret->unclear || may_contain(p, n, label);
        if (same_label(p, n->name, label)) {
            add_source(ret, (struct field){n->scope, n->name}, n->types);
        }
    }
    for (size_t i = 0; metadata && i < ARRAY_LEN(INTRINSICS); i++) {
        if (str_eq(label, str_cstr(INTRINSICS[i]))) {
            add_source(ret, intrinsic(INTRINSICS[i]), 1u << VALUE_STR);
        }
    }
}

/* ---- conditions ---- */

/* A condition: NULL filter and !nothing is "all rows". */
struct condition {
    const struct filter *f;
    bool nothing;
    bool exact;
    bool failed; /* no memory */
};

static struct condition unknown(void)
{
    return (struct condition){0};
}

static struct condition none(void)
{
    return (struct condition){.nothing = true, .exact = true};
}

static struct condition of(const struct filter *f, bool exact)
{
    return (struct condition){.f = f, .exact = exact, .failed = f == NULL};
}

static struct condition join(struct plan *p, bool both, struct condition a, struct condition b)
{
    const struct filter *kids[] = {a.f, b.f};
    struct condition c = {.exact = a.exact && b.exact, .failed = a.failed || b.failed};

    if (both) {
        if (a.nothing || b.nothing) {
            return none();
        }
        if (a.f == NULL || b.f == NULL) {
            c.f = a.f != NULL ? a.f : b.f;
            return c;
        }
    } else {
        if (a.nothing || b.nothing) {
            struct condition other = a.nothing ? b : a;

            other.exact = c.exact;
            return other;
        }
        if (a.f == NULL || b.f == NULL) {
            return c;
        }
    }
    c.f = both ? filter_and(&p->arena, kids, 2) : filter_or(&p->arena, kids, 2);
    c.failed = c.failed || c.f == NULL;
    return c;
}

static struct condition negate(struct plan *p, struct condition c)
{
    return c.f == NULL ? unknown() : of(filter_not(&p->arena, c.f), c.exact);
}

/* A matcher on one field; true when absent for the negative ones. */
static struct condition field_matches(struct plan *p, struct field f, struct matcher *m)
{
    enum match_op op = matcher_op(m);

    if (op == MATCH_NEQ &&
        matcher_value(m).n == 0) { /* the store's "!=" is true of what is not there */
        return join(
            p, true,
            of(filter_pred(&p->arena, f, PRED_EXISTS, (struct value){.type = VALUE_NONE}), true),
            of(filter_pred(&p->arena, f, PRED_NE, text_value(STR(""))), true));
    }
    if (op == MATCH_EQ || op == MATCH_NEQ) {
        return of(filter_pred(&p->arena, f, op == MATCH_EQ ? PRED_EQ : PRED_NE,
                              text_value(matcher_value(m))),
                  true);
    }
    /* the filter's expressions are made with MATCH_RE; "!~" is left to the pipeline */
    return op == MATCH_RE ? of(filter_regex(&p->arena, f, false, m), true) : unknown();
}

/* Severity numbers whose level the matcher takes. */
static struct condition level_matches(struct plan *p, const struct matcher *m)
{
    static const uint8_t ENDS[LEVELS][2] = {{0, 0},   {1, 4},   {5, 8},   {9, 12},
                                            {13, 16}, {17, 17}, {18, 20}, {21, 24}};
    struct condition any = none();

    for (size_t i = 0; i < LEVELS; i++) {
        struct condition low;
        struct condition high;

        if (!matcher_matches(m, str_cstr(logql_level_name(ENDS[i][0])))) {
            continue;
        }
        low = of(filter_pred(&p->arena, intrinsic("severity_number"), PRED_GE,
                             (struct value){.type = VALUE_I64, .u.i = ENDS[i][0]}),
                 true);
        high = of(filter_pred(&p->arena, intrinsic("severity_number"), PRED_LE,
                              (struct value){.type = VALUE_I64, .u.i = ENDS[i][1]}),
                  true);
        any = join(p, false, any, join(p, true, low, high));
    }
    return any;
}

static struct condition absent(struct plan *p, const struct sources *s)
{
    struct condition all = {.exact = true};

    for (size_t i = 0; i < s->n; i++) {
        struct condition there = of(
            filter_pred(&p->arena, s->v[i], PRED_EXISTS, (struct value){.type = VALUE_NONE}), true);

        all = join(p, true, all, negate(p, there));
    }
    return all;
}

static struct condition label_matches(struct plan *p, struct str label, struct matcher *m,
                                      bool metadata)
{
    struct condition any = none();
    struct sources s;

    if (str_eq(label, LEVEL)) {
        return level_matches(p, m);
    }
    find_sources(p, label, metadata, &s);
    if (s.unclear) {
        return unknown();
    }
    if (matcher_matches_empty(m)) {
        /* only "!=" is true of a field that is not there */
        return s.n == 1 && matcher_op(m) == MATCH_NEQ ? field_matches(p, s.v[0], m) : unknown();
    }
    for (size_t i = 0; i < s.n; i++) {
        any = join(p, false, any, field_matches(p, s.v[i], m));
    }
    if (str_eq(label, SERVICE) && matcher_matches(m, UNKNOWN_SERVICE)) {
        any = join(p, false, any, absent(p, &s)); /* an empty value is missing too */
        for (size_t i = 0; i < s.n; i++) {
            any = join(p, false, any,
                       of(filter_pred(&p->arena, s.v[i], PRED_EQ, text_value(STR(""))), true));
        }
    }
    /* with several fields the first decides, which the filter does not know */
    any.exact = any.exact && s.n <= 1;
    return any;
}

static struct condition number_matches(struct plan *p, const struct label_filter *f)
{
    static const enum pred_op OPS[] = {PRED_EQ, PRED_NE, PRED_GT, PRED_GE, PRED_LT, PRED_LE};

    const unsigned numbers = 1u << VALUE_I64 | 1u << VALUE_F64;
    struct sources s;

    find_sources(p, f->name, true, &s);
    if (s.unclear || s.n != 1 || s.types[0] == 0 || (s.types[0] & ~numbers) != 0) {
        return unknown();
    }
    return of(filter_pred(&p->arena, s.v[0], OPS[f->cmp],
                          (struct value){.type = VALUE_F64, .u.f = f->number}),
              f->cmp != CMP_NE);
}

static struct condition label_filter_of(struct plan *p, const struct label_filter *f)
{
    switch (f->test) {
    case TEST_AND:
    case TEST_OR: {
        struct condition left = label_filter_of(p, f->left);
        struct condition right = label_filter_of(p, f->right);

        return join(p, f->test == TEST_AND, left, right);
    }
    case TEST_STRING:
        return label_matches(p, f->name, f->matcher, true);
    case TEST_NUMBER:
        return number_matches(p, f);
    default:
        return unknown();
    }
}

/* ---- line filters ---- */

static struct condition term_of(struct plan *p, enum line_op op, const struct line_term *t)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct search *s;

    if (t->is_ip || op == LINE_PATTERN || op == LINE_NOT_PATTERN) {
        return unknown();
    }
    if (t->text.n == 0) {
        return (struct condition){.exact = true};
    }
    if (op == LINE_CONTAINS || op == LINE_NOT_CONTAINS) {
        return of(filter_pred(&p->arena, intrinsic("body"), PRED_CONTAINS_CS, text_value(t->text)),
                  true);
    }
    buf_init(&b, 128 << 10);
    buf_add_cstr(&b, "(?s)"); /* here the dot is every character */
    buf_add_str(&b, t->text);
    if (search_new(buf_str(&b), &s, NULL) < 0) {
        return unknown();
    }
    if (!vec_push(&p->searches, s)) {
        search_free(s);
        return (struct condition){.failed = true};
    }
    return of(filter_search(&p->arena, intrinsic("body"), s), true);
}

static struct condition line_filter_of(struct plan *p, const struct line_filter *f)
{
    bool negative =
        f->op == LINE_NOT_CONTAINS || f->op == LINE_NOT_MATCH || f->op == LINE_NOT_PATTERN;
    struct condition all = {.exact = true};

    if (!negative) {
        all = none();
        for (size_t i = 0; i < f->n; i++) {
            all = join(p, false, all, term_of(p, f->op, &f->terms[i]));
        }
        return all;
    }
    for (size_t i = 0; i < f->n; i++) {
        struct condition c = term_of(p, f->op, &f->terms[i]);

        /* an empty text is in every line */
        all = join(p, true, all,
                   f->terms[i].text.n == 0 && !f->terms[i].is_ip && c.f == NULL && c.exact
                       ? none()
                       : negate(p, c));
    }
    return all;
}

/* ---- labels that a parser finds ---- */

/* Can a parser make the text only of the same bytes of the line, where that has no backslash? Numbers, lists and
 * literals of JSON may be written in other ways, and broken UTF-8 is replaced. */
static bool is_copied(struct str text)
{
    static const struct str LITERALS[] = {STR("true"), STR("false"), STR("null")};

    for (size_t i = 0; i < ARRAY_LEN(LITERALS); i++) {
        if (str_eq(text, LITERALS[i])) {
            return false;
        }
    }
    return text.n != 0 && strchr("+-.0123456789{[", text.p[0]) == NULL &&
           str_find(text, STR("\xef\xbf\xbd")) < 0;
}

/* A label that only parsers make: its text stands in the line. */
static struct condition parsed_matches(struct plan *p, const struct label_filter *f)
{
    struct str text = matcher_value(f->matcher);
    struct sources s;

    if (matcher_op(f->matcher) != MATCH_EQ || !is_copied(text) || str_starts(f->name, STR("__")) ||
        str_eq(f->name, LEVEL) || str_eq(f->name, SERVICE)) {
        return unknown();
    }
    find_sources(p, f->name, true, &s);
    if (s.unclear || s.n != 0) {
        return unknown();
    }
    return join(
        p, false,
        of(filter_pred(&p->arena, intrinsic("body"), PRED_CONTAINS_CS, text_value(text)), false),
        of(filter_pred(&p->arena, intrinsic("body"), PRED_CONTAINS_CS, text_value(STR("\\"))),
           false));
}

static struct condition parsed_filter_of(struct plan *p, const struct label_filter *f)
{
    switch (f->test) {
    case TEST_AND:
    case TEST_OR: {
        struct condition left = parsed_filter_of(p, f->left);
        struct condition right = parsed_filter_of(p, f->right);

        return join(p, f->test == TEST_AND, left, right);
    }
    case TEST_STRING:
        return parsed_matches(p, f);
    default:
        return unknown();
    }
}

/* Does the stage make labels of pieces of the line, and leaves the line? */
static bool copies_pieces(enum stage_type t)
{
    return t == STAGE_JSON || t == STAGE_REGEXP || t == STAGE_PATTERN || t == STAGE_LABEL ||
           t == STAGE_LINE;
}

/* ---- the whole ---- */

static struct condition pipeline_of(struct plan *p)
{
    struct condition all = {.exact = true};
    bool line = true;
    bool labels = true;
    bool pieces = true;

    for (size_t i = 0; i < p->pipe->matchers_n; i++) {
        struct matcher *m = p->pipe->matchers[i];

        all = join(p, true, all, label_matches(p, matcher_name(m), m, false));
    }
    for (size_t i = 0; i < p->pipe->n; i++) {
        const struct stage *s = &p->pipe->stages[i];

        switch (s->type) {
        case STAGE_LINE:
            all = join(p, true, all, line ? line_filter_of(p, &s->line) : unknown());
            break;
        case STAGE_LABEL:
            all = join(p, true, all,
                       labels   ? label_filter_of(p, s->label)
                       : pieces ? parsed_filter_of(p, s->label)
                                : unknown());
            break;
        default:
            all.exact = false;
            labels = false;
            pieces = pieces && copies_pieces(s->type);
            line = line && s->type != STAGE_LINE_FORMAT && s->type != STAGE_UNPACK &&
                   s->type != STAGE_DECOLORIZE;
            break;
        }
    }
    return all;
}

int lq_plan_make(struct plan *p, const struct pipeline *pipe, const struct logql_ask *ask,
                 int64_t min_ns, int64_t max_ns, struct err *reterr)
{
    struct columns_query q = {
        .min_ns = min_ns, .max_ns = max_ns, .cancel = ask->cancel, .budget = ask->budget};
    struct condition c;
    int rc;

    *p = (struct plan){.pipe = pipe};
    arena_init(&p->arena, PLAN_ARENA);
    lq_streams_init(&p->streams, ask->limits.memory_bytes);
    rc = columns_names(ask->logs, &q, &p->arena, &p->names, reterr);
    if (rc < 0) {
        return rc;
    }
    c = pipeline_of(p);
    if (ask->also != NULL) {
        c = join(p, true, c, of(ask->also, true));
    }
    if (c.failed) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    p->filter = c.f;
    p->nothing = c.nothing;
    p->exact = c.exact;
    return 0;
}

void lq_plan_done(struct plan *p)
{
    for (size_t i = 0; i < p->searches.n; i++) {
        search_free(p->searches.v[i]);
    }
    vec_done(&p->searches);
    lq_streams_done(&p->streams);
    arena_done(&p->arena);
}

/* ---- projection ---- */

struct wanted {
    unsigned need;
    struct str *attrs;
    size_t attrs_n;
    bool all;
};

static void want_label(struct plan *p, struct wanted *w, struct str label)
{
    struct sources s;

    find_sources(p, label, true, &s);
    w->all = w->all || s.unclear;
    for (size_t i = 0; i < s.n; i++) {
        if (s.v[i].scope == FIELD_ATTR) {
            w->need |= COLUMNS_NEED_ATTRS;
            w->attrs[w->attrs_n++] = s.v[i].name;
        } else if (s.v[i].scope == FIELD_INTRINSIC) {
            w->need |= str_eq(label, STR("scope_name"))    ? COLUMNS_NEED_SCOPE
                       : str_eq(label, STR(LOGQL_PATTERN)) ? COLUMNS_NEED_PATTERN
                       : str_ends(label, STR("_id"))       ? COLUMNS_NEED_IDS
                                                           : COLUMNS_NEED_TEXT;
        }
    }
}

int lq_plan_query(struct plan *p, const struct plan_needs *needs, const struct logql_ask *ask,
                  int64_t min_ns, int64_t max_ns, struct columns_query *ret, struct err *reterr)
{
    struct wanted w = {.need = COLUMNS_NEED_RESOURCE | COLUMNS_NEED_TIMES, .all = needs->all};

    *ret = (struct columns_query){.min_ns = min_ns,
                                  .max_ns = max_ns,
                                  .filter = p->filter,
                                  .cancel = ask->cancel,
                                  .budget = ask->budget};
    w.attrs = arena_array(&p->arena, struct str, (needs->n + 1) * SOURCES_MAX);
    if (w.attrs == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; !w.all && i < needs->n; i++) {
        want_label(p, &w, needs->names[i]);
    }
    if (needs->line) {
        w.need |= COLUMNS_NEED_BODY;
    }
    for (size_t i = 0; !p->exact && i < p->pipe->n; i++) {
        enum stage_type t = p->pipe->stages[i].type;

        if (t != STAGE_LABEL && t != STAGE_DROP && t != STAGE_KEEP && t != STAGE_UNWRAP) {
            w.need |= COLUMNS_NEED_BODY;
        }
    }
    if (!w.all) {
        ret->need = w.need;
        ret->attrs = w.attrs_n != 0 ? w.attrs : NULL;
        ret->attrs_n = w.attrs_n;
    }
    return 0;
}

bool lq_plan_field(const struct plan *p, struct str label, struct field *ret,
                   struct str *ret_missing)
{
    struct plan *mine = (struct plan *)(uintptr_t)p; /* its arena */
    struct sources s;

    *ret_missing = str_eq(label, SERVICE) ? UNKNOWN_SERVICE : str_of("", 0);
    if (str_eq(label, LEVEL)) {
        *ret = intrinsic("severity_number");
        return true;
    }
    find_sources(mine, label, true, &s);
    if (s.unclear || s.n != 1) {
        return false;
    }
    *ret = s.v[0];
    return true;
}

bool lq_plan_accepts(const struct plan *p, struct labels ls)
{
    for (size_t i = 0; i < p->pipe->matchers_n; i++) {
        const struct matcher *m = p->pipe->matchers[i];

        if (!str_eq(matcher_name(m), LEVEL) &&
            !matcher_matches(m, labels_get(ls, matcher_name(m)))) {
            return false;
        }
    }
    return true;
}

const struct stream *lq_plan_stream(struct plan *p, const struct resource *r)
{
    bool fresh;
    const struct stream *s = lq_streams_find(&p->streams, r, &fresh);

    if (s != NULL && fresh) {
        struct stream *mine = (struct stream *)(uintptr_t)s;

        mine->selected = lq_plan_accepts(p, s->labels);
    }
    return s;
}

bool lq_plan_selects(const struct plan *p, const struct stream *s, const struct log_record *record)
{
    if (!s->selected) {
        return false;
    }
    for (size_t i = 0; i < p->pipe->matchers_n; i++) {
        const struct matcher *m = p->pipe->matchers[i];

        if (str_eq(matcher_name(m), LEVEL) &&
            !matcher_matches(m, str_cstr(logql_level_name(record->severity)))) {
            return false;
        }
    }
    return true;
}
