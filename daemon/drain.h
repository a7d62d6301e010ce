/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Moves the ring's pages into raw segments on disk, as they are: no decoding, no compression on the one CPU that the
 * traced driver runs on. It runs in a process of its own, so that a slow disk never stops the bus, nor the bus the
 * drain, and so that it can be killed at any instruction without losing or doubling an event:
 *
 *  - Full sub-buffers are spliced into a pipe and from there to the end of the segment. The pipe belongs to the daemon
 *    and is parked with the service manager, so what is in it outlives both; the kernel takes from it exactly what it
 *    has written to the file.
 *  - The sub-buffer that the kernel is still filling is read into a page of the segment that is mapped shared and
 *    faulted in beforehand: its events are never in private memory. A page whose header is still zero was not read.
 *
 * It does not wait for the disk, but sees to it that the syncer does (syncer.h), which is another process.
 *
 * The daemon ends it by the byte DRAIN_STOP on its control descriptor; when that closes without one, the daemon is
 * gone, and the drain leaves the recording on for its successor. */

#include <stdatomic.h>

#include "error.h"
#include "ring.h"

/* Shared with the daemon, which only reads. */
typedef struct DrainCounters {
        _Atomic uint64_t n_events;      /* the kernel's count: with those still in the ring, without those lost */
        _Atomic uint64_t n_recorded;    /* the same with the stacks: what would have to be in the segments at the end */
        _Atomic uint64_t n_lost;        /* as the kernel counts, with the stacks */
        _Atomic uint64_t n_raw_bytes;   /* of the segments */
        /* Of these, what the segments hold that are compressed by now, and what they take (see early-seal.h). */
        _Atomic uint64_t n_compressed_bytes, n_compressed_disk_bytes;
        _Atomic uint64_t n_given_up_bytes;      /* and what is not on disk any more, see keep-newest.h */
        _Atomic uint64_t n_ring_bytes;  /* waiting in the fullest ring */
        _Atomic uint64_t n_rate;        /* events per second, over the last second or so */
        /* What the tally has seen so far, a little behind. */
        _Atomic uint64_t n_reads, n_writes, n_unknown, n_maps;
} DrainCounters;

/* A CPU's ring, and the pipe that its pages pass through. */
typedef struct DrainPipe {
        unsigned cpu;
        int read_fd, write_fd;
} DrainPipe;

typedef struct DrainRequest {
        const DrainPipe *pipes;         /* one for each CPU that may record */
        size_t n_pipes;
        int raw_fd;                     /* folder of the raw segments, with formats/ in it */
        int control_fd;
        int mark_fd;                    /* eventfd: what is in the ring has to be on disk now */
        int sync_fd;                    /* eventfd, for the syncer */
        uint64_t sync_usec, sync_bytes; /* the longest and the most that an event may wait for the disk */
        uint64_t segment_bytes;         /* with so much in it, the next segment is begun */
        bool text;                      /* by the text source, see text-source.h, instead of the pages */
        bool stopping;                  /* an earlier drain was ending when it died: the recording is off already */
        const char *sys_root;
        bool keep_oldest;               /* the ring refuses what does not fit, instead of overwriting */
        bool stacks;                    /* behind each event is another one, its call stack */
        uint64_t stop_after_bytes, stop_after_events; /* 0: no limit */
        uint64_t max_disk_bytes; /* of the segments; 0: no limit */
        DrainCounters *counters;
        /* So much is captured: called once, with "size", "events" or "limit", and then the drain goes on until it is told to stop. */
        void (*enough)(const char *what, void *userdata);
        void (*ready)(void *userdata);  /* all rings are open */
        void (*warn)(const char *text, void *userdata);
        void *userdata;
} DrainRequest;

#define DRAIN_STOP 'S'

/* Returns when it is told to stop, with the recording off, the ring empty, everything on disk, all rings closed and
 * the counters final; or with an error, the recording then off as well. ERROR_NO_SPACE: the disk is full, and as much is on
 * it as found room with what had been reserved (reserve.h); what is missing is the last that was recorded. Goes on behind what an earlier drain of the
 * session has left. tracer_find_dir() must have been called. */
int drain_run(const DrainRequest *request, Error *error);
