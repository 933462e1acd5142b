/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of metrics.h as data.
 */
#include "agent/metrics.h"

const struct metric_def *metric_def(enum metric_id id)
{
    static const struct metric_def DEFS[METRIC_COUNT] = {
#define METRIC_DEF(id, name, unit, kind, help) [M_##id] = {name, unit, METRIC_##kind, help},
        METRIC_TABLE(METRIC_DEF)
#undef METRIC_DEF
    };

    return &DEFS[id];
}
