/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <systemd/sd-daemon.h>

#include "config-bus.h"
#include "daemon.h"
#include "log.h"
#include "manager-bus.h"
#include "names.h"
#include "program-watch.h"
#include "undo.h"
#include "unit-bus.h"

static int log_errno(int r, const char *what) {
        log_send(LOG_ERR, "MESSAGE=%s: %s", what, strerrordesc_np(-r), "ERRNO=%i", -r);
        return r;
}

typedef struct Daemon {
        Manager *manager;
        sd_bus *connection;
        bool asked;
} Daemon;

static void on_asked(const char *job_type, void *userdata) {
        Manager *m = ((Daemon *) userdata)->manager;
        bool restarting = streq(job_type, "restart") || streq(job_type, "try-restart");

        /* Whoever sent a second signal meanwhile has had an answer. */
        if (m->quitting == QUIT_NOT)
                manager_quit(m, restarting);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;

        (void) sd_notify(false, "STOPPING=1\nSTATUS=Ending what is going on");
        /* At a shutdown the bus may go first; what is to be ended here does not need it. Whoever is asked now and goes
         * then has answered nothing, which means a stop. */
        (void) sd_bus_set_exit_on_disconnect(d->connection, false);
        /* With nothing running there is nothing to hand over; and whoever sends a second signal does not want to wait. */
        if (!d->manager->active || d->asked || unit_bus_ask_job(d->connection, on_asked, d) < 0)
                manager_quit(d->manager, false);
        d->asked = true;
        return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        _cleanup_error_ Error error = {};
        int r;

        r = config_reload(((Daemon *) userdata)->manager, &error);
        if (r < 0)
                log_send(LOG_ERR, "MESSAGE=The configuration stays as it was: %s", error.text ?: strerrordesc_np(-r),
                                "MESSAGE_ID=" MESSAGE_CONFIG_INVALID);
        return 0;
}

/* Whatever ended this process from now on would leave the machine on one CPU: so the session ends while somebody can end
 * it. */
static void on_program_gone(void *userdata) {
        Manager *m = userdata;
        Error ignored = {};

        if (m->active)
                (void) session_interrupt(m->active, "mmiotraced was removed from the disk during the session, and could not have gone on "
                                "with it after any failure: so it ended the session.", &ignored);
        error_done(&ignored);
}

static int setup_event(sd_event **ret) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGHUP);
        sigaddset(&mask, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        (void) signal(SIGPIPE, SIG_IGN);
        r = sd_event_default(&event);
        if (r < 0)
                return r;
        r = sd_event_set_watchdog(event, true);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(event);
        return 0;
}

int daemon_run(Context *context) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *connection = NULL;
        _cleanup_(manager_freep) Manager *manager = NULL;
        _cleanup_(bus_freep) Bus *bus = NULL;
        _cleanup_(program_watch_freep) ProgramWatch *watch = NULL;
        _cleanup_close_ int lock_fd = -EBADF;
        Daemon d = {};
        int r;

        r = setup_event(&event);
        if (r < 0)
                return log_errno(r, "Cannot set up the event loop");
        r = manager_new(context, event, &manager);
        if (r < 0)
                return log_errno(r, "Cannot open the state and runtime directories");
        r = sd_bus_open_system(&connection);
        if (r < 0)
                return log_errno(r, "Cannot connect to the system bus");
        r = sd_bus_attach_event(connection, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(connection, true);
        if (r >= 0)
                r = bus_new(connection, manager, &bus);
        if (r < 0)
                return log_errno(r, "Cannot put the objects on the bus");
        d = (Daemon) { .manager = manager, .connection = connection };
        r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, &d);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_signal, &d);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, &d);
        if (r < 0)
                return log_errno(r, "Cannot watch for signals");
        r = program_watch_new(event, on_program_gone, manager, &watch);
        if (r < 0)
                (void) log_errno(r, "Cannot watch the program's own file, going on without that");

        /* Before anything is touched: it keeps a second daemon, started by hand, off the ring of the first. Calls that come
         * are answered once the loop runs. */
        r = sd_bus_request_name(connection, BUS_NAME, 0);
        if (r < 0)
                return log_errno(r, "Cannot own the bus name " BUS_NAME);
        /* A recover program that is still at work is done within seconds. */
        r = undo_lock(manager->runtime_fd, true, &lock_fd);
        if (r < 0)
                return log_errno(r, "Cannot lock the runtime directory");
        r = manager_load(manager);
        if (r < 0)
                return log_errno(r, "Cannot read the sessions on disk");

        (void) sd_notify(false, "READY=1");
        r = sd_event_loop(event);
        if (r < 0)
                return log_errno(r, "The event loop failed");
        /* Only a lost bus ends it otherwise. That is a failure: the next daemon has to go on with what is running. */
        if (r > 0)
                return log_errno(-ECONNRESET, "The system bus is gone");
        return 0;
}
