/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "manager.h"
#include "names.h"
#include "steps.h"
#include "undo.h"

#define RETRY_USEC (5 * USEC_PER_SEC)
#define RETRY_MAX_USEC (5 * 60 * USEC_PER_SEC)

void leftovers_done(Leftovers *l) {
        sd_event_source_disable_unref(l->retry);
        worker_free(l->restorer);
        strv_free(l->done);
        *l = (Leftovers) {};
}

void leftovers_note(Manager *m, const char *text) {
        /* If memory is that short, what was done counts more than what is said of it. */
        if (m->leftovers.wanted)
                (void) strv_extend(&m->leftovers.done, text);
}

void leftovers_tell(Manager *m, const char *text) {
        leftovers_note(m, text);
        log_send(LOG_NOTICE, "MESSAGE=What an earlier session left is undone: %s", text, "MESSAGE_ID=" MESSAGE_RESTORED);
}

void leftovers_recovered(Manager *m, Session *s, const Error *error) {
        _cleanup_strv_ char **done = TAKE_PTR(m->leftovers.done);

        if (!m->leftovers.wanted)
                return;
        m->leftovers.wanted = false;
        m->hooks.recovered(s, done, error, m->hooks.userdata);
}

void leftovers_log_dropped_journal(void) {
        log_send(LOG_NOTICE, "MESSAGE=The undo journal of an earlier boot is dropped: the settings in it ended with that boot",
                        "MESSAGE_ID=" MESSAGE_JOURNAL_DROPPED);
}

static int restore(FILE *out, void *userdata) {
        const Manager *m = userdata;

        return step_restore(out, &(StepRequest) {
                        .context = m->context,
                        .boot_id = m->boot_id,
                        .runtime_fd = m->runtime_fd,
                        .session_fd = -EBADF,
                });
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        m->leftovers.retry = sd_event_source_disable_unref(m->leftovers.retry);
        leftovers_undo(m);
        return 0;
}

void leftovers_retry(Manager *m) {
        Leftovers *l = &m->leftovers;
        int r;

        if (!undo_exists(m->runtime_fd)) {
                l->retry_usec = 0;
                l->retry = sd_event_source_disable_unref(l->retry);
                return;
        }
        if (l->retry || l->restorer)
                return;
        l->retry_usec = l->retry_usec == 0 ? RETRY_USEC : MIN(2 * l->retry_usec, RETRY_MAX_USEC);
        r = sd_event_add_time_relative(m->event, &l->retry, CLOCK_MONOTONIC, l->retry_usec, 0, on_retry, m);
        if (r < 0)
                log_send(LOG_ERR, "MESSAGE=What an earlier session left is not tried again by itself: %s", strerrordesc_np(-r),
                                "MESSAGE_ID=" MESSAGE_RESTORE_FAILED);
}

static void on_line(const char *key, const char *value, void *userdata) {
        if (streq(key, "DONE"))
                leftovers_tell(userdata, value);
        else if (streq(key, "WARNING")) {
                leftovers_note(userdata, value);
                log_send(LOG_WARNING, "MESSAGE=%s", value, "MESSAGE_ID=" MESSAGE_RESTORE_FAILED);
        } else if (streq(key, "DROPPED"))
                leftovers_log_dropped_journal();
}

static void on_restored(const Error *error, void *userdata) {
        Manager *m = userdata;

        m->leftovers.restorer = worker_free(m->leftovers.restorer);
        if (error)
                log_send(LOG_ERR, "MESSAGE=Cannot undo what an earlier session left, trying again: %s",
                                strempty(error->text), "MESSAGE_ID=" MESSAGE_RESTORE_FAILED);
        leftovers_retry(m);
        leftovers_recovered(m, NULL, error);
        manager_check_quit(m);
}

void leftovers_undo(Manager *m) {
        int r;

        if (m->active || m->leftovers.restorer || !undo_exists(m->runtime_fd))
                return;
        r = worker_start(m->event,
                        &(WorkerSpec) {
                                .name = "restore",
                                .run = restore,
                                .arg = m,
                                .keep_fds = &m->runtime_fd,
                                .n_keep_fds = 1,
                                .line = on_line,
                                .done = on_restored,
                                .userdata = m,
                        },
                        &m->leftovers.restorer);
        if (r < 0)
                log_send(LOG_ERR, "MESSAGE=Cannot undo what an earlier session left: %s", strerrordesc_np(-r),
                                "MESSAGE_ID=" MESSAGE_RESTORE_FAILED);
}

int leftovers_recover(Manager *m, uid_t uid, Error *error) {
        SessionOptions options = { .adopt = true };
        Session *s;
        int r;

        if (m->leftovers.wanted)
                return 0;
        if (m->active)
                return error_set(error, ERROR_ALREADY_RUNNING,
                                "Session %u is %s, and restores the machine when it ends: \"mmiotracectl stop\" ends it.",
                                m->active->id, session_state_to_string(m->active->state));
        m->leftovers.wanted = true;
        leftovers_undo(m);
        if (m->leftovers.restorer)
                return 0;
        /* Whether mmiotrace is on takes a worker to find out. Where it is not, nobody ever hears of this session. */
        r = manager_start_session(m, &options, uid, &s, error);
        if (r < 0)
                m->leftovers.wanted = false;
        return r;
}
