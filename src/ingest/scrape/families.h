/* SPDX-License-Identifier: Apache-2.0
 *
 * What targets say about metric families, kept once however many targets say it. Entries are never removed
 * while scraping runs, so an id stays valid; their number is bounded.
 */
#ifndef INGEST_SCRAPE_FAMILIES_H
#define INGEST_SCRAPE_FAMILIES_H

#include "ingest/expo.h"

struct families;

enum { FAMILIES_MAX = 1 << 20, FAMILIES_NONE = UINT32_MAX };

struct families *families_new(void);
void families_free(struct families *f);
uint64_t family_hash(const struct expo_family *e);
/** Find or add. *ret_new tells that nobody said it before. @return an id; FAMILIES_NONE when full. Thread-safe. */
uint32_t families_intern(struct families *f, const struct expo_family *e, uint64_t hash,
                         bool *ret_new);
/** Copy of an entry's strings' places; they live as long as `f`. Thread-safe. */
bool families_get(struct families *f, uint32_t id, struct expo_family *ret);

#endif
