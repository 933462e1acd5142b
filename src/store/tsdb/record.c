/* SPDX-License-Identifier: Apache-2.0
 *
 * Payload of the metrics log. A record is one commit: definitions of the series this epoch has not seen
 * yet, then samples: series and time as differences, values as short integers where that is exact. Layout:
 * README.md, "Log records".
 */
#include "base/err.h"
#include "base/f64.h"
#include "codec/bits.h"
#include "store/tsdb/tsdb_internal.h"

enum { MAX_BYTES = 1 << 30 };

/** How a value lies in the log. */
enum value_kind { VALUE_BITS, VALUE_INT, VALUE_HUNDREDTHS, VALUE_THOUSANDTHS };

enum {
    OTHER_SHARD = 1, /* of the first number of a sample: the whole difference of references */
    KIND_SHIFT = 1,
    KIND_MASK = 3,
    REF_SHIFT = 3,
};

static const double SCALE[] = {
    [VALUE_INT] = 1, [VALUE_HUNDREDTHS] = 100, [VALUE_THOUSANDTHS] = 1000};

/** Integers that take no more than 7 bytes. */
static const double MAX_SHORT = 140737488355328.0; /* 2^47 */

static bool is_short(double v, enum value_kind kind, int64_t *ret)
{
    double scaled = v * SCALE[kind];
    double back;

    if (!(scaled > -MAX_SHORT && scaled < MAX_SHORT)) { /* also NaN */
        return false;
    }
    *ret = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    back = (double)*ret / SCALE[kind];
    return f64_same(back, v);
}

static enum value_kind shortest(double v, int64_t *ret)
{
    double whole = v;

    if (whole > -MAX_SHORT && whole < MAX_SHORT) { /* most are: no division */
        *ret = (int64_t)v;
        whole = (double)*ret;
        if (f64_same(whole, v)) {
            return VALUE_INT;
        }
    }
    return is_short(v, VALUE_HUNDREDTHS, ret)    ? VALUE_HUNDREDTHS
           : is_short(v, VALUE_THOUSANDTHS, ret) ? VALUE_THOUSANDTHS
                                                 : VALUE_BITS;
}

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

/** Series of a shard follow each other, so that the difference of their numbers says enough. */
static uint64_t ref_code(uint64_t ref, uint64_t last)
{
    uint64_t diff = ref - last;
    bool same = (diff & ((1u << HEAD_SHARD_BITS) - 1)) == 0;
    int64_t step = same ? (int64_t)diff >> HEAD_SHARD_BITS : (int64_t)diff;

    return bits_zigzag(step) << REF_SHIFT | (same ? 0u : OTHER_SHARD);
}

void record_add_sample(struct record *r, uint64_t ref, int64_t t_ms, double v)
{
    enum { MOST = 2 * BITS_VARINT_MAX + sizeof(v), ROOM = 4096 };

    uint8_t *p;
    int64_t i = 0;
    enum value_kind kind = shortest(v, &i);
    size_t n;

    if (UNLIKELY(r->samples.cap - r->samples.n < MOST) && buf_reserve(&r->samples, ROOM) == NULL) {
        return;
    }
    p = (uint8_t *)r->samples.data + r->samples.n;
    n = bits_put_varint(p, ref_code(ref, r->last_ref) | (uint64_t)kind << KIND_SHIFT);
    n += bits_put_varint(p + n, bits_zigzag((int64_t)((uint64_t)t_ms - (uint64_t)r->last_t)));
    if (kind == VALUE_BITS) {
        memcpy(p + n, &v, sizeof(v));
        n += sizeof(v);
    } else {
        n += bits_put_varint(p + n, bits_zigzag(i));
    }
    r->samples.n += n;
    r->last_ref = ref;
    r->last_t = t_ms;
}

static double read_value(struct bits_reader *r, enum value_kind kind)
{
    uint64_t bits;
    double v;

    if (kind != VALUE_BITS) {
        return (double)bits_unzigzag(bits_read_varint(r)) / SCALE[kind];
    }
    bits = bits_read_u64(r);
    memcpy(&v, &bits, sizeof(v));
    return v;
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
        uint64_t code = bits_read_varint(&r);
        uint64_t step = (uint64_t)bits_unzigzag(code >> REF_SHIFT);
        double v;
        int rc;

        ref += (code & OTHER_SHARD) != 0 ? step : step << HEAD_SHARD_BITS;
        t += (uint64_t)bits_unzigzag(bits_read_varint(&r));
        v = read_value(&r, (enum value_kind)(code >> KIND_SHIFT & KIND_MASK));
        rc = r.bad ? -ERR_CORRUPT : ops->sample(arg, ref, (int64_t)t, v);
        if (rc != 0) {
            return rc;
        }
    }
    return r.bad || r.p != r.end ? -ERR_CORRUPT : 0;
}
