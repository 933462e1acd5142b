/* SPDX-License-Identifier: Apache-2.0
 *
 * The set of batches and parts a query reads, pinned for as long as it runs. Taken under the engine's lock,
 * so a flush or merge is seen whole or not at all.
 */
#include "base/err.h"
#include "store/columns/columns_internal.h"
#include "store/columns/part.h"

static void copy_gen(struct snapshot *s, struct mem_gen *g, int64_t min_ns, int64_t max_ns)
{
    mem_gen_ref(g);
    s->gens[s->gens_n++] = g;
    for (size_t i = 0; i < g->chunks.n; i++) {
        const struct mem_chunk *c = &g->chunks.v[i];

        if (c->info.max_ns >= min_ns && c->info.min_ns < max_ns) {
            s->chunks[s->chunks_n++] = *c;
        }
    }
}

static bool snapshot_alloc(struct columns *c, struct snapshot *s)
{
    size_t chunks = c->active->chunks.n;

    for (size_t i = 0; i < c->sealed.n; i++) {
        chunks += c->sealed.v[i]->chunks.n;
    }
    s->gens = mem_try_calloc(c->sealed.n + 1, sizeof(struct mem_gen *));
    s->chunks = mem_try_calloc(chunks + 1, sizeof(*s->chunks));
    s->parts = mem_try_calloc(c->parts.n + 1, sizeof(struct part *));
    return s->gens != NULL && s->chunks != NULL && s->parts != NULL;
}

int snapshot_take(struct columns *c, int64_t min_ns, int64_t max_ns, struct snapshot *ret,
                  struct err *reterr)
{
    struct snapshot s = {.c = c};
    bool ok;

    mutex_lock(&c->lock);
    ok = snapshot_alloc(c, &s);
    if (ok) {
        for (size_t i = 0; i < c->sealed.n; i++) {
            copy_gen(&s, c->sealed.v[i], min_ns, max_ns);
        }
        copy_gen(&s, c->active, min_ns, max_ns);
        for (size_t i = 0; i < c->parts.n; i++) {
            struct part *p = c->parts.v[i];

            if (part_max_ns(p) >= min_ns && part_min_ns(p) < max_ns) {
                columns_part_ref(p);
                s.parts[s.parts_n++] = p;
            }
        }
    }
    mutex_unlock(&c->lock);
    if (!ok) {
        snapshot_done(&s);
        return err_set(reterr, ERR_NOMEM, "no memory for the list of parts");
    }
    *ret = s;
    return 0;
}

void snapshot_done(struct snapshot *s)
{
    for (size_t i = 0; i < s->gens_n; i++) {
        mem_gen_unref(s->gens[i]);
    }
    for (size_t i = 0; i < s->parts_n; i++) {
        columns_part_unref(s->parts[i]);
    }
    mem_free(s->gens);
    mem_free(s->chunks);
    mem_free(s->parts);
    *s = (struct snapshot){0};
}
