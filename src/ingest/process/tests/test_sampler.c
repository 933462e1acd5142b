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
#include "base/lock.h"
#include "base/random.h"
#include "base/thread.h"
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

/* A share of a quarter, threshold c. */
static void test_thresholds(void)
{
    static const struct {
        const char *state;
        uint64_t random;
        const char *want;
    } CASES[] = {
        {"", 0xd0000000000000, "ot=th:c"},
        {"ot=th:8", 0xd0000000000000, "ot=th:c"},
        {"ot=th:0", 0xd0000000000000, "ot=th:c"},
        {"ot=th:f", 0xf8000000000000, "ot=th:f"}, /* was sampled more sharply before */
        {"ot=th:c", 0xf8000000000000, "ot=th:c"},
        {"ot=th:f", 0xd0000000000000, "ot=th:c"}, /* cannot be: it would not be here */
        {"ot=th:xyz;rv:d0000000000000", 0xd0000000000000, "ot=th:c;rv:d0000000000000"},
        {"a=b,ot=k:v;th:8,c=d", 0xd0000000000000, "ot=th:c;k:v,a=b,c=d"},
    };
    struct span v[2] = {span('a', &SHOP, 1), span('a', &SHOP, 1)};
    struct arena a;

    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct str got =
            policy_trace_state(&a, str_cstr(CASES[i].state), 0xc0000000000000, CASES[i].random);

        if (!str_eq(got, str_cstr(CASES[i].want))) {
            fail_msg("%s: %.*s", CASES[i].state, STR_ARG(got));
        }
    }
    assert_int_equal(policy_trace_state(&a, STR(""), 0, 5).n, 0); /* all are kept: nothing to say */
    v[1].trace_state = STR("ot=rv:c0000000000001");               /* whichever span comes first */
    assert_true(policy_randomness(v, 2) == 0xc0000000000001);
    arena_done(&a);
}

static void test_share_is_consistent(void **state)
{
    struct span s = span('a', &SHOP, 1);
    struct rig r;
    size_t kept = 0;

    (void)state;
    s.trace_state = STR("x=y,ot=th:8;rv:c0000000000000");
    assert_true(policy_randomness(&s, 1) == 0xc0000000000000);
    s.trace_state = STR("ot=rv:123");
    assert_true(policy_randomness(&s, 1) == 0x61616161616161);
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
    test_thresholds();
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

static void append(const char *dir, uint8_t type, struct str record)
{
    const struct wal_opts o = {.dir = dir, .name = "t"};
    struct wal *w = NULL;

    assert_int_equal(wal_open(&o, NULL, NULL, &w, NULL), 0);
    assert_int_equal(wal_append(w, type, &record, 1, NULL, NULL), 0);
    wal_close(w);
}

/* A decision is about as many rows as it says: with more in the log a span came while it was made, and the trace is
 * looked at again; it follows the decision. The older form is about all rows before it. */
static void test_decisions_cover_rows(void **state)
{
    static const struct {
        uint8_t type;
        char kept;
        int rows[2]; /* decisions, one record each; 0: none */
        size_t waiting;
        const char *stored;
    } CASES[] = {
        {3, 1, {3, 0}, 0, ""}, {3, 0, {3, 0}, 0, ""}, {3, 1, {2, 0}, 1, "aaa"},
        {3, 0, {2, 0}, 1, ""}, {3, 1, {2, 1}, 0, ""}, {3, 0, {1, 1}, 1, ""},
        {2, 1, {1, 0}, 0, ""}, {2, 0, {1, 0}, 0, ""}, {9, 1, {3, 0}, 1, "aaa"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct span v[3] = {span('a', &SHOP, 1), span('a', &SHOP, 2), span('a', &WEB, 3)};
        struct sampler_status st;
        struct rig after;
        struct rig r;

        begin(&r, "sampling: {policies: [{type: match, when: {service: shop}}]}");
        add(&r, v, 2, 0);
        add(&r, v + 2, 1, 0);
        after = r;
        after.store = (struct fake){0};
        memcpy(after.dir + strlen(after.dir) - 4, "/two", 5);
        copy_log(r.dir, after.dir);
        for (size_t k = 0; k < 2 && CASES[i].rows[k] != 0; k++) {
            char record[21];

            memset(record, 'a', 16);
            record[16] = CASES[i].kept;
            memcpy(record + 17, (const char[]){(char)CASES[i].rows[k], 0, 0, 0}, 4);
            append(after.dir, CASES[i].type, str_of(record, CASES[i].type == 2 ? 17 : 21));
        }
        reopen(&after, 0);
        sampler_status(after.s, &st);
        assert_int_equal(st.traces, CASES[i].waiting);
        sampler_tick(after.s, after.p, 10 * SECOND);
        assert_string_equal(after.store.kept, CASES[i].stored);
        sampler_status(after.s, &st);
        assert_int_equal(st.traces, 0);
        assert_int_equal(st.bytes, 0);
        sampler_close(after.s, after.p, 11 * SECOND);
        end(&r);
    }
}

/* ---- many doors ---- */

enum { DOORS = 4, REQUESTS = 300, TRACES = 64 };

struct many {
    struct mutex lock;
    uint32_t rows[TRACES]; /* that reached the store; guarded by: lock */
    int calls;
};

struct door {
    struct rig *r;
    struct thread t;
    int number;
};

static int count_store(void *arg, const struct span *spans, size_t n, struct err *reterr)
{
    struct many *m = arg;
    bool fails;

    mutex_lock(&m->lock);
    fails = m->calls++ % 5 == 4;
    for (size_t i = 0; i < n && !fails; i++) {
        m->rows[spans[i].trace_id.b[0]]++;
    }
    mutex_unlock(&m->lock);
    return fails ? err_set(reterr, ERR_NOSPACE, "full") : 0;
}

static void send_many(void *arg)
{
    struct door *d = arg;

    for (int i = 0; i < REQUESTS; i++) {
        struct span v[4];
        struct err e = {0};
        int rc;

        for (int k = 0; k < 4; k++) {
            v[k] = span((char)((i * 7 + k * 13 + d->number) % TRACES), &SHOP, 1);
        }
        do { /* as a client does that is told to come again */
            rc = sampler_add(d->r->s, d->r->p, v, 4, i, &e);
        } while (rc == -ERR_NOSPACE || rc == -ERR_OVERLOAD);
        assert_int_equal(rc, 0);
    }
}

/* Every span of every door reaches the store once, whatever else goes on; nothing is left behind. */
static void test_many_doors(void **state)
{
    struct many m = {.calls = 0};
    struct door doors[DOORS];
    struct sampler_opts o = {.store = count_store, .store_arg = &m};
    struct sampler_status st;
    struct err e = {0};
    struct rig r;
    uint64_t all = 0;

    (void)state;
    begin(
        &r,
        "sampling: {wait: 100ms, memory: 1MiB, policies: [{type: match, when: {service: shop}}]}");
    sampler_close(r.s, r.p, 0);
    mutex_init(&m.lock, LOCK_RANK_LEAF);
    o.dir = r.dir;
    assert_int_equal(sampler_open(&o, 0, &r.s, &e), 0);
    for (int i = 0; i < DOORS; i++) {
        doors[i] = (struct door){.r = &r, .number = i};
        assert_int_equal(thread_start(&doors[i].t, "door", send_many, &doors[i]), 0);
    }
    for (int64_t now = 0; now < 200; now++) {
        sampler_tick(r.s, r.p, now * SECOND);
    }
    for (int i = 0; i < DOORS; i++) {
        thread_join(&doors[i].t);
    }
    do {
        sampler_tick(r.s, r.p, 1000 * SECOND);
        sampler_status(r.s, &st);
    } while (st.bytes != 0);
    for (size_t i = 0; i < TRACES; i++) {
        all += m.rows[i];
    }
    assert_int_equal(all, DOORS * REQUESTS * 4);
    assert_int_equal(st.traces, 0);
    assert_int_equal(st.kept_spans, all);
    assert_int_equal(st.dropped_spans, 0);
    end(&r);
    mutex_done(&m.lock);
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
        cmocka_unit_test(test_decisions_cover_rows),
        cmocka_unit_test(test_many_doors),
        cmocka_unit_test(test_close_and_off),
        cmocka_unit_test(test_decided),
        cmocka_unit_test(test_span_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
