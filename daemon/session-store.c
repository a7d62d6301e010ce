/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* session.json: a session on disk, written as a whole at each change of state.
 *
 * A disk that is busy takes hundreds of milliseconds for an fsync(), and on most file systems it waits for what others
 * have written as well, a seal of a gigabyte among them. So the loop only replaces the file, which is enough to outlive
 * the daemon, and a worker brings a copy to the disk. Of a file that was replaced without an fsync() a power cut may leave
 * the one before, or nothing but the name: then the copy counts. */

#include <fcntl.h>
#include <sys/stat.h>

#include "archive-name.h"
#include "json.h"
#include "manager.h"
#include "names.h"
#include "report.h"
#include "session-capture.h"
#include "session.h"
#include "submission.h"

#define SESSION_FILE_VERSION 1

/* The numbers that go to the file and back as they are. */
static const struct {
        const char *key;
        size_t offset;
} numbers[] = {
        { "revision", offsetof(Session, revision) },
        { "buffer_bytes", offsetof(Session, buffer_bytes) },
        { "arm_monotonic_usec", offsetof(Session, arm_monotonic_usec) },
        { "start_realtime_usec", offsetof(Session, start_realtime_usec) },
        { "start_monotonic_usec", offsetof(Session, start_monotonic_usec) },
        { "stop_realtime_usec", offsetof(Session, stop_realtime_usec) },
        { "stop_monotonic_usec", offsetof(Session, stop_monotonic_usec) },
        { "events", offsetof(Session, n_events) },
        { "recorded_events", offsetof(Session, n_recorded) },
        { "lost_events", offsetof(Session, n_lost) },
        { "given_up_events", offsetof(Session, n_given_up) },
        { "reads", offsetof(Session, n_reads) },
        { "writes", offsetof(Session, n_writes) },
        { "unknown", offsetof(Session, n_unknown) },
        { "maps", offsetof(Session, n_maps) },
        { "raw_bytes", offsetof(Session, raw_bytes) },
        { "compressed_bytes", offsetof(Session, compressed_bytes) },
        { "compressed_disk_bytes", offsetof(Session, compressed_disk_bytes) },
        { "given_up_bytes", offsetof(Session, given_up_bytes) },
        { "log_bytes", offsetof(Session, log_bytes) },
        { "archive_bytes", offsetof(Session, archive_bytes) },
        { "export_realtime_usec", offsetof(Session, export_realtime_usec) },
};

static const struct {
        const char *key;
        size_t offset;
} strings[] = {
        { "boot_id", offsetof(Session, boot_id) },
        { "result_text", offsetof(Session, result_text) },
        { "submit_error", offsetof(Session, submit_error) },
        { "module", offsetof(Session, module) },
        { "pci_driver", offsetof(Session, pci_driver) },
        { "driver_version", offsetof(Session, driver_version) },
        { "source", offsetof(Session, source) },
        { "trace_clock", offsetof(Session, trace_clock) },
        { "cpus_online", offsetof(Session, online) },
        { "cpus_offline", offsetof(Session, offline) },
        { "seal_error", offsetof(Session, seal_error.text) },
        { "archive", offsetof(Session, archive) },
        { "archive_name", offsetof(Session, archive_name) },
};

static int add_marks(struct json_object *o, const Session *s) {
        _cleanup_json_ struct json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_marks; i++) {
                _cleanup_json_ struct json_object *mark = json_object_new_object();

                if (!mark)
                        return -ENOMEM;
                r = json_add_u64(mark, "realtime_usec", s->marks[i].realtime_usec);
                if (r >= 0)
                        r = json_add_u64(mark, "monotonic_usec", s->marks[i].monotonic_usec);
                if (r >= 0 && s->marks[i].caller_usec > 0)
                        r = json_add_u64(mark, "caller_usec", s->marks[i].caller_usec);
                if (r >= 0)
                        r = json_add_string(mark, "text", s->marks[i].text);
                if (r < 0)
                        return r;
                if (json_object_array_add(array, mark) < 0)
                        return -ENOMEM;
                mark = NULL;
        }
        return json_add(o, "marks", TAKE_PTR(array));
}

static int to_json(const Session *s, struct json_object **ret) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_u64(o, "version", SESSION_FILE_VERSION);
        if (r >= 0)
                r = json_add_u64(o, "id", s->id);
        if (r >= 0)
                r = json_add_string(o, "state", session_state_to_string(s->state));
        if (r >= 0)
                r = json_add_string(o, "result", session_result_to_string(s->result));
        if (r >= 0)
                r = json_add_string(o, "seal_error_name", error_name(s->seal_error.code));
        if (r >= 0)
                r = json_add_string(o, "stop_reason", stop_reason_to_string(s->stop_reason));
        if (r >= 0)
                r = json_add_u64(o, "owner_uid", s->owner_uid);
        if (r >= 0)
                r = json_add_u64(o, "cpu", s->cpu);
        if (r >= 0)
                r = session_options_to_json(&s->options, o);
        if (r >= 0)
                r = json_add(o, "protected", json_object_new_boolean(s->protected));
        if (r >= 0)
                r = json_add(o, "cut_short", json_object_new_boolean(s->cut_short));
        if (r >= 0)
                r = json_add(o, "archive_outdated", json_object_new_boolean(s->archive_outdated));
        for (size_t i = 0; i < ELEMENTS(strings) && r >= 0; i++)
                r = json_add_string(o, strings[i].key, *(char **) ((char *) s + strings[i].offset));
        for (size_t i = 0; i < ELEMENTS(numbers) && r >= 0; i++)
                r = json_add_u64(o, numbers[i].key, *(uint64_t *) ((char *) s + numbers[i].offset));
        if (r >= 0)
                r = json_add_strv(o, "devices", s->devices);
        if (r >= 0)
                r = json_add_strv(o, "warnings", s->warnings);
        if (r >= 0)
                r = add_marks(o, s);
        if (r >= 0)
                r = submission_to_json(s, o);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

/* What the saver writes, as it was when it was forked. */
typedef struct SaveRequest {
        const Session *session;
        const char *text;
} SaveRequest;

static int sync_last_id(const Session *s) {
        _cleanup_close_ int fd = openat(s->manager->sessions_fd, LAST_ID_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0 || fsync(s->manager->sessions_fd) < 0)
                return -errno;
        return 0;
}

static int write_copy(FILE *out, void *userdata) {
        const SaveRequest *q = userdata;
        const Session *s = q->session;
        _cleanup_error_ Error error = {};
        int r;

        r = write_file_atomic_at(s->dir_fd, SESSION_DURABLE_FILE, q->text, strlen(q->text));
        /* With the folder that it is in. */
        if (r >= 0 && s->state == SESSION_CHECKING)
                r = sync_last_id(s);
        (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot bring " SESSION_FILE " to the disk");
        return worker_send_result(out, r, &error);
}

static void on_saved(const Error *error, void *userdata) {
        Session *s = userdata;
        int r = 0;

        s->saver = worker_free(s->saver);
        if (error)
                session_log_failure(s, -error_to_errno(error->code), strempty(error->text));
        if (s->save_due)
                r = session_save(s, SAVE_SOON);
        if (r < 0)
                session_log_failure(s, r, "cannot write " SESSION_FILE);
        manager_check_quit(s->manager);
}

static int save_copy(Session *s, const char *text) {
        SaveRequest request = { s, text };
        const int keep[] = { s->dir_fd, s->manager->sessions_fd };

        /* One after the other, and of several that wait the last one. */
        s->save_due = s->saver;
        if (s->saver)
                return 0;
        return worker_start(s->manager->event,
                        &(WorkerSpec) {
                                .name = "save",
                                .run = write_copy,
                                .arg = &request,
                                .keep_fds = keep,
                                .n_keep_fds = ELEMENTS(keep),
                                .dies_with_daemon = true,
                                .done = on_saved,
                                .userdata = s,
                        },
                        &s->saver);
}

int session_save(Session *s, SaveMode mode) {
        _cleanup_json_ struct json_object *o = NULL;
        const char *text;
        int r;

        s->revision++;
        r = to_json(s, &o);
        if (r < 0)
                return r;
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return -ENOMEM;
        r = exchange_file_at(s->dir_fd, SESSION_FILE, text, strlen(text));
        if (r < 0 || mode == SAVE_LATER)
                return r;
        r = save_copy(s, text);
        if (r < 0)
                session_log_failure(s, r, "cannot bring " SESSION_FILE " to the disk");
        return 0;
}

void session_stop_saving(Session *s) {
        s->saver = worker_free(s->saver);
        s->save_due = false;
}

static int load_marks(struct json_object *o, Session *s) {
        struct json_object *array;

        if (!json_object_object_get_ex(o, "marks", &array) || !json_object_is_type(array, json_type_array))
                return 0;
        s->marks = calloc(MAX(json_object_array_length(array), (size_t) 1), sizeof(SessionMark));
        if (!s->marks)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                struct json_object *mark = json_object_array_get_idx(array, i);
                SessionMark *m = s->marks + s->n_marks;

                m->realtime_usec = json_get_u64(mark, "realtime_usec");
                m->monotonic_usec = json_get_u64(mark, "monotonic_usec");
                m->caller_usec = json_get_u64(mark, "caller_usec");
                m->text = strdup(json_get_string(mark, "text"));
                if (!m->text)
                        return -ENOMEM;
                s->n_marks++;
        }
        return 0;
}

static int load_file(int dir_fd, const char *name, struct json_object **ret) {
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(dir_fd, name, 64 * MIB, &text, NULL);
        if (r < 0)
                return r;
        o = json_tokener_parse(text);
        if (!json_object_is_type(o, json_type_object) || json_get_u64(o, "version") != SESSION_FILE_VERSION ||
            session_state_from_string(json_get_string(o, "state")) < 0)
                return -EBADMSG;
        *ret = TAKE_PTR(o);
        return 0;
}

/* The newer one of those that can be read: the file, or its copy. Returns 1 for the copy. */
static int load_newest(int dir_fd, struct json_object **ret) {
        _cleanup_json_ struct json_object *file = NULL, *copy = NULL;
        int r;

        r = load_file(dir_fd, SESSION_FILE, &file);
        if (load_file(dir_fd, SESSION_DURABLE_FILE, &copy) >= 0 &&
            (r < 0 || json_get_u64(copy, "revision") > json_get_u64(file, "revision"))) {
                *ret = TAKE_PTR(copy);
                return 1;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(file);
        return 0;
}

int session_load(Manager *manager, unsigned id, Session **ret) {
        _cleanup_(session_freep) Session *s = NULL;
        _cleanup_json_ struct json_object *o = NULL;
        char name[16];
        bool is_copy;
        int r;

        s = calloc(1, sizeof(Session));
        if (!s)
                return -ENOMEM;
        *s = (Session) {
                .id = id,
                .dir_fd = -EBADF,
                .marker_fd = -EBADF,
                .control_fd = -EBADF,
                .mark_fd = -EBADF,
                .sync_fd = -EBADF,
        };
        (void) snprintf(name, sizeof name, "%u", id);
        s->dir_fd = openat(manager->sessions_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (s->dir_fd < 0)
                return -errno;
        r = load_newest(s->dir_fd, &o);
        if (r < 0)
                return r;
        is_copy = r > 0;
        s->state = session_state_from_string(json_get_string(o, "state"));
        /* It went on from there, nobody knows how far: so nothing of it is dropped. */
        if (is_copy && s->state == SESSION_CHECKING)
                s->state = SESSION_INTERRUPTED;
        s->result = session_result_from_string(json_get_string(o, "result"));
        s->stop_reason = stop_reason_from_string(json_get_string(o, "stop_reason"));
        s->owner_uid = (uid_t) json_get_u64(o, "owner_uid");
        s->cpu = (unsigned) json_get_u64(o, "cpu");
        s->protected = json_get_bool(o, "protected");
        s->cut_short = json_get_bool(o, "cut_short");
        s->archive_outdated = json_get_bool(o, "archive_outdated");
        r = session_options_from_json(o, &s->options);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(strings); i++) {
                const char *value = json_get_string(o, strings[i].key);

                if (!isempty(value) && !(*(char **) ((char *) s + strings[i].offset) = strdup(value)))
                        return -ENOMEM;
        }
        if (*json_get_string(o, "seal_error_name"))
                s->seal_error.code = error_from_name(json_get_string(o, "seal_error_name"));
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                *(uint64_t *) ((char *) s + numbers[i].offset) = json_get_u64(o, numbers[i].key);
        /* The copy may be from before it was known. */
        if (is_copy && !s->archive_name)
                r = archive_name(NULL, NULL, s->options.driver, NULL, s->start_realtime_usec, &s->archive_name);
        if (r >= 0)
                r = json_get_strv(o, "devices", &s->devices);
        if (r >= 0)
                r = json_get_strv(o, "warnings", &s->warnings);
        if (r >= 0)
                r = load_marks(o, s);
        if (r >= 0)
                r = submission_from_json(o, s);
        if (r >= 0)
                r = manager_add_session(manager, s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}
