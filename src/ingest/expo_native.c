/* SPDX-License-Identifier: Apache-2.0
 *
 * The native form of a protobuf histogram. Until the engine keeps it, only the classic buckets are read.
 */
#include "ingest/expo_native.h"

int expo_native_read(struct pb msg, bool gauge, struct arena *a,
                     const struct native_histogram **ret, bool *ret_is_native, struct err *reterr)
{
    (void)msg;
    (void)gauge;
    (void)a;
    (void)reterr;
    *ret = NULL;
    *ret_is_native = false;
    return 0;
}
