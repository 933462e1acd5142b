/* SPDX-License-Identifier: Apache-2.0
 *
 * Label sets: order, canonical bytes, text form.
 */
#include "model/labels.h"

#include <stdlib.h>

#include "base/err.h"

enum { LABELS_MAX_BYTES = 1 << 20 };

struct str labels_get(struct labels ls, struct str name)
{
    for (size_t i = 0; i < ls.n; i++) {
        if (str_eq(ls.v[i].name, name)) {
            return ls.v[i].value;
        }
    }
    return str_of(NULL, 0);
}

int labels_cmp(struct labels a, struct labels b)
{
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++) {
        int c = str_cmp(a.v[i].name, b.v[i].name);

        c = c != 0 ? c : str_cmp(a.v[i].value, b.v[i].value);
        if (c != 0) {
            return c;
        }
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool labels_eq(struct labels a, struct labels b)
{
    return a.n == b.n && labels_cmp(a, b) == 0;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static bool is_sorted(const struct label *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (str_cmp(v[i - 1].name, v[i].name) >= 0) {
            return false;
        }
    }
    return true;
}

bool labels_normalize(struct label *v, size_t *n)
{
    size_t kept = 0;

    if (!is_sorted(v, *n)) {
        qsort(v, *n, sizeof(*v), by_name);
    }
    for (size_t i = 0; i < *n; i++) {
        if (v[i].name.n == 0 || (i > 0 && str_eq(v[i - 1].name, v[i].name))) {
            return false;
        }
    }
    for (size_t i = 0; i < *n; i++) {
        if (v[i].value.n != 0) {
            v[kept++] = v[i];
        }
    }
    *n = kept;
    return true;
}

static void add_varint(struct buf *dst, uint64_t v)
{
    while (v >= 0x80) {
        buf_add_byte(dst, (char)(v | 0x80));
        v >>= 7;
    }
    buf_add_byte(dst, (char)v);
}

static bool take_varint(struct str *s, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 35 && s->n != 0; shift += 7) {
        uint8_t b = (uint8_t)s->p[0];

        *s = str_drop(*s, 1);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool take_str(struct str *s, struct str *ret)
{
    uint64_t n;

    if (!take_varint(s, &n) || n > s->n) {
        return false;
    }
    *ret = str_take(*s, n);
    *s = str_drop(*s, n);
    return true;
}

void labels_encode(struct labels ls, struct buf *dst)
{
    for (size_t i = 0; i < ls.n; i++) {
        add_varint(dst, ls.v[i].name.n);
        buf_add_str(dst, ls.v[i].name);
        add_varint(dst, ls.v[i].value.n);
        buf_add_str(dst, ls.v[i].value);
    }
}

int labels_decode(struct str src, struct arena *a, struct labels *ret)
{
    struct str rest = src;
    struct str skip;
    struct label *v;
    size_t n = 0;

    while (rest.n != 0) {
        if (!take_str(&rest, &skip) || !take_str(&rest, &skip)) {
            return -ERR_CORRUPT;
        }
        n++;
    }
    v = arena_array(a, struct label, n != 0 ? n : 1);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    rest = src;
    for (size_t i = 0; i < n; i++) {
        if (!take_str(&rest, &v[i].name) || !take_str(&rest, &v[i].value)) {
            return -ERR_CORRUPT;
        }
    }
    *ret = (struct labels){v, n};
    return 0;
}

int labels_id(struct labels ls, struct hash128 *ret)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, LABELS_MAX_BYTES);
    labels_encode(ls, &b);
    if (b.failed) {
        return buf_status(&b);
    }
    *ret = hash128(b.data, b.n);
    return 0;
}

int labels_dup(struct labels ls, struct arena *a, struct labels *ret)
{
    struct label *v = arena_array(a, struct label, ls.n != 0 ? ls.n : 1);

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < ls.n; i++) {
        v[i].name = arena_str_dup(a, ls.v[i].name);
        v[i].value = arena_str_dup(a, ls.v[i].value);
        if (v[i].name.p == NULL || v[i].value.p == NULL) {
            return -ERR_NOMEM;
        }
    }
    *ret = (struct labels){v, ls.n};
    return 0;
}

static void add_escaped(struct str s, struct buf *dst)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') {
            buf_add_cstr(dst, "\\n");
        } else {
            if (s.p[i] == '"' || s.p[i] == '\\') {
                buf_add_byte(dst, '\\');
            }
            buf_add_byte(dst, s.p[i]);
        }
    }
}

static void add_quoted(struct str s, struct buf *dst)
{
    buf_add_byte(dst, '"');
    add_escaped(s, dst);
    buf_add_byte(dst, '"');
}

void labels_format(struct labels ls, struct buf *dst)
{
    struct str name = labels_get(ls, STR(LABEL_NAME));
    bool plain = name.n == 0 || metric_name_is_valid(name);
    bool open = !plain;

    if (plain) {
        buf_add_str(dst, name);
    } else {
        buf_add_byte(dst, '{');
        add_quoted(name, dst);
    }
    for (size_t i = 0; i < ls.n; i++) {
        if (str_eq(ls.v[i].name, STR(LABEL_NAME))) {
            continue;
        }
        buf_add_cstr(dst, open ? ", " : "{");
        open = true;
        if (label_name_is_valid(ls.v[i].name)) {
            buf_add_str(dst, ls.v[i].name);
        } else {
            add_quoted(ls.v[i].name, dst);
        }
        buf_add_byte(dst, '=');
        add_quoted(ls.v[i].value, dst);
    }
    if (open) {
        buf_add_byte(dst, '}');
    } else if (name.n == 0) {
        buf_add_cstr(dst, "{}");
    }
}

static bool name_is_valid(struct str s, bool colon)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
              (i > 0 && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return s.n != 0;
}

bool metric_name_is_valid(struct str s)
{
    return name_is_valid(s, true);
}

bool label_name_is_valid(struct str s)
{
    return name_is_valid(s, false);
}
