/* SPDX-License-Identifier: Apache-2.0
 *
 * Service discovery: each provider runs on a thread of its own and posts complete sets of groups; what it
 * posted last stands until the next. A failed refresh posts nothing, so targets stay as they were.
 */
#ifndef INGEST_SCRAPE_SD_H
#define INGEST_SCRAPE_SD_H

#include "base/clock.h"
#include "base/lock.h"
#include "base/stats.h"
#include "base/thread.h"
#include "ingest/scrape/auth.h"
#include "ingest/scrape/config.h"

enum { SD_SET_BYTES = 512 << 20 };

/** All groups of one provider; immutable once posted. */
struct sd_set {
    _Atomic int refs;
    struct arena a;
    VEC(struct sd_group) groups; /* strings in `a` */
};

struct sd_set *sd_set_new(void); /* one reference; NULL without memory */
struct sd_set *sd_set_ref(struct sd_set *s);
void sd_set_unref(struct sd_set *s); /* NULL is fine */

struct sd_env {
    const char *dns_server; /* "" or NULL: the system's */
    struct auth_tokens *tokens;
    /** A new set; the reference is the receiver's. On the provider's thread. */
    void (*post)(void *arg, struct sd_set *set);
    void *arg;
    struct counter *failures; /* refreshes that failed; may be NULL */
};

struct sd {
    struct sd_env env;
    const struct sd_conf *conf;
    struct config *owner; /* a reference */
    struct str job;
    struct thread thread;
    struct mutex lock;
    struct cond wake;
    atomic_bool stop;
};

/** Static configurations have no thread: their set is posted before this returns. @return NULL on failure */
struct sd *sd_start(const struct job_conf *job, const struct sd_conf *conf,
                    const struct sd_env *env);
/** Ends the thread and waits for it. NULL is fine. */
void sd_stop(struct sd *sd);

/* ---- for the kinds ---- */

/** Wait. @return false when the provider is being stopped */
bool sd_sleep(struct sd *sd, int64_t ms);
bool sd_stopping(const struct sd *sd);
void sd_post(struct sd *sd, struct sd_set *set); /* takes the reference */
/** Log and count a failed refresh. */
void sd_failed(struct sd *sd, const struct err *e);

/** Groups in the form of file and HTTP discovery. `origin` becomes the label `origin_label`; sources are
 * "origin:index". Appends to the set. @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int sd_read_json(struct sd_set *set, struct str json, struct str origin,
                           const char *origin_label, struct err *reterr);
NODISCARD int sd_read_yaml(struct sd_set *set, struct str yaml, struct str origin,
                           const char *origin_label, struct err *reterr);

/* The bodies of the threads; each returns when stopped. */
void sd_file_run(void *sd);
void sd_http_run(void *sd);
void sd_dns_run(void *sd);
void sd_k8s_run(void *sd);

#endif
