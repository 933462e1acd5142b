/* SPDX-License-Identifier: Apache-2.0
 *
 * Label sets: order, normal form, canonical bytes and text, as tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/err.h"
#include "model/labels.h"

enum { MAX = 8 };

/** "a=1,b=2" into v, in the order given. */
static size_t parse(const char *text, struct label *v)
{
    struct str rest = str_cstr(text);
    struct str field;
    size_t n = 0;

    while (rest.n != 0 && str_split(&rest, ',', &field)) {
        int64_t eq = str_find_byte(field, '=');

        v[n++] = (struct label){str_take(field, (size_t)eq), str_drop(field, (size_t)eq + 1)};
    }
    return n;
}

static void test_normalize(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        const char *text;
    } CASES[] = {
        {"", true, "{}"},
        {"a=1", true, "{a=\"1\"}"},
        {"b=2,a=1", true, "{a=\"1\", b=\"2\"}"},
        {"b=2,a=", true, "{b=\"2\"}"},
        {"a=", true, "{}"},
        {"a=1,a=2", false, NULL},
        {"a=1,b=2,a=1", false, NULL},
        {"=1", false, NULL},
        {"a=1,__name__=m", true, "m{a=\"1\"}"},
        {"__name__=m", true, "m"},
        {"a=x\"y\\z\nw", true, "{a=\"x\\\"y\\\\z\\nw\"}"},
        {"A=1,_=2,a=3", true, "{A=\"1\", _=\"2\", a=\"3\"}"}, /* byte order */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct label v[MAX];
        size_t n = parse(CASES[i].in, v);
        struct buf b CLEANUP(buf_done);

        buf_init(&b, 1000);
        assert_int_equal(labels_normalize(v, &n), CASES[i].ok);
        if (CASES[i].ok) {
            labels_format((struct labels){v, n}, &b);
            buf_add_byte(&b, '\0');
            assert_string_equal(b.data, CASES[i].text);
        }
    }
}

static void test_order(void **state)
{
    /* rising */
    static const char *const SETS[] = {"",     "a=1", "a=1,b=1", "a=1,b=2", "a=1,c=0",
                                       "a=10", "a=2", "aa=0",    "b=0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SETS); i++) {
        for (size_t k = 0; k < ARRAY_LEN(SETS); k++) {
            struct label x[MAX];
            struct label y[MAX];
            struct labels a = {x, parse(SETS[i], x)};
            struct labels b = {y, parse(SETS[k], y)};
            int c = labels_cmp(a, b);

            assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
            assert_int_equal(labels_eq(a, b), i == k);
        }
    }
}

static void test_canonical_bytes(void **state)
{
    struct label v[MAX];
    struct labels ls = {v, parse("__name__=up,job=x", v)};
    struct labels back;
    struct labels copy;
    struct buf b CLEANUP(buf_done);
    struct arena a CLEANUP(arena_done);
    struct hash128 id;
    struct hash128 want;

    (void)state;
    arena_init(&a, 1 << 16);
    buf_init(&b, 1000);
    labels_encode(ls, &b);
    assert_true(str_eq(buf_str(&b), STR("\10__name__\2up\3job\1x")));
    assert_int_equal(labels_decode(buf_str(&b), &a, &back), 0);
    assert_true(labels_eq(ls, back));
    assert_int_equal(labels_id(ls, &id), 0);
    want = hash128(b.data, b.n);
    assert_true(id.lo == want.lo && id.hi == want.hi);
    assert_int_equal(labels_dup(ls, &a, &copy), 0);
    assert_true(labels_eq(ls, copy) && copy.v[0].name.p != ls.v[0].name.p);
    for (size_t cut = 1; cut < b.n; cut++) {
        if (cut != 12) { /* a pair ends there */
            assert_int_equal(labels_decode(str_of(b.data, cut), &a, &back), -ERR_CORRUPT);
        }
    }
    assert_int_equal(labels_decode(STR("\xff\xff\xff\xff\xff\xff"), &a, &back), -ERR_CORRUPT);
    assert_int_equal(labels_decode(STR(""), &a, &back), 0);
    assert_int_equal(back.n, 0);
    assert_true(str_eq(labels_get(ls, STR("job")), STR("x")));
    assert_int_equal(labels_get(ls, STR("nope")).n, 0);
    {
        struct arena none CLEANUP(arena_done);

        arena_init(&none, 1);
        assert_int_equal(labels_decode(buf_str(&b), &none, &back), -ERR_NOMEM);
        assert_int_equal(labels_dup(ls, &none, &copy), -ERR_NOMEM);
    }
}

static void test_long_values(void **state)
{
    static char big[2 << 20];
    struct label v[] = {{STR("a"), {big, 200000}}};
    struct labels back;
    struct buf b CLEANUP(buf_done);
    struct arena a CLEANUP(arena_done);
    struct hash128 id;

    (void)state;
    arena_init(&a, 1 << 16);
    buf_init(&b, 4 << 20);
    memset(big, 'x', sizeof(big));
    labels_encode((struct labels){v, 1}, &b);
    assert_int_equal(labels_decode(buf_str(&b), &a, &back), 0);
    assert_int_equal(back.v[0].value.n, 200000);
    v[0].value.n = sizeof(big);
    assert_int_equal(labels_id((struct labels){v, 1}, &id), -ERR_TOO_LARGE);
}

static void test_name_rules(void **state)
{
    static const struct {
        const char *name;
        bool metric, label;
    } CASES[] = {{"a", true, true},     {"", false, false},        {"a:b", true, false},
                 {"9a", false, false},  {"_9", true, true},        {"a-b", false, false},
                 {"a.b", false, false}, {"\xc3\xa9", false, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(metric_name_is_valid(str_cstr(CASES[i].name)), CASES[i].metric);
        assert_int_equal(label_name_is_valid(str_cstr(CASES[i].name)), CASES[i].label);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalize),       cmocka_unit_test(test_order),
        cmocka_unit_test(test_canonical_bytes), cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_name_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
