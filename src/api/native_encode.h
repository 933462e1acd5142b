/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms as the messages others read. The store does not know whether counts were integers, so remote read
 * gives whole ones as integers: readers exist that take only those (Prometheus 3.5 answers a range of others with an
 * error, and drops the bounds of integer ones). Sources: prompb/types.proto, io/prometheus/client/metrics.proto.
 */
#ifndef API_NATIVE_ENCODE_H
#define API_NATIVE_ENCODE_H

#include "ingest/native_decode.h"

/** Write the fields of a compact histogram into the message begun in `dst`; buf_status() tells of failure.
 * NATIVE_WRITE is without the time (field 15). NATIVE_EXPOSITION has neither custom bounds nor hints, and its counts
 * are doubles, as upstream federates. */
void native_encode(enum native_form form, const struct native_histogram *h, struct buf *dst);

#endif
