/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's own counters with their means over the last ten seconds, for the status page.
 */
#ifndef API_RATES_H
#define API_RATES_H

#include "base/stats.h"

struct rates;

/** Starts a thread that samples the registry every second. `stats` outlives it. */
struct rates *rates_new(struct stats *stats);
void rates_free(struct rates *r); /* NULL is fine */

/** Sum of the samples of a family whose labels contain `labels` ("" for all), and its mean increase per second.
 * Thread-safe. */
double rates_total(struct rates *r, const char *name, const char *labels, double *ret_per_s);
/** Call fn for each label text of a family. No lock is held while it runs. */
void rates_each(struct rates *r, const char *name,
                void (*fn)(void *arg, const char *labels, double total, double per_s), void *arg);
/** Cores used by the process over the window. */
double rates_cpu(struct rates *r);

#endif
