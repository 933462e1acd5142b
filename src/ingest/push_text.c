/* SPDX-License-Identifier: Apache-2.0
 *
 * The exposition parsers' samples into a push. A series known by its bytes is not parsed.
 */
#include "ingest/push_text.h"

#include "base/alloc.h"
#include "ingest/push_forms.h"
#include "model/histogram.h"

struct request {
    struct push *p;
    enum expo_format format;
    struct str body;
    struct arena arena; /* the parser's */
};

static int on_family(void *arg, const struct expo_family *f, struct err *reterr)
{
    struct request *r = arg;

    (void)reterr;
    push_metadata(r->p, f->name, str_cstr(expo_type_name(f->type)), f->unit, f->help);
    return 0;
}

struct asked {
    struct request *r;
    struct expo *x;
};

static int checked_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct asked *a = arg;
    struct labels in;
    int rc = expo_labels(a->x, &in, reterr);

    return rc < 0 ? rc : push_labels(a->r->p, in, ret, reterr);
}

static int exemplars(struct request *r, struct expo *x, const struct expo_sample *s, int64_t t_ms,
                     struct err *reterr)
{
    struct asked a = {r, x};
    struct labels ls = {NULL, 0};
    int rc = checked_labels(&a, &ls, reterr);

    for (size_t i = 0; rc == 0 && i < s->exemplars_n; i++) {
        struct exemplar e = s->exemplars[i];

        e.t_ms = e.has_time ? e.t_ms : t_ms;
        rc = push_exemplar(r->p, ls, &e, reterr);
    }
    return rc;
}

static int on_sample(void *arg, struct expo *x, const struct expo_sample *s, struct err *reterr)
{
    struct request *r = arg;
    struct asked a = {r, x};
    int64_t t_ms = s->has_time ? s->t_ms : push_now_ms(r->p);
    struct push_series series;
    struct labels ls = {NULL, 0};
    int rc = 0;

    push_find(r->p, PUSH_FORM_TEXT + (uint64_t)r->format, s->series.p, s->series.n, &series);
    if (s->has_created) {
        rc = push_start(r->p, &series, s->created_ms, t_ms, checked_labels, &a, reterr);
    }
    if (rc != 0) {
        push_reset(r->p);
        return rc < 0 ? rc : 0; /* what was refused is counted */
    }
    if (s->histogram != NULL) {
        rc = push_histogram(r->p, &series, t_ms, s->histogram, checked_labels, &a, reterr);
    } else {
        rc = series.known ? 0 : checked_labels(&a, &ls, reterr);
        rc = rc != 0 || series.known ? rc : push_intern(r->p, ls, &series, reterr);
        rc = rc != 0 ? rc : push_sample(r->p, &series, t_ms, s->value, reterr);
    }
    if (rc == 0 && s->exemplars_n != 0) {
        rc = exemplars(r, x, s, t_ms, reterr);
    }
    push_reset(r->p);
    return rc < 0 ? rc : 0; /* what was refused is counted */
}

static int decode(void *arg, struct push *p, struct err *reterr)
{
    struct request *r = arg;
    const struct expo_handler h = {r, on_family, on_sample};
    const struct expo_opts o = {.format = r->format,
                                .created_as_samples = true,
                                .want_created = push_wants_starts(p),
                                .arena = &r->arena};

    r->p = p;
    return expo_parse(&o, &h, r->body, reterr);
}

int push_text(struct push_door *d, const struct push_opts *o, enum expo_format format,
              struct str body, struct push_result *ret, struct err *reterr)
{
    struct request r = {.format = format, .body = body};
    int rc;

    arena_init(&r.arena, 1 << 22);
    rc = push_run(d, o, decode, &r, ret, reterr);
    arena_done(&r.arena);
    return rc;
}
