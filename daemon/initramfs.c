/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "initramfs.h"
#include "sysfs.h"

#define IMAGE_PREFIX "initrd.img-"

#define LIST_LIMIT_USEC (30 * USEC_PER_SEC)
#define LIST_MAX_BYTES (16 * MIB)
#define LIST_NICE 10

/* It is a script that starts others: with one signal to the group all of them go. */
typedef struct Lister {
        pid_t pid;
        int fd;
} Lister;

static void lister_done(Lister *l) {
        if (l->pid > 0) {
                (void) kill(-l->pid, SIGKILL);
                (void) waitpid(l->pid, NULL, 0);
        }
        safe_close(l->fd);
}

_noreturn_ static void run_lister(const char *program, const char *image, int out_fd) {
        /* Nothing of the environment, which may say where temporary files go or which programs are found. */
        static char *const environment[] = { (char *) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *) "LC_ALL=C", NULL };
        char *const arguments[] = { (char *) program, (char *) image, NULL };
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        (void) setpgid(0, 0);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setpriority(PRIO_PROCESS, 0, LIST_NICE);
        if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(null_fd, STDERR_FILENO) >= 0 &&
            dup2(out_fd, STDOUT_FILENO) >= 0)
                (void) execve(program, arguments, environment);
        _exit(127);
}

static int lister_start(const char *program, const char *image, Lister *ret) {
        _cleanup_close_ int out_fd = -EBADF;
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        out_fd = fds[1];
        pid = fork();
        if (pid < 0) {
                int r = -errno;

                safe_close(fds[0]);
                return r;
        }
        if (pid == 0)
                run_lister(program, image, out_fd);
        /* Here as well: whoever comes first. */
        (void) setpgid(pid, pid);
        *ret = (Lister) { pid, fds[0] };
        return 0;
}

/* Reads all that it prints, and sees that it ended well. */
static int lister_read(Lister *l, uint64_t limit_usec, char **ret) {
        const uint64_t until_usec = now_monotonic_usec() + limit_usec;
        _cleanup_free_ char *text = malloc(LIST_MAX_BYTES + 1);
        size_t bytes = 0;
        int status;

        if (!text)
                return -ENOMEM;
        for (;;) {
                uint64_t now_usec = now_monotonic_usec();
                struct pollfd p = { .fd = l->fd, .events = POLLIN };
                ssize_t n;

                if (now_usec >= until_usec)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int) ((until_usec - now_usec) / USEC_PER_MSEC) + 1) <= 0)
                        continue;
                n = read(l->fd, text + bytes, LIST_MAX_BYTES - bytes);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                bytes += (size_t) n;
        }
        if (bytes == LIST_MAX_BYTES)
                return -EFBIG;
        if (waitpid(l->pid, &status, 0) != l->pid)
                return -ECHILD;
        l->pid = 0;
        /* A packer that is not installed shows in an empty list only. */
        if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS || bytes == 0)
                return -EBADMSG;
        text[bytes] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

int initramfs_list(const char *program, const char *image, uint64_t limit_usec, char **ret) {
        _cleanup_(lister_done) Lister lister = { .fd = -EBADF };
        int r;

        r = lister_start(program, image, &lister);
        return r < 0 ? r : lister_read(&lister, limit_usec, ret);
}

/* Whether a path is the module's file: "usr/lib/modules/6.1.0-56-amd64/kernel/drivers/net/e1000e.ko.xz". */
static bool is_file_of(const char *path, const char *module) {
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

        for (; *module; name++, module++)
                if (*name != *module && !((*name == '-' || *name == '_') && (*module == '-' || *module == '_')))
                        return false;
        return startswith(name, ".ko");
}

/* The names of what the machine may boot with: of the running kernel, and of each other that is beside its image. What else
 * there is under such a name is left from an update. */
static int list_images(const Context *context, char ***ret) {
        _cleanup_strv_ char **entries = NULL, **images = NULL;
        _cleanup_close_ int boot_fd = -EBADF;
        struct utsname uts;
        int r;

        if (uname(&uts) < 0)
                return -errno;
        boot_fd = open(context->boot_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (boot_fd >= 0) {
                r = sysfs_list_at(boot_fd, ".", &entries);
                if (r < 0)
                        return r;
        }
        STRV_FOREACH(entry, entries) {
                const char *release = startswith(*entry, IMAGE_PREFIX);
                char kernel[NAME_MAX + 1];

                if (!release || !text_is_clean(*entry, false))
                        continue;
                (void) snprintf(kernel, sizeof kernel, "vmlinuz-%s", release);
                if (!streq(release, uts.release) && faccessat(boot_fd, kernel, F_OK, 0) < 0)
                        continue;
                r = strv_extend(&images, *entry);
                if (r < 0)
                        return r;
        }
        /* That it is not there is said of this one. */
        if (!images) {
                r = strv_extendf(&images, IMAGE_PREFIX "%s", uts.release);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(images);
        return 0;
}

/* Returns whether it is in this one. */
static int look_into(const Context *context, const char *image, const char *module, uint64_t until_usec, Error *error) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        uint64_t now_usec = now_monotonic_usec();
        char *state = NULL;
        int r;

        if (asprintf(&path, "%s/%s", context->boot_dir, image) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (access(path, R_OK) < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot look into the initramfs %s", path);
        r = initramfs_list(context->lsinitramfs, path, until_usec - MIN(until_usec, now_usec), &text);
        if (r == -ETIMEDOUT)
                return error_set_errno(error, ERROR_FAILED, r, "It takes too long to look into the initramfs %s", path);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "lsinitramfs cannot read the initramfs %s", path);
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                if (is_file_of(line, module))
                        return 1;
        return 0;
}

int initramfs_has_module(const Context *context, const char *module, char ***ret_images, Error *error) {
        const uint64_t until_usec = now_monotonic_usec() + LIST_LIMIT_USEC;
        _cleanup_strv_ char **images = NULL, **with = NULL;
        _cleanup_error_ Error first = {};
        int r, failed = 0;

        if (!context->lsinitramfs || access(context->lsinitramfs, X_OK) < 0)
                return error_set(error, ERROR_NOT_SUPPORTED,
                                "It takes lsinitramfs to look into the initramfs, which is not installed here.");
        r = list_images(context, &images);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot list the initramfs in %s", context->boot_dir);
        STRV_FOREACH(image, images) {
                r = look_into(context, *image, module, until_usec, failed < 0 ? NULL : &first);
                if (r > 0)
                        r = strv_extend(&with, *image);
                if (r < 0 && failed == 0)
                        failed = r;
        }
        if (!with && failed < 0) {
                if (first.text)
                        (void) error_set(error, first.code, "%s", first.text);
                return failed;
        }
        r = with != NULL;
        *ret_images = TAKE_PTR(with);
        return r;
}
