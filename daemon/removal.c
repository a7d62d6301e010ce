/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/resource.h>

#include "log.h"
#include "manager.h"
#include "names.h"
#include "removal.h"
#include "report.h"
#include "submission.h"

/* Behind the drain, on the one CPU that there may be. */
#define REMOVAL_NICE 10

static int remove_session(FILE *out, void *userdata) {
        const Removal *removal = userdata;
        int sessions_fd = removal->manager->sessions_fd, r = 0;
        _cleanup_error_ Error error = {};
        char name[16], gone[32];

        (void) setpriority(PRIO_PROCESS, 0, REMOVAL_NICE);
        (void) snprintf(name, sizeof name, "%u", removal->id);
        (void) snprintf(gone, sizeof gone, REMOVAL_PREFIX "%u", removal->id);
        if (removal->session && renameat(sessions_fd, name, sessions_fd, gone) < 0)
                r = error_set_errno(&error, ERROR_FAILED, -errno, "Cannot rename the folder of session %s", name);
        if (r >= 0) {
                worker_send(out, "GONE", "1");
                r = remove_tree_at(sessions_fd, gone);
        }
        if (r < 0)
                (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot remove the files of session %s", name);
        return worker_send_result(out, r, &error);
}

static void on_line(const char *key, const char *value, void *userdata) {
        Removal *removal = userdata;
        Session *s = removal->session;

        if (!streq(key, "GONE") || !s)
                return;
        log_send(LOG_NOTICE, "MESSAGE=Session %u was removed %s", s->id, removal->why,
                        "MESSAGE_ID=" MESSAGE_SESSION_REMOVED, FIELD_SESSION "=%u", s->id, FIELD_DRIVER "=%s",
                        strempty(s->options.driver), FIELD_ARCHIVE "=%s", strempty(s->archive));
        removal->manager->hooks.session_removed(s, removal->manager->hooks.userdata);
        removal->session = NULL;
        session_free(s);
}

static void on_done(const Error *error, void *userdata) {
        Removal *removal = userdata;
        Manager *m = removal->manager;
        unsigned id = removal->id;

        if (error)
                log_send(LOG_WARNING, "MESSAGE=%s", strempty(error->text), FIELD_SESSION "=%u", id);
        if (removal->session) {
                removal->session->removing = false;
                /* Its saver was stopped for this. */
                (void) session_save(removal->session, SAVE_SOON);
        }
        removal_free(removal);
        m->hooks.removed(id, error, m->hooks.userdata);
        vacuum_removed(m, id);
        if (!error)
                manager_room_made(m);
}

static int start(Manager *m, unsigned id, Session *s, const char *why) {
        _cleanup_(removal_freep) Removal *removal = calloc(1, sizeof(Removal));
        Removal **grown = reallocarray(m->removals, m->n_removals + 1, sizeof(Removal *));
        int r;

        if (grown)
                m->removals = grown;
        if (!removal || !grown)
                return -ENOMEM;
        m->removals[m->n_removals++] = removal;
        *removal = (Removal) { .manager = m, .session = s, .id = id, .why = why ? strdup(why) : NULL };
        if (why && !removal->why)
                return -ENOMEM;
        r = worker_start(m->event,
                        &(WorkerSpec) {
                                .name = "remove",
                                .run = remove_session,
                                .arg = removal,
                                .keep_fds = &m->sessions_fd,
                                .n_keep_fds = 1,
                                .line = on_line,
                                .done = on_done,
                                .userdata = removal,
                        },
                        &removal->worker);
        if (r < 0)
                return r;
        (void) TAKE_PTR(removal);
        return 0;
}

int removal_start(Session *s, const char *why, Error *error) {
        int r;

        if (s->removing)
                return error_set(error, ERROR_STATE, "Session %u is being removed already.", s->id);
        if (!session_is_over(s))
                return error_set(error, ERROR_STATE, "Session %u is %s; it can be removed when it is sealed.", s->id,
                                session_state_to_string(s->state));
        if (s->job)
                return error_set(error, ERROR_STATE, "The archive of session %u is just being made; try again when that is done.",
                                s->id);
        if (s->protected)
                return error_set(error, ERROR_PROTECTED,
                                "Session %u is protected; \"mmiotracectl protect %u no\" takes that away.", s->id, s->id);
        if (s->submission)
                return error_set(error, ERROR_STATE,
                                "Session %u is being submitted; \"mmiotracectl submit --cancel %u\" ends that.", s->id, s->id);
        r = start(s->manager, s->id, s, why);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot start the process that removes session %u", s->id);
        session_stop_saving(s);
        s->removing = true;
        return 0;
}

int removal_resume(Manager *m, unsigned id) {
        return start(m, id, NULL, NULL);
}

Removal *removal_free(Removal *removal) {
        if (!removal)
                return NULL;
        Manager *m = removal->manager;

        for (size_t i = 0; m && i < m->n_removals; i++)
                if (m->removals[i] == removal)
                        m->removals[i--] = m->removals[--m->n_removals];
        worker_free(removal->worker);
        free(removal->why);
        free(removal);
        return NULL;
}
