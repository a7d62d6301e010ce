/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that goes on after a call was answered: making the archive of a session. A job lives until its worker ends. */

#include "error.h"
#include "worker.h"

typedef struct Manager Manager;
typedef struct Session Session;

typedef enum JobType {
        JOB_SEAL,               /* log and archive out of what was captured */
        JOB_DESCRIBE,           /* another description into the archive that there is */
        _JOB_TYPE_MAX,
} JobType;

const char *job_type_to_string(JobType type);

typedef struct Job {
        Manager *manager;
        unsigned id;
        JobType type;
        Session *session;
        double progress;        /* 0.0 to 1.0 */
        Worker *worker;
} Job;

/* Starts the work on the session; session_seal_done() or session_describe_done() tells when. */
int job_start(Session *session, JobType type, Job **ret);
Job *job_free(Job *job);
DEFINE_CLEANUP(Job *, job_free)
