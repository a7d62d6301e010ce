/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "export.h"
#include "terminal.h"

/* Between two looks at the clock and at the signals. */
#define CHUNK_BYTES (4 * MIB)
#define SHOW_AFTER_USEC (2 * USEC_PER_SEC)

bool archive_name_is_valid(const char *name) {
        return !isempty(name) && strlen(name) <= NAME_MAX && name[0] != '.' && !strchr(name, '/') &&
                        text_is_clean(name, false);
}

int export_target(const char *path, const char *archive_name, int *ret_dir_fd, char **ret_name) {
        _cleanup_free_ char *folder = NULL, *name = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *slash;

        path = path ?: ".";
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
                name = strdup(archive_name);
        else if (errno != ENOENT && errno != ENOTDIR)
                return -errno;
        else {
                slash = strrchr(path, '/');
                /* With its slash at the end, which is all there is of "/". */
                folder = slash ? strndup(path, (size_t) (slash - path) + 1) : strdup(".");
                if (!folder)
                        return -ENOMEM;
                fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                name = strdup(slash ? slash + 1 : path);
                if (name && isempty(name))
                        return -EINVAL;
        }
        if (!name)
                return -ENOMEM;
        *ret_dir_fd = TAKE_FD(fd);
        *ret_name = TAKE_PTR(name);
        return 0;
}

typedef enum CopyMethod {
        COPY_FILE_RANGE,
        COPY_SENDFILE,
        COPY_READ,
} CopyMethod;

static ssize_t copy_read(int in_fd, int out_fd, off_t *offset) {
        char buffer[64 * KIB];
        ssize_t n = pread(in_fd, buffer, sizeof buffer, *offset);
        int r;

        if (n <= 0)
                return n;
        r = write_all(out_fd, buffer, (size_t) n);
        if (r < 0) {
                errno = -r;
                return -1;
        }
        *offset += n;
        return n;
}

/* Copies something and returns how much, 0 at the end. Tries the fast ways first, and stays with what
 * works. The offset is ours: the descriptor's own may be shared with the daemon. */
static ssize_t copy_some(int in_fd, int out_fd, off_t *offset, CopyMethod *method) {
        for (;;) {
                ssize_t n;

                if (*method == COPY_FILE_RANGE)
                        n = copy_file_range(in_fd, offset, out_fd, NULL, CHUNK_BYTES, 0);
                else if (*method == COPY_SENDFILE)
                        n = sendfile(out_fd, in_fd, offset, CHUNK_BYTES);
                else
                        n = copy_read(in_fd, out_fd, offset);
                if (n > 0)
                        return n;
                if (n < 0 && errno == EINTR)
                        return -EINTR;
                /* Also where it says "nothing to copy": some file systems do although there is. */
                if (*method == COPY_READ || (n < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT)))
                        return n < 0 ? -errno : 0;
                (*method)++;
        }
}

/* Ctrl-C was pressed while it is blocked. */
static bool interrupted(void) {
        sigset_t pending;

        return sigpending(&pending) >= 0 &&
                        (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
                                        sigismember(&pending, SIGHUP));
}

int export_to_fd(int in_fd, int out_fd, uint64_t *ret_bytes) {
        _cleanup_status_line_ StatusLine line = status_line_new(SHOW_AFTER_USEC);
        CopyMethod method = COPY_FILE_RANGE;
        off_t offset = 0;
        struct stat st;

        if (fstat(in_fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADF;
        for (;;) {
                ssize_t n = copy_some(in_fd, out_fd, &offset, &method);

                if (n < 0 && n != -EINTR)
                        return (int) n;
                if (interrupted())
                        return -EINTR;
                if (n == 0)
                        break;
                status_line_progress(&line, (double) offset / (double) MAX(st.st_size, (off_t) 1),
                                "%s of %s", FORMAT_BYTES((uint64_t) offset),
                                FORMAT_BYTES((uint64_t) st.st_size));
        }
        if (offset < st.st_size)
                return -ENODATA;
        *ret_bytes = (uint64_t) offset;
        return 0;
}

/* Gives the finished file its name. */
static int install(int dir_fd, const char *temporary, const char *name, bool replace) {
        if (replace)
                return renameat(dir_fd, temporary, dir_fd, name) < 0 ? -errno : 0;
        if (renameat2(dir_fd, temporary, dir_fd, name, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        /* Not every file system can rename so (NFS): a link does not replace anything either. */
        if (linkat(dir_fd, temporary, dir_fd, name, 0) < 0)
                return -errno;
        return unlinkat(dir_fd, temporary, 0) < 0 ? -errno : 0;
}

static int export_inner(int in_fd, int dir_fd, const char *name, bool replace, uint64_t *ret_bytes) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[64];
        uint64_t random, bytes = 0;
        int r;

        if (getrandom(&random, sizeof random, 0) != sizeof random)
                return -errno;
        (void) snprintf(temporary, sizeof temporary, ".#mmiotracectl-%016llx", (unsigned long long) random);
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = export_to_fd(in_fd, fd, &bytes);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0)
                r = install(dir_fd, temporary, name, replace);
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }
        if (fsync(dir_fd) < 0 && errno != EINVAL)
                return -errno;
        *ret_bytes = bytes;
        return 0;
}

int export_to_file(int in_fd, int dir_fd, const char *name, bool replace, uint64_t *ret_bytes) {
        struct stat st;
        sigset_t mask, old_mask;
        int r;

        /* Before the long copy; install() is what makes sure. */
        if (!replace && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return -EEXIST;

        /* So that the temporary file can be removed when one of them comes. */
        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, &old_mask) < 0)
                return -errno;
        r = export_inner(in_fd, dir_fd, name, replace, ret_bytes);
        if (r == -EINTR) {
                /* The caller reports it. Still pending, they would end the process before it can. */
                while (sigtimedwait(&mask, NULL, &(struct timespec) {}) > 0)
                        ;
        }
        (void) sigprocmask(SIG_SETMASK, &old_mask, NULL);
        return r;
}
