/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages made by the official protobuf library (tools/make_otlp_corpus.py): every item is stored, and the
 * protobuf and the JSON form of a message leave the same in the store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/err.h"
#include "fake_store.h"
#include "ingest/otlp.h"

static char *load(const char *name, const char *suffix, size_t *ret_n)
{
    char path[512];
    char *data;
    FILE *f;

    snprintf(path, sizeof(path), "%s/data/corpus/%s%s", TEST_DATA, name, suffix);
    f = fopen(path, "rb");
    if (f == NULL) {
        print_error("cannot open %s\n", path);
    }
    assert_non_null(f);
    data = malloc(1 << 20);
    assert_non_null(data);
    *ret_n = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

static enum otlp_signal signal_of(const char *name)
{
    if (strcmp(name, "metrics") == 0) {
        return OTLP_METRICS;
    }
    return strcmp(name, "traces") == 0 ? OTLP_TRACES : OTLP_LOGS;
}

static void run(const json_t *item, enum otlp_encoding enc, struct fake_store *store)
{
    struct sink sink = {
        .metrics = fake_tsdb(store), .spans = fake_columns(store), .logs = fake_columns(store)};
    const char *name = json_string_value(json_object_get(item, "name"));
    struct buf response CLEANUP(buf_done) = {0};
    struct arena arena CLEANUP(arena_done);
    struct err e = {0};
    struct otlp *o;
    size_t n;
    char *data = load(name, enc == OTLP_JSON ? ".json" : ".pb", &n);
    struct otlp_request req = {signal_of(json_string_value(json_object_get(item, "signal"))), enc,
                               str_of(data, n), "otlp_http", 5};
    int rc;

    arena_init(&arena, 64 << 20);
    buf_init(&response, 1 << 16);
    ingest_limits_default(&sink.limits);
    o = otlp_new(&sink);
    rc = otlp_export(o, &req, &arena, &response, &e);
    if (rc != 0) {
        print_error("%s: %s\n", name, e.msg);
    }
    assert_int_equal(rc, 0);
    if (response.n != (enc == OTLP_JSON ? 2 : 0)) {
        print_error("%s: %.*s\n", name, STR_ARG(buf_str(&response)));
        fail();
    }
    otlp_free(o);
    free(data);
}

static void test_corpus(void **state)
{
    size_t n;
    char *text = load("index", ".json", &n);
    json_t *index = json_loadb(text, n, 0, NULL);

    (void)state;
    assert_true(json_array_size(index) >= 9);
    for (size_t i = 0; i < json_array_size(index); i++) {
        const json_t *item = json_array_get(index, i);
        static struct fake_store pb;
        static struct fake_store js;

        fake_store_init(&pb);
        fake_store_init(&js);
        run(item, OTLP_PROTOBUF, &pb);
        run(item, OTLP_JSON, &js);
        assert_int_equal(pb.rows_n, json_integer_value(json_object_get(item, "rows")));
        assert_int_equal(pb.samples_n, json_integer_value(json_object_get(item, "samples")));
        assert_true(str_eq(buf_str(&pb.rows), buf_str(&js.rows)));
        assert_true(str_eq(buf_str(&pb.samples), buf_str(&js.samples)));
        assert_true(str_eq(buf_str(&pb.metadata), buf_str(&js.metadata)));
        fake_store_done(&pb);
        fake_store_done(&js);
    }
    json_decref(index);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
