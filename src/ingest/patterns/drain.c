/* SPDX-License-Identifier: Apache-2.0
 *
 * Matching counts words only: punctuation and names are equal in a frame, values say nothing. The more clusters a
 * frame has, the less alike a line must be to join one, so that words drawn at random come together in the end.
 */
#include "ingest/patterns/drain.h"

#include "base/hash.h"
#include "ingest/patterns/mask.h"

enum { FRAME_FEW = 32, FRAME_MANY = 128 };

void drain_init(struct drain *d, const struct drain_limits *limits)
{
    *d = (struct drain){.limits = *limits};
}

void drain_free(struct cluster *c)
{
    mem_free(c->text);
    mem_free(c->tokens);
    mem_free(c);
}

static void unlink_use(struct cluster *c)
{
    struct service *s = c->service;

    *(c->newer != NULL ? &c->newer->older : &s->newest) = c->older;
    *(c->older != NULL ? &c->older->newer : &s->oldest) = c->newer;
    c->newer = c->older = NULL;
}

static void link_newest(struct cluster *c)
{
    struct service *s = c->service;

    c->older = s->newest;
    *(s->newest != NULL ? &s->newest->newer : &s->oldest) = c;
    s->newest = c;
}

static void use(struct cluster *c, int64_t now_ns)
{
    c->used_ns = now_ns;
    if (c->service->newest != c) {
        unlink_use(c);
        link_newest(c);
    }
}

static struct str frame_key(const struct frame *f)
{
    return str_of((const char *)&f->key, sizeof(f->key));
}

/* Out of the tree, not freed. */
static void take_out(struct drain *d, struct cluster *c)
{
    struct frame *f = c->frame;

    for (size_t i = 0; i < f->clusters.n; i++) {
        if (f->clusters.v[i] == c) {
            memmove(f->clusters.v + i, f->clusters.v + i + 1,
                    (f->clusters.n - i - 1) * sizeof(struct cluster *));
            f->clusters.n--;
            break;
        }
    }
    unlink_use(c);
    c->service->clusters_n--;
    d->clusters_n--;
    if (f->clusters.n == 0) {
        map_del(&c->service->frames, frame_key(f));
        vec_done(&f->clusters);
        mem_free(f);
    }
    c->frame = NULL;
}

static void service_free(struct drain *d, struct service *s)
{
    while (s->newest != NULL) {
        struct cluster *c = s->newest;

        take_out(d, c);
        drain_free(c);
    }
    map_del(&d->services, str_of(s->name, s->name_n));
    map_done(&s->frames);
    mem_free(s->name);
    mem_free(s);
}

void drain_done(struct drain *d)
{
    struct str key;
    void *s;
    size_t pos = 0;

    while (map_next(&d->services, &pos, &key, &s)) {
        service_free(d, s);
    }
    map_done(&d->services);
}

/* The service that has been silent the longest goes, when that is long enough. */
static bool service_room(struct drain *d, int64_t now_ns)
{
    struct service *oldest = NULL;
    struct str key;
    void *v;
    size_t pos = 0;

    if (d->services.n < d->limits.services) {
        return true;
    }
    while (map_next(&d->services, &pos, &key, &v)) {
        struct service *s = v;

        oldest = oldest == NULL || s->used_ns < oldest->used_ns ? s : oldest;
    }
    if (oldest == NULL || now_ns - oldest->used_ns < d->limits.idle_ns) {
        return false;
    }
    service_free(d, oldest);
    return true;
}

static struct service *service_get(struct drain *d, struct str name, int64_t now_ns)
{
    struct service *s = map_get(&d->services, name);

    if (s == NULL && service_room(d, now_ns)) {
        s = mem_try_calloc(1, sizeof(*s));
        if (s == NULL) {
            return NULL;
        }
        s->name = mem_try_alloc(name.n + 1);
        s->name_n = name.n;
        if (s->name == NULL) {
            mem_free(s);
            return NULL;
        }
        if (name.n != 0) {
            memcpy(s->name, name.p, name.n);
        }
        if (map_put(&d->services, str_of(s->name, s->name_n), s) < 0) {
            mem_free(s->name);
            mem_free(s);
            return NULL;
        }
    }
    if (s != NULL) {
        s->used_ns = now_ns;
    }
    return s;
}

static bool cluster_room(struct drain *d, struct service *s, int64_t now_ns)
{
    if (s->clusters_n >= d->limits.service_clusters) {
        struct cluster *c = s->oldest;

        if (c == NULL || now_ns - c->used_ns < d->limits.idle_ns) {
            return false;
        }
        take_out(d, c);
        drain_free(c);
    }
    return d->clusters_n < d->limits.clusters;
}

static struct frame *frame_get(struct service *s, uint64_t key, bool make)
{
    struct frame *f = map_get(&s->frames, str_of((const char *)&key, sizeof(key)));

    if (f != NULL || !make) {
        return f;
    }
    f = mem_try_calloc(1, sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    f->key = key;
    f->service = s;
    if (map_put(&s->frames, frame_key(f), f) < 0) {
        mem_free(f);
        return NULL;
    }
    return f;
}

/* ---- matching ---- */

struct likeness {
    unsigned words; /* of the template, wild ones too */
    unsigned equal;
    unsigned wild;
    bool first_equal;
};

static struct likeness compare(const struct cluster *c, const struct token *v)
{
    struct likeness l = {.first_equal = true};
    size_t header = tokens_header(c->tokens, c->tokens_n);
    bool first = true;

    for (size_t i = 0; i < c->tokens_n; i++) {
        const struct token *t = &c->tokens[i];
        bool same;

        if (t->kind == TOKEN_PUNCT || t->kind == TOKEN_NAME ||
            (t->kind == TOKEN_VALUE && v[i].kind == TOKEN_VALUE)) {
            continue;
        }
        same = t->kind == TOKEN_WORD && v[i].kind == TOKEN_WORD && t->hash == v[i].hash;
        if (i < header && (same || t->kind == TOKEN_WILD)) {
            continue;
        }
        l.words++;
        l.equal += same;
        l.wild += t->kind == TOKEN_WILD;
        if (first && i >= header) {
            l.first_equal = same || t->kind == TOKEN_WILD;
            first = false;
        }
    }
    return l;
}

/* The template says all of the line as it is. */
static bool fits(const struct likeness *l)
{
    return l->equal + l->wild == l->words;
}

/* In twentieths of the words. */
static bool alike(const struct likeness *l, size_t clusters_n)
{
    unsigned need = clusters_n < FRAME_FEW ? 12 : clusters_n < FRAME_MANY ? 8 : 0;

    if (clusters_n < FRAME_FEW && !l->first_equal) {
        return false;
    }
    return 20 * l->equal >= need * l->words;
}

/* Ties are decided by the id, so that the order of the list does not matter. */
static bool better(const struct likeness *l, const struct cluster *c, const struct likeness *most,
                   const struct cluster *best)
{
    uint64_t x = (uint64_t)l->equal * most->words;
    uint64_t y = (uint64_t)most->equal * l->words;

    return x > y || (x == y && c->id < best->id);
}

/* The template that fits and says the most, else the one most alike. */
static struct cluster *best_of(const struct frame *f, const struct token *v, size_t n)
{
    struct cluster *best = NULL;
    struct likeness most = {0};

    for (size_t i = 0; i < f->clusters.n; i++) {
        struct cluster *c = f->clusters.v[i];
        struct likeness l;

        if (c->tokens_n != n) {
            continue; /* two frames of one hash */
        }
        l = compare(c, v);
        if (l.equal == l.words) {
            return c;
        }
        if (!fits(&l) && (!alike(&l, f->clusters.n) || (best != NULL && fits(&most)))) {
            continue;
        }
        if (best == NULL || (fits(&l) && !fits(&most)) || better(&l, c, &most, best)) {
            best = c;
            most = l;
        }
    }
    return best;
}

/* Does `a` stand for every line that `b` stands for? */
static bool covers(const struct cluster *a, const struct cluster *b)
{
    if (a->tokens_n != b->tokens_n) {
        return false;
    }
    for (size_t i = 0; i < a->tokens_n; i++) {
        const struct token *x = &a->tokens[i];
        const struct token *y = &b->tokens[i];

        if (x->kind != TOKEN_WILD && (x->kind != y->kind || x->hash != y->hash)) {
            return false;
        }
    }
    return true;
}

/* The template with MASK_WILD wherever the line differs. @return false without memory */
static bool generalise(struct cluster *c, const struct token *v)
{
    char *text = mem_try_alloc(c->text_n + 1);
    size_t n = 0;

    if (text == NULL) {
        return false;
    }
    for (size_t i = 0; i < c->tokens_n; i++) {
        struct token *t = &c->tokens[i];
        bool differs = (t->kind == TOKEN_WORD || t->kind == TOKEN_VALUE) &&
                       (t->kind != v[i].kind || t->hash != v[i].hash);

        if (t->space) {
            text[n++] = ' ';
        }
        if (differs) {
            text[n] = MASK_WILD;
            t->kind = TOKEN_WILD;
            t->n = 1;
            t->hash = hash64(text + n, 1);
        } else {
            memcpy(text + n, c->text + t->at, t->n);
        }
        t->at = (uint16_t)n;
        n += t->n;
    }
    mem_free(c->text);
    c->text = text;
    c->text_n = n;
    return true;
}

static struct cluster *cover_others(struct drain *d, struct cluster *c)
{
    struct frame *f = c->frame;
    struct cluster *list = NULL;

    for (size_t i = f->clusters.n; i-- > 0;) {
        struct cluster *other = f->clusters.v[i];

        if (other != c && covers(c, other)) {
            take_out(d, other); /* never the frame's last: c stays */
            other->next = list;
            list = other;
        }
    }
    return list;
}

static struct cluster *add(struct drain *d, struct service *s, uint64_t key, struct str text,
                           const struct token *v, size_t n)
{
    struct frame *f = frame_get(s, key, true);
    struct cluster *c = mem_try_calloc(1, sizeof(*c));

    if (c == NULL || f == NULL) {
        mem_free(c);
        return NULL; /* an empty frame is found again and used */
    }
    c->text = mem_try_alloc(text.n + 1);
    c->tokens = mem_try_alloc((n + 1) * sizeof(*c->tokens));
    if (c->text == NULL || c->tokens == NULL || !vec_push(&f->clusters, c)) {
        drain_free(c);
        return NULL;
    }
    if (n != 0) {
        memcpy(c->text, text.p, text.n);
        memcpy(c->tokens, v, n * sizeof(*c->tokens));
    }
    c->text_n = text.n;
    c->tokens_n = n;
    c->service = s;
    c->frame = f;
    s->clusters_n++;
    d->clusters_n++;
    link_newest(c);
    return c;
}

uint64_t drain_id(struct str service, struct str text)
{
    uint64_t id = hash64_seed(text.p, text.n, hash64(service.p, service.n));

    return id != 0 ? id : 1;
}

void drain_match(struct drain *d, struct str service, struct str masked, int64_t now_ns,
                 struct drain_result *ret)
{
    struct token v[TOKENS_MAX];
    size_t n = tokens_cut(masked, v);
    uint64_t key = tokens_frame(v, n);
    struct service *s = service_get(d, service, now_ns);
    struct frame *f = s != NULL ? frame_get(s, key, false) : NULL;
    struct cluster *c = f != NULL ? best_of(f, v, n) : NULL;
    struct str text = str_take(masked, n != 0 ? (size_t)v[n - 1].at + v[n - 1].n : 0);

    *ret = (struct drain_result){0};
    if (s == NULL || n == 0) {
        return;
    }
    if (c != NULL) {
        struct likeness l = compare(c, v);

        if (!fits(&l)) {
            if (!generalise(c, v)) {
                return;
            }
            ret->changed = true;
            ret->merged = cover_others(d, c);
        }
        use(c, now_ns);
    } else {
        if (!cluster_room(d, s, now_ns)) {
            return;
        }
        c = add(d, s, key, text, v, n);
        if (c == NULL) {
            return;
        }
        c->used_ns = now_ns;
        c->id = drain_id(service, text);
        ret->created = true;
    }
    ret->id = c->id;
    ret->cluster = c;
}

bool drain_restore(struct drain *d, struct str service, uint64_t id, struct str text,
                   int64_t used_ns)
{
    struct token v[TOKENS_MAX];
    size_t n = tokens_cut(text, v);
    struct service *s = service_get(d, service, used_ns);
    struct cluster *c;

    if (s == NULL || n == 0 || !cluster_room(d, s, used_ns)) {
        return false;
    }
    c = add(d, s, tokens_frame(v, n), text, v, n);
    if (c != NULL) {
        c->id = id;
        c->used_ns = used_ns;
    }
    return c != NULL;
}

bool drain_adopt(struct cluster *c, uint64_t id, struct str text)
{
    struct token v[TOKENS_MAX];
    size_t n = tokens_cut(text, v);
    char *copy;

    if (n != c->tokens_n || tokens_frame(v, n) != c->frame->key) {
        return false;
    }
    copy = mem_try_alloc(text.n + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, text.p, text.n);
    memcpy(c->tokens, v, n * sizeof(*v));
    mem_free(c->text);
    c->text = copy;
    c->text_n = text.n;
    c->id = id;
    return true;
}
