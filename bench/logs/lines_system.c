/* SPDX-License-Identifier: Apache-2.0
 *
 * Kubernetes: applications that log JSON, and klog; PostgreSQL; sshd by way of syslog.
 */
#include "lines.h"

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void line_json(struct line *l)
{
    static const char *const messages[] = {
        "request completed",     "cache miss",        "cache hit",
        "upstream responded",    "message published", "job finished",
        "feature flag read",     "token validated",   "rate limit checked",
        "recommendation served", "batch flushed",     "price updated",
        "webhook delivered",     "index refreshed",   "connection reset by peer"};
    static const char *const methods[] = {"GET", "POST", "PUT"};
    static const char *const routes[] = {"/v1/recommend", "/v1/price/{sku}", "/v1/stock/{sku}",
                                         "/v1/session",   "/v1/flags",       "/v1/webhooks",
                                         "/v1/search",    "/v1/images/{id}"};
    static const int bad[] = {500, 404, 503, 400, 429, 500};
    struct dice *d = l->dice;
    bool failed = dice_once_in(d, 60);
    const char *message = failed ? "request failed" : LINE_PICK_ZIPF(l, messages);
    const char *method = LINE_PICK_ZIPF(l, methods);
    const char *route = LINE_PICK_ZIPF(l, routes);
    int status = failed ? LINE_PICK(l, bad) : 200;
    int64_t ms = (int64_t)dice_lognormal(d, 9, 28);
    uint64_t request = random_next(&d->state);
    unsigned user = (unsigned)dice_zipf(d, 200000);
    unsigned bytes = (unsigned)dice_lognormal(d, 900, 22);

    line_level(l, failed && status >= 500 ? LEVEL_ERROR
                  : failed                ? LEVEL_WARN
                  : dice_once_in(d, 6)    ? LEVEL_DEBUG
                                          : LEVEL_INFO);
    line_body(
        l,
        arena_printf(
            l->arena,
            "{\"time\":\"%d-%02d-%02dT%02d:%02d:%02d.%06lldZ\",\"level\":\"%s\",\"msg\":\"%s\",\"request_id\":\"%016llx\",\"method\":\"%s\","
            "\"route\":\"%s\",\"status\":%d,\"duration_ms\":%lld,\"user_id\":%u,\"region\":\"%s\",\"bytes_out\":%u}",
            l->tm.tm_year + 1900, l->tm.tm_mon + 1, l->tm.tm_mday, l->tm.tm_hour, l->tm.tm_min,
            l->tm.tm_sec, (long long)l->us, line_level_name(l), message,
            (unsigned long long)request, method, route, status, (long long)ms, user,
            request % 3 ? "ap-northeast-2" : "ap-northeast-1", bytes));
    line_attr(l, "method", str_cstr(method));
    line_attr(l, "path", str_cstr(route));
    line_attr_int(l, "status", status);
    line_attr_int(l, "duration_ms", ms);
    line_trace(l, 40);
}

void line_klog(struct line *l)
{
    struct dice *d = l->dice;
    unsigned pod = (unsigned)dice_zipf(d, 3000);
    unsigned n = (unsigned)dice_below(d, 100000);
    char letter = 'I';
    const char *file = "kubelet.go:2400";
    struct str said;

    line_level(l, LEVEL_INFO);
    switch (dice_below(d, 8)) {
    case 0:
        letter = 'W';
        file = "reflector.go:539";
        line_level(l, LEVEL_WARN);
        said = arena_printf(
            l->arena,
            "k8s.io/client-go/informers/factory.go:150: watch of *v1.Pod ended with: too old resource version: %u (%u)",
            n * 31, n * 31 + 977);
        break;
    case 1:
        letter = 'E';
        file = "pod_workers.go:1301";
        line_level(l, dice_once_in(d, 3) ? LEVEL_ERROR : LEVEL_WARN);
        said = arena_printf(
            l->arena,
            "\"Error syncing pod, skipping\" err=\"failed to \\\"StartContainer\\\" for \\\"app\\\" with CrashLoopBackOff: \\\"back-off 5m0s restarting failed container\\\"\" pod=\"shop/app-%u\" podUID=\"%08x-1f0c-4d5e-9b7a-%012x\"",
            pod, pod * 2654435761u, n);
        break;
    case 2:
        file = "scheduler.go:731";
        said = arena_printf(
            l->arena,
            "\"Successfully bound pod to node\" pod=\"shop/app-%u\" node=\"node-%u\" evaluatedNodes=%u feasibleNodes=%u",
            pod, n % 40, 40, 1 + n % 39);
        break;
    case 3:
        file = "replica_set.go:676";
        said = arena_printf(
            l->arena,
            "\"Finished syncing\" kind=\"ReplicaSet\" key=\"shop/app-%u\" duration=\"%u.%03ums\"",
            pod, n % 90, n % 1000);
        break;
    case 4:
        file = "httplog.go:132";
        said = arena_printf(
            l->arena,
            "\"HTTP\" verb=\"LIST\" URI=\"/api/v1/namespaces/shop/pods?limit=500&resourceVersion=%u\" latency=\"%u.%06ums\" userAgent=\"kube-controller-manager/v1.29.4\" srcIP=\"10.0.%u.%u:%u\" resp=200",
            n * 13, n % 40, n, n % 250, pod % 250, 30000 + n % 30000);
        break;
    default:
        file = "reconciler_common.go:258";
        said = arena_printf(
            l->arena,
            "\"operationExecutor.MountVolume started for volume \\\"config\\\" (UniqueName: \\\"kubernetes.io/configmap/%08x-config\\\") pod \\\"app-%u\\\" (UID: \\\"%08x\\\")\" pod=\"shop/app-%u\"",
            pod * 2654435761u, pod, n * 2654435761u, pod);
    }
    line_body(l, arena_printf(l->arena, "%c%02d%02d %02d:%02d:%02d.%06lld %7u %s] %.*s", letter,
                              l->tm.tm_mon + 1, l->tm.tm_mday, l->tm.tm_hour, l->tm.tm_min,
                              l->tm.tm_sec, (long long)l->us, 1 + (unsigned)l->stream, file,
                              STR_ARG(said)));
    line_attr(l, "source", str_cstr(file));
}

void line_postgres(struct line *l)
{
    static const char *const statements[] = {
        "SELECT id, sku, price FROM product WHERE category_id = $1 ORDER BY rank LIMIT 40",
        "UPDATE stock SET n = n - $1 WHERE sku = $2 AND n >= $1",
        "INSERT INTO orders (id, user_id, state, total) VALUES ($1, $2, $3, $4)",
        "SELECT u.id, u.email, s.token FROM users u JOIN session s ON s.user_id = u.id WHERE s.token = $1",
        "DELETE FROM outbox WHERE id = ANY($1)",
        "SELECT count(*) FROM orders WHERE created_at > now() - interval '1 hour' AND state = 'NEW'"};
    struct dice *d = l->dice;
    unsigned pid = 1000 + (unsigned)dice_below(d, 400);
    unsigned n = (unsigned)dice_below(d, 1000000);
    unsigned ms = (unsigned)dice_lognormal(d, 30, 28);
    const char *word = "LOG";
    struct str said;

    line_level(l, LEVEL_INFO);
    switch (dice_below(d, 12)) {
    case 0:
        said = arena_printf(
            l->arena,
            "checkpoint complete: wrote %u buffers (%u.%u%%); 0 WAL file(s) added, 0 removed, %u recycled; write=%u.%03u s, sync=0.004 s, total=%u.%03u s",
            n % 9000, n % 60, n % 10, n % 7, n % 270, n % 1000, n % 270, n % 1000);
        break;
    case 1:
        word = "ERROR";
        line_level(l, LEVEL_ERROR);
        said = arena_printf(
            l->arena,
            "duplicate key value violates unique constraint \"orders_pkey\"\n\tDETAIL:  Key (id)=(%u) already exists.\n\tSTATEMENT:  %s",
            70000000 + n, statements[2]);
        break;
    case 2:
        said = arena_printf(
            l->arena, "process %u still waiting for ShareLock on transaction %u after 1000.%03u ms",
            pid, n * 17, n % 1000);
        break;
    case 3:
        said = arena_printf(
            l->arena,
            "automatic vacuum of table \"shop.public.outbox\": index scans: 1, pages: 0 removed, %u remain, tuples: %u removed",
            n % 5000, n);
        break;
    default:
        said = arena_printf(l->arena, "duration: %u.%03u ms  execute <unnamed>: %s", ms, n % 1000,
                            LINE_PICK_ZIPF(l, statements));
    }
    line_body(
        l, arena_printf(l->arena, "%d-%02d-%02d %02d:%02d:%02d.%03d UTC [%u] app@shop %s:  %.*s",
                        l->tm.tm_year + 1900, l->tm.tm_mon + 1, l->tm.tm_mday, l->tm.tm_hour,
                        l->tm.tm_min, l->tm.tm_sec, (int)(l->us / 1000), pid, word, STR_ARG(said)));
    line_attr_int(l, "pid", pid);
}

void line_sshd(struct line *l)
{
    static const char *const names[] = {"root",   "admin",    "deploy", "ubuntu", "test",
                                        "oracle", "postgres", "git",    "user1",  "ftpuser"};
    struct dice *d = l->dice;
    unsigned pid = 2000 + (unsigned)dice_below(d, 30000);
    unsigned port = 30000 + (unsigned)dice_below(d, 30000);
    const char *name = LINE_PICK_ZIPF(l, names);
    struct str client = line_client(l);
    struct str said;

    line_level(l, LEVEL_INFO);
    switch (dice_below(d, 6)) {
    case 0:
        said = arena_printf(
            l->arena,
            "Accepted publickey for deploy from %.*s port %u ssh2: ED25519 SHA256:%016llx",
            STR_ARG(client), port, (unsigned long long)random_next(&d->state));
        break;
    case 1:
        said = arena_printf(l->arena, "Connection closed by invalid user %s %.*s port %u [preauth]",
                            name, STR_ARG(client), port);
        break;
    case 2:
        said = arena_printf(
            l->arena, "pam_unix(sshd:session): session %s for user deploy(uid=1001) by (uid=0)",
            pid % 2 ? "opened" : "closed");
        break;
    default:
        line_level(l, LEVEL_WARN);
        said = arena_printf(l->arena, "Failed password for %s%s from %.*s port %u ssh2",
                            pid % 3 ? "invalid user " : "", name, STR_ARG(client), port);
    }
    line_body(l, arena_printf(l->arena, "%s %2d %02d:%02d:%02d bastion-%d sshd[%u]: %.*s",
                              months[l->tm.tm_mon], l->tm.tm_mday, l->tm.tm_hour, l->tm.tm_min,
                              l->tm.tm_sec, l->stream, pid, STR_ARG(said)));
    line_attr_int(l, "pid", pid);
    line_attr(l, "facility", STR("auth"));
}
