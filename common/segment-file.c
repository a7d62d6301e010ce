/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "segment-file.h"
#include "xz.h"

/* Enough for what "xz -9" makes, should somebody have done that by hand. */
#define MEMORY_MAX_BYTES (128 * MIB)

struct SegmentFile {
        int fd;
        XzReader *xz;           /* NULL: as it was written */
};

static int open_file(int dir_fd, const char *name) {
        int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (dir_fd == AT_FDCWD ? 0 : O_NOFOLLOW);
        _cleanup_close_ int fd = openat(dir_fd, name, flags);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

static int compressed_name(const char *name, char **ret) {
        char *s;

        if (asprintf(&s, "%s" SEGMENT_FILE_SUFFIX, name) < 0)
                return -ENOMEM;
        *ret = s;
        return 0;
}

/* In this order: the compressed form gets its name before the other one goes. Returns the descriptor. */
static int open_either(int dir_fd, const char *name, bool *ret_compressed) {
        _cleanup_free_ char *compressed = NULL;
        int r, fd;

        fd = open_file(dir_fd, name);
        if (fd >= 0)
                *ret_compressed = false;
        if (fd != -ENOENT)
                return fd;
        r = compressed_name(name, &compressed);
        if (r < 0)
                return r;
        fd = open_file(dir_fd, compressed);
        if (fd >= 0)
                *ret_compressed = true;
        return fd;
}

int segment_file_open(int dir_fd, const char *name, SegmentFile **ret) {
        _cleanup_(segment_file_freep) SegmentFile *f = calloc(1, sizeof(SegmentFile));
        bool compressed = false;
        int r;

        if (!f)
                return -ENOMEM;
        f->fd = open_either(dir_fd, name, &compressed);
        if (f->fd < 0)
                return f->fd;
        if (compressed) {
                r = xz_reader_new(f->fd, MEMORY_MAX_BYTES, &f->xz);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(f);
        return 0;
}

SegmentFile *segment_file_free(SegmentFile *f) {
        if (!f)
                return NULL;
        if (f->xz)
                xz_reader_free(f->xz);
        safe_close(f->fd);
        free(f);
        return NULL;
}

int segment_file_read(SegmentFile *f, void *buf, size_t bytes, size_t *ret_bytes) {
        size_t done = 0;

        if (f->xz)
                return xz_reader_read(f->xz, buf, bytes, ret_bytes);
        while (done < bytes) {
                ssize_t n = read(f->fd, (char *) buf + done, bytes - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        *ret_bytes = done;
        return 0;
}

int segment_file_fd(const SegmentFile *f) {
        return f->xz ? -EBADF : f->fd;
}

bool segment_file_exists(int dir_fd, const char *name) {
        _cleanup_free_ char *compressed = NULL;

        if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return true;
        return compressed_name(name, &compressed) >= 0 && faccessat(dir_fd, compressed, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

int segment_file_size(int dir_fd, const char *name, uint64_t *ret_bytes) {
        _cleanup_close_ int fd = -EBADF;
        bool compressed = false;
        struct stat st;

        fd = open_either(dir_fd, name, &compressed);
        if (fd < 0)
                return fd;
        if (compressed)
                return xz_uncompressed_size(fd, ret_bytes);
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret_bytes = (uint64_t) st.st_size;
        return 0;
}
