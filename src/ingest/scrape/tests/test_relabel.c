/* SPDX-License-Identifier: Apache-2.0
 *
 * Every action of relabelling as a table: labels before, rule, labels after (or dropped), and the errors of
 * rules that make no sense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "codec/md5.h"
#include "ingest/scrape/relabel.h"

enum { LABELS_MAX = 16 };

/* "a=1,b=2" to labels. */
static struct labels parse(const char *text, struct label *v)
{
    struct str rest = str_cstr(text);
    struct str field;
    size_t n = 0;

    while (rest.n != 0 && str_split(&rest, ',', &field)) {
        int64_t eq = str_find_byte(field, '=');

        v[n++] = (struct label){str_take(field, (size_t)eq), str_drop(field, (size_t)eq + 1)};
    }
    return (struct labels){v, n};
}

static void print(struct labels ls, struct buf *b)
{
    for (size_t i = 0; i < ls.n; i++) {
        buf_printf(b, "%s%.*s=%.*s", i > 0 ? "," : "", STR_ARG(ls.v[i].name),
                   STR_ARG(ls.v[i].value));
    }
    buf_add_byte(b, '\0');
}

struct row {
    const char *before;
    const char *after; /* NULL: dropped */
    enum relabel_action action;
    const char *source; /* "a,b" */
    const char *regex;
    const char *target;
    const char *replacement;
    const char *separator;
    uint64_t modulus;
};

static const struct row ROWS[] = {
    {"a=foo,b=bar", "a=foo,b=bar,d=ch", RELABEL_REPLACE, "a", "f(.*)", "d", "ch", NULL, 0},
    {"a=foo,b=bar", "a=foo,b=bar,d=foo;bar", RELABEL_REPLACE, "a,b", NULL, "d", NULL, NULL, 0},
    {"a=foo,b=bar", "a=foo,b=bar,d=bar-foo", RELABEL_REPLACE, "a,b", "(.*)/(.*)", "d", "$2-${1}",
     "/", 0},
    {"a=foo", "a=foo", RELABEL_REPLACE, "a", "o+", "d", "x", NULL, 0},           /* anchored */
    {"a=foo,d=x", "a=foo", RELABEL_REPLACE, "a", "f(b?)oo", "d", "$1", NULL, 0}, /* empty deletes */
    {"a=foo", "a=boobam", RELABEL_REPLACE, "a", "(f).*", "a", "boobam", NULL, 0},
    {"a=some-name-value", "a=some-name-value,name=value", RELABEL_REPLACE, "a",
     "some-([^-]+)-([^,]+)", "${1}", "${2}", NULL, 0},
    {"a=some--value", "a=some--value", RELABEL_REPLACE, "a", "some-([^-]*)-(.*)", "${1}", "${2}",
     NULL, 0},
    {"a=foo", "a=foo,x=$1 foo$", RELABEL_REPLACE, "a", "(?P<n>.*)", "x", "$$1 ${n}$", NULL, 0},
    {"a=foo", "a=foo", RELABEL_REPLACE, "a", "(.*)", "x", "$1x", NULL, 0}, /* no group "1x" */
    {"a=l1\nl2", "a=l1\nl2,x=l1\nl2", RELABEL_REPLACE, "a", "(.*)", "x", "$1", NULL, 0},
    {"a=1", "a=1,x=y", RELABEL_REPLACE, "", "(.*)", "x", "y", NULL, 0},
    {"a=foo", "a=foo", RELABEL_KEEP, "a", "foo|bar", NULL, NULL, NULL, 0},
    {"a=foo2", NULL, RELABEL_KEEP, "a", "foo|bar", NULL, NULL, NULL, 0},
    {"a=foo", NULL, RELABEL_DROP, "a", ".*o.*", NULL, NULL, NULL, 0},
    {"a=foo", "a=foo", RELABEL_DROP, "b", ".+", NULL, NULL, NULL, 0},
    {"a=foo", NULL, RELABEL_DROP, "b", "", NULL, NULL, NULL, 0},
    {"p=80,q=80", "p=80,q=80", RELABEL_KEEPEQUAL, "p", NULL, "q", NULL, NULL, 0},
    {"p=80,q=81", NULL, RELABEL_KEEPEQUAL, "p", NULL, "q", NULL, NULL, 0},
    {"p=80,q=80", NULL, RELABEL_DROPEQUAL, "p", NULL, "q", NULL, NULL, 0},
    {"p=80,q=81", "p=80,q=81", RELABEL_DROPEQUAL, "p", NULL, "q", NULL, NULL, 0},
    /* the last eight bytes of the MD5 sum, big-endian, computed with another implementation */
    {"c=baz", "c=baz,d=976", RELABEL_HASHMOD, "c", NULL, "d", NULL, NULL, 1000},
    {"c=foo\nbar", "c=foo\nbar,d=734", RELABEL_HASHMOD, "c", NULL, "d", NULL, NULL, 1000},
    {"a=1,b1=bar,b2=baz", "a=1,b1=bar,b2=baz,bar1=bar,bar2=baz", RELABEL_LABELMAP, NULL, "(b)(.)",
     NULL, "bar$2", NULL, 0},
    {"__m_a=x,__m_b=y,c=z", "__m_a=x,__m_b=y,a=x,b=y,c=z", RELABEL_LABELMAP, NULL, "__m_(.+)", NULL,
     NULL, NULL, 0},
    {"a=foo,b1=bar,b2=baz", "a=foo", RELABEL_LABELDROP, NULL, "b.*", NULL, NULL, NULL, 0},
    {"a=foo,b1=bar,b2=baz", "b1=bar,b2=baz", RELABEL_LABELKEEP, NULL, "b.*", NULL, NULL, NULL, 0},
    {"foo=bAr123Foo", "foo=bAr123Foo,low=bar123foo", RELABEL_LOWERCASE, "foo", NULL, "low", NULL,
     NULL, 0},
    {"foo=bAr123Foo", "foo=BAR123FOO", RELABEL_UPPERCASE, "foo", NULL, "foo", NULL, NULL, 0},
    {"foo=\xc3\x84rger", "foo=\xc3\xa4rger", RELABEL_LOWERCASE, "foo", NULL, "foo", NULL, NULL, 0},
};

static struct relabel_rule rule_of(const struct row *row, struct str *sources)
{
    struct relabel_rule r = relabel_rule_default();
    struct str rest = str_cstr(row->source);
    struct str field;

    r.source = sources;
    while (rest.n != 0 && str_split(&rest, ',', &field)) {
        sources[r.source_n++] = field;
    }
    r.action = row->action;
    r.pattern = row->regex != NULL ? str_cstr(row->regex) : r.pattern;
    r.target = str_cstr(row->target);
    r.replacement = row->replacement != NULL ? str_cstr(row->replacement) : r.replacement;
    r.separator = row->separator != NULL ? str_cstr(row->separator) : r.separator;
    r.modulus = row->modulus;
    return r;
}

static void check_row(const struct row *row)
{
    struct label v[LABELS_MAX];
    struct str sources[4];
    struct relabel_rule rule = rule_of(row, sources);
    const struct relabel rules = {&rule, 1};
    struct labelset set;
    struct err e = {0};
    struct arena a;
    struct buf out;
    bool kept;

    arena_init(&a, 1 << 20);
    buf_init(&out, 1 << 16);
    assert_int_equal(relabel_check(&rule, &e), 0);
    labelset_from(&set, &a, parse(row->before, v));
    kept = relabel_apply(&rules, &set, NULL);
    assert_int_equal(kept, row->after != NULL);
    if (kept) {
        print(labelset_sort(&set), &out);
        assert_string_equal(out.data, row->after);
    }
    relabel_rule_done(&rule);
    buf_done(&out);
    arena_done(&a);
}

static void test_actions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        check_row(&ROWS[i]);
    }
}

static const struct {
    struct row row;
    const char *error;
} BAD[] = {
    {{NULL, NULL, RELABEL_HASHMOD, "a", NULL, "d", NULL, NULL, 0}, "requires non-zero modulus"},
    {{NULL, NULL, RELABEL_REPLACE, "a", NULL, NULL, NULL, NULL, 0}, "requires 'target_label'"},
    {{NULL, NULL, RELABEL_LOWERCASE, "a", NULL, NULL, NULL, NULL, 0},
     "relabel configuration for lowercase action requires 'target_label' value"},
    {{NULL, NULL, RELABEL_LOWERCASE, "a", NULL, "x\xff", NULL, NULL, 0},
     "is invalid 'target_label'"},
    {{NULL, NULL, RELABEL_UPPERCASE, "a", NULL, "x", "y", NULL, 0},
     "'replacement' can not be set for uppercase action"},
    {{NULL, NULL, RELABEL_KEEPEQUAL, "a", "x", "b", NULL, NULL, 0}, "and no other fields"},
    {{NULL, NULL, RELABEL_DROPEQUAL, "a", NULL, "b", NULL, "/", 0}, "and no other fields"},
    {{NULL, NULL, RELABEL_LABELDROP, "a", "x", NULL, NULL, NULL, 0},
     "labeldrop action requires only 'regex', and no other fields"},
    {{NULL, NULL, RELABEL_LABELKEEP, NULL, "x", "t", NULL, NULL, 0}, "requires only 'regex'"},
    {{NULL, NULL, RELABEL_LABELMAP, NULL, "x", NULL, "\xff", NULL, 0}, "is invalid 'replacement'"},
    {{NULL, NULL, RELABEL_REPLACE, "a", "(", "x", NULL, NULL, 0}, "regular expression"},
    {{NULL, NULL, RELABEL_REPLACE, "a", "(?=x)", "x", NULL, NULL, 0},
     "syntax that RE2 does not have"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct str sources[4];
        struct relabel_rule rule = rule_of(&BAD[i].row, sources);
        struct err e = {0};

        assert_int_equal(relabel_check(&rule, &e), -ERR_INVALID);
        if (strstr(e.msg, BAD[i].error) == NULL) {
            fail_msg("row %zu: %s", i, e.msg);
        }
        relabel_rule_done(&rule);
    }
}

static void test_names(void **state)
{
    const struct row row = {NULL, NULL, RELABEL_REPLACE, "a", NULL, "a.b", NULL, NULL, 0};
    struct str sources[4];
    struct relabel_rule rule = rule_of(&row, sources);

    (void)state;
    assert_int_equal(relabel_check(&rule, NULL), 0); /* any UTF-8 by default */
    relabel_rule_done(&rule);
    rule = rule_of(&row, sources);
    rule.scheme = NAMES_LEGACY;
    assert_int_equal(relabel_check(&rule, NULL), -ERR_INVALID);
}

/* RFC 1321, A.5. */
static void test_md5(void **state)
{
    static const char *const SUMS[][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SUMS); i++) {
        uint8_t sum[MD5_SIZE];
        char hex[2 * MD5_SIZE + 1];

        md5(str_cstr(SUMS[i][0]), sum);
        hex_encode(sum, MD5_SIZE, hex);
        assert_string_equal(hex, SUMS[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_md5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
