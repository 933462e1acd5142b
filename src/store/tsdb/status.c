/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures for people: sizes, counts, and which labels cost most. Exact, computed when asked for; the
 * cardinality tables look at the head only.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/tsdb/rollup_internal.h"

/** A table under construction: name -> count over all shards. */
struct table {
    struct arena *a;
    struct map by_name; /* name -> index + 1 */
    VEC(struct tsdb_count) rows;
};

struct tables {
    struct table metrics, values, bytes, pairs;
    struct keymap seen; /* pairs of several shards count once */
    uint64_t label_pairs;
    struct buf text;
};

static int table_add(struct table *t, struct str name, uint64_t count)
{
    uintptr_t at = (uintptr_t)map_get(&t->by_name, name);
    struct str copy;

    if (at != 0) {
        t->rows.v[at - 1].count += count;
        return 0;
    }
    copy = arena_str_dup(t->a, name);
    if (copy.n != name.n || !vec_push(&t->rows, (struct tsdb_count){copy, count}) ||
        map_put(&t->by_name, copy, (void *)t->rows.n) < 0) {
        return -ERR_NOMEM;
    }
    return 0;
}

static int by_count(const void *a, const void *b)
{
    const struct tsdb_count *x = a;
    const struct tsdb_count *y = b;

    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : str_cmp(x->name, y->name);
}

static int table_finish(struct table *t, size_t limit, struct tsdb_count **ret, size_t *ret_n)
{
    size_t n = t->rows.n < limit ? t->rows.n : limit;
    struct tsdb_count *out = arena_array(t->a, struct tsdb_count, n != 0 ? n : 1);

    if (out != NULL && n != 0) {
        qsort(t->rows.v, t->rows.n, sizeof(*t->rows.v), by_count);
        memcpy(out, t->rows.v, n * sizeof(*out));
    }
    map_done(&t->by_name);
    vec_done(&t->rows);
    *ret = out;
    *ret_n = n;
    return out == NULL ? -ERR_NOMEM : 0;
}

static int count_pair(struct tables *t, const struct head_pair *p)
{
    uint64_t ignored;
    struct hash128 key = hash128(p->key, p->key_n);
    int rc;

    if (label_name_is_hidden(p->name)) {
        return 0;
    }
    if (!keymap_get(&t->seen, key, &ignored)) {
        t->label_pairs++;
        rc = keymap_put(&t->seen, key, 0);
        rc = rc == 0 ? table_add(&t->values, p->name, 1) : rc;
        if (rc < 0) {
            return rc;
        }
    }
    rc = table_add(&t->bytes, p->name, p->series.n * p->value.n);
    if (rc == 0 && str_eq(p->name, STR(LABEL_NAME))) {
        rc = table_add(&t->metrics, p->value, p->series.n);
    }
    buf_clear(&t->text);
    buf_add_str(&t->text, p->name);
    buf_add_byte(&t->text, '=');
    buf_add_str(&t->text, p->value);
    return rc == 0 ? table_add(&t->pairs, buf_str(&t->text), p->series.n) : rc;
}

static int count_labels(struct tsdb *db, struct tables *t)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        struct shard *s = &db->head.shards[i];

        rwlock_read(&s->lock);
        for (size_t k = 0; rc == 0 && k < s->pairs.n; k++) {
            rc = s->pairs.v[k] != NULL ? count_pair(t, s->pairs.v[k]) : 0;
        }
        rwlock_unlock(&s->lock);
    }
    return rc;
}

static void widen(struct tsdb_status *st, int64_t min_ms, int64_t max_ms)
{
    st->oldest_ms = min_ms < st->oldest_ms ? min_ms : st->oldest_ms;
    st->newest_ms = max_ms > st->newest_ms ? max_ms : st->newest_ms;
}

static void head_range(struct tsdb *db, struct tsdb_status *st)
{
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        struct shard *s = &db->head.shards[i];

        rwlock_read(&s->lock);
        st->head_bytes += s->label_bytes;
        for (uint32_t n = 0; n < s->next_number; n++) {
            const struct series *se = head_series_locked(s, n);

            for (const struct chunk *c = se != NULL ? se->first : NULL; c != NULL; c = c->next) {
                widen(st, c->min_ms, c->max_ms);
            }
            for (size_t k = 0; se != NULL && k < se->raw_n; k++) {
                widen(st, se->raw[k].t, se->raw[k].t);
            }
        }
        rwlock_unlock(&s->lock);
    }
}

static void part_figures(struct tsdb *db, struct tsdb_status *st)
{
    rwlock_read(&db->parts_lock);
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        const part_list *l = &db->rollups->tiers[k].parts;

        for (size_t i = 0; i < l->n; i++) {
            st->disk_bytes += part_info(l->v[i])->bytes;
            widen(st, part_info(l->v[i])->min_ms, part_info(l->v[i])->max_ms);
        }
        st->blocks += l->n;
    }
    for (size_t i = 0; i < db->parts.n; i++) {
        const struct part_info *p = part_info(db->parts.v[i]);

        st->stored_samples += p->samples_n;
        st->disk_bytes += p->bytes;
        widen(st, p->min_ms, p->max_ms);
    }
    st->blocks += db->parts.n;
    rwlock_unlock(&db->parts_lock);
}

void tsdb_disk_usage(struct tsdb *db, uint64_t *ret_parts, uint64_t *ret_wal)
{
    struct tsdb_status st = {0};

    part_figures(db, &st);
    *ret_parts = st.disk_bytes;
    *ret_wal = wal_bytes(db->wal);
}

int tsdb_status(struct tsdb *db, size_t limit, struct arena *a, struct tsdb_status *ret,
                struct err *reterr)
{
    struct tsdb_status st = {.oldest_ms = INT64_MAX, .newest_ms = INT64_MIN};
    struct tables t = {.metrics.a = a, .values.a = a, .bytes.a = a, .pairs.a = a};
    int rc = 0;

    st.active_series = atomic_load_explicit(&db->head.series_n, memory_order_relaxed);
    st.head_samples = atomic_load_explicit(&db->head.samples_n, memory_order_relaxed);
    st.head_bytes = atomic_load_explicit(&db->head.sample_bytes, memory_order_relaxed);
    st.wal_bytes = wal_bytes(db->wal);
    head_range(db, &st);
    part_figures(db, &st);
    st.stored_samples += st.head_samples;
    buf_init(&t.text, 2 << 20);
    rc = limit != 0 ? count_labels(db, &t) : 0;
    st.label_pairs = t.label_pairs;
    keymap_done(&t.seen);
    buf_done(&t.text);
    {
        int r[4] = {
            table_finish(&t.metrics, limit, &st.series_by_metric, &st.series_by_metric_n),
            table_finish(&t.values, limit, &st.values_by_label, &st.values_by_label_n),
            table_finish(&t.bytes, limit, &st.bytes_by_label, &st.bytes_by_label_n),
            table_finish(&t.pairs, limit, &st.series_by_pair, &st.series_by_pair_n),
        };

        for (int i = 0; i < 4; i++) {
            rc = rc == 0 ? r[i] : rc;
        }
    }
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "status over its memory");
    }
    *ret = st;
    return 0;
}

size_t tsdb_jobs(struct tsdb *db, struct tsdb_job *dst, size_t cap)
{
    const struct tsdb_job jobs[] = {
        {
            .name = "flush",
            .running = atomic_load_explicit(&db->flush_running, memory_order_relaxed),
            .progress =
                (double)atomic_load_explicit(&db->flush_permille, memory_order_relaxed) / 1000,
            .last_ms = atomic_load_explicit(&db->flush_last_ms, memory_order_relaxed),
            .runs = atomic_load_explicit(&db->flush_runs, memory_order_relaxed),
        },
        {
            .name = "merge",
            .running = atomic_load_explicit(&db->merge_running, memory_order_relaxed),
            .progress =
                (double)atomic_load_explicit(&db->merge_permille, memory_order_relaxed) / 1000,
            .last_ms = atomic_load_explicit(&db->merge_last_ms, memory_order_relaxed),
            .runs = atomic_load_explicit(&db->merge_runs, memory_order_relaxed),
        },
        {
            .name = "rollup",
            .running = atomic_load_explicit(&db->rollups->running, memory_order_relaxed),
            .progress =
                (double)atomic_load_explicit(&db->rollups->permille, memory_order_relaxed) / 1000,
            .last_ms = atomic_load_explicit(&db->rollups->last_ms, memory_order_relaxed),
            .runs = atomic_load_explicit(&db->rollups->runs, memory_order_relaxed),
            .failures = atomic_load_explicit(&db->rollups->failures, memory_order_relaxed),
            .waiting = atomic_load_explicit(&db->rollups->waiting, memory_order_relaxed),
        },
    };
    size_t n = cap < ARRAY_LEN(jobs) ? cap : ARRAY_LEN(jobs);

    memcpy(dst, jobs, n * sizeof(*dst));
    return n;
}
