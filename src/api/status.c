/* SPDX-License-Identifier: Apache-2.0
 *
 * Health, readiness, own metrics, build, flags, configuration.
 */
#include "api/api_internal.h"

static void healthy(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_respond(x, 200, "text/plain; charset=utf-8", STR("Bongsu is healthy.\n"));
}

static void ready(void *arg, struct http_exchange *x)
{
    if (api_ready(arg)) {
        http_respond(x, 200, "text/plain; charset=utf-8", STR("Bongsu is ready.\n"));
        return;
    }
    http_set_header(x, "Retry-After", "1");
    http_respond(x, 503, "text/plain; charset=utf-8",
                 STR("The store is not open: starting (the log tells how far) or stopping.\n"));
}

static void write_sample(void *arg, const struct stats_sample *s)
{
    struct buf *b = arg;

    if (s->first_of_family) {
        buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name, s->type);
    }
    buf_add_cstr(b, s->name);
    buf_add_cstr(b, s->suffix);
    if (s->labels[0] != '\0') {
        buf_add_byte(b, '{');
        buf_add_cstr(b, s->labels);
        buf_add_byte(b, '}');
    }
    buf_add_byte(b, ' ');
    buf_add_f64(b, s->value);
    buf_add_byte(b, '\n');
}

static void metrics(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct buf b;

    buf_init(&b, 16 << 20);
    stats_each(a->opts.stats, write_sample, &b);
    http_respond_take(x, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
    buf_done(&b);
}

/* Prometheus' member names; `application` tells clients what they really talk to. */
static void buildinfo(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct json_writer w;
    struct buf b;

    data_begin(&w, &b);
    json_object_begin(&w);
    json_key(&w, "application");
    json_cstr(&w, "Bongsu");
    json_key(&w, "version");
    json_cstr(&w, a->opts.version);
    static const char *const EMPTY[] = {"revision", "branch", "buildUser", "buildDate",
                                        "goVersion"};
    for (size_t i = 0; i < ARRAY_LEN(EMPTY); i++) {
        json_key(&w, EMPTY[i]);
        json_cstr(&w, "");
    }
    json_object_end(&w);
    data_end(x, &w, &b);
}

static void flags(void *arg, struct http_exchange *x)
{
    const struct conf *conf = api_backend(arg)->conf;
    struct json_writer w;
    struct buf b;

    data_begin(&w, &b);
    json_object_begin(&w);
    conf_read_begin(conf);
    for (size_t i = 0; i < conf_count(conf); i++) {
        struct conf_entry e = conf_at(conf, i);

        if (e.key->flag != NULL) {
            json_key(&w, e.key->flag);
            json_cstr(&w, e.value);
        }
    }
    conf_read_end(conf);
    json_object_end(&w);
    data_end(x, &w, &b);
}

static void write_key(struct json_writer *w, const struct conf_entry *e)
{
    static const char *const ORIGINS[] = {"default", "file", "environment", "flag"};

    const struct {
        const char *key;
        const char *text;
    } texts[] = {{"key", e->key->key},
                 {"value", e->value},
                 {"default", e->key->secret ? "" : e->key->default_value},
                 {"origin", ORIGINS[e->origin]},
                 {"flag", e->key->flag},
                 {"env", e->env},
                 {"help", e->key->help}};

    json_object_begin(w);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].text != NULL) {
            json_key(w, texts[i].key);
            json_cstr(w, texts[i].text);
        }
    }
    json_key(w, "reloadable");
    json_bool(w, e->key->reloadable);
    json_object_end(w);
}

static void config(void *arg, struct http_exchange *x)
{
    const struct conf *conf = api_backend(arg)->conf;
    struct buf yaml CLEANUP(buf_done);
    struct json_writer w;
    struct buf b;

    buf_init(&yaml, 1 << 20);
    data_begin(&w, &b);
    conf_read_begin(conf);
    conf_yaml(conf, &yaml);
    json_object_begin(&w);
    json_key(&w, "yaml");
    json_str(&w, buf_str(&yaml));
    json_key(&w, "keys");
    json_array_begin(&w);
    for (size_t i = 0; i < conf_count(conf); i++) {
        struct conf_entry e = conf_at(conf, i);

        write_key(&w, &e);
    }
    conf_read_end(conf);
    json_array_end(&w);
    json_object_end(&w);
    data_end(x, &w, &b);
}

static void reload(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct err e = {0};

    if (b->reload(b->reload_arg, &e) < 0) {
        err_prefix(&e, "failed to reload config");
        http_respond_error(x, &e);
        return;
    }
    http_respond(x, 200, "text/plain; charset=utf-8", STR(""));
}

void status_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/-/healthy", healthy, a, HTTP_INLINE, 0, NEED_NOTHING},
        {"GET", "/-/ready", ready, a, HTTP_INLINE, 0, NEED_NOTHING},
        {"POST", "/-/reload", reload, a, HTTP_WORKER, 0, NEED_ADMIN | NEED_BACKEND},
        {"GET", "/metrics", metrics, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/status/buildinfo", buildinfo, a, HTTP_INLINE, 0, NEED_READ | NEED_BACKEND},
        {"GET", "/api/v1/status/flags", flags, a, HTTP_INLINE, 0, need},
        {"GET", "/api/v1/status/config", config, a, HTTP_INLINE, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
