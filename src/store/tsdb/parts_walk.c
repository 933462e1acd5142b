/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking the series of several parts of a day side by side, in order of labels, with their samples joined as a
 * query would see them. Memory: one series at a time.
 */
#include "base/err.h"
#include "store/tsdb/rollup_internal.h"

enum {
    CHECK_EVERY = 256,   /* series */
    UNLOAD_EVERY = 4096, /* series: some MB of each part stay in memory meanwhile */
};

struct input {
    struct part_cursor at;
    struct arena arena; /* labels of the series at hand */
    struct labels labels;
    uint32_t n;
    bool done;
};

static int load(struct input *in, uint32_t number)
{
    int rc;

    if (number >= in->n) {
        in->done = true;
        return 0;
    }
    arena_reset(&in->arena);
    rc = part_seek(&in->at, number);
    return rc == 0 ? part_labels(&in->at, &in->arena, &in->labels) : rc;
}

static const struct input *smallest(const struct input *in, size_t n)
{
    const struct input *min = NULL;

    for (size_t i = 0; i < n; i++) {
        if (!in[i].done && (min == NULL || labels_cmp(in[i].labels, min->labels) < 0)) {
            min = &in[i];
        }
    }
    return min;
}

static void unload(const struct input *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        part_unload(in[i].at.part);
    }
}

/** Step on wherever the series with the smallest labels is. `min` last: its labels are being compared. */
static int step_on(struct input *in, size_t n, const struct input *min, uint64_t *done)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (&in[i] != min && !in[i].done && labels_eq(in[i].labels, min->labels)) {
            rc = load(&in[i], in[i].at.number + 1);
            (*done)++;
        }
    }
    (*done)++;
    return rc == 0 ? load(&in[min - in], min->at.number + 1) : rc;
}

/** Where the series with these labels is, in the order of the parts. */
static size_t gather(struct input *in, size_t n, struct labels labels,
                     const struct part_cursor **dst)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        if (!in[i].done && labels_eq(in[i].labels, labels)) {
            dst[found++] = &in[i].at;
        }
    }
    return found;
}

struct walk {
    struct tsdb *db;
    struct input *in;
    size_t n;
    uint64_t all; /* series of all parts */
    _Atomic uint32_t *progress;
    parts_series_fn *fn;
    void *arg;
};

static int walk(struct walk *w, struct err *reterr)
{
    const struct part_cursor **at = mem_xcalloc(w->n + 1, sizeof(*at));
    const struct input *min;
    uint64_t done = 0;
    int rc = 0;

    for (unsigned i = 1; rc == 0 && (min = smallest(w->in, w->n)) != NULL; i++) {
        struct parts_series s = {.labels = min->labels, .at = at};

        if (i % UNLOAD_EVERY == 0) {
            unload(w->in, w->n);
        }
        if (i % CHECK_EVERY == 0) {
            if (atomic_load_explicit(&w->db->stop, memory_order_relaxed)) {
                rc = err_set(reterr, ERR_CANCELED, "closing");
                break;
            }
            if (w->progress != NULL) {
                atomic_store_explicit(w->progress, (uint32_t)(done * 1000 / (w->all + 1)),
                                      memory_order_relaxed);
            }
        }
        s.n = gather(w->in, w->n, min->labels, at);
        rc = w->fn(w->arg, &s, reterr);
        if (rc == 0) {
            rc = step_on(w->in, w->n, min, &done);
            rc = rc < 0 ? err_set(reterr, (enum err_code) - rc, "index of a part") : rc;
        }
    }
    unload(w->in, w->n);
    mem_free(at);
    return rc;
}

int parts_walk_series(struct tsdb *db, struct part *const *parts, size_t n,
                      _Atomic uint32_t *progress, parts_series_fn *fn, void *arg,
                      struct err *reterr)
{
    struct input *in = mem_xcalloc(n + 1, sizeof(*in));
    struct walk w = {.db = db, .in = in, .n = n, .progress = progress, .fn = fn, .arg = arg};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        part_cursor_init(&in[i].at, parts[i]);
        arena_init(&in[i].arena, 64 << 20);
        in[i].n = (uint32_t)part_info(parts[i])->series_n;
        w.all += in[i].n;
        rc = load(&in[i], 0);
        rc = rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", part_dir(parts[i])) : rc;
    }
    rc = rc == 0 ? walk(&w, reterr) : rc;
    for (size_t i = 0; i < n; i++) {
        arena_done(&in[i].arena);
    }
    mem_free(in);
    return rc;
}

int parts_join(const struct part_cursor *at, struct samples *dst, struct err *reterr)
{
    size_t split = dst->n;
    int rc = part_read(at, INT64_MIN, INT64_MAX, dst, reterr);

    if (rc == 0 && samples_join(dst, split) < 0) {
        rc = err_set(reterr, ERR_NOMEM, "joining samples of parts");
    }
    return rc;
}

struct samples_walk {
    parts_samples_fn *fn;
    void *arg;
    struct samples samples;
};

static int join_series(void *arg, const struct parts_series *s, struct err *reterr)
{
    struct samples_walk *w = arg;
    int rc = 0;

    w->samples.n = 0;
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        rc = parts_join(s->at[i], &w->samples, reterr);
    }
    return rc == 0 ? w->fn(w->arg, s->labels, &w->samples, reterr) : rc;
}

int parts_walk(struct tsdb *db, struct part *const *parts, size_t n, _Atomic uint32_t *progress,
               parts_samples_fn *fn, void *arg, struct err *reterr)
{
    struct samples_walk w = {.fn = fn, .arg = arg};
    int rc = parts_walk_series(db, parts, n, progress, join_series, &w, reterr);

    samples_done(&w.samples);
    return rc;
}
