/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Moves the ring's pages into raw segments on disk, as they are: no decoding, no compression on the one CPU that the
 * traced driver runs on. It runs in a process of its own, so that a slow disk never stops the bus, nor the bus the
 * drain. The daemon ends it by the byte DRAIN_STOP on its control descriptor; when that closes without one, the daemon
 * is gone, and the drain leaves the recording on. */

#include <stdatomic.h>

#include "error.h"

/* Shared with the daemon, which only reads. */
typedef struct DrainCounters {
        _Atomic uint64_t n_events;      /* the kernel's count: with those still in the ring, without those lost */
        _Atomic uint64_t n_lost;
        _Atomic uint64_t n_raw_bytes;
} DrainCounters;

typedef struct DrainRequest {
        const char *online;             /* the CPUs that may record, as a list */
        int raw_fd;                     /* folder of the raw segments, with formats/ in it */
        int control_fd;
        DrainCounters *counters;
        void (*ready)(void *userdata);  /* all pipes are open */
        void *userdata;
} DrainRequest;

#define DRAIN_STOP 'S'

/* Returns when it is told to stop, with the recording off, the ring empty, everything on disk, all pipes closed and
 * the counters final; or with an error, the recording then off as well. tracer_find_dir() must have been called. */
int drain_run(const DrainRequest *request, Error *error);
