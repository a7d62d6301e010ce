/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What names the functions on the call stacks of a session: the symbols of this boot and where its modules are, saved
 * beside the raw segments. A module's are there as long as it is loaded. */

#include "error.h"

/* Asks the reader unit, and replaces both files when it has answered. What it does not answer is said by warn, and by
 * the file itself ("unavailable: REASON"), unless there is one from before. Blocks; for workers. */
int boot_symbols_save(const char *inspect_socket, int raw_fd, void (*warn)(const char *text, void *userdata), void *userdata);

/* Whether they have been saved before. */
bool boot_symbols_exist(int raw_fd);
