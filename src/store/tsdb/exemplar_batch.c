/* SPDX-License-Identifier: Apache-2.0
 *
 * Exemplars of one request, gathered in the form they have in the log.
 */
#include "codec/bits.h"
#include "store/tsdb/exemplars.h"
#include "store/tsdb/tsdb_internal.h"

enum {
    MAX_RECORD = 16 << 20, /* bytes of one request's exemplars */
    MAX_LABEL_BYTES = 1 << 20,
};

void exemplar_batch_init(struct exemplar_batch *b)
{
    buf_init(&b->record, MAX_RECORD);
    buf_init(&b->scratch, MAX_LABEL_BYTES);
    b->n = 0;
}

void exemplar_batch_done(struct exemplar_batch *b)
{
    buf_done(&b->record);
    buf_done(&b->scratch);
}

void exemplar_batch_clear(struct exemplar_batch *b)
{
    buf_clear(&b->record);
    b->n = 0;
}

static size_t characters(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    }
    return n;
}

void exemplar_encode(struct buf *dst, struct str series, struct str labels, int64_t t_ms, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    bits_add_varint(dst, series.n);
    buf_add_str(dst, series);
    bits_add_varint(dst, labels.n);
    buf_add_str(dst, labels);
    bits_add_varint(dst, bits_zigzag(t_ms));
    bits_add_u64(dst, bits);
}

enum exemplar_reject exemplar_batch_add(struct exemplar_batch *b, struct labels series,
                                        const struct exemplar *e)
{
    size_t before = b->record.n;
    size_t chars = 0;
    size_t split;

    for (size_t i = 0; i < e->labels.n; i++) {
        chars += characters(e->labels.v[i].name) + characters(e->labels.v[i].value);
    }
    if (chars > EXEMPLAR_LABELS_MAX_CHARS) {
        return EXEMPLAR_TOO_LONG;
    }
    buf_clear(&b->scratch);
    labels_encode(series, &b->scratch);
    split = b->scratch.n;
    labels_encode(e->labels, &b->scratch);
    if (!b->scratch.failed) {
        exemplar_encode(&b->record, str_of(b->scratch.data, split),
                        str_of(b->scratch.data + split, b->scratch.n - split), e->t_ms, e->value);
    }
    if (b->scratch.failed || b->record.failed) {
        b->record.n = before;
        b->record.failed = b->record.nomem = false;
        return EXEMPLAR_LIMIT;
    }
    b->n++;
    return EXEMPLAR_OK;
}
