/* SPDX-License-Identifier: Apache-2.0
 *
 * Loki pushes: labels as text with their errors, severities found in lines, and JSON requests to records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "fake_store.h"
#include "ingest/loki.h"

static void test_labels(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *error; /* NULL: none */
    } CASES[] = {
        {"{}", 0, NULL},
        {"{foo=\"bar\"}", 1, NULL},
        {" { foo = \"b\\\"a\\nr\" , x=`y` , } ", 2, NULL},
        {"", 0, "unexpected input, expected \"{\""},
        {"foo", 0, "unexpected input, expected \"{\""},
        {"{foo", 0, "expected label name and \"=\""},
        {"{=\"x\"}", 0, "expected label name and \"=\""},
        {"{a=b}", 0, "expected label value in quotes"},
        {"{a=\"b}", 0, "expected label value in quotes"},
        {"{a=\"b\"", 0, "expected \",\" or \"}\""},
        {"{a=\"b\" c=\"d\"}", 0, "expected \",\" or \"}\""},
        {"{a=\"b\",", 0, "unexpected end of input"},
    };
    struct arena a;

    (void)state;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err e = {0};
        struct label *v = NULL;
        size_t n = 0;
        int rc = loki_labels(str_cstr(CASES[i].text), &a, &v, &n, &e);

        assert_int_equal(rc, CASES[i].error == NULL ? 0 : -ERR_INVALID);
        assert_int_equal(n, CASES[i].n);
        if (CASES[i].error != NULL && strstr(e.msg, CASES[i].error) == NULL) {
            fail_msg("%s: %s", CASES[i].text, e.msg);
        }
        if (i == 2) {
            assert_true(str_eq(v[0].value, STR("b\"a\nr")) && str_eq(v[1].value, STR("y")));
        }
    }
    arena_done(&a);
}

static void test_severity(void **state)
{
    static const struct {
        const char *line;
        uint8_t severity;
    } CASES[] = {
        {"level=warn msg=error", 13},
        {"{\"a\": 1, \"level\": \"ERROR\"}", 17},
        {"ts=1 severity: debug", 5},
        {"lvl=\"info\"", 9},
        {"2026-01-01 INFO started", 9},
        {"something failed: error in x", 17},
        {"FATAL panic", 21},
        {"a critical thing", 18},
        {"the level of water", 0},
        {"terrors and inform", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(loki_line_severity(str_cstr(CASES[i].line)), CASES[i].severity);
    }
}

static void test_json(void **state)
{
    static const struct {
        const char *body;
        int rc;
        size_t accepted, rejected;
        const char *want; /* part of the rows, or of the error */
    } CASES[] = {
        {"{\"streams\":[{\"stream\":{\"app\":\"x\"},\"values\":[[\"5\",\"line\"],[\"6\",\"l2\",{\"k\":\"v\"}]]}]}",
         0, 2, 0, "service.name"},
        {"{\"streams\":[{\"values\":[[\"5\",\"late labels\"]],\"stream\":{\"job\":\"j\"}}]}", 0, 1,
         0, "late labels"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"5\",\"x\"]]}]}", 0, 0, 1, ""},
        {"{\"streams\":[]}", 0, 0, 0, ""},
        {"{\"other\":1}", 0, 0, 0, ""},
        {"[]", -ERR_INVALID, 0, 0, "JSON object"},
        {"{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[5,\"x\"]]}]}", -ERR_INVALID, 0, 0,
         "string"},
        {"{\"streams\":[{\"stream\":{\"a\":{}},\"values\":[]}]}", -ERR_INVALID, 0, 0, "label a"},
    };
    static struct fake_store store;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct loki_request req = {true, str_cstr(CASES[i].body), 7};
        struct sink sink;
        struct loki_result r;
        struct arena a;
        struct err e = {0};

        fake_store_init(&store);
        sink = (struct sink){.logs = fake_columns(&store)};
        ingest_limits_default(&sink.limits);
        arena_init(&a, 1 << 20);
        assert_int_equal(loki_push(&sink, &req, &a, &r, &e), CASES[i].rc);
        assert_int_equal(r.accepted, CASES[i].accepted);
        assert_int_equal(r.rejected, CASES[i].rejected);
        if (CASES[i].rc < 0) {
            assert_non_null(strstr(e.msg, CASES[i].want));
        } else {
            assert_true(str_find(buf_str(&store.rows), str_cstr(CASES[i].want)) >= 0);
        }
        arena_done(&a);
        fake_store_done(&store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_severity),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
