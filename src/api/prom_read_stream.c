/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote read as STREAMED_XOR_CHUNKS: every frame is the length as a varint, a big-endian crc32c, and a
 * ChunkedReadResponse with chunks of one series. Source: prompb/remote.proto. A series goes over several frames when it
 * is large; no more than one is in memory.
 */
#include "api/prom_chunks.h"
#include "api/prom_read.h"
#include "base/hash.h"
#include "codec/pb.h"
#include "codec/varint.h"
#include "model/samples.h"

enum { FRAME_BYTES = 1 << 20, FRAME_MAX = 16 << 20, PIECE_BYTES = 64 << 10 };

struct stream {
    struct series_source src;
    struct read_request request;
    struct series_selection *sel; /* of query `query`; NULL: not yet */
    size_t query;
    size_t series; /* the next */
    struct samples floats;
    struct native_samples natives;
    size_t f, h; /* what is written of them */
};

static void stream_free(void *arg)
{
    struct stream *s = arg;

    s->src.ops->free(s->sel);
    read_request_done(&s->request);
    samples_done(&s->floats);
    native_samples_done(&s->natives);
    mem_free(s);
}

/** The next series with samples. @return 1; 0: no more; or an error */
static int load_next(struct stream *s)
{
    while (s->query < s->request.queries.n) {
        if (s->sel == NULL) {
            const struct series_query q = read_series_query(s->request.queries.v[s->query]);
            int rc = s->src.ops->select(s->src.impl, &q, &s->sel, NULL);

            if (rc < 0) {
                return rc;
            }
            s->series = 0;
        }
        while (s->series < s->src.ops->count(s->sel)) {
            size_t i = s->series++;
            int rc = s->src.ops->read(s->sel, i, &s->floats, NULL);

            s->natives.n = 0;
            if (rc == 0 && s->src.ops->has_histograms != NULL &&
                s->src.ops->has_histograms(s->sel, i)) {
                rc = s->src.ops->read_histograms(s->sel, i, &s->natives, NULL);
            }
            s->f = s->h = 0;
            if (rc < 0) {
                return rc;
            }
            if (s->floats.n != 0 || s->natives.n != 0) {
                return 1;
            }
        }
        s->src.ops->free(s->sel);
        s->sel = NULL;
        s->query++;
    }
    return 0;
}

static void put_chunk(struct buf *dst, int64_t min_ms, int64_t max_ms, enum prom_encoding type,
                      struct str data)
{
    size_t chunk = pb_begin(dst, 2);

    pb_put_varint(dst, 1, (uint64_t)min_ms);
    pb_put_varint(dst, 2, (uint64_t)max_ms);
    pb_put_varint(dst, 3, type);
    pb_put_str(dst, 4, data);
    pb_end(dst, chunk);
}

/** The next chunk of the series at hand, of the kind that comes next in time. */
static int next_chunk(struct stream *s, struct buf *data, struct buf *dst)
{
    size_t n = 0;
    int rc = 0;

    buf_clear(data);
    if (s->h == s->natives.n ||
        (s->f < s->floats.n && s->floats.t_ms[s->f] < s->natives.t_ms[s->h])) {
        const int64_t *t = s->floats.t_ms + s->f;

        while (s->f + n < s->floats.n && n < PROM_CHUNK_SAMPLES &&
               (s->h == s->natives.n || t[n] < s->natives.t_ms[s->h])) {
            n++;
        }
        prom_chunk_floats(t, s->floats.v + s->f, n, data);
        put_chunk(dst, t[0], t[n - 1], PROM_XOR, buf_str(data));
        s->f += n;
    } else {
        const int64_t *t = s->natives.t_ms + s->h;
        size_t end = s->natives.n - s->h;

        while (s->f < s->floats.n && end > 1 && s->floats.t_ms[s->f] <= t[end - 1]) {
            end--; /* up to the next float */
        }
        n = prom_chunk_run(&s->natives, s->h, s->h + end);
        rc = prom_chunk_histograms(&s->natives, s->h, n, data);
        put_chunk(dst, t[0], t[n - 1], PROM_FLOAT_HISTOGRAM, buf_str(data));
        s->h += n;
        while (s->f < s->floats.n && s->floats.t_ms[s->f] <= t[n - 1]) {
            s->f++; /* of one time with a histogram: that wins */
        }
    }
    return rc != 0 ? rc : buf_status(data);
}

static void put_frame(struct str message, struct buf *dst)
{
    uint8_t bytes[VARINT_MAX];
    uint32_t crc = crc32c(0, message.p, message.n);

    buf_add(dst, bytes, varint_put(bytes, message.n));
    for (int shift = 24; shift >= 0; shift -= 8) {
        buf_add_byte(dst, (char)(crc >> shift & 0xff));
    }
    buf_add(dst, message.p, message.n);
}

/** One frame of the series at hand. */
static int write_frame(struct stream *s, struct buf *dst)
{
    struct buf frame CLEANUP(buf_done) = {0};
    struct buf data CLEANUP(buf_done) = {0};
    size_t series;
    int rc = 0;

    buf_init(&frame, FRAME_MAX);
    buf_init(&data, FRAME_MAX);
    series = pb_begin(&frame, 1);
    read_put_labels(s->src.ops->labels(s->sel, s->series - 1), &frame);
    while (rc == 0 && frame.n < FRAME_BYTES && (s->f < s->floats.n || s->h < s->natives.n)) {
        rc = next_chunk(s, &data, &frame);
    }
    pb_end(&frame, series);
    pb_put_varint(&frame, 2, s->query);
    rc = rc != 0 ? rc : buf_status(&frame);
    if (rc == 0) {
        put_frame(buf_str(&frame), dst);
    }
    return rc;
}

static int stream_next(void *arg, struct buf *dst)
{
    struct stream *s = arg;
    size_t begin = dst->n;

    while (dst->n - begin < PIECE_BYTES) {
        int rc = 1;

        if (s->f == s->floats.n && s->h == s->natives.n) {
            rc = load_next(s);
        }
        if (rc <= 0) {
            return rc;
        }
        rc = write_frame(s, dst);
        if (rc < 0) {
            return rc;
        }
    }
    return buf_status(dst);
}

void read_stream(struct http_exchange *x, struct series_source src, struct read_request *r)
{
    struct stream *s = mem_try_calloc(1, sizeof(*s));
    struct http_source source = {.next = stream_next, .free = stream_free, .arg = s};

    if (s == NULL) {
        http_respond_errorf(x, ERR_NOMEM, "out of memory");
        return;
    }
    s->src = src;
    s->request = *r;
    *r = (struct read_request){0};
    http_respond_source(
        x, 200, "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", &source);
}
