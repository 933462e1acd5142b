/* SPDX-License-Identifier: Apache-2.0
 *
 * The exposition parsers: what a body hands on, line by line, and which error a broken one gives where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "codec/pb.h"
#include "ingest/expo.h"
#include "ingest/expo_internal.h"
#include "model/histogram.h"
#include "model/samples.h"

struct rig {
    struct arena arena;
    struct buf out; /* what was handed on, a line each */
};

static int on_family(void *arg, const struct expo_family *f, struct err *reterr)
{
    struct rig *r = arg;

    (void)reterr;
    buf_printf(&r->out, "family %.*s %s", STR_ARG(f->name),
               f->has_type ? expo_type_name(f->type) : "-");
    if (f->has_help) {
        buf_printf(&r->out, " help=%.*s", STR_ARG(f->help));
    }
    if (f->has_unit) {
        buf_printf(&r->out, " unit=%.*s", STR_ARG(f->unit));
    }
    buf_add_byte(&r->out, '\n');
    return 0;
}

static int on_sample(void *arg, struct expo *p, const struct expo_sample *s, struct err *reterr)
{
    struct rig *r = arg;
    struct labels ls;
    int rc = expo_labels(p, &ls, reterr);

    if (rc < 0) {
        return rc;
    }
    labels_format(ls, &r->out);
    buf_add_byte(&r->out, ' ');
    buf_add_f64(&r->out, s->value);
    if (s->has_time) {
        buf_printf(&r->out, " @%lld", (long long)s->t_ms);
    }
    if (s->has_created) {
        buf_printf(&r->out, " created=%lld", (long long)s->created_ms);
    }
    for (size_t i = 0; i < s->exemplars_n; i++) {
        buf_add_cstr(&r->out, " # ");
        labels_format(s->exemplars[i].labels, &r->out);
        buf_add_byte(&r->out, ' ');
        buf_add_f64(&r->out, s->exemplars[i].value);
        if (s->exemplars[i].has_time) {
            buf_printf(&r->out, " @%lld", (long long)s->exemplars[i].t_ms);
        }
    }
    for (size_t i = 0; s->histogram != NULL && i <= s->histogram->positive.n; i++) {
        const struct native_buckets *b = &s->histogram->positive;

        if (i == 0) {
            buf_printf(&r->out, " native schema=%d count=%g zero=%g/%g negative=%zu",
                       (int)s->histogram->schema, s->histogram->count, s->histogram->zero_count,
                       s->histogram->zero_threshold, s->histogram->negative.n);
        }
        if (i < b->n) {
            buf_printf(&r->out, " %d:%g", (int)b->v[i].index, b->v[i].count);
        }
    }
    buf_add_byte(&r->out, '\n');
    return 0;
}

static int walk(struct rig *r, struct expo_opts o, struct str body, struct err *e)
{
    const struct expo_handler h = {r, on_family, on_sample};
    int rc;

    arena_init(&r->arena, 1 << 20);
    buf_init(&r->out, 1 << 20);
    o.arena = &r->arena;
    rc = expo_parse(&o, &h, body, e);
    buf_add_byte(&r->out, '\0');
    return rc;
}

static void rig_done(struct rig *r)
{
    arena_done(&r->arena);
    buf_done(&r->out);
}

struct row {
    const char *body;
    const char *want;  /* what is handed on; NULL: not looked at */
    const char *error; /* NULL: none */
};

static void run_rows(const struct row *rows, size_t n, struct expo_opts o)
{
    for (size_t i = 0; i < n; i++) {
        struct err e = {0};
        struct rig r;
        int rc = walk(&r, o, str_cstr(rows[i].body), &e);

        if (rows[i].error == NULL) {
            assert_string_equal(e.msg, "");
            assert_int_equal(rc, 0);
        } else {
            assert_int_equal(rc, -ERR_INVALID);
            assert_string_equal(e.msg, rows[i].error);
        }
        if (rows[i].want != NULL) {
            assert_string_equal(r.out.data, rows[i].want);
        }
        rig_done(&r);
    }
}

static void test_text(void **state)
{
    static const struct row ROWS[] = {
        {"", "", NULL},
        {"\n  \n\t\n", "", NULL},
        {"up 1", "up 1\n", NULL},
        {"up 1\n", "up 1\n", NULL},
        {"  up\t1 \n", "up 1\n", NULL},
        {"a_total 1e3 1700000000000\nb -0.5 -5\n", "a_total 1000 @1700000000000\nb -0.5 @-5\n",
         NULL},
        {"a NaN\na +Inf\na -Inf\na nan\n", "a NaN\na +Inf\na -Inf\na NaN\n", NULL},
        {"x{b=\"2\",a=\"1\"} 3\n", "x{a=\"1\", b=\"2\"} 3\n", NULL},
        {"x { a = \"1\" , } 3\n", "x{a=\"1\"} 3\n", NULL},
        {"x{} 3\n", "x 3\n", NULL},
        {"x{a=\"\",b=\"1\"} 3\n", "x{b=\"1\"} 3\n", NULL},
        {"x{a=\"q\\\"u\\\\o\\nt\\x\",b=\"}\"} 3\n", "x{a=\"q\\\"u\\\\o\\nt\\\\x\", b=\"}\"} 3\n",
         NULL},
        {"{\"a.b\",\"x y\"=\"1\"} 3\n", "{\"a.b\", \"x y\"=\"1\"} 3\n", NULL},
        {"{\"up\"} 3\n", "up 3\n", NULL},
        {"{a=\"1\", \"m\"} 3\n", "m{a=\"1\"} 3\n", NULL},
        {"# a comment\n#HELP x y\n# EOF\n#\nup 1\n", "up 1\n", NULL},
        {"# HELP a the \\\\ help\\nof \\\"a\n# TYPE a counter\na 1\n",
         "family a counter help=the \\ help\nof \\\"a\na 1\n", NULL},
        {"# TYPE a untyped\n# HELP b\n# TYPE b gauge\nb 2\n",
         "family a unknown\nfamily b gauge help=\nb 2\n", NULL},
        {"# TYPE \"a.\\\"b\" gauge\n{\"a.\\\"b\"} 1\n", "family a.\"b gauge\n{\"a.\\\"b\"} 1\n",
         NULL},
        {"#  TYPE\th\thistogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1000000\"} 1\nh_bucket{le=\"+Inf\"} "
         "2\nother_bucket{le=\"1\"} 3\n",
         "family h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"1e+06\"} 1\nh_bucket{le=\"+Inf\"} "
         "2\nother_bucket{le=\"1\"} 3\n",
         NULL},
        {"# TYPE s summary\ns{quantile=\"0.50\"} 1\ns{le=\"1\"} 1\n",
         "family s summary\ns{quantile=\"0.5\"} 1\ns{le=\"1\"} 1\n", NULL},
        {"a 1\nb\n", "a 1\n",
         "line 2:2: expected value after metric, got \"\\n\" while parsing: \"b\""},
        {"a 1\nb x 5\n", NULL,
         "line 2:3: expected value after metric, got \"x\" while parsing: \"b x 5\""},
        {"a 1e999\n", NULL,
         "line 1:3: expected value after metric, got \"1e999\" while parsing: \"a 1e999\""},
        {"a 0x1p3\n", NULL,
         "line 1:3: expected value after metric, got \"0x1p3\" while parsing: \"a 0x1p3\""},
        {"a 1 1.5\n", NULL,
         "line 1:5: expected timestamp or new record, got \"1.5\" while parsing: \"a 1 1.5\""},
        {"a 1 2 3\n", NULL,
         "line 1:7: expected next entry after timestamp, got \"3\" while parsing: \"a 1 2 3\""},
        {"9a 1\n", NULL,
         "line 1:1: expected a valid start token, got \"9a\" while parsing: \"9a 1\""},
        {"a{b=\"c\" 1\n", NULL,
         "line 1:10: expected closing brace, got \"\\n\" while parsing: \"a{b=\\\"c\\\" 1\""},
        {"a{b=\"c} 1\n", NULL,
         "line 1:5: expected closing brace, got \"\\\"\" while parsing: \"a{b=\\\"c} 1\""},
        {"a{b=\"c\" d=\"e\"} 1\n", NULL,
         "line 1:9: expected comma or closing brace, got \"d\" while parsing: \"a{b=\\\"c\\\" d=\\\"e\\\"} 1\""},
        {"a{b} 1\n", NULL, "line 1:4: expected equal, got \"}\" while parsing: \"a{b} 1\""},
        {"a{b=c} 1\n", NULL,
         "line 1:5: expected label value, got \"c\" while parsing: \"a{b=c} 1\""},
        {"a{,} 1\n", NULL,
         "line 1:3: expected label name or closing brace, got \",\" while parsing: \"a{,} 1\""},
        {"a{\"b\"} 1\n", NULL,
         "line 1:3: metric name already set, got \"\\\"\" while parsing: \"a{\\\"b\\\"} 1\""},
        {"{b=\"c\"} 1\n", NULL, "line 1:1: a series without a metric name"},
        {"\n a{b=\"c\",b=\"d\"} 1\n", NULL, "line 2:2: a label name occurs twice"},
        {"a{b=\"\xff\"} 1\n", NULL, "line 1:5: invalid UTF-8 in a quoted string"},
        {"a{\"\"=\"x\"} 1\n", NULL, "line 1:3: empty label name"},
        {"# TYPE a nothing\n", NULL, "line 1:10: invalid metric type \"nothing\""},
        {"# TYPE a stateset2\n", NULL, "line 1:10: invalid metric type \"stateset2\""},
        {"# TYPE 9 gauge\n", NULL,
         "line 1:8: expected metric name, got \"9\" while parsing: \"# TYPE 9 gauge\""},
        {"# HELP a \xff\n", NULL, "line 1:10: the help text is not valid UTF-8"},
    };

    (void)state;
    run_rows(ROWS, ARRAY_LEN(ROWS), (struct expo_opts){.format = EXPO_TEXT});
}

static void test_openmetrics(void **state)
{
    static const struct row ROWS[] = {
        {"# EOF", "", NULL},
        {"# EOF\n", "", NULL},
        {"# TYPE a counter\n# UNIT a_seconds seconds\n# EOF\n",
         "family a counter\nfamily a_seconds - unit=seconds\n", NULL},
        {"# HELP a q\\\"\\\\\\n\n# TYPE a counter\na_total{x=\"1\"} 5 1700000000.123\n# EOF\n",
         "family a counter help=q\"\\\n\na_total{x=\"1\"} 5 @1700000000123\n", NULL},
        {"# TYPE a counter\na_total 5 # {trace_id=\"x\",b=\"y\"} 0.5\na_total 5 1.5 # {} 1 2.25\n# EOF\n",
         "family a counter\na_total 5 # {b=\"y\", trace_id=\"x\"} 0.5\na_total 5 @1500 # {} 1 "
         "@2250\n",
         NULL},
        {"# TYPE a info\na_info{v=\"1\"} 1\n# TYPE b stateset\nb{b=\"on\"} 1\n# EOF\n",
         "family a info\na_info{v=\"1\"} 1\nfamily b stateset\nb{b=\"on\"} 1\n", NULL},
        {"# TYPE a counter\na_total{x=\"1\"} 5\na_created{x=\"1\"} 100.5\na_total{x=\"2\"} "
         "6\na_total{x=\"3\"} 7\na_created{x=\"3\"} 3\n# TYPE b gauge\nb_created 5\n# EOF\n",
         "family a counter\na_total{x=\"1\"} 5 created=100500\na_total{x=\"2\"} 6\n"
         "a_total{x=\"3\"} 7 created=3000\nfamily b gauge\nb_created 5\n",
         NULL},
        {"# TYPE h histogram\nh_bucket{le=\"1\",a=\"b\"} 5\nh_bucket{le=\"+Inf\",a=\"b\"} "
         "6\nh_count{a=\"b\"} 6\nh_sum{a=\"b\"} 7\nh_created{a=\"b\"} 1\n# EOF\n",
         "family h histogram\nh_bucket{a=\"b\", le=\"1.0\"} 5 created=1000\nh_bucket{a=\"b\", le=\"+Inf\"} "
         "6 created=1000\nh_count{a=\"b\"} 6 created=1000\nh_sum{a=\"b\"} 7 created=1000\n",
         NULL},
        {"{\"a.b\",c=\"d\"} 1\n# EOF\n", "{\"a.b\", c=\"d\"} 1\n", NULL},
        {"", "", "line 1:1: data does not end with # EOF"},
        {"a 1\n", "a 1\n", "line 2:1: data does not end with # EOF"},
        {"# EOF\na 1\n", NULL, "line 2:1: unexpected data after # EOF"},
        {"# EOF\n\n", NULL, "line 2:1: unexpected data after # EOF"},
        {"\n# EOF\n", NULL,
         "line 1:1: expected a valid start token, got \"\\n\" while parsing: \"\""},
        {"a  1\n# EOF\n", NULL,
         "line 1:3: expected value after metric, got \" \" while parsing: \"a  1\""},
        {"a 1 \n# EOF\n", NULL, "line 1:5: invalid timestamp, got \"\\n\" while parsing: \"a 1 \""},
        {"a 1 NaN\n# EOF\n", NULL,
         "line 1:8: invalid timestamp, got \"\\n\" while parsing: \"a 1 NaN\""},
        {"a 1 # x\n# EOF\n", NULL,
         "line 1:4: expected timestamp, exemplar or new line, got \" \" while parsing: \"a 1 # x\""},
        {"a 1 # {a=\"b\"}\n# EOF\n", NULL,
         "line 1:14: expected value of the exemplar, got \"\\n\" while parsing: \"a 1 # {a=\\\"b\\\"}\""},
        {"a 1 # {a=\"b\"} 1 x\n# EOF\n", NULL,
         "line 1:17: invalid exemplar timestamp, got \"x\" while parsing: \"a 1 # {a=\\\"b\\\"} 1 x\""},
        {"# comment\n# EOF\n", NULL,
         "line 1:1: expected # HELP, # TYPE, # UNIT or # EOF, got \"#\" while parsing: \"# comment\""},
        {"# UNIT a seconds\n# EOF\n", NULL,
         "line 1:10: unit \"seconds\" is not a suffix of metric \"a\""},
        {"# TYPE a untyped\n# EOF\n", NULL, "line 1:10: invalid metric type \"untyped\""},
    };

    (void)state;
    run_rows(ROWS, ARRAY_LEN(ROWS),
             (struct expo_opts){.format = EXPO_OPENMETRICS, .want_created = true});
}

static void test_created_as_samples(void **state)
{
    static const struct row ROWS[] = {
        {"# TYPE a counter\na_total 5\na_created 100\n# EOF\n",
         "family a counter\na_total 5\na_created 100\n", NULL},
    };

    (void)state;
    run_rows(ROWS, ARRAY_LEN(ROWS),
             (struct expo_opts){.format = EXPO_OPENMETRICS, .created_as_samples = true});
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        double want;
        const char *spelled;
    } ROWS[] = {
        {"0", 0, "0.0"},
        {"-0", -0.0, "-0.0"},
        {"1", 1, "1.0"},
        {"+1", 1, "1.0"},
        {"1.", 1, "1.0"},
        {".5", 0.5, "0.5"},
        {"0.1", 0.1, "0.1"},
        {"0.30000000000000004", 0.30000000000000004, "0.30000000000000004"},
        {"9007199254740993", 9007199254740992, "9.007199254740992e+15"},
        {"123456", 123456, "123456.0"},
        {"1234567", 1234567, "1.234567e+06"},
        {"0.0001", 0.0001, "0.0001"},
        {"0.00001", 0.00001, "1e-05"},
        {"1e22", 1e22, "1e+22"},
        {"1e23", 1e23, "1e+23"},
        {"1.7976931348623157e308", 1.7976931348623157e308, "1.7976931348623157e+308"},
        {"5e-324", 5e-324, "5e-324"},
        {"123456789012345678901234567890", 123456789012345678901234567890.0,
         "1.2345678901234568e+29"},
        {"1.5E+2", 150, "150.0"},
    };

    static const char *const BAD[] = {"",   "-",  ".",    "e5",  "1e",   "1e+",
                                      "1x", "1 ", "0x10", "1_0", "1e400"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        char text[32];
        double v;

        assert_true(expo_f64(str_cstr(ROWS[i].text), &v));
        assert_memory_equal(&v, &ROWS[i].want, sizeof(v));
        assert_int_equal(expo_format_f64(v, text), strlen(ROWS[i].spelled));
        assert_string_equal(text, ROWS[i].spelled);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        double v;

        assert_false(expo_f64(str_cstr(BAD[i]), &v));
    }
    double nan;
    const uint64_t bits = NORMAL_NAN_BITS;

    assert_true(expo_f64(STR("NaN"), &nan));
    assert_memory_equal(&nan, &bits, sizeof(nan));
}

static void test_content_type(void **state)
{
    static const struct {
        const char *type;
        int want; /* -1: unknown */
    } ROWS[] = {
        {"text/plain", EXPO_TEXT},
        {"text/plain; version=0.0.4; charset=utf-8", EXPO_TEXT},
        {"text/plain;version=1.0.0;escaping=allow-utf-8", EXPO_TEXT},
        {"application/openmetrics-text; version=1.0.0", EXPO_OPENMETRICS},
        {"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
         "encoding=delimited",
         EXPO_PROTOBUF},
        {"application/vnd.google.protobuf; proto=x.Y", -1},
        {"application/vnd.google.protobuf", -1},
        {"", -1},
        {"text/html", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        enum expo_format f;
        bool ok = expo_format_of(str_cstr(ROWS[i].type), &f);

        assert_int_equal(ok ? (int)f : -1, ROWS[i].want);
    }
}

/* ---- protobuf ---- */

static void put_label(struct buf *b, const char *name, const char *value)
{
    size_t at = pb_begin(b, 1);

    pb_put_str(b, 1, str_cstr(name));
    pb_put_str(b, 2, str_cstr(value));
    pb_end(b, at);
}

static void put_time(struct buf *b, uint32_t num, uint64_t s, uint64_t ns)
{
    size_t at = pb_begin(b, num);

    pb_put_varint(b, 1, s);
    pb_put_varint(b, 2, ns);
    pb_end(b, at);
}

static void put_exemplar(struct buf *b, uint32_t num, double v)
{
    size_t at = pb_begin(b, num);

    put_label(b, "trace_id", "t1");
    pb_put_f64(b, 2, v);
    put_time(b, 3, 7, 8000000);
    pb_end(b, at);
}

static void put_bucket(struct buf *b, uint64_t count, double bound, bool exemplar)
{
    size_t at = pb_begin(b, 3);

    pb_put_varint(b, 1, count);
    pb_put_f64(b, 2, bound);
    if (exemplar) {
        put_exemplar(b, 3, bound / 2);
    }
    pb_end(b, at);
}

static size_t begin_family(struct buf *b, const char *name, const char *help, uint64_t type)
{
    size_t at = pb_begin(b, 1);

    pb_put_str(b, 1, str_cstr(name));
    pb_put_str(b, 2, str_cstr(help));
    pb_put_varint(b, 3, type);
    return at;
}

/* The families of `b` (field 1 each) as a delimited stream: their tags go. */
static struct str delimited(const struct buf *b, struct buf *dst)
{
    struct pb msg = pb_init(buf_str(b));
    struct pb_field f;

    while (pb_next(&msg, &f, NULL) > 0) {
        buf_add(dst, f.p + 1, (size_t)(f.s.p + f.s.n - f.p - 1));
    }
    return buf_str(dst);
}

static void test_protobuf(void **state)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct buf body CLEANUP(buf_done) = {0};
    struct err e = {0};
    size_t family;
    size_t metric;
    size_t value;
    struct rig r;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_init(&body, 1 << 20);

    family = begin_family(&b, "a_total", "help", 0);
    metric = pb_begin(&b, 4);
    put_label(&b, "z", "1");
    put_label(&b, "b", "2");
    value = pb_begin(&b, 3);
    pb_put_f64(&b, 1, 5.5);
    put_exemplar(&b, 2, 1.5);
    put_time(&b, 3, 100, 500000000);
    pb_end(&b, value);
    pb_put_varint(&b, 6, 1234);
    pb_end(&b, metric);
    pb_end(&b, family);

    family = begin_family(&b, "g", "", 1);
    for (int i = 0; i < 2; i++) {
        metric = pb_begin(&b, 4);
        put_label(&b, "i", i == 0 ? "0" : "1");
        value = pb_begin(&b, 2);
        pb_put_f64(&b, 1, i);
        pb_end(&b, value);
        pb_end(&b, metric);
    }
    pb_end(&b, family);

    family = begin_family(&b, "s", "", 2);
    metric = pb_begin(&b, 4);
    value = pb_begin(&b, 4);
    pb_put_varint(&b, 1, 4);
    pb_put_f64(&b, 2, 6);
    size_t q = pb_begin(&b, 3);
    pb_put_f64(&b, 1, 0.5);
    pb_put_f64(&b, 2, 2);
    pb_end(&b, q);
    pb_end(&b, value);
    pb_end(&b, metric);
    pb_end(&b, family);

    family = begin_family(&b, "h", "", 4);
    metric = pb_begin(&b, 4);
    put_label(&b, "b", "2");
    value = pb_begin(&b, 7);
    pb_put_varint(&b, 1, 9);
    pb_put_f64(&b, 2, 99);
    put_bucket(&b, 3, 1, true);
    put_bucket(&b, 5, 2.5, false);
    put_time(&b, 15, 3, 0);
    pb_end(&b, value);
    pb_end(&b, metric);
    pb_end(&b, family);

    assert_int_equal(
        walk(&r, (struct expo_opts){.format = EXPO_PROTOBUF}, delimited(&b, &body), &e), 0);
    assert_string_equal(
        r.out.data,
        "family a_total counter help=help\n"
        "a_total{b=\"2\", z=\"1\"} 5.5 @1234 created=100500 # {trace_id=\"t1\"} 1.5 @7008\n"
        "family g gauge help=\n"
        "g{i=\"0\"} 0\n"
        "g{i=\"1\"} 1\n"
        "family s summary help=\n"
        "s_count 4\n"
        "s_sum 6\n"
        "s{quantile=\"0.5\"} 2\n"
        "family h histogram help=\n"
        "h_count{b=\"2\"} 9 created=3000\n"
        "h_sum{b=\"2\"} 99 created=3000\n"
        "h_bucket{b=\"2\", le=\"1.0\"} 3 created=3000 # {trace_id=\"t1\"} 0.5 @7008\n"
        "h_bucket{b=\"2\", le=\"2.5\"} 5 created=3000\n"
        "h_bucket{b=\"2\", le=\"+Inf\"} 9 created=3000\n");
    rig_done(&r);

    /* cut short anywhere: an error, never more than that */
    for (size_t n = 1; n < body.n; n++) {
        struct err cut = {0};
        int rc = walk(&r, (struct expo_opts){.format = EXPO_PROTOBUF}, str_of(body.data, n), &cut);

        assert_true(rc == 0 || rc == -ERR_TRUNCATED);
        rig_done(&r);
    }
}

static void put_span(struct buf *b, uint32_t num, int32_t offset, uint32_t length)
{
    size_t at = pb_begin(b, num);

    pb_put_varint(b, 1, zigzag_encode(offset));
    pb_put_varint(b, 2, length);
    pb_end(b, at);
}

/* Buckets 1, 2 and 5 of schema 3 with the counts 1, 3, 2; classic buckets beside them. */
static void put_native(struct buf *b, uint64_t type, bool broken)
{
    size_t family = begin_family(b, "h", "", type);
    size_t metric = pb_begin(b, 4);
    size_t value = pb_begin(b, 7);

    pb_put_varint(b, 1, broken ? 9 : 8);
    pb_put_f64(b, 2, 99);
    put_bucket(b, 8, 4, true);
    pb_put_varint(b, 5, zigzag_encode(3));
    pb_put_f64(b, 6, 0.001);
    pb_put_varint(b, 7, 2);
    put_span(b, 12, 1, 2);
    put_span(b, 12, 2, 1);
    for (size_t i = 0; i < 3; i++) {
        static const int64_t DELTAS[] = {1, 2, -1};

        pb_put_varint(b, 13, zigzag_encode(DELTAS[i]));
    }
    pb_end(b, value);
    pb_end(b, metric);
    pb_end(b, family);
}

static void test_protobuf_native(void **state)
{
    static const struct {
        uint64_t type;
        bool broken;
        bool classic;
        const char *want;
        const char *error;
        bool ignore, nhcb;
    } ROWS[] = {
        {4, false, false,
         "family h histogram help=\nh 99 # {trace_id=\"t1\"} 2 @7008 native schema=3 count=8 "
         "zero=2/0.001 negative=0 1:1 2:3 5:2\n",
         "", false, false},
        {4, false, true,
         "family h histogram help=\nh 99 # {trace_id=\"t1\"} 2 @7008 native schema=3 count=8 "
         "zero=2/0.001 negative=0 1:1 2:3 5:2\n"
         "h_count 8\nh_sum 99\nh_bucket{le=\"4.0\"} 8 # {trace_id=\"t1\"} 2 @7008\n"
         "h_bucket{le=\"+Inf\"} 8\n",
         "", false, false},
        {5, false, false,
         "family h gaugehistogram help=\nh 99 # {trace_id=\"t1\"} 2 @7008 native schema=3 count=8 "
         "zero=2/0.001 negative=0 1:1 2:3 5:2\n",
         "", false, false},
        {4, true, false, NULL, "family 0 (h): ", false, false},
        {4, true, false,
         "family h histogram help=\nh_count 9\nh_sum 99\nh_bucket{le=\"4.0\"} 8 # {trace_id=\"t1\"} "
         "2 @7008\nh_bucket{le=\"+Inf\"} 9\n",
         "", true, false},
        {4, false, false,
         "family h histogram help=\nh 99 # {trace_id=\"t1\"} 2 @7008 native schema=-53 count=8 "
         "zero=0/0 negative=0 0:8\n",
         "", true, true},
        {4, false, true,
         "family h histogram help=\nh 99 # {trace_id=\"t1\"} 2 @7008 native schema=-53 count=8 "
         "zero=0/0 negative=0 0:8\nh_count 8\nh_sum 99\nh_bucket{le=\"4.0\"} 8 # "
         "{trace_id=\"t1\"} 2 @7008\nh_bucket{le=\"+Inf\"} 8\n",
         "", true, true},
        {4, false, false,
         "family h histogram help=\nh 99 # {trace_id=\"t1\"} 2 @7008 native schema=3 count=8 "
         "zero=2/0.001 negative=0 1:1 2:3 5:2\n",
         "", false, true},
        {5, false, false,
         "family h gaugehistogram help=\nh_count 8\nh_sum 99\nh_bucket{le=\"4.0\"} 8 # "
         "{trace_id=\"t1\"} 2 @7008\nh_bucket{le=\"+Inf\"} 8\n",
         "", true, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct buf b CLEANUP(buf_done) = {0};
        struct buf body CLEANUP(buf_done) = {0};
        struct err e = {0};
        struct rig r;
        int rc;

        buf_init(&b, 1 << 20);
        buf_init(&body, 1 << 20);
        put_native(&b, ROWS[i].type, ROWS[i].broken);
        rc = walk(&r,
                  (struct expo_opts){.format = EXPO_PROTOBUF,
                                     .always_classic = ROWS[i].classic,
                                     .ignore_native = ROWS[i].ignore,
                                     .nhcb = ROWS[i].nhcb},
                  delimited(&b, &body), &e);
        assert_int_equal(rc, ROWS[i].broken && !ROWS[i].ignore ? -ERR_INVALID : 0);
        assert_true(str_starts(str_cstr(e.msg), str_cstr(ROWS[i].error)));
        if (ROWS[i].want != NULL) {
            assert_string_equal(r.out.data, ROWS[i].want);
        }
        rig_done(&r);
    }
}

#define H_TYPE   "# TYPE h histogram\n"
#define H_FAMILY "family h histogram\n"
#define NATIVE_OF(sum, count, rest) \
    sum " native schema=-53 count=" count " zero=0/0 negative=0" rest "\n"

/* Nothing that has no end: a zero byte where a label's name would be. */
static void test_custom_buckets_zero(void **state)
{
    static const char BODY[] = H_TYPE "h_count{\0a=\"1\"} 1\n";
    struct err e = {0};
    struct rig r;

    (void)state;
    assert_int_equal(walk(&r, (struct expo_opts){.format = EXPO_TEXT, .nhcb = true},
                          str_of(BODY, sizeof(BODY) - 1), &e),
                     -ERR_INVALID);
    rig_done(&r);
}

static void test_custom_buckets(void **state)
{
    static const struct row ROWS[] = {
        {H_TYPE "h_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 4\nh_sum 9\n"
                "h_count 4\n",
         H_FAMILY "h " NATIVE_OF("9", "4", " 0:1 2:3"), NULL},
        /* any order, of bounds and of labels; what follows is another */
        {H_TYPE "h_count{b=\"x\",a=\"y\"} 3 5\nh_bucket{a=\"y\",le=\"+Inf\",b=\"x\"} 3 5\n"
                "h_bucket{ le = \"1\" , a=\"y\", b = \"x\" } 2 5\nh_count{a=\"z\"} 0\nup 1\n",
         H_FAMILY "h{a=\"y\", b=\"x\"} 0 @5 native schema=-53 count=3 zero=0/0 negative=0 0:2 1:1\n"
                  "h{a=\"z\"} " NATIVE_OF("0", "0", "") "up 1\n",
         NULL},
        /* no infinite bucket, no count, a bound twice */
        {H_TYPE "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 7\nh_sum 3\nh_count 2.5\n",
         H_FAMILY "h " NATIVE_OF("3", "2.5", " 0:1 1:1.5"), NULL},
        {H_TYPE "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n",
         H_FAMILY "h " NATIVE_OF("0", "2", " 0:1 1:1"), NULL},
        {H_TYPE "h_sum 4\nh_count 2\n", H_FAMILY "h " NATIVE_OF("4", "2", " 0:2"), NULL},
        /* cannot be one: left out */
        {H_TYPE "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nup 1\n", H_FAMILY "up 1\n", NULL},
        {H_TYPE "h_bucket{le=\"+Inf\"} 2\nh_count 3\n", H_FAMILY, NULL},
        {H_TYPE "h_bucket{le=\"1\"} -1\nh_count -1\n", H_FAMILY, NULL},
        {H_TYPE "h_bucket{le=\"-Inf\"} 1\nh_count 1\n", H_FAMILY, NULL},
        /* no buckets of it */
        {H_TYPE "h_bucket{le=\"x\"} 1\n", H_FAMILY "h_bucket{le=\"x\"} 1\n", NULL},
        {H_TYPE "h_bucket{le=\"NaN\"} 1\n", H_FAMILY "h_bucket{le=\"NaN\"} 1\n", NULL},
        {H_TYPE "h_bucket 1\nh_max 2\nhh_count 3\n", H_FAMILY "h_bucket 1\nh_max 2\nhh_count 3\n",
         NULL},
        {"h_bucket{le=\"+Inf\"} 1\nh_count 1\n", "h_bucket{le=\"+Inf\"} 1\nh_count 1\n", NULL},
        {"# TYPE h summary\nh_sum 1\nh_count 1\n", "family h summary\nh_sum 1\nh_count 1\n", NULL},
        {H_TYPE "h_count{=\"1\"} 1\n", H_FAMILY,
         "line 2:9: expected label name or closing brace, got \"=\" while parsing: "
         "\"h_count{=\\\"1\\\"} 1\""},
        /* UTF-8 names, quotes within values, two families */
        {"# TYPE \"h.x\" histogram\n{\"h.x_bucket\",le=\"+Inf\",\"a b\"=\"}\\\",\"} 1\n"
         "{\"h.x_count\",\"a b\"=\"}\\\",\"} 1\n" H_TYPE "h_count 1\n",
         "family h.x histogram\n{\"h.x\", \"a b\"=\"}\\\",\"} " NATIVE_OF("0", "1", " 0:1") H_FAMILY
         "h " NATIVE_OF("0", "1", " 0:1"),
         NULL},
        {H_TYPE "h_count 1\nh_count{a=\"1\" 2\n", H_FAMILY,
         "line 3:16: expected closing brace, got \"\\n\" while parsing: \"h_count{a=\\\"1\\\" 2\""},
    };

    static const struct row CLASSIC_TOO[] = {
        {H_TYPE "h_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n",
         H_FAMILY "h_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\nh " NATIVE_OF("9", "4", " 0:4"),
         NULL},
    };
    static const struct row OPENMETRICS[] = {
        {H_TYPE "h_bucket{le=\"1.0\"} 1 # {t=\"a\"} 0.5 3\nh_bucket{le=\"+Inf\"} 2 # {t=\"b\"} 7\n"
                "h_count 2\nh_sum 8\nh_created 5\n# EOF\n",
         H_FAMILY
         "h 8 created=5000 # {t=\"a\"} 0.5 @3000 # {t=\"b\"} 7" NATIVE_OF("", "2", " 0:1 1:1"),
         NULL},
    };

    (void)state;
    run_rows(ROWS, ARRAY_LEN(ROWS), (struct expo_opts){.format = EXPO_TEXT, .nhcb = true});
    run_rows(CLASSIC_TOO, ARRAY_LEN(CLASSIC_TOO),
             (struct expo_opts){.format = EXPO_TEXT, .nhcb = true, .always_classic = true});
    run_rows(OPENMETRICS, ARRAY_LEN(OPENMETRICS),
             (struct expo_opts){.format = EXPO_OPENMETRICS, .nhcb = true, .want_created = true});
}

/* Counts as doubles (one field packed, one not), and what is no histogram. */
static void test_protobuf_native_floats(void **state)
{
    static const struct {
        int64_t schema;
        double first; /* count of the first bucket */
        const char *want;
        const char *error;
    } ROWS[] = {
        {0, 1.5,
         "family h histogram help=\nh 7 native schema=0 count=5 zero=0.5/0 negative=1 3:1.5 4:2\n",
         ""},
        {0, -1, NULL, "family 0 (h): positive side: bucket number 1 has observation count of -1: "},
        {9, 1.5, NULL, "family 0 (h): a native histogram with schema 9"},
        {-53, 1.5, NULL, "family 0 (h): a native histogram with schema -53"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct buf b CLEANUP(buf_done) = {0};
        struct buf body CLEANUP(buf_done) = {0};
        struct err e = {0};
        const double counts[] = {ROWS[i].first, 2};
        struct rig r;
        size_t family;
        size_t metric;
        size_t value;
        int rc;

        buf_init(&b, 1 << 20);
        buf_init(&body, 1 << 20);
        family = begin_family(&b, "h", "", 4);
        metric = pb_begin(&b, 4);
        value = pb_begin(&b, 7);
        pb_put_f64(&b, 2, 7);
        pb_put_f64(&b, 4, 5);
        pb_put_varint(&b, 5, zigzag_encode(ROWS[i].schema));
        pb_put_f64(&b, 8, 0.5);
        put_span(&b, 9, -2, 1);
        pb_put_f64(&b, 11, 1);
        put_span(&b, 12, 3, 2);
        pb_put_str(&b, 14, str_of((const char *)counts, sizeof(counts)));
        pb_end(&b, value);
        pb_end(&b, metric);
        pb_end(&b, family);
        rc = walk(&r, (struct expo_opts){.format = EXPO_PROTOBUF}, delimited(&b, &body), &e);
        assert_int_equal(rc, ROWS[i].want != NULL ? 0 : -ERR_INVALID);
        assert_true(str_starts(str_cstr(e.msg), str_cstr(ROWS[i].error)));
        if (ROWS[i].want != NULL) {
            assert_string_equal(r.out.data, ROWS[i].want);
        }
        rig_done(&r);
    }
}

static void test_protobuf_errors(void **state)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct buf body CLEANUP(buf_done) = {0};
    struct err e = {0};
    size_t family;
    size_t metric;
    struct rig r;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_init(&body, 1 << 20);
    family = begin_family(&b, "g", "", 1);
    metric = pb_begin(&b, 4);
    put_label(&b, "i", "1");
    put_label(&b, "i", "2");
    size_t value = pb_begin(&b, 2);

    pb_put_f64(&b, 1, 1);
    pb_end(&b, value);
    pb_end(&b, metric);
    pb_end(&b, family);
    assert_int_equal(
        walk(&r, (struct expo_opts){.format = EXPO_PROTOBUF}, delimited(&b, &body), &e),
        -ERR_INVALID);
    assert_string_equal(e.msg, "family 0 (g): metric g: a label name occurs twice");
    rig_done(&r);

    buf_clear(&b);
    buf_clear(&body);
    family = begin_family(&b, "", "", 1);
    pb_end(&b, family);
    assert_int_equal(
        walk(&r, (struct expo_opts){.format = EXPO_PROTOBUF}, delimited(&b, &body), &e),
        -ERR_INVALID);
    assert_string_equal(e.msg, "family 0 (): no valid metric name");
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_openmetrics),
        cmocka_unit_test(test_created_as_samples),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_protobuf_errors),
        cmocka_unit_test(test_protobuf_native),
        cmocka_unit_test(test_custom_buckets),
        cmocka_unit_test(test_custom_buckets_zero),
        cmocka_unit_test(test_protobuf_native_floats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
