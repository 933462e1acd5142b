/* SPDX-License-Identifier: Apache-2.0
 *
 * http_sd_configs: a JSON list of target groups, asked for every refresh interval (Prometheus documentation,
 * "HTTP SD").
 */
#include <stdio.h>

#include "base/alloc.h"
#include "ingest/scrape/fetch.h"
#include "ingest/scrape/sd.h"

enum { ANSWER_MAX = 64 << 20 };

static int ask(struct sd *sd, struct http_multi *m, struct buf *answer, struct err *reterr)
{
    const struct sd_conf *c = sd->conf;
    struct header_list h = {0};
    int status = 0;
    int rc = headers_auth(&h, &c->http, sd->env.tokens, reterr);

    if (rc == 0 && (!headers_add(&h, "Accept: application/json") ||
                    !headers_add(&h, "X-Prometheus-Refresh-Interval-Seconds: %g",
                                 (double)c->refresh_ms / 1000) ||
                    !headers_end(&h))) {
        rc = err_set(reterr, ERR_NOMEM, "out of memory");
    }
    if (rc == 0) {
        struct http_profile profile = c->http.profile;
        const struct fetch f = {.multi = m,
                                .profile = &profile,
                                .url = c->url.p,
                                .headers = (const char *const *)h.lines.v,
                                .timeout_ms = c->refresh_ms,
                                .max_response = ANSWER_MAX,
                                .stop = &sd->stop};

        profile.encodings = "gzip";
        rc = fetch(&f, &status, answer, reterr);
    }
    headers_done(&h);
    if (rc == 0 && status != 200) {
        rc = err_set(reterr, ERR_UNAVAILABLE, "server returned HTTP status %d", status);
    }
    return rc;
}

static void refresh(struct sd *sd, struct http_multi *m)
{
    struct sd_set *set = sd_set_new();
    struct buf answer CLEANUP(buf_done);
    struct err e = {0};
    int rc;

    buf_init(&answer, ANSWER_MAX);
    rc = set != NULL ? ask(sd, m, &answer, &e) : err_set(&e, ERR_NOMEM, "out of memory");
    rc = rc < 0 ? rc : sd_read_json(set, buf_str(&answer), sd->conf->url, "__meta_url", &e);
    if (rc < 0) {
        sd_failed(sd, &e);
        sd_set_unref(set);
        return;
    }
    sd_post(sd, set);
}

void sd_http_run(void *arg)
{
    const struct http_multi_opts o = {.max_connections = 2};
    struct sd *sd = arg;
    struct http_multi *m = http_multi_new(&o);

    do {
        refresh(sd, m);
    } while (sd_sleep(sd, sd->conf->refresh_ms));
    http_multi_free(m);
}
