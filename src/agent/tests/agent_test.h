/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent's tests share: cmocka, a scratch directory, small file helpers, a protobuf walker.
 */
#ifndef AGENT_TEST_H
#define AGENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "io/vfs.h"

static inline void assert_str(struct str got, const char *want)
{
    if (!str_eq(got, str_cstr(want))) {
        fail_msg("got '%.*s', want '%s'", STR_ARG(got), want);
    }
}

/** A fresh directory; test_rmdir() removes it. */
static inline char *test_mkdir(void)
{
    char *dir = strdup("/tmp/bongsu-agent-test-XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static inline void test_rmdir(char *dir)
{
    assert_int_equal(vfs_remove_tree(vfs_real(), dir, NULL), 0);
    free(dir);
}

/** "dir/name"; the last four results stay valid. */
static inline const char *test_path(const char *dir, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *p = paths[next++ % 4];

    snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
    return p;
}

static inline void test_write(const char *path, const char *mode, const char *text)
{
    FILE *f = fopen(path, mode);

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

struct pb_field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;   /* varint, fixed64 */
    struct str bytes; /* length-delimited */
};

/** Next field of a message; fails the test on bytes that are not protobuf. */
static inline bool pb_next(struct str *s, struct pb_field *ret)
{
    uint64_t v[2] = {0, 0};
    struct pb_field f = {0};

    if (s->n == 0) {
        return false;
    }
    for (size_t k = 0; k < 2; k++) {
        unsigned shift = 0;
        uint8_t c = 0x80;

        if (k == 1 && (v[0] & 7) == 1) {
            assert_true(s->n >= 8);
            for (size_t i = 0; i < 8; i++) {
                v[1] |= (uint64_t)(uint8_t)s->p[i] << (8 * i);
            }
            *s = str_drop(*s, 8);
            break;
        }
        while (c >= 0x80) {
            assert_true(s->n != 0 && shift < 64);
            c = (uint8_t)s->p[0];
            v[k] |= (uint64_t)(c & 0x7f) << shift;
            shift += 7;
            *s = str_drop(*s, 1);
        }
    }
    f.number = (uint32_t)(v[0] >> 3);
    f.wire = (uint32_t)(v[0] & 7);
    f.value = v[1];
    assert_true(f.wire <= 2);
    if (f.wire == 2) {
        assert_true(v[1] <= s->n);
        f.bytes = str_take(*s, (size_t)v[1]);
        *s = str_drop(*s, (size_t)v[1]);
    }
    *ret = f;
    return true;
}

/** The n-th (from 0) field with that number; fails when absent. */
static inline struct pb_field pb_get(struct str msg, uint32_t number, size_t n)
{
    struct pb_field f;

    while (pb_next(&msg, &f)) {
        if (f.number == number && n-- == 0) {
            return f;
        }
    }
    fail_msg("no field %u", number);
    return (struct pb_field){0};
}

static inline size_t pb_count(struct str msg, uint32_t number)
{
    struct pb_field f;
    size_t n = 0;

    while (pb_next(&msg, &f)) {
        n += f.number == number ? 1 : 0;
    }
    return n;
}

#endif
