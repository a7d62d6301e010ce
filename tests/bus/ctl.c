/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ctl.h"

#define WORDS_MAX 64

/* By a descriptor, so that the user need not be able to get to it. */
_noreturn_ static void execute(const char *const argv[], uid_t uid) {
        char *words[WORDS_MAX] = { (char *) CTL_PROGRAM };
        int fd = open(CTL_PROGRAM, O_PATH | O_CLOEXEC);
        sigset_t none;

        for (size_t i = 0; argv[i] && i < WORDS_MAX - 2; i++)
                words[i + 1] = (char *) argv[i];
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (uid != geteuid() && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                _exit(255);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) fexecve(fd, words, environ);
        _exit(255);
}

static Ctl begin(const char *const argv[], uid_t uid) {
        Ctl ctl = {
                .terminal_fd = -EBADF,
                .out_fd = memfd_create("out", MFD_CLOEXEC),
                .err_fd = memfd_create("err", MFD_CLOEXEC),
        };

        cr_assert(ctl.out_fd >= 0 && ctl.err_fd >= 0, "%m");
        ctl.pid = fork();
        cr_assert_geq(ctl.pid, 0);
        if (ctl.pid == 0) {
                int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

                if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(ctl.out_fd, STDOUT_FILENO) < 0 ||
                    dup2(ctl.err_fd, STDERR_FILENO) < 0)
                        _exit(255);
                execute(argv, uid);
        }
        return ctl;
}

Ctl ctl_begin(Fixture *f, const char *const argv[]) {
        return begin(argv, geteuid());
}

Ctl ctl_begin_as(Fixture *f, uid_t uid, const char *const argv[]) {
        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        return begin(argv, uid);
}

static Ctl begin_on_terminal(const char *const argv[], uid_t uid) {
        Ctl ctl = { .out_fd = -EBADF, .err_fd = -EBADF };

        ctl.pid = forkpty(&ctl.terminal_fd, NULL, NULL, &(struct winsize) { .ws_row = 24, .ws_col = 80 });
        cr_assert_geq(ctl.pid, 0);
        if (ctl.pid == 0) {
                (void) setenv("TERM", "xterm", 1);
                (void) unsetenv("COLUMNS");
                execute(argv, uid);
        }
        return ctl;
}

Ctl ctl_begin_on_terminal(Fixture *f, const char *const argv[]) {
        return begin_on_terminal(argv, geteuid());
}

Ctl ctl_begin_on_terminal_as(Fixture *f, uid_t uid, const char *const argv[]) {
        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        return begin_on_terminal(argv, uid);
}

static char *read_output(int fd) {
        char *text;

        cr_assert_geq(lseek(fd, 0, SEEK_SET), 0);
        text = calloc(1, MIB);
        cr_assert_not_null(text);
        cr_assert_geq(read(fd, text, MIB - 1), 0);
        return text;
}

/* Reads what the terminal shows until the program ends: nobody else makes room for more. */
static char *read_terminal(const Ctl *ctl, int pid_fd) {
        struct pollfd fds[] = { { .fd = ctl->terminal_fd, .events = POLLIN }, { .fd = pid_fd, .events = POLLIN } };
        char *text = calloc(1, MIB);
        size_t bytes = 0;

        cr_assert_not_null(text);
        for (;;) {
                cr_assert_gt(poll(fds, 2, (int) (WAIT_USEC / USEC_PER_MSEC)), 0, "It does not end: %s", text);
                if (fds[0].revents & POLLIN) {
                        ssize_t n = read(ctl->terminal_fd, text + bytes, MIB - 1 - bytes);

                        cr_assert_geq(n, 0, "%m");
                        bytes += (size_t) n;
                } else
                        /* Nothing more to read, and nobody there to write. */
                        return text;
        }
}

void ctl_end(Ctl *ctl) {
        _cleanup_close_ int pid_fd = pidfd_open(ctl->pid, 0);
        int status;

        cr_assert_geq(pid_fd, 0, "%m");
        if (ctl->terminal_fd >= 0)
                ctl->out = read_terminal(ctl, pid_fd);
        else
                cr_assert_eq(poll(&(struct pollfd) { .fd = pid_fd, .events = POLLIN }, 1,
                                             (int) (WAIT_USEC / USEC_PER_MSEC)),
                                1, "mmiotracectl does not end.");
        cr_assert_eq(waitpid(ctl->pid, &status, 0), ctl->pid);
        ctl->pid = 0;
        ctl->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        if (ctl->terminal_fd < 0) {
                ctl->out = read_output(ctl->out_fd);
                ctl->err = read_output(ctl->err_fd);
        }
}

void ctl_end_served(Fixture *f, Ctl *ctl) {
        program_await(f, ctl->pid);
        ctl_end(ctl);
}

void ctl_set_ssh(Fixture *f) {
        _cleanup_free_ char *text = NULL, *path = below(f->machine.tree.root, "bin/ssh"), *folders = NULL;

        cr_assert_gt(asprintf(&text, "#!/bin/sh\necho \"$*\" >%s/told\nexec systemd-stdio-bridge --bus-path=\"%s\"\n",
                                      f->machine.tree.root, f->address), 0);
        fake_file(&f->machine.tree, "bin/ssh", text);
        cr_assert_eq(chmod(path, 0755), 0);
        cr_assert_gt(asprintf(&folders, "%s/bin:%s", f->machine.tree.root, getenv("PATH")), 0);
        cr_assert_eq(setenv("PATH", folders, 1), 0);
        cr_assert_eq(unsetenv("DBUS_SYSTEM_BUS_ADDRESS"), 0);
}

void assert_ended(const Ctl *ctl, int status) {
        cr_assert_eq(ctl->status, status, "%d instead of %d: %s%s", ctl->status, status, strempty(ctl->out),
                        strempty(ctl->err));
}

void assert_contains(const char *text, const char *part) {
        cr_assert_not_null(strstr(strempty(text), part), "no \"%s\" in: %s", part, strempty(text));
}

void ctl_done(Ctl *ctl) {
        if (ctl->pid > 0) {
                (void) kill(ctl->pid, SIGKILL);
                (void) waitpid(ctl->pid, NULL, 0);
        }
        safe_close(ctl->terminal_fd);
        safe_close(ctl->out_fd);
        safe_close(ctl->err_fd);
        free(ctl->out);
        free(ctl->err);
}
