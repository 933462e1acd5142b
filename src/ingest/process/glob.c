/* SPDX-License-Identifier: Apache-2.0
 *
 * The usual two-pointer walk: a mismatch goes back to the last star and lets it take one byte more.
 */
#include "ingest/process/glob.h"

bool glob_matches(struct str pattern, struct str name)
{
    size_t p = 0;
    size_t i = 0;
    size_t star = SIZE_MAX;
    size_t taken = 0;

    while (i < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            taken = i;
        } else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == name.p[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

bool globs_match(struct globs g, struct str name)
{
    for (size_t i = 0; i < g.n; i++) {
        if (glob_matches(g.v[i], name)) {
            return true;
        }
    }
    return false;
}
