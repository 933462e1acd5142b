/* SPDX-License-Identifier: Apache-2.0
 *
 * From the labels a page exposes to those that are stored.
 */
#ifndef INGEST_SCRAPE_APPEND_LABELS_H
#define INGEST_SCRAPE_APPEND_LABELS_H

#include "ingest/expo.h"
#include "ingest/scrape/target.h"

/** Labels of the sample `p` hands on, in `a`, which is reset.
 * @return 0 with *ret; 1 when relabelling drops the series; -ERR_INVALID, -ERR_LIMIT, -ERR_NOMEM fail the scrape */
NODISCARD int scraped_labels(struct arena *a, const struct target *t, struct expo *p,
                             struct labels *ret, struct err *reterr);

#endif
