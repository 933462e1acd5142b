/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings as tables: what is read, what thresholds follow, what is refused and where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/naming.h"
#include "apm/settings.h"
#include "base/alloc.h"
#include "base/err.h"
#include "codec/json_write.h"

static const char FULL[] =
    "{\"revision\":7,\"apdex\":{\"t_ms\":800,\"frustrated_4xx\":false},\"groups\":["
    "{\"group\":\"shop/*\",\"t_ms\":500,\"frustrated_4xx\":true,\"operations\":["
    "{\"pattern\":\"GET /search*\",\"t_ms\":2000}]},"
    "{\"group\":\"*\",\"operations\":[{\"pattern\":\"* /slow\",\"t_ms\":9000}]}],"
    "\"group_rules\":[{\"name\":\"pay ${k8s.namespace.name}\",\"when\":["
    "{\"attribute\":\"k8s.namespace.name\",\"pattern\":\"pay-*\"}]}],"
    "\"url_rules\":[{\"group\":\"\",\"pattern\":\"/files/**\",\"template\":\"/files/{file}\"}]}";

static char *text_of(const struct apm_settings *s)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, 1 << 20);
    json_init(&w, &b);
    apm_settings_write(s, &w);
    return buf_take(&b);
}

static void test_round_trip(void **state)
{
    struct apm_settings *s = NULL;
    struct apm_settings *copy = NULL;
    struct err e = {0};
    char *text;

    (void)state;
    assert_int_equal(apm_settings_parse(str_cstr(FULL), &s, &e), 0);
    text = text_of(s);
    assert_string_equal(text, FULL);
    mem_free(text);
    assert_int_equal(apm_settings_copy(s, &copy, &e), 0);
    apm_settings_free(s);
    text = text_of(copy);
    assert_string_equal(text, FULL);
    mem_free(text);
    apm_settings_free(copy);
    assert_int_equal(apm_settings_parse(STR("{}"), &s, &e), 0);
    assert_int_equal(s->t_ms, 1000);
    apm_settings_free(s);
}

static void test_thresholds(void **state)
{
    static const struct {
        const char *group, *operation;
        int64_t t_ms;
        bool frustrated_4xx;
    } CASES[] = {
        {"shop/api", "GET /search?", 2000, true},
        {"shop/api", "GET /cart", 500, true},
        {"shop/api", "GET /slow", 500, true}, /* the first group decides */
        {"other", "POST /slow", 9000, false},
        {"other", "GET /x", 800, false},
        {"", "", 800, false},
    };
    struct apm_settings *s = NULL;

    (void)state;
    assert_int_equal(apm_settings_parse(str_cstr(FULL), &s, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct apm_threshold t =
            apm_settings_threshold(s, str_cstr(CASES[i].group), str_cstr(CASES[i].operation));

        assert_int_equal(t.t_ms, CASES[i].t_ms);
        assert_int_equal(t.frustrated_4xx, CASES[i].frustrated_4xx);
    }
    apm_settings_free(s);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *json, *message;
        int rc;
    } CASES[] = {
        {"[]", "must be an object", -ERR_INVALID},
        {"{\"apdex\":{\"t_ms\":0}}", "apdex.t_ms: must be a whole number from 1 to 3600000",
         -ERR_INVALID},
        {"{\"apdex\":{\"t_ms\":\"1\"}}", "apdex.t_ms: must be a number", -ERR_INVALID},
        {"{\"apdex\":{\"t_ms\":1.5}}", "apdex.t_ms: must be a whole number from 1 to 3600000",
         -ERR_INVALID},
        {"{\"apdex\":{\"frustrated_4xx\":1}}", "apdex.frustrated_4xx: must be true or false",
         -ERR_INVALID},
        {"{\"colour\":1}", "colour: is no known member", -ERR_INVALID},
        {"{\"groups\":{}}", "groups: must be a list", -ERR_INVALID},
        {"{\"groups\":[{\"group\":\"a\"},{}]}", "groups[1]: needs a group", -ERR_INVALID},
        {"{\"groups\":[{\"group\":7}]}", "groups[0].group: must be a text", -ERR_INVALID},
        {"{\"groups\":[{\"group\":\"a\",\"operations\":[{\"t_ms\":5}]}]}",
         "groups[0].operations[0]: needs a pattern", -ERR_INVALID},
        {"{\"groups\":[{\"group\":\"a\",\"operations\":[{\"pattern\":\"x\"}]}]}",
         "groups[0].operations[0]: needs t_ms", -ERR_INVALID},
        {"{\"group_rules\":[{\"name\":\"x\",\"when\":[]}]}",
         "group_rules[0]: needs at least one condition in when", -ERR_INVALID},
        {"{\"group_rules\":[{\"name\":\"x\",\"when\":[{\"attribute\":\"a\"}]}]}",
         "group_rules[0].when[0]: needs a pattern", -ERR_INVALID},
        {"{\"group_rules\":[{\"when\":[{\"attribute\":\"a\",\"pattern\":\"b\"}]}]}",
         "group_rules[0]: needs a name", -ERR_INVALID},
        {"{\"url_rules\":[{\"pattern\":\"a\",\"template\":\"/\"}]}",
         "url_rules[0]: needs a pattern that begins with /", -ERR_INVALID},
        {"{\"url_rules\":[{\"pattern\":\"/a\"}]}",
         "url_rules[0]: needs a template that begins with /", -ERR_INVALID},
        {"{\"url_rules\":[{\"pattern\":\"/a/**/b\",\"template\":\"/\"}]}",
         "url_rules[0]: ** stands at the end of a pattern only", -ERR_INVALID},
        {"{\"apdex\":{\"t_ms\":5}", NULL, -ERR_TRUNCATED},
        {"{} x", NULL, -ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct apm_settings *s = NULL;
        struct err e = {0};

        assert_int_equal(apm_settings_parse(str_cstr(CASES[i].json), &s, &e), CASES[i].rc);
        assert_null(s);
        if (CASES[i].message != NULL) {
            assert_string_equal(e.msg, CASES[i].message);
        }
    }
}

static void test_too_many(void **state)
{
    struct apm_settings *s = NULL;
    struct err e = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 2 << 20);
    buf_add_cstr(&b, "{\"groups\":[");
    for (int i = 0; i <= APM_RULES_MAX; i++) {
        buf_add_cstr(&b, i != 0 ? ",{\"group\":\"a\"}" : "{\"group\":\"a\"}");
    }
    buf_add_cstr(&b, "]}");
    assert_int_equal(apm_settings_parse(buf_str(&b), &s, &e), -ERR_LIMIT);
    assert_string_equal(e.msg, "groups[1000]: there are more than 1000");
    buf_clear(&b);
    for (int i = 0; i <= APM_DOC_MAX; i++) {
        buf_add_byte(&b, ' ');
    }
    assert_int_equal(apm_settings_parse(buf_str(&b), &s, &e), -ERR_TOO_LARGE);
    buf_done(&b);
    for (int64_t i = 0; i < 4; i++) {
        mem_fail_after(i);
        if (apm_settings_parse(str_cstr(FULL), &s, &e) == 0) {
            apm_settings_free(s);
        } else {
            assert_int_equal(e.code, ERR_NOMEM);
        }
    }
    mem_fail_after(-1);
}

static void assert_group(struct naming *n, const struct span *s, const char *want)
{
    struct entry e;

    assert_true(naming_entry(n, s, &e));
    assert_int_equal(e.group.n, strlen(want));
    assert_memory_equal(e.group.p, want, e.group.n);
}

static void test_group_rules(void **state)
{
    static const struct attr SPAN[] = {{STR("http.status_code"), {VALUE_I64, .u.i = 404}},
                                       {STR("http.route"), {VALUE_STR, .u.s = STR("/a")}}};
    static const struct attr RES[] = {
        {STR("service.name"), {VALUE_STR, .u.s = STR("api")}},
        {STR("k8s.namespace.name"), {VALUE_STR, .u.s = STR("pay-eu")}},
        {STR("vip"), {VALUE_BOOL, .u.b = true}},
    };
    static const char RULES[] =
        "{\"group_rules\":["
        "{\"name\":\"never\",\"when\":[{\"attribute\":\"missing\",\"pattern\":\"*\"}]},"
        "{\"name\":\"both ${vip} ${http.status_code} ${none}${open\",\"when\":["
        "{\"attribute\":\"http.status_code\",\"pattern\":\"4??\"},"
        "{\"attribute\":\"vip\",\"pattern\":\"true\"}]},"
        "{\"name\":\"pay ${k8s.namespace.name}\",\"when\":["
        "{\"attribute\":\"k8s.namespace.name\",\"pattern\":\"pay-*\"}]}]}";
    const struct resource r = {.attrs = {RES, ARRAY_LEN(RES)}};
    const struct scope scope = {0};
    struct span s = {
        .kind = SPAN_SERVER, .attrs = {SPAN, ARRAY_LEN(SPAN)}, .resource = &r, .scope = &scope};
    struct apm_settings *settings = NULL;
    struct naming *n = naming_new();
    struct err e = {0};

    (void)state;
    assert_group(NULL, &s, "api");
    assert_group(n, &s, "api");
    assert_int_equal(apm_settings_parse(str_cstr(RULES), &settings, &e), 0);
    assert_int_equal(naming_set(n, settings, &e), 0);
    apm_settings_free(settings);
    assert_group(n, &s, "both true 404 ${open");
    s.attrs.n = 0;
    assert_group(n, &s, "pay pay-eu");
    assert_int_equal(apm_settings_parse(STR("{}"), &settings, &e), 0);
    assert_int_equal(naming_set(n, settings, &e), 0);
    apm_settings_free(settings);
    assert_group(n, &s, "api");
    naming_free(n);
}

static void test_url_rules(void **state)
{
    static const char RULES[] =
        "{\"url_rules\":["
        "{\"pattern\":\"/files/**\",\"template\":\"/files/{file}\"},"
        "{\"pattern\":\"/year/*/report\",\"template\":\"/year/*/report\"},"
        "{\"group\":\"web*\",\"pattern\":\"/*\",\"template\":\"/{page}\"}]}";

    static const struct {
        const char *group, *path, *operation;
    } CASES[] = {
        {"api", "/files/a/b/7", "GET /files/{file}"},
        {"api", "/files", "GET /files/{file}"},
        {"api", "/year/2026/report", "GET /year/2026/report"},
        {"api", "/year/2026/other", "GET /year/{id}/other"},
        {"api", "/about", "GET /about"},
        {"web1", "/about", "GET /{page}"},
        {"web1", "/", "GET /"},
    };
    const struct scope scope = {0};
    struct apm_settings *settings = NULL;
    struct naming *n = naming_new();
    struct err e = {0};

    (void)state;
    assert_int_equal(apm_settings_parse(str_cstr(RULES), &settings, &e), 0);
    assert_int_equal(naming_set(n, settings, &e), 0);
    apm_settings_free(settings);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct attr res[] = {
            {STR("service.name"), {VALUE_STR, .u.s = str_cstr(CASES[i].group)}}};
        const struct attr attrs[] = {
            {STR("http.method"), {VALUE_STR, .u.s = STR("GET")}},
            {STR("url.path"), {VALUE_STR, .u.s = str_cstr(CASES[i].path)}}};
        const struct resource r = {.attrs = {res, 1}};
        const struct span s = {
            .kind = SPAN_SERVER, .attrs = {attrs, 2}, .resource = &r, .scope = &scope};
        struct entry got;

        assert_true(naming_entry(n, &s, &got));
        assert_int_equal(got.operation.n, strlen(CASES[i].operation));
        assert_memory_equal(got.operation.p, CASES[i].operation, got.operation.n);
    }
    naming_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_group_rules), cmocka_unit_test(test_url_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
