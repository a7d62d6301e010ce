/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "archive.h"
#include "segment-file.h"
#include "tar.h"
#include "xz.h"

#define MEMBER_MODE 0644
/* The small files are a few hundred KiB: no reason to hold the dictionary of a large one. */
#define SMALL_LEVEL 6
#define SMALL_MEMORY_MAX_BYTES (128 * MIB)

#define COPY_BYTES (256 * KIB)

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

static int join_head(XzJoiner *joiner, const ArchiveRequest *q, uint64_t log_bytes) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = open_small_writer(&fd, &w);
        for (size_t i = 0; i < q->n_members && r >= 0; i++) {
                const ArchiveMember *m = q->members + i;

                r = write_header(w, m->name, m->bytes, q->mtime_sec);
                if (r >= 0)
                        r = xz_writer_write(w, m->data, m->bytes);
                if (r >= 0)
                        r = xz_writer_write(w, tar_zeros, tar_padding_bytes(m->bytes));
        }
        if (r >= 0)
                r = write_header(w, ARCHIVE_LOG_NAME, log_bytes, q->mtime_sec);
        if (r >= 0)
                r = xz_writer_finish(w, NULL, NULL);
        return r < 0 ? r : xz_joiner_add(joiner, fd);
}

/* What is behind the log. */
typedef struct Tail {
        const ArchiveRequest *request;
        XzWriter *xz;
        uint64_t done_bytes, all_bytes; /* of the files */
} Tail;

static int write_file(Tail *t, const ArchiveFile *file, char *buffer) {
        _cleanup_(segment_file_freep) SegmentFile *f = NULL;
        uint64_t bytes, left;
        int r;

        r = segment_file_open(file->dir_fd, file->path, &f);
        if (r >= 0)
                r = segment_file_size(file->dir_fd, file->path, &bytes);
        if (r >= 0)
                r = write_header(t->xz, file->name, bytes, t->request->mtime_sec);
        if (r < 0)
                return r;
        for (left = bytes; left > 0;) {
                size_t n = 0;

                r = segment_file_read(f, buffer, MIN(left, COPY_BYTES), &n);
                if (r < 0)
                        return r;
                if (n == 0)
                        return -EIO;
                r = xz_writer_write(t->xz, buffer, n);
                if (r < 0)
                        return r;
                left -= n;
                t->done_bytes += n;
                if (t->request->progress)
                        t->request->progress(t->done_bytes, t->all_bytes, t->request->userdata);
        }
        return xz_writer_write(t->xz, tar_zeros, tar_padding_bytes(bytes));
}

static int write_files(Tail *t) {
        const ArchiveRequest *q = t->request;
        _cleanup_free_ char *buffer = malloc(COPY_BYTES);
        int r = 0;

        if (!buffer)
                return -ENOMEM;
        for (size_t i = 0; i < q->n_files && r >= 0; i++) {
                uint64_t bytes;

                r = segment_file_size(q->files[i].dir_fd, q->files[i].path, &bytes);
                if (r >= 0)
                        t->all_bytes += bytes;
        }
        for (size_t i = 0; i < q->n_files && r >= 0; i++)
                r = write_file(t, q->files + i, buffer);
        return r;
}

/* On disk, as it may be large; the name is gone at once, so that nothing is left if this ends here. O_TMPFILE is not
 * everywhere: overlayfs has it since 6.3. */
static int open_large_writer(int dir_fd, const ArchiveRequest *q, int *ret_fd, XzWriter **ret) {
        static const char name[] = ".#tail";
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || unlinkat(dir_fd, name, 0) < 0)
                return -errno;
        r = xz_writer_new(fd, &(XzOptions) {
                        .level = q->level,
                        .memory_max_bytes = q->memory_max_bytes,
                        .dictionary_max_bytes = XZ_TRACE_DICTIONARY_BYTES,
                }, ret);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int join_tail(XzJoiner *joiner, int dir_fd, const ArchiveRequest *q, uint64_t log_bytes) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = q->n_files > 0 ? open_large_writer(dir_fd, q, &fd, &w) : open_small_writer(&fd, &w);
        if (r >= 0)
                r = xz_writer_write(w, tar_zeros, tar_padding_bytes(log_bytes));
        if (r >= 0 && q->n_files > 0)
                r = write_files(&(Tail) { .request = q, .xz = w });
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

static int join_all(int out_fd, int dir_fd, const ArchiveRequest *q, uint64_t *ret_bytes, uint64_t *ret_log_bytes) {
        _cleanup_(xz_joiner_freep) XzJoiner *joiner = NULL;
        uint64_t log_bytes = 0;
        int r;

        STRV_FOREACH(segment, q->segments) {
                _cleanup_close_ int fd = open_segment(q->log_fd, *segment);
                uint64_t bytes;

                r = fd < 0 ? fd : xz_uncompressed_size(fd, &bytes);
                if (r < 0)
                        return r;
                log_bytes += bytes;
        }
        r = xz_joiner_new(out_fd, &joiner);
        if (r >= 0)
                r = join_head(joiner, q, log_bytes);
        if (r < 0)
                return r;
        STRV_FOREACH(segment, q->segments) {
                _cleanup_close_ int fd = open_segment(q->log_fd, *segment);

                r = fd < 0 ? fd : xz_joiner_add(joiner, fd);
                if (r < 0)
                        return r;
        }
        r = join_tail(joiner, dir_fd, q, log_bytes);
        if (r >= 0)
                r = xz_joiner_finish(joiner, NULL, ret_bytes);
        if (r < 0)
                return r;
        *ret_log_bytes = log_bytes;
        return 0;
}

/* A file beside the archive, which takes its place in the end. */
static int open_temporary(int dir_fd, const char *name, char **ret_temporary, int *ret_fd) {
        _cleanup_free_ char *temporary = NULL;
        int fd;

        if (asprintf(&temporary, ".#%s", name) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        if (unlinkat(dir_fd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        *ret_temporary = TAKE_PTR(temporary);
        *ret_fd = fd;
        return 0;
}

/* r is how the writing went. */
static int install_temporary(int dir_fd, const char *temporary, int fd, const char *name, int r) {
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

int archive_write(int dir_fd, const char *name, const ArchiveRequest *request, uint64_t *ret_bytes, uint64_t *ret_log_bytes) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = open_temporary(dir_fd, name, &temporary, &fd);
        if (r < 0)
                return r;
        r = join_all(fd, dir_fd, request, ret_bytes, ret_log_bytes);
        return install_temporary(dir_fd, temporary, fd, name, r);
}

static int join_new_head(int out_fd, int in_fd, const ArchiveHead *head, uint64_t *ret_bytes) {
        _cleanup_free_ ArchiveMember *members = calloc(head->n_files + 1, sizeof(ArchiveMember));
        _cleanup_(xz_joiner_freep) XzJoiner *joiner = NULL;
        int r;

        if (!members)
                return -ENOMEM;
        for (size_t i = 0; i < head->n_files; i++)
                members[i] = (ArchiveMember) { head->files[i].name, head->files[i].data, head->files[i].bytes };
        r = xz_joiner_new(out_fd, &joiner);
        if (r >= 0)
                r = join_head(joiner, &(ArchiveRequest) {
                                .members = members,
                                .n_members = head->n_files,
                                .mtime_sec = head->mtime_sec,
                        }, head->log_bytes);
        if (r >= 0)
                r = xz_joiner_add_from(joiner, in_fd, head->log_offset);
        return r < 0 ? r : xz_joiner_finish(joiner, NULL, ret_bytes);
}

int archive_replace_head(int dir_fd, const char *name, const ArchiveHead *head, uint64_t *ret_bytes) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -EBADF, old_fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int r;

        if (old_fd < 0)
                return -errno;
        r = open_temporary(dir_fd, name, &temporary, &fd);
        if (r < 0)
                return r;
        r = join_new_head(fd, old_fd, head, ret_bytes);
        return install_temporary(dir_fd, temporary, fd, name, r);
}
