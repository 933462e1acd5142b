/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/meminfo and /proc/vmstat. A sum never wraps: what does not add up is 0.
 */
#include "agent/proc.h"
#include "agent/text.h"
#include "base/err.h"

int proc_meminfo_parse(struct str text, struct proc_meminfo *ret)
{
    enum { TOTAL, AVAILABLE };

    static const struct text_row ROWS[] = {
        [TOTAL] = {"MemTotal", offsetof(struct proc_meminfo, total)},
        [AVAILABLE] = {"MemAvailable", offsetof(struct proc_meminfo, available)},
        {"MemFree", offsetof(struct proc_meminfo, free)},
        {"Buffers", offsetof(struct proc_meminfo, buffers)},
        {"Cached", offsetof(struct proc_meminfo, cached)},
        {"Slab", offsetof(struct proc_meminfo, slab)},
        {"SReclaimable", offsetof(struct proc_meminfo, slab_reclaimable)},
        {"SwapTotal", offsetof(struct proc_meminfo, swap_total)},
        {"SwapFree", offsetof(struct proc_meminfo, swap_free)},
    };

    struct proc_meminfo m = {0};
    uint64_t present = text_rows(text, ROWS, ARRAY_LEN(ROWS), &m);

    if ((present & (1u << TOTAL)) == 0 || m.total == 0) {
        return -ERR_INVALID;
    }
    if ((present & (1u << AVAILABLE)) == 0) {
        uint64_t sum;

        if (__builtin_add_overflow(m.free, m.buffers, &sum) ||
            __builtin_add_overflow(sum, m.cached, &sum) ||
            __builtin_add_overflow(sum, m.slab_reclaimable, &sum)) {
            sum = m.total;
        }
        m.available = sum;
    }
    m.available = m.available < m.total ? m.available : m.total;
    *ret = m;
    return 0;
}

void proc_vmstat_parse(struct str text, struct proc_vmstat *ret)
{
    static const struct text_row ROWS[] = {
        {"pswpin", offsetof(struct proc_vmstat, swap_in)},
        {"pswpout", offsetof(struct proc_vmstat, swap_out)},
        {"pgfault", offsetof(struct proc_vmstat, faults)},
        {"pgmajfault", offsetof(struct proc_vmstat, major_faults)},
    };

    *ret = (struct proc_vmstat){0};
    ignore_result(text_rows(text, ROWS, ARRAY_LEN(ROWS), ret), "missing rows stay 0");
}
