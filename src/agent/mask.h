/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines show secrets; what leaves the machine has them replaced.
 */
#ifndef AGENT_MASK_H
#define AGENT_MASK_H

#include "base/buf.h"

/**
 * Append `text` with the values of secret-looking settings replaced by "***": NAME=value, NAME:value and
 * "--NAME value" where NAME ends in or contains password, passwd, pwd, secret, token, apikey, api-key,
 * api_key, access-key, private-key, credential (any case), and the password of URLs (scheme://user:pw@).
 * A value ends at a blank (inside quotes: at the closing quote), '&', ';' or ','.
 */
void mask_secrets(struct str text, struct buf *dst);

#endif
