/* SPDX-License-Identifier: Apache-2.0
 *
 * Damage and repairs are lines on standard output, one a file; a line that counts what was looked at is kept up to
 * date while somebody looks.
 */
#include "check_data.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "store/check.h"

struct tally {
    bool tty;
    struct mono shown;
    uint64_t files, bytes, rows;
    uint64_t damaged, repaired;
};

static void show_progress(struct tally *t)
{
    if (t->tty && mono_since_ns(t->shown) > 100000000) {
        t->shown = clock_mono();
        fprintf(stderr, "\r%llu parts and logs, %.1f MiB, %llu rows ", (unsigned long long)t->files,
                (double)t->bytes / 1048576, (unsigned long long)t->rows);
    }
}

static void on_finding(void *arg, const struct check_finding *f)
{
    struct tally *t = arg;

    if (f->state == CHECK_REPAIRED) {
        t->repaired++;
    } else {
        t->files++;
        t->bytes += f->bytes;
        t->rows += f->rows;
        t->damaged += f->state == CHECK_DAMAGED;
    }
    if (f->state != CHECK_WHOLE) {
        printf("%s%s %s: %s\n", t->tty ? "\r" : "",
               f->state == CHECK_DAMAGED ? "DAMAGED " : "REPAIRED", f->path, f->detail);
    }
    show_progress(t);
}

static int finish(const struct tally *t, bool repair)
{
    printf("%s%llu parts and logs, %llu rows, %.1f MiB: ", t->tty ? "\r" : "",
           (unsigned long long)t->files, (unsigned long long)t->rows, (double)t->bytes / 1048576);
    if (t->damaged == 0) {
        printf("whole\n");
        return 0;
    }
    printf("%llu damaged", (unsigned long long)t->damaged);
    if (repair) {
        printf(", %llu repairs\n", (unsigned long long)t->repaired);
        return t->repaired >= t->damaged ? 0 : 1;
    }
    printf("; bongsu check data DIR --repair mends what can be mended (make a backup first)\n");
    return 1;
}

int check_data_main(int argc, char **argv)
{
    struct tally t = {.tty = isatty(STDERR_FILENO) != 0, .shown = clock_mono()};
    struct check_report report = {on_finding, &t, false};
    struct err e = {0};

    report.repair = argc == 2 && strcmp(argv[1], "--repair") == 0;
    if (argc < 1 || argc > 2 || argv[0][0] == '-' || (argc == 2 && !report.repair)) {
        fprintf(stderr, "usage: bongsu check data DIR [--repair]\n");
        return 2;
    }
    if (store_check(argv[0], &report, &e) < 0) {
        fprintf(stderr, "bongsu check data: %s\n", e.msg);
        return 2;
    }
    return finish(&t, report.repair);
}
