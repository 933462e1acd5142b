/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl tells through callbacks which sockets to watch and when to come back; epoll does the rest, so the
 * cost of an event does not depend on how many requests run. Invariant: a transfer is in the multi handle
 * exactly while it is in the list `running`.
 */
#include "net/http_multi.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"

enum {
    DEFAULT_CONNECTIONS = 64,
    DEFAULT_MAX_RESPONSE = 64 << 20,
    EVENTS = 64,
    SPARE_MAX = 256,     /* easy handles kept */
    KEEP_BODY = 1 << 20, /* largest body buffer kept with one */
    RETRY_AFTER_MAX_S = 24 * 3600,
    REASON_MAX = 64,
    SHARDS_MAX = 64,
    SHARD_CONNECTIONS = 32,
    SHARD_SHIFT = 32, /* in the data of an event: shard number above, descriptor below */
};

static const uint64_t WAKE_DATA = UINT64_MAX;

struct http_transfer {
    struct http_multi *m;
    struct shard *shard; /* of the request in flight */
    struct http_multi_request r;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *proxy_headers;
    struct curl_slist *connect_to;
    struct buf body;
    bool refused; /* the data callback ended it */
    char reason[REASON_MAX];
    char error_text[CURL_ERROR_SIZE];
    struct http_transfer *next, *prev; /* of `running` or `spare` */
};

/* libcurl walks all its kept connections for every request, so they are spread over several handles. */
struct shard {
    struct http_multi *m;
    CURLM *multi;
    int64_t timer_ns; /* CLOCK_MONOTONIC; -1: none */
};

struct http_multi {
    struct shard shards[SHARDS_MAX];
    size_t shards_n;
    int epoll;
    int wake;
    size_t running_n;
    size_t spare_n;
    size_t sockets;
    struct http_transfer *running;
    struct http_transfer *spare;
};

/* ---- life ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct shard *sh = arg;
    struct http_multi *m = sh->m;
    struct epoll_event e = {.data.u64 = (uint64_t)(sh - m->shards) << SHARD_SHIFT | (uint32_t)fd};

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        ignore_result(epoll_ctl(m->epoll, EPOLL_CTL_DEL, fd, NULL), "it may be closed already");
        curl_multi_assign(sh->multi, fd, NULL);
        return 0;
    }
    e.events = (what != CURL_POLL_OUT ? EPOLLIN : 0u) | (what != CURL_POLL_IN ? EPOLLOUT : 0u);
    if (known == NULL || epoll_ctl(m->epoll, EPOLL_CTL_MOD, fd, &e) < 0) {
        if (epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &e) < 0 && errno == EEXIST) {
            ignore_result(epoll_ctl(m->epoll, EPOLL_CTL_MOD, fd, &e), "it is there");
        }
        curl_multi_assign(sh->multi, fd, m);
    }
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct shard *sh = arg;

    (void)multi;
    sh->timer_ns = timeout_ms < 0 ? -1 : clock_mono().ns + (int64_t)timeout_ms * 1000000;
    return 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct http_multi *m = arg;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

    (void)purpose;
    if (fd < 0) {
        return CURL_SOCKET_BAD;
    }
    m->sockets++;
    return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct http_multi *m = arg;

    m->sockets--;
    return close(fd);
}

static bool shard_init(struct http_multi *m, long max)
{
    struct shard *sh = &m->shards[m->shards_n];

    sh->m = m;
    sh->timer_ns = -1;
    sh->multi = curl_multi_init();
    if (sh->multi == NULL) {
        return false;
    }
    m->shards_n++;
    curl_multi_setopt(sh->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(sh->multi, CURLMOPT_SOCKETDATA, sh);
    curl_multi_setopt(sh->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(sh->multi, CURLMOPT_TIMERDATA, sh);
    curl_multi_setopt(sh->multi, CURLMOPT_MAXCONNECTS, max);
    curl_multi_setopt(sh->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max);
    return true;
}

struct http_multi *http_multi_new(const struct http_multi_opts *o)
{
    struct http_multi *m = mem_xcalloc(1, sizeof(*m));
    size_t max = o->max_connections != 0 ? o->max_connections : DEFAULT_CONNECTIONS;
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = WAKE_DATA};
    size_t n = max / SHARD_CONNECTIONS;
    bool ok = true;

    n = n < 1 ? 1 : n > SHARDS_MAX ? SHARDS_MAX : n;
    for (size_t i = 0; ok && i < n; i++) {
        ok = shard_init(m, (long)(max / n));
    }
    m->epoll = epoll_create1(EPOLL_CLOEXEC);
    m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!ok || m->epoll < 0 || m->wake < 0 || epoll_ctl(m->epoll, EPOLL_CTL_ADD, m->wake, &e) < 0) {
        http_multi_free(m);
        return NULL;
    }
    return m;
}

static void transfer_free(struct http_transfer *t)
{
    curl_easy_cleanup(t->easy);
    buf_done(&t->body);
    mem_free(t);
}

static void clear_lists(struct http_transfer *t)
{
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->proxy_headers);
    curl_slist_free_all(t->connect_to);
    t->headers = t->proxy_headers = t->connect_to = NULL;
}

/* Out of the running list and the multi handle. */
static void detach(struct http_transfer *t)
{
    struct http_multi *m = t->m;

    curl_multi_remove_handle(t->shard->multi, t->easy);
    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        m->running = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    t->next = t->prev = NULL;
    m->running_n--;
}

/* Keep the handle for the next request. */
static void recycle(struct http_transfer *t)
{
    struct http_multi *m = t->m;

    clear_lists(t);
    if (t->body.cap > KEEP_BODY) {
        buf_done(&t->body);
    }
    if (m->spare_n >= SPARE_MAX) {
        transfer_free(t);
        return;
    }
    t->next = m->spare;
    m->spare = t;
    m->spare_n++;
}

void http_multi_free(struct http_multi *m)
{
    if (m == NULL) {
        return;
    }
    while (m->running != NULL) {
        struct http_transfer *t = m->running;

        detach(t);
        clear_lists(t);
        transfer_free(t);
    }
    while (m->spare != NULL) {
        struct http_transfer *t = m->spare;

        m->spare = t->next;
        transfer_free(t);
    }
    for (size_t i = 0; i < m->shards_n; i++) {
        curl_multi_cleanup(m->shards[i].multi);
    }
    if (m->epoll >= 0) {
        close(m->epoll);
    }
    if (m->wake >= 0) {
        close(m->wake);
    }
    mem_free(m);
}

/* ---- one request ---- */

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;

    if (t->r.data != NULL) {
        long status = 0;

        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        if (!t->r.data(t->r.arg, (int)status, str_of(data, size * n))) {
            t->refused = true;
            return 0;
        }
        return size * n;
    }
    buf_add(&t->body, data, size * n);
    return buf_status(&t->body) == 0 ? size * n : 0; /* a short count ends the transfer */
}

/* The reason phrase of the last status line; a redirect's body is not wanted. */
static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    struct str line = str_trim(str_of(data, size * n));

    if (str_starts(line, STR("HTTP/"))) {
        struct str field;
        struct str rest = line;

        if (str_split(&rest, ' ', &field) && str_split(&rest, ' ', &field)) {
            snprintf(t->reason, sizeof(t->reason), "%.*s", STR_ARG(rest));
        }
        buf_clear(&t->body);
    }
    return size * n;
}

static bool append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);

    *list = longer != NULL ? longer : *list;
    return longer != NULL;
}

static bool set(const char *s)
{
    return s != NULL && s[0] != '\0';
}

static long tls_range(const struct http_profile *p)
{
    static const long MIN[] = {CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_0,
                               CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_TLSv1_2,
                               CURL_SSLVERSION_TLSv1_3};
    static const long MAX[] = {CURL_SSLVERSION_MAX_DEFAULT, CURL_SSLVERSION_MAX_TLSv1_0,
                               CURL_SSLVERSION_MAX_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_2,
                               CURL_SSLVERSION_MAX_TLSv1_3};

    return MIN[p->tls_min] | MAX[p->tls_max];
}

static void set_tls(CURL *h, const struct http_profile *p)
{
    curl_easy_setopt(h, CURLOPT_SSLVERSION, tls_range(p));
    if (set(p->ca_file)) {
        curl_easy_setopt(h, CURLOPT_CAINFO, p->ca_file);
        curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    }
    if (set(p->cert_file)) {
        curl_easy_setopt(h, CURLOPT_SSLCERT, p->cert_file);
    }
    if (set(p->key_file)) {
        curl_easy_setopt(h, CURLOPT_SSLKEY, p->key_file);
    }
    if (p->insecure) {
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* curl itself looks into the environment unless told otherwise. */
static void set_proxy(struct http_transfer *t, const struct http_profile *p)
{
    CURL *h = t->easy;

    if (p->proxy_from_env) {
        const char *http = getenv("HTTP_PROXY"); /* curl ignores the capitals for security of CGI */

        if (set(http) && str_starts(str_cstr(t->r.url), STR("http://"))) {
            curl_easy_setopt(h, CURLOPT_PROXY, http);
        }
    } else {
        curl_easy_setopt(h, CURLOPT_PROXY, set(p->proxy) ? p->proxy : "");
        curl_easy_setopt(h, CURLOPT_NOPROXY, set(p->no_proxy) ? p->no_proxy : "");
    }
    for (size_t i = 0; p->proxy_headers != NULL && p->proxy_headers[i] != NULL; i++) {
        append(&t->proxy_headers, p->proxy_headers[i]);
    }
    if (t->proxy_headers != NULL) {
        curl_easy_setopt(h, CURLOPT_PROXYHEADER, t->proxy_headers);
        curl_easy_setopt(h, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    }
}

/* Another name in the certificate: ask for https://NAME while connecting to the URL's host, whose name stays in
 * the Host header. */
static bool set_server_name(struct http_transfer *t, const char *name)
{
    struct str rest = str_cstr(t->r.url);
    struct buf b CLEANUP(buf_done) = {0};
    struct str host;
    size_t host_n;
    bool ok;

    if (!str_starts(rest, STR("https://"))) {
        return true;
    }
    rest = str_drop(rest, 8);
    host_n = strcspn(rest.p, "/?#");
    host = str_take(rest, host_n);
    buf_init(&b, 16384);
    buf_printf(&b, "::%.*s%s", STR_ARG(host), str_find_byte(host, ':') < 0 ? ":443" : "");
    buf_add_byte(&b, '\0');
    ok = buf_status(&b) == 0 && append(&t->connect_to, b.data);
    buf_clear(&b);
    buf_printf(&b, "Host: %.*s", STR_ARG(host));
    buf_add_byte(&b, '\0');
    ok = ok && buf_status(&b) == 0 && append(&t->headers, b.data);
    buf_clear(&b);
    buf_printf(&b, "https://%s%.*s", name, STR_ARG(str_drop(rest, host_n)));
    buf_add_byte(&b, '\0');
    if (!ok || buf_status(&b) < 0) {
        return false;
    }
    curl_easy_setopt(t->easy, CURLOPT_URL, b.data);
    curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
    return true;
}

static void set_method(CURL *h, const struct http_multi_request *r)
{
    if (r->body.n != 0) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body.p);
    } else {
        curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
    }
    if (r->method != NULL) {
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

static void set_callbacks(struct http_transfer *t)
{
    CURL *h = t->easy;

    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, t->m);
    curl_easy_setopt(h, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(h, CURLOPT_CLOSESOCKETDATA, t->m);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->error_text);
    curl_easy_setopt(h, CURLOPT_PRIVATE, t);
}

static bool set_options(struct http_transfer *t)
{
    const struct http_multi_request *r = &t->r;
    const struct http_profile *p = r->profile;
    CURL *h = t->easy;

    curl_easy_reset(h);
    curl_easy_setopt(h, CURLOPT_URL, r->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, p->follow_redirects ? 1L : 0L);
    curl_easy_setopt(h, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, 300L);
    curl_easy_setopt(h, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* else every request walks the cache */
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION,
                     p->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    if (r->timeout_ms != 0) {
        curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)r->timeout_ms);
    } else if (r->stall_ms != 0) {
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)((r->stall_ms + 999) / 1000));
    }
    curl_easy_setopt(h, CURLOPT_USERAGENT, set(p->user_agent) ? p->user_agent : "bongsu");
    if (set(p->encodings)) {
        curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, p->encodings);
    }
    set_callbacks(t);
    set_tls(h, p);
    set_proxy(t, p);
    set_method(h, r);
    for (size_t i = 0; r->headers != NULL && r->headers[i] != NULL; i++) {
        if (!append(&t->headers, r->headers[i])) {
            return false;
        }
    }
    if (!append(&t->headers, "Expect:")) { /* else a large body waits a second */
        return false;
    }
    if (set(p->server_name) && !set_server_name(t, p->server_name)) {
        return false;
    }
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, t->headers);
    return true;
}

/* A line break in a header would smuggle further headers. */
static bool headers_fit(const char *const *headers)
{
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        if (strpbrk(headers[i], "\r\n") != NULL) {
            return false;
        }
    }
    return true;
}

static struct http_transfer *transfer_take(struct http_multi *m)
{
    struct http_transfer *t = m->spare;

    if (t != NULL) {
        m->spare = t->next;
        m->spare_n--;
        t->next = NULL;
        return t;
    }
    t = mem_try_calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->m = m;
    t->easy = curl_easy_init();
    if (t->easy == NULL) {
        mem_free(t);
        return NULL;
    }
    return t;
}

/* One host's requests go to one shard, where its connection is. */
static struct shard *shard_of(struct http_multi *m, const char *url)
{
    struct str s = str_cstr(url);
    int64_t at = str_find(s, STR("://"));
    struct str host = at < 0 ? s : str_drop(s, (size_t)at + 3);

    host = str_take(host, host.p != NULL ? strcspn(host.p, "/?#") : 0);
    return &m->shards[hash64(host.p, host.n) % m->shards_n];
}

int http_multi_start(struct http_multi *m, const struct http_multi_request *r,
                     struct http_transfer **ret, struct err *reterr)
{
    size_t max = r->max_response != 0 ? r->max_response : DEFAULT_MAX_RESPONSE;
    struct http_transfer *t;

    if (!headers_fit(r->headers)) {
        return err_set(reterr, ERR_INVALID, "a request header holds a line break");
    }
    t = transfer_take(m);
    if (t == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for an HTTP request");
    }
    t->r = *r;
    t->refused = false;
    t->reason[0] = t->error_text[0] = '\0';
    if (t->body.data != NULL) {
        buf_clear(&t->body);
        t->body.max = max;
    } else {
        buf_init(&t->body, max);
    }
    t->shard = shard_of(m, r->url);
    if (!set_options(t) || curl_multi_add_handle(t->shard->multi, t->easy) != CURLM_OK) {
        recycle(t);
        return err_set(reterr, ERR_NOMEM, "no memory for an HTTP request");
    }
    t->next = m->running;
    if (m->running != NULL) {
        m->running->prev = t;
    }
    m->running = t;
    m->running_n++;
    *ret = t;
    return 0;
}

void http_multi_cancel(struct http_multi *m, struct http_transfer *t)
{
    (void)m;
    detach(t);
    recycle(t);
}

/* ---- ends ---- */

static bool is_http(const char *url)
{
    return str_starts(str_cstr(url), STR("http://")) || str_starts(str_cstr(url), STR("https://"));
}

static int failure(const struct http_transfer *t, CURLcode code, struct err *e)
{
    const char *detail = t->error_text[0] != '\0' ? t->error_text : curl_easy_strerror(code);

    if (code == CURLE_UNSUPPORTED_PROTOCOL && !is_http(t->r.url)) {
        code = CURLE_URL_MALFORMAT;
    }
    switch (code) {
    case CURLE_WRITE_ERROR:
        if (t->refused) {
            return err_set(e, ERR_CANCELED, "ended by the receiver");
        }
        if (buf_status(&t->body) == -ERR_NOMEM) {
            return err_set(e, ERR_NOMEM, "no memory for the answer");
        }
        return err_set(e, ERR_TOO_LARGE, "body size limit exceeded");
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(e, ERR_TIMEOUT, "context deadline exceeded: %.180s", detail);
    case CURLE_OUT_OF_MEMORY:
        return err_set(e, ERR_NOMEM, "out of memory");
    case CURLE_URL_MALFORMAT:
        return err_set(e, ERR_INVALID, "%.200s", detail);
    default:
        return err_set(e, ERR_UNAVAILABLE, "%.200s", detail);
    }
}

static void finish(struct http_transfer *t, CURLcode code)
{
    struct http_multi_result r = {.body = &t->body};
    struct err e = {0};
    char *type = NULL;
    long status = 0;
    long connects = 0;
    curl_off_t retry_s = 0;
    curl_off_t wire = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_s);
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    r.rc = code == CURLE_OK ? 0 : failure(t, code, &e);
    r.err = &e;
    r.status = (int)status;
    r.reason = str_cstr(t->reason);
    r.content_type = str_cstr(type);
    r.wire_bytes = (int64_t)wire;
    r.reused = connects == 0;
    r.retry_after_ms = (int64_t)(retry_s < 0                   ? 0
                                 : retry_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S
                                                               : retry_s) *
                       1000;
    t->r.done(t->r.arg, &r); /* the strings of the handle live until it is reset */
}

static void collect(struct shard *sh)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(sh->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            CURLcode code = msg->data.result;
            struct http_transfer *t = NULL;

            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
            detach(t);
            finish(t, code);
            recycle(t);
        }
    }
}

/* ms until something is to be done, at most `limit_ms` (-1: none). */
static int wait_ms(const struct http_multi *m, int64_t limit_ms)
{
    int64_t now_ns = clock_mono().ns;
    int64_t ms = limit_ms;

    for (size_t i = 0; i < m->shards_n; i++) {
        if (m->shards[i].timer_ns >= 0) {
            int64_t left = (m->shards[i].timer_ns - now_ns + 999999) / 1000000;

            left = left < 0 ? 0 : left;
            ms = ms < 0 || left < ms ? left : ms;
        }
    }
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static void on_event(struct http_multi *m, const struct epoll_event *e)
{
    struct shard *sh;
    uint64_t count;
    int running;
    int what;

    if (e->data.u64 == WAKE_DATA) {
        ignore_result(read(m->wake, &count, sizeof(count)), "only to clear it");
        return;
    }
    sh = &m->shards[e->data.u64 >> SHARD_SHIFT];
    what = ((e->events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
           ((e->events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
           ((e->events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(sh->multi, (int)(uint32_t)e->data.u64, what, &running);
    collect(sh);
}

void http_multi_run(struct http_multi *m, int64_t timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(m->epoll, events, EVENTS, wait_ms(m, timeout_ms));
    int64_t now_ns;

    for (int i = 0; i < n; i++) {
        on_event(m, &events[i]);
    }
    now_ns = clock_mono().ns;
    for (size_t i = 0; i < m->shards_n; i++) {
        struct shard *sh = &m->shards[i];
        int running;

        if (sh->timer_ns >= 0 && now_ns >= sh->timer_ns) {
            sh->timer_ns = -1;
            curl_multi_socket_action(sh->multi, CURL_SOCKET_TIMEOUT, 0, &running);
            collect(sh);
        }
    }
}

void http_multi_wake(struct http_multi *m)
{
    const uint64_t one = 1;

    ignore_result(write(m->wake, &one, sizeof(one)), "a full counter wakes too");
}

size_t http_multi_running(const struct http_multi *m)
{
    return m->running_n;
}

size_t http_multi_connections(const struct http_multi *m)
{
    return m->sockets;
}
