/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/stat: CPU time by mode, boot time, forks. Old kernels have fewer columns (steal came with 2.6.11):
 * missing ones are 0.
 */
#include "agent/proc.h"
#include "agent/text.h"
#include "base/err.h"

/* Columns of a cpu line after its name, see proc(5); guest columns (8, 9) are already in user and nice. */
static const enum cpu_mode COLUMNS[] = {CPU_USER,   CPU_NICE,      CPU_SYSTEM,    CPU_IDLE,
                                        CPU_IOWAIT, CPU_INTERRUPT, CPU_INTERRUPT, CPU_STEAL};

static struct cpu_ticks read_ticks(struct str line)
{
    struct cpu_ticks t = {0};
    uint64_t v;

    for (size_t i = 0; i < ARRAY_LEN(COLUMNS) && text_u64(&line, &v); i++) {
        t.mode[COLUMNS[i]] += v;
    }
    return t;
}

int proc_stat_parse(struct str text, struct proc_stat *ret)
{
    struct str line;
    bool found = false;

    vec_clear(&ret->cpus);
    ret->all = (struct cpu_ticks){0};
    ret->boot_time_s = 0;
    ret->processes = 0;
    while (text_line(&text, &line)) {
        struct str name;
        uint64_t v;

        if (!text_field(&line, &name)) {
            continue;
        }
        if (str_eq(name, STR("cpu"))) {
            ret->all = read_ticks(line);
            found = true;
        } else if (str_starts(name, STR("cpu")) && str_to_u64(str_drop(name, 3), &v) &&
                   v < PROC_CPUS_MAX && ret->cpus.n < PROC_CPUS_MAX) {
            if (!vec_push(&ret->cpus, (struct cpu_line){(uint32_t)v, read_ticks(line)})) {
                return -ERR_NOMEM;
            }
        } else if (str_eq(name, STR("btime")) && text_u64(&line, &v)) {
            ret->boot_time_s = v;
        } else if (str_eq(name, STR("processes")) && text_u64(&line, &v)) {
            ret->processes = v;
        }
    }
    return found ? 0 : -ERR_INVALID;
}

void proc_stat_done(struct proc_stat *s)
{
    vec_done(&s->cpus);
}
