/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of relabelling, one function an action. Invariant: a rule touches only names and values in the
 * set's arena or its own configuration, so that a set outlives the buffers of a run.
 */
#include "ingest/scrape/relabel.h"

#include <locale.h>
#include <stdlib.h>
#include <wctype.h>

#include "base/alloc.h"
#include "base/err.h"
#include "codec/md5.h"
#include "codec/utf8.h"

enum { VALUE_MAX = 1 << 20 }; /* bytes of a joined or expanded value */

/* ---- label sets ---- */

static struct label *find(const struct labelset *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (str_eq(s->v[i].name, name)) {
            return &s->v[i];
        }
    }
    return NULL;
}

struct str labelset_get(const struct labelset *s, struct str name)
{
    const struct label *l = find(s, name);

    return l != NULL ? l->value : str_of("", 0);
}

static bool reserve(struct labelset *s, size_t cap)
{
    struct label *v;

    if (cap <= s->cap) {
        return true;
    }
    cap = cap < 2 * s->cap ? 2 * s->cap : cap;
    v = arena_array(s->a, struct label, cap);
    if (v == NULL) {
        s->failed = true;
        return false;
    }
    if (s->n != 0) {
        memcpy(v, s->v, s->n * sizeof(*v));
    }
    s->v = v;
    s->cap = cap;
    return true;
}

void labelset_set(struct labelset *s, struct str name, struct str value)
{
    struct label *l = find(s, name);

    if (value.n == 0) {
        labelset_del(s, name);
    } else if (l != NULL) {
        l->value = value;
    } else if (reserve(s, s->n + 1)) {
        s->v[s->n++] = (struct label){name, value};
    }
}

void labelset_del(struct labelset *s, struct str name)
{
    struct label *l = find(s, name);

    if (l != NULL) {
        *l = s->v[--s->n];
    }
}

void labelset_from(struct labelset *s, struct arena *a, struct labels ls)
{
    *s = (struct labelset){.a = a};
    if (reserve(s, ls.n + 8)) {
        for (size_t i = 0; i < ls.n; i++) {
            if (ls.v[i].value.n != 0) {
                s->v[s->n++] = ls.v[i];
            }
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

struct labels labelset_sort(struct labelset *s)
{
    if (s->n > 1) {
        qsort(s->v, s->n, sizeof(*s->v), by_name);
    }
    return (struct labels){s->v, s->n};
}

/* ---- names ---- */

bool scheme_label_ok(enum name_scheme s, struct str name)
{
    return s == NAMES_UTF8 ? name.n != 0 && str_is_utf8(name) : label_name_is_valid(name);
}

bool scheme_metric_ok(enum name_scheme s, struct str name)
{
    return s == NAMES_UTF8 ? name.n != 0 && str_is_utf8(name) : metric_name_is_valid(name);
}

const char *relabel_action_text(enum relabel_action a)
{
    static const char *const TEXTS[] = {
#define RELABEL_TEXT(name, text) [name] = (text),
        RELABEL_TABLE(RELABEL_TEXT)
#undef RELABEL_TEXT
    };

    return TEXTS[a];
}

/* ---- checks ---- */

struct relabel_rule relabel_rule_default(void)
{
    return (struct relabel_rule){.separator = STR(";"),
                                 .replacement = STR("$1"),
                                 .pattern = STR("(.*)"),
                                 .action = RELABEL_REPLACE};
}

static bool has_group(struct str s)
{
    return str_find_byte(s, '$') >= 0;
}

static int invalid(const struct relabel_rule *r, const char *what, struct str value,
                   struct err *reterr)
{
    return err_set(reterr, ERR_INVALID, "\"%.*s\" is invalid '%s' for %s action", STR_ARG(value),
                   what, relabel_action_text(r->action));
}

static bool needs_target(enum relabel_action a)
{
    return a == RELABEL_REPLACE || a == RELABEL_HASHMOD || a == RELABEL_LOWERCASE ||
           a == RELABEL_UPPERCASE || a == RELABEL_KEEPEQUAL || a == RELABEL_DROPEQUAL;
}

/* Is everything beside source_labels and target_label as nobody set it? */
static bool only_defaults(const struct relabel_rule *r, bool regex_too)
{
    const struct relabel_rule d = relabel_rule_default();

    return r->modulus == 0 && str_eq(r->separator, d.separator) &&
           str_eq(r->replacement, d.replacement) && (!regex_too || str_eq(r->pattern, d.pattern));
}

static int check_fields(const struct relabel_rule *r, struct err *reterr)
{
    const char *action = relabel_action_text(r->action);
    bool equal = r->action == RELABEL_KEEPEQUAL || r->action == RELABEL_DROPEQUAL;
    bool letters = r->action == RELABEL_LOWERCASE || r->action == RELABEL_UPPERCASE;

    if (r->action == RELABEL_HASHMOD && r->modulus == 0) {
        return err_set(reterr, ERR_INVALID,
                       "relabel configuration for hashmod requires non-zero modulus");
    }
    if (needs_target(r->action) && r->target.n == 0) {
        return err_set(reterr, ERR_INVALID,
                       "relabel configuration for %s action requires 'target_label' value", action);
    }
    if (needs_target(r->action) && (r->action != RELABEL_REPLACE || !has_group(r->target)) &&
        !scheme_label_ok(r->scheme, r->target)) {
        return invalid(r, "target_label", r->target, reterr);
    }
    if ((letters || equal) && !str_eq(r->replacement, STR("$1"))) {
        return err_set(reterr, ERR_INVALID, "'replacement' can not be set for %s action", action);
    }
    if (r->action == RELABEL_LABELMAP && !has_group(r->replacement) &&
        !scheme_label_ok(r->scheme, r->replacement)) {
        return invalid(r, "replacement", r->replacement, reterr);
    }
    if (equal && !only_defaults(r, true)) {
        return err_set(
            reterr, ERR_INVALID,
            "%s action requires only 'source_labels' and 'target_label', and no other fields",
            action);
    }
    if ((r->action == RELABEL_LABELDROP || r->action == RELABEL_LABELKEEP) &&
        (r->source_n != 0 || r->target.n != 0 || !only_defaults(r, false))) {
        return err_set(reterr, ERR_INVALID, "%s action requires only 'regex', and no other fields",
                       action);
    }
    return 0;
}

int relabel_check(struct relabel_rule *r, struct err *reterr)
{
    int rc = check_fields(r, reterr);

    r->plain_target = !has_group(r->target);
    return rc < 0 ? rc : regex_new(r->pattern, &r->regex, reterr);
}

void relabel_rule_done(struct relabel_rule *r)
{
    regex_free(r->regex);
    r->regex = NULL;
}

/* ---- actions ---- */

/* The source labels' values joined; a single one is not copied. */
static struct str source_value(const struct relabel_rule *r, const struct labelset *set,
                               struct buf *scratch)
{
    if (r->source_n == 0) {
        return str_of("", 0);
    }
    if (r->source_n == 1) {
        return labelset_get(set, r->source[0]);
    }
    for (size_t i = 0; i < r->source_n; i++) {
        if (i > 0) {
            buf_add_str(scratch, r->separator);
        }
        buf_add_str(scratch, labelset_get(set, r->source[i]));
    }
    return buf_str(scratch);
}

/* A copy of `s` in the set's arena. */
static struct str keep(struct labelset *set, struct str s)
{
    struct str copy = arena_str_dup(set->a, s);

    if (s.n != 0 && copy.p == NULL) {
        set->failed = true;
        return str_of("", 0);
    }
    return copy;
}

static void replace(const struct relabel_rule *r, struct labelset *set, struct str value)
{
    struct buf out CLEANUP(buf_done);
    struct str target = r->target;

    buf_init(&out, VALUE_MAX);
    if (!r->plain_target) {
        if (!regex_expand(r->regex, value, r->target, &out)) {
            return;
        }
        target = keep(set, buf_str(&out));
        buf_clear(&out);
        if (!scheme_label_ok(r->scheme, target)) {
            return;
        }
    }
    if (regex_expand(r->regex, value, r->replacement, &out) && buf_status(&out) == 0) {
        labelset_set(set, target, keep(set, buf_str(&out)));
    }
}

static void hashmod(const struct relabel_rule *r, struct labelset *set, struct str value)
{
    uint8_t sum[MD5_SIZE];
    uint64_t h = 0;

    md5(value, sum);
    for (size_t i = 8; i < MD5_SIZE; i++) {
        h = h << 8 | sum[i];
    }
    labelset_set(set, r->target,
                 arena_printf(set->a, "%llu", (unsigned long long)(h % r->modulus)));
}

/* Names are looked at as they are before the rule. */
static void labelmap(const struct relabel_rule *r, struct labelset *set)
{
    size_t n = set->n;
    struct label *before = arena_array(set->a, struct label, n + 1);
    struct buf out CLEANUP(buf_done);

    buf_init(&out, VALUE_MAX);
    if (before == NULL) {
        set->failed = true;
        return;
    }
    if (n != 0) {
        memcpy(before, set->v, n * sizeof(*before));
        qsort(before, n, sizeof(*before), by_name);
    }
    for (size_t i = 0; i < n; i++) {
        buf_clear(&out);
        if (regex_expand(r->regex, before[i].name, r->replacement, &out) && out.n != 0) {
            labelset_set(set, keep(set, buf_str(&out)), before[i].value);
        }
    }
}

static void remove_names(const struct relabel_rule *r, struct labelset *set, bool matching)
{
    for (size_t i = 0; i < set->n;) {
        if (regex_matches(r->regex, set->v[i].name) == matching) {
            set->v[i] = set->v[--set->n];
        } else {
            i++;
        }
    }
}

static void add_utf8(struct buf *dst, uint32_t c)
{
    if (c < 0x80) {
        buf_add_byte(dst, (char)c);
    } else if (c < 0x800) {
        buf_add_byte(dst, (char)(0xc0 | c >> 6));
        buf_add_byte(dst, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_byte(dst, (char)(0xe0 | c >> 12));
        buf_add_byte(dst, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_byte(dst, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_byte(dst, (char)(0xf0 | c >> 18));
        buf_add_byte(dst, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_byte(dst, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_byte(dst, (char)(0x80 | (c & 0x3f)));
    }
}

/* One character of valid UTF-8. */
static uint32_t take_utf8(struct str *s)
{
    unsigned char c = (unsigned char)s->p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t v = n == 1 ? c : c & (0x7fu >> n);

    for (size_t i = 1; i < n && i < s->n; i++) {
        v = v << 6 | ((unsigned char)s->p[i] & 0x3fu);
    }
    *s = str_drop(*s, n);
    return v;
}

/* Unicode's simple case mapping, as Go's strings.ToLower; bytes that are not UTF-8 stay. */
static void letters(const struct relabel_rule *r, struct labelset *set, struct str value)
{
    bool lower = r->action == RELABEL_LOWERCASE;
    struct buf out CLEANUP(buf_done);
    locale_t unicode = (locale_t)0;

    buf_init(&out, VALUE_MAX);
    if (!str_is_utf8(value)) {
        labelset_set(set, r->target, value);
        return;
    }
    while (value.n != 0) {
        uint32_t c = take_utf8(&value);

        if (c < 0x80) {
            bool letter = lower ? c >= 'A' && c <= 'Z' : c >= 'a' && c <= 'z';

            c = letter ? c ^ 0x20 : c;
        } else {
            unicode =
                unicode == (locale_t)0 ? newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0) : unicode;
            if (unicode != (locale_t)0) {
                c = lower ? (uint32_t)towlower_l((wint_t)c, unicode)
                          : (uint32_t)towupper_l((wint_t)c, unicode);
            }
        }
        add_utf8(&out, c);
    }
    if (unicode != (locale_t)0) {
        freelocale(unicode);
    }
    if (buf_status(&out) == 0) {
        labelset_set(set, r->target, keep(set, buf_str(&out)));
    }
}

/* @return false when the rule drops the set */
static bool apply(const struct relabel_rule *r, struct labelset *set, struct str value)
{
    switch (r->action) {
    case RELABEL_KEEP:
        return regex_matches(r->regex, value);
    case RELABEL_DROP:
        return !regex_matches(r->regex, value);
    case RELABEL_KEEPEQUAL:
        return str_eq(labelset_get(set, r->target), value);
    case RELABEL_DROPEQUAL:
        return !str_eq(labelset_get(set, r->target), value);
    case RELABEL_REPLACE:
        replace(r, set, value);
        break;
    case RELABEL_HASHMOD:
        hashmod(r, set, value);
        break;
    case RELABEL_LABELMAP:
        labelmap(r, set);
        break;
    case RELABEL_LABELDROP:
        remove_names(r, set, true);
        break;
    case RELABEL_LABELKEEP:
        remove_names(r, set, false);
        break;
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        letters(r, set, value);
        break;
    default:
        break;
    }
    return true;
}

bool relabel_apply(const struct relabel *rules, struct labelset *set, size_t *ret_rule)
{
    for (size_t i = 0; i < rules->n && !set->failed; i++) {
        struct buf scratch CLEANUP(buf_done);
        struct str value;

        buf_init(&scratch, VALUE_MAX);
        value = source_value(&rules->v[i], set, &scratch);
        if (!apply(&rules->v[i], set, value)) {
            if (ret_rule != NULL) {
                *ret_rule = i;
            }
            return false;
        }
    }
    return !set->failed;
}

void relabel_describe(const struct relabel *rules, size_t rule, struct buf *dst)
{
    const struct relabel_rule *r = &rules->v[rule];
    bool equal = r->action == RELABEL_KEEPEQUAL || r->action == RELABEL_DROPEQUAL;

    buf_printf(dst, "%s: ", relabel_action_text(r->action));
    for (size_t i = 0; i < r->source_n; i++) {
        buf_printf(dst, "%s%.*s", i > 0 ? ", " : "", STR_ARG(r->source[i]));
    }
    if (equal) {
        buf_printf(dst, " and %.*s are %s", STR_ARG(r->target),
                   r->action == RELABEL_DROPEQUAL ? "equal" : "different");
    } else {
        buf_printf(dst, " %s %.*s", r->action == RELABEL_DROP ? "matches" : "does not match",
                   STR_ARG(r->pattern));
    }
    buf_printf(dst, " (rule %zu", rule + 1);
    if (r->line != 0) {
        buf_printf(dst, ", line %u", r->line);
    }
    buf_add_byte(dst, ')');
}
