/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

#include "manager.h"
#include "names.h"
#include "session.h"
#include "steps.h"
#include "tracer.h"

#define MARKS_MAX 10000
/* Killed by whom? By the kernel for want of memory, or by a person: not again and again. */
#define DRAIN_DEATHS_MAX 16

void session_options_done(SessionOptions *o) {
        free(o->driver);
        free(o->description);
        free(o->caller_address);
        *o = (SessionOptions) {};
}

static void log_state(const Session *s, const char *message_id, int priority) {
        (void) sd_journal_send(
                        "MESSAGE=Session %u is %s%s%s", s->id, session_state_to_string(s->state),
                        isempty(s->result_text) ? "" : ": ", strempty(s->result_text),
                        "PRIORITY=%i", priority,
                        "MESSAGE_ID=%s", message_id,
                        FIELD_SESSION "=%u", s->id,
                        FIELD_STATE "=%s", session_state_to_string(s->state),
                        FIELD_DRIVER "=%s", strempty(s->options.driver),
                        FIELD_CALLER_UID "=%u", s->owner_uid,
                        FIELD_ARCHIVE "=%s", strempty(s->archive),
                        NULL);
}

static void log_failure(const Session *s, int r, const char *what) {
        (void) sd_journal_send("MESSAGE=Session %u: %s: %s", s->id, what, strerrordesc_np(-r), "PRIORITY=3",
                        "ERRNO=%i", -r, FIELD_SESSION "=%u", s->id, NULL);
}

/* The one place where a session's state changes: it is on disk before anybody hears of it. */
static void session_set_state(Session *s, SessionState state) {
        int r;

        if (!session_state_may_follow(s->state, state)) {
                (void) sd_journal_print(LOG_CRIT, "Session %u cannot become %s after %s", s->id,
                                session_state_to_string(state), session_state_to_string(s->state));
                return;
        }
        s->state = state;
        r = session_save(s, true);
        if (r < 0)
                log_failure(s, r, "cannot write " SESSION_FILE);
        switch (state) {
        case SESSION_CAPTURING:
                log_state(s, MESSAGE_SESSION_STARTED, 5);
                break;
        case SESSION_SEALING:
                log_state(s, MESSAGE_SESSION_STOPPED, 5);
                break;
        case SESSION_SEALED:
                log_state(s, MESSAGE_SESSION_SEALED, 5);
                break;
        case SESSION_FAILED:
                log_state(s, MESSAGE_SESSION_FAILED, 3);
                break;
        default:
                break;
        }
        s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
        manager_check_quit(s->manager);
}

/* The first thing that went wrong is what the session is remembered by. */
static void session_set_result(Session *s, SessionResult result, const char *text) {
        if (s->result != RESULT_NONE && s->result != RESULT_SUCCESS)
                return;
        s->result = result;
        free(s->result_text);
        s->result_text = isempty(text) ? NULL : strdup(text);
}

static void session_warn(Session *s, const char *text) {
        if (!strv_contains(s->warnings, text) && strv_extend(&s->warnings, text) < 0)
                log_failure(s, -ENOMEM, "a warning was dropped");
}

static int make_folders(Session *s) {
        static const char *const folders[] = {
                SESSION_RAW_DIR, SESSION_FORMATS_DIR, SESSION_LOG_DIR, SESSION_METADATA_DIR,
        };
        char name[16];

        (void) snprintf(name, sizeof name, "%u", s->id);
        if (mkdirat(s->manager->sessions_fd, name, 0700) < 0)
                return -errno;
        s->dir_fd = openat(s->manager->sessions_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (s->dir_fd < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTS(folders); i++)
                if (mkdirat(s->dir_fd, folders[i], 0700) < 0)
                        return -errno;
        return 0;
}

int session_new(Manager *m, const SessionOptions *o, uid_t owner_uid, Session **ret, Error *error) {
        _cleanup_(session_freep) Session *s = NULL;
        int r;

        s = calloc(1, sizeof(Session));
        if (!s)
                return -ENOMEM;
        *s = (Session) {
                .owner_uid = owner_uid,
                .dir_fd = -EBADF,
                .marker_fd = -EBADF,
                .control_fd = -EBADF,
                .start_realtime_usec = now_realtime_usec(),
                .options = {
                        .load = o->load,
                        .rebind = o->rebind,
                        .buffer_bytes = o->buffer_bytes,
                        .n_expected = o->n_expected,
                        .keep_oldest = o->keep_oldest,
                        .stacks = o->stacks,
                        .keep_raw = o->keep_raw || o->stacks,
                },
        };
        s->boot_id = strdup(m->boot_id);
        if (!s->boot_id || (o->driver && !(s->options.driver = strdup(o->driver))) ||
            (o->description && !(s->options.description = strdup(o->description))) ||
            (o->caller_address && !(s->options.caller_address = strdup(o->caller_address))))
                return -ENOMEM;
        r = manager_next_session_id(m, &s->id);
        if (r >= 0)
                r = manager_add_session(m, s);
        if (r >= 0)
                r = make_folders(s);
        if (r >= 0)
                r = session_save(s, true);
        if (r < 0) {
                (void) error_set_errno(error, ERROR_NO_SPACE, r, "Cannot make the session's folder in /var/lib/mmiotraced");
                if (s->id > 0)
                        manager_drop_session(m, TAKE_PTR(s));
                return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

static void stop_watching_counters(Session *s) {
        if (s->counters)
                (void) munmap(s->counters, sizeof(DrainCounters));
        s->counters = NULL;
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;
        manager_unlink_session(s->manager, s);
        worker_free(s->worker);
        worker_free(s->drain);
        worker_free(s->tally);
        worker_free(s->bind);
        worker_free(s->symbols);
        job_free(s->job);
        stop_watching_counters(s);
        drain_pipes_done(&s->pipes);
        safe_close(s->marker_fd);
        safe_close(s->control_fd);
        safe_close(s->dir_fd);
        error_done(&s->start_error);
        free(s->boot_id);
        session_options_done(&s->options);
        for (size_t i = 0; i < s->n_marks; i++)
                free(s->marks[i].text);
        free(s->marks);
        free(s->result_text);
        free(s->module);
        free(s->driver_version);
        free(s->pci_driver);
        strv_free(s->devices);
        strv_free(s->warnings);
        free(s->source);
        free(s->online);
        free(s->offline);
        free(s->archive);
        free(s->archive_name);
        free(s);
        return NULL;
}

static bool take_counters(Session *s, DrainCounters *c) {
        const struct {
                _Atomic uint64_t *counter;
                uint64_t *field;
        } counters[] = {
                { &c->n_events, &s->n_events },
                { &c->n_lost, &s->n_lost },
                { &c->n_raw_bytes, &s->raw_bytes },
                { &c->n_ring_bytes, &s->ring_bytes },
                { &c->n_rate, &s->n_rate },
                { &c->n_reads, &s->n_reads },
                { &c->n_writes, &s->n_writes },
                { &c->n_unknown, &s->n_unknown },
                { &c->n_maps, &s->n_maps },
        };
        bool changed = false;

        for (size_t i = 0; i < ELEMENTS(counters); i++) {
                uint64_t now = atomic_load(counters[i].counter);

                changed |= now != *counters[i].field;
                *counters[i].field = now;
        }
        return changed;
}

bool session_update_counters(Session *s) {
        return s->counters && take_counters(s, s->counters);
}

static void replace(char **p, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return;
        free(*p);
        *p = copy;
}

static void on_step_line(const char *key, const char *value, void *userdata) {
        Session *s = userdata;
        uint64_t number;

        if (streq(key, "STATE") && streq(value, "arming")) {
                session_set_state(s, SESSION_ARMING);
                manager_announce_session(s->manager, s);
        } else if (streq(key, "SOURCE"))
                replace(&s->source, value);
        else if (streq(key, "MODULE"))
                replace(&s->module, value);
        else if (streq(key, "VERSION"))
                replace(&s->driver_version, value);
        else if (streq(key, "PCI_DRIVER"))
                replace(&s->pci_driver, value);
        else if (streq(key, "DEVICE")) {
                if (!strv_contains(s->devices, value))
                        (void) strv_extend(&s->devices, value);
        } else if (streq(key, "ONLINE"))
                replace(&s->online, value);
        else if (streq(key, "OFFLINE"))
                replace(&s->offline, value);
        else if (streq(key, "ARCHIVE_NAME"))
                replace(&s->archive_name, value);
        else if (streq(key, "WARNING"))
                session_warn(s, value);
        else if (streq(key, "CPU") && parse_u64(value, &number) >= 0)
                s->cpu = (unsigned) number;
        else if (streq(key, "BUFFER") && parse_u64(value, &number) >= 0)
                s->buffer_bytes = number;
}

static StepRequest step_request(const Session *s) {
        return (StepRequest) {
                .context = s->manager->context,
                .boot_id = s->manager->boot_id,
                .runtime_fd = s->manager->runtime_fd,
                .session_fd = s->dir_fd,
                .driver = s->options.driver,
                .load = s->options.load,
                .rebind = s->options.rebind,
                .caller_address = s->options.caller_address,
                .buffer_bytes = s->options.buffer_bytes,
                .n_expected = s->options.n_expected,
                .keep_oldest = s->options.keep_oldest,
                .text = streq_ptr(s->source, "text"),
                .stopping = s->state == SESSION_DRAINING,
                .stacks = s->options.stacks,
                .started_usec = s->start_realtime_usec,
                .devices = s->devices,
                .pci_driver = s->pci_driver,
                .pipes = s->pipes.pipes,
                .n_pipes = s->pipes.n_pipes,
                .counters = s->counters,
                .control_fd = -EBADF,
        };
}

static int start_step(Session *s, const char *name, int (*run)(FILE *out, void *arg), StepRequest *request,
        void (*line)(const char *key, const char *value, void *userdata),
        void (*done)(const Error *error, void *userdata), Worker **worker) {
        _cleanup_free_ int *keep = calloc(3 + 2 * s->pipes.n_pipes, sizeof(int));
        size_t n = 0;

        if (!keep)
                return -ENOMEM;
        keep[n++] = s->dir_fd;
        keep[n++] = s->manager->runtime_fd;
        if (request->control_fd >= 0)
                keep[n++] = request->control_fd;
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
static void fail_start(Session *s, const Error *error) {
        s->busy_loading = false;
        (void) error_set(&s->start_error, error->code, "%s", strempty(error->text));
}

static void seal(Session *s) {
        Error error = {};
        int r;

        manager_release_active(s->manager, s);
        if (s->state != SESSION_SEALING)
                session_set_state(s, SESSION_SEALING);
        r = job_seal(s, &s->job);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot start the program that seals sessions");
                session_seal_done(s, &error);
                error_done(&error);
                return;
        }
        s->manager->hooks.job_added(s->job, s->manager->hooks.userdata);
}

static void on_restored(const Error *error, void *userdata) {
        Session *s = userdata;

        s->worker = worker_free(s->worker);
        if (error) {
                session_warn(s, strempty(error->text));
                session_set_result(s, RESULT_RESTORE_FAILED, error->text);
        }
        if (s->result == RESULT_NONE)
                s->result = RESULT_SUCCESS;
        if (s->start_error.code != ERROR_NONE)
                tell_started(s, &s->start_error);
        error_done(&s->start_error);
        seal(s);
        if (error)
                manager_restore_leftovers(s->manager);
        s->manager->hooks.stopped(s, error, s->manager->hooks.userdata);
        manager_check_quit(s->manager);
}

static void restore(Session *s) {
        StepRequest request = step_request(s);
        Error error = {};
        int r;

        session_set_state(s, SESSION_RESTORING);
        s->worker = worker_free(s->worker);
        /* What a session knows of the machine is from its own boot, and stays. */
        if (!streq_ptr(s->boot_id, s->manager->boot_id))
                request.session_fd = -EBADF;
        r = start_step(s, "restore", step_restore, &request, on_step_line, on_restored, &s->worker);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot start the process that restores the machine");
                on_restored(&error, s);
                error_done(&error);
        }
}

static int spawn_drain(Session *s);

/* The drain has ended: because it was told to, or because it could not go on. */
static void on_drained(const Error *error, void *userdata) {
        Session *s = userdata;
        bool arming = s->state == SESSION_ARMING;

        s->drain = worker_free(s->drain);
        if (error && error->code == ERROR_PROCESS_DIED && s->n_drain_deaths++ < DRAIN_DEATHS_MAX && spawn_drain(s) >= 0) {
                log_failure(s, -EIO, error->text);
                return;
        }
        (void) session_update_counters(s);
        stop_watching_counters(s);
        s->tally = worker_free(s->tally);
        s->symbols = worker_free(s->symbols);
        drain_pipes_close(&s->pipes, s->id);
        s->n_rate = s->ring_bytes = 0;
        s->marker_fd = safe_close(s->marker_fd);
        s->control_fd = safe_close(s->control_fd);
        s->stop_realtime_usec = now_realtime_usec();
        s->stop_monotonic_usec = now_monotonic_usec();
        if (error)
                session_set_result(s, error->code == ERROR_NOT_RUNNING ? RESULT_INTERRUPTED : RESULT_DRAIN_FAILED, error->text);
        if (arming || s->busy_loading)
                fail_start(s, error ?: &(Error) { ERROR_STATE, (char *) "The session was stopped before it had begun." });
        if (s->state == SESSION_CAPTURING)
                session_set_state(s, SESSION_DRAINING);
        restore(s);
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
                log_failure(s, r, "cannot bind the devices again");
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
                log_failure(s, r, "cannot look at the driver");
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
                log_failure(s, r, "the driver's symbols are not saved before the end");
                tell_started(s, NULL);
        }
}

void session_load_done(Session *s, const Error *error) {
        Error ignored = {};

        if (!s->busy_loading || s->state != SESSION_CAPTURING)
                return;
        if (error) {
                session_set_result(s, s->options.load ? RESULT_LOAD_FAILED : RESULT_BIND_FAILED, error->text);
                fail_start(s, error);
                (void) session_stop(s, &ignored);
                error_done(&ignored);
                return;
        }
        if (s->options.stacks)
                save_symbols(s);
        else
                tell_started(s, NULL);
        look_at_driver(s);
}

static void tell_drain_to_stop(Session *s) {
        static const char stop = DRAIN_STOP;

        /* Cannot fill: it is the only byte there ever is. A drain that died is told by its exit. */
        if (send(s->control_fd, &stop, 1, MSG_NOSIGNAL) < 0)
                worker_kill(s->drain, SIGKILL);
}

static void on_drain_line(const char *key, const char *value, void *userdata) {
        Session *s = userdata;
        Error ignored = {};

        if (streq(key, "WARNING")) {
                session_warn(s, value);
                return;
        }
        if (!streq(key, "READY"))
                return;
        switch (s->state) {
        case SESSION_ARMING:
                s->start_monotonic_usec = now_monotonic_usec();
                s->start_realtime_usec = now_realtime_usec();
                session_set_state(s, SESSION_CAPTURING);
                if (s->stop_wanted) {
                        fail_start(s, &(Error) { ERROR_STATE, (char *) "The session was stopped before it had begun." });
                        (void) session_stop(s, &ignored);
                } else
                        set_driver_to_work(s);
                break;
        case SESSION_CAPTURING:
                if (s->resumed)
                        bind_again(s);
                s->resumed = false;
                break;
        case SESSION_DRAINING:
                /* Taken up from a daemon that died in the middle of stopping. */
                tell_drain_to_stop(s);
                break;
        default:
                break;
        }
        error_done(&ignored);
}

/* Without it, the counters of reads and writes stand still until the session is sealed: no reason to end it. */
static void on_tally_done(const Error *error, void *userdata) {
        Session *s = userdata;

        s->tally = worker_free(s->tally);
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
        r = drain_pipes_open(&s->manager->fd_store, s->id, strempty(s->online), &s->pipes);
        if (r >= 0)
                r = spawn_drain(s);
        if (r < 0)
                return r;
        request = step_request(s);
        r = start_step(s, "tally", step_tally, &request, on_worker_warning, on_tally_done, &s->tally);
        if (r < 0)
                log_failure(s, r, "reads and writes are not counted while it runs");
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

static void begin_draining(Session *s) {
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

static void on_armed(const Error *error, void *userdata) {
        Session *s = userdata;
        Manager *m = s->manager;

        s->worker = worker_free(s->worker);
        if (!error) {
                begin_draining(s);
                return;
        }
        /* The worker has undone what it did: nothing is left but the folder. */
        session_set_result(s, RESULT_DRAIN_FAILED, error->text);
        if (s->announced)
                session_set_state(s, SESSION_FAILED);
        manager_release_active(m, s);
        /* A worker that was killed, or could not undo all, has left its journal. */
        manager_restore_leftovers(m);
        tell_started(s, error);
        /* Whoever wanted it stopped meanwhile has what was wanted. */
        m->hooks.stopped(s, NULL, m->hooks.userdata);
        manager_drop_session(m, s);
        manager_check_quit(m);
}

int session_start(Session *s, Error *error) {
        StepRequest request = step_request(s);
        int r;

        r = start_step(s, "arm", step_arm, &request, on_step_line, on_armed, &s->worker);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot start the process that arms the tracer");
        return 0;
}

int session_stop(Session *s, Error *error) {
        switch (s->state) {
        case SESSION_CHECKING:
        case SESSION_ARMING:
                s->stop_wanted = true;
                return 0;
        case SESSION_CAPTURING:
                session_set_state(s, SESSION_DRAINING);
                if (s->busy_loading)
                        fail_start(s, &(Error) { ERROR_STATE,
                                        (char *) "The session was stopped while the driver was being loaded." });
                tell_drain_to_stop(s);
                return 0;
        case SESSION_DRAINING:
        case SESSION_RESTORING:
                return 0;
        default:
                return error_set(error, ERROR_NOT_RUNNING, "Session %u is not running; it is %s.", s->id,
                                session_state_to_string(s->state));
        }
}

int session_mark(Session *s, const char *text, uint64_t caller_usec, uint64_t *ret_usec, Error *error) {
        _cleanup_free_ char *line = NULL, *copy = NULL;
        SessionMark *grown;
        uint64_t usec;
        ssize_t n;
        int r, l;

        if (s->state != SESSION_CAPTURING)
                return error_set(error, ERROR_NOT_RUNNING, "Session %u takes no marks; it is %s.", s->id,
                                session_state_to_string(s->state));
        /* A newline in it would make the kernel print records that never were (kernel/trace/trace.c,
         * tracing_mark_write() keeps it): so it is refused, with everything else that is not plain text. */
        if (isempty(text) || strlen(text) > MARK_MAX_BYTES || !text_is_clean(text, false))
                return error_set(error, ERROR_MARK_INVALID,
                                "A mark is one line of 1 to %d bytes of text without control characters; this one has %s.",
                                MARK_MAX_BYTES,
                                isempty(text) ? "none" :
                                strlen(text) > MARK_MAX_BYTES ? "more" : "characters that are not allowed");
        if (s->n_marks >= MARKS_MAX)
                return error_set(error, ERROR_MARK_REFUSED, "The session has %d marks already, which is the limit.", MARKS_MAX);
        copy = strdup(text);
        l = asprintf(&line, "%s\n", text);
        if (l < 0)
                line = NULL;
        grown = reallocarray(s->marks, s->n_marks + 1, sizeof(SessionMark));
        if (grown)
                s->marks = grown;
        if (!copy || !line || !grown)
                return -ENOMEM;

        usec = now_monotonic_usec();
        n = write(s->marker_fd, line, (size_t) l);
        r = n < 0 ? -errno : 0;
        if (r == -EBADF)
                return error_set(error, ERROR_MARK_REFUSED,
                                "The ring buffer takes no marks: somebody has switched the recording off "
                                "(/sys/kernel/tracing/tracing_on), or it is full.");
        if (r == -EINVAL)
                return error_set(error, ERROR_MARK_REFUSED,
                                "The ring buffer takes no marks, because the trace option \"markers\" is off; "
                                "\"echo 1 > /sys/kernel/tracing/options/markers\" switches it on.");
        if (r < 0 || n != l)
                return error_set_errno(error, ERROR_KERNEL, r < 0 ? r : -EIO, "The kernel did not take the mark");

        s->marks[s->n_marks++] = (SessionMark) { now_realtime_usec(), usec, caller_usec, TAKE_PTR(copy) };
        /* Whoever marks wants an answer at once, and the mark itself is in the trace. */
        r = session_save(s, false);
        if (r < 0)
                log_failure(s, r, "cannot write " SESSION_FILE);
        *ret_usec = usec;
        return 0;
}

void session_seal_done(Session *s, const Error *error) {
        if (error) {
                session_warn(s, strempty(error->text));
                session_set_result(s, RESULT_SEAL_FAILED, error->text);
        } else if (s->archive_name) {
                replace(&s->archive, s->archive_name);
                s->raw_bytes = 0;
        }
        if (s->n_lost > 0)
                (void) sd_journal_send("MESSAGE=Session %u lost %llu events", s->id, (unsigned long long) s->n_lost, "PRIORITY=4",
                                "MESSAGE_ID=" MESSAGE_EVENTS_LOST, FIELD_SESSION "=%u", s->id, NULL);
        session_set_state(s, !error && (s->result == RESULT_SUCCESS || s->result == RESULT_INTERRUPTED) ? SESSION_SEALED : SESSION_FAILED);
}

void session_resume(Session *s) {
        if (session_is_over(s))
                return;
        if (s->state == SESSION_SEALING) {
                seal(s);
                return;
        }
        /* The kernel still records for it, and what was on its way is in the pipes: nothing was lost with the daemon. */
        if (s == s->manager->active && (s->state == SESSION_CAPTURING || s->state == SESSION_DRAINING) &&
            streq_ptr(s->boot_id, s->manager->boot_id)) {
                s->resumed = true;
                /* But for text there is nowhere else to be on the way than in the process that read it. */
                if (streq_ptr(s->source, "text"))
                        session_warn(s, "The daemon ended during the session and was started again. What it had read as text and "
                                        "not yet written then is lost, at most a few hundred events; where there were any, the log "
                                        "has a gap with their count.");
                begin_draining(s);
                return;
        }
        session_set_result(s, RESULT_INTERRUPTED, "The daemon or the machine went down during the session.");
        session_set_state(s, SESSION_INTERRUPTED);
        /* The journal is of the one that is active, if there is one. */
        if (s == s->manager->active)
                restore(s);
        else
                seal(s);
}

int session_open_archive(Session *s, int *ret_fd, Error *error) {
        int fd;

        if (isempty(s->archive))
                return error_set(error, ERROR_NO_ARCHIVE, "Session %u has no archive; it is %s.", s->id,
                                session_state_to_string(s->state));
        fd = openat(s->dir_fd, SESSION_ARCHIVE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(error, ERROR_NO_ARCHIVE, -errno, "The archive of session %u cannot be opened", s->id);
        *ret_fd = fd;
        return 0;
}
