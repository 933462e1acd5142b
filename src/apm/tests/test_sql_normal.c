/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements of six dialects to their normal form, verb and tables; nothing of their data is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "apm/sql_normal.h"

struct sql_case {
    enum sql_dialect dialect;
    const char *sql, *text, *verb, *tables;
};

static const struct sql_case CASES[] = {
    {SQL_ANY, "", "", "", ""},
    {SQL_ANY, "  ;; ", "", "", ""},
    {SQL_ANY, "select 1", "SELECT ?", "SELECT", ""},
    {SQL_ANY, "select * from t where a='x' and b = 10 ;", "SELECT * FROM t WHERE a = ? AND b = ?",
     "SELECT", "t"},
    {SQL_ANY, "SELECT a\n  ,b FROM  T -- secret\n WHERE x = :id /* secret */",
     "SELECT a, b FROM T WHERE x = ?", "SELECT", "T"},
    {SQL_ANY, "select 'it''s', -5, +3.2e-10, a-1, .5, 0xFF", "SELECT ?, ?, ?, a - ?, ?, ?",
     "SELECT", ""},
    {SQL_ANY, "select a from t where id in (1, 2,3)", "SELECT a FROM t WHERE id IN (?)", "SELECT",
     "t"},
    {SQL_ANY, "select a from t where id not in (?,?,?) and x in (select y from z)",
     "SELECT a FROM t WHERE id NOT IN (?) AND x IN (SELECT y FROM z)", "SELECT", "t z"},
    {SQL_ANY, "select a from t where (a,b) in ((1,2),(3,4))", "SELECT a FROM t WHERE (a, b) IN (?)",
     "SELECT", "t"},
    {SQL_ANY, "insert into t (a,b) values (1,'x'),(2,null),(-3,default)",
     "INSERT INTO t(a, b) VALUES (?)", "INSERT", "t"},
    {SQL_ANY, "insert into t values (1, now()), (2, now())", "INSERT INTO t VALUES (?, now())",
     "INSERT", "t"},
    {SQL_ANY, "update s.t set a = a + 1 where b between 1 and 2",
     "UPDATE s.t SET a = a + ? WHERE b BETWEEN ? AND ?", "UPDATE", "s.t"},
    {SQL_ANY, "delete from \"My T\" where a like 'x%'", "DELETE FROM \"My T\" WHERE a LIKE ?",
     "DELETE", "\"My T\""},
    {SQL_ANY,
     "select a.x from t1 a, t2 as b join t3 c on a.i=b.i left join (select 1 from t4) d using (k)",
     "SELECT a.x FROM t1 a, t2 AS b JOIN t3 c ON a.i = b.i LEFT JOIN (SELECT ? FROM t4) d USING (k)",
     "SELECT", "t1 t2 t3 t4"},
    {SQL_ANY,
     "with w as (select 1 from a), v (x) as (select 2 from b) insert into c select * from w, v",
     "WITH w AS (SELECT ? FROM a), v(x) AS (SELECT ? FROM b) INSERT INTO c SELECT * FROM w, v",
     "INSERT", "a b c"},
    {SQL_ANY, "select extract(year from d), substring(n from 2) from t for update",
     "SELECT extract(year FROM d), substring(n FROM ?) FROM t FOR UPDATE", "SELECT", "t"},
    {SQL_ANY, "(select 1 from a) union all (select 2 from b)",
     "(SELECT ? FROM a) UNION ALL (SELECT ? FROM b)", "SELECT", "a b"},
    {SQL_ANY, "{? = call pkg.f(?, 'x')}", "{ ? = CALL pkg.f(?, ?) }", "CALL", ""},
    {SQL_ANY, "select $$it's$$, $a$ x $$ y $a$, $1", "SELECT ?, ?, ?", "SELECT", ""},
    {SQL_ANY, "select [a b] from [dbo].[T] where x = @p1",
     "SELECT [a b] FROM [dbo].[T] WHERE x = ?", "SELECT", "[dbo].[T]"},
    {SQL_ANY, "select 'never ends", "SELECT ?", "SELECT", ""},
    {SQL_POSTGRESQL,
     "select E'a\\'b', x::int, y->>'k', a[1] from t where j ?| array['a'] and id = $12",
     "SELECT ?, x::int, y ->> ?, a[?] FROM t WHERE j ?| array[?] AND id = ?", "SELECT", "t"},
    {SQL_POSTGRESQL, "select 1 /* a /* nested */ secret */ from t", "SELECT ? FROM t", "SELECT",
     "t"},
    {SQL_POSTGRESQL,
     "insert into t (a) values ($1) on conflict (a) do update set b = 2 returning id",
     "INSERT INTO t(a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = ? RETURNING id", "INSERT", "t"},
    {SQL_MYSQL, "select \"it\\\"s\", 'a\\'b', `c` from `d`.`t` # secret\nlimit 5,10",
     "SELECT ?, ?, `c` FROM `d`.`t` LIMIT ?, ?", "SELECT", "`d`.`t`"},
    {SQL_MYSQL, "insert ignore into t values (1) on duplicate key update a = values(a), b=_utf8'x'",
     "INSERT IGNORE INTO t VALUES (?) ON DUPLICATE key UPDATE a = VALUES (a), b = ?", "INSERT",
     "t"},
    {SQL_MYSQL, "select 5--1, @@version, @v", "SELECT ? - ?, @@version, ?", "SELECT", ""},
    {SQL_ORACLE,
     "SELECT /*+ INDEX(t t_ix) */ q'[it's]', nq'!x'y!', n'z' FROM t WHERE a = :1 AND b(+) = c",
     "SELECT /*+ INDEX(t t_ix) */ ?, ?, ? FROM t WHERE a = ? AND b (+) = c", "SELECT", "t"},
    {SQL_ORACLE, "merge into t using s on (t.i = s.i) when matched then update set t.a = 1",
     "MERGE INTO t USING s ON (t.i = s.i) WHEN MATCHED THEN UPDATE SET t.a = ?", "MERGE", "t s"},
    {SQL_ORACLE, "begin p(:a, 1); end;", "BEGIN p(?, ?); END", "BEGIN", ""},
    {SQL_MSSQL, "select top 10 [a]]b] from #tmp where n = N'x' and p = @p0",
     "SELECT TOP ? [a]]b] FROM #tmp WHERE n = ? AND p = ?", "SELECT", "#tmp"},
    {SQL_CUBRID, "select * from t where a = 'x' // secret\n limit 3",
     "SELECT * FROM t WHERE a = ? LIMIT ?", "SELECT", "t"},
    {SQL_ANY, "선택 '비밀' from 표", "선택 ? FROM 표", "선택", "표"},
};

static void join(const struct sql_normal *n, char *dst, size_t size)
{
    size_t at = 0;

    dst[0] = '\0';
    for (size_t i = 0; i < n->tables_n; i++) {
        at += (size_t)snprintf(dst + at, size - at, "%s%.*s", i != 0 ? " " : "",
                               STR_ARG(n->tables[i]));
    }
}

static void normal_forms(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct arena a CLEANUP(arena_done);
        struct sql_normal n;
        char tables[256];

        arena_init(&a, 1 << 20);
        assert_int_equal(sql_normalise(str_cstr(CASES[i].sql), CASES[i].dialect, &a, &n), 0);
        join(&n, tables, sizeof(tables));
        if (!str_eq(n.text, str_cstr(CASES[i].text)) || !str_eq(n.verb, str_cstr(CASES[i].verb)) ||
            strcmp(tables, CASES[i].tables) != 0) {
            printf("%s\n  %.*s\n  %.*s: %s\n", CASES[i].sql, STR_ARG(n.text), STR_ARG(n.verb),
                   tables);
            bad++;
        }
        assert_true(str_find(n.text, STR("secret")) < 0);
    }
    assert_int_equal(bad, 0);
}

static uint64_t hash_of(const char *sql)
{
    struct arena a CLEANUP(arena_done);
    struct sql_normal n;

    arena_init(&a, 1 << 20);
    assert_int_equal(sql_normalise(str_cstr(sql), SQL_ANY, &a, &n), 0);
    return n.hash;
}

static void equal_statements_have_one_hash(void **state)
{
    (void)state;
    assert_true(hash_of("select A from T where x=1") == hash_of("SELECT a\nFROM t WHERE X = ?"));
    assert_true(hash_of("select a from t where x in (1,2)") ==
                hash_of("select a from t where x in (:a)"));
    assert_true(hash_of("insert into t values (1,2)") ==
                hash_of("insert into t values (1,2),(3,4)"));
    assert_false(hash_of("select \"A\" from t") == hash_of("select \"a\" from t"));
    assert_false(hash_of("select a from t") == hash_of("select b from t"));
}

static void long_text_is_cut(void **state)
{
    static char sql[SQL_INPUT_MAX + 100];
    struct arena a CLEANUP(arena_done);
    struct sql_normal n;

    (void)state;
    memset(sql, '(', sizeof(sql));
    memcpy(sql, "select ", 7);
    arena_init(&a, 64 << 20);
    assert_int_equal(sql_normalise(str_of(sql, sizeof(sql)), SQL_ANY, &a, &n), 0);
    assert_true(n.cut);
    arena_done(&a);
    arena_init(&a, 1 << 10);
    assert_true(sql_normalise(str_of(sql, sizeof(sql)), SQL_ANY, &a, &n) < 0);
}

static void dialects_by_name(void **state)
{
    (void)state;
    assert_int_equal(sql_dialect_of(STR("postgresql")), SQL_POSTGRESQL);
    assert_int_equal(sql_dialect_of(STR("mariadb")), SQL_MYSQL);
    assert_int_equal(sql_dialect_of(STR("microsoft.sql_server")), SQL_MSSQL);
    assert_int_equal(sql_dialect_of(STR("Tibero")), SQL_ORACLE);
    assert_int_equal(sql_dialect_of(STR("redis")), SQL_ANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_forms),
        cmocka_unit_test(equal_statements_have_one_hash),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(dialects_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
