/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a rule file: read or refused, and what is read is whole.
 */
#include <stdint.h>
#include <stdlib.h>

#include "alert/rule_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct rule_defaults defaults = {.interval_ms = 60000};
    struct rule_file f = {0};

    if (rule_file_parse(str_of((const char *)data, size), "f", &defaults, &f, NULL) == 0) {
        for (size_t i = 0; i < f.n; i++) {
            if (f.groups[i].name.n == 0 || f.groups[i].interval_ms <= 0) {
                abort();
            }
            for (size_t k = 0; k < f.groups[i].n; k++) {
                if (f.groups[i].rules[k].name.n == 0 || f.groups[i].rules[k].expr.n == 0) {
                    abort();
                }
            }
        }
    }
    rule_file_done(&f);
    return 0;
}
