/* SPDX-License-Identifier: Apache-2.0
 *
 * A few answers, each one allocation: the name, then all strings one after the other, found by their ends.
 */
#include "store/tsdb/label_cache.h"

#include "base/lock.h"

enum {
    ANSWERS = 16,
    ANSWER_BYTES = 1 << 20, /* larger ones are made anew each time */
};

struct answer {
    struct label_key key;
    uint64_t used; /* of the cache's clock */
    uint32_t name_n;
    uint32_t n;
    uint32_t text_n;
    uint32_t ends[]; /* of the strings in the text, then the name, then the text */
};

struct label_cache {
    struct mutex lock;
    uint64_t clock;                  /* guarded by: lock */
    struct answer *answers[ANSWERS]; /* owned; guarded by: lock */
};

static char *name_of(struct answer *x)
{
    return (char *)(x->ends + x->n);
}

struct label_cache *label_cache_new(void)
{
    struct label_cache *c = mem_xcalloc(1, sizeof(*c));

    mutex_init(&c->lock, LOCK_RANK_LEAF);
    return c;
}

void label_cache_free(struct label_cache *c)
{
    for (size_t i = 0; c != NULL && i < ANSWERS; i++) {
        mem_free(c->answers[i]);
    }
    if (c != NULL) {
        mutex_done(&c->lock);
        mem_free(c);
    }
}

static size_t find_locked(struct label_cache *c, struct str name)
{
    size_t i = 0;

    while (i < ANSWERS && (c->answers[i] == NULL ||
                           !str_eq(str_of(name_of(c->answers[i]), c->answers[i]->name_n), name))) {
        i++;
    }
    return i;
}

/** The strings of an answer in the caller's memory. @return false without memory */
static bool copy(struct answer *x, struct arena *a, struct str **ret)
{
    struct str *v = arena_array(a, struct str, x->n != 0 ? x->n : 1u);
    struct str text = arena_str_dup(a, str_of(name_of(x) + x->name_n, x->text_n));
    uint32_t at = 0;

    if (v == NULL || text.n != x->text_n) {
        return false;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        v[i] = str_of(text.p + at, x->ends[i] - at);
        at = x->ends[i];
    }
    *ret = v;
    return true;
}

bool label_cache_get(struct label_cache *c, struct str name, const struct label_key *key,
                     struct arena *a, struct str **ret, size_t *ret_n)
{
    bool found = false;
    size_t i;

    mutex_lock(&c->lock);
    i = find_locked(c, name);
    if (i < ANSWERS && memcmp(&c->answers[i]->key, key, sizeof(*key)) == 0) {
        c->answers[i]->used = ++c->clock;
        *ret_n = c->answers[i]->n;
        found = copy(c->answers[i], a, ret);
    }
    mutex_unlock(&c->lock);
    return found;
}

static struct answer *make(struct str name, const struct label_key *key, const struct str *v,
                           size_t n)
{
    size_t bytes = sizeof(struct answer) + n * sizeof(uint32_t) + name.n;
    uint32_t at = 0;
    struct answer *x;
    char *text;

    for (size_t i = 0; i < n && bytes <= ANSWER_BYTES; i++) {
        bytes += v[i].n;
    }
    x = bytes <= ANSWER_BYTES ? mem_try_alloc(bytes) : NULL;
    if (x == NULL) {
        return NULL;
    }
    *x = (struct answer){.key = *key, .name_n = (uint32_t)name.n, .n = (uint32_t)n};
    if (name.n != 0) {
        memcpy(name_of(x), name.p, name.n);
    }
    text = name_of(x) + name.n;
    for (size_t i = 0; i < n; i++) {
        if (v[i].n != 0) {
            memcpy(text + at, v[i].p, v[i].n);
        }
        at += (uint32_t)v[i].n;
        x->ends[i] = at;
    }
    x->text_n = at;
    return x;
}

void label_cache_put(struct label_cache *c, struct str name, const struct label_key *key,
                     const struct str *v, size_t n)
{
    struct answer *x = make(name, key, v, n);
    struct answer *old = NULL;
    size_t at;

    if (x == NULL) {
        return;
    }
    mutex_lock(&c->lock);
    at = find_locked(c, name);
    if (at == ANSWERS) {
        at = 0;
        for (size_t i = 1; i < ANSWERS && c->answers[at] != NULL; i++) {
            at = c->answers[i] == NULL || c->answers[i]->used < c->answers[at]->used ? i : at;
        }
    }
    old = c->answers[at];
    x->used = ++c->clock;
    c->answers[at] = x;
    mutex_unlock(&c->lock);
    mem_free(old);
}
