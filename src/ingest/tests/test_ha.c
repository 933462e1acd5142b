/* SPDX-License-Identifier: Apache-2.0
 *
 * Election of replicas: one is stored, failover after silence, an election outlives a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ingest/ha.h"

static struct ha *make(const char *path)
{
    const struct ha_opts o = {.path = path,
                              .cluster_label = STR("cluster"),
                              .replica_label = STR("__replica__"),
                              .failover_ms = 30000,
                              .max_clusters = 2};

    return ha_new(&o);
}

static void test_election(void **state)
{
    struct ha_cluster *v;
    struct arena a;
    struct ha *h = make(NULL);
    size_t n;

    (void)state;
    assert_true(ha_accept(h, STR("c"), STR("a"), 1000));
    assert_false(ha_accept(h, STR("c"), STR("b"), 1001));
    assert_true(ha_accept(h, STR("d"), STR("b"), 1002)); /* another cluster */
    assert_true(ha_accept(h, STR("c"), STR("a"), 20000));
    assert_false(ha_accept(h, STR("c"), STR("b"), 49999));
    assert_true(ha_accept(h, STR("c"), STR("b"), 50000)); /* silent for 30 s */
    assert_false(ha_accept(h, STR("c"), STR("a"), 50001));
    assert_true(ha_accept(h, STR(""), STR("a"), 1));
    assert_true(ha_accept(h, STR("c"), STR(""), 1));
    assert_true(ha_accept(h, STR("third"), STR("a"), 1)); /* beyond the limit: all */
    assert_true(ha_accept(h, STR("third"), STR("b"), 1));
    arena_init(&a, 1 << 16);
    assert_int_equal(ha_list(h, &a, &v, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(str_eq(v[0].cluster, STR("c")) && str_eq(v[0].replica, STR("b")));
    assert_int_equal(v[0].failovers, 1);
    assert_int_equal(v[0].dropped, 3);
    assert_int_equal(v[0].since_ms, 50000);
    assert_int_equal(v[1].failovers, 0);
    arena_done(&a);
    ha_free(h);
}

static void test_restart(void **state)
{
    char path[] = "/tmp/test_ha_XXXXXX";
    int fd = mkstemp(path);
    struct ha *h;
    FILE *f;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    h = make(path);
    assert_true(ha_accept(h, STR("c"), STR("a"), clock_wall_ms()));
    ha_free(h);
    h = make(path);
    assert_false(ha_accept(h, STR("c"), STR("b"), clock_wall_ms() + 1000));
    assert_true(ha_accept(h, STR("c"), STR("b"), clock_wall_ms() + 60000));
    ha_free(h);
    h = make(path);
    assert_false(ha_accept(h, STR("c"), STR("a"), clock_wall_ms()));
    ha_free(h);
    f = fopen(path, "wb"); /* nonsense is skipped */
    assert_non_null(f);
    fputs("x\n\t\nc\tz\nc\ty\n\n", f);
    fclose(f);
    h = make(path);
    assert_false(ha_accept(h, STR("c"), STR("a"), clock_wall_ms()));
    assert_true(ha_accept(h, STR("c"), STR("z"), clock_wall_ms()));
    ha_free(h);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_election),
        cmocka_unit_test(test_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
