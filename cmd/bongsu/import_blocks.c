/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks are read series by series and sent in requests of about 20,000 samples, oldest block first, so memory does
 * not depend on their size.
 */
#include "import_blocks.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/native_encode.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "codec/compress.h"
#include "codec/pb.h"
#include "ingest/blocks/block.h"

enum {
    REQUEST_SAMPLES = 20000,
    SERIES_SAMPLES = 5000,   /* of one series in one message: keeps requests near their size */
    REQUEST_BYTES = 4 << 20, /* histograms are larger than samples */
    REQUEST_BYTES_MAX = 64 << 20,
    TRIES = 6,
    PROGRESS_NS = 100000000,
};

/* Numbers of prometheus.WriteRequest, TimeSeries, Label, Sample and Histogram. */
enum {
    WRITE_SERIES = 1,
    SERIES_LABELS = 1,
    SERIES_POINTS = 2,
    SERIES_HISTOGRAMS = 4,
    PAIR_NAME = 1,
    PAIR_VALUE = 2
};

enum { SAMPLE_VALUE = 1, SAMPLE_TIME = 2, HISTOGRAM_TIME = 15 };

struct sender {
    const struct remote *r;
    struct buf body, packed;
    size_t samples;    /* in body */
    size_t open;       /* the series in body that histograms are added to; 0: none */
    size_t open_count; /* of them */
    uint64_t sent, total;
    uint64_t refused_requests;
    bool tty;
    struct mono shown;
};

static void progress(struct sender *s, bool end)
{
    double part = s->total != 0 ? (double)s->sent / (double)s->total : 1;
    int cells = (int)((part > 1 ? 1 : part) * 40);

    if (!s->tty || (!end && mono_since_ns(s->shown) < PROGRESS_NS)) {
        return;
    }
    s->shown = clock_mono();
    fprintf(stderr, "\r[%.*s%*s] %3.0f %%  %llu samples%s", cells,
            "########################################", 40 - cells, "", part * 100,
            (unsigned long long)s->sent, end ? "\n" : "");
}

/** @return 0; 1: the server left something out; -1: not stored. `*again` when it may be tried again */
static int post(struct sender *s, bool *again, struct err *reterr)
{
    static const char *const headers[] = {"Content-Type: application/x-protobuf",
                                          "Content-Encoding: snappy",
                                          "X-Prometheus-Remote-Write-Version: 0.1.0", NULL};
    struct http_answer a = {0};
    int rc = remote_post(s->r, "/api/v1/write", headers, buf_str(&s->packed), &a, reterr);

    *again = rc < 0 || a.status == 429 || a.status >= 500;
    if (rc == 0 && a.status / 100 != 2) {
        remote_error(&a, reterr);
        rc = a.status == 400 ? 1 : -1;
    }
    buf_done(&a.body);
    return rc < 0 ? -1 : rc;
}

static void close_series(struct sender *s)
{
    if (s->open != 0) {
        pb_end(&s->body, s->open);
        s->open = s->open_count = 0;
    }
}

static int flush(struct sender *s, struct err *reterr)
{
    bool again = true;
    int rc = -1;

    close_series(s);
    if (s->samples == 0) {
        return 0;
    }
    buf_clear(&s->packed);
    if (buf_status(&s->body) < 0 ||
        compress_to(COMPRESS_SNAPPY, buf_str(&s->body), 0, &s->packed, reterr) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for a request");
    }
    for (int i = 0; again && i < TRIES; i++) {
        if (i != 0) {
            clock_sleep_ms(250ll << i);
        }
        rc = post(s, &again, reterr);
    }
    if (rc == 1) {
        s->refused_requests++;
        fprintf(stderr, "%sbongsu import: %s\n", s->tty ? "\r" : "", reterr->msg);
    }
    s->sent += s->samples;
    s->samples = 0;
    buf_clear(&s->body);
    progress(s, false);
    return rc < 0 ? -ERR_UNAVAILABLE : 0;
}

/** Begin a series: its labels. @return for pb_end() */
static size_t begin_series(struct buf *b, struct labels labels)
{
    size_t series = pb_begin(b, WRITE_SERIES);

    for (size_t i = 0; i < labels.n; i++) {
        size_t label = pb_begin(b, SERIES_LABELS);

        pb_put_str(b, PAIR_NAME, labels.v[i].name);
        pb_put_str(b, PAIR_VALUE, labels.v[i].value);
        pb_end(b, label);
    }
    return series;
}

static void add_series(struct buf *b, struct labels labels, const struct samples *s, size_t from,
                       size_t n)
{
    size_t series = begin_series(b, labels);

    for (size_t i = from; i < from + n; i++) {
        size_t point = pb_begin(b, SERIES_POINTS);

        pb_put_f64(b, SAMPLE_VALUE, s->v[i]);
        pb_put_varint(b, SAMPLE_TIME, (uint64_t)s->t_ms[i]);
        pb_end(b, point);
    }
    pb_end(b, series);
}

/** Histograms of one series come one after another: they share a message. */
static int on_histogram(void *arg, struct labels labels, int64_t t_ms,
                        const struct native_histogram *h, struct err *reterr)
{
    struct sender *s = arg;
    size_t point;

    if (s->open == 0) {
        s->open = begin_series(&s->body, labels);
    }
    point = pb_begin(&s->body, SERIES_HISTOGRAMS);
    native_encode(NATIVE_WRITE, h, &s->body);
    pb_put_varint(&s->body, HISTOGRAM_TIME, (uint64_t)t_ms);
    pb_end(&s->body, point);
    s->samples++;
    if (++s->open_count >= SERIES_SAMPLES) {
        close_series(s);
    }
    return s->samples >= REQUEST_SAMPLES || s->body.n >= REQUEST_BYTES ? flush(s, reterr) : 0;
}

static int on_series(void *arg, struct labels labels, const struct samples *samples,
                     struct err *reterr)
{
    struct sender *s = arg;
    int rc = 0;

    close_series(s);
    for (size_t i = 0; rc == 0 && i < samples->n; i += SERIES_SAMPLES) {
        size_t n = samples->n - i < SERIES_SAMPLES ? samples->n - i : SERIES_SAMPLES;

        add_series(&s->body, labels, samples, i, n);
        s->samples += n;
        rc = s->samples >= REQUEST_SAMPLES ? flush(s, reterr) : 0;
    }
    return rc;
}

static bool is_block(const char *dir)
{
    char *index CLEANUP(mem_free_ptr) = vfs_join(dir, "index");
    char *chunks CLEANUP(mem_free_ptr) = vfs_join(dir, "chunks");
    struct stat st;

    return access(index, F_OK) == 0 && stat(chunks, &st) == 0 && S_ISDIR(st.st_mode);
}

struct found {
    char *dir;
    int64_t min_ms;
    uint64_t samples;
};

struct found_list {
    VEC(struct found) v;
};

/** What meta.json says; without one the block is read all the same. */
static struct found look_at(const char *dir)
{
    struct found f = {.dir = mem_xstrdup(dir)};
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, "meta.json");
    json_t *meta = json_load_file(path, 0, NULL);

    f.min_ms = json_integer_value(json_object_get(meta, "minTime"));
    f.samples =
        (uint64_t)json_integer_value(json_object_get(json_object_get(meta, "stats"), "numSamples"));
    json_decref(meta);
    return f;
}

static int by_time(const void *pa, const void *pb)
{
    const struct found *a = pa;
    const struct found *b = pb;

    return (a->min_ms > b->min_ms) - (a->min_ms < b->min_ms);
}

static void find_blocks(const char *path, struct found_list *l)
{
    char **names = NULL;
    size_t n = 0;

    if (is_block(path)) {
        struct found f = look_at(path);

        ignore_result(vec_push(&l->v, f), "a block more or less is counted below");
        return;
    }
    if (vfs_list(path, &names, &n, NULL) < 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char *dir CLEANUP(mem_free_ptr) = vfs_join(path, names[i]);

        if (is_block(dir)) {
            struct found f = look_at(dir);

            ignore_result(vec_push(&l->v, f), "a block more or less is counted below");
        }
    }
    vfs_list_free(names, n);
    if (l->v.n > 1) {
        qsort(l->v.v, l->v.n, sizeof(*l->v.v), by_time);
    }
}

static void found_done(struct found_list *l)
{
    for (size_t i = 0; i < l->v.n; i++) {
        mem_free(l->v.v[i].dir);
    }
    vec_done(&l->v);
}

bool is_prometheus_directory(const char *path)
{
    struct found_list l = {0};
    bool any;

    find_blocks(path, &l);
    any = l.v.n != 0;
    found_done(&l);
    return any;
}

static int import_one(struct sender *s, const char *dir, struct prom_block_counts *sum,
                      struct err *reterr)
{
    struct prom_block *b = NULL;
    struct prom_block_counts c = {0};
    const struct prom_block_visitor v = {s, on_series, on_histogram};
    int rc = prom_block_open(dir, &b, reterr);

    if (rc < 0) {
        return rc;
    }
    rc = prom_block_each(b, &v, &c, reterr);
    rc = rc < 0 ? rc : flush(s, reterr);
    prom_block_close(b);
    sum->series += c.series;
    sum->samples += c.samples;
    sum->histograms += c.histograms;
    sum->unknown_chunks += c.unknown_chunks;
    return rc;
}

static int import_found(struct sender *s, const struct found_list *l, struct prom_block_counts *sum)
{
    int code = 0;

    for (size_t i = 0; i < l->v.n; i++) {
        struct err e = {0};
        int rc = import_one(s, l->v.v[i].dir, sum, &e);

        if (rc < 0) {
            fprintf(stderr, "%sbongsu import: %s\n", s->tty ? "\r" : "", e.msg);
            code = 1;
        }
        if (rc == -ERR_UNAVAILABLE) {
            break; /* the server, not the block */
        }
    }
    return code;
}

int import_blocks(const struct remote *r, const char *path)
{
    struct sender s = {.r = r, .tty = isatty(STDERR_FILENO) != 0, .shown = clock_mono()};
    struct prom_block_counts sum = {0};
    struct found_list l = {0};
    int code;

    find_blocks(path, &l);
    for (size_t i = 0; i < l.v.n; i++) {
        s.total += l.v.v[i].samples;
    }
    buf_init(&s.body, REQUEST_BYTES_MAX);
    buf_init(&s.packed, REQUEST_BYTES_MAX);
    code = import_found(&s, &l, &sum);
    progress(&s, true);
    printf("%zu blocks, %llu series, %llu samples imported", l.v.n, (unsigned long long)sum.series,
           (unsigned long long)s.sent);
    if (sum.histograms != 0) {
        printf(", %llu of them native histograms", (unsigned long long)sum.histograms);
    }
    printf("\n");
    if (sum.unknown_chunks != 0) {
        printf("%llu chunks of an encoding that is not read were passed over\n",
               (unsigned long long)sum.unknown_chunks);
        code = 1;
    }
    if (s.refused_requests != 0) {
        printf("of %llu requests the server left something out (see above)\n",
               (unsigned long long)s.refused_requests);
        code = 1;
    }
    buf_done(&s.body);
    buf_done(&s.packed);
    found_done(&l);
    return code;
}
