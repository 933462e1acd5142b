/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedded files, whichever way the console was built: the start page is there, it is a gzip stream
 * of HTML, and nothing is found that is not a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "web/web_assets.h"

static size_t unzip(const struct web_asset *a, unsigned char *out, size_t room)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)a->gz, .avail_in = (uInt)a->gz_n};
    size_t n;

    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    n = z.total_out;
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(inflateEnd(&z), Z_OK);
    return n;
}

static void test_index(void **state)
{
    const struct web_asset *a = web_asset_find(STR("/"));
    unsigned char html[16384];
    size_t n;

    (void)state;
    assert_non_null(a);
    assert_ptr_equal(a, web_asset_find(STR("/index.html")));
    assert_string_equal(a->content_type, "text/html; charset=utf-8");
    assert_int_equal(a->etag[0], '"');
    assert_false(a->immutable);
    n = unzip(a, html, sizeof(html));
    assert_true(str_find(str_of((const char *)html, n), STR("<title>Bongsu</title>")) > 0);
}

static void test_unknown(void **state)
{
    static const char *const paths[] = {"",     "index.html", "/index.htm", "/index.html/",
                                        "/zzz", "//",         "/../x"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_null(web_asset_find(str_cstr(paths[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
