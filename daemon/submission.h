/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The wish that a session's archive is sent somewhere, until it is fulfilled, given up or cancelled: a job that outlives the
 * daemon, since the wish is in session.json. An attempt that fails for a reason that may pass is followed by another, after
 * a pause that doubles. */

#include "job.h"
#include "json.h"
#include "session.h"

typedef struct Submission {
        Session *session;
        char *target;           /* its name in the configuration; NULL: url */
        char *url;
        char *id;               /* the same in each attempt, see upload-job.h */
        uid_t owner_uid;        /* who wants it */
        unsigned n_attempts;    /* that were begun */
        uint64_t next_realtime_usec; /* of the next one; 0: it runs, or is held */
        bool held;              /* until the machine has time for it */
        char *last_error;       /* of the one before */

        Job *job;
        sd_event_source *timer;
        uint64_t retry_after_usec;
        char *receipt, *sha256; /* of the attempt that runs */
        uint64_t rate_from_bytes, rate_from_usec;
} Submission;

typedef struct Receipt {
        char *target;           /* name, or address */
        char *where;            /* address of the archive there, or id of the mail */
        char *sha256;
        uid_t owner_uid;        /* whose submission it was */
        uint64_t realtime_usec, bytes;
} Receipt;

void receipts_free(Receipt *receipts, size_t n);

/* Wishes, and begins. Either target or url is NULL, or both where there is but one target. The job is the submission's. */
int submission_start(Session *session, const char *target, const char *url, uid_t owner_uid, Error *error);
Submission *submission_free(Submission *submission);
DEFINE_CLEANUP(Submission *, submission_free)

/* Goes on with what an earlier daemon was asked for. */
void submission_resume(Session *session);

/* Looks again at all that are held. */
void submissions_go_on(Manager *manager);

/* Ends it at once; nothing if there is none. */
void submission_cancel(Session *session);

/* "waiting" for the next attempt, or "running". */
const char *submission_state(const Submission *submission);

/* The target's name, or the address as far as it is no secret. */
int submission_address(const Submission *submission, char **ret);

/* The part of session.json. */
int submission_to_json(const Session *session, struct json_object *o);
int submission_from_json(struct json_object *o, Session *session);
