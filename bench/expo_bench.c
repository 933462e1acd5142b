/* SPDX-License-Identifier: Apache-2.0
 *
 * Speed of the exposition parsers on one thread over a file (a scrape of node_exporter, say): MB/s and
 * samples/s without asking for labels, as for series a scrape cache knows, and with. Usage:
 * expo_bench FILE [text|openmetrics|protobuf]
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ingest/expo.h"

struct count {
    bool labels;
    uint64_t samples;
    uint64_t hash;
};

static int on_sample(void *arg, struct expo *p, const struct expo_sample *s, struct err *reterr)
{
    struct count *c = arg;
    struct labels ls;

    c->samples++;
    c->hash ^= hash64(s->series.p, s->series.n);
    return c->labels ? expo_labels(p, &ls, reterr) : 0;
}

static int run(struct str body, enum expo_format format, bool labels)
{
    struct count c = {.labels = labels};
    const struct expo_handler h = {&c, NULL, on_sample};
    struct mono start = clock_mono();
    struct arena arena;
    struct err e = {0};
    uint64_t rounds = 0;
    double s;

    arena_init(&arena, 1 << 20);
    do {
        const struct expo_opts o = {.format = format, .arena = &arena};

        if (expo_parse(&o, &h, body, &e) < 0) {
            fprintf(stderr, "%s\n", e.msg);
            arena_done(&arena);
            return 1;
        }
        rounds++;
    } while (mono_since_ns(start) < 1000000000);
    s = (double)mono_since_ns(start) / 1e9;
    printf("%-14s %8.0f MB/s %10.2f M samples/s\n", labels ? "with labels" : "known series",
           (double)(rounds * body.n) / s / 1e6, (double)c.samples / s / 1e6);
    arena_done(&arena);
    return 0;
}

int main(int argc, char **argv)
{
    struct str kind = str_cstr(argc > 2 ? argv[2] : "text");
    enum expo_format format = str_eq(kind, STR("openmetrics")) ? EXPO_OPENMETRICS
                              : str_eq(kind, STR("protobuf"))  ? EXPO_PROTOBUF
                                                               : EXPO_TEXT;
    struct buf b CLEANUP(buf_done) = {0};
    char *room;
    FILE *f;

    if (argc < 2 || (f = fopen(argv[1], "rb")) == NULL) {
        fprintf(stderr, "usage: expo_bench FILE [text|openmetrics|protobuf]\n");
        return 2;
    }
    buf_init(&b, 1u << 30);
    while ((room = buf_reserve(&b, 1 << 16)) != NULL) {
        size_t n = fread(room, 1, 1 << 16, f);

        if (n == 0) {
            break;
        }
        b.n += n;
    }
    fclose(f);
    return run(buf_str(&b), format, false) | run(buf_str(&b), format, true);
}
