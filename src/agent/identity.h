/* SPDX-License-Identifier: Apache-2.0
 *
 * Who this host is: the resource attributes every batch carries. Read once at start; the same host gives
 * the same identity after a restart.
 */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include "agent/host_files.h"
#include "agent/otlp_encode.h"

enum { IDENTITY_ATTRS = 12, UUID_TEXT = 37 };

struct identity {
    char *host_name;
    char *host_id;      /* /etc/machine-id; without one a hash of the host name */
    char *container_id; /* NULL outside of a container */
    char *arch;         /* host.arch: "amd64", "arm64", ... */
    char *os_description;
    char *os_version;
    char *os_name;
    char instance_id[UUID_TEXT]; /* stable uuid made from host id and container id */
};

/** Never fails: what cannot be read falls back. */
void identity_read(struct identity *id, struct host_files *h);
void identity_done(struct identity *id);
/** Resource attributes for a service name. @return how many were written to dst[IDENTITY_ATTRS] */
size_t identity_attrs(const struct identity *id, const char *service, const char *version,
                      struct attr dst[IDENTITY_ATTRS]);

/** KEY=value of os-release(5), without quotes and backslashes, into dst. @return false when absent. */
bool os_release_get(struct str text, struct str key, struct buf *dst);
/** The 64-hex-digit container id in /proc/self/cgroup or mountinfo text; empty when there is none. */
struct str container_id_find(struct str text);
/** uname's machine in the words of host.arch. */
const char *arch_name(const char *machine);

#endif
