/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "names.h"
#include "session-view.h"

/* Of the ring per event: what the daemon sizes it by (daemon/tracer.c, RING_BYTES_PER_10_EVENTS). */
#define RING_BYTES_PER_EVENT 44.4

/* One row for each property: its name and type on the bus, where it is kept, and its key in JSON. */
static const struct {
        const char *name;
        const char *type;
        size_t offset;
        const char *key;
} properties[] = {
        { "Id", "u", offsetof(SessionView, id), "id" },
        { "State", "s", offsetof(SessionView, state), "state" },
        { "Result", "s", offsetof(SessionView, result), "result" },
        { "ResultText", "s", offsetof(SessionView, result_text), "result_text" },
        { "StopReason", "s", offsetof(SessionView, stop_reason), "stop_reason" },
        { "StopAfter", "t", offsetof(SessionView, stop_after.usec), "stop_after_usec" },
        { "StopAfterBytes", "t", offsetof(SessionView, stop_after.bytes), "stop_after_bytes" },
        { "StopAfterEvents", "t", offsetof(SessionView, stop_after.n_events), "stop_after_events" },
        { "StopOnMark", "s", offsetof(SessionView, stop_on_mark), "stop_on_mark" },
        { "Driver", "s", offsetof(SessionView, driver), "driver" },
        { "Module", "s", offsetof(SessionView, module), "module" },
        { "DriverVersion", "s", offsetof(SessionView, driver_version), "driver_version" },
        { "Devices", "as", offsetof(SessionView, devices), "devices" },
        { "Description", "s", offsetof(SessionView, description), "description" },
        { "Owner", "u", offsetof(SessionView, owner), "owner_uid" },
        { "StartTimestamp", "t", offsetof(SessionView, start_usec), "start_timestamp_usec" },
        { "StartTimestampMonotonic", "t", offsetof(SessionView, start_monotonic_usec),
                        "start_timestamp_monotonic_usec" },
        { "StopTimestamp", "t", offsetof(SessionView, stop_usec), "stop_timestamp_usec" },
        { "StopTimestampMonotonic", "t", offsetof(SessionView, stop_monotonic_usec),
                        "stop_timestamp_monotonic_usec" },
        { "Events", "t", offsetof(SessionView, events), "events" },
        { "LostEvents", "t", offsetof(SessionView, lost_events), "lost_events" },
        { "Reads", "t", offsetof(SessionView, reads), "reads" },
        { "Writes", "t", offsetof(SessionView, writes), "writes" },
        { "Unknown", "t", offsetof(SessionView, unknown), "unknown" },
        { "Maps", "t", offsetof(SessionView, maps), "maps" },
        { "BytesRaw", "t", offsetof(SessionView, raw_bytes), "raw_bytes" },
        { "GivenUpEvents", "t", offsetof(SessionView, given_up_events), "given_up_events" },
        { "BytesGivenUp", "t", offsetof(SessionView, given_up_bytes), "given_up_bytes" },
        { "BytesCompressed", "t", offsetof(SessionView, compressed_bytes), "compressed_bytes" },
        { "BytesCompressedOnDisk", "t", offsetof(SessionView, compressed_disk_bytes), "compressed_disk_bytes" },
        { "SpaceShort", "b", offsetof(SessionView, space_short), "space_short" },
        { "BytesLog", "t", offsetof(SessionView, log_bytes), "log_bytes" },
        { "BytesArchive", "t", offsetof(SessionView, archive_bytes), "archive_bytes" },
        { "BufferSize", "t", offsetof(SessionView, buffer_size_bytes), "buffer_size_bytes" },
        { "BufferFill", "t", offsetof(SessionView, ring_fill_bytes), "ring_fill_bytes" },
        { "Keep", "s", offsetof(SessionView, keep), "keep" },
        { "Source", "s", offsetof(SessionView, source), "source" },
        { "Stacks", "b", offsetof(SessionView, stacks), "stacks" },
        { "KeepRaw", "b", offsetof(SessionView, keep_raw), "keep_raw" },
        { "EventRate", "t", offsetof(SessionView, event_rate), "event_rate" },
        { "CPU", "u", offsetof(SessionView, cpu), "cpu" },
        { "CPUsOffline", "s", offsetof(SessionView, cpus_offline), "cpus_offline" },
        { "Marks", "a(tts)", offsetof(SessionView, marks), "marks" },
        { "MarkCount", "u", offsetof(SessionView, mark_count), "mark_count" },
        { "Warnings", "as", offsetof(SessionView, warnings), "warnings" },
        { "WarningCount", "u", offsetof(SessionView, warning_count), "warning_count" },
        { "Archive", "s", offsetof(SessionView, archive), "archive" },
        { "ArchivePath", "s", offsetof(SessionView, archive_path), "archive_path" },
        { "ExportTimestamp", "t", offsetof(SessionView, export_usec), "export_timestamp_usec" },
        { "Protected", "b", offsetof(SessionView, is_protected), "protected" },
        { "Job", "o", offsetof(SessionView, job), "job" },
        { "Submission", SUBMISSION_VIEW_TYPE, offsetof(SessionView, submission), "submission" },
        { "SubmitError", "s", offsetof(SessionView, submit_error), "submit_error" },
        { "Receipts", RECEIPT_LIST_TYPE, offsetof(SessionView, receipts), "receipts" },
};

static void *member(const SessionView *v, size_t i) {
        return (char *) v + properties[i].offset;
}

static void forget_marks(SessionView *v) {
        for (size_t i = 0; i < v->n_marks; i++)
                free(v->marks[i].text);
        free(v->marks);
        v->marks = NULL;
        v->n_marks = 0;
}

SessionView *session_view_free(SessionView *v) {
        if (!v)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(properties); i++)
                if (streq(properties[i].type, "s") || streq(properties[i].type, "o"))
                        free(*(char **) member(v, i));
                else if (streq(properties[i].type, "as"))
                        strv_free(*(char ***) member(v, i));
        forget_marks(v);
        strv_free(v->device_names);
        submission_view_done(&v->submission);
        receipt_list_done(&v->receipts);
        free(v);
        return NULL;
}

static int read_marks(sd_bus_message *m, SessionView *v) {
        SessionMark mark;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(tts)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(tts)", &mark.realtime_usec, &mark.monotonic_usec, &mark.text)) >
                        0) {
                SessionMark *grown = reallocarray(v->marks, v->n_marks + 1, sizeof *grown);

                if (!grown)
                        return -ENOMEM;
                v->marks = grown;
                mark.text = strdup(mark.text);
                if (!mark.text)
                        return -ENOMEM;
                v->marks[v->n_marks++] = mark;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* The value inside a variant. The daemon sends no property twice; the last one would count. */
static int read_value(sd_bus_message *m, SessionView *v, size_t i) {
        const char *type = properties[i].type;
        void *p = member(v, i);

        if (streq(type, "a(tts)"))
                return v->marks ? -EBADMSG : read_marks(m, v);
        if (streq(type, SUBMISSION_VIEW_TYPE))
                return submission_view_read(m, p);
        if (streq(type, RECEIPT_LIST_TYPE))
                return receipt_list_read(m, p);
        if (streq(type, "as")) {
                char **list;
                int r = sd_bus_message_read_strv(m, &list);

                if (r < 0)
                        return r;
                strv_free(*(char ***) p);
                *(char ***) p = list;
                return 0;
        }
        if (streq(type, "s") || streq(type, "o")) {
                const char *s;
                int r = sd_bus_message_read_basic(m, type[0], &s);
                char *copy;

                if (r < 0)
                        return r;
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
                free(*(char **) p);
                *(char **) p = copy;
                return 0;
        }
        return sd_bus_message_read_basic(m, type[0], p);
}

static int read_property(sd_bus_message *m, SessionView *v) {
        const char *name, *contents;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(properties); i++) {
                if (!streq(properties[i].name, name))
                        continue;
                r = sd_bus_message_peek_type(m, NULL, &contents);
                if (r < 0)
                        return r;
                if (!streq_ptr(contents, properties[i].type))
                        return -EBADMSG;
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r < 0)
                        return r;
                r = read_value(m, v, i);
                if (r < 0)
                        return r;
                return sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v");
}

int session_view_parse(sd_bus_message *reply, SessionView **ret) {
        _cleanup_session_view_ SessionView *v = calloc(1, sizeof *v);
        int r;

        if (!v)
                return -ENOMEM;
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = read_property(reply, v);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;

        /* So that nobody else has to ask whether a string is there. */
        for (size_t i = 0; i < ELEMENTS(properties); i++)
                if (streq(properties[i].type, "s") || streq(properties[i].type, "o")) {
                        char **s = member(v, i);

                        if (!*s)
                                *s = strdup("");
                        if (!*s)
                                return -ENOMEM;
                }
        *ret = TAKE_PTR(v);
        return 0;
}

int session_view_request(sd_bus *bus, const char *path, sd_bus_message **ret) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, path, "org.freedesktop.DBus.Properties",
                        "GetAll");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", BUS_INTERFACE_SESSION);
        if (r < 0) {
                sd_bus_message_unref(m);
                return r;
        }
        *ret = m;
        return 0;
}

int session_view_get(sd_bus *bus, const char *path, sd_bus_error *error, SessionView **ret) {
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = session_view_request(bus, path, &m);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        if (r >= 0)
                r = session_view_parse(reply, ret);
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 0;
}

int session_view_get_marks(sd_bus *bus, const char *path, sd_bus_error *error, SessionView *v) {
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, path, BUS_INTERFACE_SESSION, "ListMarks");
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        sd_bus_message_unref(m);
        if (r < 0)
                return r;
        forget_marks(v);
        r = read_marks(reply, v);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 0;
}

void session_view_get_progress(sd_bus *bus, SessionView *v) {
        double progress;

        if (!streq(v->state, "sealing") || isempty(v->job) || streq(v->job, "/"))
                return;
        /* An error only says that it has ended meanwhile. */
        if (sd_bus_get_property_trivial(bus, BUS_NAME, v->job, BUS_INTERFACE_JOB, "Progress", NULL, 'd', &progress) >= 0)
                v->seal_progress = progress;
}

bool session_view_is_running(const SessionView *v) {
        static const char *const running[] = { "checking", "arming", "capturing", "draining", "restoring" };

        for (size_t i = 0; i < ELEMENTS(running); i++)
                if (streq(v->state, running[i]))
                        return true;
        return false;
}

bool session_view_is_final(const SessionView *v) {
        return streq(v->state, "sealed") || streq(v->state, "failed");
}

bool session_view_is_failure(const SessionView *v) {
        return streq(v->state, "failed") || (!isempty(v->result) && !streq(v->result, "success"));
}

bool session_view_is_incomplete(const SessionView *v) {
        return v->lost_events > 0 || v->given_up_events > 0;
}

unsigned session_view_ring_percent(const SessionView *v) {
        if (v->buffer_size_bytes == 0)
                return 0;
        /* The kernel counts what is in the pages, and has some more of them than asked for. */
        return (unsigned) MIN(100.0 * (double) v->ring_fill_bytes / (double) v->buffer_size_bytes, 100.0);
}

bool session_view_ring_left(const SessionView *v, uint64_t *ret_usec) {
        uint64_t free_bytes;
        double usec;

        if (v->buffer_size_bytes == 0 || v->event_rate == 0)
                return false;
        free_bytes = v->buffer_size_bytes - MIN(v->ring_fill_bytes, v->buffer_size_bytes);
        usec = (double) free_bytes * USEC_PER_SEC / ((double) v->event_rate * RING_BYTES_PER_EVENT);
        /* Whatever the daemon says has to fit. */
        *ret_usec = (uint64_t) MIN(usec, 1e18);
        return true;
}

int json_add(json_object *object, const char *key, json_object *value) {
        if (value && json_object_object_add(object, key, value) >= 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

int json_append(json_object *array, json_object *value) {
        if (value && json_object_array_add(array, value) >= 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

static json_object *strv_to_json(char *const *list) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        STRV_FOREACH(s, list)
                if (json_append(array, json_object_new_string(*s)) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

static json_object *marks_to_json(const SessionView *v) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (size_t i = 0; i < v->n_marks; i++) {
                const SessionMark *mark = v->marks + i;
                _cleanup_json_ json_object *o = json_object_new_object();

                if (!o || json_add(o, "time_usec", json_object_new_uint64(mark->monotonic_usec)) < 0 ||
                    json_add(o, "timestamp_usec", json_object_new_uint64(mark->realtime_usec)) < 0 ||
                    json_add(o, "text", json_object_new_string(mark->text)) < 0 ||
                    json_append(array, TAKE_PTR(o)) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

static json_object *member_to_json(const SessionView *v, size_t i) {
        const void *p = member(v, i);

        if (streq(properties[i].type, "u"))
                return json_object_new_uint64(*(const uint32_t *) p);
        if (streq(properties[i].type, "t"))
                return json_object_new_uint64(*(const uint64_t *) p);
        if (streq(properties[i].type, "b"))
                return json_object_new_boolean(*(const int *) p);
        if (streq(properties[i].type, "as"))
                return strv_to_json(*(char *const *const *) p);
        if (streq(properties[i].type, "a(tts)"))
                return marks_to_json(v);
        if (streq(properties[i].type, SUBMISSION_VIEW_TYPE))
                return submission_view_to_json(p);
        if (streq(properties[i].type, RECEIPT_LIST_TYPE))
                return receipt_list_to_json(p);
        return json_object_new_string(*(const char *const *) p);
}

static int add_ring_left(json_object *o, const SessionView *v) {
        uint64_t usec;
        char text[48];

        /* json-c's null is NULL, which json_add() takes for a failed allocation. */
        if (!session_view_ring_left(v, &usec))
                return json_object_object_add(o, "ring_seconds_left", NULL) < 0 ? -ENOMEM : 0;
        (void) snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64, usec / USEC_PER_SEC,
                        usec % USEC_PER_SEC / USEC_PER_MSEC);
        return json_add(o, "ring_seconds_left",
                        json_object_new_double_s((double) usec / USEC_PER_SEC, text));
}

int session_view_to_json(const SessionView *v, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(properties); i++) {
                r = json_add(o, properties[i].key, member_to_json(v, i));
                if (r < 0)
                        return r;
        }
        r = add_ring_left(o, v);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}
