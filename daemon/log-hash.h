/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checksums of the log, a part of it each: so a log that was damaged on its way is known to be whole up to somewhere. */

#include "json.h"

/* The segments are .xz files in log_fd. The array has an object for each, in their order: { "bytes", "sha256" } of its text. */
int log_hash(int log_fd, char *const *segments, struct json_object **ret);
