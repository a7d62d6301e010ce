/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "reserve.h"

#define RESERVE_FILE "reserve"
#define TEMPORARY ".#" RESERVE_FILE

/* Under its name it is complete: one that is shorter was released. */
int reserve_make(int raw_fd) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (faccessat(raw_fd, RESERVE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return 0;
        if (unlinkat(raw_fd, TEMPORARY, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(raw_fd, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        do
                r = -posix_fallocate(fd, 0, RESERVE_PAGES_BYTES + RESERVE_END_BYTES);
        while (r == -EINTR);
        if (r >= 0 && renameat(raw_fd, TEMPORARY, raw_fd, RESERVE_FILE) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(raw_fd, TEMPORARY, 0);
        return r;
}

int reserve_release_pages(int raw_fd) {
        _cleanup_close_ int fd = openat(raw_fd, RESERVE_FILE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return ftruncate(fd, RESERVE_END_BYTES) < 0 ? -errno : 0;
}

bool reserve_is_released(int raw_fd) {
        struct stat st;

        return fstatat(raw_fd, RESERVE_FILE, &st, AT_SYMLINK_NOFOLLOW) >= 0 && st.st_size <= (off_t) RESERVE_END_BYTES;
}

int reserve_remove(int raw_fd) {
        return unlinkat(raw_fd, RESERVE_FILE, 0) < 0 && errno != ENOENT ? -errno : 0;
}
