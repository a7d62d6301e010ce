/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up the oldest of what a session has captured, so that it can go on at its limit (WhenFull=keep-newest): a segment at
 * a time, the first complete one, becomes a part of its CPU's kept file (kept.h), which still has all mappings and marks, and
 * the number of the accesses that are gone, at their place.
 *
 * It is done by the process that compresses (early-seal.h), which alone touches complete segments. It can be killed at any
 * time: the kept file of a higher number takes the place of all that it stands for by its rename. */

#include "ring.h"

typedef struct KeepNewestState {
        uint64_t n_events;      /* that are gone, */
        uint64_t bytes;         /* and what that has made free: of pages, but for what the kept files take */
} KeepNewestState;

/* Gives up the oldest complete segment there is. Returns 1, or 0 if there is none; -ENOSPC: no room even for what is kept. */
int keep_newest_next(int raw_fd, const RingFormat *format, unsigned level);

/* Removes what the kept files stand for as well, where an earlier one was cut off before it could. */
int keep_newest_take_over(int raw_fd);

/* What was given up so far. */
int keep_newest_look(int raw_fd, const RingFormat *format, KeepNewestState *ret);
