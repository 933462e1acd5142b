/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms to components. The hit path parses no labels: a component's door key is the series' key mixed with
 * the component's code.
 */
#include "store/tsdb/native.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

enum { CODE_MAX = 16, LABELS_MAX = 1024 };

/** What is being appended. */
struct appending {
    struct tsdb *db;
    struct tsdb_batch *batch;
    const struct native_series *series;
    int64_t t_ms;
    struct label *labels; /* owned; of the series with room for one more; NULL: not asked for yet */
    size_t labels_n;
    struct err *reterr;
};

/** A component: kind, schema and index in one number. */
static uint64_t code_of(char kind, int32_t schema, int32_t index)
{
    return (uint64_t)(unsigned char)kind << 48 | (uint64_t)(uint8_t)(schema + 64) << 40 |
           (uint64_t)((uint32_t)index ^ 0x80000000u);
}

static size_t code_text(uint64_t code, char dst[CODE_MAX])
{
    char kind = (char)(code >> 48);
    int schema = (int)(code >> 40 & 0xff) - 64;
    int n = 1;

    dst[0] = kind;
    if (kind == 'p' || kind == 'n') {
        dst[n++] = (char)(schema == NATIVE_SCHEMA_CUSTOM ? 'z' : 'a' + schema - NATIVE_SCHEMA_MIN);
    }
    if (kind == 'p' || kind == 'n' || kind == 'b') {
        n += snprintf(dst + n, CODE_MAX - (size_t)n, "%08x", (unsigned)(code & 0xffffffff));
    }
    return (size_t)n;
}

static struct hash128 component_key(struct hash128 key, uint64_t code)
{
    uint64_t mixed[3] = {key.lo, key.hi, code};

    return hash128(mixed, sizeof(mixed));
}

static int ask_labels(struct appending *a)
{
    struct labels ls = {NULL, 0};
    int rc = a->series->labels(a->series->arg, &ls, a->reterr);

    if (rc != 0) {
        return rc;
    }
    a->labels = mem_try_calloc(ls.n + 1, sizeof(*a->labels));
    if (a->labels == NULL) {
        return err_set(a->reterr, ERR_NOMEM, "no memory for labels");
    }
    if (ls.n != 0) {
        memcpy(a->labels, ls.v, ls.n * sizeof(*a->labels));
    }
    a->labels_n = ls.n;
    return 0;
}

static int intern(struct appending *a, uint64_t code, const struct hash128 *key,
                  struct series_ref *ret)
{
    char text[CODE_MAX];
    int rc = a->labels == NULL ? ask_labels(a) : 0;

    if (rc != 0) {
        return rc;
    }
    a->labels[a->labels_n] =
        (struct label){STR(LABEL_COMPONENT), str_of(text, code_text(code, text))};
    return tsdb_intern(a->db, (struct labels){a->labels, a->labels_n + 1}, key, ret, a->reterr);
}

static int put(struct appending *a, uint64_t code, double v)
{
    struct hash128 key = {0, 0};
    struct series_ref ref = {0};
    int rc = 0;

    if (a->series->door_key != NULL) {
        key = component_key(*a->series->door_key, code);
    }
    if (a->series->door_key == NULL || a->series->fresh || !tsdb_lookup(a->db, key, &ref)) {
        rc = intern(a, code, a->series->door_key != NULL ? &key : NULL, &ref);
    }
    if (rc == 0) {
        rc = tsdb_batch_add(a->batch, ref, a->t_ms, v);
        if (rc != 0) {
            return err_set(a->reterr, (enum err_code) - rc, "too many samples in one request");
        }
    }
    return rc;
}

static int put_buckets(struct appending *a, char kind, int32_t schema,
                       const struct native_buckets *b)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->n; i++) {
        if (b->v[i].count != 0) {
            rc = put(a, code_of(kind, schema, b->v[i].index), b->v[i].count);
        }
    }
    return rc;
}

static int put_all(struct appending *a, const struct native_histogram *h)
{
    unsigned hint = h->hint == NATIVE_NOT_RESET ? NATIVE_UNKNOWN : h->hint;
    int rc;

    if (sample_is_stale(h->sum)) {
        return put(a, code_of('c', 0, 0), h->sum);
    }
    rc = put(a, code_of('c', 0, 0), h->count);
    rc = rc == 0 ? put(a, code_of('s', 0, 0), h->sum) : rc;
    rc = rc == 0 ? put(a, code_of('m', 0, 0), (double)((h->schema + 64) * 4 + (int)hint)) : rc;
    if (rc == 0 && h->zero_count != 0) {
        rc = put(a, code_of('z', 0, 0), h->zero_count);
    }
    if (rc == 0 && h->zero_threshold != 0) {
        rc = put(a, code_of('t', 0, 0), h->zero_threshold);
    }
    for (size_t i = 0; rc == 0 && i < h->bounds_n; i++) {
        rc = put(a, code_of('b', 0, (int32_t)i), h->bounds[i]);
    }
    rc = rc == 0 ? put_buckets(a, 'n', h->schema, &h->negative) : rc;
    return rc == 0 ? put_buckets(a, 'p', h->schema, &h->positive) : rc;
}

int native_append_start(struct tsdb *db, struct tsdb_batch *b, const struct native_series *s,
                        int64_t t_ms, int64_t start_ms, struct err *reterr)
{
    struct appending a = {.db = db, .batch = b, .series = s, .t_ms = t_ms, .reterr = reterr};
    int rc = put(&a, code_of(NATIVE_CODE_START[0], 0, 0), (double)start_ms);

    mem_free(a.labels);
    return rc;
}

int native_append(struct tsdb *db, struct tsdb_batch *b, const struct native_series *s,
                  int64_t t_ms, const struct native_histogram *h, struct err *reterr)
{
    struct appending a = {.db = db, .batch = b, .series = s, .t_ms = t_ms, .reterr = reterr};
    int rc = put_all(&a, h);

    mem_free(a.labels);
    return rc;
}
