/* SPDX-License-Identifier: Apache-2.0
 *
 * The running agent: one thread reads the machine and the log files, a second one delivers.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/settings.h"

struct err;
struct agent;

/**
 * Prepare everything; the state directory is locked for this process. Blocks SIGTERM, SIGINT and SIGHUP in
 * the calling thread, which must be the main one, before any other thread starts.
 * @param settings,conf  of conf_load(); borrowed, changed by a reload
 * @return 0; -ERR_* with a message for the person at the terminal
 */
NODISCARD int agent_new(struct agent_settings *settings, struct conf *conf, const char *version,
                        struct agent **ret, struct err *reterr);
/** Run until SIGTERM or SIGINT; then flush and return within 5 s. @return exit status of the process */
int agent_run(struct agent *a);
/** True when a request still hangs after agent_run(): all data is on disk, but the export thread lives, so
 * the process must end with _exit(), without agent_free() and without exit handlers. */
bool agent_hangs(const struct agent *a);
void agent_free(struct agent *a);

#endif
