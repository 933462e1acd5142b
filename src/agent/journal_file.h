/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the files of the systemd journal through libsystemd: their format has many versions, and it knows when they
 * are rotated and vacuumed. The only file that knows libsystemd. Errors are negative errno values, as it gives them.
 */
#ifndef AGENT_JOURNAL_FILE_H
#define AGENT_JOURNAL_FILE_H

#include "agent/journal_map.h"

struct journal_file;

enum { JOURNAL_FIELD_MAX = 1 << 20 /* bytes; longer ones are cut */ };

/** @param directory  "": this machine's journal
 * @param matches  FIELD=VALUE; several of one field are alternatives, of different fields all hold */
NODISCARD int journal_file_open(const char *directory, const char *const *matches, size_t n,
                                struct journal_file **ret);
/** NULL is fine. */
void journal_file_close(struct journal_file *j);
/** The next entry is the first behind that one, even when it is gone. */
NODISCARD int journal_file_seek(struct journal_file *j, const char *cursor);
NODISCARD int journal_file_seek_begin(struct journal_file *j);
/** The current entry is the last (when there is one), the next the first that comes. */
NODISCARD int journal_file_seek_end(struct journal_file *j);
/** Notice files that came and went. */
NODISCARD int journal_file_update(struct journal_file *j);
/** @return 1, 0 at the end, negative errno */
NODISCARD int journal_file_next(struct journal_file *j);
/** The current entry, copied to `a`. `ret_cut` counts fields that lost their end or did not fit. */
NODISCARD int journal_file_read(struct journal_file *j, struct arena *a,
                                struct journal_field dst[JOURNAL_FIELDS_MAX],
                                struct journal_entry *ret, uint64_t *ret_cut);
/** Cursor of the current entry, mem_free() it; NULL when there is none. */
char *journal_file_cursor(struct journal_file *j);

#endif
