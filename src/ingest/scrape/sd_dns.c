/* SPDX-License-Identifier: Apache-2.0
 *
 * dns_sd_configs: names asked for every refresh interval with the resolver of the C library, to the system's
 * servers or to a given one. A name that fails keeps what it gave last.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "ingest/scrape/sd.h"

enum { ANSWER_BYTES = 65536, RECORDS_MAX = 10000 };

struct resolver {
    struct sd *sd;
    struct __res_state res;
    bool ready;
    unsigned char *answer; /* owned; ANSWER_BYTES */
    struct sd_set **last;  /* owned; by name: what it gave last, NULL: nothing yet */
};

static const int TYPES[] = {[DNS_SRV] = ns_t_srv,
                            [DNS_A] = ns_t_a,
                            [DNS_AAAA] = ns_t_aaaa,
                            [DNS_MX] = ns_t_mx,
                            [DNS_NS] = ns_t_ns};

/* "127.0.0.1:5353" in the place of the system's servers. */
static int set_server(struct resolver *r, struct err *reterr)
{
    struct str s = str_cstr(r->sd->env.dns_server);
    char host[INET_ADDRSTRLEN] = "";
    uint64_t port = 53;
    size_t host_n;

    if (s.n == 0) {
        return 0;
    }
    host_n = strcspn(s.p, ":");
    if (host_n >= sizeof(host) ||
        (host_n < s.n && (!str_to_u64(str_drop(s, host_n + 1), &port) || port > 65535))) {
        return err_set(reterr, ERR_INVALID, "not an address of a name server: %s", s.p);
    }
    memcpy(host, s.p, host_n);
    r->res.nscount = 1;
    r->res.nsaddr_list[0].sin_family = AF_INET;
    r->res.nsaddr_list[0].sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &r->res.nsaddr_list[0].sin_addr) == 1
               ? 0
               : err_set(reterr, ERR_INVALID, "not an address of a name server: %s", s.p);
}

static int resolver_ready(struct resolver *r, struct err *reterr)
{
    int rc;

    if (r->ready) {
        return 0;
    }
    if (res_ninit(&r->res) != 0) {
        return err_set(reterr, ERR_UNAVAILABLE, "the resolver could not be set up");
    }
    r->res.retry = 2;
    r->res.retrans = 3;
    rc = set_server(r, reterr);
    if (rc < 0) {
        res_nclose(&r->res);
        return rc;
    }
    r->ready = true;
    return 0;
}

/* ---- records ---- */

/* What one record says: a host, and a port or the configured one. */
struct found {
    char host[NS_MAXDNAME];
    unsigned port;
    const char *kind; /* "srv", "mx", "ns", NULL */
};

static bool expand(const ns_msg *m, const unsigned char *at, char *dst)
{
    return ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), at, dst, NS_MAXDNAME) >= 0;
}

static bool read_record(const struct sd_conf *c, const ns_msg *m, const ns_rr *rr,
                        struct found *ret)
{
    const unsigned char *p = ns_rr_rdata(*rr);
    unsigned n = ns_rr_rdlen(*rr);

    *ret = (struct found){.port = (unsigned)c->port};
    if (ns_rr_type(*rr) != (ns_type)TYPES[c->dns]) {
        return false; /* a CNAME on the way */
    }
    switch (c->dns) {
    case DNS_A:
        return n == 4 && inet_ntop(AF_INET, p, ret->host, sizeof(ret->host)) != NULL;
    case DNS_AAAA: {
        char text[INET6_ADDRSTRLEN];

        if (n != 16 || inet_ntop(AF_INET6, p, text, sizeof(text)) == NULL) {
            return false;
        }
        snprintf(ret->host, sizeof(ret->host), "[%s]", text);
        return true;
    }
    case DNS_SRV:
        ret->kind = "srv";
        if (n < 7) {
            return false;
        }
        ret->port = ns_get16(p + 4);
        return expand(m, p + 6, ret->host);
    case DNS_MX:
        ret->kind = "mx";
        return n > 2 && expand(m, p + 2, ret->host);
    default:
        ret->kind = "ns";
        return expand(m, p, ret->host);
    }
}

static struct label *add_label(struct label *l, struct arena *a, const char *name, struct str value)
{
    *l = (struct label){str_cstr(name), arena_str_dup(a, value)};
    return l + 1;
}

/* Labels as upstream: the record's name, and its target and port when it has them. */
static bool add_target(struct sd_set *set, const struct sd_conf *c, struct str name,
                       const struct found *f, struct labels *ret)
{
    struct label *v = arena_array(&set->a, struct label, 5);
    struct label *at = v;
    char dotted[NS_MAXDNAME + 1];

    if (v == NULL) {
        return false;
    }
    /* names from records are absolute, as upstream shows them */
    snprintf(dotted, sizeof(dotted), "%s%s", f->host,
             f->kind != NULL && !str_ends(str_cstr(f->host), STR(".")) ? "." : "");
    at->name = STR("__address__");
    at->value = f->kind != NULL
                    ? arena_printf(&set->a, "%.*s:%u",
                                   STR_ARG(str_take(str_cstr(dotted), strlen(dotted) - 1)), f->port)
                    : arena_printf(&set->a, "%s:%u", f->host, f->port);
    at++;
    at = add_label(at, &set->a, "__meta_dns_name", name);
    if (c->dns == DNS_SRV) {
        char port[16];

        snprintf(port, sizeof(port), "%u", f->port);
        at = add_label(at, &set->a, "__meta_dns_srv_record_target", str_cstr(dotted));
        at = add_label(at, &set->a, "__meta_dns_srv_record_port", str_cstr(port));
    } else if (c->dns == DNS_MX) {
        at = add_label(at, &set->a, "__meta_dns_mx_record_target", str_cstr(dotted));
    } else if (c->dns == DNS_NS) {
        at = add_label(at, &set->a, "__meta_dns_ns_record_target", str_cstr(dotted));
    }
    *ret = (struct labels){v, (size_t)(at - v)};
    return v[0].value.p != NULL && v[1].value.p != NULL;
}

static int read_answer(struct resolver *r, int n, struct str name, struct sd_set *set,
                       struct err *reterr)
{
    struct sd_group g = {.source = name};
    struct labels *targets;
    ns_msg m;
    int count;

    if (ns_initparse(r->answer, n, &m) < 0) {
        return err_set(reterr, ERR_INVALID, "%.*s: broken answer", STR_ARG(name));
    }
    count = ns_msg_count(m, ns_s_an);
    count = count > RECORDS_MAX ? RECORDS_MAX : count;
    targets = arena_array(&set->a, struct labels, (size_t)count + 1);
    if (targets == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    for (int i = 0; i < count; i++) {
        struct found f;
        ns_rr rr;

        if (ns_parserr(&m, ns_s_an, i, &rr) == 0 && read_record(r->sd->conf, &m, &rr, &f)) {
            if (!add_target(set, r->sd->conf, name, &f, &targets[g.n])) {
                return err_set(reterr, ERR_NOMEM, "out of memory");
            }
            g.n++;
        }
    }
    g.targets = targets;
    return vec_push(&set->groups, g) ? 0 : err_set(reterr, ERR_NOMEM, "out of memory");
}

/* @return 0 also when the name does not exist: then it has no targets */
static int ask(struct resolver *r, struct str name, struct sd_set *set, struct err *reterr)
{
    int n = res_nsearch(&r->res, name.p, ns_c_in, TYPES[r->sd->conf->dns], r->answer, ANSWER_BYTES);

    if (n >= 0) {
        return read_answer(r, n > ANSWER_BYTES ? ANSWER_BYTES : n, name, set, reterr);
    }
    if (r->res.res_h_errno == HOST_NOT_FOUND || r->res.res_h_errno == NO_DATA) {
        return 0;
    }
    return err_set(reterr, ERR_UNAVAILABLE, "%.*s: could not resolve: %s", STR_ARG(name),
                   hstrerror(r->res.res_h_errno));
}

static void refresh_name(struct resolver *r, size_t i)
{
    struct sd_set *set = sd_set_new();
    struct err e = {0};
    int rc = set != NULL ? resolver_ready(r, &e) : err_set(&e, ERR_NOMEM, "out of memory");

    rc = rc < 0 || set == NULL ? rc : ask(r, r->sd->conf->names[i], set, &e);
    if (rc < 0 || set == NULL) {
        sd_failed(r->sd, &e);
        sd_set_unref(set);
        return;
    }
    sd_set_unref(r->last[i]);
    r->last[i] = set;
}

/* One set of all names' groups. */
static void post(struct resolver *r)
{
    struct sd_set *all = sd_set_new();

    for (size_t i = 0; all != NULL && i < r->sd->conf->names_n; i++) {
        const struct sd_set *one = r->last[i];

        for (size_t k = 0; one != NULL && k < one->groups.n; k++) {
            struct sd_group g = one->groups.v[k];
            struct labels *targets = arena_array(&all->a, struct labels, g.n + 1);

            for (size_t t = 0; targets != NULL && t < g.n; t++) {
                if (labels_dup(g.targets[t], &all->a, &targets[t]) < 0) {
                    targets = NULL;
                }
            }
            g.targets = targets;
            if (targets == NULL || !vec_push(&all->groups, g)) {
                sd_set_unref(all);
                return;
            }
        }
    }
    if (all != NULL) {
        sd_post(r->sd, all);
    }
}

void sd_dns_run(void *arg)
{
    struct resolver r = {.sd = arg};
    size_t n = r.sd->conf->names_n;

    r.answer = mem_xcalloc(1, ANSWER_BYTES);
    r.last = mem_xcalloc(n + 1, sizeof(struct sd_set *));
    do {
        for (size_t i = 0; i < n && !sd_stopping(r.sd); i++) {
            refresh_name(&r, i);
        }
        post(&r);
    } while (sd_sleep(r.sd, r.sd->conf->refresh_ms));
    for (size_t i = 0; i < n; i++) {
        sd_set_unref(r.last[i]);
    }
    if (r.ready) {
        res_nclose(&r.res);
    }
    mem_free(r.answer);
    mem_free(r.last);
}
