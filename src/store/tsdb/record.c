/* SPDX-License-Identifier: Apache-2.0
 *
 * Payload of the metrics log. A record is one commit: definitions of the series this epoch has not seen
 * yet, then samples. varint count, {varint ref, varint bytes, labels}; varint count, {zigzag varint ref
 * difference, zigzag varint time difference, 8 bytes value}.
 */
#include "base/err.h"
#include "codec/bits.h"
#include "store/tsdb/tsdb_internal.h"

enum { MAX_BYTES = 1 << 30 };

void record_init(struct record *r)
{
    buf_init(&r->series, MAX_BYTES);
    buf_init(&r->samples, MAX_BYTES);
    r->last_ref = 0;
    r->last_t = 0;
}

void record_done(struct record *r)
{
    buf_done(&r->series);
    buf_done(&r->samples);
}

void record_clear(struct record *r)
{
    buf_clear(&r->series);
    buf_clear(&r->samples);
    r->last_ref = 0;
    r->last_t = 0;
}

void record_add_series(struct record *r, uint64_t ref, struct labels labels, struct buf *scratch)
{
    buf_clear(scratch);
    labels_encode(labels, scratch);
    bits_add_varint(&r->series, ref);
    bits_add_varint(&r->series, scratch->n);
    buf_add_str(&r->series, buf_str(scratch));
    r->series.failed = r->series.failed || scratch->failed;
}

void record_add_sample(struct record *r, uint64_t ref, int64_t t_ms, double v)
{
    enum { MOST = 2 * BITS_VARINT_MAX + sizeof(v), ROOM = 4096 };

    uint8_t *p;
    size_t n;

    if (UNLIKELY(r->samples.cap - r->samples.n < MOST) && buf_reserve(&r->samples, ROOM) == NULL) {
        return;
    }
    p = (uint8_t *)r->samples.data + r->samples.n;
    n = bits_put_varint(p, bits_zigzag((int64_t)(ref - r->last_ref)));
    n += bits_put_varint(p + n, bits_zigzag((int64_t)((uint64_t)t_ms - (uint64_t)r->last_t)));
    memcpy(p + n, &v, sizeof(v));
    r->samples.n += n + sizeof(v);
    r->last_ref = ref;
    r->last_t = t_ms;
}

int record_decode(struct str payload, const struct record_ops *ops, void *arg)
{
    struct bits_reader r = bits_reader_of(payload.p, payload.n);
    uint64_t n = bits_read_varint(&r);
    uint64_t ref = 0;
    uint64_t t = 0;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t id = bits_read_varint(&r);
        struct str labels = bits_read_str(&r);
        int rc = r.bad ? -ERR_CORRUPT : ops->series(arg, id, labels);

        if (rc != 0) {
            return rc;
        }
    }
    n = bits_read_varint(&r);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bits;
        double v;
        int rc;

        ref += (uint64_t)bits_unzigzag(bits_read_varint(&r));
        t += (uint64_t)bits_unzigzag(bits_read_varint(&r));
        bits = bits_read_u64(&r);
        memcpy(&v, &bits, sizeof(v));
        rc = r.bad ? -ERR_CORRUPT : ops->sample(arg, ref, (int64_t)t, v);
        if (rc != 0) {
            return rc;
        }
    }
    return r.bad || r.p != r.end ? -ERR_CORRUPT : 0;
}
