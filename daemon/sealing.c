/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/resource.h>

#include "manager.h"
#include "names.h"
#include "report.h"
#include "session-capture.h"
#include "sealing.h"
#include "submission.h"

#define SEAL_NICE 10

/* The seal worker is a program of its own: LZMA's memory and the decoders never are the daemon's. It works in the
 * session's folder and is given no other name. */
static int exec_seal(FILE *out, void *userdata) {
        const Job *job = userdata;
        const Context *context = job->manager->context;
        char argument[16] = SEAL_DESCRIBE;

        if (job->type == JOB_SEAL)
                (void) snprintf(argument, sizeof argument, "%u", context->config.seal_level);
        /* The daemon's priority is for the drain. */
        (void) setpriority(PRIO_PROCESS, 0, SEAL_NICE);
        if (fchdir(job->session->dir_fd) < 0 || dup2(fileno(out), STDOUT_FILENO) < 0)
                return -errno;
        (void) execl(context->seal_program, context->seal_program, argument, (char *) NULL);
        /* It may be about to be replaced by another version. */
        return worker_send_result(out, -errno, &(Error) { ERROR_PROCESS_DIED, (char *) "The program that seals sessions cannot be "
                                  "run; mmiotraced tries again when it is started the next time." });
}

static void on_line(const char *key, const char *value, void *userdata) {
        static const struct {
                const char *key;
                size_t offset;
        } totals[] = {
                { "EVENTS", offsetof(Session, n_events) },
                { "LOST", offsetof(Session, n_lost) },
                { "GIVEN_UP", offsetof(Session, n_given_up) },
                { "READS", offsetof(Session, n_reads) },
                { "WRITES", offsetof(Session, n_writes) },
                { "UNKNOWN", offsetof(Session, n_unknown) },
                { "MAPS", offsetof(Session, n_maps) },
                { "RAW_BYTES", offsetof(Session, raw_bytes) },
                { "LOG_BYTES", offsetof(Session, log_bytes) },
                { "ARCHIVE_BYTES", offsetof(Session, archive_bytes) },
        };
        Job *job = userdata;
        uint64_t number;

        if (streq(key, "PROGRESS")) {
                job->progress = MIN(MAX(strtod(value, NULL), 0.0), 1.0);
                job->manager->hooks.job_changed(job, job->manager->hooks.userdata);
                return;
        }
        if (streq(key, "WARNING")) {
                if (!strv_contains(job->session->warnings, value))
                        (void) strv_extend(&job->session->warnings, value);
                return;
        }
        if (streq(key, "ARCHIVE_NAME"))
                session_replace(&job->session->archive_name, value);
        for (size_t i = 0; i < ELEMENTS(totals); i++)
                if (streq(key, totals[i].key) && parse_u64(value, &number) >= 0)
                        *(uint64_t *) ((char *) job->session + totals[i].offset) = number;
}

static void on_done(const Error *error, void *userdata) {
        Job *job = userdata;
        Manager *m = job->manager;

        /* First the session, so that whoever learns that the job is over finds it sealed. */
        job->session->job = NULL;
        if (job->type == JOB_SEAL)
                session_seal_done(job->session, error);
        else
                session_describe_done(job->session, error);
        job_end(job, error ? "failed" : "done", error ? strempty(error->text) : "");
        submissions_go_on(m);
        vacuum_tidy(m);
        manager_check_quit(m);
}

int sealing_start(Session *session, JobType type) {
        _cleanup_(job_freep) Job *job = NULL;
        Manager *m = session->manager;
        int r;

        r = job_new(session, type, &job);
        if (r < 0)
                return r;
        r = worker_start(m->event,
                        &(WorkerSpec) {
                                .name = "mmiotraced-seal",
                                .run = exec_seal,
                                .arg = job,
                                .keep_fds = &session->dir_fd,
                                .n_keep_fds = 1,
                                .line = on_line,
                                .done = on_done,
                                .userdata = job,
                        },
                        &job->worker);
        if (r < 0)
                return r;
        session->job = TAKE_PTR(job);
        m->hooks.job_added(session->job, m->hooks.userdata);
        return 0;
}
