/* SPDX-License-Identifier: Apache-2.0
 *
 * See apm_json.h.
 */
#include "api/apm_json.h"

#include <math.h>

void apm_json_member_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

static void member_f64(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_f64(w, v); /* NAN becomes null */
}

/* Whole microseconds: finer than any histogram here. */
static double ms(double ns)
{
    return round(ns / 1e3) / 1e3;
}

static void in_flight(struct json_writer *w, int64_t v)
{
    json_key(w, "in_flight");
    if (v < 0) {
        json_null(w);
    } else {
        json_i64(w, v);
    }
}

void apm_json_figures(struct json_writer *w, const struct live_figures *f, double seconds)
{
    const struct live_counts *n = &f->n;
    double score = live_apdex(n);
    bool any = n->done != 0;

    apm_json_member_i64(w, "requests", (int64_t)n->done);
    apm_json_member_i64(w, "started", (int64_t)n->started);
    apm_json_member_i64(w, "satisfied", (int64_t)n->satisfied);
    apm_json_member_i64(w, "tolerating", (int64_t)n->tolerating);
    apm_json_member_i64(w, "frustrated", (int64_t)n->frustrated);
    apm_json_member_i64(w, "err_4xx", (int64_t)n->err4);
    apm_json_member_i64(w, "err_5xx", (int64_t)n->err5);
    member_f64(w, "apdex", score);
    json_key(w, "grade");
    json_cstr(w, live_grade(score));
    member_f64(w, "sum_ms", ms((double)n->sum_ns));
    member_f64(w, "mean_ms", any ? ms((double)n->sum_ns / (double)n->done) : NAN);
    member_f64(w, "p50_ms", any ? ms(f->p50_ns) : NAN);
    member_f64(w, "p90_ms", any ? ms(f->p90_ns) : NAN);
    member_f64(w, "p95_ms", any ? ms(f->p95_ns) : NAN);
    member_f64(w, "p99_ms", any ? ms(f->p99_ns) : NAN);
    member_f64(w, "max_ms", any ? ms((double)n->max_ns) : NAN);
    if (seconds > 0) {
        member_f64(w, "tps", (double)n->done / seconds);
    }
}

void apm_json_group(struct json_writer *w, const struct live_group *g, double seconds)
{
    json_object_begin(w);
    json_key(w, "name");
    json_str(w, g->name);
    apm_json_member_i64(w, "t_ms", g->t_ms);
    json_key(w, "frustrated_4xx");
    json_bool(w, g->frustrated_4xx);
    apm_json_member_i64(w, "instances", (int64_t)g->instances);
    apm_json_member_i64(w, "up", (int64_t)g->up);
    apm_json_member_i64(w, "operations", (int64_t)g->operations);
    apm_json_member_i64(w, "first_ms", g->first_ms);
    apm_json_member_i64(w, "last_ms", g->last_ms);
    apm_json_member_i64(w, "lag_ms", (int64_t)g->lag_ticks * LIVE_TICK_MS);
    in_flight(w, g->in_flight);
    apm_json_figures(w, &g->f, seconds);
    json_object_end(w);
}

void apm_json_instance(struct json_writer *w, const struct live_instance *i)
{
    apm_json_member_i64(w, "id", i->id);
    json_key(w, "name");
    json_str(w, i->name);
    json_key(w, "instance");
    json_str(w, i->instance);
    json_key(w, "service");
    json_str(w, i->service);
    json_key(w, "namespace");
    json_str(w, i->ns);
    json_key(w, "version");
    json_str(w, i->version);
    json_key(w, "host");
    json_str(w, i->host);
    json_key(w, "up");
    json_bool(w, i->up);
    apm_json_member_i64(w, "first_ms", i->first_ms);
    apm_json_member_i64(w, "last_ms", i->last_ms);
    apm_json_member_i64(w, "heard_ms", i->heard_ms);
    in_flight(w, i->in_flight);
}

void apm_json_point(struct json_writer *w, const struct live_point *p)
{
    json_object_begin(w);
    apm_json_member_i64(w, "t_ms", p->tick * LIVE_TICK_MS);
    apm_json_figures(w, &p->f, 0);
    json_object_end(w);
}
