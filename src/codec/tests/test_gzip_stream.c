/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces of any size come back as the text they were cut from.
 */
#include "codec/gzip_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/random.h"
#include "codec/compress.h"

static void round_trip(size_t total, size_t piece)
{
    struct gzip_stream *g = gzip_stream_new(1);
    struct buf text CLEANUP(buf_done);
    struct buf packed CLEANUP(buf_done);
    struct buf back CLEANUP(buf_done);
    uint64_t seed = total + piece;

    buf_init(&text, total + 1);
    buf_init(&packed, 2 * total + 65536);
    buf_init(&back, total + 1);
    while (text.n < total) {
        buf_add_byte(&text, (char)(random_next(&seed) % 7));
    }
    for (size_t at = 0; at < total; at += piece) {
        size_t n = total - at < piece ? total - at : piece;

        assert_int_equal(gzip_stream_feed(g, str_of(text.data + at, n), false, &packed), 0);
    }
    assert_int_equal(gzip_stream_feed(g, str_of("", 0), true, &packed), 0);
    assert_int_equal(decompress(COMPRESS_GZIP, buf_str(&packed), &back, NULL), 0);
    assert_true(str_eq(buf_str(&back), buf_str(&text)));
    gzip_stream_free(g);
}

static void test_round_trip(void **state)
{
    static const size_t totals[] = {0, 1, 100, 70000, 300000};
    static const size_t pieces[] = {1000, 16384, 65536, 1 << 20};

    (void)state;
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
            round_trip(totals[i], pieces[k]);
        }
    }
}

static void test_no_room(void **state)
{
    struct gzip_stream *g = gzip_stream_new(0);
    struct buf dst CLEANUP(buf_done);

    (void)state;
    buf_init(&dst, 10);
    assert_int_equal(gzip_stream_feed(g, STR("text"), true, &dst), -ERR_TOO_LARGE);
    gzip_stream_free(g);
    gzip_stream_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
