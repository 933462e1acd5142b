/* SPDX-License-Identifier: Apache-2.0
 *
 * Table-driven reading of "name value" files such as meminfo and vmstat.
 */
#include "agent/text.h"

uint64_t text_rows(struct str text, const struct text_row *rows, size_t n, void *dst)
{
    uint64_t present = 0;
    struct str line;

    while (text_line(&text, &line)) {
        struct str name;
        struct str unit;
        uint64_t v;

        if (!text_field(&line, &name)) {
            continue;
        }
        if (name.p[name.n - 1] == ':') {
            name.n--;
        }
        for (size_t i = 0; i < n; i++) {
            if (!str_eq(name, str_cstr(rows[i].name))) {
                continue;
            }
            if (!text_u64(&line, &v)) {
                break;
            }
            if (text_field(&line, &unit) && str_eq(unit, STR("kB"))) {
                v = v > UINT64_MAX / 1024 ? UINT64_MAX : v * 1024;
            }
            memcpy((char *)dst + rows[i].offset, &v, sizeof(v));
            present |= UINT64_C(1) << i;
            break;
        }
    }
    return present;
}
