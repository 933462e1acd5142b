/* SPDX-License-Identifier: Apache-2.0
 *
 * /loki/api/v1/tail: the newest stored entries of a log query, then live ones, as WebSocket messages. Rows go through
 * the query on the appending thread and wait in a bounded buffer; a reader that is too slow loses entries and is told
 * which. Invariant: `lock` guards the query and what waits; the connection's thread alone sends.
 */
#include "api/loki.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/vec.h"
#include "net/websocket.h"

enum { WAITING_MAX = 4 << 20, DROPPED_MAX = 10, TICK_MS = 100, DELAY_MAX_S = 5 };

static const int64_t HOUR_NS = 3600000000000;
static const int64_t HISTORY_MS = 10000;

struct lost {
    int64_t t_ns;
    char labels[256]; /* JSON object */
};

struct tail {
    struct api *api;
    struct logql_query *query;   /* guarded by: lock once subscribed */
    struct logql_query *history; /* the same for the stored entries */
    struct columns_subscription *sub;
    int64_t start_ns;
    size_t limit;
    int64_t delay_ns;
    struct mutex lock;
    struct buf waiting;            /* guarded by: lock; stream objects with commas between */
    struct lost lost[DROPPED_MAX]; /* guarded by: lock */
    size_t lost_n;
};

static void write_entry(struct json_writer *w, struct labels ls, int64_t t_ns, struct str line)
{
    json_object_begin(w);
    json_key(w, "stream");
    loki_write_labels(w, ls);
    json_key(w, "values");
    json_array_begin(w);
    json_array_begin(w);
    json_i64_str(w, t_ns);
    json_str(w, line);
    json_array_end(w);
    json_array_end(w);
    json_object_end(w);
}

static void lose(struct tail *t, const struct logql_tail_entry *e)
{
    struct json_writer w;
    struct buf b;

    if (t->lost_n == DROPPED_MAX) {
        return;
    }
    buf_init(&b, sizeof(t->lost[0].labels) - 1);
    json_init(&w, &b);
    loki_write_labels(&w, e->labels);
    if (b.failed) {
        buf_done(&b);
        return;
    }
    memcpy(t->lost[t->lost_n].labels, b.data, b.n);
    t->lost[t->lost_n].labels[b.n] = '\0';
    t->lost[t->lost_n++].t_ns = e->t_ns;
    buf_done(&b);
}

/* The appending thread. */
static void on_rows(void *arg, const struct log_record *rows, size_t n)
{
    struct tail *t = arg;

    mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        struct logql_tail_entry e;
        struct json_writer w;
        size_t before = t->waiting.n;

        if (!logql_tail(t->query, &rows[i], &e)) {
            continue;
        }
        json_init(&w, &t->waiting);
        w.comma = t->waiting.n != 0;
        write_entry(&w, e.labels, e.t_ns, e.line);
        if (t->waiting.failed) {
            t->waiting.n = before;
            t->waiting.failed = t->waiting.nomem = false;
            lose(t, &e);
        }
    }
    mutex_unlock(&t->lock);
}

/* What waits as one message. @return false: nothing does */
static bool take_message(struct tail *t, struct buf *dst)
{
    bool any;

    buf_clear(dst);
    mutex_lock(&t->lock);
    any = t->waiting.n != 0 || t->lost_n != 0;
    if (any) {
        buf_add_cstr(dst, "{\"streams\":[");
        buf_add_str(dst, buf_str(&t->waiting));
        buf_add_byte(dst, ']');
        for (size_t i = 0; i < t->lost_n; i++) {
            buf_printf(dst, "%s{\"labels\":%s,\"timestamp\":\"%lld\"}",
                       i == 0 ? ",\"dropped_entries\":[" : ",", t->lost[i].labels,
                       (long long)t->lost[i].t_ns);
        }
        buf_add_cstr(dst, t->lost_n != 0 ? "]}" : "}");
        buf_clear(&t->waiting);
        t->lost_n = 0;
    }
    mutex_unlock(&t->lock);
    return any && !dst->failed;
}

/* ---- what is stored already ---- */

struct entry_ref {
    const struct logql_stream *s;
    const struct logql_entry *e;
};

static int by_time(const void *a, const void *b)
{
    const struct entry_ref *x = a;
    const struct entry_ref *y = b;

    return (x->e->t_ns > y->e->t_ns) - (x->e->t_ns < y->e->t_ns);
}

static void write_history(const struct logql_result *r, struct buf *dst)
{
    struct json_writer w;
    VEC(struct entry_ref) v = {0};

    for (size_t i = 0; i < r->streams_n; i++) {
        for (size_t k = 0; k < r->streams[i].n; k++) {
            if (!vec_push(&v, (struct entry_ref){&r->streams[i], &r->streams[i].v[k]})) {
                break;
            }
        }
    }
    if (v.n > 1) {
        qsort(v.v, v.n, sizeof(*v.v), by_time);
    }
    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "streams");
    json_array_begin(&w);
    for (size_t i = 0; i < v.n; i++) {
        write_entry(&w, v.v[i].s->labels, v.v[i].e->t_ns, v.v[i].e->line);
    }
    json_array_end(&w);
    json_object_end(&w);
    vec_done(&v);
}

static int send_history(struct tail *t, struct websocket *ws, struct buf *b)
{
    struct logql_result *r = NULL;
    struct logql_ask ask = {.logs = store_logs(api_backend(t->api)->store),
                            .start_ns = t->start_ns,
                            .end_ns = clock_wall_ns() - t->delay_ns,
                            .limit = t->limit,
                            .budget = api_backend(t->api)->query_budget};
    struct cancel cancel;
    int rc = 0;

    cancel_init(&cancel, HISTORY_MS);
    ask.cancel = &cancel;
    logql_limits_default(&ask.limits);
    ask.limits.memory_bytes = 64 << 20;
    if (logql_run(t->history, &ask, &r, NULL) < 0) {
        return 0; /* best effort, as documented */
    }
    buf_clear(b);
    if (r->stats.entries != 0) {
        write_history(r, b);
        rc = b->failed ? 0 : websocket_send(ws, buf_str(b));
    }
    logql_result_free(r);
    return rc;
}

/* ---- the connection ---- */

static void run_tail(void *arg, struct websocket *ws)
{
    struct tail *t = arg;
    struct buf b;
    int rc;

    buf_init(&b, 32 << 20);
    t->sub = columns_subscribe_logs(store_logs(api_backend(t->api)->store), on_rows, t);
    rc = send_history(t, ws, &b);
    for (int64_t ticks = t->delay_ns / (TICK_MS * 1000000LL); rc == 0 && ticks > 0; ticks--) {
        rc = websocket_wait(ws, TICK_MS);
    }
    while (rc == 0 && api_ready(t->api)) {
        if (take_message(t, &b)) {
            rc = websocket_send(ws, buf_str(&b));
        }
        rc = rc < 0 ? rc : websocket_wait(ws, TICK_MS);
    }
    columns_unsubscribe(t->sub);
    buf_done(&b);
}

static void free_tail(void *arg)
{
    struct tail *t = arg;

    logql_free(t->query);
    logql_free(t->history);
    buf_done(&t->waiting);
    mutex_done(&t->lock);
    mem_free(t);
}

static int read_params(struct http_exchange *x, struct tail *t, struct err *reterr)
{
    struct str delay = http_param(x, "delay_for");
    struct loki_range range;
    int64_t limit = 0;
    int64_t seconds = 0;
    int rc = loki_range(x, HOUR_NS, &range, reterr);

    rc = rc < 0 ? rc : loki_limit(x, LOKI_LIMIT_DEFAULT, &limit, reterr);
    if (rc == 0 && delay.n != 0 &&
        (!str_to_i64(delay, &seconds) || seconds < 0 || seconds > DELAY_MAX_S)) {
        return err_set(reterr, ERR_INVALID, "delay_for can't be greater than %d", DELAY_MAX_S);
    }
    t->start_ns = range.start_ns;
    t->limit = (size_t)limit;
    t->delay_ns = seconds * 1000000000;
    rc = rc < 0 ? rc : logql_parse(http_param(x, "query"), &t->query, reterr);
    rc = rc < 0 ? rc : logql_parse(http_param(x, "query"), &t->history, reterr);
    if (rc == 0 && logql_kind(t->query) != LOGQL_LOGS) {
        return err_set(reterr, ERR_INVALID, "only log queries can be tailed");
    }
    return rc;
}

static void tail(void *arg, struct http_exchange *x)
{
    struct tail *t = mem_xcalloc(1, sizeof(*t));
    struct err e = {0};
    int rc;

    t->api = arg;
    mutex_init(&t->lock, LOCK_RANK_LEAF);
    buf_init(&t->waiting, WAITING_MAX);
    rc = read_params(x, t, &e);
    if (rc < 0) {
        loki_fail(x, rc, &e);
        free_tail(t);
        return;
    }
    websocket_respond(x, &(struct websocket_handler){run_tail, free_tail, t});
}

void loki_tail_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/loki/api/v1/tail", tail, a, HTTP_WORKER, 0, need},
        {"GET", "/api/prom/tail", tail, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
