/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A full disk, for tests: a small tmpfs on a folder of the test, seen by this process and its children alone. */

#include <inttypes.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "test-util.h"

static inline bool small_disk_write(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write_all(fd, text, strlen(text)) >= 0;
}

/* Root of a container may not mount, but root of a user namespace may. */
static inline bool small_disk_unshare(void) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        char map[64];

        if (unshare(CLONE_NEWNS) < 0) {
                if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                        return false;
                (void) snprintf(map, sizeof map, "%u %u 1\n", uid, uid);
                if (!small_disk_write("/proc/self/setgroups", "deny") || !small_disk_write("/proc/self/uid_map", map))
                        return false;
                (void) snprintf(map, sizeof map, "%u %u 1\n", gid, gid);
                if (!small_disk_write("/proc/self/gid_map", map))
                        return false;
        }
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) >= 0;
}

/* Skips the test where that cannot be. The folder is there already; descriptors of it are those of what is below. */
static inline void small_disk_mount(const char *path, uint64_t bytes, unsigned n_inodes) {
        char options[64];

        (void) snprintf(options, sizeof options, "size=%" PRIu64 ",nr_inodes=%u,mode=700", bytes, n_inodes);
        if (!small_disk_unshare() || mount("tmpfs", path, "tmpfs", 0, options) < 0)
                cr_skip_test("a file system cannot be mounted here");
}

/* Everything but so many bytes is taken, by a file of that name; also while others write. */
static inline void small_disk_fill(int dir_fd, const char *name, uint64_t left_bytes) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        struct stat st = {};
        struct statvfs disk;

        cr_assert_geq(fd, 0, "%m");
        do {
                cr_assert(fstat(fd, &st) >= 0 && fstatvfs(fd, &disk) >= 0);
                if (disk.f_bfree * disk.f_frsize <= left_bytes)
                        return;
        } while (fallocate(fd, 0, st.st_size, MAX((off_t) (disk.f_bfree * disk.f_frsize - left_bytes) / 2 / 4096 * 4096, 4096)) >= 0 ||
                 errno == ENOSPC);
        cr_assert_fail("%m");
}
