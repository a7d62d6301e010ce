/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the user says about a session. That can be said at any time, and an archive that is there already is made anew
 * for it, as a job. */

#include "manager.h"
#include "names.h"
#include "sealing.h"
#include "session-capture.h"

/* What was asked for last is on file before the job begins: so one that is cut short is begun again. */
int session_renew_archive(Session *s, Error *error) {
        int r;

        if (!s->archive_outdated || s->job || !session_is_over(s) || isempty(s->archive))
                return 0;
        r = sealing_start(s, JOB_DESCRIBE);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r,
                                "The description is noted, but the program that puts it into the archive cannot be started");
        s->described_again = false;
        return 0;
}

int session_describe(Session *s, const char *text, Error *error) {
        _cleanup_free_ char *copy = NULL;
        bool outdated = s->archive_outdated;
        char *before = s->options.description;
        int r;

        if (strlen(text) > DESCRIPTION_MAX_BYTES || !text_is_clean(text, true))
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "A description is at most %d bytes of text without control characters but newlines and tabs; "
                                "this one has %s.", DESCRIPTION_MAX_BYTES,
                                strlen(text) > DESCRIPTION_MAX_BYTES ? "more" : "characters that are not allowed");
        if (s->removing)
                return error_set(error, ERROR_STATE, "Session %u is being removed.", s->id);
        if (streq(text, strempty(before)))
                return session_renew_archive(s, error);
        copy = *text ? strdup(text) : NULL;
        if (*text && !copy)
                return -ENOMEM;

        s->options.description = copy;
        /* Whether a seal worker has read it already, nobody can know. */
        s->archive_outdated |= s->state == SESSION_SEALING || !isempty(s->archive);
        r = session_save(s, SAVE_SOON);
        if (r < 0) {
                s->options.description = before;
                s->archive_outdated = outdated;
                return error_set_errno(error, errno_is_no_space(r) ? ERROR_NO_SPACE : ERROR_FAILED, r,
                                "The description cannot be saved");
        }
        copy = before;
        s->described_again = s->job;
        s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
        return session_renew_archive(s, error);
}

void session_describe_done(Session *s, const Error *error) {
        _cleanup_error_ Error again = {};
        int r;

        if (error)
                session_log_failure(s, -error_to_errno(error->code), "the archive keeps the description of before");
        if (!error && !s->described_again)
                s->archive_outdated = false;
        r = session_save(s, SAVE_SOON);
        if (r < 0)
                session_log_failure(s, r, "cannot write " SESSION_FILE);
        s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
        if (s->described_again && session_renew_archive(s, &again) < 0)
                session_log_failure(s, -error_to_errno(again.code), "cannot make the archive anew");
}
