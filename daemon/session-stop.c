/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a session that captures comes to its end: because somebody asks for it, or because it was begun with a condition for
 * it. What goes wrong ends it elsewhere. */

#include "manager.h"
#include "reserve.h"
#include "session-capture.h"
#include "vacuum.h"

int session_stop(Session *s, StopReason reason, Error *error) {
        switch (s->state) {
        case SESSION_CHECKING:
        case SESSION_ARMING:
                s->stop_wanted = true;
                s->stop_reason = s->stop_reason ?: reason;
                return 0;
        case SESSION_CAPTURING:
                s->stop_reason = s->stop_reason ?: reason;
                session_set_state(s, SESSION_DRAINING);
                if (s->busy_loading)
                        session_fail_start(s, &(Error) { ERROR_STATE,
                                        (char *) "The session was stopped while the driver was being loaded." });
                session_end_drain(s);
                return 0;
        case SESSION_DRAINING:
        case SESSION_RESTORING:
                return 0;
        default:
                return error_set(error, ERROR_NOT_RUNNING, "Session %u is not running; it is %s.", s->id,
                                session_state_to_string(s->state));
        }
}

/* For those who have nobody to tell: it is over already, or it is going to be. */
static void stop(Session *s, StopReason reason) {
        Error ignored = {};

        (void) session_stop(s, reason, &ignored);
        error_done(&ignored);
}

static int on_time_is_up(sd_event_source *source, uint64_t usec, void *userdata) {
        stop(userdata, STOP_TIME);
        return 0;
}

void session_set_end_timer(Session *s) {
        int r;

        if (s->options.stop_after_usec == 0 || s->end_timer)
                return;
        r = sd_event_add_time(s->manager->event, &s->end_timer, CLOCK_MONOTONIC,
                        s->start_monotonic_usec + s->options.stop_after_usec, 0, on_time_is_up, s);
        if (r < 0)
                session_log_failure(s, r, "it does not end by itself");
}

void session_stop_by_drain(Session *s, const char *reason) {
        StopReason r = stop_reason_from_string(reason);

        if (r == STOP_LIMIT && s->state == SESSION_CAPTURING)
                session_set_result(s, RESULT_LIMIT_REACHED, s->n_given_up > 0
                                ? "The session has ended because it takes as much of the disk as one may (MaxSessionSize= in "
                                  "mmiotraced.conf), and could not give up old accesses as fast as new ones came."
                                : "The session has ended because it takes as much of the disk as one may (MaxSessionSize= in "
                                  "mmiotraced.conf); all that it recorded until then is in the log.");
        stop(s, r);
}

void session_stop_for_room(Session *s, bool disk_full) {
        /* Others may make way first: then it is told again. That somebody looks for them means nothing, who is sent for it
         * each time that this is told. */
        if (s->state != SESSION_CAPTURING || s->manager->n_removals > 0 || vacuum_spare_bytes(s->manager) > 0)
                return;
        /* Before the drain has noticed, who may come to that at the same time. */
        if (disk_full)
                session_set_result(s, RESULT_DISK_FULL, RESERVE_DISK_FULL_TEXT);
        else
                session_set_result(s, RESULT_LIMIT_REACHED, "The session has ended because sessions may not take more of the disk "
                                "(MaxUse= and KeepFree= in mmiotraced.conf). To have room, remove sessions, or other files.");
        stop(s, STOP_LIMIT);
}

void session_stop_at_mark(Session *s, const char *text) {
        if (s->options.stop_on_mark && streq(s->options.stop_on_mark, text))
                stop(s, STOP_MARK);
}

void session_caller_gone(Session *s) {
        if (s->state > SESSION_CAPTURING)
                return;
        session_warn(s, "The program that the session was started for ended without stopping it: so the daemon did.");
        stop(s, STOP_CALLER);
}

int session_interrupt(Session *s, const char *why, Error *error) {
        if (session_is_active(s))
                session_set_result(s, RESULT_INTERRUPTED, why);
        return session_stop(s, STOP_INTERRUPT, error);
}
