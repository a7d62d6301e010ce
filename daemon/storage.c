/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "storage.h"

#define GIB (1024 * MIB)

#define MAX_USE_PERCENT 10
#define MAX_USE_FLOOR_BYTES (1 * GIB)
#define MAX_USE_CAP_BYTES (20 * GIB)
#define KEEP_FREE_PERCENT 15
#define KEEP_FREE_CAP_BYTES (4 * GIB)

#define SEGMENT_MIN_BYTES (1 * MIB)
#define SEGMENT_MAX_BYTES (64 * MIB)
#define SEGMENTS_IN_ROOM 32

/* Deeper than any folder of ours. */
#define TREE_MAX_DEPTH 8

int storage_size_parse(const char *s, StorageSize *ret) {
        StorageSize size = { .set = true };
        size_t l = strlen(s);
        int r;

        if (streq(s, "infinity"))
                size.bytes = STORAGE_UNLIMITED;
        else if (l > 0 && s[l - 1] == '%') {
                char digits[4] = "";
                uint64_t percent;

                if (l > sizeof digits)
                        return -ERANGE;
                memcpy(digits, s, l - 1);
                r = parse_u64(digits, &percent);
                if (r < 0)
                        return r;
                if (percent < 1 || percent > 100)
                        return -ERANGE;
                size.percent = (unsigned) percent;
        } else {
                r = parse_size(s, &size.bytes);
                if (r < 0)
                        return r;
        }
        *ret = size;
        return 0;
}

/* In this order, so that it neither overflows nor rounds a small disk to nothing. */
static uint64_t share_bytes(uint64_t total_bytes, unsigned percent) {
        return total_bytes / 100 * percent + total_bytes % 100 * percent / 100;
}

static uint64_t size_bytes(const StorageSize *size, uint64_t total_bytes, uint64_t otherwise_bytes) {
        if (!size->set)
                return otherwise_bytes;
        return size->percent > 0 ? share_bytes(total_bytes, size->percent) : size->bytes;
}

void storage_limits(const StorageSettings *s, uint64_t total_bytes, StorageLimits *ret) {
        *ret = (StorageLimits) {
                .max_use_bytes = size_bytes(&s->max_use, total_bytes,
                                MIN(MAX(share_bytes(total_bytes, MAX_USE_PERCENT), MAX_USE_FLOOR_BYTES), MAX_USE_CAP_BYTES)),
                .keep_free_bytes = size_bytes(&s->keep_free, total_bytes,
                                MIN(share_bytes(total_bytes, KEEP_FREE_PERCENT), KEEP_FREE_CAP_BYTES)),
                .max_session_bytes = size_bytes(&s->max_session, total_bytes, STORAGE_UNLIMITED) ?: STORAGE_UNLIMITED,
        };
}

static int tree_bytes(int dir_fd, const char *name, unsigned depth, uint64_t *bytes) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        struct stat st;
        int r;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        /* Blocks, not length: a file may have holes. */
        *bytes += (uint64_t) st.st_blocks * 512;
        if (!S_ISDIR(st.st_mode))
                return 0;
        if (depth == 0)
                return -ELOOP;
        r = dir_open_at(dir_fd, name, &d);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((entry = readdir(d))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                r = tree_bytes(dirfd(d), entry->d_name, depth - 1, bytes);
                if (r < 0)
                        return r;
        }
        return 0;
}

int storage_tree_bytes(int dir_fd, const char *name, uint64_t *ret) {
        uint64_t bytes = 0;
        int r;

        r = tree_bytes(dir_fd, name, TREE_MAX_DEPTH, &bytes);
        if (r >= 0)
                *ret = bytes;
        return r;
}

static int look_at_disk(int fd, StorageSpace *ret) {
        struct statvfs st;

        if (fstatvfs(fd, &st) < 0)
                return -errno;
        *ret = (StorageSpace) {
                .total_bytes = (uint64_t) st.f_blocks * st.f_frsize,
                .free_bytes = (uint64_t) st.f_bavail * st.f_frsize,
        };
        return 0;
}

int storage_look(int sessions_fd, StorageSpace *ret) {
        StorageSpace space;
        int r;

        r = look_at_disk(sessions_fd, &space);
        if (r >= 0)
                r = storage_tree_bytes(sessions_fd, ".", &space.used_bytes);
        if (r >= 0)
                *ret = space;
        return r;
}

static uint64_t left_bytes(uint64_t whole_bytes, uint64_t part_bytes) {
        return whole_bytes > part_bytes ? whole_bytes - part_bytes : 0;
}

uint64_t storage_room_bytes(const StorageSpace *space, const StorageLimits *limits) {
        return MIN(left_bytes(limits->max_use_bytes, space->used_bytes),
                        left_bytes(space->free_bytes, limits->keep_free_bytes));
}

uint64_t storage_session_bytes(int fd, const StorageSettings *settings) {
        StorageLimits limits;
        StorageSpace space = {};

        if (look_at_disk(fd, &space) < 0)
                return STORAGE_UNLIMITED;
        storage_limits(settings, space.total_bytes, &limits);
        return limits.max_session_bytes;
}

uint64_t storage_segment_bytes(int fd, const StorageSettings *settings) {
        StorageLimits limits;
        StorageSpace space;
        uint64_t room_bytes;

        if (look_at_disk(fd, &space) < 0)
                return SEGMENT_MIN_BYTES;
        storage_limits(settings, space.total_bytes, &limits);
        room_bytes = MIN(storage_room_bytes(&space, &limits), limits.max_session_bytes);
        return MAX(MIN(room_bytes / SEGMENTS_IN_ROOM, SEGMENT_MAX_BYTES), SEGMENT_MIN_BYTES);
}

uint64_t storage_seal_bytes(uint64_t raw_bytes, bool keep_raw) {
        return raw_bytes / (keep_raw ? 2 : 4);
}

uint64_t storage_whole_bytes(uint64_t raw_bytes, bool keep_raw) {
        /* Whoever expects that much has no room for it in any case. */
        return raw_bytes < UINT64_MAX / 2 ? raw_bytes + storage_seal_bytes(raw_bytes, keep_raw) : UINT64_MAX;
}

int storage_check_room(const StorageSpace *space, const StorageLimits *limits, uint64_t wanted_bytes, const char *removable,
        Error *error) {
        uint64_t room_bytes = storage_room_bytes(space, limits);
        bool any = !isempty(removable);

        if (room_bytes >= wanted_bytes)
                return 0;
        if (room_bytes == left_bytes(space->free_bytes, limits->keep_free_bytes))
                return error_set(error, ERROR_NO_SPACE,
                                "There is room for %s of the %s that a session needs: %s of the disk have to stay free "
                                "(KeepFree= in mmiotraced.conf), and %s are; make room on it%s%s.",
                                FORMAT_BYTES(room_bytes), FORMAT_BYTES(wanted_bytes), FORMAT_BYTES(limits->keep_free_bytes),
                                FORMAT_BYTES(space->free_bytes), any ? ", by \"mmiotracectl remove ID\" also: " : "",
                                any ? removable : "");
        return error_set(error, ERROR_NO_SPACE,
                        "There is room for %s of the %s that a session needs: all of them together may take %s of the disk "
                        "(MaxUse= in mmiotraced.conf), and take %s; raise that%s%s.",
                        FORMAT_BYTES(room_bytes), FORMAT_BYTES(wanted_bytes), FORMAT_BYTES(limits->max_use_bytes),
                        FORMAT_BYTES(space->used_bytes), any ? ", or remove some by \"mmiotracectl remove ID\": " : "",
                        any ? removable : "");
}
