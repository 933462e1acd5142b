/* SPDX-License-Identifier: Apache-2.0
 *
 * The shop whose traces a bench should see: 30 services of 2 to 4 replicas, who calls whom, about 200 operations.
 */
#ifndef BENCH_TRACES_SERVICES_H
#define BENCH_TRACES_SERVICES_H

#include "model/otel.h"

enum { SERVICES = 30, REPLICAS_MAX = 4, OPERATIONS_MAX = 8, CALLEES_MAX = 5 };

enum store { STORE_NONE, STORE_POSTGRES, STORE_REDIS, STORE_MONGO };

struct operation {
    char method[8];
    char route[56];
    char name[64];  /* "GET /orders/{id}" */
    char query[96]; /* what it asks its database */
    uint64_t median_ns;
};

struct replica {
    struct resource resource;
    struct attr attrs[12];
    char text[3][64];
};

struct service {
    const char *name;
    const char *table;
    enum store store;
    struct operation operations[OPERATIONS_MAX];
    int operations_n;
    int callees[CALLEES_MAX];
    int callees_n;
    struct replica replicas[REPLICAS_MAX];
    int replicas_n;
    char address[48]; /* "cart.shop.svc.cluster.local" */
};

struct services {
    struct service v[SERVICES];
    struct scope http, client, db, messaging; /* instrumentation libraries */
};

void services_init(struct services *s);

#endif
