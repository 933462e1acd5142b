/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules on attributes, dropped rows, derived fields and redaction of whole rows; and what configurations are refused
 * with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "ingest/process/process.h"

#define S(x)                             \
    {                                    \
        .type = VALUE_STR, .u.s = STR(x) \
    }
#define MANY(ar)            \
    {                       \
        (ar), ARRAY_LEN(ar) \
    }

static const struct attr RESOURCE[] = {{STR("service.name"), S("shop")},
                                       {STR("host.name"), S("h1")}};
static const struct resource SHOP = {.attrs = MANY(RESOURCE)};
static const struct scope SCOPE = {.name = STR("lib")};

static struct process *with(const char *yaml)
{
    const struct process_opts o = {.hash_key = {9}};
    struct process *p = process_new(&o);
    struct err e = {0};

    if (process_load(p, PROCESS_FILE, "t.yaml", str_cstr(yaml), &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return p;
}

/* key=value, ... in order */
static void write_attrs(struct attrs as, struct buf *dst)
{
    for (size_t i = 0; i < as.n; i++) {
        const struct value *v = &as.v[i].value;

        buf_printf(dst, "%s%.*s=", i != 0 ? "," : "", STR_ARG(as.v[i].key));
        if (v->type == VALUE_STR) {
            buf_add_str(dst, v->u.s);
        } else if (v->type == VALUE_I64) {
            buf_add_i64(dst, v->u.i);
        } else if (v->type == VALUE_BOOL) {
            buf_add_cstr(dst, v->u.b ? "true" : "false");
        } else if (v->type == VALUE_MAP) {
            buf_add_byte(dst, '{');
            write_attrs((struct attrs){v->u.map.v, v->u.map.n}, dst);
            buf_add_byte(dst, '}');
        } else if (v->type == VALUE_ARRAY) {
            for (size_t k = 0; k < v->u.array.n; k++) {
                buf_printf(dst, "[%.*s]", STR_ARG(v->u.array.v[k].u.s));
            }
        }
    }
}

static void log_gives(const char *yaml, struct log_record row, const char *want)
{
    struct process *p = with(yaml);
    struct buf got CLEANUP(buf_done) = {0};
    struct arena a;
    struct process_tally tally;
    struct err e = {0};
    size_t n = 1;
    char id[2 * TRACE_ID_SIZE + 1];

    row.resource = row.resource != NULL ? row.resource : &SHOP;
    row.scope = &SCOPE;
    arena_init(&a, 8 << 20);
    buf_init(&got, 1 << 16);
    assert_int_equal(process_logs(p, &row, &n, &a, &tally, &e), 0);
    process_settle(p, &tally, true);
    if (n == 0) {
        buf_add_cstr(&got, "dropped");
    } else {
        if (row.body.type == VALUE_STR) {
            buf_add_str(&got, row.body.u.s);
        }
        buf_add_cstr(&got, " | ");
        write_attrs(row.attrs, &got);
        buf_add_cstr(&got, " | ");
        write_attrs(row.resource->attrs, &got);
        if (!trace_id_is_zero(row.trace_id)) {
            hex_encode(row.trace_id.b, TRACE_ID_SIZE, id);
            buf_printf(&got, " | %s", id);
        }
        if (!span_id_is_zero(row.span_id)) {
            hex_encode(row.span_id.b, SPAN_ID_SIZE, id);
            buf_printf(&got, " %s", id);
        }
        if (row.severity != 0) {
            buf_printf(&got, " | %u", row.severity);
        }
    }
    buf_add_byte(&got, '\0');
    assert_string_equal(got.data, want);
    arena_done(&a);
    process_free(p);
}

static struct log_record line(const char *text)
{
    return (struct log_record){.body = {.type = VALUE_STR, .u.s = str_cstr(text)}};
}

static void test_attributes(void **state)
{
    static const struct attr A[] = {
        {STR("a"), S("1")}, {STR("b.x"), S("two")}, {STR("b.y"), S("3")}};
    struct log_record l = line("t");

    (void)state;
    l.attrs = (struct attrs)MANY(A);
    log_gives("attributes: [{name: r, drop: ['b.*']}]", l,
              "t | a=1 | service.name=shop,host.name=h1");
    log_gives("attributes: [{name: r, keep_only: 'b.*'}]", l,
              "t | b.x=two,b.y=3 | service.name=shop,host.name=h1");
    log_gives("attributes: [{name: r, rename: {a: z, b.x: b.y, none: q}}]", l,
              "t | z=1,b.y=two | service.name=shop,host.name=h1");
    log_gives("attributes: [{name: r, set: {a: 5, n: 'x', t: true, q: '7'}}]", l,
              "t | a=5,b.x=two,b.y=3,n=x,t=true,q=7 | service.name=shop,host.name=h1");
    log_gives("attributes: [{name: r, add: {a: 5, n: x}}]", l,
              "t | a=1,b.x=two,b.y=3,n=x | service.name=shop,host.name=h1");
    log_gives("attributes: [{name: r, truncate: {attributes: 'b.?', bytes: 2}}]", l,
              "t | a=1,b.x=tw,b.y=3 | service.name=shop,host.name=h1");
    log_gives("attributes: [{name: r, on: resource, drop: host.name}]", l,
              "t | a=1,b.x=two,b.y=3 | service.name=shop");
    log_gives("attributes: [{name: r, drop: '*'}, {name: s, set: {k: v}}]", l,
              "t | k=v | service.name=shop,host.name=h1");
    log_gives("attributes: [{name: r, hash: a}, {name: s, hash: a}, {name: t, drop: b*}]", l,
              "t | a=hash:jmbkgiacpiheadcf | service.name=shop,host.name=h1");
}

static void test_conditions(void **state)
{
    static const struct {
        const char *when;
        bool passes;
    } CASES[] = {
        {"service: shop", true},
        {"service: [web, 'sh*']", true},
        {"service: web", false},
        {"signals: logs, service: '*'", true},
        {"signals: traces, service: '*'", false},
        {"attribute: {code: '200'}", true},
        {"attribute: {code: '2*'}", true},
        {"attribute: {code: '500'}", false},
        {"attribute: {none: '*'}", false},
        {"attribute: {host.name: h1}", true},
        {"attribute_regex: {code: '^2\\d\\d$'}", true},
        {"attribute_regex: {code: '^5'}", false},
        {"has: code", true},
        {"has: [code, none]", false},
        {"severity_at_least: warn", true},
        {"severity_at_least: error", false},
        {"severity_below: error", true},
        {"severity_below: warn", false},
        {"body: 'took \\d+ ms'", true},
        {"body: 'nothing'", false},
        {"span: '*'", false},
        {"service: shop, severity_at_least: info, body: took", true},
        {"service: shop, severity_at_least: info, body: never", false},
    };
    static const struct attr A[] = {{STR("code"), {.type = VALUE_I64, .u.i = 200}}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct log_record l = line("took 5 ms");
        struct buf yaml CLEANUP(buf_done) = {0};

        l.attrs = (struct attrs)MANY(A);
        l.severity = 13;
        buf_init(&yaml, 4096);
        buf_printf(&yaml, "drop: [{name: d, when: {%s}}]", CASES[i].when);
        buf_add_byte(&yaml, '\0');
        log_gives(yaml.data, l,
                  CASES[i].passes ? "dropped"
                                  : "took 5 ms | code=200 | service.name=shop,host.name=h1 | 13");
    }
}

static void test_derive(void **state)
{
    static const char REST[] = " | service.name=shop,host.name=h1";

    static const struct {
        const char *rule, *body, *attrs;
    } CASES[] = {
        {"regex: 'order=(?<order_id>\\w+)'", "x order=a1 y", "order_id=a1"},
        {"regex: 'order=(\\w+)', fields: {'1': order.id}", "x order=a1 y", "order.id=a1"},
        {"regex: 'order=(?<o>\\w+)'", "nothing", ""},
        {"json: {user.id: uid, n: n, deep.a.b: d, 'x.y': xy}",
         "{\"user\":{\"id\":\"k\\u0069m\"},\"n\":5,\"deep\":{\"a\":{\"b\":true}},\"x.y\":1.5}",
         "uid=kim,n=5,d=true,xy=1.5"},
        {"json: {a: a}", "{\"b\":1", ""},
        {"json: {a: a}", "not json", ""},
        {"json: {a: a}", "{\"a\":{\"b\":1}}", ""},
        {"logfmt: {user: u, msg: m}", "level=info user=kim msg=\"a b\" x", "u=kim,m=a b"},
        {"logfmt: {user: u}", "user", ""},
        {"logfmt: {user: u}", "user=\"open", "u=open"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf yaml CLEANUP(buf_done) = {0};
        struct buf want CLEANUP(buf_done) = {0};

        buf_init(&yaml, 4096);
        buf_init(&want, 4096);
        buf_printf(&yaml, "derive: [{name: d, %s}]", CASES[i].rule);
        buf_add_byte(&yaml, '\0');
        buf_printf(&want, "%s | %s%s", CASES[i].body, CASES[i].attrs, REST);
        buf_add_byte(&want, '\0');
        log_gives(yaml.data, line(CASES[i].body), want.data);
    }
}

static void test_trace_ids(void **state)
{
    static const struct {
        const char *body;
        const char *ids;
    } CASES[] = {
        {"trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
         " | 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7"},
        {"{\"traceId\":\"4BF92F3577B34DA6A3CE929D0E0E4736\"}",
         " | 4bf92f3577b34da6a3ce929d0e0e4736"},
        {"[traceId: 4bf92f3577b34da6a3ce929d0e0e4736]", " | 4bf92f3577b34da6a3ce929d0e0e4736"},
        {"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         " | 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7"},
        {"trace=4bf92f3577b34da6a3ce929d0e0e4736", " | 4bf92f3577b34da6a3ce929d0e0e4736"},
        {"traced 4bf92f3577b34da6a3ce929d0e0e4736", ""},
        {"trace_id=4bf92f3577b34da6a3ce929d0e0e47361", ""},
        {"trace_id=00000000000000000000000000000000", ""},
        {"trace_id=", ""},
        {"stack trace follows, trace", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf want CLEANUP(buf_done) = {0};

        buf_init(&want, 4096);
        buf_printf(&want, "%s |  | service.name=shop,host.name=h1%s", CASES[i].body, CASES[i].ids);
        buf_add_byte(&want, '\0');
        log_gives("derive: [{name: d, trace_id: true}]", line(CASES[i].body), want.data);
    }
    log_gives("derive: [{name: d, regex: '(?<severity>WARN|ERROR) (?<trace_id>\\w+)'}]",
              line("ERROR 4bf92f3577b34da6a3ce929d0e0e4736"),
              "ERROR 4bf92f3577b34da6a3ce929d0e0e4736 |  | service.name=shop,host.name=h1 | "
              "4bf92f3577b34da6a3ce929d0e0e4736 | 17");
}

static void test_redacted_rows(void **state)
{
    static const struct value LIST[] = {S("k@ex.io"), S("b")};
    static const struct attr INNER[] = {{STR("mail"), S("k@ex.io")}};
    static const struct attr A[] = {
        {STR("user.mail"), S("kim@ex.io")},
        {STR("card"), {.type = VALUE_I64, .u.i = 4111111111111111}},
        {STR("list"), {.type = VALUE_ARRAY, .u.array = {LIST, 2}}},
        {STR("map"), {.type = VALUE_MAP, .u.map = {INNER, 1}}},
    };
    static const struct attr R[] = {{STR("owner"), S("kim@ex.io")}};
    static const struct resource OWNED = {.attrs = MANY(R)};
    struct log_record l = line("to kim@ex.io");

    (void)state;
    l.attrs = (struct attrs)MANY(A);
    l.resource = &OWNED;
    log_gives("redaction: [{detector: email}, {detector: card}]", l,
              "to k***@ex.io | user.mail=k***@ex.io,card=************1111,list=[***@ex.io][b],"
              "map={mail=***@ex.io} | owner=kim@ex.io");
    log_gives("redaction: [{detector: email, in: resource}]", l,
              "to kim@ex.io | user.mail=kim@ex.io,card=4111111111111111,list=[k@ex.io][b],"
              "map={mail=k@ex.io} | owner=k***@ex.io");
    log_gives("redaction: [{detector: email, attributes: 'user.*', mode: drop}]", l,
              "to kim@ex.io | card=4111111111111111,list=[k@ex.io][b],map={mail=k@ex.io} | "
              "owner=kim@ex.io");
    log_gives("redaction: [{detector: email, mode: drop, in: body}]", l,
              " | user.mail=kim@ex.io,card=4111111111111111,list=[k@ex.io][b],map={mail=k@ex.io} | "
              "owner=kim@ex.io");
    log_gives("redaction: [{detector: email, signals: traces}]", l,
              "to kim@ex.io | user.mail=kim@ex.io,card=4111111111111111,list=[k@ex.io][b],"
              "map={mail=k@ex.io} | owner=kim@ex.io");
    /* What is derived is redacted, too. */
    log_gives("{derive: [{name: d, regex: 'to (?<to>.*)'}], redaction: [{detector: email}]}",
              line("to kim@ex.io"),
              "to k***@ex.io | to=k***@ex.io | service.name=shop,host.name=h1");
}

static void test_spans(void **state)
{
    static const struct attr EVENT[] = {{STR("exception.message"), S("no kim@ex.io")}};
    const struct span_event events[] = {{.name = STR("kim@ex.io"), .attrs = MANY(EVENT)}};
    const struct span_link links[] = {{.attrs = MANY(EVENT)}};
    struct span rows[3] = {
        {.name = STR("GET kim@ex.io"),
         .status_message = STR("bad kim@ex.io"),
         .events = events,
         .events_n = 1,
         .links = links,
         .links_n = 1,
         .resource = &SHOP,
         .scope = &SCOPE},
        {.name = STR("GET /health"), .resource = &SHOP, .scope = &SCOPE},
        {.name = STR("GET /x"), .resource = &SHOP, .scope = &SCOPE},
    };
    struct process *p = with("redaction: [{detector: email}]\n"
                             "drop: [{name: h, when: {span: '*/health'}}]\n"
                             "attributes: [{name: r, on: resource, set: {env: prod}}]\n");
    struct process_tally tally;
    struct arena a;
    size_t n = 3;

    (void)state;
    arena_init(&a, 1 << 20);
    assert_int_equal(process_spans(p, rows, &n, &a, &tally, NULL), 0);
    process_settle(p, &tally, true);
    assert_int_equal(n, 2);
    assert_true(str_eq(rows[0].name, STR("GET kim@ex.io"))); /* names are left alone */
    assert_true(str_eq(rows[0].status_message, STR("bad k***@ex.io")));
    assert_true(str_eq(rows[0].events[0].name, STR("kim@ex.io")));
    assert_true(str_eq(rows[0].events[0].attrs.v[0].value.u.s, STR("no k***@ex.io")));
    assert_true(str_eq(rows[0].links[0].attrs.v[0].value.u.s, STR("no k***@ex.io")));
    assert_true(str_eq(rows[1].name, STR("GET /x")));
    assert_ptr_equal(rows[0].resource, rows[1].resource); /* changed once */
    assert_int_equal(rows[0].resource->attrs.n, 3);
    assert_int_equal(SHOP.attrs.n, 2);
    arena_done(&a);
    process_free(p);
}

static void test_config_errors(void **state)
{
    static const struct {
        const char *yaml;
        const char *error;
    } CASES[] = {
        {"x: 1", "t.yaml:1: unknown key \"x\""},
        {"redaction: 5", "t.yaml:1: redaction: must be a list"},
        {"redaction:\n  - {detector: emial}",
         "t.yaml:2: redaction.detector: unknown detector \"emial\""},
        {"redaction: [{mode: mask}]",
         "t.yaml:1: redaction.detector: either detector or regex is needed"},
        {"redaction:\n  - {detector: email, mode: hide}",
         "t.yaml:2: redaction \"email\": mode: must be mask, label, hash, drop or replace"},
        {"redaction: [{detector: email, in: [head]}]",
         "t.yaml:1: redaction \"email\": in: must be of body, attributes, events, resource, scope, not "
         "\"head\""},
        {"redaction: [{regex: a}]", "t.yaml:1: redaction.name: is missing"},
        {"redaction: [{name: 'a b', regex: a}]",
         "t.yaml:1: redaction.name: must be 1 to 64 of A-Z a-z 0-9 _ - ."},
        {"redaction: [{name: x, regex: '(a'}]",
         "t.yaml:1: redaction \"x\": regex: regular expression: missing closing parenthesis, at byte 2"},
        {"redaction: [{name: x, regex: a, keep: b}]",
         "t.yaml:1: redaction \"x\": keep: \"b\" is no group of regex"},
        {"redaction: [{detector: email}, {detector: email}]",
         "t.yaml:1: redaction.name: \"email\" is taken by the rule in line 1"},
        {"redaction: [{detector: email, label: x, mode: mask}]",
         "t.yaml:1: redaction \"email\": label: goes with mode label only"},
        {"redaction: [{detector: email, replacement: x}]",
         "t.yaml:1: redaction \"email\": replacement: goes with regex only"},
        {"redaction: [{detector: email, signals: metrics}]",
         "t.yaml:1: redaction \"email\": signals: must be logs or traces, not \"metrics\""},
        {"attributes: [{name: a}]",
         "t.yaml:1: attributes \"a\": rule: one of drop, keep_only, rename, set, add, hash, truncate is "
         "needed"},
        {"attributes:\n - name: a\n   drop: x\n   set: {a: b}",
         "t.yaml:4: attributes \"a\": set: one rule does one thing; make two of it"},
        {"attributes: [{name: a, drop: x, on: row}]",
         "t.yaml:1: attributes \"a\": on: must be record, resource or scope"},
        {"attributes: [{name: a, truncate: {bytes: 5}}]",
         "t.yaml:1: attributes \"a\": truncate: needs attributes and bytes"},
        {"drop: [{name: a}]",
         "t.yaml:1: drop \"a\": when: needs a condition besides signals: everything would go"},
        {"drop: [{name: a, when: {signals: logs}}]",
         "t.yaml:1: drop \"a\": when: needs a condition besides signals: everything would go"},
        {"drop: [{name: a, when: {severity_below: loud}}]",
         "t.yaml:1: drop \"a\": severity_below: must be trace, debug, info, warn, error or fatal"},
        {"drop:\n- name: a\n  when:\n    sevrice: x",
         "t.yaml:4: drop \"a\": when: unknown key \"sevrice\""},
        {"derive: [{name: a, regex: 'x'}]", "t.yaml:1: derive \"a\": regex: has no named group"},
        {"derive: [{name: a, regex: 'x', fields: {g: h}}]",
         "t.yaml:1: derive \"a\": fields: \"g\" is no group of regex"},
        {"derive: [{name: a}]",
         "t.yaml:1: derive \"a\": rule: one of regex, json, logfmt, trace_id is needed"},
        {"sampling: {}", "t.yaml:1: sampling.policies: 1 to 32 are needed: what none keeps goes"},
        {"sampling: {wait: 1ms, policies: [{type: errors}]}",
         "t.yaml:1: sampling.wait: must be from 100 to 600000 ms"},
        {"sampling: {policies: [{type: slow}]}",
         "t.yaml:1: sampling.type: must be errors, latency, match, share or rate"},
        {"sampling: {policies: [{type: latency}]}",
         "t.yaml:1: sampling \"latency\": threshold: goes with type latency and is needed there"},
        {"sampling: {policies: [{type: share, percent: 101}]}",
         "t.yaml:1: sampling \"share\": percent: must be a number from 0 to 100"},
        {"span_metrics: {buckets: [5ms, 2ms]}",
         "t.yaml:1: span_metrics.buckets: must be rising durations"},
    };
    const struct process_opts o = {0};
    struct process *p = process_new(&o);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err e = {0};
        int rc = process_load(p, PROCESS_FILE, "t.yaml", str_cstr(CASES[i].yaml), &e);

        if (rc != -ERR_INVALID || strcmp(e.msg, CASES[i].error) != 0) {
            print_error("%s\n", CASES[i].yaml);
        }
        assert_string_equal(e.msg, CASES[i].error);
        assert_int_equal(rc, -ERR_INVALID);
    }
    process_free(p);
}

static void test_counts_and_reload(void **state)
{
    struct stats *stats = stats_new();
    const struct process_opts o = {.stats = stats};
    struct process *p = process_new(&o);
    struct log_record rows[3] = {line("a@b.io c@d.io"), line("none"), line("e@f.io")};
    struct log_record again[3];
    struct process_tally tally;
    struct buf text CLEANUP(buf_done) = {0};
    struct json_writer w;
    struct arena a;
    struct err e = {0};
    size_t n = 3;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        rows[i].resource = &SHOP;
        rows[i].scope = &SCOPE;
    }
    memcpy(again, rows, sizeof(again));
    arena_init(&a, 1 << 20);
    assert_int_equal(process_load(p, PROCESS_FILE, "f", STR("redaction: [{detector: email}]"), &e),
                     0);
    assert_int_equal(process_logs(p, rows, &n, &a, &tally, &e), 0);
    process_settle(p, &tally, false); /* refused: it comes again, decoded anew */
    assert_int_equal(process_logs(p, again, &n, &a, &tally, &e), 0);
    process_settle(p, &tally, true);
    assert_int_equal(n, 3);
    /* A rule of the same name goes on counting; a bad load changes nothing but the error. */
    assert_int_equal(
        process_load(p, PROCESS_FILE, "f", STR("redaction: [{detector: email, mode: label}]"), &e),
        0);
    assert_int_equal(process_load(p, PROCESS_FILE, "f", STR("redaction: 1"), &e), -ERR_INVALID);
    buf_init(&text, 1 << 16);
    json_init(&w, &text);
    process_status(p, &w);
    buf_add_byte(&text, '\0');
    assert_non_null(strstr(text.data, "\"matches\":3,\"rows\":2"));
    assert_non_null(strstr(text.data, "\"error\":\"f:1: redaction: must be a list\""));
    assert_non_null(strstr(text.data, "mode: label"));
    arena_done(&a);
    process_free(p);
    stats_free(stats);
}

/* What rules make is taken from the budget until the batch is settled; without room the batch is not taken. */
static void test_budget(void **state)
{
    static const struct {
        int64_t max;
        int rc;
    } CASES[] = {{1 << 20, 0}, {0, -ERR_OVERLOAD}, {100, -ERR_OVERLOAD}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct budget budget;
        const struct process_opts o = {.budget = &budget};
        struct process *p = process_new(&o);
        struct log_record row = line("mail kim@example.com");
        struct process_tally tally;
        struct arena a;
        struct err e = {0};
        size_t n = 1;

        budget_init(&budget, CASES[i].max, NULL);
        row.resource = &SHOP;
        row.scope = &SCOPE;
        arena_init(&a, 1 << 20);
        assert_int_equal(
            process_load(p, PROCESS_FILE, "f", STR("redaction: [{detector: email}]"), &e), 0);
        assert_int_equal(process_logs(p, &row, &n, &a, &tally, &e), CASES[i].rc);
        if (CASES[i].rc == 0) {
            assert_true(str_eq(row.body.u.s, STR("mail k***@example.com")));
            assert_in_range(budget_used(&budget), 1, 1 << 20);
            process_settle(p, &tally, false);
        } else {
            assert_non_null(strstr(e.msg, "memory for requests is full"));
        }
        assert_int_equal(budget_used(&budget), 0);
        arena_done(&a);
        process_free(p);
    }
}

static void test_no_memory(void **state)
{
    struct process *p =
        with("redaction: [{detector: email}]\nderive: [{name: d, regex: '(?<x>a)'}]");

    (void)state;
    for (int64_t i = 0; i < 12; i++) {
        struct log_record row = line("a@b.io");
        struct process_tally tally;
        struct arena a;
        size_t n = 1;
        int rc;

        row.resource = &SHOP;
        row.scope = &SCOPE;
        arena_init(&a, 1 << 20);
        mem_fail_after(i);
        rc = process_logs(p, &row, &n, &a, &tally, NULL);
        mem_fail_after(-1);
        if (rc == 0) {
            process_settle(p, &tally, true);
        }
        /* Never stored as it came. */
        assert_true(rc == -ERR_NOMEM || str_eq(row.body.u.s, STR("***@b.io")));
        arena_done(&a);
    }
    process_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),    cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_derive),        cmocka_unit_test(test_trace_ids),
        cmocka_unit_test(test_redacted_rows), cmocka_unit_test(test_spans),
        cmocka_unit_test(test_config_errors), cmocka_unit_test(test_counts_and_reload),
        cmocka_unit_test(test_budget),        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
