/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus' XOR chunks (tsdb/docs/format/chunks.md): delta of deltas of times, XOR of values, in bits from the
 * most significant on. After T. Pelkonen et al., "Gorilla: a fast, scalable, in-memory time series database", 2015.
 */
#ifndef INGEST_BLOCKS_XOR_CHUNK_H
#define INGEST_BLOCKS_XOR_CHUNK_H

#include "base/str.h"
#include "model/samples.h"

/** Append the samples of a chunk's data (what follows the encoding byte). Safe on any bytes.
 * @return 0; -ERR_CORRUPT (ends early); -ERR_NOMEM */
NODISCARD int xor_chunk_decode(struct str data, struct samples *dst);

#endif
