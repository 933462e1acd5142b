/* SPDX-License-Identifier: Apache-2.0
 *
 * libsystemd's position is "on" an entry or before the first; seeking leaves it so that the next step is right.
 */
#include "agent/journal_file.h"

#include <stdlib.h>
#include <systemd/sd-journal.h>

#include "base/alloc.h"

/* An incomplete type of ours is libsystemd's: no memory of its own. */
static sd_journal *sd(struct journal_file *j)
{
    return (sd_journal *)j;
}

int journal_file_open(const char *directory, const char *const *matches, size_t n,
                      struct journal_file **ret)
{
    sd_journal *j = NULL;
    int rc = directory[0] != '\0' ? sd_journal_open_directory(&j, directory, 0)
                                  : sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY);

    for (size_t i = 0; rc >= 0 && i < n; i++) {
        rc = sd_journal_add_match(j, matches[i], 0);
    }
    rc = rc < 0 ? rc : sd_journal_set_data_threshold(j, JOURNAL_FIELD_MAX);
    rc = rc < 0 ? rc : sd_journal_get_fd(j); /* from now on it watches the directory */
    if (rc < 0) {
        sd_journal_close(j);
        return rc;
    }
    *ret = (struct journal_file *)j;
    return 0;
}

void journal_file_close(struct journal_file *j)
{
    sd_journal_close(sd(j));
}

int journal_file_seek_begin(struct journal_file *j)
{
    return sd_journal_seek_head(sd(j));
}

/* Step back from what is no longer wanted; before the first entry there is nothing to stand on. */
static int step_back(struct journal_file *j)
{
    int rc = sd_journal_previous(sd(j));

    return rc == 0 ? sd_journal_seek_head(sd(j)) : rc < 0 ? rc : 0;
}

int journal_file_seek_end(struct journal_file *j)
{
    int rc = sd_journal_seek_tail(sd(j));

    return rc < 0 ? rc : step_back(j);
}

int journal_file_seek(struct journal_file *j, const char *cursor)
{
    int rc = sd_journal_seek_cursor(sd(j), cursor);

    rc = rc < 0 ? rc : sd_journal_next(sd(j));
    if (rc > 0 && sd_journal_test_cursor(sd(j), cursor) <= 0) {
        return step_back(j); /* that entry is gone: this one is the first behind it */
    }
    return rc < 0 ? rc : 0;
}

int journal_file_update(struct journal_file *j)
{
    int rc = sd_journal_process(sd(j));

    return rc < 0 ? rc : 0;
}

int journal_file_next(struct journal_file *j)
{
    return sd_journal_next(sd(j));
}

int journal_file_read(struct journal_file *j, struct arena *a,
                      struct journal_field dst[JOURNAL_FIELDS_MAX], struct journal_entry *ret,
                      uint64_t *ret_cut)
{
    const void *data;
    size_t n;
    uint64_t us = 0;
    int rc = sd_journal_get_realtime_usec(sd(j), &us);

    *ret = (struct journal_entry){.realtime_us = (int64_t)us, .fields = dst};
    sd_journal_restart_data(sd(j));
    while (rc >= 0 && ret->n < JOURNAL_FIELDS_MAX) {
        struct str whole;
        int64_t equal;

        rc = sd_journal_enumerate_available_data(sd(j), &data, &n);
        if (rc <= 0) {
            break;
        }
        *ret_cut += n >= JOURNAL_FIELD_MAX ? 1 : 0;
        whole = arena_str_dup(a, str_of(data, n)); /* it lives until the next one is asked for */
        if (whole.p == NULL && n != 0) {
            *ret_cut += 1;
            break;
        }
        equal = str_find_byte(whole, '=');
        if (equal > 0) {
            dst[ret->n].name = str_take(whole, (size_t)equal);
            dst[ret->n].value = str_drop(whole, (size_t)equal + 1);
            ret->n++;
        }
    }
    return rc < 0 ? rc : 0;
}

char *journal_file_cursor(struct journal_file *j)
{
    char *cursor = NULL;
    char *copy = sd_journal_get_cursor(sd(j), &cursor) == 0 ? mem_xstrdup(cursor) : NULL;

    free(cursor); /* libsystemd's */
    return copy;
}
