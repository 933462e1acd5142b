/* SPDX-License-Identifier: Apache-2.0
 *
 * Base64 (RFC 4648): written with the standard alphabet and padding; read with either alphabet, padding
 * optional, as the protobuf JSON mapping demands.
 */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/buf.h"

void base64_encode(struct str src, struct buf *dst);
/** Append the bytes. @return false on a foreign character, misplaced padding or a dangling digit; check
 * buf_status() for memory. */
NODISCARD bool base64_decode(struct str src, struct buf *dst);

#endif
