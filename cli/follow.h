/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "status --follow": a session while it runs, shown once a second. On a terminal one page that changes,
 * otherwise a line of a table each second, or one of JSON. */

#include "client.h"
#include "session-view.h"

/* The table, less than 80 columns wide as long as the numbers allow it, a line with its newline. Its columns
 * are fixed, because the next line is not known yet; no value has a space in it. */
void follow_print_heading(FILE *f);
void follow_print_line(const SessionView *v, uint64_t realtime_usec, FILE *f);

/* Follows the session with that ID, or with NULL the one that runs, until it runs no longer or Ctrl-C.
 * Returns the exit status. */
int follow_session(Client *c, const char *id);
