/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>

#include "log.h"
#include "manager.h"
#include "names.h"
#include "session-capture.h"
#include "session.h"
#include "submission.h"
#include "takeovers.h"

#define MARKS_MAX 10000
/* Of more than these, no more often than this: all are written each time, and a flood would keep the loop busy. */
#define MARKS_SAVED_AT_ONCE 256
#define MARKS_SAVE_USEC USEC_PER_SEC

static void log_state(const Session *s, const char *message_id, int priority) {
        _cleanup_free_ char *text = NULL;

        (void) session_shown_result_text(s, &text);
        log_send(priority, "MESSAGE=Session %u is %s%s%s", s->id, session_state_to_string(s->state),
                        isempty(text) ? "" : ": ", strempty(text),
                        "MESSAGE_ID=%s", message_id,
                        FIELD_SESSION "=%u", s->id,
                        FIELD_STATE "=%s", session_state_to_string(s->state),
                        FIELD_DRIVER "=%s", strempty(s->options.driver),
                        FIELD_CALLER_UID "=%u", s->owner_uid,
                        FIELD_ARCHIVE "=%s", strempty(s->archive));
}

void session_log_failure(const Session *s, int r, const char *what) {
        log_send(LOG_ERR, "MESSAGE=Session %u: %s: %s", s->id, what, strerrordesc_np(-r),
                        "ERRNO=%i", -r, FIELD_SESSION "=%u", s->id);
}

/* The one place where a session's state changes: it is on file before anybody hears of it, for the daemon after this
 * one. The disk has it soon: after a power cut a session that was not over is an interrupted one, in whichever state. */
void session_set_state(Session *s, SessionState state) {
        SessionState before = s->state;
        int r;

        if (!session_state_may_follow(s->state, state)) {
                log_send(LOG_CRIT, "MESSAGE=Session %u cannot become %s after %s", s->id,
                                session_state_to_string(state), session_state_to_string(s->state));
                return;
        }
        s->state = state;
        r = session_save(s, SAVE_SOON);
        if (r < 0)
                session_log_failure(s, r, "cannot write " SESSION_FILE);
        switch (state) {
        case SESSION_CAPTURING:
                log_state(s, MESSAGE_SESSION_STARTED, 5);
                break;
        case SESSION_SEALING:
                if (before != SESSION_FAILED)
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
void session_set_result(Session *s, SessionResult result, const char *text) {
        if (s->result != RESULT_NONE && s->result != RESULT_SUCCESS)
                return;
        s->result = result;
        free(s->result_text);
        s->result_text = isempty(text) ? NULL : strdup(text);
}

void session_warn(Session *s, const char *text) {
        if (!strv_contains(s->warnings, text) && strv_extend(&s->warnings, text) < 0)
                session_log_failure(s, -ENOMEM, "a warning was dropped");
}

int session_make_folder(int parent_fd, const char *name, int *ret) {
        static const char *const folders[] = {
                SESSION_RAW_DIR, SESSION_FORMATS_DIR, SESSION_LOG_DIR, SESSION_METADATA_DIR,
        };
        _cleanup_close_ int fd = -EBADF;

        if (mkdirat(parent_fd, name, 0700) < 0)
                return -errno;
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTS(folders); i++)
                if (mkdirat(fd, folders[i], 0700) < 0)
                        return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

int session_new(Manager *m, const SessionOptions *o, uid_t owner_uid, Session **ret, Error *error) {
        _cleanup_(session_freep) Session *s = NULL;
        char name[16];
        int r;

        s = calloc(1, sizeof(Session));
        if (!s)
                return -ENOMEM;
        *s = (Session) {
                .owner_uid = owner_uid,
                .dir_fd = -EBADF,
                .marker_fd = -EBADF,
                .control_fd = -EBADF,
                .mark_fd = -EBADF,
                .sync_fd = -EBADF,
                .arm_monotonic_usec = now_monotonic_usec(),
                .start_realtime_usec = now_realtime_usec(),
        };
        s->boot_id = strdup(m->boot_id);
        if (!s->boot_id)
                return -ENOMEM;
        r = session_options_copy(o, &s->options);
        if (r < 0)
                return r;
        r = manager_next_session_id(m, &s->id);
        if (r >= 0)
                r = manager_add_session(m, s);
        if (r >= 0) {
                (void) snprintf(name, sizeof name, "%u", s->id);
                r = session_make_folder(m->sessions_fd, name, &s->dir_fd);
        }
        if (r >= 0)
                r = session_save(s, SAVE_SOON);
        if (r < 0) {
                if (errno_is_no_space(r))
                        (void) error_set(error, ERROR_NO_SPACE, "The disk is full, so a session cannot begin; make room in "
                                        "/var/lib/mmiotraced, also by \"mmiotracectl remove ID\".");
                (void) error_set_errno(error, ERROR_NO_SPACE, r, "Cannot make the session's folder in /var/lib/mmiotraced");
                if (s->id > 0)
                        manager_drop_session(m, TAKE_PTR(s));
                return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

void session_stop_watching_counters(Session *s) {
        if (s->counters)
                (void) munmap(s->counters, sizeof(DrainCounters));
        s->counters = NULL;
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;
        manager_unlink_session(s->manager, s);
        sd_event_source_disable_unref(s->end_timer);
        sd_event_source_disable_unref(s->stable_timer);
        if (s->marks_timer)
                (void) session_save(s, SAVE_LATER);
        sd_event_source_disable_unref(s->marks_timer);
        worker_free(s->worker);
        worker_free(s->drain);
        worker_free(s->syncer);
        worker_free(s->tally);
        worker_free(s->watch);
        worker_free(s->early_seal);
        worker_free(s->saver);
        worker_free(s->bind);
        worker_free(s->symbols);
        job_free(s->job);
        submission_free(s->submission);
        receipts_free(s->receipts, s->n_receipts);
        free(s->submit_error);
        session_stop_watching_counters(s);
        drain_pipes_done(&s->pipes);
        safe_close(s->marker_fd);
        safe_close(s->control_fd);
        safe_close(s->mark_fd);
        safe_close(s->sync_fd);
        safe_close(s->dir_fd);
        error_done(&s->start_error);
        error_done(&s->seal_error);
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
        free(s->trace_clock);
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
                { &c->n_recorded, &s->n_recorded },
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

void session_replace(char **p, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return;
        free(*p);
        *p = copy;
}

static int on_marks_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Session *s = userdata;
        int r;

        s->marks_timer = sd_event_source_disable_unref(s->marks_timer);
        r = session_save(s, SAVE_LATER);
        if (r < 0)
                session_log_failure(s, r, "cannot write " SESSION_FILE);
        return 0;
}

static int save_marks(Session *s) {
        if (s->n_marks <= MARKS_SAVED_AT_ONCE)
                return session_save(s, SAVE_LATER);
        return s->marks_timer ? 0 : sd_event_add_time_relative(s->manager->event, &s->marks_timer, CLOCK_MONOTONIC, MARKS_SAVE_USEC,
                                                    0, on_marks_timer, s);
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

        /* What was before it goes to the disk at once: whatever is done next may be the end of the machine. */
        (void) eventfd_write(s->mark_fd, 1);
        s->marks[s->n_marks++] = (SessionMark) { now_realtime_usec(), usec, caller_usec, TAKE_PTR(copy) };
        /* Whoever marks wants an answer at once, and the mark itself is in the trace. */
        r = save_marks(s);
        if (r < 0)
                session_log_failure(s, r, "cannot write " SESSION_FILE);
        *ret_usec = usec;
        session_stop_at_mark(s, text);
        return 0;
}

/* One that cannot be made anew now is the old one, and the next daemon tries again. */
void session_renew_archive_or_log(Session *s) {
        _cleanup_error_ Error error = {};

        if (session_renew_archive(s, &error) < 0)
                session_log_failure(s, -error_to_errno(error.code), strempty(error.text));
}

/* It brings down each daemon that takes it up, or seems to, and the program that was to end it then could not. What is still
 * in the ring may be the reason: so nobody looks at that any more. */
static void give_up(Session *s) {
        session_set_result(s, RESULT_INTERRUPTED, "The daemon hung or crashed again and again during the session, so the session was "
                        "ended; what was still in the ring buffer is lost, without a count.");
        session_set_state(s, SESSION_INTERRUPTED);
        if (drain_pipes_open(&s->manager->fd_store, s->id, strempty(s->online), &s->pipes) >= 0)
                drain_pipes_close(&s->pipes, s->id);
        session_restore(s);
}

void session_resume(Session *s) {
        if (session_is_over(s)) {
                /* Its program was not there, or was killed. */
                if (s->seal_error.code == ERROR_PROCESS_DIED)
                        session_seal(s);
                session_seal_if_room(s);
                session_renew_archive_or_log(s);
                return;
        }
        if (s->state == SESSION_SEALING) {
                session_seal(s);
                return;
        }
        /* The kernel still records for it, and what was on its way is in the pipes: nothing was lost with the daemon. */
        if (s == s->manager->active && (s->state == SESSION_CAPTURING || s->state == SESSION_DRAINING) &&
            streq_ptr(s->boot_id, s->manager->boot_id)) {
                if (s->manager->quitting == QUIT_NOT && takeovers_are_enough(s->manager->runtime_fd)) {
                        give_up(s);
                        return;
                }
                s->resumed = true;
                /* But for text there is nowhere else to be on the way than in the process that read it. */
                if (streq_ptr(s->source, "text"))
                        session_warn(s, "The daemon ended during the session and was started again. What it had read as text and "
                                        "not yet written then is lost, at most a few hundred events; where there were any, the log "
                                        "has a gap with their count.");
                session_begin_draining(s);
                return;
        }
        /* Nothing was taken yet, and nothing changed that would have to be undone. */
        if (s == s->manager->active && s->state == SESSION_ARMING && s->options.adopt &&
            streq_ptr(s->boot_id, s->manager->boot_id) && session_start(s, NULL) >= 0)
                return;
        if (!streq_ptr(s->boot_id, s->manager->boot_id)) {
                session_set_result(s, RESULT_INTERRUPTED, "The machine went down during the session.");
                session_set_state(s, SESSION_INTERRUPTED);
                session_post_mortem(s);
                return;
        }
        session_set_result(s, RESULT_INTERRUPTED, "The daemon went down during the session.");
        session_set_state(s, SESSION_INTERRUPTED);
        /* The undo journal is of the one that is active, if there is one. */
        if (s == s->manager->active)
                session_restore(s);
        else
                session_seal(s);
}

static int refuse_while_removing(const Session *s, Error *error) {
        return s->removing ? error_set(error, ERROR_STATE, "Session %u is being removed.", s->id) : 0;
}

/* What is not on file does not count: so the caller is told, and nothing has changed. */
static int save_or_tell(Session *s, Error *error) {
        int r;

        r = session_save(s, SAVE_SOON);
        if (r < 0)
                return error_set_errno(error, errno_is_no_space(r) ? ERROR_NO_SPACE : ERROR_FAILED, r,
                                "Cannot write " SESSION_FILE " of session %u", s->id);
        s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
        return 0;
}

int session_protect(Session *s, bool protect, Error *error) {
        bool before = s->protected;
        int r;

        r = refuse_while_removing(s, error);
        if (r < 0)
                return r;
        s->protected = protect;
        r = save_or_tell(s, error);
        if (r < 0)
                s->protected = before;
        return r;
}

int session_confirm_export(Session *s, Error *error) {
        uint64_t before_usec = s->export_realtime_usec;
        int r;

        if (isempty(s->archive))
                return error_set(error, ERROR_NO_ARCHIVE, "Session %u has no archive that could have been exported; it is %s.",
                                s->id, session_state_to_string(s->state));
        r = refuse_while_removing(s, error);
        if (r < 0)
                return r;
        s->export_realtime_usec = now_realtime_usec();
        r = save_or_tell(s, error);
        if (r < 0)
                s->export_realtime_usec = before_usec;
        return r;
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
