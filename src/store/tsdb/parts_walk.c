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

static int read_all(struct input *in, size_t n, struct labels labels, struct samples *dst,
                    struct err *reterr)
{
    int rc = 0;

    dst->n = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t split = dst->n;

        if (!in[i].done && labels_eq(in[i].labels, labels)) {
            rc = part_read(&in[i].at, INT64_MIN, INT64_MAX, dst, reterr);
            if (rc == 0 && samples_join(dst, split) < 0) {
                rc = err_set(reterr, ERR_NOMEM, "joining samples of parts");
            }
        }
    }
    return rc;
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

static int walk(struct tsdb *db, struct input *in, size_t n, uint64_t all,
                _Atomic uint32_t *progress,
                int (*fn)(void *arg, struct labels labels, const struct samples *s,
                          struct err *reterr),
                void *arg, struct err *reterr)
{
    struct samples samples = {0};
    const struct input *min;
    uint64_t done = 0;
    int rc = 0;

    for (unsigned i = 1; rc == 0 && (min = smallest(in, n)) != NULL; i++) {
        if (i % UNLOAD_EVERY == 0) {
            unload(in, n);
        }
        if (i % CHECK_EVERY == 0) {
            if (atomic_load_explicit(&db->stop, memory_order_relaxed)) {
                rc = err_set(reterr, ERR_CANCELED, "closing");
                break;
            }
            if (progress != NULL) {
                atomic_store_explicit(progress, (uint32_t)(done * 1000 / (all + 1)),
                                      memory_order_relaxed);
            }
        }
        rc = read_all(in, n, min->labels, &samples, reterr);
        rc = rc == 0 ? fn(arg, min->labels, &samples, reterr) : rc;
        if (rc == 0) {
            rc = step_on(in, n, min, &done);
            rc = rc < 0 ? err_set(reterr, (enum err_code) - rc, "index of a part") : rc;
        }
    }
    unload(in, n);
    samples_done(&samples);
    return rc;
}

int parts_walk(struct tsdb *db, struct part *const *parts, size_t n, _Atomic uint32_t *progress,
               int (*fn)(void *arg, struct labels labels, const struct samples *s,
                         struct err *reterr),
               void *arg, struct err *reterr)
{
    struct input *in = mem_xcalloc(n + 1, sizeof(*in));
    uint64_t all = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        part_cursor_init(&in[i].at, parts[i]);
        arena_init(&in[i].arena, 64 << 20);
        in[i].n = (uint32_t)part_info(parts[i])->series_n;
        all += in[i].n;
        rc = load(&in[i], 0);
        rc = rc < 0 ? err_set(reterr, (enum err_code) - rc, "%s", part_dir(parts[i])) : rc;
    }
    rc = rc == 0 ? walk(db, in, n, all, progress, fn, arg, reterr) : rc;
    for (size_t i = 0; i < n; i++) {
        arena_done(&in[i].arena);
    }
    mem_free(in);
    return rc;
}
