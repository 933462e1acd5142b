/* SPDX-License-Identifier: Apache-2.0
 *
 * One libcurl easy handle per client, so that connections and TLS sessions are reused between calls.
 * Invariant: nothing of an earlier call (headers, body, limits) is left on the handle when a call starts.
 */
#include "net/http_client.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

enum {
    CONNECT_TIMEOUT_MS = 10000,
    DEFAULT_TIMEOUT_MS = 30000,
    DEFAULT_MAX_RESPONSE = 16 << 20,
    RETRY_AFTER_MAX_S = 24 * 3600, /* longer waits are cut to a day */
};

struct http_client {
    CURL *curl;
    char *ca_file; /* owned */
    bool insecure;
};

struct http_client *http_client_new(const struct http_client_opts *opts)
{
    struct http_client *c = mem_xcalloc(1, sizeof(*c));

    if (opts != NULL) {
        c->ca_file = opts->ca_file != NULL ? mem_xstrdup(opts->ca_file) : NULL;
        c->insecure = opts->insecure;
    }
    c->curl = curl_easy_init();
    return c;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL) {
        return;
    }
    curl_easy_cleanup(c->curl);
    mem_free(c->ca_file);
    mem_free(c);
}

/* Where the bytes of an answer go. */
struct receiver {
    CURL *curl;
    const struct http_call *call;
    struct buf *body;
    bool refused; /* by call->take */
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct receiver *r = arg;
    long status = 0;

    if (r->call->take != NULL) {
        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (status == 200) {
        r->refused = r->call->take(r->call->take_arg, str_of(data, size * n)) != 0;
        return r->refused ? 0 : size * n;
    }
    buf_add(r->body, data, size * n);
    return buf_status(r->body) == 0 ? size * n : 0; /* a short count ends the transfer */
}

static struct curl_slist *header_list(const char *const *headers)
{
    struct curl_slist *list = NULL;

    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        struct curl_slist *longer = curl_slist_append(list, headers[i]);

        list = longer != NULL ? longer : list;
    }
    return list;
}

/* Without this curl asks "Expect: 100-continue" for large bodies and waits a second for servers that ignore
 * it. */
static struct curl_slist *without_expect(struct curl_slist *list)
{
    struct curl_slist *longer = curl_slist_append(list, "Expect:");

    return longer != NULL ? longer : list;
}

static void set_method(CURL *h, const struct http_call *call)
{
    const char *method = call->method != NULL ? call->method : "GET";

    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    } else if (call->body.n != 0 || strcmp(method, "POST") == 0) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body.n != 0 ? call->body.p : "");
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    } else {
        curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    }
}

static void set_options(const struct http_client *c, const struct http_call *call,
                        struct curl_slist *headers, struct receiver *to, char *error_text)
{
    CURL *h = c->curl;
    long timeout_ms = (long)(call->timeout_ms > 0 ? call->timeout_ms : DEFAULT_TIMEOUT_MS);

    curl_easy_reset(h); /* keeps connections, sessions and the DNS cache */
    curl_easy_setopt(h, CURLOPT_URL, call->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "bongsu");
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, to);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error_text);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->ca_file != NULL) {
        curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
    }
    if (c->insecure) {
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set_method(h, call);
}

static bool is_http(const char *url)
{
    return str_starts(str_cstr(url), STR("http://")) || str_starts(str_cstr(url), STR("https://"));
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

static int failed(CURLcode code, const struct http_call *call, const struct receiver *to,
                  const char *text, struct err *reterr)
{
    const char *detail = text[0] != '\0' ? text : curl_easy_strerror(code);

    if (code == CURLE_UNSUPPORTED_PROTOCOL && !is_http(call->url)) {
        code = CURLE_URL_MALFORMAT; /* else: an answer that is not HTTP/1 */
    }
    switch (code) {
    case CURLE_WRITE_ERROR:
        if (to->refused) {
            return err_set(reterr, ERR_CANCELED, "%.100s: the answer was not taken", call->url);
        }
        if (buf_status(to->body) == -ERR_NOMEM) {
            return err_set(reterr, ERR_NOMEM, "%.100s: no memory for the answer", call->url);
        }
        return err_set(reterr, ERR_TOO_LARGE, "%.100s: answer larger than %zu bytes", call->url,
                       to->body->max);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(reterr, ERR_TIMEOUT, "%.100s: %.120s", call->url, detail);
    case CURLE_OUT_OF_MEMORY:
        return err_set(reterr, ERR_NOMEM, "%.100s: out of memory", call->url);
    case CURLE_URL_MALFORMAT:
        return err_set(reterr, ERR_INVALID, "%.100s: %.120s", call->url, detail);
    default:
        return err_set(reterr, ERR_UNAVAILABLE, "%.100s: %.120s", call->url, detail);
    }
}

int http_client_call(struct http_client *c, const struct http_call *call, struct http_answer *ret,
                     struct err *reterr)
{
    char text[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers;
    curl_off_t retry_s = 0;
    long status = 0;
    struct buf body;
    struct receiver to = {.curl = c->curl, .call = call, .body = &body};
    CURLcode code;

    if (c->curl == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for an HTTP client");
    }
    if (!headers_fit(call->headers)) {
        return err_set(reterr, ERR_INVALID, "a request header holds a line break");
    }
    headers = without_expect(header_list(call->headers));
    buf_init(&body, call->max_response != 0 ? call->max_response : DEFAULT_MAX_RESPONSE);
    set_options(c, call, headers, &to, text);
    code = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
    if (code != CURLE_OK) {
        int rc = failed(code, call, &to, text, reterr);

        buf_done(&body);
        return rc;
    }
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    /* Seconds or an HTTP-date, as seconds from now. */
    curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry_s);
    retry_s = retry_s < 0 ? 0 : retry_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : retry_s;
    *ret = (struct http_answer){(int)status, (int64_t)retry_s * 1000, body};
    return 0;
}
