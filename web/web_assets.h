/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of the web console, compiled into the program, gzip-compressed. Built without the console
 * (BONGSU_WEB=OFF) the same table holds one page that says so. Everything here is read-only data.
 */
#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct web_asset {
    const char *path;         /* absolute, e.g. "/assets/index-1a2b3c.js" */
    const char *content_type; /* value of Content-Type */
    const char *etag;         /* value of ETag, with its quotes; changes with the content */
    const unsigned char *gz;  /* gzip stream (RFC 1952) */
    size_t gz_n;              /* bytes */
    bool immutable;           /* name carries a content hash: may be cached for a year */
};

/**
 * One file by its exact path; "/" is "/index.html".
 * The console routes in the browser: for a GET of an unknown path without a file extension serve
 * web_asset_find(STR("/")) with status 200; unknown paths with an extension are 404.
 * @return static data, or NULL when there is no such file
 * Thread: any. Blocks: never.
 */
const struct web_asset *web_asset_find(struct str path);

#endif
