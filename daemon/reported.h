/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the user's programs tell of the displays, as the caller of a stop passes it on: the daemon sees no desktop. It is kept
 * beside what the kernel tells, and says where it is from. */

#include "error.h"

#define REPORTED_MAX_BYTES (256 * KIB)

/* Text of people's tools: printable, with newlines and tabs. */
int reported_check(const char *text, Error *error);

/* Into the metadata folder of the session whose folder that is, in the place of an earlier one. */
int reported_save(int session_fd, const char *text);
