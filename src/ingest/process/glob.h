/* SPDX-License-Identifier: Apache-2.0
 *
 * Names with wildcards: '*' is any run of bytes, '?' any one byte, everything else itself. Linear in practice and
 * never worse than the product of the lengths.
 */
#ifndef INGEST_PROCESS_GLOB_H
#define INGEST_PROCESS_GLOB_H

#include "base/str.h"

struct globs {
    struct str *v;
    size_t n;
};

bool glob_matches(struct str pattern, struct str name);
/** Does any of them match? */
bool globs_match(struct globs g, struct str name);

#endif
