/* SPDX-License-Identifier: Apache-2.0
 *
 * Every script of tests/cases, each a test of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>

#include "query/promql/tests/script.h"

enum { SCRIPTS_MAX = 128 };

static void run_one(void **state)
{
    int evals = 0;

    assert_int_equal(script_run(*state, &evals), 0);
    assert_true(evals > 0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
    static struct CMUnitTest tests[SCRIPTS_MAX];
    static char paths[SCRIPTS_MAX][512];
    size_t n = 0;
    DIR *dir = opendir(TEST_DATA "/cases");
    const struct dirent *e;

    while (dir != NULL && n < SCRIPTS_MAX && (e = readdir(dir)) != NULL) {
        if (str_ends(str_cstr(e->d_name), STR(".test"))) {
            snprintf(paths[n], sizeof(paths[n]), "%s/cases/%s", TEST_DATA, e->d_name);
            tests[n] = (struct CMUnitTest){
                .name = paths[n], .test_func = run_one, .initial_state = paths[n]};
            n++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (n == 0) {
        fprintf(stderr, "no scripts in %s/cases\n", TEST_DATA);
        return 1;
    }
    qsort(tests, n, sizeof(tests[0]), by_text);
    return _cmocka_run_group_tests("scripts", tests, n, NULL, NULL);
}
