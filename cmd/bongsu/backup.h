/* SPDX-License-Identifier: Apache-2.0
 *
 * `bongsu backup`: repositories of backups on the command line.
 */
#ifndef BONGSU_BACKUP_H
#define BONGSU_BACKUP_H

/** `bongsu backup create|list|verify|restore|prune REPO ...`. @return process exit code */
int backup_main(int argc, char **argv);

#endif
