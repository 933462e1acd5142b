/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer, string and bloom encodings: random and awkward inputs come back, each form is chosen where it
 * should be, damage is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/random.h"
#include "store/columns/bloom.h"
#include "store/columns/ints.h"
#include "store/columns/strs.h"
#include "store/columns/text.h"

enum { N = 5000 };

static int64_t value_of(unsigned shape, size_t i, uint64_t *state)
{
    uint64_t r = random_next(state);

    switch (shape) {
    case 0:
        return 42;
    case 1:
        return (int64_t)(r % 100);
    case 2:
        return 1700000000000000000 + (int64_t)i * 1000 + (int64_t)(r % 50);
    case 3:
        return (int64_t)r;
    case 4:
        return r % 3 == 0 ? INT64_MIN : r % 3 == 1 ? INT64_MAX : 0;
    case 5:
        return (int64_t)(r % 7) * 123456789012345;
    case 8: /* milliseconds in nanoseconds */
        return 1790000000000000000 + (int64_t)i * 7000000 + (int64_t)(r % 9) * 1000000;
    case 6: /* one outlier in a group must not widen the others */
        return i == 1000 ? INT64_MAX : (int64_t)(r % 4);
    default:
        return i % 2 == 0 ? -1 : (int64_t)(r % ((uint64_t)1 << (i % 63)));
    }
}

/* Some rising places below n: none, all, the ends, a few. @return how many */
static size_t some_places(uint64_t *seed, unsigned how, size_t n, uint32_t *at)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t r = random_next(seed);

        if (how == 0 || (how == 1 && (i == 0 || i == n - 1)) || (how == 2 && r % 3 == 0) ||
            (how == 3 && r % 100 == 0)) {
            at[k++] = (uint32_t)i;
        }
    }
    return k;
}

static void check_ints_pick(struct str payload, const int64_t *v, size_t n)
{
    static uint32_t at[N];
    static int64_t got[N];
    uint64_t seed = n;

    for (unsigned how = 0; how < 5; how++) {
        struct rd r = rd_of(payload);
        size_t k = some_places(&seed, how, n, at);

        assert_true(ints_pick(&r, n, at, k, got));
        assert_int_equal(rd_left(&r), 0);
        for (size_t i = 0; i < k; i++) {
            assert_int_equal(got[i], v[at[i]]);
        }
        for (size_t cut = 0; cut < payload.n && n <= 129; cut++) {
            r = rd_of(str_take(payload, cut));
            assert_false(ints_pick(&r, n, at, k, got));
        }
    }
}

static void check_strs_pick(struct str payload, const struct str *v, size_t n)
{
    static uint32_t at[N];
    uint64_t seed = n;
    struct arena a;

    arena_init(&a, 16 << 20);
    for (unsigned how = 0; how < 5; how++) {
        size_t k = some_places(&seed, how, n, at);
        struct strs s;

        arena_reset(&a);
        assert_int_equal(strs_pick(payload, n, at, k, &a, &s), 0);
        for (size_t i = 0; i < k; i++) {
            assert_true(str_eq(strs_at(&s, i), v[at[i]]));
        }
        for (size_t cut = 0; cut < payload.n; cut += 1 + payload.n / 100) {
            arena_reset(&a); /* whatever it says: within its bounds */
            ignore_result(strs_pick(str_take(payload, cut), n, at, k, &a, &s), "may be enough");
        }
    }
    arena_done(&a);
}

static void test_ints(void **state)
{
    static const size_t MAX_BYTES[] = {3, 4700, 5500, 41500, 4000, 3000, 2400, 40600, 4000};
    static const size_t SIZES[] = {0, 1, 2, 127, 128, 129, N};

    (void)state;
    for (unsigned shape = 0; shape < 9; shape++) {
        for (size_t k = 0; k < ARRAY_LEN(SIZES); k++) {
            static int64_t v[N];
            static int64_t back[N];
            static int64_t scratch[N];
            uint64_t seed = shape * 100 + k;
            struct buf b;
            struct rd r;

            for (size_t i = 0; i < SIZES[k]; i++) {
                v[i] = value_of(shape, i, &seed);
            }
            buf_init(&b, 1 << 20);
            ints_encode(v, SIZES[k], scratch, &b);
            assert_int_equal(buf_status(&b), 0);
            if (b.n > MAX_BYTES[shape]) {
                print_error("shape %u: %zu values take %zu bytes\n", shape, SIZES[k], b.n);
            }
            assert_true(b.n <= MAX_BYTES[shape]);
            r = rd_of(buf_str(&b));
            assert_true(ints_decode(&r, SIZES[k], back));
            assert_int_equal(rd_left(&r), 0);
            assert_memory_equal(v, back, SIZES[k] * sizeof(*v));
            check_ints_pick(buf_str(&b), v, SIZES[k]);
            for (size_t cut = 0; cut < b.n && SIZES[k] <= 129; cut++) {
                r = rd_of(str_of(b.data, cut));
                assert_false(ints_decode(&r, SIZES[k], back));
            }
            buf_done(&b);
        }
    }
}

static void test_bits(void **state)
{
    (void)state;
    assert_int_equal(bits_width(0), 0);
    assert_int_equal(bits_width(1), 1);
    assert_int_equal(bits_width(255), 8);
    assert_int_equal(bits_width(((uint64_t)1 << 57) - 1), 57);
    assert_int_equal(bits_width((uint64_t)1 << 57), 64);
    assert_int_equal(bits_width(UINT64_MAX), 64);
}

static void strs_case(unsigned shape, size_t n, int want_form)
{
    static struct str v[N];
    static char text[N][24];
    struct strs_encoder e = {0};
    struct strs s;
    struct arena a;
    struct buf b;
    uint64_t seed = shape;
    int form;

    for (size_t i = 0; i < n; i++) {
        uint64_t x = random_next(&seed);
        int len = snprintf(text[i], sizeof(text[i]), "v%llu",
                           (unsigned long long)(shape == 0   ? 0
                                                : shape == 1 ? x % 10
                                                : shape == 2 ? x % 500
                                                             : x));

        v[i] = str_of(text[i], i % 17 == 0 && shape != 0 ? 0 : (size_t)len);
    }
    arena_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    form = strs_encode(&e, v, n, NULL, &b);
    assert_int_equal(form, want_form);
    assert_int_equal(strs_decode(buf_str(&b), n, &a, &s), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(strs_at(&s, i), v[i]));
    }
    check_strs_pick(buf_str(&b), v, n);
    for (size_t cut = 0; cut < b.n; cut += 1 + b.n / 300) {
        arena_reset(&a);
        assert_int_not_equal(strs_decode(str_of(b.data, cut), n, &a, &s), 0);
    }
    buf_done(&b);
    arena_done(&a);
    strs_encoder_done(&e);
}

static void test_strs(void **state)
{
    (void)state;
    strs_case(0, N, STRS_CONST);
    strs_case(0, 1, STRS_CONST);
    strs_case(1, N, STRS_DICT);
    strs_case(1, 2, STRS_DICT);
    strs_case(2, N, STRS_DICT);
    strs_case(3, N, STRS_FLAT);
}

/* Texts of all kinds of places: numbers, numbers with zeros in front, hexadecimal, few words, many words. */
static struct str made_text(uint64_t *seed, size_t i, char dst[96])
{
    uint64_t r = random_next(seed);
    int n = 0;

    switch (i % 4) {
    case 0:
        n = snprintf(dst, 96, "GET /cart/%u took 0.%03u ms by user%u", (unsigned)(r % 90000),
                     (unsigned)(r >> 20) % 1000, (unsigned)(r >> 40) % 7);
        break;
    case 1:
        n = snprintf(dst, 96, "order %012llx of %s-%u", (unsigned long long)(r & 0xffffffffffff),
                     r % 3 == 0 ? "web1" : "web2", (unsigned)(r >> 50));
        break;
    case 2:
        n = snprintf(dst, 96, "key k%llux9_%llu, nothing else", (unsigned long long)(r >> 30),
                     (unsigned long long)(r % 1000));
        break;
    default:
        n = r % 40 == 0   ? snprintf(dst, 96, "\001 odd %u", (unsigned)(r % 100))
            : r % 40 == 1 ? snprintf(dst, 96, "once %llx and %s", (unsigned long long)r, "zQ81k")
            : r % 40 == 2 ? 0
                          : snprintf(dst, 96, "no places at all");
    }
    return str_of(dst, (size_t)n);
}

static void check_find(const struct strs *s, struct str needle)
{
    const uint32_t *codes = templates_codes(s->templates);

    for (size_t i = 0; i < N; i++) {
        struct str text = strs_at(s, i);
        bool hit[] = {text_contains(text, needle), str_find(text, needle) >= 0,
                      text_has_word(text, needle)};

        for (int how = 0; how < 3; how++) {
            enum templates_hit h =
                templates_find(s->templates, codes[i], needle, (enum templates_search)how);

            assert_true(h == TEMPLATES_SOME || hit[how] == (h == TEMPLATES_ALL));
        }
    }
}

static void test_templates(void **state)
{
    static const char *const NEEDLES[] = {
        "took",  "ART", "art/",  "9",      "user3", "order 0", "web1",    "WEB1-", "abcdef0",
        "no pl", "x9_", "zQ81k", "of web", " ",     "ms by",   "nowhere", "place", "0."};
    static struct str v[N];
    static char text[N][96];
    struct strs_encoder e = {0};
    struct bloom_builder bloom = {0};
    struct strs_text how = {.templates = true, .bloom = &bloom};
    struct strs s;
    struct arena a;
    struct buf b;
    struct buf filter;
    uint64_t seed = 11;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        v[i] = made_text(&seed, i, text[i]);
    }
    arena_init(&a, 16 << 20);
    buf_init(&b, 1 << 20);
    buf_init(&filter, 1 << 20);
    assert_int_equal(strs_encode(&e, v, N, &how, &b), STRS_TEMPLATES);
    assert_true(how.has_bloom && how.split != 0 && how.split < b.n);
    assert_int_not_equal(bloom_finish(&bloom, &filter), 0);
    assert_int_equal(strs_decode(buf_str(&b), N, &a, &s), 0);
    for (size_t i = N; i-- > 0;) { /* in any order, more than once */
        assert_true(str_eq(strs_at(&s, i), v[i]));
        assert_true(str_eq(strs_at(&s, i), v[i]));
        assert_true(bloom_may_match(buf_str(&filter), v[i], BLOOM_WHOLE));
    }
    assert_int_equal(strs_status(&s), 0);
    check_strs_pick(buf_str(&b), v, N);
    for (size_t i = 0; i < ARRAY_LEN(NEEDLES); i++) {
        check_find(&s, str_cstr(NEEDLES[i]));
    }
    assert_true(how.has_trigrams && how.widest == 16);
    for (size_t i = 0; i < 20000; i++) {
        struct str of = v[random_next(&seed) % N];
        size_t from = of.n != 0 ? random_next(&seed) % of.n : 0;
        struct str part = str_take(str_drop(of, from), random_next(&seed) % 20);

        assert_true(
            bloom_may_contain(buf_str(&filter), part, bloom_widest(bloom_reach(how.widest))));
    }
    assert_false(bloom_may_contain(buf_str(&filter), STR("qqxzy"), 12));
    assert_false(bloom_may_contain(buf_str(&filter), STR("aabbccddeeff0011"), 16));
    assert_true(bloom_may_contain(buf_str(&filter), STR("aabbccddeeff001"), 16));
    for (size_t cut = 0; cut < b.n; cut += 1 + b.n / 300) {
        int rc;

        arena_reset(&a);
        rc = strs_decode(str_of(b.data, cut), N, &a, &s);
        assert_int_not_equal(rc, 0);
    }
    for (size_t at = 0; at < b.n;
         at += 1 + b.n / 300) { /* damage is an error or other text, no more */
        char was = b.data[at];

        b.data[at] = (char)(was ^ 0x55);
        arena_reset(&a);
        if (strs_decode(buf_str(&b), N, &a, &s) == 0) {
            for (size_t i = 0; i < N; i++) {
                ignore_result(strs_at(&s, i).n, "it may be anything");
            }
        }
        b.data[at] = was;
    }
    bloom_builder_done(&bloom);
    buf_done(&b);
    buf_done(&filter);
    arena_done(&a);
    strs_encoder_done(&e);
}

static void compare_token(void *arg, struct str token, uint64_t hash)
{
    struct str *rest = arg;
    struct str want = {0};

    assert_true(text_next_token(rest, &want));
    assert_ptr_equal(token.p, want.p);
    assert_int_equal(token.n, want.n);
    assert_int_equal(hash, text_token_hash(want));
}

/* The vectorised tokens are those of the plain ones, whatever lies around them; case does not count. */
static void test_tokens(void **state)
{
    static const char ALPHABET[] = "aZ09_ -./\x80\xff@[`{Mm";
    uint64_t seed = 5;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = random_next(&seed) % 150;
        char *text = malloc(n + 1); /* of its very size, for the sanitizers */
        struct str rest;

        for (size_t i = 0; i < n; i++) {
            uint64_t r = random_next(&seed);

            text[i] = r % 3 == 0 ? ALPHABET[r / 3 % (sizeof(ALPHABET) - 1)] : 'q';
        }
        rest = str_of(text, n);
        text_each_token(str_of(text, n), compare_token, &rest);
        assert_false(text_next_token(&rest, &(struct str){0}));
        free(text);
    }
    assert_int_equal(text_token_hash(STR("ERROR_Code")), text_token_hash(STR("error_cODE")));
    assert_int_not_equal(text_token_hash(STR("a")), text_token_hash(STR("b")));
    assert_int_equal(text_token_hash(STR("aRatherLongTokenOfThirtyThreeByte")),
                     text_token_hash(STR("ARATHERLONGTOKENOFTHIRTYTHREEBYTE")));
    assert_int_not_equal(text_token_hash(STR("[x")), text_token_hash(STR("{x")));
}

static void test_bloom(void **state)
{
    struct bloom_builder bb = {0};
    struct buf b;
    struct str f;
    size_t wrong = 0;
    char text[64];

    (void)state;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "GET /item/%d?user=Kim_%d", i, i % 7);
        bloom_add_text(&bb, str_cstr(text));
    }
    assert_true(bloom_finish(&bb, &b) > 0);
    f = buf_str(&b);
    for (int i = 0; i < 3000; i++) { /* no false negatives */
        snprintf(text, sizeof(text), "get /ITEM/%d?user=kim_%d", i, i % 7);
        assert_true(bloom_may_match(f, str_cstr(text), BLOOM_WHOLE));
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "word%d", i);
        wrong += bloom_may_match(f, str_cstr(text), BLOOM_WHOLE);
    }
    assert_true(wrong < 500);
    assert_true(bloom_may_match(f, STR("nothing"), BLOOM_INNER)); /* may be part of a token */
    assert_false(bloom_may_match(f, STR("a nothing_here b"), BLOOM_INNER));
    assert_true(bloom_may_match(f, STR("item/99999999"), BLOOM_FRONT));
    assert_int_equal(bloom_finish(&bb, &b), 0); /* cleared */
    bloom_builder_done(&bb);
    buf_done(&b);
}

static void test_words(void **state)
{
    static const struct {
        const char *text;
        const char *word;
        bool contains;
        bool has_word;
    } CASES[] = {
        {"connection RESET by peer", "reset", true, true},
        {"connection RESET by peer", "rese", true, false},
        {"connection RESET by peer", "reset BY", true, true},
        {"connection RESET by peer", "ion reset", true, false},
        {"abc", "abc", true, true},
        {"abcd abc", "abc", true, true},
        {"abc", "abcd", false, false},
        {"", "a", false, false},
        {"anything", "", true, false},
        {"봉수 시작", "봉수", true, true},
        {"봉수 시작", "봉", true, false},
        {"a_b", "a", true, false},
        {"id=42,", "42,", true, true},
        {"id=42", "=42", true, true},
        {"aaaaab", "aab", true, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct str t = str_cstr(CASES[i].text);
        struct str w = str_cstr(CASES[i].word);

        assert_int_equal(text_contains(t, w), CASES[i].contains);
        assert_int_equal(text_has_word(t, w), CASES[i].has_word);
    }
}

/* Against a plain search, at every place of long and short texts. */
static void test_search(void **state)
{
    uint64_t seed = 9;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[100];
        char needle[8];
        size_t n = random_next(&seed) % sizeof(text);
        size_t m = 1 + random_next(&seed) % sizeof(needle);
        bool found = false;

        for (size_t i = 0; i < n; i++) {
            text[i] = "aAbB_ \xc3"[random_next(&seed) % 7];
        }
        for (size_t i = 0; i < m; i++) {
            needle[i] = "aAbB_ \xc3"[random_next(&seed) % 7];
        }
        for (size_t i = 0; i + m <= n && !found; i++) {
            found = str_eq_nocase(str_of(text + i, m), str_of(needle, m));
        }
        assert_int_equal(text_contains(str_of(text, n), str_of(needle, m)), found);
    }
}

static void test_value_text(void **state)
{
    static const struct value LIST[] = {{.type = VALUE_I64, .u.i = 1},
                                        {.type = VALUE_STR, .u.s = {"a\"b\n", 4}},
                                        {.type = VALUE_NONE}};
    static const struct attr MAP[] = {{{"k", 1}, {.type = VALUE_BOOL, .u.b = true}},
                                      {{"n", 1}, {.type = VALUE_F64, .u.f = 0.5}}};

    const struct {
        struct value v;
        const char *text;
    } cases[] = {
        {{.type = VALUE_NONE}, ""},
        {{.type = VALUE_STR, .u.s = {"x y", 3}}, "x y"},
        {{.type = VALUE_BOOL, .u.b = false}, "false"},
        {{.type = VALUE_I64, .u.i = INT64_MIN}, "-9223372036854775808"},
        {{.type = VALUE_F64, .u.f = 0.1}, "0.1"},
        {{.type = VALUE_BYTES,
          .u.s = {"\x00\xff"
                  "ab",
                  4}},
         "AP9hYg=="},
        {{.type = VALUE_BYTES, .u.s = {"abc", 3}}, "YWJj"},
        {{.type = VALUE_ARRAY, .u.array = {LIST, 3}}, "[1,\"a\\\"b\\n\",null]"},
        {{.type = VALUE_MAP, .u.map = {MAP, 2}}, "{\"k\":true,\"n\":0.5}"},
        {{.type = VALUE_MAP}, "{}"},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str t = value_text(&cases[i].v, &b);

        assert_true(str_eq(t, str_cstr(cases[i].text)));
    }
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),   cmocka_unit_test(test_ints),
        cmocka_unit_test(test_strs),   cmocka_unit_test(test_templates),
        cmocka_unit_test(test_bloom),  cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_words),  cmocka_unit_test(test_value_text),
        cmocka_unit_test(test_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
