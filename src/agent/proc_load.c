/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/loadavg and /proc/uptime. Only finite numbers >= 0 pass.
 */
#include <math.h>

#include "agent/proc.h"
#include "agent/text.h"
#include "base/err.h"

static bool positive(struct str *line, double *ret)
{
    struct str f;

    return text_field(line, &f) && str_to_f64(f, ret) && isfinite(*ret) && *ret >= 0;
}

int proc_loadavg_parse(struct str text, double ret[3])
{
    double v[3];

    for (size_t i = 0; i < 3; i++) {
        if (!positive(&text, &v[i])) {
            return -ERR_INVALID;
        }
    }
    memcpy(ret, v, sizeof(v));
    return 0;
}

int proc_uptime_parse(struct str text, double *ret_s)
{
    double v;

    if (!positive(&text, &v)) {
        return -ERR_INVALID;
    }
    *ret_s = v;
    return 0;
}
