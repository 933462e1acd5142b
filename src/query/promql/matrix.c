/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrices and label sets: the row operations every operator shares.
 */
#include <stdlib.h>

#include "query/promql/eval.h"
#include "query/promql/gotext.h"

size_t bits_next(const uint64_t *bits, size_t from, size_t steps)
{
    size_t words = (steps + 63) / 64;
    size_t w = from / 64;
    uint64_t word;

    if (from >= steps) {
        return steps;
    }
    word = bits[w] & (~0ull << (from % 64));
    while (word == 0) {
        if (++w == words) {
            return steps;
        }
        word = bits[w];
    }
    return w * 64 + (size_t)__builtin_ctzll(word);
}

size_t bits_count(const uint64_t *bits, size_t words)
{
    size_t n = 0;

    for (size_t i = 0; i < words; i++) {
        n += (size_t)__builtin_popcountll(bits[i]);
    }
    return n;
}

bool bits_any(const uint64_t *bits, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        if (bits[i] != 0) {
            return true;
        }
    }
    return false;
}

void bits_fill(uint64_t *bits, size_t steps)
{
    memset(bits, 0xff, steps / 64 * 8);
    if (steps % 64 != 0) {
        bits[steps / 64] = (1ull << (steps % 64)) - 1;
    }
}

uint64_t labels_hash(struct labels ls)
{
    uint64_t h = ls.n;

    for (size_t i = 0; i < ls.n; i++) {
        h = hash64_seed(ls.v[i].name.p, ls.v[i].name.n, h);
        h = hash64_seed(ls.v[i].value.p, ls.v[i].value.n, h);
    }
    return h;
}

/** Move row `from` to the earlier row `to`. */
static void move_row(struct mat *m, size_t to, size_t from)
{
    if (to != from) {
        m->labels[to] = m->labels[from];
        memcpy(mat_row(m, to), mat_row(m, from), m->steps * sizeof(double));
        memcpy(mat_bits(m, to), mat_bits(m, from), m->words * sizeof(uint64_t));
    }
}

void mat_compact(struct mat *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->n; i++) {
        if (bits_any(mat_bits(m, i), m->words)) {
            move_row(m, kept++, i);
        }
    }
    m->n = kept;
}

/* What says what a metric is. A label whose name points here, and not only reads so, goes when the query ends. */
static const char *const META[] = {LABEL_NAME, "__type__", "__unit__"};

static size_t meta_n(const struct eval *ev)
{
    return ev->type_unit ? ARRAY_LEN(META) : 1;
}

/** Index in META, or -1. */
static int meta_at(struct str s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(s, str_cstr(META[i]))) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_marked(struct label l)
{
    return l.name.p == META[0] || l.name.p == META[1] || l.name.p == META[2];
}

static bool any_marked(struct labels ls)
{
    for (size_t i = 0; i < ls.n; i++) {
        if (is_marked(ls.v[i])) {
            return true;
        }
    }
    return false;
}

/** The labels that describe the metric go, now or (`later`) when the query ends. */
static int drop_meta(struct eval *ev, struct labels ls, bool later, struct labels *ret)
{
    struct label *v;
    size_t first = 0;
    size_t found = 0;
    size_t n = 0;

    for (size_t i = 0; i < ls.n; i++) {
        if (meta_at(ls.v[i].name, meta_n(ev)) >= 0) {
            first = found++ == 0 ? i : first;
        }
    }
    if (found == 0) {
        *ret = ls;
        return 0;
    }
    if (!later && found == 1 && first == 0) {
        *ret = (struct labels){ls.v + 1, ls.n - 1};
        return 0;
    }
    v = arena_array(&ev->arena, struct label, ls.n);
    if (v == NULL) {
        return eval_no_memory(ev);
    }
    for (size_t i = 0; i < ls.n; i++) {
        int at = meta_at(ls.v[i].name, meta_n(ev));

        if (at < 0) {
            v[n++] = ls.v[i];
        } else if (later) {
            v[n++] = (struct label){str_cstr(META[at]), ls.v[i].value};
        }
    }
    *ret = (struct labels){v, n};
    return 0;
}

int labels_drop_name(struct eval *ev, struct labels ls, struct labels *ret)
{
    return drop_meta(ev, ls, false, ret);
}

int labels_drop_name_later(struct eval *ev, struct labels ls, struct labels *ret)
{
    return drop_meta(ev, ls, ev->names_go_last, ret);
}

void labels_join_marks(struct labels from, struct label *to, size_t n)
{
    for (size_t i = 0; i < from.n; i++) {
        for (size_t k = 0; k < n && is_marked(from.v[i]); k++) {
            if (str_eq(to[k].name, from.v[i].name)) {
                to[k].name = from.v[i].name;
            }
        }
    }
}

int mat_drop_names(struct eval *ev, struct mat *m, bool strict)
{
    struct str first = m->n != 0 ? labels_get(m->labels[0], STR(LABEL_NAME)) : STR("");
    bool one_name = !ev->type_unit;

    for (size_t i = 0; i < m->n; i++) {
        int rc;

        one_name = one_name && str_eq(labels_get(m->labels[i], STR(LABEL_NAME)), first);
        rc = labels_drop_name_later(ev, m->labels[i], &m->labels[i]);
        if (rc != 0) {
            return rc;
        }
    }
    return one_name || ev->names_go_last ? 0 : mat_merge_same(ev, m, strict);
}

int mat_drop_marked(struct eval *ev, struct mat *m)
{
    bool any = false;

    for (size_t i = 0; ev->names_go_last && i < m->n; i++) {
        struct labels ls = m->labels[i];
        struct label *v;
        size_t n = 0;

        if (!any_marked(ls)) {
            continue;
        }
        any = true;
        v = arena_array(&ev->arena, struct label, ls.n);
        if (v == NULL) {
            return eval_no_memory(ev);
        }
        for (size_t k = 0; k < ls.n; k++) {
            if (!is_marked(ls.v[k])) {
                v[n++] = ls.v[k];
            }
        }
        m->labels[i] = (struct labels){v, n};
    }
    return any ? mat_merge_same(ev, m, false) : 0;
}

/** Row `from` into row `into`. @return false when both have a point at one step */
static bool merge_row(struct mat *m, size_t into, size_t from)
{
    uint64_t *a = mat_bits(m, into);
    const uint64_t *b = mat_bits(m, from);
    double *va = mat_row(m, into);
    const double *vb = mat_row(m, from);

    for (size_t w = 0; w < m->words; w++) {
        if ((a[w] & b[w]) != 0) {
            return false;
        }
    }
    for (size_t i = bits_next(b, 0, m->steps); i < m->steps; i = bits_next(b, i + 1, m->steps)) {
        va[i] = vb[i];
        bit_set(a, i);
    }
    return true;
}

int mat_merge_same(struct eval *ev, struct mat *m, bool strict)
{
    struct label_table t CLEANUP(label_table_done) = {.arena = &ev->arena};
    size_t kept = 0;

    if (m->n < 2) {
        return 0;
    }
    for (size_t i = 0; i < m->n; i++) {
        int64_t at = label_table_add(&t, m->labels[i], false);

        if (at < 0) {
            return eval_no_memory(ev);
        }
        if ((size_t)at == kept) {
            move_row(m, kept++, i);
        } else if (strict || !merge_row(m, (size_t)at, i)) {
            return err_set(ev->reterr, ERR_EXEC,
                           "vector cannot contain metrics with the same labelset");
        } else if (ev->names_go_last && any_marked(m->labels[i])) {
            m->labels[(size_t)at] = m->labels[i];
        }
    }
    m->n = kept;
    return 0;
}

struct sort_entry {
    struct labels labels;
    size_t row;
};

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct sort_entry *)a)->labels,
                      ((const struct sort_entry *)b)->labels);
}

int mat_sort(struct eval *ev, struct mat *m)
{
    struct sort_entry *order;
    struct mat sorted = {0};
    bool in_order = true;
    int rc;

    for (size_t i = 1; i < m->n && in_order; i++) {
        in_order = labels_cmp(m->labels[i - 1], m->labels[i]) <= 0;
    }
    if (in_order) {
        return 0;
    }
    order = mem_try_calloc(m->n, sizeof(*order));
    if (order == NULL) {
        return eval_no_memory(ev);
    }
    for (size_t i = 0; i < m->n; i++) {
        order[i] = (struct sort_entry){m->labels[i], i};
    }
    qsort(order, m->n, sizeof(*order), by_labels);
    rc = eval_alloc(ev, &sorted, m->n, m->steps);
    for (size_t i = 0; rc == 0 && i < m->n; i++) {
        sorted.labels[i] = order[i].labels;
        memcpy(mat_row(&sorted, i), mat_row(m, order[i].row), m->steps * sizeof(double));
        memcpy(mat_bits(&sorted, i), mat_bits(m, order[i].row), m->words * sizeof(uint64_t));
    }
    mem_free(order);
    if (rc == 0) {
        mat_done(ev, m);
        *m = sorted;
    }
    return rc;
}

/* --- Tables of label sets --- */

void label_table_done(struct label_table *t)
{
    mem_free(t->slots);
    mem_free(t->v);
    mem_free(t->hashes);
    t->slots = NULL;
    t->v = NULL;
    t->hashes = NULL;
}

static size_t probe(const struct label_table *t, struct labels ls, uint64_t h)
{
    size_t at = h & (t->cap - 1);

    while (t->slots[at] != 0) {
        size_t i = t->slots[at] - 1;

        if (t->hashes[i] == h && labels_eq(t->v[i], ls)) {
            break;
        }
        at = (at + 1) & (t->cap - 1);
    }
    return at;
}

static bool table_grow(struct label_table *t)
{
    size_t cap = t->cap == 0 ? 64 : t->cap * 2;
    uint32_t *slots = mem_try_calloc(cap, sizeof(*slots));
    struct labels *v = mem_try_realloc(t->v, cap / 2 * sizeof(*v));
    uint64_t *hashes;

    t->v = v != NULL ? v : t->v;
    hashes = mem_try_realloc(t->hashes, cap / 2 * sizeof(*hashes));
    t->hashes = hashes != NULL ? hashes : t->hashes;
    if (slots == NULL || v == NULL || hashes == NULL) {
        mem_free(slots);
        return false;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t at = t->hashes[i] & (cap - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (cap - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(t->slots);
    t->slots = slots;
    t->cap = cap;
    t->v_cap = cap / 2;
    return true;
}

int64_t label_table_add(struct label_table *t, struct labels ls, bool copy)
{
    uint64_t h = labels_hash(ls);
    size_t at;

    if (t->n >= t->v_cap && (t->n >= UINT32_MAX - 1 || !table_grow(t))) {
        return -ERR_NOMEM;
    }
    at = probe(t, ls, h);
    if (t->slots[at] != 0) {
        return t->slots[at] - 1;
    }
    if (copy && ls.n != 0) {
        struct label *v = arena_array(t->arena, struct label, ls.n);

        if (v == NULL) {
            return -ERR_NOMEM;
        }
        memcpy(v, ls.v, ls.n * sizeof(*v));
        ls.v = v;
    }
    t->v[t->n] = ls;
    t->hashes[t->n] = h;
    t->slots[at] = (uint32_t)++t->n;
    return (int64_t)t->n - 1;
}

int64_t label_table_find(const struct label_table *t, struct labels ls)
{
    return t->cap == 0 ? -1 : (int64_t)t->slots[probe(t, ls, labels_hash(ls))] - 1;
}

/* --- Label sets --- */

struct labels labels_pick(struct labels ls, const struct str *names, size_t n, bool keep,
                          const struct eval *unnamed, struct label *dst)
{
    size_t out = 0;
    size_t j = 0;

    for (size_t i = 0; i < ls.n; i++) {
        int c = 1;

        while (j < n && (c = str_cmp(names[j], ls.v[i].name)) < 0) {
            j++;
        }
        if ((j < n && c == 0) == keep &&
            (keep || unnamed == NULL || meta_at(ls.v[i].name, meta_n(unnamed)) < 0)) {
            dst[out++] = ls.v[i];
        }
    }
    return (struct labels){dst, out};
}

int labels_set(struct eval *ev, struct labels ls, struct str name, struct str value,
               struct labels *ret)
{
    struct label *v = arena_array(&ev->arena, struct label, ls.n + 1);
    size_t out = 0;
    bool placed = value.n == 0;

    if (v == NULL) {
        return eval_no_memory(ev);
    }
    for (size_t i = 0; i < ls.n; i++) {
        int c = str_cmp(ls.v[i].name, name);

        if (c >= 0 && !placed) {
            v[out++] = (struct label){name, value};
            placed = true;
        }
        if (c != 0) {
            v[out++] = ls.v[i];
        }
    }
    if (!placed) {
        v[out++] = (struct label){name, value};
    }
    *ret = (struct labels){v, out};
    return 0;
}

void labels_print(struct labels ls, struct buf *dst)
{
    buf_add_byte(dst, '{');
    for (size_t i = 0; i < ls.n; i++) {
        buf_add_cstr(dst, i == 0 ? "" : ", ");
        buf_add_str(dst, ls.v[i].name);
        buf_add_byte(dst, '=');
        go_quote(ls.v[i].value, dst);
    }
    buf_add_byte(dst, '}');
}

size_t mat_max_labels(const struct mat *m)
{
    size_t most = 0;

    for (size_t i = 0; i < m->n; i++) {
        most = m->labels[i].n > most ? m->labels[i].n : most;
    }
    return most;
}
