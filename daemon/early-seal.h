/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Compresses what a session has captured while it goes on capturing, once the disk gets short of space: each segment
 * that is complete, all but the last of a CPU, one at a time and only for as long as space is short. Pages of the ring
 * buffer shrink to a tenth even at the lowest level. Whoever reads them takes either form (segment-file.h); the log is
 * made from them at the end as ever. Where that is not enough, or one session may not take more, the oldest segments are
 * given up, if the configuration wants that (keep-newest.h).
 *
 * It runs in a process of its own that takes what others leave of the one CPU: a worker with the lowest nice level, but
 * not with SCHED_IDLE, which can take minutes to be killed beside a busy driver, and until then no new daemon begins. It
 * can be killed at any time: a segment changes its form by a rename, once the compressed form is on disk. */

#include "drain.h"
#include "keep-newest.h"
#include "storage.h"

typedef struct EarlySealState {
        bool is_short;          /* space is short, so it is at work */
        uint64_t held_bytes;    /* of the segments that are compressed: what they hold, */
        uint64_t disk_bytes;    /* and what they take */
        bool no_room;           /* sessions may not take more of the disk, */
        bool disk_full;         /* or nobody can */
        uint64_t wanted_bytes;  /* with so much room it would not be short */
        KeepNewestState given_up;
} EarlySealState;

typedef struct EarlySealRequest {
        int raw_fd, sessions_fd;
        unsigned level;         /* xz preset */
        bool keep_raw;          /* the archive will have the pages, too */
        bool keep_newest;       /* where there is no room for all of it, the oldest is given up */
        const StorageSettings *storage;
        DrainCounters *counters;
        /* Called with each change, and each time that there is no room and nothing to be done about it. */
        void (*tell)(const EarlySealState *state, void *userdata);
        void *userdata;
} EarlySealRequest;

/* Goes on until it is killed. */
int early_seal_run(const EarlySealRequest *request);

/* Compresses the first complete segment that is not compressed yet. Returns 1 with what it held and what it takes now, 0
 * if there is none, -ENOSPC if there is no room even for that. */
int early_seal_next(int raw_fd, unsigned level, uint64_t *ret_held_bytes, uint64_t *ret_disk_bytes);

/* What earlier ones have done. What they had begun is removed. */
int early_seal_take_over(int raw_fd, EarlySealState *ret);

/* Whether so little room is left that capturing will need it soon: when the room for sealing is set aside, less than what
 * a minute at this rate takes, or less than a tenth of what the session had. captured_bytes take disk_bytes now. */
bool early_seal_is_due(uint64_t room_bytes, uint64_t captured_bytes, uint64_t disk_bytes, uint64_t rate, bool keep_raw);
/* Whether it is time to give up the oldest, of what takes disk_bytes: when there is a sixteenth left of what there was
 * before, or five eighths of what one session may take are taken: beside a busy driver the process gets little time, and the
 * session ends if it does not keep up. */
bool early_seal_must_give_up(uint64_t room_bytes, uint64_t captured_bytes, uint64_t disk_bytes, uint64_t max_bytes, bool keep_raw);
/* With how much room it is not so any more. */
uint64_t early_seal_wanted_bytes(uint64_t captured_bytes, uint64_t disk_bytes, uint64_t rate, bool keep_raw);
