/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "initramfs.h"

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

int initramfs_has_module(const Context *context, const char *module, Error *error) {
        _cleanup_free_ char *image = NULL, *text = NULL;
        struct utsname uts;
        char *state = NULL;
        int r;

        if (!context->lsinitramfs || access(context->lsinitramfs, X_OK) < 0)
                return error_set(error, ERROR_NOT_SUPPORTED,
                                "It takes lsinitramfs to look into the initramfs, which is not installed here.");
        if (uname(&uts) < 0)
                return -errno;
        if (asprintf(&image, "%s/initrd.img-%s", context->boot_dir, uts.release) < 0) {
                image = NULL;
                return -ENOMEM;
        }
        if (access(image, R_OK) < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot look into the initramfs %s", image);
        r = initramfs_list(context->lsinitramfs, image, LIST_LIMIT_USEC, &text);
        if (r == -ETIMEDOUT)
                return error_set_errno(error, ERROR_FAILED, r, "It takes too long to look into the initramfs %s", image);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "lsinitramfs cannot read the initramfs %s", image);
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                if (is_file_of(line, module))
                        return 1;
        return 0;
}
