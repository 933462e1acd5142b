/* SPDX-License-Identifier: Apache-2.0
 *
 * Route patterns. Invariant: routes are sorted so that at the first differing segment a literal stands
 * before a parameter and a parameter before the rest; the first match is the most specific one.
 */
#include <stdlib.h>

#include "net/http_internal.h"

bool route_compile(const struct http_route *def, size_t order, struct route *ret)
{
    struct str rest = str_cstr(def->pattern);
    struct str part;

    *ret = (struct route){.def = *def, .order = order};
    if (!str_starts(rest, STR("/"))) {
        return false;
    }
    rest = str_drop(rest, 1);
    while (str_split(&rest, '/', &part)) {
        struct segment *seg = &ret->segments[ret->n];

        if (ret->n == HTTP_SEGMENTS_MAX || (ret->n > 0 && seg[-1].kind == SEGMENT_REST)) {
            return false;
        }
        *seg = (struct segment){SEGMENT_LITERAL, part};
        if (part.n > 2 && part.p[0] == '{' && part.p[part.n - 1] == '}') {
            *seg = (struct segment){SEGMENT_PARAM, str_of(part.p + 1, part.n - 2)};
            if (str_ends(seg->text, STR("*"))) {
                *seg = (struct segment){SEGMENT_REST, str_take(seg->text, seg->text.n - 1)};
            }
        }
        ret->n++;
    }
    return true;
}

static int by_specificity(const void *pa, const void *pb)
{
    const struct route *a = pa;
    const struct route *b = pb;

    for (size_t i = 0; i < a->n && i < b->n; i++) {
        if (a->segments[i].kind != b->segments[i].kind) {
            return (int)a->segments[i].kind - (int)b->segments[i].kind;
        }
    }
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

void routes_sort(struct route *v, size_t n)
{
    if (n > 1) {
        qsort(v, n, sizeof(*v), by_specificity);
    }
}

/* The path cut at slashes: decoded segments, and where each begins in the raw path. */
struct path {
    struct str *decoded;
    size_t *start;
    size_t n;
    struct str raw;
};

static int path_split(struct arena *a, struct str raw, struct path *ret, struct err *reterr)
{
    size_t count = 1;
    size_t start = 1;

    for (size_t i = 1; i < raw.n; i++) {
        count += raw.p[i] == '/';
    }
    *ret = (struct path){arena_array(a, struct str, count), arena_array(a, size_t, count), 0, raw};
    if (ret->decoded == NULL || ret->start == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the path");
    }
    for (size_t i = 1; i <= raw.n; i++) {
        if (i == raw.n || raw.p[i] == '/') {
            int rc = url_decode(a, str_of(raw.p + start, i - start), false, &ret->decoded[ret->n],
                                reterr);

            if (rc < 0) {
                return rc;
            }
            ret->start[ret->n++] = start;
            start = i + 1;
        }
    }
    return 0;
}

static bool matches(const struct route *r, const struct path *p)
{
    bool rest = r->n > 0 && r->segments[r->n - 1].kind == SEGMENT_REST;

    if (rest ? p->n < r->n : p->n != r->n) {
        return false;
    }
    for (size_t i = 0; i < r->n; i++) {
        if (r->segments[i].kind == SEGMENT_LITERAL && !str_eq(r->segments[i].text, p->decoded[i])) {
            return false;
        }
        if (r->segments[i].kind == SEGMENT_PARAM && p->decoded[i].n == 0) {
            return false;
        }
    }
    return true;
}

static bool method_fits(const struct route *r, struct str method)
{
    struct str own = str_cstr(r->def.method);

    return str_eq(own, method) || (str_eq(own, STR("GET")) && str_eq(method, STR("HEAD")));
}

static int capture(struct http_exchange *x, const struct route *r, const struct path *p,
                   struct err *reterr)
{
    for (size_t i = 0; i < r->n; i++) {
        x->captures[i] = p->decoded[i];
        if (r->segments[i].kind == SEGMENT_REST) {
            int rc = url_decode(&x->arena, str_drop(p->raw, p->start[i]), false, &x->captures[i],
                                reterr);

            if (rc < 0) {
                return rc;
            }
        }
    }
    x->route = r;
    return 0;
}

/* "GET, HEAD, POST" of all routes on this path. */
static void set_allow(struct http_exchange *x, const struct path *p)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 512);
    for (size_t i = 0; i < x->s->routes.n; i++) {
        const struct route *r = &x->s->routes.v[i];

        if (matches(r, p) && str_find(buf_str(&b), str_cstr(r->def.method)) < 0) {
            buf_add_cstr(&b, b.n != 0 ? ", " : "");
            buf_add_cstr(&b, r->def.method);
            buf_add_cstr(&b, strcmp(r->def.method, "GET") == 0 ? ", HEAD" : "");
        }
    }
    buf_add_byte(&b, '\0');
    if (buf_status(&b) == 0) {
        http_set_header(x, "Allow", b.data);
    }
}

int route_find(struct http_exchange *x, struct str path, struct err *reterr)
{
    bool other_method = false;
    struct path p;
    int rc;

    if (path.n == 0 || path.p[0] != '/') {
        return err_set(reterr, ERR_NOT_FOUND, "no such path");
    }
    if ((rc = path_split(&x->arena, path, &p, reterr)) < 0 ||
        (rc = url_decode(&x->arena, path, false, &x->path, reterr)) < 0) {
        return rc;
    }
    for (size_t i = 0; i < x->s->routes.n; i++) {
        const struct route *r = &x->s->routes.v[i];

        if (!matches(r, &p)) {
            continue;
        }
        if (method_fits(r, x->method)) {
            return capture(x, r, &p, reterr);
        }
        other_method = true;
    }
    if (other_method) {
        set_allow(x, &p);
        return err_set(reterr, ERR_METHOD, "method %.*s is not allowed here",
                       STR_ARG(str_take(x->method, 32)));
    }
    return err_set(reterr, ERR_NOT_FOUND, "no such path: %.*s", STR_ARG(str_take(path, 128)));
}
