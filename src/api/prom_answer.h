/* SPDX-License-Identifier: Apache-2.0
 *
 * A PromQL result as an HTTP answer in Prometheus' envelope.
 */
#ifndef API_PROM_ANSWER_H
#define API_PROM_ANSWER_H

#include "net/http_server.h"
#include "query/promql/promql.h"

/** Takes the result over. With statistics when the parameter `stats` is set. A large answer is written while it is
 * sent. */
void prom_answer(struct http_exchange *x, struct promql_result *r, size_t limit);

#endif
