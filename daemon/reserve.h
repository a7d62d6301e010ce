/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Room on the disk that a session takes when it begins, and holds for its end: should the disk get full meanwhile, the
 * drain releases most of it for what has been recorded and is not written yet, and the steps behind it have the rest for
 * what they write down. That the first part is released says as well that the session is ending, to a drain whose
 * predecessor was killed then. */

#include "util.h"

/* For what is in the pipe, and as much of the ring; and for session.json, the description of the machine and the kernel's
 * log. */
#define RESERVE_PAGES_BYTES (6 * MIB)
#define RESERVE_END_BYTES (2 * MIB)

/* What the session says of it. */
#define RESERVE_DISK_FULL_TEXT "The disk got full, which ended the session: make room in /var/lib/mmiotraced."

/* Makes it in the folder of the raw segments, where it is not there. -ENOSPC, -EDQUOT: there is no room for it, and nothing
 * has changed. */
int reserve_make(int raw_fd);

/* Releases what is for the pages. 0, too, where there is no reserve. */
int reserve_release_pages(int raw_fd);
bool reserve_is_released(int raw_fd);

/* Releases all of it. */
int reserve_remove(int raw_fd);
