/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a worker tells the daemon: KEY=VALUE lines over its pipe (worker.h reads them). */

#include "error.h"

/* One line; control characters in the value become blanks. */
void worker_send(FILE *out, const char *key, const char *format, ...) _printf_(3, 4);

/* How it failed, for a worker whose result is r; nothing if r is no failure. Returns r. */
int worker_send_result(FILE *out, int r, const Error *error);
