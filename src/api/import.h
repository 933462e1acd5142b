/* SPDX-License-Identifier: Apache-2.0
 *
 * What the import doors share: a decompressed body, the parameters extra_label and timestamp, status codes.
 */
#ifndef API_IMPORT_H
#define API_IMPORT_H

#include "api/api_internal.h"

#include "ingest/push.h"

enum { IMPORT_WIRE_MAX = 64 << 20, IMPORT_BODY_MAX = 64 << 20, EXTRA_LABELS_MAX = 32 };

struct import {
    struct push_opts opts;
    struct str body;  /* decompressed */
    struct buf plain; /* owned, when it was compressed */
    struct label extra[EXTRA_LABELS_MAX];
};

/** The body behind its Content-Encoding. @return 0, -ERR_UNSUPPORTED, what decompress() returns */
NODISCARD int import_body(struct http_exchange *x, struct buf *plain, struct str *ret,
                          struct err *reterr);
/** Fill from the request; free with import_done() also after a failure. @return 0, -ERR_INVALID, ... */
NODISCARD int import_begin(struct http_exchange *x, const char *door, struct import *ret,
                           struct err *reterr);
void import_done(struct import *im);
/** Put one more label on every series. @return 0, -ERR_INVALID */
NODISCARD int import_extra(struct import *im, struct str name, struct str value,
                           struct err *reterr);
/** HTTP status of a failure: full disks and memory pass, the client should come back. */
int import_status(int rc);
/** 204, or the failure, or 400/422 with the first thing left out. In Prometheus' error form. */
void import_answer(struct http_exchange *x, int rc, const struct push_result *r,
                   const struct err *e);

void influx_routes(struct api *a, struct http_server *s); /* influx.c */

#endif
