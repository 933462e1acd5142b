/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole life of accounts against a real SQLite file: setup, login, sessions, roles, tokens, brake,
 * audit, restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/err.h"

static const struct str IP = {"127.0.0.1", 9};

struct fixture {
    char dir[64];
    char path[96];
    struct meta *meta;
    struct auth *auth;
};

static void open_all(struct fixture *f)
{
    struct err e = {0};

    assert_int_equal(meta_open(f->path, &f->meta, &e), 0);
    assert_int_equal(auth_open(&(struct auth_opts){.meta = f->meta, .enabled = true}, &f->auth, &e),
                     0);
}

static void close_all(struct fixture *f)
{
    auth_close(f->auth);
    meta_close(f->meta);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/bongsu-auth-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/meta.sqlite", f->dir);
    open_all(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[128];

    close_all(f);
    static const char *const SUFFIXES[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, SUFFIXES[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static struct auth_login make_admin(struct fixture *f)
{
    struct auth_login login;
    struct err e = {0};
    char secret[AUTH_SECRET_SIZE];

    assert_non_null(auth_setup_secret(f->auth));
    snprintf(secret, sizeof(secret), "%s", auth_setup_secret(f->auth));
    assert_int_equal(
        auth_setup(f->auth, str_cstr(secret), STR("root"), STR("correct horse"), IP, &login, &e),
        0);
    return login;
}

static void test_setup_works_once(void **state)
{
    struct fixture *f = *state;
    struct auth_login login;
    struct err e = {0};
    char secret[AUTH_SECRET_SIZE];

    snprintf(secret, sizeof(secret), "%s", auth_setup_secret(f->auth));
    assert_int_equal(
        auth_setup(f->auth, STR("wrong"), STR("root"), STR("correct horse"), IP, &login, &e),
        -ERR_FORBIDDEN);
    assert_int_equal(
        auth_setup(f->auth, str_cstr(secret), STR("root"), STR("short"), IP, &login, &e),
        -ERR_INVALID);
    assert_string_equal(e.msg, "password: 8 to 256 bytes");
    assert_true(auth_setup_required(f->auth));
    make_admin(f);
    assert_false(auth_setup_required(f->auth));
    assert_int_equal(
        auth_setup(f->auth, str_cstr(secret), STR("evil"), STR("correct horse"), IP, &login, &e),
        -ERR_FORBIDDEN);
    close_all(f);
    open_all(f);
    assert_null(auth_setup_secret(f->auth));
}

static void test_session_survives_restart_and_ends_at_logout(void **state)
{
    struct fixture *f = *state;
    struct auth_login login = make_admin(f);
    struct identity id;
    struct err e = {0};

    close_all(f);
    open_all(f);
    assert_int_equal(auth_check_cookie(f->auth, str_cstr(login.cookie), &id, &e), 0);
    assert_string_equal(id.name, "root");
    assert_int_equal(id.role, ROLE_ADMIN);
    assert_string_equal(id.csrf, login.identity.csrf);
    assert_int_equal(auth_check_cookie(f->auth, STR("0123"), &id, &e), -ERR_UNAUTHENTICATED);
    assert_int_equal(auth_logout(f->auth, &login.identity, IP, &e), 0);
    assert_int_equal(auth_check_cookie(f->auth, str_cstr(login.cookie), &id, &e),
                     -ERR_UNAUTHENTICATED);
}

static void test_guessing_is_braked(void **state)
{
    struct fixture *f = *state;
    struct auth_login login;
    struct err e = {0};
    int64_t retry_s = 0;

    make_admin(f);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(
            auth_login(f->auth, STR("root"), STR("wrong password"), IP, &login, &retry_s, &e),
            -ERR_UNAUTHENTICATED);
    }
    assert_int_equal(
        auth_login(f->auth, STR("root"), STR("correct horse"), IP, &login, &retry_s, &e),
        -ERR_OVERLOAD);
    assert_in_range(retry_s, 1, 61);
    assert_int_equal(auth_login(f->auth, STR("root"), STR("correct horse"), STR("10.0.0.9"), &login,
                                &retry_s, &e),
                     0);
    assert_int_equal(auth_login(f->auth, STR("nobody"), STR("wrong password"), STR("10.0.0.9"),
                                &login, &retry_s, &e),
                     -ERR_UNAUTHENTICATED);
}

static void test_roles_and_last_admin(void **state)
{
    struct fixture *f = *state;
    struct auth_login admin = make_admin(f);
    struct auth_login viewer;
    struct err e = {0};
    int64_t retry_s;
    const enum role demoted = ROLE_VIEWER;

    assert_int_equal(auth_user_create(f->auth, &admin.identity, IP, STR("kim"), STR("password one"),
                                      ROLE_VIEWER, &e),
                     0);
    assert_int_equal(auth_user_create(f->auth, &admin.identity, IP, STR("kim"), STR("password one"),
                                      ROLE_VIEWER, &e),
                     -ERR_EXISTS);
    assert_int_equal(
        auth_login(f->auth, STR("kim"), STR("password one"), IP, &viewer, &retry_s, &e), 0);
    assert_int_equal(auth_user_create(f->auth, &viewer.identity, IP, STR("lee"),
                                      STR("password two"), ROLE_ADMIN, &e),
                     -ERR_FORBIDDEN);
    assert_int_equal(auth_user_update(f->auth, &admin.identity, IP, STR("root"),
                                      &(struct auth_user_change){.role = &demoted}, &e),
                     -ERR_EXISTS);
    assert_string_equal(e.msg, "\"root\" is the last admin");
    assert_int_equal(auth_user_delete(f->auth, &admin.identity, IP, STR("root"), &e), -ERR_EXISTS);
    assert_int_equal(auth_user_delete(f->auth, &admin.identity, IP, STR("ghost"), &e),
                     -ERR_NOT_FOUND);
    /* own password: the current one is needed, other sessions end, this one stays */
    assert_int_equal(auth_user_update(f->auth, &viewer.identity, IP, STR("kim"),
                                      &(struct auth_user_change){.password = STR("password new"),
                                                                 .current_password = STR("bad")},
                                      &e),
                     -ERR_FORBIDDEN);
    assert_int_equal(
        auth_user_update(f->auth, &viewer.identity, IP, STR("kim"),
                         &(struct auth_user_change){.password = STR("password new"),
                                                    .current_password = STR("password one")},
                         &e),
        0);
    struct identity id;
    assert_int_equal(auth_check_cookie(f->auth, str_cstr(viewer.cookie), &id, &e), 0);
    assert_int_equal(auth_user_delete(f->auth, &admin.identity, IP, STR("kim"), &e), 0);
    assert_int_equal(auth_check_cookie(f->auth, str_cstr(viewer.cookie), &id, &e),
                     -ERR_UNAUTHENTICATED);
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    struct auth_login admin = make_admin(f);
    struct auth_token_made made;
    struct identity id;
    struct err e = {0};

    assert_int_equal(auth_token_create(f->auth, &admin.identity, IP, STR("ci"), 0, 0, &made, &e),
                     -ERR_INVALID);
    assert_int_equal(
        auth_token_create(f->auth, &admin.identity, IP, STR("ci"), SCOPE_INGEST, 1, &made, &e),
        -ERR_INVALID);
    assert_int_equal(
        auth_token_create(f->auth, &admin.identity, IP, STR("ci"), SCOPE_INGEST, 0, &made, &e), 0);
    assert_int_equal(auth_check_token(f->auth, str_cstr(made.secret), &id, &e), 0);
    assert_string_equal(id.name, "token:ci");
    assert_int_equal(id.scopes, SCOPE_INGEST);
    assert_false(id.by_cookie);
    assert_int_equal(auth_check_cookie(f->auth, str_cstr(made.secret), &id, &e),
                     -ERR_UNAUTHENTICATED);
    assert_int_equal(auth_token_revoke(f->auth, &admin.identity, IP, str_cstr(made.id), &e), 0);
    assert_int_equal(auth_check_token(f->auth, str_cstr(made.secret), &id, &e),
                     -ERR_UNAUTHENTICATED);
    assert_int_equal(auth_token_revoke(f->auth, &admin.identity, IP, str_cstr(made.id), &e),
                     -ERR_NOT_FOUND);
}

static void test_everything_is_audited(void **state)
{
    struct fixture *f = *state;
    struct arena a CLEANUP(arena_done);
    struct meta_audit *lines;
    struct auth_login login;
    struct err e = {0};
    int64_t retry_s;
    size_t n;

    arena_init(&a, 1 << 20);
    make_admin(f);
    assert_int_equal(auth_login(f->auth, STR("root"), STR("nonsense!"), IP, &login, &retry_s, &e),
                     -ERR_UNAUTHENTICATED);
    assert_int_equal(
        auth_login(f->auth, STR("root"), STR("correct horse"), IP, &login, &retry_s, &e), 0);
    assert_int_equal(meta_audit_list(f->meta, 0, 10, &a, &lines, &n, &e), 0);
    assert_int_equal(n, 4);
    assert_true(str_eq(lines[0].action, STR("login")));
    assert_true(str_eq(lines[1].action, STR("login_failed")));
    assert_true(str_eq(lines[2].action, STR("setup")));
    assert_true(str_eq(lines[3].action, STR("user_created")));
    assert_true(str_eq(lines[0].actor, STR("root")));
    assert_true(str_eq(lines[0].ip, IP));
    assert_int_equal(meta_audit_list(f->meta, lines[1].id, 10, &a, &lines, &n, &e), 0);
    assert_int_equal(n, 2);
}

static void test_not_a_database(void **state)
{
    struct fixture *f = *state;
    struct meta *m;
    struct err e = {0};
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/broken", f->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        fputs("this is not a database ", file);
    }
    fclose(file);
    assert_int_equal(meta_open(path, &m, &e), -ERR_CORRUPT);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_setup_works_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_survives_restart_and_ends_at_logout, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_guessing_is_braked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roles_and_last_admin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_everything_is_audited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_database, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
