/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets in command lines.
 */
#include "agent/identity.h"
#include "agent/mask.h"
#include "agent_test.h"

static void test_masking(void **state)
{
    static const char *const CASES[][2] = {
        {"java -Xmx1g -jar app.jar", "java -Xmx1g -jar app.jar"},
        {"x --password=hunter2 --port=5", "x --password=*** --port=5"},
        {"x --password hunter2 --port 5", "x --password *** --port 5"},
        {"x --token --next", "x --token --next"},
        {"x --token", "x --token"},
        {"MYSQL_PWD=abc mysqld", "MYSQL_PWD=*** mysqld"},
        {"x -Ddb.password=\"a b c\" y", "x -Ddb.password=*** y"},
        {"x API_KEY=k;y=1", "x API_KEY=***;y=1"},
        {"curl https://h/?access_token=abc&x=1", "curl https://h/?access_token=***&x=1"},
        {"curl -H Authorization: Bearer abc.def -v", "curl -H Authorization: Bearer *** -v"},
        {"{\"token\":\"abc\",\"a\":1}", "{\"token\":***,\"a\":1}"},
        {"psql postgres://joe:s3cret@db/x", "psql postgres://joe:***@db/x"},
        {"git clone https://u:p@ss@host/r", "git clone https://u:***@host/r"},
        {"curl http://127.0.0.1:8080/a@b", "curl http://127.0.0.1:8080/a@b"},
        {"x secret=", "x secret="},
        {"the secret is out", "the secret is out"},
        {"--Client-Secret=ABC", "--Client-Secret=***"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b;

        buf_init(&b, 4096);
        mask_secrets(str_cstr(CASES[i][0]), &b);
        assert_str(buf_str(&b), CASES[i][1]);
        buf_done(&b);
    }
}

static void test_os_release(void **state)
{
    const struct str text =
        STR("NAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nX=a\\$b\nBROKEN\nE=\n");
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_true(os_release_get(text, STR("NAME"), &b));
    assert_str(buf_str(&b), "Debian GNU/Linux");
    buf_clear(&b);
    assert_true(os_release_get(text, STR("VERSION_ID"), &b));
    assert_str(buf_str(&b), "12");
    buf_clear(&b);
    assert_true(os_release_get(text, STR("X"), &b));
    assert_str(buf_str(&b), "a$b");
    assert_false(os_release_get(text, STR("PRETTY_NAME"), &b));
    buf_done(&b);
}

static void test_container_id(void **state)
{
    static const char ID[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[256];

    (void)state;
    snprintf(text, sizeof(text), "0::/system.slice/docker-%s.scope\n", ID);
    assert_str(container_id_find(str_cstr(text)), ID);
    snprintf(text, sizeof(text), "0::/x/%s0\n", ID); /* 65 digits are something else */
    assert_str(container_id_find(str_cstr(text)), "");
    assert_str(container_id_find(STR("0::/init.scope\n")), "");
}

static void test_identity(void **state)
{
    char *root = test_mkdir();
    struct host_files h;
    struct identity a;
    struct identity b;
    struct attr attrs[IDENTITY_ATTRS];

    (void)state;
    assert_int_equal(vfs_mkdirs(vfs_real(), test_path(root, "etc"), NULL), 0);
    test_write(test_path(root, "etc/machine-id"), "w", "3d1219c7c4c5404aaa1f6d2a48adfda4\n");
    test_write(test_path(root, "etc/hostname"), "w", "db-1\n");
    test_write(test_path(root, "etc/os-release"), "w", "PRETTY_NAME=\"Some OS 3\"\nVERSION_ID=3\n");
    host_files_init(&h, root);
    identity_read(&a, &h);
    identity_read(&b, &h);
    assert_string_equal(a.host_name, "db-1");
    assert_string_equal(a.host_id, "3d1219c7c4c5404aaa1f6d2a48adfda4");
    assert_string_equal(a.os_version, "3");
    assert_non_null(strstr(a.os_description, "Some OS 3"));
    assert_null(a.container_id);
    assert_string_equal(a.instance_id, b.instance_id);
    assert_int_equal(strlen(a.instance_id), 36);
    assert_int_equal(a.instance_id[14], '8');
    assert_true(identity_attrs(&a, "svc", "1", attrs) <= IDENTITY_ATTRS);
    identity_done(&a);
    identity_done(&b);
    host_files_done(&h);
    test_rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masking),
        cmocka_unit_test(test_os_release),
        cmocka_unit_test(test_container_id),
        cmocka_unit_test(test_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
