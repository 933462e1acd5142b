/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/apm/users: distinct users now, over any time, by calendar; and the rules that tell them apart.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api_internal.h"
#include "api/params.h"
#include "apm/users.h"

enum { GROUPS_MAX = 256, DAYS_MAX = 400, PEAKS_MAX = 100, LIVE_POINTS_MAX = 900 };

static const int64_t DAY_S = 86400;
static const double TWO_SIDED_95 = 1.96;

/* ---- parameters ---- */

static int read_groups(struct http_exchange *x, struct users_query *q, struct err *e)
{
    struct str *v = arena_array(http_arena(x), struct str, GROUPS_MAX);
    struct str s;

    if (v == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; http_param_at(x, "group", i, &s); i++) {
        if (q->groups_n == GROUPS_MAX) {
            return err_set(e, ERR_LIMIT, "group: at most %d", GROUPS_MAX);
        }
        v[q->groups_n++] = s;
    }
    q->groups = v;
    return 0;
}

static int read_identity(const struct http_exchange *x, int *ret, struct err *e)
{
    enum users_identity i = USERS_BY_IP;
    struct str s = http_param(x, "identity");

    *ret = -1;
    if (s.n == 0) {
        return 0;
    }
    if (!users_identity_parse(s, &i)) {
        return err_set(e, ERR_INVALID, "identity: \"%.*s\" is not ip, session or user",
                       STR_ARG(str_take(s, 40)));
    }
    *ret = (int)i;
    return 0;
}

static int read_seconds(const struct http_exchange *x, const char *name, int64_t fallback,
                        int64_t *ret, struct err *e)
{
    int64_t ms = 0;
    int rc;

    *ret = fallback;
    if (!http_has_param(x, name)) {
        return 0;
    }
    rc = param_prom_step(x, name, &ms, e);
    if (rc == 0 && ms % 1000 != 0) {
        return err_set(e, ERR_INVALID, "%s: whole seconds are needed", name);
    }
    *ret = rc == 0 ? ms / 1000 : fallback;
    return rc;
}

/* Groups, identity and range. */
static int read_query(struct http_exchange *x, struct users_query *q, struct err *e)
{
    struct time_range range = {0};
    int rc = param_range(x, &range, e);

    *q = (struct users_query){.cancel = http_cancel(x)};
    rc = rc < 0 ? rc : read_groups(x, q, e);
    rc = rc < 0 ? rc : read_identity(x, &q->identity, e);
    q->from_s = range.start_ms / 1000;
    q->to_s = (range.end_ms + 999) / 1000;
    return rc;
}

/* The calendar of who asks: minutes east of UTC. */
static int read_offset(const struct http_exchange *x, int64_t *ret_s, struct err *e)
{
    int64_t minutes = 0;
    int rc = param_i64(x, "utc_offset_minutes", -14 * 60, 14 * 60, 0, &minutes, e);

    *ret_s = minutes * 60;
    return rc;
}

static int64_t day_start(int64_t t_s, int64_t offset_s)
{
    int64_t local = t_s + offset_s;

    return local - local % DAY_S - offset_s;
}

static struct users *engine(struct api *a)
{
    return apm_users(api_backend(a)->apm);
}

/* ---- answers ---- */

static void put_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

static void put_f64(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_f64(w, v);
}

/* Members users, error, low, high. */
static void write_count(struct json_writer *w, struct users_count c)
{
    double low = c.users * (1 - TWO_SIDED_95 * c.error);

    put_f64(w, "users", round(c.users));
    put_f64(w, "error", c.error);
    put_f64(w, "low", round(low > 0 ? low : 0));
    put_f64(w, "high", round(c.users * (1 + TWO_SIDED_95 * c.error)));
}

static void write_identities(struct json_writer *w, unsigned bits)
{
    json_key(w, "identities");
    json_array_begin(w);
    for (int i = 0; i < USERS_IDENTITIES; i++) {
        if ((bits >> i & 1) != 0) {
            json_cstr(w, users_identity_name((enum users_identity)i));
        }
    }
    json_array_end(w);
}

static void begin(struct json_writer *w, struct buf *b)
{
    buf_init(b, RESPONSE_MAX);
    json_init(w, b);
    json_object_begin(w);
}

static void end(struct http_exchange *x, struct json_writer *w, struct buf *b)
{
    json_object_end(w);
    respond_json(x, 200, b);
}

static bool wants_csv(const struct http_exchange *x)
{
    return str_eq(http_param(x, "format"), STR("csv"));
}

static void respond_csv(struct http_exchange *x, struct buf *b, const char *name)
{
    char disposition[96];

    snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s.csv\"", name);
    http_set_header(x, "Content-Disposition", disposition);
    if (b->failed) {
        http_respond_errorf(x, ERR_LIMIT, "the answer is too large");
    } else {
        http_respond_take(x, 200, "text/csv; charset=utf-8", b);
    }
    buf_done(b);
}

static void csv_time(struct buf *b, int64_t t_s)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(t_s * 1000, text);
    buf_add_cstr(b, text);
}

/* ---- now ---- */

static void write_history(struct json_writer *w, const struct users_live *l)
{
    json_key(w, "history");
    json_object_begin(w);
    put_i64(w, "end_ms", l->history_end_s * 1000);
    put_i64(w, "step_ms", l->step_s * 1000);
    json_key(w, "users");
    json_array_begin(w);
    for (size_t i = 0; i < l->history_n; i++) {
        json_f64(w, round(l->history[i]));
    }
    json_array_end(w);
    json_key(w, "requests_per_second");
    json_array_begin(w);
    for (size_t i = 0; i < l->history_n; i++) {
        json_f64(w, l->history_rps[i]);
    }
    json_array_end(w);
    json_object_end(w);
}

static void write_group(struct json_writer *w, const struct users_live *l, bool history)
{
    json_object_begin(w);
    json_key(w, "group");
    json_str(w, l->group);
    json_key(w, "identity");
    json_cstr(w, users_identity_name(l->identity));
    write_count(w, (struct users_count){l->users, l->error});
    put_f64(w, "requests_per_second", l->requests_per_s);
    json_key(w, "requests");
    json_object_begin(w);
    put_i64(w, "counted", (int64_t)l->counted);
    put_i64(w, "unknown", (int64_t)l->unknown);
    put_i64(w, "bots", (int64_t)l->bots);
    json_object_end(w);
    put_f64(w, "peak", round(l->peak));
    put_i64(w, "peak_ms", l->peak_s * 1000);
    if (history) {
        write_history(w, l);
    }
    json_object_end(w);
}

static int write_live(struct users *u, struct http_exchange *x, struct json_writer *w,
                      int64_t step_s, int64_t points, struct err *e)
{
    struct users_live *v = NULL;
    struct users_count all = {0};
    enum users_identity identity = USERS_BY_IP;
    struct users_status status;
    size_t n = 0;
    int rc = users_live(u, step_s, (size_t)points, http_arena(x), &v, &n, e);

    rc = rc < 0 ? rc : users_live_union(u, &all, &identity, e);
    if (rc < 0) {
        return rc;
    }
    users_status(u, &status);
    put_i64(w, "time_ms", clock_wall_ms());
    put_i64(w, "window_ms", USERS_WINDOW_S * 1000);
    json_key(w, "groups");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        write_group(w, &v[i], points != 0);
    }
    json_array_end(w);
    json_key(w, "total");
    json_object_begin(w);
    json_key(w, "identity");
    json_cstr(w, users_identity_name(identity));
    write_count(w, all);
    json_object_end(w);
    json_key(w, "storage");
    json_object_begin(w);
    put_i64(w, "memory_bytes", (int64_t)status.memory_bytes);
    put_i64(w, "disk_bytes", (int64_t)status.disk_bytes);
    put_i64(w, "oldest_ms", status.oldest_s * 1000);
    json_object_end(w);
    return 0;
}

static void get_live(void *arg, struct http_exchange *x)
{
    struct json_writer w;
    struct buf b;
    struct err e = {0};
    int64_t step_s = 0;
    int64_t points = 0;
    int rc = read_seconds(x, "step", USERS_TICK_S, &step_s, &e);

    rc = rc < 0 ? rc : param_i64(x, "points", 0, LIVE_POINTS_MAX, 0, &points, &e);
    if (rc == 0 && step_s % USERS_TICK_S != 0) {
        rc = err_set(&e, ERR_INVALID, "step: a multiple of %d s is needed", USERS_TICK_S);
    }
    if (rc == 0) {
        begin(&w, &b);
        rc = write_live(engine(arg), x, &w, step_s, points, &e);
        if (rc == 0) {
            end(x, &w, &b);
            return;
        }
        buf_done(&b);
    }
    respond_err(x, rc, &e);
}

/* ---- any time ---- */

static void write_range(struct json_writer *w, const struct users_series *s)
{
    put_i64(w, "start_ms", s->from_s * 1000);
    put_i64(w, "end_ms", s->to_s * 1000);
    put_i64(w, "grain_ms", s->grain_s * 1000);
    write_identities(w, s->identities);
}

static void series_csv(struct http_exchange *x, const struct users_series *s)
{
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    buf_add_cstr(&b, "start,end,users,low,high\n");
    for (size_t i = 0; i < s->n; i++) {
        double bound = TWO_SIDED_95 * s->v[i].error;
        double low = s->v[i].users * (1 - bound);

        csv_time(&b, s->from_s + (int64_t)i * s->step_s);
        buf_add_byte(&b, ',');
        csv_time(&b, s->from_s + (int64_t)(i + 1) * s->step_s);
        buf_printf(&b, ",%.0f,%.0f,%.0f\n", s->v[i].users, low > 0 ? low : 0,
                   s->v[i].users * (1 + bound));
    }
    respond_csv(x, &b, "active-users");
}

static void series_json(struct http_exchange *x, const struct users_series *s)
{
    struct json_writer w;
    struct buf b;

    begin(&w, &b);
    write_range(&w, s);
    put_i64(&w, "step_ms", s->step_s * 1000);
    json_key(&w, "users");
    json_array_begin(&w);
    for (size_t i = 0; i < s->n; i++) {
        json_f64(&w, round(s->v[i].users));
    }
    json_array_end(&w);
    json_key(&w, "error");
    json_array_begin(&w);
    for (size_t i = 0; i < s->n; i++) {
        json_f64(&w, s->v[i].error);
    }
    json_array_end(&w);
    end(x, &w, &b);
}

static void get_series(void *arg, struct http_exchange *x)
{
    struct users_query q;
    struct users_series s = {0};
    struct err e = {0};
    int rc = read_query(x, &q, &e);

    rc = rc < 0 ? rc : read_seconds(x, "step", 3600, &q.step_s, &e);
    rc = rc < 0 ? rc : read_seconds(x, "window", 0, &q.window_s, &e);
    rc = rc < 0 ? rc : users_query(engine(arg), &q, http_arena(x), &s, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else if (wants_csv(x)) {
        series_csv(x, &s);
    } else {
        series_json(x, &s);
    }
}

static void get_union(void *arg, struct http_exchange *x)
{
    struct users_query q;
    struct users_series s = {0};
    struct json_writer w;
    struct buf b;
    struct err e = {0};
    int rc = read_query(x, &q, &e);

    rc = rc < 0 ? rc : users_query(engine(arg), &q, http_arena(x), &s, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    begin(&w, &b);
    write_range(&w, &s);
    write_count(&w, s.v[0]);
    end(x, &w, &b);
}

static void get_sketch(void *arg, struct http_exchange *x)
{
    struct users_query q;
    struct buf b;
    struct err e = {0};
    int rc = read_query(x, &q, &e);

    buf_init(&b, 1 << 16);
    rc = rc < 0 ? rc : users_sketch(engine(arg), &q, &b, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        http_respond_take(x, 200, "application/octet-stream", &b);
    }
    buf_done(&b);
}

/* ---- day, week, month ---- */

struct asked {
    struct users *users;
    struct arena *arena;
    struct users_query q; /* groups and identity */
    int64_t at_s, offset_s;
    unsigned identities;
};

/* So many local days up to `at`, and as many before them up to the same time of day. */
static int write_period(struct asked *p, int64_t days, struct json_writer *w, struct err *e)
{
    struct users_query q = p->q;
    struct users_series now = {0};
    struct users_series before = {0};
    int rc;

    q.from_s = day_start(p->at_s, p->offset_s) - (days - 1) * DAY_S;
    q.to_s = p->at_s;
    rc = users_query(p->users, &q, p->arena, &now, e);
    q.from_s -= days * DAY_S;
    q.to_s -= days * DAY_S;
    rc = rc < 0 ? rc : users_query(p->users, &q, p->arena, &before, e);
    if (rc < 0) {
        return rc;
    }
    p->identities |= now.identities;
    json_object_begin(w);
    put_i64(w, "start_ms", now.from_s * 1000);
    put_i64(w, "end_ms", p->at_s * 1000);
    write_count(w, now.v[0]);
    json_key(w, "previous");
    json_object_begin(w);
    put_i64(w, "start_ms", before.from_s * 1000);
    put_i64(w, "end_ms", q.to_s * 1000);
    write_count(w, before.v[0]);
    json_object_end(w);
    json_object_end(w);
    return 0;
}

static void get_summary(void *arg, struct http_exchange *x)
{
    static const struct {
        const char *name;
        int64_t days;
    } PERIODS[] = {{"day", 1}, {"week", 7}, {"month", 30}};
    struct asked p = {
        .users = engine(arg), .arena = http_arena(x), .q = {.cancel = http_cancel(x)}};
    struct json_writer w;
    struct buf b;
    struct err e = {0};
    int64_t at_ms = 0;
    int rc = param_i64(x, "at_ms", 1, (int64_t)1 << 50, clock_wall_ms(), &at_ms, &e);

    rc = rc < 0 ? rc : read_offset(x, &p.offset_s, &e);
    rc = rc < 0 ? rc : read_groups(x, &p.q, &e);
    rc = rc < 0 ? rc : read_identity(x, &p.q.identity, &e);
    p.at_s = at_ms / 1000 + 1;
    begin(&w, &b);
    for (size_t i = 0; i < ARRAY_LEN(PERIODS) && rc == 0; i++) {
        json_key(&w, PERIODS[i].name);
        rc = write_period(&p, PERIODS[i].days, &w, &e);
    }
    if (rc < 0) {
        buf_done(&b);
        respond_err(x, rc, &e);
        return;
    }
    write_identities(&w, p.identities);
    end(x, &w, &b);
}

/* ---- the calendar ---- */

static void csv_date(struct buf *b, int64_t start_s, int64_t offset_s)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339((start_s + offset_s) * 1000, text);
    buf_add_str(b, str_of(text, 10));
}

static void calendar_csv(struct http_exchange *x, const struct users_series *hours,
                         const struct users_series *days, int64_t offset_s)
{
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    buf_add_cstr(&b, "date,day");
    for (int h = 0; h < 24; h++) {
        buf_printf(&b, ",%02d", h);
    }
    for (size_t d = 0; d < days->n; d++) {
        buf_add_byte(&b, '\n');
        csv_date(&b, days->from_s + (int64_t)d * DAY_S, offset_s);
        buf_printf(&b, ",%.0f", days->v[d].users);
        for (size_t h = 0; h < 24; h++) {
            buf_printf(&b, ",%.0f", hours->v[d * 24 + h].users);
        }
    }
    buf_add_byte(&b, '\n');
    respond_csv(x, &b, "active-users-calendar");
}

static void calendar_json(struct http_exchange *x, const struct users_series *hours,
                          const struct users_series *days, int64_t offset_s)
{
    struct json_writer w;
    struct buf b;

    begin(&w, &b);
    put_i64(&w, "start_ms", days->from_s * 1000);
    put_i64(&w, "end_ms", days->to_s * 1000);
    write_identities(&w, days->identities | hours->identities);
    json_key(&w, "days");
    json_array_begin(&w);
    for (size_t d = 0; d < days->n; d++) {
        struct buf date CLEANUP(buf_done) = {0};

        buf_init(&date, 32);
        csv_date(&date, days->from_s + (int64_t)d * DAY_S, offset_s);
        json_object_begin(&w);
        json_key(&w, "date");
        json_str(&w, buf_str(&date));
        write_count(&w, days->v[d]);
        json_key(&w, "hours");
        json_array_begin(&w);
        for (size_t h = 0; h < 24; h++) {
            json_f64(&w, round(hours->v[d * 24 + h].users));
        }
        json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    end(x, &w, &b);
}

static void get_calendar(void *arg, struct http_exchange *x)
{
    struct users_query q = {.cancel = http_cancel(x)};
    struct users_series hours = {0};
    struct users_series days = {0};
    struct err e = {0};
    int64_t end_ms = 0;
    int64_t offset_s = 0;
    int64_t n = 0;
    int rc = param_i64(x, "end_ms", 1, (int64_t)1 << 50, clock_wall_ms(), &end_ms, &e);

    rc = rc < 0 ? rc : param_i64(x, "days", 1, DAYS_MAX, 28, &n, &e);
    rc = rc < 0 ? rc : read_offset(x, &offset_s, &e);
    rc = rc < 0 ? rc : read_groups(x, &q, &e);
    rc = rc < 0 ? rc : read_identity(x, &q.identity, &e);
    q.to_s = day_start(end_ms / 1000, offset_s) + DAY_S;
    q.from_s = q.to_s - n * DAY_S;
    q.step_s = 3600;
    rc = rc < 0 ? rc : users_query(engine(arg), &q, http_arena(x), &hours, &e);
    q.step_s = DAY_S;
    rc = rc < 0 ? rc : users_query(engine(arg), &q, http_arena(x), &days, &e);
    if (rc == 0 && hours.n < 24 * days.n) {
        rc = err_set(&e, ERR_INVALID, "utc_offset_minutes: of that time only whole hours are kept");
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else if (wants_csv(x)) {
        calendar_csv(x, &hours, &days, offset_s);
    } else {
        calendar_json(x, &hours, &days, offset_s);
    }
}

/* ---- peaks ---- */

struct peak {
    int64_t start_s;
    struct users_count count;
};

static int by_users(const void *a, const void *b)
{
    const struct peak *p = a;
    const struct peak *q = b;

    return p->count.users != q->count.users
               ? (p->count.users < q->count.users) - (p->count.users > q->count.users)
               : (p->start_s < q->start_s) - (p->start_s > q->start_s);
}

/* The largest step of each local day. @return days with users; SIZE_MAX without memory */
static size_t peaks_by_day(const struct users_series *s, int64_t offset_s, struct arena *a,
                           struct peak **ret)
{
    struct peak *v = arena_array(a, struct peak, s->n + 1);
    int64_t day = INT64_MIN;
    size_t n = 0;

    if (v == NULL) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < s->n; i++) {
        int64_t at = s->from_s + (int64_t)i * s->step_s;

        if (!(s->v[i].users > 0)) {
            continue;
        }
        if (day_start(at, offset_s) != day) {
            day = day_start(at, offset_s);
            v[n++] = (struct peak){at, s->v[i]};
        } else if (s->v[i].users > v[n - 1].count.users) {
            v[n - 1] = (struct peak){at, s->v[i]};
        }
    }
    if (n > 1) {
        qsort(v, n, sizeof(*v), by_users);
    }
    *ret = v;
    return n;
}

static void get_peaks(void *arg, struct http_exchange *x)
{
    struct users_query q;
    struct users_series s = {0};
    struct peak *v = NULL;
    struct json_writer w;
    struct buf b;
    struct err e = {0};
    int64_t limit = 0;
    int64_t offset_s = 0;
    size_t n;
    int rc = read_query(x, &q, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, PEAKS_MAX, 10, &limit, &e);
    rc = rc < 0 ? rc : read_offset(x, &offset_s, &e);
    q.step_s = USERS_WINDOW_S;
    if (rc == 0 && users_query(engine(arg), &q, http_arena(x), &s, &e) == -ERR_INVALID) {
        e = (struct err){0};
        q.step_s = 3600; /* further back only hours are kept */
    }
    rc = rc < 0 || s.v != NULL ? rc : users_query(engine(arg), &q, http_arena(x), &s, &e);
    n = rc < 0 ? 0 : peaks_by_day(&s, offset_s, http_arena(x), &v);
    if (rc < 0 || n == SIZE_MAX) {
        respond_err(x, rc < 0 ? rc : -ERR_NOMEM, &e);
        return;
    }
    begin(&w, &b);
    write_range(&w, &s);
    put_i64(&w, "step_ms", s.step_s * 1000);
    json_key(&w, "peaks");
    json_array_begin(&w);
    for (size_t i = 0; i < n && i < (size_t)limit; i++) {
        json_object_begin(&w);
        put_i64(&w, "start_ms", v[i].start_s * 1000);
        write_count(&w, v[i].count);
        json_object_end(&w);
    }
    json_array_end(&w);
    end(x, &w, &b);
}

/* ---- rules ---- */

static void get_settings(void *arg, struct http_exchange *x)
{
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    users_settings_text(engine(arg), &b);
    respond_json(x, 200, &b);
}

static void put_settings(void *arg, struct http_exchange *x)
{
    const struct identity *who = api_identity(x);
    struct err e = {0};
    int rc = users_settings_put(engine(arg), http_body(x), &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    auth_audit(api_backend(arg)->auth, who != NULL ? who->name : "", http_peer(x),
               "user_identity_changed", STR(""), STR(""));
    get_settings(arg, x);
}

void apm_users_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/apm/users", get_live, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/users/series", get_series, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/users/union", get_union, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/users/sketch", get_sketch, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/users/summary", get_summary, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/users/calendar", get_calendar, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/users/peaks", get_peaks, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/users/settings", get_settings, a, HTTP_WORKER, 0, need},
        {"PUT", "/api/v1/apm/users/settings", put_settings, a, HTTP_WORKER, USERS_SETTINGS_MAX,
         NEED_OPERATOR | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
