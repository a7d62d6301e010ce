/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "log.h"
#include "worker.h"

#define LINE_MAX_BYTES 8192
/* Two descriptors for each CPU that a drain reads, and a few. */
#define KEEP_MAX 1024

struct Worker {
        char *name;
        pid_t pid;
        int fd;
        sd_event_source *io, *child;
        char buffer[LINE_MAX_BYTES];
        size_t buffered_bytes;
        Error error;

        void (*line)(const char *key, const char *value, void *userdata);
        void (*done)(const Error *error, void *userdata);
        void *userdata;
};

static void handle_line(Worker *w, char *line) {
        char *value = strchr(line, '=');

        if (!value)
                return;
        *value++ = 0;
        if (streq(line, "ERROR")) {
                char *text = strchr(value, ' ');

                if (text)
                        *text++ = 0;
                (void) error_set(&w->error, error_from_name(value), "%s", text ?: value);
                return;
        }
        if (w->line)
                w->line(line, value, w->userdata);
}

/* Reads what is there. A line that does not fit is not ours: the child is our own program. */
static int read_lines(Worker *w) {
        for (;;) {
                char *end, *start = w->buffer;
                ssize_t n;

                n = read(w->fd, w->buffer + w->buffered_bytes, sizeof w->buffer - w->buffered_bytes);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                if (n == 0)
                        return 0;
                w->buffered_bytes += (size_t) n;
                while ((end = memchr(start, '\n', w->buffered_bytes - (size_t) (start - w->buffer)))) {
                        *end = 0;
                        handle_line(w, start);
                        start = end + 1;
                }
                w->buffered_bytes -= (size_t) (start - w->buffer);
                memmove(w->buffer, start, w->buffered_bytes);
                if (w->buffered_bytes == sizeof w->buffer)
                        w->buffered_bytes = 0;
        }
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Worker *w = userdata;

        if (read_lines(w) < 0 || (revents & EPOLLHUP))
                /* The end of the child is told by its exit. */
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int on_exit_of_child(sd_event_source *source, const siginfo_t *si, void *userdata) {
        _cleanup_error_ Error error = {};
        Worker *w = userdata;

        /* Killed and forgotten: this was only to reap it. */
        if (!w) {
                (void) sd_event_source_set_floating(source, false);
                return 0;
        }
        w->pid = 0;
        (void) read_lines(w);
        if (si->si_code != CLD_EXITED)
                (void) error_set(&w->error, ERROR_PROCESS_DIED, "The %s process was killed by signal %i (%s).", w->name,
                        si->si_status, strsignal(si->si_status));
        else if (si->si_status != EXIT_SUCCESS)
                (void) error_set(&w->error, ERROR_FAILED, "The %s process failed without saying why.", w->name);
        log_send(LOG_DEBUG, "MESSAGE=The %s process has ended: %s", w->name, w->error.text ?: "all is done");
        /* It is still needed when done has freed the worker. */
        error = w->error;
        w->error = (Error) {};
        w->done(error.code != ERROR_NONE ? &error : NULL, w->userdata);
        return 0;
}

static int compare_fds(const void *a, const void *b) {
        return *(const int *) a - *(const int *) b;
}

/* The loop's descriptors (the bus among them) are of no use here, and some of them would keep things alive. */
static void close_others(int out_fd, const WorkerSpec *spec) {
        int keep[KEEP_MAX] = { out_fd }, first = 3;
        size_t n = 1;

        for (size_t i = 0; i < spec->n_keep_fds && n < ELEMENTS(keep); i++)
                keep[n++] = spec->keep_fds[i];
        qsort(keep, n, sizeof keep[0], compare_fds);
        for (size_t i = 0; i < n; i++) {
                if (keep[i] > first)
                        (void) close_range((unsigned) first, (unsigned) keep[i] - 1, 0);
                first = MAX(first, keep[i] + 1);
        }
        (void) close_range((unsigned) first, ~0U, 0);
}

_noreturn_ static void run_child(pid_t parent, int out_fd, const WorkerSpec *spec) {
        sigset_t none;
        FILE *out;

        /* The daemon may have died before there was a signal to be sent. */
        if (spec->dies_with_daemon && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
                _exit(EXIT_FAILURE);

        /* The loop takes its signals by signalfd: here they mean what they say. */
        for (int s = 1; s < NSIG; s++)
                (void) signal(s, SIG_DFL);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) prctl(PR_SET_NAME, spec->name);
        close_others(out_fd, spec);

        out = fdopen(out_fd, "w");
        if (!out)
                _exit(EXIT_FAILURE);
        _exit(spec->run(out, spec->arg) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

int worker_start(sd_event *event, const WorkerSpec *spec, Worker **ret) {
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_close_ int write_fd = -EBADF;
        pid_t parent = getpid();
        int r, fds[2];

        if (spec->n_keep_fds >= KEEP_MAX)
                return -EMFILE;
        w = calloc(1, sizeof(Worker));
        if (!w)
                return -ENOMEM;
        w->fd = -EBADF;
        w->line = spec->line;
        w->done = spec->done;
        w->userdata = spec->userdata;
        w->name = strdup(spec->name);
        if (!w->name)
                return -ENOMEM;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        w->fd = fds[0];
        write_fd = fds[1];
        if (fcntl(w->fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        w->pid = fork();
        if (w->pid < 0) {
                w->pid = 0;
                return -errno;
        }
        if (w->pid == 0)
                run_child(parent, write_fd, spec);

        log_send(LOG_DEBUG, "MESSAGE=The %s process runs as %i", w->name, w->pid);
        r = sd_event_add_io(event, &w->io, w->fd, EPOLLIN, on_io, w);
        if (r < 0)
                return r;
        r = sd_event_add_child(event, &w->child, w->pid, WEXITED, on_exit_of_child, w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

void worker_kill(Worker *w, int signal) {
        if (w && w->pid > 0)
                (void) kill(w->pid, signal);
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->io);
        if (w->pid > 0) {
                (void) kill(w->pid, SIGKILL);
                /* Not waited for here: it may sit in a driver's probe, where no signal reaches it. The loop reaps it. */
                if (w->child) {
                        (void) sd_event_source_set_userdata(w->child, NULL);
                        if (sd_event_source_set_floating(w->child, true) >= 0)
                                sd_event_source_unref(w->child);
                }
        } else
                sd_event_source_disable_unref(w->child);
        safe_close(w->fd);
        error_done(&w->error);
        free(w->name);
        free(w);
        return NULL;
}
