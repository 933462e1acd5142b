/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules and alerts as Prometheus' HTTP API writes them.
 */
#include <stdio.h>

#include "alert/rules_internal.h"
#include "codec/json_write.h"

static const char *const HEALTH[] = {"unknown", "ok", "err"};
static const char *const STATES[] = {"inactive", "pending", "firing"};

static void add_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[CLOCK_RFC3339_SIZE];

    json_key(w, key);
    if (ms == 0) {
        json_cstr(w, "0001-01-01T00:00:00Z");
        return;
    }
    clock_format_rfc3339(ms, text);
    json_cstr(w, text);
}

static void add_seconds(struct json_writer *w, const char *key, double s)
{
    json_key(w, key);
    json_f64(w, s);
}

static void add_labels(struct json_writer *w, const char *key, struct labels ls)
{
    json_key(w, key);
    json_object_begin(w);
    for (size_t i = 0; i < ls.n; i++) {
        json_member(w, ls.v[i].name, ls.v[i].value);
    }
    json_object_end(w);
}

static void add_alert(struct json_writer *w, const struct rule *def, const struct alert *a)
{
    char value[32];

    json_object_begin(w);
    add_labels(w, "labels", a->labels);
    add_labels(w, "annotations", def->annotations);
    json_key(w, "state");
    json_cstr(w, STATES[a->state]);
    add_time(w, "activeAt", a->active_ms);
    if (a->keep_firing_ms != 0) {
        add_time(w, "keepFiringSince", a->keep_firing_ms);
    }
    for (int digits = 0; digits < 18; digits++) { /* the fewest that read back */
        double back = 0;

        snprintf(value, sizeof(value), "%.*e", digits, a->value);
        if (!str_to_f64(str_cstr(value), &back) || back == a->value || a->value != a->value) {
            break;
        }
    }
    json_key(w, "value");
    json_cstr(w, a->value != a->value                 ? "NaN"
                 : a->value > 1.7976931348623157e308  ? "+Inf"
                 : a->value < -1.7976931348623157e308 ? "-Inf"
                                                      : value);
    json_object_end(w);
}

static void add_alerts(struct json_writer *w, const struct rule_run *run)
{
    for (size_t i = 0; i < run->alerts.n; i++) {
        if (run->alerts.v[i]->state != ALERT_INACTIVE) {
            add_alert(w, run->def, run->alerts.v[i]);
        }
    }
}

static void add_rule(struct json_writer *w, const struct rule_run *run, bool without_alerts)
{
    const struct rule *def = run->def;
    enum alert_state state = ALERT_INACTIVE;

    for (size_t i = 0; i < run->alerts.n; i++) {
        state = run->alerts.v[i]->state > state ? run->alerts.v[i]->state : state;
    }
    json_object_begin(w);
    if (def->alerting) {
        json_key(w, "state");
        json_cstr(w, STATES[state]);
    }
    json_key(w, "name");
    json_str(w, def->name);
    json_key(w, "query");
    json_str(w, def->expr);
    if (def->alerting) {
        add_seconds(w, "duration", (double)def->for_ms / 1000);
        add_seconds(w, "keepFiringFor", (double)def->keep_firing_for_ms / 1000);
        add_labels(w, "labels", def->labels);
        add_labels(w, "annotations", def->annotations);
        json_key(w, "alerts");
        json_array_begin(w);
        if (!without_alerts) {
            add_alerts(w, run);
        }
        json_array_end(w);
    } else if (def->labels.n != 0) {
        add_labels(w, "labels", def->labels);
    }
    json_key(w, "health");
    json_cstr(w, HEALTH[run->health]);
    if (run->error[0] != '\0') {
        json_key(w, "lastError");
        json_cstr(w, run->error);
    }
    add_seconds(w, "evaluationTime", (double)run->took_ns / 1e9);
    add_time(w, "lastEvaluation", run->last_ms);
    json_key(w, "type");
    json_cstr(w, def->alerting ? "alerting" : "recording");
    json_object_end(w);
}

static bool listed(const struct str *v, size_t n, struct str s)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(v[i], s)) {
            return true;
        }
    }
    return n == 0;
}

static bool rule_wanted(const struct rules_filter *f, const struct rule *def)
{
    return listed(f->names, f->names_n, def->name) &&
           (f->type == RULES_ALL || (f->type == RULES_ALERTING) == def->alerting);
}

static void add_group(struct json_writer *w, const struct group_run *g,
                      const struct rules_filter *f)
{
    size_t shown = 0;

    for (size_t i = 0; i < g->def->n; i++) {
        shown += rule_wanted(f, g->rules[i].def);
    }
    if (!listed(f->groups, f->groups_n, g->def->name) ||
        !listed(f->files, f->files_n, g->def->file) || (shown == 0 && g->def->n != 0)) {
        return;
    }
    json_object_begin(w);
    json_key(w, "name");
    json_str(w, g->def->name);
    json_key(w, "file");
    json_str(w, g->def->file);
    json_key(w, "rules");
    json_array_begin(w);
    for (size_t i = 0; i < g->def->n; i++) {
        if (rule_wanted(f, g->rules[i].def)) {
            add_rule(w, &g->rules[i], f->without_alerts);
        }
    }
    json_array_end(w);
    add_seconds(w, "interval", (double)g->def->interval_ms / 1000);
    json_key(w, "limit");
    json_i64(w, g->def->limit);
    add_seconds(w, "evaluationTime", (double)g->took_ns / 1e9);
    add_time(w, "lastEvaluation", g->last_ms);
    json_object_end(w);
}

void rules_json(struct rules *r, const struct rules_filter *f, struct buf *dst)
{
    struct json_writer w;

    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "groups");
    json_array_begin(&w);
    mutex_lock(&r->lock);
    for (size_t i = 0; i < r->groups.n; i++) {
        add_group(&w, &r->groups.v[i], f);
    }
    mutex_unlock(&r->lock);
    json_array_end(&w);
    json_object_end(&w);
}

void rules_alerts_json(struct rules *r, struct buf *dst)
{
    struct json_writer w;

    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "alerts");
    json_array_begin(&w);
    mutex_lock(&r->lock);
    for (size_t i = 0; i < r->groups.n; i++) {
        for (size_t k = 0; k < r->groups.v[i].def->n; k++) {
            add_alerts(&w, &r->groups.v[i].rules[k]);
        }
    }
    mutex_unlock(&r->lock);
    json_array_end(&w);
    json_object_end(&w);
}
