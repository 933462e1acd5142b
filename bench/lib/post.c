/* SPDX-License-Identifier: Apache-2.0
 *
 * Posting. No connection runs more than lead_max turns ahead of the slowest, as senders of one fleet would not.
 */
#include "post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"

enum { RETRIES_MAX = 60 };

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "post: %s\n", what);
    exit(2);
}

/* Progress of every connection. */
struct race {
    struct mutex lock;
    struct cond moved;
    int64_t *turn; /* being sent; INT64_MAX when done */
    int n;
    int64_t lead_max;
};

struct conn {
    const struct post_opts *o;
    const struct post_bodies *bodies;
    struct post_result *result;
    struct race *race;
    int id;
    struct thread thread;
    CURL *curl;
    char reply[200];
    size_t reply_n;
};

static int64_t slowest(const struct race *r)
{
    int64_t min = INT64_MAX;

    for (int i = 0; i < r->n; i++)
        min = r->turn[i] < min ? r->turn[i] : min;
    return min;
}

static void wait_turn(struct race *r, int id, int64_t turn)
{
    mutex_lock(&r->lock);
    r->turn[id] = turn;
    cond_broadcast(&r->moved);
    while (turn != INT64_MAX && turn > slowest(r) + r->lead_max)
        cond_wait(&r->moved, &r->lock);
    mutex_unlock(&r->lock);
}

static size_t on_reply(char *p, size_t size, size_t n, void *arg)
{
    struct conn *c = arg;
    size_t room = sizeof c->reply - 1 - c->reply_n;
    size_t take = size * n < room ? size * n : room;

    memcpy(c->reply + c->reply_n, p, take);
    c->reply_n += take;
    c->reply[c->reply_n] = 0;
    return size * n;
}

static struct curl_slist *set_up(struct conn *c)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    c->curl = curl_easy_init();
    for (const char *const *h = c->o->headers; *h && list; h++)
        list = curl_slist_append(list, *h);
    if (!c->curl || !list)
        die("out of memory");
    curl_easy_setopt(c->curl, CURLOPT_URL, c->o->url);
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "bench-gen/1");
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 120L);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_reply);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    return list;
}

/* One request. @return the HTTP status; 0 when there was none (what happened is in the result) */
static long post_once(struct conn *c, double *ret_retry_after_s)
{
    struct post_result *r = c->result;
    curl_off_t up = 0;
    curl_off_t after = 0;
    long code = 0;
    long head = 0;

    c->reply_n = 0;
    c->reply[0] = 0;
    CURLcode rc = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &head);
    curl_easy_getinfo(c->curl, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &after);
    r->requests++;
    /* curl counts a small body as part of the head */
    r->wire_bytes += (uint64_t)up + (uint64_t)(head > up ? head - up : head);
    *ret_retry_after_s = (double)after;
    if (rc != CURLE_OK)
        code = 0;
    if (code / 100 != 2 && !r->error[0])
        (void)snprintf(r->error, sizeof r->error, "%s: HTTP %ld %s",
                       rc ? curl_easy_strerror(rc) : "status", code, c->reply);
    return code;
}

static void sleep_s(double s)
{
    if (s > 0)
        clock_sleep_ms((int64_t)(s * 1000 + 0.5));
}

/* Until the server took it, refused it or asked to come back too often. */
static void post_body(struct conn *c, const struct post_body *b)
{
    struct post_result *r = c->result;
    struct mono begin = clock_mono();

    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, b->p);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)b->n);
    for (int try = 0;; try++) {
        double after = 0;
        long code = post_once(c, &after);

        if (code / 100 == 2) {
            r->acked += b->items;
            r->acked_bodies++;
            r->acked_mark = b->mark;
            r->latency_s[r->latency_n++] = (double)mono_since_ns(begin) / 1e9;
            return;
        }
        if ((code != 429 && code != 503) || try == RETRIES_MAX) {
            r->failed++;
            r->failed_items += b->items;
            return;
        }
        r->error[0] = 0; /* asked to come back: no failure yet */
        r->retried++;
        if (after <= 0)
            after = 0.05 * (1 << (try < 5 ? try : 5));
        sleep_s(after < 0.05 ? 0.05 : after > 1 ? 1 : after);
    }
}

static void post_conn(void *arg)
{
    struct conn *c = arg;
    struct curl_slist *headers = set_up(c);
    struct mono begin = clock_mono();
    double sent = 0;

    c->result->latency_s = mem_xcalloc(c->bodies->n + 1, sizeof(double));
    for (size_t i = 0; i < c->bodies->n; i++) {
        const struct post_body *b = &c->bodies->v[i];

        wait_turn(c->race, c->id, b->turn);
        if (c->o->rate > 0)
            sleep_s(sent / (c->o->rate / c->o->conns) - (double)mono_since_ns(begin) / 1e9);
        sent += (double)b->items;
        post_body(c, b);
        if (c->result->failed && c->o->stop_on_error)
            break;
    }
    wait_turn(c->race, c->id, INT64_MAX);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c->curl);
}

void post_all(const struct post_opts *o, const struct post_bodies *bodies,
              struct post_result *results)
{
    struct conn *conns = mem_xcalloc((size_t)o->conns, sizeof *conns);
    struct race race = {.n = o->conns, .lead_max = o->lead_max};

    race.turn = mem_xcalloc((size_t)o->conns, sizeof *race.turn);
    race.lead_max = race.lead_max < 1 ? 1 : race.lead_max;
    mutex_init(&race.lock, LOCK_RANK_LEAF);
    cond_init(&race.moved);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (int i = 0; i < o->conns; i++) {
        conns[i] = (struct conn){
            .o = o, .bodies = &bodies[i], .result = &results[i], .race = &race, .id = i};
        if (thread_start(&conns[i].thread, "post", post_conn, &conns[i]) < 0)
            die("cannot start a thread");
    }
    for (int i = 0; i < o->conns; i++)
        thread_join(&conns[i].thread);
    cond_done(&race.moved);
    mutex_done(&race.lock);
    mem_free(race.turn);
    mem_free(conns);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

struct post_result post_total(const struct post_result *results, int n)
{
    struct post_result t = {0};
    size_t latencies = 0;

    for (int i = 0; i < n; i++)
        latencies += results[i].latency_n;
    t.latency_s = mem_xcalloc(latencies + 1, sizeof(double));
    for (int i = 0; i < n; i++) {
        const struct post_result *r = &results[i];

        t.acked += r->acked;
        t.acked_bodies += r->acked_bodies;
        t.wire_bytes += r->wire_bytes;
        t.requests += r->requests;
        t.retried += r->retried;
        t.failed += r->failed;
        t.failed_items += r->failed_items;
        if (r->latency_n)
            memcpy(t.latency_s + t.latency_n, r->latency_s, r->latency_n * sizeof *r->latency_s);
        t.latency_n += r->latency_n;
        if (r->error[0])
            memcpy(t.error, r->error, sizeof t.error);
    }
    qsort(t.latency_s, t.latency_n, sizeof(double), by_value);
    return t;
}

double post_latency_ms(const struct post_result *total, size_t percent)
{
    size_t i = total->latency_n * percent / 100;

    if (!total->latency_n)
        return 0;
    return total->latency_s[i < total->latency_n ? i : total->latency_n - 1] * 1e3;
}
