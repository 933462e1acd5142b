/* SPDX-License-Identifier: Apache-2.0
 *
 * How to reach the API server: given in the configuration, by a kubeconfig, or by the service account of the
 * pod this program runs in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "codec/base64.h"
#include "ingest/scrape/config_internal.h"
#include "ingest/scrape/k8s.h"
#include "io/vfs.h"

static const char ACCOUNT[] = "/var/run/secrets/kubernetes.io/serviceaccount";

enum { FILE_BYTES = 4 << 20 };

void k8s_access_done(struct k8s_access *x)
{
    for (size_t i = 0; i < x->files.n; i++) {
        close(x->files.v[i]);
    }
    vec_done(&x->files);
    k8s_exec_free(x->exec);
    x->exec = NULL;
}

static int read_text(const char *path, struct arena *a, struct str *ret, struct err *reterr)
{
    char *p = NULL;
    size_t n = 0;
    int rc = vfs_read_file(vfs_real(), path, FILE_BYTES, &p, &n, reterr);

    if (rc < 0) {
        return rc;
    }
    *ret = arena_str_dup(a, str_of(p, n));
    mem_free(p);
    return n != 0 && ret->p == NULL ? err_set(reterr, ERR_NOMEM, "out of memory") : 0;
}

static struct str without_slash(struct str s)
{
    while (s.n != 0 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    return s;
}

/* ---- service account ---- */

static int in_cluster(struct arena *a, struct k8s_access *x, struct err *reterr)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    struct str ns = {0};

    if (host == NULL || port == NULL) {
        return err_set(reterr, ERR_UNAVAILABLE,
                       "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                       "must be defined, or give api_server or kubeconfig_file");
    }
    x->url = arena_printf(a, strchr(host, ':') != NULL ? "https://[%s]:%s" : "https://%s:%s", host,
                          port);
    x->http.has_authorization = true;
    x->http.auth_type = STR("Bearer");
    x->http.credentials_file = arena_printf(a, "%s/token", ACCOUNT);
    x->http.profile.ca_file = arena_printf(a, "%s/ca.crt", ACCOUNT).p;
    if (read_text(arena_printf(a, "%s/namespace", ACCOUNT).p, a, &ns, NULL) == 0) {
        x->own_namespace = str_trim(ns);
    }
    return x->url.p != NULL ? 0 : err_set(reterr, ERR_NOMEM, "out of memory");
}

/* ---- kubeconfig ---- */

struct kube {
    struct arena *a;
    struct k8s_access *x;
    const struct yaml_node *root;
    struct str dir;
};

/* The entry of a list by its name: clusters, contexts, users. */
static const struct yaml_node *named(const struct kube *k, const char *list, const char *what,
                                     struct str name)
{
    const struct yaml_node *v = yaml_get(k->root, str_cstr(list));

    for (size_t i = 0; v != NULL && v->kind == YAML_SEQ && i < v->n; i++) {
        if (str_eq(k8s_text(v->seq[i], "name", NULL), name)) {
            return yaml_get(v->seq[i], str_cstr(what));
        }
    }
    return NULL;
}

static struct str join(const struct kube *k, struct str path)
{
    return path.n == 0 || path.p[0] == '/'
               ? arena_printf(k->a, "%.*s", STR_ARG(path))
               : arena_printf(k->a, "%.*s/%.*s", STR_ARG(k->dir), STR_ARG(path));
}

/* "KEY-data" in base64 goes into a memory file, "KEY" is a path. */
static int file_or_data(struct kube *k, const struct yaml_node *n, const char *key,
                        const char **ret, struct err *reterr)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str path = k8s_text(n, key, NULL);
    char data_key[64];
    struct str data;
    int fd;

    snprintf(data_key, sizeof(data_key), "%s-data", key);
    data = k8s_text(n, data_key, NULL);
    if (data.n == 0) {
        *ret = path.n != 0 ? join(k, path).p : NULL;
        return 0;
    }
    buf_init(&b, FILE_BYTES);
    if (!base64_decode(data, &b)) {
        return err_set(reterr, ERR_INVALID, "%s is not base64", data_key);
    }
    fd = memfd_create("bongsu-kube", MFD_CLOEXEC);
    if (fd < 0 || !vec_push(&k->x->files, fd)) {
        if (fd >= 0) {
            close(fd);
        }
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    if (write(fd, b.data, b.n) != (ssize_t)b.n) {
        return err_set(reterr, ERR_NOMEM, "no memory for a certificate");
    }
    *ret = arena_printf(k->a, "/proc/self/fd/%d", fd).p;
    return 0;
}

static struct str keep(const struct kube *k, struct str s)
{
    return arena_printf(k->a, "%.*s", STR_ARG(s));
}

static int read_exec(struct kube *k, const struct yaml_node *exec, struct err *reterr)
{
    const struct http_profile *p = &k->x->http.profile;
    struct k8s_exec_cluster c = {.server = k->x->url,
                                 .tls_server_name = str_cstr(p->server_name),
                                 .proxy = str_cstr(p->proxy),
                                 .insecure = p->insecure};
    int rc = p->ca_file != NULL ? read_text(p->ca_file, k->a, &c.ca, reterr) : 0;

    return rc < 0 ? rc : k8s_exec_new(exec, k->dir, &c, &k->x->exec, reterr);
}

static int read_user(struct kube *k, const struct yaml_node *user, struct err *reterr)
{
    struct http_conf *h = &k->x->http;
    struct str token = k8s_text(user, "token", NULL);
    struct str token_file = k8s_text(user, "tokenFile", NULL);
    struct str name = k8s_text(user, "username", NULL);
    int rc;

    if (yaml_get(user, STR("auth-provider")) != NULL) {
        return err_set(reterr, ERR_UNSUPPORTED,
                       "kubeconfig: auth-provider users are not supported; use exec or a token");
    }
    if (!yaml_is_null(yaml_get(user, STR("exec")))) {
        return read_exec(k, yaml_get(user, STR("exec")), reterr);
    }
    if (token.n != 0 || token_file.n != 0) {
        h->has_authorization = true;
        h->auth_type = STR("Bearer");
        h->credentials = keep(k, token);
        h->credentials_file = token_file.n != 0 ? join(k, token_file) : str_of("", 0);
    } else if (name.n != 0) {
        h->has_basic = true;
        h->user = keep(k, name);
        h->password = keep(k, k8s_text(user, "password", NULL));
    }
    rc = file_or_data(k, user, "client-certificate", &h->profile.cert_file, reterr);
    return rc < 0 ? rc : file_or_data(k, user, "client-key", &h->profile.key_file, reterr);
}

static int read_cluster(struct kube *k, const struct yaml_node *cluster, struct err *reterr)
{
    struct http_profile *p = &k->x->http.profile;
    struct str server = k8s_text(cluster, "server", NULL);
    struct str name = k8s_text(cluster, "tls-server-name", NULL);
    struct str proxy = k8s_text(cluster, "proxy-url", NULL);

    if (server.n == 0) {
        return err_set(reterr, ERR_INVALID, "kubeconfig: the cluster has no server");
    }
    k->x->url = keep(k, without_slash(server));
    p->insecure = str_eq(k8s_text(cluster, "insecure-skip-tls-verify", NULL), STR("true"));
    p->server_name = name.n != 0 ? keep(k, name).p : NULL;
    p->proxy = proxy.n != 0 ? keep(k, proxy).p : NULL;
    return file_or_data(k, cluster, "certificate-authority", &p->ca_file, reterr);
}

static struct str folder(struct str path)
{
    while (path.n > 0 && path.p[path.n - 1] != '/') {
        path.n--;
    }
    return path.n > 0 ? str_take(path, path.n - 1) : STR(".");
}

static int from_kubeconfig(const char *path, struct arena *a, struct k8s_access *x,
                           struct err *reterr)
{
    struct kube k = {.a = a, .x = x, .dir = folder(str_cstr(path))};
    const struct yaml_node *context;
    const struct yaml_node *cluster;
    const struct yaml_node *user;
    struct str text;
    int rc = read_text(path, a, &text, reterr);

    rc = rc < 0 ? rc : yaml_tree_parse(path, text, a, &k.root, reterr);
    if (rc < 0) {
        return rc;
    }
    context = named(&k, "contexts", "context", k8s_text(k.root, "current-context", NULL));
    if (context == NULL) {
        return err_set(reterr, ERR_INVALID, "%s: current-context is not there", path);
    }
    cluster = named(&k, "clusters", "cluster", k8s_text(context, "cluster", NULL));
    user = named(&k, "users", "user", k8s_text(context, "user", NULL));
    if (cluster == NULL) {
        return err_set(reterr, ERR_INVALID, "%s: the context's cluster is not there", path);
    }
    x->own_namespace = keep(&k, k8s_text(context, "namespace", NULL));
    rc = read_cluster(&k, cluster, reterr);
    return rc < 0 || user == NULL ? rc : read_user(&k, user, reterr);
}

int k8s_access_refresh(struct k8s_access *x, const atomic_bool *stop, struct err *reterr)
{
    int rc = x->exec != NULL ? k8s_exec_refresh(x->exec, stop, reterr) : 0;

    if (rc == 1) {
        x->http.has_authorization = k8s_exec_token(x->exec).n != 0;
        x->http.auth_type = STR("Bearer");
        x->http.credentials = k8s_exec_token(x->exec);
        x->http.profile.cert_file = k8s_exec_cert_file(x->exec);
        x->http.profile.key_file = k8s_exec_key_file(x->exec);
    }
    return rc < 0 ? rc : 0;
}

int k8s_access(const struct sd_conf *c, struct arena *a, struct k8s_access *ret, struct err *reterr)
{
    *ret = (struct k8s_access){0};
    http_conf_default(&ret->http);
    if (c->kubeconfig.n != 0) {
        return from_kubeconfig(c->kubeconfig.p, a, ret, reterr);
    }
    if (c->url.n == 0) {
        return in_cluster(a, ret, reterr);
    }
    ret->http = c->http;
    ret->url = without_slash(c->url);
    return 0;
}
