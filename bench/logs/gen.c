/* SPDX-License-Identifier: Apache-2.0
 *
 * Deterministic load of logs by OTLP/HTTP; README.md has the model of the data.
 */
#include "model.h"
#include "streams.h"

int main(int argc, char **argv)
{
    static struct streams streams;
    const struct load_model m = {.program = "bench_logs_gen",
                                 .items = "records",
                                 .default_items = 7500000,
                                 .default_batch = 1000,
                                 .state = &streams,
                                 .make = logs_make};

    streams_init(&streams);
    return load_main(&m, argc, argv);
}
