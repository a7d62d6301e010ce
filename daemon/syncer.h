/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Brings what the drain has written to the disk, each time that the drain asks for it: what is in the page cache is lost
 * when the machine hangs, which drivers under trace bring about. It runs in a process of its own, as waiting for a
 * disk must not stop the drain, and as a process that waits for one cannot be killed. */

#include "drain.h"

typedef struct SyncerRequest {
        int raw_fd;             /* folder of the segments */
        int wake_fd;            /* eventfd, written by the drain */
        bool text;              /* by the text source */
        const DrainPipe *pipes; /* the CPUs whose pages are drained, else */
        size_t n_pipes;
        void (*warn)(const char *text, void *userdata);
        void *userdata;
} SyncerRequest;

/* Goes on until it is killed. What goes wrong is told once, by warn. */
int syncer_run(const SyncerRequest *request);

/* Brings everything that is there to the disk, once. wake_fd and warn are of no use to it. */
int syncer_run_once(const SyncerRequest *request);
