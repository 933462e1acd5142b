/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request at a time for threads that may wait (discovery, tokens), ended early by a flag.
 */
#ifndef INGEST_SCRAPE_FETCH_H
#define INGEST_SCRAPE_FETCH_H

#include <stdatomic.h>

#include "net/http_multi.h"

struct fetch {
    struct http_multi *multi; /* keeps connections; NULL: a new one for this request */
    const struct http_profile *profile;
    const char *url;
    const char *const *headers;
    struct str body;
    int64_t timeout_ms; /* 0: none, with stall_ms */
    int64_t stall_ms;
    size_t max_response;
    const atomic_bool *stop;                               /* looked at every 200 ms */
    bool (*data)(void *arg, int status, struct str piece); /* streaming; may be NULL */
    void *arg;
};

/** Run it. `answer` gets the body (append; its max is the limit) unless streaming.
 * @return 0 with any status; http_multi's errors, -ERR_CANCELED */
NODISCARD int fetch(const struct fetch *f, int *ret_status, struct buf *answer, struct err *reterr);

#endif
