/* SPDX-License-Identifier: Apache-2.0
 *
 * The sections "sampling" and "span_metrics".
 */
#include <math.h>

#include "ingest/process/config_internal.h"

static const char *const KINDS[] = {"errors", "latency", "match", "share", "rate"};

static int read_services(struct cfg *c, const struct yaml_node *map, struct policy *p)
{
    const struct yaml_node *v = yaml_get(map, STR("services"));

    if (v == NULL || yaml_is_null(v)) {
        return 0;
    }
    if (v->kind != YAML_MAP) {
        return cfg_fail(c, v->line, "services", "must map services to durations");
    }
    p->services = arena_calloc(&c->p->arena, v->n + 1, sizeof(*p->services));
    if (p->services == NULL) {
        return cfg_nomem(c);
    }
    for (size_t i = 0; i < v->n; i++) {
        int64_t ms = 0;

        if (v->map[i].value->kind != YAML_SCALAR ||
            !str_to_duration_ms(v->map[i].value->text, &ms)) {
            return cfg_fail(c, v->map[i].line, "services", "must be a duration like 500ms");
        }
        p->services[i].key = v->map[i].key;
        p->services[i].value = (struct value){.type = VALUE_I64, .u.i = ms * 1000000};
    }
    p->services_n = v->n;
    return 0;
}

/* OpenTelemetry "TraceState: Probability Sampling": the rejection threshold of a probability, 56 bits. */
static uint64_t threshold_of(double share)
{
    const double whole = 72057594037927936.0; /* 2^56 */

    return share >= 1 ? 0 : (uint64_t)llround((1 - share) * whole);
}

static int read_policy_values(struct cfg *c, const struct yaml_node *map, struct policy *p)
{
    int64_t ms = -1;
    double percent = -1;
    double rate = -1;
    int rc = cfg_duration(c, map, "threshold", 0, 86400000, &ms);

    rc = rc < 0 ? rc : cfg_number(c, map, "percent", 0, 100, &percent);
    rc = rc < 0 ? rc : cfg_number(c, map, "traces_per_second", 0.001, 1e6, &rate);
    rc = rc < 0 ? rc : read_services(c, map, p);
    if (rc < 0) {
        return rc;
    }
    if ((p->kind == POLICY_LATENCY) != (ms >= 0)) {
        return cfg_fail(c, map->line, "threshold", "goes with type latency and is needed there");
    }
    if ((p->kind == POLICY_SHARE) != (percent >= 0)) {
        return cfg_fail(c, map->line, "percent", "goes with type share and is needed there");
    }
    if ((p->kind == POLICY_RATE) != (rate >= 0)) {
        return cfg_fail(c, map->line, "traces_per_second",
                        "goes with type rate and is needed there");
    }
    if (p->kind == POLICY_MATCH && !p->when.set) {
        return cfg_fail(c, map->line, "when", "is needed with type match");
    }
    p->latency_ns = ms * 1000000;
    p->threshold = threshold_of(percent / 100);
    p->per_second = rate;
    return 0;
}

static int read_policy(struct cfg *c, const struct yaml_node *map, struct policy *p)
{
    static const char *const KEYS[] = {
        "name", "type", "when", "threshold", "services", "percent", "traces_per_second", NULL};
    struct str type = {0};
    size_t k = 0;
    int rc = cfg_map(c, map, "policy", KEYS);

    rc = rc < 0 ? rc : cfg_str(c, map, "type", &type);
    if (rc < 0) {
        return rc;
    }
    while (k < ARRAY_LEN(KINDS) && !str_eq(type, str_cstr(KINDS[k]))) {
        k++;
    }
    if (k == ARRAY_LEN(KINDS)) {
        return cfg_fail(c, map->line, "type", "must be errors, latency, match, share or rate");
    }
    p->kind = (enum policy_kind)k;
    rc = cfg_rule(c, map, SECTION_SAMPLING, type, &p->id);
    rc = rc < 0 ? rc : cfg_when(c, map, &p->when);
    rc = rc < 0 ? rc : read_policy_values(c, map, p);
    if (rc == 0) {
        cfg_what(c, p->id, "keeps traces: %s", KINDS[p->kind]);
    }
    return rc;
}

int cfg_sampling(struct cfg *c, const struct yaml_node *root)
{
    static const char *const KEYS[] = {"enabled", "wait", "memory", "remember", "policies", NULL};
    const struct yaml_node *map = yaml_get(root, STR("sampling"));
    struct sampling *s = &c->p->sampling;
    const struct yaml_node *list;
    void *v = NULL;
    int rc;

    c->section = "sampling";
    c->rule = STR("");
    *s = (struct sampling){
        .on = true, .wait_ms = 10000, .memory_bytes = 64 << 20, .remember = 100000};
    if (map == NULL || yaml_is_null(map)) {
        s->on = false;
        return 0;
    }
    rc = cfg_map(c, map, "", KEYS);
    rc = rc < 0 ? rc : cfg_bool(c, map, "enabled", &s->on);
    rc = rc < 0 ? rc : cfg_duration(c, map, "wait", 100, 600000, &s->wait_ms);
    rc = rc < 0 ? rc : cfg_bytes(c, map, "memory", 1 << 20, 64ull << 30, &s->memory_bytes);
    rc = rc < 0 ? rc : cfg_count(c, map, "remember", 0, 10000000, &s->remember);
    rc = rc < 0 ? rc : cfg_list(c, map, "policies", sizeof(struct policy), &list, &v);
    if (rc < 0) {
        return rc;
    }
    s->policies = v;
    if (list == NULL || list->n == 0 || list->n > POLICIES_MAX) {
        return cfg_fail(c, map->line, "policies", "1 to %d are needed: what none keeps goes",
                        POLICIES_MAX);
    }
    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        c->rule = STR("");
        rc = read_policy(c, list->seq[i], &s->policies[i]);
        s->policies_n += rc == 0;
    }
    c->rule = STR("");
    return rc;
}

static int read_bounds(struct cfg *c, const struct yaml_node *map, struct span_metrics_opts *o)
{
    /* The defaults of OpenTelemetry's span metrics connector. */
    static const double DEFAULTS[] = {2,   4,   6,    8,    10,   50,   100,   200,
                                      400, 800, 1000, 1400, 2000, 5000, 10000, 15000};
    const struct yaml_node *v = yaml_get(map, STR("buckets"));

    if (v == NULL || yaml_is_null(v)) {
        memcpy(o->bounds_ms, DEFAULTS, sizeof(DEFAULTS));
        o->bounds_n = ARRAY_LEN(DEFAULTS);
        return 0;
    }
    if (v->kind != YAML_SEQ || v->n == 0 || v->n > BOUNDS_MAX) {
        return cfg_fail(c, v->line, "buckets", "must be a list of 1 to %d durations", BOUNDS_MAX);
    }
    for (size_t i = 0; i < v->n; i++) {
        int64_t ms = 0;

        if (v->seq[i]->kind != YAML_SCALAR || !str_to_duration_ms(v->seq[i]->text, &ms) ||
            ms <= 0 || (i > 0 && (double)ms <= o->bounds_ms[i - 1])) {
            return cfg_fail(c, v->seq[i]->line, "buckets", "must be rising durations");
        }
        o->bounds_ms[i] = (double)ms;
    }
    o->bounds_n = v->n;
    return 0;
}

int cfg_span_metrics(struct cfg *c, const struct yaml_node *root)
{
    static const char *const KEYS[] = {"enabled", "interval", "max_series", "buckets", NULL};
    const struct yaml_node *map = yaml_get(root, STR("span_metrics"));
    struct span_metrics_opts *o = &c->p->span_metrics;
    int rc;

    c->section = "span_metrics";
    c->rule = STR("");
    *o = (struct span_metrics_opts){.interval_ms = 15000, .max_series = 5000};
    if (map == NULL || yaml_is_null(map)) {
        return 0;
    }
    o->on = true;
    rc = cfg_map(c, map, "", KEYS);
    rc = rc < 0 ? rc : cfg_bool(c, map, "enabled", &o->on);
    rc = rc < 0 ? rc : cfg_duration(c, map, "interval", 1000, 600000, &o->interval_ms);
    rc = rc < 0 ? rc : cfg_count(c, map, "max_series", 1, 1000000, &o->max_series);
    return rc < 0 ? rc : read_bounds(c, map, o);
}
