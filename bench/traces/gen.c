/* SPDX-License-Identifier: Apache-2.0
 *
 * Deterministic load of spans by OTLP/HTTP; README.md has the model of the data.
 */
#include "model.h"

int main(int argc, char **argv)
{
    static struct services services;
    const struct load_model m = {.program = "bench_traces_gen",
                                 .items = "spans",
                                 .default_items = 3000000,
                                 .default_batch = 1000,
                                 .state = &services,
                                 .make = traces_make};

    services_init(&services);
    return load_main(&m, argc, argv);
}
