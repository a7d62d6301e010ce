/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "job.h"
#include "manager.h"
#include "submission.h"

static const char *const types[_JOB_TYPE_MAX] = {
        [JOB_SEAL] = "seal",
        [JOB_DESCRIBE] = "describe",
        [JOB_SUBMIT] = "submit",
};

const char *job_type_to_string(JobType type) {
        return type < _JOB_TYPE_MAX ? types[type] : NULL;
}

int job_new(Session *session, JobType type, Job **ret) {
        Job *job = calloc(1, sizeof(Job));
        int r;

        if (!job)
                return -ENOMEM;
        job->session = session;
        job->type = type;
        r = manager_add_job(session->manager, job);
        if (r < 0) {
                free(job);
                return r;
        }
        *ret = job;
        return 0;
}

Job *job_free(Job *job) {
        if (!job)
                return NULL;
        if (job->session->job == job)
                job->session->job = NULL;
        if (job->session->submission && job->session->submission->job == job)
                job->session->submission->job = NULL;
        manager_unlink_job(job->manager, job);
        worker_free(job->worker);
        free(job);
        return NULL;
}

void job_end(Job *job, const char *result, const char *detail) {
        Session *s = job->session;
        const ManagerHooks *hooks = &job->manager->hooks;

        /* Whoever hears of it finds the session without it. */
        if (s->job == job)
                s->job = NULL;
        hooks->job_removed(job, result, detail, hooks->userdata);
        job_free(job);
}

int job_cancel(Job *job, Error *error) {
        if (job->type != JOB_SUBMIT)
                return error_set(error, ERROR_STATE, "Only a submission can be cancelled; this makes the archive of session %u.",
                                job->session->id);
        submission_cancel(job->session);
        return 0;
}
