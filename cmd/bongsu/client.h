/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that talk to a running server over its HTTP API.
 */
#ifndef BONGSU_CLIENT_H
#define BONGSU_CLIENT_H

/** `bongsu query EXPR`: print an instant result as a table. @return process exit code */
int client_query_main(int argc, char **argv);

/** `bongsu import FILE`: send a file of samples. @return process exit code */
int client_import_main(int argc, char **argv);
/** `bongsu export SELECTOR`: write raw samples. @return process exit code */
int client_export_main(int argc, char **argv);

#endif
