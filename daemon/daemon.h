/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The running daemon: loop, signals, bus, manager. Everything but the command line, so that tests run the same with
 * places of their own. */

#include "context.h"

/* Returns when the daemon is to end: 0, or a negative errno, which was logged. */
int daemon_run(Context *context);
