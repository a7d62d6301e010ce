/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/resource.h>
#include <systemd/sd-journal.h>

#include "manager.h"
#include "names.h"
#include "removal.h"
#include "report.h"

/* No session is called that. */
#define GONE_PREFIX ".gone-"

/* Behind the drain, on the one CPU that there may be. */
#define REMOVAL_NICE 10

static int remove_session(FILE *out, void *userdata) {
        const Removal *removal = userdata;
        int sessions_fd = removal->manager->sessions_fd, r;
        char name[16], gone[32];

        (void) setpriority(PRIO_PROCESS, 0, REMOVAL_NICE);
        (void) snprintf(name, sizeof name, "%u", removal->id);
        (void) snprintf(gone, sizeof gone, GONE_PREFIX "%u", removal->id);
        if (renameat(sessions_fd, name, sessions_fd, gone) < 0)
                return worker_send_result(out, -errno, &(Error) { ERROR_FAILED, (char *) "The session's folder cannot be renamed." });
        worker_send(out, "GONE", "1");
        r = remove_tree_at(sessions_fd, gone);
        return worker_send_result(out, r, &(Error) { ERROR_FAILED, (char *) "The session's files cannot be removed." });
}

static void on_line(const char *key, const char *value, void *userdata) {
        Removal *removal = userdata;
        Session *s = removal->session;

        if (!streq(key, "GONE") || !s)
                return;
        (void) sd_journal_send("MESSAGE=Session %u was removed %s", s->id, removal->why, "PRIORITY=5",
                        "MESSAGE_ID=" MESSAGE_SESSION_REMOVED, FIELD_SESSION "=%u", s->id, FIELD_DRIVER "=%s",
                        strempty(s->options.driver), FIELD_ARCHIVE "=%s", strempty(s->archive), NULL);
        removal->manager->hooks.session_removed(s, removal->manager->hooks.userdata);
        removal->session = NULL;
        session_free(s);
}

static void on_done(const Error *error, void *userdata) {
        Removal *removal = userdata;
        Manager *m = removal->manager;
        unsigned id = removal->id;

        if (error)
                (void) sd_journal_send("MESSAGE=Cannot remove session %u: %s", id, strempty(error->text), "PRIORITY=4",
                                FIELD_SESSION "=%u", id, NULL);
        if (removal->session)
                removal->session->removing = false;
        removal_free(removal);
        m->hooks.removed(id, error, m->hooks.userdata);
}

static int start(Manager *m, Session *s, const char *why, Removal **ret) {
        _cleanup_(removal_freep) Removal *removal = calloc(1, sizeof(Removal));
        Removal **grown = reallocarray(m->removals, m->n_removals + 1, sizeof(Removal *));
        int r;

        if (grown)
                m->removals = grown;
        if (!removal || !grown)
                return -ENOMEM;
        m->removals[m->n_removals++] = removal;
        *removal = (Removal) { .manager = m, .session = s, .id = s->id, .why = strdup(why) };
        if (!removal->why)
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
        *ret = TAKE_PTR(removal);
        return 0;
}

int removal_start(Session *s, const char *why, Error *error) {
        Removal *removal;
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
        r = start(s->manager, s, why, &removal);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot start the process that removes session %u", s->id);
        s->removing = true;
        return 0;
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

static int sweep(FILE *out, void *userdata) {
        const Manager *m = userdata;
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int fd, r = 0;

        (void) setpriority(PRIO_PROCESS, 0, REMOVAL_NICE);
        fd = openat(m->sessions_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        while (d && (entry = readdir(d)) && r >= 0)
                if (startswith(entry->d_name, GONE_PREFIX))
                        r = remove_tree_at(m->sessions_fd, entry->d_name);
        return worker_send_result(out, d ? r : -errno,
                        &(Error) { ERROR_FAILED, (char *) "What is left of sessions that were removed cannot be removed." });
}

static void on_swept(const Error *error, void *userdata) {
        Manager *m = userdata;

        m->sweeper = worker_free(m->sweeper);
        if (error)
                (void) sd_journal_send("MESSAGE=%s", strempty(error->text), "PRIORITY=4", NULL);
}

int removal_sweep(Manager *m) {
        return worker_start(m->event,
                        &(WorkerSpec) {
                                .name = "sweep",
                                .run = sweep,
                                .arg = m,
                                .keep_fds = &m->sessions_fd,
                                .n_keep_fds = 1,
                                .done = on_swept,
                                .userdata = m,
                        },
                        &m->sweeper);
}
