/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "log.h"
#include "manager-boot.h"
#include "manager.h"
#include "names.h"
#include "reserve.h"
#include "ring-size.h"
#include "session-capture.h"
#include "steps.h"
#include "takeovers.h"
#include "tracer.h"
#include "undo.h"

/* For which sessions that can be had again are removed before one begins; more of them when it needs it. */
#define START_ROOM_BYTES (256 * MIB)

/* Killed by whom? By the kernel for want of memory, or by a person: not again and again. */
#define WORKER_DEATHS_MAX 16

#define ADOPTED "Another program had left mmiotrace on."

static void on_step_line(const char *key, const char *value, void *userdata) {
        Session *s = userdata;
        uint64_t number;

        /* One that was taken up has come so far before. */
        if (streq(key, "STATE") && streq(value, "arming") && s->state == SESSION_CHECKING) {
                session_set_state(s, SESSION_ARMING);
                manager_announce_session(s->manager, s);
        } else if (streq(key, "SOURCE"))
                session_replace(&s->source, value);
        else if (streq(key, "MODULE"))
                session_replace(&s->module, value);
        else if (streq(key, "VERSION"))
                session_replace(&s->driver_version, value);
        else if (streq(key, "PCI_DRIVER"))
                session_replace(&s->pci_driver, value);
        else if (streq(key, "DEVICE")) {
                if (!strv_contains(s->devices, value))
                        (void) strv_extend(&s->devices, value);
        } else if (streq(key, "CLOCK"))
                session_replace(&s->trace_clock, value);
        else if (streq(key, "ONLINE"))
                session_replace(&s->online, value);
        else if (streq(key, "OFFLINE"))
                session_replace(&s->offline, value);
        else if (streq(key, "ARCHIVE_NAME"))
                session_replace(&s->archive_name, value);
        else if (streq(key, "WARNING"))
                session_warn(s, value);
        /* Nobody ever hears of the session that found nothing else to do. */
        else if (streq(key, "DONE") && s->state == SESSION_CHECKING)
                leftovers_tell(s->manager, value);
        else if (streq(key, "DONE")) {
                leftovers_note(s->manager, value);
                log_send(LOG_INFO, "MESSAGE=Session %u: %s", s->id, value, "MESSAGE_ID=" MESSAGE_RESTORED,
                                FIELD_SESSION "=%u", s->id);
        } else if (streq(key, "DROPPED"))
                leftovers_log_dropped_journal();
        else if (streq(key, "CPU") && parse_u64(value, &number) >= 0)
                s->cpu = (unsigned) number;
        else if (streq(key, "BUFFER") && parse_u64(value, &number) >= 0)
                s->buffer_bytes = number;
        else if (streq(key, "START_MONOTONIC") && parse_u64(value, &number) >= 0)
                s->start_monotonic_usec = number;
        else if (streq(key, "START_REALTIME") && parse_u64(value, &number) >= 0)
                s->start_realtime_usec = number;
}

static StepRequest step_request(const Session *s) {
        return (StepRequest) {
                .context = s->manager->context,
                .boot_id = s->manager->boot_id,
                .session_boot_id = s->boot_id,
                .runtime_fd = s->manager->runtime_fd,
                .session_fd = s->dir_fd,
                .driver = s->options.driver,
                .load = s->options.load,
                .rebind = s->options.rebind,
                .force = s->options.force,
                .adopt = s->options.adopt,
                .caller_address = s->options.caller_address,
                .buffer_bytes = s->options.buffer_bytes,
                .n_expected = s->options.n_expected,
                .keep_oldest = s->options.keep_oldest,
                .text = streq_ptr(s->source, "text"),
                .stopping = s->state == SESSION_DRAINING,
                .stop_after_bytes = s->options.stop_after_bytes,
                .stop_after_events = s->options.n_stop_after_events,
                .stacks = s->options.stacks,
                .armed_usec = s->arm_monotonic_usec,
                .started_usec = s->start_realtime_usec,
                .devices = s->devices,
                .pci_driver = s->pci_driver,
                .pipes = s->pipes.pipes,
                .n_pipes = s->pipes.n_pipes,
                .counters = s->counters,
                .control_fd = -EBADF,
                .mark_fd = s->mark_fd,
                .sync_fd = s->sync_fd,
        };
}

static int start_step(Session *s, const char *name, int (*run)(FILE *out, void *arg), StepRequest *request,
        void (*line)(const char *key, const char *value, void *userdata),
        void (*done)(const Error *error, void *userdata), Worker **worker) {
        _cleanup_free_ int *keep = calloc(5 + 2 * s->pipes.n_pipes, sizeof(int));
        size_t n = 0;

        if (!keep)
                return -ENOMEM;
        keep[n++] = s->dir_fd;
        keep[n++] = s->manager->runtime_fd;
        if (request->control_fd >= 0)
                keep[n++] = request->control_fd;
        if (request->mark_fd >= 0)
                keep[n++] = request->mark_fd;
        if (request->sync_fd >= 0)
                keep[n++] = request->sync_fd;
        for (size_t i = 0; i < s->pipes.n_pipes; i++) {
                keep[n++] = s->pipes.pipes[i].read_fd;
                keep[n++] = s->pipes.pipes[i].write_fd;
        }
        return worker_start(s->manager->event,
                        &(WorkerSpec) {
                                .name = name,
                                .run = run,
                                .arg = request,
                                .keep_fds = keep,
                                .n_keep_fds = n,
                                /* The syncer, the tally and the watch of the next daemon begin anew; the others end their work. */
                                .dies_with_daemon = run == step_sync || run == step_tally || run == step_watch,
                                .line = line,
                                .done = done,
                                .userdata = s,
                        },
                        worker);
}

/* Whoever waits for Start hears of it once, whichever way the start went. */
static void tell_started(Session *s, const Error *error) {
        s->busy_loading = false;
        s->manager->hooks.started(s, error, s->manager->hooks.userdata);
}

/* An answer that the start has failed says as well that nothing is changed any more: so it has to wait for that. */
void session_fail_start(Session *s, const Error *error) {
        s->busy_loading = false;
        (void) error_set(&s->start_error, error->code, "%s", strempty(error->text));
}

static void on_restored(const Error *error, void *userdata) {
        Session *s = userdata;

        s->worker = worker_free(s->worker);
        takeovers_forget(s->manager->runtime_fd);
        if (error) {
                session_warn(s, strempty(error->text));
                session_set_result(s, RESULT_RESTORE_FAILED, error->text);
        }
        if (s->result == RESULT_NONE)
                s->result = RESULT_SUCCESS;
        if (s->start_error.code != ERROR_NONE)
                tell_started(s, &s->start_error);
        error_done(&s->start_error);
        session_seal(s);
        leftovers_retry(s->manager);
        s->manager->hooks.stopped(s, error, s->manager->hooks.userdata);
        if (s->options.adopt)
                leftovers_recovered(s->manager, s, error);
        manager_check_quit(s->manager);
}

void session_restore(Session *s) {
        StepRequest request = step_request(s);
        Error error = {};
        int r;

        session_set_state(s, SESSION_RESTORING);
        s->worker = worker_free(s->worker);
        r = start_step(s, "restore", step_restore, &request, on_step_line, on_restored, &s->worker);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot start the process that restores the machine");
                on_restored(&error, s);
                error_done(&error);
        }
}

static void on_post_mortem(const Error *error, void *userdata) {
        Session *s = userdata;

        s->worker = worker_free(s->worker);
        if (error)
                session_warn(s, strempty(error->text));
        session_seal(s);
}

void session_post_mortem(Session *s) {
        StepRequest request = step_request(s);
        Error error = {};
        int r;

        /* It has changed a machine that is no more. */
        manager_release_active(s->manager, s);
        r = start_step(s, "post-mortem", step_post_mortem, &request, on_step_line, on_post_mortem, &s->worker);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot start the process that looks for what is left of it");
                on_post_mortem(&error, s);
                error_done(&error);
        }
}

static int spawn_drain(Session *s);

/* Before the first thing that is written down. */
static void release_reserve(const Session *s) {
        _cleanup_close_ int raw_fd = openat(s->dir_fd, SESSION_RAW_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (raw_fd >= 0)
                (void) reserve_remove(raw_fd);
}

static SessionResult drain_result(ErrorCode code) {
        return code == ERROR_NOT_RUNNING ? RESULT_INTERRUPTED : code == ERROR_NO_SPACE ? RESULT_DISK_FULL : RESULT_DRAIN_FAILED;
}

/* The drain has ended: because it was told to, or because it could not go on. */
static void on_drained(const Error *error, void *userdata) {
        Session *s = userdata;
        bool arming = s->state == SESSION_ARMING;

        s->drain = worker_free(s->drain);
        if (error && error->code == ERROR_PROCESS_DIED && s->n_drain_deaths++ < WORKER_DEATHS_MAX && spawn_drain(s) >= 0) {
                session_log_failure(s, -EIO, error->text);
                return;
        }
        (void) session_update_counters(s);
        session_stop_watching_counters(s);
        s->syncer = worker_free(s->syncer);
        s->tally = worker_free(s->tally);
        s->watch = worker_free(s->watch);
        s->early_seal = worker_free(s->early_seal);
        s->space_short = false;
        s->symbols = worker_free(s->symbols);
        s->end_timer = sd_event_source_disable_unref(s->end_timer);
        s->stable_timer = sd_event_source_disable_unref(s->stable_timer);
        drain_pipes_close(&s->pipes, s->id);
        s->n_rate = s->ring_bytes = 0;
        s->marker_fd = safe_close(s->marker_fd);
        s->control_fd = safe_close(s->control_fd);
        s->mark_fd = safe_close(s->mark_fd);
        s->sync_fd = safe_close(s->sync_fd);
        s->stop_realtime_usec = now_realtime_usec();
        s->stop_monotonic_usec = now_monotonic_usec();
        if (error && s->stop_reason == STOP_NONE)
                s->stop_reason = STOP_FAILURE;
        if (error)
                session_set_result(s, drain_result(error->code), error->text);
        if (error && error->code != ERROR_NOT_RUNNING)
                s->cut_short = true;
        if (error && error->code == ERROR_NO_SPACE)
                release_reserve(s);
        if (arming || s->busy_loading)
                session_fail_start(s, error ?: &(Error) { ERROR_STATE, (char *) "The session was stopped before it had begun." });
        if (s->state == SESSION_CAPTURING)
                session_set_state(s, SESSION_DRAINING);
        session_restore(s);
}

static void on_bound(const Error *error, void *userdata) {
        Session *s = userdata;

        s->bind = worker_free(s->bind);
        session_load_done(s, error);
}

/* The driver goes to work once everything records. */
static void set_driver_to_work(Session *s) {
        StepRequest request = step_request(s);
        Error error = {};
        int r;

        if (!s->options.load && !s->options.rebind) {
                tell_started(s, NULL);
                return;
        }
        s->busy_loading = true;
        if (s->options.load)
                r = s->manager->hooks.load_module(s, s->module ?: s->options.driver, s->manager->hooks.userdata);
        else
                r = start_step(s, "bind", step_bind, &request, NULL, on_bound, &s->bind);
        if (r < 0) {
                (void) error_set_errno(&error, s->options.load ? ERROR_LOAD_FAILED : ERROR_BIND_FAILED, r,
                                "Cannot set the driver to work");
                session_load_done(s, &error);
                error_done(&error);
        }
}

static void on_bound_again(const Error *error, void *userdata) {
        Session *s = userdata;

        s->bind = worker_free(s->bind);
}

/* The daemon before may have died between taking the devices off their driver and giving them back. Where they are bound
 * the kernel refuses, and that is fine. */
static void bind_again(Session *s) {
        StepRequest request = step_request(s);
        int r;

        if (!s->options.rebind || !s->pci_driver)
                return;
        r = start_step(s, "bind", step_bind, &request, NULL, on_bound_again, &s->bind);
        if (r < 0)
                session_log_failure(s, r, "cannot bind the devices again");
}

static void on_looked(const Error *error, void *userdata) {
        Session *s = userdata;

        s->worker = worker_free(s->worker);
        s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
}

/* Which devices the driver has taken, now that it is there. Nobody waits for that. */
static void look_at_driver(Session *s) {
        StepRequest request = step_request(s);
        int r;

        r = start_step(s, "look", step_look, &request, on_step_line, on_looked, &s->worker);
        if (r < 0)
                session_log_failure(s, r, "cannot look at the driver");
}

static void on_worker_warning(const char *key, const char *value, void *userdata) {
        if (streq(key, "WARNING"))
                session_warn(userdata, value);
}

/* They are asked for again at the end, and what is wrong is told then. */
static void on_symbols_done(const Error *error, void *userdata) {
        Session *s = userdata;

        s->symbols = worker_free(s->symbols);
        if (s->busy_loading && s->state == SESSION_CAPTURING)
                tell_started(s, NULL);
}

/* The driver's symbols go with it when it is unloaded. Who has the answer to Start may do that: so they come first. */
static void save_symbols(Session *s) {
        StepRequest request = step_request(s);
        int r;

        r = start_step(s, "symbols", step_symbols, &request, on_worker_warning, on_symbols_done, &s->symbols);
        if (r < 0) {
                session_log_failure(s, r, "the driver's symbols are not saved before the end");
                tell_started(s, NULL);
        }
}

void session_load_done(Session *s, const Error *error) {
        Error ignored = {};

        if (!s->busy_loading || s->state != SESSION_CAPTURING)
                return;
        if (error) {
                session_set_result(s, s->options.load ? RESULT_LOAD_FAILED : RESULT_BIND_FAILED, error->text);
                session_fail_start(s, error);
                (void) session_stop(s, STOP_FAILURE, &ignored);
                error_done(&ignored);
                return;
        }
        if (s->options.stacks)
                save_symbols(s);
        else
                tell_started(s, NULL);
        look_at_driver(s);
}

void session_end_drain(Session *s) {
        static const char stop = DRAIN_STOP;

        /* Cannot fill: it is the only byte there ever is. A drain that died is told by its exit. */
        if (send(s->control_fd, &stop, 1, MSG_NOSIGNAL) < 0)
                worker_kill(s->drain, SIGKILL);
}

/* Everything records. */
static void begin_work(Session *s) {
        Error ignored = {};

        s->work_due = false;
        if (s->options.adopt) {
                (void) session_interrupt(s, ADOPTED, &ignored);
                error_done(&ignored);
        } else if (s->stop_wanted) {
                session_fail_start(s, &(Error) { ERROR_STATE, (char *) "The session was stopped before it had begun." });
                (void) session_stop(s, s->stop_reason, &ignored);
                error_done(&ignored);
        } else
                set_driver_to_work(s);
}

static int on_stable(sd_event_source *source, uint64_t usec, void *userdata) {
        Session *s = userdata;

        s->stable_timer = sd_event_source_disable_unref(s->stable_timer);
        takeovers_forget(s->manager->runtime_fd);
        return 0;
}

static void set_stable_timer(Session *s) {
        int r;

        if (s->stable_timer)
                return;
        r = sd_event_add_time_relative(s->manager->event, &s->stable_timer, CLOCK_MONOTONIC, TAKEOVERS_STABLE_USEC, 0, on_stable, s);
        if (r < 0)
                session_log_failure(s, r, "the bad ends of earlier daemons stay counted");
}

static void on_drain_line(const char *key, const char *value, void *userdata) {
        Session *s = userdata;

        if (streq(key, "WARNING")) {
                session_warn(s, value);
                return;
        }
        if (streq(key, "STOP")) {
                session_stop_by_drain(s, value);
                return;
        }
        if (!streq(key, "READY"))
                return;
        switch (s->state) {
        case SESSION_ARMING:
                s->start_monotonic_usec = now_monotonic_usec();
                s->start_realtime_usec = now_realtime_usec();
                session_set_state(s, SESSION_CAPTURING);
                session_set_end_timer(s);
                begin_work(s);
                break;
        case SESSION_CAPTURING:
                session_set_end_timer(s);
                if (s->work_due || s->options.adopt)
                        begin_work(s);
                else if (s->resumed)
                        bind_again(s);
                if (s->resumed)
                        set_stable_timer(s);
                s->resumed = false;
                break;
        case SESSION_DRAINING:
                /* Taken up from a daemon that died in the middle of stopping. */
                session_end_drain(s);
                break;
        default:
                break;
        }
}

static int spawn_syncer(Session *s);

static void on_syncer_done(const Error *error, void *userdata) {
        Session *s = userdata;

        s->syncer = worker_free(s->syncer);
        session_log_failure(s, -EIO, error ? strempty(error->text) : "the syncer has ended");
        if (s->n_syncer_deaths++ < WORKER_DEATHS_MAX && spawn_syncer(s) >= 0)
                return;
        session_warn(s, "What is captured is no longer brought to the disk at once: a crash of the machine would lose what it has "
                        "not written by itself.");
}

static int spawn_syncer(Session *s) {
        StepRequest request = step_request(s);

        return start_step(s, "sync", step_sync, &request, on_worker_warning, on_syncer_done, &s->syncer);
}

/* Without it, the counters of reads and writes stand still until the session is sealed: no reason to end it. */
static void on_tally_done(const Error *error, void *userdata) {
        Session *s = userdata;

        s->tally = worker_free(s->tally);
}

/* To whoever looks now, and on file: what the kernel has trouble with may be the end of the machine. */
static void on_watch_line(const char *key, const char *value, void *userdata) {
        Session *s = userdata;
        int r;

        if (!streq(key, "WARNING") || strv_contains(s->warnings, value))
                return;
        session_warn(s, value);
        log_send(LOG_WARNING, "MESSAGE=Session %u: %s", s->id, value, FIELD_SESSION "=%u", s->id);
        r = session_save(s, SAVE_LATER);
        if (r < 0)
                session_log_failure(s, r, "cannot write " SESSION_FILE);
        s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
}

/* The end of the session looks again. */
static void on_watch_done(const Error *error, void *userdata) {
        Session *s = userdata;

        s->watch = worker_free(s->watch);
        session_log_failure(s, -EIO, error ? strempty(error->text) : "the kernel's log is not followed any more");
}

static void watch_kernel_log(Session *s) {
        StepRequest request = step_request(s);
        int r;

        r = start_step(s, "kernel-watch", step_watch, &request, on_watch_line, on_watch_done, &s->watch);
        if (r < 0)
                session_log_failure(s, r, "the kernel's log is not followed");
}

/* The drain, or the next one after it was killed: everything that it had taken is in the pipes and the segments. */
static int spawn_drain(Session *s) {
        StepRequest request = step_request(s);
        int fds[2], r;

        s->control_fd = safe_close(s->control_fd);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        s->control_fd = fds[0];
        request.control_fd = fds[1];
        r = start_step(s, "drain", step_drain, &request, on_drain_line, on_drained, &s->drain);
        safe_close(fds[1]);
        return r;
}

static int start_drain(Session *s) {
        StepRequest request;
        int r;

        s->counters = mmap(NULL, sizeof(DrainCounters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (s->counters == MAP_FAILED) {
                s->counters = NULL;
                return -errno;
        }
        s->mark_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        s->sync_fd = eventfd(0, EFD_CLOEXEC);
        if (s->mark_fd < 0 || s->sync_fd < 0)
                return -errno;
        r = drain_pipes_open(&s->manager->fd_store, s->id, strempty(s->online), &s->pipes);
        if (r >= 0)
                r = spawn_syncer(s);
        if (r >= 0)
                r = spawn_drain(s);
        if (r < 0)
                return r;
        request = step_request(s);
        r = start_step(s, "tally", step_tally, &request, on_worker_warning, on_tally_done, &s->tally);
        if (r < 0)
                session_log_failure(s, r, "reads and writes are not counted while it runs");
        watch_kernel_log(s);
        session_watch_space(s);
        return 0;
}

static int open_marker(Session *s, Error *error) {
        _cleanup_free_ char *dir = NULL, *path = NULL;
        int r;

        r = tracer_find_dir(s->manager->context, &dir, error);
        if (r < 0)
                return r;
        if (asprintf(&path, "%s/trace_marker", dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        s->marker_fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return s->marker_fd < 0 ? -errno : 0;
}

void session_begin_draining(Session *s) {
        _cleanup_error_ Error error = {};
        int r;

        r = open_marker(s, &error);
        if (r >= 0)
                r = start_drain(s);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_KERNEL, r, "Cannot start draining the ring buffer");
                on_drained(&error, s);
        }
}

/* Nothing was captured, and the machine is as it was (error NULL): nothing is left but the folder. */
static void on_arming_undone(const Error *error, void *userdata) {
        _cleanup_error_ Error told = {};
        Session *s = userdata;
        Manager *m = s->manager;

        s->worker = worker_free(s->worker);
        session_set_result(s, RESULT_ARM_FAILED, s->start_error.text);
        if (s->announced)
                session_set_state(s, SESSION_FAILED);
        manager_release_active(m, s);
        (void) error_set(&told, s->start_error.code, "%s%s%s", strempty(s->start_error.text),
                        error ? " Not all is as before yet, and is tried again: " : "", error ? strempty(error->text) : "");
        leftovers_retry(m);
        tell_started(s, &told);
        /* Whoever wanted it stopped meanwhile has what was wanted. */
        m->hooks.stopped(s, error, m->hooks.userdata);
        if (s->options.adopt)
                leftovers_recovered(m, NULL, told.code == ERROR_NOT_RUNNING && !error ? NULL : &told);
        /* Of one at boot nobody has been told: so it stays. */
        if (s->options.at_boot)
                manager_forget_boot(m);
        else
                manager_drop_session(m, s);
        manager_check_quit(m);
}

/* Start is answered when nothing is changed any more, also where the worker was killed. */
static void undo_arming(Session *s) {
        StepRequest request = step_request(s);

        s->worker = worker_free(s->worker);
        /* There is nothing to be described of a session that never began. */
        request.session_fd = -EBADF;
        if (!undo_exists(s->manager->runtime_fd)) {
                on_arming_undone(NULL, s);
                return;
        }
        session_set_state(s, SESSION_RESTORING);
        if (start_step(s, "restore", step_restore, &request, on_step_line, on_arming_undone, &s->worker) < 0)
                on_arming_undone(&(Error) { ERROR_FAILED,
                                (char *) "The process that restores the machine cannot be started; trying again." }, s);
}

static void on_armed(const Error *error, void *userdata) {
        Session *s = userdata;

        s->worker = worker_free(s->worker);
        if (!error) {
                /* The kernel has recorded all the time, and the session is on file here from now on, too. */
                if (s->options.at_boot) {
                        session_set_state(s, SESSION_CAPTURING);
                        manager_forget_boot(s->manager);
                }
                session_begin_draining(s);
                return;
        }
        session_fail_start(s, error);
        undo_arming(s);
}

static void on_room_made(const Error *error, void *userdata) {
        _cleanup_free_ char *removable = NULL;
        _cleanup_error_ Error failed = {};
        Session *s = userdata;
        StepRequest request = step_request(s);
        int r;

        /* One that records already goes on with what room there is. */
        if (error && (s->options.at_boot || s->options.adopt))
                session_log_failure(s, -error_to_errno(error->code), strempty(error->text));
        else if (error) {
                on_armed(error, s);
                return;
        }
        r = vacuum_list_removable(s->manager, &removable);
        request.removable = removable;
        if (r >= 0)
                r = s->options.at_boot ? start_step(s, "take-up", step_take_up, &request, on_step_line, on_armed, &s->worker)
                                       : start_step(s, "arm", s->options.adopt ? step_adopt : step_arm, &request, on_step_line,
                                                       on_armed, &s->worker);
        if (r < 0) {
                (void) error_set_errno(&failed, ERROR_FAILED, r, "Cannot start the process that arms the tracer");
                on_armed(&failed, s);
        }
}

/* First there has to be room for it. */
int session_start(Session *s, Error *error) {
        uint64_t raw_bytes = ring_size_of_events(s->options.n_expected, s->options.stacks);
        int r;

        s->work_due = true;
        takeovers_forget(s->manager->runtime_fd);
        /* It is armed already. */
        if (s->options.at_boot) {
                session_set_state(s, SESSION_ARMING);
                manager_announce_session(s->manager, s);
        }
        r = vacuum_begin(s->manager, MAX(START_ROOM_BYTES, storage_whole_bytes(raw_bytes, s->options.keep_raw)), on_room_made, s);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot start the process that looks at the disk");
        return 0;
}
