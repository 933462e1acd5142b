/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration of any bytes is read or refused, and what is read makes targets; so do target groups in
 * YAML and JSON.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "ingest/scrape/config.h"
#include "ingest/scrape/sd.h"
#include "ingest/scrape/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_targets(const struct job_conf *j, const struct sd_conf *sd)
{
    struct arena a CLEANUP(arena_done);

    arena_init(&a, 1 << 20);
    for (size_t g = 0; g < sd->groups_n; g++) {
        for (size_t i = 0; i < sd->groups[g].n; i++) {
            struct target *t = NULL;
            struct labels before;
            struct err e = {0};

            arena_reset(&a);
            if (target_make(j, &sd->groups[g], i, &a, &t, &before, NULL, &e) == TARGET_OK) {
                target_unref(t);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    struct config *c = NULL;
    struct sd_set *set = sd_set_new();
    struct err e = {0};

    if (config_parse("fuzz.yml", text, &c, &e) == 0) {
        for (size_t i = 0; i < c->jobs_n; i++) {
            for (size_t k = 0; k < c->jobs[i]->sds_n; k++) {
                make_targets(c->jobs[i], &c->jobs[i]->sds[k]);
            }
        }
        config_unref(c);
    } else if (e.code == 0) {
        abort(); /* an error without a text */
    }
    if (set != NULL) {
        ignore_result(sd_read_yaml(set, text, STR("f"), "o", &e), "any answer is fine");
        ignore_result(sd_read_json(set, text, STR("f"), "o", &e), "any answer is fine");
        sd_set_unref(set);
    }
    return 0;
}
