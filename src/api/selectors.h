/* SPDX-License-Identifier: Apache-2.0
 *
 * The match[] parameters of a request as matchers.
 */
#ifndef API_SELECTORS_H
#define API_SELECTORS_H

#include "model/matcher.h"
#include "net/http_server.h"

enum { SELECTORS_MAX = 64 };

/** Start with a zeroed struct; free with selectors_done() also after a failure. */
struct selectors {
    struct matcher **m[SELECTORS_MAX];
    size_t m_n[SELECTORS_MAX];
    size_t n;
};

/** @return 0, -ERR_INVALID */
NODISCARD int selectors_parse(struct http_exchange *x, struct selectors *ret, struct err *reterr);
void selectors_done(struct selectors *s);

#endif
