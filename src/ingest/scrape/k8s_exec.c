/* SPDX-License-Identifier: Apache-2.0
 *
 * The command gets no input and its errors go where this program's go. Invariant: what it printed never reaches a message,
 * because it is a secret.
 */
#include "ingest/scrape/k8s_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "codec/base64.h"
#include "codec/json_write.h"
#include "ingest/scrape/k8s.h"

extern char **environ;

enum {
    OUTPUT_BYTES = 1 << 20,
    ARENA_BYTES = 16 << 20,
    RUN_MS = 60000,
    TICK_MS = 100,
    PATH_BYTES = 40,
    STRINGS_MAX = 1024, /* arguments, variables */
};

static const char V1[] = "client.authentication.k8s.io/v1";
static const char V1BETA1[] = "client.authentication.k8s.io/v1beta1";

/** A file in memory for libraries that take paths. */
struct secret_file {
    int fd; /* -1: none yet */
    char path[PATH_BYTES];
    bool set;
};

struct k8s_exec {
    const char *api_version;
    VEC(char *) argv; /* owned strings, NULL at the end */
    VEC(char *) env;  /* likewise: its own variables, then this program's */
    struct buf token;
    struct secret_file cert, key;
    bool valid;
    int64_t ends_ns; /* Unix ns; 0: until it is refused */
};

void k8s_exec_free(struct k8s_exec *x)
{
    if (x == NULL) {
        return;
    }
    for (size_t i = 0; i < x->argv.n; i++) {
        mem_free(x->argv.v[i]);
    }
    for (size_t i = 0; i < x->env.n; i++) {
        mem_free(x->env.v[i]);
    }
    vec_done(&x->argv);
    vec_done(&x->env);
    buf_done(&x->token);
    if (x->cert.fd >= 0) {
        close(x->cert.fd);
    }
    if (x->key.fd >= 0) {
        close(x->key.fd);
    }
    mem_free(x);
}

/* ---- the entry ---- */

static int nomem(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "kubeconfig: no memory for a credential plugin");
}

/* A string that is not taken is lost, with the memory that was not there. */
#define ADD_STRING(list, text) (vec_push((list), (text)) ? 0 : -ERR_NOMEM)

static int add_args(struct k8s_exec *x, const struct yaml_node *n, struct str dir,
                    struct err *reterr)
{
    struct str command = k8s_text(n, "command", NULL);
    const struct yaml_node *args = yaml_get(n, STR("args"));
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 1 << 16);
    if (command.n == 0) {
        return err_set(reterr, ERR_INVALID, "kubeconfig: a user's exec has no command");
    }
    if (command.p[0] != '/' && str_find_byte(command, '/') >= 0) {
        buf_printf(&b, "%.*s/", STR_ARG(dir));
    }
    buf_add_str(&b, command);
    if (buf_status(&b) < 0 || ADD_STRING(&x->argv, str_dup(buf_str(&b))) < 0) {
        return nomem(reterr);
    }
    for (size_t i = 0; args != NULL && args->kind == YAML_SEQ && i < args->n; i++) {
        if (i == STRINGS_MAX || args->seq[i]->kind != YAML_SCALAR) {
            return err_set(reterr, ERR_INVALID, "kubeconfig: args of exec must be texts");
        }
        if (ADD_STRING(&x->argv, str_dup(args->seq[i]->text)) < 0) {
            return nomem(reterr);
        }
    }
    return ADD_STRING(&x->argv, NULL) < 0 ? nomem(reterr) : 0;
}

/* KUBERNETES_EXEC_INFO */
static int add_info(struct k8s_exec *x, const struct k8s_exec_cluster *c, struct err *reterr)
{
    struct buf b CLEANUP(buf_done);
    struct buf ca CLEANUP(buf_done);
    struct json_writer w;

    buf_init(&b, OUTPUT_BYTES);
    buf_init(&ca, OUTPUT_BYTES);
    buf_add_cstr(&b, "KUBERNETES_EXEC_INFO=");
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "kind");
    json_cstr(&w, "ExecCredential");
    json_key(&w, "apiVersion");
    json_cstr(&w, x->api_version);
    json_key(&w, "spec");
    json_object_begin(&w);
    json_key(&w, "interactive");
    json_bool(&w, false);
    if (c != NULL) {
        json_key(&w, "cluster");
        json_object_begin(&w);
        json_key(&w, "server");
        json_str(&w, c->server);
        if (c->tls_server_name.n != 0) {
            json_key(&w, "tls-server-name");
            json_str(&w, c->tls_server_name);
        }
        if (c->insecure) {
            json_key(&w, "insecure-skip-tls-verify");
            json_bool(&w, true);
        }
        if (c->ca.n != 0) {
            base64_encode(c->ca, &ca);
            json_key(&w, "certificate-authority-data");
            json_str(&w, buf_str(&ca));
        }
        if (c->proxy.n != 0) {
            json_key(&w, "proxy-url");
            json_str(&w, c->proxy);
        }
        json_object_end(&w);
    }
    json_object_end(&w);
    json_object_end(&w);
    return buf_status(&b) < 0 || buf_status(&ca) < 0 ||
                   ADD_STRING(&x->env, str_dup(buf_str(&b))) < 0
               ? nomem(reterr)
               : 0;
}

/* Is a variable of this name there already? */
static bool has_variable(const struct k8s_exec *x, const char *variable)
{
    const char *end = strchr(variable, '=');

    for (size_t i = 0; end != NULL && i < x->env.n; i++) {
        if (strncmp(x->env.v[i], variable, (size_t)(end - variable) + 1) == 0) {
            return true;
        }
    }
    return false;
}

static int add_env(struct k8s_exec *x, const struct yaml_node *n, struct err *reterr)
{
    const struct yaml_node *env = yaml_get(n, STR("env"));

    for (size_t i = 0; env != NULL && env->kind == YAML_SEQ && i < env->n; i++) {
        struct str name = k8s_text(env->seq[i], "name", NULL);
        struct str value = k8s_text(env->seq[i], "value", NULL);
        struct buf b CLEANUP(buf_done);

        buf_init(&b, OUTPUT_BYTES);
        buf_printf(&b, "%.*s=%.*s", STR_ARG(name), STR_ARG(value));
        if (name.n == 0 || i == STRINGS_MAX) {
            return err_set(reterr, ERR_INVALID, "kubeconfig: env of exec needs names");
        }
        if (buf_status(&b) < 0 || ADD_STRING(&x->env, str_dup(buf_str(&b))) < 0) {
            return nomem(reterr);
        }
    }
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        if (!has_variable(x, *e) && ADD_STRING(&x->env, str_dup(str_cstr(*e))) < 0) {
            return nomem(reterr);
        }
    }
    return ADD_STRING(&x->env, NULL) < 0 ? nomem(reterr) : 0;
}

int k8s_exec_new(const struct yaml_node *n, struct str dir, const struct k8s_exec_cluster *cluster,
                 struct k8s_exec **ret, struct err *reterr)
{
    struct str version = k8s_text(n, "apiVersion", NULL);
    struct k8s_exec *x;
    int rc;

    if (!str_eq(version, str_cstr(V1)) && !str_eq(version, str_cstr(V1BETA1))) {
        return err_set(reterr, ERR_UNSUPPORTED,
                       "kubeconfig: exec has apiVersion \"%.*s\"; %s and v1beta1 are known",
                       STR_ARG(str_take(version, 80)), V1);
    }
    if (str_eq(k8s_text(n, "interactiveMode", NULL), STR("Always"))) {
        return err_set(reterr, ERR_UNSUPPORTED,
                       "kubeconfig: exec has interactiveMode Always, but nobody can be asked");
    }
    x = mem_xcalloc(1, sizeof(*x));
    x->api_version = str_eq(version, str_cstr(V1)) ? V1 : V1BETA1;
    x->cert.fd = x->key.fd = -1;
    buf_init(&x->token, OUTPUT_BYTES);
    rc = add_args(x, n, dir, reterr);
    rc = rc < 0
             ? rc
             : add_info(
                   x, str_eq(k8s_text(n, "provideClusterInfo", NULL), STR("true")) ? cluster : NULL,
                   reterr);
    rc = rc < 0 ? rc : add_env(x, n, reterr);
    if (rc < 0) {
        k8s_exec_free(x);
        return rc;
    }
    *ret = x;
    return 0;
}

/* ---- running ---- */

struct child {
    pid_t pid;
    int out; /* its standard output */
    struct mono end;
};

/* The child has default signals and this program's errors. */
static int spawn(const struct k8s_exec *x, struct child *c, struct err *reterr)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t defaults;
    int fds[2];
    int rc;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return err_set_errno(reterr, errno, "pipe");
    }
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawnp(&c->pid, x->argv.v[0], &actions, &attr, x->argv.v, x->env.v);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    close(fds[1]);
    if (rc != 0) {
        close(fds[0]);
        return err_set_errno(reterr, rc, "kubeconfig: exec: %.100s", x->argv.v[0]);
    }
    c->out = fds[0];
    c->end = mono_add_ms(clock_mono(), RUN_MS);
    return 0;
}

static int check_time(const struct child *c, const atomic_bool *stop, struct err *reterr)
{
    if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed)) {
        return err_set(reterr, ERR_CANCELED, "stopped");
    }
    return clock_mono().ns < c->end.ns
               ? 0
               : err_set(reterr, ERR_TIMEOUT, "kubeconfig: the exec command took over %d s",
                         RUN_MS / 1000);
}

static int read_output(const struct child *c, const atomic_bool *stop, struct buf *dst,
                       struct err *reterr)
{
    int rc = 0;

    while (rc == 0) {
        struct pollfd p = {.fd = c->out, .events = POLLIN};
        char piece[4096];
        ssize_t n;

        if (poll(&p, 1, TICK_MS) > 0) {
            n = read(c->out, piece, sizeof(piece));
            if (n == 0) {
                return 0;
            }
            buf_add(dst, piece, n > 0 ? (size_t)n : 0);
            if (buf_status(dst) < 0) {
                return err_set(reterr, ERR_TOO_LARGE,
                               "kubeconfig: the exec command prints over "
                               "1 MiB");
            }
        }
        rc = check_time(c, stop, reterr);
    }
    return rc;
}

/* Wait for its end, or bring it about after a failure. */
static int reap(const struct k8s_exec *x, const struct child *c, const atomic_bool *stop, int rc,
                struct err *reterr)
{
    int status = 0;

    close(c->out);
    while (rc == 0 && waitpid(c->pid, &status, WNOHANG) == 0) {
        clock_sleep_ms(TICK_MS / 10);
        rc = check_time(c, stop, reterr);
    }
    if (rc < 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, &status, 0);
        return rc;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    return err_set(reterr, ERR_UNAVAILABLE, "kubeconfig: exec: %.100s failed with %s %d",
                   x->argv.v[0], WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* ---- what it said ---- */

static int fill_file(struct secret_file *f, struct str text, struct err *reterr)
{
    f->set = text.n != 0;
    if (!f->set) {
        return 0;
    }
    if (f->fd < 0) {
        f->fd = memfd_create("bongsu-kube", MFD_CLOEXEC);
        snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
    }
    if (f->fd < 0 || ftruncate(f->fd, 0) < 0 ||
        pwrite(f->fd, text.p, text.n, 0) != (ssize_t)text.n) {
        return err_set(reterr, ERR_NOMEM, "no memory for a certificate");
    }
    return 0;
}

static int take_status(struct k8s_exec *x, const struct yaml_node *root, struct err *reterr)
{
    struct str ends = k8s_text(root, "status", "expirationTimestamp", NULL);
    struct str token = k8s_text(root, "status", "token", NULL);
    struct str cert = k8s_text(root, "status", "clientCertificateData", NULL);
    struct str key = k8s_text(root, "status", "clientKeyData", NULL);
    int rc;

    if (!str_eq(k8s_text(root, "kind", NULL), STR("ExecCredential")) ||
        !str_eq(k8s_text(root, "apiVersion", NULL), str_cstr(x->api_version))) {
        return err_set(reterr, ERR_INVALID,
                       "kubeconfig: the exec command printed no ExecCredential of %s",
                       x->api_version);
    }
    if ((token.n == 0 && cert.n == 0) || (cert.n == 0) != (key.n == 0)) {
        return err_set(reterr, ERR_INVALID,
                       "kubeconfig: the exec command gave neither a token nor a certificate with "
                       "its key");
    }
    x->ends_ns = 0;
    if (ends.n != 0 && clock_parse_rfc3339(ends.p, ends.n, &x->ends_ns) < 0) {
        return err_set(reterr, ERR_INVALID, "kubeconfig: expirationTimestamp is not a time");
    }
    buf_clear(&x->token);
    buf_add_str(&x->token, token);
    rc = fill_file(&x->cert, cert, reterr);
    return rc < 0 ? rc : fill_file(&x->key, key, reterr);
}

static int run(struct k8s_exec *x, const atomic_bool *stop, struct err *reterr)
{
    struct arena a CLEANUP(arena_done);
    struct buf out CLEANUP(buf_done);
    const struct yaml_node *root = NULL;
    struct child c = {0};
    int rc = spawn(x, &c, reterr);

    arena_init(&a, ARENA_BYTES);
    buf_init(&out, OUTPUT_BYTES);
    if (rc < 0) {
        return rc;
    }
    rc = read_output(&c, stop, &out, reterr);
    rc = reap(x, &c, stop, rc, reterr);
    if (rc == 0 && json_tree(buf_str(&out), false, &a, &root, NULL) < 0) {
        rc = err_set(reterr, ERR_INVALID, "kubeconfig: the exec command did not print JSON");
    }
    return rc < 0 ? rc : take_status(x, root, reterr);
}

void k8s_exec_rejected(struct k8s_exec *x)
{
    x->valid = false;
}

int k8s_exec_refresh(struct k8s_exec *x, const atomic_bool *stop, struct err *reterr)
{
    int rc;

    if (x->valid && (x->ends_ns == 0 || x->ends_ns > clock_wall_ns())) {
        return 0;
    }
    x->valid = false;
    rc = run(x, stop, reterr);
    if (rc < 0) {
        return rc;
    }
    x->valid = true;
    return 1;
}

struct str k8s_exec_token(const struct k8s_exec *x)
{
    return buf_str(&x->token);
}

const char *k8s_exec_cert_file(const struct k8s_exec *x)
{
    return x->cert.set ? x->cert.path : NULL;
}

const char *k8s_exec_key_file(const struct k8s_exec *x)
{
    return x->key.set ? x->key.path : NULL;
}
