/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person says about the end of a session when it begins: after a time, a size, or a number of events. Each has
 * units of its own, so that none can be taken for another. */

#include "util.h"

/* 0: was not given. */
typedef struct StopAfter {
        uint64_t usec, bytes, n_events;
} StopAfter;

/* "30s", "5min", "1h30min" (s, sec, min, h, d); "500M", "2G", "4096B" (B, K, M, G, T of bytes, by 1024); "2000000events",
 * "2Mevents" (k, M of events, by 1000). Adds to what is there: the last of a kind counts. -EINVAL, -ERANGE; nothing is
 * changed then. */
int stop_after_parse(const char *s, StopAfter *after);

/* "after 5min, with 2.0G, with 2000000 events", whichever comes first; "" for none. -ENOMEM. The caller frees. */
int stop_after_format(const StopAfter *after, char **ret);
