/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <signal.h>
#include <systemd/sd-event.h>

#include "client.h"
#include "names.h"
#include "wait.h"

#define SHOW_AFTER_USEC (500 * USEC_PER_MSEC)
#define REDRAW_USEC (100 * USEC_PER_MSEC)
#define PROGRESS_USEC (500 * USEC_PER_MSEC)
/* Between the end of the seal job and the change of the session's state; both are sent at once. */
#define SETTLE_USEC (5 * USEC_PER_SEC)

struct Wait {
        sd_bus *bus;
        sd_event *event;
        sigset_t old_mask;
        bool masked;
        sd_bus_slot *signals, *owner, *progress_call;
        StatusLine line;

        bool interrupted;
        bool gone;
        bool changed;           /* the session may be another than it was when it was read last */
        char *new_session;      /* the path of the latest */
        char *state;            /* the latest that a signal told */
        char *job;              /* the seal job of the session that is waited for */
        char *job_result, *job_detail; /* set once it is removed */
        uint64_t settled_usec;  /* CLOCK_MONOTONIC; 0 while the job is not removed */
        uint64_t all_bytes;     /* the job submits so many; 0: it seals */
        double progress;
        uint64_t progress_usec;

        sd_bus_message *reply;
};

static int replace_string(char **s, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*s);
        *s = copy;
        return 0;
}

/* PropertiesChanged: only the state is taken from it, for the status line. What counts is asked for. */
static int read_changed_state(Wait *w, sd_bus_message *m) {
        const char *interface, *name, *state;
        int r;

        r = sd_bus_message_read(m, "s", &interface);
        if (r < 0)
                return r;
        if (!streq(interface, BUS_INTERFACE_MANAGER) && !streq(interface, BUS_INTERFACE_SESSION))
                return 0;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return r;
                if (streq(name, "State")) {
                        r = sd_bus_message_read(m, "v", "s", &state);
                        if (r < 0)
                                return r;
                        return replace_string(&w->state, state);
                }
                r = sd_bus_message_skip(m, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_removed_job(Wait *w, sd_bus_message *m) {
        const char *job, *result, *detail;
        int r;

        r = sd_bus_message_read(m, "oss", &job, &result, &detail);
        if (r < 0)
                return r;
        if (!streq_ptr(w->job, job))
                return 0;
        w->settled_usec = now_monotonic_usec() + SETTLE_USEC;
        r = replace_string(&w->job_result, result);
        if (r < 0)
                return r;
        return replace_string(&w->job_detail, isempty(detail) ? result : detail);
}

static int read_new_session(Wait *w, sd_bus_message *m) {
        const char *path;
        int r;

        r = sd_bus_message_read(m, "o", &path);
        return r < 0 ? r : replace_string(&w->new_session, path);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Wait *w = userdata;

        w->changed = true;
        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
                return read_changed_state(w, m);
        if (sd_bus_message_is_signal(m, BUS_INTERFACE_MANAGER, "JobRemoved"))
                return read_removed_job(w, m);
        if (sd_bus_message_is_signal(m, BUS_INTERFACE_MANAGER, "SessionNew"))
                return read_new_session(w, m);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Wait *w = userdata;
        const char *name, *old_owner, *new_owner;
        int r;

        r = sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner);
        if (r < 0)
                return r;
        /* It appears while we wait when our own call is what starts it. */
        if (streq(name, BUS_NAME) && isempty(new_owner))
                w->gone = true;
        return 0;
}

static int on_interrupt(sd_event_source *s, const struct signalfd_siginfo *info, void *userdata) {
        Wait *w = userdata;

        w->interrupted = true;
        return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Wait *w = userdata;

        w->reply = sd_bus_message_ref(m);
        return 0;
}

static int on_progress(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Wait *w = userdata;
        double progress;

        w->progress_call = sd_bus_slot_unref(w->progress_call);
        /* An error only says that the job has ended meanwhile. */
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "v", "d", &progress) >= 0)
                w->progress = progress;
        return 0;
}

Wait *wait_free(Wait *w) {
        if (!w)
                return NULL;
        status_line_erase(&w->line);
        sd_bus_slot_unref(w->signals);
        sd_bus_slot_unref(w->owner);
        sd_bus_slot_unref(w->progress_call);
        sd_bus_message_unref(w->reply);
        (void) sd_bus_detach_event(w->bus);
        sd_event_unref(w->event);
        sd_bus_unref(w->bus);
        if (w->masked)
                (void) sigprocmask(SIG_SETMASK, &w->old_mask, NULL);
        free(w->new_session);
        free(w->state);
        free(w->job);
        free(w->job_result);
        free(w->job_detail);
        free(w);
        return NULL;
}

int wait_new(sd_bus *bus, Wait **ret) {
        _cleanup_wait_ Wait *w = calloc(1, sizeof *w);
        sigset_t mask;
        int r;

        if (!w)
                return -ENOMEM;
        w->bus = sd_bus_ref(bus);
        w->line = status_line_new(SHOW_AFTER_USEC);

        r = sd_event_new(&w->event);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(bus, w->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &mask, &w->old_mask) < 0)
                return -errno;
        w->masked = true;
        r = sd_event_add_signal(w->event, NULL, SIGINT, on_interrupt, w);
        if (r < 0)
                return r;
        r = sd_event_add_signal(w->event, NULL, SIGTERM, on_interrupt, w);
        if (r < 0)
                return r;

        r = sd_bus_add_match(bus, &w->owner,
                        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                        "member='NameOwnerChanged',path='/org/freedesktop/DBus',arg0='" BUS_NAME "'",
                        on_owner_changed, w);
        if (r < 0)
                return r;
        r = sd_bus_add_match(bus, &w->signals,
                        "type='signal',sender='" BUS_NAME "',path_namespace='" BUS_PATH "'", on_signal, w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

static void wait_draw(Wait *w) {
        if (w->job && w->all_bytes > 0) {
                uint64_t usec = MAX(now_monotonic_usec() - w->line.begin_usec, UINT64_C(1));
                double done_bytes = w->progress * (double) w->all_bytes;

                status_line_progress(&w->line, w->progress, "%s of %s, %s/s", FORMAT_BYTES((uint64_t) done_bytes),
                                FORMAT_BYTES(w->all_bytes), FORMAT_BYTES((uint64_t) (done_bytes * USEC_PER_SEC / (double) usec)));
        } else if (w->job)
                status_line_progress(&w->line, w->progress, "making the archive");
        else
                status_line_show(&w->line, "%s… %" PRIu64 "s", w->state ?: "waiting for mmiotraced",
                                (now_monotonic_usec() - w->line.begin_usec) / USEC_PER_SEC);
}

/* Asked for, not listened to: how often the daemon tells it by itself is the daemon's business. */
static int wait_ask_progress(Wait *w) {
        uint64_t now_usec = now_monotonic_usec();

        if (!w->line.enabled || !w->job || w->progress_call || now_usec - w->progress_usec < PROGRESS_USEC)
                return 0;
        w->progress_usec = now_usec;
        return sd_bus_call_method_async(w->bus, &w->progress_call, BUS_NAME, w->job,
                        "org.freedesktop.DBus.Properties", "Get", on_progress, w, "ss", BUS_INTERFACE_JOB,
                        "Progress");
}

/* One turn of the loop. */
static int wait_turn(Wait *w, sd_bus_error *error) {
        uint64_t timeout_usec = w->line.enabled ? REDRAW_USEC : UINT64_MAX;
        int r;

        if (w->interrupted)
                return -EINTR;
        if (w->gone || sd_bus_is_open(w->bus) <= 0)
                return sd_bus_error_set_const(error, SD_BUS_ERROR_NO_REPLY, "");
        wait_draw(w);
        r = wait_ask_progress(w);
        if (r < 0)
                return r;
        if (w->settled_usec > 0)
                timeout_usec = MIN(timeout_usec, SETTLE_USEC);
        r = sd_event_run(w->event, timeout_usec);
        return r < 0 ? r : 0;
}

static int wait_run(Wait *w, sd_bus_error *error) {
        int r = wait_turn(w, error);

        /* Whoever waited says something now, and it must not come behind the status line. */
        if (r < 0 || w->reply || w->settled_usec > 0)
                status_line_erase(&w->line);
        return r;
}

static int take_reply(Wait *w, sd_bus_error *error, sd_bus_message **ret_reply) {
        _cleanup_message_ sd_bus_message *reply = TAKE_PTR(w->reply);
        int r;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                r = sd_bus_error_copy(error, sd_bus_message_get_error(reply));
                return r < 0 ? r : -EIO;
        }
        *ret_reply = TAKE_PTR(reply);
        return 0;
}

int wait_call(Wait *w, sd_bus_message *m, sd_bus_error *error, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *call = NULL;
        int r;

        r = sd_bus_call_async(w->bus, &call, m, on_reply, w, UINT64_MAX);
        if (r < 0)
                return r;
        while (!w->reply) {
                r = wait_run(w, error);
                if (r < 0)
                        return r;
        }
        return take_reply(w, error, ret_reply);
}

static int read_begun(Wait *w, const char *path, uid_t owner, sd_bus_error *error, SessionView **ret) {
        _cleanup_session_view_ SessionView *v = NULL;
        bool begun;
        int r;

        *ret = NULL;
        w->changed = false;
        if (!path && !w->new_session)
                return 0;
        r = session_view_get(w->bus, path ?: w->new_session, error, &v);
        if (r < 0)
                return r;
        /* A refusal that came before this answer is in the queue, and counts for more. */
        while (!w->reply && (r = sd_bus_process(w->bus, NULL)) > 0)
                ;
        begun = path ? !streq(v->state, "capturing") : owner == UID_INVALID || v->owner == owner;
        if (r >= 0 && begun && !w->reply)
                *ret = TAKE_PTR(v);
        return r;
}

int wait_call_begun(Wait *w, sd_bus_message *m, const char *path, uid_t owner, sd_bus_error *error, SessionView **ret) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *call = NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        int r;

        r = sd_bus_call_async(w->bus, &call, m, on_reply, w, UINT64_MAX);
        while (r >= 0 && !w->reply) {
                r = w->changed ? read_begun(w, path, owner, error, &v) : wait_run(w, error);
                if (v) {
                        status_line_erase(&w->line);
                        *ret = TAKE_PTR(v);
                        return 0;
                }
        }
        if (r >= 0)
                r = take_reply(w, error, &reply);
        if (r >= 0 && !path)
                r = sd_bus_message_read_basic(reply, 'o', &path);
        return r < 0 ? r : session_view_get(w->bus, path, error, ret);
}

static int wait_read_session(Wait *w, const char *path, sd_bus_error *error, SessionView **ret) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        int r;

        r = session_view_request(w->bus, path, &m);
        if (r < 0)
                return r;
        r = wait_call(w, m, error, &reply);
        if (r < 0)
                return r;
        r = session_view_parse(reply, &v);
        if (r < 0)
                return r;
        if (!isempty(v->job) && !streq(v->job, "/")) {
                r = replace_string(&w->job, v->job);
                if (r < 0)
                        return r;
        }
        r = replace_string(&w->state, v->state);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

int wait_session_final(Wait *w, const char *path, sd_bus_error *error, SessionView **ret) {
        int r;

        w->changed = true;
        for (;;) {
                if (w->changed) {
                        _cleanup_session_view_ SessionView *v = NULL;

                        w->changed = false;
                        r = wait_read_session(w, path, error, &v);
                        if (r < 0)
                                return r;
                        if (session_view_is_final(v)) {
                                status_line_erase(&w->line);
                                *ret = TAKE_PTR(v);
                                return 0;
                        }
                }
                if (w->settled_usec > 0 && now_monotonic_usec() >= w->settled_usec)
                        return sd_bus_error_setf(error, BUS_ERROR_PREFIX "Failed",
                                        "The archive was not made: %s", w->job_detail);
                r = wait_run(w, error);
                if (r < 0)
                        return r;
        }
}

int wait_job(Wait *w, const char *job, sd_bus_error *error) {
        int r;

        r = replace_string(&w->job, job);
        while (r >= 0 && w->settled_usec == 0)
                r = wait_run(w, error);
        if (r < 0)
                return r;
        return streq(w->job_result, "done") ? 0 :
                                              sd_bus_error_setf(error, BUS_ERROR_PREFIX "Failed", "%s", w->job_detail);
}

int wait_submission(Wait *w, const char *path, const char *job, bool to_the_end, uint64_t archive_bytes, sd_bus_error *error,
                SessionView **ret) {
        int r;

        r = replace_string(&w->job, job);
        if (r < 0)
                return r;
        w->all_bytes = archive_bytes;
        w->line.begin_usec = now_monotonic_usec();
        w->changed = true;
        for (;;) {
                if (w->changed) {
                        _cleanup_session_view_ SessionView *v = NULL;

                        w->changed = false;
                        r = wait_read_session(w, path, error, &v);
                        if (r < 0)
                                return r;
                        if (!submission_view_is_there(&v->submission) || (!to_the_end && !isempty(v->submission.last_error))) {
                                status_line_erase(&w->line);
                                *ret = TAKE_PTR(v);
                                return 0;
                        }
                }
                r = wait_run(w, error);
                if (r < 0)
                        return r;
        }
}

int wait_session_at(Wait *w, const char *path, uint64_t at_usec, sd_bus_error *error, SessionView **ret) {
        uint64_t now_usec;
        int r;

        w->line.enabled = false;
        while (!w->interrupted && (now_usec = now_monotonic_usec()) < at_usec) {
                r = sd_event_run(w->event, at_usec - now_usec);
                if (r < 0)
                        return r;
        }
        w->gone = false;
        return wait_read_session(w, path, error, ret);
}
