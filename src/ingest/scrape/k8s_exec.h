/* SPDX-License-Identifier: Apache-2.0
 *
 * Credential plugins of a kubeconfig's users: a command is run and prints an ExecCredential with a token or a client
 * certificate, kept until it ends. Source: Kubernetes documentation, "client-go credential plugins",
 * client.authentication.k8s.io/v1 and v1beta1.
 */
#ifndef INGEST_SCRAPE_K8S_EXEC_H
#define INGEST_SCRAPE_K8S_EXEC_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "conf/yaml_tree.h"

struct k8s_exec;

/** What a plugin is told about the cluster, when its entry asks for that. */
struct k8s_exec_cluster {
    struct str server, tls_server_name, proxy;
    struct str ca; /* PEM; may be empty */
    bool insecure;
};

/**
 * Read a user's `exec` mapping; all of it is copied.
 * @param dir  of the kubeconfig: relative commands start there
 * @return 0; -ERR_INVALID, -ERR_UNSUPPORTED (version, a plugin that must ask a person), -ERR_NOMEM
 */
NODISCARD int k8s_exec_new(const struct yaml_node *n, struct str dir,
                           const struct k8s_exec_cluster *cluster, struct k8s_exec **ret,
                           struct err *reterr);
void k8s_exec_free(struct k8s_exec *x); /* NULL is fine */

/** A request was refused (401): the credential is not used again. */
void k8s_exec_rejected(struct k8s_exec *x);

/**
 * Run the command when there is no credential or its time is up (waits for it, up to a minute).
 * @param stop  ends the wait; may be NULL
 * @return 1: there is a new one; 0: the one there is goes on; -ERR_UNAVAILABLE (with what went wrong), -ERR_INVALID,
 *         -ERR_TIMEOUT, -ERR_CANCELED, -ERR_NOMEM
 */
NODISCARD int k8s_exec_refresh(struct k8s_exec *x, const atomic_bool *stop, struct err *reterr);

/** The credential; empty: none of that kind. Valid until the next refresh. */
struct str k8s_exec_token(const struct k8s_exec *x);
/** Paths of files in memory, which stay the same; NULL: none. */
const char *k8s_exec_cert_file(const struct k8s_exec *x);
const char *k8s_exec_key_file(const struct k8s_exec *x);

#endif
