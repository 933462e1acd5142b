/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading small files of the observed host, which in a container is mounted below a root prefix. One
 * buffer is reused, so a tick allocates nothing once it has grown.
 */
#ifndef AGENT_HOST_FILES_H
#define AGENT_HOST_FILES_H

#include "base/buf.h"

struct err;

struct host_files {
    char *root;      /* owned; "" for this machine itself */
    struct buf text; /* of the last host_read() */
    struct buf path;
    uint64_t errors; /* files that could not be read */
};

/** `root` "/" or "" means no prefix. */
void host_files_init(struct host_files *h, const char *root);
void host_files_done(struct host_files *h);
/** Root prefix + path; valid until the next call. */
const char *host_path(struct host_files *h, const char *path);
/**
 * The whole file. *ret borrows until the next call. Counts failures.
 * @return 0, -ERR_NOT_FOUND, -ERR_IO, -ERR_TOO_LARGE (1 MiB), -ERR_NOMEM
 */
NODISCARD int host_read(struct host_files *h, const char *path, struct str *ret);
/** Like host_read() but a missing or forbidden file is no error to count. */
NODISCARD int host_read_optional(struct host_files *h, const char *path, struct str *ret);
/** Append the content of an open file, up to dst->max. @return 0, -ERR_IO, -ERR_TOO_LARGE, -ERR_NOMEM */
NODISCARD int fd_read_all(int fd, struct buf *dst);

#endif
