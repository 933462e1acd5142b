/* SPDX-License-Identifier: Apache-2.0
 */
#include "ingest/otlp_internal.h"

int otlp_json_to_pb(enum otlp_signal signal, struct str json, struct buf *dst, struct err *reterr)
{
    (void)signal;
    (void)json;
    (void)dst;
    return err_set(reterr, ERR_UNSUPPORTED, "JSON is not ready yet");
}
