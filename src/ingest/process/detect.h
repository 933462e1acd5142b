/* SPDX-License-Identifier: Apache-2.0
 *
 * What personal data and secrets look like in text. One pass finds the bytes at which something can begin (a run of
 * digits, '@', ':' and '=', "eyJ", ...) 64 at a time; only there is looked closer, so that a line without candidates
 * costs little. Detectors read the text, they change nothing. See README.md for the exact forms.
 */
#ifndef INGEST_PROCESS_DETECT_H
#define INGEST_PROCESS_DETECT_H

#include "base/str.h"
#include "base/vec.h"

/* X(name, text in configurations) in falling priority: of two hits that overlap the earlier kind wins. */
#define DETECTOR_TABLE(X)                         \
    X(DETECT_SECRET, "secret")                    \
    X(DETECT_TOKEN, "token")                      \
    X(DETECT_KR_RESIDENT, "kr_resident_number")   \
    X(DETECT_KR_FOREIGNER, "kr_foreigner_number") \
    X(DETECT_CARD, "card")                        \
    X(DETECT_KR_DRIVER, "kr_driver_licence")      \
    X(DETECT_KR_PASSPORT, "kr_passport")          \
    X(DETECT_ACCOUNT, "account")                  \
    X(DETECT_KR_PHONE, "kr_phone")                \
    X(DETECT_EMAIL, "email")                      \
    X(DETECT_NAME, "person_name")                 \
    X(DETECT_IPV6, "ipv6")                        \
    X(DETECT_IPV4, "ipv4")

enum detector {

#define DETECTOR_ENUM(name, text) name,
    DETECTOR_TABLE(DETECTOR_ENUM)
#undef DETECTOR_ENUM
        DETECTOR_COUNT
};

#define DETECTOR_BIT(d) (1u << (d))

const char *detector_name(enum detector d);
bool detector_parse(struct str name, enum detector *ret);

struct hit {
    uint32_t start;
    uint32_t end;
    uint32_t rank; /* enum detector; custom expressions follow */
    bool merged;   /* made of overlapping ones: it has no form of its own */
};

typedef VEC(struct hit) hits;

/**
 * Append what is found to `dst`, in no order, possibly overlapping.
 * @param wanted  set of DETECTOR_BIT()
 * @param key     name of the attribute whose value `text` is: it counts as the keyword in front of the value
 * @return false when memory is refused
 */
NODISCARD bool detect(struct str text, struct str key, uint32_t wanted, hits *dst);

/** Is this name that of a secret ("db.password", "비밀번호")? */
bool detect_secret_key(struct str key);

#endif
