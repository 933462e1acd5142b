/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects to target groups, one function a role, with upstream's labels. Invariant: nothing here touches the
 * network; a group depends on the objects alone.
 */
#include <stdio.h>

#include "base/err.h"
#include "ingest/scrape/k8s.h"

static const char META[] = "__meta_kubernetes_";

/* A set being built and what it is built from. */
struct maker {
    const struct sd_conf *c;
    const struct k8s_world *w;
    struct sd_set *set;
    bool failed;
    VEC(struct label) labels;   /* of the group or target being made */
    VEC(struct labels) targets; /* of the group being made */
};

static const struct yaml_node *get(const struct yaml_node *n, const char *key)
{
    return yaml_get(n, str_cstr(key));
}

static size_t seq_n(const struct yaml_node *n)
{
    return n != NULL && n->kind == YAML_SEQ ? n->n : 0;
}

/* ---- labels ---- */

static void add(struct maker *m, struct str name, struct str value)
{
    m->failed |= name.p == NULL || !vec_push(&m->labels, (struct label){name, value});
}

/* "__meta_kubernetes_" + name; the value belongs to an object and is copied. */
static void put(struct maker *m, const char *name, struct str value)
{
    struct str copy = arena_str_dup(&m->set->a, value);

    add(m, arena_printf(&m->set->a, "%s%s", META, name), value.n != 0 ? copy : str_of("", 0));
    m->failed |= value.n != 0 && copy.p == NULL;
}

static void put_address(struct maker *m, struct str host, struct str port)
{
    bool v6 = str_find_byte(host, ':') >= 0;

    add(m, STR("__address__"),
        port.n == 0 ? arena_str_dup(&m->set->a, host)
                    : arena_printf(&m->set->a, v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", STR_ARG(host),
                                   STR_ARG(port)));
}

/* Characters a label name cannot have become '_'. */
static struct str clean(struct maker *m, const char *prefix, struct str name)
{
    struct str s = arena_printf(&m->set->a, "%s%s%.*s", META, prefix, STR_ARG(name));
    char *p = (char *)(uintptr_t)s.p;

    for (size_t i = sizeof(META) - 1 + strlen(prefix); p != NULL && i < s.n; i++) {
        bool ok = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
                  (p[i] >= '0' && p[i] <= '9');

        p[i] = ok ? p[i] : '_';
    }
    return s;
}

static void put_map(struct maker *m, const struct yaml_node *map, const char *role,
                    const char *what)
{
    char prefix[64];
    char present[64];

    snprintf(prefix, sizeof(prefix), "%s_%s_", role, what);
    snprintf(present, sizeof(present), "%s_%spresent_", role, what);
    for (size_t i = 0; map != NULL && map->kind == YAML_MAP && i < map->n; i++) {
        add(m, clean(m, prefix, map->map[i].key),
            arena_str_dup(&m->set->a, map->map[i].value->text));
        add(m, clean(m, present, map->map[i].key), STR("true"));
    }
}

/* name, labels and annotations of an object, as those of a role. */
static void put_meta(struct maker *m, const struct yaml_node *root, const char *role)
{
    const struct yaml_node *meta = get(root, "metadata");
    char name[64];

    snprintf(name, sizeof(name), "%s_name", role);
    put(m, name, k8s_text(meta, "name", NULL));
    put_map(m, get(meta, "labels"), role, "label");
    put_map(m, get(meta, "annotations"), role, "annotation");
}

static struct labels take_labels(struct maker *m)
{
    struct label *v = arena_array(&m->set->a, struct label, m->labels.n + 1);
    struct labels ls = {v, v != NULL ? m->labels.n : 0};

    m->failed |= v == NULL;
    if (ls.n != 0) {
        memcpy(v, m->labels.v, ls.n * sizeof(*v));
    }
    vec_clear(&m->labels);
    return ls;
}

static void end_target(struct maker *m)
{
    struct labels ls = take_labels(m);

    m->failed |= !vec_push(&m->targets, ls);
}

/* The group's labels are what was added last. */
static void end_group(struct maker *m, const char *role, struct str key)
{
    struct sd_group g = {.source = arena_printf(&m->set->a, "%s/%.*s", role, STR_ARG(key))};
    struct labels *v = arena_array(&m->set->a, struct labels, m->targets.n + 1);

    g.labels = take_labels(m);
    if (v == NULL || g.source.p == NULL) {
        m->failed = true;
        return;
    }
    if (m->targets.n != 0) {
        memcpy(v, m->targets.v, m->targets.n * sizeof(*v));
    }
    g.targets = v;
    g.n = m->targets.n;
    vec_clear(&m->targets);
    m->failed |= !vec_push(&m->set->groups, g);
}

static const struct yaml_node *find(const struct maker *m, enum k8s_kind kind, struct str ns,
                                    struct str name)
{
    char key[600];
    int n = ns.n != 0 ? snprintf(key, sizeof(key), "%.*s/%.*s", STR_ARG(ns), STR_ARG(name))
                      : snprintf(key, sizeof(key), "%.*s", STR_ARG(name));
    const struct k8s_object *o = n > 0 && (size_t)n < sizeof(key)
                                     ? map_get(&m->w->objects[kind], str_of(key, (size_t)n))
                                     : NULL;

    return o != NULL ? o->root : NULL;
}

static void attach_node(struct maker *m, struct str name)
{
    const struct yaml_node *node =
        m->c->attach_node && name.n != 0 ? find(m, KIND_NODE, STR(""), name) : NULL;

    if (node != NULL) {
        put_meta(m, node, "node");
    }
}

static void attach_namespace(struct maker *m, struct str ns)
{
    const struct yaml_node *o =
        m->c->attach_namespace ? find(m, KIND_NAMESPACE, STR(""), ns) : NULL;
    const struct yaml_node *meta = o != NULL ? get(o, "metadata") : NULL;

    put(m, "namespace", ns);
    if (meta != NULL) {
        put_map(m, get(meta, "labels"), "namespace", "label");
        put_map(m, get(meta, "annotations"), "namespace", "annotation");
    }
}

static struct str namespace_of(const struct yaml_node *root)
{
    return k8s_text(root, "metadata", "namespace", NULL);
}

/* ---- node ---- */

static struct str node_address(const struct yaml_node *addresses, const char *type)
{
    for (size_t i = 0; i < seq_n(addresses); i++) {
        if (str_eq(k8s_text(addresses->seq[i], "type", NULL), str_cstr(type))) {
            return k8s_text(addresses->seq[i], "address", NULL);
        }
    }
    return str_of("", 0);
}

static void make_node(struct maker *m, const struct yaml_node *root, struct str key)
{
    static const char *const ORDER[] = {"InternalIP",  "InternalDNS",  "ExternalIP",
                                        "ExternalDNS", "LegacyHostIP", "Hostname"};
    const struct yaml_node *addresses = get(get(root, "status"), "addresses");
    struct str port = k8s_text(root, "status", "daemonEndpoints", "kubeletEndpoint", "Port", NULL);
    struct str address = str_of("", 0);

    for (size_t i = 0; i < ARRAY_LEN(ORDER) && address.n == 0; i++) {
        address = node_address(addresses, ORDER[i]);
    }
    if (address.n == 0) {
        return;
    }
    put_address(m, address, port.n != 0 ? port : STR("0"));
    add(m, STR("instance"), arena_str_dup(&m->set->a, key));
    for (size_t i = 0; i < seq_n(addresses); i++) {
        struct str type = k8s_text(addresses->seq[i], "type", NULL);
        bool first = true;

        for (size_t k = 0; k < i; k++) {
            first &= !str_eq(type, k8s_text(addresses->seq[k], "type", NULL));
        }
        if (first) {
            add(m, clean(m, "node_address_", type),
                arena_str_dup(&m->set->a, k8s_text(addresses->seq[i], "address", NULL)));
        }
    }
    end_target(m);
    put_meta(m, root, "node");
    put(m, "node_provider_id", k8s_text(root, "spec", "providerID", NULL));
    end_group(m, "node", key);
}

/* ---- pod ---- */

static struct str lower(struct maker *m, struct str s)
{
    struct str c = arena_str_dup(&m->set->a, s);
    char *p = (char *)(uintptr_t)c.p;

    for (size_t i = 0; s.n != 0 && p != NULL && i < c.n; i++) {
        p[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
    }
    return c;
}

static struct str pod_ready(const struct yaml_node *root)
{
    const struct yaml_node *conditions = get(get(root, "status"), "conditions");

    for (size_t i = 0; i < seq_n(conditions); i++) {
        if (str_eq(k8s_text(conditions->seq[i], "type", NULL), STR("Ready"))) {
            return k8s_text(conditions->seq[i], "status", NULL);
        }
    }
    return STR("unknown");
}

static void put_controller(struct maker *m, const struct yaml_node *root)
{
    const struct yaml_node *owners = get(get(root, "metadata"), "ownerReferences");

    for (size_t i = 0; i < seq_n(owners); i++) {
        if (str_eq(k8s_text(owners->seq[i], "controller", NULL), STR("true"))) {
            put(m, "pod_controller_kind", k8s_text(owners->seq[i], "kind", NULL));
            put(m, "pod_controller_name", k8s_text(owners->seq[i], "name", NULL));
            return;
        }
    }
}

/* What every target of a pod bears. */
static void put_pod(struct maker *m, const struct yaml_node *root)
{
    put_meta(m, root, "pod");
    put(m, "pod_ip", k8s_text(root, "status", "podIP", NULL));
    put(m, "pod_ready", lower(m, pod_ready(root)));
    put(m, "pod_phase", k8s_text(root, "status", "phase", NULL));
    put(m, "pod_node_name", k8s_text(root, "spec", "nodeName", NULL));
    put(m, "pod_host_ip", k8s_text(root, "status", "hostIP", NULL));
    put(m, "pod_uid", k8s_text(root, "metadata", "uid", NULL));
    put_controller(m, root);
}

static struct str container_id(const struct yaml_node *root, struct str name, bool init)
{
    const struct yaml_node *list =
        get(get(root, "status"), init ? "initContainerStatuses" : "containerStatuses");

    for (size_t i = 0; i < seq_n(list); i++) {
        if (str_eq(k8s_text(list->seq[i], "name", NULL), name)) {
            return k8s_text(list->seq[i], "containerID", NULL);
        }
    }
    return str_of("", 0);
}

static struct str protocol_of(const struct yaml_node *port)
{
    struct str p = k8s_text(port, "protocol", NULL);

    return p.n != 0 ? p : STR("TCP");
}

static void put_container(struct maker *m, const struct yaml_node *root,
                          const struct yaml_node *container, const struct yaml_node *port,
                          bool init)
{
    struct str name = k8s_text(container, "name", NULL);

    put(m, "pod_container_name", name);
    put(m, "pod_container_id", container_id(root, name, init));
    put(m, "pod_container_image", k8s_text(container, "image", NULL));
    put(m, "pod_container_init", init ? STR("true") : STR("false"));
    if (port != NULL) {
        put(m, "pod_container_port_number", k8s_text(port, "containerPort", NULL));
        put(m, "pod_container_port_name", k8s_text(port, "name", NULL));
        put(m, "pod_container_port_protocol", protocol_of(port));
    }
}

static void pod_targets(struct maker *m, const struct yaml_node *root, bool init)
{
    const struct yaml_node *list = get(get(root, "spec"), init ? "initContainers" : "containers");
    struct str ip = k8s_text(root, "status", "podIP", NULL);

    for (size_t i = 0; i < seq_n(list); i++) {
        const struct yaml_node *ports = get(list->seq[i], "ports");

        for (size_t k = 0; k < seq_n(ports); k++) {
            put_address(m, ip, k8s_text(ports->seq[k], "containerPort", NULL));
            put_container(m, root, list->seq[i], ports->seq[k], init);
            end_target(m);
        }
        if (seq_n(ports) == 0) {
            put_address(m, ip, str_of("", 0));
            put_container(m, root, list->seq[i], NULL, init);
            end_target(m);
        }
    }
}

static void make_pod(struct maker *m, const struct yaml_node *root, struct str key)
{
    if (k8s_text(root, "status", "podIP", NULL).n == 0) {
        return;
    }
    pod_targets(m, root, false);
    pod_targets(m, root, true);
    put_pod(m, root);
    attach_namespace(m, namespace_of(root));
    attach_node(m, k8s_text(root, "spec", "nodeName", NULL));
    end_group(m, "pod", key);
}

/* ---- service ---- */

static void make_service(struct maker *m, const struct yaml_node *root, struct str key)
{
    const struct yaml_node *ports = get(get(root, "spec"), "ports");
    struct str type = k8s_text(root, "spec", "type", NULL);
    struct str name = k8s_text(root, "metadata", "name", NULL);
    struct str ns = namespace_of(root);

    for (size_t i = 0; i < seq_n(ports); i++) {
        const struct yaml_node *p = ports->seq[i];

        add(m, STR("__address__"),
            arena_printf(&m->set->a, "%.*s.%.*s.svc:%.*s", STR_ARG(name), STR_ARG(ns),
                         STR_ARG(k8s_text(p, "port", NULL))));
        put(m, "service_port_name", k8s_text(p, "name", NULL));
        put(m, "service_port_number", k8s_text(p, "port", NULL));
        put(m, "service_port_protocol", protocol_of(p));
        put(m, "service_type", type);
        if (str_eq(type, STR("ExternalName"))) {
            put(m, "service_external_name", k8s_text(root, "spec", "externalName", NULL));
        } else {
            put(m, "service_cluster_ip", k8s_text(root, "spec", "clusterIP", NULL));
        }
        if (str_eq(type, STR("LoadBalancer"))) {
            put(m, "service_loadbalancer_ip", k8s_text(root, "spec", "loadBalancerIP", NULL));
        }
        end_target(m);
    }
    put_meta(m, root, "service");
    attach_namespace(m, ns);
    end_group(m, "svc", key);
}

/* ---- endpoints, endpoint slices ---- */

/* A pod behind an endpoint and the ports that are endpoints. */
struct seen_pod {
    const struct yaml_node *root;
    VEC(struct str) ports;
};

struct endpoint {
    const char *role; /* "endpoint" or "endpointslice" */
    struct str ns, host, port;
    const struct yaml_node *target; /* targetRef */
};

struct seen {
    VEC(struct seen_pod) pods;
};

static void seen_done(struct seen *s)
{
    for (size_t i = 0; i < s->pods.n; i++) {
        vec_done(&s->pods.v[i].ports);
    }
    vec_done(&s->pods);
}

static struct seen_pod *see(struct maker *m, struct seen *s, const struct yaml_node *pod,
                            struct str port)
{
    struct seen_pod *p = NULL;

    for (size_t i = 0; i < s->pods.n && p == NULL; i++) {
        p = s->pods.v[i].root == pod ? &s->pods.v[i] : NULL;
    }
    if (p == NULL && vec_push(&s->pods, (struct seen_pod){.root = pod})) {
        p = &s->pods.v[s->pods.n - 1];
    }
    m->failed |= p == NULL || !vec_push(&p->ports, port);
    return p;
}

/* The container whose port the endpoint is. */
static bool put_matching_container(struct maker *m, const struct yaml_node *pod, struct str port,
                                   bool init)
{
    const struct yaml_node *list = get(get(pod, "spec"), init ? "initContainers" : "containers");

    for (size_t i = 0; i < seq_n(list); i++) {
        const struct yaml_node *ports = get(list->seq[i], "ports");

        for (size_t k = 0; k < seq_n(ports); k++) {
            if (str_eq(k8s_text(ports->seq[k], "containerPort", NULL), port)) {
                put_container(m, pod, list->seq[i], ports->seq[k], init);
                return true;
            }
        }
    }
    return false;
}

/* Labels of the pod behind an endpoint, when it is one. */
static void put_endpoint_pod(struct maker *m, struct seen *s, const struct endpoint *e)
{
    const struct yaml_node *pod;
    struct str ns = k8s_text(e->target, "namespace", NULL);

    if (e->target == NULL || !str_eq(k8s_text(e->target, "kind", NULL), STR("Pod"))) {
        return;
    }
    pod = find(m, KIND_POD, ns.n != 0 ? ns : e->ns, k8s_text(e->target, "name", NULL));
    if (pod == NULL) {
        return;
    }
    put_pod(m, pod);
    if (!put_matching_container(m, pod, e->port, false)) {
        put_matching_container(m, pod, e->port, true);
    }
    see(m, s, pod, e->port);
}

static bool has_port(const struct seen_pod *p, struct str port)
{
    for (size_t i = 0; i < p->ports.n; i++) {
        if (str_eq(p->ports.v[i], port)) {
            return true;
        }
    }
    return false;
}

/* Ports of the pods seen that no endpoint covers are targets, too. */
static void uncovered_ports(struct maker *m, const struct seen *s)
{
    for (size_t i = 0; i < s->pods.n; i++) {
        const struct yaml_node *pod = s->pods.v[i].root;
        const struct yaml_node *list = get(get(pod, "spec"), "containers");
        struct str ip = k8s_text(pod, "status", "podIP", NULL);

        for (size_t k = 0; k < seq_n(list); k++) {
            const struct yaml_node *ports = get(list->seq[k], "ports");

            for (size_t p = 0; p < seq_n(ports); p++) {
                struct str port = k8s_text(ports->seq[p], "containerPort", NULL);

                if (has_port(&s->pods.v[i], port) || ip.n == 0) {
                    continue;
                }
                put_address(m, ip, port);
                put_container(m, pod, list->seq[k], ports->seq[p], false);
                put_pod(m, pod);
                attach_node(m, k8s_text(pod, "spec", "nodeName", NULL));
                end_target(m);
            }
        }
    }
}

static void put_service_of(struct maker *m, struct str ns, struct str name)
{
    const struct yaml_node *service = find(m, KIND_SERVICE, ns, name);

    if (service != NULL) {
        put_meta(m, service, "service");
    }
}

static void put_target_ref(struct maker *m, const char *prefix, const struct yaml_node *ref)
{
    char name[96];

    if (ref != NULL) {
        snprintf(name, sizeof(name), "%s_address_target_kind", prefix);
        put(m, name, k8s_text(ref, "kind", NULL));
        snprintf(name, sizeof(name), "%s_address_target_name", prefix);
        put(m, name, k8s_text(ref, "name", NULL));
    }
}

static void endpoints_address(struct maker *m, struct seen *s, const struct yaml_node *root,
                              const struct yaml_node *address, const struct yaml_node *port,
                              bool ready)
{
    const struct endpoint e = {.ns = namespace_of(root),
                               .host = k8s_text(address, "ip", NULL),
                               .port = k8s_text(port, "port", NULL),
                               .target = get(address, "targetRef")};
    struct str node = k8s_text(address, "nodeName", NULL);
    struct str hostname = k8s_text(address, "hostname", NULL);

    put_address(m, e.host, e.port);
    put(m, "endpoint_port_name", k8s_text(port, "name", NULL));
    put(m, "endpoint_port_protocol", protocol_of(port));
    put(m, "endpoint_ready", ready ? STR("true") : STR("false"));
    put_target_ref(m, "endpoint", e.target);
    if (node.n != 0) {
        put(m, "endpoint_node_name", node);
    }
    if (hostname.n != 0) {
        put(m, "endpoint_hostname", hostname);
    }
    attach_node(m, node);
    put_endpoint_pod(m, s, &e);
    end_target(m);
}

static void make_endpoints(struct maker *m, const struct yaml_node *root, struct str key)
{
    const struct yaml_node *subsets = get(root, "subsets");
    struct seen s = {0};

    for (size_t i = 0; i < seq_n(subsets); i++) {
        const struct yaml_node *ports = get(subsets->seq[i], "ports");
        const struct yaml_node *ready = get(subsets->seq[i], "addresses");
        const struct yaml_node *others = get(subsets->seq[i], "notReadyAddresses");

        for (size_t p = 0; p < seq_n(ports); p++) {
            for (size_t a = 0; a < seq_n(ready); a++) {
                endpoints_address(m, &s, root, ready->seq[a], ports->seq[p], true);
            }
            for (size_t a = 0; a < seq_n(others); a++) {
                endpoints_address(m, &s, root, others->seq[a], ports->seq[p], false);
            }
        }
    }
    uncovered_ports(m, &s);
    seen_done(&s);
    put_meta(m, root, "endpoints");
    attach_namespace(m, namespace_of(root));
    put_service_of(m, namespace_of(root), k8s_text(root, "metadata", "name", NULL));
    end_group(m, "endpoints", key);
}

static void put_condition(struct maker *m, const struct yaml_node *endpoint, const char *name)
{
    struct str value = k8s_text(endpoint, "conditions", name, NULL);
    char label[96];

    if (value.n != 0) {
        snprintf(label, sizeof(label), "endpointslice_endpoint_conditions_%s", name);
        put(m, label, value);
    }
}

static void put_if(struct maker *m, const char *name, struct str value)
{
    if (value.n != 0) {
        put(m, name, value);
    }
}

static void slice_address(struct maker *m, struct seen *s, const struct yaml_node *root,
                          const struct yaml_node *endpoint, const struct yaml_node *port,
                          struct str address)
{
    const struct endpoint e = {.ns = namespace_of(root),
                               .host = address,
                               .port = k8s_text(port, "port", NULL),
                               .target = get(endpoint, "targetRef")};
    struct str node = k8s_text(endpoint, "nodeName", NULL);

    put_address(m, address, e.port);
    put_if(m, "endpointslice_port_name", k8s_text(port, "name", NULL));
    put_if(m, "endpointslice_port_protocol", protocol_of(port));
    put_if(m, "endpointslice_port", e.port);
    put_if(m, "endpointslice_port_app_protocol", k8s_text(port, "appProtocol", NULL));
    put_condition(m, endpoint, "ready");
    put_condition(m, endpoint, "serving");
    put_condition(m, endpoint, "terminating");
    put_target_ref(m, "endpointslice", e.target);
    put_if(m, "endpointslice_endpoint_hostname", k8s_text(endpoint, "hostname", NULL));
    put_if(m, "endpointslice_endpoint_node_name", node);
    put_if(m, "endpointslice_endpoint_zone", k8s_text(endpoint, "zone", NULL));
    put_map(m, get(endpoint, "deprecatedTopology"), "endpointslice_endpoint", "topology");
    attach_node(m, node);
    put_endpoint_pod(m, s, &e);
    end_target(m);
}

static void make_slice(struct maker *m, const struct yaml_node *root, struct str key)
{
    const struct yaml_node *ports = get(root, "ports");
    const struct yaml_node *endpoints = get(root, "endpoints");
    struct seen s = {0};

    for (size_t i = 0; i < seq_n(endpoints); i++) {
        const struct yaml_node *addresses = get(endpoints->seq[i], "addresses");

        for (size_t p = 0; p < seq_n(ports); p++) {
            for (size_t a = 0; a < seq_n(addresses); a++) {
                slice_address(m, &s, root, endpoints->seq[i], ports->seq[p],
                              addresses->seq[a]->text);
            }
        }
    }
    uncovered_ports(m, &s);
    seen_done(&s);
    put_meta(m, root, "endpointslice");
    put(m, "endpointslice_address_type", k8s_text(root, "addressType", NULL));
    attach_namespace(m, namespace_of(root));
    put_service_of(m, namespace_of(root),
                   k8s_text(root, "metadata", "labels", "kubernetes.io/service-name", NULL));
    end_group(m, "endpointslice", key);
}

/* ---- ingress ---- */

/* "*.example.com" covers one label. */
static bool host_matches(struct str pattern, struct str host)
{
    int64_t dot;

    if (str_eq(pattern, host)) {
        return true;
    }
    dot = str_find_byte(host, '.');
    return str_starts(pattern, STR("*.")) && dot > 0 &&
           str_eq(str_drop(pattern, 1), str_drop(host, (size_t)dot));
}

static bool has_tls(const struct yaml_node *tls, struct str host)
{
    for (size_t i = 0; i < seq_n(tls); i++) {
        const struct yaml_node *hosts = get(tls->seq[i], "hosts");

        for (size_t k = 0; k < seq_n(hosts); k++) {
            if (host_matches(hosts->seq[k]->text, host)) {
                return true;
            }
        }
    }
    return false;
}

static void ingress_target(struct maker *m, struct str host, struct str path, bool tls)
{
    add(m, STR("__address__"), arena_str_dup(&m->set->a, host));
    put(m, "ingress_scheme", tls ? STR("https") : STR("http"));
    put(m, "ingress_host", host);
    put(m, "ingress_path", path.n != 0 ? path : STR("/"));
    end_target(m);
}

static void make_ingress(struct maker *m, const struct yaml_node *root, struct str key)
{
    const struct yaml_node *rules = get(get(root, "spec"), "rules");
    const struct yaml_node *tls = get(get(root, "spec"), "tls");

    for (size_t i = 0; i < seq_n(rules); i++) {
        const struct yaml_node *paths = get(get(rules->seq[i], "http"), "paths");
        struct str host = k8s_text(rules->seq[i], "host", NULL);
        bool secure = has_tls(tls, host);

        for (size_t p = 0; p < seq_n(paths); p++) {
            ingress_target(m, host, k8s_text(paths->seq[p], "path", NULL), secure);
        }
        if (get(rules->seq[i], "http") == NULL) {
            ingress_target(m, host, STR("/"), secure);
        }
    }
    put_meta(m, root, "ingress");
    put_if(m, "ingress_class_name", k8s_text(root, "spec", "ingressClassName", NULL));
    attach_namespace(m, namespace_of(root));
    end_group(m, "ingress", key);
}

struct sd_set *k8s_groups(const struct sd_conf *c, const struct k8s_world *w)
{
    static void (*const MAKE[K8S_ROLE_COUNT])(struct maker *, const struct yaml_node *,
                                              struct str) = {
        [K8S_NODE] = make_node,           [K8S_POD] = make_pod,
        [K8S_SERVICE] = make_service,     [K8S_ENDPOINTS] = make_endpoints,
        [K8S_ENDPOINTSLICE] = make_slice, [K8S_INGRESS] = make_ingress};
    struct maker m = {.c = c, .w = w, .set = sd_set_new()};
    struct str key;
    void *value;
    size_t pos = 0;

    /* roles and kinds have the same order */
    while (m.set != NULL && !m.failed && map_next(&w->objects[c->role], &pos, &key, &value)) {
        MAKE[c->role](&m, ((const struct k8s_object *)value)->root, key);
        vec_clear(&m.labels);
        vec_clear(&m.targets);
    }
    vec_done(&m.labels);
    vec_done(&m.targets);
    if (m.failed) {
        sd_set_unref(m.set);
        return NULL;
    }
    return m.set;
}
