/* SPDX-License-Identifier: Apache-2.0
 *
 * The program around a model of logs or traces: options, all requests made beforehand by some threads, posting, one JSON
 * object on stdout. Request r holds what the model makes for r alone, so the bytes depend on the seed, the number of
 * items, the batch and the end, never on connections. On stderr a line once posting starts; exit status 1 when a
 * request failed.
 */
#ifndef BENCH_LIB_OTLP_LOAD_H
#define BENCH_LIB_OTLP_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

struct load_opts {
    const char *url;    /* whole, with path */
    const char *acklog; /* NULL: none */
    const char *dump;   /* NULL: none; folder that gets each request as a file */
    uint64_t items;
    uint64_t batch; /* items a request, about */
    uint64_t seed;
    int conns;
    bool dry; /* make only, and tell a hash of all bytes */
    bool stop_on_error;
    double range; /* s of time the items are spread over */
    double rate;  /* items/s; 0: as fast as acknowledged */
    int64_t end;  /* unix s */
    /* derived */
    int64_t start_ns;
    uint64_t requests;
};

struct load_made {
    uint64_t items;
    uint64_t text_bytes; /* of what a person would call the text: the model's choice */
};

struct load_model {
    const char *program;
    const char *items; /* what they are called */
    uint64_t default_items;
    uint64_t default_batch;
    const void *state;
    /** Appends request r to dst. The arena is empty at each call. Thread-safe. */
    void (*make)(const void *state, const struct load_opts *o, uint64_t r, struct arena *a,
                 struct buf *dst, struct load_made *ret);
};

/** A whole main() but for the model, whose state must not depend on the options but the seed (given apart). */
int load_main(const struct load_model *m, int argc, char **argv);

#endif
