/* SPDX-License-Identifier: Apache-2.0
 *
 * The verb `server`: wires the modules together and owns the process' state.
 */
#ifndef BONGSU_SERVER_H
#define BONGSU_SERVER_H

/** Run until SIGTERM or SIGINT. @return process exit code */
int server_main(int argc, char **argv);

#endif
