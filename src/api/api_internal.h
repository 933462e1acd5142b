/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: the api object, route requirements, and the handlers by family.
 */
#ifndef API_API_INTERNAL_H
#define API_API_INTERNAL_H

#include <stdatomic.h>

#include "api/api.h"
#include "api/rates.h"

#include "base/cancel.h"
#include "base/lock.h"
#include "codec/json_write.h"

/** http_route.user_flags: what a caller needs. */
enum need {
    NEED_NOTHING = 0,           /* open to all */
    NEED_SESSION = 1u << 0,     /* anybody authenticated */
    NEED_READ = 1u << 1,        /* scope read */
    NEED_INGEST = 1u << 2,      /* scope ingest */
    NEED_ADMIN = 1u << 3,       /* role admin */
    NEED_BACKEND = 1u << 4,     /* the store must be open */
    NEED_OPERATOR = 1u << 6,    /* role operator or admin */
    NEED_NO_IDENTITY = 1u << 5, /* identity is looked up when given, but not needed */
};

enum { DOORS_MAX = 16, RESPONSE_MAX = 1 << 30 };

struct door {
    char name[16];
    char address[64];
};

struct tails;
struct apm_streams;
struct live_streams;
struct deletion_run; /* deletions.c */

struct api {
    struct api_opts opts;
    _Atomic(const struct api_backend *) set; /* release at set, acquire at use; NULL: starting */
    _Atomic bool stopping;
    struct api_backend backend;
    struct tails *tails;
    struct apm_streams *apm_streams;
    struct live_streams *live;
    struct mono started;
    int64_t start_ms;
    struct mutex lock;
    struct door doors[DOORS_MAX];   /* guarded by: lock */
    size_t doors_n;                 /* guarded by: lock */
    struct deletion_run *deletions; /* at work; guarded by: lock */
    struct rates *rates;
};

/** Are requests that need the backend let in? The guard asks once; they keep it although stopping begins. */
bool api_ready(struct api *a);
/** The backend; handlers of NEED_BACKEND routes always have one, to their end. */
const struct api_backend *api_backend(struct api *a);
const struct identity *api_identity(const struct http_exchange *x);

/** Answer 200 with what the writer put into `b`, or the buffer's failure; `b` is done afterwards. */
void respond_json(struct http_exchange *x, int status, struct buf *b);
/** The frame of an answer of Prometheus' and Loki's APIs, {"status":"success","data":...}: one value is written between
 * the two. data_end() answers 200 and frees `b`. */
void data_begin(struct json_writer *w, struct buf *b);
void data_end(struct http_exchange *x, struct json_writer *w, struct buf *b);
/** From an rc and its detail. */
void respond_err(struct http_exchange *x, int rc, const struct err *e);

/* Handlers, one file a family: each registers its own routes. */
void prom_query_routes(struct api *a, struct http_server *s);    /* prom_query.c */
void federate_routes(struct api *a, struct http_server *s);      /* federate.c */
void prom_read_routes(struct api *a, struct http_server *s);     /* prom_read.c */
void rules_routes(struct api *a, struct http_server *s);         /* rules.c */
void prom_labels_routes(struct api *a, struct http_server *s);   /* prom_labels.c */
void prom_admin_routes(struct api *a, struct http_server *s);    /* prom_admin.c */
void cardinality_routes(struct api *a, struct http_server *s);   /* cardinality.c */
void traces_routes(struct api *a, struct http_server *s);        /* traces.c */
void trace_query_routes(struct api *a, struct http_server *s);   /* trace_query.c */
void logs_routes(struct api *a, struct http_server *s);          /* logs.c */
void deletions_routes(struct api *a, struct http_server *s);     /* deletions.c */
void log_patterns_routes(struct api *a, struct http_server *s);  /* log_patterns.c */
void loki_routes(struct api *a, struct http_server *s);          /* loki_*.c */
void elasticsearch_routes(struct api *a, struct http_server *s); /* elasticsearch.c */
void log_import_routes(struct api *a, struct http_server *s);    /* log_import.c */
void tail_routes(struct api *a, struct http_server *s);          /* tail.c */
void apm_topology_routes(struct api *a, struct http_server *s);  /* apm_topology.c */
void apm_tmap_routes(struct api *a, struct http_server *s);
void apm_transactions_routes(struct api *a, struct http_server *s);
void hosts_routes(struct api *a, struct http_server *s);         /* hosts.c */
void services_routes(struct api *a, struct http_server *s);      /* services.c */
void session_routes(struct api *a, struct http_server *s);       /* session.c */
void accounts_routes(struct api *a, struct http_server *s);      /* accounts.c */
void ingest_routes(struct api *a, struct http_server *s);        /* ingest.c: main port */
void import_routes(struct api *a, struct http_server *s);        /* import.c, influx.c */
void export_routes(struct api *a, struct http_server *s);        /* export.c */
void exemplars_routes(struct api *a, struct http_server *s);     /* exemplars.c */
void status_routes(struct api *a, struct http_server *s);        /* status.c */
void server_status_routes(struct api *a, struct http_server *s); /* server_status.c */
void targets_routes(struct api *a, struct http_server *s);       /* targets.c */
void processing_routes(struct api *a, struct http_server *s);    /* processing.c */
void snapshots_routes(struct api *a, struct http_server *s);     /* snapshots.c */
void storage_routes(struct api *a, struct http_server *s);       /* storage.c */
void apm_users_routes(struct api *a, struct http_server *s);     /* apm_users.c */
void apm_live_routes(struct api *a, struct http_server *s);      /* apm_live.c */
void apm_settings_routes(struct api *a, struct http_server *s);  /* apm_settings.c */
void apm_stream_routes(struct api *a, struct http_server *s);    /* apm_stream.c */
void assets_routes(struct api *a, struct http_server *s);        /* assets.c */

/* server_status.c */
/** Array of the store's background jobs. */
void status_write_jobs(struct json_writer *w, struct store *s);

/* tail.c */
struct tails *tails_new(struct stats *stats);
/** End every stream and stop the thread. */
void tails_free(struct tails *t);
void tails_end_all(struct tails *t);

/* apm_stream.c */
struct apm_streams *apm_streams_new(struct api *api, struct stats *stats);
/** End every stream and stop the thread. NULL is fine. */
void apm_streams_free(struct apm_streams *all);
void apm_streams_end_all(struct apm_streams *all);

#endif
