/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a request target and as a form: routes, escapes and parameters. What matches must decode to
 * what the encoded form says.
 */
#include <stdlib.h>

#include "base/err.h"
#include "net/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(void *arg, struct http_exchange *x)
{
    (void)arg;
    (void)x;
}

static void check_round_trip(struct arena *a, struct str text)
{
    struct str once;
    struct str again;
    struct buf b;

    if (url_decode(a, text, true, &once, NULL) < 0) {
        return;
    }
    if (once.n > text.n) {
        abort();
    }
    buf_init(&b, 3 * once.n + 1);
    for (size_t i = 0; i < once.n; i++) {
        buf_printf(&b, "%%%02x", (unsigned char)once.p[i]);
    }
    if (buf_status(&b) < 0 || url_decode(a, buf_str(&b), true, &again, NULL) < 0 ||
        !str_eq(once, again)) {
        abort();
    }
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_route ROUTES[] = {
        {"GET", "/", nothing, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/api/v1/label/{name}/values", nothing, NULL, HTTP_INLINE, 0, 0},
        {"POST", "/api/v1/query", nothing, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/api/{a}/{b}", nothing, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/files/{rest*}", nothing, NULL, HTTP_INLINE, 0, 0},
    };
    struct http_server s = {0};
    struct http_exchange x = {.s = &s, .method = STR("GET")};
    struct str target = str_of((const char *)data, size);
    int64_t mark = str_find_byte(target, '?');
    struct route compiled[ARRAY_LEN(ROUTES)];

    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++) {
        if (!route_compile(&ROUTES[i], i, &compiled[i])) {
            abort();
        }
    }
    s.routes.v = compiled;
    s.routes.n = ARRAY_LEN(ROUTES);
    routes_sort(s.routes.v, s.routes.n);
    arena_init(&x.arena, 1 << 20);
    if (route_find(&x, mark >= 0 ? str_take(target, (size_t)mark) : target, NULL) == 0) {
        if (x.route == NULL || (x.path.n != 0 && memchr(x.path.p, '\0', x.path.n) != NULL &&
                                memchr(data, '\0', size) == NULL)) {
            abort();
        }
    }
    if (params_parse(&x.arena, mark >= 0 ? str_drop(target, (size_t)mark + 1) : target, &x.query,
                     NULL) == 0) {
        size_t n = 0;
        struct str value;

        while (x.query.n != 0 && n < x.query.n && http_param_at(&x, "a", n, &value)) {
            n++;
        }
    }
    check_round_trip(&x.arena, target);
    arena_done(&x.arena);
    return 0;
}
