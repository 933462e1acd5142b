/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of Kubernetes discovery share: objects kept as trees, the connection's settings, and the
 * function that makes target groups of what is known. Source: Prometheus documentation,
 * kubernetes_sd_config; Kubernetes API conventions (list, watch, bookmarks, resourceVersion).
 */
#ifndef INGEST_SCRAPE_K8S_H
#define INGEST_SCRAPE_K8S_H

#include "base/map.h"
#include "conf/yaml_tree.h"
#include "ingest/scrape/k8s_exec.h"
#include "ingest/scrape/sd.h"

enum k8s_kind {
    KIND_NODE,
    KIND_POD,
    KIND_SERVICE,
    KIND_ENDPOINTS,
    KIND_ENDPOINTSLICE,
    KIND_INGRESS,
    KIND_NAMESPACE,
    KIND_COUNT
};

/** One object of the API; read with yaml_get(). */
struct k8s_object {
    struct arena a;
    struct str key; /* "namespace/name" or "name", in `a` */
    const struct yaml_node *root;
};

void k8s_object_free(struct k8s_object *o); /* NULL is fine */
/** From the JSON of one object; parts nobody reads are left out. @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int k8s_object_parse(struct str json, struct k8s_object **ret, struct err *reterr);

/** JSON as a tree; bounded like YAML. Keys of k8s objects nobody reads are skipped when `prune`.
 * @return 0, -ERR_INVALID, -ERR_LIMIT, -ERR_NOMEM */
NODISCARD int json_tree(struct str json, bool prune, struct arena *a, const struct yaml_node **ret,
                        struct err *reterr);

/** Text of a scalar below `n` by keys, NULL-terminated; empty when absent. */
struct str k8s_text(const struct yaml_node *n, ...) __attribute__((sentinel));

/** Everything known, by kind: key -> struct k8s_object. */
struct k8s_world {
    struct map objects[KIND_COUNT];
};

/** Groups of a role. @return NULL without memory */
struct sd_set *k8s_groups(const struct sd_conf *c, const struct k8s_world *w);

/** Where the API server is and how to talk to it. Strings in `a`. */
struct k8s_access {
    struct str url; /* without a slash at its end */
    struct http_conf http;
    struct str own_namespace; /* empty: unknown */
    struct k8s_exec *exec;    /* owned; NULL: credentials are in `http` for good */
    VEC(int) files;           /* memory files; closed by k8s_access_done() */
};

/** From api_server, kubeconfig_file or the pod's service account. @return 0, -ERR_INVALID,
 * -ERR_UNAVAILABLE, -ERR_UNSUPPORTED (auth-provider) */
NODISCARD int k8s_access(const struct sd_conf *c, struct arena *a, struct k8s_access *ret,
                         struct err *reterr);
/** Before each request: put what the user's plugin gave into x->http, after running it when that is due.
 * @return 0; k8s_exec_refresh()'s errors */
NODISCARD int k8s_access_refresh(struct k8s_access *x, const atomic_bool *stop, struct err *reterr);
void k8s_access_done(struct k8s_access *x);

#endif
