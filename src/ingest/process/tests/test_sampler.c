/* SPDX-License-Identifier: Apache-2.0
 *
 * Tail sampling: what each policy keeps, late spans, memory, a store that fails, kill -9; and exact counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/random.h"
#include "ingest/process/decided.h"
#include "ingest/process/policy.h"
#include "ingest/process/sampler.h"
#include "ingest/process/span_metrics.h"
#include "io/vfs.h"

#define S(x)                             \
    {                                    \
        .type = VALUE_STR, .u.s = STR(x) \
    }

static const struct attr SHOP_ATTRS[] = {{STR("service.name"), S("shop")}};
static const struct attr WEB_ATTRS[] = {{STR("service.name"), S("web")}};
static const struct resource SHOP = {.attrs = {SHOP_ATTRS, 1}};
static const struct resource WEB = {.attrs = {WEB_ATTRS, 1}};
static const struct scope SCOPE = {0};
static const int64_t SECOND = 1000000000;

/* What reached the store: the first byte of each trace id. */
struct fake {
    char kept[4096];
    size_t n;
    bool fails;
    char state[256]; /* trace state of the last */
};

struct rig {
    struct sampler *s;
    struct program *p;
    struct stats *stats;
    struct fake store;
    char dir[128];
};

static int fake_store(void *arg, const struct span *spans, size_t n, struct err *reterr)
{
    struct fake *f = arg;

    if (f->fails) {
        return err_set(reterr, ERR_NOSPACE, "full");
    }
    for (size_t i = 0; i < n && f->n + 1 < sizeof(f->kept); i++) {
        f->kept[f->n++] = (char)spans[i].trace_id.b[0];
        snprintf(f->state, sizeof(f->state), "%.*s", STR_ARG(spans[i].trace_state));
    }
    f->kept[f->n] = '\0';
    return 0;
}

static void load(struct rig *r, const char *yaml)
{
    struct err e = {0};

    program_free(r->p);
    r->p = NULL;
    if (program_parse("t", str_cstr(yaml), r->stats, &r->p, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void reopen(struct rig *r, int64_t now_ns)
{
    const struct sampler_opts o = {
        .dir = r->dir, .stats = r->stats, .store = fake_store, .store_arg = &r->store};
    struct err e = {0};

    if (sampler_open(&o, now_ns, &r->s, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void begin(struct rig *r, const char *yaml)
{
    *r = (struct rig){.stats = stats_new()};
    snprintf(r->dir, sizeof(r->dir), "/tmp/bongsu-sampler-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->dir + strlen(r->dir), 8, "/log");
    load(r, yaml);
    reopen(r, 0);
}

static void end(struct rig *r)
{
    sampler_close(r->s, r->p, 0);
    program_free(r->p);
    stats_free(r->stats);
    r->dir[strlen(r->dir) - 4] = '\0';
    ignore_result(vfs_remove_tree(vfs_real(), r->dir, NULL), "only a test's directory");
}

static struct span span(char trace, const struct resource *from, int64_t ms)
{
    struct span s = {.name = STR("op"),
                     .start_ns = SECOND,
                     .end_ns = SECOND + ms * 1000000,
                     .resource = from,
                     .scope = &SCOPE};

    memset(s.trace_id.b, trace, sizeof(s.trace_id.b));
    s.span_id.b[0] = 1;
    return s;
}

static void add(struct rig *r, const struct span *v, size_t n, int64_t now_ns)
{
    struct err e = {0};

    if (sampler_add(r->s, r->p, v, n, now_ns, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void test_errors_and_wait(void **state)
{
    struct rig r;
    struct span v[3];

    (void)state;
    begin(&r, "sampling: {wait: 10s, policies: [{type: errors}]}");
    v[0] = span('a', &SHOP, 1);
    v[1] = span('b', &SHOP, 1);
    v[2] = span('b', &WEB, 1);
    v[2].status = SPAN_STATUS_ERROR;
    add(&r, v, 3, 0);
    sampler_tick(r.s, r.p, 9 * SECOND);
    assert_string_equal(r.store.kept, "");
    sampler_tick(r.s, r.p, 10 * SECOND);
    assert_string_equal(r.store.kept, "bb");
    /* Late spans follow: of the kept at once, of the dropped never. */
    v[0] = span('b', &SHOP, 1);
    v[1] = span('a', &SHOP, 1);
    v[1].status = SPAN_STATUS_ERROR;
    add(&r, v, 2, 11 * SECOND);
    assert_string_equal(r.store.kept, "bbb");
    sampler_tick(r.s, r.p, 60 * SECOND);
    assert_string_equal(r.store.kept, "bbb");
    assert_int_equal(counter_get(r.p->rules[0].matches), 1);
    assert_int_equal(counter_get(r.p->rules[0].rows), 2);
    end(&r);
}

struct keeps {
    const char *policy;
    const char *kept; /* of the traces a to e below */
};

static void test_policies(void **state)
{
    static const struct keeps CASES[] = {
        {"{type: errors}", "b"},
        {"{type: errors, when: {service: web}}", ""},
        {"{type: latency, threshold: 1s}", "c"},
        {"{type: latency, threshold: 1s, services: {web: 100ms}}", "cd"},
        {"{type: latency, threshold: 1s, services: {shop: 10s}}", ""},
        {"{type: match, when: {attribute: {vip: 'true'}}}", "e"},
        {"{type: match, when: {service: web}}", "d"},
        {"{type: match, when: {span: 'op'}}", "abcde"},
        {"{type: share, percent: 100}", "abcde"},
        {"{type: share, percent: 0}", ""},
        {"{type: errors}, {type: latency, threshold: 1s}", "bc"},
        {"{type: rate, traces_per_second: 2}", "abd"}, /* two of shop, one of web */
    };
    static const struct attr VIP[] = {{STR("vip"), {.type = VALUE_BOOL, .u.b = true}}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf yaml CLEANUP(buf_done) = {0};
        struct rig r;
        struct span v[5] = {span('a', &SHOP, 1), span('b', &SHOP, 1), span('c', &SHOP, 1500),
                            span('d', &WEB, 200), span('e', &SHOP, 1)};

        v[1].status = SPAN_STATUS_ERROR;
        v[4].attrs = (struct attrs){VIP, 1};
        buf_init(&yaml, 4096);
        buf_printf(&yaml, "sampling: {policies: [%s]}", CASES[i].policy);
        buf_add_byte(&yaml, '\0');
        begin(&r, yaml.data);
        add(&r, v, 5, 0);
        sampler_tick(r.s, r.p, 10 * SECOND);
        if (strcmp(r.store.kept, CASES[i].kept) != 0) {
            print_error("%s\n", CASES[i].policy);
        }
        assert_string_equal(r.store.kept, CASES[i].kept);
        end(&r);
    }
}

static void test_share_is_consistent(void **state)
{
    struct span s = span('a', &SHOP, 1);
    struct rig r;
    size_t kept = 0;

    (void)state;
    s.trace_state = STR("x=y,ot=th:8;rv:c0000000000000");
    assert_true(policy_randomness(&s) == 0xc0000000000000);
    s.trace_state = STR("ot=rv:123");
    assert_true(policy_randomness(&s) == 0x61616161616161);
    begin(&r, "sampling: {policies: [{type: share, percent: 25}]}");
    assert_true(r.p->sampling.policies[0].threshold == 0xc0000000000000);
    for (uint64_t i = 0; i < 4000; i++) {
        uint64_t x = i;
        struct span v = span('a', &SHOP, 1);

        for (size_t k = 0; k < 2; k++) {
            uint64_t w = random_next(&x);

            memcpy(v.trace_id.b + 8 * k, &w, 8);
        }
        kept += policy_decide(&r.p->sampling, &v, 1, NULL, 0) != NULL;
    }
    assert_in_range(kept, 900, 1100);
    /* What a kept span says of how many it stands for. */
    s.trace_state = STR("x=y,ot=rv:f0000000000000");
    add(&r, &s, 1, 0);
    sampler_tick(r.s, r.p, 10 * SECOND);
    assert_string_equal(r.store.state, "ot=th:c;rv:f0000000000000,x=y");
    s = span('b', &SHOP, 1);
    s.trace_state = STR("ot=rv:b0000000000000");
    add(&r, &s, 1, 10 * SECOND);
    sampler_tick(r.s, r.p, 20 * SECOND);
    assert_string_equal(r.store.kept, "a");
    end(&r);
}

static void test_memory(void **state)
{
    struct sampler_status st;
    struct rig r;
    char big[4000];
    struct attr a[] = {{STR("x"), {.type = VALUE_STR}}};

    (void)state;
    memset(big, 'x', sizeof(big));
    begin(&r, "sampling: {memory: 1MiB, policies: [{type: match, when: {service: shop}}]}");
    a[0].value.u.s = str_of(big, sizeof(big));
    for (int i = 0; i < 1000; i++) {
        struct span s = span('a', &SHOP, 1);

        s.trace_id.b[8] = (uint8_t)(i & 255);
        s.trace_id.b[9] = (uint8_t)(i >> 8);
        s.attrs = (struct attrs){a, 1};
        add(&r, &s, 1, i);
        sampler_status(r.s, &st);
        assert_in_range(st.bytes, 0, 1 << 20);
    }
    assert_true(st.early > 500);
    assert_int_equal(r.store.n, st.early);
    /* The oldest went first; a store that takes none makes the door say so, and loses nothing. */
    r.store.fails = true;
    for (int i = 0; i < 1000; i++) {
        struct span s = span('b', &SHOP, 1);
        struct err e = {0};
        int rc;

        s.trace_id.b[8] = (uint8_t)(i & 255);
        s.trace_id.b[9] = (uint8_t)(i >> 8);
        s.attrs = (struct attrs){a, 1};
        rc = sampler_add(r.s, r.p, &s, 1, 5, &e);
        if (rc < 0) {
            assert_int_equal(rc, -ERR_OVERLOAD);
            break;
        }
        assert_int_not_equal(i, 999);
    }
    r.store.fails = false;
    sampler_tick(r.s, r.p, 100 * SECOND);
    sampler_status(r.s, &st);
    assert_int_equal(st.traces, 0);
    assert_int_equal(st.bytes, 0);
    assert_int_equal(r.store.n, st.kept_spans);
    end(&r);
}

/* As kill -9 leaves it: the log copied away while the sampler runs. */
static void copy_log(const char *from, const char *to)
{
    char **names = NULL;
    size_t n = 0;

    assert_int_equal(vfs_mkdirs(vfs_real(), to, NULL), 0);
    assert_int_equal(vfs_list(from, &names, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        char *src CLEANUP(mem_free_ptr) = vfs_join(from, names[i]);
        char *dst CLEANUP(mem_free_ptr) = vfs_join(to, names[i]);
        char *data CLEANUP(mem_free_ptr) = NULL;
        size_t size = 0;

        assert_int_equal(vfs_read_file(vfs_real(), src, 64 << 20, &data, &size, NULL), 0);
        assert_int_equal(vfs_write_atomic(vfs_real(), dst, str_of(data, size), NULL), 0);
    }
    vfs_list_free(names, n);
}

static void test_kill(void **state)
{
    struct rig r;
    struct rig after;
    struct span v[2];
    char copy[128];

    (void)state;
    begin(&r, "sampling: {policies: [{type: errors}]}");
    v[0] = span('a', &SHOP, 1);
    v[1] = span('b', &SHOP, 1);
    v[1].status = SPAN_STATUS_ERROR;
    add(&r, v, 2, 0);
    sampler_tick(r.s, r.p, 10 * SECOND); /* a dropped, b kept */
    assert_string_equal(r.store.kept, "b");
    v[0] = span('c', &SHOP, 1);
    v[0].status = SPAN_STATUS_ERROR;
    v[1] = span('d', &SHOP, 1);
    add(&r, v, 2, 11 * SECOND);
    snprintf(copy, sizeof(copy), "%s", r.dir);
    copy[strlen(copy) - 4] = '\0';
    snprintf(copy + strlen(copy), 8, "/dead");
    copy_log(r.dir, copy);
    after = r;
    after.store = (struct fake){0};
    snprintf(after.dir, sizeof(after.dir), "%s", copy);
    reopen(&after, 0);
    sampler_tick(after.s, after.p, 5 * SECOND);
    assert_string_equal(after.store.kept, ""); /* they wait anew */
    v[0] = span('c', &WEB, 1);
    v[1] = span('a', &WEB, 1); /* was dropped, and stays so */
    v[1].status = SPAN_STATUS_ERROR;
    add(&after, v, 2, 6 * SECOND);
    sampler_tick(after.s, after.p, 10 * SECOND);
    assert_string_equal(after.store.kept, "cc");
    sampler_close(after.s, after.p, 11 * SECOND);
    end(&r);
}

static void test_close_and_off(void **state)
{
    struct rig r;
    struct span v[2];

    (void)state;
    begin(&r, "sampling: {policies: [{type: errors}]}");
    v[0] = span('a', &SHOP, 1);
    v[1] = span('b', &SHOP, 1);
    v[1].status = SPAN_STATUS_ERROR;
    add(&r, v, 2, 0);
    sampler_close(r.s, r.p, 1); /* decides with what is there */
    assert_string_equal(r.store.kept, "b");
    reopen(&r, 0);
    sampler_tick(r.s, r.p, 100 * SECOND);
    assert_string_equal(r.store.kept, "b"); /* nothing was left in the log */
    v[0] = span('c', &SHOP, 1);
    add(&r, v, 1, 0);
    load(&r, "sampling: {enabled: false, policies: [{type: errors}]}");
    sampler_tick(r.s, r.p, 1);
    assert_string_equal(r.store.kept, "bc"); /* switched off: what waits is kept */
    end(&r);
}

static void test_decided(void **state)
{
    struct decided *d = decided_new(3);
    struct trace_id id[5];
    bool keep = false;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        memset(&id[i], (int)i + 1, sizeof(id[i]));
    }
    decided_put(d, id[0], true);
    decided_put(d, id[1], false);
    decided_put(d, id[2], true);
    assert_true(decided_get(d, id[0], &keep) && keep); /* used: now the newest */
    decided_put(d, id[3], false);
    assert_false(decided_get(d, id[1], &keep));
    assert_true(decided_get(d, id[0], &keep) && keep);
    assert_true(decided_get(d, id[3], &keep) && !keep);
    decided_put(d, id[3], true);
    assert_true(decided_get(d, id[3], &keep) && keep);
    decided_put(d, id[4], true);
    assert_false(decided_get(d, id[2], &keep));
    decided_free(d);
    d = decided_new(0);
    decided_put(d, id[0], true);
    assert_false(decided_get(d, id[0], &keep));
    decided_free(d);
}

static void test_span_metrics(void **state)
{
    struct rig r;
    struct span_metrics *m = span_metrics_new(NULL);
    struct span v[4] = {span('a', &SHOP, 1), span('b', &SHOP, 3), span('c', &WEB, 3),
                        span('d', &SHOP, 3)};

    (void)state;
    begin(&r, "span_metrics: {max_series: 2, buckets: [2ms, 4ms]}");
    v[3].status = SPAN_STATUS_ERROR; /* a third label set: overflow */
    span_metrics_count(m, &r.p->span_metrics, v, 4, 1000);
    assert_int_equal(span_metrics_series(m), 3);
    span_metrics_count(m, &r.p->span_metrics, v, 4, 2000);
    assert_int_equal(span_metrics_series(m), 3);
    span_metrics_free(m);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_and_wait),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_share_is_consistent),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_close_and_off),
        cmocka_unit_test(test_decided),
        cmocka_unit_test(test_span_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
