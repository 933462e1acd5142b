/* SPDX-License-Identifier: Apache-2.0
 *
 * A result as the HTTP API's "data" member, byte for byte as Prometheus 2.x writes it.
 */
#include "query/promql/gotext.h"
#include "query/promql/hist.h"
#include "query/promql/promql.h"

/** How many bytes from the start go out as they are. */
static size_t plain_prefix(struct str s)
{
    size_t n = 0;

    while (n < s.n && (signed char)s.p[n] >= 0x20 && s.p[n] != '"' && s.p[n] != '\\' &&
           s.p[n] != '<' && s.p[n] != '>' && s.p[n] != '&') {
        n++;
    }
    return n;
}

/** A JSON string with the escapes of Go's encoder, which also escapes what HTML minds. */
static void add_string(struct str s, struct buf *dst)
{
    buf_add_byte(dst, '"');
    while (s.n != 0) {
        size_t n = plain_prefix(s);
        int32_t r;

        buf_add(dst, s.p, n);
        s = str_drop(s, n);
        if (s.n == 0) {
            break;
        }
        r = go_rune(s, &n);
        if (r == '"' || r == '\\') {
            buf_add_byte(dst, '\\');
            buf_add_byte(dst, (char)r);
        } else if (r == '\n' || r == '\r' || r == '\t') {
            buf_add_cstr(dst, r == '\n' ? "\\n" : r == '\r' ? "\\r" : "\\t");
        } else if (r < 0x20 || r == '<' || r == '>' || r == '&' || r == 0x2028 || r == 0x2029) {
            buf_printf(dst, "\\u%04x", (unsigned)r);
        } else if (r == 0xfffd && n == 1) {
            buf_add_cstr(dst, "\\ufffd");
        } else {
            buf_add(dst, s.p, n);
        }
        s = str_drop(s, n);
    }
    buf_add_byte(dst, '"');
}

static void add_labels(struct labels ls, struct buf *dst)
{
    buf_add_byte(dst, '{');
    for (size_t i = 0; i < ls.n; i++) {
        if (i != 0) {
            buf_add_byte(dst, ',');
        }
        add_string(ls.v[i].name, dst);
        buf_add_byte(dst, ':');
        add_string(ls.v[i].value, dst);
    }
    buf_add_byte(dst, '}');
}

/** Seconds with up to three decimals. @return length */
static size_t time_text(int64_t t_ms, char *dst)
{
    uint64_t abs = t_ms < 0 ? 0 - (uint64_t)t_ms : (uint64_t)t_ms;
    uint64_t ms = abs % 1000;
    char *at = dst;

    if (t_ms < 0) {
        *at++ = '-';
    }
    at += decimal_write(abs / 1000, at);
    if (ms != 0) {
        at[0] = '.';
        at[1] = (char)('0' + ms / 100);
        at[2] = (char)('0' + ms / 10 % 10);
        at[3] = (char)('0' + ms % 10);
        at += 4;
    }
    return (size_t)(at - dst);
}

static void add_point(int64_t t_ms, double v, struct buf *dst)
{
    char *text = buf_reserve(dst, DECIMAL_TEXT_MAX + 32);
    size_t n = 1;

    if (text == NULL) {
        return;
    }
    text[0] = '[';
    n += time_text(t_ms, text + n);
    memcpy(text + n, ",\"", 2);
    n += 2;
    n += go_f64_json(v, text + n);
    memcpy(text + n, "\"]", 2);
    dst->n += n + 2;
}

static void add_histogram(int64_t t_ms, const struct native_histogram *h, struct buf *dst)
{
    char time[32];

    buf_add_byte(dst, '[');
    buf_add(dst, time, time_text(t_ms, time));
    buf_add_byte(dst, ',');
    hist_add_json(h, dst);
    buf_add_byte(dst, ']');
}

/** Floats and histograms of a series are members of their own. */
static void add_mixed(const struct promql_series *s, bool vector, struct buf *dst)
{
    bool any = false;

    if (vector) {
        buf_add_cstr(dst, ",\"histogram\":");
        add_histogram(s->t_ms[0], s->h[0], dst);
        buf_add_byte(dst, '}');
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->h[i] == NULL) {
            buf_add_cstr(dst, any ? "," : ",\"values\":[");
            add_point(s->t_ms[i], s->v[i], dst);
            any = true;
        }
    }
    buf_add_cstr(dst, any ? "],\"histograms\":[" : ",\"histograms\":[");
    any = false;
    for (size_t i = 0; i < s->n; i++) {
        if (s->h[i] != NULL) {
            buf_add_cstr(dst, any ? "," : "");
            add_histogram(s->t_ms[i], s->h[i], dst);
            any = true;
        }
    }
    buf_add_cstr(dst, "]}");
}

static void add_series(const struct promql_series *s, bool vector, struct buf *dst)
{
    buf_add_cstr(dst, "{\"metric\":");
    add_labels(s->labels, dst);
    if (s->h != NULL) {
        add_mixed(s, vector, dst);
        return;
    }
    buf_add_cstr(dst, vector ? ",\"value\":" : ",\"values\":[");
    for (size_t i = 0; i < s->n; i++) {
        if (i != 0) {
            buf_add_byte(dst, ',');
        }
        add_point(s->t_ms[i], s->v[i], dst);
    }
    buf_add_cstr(dst, vector ? "}" : "]}");
}

static void add_stats(const struct promql_query_stats *s, struct buf *dst)
{
    double eval_s = (double)s->eval_ns / 1e9;
    double select_s = (double)s->select_ns / 1e9;
    double parse_s = (double)s->parse_ns / 1e9;

    buf_printf(dst,
               ",\"stats\":{\"timings\":{\"evalTotalTime\":%.9f,\"resultSortTime\":0,"
               "\"queryPreparationTime\":%.9f,\"innerEvalTime\":%.9f,\"execQueueTime\":0,"
               "\"execTotalTime\":%.9f},\"samples\":{",
               eval_s + select_s, select_s + parse_s, eval_s, eval_s + select_s + parse_s);
    if (s->per_step_n != 0) {
        buf_add_cstr(dst, "\"totalQueryableSamplesPerStep\":[");
        for (size_t i = 0; i < s->per_step_n; i++) {
            buf_add_cstr(dst, i == 0 ? "[" : ",[");
            go_add_f64(dst, (double)(s->first_step_ms + (int64_t)i * s->step_ms) / 1000);
            buf_printf(dst, ",%llu]", (unsigned long long)s->per_step[i]);
        }
        buf_add_cstr(dst, "],");
    }
    buf_printf(dst,
               "\"totalQueryableSamples\":%llu,\"peakSamples\":%llu},"
               "\"memory\":{\"peakBytes\":%lld},\"seriesRead\":%llu,\"samplesRead\":%llu,"
               "\"resolutionMs\":%lld}",
               (unsigned long long)s->samples_seen, (unsigned long long)s->samples_peak,
               (long long)s->peak_bytes, (unsigned long long)s->series_read,
               (unsigned long long)s->samples_read, (long long)s->resolution_ms);
}

/** Scalars and strings carry their time as a float, points as digits: 1.1 against 1.100. */
static void add_lone(int64_t t_ms, struct buf *dst)
{
    buf_add_byte(dst, '[');
    go_add_f64(dst, (double)t_ms / 1000);
    buf_add_byte(dst, ',');
}

static void add_lone_value(const struct promql_result *r, struct buf *dst)
{
    add_lone(r->type == PROMQL_SCALAR ? r->series[0].t_ms[0] : r->string_t_ms, dst);
    if (r->type == PROMQL_SCALAR) {
        buf_add_byte(dst, '"');
        go_add_f64(dst, r->series[0].v[0]);
        buf_add_byte(dst, '"');
    } else {
        add_string(r->string, dst);
    }
}

bool promql_json_next(struct promql_json *j, struct buf *dst)
{
    static const char *const types[] = {"scalar", "vector", "matrix", "string"};
    const struct promql_result *r = j->result;
    bool lone = r->type == PROMQL_SCALAR || r->type == PROMQL_STRING;
    size_t end = dst->n + PROMQL_JSON_PIECE;

    if (!j->begun) {
        buf_printf(dst, "{\"resultType\":\"%s\",\"result\":%s", types[r->type], lone ? "" : "[");
        j->begun = true;
    }
    if (lone) {
        add_lone_value(r, dst);
    } else {
        for (; j->next < r->series_n && dst->n < end && !dst->failed; j->next++) {
            buf_add_cstr(dst, j->next == 0 ? "" : ",");
            add_series(&r->series[j->next], r->type == PROMQL_VECTOR, dst);
        }
        if (j->next < r->series_n && !dst->failed) {
            return true;
        }
    }
    buf_add_byte(dst, ']');
    if (j->with_stats) {
        add_stats(&r->stats, dst);
    }
    buf_add_byte(dst, '}');
    return false;
}
