/* SPDX-License-Identifier: Apache-2.0
 *
 * The series section is read from its start to its end: no postings are needed to see everything. Every offset and
 * length is checked against the section it lies in before it is followed; checksums are checked, too.
 */
#include "ingest/blocks/block.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "codec/varint.h"
#include "ingest/blocks/hist_chunk.h"
#include "ingest/blocks/xor_chunk.h"

enum {
    INDEX_MAGIC = 0xBAAAD700u,
    CHUNKS_MAGIC = 0x85BD40DDu,
    TOMBSTONES_MAGIC = 0x0130BA30u,
    HEADER_BYTES = 5,
    TOC_BYTES = 6 * 8 + 4,
    CHUNK_HEADER_BYTES = 8,
    SERIES_ALIGN = 16,
    ENCODING_XOR = 1,
    ENCODING_HISTOGRAM = 2,
    ENCODING_FLOAT_HISTOGRAM = 3,
    LABELS_MAX = 1024,
};

/** A deleted stretch of time of one series. */
struct gone {
    uint64_t series; /* reference: offset / 16 */
    int64_t min_ms, max_ms;
};

struct prom_block {
    char *dir;
    struct mapping index_file, tombstones_file;
    struct mapping *segment_files; /* owned, when mapped */
    struct str index;
    struct str *segments; /* owned array */
    size_t segments_n;
    struct str *symbols; /* owned array */
    size_t symbols_n;
    uint64_t series_at, series_end;
    VEC(struct gone) gone; /* by series */
    bool unchecked; /* checksums are not looked at: only for the fuzzer, which never finds them */
};

/** Bytes with an end; a read beyond it sets `bad` and gives zeros. */
struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static struct cursor cursor_of(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;

    return (struct cursor){p, s.n != 0 ? p + s.n : p, false}; /* an empty one may point nowhere */
}

static uint64_t big_endian(struct cursor *c, size_t n)
{
    uint64_t v = 0;

    if ((size_t)(c->end - c->p) < n) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | *c->p++;
    }
    return v;
}

static uint64_t uvarint(struct cursor *c)
{
    uint64_t v = 0;
    int n = varint_get(c->p, c->end, &v);

    if (n <= 0) {
        c->bad = true;
        return 0;
    }
    c->p += n;
    return v;
}

static int64_t svarint(struct cursor *c)
{
    return zigzag_decode(uvarint(c));
}

static struct str bytes(struct cursor *c, uint64_t n)
{
    struct str s = {0};

    if ((uint64_t)(c->end - c->p) < n) {
        c->bad = true;
        return s;
    }
    s = str_of((const char *)c->p, (size_t)n);
    c->p += n;
    return s;
}

static int damaged(const struct prom_block *b, struct err *reterr, const char *what, uint64_t at)
{
    return err_set(reterr, ERR_CORRUPT, "%s: %s at byte %llu of the index", b->dir, what,
                   (unsigned long long)at);
}

/** Read a CRC-32C and compare it. */
static bool sum_fits(const struct prom_block *b, struct cursor *c, struct str of)
{
    uint64_t want = big_endian(c, 4);

    return !c->bad && (b->unchecked || want == crc32c(0, of.p, of.n));
}

/** {u32 length, bytes, u32 CRC-32C} at an offset: the bytes. */
static bool section_at(const struct prom_block *b, uint64_t at, struct str *ret)
{
    struct cursor c;
    struct str body;
    uint64_t n;

    if (at > b->index.n) {
        return false;
    }
    c = cursor_of(str_drop(b->index, (size_t)at));
    n = big_endian(&c, 4);
    body = bytes(&c, n);
    if (!sum_fits(b, &c, body)) {
        return false;
    }
    *ret = body;
    return true;
}

static int read_symbols(struct prom_block *b, uint64_t at, struct err *reterr)
{
    struct str section;
    struct cursor c;
    uint64_t n;

    if (!section_at(b, at, &section)) {
        return damaged(b, reterr, "the symbols are damaged", at);
    }
    c = cursor_of(section);
    n = big_endian(&c, 4);
    if (n > section.n) {
        return damaged(b, reterr, "more symbols than bytes", at);
    }
    b->symbols = mem_try_calloc((size_t)n + 1, sizeof(*b->symbols));
    if (b->symbols == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the symbols of %s", b->dir);
    }
    for (uint64_t i = 0; i < n; i++) {
        b->symbols[i] = bytes(&c, uvarint(&c));
    }
    b->symbols_n = (size_t)n;
    return c.bad ? damaged(b, reterr, "the symbols are cut off", at) : 0;
}

/** Table of contents: where sections begin, 0 when there is none. Series end where the next section begins. */
static int read_toc(struct prom_block *b, uint64_t *ret_symbols, struct err *reterr)
{
    struct str toc;
    struct cursor c;
    uint64_t at[6];

    if (b->index.n < HEADER_BYTES + TOC_BYTES) {
        return err_set(reterr, ERR_CORRUPT, "%s: the index is cut off", b->dir);
    }
    c = cursor_of(b->index);
    if (big_endian(&c, 4) != INDEX_MAGIC) {
        return err_set(reterr, ERR_CORRUPT, "%s: not the index of a Prometheus block", b->dir);
    }
    if (big_endian(&c, 1) != 2) {
        return err_set(reterr, ERR_UNSUPPORTED,
                       "%s: index version %u; version 2 (since Prometheus 2.0) is read", b->dir,
                       (unsigned)(uint8_t)b->index.p[4]);
    }
    toc = str_drop(b->index, b->index.n - TOC_BYTES);
    c = cursor_of(toc);
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        at[i] = big_endian(&c, 8);
    }
    if (!sum_fits(b, &c, str_take(toc, 48))) {
        return err_set(reterr, ERR_CORRUPT, "%s: the table of contents is damaged", b->dir);
    }
    b->series_at = at[1];
    b->series_end = b->index.n - TOC_BYTES;
    for (size_t i = 2; i < ARRAY_LEN(at); i++) {
        b->series_end = at[i] > b->series_at && at[i] < b->series_end ? at[i] : b->series_end;
    }
    *ret_symbols = at[0];
    return b->series_at <= b->series_end ? 0
                                         : damaged(b, reterr, "no room for series", b->series_at);
}

static int by_series(const void *pa, const void *pb)
{
    const struct gone *a = pa;
    const struct gone *b = pb;

    return (a->series > b->series) - (a->series < b->series);
}

static int read_tombstones(struct prom_block *b, struct str file, struct err *reterr)
{
    struct cursor c = cursor_of(file);
    struct str body;

    if (file.n == 0) {
        return 0;
    }
    if (file.n < HEADER_BYTES + 4 || big_endian(&c, 4) != TOMBSTONES_MAGIC ||
        big_endian(&c, 1) != 1) {
        return err_set(reterr, ERR_CORRUPT, "%s: not a file of tombstones", b->dir);
    }
    body = str_of(file.p + HEADER_BYTES, file.n - HEADER_BYTES - 4);
    c = cursor_of(str_drop(file, file.n - 4));
    if (!sum_fits(b, &c, body)) {
        return err_set(reterr, ERR_CORRUPT, "%s: the tombstones are damaged", b->dir);
    }
    c = cursor_of(body);
    while (c.p < c.end && !c.bad) {
        struct gone g = {.series = uvarint(&c)};

        g.min_ms = svarint(&c);
        g.max_ms = svarint(&c);
        if (!vec_push(&b->gone, g)) {
            return err_set(reterr, ERR_NOMEM, "no memory for the tombstones of %s", b->dir);
        }
    }
    if (c.bad) {
        return err_set(reterr, ERR_CORRUPT, "%s: the tombstones are cut off", b->dir);
    }
    if (b->gone.n > 1) {
        qsort(b->gone.v, b->gone.n, sizeof(*b->gone.v), by_series);
    }
    return 0;
}

static int check_segments(const struct prom_block *b, struct err *reterr)
{
    for (size_t i = 0; i < b->segments_n; i++) {
        struct cursor c = cursor_of(b->segments[i]);

        if (big_endian(&c, 4) != CHUNKS_MAGIC || big_endian(&c, 1) != 1 || c.bad) {
            return err_set(reterr, ERR_CORRUPT, "%s: chunks/%06zu is not a file of chunks", b->dir,
                           i + 1);
        }
    }
    return 0;
}

static int take_all(struct prom_block *b, struct str tombstones, struct err *reterr)
{
    uint64_t symbols = 0;
    int rc = read_toc(b, &symbols, reterr);

    rc = rc < 0 ? rc : read_symbols(b, symbols, reterr);
    rc = rc < 0 ? rc : check_segments(b, reterr);
    return rc < 0 ? rc : read_tombstones(b, tombstones, reterr);
}

int prom_block_parse(struct str index, const struct str *segments, size_t segments_n,
                     struct str tombstones, bool unchecked, struct prom_block **ret,
                     struct err *reterr)
{
    struct prom_block *b = mem_xcalloc(1, sizeof(*b));
    int rc;

    b->unchecked = unchecked;
    b->dir = mem_xstrdup("block");
    b->index = index;
    b->segments = mem_xcalloc(segments_n + 1, sizeof(*b->segments));
    memcpy(b->segments, segments, segments_n * sizeof(*segments));
    b->segments_n = segments_n;
    rc = take_all(b, tombstones, reterr);
    if (rc < 0) {
        prom_block_close(b);
        return rc;
    }
    *ret = b;
    return 0;
}

static int map_at(const char *dir, const char *name, struct mapping *ret, struct err *reterr)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);

    return vfs_map(path, ret, reterr);
}

/** chunks/000001 and so on, without gaps. */
static int map_segments(struct prom_block *b, struct err *reterr)
{
    char *dir CLEANUP(mem_free_ptr) = vfs_join(b->dir, "chunks");
    char **names = NULL;
    size_t names_n = 0;
    int rc;

    rc = vfs_list(dir, &names, &names_n, reterr);
    if (rc < 0) {
        return rc;
    }
    b->segment_files = mem_xcalloc(names_n + 1, sizeof(*b->segment_files));
    b->segments = mem_xcalloc(names_n + 1, sizeof(*b->segments));
    for (size_t i = 0; rc == 0 && i < names_n; i++) {
        char want[24];

        snprintf(want, sizeof(want), "%06zu", i + 1);
        rc = strcmp(names[i], want) != 0
                 ? err_set(reterr, ERR_CORRUPT, "%s: chunks/%s is missing", b->dir, want)
                 : map_at(dir, names[i], &b->segment_files[i], reterr);
        if (rc == 0) {
            b->segments[i] = str_of((const char *)b->segment_files[i].p, b->segment_files[i].n);
            b->segments_n++;
        }
    }
    vfs_list_free(names, names_n);
    return rc;
}

int prom_block_open(const char *dir, struct prom_block **ret, struct err *reterr)
{
    struct prom_block *b = mem_xcalloc(1, sizeof(*b));
    struct err none = {0};
    int rc;

    b->dir = mem_xstrdup(dir);
    rc = map_at(dir, "index", &b->index_file, reterr);
    rc = rc < 0 ? rc : map_segments(b, reterr);
    if (rc == 0) {
        int t = map_at(dir, "tombstones", &b->tombstones_file, &none);

        rc = t == -ERR_NOT_FOUND ? 0 : t;
    }
    if (rc == 0) {
        b->index = str_of((const char *)b->index_file.p, b->index_file.n);
        rc = take_all(b, str_of((const char *)b->tombstones_file.p, b->tombstones_file.n), reterr);
    }
    if (rc < 0) {
        prom_block_close(b);
        return rc;
    }
    *ret = b;
    return 0;
}

void prom_block_close(struct prom_block *b)
{
    if (b == NULL) {
        return;
    }
    vfs_unmap(&b->index_file);
    vfs_unmap(&b->tombstones_file);
    for (size_t i = 0; b->segment_files != NULL && i < b->segments_n; i++) {
        vfs_unmap(&b->segment_files[i]);
    }
    mem_free(b->segment_files);
    mem_free(b->segments);
    mem_free(b->symbols);
    vec_done(&b->gone);
    mem_free(b->dir);
    mem_free(b);
}

/* ---- series ---- */

struct walk {
    const struct prom_block *b;
    const struct prom_block_visitor *to;
    struct label labels[LABELS_MAX];
    size_t labels_n;
    struct samples samples;
    struct hist_chunk histograms;
    size_t gone, gone_end; /* of the tombstones: those of this series */
    struct prom_block_counts counts;
    int to_rc; /* what the visitor said of a histogram */
};

static bool read_labels(struct walk *w, struct cursor *c)
{
    uint64_t n = uvarint(c);

    if (n > LABELS_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t name = uvarint(c);
        uint64_t value = uvarint(c);

        if (c->bad || name >= w->b->symbols_n || value >= w->b->symbols_n) {
            return false;
        }
        w->labels[i] = (struct label){w->b->symbols[name], w->b->symbols[value]};
    }
    w->labels_n = (size_t)n;
    return labels_normalize(w->labels, &w->labels_n);
}

static bool is_gone(const struct walk *w, int64_t t_ms)
{
    for (size_t i = w->gone; i < w->gone_end; i++) {
        if (t_ms >= w->b->gone.v[i].min_ms && t_ms <= w->b->gone.v[i].max_ms) {
            return true;
        }
    }
    return false;
}

static int on_histogram(void *arg, int64_t t_ms, const struct native_histogram *h,
                        struct err *reterr)
{
    struct walk *w = arg;

    if (is_gone(w, t_ms)) {
        return 0;
    }
    w->counts.histograms++;
    w->to_rc =
        w->to->histogram(w->to->arg, (struct labels){w->labels, w->labels_n}, t_ms, h, reterr);
    return w->to_rc;
}

/** {uvarint length, u8 encoding, data, u32 CRC-32C of encoding and data} */
static int read_chunk(struct walk *w, uint64_t ref, struct err *reterr)
{
    uint64_t segment = ref >> 32;
    uint64_t at = ref & UINT32_MAX;
    struct cursor c;
    struct str body;
    uint64_t n;

    if (segment >= w->b->segments_n || at < CHUNK_HEADER_BYTES || at > w->b->segments[segment].n) {
        return -ERR_CORRUPT;
    }
    c = cursor_of(str_drop(w->b->segments[segment], (size_t)at));
    n = uvarint(&c);
    body = n < UINT32_MAX ? bytes(&c, n + 1) : (struct str){0};
    if (body.n == 0 || !sum_fits(w->b, &c, body)) {
        return -ERR_CORRUPT;
    }
    switch (body.p[0]) {
    case ENCODING_XOR:
        return xor_chunk_decode(str_drop(body, 1), &w->samples);
    case ENCODING_HISTOGRAM:
    case ENCODING_FLOAT_HISTOGRAM:
        return hist_chunk_decode(&w->histograms, str_drop(body, 1),
                                 body.p[0] == ENCODING_FLOAT_HISTOGRAM, on_histogram, w, reterr);
    default:
        w->counts.unknown_chunks++;
        return 0;
    }
}

static int read_chunks(struct walk *w, struct cursor *c, struct err *reterr)
{
    uint64_t n = uvarint(c);
    uint64_t ref = 0;
    int rc = 0;

    if (n > (uint64_t)(c->end - c->p)) {
        return -ERR_CORRUPT;
    }
    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        ignore_result((int)(i == 0 ? (uint64_t)svarint(c) : uvarint(c)),
                      "the chunk has its times itself");
        ignore_result((int)uvarint(c), "likewise");
        ref = i == 0 ? uvarint(c) : ref + (uint64_t)svarint(c);
        rc = c->bad ? -ERR_CORRUPT : read_chunk(w, ref, reterr);
    }
    return rc;
}

struct timed {
    int64_t t_ms;
    size_t order; /* of arrival: of equal times the later one wins */
    double v;
};

static int by_time(const void *pa, const void *pb)
{
    const struct timed *a = pa;
    const struct timed *b = pb;

    if (a->t_ms != b->t_ms) {
        return a->t_ms < b->t_ms ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

/** Chunks of out-of-order samples may overlap others. */
static int sort_samples(struct samples *s)
{
    struct timed *v;
    bool rising = true;

    for (size_t i = 1; rising && i < s->n; i++) {
        rising = s->t_ms[i - 1] < s->t_ms[i];
    }
    if (rising) {
        return 0;
    }
    v = mem_try_alloc(s->n * sizeof(*v));
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < s->n; i++) {
        v[i] = (struct timed){s->t_ms[i], i, s->v[i]};
    }
    qsort(v, s->n, sizeof(*v), by_time);
    for (size_t i = 0; i < s->n; i++) {
        s->t_ms[i] = v[i].t_ms;
        s->v[i] = v[i].v;
    }
    mem_free(v);
    return 0;
}

/** Which tombstones are of this series: series come in the order of their references. */
static void find_gone(struct walk *w, uint64_t series)
{
    const struct gone *gone = w->b->gone.v;

    w->gone = w->gone_end;
    while (w->gone < w->b->gone.n && gone[w->gone].series < series) {
        w->gone++;
    }
    w->gone_end = w->gone;
    while (w->gone_end < w->b->gone.n && gone[w->gone_end].series == series) {
        w->gone_end++;
    }
}

/** Leave out what was deleted, and of equal times all but the last. */
static void clean_samples(struct walk *w)
{
    struct samples *s = &w->samples;
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (!(i + 1 < s->n && s->t_ms[i + 1] == s->t_ms[i]) && !is_gone(w, s->t_ms[i])) {
            s->t_ms[kept] = s->t_ms[i];
            s->v[kept++] = s->v[i];
        }
    }
    s->n = kept;
}

/** One entry: {uvarint length, body, u32 CRC-32C}. *ret_more: false when only padding is left. */
static int read_entry(struct walk *w, uint64_t *at, bool *ret_more, struct err *reterr)
{
    const struct prom_block *b = w->b;
    struct cursor c;
    struct str body;
    uint64_t start = (*at + SERIES_ALIGN - 1) / SERIES_ALIGN * SERIES_ALIGN;
    uint64_t n;
    int rc;

    *ret_more = start < b->series_end;
    if (!*ret_more) {
        return 0;
    }
    c = cursor_of(str_of(b->index.p + start, (size_t)(b->series_end - start)));
    n = uvarint(&c);
    *ret_more = n != 0;
    if (!*ret_more) {
        return 0;
    }
    body = bytes(&c, n);
    if (!sum_fits(b, &c, body)) {
        return damaged(b, reterr, "a series is damaged", start);
    }
    *at = b->series_end - (uint64_t)(c.end - c.p);
    c = cursor_of(body);
    if (!read_labels(w, &c)) {
        return damaged(b, reterr, "labels of a series make no sense", start);
    }
    w->samples.n = 0;
    find_gone(w, start / SERIES_ALIGN);
    w->to_rc = 0;
    rc = read_chunks(w, &c, reterr);
    if (w->to_rc != 0) {
        return w->to_rc;
    }
    rc = rc < 0 ? rc : sort_samples(&w->samples);
    if (rc == -ERR_NOMEM) {
        return err_set(reterr, ERR_NOMEM, "no memory for the samples of a series of %s", b->dir);
    }
    if (rc < 0) {
        return damaged(b, reterr, "a chunk is damaged of the series", start);
    }
    clean_samples(w);
    return 0;
}

int prom_block_each(const struct prom_block *b, const struct prom_block_visitor *v,
                    struct prom_block_counts *ret, struct err *reterr)
{
    struct walk *w = mem_try_calloc(1, sizeof(*w));
    uint64_t at = b->series_at;
    bool more = true;
    int rc = 0;

    if (w == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to read %s", b->dir);
    }
    w->b = b;
    w->to = v;
    while (rc == 0 && more) {
        rc = read_entry(w, &at, &more, reterr);
        if (rc == 0 && more) {
            w->counts.series++;
            w->counts.samples += w->samples.n;
            rc = v->series(v->arg, (struct labels){w->labels, w->labels_n}, &w->samples, reterr);
        }
    }
    *ret = w->counts;
    samples_done(&w->samples);
    hist_chunk_done(&w->histograms);
    mem_free(w);
    return rc;
}
