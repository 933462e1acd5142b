/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an exposition in one format; see fuzz_expo.h.
 */
#include "fuzz_expo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_expo(EXPO_OPENMETRICS, data, size);
}
