/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "log.h"
#include "manager.h"
#include "report.h"
#include "vacuum.h"

/* In a sentence; there may be hundreds. */
#define SHOWN_MAX 5

static bool may_be_removed(const Session *s) {
        return session_is_over(s) && !s->job && !s->submission && !s->protected && !s->removing;
}

/* Somebody has what there is to have of it. */
static bool may_go(const Session *s) {
        return may_be_removed(s) && !s->submission && (s->export_realtime_usec > 0 || s->n_receipts > 0);
}

uint64_t vacuum_spare_bytes(const Manager *m) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < m->n_sessions; i++)
                if (may_go(m->sessions[i]))
                        bytes += session_disk_bytes(m->sessions[i]);
        return bytes;
}

static int look(FILE *out, void *userdata) {
        const Manager *m = userdata;
        _cleanup_error_ Error error = {};
        StorageSpace space;
        int r;

        r = storage_look(m->sessions_fd, &space);
        if (r < 0)
                return worker_send_result(out, error_set_errno(&error, ERROR_FAILED, r,
                                "Cannot tell how much room there is for sessions"), &error);
        worker_send(out, "TOTAL", "%" PRIu64, space.total_bytes);
        worker_send(out, "FREE", "%" PRIu64, space.free_bytes);
        worker_send(out, "USED", "%" PRIu64, space.used_bytes);
        return 0;
}

static void on_line(const char *key, const char *value, void *userdata) {
        Vacuum *v = userdata;
        uint64_t *number = streq(key, "TOTAL") ? &v->space.total_bytes :
                           streq(key, "FREE")  ? &v->space.free_bytes :
                                                 &v->space.used_bytes;

        (void) parse_u64(value, number);
}

static void finish(Vacuum *v, const Error *error) {
        void (*done)(const Error *, void *) = v->done;
        void *userdata = v->userdata;

        vacuum_free(v);
        if (done)
                done(error, userdata);
        else if (error)
                log_send(LOG_WARNING, "MESSAGE=%s", strempty(error->text));
}

/* Starts to remove the next one; false if there is none. */
static bool remove_next(Vacuum *v) {
        Manager *m = v->manager;

        for (size_t i = 0; i < m->n_sessions; i++) {
                _cleanup_error_ Error error = {};
                Session *s = m->sessions[i];

                if (s->id <= v->last_id || !may_go(s))
                        continue;
                v->last_id = s->id;
                if (removal_start(s, "to make room, as its archive had been exported or submitted", &error) >= 0)
                        return true;
                log_send(LOG_WARNING, "MESSAGE=%s", strempty(error.text));
        }
        return false;
}

static void on_looked(const Error *error, void *userdata) {
        Vacuum *v = userdata;
        StorageLimits limits;

        v->worker = worker_free(v->worker);
        storage_limits(&v->manager->context->config.storage, v->space.total_bytes, &limits);
        if (!error && storage_room_bytes(&v->space, &limits) < v->wanted_bytes && remove_next(v))
                v->removing = true;
        else
                finish(v, error);
}

static int start_look(Vacuum *v) {
        return worker_start(v->manager->event,
                        &(WorkerSpec) {
                                .name = "look",
                                .run = look,
                                .arg = v->manager,
                                .keep_fds = &v->manager->sessions_fd,
                                .n_keep_fds = 1,
                                .line = on_line,
                                .done = on_looked,
                                .userdata = v,
                        },
                        &v->worker);
}

int vacuum_begin(Manager *m, uint64_t wanted_bytes, void (*done)(const Error *error, void *userdata), void *userdata) {
        int r;

        if (!m->vacuum) {
                _cleanup_(vacuum_freep) Vacuum *v = calloc(1, sizeof(Vacuum));

                if (!v)
                        return -ENOMEM;
                v->manager = m;
                r = start_look(v);
                if (r < 0)
                        return r;
                m->vacuum = TAKE_PTR(v);
        }
        m->vacuum->wanted_bytes = MAX(m->vacuum->wanted_bytes, wanted_bytes);
        if (done) {
                m->vacuum->done = done;
                m->vacuum->userdata = userdata;
        }
        return 0;
}

void vacuum_make_room(Manager *m, uint64_t wanted_bytes) {
        int r;

        if (m->quitting != QUIT_NOT)
                return;
        r = vacuum_begin(m, wanted_bytes, NULL, NULL);
        if (r < 0)
                log_send(LOG_WARNING, "MESSAGE=Cannot start the process that looks at the disk: %s", strerrordesc_np(-r));
}

void vacuum_tidy(Manager *m) {
        vacuum_make_room(m, 1);
}

Vacuum *vacuum_free(Vacuum *v) {
        if (!v)
                return NULL;
        if (v->manager->vacuum == v)
                v->manager->vacuum = NULL;
        worker_free(v->worker);
        free(v);
        return NULL;
}

void vacuum_removed(Manager *m, unsigned id) {
        _cleanup_error_ Error error = {};
        Vacuum *v = m->vacuum;
        int r;

        /* While its own is on the way, there is less room than there will be. */
        if (!v || !v->removing || id != v->last_id)
                return;
        v->removing = false;
        r = start_look(v);
        if (r >= 0)
                return;
        (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot start the process that looks at the disk");
        finish(v, &error);
}

static int compare_sizes(const void *a, const void *b) {
        uint64_t x = session_disk_bytes(*(Session *const *) a), y = session_disk_bytes(*(Session *const *) b);

        return x < y ? 1 : x > y ? -1 : 0;
}

int vacuum_list_removable(const Manager *m, char **ret) {
        _cleanup_free_ Session **sessions = calloc(m->n_sessions + 1, sizeof(Session *));
        _cleanup_free_ char *text = NULL;
        size_t n = 0, bytes;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; sessions && i < m->n_sessions; i++)
                if (may_be_removed(m->sessions[i]))
                        sessions[n++] = m->sessions[i];
        if (n > 1)
                qsort(sessions, n, sizeof(Session *), compare_sizes);
        for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
                fprintf(f, "%s%u (%s)", i > 0 ? ", " : "", sessions[i]->id, FORMAT_BYTES(session_disk_bytes(sessions[i])));
        if (fclose(f) != 0 || !sessions)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
