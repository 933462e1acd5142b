/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP and gRPC faces of the program: thin handlers over the store, the query engines and auth. The
 * contract is api/openapi.yaml. Servers may be started before the store is open: until api_set_backend()
 * every route that needs data answers 503; the log shows the start-up progress.
 */
#ifndef API_API_H
#define API_API_H

#include "alert/rules.h"
#include "apm/apm.h"
#include "auth/auth.h"
#include "conf/conf.h"
#include "ingest/otlp.h"
#include "ingest/prom_remote.h"
#include "ingest/push.h"
#include "ingest/scrape/scrape.h"
#include "net/grpc_server.h"
#include "net/http_server.h"
#include "query/promql/promql.h"
#include "store/store.h"

struct api;

/** A file of the console. */
struct api_asset {
    const char *content_type;
    const char *etag; /* with quotes */
    struct str gz;    /* gzip-compressed content, lives as long as the program */
    bool immutable;   /* its name carries a hash of its content */
};

struct api_opts {
    const char *version;
    struct stats *stats;
    int64_t query_timeout_ms; /* longest a query may run; default 2 min */
    bool auth_enabled;
    /** Console file by absolute path ("/" is the start page); false when there is none. */
    bool (*asset)(struct str path, struct api_asset *ret);
};

struct api *api_new(const struct api_opts *opts);
/** Ends live streams. The servers that use it must be stopped. NULL is fine. */
void api_free(struct api *a);

/** Add all routes of the main port. */
void api_routes(struct api *a, struct http_server *s);
/** Add the routes of the OTLP/HTTP port. */
void api_routes_otlp(struct api *a, struct http_server *s);
/** Add the OTLP services of the gRPC port. */
void api_services_grpc(struct api *a, struct grpc_server *s);

/** Guard, error form and their argument for http_server_opts / grpc_server_opts. */
int api_http_guard(void *api, struct http_exchange *x, const struct http_route *route);
void api_otlp_error_body(void *api, int status, const struct err *e, struct buf *dst,
                         const char **ret_content_type);
int api_grpc_guard(void *api, struct grpc_call *call, struct err *reterr);

/** What handlers work on; borrowed until the servers that call them are stopped and their workers ended. */
struct api_backend {
    struct store *store;
    struct promql_engine *promql;
    struct auth *auth;
    struct otlp *otlp;
    struct prom_remote *remote;
    struct push_door *push;
    struct ha *ha;         /* NULL: no deduplication of replicas */
    struct scrape *scrape; /* NULL: nothing is scraped */
    struct rules *rules;
    struct apm *apm;
    struct sink *sink;           /* for doors that keep nothing between requests */
    struct budget *query_budget; /* memory of queries; may be NULL */
    /** Read the settings and the files they name again; for POST /-/reload. Thread-safe. */
    int (*reload)(void *arg, struct err *reterr);
    void *reload_arg;
    const struct conf *conf;
};

void api_set_backend(struct api *a, const struct api_backend *b);
/** Stopping: new requests are refused, live streams end. Handlers already running keep the backend. */
void api_begin_stop(struct api *a);

/** What the status page shows of a door. Copied; `address` "" when it is off. */
void api_set_door(struct api *a, const char *name, const char *address);

#endif
