/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "log.h"
#include "manager.h"
#include "names.h"
#include "recover.h"
#include "takeovers.h"
#include "tracer.h"
#include "undo.h"
#include "unit-bus.h"

/* Time for a large ring to get to a slow disk. A disk that does not answer at all, or whatever else it may be that gets
 * nothing more out of the ring, must not keep the machine on one CPU: neither that long, nor for more than a moment. Undoing
 * may wait five seconds for somebody who holds a pipe. */
#define SESSION_USEC (120 * USEC_PER_SEC)
#define BEGIN_USEC (10 * USEC_PER_SEC)
#define STALLED_USEC (3 * USEC_PER_SEC)
#define UNDO_USEC (10 * USEC_PER_SEC)
#define LOOK_USEC (100 * USEC_PER_MSEC)

#define STOPPED "The daemon ended for good during the session: what was in the ring buffer by then was saved, and the machine was " \
                "restored, without it."
#define FAILED "The daemon hung or crashed again and again during the session, so the session was ended: what was in the ring " \
               "buffer by then was saved, and the machine was restored, without it."

/* What the process that ends the session has come to, in memory of both. */
typedef struct Progress {
        _Atomic uint64_t n_bytes;
        _Atomic int state;      /* of the session; -1: there is none any more */
        _Atomic bool begun;
} Progress;

static void say(int priority, const char *text) {
        log_send(priority, "MESSAGE=%s", text,
                        "MESSAGE_ID=%s", priority <= LOG_ERR ? MESSAGE_RESTORE_FAILED : MESSAGE_RESTORED);
        if (isatty(STDERR_FILENO))
                fprintf(stderr, "%s\n", text);
}

static int fail(int r, const char *what, const Error *error) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "%s: %s", what, error && error->text ? error->text : strerrordesc_np(-r)) < 0)
                text = NULL;
        say(3, text ?: what);
        return r;
}

typedef struct JobQuestion {
        sd_event *event;
        bool stopping;
} JobQuestion;

static void on_job(const char *job_type, void *userdata) {
        JobQuestion *q = userdata;

        q->stopping = streq(job_type, "stop");
        (void) sd_event_exit(q->event, 0);
}

/* There may be no bus any more. Who gets no answer leaves the machine to those who come
 * later: the next daemon, or the recover unit. */
static bool unit_is_being_stopped(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *connection = NULL;
        JobQuestion question = {};
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = unit_bus_connect(&connection);
        if (r >= 0)
                r = sd_bus_attach_event(connection, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(connection, true);
        question.event = event;
        if (r >= 0)
                r = unit_bus_ask_job(connection, on_job, &question);
        if (r >= 0)
                r = sd_event_loop(event);
        if (r < 0)
                (void) fail(r, "Cannot ask systemd whether mmiotraced is being stopped", NULL);
        return question.stopping;
}

typedef struct Ending {
        Manager *manager;
        Progress *progress;
} Ending;

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
        Ending *e = userdata;
        Session *s = e->manager->active;

        if (s)
                (void) session_update_counters(s);
        atomic_store(&e->progress->n_bytes, s ? s->raw_bytes : 0);
        atomic_store(&e->progress->state, s ? (int) s->state : -1);
        atomic_store(&e->progress->begun, true);
        (void) sd_event_source_set_time_relative(source, LOOK_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* As a daemon does that is told to stop as soon as it has come up. */
static int end_session(Context *context, const char *why, Progress *progress) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_error_ Error ignored = {};
        Ending ending;
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        r = sd_event_new(&event);
        if (r >= 0)
                r = manager_new(context, event, &m);
        if (r < 0)
                return r;
        m->quitting = QUIT_STOP;
        r = manager_load(m);
        if (r < 0)
                return r;
        ending = (Ending) { m, progress };
        r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 0, 0, on_look, &ending);
        if (r < 0)
                return r;
        if (m->active)
                (void) session_interrupt(m->active, why, &ignored);
        manager_check_quit(m);
        return sd_event_loop(event);
}

/* Returns when it has ended, or is to be ended. */
static void await_end(int pid_fd, int runtime_fd, const Progress *progress) {
        uint64_t start_usec = now_monotonic_usec(), moved_usec = start_usec, n_bytes = 0, limit_usec;
        struct pollfd p = { .fd = pid_fd, .events = POLLIN };
        int state = -1;

        for (;;) {
                uint64_t now_usec, n_bytes_now = atomic_load(&progress->n_bytes);
                int r, state_now = atomic_load(&progress->state);

                r = poll(&p, 1, (int) (LOOK_USEC / USEC_PER_MSEC));
                if (r > 0 || (r < 0 && errno != EINTR))
                        return;
                now_usec = now_monotonic_usec();
                if (n_bytes_now != n_bytes || state_now != state)
                        moved_usec = now_usec;
                n_bytes = n_bytes_now;
                state = state_now;
                limit_usec = !atomic_load(&progress->begun) ? BEGIN_USEC :
                             state == SESSION_RESTORING    ? UNDO_USEC :
                                                             STALLED_USEC;
                /* What is done once the machine is back takes its time. */
                if (now_usec >= start_usec + SESSION_USEC || (undo_exists(runtime_fd) && now_usec >= moved_usec + limit_usec))
                        return;
        }
}

/* In a process of its own: whatever made the daemon fail may be in wait there, too, and the machine comes back all the
 * same. */
static void end_session_apart(Context *context, int runtime_fd, const char *why) {
        Progress *progress = mmap(NULL, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        _cleanup_close_ int fd = -EBADF;
        int status;
        pid_t pid;

        if (progress == MAP_FAILED) {
                (void) fail(-errno, "Cannot watch over the end of the session, which is not ended", NULL);
                return;
        }
        pid = fork();
        if (pid == 0) {
                (void) setpgid(0, 0);
                _exit(end_session(context, why, progress) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        }
        if (pid < 0) {
                (void) fail(-errno, "Cannot start the process that ends the session", NULL);
                (void) munmap(progress, sizeof(Progress));
                return;
        }
        (void) setpgid(pid, pid);
        fd = pidfd_open(pid, 0);
        if (fd >= 0)
                await_end(fd, runtime_fd, progress);
        /* With its workers, which hold the pipes. One that has ended by itself has none. */
        (void) kill(-pid, SIGKILL);
        if (waitpid(pid, &status, 0) == pid && status != 0)
                say(3, "The session that was cut short could not be ended: the next daemon seals what is on disk.");
        (void) munmap(progress, sizeof(Progress));
}

/* Between two starts of the service, the session is the next daemon's, unless that would come to a bad end as well. */
static bool has_failed_too_often(int runtime_fd, const char *service_result, const char *exit_status) {
        int r;

        r = takeovers_count(runtime_fd, service_result, exit_status);
        if (r < 0)
                (void) fail(r, "Cannot count how often mmiotraced has failed", NULL);
        return r > 0;
}

int recover_run(Context *context, RecoverWhen when, const char *service_result, const char *exit_status) {
        _cleanup_close_ int runtime_fd = -EBADF, lock_fd = -EBADF;
        _cleanup_free_ char *boot_id = NULL;
        _cleanup_tracer_restored_ TracerRestored told = {};
        _cleanup_error_ Error error = {};
        bool failed = false;
        int r;

        runtime_fd = open(context->runtime_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (runtime_fd < 0)
                return errno == ENOENT ? 0 : fail(-errno, "Cannot open the runtime directory", NULL);
        if (!undo_exists(runtime_fd))
                return 0;
        if (when == RECOVER_IF_STOPPED && !unit_is_being_stopped()) {
                failed = has_failed_too_often(runtime_fd, service_result, exit_status);
                if (!failed)
                        return 0;
        }
        r = undo_lock(runtime_fd, false, &lock_fd);
        if (r == -EWOULDBLOCK)
                return 0;
        if (r < 0)
                return fail(r, "Cannot lock the runtime directory", NULL);
        /* systemd counts each automatic restart as an end for which it starts the recover unit, and that may come to run
         * when the next daemon has died as well, and one more is on its way: the session is that one's. With the lock, so
         * that none comes in between. */
        if (when == RECOVER_IF_GONE && unit_bus_is_alive("mmiotraced.service") > 0)
                return 0;
        r = undo_boot_id(context->proc_root, &boot_id);
        if (r < 0)
                return fail(r, "Cannot read the boot's id", NULL);

        say(4, failed ? "mmiotraced has failed too often during a session; ending that, and putting the machine back." :
                        "mmiotraced is not there, and the machine is changed for a session; putting it back.");
        end_session_apart(context, runtime_fd, failed ? FAILED : STOPPED);
        r = tracer_restore(context, runtime_fd, boot_id, &told, &error);
        STRV_FOREACH(sentence, told.done)
                say(5, *sentence);
        STRV_FOREACH(sentence, told.warnings)
                say(4, *sentence);
        if (r < 0)
                return fail(r, "Not everything could be undone", &error);
        takeovers_forget(runtime_fd);
        say(5, told.warnings ? "What could be undone is as before." : "Everything that the session had changed is as before.");
        return 1;
}
