/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "ctl.h"

#define WORDS_MAX 64

_noreturn_ static void execute(const char *const argv[]) {
        char *words[WORDS_MAX] = { (char *) CTL_PROGRAM };
        sigset_t none;

        for (size_t i = 0; argv[i] && i < WORDS_MAX - 2; i++)
                words[i + 1] = (char *) argv[i];
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) execv(CTL_PROGRAM, words);
        _exit(255);
}

Ctl ctl_begin(Fixture *f, const char *const argv[]) {
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
                execute(argv);
        }
        return ctl;
}

Ctl ctl_begin_on_terminal(Fixture *f, const char *const argv[]) {
        Ctl ctl = { .out_fd = -EBADF, .err_fd = -EBADF };

        ctl.pid = forkpty(&ctl.terminal_fd, NULL, NULL, &(struct winsize) { .ws_row = 24, .ws_col = 80 });
        cr_assert_geq(ctl.pid, 0);
        if (ctl.pid == 0) {
                (void) setenv("TERM", "xterm", 1);
                (void) unsetenv("COLUMNS");
                execute(argv);
        }
        return ctl;
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
