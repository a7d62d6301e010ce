/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a kernel that died has left in the machine's persistent store: the end of its log (Documentation/ABI/testing/pstore).
 * The next boot has it in /sys/fs/pstore, from where systemd-pstore.service moves it to /var/lib/systemd/pstore. Nothing
 * in there says of which boot it is; its time does. Reading it can wait for firmware: not for the bus loop. */

#include "util.h"

/* Gives the records of dmesg and of a console below these folders, NULL-terminated, that were written between the two times
 * (CLOCK_REALTIME), in the order in which they were printed, each behind a line "== PATH ==". What is no plain text in
 * them is printed as escapes. What cannot be read says so there. -ENODATA: there are none. */
int pstore_collect(char *const *folders, uint64_t from_usec, uint64_t until_usec, char **ret);
