/* SPDX-License-Identifier: Apache-2.0
 *
 * The label half of the reading side, for the table of functions in select.c. Contracts: series_source.h.
 */
#ifndef STORE_TSDB_SELECT_H
#define STORE_TSDB_SELECT_H

#include "store/series_source.h"

int select_label_names(void *impl, const struct series_query *q, size_t limit, struct arena *a,
                       struct str **ret, size_t *ret_n, struct err *reterr);
int select_label_values(void *impl, struct str name, const struct series_query *q, size_t limit,
                        struct arena *a, struct str **ret, size_t *ret_n, struct err *reterr);

#endif
