/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that goes on after a call was answered: sealing a session. A job lives until its worker ends. */

#include "error.h"
#include "worker.h"

typedef struct Manager Manager;
typedef struct Session Session;

typedef struct Job {
        Manager *manager;
        unsigned id;
        Session *session;
        double progress;        /* 0.0 to 1.0 */
        Worker *worker;
} Job;

/* Starts sealing the session; session_seal_done() tells when. */
int job_seal(Session *session, Job **ret);
Job *job_free(Job *job);
DEFINE_CLEANUP(Job *, job_free)
