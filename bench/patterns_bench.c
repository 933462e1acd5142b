/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU nanoseconds per line of pattern mining over a file of log lines, and what it makes of them.
 * Usage: patterns_bench FILE [ROUNDS [SERVICE]]; with ROUNDS 0 the templates are printed with their lines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/vec.h"
#include "ingest/patterns/patterns.h"
#include "store/log_templates/log_templates.h"

enum { BATCH = 512, FILE_MAX = 1 << 28 };

struct lines {
    VEC(struct log_record) v;
};

static bool read_all(const char *path, struct buf *dst)
{
    FILE *f = fopen(path, "rbe");
    char chunk[65536];
    size_t n;

    if (f == NULL) {
        perror(path);
        return false;
    }
    while ((n = fread(chunk, 1, sizeof(chunk), f)) != 0) {
        buf_add(dst, chunk, n);
    }
    fclose(f);
    return buf_status(dst) == 0;
}

static bool split(struct str text, const struct resource *r, struct lines *l)
{
    struct str line;
    bool ok = true;

    while (ok && str_split(&text, '\n', &line)) {
        struct log_record rec = {.resource = r, .time_ns = 1};

        rec.body = (struct value){.type = VALUE_STR, .u.s = line};
        ok = line.n == 0 || vec_push(&l->v, rec);
    }
    return ok;
}

static int by_pattern(const void *a, const void *b)
{
    const struct log_record *x = a;
    const struct log_record *y = b;

    return (x->pattern > y->pattern) - (x->pattern < y->pattern);
}

static void print(struct log_templates *t, struct lines *l)
{
    qsort(l->v.v, l->v.n, sizeof(*l->v.v), by_pattern);
    for (size_t i = 0; i < l->v.n;) {
        struct arena a CLEANUP(arena_done);
        struct log_template one;
        struct buf text CLEANUP(buf_done);
        size_t from = i;

        arena_init(&a, 1 << 20);
        buf_init(&text, 1 << 20);
        while (i < l->v.n && l->v.v[i].pattern == l->v.v[from].pattern) {
            i++;
        }
        if (log_templates_get(t, l->v.v[from].pattern, &a, &one) == 0) {
            patterns_text(one.text, &text);
        }
        printf("%7zu %016" PRIx64 " %.*s\n", i - from, l->v.v[from].pattern,
               STR_ARG(buf_str(&text)));
    }
}

static void mine(struct patterns *p, struct lines *l)
{
    struct patterns_tally tally;

    for (size_t i = 0; i < l->v.n; i += BATCH) {
        patterns_mine(p, l->v.v + i, l->v.n - i < BATCH ? l->v.n - i : BATCH, (int64_t)i, &tally);
    }
}

int main(int argc, char **argv)
{
    struct attr name = {STR("service.name"), {.type = VALUE_STR}};
    struct resource r = {.attrs = {&name, 1}};
    struct log_templates *t = NULL;
    struct patterns *p = NULL;
    struct lines l = {0};
    struct buf text;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 10;

    name.value.u.s = str_cstr(argc > 3 ? argv[3] : "bench");
    buf_init(&text, FILE_MAX);
    if (argc < 2 || !read_all(argv[1], &text) || !split(buf_str(&text), &r, &l) ||
        log_templates_open(&(struct log_templates_opts){0}, &t, NULL) < 0 ||
        patterns_new(&(struct patterns_opts){.templates = t}, &p) < 0) {
        return 1;
    }
    mine(p, &l);
    if (rounds == 0) {
        print(t, &l);
    } else {
        int64_t start = clock_thread_cpu_ns();

        for (int i = 0; i < rounds; i++) {
            mine(p, &l);
        }
        printf("%zu lines of %.0f bytes, %zu templates: %.0f ns a line\n", l.v.n,
               (double)text.n / (double)l.v.n, log_templates_count(t),
               (double)(clock_thread_cpu_ns() - start) / (double)rounds / (double)l.v.n);
    }
    patterns_free(p);
    log_templates_close(t);
    vec_done(&l.v);
    buf_done(&text);
    return 0;
}
