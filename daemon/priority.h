/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon has a high priority, because the drain needs one. What it starts for other work gives it up. */

/* Of the calling process and what it starts: lowest nice level, and the disk when nobody else wants it. Not SCHED_IDLE:
 * beside a busy driver such a process needs minutes even to be killed, and until then no new daemon is started. */
void priority_give_way(void);
