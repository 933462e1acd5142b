/* SPDX-License-Identifier: Apache-2.0
 *
 * What an entry span is: a request or message that an instance took in from outside (span kind server or consumer),
 * with its group, instance, operation and outcome read from the old and the new OpenTelemetry semantic conventions.
 * Every engine of this folder reads spans through it, so that all screens speak of the same requests.
 */
#ifndef APM_ENTRY_H
#define APM_ENTRY_H

#include "model/otel.h"

enum { ENTRY_GROUP_MAX = 256, ENTRY_OPERATION_MAX = 384 };

enum entry_outcome {
    ENTRY_OK,
    ENTRY_4XX, /* the caller's fault: HTTP 4xx, gRPC codes such as NOT_FOUND */
    ENTRY_5XX, /* the server's: HTTP 5xx, gRPC codes such as INTERNAL, or span status error */
};

/** How the operation was named. */
enum entry_named {
    ENTRY_BY_ROUTE,     /* http.route */
    ENTRY_BY_RPC,       /* rpc.service, rpc.method */
    ENTRY_BY_MESSAGING, /* messaging.operation.*, messaging.destination.* */
    ENTRY_BY_PATH,      /* url.path, its ids replaced by placeholders */
    ENTRY_BY_SPAN_NAME,
};

/** Slices borrow from the span or point into the struct itself: do not copy it. */
struct entry {
    const struct span *span;
    int64_t start_ns, end_ns; /* Unix ns */
    int64_t duration_ns;      /* >= 0 */
    struct str group;         /* "namespace/service" or "service"; "unknown_service" without one */
    struct str service;       /* service.name, or "unknown_service" */
    struct str ns;            /* service.namespace, may be empty */
    struct str version;       /* service.version, may be empty */
    struct str instance;      /* service.instance.id, else k8s.pod.name, else host.name, else "" */
    struct str instance_name; /* for people: the pod or host where the id is a UUID, else the id */
    struct str host;          /* host.name, else k8s.node.name, may be empty */
    struct str operation;     /* "GET /orders/{id}", "shop.Cart/Add", "process orders" */
    enum entry_named named;
    struct str method;     /* HTTP method ("HTTP" when not a known one), may be empty */
    struct str path;       /* url.path without query, may be empty */
    struct str client;     /* client.address and its older names, may be empty */
    struct str user_agent; /* may be empty */
    int status;            /* HTTP response code, 0: none */
    enum entry_outcome outcome;
    bool error; /* counts as failed: ENTRY_5XX or span status error */

    char group_text[ENTRY_GROUP_MAX];
    char operation_text[ENTRY_OPERATION_MAX];
};

/**
 * Is this an entry span, and what does it say?
 * @return false for other kinds; *ret is then undefined
 * Thread: any. Cost: one pass over resource and span attributes, no allocation.
 * Source: OpenTelemetry semantic conventions 1.20 (http.method ...) and 1.23+ (http.request.method ...).
 */
bool entry_of(const struct span *s, struct entry *ret);

/** Name the operation anew from a path template ("/orders/{id}"): keeps the method before it. Cut at
 * ENTRY_OPERATION_MAX. */
void entry_set_path_operation(struct entry *e, struct str path_template);

#endif
