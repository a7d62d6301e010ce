/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that goes on after a call was answered, as everybody may see it: how far it is, and how it ended. What the work is,
 * sealing.h and submission.h know. */

#include "error.h"
#include "worker.h"

typedef struct Manager Manager;
typedef struct Session Session;

typedef enum JobType {
        JOB_SEAL,               /* log and archive out of what was captured */
        JOB_DESCRIBE,           /* another description into the archive that there is */
        JOB_SUBMIT,             /* the archive to somewhere else */
        _JOB_TYPE_MAX,
} JobType;

const char *job_type_to_string(JobType type);

typedef struct Job {
        Manager *manager;
        unsigned id;
        JobType type;
        Session *session;
        double progress;        /* 0.0 to 1.0 */
        uint64_t done_bytes, all_bytes; /* of what is submitted */
        uint64_t rate_bytes;    /* per second */
        Worker *worker;         /* NULL: it waits */
} Job;

int job_new(Session *session, JobType type, Job **ret);
Job *job_free(Job *job);
DEFINE_CLEANUP(Job *, job_free)

/* Tells that it is over, and frees it. result: "done", "failed" or "cancelled"; detail: a sentence, or "". */
void job_end(Job *job, const char *result, const char *detail);

/* Only what can be left undone. */
int job_cancel(Job *job, Error *error);
