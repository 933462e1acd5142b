/* SPDX-License-Identifier: Apache-2.0
 *
 * Users from spans: the live window, unions over groups and times, roll-ups, a crash at every kind of moment, and who
 * a request is counted as.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/users_internal.h"
#include "base/err.h"
#include "base/log.h"
#include "io/vfs.h"

enum { T0 = 1795219200 }; /* 2026-11-21 00:00:00 UTC */

static const struct scope SCOPE = {0};

struct fixture {
    char dir[64];
    struct users *u;
};

static struct users *open_at(const char *dir, int64_t now_s)
{
    const struct users_opts o = {.dir = dir, .manual_s = now_s};
    struct users *u = NULL;
    struct err e = {0};

    if (users_open(&o, &u, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return u;
}

/* Always the same: with a key of chance one user in some thousands shares its place in a sketch with another. */
static void write_key(const char *dir)
{
    struct users_key key;
    char *path = vfs_join(dir, "key");

    memset(&key, 7, sizeof(key));
    assert_int_equal(
        vfs_write_atomic(vfs_real(), path, str_of((const char *)&key, sizeof(key)), NULL), 0);
    mem_free(path);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    log_set_level(LOG_ERROR);
    snprintf(f->dir, sizeof(f->dir), "/tmp/test_users.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    write_key(f->dir);
    f->u = open_at(f->dir, T0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    users_close(f->u);
    ignore_result(vfs_remove_tree(vfs_real(), f->dir, NULL), "a test's directory");
    free(f);
    return 0;
}

/* The same as a kill -9: what only memory knew is gone. */
static void crash(struct fixture *f, int64_t now_s)
{
    char copy[80];
    char command[256];

    snprintf(copy, sizeof(copy), "%s.copy", f->dir);
    snprintf(command, sizeof(command), "cp -r %s %s", f->dir, copy);
    assert_int_equal(system(command), 0);
    users_close(f->u);
    snprintf(command, sizeof(command), "rm -r %s && mv %s %s", f->dir, copy, f->dir);
    assert_int_equal(system(command), 0);
    f->u = open_at(f->dir, now_s);
}

/* Users a .. b - 1 send one request each to the group. */
static void visit(struct users *u, const char *group, int a, int b, int64_t at_s, int64_t now_s)
{
    const struct attr r[] = {{STR("service.name"), {.type = VALUE_STR, .u.s = str_cstr(group)}}};
    const struct resource resource = {.attrs = {r, 1}};

    for (int i = a; i < b; i++) {
        char ip[32];
        struct attr v[] = {{STR("client.address"), {.type = VALUE_STR}}};
        struct span s = {.kind = SPAN_SERVER,
                         .start_ns = (at_s - 1) * 1000000000,
                         .end_ns = at_s * 1000000000,
                         .attrs = {v, 1},
                         .resource = &resource,
                         .scope = &SCOPE};

        v[0].value.u.s = str_of(
            ip, (size_t)snprintf(ip, sizeof(ip), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255));
        users_seen(u, &s, 1, now_s * 1000);
    }
}

static void pass(struct users *u, int64_t from_s, int64_t to_s)
{
    for (int64_t t = from_s; t <= to_s; t += 2) {
        users_tick(u, t * 1000);
    }
}

static double live(struct users *u, const char *group)
{
    struct arena a CLEANUP(arena_done);
    struct users_live *v = NULL;
    size_t n = 0;

    arena_init(&a, 1 << 20);
    assert_int_equal(users_live(u, 2, 5, &a, &v, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(v[i].group, str_cstr(group))) {
            return v[i].users;
        }
    }
    return -1;
}

/* @return users of each step, the first 64 */
static size_t query(struct users *u, const char *group, int64_t from_s, int64_t to_s,
                    int64_t step_s, int64_t window_s, double ret[64])
{
    const struct str name = str_cstr(group);
    const struct users_query q = {.groups = &name,
                                  .groups_n = group != NULL,
                                  .identity = -1,
                                  .from_s = from_s,
                                  .to_s = to_s,
                                  .step_s = step_s,
                                  .window_s = window_s};
    struct users_series s = {0};
    struct arena a CLEANUP(arena_done);
    struct err e = {0};

    arena_init(&a, 1 << 20);
    if (users_query(u, &q, &a, &s, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    for (size_t i = 0; i < s.n && i < 64; i++) {
        ret[i] = round(s.v[i].users);
    }
    return s.n;
}

static double uniques(struct users *u, const char *group, int64_t from_s, int64_t to_s)
{
    double v[64];

    assert_int_equal(query(u, group, from_s, to_s, 0, 0, v), 1);
    return v[0];
}

#define assert_users(a, b) assert_int_equal((int)round(a), b)

static void window_slides(void **state)
{
    struct fixture *f = *state;

    visit(f->u, "shop", 0, 100, T0 + 1, T0 + 1);
    pass(f->u, T0 + 2, T0 + 2);
    assert_users(live(f->u, "shop"), 100);
    visit(f->u, "shop", 50, 150, T0 + 100, T0 + 100);
    pass(f->u, T0 + 4, T0 + 102);
    assert_users(live(f->u, "shop"), 150);
    pass(f->u, T0 + 104, T0 + 298);
    assert_users(live(f->u, "shop"), 150);
    pass(f->u, T0 + 300, T0 + 302); /* the first hundred are five minutes back */
    assert_users(live(f->u, "shop"), 100);
    pass(f->u, T0 + 304, T0 + 402);
    assert_users(live(f->u, "shop"), 0);
}

static void groups_unite_not_add(void **state)
{
    struct fixture *f = *state;
    struct users_count c = {0};
    enum users_identity i = USERS_BY_USER;

    visit(f->u, "shop", 0, 100, T0 + 1, T0 + 1);
    visit(f->u, "pay", 60, 140, T0 + 1, T0 + 1);
    pass(f->u, T0 + 2, T0 + 2);
    assert_users(live(f->u, "shop"), 100);
    assert_users(live(f->u, "pay"), 80);
    assert_int_equal(users_live_union(f->u, &c, &i, NULL), 0);
    assert_users(c.users, 140);
    assert_int_equal(i, USERS_BY_IP);
    assert_users(uniques(f->u, NULL, T0, T0 + 60), 140);
}

/* Three hours of users: every minute ten others, of which one is there always. */
static void three_hours(struct users *u)
{
    for (int m = 0; m < 180; m++) {
        int64_t t = T0 + m * 60;

        visit(u, "shop", m * 10, m * 10 + 10, t + 5, t + 5);
        visit(u, "shop", 100000, 100001, t + 30, t + 30);
        users_tick(u, (t + 6) * 1000);
        users_tick(u, (t + 32) * 1000);
        users_tick(u, (t + 50) * 1000);
    }
}

static void check_three_hours(struct users *u)
{
    double v[64];

    assert_users(uniques(u, "shop", T0, T0 + 60), 11);
    assert_users(uniques(u, "shop", T0, T0 + 300), 51);
    assert_users(uniques(u, "shop", T0 + 120, T0 + 420), 51); /* not a slot of five minutes */
    assert_users(uniques(u, "shop", T0, T0 + 3600), 601);
    assert_users(uniques(u, "shop", T0, T0 + 3 * 3600), 1801);
    assert_users(uniques(u, "shop", T0 + 1800, T0 + 3 * 3600 - 60), 1491);
    assert_users(uniques(u, "shop", T0, T0 + 86400), 1801);
    assert_int_equal(query(u, "shop", T0, T0 + 3 * 3600, 3600, 0, v), 3);
    assert_users(v[0], 601);
    assert_users(v[2], 601);
    assert_int_equal(query(u, "shop", T0, T0 + 3600, 60, 300, v), 60); /* sliding */
    assert_users(v[0], 11);
    assert_users(v[3], 41);
    assert_users(v[4], 51);
    assert_users(v[59], 51);
}

static void rollups_unite(void **state)
{
    struct fixture *f = *state;

    three_hours(f->u);
    check_three_hours(f->u);
    pass(f->u, T0 + 3 * 3600, T0 + 3 * 3600 + 60);
    check_three_hours(f->u);
}

static void restart_keeps_all(void **state)
{
    struct fixture *f = *state;

    three_hours(f->u);
    users_close(f->u);
    f->u = open_at(f->dir, T0 + 3 * 3600);
    check_three_hours(f->u);
    pass(f->u, T0 + 3 * 3600, T0 + 3 * 3600 + 60);
    check_three_hours(f->u);
    pass(f->u, T0 + 86398, T0 + 86420); /* the day's slot is written */
    check_three_hours(f->u);
}

static void crash_loses_two_seconds(void **state)
{
    struct fixture *f = *state;

    three_hours(f->u);
    crash(f, T0 + 3 * 3600 - 8);
    check_three_hours(f->u);
    assert_users(live(f->u, "shop"), 0); /* no round yet */
    pass(f->u, T0 + 3 * 3600 - 8, T0 + 3 * 3600 - 8);
    assert_users(live(f->u, "shop"), 51); /* the window is there again */
    /* seen, but no round came */
    visit(f->u, "shop", 200000, 200007, T0 + 3 * 3600 - 7, T0 + 3 * 3600 - 7);
    crash(f, T0 + 3 * 3600 + 900);
    pass(f->u, T0 + 3 * 3600 + 900, T0 + 3 * 3600 + 920);
    check_three_hours(f->u);
    assert_users(live(f->u, "shop"), 0);
}

static void late_spans_count_where_they_belong(void **state)
{
    struct fixture *f = *state;

    three_hours(f->u);
    pass(f->u, T0 + 3 * 3600, T0 + 3 * 3600 + 20);
    visit(f->u, "shop", 300000, 300005, T0 + 2 * 3600 + 1805,
          T0 + 3 * 3600 + 21);                                          /* half an hour */
    visit(f->u, "shop", 400000, 400005, T0 + 3600, T0 + 3 * 3600 + 21); /* two hours: too late */
    pass(f->u, T0 + 3 * 3600 + 22, T0 + 3 * 3600 + 24);
    assert_users(live(f->u, "shop"), 51 - 10); /* not of the last five minutes */
    assert_users(uniques(f->u, "shop", T0 + 2 * 3600 + 1800, T0 + 2 * 3600 + 1860), 16);
    pass(f->u, T0 + 3 * 3600 + 26, T0 + 3 * 3600 + 60);
    assert_users(uniques(f->u, "shop", T0 + 2 * 3600 + 1800, T0 + 2 * 3600 + 1860), 16);
    assert_users(uniques(f->u, "shop", T0 + 2 * 3600, T0 + 3 * 3600), 606);
    crash(f, T0 + 3 * 3600 + 62);
    assert_users(uniques(f->u, "shop", T0 + 2 * 3600, T0 + 3 * 3600), 606);
    assert_users(uniques(f->u, "shop", T0, T0 + 86400), 1806);
}

static void damaged_tail_is_cut(void **state)
{
    struct fixture *f = *state;
    char path[128];
    FILE *file;

    three_hours(f->u);
    crash(f, T0 + 3 * 3600);
    users_close(f->u);
    snprintf(path, sizeof(path), "%s/1m-%d", f->dir, T0);
    file = fopen(path, "ab");
    assert_non_null(file);
    fwrite("\x30\0\0\0half a reco", 1, 15, file);
    fclose(file);
    f->u = open_at(f->dir, T0 + 3 * 3600);
    check_three_hours(f->u);
    visit(f->u, "shop", 500000, 500003, T0 + 3 * 3600 + 1, T0 + 3 * 3600 + 1);
    pass(f->u, T0 + 3 * 3600 + 2, T0 + 3 * 3600 + 80);
    crash(f, T0 + 3 * 3600 + 82);
    assert_users(uniques(f->u, "shop", T0, T0 + 3 * 3600), 1801);
    assert_users(uniques(f->u, "shop", T0 + 3 * 3600, T0 + 3 * 3600 + 60), 3);
}

static void months_are_united_from_days(void **state)
{
    struct fixture *f = *state;

    for (int d = 0; d < 40; d++) {
        int64_t t = T0 + d * 86400LL;

        visit(f->u, "shop", d * 20, d * 20 + 40, t + 40000, t + 40000);
        pass(f->u, t + 40002, t + 40002);
        pass(f->u, t + 40080, t + 40080);
        pass(f->u, t + 43300, t + 43300);
        pass(f->u, t + 86398, t + 86398);
    }
    pass(f->u, T0 + 40 * 86400LL + 20, T0 + 40 * 86400LL + 30);
    assert_users(uniques(f->u, "shop", T0 + 10 * 86400LL, T0 + 40 * 86400LL), 620);
    /* a calendar nine hours ahead: hours at the edges */
    assert_users(uniques(f->u, "shop", T0 + 10 * 86400LL - 9 * 3600, T0 + 40 * 86400LL - 9 * 3600),
                 620);
    assert_users(uniques(f->u, "shop", T0, T0 + 40 * 86400LL), 820);
}

static void old_and_fine_is_refused(void **state)
{
    struct fixture *f = *state;

    const struct {
        struct users_query q;
        int rc;
        const char *says;
    } CASES[] = {
        {{.identity = -1, .from_s = T0 - 20 * 86400, .to_s = T0, .step_s = 60},
         -ERR_INVALID,
         "300"},
        {{.identity = -1, .from_s = T0 - 90 * 86400, .to_s = T0, .step_s = 300},
         -ERR_INVALID,
         "3600"},
        {{.identity = -1, .from_s = T0, .to_s = T0, .step_s = 300}, -ERR_INVALID, "empty"},
        {{.identity = -1, .from_s = T0, .to_s = T0 + 60, .step_s = -1}, -ERR_INVALID, "positive"},
        {{.identity = -1, .from_s = T0, .to_s = T0 + 60, .step_s = 7}, -ERR_INVALID, "multiples"},
        {{.identity = -1, .from_s = T0 - 6 * 86400, .to_s = T0 + 86400 * 30, .step_s = 60},
         -ERR_LIMIT,
         "11000"},
        {{.groups = &STR("nobody"), .groups_n = 1, .identity = -1, .from_s = T0, .to_s = T0 + 60},
         -ERR_NOT_FOUND,
         "nobody"},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct users_series s;
        struct arena a CLEANUP(arena_done);
        struct err e = {0};

        arena_init(&a, 1 << 20);
        assert_int_equal(users_query(f->u, &CASES[i].q, &a, &s, &e), CASES[i].rc);
        assert_non_null(strstr(e.msg, CASES[i].says));
    }
}

static void rule_change_starts_anew(void **state)
{
    struct fixture *f = *state;
    struct buf text CLEANUP(buf_done) = {0};
    struct err e = {0};

    visit(f->u, "shop", 0, 100, T0 + 1, T0 + 1);
    pass(f->u, T0 + 2, T0 + 2);
    assert_int_equal(
        users_settings_put(f->u, STR("{\"groups\":{\"shop\":{\"identity\":\"user\"}}}"), &e), 0);
    pass(f->u, T0 + 4, T0 + 4);
    assert_users(live(f->u, "shop"), 0);
    visit(f->u, "shop", 0, 100, T0 + 5, T0 + 5); /* they have addresses, no user ids */
    pass(f->u, T0 + 6, T0 + 80);
    assert_users(live(f->u, "shop"), 0);
    assert_users(uniques(f->u, "shop", T0, T0 + 60), 0);
    buf_init(&text, 1 << 16);
    users_settings_text(f->u, &text);
    assert_true(str_find(buf_str(&text), STR("\"shop\":{\"identity\":\"user\"")) > 0);
    assert_int_equal(users_settings_put(f->u, STR("{\"groups\":{}}"), &e), 0);
    pass(f->u, T0 + 82, T0 + 82);
    assert_users(uniques(f->u, "shop", T0, T0 + 60), 100);
}

static void sketches_travel(void **state)
{
    struct fixture *f = *state;
    const struct users_query q = {.identity = -1, .from_s = T0, .to_s = T0 + 3600};
    struct hll h CLEANUP(hll_done) = {0};
    struct buf b CLEANUP(buf_done) = {0};
    struct err e = {0};

    three_hours(f->u);
    buf_init(&b, 1 << 16);
    assert_int_equal(users_sketch(f->u, &q, &b, &e), 0);
    assert_int_equal(hll_decode_into(&h, buf_str(&b), &e), 0);
    assert_users(hll_estimate(&h), 601);
}

static void memory_is_bounded(void **state)
{
    struct fixture *f = *state;
    const struct users_opts o = {
        .dir = f->dir, .manual_s = T0, .max_groups = 3, .max_memory = 1 << 20};
    struct users_status st;
    struct err e = {0};

    users_close(f->u);
    assert_int_equal(users_open(&o, &f->u, &e), 0);
    for (int g = 0; g < 10; g++) {
        char name[16];

        snprintf(name, sizeof(name), "g%d", g);
        visit(f->u, name, 0, 10, T0 + 1, T0 + 1);
    }
    users_status(f->u, &st);
    assert_int_equal(st.groups, 3);
    for (int t = 2; t < 300; t += 2) {
        visit(f->u, "g0", t * 3000, t * 3000 + 2500, T0 + t, T0 + t);
        pass(f->u, T0 + t, T0 + t);
    }
    users_status(f->u, &st);
    assert_true(st.memory_bytes < 1 << 20);
    assert_true(fabs(live(f->u, "g0") / (149 * 2500 + 10) - 1) < 0.04);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(window_slides),           T(groups_unite_not_add),
        T(rollups_unite),           T(restart_keeps_all),
        T(crash_loses_two_seconds), T(late_spans_count_where_they_belong),
        T(damaged_tail_is_cut),     T(months_are_united_from_days),
        T(old_and_fine_is_refused), T(rule_change_starts_anew),
        T(sketches_travel),         T(memory_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
