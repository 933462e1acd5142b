/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers of an outgoing request after its http_conf: authorization (files are read anew each time, as
 * upstream), custom headers, and tokens of OAuth 2.0 (RFC 6749, client credentials), which are fetched and
 * renewed in the background so that no scrape waits for them.
 */
#ifndef INGEST_SCRAPE_AUTH_H
#define INGEST_SCRAPE_AUTH_H

#include "ingest/scrape/config.h"

struct auth_tokens;

struct auth_tokens *auth_tokens_new(void);
void auth_tokens_free(struct auth_tokens *t);
/** Fetch tokens that are missing or end soon; blocks. From one thread. `stop` ends it early. */
void auth_tokens_renew(struct auth_tokens *t, const struct config *c, const atomic_bool *stop);

/** Header lines, NULL-terminated. Each and the array are the caller's: headers_free(). */
struct header_list {
    VEC(char *) lines;
};

void headers_done(struct header_list *h);
NODISCARD bool headers_add(struct header_list *h, const char *fmt, ...) PRINTF_LIKE(2, 3);
/** Append what the configuration asks for. `tokens` may be NULL (then OAuth is an error).
 * @return 0; -ERR_UNAVAILABLE (a file, no token yet), -ERR_NOMEM */
NODISCARD int headers_auth(struct header_list *h, const struct http_conf *c,
                           struct auth_tokens *tokens, struct err *reterr);
/** End the list; valid until headers_done(). */
NODISCARD bool headers_end(struct header_list *h);

#endif
