/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of streams come from their numbers alone.
 */
#include "streams.h"

#include <stdio.h>

static const struct kind {
    void (*line)(struct line *l);
    unsigned percent; /* of all records */
    unsigned streams;
    bool pods; /* in Kubernetes, else on hosts of its own */
    const char *services[6];
} kinds[] = {
    {line_nginx, 34, 12, true, {"ingress-nginx", "web-static", "web-mobile"}},
    {line_spring, 25, 20, true, {"order-api", "payment-api", "cart-api", "stock-api", "user-api"}},
    {line_json, 18, 16, true, {"recommend", "pricing", "search", "notifier", "flags"}},
    {line_klog,
     6,
     12,
     false,
     {"kubelet", "kube-scheduler", "kube-controller-manager", "kube-apiserver"}},
    {line_postgres, 6, 4, false, {"postgresql"}},
    {line_tomcat, 4, 4, false, {"tomcat-legacy"}},
    {line_korean, 4, 4, true, {"order-kr"}},
    {line_sshd, 3, 8, false, {"sshd"}},
};

static void add(struct stream *s, size_t *n, const char *key, const char *value)
{
    s->attrs[(*n)++] = (struct attr){str_cstr(key), {.type = VALUE_STR, .u.s = str_cstr(value)}};
}

static void set_up(struct stream *s, const struct kind *k, unsigned i)
{
    size_t services = 0;
    size_t n = 0;

    while (services < ARRAY_LEN(k->services) && k->services[services])
        services++;
    const char *service = k->services[i % services];
    unsigned hash = (i + 1) * 2654435761u;

    *s = (struct stream){.line = k->line, .number = (int)i};
    add(s, &n, "service.name", service);
    if (k->pods) {
        (void)snprintf(s->text[0], sizeof s->text[0], "%s-%08x-%05x", service, hash % 977 * 40503,
                       hash >> 12);
        (void)snprintf(s->text[1], sizeof s->text[1], "node-%02u", hash % 7);
        add(s, &n, "service.namespace", "shop");
        add(s, &n, "k8s.cluster.name", "prod-seoul");
        add(s, &n, "k8s.namespace.name", "shop");
        add(s, &n, "k8s.pod.name", s->text[0]);
        add(s, &n, "k8s.container.name", service);
        add(s, &n, "k8s.node.name", s->text[1]);
    } else {
        (void)snprintf(s->text[1], sizeof s->text[1], "%s-%02u.example.internal", service, i);
    }
    add(s, &n, "host.name", s->text[1]);
    add(s, &n, "deployment.environment.name", "production");
    s->resource.attrs = (struct attrs){s->attrs, n};
}

void streams_init(struct streams *s)
{
    s->n = 0;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (unsigned i = 0; i < kinds[k].streams; i++)
            set_up(&s->v[s->n++], &kinds[k], i);
}

const struct stream *streams_pick(const struct streams *s, struct dice *d)
{
    unsigned of = (unsigned)dice_below(d, 100);
    size_t first = 0;

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        if (of < kinds[k].percent)
            return &s->v[first + dice_zipf(d, kinds[k].streams)];
        of -= kinds[k].percent;
        first += kinds[k].streams;
    }
    return &s->v[0];
}
