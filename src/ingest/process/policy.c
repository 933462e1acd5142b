/* SPDX-License-Identifier: Apache-2.0
 *
 * Shares are consistent: the same trace is kept or not by whoever samples with the same probability, because the
 * trace's own randomness is compared with a threshold. Source: OpenTelemetry "TraceState: Probability Sampling".
 */
#include "ingest/process/policy.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/map.h"
#include "ingest/process/row.h"

enum { SERVICES_MAX = 10000, THRESHOLD_DIGITS = 14 };

static const uint64_t WHOLE = 1ull << 56;

/* ---- rates ---- */

struct bucket {
    double tokens;
    int64_t last_ns;
    char key[];
};

struct rates_state {
    struct map buckets; /* by "policy/service" */
};

struct rates_state *rates_state_new(void)
{
    return mem_xcalloc(1, sizeof(struct rates_state));
}

void rates_state_free(struct rates_state *s)
{
    struct str key;
    void *value;
    size_t pos = 0;

    if (s != NULL) {
        while (map_next(&s->buckets, &pos, &key, &value)) {
            mem_free(value);
        }
        map_done(&s->buckets);
        mem_free(s);
    }
}

static struct bucket *bucket_of(struct rates_state *s, const struct policy *p, struct str service,
                                int64_t now_ns)
{
    char text[256];
    int len = snprintf(text, sizeof(text), "%u/%.*s", p->id, STR_ARG(str_take(service, 200)));
    struct str key = str_of(text, len > 0 ? (size_t)len : 0);
    struct bucket *b = map_get(&s->buckets, key);

    if (b == NULL && s->buckets.n >= SERVICES_MAX) {
        key = STR("other");
        b = map_get(&s->buckets, key);
    }
    if (b == NULL) {
        b = mem_try_calloc(1, sizeof(*b) + key.n + 1);
        if (b == NULL) {
            return NULL;
        }
        memcpy(b->key, key.p, key.n);
        b->tokens = p->per_second < 1 ? 1 : p->per_second;
        b->last_ns = now_ns;
        if (map_put(&s->buckets, str_of(b->key, key.n), b) < 0) {
            mem_free(b);
            return NULL;
        }
    }
    return b;
}

static struct str service_of(const struct span *s)
{
    return attrs_get_str(s->resource->attrs, STR("service.name"));
}

/* The service of the trace is that of its root, else of its first span. */
static bool rate_allows(struct rates_state *rates, const struct policy *p, const struct span *spans,
                        size_t n, int64_t now_ns)
{
    const struct span *root = &spans[0];
    const double most = p->per_second < 1 ? 1 : p->per_second;
    struct bucket *b;

    for (size_t i = 0; i < n; i++) {
        if (span_id_is_zero(spans[i].parent_id)) {
            root = &spans[i];
            break;
        }
    }
    b = bucket_of(rates, p, service_of(root), now_ns);
    if (b == NULL) {
        return false;
    }
    if (now_ns > b->last_ns) {
        b->tokens += (double)(now_ns - b->last_ns) / 1e9 * p->per_second;
        b->tokens = b->tokens > most ? most : b->tokens;
        b->last_ns = now_ns;
    }
    if (b->tokens < 1) {
        return false;
    }
    b->tokens -= 1;
    return true;
}

/* ---- trace state ---- */

/* The value of a key ("rv") in the member "ot" of a trace state: ot=th:8;rv:0123456789abcd */
static bool ot_value(struct str state, struct str key, struct str *ret)
{
    struct str member;

    while (str_split(&state, ',', &member)) {
        struct str pair;

        member = str_trim(member);
        if (!str_starts(member, STR("ot="))) {
            continue;
        }
        member = str_drop(member, 3);
        while (str_split(&member, ';', &pair)) {
            if (pair.n > key.n && str_starts(pair, key) && pair.p[key.n] == ':') {
                *ret = str_drop(pair, key.n + 1);
                return true;
            }
        }
    }
    return false;
}

/* Hex digits as the highest of 14. */
static bool from_hex(struct str s, uint64_t *ret)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > THRESHOLD_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < THRESHOLD_DIGITS; i++) {
        char c = i < s.n ? s.p[i] : '0';
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (d < 0) {
            return false;
        }
        v = v << 4 | (uint64_t)d;
    }
    *ret = v;
    return true;
}

uint64_t policy_randomness(const struct span *spans, size_t n)
{
    struct str rv;
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        if (ot_value(spans[i].trace_state, STR("rv"), &rv) && rv.n == THRESHOLD_DIGITS &&
            from_hex(rv, &v)) {
            return v;
        }
    }
    v = 0;
    for (size_t i = TRACE_ID_SIZE - 7; i < TRACE_ID_SIZE; i++) {
        v = v << 8 | spans[0].trace_id.b[i];
    }
    return v;
}

/* "ot=th:c": zeros at the end are left out. */
static struct str begin_ot(struct arena *a, uint64_t threshold)
{
    char digits[THRESHOLD_DIGITS + 1];
    size_t n = THRESHOLD_DIGITS;

    snprintf(digits, sizeof(digits), "%014llx", (unsigned long long)threshold);
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    digits[n] = '\0';
    return arena_printf(a, "ot=th:%s", digits);
}

struct str policy_trace_state(struct arena *a, struct str state, uint64_t threshold,
                              uint64_t randomness)
{
    struct str old = {0};
    struct str rest = {0};
    struct str member;
    struct str made;
    uint64_t before = 0;
    bool has_old = ot_value(state, STR("th"), &old);
    bool true_old = has_old && from_hex(old, &before) && before <= randomness;

    if (threshold >= WHOLE || (true_old && before >= threshold) || (!has_old && threshold == 0)) {
        return state;
    }
    made = begin_ot(a, threshold);
    for (rest = state; made.p != NULL && str_split(&rest, ',', &member);) {
        struct str pair;

        member = str_trim(member);
        if (!str_starts(member, STR("ot="))) {
            continue;
        }
        member = str_drop(member, 3);
        while (made.p != NULL && str_split(&member, ';', &pair)) {
            if (pair.n != 0 && !str_starts(pair, STR("th:"))) {
                made = arena_printf(a, "%.*s;%.*s", STR_ARG(made), STR_ARG(pair));
            }
        }
    }
    for (rest = state; made.p != NULL && str_split(&rest, ',', &member);) {
        member = str_trim(member);
        if (member.n != 0 && !str_starts(member, STR("ot="))) {
            made = arena_printf(a, "%.*s,%.*s", STR_ARG(made), STR_ARG(member));
        }
    }
    return made.p != NULL ? made : state;
}

/* ---- policies ---- */

static bool span_passes(const struct policy *p, const struct span *s)
{
    const struct row row = {.signal = SIGNAL_TRACES,
                            .attrs = s->attrs,
                            .resource = s->resource,
                            .scope = s->scope,
                            .span_name = s->name};

    return when_passes(&p->when, &row);
}

static int64_t limit_of(const struct policy *p, const struct span *s)
{
    if (p->services_n != 0) {
        struct str service = service_of(s);

        for (size_t i = 0; i < p->services_n; i++) {
            if (glob_matches(p->services[i].key, service)) {
                return p->services[i].value.u.i;
            }
        }
    }
    return p->latency_ns;
}

static bool wants_span(const struct policy *p, const struct span *s)
{
    switch (p->kind) {
    case POLICY_ERRORS:
        return s->status == SPAN_STATUS_ERROR && span_passes(p, s);
    case POLICY_LATENCY:
        return s->end_ns - s->start_ns >= limit_of(p, s) && span_passes(p, s);
    default:
        return span_passes(p, s);
    }
}

static bool wants_trace(const struct policy *p, const struct span *spans, size_t n,
                        struct rates_state *rates, int64_t now_ns)
{
    bool any = false;

    for (size_t i = 0; i < n && !any; i++) {
        any = wants_span(p, &spans[i]);
    }
    if (!any || p->kind == POLICY_ERRORS || p->kind == POLICY_LATENCY || p->kind == POLICY_MATCH) {
        return any;
    }
    return p->kind == POLICY_SHARE ? policy_randomness(spans, n) >= p->threshold
                                   : rate_allows(rates, p, spans, n, now_ns);
}

const struct policy *policy_decide(const struct sampling *s, const struct span *spans, size_t n,
                                   struct rates_state *rates, int64_t now_ns)
{
    for (size_t i = 0; i < s->policies_n; i++) {
        if (wants_trace(&s->policies[i], spans, n, rates, now_ns)) {
            return &s->policies[i];
        }
    }
    return NULL;
}
