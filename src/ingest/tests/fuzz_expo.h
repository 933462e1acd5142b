/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of the exposition parsers share: any bytes are walked to the end or to an error
 * with a message, every label set that is handed on is sorted, named and valid UTF-8.
 */
#ifndef INGEST_TESTS_FUZZ_EXPO_H
#define INGEST_TESTS_FUZZ_EXPO_H

#include <stdlib.h>

#include "ingest/expo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check_labels(struct labels ls)
{
    for (size_t i = 0; i < ls.n; i++) {
        if (ls.v[i].name.n == 0 || ls.v[i].value.n == 0 || !str_is_utf8(ls.v[i].name) ||
            !str_is_utf8(ls.v[i].value) ||
            (i != 0 && str_cmp(ls.v[i - 1].name, ls.v[i].name) >= 0)) {
            abort();
        }
    }
}

static inline int fuzz_expo_family(void *arg, const struct expo_family *f, struct err *reterr)
{
    (void)arg;
    (void)reterr;
    if (f->name.n == 0 || !str_is_utf8(f->name) || !str_is_utf8(f->help)) {
        abort();
    }
    return 0;
}

static inline int fuzz_expo_sample(void *arg, struct expo *p, const struct expo_sample *s,
                                   struct err *reterr)
{
    struct labels ls;
    int rc;

    (void)arg;
    for (size_t i = 0; i < s->exemplars_n; i++) {
        fuzz_check_labels(s->exemplars[i].labels);
    }
    rc = expo_labels(p, &ls, reterr);
    if (rc < 0) {
        return rc;
    }
    fuzz_check_labels(ls);
    if (labels_get(ls, STR(LABEL_NAME)).n == 0) {
        abort();
    }
    return 0;
}

static inline int fuzz_expo(enum expo_format format, const uint8_t *data, size_t size)
{
    const struct expo_handler h = {NULL, fuzz_expo_family, fuzz_expo_sample};
    struct arena arena CLEANUP(arena_done);

    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 4; i++) {
        const struct expo_opts o = {.format = format,
                                    .created_as_samples = i % 2 == 0,
                                    .want_created = i % 2 == 1,
                                    .always_classic = i == 1 || i == 3,
                                    .ignore_native = i == 2,
                                    .nhcb = i >= 2,
                                    .arena = &arena};
        struct err e = {0};
        int rc = expo_parse(&o, &h, str_of((const char *)data, size), &e);

        if (rc < 0 && (e.code != -rc || e.msg[0] == '\0' || !str_is_utf8(str_cstr(e.msg)))) {
            abort();
        }
    }
    return 0;
}

#endif
