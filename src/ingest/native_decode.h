/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms in protobuf: of remote write (prometheus.Histogram of 1.0 and io.prometheus.write.v2.Histogram of
 * 2.0 have the same fields) and of the exposition (io.prometheus.client.Histogram: the same under other numbers). One
 * decoder is reused for all of a request. Sources: prompb/types.proto, io/prometheus/write/v2, client_model
 * metrics.proto.
 */
#ifndef INGEST_NATIVE_DECODE_H
#define INGEST_NATIVE_DECODE_H

#include "base/vec.h"
#include "codec/pb.h"
#include "model/histogram.h"

enum native_form { NATIVE_WRITE, NATIVE_EXPOSITION };

/** Zeroed but for `form` is ready. */
struct native_decoder {
    enum native_form form;

    /* The last one decoded. */
    struct native_histogram h;
    int64_t t_ms; /* NATIVE_WRITE only */
    bool integer; /* counts were integers */
    bool
        is_native; /* spans or a zero bucket are there. An exposed histogram without them has classic buckets only: `h`
                     * is then of no use */

    /* Scratch, negative then positive. */
    struct {
        VEC(struct native_span) spans;
        VEC(int64_t) deltas;
        VEC(double) counts;
    } side[2];
};

void native_decoder_done(struct native_decoder *d);
/** Decode and validate.
 * @return 0; 1: well-formed, but no valid histogram (reterr says why, as ERR_INVALID or ERR_LIMIT); -ERR_TRUNCATED, -ERR_INVALID: the message is
 *         malformed; -ERR_NOMEM */
NODISCARD int native_decode(struct native_decoder *d, struct pb msg, struct err *reterr);

#endif
