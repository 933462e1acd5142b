/* SPDX-License-Identifier: Apache-2.0
 *
 * kubernetes_sd_configs: not built yet.
 */
#include "ingest/scrape/sd.h"

void sd_k8s_run(void *sd)
{
    const struct err e = {.msg = "kubernetes discovery is not built into this version"};

    sd_failed(sd, &e);
}
