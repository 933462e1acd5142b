/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of bytes a series' identity is hashed from. Numbers are for the life of a process only.
 */
#ifndef INGEST_PUSH_FORMS_H
#define INGEST_PUSH_FORMS_H

enum push_form {
    PUSH_FORM_TEXT = 0x100, /* + enum expo_format */
    PUSH_FORM_INFLUX = 0x200,
    PUSH_FORM_CSV = 0x300,
    PUSH_FORM_JSON = 0x400,
    PUSH_FORM_WRITE2 = 0x500,
};

#endif
