/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way of a session from the restored machine to its archive, and once more where that had failed: what was captured
 * stays until there is an archive of it. */

#include "log.h"
#include "manager.h"
#include "names.h"
#include "sealing.h"
#include "session-capture.h"

void session_seal(Session *s) {
        Error error = {};
        int r;

        manager_release_active(s->manager, s);
        if (s->state != SESSION_SEALING)
                session_set_state(s, SESSION_SEALING);
        /* It would be cut short at once. The next daemon begins with it. */
        if (s->manager->quitting)
                return;
        r = sealing_start(s, JOB_SEAL);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot start the program that seals sessions");
                session_seal_done(s, &error);
                error_done(&error);
        }
}

static void set_seal_error(Session *s, const Error *error) {
        error_done(&s->seal_error);
        if (error)
                (void) error_set(&s->seal_error, error->code, "%s", strempty(error->text));
}

void session_seal_done(Session *s, const Error *error) {
        set_seal_error(s, error);
        if (!error && s->archive_name) {
                session_replace(&s->archive, s->archive_name);
                s->raw_bytes = s->compressed_bytes = s->compressed_disk_bytes = s->given_up_bytes = 0;
        }
        if (!error && s->n_lost > 0)
                log_send(LOG_WARNING, "MESSAGE=Session %u lost %llu events", s->id, (unsigned long long) s->n_lost,
                                "MESSAGE_ID=" MESSAGE_EVENTS_LOST, FIELD_SESSION "=%u", s->id);
        session_set_state(s, !error && session_result_is_good(s->result) ? SESSION_SEALED : SESSION_FAILED);
        if (error && error->code == ERROR_NO_SPACE)
                vacuum_make_room(s->manager, storage_seal_bytes(s->raw_bytes, s->options.keep_raw));
        session_renew_archive_or_log(s);
}

int session_seal_again(Session *s, Error *error) {
        if (s->removing)
                return error_set(error, ERROR_STATE, "Session %u is being removed.", s->id);
        if (s->state == SESSION_SEALING)
                return error_set(error, ERROR_STATE, "Session %u is being sealed already.", s->id);
        if (!session_is_over(s))
                return error_set(error, ERROR_STATE, "Session %u is %s; it is sealed once it is stopped.", s->id,
                                session_state_to_string(s->state));
        if (s->seal_error.code == ERROR_NONE)
                return error_set(error, ERROR_STATE, "Session %u has its archive; there is nothing left to seal.", s->id);
        session_seal(s);
        if (!s->job)
                return error_set(error, s->seal_error.code, "%s", strempty(s->seal_error.text));
        return 0;
}

void session_seal_if_room(Session *s) {
        if (session_is_over(s) && !s->removing && !s->job && s->seal_error.code == ERROR_NO_SPACE)
                session_seal(s);
}

const char *session_shown_result(const Session *s) {
        bool failed = s->seal_error.code != ERROR_NONE && session_result_is_good(s->result);

        return session_result_to_string(failed ? RESULT_SEAL_FAILED : s->result);
}

int session_shown_result_text(const Session *s, char **ret) {
        const char *seal = strempty(s->seal_error.text), *result = strempty(s->result_text);
        char *text;

        if (asprintf(&text, "%s%s%s", result, *result && *seal ? " " : "", seal) < 0)
                return -ENOMEM;
        *ret = text;
        return 0;
}
