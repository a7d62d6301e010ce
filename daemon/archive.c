/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/mman.h>

#include "archive.h"
#include "tar.h"
#include "xz.h"

#define MEMBER_MODE 0644
/* The small files are a few hundred KiB: no reason to hold the dictionary of a large one. */
#define SMALL_LEVEL 6
#define SMALL_MEMORY_MAX_BYTES (128 * MIB)

static int open_small_writer(int *ret_fd, XzWriter **ret) {
        _cleanup_close_ int fd = memfd_create("mmiotraced-archive", MFD_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = xz_writer_new(fd, &(XzOptions) {
                        .level = SMALL_LEVEL,
                        .threads = 1,
                        .memory_max_bytes = SMALL_MEMORY_MAX_BYTES,
                        .block_bytes = 1 * MIB,
                }, ret);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int write_header(XzWriter *w, const char *name, uint64_t bytes, uint64_t mtime_sec) {
        uint8_t header[TAR_BLOCK_BYTES];
        int r;

        r = tar_header(name, MEMBER_MODE, bytes, mtime_sec, header);
        if (r < 0)
                return r;
        return xz_writer_write(w, header, sizeof header);
}

static int join_head(XzJoiner *joiner, const ArchiveMember *members, size_t n_members, uint64_t log_bytes, uint64_t mtime_sec) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = open_small_writer(&fd, &w);
        for (size_t i = 0; i < n_members && r >= 0; i++) {
                r = write_header(w, members[i].name, members[i].bytes, mtime_sec);
                if (r >= 0)
                        r = xz_writer_write(w, members[i].data, members[i].bytes);
                if (r >= 0)
                        r = xz_writer_write(w, tar_zeros, tar_padding_bytes(members[i].bytes));
        }
        if (r >= 0)
                r = write_header(w, ARCHIVE_LOG_NAME, log_bytes, mtime_sec);
        if (r >= 0)
                r = xz_writer_finish(w, NULL, NULL);
        return r < 0 ? r : xz_joiner_add(joiner, fd);
}

static int join_tail(XzJoiner *joiner, uint64_t log_bytes) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = open_small_writer(&fd, &w);
        if (r >= 0)
                r = xz_writer_write(w, tar_zeros, tar_padding_bytes(log_bytes));
        if (r >= 0)
                r = xz_writer_write(w, tar_zeros, TAR_END_BYTES);
        if (r >= 0)
                r = xz_writer_finish(w, NULL, NULL);
        return r < 0 ? r : xz_joiner_add(joiner, fd);
}

static int open_segment(int log_fd, const char *name) {
        int fd = openat(log_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int join_all(int out_fd, const ArchiveMember *members, size_t n_members, int log_fd, char *const *segments,
        uint64_t mtime_sec, uint64_t *ret_bytes, uint64_t *ret_log_bytes) {
        _cleanup_(xz_joiner_freep) XzJoiner *joiner = NULL;
        uint64_t log_bytes = 0;
        int r;

        STRV_FOREACH(segment, segments) {
                _cleanup_close_ int fd = open_segment(log_fd, *segment);
                uint64_t bytes;

                r = fd < 0 ? fd : xz_uncompressed_size(fd, &bytes);
                if (r < 0)
                        return r;
                log_bytes += bytes;
        }
        r = xz_joiner_new(out_fd, &joiner);
        if (r >= 0)
                r = join_head(joiner, members, n_members, log_bytes, mtime_sec);
        if (r < 0)
                return r;
        STRV_FOREACH(segment, segments) {
                _cleanup_close_ int fd = open_segment(log_fd, *segment);

                r = fd < 0 ? fd : xz_joiner_add(joiner, fd);
                if (r < 0)
                        return r;
        }
        r = join_tail(joiner, log_bytes);
        if (r >= 0)
                r = xz_joiner_finish(joiner, NULL, ret_bytes);
        if (r < 0)
                return r;
        *ret_log_bytes = log_bytes;
        return 0;
}

int archive_write(int dir_fd, const char *name, const ArchiveMember *members, size_t n_members, int log_fd,
        char *const *segments, uint64_t mtime_sec, uint64_t *ret_bytes, uint64_t *ret_log_bytes) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&temporary, ".#%s", name) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        if (unlinkat(dir_fd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = join_all(fd, members, n_members, log_fd, segments, mtime_sec, ret_bytes, ret_log_bytes);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return fsync(dir_fd) < 0 ? -errno : 0;
}
