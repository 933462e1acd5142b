/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of /proc have no size: they are read until the end.
 */
#include "agent/host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

enum { FILE_MAX = 1 << 20, CHUNK = 16 * 1024, HOST_PATH_MAX = 8192 };

void host_files_init(struct host_files *h, const char *root)
{
    struct str r = str_cstr(root);

    while (r.n != 0 && r.p[r.n - 1] == '/') {
        r.n--;
    }
    *h = (struct host_files){.root = str_dup(r)};
    buf_init(&h->text, FILE_MAX);
    buf_init(&h->path, HOST_PATH_MAX);
}

void host_files_done(struct host_files *h)
{
    mem_free(h->root);
    buf_done(&h->text);
    buf_done(&h->path);
    *h = (struct host_files){0};
}

const char *host_path(struct host_files *h, const char *path)
{
    buf_clear(&h->path);
    buf_add_cstr(&h->path, h->root);
    buf_add_cstr(&h->path, path);
    buf_add_byte(&h->path, '\0');
    return buf_status(&h->path) == 0 ? h->path.data : "";
}

int fd_read_all(int fd, struct buf *dst)
{
    for (;;) {
        size_t room = dst->max - dst->n < CHUNK ? dst->max - dst->n : CHUNK;
        char *p = room != 0 ? buf_reserve(dst, room) : NULL;
        ssize_t n;

        if (p == NULL) {
            return room == 0 ? -ERR_TOO_LARGE : -ERR_NOMEM;
        }
        n = read(fd, p, room);
        if (n < 0 && errno != EINTR) {
            return -ERR_IO;
        }
        if (n == 0) {
            return 0;
        }
        dst->n += n > 0 ? (size_t)n : 0;
    }
}

static int read_file(struct host_files *h, const char *path, struct str *ret)
{
    int fd = open(host_path(h, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int rc;

    buf_clear(&h->text);
    if (fd < 0) {
        return errno == ENOENT || errno == EACCES || errno == EPERM ? -ERR_NOT_FOUND : -ERR_IO;
    }
    rc = fd_read_all(fd, &h->text);
    close(fd);
    if (rc == 0) {
        *ret = buf_str(&h->text);
    }
    return rc;
}

int host_read(struct host_files *h, const char *path, struct str *ret)
{
    int rc = read_file(h, path, ret);

    h->errors += rc < 0 ? 1 : 0;
    return rc;
}

int host_read_optional(struct host_files *h, const char *path, struct str *ret)
{
    int rc = read_file(h, path, ret);

    h->errors += rc < 0 && rc != -ERR_NOT_FOUND ? 1 : 0;
    return rc;
}
