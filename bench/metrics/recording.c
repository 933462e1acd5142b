/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads recordings: after each line "# SCRAPE <unix ms>" the text exposition of one scrape. Series keep their
 * order from scrape to scrape, so the one after the last found is nearly always the next.
 */
#include "recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"

enum { RECORDED_SERIES_MAX = 4096, SCRAPES_MAX = 4096, LINE_MAX_BYTES = 65536 };

/* The type of the family being read. */
struct family {
    bool counter;
    bool histogram;
    bool summary;
};

static int find(const struct recording *r, const char *text, int hint)
{
    for (int i = 0; i < r->series_n; i++) {
        int j = (hint + i) % r->series_n;
        if (!strcmp(r->series[j].text, text))
            return j;
    }
    return -1;
}

/* The quoted value at `in`, unescaped in place; returns what follows its closing quote. */
static char *unescape(char *in, const char **ret)
{
    char *out = in;

    *ret = in;
    for (; *in && *in != '"'; in++) {
        if (*in == '\\' && in[1]) {
            in++;
            *out++ = *in == 'n' ? '\n' : *in;
        } else {
            *out++ = *in;
        }
    }
    char *rest = *in ? in + 1 : in;
    *out = 0;
    return rest;
}

static void read_labels(struct recorded_series *s, char *p)
{
    while (*p && *p != '}') {
        char *eq = strchr(p, '=');

        if (s->labels_n == RECORDED_LABELS_MAX || !eq || eq[1] != '"')
            gen_die("bad labels in the recording");
        *eq = 0;
        s->key[s->labels_n] = p;
        p = unescape(eq + 2, &s->value[s->labels_n++]);
        if (*p == ',')
            p++;
    }
}

static bool ends_with(const char *s, size_t n, const char *end)
{
    size_t m = strlen(end);

    return n > m && !memcmp(s + n - m, end, m);
}

static int add(struct recording *r, const char *text, const struct family *f)
{
    struct recorded_series *s = &r->series[r->series_n];
    const char *brace = strchr(text, '{');
    size_t name_n = brace ? (size_t)(brace - text) : strlen(text);
    bool part = ends_with(text, name_n, "_sum") || ends_with(text, name_n, "_count");

    if (r->series_n == RECORDED_SERIES_MAX)
        gen_die("too many series in the recording");
    *s = (struct recorded_series){.text = mem_xstrdup(text),
                                  .name = mem_xstrdup(text),
                                  .counter = f->counter || f->histogram || (f->summary && part)};
    if (brace) {
        s->name[name_n] = 0;
        read_labels(s, s->name + name_n + 1);
    }
    return r->series_n++;
}

static void begin_scrape(struct recording *r)
{
    if (r->scrapes_n == SCRAPES_MAX)
        gen_die("too many scrapes in the recording");
    for (int i = 0; i < RECORDED_SERIES_MAX; i++)
        r->values[(size_t)r->scrapes_n * RECORDED_SERIES_MAX + (size_t)i] = copysign(NAN, -1);
    r->scrapes_n++;
}

static int read_sample(struct recording *r, char *line, const struct family *f, int hint)
{
    char *labels_end = strrchr(line, '}');
    char *space = strchr(labels_end ? labels_end : line, ' ');
    int i;

    if (!space)
        return hint;
    *space = 0;
    i = find(r, line, hint);
    if (i < 0)
        i = add(r, line, f);
    r->values[(size_t)(r->scrapes_n - 1) * RECORDED_SERIES_MAX + (size_t)i] =
        strtod(space + 1, NULL);
    return i + 1;
}

void recording_load(struct recording *r, const char *path)
{
    gzFile f = gzopen(path, "rb");
    char *line = mem_xcalloc(1, LINE_MAX_BYTES);
    struct family family = {0};
    int hint = 0;

    *r = (struct recording){
        .series = mem_xcalloc(RECORDED_SERIES_MAX, sizeof *r->series),
        .values = mem_xcalloc((size_t)RECORDED_SERIES_MAX * SCRAPES_MAX, sizeof *r->values)};
    while (f && gzgets(f, line, LINE_MAX_BYTES)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "# SCRAPE ", 9))
            begin_scrape(r);
        else if (!strncmp(line, "# TYPE ", 7))
            family = (struct family){.counter = strstr(line, " counter"),
                                     .histogram = strstr(line, " histogram"),
                                     .summary = strstr(line, " summary")};
        else if (*line && *line != '#' && r->scrapes_n)
            hint = read_sample(r, line, &family, hint);
    }
    mem_free(line);
    if (!f || gzclose(f) != Z_OK || r->scrapes_n < 2 || !r->series_n)
        gen_die("the recording is not readable or too short");
}

void recording_step(const struct recording *r, int id, int step, double *values)
{
    int i = step + id * 37 % r->scrapes_n;
    size_t at = (size_t)(i % r->scrapes_n) * RECORDED_SERIES_MAX;
    size_t end = (size_t)(r->scrapes_n - 1) * RECORDED_SERIES_MAX;
    int cycle = i / r->scrapes_n;

    for (size_t s = 0; s < (size_t)r->series_n; s++) {
        double first = r->values[s];
        double last = r->values[end + s];

        values[s] = r->values[at + s];
        if (r->series[s].counter && cycle && isfinite(first) && isfinite(last) && last > first)
            values[s] += cycle * (last - first);
    }
}
