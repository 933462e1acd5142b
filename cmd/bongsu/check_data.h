/* SPDX-License-Identifier: Apache-2.0
 *
 * `bongsu check data`: is what is on disk whole, and what can be mended.
 */
#ifndef BONGSU_CHECK_DATA_H
#define BONGSU_CHECK_DATA_H

/** `bongsu check data DIR [--repair]`. @return 0 whole (or all mended), 1 damaged, 2 usage or no check possible */
int check_data_main(int argc, char **argv);

#endif
