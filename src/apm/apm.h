/* SPDX-License-Identifier: Apache-2.0
 *
 * Application performance from spans as they come in: the engines of this folder, opened and closed together. Each is
 * told of every span before sampling, keeps its own memory within its own limits and knows none of the others.
 */
#ifndef APM_APM_H
#define APM_APM_H

#include "apm/topology.h"
#include "apm/transactions.h"
#include "ingest/process/stage.h"
#include "store/store.h"

struct apm;
struct live;
struct naming;
struct settings_store;
struct users;

struct apm_opts {
    struct store *store; /* borrowed; metrics, spans, metadata */
    const char *data;    /* data directory; engines with files have folders of their own in it */
    enum transactions_users transaction_users;
    struct stats *stats;
};

/** @return 0, or what the engine that could not start says */
NODISCARD int apm_open(const struct apm_opts *opts, struct apm **ret, struct err *reterr);
/** Writes out what waits. The doors must be stopped. NULL is fine. */
void apm_close(struct apm *a);

enum { APM_WATCHES = 4 };

/** What the span stage is to call; live as long as `a`. @return how many */
size_t apm_watches(struct apm *a, const struct span_watch **ret);

/** The engines, for who asks them. */
struct topology *apm_topology(struct apm *a);
struct tmap *apm_tmap(struct apm *a);
struct naming *apm_naming(struct apm *a);
struct live *apm_live(struct apm *a);
struct settings_store *apm_settings(struct apm *a);
struct users *apm_users(struct apm *a);

#endif
