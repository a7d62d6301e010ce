/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "log.h"
#include "manager-boot.h"
#include "manager.h"
#include "names.h"
#include "submission.h"
#include "undo.h"

/* Each costs a descriptor and an object on the bus for as long as its files are there, however small. Of all of them, the
 * last ones are for root alone; no limit removes one. */
#define SESSIONS_MAX 1000U
#define SESSIONS_ROOT 10U
#define SESSIONS_USER_MAX 100U

static int open_folder(int dir_fd, const char *path, int *ret) {
        int fd;

        if (mkdirat(dir_fd, path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

/* Until somebody listens. */
static void on_session(Session *session, void *userdata) {
}

static void on_session_result(Session *session, const Error *error, void *userdata) {
}

static void on_removed(unsigned session_id, const Error *error, void *userdata) {
}

static void on_recovered(Session *session, char *const *done, const Error *error, void *userdata) {
}

static void on_job(Job *job, void *userdata) {
}

static void on_job_removed(Job *job, const char *result, const char *detail, void *userdata) {
}

static void on_config_changed(void *userdata) {
}

static int on_load_module(Session *session, const char *module, void *userdata) {
        return -EOPNOTSUPP;
}

static const ManagerHooks nobody = {
        .session_added = on_session,
        .session_changed = on_session,
        .session_removed = on_session,
        .started = on_session_result,
        .stopped = on_session_result,
        .removed = on_removed,
        .recovered = on_recovered,
        .job_added = on_job,
        .job_changed = on_job,
        .job_removed = on_job_removed,
        .load_module = on_load_module,
        .config_changed = on_config_changed,
};

int manager_new(Context *context, sd_event *event, Manager **ret) {
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_close_ int state_fd = -EBADF;
        int r;

        m = calloc(1, sizeof(Manager));
        if (!m)
                return -ENOMEM;
        m->context = context;
        m->hooks = nobody;
        m->sessions_fd = m->runtime_fd = -EBADF;
        m->event = sd_event_ref(event);

        r = undo_boot_id(context->proc_root, &m->boot_id);
        if (r >= 0)
                r = fd_store_init(&m->fd_store);
        if (r >= 0)
                r = open_folder(AT_FDCWD, context->runtime_dir, &m->runtime_fd);
        if (r >= 0)
                r = open_folder(AT_FDCWD, context->state_dir, &state_fd);
        if (r >= 0)
                r = open_folder(state_fd, "sessions", &m->sessions_fd);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        /* Each takes itself out of its list. */
        while (m->n_jobs > 0)
                job_free(m->jobs[0]);
        vacuum_free(m->vacuum);
        while (m->n_removals > 0)
                removal_free(m->removals[0]);
        while (m->n_sessions > 0)
                session_free(m->sessions[0]);
        free(m->jobs);
        free(m->sessions);
        free(m->removals);
        leftovers_done(&m->leftovers);
        worker_free(m->arm.worker);
        next_boot_done(&m->arm.boot);
        strv_free(m->arm.notes);
        free(m->armed);
        config_done(&m->next_config);
        fd_store_done(&m->fd_store);
        safe_close(m->sessions_fd);
        safe_close(m->runtime_fd);
        free(m->boot_id);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

Session *manager_find_session(Manager *m, unsigned id) {
        for (size_t i = 0; i < m->n_sessions; i++)
                if (m->sessions[i]->id == id)
                        return m->sessions[i];
        return NULL;
}

Job *manager_find_job(Manager *m, unsigned id) {
        for (size_t i = 0; i < m->n_jobs; i++)
                if (m->jobs[i]->id == id)
                        return m->jobs[i];
        return NULL;
}

static int write_last_id(Manager *m, unsigned id) {
        char text[16];

        (void) snprintf(text, sizeof text, "%u\n", id);
        /* The disk has it with the session, see session-store.c; without either, nobody has heard of the session. */
        return exchange_file_at(m->sessions_fd, LAST_ID_FILE, text, strlen(text));
}

/* Ids are never used twice, also not after the session of the highest one was removed: so the last one is on file. */
int manager_next_session_id(Manager *m, unsigned *ret) {
        _cleanup_free_ char *line = NULL;
        uint64_t last = 0;
        int r;

        r = read_line_at(m->sessions_fd, LAST_ID_FILE, &line);
        if (r < 0 && r != -ENOENT)
                return r;
        if (line && parse_u64(line, &last) < 0)
                last = 0;
        for (size_t i = 0; i < m->n_sessions; i++)
                last = MAX(last, (uint64_t) m->sessions[i]->id);
        last++;
        r = write_last_id(m, (unsigned) last);
        if (r < 0)
                return r;
        *ret = (unsigned) last;
        return 0;
}

int manager_add_session(Manager *m, Session *s) {
        Session **grown = reallocarray(m->sessions, m->n_sessions + 1, sizeof(Session *));
        size_t i;

        if (!grown)
                return -ENOMEM;
        m->sessions = grown;
        for (i = m->n_sessions; i > 0 && grown[i - 1]->id > s->id; i--)
                grown[i] = grown[i - 1];
        grown[i] = s;
        m->n_sessions++;
        s->manager = m;
        return 0;
}

void manager_release_active(Manager *m, Session *s) {
        if (m->active != s)
                return;
        m->active = NULL;
        manager_take_config(m);
        submissions_go_on(m);
}

void manager_unlink_session(Manager *m, Session *s) {
        if (!m)
                return;
        manager_release_active(m, s);
        for (size_t i = 0; i < m->n_sessions; i++)
                if (m->sessions[i] == s) {
                        memmove(m->sessions + i, m->sessions + i + 1, (m->n_sessions - i - 1) * sizeof(Session *));
                        m->n_sessions--;
                        return;
                }
}

int manager_add_job(Manager *m, Job *job) {
        Job **grown = reallocarray(m->jobs, m->n_jobs + 1, sizeof(Job *));

        if (!grown)
                return -ENOMEM;
        m->jobs = grown;
        m->jobs[m->n_jobs++] = job;
        job->manager = m;
        job->id = ++m->last_job_id;
        return 0;
}

void manager_unlink_job(Manager *m, Job *job) {
        if (!m)
                return;
        for (size_t i = 0; i < m->n_jobs; i++)
                if (m->jobs[i] == job) {
                        memmove(m->jobs + i, m->jobs + i + 1, (m->n_jobs - i - 1) * sizeof(Job *));
                        m->n_jobs--;
                        return;
                }
}

void manager_announce_session(Manager *m, Session *s) {
        s->announced = true;
        m->hooks.session_added(s, m->hooks.userdata);
}

void manager_drop_session(Manager *m, Session *s) {
        char name[16];
        int r;

        session_stop_saving(s);
        (void) snprintf(name, sizeof name, "%u", s->id);
        if (s->announced)
                m->hooks.session_removed(s, m->hooks.userdata);
        /* Only a folder that is this session's. */
        r = s->dir_fd >= 0 ? remove_tree_at(m->sessions_fd, name) : 0;
        if (!s->announced && r >= 0)
                (void) write_last_id(m, s->id - 1);
        if (r < 0)
                log_send(LOG_WARNING, "MESSAGE=Cannot remove the files of session %s: %s", name, strerrordesc_np(-r),
                                FIELD_SESSION "=%s", name);
        session_free(s);
}

int manager_begin_session(Manager *m, const SessionOptions *options, uid_t owner_uid, Session **ret, Error *error) {
        Session *s;
        int r;

        r = session_new(m, options, owner_uid, &s, error);
        if (r < 0)
                return r;
        m->active = s;
        r = session_start(s, error);
        if (r < 0) {
                manager_drop_session(m, s);
                return r;
        }
        *ret = s;
        return 0;
}

int manager_check_count(const Manager *m, uid_t owner_uid, Error *error) {
        size_t n_user = 0;

        for (size_t i = 0; i < m->n_sessions; i++)
                n_user += m->sessions[i]->owner_uid == owner_uid;
        if (owner_uid != 0 && n_user >= SESSIONS_USER_MAX)
                return error_set(error, ERROR_TOO_MANY, "You have %zu sessions, which is the limit; remove those that are not needed any "
                                "more with \"mmiotracectl remove\".", n_user);
        if (m->n_sessions >= SESSIONS_MAX - (owner_uid != 0 ? SESSIONS_ROOT : 0))
                return error_set(error, ERROR_TOO_MANY, "There are %zu sessions, which is the limit; remove those that are not needed any "
                                "more with \"mmiotracectl remove\".", m->n_sessions);
        return 0;
}

int manager_check_idle(const Manager *m, uid_t owner_uid, Error *error) {
        if (m->quitting)
                return error_set(error, ERROR_STATE, "mmiotraced is about to stop and starts nothing new.");
        if (m->active)
                return error_set(error, ERROR_ALREADY_RUNNING,
                                "Session %u is %s, and the kernel can trace for one at a time; end it with "
                                "\"mmiotracectl stop\".", m->active->id, session_state_to_string(m->active->state));
        if (m->leftovers.restorer)
                return error_set(error, ERROR_STATE, "The machine is still being restored from a session that was cut short; "
                                "try again in a few seconds.");
        return manager_check_count(m, owner_uid, error);
}

int manager_start_session(Manager *m, const SessionOptions *options, uid_t owner_uid, Session **ret, Error *error) {
        int r;

        r = manager_check_idle(m, owner_uid, error);
        return r < 0 ? r : manager_begin_session(m, options, owner_uid, ret, error);
}

static int load_sessions(Manager *m) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int r;

        r = dir_open_at(m->sessions_fd, ".", &d);
        if (r < 0)
                return r;
        while ((entry = readdir(d))) {
                const char *removed = startswith(entry->d_name, REMOVAL_PREFIX);
                uint64_t id;
                Session *s;

                if (removed && parse_u64(removed, &id) >= 0 && id <= UINT32_MAX) {
                        r = removal_resume(m, (unsigned) id);
                        if (r < 0)
                                log_send(LOG_WARNING, "MESSAGE=Cannot remove %s, trying at the next start: %s", entry->d_name,
                                                strerrordesc_np(-r));
                        continue;
                }
                if (parse_u64(entry->d_name, &id) < 0 || id > UINT32_MAX)
                        continue;
                r = session_load(m, (unsigned) id, &s);
                if (r < 0)
                        log_send(LOG_WARNING, "MESSAGE=Cannot read session %s, leaving it alone: %s", entry->d_name,
                                        strerrordesc_np(-r), FIELD_SESSION "=%s", entry->d_name);
        }
        return 0;
}

int manager_load(Manager *m) {
        int r;

        r = load_sessions(m);
        if (r < 0)
                return r;
        /* Refused or cut off before anything was changed or captured, and nobody has heard of them; or to be taken up once
         * more. */
        for (size_t i = m->n_sessions; i-- > 0;)
                if (m->sessions[i]->state == SESSION_CHECKING ||
                    (m->sessions[i]->state == SESSION_ARMING && m->sessions[i]->options.at_boot)) {
                        m->sessions[i]->announced = true; /* its id is used up: it may not be the last one */
                        manager_drop_session(m, m->sessions[i]);
                }
        for (size_t i = 0; i < m->n_sessions; i++)
                manager_announce_session(m, m->sessions[i]);

        /* There is never more than one that the machine is changed for, and it is the latest of this boot. An earlier one
         * that is not over could not be written to a full disk when it ended. */
        for (size_t i = m->n_sessions; i-- > 0;) {
                Session *s = m->sessions[i];

                if (!session_is_over(s) && s->state != SESSION_SEALING && !m->active && streq_ptr(s->boot_id, m->boot_id))
                        m->active = s;
                session_resume(s);
                submission_resume(s);
        }

        if (m->active)
                m->hooks.session_changed(m->active, m->hooks.userdata);
        fd_store_done(&m->fd_store);
        manager_take_up_boot(m);
        leftovers_undo(m);
        vacuum_tidy(m);
        return 0;
}

void manager_room_made(Manager *m) {
        for (size_t i = 0; i < m->n_sessions && m->quitting == QUIT_NOT; i++)
                session_seal_if_room(m->sessions[i]);
}

void manager_check_quit(Manager *m) {
        bool quiet;

        /* Somebody waits for an answer. */
        if (m->arm.worker)
                return;
        for (size_t i = 0; i < m->n_sessions; i++)
                if (m->sessions[i]->saver)
                        return;
        switch (m->quitting) {
        case QUIT_STOP:
                /* Nobody has to wait for xz when the machine is to go down: the next daemon seals. */
                quiet = !m->active && !m->leftovers.restorer;
                break;
        case QUIT_HAND_OVER:
                /* Arming and restoring are not cut in two, and capturing goes on. */
                quiet = (!m->active || m->active->state == SESSION_CAPTURING || m->active->state == SESSION_DRAINING) &&
                        !m->leftovers.restorer;
                break;
        default:
                return;
        }
        if (quiet)
                (void) sd_event_exit(m->event, 0);
}

void manager_quit(Manager *m, bool hand_over) {
        Error ignored = {};

        if (m->quitting != QUIT_NOT)
                return;
        m->quitting = hand_over ? QUIT_HAND_OVER : QUIT_STOP;
        if (m->active && !hand_over)
                (void) session_stop(m->active, STOP_SERVICE, &ignored);
        error_done(&ignored);
        manager_check_quit(m);
}

uint64_t manager_disk_usage_bytes(const Manager *m) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < m->n_sessions; i++)
                bytes += session_disk_bytes(m->sessions[i]);
        return bytes;
}
