/* SPDX-License-Identifier: Apache-2.0
 *
 * Every detector on what it must and must not find, in Korean and English text, at boundaries and overlapping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "ingest/process/redact.h"

static const uint8_t KEY[REDACT_KEY_SIZE] = {1, 2, 3};

static struct program *program_of(const char *yaml)
{
    struct program *p = NULL;
    struct err e = {0};
    int rc = program_parse("t.yaml", str_cstr(yaml), NULL, &p, &e);

    if (rc < 0) {
        print_error("%s\n", e.msg);
    }
    assert_int_equal(rc, 0);
    return p;
}

static void check(const struct program *p, const char *key, const char *in, const char *want)
{
    struct redactor r = {.program = p, .key = KEY};
    struct redact_plan plan;
    struct str out = {0};
    char *text = str_dup(str_cstr(in)); /* exact size: readers over the end are seen */
    int rc;

    redact_plan_make(p, SIGNAL_LOGS, key[0] != '\0' ? REDACT_ATTRS : REDACT_BODY, str_cstr(key),
                     &plan);
    rc = redact_text(&r, &plan, str_cstr(key), str_cstr(text), &out);
    assert_true(rc >= 0);
    if (out.n != strlen(want) || memcmp(out.p, want, out.n) != 0) {
        print_error("key \"%s\" in   \"%s\"\n  want \"%s\"\n  got  \"%.*s\"\n", key, in, want,
                    STR_ARG(out));
    }
    assert_int_equal(out.n, strlen(want));
    assert_memory_equal(out.p, want, out.n);
    assert_int_equal(rc, strcmp(in, want) == 0 && r.done.n == 0 ? REDACT_SAME : REDACT_CHANGED);
    redactor_done(&r);
    mem_free(text);
}

struct row {
    const char *in;
    const char *want; /* NULL: the same */
};

static void table(const char *yaml, const char *key, const struct row *v, size_t n)
{
    struct program *p = program_of(yaml);

    for (size_t i = 0; i < n; i++) {
        check(p, key, v[i].in, v[i].want != NULL ? v[i].want : v[i].in);
    }
    program_free(p);
}

#define TABLE(yaml, ...)                                 \
    do {                                                 \
        static const struct row rows_[] = {__VA_ARGS__}; \
        table(yaml, "", rows_, ARRAY_LEN(rows_));        \
    } while (0)

static void test_resident(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: kr_resident_number}]",
          {"주민번호 900101-1234567 입니다", "주민번호 900101-******* 입니다"},
          {"rrn=900101-1234567", "rrn=900101-*******"},
          {"주민번호900101-2234567님", "주민번호900101-*******님"},
          {"900101 - 1234567", "900101 - *******"}, {"040229-3123456", "040229-*******"},
          {"030229-3123456", NULL}, /* no such day */
          {"901301-1234567", NULL}, {"900132-1234567", NULL},
          {"900101-5234567", NULL},           /* foreigner */
          {"900101-9234567", NULL},           /* born before 1900 */
          {"9001011234568", "900101*******"}, /* checksum fits */
          {"9001011234567", NULL},            /* it does not: 13 digits of anything */
          {"2101013123456", "210101*******"}, /* born after October 2020: there is none */
          {"1763759641123", NULL},            /* Unix ms */
          {"a900101-1234567", NULL}, {"900101-12345678", NULL}, {"1900101-1234567", NULL},
          {"900101-1234567a", NULL}, {"900101-1234567-8", NULL}, {"5-900101-1234567", NULL},
          {"(900101-1234567)", "(900101-*******)"}, {"900101-1234567.", "900101-*******."},
          {"{\"ssn\":\"900101-1234567\"}", "{\"ssn\":\"900101-*******\"}"},
          {"900101-1******", NULL},
          {"900101-1234567,880815-2345678", "900101-*******,880815-*******"});
    TABLE("redaction: [{detector: kr_foreigner_number}]", {"900101-5234567", "900101-*******"},
          {"외국인등록번호: 010203-7654321", "외국인등록번호: 010203-*******"},
          {"900101-1234567", NULL});
}

static void test_card(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: card}]", {"4111-1111-1111-1111", "****-****-****-1111"},
          {"card 4111111111111111 ok", "card ************1111 ok"},
          {"카드 5500 0000 0000 0004 승인", "카드 **** **** **** 0004 승인"},
          {"3782 822463 10005", "**** ****** *0005"}, {"378282246310005", "***********0005"},
          {"30569309025904", "**********5904"}, {"3530111333300000", "************0000"},
          {"6011111111111117", "************1117"}, {"2223003122003222", "************3222"},
          {"4111111111111112", NULL}, /* Luhn */
          {"1234567812345670", NULL}, /* Luhn, but nobody's prefix */
          {"1763759641123456789", NULL}, {"trace=41111111111111110", NULL},
          {"x4111111111111111", NULL}, {"4111-1111-1111-1111-1", NULL},
          {"9420 0000 0000 0005", NULL}, {"11-4111-1111-1111-1111", NULL},
          {"id 7 4111 1111 1111 1111", "id 7 **** **** **** 1111"});
}

static void test_phone(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: kr_phone}]", {"010-1234-5678", "010-****-5678"},
          {"전화 01012345678로", "전화 010****5678로"}, {"010 1234 5678", "010 **** 5678"},
          {"010.1234.5678", "010.****.5678"}, {"011-123-4567", "011-***-4567"},
          {"02-123-4567", "02-***-4567"}, {"(02) 1234-5678", "(02) ****-5678"},
          {"02)312-4567", "02)***-4567"}, {"031-1234-5678", "031-****-5678"},
          {"070-1234-5678", "070-****-5678"}, {"0505-123-4567", "0505-***-4567"},
          {"+82-10-1234-5678", "+82-10-****-5678"}, {"+82 10 1234 5678", "+82 10 **** 5678"},
          {"+821012345678", "+8210****5678"}, {"+82-2-312-4567", "+82-2-***-4567"},
          {"010-12345678", "010-****5678"}, {"010-123-45678", NULL}, {"012-1234-5678", NULL},
          {"00101234567", NULL}, {"0101234567", NULL}, {"010123456789", NULL}, {"1588-1234", NULL},
          {"2026-11-21 09:10:11", NULL}, {"order-010-1234-5678-9", NULL}, {"3.01012345678", NULL},
          {"099-123-4567", NULL}, {"tel:010-1234-5678.", "tel:010-****-5678."},
          {"82-10-1234-5678", "82-10-****-5678"}, {"010 - 1234 - 5678", "010 - **** - 5678"});
}

static void test_email(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: email}]", {"kim@example.com", "k***@example.com"},
          {"메일 hong.gil-dong+x@mail.example.co.kr로", "메일 h***@mail.example.co.kr로"},
          {"<a@b.io>", "<***@b.io>"}, {"to kim@example.com.", "to k***@example.com."},
          {"kim@localhost", NULL}, {"@example.com", NULL}, {"kim@", NULL}, {"a@b.c", NULL},
          {"git@github.com:o/r.git", NULL}, {"pkg@1.2.3", NULL}, {"kim@-x.com", NULL},
          {"sha@sha256:abcdef", NULL},
          {"user=kim@example.com,b@c.dev", "user=k***@example.com,***@c.dev"},
          {"http://u:p@example.com/x", NULL}, {"kim@@example.com", NULL}, {"x@exa..com", NULL});
}

static void test_secret(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: secret}]", {"password=hunter2", "password=***"},
          {"PASSWORD: hunter2 ok", "PASSWORD: *** ok"},
          {"db.password=a&b=c", "db.password=***&b=c"},
          {"{\"password\":\"hun ter\\\"2\",\"a\":1}", "{\"password\":\"***\",\"a\":1}"},
          {"{\\\"password\\\":\\\"hunter2\\\"}", "{\\\"password\\\":\\\"***\\\"}"},
          {"비밀번호: 가나다라", "비밀번호: ***"}, {"api_key='abc'", "api_key='***'"},
          {"Authorization: Bearer abc.def", "Authorization: Bearer ***"},
          {"authorization=Basic dXNlcjpwdw==", "authorization=Basic ***"},
          {"client_secret => \"x\"", "client_secret => \"***\""},
          {"access_token:abc", "access_token:***"}, {"tokens=5", NULL}, {"token_type=x", NULL},
          {"password=", NULL}, {"password=null", NULL}, {"password=***", NULL},
          {"password=[secret]", NULL}, {"passwords are long", NULL}, {"21:13:06", NULL},
          {"postgres://app:s3cret@db:5432/x", "postgres://app:***@db:5432/x"},
          {"amqp://h/x@y", NULL}, {"http://a.b/c:d@e", NULL});
}

static void test_token(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: token}]",
          {"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_DEF x", "jwt *** x"},
          {"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "***"}, {"Bearer abcdef123", "Bearer ***"},
          {"bearer token of x", NULL}, {"eyJ.x.y", NULL}, {"heyJude", NULL},
          {"a bearer bond is", NULL}, {"xeyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", NULL});
}

static void test_name(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: person_name}]", {"성명: 홍길동", "성명: 홍*동"},
          {"이름=김철", "이름=김*"}, {"고객명 홍길동님 주문", "고객명 홍*동님 주문"},
          {"{\"name\":\"홍길동\"}", "{\"name\":\"홍*동\"}"}, {"예금주: 남궁민수", "예금주: 남**수"},
          {"name=John Smith, age", "name=J*** S***, age"},
          {"customer_name=\"Mary Ann Lee\"", "customer_name=\"M*** A*** L***\""},
          {"first_name=John x", "first_name=J*** x"}, {"Dear Mr. Smith,", "Dear Mr. S***,"},
          {"Dr. Jane Doe", "Dr. J*** D***"}, {"이름: 변경됨", NULL}, {"이름: 서비스", NULL},
          {"이름 변경 요청", NULL}, {"name=nginx", NULL}, {"service.name=Order Service", NULL},
          {"name=홍", NULL}, {"성명: ㄱㄴㄷ", NULL}, {"이름: 톨스토이", NULL},
          {"hostname=web1", NULL}, {"name: Internal Error", NULL}, {"Mr.Robot", NULL},
          {"성명: 홍*동", NULL});
}

static void test_account(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: account}]", {"계좌 110-123-456789", "계좌 110-***-******"},
          {"계좌번호: 국민 123456-01-123456", "계좌번호: 국민 123***-**-******"},
          {"account number 1234567890", "account number 123*******"},
          {"acct=123-456-789012", "acct=123-***-******"}, {"account_id=1234567890", NULL},
          {"110-123-456789", NULL}, {"계좌 조회 시각 2026-11-21", NULL}, {"account 12345", NULL},
          {"the account was opened by user 1234567890", NULL});
}

static void test_documents(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: kr_passport}, {detector: kr_driver_licence}]",
          {"여권 M12345678", "여권 M********"}, {"M123A4567", "M********"}, {"XM12345678", NULL},
          {"M1234567", NULL}, {"M123456789", NULL}, {"A12345678", NULL},
          {"면허 11-12-345678-90", "면허 11-12-******-**"}, {"99-12-345678-90", NULL},
          {"11-12-345678-901", NULL}, {"11-12-34567-90", NULL});
}

static void test_addresses(void **state)
{
    (void)state;
    TABLE("redaction: [{detector: ipv4}, {detector: ipv6}]",
          {"from 192.168.0.12:80", "from 192.168.*.*:80"}, {"10.0.0.256", NULL}, {"1.2.3", NULL},
          {"1.2.3.4.5", NULL}, {"v01.2.3.4", NULL}, {"10.01.2.3", NULL},
          {"2001:db8::1 up", "2001:*** up"}, {"[fe80::1%eth0]", "[fe80:***%eth0]"},
          {"2001:0db8:85a3:0000:0000:8a2e:0370:7334", "2001:***"}, {"21:13:06", NULL},
          {"aa:bb:cc:dd:ee:ff", NULL}, {"std::map", NULL}, {"a::b", NULL}, {"::", NULL},
          {"1:2:3:4:5:6:7:8:9", NULL});
}

static const char ALL[] =
    "redaction: [{detector: secret}, {detector: token}, {detector: kr_resident_number}, "
    "{detector: kr_foreigner_number}, {detector: card}, {detector: kr_driver_licence}, "
    "{detector: kr_passport}, {detector: account}, {detector: kr_phone}, {detector: email}, "
    "{detector: person_name}, {detector: ipv4}, {detector: ipv6}]";

static void test_together(void **state)
{
    (void)state;
    TABLE(
        ALL,
        {"성명: 홍길동, 900101-1234567, 010-1234-5678, hong@example.com",
         "성명: 홍*동, 900101-*******, 010-****-5678, h***@example.com"},
        {"https://kim:pw@example.com/a", "https://kim:***@example.com/a"},
        {"password=010-1234-5678", "password=***"},
        {"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
         "Authorization: Bearer ***"},
        {"2026-11-21T09:10:11.123Z INFO [main] o.a.Foo - took 12.5 ms for 3 rows, id=550e8400-e29b-41d4-a716-446655440000",
         NULL},
        {"GET /api/v1/orders/12345?page=2 HTTP/1.1 200 1234 4bf92f3577b34da6a3ce929d0e0e4736",
         NULL},
        {"", NULL}, {"010", NULL}, {"@", NULL}, {":", NULL}, {"=", NULL}, {"e", NULL}, {"b", NULL},
        {"가 ", NULL});
}

static void test_blocks(void **state)
{
    struct program *p = program_of(ALL);

    (void)state;
    /* Wherever it lies in the blocks of 64 bytes. */
    for (size_t at = 0; at < 140; at++) {
        char in[256];
        char want[256];

        memset(in, '.', sizeof(in));
        memset(want, '.', sizeof(want));
        in[at] = want[at] = ' ';
        memcpy(in + at + 1, "010-1234-5678 k@ex.io", 22);
        memcpy(want + at + 1, "010-****-5678 ***@ex.io", 24);
        check(p, "", in, want);
    }
    program_free(p);
}

static void test_keys(void **state)
{
    static const struct row SECRET[] = {{"hunter 2, x", "***"}, {"***", NULL}, {"", NULL}};
    static const struct row NAME[] = {{"홍길동", "홍*동"}, {"web-1", NULL}};
    static const struct row ACCOUNT[] = {{"110-123-456789", "110-***-******"}};

    (void)state;
    table(ALL, "db.password", SECRET, ARRAY_LEN(SECRET));
    table(ALL, "customer_name", NAME, ARRAY_LEN(NAME));
    table(ALL, "account_number", ACCOUNT, ARRAY_LEN(ACCOUNT));
}

static void test_modes(void **state)
{
    (void)state;
    TABLE(
        "redaction: [{detector: email, mode: label, label: '<mail>'}, {detector: kr_phone, mode: label}]",
        {"a@b.io 010-1234-5678", "<mail> [kr_phone]"});
    TABLE("redaction: [{detector: kr_phone, mode: hash}]",
          {"010-1234-5678 01012345678", "hash:gdhepigellhodlig hash:gdhepigellhodlig"});
    TABLE("redaction: [{name: o, regex: 'order-(?<id>\\d{3})(\\d+)', keep: [id]}]",
          {"order-12345 x order-999", "*****-123** x order-999"});
    TABLE("redaction: [{name: o, regex: 'user (\\w+)', replacement: 'user <$1>'}]",
          {"user kim, user lee", "user <kim>, user <lee>"});
    TABLE("redaction: [{name: e, regex: 'x*'}]", {"abxxc", "ab**c"});
    TABLE("redaction: [{name: k, regex: '고객\\w*'}]", {"a 고객abc b", "a ***** b"});
}

static void test_drop_field(void **state)
{
    struct program *p = program_of("redaction: [{detector: email, mode: drop}]");
    struct redactor r = {.program = p, .key = KEY};
    struct redact_plan plan;
    struct str out = {0};

    (void)state;
    redact_plan_make(p, SIGNAL_LOGS, REDACT_BODY, STR(""), &plan);
    assert_int_equal(redact_text(&r, &plan, STR(""), STR("from a@b.io"), &out), REDACT_GONE);
    assert_int_equal(redact_text(&r, &plan, STR(""), STR("from nobody"), &out), REDACT_SAME);
    redactor_done(&r);
    program_free(p);
}

static void test_limit(void **state)
{
    struct program *p =
        program_of("redaction: [{detector: email, mode: label, label: "
                   "'0123456789012345678901234567890123456789012345678901234567'}]");
    struct redactor r = {.program = p, .key = KEY};
    struct redact_plan plan;
    struct str out = {0};
    size_t n = 1 << 20;
    char *text = mem_xcalloc(1, n + 8);

    (void)state;
    for (size_t i = 0; i + 7 <= n; i += 7) {
        memcpy(text + i, "a@b.io ", 7);
    }
    redact_plan_make(p, SIGNAL_LOGS, REDACT_BODY, STR(""), &plan);
    assert_int_equal(redact_text(&r, &plan, STR(""), str_of(text, n), &out), REDACT_CHANGED);
    assert_true(str_eq(out, STR("[too large after redaction]")));
    mem_free(text);
    redactor_done(&r);
    program_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resident),   cmocka_unit_test(test_card),
        cmocka_unit_test(test_phone),      cmocka_unit_test(test_email),
        cmocka_unit_test(test_secret),     cmocka_unit_test(test_token),
        cmocka_unit_test(test_name),       cmocka_unit_test(test_account),
        cmocka_unit_test(test_documents),  cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_together),   cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_modes),
        cmocka_unit_test(test_drop_field), cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
