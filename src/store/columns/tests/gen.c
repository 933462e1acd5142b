/* SPDX-License-Identifier: Apache-2.0
 *
 * Random rows. Small vocabularies make filters hit; rare draws give the odd cases.
 */
#include "store/columns/tests/gen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const WORDS[] = {
    "GET /api/cart",
    "POST /api/order",
    "checkout",
    "payment failed: timeout",
    "SELECT * FROM t",
    "",
    "봉수 시작",
    "user=kim id=42",
    "Ünïcode",
    "a b c d e f g",
    "200",
    "404",
    "true",
    "null-pointer",
    "error_code 7",
    "x",
    "connection RESET by peer",
};
static const char *const KEYS[] = {"http.method", "http.status", "db.rows", "user", "k",   "ratio",
                                   "flag",        "list",        "map",     "raw",  "none"};

uint64_t gen_below(struct gen *g, uint64_t n)
{
    return random_next(&g->state) % n;
}

static struct str gen_str(struct gen *g)
{
    uint64_t r = gen_below(g, 20);

    if (r == 0) { /* bytes with NULs */
        char raw[6] = {'a', 0, 'b', 0, (char)gen_below(g, 3), 'z'};

        return arena_str_dup(&g->a, str_of(raw, sizeof(raw)));
    }
    if (r < 4) { /* many distinct ones */
        return arena_printf(&g->a, "request %llu took %llu ms",
                            (unsigned long long)gen_below(g, 5000),
                            (unsigned long long)gen_below(g, 90));
    }
    if (r == 4) {
        size_t n = gen_below(g, 3000);
        char *p = arena_alloc(&g->a, n + 1, 1);

        memset(p, 'L', n);
        return str_of(p, n);
    }
    return str_cstr(WORDS[gen_below(g, ARRAY_LEN(WORDS))]);
}

static struct value gen_value(struct gen *g, unsigned depth);

static struct attrs gen_attrs(struct gen *g, unsigned depth)
{
    size_t n = gen_below(g, depth == 0 ? 7 : 4);
    struct attr *v = arena_array(&g->a, struct attr, n + 1);
    size_t first = gen_below(g, ARRAY_LEN(KEYS));

    for (size_t i = 0; i < n; i++) { /* distinct keys in a random order */
        v[i].key = str_cstr(KEYS[(first + i * 3) % ARRAY_LEN(KEYS)]);
        if (gen_below(g, g->rare_every) == 0) {
            v[i].key =
                arena_printf(&g->a, "rare.%llu.%zu", (unsigned long long)gen_below(g, 1000), i);
        }
        v[i].value = gen_value(g, depth + 1);
        if (str_eq(v[i].key, STR("http.status")) && gen_below(g, 8) != 0) {
            v[i].value =
                (struct value){.type = VALUE_I64, .u.i = 200 + 100 * (int64_t)gen_below(g, 4)};
        }
        if (str_eq(v[i].key, STR("http.method")) && gen_below(g, 40) != 0) {
            v[i].value = (struct value){.type = VALUE_STR,
                                        .u.s = gen_below(g, 3) != 0 ? STR("GET") : STR("POST")};
        }
        if (str_eq(v[i].key, STR("ratio")) && gen_below(g, 40) != 0) {
            v[i].value =
                (struct value){.type = VALUE_F64, .u.f = (double)gen_below(g, 100) / 8 - 3};
        }
        if (str_eq(v[i].key, STR("flag"))) {
            v[i].value = (struct value){.type = VALUE_BOOL, .u.b = gen_below(g, 2) != 0};
        }
        if (str_eq(v[i].key, STR("user"))) {
            v[i].value = (struct value){.type = VALUE_STR, .u.s = gen_str(g)};
        }
    }
    return (struct attrs){n != 0 ? v : NULL, n};
}

static struct value gen_value(struct gen *g, unsigned depth)
{
    static const double ODD[] = {
        0.0, -0.0, 1e300, -1.5, 200.0, 9007199254740993.0, (double)INFINITY, (double)NAN};
    struct value v = {0};

    switch (gen_below(g, depth > 2 ? 7 : 10)) {
    case 0:
        break;
    case 1:
    case 2:
        v = (struct value){.type = VALUE_STR, .u.s = gen_str(g)};
        break;
    case 3:
        v = (struct value){.type = VALUE_BOOL, .u.b = gen_below(g, 2) != 0};
        break;
    case 4:
        v = (struct value){.type = VALUE_I64, .u.i = (int64_t)gen_below(g, 500) - 100};
        if (gen_below(g, 10) == 0) {
            v.u.i = gen_below(g, 2) != 0 ? INT64_MIN : INT64_MAX;
        }
        break;
    case 5:
        v = (struct value){.type = VALUE_F64, .u.f = ODD[gen_below(g, ARRAY_LEN(ODD))]};
        break;
    case 6:
        v = (struct value){.type = VALUE_BYTES, .u.s = gen_str(g)};
        break;
    case 7:
    case 8: {
        size_t n = gen_below(g, 4);
        struct value *e = arena_array(&g->a, struct value, n + 1);

        for (size_t i = 0; i < n; i++) {
            e[i] = gen_value(g, depth + 1);
        }
        v = (struct value){.type = VALUE_ARRAY, .u.array = {n != 0 ? e : NULL, n}};
        break;
    }
    default: {
        struct attrs as = gen_attrs(g, depth);

        v = (struct value){.type = VALUE_MAP, .u.map = {as.v, as.n}};
    }
    }
    return v;
}

void gen_init(struct gen *g, uint64_t seed, int64_t base_ns, int64_t span_ns)
{
    static const char *const PATTERNS[] = {"GET|POST", "2..", ".*time.*", "r.*[0-9]+ ms"};
    static const char *const SEARCHES[] = {"time.?out|RES[EA]T", "request [0-9]+5 took",
                                           "(?i)select", "api/(cart|order)$"};
    struct resource *rs;
    struct scope *ss;

    *g = (struct gen){.state = seed, .base_ns = base_ns, .span_ns = span_ns, .rare_every = 30};
    arena_init(&g->a, (size_t)4 << 30);
    g->resources_n = 5;
    g->scopes_n = 3;
    rs = arena_calloc(&g->a, g->resources_n, sizeof(*rs));
    ss = arena_calloc(&g->a, g->scopes_n, sizeof(*ss));
    for (size_t i = 0; i < g->resources_n; i++) {
        struct attr *v = arena_calloc(&g->a, 4, sizeof(*v));

        v[0] = (struct attr){STR("service.name"),
                             {.type = VALUE_STR, .u.s = arena_printf(&g->a, "svc-%zu", i / 2)}};
        v[1] = (struct attr){STR("host.name"),
                             {.type = VALUE_STR, .u.s = arena_printf(&g->a, "host-%zu", i)}};
        v[2] = (struct attr){STR("user"), {.type = VALUE_STR, .u.s = STR("root")}};
        v[3] = (struct attr){STR("process.pid"), {.type = VALUE_I64, .u.i = (int64_t)(100 + i)}};
        rs[i] = (struct resource){.attrs = {v, i == 4 ? 0 : 4},
                                  .schema_url = i == 1 ? STR("https://schema/1") : STR(""),
                                  .dropped_attrs = (uint32_t)i};
    }
    for (size_t i = 0; i < g->scopes_n; i++) {
        struct attr *v = arena_calloc(&g->a, 1, sizeof(*v));

        v[0] = (struct attr){STR("lib"), {.type = VALUE_STR, .u.s = STR("otel")}};
        ss[i] = (struct scope){.name = i != 0 ? arena_printf(&g->a, "scope-%zu", i) : STR(""),
                               .version = STR("1.2"),
                               .attrs = {v, i == 2},
                               .schema_url = STR("u"),
                               .dropped_attrs = (uint32_t)i * 2};
    }
    g->resources = rs;
    g->scopes = ss;
    for (size_t i = 0; i < ARRAY_LEN(PATTERNS); i++) {
        struct matcher *m = NULL;

        if (matcher_new(MATCH_RE, STR("f"), str_cstr(PATTERNS[i]), &m, NULL) < 0) {
            abort();
        }
        g->regex[i] = m;
    }
    for (size_t i = 0; i < ARRAY_LEN(SEARCHES); i++) {
        struct search *f = NULL;

        if (search_new(str_cstr(SEARCHES[i]), &f, NULL) < 0) {
            abort();
        }
        g->search[i] = f;
    }
}

void gen_done(struct gen *g)
{
    for (size_t i = 0; i < ARRAY_LEN(g->regex); i++) {
        matcher_free((struct matcher *)(uintptr_t)g->regex[i]);
        search_free((struct search *)(uintptr_t)g->search[i]);
    }
    arena_done(&g->a);
}

static int64_t gen_time(struct gen *g)
{
    return g->base_ns + (int64_t)gen_below(g, (uint64_t)g->span_ns);
}

static void gen_id(struct gen *g, uint8_t *id, size_t n, uint64_t distinct)
{
    uint64_t x = gen_below(g, distinct);

    memset(id, 0, n);
    if (x != 0) { /* sometimes zero */
        uint64_t seed = x;

        for (size_t i = 0; i < n; i++) {
            id[i] = (uint8_t)random_next(&seed);
        }
    }
}

static void gen_events(struct gen *g, struct span *s)
{
    struct span_event *v;
    struct span_link *l;

    s->events_n = gen_below(g, 3);
    v = arena_calloc(&g->a, s->events_n + 1, sizeof(*v));
    for (size_t i = 0; i < s->events_n; i++) {
        v[i] = (struct span_event){.time_ns = gen_time(g),
                                   .name = gen_str(g),
                                   .attrs = gen_attrs(g, 1),
                                   .dropped_attrs = (uint32_t)gen_below(g, 2)};
    }
    s->events = s->events_n != 0 ? v : NULL;
    s->links_n = gen_below(g, 2);
    l = arena_calloc(&g->a, s->links_n + 1, sizeof(*l));
    for (size_t i = 0; i < s->links_n; i++) {
        gen_id(g, l[i].trace_id.b, TRACE_ID_SIZE, 50);
        gen_id(g, l[i].span_id.b, SPAN_ID_SIZE, 50);
        l[i].trace_state = gen_str(g);
        l[i].attrs = gen_attrs(g, 1);
        l[i].flags = (uint32_t)gen_below(g, 300);
    }
    s->links = s->links_n != 0 ? l : NULL;
}

void gen_span(struct gen *g, struct span *ret)
{
    struct span s = {.start_ns = gen_time(g), .name = gen_str(g), .attrs = gen_attrs(g, 0)};

    gen_id(g, s.trace_id.b, TRACE_ID_SIZE, 200);
    gen_id(g, s.span_id.b, SPAN_ID_SIZE, 1u << 30);
    gen_id(g, s.parent_id.b, SPAN_ID_SIZE, gen_below(g, 3) + 1);
    s.end_ns = s.start_ns + (int64_t)gen_below(g, 1000000000) - 1000000;
    s.arrival_ns = s.start_ns + (int64_t)gen_below(g, 5) * 1000000000;
    s.trace_state = gen_below(g, 10) == 0 ? gen_str(g) : STR("");
    s.status = (uint8_t)gen_below(g, 3);
    s.status_message = s.status == SPAN_STATUS_ERROR ? gen_str(g) : STR("");
    s.kind = (uint8_t)gen_below(g, SPAN_KIND_COUNT);
    s.flags = gen_below(g, 4) == 0 ? 0x101 : 0;
    s.dropped_attrs = gen_below(g, 50) == 0 ? 7 : 0;
    s.dropped_events = gen_below(g, 50) == 0 ? UINT32_MAX : 0;
    s.dropped_links = gen_below(g, 50) == 0 ? 9 : 0;
    s.resource = &g->resources[gen_below(g, g->resources_n)];
    s.scope = &g->scopes[gen_below(g, g->scopes_n)];
    if (gen_below(g, 5) == 0) {
        gen_events(g, &s);
    }
    *ret = s;
}

void gen_log(struct gen *g, struct log_record *ret)
{
    struct log_record l = {.time_ns = gen_time(g), .attrs = gen_attrs(g, 0)};

    l.body = gen_below(g, 10) == 0 ? gen_value(g, 0)
                                   : (struct value){.type = VALUE_STR, .u.s = gen_str(g)};
    l.observed_ns = gen_below(g, 3) != 0 ? l.time_ns + (int64_t)gen_below(g, 1000000) : 0;
    l.arrival_ns = l.time_ns + 5;
    l.severity = (uint8_t)gen_below(g, 25);
    l.severity_text = gen_below(g, 2) != 0 ? STR("WARN") : STR("");
    l.event_name = gen_below(g, 9) == 0 ? gen_str(g) : STR("");
    if (gen_below(g, 2) != 0) {
        gen_id(g, l.trace_id.b, TRACE_ID_SIZE, 60);
        gen_id(g, l.span_id.b, SPAN_ID_SIZE, 1u << 30);
    }
    l.flags = gen_below(g, 4) == 0 ? 1 : 0;
    l.dropped_attrs = gen_below(g, 30) == 0 ? 3 : 0;
    l.pattern = gen_below(g, 4) != 0 ? UINT64_C(0xfedcba9876543200) + gen_below(g, 20) : 0;
    l.resource = &g->resources[gen_below(g, g->resources_n)];
    l.scope = &g->scopes[gen_below(g, g->scopes_n)];
    *ret = l;
}

static struct field gen_field(struct gen *g, enum columns_kind kind)
{
    static const char *const SPAN_NAMES[] = {
        "name",     "service", "status",    "kind",        "duration_ns", "status_message",
        "trace_id", "span_id", "parent_id", "trace_state", "scope_name",  "unknown"};
    static const char *const LOG_NAMES[] = {"body",       "severity_number", "severity_text",
                                            "service",    "trace_id",        "span_id",
                                            "event_name", "scope_name",      "pattern_id"};
    struct field f = {0};

    switch (gen_below(g, 6)) {
    case 0:
    case 1:
        f.scope = FIELD_INTRINSIC;
        f.name = kind == COLUMNS_SPANS ? str_cstr(SPAN_NAMES[gen_below(g, ARRAY_LEN(SPAN_NAMES))])
                                       : str_cstr(LOG_NAMES[gen_below(g, ARRAY_LEN(LOG_NAMES))]);
        break;
    case 2:
        f.scope = FIELD_RESOURCE;
        f.name = gen_below(g, 2) != 0 ? STR("host.name") : STR("process.pid");
        break;
    case 3:
        f.scope = gen_below(g, 4) == 0 ? FIELD_SCOPE : FIELD_ANY;
        f.name = f.scope == FIELD_SCOPE ? STR("lib") : STR("user");
        break;
    default:
        f.scope = gen_below(g, 2) != 0 ? FIELD_ATTR : FIELD_ANY;
        f.name = str_cstr(KEYS[gen_below(g, ARRAY_LEN(KEYS))]);
        if (gen_below(g, 10) == 0) {
            f.name = arena_printf(&g->a, "rare.%llu.%llu", (unsigned long long)gen_below(g, 1000),
                                  (unsigned long long)gen_below(g, 3));
        }
    }
    return f;
}

static struct value gen_operand(struct gen *g, struct field f)
{
    static const char *const TEXTS[] = {
        "error", "server", "svc-1", "host-2",  "WARN",      "GET", "timeout", "id",       "a b",
        "took",  "봉수",   "200",   "scope-1", "request 1", "[]",  "root",    "RESET by", "otel"};
    uint64_t r = gen_below(g, 10);

    if (f.scope == FIELD_INTRINSIC && str_eq(f.name, STR("trace_id")) && r < 8) {
        uint8_t id[TRACE_ID_SIZE];
        char *hex = arena_alloc(&g->a, 2 * TRACE_ID_SIZE + 1, 1);

        gen_id(g, id, TRACE_ID_SIZE, 60);
        hex_encode(id, TRACE_ID_SIZE, hex);
        return (struct value){.type = VALUE_STR, .u.s = str_of(hex, 2 * TRACE_ID_SIZE)};
    }
    if (f.scope == FIELD_INTRINSIC && str_eq(f.name, STR("pattern_id")) && r < 8) {
        return (struct value){
            .type = VALUE_STR,
            .u.s = arena_printf(&g->a, "fedcba98765432%02x", (unsigned)gen_below(g, 20))};
    }
    if (str_eq(f.name, STR("duration_ns")) && r < 8) {
        return (struct value){.type = VALUE_I64, .u.i = (int64_t)gen_below(g, 1000000000)};
    }
    if (r < 4) {
        return (struct value){.type = VALUE_STR,
                              .u.s = str_cstr(TEXTS[gen_below(g, ARRAY_LEN(TEXTS))])};
    }
    if (r < 6) {
        return (struct value){.type = VALUE_I64, .u.i = (int64_t)gen_below(g, 5) * 100};
    }
    if (r < 7) {
        return (struct value){.type = VALUE_F64, .u.f = (double)gen_below(g, 60) / 4};
    }
    return gen_value(g, 1);
}

const struct filter *gen_filter(struct gen *g, enum columns_kind kind, unsigned depth)
{
    const struct filter *kids[3];
    uint64_t r = gen_below(g, depth >= 3 ? 6 : 10);
    enum pred_op op;
    struct field f;

    if (r >= 6) {
        size_t n = 1 + gen_below(g, 3);

        for (size_t i = 0; i < n; i++) {
            kids[i] = gen_filter(g, kind, depth + 1);
        }
        return r < 8    ? filter_and(&g->a, kids, n)
               : r == 8 ? filter_or(&g->a, kids, n)
                        : filter_not(&g->a, kids[0]);
    }
    f = gen_field(g, kind);
    op = (enum pred_op)gen_below(g, PRED_IS_ARRAY + 1);
    if (op == PRED_RE || op == PRED_NRE) {
        return filter_regex(&g->a, f, op == PRED_NRE, g->regex[gen_below(g, 4)]);
    }
    if (op == PRED_SEARCH_RE) {
        return filter_search(&g->a, f, g->search[gen_below(g, 4)]);
    }
    return filter_pred(&g->a, f, op, gen_operand(g, f));
}
