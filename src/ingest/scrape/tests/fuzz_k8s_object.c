/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an object of the Kubernetes API, then every role over a world that knows it as every kind.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "ingest/scrape/k8s.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct k8s_object *o = NULL;
    struct k8s_world w = {0};
    struct err e = {0};

    if (k8s_object_parse(str_of((const char *)data, size), &o, &e) < 0) {
        return 0;
    }
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        ignore_result(map_put(&w.objects[kind], o->key, o), "an empty world works too");
    }
    for (int role = 0; role < K8S_ROLE_COUNT; role++) {
        const struct sd_conf c = {
            .role = (enum k8s_role)role, .attach_node = true, .attach_namespace = true};

        sd_set_unref(k8s_groups(&c, &w));
    }
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        map_done(&w.objects[kind]);
    }
    k8s_object_free(o);
    return 0;
}
