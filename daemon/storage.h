/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the sessions may take of the disk, what they take, and how much room that leaves. The rules are those of
 * journald.conf(5): a limit of their own use and a part of the disk that stays free; the stricter one counts.
 * Whatever asks the disk can block for as long as the disk does: call it in a worker. */

#include "error.h"

#define STORAGE_UNLIMITED UINT64_MAX

/* As in the configuration file: bytes, or a share of the file system. */
typedef struct StorageSize {
        bool set;               /* else the default counts */
        unsigned percent;       /* of the file system; 0: bytes */
        uint64_t bytes;         /* STORAGE_UNLIMITED for "infinity" */
} StorageSize;

/* "512M", "10%" or "infinity". -EINVAL, -ERANGE. */
int storage_size_parse(const char *s, StorageSize *ret);

typedef struct StorageSettings {
        StorageSize max_use;            /* of all sessions together */
        StorageSize keep_free;
        StorageSize max_session;        /* of one; default: no limit of its own */
} StorageSettings;

typedef struct StorageLimits {
        uint64_t max_use_bytes, keep_free_bytes, max_session_bytes;
} StorageLimits;

/* The settings on a file system of that size. Without a setting: 10 % of it, but 1G to 20G, for all sessions; 15 % of it,
 * but 4G at most, stay free. */
void storage_limits(const StorageSettings *settings, uint64_t total_bytes, StorageLimits *ret);

typedef struct StorageSpace {
        uint64_t total_bytes;   /* of the file system */
        uint64_t free_bytes;    /* without what it keeps for root */
        uint64_t used_bytes;    /* by all that is in the folder */
} StorageSpace;

/* Blocks. */
int storage_look(int sessions_fd, StorageSpace *ret);

/* What a folder takes of the disk, links not followed. What vanishes meanwhile is not counted. Blocks. */
int storage_tree_bytes(int dir_fd, const char *name, uint64_t *ret);

/* What the segments of one session may take. Blocks. */
uint64_t storage_session_bytes(int fd, const StorageSettings *settings);

/* How large a segment of a capture gets, from 1 to 64 MiB: while it is being written it can neither be compressed nor given
 * up, so it must be small beside the room that there is. Blocks. */
uint64_t storage_segment_bytes(int fd, const StorageSettings *settings);

/* How much more the sessions may take. */
uint64_t storage_room_bytes(const StorageSpace *space, const StorageLimits *limits);

/* With less room a session does not begin: some 300,000 events. */
#define STORAGE_START_BYTES (16 * MIB)

/* Log and archive are made while the raw segments are still there: so much of the room has to be left for them. A log of
 * text is about as large as its raw pages, and xz makes an eighth of it or less. */
uint64_t storage_seal_bytes(uint64_t raw_bytes, bool keep_raw);
/* Both together. */
uint64_t storage_whole_bytes(uint64_t raw_bytes, bool keep_raw);

/* Sets ERROR_NO_SPACE with the numbers of the limit that leaves less than wanted_bytes, or returns 0. removable: the sessions that could
 * be removed, for the sentence; empty if there are none. */
int storage_check_room(const StorageSpace *space, const StorageLimits *limits, uint64_t wanted_bytes, const char *removable,
        Error *error);
