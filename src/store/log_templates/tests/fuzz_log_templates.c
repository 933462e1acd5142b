/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as records: read within bounds, and what was read can be written and read again.
 */
#include <stdlib.h>

#include "store/log_templates/log_templates_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_of((const char *)data, size);
    struct log_template t;
    int64_t n;

    while ((n = log_template_decode(rest, &t)) > 0) {
        struct log_template again;
        struct buf b;

        buf_init(&b, 8 + LOG_TEMPLATE_RECORD_MAX);
        log_template_encode(&t, &b);
        if (buf_status(&b) < 0 || log_template_decode(buf_str(&b), &again) != n ||
            again.id != t.id || !str_eq(again.text, t.text) || !str_eq(again.service, t.service)) {
            abort();
        }
        buf_done(&b);
        rest = str_drop(rest, (size_t)n);
    }
    return 0;
}
