/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms as the messages others read. The store does not know whether counts were integers, so remote read
 * gives whole ones as integers: readers exist that take only those (Prometheus 3.5 answers a range of others with an
 * error, and drops the bounds of integer ones). Sources: prompb/types.proto, io/prometheus/client/metrics.proto.
 */
#ifndef API_NATIVE_ENCODE_H
#define API_NATIVE_ENCODE_H

#include "codec/pb.h"
#include "model/histogram.h"

enum native_form {
    NATIVE_FORM_READ, /* prometheus.Histogram, without its time (field 15) */
    NATIVE_FORM_CLIENT, /* io.prometheus.client.Histogram, which has neither custom bounds nor hints */
};

/** Write the fields of a compact histogram into the message begun in `dst`; buf_status() tells of failure. */
void native_encode(enum native_form form, const struct native_histogram *h, struct buf *dst);

#endif
