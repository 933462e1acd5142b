/* SPDX-License-Identifier: Apache-2.0
 *
 * `bongsu query`: an instant PromQL query over HTTP, printed one series a line.
 */
#include "client.h"
#include "remote.h"

#include <jansson.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "conf/conf.h"

struct client_settings {
    char *server;
    char *token;
    char *time;
};

static const struct conf_key KEYS[] = {
    REMOTE_SERVER_KEY(struct client_settings, "The server's main door."),
    REMOTE_TOKEN_KEY(struct client_settings, "API token with scope read."),
    {.key = "time",
     .flag = "time",
     .type = CONF_STRING,
     .offset = offsetof(struct client_settings, time),
     .default_value = "",
     .placeholder = "TIME",
     .help = "Evaluation time, Unix seconds or RFC 3339; default now."},
};

static const struct conf_table TABLE = {"Query", KEYS, ARRAY_LEN(KEYS)};

static const struct conf_spec SPEC = {.program = "bongsu query EXPR",
                                      .summary = "Runs a PromQL query and prints the result.",
                                      .env_prefix = "BONGSU_",
                                      .tables = &TABLE,
                                      .tables_n = 1};

static void print_metric(json_t *metric)
{
    const char *name = json_string_value(json_object_get(metric, "__name__"));
    const char *separator = "{";
    const char *key;
    json_t *value;

    printf("%s", name != NULL ? name : "");
    json_object_foreach(metric, key, value)
    {
        if (strcmp(key, "__name__") != 0) {
            printf("%s%s=\"%s\"", separator, key, json_string_value(value));
            separator = ", ";
        }
    }
    printf("%s", separator[0] == ',' ? "} " : " ");
}

static void print_points(json_t *series)
{
    json_t *value = json_object_get(series, "value");
    json_t *values = json_object_get(series, "values");
    json_t *point;
    size_t i;

    if (value != NULL) {
        printf("%s\n", json_string_value(json_array_get(value, 1)));
        return;
    }
    json_array_foreach(values, i, point)
    {
        printf("%s%s@%.3f", i != 0 ? " " : "", json_string_value(json_array_get(point, 1)),
               json_number_value(json_array_get(point, 0)));
    }
    printf("\n");
}

static int print_answer(struct str body)
{
    json_t *root = json_loadb(body.p != NULL ? body.p : "", body.n, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    json_t *data = json_object_get(root, "data");
    json_t *result = json_object_get(data, "result");
    const char *type = json_string_value(json_object_get(data, "resultType"));
    json_t *series;
    size_t i;

    if (error != NULL || result == NULL || type == NULL) {
        fprintf(stderr, "bongsu query: %s\n",
                error != NULL ? error : "no answer in Prometheus' form");
        json_decref(root);
        return 1;
    }
    if (strcmp(type, "scalar") == 0 || strcmp(type, "string") == 0) {
        printf("%s\n", json_string_value(json_array_get(result, 1)));
    } else {
        json_array_foreach(result, i, series)
        {
            print_metric(json_object_get(series, "metric"));
            print_points(series);
        }
    }
    json_decref(root);
    return 0;
}

static int run_query(const struct client_settings *s, const char *expr)
{
    const struct remote r = {s->server, s->token};
    struct buf path CLEANUP(buf_done);
    struct http_answer answer = {0};
    struct err e = {0};
    int code = 1;

    buf_init(&path, 1 << 20);
    buf_add_cstr(&path, "/api/v1/query?query=");
    buf_add_percent(&path, str_cstr(expr), URL_UNRESERVED);
    if (s->time[0] != '\0') {
        buf_add_cstr(&path, "&time=");
        buf_add_percent(&path, str_cstr(s->time), URL_UNRESERVED);
    }
    buf_add_byte(&path, '\0');
    if (path.failed) {
        fprintf(stderr, "bongsu query: the query is too long\n");
    } else if (remote_call(&r, "GET", path.data, &answer, &e) < 0) {
        fprintf(stderr, "bongsu query: %s\n", e.msg);
    } else {
        code = print_answer(buf_str(&answer.body));
        buf_done(&answer.body);
    }
    return code;
}

int client_query_main(int argc, char **argv)
{
    struct client_settings s = {0};
    struct conf *conf = NULL;
    struct err e = {0};
    const char *expr = argc > 0 ? argv[argc - 1] : "--help";
    int code = 0;
    int rc =
        conf_load(&SPEC, strcmp(expr, "--help") == 0 ? argc : argc - 1, argv, NULL, &s, &conf, &e);

    if (rc == 1 || strcmp(expr, "--help") == 0) {
        struct buf help CLEANUP(buf_done);

        buf_init(&help, 1 << 16);
        conf_help(&SPEC, &help);
        fwrite(help.data, 1, help.n, stdout);
    } else if (rc < 0) {
        fprintf(stderr, "bongsu query: %s\n", e.msg);
        code = 2;
    } else {
        code = run_query(&s, expr);
    }
    conf_free(conf, &s);
    return code;
}
