/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an OTLP logs request in protobuf.
 */
#include "fuzz_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_otlp(OTLP_LOGS, OTLP_PROTOBUF, data, size);
}
