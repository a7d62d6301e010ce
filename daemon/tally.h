/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Counts what the drain has written, while the session runs: reads and writes for those who watch, and mappings with
 * holes as soon as they are made. It runs in a process of its own, which holds itself to a small share of the one CPU
 * by sleeping, and follows behind. It has no low priority: next to a busy driver a process with SCHED_IDLE needs
 * minutes even to be killed, and until then the service manager starts no new daemon, and nobody drains. The exact
 * numbers come from sealing. */

#include "drain.h"

/* Goes on until it is killed. */
int tally_run(int raw_fd, const DrainPipe *pipes, size_t n_pipes, DrainCounters *counters,
        void (*warn)(const char *text, void *userdata), void *userdata);
