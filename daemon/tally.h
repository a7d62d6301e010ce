/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Counts what the drain has written, while the session runs: reads and writes for those who watch, and mappings with
 * holes as soon as they are made. It runs in a process of its own at the lowest priority (SCHED_IDLE), so that it gets
 * only what drain and driver leave of the one CPU, and follows behind. The exact numbers come from sealing. */

#include "drain.h"

/* Goes on until it is killed. */
int tally_run(int raw_fd, bool text, const DrainPipe *pipes, size_t n_pipes, DrainCounters *counters,
        void (*warn)(const char *text, void *userdata), void *userdata);
