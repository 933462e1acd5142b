/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/rules and /api/v1/alerts in Prometheus' form.
 */
#include "api/api_internal.h"

enum { NAMES_MAX = 100 };

/* All values of a repeated parameter. */
static size_t values_of(struct http_exchange *x, const char *name, struct str *dst)
{
    size_t n = 0;

    while (n < NAMES_MAX && http_param_at(x, name, n, &dst[n])) {
        n++;
    }
    return n;
}

static void respond_data(struct http_exchange *x, const struct buf *data)
{
    struct json_writer w;
    struct buf b;

    data_begin(&w, &b);
    json_raw(&w, buf_str(data));
    b.failed = b.failed || data->failed;
    data_end(x, &w, &b);
}

static void get_rules(void *arg, struct http_exchange *x)
{
    struct str names[NAMES_MAX];
    struct str groups[NAMES_MAX];
    struct str files[NAMES_MAX];
    struct rules_filter f = {.names = names,
                             .groups = groups,
                             .files = files,
                             .names_n = values_of(x, "rule_name[]", names),
                             .groups_n = values_of(x, "rule_group[]", groups),
                             .files_n = values_of(x, "file[]", files)};
    struct str type = http_param(x, "type");
    struct str without = http_param(x, "exclude_alerts");
    struct buf b CLEANUP(buf_done) = {0};

    if (str_eq(type, STR("alert")) || str_eq(type, STR("record"))) {
        f.type = str_eq(type, STR("alert")) ? RULES_ALERTING : RULES_RECORDING;
    } else if (type.n != 0) {
        http_respond_errorf(x, ERR_INVALID,
                            "invalid parameter \"type\": not supported value \"%.*s\"",
                            STR_ARG(type));
        return;
    }
    f.without_alerts = str_eq(without, STR("true")) || str_eq(without, STR("1"));
    buf_init(&b, RESPONSE_MAX);
    rules_json(api_backend(arg)->rules, &f, &b);
    respond_data(x, &b);
}

static void get_alerts(void *arg, struct http_exchange *x)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, RESPONSE_MAX);
    rules_alerts_json(api_backend(arg)->rules, &b);
    respond_data(x, &b);
}

void rules_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/rules", get_rules, a, HTTP_INLINE, 0, need},
        {"GET", "/api/v1/alerts", get_alerts, a, HTTP_INLINE, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
