/* SPDX-License-Identifier: Apache-2.0
 *
 * MD5 (RFC 1321), only where a protocol fixes it: the hashmod action of relabelling. Not for secrets.
 */
#ifndef CODEC_MD5_H
#define CODEC_MD5_H

#include <stdint.h>

#include "base/str.h"

enum { MD5_SIZE = 16 };

void md5(struct str data, uint8_t ret[MD5_SIZE]);

#endif
