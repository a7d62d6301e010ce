/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-id128.h>

#include "log.h"
#include "manager.h"
#include "names.h"
#include "quota.h"
#include "submission.h"
#include "uploader.h"

/* So many may be under way. */
static const Quota quota = { .all = 16, .user = 4, .root = 4 };
#define RECEIPTS_MAX 100
#define RATE_USEC USEC_PER_SEC

static void attempt(Submission *b);

void receipts_free(Receipt *receipts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(receipts[i].target);
                free(receipts[i].where);
                free(receipts[i].sha256);
        }
        free(receipts);
}

Submission *submission_free(Submission *b) {
        if (!b)
                return NULL;
        if (b->session && b->session->submission == b)
                b->session->submission = NULL;
        job_free(b->job);
        sd_event_source_disable_unref(b->timer);
        free(b->target);
        free(b->url);
        free(b->id);
        free(b->last_error);
        free(b->receipt);
        free(b->sha256);
        free(b);
        return NULL;
}

const char *submission_state(const Submission *b) {
        return b->job && b->job->worker ? "running" : "waiting";
}

int submission_address(const Submission *b, char **ret) {
        char *address = b->target ? strdup(b->target) : strndup(b->url, strcspn(b->url, "?"));

        if (!address)
                return -ENOMEM;
        *ret = address;
        return 0;
}

static void log_submission(const Submission *b, int priority, const char *message_id, const char *what, const char *detail) {
        const Session *s = b->session;
        _cleanup_free_ char *address = NULL;

        (void) submission_address(b, &address);
        /* The journal has more readers than an archive. */
        if (address)
                address[target_public_bytes(address)] = 0;
        log_send(priority, "MESSAGE=Session %u: the submission to %s %s%s%s", s->id, strempty(address), what,
                        isempty(detail) ? "" : ": ", strempty(detail), "MESSAGE_ID=%s", message_id,
                        FIELD_SESSION "=%u", s->id, FIELD_TARGET "=%s", strempty(address), FIELD_ARCHIVE "=%s",
                        strempty(s->archive), FIELD_CALLER_UID "=%u", b->owner_uid);
}

static void save(Session *s) {
        int r = session_save(s, SAVE_SOON);

        if (r < 0)
                log_send(LOG_ERR, "MESSAGE=Session %u: cannot write " SESSION_FILE ": %s", s->id, strerrordesc_np(-r),
                                FIELD_SESSION "=%u", s->id);
}

/* The session is as it will stay before anybody hears that the job is over. Everybody hears it: so it is neither told where
 * the archive is now, which may be all that one needs to have it, nor what a server answered. */
static void end(Submission *b, const char *result, const char *detail) {
        Session *s = b->session;
        Job *job = TAKE_PTR(b->job);

        s->submission = NULL;
        b->session = NULL;
        submission_free(b);
        save(s);
        job_end(job, result, detail);
        s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
}

static void fail(Submission *b, const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        Session *s = b->session;

        log_submission(b, 3, MESSAGE_SUBMIT_FAILED, "failed", copy);
        free(s->submit_error);
        s->submit_error = strdup(strempty(copy));
        s->submit_error_uid = b->owner_uid;
        end(b, "failed", "The reason is in SubmitError, for those who may see it.");
}

static int add_receipt(Submission *b) {
        _cleanup_free_ char *address = NULL, *where = strdup(b->receipt), *sha256 = strdup(strempty(b->sha256));
        Session *s = b->session;
        Receipt *grown;
        int r;

        r = submission_address(b, &address);
        if (r < 0 || !where || !sha256)
                return -ENOMEM;
        if (s->n_receipts == RECEIPTS_MAX) {
                free(s->receipts[0].target);
                free(s->receipts[0].where);
                free(s->receipts[0].sha256);
                memmove(s->receipts, s->receipts + 1, --s->n_receipts * sizeof(Receipt));
        }
        grown = reallocarray(s->receipts, s->n_receipts + 1, sizeof(Receipt));
        if (!grown)
                return -ENOMEM;
        s->receipts = grown;
        s->receipts[s->n_receipts++] = (Receipt) {
                .target = TAKE_PTR(address),
                .where = TAKE_PTR(where),
                .sha256 = TAKE_PTR(sha256),
                .owner_uid = b->owner_uid,
                .realtime_usec = now_realtime_usec(),
                .bytes = s->archive_bytes,
        };
        /* There is a copy elsewhere now. */
        s->export_realtime_usec = now_realtime_usec();
        return 0;
}

static void succeed(Submission *b) {
        if (add_receipt(b) < 0)
                log_submission(b, 3, MESSAGE_SUBMIT_FAILED, "went well, but there was no memory for its receipt", b->receipt);
        log_submission(b, 5, MESSAGE_SUBMITTED, "is done", NULL);
        end(b, "done", "");
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        attempt(userdata);
        return 0;
}

/* By a clock that goes on while the machine sleeps. */
static int wait_for(Submission *b, uint64_t delay_usec) {
        sd_event *event = b->session->manager->event;
        int r;

        if (!b->timer)
                return sd_event_add_time_relative(event, &b->timer, CLOCK_BOOTTIME, delay_usec, 0, on_timer, b);
        r = sd_event_source_set_time_relative(b->timer, delay_usec);
        return r < 0 ? r : sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT);
}

static uint64_t pause_usec(const Submission *b) {
        const Config *c = &b->session->manager->context->config;
        uint64_t usec = c->retry_usec;

        for (unsigned i = 1; i < b->n_attempts && usec < c->retry_max_usec; i++)
                usec *= 2;
        return MIN(MAX(usec, b->retry_after_usec), c->retry_max_usec);
}

static void retry(Submission *b, const char *why) {
        const Config *c = &b->session->manager->context->config;
        _cleanup_free_ char *given_up = NULL;
        uint64_t usec = pause_usec(b);
        int r;

        if (b->n_attempts >= c->n_attempts) {
                if (asprintf(&given_up, "It did not work in %u attempts, the last of which ended with: %s", b->n_attempts, why) < 0)
                        given_up = NULL;
                fail(b, given_up ?: why);
                return;
        }
        log_submission(b, 4, MESSAGE_SUBMIT_DELAYED, "did not work this time", why);
        free(b->last_error);
        b->last_error = strdup(why);
        b->next_realtime_usec = now_realtime_usec() + usec;
        b->job->done_bytes = b->job->rate_bytes = 0;
        b->job->progress = 0;
        r = wait_for(b, usec);
        if (r < 0) {
                fail(b, why);
                return;
        }
        save(b->session);
        b->job->manager->hooks.job_changed(b->job, b->job->manager->hooks.userdata);
        b->job->manager->hooks.session_changed(b->session, b->job->manager->hooks.userdata);
}

static bool is_permanent(ErrorCode code) {
        return code == ERROR_SUBMIT_REFUSED || code == ERROR_NO_SUCH_TARGET || code == ERROR_NO_ARCHIVE;
}

static void on_done(const Error *error, void *userdata) {
        Submission *b = userdata;

        b->job->worker = worker_free(b->job->worker);
        if (!error && b->receipt)
                succeed(b);
        else if (error && is_permanent(error->code))
                fail(b, strempty(error->text));
        else
                retry(b, error ? strempty(error->text) : "The upload ended without a receipt.");
}

static void take_bytes(Submission *b, uint64_t bytes) {
        uint64_t now_usec = now_monotonic_usec();
        Job *job = b->job;

        job->done_bytes = MIN(bytes, job->all_bytes);
        job->progress = job->all_bytes > 0 ? (double) job->done_bytes / (double) job->all_bytes : 0;
        if (b->rate_from_bytes > bytes)
                b->rate_from_bytes = bytes;
        if (now_usec - b->rate_from_usec >= RATE_USEC) {
                job->rate_bytes = (bytes - b->rate_from_bytes) * USEC_PER_SEC / (now_usec - b->rate_from_usec);
                b->rate_from_bytes = bytes;
                b->rate_from_usec = now_usec;
        }
        job->manager->hooks.job_changed(job, job->manager->hooks.userdata);
}

static void on_line(const char *key, const char *value, void *userdata) {
        Submission *b = userdata;
        uint64_t number;

        if (streq(key, "BYTES") && parse_u64(value, &number) >= 0)
                take_bytes(b, number);
        else if (streq(key, "RETRY_AFTER") && parse_u64(value, &number) >= 0)
                b->retry_after_usec = MIN(number, (uint64_t) UINT32_MAX) * USEC_PER_SEC;
        else if (streq(key, "RECEIPT")) {
                free(b->receipt);
                b->receipt = strdup(value);
        } else if (streq(key, "SHA256")) {
                free(b->sha256);
                b->sha256 = strdup(value);
        }
}

/* What the worker needs, of which nothing outlives its start: it is a fork. */
static int begin(Submission *b, Error *error) {
        _cleanup_(target_freep) Target *given = NULL;
        Session *s = b->session;
        const Config *c = &s->manager->context->config;
        const Target *target = b->target ? config_find_target(c, b->target) : NULL;
        int r;

        if (b->target && !target)
                return error_set(error, ERROR_NO_SUCH_TARGET, "The target \"%s\" is no longer in the configuration.", b->target);
        if (!b->target) {
                r = target_new_from_url(b->url, &given, error);
                if (r < 0)
                        return r;
                target = given;
        }
        r = worker_start(s->manager->event,
                        &(WorkerSpec) {
                                .name = "upload",
                                .run = uploader_run,
                                .arg = &(UploadRequest) {
                                        .socket_path = s->manager->context->upload_socket,
                                        .target = target,
                                        .session_fd = s->dir_fd,
                                        .archive = s->archive,
                                        .driver = s->options.driver,
                                        .id = b->id,
                                },
                                .keep_fds = &s->dir_fd,
                                .n_keep_fds = 1,
                                .line = on_line,
                                .done = on_done,
                                .userdata = b,
                        },
                        &b->job->worker);
        return r < 0 ? error_set_errno(error, ERROR_SUBMIT_FAILED, r, "Cannot start the process that uploads") : 0;
}

static void attempt(Submission *b) {
        _cleanup_error_ Error error = {};
        Session *s = b->session;
        int r;

        /* While a session captures, nothing new begins: the network may be what it traces, and there is one CPU. Nor while the
         * archive is made anew. */
        b->held = s->manager->active || s->job || !session_is_over(s);
        if (b->held)
                return;
        b->next_realtime_usec = 0;
        b->retry_after_usec = 0;
        b->receipt = (free(b->receipt), NULL);
        b->sha256 = (free(b->sha256), NULL);
        b->rate_from_bytes = 0;
        b->rate_from_usec = now_monotonic_usec();
        b->job->all_bytes = s->archive_bytes;
        b->n_attempts++;
        r = begin(b, &error);
        if (r < 0 && is_permanent(error.code))
                fail(b, strempty(error.text));
        else if (r < 0)
                retry(b, strempty(error.text));
        else {
                save(s);
                s->manager->hooks.job_changed(b->job, s->manager->hooks.userdata);
                s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
        }
}

static int check_limits(const Manager *m, uid_t uid, Error *error) {
        QuotaUse use = {};

        for (size_t i = 0; i < m->n_sessions; i++)
                if (m->sessions[i]->submission)
                        quota_count(&use, uid, m->sessions[i]->submission->owner_uid);
        if (quota_allows(&quota, &use, uid))
                return 0;
        if (uid == 0 || use.n_user >= quota.user)
                return error_set(error, ERROR_TOO_MANY, "You have %zu submissions under way, which is the limit; wait for one, or "
                                "cancel it.", use.n_user);
        return error_set(error, ERROR_TOO_MANY, "There are %zu submissions under way, which is the limit; try again when one is "
                        "done.", use.n_all);
}

static int check(const Session *s, const char *target, const char *url, uid_t uid, Error *error) {
        _cleanup_(target_freep) Target *given = NULL;
        const Config *c = &s->manager->context->config;

        if (isempty(s->archive))
                return error_set(error, ERROR_NO_ARCHIVE, "Session %u has no archive to submit; it is %s.", s->id,
                                session_state_to_string(s->state));
        if (s->removing)
                return error_set(error, ERROR_STATE, "Session %u is being removed.", s->id);
        if (s->manager->quitting)
                return error_set(error, ERROR_STATE, "mmiotraced is about to stop and starts nothing new.");
        if (s->submission)
                return error_set(error, ERROR_STATE, "Session %u is being submitted already; \"mmiotracectl submit --cancel %u\" ends "
                                "that.", s->id, s->id);
        if (target && !config_find_target(c, target))
                return error_set(error, ERROR_NO_SUCH_TARGET, "There is no target \"%s\"; the [Target …] sections of "
                                "/etc/mmiotraced/mmiotraced.conf make them.", target);
        if (url && target_new_from_url(url, &given, error) < 0)
                return -EINVAL;
        return check_limits(s->manager, uid, error);
}

static int new(Session *s, const char *target, const char *url, uid_t owner_uid, Submission **ret) {
        _cleanup_(submission_freep) Submission *b = calloc(1, sizeof(Submission));
        sd_id128_t id;
        int r;

        if (!b)
                return -ENOMEM;
        r = sd_id128_randomize(&id);
        if (r < 0)
                return r;
        b->session = s;
        b->owner_uid = owner_uid;
        b->id = strdup(SD_ID128_TO_STRING(id));
        if (!b->id || (target && !(b->target = strdup(target))) || (url && !(b->url = strdup(url))))
                return -ENOMEM;
        *ret = TAKE_PTR(b);
        return 0;
}

/* The one that there is. */
static int choose_target(const Config *c, const char **ret, Error *error) {
        if (c->n_targets == 0)
                return error_set(error, ERROR_NO_SUCH_TARGET, "No target is configured; the [Target …] sections of "
                                "/etc/mmiotraced/mmiotraced.conf make them.");
        if (c->n_targets > 1)
                return error_set(error, ERROR_NO_SUCH_TARGET, "There are %zu targets, %s among them: name one.", c->n_targets,
                                c->targets[0]->name);
        *ret = c->targets[0]->name;
        return 0;
}

int submission_start(Session *s, const char *target, const char *url, uid_t owner_uid, Error *error) {
        _cleanup_(submission_freep) Submission *b = NULL;
        Manager *m = s->manager;
        int r = 0;

        if (!target && !url)
                r = choose_target(&m->context->config, &target, error);
        if (r >= 0)
                r = check(s, target, url, owner_uid, error);
        if (r >= 0)
                r = new(s, target, url, owner_uid, &b);
        if (r >= 0)
                r = job_new(s, JOB_SUBMIT, &b->job);
        /* The first attempt runs from the loop: whoever asked has the answer before the job can be over. */
        if (r >= 0)
                r = wait_for(b, 0);
        if (r < 0)
                return r;
        b->job->all_bytes = s->archive_bytes;
        s->submission = b;
        r = session_save(s, SAVE_SOON);
        if (r < 0)
                return error_set_errno(error, ERROR_NO_SPACE, r, "Cannot write down what is to be submitted");
        s->submit_error = (free(s->submit_error), NULL);
        m->hooks.job_added(TAKE_PTR(b)->job, m->hooks.userdata);
        return 0;
}

void submission_resume(Session *s) {
        uint64_t now_usec = now_realtime_usec(), usec = 0;
        Submission *b = s->submission;
        Manager *m = s->manager;
        int r;

        if (!b)
                return;
        /* A clock that was set back meanwhile must not make a pause of it that never ends. */
        if (b->next_realtime_usec > now_usec)
                usec = MIN(b->next_realtime_usec - now_usec, m->context->config.retry_max_usec);
        r = job_new(s, JOB_SUBMIT, &b->job);
        if (r >= 0)
                r = wait_for(b, usec);
        if (r < 0) {
                log_send(LOG_ERR, "MESSAGE=Session %u: cannot go on with its submission: %s", s->id, strerrordesc_np(-r),
                                FIELD_SESSION "=%u", s->id);
                return;
        }
        b->job->all_bytes = s->archive_bytes;
        m->hooks.job_added(b->job, m->hooks.userdata);
}

void submissions_go_on(Manager *m) {
        for (size_t i = 0; i < m->n_sessions; i++) {
                Submission *b = m->sessions[i]->submission;

                /* From the loop: whoever calls is in the middle of something. */
                if (b && b->held)
                        (void) wait_for(b, 0);
        }
}

void submission_cancel(Session *s) {
        Submission *b = s->submission;

        if (!b)
                return;
        log_submission(b, 5, MESSAGE_SUBMIT_CANCELLED, "was cancelled", NULL);
        /* The upload unit sees that nobody listens any more. */
        b->job->worker = worker_free(b->job->worker);
        end(b, "cancelled", "");
}
