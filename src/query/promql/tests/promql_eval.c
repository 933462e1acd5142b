/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluates queries over a text file of samples, for comparing the engine with another implementation:
 *     promql_eval samples.txt < queries
 * A query line is "i <ms> <expr>" or "r <start ms> <end ms> <step ms> <expr>" or "f <expr>" (format), with
 * tabs between; a line of JSON answers each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "query/promql/promql.h"
#include "query/promql/tests/mem_source.h"

static struct str read_all(FILE *f, struct buf *b)
{
    char chunk[65536];
    size_t n;

    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_add(b, chunk, n);
    }
    return buf_str(b);
}

static int64_t number(struct str *line)
{
    struct str field;
    int64_t v;

    if (!str_split(line, '\t', &field) || !str_to_i64(field, &v)) {
        fprintf(stderr, "bad query line\n");
        exit(2);
    }
    return v;
}

static void answer(struct promql_engine *e, struct series_source src, struct str line)
{
    struct buf out CLEANUP(buf_done) = {0};
    struct promql_result *r = NULL;
    struct err err = {0};
    struct str kind;
    int rc;

    buf_init(&out, 1 << 28);
    str_split(&line, '\t', &kind);
    if (str_eq(kind, STR("f"))) {
        rc = promql_format(line, (struct promql_syntax){.features = PROMQL_ALL_FEATURES}, &out,
                           &err);
    } else if (str_eq(kind, STR("i"))) {
        int64_t t = number(&line);

        rc = promql_instant(e, src, line, t, NULL, &r, &err);
    } else {
        int64_t start = number(&line);
        int64_t end = number(&line);
        int64_t step = number(&line);

        rc = promql_range(e, src, line, start, end, step, NULL, &r, &err);
    }
    if (rc != 0) {
        printf("!%s\n", err.msg);
        return;
    }
    if (r != NULL) {
        promql_result_json(r, false, &out);
        promql_result_free(r);
    }
    for (size_t i = 0; i < out.n; i++) { /* one line each */
        out.data[i] = out.data[i] == '\n' ? '\1' : out.data[i];
    }
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct buf samples CLEANUP(buf_done) = {0};
    struct buf queries CLEANUP(buf_done) = {0};
    const struct promql_opts opts = {0};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = mem_source_new();
    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
    struct str rest;
    struct str line;

    buf_init(&samples, 1u << 31);
    buf_init(&queries, 1 << 28);
    if (f == NULL || !mem_source_load_text(s, read_all(f, &samples))) {
        fprintf(stderr, "cannot read the samples\n");
        return 2;
    }
    fclose(f);
    rest = read_all(stdin, &queries);
    while (str_split(&rest, '\n', &line)) {
        if (line.n != 0) {
            answer(e, mem_source_view(s), line);
        }
    }
    mem_source_free(s);
    promql_engine_free(e);
    return 0;
}
