/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Another description for a session that is sealed already: the small files of its archive that have it are made anew,
 * and all the rest, the trace above all, is copied as it is. */

#include "error.h"

/* In the folder of the session, for what session.json there says. The same description makes the same archive as if it
 * had been there when the session was sealed. */
int describe_archive(int dir_fd, uint64_t *ret_archive_bytes, Error *error);
