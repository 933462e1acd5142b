/* SPDX-License-Identifier: Apache-2.0
 *
 * The file: magic and version, then records. A record is u32 length, u32 crc32c of what follows: u64 id, u64 alias,
 * i64 first, i64 used, u16 bytes of the service, the service, the text. Little-endian; the last record of an id counts.
 */
#ifndef STORE_TEMPLATES_TEMPLATES_FORMAT_H
#define STORE_TEMPLATES_TEMPLATES_FORMAT_H

#include "base/buf.h"
#include "store/templates/templates.h"

#define TEMPLATES_MAGIC "BGTM\1\0\0\0" /* with the version */

enum {
    TEMPLATES_HEAD = 8,
    TEMPLATE_FIXED = 34, /* before the service */
    TEMPLATE_RECORD_MAX = TEMPLATE_FIXED + TEMPLATE_SERVICE_MAX + TEMPLATE_TEXT_MAX,
};

void template_encode(const struct template *t, struct buf *dst);
/** @return bytes of the record, its strings in `bytes`; 0: it goes beyond the end; -ERR_CORRUPT */
NODISCARD int64_t template_decode(struct str bytes, struct template *ret);

#endif
