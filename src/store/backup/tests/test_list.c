/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of backups: text and back, and every way a list can be wrong.
 */
#include "store/backup/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"

static void test_round_trip(void **state)
{
    struct list_file files[] = {
        {{1, 2}, 0, 0, STR("a")},
        {{0xfedcba9876543210, 0x0123456789abcdef}, 1ull << 40, -5, STR("metrics/blocks/1/a b")},
    };
    const struct list l = {1795272900123, files, 2};
    struct list back;
    struct arena a CLEANUP(arena_done);
    struct buf text CLEANUP(buf_done);

    (void)state;
    arena_init(&a, 1 << 20);
    buf_init(&text, 1 << 20);
    list_write(&l, &text);
    assert_int_equal(list_parse(buf_str(&text), &a, &back, NULL), 0);
    assert_int_equal(back.time_ms, l.time_ms);
    assert_int_equal(back.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(back.files[i].hash.lo, files[i].hash.lo);
        assert_int_equal(back.files[i].hash.hi, files[i].hash.hi);
        assert_int_equal(back.files[i].size, files[i].size);
        assert_int_equal(back.files[i].mtime_ns, files[i].mtime_ns);
        assert_true(str_eq(back.files[i].path, files[i].path));
    }
}

static void test_broken(void **state)
{
#define HASH "00000000000000020000000000000001"

    static const struct {
        const char *body;
        const char *error;
    } cases[] = {
        {"", "line 1 makes no sense"},
        {"bongsu-backup 2\ntime 1\n", "line 1 makes no sense"},
        {"bongsu-backup 1\ntime x\n", "line 2 makes no sense"},
        {"bongsu-backup 1\n", "line 2 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " 1 2 ../a\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " 1 2 /a\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " 1 2 a//b\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " 1 2 a/./b\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " 1 2 \n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " 1 2\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " -1 2 a\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf 12 1 2 a\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\ng " HASH " 1 2 a\n", "line 3 makes no sense"},
        {"bongsu-backup 1\ntime 1\nf " HASH " 1 2 a\nf " HASH " 1 2 a\n", "line 4 makes no sense"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a CLEANUP(arena_done);
        struct buf text CLEANUP(buf_done);
        struct list l;
        struct err e = {0};

        arena_init(&a, 1 << 20);
        buf_init(&text, 4096);
        buf_add_cstr(&text, cases[i].body);
        buf_printf(&text, "crc %08x\n", crc32c(0, cases[i].body, strlen(cases[i].body)));
        if (list_parse(buf_str(&text), &a, &l, &e) != -ERR_CORRUPT ||
            strstr(e.msg, cases[i].error) == NULL) {
            fail_msg("%s gives %s", cases[i].body, e.msg);
        }
        text.data[0] ^= 1;
        assert_int_equal(list_parse(buf_str(&text), &a, &l, &e), -ERR_CORRUPT);
        assert_int_equal(list_parse(STR("crc 00000000"), &a, &l, &e), -ERR_CORRUPT);
        assert_non_null(strstr(e.msg, "checksum"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
