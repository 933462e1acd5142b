/* SPDX-License-Identifier: Apache-2.0
 *
 * `bongsu import DIR`: the blocks of a Prometheus data directory.
 */
#ifndef BONGSU_IMPORT_BLOCKS_H
#define BONGSU_IMPORT_BLOCKS_H

#include <stdbool.h>

#include "remote.h"

/** Is it a directory of a block, or of blocks? */
bool is_prometheus_directory(const char *path);
/** Send every float sample of every block by remote write. May be run again: what is there already stays as it is.
 * @return process exit code */
int import_blocks(const struct remote *r, const char *path);

#endif
