/* SPDX-License-Identifier: Apache-2.0
 *
 * The streams of the bench: 80 resources, of which each kind of program has some. Kinds have fixed shares of the
 * records, streams within a kind follow Zipf's law.
 */
#ifndef BENCH_LOGS_STREAMS_H
#define BENCH_LOGS_STREAMS_H

#include "lines.h"

enum { STREAMS_MAX = 80 };

struct stream {
    struct resource resource;
    struct scope scope;
    void (*line)(struct line *l);
    int number; /* within its kind */
    struct attr attrs[10];
    char text[6][64];
};

struct streams {
    struct stream v[STREAMS_MAX];
    size_t n;
};

void streams_init(struct streams *s);
const struct stream *streams_pick(const struct streams *s, struct dice *d);

#endif
